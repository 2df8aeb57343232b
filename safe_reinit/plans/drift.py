"""What moved since a plan was made, and what would be refused now: asked before each call that changes more. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..checks import check_disk, check_target
from ..model import DiskFacts, Finding, JobState, Observation, Others, Plan, PlannedJob, TargetRules
from .plan import expected, moved

_OURS = ("Status",)
"""What our own stop changes of an instance; ``decide`` judges it instead."""
_OF_BEGINNING = ("outside-hours",)
"""Checks of when a job may begin: one that has begun is carried to its end, since its machine is down already."""
_CONSENTED = 3600.0
"""Cloud seconds for which the passing of time alone brings no risk to a plan: whoever agreed to it knew the time."""


def drift_of(
    job: PlannedJob, disks: Sequence[DiskFacts], known: JobState, plan: Plan, target_rules: TargetRules | None = None
) -> tuple[str, ...]:
    """Return what moved since the plan other than by our own recorded calls, and what would be refused now.

    Args:
        job: the job as it was planned.
        disks: what ECS shows now of those of its disks that are still to be wiped.
        known: what the job remembers.
        plan: the plan that was agreed to.
        target_rules: what the configuration of now says of targets, which may be more than it said then.
    """
    unseen = tuple(f"{gone.action} of {gone.subject}: {gone.why}" for each in disks for gone in each.unseen)
    missing = tuple(
        f"{each.disk_id} is not shown any more (it was released, or the right to see it is missing)"
        for each in disks
        if each.disk is None
    )
    if unseen or missing:
        return unseen or missing
    ours = [f"{job.instance_id}.{name}" for name in _OURS] if known.touched else []
    now = expected(disks)
    planned = {name: value for name, value in job.expected.items() if name.rpartition(".")[0] in _subjects(job, disks)}
    refused = [_told(found) for each in disks for found in _refusing(each, known, plan)]
    today = [said for each in disks for said in _refused_today(each, target_rules)]
    if drift := moved(planned, now, ours=ours):
        return (*_detached(job, disks), *drift)
    return tuple(dict.fromkeys((*refused, *today)))


def no_target_any_more(
    job: PlannedJob, seen: Observation, plan: Plan, target_rules: TargetRules | None = None
) -> tuple[str, ...]:
    """Return what says now that the disks of a job may not be wiped, in whatever state they are."""
    now = [
        DiskFacts(
            disk_id=each.disk_id,
            options=plan.options,
            now=seen.when,
            region=plan.region,
            disk=seen.disks.get(each.disk_id),
            instance=seen.instance,
            account=plan.account,
            others=Others(),
            guard=plan.guard,
        )
        for each in job.disks
    ]
    refused = [_told(found) for each in now for found in check_target(each)]
    today = [said for each in now for said in _refused_today(each, target_rules)]
    return tuple(dict.fromkeys((*refused, *today)))


def _detached(job: PlannedJob, disks: Sequence[DiskFacts]) -> Iterator[str]:
    """List the disks that are attached to no instance, which explains why nothing is shown of one."""
    for each in disks:
        if each.disk and not each.disk.instance_id:
            yield f"{each.disk_id} is attached to no instance (it was detached, or {job.instance_id} was released)"


def _refused_today(facts: DiskFacts, target_rules: TargetRules | None) -> list[str]:
    """Return by what the configuration of now refuses a target, where that is not what the plan was made with."""
    guard = facts.guard
    if target_rules is None or (target_rules.allow, target_rules.protect) == (guard.allow, guard.protect):
        return []
    today = replace(guard, allow=target_rules.allow, protect=target_rules.protect, class_=None)
    return [f"by {target_rules.whose}, {_told(found)}" for found in check_target(replace(facts, guard=today))]


def _refusing(facts: DiskFacts, known: JobState, plan: Plan) -> Iterator[Finding]:
    """Judge once more: every block as of now, and until we touch the machine also each risk, as of the plan.

    A risk that was accepted is no reason. What our own stop makes of the machine is no new risk, nor is a snapshot that
    grew too old, or a release that came within a day, since a plan that was made just now. A risk by a fact that
    changed is one.
    """
    now = check_disk(facts, least="block" if known.touched else "risk")
    over = _OF_BEGINNING if known.touched else ()
    yield from (found for found in now if found.level == "block" and found.check not in over)
    if known.touched:
        return
    risks = [found for found in now if found.level == "risk" and found.check not in plan.options.accept]
    since = (facts.now - plan.made_at).total_seconds()
    if risks and 0 <= since <= _CONSENTED:
        then = {(found.check, found.subject) for found in check_disk(replace(facts, now=plan.made_at), least="risk")}
        risks = [found for found in risks if (found.check, found.subject) in then]  # the others are by time alone
    yield from risks


def _told(found: Finding) -> str:
    return f"{found.check} ({found.subject}): {found.message.rstrip('.')}"


def _subjects(job: PlannedJob, disks: Sequence[DiskFacts]) -> set[str | None]:
    return {job.instance_id, *(each.disk_id for each in disks)}
