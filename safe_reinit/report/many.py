"""What plans and reports of many machines share: how things are counted, named and grouped."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from ..checks import by_name
from ..model import Finding

T = TypeVar("T")

FULL_DETAIL_LIMIT = 5
"""Up to this many jobs are shown in full."""
_ROW_WIDTH = 76
"""The width of a terminal that as many things as possible share a row of, without its indentation."""
_GAP = "  "
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


def in_columns(cells: Sequence[Sequence[str]], *, packed: bool) -> Iterator[str]:
    """Align the cells of each thing under those of the others.

    Args:
        cells: what is said of each thing, in as many parts as of the others.
        packed: put as many things into a row as 80 columns have room for.
    """
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    room = (_ROW_WIDTH + len(_GAP)) // (sum(widths) + len(widths) - 1 + len(_GAP))
    in_row = max(1, room) if packed else 1
    padded = [" ".join(map(_padded, cell, widths)) for cell in cells]
    for first in range(0, len(padded), in_row):
        yield _GAP.join(padded[first : first + in_row]).rstrip()


def _padded(name: str, width: int) -> str:
    return name + " " * max(0, width - _width(name))


def _width(name: str) -> int:
    """Count the columns that a terminal gives a text: letters of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in name)
