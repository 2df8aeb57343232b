"""Writes output that may be dropped from separate threads, so that a reader who stops reading holds up nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

MAX_WAITING = 10_000
"""Maximum number of waiting writes."""


class Writer:
    """Writes in order, in a daemon thread, through a bounded queue. Safe to use from several threads.

    Args:
        name: the name of the thread.
        dropped: writes how many were dropped; called in the thread, in their place.
        most: how many may wait.
        failing: is called with the first system error while writing.

    Attributes:
        failed: the first system error while writing.

    """

    def __init__(
        self,
        name: str,
        dropped: Callable[[int], None],
        most: int = MAX_WAITING,
        failing: Callable[[OSError], None] = lambda _: None,
    ) -> None:
        self.failed: OSError | None = None
        self._failing = failing
        self._dropped = dropped
        self._most = most
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lost = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def put(self, work: Callable[[], None]) -> None:
        """Write this in its turn, unless too much waits."""
        with self._lock:
            if self._work.qsize() >= self._most:
                self._lost += 1
                return
            self._report_lost()
            self._work.put(work)

    def must(self, work: Callable[[], None]) -> None:
        """Write this in its turn, however much waits; a signal handler may call this, too."""
        self._work.put(work)

    def flushed(self) -> threading.Event:
        """Return an event that is set once everything that waits now has been written."""
        with self._lock:
            self._report_lost()
        done = threading.Event()
        self.must(done.set)
        return done

    def close(self) -> threading.Event:
        """Drop everything after what waits now; return an event that is set once that has been written."""
        done = self.flushed()
        self._work.put(None)
        return done

    def _report_lost(self) -> None:
        lost, self._lost = self._lost, 0
        if lost:
            self._work.put(lambda: self._dropped(lost))

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except OSError as error:
                if self.failed is None:
                    self.failed = error
                    self._failing(error)
            except Exception:  # noqa: BLE001, S110 - what cannot be shown ends nothing
                pass
