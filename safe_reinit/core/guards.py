"""What holds back a decided call; checked right before its intention is written, unless it brings a machine back."""

from __future__ import annotations

from ..model import Command, Failure, JobState, Observation, error_codes
from .decide import decide
from .events import Event, Failed, HeldUp
from .freshness import is_slow, is_stale, is_too_slow, oldest, slowly
from .inputs import Now
from .outcomes import foreseen, too_slow


def held_back(
    job: JobState, command: Command, observation: Observation, reset_code: str, now: Now, rate: float
) -> tuple[bool, Event | None]:
    """Return whether a call must not be sent on this observation, and how that changes the job, if at all.

    Args:
        job: its state, which already includes the observation.
        command: the call that was decided on an earlier observation.
        observation: the newest one.
        reset_code: the answer to ResetDisk with DryRun, if the call is ResetDisk.
        now: the present.
        rate: the cloud seconds in a real second.

    """
    disagrees = decide(job, observation) != command or (command.overwrites and not observation.disks_requested)
    stale = is_stale(observation, job, now.at, rate)
    if stale and is_too_slow(observation, job, rate) and job.stuck_since is not None:
        return True, Failed(too_slow(command, observation, oldest(job)))
    if disagrees or stale:
        if disagrees and not job.touched:  # a machine that was left as it was can keep waiting
            return True, None
        slow = stale and is_slow(observation, rate)
        return True, HeldUp(now.at, observation.why or (slowly(observation) if slow else ""))
    if command.action == "ResetDisk" and reset_code != error_codes.PROVEN:
        return True, foreseen(command, job, reset_code, now)
    return False, None


def drifted(drift: tuple[str, ...]) -> Failure:
    """Return that facts of a job have changed since the plan; this ends the job."""
    hint = "Check the new facts with --dry-run, then decide again."
    return Failure(None, f"Facts that the plan is based on have changed: {'; '.join(drift)}.", hint=hint)
