"""What is told of a run while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from .job import Evidence, Failure, Phase
from .plan import Becomes, Finding


@dataclass(frozen=True)
class Call:
    """One HTTP exchange with the cloud."""

    at: datetime
    action: str
    subject: tuple[str, ...]
    dry_run: bool
    http_status: int | None
    request_id: str | None
    code: str
    """``OK``, an ECS error code, ``Unanswered`` or ``NotSent``."""
    attempt: int = 1


EventName = Literal["look", "finding", "intend", "call", "answer", "wait", "state", "done"]


@dataclass(frozen=True)
class Event:
    """One thing that happened in a run; every output renders these."""

    at: datetime
    run_id: str | None
    event: EventName
    instance_id: str | None = None
    disk_id: str | None = None
    data: Mapping[str, object] = field(default_factory=dict)


Outcome = Literal[
    "done", "planned", "bug", "usage", "refused", "failed", "unknown", "not-restarted", "partial", "stranded"
]
DataState = Literal["intact", "reinitialised", "unknown"]


@dataclass(frozen=True)
class Operator:
    """Who ran the command, on which host."""

    user: str
    host: str


@dataclass(frozen=True)
class Identity:
    """Who the credentials belong to; the account stands by itself."""

    arn: str
    type: str


@dataclass(frozen=True)
class ClassReference:
    """The class of the configuration that all disks of a run are in, and what it allowed to it."""

    name: str
    sha256: str
    """Of what the configuration said of it."""
    allowed: tuple[str, ...]
    """What was not asked for by hand and came from it; nothing outside its hours."""


@dataclass(frozen=True)
class PlanReference:
    """How the plan of a run is named."""

    fingerprint: str
    digest: str | None
    confirm_with: str
    class_: ClassReference | None = None


@dataclass(frozen=True)
class DiskReport:
    """What became of one disk."""

    disk_id: str
    disk_name: str
    serial: str
    type: str
    device: str
    size_gib: int | None
    data: DataState
    evidence: Evidence | None
    becomes: Becomes
    safety_snapshot: str | None
    waivers: tuple[str, ...]


@dataclass(frozen=True)
class JobReport:
    """What became of one instance and its disks."""

    instance_id: str | None
    instance_name: str
    power_before: str
    power_after: str
    power_promised: Literal["Running", "Stopped"]
    outcome: Outcome
    error: Failure | None
    phases: tuple[Phase, ...]
    disks: tuple[DiskReport, ...]


@dataclass(frozen=True)
class Report:
    """The whole truth about a run or a dry run; its members are those of the JSON report, schema 1."""

    schema: int
    tool_version: str
    run_id: str | None
    outcome: Outcome
    exit_code: int
    dry_run: bool
    started_at: datetime
    ended_at: datetime
    region: str
    account: str
    caller: Identity | None
    operator: Operator
    reason: str | None
    plan: PlanReference | None
    jobs: tuple[JobReport, ...]
    error: Failure | None
    findings: tuple[Finding, ...]
    calls: tuple[Call, ...]
    looks: int | None
    next: tuple[str, ...]
