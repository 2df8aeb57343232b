"""The order of a run and all its guards: what to do next, from what a job remembers and what it sees. Pure.

    wait for snapshots -> (TagResources) -> StopInstance -> wait -> (CreateSnapshot -> wait)
    -> ReInitDisk, or ResetDisk in an undo -> wait for the proof -> StartInstance -> wait -> (UntagResources)

What no path leads to: a wipe once a start is intended, on an instance that is not Stopped, on a disk that is not
In_use on it, before a safety snapshot that was promised is accomplished, after an error or an interruption, or a second
time unless the first is proven not done or the fence proves that nobody used the machine since. A start while any
disk's outcome is in doubt. Anything while the answer to a call is outstanding.
"""

from __future__ import annotations

from .model import Action, Finish, Observation, PhaseName, Record, Send, Step, Wait, Wipe
from .record import (
    SETTLING,
    UNSETTLED_LIMIT,
    bears_tag,
    is_backed_up,
    is_current,
    is_owed,
    is_settled,
    is_watched,
    outstanding,
)


def decide(record: Record, seen: Observation) -> Action:
    """Tell the next action of a job; ``learn`` has folded ``seen`` into ``record`` already."""
    action = _decide(record, seen)
    return _untag(record, seen) if isinstance(action, Finish) else action


def _decide(record: Record, seen: Observation) -> Action:
    if record.given_up or record.gone or (record.turned_back and not record.tried):
        return Finish()
    if outstanding(record):
        return _wait(record, "an answer", seen)
    in_doubt = any(wipe.in_doubt and wipe.state != "unknown" for wipe in record.disks)
    unknown = any(wipe.state == "unknown" for wipe in record.disks)
    given_up = record.start.state == "failed" and record.instance_status != ""  # what it is now, is looked at once more
    back = record.start.state == "done" and record.instance_status != ""
    if (unknown and not in_doubt) or back or given_up:
        return Finish()
    if seen.seen and seen.instance is None and _may_start_unlisted(record, seen):
        return Send("StartInstance", record.instance_id)
    if not seen.seen or seen.instance is None or not is_current(record, seen):
        unseen = not seen.seen and _may_start_unseen(record, seen.at)
        return Send("StartInstance", record.instance_id) if unseen else _wait(record, "a look", seen)
    if in_doubt and not _next_wipes(record):
        return _wait(record, "In_use", seen)
    if record.start.state != "none":
        return _starting(record, seen.instance.status, seen)
    if _next_wipes(record):
        return _towards_the_wipe(record, seen.instance.status, seen)
    return _power_back(record, seen.instance.status, seen)


def _may_start_unseen(record: Record, at: float) -> bool:
    """Whether the start that is owed is sent though ECS does not show the instance: it was seen Stopped by our stop."""
    owed = record.stop.state == "done" and record.promised == "Running" and not _next_wipes(record)
    known = record.instance_status == "Stopped" and not any(wipe.in_doubt for wipe in record.disks)
    long_unseen = record.unseen_since is not None and at - record.unseen_since >= SETTLING
    return owed and known and long_unseen and _is_due(record.start, at)


def _may_start_unlisted(record: Record, seen: Observation) -> bool:
    """Whether the start that is due is sent though ECS does not list the machine: only NotFound proves it is gone."""
    owed = (
        record.stop.state in ("accepted", "lost", "done") and record.promised == "Running" and not _next_wipes(record)
    )
    unlisted = record.missing_since is not None and seen.at - record.missing_since >= SETTLING
    in_doubt = any(wipe.in_doubt for wipe in record.disks)
    return owed and unlisted and not in_doubt and is_current(record, seen) and _is_due(record.start, seen.at)


def _untag(record: Record, seen: Observation) -> Action:
    """Take the lock tag off at the end; while anything is owed it stays, to be seen by others."""
    untag, owed = record.untag, is_owed(record)
    if record.tag.tries == 0 or owed or outstanding(record) or untag.state in ("done", "failed"):
        return Finish()
    tried_since = record.unseen_since if untag.first_at is None else untag.first_at
    if tried_since is not None and seen.at - tried_since > record.limits.retry:
        return Finish()  # a tag that stays changes no data, and whoever meets it is told what it is
    if not seen.seen or not _is_due(untag, seen.at):
        return _wait(record, "a look" if not seen.seen else "the next try", seen)
    return Send("UntagResources", record.instance_id) if bears_tag(record, seen) else Finish()


def _next_wipes(record: Record) -> list[Wipe]:
    """List the disks that may still be wiped: none once anything went wrong or a start is intended."""
    hopeless = record.turned_back or any(wipe.state in ("unknown", "refused") for wipe in record.disks)
    if hopeless or record.start.state != "none":
        return []
    return [wipe for wipe in record.disks if wipe.state == "todo"]


def _towards_the_wipe(record: Record, status: str, seen: Observation) -> Action:
    if not seen.disks_seen:
        return _wait(record, "a look", seen)
    if seen.progressing and not record.touched:
        return _wait(record, "the snapshot", seen)
    if status in ("Running", "Stopped") and not is_settled(seen):
        return _wait_for_the_minute(seen)
    if record.tag_value and record.tag.state != "done":
        due = _is_due(record.tag, seen.at)
        return Send("TagResources", record.instance_id) if due else _wait(record, "the tag", seen)
    if status == "Running":
        return _stop(record, seen) if record.may_stop else Finish()
    if status == "Stopping" and _force_due(record, seen.at):
        return Send("StopInstance", record.instance_id, force=True)
    if status == "Stopped" and (record.power_before == "Stopped" or record.stop.state == "done"):
        return _on_the_stopped(record, seen)
    return _wait(record, "Stopped", seen)


def _on_the_stopped(record: Record, seen: Observation) -> Action:
    """Snapshot what is to be snapshot, and then wipe."""
    tried = {wipe.disk_id for wipe in record.disks if wipe.tries}  # of these a snapshot would come too late
    for safety in record.snapshots:
        if _is_due(safety.step, seen.at) and safety.disk_id not in tried:
            return Send("CreateSnapshot", safety.disk_id)
    if any(safety.step.state != "done" for safety in record.snapshots):
        return _wait(record, "accomplished", seen)
    for wipe in _next_wipes(record):
        if _may_wipe(record, wipe, seen) and _fence_holds(record, wipe, seen):
            return Send("ResetDisk" if wipe.snapshot_id else "ReInitDisk", wipe.disk_id)
    return _wait(record, "the next try", seen)


def _wait_for_the_minute(seen: Observation) -> Wait:
    """Wait until each further start would show: StartTime has minutes only."""
    over, date = seen.instance.start_settled_at if seen.instance else None, seen.date
    left = UNSETTLED_LIMIT if over is None or date is None else (over - date).total_seconds()
    return Wait("wait-start", "30s after the minute of the last start", seen.at, min(left, UNSETTLED_LIMIT))


def _is_due(step: Step, at: float) -> bool:
    """Whether a call is to be sent for the first time, or again."""
    return step.state == "none" or (step.state == "again" and (step.due or 0.0) <= at)


def _may_wipe(record: Record, wipe: Wipe, seen: Observation) -> bool:
    disk = seen.disks.get(wipe.disk_id)
    due = wipe.due is None or wipe.due <= seen.at
    there = disk is not None and disk.status == "In_use" and disk.instance_id == record.instance_id
    return due and there and is_backed_up(record, wipe.disk_id, seen)


def _fence_holds(record: Record, wipe: Wipe, seen: Observation) -> bool:
    """Whether a wipe whose answer was lost may be sent again: nobody can have used the machine since it was asked."""
    if not wipe.losses:
        return True
    fence, instance, disk = wipe.fence, seen.instance, seen.disks.get(wipe.disk_id)
    if fence is None or instance is None or disk is None or wipe.used:
        return False
    same = instance.start_time == fence.start_time and disk.attached_time == fence.attached_time
    return same and is_watched(wipe, record)


def _stop(record: Record, seen: Observation) -> Action:
    stop = record.stop
    if _is_due(stop, seen.at):
        return Send("StopInstance", record.instance_id)
    return _wait(record, "Stopped", seen)


def _force_due(record: Record, at: float) -> bool:
    """Whether the graceful stop has had the time after which the person asked for a power cut."""
    after, stop, force = record.limits.force_stop_after, record.stop, record.force
    if after is None or stop.state != "accepted" or stop.first_at is None:
        return False
    return at - stop.first_at >= after and _is_due(force, at)


def _power_back(record: Record, status: str, seen: Observation) -> Action:
    """Bring the power to what is owed; every disk's outcome is known here. What others stopped, others start."""
    if record.stop.state in ("accepted", "lost"):
        return _wait(record, "Stopped", seen)
    if status == "Stopped" and record.stop.state == "done" and record.promised == "Running":
        return Send("StartInstance", record.instance_id)
    return Finish()


def _starting(record: Record, status: str, seen: Observation) -> Action:
    ours = record.stop.state == "done" and record.promised == "Running"
    if status == "Stopped" and _is_due(record.start, seen.at) and ours:
        return Send("StartInstance", record.instance_id)
    return _wait(record, "Running", seen)


def waiting(record: Record, seen: Observation) -> Wait:
    """Name the wait of a job whose next call is decided and cannot be made yet."""
    return _wait(record, "the next try", seen)


def _wait(record: Record, what: str, seen: Observation) -> Wait:
    """Name the wait by the phase that the job is in, with its limit."""
    limits = record.limits
    since: float | None
    phase: PhaseName
    if record.start.state != "none":
        phase, since, limit = "start", record.start.first_at, limits.start
    elif any(wipe.tries for wipe in record.disks):
        began = [wipe.at for wipe in record.disks if wipe.at is not None]
        phase, since, limit = "reinit", min(began, default=None), limits.reinit
    elif any(safety.step.tries for safety in record.snapshots):
        begun = [safety.step.first_at for safety in record.snapshots if safety.step.first_at is not None]
        phase, since, limit = "snapshot", min(begun, default=None), limits.snapshot
    elif record.stop.state != "none":
        phase, since, limit = "stop", record.stop.first_at, limits.stop
        if record.turned_back_at is not None:  # its time has passed, or is not what is waited for: the start is
            since, limit = record.turned_back_at, limits.start
    elif record.snapshot_wait_since is not None and seen.progressing:
        phase, since, limit = "wait-snapshot", record.snapshot_wait_since, limits.snapshot
    else:
        phase, since, limit = "reinit" if record.power_before == "Stopped" else "stop", None, limits.stop
    return Wait(phase, what, seen.at if since is None else since, limit)
