"""How an observation changes the safety snapshots and the lock tag of a job."""

from __future__ import annotations

from ..model import LOCK_TAG, Failure, JobState, Observation, SafetySnapshot, Step
from .state import SETTLING_READS, close_phase, fail, replace, settling
from .steps import with_safety


def evolve_tag(job: JobState, observation: Observation) -> JobState:
    """Return the state after an observation of the tags: whether the instance has the tag of this run.

    The tag counts once it has been shown for the whole settling time. If another run checked just before the tag was
    set, it overwrites the tag within that time, and then only that run continues.
    """
    if not job.tag_value or observation.instance is None or not _is_wipe_pending(job):
        return job
    shown = dict(observation.instance.tags).get(LOCK_TAG)
    tag = job.tag
    if tag.state == "asked" or (tag.at is not None and observation.at < tag.at):
        return job  # this observation may be older than the effect of our call
    if shown not in (None, job.tag_value):
        message = f"{job.instance_id} has the tag {LOCK_TAG} of another run, {shown}."
        hint = f"Nothing was wiped. See that run with safe-reinit show {shown}, on the host where it runs."
        return fail(replace(job, tag=replace(tag, state="failed")), Failure(None, message, hint=hint))
    if shown and _unsure(tag):
        return replace(job, tag=_settled(replace(tag, reads=tag.reads + 1), observation.at, settling(job)))
    if shown is None and (tag.state == "done" or tag.reads):
        message = f"Somebody removed the tag {LOCK_TAG} from {job.instance_id}."
        hint = "Find out who, then check again with --dry-run."
        return fail(replace(job, tag=replace(tag, state="failed")), Failure(None, message, hint=hint))
    if tag.state == "accepted" and observation.at - (tag.at or observation.at) > job.limits.retry:
        message = f"ECS accepted the tag {LOCK_TAG} for {job.instance_id}, but does not show it."
        return fail(job, Failure(None, message, hint="Check the instance's tags in the ECS console."))
    return job


def _settled(tag: Step, at: float, through: float) -> Step:
    settled = tag.reads >= SETTLING_READS and at - (at if tag.at is None else tag.at) >= through
    return replace(tag, state="done" if settled else "accepted", due=None)


def evolve_safety_snapshots(job: JobState, observation: Observation) -> JobState:
    """Return the state after an observation of the safety snapshots; one that failed or is gone ends the job."""
    if not _is_wipe_pending(job):
        return job
    for safety in job.snapshots:
        if safety.snapshot_id and safety.step.state in ("accepted", "done") and not job.turned_back:
            job = _evolve_snapshot(job, safety, observation)
    if job.snapshots and all(each.step.state == "done" for each in job.snapshots):
        return close_phase(job, "snapshot", observation.when, "ok")
    return job


def _evolve_snapshot(job: JobState, safety: SafetySnapshot, observation: Observation) -> JobState:
    shown = observation.snapshots.get(safety.snapshot_id)
    step = safety.step
    if step.at is not None and observation.at < step.at:
        return job  # this observation may be older than the answer
    if shown is None:
        step = replace(step, reads=step.reads + 1)
        gone = step.reads >= SETTLING_READS and observation.at - (step.at or observation.at) >= settling(job)
        why = "is not shown by ECS"
    else:
        progressing = step.state == "accepted" and shown.status == "progressing"
        state = "done" if shown.status == "accomplished" else step.state
        step = replace(step, state=state, at=observation.at, reads=0)
        safety = replace(safety, progress=shown.progress)
        of_it = shown.source_disk_id == safety.disk_id
        gone = not of_it or (not progressing and shown.status != "accomplished")
        why = f"is {shown.status or 'in no status'}" if of_it else f"was made from {shown.source_disk_id or 'no disk'}"
    if not gone:
        return with_safety(job, replace(safety, step=step))
    message = f"The safety snapshot {safety.snapshot_id} of {safety.disk_id} {why}, so nothing was wiped."
    failed = replace(safety, step=replace(step, state="failed"))
    hint = "Check the snapshot in the ECS console, then try again with --dry-run."
    return close_phase(
        fail(with_safety(job, failed), Failure(None, message, hint=hint)), "snapshot", observation.when, "refused"
    )


def _is_wipe_pending(job: JobState) -> bool:
    """Return whether a wipe is still to come, so that tag and snapshots matter."""
    return not job.turned_back and any(wipe.pending for wipe in job.disks)


def is_backed_up(job: JobState, disk_id: str, observation: Observation) -> bool:
    """Return whether the safety snapshot of a disk, if it gets one, is accomplished and shown as such now."""
    return all(
        each.step.state == "done"
        and each.snapshot_id in observation.snapshots
        and observation.snapshots[each.snapshot_id].status == "accomplished"
        and observation.snapshots[each.snapshot_id].source_disk_id == disk_id
        for each in job.snapshots
        if each.disk_id == disk_id
    )


def bears_tag(job: JobState, observation: Observation) -> bool:
    """Return whether a tag of this run may be on the instance and must be removed."""
    if observation.instance is None or not job.tag.tries:
        return False
    shown = dict(observation.instance.tags).get(LOCK_TAG)
    return shown == job.tag_value or (shown is None and _unsure(job.tag))


def may_hide_tag(job: JobState, observation: Observation) -> bool:
    """Return whether the other run's tag that is shown may date from before ours replaced it."""
    if observation.instance is None or not job.tag.tries or job.tag.at is None:
        return False
    foreign = dict(observation.instance.tags).get(LOCK_TAG) not in (None, job.tag_value)
    return foreign and observation.at - job.tag.at < settling(job)


def leaves_tag(job: JobState, observation: Observation) -> bool:
    """Return whether a job that ends on this observation leaves its tag on the instance, as far as is known."""
    if job.untag.state == "done":
        return False
    if observation.instance is None:  # not seen, or not listed
        return job.tag.tries > 0 and job.tag.state != "failed"
    return bears_tag(job, observation)


def _unsure(tag: Step) -> bool:
    return tag.state == "accepted" or tag.pending
