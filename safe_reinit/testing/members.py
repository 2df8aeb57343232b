"""The members of instances and the like, typed: ``docs/generate.py`` makes this file from the simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Required, TypedDict


class InstanceMembers(TypedDict, total=False):
    """The arguments of ``EcsWorld.add_instance``; ``docs/world.schema.json`` says what each means."""

    name: str | None
    region: str
    zone: str
    status: Literal["Pending", "Starting", "Running", "Stopping", "Stopped"]
    never_started: bool
    created: str | datetime
    started: str | datetime
    shows_start_time: bool
    start_time_moves: bool
    start_time_off: float
    stopped_mode: Literal["KeepCharging", "StopCharging"]
    os: Literal["linux", "windows"] | None
    image: str | None
    key_pair: str
    charge_type: Literal["PostPaid", "PrePaid"]
    expires: str | datetime | None
    auto_release: str | datetime | None
    spot_strategy: Literal["NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo"]
    deletion_protection: bool
    hibernation: bool
    io_optimized: bool
    instance_type: str
    public_ip: str
    eip: str
    dedicated_host: str
    capacity_reservation: str
    ignores_stop: bool
    stock: Literal["enough", "none"] | None
    login_as_non_root: bool
    scaling_group: str
    lifecycle: Literal[
        "InService", "Pending", "Pending:Wait", "Protected", "Standby", "Stopped", "Removing", "Removing:Wait"
    ]
    events: Sequence[Mapping[str, object]]
    locks: str | Sequence[str]
    tags: Mapping[str, str]
    stop_seconds: float | None
    start_seconds: float | None
    held: bool


class DiskMembers(TypedDict, total=False):
    """The arguments of ``EcsWorld.add_disk``; ``docs/world.schema.json`` says what each means."""

    instance: str | Sequence[str]
    type: Literal["system", "data"]
    name: str | None
    region: str
    status: Literal["In_use", "Available", "Attaching", "Detaching", "Creating", "ReIniting"] | None
    category: str
    size: int
    image: str
    snapshot: str
    created: str | datetime
    attached: str | datetime
    detached: str | datetime | None
    charge_type: Literal["PostPaid", "PrePaid"]
    expires: str | datetime | None
    multi_attach: bool
    delete_with_instance: bool | None
    auto_snapshot_policy: str
    encrypted: bool
    kms_key: str
    kms: Literal["", "CMKNotEnabled", "KMSUnauthorized", "CMKUnauthorized"]
    never_used: bool
    faulty: bool
    replicated: bool
    replica_site: Literal["production", "backup"]
    locks: str | Sequence[str]
    tags: Mapping[str, str]
    content: str | None
    wipe_seconds: float | None
    held: bool


class SnapshotMembers(TypedDict, total=False):
    """The arguments of ``EcsWorld.add_snapshot``; ``docs/world.schema.json`` says what each means."""

    disk: Required[str]
    released: bool
    region: str
    name: str
    status: Literal["progressing", "accomplished", "failed"]
    created: str | datetime
    seconds: float | None
    category: str
    kind: Literal["user", "auto"]
    instant_access: bool
    instant_access_days: int | None
    retention_days: int | None
    disk_type: Literal["system", "data"]
    size: int
    content: str | None
    deleted: bool
    code_when_deleted: Literal["InvalidSourceSnapshot", "OperationDenied"]
    tags: Mapping[str, str]
    held: bool


class ImageMembers(TypedDict, total=False):
    """The arguments of ``EcsWorld.add_image``; ``docs/world.schema.json`` says what each means."""

    owner: Literal["self", "system", "others", "marketplace"]
    region: str
    public: bool
    os: Literal["linux", "windows"]
    name: str | None
    size: int
    created: str | datetime
    status: Literal["Creating", "Waiting", "Available", "UnAvailable", "CreateFailed", "Deprecated"]
    deleted: bool
    code_when_deleted: Literal[
        "", "InvalidImageId.NotFound", "SharedImageDeleted", "InvalidDiskId.OperationNotSupported"
    ]
    supports_io_optimized: bool
    cloud_init: bool
    login_as_non_root: bool
    snapshot: str
    tags: Mapping[str, str]
