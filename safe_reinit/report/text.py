"""The words in which every form of a plan and a report says the same, and the lines that a terminal gives a style."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..model import Becomes, DiskReport, Evidence, Finding, JobReport, LastRun, PlannedJob, Report
from ..model.duration import duration
from ..model.job import WIPES
from ..model.letters import printable

NO_ERASURE = "A wipe is not a certified erasure: any snapshots keep the old data."
_MAX_NAMED = 10
"""Snapshots that a sentence names."""
STYLE = {"block": "bold red", "risk": "dark_orange3", "info": "dim"}
"""Tones that can be read on a light and on a dark ground; a terminal of 16 colours shows the second as its yellow."""
EVIDENCE: Mapping[Evidence, str] = {
    "transition": "ECS showed the {noun} begin and end",
    "settled": "ECS accepted it; the {noun} itself was not seen",
    "operator": "a person said so, not ECS",
}
"""How a run knows that a disk was wiped, or rolled back."""
WELL = ("done", "planned")
"""The outcomes that need nobody."""


@dataclass(frozen=True)
class Line:
    """One line, with the style a terminal gives it."""

    text: str = ""
    style: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", printable(self.text))  # names in it are other people's words


SIMULATED = "SIMULATED: a simulator answers. No real machine or disk is involved."
"""The first thing that is shown of a plan or a run that is not real."""


def notices(report: Report) -> Iterator[str]:
    """Yield what is said of a report before anything else: what a reader would otherwise take it for."""
    if report.simulated:
        yield SIMULATED
    if report.already_done:
        yield (
            f"ALREADY DONE: run {report.run_id} did this under the key {report.once}, and this is its report. This "
            "command changed nothing."
        )
    yield from (f"WARNING: {warning}" for warning in report.warnings)


def time_taken(begin: datetime, end: datetime | None) -> str:
    """Write how long something took; ``""`` if its end is not known."""
    return "" if end is None else duration((end - begin).total_seconds())


def lost_text(disk: DiskReport, report: Report, *, alone: bool = True) -> str:
    """Return what a wipe, or a roll-back, took from a disk: what is in no snapshot that the run knows of.

    Args:
        disk: the disk.
        report: the report of the run.
        alone: whether to name its snapshot; else the text is the same for all disks that lost the same.
    """
    if is_undo(report):
        return "what was written since the snapshot"
    if disk.safety_snapshot:
        return f"nothing that is not in the safety snapshot{f' {disk.safety_snapshot}' if alone else ''}"
    kept = [str(each.fact.get("SnapshotIds", "")) for each in report.findings if _keeps_data_of(each, disk)]
    if not kept:
        return "everything: no snapshot was seen"
    newest = f", {kept[0].partition(',')[0]}"
    return f"what was written after the newest snapshot{newest if alone else ''}"


def _keeps_data_of(found: Finding, disk: DiskReport) -> bool:
    return found.check == "kept-snapshots" and found.subject == disk.disk_id


def name_of(job: PlannedJob | JobReport) -> str:
    """Return the name of an instance with its id."""
    if job.instance_id is None:
        return printable(job.instance_name) or "no known instance"
    return f"{printable(job.instance_name) or 'no name'} ({job.instance_id})"


def class_text(name: str, allowed: Sequence[str]) -> str:
    """Return what came from the class of the disks."""
    return f"class {name}: {', '.join(allowed) or 'no effect on this run'}"


def becomes_text(becomes: Becomes) -> str:
    """Return what is on a disk after its wipe: the disk does not turn into a snapshot, it has its content."""
    of = f" of {minute(becomes.created_at)}" if becomes.created_at else ""
    if becomes.kind == "empty":
        return "EMPTY (as a blank disk)"
    if becomes.kind == "unknown":
        return f"unknown content: {becomes.id + ' was not seen' if becomes.id else 'its origin was not seen'}"
    return f"the content of {becomes.kind} {becomes.id}{of}"


def will_become(becomes: Becomes, *, several: bool = False) -> str:
    """Return what happens to the content of a disk, or of several, in a wipe."""
    become, get = ("become", "get") if several else ("becomes", "gets")
    return f"{become if becomes.kind == 'empty' else get} {becomes_text(becomes)}"


def remains(report: Report) -> Iterator[str]:
    """Yield for disks that were wiped, or may have been, what a wipe does not remove, and which snapshots have it."""
    touched = {disk.disk_id for job in report.jobs for disk in job.disks if disk.data in {"reinitialised", "unknown"}}
    if not touched or is_undo(report):
        return
    taken = {disk.disk_id: disk.safety_snapshot for job in report.jobs for disk in job.disks}
    for found in report.findings:
        if found.check == "kept-snapshots" and found.subject in touched:
            yield f"{found.subject}: {_still_kept(found, taken.get(found.subject))}"
    yield NO_ERASURE


def _still_kept(found: Finding, safety_snapshot: str | None) -> str:
    """Return which snapshots have the old data: one that the run took after the stop has what the older ones lack."""
    if safety_snapshot is None:
        return found.message
    older = [each for each in str(found.fact.get("SnapshotIds", "")).split(",") if each]
    more = f" and {len(older) - _MAX_NAMED} more" if len(older) > _MAX_NAMED else ""
    also = f", and older data in {', '.join(older[:_MAX_NAMED])}{more}" if older else ""
    return f"All of its old data is in the safety snapshot {safety_snapshot}{also}."


def verb_of(report: Report) -> str:
    """Return what the run did to its disks."""
    return "rolled back" if is_undo(report) else "wiped"


def is_undo(report: Report) -> bool:
    """Return whether a run rolled disks back: only such a run sends ResetDisk."""
    return any(call.action == "ResetDisk" for call in report.calls)


def breaks_promise(job: JobReport) -> bool:
    """Return whether the power is not as it was promised; where the run left it alone, nothing was."""
    return job.outcome not in ("refused", "planned", "failed") and job.power_after != job.power_promised


def data_text(disk: DiskReport, verb: str, *, seen: bool = True, brief: bool = False) -> str:
    """Return what this run did to one disk.

    Args:
        disk: the disk.
        verb: what is done to a disk.
        seen: whether its machine was seen in the end; if not, nothing else is claimed.
        brief: whether to leave out how a wipe is known, and the safety snapshot that was taken before it.
    """
    kept = f"; its safety snapshot is {disk.safety_snapshot}" if disk.safety_snapshot else ""
    how = "" if brief else f" ({evidence_text(disk, verb)})"
    words = {
        "reinitialised": f"{verb}{how}; now: {becomes_text(disk.becomes)}",
        "intact": f"{'intact: ' if seen else ''}not {verb} by this run",
        "untouched": "untouched by this run",
        "unknown": f"whether it was {verb} is UNKNOWN",
    }
    return words[disk.data] + ("" if brief and disk.data == "reinitialised" else kept)


def sent(report: Report) -> Iterator[str]:
    """For each disk that may have been wiped, say how many events about it to look for in ActionTrail."""
    for disk in (disk for job in report.jobs for disk in job.disks if disk.data == "unknown"):
        wipes = [call for call in report.calls if call.action in WIPES and disk.disk_id in call.subject]
        calls = [call for call in wipes if call.code != "NotSent"]
        if calls:
            times = "once" if len(calls) == 1 else f"{len(calls)} times"
            until = f"{max(call.at for call in calls):%Y-%m-%d %H:%M:%S} UTC"
            yield f"{disk.disk_id}: {calls[0].action} was sent {times}, until {until}; look for as many in ActionTrail."


def evidence_text(disk: DiskReport, verb: str) -> str:
    """Return how the run knows that it did that to a disk; ``""`` if it did not."""
    noun = "roll-back" if verb == "rolled back" else "wipe"
    return EVIDENCE[disk.evidence].format(noun=noun) if disk.evidence else ""


def last_run_text(run: LastRun) -> str:
    """Return which run of a disk the journal knows of, and what that did to the disk."""
    verb = "rolled it back" if run.undo else "wiped it"
    did = {
        "reinitialised": verb,
        "intact": f"has not {verb}",
        "untouched": "has not touched it",
        "unknown": f"may have {verb}: that is UNKNOWN",
    }
    how = f"continue it: safe-reinit resume {run.run_id}" if run.state == "open" else f"safe-reinit show {run.run_id}"
    return f"run {run.run_id} ({run.state}, begun {run.started_at}) {did[run.data]}; {how}"


def minute(when: datetime) -> str:
    """Write a time to the minute, in UTC."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
