"""What was seen of one run from outside, and what that shows: every number is between two bounds.

Times are cloud seconds. If something happened between two observations, only that is known: after the first one, before
the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

Shows = Callable[["Sample"], bool]


@dataclass(frozen=True)
class Sample:
    """One observation of the instance and its disk."""

    at: float
    """When it was asked for."""
    answered_at: float
    date: datetime | None
    """The ``Date`` of the answer about the instance."""
    status: str
    """Of the instance."""
    start_time: datetime | None
    disk_status: str


@dataclass(frozen=True)
class RecordedAnswer:
    """How a changing call of the run ended."""

    at: float
    """When that was known."""
    action: str
    code: str
    """``OK``, the code of a refusal, ``Unanswered`` or ``NotSent``."""


@dataclass(frozen=True)
class Bounds:
    """The bounds, in seconds, of a number."""

    at_least: float
    at_most: float

    def __str__(self) -> str:
        return f"{self.at_least:.1f} to {self.at_most:.1f} s"

    def __add__(self, other: Bounds) -> Bounds:
        return Bounds(self.at_least + other.at_least, self.at_most + other.at_most)


@dataclass(frozen=True)
class Record:
    """One run as it was observed, from before its first call until some time after its last."""

    samples: tuple[Sample, ...]
    answers: tuple[RecordedAnswer, ...]

    def accepted(self, action: str) -> float | None:
        """Return when the first call of an API was accepted."""
        return next((each.at for each in self.answers if (each.action, each.code) == (action, "OK")), None)

    @property
    def stop_lag(self) -> Bounds | None:
        """How long after its answer a stop became visible."""
        return self._since("StopInstance", lambda seen: seen.status in ("Stopping", "Stopped"))

    @property
    def wipe_lag(self) -> Bounds | None:
        """How long after its answer a wipe became visible; ``None`` if ``ReIniting`` was never seen."""
        return self._since("ReInitDisk", lambda seen: seen.disk_status == "ReIniting")

    @property
    def start_lag(self) -> Bounds | None:
        """How long after its answer a start became visible."""
        return self._since("StartInstance", lambda seen: seen.status in ("Starting", "Running"))

    @property
    def lags(self) -> tuple[Bounds, ...]:
        """All of these that were measured."""
        return tuple(each for each in (self.stop_lag, self.wipe_lag, self.start_lag) if each is not None)

    @property
    def stop_took(self) -> Bounds | None:
        """How long a graceful stop took, without the lag."""
        return self._took("StopInstance", "Stopped", self.stop_lag)

    @property
    def start_took(self) -> Bounds | None:
        """How long a start took, without the lag."""
        return self._took("StartInstance", "Running", self.start_lag)

    @property
    def reiniting(self) -> Bounds | None:
        """How long ``ReIniting`` was visible; ``None`` if it was never seen."""
        first, last = self._first_and_last(lambda seen: seen.disk_status == "ReIniting")
        if first is None or last is None:
            return None
        before = max((each.at for each in self.samples if each.at < first.at), default=first.at)
        after = min((each.answered_at for each in self.samples if each.at > last.at), default=last.answered_at)
        return Bounds(max(0.0, last.at - first.answered_at), after - before)

    @property
    def start_time_before(self) -> datetime | None:
        """The StartTime shown before the run."""
        return self.samples[0].start_time if self.samples else None

    @property
    def started(self) -> Sample | None:
        """The last observation of the machine Running after a start of the run."""
        started_at = self.accepted("StartInstance")
        if started_at is None:
            return None
        return self._first_and_last(lambda seen: seen.at > started_at and seen.status == "Running")[1]

    @property
    def restarted(self) -> Sample | None:
        """The first observation that showed another StartTime after a start of the run."""
        started_at = self.accepted("StartInstance")
        if started_at is None:
            return None
        known = (None, self.start_time_before)
        return self._first_and_last(lambda seen: seen.at > started_at and seen.start_time not in known)[0]

    def changes(self) -> Iterator[tuple[str, Sample]]:
        """Yield the API behind each change of the power and each wipe, with the observation that first showed it.

        A stop or wipe that was over between two observations is not among them.
        """
        for before, after in zip(self.samples, self.samples[1:], strict=False):
            up = [each.status in ("Starting", "Running") for each in (before, after)]
            if up[0] != up[1]:
                yield "StartInstance" if up[1] else "StopInstance", after
            if after.disk_status == "ReIniting" != before.disk_status:
                yield "ReInitDisk", after

    def _since(self, action: str, shows: Shows) -> Bounds | None:
        """Return how long after a call was accepted something first became visible."""
        at = self.accepted(action)
        if at is None:
            return None
        not_before = at
        for each in self.samples:
            if each.answered_at >= at:
                if shows(each):
                    return Bounds(not_before - at, each.answered_at - at)
                not_before = max(not_before, each.at)
        return None

    def _took(self, action: str, status: str, lag: Bounds | None) -> Bounds | None:
        shown = self._since(action, lambda seen: seen.status == status)
        return shown and lag and Bounds(max(0.0, shown.at_least - lag.at_most), shown.at_most)

    def _first_and_last(self, shows: Shows) -> tuple[Sample | None, Sample | None]:
        shown = [each for each in self.samples if shows(each)]
        return (shown[0], shown[-1]) if shown else (None, None)
