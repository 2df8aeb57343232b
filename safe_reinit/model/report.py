"""What is reported about a run: its calls, and its report at the end."""

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
    """When the answer arrived, or the tool stopped waiting for it."""
    action: str
    """The API, such as ``ReInitDisk``."""
    subject: tuple[str, ...]
    """The ids that it was about."""
    dry_run: bool
    """Whether it was a DryRun, which changes nothing."""
    http_status: int | None
    """``None`` without an answer."""
    request_id: str | None
    """The id that Alibaba Cloud support asks for."""
    code: str
    """``OK``, an ECS error code, ``Unanswered`` or ``NotSent``."""
    attempt: int = 1
    """2 if this is the second attempt of the same call."""

    @property
    def only_reads(self) -> bool:
        """Whether a call of this API never changes anything; a dry run of a changing call does not count as a read."""
        return self.action.startswith(("Describe", "Get"))


Outcome = Literal[
    "done", "planned", "bug", "usage", "refused", "failed", "unknown", "not-restarted", "partial", "stranded"
]
STILL_PENDING: tuple[Outcome, ...] = ("unknown", "not-restarted", "stranded")
"""The outcomes after which something is left to do for a machine: find out what its data is, or set its power."""


@dataclass(frozen=True)
class Operator:
    """Who ran the command, on which host."""

    user: str
    host: str


@dataclass(frozen=True)
class Identity:
    """Whom the credentials belong to. The account is a separate field of the report."""

    arn: str
    type: str


@dataclass(frozen=True)
class ClassReference:
    """The class that all disks of the run are in, and what it allowed."""

    name: str
    sha256: str
    """SHA-256 of the definition of the class in the configuration."""
    allowed: tuple[str, ...]
    """The options that came from the class and were not given on the command line. Empty outside the hours of the
    class."""


@dataclass(frozen=True)
class PlanReference:
    """The names of the plan of a run."""

    fingerprint: str
    """SHA-256 of what the plan would do, not including times and states; 64 hexadecimal characters."""
    digest: str | None
    """SHA-256 of the plan's file; ``None`` if the plan was not saved."""
    confirm_with: str
    """What ``--confirm`` takes."""
    class_: ClassReference | None = None
    """``None`` if the disks are not in a class."""


@dataclass(frozen=True)
class LastRun:
    """What the journal knows of another run of a disk."""

    run_id: str
    state: Literal["open", "ended"]
    """``open``: the run is still going on, or something remains to be done or to be found out."""
    data: DataState
    """What that run did to the disk, as far as it is known."""
    undo: bool
    """Whether the run was an undo."""
    started_at: str


@dataclass(frozen=True, slots=True)
class DiskReport:
    """What happened to one disk."""

    disk_id: str
    disk_name: str
    serial: str
    """The serial number that ECS shows."""
    type: str
    """``system`` or ``data``."""
    device: str
    """The device name that ECS shows; it can change."""
    size_gib: int | None
    """GiB; ``None`` if not seen."""
    data: DataState
    """What this run did to the data. ``untouched``: the run never tried to wipe the disk (others may have);
    ``intact``: it tried to, but ECS provably refused the call or never received it."""
    evidence: Evidence | None
    """How the run knows that the disk was wiped: ``transition`` (ECS showed ReIniting, then In_use), ``settled`` (ECS
    accepted the call, and the disk then stayed In_use for the settling time) or ``operator`` (a person said so)."""
    becomes: Becomes
    """What the disk becomes, or would become, after the wipe."""
    safety_snapshot: str | None
    """The id of the snapshot that the run took."""
    waivers: tuple[str, ...]
    """The risks that were accepted for it."""
    last_run: LastRun | None = None
    """Another run of this disk from the journal: the open one if there is one, otherwise the last one that did
    something to the disk, otherwise the last one; ``None`` if there is none."""


@dataclass(frozen=True, slots=True)
class JobReport:
    """What happened to one instance and its disks."""

    instance_id: str | None
    """``None`` for a disk that was not found."""
    instance_name: str
    power_before: str
    """ECS's status of the instance before the run; ``""`` if not seen."""
    power_after: str
    """The status of the instance after the run."""
    power_promised: Literal["Running", "Stopped"]
    """The status that the instance should have after what happened."""
    outcome: Outcome
    """Of this instance alone."""
    error: Failure | None
    phases: tuple[Phase, ...]
    """What the job waited for, in order."""
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
    """The full report of a run or a dry run; its members are those of the JSON report, schema 1."""

    schema: int
    """The version of this schema."""
    tool_version: str
    run_id: str | None
    """``r-20260102T030405Z-4f2a``; with several regions all ids, separated by commas; ``None`` if nothing was run."""
    outcome: Outcome
    """The outcome of all jobs together."""
    exit_code: int
    """The exit code of the command."""
    dry_run: bool
    simulated: bool
    """Whether the answers came from a simulator, so that no real machine was affected."""
    started_at: datetime
    ended_at: datetime
    region: str
    """The id of the region; several ids are separated by commas, in the order given."""
    account: str
    """The id of the Alibaba Cloud account."""
    caller: Identity | None
    """``None`` if it was not determined."""
    operator: Operator
    """Who ran the command."""
    reason: str | None
    """The text of ``--reason``, for example a change ticket."""
    once: str | None
    """The key under which the plan is run at most once; ``None`` without one."""
    already_done: bool
    """``true`` if this is the report of an earlier run with the same ``--once`` key; this command changed nothing."""
    plan: PlanReference | None
    jobs: tuple[JobReport, ...]
    """One for each instance."""
    error: Failure | None
    """The error of the run as a whole; each job also has its own."""
    findings: tuple[Finding, ...]
    """What the checks found."""
    calls: tuple[Call, ...]
    """Every HTTP exchange in order. With more than 20 jobs, reads (Describe calls) are left out."""
    omitted_reads: int | None
    """How many reads were left out of ``calls``; ``None`` if none were."""
    next: tuple[str, ...]
    """Commands that you can type now."""
    warnings: tuple[str, ...]
    """What else went wrong in this command, one sentence each. None of it changed what happened to the disks."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON report, schema 1, as a dict: times are texts, and tuples are lists."""
        return dict(encode(self))

    def to_json(self) -> str:
        """Return the JSON report, schema 1, as one line of ASCII."""
        return json.dumps(self.to_dict())
