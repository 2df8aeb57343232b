"""Observes jobs: for each only what it needs next, and what a round of Describe calls shows of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..clock import Clock
from ..cloud.interface import Cloud
from ..cloud.retry import Once
from ..core.polling import Needs, needs
from ..core.wipes import open_resets
from ..model import JobState, Observation, SafetySnapshot, Snapshot, Unseen
from ..planning.describe import ONE_BY_ONE_LIMIT, Round

WHOLE = Needs(instance=True, disks=True)
"""What can change for a job while all its facts are being read."""
_WATCHED = Needs(instance=True, disks=False)
"""What shows that somebody uses a machine."""


def observe_jobs(
    cloud: Cloud, clock: Clock, jobs: Sequence[JobState], *, watched: Sequence[JobState] = (), whole: bool = False
) -> list[Observation]:
    """Observe these jobs in one round of Describe calls, each of which is made once.

    A failed call takes from each job only what it would have shown: without its instance a job is not seen, but without
    its disks it can still get its power back.

    Args:
        cloud: who is asked.
        clock: the clock of the observations.
        jobs: their states.
        watched: the states of more jobs, for which only the instance is observed; their observations come last.
        whole: observe the instance and the disks of each, even if it needs only one of them; but no snapshots in
            progress and no roll-backs, which only matter before a stop and after a wipe.

    """
    described = Round(cloud, clock, Once(), tolerant=True)
    needed = [(job, WHOLE if whole else needs(job)) for job in jobs]
    needed += [(job, _WATCHED) for job in watched]
    described.describe_disks(wipe.disk_id for job, need in needed if need.disks for wipe in job.disks)
    described.describe_instances(job.instance_id for job, need in needed if need.instance)
    described.describe_snapshots(safety_snapshot_ids(jobs))
    described.describe_progressing([wipe.disk_id for job, need in needed if need.progressing for wipe in job.disks])
    if not whole:
        resets = open_resets(jobs)[:ONE_BY_ONE_LIMIT]  # those whose end is proven are no longer in the list
        described.dry_run_resets({wipe.disk_id: wipe.snapshot_id for wipe in resets})
    described.ask_all()
    answered_at = clock.time()
    return [observation_of(described, job, need, answered_at) for job, need in needed]


def observation_of(described: Round, job: JobState, need: Needs, answered_at: float) -> Observation:
    """Return what a round shows of one job; nothing counts as seen without an answer that could be read.

    Args:
        described: the round.
        job: the state of the job.
        need: what was asked for the job.
        answered_at: when its last answer arrived (cloud seconds).

    """
    disk_ids = [wipe.disk_id for wipe in job.disks]
    safety = {each.snapshot_id: _listed(described, each) for each in _pending_safety(job)}
    without_disks = _missing(described, "DescribeDisks", disk_ids, described.disks) if need.disks else None
    missing = without_disks
    if need.instance:
        missing = _missing(described, "DescribeInstances", [job.instance_id], described.instances)
    unknown = [name for name, shots in safety.items() if shots is None]
    missing = missing or _missing(described, "DescribeSnapshots", unknown, {})
    if need.progressing:
        missing = missing or _missing(described, "DescribeSnapshots", disk_ids, described.progressing)
    if missing is not None:
        return Observation(
            described.at,
            described.when,
            answered=False,
            credentials_refused=missing.credentials_refused,
            answered_at=answered_at,
            why=missing.missing_text,
        )
    disks = {each: described.disks.get(each) for each in disk_ids if need.disks}
    return Observation(
        at=described.at,
        when=described.when,
        answered=True,
        instance=described.instances[job.instance_id] if need.instance else None,
        disks={each: disk for each, disk in disks.items() if disk is not None},
        progressing=tuple(shot for each in disk_ids if need.progressing for shot in described.progressing[each]),
        snapshots={name: shot for name, shots in safety.items() for shot in shots or ()},
        date=described.dates[job.instance_id] if need.instance else None,
        answered_at=answered_at,
        disks_answered=need.disks and without_disks is None,
        instance_requested=need.instance,
        disks_requested=need.disks,
        why="" if without_disks is None else without_disks.missing_text,
        resets={each: described.resets[each] for each in disk_ids if each in described.resets},
    )


def safety_snapshot_ids(jobs: Sequence[JobState]) -> list[str]:
    """Return the ids of the safety snapshots of disks whose wipe is still to come."""
    return [each.snapshot_id for job in jobs for each in _pending_safety(job)]


def _pending_safety(job: JobState) -> Iterator[SafetySnapshot]:
    if not job.turned_back and any(wipe.pending for wipe in job.disks):
        yield from (each for each in job.snapshots if each.snapshot_id)


def _listed(described: Round, safety: SafetySnapshot) -> Sequence[Snapshot] | None:
    """Return the snapshot, an empty one if ECS does not list it, and ``None`` if it was not seen."""
    name, disk_id = safety.snapshot_id, safety.disk_id
    if name in described.snapshots:
        shot = described.snapshots[name]
        return () if shot is None else (shot,)
    of_disk = described.snapshots_of.get(disk_id, described.progressing.get(disk_id, ()))
    listed = [shot for shot in of_disk if shot.snapshot_id == name]
    return listed if listed or disk_id in described.snapshots_of else None


def _missing(described: Round, action: str, ids: Sequence[str], entries: Mapping[str, Any]) -> Unseen | None:
    """Return why one of these is not seen, if so."""
    return next((described.why_unseen(action, each) for each in ids if each not in entries), None)
