"""What is under way: changes that simulated time will finish, earliest first."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass

Finish = Callable[[float], None]


@dataclass
class _Change:
    """A change under way: `finish(at)` is called once at the moment it is due; `number` tells it from older ones."""

    due: float
    number: int
    finish: Finish


class Timeline:
    """One change under way for each subject; a new one takes the place of the old."""

    def __init__(self) -> None:
        self._changes: dict[str, _Change] = {}
        self._queue: list[tuple[float, int, str]] = []
        self._held: set[str] = set()
        self._number = 0

    def begin(self, subject: str, due: float, finish: Finish) -> None:
        """Schedule the end of a change of the subject at `due` (`math.inf`: never by itself)."""
        self._number += 1
        self._changes[subject] = _Change(due, self._number, finish)
        if math.isfinite(due):
            heapq.heappush(self._queue, (due, self._number, subject))

    def busy(self, subject: str) -> bool:
        """Return whether a change of the subject is under way."""
        return subject in self._changes

    def cancel(self, subject: str) -> None:
        """Forget the subject's change."""
        self._changes.pop(subject, None)

    def hold(self, subject: str) -> None:
        """Keep changes of the subject from ending."""
        self._held.add(subject)

    def release(self, subject: str, now: float) -> None:
        """Allow changes of the subject to end again: one that is overdue ends now."""
        self._held.discard(subject)
        change = self._changes.get(subject)
        if change is not None:
            self.begin(subject, max(change.due, now), change.finish)

    def take(self, now: float) -> tuple[float, Finish] | None:
        """Remove and return the earliest change that is due, with its moment; None if nothing is due."""
        while self._queue and self._queue[0][0] <= now:
            at, number, subject = heapq.heappop(self._queue)
            change = self._changes.get(subject)
            # Left in the queue are also changes that were replaced, cancelled, or are held until their release.
            if change is not None and change.number == number and subject not in self._held:
                del self._changes[subject]
                return at, change.finish
        return None
