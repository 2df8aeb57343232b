"""From ECS's bodies to our values, with every field checked: the SDK's own models check nothing.

Unset fields may be absent, ``""`` or null. A row with a field of another type than documented is not accepted at all:
it counts as not seen, and is reported with the field and its content. The other rows of its list are read as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from ...model import (
    Attachment,
    AutoSnapshotPolicy,
    Disk,
    Image,
    Instance,
    Key,
    ReplicaPair,
    ScalingMember,
    Snapshot,
    SnapshotLink,
    SystemEvent,
    UnreadableRow,
)
from .row import Row, UnreadableAnswerError

T = TypeVar("T")


def _tags(row: Row) -> tuple[tuple[str, str], ...]:
    return tuple(
        (tag.text("TagKey") or tag.text("Key"), tag.text("TagValue") or tag.text("Value"))
        for tag in row.rows("Tags", "Tag")
    )


def _locks(row: Row, inner: str) -> tuple[str, ...]:
    """Read the reasons of all locks; a lock whose reason is empty is still a lock."""
    return tuple(lock.text("LockReason") or "without a reason" for lock in row.rows("OperationLocks", inner))


def disk(row: Row) -> Disk:
    """Read a row of DescribeDisks."""
    attachments = tuple(
        Attachment(item.text("InstanceId"), item.text("Device"), item.time("AttachedTime"))
        for item in row.rows("Attachments", "Attachment")
    )
    size = row.number("Size")
    if size is None:
        raise UnreadableAnswerError("Size")
    return Disk(
        disk_id=row.required("DiskId"),
        disk_name=row.text("DiskName"),
        serial=row.text("SerialNumber"),
        type=row.required("Type"),
        category=row.text("Category"),
        size_gib=size,
        status=row.required("Status"),
        instance_id=row.text("InstanceId"),
        device=row.text("Device"),
        attachments=attachments,
        mount_instance_num=row.number("MountInstanceNum") or 0,
        multi_attach=row.text("MultiAttach"),
        image_id=row.text("ImageId"),
        source_snapshot_id=row.text("SourceSnapshotId"),
        attached_time=row.time("AttachedTime"),
        detached_time=row.time("DetachedTime"),
        charge_type=row.text("DiskChargeType"),
        expired_time=row.time("ExpiredTime"),
        locks=_locks(row, "OperationLock"),
        encrypted=bool(row.flag("Encrypted")),
        kms_key_id=row.text("KMSKeyId"),
        auto_snapshot_policy_id=row.text("AutoSnapshotPolicyId"),
        delete_with_instance=bool(row.flag("DeleteWithInstance")),
        tags=_tags(row),
    )


def instance(row: Row) -> Instance:
    """Read a row of DescribeInstances."""
    return Instance(
        instance_id=row.required("InstanceId"),
        instance_name=row.text("InstanceName"),
        status=row.required("Status"),
        stopped_mode=row.text("StoppedMode"),
        start_time=row.time("StartTime"),
        creation_time=row.time("CreationTime"),
        charge_type=row.text("InstanceChargeType"),
        expired_time=row.time("ExpiredTime"),
        auto_release_time=row.time("AutoReleaseTime"),
        locks=_locks(row, "LockReason"),
        spot_strategy=row.text("SpotStrategy"),
        deletion_protection=bool(row.flag("DeletionProtection")),
        os_type=row.text("OSType"),
        key_pair_name=row.text("KeyPairName"),
        image_id=row.text("ImageId"),
        io_optimized=row.flag("IoOptimized"),
        hibernation_configured=bool(row.row("HibernationOptions").flag("Configured")),
        login_as_non_root=bool(row.row("ImageOptions").flag("LoginAsNonRoot")),
        local_storage_amount=row.number("LocalStorageAmount") or 0,
        public_ips=row.texts("PublicIpAddress", "IpAddress"),
        eip=row.row("EipAddress").text("IpAddress"),
        dedicated_host_id=row.row("DedicatedHostAttribute").text("DedicatedHostId"),
        capacity_reservation_id=row.row("EcsCapacityReservationAttr").text("CapacityReservationId"),
        tags=_tags(row),
    )


def snapshot(row: Row) -> Snapshot:
    """Read a row of DescribeSnapshots."""
    return Snapshot(
        snapshot_id=row.required("SnapshotId"),
        name=row.text("SnapshotName"),
        status=row.required("Status"),
        progress=row.text("Progress"),
        remain_time=row.number("RemainTime"),
        creation_time=row.time("CreationTime"),
        source_disk_id=row.text("SourceDiskId"),
        category=row.text("Category"),
        retention_days=row.days("RetentionDays"),
        instant_access=bool(row.flag("InstantAccess")),
        instant_access_retention_days=row.number("InstantAccessRetentionDays"),
        type=row.text("SnapshotType"),
        tags=_tags(row),
    )


def snapshot_link(row: Row) -> SnapshotLink:
    """Read a row of DescribeSnapshotLinks."""
    return SnapshotLink(
        source_disk_id=row.required("SourceDiskId"),
        total_count=row.number("TotalCount") or 0,
        category=row.text("Category"),
        instant_access=bool(row.flag("InstantAccess")),
    )


def image(row: Row) -> Image:
    """Read a row of DescribeImages."""
    return Image(
        image_id=row.required("ImageId"),
        name=row.text("ImageName"),
        status=row.required("Status"),
        owner_alias=row.text("ImageOwnerAlias"),
        is_public=bool(row.flag("IsPublic")),
        os_type=row.text("OSType"),
        io_optimized=row.flag("IsSupportIoOptimized"),
        cloud_init=row.flag("IsSupportCloudinit"),
        login_as_non_root=row.flag("LoginAsNonRootSupported"),
        creation_time=row.time("CreationTime"),
    )


def scaling_member(row: Row) -> ScalingMember:
    """Read a row of DescribeScalingInstances."""
    return ScalingMember(
        instance_id=row.required("InstanceId"),
        group_id=row.text("ScalingGroupId"),
        lifecycle_state=row.text("LifecycleState"),
    )


def key(row: Row, key_id: str) -> Key:
    """Read KeyMetadata of DescribeKey for the key with this id; a disk may name its key by its resource name."""
    listed = row.required("KeyId")
    if key_id != listed and not key_id.endswith(f"/{listed}"):
        raise UnreadableAnswerError("KeyId", listed)
    return Key(key_id, row.required("KeyState"))


def replica_pair(row: Row) -> ReplicaPair:
    """Read a row of DescribeDiskReplicaPairs."""
    return ReplicaPair(
        pair_id=row.required("ReplicaPairId"),
        source_disk_id=row.text("SourceDiskId"),
        destination_disk_id=row.text("DestinationDiskId"),
        status=row.text("Status"),
    )


def system_event(row: Row) -> SystemEvent:
    """Read a row of DescribeInstanceHistoryEvents."""
    return SystemEvent(
        event_id=row.text("EventId"),
        instance_id=row.required("InstanceId"),
        type=row.row("EventType").required("Name"),
        status=row.row("EventCycleStatus").required("Name"),
        not_before=row.time("NotBefore"),
    )


def auto_snapshot_policy(row: Row) -> AutoSnapshotPolicy:
    """Read a row of DescribeAutoSnapshotPolicyEx."""
    return AutoSnapshotPolicy(
        policy_id=row.required("AutoSnapshotPolicyId"),
        hours=row.numbers("TimePoints", 0, 23),
        weekdays=row.numbers("RepeatWeekdays", 1, 7),
        status=row.text("Status"),
    )


def instance_response(row: Row) -> tuple[str, str]:
    """Read a row of StopInstances or StartInstances: an instance, and the code of its answer."""
    return row.required("InstanceId"), row.code("Code")


_NAMED_BY: dict[Callable[[Row], Any], tuple[str, ...]] = {
    disk: ("DiskId", "InstanceId"),
    instance: ("InstanceId",),
    snapshot: ("SnapshotId", "SourceDiskId"),
    snapshot_link: ("SourceDiskId",),
    image: ("ImageId",),
    scaling_member: ("InstanceId",),
    replica_pair: ("ReplicaPairId", "SourceDiskId", "DestinationDiskId"),
    system_event: ("EventId", "InstanceId"),
    auto_snapshot_policy: ("AutoSnapshotPolicyId",),
    instance_response: ("InstanceId",),
}
"""By the reader of a row: the fields that name what it describes, and then what that belongs to."""


def rows(action: str, items: Iterable[object], shape: Callable[[Row], T]) -> tuple[list[T], list[UnreadableRow]]:
    """Read the rows of a list separately: an unreadable row does not affect the others.

    Args:
        action: the API that was asked.
        items: the raw rows.
        shape: reads one of them.

    """
    listed: list[T] = []
    unreadable: list[UnreadableRow] = []
    for item in items:
        try:
            listed.append(shape(Row(item)))
        except UnreadableAnswerError as error:
            *ids, kind = _texts(item, (*_NAMED_BY[shape], "Type"))
            unreadable.append(UnreadableRow(action, tuple(ids), error.field, error.value, kind))
    return listed, unreadable


def _texts(item: object, fields: Iterable[str]) -> list[str]:
    """Read these texts of a row that cannot be read as a whole; ``""`` for one that cannot be read either."""
    texts = []
    for field in fields:
        text = ""
        with suppress(UnreadableAnswerError):
            text = Row(item).text(field)
        texts.append(text)
    return texts
