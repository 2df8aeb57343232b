"""The plan as lines that a person reads in five seconds: a few machines each, many by what they have in common.

What refuses it comes first. The loss comes last, where the question follows. Notes are counted; they are in the JSON
report one by one, and shown with ``full``.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from ..core.waves import has_canary, stages
from ..model import Becomes, Finding, Plan, PlannedDisk, PlannedJob
from ..model.letters import printable
from ..plans.plan import downtime, steps, unforeseen
from . import text
from .many import FULL_DETAIL_LIMIT, count_of, groups, meaning, named
from .text import Line, duration, name_of

NEVER_FOLDED = ("not-checked", "outside-hours", "classes-differ")
"""Checks whose notes are always shown: what could not be checked, or may not be done at this hour, can refuse it."""
_NAMED_KINDS = 3
"""Up to so many different things that disks become are each named."""
_NAMED_LOSSES = 3
"""Disks that the last line names."""
_LISTED_WAVES = 6
"""So many waves are shown by their size."""
_NAME_WIDTH = 28
_ACCEPTED_RANK = 2
"""The rank of an accepted risk; what has a lower one refuses the run."""
_A = {"snapshot": "a snapshot", "image": "an image", "unknown": "something unknown"}
_WATCHED = (
    "It shows no StartTime, so the run observes it from your confirmation on, and wipes nothing after a gap. "
    "Data written before the first observation is lost, too."
)


def plan_lines(plan: Plan, *, full: bool = False) -> Iterator[Line]:
    """Show a plan.

    Args:
        plan: the plan.
        full: every finding by itself, and everything that is known of a disk.

    """
    if plan.simulated:
        yield Line(text.SIMULATED, "bold")
    if plan.blockers:
        stop = "stops" if len(plan.blockers) == 1 else "stop"
        yield Line(f"REFUSED: {count_of(len(plan.blockers), 'finding')} {stop} this plan; nothing is done.", "bold red")
        yield from _findings(plan.blockers, plan, full=full)
    yield from _head(plan)
    if len(plan.jobs) + len(plan.skipped) <= FULL_DETAIL_LIMIT:
        for job in plan.jobs:
            yield from _job_lines(job, plan, full=full)
    else:
        yield from _in_common(plan)
        yield from _disk_lines(plan)
    yield from _accepted(plan, full=full)
    if plan.skipped:
        yield from _left_out(plan)
        yield from _findings(plan.skipped_blockers, plan, full=full)
    if plan.runnable:
        yield Line(f"  {_foot(plan)}", "dim")
        yield Line(loss(plan), "bold")


def loss(plan: Plan) -> str:
    """Return the sentence about what is lost once the plan is agreed to."""
    disks = [disk for job in plan.jobs for disk in job.disks]
    size = sum(disk.size_gib or 0 for disk in disks)
    machines = f"{len(plan.jobs)} instances" if len(plan.jobs) > 1 else _short_name(plan.jobs[0]) if plan.jobs else ""
    gib = f", {size} GiB" if size else ""
    if len(disks) == 1:
        what = f"{disks[0].disk_id} ({disks[0].type or 'unknown'} disk{gib})"
    else:
        ids = ", ".join(disk.disk_id for disk in disks[:_NAMED_LOSSES])
        more = f" and {len(disks) - _NAMED_LOSSES} more" if len(disks) > _NAMED_LOSSES else ""
        what = f"{len(disks)} disks ({ids}{more}{gib})"
    them, of_each = (
        ("it", "the safety snapshot that is") if len(disks) == 1 else ("them", "the safety snapshots that are")
    )
    but = f", except in {of_each} taken first" if plan.options.snapshot else ""
    if plan.options.undo:
        return f"ROLL BACK {what} on {machines}: everything written to {them} since the snapshot is lost{but}."
    return f"WIPE {what} on {machines}: everything written to {them} is lost{but}."


def _short_name(job: PlannedJob) -> str:
    return printable(job.instance_name) or job.instance_id or "no instance"


def _head(plan: Plan) -> Iterator[Line]:
    """Yield what is to be done, and where."""
    disks = count_of(sum(len(job.disks) for job in plan.jobs), "disk")
    disks += f" on {len(plan.jobs)} instances" if len(plan.jobs) > 1 else ""
    if plan.options.undo:
        yield Line(f"Plan: undo run {plan.options.undo}: roll {disks} back to the safety snapshot", "bold")
    else:
        yield Line(f"Plan: reinitialise {disks}", "bold")
    account, caller = plan.account or "NOT KNOWN (GetCallerIdentity was not answered)", plan.caller
    who = caller.arn.removeprefix(f"acs:ram::{plan.account}:") if plan.account else caller.arn
    yield Line(f"  {plan.region}, account {account}{f', as {who}' if who else ''}", "dim")
    if caller.source:
        yield Line(f"  credentials: {caller.source[:1].lower()}{caller.source[1:]}", "dim")
    if plan.once:
        yield Line(f"  at most once under the key {plan.once}", "dim")
    if used := plan.guard.class_:
        yield Line(f"  {text.class_text(used.name, used.allowed)}", "dim")


def _foot(plan: Plan) -> str:
    """Return what the plan cannot tell, and what a wipe is not."""
    unknown = unforeseen(plan)
    words = f"Cannot be checked in advance: {', '.join(unknown)}. " if unknown else ""
    return f"{words}{'' if plan.options.undo else text.NO_ERASURE}".strip()


def _left_out(plan: Plan) -> Iterator[Line]:
    """Yield the disks that the run leaves out, since their job is refused, with what refuses it."""
    yield Line("  Left out because they are refused:", "bold")
    for job in plan.skipped:
        subjects = {job.instance_id, *(disk.disk_id for disk in job.disks)}
        checks = dict.fromkeys(found.check for found in plan.skipped_blockers if found.subject in subjects)
        for disk in job.disks:
            yield Line(f"    {disk.disk_id} on {name_of(job)}: {', '.join(checks)}", text.STYLE["block"])


# ------------------------------------------------------------------------------------------------- a few machines


def _job_lines(job: PlannedJob, plan: Plan, *, full: bool) -> Iterator[Line]:
    power = f"; {_power_text(job, plan)}" if plan.runnable else ""
    yield Line(f"  {name_of(job)}: {job.power_before or 'not seen'}{power}", "bold")
    for disk in job.disks:
        yield Line(f"    {_disk_text(disk, full=full)}")
        if plan.runnable:
            yield Line(f"      becomes {text.becomes_text(disk.becomes)}", "bold")
    if not plan.runnable:  # nothing of it will happen
        return
    if _is_watched(job):
        yield Line(f"    {_WATCHED}")
    if job.sharing and job.will_stop:
        yield Line(f"    Other disks that go down with it (their data is untouched): {', '.join(job.sharing)}")
    planned = steps(job, plan)
    width = max(len(action) for action, *_ in planned)
    for number, (action, subject, note, limit) in enumerate(planned, 1):
        extra = f" {note}" if note else ""
        yield Line(f"    {number}/{len(planned)} {action:<{width}} {subject}{extra}, at most {duration(limit)}")


def _disk_text(disk: PlannedDisk, *, full: bool) -> str:
    serial_of_id = disk.disk_id.removeprefix("d-")
    parts = [
        f"{disk.type} disk" if disk.type else "disk not seen",
        f"{disk.size_gib} GiB" if disk.size_gib is not None else "",
        disk.device,
        f"serial {disk.serial}" if disk.serial and (full or disk.serial != serial_of_id) else "",
        f'"{printable(disk.disk_name)}"' if disk.disk_name and (full or disk.disk_name != disk.disk_id) else "",
    ]
    return f"{disk.disk_id}  {', '.join(part for part in parts if part)}"


def _power_text(job: PlannedJob, plan: Plan) -> str:
    """Return what happens to the power of one instance."""
    if job.will_start and not job.will_stop:
        return "stopped by the earlier run, started after the wipe"
    if job.will_start:
        return f"stopped and started again, down for at most {duration(downtime(job, plan))}"
    if job.will_stop:
        return "stopped and left stopped"
    return "stays stopped" if job.power_before == "Stopped" else "not stopped by this plan"


def _is_watched(job: PlannedJob) -> bool:
    return not job.will_start and not job.will_stop and job.power_before == "Stopped" and not job.shows_start_time


# ------------------------------------------------------------------------------------- many: what is in common


def _in_common(plan: Plan) -> Iterator[Line]:
    disks = [disk for job in plan.jobs for disk in job.disks]
    yield from (Line(f"  {words}", "bold") for words in _become([disk.becomes for disk in disks]))
    if not plan.runnable:  # nothing of it will happen
        return
    for jobs in groups(plan.jobs, lambda job: (_power_text(job, plan), _is_watched(job), _calls(job, plan))):
        each = " " if len(jobs) == 1 else ", each "
        yield Line(f"  {count_of(len(jobs), 'instance')}{each}{_power_text(jobs[0], plan)}")
        yield Line(f"      {_calls(jobs[0], plan)}", "dim")
        if _is_watched(jobs[0]):
            yield Line(f"      {_WATCHED}")
    sharing = {disk_id for job in plan.jobs if job.will_stop for disk_id in job.sharing}
    if sharing:
        yield Line(f"  Other disks that go down with them (their data is untouched): {len(sharing)}")
    yield Line(f"  {_order(plan)}")


def _become(all_of_them: Sequence[Becomes]) -> Iterator[str]:
    """Yield what the disks become: by name while that is few things, else by their kinds."""
    whole = Counter(map(text.becomes_text, all_of_them))
    if len(whole) <= _NAMED_KINDS:
        yield from (f"{count_of(count, 'disk')} {_becomes(count)} {words}" for words, count in whole.items())
        return
    for kind, count in Counter(each.kind for each in all_of_them).items():
        ids = {each.id for each in all_of_them if each.kind == kind}
        words = (
            text.becomes_text(Becomes(kind))
            if kind == "empty"
            else f"{_A[kind]} ({len(ids)} different ones, named below)"
        )
        yield f"{count_of(count, 'disk')} {_becomes(count)} {words}"


def _becomes(count: int) -> str:
    return "becomes" if count == 1 else "become"


def _calls(job: PlannedJob, plan: Plan) -> str:
    """Write down the calls that one machine gets, in order; those that only differ in the disk once."""
    planned = [
        f"{action}{f' {note}' if note and action != 'ResetDisk' else ''} {duration(limit)}"
        for action, _, note, limit in steps(job, plan)
    ]
    words = ", ".join(f"{count} times {call}" if count > 1 else call for call, count in Counter(planned).items())
    return f"at most: {words}"


def _order(plan: Plan) -> str:
    rollout, total = plan.rollout, len(plan.jobs)
    ends = stages(rollout, total)
    sizes = [end - begin for begin, end in zip((0, *ends), ends, strict=False)]
    parts = []
    if has_canary(rollout, total):
        parts.append(f"{sizes.pop(0)} first, as a canary that must succeed")
    if len(sizes) > 1:
        waves = ", ".join(map(str, sizes[:_LISTED_WAVES])) + (" ..." if len(sizes) > _LISTED_WAVES else "")
        parts.append(f"{len(sizes)} waves of {waves}")
    elif sizes:
        parts.append(f"the other {sizes[0]}" if parts else f"all {sizes[0]}")
    words = f"In order: {', then '.join(parts)}; at most {rollout.max_parallel} down at once"
    if rollout.stop_after_failures is not None:
        words += f"; no job begins once {rollout.stop_after_failures} have failed"
    if rollout.deadline is not None:
        words += f"; no job begins after {text.minute(rollout.deadline)}"
    return words


# ------------------------------------------------------------------------------------------------------ the findings


def _accepted(plan: Plan, *, full: bool) -> Iterator[Line]:
    """Show what does not refuse the plan: each accepted risk, and how many notes there are."""
    left = [found for found in plan.findings if found not in plan.blockers]
    notes = [found for found in left if found.level == "info" and found.check not in NEVER_FOLDED]
    if full or not notes:
        yield from _findings(left, plan, full=full)
        return
    yield from _findings([found for found in left if found not in notes], plan, full=full)
    counted = Counter(found.check for found in notes)
    checks = ", ".join(f"{check} {count}" if count > 1 else check for check, count in counted.items())
    them = "it" if len(notes) == 1 else "them"
    yield Line(f"  {count_of(len(notes), 'note')} ({checks}); --verbose shows {them}.", "dim")


def _rank(found: Finding, plan: Plan) -> int:
    """Return where a finding comes: those that refuse the run, then accepted risks, then notes."""
    if found.level == "risk":
        return _ACCEPTED_RANK if found.check in plan.options.accept else 1
    return 0 if found.level == "block" else _ACCEPTED_RANK + 1


def _findings(findings: Sequence[Finding], plan: Plan, *, full: bool) -> Iterator[Line]:
    """Show findings of one check as one, whatever they say of the single disk, unless each is asked for."""
    ranked = sorted(findings, key=lambda each: _rank(each, plan))
    one_by_one = full or len(plan.jobs) + len(plan.skipped) == 1
    alike = [[each] for each in ranked] if one_by_one else groups(ranked, lambda each: (_rank(each, plan), each.check))
    for group in alike:
        yield from _finding(group, plan)


def _finding(alike: Sequence[Finding], plan: Plan) -> Iterator[Line]:
    first, rank = alike[0], _rank(alike[0], plan)
    refuses, level = rank < _ACCEPTED_RANK, "risk, accepted" if rank == _ACCEPTED_RANK else first.level
    style = f"bold {text.STYLE[first.level]}" if refuses else text.STYLE[first.level]
    things, ids = (first.subject, "") if len(alike) == 1 else named([each.subject for each in alike])
    words = first.message if len(alike) == 1 else meaning(alike)
    yield Line(f"  {level}: {first.check}: {things}: {printable(words)}", style)
    if ids:
        yield Line(f"      {ids}", style)
    if refuses:
        explained = f"safe-reinit explain {first.check}, or the plan with --verbose, says what to do."
        yield Line(f"      fix: {printable(first.fix) if len({each.fix for each in alike}) == 1 else explained}")


# --------------------------------------------------------------------------------------------- a line for each disk


def _disk_lines(plan: Plan) -> Iterator[Line]:
    """Yield every disk and every instance, each with what stands against it."""
    against: dict[str, list[Finding]] = {}
    for found in plan.blockers:
        against.setdefault(found.subject, []).append(found)
    labels = dict(zip([job.instance_id for job in plan.jobs], _labels(plan.jobs), strict=True))
    columns = [max(map(len, (disk.disk_id for job in plan.jobs for disk in job.disks)))]
    columns.append(min(_NAME_WIDTH, max(map(_width, labels.values()))))
    one_power = len({job.power_before for job in plan.jobs}) == 1
    for job in plan.jobs:
        name = _padded(labels[job.instance_id], columns[1])
        power = "" if one_power else f"{job.power_before or 'not seen':<8} "
        of_job = against.get(job.instance_id or "", [])
        for disk in job.disks:
            problems = [*against.get(disk.disk_id, ()), *of_job]
            level = "block" if any(each.level == "block" for each in problems) else "risk"
            words = ", ".join(dict.fromkeys(each.check for each in problems))
            # Nothing becomes of a disk that is refused: what refuses it has its place, so that both fit in one row.
            what = f"{level}: {words}" if words else f"{power}{_what(disk)}"
            yield Line(f"  {name} {disk.disk_id:<{columns[0]}} {what}", text.STYLE[level] if words else "")


def _labels(jobs: Sequence[PlannedJob]) -> list[str]:
    """Return the names of the instances; with the id where a name does not tell which."""
    counts = Counter(job.instance_name for job in jobs)
    return [
        printable(job.instance_name)
        if job.instance_name and counts[job.instance_name] == 1
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
