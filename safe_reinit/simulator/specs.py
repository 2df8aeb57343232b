"""The parts of a world file, member by member; `world` says how they are read."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timezone
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RELATIVE = re.compile(r"([+-])(\d+(?:\.\d+)?)([smhd])")
_DAY = 86400.0


class Moment(NamedTuple):
    """A time in a world: seconds since the epoch, or since the start of the simulation."""

    seconds: float
    relative: bool

    def at(self, start: float) -> float:
        """Seconds since the epoch."""
        return start + self.seconds if self.relative else self.seconds


def _moment(value: object) -> object:
    if isinstance(value, str):
        match = _RELATIVE.fullmatch(value.strip())
        if match:
            sign, number, unit = match.groups()
            return Moment(float(sign + number) * _UNITS[unit], relative=True)
        try:
            value = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
        except ValueError:
            raise ValueError("must be a time such as 2013-07-01T00:00:00Z, or relative such as -2h") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if isinstance(value, datetime):
        known = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return Moment(known.timestamp(), relative=False)
    return value


def empty(value: object) -> object:
    """In YAML a key without a value is null; here it means "all defaults"."""
    return {} if value is None else value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


MOMENT_SCHEMA = {"type": "string", "description": "RFC 3339, or relative to the start: -2h, +15m, -30d"}
_IDS_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

When = Annotated[Moment, BeforeValidator(_moment), WithJsonSchema(MOMENT_SCHEMA)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Ids = Annotated[tuple[str, ...], BeforeValidator(_listed), WithJsonSchema(_IDS_SCHEMA)]
Calls = Annotated[int, Field(ge=1)]
Mode = Literal["KeepCharging", "StopCharging"]
Stock = Literal["enough", "none"]


class Spec(BaseModel):
    """What all parts of a world have in common: no unknown keys, no change after reading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, use_attribute_docstrings=True, title=None
    )


class DenialSpec(Spec):
    """A RAM action (`ecs:StopInstance`, or `*`) a key may not do to one resource id, or to all (`*`)."""

    action: str
    resource: str = "*"


class StatementSpec(Spec):
    """A statement of a RAM policy. Of conditions `{"Bool": {KEY: ["true"]}}` is known; `*` stands for anything."""

    Effect: Literal["Allow", "Deny"]
    Action: Ids
    Resource: Ids
    Condition: dict[Literal["Bool"], dict[str, Annotated[tuple[bool], BeforeValidator(_listed)]]] = {}


class PolicySpec(Spec):
    """A RAM policy, as the RAM console takes it."""

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
    policy: PolicySpec | None = None
    """With one, the key may do nothing but what it allows, and of that not what `deny` names."""


class Durations(Spec):
    """How long things take, in simulated seconds, unless an instance, disk or snapshot says otherwise."""

    stop: Seconds = 30
    wipe: Seconds = 60
    start: Seconds = 45
    snapshot: Seconds = 60


class GroupSpec(Spec):
    """An Auto Scaling group."""

    release_after: Seconds = 60
    """A member that is not Running for so long is released, with its disks."""
    tags: bool = True
    """Whether its members have the tag acs:autoscaling:scalingGroupId."""


class ImageSpec(Spec):
    """An image. `public` with owner `others` is a community image."""

    owner: Literal["self", "system", "others", "marketplace"] = "self"
    public: bool = False
    os: Literal["linux", "windows"] = "linux"
    name: str | None = None
    size: int = 20
    created: When = Moment(-60 * _DAY, relative=True)
    status: Literal["Creating", "Waiting", "Available", "UnAvailable", "CreateFailed", "Deprecated"] = "Available"
    deleted: bool = False
    """Deleted, or by its owner no longer shared with this account."""
    code_when_deleted: Literal[
        "", "InvalidImageId.NotFound", "SharedImageDeleted", "InvalidDiskId.OperationNotSupported"
    ] = ""
    """What ReInitDisk then says; empty: by owner, self, others and the rest in this order."""
    supports_io_optimized: bool = True
    login_as_non_root: bool = False
    snapshot: str = ""
    """The snapshot it was made from, which can then not be deleted."""
    tags: dict[str, str] = {}


class InstanceSpec(Spec):
    """An instance. It has been started once unless `never_started`; image and system follow its system disk."""

    name: str | None = None
    status: Literal["Pending", "Starting", "Running", "Stopping", "Stopped"] = "Running"
    never_started: bool = False
    created: When = Moment(-30 * _DAY, relative=True)
    started: When = Moment(-2 * _DAY, relative=True)
    stopped_mode: Mode = "KeepCharging"
    os: Literal["linux", "windows"] | None = None
    image: str | None = None
    key_pair: str = ""
    charge_type: Literal["PostPaid", "PrePaid"] = "PostPaid"
    expires: When | None = None
    auto_release: When | None = None
    """AutoReleaseTime: then it is deleted, with its disks."""
    spot_strategy: Literal["NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo"] = "NoSpot"
    deletion_protection: bool = False
    hibernation: bool = False
    io_optimized: bool = True
    instance_type: str = "ecs.g7.large"
    public_ip: str = ""
    dedicated_host: str = ""
    ignores_stop: bool = False
    """A guest that does not answer a graceful stop: Stopping until it is forced."""
    stock: Stock | None = None
    """Whether a start finds resources, if not as the world says."""
    login_as_non_root: bool = False
    """Made to log in as ecs-user, which its image and region must support when the system disk is wiped."""
    scaling_group: str = ""
    lifecycle: Literal["InService", "Standby", "Protected"] = "InService"
    """Its state in the scaling group, which leaves Standby and Protected alone."""
    locks: Ids = ()
    tags: dict[str, str] = {}
    stop_seconds: Seconds | None = None
    start_seconds: Seconds | None = None
    held: bool = False
    """What is under way does not end before a release."""


class DiskSpec(Spec):
    """A disk. `instance` is what it is attached to (several for multi-attach), `snapshot` what it was made from."""

    instance: Ids = ()
    type: Literal["system", "data"] = "data"
    name: str | None = None
    status: Literal["In_use", "Available", "Attaching", "Detaching", "Creating", "ReIniting"] | None = None
    category: str = "cloud_essd"
    size: int = 40
    image: str = ""
    snapshot: str = ""
    created: When = Moment(-30 * _DAY, relative=True)
    attached: When = Moment(-29 * _DAY, relative=True)
    detached: When | None = None
    charge_type: Literal["PostPaid", "PrePaid"] = "PostPaid"
    expires: When | None = None
    multi_attach: bool = False
    delete_with_instance: bool | None = None
    """Default: true for a system disk, false for a data disk."""
    auto_snapshot_policy: str = ""
    encrypted: bool = False
    kms_key: str = ""
    kms: Literal["", "CMKNotEnabled", "KMSUnauthorized", "CMKUnauthorized"] = ""
    """What is wrong with its key: ReInitDisk, CreateSnapshot, and stop and start of its instance are refused so."""
    never_used: bool = False
    """CreateSnapshot tells it; so does ReInitDisk in the edition of 2017."""
    faulty: bool = False
    """Its storage does not work: ReInitDisk answers InternalError, stop and start DiskError."""
    replicated: bool = False
    """In an asynchronous replication pair: cannot be wiped."""
    locks: Ids = ()
    tags: dict[str, str] = {}
    content: str | None = None
    wipe_seconds: Seconds | None = None
    held: bool = False


class SnapshotSpec(Spec):
    """A snapshot. Instant access without days is the legacy kind, which blocks wipes."""

    disk: str
    released: bool = False
    """Its disk is no longer there."""
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
    """What ReInitDisk then says of a disk made from it: both are documented."""
    tags: dict[str, str] = {}
    held: bool = False


class ScheduleSpec(Spec):
    """Something that happens by itself: the same requests as `POST /_simulator/do`."""

    at: When
    every: Annotated[float, Field(ge=60, allow_inf_nan=False)] | None = None
    """Again after so many seconds."""
    do: dict[str, Any]


class AccountSpec(Spec):
    """What is true of the whole account; `{"set": {...}}` changes it while the simulation runs."""

    edition: Literal[2017, 2018, 2019, 2020, 2021, 2025] = 2025
    """Of the API reference, where editions contradict each other about one and the same fact."""
    arrears: bool = False
    """The account owes money for what is paid by use."""
    stock: Stock = "enough"
    """Whether a start after StopCharging, on a dedicated host or of a spot instance finds resources."""
    default_stopped_mode: Mode = "KeepCharging"
    """Of a stop that names no mode."""
    volume_white_list: bool = True
    """Whether the account may use shared block storage."""
    login_as_non_root: bool = True
    """Whether the region supports it."""
    stop_spoils_snapshots: bool = True
    """Whether a snapshot in progress fails when its instance is stopped, started or restarted."""
    rate_limits: dict[str, Calls] = {"ReInitDisk": 500}
    """Calls a minute by API."""


class World(AccountSpec):
    """All of it. The first of `keys` is the default key."""

    region: str = "cn-hangzhou"
    regions: Ids = ("cn-hangzhou", "cn-shanghai", "cn-beijing", "cn-shenzhen", "ap-southeast-1")
    account: str = "1000000000000001"
    durations: Annotated[Durations, BeforeValidator(empty)] = Durations()
    describe_lag: Seconds = 0
    """By how much Describe calls show an older state of instances, disks and snapshots."""
    keys: Annotated[tuple[KeySpec, ...], Field(min_length=1)] = (KeySpec(id="testid", secret="testsecret"),)  # noqa: S106
    key_pairs: Ids = ()
    scaling_groups: dict[str, Annotated[GroupSpec, BeforeValidator(empty)]] = {}
    images: dict[str, Annotated[ImageSpec, BeforeValidator(empty)]] = {}
    instances: dict[str, Annotated[InstanceSpec, BeforeValidator(empty)]] = {}
    disks: dict[str, Annotated[DiskSpec, BeforeValidator(empty)]] = {}
    snapshots: dict[str, SnapshotSpec] = {}
    schedule: tuple[ScheduleSpec, ...] = ()
    """What happens by itself, such as an automatic snapshot."""

    def account_facts(self) -> dict[str, Any]:
        """Return what is true of the whole account."""
        return {name: getattr(self, name) for name in AccountSpec.model_fields}
