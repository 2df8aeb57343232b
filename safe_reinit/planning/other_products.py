"""Questions to other products, and about ECS's plans: useful for a plan, but it can be made without them.

A question that fails never stops the others: it is noted, and reported by the check ``not-checked``, or by
``could-not-check`` if the configuration requires it. It is one quick attempt, since its endpoint may be unreachable
from here, and a few more within 5 seconds if the answer is a code that may go away. A required question gets as much
patience as one to ECS itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from ..clock import Clock
from ..cloud.interface import Cloud, CloudError, Described
from ..cloud.retry import Patient
from ..model import (
    AutoSnapshotPolicy,
    DiskFacts,
    Finding,
    Key,
    Options,
    OtherProducts,
    ReplicaPair,
    ScalingMember,
    SystemEvent,
    UnreadableRow,
    Unseen,
)
from ..model.other_products import OTHER_PRODUCT_CALLS
from .describe import Round, distinct, why_unanswered

T = TypeVar("T")

_ACTIONS = {**OTHER_PRODUCT_CALLS, "policy": "DescribeAutoSnapshotPolicyEx"}
EVERY = frozenset(_ACTIONS)
"""All of them, by the words of ``require_answers``; the question about automatic snapshot policies cannot be required.
"""


_PRODUCT_OF_CHECK = {
    "in-scaling-group": "ess",
    "in-replication-pair": "ebs",
    "encryption-key-unusable": "kms",
    "scheduled-maintenance": "events",
}
"""By check: which question it depends on."""


def products_to_reread(findings: Iterable[Finding], *, begun: bool, lately: bool = False) -> frozenset[str]:
    """Return which of these questions are asked again before a call: only those whose answer can still matter.

    Before the first changing call: all that can refuse the plan. A plan may be confirmed long after it was made, and in
    the meantime its instance may have joined a group, or its key may have been disabled. After the stop: only the
    replication pairs. A scaling group that releases the instance does so because it is stopped, not because of the
    wipe; a key that is not Enabled makes ECS refuse without harm; and a planned event changes nothing that the run can
    still decide. But no page of ECS documents what a wipe of a replicated disk does to its replica, or how it is
    refused. A question that got no answer for the plan, which says so, is not asked again.

    Args:
        findings: the findings of the plan.
        begun: whether the machine has been touched.
        lately: whether the plan was made seconds ago: then only questions that led to a finding are asked again.
    """
    found_by_product = {_PRODUCT_OF_CHECK[finding.check] for finding in findings if finding.check in _PRODUCT_OF_CHECK}
    failed = {finding.subject for finding in findings if finding.check == "not-checked"}
    products = ("ebs",) if begun else tuple(found_by_product) if lately else tuple(OTHER_PRODUCT_CALLS)
    return frozenset(name for name in products if OTHER_PRODUCT_CALLS[name] not in failed)


def add(
    cloud: Cloud, clock: Clock, disks: Sequence[DiskFacts], options: Options, products: Collection[str]
) -> tuple[DiskFacts, ...]:
    """Add the answers to the facts of disks: each question is asked once for all of them."""
    others = _OtherProducts(Round(cloud, clock, Patient(clock)), options, products)
    others.ask_all([each for each in disks if each.disk is not None])
    return tuple(replace(each, other_products=others.of(each)) if each.disk is not None else each for each in disks)


@dataclass
class _OtherProducts:
    """The answers, and what got no answer, by the id it is about."""

    round: Round
    options: Options
    products: Collection[str]
    members: dict[str, list[ScalingMember]] = field(default_factory=dict)
    events: dict[str, list[SystemEvent]] = field(default_factory=dict)
    pairs: dict[str, list[ReplicaPair]] = field(default_factory=dict)
    keys: dict[str, list[Key]] = field(default_factory=dict)
    policies: dict[str, AutoSnapshotPolicy] = field(default_factory=dict)
    unanswered: dict[str, list[Unseen]] = field(default_factory=dict)

    def ask_all(self, disks: Sequence[DiskFacts]) -> None:
        """Ask what matters: about stopped instances, about keys and policies in use, and once about pairs."""
        cloud = self.round.cloud
        still = distinct(each.instance.instance_id for each in disks if each.instance and each.stands_still)
        region = [disks[0].region] if disks else []
        disk_ids = [each.disk_id for each in disks]
        policy_ids = distinct(each.disk.auto_snapshot_policy_id for each in disks if each.disk)
        self._put("ess", still, partial(cloud.describe_scaling_members, still), self._take_member)
        self._put("events", still, partial(cloud.describe_system_events, still), self._take_event)
        self._put("ebs", region, cloud.describe_replica_pairs, self._take_pair, disk_ids)
        for key_id in distinct(key for each in disks for key in _keys_of(each)):
            self._put("kms", [key_id], partial(cloud.describe_key, key_id), self._take_key)
        for policy_id in policy_ids:
            self._put(
                "policy",
                [policy_id],
                partial(cloud.describe_auto_snapshot_policy, policy_id),
                self._take_auto_snapshot_policy,
            )
        self.round.ask_all()
        for policy_id in policy_ids if "policy" in self.products else ():
            if policy_id not in self.policies and policy_id not in self.unanswered:
                self._record_unread(
                    "policy", policy_id, "ECS shows no such policy, or the permission for it is missing"
                )

    def _put(
        self,
        name: str,
        subjects: Sequence[str],
        ask: Callable[[], Described[T]],
        take: Callable[[T], None],
        about: Sequence[str] = (),
    ) -> None:
        """Ask another product one question, if it is needed.

        Args:
            name: its name in ``require_answers``.
            subjects: the ids for which a missing answer is noted.
            ask: the question.
            take: records one item of the answer.
            about: the ids by which rows name what they are about, if those are not ``subjects``. A row that cannot be
                read affects what it is about, and nothing else.
        """

        def taken(answer: Described[T]) -> None:
            for row in answer.unreadable:
                own = set(row.names) & set(about or subjects)
                for subject in own or (subjects if "" in row.owners else ()):
                    self._record_unread(name, subject, row.why, row)
            for each in answer.items:
                take(each)

        def failed(error: CloudError) -> None:
            for subject in subjects:
                self._record_unread(name, subject, why_unanswered(error, _product(name).upper()))

        if name in self.products and subjects:
            patient = self.round.ask if name in self.options.require_answers else self.round.ask.shortly
            self.round.put(lambda: patient(ask), taken, failed)

    def _take_member(self, member: ScalingMember) -> None:
        self.members.setdefault(member.instance_id, []).append(member)

    def _take_event(self, event: SystemEvent) -> None:
        self.events.setdefault(event.instance_id, []).append(event)

    def _take_pair(self, pair: ReplicaPair) -> None:
        for disk_id in {pair.source_disk_id, pair.destination_disk_id}:
            self.pairs.setdefault(disk_id, []).append(pair)

    def _take_key(self, key: Key) -> None:
        self.keys.setdefault(key.key_id, []).append(key)

    def _take_auto_snapshot_policy(self, snapshot_policy: AutoSnapshotPolicy) -> None:
        self.policies[snapshot_policy.policy_id] = snapshot_policy

    def of(self, facts: DiskFacts) -> OtherProducts:
        """Return what was found for one disk."""
        disk, instance = facts.disk, facts.instance.instance_id if facts.instance and facts.stands_still else ""
        if disk is None:
            return OtherProducts()
        keys = _keys_of(facts)
        about = distinct((instance, *keys, facts.region, disk.disk_id, disk.auto_snapshot_policy_id))
        return OtherProducts(
            members=tuple(self.members.get(instance, ())),
            keys=tuple(key for key_id in keys for key in self.keys.get(key_id, ())),
            pairs=tuple(self.pairs.get(disk.disk_id, ())),
            events=tuple(self.events.get(instance, ())),
            auto_snapshot_policy=self.policies.get(disk.auto_snapshot_policy_id),
            unanswered=tuple(each for name in about for each in self.unanswered.get(name, ())),
        )

    def _record_unread(self, name: str, subject: str, why: str, row: UnreadableRow | None = None) -> None:
        right = "" if row else f"{_product(name)}:{_ACTIONS[name]}"
        self.unanswered.setdefault(subject, []).append(Unseen(_ACTIONS[name], subject, right, why, row))


def _keys_of(facts: DiskFacts) -> tuple[str, ...]:
    """List the keys that matter to a disk: its own, and those without which its instance cannot start again."""
    disks = (facts.disk, *(facts.neighbours if facts.will_stop else ()))
    return tuple(distinct(each.kms_key_id for each in disks if each is not None and each.encrypted))


def _product(name: str) -> str:
    return name if name in ("ess", "ebs", "kms") else "ecs"
