"""The whole page: the result, who did it when, the instances, findings, calls, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...model import Report
from .. import content
from ..many import NAMED_LIMIT
from ..text import NO_ERASURE, is_undo, notices, remains, verb_of
from .evidence import calls, findings
from .jobs import CARDS_LIMIT, cards, counts, headline, in_order, overview
from .markup import NOTHING, Markup, code, escaped, facts, folded, joined, section_element, tag, written
from .style import MARK, STYLE
from .timeline import PATTERNS, timeline
from .together import together
from .words import badge, failure, link, meaning, plural, tone

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Makes the browser itself refuse everything that a page without scripts, pictures and links does not need."""
_MAX_TROUBLES = 5
"""Up to this many different errors of many machines stand at the top."""
_UNFOLDED_SNAPSHOTS = 20
"""Up to this many sentences about snapshots are shown unfolded."""


def to_html(report: Report) -> str:
    """Return the report as one self-contained HTML page: no script, no font, no picture, no request."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", escaped(content.title(report))),
        tag("style", STYLE, MARK if report.simulated else NOTHING),
    )
    inside = (PATTERNS, tag("header", *_header(report)), tag("main", *_parts(report)), _footer(report))
    body = tag("body", *inside, **({"class_": "summed"} if len(report.jobs) > CARDS_LIMIT else {}))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _header(report: Report) -> Iterator[Markup]:
    for notice in notices(report):
        yield tag("p", tag("strong", escaped(notice)), class_="kind")
    how = tone(report.outcome, report.jobs)
    kind = "Dry run" if report.dry_run else "Run" if report.run_id else "No run"
    yield tag("p", escaped(f"safe-reinit · {kind}"), class_="kind")
    about = content.targets(report)
    yield tag("h1", badge(report.outcome, how), tag("span", written(about), class_="target") if about else NOTHING)
    yield tag("p", escaped(f"{meaning(report)} Exit code {report.exit_code}."))
    if report.jobs:
        yield tag("p", tag("strong", escaped(headline(report.jobs, verb_of(report)))))
    yield from _errors(report)


def _errors(report: Report) -> Iterator[Markup]:
    """Yield what went wrong: an error of the run itself, and those of its machines, in groups if there are several."""
    jobs = in_order(report.jobs)
    troubles = content.troubles(jobs)
    if sum(len(each.jobs) for each in troubles) > 1:
        if report.error and all(job.error != report.error for job in jobs):
            yield failure(report.error)
        yield _grouped(troubles, {id(job): number for number, job in enumerate(jobs, 1)})
    elif report.error:
        number = next((n for n, job in enumerate(jobs, 1) if job.error == report.error), 0)
        whose = (link(jobs[number - 1], number), escaped(": ")) if number and len(jobs) > 1 else ()
        yield failure(report.error, joined(whose))


def _grouped(troubles: Sequence[content.Trouble], numbers: Mapping[int, int]) -> Markup:
    """Write what went wrong once for all machines that have it in common, with their number."""
    items = []
    for each in troubles[:_MAX_TROUBLES]:
        named = joined((link(job, numbers[id(job)]) for job in each.jobs[:NAMED_LIMIT]), ", ")
        more = len(each.jobs) - NAMED_LIMIT
        count = f"{plural(len(each.jobs), 'instance')} (", f" and {more:,} more" if more > 0 else "", "): "
        text = tag("strong", escaped(count[0]), named, escaped(count[1] + count[2]), escaped(each.message))
        items.append(tag("li", text, escaped(f" {each.hint}".rstrip())))
    rest = troubles[_MAX_TROUBLES:]
    if rest:
        left = sum(len(each.jobs) for each in rest)
        items.append(tag("li", escaped(f"{plural(left, 'instance')}: other errors, listed with each of them below.")))
    return tag("div", tag("ul", *items), class_="failure")


def _parts(report: Report) -> Iterator[Markup]:
    """Yield each part in its form; a page also has an overview and a timeline."""
    jobs, verb = in_order(report.jobs), verb_of(report)
    for part in content.parts_of(report):
        if part == "instances":
            if len(jobs) > 1:
                rows = together(jobs, verb) if len(jobs) > CARDS_LIMIT else overview(jobs, verb)
                yield section_element("summary", "Summary", counts(jobs, verb), rows)
            if any(job.phases for job in jobs):
                yield section_element("timeline", "Timeline", timeline(jobs, report.ended_at))
        yield section_element(part, content.PARTS[part], *_inside(part, report))


def _inside(part: content.Part, report: Report) -> Iterator[Markup]:
    match part:
        case "next":
            for number, each in enumerate(content.what_now(report)):
                yield tag("p", written(each) if number else tag("strong", written(each)))
            for step in content.next_steps(report.next, report.outcome):
                yield tag("p", escaped(step.when)) if step.when else NOTHING
                yield tag("pre", code(step.command))
        case "about":
            yield facts((name, written(value)) for name, value in content.about(report))
        case "instances":
            yield cards(in_order(report.jobs), verb_of(report))
        case "left":
            yield _left(tuple(remains(report)))
        case "findings":
            yield findings(report)
        case "calls":
            yield calls(report)


def _left(report: Sequence[str]) -> Markup:
    *snapshots, warning = report
    items = tag("ul", *(tag("li", escaped(each)) for each in snapshots)) if snapshots else NOTHING
    count = plural(len(snapshots), "disk")
    body = folded(escaped(f"Snapshots of {count}"), items) if len(snapshots) > _UNFOLDED_SNAPSHOTS else items
    return joined((tag("p", tag("strong", escaped(warning))), body))


def _footer(report: Report) -> Markup:
    unsaid = not is_undo(report) and not any(remains(report))
    return tag(
        "footer",
        tag("p", escaped(NO_ERASURE)) if unsaid else NOTHING,
        tag(
            "p",
            escaped(f"Written by safe-reinit {report.tool_version}, report schema {report.schema}. All times are UTC."),
        ),
    )
