"""How an intended call, and then its answer, change the state of a job."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime

from ..model import Command, Failure, Fence, JobState, Observation, Step, StepState, Wipe, WipeState
from ..model.error_codes import BRINGS_BACK, fix_of, waits_for_snapshot
from .state import close_phase, fail, held_up, left_unsent, open_phase, replace
from .steps import (
    REPEATABLE,
    limit_of,
    phase_of,
    safety_of,
    send_again,
    step_of,
    wipe_of,
    with_safety,
    with_step,
    with_wipe,
)

_MOVES_POWER = ("StopInstance", "StartInstance")
_START_AGAIN_AFTER = 5.0
"""Cloud seconds after which a start is sent again if ECS lists the instance but answers that it does not exist."""
NOT_FOUND = ("InvalidInstanceId.NotFound", "InvalidInstanceIds.NotFound")
"""ECS's error codes for an instance that does not exist."""


def intend(job: JobState, command: Command, observation: Observation) -> JobState:
    """Return the state of a job for which a call is about to be sent; it is committed before the call."""
    if command.overwrites:
        fence = wipe_of(job, command.subject).fence or _fence(job, observation, command.subject)
        job = with_wipe(
            job, command.subject, lambda wipe: replace(
                wipe, state="asked", tries=wipe.tries + 1, reiniting=False, resetting=False, reads=0, due=None,
                fence=fence, watched_at=observation.at,
            )
        )  # fmt: skip
        since = observation.at if job.wiping_since is None else job.wiping_since
        return open_phase(replace(job, wiping_since=since), "reinit", observation.when)
    step = step_of(job, command)
    asked = replace(
        step,
        state="asked",
        tries=step.tries + 1,
        due=None,
        reads=0,
        moving=False,
        first_at=observation.at if step.first_at is None else step.first_at,
        start_time=observation.instance.start_time if observation.instance else None,
        status=job.instance_status if command.action in _MOVES_POWER else "",
    )
    job = with_step(job, command, asked)
    if command.action in _MOVES_POWER:
        job = replace(job, instance_status="")  # what was observed before the call is no longer true
    if command.action == "StopInstance" and job.stop_asked_at is None:
        job = replace(job, stop_asked_at=observation.at)
    phase = phase_of(command)
    return job if command.force or phase is None else open_phase(job, phase, observation.when)


def accepted(job: JobState, command: Command, at: float, snapshot_id: str = "") -> JobState:
    """Return the state after ECS accepted a call; ``snapshot_id`` is what CreateSnapshot answered."""
    job = replace(job, stuck_since=None)
    if command.overwrites:
        return with_wipe(job, command.subject, _acknowledged(at))
    if command.action == "CreateSnapshot":
        job = with_safety(job, replace(safety_of(job, command.subject), snapshot_id=snapshot_id))
    state: StepState = (
        "done" if command.action == "UntagResources" else "accepted"
    )  # no observation is waited for at the end
    return with_step(job, command, replace(step_of(job, command), state=state, at=at, reads=0, answer="", refused=""))


def accepted_before(job: JobState, command: Command, at: float) -> JobState:
    """Return the state after an earlier attempt of a wipe turned out to have been accepted.

    If the wipe is being sent again right now, this counts only once that call was lost, refused or not sent. If the
    wipe is not in doubt, this changes nothing.
    """
    wipe = wipe_of(job, command.subject)
    if wipe.state == "asked":
        return with_wipe(job, command.subject, lambda asked: replace(asked, acknowledged=True))
    return accepted(job, command, at) if wipe.state in ("lost", "resend") else job


def _acknowledged(at: float) -> Callable[[Wipe], Wipe]:
    return lambda wipe: replace(wipe, state="accepted", at=at, reads=0, acknowledged=True)


def lost(job: JobState, command: Command, at: float, due: float | None = None, code: str = "") -> JobState:
    """Return the state after a call whose outcome nobody knows; ReIniting proves that a wipe was carried out.

    Args:
        at: when the tool found that no answer had come, in cloud seconds.
        due: when a repeatable call is sent again; at once if not given.
        code: the code of an answer that proves nothing; ``""`` if no answer came.
    """
    job = replace(job, stuck_since=None)
    if command.overwrites:
        return with_wipe(
            job, command.subject,
            lambda wipe: replace(_unproven(wipe, at, code), losses=wipe.losses + 1),
        )  # fmt: skip
    step = step_of(job, command)
    lost_at = at if step.lost_at is None else step.lost_at
    step = replace(step, at=at, reads=0, lost_at=lost_at, answer=code, refused="")
    if command.action not in REPEATABLE:
        return with_step(job, command, replace(step, state="lost"))
    due = at if due is None else due
    if _may_ask_again(job, command, step, due, None):
        return with_step(job, command, send_again(replace(step, due=due)))
    job = with_step(job, command, replace(step, state="failed"))
    if command.action == "UntagResources":
        return job
    message = f"ECS answered none of the calls of {command.action} for {command.subject}."
    if code:
        message = (
            f"ECS answered every {command.action} of {command.subject} with {code}, which does not say whether the "
            "call was carried out."
        )
    hint = "Check the network, then check again with --dry-run."
    if code:
        hint = fix_of(command.action, code)
    return fail(job, Failure(code or None, message, action=command.action, hint=hint))


def doubted(job: JobState, command: Command, failure: Failure, at: float) -> JobState:
    """Return the state after an unknown code for a wipe: never sent again; observation settles the outcome."""
    job = replace(job, stuck_since=None)
    code = failure.code or ""
    job = with_wipe(job, command.subject, lambda wipe: replace(_unproven(wipe, at, code), unknown_code=True))
    return fail(job, failure)


def _is_accepted(wipe: Wipe) -> bool:
    """Return whether ECS accepted an attempt of a wipe or showed it; ReIniting does not show a roll-back."""
    return wipe.acknowledged or (wipe.reiniting and not wipe.snapshot_id)


def _unproven(wipe: Wipe, at: float, code: str) -> Wipe:
    state: WipeState = "accepted" if _is_accepted(wipe) else "lost"
    return replace(wipe, state=state, at=at, reads=0, answer=code)


def refused(
    job: JobState, command: Command, failure: Failure, at: float, when: datetime, due: float | None
) -> JobState:
    """Return the state after a call was proven not done; ``due`` is when it may be sent again, ``None`` for never."""
    job = replace(job, stuck_since=None)
    if command.overwrites:
        return _refused_wipe(job, command.subject, failure, at, due)
    step = step_of(job, command)
    unknown = command.action == "StartInstance" and failure.code in NOT_FOUND
    if unknown and step.status:  # ECS has just listed it, so one of the two is wrong, and it can still be started
        due = at + _START_AGAIN_AFTER
    if due is not None and _may_ask_again(job, command, step, due, failure.code):
        return with_step(
            _as_before(job, step), command, send_again(replace(step, at=at, due=due, refused=failure.code or ""))
        )
    # A stop whose answer was lost may still be carried out.
    unproven = command.action == "StopInstance" and step.lost_at is not None
    job = with_step(job, command, replace(step, state="lost" if unproven else "failed", at=at, reads=0))
    if unknown and not step.status:
        job, failure = replace(job, gone=True), _gone(command, failure)
    if command.force or command.action == "UntagResources":
        return job  # a graceful stop is still in progress, with its own limit; a tag that stays changes no data
    job, phase = fail(job, failure), phase_of(command)
    return close_phase(job, phase, when, "refused") if phase else job


def _gone(command: Command, failure: Failure) -> Failure:
    message = f"ECS no longer knows {command.subject} ({failure.code}): it was released, so it cannot be started."
    hint = "Search ActionTrail for who released it (DeleteInstance); its disks may have been released with it."
    return replace(failure, message=message, hint=hint)


def withdraw(job: JobState, command: Command, at: float) -> JobState:
    """Return the state after an intended call was not sent: its recheck was too old, or it is no longer needed.

    It does not count as an attempt. A call that brings a machine back stays intended and does count.
    """
    if command.overwrites:
        job = with_wipe(
            job, command.subject,
            lambda wipe: replace(
                wipe, state=_to_send(wipe), tries=wipe.tries - 1, due=at, fence=_fence_after(wipe), withdrawn=True
            ),
        )  # fmt: skip
        if not any(wipe.tries for wipe in job.disks):
            job = replace(job, wiping_since=None)
        return held_up(left_unsent(_drop_empty_phase(job, command)), at)
    step = step_of(job, command)
    job = _as_before(job, step)
    if command.action in BRINGS_BACK:
        first_at = step.first_at if step.tries > 1 else None
        job = with_step(job, command, send_again(replace(step, due=at, at=at, first_at=first_at)))
        return held_up(_drop_empty_phase(job, command), at)
    left = send_again(replace(step, tries=step.tries - 1, due=at, at=at)) if step.tries > 1 else Step()
    if command.action == "StopInstance" and not command.force and step.tries <= 1:
        job = replace(job, stop_asked_at=None)
    return held_up(_drop_empty_phase(with_step(job, command, left), command), at)


def _as_before(job: JobState, step: Step) -> JobState:
    """Return the state with the status seen before a call that was not carried out, because that status still holds."""
    return replace(job, instance_status=step.status) if step.status else job


def _drop_empty_phase(job: JobState, command: Command) -> JobState:
    """Remove the phase that a call would have begun if no such call was sent."""
    tries = [each.step.tries for each in job.snapshots] if command.action == "CreateSnapshot" else [job.stop.tries]
    if command.action == "StartInstance":
        tries = [job.start.first_at is not None]
    if any([wipe.tries for wipe in job.disks] if command.overwrites else tries):
        return job
    return replace(job, phases=tuple(each for each in job.phases if each.name != phase_of(command)))


def _may_ask_again(job: JobState, command: Command, step: Step, due: float, code: str | None) -> bool:
    """Return whether a call may be sent again at ``due``, within its limit; ``code`` is ``None`` for no answer."""
    return step.first_at is None or due - step.first_at <= limit_of(job, command, code)


def _refused_wipe(job: JobState, disk_id: str, failure: Failure, at: float, due: float | None) -> JobState:
    """Return the state after a wipe was proven not done; its fence is removed, because nothing happened behind it."""
    wipe = wipe_of(job, disk_id)
    if _is_accepted(wipe):  # whatever the reason for this refusal, the disk is being wiped
        return with_wipe(job, disk_id, _acknowledged(at))
    since = at if wipe.refused_since is None else wipe.refused_since
    act = "ResetDisk" if wipe.snapshot_id else "ReInitDisk"
    window = job.limits.snapshot if waits_for_snapshot(act, failure.code or "") else job.limits.retry
    until = min(since + window, math.inf if job.wiping_since is None else job.wiping_since + job.limits.send_wipes)
    if due is not None and due <= until and not job.turned_back and not wipe.reiniting:
        again = replace(wipe, state=_to_send(wipe), at=at, due=due, refused_since=since, fence=_fence_after(wipe))
        return with_wipe(job, disk_id, lambda _: again)
    # This proves nothing about an attempt whose answer was lost; in an undo, somebody else is wiping the disk.
    proven: WipeState = "unknown" if wipe.losses or wipe.reiniting else "refused"
    ended = replace(wipe, state=proven, at=at, due=None, refused_since=since)
    return fail(with_wipe(job, disk_id, lambda _: ended), failure)


def _to_send(wipe: Wipe) -> WipeState:
    if wipe.acknowledged:  # an earlier attempt was accepted
        return "accepted"
    return "resend" if wipe.losses else "todo"


def _fence_after(wipe: Wipe) -> Fence | None:
    """Return the fence of a wipe whose earlier answer was lost, because that attempt may have been carried out."""
    return wipe.fence if wipe.losses else None


def _fence(job: JobState, observation: Observation, disk_id: str) -> Fence:
    disk = observation.disks.get(disk_id)
    return Fence(
        start_time=observation.instance.start_time if observation.instance else None,
        status=job.instance_status,
        attached_time=disk.attached_time if disk else None,
        instance_id=disk.instance_id if disk else "",
    )
