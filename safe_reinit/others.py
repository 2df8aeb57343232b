"""Looks at other products, and at what ECS plans: what a plan wants to know and can do without.

A look that fails never ends the looking: it is noted, and told by the check ``not-looked-at``, or by ``could-not-look``
where the configuration requires it. It is one quick attempt, since its endpoint may be out of reach from here, and a
few more within 5 seconds if the answer is a code that may pass; one that is required is worth as much patience as a
look at ECS itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from . import codes
from .cloud import Cloud, CloudError, Look, Refused
from .looker import FEW, PATIENT_LIMIT, distinct
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
from .model.others import OTHER_LOOKS
from .parallel import answers
from .retry import Patient

_ACTIONS = {**OTHER_LOOKS, "policy": "DescribeAutoSnapshotPolicyEx"}
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
    wanted = ("ebs",) if begun else tuple(OTHER_LOOKS)
    return frozenset(name for name in wanted if OTHER_LOOKS[name] not in failed)


def add(
    cloud: Cloud, patient: Patient, disks: Sequence[DiskFacts], options: Options, looks: Collection[str]
) -> tuple[DiskFacts, ...]:
    """Add to the facts of disks what these looks show: each question is put once for all of them."""
    asker = _Asker(cloud, patient, options, looks)
    seen = [each for each in disks if each.disk is not None]
    asker.ask_all(seen)
    return tuple(replace(each, others=asker.of(each)) if each.disk is not None else each for each in disks)


@dataclass(frozen=True)
class _Question:
    """One question to another product."""

    name: str
    """As ``require_looks`` has it."""
    subjects: Sequence[str]
    """What it is noted for that no answer came."""
    ask: Callable[[], Look[Any]]
    take: Callable[[Any], None]
    """Takes note of one thing that is shown."""
    about: Sequence[str] = ()
    """The ids by which rows name what they are about, where that is not ``subjects``."""


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
        region = [disks[0].region] if disks else []
        key_ids = distinct(key for each in disks for key in _keys_of(each))
        policy_ids = distinct(each.disk.auto_snapshot_policy_id for each in disks if each.disk)
        questions = [
            _Question("ess", still, partial(self.cloud.scaling_members, still), self._take_member),
            _Question("events", still, partial(self.cloud.system_events, still), self._take_event),
            _Question("ebs", region, self.cloud.replica_pairs, self._take_pair, tuple(each.disk_id for each in disks)),
            *(_Question("kms", [each], partial(self.cloud.key, each), self._take_key) for each in key_ids),
            *(
                _Question("policy", [each], partial(self.cloud.snapshot_policy, each), self._take_policy)
                for each in policy_ids
            ),
        ]
        wanted = [each for each in questions if each.name in self.looks and each.subjects]
        for start in range(0, len(wanted), FEW):
            some = wanted[start : start + FEW]
            found = answers([partial(self._ask, each) for each in some], PATIENT_LIMIT)
            for question, answer in zip(some, found, strict=True):
                self._take(question, answer)
        for policy_id in policy_ids if "policy" in self.looks else ():
            if policy_id not in self.policies and policy_id not in self.unlooked:
                self._note("policy", policy_id, "ECS shows no such policy, or the right to it is missing")

    def _take_member(self, member: ScalingMember) -> None:
        self.members.setdefault(member.instance_id, []).append(member)

    def _take_event(self, event: SystemEvent) -> None:
        self.events.setdefault(event.instance_id, []).append(event)

    def _take_pair(self, pair: ReplicaPair) -> None:
        for disk_id in {pair.source_disk_id, pair.destination_disk_id}:
            self.pairs.setdefault(disk_id, []).append(pair)

    def _take_key(self, key: Key) -> None:
        self.keys.setdefault(key.key_id, []).append(key)

    def _take_policy(self, policy: SnapshotPolicy) -> None:
        self.policies[policy.policy_id] = policy

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

    def _ask(self, question: _Question) -> Look[Any]:
        required = question.name in self.options.require_looks
        return self.patient(question.ask) if required else self.patient.shortly(question.ask)

    def _take(self, question: _Question, answer: Look[Any] | CloudError) -> None:
        """Take note of an answer; a row that cannot be read concerns what it is about, and nothing else."""
        name, subjects = question.name, question.subjects
        if isinstance(answer, CloudError):
            for subject in subjects:
                self._note(name, subject, _why(answer, _product(name)))
            return
        for row in answer.unreadable:
            own = set(row.names) & set(question.about or subjects)
            for subject in own or (subjects if "" in row.owners else ()):
                self._note(name, subject, row.why, row)
        for each in answer.shown:
            question.take(each)

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
