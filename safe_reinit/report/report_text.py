"""The report as lines: a few machines in full; of many, a count of those that went well and a line for each other one.

Everything that is summed up here is listed in the JSON report, and on the terminal with ``full``.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from ..model import DiskReport, JobReport, Report
from . import text
from .content import next_steps
from .many import FULL_DETAIL_LIMIT, count_of, groups, named
from .text import WELL, Line, name_of

_NOT_SEEN = "was not seen at the end (it was released, or the permission to read it is missing)"


def report_lines(report: Report, *, full: bool = False) -> Iterator[Line]:
    """Show what a run did.

    Args:
        report: the report.
        full: show every machine separately, however many there are.

    """
    in_full = full or len(report.jobs) <= FULL_DETAIL_LIMIT
    yield from (Line(line, "bold") for line in text.notices(report))
    yield from _each(report) if in_full else _in_common(report)
    yield from (Line(f"  {line}") for line in (text.remains(report) if in_full else _remains(report)))
    yield _outcome(report)
    yield from next_lines([command if in_full else _shortened(command) for command in report.next], report.outcome)


def ending_lines(report: Report, *, full: bool = False) -> Iterator[Line]:
    """Show how a dry run ended, below its plan: the other runs of its disks, the outcome, and what to do next."""
    in_full = full or len(report.jobs) <= FULL_DETAIL_LIMIT
    yield from (Line(f"  {line}") for line in (_each_last_run(report) if in_full else _last_runs(report)))
    yield _outcome(report)
    yield from next_lines([command if in_full else _shortened(command) for command in report.next], report.outcome)


def _each_last_run(report: Report) -> Iterator[str]:
    for disk in (disk for job in report.jobs for disk in job.disks):
        if disk.last_run:
            yield f"{disk.disk_id}: {text.last_run_text(disk.last_run)}"


def _outcome(report: Report) -> Line:
    line = f"{report.outcome} (exit code {report.exit_code})"
    if report.run_id:
        line += f"  run {report.run_id}, {text.duration((report.ended_at - report.started_at).total_seconds())}"
    return Line(line, outcome_style(report.outcome))


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
    """Count the machines that went well, and name each of the others."""
    well_first = sorted(report.jobs, key=lambda job: job.outcome not in WELL)
    for jobs in groups(well_first, _alike):
        yield from _well(jobs, report) if jobs[0].outcome in WELL else _not_well(jobs, report)


def _alike(job: JobReport) -> tuple[object, ...]:
    """Return what may share a line: what went well, and what was untouched for the same reason."""
    message = job.error.message if job.error else ""
    return (job.outcome, *(() if job.outcome in WELL else (message, "" if _untouched(job) else job.instance_id)))


def _untouched(job: JobReport) -> bool:
    return job.outcome == "refused"


def _well(jobs: Sequence[JobReport], report: Report) -> Iterator[Line]:
    disks = count_of(sum(len(job.disks) for job in jobs), "disk")
    data = f"{disks} {text.verb_of(report)}" if jobs[0].outcome == "done" else f"{disks} untouched"
    yield Line(f"{count_of(len(jobs), 'instance')} {jobs[0].outcome}: {data}", outcome_style(jobs[0].outcome))


def _not_well(jobs: Sequence[JobReport], report: Report) -> Iterator[Line]:
    first = jobs[0]
    why = ""
    if error := first.error:
        code = f" ({error.code})" if error.code and error.code not in error.message else ""
        why = f": {error.message}{code}"
    if len(jobs) > 1:
        things, ids = named(str(job.instance_id) for job in jobs)
        yield Line(f"{things} ({ids}) {first.outcome}, untouched{why}", outcome_style(first.outcome))
        return
    broken = text.breaks_promise(first)
    power = f", {first.power_after}" if first.power_after else ", power not seen" if broken else ""
    power += f" (should be {first.power_promised})" if broken else ""
    disks = ", ".join(f"{disk.disk_id} {_state(disk, report)}" for disk in first.disks)
    yield Line(f"{name_of(first)} {first.outcome}: {disks}{power}{why}", outcome_style(first.outcome))


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
