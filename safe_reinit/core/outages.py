"""While the journal cannot be written: nothing new is intended, and after a while machines come back without it."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import Failure
from .inputs import Notify
from .jobs import Job
from .polling import TICK_INTERVAL
from .reports import unrecorded, waited_for, written_again


class Outage:
    """Tells whether the journal is away, when it is tried again, and when it is waited for no more.

    Args:
        run_id: the run.
        longest: for how long it is waited for, in real seconds.
        rate: the cloud seconds in a real one.

    Attributes:
        given_up: why it is waited for no more: from then on only what brings machines back is intended.

    """

    def __init__(self, run_id: str, longest: float, rate: float) -> None:
        self._run_id = run_id
        self._longest = longest
        self._rate = rate
        self._since: float | None = None
        self._tried_at = 0.0
        self.given_up: Failure | None = None

    @property
    def lasts(self) -> bool:
        """Whether the journal is away and waited for."""
        return self._since is not None and self.given_up is None

    @property
    def why(self) -> str:
        """Why nothing goes on, for people; ``""`` while the journal is not waited for."""
        return "the journal cannot be written" if self.lasts else ""

    def failed(self, failure: Failure, at: float, jobs: Sequence[Job], *, lost: bool) -> list[Notify]:
        """Record that the journal could not be written.

        Args:
            failure: why.
            at: when.
            jobs: of the run.
            lost: it never will be again.

        Returns:
            what people must know of it now.
        """
        begins, self._tried_at = self._since is None, at
        self._since = at if self._since is None else self._since
        if self.given_up is not None:
            return []
        if not lost and at - self._since < self._longest * self._rate:
            return [Notify(waited_for(self._run_id, failure, jobs, self._longest))] if begins else []
        self.given_up = failure
        return [Notify(unrecorded(self._run_id, failure, jobs))]

    def is_tried(self, at: float) -> bool:
        """Return whether the journal, which is away, is to be tried again now."""
        return at >= self._tried_at + TICK_INTERVAL

    def ended(self) -> list[Notify]:
        """Record that the journal was written; return what people must know where that ends an outage."""
        ends, self._since = self.lasts, None
        return [Notify(written_again(self._run_id))] if ends else []
