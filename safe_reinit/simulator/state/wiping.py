"""ReInitDisk and ResetDisk: every documented precondition, and what is done when all hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ..errors import Refusal
from . import power
from .cloud import Cloud
from .conditions import keys_work, unlocked
from .model import FIXED_CATEGORIES, Disk, Image, Instance, Overwrite, Snapshot

_TOO_OLD = 1373932800.0  # the end of 2013-07-15 UTC: "created on or before July 15, 2013"
_SNAPSHOT_DELETED = "The snapshot which is used to create the specified disk has been deleted."
_SPECIALS = r"()`~!@#$%^&*\-_+=|{}\[\]:;'<>,.?/"
_PASSWORD = re.compile(rf"[A-Za-z0-9{_SPECIALS}]{{8,30}}")
_KINDS = [re.compile(kind) for kind in ("[a-z]", "[A-Z]", "[0-9]", f"[{_SPECIALS}]")]


@dataclass(frozen=True)
class WipeOptions:
    """The parameters of ReInitDisk for system disks only; for a data disk they are ignored (choice)."""

    password: str = ""
    key_pair: str = ""
    auto_start: bool = False


def may_reinit(cloud: Cloud, disk: Disk, options: WipeOptions, now: float) -> None:
    """Refuse as ReInitDisk does.

    No edition of the reference says which refusal comes first, so all of this order is a choice. Before this come the
    parameters (MissingParameter, InvalidRegionId.MalFormed, InvalidParameter), the right (Forbidden.RAM) and the disk
    itself (InvalidDiskId.NotFound). Then:

    1. the options for a system disk: InvalidPassword.Malformed, DependencyViolation.WindowsInstance,
       InvalidKeyPairName.NotFound
    2. what the disk is: DiskCategory.OperationNotSupported, UserNotInTheWhiteList or InvalidOperation.MultiAttachDisk
    3. locks and money: InstanceLockedForSecurity, InstanceExpiredOrInArrears
    4. states: IncorrectDiskStatus, HibernationConfigured.InstanceOperationForbidden, IncorrectInstanceStatus,
       IncorrectDiskStatus.NeverUsed (edition 2017 only)
    5. its snapshots: DiskCreatingSnapshot, DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported
    6. what it would be made from again: the codes of a source that is gone, InvalidSnapshot.TooOld,
       DependencyViolation.IoOptimize, LoginAsNonRoot.*
    7. its encryption key: InvalidParameter.KMSKeyId.*
    8. a storage that does not work: InternalError
    """
    instance = cloud.instances.find(disk.instance_id)
    if disk.type == "system" and instance is not None:
        _options(cloud, instance, options)
    _kind(cloud, disk)
    unlocked(cloud, _both(disk, instance), now, "InstanceExpiredOrInArrears", "InstanceExpiredOrInArrears")
    _states(cloud, disk, instance)
    _snapshots(cloud, disk)
    _source(cloud, disk, instance)
    keys_work([disk])
    if disk.faulty:
        raise Refusal("InternalError")


def _both(disk: Disk, instance: Instance | None) -> list[Disk | Instance]:
    return [disk] if instance is None else [disk, instance]


def _kind(cloud: Cloud, disk: Disk) -> None:
    if disk.category in FIXED_CATEGORIES:
        raise Refusal("DiskCategory.OperationNotSupported")
    if disk.multi_attach:
        # An account that may not use shared block storage at all is told so first.
        listed = cloud.settings.volume_white_list
        raise Refusal("InvalidOperation.MultiAttachDisk" if listed else "UserNotInTheWhiteList")


def _states(cloud: Cloud, disk: Disk, instance: Instance | None) -> None:
    if disk.status != "In_use" or disk.resetting or instance is None or disk.replicated:
        # A disk of a replication pair cannot be wiped; no code is documented for that, so this one is a choice.
        raise Refusal("IncorrectDiskStatus")
    if instance.hibernation:
        raise Refusal("HibernationConfigured.InstanceOperationForbidden")
    if instance.status != "Stopped" or instance.starts == 0:
        raise Refusal("IncorrectInstanceStatus")
    if disk.never_used and cloud.settings.edition < 2018:
        raise Refusal("IncorrectDiskStatus.NeverUsed")


def reinit(cloud: Cloud, disk: Disk, options: WipeOptions, now: float, request_id: str) -> None:
    """Begin to wipe: the content is gone at once, and the disk is In_use again when its time is over."""
    instance = cloud.instances.find(disk.instance_id)
    done = _overwrite(disk, instance, now, request_id, "initial")
    row = replace(disk, status="ReIniting", content="initial", never_used=False, wipes=(*disk.wipes, done))
    cloud.put_disk(row, now)
    if options.key_pair and disk.type == "system" and instance is not None:
        cloud.put_instance(replace(instance, key_pair=options.key_pair), now)
    reiniting(cloud, row, now, auto_start=options.auto_start)


def reiniting(cloud: Cloud, disk: Disk, now: float, *, auto_start: bool) -> None:
    """End the wipe of a disk that is ReIniting at its time."""
    due = now + disk.wipe_seconds
    cloud.timeline.begin(disk.id, due, lambda at: reinited(cloud, disk.id, at, auto_start=auto_start))


def reinited(cloud: Cloud, disk_id: str, at: float, *, auto_start: bool) -> None:
    """End a wipe; with AutoStartInstance the instance then starts by itself, if it can."""
    disk = cloud.disks.find(disk_id)
    if disk is None:
        return
    cloud.put_disk(replace(disk, status="In_use"), at)
    instance = cloud.instances.find(disk.instance_id)
    if not auto_start or instance is None:
        return
    try:
        power.may_start(cloud, instance, at)
    except Refusal:
        return
    power.start(cloud, instance, at)
    cloud.record(at, "StartInstance", instance.id)


def may_reset(cloud: Cloud, disk: Disk, snapshot: Snapshot, now: float) -> None:
    """Refuse as ResetDisk does."""
    instance = cloud.instances.find(disk.instance_id)
    if snapshot.disk_id != disk.id:
        raise Refusal("InvalidParameter.Mismatch")
    if snapshot.status != "accomplished":
        raise Refusal("InvalidSnapshotId.NotReady")
    _kind(cloud, disk)
    unlocked(cloud, _both(disk, instance), now, "InstanceExpiredOrInArrears", "InstanceExpiredOrInArrears")
    if disk.resetting:
        raise Refusal("InvalidOperation.DiskResetInProgress")
    if disk.status != "In_use" or instance is None:
        raise Refusal("IncorrectDiskStatus")
    if instance.status != "Stopped":
        raise Refusal("IncorrectInstanceStatus")
    if any(row.status == "progressing" for row in cloud.snapshots_of(disk.id)):
        raise Refusal("DiskCreatingSnapshot")


def reset(cloud: Cloud, disk: Disk, snapshot: Snapshot, now: float, request_id: str) -> None:
    """Begin to roll the disk back: a task that takes time, during which the disk stays In_use.

    The content is that of the snapshot at once (choice). DescribeDisks documents no state for it. That a dry run of
    ResetDisk answers InvalidOperation.DiskResetInProgress in the meantime, as ResetDisk does, is a choice.
    """
    instance = cloud.instances.find(disk.instance_id)
    done = _overwrite(disk, instance, now, request_id, snapshot.content)
    cloud.put_disk(replace(disk, content=snapshot.content, resets=(*disk.resets, done), resetting=True), now)
    cloud.timeline.begin(disk.id, now + disk.reset_seconds, lambda at: _rolled_back(cloud, disk.id, at))


def _rolled_back(cloud: Cloud, disk_id: str, at: float) -> None:
    """End a roll-back."""
    disk = cloud.disks.find(disk_id)
    if disk is not None:
        cloud.put_disk(replace(disk, resetting=False), at)


def _overwrite(disk: Disk, instance: Instance | None, now: float, request_id: str, content: str) -> Overwrite:
    return Overwrite(now, request_id, instance.starts if instance else 0, disk.content, content)


def _options(cloud: Cloud, instance: Instance, options: WipeOptions) -> None:
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


def _snapshots(cloud: Cloud, disk: Disk) -> None:
    snapshots = cloud.snapshots_of(disk.id)
    if any(snapshot.status == "progressing" for snapshot in snapshots):
        raise Refusal("DiskCreatingSnapshot")
    if any(snapshot.blocks_wipes for snapshot in snapshots):
        raise Refusal("DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported")


def _source(cloud: Cloud, disk: Disk, instance: Instance | None) -> None:
    image = cloud.images.get(disk.image_id)
    snapshot = cloud.snapshots.get(disk.source_snapshot_id)
    if image is not None:
        _source_image(cloud, disk, instance, image)
    if snapshot is None:
        return
    if snapshot.status == "Deleted":
        raise _source_gone(cloud, snapshot)
    if snapshot.created < _TOO_OLD and disk.detached is not None:
        raise Refusal("InvalidSnapshot.TooOld")


def _source_gone(cloud: Cloud, snapshot: Snapshot) -> Refusal:
    """Refuse because the snapshot was deleted: two codes are documented, and one of them changed its text in 2025."""
    older = snapshot.code_when_deleted == "InvalidSourceSnapshot" and cloud.settings.edition < 2025
    return Refusal(snapshot.code_when_deleted, _SNAPSHOT_DELETED if older else None)


def _source_image(cloud: Cloud, disk: Disk, instance: Instance | None, image: Image) -> None:
    if image.status == "Deleted":
        # Three codes are documented for a missing image; which of them belongs to which owner is a choice.
        by_owner = {"self": "InvalidImageId.NotFound", "others": "SharedImageDeleted"}
        raise Refusal(image.code_when_deleted or by_owner.get(image.owner, "InvalidDiskId.OperationNotSupported"))
    if disk.type != "system" or instance is None:
        return
    if instance.io_optimized and not image.supports_io_optimized:
        raise Refusal("DependencyViolation.IoOptimize")
    if instance.login_as_non_root and not cloud.settings.login_as_non_root:
        raise Refusal("LoginAsNonRoot.RegionNotSupport")
    if instance.login_as_non_root and not image.login_as_non_root:
        raise Refusal("LoginAsNonRoot.ImageNotSupport")
