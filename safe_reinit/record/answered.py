"""How an intention to call, and then its answer, change a record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ..model import Failure, Fence, Observation, PhaseName, Record, Send, Step, Wipe, WipeState
from .state import close_phase, fail, open_phase


def intend(record: Record, send: Send, seen: Observation) -> Record:
    """Note that a call is about to be sent; this is committed before it is."""
    record = replace(record, stuck_since=None)
    if send.action == "ReInitDisk":
        fence = next(each for each in record.disks if each.disk_id == send.subject).fence or _fence(
            record, seen, send.subject
        )
        record = _with_wipe(
            record, send.subject, lambda wipe: replace(
                wipe, state="asked", tries=wipe.tries + 1, reiniting=False, reads=0, due=None,
                fence=fence, watched_at=seen.at,
            )
        )  # fmt: skip
        return open_phase(record, "reinit", seen.when)
    step = _step(record, send)
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
    record = replace(_with_step(record, send, asked), instance_status="")  # what was seen before it says no more
    return (
        record if send.force else open_phase(record, "start" if send.action == "StartInstance" else "stop", seen.when)
    )


def accepted(record: Record, send: Send, at: float) -> Record:
    """Note that ECS accepted a call."""
    if send.action == "ReInitDisk":
        return _with_wipe(
            record, send.subject, lambda wipe: replace(wipe, state="accepted", at=at, reads=0, acknowledged=True)
        )
    return _with_step(record, send, replace(_step(record, send), state="accepted", at=at))


def _acknowledged(at: float) -> Callable[[Wipe], Wipe]:
    return lambda wipe: replace(wipe, state="accepted", at=at, reads=0, acknowledged=True)


def lost(record: Record, send: Send, at: float) -> Record:
    """Note that the answer to a call did not come; a wipe already seen ReIniting was accepted."""
    if send.action == "ReInitDisk":
        return _with_wipe(
            record, send.subject,
            lambda wipe: replace(
                wipe, state="accepted" if wipe.reiniting else "lost", at=at, reads=0, losses=wipe.losses + 1
            ),
        )  # fmt: skip
    return _with_step(record, send, replace(_step(record, send), state="lost", at=at, reads=0, lost=True))


def refused(record: Record, send: Send, failure: Failure, at: float, when: datetime, due: float | None) -> Record:
    """Note that a call was proven not to be done; ``due`` is when it may be asked again, ``None`` for never."""
    if send.action == "ReInitDisk":
        return _refused_wipe(record, send.subject, failure, at, due)
    step = _step(record, send)
    limit = record.limits.start if send.action == "StartInstance" else record.limits.stop
    if due is not None and due - (step.first_at or at) <= limit:
        return _with_step(record, send, replace(step, state="again", at=at, due=due))
    record = _with_step(record, send, replace(step, state="failed", at=at))
    if send.force:
        return record  # the graceful stop is still under way, with its own limit
    return close_phase(fail(record, failure), _phase(send), when, "refused")


def _refused_wipe(record: Record, disk_id: str, failure: Failure, at: float, due: float | None) -> Record:
    """Note a proven refusal; the fence it was asked behind stands no more, since nothing was done behind it."""
    wipe = next(wipe for wipe in record.disks if wipe.disk_id == disk_id)
    if wipe.reiniting:  # seen while it was asked: whatever refused this request, the disk is being reinitialised
        return _with_wipe(
            record, disk_id, lambda each: replace(each, state="accepted", at=at, reads=0, acknowledged=True)
        )
    since = at if wipe.refused_since is None else wipe.refused_since
    window = record.limits.snapshot if failure.code == "DiskCreatingSnapshot" else record.limits.retry
    if due is not None and due - since <= window and not record.turned_back:
        again = replace(wipe, state="todo", at=at, due=due, refused_since=since, fence=_fence_after(wipe))
        return _with_wipe(record, disk_id, lambda _: again)
    proven: WipeState = "unknown" if wipe.losses else "refused"  # of the one whose answer was lost it proves nothing
    ended = replace(wipe, state=proven, at=at, due=None, refused_since=since)
    return fail(_with_wipe(record, disk_id, lambda _: ended), failure)


def _phase(send: Send) -> PhaseName:
    return "start" if send.action == "StartInstance" else "stop"


def _step(record: Record, send: Send) -> Step:
    return record.start if send.action == "StartInstance" else record.force if send.force else record.stop


def _with_step(record: Record, send: Send, step: Step) -> Record:
    if send.action == "StartInstance":
        return replace(record, start=step)
    return replace(record, force=step) if send.force else replace(record, stop=step)


def _with_wipe(record: Record, disk_id: str, change: Callable[[Wipe], Wipe]) -> Record:
    return replace(record, disks=tuple(change(wipe) if wipe.disk_id == disk_id else wipe for wipe in record.disks))


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
