"""What plans and reports of many machines share: how things are counted, named and grouped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ..checks import by_name
from ..model import Finding

T = TypeVar("T")

FULL_DETAIL_LIMIT = 5
"""Up to this many jobs are shown in full."""
NAMED_LIMIT = 2
"""How many ids of similar ones are named."""


def named(ids: Iterable[str]) -> tuple[str, str]:
    """Count things, and name the first of them."""
    different = list(dict.fromkeys(ids))
    things = {"d": "disk", "i": "instance"}
    kinds = {things.get(each.partition("-")[0], "subject") for each in different}
    kind = kinds.pop() if len(kinds) == 1 else "subject"
    rest = len(different) - NAMED_LIMIT
    return count_of(len(different), kind), ", ".join(different[:NAMED_LIMIT]) + (
        f" and {rest} more" if rest > 0 else ""
    )


def count_of(count: int, thing: str) -> str:
    """Return how many there are of something."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def groups(things: Iterable[T], key: Callable[[T], object]) -> list[list[T]]:
    """Group by key, in the order of first appearance."""
    found: dict[object, list[T]] = {}
    for each in things:
        found.setdefault(key(each), []).append(each)
    return list(found.values())


def common_meaning(alike: Sequence[Finding]) -> str:
    """Return what all findings of one check say; if each says something else, what their check is about."""
    check = by_name(alike[0].check)
    return alike[0].message if check is None or len({each.message for each in alike}) == 1 else check.summary
