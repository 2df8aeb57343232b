"""How a record goes on in another process: what was under way is looked at anew, and nothing is taken as answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from ..model import Failure, Record, Step, Wipe
from .state import fail

Verdict = Literal["reinitialised", "intact"]
_UNDER_WAY = ("accepted", "lost", "again")


def resume(record: Record, at: float) -> Record:
    """Make the record of a job that is resumed at ``at`` (cloud seconds)."""
    return replace(
        record,
        disks=tuple(_wipe(wipe, at) for wipe in record.disks),
        stop=_step(record.stop, at),
        force=_step(record.force, at),
        start=_start(record.start, at),
        snapshots=tuple(replace(each, step=_repeatable(each.step, at)) for each in record.snapshots),
        tag=_repeatable(record.tag, at),
        untag=Step() if record.untag.state == "failed" else _repeatable(record.untag, at),
        turned_back_at=None,
        snapshot_wait_since=None,
        given_up=False,
        instance_status="" if record.tried else record.instance_status,  # what it is now is looked at
        unseen_since=None,
        stuck_since=None,
        down_since=None,
        missing_reads=0,
        missing_since=None,
        unsettled_since=None,
        watched_at=None,
    )


def after_pause(record: Record, at: float) -> Record:
    """Let what is under way settle, and its limits count, from ``at`` on: before that this process did not run.

    What was seen stays, and so does the fence: it finds the gap in what was observed.
    """
    return replace(
        record,
        disks=tuple(replace(wipe, at=at, reads=0) if wipe.state in _UNDER_WAY else wipe for wipe in record.disks),
        stop=_from_now(record.stop, at),
        force=_from_now(record.force, at),
        start=_from_now(record.start, at),
        snapshots=tuple(replace(each, step=_from_now(each.step, at)) for each in record.snapshots),
        tag=_from_now(record.tag, at),
        untag=_from_now(record.untag, at),
        turned_back_at=None if record.turned_back_at is None else at,
        snapshot_wait_since=None if record.snapshot_wait_since is None else at,
        unsettled_since=None,
        unseen_since=None,
        stuck_since=None,
        down_since=None,
        missing_reads=0,
        missing_since=None,
    )


def _from_now(step: Step, at: float) -> Step:
    return replace(step, first_at=at, at=at, reads=0) if step.state in _UNDER_WAY else step


def expire(record: Record, at: float, age: float, expires: float, *, unwatched: bool, caller_known: bool) -> Record:
    """Turn a job that is resumed back where its wipes stand on what is too old, or cannot be compared any more.

    Args:
        record: as ``resume`` gave it.
        at: the present, in cloud seconds.
        age: that of the plan, in seconds; it counts where the run did not stop the machine.
        expires: for how many seconds a plan holds, and a stop.
        unwatched: the plan saw no StartTime, so a start since the last look would not show.
        caller_known: the plan says whose credentials it was made with.
    """
    if record.turned_back or not any(wipe.state in ("todo", "lost") for wipe in record.disks):
        return record
    stopped_at = record.stop_asked_at
    old = age if stopped_at is None else at - stopped_at
    if old > expires:
        what = "plan" if stopped_at is None else "stop"
        message = f"The {what} of {record.instance_id} is older than plan_expires allows, so nothing more is wiped."
    elif unwatched:
        message = f"{record.instance_id} showed no StartTime, so whether somebody used it meanwhile cannot be told."
    elif not caller_known:
        message = "STS did not say whose credentials the plan was made with, so these cannot be compared with them: "
        message += f"no disk of {record.instance_id} is wiped any more."
    else:
        return record
    return fail(record, Failure(None, message, hint="Look again with --dry-run, and make a new plan."))


def judge(record: Record, verdict: Verdict) -> Record:
    """Take a person's word for what became of the disks whose outcome is in doubt; no other disk is wiped then."""
    left = [wipe.disk_id for wipe in record.disks if wipe.state == "todo" and not wipe.in_doubt]
    record = _judge(record, verdict)
    if not left:
        return record
    message = f"A verdict sends no wipe, so {', '.join(left)} was left as it is."
    return fail(record, Failure(None, message, hint="Make a new plan for it where you still want it wiped."))


def _judge(record: Record, verdict: Verdict) -> Record:
    if not any(wipe.in_doubt for wipe in record.disks):
        return record
    if verdict == "reinitialised":
        proven = tuple(
            replace(wipe, state="done", evidence="operator") if wipe.in_doubt else wipe for wipe in record.disks
        )
        return replace(record, disks=proven)
    intact = tuple(replace(wipe, state="refused") if wipe.in_doubt else wipe for wipe in record.disks)
    return fail(replace(record, disks=intact), Failure(None, "The operator says that the data is intact."))


def _wipe(wipe: Wipe, at: float) -> Wipe:
    if wipe.state == "asked":
        return replace(wipe, state="lost", losses=wipe.losses + 1, at=at, reads=0)
    if wipe.state == "unknown" and wipe.tries:
        return replace(wipe, state="accepted" if wipe.acknowledged else "lost", at=at, reads=0)
    return replace(wipe, at=at, reads=0) if wipe.state in ("accepted", "lost") else wipe


def _step(step: Step, at: float) -> Step:
    if step.state == "accepted":  # it was answered, so it is not asked again
        return replace(step, first_at=at, at=at, moving=False)
    if step.state in ("asked", "lost"):
        return replace(step, state="lost", first_at=at, at=at, reads=0, moving=False, lost=True)
    return replace(step, first_at=at, due=at) if step.state == "again" else step


def _repeatable(step: Step, at: float) -> Step:
    """Ask a call that may be repeated again, unless it was answered."""
    if step.state in ("asked", "again"):
        return replace(step, state="again", first_at=at, due=at, at=at, reads=0, lost=True)
    return replace(step, first_at=at, at=at, reads=0) if step.state in ("accepted", "done") else step


def _start(step: Step, at: float) -> Step:
    """Ask a start that was given up again: that is what a resume is for."""
    if step.state != "failed":
        return _step(step, at)
    return replace(step, state="again", first_at=at, due=at, reads=0, moving=False)
