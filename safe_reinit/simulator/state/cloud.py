"""The simulated cloud: its rows, and the transitions under way that time finishes.

Nothing happens in the background. Whoever looks first calls `now()`, which finishes, in their order and each at its own
moment, all transitions that are due; so the same calls at the same times always give the same cloud.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from safe_reinit.simulator.state.clock import SimulatedClock
from safe_reinit.simulator.state.model import Disk, Image, Instance, KeyPair, Snapshot
from safe_reinit.simulator.state.rights import AccessKey

Row = TypeVar("Row")


class Table(Generic[Row]):
    """Rows by id, remembering for `lag` simulated seconds what they were, since that is what Describe shows."""

    def __init__(self, lag: float) -> None:
        self._lag = lag
        self._rows: dict[str, Row] = {}
        self._past: dict[str, deque[tuple[float, Row]]] = {}

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def get(self, key: str) -> Row | None:
        """Return the row as it is now."""
        return self._rows.get(key)

    def put(self, key: str, row: Row, at: float) -> None:
        """Make `row` the one of this key from the moment `at` on."""
        self._rows[key] = row
        if self._lag > 0:
            past = self._past.setdefault(key, deque())
            past.append((at, row))
            while len(past) > 1 and past[1][0] <= at - self._lag:
                past.popleft()

    def shown(self, now: float) -> list[Row]:
        """Return all rows as a Describe call shows them: those of `lag` seconds ago, or the oldest known."""
        return [self._shown(key, now) for key in self._rows]

    def _shown(self, key: str, now: float) -> Row:
        past = self._past.get(key)
        if not past:
            return self._rows[key]
        known = [row for at, row in past if at <= now - self._lag]
        return known[-1] if known else past[0][1]


@dataclass(frozen=True)
class Settings:
    """What a world says about its account and region; durations in simulated seconds."""

    region: str
    regions: tuple[str, ...]
    account: str
    snapshot_seconds: float
    describe_lag: float
    default_stopped_mode: str
    rate_limits: dict[str, int]


@dataclass
class Transition:
    """A change under way: `finish(at)` is called once at the moment it is due."""

    due: float
    finish: Callable[[float], None]


class Cloud:
    """Everything there is, and the only place where it changes."""

    def __init__(self, settings: Settings, clock: SimulatedClock, rng: random.Random) -> None:
        self.settings = settings
        self.clock = clock
        self.disks: Table[Disk] = Table(settings.describe_lag)
        self.instances: Table[Instance] = Table(settings.describe_lag)
        self.snapshots: dict[str, Snapshot] = {}
        self.images: dict[str, Image] = {}
        self.key_pairs: dict[str, KeyPair] = {}
        self.keys: dict[str, AccessKey] = {}
        self.snapshot_tokens: dict[str, tuple[str, str]] = {}
        self.own_starts: list[tuple[float, str]] = []
        self._rng = rng
        self._transitions: dict[str, Transition] = {}
        self._held: set[str] = set()
        self._contents = 0
        self._addresses = 0

    # Time.

    def now(self) -> float:
        """Return simulated time, with all that was due until then done."""
        now = self.clock.now()
        while True:
            due = [
                (transition.due, subject)
                for subject, transition in self._transitions.items()
                if transition.due <= now and subject not in self._held
            ]
            if not due:
                return now
            at, subject = min(due)
            self._transitions.pop(subject).finish(at)

    def begin(self, subject: str, due: float, finish: Callable[[float], None]) -> None:
        """Let a transition of the subject end at `due` (`math.inf`: never by itself)."""
        self._transitions[subject] = Transition(due, finish)

    def cancel(self, subject: str) -> None:
        """Forget the subject's transition."""
        self._transitions.pop(subject, None)

    def hold(self, subject: str) -> None:
        """Keep transitions of the subject from ending."""
        self._held.add(subject)

    def release(self, subject: str, now: float) -> None:
        """Let transitions of the subject end again: one that is overdue ends now."""
        self._held.discard(subject)
        transition = self._transitions.get(subject)
        if transition is not None and math.isfinite(transition.due):
            transition.due = max(transition.due, now)

    # Rows.

    def put_disk(self, disk: Disk, at: float) -> None:
        """Add or replace a disk."""
        self.disks.put(disk.id, disk, at)

    def put_instance(self, instance: Instance, at: float) -> None:
        """Add or replace an instance."""
        self.instances.put(instance.id, instance, at)

    def disks_of(self, instance_id: str) -> list[Disk]:
        """Return the disks attached to an instance, multi-attach ones too."""
        return [disk for disk in self.disks if any(a.instance_id == instance_id for a in disk.attachments)]

    def snapshots_of(self, disk_id: str) -> list[Snapshot]:
        """Return the snapshots of a disk that have not been deleted."""
        return [row for row in self.snapshots.values() if row.disk_id == disk_id and row.status != "Deleted"]

    # Contents, ids and addresses.

    def new_content(self) -> str:
        """Return what a guest has just written: `data:N`, with N counted up over the world."""
        self._contents += 1
        return f"data:{self._contents}"

    def write(self, instance_id: str, at: float) -> None:
        """Let a guest write to each of its disks."""
        for disk in self.disks_of(instance_id):
            self.put_disk(replace(disk, content=self.new_content()), at)

    def new_id(self, prefix: str) -> str:
        """Return an id of the usual form: the prefix, a hyphen, and 20 characters."""
        return f"{prefix}-sim{self._rng.getrandbits(68):017x}"

    def new_address(self) -> str:
        """Return a public address of the range kept for documentation."""
        self._addresses += 1
        return f"198.51.100.{self._addresses % 254 + 1}"
