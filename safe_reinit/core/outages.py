"""While the journal cannot be written, no call is intended; after a while, machines come back without it."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import Failure
from .inputs import Notify
from .jobs import Job
from .polling import TICK_INTERVAL
from .reports import unrecorded, waited_for, written_again


class Outage:
    """Tracks whether the journal is unavailable, when to try it again, and when to stop waiting for it.

    Args:
        run_id: the run.
        longest: how long to wait for the journal, in real seconds.
        rate: the cloud seconds in a real second.

    Attributes:
        given_up: why the run no longer waits for it; from then on, only what brings machines back is intended.

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
        """Whether the run waits for an unavailable journal."""
        return self._since is not None and self.given_up is None

    @property
    def why(self) -> str:
        """Why nothing continues, for people; ``""`` if the run does not wait for the journal."""
        return "the journal cannot be written" if self.lasts else ""

    def failed(self, failure: Failure, at: float, jobs: Sequence[Job], *, lost: bool) -> list[Notify]:
        """Record that the journal could not be written.

        Args:
            failure: why.
            at: when.
            jobs: of the run.
            lost: whether it will never be available again.

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
        """Return whether to try the unavailable journal again now."""
        return at >= self._tried_at + TICK_INTERVAL

    def ended(self) -> list[Notify]:
        """Record that the journal was written; return what people must know if that ends an outage."""
        ends, self._since = self.lasts, None
        return [Notify(written_again(self._run_id))] if ends else []
