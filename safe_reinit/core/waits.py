"""What people are told about a wait: what a job waits for, and the limit that applies. It decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..model import Command, JobState, LimitName, Observation, Step, Wait
from .observations import REFUSED_LIMIT
from .steps import limit_of
from .wipes import pending_wipes


@dataclass(frozen=True)
class Limit:
    """A limit of a job, and since when it counts. Times: cloud seconds."""

    since: float
    seconds: float
    of: LimitName


def awaited(wait: Wait, job: JobState) -> str:
    """Return what ECS must show before a job continues: of a call that it has accepted, what that call does."""
    if wait.what != "an observation":
        return wait.what
    if job.start.state != "none":
        return "Running" if job.start.state == "accepted" else wait.what
    states = {wipe.state for wipe in job.disks}
    if "accepted" in states:
        return "In_use"
    if states == {"done"}:
        return "the start"
    if any(each.step.state == "accepted" for each in job.snapshots):
        return "accomplished"
    return "Stopped" if job.stop.state == "accepted" else wait.what


def next_limit(wait: Wait, job: JobState, observation: Observation) -> Limit | None:
    """Return the limit of a job that ends first; ``None`` if the run waits without one."""
    if wait.what in ("other runs", "an answer"):  # a call has a limit of its own, which the run does not know
        return None
    if wait.phase == "wait-start":
        since = wait.since if job.unsettled_since is None else job.unsettled_since
        return Limit(since, wait.since - since + wait.left, "wait")
    return min(_limits(job, observation), key=lambda each: each.since + each.seconds, default=None)


def _limits(job: JobState, observation: Observation) -> Iterator[Limit]:
    """Yield the limits that count now: those that ``observations`` and ``answers`` end a wait at."""
    limits, wiping = job.limits, any(wipe.state in ("accepted", "lost") for wipe in job.disks)
    if job.turned_back_at is not None and job.start.state == "none" and not wiping:
        yield Limit(job.turned_back_at, limits.start, "wait")
    if job.start.under_way:
        yield from _of(job.start, limits.start)
    if job.wiping_since is not None and wiping:
        yield Limit(job.wiping_since, limits.reinit, "wait")
    if job.untag.tries:
        yield from _of(job.untag, limits.retry, "retries")
    if job.turned_back or not pending_wipes(job):
        return
    if job.wiping_since is not None:
        yield Limit(job.wiping_since, limits.send_wipes, "sending")
    yield from _before_the_wipes(job, observation)


def _before_the_wipes(job: JobState, observation: Observation) -> Iterator[Limit]:
    limits, stop, cut_after = job.limits, job.stop, job.limits.force_stop_after
    if job.snapshot_wait_since is not None and not job.touched:
        yield Limit(job.snapshot_wait_since, limits.snapshot, "wait")
    if stop.under_way:
        yield from _of(stop, limits.stop, "retries" if stop.pending else "wait")
    if cut_after is not None and stop.state == "accepted" and job.force.state == "none":
        yield from _of(stop, cut_after, "graceful-stop")
    yield from _of_snapshots(job)
    if job.tag.under_way:
        yield from _of(job.tag, limits.retry, "retries" if job.tag.pending else "wait")
    if job.down_since is not None:
        yield Limit(job.down_since, limits.down_before_wipe(snapshot=bool(job.snapshots)), "downtime")
    if job.stuck_since is not None:
        yield Limit(job.stuck_since, limits.retry, "retries")
    if job.unseen_since is not None:
        refused = observation.credentials_refused and not job.tried
        yield Limit(job.unseen_since, REFUSED_LIMIT if refused else limits.retry, "silence")


def _of_snapshots(job: JobState) -> Iterator[Limit]:
    for each in job.snapshots:
        if each.step.state == "accepted":
            yield from _of(each.step, job.limits.snapshot)
        elif each.step.pending:
            most = limit_of(job, Command("CreateSnapshot", each.disk_id), each.step.refused)
            yield from _of(each.step, most, "retries")


def _of(step: Step, seconds: float, of: LimitName = "wait") -> Iterator[Limit]:
    if step.first_at is not None:
        yield Limit(step.first_at, seconds, of)
