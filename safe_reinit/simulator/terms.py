"""What changes the terms on which the simulation goes on: faults, rights, keys, holds, facts of the account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from . import actions
from .deeds import CannotDo, Hand, Rest
from .errors import Refusal
from .faults import parse_fault
from .specs import AccountSpec, DiskSpec, InstanceSpec, Spec
from .state import scaling
from .state.rights import AccessKey, Denial
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


def fault(hand: Hand, spec: object, _rest: Rest) -> None:
    """Put one more fault in force."""
    found = parse_fault(spec, actions.ACTIONS)
    if isinstance(found, str):
        raise CannotDo(f"The fault is not valid: {found}.")
    hand.engine.faults.add(found)


def deny(hand: Hand, spec: object, _rest: Rest) -> None:
    """Take a right away."""
    key, denial = _denial(hand, spec)
    hand.cloud.keys[key.id] = replace(key, denials=(*key.denials, denial))


def allow(hand: Hand, spec: object, _rest: Rest) -> None:
    """Give a right back."""
    key, denial = _denial(hand, spec)
    if denial not in key.denials:
        raise CannotDo(f"{key.id} is not denied {denial.action} on {denial.resource}.")
    left = tuple(other for other in key.denials if other != denial)
    hand.cloud.keys[key.id] = replace(key, denials=left)


def _denial(hand: Hand, spec: object) -> tuple[AccessKey, Denial]:
    if not isinstance(spec, Mapping) or set(spec) - {"key", "action", "resource"}:
        raise CannotDo("A right is an object with action, and optionally key and resource.")
    action, resource = spec.get("action"), spec.get("resource", "*")
    if not isinstance(action, str) or not isinstance(resource, str) or not action:
        raise CannotDo("action must be a RAM action such as ecs:StopInstance, and resource an id or *.")
    return _key(hand, spec.get("key", hand.engine.default_key.id)), Denial(action, resource)


def _key(hand: Hand, subject: object) -> AccessKey:
    key = hand.cloud.keys.get(str(subject))
    if key is None:
        raise CannotDo(f"There is no access key {subject}.")
    return key


def expire_key(hand: Hand, subject: object, _rest: Rest) -> None:
    """Let a key's time be over."""
    key = _key(hand, subject)
    hand.cloud.keys[key.id] = replace(key, expires=hand.now)


def deactivate_key(hand: Hand, subject: object, _rest: Rest) -> None:
    """Switch a key off."""
    key = _key(hand, subject)
    hand.cloud.keys[key.id] = replace(key, active=False)


def hold(hand: Hand, spec: object, _rest: Rest) -> None:
    """Keep what is under way from ending."""
    hand.cloud.timeline.hold(_held(hand, spec))


def release(hand: Hand, spec: object, _rest: Rest) -> None:
    """Let it end again."""
    hand.cloud.timeline.release(_held(hand, spec), hand.now)


def _held(hand: Hand, spec: object) -> str:
    if isinstance(spec, Mapping) and set(spec) == {"instance"}:
        return hand.instance(spec["instance"]).id
    if isinstance(spec, Mapping) and set(spec) == {"disk"}:
        return hand.disk(spec["disk"]).id
    if isinstance(spec, Mapping) and set(spec) == {"snapshot"} and hand.cloud.snapshots.find(str(spec["snapshot"])):
        return str(spec["snapshot"])
    raise CannotDo('Say {"instance": ID}, {"disk": ID} or {"snapshot": ID}, of something that is there.')


def set_facts(hand: Hand, facts: object, _rest: Rest) -> None:
    """Change what is true of the whole account."""
    hand.cloud.settings = replace(hand.cloud.settings, **_read(AccountSpec, facts))


def change(hand: Hand, subject: object, rest: Rest) -> None:
    """Change members of an instance or a disk; one that its group watches again, or no longer, is noted there."""
    if isinstance(subject, str) and subject.startswith("d-"):
        disk = hand.disk(subject)
        hand.cloud.put_disk(replace(disk, **_chosen(DiskSpec, rest.get("to"), _OF_DISKS)), hand.now)
        return
    before = hand.instance(subject)
    row = replace(before, **_chosen(InstanceSpec, rest.get("to"), _OF_INSTANCES))
    hand.cloud.put_instance(row, hand.now)
    if row.lifecycle in scaling.UNMANAGED:
        scaling.healthy(hand.cloud, row.id)
    elif row.status != "Running":
        scaling.watch(hand.cloud, row, hand.now)


def _chosen(spec: type[Spec], members: object, known: Mapping[str, str]) -> dict[str, Any]:
    found = _read(spec, members)
    unknown = sorted(set(found) - set(known))
    if unknown or not found:
        raise CannotDo(f"to must be an object with some of {', '.join(known)}.")
    return {known[name]: value for name, value in found.items()}


def _read(spec: type[Spec], members: object) -> dict[str, Any]:
    """Read some members of a spec."""
    try:
        found = spec.model_validate(members)
    except ValidationError as error:
        raise CannotDo(f"This is not valid: {sentences(error)}.") from None
    return {name: getattr(found, name) for name in found.model_fields_set}


def spend(hand: Hand, action: object, rest: Rest) -> None:
    """Let other callers of the account use up calls of this minute."""
    calls = rest.get("calls")
    if action not in hand.cloud.settings.rate_limits or not isinstance(action, str):
        raise CannotDo(f"{action} has no rate limit.")
    if isinstance(calls, bool) or not isinstance(calls, int) or calls < 1:
        raise CannotDo("calls must be a whole number above 0.")
    try:
        hand.engine.meter(hand.cloud.settings.account, "", action, hand.now, calls)
    except Refusal:
        return
