"""The report as JSON and as Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from ..model import JobReport, Phase, Report
from ..model.codec import encode, timestamp
from ..model.letters import printable
from .report_text import report_lines
from .text import SIMULATED, class_text, last_run_text, remains

_UNPRINTABLE = re.compile(r"[^ -~\n]")


def to_json(report: Report) -> dict[str, Any]:
    """Give the JSON document of a report, schema 1."""
    return dict(encode(report))


def to_text(report: Report) -> str:
    """Give the report as plain text."""
    return "\n".join(line.text for line in report_lines(report)) + "\n"


def to_markdown(report: Report) -> str:
    """Give the report as Markdown, for a change ticket."""
    title = f"# {'SIMULATED ' if report.simulated else ''}safe-reinit: {report.outcome}"
    parts = [title, "", *([f"**{SIMULATED}**", ""] if report.simulated else []), *_facts(report)]
    for job in report.jobs:
        parts += ["", *_job(job)]
    if left := [*_safety(report), *remains(report)]:
        parts += ["", "## What is left of the old data", "", *(f"- {_cell(text)}" for text in left)]
    parts += _table("Findings", ("level", "check", "subject", "what", "fix"), (
        (found.level, found.check, found.subject, found.message, found.fix) for found in report.findings
    ))  # fmt: skip
    parts += _table("Calls", ("at", "action", "subject", "code", "RequestId"), (
        (timestamp(call.at), f"{call.action}{' (dry run)' if call.dry_run else ''}", ", ".join(call.subject),
         call.code, call.request_id or "") for call in report.calls
    ))  # fmt: skip
    if report.next:
        parts += ["", "## Next", "", *(f"    {command}" for command in report.next)]
    return "\n".join(parts) + "\n"


def _safety(report: Report) -> Iterable[str]:
    for disk in (disk for job in report.jobs for disk in job.disks if disk.safety_snapshot):
        yield f"{disk.disk_id}: its safety snapshot is {disk.safety_snapshot}"


def _facts(report: Report) -> Iterable[str]:
    yield f"- exit code: {report.exit_code}"
    yield f"- run: {report.run_id or ('dry run' if report.dry_run else 'none')}"
    yield f"- region: {_cell(report.region)}, account: {_cell(report.account)}"
    if report.caller:
        yield f"- caller: {_cell(report.caller.arn)}"
    yield f"- operator: {_cell(report.operator.user)}@{_cell(report.operator.host)}"
    if report.reason:
        yield f"- reason: {_cell(report.reason)}"
    if report.plan:
        yield f"- plan: {report.plan.fingerprint}"
        if used := report.plan.class_:
            yield f"- {_cell(class_text(used.name, used.allowed))} (SHA-256 {used.sha256})"
    yield f"- from {timestamp(report.started_at)} to {timestamp(report.ended_at)}"
    if report.error:
        yield f"- error: {_cell(report.error.message)}"
        if report.error.hint:
            yield f"- what now: {_cell(report.error.hint)}"


def _job(job: JobReport) -> Iterable[str]:
    yield f"## {_cell(job.instance_name) or 'instance'} ({_cell(job.instance_id or 'not seen')}): {job.outcome}"
    yield ""
    power = f"{job.power_before or 'not seen'} before, {job.power_after or 'not seen'} after"
    yield f"Power: {_cell(power)}, {job.power_promised} promised."
    yield from _table(None, ("disk", "data", "evidence", "becomes", "size", "accepted risks"), (
        (disk.disk_id, disk.data, disk.evidence or "", f"{disk.becomes.kind} {disk.becomes.id or ''}",
         f"{disk.size_gib} GiB" if disk.size_gib else "", ", ".join(disk.waivers)) for disk in job.disks
    ))  # fmt: skip
    known = [disk for disk in job.disks if disk.last_run and disk.data != "reinitialised"]
    if known:
        yield ""
    for disk in known:
        if disk.last_run:
            yield f"- {disk.disk_id}: {_cell(last_run_text(disk.last_run))}"
    yield from _table(None, ("phase", "from", "to", "result"), map(_phase, job.phases))


def _phase(phase: Phase) -> tuple[str, ...]:
    ended = timestamp(phase.ended_at) if phase.ended_at else ""
    return phase.name, timestamp(phase.started_at), ended, phase.result


def _table(title: str | None, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    if not lines:
        return []
    heading = ["", f"## {title}"] if title else []
    return [*heading, "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines]


def _cell(text: str) -> str:
    """Keep a name or a reason that somebody else chose from becoming Markdown or HTML."""
    escaped = "".join(f"\\{letter}" if letter in "\\`*_{}[]()<>#|~!" else letter for letter in printable(text))
    return " ".join(escaped.split())


def dumps(document: object, *, ascii_only: bool = False) -> str:
    """Write a JSON document for people and programs; what could control a terminal is escaped."""
    return _escaped(json.dumps(document, indent=2, ensure_ascii=ascii_only))


def one_line(document: object) -> str:
    """Write a JSON document in one line."""
    return _escaped(json.dumps(document, ensure_ascii=False))


def _escaped(text: str) -> str:
    return text if text.replace("\n", "").isprintable() else _UNPRINTABLE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    letter = found[0]
    return letter if letter.isprintable() else json.dumps(letter)[1:-1].replace("\x7f", "\\u007f")
