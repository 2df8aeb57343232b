"""How old an observation may be when a call is based on it.

What an observation shows may be older by the lag. Both together must be less than anybody needs to use the machine
unseen.
"""

from __future__ import annotations

from ..model import JobState, Observation
from .state import MAX_GAP, lag_of

FRESH_FOR = 3.0
"""Cloud seconds after its answer during which an observation may be acted on, plus the time that the answer took."""
FRESH_FOR_REAL = 0.2
"""Real seconds that are always allowed for this: a simulator may run many times faster than this process."""
_SLOW_AFTER = 1.5
"""Cloud seconds for an answer from which on people are told."""


def oldest(job: JobState) -> float:
    """Return how many cloud seconds may pass between asking for an observation and the call that it allows."""
    return MAX_GAP - lag_of(job)


def longest(job: JobState, rate: float) -> float:
    """Return the same, but never less than a fifth of a real second; ``rate`` is ``Clock``'s."""
    return max(oldest(job), FRESH_FOR_REAL * rate)


def is_stale(observation: Observation, job: JobState, at: float, rate: float) -> bool:
    """Return whether an observation is too old to act on.

    Its age is counted from its answer, and its limit grows with the time that ECS takes to answer. But nothing is based
    on a state that may be more than ``oldest`` old.
    """
    fresh = max(FRESH_FOR, FRESH_FOR_REAL * rate) + observation.took
    return at - (observation.at + observation.took) > fresh or at - observation.at > longest(job, rate)


def is_slow(observation: Observation, rate: float) -> bool:
    """Return whether ECS answers so slowly that a person should know why everything takes longer."""
    return observation.took > max(_SLOW_AFTER, FRESH_FOR_REAL * rate)


def is_too_slow(observation: Observation, job: JobState, rate: float) -> bool:
    """Return whether ECS answers so slowly that no observation is ever fresh enough."""
    return observation.took > longest(job, rate)


def slowly(observation: Observation) -> str:
    """Return how slowly ECS answers, as text for people."""
    return f"ECS answers slowly: {observation.took:.1f} s per call"
