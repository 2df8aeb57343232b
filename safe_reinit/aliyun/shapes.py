"""From ECS's bodies to our values, every field checked: the SDK's own models check nothing.

Unset fields may be absent, ``""`` or null. A field of another type than documented means that the body is not what we
take it for, and then none of it is believed.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from sys import intern
from typing import Any

from ..model import (
    Attachment,
    Disk,
    Image,
    Instance,
    Key,
    ReplicaPair,
    ScalingMember,
    Snapshot,
    SnapshotLink,
    SnapshotPolicy,
    SystemEvent,
)

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):?(\d\d)(?::(\d\d))?Z")


class UnreadableError(ValueError):
    """A body, or a field in it, is not of the documented shape."""


@lru_cache(maxsize=20_000)  # most times of a look were in the one before it
def _moment(text: str) -> datetime:
    match = _TIME.fullmatch(text)
    if match is None:
        raise UnreadableError
    try:
        return datetime(*(int(part or 0) for part in match.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        raise UnreadableError from None


class Row:
    """One JSON object of a body, read field by field."""

    def __init__(self, data: object) -> None:
        if not isinstance(data, dict):
            raise UnreadableError
        self._data: dict[str, Any] = data

    def text(self, name: str) -> str:
        """Read a text; ``""`` where it is unset."""
        value = self._data.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise UnreadableError
        return intern(value)  # thousands of rows have few words; ids come again in every row that names them

    def required(self, name: str) -> str:
        """Read a text that must be there."""
        value = self.text(name)
        if not value:
            raise UnreadableError
        return value

    def number(self, name: str) -> int | None:
        """Read a whole number, which ECS sometimes sends as a text."""
        value = self._data.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, (int, str)) or not re.fullmatch(r"[0-9]{1,15}", str(value)):
            raise UnreadableError
        return int(value)

    def code(self, name: str) -> str:
        """Read a code that must be there: a word, or a number such as 200."""
        value = self._data.get(name)
        known = isinstance(value, (int, str)) and not isinstance(value, bool)
        if not known or not re.fullmatch(r"[A-Za-z0-9_.-]{1,128}", str(value)):
            raise UnreadableError
        return str(value)

    def days(self, name: str) -> int | None:
        """Read a number of days; ``None`` where it is unset or ``-1``, by which ECS means "until it is deleted"."""
        return None if self._data.get(name) in (-1, "-1") else self.number(name)

    def flag(self, name: str) -> bool | None:
        """Read a boolean, ``None`` where it is unset."""
        value = self._data.get(name)
        if value is None or value == "":
            return None
        if value in (True, False) and isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise UnreadableError

    def time(self, name: str) -> datetime | None:
        """Read a time in any of the forms that ECS documents; ``None`` where it is unset."""
        value = self.text(name)
        return _moment(value) if value else None

    def row(self, name: str) -> Row:
        """Read an object; an empty one where it is unset."""
        return Row(self._data.get(name) or {})

    def list(self, name: str, inner: str) -> list[Any]:
        """Read a list that is wrapped twice, as ECS's JSON lists are."""
        rows = self.row(name)._data.get(inner)
        if rows is None:
            return []
        if not isinstance(rows, list):
            raise UnreadableError
        return rows

    def rows(self, name: str, inner: str) -> tuple[Row, ...]:
        """Read a list of objects."""
        return tuple(Row(item) for item in self.list(name, inner))

    def plain_rows(self, name: str) -> tuple[Row, ...]:
        """Read a list of objects that is wrapped once and always there, as other products' lists are."""
        items = self._data.get(name)
        if not isinstance(items, list):
            raise UnreadableError
        return tuple(Row(item) for item in items)

    def numbers(self, name: str, low: int, high: int) -> tuple[int, ...]:
        """Read a JSON array of whole numbers within these bounds that is sent as a text: ``["0", "12"]``."""
        try:
            items = json.loads(self.required(name))
        except (ValueError, RecursionError):
            raise UnreadableError from None
        if not isinstance(items, list) or not items:
            raise UnreadableError
        found = tuple(Row({name: item}).number(name) for item in items)
        if any(number is None or not low <= number <= high for number in found):
            raise UnreadableError
        return tuple(number for number in found if number is not None)

    def texts(self, name: str, inner: str) -> tuple[str, ...]:
        """Read a list of texts."""
        items = self.list(name, inner)
        if not all(isinstance(item, str) for item in items):
            raise UnreadableError
        return tuple(items)

    def must_have(self, name: str) -> None:
        """Refuse a body that lacks a member it always has, so that another body is not taken for an empty list."""
        if not isinstance(self._data.get(name), dict):
            raise UnreadableError


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
        raise UnreadableError
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
    """Read KeyMetadata of DescribeKey for the key of this id; a disk may name its key by its resource name."""
    shown = row.required("KeyId")
    if key_id != shown and not key_id.endswith(f"/{shown}"):
        raise UnreadableError
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


def snapshot_policy(row: Row) -> SnapshotPolicy:
    """Read a row of DescribeAutoSnapshotPolicyEx."""
    return SnapshotPolicy(
        policy_id=row.required("AutoSnapshotPolicyId"),
        hours=row.numbers("TimePoints", 0, 23),
        weekdays=row.numbers("RepeatWeekdays", 1, 7),
        status=row.text("Status"),
    )
