"""The order of a run and all its guards: what to do next, from the state of a job and an observation. Pure.

    wait for snapshots -> (TagResources) -> StopInstance -> wait -> (CreateSnapshot -> wait)
    -> ReInitDisk, or ResetDisk in an undo -> wait for the proof -> StartInstance -> wait -> (UntagResources)

What never happens: a wipe once a start is intended, on an instance that is not Stopped, on a disk that is not In_use on
it, before the safety snapshot that was promised is accomplished, after an error or an interruption, or a second time
unless the first is proven not done or the fence proves that nobody has used the machine since. A start while the
outcome of any disk is in doubt. Anything while the answer to a call is outstanding.
"""

from __future__ import annotations

from ..model import Action, Command, Finish, JobState, Observation, PhaseName, Step, Wait, Wipe
from .snapshots import bears_tag, is_backed_up, may_hide_tag
from .state import SETTLING_TIME, UNSETTLED_LIMIT, is_current, is_pending, is_settled
from .steps import outstanding
from .wipes import is_watched


def decide(job: JobState, observation: Observation) -> Action:
    """Return the next action of a job; its state already includes the observation."""
    action = _decide(job, observation)
    if not isinstance(action, Finish):
        return action
    if not observation.instance_requested and job.tried:
        return _wait(job, "an observation", observation)  # no job ends without an observation of its machine
    return _untag(job, observation)


def _decide(job: JobState, observation: Observation) -> Action:
    outdated = observation.answered and not is_current(job, observation)  # it may date from before the answer
    if job.given_up or (job.gone and not outdated) or (job.turned_back and not job.tried):
        return Finish()
    if outstanding(job):
        return _wait(job, "an answer", observation)
    in_doubt = any(wipe.in_doubt and wipe.state != "unknown" for wipe in job.disks)
    unknown = any(wipe.state == "unknown" for wipe in job.disks)
    given_up = job.start.state == "failed" and job.instance_status != ""  # its present state is observed once more
    back = job.start.state == "done" and job.instance_status != ""
    if (unknown and not in_doubt) or back or given_up:
        return Finish()
    if observation.not_listed and _may_start_unlisted(job, observation):
        return Command("StartInstance", job.instance_id)
    if not observation.answered or observation.instance is None or not is_current(job, observation):
        unseen = not observation.answered and _may_start_unseen(job, observation.at)
        return Command("StartInstance", job.instance_id) if unseen else _wait(job, "an observation", observation)
    if in_doubt and not _next_wipes(job):
        return _wait(job, "In_use", observation)
    if job.start.state != "none":
        return _starting(job, observation.instance.status, observation)
    if _next_wipes(job):
        return _towards_the_wipe(job, observation.instance.status, observation)
    return _power_back(job, observation.instance.status, observation)


def _may_start_unseen(job: JobState, at: float) -> bool:
    """Return whether to send a pending start although ECS does not show the instance, once our stop was observed."""
    pending = job.stop.state == "done" and job.promised == "Running" and not _next_wipes(job)
    known = job.instance_status == "Stopped" and not any(wipe.in_doubt for wipe in job.disks)
    long_unseen = job.unseen_since is not None and at - job.unseen_since >= SETTLING_TIME
    return pending and known and long_unseen and _is_due(job.start, at)


def _may_start_unlisted(job: JobState, observation: Observation) -> bool:
    """Return whether to send a pending start although ECS does not list the machine: only NotFound proves it gone."""
    pending = job.stopped_by_us and job.promised == "Running" and not _next_wipes(job)
    unlisted = job.missing_since is not None and observation.at - job.missing_since >= SETTLING_TIME
    in_doubt = any(wipe.in_doubt for wipe in job.disks)
    return pending and unlisted and not in_doubt and is_current(job, observation) and _is_due(job.start, observation.at)


def _untag(job: JobState, observation: Observation) -> Action:
    """Return the call that removes the lock tag at the end; while anything is pending, the tag stays to be seen."""
    untag, pending = job.untag, is_pending(job)
    if job.tag.tries == 0 or pending or outstanding(job) or untag.state in ("done", "failed"):
        return Finish()
    unseen_since = None if observation.answered else job.unseen_since  # if only the disks are not seen, it can be tried
    tried_since = unseen_since if untag.first_at is None else untag.first_at
    if tried_since is not None and observation.at - tried_since > job.limits.retry:
        return Finish()  # a tag that stays changes no data, and the report names it
    if may_hide_tag(job, observation):
        return _wait(job, "the tag", observation)
    if not observation.answered or not _is_due(untag, observation.at):
        return _wait(job, "an observation" if not observation.answered else "the next try", observation)
    return Command("UntagResources", job.instance_id) if bears_tag(job, observation) else Finish()


def _next_wipes(job: JobState) -> list[Wipe]:
    """Return the wipes that may still be sent: none after an error or once a start is intended."""
    hopeless = job.turned_back or any(wipe.state in ("unknown", "refused") for wipe in job.disks)
    if hopeless or job.start.state != "none":
        return []
    return [wipe for wipe in job.disks if wipe.pending]


def _towards_the_wipe(job: JobState, status: str, observation: Observation) -> Action:
    if observation.disks_unanswered:
        return _wait(job, "an observation", observation)
    if observation.progressing and not job.touched:
        return _wait(job, "the snapshot", observation)
    if status in ("Running", "Stopped") and not is_settled(observation):
        return _wait_for_the_minute(observation)
    if job.tag_value and job.tag.state != "done":
        due = _is_due(job.tag, observation.at)
        return Command("TagResources", job.instance_id) if due else _wait(job, "the tag", observation)
    if status == "Running":
        return _stop(job, observation) if job.may_stop else Finish()
    if status == "Stopping" and _force_due(job, observation.at):
        return Command("StopInstance", job.instance_id, force=True)
    if status == "Stopped" and (job.power_before == "Stopped" or job.stop.state == "done"):
        return _on_the_stopped(job, observation)
    return _wait(job, "Stopped", observation)


def _on_the_stopped(job: JobState, observation: Observation) -> Action:
    """Return the next call on a Stopped machine: first the safety snapshots, then the wipes."""
    tried = {wipe.disk_id for wipe in job.disks if wipe.tries}  # a snapshot of these would come too late
    for safety in job.snapshots:
        if _is_due(safety.step, observation.at) and safety.disk_id not in tried:
            return Command("CreateSnapshot", safety.disk_id)
    if any(safety.step.state != "done" for safety in job.snapshots):
        return _wait(job, "accomplished", observation)
    for wipe in _next_wipes(job):
        if _may_wipe(job, wipe, observation) and _fence_holds(job, wipe, observation):
            return Command("ResetDisk" if wipe.snapshot_id else "ReInitDisk", wipe.disk_id)
    return _wait(job, "the next try", observation)


def _wait_for_the_minute(observation: Observation) -> Wait:
    """Return how long to wait until any further start would be visible: StartTime has a resolution of one minute."""
    over, date = observation.instance.start_settled_at if observation.instance else None, observation.date
    left = UNSETTLED_LIMIT if over is None or date is None else (over - date).total_seconds()
    return Wait("wait-start", "30s after the minute of the last start", observation.at, min(left, UNSETTLED_LIMIT))


def _is_due(step: Step, at: float) -> bool:
    """Return whether to send a call, for the first time or again."""
    return step.state == "none" or (step.pending and (step.due or 0.0) <= at)


def _may_wipe(job: JobState, wipe: Wipe, observation: Observation) -> bool:
    disk = observation.disks.get(wipe.disk_id)
    due = wipe.due is None or wipe.due <= observation.at
    there = disk is not None and disk.status == "In_use" and disk.instance_id == job.instance_id
    there = there or not observation.disks_requested  # the recheck before the call shows them
    return due and there and is_backed_up(job, wipe.disk_id, observation)


def _fence_holds(job: JobState, wipe: Wipe, observation: Observation) -> bool:
    """Return whether to send a wipe again after a lost answer: only if nobody can have used the machine since."""
    if not wipe.losses and wipe.state != "resend":
        return True
    fence, instance, disk = wipe.fence, observation.instance, observation.disks.get(wipe.disk_id)
    if fence is None or instance is None or disk is None or wipe.used:
        return False
    same = instance.start_time == fence.start_time and disk.attached_time == fence.attached_time
    return same and is_watched(wipe, job)


def _stop(job: JobState, observation: Observation) -> Action:
    stop = job.stop
    if _is_due(stop, observation.at):
        return Command("StopInstance", job.instance_id)
    return _wait(job, "Stopped", observation)


def _force_due(job: JobState, at: float) -> bool:
    """Return whether the graceful stop has taken as long as it may before the power cut that was asked for."""
    after, stop, force = job.limits.force_stop_after, job.stop, job.force
    if after is None or stop.state != "accepted" or stop.first_at is None:
        return False
    return at - stop.first_at >= after and _is_due(force, at)


def _power_back(job: JobState, status: str, observation: Observation) -> Action:
    """Return the call that restores the power; every wipe has ended here. What others stopped, others must start."""
    if job.stop.state in ("accepted", "lost"):
        return _wait(job, "Stopped", observation)
    if status == "Stopped" and job.stop.state == "done" and job.promised == "Running":
        return Command("StartInstance", job.instance_id)
    if status == "Starting" and job.stopped_by_us and job.promised == "Running":  # somebody has started it just now
        return _wait(job, "Running", observation)
    return Finish()


def _starting(job: JobState, status: str, observation: Observation) -> Action:
    ours = job.stop.state == "done" and job.promised == "Running"
    if status == "Stopped" and _is_due(job.start, observation.at) and ours:
        return Command("StartInstance", job.instance_id)
    return _wait(job, "Running", observation)


def waiting(job: JobState, observation: Observation) -> Wait:
    """Return the wait of a job whose next call is decided but cannot be sent yet."""
    return _wait(job, "the next try", observation)


def _wait(job: JobState, what: str, observation: Observation) -> Wait:
    """Return the wait of the phase that the job is in."""
    since: float | None
    phase: PhaseName
    if job.start.state != "none":
        phase, since = "start", job.start.first_at
    elif any(wipe.tries for wipe in job.disks):
        began = [wipe.at for wipe in job.disks if wipe.at is not None]
        phase, since = "reinit", min(began, default=None)
    elif any(safety.step.tries for safety in job.snapshots):
        begun = [safety.step.first_at for safety in job.snapshots if safety.step.first_at is not None]
        phase, since = "snapshot", min(begun, default=None)
    elif job.stop.state != "none":
        phase, since = "stop", job.stop.first_at
        if job.turned_back_at is not None:  # its time is over, or the job waits for the start instead
            since = job.turned_back_at
    elif job.snapshot_wait_since is not None and observation.progressing:
        phase, since = "wait-snapshot", job.snapshot_wait_since
    else:
        phase, since = "reinit" if job.power_before == "Stopped" else "stop", None
    return Wait(phase, what, observation.at if since is None else since)
