"""How an intention to call, and then its answer, change a record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ..codes import BRINGS_BACK, fix_of, waits_for_snapshot
from ..model import Failure, Fence, Observation, Record, Send, Step, StepState, Wipe, WipeState
from .state import close_phase, fail, open_phase, stuck
from .steps import (
    REPEATABLE,
    limit_of,
    phase_of,
    safety_of,
    step_of,
    wipe_of,
    with_safety,
    with_step,
    with_wipe,
)

NOT_FOUND = ("InvalidInstanceId.NotFound", "InvalidInstanceIds.NotFound")
"""The codes of ECS for an instance that does not exist."""


def intend(record: Record, send: Send, seen: Observation) -> Record:
    """Note that a call is about to be sent; this is committed before it is."""
    if send.overwrites:
        fence = wipe_of(record, send.subject).fence or _fence(record, seen, send.subject)
        record = with_wipe(
            record, send.subject, lambda wipe: replace(
                wipe, state="asked", tries=wipe.tries + 1, reiniting=False, resetting=False, reads=0, due=None,
                fence=fence, watched_at=seen.at,
            )
        )  # fmt: skip
        return open_phase(record, "reinit", seen.when)
    step = step_of(record, send)
    asked = replace(
        step,
        state="asked",
        tries=step.tries + 1,
        due=None,
        reads=0,
        moving=False,
        first_at=seen.at if step.first_at is None else step.first_at,
        start_time=seen.instance.start_time if seen.instance else None,
    )
    record = with_step(record, send, asked)
    if send.action in ("StopInstance", "StartInstance"):
        record = replace(record, instance_status="")  # what was seen before it says no more
    if send.action == "StopInstance" and record.stop_asked_at is None:
        record = replace(record, stop_asked_at=seen.at)
    phase = phase_of(send)
    return record if send.force or phase is None else open_phase(record, phase, seen.when)


def accepted(record: Record, send: Send, at: float, snapshot_id: str = "") -> Record:
    """Note that ECS accepted a call; ``snapshot_id`` is what CreateSnapshot answered."""
    record = replace(record, stuck_since=None)
    if send.overwrites:
        return with_wipe(record, send.subject, _acknowledged(at))
    if send.action == "CreateSnapshot":
        record = with_safety(record, replace(safety_of(record, send.subject), snapshot_id=snapshot_id))
    state: StepState = "done" if send.action == "UntagResources" else "accepted"  # no look is waited for at the end
    return with_step(record, send, replace(step_of(record, send), state=state, at=at, reads=0, answer=""))


def _acknowledged(at: float) -> Callable[[Wipe], Wipe]:
    return lambda wipe: replace(wipe, state="accepted", at=at, reads=0, acknowledged=True)


def lost(record: Record, send: Send, at: float, due: float | None = None, code: str = "") -> Record:
    """Note that it is not known whether a call was done; a wipe already seen ReIniting was accepted.

    Args:
        at: when that was known, in cloud seconds.
        due: when a call that may be repeated is asked again; at once if not said.
        code: the code of an answer that does not say it; ``""`` where no answer came.
    """
    record = replace(record, stuck_since=None)
    if send.overwrites:
        return with_wipe(
            record, send.subject,
            lambda wipe: replace(_unproven(wipe, at, code), losses=wipe.losses + 1),
        )  # fmt: skip
    step = replace(step_of(record, send), at=at, reads=0, lost=True, answer=code)
    if send.action not in REPEATABLE:
        return with_step(record, send, replace(step, state="lost"))
    due = at if due is None else due
    if _may_ask_again(record, send, step, due, None):
        return with_step(record, send, replace(step, state="again", due=due))
    record = with_step(record, send, replace(step, state="failed"))
    if send.action == "UntagResources":
        return record
    message = f"No answer to {send.action} of {send.subject} came, however often it was sent."
    if code:
        message = (
            f"ECS answered {send.action} of {send.subject} with {code}, however often it was sent, "
            "which does not say whether it was done."
        )
    hint = "Check the network, then check again with --dry-run."
    if code:
        hint = fix_of(send.action, code)
    return fail(record, Failure(code or None, message, action=send.action, hint=hint))


def doubted(record: Record, send: Send, failure: Failure, at: float) -> Record:
    """Note that a wipe was answered with an unknown code: it is never sent again, and what is seen settles it."""
    record = replace(record, stuck_since=None)
    code = failure.code or ""
    record = with_wipe(record, send.subject, lambda wipe: replace(_unproven(wipe, at, code), unknown_code=True))
    return fail(record, failure)


def _unproven(wipe: Wipe, at: float, code: str) -> Wipe:
    state: WipeState = "accepted" if wipe.reiniting and not wipe.snapshot_id else "lost"
    return replace(wipe, state=state, at=at, reads=0, answer=code)


def refused(record: Record, send: Send, failure: Failure, at: float, when: datetime, due: float | None) -> Record:
    """Note that a call was proven not to be done; ``due`` is when it may be asked again, ``None`` for never."""
    record = replace(record, stuck_since=None)
    if send.overwrites:
        return _refused_wipe(record, send.subject, failure, at, due)
    step = step_of(record, send)
    if due is not None and _may_ask_again(record, send, step, due, failure.code):
        return with_step(record, send, replace(step, state="again", at=at, due=due))
    unproven = send.action == "StopInstance" and step.lost  # the one whose answer was lost may still be done
    record = with_step(record, send, replace(step, state="lost" if unproven else "failed", at=at, reads=0))
    if send.action == "StartInstance" and failure.code in NOT_FOUND:
        record, failure = replace(record, gone=True), _gone(send, failure)
    if send.force or send.action == "UntagResources":
        return record  # a graceful stop is still under way with its own limit; a tag that stays changes no data
    record, phase = fail(record, failure), phase_of(send)
    return close_phase(record, phase, when, "refused") if phase else record


def _gone(send: Send, failure: Failure) -> Failure:
    message = (
        f"ECS knows no instance {send.subject} any more ({failure.code}), so it cannot be started: it was released."
    )
    hint = "Ask ActionTrail who released it (DeleteInstance); its disks may have been released with it."
    return replace(failure, message=message, hint=hint)


def withdraw(record: Record, send: Send, at: float) -> Record:
    """Take an intention back that was not sent: its look had grown old, or nobody wants it any more. It is no try.

    Of what brings a machine back the try stands: an intended start is never taken back.
    """
    if send.overwrites:
        record = with_wipe(
            record, send.subject,
            lambda wipe: replace(
                wipe, state="todo", tries=wipe.tries - 1, due=at, fence=_fence_after(wipe), withdrawn=True
            ),
        )  # fmt: skip
        return stuck(_drop_empty_phase(record, send), at)
    step = step_of(record, send)
    if send.action in BRINGS_BACK:
        first_at = step.first_at if step.tries > 1 else None
        return stuck(with_step(record, send, replace(step, state="again", due=at, at=at, first_at=first_at)), at)
    left = replace(step, state="again", tries=step.tries - 1, due=at, at=at) if step.tries > 1 else Step()
    if send.action == "StopInstance" and not send.force and step.tries <= 1:
        record = replace(record, stop_asked_at=None)
    return stuck(_drop_empty_phase(with_step(record, send, left), send), at)


def _drop_empty_phase(record: Record, send: Send) -> Record:
    """Forget the phase that a call would have begun, where no such call is left."""
    tries = [each.step.tries for each in record.snapshots] if send.action == "CreateSnapshot" else [record.stop.tries]
    if any([wipe.tries for wipe in record.disks] if send.overwrites else tries):
        return record
    return replace(record, phases=tuple(each for each in record.phases if each.name != phase_of(send)))


def _may_ask_again(record: Record, send: Send, step: Step, due: float, code: str | None) -> bool:
    """Whether a call is asked again at ``due``, or has been asked long enough; ``code`` is ``None`` for no answer."""
    return step.first_at is None or due - step.first_at <= limit_of(record, send, code)


def _refused_wipe(record: Record, disk_id: str, failure: Failure, at: float, due: float | None) -> Record:
    """Note a proven refusal; the fence it was asked behind stands no more, since nothing was done behind it."""
    wipe = wipe_of(record, disk_id)
    if wipe.reiniting and not wipe.snapshot_id:  # whatever refused this request, the disk is being reinitialised
        return with_wipe(record, disk_id, _acknowledged(at))
    since = at if wipe.refused_since is None else wipe.refused_since
    act = "ResetDisk" if wipe.snapshot_id else "ReInitDisk"
    window = record.limits.snapshot if waits_for_snapshot(act, failure.code or "") else record.limits.retry
    if due is not None and due - since <= window and not record.turned_back and not wipe.reiniting:
        again = replace(wipe, state="todo", at=at, due=due, refused_since=since, fence=_fence_after(wipe))
        return with_wipe(record, disk_id, lambda _: again)
    # Of the one whose answer was lost it proves nothing; in an undo, who reinitialises the disk is somebody else.
    proven: WipeState = "unknown" if wipe.losses or wipe.reiniting else "refused"
    ended = replace(wipe, state=proven, at=at, due=None, refused_since=since)
    return fail(with_wipe(record, disk_id, lambda _: ended), failure)


def _fence_after(wipe: Wipe) -> Fence | None:
    """Keep the fence of a wipe whose earlier answer was lost: that one may still have been done."""
    return wipe.fence if wipe.losses else None


def _fence(record: Record, seen: Observation, disk_id: str) -> Fence:
    disk = seen.disks.get(disk_id)
    return Fence(
        start_time=seen.instance.start_time if seen.instance else None,
        status=record.instance_status,
        attached_time=disk.attached_time if disk else None,
        instance_id=disk.instance_id if disk else "",
    )
