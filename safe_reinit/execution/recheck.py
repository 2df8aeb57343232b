"""The recheck before a call: reads again the facts that the plan is based on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..clock import Clock
from ..cloud.interface import Cloud, CloudError, OtherCaller
from ..cloud.retry import Once, Patient
from ..core.freshness import FRESH_FOR, FRESH_FOR_REAL
from ..core.inputs import Decided, Drifted, Fresh, Recheck, Rechecked, RecheckFailed, RecheckResult, Unobserved
from ..core.steps import wipe_of
from ..model import DiskFacts, Failure, Guard, JobState, Observation, Options, Plan, PlannedJob, TargetRules
from ..planning import other_products
from ..planning.describe import ONE_BY_ONE_LIMIT, Round
from ..planning.facts import Recent, read_facts
from ..plans.drift import drift_of, no_target_any_more
from .observe import WHOLE, observation_of, observe_jobs, safety_snapshot_ids


@dataclass(frozen=True)
class Rechecks:
    """Checks again the jobs for which calls are about to be made.

    Attributes:
        target_rules: what the present configuration says about targets; it counts as well as the plan's rules.

    """

    cloud: Cloud
    clock: Clock
    plan: Plan
    run_id: str
    target_rules: TargetRules | None = None

    def __call__(self, recheck: Recheck) -> Rechecked | RecheckFailed:
        """Read the facts again, and return for each job whether they are as planned."""
        commands = recheck.commands
        try:
            first = commands[0].command
            if first is not None and first.force:
                results = [self._before_a_power_cut(each, observation) for each, observation in self._observe(commands)]
            else:
                results = self._recheck(commands)
            results = [self._with_reset(each, result) for each, result in zip(commands, results, strict=True)]
        except OtherCaller as other:  # nothing is known about what this caller may see and do
            return RecheckFailed(recheck.number, other.trouble, Failure(None, other.summary, hint=other.hint))
        except CloudError as failed:
            return RecheckFailed(recheck.number, failed.trouble)
        return Rechecked(recheck.number, tuple(results))

    def _in_force(self, _disks: object = None) -> tuple[Options, Guard]:
        """Return what the plan was made and shown with; its target rules are checked again on what is seen now."""
        return replace(self.plan.options, run_id=self.run_id), self.plan.guard

    def _recheck(self, commands: Sequence[Decided]) -> list[RecheckResult]:
        disk_ids = [disk.disk_id for each in commands for disk in self._planned(each).disks]
        options, _ = self._in_force()
        begun = all(each.job.touched for each in commands)  # a job that has not stopped needs all the facts
        ask = Once() if begun else Patient(self.clock)  # while machines are down, no other recheck waits for this one
        described = Round(self.cloud, self.clock, ask, disk_ids)
        also = other_products.products_to_reread(self.plan.findings, begun=begun)
        facts = read_facts(
            described, self.plan.region, options, settle=self._in_force, again=also, recent=self._recent(commands),
            ways_back=self._ways_back(commands), safety=safety_snapshot_ids([each.job for each in commands]),
            caller_needed=bool(self.plan.account),
        )  # fmt: skip
        answered_at = self.clock.time()
        by_disk = {each.disk_id: each for each in facts.disks}
        if self.plan.account and facts.caller.account != self.plan.account:
            other = (f"account: {self.plan.account} -> {facts.caller.account}",)
            return [Drifted(other, _status(self._own(each, by_disk))) for each in commands]
        results: list[RecheckResult] = []
        for each in commands:
            own = self._own(each, by_disk)
            to_wipe = _still_to_wipe(each.job, own)
            if why := _why_unseen(each.job, own):
                results.append(Unobserved(why))
            elif drift := self._drift_of(each, to_wipe):
                results.append(Drifted(drift, _status(own)))
            else:
                need = replace(WHOLE, progressing=not each.job.touched)
                results.append(Fresh(observation_of(described, each.job, need, answered_at)))
        if answered_at - described.at > max(FRESH_FOR, FRESH_FOR_REAL * self.clock.rate):
            return self._observe_again(commands, results, by_disk)
        return results

    def _recent(self, commands: Sequence[Decided]) -> Recent | None:
        """Return what need not be read again for a stop while the plan is this new; a wipe needs all its facts."""
        if not all(self._planned(each).will_stop and not each.job.touched for each in commands):
            return None
        return Recent(
            self.plan.made_at, other_products.products_to_reread(self.plan.findings, begun=False, lately=True)
        )

    def _planned(self, each: Decided) -> PlannedJob:
        return self.plan.jobs[each.position]

    def _own(self, each: Decided, by_disk: Mapping[str, DiskFacts]) -> list[DiskFacts]:
        return [by_disk[disk.disk_id] for disk in self._planned(each).disks]

    def _ways_back(self, commands: Sequence[Decided]) -> dict[str, str] | None:
        """Return, by disk, the snapshot that a plan for many counts on to restore the data; ``None`` for a few.

        Once a machine is stopped, its safety snapshots count instead: no wipe is sent without them.
        """
        if self.plan.guard.disks <= ONE_BY_ONE_LIMIT:
            return None
        planned = [disk for each in commands if not each.job.touched for disk in self._planned(each).disks]
        return {disk.disk_id: disk.way_back for disk in planned}

    def _observe(self, commands: Sequence[Decided]) -> list[tuple[Decided, Observation]]:
        """Observe what can change, and nothing else."""
        jobs = [each.job for each in commands]
        return list(zip(commands, observe_jobs(self.cloud, self.clock, jobs, whole=True), strict=True))

    def _before_a_power_cut(self, each: Decided, observation: Observation) -> RecheckResult:
        """Check that these are still targets; if not, their power is not cut."""
        if not _is_whole(observation):
            return Unobserved(observation.why)
        drift = no_target_any_more(self._planned(each), observation, self.plan, self.target_rules)
        return (
            Drifted(drift, observation.instance.status if observation.instance else "") if drift else Fresh(observation)
        )

    def _observe_again(
        self,
        commands: Sequence[Decided],
        results: Sequence[RecheckResult],
        by_disk: Mapping[str, DiskFacts],
    ) -> list[RecheckResult]:
        """Observe what can change while reading all the facts took its time; the other facts stand."""
        fresh = [each for each, result in zip(commands, results, strict=True) if isinstance(result, Fresh)]
        observations = {each.position: observation for each, observation in self._observe(fresh)} if fresh else {}
        still: list[RecheckResult] = []
        for each, first in zip(commands, results, strict=True):
            if not isinstance(first, Fresh):
                still.append(first)
                continue
            observation = observations[each.position]
            to_wipe = _still_to_wipe(each.job, self._own(each, by_disk))
            now = [
                replace(facts, instance=observation.instance, disk=observation.disks.get(facts.disk_id))
                for facts in to_wipe
            ]
            drift = (
                self._drift_of(each, now) if _is_whole(observation) else ()
            )  # no call is decided on an incomplete observation
            if drift:
                still.append(Drifted(drift, observation.instance.status if observation.instance else ""))
            else:
                still.append(Fresh(replace(observation, progressing=first.observation.progressing)))
        return still

    def _drift_of(self, each: Decided, disks: Sequence[DiskFacts]) -> tuple[str, ...]:
        return drift_of(self._planned(each), disks, each.job, self.plan, self.target_rules)

    def _with_reset(self, each: Decided, result: RecheckResult) -> RecheckResult:
        """Ask with DryRun whether ECS would roll the disk back now."""
        if each.command is None or each.command.action != "ResetDisk" or not isinstance(result, Fresh):
            return result
        disk_id = each.command.subject
        return replace(result, reset_code=self.cloud.dry_run_reset(disk_id, wipe_of(each.job, disk_id).snapshot_id))


def _status(facts: Sequence[DiskFacts]) -> str:
    return next((each.instance.status for each in facts if each.instance), "")


def _why_unseen(job: JobState, facts: Sequence[DiskFacts]) -> str:
    """Return what was not shown of a job although the credentials may see it: not listed, or unreadable."""
    for each in facts:
        unreadable = [gone.missing_text for gone in each.unseen if gone.row is not None]
        if unreadable:
            return unreadable[0]
        if each.unseen:
            continue
        if each.disk is None:
            return f"ECS does not list {each.disk_id}"
        if each.instance is None and each.disk.instance_id == job.instance_id:
            return f"ECS does not list {job.instance_id}"
    return ""


def _still_to_wipe(job: JobState, disks: Sequence[DiskFacts]) -> list[DiskFacts]:
    """Return the facts of the disks that are still to be wiped."""
    to_wipe = {wipe.disk_id for wipe in job.disks if wipe.pending}
    return [each for each in disks if each.disk_id in to_wipe]


def _is_whole(observation: Observation) -> bool:
    return observation.answered and observation.disks_answered
