"""How another process continues a job: it observes what was in progress, and takes no call as answered."""

from __future__ import annotations

from typing import Literal

from ..model import Failure, JobState, Step, Wipe
from .state import fail, replace
from .steps import send_again

Verdict = Literal["reinitialised", "intact"]

MAX_PAUSE = 25.0
"""Real seconds between two steps that only a pause explains: checking the lease and writing may take 10 each."""


def resume(job: JobState, at: float, unrecorded_by: str = "") -> JobState:
    """Return the state of a job that is resumed at ``at`` (cloud seconds); see ``JobState.unrecorded_by``."""
    return replace(
        job,
        unrecorded_by=unrecorded_by or job.unrecorded_by,
        disks=tuple(_wipe(wipe, at) for wipe in job.disks),
        stop=_step(job.stop, at),
        force=_step(job.force, at),
        start=_start(job.start, at),
        snapshots=tuple(replace(each, step=_repeatable(each.step, at)) for each in job.snapshots),
        tag=_repeatable(job.tag, at),
        untag=Step() if job.untag.state == "failed" else _repeatable(job.untag, at),
        turned_back_at=None,
        snapshot_wait_since=None,
        given_up=False,
        instance_status="" if job.tried else job.instance_status,  # it is observed again
        unseen_since=None,
        stuck_since=None,
        down_since=None,
        wiping_since=at if any(wipe.tries for wipe in job.disks) else None,
        missing_reads=0,
        missing_since=None,
        unsettled_since=None,
        watched_at=None,
    )


def after_pause(job: JobState, at: float) -> JobState:
    """Return the state after a pause that ended at ``at``: calls in progress settle, and limits count, from then.

    This also applies to the limits of a call whose answer is outstanding. Earlier observations stay, and so does the
    fence: it notices the gap in the observations.
    """
    return replace(
        job,
        disks=tuple(_wipe_from_now(wipe, at) for wipe in job.disks),
        stop=_from_now(job.stop, at),
        force=_from_now(job.force, at),
        start=_from_now(job.start, at),
        snapshots=tuple(replace(each, step=_from_now(each.step, at)) for each in job.snapshots),
        tag=_from_now(job.tag, at),
        untag=_from_now(job.untag, at),
        turned_back_at=None if job.turned_back_at is None else at,
        snapshot_wait_since=None if job.snapshot_wait_since is None else at,
        unsettled_since=None,
        unseen_since=None,
        stuck_since=None,
        down_since=None,
        wiping_since=None if job.wiping_since is None else at,
        missing_reads=0,
        missing_since=None,
    )


def _wipe_from_now(wipe: Wipe, at: float) -> Wipe:
    if wipe.state in ("accepted", "lost"):
        return replace(wipe, at=at, reads=0)
    return wipe if wipe.refused_since is None else replace(wipe, refused_since=at)


def _from_now(step: Step, at: float) -> Step:
    if step.state == "asked":
        return replace(step, first_at=at)
    return replace(step, first_at=at, at=at, reads=0) if step.under_way else step


def lose_record(job: JobState) -> JobState:
    """Turn back a resumed job whose journal may lack the last actions: a wipe may already have been sent.

    The journal is on another server than when the run began, or it was failed over or restored.
    """
    if not any(wipe.pending or wipe.state == "lost" for wipe in job.disks):
        return job
    message = (
        "The journal is not on the server where the run began, or it was failed over or restored. It may lack what "
        f"the run did last, so no disk of {job.instance_id} is wiped any more, and it is unknown whether one was."
    )
    disks = tuple(replace(wipe, state="unknown") if wipe.pending else wipe for wipe in job.disks)
    hint = "Search ActionTrail for ReInitDisk, then tell the run what it shows with --verdict."
    return fail(replace(job, disks=disks), Failure(None, message, hint=hint))


def expire(job: JobState, at: float, age: float, expires: float, *, unwatched: bool, caller_pinned: bool) -> JobState:
    """Turn back a resumed job if what its wipes are based on is too old or can no longer be compared.

    Args:
        job: as ``resume`` returned it.
        at: the present, in cloud seconds.
        age: the age of the plan, in seconds; it counts if the run did not stop the machine.
        expires: for how many seconds a plan or a stop is valid.
        unwatched: whether the plan shows no StartTime, so that a start since the last observation would not be visible.
        caller_pinned: whether the plan says whose credentials it was made with.
    """
    if job.turned_back or not any(wipe.pending or wipe.state == "lost" for wipe in job.disks):
        return job
    stopped_at = job.stop_asked_at
    old = age if stopped_at is None else at - stopped_at
    if old > expires:
        what = "plan" if stopped_at is None else "stop"
        message = f"The {what} of {job.instance_id} is older than plan_expires allows, so nothing more is wiped."
    elif unwatched:
        message = f"{job.instance_id} showed no StartTime, so it is unknown whether somebody used it in the meantime."
    elif not caller_pinned:
        message = (
            "STS did not say whose credentials the plan was made with, so they cannot be compared with the present "
        )
        message += f"ones. No disk of {job.instance_id} is wiped any more."
    else:
        return job
    return fail(job, Failure(None, message, hint="Check again with --dry-run, and make a new plan."))


def accept_verdict(job: JobState, verdict: Verdict) -> JobState:
    """Return the state after a person said what happened to the disks in doubt; no other disk is wiped after that."""
    unsent = [wipe.disk_id for wipe in job.disks if wipe.state == "todo"]
    job = _settle_by_verdict(job, verdict)
    if not unsent:
        return job
    message = f"A verdict sends no wipe, so {', '.join(unsent)} was left unchanged."
    return fail(job, Failure(None, message, hint="Make a new plan for it if you still want it wiped."))


def _settle_by_verdict(job: JobState, verdict: Verdict) -> JobState:
    if not any(wipe.in_doubt for wipe in job.disks):
        return job
    if verdict == "reinitialised":
        proven = tuple(
            replace(wipe, state="done", evidence="operator") if wipe.in_doubt else wipe for wipe in job.disks
        )
        return replace(job, disks=proven)
    intact = [wipe.disk_id for wipe in job.disks if may_be_intact(wipe)]
    if not intact:
        return job
    disks = tuple(replace(wipe, state="refused") if wipe.disk_id in intact else wipe for wipe in job.disks)
    message = f"The operator says that the data of {', '.join(intact)} is intact."
    return fail(replace(job, disks=disks), Failure(None, message))


def may_be_intact(wipe: Wipe) -> bool:
    """Return whether a wipe is in doubt that ECS neither accepted nor showed in progress."""
    return wipe.in_doubt and not (wipe.acknowledged or wipe.reiniting)


def _wipe(wipe: Wipe, at: float) -> Wipe:
    if wipe.state == "asked":
        return replace(wipe, state="lost", losses=wipe.losses + 1, at=at, reads=0)
    if wipe.state == "unknown" and wipe.tries:
        return replace(wipe, state="accepted" if wipe.acknowledged else "lost", at=at, reads=0)
    return replace(wipe, at=at, reads=0) if wipe.state in ("accepted", "lost") else wipe


def _step(step: Step, at: float) -> Step:
    if step.state == "accepted":  # it was answered, so it is not sent again
        return replace(step, first_at=at, at=at, moving=False)
    if step.state in ("asked", "lost"):
        return replace(step, state="lost", first_at=at, at=at, reads=0, moving=False, lost_at=at)
    return replace(step, first_at=at, due=at) if step.pending else step


def _repeatable(step: Step, at: float) -> Step:
    """Return a repeatable step as one to send again, unless it was answered."""
    if step.state == "asked" or step.pending:
        lost_at = at if step.state == "asked" else step.lost_at
        return send_again(replace(step, first_at=at, due=at, at=at, reads=0, lost_at=lost_at))
    return replace(step, first_at=at, at=at, reads=0) if step.state in ("accepted", "done") else step


def _start(step: Step, at: float) -> Step:
    """Return the step of a start; one that was given up is sent again, because that is the purpose of a resume."""
    if step.state != "failed":
        return _step(step, at)
    return send_again(replace(step, first_at=at, due=at, reads=0, moving=False))
