"""The timeline: a row for every instance, a bar for every phase, one axis. Each row is a small SVG in a table row.

A table prints over pages with its axis at the top of each, and the bars, placed in per cent, fit any width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ...model import JobReport, Phase, PhaseName, PhaseResult
from ...model.codec import timestamp
from ...model.duration import duration
from ..text import time_taken
from .markup import NOTHING, Markup, escaped, joined, tag, time_element
from .words import link, plural, tone

_PHASES: tuple[PhaseName, ...] = ("wait-snapshot", "stop", "snapshot", "reinit", "start")
_RESULTS: tuple[PhaseResult, ...] = ("ok", "refused", "timeout", "unknown")
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
"""Seconds between two marks of the axis."""
_MAX_TICKS = 6
_WORDS_LIMIT = 20
"""Up to this many instances, the rows are high enough for words in the bars."""
_WIDTH_OF_A_WORD = 12.0
_LEAST_WIDTH = 0.4
"""Per cent of the axis, so that a phase of less than a second is visible too."""

PATTERNS = Markup(
    '<svg class="patterns" aria-hidden="true"><defs>'
    '<pattern id="refused" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="2.5" height="6"/></pattern>'
    '<pattern id="timeout" width="6" height="6" patternUnits="userSpaceOnUse"><rect x="1" y="1" width="3" height="3"/>'
    '</pattern><pattern id="unknown" width="4" height="4" patternUnits="userSpaceOnUse"><rect width="2" height="2"/>'
    '<rect x="2" y="2" width="2" height="2"/></pattern></defs></svg>'
)
"""What covers a bar whose phase did not end well; defined once per page."""


@dataclass(frozen=True)
class Axis:
    """The time span of the timeline."""

    begin: datetime
    seconds: float

    @classmethod
    def of(cls, phases: Sequence[Phase], ended_at: datetime) -> Axis:
        """Span all phases; one whose end nobody saw lasts to the end of the run."""
        begin = min(phase.started_at for phase in phases)
        ends = [_end(phase, ended_at) for phase in phases]
        return cls(begin, max((max(ends) - begin).total_seconds(), 1.0))

    def at(self, when: datetime) -> float:
        """Return the position of a time, in per cent from the left."""
        return (when - self.begin).total_seconds() / self.seconds * 100

    @property
    def step(self) -> int:
        """Seconds between two marks."""
        least = self.seconds / _MAX_TICKS
        days = -(-least // 86400)
        return next((step for step in _STEPS if step >= least), int(days) * 86400)

    def marks(self) -> Iterator[datetime]:
        """Yield the times on the axis: round ones, as on a clock."""
        first = -(-self.begin.timestamp() // self.step) * self.step
        end = self.begin + timedelta(seconds=self.seconds)
        when = datetime.fromtimestamp(first, UTC)
        while when <= end:
            yield when
            when += timedelta(seconds=self.step)


def timeline(jobs: Sequence[JobReport], ended_at: datetime) -> Markup:
    """Draw the phases of these jobs, the earliest first; a row links to the card of its job."""
    begun = sorted((n for n, job in enumerate(jobs) if job.phases), key=lambda n: jobs[n].phases[0].started_at)
    phases = [phase for n in begun for phase in jobs[n].phases]
    if not phases:
        return NOTHING
    axis, roomy = Axis.of(phases, ended_at), len(begun) <= _WORDS_LIMIT
    rows = (_row(jobs[n], n + 1, axis, ended_at, roomy=roomy) for n in begun)
    head = tag("tr", tag("th", escaped("Instance"), scope="col"), tag("th", _scale(axis), scope="col"))
    left_out = len(jobs) - len(begun)
    return joined((
        _legend(phases),
        tag("table", tag("caption", *_caption(axis)), tag("thead", head), tag("tbody", *rows),
            class_=f"timeline {'roomy' if roomy else 'dense'}", style=_grid(axis)),
        tag("p", escaped(f"Without a bar: {plural(left_out, 'instance')} on which nothing was begun."))
        if left_out else NOTHING,
    ))  # fmt: skip


def _caption(axis: Axis) -> Iterator[Markup]:
    yield time_element(axis.begin)
    yield escaped(" to ")
    yield time_element(axis.begin + timedelta(seconds=axis.seconds))
    yield escaped(f" ({duration(axis.seconds)})")


def _grid(axis: Axis) -> str:
    marks = list(axis.marks())
    first = axis.at(marks[0]) if marks else 100.0
    return f"--first:{first:.2f}%;--step:{axis.step / axis.seconds * 100:.2f}%"


def _scale(axis: Axis) -> Markup:
    form = "%m-%d" if axis.step >= 86400 else "%H:%M" if axis.step >= 60 else "%H:%M:%S"
    texts = []
    for count, when in enumerate(axis.marks()):
        place = axis.at(when)
        side = "start" if place < 8 else "end" if place > 92 else "middle"
        texts.append(tag("text", escaped(f"{when:{form}}"), x=f"{place:.2f}%", y="11", class_=f"{side} n{count % 2}"))
    return tag("svg", *texts)


def _row(job: JobReport, number: int, axis: Axis, ended_at: datetime, *, roomy: bool) -> Markup:
    bars = [_bar(phase, axis, ended_at, worded=roomy) for phase in job.phases]
    name = tag("th", link(job, number, class_=tone(job.outcome)), scope="row")
    return tag("tr", name, tag("td", tag("svg", *bars)))


def _bar(phase: Phase, axis: Axis, ended_at: datetime, *, worded: bool) -> Markup:
    end = _end(phase, ended_at)
    left = axis.at(phase.started_at)
    width = max(axis.at(end) - left, _LEAST_WIDTH)
    left = min(left, 100 - width)
    place = {"x": f"{left:.2f}%", "width": f"{width:.2f}%"}
    parts = [tag("title", escaped(_title(phase, end))), tag("rect", class_=phase.name, **place)]
    if phase.result != "ok":
        parts.append(tag("rect", class_=phase.result, **place))
    elif worded and width >= _WIDTH_OF_A_WORD:
        parts.append(tag("text", escaped(phase.name), x=f"{left + width / 2:.2f}%", y="14", class_="middle"))
    return tag("g", *parts)


def _title(phase: Phase, end: datetime) -> str:
    ended = f"{timestamp(end)[11:19]}, {time_taken(phase.started_at, end)}"
    until = ended if phase.ended_at else "its end was not seen"
    return f"{phase.name} {timestamp(phase.started_at)[11:19]} to {until}: {phase.result}"


def _end(phase: Phase, ended_at: datetime) -> datetime:
    return phase.ended_at or max(ended_at, phase.started_at)


def _legend(phases: Sequence[Phase]) -> Markup:
    names = [name for name in _PHASES if any(phase.name == name for phase in phases)]
    results = [each for each in _RESULTS[1:] if any(phase.result == each for phase in phases)]
    return tag("ul", *(tag("li", _swatch(kind), escaped(kind)) for kind in (*names, *results)), class_="legend")


def _swatch(kind: str) -> Markup:
    below = tag("rect", class_="plain", width="100%") if kind in _RESULTS else NOTHING
    return tag("svg", below, tag("rect", class_=kind, width="100%"), hidden="true")
