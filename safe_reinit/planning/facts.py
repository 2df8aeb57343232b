"""Turns disk ids into the facts that checks read: before a plan is made, and again before each of its calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from ..cloud.interface import Refused
from ..model import (
    Disk,
    DiskFacts,
    Facts,
    Guard,
    Instance,
    Options,
    OtherProducts,
    Snapshot,
    TargetFacts,
    Unseen,
    error_codes,
)
from . import other_products
from .describe import IDS_PER_CALL, ONE_BY_ONE_LIMIT, Round, distinct

Settle = Callable[[Sequence[TargetFacts]], tuple[Options, Guard]]
"""Decides, once the targets are seen, which options and target rules apply to them."""
_RECENT_FOR = timedelta(seconds=20)
"""The maximum age of a plan for that, by ECS's clock: the same as for what a wipe is based on."""


@dataclass(frozen=True)
class Recent:
    """What is not read again if the plan was made seconds ago: what concerns only its stop.

    This is: the permissions to stop and to start, who shares the downtime, and most questions to other products.
    """

    planned_at: datetime
    again: Collection[str]
    """Which questions to other products are asked all the same."""

    def is_at(self, now: datetime) -> bool:
        """Return whether the plan was made seconds ago."""
        return timedelta(0) <= now - self.planned_at <= _RECENT_FOR


def read_facts(  # noqa: PLR0913 - what is read, and for what
    described: Round,
    region: str,
    options: Options,
    *,
    settle: Settle | None = None,
    again: Collection[str] | None = None,
    recent: Recent | None = None,
    ways_back: Mapping[str, str] | None = None,
    safety: Collection[str] = (),
    caller_needed: bool = False,
) -> Facts:
    """Read everything that a plan for some disks is based on.

    Args:
        described: the round to use; the disks are its targets.
        region: the region of the disks.
        options: what was requested.
        settle: turns ``options`` into the ones that apply: a class of the configuration is matched with what ECS shows.
            Without it, they apply as they are.
        again: set if a plan is already based on these facts: which questions to other products are asked again;
            ``None``: all of them.
        recent: what is left out of all this if the plan was made seconds ago.
        ways_back: set for a plan for many disks: only what can refuse one of its calls is read. This excludes the
            permissions and who shares the downtime. Of the snapshots it includes those in progress and, by disk, this
            one, which the plan counts on.
        safety: in that case also these snapshots: those of the run that belong to a wipe that is still to come.
        caller_needed: whether it is a failure if STS does not say whose credentials these are. If not, the account
            stays unknown, which is noted like any unanswered question to another product.

    Raises:
        CloudError: a question failed for a reason other than a missing permission.

    """
    restore = dict(options.restore)
    described.describe_caller(needed=caller_needed, shortly=not (caller_needed or again is None))
    described.describe_disks(described.disk_ids)
    described.describe_snapshots(restore.values())
    described.describe_key_pair(options.key_pair)
    described.ask_all()
    date, local = described.date, described.clock.now()
    now = date or described.caller.date or local
    skew = None if described.cloud.loopback or date is None else (local - date).total_seconds()
    lately = recent if recent is not None and recent.is_at(now) else None

    disks = [disk for disk in described.disks.values() if disk is not None]
    described.describe_instances(disk.instance_id for disk in disks)
    described.describe_snapshots(disk.source_snapshot_id for disk in disks if disk.type == "data")
    described.describe_images(disk.image_id for disk in disks)
    if ways_back is None:
        described.describe_snapshots_of([disk.disk_id for disk in disks])
    else:
        described.describe_progressing([disk.disk_id for disk in disks], list_region=True)
    described.ask_all()
    instances = [instance for instance in described.instances.values() if instance is not None]

    caller = described.caller.items[0]
    targets = [
        TargetFacts(disk_id, caller.account, region, now, disk, _instance_of(described, disk))
        for disk_id, disk in ((each, described.disks.get(each)) for each in described.disk_ids)
    ]
    in_force, guard = settle(targets) if settle else (options, Guard(disks=len(targets)))
    dry_run_codes: dict[str, dict[str, str]] = {}
    if ways_back is None and lately is None:
        if in_force.stop_instance:
            _dry_run_power(
                described, dry_run_codes, [each.instance_id for each in instances if each.status == "Running"]
            )
        described.describe_disks_of(_sharing(instances, begun=again is not None))
    if ways_back is not None:
        under_way = {shot.snapshot_id for shots in described.progressing.values() for shot in shots}
        described.describe_snapshots([*ways_back.values(), *(each for each in safety if each not in under_way)])
    described.dry_run_resets({each: restore[each] for each in restore if described.disks.get(each)})
    described.ask_all()
    gone = [each for each, way_back in (ways_back or {}).items() if way_back and not _kept(described, each, way_back)]
    described.describe_snapshots_of([each for each in gone if described.disks.get(each)])
    described.ask_all()

    def facts_of(disk_id: str) -> DiskFacts:
        disk = described.disks.get(disk_id)
        instance = _instance_of(described, disk)
        instance_id = instance.instance_id if instance else ""
        restored = restore.get(disk_id, "")
        named = [disk_id, restored, *([disk.instance_id, disk.source_snapshot_id, disk.image_id] if disk else [])]
        reset = {"ResetDisk": described.resets[disk_id]} if disk_id in described.resets else {}
        return DiskFacts(
            disk_id=disk_id,
            options=in_force,
            now=now,
            region=region,
            disk=disk,
            instance=instance,
            snapshots=_snapshots_of(described, disk_id, (ways_back or {}).get(disk_id, "")),
            source_snapshot=described.snapshots.get(disk.source_snapshot_id) if disk else None,
            restore_snapshot=described.snapshots.get(restored),
            image=described.images.get(disk.image_id) if disk else None,
            key_pairs=described.key_pairs,
            neighbours=tuple(
                other for other in described.attached.get(instance_id, ()) if other.disk_id not in disk_ids
            ),
            dry_run_codes={**dry_run_codes.get(instance_id, {}), **reset},
            unseen=tuple(
                gone for name in distinct((*named, options.key_pair)) for gone in described.unseen.get(name, ())
            ),
            clock_skew=skew,
            account=caller.account,
            other_products=OtherProducts(),
            guard=guard,
        )

    disk_ids = set(described.disk_ids)
    of_ecs = [facts_of(disk_id) for disk_id in described.disk_ids]
    also = lately.again if lately else other_products.EVERY if again is None else again
    with_other_products = other_products.add(described.cloud, described.clock, of_ecs, in_force, also)
    return Facts(region, caller, now, _with_unread(with_other_products, described))


def _instance_of(described: Round, disk: Disk | None) -> Instance | None:
    return described.instances.get(disk.instance_id) if disk else None


def _sharing(instances: Iterable[Instance], *, begun: bool) -> list[str]:
    """List the instances whose other disks matter: a plan shows them; after that they concern only a stop."""
    return [each.instance_id for each in instances if not begun or each.status == "Running"]


def _dry_run_power(described: Round, dry_run_codes: dict[str, dict[str, str]], instance_ids: Sequence[str]) -> None:
    """Ask with DryRun for the permission to stop and to start these instances."""

    def take(action: str, ids: Sequence[str], code: str) -> None:
        if len(ids) > 1 and error_codes.lacks_right(code):  # for one of them, or for all
            for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
                put(action, half)
        else:
            for each in ids:
                dry_run_codes.setdefault(each, {})[action] = code

    def put(action: str, ids: Sequence[str]) -> None:
        cloud = described.cloud
        if len(ids) > ONE_BY_ONE_LIMIT:
            described.put(
                lambda: _right(described, lambda: cloud.dry_run_batch(f"{action}s", ids)), partial(take, action, ids)
            )
            return
        may = cloud.dry_run_stop if action == "StopInstance" else cloud.dry_run_start
        for each in ids:
            described.put(partial(_right, described, partial(may, each)), partial(take, action, (each,)))

    for start in range(0, len(instance_ids), IDS_PER_CALL):
        for action in ("StopInstance", "StartInstance"):
            put(action, instance_ids[start : start + IDS_PER_CALL])


def _right(described: Round, question: Callable[[], str]) -> str:
    """Ask with DryRun; a code that did not pass in time proves nothing, as any other that is no permission."""
    try:
        return described.ask(question)
    except Refused as refused:
        if error_codes.throttled(refused.code) or refused.http_status >= 500:
            raise
        return refused.code


def _kept(described: Round, disk_id: str, snapshot_id: str) -> Snapshot | None:
    """Return the snapshot that a plan counts on, if it still exists unchanged."""
    shot = described.snapshots.get(snapshot_id)
    good = shot is not None and shot.status.lower() == "accomplished" and shot.source_disk_id == disk_id
    return shot if good else None


def _snapshots_of(described: Round, disk_id: str, way_back: str) -> tuple[Snapshot, ...]:
    """Return the snapshots of a disk: all of them, or those in progress and the one that the plan counts on."""
    if disk_id in described.snapshots_of:
        return described.snapshots_of[disk_id]
    kept = _kept(described, disk_id, way_back)
    return (*described.progressing.get(disk_id, ()), *((kept,) if kept else ()))


def _with_unread(disks: Sequence[DiskFacts], described: Round) -> tuple[DiskFacts, ...]:
    """Add, once, which rows could not be read although nothing here depends on them."""
    reported: list[Unseen] = []
    disk_ids = set(described.disk_ids)

    def of(facts: DiskFacts) -> DiskFacts:
        if facts.disk is None:
            return facts
        new = [
            each
            for each in (*described.unreadable_disks.get(facts.disk.instance_id, ()), *described.unrelated)
            if each not in reported
        ]
        new = [each for each in new if each.subject not in disk_ids]
        reported.extend(new)
        return (
            replace(
                facts, other_products=replace(facts.other_products, unanswered=(*facts.other_products.unanswered, *new))
            )
            if new
            else facts
        )

    return tuple(of(facts) for facts in disks)
