"""What of a job is described next, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..model import Action, JobState, Observation, Wait
from .steps import outstanding, steps_of

TICK = 2.0
"""Cloud seconds between two observations at least, unless something was just done."""
_LONGER = 0.24
"""How much longer a wait has taken at each observation than at the one before, where nothing is known of it."""
_LONGER_STARTING = 0.5
"""The same of a start: the machine is up as early, however late that is observed."""
_CLOSER = 0.07
"""The same once it has taken about as long as usual."""
_SOON = 0.9
"""The part of its usual time after which a wait is worth an observation."""
_AT_LEAST = 16.0
"""Cloud seconds after which a job is observed again whatever is expected: with a tick less than breaks the fence."""
_WITHOUT_START_TIME = 11.0
"""The same of a machine that shows no StartTime: only observations tell that nobody uses it, and they may lag."""
_UNDER_WAY = 45.0
"""The same where ECS is at work on what it accepted, which no fence guards."""
_IN_DOUBT = 6.0
"""The same where an answer is outstanding or was lost: a third of what breaks the fence."""


@dataclass(frozen=True)
class Needs:
    """Which Describe calls a job needs next."""

    instance: bool
    """DescribeInstances."""
    disks: bool
    """DescribeDisks."""
    progressing: bool = False
    """DescribeSnapshots: which snapshots of its disks are being created."""


_BOTH, _INSTANCE, _DISKS = Needs(instance=True, disks=True), Needs(instance=True, disks=False), Needs(False, True)
_BEFORE = Needs(instance=True, disks=True, progressing=True)


def needs(job: JobState) -> Needs:
    """Return what of a job is to be described next.

    Before anything is touched: all. While it stops or starts: its instance. While a wipe is still to come, or its
    answer is outstanding or was lost: both. Once every wipe was accepted: its disks.
    """
    if not job.touched:
        return _BEFORE
    if job.start.state != "none" or job.stop.state == "asked" or job.stop.under_way:
        return _INSTANCE
    if any(wipe.pending or wipe.state in ("asked", "lost") for wipe in job.disks):
        return _BOTH
    return _DISKS if any(wipe.state == "accepted" for wipe in job.disks) else _INSTANCE


def waits_for(job: JobState) -> tuple[str, float] | None:
    """Return what a job waits for that ECS has accepted, and since when; ``None`` where an observation must say."""
    for phase, step in (("start", job.start), ("stop", job.stop)):
        if step.state not in ("none", "done"):
            return (phase, step.at) if step.state == "accepted" and step.at is not None else None
    at = [wipe.at for wipe in job.disks if wipe.state == "accepted" and wipe.at is not None]
    return ("reinit", max(at)) if at and all(wipe.state in ("accepted", "done") for wipe in job.disks) else None


def is_doubtful(job: JobState) -> bool:
    """Return whether an answer is outstanding, or was lost and the outcome is still open."""
    lost = any(each.state == "lost" for each in (job.stop, job.force, job.start))
    return outstanding(job) or lost or any(wipe.state != "done" and wipe.losses for wipe in job.disks)


def patience(job: JobState) -> float:
    """Return for how many cloud seconds a job may go unobserved."""
    if is_doubtful(job):
        return _IN_DOUBT
    if waits_for(job):
        return _UNDER_WAY
    return _AT_LEAST if job.watched_at is None else _WITHOUT_START_TIME


def next_at(job: JobState, observation: Observation, action: Action, usual: Mapping[str, float]) -> float:
    """Return when a job is to be described again after an observation, in cloud seconds.

    How long ECS takes is not documented. Where it is known from other jobs or earlier runs, a wait is observed about
    then; else the interval grows with the wait. It does not while the lag of Describe calls is sampled by our own
    stop, while an accepted wipe does not show yet, which is its quickest proof, nor while an outcome is in doubt.

    Args:
        job: its state.
        observation: what was observed.
        action: what was decided on it.
        usual: by phase the shortest time that it took before, in cloud seconds.

    """
    at, need = observation.at, needs(job)
    sampled = job.stop.state != "accepted" or job.stop.moving
    shown = all(wipe.reiniting or wipe.resetting for wipe in job.disks if wipe.state == "accepted")
    unseen = not observation.seen or observation.disks_unanswered
    if not isinstance(action, Wait) or unseen or not sampled or not shown or is_doubtful(job):
        return at + TICK
    if need.instance > observation.instance_asked or need.disks > observation.disks_asked:
        return at  # what is needed now was not asked for, and the machine may be down meanwhile
    if action.phase == "wait-start":  # how long that takes is known
        return at + min(max(TICK, action.limit), patience(job))
    elapsed, expected = at - action.since, usual.get(action.phase)
    longer = _LONGER_STARTING if action.phase == "start" else _LONGER
    interval = longer * elapsed if expected is None else max(_SOON * expected - elapsed, _CLOSER * elapsed)
    return min(at + min(max(TICK, interval), patience(job)), max(at + TICK, _due_after(job, at)))


def _due_after(job: JobState, at: float) -> float:
    """Return when the next call is due that is sent again, or cuts the power: nothing waits for an observation then."""
    due = [step.due for step in steps_of(job) if step.pending and step.due is not None]
    due += [wipe.due for wipe in job.disks if wipe.pending and wipe.due is not None]
    cut_after, stop = job.limits.force_stop_after, job.stop
    if cut_after is not None and stop.state == "accepted" and stop.first_at is not None:
        due.append(stop.first_at + cut_after)
    return min((each for each in due if each > at), default=math.inf)
