"""Several regions under one command: their plans confirmed as one, and their runs one after another. Pure.

A run stays within one region. Runs are not made at the same time: a problem in one region is noticed before the next
begins, and a canary, a limit of failures and a cap of machines that are down apply to all of them as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ..core.waves import has_canary, release, stages
from ..model import Guard, Outcome, Plan, Rollout, RunClass
from .plan import canonical


def as_one(plans: Sequence[Plan]) -> Plan:
    """Combine the plans of several regions, to be shown, confirmed and reported; the result itself is never run."""
    if len(plans) == 1:
        return plans[0]
    fingerprints = [plan.fingerprint for plan in sorted(plans, key=lambda plan: plan.region)]
    print_ = hashlib.sha256(canonical(fingerprints)).hexdigest()
    return replace(
        plans[0],
        plan_id="",
        region=",".join(plan.region for plan in plans),
        jobs=tuple(job for plan in plans for job in plan.jobs),
        findings=tuple(finding for plan in plans for finding in plan.findings),
        skipped=tuple(job for plan in plans for job in plan.skipped),
        skipped_findings=tuple(finding for plan in plans for finding in plan.skipped_findings),
        fingerprint=print_,
        confirm_with=print_,
        guard=_guard(plans),
    )


def _guard(plans: Sequence[Plan]) -> Guard:
    """Return the common target rules: a class only if every disk of every region is in it."""
    first, used = plans[0].guard, [plan.guard.class_ for plan in plans]
    if len({(each.name, each.sha256) for each in used if each}) == 1 and all(used):
        weakest = min((each for each in used if each), key=lambda each: each.in_force)
        return replace(first, class_=weakest, mixed=())
    rows = tuple(row for plan in plans for row in _classes(plan))
    return replace(first, class_=None, mixed=rows if any(name for _, name in rows) else ())


def _classes(plan: Plan) -> Sequence[tuple[str, str]]:
    """Return the class of each disk of a plan."""
    used: RunClass | None = plan.guard.class_
    name = used.name if used else ""
    return plan.guard.mixed or [(disk.disk_id, name) for job in plan.jobs for disk in job.disks]


def can_be_left_out(plan: Plan) -> bool:
    """Return whether a plan is refused only because of its jobs, so that other regions can continue without it."""
    subjects = {job.instance_id or "" for job in plan.jobs} | {disk.disk_id for job in plan.jobs for disk in job.disks}
    return all(finding.subject in subjects for finding in plan.blockers)


def shared(plans: Sequence[Plan]) -> list[Plan]:
    """Return the plans, each with its part of the one canary of all jobs in order, and the same deadline."""
    total = sum(len(plan.jobs) for plan in plans)
    left = canary_of(plans[0].rollout, total)
    made = []
    for plan in plans:
        part = min(left, len(plan.jobs))
        left -= part
        deadline = plans[0].rollout.deadline  # a relative deadline was counted from the making of each plan
        made.append(replace(plan, rollout=replace(plan.rollout, canary=part, deadline=deadline)))
    return made


def canary_of(rollout: Rollout, total: int) -> int:
    """Return how many of all jobs are the canary."""
    return stages(rollout, total)[0] if total and has_canary(rollout, total) else 0


def closed(rollout: Rollout, total: int, outcomes: Sequence[Outcome], now: datetime) -> str:
    """Return why no further region begins after jobs with these outcomes, if so.

    Args:
        rollout: the rollout of the whole command.
        total: the jobs of all regions.
        outcomes: the outcomes of the jobs in the earlier regions.
        now: by the local clock.
    """
    if set(outcomes[: canary_of(rollout, total)]) - {"done"}:
        return "the canary did not succeed"
    return release(rollout, [*outcomes, *[None] * (total - len(outcomes))], now).closed


def pauses(rollout: Rollout, total: int, ended: int) -> bool:
    """Return whether somebody is asked before a region begins: the canary, or a wave, ended with the one before."""
    if rollout.pause == "wave":
        return True
    return rollout.pause == "canary" and 0 < canary_of(rollout, total) == ended


def left_of(rollout: Rollout, outcomes: Sequence[Outcome]) -> Rollout:
    """Return the rollout of a region after jobs with these outcomes: their failures count."""
    if rollout.stop_after_failures is None:
        return rollout
    failed = sum(outcome != "done" for outcome in outcomes)
    return replace(rollout, stop_after_failures=max(1, rollout.stop_after_failures - failed))
