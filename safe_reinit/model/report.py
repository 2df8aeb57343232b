"""What is told of a run: its calls, and its report at the end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from .codec import encode
from .finding import Finding
from .job import DataState, Evidence, Failure, Phase
from .plan import Becomes


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP exchange with the cloud."""

    at: datetime
    """When the answer came, or was given up."""
    action: str
    """The API, ``ReInitDisk``."""
    subject: tuple[str, ...]
    """The ids that it was about."""
    dry_run: bool
    """Whether it was a DryRun, which changes nothing."""
    http_status: int | None
    """``None`` without an answer."""
    request_id: str | None
    """What Alibaba Cloud's support asks for."""
    code: str
    """``OK``, an ECS error code, ``Unanswered`` or ``NotSent``."""
    attempt: int = 1
    """2 for the second time that the same was asked."""

    @property
    def only_reads(self) -> bool:
        """Whether a call of this API changes nothing, whatever it is asked; a dry run of an act is no look."""
        return self.action.startswith(("Describe", "Get"))


Outcome = Literal[
    "done", "planned", "bug", "usage", "refused", "failed", "unknown", "not-restarted", "partial", "stranded"
]
STILL_PENDING: tuple[Outcome, ...] = ("unknown", "not-restarted", "stranded")
"""The outcomes after which something is owed to a machine: what its data is has to be found out, or its power set."""


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
    """SHA-256 of what is to be done, without times and states; 64 hex characters."""
    digest: str | None
    """SHA-256 of the plan's file; ``None`` without one."""
    confirm_with: str
    """What ``--confirm`` takes."""
    class_: ClassReference | None = None
    """``None`` where the disks are in no class."""


@dataclass(frozen=True)
class LastRun:
    """What the journal knows of another run of a disk."""

    run_id: str
    state: Literal["open", "ended"]
    """``open``: something of it is still to be found out or to be done, or it goes on."""
    data: DataState
    """What that run did to the disk, as far as it is known."""
    undo: bool
    """Whether it rolled disks back, or was to."""
    started_at: str


@dataclass(frozen=True, slots=True)
class DiskReport:
    """What became of one disk."""

    disk_id: str
    disk_name: str
    serial: str
    """The serial number that ECS shows."""
    type: str
    """``system`` or ``data``."""
    device: str
    """The device name that ECS shows; it can move."""
    size_gib: int | None
    """GiB; ``None`` if not seen."""
    data: DataState
    """What this run did to what was on it. ``untouched``: it never intended to wipe it, which says nothing of what
    others did; ``intact``: it intended to, and that was proven refused or never sent."""
    evidence: Evidence | None
    """How it was seen: ``transition`` (ReIniting, then In_use), ``settled``, or a person said so (``operator``)."""
    becomes: Becomes
    """What the wipe makes, or would make, of it."""
    safety_snapshot: str | None
    """The id of the snapshot that the run took."""
    waivers: tuple[str, ...]
    """The risks that were accepted for it."""
    last_run: LastRun | None = None
    """The open run of the disk in the journal, else the last one that did something to it, else the last one; ``None``
    where the journal knows of no other run."""


@dataclass(frozen=True, slots=True)
class JobReport:
    """What became of one instance and its disks."""

    instance_id: str | None
    """``None`` for a disk that was not found."""
    instance_name: str
    power_before: str
    """ECS's status of the instance before the run; ``""`` if not seen."""
    power_after: str
    """The same after it."""
    power_promised: Literal["Running", "Stopped"]
    """What it had to be for the state that was reached."""
    outcome: Outcome
    """Of this instance alone."""
    error: Failure | None
    phases: tuple[Phase, ...]
    """What was waited for, in order."""
    disks: tuple[DiskReport, ...]

    @property
    def pending(self) -> bool:
        """Whether the run has something left to do for the machine, so that its job stays open and can be resumed."""
        if self.outcome not in (*STILL_PENDING, "partial"):
            return False
        to_do = self.power_promised == "Running" or self.power_after == ""  # what others started is theirs to stop
        return self.outcome == "unknown" or (to_do and self.power_after != self.power_promised)


@dataclass(frozen=True)
class Report:
    """The whole truth about a run or a dry run; its members are those of the JSON report, schema 1."""

    schema: int
    """1."""
    tool_version: str
    run_id: str | None
    """``r-20260102T030405Z-4f2a``; of several regions all runs, with commas; ``None`` where nothing was run."""
    outcome: Outcome
    """Of all jobs together."""
    exit_code: int
    """That of the command."""
    dry_run: bool
    simulated: bool
    """Whether a simulator answered, so that no real machine is involved."""
    started_at: datetime
    ended_at: datetime
    region: str
    """The region id; several with commas, in their order."""
    account: str
    """The id of the Alibaba Cloud account."""
    caller: Identity | None
    """``None`` where that was not looked at."""
    operator: Operator
    """Who ran the command."""
    reason: str | None
    """The change ticket that was given."""
    once: str | None
    """The key under which the plan is run at most once; ``None`` without one."""
    already_done: bool
    """Whether an earlier run with this key is reported: it is done, and this command changed nothing."""
    plan: PlanReference | None
    jobs: tuple[JobReport, ...]
    """One for each instance."""
    error: Failure | None
    """What stands for the whole; each job has its own."""
    findings: tuple[Finding, ...]
    """What the checks found."""
    calls: tuple[Call, ...]
    """Every HTTP exchange in order; over 20 jobs without the looks."""
    omitted_reads: int | None
    """How many looks were left out of ``calls``; ``None`` where none were."""
    next: tuple[str, ...]
    """Commands that can be typed now."""
    warnings: tuple[str, ...]
    """What else went wrong in this command, one sentence each: it changed nothing of what happened to the disks."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON report, schema 1, as a dict: times are texts, and tuples are lists."""
        return dict(encode(self))

    def to_json(self) -> str:
        """Return the JSON report, schema 1, as one line of ASCII."""
        return json.dumps(self.to_dict())
