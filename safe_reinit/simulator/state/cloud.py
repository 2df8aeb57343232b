"""The simulated cloud: its rows, and the operations in progress that time completes.

Nothing happens in the background. Whoever looks first calls `now()`, which completes all operations that are due, in
order and each at its own time; so the same calls at the same times always give the same cloud.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from .clock import SimulatedClock
from .model import AutoSnapshotPolicy, Disk, Image, Instance, KeyPair, Snapshot
from .permissions import AccessKey
from .table import Table
from .timeline import Timeline


@dataclass(frozen=True)
class Settings:
    """What a world says about its account and region; durations in simulated seconds.

    `scaling_groups`: after how many seconds each releases a member that is not Running. `rate_limits`: calls a minute.
    """

    region: str
    regions: tuple[str, ...]
    account: str
    snapshot_seconds: float
    describe_lag: float
    default_stopped_mode: str
    edition: int = 2025
    arrears: bool = False
    stock: str = "enough"
    volume_white_list: bool = True
    login_as_non_root: bool = True
    stop_spoils_snapshots: bool = True
    rate_limits: dict[str, int] = field(default_factory=dict)
    scaling_groups: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Happening:
    """Something that nobody requested: what the world did by itself, to what, and when."""

    at: float
    action: str
    subjects: tuple[str, ...]


class Cloud:
    """Everything there is, and the only place where it changes."""

    def __init__(self, settings: Settings, clock: SimulatedClock, rng: random.Random) -> None:
        self.settings = settings
        self.clock = clock
        lag = settings.describe_lag
        self.disks: Table[Disk] = Table(lag, _origins)
        self.instances: Table[Instance] = Table(lag)
        self.snapshots: Table[Snapshot] = Table(lag, lambda row: (row.disk_id,))
        self.images: dict[str, Image] = {}
        self.key_pairs: dict[str, KeyPair] = {}
        self.kms_keys: dict[str, str] = {}
        self.auto_snapshot_policies: dict[str, AutoSnapshotPolicy] = {}
        self.keys: dict[str, AccessKey] = {}
        self.snapshot_tokens: dict[str, tuple[str, str]] = {}
        self.timeline = Timeline()
        self.happened: list[Happening] = []
        self._rng = rng
        self._contents = 0
        self._addresses = 0

    def now(self) -> float:
        """Return simulated time, after everything that was due has been done."""
        now = self.clock.now()
        while (due := self.timeline.take(now)) is not None:
            at, finish = due
            finish(at)
        return now

    def record(self, at: float, action: str, *subjects: str) -> None:
        """Record what the world does by itself."""
        self.happened.append(Happening(at, action, subjects))

    # Rows.

    def put_disk(self, disk: Disk, at: float) -> None:
        """Add or replace a disk."""
        self.disks.put(disk, at)

    def put_instance(self, instance: Instance, at: float) -> None:
        """Add or replace an instance."""
        self.instances.put(instance, at)

    def put_snapshot(self, snapshot: Snapshot, at: float) -> None:
        """Add or replace a snapshot."""
        self.snapshots.put(snapshot, at)

    def disks_of(self, instance_id: str) -> list[Disk]:
        """Return the disks attached to an instance, including multi-attach disks."""
        return self.disks.linked(instance_id)

    def snapshots_of(self, disk_id: str) -> list[Snapshot]:
        """Return the snapshots of a disk that have not been deleted."""
        return self.snapshots.linked(disk_id)

    def region_of(self, ids: Iterable[str]) -> str:
        """Return the region of the first of these that exists; the world's if none does."""
        for key in ids:
            row = self.disks.get(key) or self.instances.get(key) or self.snapshots.get(key) or self.images.get(key)
            if row is not None:
                return row.region
        return self.settings.region

    # Contents, ids and addresses.

    def new_content(self) -> str:
        """Return what a guest has just written: `data:N`, with N counted over the whole world."""
        self._contents += 1
        return f"data:{self._contents}"

    def write(self, instance_id: str, at: float) -> None:
        """Write to each of its disks, as a guest does."""
        for disk in self.disks_of(instance_id):
            self.put_disk(replace(disk, content=self.new_content()), at)

    def new_id(self, prefix: str) -> str:
        """Return an id of the usual form: the prefix, a hyphen, and 20 characters."""
        return f"{prefix}-sim{self._rng.getrandbits(68):017x}"

    def new_address(self) -> str:
        """Return a public address from the range reserved for documentation."""
        self._addresses += 1
        return f"198.51.100.{self._addresses % 254 + 1}"


def _origins(disk: Disk) -> tuple[str, ...]:
    """Return what a disk belongs to: its instances, and the image and snapshot that it was made from."""
    ids = (*(place.instance_id for place in disk.attachments), disk.image_id, disk.source_snapshot_id)
    return tuple(key for key in ids if key)
