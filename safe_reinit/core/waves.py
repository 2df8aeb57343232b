"""How a run spreads over many machines: a canary, waves, a cap, and when no further job begins. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..model import Outcome, Rollout
from ..model.codec import timestamp

NOT_CONFIRMED = "nobody agreed to continue"
_CANARY_FROM = 11
"""From this many jobs on there is a canary, unless another number is given."""


@dataclass(frozen=True)
class Release:
    """Which jobs may begin now.

    Attributes:
        upto: the jobs before this position may begin.
        stage: how many stages have been reached; 0 is the first.
        closed: why no further job will ever begin; ``""`` while that is open.

    """

    upto: int
    stage: int
    closed: str = ""


def stages(rollout: Rollout, total: int) -> tuple[int, ...]:
    """Return the end of each stage: the canary, then the waves. The last wave is repeated until it covers all jobs."""
    canary = _canary(rollout, total)
    ends = [canary] if canary else []
    sizes = [max(1, round(total * size / 100) if percent else size) for size, percent in rollout.waves] or [total]
    reached, turn = canary, 0
    while reached < total:
        reached, turn = min(total, reached + sizes[min(turn, len(sizes) - 1)]), turn + 1
        ends.append(reached)
    return tuple(ends)


def release(rollout: Rollout, outcomes: Sequence[Outcome | None], now: datetime, cannot_end_done: int = 0) -> Release:
    """Return which jobs may begin, from the outcomes of those that have ended (``None`` for the others).

    A stage begins when every job of the stage before has ended, and the first stage after a canary only if the canary
    is done. No new job begins once ``stop_after_failures`` jobs have failed, or after the deadline; a job that has
    begun continues to its end. A job has failed if it did not end as done, or can no longer end as done.

    Args:
        cannot_end_done: how many open jobs can no longer end as done.
    """
    failed = cannot_end_done + sum(outcome not in (None, "done") for outcome in outcomes)
    most = rollout.stop_after_failures
    if most is not None and failed >= most:
        return Release(0, 0, f"{failed} of the jobs before it failed (--stop-after-failures {most})")
    if rollout.deadline is not None and now >= rollout.deadline:
        return Release(0, 0, f"the deadline {timestamp(rollout.deadline)} had passed")
    total = len(outcomes)
    ended = next((position for position, outcome in enumerate(outcomes) if outcome is None), total)
    ends = stages(rollout, total)
    stage = min(bisect_right(ends, ended), max(0, len(ends) - 1))
    if stage > 0 and set(outcomes[: _canary(rollout, total)]) - {"done"}:
        return Release(0, 0, "the canary did not succeed")
    return Release(ends[stage] if ends else 0, stage)


def pauses_after(rollout: Rollout, total: int, stage: int) -> bool:
    """Return whether somebody is asked before the stage after this one begins."""
    return rollout.pause == "wave" or (rollout.pause == "canary" and not stage and has_canary(rollout, total))


def question(outcomes: Sequence[Outcome | None]) -> str:
    """Return what a person who is asked whether to continue must know about the jobs that have ended."""
    ended = [outcome for outcome in outcomes if outcome is not None]
    return f"{len(ended)} of {len(outcomes)} jobs have ended, {ended.count('done')} of them done."


def has_canary(rollout: Rollout, total: int) -> bool:
    """Return whether the first stage is a canary."""
    return _canary(rollout, total) > 0


def _canary(rollout: Rollout, total: int) -> int:
    asked = int(total >= _CANARY_FROM) if rollout.canary is None else rollout.canary
    return max(0, min(asked, total))
