"""Finds the name that somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable

_MIN_RATIO = 0.85
"""How alike two names must be, from 0 to 1: a typing mistake or two in a name of ten letters."""


def similar(name: str, names: Iterable[str], ratio: float = _MIN_RATIO) -> str | None:
    """Return the most similar of these names, whatever their case; ``None`` if none is a misspelling of it.

    Args:
        name: what somebody wrote.
        names: the names that there are.
        ratio: how alike the two must be, from 0 to 1.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only where somebody mistyped

    by_letters = {each.casefold(): each for each in names}
    near = get_close_matches(name.casefold(), by_letters, 1, ratio)
    return by_letters[near[0]] if near else None
