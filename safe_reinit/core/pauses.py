"""When the process did not run, as after Ctrl-Z or with its host asleep: limits count from the end of that."""

from __future__ import annotations

import math

from .resuming import MAX_PAUSE


class Pauses:
    """Tells a process that did not run from one that waited for its journal. Times: cloud seconds.

    Args:
        rate: the cloud seconds in a real one.

    Attributes:
        until: when the last pause ended: what was observed before that is from before the pause.

    """

    def __init__(self, rate: float) -> None:
        self._least = MAX_PAUSE * rate
        self._idle, self._stepped_at = 0.0, math.inf
        self.until = 0.0

    def stepped(self, at: float) -> None:
        """Record that the process runs."""
        self._idle, self._stepped_at = max(self._idle, at - self._stepped_at), at

    def lapsed(self, at: float) -> bool:
        """Return whether a lease ran out because the process did not run."""
        paused = self._idle > self._least
        if paused:
            self._idle, self.until = 0.0, at
        return paused
