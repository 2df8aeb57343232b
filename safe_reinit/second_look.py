"""The look before a call: what the plan stands on is read again, and a job whose facts moved ends instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import others, record
from .changes import Fail, Saw, Stuck
from .clock import Clock, boottime
from .cloud import Cloud
from .drift import drift_of, no_target_any_more
from .ledger import Entry, Keeper
from .look import observe, observed, tick
from .looker import FEW
from .model import DiskFacts, Failure, Guard, Instance, Observation, Options, Plan, Policy, Record, Send

_FRESH = 3.0
"""Cloud seconds after its answer for which a look may be acted on; as long again as it took itself are added."""
_FRESH_REAL = 0.2
"""Real seconds that are always allowed for that."""
_SLOW = 1.5
"""Cloud seconds for an answer that are worth a word."""


@dataclass(frozen=True)
class Errand:
    """One call to make for one job, as it was decided on what was seen."""

    entry: Entry
    send: Send
    seen: Observation


def oldest(known: Record) -> float:
    """Return how many cloud seconds may pass from the question of a look to the call that it allows.

    What it shows may be older by the lag: together less than anybody needs to use the machine unseen.
    """
    return record.GAP - record.lag_of(known)


def _longest(clock: Clock, known: Record) -> float:
    """Return the same, but for hurried time never less than a fifth of a real second."""
    return max(oldest(known), _FRESH_REAL * clock.rate)


def is_stale(clock: Clock, seen: Observation, known: Record) -> bool:
    """Tell whether a look is too old to act on.

    Its age counts from its answer, and how old it may be follows how long ECS takes to answer; but nothing is done on
    what may have been so more than ``oldest`` ago. Hurried time never asks for less than a fifth of a real second.
    """
    now, fresh = clock.time(), max(_FRESH, _FRESH_REAL * clock.rate)
    return now - (seen.at + seen.took) > fresh + seen.took or now - seen.at > _longest(clock, known)


def serves_until(clock: Clock, seen: Observation, known: Record) -> float:
    """Return when a look is too old for a wipe to leave, in real seconds since boot.

    A process can be paused, or its credentials be waited for, also after the last look at the clock in ``is_stale``.
    """
    return boottime() + (_longest(clock, known) - (clock.time() - seen.at)) / clock.rate


def slowly(seen: Observation) -> str:
    """Say how slowly ECS answers."""
    return f"ECS answers slowly: {seen.took:.1f} s a call"


def is_slow(clock: Clock, seen: Observation) -> bool:
    """Tell whether ECS answers so slowly that a person should know why all takes its time."""
    return seen.took > max(_SLOW, _FRESH_REAL * clock.rate)


def is_too_slow(clock: Clock, seen: Observation, known: Record) -> bool:
    """Tell whether ECS answers so slowly that no look is ever fresh enough."""
    return seen.took > _longest(clock, known)


@dataclass(frozen=True)
class SecondLook:
    """Looks again at what calls are about to be made for."""

    cloud: Cloud
    clock: Clock
    plan: Plan
    run_id: str
    ledger: Keeper
    policy: Policy | None = None
    """What the configuration of now says of targets."""

    def _in_force(self, _targets: object = None) -> tuple[Options, Guard]:
        """Give what the plan was made and shown with; what it says of targets is judged again on what is seen now."""
        return replace(self.plan.options, run_id=self.run_id), self.plan.guard

    def __call__(self, errands: Sequence[Errand]) -> list[tuple[Errand, Observation]]:
        """Read the facts again; a job whose facts moved ends instead, and is not among those that are given back.

        Args:
            errands: of one action each, none that brings power back; at most one for a job.

        Raises:
            CloudError: the look failed.
        """
        if errands[0].send.force:
            return self._look_before_a_cut(errands)
        at, when = self.clock.time(), self.clock.now()  # before the looks: what they show is at least as new
        disk_ids = [disk.disk_id for errand in errands for disk in errand.entry.job.disks]
        options, _ = self._in_force()
        begun = all(errand.entry.record.touched for errand in errands)  # one that has not needs all the looks
        also = others.again(self.plan.findings, begun=begun)
        facts = observe(
            self.cloud, self.clock, self.plan.region, disk_ids, options,
            again=also, ways_back=self._ways_back(errands), settle=self._in_force,
            caller_needed=bool(self.plan.account),
        )  # fmt: skip
        answered_at = self.clock.time()
        by_disk = {each.disk_id: each for each in facts.disks}
        other_account = (
            (f"account: {self.plan.account} -> {facts.caller.account}",)
            if self.plan.account and facts.caller.account != self.plan.account
            else ()
        )
        ready = []
        for errand in errands:
            own = [by_disk[disk.disk_id] for disk in errand.entry.job.disks]
            not_seen = "" if other_account else _not_seen(errand, own)
            if not_seen:  # which proves nothing: the ticks tell whether it stays so
                self.ledger.keep([(errand.entry, Stuck(self.clock.time(), not_seen))])
                continue
            untouched = _untouched(errand.entry.record, own)
            machine = next((each.instance for each in own if each.instance), None)
            if not self._ended_by_drift(errand, other_account or self._drift_of(errand, untouched), machine):
                instance = untouched[0].instance if untouched else None
                ready.append((errand, observed(at, when, answered_at, instance, own), untouched))
        if ready and answered_at - at > max(_FRESH, _FRESH_REAL * self.clock.rate):
            return self._look_once_more(ready)
        return [(errand, seen) for errand, seen, _ in ready]

    def _ways_back(self, errands: Sequence[Errand]) -> dict[str, str] | None:
        """Name by disk what a plan for many counts on to bring the data back.

        Once a machine is stopped that is the safety snapshot of the disk, where it gets one: no wipe goes without it.
        """
        if self.plan.guard.disks <= FEW:
            return None
        ways: dict[str, str] = {}
        for entry in (errand.entry for errand in errands):
            if entry.record.touched:
                done = [each for each in entry.record.snapshots if each.step.state == "done"]
                ways |= {each.disk_id: each.snapshot_id for each in done}
            else:
                ways |= {disk.disk_id: disk.way_back for disk in entry.job.disks}
        return ways

    def _glance(self, errands: Sequence[Errand]) -> list[tuple[Errand, Observation]]:
        """Look at what can change, and at nothing else."""
        return list(
            zip(errands, tick(self.cloud, self.clock, [errand.entry.record for errand in errands]), strict=True)
        )

    def _look_before_a_cut(self, errands: Sequence[Errand]) -> list[tuple[Errand, Observation]]:
        """Look at the state, and whether these are targets still: else the power is not cut for them."""
        return [
            (errand, seen)
            for errand, seen in self._glance(errands)
            if seen.seen
            and seen.disks_seen
            and not self._ended_by_drift(
                errand, no_target_any_more(errand.entry.job, seen, self.plan, self.policy), seen.instance
            )
        ]

    def _look_once_more(
        self, ready: Sequence[tuple[Errand, Observation, Sequence[DiskFacts]]]
    ) -> list[tuple[Errand, Observation]]:
        """Look at what can change while reading all the facts took its time; the rest of them stands."""
        still = []
        glances = self._glance([errand for errand, _, _ in ready])
        for (errand, seen), (_, first, untouched) in zip(glances, ready, strict=True):
            now = [replace(each, instance=seen.instance, disk=seen.disks.get(each.disk_id)) for each in untouched]
            if not _is_whole(seen):  # which no call is decided on
                still.append((errand, seen))
            elif not self._ended_by_drift(errand, self._drift_of(errand, now), seen.instance):
                still.append((errand, replace(seen, progressing=first.progressing)))
        return still

    def _drift_of(self, errand: Errand, disks: Sequence[DiskFacts]) -> Sequence[str]:
        return drift_of(errand.entry.job, disks, errand.entry.record, self.plan, self.policy)

    def _ended_by_drift(self, errand: Errand, drift: Sequence[str], machine: Instance | None) -> bool:
        """End the job where its facts moved, and tell whether they did; ``machine`` is what this look showed of it."""
        if drift:
            failure = Failure(
                None,
                f"What the plan stands on has moved: {'; '.join(drift)}.",
                hint="Look at the new facts with --dry-run, then decide anew.",
            )
            status = machine.status if machine else ""
            self.ledger.keep([(errand.entry, Fail(failure)), (errand.entry, Saw(status))])
        return bool(drift)


def _not_seen(errand: Errand, facts: Sequence[DiskFacts]) -> str:
    """Say what of a job this look did not show, though the credentials may see it: not listed, or not to be read."""
    instance_id = errand.entry.record.instance_id
    for each in facts:
        unreadable = [f"in the answer to {gone.action} {gone.why}" for gone in each.unseen if gone.row is not None]
        if unreadable:
            return unreadable[0]
        if each.unseen:
            continue
        if each.disk is None:
            return f"ECS does not list {each.disk_id}"
        if each.instance is None and each.disk.instance_id == instance_id:
            return f"ECS does not list {instance_id}"
    return ""


def _untouched(known: Record, disks: Sequence[DiskFacts]) -> list[DiskFacts]:
    ahead = {wipe.disk_id for wipe in known.disks if wipe.state == "todo"}
    return [each for each in disks if each.disk_id in ahead]


def _is_whole(seen: Observation) -> bool:
    return seen.seen and seen.disks_seen
