"""Makes the report from a plan, the final states of its jobs and the calls that were made."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from ..errors import Error, exit_code
from ..model import (
    LOCK_TAG,
    Call,
    ClassReference,
    DiskReport,
    Failure,
    Finding,
    Identity,
    JobReport,
    JobState,
    Operator,
    Outcome,
    Plan,
    PlannedDisk,
    PlannedJob,
    PlanReference,
    Report,
    Wipe,
)
from ..model.codec import whole
from ..version import VERSION

if TYPE_CHECKING:
    from ..journal import Reader

SCHEMA = 1

_WITHHELD = ("outside-hours", "classes-differ")
"""Findings that say why a class did not allow what a refused run would have needed."""
JOBS_WITH_READS = 20
"""Up to this many jobs, the report lists the reads; above that, it counts them."""


@dataclass(frozen=True)
class Started:
    """What a command knew when it began."""

    at: datetime
    region: str = ""
    account: str = ""
    reason: str | None = None
    simulated: bool = False


def started(at: datetime, region: str = "", reason: str | None = None, *, simulated: bool = False) -> Started:
    """Record the beginning of a command."""
    return Started(at, region, "", reason, simulated)


def of_error(begun: Started, now: datetime, error: Error, calls: Sequence[Call] = ()) -> Report:
    """Report a command that failed before it had a plan."""
    return Report(
        schema=SCHEMA,
        tool_version=VERSION,
        run_id=None,
        outcome=error.outcome,
        exit_code=error.exit_code,
        dry_run=False,
        simulated=begun.simulated,
        started_at=begun.at,
        ended_at=now,
        region=begun.region,
        account=begun.account,
        caller=None,
        operator=_operator(),
        reason=begun.reason,
        once=None,
        already_done=False,
        plan=None,
        jobs=(),
        error=_failure(error),
        findings=(),
        calls=tuple(calls),
        omitted_reads=None,
        next=(),
        warnings=(),
    )


def of_plan(  # noqa: PLR0913 - what there is to say
    begun: Started,
    now: datetime,
    plan: Plan,
    calls: Sequence[Call],
    *,
    dry_run: bool,
    error: Error | None = None,
    next_: Sequence[str] = (),
) -> Report:
    """Report a plan of which nothing was carried out: a dry run, or a run that was refused (``error``)."""
    if error is None and not plan.runnable:
        error = refusal(plan)
    outcome: Outcome = error.outcome if error else "planned"
    refusals = _refusals(plan)
    jobs = tuple(_planned_job(job, refusals, "refused" if error else "planned") for job in plan.jobs)
    jobs += tuple(_planned_job(job, refusals, "refused") for job in plan.skipped)
    return replace(_of(begun, now, plan, calls, outcome, jobs, next_), dry_run=dry_run, error=_failure(error))


def of_run(  # noqa: PLR0913 - what there is to say
    begun: Started,
    now: datetime,
    plan: Plan,
    records: Sequence[JobState],
    calls: Sequence[Call],
    *,
    run_id: str,
    next_: Sequence[str] = (),
    resumable: bool = True,
) -> Report:
    """Report a run that has ended; one whose journal ends with this process cannot be resumed."""
    from ..core import state  # noqa: PLC0415 - a dry run has none

    outcomes = [state.outcome(each) for each in records]
    resume = f"safe-reinit resume {run_id}" if resumable else ""
    jobs = tuple(
        _job(job, known, outcome, run_id, resume)
        for job, known, outcome in zip(plan.jobs, records, outcomes, strict=True)
    )
    refusals = _refusals(plan)
    jobs += tuple(_planned_job(job, refusals, "refused") for job in plan.skipped)
    report = _of(begun, now, plan, calls, common_outcome([job.outcome for job in jobs]), jobs, next_)
    decides = sorted(jobs, key=lambda job: job.outcome != report.outcome)  # of many, the one that the outcome is about
    error = next((job.error for job in decides if job.error), None)
    return replace(report, run_id=run_id, error=error if report.exit_code else None)


def of_unsettled(result: Report, run_id: str) -> Report:
    """Report, for a plan that was not run, that an earlier run has its key, and has wiped its disks or may do so."""
    jobs = (
        replace(job, outcome="unknown", disks=tuple(replace(disk, data="unknown") for disk in job.disks))
        for job in result.jobs
    )
    return replace(result, run_id=run_id, jobs=tuple(jobs))


def with_last_runs(result: Report, journal: Reader, endpoint: str) -> Report:
    """Add to each disk the other run that the journal knows, at this endpoint.

    Raises:
        UsageError: the journal cannot be read.
    """
    ids = [disk.disk_id for job in result.jobs for disk in job.disks]
    last_runs = journal.last_runs(endpoint, result.account, result.region, ids, but=result.run_id)
    if not last_runs:
        return result
    jobs = (
        replace(job, disks=tuple(replace(disk, last_run=last_runs.get(disk.disk_id)) for disk in job.disks))
        for job in result.jobs
    )
    return replace(result, jobs=tuple(jobs))


def of_bug(result: Report, bug: Exception) -> Report:
    """Report a run that an error outside its jobs ended; what is known about data and power stays in the report."""
    if isinstance(bug, Error):  # one of our errors: the outcome stands, and the error explains it
        return replace(result, error=_failure(bug))
    failure = Failure(None, f"An unexpected {type(bug).__name__} ended the run.", hint=Error.hint)
    return replace(result, outcome="bug", exit_code=exit_code("bug"), error=failure)


def refusal(plan: Plan) -> Error:
    """Return in one sentence why a plan may not be run."""
    from ..errors import RunRefused  # noqa: PLC0415 - keeps the names of this module about reports

    first, *more = plan.blockers
    also = f" ({len(more)} more {'finding blocks' if len(more) == 1 else 'findings block'} it)" if more else ""
    withheld = [found.message for found in plan.findings if found.check in _WITHHELD and found.level == "info"]
    error = RunRefused(" ".join((f"{first.check}: {first.subject}: {first.message}{also}", *withheld)), hint=first.fix)
    error.code = first.predicts
    return error


def _of(  # noqa: PLR0913, PLR0917 - the members that every report of a plan has
    begun: Started,
    now: datetime,
    plan: Plan,
    calls: Sequence[Call],
    outcome: Outcome,
    jobs: tuple[JobReport, ...],
    next_: Sequence[str],
) -> Report:
    many = len(jobs) > JOBS_WITH_READS
    reads = sum(call.only_reads for call in calls)
    return Report(
        schema=SCHEMA,
        tool_version=VERSION,
        run_id=None,
        outcome=outcome,
        exit_code=exit_code(outcome),
        dry_run=False,
        simulated=plan.simulated,
        started_at=begun.at,
        ended_at=now,
        region=plan.region,
        account=plan.account,
        caller=Identity(plan.caller.arn, plan.caller.type) if plan.caller.arn else None,
        operator=_operator(),
        reason=plan.reason,
        once=plan.once,
        already_done=False,
        plan=reference(plan),
        jobs=jobs,
        error=None,
        findings=(*plan.findings, *plan.skipped_findings),
        calls=tuple(call for call in calls if not many or not call.only_reads),
        omitted_reads=reads if many else None,
        next=tuple(next_),
        warnings=(),
    )


def reference(plan: Plan) -> PlanReference:
    """Return the reference to a plan."""
    return PlanReference(plan.fingerprint, plan.digest, plan.confirm_with, _class(plan))


def _class(plan: Plan) -> ClassReference | None:
    used = plan.guard.class_
    return ClassReference(used.name, used.sha256, used.allowed) if used else None


def common_outcome(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome of several jobs: unknown if any is, the common outcome if all are alike, otherwise partial."""
    if "unknown" in outcomes:
        return "unknown"
    return outcomes[0] if len(set(outcomes)) == 1 else "partial"


def _refusals(plan: Plan) -> Mapping[str, tuple[int, Finding]]:
    """Find, for each subject, the first finding that refuses it, and the first of all."""
    first: dict[str, tuple[int, Finding]] = {}
    for place, found in enumerate((*plan.blockers, *plan.skipped_blockers)):
        first.setdefault(found.subject, (place, found))
    return first


def _planned_job(job: PlannedJob, refusals: Mapping[str, tuple[int, Finding]], outcome: Outcome) -> JobReport:
    subjects = {job.instance_id or "", *(disk.disk_id for disk in job.disks)}
    own = [refusals[each] for each in subjects if each in refusals]
    blocker = min(own, key=lambda each: each[0])[1] if own else None
    error = Failure(blocker.predicts, blocker.message, hint=blocker.fix) if blocker else None
    return JobReport(
        instance_id=job.instance_id,
        instance_name=job.instance_name,
        power_before=job.power_before,
        power_after=job.power_before,
        power_promised=job.power_promised,
        outcome=outcome,
        error=error,
        phases=(),
        disks=tuple(_disk(disk, None) for disk in job.disks),
    )


def _job(job: PlannedJob, state: JobState, outcome: Outcome, run_id: str, resume: str) -> JobReport:
    wipes = {wipe.disk_id: wipe for wipe in state.disks}
    taken = {safety.disk_id: safety.snapshot_id for safety in state.snapshots if safety.snapshot_id}
    return JobReport(
        instance_id=job.instance_id,
        instance_name=job.instance_name,
        power_before=job.power_before,
        power_after=state.instance_status,
        power_promised=state.promised,
        outcome=outcome,
        error=_with_power(_with_lost_snapshots(state, run_id), state, outcome, resume) if outcome != "done" else None,
        phases=tuple(phase if phase.ended_at else replace(phase, result="unknown") for phase in state.phases),
        disks=tuple(_disk(disk, wipes[disk.disk_id], taken.get(disk.disk_id)) for disk in job.disks),
    )


def _with_power(error: Failure | None, state: JobState, outcome: Outcome, resume: str) -> Failure | None:
    """Put first what to do about a machine whose power state is not as promised, depending on its last state.

    Args:
        error: what went wrong.
        state: the state of its job.
        outcome: how the job ended.
        resume: the command that resumes the run; ``""`` if none can.

    """
    if error is not None and state.gone:
        return replace(error, hint=_GONE)
    if outcome == "not-restarted" and state.promised == "Stopped" and state.instance_status:
        message = f"{state.instance_id} is {state.instance_status} instead of Stopped; this run did not start it."
        error = error or Failure(None, message)
        return replace(error, hint=f"{_POWER['Running']} {error.hint or ''}".rstrip())
    if error is None or outcome not in ("not-restarted", "stranded"):
        return error
    if not state.stopped_by_us:
        return replace(error, hint=f"{_OTHERS_DOING} {error.hint or ''}".rstrip())
    if not resume:
        text = _ENDED.format(instance=f"{state.instance_id} is {state.instance_status or 'not seen'}")
    elif state.instance_locks and state.instance_status == "Stopped":
        locks = ", ".join(state.instance_locks)
        text = f"ECS has locked the instance ({locks}), so it cannot be started. Have the lock removed, then {resume}."
    else:
        text = _POWER.get(state.instance_status, _NOT_STARTED).format(resume=resume)
        if error.action == "StartInstance" and error.hint:  # what keeps it from starting comes before the start
            return replace(error, hint=f"{error.hint} {text}")
    return replace(error, hint=f"{text} {error.hint or ''}".rstrip())


_GONE = (
    "The instance was released. Search ActionTrail for who released it (DeleteInstance), and whether its disks were "
    "released with it."
)
_OTHERS_DOING = (
    "This run has ended. It did not stop the instance, so it does not start it either: find out who stopped it, and "
    "start it in the ECS console if it should run."
)
_ENDED = "{instance}. The journal of this run ends with this process, so the run cannot be resumed."
_NOT_STARTED = "Check in the ECS console what state the instance is in. Then continue with {resume}."
_POWER = {
    "Stopped": "The instance is Stopped: {resume} starts it and wipes nothing.",
    "Stopping": "The instance is still Stopping: check its guest system in the console (VNC). "
    "Once it is Stopped, {resume} starts it.",
    "Starting": "The instance is still Starting: give it time. {resume} checks whether it comes up.",
    "Running": "The instance should be Stopped but is not: find out who started it.",
    "": "The instance was not seen at the end: check in the ECS console whether it exists. {resume} starts it.",
}
"""What to do, by the last state of a machine that is not in its promised state."""


def _with_lost_snapshots(state: JobState, run_id: str) -> Failure | None:
    """Add to the first failure which safety snapshots may exist although no answer named their ids."""
    lost = [
        each.disk_id
        for each in state.snapshots
        if not each.snapshot_id and each.step.tries and each.step.lost_at is not None
    ]
    if state.error is None or not lost:
        return state.error
    also = f"A snapshot of {', '.join(lost)} may exist nevertheless: search for the tag {LOCK_TAG} {run_id}."
    return replace(state.error, hint=f"{state.error.hint or ''} {also}".lstrip())


def _disk(planned: PlannedDisk, wipe: Wipe | None, safety_snapshot: str | None = None) -> DiskReport:
    return DiskReport(
        disk_id=planned.disk_id,
        disk_name=planned.disk_name,
        serial=planned.serial,
        type=planned.type,
        device=planned.device,
        size_gib=planned.size_gib,
        data=wipe.data if wipe else "untouched",
        evidence=wipe.evidence if wipe else None,
        becomes=planned.becomes,
        safety_snapshot=safety_snapshot,
        waivers=planned.waivers,
    )


def _failure(error: Error | None) -> Failure | None:
    if error is None:
        return None
    return Failure(error.code, str(error), error.request_id, error.action, error.hint)


@cache
def _operator() -> Operator:
    try:
        user = whole(getpass.getuser())
    except (KeyError, OSError):
        user = str(os.getuid())  # a user whose name the system does not know
    return Operator(user, whole(socket.gethostname()))
