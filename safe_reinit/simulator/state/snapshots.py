"""Making snapshots."""

from __future__ import annotations

from dataclasses import dataclass, replace

from safe_reinit.simulator.errors import Refusal
from safe_reinit.simulator.state.cloud import Cloud
from safe_reinit.simulator.state.model import LOCAL_CATEGORIES, Disk, Snapshot


@dataclass(frozen=True)
class Wish:
    """What a CreateSnapshot call asks for, besides the disk."""

    name: str = ""
    description: str = ""
    category: str = "standard"
    instant_access: bool = False
    instant_access_days: int | None = None
    retention_days: int | None = None
    tags: tuple[tuple[str, str], ...] = ()


def may_snapshot(cloud: Cloud, disk: Disk) -> None:
    """Refuse as CreateSnapshot does."""
    instance = cloud.instances.get(disk.instance_id)
    if disk.category in LOCAL_CATEGORIES:
        raise Refusal("DiskCategory.OperationNotSupported")
    if "security" in disk.locks or (instance is not None and "security" in instance.locks):
        raise Refusal("InstanceLockedForSecurity")
    if disk.status not in ("In_use", "Available"):
        raise Refusal("IncorrectDiskStatus")
    if disk.status == "Available" and disk.detached is None:
        raise Refusal("IncorrectDiskStatus.NeverAttached")
    if disk.never_used:
        raise Refusal("IncorrectDiskStatus.NeverUsed")
    if instance is not None and instance.status not in ("Running", "Stopped"):
        raise Refusal("IncorrectInstanceStatus", status=400)
    if any(row.status == "progressing" for row in cloud.snapshots_of(disk.id)):
        raise Refusal("IncorrectDiskStatus.CreatingSnapshot")


def create(cloud: Cloud, disk: Disk, wish: Wish, now: float, seconds: float | None = None) -> Snapshot:
    """Begin a snapshot of what the disk holds now; it is accomplished after `seconds` (default: the world's)."""
    span = cloud.settings.snapshot_seconds if seconds is None else seconds
    snapshot = Snapshot(
        id=cloud.new_id("s"),
        name=wish.name,
        status="progressing",
        disk_id=disk.id,
        disk_type=disk.type,
        disk_size=disk.size,
        created=now,
        ends=now + span,
        content=disk.content,
        category=wish.category,
        instant_access=wish.instant_access,
        instant_access_days=wish.instant_access_days,
        retention_days=wish.retention_days,
        encrypted=disk.encrypted,
        description=wish.description,
        tags=dict(wish.tags),
    )
    cloud.snapshots[snapshot.id] = snapshot
    progress(cloud, snapshot)
    return snapshot


def progress(cloud: Cloud, snapshot: Snapshot) -> None:
    """Let a progressing snapshot end at its time."""

    def finish(_at: float) -> None:
        row = cloud.snapshots[snapshot.id]
        if row.status == "progressing":
            cloud.snapshots[snapshot.id] = replace(row, status="accomplished")

    cloud.begin(snapshot.id, snapshot.ends, finish)
