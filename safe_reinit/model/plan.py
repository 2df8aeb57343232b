"""What was requested, what was found, and the plan made from both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from .cloud import Caller
from .codec import encode
from .facts import DiskFacts
from .finding import Finding
from .guard import ON_BY_DEFAULT, Guard
from .options import Options
from .written import milliseconds, permille, unwritten_field

BecomesKind = Literal["empty", "snapshot", "image", "unknown"]


PLAN_SCHEMA = 1
"""Of the JSON of a plan."""
LOCK_TAG = "safe-reinit:run"
"""The key of the tag that an instance has while a run is working on it."""


@dataclass(frozen=True)
class Limits:
    """How long each wait may take, in cloud seconds."""

    stop: float = milliseconds(600.0)
    snapshot: float = milliseconds(3600.0)
    reinit: float = milliseconds(1800.0)
    start: float = milliseconds(900.0)
    force_stop_after: float | None = milliseconds()
    retry: float = milliseconds(300.0)
    """How long a retryable refusal of ReInitDisk may be retried while the machine is down."""

    def down_before_wipe(self, *, snapshot: bool) -> float:
        """Return how many cloud seconds a machine may be down for a run before its last wipe is sent.

        Args:
            snapshot: whether a safety snapshot is taken in that time.
        """
        return self.stop + (self.snapshot if snapshot else 0.0) + self.retry

    @property
    def send_wipes(self) -> float:
        """For how many cloud seconds after its first wipe a job sends wipes; each must end within as many again."""
        return self.reinit / 2


@dataclass(frozen=True)
class Rollout:
    """How a run spreads over many jobs."""

    max_parallel: int = 100
    """How many instances may be down at once."""
    canary: int | None = None
    """This many jobs go first and must be done before others begin; ``None``: 1 if there are more than ten."""
    waves: tuple[tuple[int, bool], ...] = ()
    """The sizes of the waves after it: each a number of jobs, or (``True``) a percentage; the last is repeated."""
    pause: Literal["none", "canary", "wave"] | None = None
    """After what somebody is asked whether to continue; ``None``: after the canary, if run on a terminal."""
    stop_after_failures: int | None = None
    """No new job begins once this many have failed, that is, have ended other than done or can no longer be done."""
    deadline: datetime | None = None
    """No new job begins after it; judged by the local clock."""
    quota_share: float = permille(0.8)
    """The part of a documented quota that this run uses."""
    runner: Literal["local", "temporal"] = "local"
    """Whether this process carries out the run, or Temporal's workers carry out its shards."""

    def __post_init__(self) -> None:
        """Check that a run with this rollout can end, and keeps to the quota."""
        wrong = {
            "max_parallel": self.max_parallel < 1,
            "canary": self.canary is not None and self.canary < 0,
            "waves": any(size < 1 for size, _ in self.waves),
            "stop_after_failures": self.stop_after_failures is not None and self.stop_after_failures < 1,
            "quota_share": not 0.0 < self.quota_share <= 1.0,
        }
        if any(wrong.values()):
            raise ValueError(f"No rollout is possible with this {' and '.join(name for name in wrong if wrong[name])}.")


@dataclass(frozen=True)
class Facts:
    """What ECS showed of all targets of a run at one time."""

    region: str
    caller: Caller
    now: datetime
    disks: tuple[DiskFacts, ...]


@dataclass(frozen=True, slots=True)
class Becomes:
    """What a disk is after ReInitDisk, or after ResetDisk in an undo (ECS API reference, ReInitDisk and ResetDisk)."""

    kind: BecomesKind
    """``empty``, ``snapshot`` or ``image``; ``unknown`` if the tool could not see what the disk would become."""
    id: str | None = None
    """The id of the snapshot or image, even if ECS does not show that snapshot or image."""
    created_at: datetime | None = None
    """When the snapshot or image was created (CreationTime in ECS); ``None`` if ECS does not show it."""


@dataclass(frozen=True, slots=True)
class PlannedDisk:
    """One disk of a job as it was when the plan was made."""

    disk_id: str
    disk_name: str = ""
    serial: str = ""
    type: str = ""
    device: str = ""
    size_gib: int | None = None
    becomes: Becomes = Becomes("unknown")
    waivers: tuple[str, ...] = ()
    """Names of the risks of this disk that the person accepted."""
    way_back: str = ""
    """Id of the newest snapshot that brings its data back; ``""`` if none was seen."""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One instance with its disks that will be wiped: they share one stop and one start."""

    instance_id: str | None
    instance_name: str
    power_before: str
    """ECS's instance status when the plan was made; ``""`` if not seen."""
    power_promised: Literal["Running", "Stopped"]
    """The power state after a successful wipe."""
    will_stop: bool
    will_start: bool
    disks: tuple[PlannedDisk, ...]
    sharing: tuple[str, ...] = ()
    """Ids of other disks of the instance: they share the downtime and keep their data."""
    expected: Mapping[str, str] = field(default_factory=dict)
    """The facts this plan is based on, flat (``d-1.Status`` -> ``In_use``); drift is measured against them."""

    @property
    def shows_start_time(self) -> bool:
        """Whether ECS showed a StartTime of the instance, in which a later start would be visible."""
        return bool(self.expected.get(f"{self.instance_id}.StartTime"))


@dataclass(frozen=True)
class Making:
    """What making a plan took: the first report about the plan contains it, once."""

    calls: list[Any] = field(default_factory=list)
    """Its exchanges, each a ``Call``."""
    facts: list[Facts] = field(default_factory=list)
    """What it is based on, as one member, until its calls are reported."""


@dataclass(frozen=True)
class Plan:
    """What a run would do, with the findings of the checks. It contains no secret, and none of it has been done."""

    plan_id: str
    """A random id, made with the plan: a plan runs only once."""
    region: str
    account: str
    caller: Caller
    """Whose credentials made it."""
    made_at: datetime
    """The time of ECS's answer, not of the local clock."""
    options: Options
    """The options that apply: what was requested, and what the class of the disks allows."""
    limits: Limits
    reason: str | None
    """The text of ``--reason``, for example a change ticket."""
    jobs: tuple[PlannedJob, ...]
    """One for each instance, in the order in which their disks were named."""
    findings: tuple[Finding, ...]
    """What the checks found, in their order; ``blockers`` are those that refuse the run."""
    fingerprint: str
    """SHA-256 of what will be done, without names, times and states: 64 hex characters, the same again tomorrow."""
    confirm_with: str
    """What ``--confirm`` takes for this plan."""
    guard: Guard = ON_BY_DEFAULT
    """Which targets it may have, checked again before each call; with the class that allowed some of its options."""
    rollout: Rollout = Rollout()
    skipped: tuple[PlannedJob, ...] = ()
    """The jobs that are refused and left out, if that was requested."""
    skipped_findings: tuple[Finding, ...] = ()
    """What was found about them."""
    making: Making | None = unwritten_field()  # noqa: RUF009 - it makes a field
    """What making it took; it belongs to the plan, so that it disappears with it."""
    digest: str | None = None
    """The digest of the file the plan was saved in, 64 hex; ``None`` for one that is in no file."""
    simulated: bool = False
    """Whether a simulator showed its facts, so that no real machine is involved."""
    once: str | None = None
    """The key under which it is run at most once; ``None`` without one."""

    def to_dict(self) -> dict[str, Any]:
        """Return the members of the plan as JSON has them; a password is ``True``, never itself."""
        return {"schema": PLAN_SCHEMA, **encode(self)}

    @property
    def blockers(self) -> tuple[Finding, ...]:
        """The findings that refuse the run: every block, and every risk that was not accepted by name."""
        return self._refusing(self.findings)

    @property
    def skipped_blockers(self) -> tuple[Finding, ...]:
        """The findings that refuse what was left out."""
        return self._refusing(self.skipped_findings)

    def _refusing(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        return tuple(
            finding
            for finding in findings
            if finding.level == "block" or (finding.level == "risk" and finding.check not in self.options.accept)
        )

    @property
    def runnable(self) -> bool:
        """Whether the run may begin once it is confirmed."""
        return not self.blockers
