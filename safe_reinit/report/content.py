"""The content of a document about a run, part by part: Markdown and HTML give each part its form, and add nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..model import DataState, DiskReport, JobReport, Report
from ..model.codec import timestamp
from ..model.run_id import RUN_ID
from .many import FULL_DETAIL_LIMIT, NAMED_LIMIT, count_of, groups
from .text import WELL, becomes_text, breaks_promise, class_text, is_undo, remains, time_taken

Part = Literal["next", "about", "instances", "left", "findings", "calls"]
PARTS: dict[Part, str] = {
    "next": "What to do next",
    "about": "Who, when and where",
    "instances": "Instances and disks",
    "left": "What is left of the old data",
    "findings": "Findings",
    "calls": "Calls",
}
"""The parts of a document in order, with their titles."""

_BEFORE_CONSENT: tuple[Part, ...] = ("about", "instances", "left", "next")
"""The parts that come first in the document of a plan, in this order."""

DISK_HEAD = ("Disk", "Data", "What it is now", "Accepted risks", "Safety snapshot")
PHASE_HEAD = ("Phase", "From", "To", "Took", "Result")
CALL_HEAD = ("At", "Call", "Subject", "Answer", "RequestId")

_RUNS = rf"{RUN_ID}(?:,{RUN_ID})*"
_TITLE = rf"(?:SIMULATED )?safe-reinit: [a-z-]+(?:, [^\n]*?)?(?:, ({_RUNS}))?"
"""What ``title`` makes: the run, if there is one, comes last, after whatever disks and machines are called."""
IN_MARKDOWN = rf"\A# {_TITLE}\n"
IN_HTML = rf"<title>{_TITLE}</title>"
IN_TEXT = rf"(?m)^[a-z-]+ \(exit code \d\)(?:  run ({_RUNS}),|$)"
"""Where a written report names its run, by file format, so that it is recognised when it is replaced."""


@dataclass(frozen=True)
class Text:
    """A piece of a value, and its kind: our words, a name that other people chose, or an id or a command."""

    text: str
    kind: Literal["words", "name", "code"] = "words"


Piece = Text | datetime
Value = tuple[Piece, ...]
"""The pieces of one fact or one cell, which follow each other."""


def parts_of(report: Report) -> Iterator[Part]:
    """Return the parts of the document of a report."""
    has = {
        "next": report.next or any(what_now(report)),
        "instances": report.jobs,
        "left": any(remains(report)),
    }
    parts = [part for part in PARTS if has.get(part, True)]
    if report.outcome == "planned":  # what would be lost is read before the command that does it
        parts.sort(key=lambda part: _BEFORE_CONSENT.index(part) if part in _BEFORE_CONSENT else len(_BEFORE_CONSENT))
    return iter(parts)


def title(report: Report) -> str:
    """Return the title of a report: its outcome, the disks and machines, and its run."""
    simulated = "SIMULATED " if report.simulated else ""
    parts = [f"{simulated}safe-reinit: {report.outcome}", plain_text(targets(report)), report.run_id or ""]
    return ", ".join(part for part in parts if part)


def plain_text(value: Value) -> str:
    """Return a value as plain text."""
    return "".join(timestamp(each) if isinstance(each, datetime) else each.text for each in value)


def targets(report: Report) -> Value:
    """Return the disks and machines of a report: one by name, several as a count with the first of them."""
    disks = [disk for job in report.jobs for disk in job.disks]
    if not disks:
        return ()
    if len(report.jobs) > 1:
        counted = f"{count_of(len(disks), 'disk')} on {count_of(len(report.jobs), 'instance')}: "
        return (Text(counted), *_names(report.jobs))
    job = report.jobs[0]
    ids = _listed([Text(disk.disk_id, "code") for disk in disks])
    return (*ids, *((Text(" on "), *_machine(job)) if job.instance_id else ()))


def _machine(job: JobReport) -> Value:
    known = Text(job.instance_id or "", "code")
    return (Text(job.instance_name, "name"), Text(" ("), known, Text(")")) if job.instance_name else (known,)


def _names(jobs: Sequence[JobReport]) -> Value:
    return _listed([Text(job.instance_name or job.instance_id or "no instance", "name") for job in jobs])


def _listed(things: Sequence[Text]) -> Value:
    """Name the first of several things, and count the others."""
    named: list[Piece] = []
    for each in things[:NAMED_LIMIT]:
        named += [Text(", "), each] if named else [each]
    more = len(things) - NAMED_LIMIT
    return (*named, Text(f" and {more} more")) if more > 0 else tuple(named)


_RESUME_POWER = (
    "resume restores the power state and wipes nothing. If you start the instance in the ECS console instead, run "
    "resume as well: it detects that and closes the run. Until then, no other run can begin on the instance."
)


def what_now(report: Report) -> Iterator[Value]:
    """Yield what to do about machines and data that need somebody, or what a plan costs, before the commands."""
    if report.outcome == "planned" and report.plan:
        disks = count_of(sum(len(job.disks) for job in report.jobs), "disk")
        yield (
            Text(f"This overwrites {disks}, as listed above. The value for --confirm, which is the consent to that: "),
            Text(report.plan.confirm_with, "code"),
        )  # fmt: skip
    resume = any(command.startswith("safe-reinit resume ") for command in report.next)
    if doubtful := [job for job in report.jobs if job.outcome == "unknown"]:
        yield from _about_doubt(doubtful, report, resume=resume)
    broken = [job for job in report.jobs if job.outcome != "unknown" and breaks_promise(job)]
    if len(broken) > FULL_DETAIL_LIMIT:
        yield (Text(f"The power state of {len(broken)} instances is not as planned: "), *_names(broken), Text("."))
    for job in broken if len(broken) <= FULL_DETAIL_LIMIT else ():
        shown = f" is {job.power_after or 'not seen'}, but should be {job.power_promised}."
        yield (Text("Instance "), *_machine(job), Text(shown))
    if resume and any(job.outcome in ("not-restarted", "stranded") for job in report.jobs):
        yield (Text(_RESUME_POWER),)


def _about_doubt(jobs: Sequence[JobReport], report: Report, *, resume: bool) -> Iterator[Value]:
    ids = [Text(disk.disk_id, "code") for job in jobs for disk in job.disks if disk.data == "unknown"]
    event, did = ("ResetDisk", "rolled back") if is_undo(report) else ("ReInitDisk", "wiped")
    yield (
        Text("Do not start "), *_names(jobs), Text(f", and do not send {event} for "), *_listed(ids),
        Text(f" yourself. A disk that was not {did} still has its data, and a start would overwrite it."),
    )  # fmt: skip
    if resume:
        yield (Text("First let the run check again: perhaps ECS was only slow."),)
    ask = "If it is still unknown then, search" if resume else "Search"
    sent = [phase.started_at for job in jobs for phase in job.phases if phase.name == "reinit"]
    verdict = " Then give the verdict that matches it." if resume else ""
    yield (
        Text(f"{ask} ActionTrail for the event {event} of "), *_listed(ids), Text(" between "),
        min(sent, default=report.started_at), Text(" and "), report.ended_at,
        Text(f"; an event appears there after about ten minutes.{verdict}"),
    )  # fmt: skip


@dataclass(frozen=True)
class Trouble:
    """What went wrong with several machines in the same way.

    Attributes:
        jobs: those machines, the worst outcome first.
        message: what happened; what only one of several is called is left out.
        hint: what to do now, likewise; ``""`` if that is not known.

    """

    jobs: Sequence[JobReport]
    message: str
    hint: str


def troubles(jobs: Sequence[JobReport]) -> list[Trouble]:
    """Group the machines of which something went wrong by what that is, the most frequent first."""
    failed = [job for job in jobs if job.error and job.outcome not in WELL]
    alike = sorted(groups(failed, what_went_wrong), key=len, reverse=True)
    return [Trouble(each, *_in_common(each)) for each in alike]


def what_went_wrong(job: JobReport) -> tuple[object, ...]:
    """Return what machines to which the same happened have in common: everything about it except their names."""
    error = job.error
    return (error.code, error.action, _general(error.message, job), _general(error.hint or "", job)) if error else ()


def _in_common(jobs: Sequence[JobReport]) -> tuple[str, str]:
    """Return the message and the hint of alike failures."""
    texts = {(job.error.message, job.error.hint or "") for job in jobs if job.error}
    first, error = jobs[0], jobs[0].error
    if len(texts) == 1 or error is None:
        return texts.pop()
    return _general(error.message, first), _general(error.hint or "", first)


def _general(text: str, job: JobReport) -> str:
    """Remove from a text what only this machine is called."""
    for name in (job.instance_id, job.instance_name, *(disk.disk_id for disk in job.disks)):
        text = text.replace(name, "...") if name else text
    return text


@dataclass(frozen=True)
class NextCommand:
    """A command to continue with.

    Attributes:
        when: when it is the right one, or what it is for; ``""`` if there is no choice to explain.
        command: what to type.
        recommended: whether it comes before the others.

    """

    when: str
    command: str
    recommended: bool = False


_RECOMMENDED = (
    "Recommended: check again. If ECS now shows how the wipe ended, this starts the machine; else it changes nothing."
)
_VERDICTS = {
    "reinitialised": "If ActionTrail shows that ECS carried it out (this starts the machine):",
    "intact": "If ActionTrail shows that ECS refused it or never received it (this starts the machine):",
    "wipe-again": "To do it again, whatever happened (this makes a new plan and asks for consent):",
}
_STORY = "To read what the run did:"
_STILL_TO_WIPE = {
    "show": _STORY,
    "resume": "To carry out the rest of its plan (this WIPES what is not wiped yet, then starts the machines):",
    "cancel": "To wipe nothing more (resume it after this: that only starts the machines):",
}
"""The choices for a run that is not over, which a command that ends it is among."""


def next_steps(commands: Sequence[str], outcome: str) -> Iterator[NextCommand]:
    """Yield the commands to continue with; where there is a choice, recommend one and explain each."""
    if any(command.startswith("safe-reinit cancel ") for command in commands):
        for number, command in enumerate(commands):
            yield NextCommand(_STILL_TO_WIPE[command.split()[1]], command, recommended=number == 0)
        return
    for command in commands:
        verdict = command.rpartition(" --verdict ")[2]
        if outcome != "unknown" or not command.startswith(("safe-reinit resume ", "safe-reinit show ")):
            yield NextCommand("", command)
        elif verdict == command and command.startswith("safe-reinit resume "):
            yield NextCommand(_RECOMMENDED, command, recommended=True)
        else:
            yield NextCommand(_VERDICTS.get(verdict, _STORY), command)


def about(report: Report) -> Iterator[tuple[str, Value]]:
    """Yield who ran what, when, where, and with whose consent."""
    yield "Run", (Text(report.run_id, "code") if report.run_id else Text("none"),)
    yield "Reason", (Text(report.reason or "none given", "name"),)
    if report.once:
        yield "Key (--once)", (Text(report.once, "code"),)
    yield "From", (report.started_at,)
    yield "To", (report.ended_at, Text(f" ({time_taken(report.started_at, report.ended_at)})"))
    yield "Operator", (Text(f"{report.operator.user or 'unknown'}@{report.operator.host}", "name"),)
    if caller := report.caller:
        yield "Caller", (Text(f"{caller.arn} ({caller.type})", "name"),)
    if report.account:
        yield "Account", (Text(report.account, "code"),)
    if report.region:
        yield "Region", (Text(report.region, "code"),)
    if plan := report.plan:
        yield "Plan fingerprint", (Text(plan.fingerprint, "code"),)
        if plan.digest:
            yield "Plan digest", (Text(plan.digest, "code"),)
        if used := plan.class_:
            class_name = class_text(used.name, used.allowed).removeprefix("class ")
            yield "Class", (Text(class_name, "name"), Text(" "), Text(used.sha256, "code"))


def power(job: JobReport) -> str:
    """Return the power state of an instance before, after, and as planned."""
    before, after = job.power_before or "not seen", job.power_after or "not seen"
    return f"Power: {before} before, {after} after, {job.power_promised} planned"


def details(disk: DiskReport) -> list[str]:
    """Return what a disk is; its name is not ours, and comes first."""
    parts = [
        disk.disk_name,
        f"{disk.type} disk" if disk.type else "not seen",
        f"{disk.size_gib} GiB" if disk.size_gib is not None else "",
        disk.device,
        f"serial {disk.serial}" if disk.serial else "",
    ]
    return [part for part in parts if part]


def data_word(data: DataState, verb: str) -> str:
    """Return in one word what the run did to the data of a disk; ``verb`` is what it does to a disk."""
    return verb if data == "reinitialised" else data


def became(disk: DiskReport) -> str:
    """Return what a disk is now, and what it would have become if it did not."""
    planned = becomes_text(disk.becomes)
    if disk.data == "reinitialised":
        return planned
    if disk.data == "unknown":
        return f"either as before this run, or {planned}"
    left = "not changed by this run" if disk.data == "intact" else "not touched by this run"
    return f"{left}; planned: {planned}"


def phases(job: JobReport) -> Iterator[tuple[Value, ...]]:
    """Yield when each phase of a job was, and how it ended."""
    for phase in job.phases:
        ended = phase.ended_at
        yield (
            (Text(phase.name),), (phase.started_at,), (ended or Text("not seen"),),
            (Text(time_taken(phase.started_at, ended)),), (Text(phase.result),),
        )  # fmt: skip


def no_findings(report: Report) -> str:
    """Return what it means that there are none."""
    return "The checks found nothing." if report.plan else "Nothing was checked."


def unlisted_calls(report: Report) -> str:
    """Return which calls the report does not list; ``""`` if it lists all."""
    if report.omitted_reads is not None:
        return f"{report.omitted_reads:,} more read{'' if report.omitted_reads == 1 else 's'}, counted but not listed."
    return "" if report.calls else "No request was sent."
