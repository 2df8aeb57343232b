"""What other people do, and what happens by itself: `POST /_simulator/do` and a world's schedule, one thing at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import deeds, terms
from .calls import Source
from .deeds import CannotDo, Hand, Rest

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["VERBS", "CannotDo", "check", "do", "perform"]


@dataclass(frozen=True)
class Verb:
    """One thing that can be done: what does it, and the members it knows besides."""

    act: Callable[[Hand, object, Rest], None]
    extras: tuple[str, ...] = ()


VERBS: dict[str, Verb] = {
    "start": Verb(deeds.start, ("seconds",)),
    "stop": Verb(deeds.stop, ("seconds",)),
    "write": Verb(deeds.write),
    "snapshot": Verb(deeds.snapshot, ("seconds",)),
    "auto_snapshot": Verb(deeds.auto_snapshot, ("seconds",)),
    "detach": Verb(deeds.detach),
    "attach": Verb(deeds.attach, ("instance",)),
    "lock": Verb(deeds.lock, ("reason",)),
    "unlock": Verb(deeds.unlock),
    "delete_image": Verb(deeds.delete_image),
    "delete_snapshot": Verb(deeds.delete_snapshot),
    "fail_snapshot": Verb(deeds.fail_snapshot),
    "delete_instance": Verb(deeds.delete_instance),
    "fault": Verb(terms.fault),
    "deny": Verb(terms.deny),
    "allow": Verb(terms.allow),
    "expire_key": Verb(terms.expire_key),
    "deactivate_key": Verb(terms.deactivate_key),
    "hold": Verb(terms.hold),
    "release": Verb(terms.release),
    "set": Verb(terms.set_facts),
    "change": Verb(terms.change, ("to",)),
    "spend": Verb(terms.spend, ("calls",)),
}
"""All that can be done, by name."""


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


def perform(engine: Engine, request: object, now: float, source: Source) -> None:
    """Do what the request says at a moment, or raise CannotDo."""
    name, members = check(request)
    VERBS[name].act(Hand(engine, now, source), members[name], members)


def do(engine: Engine, request: object) -> None:
    """Do now what somebody at the console asks for, or raise CannotDo."""
    perform(engine, request, engine.tick(), "console")
    engine.tick()
