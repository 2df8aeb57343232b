"""The report as JSON and as Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..model import Call, DiskReport, JobReport, Report
from ..model.codec import timestamp
from ..model.letters import printable
from . import content
from .many import count_of
from .report_text import report_lines
from .text import evidence_text, last_run_text, notices, remains, verb_of

_UNPRINTABLE = re.compile(r"[^ -~\n]")


def to_json(report: Report) -> dict[str, Any]:
    """Return the JSON document of a report, schema 1."""
    return report.to_dict()


def to_text(report: Report) -> str:
    """Return the report as plain text."""
    return "\n".join(line.text for line in report_lines(report)) + "\n"


def to_markdown(report: Report) -> str:
    """Return the report as Markdown, for a change ticket."""
    lines = [f"# {_cell(content.title(report))}", ""]
    for text in notices(report):
        lines += [f"**{_cell(text)}**", ""]
    lines.append(f"- Exit code: {report.exit_code}")
    lines += _errors(report)
    for part in content.parts_of(report):
        lines += ["", f"## {content.PARTS[part]}", "", *_inside(part, report)]
    return "\n".join(lines) + "\n"


def _errors(report: Report) -> Iterator[str]:
    """Yield what went wrong: once for all machines that have it in common, if it did with several."""
    troubles = content.troubles(report.jobs)
    several = sum(len(each.jobs) for each in troubles) > 1
    if report.error and not (several and any(job.error == report.error for job in report.jobs)):
        yield f"- Error: {_cell(report.error.message)}"
        yield from [f"- What now: {_cell(report.error.hint)}"] if report.error.hint else []
    for each in troubles if several else ():
        yield f"- Error of {count_of(len(each.jobs), 'instance')}: {_cell(f'{each.message} {each.hint}'.rstrip())}"


def _inside(part: content.Part, report: Report) -> Iterator[str]:
    match part:
        case "next":
            paragraphs = [_written(value) for value in content.what_now(report)]
            for step in content.next_steps(report.next, report.outcome):
                paragraphs += [part for part in (step.when, f"    {step.command}") if part]
            yield "\n\n".join(paragraphs)
        case "about":
            yield from (f"- {name}: {_written(value)}" for name, value in content.about(report))
        case "instances":
            for number, job in enumerate(report.jobs):
                yield from ([""] if number else [])
                yield from _job(job, verb_of(report))
        case "left":
            yield from (f"- {_cell(line)}" for line in remains(report))
        case "findings":
            yield from _table(("Level", "Check", "Subject", "What was found", "What to do"), (
                (found.level, found.check, found.subject, found.message, found.fix) for found in report.findings
            )) or [content.no_findings(report)]  # fmt: skip
        case "calls":
            listed = _table(content.CALL_HEAD, map(_call, report.calls))
            unlisted = content.unlisted_calls(report)
            yield from [*listed, *([""] if listed and unlisted else []), *([unlisted] if unlisted else [])]


def _job(job: JobReport, verb: str) -> Iterator[str]:
    yield f"### {_cell(job.instance_name) or 'instance'} ({_cell(job.instance_id or 'not seen')}): {job.outcome}"
    yield from ("", f"{_cell(content.power(job))}.", "")
    yield from _table(content.DISK_HEAD, (_disk(disk, verb) for disk in job.disks))
    if job.phases:
        rows = (tuple(map(content.plain_text, row)) for row in content.phases(job))
        yield from ("", *_table(content.PHASE_HEAD, rows))


def _disk(disk: DiskReport, verb: str) -> tuple[str, ...]:
    last_run = last_run_text(disk.last_run) if disk.last_run and disk.data != "reinitialised" else ""
    data = [content.data_word(disk.data, verb), evidence_text(disk, verb), last_run]
    return (
        f"{disk.disk_id}: {', '.join(content.details(disk))}", "; ".join(filter(None, data)),
        content.became(disk), ", ".join(disk.waivers) or "none", disk.safety_snapshot or "none",
    )  # fmt: skip


def _call(call: Call) -> tuple[str, ...]:
    action = f"{call.action}{' (dry run)' if call.dry_run else ''}"
    return timestamp(call.at), action, ", ".join(call.subject), call.code, call.request_id or ""


def _written(value: content.Value) -> str:
    return _cell(content.plain_text(value))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines] if lines else []


def _cell(text: str) -> str:
    """Keep a name or a reason that somebody else chose from becoming Markdown or HTML."""
    escaped = "".join(f"\\{letter}" if letter in "\\`*_{}[]()<>#|~!" else letter for letter in printable(text))
    return " ".join(escaped.split())


def dump_document(document: object, *, ascii_only: bool = False) -> str:
    """Write a JSON document for people and programs; whatever could control a terminal is escaped."""
    return _escaped(json.dumps(document, indent=2, ensure_ascii=ascii_only))


def one_line(document: object) -> str:
    """Write a JSON document in one line."""
    return _escaped(json.dumps(document, ensure_ascii=False))


def _escaped(text: str) -> str:
    return text if text.replace("\n", "").isprintable() else _UNPRINTABLE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    letter = found[0]
    return letter if letter.isprintable() else json.dumps(letter)[1:-1].replace("\x7f", "\\u007f")
