"""Looking: from target ids to the facts that checks judge, and from a job to what it sees on a tick."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from . import codes, others
from .clock import Clock
from .cloud import Cloud, CloudError, NoCredentials, Refused
from .looker import FEW, Looker, distinct
from .model import (
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
from .retry import Patient

T = TypeVar("T")

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
) -> Facts:
    """Look at everything that a plan for these disks stands on.

    Args:
        again: a plan stands on these facts already, and of the looks at other products these are made once more;
            ``None``: all of them are made.
        ways_back: only what can refuse a call of a plan for many disks is looked at: not the rights, nor who shares the
            downtime, and of snapshots those that are being created and, by disk, this one, which the plan counts on.
        settle: turns ``options``, which are asked for, into those in force: a class of the configuration is matched on
            what ECS shows. Without it they are in force themselves.

    Raises:
        CloudError: a look failed for a reason other than a missing right, also when asked again.

    """
    ask = Patient(clock)
    caller = ask(cloud.caller)
    looker = Looker(cloud, ask, region, options, wanted=frozenset(disk_ids))
    disks = looker.disks(disk_ids)
    now = looker.date or caller.date or clock.now()
    skew = None if cloud.loopback or looker.date is None else (clock.now() - looker.date).total_seconds()
    instances = looker.instances(distinct(disk.instance_id for disk in disks.values()))
    sources = looker.sources(distinct(disk.source_snapshot_id for disk in disks.values() if disk.type == "data"))
    restores = looker.sources([snapshot_id for _, snapshot_id in options.restore])
    images = looker.images(distinct(disk.image_id for disk in disks.values()))
    key_pairs = looker.key_pairs()
    account = caller.shown[0].account
    targets = [
        Target(name, account, region, now, disk, instances.get(disk.instance_id) if disk else None)
        for name, disk in ((each, disks.get(each)) for each in disk_ids)
    ]
    looker.options, guard = settle(targets) if settle else (options, Guard(disks=len(targets)))
    glance = ways_back is not None
    rights = {} if glance else looker.rights(instances.values())
    attached = {} if glance else looker.attached(list(instances))
    if ways_back is None:
        snapshots = looker.snapshots(list(disks))
    else:
        snapshots = looker.snapshots_that_matter(list(disks), ways_back)
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
                **({"ResetDisk": looker.may_reset(disk_id, restore[disk_id])} if disk and disk_id in restore else {}),
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


def observed(at: float, when: datetime, instance: Instance | None, disks: Sequence[DiskFacts]) -> Observation:
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
    )


def tick(cloud: Cloud, clock: Clock, records: Sequence[Record], *, snapshots: bool = False) -> list[Observation]:
    """Look at all open jobs at once: one DescribeDisks and one DescribeInstances for up to 100 ids each.

    A look at snapshots that fails takes the look from the jobs that need it, and from no other.

    Args:
        snapshots: look also for snapshots that are being created, which only matters before a stop.

    Raises:
        CloudError: the look failed; the next tick tries again.

    """
    at, when = clock.time(), clock.now()  # before the looks: what they show is at least as new
    disks = {disk.disk_id: disk for disk in cloud.disks([wipe.disk_id for job in records for wipe in job.disks]).shown}
    found = cloud.instances([job.instance_id for job in records])
    instances = {instance.instance_id: instance for instance in found.shown}
    progressing = _answer(lambda: _progressing(cloud, records) if snapshots else {})
    ids = [name for job in records for name in _safety_of(job)]
    safety = _answer(lambda: {shot.snapshot_id: shot for shot in cloud.snapshots(ids).shown} if ids else {})

    def of(job: Record) -> Observation:
        if isinstance(progressing, CloudError) and not job.touched:
            return unseen(at, when, progressing)
        if isinstance(safety, CloudError) and _safety_of(job):
            return unseen(at, when, safety)
        growing = {} if isinstance(progressing, CloudError) else progressing
        taken = {} if isinstance(safety, CloudError) else safety
        return Observation(
            at=at,
            when=when,
            seen=True,
            instance=instances.get(job.instance_id),
            disks={wipe.disk_id: disks[wipe.disk_id] for wipe in job.disks if wipe.disk_id in disks},
            progressing=tuple(shot for wipe in job.disks for shot in growing.get(wipe.disk_id, ())),
            snapshots={
                each.snapshot_id: taken[each.snapshot_id] for each in job.snapshots if each.snapshot_id in taken
            },
            date=found.date,
        )

    return [of(job) for job in records]


def unseen(at: float, when: datetime, failed: Exception) -> Observation:
    """Give what a look shows that failed: nothing, or that the credentials are refused."""
    refused = None
    if isinstance(failed, NoCredentials):
        refused = "NoCredentials"
    elif isinstance(failed, Refused) and codes.of_credentials(failed.code):
        refused = failed.code
    return Observation(at, when, seen=False, credentials_refused=refused)


def _answer(question: Callable[[], T]) -> T | CloudError:
    try:
        return question()
    except CloudError as failed:
        return failed


def _safety_of(job: Record) -> list[str]:
    """Name the safety snapshots that a wipe is still to come for."""
    if job.turned_back or all(wipe.state != "todo" for wipe in job.disks):
        return []
    return [each.snapshot_id for each in job.snapshots if each.snapshot_id]


def _progressing(cloud: Cloud, records: Sequence[Record]) -> dict[str, list[Snapshot]]:
    """Find the snapshots that are being created of the jobs that have not been touched yet."""
    disk_ids = [wipe.disk_id for job in records if not job.touched for wipe in job.disks]
    if len(disk_ids) > FEW:
        listing = cloud.list_snapshots(len(disk_ids), "progressing")
        if listing.complete:
            found: dict[str, list[Snapshot]] = {}
            for shot in listing.shown:
                found.setdefault(shot.source_disk_id, []).append(shot)
            return found
    return {disk_id: list(cloud.snapshots_of(disk_id, "progressing").shown) for disk_id in disk_ids}
