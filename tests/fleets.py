"""Plans and reports of many machines, made up for the tests of what renders them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from safe_reinit.errors import exit_code
from safe_reinit.model import (
    Becomes,
    Call,
    Caller,
    DiskReport,
    Failure,
    Finding,
    Identity,
    JobReport,
    Limits,
    Operator,
    Options,
    Outcome,
    Phase,
    Plan,
    PlannedDisk,
    PlannedJob,
    PlanReference,
    Report,
    Rollout,
)
from tests.values import LONG_AGO, NOW, started

_PHASES: dict[str, tuple[tuple[str, int, str], ...]] = {
    "done": (("wait-snapshot", 10, "ok"), ("stop", 30, "ok"), ("snapshot", 60, "ok"), ("reinit", 60, "ok"),
             ("start", 45, "ok")),
    "failed": (("stop", 30, "ok"), ("reinit", 20, "refused"), ("start", 45, "ok")),
    "unknown": (("stop", 30, "ok"), ("reinit", 0, "unknown")),
    "not-restarted": (("stop", 30, "ok"), ("reinit", 60, "ok"), ("start", 900, "timeout")),
    "stranded": (("stop", 600, "timeout"),),
}  # fmt: skip
"""Of each outcome: the phases, their seconds, how they ended; 0 seconds: nobody saw the end."""
_DATA: dict[str, Any] = {"done": "reinitialised", "not-restarted": "reinitialised", "unknown": "unknown"}
_AFTER = {"unknown": "Stopped", "not-restarted": "Starting", "stranded": "Stopping"}


NO_CANARY = Rollout(canary=0)


def a_plan(count: int = 4, rollout: Rollout = NO_CANARY, *, stopped: Sequence[int] = (), undo: str = "") -> Plan:
    """Return a plan for so many machines of one disk each, made up; those that are ``stopped`` are stopped before."""
    jobs = tuple(
        PlannedJob(
            instance_id=f"i-{number}",
            instance_name=f"lab-{number}",
            power_before="Stopped" if number in stopped else "Running",
            power_promised="Running",
            will_stop=number not in stopped,
            will_start=number not in stopped,
            disks=(PlannedDisk(f"d-{number}", type="data", becomes=Becomes("empty")),),
            expected=started(f"i-{number}"),
        )
        for number in range(count)
    )
    return Plan(
        plan_id="p",
        region="cn-hangzhou",
        account="1",
        caller=Caller("1", "acs:ram::1:user/night", "RAMUser"),
        made_at=NOW,
        options=Options(stop_instance=True, undo=undo),
        limits=Limits(),
        reason=None,
        jobs=jobs,
        findings=(),
        fingerprint="f" * 64,
        confirm_with="ffffffff",
        rollout=rollout,
    )


def after(seconds: float) -> datetime:
    """Return a time so long after the run began."""
    return NOW + timedelta(seconds=seconds)


def a_job(number: int, outcome: Outcome = "done", begins: float = 0.0) -> JobReport:
    """Return the job of instance number so and so, which came to this."""
    data = _DATA.get(outcome, "untouched" if outcome in ("refused", "planned") else "intact")
    failed = Failure(f"Code{number}", f"Message {number}.", f"REQ-E-{number}", f"Act{number}", f"Hint {number}.")
    return JobReport(
        instance_id=f"i-bp{number:06}",
        instance_name=f"lab-{number:04}",
        power_before="Running",
        power_after=_AFTER.get(outcome, "Running"),
        power_promised="Running",
        outcome=outcome,
        error=None if outcome == "done" else failed,
        phases=tuple(_phases(outcome, begins)),
        disks=(
            DiskReport(
                disk_id=f"d-bp{number:06}",
                disk_name=f"lab-disk-{number}",
                serial=f"serial{number:06}",
                type="data",
                device="/dev/xvdb",
                size_gib=40,
                data=data,
                evidence="transition" if data == "reinitialised" else None,
                becomes=Becomes("snapshot", f"s-bp{number:06}", LONG_AGO),
                safety_snapshot=f"s-safe{number:06}",
                waivers=("no-recent-snapshot",),
            ),
        ),
    )


def _phases(outcome: str, begins: float) -> Iterator[Phase]:
    for name, seconds, result in _PHASES.get(outcome, ()):
        ends = begins + seconds
        yield Phase(name, after(begins), after(ends) if seconds else None, result)  # type: ignore[arg-type]
        begins = ends


def a_report(*jobs: JobReport, **changes: Any) -> Report:
    """Return the report of these jobs: each with a finding of each level, a dry run, an act and a look."""
    outcomes = {job.outcome for job in jobs}
    outcome: Outcome = "unknown" if "unknown" in outcomes else outcomes.pop() if len(outcomes) == 1 else "partial"
    last = max((phase.ended_at or phase.started_at for job in jobs for phase in job.phases), default=NOW)
    result = Report(
        schema=1,
        tool_version="9.8.7",
        run_id="r-20260102T030405Z-4f2a",
        outcome=outcome,
        exit_code=exit_code(outcome),
        dry_run=False,
        simulated=False,
        once=None,
        already_done=False,
        started_at=NOW,
        ended_at=last + timedelta(seconds=5),
        region="cn-hangzhou",
        account="1234567890123456",
        caller=Identity("acs:ram::1234567890123456:user/night", "RAMUser"),
        operator=Operator("ops", "bastion"),
        reason="CHG-1: the lab",
        plan=PlanReference("f" * 64, "e" * 64, "ffffffff"),
        jobs=jobs,
        error=next((job.error for job in jobs if job.error), None),
        findings=tuple(found for job in jobs for found in _findings(job)),
        calls=tuple(call for job in jobs for call in _calls(job)),
        omitted_reads=7 if len(jobs) > 20 else None,
        next=("safe-reinit resume r-20260102T030405Z-4f2a",),
        warnings=(),
    )
    return replace(result, **changes)


def _findings(job: JobReport) -> Iterator[Finding]:
    disk = job.disks[0].disk_id
    facts = {"Status": "In_use", "Size": 40}
    yield Finding("spot", "info", str(job.instance_id), f"{disk} may be released.", "Use another.", facts)
    yield Finding("no-recent-snapshot", "risk", disk, "It has none.", "Take one.", {}, None)
    yield Finding("disk-locked", "block", disk, "It is locked.", "Unlock it.", {"Lock": "security"}, "Instance.Locked")


def _calls(job: JobReport) -> Iterator[Call]:
    number, own = str(job.instance_id)[4:], (str(job.instance_id),)
    yield Call(NOW, "StopInstance", own, True, 400, f"REQ-DRY-{number}", "DryRunOperation")
    yield Call(after(1), "DescribeInstances", own, False, 200, f"REQ-LOOK-{number}", "OK")
    yield Call(after(40), "ReInitDisk", (job.disks[0].disk_id,), False, None, None, "Unanswered")
    yield Call(after(60), "ReInitDisk", (job.disks[0].disk_id,), False, 200, f"REQ-ACT-{number}", "OK", 2)
