"""The true state of the simulated ECS after a test, whatever answers the program got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

_NOT_DONE = ("drop_request", "reset", "late", "html")
"""The faults that prevent a call without an error code of ECS."""


@dataclass(frozen=True)
class RecordedCall:
    """One call that reached the simulated ECS, or what somebody did there without the API."""

    at: datetime
    """By the simulated time."""
    action: str
    subjects: tuple[str, ...]
    """The ids that the call is about."""
    code: str
    """The error code that was answered; ``""`` where there was none."""
    done: bool
    """Whether it was carried out, also where its answer was lost; ``False`` for a dry run."""
    answered: bool
    """Whether an answer was sent."""
    dry_run: bool
    source: Literal["api", "console", "world"]
    """Who did it: a client, the test itself (``do``), or the world by its schedule."""
    request_id: str

    @property
    def changing(self) -> bool:
        """Whether a client asked for a change: no Describe call, and no dry run."""
        return self.source == "api" and not self.dry_run and not self.action.startswith(("Describe", "Get", "List"))


@dataclass(frozen=True)
class SimulatedDisk:
    """A disk as it is in the simulated ECS."""

    disk_id: str
    status: str
    instance_id: str | None
    content: str
    """A name for the data on it: another one after each wipe, and after a machine has begun to use the disk again."""
    wipes: int
    """How often it was wiped (ReInitDisk)."""
    resets: int
    """How often it was rolled back to a snapshot (ResetDisk)."""


@dataclass(frozen=True)
class SimulatedInstance:
    """An instance as it is in the simulated ECS."""

    instance_id: str
    status: str
    starts: int
    """How often it was started, the start before the test included."""


@dataclass(frozen=True)
class SimulatedSnapshot:
    """A snapshot as it is in the simulated ECS."""

    snapshot_id: str
    disk_id: str
    status: str
    content: str
    """What was on its disk when it was taken."""


def call_of(row: Mapping[str, Any]) -> RecordedCall:
    """Return a call of the simulator's record."""
    return RecordedCall(
        at=datetime.fromisoformat(row["at"]),
        action=row["action"],
        subjects=tuple(row["subject"]),
        code=row["code"],
        done=not row["code"] and not row["dry_run"] and row["fault"] not in _NOT_DONE,
        answered=row["http_status"] is not None,
        dry_run=row["dry_run"],
        source=row["source"],
        request_id=row["request_id"],
    )


def disk_of(disk_id: str, row: Mapping[str, Any]) -> SimulatedDisk:
    """Return a disk of the simulator's record."""
    return SimulatedDisk(
        disk_id, row["status"], row["instance_id"], row["content"], len(row["wipes"]), len(row["resets"])
    )
