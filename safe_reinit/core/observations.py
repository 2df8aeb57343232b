"""How an observation changes the state of a job: transitions, states that settle, limits that pass."""

from __future__ import annotations

from datetime import datetime

from ..model import ActionName, Failure, JobState, Observation, PhaseResult, Step, Wipe, error_codes
from ..model.codec import timestamp
from .snapshots import evolve_safety_snapshots, evolve_tag
from .state import (
    LAG_BOUND,
    MAX_GAP,
    SETTLING_READS,
    SETTLING_TIME,
    UNSETTLED_LIMIT,
    changed,
    close_phase,
    fail,
    is_current,
    is_open,
    is_settled,
    lag_of,
    open_phase,
    replace,
    settling,
)
from .steps import send_again
from .wipes import close_doubts, evolve_wipes, in_doubt, pending_wipes, unknown_wipe

REFUSED_LIMIT = 30.0
"""How many cloud seconds the run waits for other credentials while nothing has been touched yet."""


def evolve_observed(job: JobState, observation: Observation, lag: float | None = None) -> JobState:
    """Return the state of a job after an observation: transitions, states that settle, limits that pass.

    Args:
        lag: the largest lag, in cloud seconds, that any job of the run has measured so far.
    """
    job = before = _evolve_unseen(_sample_lag(job, observation, lag), observation)
    if observation.answered:
        job = _evolve_missing(job, observation)
        if observation.instance is not None and is_current(job, observation):
            job = changed(job, instance_status=observation.instance.status, instance_locks=observation.instance.locks)
            job = _evolve_snapshots(job, observation)
            job = _evolve_power(job, observation.instance.status, observation)
            job = _evolve_settling(_evolve_unwatched(job, observation), observation)
        job = evolve_wipes(job, observation)
        job = evolve_tag(job, observation)  # these two also for a wipe that must be sent again since this observation
        job = evolve_safety_snapshots(job, observation)
    job = close_doubts(_evolve_limits(job, observation), observation)
    if job.turned_back_at is None and _only_power_is_left(job):
        job = replace(job, turned_back_at=observation.at)
    return _close_reinit(_with_reason(job, before, observation), observation.when)


def _sample_lag(job: JobState, observation: Observation, lag: float | None) -> JobState:
    """Measure the lag of Describe calls by our own stop: without a lag, ECS shows it as soon as it accepts it.

    If the lag is so large that somebody could use the machine unobserved, no wipe is sent. A measurement does not prove
    a maximum.
    """
    stop = job.stop
    if lag is not None and lag > (job.lag or 0.0):
        job = replace(job, lag=lag)
    # If the stop's answer was lost, only what is finally shown proves that it was done, and until when at the latest.
    # Of several attempts the first counts, because what is shown may be that one, late.
    done_by = stop.at if stop.state == "accepted" else stop.lost_at
    unshown = stop.under_way and not stop.moving
    if observation.instance is not None and is_current(job, observation) and unshown and done_by is not None:
        running_at, watched_at = (max(done_by, each or done_by) for each in (job.running_at, job.running_watched_at))
        if observation.instance.status == "Running" and observation.instance.start_time == stop.start_time:
            job = replace(job, running_at=observation.at)
            if (
                observation.at - watched_at <= MAX_GAP
            ):  # after a gap the stop need not have been carried out at all, so this is no lag yet
                job = replace(job, running_watched_at=observation.at)
                if stop.state == "accepted":
                    job = replace(job, lag=max(observation.at - done_by, job.lag or 0.0))
        elif observation.instance.status in ("Stopping", "Stopped"):
            shown_at = min(observation.at, running_at + LAG_BOUND)  # a late observation proves no more than this
            job = changed(job, lag=max(shown_at - done_by, job.lag or 0.0))
    if lag_of(job) < MAX_GAP or not pending_wipes(job) or job.turned_back:
        return job
    message = (
        f"ECS shows changes {lag_of(job):.0f}s late or later, so the run cannot tell whether somebody is using the "
        "machine."
    )
    hint = "No further disk is wiped. Try again when Describe calls show changes within a few seconds."
    return fail(job, Failure(None, message, hint=hint))


def _with_reason(job: JobState, before: JobState, observation: Observation) -> JobState:
    """Return the state whose failure, if a limit passed, first says why nothing was observed in the meantime."""
    if observation.answered or before.error is not None or job.error is None or before.unseen_since is None:
        return job
    reason = _unobserved_failure(observation)
    if observation.at - before.unseen_since < SETTLING_TIME or job.error == reason:
        return job
    return fail(replace(job, error=reason), job.error)


def _only_power_is_left(job: JobState) -> bool:
    """Return whether only the power is still pending: its limit is counted from then, not from when somebody asked."""
    states = {wipe.state for wipe in job.disks}
    return not states & {"asked", "accepted", "lost"} and (job.turned_back or not states & {"todo", "resend"})


def _evolve_unseen(job: JobState, observation: Observation) -> JobState:
    """Turn back if nothing could be observed for so long that a machine would stay down for nothing.

    Refused credentials may be renewed in the meantime; if nothing has been touched yet, the run waits less long for
    that.
    """
    if observation.answered and not (observation.disks_unanswered and pending_wipes(job)):
        return changed(job, unseen_since=None)
    if job.unseen_since is None:
        return replace(job, unseen_since=observation.at)
    limit = REFUSED_LIMIT if observation.credentials_refused and not job.tried else job.limits.retry
    if observation.at - job.unseen_since <= limit or not pending_wipes(job):
        return job
    return fail(job, _unobserved_failure(observation, ", so no further wipe is sent"))


def _unobserved_failure(observation: Observation, consequence: str = "") -> Failure:
    if observation.credentials_refused:
        return _credentials_refused(observation.credentials_refused, observation.why)
    why = f" ({observation.why})" if observation.why else ""
    message = f"ECS has not answered any Describe call for too long{why}{consequence}."
    return Failure(None, message, hint="Check the network, then check again with --dry-run.")


def _evolve_missing(job: JobState, observation: Observation) -> JobState:
    """Turn back if something stays unlisted; that does not prove that it is gone, so it is described again."""
    disks_answered = observation.disks_requested and observation.disks_answered
    if not observation.not_listed and (
        not disks_answered or all(wipe.disk_id in observation.disks for wipe in job.disks)
    ):
        return changed(job, missing_reads=0, missing_since=None)
    if observation.not_listed:
        job = changed(job, instance_status="")  # what the last observation did not show is not reported
    since = observation.at if job.missing_since is None else job.missing_since
    job = replace(job, missing_reads=job.missing_reads + 1, missing_since=since)
    if job.missing_reads < SETTLING_READS or observation.at - since < SETTLING_TIME:
        return job
    what = job.instance_id if observation.not_listed else "a disk of the job"
    return fail(
        job,
        Failure(
            None,
            f"ECS no longer lists {what}: it was released, or these credentials cannot see it.",
            hint="Check in the ECS console whether it still exists.",
        ),
    )


def _evolve_snapshots(job: JobState, observation: Observation) -> JobState:
    if job.touched:
        return job
    if not observation.progressing:
        return close_phase(job, "wait-snapshot", observation.when, "ok")
    if job.snapshot_wait_since is None:
        return replace(open_phase(job, "wait-snapshot", observation.when), snapshot_wait_since=observation.at)
    return job


def _evolve_snapshot_wait(job: JobState, observation: Observation) -> JobState:
    """Turn back if somebody else's snapshot takes too long, or can no longer be observed for that long."""
    since = job.snapshot_wait_since
    if since is None or observation.at - since <= job.limits.snapshot or not is_open(job, "wait-snapshot"):
        return job
    names = ", ".join(snapshot.snapshot_id for snapshot in observation.progressing)
    what = f"The snapshot {names} was still being created" if names else "The run did not see a snapshot of a disk end"
    failure = Failure(
        "DiskCreatingSnapshot",
        f"{what} within --timeout-snapshot." if not names else f"{what} after --timeout-snapshot.",
        hint="Wait until the snapshot is complete, or increase --timeout-snapshot.",
    )
    return close_phase(fail(job, failure), "wait-snapshot", observation.when, "timeout")


def _evolve_unwatched(job: JobState, observation: Observation) -> JobState:
    """Turn back if a machine without StartTime was unobserved for so long that somebody may have used it."""
    if observation.instance is None or observation.instance.start_time is not None:
        return changed(job, watched_at=None)
    before = observation.at if job.watched_at is None else job.watched_at
    gap = observation.at - before > MAX_GAP - lag_of(job)
    if gap and not pending_wipes(job):
        return job  # this counts if the outstanding call turns out to be refused and would be sent again
    job = changed(job, watched_at=max(before, observation.at))
    if not gap:
        return job
    message = f"{job.instance_id} shows no StartTime and was not observed for {observation.at - before:.0f}s, so the "
    message += "run cannot tell whether somebody used it in the meantime."
    return fail(job, Failure(None, message, hint="Make sure that nobody uses it, then check again with --dry-run."))


def _evolve_settling(job: JobState, observation: Observation) -> JobState:
    """Turn back if the minute of the last start does not end: nothing that happens within it would be visible."""
    instance = observation.instance
    if instance is None or is_settled(observation) or not pending_wipes(job):
        return changed(job, unsettled_since=None)
    if job.unsettled_since is None:
        return replace(job, unsettled_since=observation.at)
    if observation.at - job.unsettled_since <= UNSETTLED_LIMIT:
        return job
    at = instance.start_settled_at
    if at is None:
        message = (
            f"{job.instance_id} is Running and shows no StartTime, so a start after this run's stop would not show."
        )
    else:
        clock = (
            f"ECS's clock shows {timestamp(observation.date)}" if observation.date else "ECS does not report its time"
        )
        message = (
            f"A start of {job.instance_id} by somebody else would be visible only after {timestamp(at)}, because "
            f"StartTime has a resolution of one minute, and {clock}."
        )
    return fail(job, Failure(None, message, hint="Nothing was wiped. Check the instance in the ECS console."))


def _evolve_power(job: JobState, status: str, observation: Observation) -> JobState:
    if job.start.state != "none":
        # If ECS does not list the machine, a start is sent before the stop was observed.
        if status == "Stopped" and job.stop.state in ("accepted", "lost"):
            job = close_phase(replace(job, stop=replace(job.stop, state="done")), "stop", observation.when, "ok")
        return _evolve_start(job, status, observation)
    if job.stop.under_way:
        return _evolve_stop(job, status, observation)
    if job.turned_back or job.stop.state == "asked" or not pending_wipes(job):
        return job
    expected = "Stopped" if job.stop.state == "done" else job.power_before
    if status == expected:
        return _evolve_restart(job, observation)
    return fail(
        job,
        Failure(
            None,
            f"{job.instance_id}.Status: {expected} -> {status}: {_user(job)}.",
            hint="Find out who, then check again with --dry-run.",
        ),
    )


def _user(job: JobState) -> str:
    """Return who changed the power of a machine, as far as that is known."""
    if not job.unrecorded_by:
        return "somebody else is using the instance"
    return (
        "somebody else is using the instance, or this run started it itself and could not record that in the journal "
        f"(its earlier holder was {job.unrecorded_by})"
    )


def _evolve_restart(job: JobState, observation: Observation) -> JobState:
    """Turn back if a Stopped machine was started since our stop: what it wrote then is in no snapshot."""
    ours, shown = job.stop, observation.instance.start_time if observation.instance else None
    if ours.state != "done" or ours.start_time is None or shown == ours.start_time:
        return job
    message = f"{job.instance_id}.StartTime: {ours.start_time} -> {shown}: {_user(job)}."
    return fail(job, Failure(None, message, hint="Find out who, then check again with --dry-run."))


def _evolve_stop(job: JobState, status: str, observation: Observation) -> JobState:
    stop = job.stop
    if stop.state == "again" and status in ("Stopping", "Stopped"):
        message = (
            f"{job.instance_id} is {status}, but this run's stop was not carried out: somebody else is stopping it."
        )
        return _stop_failed(job, message, observation.when)
    if status == "Stopped":
        return close_phase(replace(job, stop=replace(stop, state="done")), "stop", observation.when, "ok")
    if status == "Stopping":
        force = _settle_lost(job.force, observation.at, settling(job))  # a power cut that was not done is asked again
        return changed(job, stop=changed(stop, state="accepted", moving=True), force=force)
    started = observation.instance is not None and stop.start_time != observation.instance.start_time
    if status != "Running" or stop.moving or started:
        message = f"{job.instance_id} became {status} instead of Stopped: {_user(job)}."
        return _stop_failed(job, message, observation.when)
    return changed(job, stop=_settle_lost(stop, observation.at, settling(job)))


def _stop_failed(job: JobState, message: str, when: datetime) -> JobState:
    failed = fail(replace(job, stop=replace(job.stop, state="failed")), Failure(None, message))
    return close_phase(failed, "stop", when, "refused")


def _evolve_start(job: JobState, status: str, observation: Observation) -> JobState:
    start = job.start
    if start.state in ("asked", "failed"):
        return job
    if status == "Running":
        return close_phase(replace(job, start=replace(start, state="done")), "start", observation.when, "ok")
    if start.state == "done":
        message = f"{job.instance_id} was Running after its start and is now {status}, but not because of this run."
        return fail(job, Failure(None, message, hint="Find out who or what did that, and start it if it should run."))
    if status == "Starting":
        return changed(job, start=changed(start, state="accepted", moving=True))
    if status == "Stopped" and not start.moving:
        return changed(job, start=_settle_lost(start, observation.at, settling(job)))
    if not start.moving:
        return job
    failure = Failure(None, f"{job.instance_id} became {status} instead of Running.")
    return close_phase(
        fail(replace(job, start=replace(start, state="failed")), failure), "start", observation.when, "refused"
    )


def _settle_lost(step: Step, at: float, through: float) -> Step:
    """Return a lost step as one to send again, once no effect of it was visible for the settling time."""
    if step.state != "lost":
        return step
    step = replace(step, reads=step.reads + 1)
    if step.reads >= SETTLING_READS and at - (step.at or at) >= through:
        return send_again(replace(step, due=at))
    return step


def _evolve_limits(job: JobState, observation: Observation) -> JobState:
    limits, at = job.limits, observation.at
    stop, start = job.stop, job.start
    if _overdue(stop, at, limits.stop) and (is_open(job, "stop") or not job.turned_back):
        failure = _too_late(job, observation, stop, "StopInstance", "--timeout-stop")
        if not stop.answer:
            failure = replace(failure, hint="Nothing was wiped. Check the guest system in the console (VNC).")
        job = close_phase(fail(job, failure), "stop", observation.when, "timeout")
    job = _evolve_snapshot_wait(_evolve_snapshot_limit(job, observation), observation)
    job = _evolve_down(job, observation)
    job = _evolve_wipe_limit(job, observation)
    if _overdue(start, at, limits.start):
        failure = _too_late(job, observation, start, "StartInstance", "--timeout-start")
        job = fail(replace(job, start=replace(start, state="failed")), failure)
        job = close_phase(job, "start", observation.when, "timeout")
    waited = job.turned_back_at is not None and at - job.turned_back_at > limits.start
    unseen = start.state == "done" and not job.instance_status  # since the run was resumed
    if (
        waited
        and (start.state in ("none", "failed") or unseen)
        and not any(wipe.state in ("accepted", "lost") for wipe in job.disks)
    ):
        if not observation.answered:  # it may have changed since the stop
            job = replace(fail(job, _unobserved_failure(observation)), instance_status="")
        job = replace(job, given_up=True)
    return job


def _evolve_down(job: JobState, observation: Observation) -> JobState:
    """Turn back if a machine would be down for longer than its plan says."""
    waiting = pending_wipes(job)
    if not waiting or job.turned_back or not job.stopped_by_us:
        return changed(job, down_since=None)
    if job.down_since is None:
        return replace(job, down_since=observation.at)
    most = job.limits.down_before_wipe(snapshot=bool(job.snapshots))
    if observation.at - job.down_since <= most:
        return job
    return fail(job, _not_in_time(waiting[0], f"{most / 60:.0f} minutes after the stop, which is the limit"))


def _evolve_wipe_limit(job: JobState, observation: Observation) -> JobState:
    """Turn back if half of the limit of all wipes has passed and one was not sent; after all of it, watch none.

    Each wipe that is sent has the other half to end in; one that is sent late would be left in doubt.
    """
    if job.wiping_since is None:
        return job
    waiting, limits, since = pending_wipes(job), job.limits, observation.at - job.wiping_since
    if waiting and not job.turned_back and since > limits.send_wipes:
        when = f"{limits.send_wipes:.0f}s after the first wipe (half of --timeout-reinit; wipes need the rest to end)"
        job = fail(job, _not_in_time(waiting[0], when))
    if since <= limits.reinit:
        return job
    for wipe in job.disks:
        if wipe.state in ("accepted", "lost"):
            disks = tuple(in_doubt(each) if each is wipe else each for each in job.disks)
            failure = unknown_wipe(job, wipe, observation.disks.get(wipe.disk_id))
            job = fail(replace(job, disks=disks), failure)
    return job


def _not_in_time(wipe: Wipe, when: str) -> Failure:
    """Return the failure of a wipe that has waited for as long as wipes may wait."""
    act: ActionName = "ResetDisk" if wipe.snapshot_id else "ReInitDisk"
    waited = "could not be sent" if wipe.refused_since is None else "was refused each time"
    hint = "safe-reinit show lists its calls. Check again with --dry-run once nothing delays them any more."
    return Failure(None, f"{act} of {wipe.disk_id} {waited} until {when}.", action=act, hint=hint)


def _too_late(job: JobState, observation: Observation, step: Step, action: ActionName, limit: str) -> Failure:
    """Return the state in which a limit found the machine, and ECS's last answer if it explains that state."""
    shown = (observation.instance.status if observation.instance else job.instance_status) or "not seen"
    message = f"{job.instance_id} was still {shown} when {limit} had passed."
    if step.refused:
        message += f" ECS refused {action} with {step.refused} until then."
        return Failure(step.refused, message, action=action, hint=error_codes.fix_of(action, step.refused))
    if not step.answer:
        return Failure(None, message)
    message += f" ECS answered {action} with {step.answer}, which does not say whether it was done."
    return Failure(step.answer, message, action=action, hint=error_codes.fix_of(action, step.answer))


def _evolve_snapshot_limit(job: JobState, observation: Observation) -> JobState:
    """Turn back if a safety snapshot takes too long: the machine is down in the meantime."""
    late = [each for each in job.snapshots if _overdue(each.step, observation.at, job.limits.snapshot)]
    if not late or (job.turned_back and not is_open(job, "snapshot")):
        return job
    failure = Failure(
        None,
        f"The safety snapshot of {late[0].disk_id} was not complete ({late[0].progress or 'not shown'}) after "
        "--timeout-snapshot.",
        action="CreateSnapshot",
        hint="Nothing was wiped. Increase --timeout-snapshot.",
    )
    return close_phase(fail(job, failure), "snapshot", observation.when, "timeout")


def _overdue(step: Step, at: float, limit: float) -> bool:
    return step.first_at is not None and step.under_way and at - step.first_at > limit


def _close_reinit(job: JobState, when: datetime) -> JobState:
    states = {wipe.state for wipe in job.disks}
    if states & {"asked", "accepted", "lost"} or (states & {"todo", "resend"} and not job.turned_back):
        return job
    result: PhaseResult = "unknown" if "unknown" in states else "ok" if states == {"done"} else "refused"
    return close_phase(job, "reinit", when, result)


def _credentials_refused(code: str, why: str) -> Failure:
    row = error_codes.lookup(error_codes.EVERY, code)
    meaning = row.meaning if row else f"{why or 'the credentials are refused'}."
    hint = row.fix if row else "Check the credentials."
    hint = f"{hint} Then resume the run with working credentials, if the power state is not as planned."
    return Failure(code, f"ECS refuses all Describe calls now ({code}): {meaning}", hint=hint)
