"""The schema of a world file: what there is when a simulation begins.

A world is YAML (or a dict of the same shape). Things are mappings by id; every member has a default, so `d-1: {}` is a
disk. Times are RFC 3339 (`2013-07-01T00:00:00Z`) or relative to the start (`-2h`, `-30d`, `+15m`); durations are
numbers of simulated seconds. An unknown key is an error.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timezone
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

DEFAULT_WORLD = Path(__file__).with_name("default_world.yaml")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RELATIVE = re.compile(r"([+-])(\d+(?:\.\d+)?)([smhd])")


class WorldError(ValueError):
    """A world or a list of faults that cannot be used; its text is one sentence that names every mistake."""


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


def _empty(value: object) -> object:
    """In YAML a key without a value is null; here it means "all defaults"."""
    return {} if value is None else value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


When = Annotated[Moment, BeforeValidator(_moment)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Ids = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Spec(BaseModel):
    """What all parts of a world have in common: no unknown keys, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class DenialSpec(Spec):
    """A RAM action (`ecs:StopInstance`, or `*`) a key may not do to one resource id, or to all (`*`)."""

    action: str
    resource: str = "*"


class KeySpec(Spec):
    """An access key. With a `token` it is a temporary one; `expires_after` is in simulated seconds from the start."""

    id: str
    secret: str
    token: str = ""
    expires_after: float | None = None
    active: bool = True
    account: str | None = None
    deny: tuple[DenialSpec, ...] = ()


class Durations(Spec):
    """How long things take, in simulated seconds, unless an instance, disk or snapshot says otherwise."""

    stop: Seconds = 30
    wipe: Seconds = 60
    start: Seconds = 45
    snapshot: Seconds = 60


class ImageSpec(Spec):
    """An image. `owner` as in ImageOwnerAlias; `public` with owner `others` is a community image."""

    owner: Literal["self", "system", "others", "marketplace"] = "self"
    public: bool = False
    os: Literal["linux", "windows"] = "linux"
    name: str | None = None
    size: int = 20
    created: When = Moment(-60 * 86400.0, relative=True)
    status: Literal["Creating", "Waiting", "Available", "UnAvailable", "CreateFailed", "Deprecated"] = "Available"
    deleted: bool = False
    supports_io_optimized: bool = True
    tags: dict[str, str] = {}


class InstanceSpec(Spec):
    """An instance. It has been started once unless `never_started`; image and system follow its system disk."""

    name: str | None = None
    status: Literal["Pending", "Starting", "Running", "Stopping", "Stopped"] = "Running"
    never_started: bool = False
    created: When = Moment(-30 * 86400.0, relative=True)
    started: When = Moment(-2 * 86400.0, relative=True)
    stopped_mode: Literal["KeepCharging", "StopCharging"] = "KeepCharging"
    os: Literal["linux", "windows"] | None = None
    image: str | None = None
    key_pair: str = ""
    charge_type: Literal["PostPaid", "PrePaid"] = "PostPaid"
    expires: When | None = None
    auto_release: When | None = None
    spot_strategy: Literal["NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo"] = "NoSpot"
    deletion_protection: bool = False
    hibernation: bool = False
    io_optimized: bool = True
    instance_type: str = "ecs.g7.large"
    public_ip: str = ""
    dedicated_host: str = ""
    ignores_stop: bool = False
    locks: Ids = ()
    tags: dict[str, str] = {}
    stop_seconds: Seconds | None = None
    start_seconds: Seconds | None = None
    held: bool = False


class DiskSpec(Spec):
    """A disk. `instance` is what it is attached to (several for multi-attach), `snapshot` what it was made from.

    `kms` lets ReInitDisk be refused as for a key that is gone; `never_used` is what only CreateSnapshot tells.
    """

    instance: Ids = ()
    type: Literal["system", "data"] = "data"
    name: str | None = None
    status: Literal["In_use", "Available", "Attaching", "Detaching", "Creating", "ReIniting"] | None = None
    category: str = "cloud_essd"
    size: int = 40
    image: str = ""
    snapshot: str = ""
    created: When = Moment(-30 * 86400.0, relative=True)
    attached: When = Moment(-29 * 86400.0, relative=True)
    detached: When | None = None
    charge_type: Literal["PostPaid", "PrePaid"] = "PostPaid"
    expires: When | None = None
    multi_attach: bool = False
    delete_with_instance: bool | None = None
    auto_snapshot_policy: str = ""
    encrypted: bool = False
    kms_key: str = ""
    kms: Literal["", "CMKNotEnabled", "KMSUnauthorized", "CMKUnauthorized"] = ""
    never_used: bool = False
    locks: Ids = ()
    tags: dict[str, str] = {}
    content: str | None = None
    wipe_seconds: Seconds | None = None
    held: bool = False


class SnapshotSpec(Spec):
    """A snapshot. `released`: its disk is no longer there. Instant access without days is the legacy kind."""

    disk: str
    released: bool = False
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
    tags: dict[str, str] = {}
    held: bool = False


class World(Spec):
    """All of it. The first of `keys` is the default key."""

    region: str = "cn-hangzhou"
    regions: Ids = ("cn-hangzhou", "cn-shanghai", "cn-beijing", "cn-shenzhen", "ap-southeast-1")
    account: str = "1000000000000001"
    durations: Annotated[Durations, BeforeValidator(_empty)] = Durations()
    describe_lag: Seconds = 0
    default_stopped_mode: Literal["KeepCharging", "StopCharging"] = "KeepCharging"
    rate_limits: dict[str, Annotated[int, Field(ge=1)]] = {"ReInitDisk": 500}
    keys: Annotated[tuple[KeySpec, ...], Field(min_length=1)] = (KeySpec(id="testid", secret="testsecret"),)  # noqa: S106
    key_pairs: Ids = ()
    images: dict[str, Annotated[ImageSpec, BeforeValidator(_empty)]] = {}
    instances: dict[str, Annotated[InstanceSpec, BeforeValidator(_empty)]] = {}
    disks: dict[str, Annotated[DiskSpec, BeforeValidator(_empty)]] = {}
    snapshots: dict[str, SnapshotSpec] = {}


def load_world(source: World | str | Path | dict[str, Any] | None) -> World:
    """Read a world: None is the packaged one, a path a YAML file, a dict the same already read."""
    if isinstance(source, World):
        return source
    if source is None:
        return _default_world()
    return parse_world(source if isinstance(source, dict) else read_yaml(source))


@lru_cache(maxsize=1)
def _default_world() -> World:
    return parse_world(read_yaml(DEFAULT_WORLD))


def parse_world(data: object) -> World:
    """Validate; all mistakes are told at once, each with its path."""
    try:
        world = World.model_validate({} if data is None else data)
    except ValidationError as error:
        raise WorldError(f"The world is not valid: {sentences(error)}.") from None
    mistakes = _dangling(world)
    if mistakes:
        raise WorldError(f"The world is not valid: {'; '.join(mistakes)}.")
    return world


def read_yaml(path: str | Path) -> object:
    """Parse a YAML file; a file that cannot be read or parsed is a WorldError of one sentence."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with Path(path).open(encoding="utf-8") as file:
            document: object = yaml.load(file, Loader=loader)  # noqa: S506 - both are safe loaders
            return document
    except OSError as error:
        raise WorldError(f"Cannot read {path}: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WorldError(f"{path} is not YAML: {' '.join(str(error).split())}.") from None


def sentences(error: ValidationError) -> str:
    """All problems of a validation, each as `path: what is wrong`."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'the document'}: {problem['msg']}"
        for problem in error.errors(include_url=False)
    )


def _dangling(world: World) -> list[str]:
    """List references to things that are not there, and states that contradict each other."""
    mistakes: list[str] = []

    def need(found: bool, path: str, problem: str) -> None:
        if not found:
            mistakes.append(f"{path}: {problem}")

    for prefix, table in (("i-", world.instances), ("d-", world.disks), ("s-", world.snapshots)):
        for key in table:
            need(key.startswith(prefix), key, f"this id must begin with {prefix}")
    for key, disk in world.disks.items():
        for instance in disk.instance:
            need(instance in world.instances, f"disks.{key}.instance", f"there is no instance {instance}")
        need(not disk.image or disk.image in world.images, f"disks.{key}.image", f"there is no image {disk.image}")
        source = disk.snapshot
        need(not source or source in world.snapshots, f"disks.{key}.snapshot", f"there is no snapshot {source}")
        attached = disk.status in ("In_use", "Detaching", "ReIniting")
        fits = disk.status is None or disk.status == "Attaching" or attached == bool(disk.instance)
        need(fits, f"disks.{key}.status", f"{disk.status} does not go with the instance given")
        need(len(disk.instance) < 2 or disk.multi_attach, f"disks.{key}.instance", "several need multi_attach: true")
    for key, snapshot in world.snapshots.items():
        known = snapshot.released or snapshot.disk in world.disks
        need(known, f"snapshots.{key}.disk", f"there is no disk {snapshot.disk} (released: true says it is gone)")
    for key, machine in world.instances.items():
        image = machine.image
        need(image is None or image in world.images, f"instances.{key}.image", f"there is no image {image}")
        fresh = not machine.never_started or machine.status in ("Stopped", "Pending")
        need(fresh, f"instances.{key}.never_started", f"does not go with {machine.status}")
    return mistakes
