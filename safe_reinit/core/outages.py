"""While the journal cannot be written: nothing new is intended, and after a while machines come back without it."""

from __future__ import annotations

from ..model import Failure
from .polling import TICK


class Outage:
    """Tells whether the journal is away, when it is tried again, and when it is waited for no more.

    Args:
        longest: for how long it is waited for, in real seconds.
        rate: the cloud seconds in a real one.

    Attributes:
        longest: the same.
        given_up: why it is waited for no more: from then on only what brings machines back is intended.

    """

    def __init__(self, longest: float, rate: float) -> None:
        self.longest = longest
        self._rate = rate
        self._since: float | None = None
        self._tried_at = 0.0
        self.given_up: Failure | None = None

    @property
    def lasts(self) -> bool:
        """Whether the journal is away and waited for."""
        return self._since is not None and self.given_up is None

    def failed(self, failure: Failure, at: float, *, lost: bool) -> tuple[bool, bool]:
        """Note that the journal could not be written.

        Args:
            failure: why.
            at: when.
            lost: it never will be again.

        Returns:
            whether it is waited for from now on, and whether it is given up now.
        """
        begins, self._tried_at = self._since is None, at
        if self._since is None:
            self._since = at
        if self.given_up is not None:
            return False, False
        if not lost and at - self._since < self.longest * self._rate:
            return begins, False
        self.given_up = failure
        return False, True

    def is_tried(self, at: float) -> bool:
        """Return whether the journal, which is away, is to be tried again now."""
        return at >= self._tried_at + TICK

    def ended(self) -> bool:
        """Note that the journal was written; return whether that ends an outage."""
        ends = self.lasts
        self._since = None
        return ends
