"""What a document about a run says, part by part: Markdown and HTML give each part its form, and add nothing to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..model import DataState, DiskReport, JobReport, Report
from .text import becomes_text, class_text, duration, remains

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

DISK_HEAD = ("Disk", "Data", "What it is now", "Accepted risks", "Safety snapshot")
PHASE_HEAD = ("Phase", "From", "To", "Took", "Result")
CALL_HEAD = ("At", "Call", "Subject", "Answer", "RequestId")


@dataclass(frozen=True)
class Text:
    """A piece of a value, and what it is: words of ours, a name that other people chose, or an id or a command."""

    text: str
    kind: Literal["words", "name", "code"] = "words"


Piece = Text | datetime
Value = tuple[Piece, ...]
"""The pieces of one fact or one cell, which follow each other."""


def parts_of(report: Report) -> Iterator[Part]:
    """Return the parts that the document of a report has."""
    has = {"next": report.next, "instances": report.jobs, "left": any(remains(report))}
    return (part for part in PARTS if has.get(part, True))


def title(report: Report) -> str:
    """Return the title of a report: its outcome and its run."""
    simulated = "SIMULATED " if report.simulated else ""
    return f"{simulated}safe-reinit: {report.outcome}{f', {report.run_id}' if report.run_id else ''}"


def about(report: Report) -> Iterator[tuple[str, Value]]:
    """Yield who ran what, when, where, and with whose consent."""
    took = duration((report.ended_at - report.started_at).total_seconds())
    yield "Run", (Text(report.run_id, "code") if report.run_id else Text("none"),)
    yield "Reason", (Text(report.reason or "none given", "name"),)
    if report.once:
        yield "Key (--once)", (Text(report.once, "code"),)
    yield "From", (report.started_at,)
    yield "To", (report.ended_at, Text(f" ({took})"))
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
        yield "Consent (--confirm)", (Text(plan.confirm_with, "code"),)


def power(job: JobReport) -> str:
    """Return how the power of an instance was, is, and was to be."""
    before, after = job.power_before or "not seen", job.power_after or "not seen"
    return f"Power: {before} before, {after} after, {job.power_promised} promised"


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
    """Return in a word what the run did to the data of a disk; ``verb`` is what it did to those it was to change."""
    return verb if data == "reinitialised" else data


def became(disk: DiskReport, job: JobReport) -> str:
    """Return what a disk is now, and what it was to become if that is not so."""
    planned = becomes_text(disk.becomes)
    if disk.data == "reinitialised":
        return planned
    if disk.data == "unknown":
        return f"either as before this run, or {planned}"
    left = "not changed by this run" if disk.data == "intact" else "not touched by this run"
    return f"{left}; {'would become' if job.outcome == 'planned' else 'was to become'} {planned}"


def phases(job: JobReport) -> Iterator[tuple[Value, ...]]:
    """Yield for each phase of a job when it was, and how it ended."""
    for phase in job.phases:
        ended = phase.ended_at
        took = duration((ended - phase.started_at).total_seconds()) if ended else ""
        yield (
            (Text(phase.name),), (phase.started_at,), (ended or Text("not seen"),), (Text(took),),
            (Text(phase.result),),
        )  # fmt: skip


def no_findings(report: Report) -> str:
    """Return what it means that there are none."""
    return "The checks found nothing." if report.plan else "Nothing was judged."


def unlisted_calls(report: Report) -> str:
    """Return which calls the report does not list; ``""`` where it lists all."""
    if report.omitted_reads is not None:
        return (
            f"{report.omitted_reads:,} look{'' if report.omitted_reads == 1 else 's'} besides, counted and not listed."
        )
    return "" if report.calls else "No request was sent."
