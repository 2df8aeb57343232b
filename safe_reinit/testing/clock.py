"""Virtual time: a wait ends at once, and time moves on by the length of the wait."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from ..clock import Clock

BEGINS = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When virtual time begins, so that a test sees the same times whenever it runs."""
_CHECK_INTERVAL = 0.005
"""Real seconds after which a waiting thread checks whether the others still work."""


class VirtualClock(Clock):
    """A clock on which nobody really waits: when all that it times is waiting, it jumps to the end of the next wait.

    It stands still while a call is in progress. So a run that takes ECS minutes returns at once, and its times do not
    depend on how busy the machine is.

    Args:
        begins: the time at which it begins; noon of 1 January 2026 in UTC unless it is given.

    """

    def __init__(self, begins: datetime = BEGINS) -> None:
        super().__init__()
        self._time = begins.timestamp()
        self._lock = threading.Lock()
        self._working = 0
        self._waits: list[tuple[float, threading.Event]] = []

    def now(self) -> datetime:
        """Return the virtual time of day, in UTC."""
        return datetime.fromtimestamp(self._time, UTC)

    def time(self) -> float:
        """Return the virtual seconds, for intervals."""
        return self._time

    def advance(self, seconds: float) -> None:
        """Move the clock on by this many seconds, for a test that lets time pass."""
        with self._lock:
            self._time += seconds

    def sleep(self, seconds: float) -> None:
        """Wait this many seconds, which pass as soon as everybody else waits for longer."""
        self.wait(threading.Event(), seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for an event, or until this many seconds have passed; return whether it is set."""
        until = self._time + max(0.0, seconds)
        with self._lock:
            self._waits.append((until, event))
        try:
            while not event.is_set() and self._time < until and not self._jump(until):
                event.wait(_CHECK_INTERVAL)
        finally:
            with self._lock:
                self._waits.remove((until, event))
        return event.is_set()

    def busy(self) -> AbstractContextManager[object]:
        """Return a context that counts as work in progress until its ``with`` block ends, in any thread."""
        return _Busy(self)

    def _jump(self, until: float) -> bool:
        """Jump to the end of this wait, if it is the shortest and nothing must be done before."""
        with self._lock:
            waiting = len(self._waits) >= self._working and not any(event.is_set() for _, event in self._waits)
            if waiting and until <= min(end for end, _ in self._waits):
                self._time = max(self._time, until)
                return True
            return False

    def _count(self, change: int) -> None:
        with self._lock:
            self._working += change


class _Busy:
    """Work in progress: it counts from its creation until its block ends, or until nobody can begin it any more."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._counts = True
        clock._count(1)

    def __enter__(self) -> None:
        """Begin the work, which counts already."""

    def __exit__(self, *_: object) -> None:
        self._end()

    def __del__(self) -> None:
        self._end()

    def _end(self) -> None:
        if self._counts:
            self._counts = False
            self._clock._count(-1)
