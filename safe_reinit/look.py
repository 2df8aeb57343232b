"""Looking: from target ids to the facts that checks judge, and from a job to what it sees on a tick."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from . import codes, others
from .clock import Clock
from .cloud import Cloud, CloudError, Look, NoCredentials, NotSent, Refused, Unanswered
from .looker import FEW, IDS_A_CALL, PATIENT_LIMIT, Looker, distinct
from .model import (
    Caller,
    DiskFacts,
    Facts,
    Guard,
    Instance,
    Observation,
    Options,
    Record,
    Snapshot,
    Target,
    Unseen,
)
from .parallel import answers, at_once
from .record import open_resets
from .retry import Patient, may_pass

T = TypeVar("T")

LIMIT = 30.0
"""Real seconds after which a look counts as not answered, whatever its calls are still waiting for."""

Settle = Callable[[Sequence[Target]], tuple[Options, Guard]]
"""Says, once the targets are seen, which options hold for them and what is judged of them."""


def observe(  # noqa: PLR0913 - where is looked, at what, and for what
    cloud: Cloud,
    clock: Clock,
    region: str,
    disk_ids: Sequence[str],
    options: Options,
    *,
    again: Collection[str] | None = None,
    ways_back: Mapping[str, str] | None = None,
    settle: Settle | None = None,
    caller_needed: bool = False,
) -> Facts:
    """Look at everything that a plan for these disks stands on.

    Args:
        again: a plan stands on these facts already, and of the looks at other products these are made once more;
            ``None``: all of them are made.
        ways_back: only what can refuse a call of a plan for many disks is looked at: not the rights, nor who shares the
            downtime, and of snapshots those that are being created and, by disk, this one, which the plan counts on.
        settle: turns ``options``, which are asked for, into those in force: a class of the configuration is matched on
            what ECS shows. Without it they are in force themselves.
        caller_needed: whether the look fails where STS does not say whose credentials these are. Else the account is
            not known, which is noted like any look at another product that was not answered.

    Raises:
        CloudError: a look failed for a reason other than a missing right, also when asked again.

    """
    ask = Patient(clock)
    looker = Looker(cloud, ask, region, options, wanted=frozenset(disk_ids))
    caller, disks, restores, key_pairs = _together(
        lambda: ask(cloud.caller) if caller_needed else _caller(cloud, ask if again is None else _once, looker),
        lambda: looker.disks(disk_ids),
        lambda: looker.sources([snapshot_id for _, snapshot_id in options.restore]),
        looker.key_pairs,
    )
    now = looker.date or caller.date or clock.now()
    skew = None if cloud.loopback or looker.date is None else (clock.now() - looker.date).total_seconds()
    instances, sources, images, snapshots = _together(
        lambda: looker.instances(distinct(disk.instance_id for disk in disks.values())),
        lambda: looker.sources(distinct(disk.source_snapshot_id for disk in disks.values() if disk.type == "data")),
        lambda: looker.images(distinct(disk.image_id for disk in disks.values())),
        lambda: (
            looker.snapshots(list(disks)) if ways_back is None else looker.snapshots_that_matter(list(disks), ways_back)
        ),
    )
    account = caller.shown[0].account
    targets = [
        Target(name, account, region, now, disk, instances.get(disk.instance_id) if disk else None)
        for name, disk in ((each, disks.get(each)) for each in disk_ids)
    ]
    looker.options, guard = settle(targets) if settle else (options, Guard(disks=len(targets)))
    glance = ways_back is not None
    rights, attached, resets = _together(
        lambda: {} if glance else looker.rights(instances.values()),
        lambda: {} if glance else looker.attached(list(instances)),
        lambda: looker.resets({each: snapshot_id for each, snapshot_id in options.restore if each in disks}),
    )
    restore = dict(options.restore)

    def facts_of(disk_id: str) -> DiskFacts:
        disk = disks.get(disk_id)
        named = [disk_id, restore.get(disk_id, "")]
        named += [disk.instance_id, disk.source_snapshot_id, disk.image_id] if disk else []
        unseen = [each for name in dict.fromkeys((*named, options.key_pair)) for each in looker.unseen.get(name, ())]
        instance = instances.get(disk.instance_id) if disk else None
        neighbours = attached.get(instance.instance_id, ()) if instance else ()
        return DiskFacts(
            disk_id=disk_id,
            options=looker.options,
            now=now,
            region=region,
            disk=disk,
            instance=instance,
            snapshots=snapshots.get(disk_id, ()),
            source_snapshot=sources.get(disk.source_snapshot_id) if disk else None,
            restore_snapshot=restores.get(restore.get(disk_id, "")),
            image=images.get(disk.image_id) if disk else None,
            key_pairs=key_pairs,
            neighbours=tuple(other for other in neighbours if other.disk_id not in wanted),
            rights={
                **(rights.get(instance.instance_id, {}) if instance else {}),
                **({"ResetDisk": resets[disk_id]} if disk_id in resets else {}),
            },
            unseen=tuple(unseen),
            clock_skew=skew,
            account=account,
            guard=guard,
        )

    wanted = set(disk_ids)
    of_ecs = [facts_of(disk_id) for disk_id in disk_ids]
    also = others.EVERY if again is None else again
    found = others.add(cloud, ask, of_ecs, looker.options, also)
    return Facts(region, caller.shown[0], now, _with_unread(found, looker))


def _caller(cloud: Cloud, ask: Callable[[Callable[[], Look[Caller]]], Look[Caller]], looker: Looker) -> Look[Caller]:
    """Ask STS who the credentials belong to; that it cannot say so now is noted."""
    try:
        return ask(cloud.caller)
    except CloudError as failed:
        if not may_pass(failed):
            raise
        why = f"STS answered {failed.code}" if isinstance(failed, Refused) else getattr(failed, "why", "")
        looker.strange.append(Unseen("GetCallerIdentity", "", "", why or "no readable answer came"))
        return Look((Caller("", "", ""),), None)


def _once(question: Callable[[], T]) -> T:
    """Ask once: a plan stands already, and a machine may be down meanwhile."""
    return question()


def _together(*questions: Callable[[], Any]) -> list[Any]:
    """Put these at once, each of which may be several calls and is patient by itself."""
    return at_once(questions, PATIENT_LIMIT)


def _with_unread(found: Sequence[DiskFacts], looker: Looker) -> tuple[DiskFacts, ...]:
    """Add, once, which rows could not be read though nothing here depends on them."""
    told: list[Unseen] = []

    def of(facts: DiskFacts) -> DiskFacts:
        if facts.disk is None:
            return facts
        new = [each for each in (*looker.besides.get(facts.disk.instance_id, ()), *looker.strange) if each not in told]
        new = [each for each in new if each.subject not in looker.wanted]
        told.extend(new)
        return replace(facts, others=replace(facts.others, unlooked=(*facts.others.unlooked, *new))) if new else facts

    return tuple(of(facts) for facts in found)


def observed(
    at: float, when: datetime, answered_at: float, instance: Instance | None, disks: Sequence[DiskFacts]
) -> Observation:
    """Give of the facts of a job's disks what a tick would have shown."""
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


def tick(
    cloud: Cloud,
    clock: Clock,
    records: Sequence[Record],
    *,
    snapshots: bool = False,
    resets: bool = False,
    late: Callable[[], None] | None = None,
) -> list[Observation]:
    """Look at all open jobs at once: DescribeDisks and DescribeInstances for up to 100 ids each, all in parallel.

    A look that fails takes from each job what it would have shown, and nothing from any other: without its instance a
    job is not seen, without its disks it can still get its power back.

    Args:
        snapshots: look also for snapshots that are being created, which only matters before a stop.
        resets: ask also whether roll-backs that were sent are still in progress.
        late: called once if answers are still missing after a few seconds.

    """
    at, when = clock.time(), clock.now()  # before the looks: what they show is at least as new
    growing = list(dict.fromkeys(wipe.disk_id for job in records if not job.touched for wipe in job.disks))
    disks = _Part(
        dict.fromkeys(wipe.disk_id for job in records for wipe in job.disks), cloud.disks, lambda disk: disk.disk_id
    )
    machines = _Part(
        dict.fromkeys(job.instance_id for job in records), cloud.instances, lambda machine: machine.instance_id
    )
    safety = _Part(
        dict.fromkeys(name for job in records for name in _safety_of(job)),
        cloud.snapshots,
        lambda shot: shot.snapshot_id,
    )
    progressing = _Progressing(cloud, growing if snapshots else [])
    parts = (disks, machines, safety, progressing)
    sent = open_resets(records)[:FEW] if resets else []  # those whose end is proven leave the list
    questions: list[Callable[[], Any]] = [question for part in parts for question in part.questions]
    questions += [partial(cloud.may_reset, wipe.disk_id, wipe.snapshot_id) for wipe in sent]
    found: Iterator[Any] = iter(answers(questions, LIMIT, late=late))
    for part in parts:
        part.take([next(found) for _ in part.questions])
    reset_of = {wipe.disk_id: code for wipe, code in zip(sent, found, strict=True) if isinstance(code, str)}
    answered_at = clock.time()
    disk_of = {disk.disk_id: disk for disk in disks.shown}
    machine_of = {machine.instance_id: machine for machine in machines.shown}
    snapshot_of = {shot.snapshot_id: shot for shot in safety.shown}

    def of(job: Record) -> Observation:
        ids, taken = [wipe.disk_id for wipe in job.disks], _safety_of(job)
        failed = machines.failed_for([job.instance_id]) or safety.failed_for(taken)
        failed = failed or (None if job.touched else progressing.failed_for(ids))
        if failed is not None:
            return unseen(at, when, failed, answered_at)
        without_disks = disks.failed_for(ids)
        return Observation(
            at=at,
            when=when,
            seen=True,
            instance=machine_of.get(job.instance_id),
            disks={each: disk_of[each] for each in ids if each in disk_of},
            progressing=tuple(shot for shot in progressing.shown if shot.source_disk_id in ids),
            snapshots={each: snapshot_of[each] for each in taken if each in snapshot_of},
            date=machines.dates.get(job.instance_id),
            answered_at=answered_at,
            disks_seen=without_disks is None,
            why="" if without_disks is None else trouble(without_disks),
            resets={each: reset_of[each] for each in ids if each in reset_of},
        )

    return [of(job) for job in records]


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


def _safety_of(job: Record) -> list[str]:
    """Name the safety snapshots that a wipe is still to come for."""
    if job.turned_back or all(wipe.state != "todo" for wipe in job.disks):
        return []
    return [each.snapshot_id for each in job.snapshots if each.snapshot_id]
