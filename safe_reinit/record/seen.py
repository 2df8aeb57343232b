"""How a look changes a record: transitions that were seen, states that settled, limits that passed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from .. import codes
from ..model import ActName, Failure, Observation, PhaseResult, Record, Step
from ..model.codec import timestamp
from .aside import learn_safety, learn_tag
from .state import (
    GAP,
    LAG_BOUND,
    SETTLING,
    SETTLING_READS,
    UNSETTLED_LIMIT,
    changed,
    close_phase,
    fail,
    is_current,
    is_settled,
    lag_of,
    open_phase,
    settling,
)
from .wiping import ahead, close_doubts, in_doubt, learn_wipes, unknown_wipe

REFUSED_LIMIT = 30.0
"""Cloud seconds for which other credentials are waited for where nothing was touched yet."""


def learn(record: Record, seen: Observation, lag: float | None = None) -> Record:
    """Fold one look into the record: transitions that were seen, states that settled, limits that passed.

    Args:
        lag: the largest lag, in cloud seconds, that was sampled by any job of the run so far.
    """
    record = before = _learn_unseen(_learn_lag(record, seen, lag), seen)
    if seen.seen:
        record = _learn_missing(record, seen)
        if seen.instance is not None and is_current(record, seen):
            record = changed(record, instance_status=seen.instance.status, instance_locks=seen.instance.locks)
            record = _learn_snapshots(record, seen)
            record = _learn_power(record, seen.instance.status, seen)
            record = _learn_settling(_learn_unwatched(record, seen), seen)
        record = learn_wipes(record, seen)
        record = learn_safety(learn_tag(record, seen), seen)  # which matter also to a wipe that is due again since now
    record = close_doubts(_learn_limits(record, seen), seen)
    if record.turned_back_at is None and _only_power_is_left(record):
        record = replace(record, turned_back_at=seen.at)
    return _close_reinit(_with_reason(record, before, seen), seen.when)


def _learn_lag(record: Record, seen: Observation, lag: float | None) -> Record:
    """Sample how far Describe calls lag behind, by our own stop: ECS shows it from the moment at which it accepts it.

    Where they lag so far that somebody could use the machine unseen, no wipe is sent. A sample proves no maximum.
    """
    stop = record.stop
    if lag is not None and lag > (record.lag or 0.0):
        record = replace(record, lag=lag)
    if seen.instance is not None and is_current(record, seen) and stop.state == "accepted" and not stop.moving:
        since = seen.at - (seen.at if stop.at is None else stop.at)
        watched = since - record.running_for <= GAP and seen.instance.start_time == stop.start_time
        if seen.instance.status == "Running" and watched:
            record = replace(record, running_for=since, lag=max(since, record.lag or 0.0))
        elif seen.instance.status in ("Stopping", "Stopped"):
            late = min(since, record.running_for + LAG_BOUND)  # a look that came late itself says no more
            record = changed(record, lag=max(late, record.lag or 0.0))
    if lag_of(record) < GAP or not ahead(record) or record.turned_back:
        return record
    message = f"ECS shows changes {lag_of(record):.0f}s late or more: whether somebody uses the machine cannot be told."
    hint = "No further disk is wiped; try again when Describe calls show changes within a few seconds."
    return fail(record, Failure(None, message, hint=hint))


def _with_reason(record: Record, before: Record, seen: Observation) -> Record:
    """Put in front of what a passed limit says why nothing was seen meanwhile."""
    if seen.seen or before.error is not None or record.error is None or before.unseen_since is None:
        return record
    reason = _not_seen(seen)
    if seen.at - before.unseen_since < SETTLING or record.error == reason:
        return record
    return fail(replace(record, error=reason), record.error)


def _only_power_is_left(record: Record) -> bool:
    """Whether nothing is owed any more but the power: its time counts from then, and not from when somebody asked."""
    states = {wipe.state for wipe in record.disks}
    return not states & {"asked", "accepted", "lost"} and (record.turned_back or "todo" not in states)


def _learn_unseen(record: Record, seen: Observation) -> Record:
    """Turn back when nothing can be looked at for so long that a machine would wait down for nothing.

    Credentials that are refused may be renewed meanwhile; where nothing was touched yet, that is waited for less long.
    """
    if seen.seen and (seen.disks_seen or not ahead(record)):
        return changed(record, unseen_since=None)
    if record.unseen_since is None:
        return replace(record, unseen_since=seen.at)
    limit = REFUSED_LIMIT if seen.credentials_refused and not record.tried else record.limits.retry
    if seen.at - record.unseen_since <= limit or not ahead(record):
        return record
    return fail(record, _not_seen(seen, ", so no further wipe is sent"))


def _not_seen(seen: Observation, consequence: str = "") -> Failure:
    if seen.credentials_refused:
        return _credentials_refused(seen.credentials_refused, seen.why)
    why = f" ({seen.why})" if seen.why else ""
    message = f"For too long no look at ECS was answered{why}{consequence}."
    return Failure(None, message, hint="Check the network, then look with --dry-run.")


def _learn_missing(record: Record, seen: Observation) -> Record:
    """Turn back when a thing stays unlisted; that it is gone is not proven by it, so it is looked for on."""
    if seen.instance is not None and (not seen.disks_seen or all(wipe.disk_id in seen.disks for wipe in record.disks)):
        return changed(record, missing_reads=0, missing_since=None)
    if seen.instance is None:
        record = changed(record, instance_status="")  # what the last look did not show is not told
    since = seen.at if record.missing_since is None else record.missing_since
    record = replace(record, missing_reads=record.missing_reads + 1, missing_since=since)
    if record.missing_reads < SETTLING_READS or seen.at - since < SETTLING:
        return record
    what = record.instance_id if seen.instance is None else "a disk of the job"
    return fail(
        record,
        Failure(
            None, f"ECS does not list {what} any more: released, or not to be seen.", hint="Look in the ECS console."
        ),
    )


def _learn_snapshots(record: Record, seen: Observation) -> Record:
    if record.touched:
        return record
    if not seen.progressing:
        return close_phase(record, "wait-snapshot", seen.when, "ok")
    if record.snapshot_wait_since is None:
        return replace(open_phase(record, "wait-snapshot", seen.when), snapshot_wait_since=seen.at)
    if seen.at - record.snapshot_wait_since > record.limits.snapshot:
        names = ", ".join(snapshot.snapshot_id for snapshot in seen.progressing)
        failure = Failure(
            "DiskCreatingSnapshot",
            f"The snapshot {names} was still being created when --timeout-snapshot had passed.",
            hint="Wait for the snapshot, or give --timeout-snapshot more time.",
        )
        return close_phase(fail(record, failure), "wait-snapshot", seen.when, "timeout")
    return record


def _learn_unwatched(record: Record, seen: Observation) -> Record:
    """Turn back when a machine without StartTime was not looked at for so long that somebody may have used it."""
    if seen.instance is None or seen.instance.start_time is not None or not ahead(record):
        return changed(record, watched_at=None)
    before, record = record.watched_at, changed(record, watched_at=seen.at)
    if before is None or seen.at - before <= GAP - lag_of(record):
        return record
    message = f"{record.instance_id} shows no StartTime and was not seen for {seen.at - before:.0f}s: "
    message += "whether somebody used it meanwhile cannot be told."
    return fail(record, Failure(None, message, hint="Make sure that nobody uses it, then look with --dry-run."))


def _learn_settling(record: Record, seen: Observation) -> Record:
    """Turn back when the minute of the last start does not get over: what happens meanwhile would not show."""
    instance = seen.instance
    if instance is None or is_settled(seen) or not ahead(record):
        return changed(record, unsettled_since=None)
    if record.unsettled_since is None:
        return replace(record, unsettled_since=seen.at)
    if seen.at - record.unsettled_since <= UNSETTLED_LIMIT:
        return record
    at = instance.start_settled_at
    if at is None:
        message = f"{record.instance_id} is Running and shows no StartTime: a start after our stop would not show."
    else:
        clock = f"ECS's clock shows {timestamp(seen.date)}" if seen.date else "ECS does not say what time it is"
        message = (
            f"A start of {record.instance_id} by somebody else shows only after {timestamp(at)}, since StartTime has "
            f"minutes only, and {clock}."
        )
    return fail(record, Failure(None, message, hint="Look at the instance in the ECS console; nothing was wiped."))


def _learn_power(record: Record, status: str, seen: Observation) -> Record:
    if record.start.state != "none":
        # A start is sent before the stop is seen to be done where ECS does not list the machine.
        if status == "Stopped" and record.stop.state in ("accepted", "lost"):
            record = close_phase(replace(record, stop=replace(record.stop, state="done")), "stop", seen.when, "ok")
        return _learn_start(record, status, seen)
    if record.stop.state in ("accepted", "lost", "again"):
        return _learn_stop(record, status, seen)
    if record.turned_back or record.stop.state == "asked" or not ahead(record):
        return record
    expected = "Stopped" if record.stop.state == "done" else record.power_before
    if status == expected:
        return _learn_restart(record, seen)
    return fail(
        record,
        Failure(
            None,
            f"{record.instance_id}.Status: {expected} -> {status}: somebody else is using the instance.",
            hint="Find out who, then look again with --dry-run.",
        ),
    )


def _learn_restart(record: Record, seen: Observation) -> Record:
    """Find that a machine that is Stopped was started since our stop: what it wrote then is in no snapshot."""
    ours, shown = record.stop, seen.instance.start_time if seen.instance else None
    if ours.state != "done" or ours.start_time is None or shown == ours.start_time:
        return record
    message = f"{record.instance_id}.StartTime: {ours.start_time} -> {shown}: somebody else is using the instance."
    return fail(record, Failure(None, message, hint="Find out who, then look again with --dry-run."))


def _learn_stop(record: Record, status: str, seen: Observation) -> Record:
    stop = record.stop
    if stop.state == "again" and not stop.lost and status in ("Stopping", "Stopped"):
        message = f"{record.instance_id} is {status}, but our stop was proven not done: somebody else is stopping it."
        return close_phase(
            fail(replace(record, stop=replace(stop, state="failed")), Failure(None, message)),
            "stop",
            seen.when,
            "refused",
        )
    if status == "Stopped":
        return close_phase(replace(record, stop=replace(stop, state="done")), "stop", seen.when, "ok")
    if status == "Stopping":
        force = _settle_lost(record.force, seen.at, settling(record))  # a power cut that was not done is asked again
        return changed(record, stop=changed(stop, state="accepted", moving=True), force=force)
    started = seen.instance is not None and stop.start_time != seen.instance.start_time
    if status != "Running" or stop.moving or started:
        message = f"{record.instance_id} went to {status} instead of Stopped: somebody else is using the instance."
        return close_phase(
            fail(replace(record, stop=replace(stop, state="failed")), Failure(None, message)),
            "stop", seen.when, "refused",
        )  # fmt: skip
    return changed(record, stop=_settle_lost(stop, seen.at, settling(record)))


def _learn_start(record: Record, status: str, seen: Observation) -> Record:
    start = record.start
    if start.state in ("asked", "failed"):
        return record
    if status == "Running":
        return close_phase(replace(record, start=replace(start, state="done")), "start", seen.when, "ok")
    if start.state == "done":
        message = f"{record.instance_id} was Running after its start and is {status} now, and not by this run."
        return fail(record, Failure(None, message, hint="Find out who or what did that, and start it when it is due."))
    if status == "Starting":
        return changed(record, start=changed(start, state="accepted", moving=True))
    if status == "Stopped" and not start.moving:
        return changed(record, start=_settle_lost(start, seen.at, settling(record)))
    if not start.moving:
        return record
    failure = Failure(None, f"{record.instance_id} went to {status} instead of Running.")
    return close_phase(
        fail(replace(record, start=replace(start, state="failed")), failure), "start", seen.when, "refused"
    )


def _settle_lost(step: Step, at: float, through: float) -> Step:
    """Find that a call whose answer was lost has not been done: nothing of it shows through the settling time."""
    if step.state != "lost":
        return step
    step = replace(step, reads=step.reads + 1)
    if step.reads >= SETTLING_READS and at - (step.at or at) >= through:
        return replace(step, state="again", due=at)
    return step


def _learn_limits(record: Record, seen: Observation) -> Record:
    limits, at = record.limits, seen.at
    stop, start = record.stop, record.start
    if not record.turned_back and _overdue(stop, at, limits.stop):
        failure = _too_late(record, seen, stop, "StopInstance", "--timeout-stop")
        if not stop.answer:
            failure = replace(failure, hint="Look at the guest in the console (VNC); nothing was wiped.")
        record = close_phase(fail(record, failure), "stop", seen.when, "timeout")
    record = _learn_down(_learn_snapshot_limit(record, seen), seen)
    for wipe in record.disks:
        if wipe.state in ("accepted", "lost") and wipe.at is not None and at - wipe.at > limits.reinit:
            disks = tuple(in_doubt(each) if each is wipe else each for each in record.disks)
            failure = unknown_wipe(wipe.disk_id, seen.disks.get(wipe.disk_id), wipe)
            record = fail(replace(record, disks=disks), failure)
    if _overdue(start, at, limits.start):
        failure = _too_late(record, seen, start, "StartInstance", "--timeout-start")
        record = fail(replace(record, start=replace(start, state="failed")), failure)
        record = close_phase(record, "start", seen.when, "timeout")
    waited = record.turned_back_at is not None and at - record.turned_back_at > limits.start
    unseen = start.state == "done" and not record.instance_status  # since the run was resumed
    if (
        waited
        and (start.state in ("none", "failed") or unseen)
        and not any(wipe.state in ("accepted", "lost") for wipe in record.disks)
    ):
        if not seen.seen:  # what it was before the stop, it need not be any more
            record = replace(fail(record, _not_seen(seen)), instance_status="")
        record = replace(record, given_up=True)
    return record


def _learn_down(record: Record, seen: Observation) -> Record:
    """Turn back when a machine was down for so long that it would be down for longer than its plan says."""
    waiting = ahead(record)
    if not waiting or record.turned_back or not record.stopped_by_us:
        return changed(record, down_since=None)
    if record.down_since is None:
        return replace(record, down_since=seen.at)
    most = record.limits.down_before_wipe(snapshot=bool(record.snapshots))
    if seen.at - record.down_since <= most:
        return record
    wipe = waiting[0]
    act: ActName = "ResetDisk" if wipe.snapshot_id else "ReInitDisk"
    waited = "could not be sent" if wipe.refused_since is None else "was refused each time"
    message = f"{act} of {wipe.disk_id} {waited} until {most / 60:.0f} minutes after the stop, which is the limit."
    hint = "Its calls are in safe-reinit show; check again with --dry-run when nothing holds it up any more."
    return fail(record, Failure(None, message, action=act, hint=hint))


def _too_late(record: Record, seen: Observation, step: Step, action: ActName, limit: str) -> Failure:
    """Say in which state a limit found the machine, and what ECS answered last, where that explains it."""
    shown = (seen.instance.status if seen.instance else record.instance_status) or "not seen"
    message = f"{record.instance_id} was still {shown} when {limit} had passed."
    if not step.answer:
        return Failure(None, message)
    message += f" ECS answered {action} with {step.answer}, which does not say whether it was done."
    return Failure(step.answer, message, action=action, hint=codes.fix_of(action, step.answer))


def _learn_snapshot_limit(record: Record, seen: Observation) -> Record:
    """Turn back when a safety snapshot takes too long: the machine is down meanwhile."""
    late = [each for each in record.snapshots if _overdue(each.step, seen.at, record.limits.snapshot)]
    if not late or record.turned_back:
        return record
    failure = Failure(
        None,
        f"The safety snapshot of {late[0].disk_id} was not accomplished ({late[0].progress or 'not shown'}) "
        "when --timeout-snapshot had passed.",
        action="CreateSnapshot",
        hint="Give --timeout-snapshot more time; nothing was wiped.",
    )
    return close_phase(fail(record, failure), "snapshot", seen.when, "timeout")


def _overdue(step: Step, at: float, limit: float) -> bool:
    return step.first_at is not None and step.state in ("accepted", "lost", "again") and at - step.first_at > limit


def _close_reinit(record: Record, when: datetime) -> Record:
    states = {wipe.state for wipe in record.disks}
    if states & {"asked", "accepted", "lost"} or ("todo" in states and not record.turned_back):
        return record
    result: PhaseResult = "unknown" if "unknown" in states else "ok" if states == {"done"} else "refused"
    return close_phase(record, "reinit", when, result)


def _credentials_refused(code: str, why: str) -> Failure:
    row = codes.lookup(codes.EVERY, code)
    meaning = row.meaning if row else f"{why or 'the credentials are refused'}."
    hint = row.fix if row else "Check the credentials."
    hint = f"{hint} Then resume the run with working credentials, if the machine is not as promised."
    return Failure(code, f"Nothing can be looked at any more ({code}): {meaning}", hint=hint)
