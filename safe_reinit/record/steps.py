"""Where in a record each kind of call is remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .. import codes
from ..model import ActName, PhaseName, Record, SafetySnapshot, Send, Step, Wipe

REPEATABLE: frozenset[ActName] = frozenset({"CreateSnapshot", "TagResources", "UntagResources"})
"""What may be asked again when its answer is lost: by its ClientToken, or since done twice it is as done once."""

_PHASES: dict[ActName, PhaseName] = {
    "StopInstance": "stop",
    "CreateSnapshot": "snapshot",
    "ReInitDisk": "reinit",
    "ResetDisk": "reinit",
    "StartInstance": "start",
}


def phase_of(send: Send) -> PhaseName | None:
    """Name the phase that a call belongs to; a tag belongs to none."""
    return _PHASES.get(send.action)


def step_of(record: Record, send: Send) -> Step:
    """Give what is remembered of a call other than a wipe."""
    if send.action == "CreateSnapshot":
        return safety_of(record, send.subject).step
    steps = {"StartInstance": record.start, "TagResources": record.tag, "UntagResources": record.untag}
    return steps.get(send.action, record.force if send.force else record.stop)


def with_step(record: Record, send: Send, step: Step) -> Record:
    """Replace what is remembered of a call other than a wipe."""
    if send.action == "CreateSnapshot":
        return with_safety(record, replace(safety_of(record, send.subject), step=step))
    if send.action == "StartInstance":
        return replace(record, start=step)
    if send.action == "TagResources":
        return replace(record, tag=step)
    if send.action == "UntagResources":
        return replace(record, untag=step)
    return replace(record, force=step) if send.force else replace(record, stop=step)


def limit_of(record: Record, send: Send, code: str | None) -> float:
    """Tell for how many cloud seconds a call is asked again that is refused for now by this code, or not answered."""
    limits = record.limits
    if send.action == "CreateSnapshot":  # the machine is down meanwhile: only another snapshot is waited for so long
        return limits.snapshot if codes.waits_for_snapshot(send.action, code or "") else limits.retry
    by_action = {"StartInstance": limits.start, "TagResources": limits.retry, "UntagResources": limits.retry}
    return by_action.get(send.action, limits.stop)


def wipe_of(record: Record, disk_id: str) -> Wipe:
    """Give what is remembered of the wipe of a disk of the job."""
    return next(wipe for wipe in record.disks if wipe.disk_id == disk_id)


def with_wipe(record: Record, disk_id: str, change: Callable[[Wipe], Wipe]) -> Record:
    """Change what is remembered of the wipe of a disk."""
    return replace(record, disks=tuple(change(wipe) if wipe.disk_id == disk_id else wipe for wipe in record.disks))


def safety_of(record: Record, disk_id: str) -> SafetySnapshot:
    """Give the safety snapshot of a disk that gets one."""
    return next(each for each in record.snapshots if each.disk_id == disk_id)


def with_safety(record: Record, changed: SafetySnapshot) -> Record:
    """Replace what is remembered of a safety snapshot."""
    kept = tuple(changed if each.disk_id == changed.disk_id else each for each in record.snapshots)
    return replace(record, snapshots=kept)


def tries_of(record: Record, send: Send) -> int:
    """Tell how often a call was intended."""
    if send.overwrites:
        return wipe_of(record, send.subject).tries
    return step_of(record, send).tries


def is_asked(record: Record, send: Send) -> bool:
    """Tell whether a call is intended and its answer outstanding."""
    if send.overwrites:
        return any(wipe.disk_id == send.subject and wipe.state == "asked" for wipe in record.disks)
    return step_of(record, send).state == "asked"


def outstanding(record: Record) -> bool:
    """Tell whether the answer to any call is outstanding."""
    steps = (record.stop, record.force, record.start, record.tag, record.untag)
    asked = any(step.state == "asked" for step in (*steps, *(each.step for each in record.snapshots)))
    return asked or any(wipe.state == "asked" for wipe in record.disks)
