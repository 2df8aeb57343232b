"""Which facts are read again next: one recheck at a time, since several would only make each other's facts old."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from .inputs import Decided, Recheck
from .jobs import Due, Job
from .scheduler import FOR_MANY

MAX_JOBS = 500
"""Jobs whose facts are read as soon as they begin."""
_CALLS_FIRST = 1.0
"""Cloud seconds for which calls in progress delay the recheck before the next calls."""


class RecheckQueue:
    """Jobs that have just begun, whose facts are read before any decision, and calls that were decided."""

    def __init__(self) -> None:
        self._to_begin: deque[Job] = deque()
        self._beginning: tuple[int, list[Job]] | None = None
        self._decided: deque[tuple[int, list[Due]]] = deque()
        self._rechecking: tuple[int, list[Due]] | None = None
        self._waits_from: float | None = None
        """Since when the first of the decided calls has waited for calls in progress."""

    def begin(self, jobs: Iterable[Job]) -> None:
        """Queue these jobs, so that their facts are read before any decision."""
        for job in jobs:
            job.beginning = True
            self._to_begin.append(job)

    def add(self, number: int, batch: Sequence[Due]) -> None:
        """Queue calls, so that their facts are read again; ``number`` identifies that recheck."""
        self._decided.append((number, list(batch)))

    def next(self, number: int, at: float, *, calling: bool, may: bool = True) -> Recheck | None:
        """Return the recheck to make now, if any.

        Args:
            number: identifies the recheck if it is for jobs that have just begun.
            at: the present, in cloud seconds.
            calling: whether calls are in progress. Calls of one kind for each machine wait for these briefly, so that
                the facts they are based on are recent when they are sent.
            may: whether the result would be acted on; not while the journal is unavailable.

        """
        if not may:
            self._waits_from = None  # nothing is woken up before the journal is back
            return None
        if self._rechecking is not None or self._beginning is not None:
            return None
        if self._to_begin:
            jobs = [self._to_begin.popleft() for _ in range(min(len(self._to_begin), MAX_JOBS))]
            self._beginning = (number, jobs)
            return Recheck(number, tuple(Decided(job.position, None, job.state) for job in jobs))
        if not self._decided:
            self._waits_from = None
            return None
        if calling and self._decided[0][1][0].command.action not in FOR_MANY:
            self._waits_from = at if self._waits_from is None else self._waits_from
            if at - self._waits_from < _CALLS_FIRST:
                return None
        self._waits_from = None
        self._rechecking = self._decided.popleft()
        decided = tuple(Decided(each.job.position, each.command, each.job.state) for each in self._rechecking[1])
        return Recheck(self._rechecking[0], decided)

    @property
    def wake_at(self) -> float | None:
        """When the next recheck stops waiting, in cloud seconds; ``None`` if none waits."""
        return None if self._waits_from is None else self._waits_from + _CALLS_FIRST

    def begun(self, number: int, at: float) -> list[Job] | None:
        """Return the jobs whose first facts this recheck was to read; ``None`` if it is another recheck.

        They may be observed from now on (``at``, cloud seconds).
        """
        if self._beginning is None or self._beginning[0] != number:
            return None
        jobs, self._beginning = self._beginning[1], None
        for job in jobs:
            job.beginning, job.next_at = False, at
        return jobs

    def ended(self, number: int) -> list[Due]:
        """Return the calls that this recheck was about; none if it is not the one that was asked for."""
        if self._rechecking is None or self._rechecking[0] != number:
            return []
        batch, self._rechecking = self._rechecking[1], None
        for due in batch:
            due.job.call = due.job.command = None
        return batch

    def keep(self, kept: Callable[[Sequence[Due]], list[Due]]) -> None:
        """Avoid useless reads: drop jobs that have turned back, and calls that are not in ``kept``."""
        for job in self._to_begin:
            job.beginning = not job.state.turned_back
        self._to_begin = deque(job for job in self._to_begin if job.beginning)
        self._decided = deque((number, some) for number, batch in self._decided if (some := kept(batch)))
