"""How an observation changes the wipes of a job: whether each was done, was not done, or is unknown."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import Disk, Failure, JobState, Observation, Wipe, error_codes
from .state import MAX_GAP, MAX_RESENDS, SETTLING_READS, changed, fail, lag_of, replace, settling

RESETTING = "InvalidOperation.DiskResetInProgress"
"""What ResetDisk answers, also with DryRun, while a roll-back of the disk is in progress (ECS API reference,
ResetDisk).
"""


def evolve_wipes(job: JobState, observation: Observation) -> JobState:
    """Return the state after an observation of the disks: what happened to each wipe, and whether disks have moved."""
    wipes = (_evolve_wipe(_watch(wipe, observation, lag_of(job)), observation, job) for wipe in job.disks)
    job = _with_wipes(
        job, observation, tuple(changed(wipe, observed_status=_status(wipe, observation)) for wipe in wipes)
    )
    if job.turned_back or job.start.state != "none":
        return job
    for wipe in pending_wipes(job):
        disk = observation.disks.get(wipe.disk_id)
        if disk is not None and not (disk.status == "In_use" and disk.instance_id == job.instance_id):
            where = f"{disk.status} on {disk.instance_id or 'no instance'}"
            gone = "" if observation.instance else f" ECS does not show {job.instance_id}: released or not visible."
            return fail(job, Failure(None, f"{disk.disk_id}: In_use on {job.instance_id} -> {where}.{gone}"))
    return job


def _status(wipe: Wipe, observation: Observation) -> str:
    if not observation.disks_answered:
        return wipe.observed_status
    return observation.disks[wipe.disk_id].status if wipe.disk_id in observation.disks else ""


def _with_wipes(job: JobState, observation: Observation, wipes: tuple[Wipe, ...]) -> JobState:
    """Return the state with these wipes, and with a failure for each that is unknown now."""
    before, job = job.disks, changed(job, disks=wipes)
    for old, new in zip(before, wipes, strict=True):
        if new.state == "unknown" and old.state != "unknown":
            job = fail(job, unknown_wipe(job, old, observation.disks.get(new.disk_id)))
    return job


def close_doubts(job: JobState, observation: Observation) -> JobState:
    """Return the state in which a wipe that may not be sent again is unknown, because its answer was lost."""
    while True:
        closed = tuple(
            replace(wipe, state="unknown") if wipe.state == "resend" and not _may_resend(wipe, job) else wipe
            for wipe in job.disks
        )
        if closed == job.disks:
            return job
        job = _with_wipes(job, observation, closed)  # this turns the job back, and so may make another one unknown


def _watch(wipe: Wipe, observation: Observation, lag: float) -> Wipe:
    """Return a wipe with its fence updated: whether this observation shows that nobody has used the machine since."""
    fence, instance, disk = wipe.fence, observation.instance, observation.disks.get(wipe.disk_id)
    if fence is None or instance is None or disk is None or not (wipe.state in ("asked", "lost") or wipe.losses):
        return wipe
    moved = instance.status != "Stopped" or instance.start_time != fence.start_time
    elsewhere = disk.instance_id not in ("", fence.instance_id) or disk.attached_time != fence.attached_time
    gap = wipe.watched_at is None or observation.at - wipe.watched_at > MAX_GAP - lag
    return replace(wipe, used=wipe.used or moved or elsewhere, gap=wipe.gap or gap, watched_at=observation.at)


def _evolve_wipe(wipe: Wipe, observation: Observation, job: JobState) -> Wipe:
    disk = observation.disks.get(wipe.disk_id)
    if disk is None or wipe.state in ("unknown", "done"):
        return wipe
    if _overtaken(wipe, disk.status):
        return replace(wipe, state="unknown")
    if disk.status == "ReIniting":
        return _evolve_reiniting(wipe, observation.at)
    if wipe.state in ("todo", "resend", "refused", "asked"):
        return wipe
    if disk.status != "In_use" or disk.instance_id != job.instance_id:
        return replace(wipe, state="unknown")
    if wipe.reiniting:
        return replace(wipe, state="done", evidence="transition")
    return _settle_wipe(wipe, observation, job)


def _settle_wipe(wipe: Wipe, observation: Observation, job: JobState) -> Wipe:
    """Return what In_use proves about a wipe once it has lasted: an accepted one was done, a lost one was not."""
    if wipe.at is None or observation.at < wipe.at:
        return wipe  # this observation may be older than the answer
    if wipe.snapshot_id:
        code = observation.resets.get(wipe.disk_id)
        if code == RESETTING:
            return replace(wipe, resetting=True, reads=0)
        if code != error_codes.PROVEN:
            return wipe  # In_use alone proves nothing about a roll-back: a disk is In_use during a roll-back, too
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
    """Return whether a disk is ReIniting though no ResetDisk of ours was accepted: somebody else may be wiping it."""
    shown = status == "ReIniting" or wipe.reiniting
    return shown and bool(wipe.snapshot_id) and not wipe.acknowledged and wipe.state != "asked"


def _evolve_reiniting(wipe: Wipe, at: float) -> Wipe:
    if wipe.state in ("todo", "refused") and not wipe.losses:  # not ours: nobody can tell any more what data it has
        return replace(wipe, state="unknown", acknowledged=True)
    if wipe.state in ("asked", "accepted"):
        return changed(wipe, reiniting=True, reads=0)
    return replace(wipe, state="accepted", reiniting=True, reads=0, at=at, acknowledged=True)


def _may_resend(wipe: Wipe, job: JobState) -> bool:
    """Return whether ReInitDisk may be sent again after a lost answer: nobody can have written to the disk since."""
    fenced = wipe.fence is not None and wipe.watched_at is not None and not wipe.used
    watched = is_watched(wipe, job)
    going = not job.turned_back and job.start.state == "none"
    return fenced and watched and going and wipe.losses <= MAX_RESENDS


def is_watched(wipe: Wipe, job: JobState) -> bool:
    """Return whether nobody can have used the machine unobserved since a wipe was sent, or that risk was accepted.

    ``on_unknown: retry`` accepts the risk of a gap if StartTime still shows whether the machine was started in it.
    """
    forgiven = job.on_unknown == "retry" and wipe.fence is not None and wipe.fence.start_time is not None
    return not wipe.gap or forgiven


def pending_wipes(job: JobState) -> list[Wipe]:
    """Return the wipes that are still to come."""
    return [wipe for wipe in job.disks if wipe.pending]


def open_resets(jobs: Sequence[JobState]) -> list[Wipe]:
    """Return the roll-backs that were sent and not proven to have ended, which no Describe call shows."""
    return [wipe for job in jobs for wipe in job.disks if wipe.snapshot_id and wipe.state in ("accepted", "lost")]


def in_doubt(wipe: Wipe) -> Wipe:
    """Return a wipe as unknown if it is in progress: nothing will show any more whether it was carried out."""
    return replace(wipe, state="unknown") if wipe.state in ("asked", "accepted", "lost") else wipe


def unknown_wipe(job: JobState, before: Wipe, disk: Disk | None) -> Failure:
    """Return why it is unknown what happened to a disk; ``before`` is its wipe before that was found."""
    disk_id = before.disk_id
    last = f"the disk was last seen {disk.status}" if disk is not None else "ECS does not show the disk"
    act = "ResetDisk" if before.snapshot_id else "ReInitDisk"
    if before.state in ("todo", "refused") and not before.losses:
        message = f"{disk_id} is ReIniting, but not because of this run: somebody else is wiping it."
    elif before.state in ("lost", "todo", "resend", "refused") and before.answer:
        what = "a code that this program does not know" if before.unknown_code else "which does not say what was done"
        message = f"ECS answered {act} of {disk_id} with {before.answer}, {what}, and no observation since shows it."
    elif before.state in ("lost", "todo", "resend", "refused"):
        came = f"is in the journal (its earlier holder was {job.unrecorded_by})" if job.unrecorded_by else "came"
        message = f"No answer to {act} of {disk_id} {came}, and no observation since shows whether it was carried out."
    elif before.resetting:
        message = f"ECS accepted {act} of {disk_id}, and the roll-back was still in progress when it was last seen."
    else:
        message = f"ECS accepted {act} of {disk_id}, but the run did not see it end; {last}."
    hint = f"Search ActionTrail for the event {act} of {disk_id}. Do not start the instance until you know its outcome."
    return Failure(None, message, action=act, hint=hint)
