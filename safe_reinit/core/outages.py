"""While the journal cannot be written: nothing new is intended, and after a while machines come back without it."""

from __future__ import annotations

from ..model import Failure
from .polling import TICK


class Outage:
    """Tells whether the journal is away, when it is tried again, and when it is waited for no more.

    Args:
        longest: for how long it is waited for (cloud seconds).

    Attributes:
        longest: the same.
        given_up: why it is waited for no more: from then on only what brings machines back is intended.

    """

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self._since: float | None = None
        self._tried_at = 0.0
        self.given_up: Failure | None = None

    @property
    def lasts(self) -> bool:
        """Whether the journal is away and waited for."""
        return self._since is not None and self.given_up is None

    def failed(self, at: float) -> bool:
        """Note that the journal could not be written; return whether that begins an outage."""
        self._tried_at = at
        begins = self._since is None
        if self._since is None:
            self._since = at
        return begins

    def is_too_long(self, at: float) -> bool:
        """Return whether the journal has been away for as long as it is waited for."""
        return self._since is not None and at - self._since >= self.longest

    def is_tried(self, at: float) -> bool:
        """Return whether the journal, which is away, is to be tried again now."""
        return at >= self._tried_at + TICK

    def ended(self) -> bool:
        """Note that the journal was written; return whether that ends an outage."""
        ends = self.lasts
        self._since = None
        return ends
