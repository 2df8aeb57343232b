"""Operations in progress, which simulated time will complete, earliest first."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass

Finish = Callable[[float], None]


@dataclass
class _Change:
    """An operation in progress: `finish(at)` is called once when it is due; `number` tells it from older ones."""

    due: float
    number: int
    finish: Finish


class Timeline:
    """One operation in progress for each subject; a new one replaces the old."""

    def __init__(self) -> None:
        self._changes: dict[str, _Change] = {}
        self._queue: list[tuple[float, int, str]] = []
        self._held: set[str] = set()
        self._number = 0

    def begin(self, subject: str, due: float, finish: Finish) -> None:
        """Schedule the end of an operation on the subject at `due` (`math.inf`: never by itself)."""
        self._number += 1
        self._changes[subject] = _Change(due, self._number, finish)
        if math.isfinite(due):
            heapq.heappush(self._queue, (due, self._number, subject))

    def busy(self, subject: str) -> bool:
        """Return whether an operation on the subject is in progress."""
        return subject in self._changes

    def cancel(self, subject: str) -> None:
        """Forget the subject's operation."""
        self._changes.pop(subject, None)

    def hold(self, subject: str) -> None:
        """Keep operations on the subject from ending."""
        self._held.add(subject)

    def release(self, subject: str, now: float) -> None:
        """Allow operations on the subject to end again: one that is overdue ends now."""
        self._held.discard(subject)
        change = self._changes.get(subject)
        if change is not None:
            self.begin(subject, max(change.due, now), change.finish)

    def take(self, now: float) -> tuple[float, Finish] | None:
        """Remove and return the earliest operation that is due, with its time; None if nothing is due."""
        while self._queue and self._queue[0][0] <= now:
            at, number, subject = heapq.heappop(self._queue)
            change = self._changes.get(subject)
            # The queue still contains operations that were replaced, cancelled, or held until their release.
            if change is not None and change.number == number and subject not in self._held:
                del self._changes[subject]
                return at, change.finish
        return None
