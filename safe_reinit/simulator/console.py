"""What other people do, and what happens by itself: `POST /_simulator/do` and a world's schedule, action by action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import account_actions, operator_actions
from .operator_actions import CannotDo, Members, Operator

__all__ = ["VERBS", "CannotDo", "check", "perform"]


@dataclass(frozen=True)
class Verb:
    """One possible action: the function that does it, and its additional members."""

    run: Callable[[Operator, object, Members], None]
    extras: tuple[str, ...] = ()


VERBS: dict[str, Verb] = {
    "start": Verb(operator_actions.start, ("seconds",)),
    "stop": Verb(operator_actions.stop, ("seconds",)),
    "write": Verb(operator_actions.write),
    "snapshot": Verb(operator_actions.snapshot, ("seconds",)),
    "auto_snapshot": Verb(operator_actions.auto_snapshot, ("seconds",)),
    "detach": Verb(operator_actions.detach),
    "attach": Verb(operator_actions.attach, ("instance",)),
    "lock": Verb(operator_actions.lock, ("reason",)),
    "unlock": Verb(operator_actions.unlock),
    "delete_image": Verb(operator_actions.delete_image),
    "delete_snapshot": Verb(operator_actions.delete_snapshot),
    "fail_snapshot": Verb(operator_actions.fail_snapshot),
    "delete_instance": Verb(operator_actions.delete_instance),
    "fault": Verb(account_actions.fault),
    "deny": Verb(account_actions.deny),
    "allow": Verb(account_actions.allow),
    "expire_key": Verb(account_actions.expire_key),
    "deactivate_key": Verb(account_actions.deactivate_key),
    "hold": Verb(account_actions.hold),
    "release": Verb(account_actions.release),
    "set": Verb(account_actions.set_facts),
    "change": Verb(account_actions.change, ("to",)),
    "spend": Verb(account_actions.spend, ("calls",)),
}
"""All actions, by name."""


def check(request: object) -> tuple[str, Mapping[str, object]]:
    """Return the verb of a request and the request, or raise CannotDo if it is not well formed."""
    if not isinstance(request, Mapping):
        raise CannotDo("The request must be an object with one member that says what to do.")
    names = [name for name in request if name in VERBS]
    if len(names) != 1:
        raise CannotDo(f"Say exactly one of {', '.join(VERBS)}.")
    unknown = sorted(map(str, set(request) - {names[0], *VERBS[names[0]].extras}))
    if unknown:
        raise CannotDo(f"{names[0]} does not know {', '.join(unknown)}.")
    return names[0], request


def perform(operator: Operator, request: object) -> None:
    """Carry out the request, or raise CannotDo."""
    name, members = check(request)
    VERBS[name].run(operator, members[name], members)
