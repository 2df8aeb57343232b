"""What other products know about a disk and its instance, and what ECS itself plans for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .cloud import Unseen

OTHER_PRODUCT_CALLS = {
    "ess": "DescribeScalingInstances",
    "ebs": "DescribeDiskReplicaPairs",
    "kms": "DescribeKey",
    "events": "DescribeInstanceHistoryEvents",
}
"""The questions to other products, and about what ECS plans."""
REQUIRABLE = {**OTHER_PRODUCT_CALLS, "sts": "GetCallerIdentity"}
"""The questions that the configuration may require, by the words of ``require_answers``."""


@dataclass(frozen=True)
class ScalingMember:
    """An instance in a scaling group (Auto Scaling API reference, DescribeScalingInstances)."""

    instance_id: str
    group_id: str
    lifecycle_state: str
    """``InService``, ``Standby``, ``Protected``, ``Pending``, ``Removing`` ...; any other word is unknown."""


@dataclass(frozen=True)
class Key:
    """A key of KMS (KMS API reference, DescribeKey)."""

    key_id: str
    """As the disk names it."""
    state: str
    """``Enabled``, ``Disabled``, ``PendingDeletion``, ``PendingImport``; ``""`` for a key that KMS does not know."""


@dataclass(frozen=True)
class ReplicaPair:
    """Two disks of which one is a replica of the other (EBS API reference, DescribeDiskReplicaPairs)."""

    pair_id: str
    source_disk_id: str
    destination_disk_id: str
    status: str
    """``normal``, ``syncing``, ``stopped``, ``deleted`` ...; any other word is unknown."""


@dataclass(frozen=True)
class SystemEvent:
    """Something that ECS plans for, or does to, an instance (ECS API reference, DescribeInstanceHistoryEvents)."""

    event_id: str
    instance_id: str
    type: str
    """``SystemMaintenance.Reboot``, ``InstanceExpiration.Stop`` ..."""
    status: str
    """``Scheduled``, ``Executing`` or ``Inquiring``: only what has not ended is asked for."""
    not_before: datetime | None
    """When it is planned to happen."""


@dataclass(frozen=True)
class AutoSnapshotPolicy:
    """When automatic snapshots are taken (ECS API reference, DescribeAutoSnapshotPolicyEx)."""

    policy_id: str
    hours: tuple[int, ...]
    """Full hours of the day, 0 to 23, in UTC+8."""
    weekdays: tuple[int, ...]
    """1 is Monday, 7 Sunday, in UTC+8."""
    status: str
    """``Normal``; with ``Expire`` no snapshot is taken."""


@dataclass(frozen=True)
class OtherProducts:
    """What was shown about one disk besides ECS's own facts; empty if nothing was asked, answered or known."""

    members: tuple[ScalingMember, ...] = ()
    """The membership of its instance."""
    keys: tuple[Key, ...] = ()
    """The keys of the disk and, if its instance is stopped and started, of that instance's other disks."""
    pairs: tuple[ReplicaPair, ...] = ()
    """The replication pairs that it is in."""
    events: tuple[SystemEvent, ...] = ()
    """What is planned for its instance."""
    auto_snapshot_policy: AutoSnapshotPolicy | None = None
    unanswered: tuple[Unseen, ...] = ()
    """The questions without an answer: a plan can do without them, unless the configuration requires them."""
