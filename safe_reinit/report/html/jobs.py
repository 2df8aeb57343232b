"""What happened to each instance and its disks: counts, a table with urgent ones first, and a card for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...model import DiskReport, JobReport
from .. import content
from ..text import WELL, breaks_promise, evidence_text, last_run_text
from .markup import NOTHING, Markup, code, escaped, folded, isolated_name, joined, small, table_element, tag, written
from .words import WORST_FIRST, badge, data_badge, failure, label, link, outcome_badge, plural

CARDS_LIMIT = 20
"""Up to this many jobs have a row and a card each; above that, similar ones share a row, and paper has no cards."""
_UNFOLDED_CARDS = 4
"""Above that, this many cards of jobs that did not go well are open."""


def in_order(jobs: Sequence[JobReport]) -> list[JobReport]:
    """Sort jobs so that those that need somebody come first, and otherwise in plan order."""
    return sorted(jobs, key=lambda job: WORST_FIRST.index(job.outcome))


def counts(jobs: Sequence[JobReport], verb: str) -> Markup:
    """Count instances and disks by outcome, the worst first."""
    rows = []
    for outcome in WORST_FIRST:
        alike = [job for job in jobs if job.outcome == outcome]
        if alike:
            rows.append((outcome_badge(alike[0]), *_numbers(alike)))
    if len(rows) > 1:
        rows.append((escaped("all"), *_numbers(jobs)))
    return table_element(
        "stacked counts", ("Outcome", "Instances", "Disks", verb.capitalize(), "Intact", "Untouched", "Unknown"), rows
    )


def _numbers(jobs: Sequence[JobReport]) -> Iterator[Markup]:
    disks = [disk for job in jobs for disk in job.disks]
    yield escaped(f"{len(jobs):,}")
    yield escaped(f"{len(disks):,}")
    for data in ("reinitialised", "intact", "untouched", "unknown"):
        yield escaped(f"{sum(disk.data == data for disk in disks):,}")


def overview(jobs: Sequence[JobReport], verb: str) -> Markup:
    """Return a row for each job, with links to the cards."""
    rows = [_line(job, number, verb) for number, job in enumerate(jobs, 1)]
    return table_element("stacked overview", ("Instance", "Outcome", "Power", "Disks"), rows)


def _line(job: JobReport, number: int, verb: str) -> tuple[Markup, ...]:
    known = tag("div", small(code(job.instance_id))) if job.instance_id and job.instance_name else NOTHING
    disks = joined(tag("div", code(disk.disk_id), escaped(" "), data_badge(disk.data, verb)) for disk in job.disks)
    return joined((link(job, number), known)), outcome_badge(job), power_element(job), disks


def power_element(job: JobReport) -> Markup:
    """Write the power of an instance before and after the run."""
    text = escaped(f"{job.power_before or 'not seen'} → {job.power_after or 'not seen'}")
    return joined((text, badge(f"should be {job.power_promised}", "bad")), " ") if breaks_promise(job) else text


def _whole_power(job: JobReport) -> Markup:
    text = escaped(content.power(job))
    return tag("p", joined((text, badge("not as planned", "bad")), " ") if breaks_promise(job) else text)


def cards(jobs: Sequence[JobReport], verb: str) -> Markup:
    """Return everything about each job; with many jobs, only those that did not go well are open."""
    all_unfolded = len(jobs) <= CARDS_LIMIT
    return joined(
        _card(job, number, verb, unfolded=all_unfolded or (job.outcome not in WELL and number <= _UNFOLDED_CARDS))
        for number, job in enumerate(jobs, 1)
    )


def _card(job: JobReport, number: int, verb: str, *, unfolded: bool) -> Markup:
    instance_id = small(escaped(" "), code(job.instance_id)) if job.instance_id else NOTHING
    title = tag("h3", label(job), instance_id, escaped(" "), outcome_badge(job))
    inside = (
        _whole_power(job),
        failure(job.error) if job.error else NOTHING,
        table_element("stacked disks", content.DISK_HEAD,
              (_disk(disk, verb) for disk in job.disks)),
        table_element("stacked phases", content.PHASE_HEAD, (map(written, row) for row in content.phases(job)))
        if job.phases else NOTHING,
    )  # fmt: skip
    return tag("article", folded(title, *inside, unfolded=unfolded), id=f"j{number}")


def _disk(disk: DiskReport, verb: str) -> Iterator[Markup]:
    texts = map(isolated_name, content.details(disk))
    yield joined((code(disk.disk_id), tag("br"), small(joined(texts, ", "))))
    evidence = evidence_text(disk, verb)
    known = last_run_text(disk.last_run) if disk.last_run and disk.data != "reinitialised" else ""
    below = [joined((tag("br"), small(escaped(each)))) for each in (evidence, known) if each]
    yield joined((data_badge(disk.data, verb), *below))
    yield escaped(content.became(disk))
    yield joined(map(code, disk.waivers), ", ") if disk.waivers else escaped("none")
    yield code(disk.safety_snapshot) if disk.safety_snapshot else escaped("none")


def headline(jobs: Sequence[JobReport], verb: str) -> str:
    """Return in one sentence what happened to how many disks."""
    disks = [disk for job in jobs for disk in job.disks]
    words = {"reinitialised": verb, "intact": "intact", "untouched": "untouched by this run", "unknown": "UNKNOWN"}
    numbers = {word: sum(disk.data == data for disk in disks) for data, word in words.items()}
    parts = ", ".join(f"{count:,} {word}" for word, count in numbers.items() if count)
    return f"{plural(len(disks), 'disk')} on {plural(len(jobs), 'instance')}: {parts}."
