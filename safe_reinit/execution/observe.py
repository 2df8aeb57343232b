"""Observing jobs: DescribeDisks and DescribeInstances for up to 100 ids each, of each job only what it needs next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from .. import codes
from ..clock import Clock
from ..cloud import Cloud, CloudError, Look, NoCredentials, NotSent, Refused, Unanswered
from ..core.polling import Needs, needs
from ..core.wipes import open_resets
from ..looker import FEW, IDS_A_CALL
from ..model import DiskFacts, Instance, JobState, Observation, Snapshot
from ..parallel import answers, at_once

T = TypeVar("T")

LIMIT = 30.0
"""Real seconds after which an observation counts as not answered, whatever its calls are still waiting for."""


def observe_jobs(cloud: Cloud, clock: Clock, jobs: Sequence[JobState], *, whole: bool = False) -> list[Observation]:
    """Observe these jobs at once, by calls that are made in parallel.

    A call that fails takes from each job what it would have shown, and nothing from any other: without its instance a
    job is not seen, without its disks it can still get its power back.

    Args:
        cloud: who is asked.
        clock: by which the observations are timed.
        jobs: their states.
        whole: see the instance and the disks of each, also where it needs only one; but no snapshot that is being
            created and no roll-back, which only matter before a stop and after a wipe.

    """
    at, when = clock.time(), clock.now()  # before the calls: what they show is at least as new
    needed = [needs(job) for job in jobs]
    growing = (
        [] if whole else list(dict.fromkeys(wipe.disk_id for job in jobs if not job.touched for wipe in job.disks))
    )
    disks = _Part(
        dict.fromkeys(
            wipe.disk_id for job, need in zip(jobs, needed, strict=True) if whole or need.disks for wipe in job.disks
        ),
        cloud.disks,
        lambda disk: disk.disk_id,
    )
    machines = _Part(
        dict.fromkeys(job.instance_id for job, need in zip(jobs, needed, strict=True) if whole or need.instance),
        cloud.instances,
        lambda machine: machine.instance_id,
    )
    safety = _Part(
        dict.fromkeys(name for job in jobs for name in _safety_of(job)), cloud.snapshots, lambda shot: shot.snapshot_id
    )
    progressing = _Progressing(cloud, growing)
    parts = (disks, machines, safety, progressing)
    sent = [] if whole else open_resets(jobs)[:FEW]  # those whose end is proven leave the list
    questions: list[Callable[[], Any]] = [question for part in parts for question in part.questions]
    questions += [partial(cloud.may_reset, wipe.disk_id, wipe.snapshot_id) for wipe in sent]
    found: Iterator[Any] = iter(answers(questions, LIMIT))
    for part in parts:
        part.take([next(found) for _ in part.questions])
    reset_of = {wipe.disk_id: code for wipe, code in zip(sent, found, strict=True) if isinstance(code, str)}
    answered_at = clock.time()
    disk_of = {disk.disk_id: disk for disk in disks.shown}
    machine_of = {machine.instance_id: machine for machine in machines.shown}
    snapshot_of = {shot.snapshot_id: shot for shot in safety.shown}

    def of(job: JobState, need: Needs) -> Observation:
        ids, taken = [wipe.disk_id for wipe in job.disks], _safety_of(job)
        instance_asked, disks_asked = whole or need.instance, whole or need.disks
        without_disks = disks.failed_for(ids) if disks_asked else None
        failed = machines.failed_for([job.instance_id]) if instance_asked else without_disks
        failed = failed or safety.failed_for(taken)
        failed = failed or (None if job.touched else progressing.failed_for(ids))
        if failed is not None:
            return unseen(at, when, failed, answered_at)
        return Observation(
            at=at,
            when=when,
            seen=True,
            instance=machine_of.get(job.instance_id) if instance_asked else None,
            disks={each: disk_of[each] for each in ids if each in disk_of} if disks_asked else {},
            progressing=tuple(shot for shot in progressing.shown if shot.source_disk_id in ids),
            snapshots={each: snapshot_of[each] for each in taken if each in snapshot_of},
            date=machines.dates.get(job.instance_id),
            answered_at=answered_at,
            disks_seen=disks_asked and without_disks is None,
            instance_asked=instance_asked,
            disks_asked=disks_asked,
            why="" if without_disks is None else trouble(without_disks),
            resets={each: reset_of[each] for each in ids if each in reset_of},
        )

    return [of(job, need) for job, need in zip(jobs, needed, strict=True)]


def of_facts(
    at: float, when: datetime, answered_at: float, instance: Instance | None, disks: Sequence[DiskFacts]
) -> Observation:
    """Return the observation that the facts of a job's disks are."""
    dates = [each.now for each in disks]
    snapshots = [shot for each in disks for shot in each.snapshots]
    return Observation(
        at=at,
        when=when,
        seen=True,
        instance=instance,
        disks={each.disk.disk_id: each.disk for each in disks if each.disk},
        progressing=tuple(shot for shot in snapshots if shot.status == "progressing"),
        snapshots={shot.snapshot_id: shot for shot in snapshots},
        date=min(dates, default=None),
        answered_at=answered_at,
    )


class _UnreadableError(Unanswered):
    """The answer came, and what it says of one thing cannot be read."""


@dataclass
class _Part(Generic[T]):
    """One kind of thing that a tick looks at: by id, as many calls as it takes."""

    ids: Iterable[str]
    ask: Callable[[Sequence[str]], Look[T]]
    key: Callable[[T], str]
    shown: list[T] = field(default_factory=list)
    failed: dict[str, CloudError] = field(default_factory=dict)
    """By the id that was asked for: why nothing of it is seen."""
    dates: dict[str, datetime | None] = field(default_factory=dict)
    """By the same: the ``Date`` of the answer."""

    def __post_init__(self) -> None:
        self._asked = list(self._calls([each for each in self.ids if each]))

    def _calls(self, ids: list[str]) -> Iterable[list[str]]:
        return (ids[start : start + IDS_A_CALL] for start in range(0, len(ids), IDS_A_CALL))

    @property
    def questions(self) -> list[Callable[[], Look[Any]]]:
        """What is asked, in parallel."""
        return [partial(self.ask, each) for each in self._asked]

    def take(self, found: Sequence[Look[T] | CloudError]) -> None:
        """Take note of the answers; a row that cannot be read is no answer for what it is about."""
        for asked, answer in zip(self._asked, found, strict=True):
            if isinstance(answer, CloudError):
                self.failed |= dict.fromkeys(asked, answer)
                continue
            self.shown += answer.shown
            self.dates |= dict.fromkeys(asked, answer.date)
            missing = set(asked) - {self.key(each) for each in answer.shown}
            for row in answer.unreadable:  # one that names nothing may be any of those that are not shown
                about = set(row.names) & set(asked) if row.subject else missing
                self.failed |= dict.fromkeys(about, _UnreadableError(row.action, row.why))

    def failed_for(self, ids: Sequence[str]) -> CloudError | None:
        """Tell why one of these is not seen, if that is so."""
        return next((self.failed[each] for each in ids if each in self.failed), None)


class _Progressing(_Part[Snapshot]):
    """The snapshots that are being created: of a few disks each is asked for, of many the region is listed."""

    def __init__(self, cloud: Cloud, disk_ids: Sequence[str]) -> None:
        self._cloud = cloud
        super().__init__(disk_ids, self._of, lambda _: "")

    def _calls(self, ids: list[str]) -> Iterable[list[str]]:
        return [[each] for each in ids] if len(ids) <= FEW else [ids]

    def _of(self, disk_ids: Sequence[str]) -> Look[Snapshot]:
        if len(disk_ids) > 1:
            listing = self._cloud.list_snapshots(len(disk_ids), "progressing")
            if listing.complete and not any("" in row.owners for row in listing.unreadable):
                return listing
        looks = at_once([partial(self._cloud.snapshots_of, each, "progressing") for each in disk_ids], LIMIT)
        return Look(
            tuple(shot for look in looks for shot in look.shown),
            None,
            unreadable=tuple(row for look in looks for row in look.unreadable),
        )


def unseen(at: float, when: datetime, failed: Exception, answered_at: float | None = None) -> Observation:
    """Give what a look shows that failed: nothing, or that the credentials are refused."""
    refused = None
    if isinstance(failed, NoCredentials):
        refused = "NoCredentials"
    elif isinstance(failed, Refused) and codes.of_credentials(failed.code):
        refused = failed.code
    return Observation(at, when, seen=False, credentials_refused=refused, answered_at=answered_at, why=trouble(failed))


def trouble(failed: Exception) -> str:
    """Say in a few words why ECS was not seen."""
    if isinstance(failed, Refused):
        if codes.throttled(failed.code):
            return f"ECS throttles {failed.action or 'the looks'} ({failed.code})"
        if codes.of_credentials(failed.code):
            return f"ECS refuses the credentials ({failed.code})"
        return f"ECS refuses {failed.action or 'the looks'} ({failed.code})"
    if isinstance(failed, NoCredentials):
        return f"ECS cannot be asked: {failed.why}"
    if isinstance(failed, NotSent):
        return f"ECS cannot be reached ({failed.why})"
    if isinstance(failed, Unanswered):
        if isinstance(failed, _UnreadableError):
            return f"in the answer to {failed.action} {failed.why}"
        return f"ECS does not answer {failed.action}{': ' if failed.why else ''}{failed.why}"
    return "ECS could not be asked"


def _safety_of(job: JobState) -> list[str]:
    """Name the safety snapshots that a wipe is still to come for."""
    if job.turned_back or not any(wipe.pending for wipe in job.disks):
        return []
    return [each.snapshot_id for each in job.snapshots if each.snapshot_id]
