"""ReInitDisk and ResetDisk: every documented precondition, and what is done when all hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from safe_reinit.simulator.errors import Refusal
from safe_reinit.simulator.state import power
from safe_reinit.simulator.state.cloud import Cloud
from safe_reinit.simulator.state.model import LOCAL_CATEGORIES, Disk, Instance, Overwrite, Snapshot

_TOO_OLD = 1373932800.0  # the end of 2013-07-15 UTC: "created on or before July 15, 2013"
_SPECIALS = r"()`~!@#$%^&*\-_+=|{}\[\]:;'<>,.?/"
_PASSWORD = re.compile(rf"[A-Za-z0-9{_SPECIALS}]{{8,30}}")
_KINDS = [re.compile(kind) for kind in ("[a-z]", "[A-Z]", "[0-9]", f"[{_SPECIALS}]")]


@dataclass(frozen=True)
class Options:
    """The parameters of ReInitDisk that mean something for a system disk; on a data disk they are ignored (choice)."""

    password: str = ""
    key_pair: str = ""
    auto_start: bool = False


def may_reinit(cloud: Cloud, disk: Disk, options: Options, now: float) -> None:
    """Refuse as ReInitDisk does.

    The order is a choice (none is documented): the options, what the disk is, money and locks, states, snapshots, the
    source it would be made from again, and its encryption key last.
    """
    instance = cloud.instances.get(disk.instance_id)
    if disk.type == "system" and instance is not None:
        _options(cloud, instance, options)
    if disk.category in LOCAL_CATEGORIES:
        raise Refusal("DiskCategory.OperationNotSupported")
    if disk.multi_attach:
        raise Refusal("InvalidOperation.MultiAttachDisk")
    _unlocked(disk, instance, now)
    if disk.status != "In_use" or instance is None:
        raise Refusal("IncorrectDiskStatus")
    if instance.hibernation:
        raise Refusal("HibernationConfigured.InstanceOperationForbidden")
    if instance.status != "Stopped" or instance.starts == 0:
        raise Refusal("IncorrectInstanceStatus")
    _snapshots(cloud, disk)
    _source(cloud, disk, instance)
    if disk.kms_refusal:
        raise Refusal(f"InvalidParameter.KMSKeyId.{disk.kms_refusal}")


def reinit(cloud: Cloud, disk: Disk, options: Options, now: float, request_id: str) -> None:
    """Begin to wipe: the content is gone at once, the disk is In_use again when its time is over."""
    instance = cloud.instances.get(disk.instance_id)
    done = _overwrite(disk, instance, now, request_id, "initial")
    row = replace(disk, status="ReIniting", content="initial", never_used=False, wipes=(*disk.wipes, done))
    cloud.put_disk(row, now)
    if options.key_pair and disk.type == "system" and instance is not None:
        cloud.put_instance(replace(instance, key_pair=options.key_pair), now)
    reiniting(cloud, row, now, auto_start=options.auto_start)


def reiniting(cloud: Cloud, disk: Disk, now: float, *, auto_start: bool) -> None:
    """Let a disk that is ReIniting end at its time."""
    cloud.begin(disk.id, now + disk.wipe_seconds, lambda at: reinited(cloud, disk.id, at, auto_start=auto_start))


def reinited(cloud: Cloud, disk_id: str, at: float, *, auto_start: bool) -> None:
    """End a wipe; with AutoStartInstance the instance then starts by itself, if it can."""
    disk = cloud.disks.get(disk_id)
    if disk is None:
        return
    cloud.put_disk(replace(disk, status="In_use"), at)
    instance = cloud.instances.get(disk.instance_id)
    if not auto_start or instance is None:
        return
    try:
        power.may_start(cloud, instance, at)
    except Refusal:
        return
    power.start(cloud, instance, at)
    cloud.own_starts.append((at, instance.id))


def may_reset(cloud: Cloud, disk: Disk, snapshot: Snapshot, now: float) -> None:
    """Refuse as ResetDisk does."""
    instance = cloud.instances.get(disk.instance_id)
    if snapshot.disk_id != disk.id:
        raise Refusal("InvalidParameter.InconsistentDisk")
    if snapshot.status != "accomplished":
        raise Refusal("IncorrectSnapshotStatus")
    if disk.category in LOCAL_CATEGORIES:
        raise Refusal("DiskCategory.OperationNotSupported")
    if disk.multi_attach:
        raise Refusal("InvalidOperation.MultiAttachDisk")
    _unlocked(disk, instance, now)
    if disk.status != "In_use" or instance is None:
        raise Refusal("IncorrectDiskStatus")
    if instance.status != "Stopped":
        raise Refusal("IncorrectInstanceStatus")
    if any(row.status == "progressing" for row in cloud.snapshots_of(disk.id)):
        raise Refusal("DiskCreatingSnapshot")


def reset(cloud: Cloud, disk: Disk, snapshot: Snapshot, now: float, request_id: str) -> None:
    """Roll the disk back: the call is synchronous, the disk stays In_use (choice: no other state is documented)."""
    instance = cloud.instances.get(disk.instance_id)
    done = _overwrite(disk, instance, now, request_id, snapshot.content)
    cloud.put_disk(replace(disk, content=snapshot.content, resets=(*disk.resets, done)), now)


def _overwrite(disk: Disk, instance: Instance | None, now: float, request_id: str, content: str) -> Overwrite:
    return Overwrite(now, request_id, instance.starts if instance else 0, disk.content, content)


def _options(cloud: Cloud, instance: Instance, options: Options) -> None:
    windows = instance.os_type == "windows"
    if options.password and not _password_is_valid(options.password, windows=windows):
        raise Refusal("InvalidPassword.Malformed")
    if options.key_pair and windows:
        raise Refusal("DependencyViolation.WindowsInstance")
    if options.key_pair and options.key_pair not in cloud.key_pairs:
        raise Refusal("InvalidKeyPairName.NotFound")


def _password_is_valid(password: str, *, windows: bool) -> bool:
    if not _PASSWORD.fullmatch(password) or (windows and password.startswith("/")):
        return False
    return sum(1 for kind in _KINDS if kind.search(password)) >= 3


def _unlocked(disk: Disk, instance: Instance | None, now: float) -> None:
    locks = set(disk.locks) | set(instance.locks if instance else ())
    if "security" in locks:
        raise Refusal("InstanceLockedForSecurity")
    ends = [row.expires for row in (disk, instance) if row is not None and row.charge_type == "PrePaid"]
    if locks or any(end is not None and end < now for end in ends):
        raise Refusal("InstanceExpiredOrInArrears")


def _snapshots(cloud: Cloud, disk: Disk) -> None:
    snapshots = cloud.snapshots_of(disk.id)
    if any(snapshot.status == "progressing" for snapshot in snapshots):
        raise Refusal("DiskCreatingSnapshot")
    if any(snapshot.blocks_wipes for snapshot in snapshots):
        raise Refusal("DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported")


def _source(cloud: Cloud, disk: Disk, instance: Instance) -> None:
    if disk.image_id:
        _source_image(cloud, disk, instance)
    elif disk.source_snapshot_id:
        source = cloud.snapshots[disk.source_snapshot_id]
        if source.status == "Deleted":
            # OperationDenied is documented for the same fact; the newer pages put this code first.
            raise Refusal("InvalidSourceSnapshot")
        if source.created < _TOO_OLD and disk.detached is not None:
            raise Refusal("InvalidSnapshot.TooOld")


def _source_image(cloud: Cloud, disk: Disk, instance: Instance) -> None:
    image = cloud.images[disk.image_id]
    if image.status == "Deleted":
        # Three codes are documented for a missing image; which belongs to which owner is a choice.
        by_owner = {"self": "InvalidImageId.NotFound", "others": "SharedImageDeleted"}
        raise Refusal(by_owner.get(image.owner, "InvalidDiskId.OperationNotSupported"))
    if disk.type == "system" and instance.io_optimized and not image.supports_io_optimized:
        raise Refusal("DependencyViolation.IoOptimize")
