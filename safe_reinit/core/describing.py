"""The observation in progress: one at a time, of all jobs that are due."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import Observation
from .inputs import Describe
from .jobs import Job

_REPORT_SLOW_AFTER = 5.0
"""Real seconds after which people are told that ECS has not answered yet."""

Pairs = list[tuple[Job, Observation]]
"""Jobs, each with what was observed of it."""


class Describing:
    """Tracks which jobs are being observed, and since when.

    Args:
        rate: the cloud seconds in a real second.

    Attributes:
        late_at: when people are to be told that ECS has not answered yet (cloud seconds); ``None`` for never.

    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._under_way: tuple[int, list[Job], list[Job]] | None = None
        self.late_at: float | None = None

    @property
    def under_way(self) -> bool:
        """Whether an answer is outstanding."""
        return self._under_way is not None

    def begin(self, number: int, jobs: list[Job], watched: list[Job], at: float) -> Describe:
        """Observe these jobs; for the ``watched`` ones, only the instance."""
        self._under_way, self.late_at = (number, jobs, watched), at + _REPORT_SLOW_AFTER * self._rate
        states, others = (tuple(job.state for job in some) for some in (jobs, watched))
        return Describe(number, states, others)

    def ended(self, number: int, observations: Sequence[Observation]) -> tuple[Pairs, Pairs] | None:
        """Return what was observed of the jobs that are still open, and of the watched ones.

        Returns:
            ``None`` if this is not the observation in progress.

        """
        if self._under_way is None or self._under_way[0] != number:
            return None
        _, jobs, watched = self._under_way
        self._under_way = self.late_at = None
        pairs = list(zip((*jobs, *watched), observations, strict=True))
        whole, others = pairs[: len(jobs)], pairs[len(jobs) :]
        return [pair for pair in whole if not pair[0].ended], [pair for pair in others if not pair[0].ended]

    def late(self, at: float) -> list[Job]:
        """Return, once, the jobs whose answer has not come in time."""
        if self._under_way is None or self.late_at is None or at < self.late_at:
            return []
        self.late_at = None
        return self._under_way[1]
