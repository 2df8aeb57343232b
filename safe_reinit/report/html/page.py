"""The page as a whole: what came of it, who did it when, the instances, findings, calls, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...model import ClassReference, Report
from ..text import NO_ERASURE, SIMULATED, class_text, duration, is_undo, remains, verb_of
from .evidence import calls, findings
from .jobs import cards, counts, headline, in_order, overview
from .markup import NOTHING, Markup, code, facts, folded, joined, moment, name_of, said, section, tag
from .style import STYLE
from .timeline import PATTERNS, timeline
from .words import badge, failure, link, meaning, plural, tone

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The browser itself refuses whatever a page without scripts, pictures and links has no use for."""
_LEFT_UNFOLDED = 20
"""Up to so many sentences about snapshots are open from the start."""


def to_html(report: Report) -> str:
    """Give the report as one HTML page that needs nothing else: no script, no font, no picture, no request."""
    simulated = "SIMULATED " if report.simulated else ""
    title = f"{simulated}safe-reinit: {report.outcome}{f', {report.run_id}' if report.run_id else ''}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", said(title)),
        tag("style", STYLE),
    )
    body = tag("body", PATTERNS, tag("header", *_header(report)), tag("main", *_parts(report)), _footer(report))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _header(report: Report) -> Iterator[Markup]:
    if report.simulated:
        yield tag("p", tag("strong", said(SIMULATED)), class_="kind")
    how = tone(report.outcome, report.jobs)
    kind = "Dry run" if report.dry_run else "Run" if report.run_id else "No run"
    yield tag("p", said(f"safe-reinit · {kind}"), class_="kind")
    yield tag("h1", badge(report.outcome, how))
    yield tag("p", said(f"{meaning(report)} Exit code {report.exit_code}."))
    if report.jobs:
        yield tag("p", tag("strong", said(headline(report.jobs, verb_of(report)))))
    if report.error:
        yield failure(report.error, _whose(report))


def _whose(report: Report) -> Markup:
    """Lead from an error that is one of several jobs' to that job."""
    jobs = in_order(report.jobs)
    number = next((n for n, job in enumerate(jobs, 1) if job.error == report.error), 0)
    return joined((link(jobs[number - 1], number), said(": "))) if number and len(jobs) > 1 else NOTHING


def _parts(report: Report) -> Iterator[Markup]:
    jobs, verb = in_order(report.jobs), verb_of(report)
    if report.next:
        yield section("next", "What to do next", *(tag("pre", code(command)) for command in report.next))
    yield section("about", "Who, when and where", _about(report))
    if len(jobs) > 1:
        yield section("summary", "Summary", counts(jobs, verb), overview(jobs, verb))
    if any(job.phases for job in jobs):
        yield section("timeline", "Timeline", timeline(jobs, report.ended_at))
    if jobs:
        yield section("instances", "Instances and disks", cards(jobs, verb))
    if left := tuple(remains(report)):
        yield section("left", "What is left of the old data", _left(left))
    yield section("findings", "Findings", findings(report))
    yield section("calls", "Calls", calls(report))


def _about(report: Report) -> Markup:
    took = duration((report.ended_at - report.started_at).total_seconds())
    plan, caller = report.plan, report.caller
    used = plan.class_ if plan else None
    return facts((
        ("Run", code(report.run_id) if report.run_id else said("none")),
        ("Reason", name_of(report.reason or "none given")),
        ("From", moment(report.started_at)),
        ("To", joined((moment(report.ended_at), said(f" ({took})")))),
        ("Operator", name_of(f"{report.operator.user or 'unknown'}@{report.operator.host}")),
        ("Caller", name_of(f"{caller.arn} ({caller.type})") if caller else NOTHING),
        ("Account", code(report.account) if report.account else NOTHING),
        ("Region", code(report.region) if report.region else NOTHING),
        ("Plan fingerprint", code(plan.fingerprint) if plan else NOTHING),
        ("Plan digest", code(plan.digest) if plan and plan.digest else NOTHING),
        ("Class", _class(used) if used else NOTHING),
        ("Consent (--confirm)", code(plan.confirm_with) if plan else NOTHING),
    ))  # fmt: skip


def _class(used: ClassReference) -> Markup:
    return joined((name_of(class_text(used.name, used.allowed).removeprefix("class ")), code(used.sha256)), " ")


def _left(told: Sequence[str]) -> Markup:
    *snapshots, warning = told
    items = tag("ul", *(tag("li", said(each)) for each in snapshots)) if snapshots else NOTHING
    many = plural(len(snapshots), "disk")
    shown = folded(said(f"Snapshots of {many}"), items) if len(snapshots) > _LEFT_UNFOLDED else items
    return joined((tag("p", tag("strong", said(warning))), shown))


def _footer(report: Report) -> Markup:
    unsaid = not is_undo(report) and not any(remains(report))
    return tag(
        "footer",
        tag("p", said(NO_ERASURE)) if unsaid else NOTHING,
        tag(
            "p",
            said(f"Written by safe-reinit {report.tool_version}, report schema {report.schema}. All times are UTC."),
        ),
    )
