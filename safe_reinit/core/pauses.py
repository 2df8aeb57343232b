"""Times when the process did not run, for example after Ctrl-Z: limits are counted from the end of the pause."""

from __future__ import annotations

import math

from .resuming import MAX_PAUSE


class Pauses:
    """Distinguishes a process that did not run from one that waited for its journal. Times: cloud seconds.

    Args:
        rate: the cloud seconds in a real second.

    Attributes:
        until: when the last pause ended: earlier observations date from before the pause.

    """

    def __init__(self, rate: float) -> None:
        self._least = MAX_PAUSE * rate
        self._idle, self._stepped_at = 0.0, math.inf
        self.until = 0.0

    def stepped(self, at: float) -> None:
        """Record that the process is running."""
        self._idle, self._stepped_at = max(self._idle, at - self._stepped_at), at

    def lapsed(self, at: float) -> bool:
        """Return whether a lease ran out because the process did not run."""
        paused = self._idle > self._least
        if paused:
            self._idle, self.until = 0.0, at
        return paused
