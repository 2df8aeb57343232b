"""The Describe calls of other products, and of what ECS plans: with the SDK's generic call, and with less time.

API versions, names and limits are those of the public API references: Auto Scaling 2014-08-28 (20 ids and 50 rows a
call), KMS 2016-01-20, EBS 2021-07-30 (500 rows a page), ECS 2014-05-26 (100 ids a call).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from ...model import AutoSnapshotPolicy, Key, ReplicaPair, ScalingMember, SystemEvent
from ..interface import Described, Refused, Unanswered
from . import shapes
from .exchange import Answer, Exchange, pages, readable_body
from .reads import joined_answers, parts, read_rows
from .sdk import Api

Item = TypeVar("Item")

_MEMBERS = Api("ess", "2014-08-28", "DescribeScalingInstances")
_KEY = Api("kms", "2016-01-20", "DescribeKey")
_PAIRS = Api("ebs", "2021-07-30", "DescribeDiskReplicaPairs")
_EVENTS = Api("ecs", "2014-05-26", "DescribeInstanceHistoryEvents")
_POLICY = Api("ecs", "2014-05-26", "DescribeAutoSnapshotPolicyEx")

_UNENDED = ("Scheduled", "Executing", "Inquiring")
_SITES = ("production", "backup")
"""A list of replication pairs shows one site; a disk can be at either site."""

_ESS_CENTRAL = frozenset(
    {
        *("cn-qingdao", "cn-beijing", "cn-hangzhou", "cn-shanghai", "cn-shenzhen", "cn-nanjing", "cn-hongkong"),
        *("ap-southeast-1", "us-east-1", "us-west-1", "cn-hangzhou-finance", "cn-shanghai-finance-1"),
        *("cn-shenzhen-finance-1", "cn-north-2-gov-1"),
    }
)
"""The regions whose Auto Scaling has no endpoint of its own (Auto Scaling API reference, endpoints)."""


class OtherProductReads:
    """The Describe calls of ``Cloud`` that a plan can do without; ``Cloud`` says what each method means."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._region = exchange.connection.region

    def describe_scaling_members(self, instance_ids: Sequence[str]) -> Described[ScalingMember]:
        """Implement ``Cloud``. For many, the region is listed if that takes no more calls than asking for each."""
        calls = list(parts(instance_ids, 20))
        listed = self._all_members(len(calls)) if len(calls) > 1 else None
        if listed is not None:
            return _about(instance_ids, listed, lambda member: member.instance_id)
        described = []
        for some in calls:
            answer = self._read_once(_MEMBERS, {**_numbered("InstanceId", some), "PageSize": "50"}, some)
            described.append(_only(_members(answer), some, _MEMBERS, lambda member: member.instance_id))
        return joined_answers(described)

    def _all_members(self, most: int) -> Described[ScalingMember] | None:
        """List the members of all scaling groups of the region, unless that takes more pages."""
        described: list[Described[ScalingMember]] = []
        for page in range(1, most + 1):
            answer = self._read_once(_MEMBERS, {"PageSize": "50", "PageNumber": str(page)}, ())
            described.append(_members(answer))
            with readable_body(_MEMBERS.action):
                total = answer.body.number("TotalCount")
            if total is None or total > most * 50:
                return None
            if sum(len(each.items) + len(each.unreadable) for each in described) >= total:
                return joined_answers(described)
        return None

    def describe_key(self, key_id: str) -> Described[Key]:
        """Implement ``Cloud``."""
        try:
            answer = self._read_once(_KEY, {"KeyId": key_id}, (key_id,))
        except Refused as refused:
            if refused.code == "Forbidden.KeyNotFound":
                return Described((Key(key_id, ""),), None)
            raise
        with readable_body(_KEY.action):
            answer.body.must_have("KeyMetadata")
            return Described((shapes.key(answer.body.row("KeyMetadata"), key_id),), answer.date)

    def describe_replica_pairs(self) -> Described[ReplicaPair]:
        """Implement ``Cloud``."""
        described = []
        for site in _SITES:
            for answer, _ in self._other_pages(_PAIRS, {"Site": site, "MaxResults": "500"}, ()):
                with readable_body(_PAIRS.action):
                    items = answer.body.plain_list("ReplicaPairs")
                pairs, unreadable = shapes.rows(_PAIRS.action, items, shapes.replica_pair)
                described.append(Described(tuple(pairs), answer.date, unreadable=tuple(unreadable)))
        return joined_answers(described)

    def describe_system_events(self, instance_ids: Sequence[str]) -> Described[SystemEvent]:
        """Implement ``Cloud``. For many, the region is listed if that takes no more calls than asking for each."""
        calls = list(parts(instance_ids, 100))
        if len(calls) > 1:
            listed = self._events((), len(calls))
            if listed.complete:
                return _about(instance_ids, listed, lambda event: event.instance_id)
        return joined_answers(
            [_only(self._events(some), some, _EVENTS, lambda event: event.instance_id) for some in calls]
        )

    def _events(self, instance_ids: Sequence[str], most: int | None = None) -> Described[SystemEvent]:
        """List the events that have not ended, of these instances or of all in the region, up to this many pages."""
        query = {**_numbered("ResourceId", instance_ids), **_numbered("InstanceEventCycleStatus", _UNENDED)}
        described = []
        complete = False
        for answer, last in islice(self._other_pages(_EVENTS, {**query, "MaxResults": "100"}, instance_ids), most):
            outer, inner = "InstanceSystemEventSet", "InstanceSystemEventType"
            described.append(read_rows(_EVENTS.action, answer, outer, inner, shapes.system_event))
            complete = last
        return replace(joined_answers(described), complete=complete)

    def describe_auto_snapshot_policy(self, policy_id: str) -> Described[AutoSnapshotPolicy]:
        """Implement ``Cloud``."""
        answer = self._read_once(_POLICY, {"AutoSnapshotPolicyId": policy_id}, (policy_id,))
        described = read_rows(
            _POLICY.action, answer, "AutoSnapshotPolicies", "AutoSnapshotPolicy", shapes.auto_snapshot_policy
        )
        return _only(described, (policy_id,), _POLICY, lambda policy: policy.policy_id)

    def _host(self, product: str) -> str:
        """Return the public host of a product in this region."""
        if product == "ecs":
            return self._exchange.ecs_endpoint.host
        central = product == "ess" and self._region in _ESS_CENTRAL
        return "ess.aliyuncs.com" if central else f"{product}.{self._region}.aliyuncs.com"

    def _read_once(self, api: Api, query: Mapping[str, str], subject: Sequence[str]) -> Answer:
        """Ask once, in this region; only KMS has no RegionId."""
        region = {} if api.product == "kms" else {"RegionId": self._region}
        return self._exchange.other(api, self._host(api.product), {**region, **query}, subject, quick=True)

    def _other_pages(self, api: Api, query: Mapping[str, str], subject: Sequence[str]) -> Iterator[tuple[Answer, bool]]:
        return pages(
            api.action,
            lambda token: self._read_once(api, {**query, **({"NextToken": token} if token else {})}, subject),
        )


def _members(answer: Answer) -> Described[ScalingMember]:
    return read_rows(_MEMBERS.action, answer, "ScalingInstances", "ScalingInstance", shapes.scaling_member)


def _about(ids: Sequence[str], listed: Described[Item], key: Callable[[Item], str]) -> Described[Item]:
    """Return the part of a listing that is about these; an unreadable row without a name may be about any."""
    own = {*ids, ""}
    return replace(
        listed,
        items=tuple(item for item in listed.items if key(item) in own),
        unreadable=tuple(row for row in listed.unreadable if own & set(row.names)),
    )


def _numbered(name: str, values: Sequence[str]) -> dict[str, str]:
    return {f"{name}.{number}": value for number, value in enumerate(values, start=1)}


def _only(described: Described[Item], some: Sequence[str], api: Api, key: Callable[[Item], str]) -> Described[Item]:
    """Accept an answer only if it is about nothing but what was asked for."""
    if not {key(row) for row in described.items} <= set(some):
        raise Unanswered(api.action, "a row is for a resource that was not asked for")
    return described
