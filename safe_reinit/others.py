"""Looks at other products, and at what ECS plans: what a plan wants to know and can do without.

A look that fails never ends the looking: it is noted, and told by the check ``not-looked-at``, or by ``could-not-look``
where the configuration requires it. It is one quick attempt, since its endpoint may be out of reach from here; only one
that is required is worth as much patience as a look at ECS itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from . import codes
from .cloud import Cloud, CloudError, Look, Refused
from .looker import distinct
from .model import (
    DiskFacts,
    Finding,
    Key,
    Options,
    Others,
    ReplicaPair,
    ScalingMember,
    SnapshotPolicy,
    SystemEvent,
    UnreadableRow,
    Unseen,
)
from .model.others import REQUIRABLE
from .retry import Patient

T = TypeVar("T")

_ACTIONS = {**REQUIRABLE, "policy": "DescribeAutoSnapshotPolicyEx"}
EVERY = frozenset(_ACTIONS)
"""All of them, by the words of ``require_looks``; the look at an automatic snapshot policy cannot be required."""


def again(findings: Iterable[Finding], *, begun: bool) -> frozenset[str]:
    """Tell which of them are repeated before a call, so that their number stays small.

    Before the first changing call all that can refuse the plan: a plan may be confirmed long after it was made, and its
    instance may have joined a group or its key have been switched off since. After the stop only the replication pairs.
    A scaling group that releases the instance does so for the standstill, not for the wipe; a key that is not Enabled
    makes ECS refuse without harm; and a planned event changes nothing that is still ours to decide. But what a wipe of
    a replicated disk does to its replica, and how it is refused, no page of ECS documents. A look that the plan could
    not make, and says so, is not made again.
    """
    failed = {found.subject for found in findings if found.check == "not-looked-at"}
    wanted = ("ebs",) if begun else tuple(REQUIRABLE)
    return frozenset(name for name in wanted if REQUIRABLE[name] not in failed)


def add(
    cloud: Cloud, patient: Patient, disks: Sequence[DiskFacts], options: Options, looks: Collection[str]
) -> tuple[DiskFacts, ...]:
    """Add to the facts of disks what these looks show: each question is put once for all of them."""
    asker = _Asker(cloud, patient, options, looks)
    seen = [each for each in disks if each.disk is not None]
    asker.ask_all(seen)
    return tuple(replace(each, others=asker.of(each)) if each.disk is not None else each for each in disks)


@dataclass
class _Asker:
    """One round of these looks; what was found, and what could not be looked at, is noted by the id it is about."""

    cloud: Cloud
    patient: Patient
    options: Options
    looks: Collection[str]
    members: dict[str, list[ScalingMember]] = field(default_factory=dict)
    events: dict[str, list[SystemEvent]] = field(default_factory=dict)
    pairs: dict[str, list[ReplicaPair]] = field(default_factory=dict)
    keys: dict[str, list[Key]] = field(default_factory=dict)
    policies: dict[str, SnapshotPolicy] = field(default_factory=dict)
    unlooked: dict[str, list[Unseen]] = field(default_factory=dict)

    def ask_all(self, disks: Sequence[DiskFacts]) -> None:
        """Ask what matters: of instances that stand still, of keys and policies that are used, of pairs once."""
        still = distinct(each.instance.instance_id for each in disks if each.instance and each.stands_still)
        region = disks[0].region if disks else ""
        for member in self._ask("ess", still, lambda: self.cloud.scaling_members(still)):
            self.members.setdefault(member.instance_id, []).append(member)
        for event in self._ask("events", still, lambda: self.cloud.system_events(still)):
            self.events.setdefault(event.instance_id, []).append(event)
        ids = [each.disk_id for each in disks]
        for pair in self._ask("ebs", [region] if disks else [], self.cloud.replica_pairs, about=ids):
            for disk_id in {pair.source_disk_id, pair.destination_disk_id}:
                self.pairs.setdefault(disk_id, []).append(pair)
        for key in self._keys(distinct(key for each in disks for key in _keys_of(each))):
            self.keys.setdefault(key.key_id, []).append(key)
        for policy_id in distinct(each.disk.auto_snapshot_policy_id for each in disks if each.disk):
            self._policy(policy_id)

    def of(self, facts: DiskFacts) -> Others:
        """Give what was found of one disk."""
        disk, instance = facts.disk, facts.instance.instance_id if facts.instance and facts.stands_still else ""
        if disk is None:
            return Others()
        keys = _keys_of(facts)
        about = distinct((instance, *keys, facts.region, disk.disk_id, disk.auto_snapshot_policy_id))
        return Others(
            members=tuple(self.members.get(instance, ())),
            keys=tuple(key for key_id in keys for key in self.keys.get(key_id, ())),
            pairs=tuple(self.pairs.get(disk.disk_id, ())),
            events=tuple(self.events.get(instance, ())),
            policy=self.policies.get(disk.auto_snapshot_policy_id),
            unlooked=tuple(each for name in about for each in self.unlooked.get(name, ())),
        )

    def _keys(self, key_ids: Sequence[str]) -> tuple[Key, ...]:
        found: list[Key] = []
        for key_id in key_ids:
            found += self._ask("kms", [key_id], partial(self.cloud.key, key_id))
        return tuple(found)

    def _policy(self, policy_id: str) -> None:
        """Look at a policy; an empty answer, which may mean that the right is missing, is no look at it."""
        shown = self._ask("policy", [policy_id], partial(self.cloud.snapshot_policy, policy_id))
        if shown:
            self.policies[policy_id] = shown[0]
        elif "policy" in self.looks and policy_id not in self.unlooked:
            self._note("policy", policy_id, "ECS shows no such policy, or the right to it is missing")

    def _ask(
        self, name: str, subjects: Sequence[str], question: Callable[[], Look[T]], about: Sequence[str] = ()
    ) -> tuple[T, ...]:
        """Ask, and note for what the answer cannot be had; a row that cannot be read concerns its own thing only.

        Args:
            name: the look, as ``require_looks`` has it.
            subjects: what it is noted for that no answer came.
            question: asks.
            about: the ids by which rows name what they are about, where that is not ``subjects``.
        """
        if name not in self.looks or not subjects:
            return ()
        try:
            look = self.patient(question) if name in self.options.require_looks else question()
        except CloudError as error:
            for subject in subjects:
                self._note(name, subject, _why(error, _product(name)))
            return ()
        for row in look.unreadable:
            own = set(row.names) & set(about or subjects)
            for subject in own or (subjects if "" in row.owners else ()):
                self._note(name, subject, row.why, row)
        return look.shown

    def _note(self, name: str, subject: str, why: str, row: UnreadableRow | None = None) -> None:
        right = "" if row else f"{_product(name)}:{_ACTIONS[name]}"
        self.unlooked.setdefault(subject, []).append(Unseen(_ACTIONS[name], subject, right, why, row))


def _keys_of(facts: DiskFacts) -> tuple[str, ...]:
    """List the keys that matter to a disk: its own, and those without which its instance does not start again."""
    disks = (facts.disk, *(facts.neighbours if facts.will_stop else ()))
    return tuple(distinct(each.kms_key_id for each in disks if each is not None and each.encrypted))


def _product(name: str) -> str:
    return name if name in ("ess", "ebs", "kms") else "ecs"


def _why(error: CloudError, product: str) -> str:
    if isinstance(error, Refused):
        said = f"{product.upper()} answered {error.code}"
        return f"the right to it is missing: {said}" if codes.of_credentials(error.code) else said
    return getattr(error, "why", "") or "no readable answer came"
