"""What the checks found, and every call with its RequestId."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...model import Call, Finding, Level, Report
from .. import content
from ..many import common_meaning
from .markup import NOTHING, Markup, code, escaped, folded, joined, small, table_element, tag, time_element
from .words import Tone, badge, plural

_LEVELS: tuple[tuple[Level, str, Tone], ...] = (
    ("block", "Blocks: nobody can accept them", "bad"),
    ("risk", "Risks", "care"),
    ("info", "Information", "plain"),
)
_UNFOLDED_FINDINGS = 10
"""Up to this many findings of a check are shown one by one; for more, what they share comes first."""
_UNFOLDED_CHANGES = 40
"""Up to this many calls that may change something are shown unfolded."""
_UNFOLDED_IDS = 4
"""Up to this many ids of a call are shown unfolded."""


def findings(report: Report) -> Markup:
    """Return the findings, by level and by check."""
    if not report.findings:
        return tag("p", escaped(content.no_findings(report)))
    accepted = {
        (check, subject)
        for job in report.jobs
        for disk in job.disks
        for check in disk.waivers
        for subject in (disk.disk_id, job.instance_id)
    }
    parts = []
    for level, title, how in _LEVELS:
        found = [each for each in report.findings if each.level == level]
        if found:
            parts.append(tag("h3", escaped(f"{title} ({len(found):,})")))
        for name in dict.fromkeys(each.check for each in found):
            alike = [each for each in found if each.check == name]
            waived = sum((name, each.subject) in accepted for each in alike) if level == "risk" else 0
            parts.append(_alike(alike, how, waived))
    return joined(parts)


def _alike(found: Sequence[Finding], how: Tone, accepted: int) -> Markup:
    first = found[0]
    marks = [badge(first.level, how), code(first.check), small(escaped(plural(len(found), "subject")))]
    if accepted:
        marks.append(badge(f"accepted{'' if accepted == len(found) else f' for {accepted:,}'}", "care"))
    rows = (
        (code(each.subject), escaped(each.message), joined((escaped(each.fix), _foreseen(each))), _facts(each))
        for each in found
    )
    one_by_one = table_element("stacked findings", ("Subject", "What was found", "What to do", "Facts"), rows)
    kind = "" if first.level == "info" else "printed"
    if len(found) <= _UNFOLDED_FINDINGS:
        return folded(joined(marks, " "), one_by_one, unfolded=True, kind=kind)
    inside = (*_in_common(found), folded(escaped("Each by itself"), one_by_one))
    return folded(joined(marks, " "), *inside, unfolded=first.level != "info", kind=kind)


def _in_common(found: Sequence[Finding]) -> Iterator[Markup]:
    """Yield what many findings of a check have in common, and their subjects."""
    first = found[0]
    yield tag("p", escaped(common_meaning(found)))
    if len({(each.fix, each.predicts) for each in found}) == 1:
        yield tag("p", escaped(first.fix), _foreseen(first))
    yield tag("ul", *(tag("li", small(code(each.subject))) for each in found), class_="subjects")


def _foreseen(found: Finding) -> Markup:
    if not found.predicts:
        return NOTHING
    return small(escaped(" ECS would answer "), code(found.predicts), escaped("."))


def _facts(found: Finding) -> Markup:
    members = ((name, "not shown" if value is None else value) for name, value in found.fact.items())
    return joined(tag("div", code(f"{name}: {value}")) for name, value in members)


def calls(report: Report) -> Markup:
    """Return every call in the report; reads separately from those that may change something."""
    reads = [call for call in report.calls if call.only_reads]
    changes = [call for call in report.calls if not call.only_reads]
    parts = (
        [_table("Changing calls and their dry runs", changes, unfolded=len(changes) <= _UNFOLDED_CHANGES)]
        if changes
        else []
    )
    if reads:
        parts.append(_table("Reads", reads, unfolded=False))
    if unlisted := content.unlisted_calls(report):
        parts.append(tag("p", escaped(unlisted)))
    return joined(parts)


def _table(title: str, listed: Sequence[Call], *, unfolded: bool) -> Markup:
    return folded(
        escaped(f"{title} ({len(listed):,})"),
        table_element("stacked calls", content.CALL_HEAD, map(_call, listed)),
        unfolded=unfolded,
    )


def _call(call: Call) -> Iterator[Markup]:
    yield time_element(call.at)
    attempt = f" attempt {call.attempt}" if call.attempt > 1 else ""
    marked = (
        tag("em", escaped("dry run")) if call.dry_run else NOTHING,
        small(escaped(attempt)) if attempt else NOTHING,
    )
    yield joined((code(call.action), *(mark for mark in marked if mark)), " ")
    yield _ids(call.subject)
    status = f" (HTTP {call.http_status})" if call.http_status is not None else ""
    yield joined((code(call.code), small(escaped(status))))
    yield code(call.request_id) if call.request_id else escaped("none")


def _ids(ids: Sequence[str]) -> Markup:
    written = joined(map(code, ids), ", ")
    if len(ids) <= _UNFOLDED_IDS:
        return written
    return folded(joined((code(ids[0]), escaped(f" and {len(ids) - 1:,} more"))), written)
