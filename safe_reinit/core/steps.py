"""Where the state of a job keeps each kind of call."""

from __future__ import annotations

from collections.abc import Callable

from ..model import ActionName, Command, JobState, PhaseName, SafetySnapshot, Step, Wipe, error_codes
from ..model.job import PHASE_OF
from .state import replace

REPEATABLE: frozenset[ActionName] = frozenset({"CreateSnapshot", "TagResources", "UntagResources"})
"""Calls that may be sent again if an answer is lost: because of their ClientToken, or because twice is as good as once.
"""


def phase_of(command: Command) -> PhaseName | None:
    """Return the phase that a call belongs to, if it belongs to one."""
    return PHASE_OF.get(command.action)


def steps_of(job: JobState) -> tuple[Step, ...]:
    """Return the steps of all calls of a job except the wipes."""
    return (job.stop, job.force, job.start, job.tag, job.untag, *(each.step for each in job.snapshots))


def step_of(job: JobState, command: Command) -> Step:
    """Return the step of a call that is not a wipe."""
    if command.action == "CreateSnapshot":
        return safety_of(job, command.subject).step
    steps = {"StartInstance": job.start, "TagResources": job.tag, "UntagResources": job.untag}
    return steps.get(command.action, job.force if command.force else job.stop)


def with_step(job: JobState, command: Command, step: Step) -> JobState:
    """Return the state with another step for a call that is not a wipe."""
    if command.action == "CreateSnapshot":
        return with_safety(job, replace(safety_of(job, command.subject), step=step))
    if command.action == "StartInstance":
        return replace(job, start=step)
    if command.action == "TagResources":
        return replace(job, tag=step)
    if command.action == "UntagResources":
        return replace(job, untag=step)
    return replace(job, force=step) if command.force else replace(job, stop=step)


def send_again(step: Step) -> Step:
    """Return a step to send again: ``resend`` if an earlier attempt may have been carried out."""
    return replace(step, state="again" if step.lost_at is None else "resend")


def limit_of(job: JobState, command: Command, code: str | None) -> float:
    """Return how many cloud seconds a call is repeated that this code refuses temporarily, or that gets no answer."""
    limits = job.limits
    if command.action == "CreateSnapshot":  # the machine is down meanwhile: only another snapshot is waited for so long
        return limits.snapshot if error_codes.waits_for_snapshot(command.action, code or "") else limits.retry
    by_action = {"StartInstance": limits.start, "TagResources": limits.retry, "UntagResources": limits.retry}
    return by_action.get(command.action, limits.stop)


def wipe_of(job: JobState, disk_id: str) -> Wipe:
    """Return the wipe of a disk of the job."""
    return next(wipe for wipe in job.disks if wipe.disk_id == disk_id)


def with_wipe(job: JobState, disk_id: str, change: Callable[[Wipe], Wipe]) -> JobState:
    """Return the state with the wipe of a disk replaced."""
    return replace(job, disks=tuple(change(wipe) if wipe.disk_id == disk_id else wipe for wipe in job.disks))


def safety_of(job: JobState, disk_id: str) -> SafetySnapshot:
    """Return the safety snapshot of a disk that gets one."""
    return next(each for each in job.snapshots if each.disk_id == disk_id)


def with_safety(job: JobState, changed: SafetySnapshot) -> JobState:
    """Return the state with a safety snapshot replaced."""
    kept = tuple(changed if each.disk_id == changed.disk_id else each for each in job.snapshots)
    return replace(job, snapshots=kept)


def tries_of(job: JobState, command: Command) -> int:
    """Return how often a call was intended."""
    if command.overwrites:
        return wipe_of(job, command.subject).tries
    return step_of(job, command).tries


def is_outstanding(job: JobState, command: Command) -> bool:
    """Return whether a call is intended and its answer outstanding."""
    if command.overwrites:
        return any(wipe.disk_id == command.subject and wipe.state == "asked" for wipe in job.disks)
    return step_of(job, command).state == "asked"


def outstanding(job: JobState) -> bool:
    """Return whether the answer to any call is outstanding."""
    return any(step.state == "asked" for step in steps_of(job)) or any(wipe.state == "asked" for wipe in job.disks)
