"""The plan as lines that a person reads in five seconds: one machine with its steps, several by what is alike.

What refuses it comes first. The loss comes last, where the question follows. Notes are counted; they are in the JSON
report one by one, and shown with ``full``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ..core.waves import has_canary, stages
from ..model import Finding, Plan, PlannedDisk, PlannedJob
from ..model.duration import duration
from ..model.letters import passes_for_id, printable
from ..plans.plan import downtime, steps, unforeseen, wiping_time
from . import text
from .many import common_meaning, count_of, groups, named
from .plan_targets import refused_lines, target_lines
from .text import Line, name_of

NEVER_FOLDED = ("not-checked", "outside-hours", "classes-differ")
"""Checks whose notes are always shown: what could not be checked, or may not be done at this hour, can refuse it."""
_NAMED_SHARING = 10
"""So many disks that go down with machines are named."""
_LISTED_WAVES = 6
"""So many waves are shown by their size."""
_ACCEPTED_RANK = 2
"""The rank of an accepted risk; what has a lower one refuses the run."""
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
    several = _are_several(plan)
    if plan.simulated:
        yield Line(text.SIMULATED, "bold")
    if plan.blockers:
        yield Line(f"REFUSED: {_refused(plan)} this plan; nothing is done.", "bold red")
        yield from _findings(plan.blockers, plan, full=full)
        if several:
            yield from refused_lines(plan.jobs, plan.blockers, "Not refused themselves:")
    if plan.skipped:
        of = len(plan.jobs) + len(plan.skipped)
        yield Line(f"LEFT OUT: {len(plan.skipped)} of {count_of(of, 'instance')}, since refused:", "bold red")
        yield from _findings(plan.skipped_blockers, plan, full=full)
        yield from refused_lines(plan.skipped, plan.skipped_blockers)
    yield from _head(plan)
    if len(plan.jobs) == 1 or full:
        for job in plan.jobs:
            yield from _job_lines(job, plan, full=full)
    if len(plan.jobs) > 1 and plan.runnable:
        yield from _in_common(plan)
    yield from _accepted(plan, full=full)
    if plan.runnable:
        yield Line(f"  {_foot(plan)}", "dim")
        if len(plan.jobs) > 1:
            yield from target_lines(plan.jobs, lambda job: (_power_text(job, plan), _calls(job, plan), _known(job)))
        yield Line(loss(plan, listed=len(plan.jobs) > 1), "bold")


def _refused(plan: Plan) -> str:
    """Return what refuses a plan: of several machines those; else, or where the run itself is refused, the findings."""
    subjects = {found.subject for found in plan.blockers}
    refused = [job for job in plan.jobs if subjects & {job.instance_id, *(disk.disk_id for disk in job.disks)}]
    count, things = len(plan.blockers), count_of(len(plan.blockers), "finding")
    if refused and _are_several(plan):
        count, things = len(refused), f"{len(refused)} of {count_of(len(plan.jobs), 'instance')}"
    return f"{things} {'stops' if count == 1 else 'stop'}"


def _are_several(plan: Plan) -> bool:
    """Return whether a plan is of several machines, so that what they have in common is said once."""
    return len(plan.jobs) + len(plan.skipped) > 1


def loss(plan: Plan, *, listed: bool) -> str:
    """Return the sentence about what is lost once the plan is agreed to.

    Args:
        plan: the plan.
        listed: whether the disks stand right above it; it names them otherwise.

    """
    disks = [disk for job in plan.jobs for disk in job.disks]
    size = sum(disk.size_gib or 0 for disk in disks)
    machines = f"{len(plan.jobs)} instances" if len(plan.jobs) > 1 else _short_name(plan.jobs[0]) if plan.jobs else ""
    on = "" if listed else f" on {machines}"
    gib = f", {size} GiB" if size else ""
    if len(disks) == 1:
        what = f"{disks[0].disk_id} ({disks[0].type or 'unknown'} disk{gib})"
    elif listed:
        what = f"these {len(disks)} disks{f' ({size} GiB)' if size else ''}"
    else:
        what = f"{len(disks)} disks ({', '.join(disk.disk_id for disk in disks)}{gib})"
    them, of_each = (
        ("it", "the safety snapshot that is") if len(disks) == 1 else ("them", "the safety snapshots that are")
    )
    but = f", except in {of_each} taken first" if plan.options.snapshot else ""
    if plan.options.undo:
        return f"ROLL BACK {what}{on}: everything written to {them} since the snapshot is lost{but}."
    return f"WIPE {what}{on}: everything written to {them} is lost{but}."


def _short_name(job: PlannedJob) -> str:
    if job.instance_id and passes_for_id(job.instance_name):
        return f"{printable(job.instance_name)} ({job.instance_id})"
    return printable(job.instance_name) or job.instance_id or "no instance"


def _head(plan: Plan) -> Iterator[Line]:
    """Yield what is to be done, and where."""
    disks = count_of(sum(len(job.disks) for job in plan.jobs), "disk")
    disks += f" on {len(plan.jobs)} instances" if len(plan.jobs) > 1 else ""
    if plan.options.undo:
        what = f"undo run {plan.options.undo}: roll {disks} back to the safety snapshot,"
    else:
        what = f"wipe {disks}"
    account, caller = plan.account or "NOT KNOWN (GetCallerIdentity was not answered)", plan.caller
    who = caller.arn.removeprefix(f"acs:ram::{plan.account}:") if plan.account else caller.arn
    yield Line(f"Plan: {what} in {plan.region}, account {account}{f', as {who}' if who else ''}", "bold")
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


# ------------------------------------------------------------------------------------------------- a few machines


def _job_lines(job: PlannedJob, plan: Plan, *, full: bool) -> Iterator[Line]:
    power = f"; {_power_text(job, plan)}" if plan.runnable else ""
    yield Line(f"  {name_of(job)}: {job.power_before or 'not seen'}{power}", "bold")
    for disk in job.disks:
        yield Line(f"    {_disk_text(disk, full=full)}")
        if plan.runnable:
            yield Line(f"    {text.will_become(disk.becomes)}", "bold")
    if not plan.runnable:  # nothing of it will happen
        return
    if _is_watched(job):
        yield Line(f"    {_WATCHED}")
    if job.sharing and job.will_stop:
        yield Line(f"    Also down, data untouched: {', '.join(job.sharing)}")
    yield Line(f"    At most: {', '.join(_steps(job, plan))}")
    yield from (Line(f"    {words}") for words in _turned_back(job, plan))


def _steps(job: PlannedJob, plan: Plan) -> Iterator[str]:
    """Yield the numbered steps of one machine, each with how long it may take from the end of the one before it."""
    planned = steps(job, plan)
    for number, (action, subject, note, limit) in enumerate(planned, 1):
        of_disk = subject if subject != job.instance_id and len(job.disks) > 1 else ""  # else it stands right above
        words = " ".join(filter(None, (action, of_disk, note, duration(limit) if limit else "")))
        yield f"{number}/{len(planned)} {words}"


def _turned_back(job: PlannedJob, plan: Plan) -> Iterator[str]:
    """Yield why a machine may be down for longer than its steps take together."""
    if job.will_start and downtime(job, plan) > wiping_time(plan):
        limits = plan.limits
        yield (
            f"A stop that takes longer is waited for another {duration(limits.start)}, then the machine is started: "
            f"{duration(downtime(job, plan))}."
        )


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
        return f"stopped and started, down at most {duration(downtime(job, plan))}"
    if job.will_stop:
        return "stopped and left stopped"
    return "stays stopped" if job.power_before == "Stopped" else "not stopped by this plan"


def _is_watched(job: PlannedJob) -> bool:
    return not job.will_start and not job.will_stop and job.power_before == "Stopped" and not job.shows_start_time


# ------------------------------------------------------------------------------------- many: what is in common


def _in_common(plan: Plan) -> Iterator[Line]:
    sharing = list(dict.fromkeys(disk_id for job in plan.jobs if job.will_stop for disk_id in job.sharing))
    if sharing:
        more = f" and {len(sharing) - _NAMED_SHARING} more" if len(sharing) > _NAMED_SHARING else ""
        named_ids = f"{', '.join(sharing[:_NAMED_SHARING])}{more}"
        yield Line(f"  {len(sharing)} other disks go down with them (their data is untouched): {named_ids}")
    yield Line(f"  {_order(plan)}")


def _calls(job: PlannedJob, plan: Plan) -> str:
    """Write down the calls that one machine gets, in order; those that only differ in the disk once."""
    planned = steps(job, plan)
    counts = Counter(action for action, *_ in planned)
    calls = []
    for action, _, note, limit in planned:
        if limit:
            named = f" {note}" if note and action not in ("ResetDisk", "StopInstance") else ""
            times = f"{counts[action]} times " if counts[action] > 1 and action != "StopInstance" else ""
            calls.append(f"{times}{action}{named} {duration(limit)}")
        elif action == "StopInstance":
            calls.append(note)
    return f"at most: {', '.join(calls)}"


def _known(job: PlannedJob) -> str:
    return _WATCHED if _is_watched(job) else ""


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
    them = "it" if len(notes) == 1 else "them"
    yield Line(f"  {count_of(len(notes), 'note')}, nothing to decide; --verbose shows {them}.", "dim")


def _rank(found: Finding, plan: Plan) -> int:
    """Return where a finding comes: those that refuse the run, then accepted risks, then notes."""
    if found.level == "risk":
        return _ACCEPTED_RANK if found.check in plan.options.accept else 1
    return 0 if found.level == "block" else _ACCEPTED_RANK + 1


def _findings(findings: Sequence[Finding], plan: Plan, *, full: bool) -> Iterator[Line]:
    """Show findings of one check as one, whatever they say of the single disk, unless each is asked for."""
    ranked = sorted(findings, key=lambda each: _rank(each, plan))
    one_by_one = full or not _are_several(plan)
    alike = [[each] for each in ranked] if one_by_one else groups(ranked, lambda each: (_rank(each, plan), each.check))
    owners = {} if one_by_one else _owners(plan)
    for group in alike:
        yield from _finding(group, plan, owners)


def _owners(plan: Plan) -> dict[str, str]:
    """Return the names of the machines, by their ids and those of their disks: which disks those are, a list says."""
    jobs = [*plan.jobs, *plan.skipped]
    return {
        subject: _short_name(job)
        for job in jobs
        for subject in (job.instance_id, *(disk.disk_id for disk in job.disks))
        if subject
    }


def _finding(alike: Sequence[Finding], plan: Plan, owners: Mapping[str, str]) -> Iterator[Line]:
    first, rank = alike[0], _rank(alike[0], plan)
    refuses, level = rank < _ACCEPTED_RANK, "risk, accepted" if rank == _ACCEPTED_RANK else first.level
    style = f"bold {text.STYLE[first.level]}" if refuses else text.STYLE[first.level]
    things, ids = (owners.get(first.subject, first.subject), "") if len(alike) == 1 else named(f.subject for f in alike)
    words = first.message if len(alike) == 1 else common_meaning(alike)
    yield Line(f"  {level}: {first.check}: {things}: {printable(words)}", style)
    if ids and rank > _ACCEPTED_RANK:  # which refuse it, and for which a risk is accepted, stands with the disks
        yield Line(f"      {ids}", style)
    if refuses:
        explained = f"safe-reinit explain {first.check}, or the plan with --verbose, says what to do."
        yield Line(f"      fix: {printable(first.fix) if len({each.fix for each in alike}) == 1 else explained}")
