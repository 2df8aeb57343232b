"""The open jobs of a run: what the scheduler knows about each, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..model import Command, JobState, Observation, Outcome, StateData, WaitData
from .polling import TICK_INTERVAL, max_interval
from .state import outcome

MAX_SCOUTS = 20
"""Of the jobs that wait for something of unknown duration, this many are observed on every tick."""
WAITING_POLL_INTERVAL = 60.0
"""Cloud seconds between two observations of a machine that waits for other runs, if it shows a StartTime."""
MIN_TICK_INTERVAL = 1.0
"""Minimum cloud seconds between two ticks of a fleet."""


@dataclass(eq=False)
class Job:
    """One job of a run while it is open."""

    position: int
    state: JobState
    alone: bool = False
    """A batch with this job failed as a whole: until one of its own calls is accepted, it is called by itself."""
    begun: bool = False
    ended: bool = False
    outcome: Outcome | None = None
    """How it ended; ``None`` while it is open."""
    call: int | None = None
    """The number of the recheck or call in progress for it."""
    command: Command | None = None
    """What that number stands for."""
    beginning: bool = False
    """Whether its facts must still be read before anything is decided."""
    checked: bool = False
    """Whether reading all its facts has been tried since it began."""
    hurried: bool = False
    """Its call was just sent, so it is worth observing at once; a job whose call failed waits for its tick."""
    waiting: tuple[str, float] | None = None
    """What it waits for, and since when (cloud seconds)."""
    observed_at: float | None = None
    next_at: float = 0.0
    """When it is observed next, if few jobs are open."""
    down_since: float | None = None
    """When ECS accepted our stop, in cloud seconds; ``None`` if this process has not stopped it."""
    slowdown: float = 1.0
    """How much longer its stop took than stops did before; the next phases are expected to take longer too."""
    troubled: str = ""
    """Why the call that is due could not be sent, for people."""
    reported: StateData | None = None
    """The state that was last reported."""
    reported_wait: tuple[WaitData, float] | None = None
    """The wait that was last reported, and when (cloud seconds)."""
    held: Due | None = None
    """The call that was decided on its last observation and waits for the quota or for other runs."""
    held_since: float | None = None
    """When it began to wait for other runs, in cloud seconds."""
    _judged: tuple[JobState, float] | None = None

    @property
    def max_interval(self) -> float:
        """Return how many cloud seconds it may go unobserved.

        While other runs keep its first call waiting, its machine runs, and all its facts are read again before that
        call.
        """
        if self.held_since is not None and self.state.watched_at is None:
            return WAITING_POLL_INTERVAL
        if self._judged is None or self._judged[0] is not self.state:
            self._judged = self.state, max_interval(self.state)
        return self._judged[1]

    def end(self) -> None:
        """Mark it as ended: the run has nothing left to do for it, and keeps only its state."""
        self.ended, self.outcome = True, outcome(self.state)
        self.waiting = self.held = self.reported = self.reported_wait = self._judged = None


@dataclass(frozen=True)
class Due:
    """A call that was decided for a job on an observation."""

    job: Job
    command: Command
    observation: Observation


def mark(batch: Iterable[Due], number: int) -> None:
    """Record that this recheck or call is in progress for these."""
    for due in batch:
        due.job.call, due.job.command = number, due.command


def must_be_observed(job: Job, at: float) -> bool:
    """Return whether a job of a fleet must be observed now, whatever it waits for."""
    return job.observed_at is None or job.hurried or at - job.observed_at >= job.max_interval


def is_expected(job: Job, at: float, ends: Mapping[str, float], scouts: dict[str, int]) -> bool:
    """Return whether a job may have progressed; ``scouts`` counts those whose wait has no known duration."""
    if job.waiting is None:
        return job.call is None and job.held is None
    what, _ = job.waiting
    if what in ends:
        expected = expected_at(job, ends)
        if expected is None:  # it takes longer: on every second tick, unless its next observation is worth more
            expected = min(job.next_at, (job.observed_at or 0.0) + 2 * TICK_INTERVAL) - MIN_TICK_INTERVAL
        return at >= expected
    scouts[what] = scouts.get(what, 0) + 1
    waited = job.observed_at is None or what != "start" or at - job.observed_at > TICK_INTERVAL + MIN_TICK_INTERVAL
    return scouts[what] <= MAX_SCOUTS and waited


def expected_at(job: Job, ends: Mapping[str, float]) -> float | None:
    """Return when the wait of a job is expected to end; ``None`` once that time has passed without an end."""
    if job.waiting is None or job.waiting[0] not in ends:
        return None
    expected = job.waiting[1] + ends[job.waiting[0]]
    return expected if job.observed_at is None or job.observed_at < expected else None


def goes_down(before: JobState, after: JobState) -> bool:
    """Return whether an intention takes down a machine that is up."""
    return after.may_be_down and not before.may_be_down


def begins_to_wipe(before: JobState, after: JobState) -> bool:
    """Return whether an intention is the first for a machine whose wipes are still to come."""
    return after.wipes_to_come > 0 and not before.tried


def is_up(job: Job) -> bool:
    """Return whether the machine of a job runs, and its stop is neither in progress nor about to be sent."""
    return job.call is None and job.state.power_before == "Running" and job.state.stop.state in ("none", "again")


def is_to_watch(job: Job, at: float) -> bool:
    """Return whether the instance of a job must be observed although the job has not begun."""
    if job.state.watched_at is None:
        return False
    return (job.observed_at is None and not job.begun) or at - job.state.watched_at >= job.max_interval
