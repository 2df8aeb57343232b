"""The report as lines: a few machines in full; of many, a count of those that went well and a line for each other one.

Everything that is summed up here is listed in the JSON report, and on the terminal with ``full``.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from ..model import STILL_PENDING, DiskReport, JobReport, Report
from ..model.duration import duration
from . import text
from .content import next_steps
from .many import FULL_DETAIL_LIMIT, count_of, groups, in_columns, named
from .text import WELL, Line, name_of

_ID = re.compile(r"\b[di]-[\w-]+")
_NOT_SEEN = "was not seen at the end (it was released, or the permission to read it is missing)"


def report_lines(report: Report, *, full: bool = False) -> Iterator[Line]:
    """Show what a run did.

    Args:
        report: the report.
        full: show every machine separately, however many there are.

    """
    in_full = full or len(report.jobs) <= 1
    yield from (Line(line, "bold") for line in text.notices(report))
    yield from _each(report) if in_full else _in_common(report)
    yield from (Line(f"  {line}") for line in text.sent(report))
    yield from (Line(f"  {line}") for line in (text.remains(report) if in_full else _remains(report)))
    yield _outcome(report)
    yield from _next(report, full=full)


def ending_lines(report: Report, *, full: bool = False) -> Iterator[Line]:
    """Show how a dry run ended, below its plan: the other runs of its disks, the outcome, and what to do next."""
    in_full = full or len(report.jobs) <= FULL_DETAIL_LIMIT
    yield from (Line(f"  {line}") for line in (_each_last_run(report) if in_full else _last_runs(report)))
    yield _outcome(report)
    yield from _next(report, full=full)


def _next(report: Report, *, full: bool) -> Iterator[Line]:
    short = not full and len(report.jobs) > FULL_DETAIL_LIMIT
    yield from next_lines([_shortened(command) if short else command for command in report.next], report.outcome)


def _each_last_run(report: Report) -> Iterator[str]:
    for disk in (disk for job in report.jobs for disk in job.disks):
        if disk.last_run:
            yield f"{disk.disk_id}: {text.last_run_text(disk.last_run)}"


def _outcome(report: Report) -> Line:
    line = f"{report.outcome} (exit code {report.exit_code})"
    if report.run_id:
        line += f"  run {report.run_id}, {text.time_taken(report.started_at, report.ended_at)}"
        down = [time for job in report.jobs if (time := _downtime(job, report)) is not None]
        if len(report.jobs) > 1 and down:
            line += f"; {count_of(len(down), 'instance')} down for at most {duration(max(down))}"
            left = [job for job in report.jobs if job.outcome in STILL_PENDING and _downtime(job, report) is not None]
            still = sum(job.power_after != "Running" for job in left)
            line += f" so far, {still} of them still down" if still else ""
    return Line(line, outcome_style(report.outcome))


def _downtime(job: JobReport, report: Report) -> float | None:
    """Return for how long the run had a machine down so far (s); ``None`` if it did not stop it."""
    stop = next((phase for phase in job.phases if phase.name == "stop"), None)
    if stop is None:
        return None
    ends = [phase.ended_at for phase in job.phases if phase.name == "start" and job.power_after == "Running"]
    return ((ends[-1] if ends and ends[-1] else report.ended_at) - stop.started_at).total_seconds()


def outcome_style(outcome: str) -> str:
    """Return the style in which an outcome is shown."""
    return "bold green" if outcome in WELL else "bold red"


def next_lines(commands: Sequence[str], outcome: str) -> Iterator[Line]:
    """Show the commands to continue with; if the outcome is unknown, recommend one and explain each choice."""
    for step in next_steps(commands, outcome):
        style = "bold" if step.recommended else ""
        if step.when:
            yield Line(step.when, style)
        yield Line(f"{'next' if step.recommended or not step.when else '  or'}: {step.command}", style)


# ---------------------------------------------------------------------------------------------------- a few machines


def _each(report: Report) -> Iterator[Line]:
    verb = text.verb_of(report)
    for job in report.jobs:
        unseen = bool(job.power_before and not job.power_after)
        for disk in job.disks:
            yield Line(f"{disk.disk_id} on {name_of(job)}: {text.data_text(disk, verb, seen=not unseen)}")
            if disk.last_run and disk.data != "reinitialised":
                yield Line(f"  {text.last_run_text(disk.last_run)}")
        if text.breaks_promise(job):
            power = f"is {job.power_after}" if job.power_after else _NOT_SEEN
            why = "; it stays so until the outcome is known" if job.outcome == "unknown" and job.power_after else ""
            yield Line(f"{name_of(job)} {power}, but should be {job.power_promised}{why}", "bold red")
        elif job.power_after:
            yield Line(f"{name_of(job)} is {job.power_after}")
        elif unseen:
            yield Line(f"{name_of(job)} {_NOT_SEEN}")


# ----------------------------------------------------------------------------------------------- many: what is alike


def _in_common(report: Report) -> Iterator[Line]:
    yield from machine_lines(report)
    yield from (Line(f"  {line}") for line in _last_runs(report))


def machine_lines(report: Report) -> Iterator[Line]:
    """Show machines by what happened to them, those that need somebody first: what is alike is said once."""
    alike = sorted(groups(report.jobs, lambda job: _alike(job, report)), key=lambda jobs: jobs[0].outcome in WELL)
    outcomes = Counter(job.outcome for jobs in alike for job in jobs)
    if len(outcomes) > 1:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        yield Line(f"{len(report.jobs)} instances: {counts}", "bold")
    for jobs in alike:
        yield from _well(jobs, report) if jobs[0].outcome in WELL else _not_well(jobs, report)


def _same_content(disk: DiskReport) -> tuple[str, str | None]:
    """Return what disks have in common whose content is counted together: data disks have a snapshot each."""
    return disk.becomes.kind, disk.becomes.id if disk.becomes.kind == "image" else None


def lost_lines(report: Report) -> Iterator[str]:
    """Count the disks that were wiped by what they are now, and by what was lost."""
    wiped = [disk for job in report.jobs for disk in job.disks if disk.data == "reinitialised"]
    for alike in groups(wiped, _same_content):
        ids = {disk.becomes.id for disk in alike}
        content = text.becomes_text(alike[0].becomes) if len(ids) == 1 else f"each its own {alike[0].becomes.kind}"
        yield f"{count_of(len(alike), 'disk')} now: {content}"
    for same in groups(wiped, lambda disk: text.lost_text(disk, report, alone=False)):
        yield f"lost of {count_of(len(same), 'disk')}: {text.lost_text(same[0], report, alone=False)}"


def _alike(job: JobReport, report: Report) -> tuple[object, ...]:
    """Return all that is said of a machine but its name and those of its disks."""
    if job.outcome in WELL:
        return job.outcome, tuple(sorted({text.evidence_text(disk, text.verb_of(report)) for disk in job.disks}))
    return job.outcome, tuple(sorted({_state(disk, report) for disk in job.disks})), _power(job), _why(job)


def _well(jobs: Sequence[JobReport], report: Report) -> Iterator[Line]:
    disks = [disk for job in jobs for disk in job.disks]
    known = " and ".join(dict.fromkeys(text.evidence_text(disk, text.verb_of(report)) for disk in disks))
    did = f"{text.verb_of(report)}{f' ({known})' if known else ''}" if jobs[0].outcome == "done" else "untouched"
    style = outcome_style(jobs[0].outcome)
    yield Line(f"{count_of(len(jobs), 'instance')} {jobs[0].outcome}: {count_of(len(disks), 'disk')} {did}", style)
    if jobs[0].outcome == "done" and len(report.jobs) <= FULL_DETAIL_LIMIT:
        yield from _rows(jobs)


def _not_well(jobs: Sequence[JobReport], report: Report) -> Iterator[Line]:
    first, why = jobs[0], _why(jobs[0], its_own=len(jobs) == 1)
    style = outcome_style(first.outcome)
    if len(jobs) == 1:
        disks = ", ".join(f"{disk.disk_id} {_state(disk, report)}" for disk in first.disks)
        yield Line(f"{name_of(first)} {first.outcome}: {disks}{_power(first)}{why}", style)
    elif first.outcome == "refused":
        things, ids = named(str(job.instance_id) for job in jobs)
        yield Line(f"{things} ({ids}) {first.outcome}, untouched{why}", style)
    else:
        states = Counter(_state(disk, report) for job in jobs for disk in job.disks)
        data = ", ".join(f"{count_of(count, 'disk')} {state}" for state, count in states.items())
        yield Line(f"{len(jobs)} instances {first.outcome}: {data}{_power(first)}{why}", style)
        yield from _rows(jobs)


def _rows(jobs: Sequence[JobReport]) -> Iterator[Line]:
    """Name machines with their disks, and the safety snapshots that the run took of them."""
    kept = any(disk.safety_snapshot for job in jobs for disk in job.disks)

    def snapshot(disk: DiskReport) -> tuple[str, ...]:
        return (f"safety snapshot {disk.safety_snapshot}" if disk.safety_snapshot else "",) if kept else ()

    cells = [(name_of(job), disk.disk_id, *snapshot(disk)) for job in jobs for disk in job.disks]
    yield from (Line(f"    {row}") for row in in_columns(cells, packed=len(jobs) > FULL_DETAIL_LIMIT))


def _power(job: JobReport) -> str:
    broken = text.breaks_promise(job)
    power = f", {job.power_after}" if job.power_after else ", power not seen" if broken else ""
    return power + (f" (should be {job.power_promised})" if broken else "")


def _why(job: JobReport, *, its_own: bool = False) -> str:
    """Return why a machine did not end well; without its own ids, where several ended so for the same reason."""
    if job.error is None:
        return ""
    code = f" ({job.error.code})" if job.error.code and job.error.code not in job.error.message else ""
    message = job.error.message
    if not its_own:
        ids = {job.instance_id or "": "the instance", **{disk.disk_id: "the disk" for disk in job.disks}}
        message = _ID.sub(lambda found: ids.get(found[0], found[0]), message)
    return f": {message}{code}"


def _state(disk: DiskReport, report: Report) -> str:
    return {"reinitialised": text.verb_of(report), "unknown": "UNKNOWN"}.get(disk.data, disk.data)


def _last_runs(report: Report) -> Iterator[str]:
    """Count the disks that other runs had, and name the newest of those runs."""
    disks = [disk for job in report.jobs for disk in job.disks if disk.data != "reinitialised"]
    for runs in groups((disk.last_run for disk in disks if disk.last_run), lambda run: (run.state, run.data, run.undo)):
        newest = max(runs, key=lambda run: (run.started_at, run.run_id))
        others = len({run.run_id for run in runs}) - 1
        more = f" ({others} more runs; the JSON report or --verbose lists each)" if others else ""
        yield f"Of {count_of(len(runs), 'disk')}: {text.last_run_text(newest)}{more}"


def _remains(report: Report) -> Iterator[str]:
    """Count what keeps the old data of the disks that were wiped, or may have been."""
    left = list(text.remains(report))
    taken = sum(disk.safety_snapshot is not None for job in report.jobs for disk in job.disks)
    if taken:
        yield f"{count_of(taken, 'safety snapshot')} taken by this run; the JSON report or --verbose lists each."
    if len(left) > 1:
        kept = f"{count_of(len(left) - 1, 'disk')} {'has' if len(left) == 2 else 'have'} snapshots that keep old data"
        yield f"{kept}; the JSON report or --verbose lists them."
    yield from left[-1:]


def _shortened(command: str) -> str:
    """Leave most of many disks out of a command, which is for reading here; the JSON report has all of it."""
    words = shlex.split(command)
    disks = [place for place, word in enumerate(words[:-1]) if word == "--disk"]
    if len(disks) <= FULL_DETAIL_LIMIT:
        return command
    gone = {place + step for place in disks[1:] for step in (0, 1)}
    kept = [shlex.quote(word) for place, word in enumerate(words) if place not in gone]
    kept.insert(disks[0] + 2, f"[--disk ... {len(disks) - 1} more]")
    return " ".join(kept)
