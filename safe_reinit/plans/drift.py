"""What has changed since a plan was made, and what would be refused now. Pure.

Used before each changing call, except those that bring a machine back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..checks import check_disk, check_target
from ..model import DiskFacts, Finding, JobState, Observation, OtherProducts, Plan, PlannedJob, TargetRules
from .plan import changed_facts, expected

_OURS = ("Status",)
"""What our own stop changes about an instance; ``decide`` checks it instead."""
_OF_BEGINNING = ("outside-hours",)
"""Checks of when a job may begin: one that has begun is completed, because its machine is already down."""
_CONSENT_WINDOW = 3600.0
"""Cloud seconds for which the mere passing of time adds no risk to a plan: whoever agreed to it knew the time."""


def drift_of(
    job: PlannedJob, disks: Sequence[DiskFacts], state: JobState, plan: Plan, target_rules: TargetRules | None = None
) -> tuple[str, ...]:
    """Return what has changed since the plan, except by our own recorded calls, and what would be refused now.

    Args:
        job: the job as planned.
        disks: what ECS shows now for those of its disks that are still to be wiped.
        state: the state of the job.
        plan: the plan that was agreed to.
        target_rules: what the present configuration says about targets, which may be more than it said then.
    """
    unseen = tuple(f"{gone.action} of {gone.subject}: {gone.why}" for each in disks for gone in each.unseen)
    missing = tuple(
        f"{each.disk_id} is no longer shown (it was released, or the permission to see it is missing)"
        for each in disks
        if each.disk is None
    )
    if unseen or missing:
        return unseen or missing
    ours = [f"{job.instance_id}.{name}" for name in _OURS] if state.touched else []
    now = expected(disks)
    planned = {name: value for name, value in job.expected.items() if name.rpartition(".")[0] in _subjects(job, disks)}
    refused = [_finding_text(finding) for each in disks for finding in _refusing(each, state, plan)]
    today = [text for each in disks for text in _refused_today(each, target_rules)]
    if drift := changed_facts(planned, now, ours=ours):
        return (*_detached(job, disks), *drift)
    return tuple(dict.fromkeys((*refused, *today)))


def no_target_any_more(
    job: PlannedJob, observation: Observation, plan: Plan, target_rules: TargetRules | None = None
) -> tuple[str, ...]:
    """Return what says now that the disks of a job may not be wiped, whatever their state."""
    now = [
        DiskFacts(
            disk_id=each.disk_id,
            options=plan.options,
            now=observation.when,
            region=plan.region,
            disk=observation.disks.get(each.disk_id),
            instance=observation.instance,
            account=plan.account,
            other_products=OtherProducts(),
            guard=plan.guard,
        )
        for each in job.disks
    ]
    refused = [_finding_text(finding) for each in now for finding in check_target(each)]
    today = [text for each in now for text in _refused_today(each, target_rules)]
    return tuple(dict.fromkeys((*refused, *today)))


def _detached(job: PlannedJob, disks: Sequence[DiskFacts]) -> Iterator[str]:
    """List the disks that are attached to no instance, which explains why no instance is shown for one."""
    for each in disks:
        if each.disk and not each.disk.instance_id:
            yield f"{each.disk_id} is attached to no instance (it was detached, or {job.instance_id} was released)"


def _refused_today(facts: DiskFacts, target_rules: TargetRules | None) -> list[str]:
    """Return the rule by which the present configuration refuses a target, unless the plan was made with it."""
    guard = facts.guard
    if target_rules is None or (target_rules.allow, target_rules.protect) == (guard.allow, guard.protect):
        return []
    today = replace(guard, allow=target_rules.allow, protect=target_rules.protect, class_=None)
    return [
        f"by {target_rules.whose}, {_finding_text(finding)}" for finding in check_target(replace(facts, guard=today))
    ]


def _refusing(facts: DiskFacts, state: JobState, plan: Plan) -> Iterator[Finding]:
    """Check again: every block as of now, and, until we touch the machine, each risk too, compared with the plan.

    An accepted risk is no reason. Neither is a risk that our own stop causes, nor, for a plan that was just made, a
    snapshot that became too old or a release that is now less than a day away. A risk because a fact changed is a
    reason.
    """
    now = check_disk(facts, least="block" if state.touched else "risk")
    over = _OF_BEGINNING if state.touched else ()
    yield from (finding for finding in now if finding.level == "block" and finding.check not in over)
    if state.touched:
        return
    risks = [finding for finding in now if finding.level == "risk" and finding.check not in plan.options.accept]
    since = (facts.now - plan.made_at).total_seconds()
    if risks and 0 <= since <= _CONSENT_WINDOW:
        then = {
            (finding.check, finding.subject) for finding in check_disk(replace(facts, now=plan.made_at), least="risk")
        }
        risks = [
            finding for finding in risks if (finding.check, finding.subject) in then
        ]  # the others are only because of time
    yield from risks


def _finding_text(finding: Finding) -> str:
    return f"{finding.check} ({finding.subject}): {finding.message.rstrip('.')}"


def _subjects(job: PlannedJob, disks: Sequence[DiskFacts]) -> set[str | None]:
    return {job.instance_id, *(each.disk_id for each in disks)}
