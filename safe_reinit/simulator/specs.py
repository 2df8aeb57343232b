"""The parts of a world file, member by member; `world` says how they are read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from .reading import (
    DAY,
    CallCount,
    Ids,
    Lifecycle,
    Mode,
    Moment,
    Seconds,
    Stock,
    When,
    empty,
    listed,
    one,
)


class Spec(BaseModel):
    """The common base of all parts of a world: no unknown keys, no change after reading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, use_attribute_docstrings=True, title=None
    )


class DenialSpec(Spec):
    """A RAM action (`ecs:StopInstance`, or `*`) that a key may not do to one resource id, or to any (`*`)."""

    action: str
    resource: str = "*"


class StatementSpec(Spec):
    """A statement of a RAM policy. Of conditions, `{"Bool": {KEY: ["true"]}}` is supported; `*` matches anything."""

    Effect: Literal["Allow", "Deny"]
    Action: Ids
    Resource: Ids
    Condition: dict[Literal["Bool"], dict[str, Annotated[tuple[bool], BeforeValidator(listed)]]] = {}


class RamPolicySpec(Spec):
    """A RAM policy, in the form of the RAM console."""

    Version: Literal["1"]
    Statement: tuple[StatementSpec, ...]


class KeySpec(Spec):
    """An access key. With a `token` it is a temporary one."""

    id: str
    secret: str
    token: str = ""
    expires_after: float | None = None
    """Simulated seconds from the start."""
    active: bool = True
    account: str | None = None
    """Another account than the world's: such a key sees nothing."""
    deny: tuple[DenialSpec, ...] = ()
    policy: RamPolicySpec | None = None
    """With a policy, the key may do only what it allows, except what `deny` names."""


class Durations(Spec):
    """How long operations take, in simulated seconds, unless an instance, disk or snapshot says otherwise."""

    stop: Seconds = 30
    wipe: Seconds = 60
    start: Seconds = 45
    snapshot: Seconds = 60
    reset: Seconds = 30


class GroupSpec(Spec):
    """An Auto Scaling group."""

    release_after: Seconds = 60
    """A member that is not Running for this long is released, with its disks."""
    tags: bool = True
    """Whether its members have the tag acs:autoscaling:scalingGroupId."""


class ImageSpec(Spec):
    """An image. `public` with owner `others` is a community image."""

    owner: Literal["self", "system", "others", "marketplace"] = "self"
    region: str = ""
    """Its region; empty: the region of the world."""
    public: bool = False
    os: Literal["linux", "windows"] = "linux"
    name: str | None = None
    size: int = 20
    created: When = Moment(-60 * DAY, relative=True)
    status: Literal["Creating", "Waiting", "Available", "UnAvailable", "CreateFailed", "Deprecated"] = "Available"
    deleted: bool = False
    """Deleted, or no longer shared with this account by its owner."""
    code_when_deleted: Literal[
        "", "InvalidImageId.NotFound", "SharedImageDeleted", "InvalidDiskId.OperationNotSupported"
    ] = ""
    """What ReInitDisk then answers; empty: by owner: self, others, and the rest, in this order."""
    supports_io_optimized: bool = True
    cloud_init: bool = True
    """IsSupportCloudinit."""
    login_as_non_root: bool = False
    snapshot: str = ""
    """The snapshot that it was made from, which then cannot be deleted."""
    tags: dict[str, str] = {}


class EventSpec(Spec):
    """A system event of an instance."""

    type: str = "SystemMaintenance.Reboot"
    status: Literal["Scheduled", "Avoided", "Executing", "Executed", "Canceled", "Failed", "Inquiring"] = "Scheduled"
    not_before: When = Moment(3600.0, relative=True)
    """When it is planned to happen."""


class AutoSnapshotPolicySpec(Spec):
    """An automatic snapshot policy. It is only shown; snapshots begin according to `schedule`."""

    name: str = ""
    hours: tuple[Annotated[int, Field(ge=0, le=23)], ...] = (3,)
    """TimePoints: hours of the day in UTC+8."""
    weekdays: tuple[Annotated[int, Field(ge=1, le=7)], ...] = (1, 2, 3, 4, 5, 6, 7)
    """RepeatWeekdays: 1 is Monday, in UTC+8."""
    retention_days: int = -1
    status: Literal["Normal", "Expire"] = "Normal"


class KmsKeySpec(Spec):
    """A key of KMS."""

    state: str = "Enabled"
    """KeyState; with any other than Enabled, its disks answer CMKNotEnabled. `Deleted`: KMS does not know it."""


class InstanceSpec(Spec):
    """An instance. It was started once unless `never_started`; its image and system come from its system disk."""

    name: str | None = None
    region: str = ""
    """Its region; empty: the region of the world."""
    zone: Annotated[str, Field(pattern="^[a-z]$")] = "h"
    """The letter of its zone in that region; its disks are in the same."""
    status: Literal["Pending", "Starting", "Running", "Stopping", "Stopped"] = "Running"
    never_started: bool = False
    created: When = Moment(-30 * DAY, relative=True)
    started: When = Moment(-2 * DAY, relative=True)
    """When it was last started; DescribeInstances shows the minute."""
    shows_start_time: bool = True
    """Whether DescribeInstances shows its StartTime at all."""
    start_time_moves: bool = True
    """Whether a start gives it a new StartTime."""
    start_time_off: Annotated[float, Field(allow_inf_nan=False)] = 0
    """By how many seconds the StartTime of a start is ahead of the `Date` of answers; negative: behind."""
    stopped_mode: Mode = "KeepCharging"
    os: Literal["linux", "windows"] | None = None
    image: str | None = None
    key_pair: str = ""
    charge_type: Literal["PostPaid", "PrePaid"] = "PostPaid"
    expires: When | None = None
    auto_release: When | None = None
    """AutoReleaseTime: at that time it is deleted, with its disks."""
    spot_strategy: Literal["NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo"] = "NoSpot"
    deletion_protection: bool = False
    hibernation: bool = False
    io_optimized: bool = True
    instance_type: str = "ecs.g7.large"
    public_ip: str = ""
    eip: str = ""
    """The address of an EIP that is bound to it; it keeps it whatever its power state."""
    dedicated_host: str = ""
    capacity_reservation: str = ""
    ignores_stop: bool = False
    """A guest that ignores a graceful stop: Stopping until it is forced."""
    stock: Stock | None = None
    """Whether a start finds capacity, if different from the world."""
    login_as_non_root: bool = False
    """Made for logins as ecs-user, which its image and region must support when the system disk is wiped."""
    scaling_group: str = ""
    lifecycle: Lifecycle = "InService"
    """Its state in the scaling group, which leaves Standby and Protected members alone."""
    events: Annotated[tuple[EventSpec, ...], BeforeValidator(one)] = ()
    """System events: they are shown, and happen only if they are in the schedule."""
    locks: Ids = ()
    tags: dict[str, str] = {}
    stop_seconds: Seconds | None = None
    start_seconds: Seconds | None = None
    held: bool = False
    """An operation in progress does not end before a release."""


class DiskSpec(Spec):
    """A disk. `instance` is what it is attached to (several for multi-attach), `snapshot` is its source."""

    instance: Ids = ()
    type: Literal["system", "data"] = "data"
    name: str | None = None
    region: str = ""
    """Its region; empty: the region of its instance, else of the world."""
    status: Literal["In_use", "Available", "Attaching", "Detaching", "Creating", "ReIniting"] | None = None
    category: str = "cloud_essd"
    size: int = 40
    image: str = ""
    snapshot: str = ""
    created: When = Moment(-30 * DAY, relative=True)
    attached: When = Moment(-29 * DAY, relative=True)
    detached: When | None = None
    charge_type: Literal["PostPaid", "PrePaid"] = "PostPaid"
    expires: When | None = None
    multi_attach: bool = False
    delete_with_instance: bool | None = None
    """Default: true for a system disk, false for a data disk."""
    auto_snapshot_policy: str = ""
    """The id of one of `auto_snapshot_policies`; ECS does not show any other policy."""
    encrypted: bool = False
    kms_key: str = ""
    kms: Literal["", "CMKNotEnabled", "KMSUnauthorized", "CMKUnauthorized"] = ""
    """What is wrong with its key: the reason for which ReInitDisk, CreateSnapshot, and stop and start are refused.

    If the key is in `kms_keys`, this follows from its state.
    """
    never_used: bool = False
    """CreateSnapshot reports it; so does ReInitDisk in the edition of 2017."""
    faulty: bool = False
    """Its storage is faulty: ReInitDisk answers InternalError, stop and start DiskError."""
    replicated: bool = False
    """In an asynchronous replication pair: cannot be wiped."""
    replica_site: Literal["production", "backup"] = "production"
    """For a disk in a pair: whether it is the source (production) or the replica."""
    locks: Ids = ()
    tags: dict[str, str] = {}
    content: str | None = None
    wipe_seconds: Seconds | None = None
    held: bool = False


class SnapshotSpec(Spec):
    """A snapshot. Instant access without days is the legacy kind, which blocks wipes."""

    disk: str
    released: bool = False
    """Its disk no longer exists."""
    region: str = ""
    """Its region; empty: the region of its disk, else of the world."""
    name: str = ""
    status: Literal["progressing", "accomplished", "failed"] = "accomplished"
    created: When = Moment(-3600.0, relative=True)
    seconds: Seconds | None = None
    category: str = "standard"
    kind: Literal["user", "auto"] = "user"
    instant_access: bool = False
    instant_access_days: int | None = None
    retention_days: int | None = None
    disk_type: Literal["system", "data"] = "data"
    size: int = 40
    content: str | None = None
    deleted: bool = False
    code_when_deleted: Literal["InvalidSourceSnapshot", "OperationDenied"] = "InvalidSourceSnapshot"
    """What ReInitDisk then answers for a disk made from it: both are documented."""
    tags: dict[str, str] = {}
    held: bool = False


class ScheduleSpec(Spec):
    """Something that happens by itself: the same requests as `POST /_simulator/do`."""

    at: When
    every: Annotated[float, Field(ge=60, allow_inf_nan=False)] | None = None
    """Again after this many seconds."""
    do: dict[str, Any]


class AccountSpec(Spec):
    """The facts about the whole account; `{"set": {...}}` changes them while the simulation runs."""

    edition: Literal[2017, 2018, 2019, 2020, 2021, 2025] = 2025
    """The edition of the API reference, where editions contradict each other."""
    arrears: bool = False
    """The account owes money for pay-as-you-go resources."""
    stock: Stock = "enough"
    """Whether a start after StopCharging, on a dedicated host or of a spot instance finds capacity."""
    default_stopped_mode: Mode = "KeepCharging"
    """For a stop without a mode."""
    volume_white_list: bool = True
    """Whether the account may use shared block storage."""
    login_as_non_root: bool = True
    """Whether the region supports it."""
    stop_spoils_snapshots: bool = True
    """Whether a snapshot in progress fails when its instance is stopped, started or restarted."""
    rate_limits: dict[str, CallCount] = {"ReInitDisk": 500}
    """Calls a minute by API."""


class World(AccountSpec):
    """A complete world. The first of `keys` is the default key."""

    region: str = "cn-hangzhou"
    regions: Ids = ("cn-hangzhou", "cn-shanghai", "cn-beijing", "cn-shenzhen", "ap-southeast-1")
    account: str = "1000000000000001"
    begins: When | None = None
    """The simulated time at which the simulation begins; by default the present."""
    durations: Annotated[Durations, BeforeValidator(empty)] = Durations()
    describe_lag: Seconds = 0
    """How much older the state is that Describe calls show for instances, disks and snapshots."""
    keys: Annotated[tuple[KeySpec, ...], Field(min_length=1)] = (KeySpec(id="testid", secret="testsecret"),)  # noqa: S106
    key_pairs: Ids = ()
    scaling_groups: dict[str, Annotated[GroupSpec, BeforeValidator(empty)]] = {}
    kms_keys: dict[str, Annotated[KmsKeySpec, BeforeValidator(empty)]] = {}
    """The key of a disk need not be listed here: it is Enabled, or Disabled if the disk says CMKNotEnabled."""
    auto_snapshot_policies: dict[str, Annotated[AutoSnapshotPolicySpec, BeforeValidator(empty)]] = {}
    images: dict[str, Annotated[ImageSpec, BeforeValidator(empty)]] = {}
    instances: dict[str, Annotated[InstanceSpec, BeforeValidator(empty)]] = {}
    disks: dict[str, Annotated[DiskSpec, BeforeValidator(empty)]] = {}
    snapshots: dict[str, SnapshotSpec] = {}
    schedule: tuple[ScheduleSpec, ...] = ()
    """What happens by itself, such as an automatic snapshot."""

    def region_of(self, thing: ImageSpec | InstanceSpec | DiskSpec | SnapshotSpec | None) -> str:
        """Return the region of a resource: its own, else that of what it belongs to, else the world's."""
        if thing is None:
            return self.region
        owner: InstanceSpec | DiskSpec | None = None
        if isinstance(thing, DiskSpec) and thing.instance:
            owner = self.instances.get(thing.instance[0])
        elif isinstance(thing, SnapshotSpec):
            owner = self.disks.get(thing.disk)
        return thing.region or self.region_of(owner)

    def zone_of(self, thing: InstanceSpec | DiskSpec) -> str:
        """Return the zone of an instance, or of a disk, which is in the zone of its instance."""
        owner = self.instances.get(thing.instance[0]) if isinstance(thing, DiskSpec) and thing.instance else thing
        letter = owner.zone if isinstance(owner, InstanceSpec) else "h"
        return f"{self.region_of(thing)}-{letter}"

    def account_facts(self) -> dict[str, Any]:
        """Return the facts about the whole account."""
        return {name: getattr(self, name) for name in AccountSpec.model_fields}
