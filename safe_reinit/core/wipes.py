"""What a look changes of the wipes of a job: whether each was done, was not done, or cannot be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .. import codes
from ..model import Disk, Failure, JobState, Observation, Wipe
from .state import GAP, RESENDS, SETTLING_READS, changed, fail, lag_of, settling

RESETTING = "InvalidOperation.DiskResetInProgress"
"""What ResetDisk answers, also with DryRun, while a roll-back of the disk goes on (ECS API reference, ResetDisk)."""


def learn_wipes(job: JobState, observation: Observation) -> JobState:
    """See what became of each wipe, and that the disks which are still to be wiped are where they were."""
    wipes = (_learn_wipe(_watch(wipe, observation, lag_of(job)), observation, job) for wipe in job.disks)
    job = _with_wipes(job, observation, tuple(changed(wipe, shown=_status(wipe, observation)) for wipe in wipes))
    if job.turned_back or job.start.state != "none":
        return job
    for wipe in ahead(job):
        disk = observation.disks.get(wipe.disk_id)
        if disk is not None and not (disk.status == "In_use" and disk.instance_id == job.instance_id):
            where = f"{disk.status} on {disk.instance_id or 'no instance'}"
            gone = "" if observation.instance else f" ECS does not show {job.instance_id}: released, or not to be seen."
            return fail(job, Failure(None, f"{disk.disk_id}: In_use on {job.instance_id} -> {where}.{gone}"))
    return job


def _status(wipe: Wipe, observation: Observation) -> str:
    if not observation.disks_seen:
        return wipe.shown
    return observation.disks[wipe.disk_id].status if wipe.disk_id in observation.disks else ""


def _with_wipes(job: JobState, observation: Observation, wipes: tuple[Wipe, ...]) -> JobState:
    """Change the wipes, and tell of each that cannot be known any more."""
    before, job = job.disks, changed(job, disks=wipes)
    for old, new in zip(before, wipes, strict=True):
        if new.state == "unknown" and old.state != "unknown":
            job = fail(job, unknown_wipe(new.disk_id, observation.disks.get(new.disk_id), old))
    return job


def close_doubts(job: JobState, observation: Observation) -> JobState:
    """Find that what may not be asked again stays as much in doubt as its lost answer left it."""
    while True:
        closed = tuple(
            replace(wipe, state="unknown") if wipe.state == "resend" and not _may_resend(wipe, job) else wipe
            for wipe in job.disks
        )
        if closed == job.disks:
            return job
        job = _with_wipes(job, observation, closed)  # which turns the job back, and so may close another


def _watch(wipe: Wipe, observation: Observation, lag: float) -> Wipe:
    """Note whether this look still shows what the fence holds: nobody has used the machine since it was asked."""
    fence, instance, disk = wipe.fence, observation.instance, observation.disks.get(wipe.disk_id)
    if fence is None or instance is None or disk is None or not (wipe.state in ("asked", "lost") or wipe.losses):
        return wipe
    moved = instance.status != "Stopped" or instance.start_time != fence.start_time
    elsewhere = disk.instance_id not in ("", fence.instance_id) or disk.attached_time != fence.attached_time
    gap = wipe.watched_at is None or observation.at - wipe.watched_at > GAP - lag
    return replace(wipe, used=wipe.used or moved or elsewhere, gap=wipe.gap or gap, watched_at=observation.at)


def _learn_wipe(wipe: Wipe, observation: Observation, job: JobState) -> Wipe:
    disk = observation.disks.get(wipe.disk_id)
    if disk is None or wipe.state in ("unknown", "done"):
        return wipe
    if _overtaken(wipe, disk.status):
        return replace(wipe, state="unknown")
    if disk.status == "ReIniting":
        return _learn_reiniting(wipe, observation.at)
    if wipe.state in ("todo", "resend", "refused", "asked"):
        return wipe
    if disk.status != "In_use" or disk.instance_id != job.instance_id:
        return replace(wipe, state="unknown")
    if wipe.reiniting:
        return replace(wipe, state="done", evidence="transition")
    return _settle_wipe(wipe, observation, job)


def _settle_wipe(wipe: Wipe, observation: Observation, job: JobState) -> Wipe:
    """Take In_use for proof once it has lasted: of an accepted call that it was done, of a lost one that it was not."""
    if wipe.at is None or observation.at < wipe.at:
        return wipe  # this look may be older than the answer
    if wipe.snapshot_id:
        code = observation.resets.get(wipe.disk_id)
        if code == RESETTING:
            return replace(wipe, resetting=True, reads=0)
        if code != codes.PROVEN:
            return wipe  # In_use alone says nothing of a roll-back: a disk is In_use while it is rolled back, too
        if wipe.resetting:
            return replace(wipe, state="done", evidence="transition")
    wipe = replace(wipe, reads=wipe.reads + 1)
    if wipe.reads < SETTLING_READS or observation.at - (wipe.at or 0.0) < settling(job):
        return wipe
    if wipe.state == "accepted":
        return replace(wipe, state="done", evidence="settled")
    if wipe.unknown_code and wipe.fence is not None and not (wipe.losses or wipe.gap or wipe.used):
        return replace(wipe, state="refused")
    return replace(wipe, state="resend", due=observation.at) if _may_resend(wipe, job) else in_doubt(wipe)


def _overtaken(wipe: Wipe, status: str) -> bool:
    """Whether a disk is ReIniting though no ResetDisk of ours was accepted: it may be another's wipe that shows so."""
    shown = status == "ReIniting" or wipe.reiniting
    return shown and bool(wipe.snapshot_id) and not wipe.acknowledged and wipe.state != "asked"


def _learn_reiniting(wipe: Wipe, at: float) -> Wipe:
    if wipe.state in ("todo", "refused") and not wipe.losses:  # not ours: nobody can say any more what the data is
        return replace(wipe, state="unknown", acknowledged=True)
    if wipe.state in ("asked", "accepted"):
        return changed(wipe, reiniting=True, reads=0)
    return replace(wipe, state="accepted", reiniting=True, reads=0, at=at, acknowledged=True)


def _may_resend(wipe: Wipe, job: JobState) -> bool:
    """Tell whether ReInitDisk may be sent again after a lost answer: nobody can have written to the disk since."""
    fenced = wipe.fence is not None and wipe.watched_at is not None and not wipe.used
    watched = is_watched(wipe, job)
    going = not job.turned_back and job.start.state == "none"
    return fenced and watched and going and wipe.losses <= RESENDS


def is_watched(wipe: Wipe, job: JobState) -> bool:
    """Tell whether nobody can have used the machine unseen since a wipe was asked, or that is a risk which was taken.

    ``on_unknown: retry`` takes the risk of a gap where StartTime still shows whether the machine was started in it.
    """
    forgiven = job.on_unknown == "retry" and wipe.fence is not None and wipe.fence.start_time is not None
    return not wipe.gap or forgiven


def ahead(job: JobState) -> list[Wipe]:
    """List the wipes that are still to come."""
    return [wipe for wipe in job.disks if wipe.pending]


def open_resets(records: Sequence[JobState]) -> list[Wipe]:
    """List the roll-backs that were sent and are not proven to have ended, which no Describe call shows."""
    return [wipe for job in records for wipe in job.disks if wipe.snapshot_id and wipe.state in ("accepted", "lost")]


def in_doubt(wipe: Wipe) -> Wipe:
    """Give up on a wipe that is under way: what became of it is not seen any more."""
    return replace(wipe, state="unknown") if wipe.state in ("asked", "accepted", "lost") else wipe


def unknown_wipe(disk_id: str, disk: Disk | None, before: Wipe) -> Failure:
    """Say why nobody can tell what became of a disk; ``before`` is its wipe before that was found."""
    shown = disk.status if disk is not None else "not shown"
    act = "ResetDisk" if before.snapshot_id else "ReInitDisk"
    if before.state in ("todo", "refused") and not before.losses:
        message = f"{disk_id} is ReIniting, but not by a call of this run: somebody else is wiping it."
    elif before.state in ("lost", "todo", "resend", "refused") and before.answer:
        what = "a code that this program does not know" if before.unknown_code else "which does not say what was done"
        message = f"ECS answered {act} of {disk_id} with {before.answer}, {what}, and nothing seen since shows it."
    elif before.state in ("lost", "todo", "resend", "refused"):
        message = f"No answer to {act} of {disk_id} came, and nothing seen since shows whether it was done."
    elif before.resetting:
        message = f"{act} of {disk_id} was accepted, and the roll-back was still in progress when last seen."
    else:
        message = f"{act} of {disk_id} was accepted but not seen to end; it was last {shown}."
    hint = f"Ask ActionTrail for the event {act} of {disk_id}; start the instance only when you know."
    return Failure(None, message, action=act, hint=hint)
