"""How old an observation may be for a call to stand on it.

What an observation shows may be older by the lag: together less than anybody needs to use the machine unseen.
"""

from __future__ import annotations

from ..model import JobState, Observation
from .state import MAX_GAP, lag_of

FRESH_FOR = 3.0
"""Cloud seconds after its answer for which an observation may be acted on; as long again as it took are added."""
FRESH_FOR_REAL = 0.2
"""Real seconds that are always allowed for that: a simulator may run many times faster than this process."""
_SLOW_AFTER = 1.5
"""Cloud seconds for an answer that are worth a word."""


def oldest(job: JobState) -> float:
    """Return how many cloud seconds may pass from the question of an observation to the call that it allows."""
    return MAX_GAP - lag_of(job)


def longest(job: JobState, rate: float) -> float:
    """Return the same, but never less than a fifth of a real second; ``rate`` is that of ``Clock``."""
    return max(oldest(job), FRESH_FOR_REAL * rate)


def is_stale(observation: Observation, job: JobState, at: float, rate: float) -> bool:
    """Return whether an observation is too old to act on.

    Its age counts from its answer, and how old it may be follows how long ECS takes to answer; but nothing is done on
    what may have been so more than ``oldest`` ago.
    """
    fresh = max(FRESH_FOR, FRESH_FOR_REAL * rate) + observation.took
    return at - (observation.at + observation.took) > fresh or at - observation.at > longest(job, rate)


def is_slow(observation: Observation, rate: float) -> bool:
    """Return whether ECS answers so slowly that a person should know why all takes its time."""
    return observation.took > max(_SLOW_AFTER, FRESH_FOR_REAL * rate)


def is_too_slow(observation: Observation, job: JobState, rate: float) -> bool:
    """Return whether ECS answers so slowly that no observation is ever fresh enough."""
    return observation.took > longest(job, rate)


def slowly(observation: Observation) -> str:
    """Return how slowly ECS answers, for people."""
    return f"ECS answers slowly: {observation.took:.1f} s per call"
