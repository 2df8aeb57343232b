"""Many instances in few groups: those to which the same happened share one row, which names each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ...model import DataState, JobReport
from ..content import what_went_wrong
from ..many import groups
from ..text import WELL
from .jobs import power_element
from .markup import NOTHING, Markup, code, escaped, folded, joined, small, tag
from .words import data_badge, failure, label, link, outcome_badge, plural

_MAX_ROWS = 12
"""The maximum number of rows that a reader can take in; with more reasons, each is next to its machine."""


def together(jobs: Sequence[JobReport], verb: str) -> Markup:
    """Return a row for similar jobs, with everything that distinguishes them; what went well is folded."""
    numbers = {id(job): number for number, job in enumerate(jobs, 1)}
    rows = groups(jobs, _what_happened)
    if len(rows) > _MAX_ROWS:
        rows = groups(jobs, _what_became)
    return joined(
        folded(
            _title(alike, verb), *_inside(alike, numbers),
            unfolded=alike[0].outcome not in WELL, kind="printed alike",
        )
        for alike in rows
    )  # fmt: skip


def _inside(alike: Sequence[JobReport], numbers: Mapping[int, int]) -> Iterator[Markup]:
    """Yield the reason, once if all have the same, and the name of each."""
    differ = len({_what_happened(job) for job in alike}) > 1
    yield NOTHING if differ else _why(alike)
    members = (_member(job, numbers[id(job)], _reason(job) if differ else NOTHING) for job in alike)
    yield tag("ul", *members, **({"class_": "reasons"} if differ else {}))


def _what_happened(job: JobReport) -> tuple[object, ...]:
    """Return what jobs in one row have in common: everything except their names."""
    return (*_what_became(job), what_went_wrong(job))


def _what_became(job: JobReport) -> tuple[object, ...]:
    """Return what jobs in one row have in common if there are too many reasons for a row each."""
    return job.outcome, job.power_before, job.power_after, job.power_promised, _data(job)


def _data(job: JobReport) -> tuple[DataState, ...]:
    return tuple(disk.data for disk in job.disks)


def _title(alike: Sequence[JobReport], verb: str) -> Markup:
    counted = Counter(data for job in alike for data in _data(job))
    disks = (joined((escaped(plural(count, "disk")), data_badge(data, verb)), " ") for data, count in counted.items())
    return joined(
        (outcome_badge(alike[0]), escaped(plural(len(alike), "instance")), *disks, power_element(alike[0])), " "
    )


def _why(alike: Sequence[JobReport]) -> Markup:
    first = alike[0]
    if first.error is None:
        return NOTHING
    same = len({job.error.message for job in alike if job.error}) == 1
    return failure(first.error, NOTHING if same else joined((label(first), escaped(", for example: "))))


def _member(job: JobReport, number: int, reason: Markup) -> Markup:
    known = (small(code(job.instance_id)),) if job.instance_id and job.instance_name else ()
    return tag("li", joined((link(job, number), *known, *_disks(job), reason), " "))


def _reason(job: JobReport) -> Markup:
    if (error := job.error) is None:
        return NOTHING
    named = f" ({error.code})" if error.code and error.code not in error.message else ""
    return escaped(f"{error.message}{named} {error.hint or ''}".rstrip())


def _disks(job: JobReport) -> Iterator[Markup]:
    for disk in job.disks:
        yield small(code(disk.disk_id))
        if disk.safety_snapshot:
            yield small(escaped("snapshot "), code(disk.safety_snapshot))
