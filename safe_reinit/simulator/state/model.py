"""The resources of the simulated cloud. Rows are frozen: a change replaces the old row by a new one."""

from __future__ import annotations

from dataclasses import dataclass, field

LOCAL_CATEGORIES = frozenset({"local_ssd_pro", "local_hdd_pro", "ephemeral", "ephemeral_ssd"})
"""Categories of local disks, which ReInitDisk refuses (ECS API reference, "Local disks")."""

FIXED_CATEGORIES = LOCAL_CATEGORIES | {"elastic_ephemeral_disk_standard", "elastic_ephemeral_disk_premium"}
"""Categories whose disks can be neither wiped nor snapshotted. For elastic ephemeral disks this is a choice: not
documented.
"""


@dataclass(frozen=True)
class Attachment:
    """A disk's place in an instance; `at` in simulated seconds since the epoch, as all times here."""

    instance_id: str
    device: str
    at: float


@dataclass(frozen=True)
class Overwrite:
    """One accepted ReInitDisk or ResetDisk: what was there before, and what is there since."""

    at: float
    request_id: str
    starts_before: int
    content_before: str
    content_after: str


@dataclass(frozen=True)
class Disk:
    """A block storage device; `status` uses the words of DescribeDisks, `content` is what a guest would read."""

    id: str
    name: str
    status: str
    type: str
    category: str
    size: int
    zone: str
    created: float
    content: str
    attachments: tuple[Attachment, ...] = ()
    image_id: str = ""
    source_snapshot_id: str = ""
    detached: float | None = None
    charge_type: str = "PostPaid"
    expires: float | None = None
    multi_attach: bool = False
    delete_with_instance: bool = False
    auto_snapshot_policy_id: str = ""
    encrypted: bool = False
    kms_key_id: str = ""
    kms_refusal: str = ""
    never_used: bool = False
    faulty: bool = False
    replicated: bool = False
    replica_site: str = "production"
    locks: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    wipe_seconds: float = 60.0
    reset_seconds: float = 30.0
    resetting: bool = False
    wipes: tuple[Overwrite, ...] = ()
    resets: tuple[Overwrite, ...] = ()

    @property
    def region(self) -> str:
        """The region of its zone."""
        return self.zone.rpartition("-")[0]

    @property
    def instance_id(self) -> str:
        """The instance it is attached to; the first one for a multi-attach disk, empty if none."""
        return self.attachments[0].instance_id if self.attachments else ""


@dataclass(frozen=True)
class Event:
    """A system event of an instance: what ECS plans to do to it, and when."""

    id: str
    instance_id: str
    type: str
    status: str
    published: float
    not_before: float


@dataclass(frozen=True)
class Instance:
    """A virtual machine; `starts` counts its starts since the beginning of the world."""

    id: str
    name: str
    status: str
    os_type: str
    image_id: str
    zone: str
    created: float
    starts: int
    start_time: float | None = None
    shows_start_time: bool = True
    start_time_moves: bool = True
    start_time_off: float = 0.0
    stopped_mode: str = "Not-applicable"
    key_pair: str = ""
    charge_type: str = "PostPaid"
    expires: float | None = None
    auto_release: float | None = None
    spot_strategy: str = "NoSpot"
    deletion_protection: bool = False
    hibernation: bool = False
    io_optimized: bool = True
    instance_type: str = "ecs.g7.large"
    public_ip: str = ""
    private_ip: str = ""
    wants_public_ip: bool = False
    eip: str = ""
    dedicated_host_id: str = ""
    capacity_reservation_id: str = ""
    ignores_stop: bool = False
    stock: str = ""
    login_as_non_root: bool = False
    scaling_group: str = ""
    lifecycle: str = "InService"
    events: tuple[Event, ...] = ()
    locks: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    stop_seconds: float = 30.0
    start_seconds: float = 45.0

    @property
    def region(self) -> str:
        """The region of its zone."""
        return self.zone.rpartition("-")[0]


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of a disk at the time the snapshot was begun; `ends` is when it will be accomplished."""

    id: str
    name: str
    status: str
    disk_id: str
    disk_type: str
    disk_size: int
    region: str
    created: float
    ends: float
    content: str
    category: str = "standard"
    kind: str = "user"
    instant_access: bool = False
    instant_access_days: int | None = None
    retention_days: int | None = None
    encrypted: bool = False
    description: str = ""
    code_when_deleted: str = "InvalidSourceSnapshot"
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def blocks_wipes(self) -> bool:
        """True for a local snapshot and for legacy instant access, told from the new one by its missing expiry."""
        legacy = self.instant_access and self.instant_access_days is None
        return self.status != "Deleted" and (legacy or self.category.lower() == "flash")

    def progress(self, now: float) -> int:
        """Return the progress, in percent."""
        if self.status != "progressing":
            return 100 if self.status == "accomplished" else 0
        return int(99 * max(0.0, min(1.0, (now - self.created) / max(self.ends - self.created, 1e-9))))


@dataclass(frozen=True)
class Image:
    """An image; `owner` is the ImageOwnerAlias, as this account sees it."""

    id: str
    name: str
    status: str
    owner: str
    owner_account: str
    os_type: str
    region: str
    created: float
    size: int
    public: bool = False
    supports_io_optimized: bool = True
    cloud_init: bool = True
    login_as_non_root: bool = False
    snapshot_id: str = ""
    code_when_deleted: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def shared(self) -> bool:
        """Somebody else's private image that this account may use."""
        return self.owner == "others" and not self.public


@dataclass(frozen=True)
class AutoSnapshotPolicy:
    """An automatic snapshot policy: hours of the day and days of the week (1 is Monday) in UTC+8."""

    id: str
    name: str
    hours: tuple[int, ...]
    weekdays: tuple[int, ...]
    retention_days: int
    status: str
    created: float


@dataclass(frozen=True)
class KeyPair:
    """An SSH key pair, known by its name."""

    name: str
    created: float
    fingerprint: str
    tags: dict[str, str] = field(default_factory=dict)
