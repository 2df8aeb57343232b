"""What holds back a call that was decided; asked right before its intention is written, unless it brings back."""

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
    """Return whether a call is not to be made on this observation, and what that changes of the job, if anything.

    Args:
        job: its state, the observation folded in.
        command: the call that was decided on an earlier observation.
        observation: the newest one.
        reset_code: what ResetDisk with DryRun answered, where it is the call.
        now: the present.
        rate: the cloud seconds in a real one.

    """
    disagrees = decide(job, observation) != command or (command.overwrites and not observation.disks_requested)
    stale = is_stale(observation, job, now.at, rate)
    if stale and is_too_slow(observation, job, rate) and job.stuck_since is not None:
        return True, Failed(too_slow(command, observation, oldest(job)))
    if disagrees or stale:
        if disagrees and not job.touched:  # a machine that is left as it was may wait for what it waits for
            return True, None
        slow = stale and is_slow(observation, rate)
        return True, HeldUp(now.at, observation.why or (slowly(observation) if slow else ""))
    if command.action == "ResetDisk" and reset_code != error_codes.PROVEN:
        return True, foreseen(command, job, reset_code, now)
    return False, None


def drifted(drift: tuple[str, ...]) -> Failure:
    """Return that facts of a job have changed since the plan, which ends it."""
    hint = "Check the new facts with --dry-run, then decide again."
    return Failure(None, f"Facts that the plan is based on have changed: {'; '.join(drift)}.", hint=hint)
