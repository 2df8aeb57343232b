"""The plan of many machines: what they have in common is said once, with a count, and what stands out by name.

Everything that is summed up here is in the JSON report one by one, and on the terminal with ``full``.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from ..checks import by_name
from ..core.waves import has_canary, stages
from ..model import Becomes, Finding, Plan, PlannedDisk, PlannedJob
from ..model.letters import printable
from ..plans.plan import steps
from . import text
from .many import FEW, count_of, groups, named
from .text import Line, duration

_BY_NAME = 3
"""Up to so many different things that disks become are each named."""
_WAVES = 6
"""So many waves are shown by their size."""
_NAME_WIDTH = 28
_A = {"snapshot": "a snapshot", "image": "an image", "unknown": "nobody knows what"}


def plan_lines(plan: Plan, *, full: bool = False) -> Iterator[Line]:
    """Show the plan: of many machines what they have in common, then a line for each disk.

    Args:
        full: every finding by itself.

    """
    if len(plan.jobs) + len(plan.skipped) <= FEW:
        yield from text.plan_lines(plan)
        return
    opening = list(text.head(plan))
    yield from opening
    yield from _in_common(plan)
    if plan.findings:
        yield Line()
        yield from _findings(plan.findings, plan, full=full)
    yield Line()
    yield from _disk_lines(plan)
    if plan.skipped:
        yield Line()
        yield from text.left_out(plan)
        yield from _findings(plan.skipped_blockers, plan, full=full)
    yield Line()
    yield from text.foot(plan)
    yield from opening[: 1 + plan.simulated]  # once more: the beginning has scrolled away
    yield Line(f"  {_verdict(plan)}", "bold red" if plan.blockers else "bold")


def _verdict(plan: Plan) -> str:
    stopped = sum(job.will_stop for job in plan.jobs)
    against = len(plan.blockers)
    refused = f"; {against} findings refuse it" if against > 1 else "; 1 finding refuses it" if against else ""
    out = sum(len(job.disks) for job in plan.skipped)
    refused += f"; {count_of(out, 'disk')} left out" if out else ""
    return f"{stopped or 'None'} of the instances {'is' if stopped < 2 else 'are'} stopped for it{refused}."


# ------------------------------------------------------------------------------------------------ what is in common


def _in_common(plan: Plan) -> Iterator[Line]:
    disks = [disk for job in plan.jobs for disk in job.disks]
    yield from (Line(f"  {said}", "bold") for said in _become([disk.becomes for disk in disks]))
    for jobs in groups(plan.jobs, lambda job: (text.power_text(job, plan), _calls(job, plan))):
        yield Line(f"  {count_of(len(jobs), 'instance')}, each: {text.power_text(jobs[0], plan)}")
        yield Line(f"      {_calls(jobs[0], plan)}", "dim")
    sharing = {disk_id for job in plan.jobs if job.will_stop for disk_id in job.sharing}
    if sharing:
        yield Line(f"  Down with them, data untouched: {count_of(len(sharing), 'other disk')}")
    yield Line(f"  {_order(plan)}")


def _become(all_of_them: Sequence[Becomes]) -> Iterator[str]:
    """Say what the disks become: by name while that is few things, else by their kinds."""
    whole = Counter(map(text.becomes_text, all_of_them))
    if len(whole) <= _BY_NAME:
        yield from (f"{count_of(count, 'disk')} {_becomes(count)} {said}" for said, count in whole.items())
        return
    for kind, count in Counter(each.kind for each in all_of_them).items():
        ids = {each.id for each in all_of_them if each.kind == kind}
        said = (
            text.becomes_text(Becomes(kind))
            if kind == "empty"
            else f"{_A[kind]} ({len(ids)} different ones, named below)"
        )
        yield f"{count_of(count, 'disk')} {_becomes(count)} {said}"


def _becomes(count: int) -> str:
    return "becomes" if count == 1 else "become"


def _calls(job: PlannedJob, plan: Plan) -> str:
    """Write down the calls that one machine gets, in order; those that only differ in the disk once."""
    planned = [
        f"{action}{f' {note}' if note and action != 'ResetDisk' else ''} {duration(limit)}"
        for action, _, note, limit in steps(job, plan)
    ]
    said = ", ".join(f"{count} times {call}" if count > 1 else call for call, count in Counter(planned).items())
    return f"at most: {said}"


def _order(plan: Plan) -> str:
    rollout, total = plan.rollout, len(plan.jobs)
    ends = stages(rollout, total)
    sizes = [end - begin for begin, end in zip((0, *ends), ends, strict=False)]
    parts = []
    if has_canary(rollout, total):
        parts.append(f"{sizes.pop(0)} first, as a canary that must end done")
    if len(sizes) > 1:
        waves = ", ".join(map(str, sizes[:_WAVES])) + (" ..." if len(sizes) > _WAVES else "")
        parts.append(f"{len(sizes)} waves of {waves}")
    elif sizes:
        parts.append(f"the other {sizes[0]}" if parts else f"all {sizes[0]}")
    said = f"In order: {', then '.join(parts)}; at most {rollout.max_parallel} down at once"
    if rollout.stop_after_failures is not None:
        said += f"; none begins once {rollout.stop_after_failures} have failed"
    if rollout.deadline is not None:
        said += f"; none begins after {text.minute(rollout.deadline)}"
    return said


# ------------------------------------------------------------------------------------------------------ the findings


def _rank(found: Finding, plan: Plan) -> int:
    """Put first what stands against the run, and last what is only told."""
    if found.level == "risk":
        return 2 if found.check in plan.options.accept else 1
    return 0 if found.level == "block" else 3


def _findings(findings: Sequence[Finding], plan: Plan, *, full: bool) -> Iterator[Line]:
    """Show findings of one check as one, whatever they say of the single disk, unless each is asked for."""
    ranked = sorted(findings, key=lambda each: _rank(each, plan))
    if full:
        for found in ranked:
            yield from text.finding_lines(found, accepted=_rank(found, plan) == 2)
        return
    for alike in groups(ranked, lambda each: (_rank(each, plan), each.check)):
        first, accepted = alike[0], _rank(alike[0], plan) == 2
        if len(alike) == 1:
            yield from text.finding_lines(first, accepted=accepted)
            continue
        level = "risk, accepted" if accepted else first.level
        things, ids = named([each.subject for each in alike])
        yield Line(f"  {level}: {first.check}: {things}: {_meaning(alike)}", text.STYLE[first.level])
        yield Line(f"      {ids}", text.STYLE[first.level])
        if _rank(first, plan) < 2:
            fixes = {each.fix for each in alike}
            explained = f"safe-reinit explain {first.check}, or the plan with --verbose, says what to do."
            yield Line(f"      fix: {first.fix if len(fixes) == 1 else explained}")


def _meaning(alike: Sequence[Finding]) -> str:
    """Give what they all say; where each says something else, what their check is about."""
    check = by_name(alike[0].check)
    return alike[0].message if check is None or len({each.message for each in alike}) == 1 else check.summary


# --------------------------------------------------------------------------------------------- a line for each disk


def _disk_lines(plan: Plan) -> Iterator[Line]:
    """Name every disk and every instance; behind each what stands against it."""
    against: dict[str, list[Finding]] = {}
    for found in plan.blockers:
        against.setdefault(found.subject, []).append(found)
    names = dict(zip([job.instance_id for job in plan.jobs], _names(plan.jobs), strict=True))
    columns = [max(map(len, (disk.disk_id for job in plan.jobs for disk in job.disks)))]
    columns.append(min(_NAME_WIDTH, max(map(_width, names.values()))))
    one_power = len({job.power_before for job in plan.jobs}) == 1
    for job in plan.jobs:
        name = _padded(names[job.instance_id], columns[1])
        power = "" if one_power else f"{job.power_before or 'not seen':<8} "
        of_job = against.get(job.instance_id or "", [])
        for disk in job.disks:
            problems = [*against.get(disk.disk_id, ()), *of_job]
            level = "block" if any(each.level == "block" for each in problems) else "risk"
            said = ", ".join(dict.fromkeys(each.check for each in problems))
            line = f"  {name} {disk.disk_id:<{columns[0]}} {power}{_what(disk)}{f'  {level}: {said}' if said else ''}"
            yield Line(line, text.STYLE[level] if said else "")


def _names(jobs: Sequence[PlannedJob]) -> list[str]:
    """Name the instances as people call them; with the id where that name does not tell which."""
    known = Counter(job.instance_name for job in jobs)
    return [
        printable(job.instance_name)
        if job.instance_name and known[job.instance_name] == 1
        else f"{printable(job.instance_name)} {job.instance_id or 'no instance'}".strip()
        for job in jobs
    ]


def _what(disk: PlannedDisk) -> str:
    size = f"{disk.size_gib:>5} GiB" if disk.size_gib is not None else " " * 9
    becomes = {"empty": "EMPTY", "unknown": "unknown"}.get(disk.becomes.kind, disk.becomes.id or "")
    return f"{disk.type or 'not seen':<6}{size} -> {becomes}"


def _padded(name: str, width: int) -> str:
    return name + " " * max(0, width - _width(name))


def _width(name: str) -> int:
    """Count the columns that a terminal gives a text: letters of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in name)
