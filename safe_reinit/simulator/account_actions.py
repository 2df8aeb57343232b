"""Actions on the simulated account: faults, permissions, keys, holds, and facts about the account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from . import actions
from .errors import Refusal
from .faults import parse_fault
from .operator_actions import CannotDo, Members, Operator
from .specs import AccountSpec, DiskSpec, InstanceSpec, Spec
from .state import scaling
from .state.permissions import AccessKey, Denial
from .world import sentences

_OF_INSTANCES = {
    name: name
    for name in (
        "name",
        "ignores_stop",
        "stock",
        "lifecycle",
        "deletion_protection",
        "hibernation",
        "shows_start_time",
        "tags",
    )
}
_OF_DISKS = {"name": "name", "kms": "kms_refusal", "never_used": "never_used", "faulty": "faulty", "tags": "tags"}
_OF_DISKS |= {"replicated": "replicated", "delete_with_instance": "delete_with_instance"}


def fault(operator: Operator, spec: object, _rest: Members) -> None:
    """Put one more fault into effect."""
    found = parse_fault(spec, actions.ACTIONS)
    if isinstance(found, str):
        raise CannotDo(f"The fault is not valid: {found}.")
    operator.faults.add(found)


def deny(operator: Operator, spec: object, _rest: Members) -> None:
    """Remove a permission."""
    key, denial = _denial(operator, spec)
    operator.cloud.keys[key.id] = replace(key, denials=(*key.denials, denial))


def allow(operator: Operator, spec: object, _rest: Members) -> None:
    """Restore a permission."""
    key, denial = _denial(operator, spec)
    if denial not in key.denials:
        raise CannotDo(f"{key.id} is not denied {denial.action} on {denial.resource}.")
    left = tuple(other for other in key.denials if other != denial)
    operator.cloud.keys[key.id] = replace(key, denials=left)


def _denial(operator: Operator, spec: object) -> tuple[AccessKey, Denial]:
    if not isinstance(spec, Mapping) or set(spec) - {"key", "action", "resource"}:
        raise CannotDo("A right is an object with action, and optionally key and resource.")
    action, resource = spec.get("action"), spec.get("resource", "*")
    if not isinstance(action, str) or not isinstance(resource, str) or not action:
        raise CannotDo("action must be a RAM action such as ecs:StopInstance, and resource an id or *.")
    return _key(operator, spec.get("key", operator.default_key_id)), Denial(action, resource)


def _key(operator: Operator, subject: object) -> AccessKey:
    key = operator.cloud.keys.get(str(subject))
    if key is None:
        raise CannotDo(f"There is no access key {subject}.")
    return key


def expire_key(operator: Operator, subject: object, _rest: Members) -> None:
    """Expire a key."""
    key = _key(operator, subject)
    operator.cloud.keys[key.id] = replace(key, expires=operator.now)


def deactivate_key(operator: Operator, subject: object, _rest: Members) -> None:
    """Disable a key."""
    key = _key(operator, subject)
    operator.cloud.keys[key.id] = replace(key, active=False)


def hold(operator: Operator, spec: object, _rest: Members) -> None:
    """Keep an operation in progress from ending."""
    operator.cloud.timeline.hold(_held(operator, spec))


def release(operator: Operator, spec: object, _rest: Members) -> None:
    """Allow it to end again."""
    operator.cloud.timeline.release(_held(operator, spec), operator.now)


def _held(operator: Operator, spec: object) -> str:
    if isinstance(spec, Mapping) and set(spec) == {"instance"}:
        return operator.instance(spec["instance"]).id
    if isinstance(spec, Mapping) and set(spec) == {"disk"}:
        return operator.disk(spec["disk"]).id
    if isinstance(spec, Mapping) and set(spec) == {"snapshot"} and operator.cloud.snapshots.find(str(spec["snapshot"])):
        return str(spec["snapshot"])
    raise CannotDo('Say {"instance": ID}, {"disk": ID} or {"snapshot": ID}, of something that is there.')


def set_facts(operator: Operator, facts: object, _rest: Members) -> None:
    """Change facts about the whole account."""
    operator.cloud.settings = replace(operator.cloud.settings, **_read(AccountSpec, facts))


def change(operator: Operator, subject: object, rest: Members) -> None:
    """Change members of an instance or a disk; if its group starts or stops watching it, that is recorded too."""
    if isinstance(subject, str) and subject.startswith("d-"):
        disk = operator.disk(subject)
        operator.cloud.put_disk(replace(disk, **_chosen(DiskSpec, rest.get("to"), _OF_DISKS)), operator.now)
        return
    before = operator.instance(subject)
    row = replace(before, **_chosen(InstanceSpec, rest.get("to"), _OF_INSTANCES))
    operator.cloud.put_instance(row, operator.now)
    if row.lifecycle in scaling.UNMANAGED:
        scaling.healthy(operator.cloud, row.id)
    elif row.status != "Running":
        scaling.watch(operator.cloud, row, operator.now)


def _chosen(spec: type[Spec], members: object, fields: Mapping[str, str]) -> dict[str, Any]:
    found = _read(spec, members)
    unknown = sorted(set(found) - set(fields))
    if unknown or not found:
        raise CannotDo(f"to must be an object with some of {', '.join(fields)}.")
    return {fields[name]: value for name, value in found.items()}


def _read(spec: type[Spec], members: object) -> dict[str, Any]:
    """Read some members of a spec."""
    try:
        found = spec.model_validate(members)
    except ValidationError as error:
        raise CannotDo(f"This is not valid: {sentences(error)}.") from None
    return {name: getattr(found, name) for name in found.model_fields_set}


def spend(operator: Operator, action: object, rest: Members) -> None:
    """Use up calls of this minute, as other callers of the account do."""
    calls = rest.get("calls")
    if action not in operator.cloud.settings.rate_limits or not isinstance(action, str):
        raise CannotDo(f"{action} has no rate limit.")
    if isinstance(calls, bool) or not isinstance(calls, int) or calls < 1:
        raise CannotDo("calls must be a whole number above 0.")
    try:
        operator.meter(operator.cloud.settings.account, "", action, operator.now, calls)
    except Refusal:
        return
