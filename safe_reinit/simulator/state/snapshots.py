"""Making, spoiling and deleting snapshots."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import Refusal
from .cloud import Cloud
from .conditions import keys_work
from .model import FIXED_CATEGORIES, Disk, Instance, Snapshot

_MAX_SNAPSHOTS = 256
"""The maximum number of manual snapshots of a disk."""


@dataclass(frozen=True)
class Wish:
    """What a CreateSnapshot call asks for, besides the disk."""

    name: str = ""
    description: str = ""
    category: str = "standard"
    kind: str = "user"
    instant_access: bool = False
    instant_access_days: int | None = None
    retention_days: int | None = None
    tags: tuple[tuple[str, str], ...] = ()


def may_snapshot(cloud: Cloud, disk: Disk) -> None:
    """Refuse as CreateSnapshot does; the order is a choice."""
    instance = cloud.instances.find(disk.instance_id)
    if disk.category in FIXED_CATEGORIES:
        raise Refusal("DiskCategory.OperationNotSupported")
    if "security" in disk.locks or (instance is not None and "security" in instance.locks):
        raise Refusal("InstanceLockedForSecurity")
    if cloud.settings.arrears:
        raise Refusal("InvalidAccountStatus.NotEnoughBalance")
    _states(disk, instance)
    rows = cloud.snapshots_of(disk.id)
    if any(row.status == "progressing" for row in rows):
        raise Refusal("IncorrectDiskStatus.CreatingSnapshot")
    if sum(1 for row in rows if row.kind == "user") >= _MAX_SNAPSHOTS:
        raise Refusal("QuotaExceed.Snapshot")
    keys_work([disk])
    if disk.faulty:
        raise Refusal("CreateSnapshot.Failed")


def _states(disk: Disk, instance: Instance | None) -> None:
    if disk.status not in ("In_use", "Available") or disk.resetting:
        raise Refusal("IncorrectDiskStatus")
    if disk.status == "Available" and disk.detached is None:
        raise Refusal("IncorrectDiskStatus.NeverAttached")
    if disk.never_used:
        raise Refusal("IncorrectDiskStatus.NeverUsed")
    if instance is not None and instance.hibernation:
        raise Refusal("HibernationConfigured.InstanceOperationForbidden")
    if instance is not None and instance.status not in ("Running", "Stopped"):
        raise Refusal("IncorrectInstanceStatus", status=400)


def create(cloud: Cloud, disk: Disk, wish: Wish, now: float, seconds: float | None = None) -> Snapshot:
    """Begin a snapshot of the disk's present content; it is accomplished after `seconds` (default: the world's)."""
    span = cloud.settings.snapshot_seconds if seconds is None else seconds
    snapshot = Snapshot(
        id=cloud.new_id("s"),
        name=wish.name,
        status="progressing",
        disk_id=disk.id,
        disk_type=disk.type,
        disk_size=disk.size,
        region=disk.region,
        created=now,
        ends=now + span,
        content=disk.content,
        category=wish.category,
        kind=wish.kind,
        instant_access=wish.instant_access,
        instant_access_days=wish.instant_access_days,
        retention_days=wish.retention_days,
        encrypted=disk.encrypted,
        description=wish.description,
        tags=dict(wish.tags),
    )
    cloud.put_snapshot(snapshot, now)
    progress(cloud, snapshot)
    return snapshot


def progress(cloud: Cloud, snapshot: Snapshot) -> None:
    """End a progressing snapshot at its time."""

    def finish(at: float) -> None:
        row = cloud.snapshots.find(snapshot.id)
        if row is not None and row.status == "progressing":
            cloud.put_snapshot(replace(row, status="accomplished"), at)

    cloud.timeline.begin(snapshot.id, snapshot.ends, finish)


def spoil(cloud: Cloud, disk: Disk, now: float) -> None:
    """Fail the snapshots of a disk that are in progress."""
    for row in cloud.snapshots_of(disk.id):
        if row.status == "progressing":
            fail(cloud, row, now)


def fail(cloud: Cloud, snapshot: Snapshot, now: float) -> None:
    """Fail a snapshot in progress."""
    cloud.timeline.cancel(snapshot.id)
    cloud.put_snapshot(replace(snapshot, status="failed"), now)


def may_delete(cloud: Cloud, snapshot: Snapshot, *, force: bool) -> None:
    """Refuse as DeleteSnapshot does: never one that an image needs, and one that made disks only by Force."""
    if any(image.snapshot_id == snapshot.id and image.status != "Deleted" for image in cloud.images.values()):
        raise Refusal("SnapshotCreatedImage")
    if not force and cloud.disks.linked(snapshot.id):
        raise Refusal("SnapshotCreatedDisk")


def delete(cloud: Cloud, snapshot: Snapshot, now: float) -> None:
    """Delete a snapshot; one in progress is cancelled."""
    cloud.timeline.cancel(snapshot.id)
    cloud.put_snapshot(replace(snapshot, status="Deleted"), now)
