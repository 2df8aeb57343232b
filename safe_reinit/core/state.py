"""How the state of a job begins and ends, and functions for every kind of event."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from ..model import (
    STILL_PENDING,
    Failure,
    JobState,
    Limits,
    Observation,
    OnUnknown,
    Options,
    Outcome,
    Phase,
    PhaseName,
    PhaseResult,
    PlannedJob,
    SafetySnapshot,
    Step,
    Wipe,
)

if TYPE_CHECKING:
    from dataclasses import replace as replace  # noqa: PLC0414 - its names and types are checked
else:

    def replace(value: Any, **to: Any) -> Any:  # noqa: ANN401 - see above
        """Return a frozen value with these fields, as dataclasses do, but in less than half the time."""
        made = object.__new__(type(value))
        slots, values = _shape(type(value))
        for set_, kept in zip(slots.values(), values(value), strict=False):
            set_(made, kept)
        for name, new in to.items():
            slots[name](made, new)
        return made


@cache
def _shape(kind: Any) -> tuple[Mapping[str, Callable[..., None]], Callable[[object], tuple[Any, ...]]]:  # noqa: ANN401
    """Return, by the fields of a dataclass with slots, what sets each of them, and what gets them all."""
    names = [each.name for each in fields(kind)]
    return {name: getattr(kind, name).__set__ for name in names}, attrgetter(*names, "__class__")  # so always a tuple


T = TypeVar("T", JobState, Step, Wipe)

SETTLING_TIME = 20.0
"""Cloud seconds that a state must hold before it proves anything."""
SETTLING_READS = 4
"""Observations in that time that must have shown it."""
MAX_GAP = 20.0
"""Cloud seconds between two observations in which somebody could have used the machine, if nothing lags."""
LAG_BOUND = 5.0
"""The lag of Describe calls that is assumed before it was measured, in cloud seconds."""
UNSETTLED_LIMIT = 150.0
"""Cloud seconds to wait for the minute of the last start: 90 s are enough if the clocks are right."""
PLAN_AGAIN = "Make a new plan for these disks if you still want them wiped."
"""What to do about jobs that never began."""
MAX_RESENDS = 2
"""How often ReInitDisk may be sent again after its answer was lost."""


def lag_of(job: JobState) -> float:
    """Return the lag that is assumed for Describe calls, in cloud seconds."""
    return LAG_BOUND if job.lag is None else job.lag


def settling(job: JobState) -> float:
    """Return how many cloud seconds a state must be shown before it proves anything."""
    return SETTLING_TIME + lag_of(job)


def begin(
    job: PlannedJob,
    limits: Limits,
    *,
    at: float,
    on_unknown: OnUnknown = "ask",
    run_id: str = "",
    options: Options | None = None,
) -> JobState:
    """Return the state of a job for which nothing has been done.

    Args:
        job: the job as planned.
        limits: how long each wait may take.
        at: when the plan was confirmed, in cloud seconds. If the plan shows no StartTime, a use of the machine is
            visible only while it is observed, so from then on.
        on_unknown: what to do about a lost answer to ReInitDisk if the disk was not observed without a gap.
        run_id: the run.
        options: what the plan was made with.

    """
    asked = options or Options()
    restore = dict(asked.restore) if asked.undo else dict.fromkeys((disk.disk_id for disk in job.disks), "")
    safety = tuple(SafetySnapshot(disk.disk_id, _token(run_id, disk.disk_id)) for disk in job.disks)
    pending = job.will_start and not job.will_stop  # an earlier run stopped it, and its promise is kept
    return JobState(
        stop=Step("done") if pending else Step(),
        instance_id=job.instance_id or "",
        power_before="Running" if pending or job.power_before == "Running" else "Stopped",
        may_stop=job.will_stop,
        leave_stopped=asked.leave_stopped,
        on_unknown=on_unknown,
        limits=limits,
        disks=tuple(Wipe(disk.disk_id, snapshot_id=restore[disk.disk_id]) for disk in job.disks),
        snapshots=safety if asked.snapshot else (),
        tag_value=run_id if asked.lock_tag else "",
        instance_status=job.power_before,
        watched_at=None if job.shows_start_time else at,
    )


def _token(run_id: str, disk_id: str) -> str:
    """Return the ClientToken of the safety snapshot of a disk: at most 64 ASCII characters."""
    return hashlib.sha256(f"{run_id} {disk_id}".encode()).hexdigest()


def outcome(job: JobState) -> Outcome:
    """Return the outcome of a job: first by what happened to the data, then by the power."""
    states = {wipe.state for wipe in job.disks}
    as_promised = _is_as_promised(job)
    if any(wipe.in_doubt for wipe in job.disks):
        return "unknown"
    if states == {"done"}:
        return "done" if as_promised else "not-restarted"
    if "done" in states:
        return "partial"
    if not job.tried:
        return "refused"
    return "failed" if as_promised or not _changed_power(job) else "stranded"


def is_pending(job: JobState) -> bool:
    """Return whether the run has something left to do for the machine: its power, or what happened to its disks.

    There is nothing left to do for a machine that no longer exists, or whose power somebody else changed. A run starts
    only what it stopped, and a run that waited for others to act could never end.
    """
    came_to = outcome(job)
    if job.gone or came_to not in (*STILL_PENDING, "partial"):
        return False
    if came_to == "unknown":
        return True
    if job.promised == "Stopped":  # it was not observed, and ECS does not say that it does not exist
        return job.instance_status == "" and job.missing_since is None
    seen = job.instance_status != "" or job.missing_since is not None  # or ECS says that it no longer exists
    back = job.start.state == "done" and seen  # observed Running: others have changed it since
    return job.stopped_by_us and not back and not _is_as_promised(job)


def _is_as_promised(job: JobState) -> bool:
    under_way = job.stop.state in ("asked", "accepted", "lost")
    going_down = under_way and not job.given_up and job.start.state != "done"  # which only a Stopped machine does
    return job.instance_status == job.promised and not going_down


def _changed_power(job: JobState) -> bool:
    """Return whether a stop or a start was intended, or is pending; otherwise the power is as others left it."""
    return job.stop.state != "none" or job.force.tries > 0 or job.start.state != "none"


def changed(value: T, **to: object) -> T:
    """Return a value with these fields; the same object if they are equal, since most observations show nothing new."""
    if all(getattr(value, name) == new for name, new in to.items()):
        return value
    return replace(value, **to)  # type: ignore[arg-type]


def fail(job: JobState, failure: Failure) -> JobState:
    """Return the state with a failure: the first one stays first, and later ones are appended."""
    if job.error is None:
        return replace(job, error=failure)
    if failure.message in job.error.message:
        return job
    return replace(job, error=replace(job.error, message=f"{job.error.message} Then: {failure.message}"))


def open_phase(job: JobState, name: PhaseName, when: datetime) -> JobState:
    """Return the state with a phase begun, unless it is open or has succeeded: what failed may be tried once more."""
    if any(phase.name == name and (phase.ended_at is None or phase.result == "ok") for phase in job.phases):
        return job
    return replace(job, phases=(*job.phases, Phase(name, when)))


def is_open(job: JobState, name: PhaseName) -> bool:
    """Return whether a phase has begun and not ended."""
    return any(phase.name == name and phase.ended_at is None for phase in job.phases)


def close_phase(job: JobState, name: PhaseName, when: datetime, result: PhaseResult) -> JobState:
    """Return the state with a phase ended, if it is open."""
    if not is_open(job, name):
        return job
    phases = tuple(
        replace(phase, ended_at=when, result=result) if phase.name == name and phase.ended_at is None else phase
        for phase in job.phases
    )
    return replace(job, phases=phases)


def lose_sight(job: JobState) -> JobState:
    """Return the state that this process may report once another one continues: it no longer knows the outcome."""
    doubtful = tuple(wipe if wipe.state == "done" else replace(wipe, state="unknown") for wipe in job.disks)
    return replace(job, disks=doubtful, instance_status="")


def interrupt(job: JobState, why: str = "") -> JobState:
    """Return the state after somebody asked the run to end: no wipe is sent from now on.

    A wipe that was sent continues to its end. If nothing is left to wipe, this is not a failure.
    """
    return job if job.interrupted else left_unsent(replace(job, interrupted=True), why)


def left_unsent(job: JobState, why: str = "") -> JobState:
    """Return the state of an interrupted job, with a failure if the interruption prevents a wipe."""
    if not job.interrupted or not any(wipe.pending for wipe in job.disks):
        return job
    hint = "Before you try again, check the machine with --dry-run."
    return fail(job, Failure(None, f"The run was interrupted{why and f': {why}'}.", hint=hint))


def held_up(job: JobState, at: float, why: str = "") -> JobState:
    """Return the state after a call could not be sent; after too long, the job turns back."""
    if job.stuck_since is None:
        return replace(job, stuck_since=at)
    if at - job.stuck_since <= job.limits.retry or job.turned_back:
        return job
    why = why or "the Describe calls before it failed or were slow, or ECS throttled them"
    message = f"The next call could not be made for too long: {why}."
    hint = "Check the network, permissions and quota, then check again with --dry-run."
    return fail(job, Failure(None, message, hint=hint))


def is_settled(observation: Observation) -> bool:
    """Return whether a start of the instance after this observation would show another StartTime.

    StartTime has a resolution of one minute: until its minute is over by ECS's clock, a machine can be started, written
    to and stopped again without a trace. A Running machine that shows no StartTime never leaves a trace.
    """
    instance = observation.instance
    if instance is None:
        return False
    if instance.start_settled_at is None:
        return instance.status != "Running"
    return observation.date is not None and observation.date >= instance.start_settled_at


def is_current(job: JobState, observation: Observation) -> bool:
    """Return whether an observation began after the last answer about the power: an older one may be outdated."""
    steps = (job.stop, job.force, job.start)
    asked = any(step.state == "asked" for step in steps)
    return not asked and all(step.at is None or observation.at >= step.at for step in steps)
