"""What ECS showed: one value per thing it describes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_MINUTE_OVER = timedelta(seconds=60 + 30)
"""From the beginning of the minute that StartTime shows until 30 s after its end: the two clocks may differ by that."""


@dataclass(frozen=True)
class Attachment:
    """One row of ``Disk.Attachments`` (ECS API reference, DescribeDisks)."""

    instance_id: str
    device: str
    attached_time: datetime | None


@dataclass(frozen=True)
class Disk:
    """A disk as DescribeDisks shows it (ECS API reference, DescribeDisks)."""

    disk_id: str
    disk_name: str
    serial: str
    type: str
    """``system`` or ``data``."""
    category: str
    size_gib: int
    status: str
    """``In_use``, ``Available``, ``Attaching``, ``Detaching``, ``Creating``, ``ReIniting``; other words are unknown."""
    instance_id: str
    """Empty unless In_use or Detaching, and always empty for a multi-attach disk."""
    device: str
    attachments: tuple[Attachment, ...]
    mount_instance_num: int
    multi_attach: str
    image_id: str
    """Fixed for the life of the disk; set on system disks and on data disks made from an image."""
    source_snapshot_id: str
    """Fixed for the life of the disk; set on a data disk made from a snapshot."""
    attached_time: datetime | None
    detached_time: datetime | None
    charge_type: str
    expired_time: datetime | None
    locks: tuple[str, ...]
    encrypted: bool
    kms_key_id: str
    auto_snapshot_policy_id: str
    delete_with_instance: bool
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Instance:
    """An instance as DescribeInstances shows it (ECS API reference, DescribeInstances)."""

    instance_id: str
    instance_name: str
    status: str
    """``Pending``, ``Starting``, ``Running``, ``Stopping``, ``Stopped``; any other word is unknown."""
    stopped_mode: str
    start_time: datetime | None
    """When it was last started, to the minute; ``None`` if ECS shows none."""
    creation_time: datetime | None
    charge_type: str
    expired_time: datetime | None
    auto_release_time: datetime | None
    locks: tuple[str, ...]
    spot_strategy: str
    deletion_protection: bool
    os_type: str
    key_pair_name: str
    image_id: str
    io_optimized: bool | None
    hibernation_configured: bool
    login_as_non_root: bool
    """Whether it was made for logins as ``ecs-user`` (``ImageOptions.LoginAsNonRoot``)."""
    local_storage_amount: int
    """How many local disks are attached to it."""
    public_ips: tuple[str, ...]
    """Its own public addresses; an EIP is not among them."""
    eip: str
    dedicated_host_id: str
    capacity_reservation_id: str
    tags: tuple[tuple[str, str], ...]

    @property
    def start_settled_at(self) -> datetime | None:
        """When each further start shows as another StartTime: 30 s after the minute of the last one, by ECS's clock.

        StartTime has minutes only, so a second start within the same minute does not show. ``None`` without StartTime.
        """
        return None if self.start_time is None else self.start_time.replace(second=0, microsecond=0) + _MINUTE_OVER


@dataclass(frozen=True)
class Snapshot:
    """A snapshot as DescribeSnapshots shows it (ECS API reference, DescribeSnapshots)."""

    snapshot_id: str
    name: str
    status: str
    """``progressing``, ``accomplished`` or ``failed``."""
    progress: str
    remain_time: int | None
    """Seconds left, if ECS says."""
    creation_time: datetime | None
    source_disk_id: str
    category: str
    retention_days: int | None
    """Days after which ECS releases it; ``None`` if it is kept until somebody deletes it."""
    instant_access: bool
    instant_access_retention_days: int | None
    type: str
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SnapshotLink:
    """The chain of snapshots of one disk, counted (ECS API reference, DescribeSnapshotLinks)."""

    source_disk_id: str
    total_count: int
    category: str
    instant_access: bool


@dataclass(frozen=True)
class Image:
    """An image as DescribeImages shows it (ECS API reference, DescribeImages)."""

    image_id: str
    name: str
    status: str
    owner_alias: str
    """``system``, ``self``, ``others``, ``marketplace``."""
    is_public: bool
    os_type: str
    io_optimized: bool | None
    """Whether the image supports I/O optimised instances."""
    cloud_init: bool | None
    """Whether the image supports cloud-init (``IsSupportCloudinit``); ``None`` if ECS does not say."""
    login_as_non_root: bool | None
    """Whether the image supports logins as ``ecs-user`` (``LoginAsNonRootSupported``)."""
    creation_time: datetime | None


@dataclass(frozen=True)
class Caller:
    """Who the credentials belong to (STS API reference, GetCallerIdentity)."""

    account: str
    arn: str
    type: str
    source: str = ""
    """Where the credentials come from, for people; ``""`` if that is not known."""


@dataclass(frozen=True)
class UnreadableRow:
    """A row of a list that does not have the documented form. What it describes counts as not seen."""

    action: str
    """The API that was asked."""
    names: tuple[str, ...]
    """The id of what it describes, then the ids of what that belongs to; ``""`` if an id cannot be read either."""
    field: str
    """The field that cannot be read; ``""`` for the whole row."""
    value: str
    """What was in it, shortened, as JSON writes it."""
    type: str = ""
    """Its ``Type``, if that can be read."""

    @property
    def subject(self) -> str:
        """The id of what it describes; ``""`` if that cannot be read."""
        return self.names[0] if self.names else ""

    @property
    def owners(self) -> tuple[str, ...]:
        """The ids of what it belongs to; its own id, if it belongs to nothing else."""
        return self.names[1:] or self.names

    @property
    def why(self) -> str:
        """What cannot be read, without a full stop."""
        what = f"{self.field} is {self.value}" if self.field else f"the row is {self.value}"
        return f"the row of {self.subject or 'something unnamed'} cannot be read: {what}"


@dataclass(frozen=True)
class Unseen:
    """Something that could not be seen, and the right that would allow it."""

    action: str
    subject: str
    right: str
    """``""`` if no right would help."""
    why: str
    row: UnreadableRow | None = None
    """The row that could not be read, if that is the reason."""
    credentials_refused: str | None = None
    """The code with which the credentials were refused, if that is the reason."""

    @property
    def missing_text(self) -> str:
        """What went wrong, for people: what cannot be read is in an answer."""
        return self.why if self.row is None else f"in the answer to {self.action} {self.why}"
