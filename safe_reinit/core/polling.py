"""What to describe next for a job, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..model import Action, JobState, Observation, Wait
from .steps import outstanding, steps_of

TICK_INTERVAL = 2.0
"""Minimum cloud seconds between two observations, unless a call was just made."""
_FIRST_AFTER = 4.0
"""Cloud seconds until the first observation of a stop or start: nothing ends sooner."""
_LONGER: Mapping[str, float] = {"stop": 0.25, "snapshot": 0.11, "reinit": 0.11, "start": 0.15}
"""By phase: the share of the downtime so far for which a wait may go unobserved.

On average, the end of a wait is seen half an interval late: together 7% of the downtime, however long ECS takes. A stop
is a small part of that, and the one about which least is known; only the report waits for the end of a start.
"""
_LONGER_ALONE = 0.3
"""The same share of the wait itself, if it is not known how long the machine has been down."""
_EXPECTED_FROM, _EXPECTED_UNTIL = 0.9, 2.0
"""From which share of its usual time, and up to which, a wait is expected to end."""
_SPARSER, _CLOSER = 1.3, 0.6
"""How much longer the intervals are before that, and how much shorter during it."""
_MAX_INTERVAL = 16.0
"""Cloud seconds after which a job is observed again in any case; with one tick more, still less than breaks the fence.
"""
_MAX_WITHOUT_START_TIME = 11.0
"""The same for a machine without StartTime: only observations show that nobody uses it, and they may lag."""
_MAX_UNDER_WAY = 45.0
"""The same while ECS works on a call that it accepted, which no fence guards."""
_MAX_STARTING = 90.0
"""The same for a start, for which only the report waits."""
_MAX_IN_DOUBT = 6.0
"""The same while an answer is outstanding or lost: a third of what breaks the fence."""


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
    """Return what to describe next for a job.

    Before anything is touched: everything. While it stops or starts: its instance. While a wipe is still to come, or
    its answer is outstanding or lost: both. Once every wipe was accepted: its disks.
    """
    if not job.touched:
        return _BEFORE
    if job.start.state != "none" or job.stop.state == "asked" or job.stop.under_way:
        return _INSTANCE
    if any(wipe.pending or wipe.state in ("asked", "lost") for wipe in job.disks):
        return _BOTH
    return _DISKS if any(wipe.state == "accepted" for wipe in job.disks) else _INSTANCE


def waits_for(job: JobState) -> tuple[str, float] | None:
    """Return what a job waits for that ECS has accepted, and since when; ``None`` if an observation must tell."""
    for phase, step in (("start", job.start), ("stop", job.stop)):
        if step.state not in ("none", "done"):
            return (phase, step.at) if step.state == "accepted" and step.at is not None else None
    at = [wipe.at for wipe in job.disks if wipe.state == "accepted" and wipe.at is not None]
    return ("reinit", max(at)) if at and all(wipe.state in ("accepted", "done") for wipe in job.disks) else None


def is_doubtful(job: JobState) -> bool:
    """Return whether an answer is outstanding, or was lost and the outcome is still open."""
    lost = any(each.state == "lost" for each in (job.stop, job.force, job.start))
    return outstanding(job) or lost or any(wipe.state != "done" and wipe.losses for wipe in job.disks)


def max_interval(job: JobState) -> float:
    """Return how many cloud seconds a job may go unobserved."""
    if is_doubtful(job):
        return _MAX_IN_DOUBT
    waited = waits_for(job)
    if waited is not None:
        return _MAX_STARTING if waited[0] == "start" else _MAX_UNDER_WAY
    return _MAX_INTERVAL if job.watched_at is None else _MAX_WITHOUT_START_TIME


def next_at(
    job: JobState, observation: Observation, action: Action, usual: Mapping[str, float], down_since: float | None = None
) -> float:
    """Return when to describe a job again after an observation, in cloud seconds.

    How long ECS takes is not documented, and can be anything. The interval grows with the downtime of the machine, so
    that the delay it adds remains the same share of the downtime. It is shorter around the time that the wait took in
    other jobs or earlier runs. It does not grow while our own stop measures the lag of Describe calls, while an
    accepted wipe is not visible yet (seeing it is its quickest proof), or while an outcome is in doubt.

    Args:
        job: its state.
        observation: what was observed.
        action: what was decided on it.
        usual: by phase, the shortest time that it took before, in cloud seconds.
        down_since: when the machine went down, if this process stopped it, in cloud seconds.

    """
    at, need = observation.at, needs(job)
    sampled = job.stop.state != "accepted" or job.stop.moving
    shown = all(wipe.reiniting or wipe.resetting for wipe in job.disks if wipe.state == "accepted")
    unseen = not observation.answered or observation.disks_unanswered
    if not isinstance(action, Wait) or unseen or not sampled or not shown or is_doubtful(job):
        return at + TICK_INTERVAL
    if need.instance > observation.instance_requested or need.disks > observation.disks_requested:
        return at  # what is needed now was not asked for, and the machine may be down in the meantime
    if action.phase == "wait-start":  # it is known how long that takes
        return at + min(max(TICK_INTERVAL, action.left), max_interval(job))
    elapsed = at - action.since
    first = TICK_INTERVAL if elapsed or waits_for(job) is None else _FIRST_AFTER
    interval = max(first, _interval(action.phase, elapsed, at, usual.get(action.phase), down_since))
    return min(at + min(interval, max_interval(job)), max(at + TICK_INTERVAL, _due_after(job, at)))


def first_at(job: JobState, at: float, down_since: float | None) -> float:
    """Return when to describe a job whose call has just been answered, in cloud seconds."""
    waited = waits_for(job)
    if waited is None or waited[0] != "start":
        return at + TICK_INTERVAL
    return at + min(max(_FIRST_AFTER, _interval("start", 0.0, at, None, down_since)), max_interval(job))


def _interval(phase: str, elapsed: float, at: float, usual: float | None, down_since: float | None) -> float:
    """Return how long a wait may go unobserved; see ``next_at``."""
    down_for = None if down_since is None else at - down_since
    interval = _LONGER_ALONE * elapsed if down_for is None else _LONGER.get(phase, _LONGER_ALONE) * down_for
    if usual is None or elapsed >= _EXPECTED_UNTIL * usual:
        return interval
    left, closer = _EXPECTED_FROM * usual - elapsed, _CLOSER * interval
    return closer if left <= 0.0 else min(_SPARSER * interval, max(left, closer))


def _due_after(job: JobState, at: float) -> float:
    """Return when the next repeated call or power cut is due: neither waits for an observation."""
    due = [step.due for step in steps_of(job) if step.pending and step.due is not None]
    due += [wipe.due for wipe in job.disks if wipe.pending and wipe.due is not None]
    cut_after, stop = job.limits.force_stop_after, job.stop
    if cut_after is not None and stop.state == "accepted" and stop.first_at is not None:
        due.append(stop.first_at + cut_after)
    return min((each for each in due if each > at), default=math.inf)
