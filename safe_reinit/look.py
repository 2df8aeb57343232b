"""Looking: from target ids to the facts that checks judge, and from a job to what it sees on a tick."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from . import others
from .clock import Clock
from .cloud import Cloud, CloudError, Look, Refused
from .looker import PATIENT_LIMIT, Looker, distinct
from .model import (
    Caller,
    DiskFacts,
    Facts,
    Guard,
    Instance,
    Options,
    Target,
    Unseen,
)
from .parallel import at_once
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
        lambda: {} if glance else looker.attached(_sharing(instances, begun=again is not None)),
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


def _sharing(instances: Mapping[str, Instance], *, begun: bool) -> list[str]:
    """List the instances whose other disks matter: a plan shows them, and later only a stop concerns them."""
    return [each for each, instance in instances.items() if not begun or instance.status == "Running"]


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
