"""Where in a record each kind of call is remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .. import codes
from ..model import ActName, Command, JobState, PhaseName, SafetySnapshot, Step, Wipe

REPEATABLE: frozenset[ActName] = frozenset({"CreateSnapshot", "TagResources", "UntagResources"})
"""What may be asked again when its answer is lost: by its ClientToken, or since done twice it is as done once."""

_PHASES: dict[ActName, PhaseName] = {
    "StopInstance": "stop",
    "CreateSnapshot": "snapshot",
    "ReInitDisk": "reinit",
    "ResetDisk": "reinit",
    "StartInstance": "start",
}


def phase_of(command: Command) -> PhaseName | None:
    """Name the phase that a call belongs to; a tag belongs to none."""
    return _PHASES.get(command.action)


def step_of(job: JobState, command: Command) -> Step:
    """Give what is remembered of a call other than a wipe."""
    if command.action == "CreateSnapshot":
        return safety_of(job, command.subject).step
    steps = {"StartInstance": job.start, "TagResources": job.tag, "UntagResources": job.untag}
    return steps.get(command.action, job.force if command.force else job.stop)


def with_step(job: JobState, command: Command, step: Step) -> JobState:
    """Replace what is remembered of a call other than a wipe."""
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
    """Return a step that is to be sent again: ``resend`` where an earlier attempt may have been done."""
    return replace(step, state="resend" if step.lost else "again")


def limit_of(job: JobState, command: Command, code: str | None) -> float:
    """Tell for how many cloud seconds a call is asked again that is refused for now by this code, or not answered."""
    limits = job.limits
    if command.action == "CreateSnapshot":  # the machine is down meanwhile: only another snapshot is waited for so long
        return limits.snapshot if codes.waits_for_snapshot(command.action, code or "") else limits.retry
    by_action = {"StartInstance": limits.start, "TagResources": limits.retry, "UntagResources": limits.retry}
    return by_action.get(command.action, limits.stop)


def wipe_of(job: JobState, disk_id: str) -> Wipe:
    """Give what is remembered of the wipe of a disk of the job."""
    return next(wipe for wipe in job.disks if wipe.disk_id == disk_id)


def with_wipe(job: JobState, disk_id: str, change: Callable[[Wipe], Wipe]) -> JobState:
    """Change what is remembered of the wipe of a disk."""
    return replace(job, disks=tuple(change(wipe) if wipe.disk_id == disk_id else wipe for wipe in job.disks))


def safety_of(job: JobState, disk_id: str) -> SafetySnapshot:
    """Give the safety snapshot of a disk that gets one."""
    return next(each for each in job.snapshots if each.disk_id == disk_id)


def with_safety(job: JobState, changed: SafetySnapshot) -> JobState:
    """Replace what is remembered of a safety snapshot."""
    kept = tuple(changed if each.disk_id == changed.disk_id else each for each in job.snapshots)
    return replace(job, snapshots=kept)


def tries_of(job: JobState, command: Command) -> int:
    """Tell how often a call was intended."""
    if command.overwrites:
        return wipe_of(job, command.subject).tries
    return step_of(job, command).tries


def is_asked(job: JobState, command: Command) -> bool:
    """Tell whether a call is intended and its answer outstanding."""
    if command.overwrites:
        return any(wipe.disk_id == command.subject and wipe.state == "asked" for wipe in job.disks)
    return step_of(job, command).state == "asked"


def outstanding(job: JobState) -> bool:
    """Tell whether the answer to any call is outstanding."""
    steps = (job.stop, job.force, job.start, job.tag, job.untag)
    asked = any(step.state == "asked" for step in (*steps, *(each.step for each in job.snapshots)))
    return asked or any(wipe.state == "asked" for wipe in job.disks)
