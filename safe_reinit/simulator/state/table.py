"""Rows by id, also found by what they belong to, and kept for as long as Describe calls lag behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar


class _Thing(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def status(self) -> str: ...


Row = TypeVar("Row", bound=_Thing)


class Table(Generic[Row]):
    """Rows by id. `links` are the ids a row belongs to; a row with the status `Deleted` stays, but no list shows it."""

    def __init__(self, lag: float, links: Callable[[Row], Iterable[str]] = lambda _row: ()) -> None:
        self._lag = lag
        self._links = links
        self._rows: dict[str, Row] = {}
        self._linked: dict[str, dict[str, None]] = {}
        self._past: dict[str, deque[tuple[float, Row]]] = {}

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def get(self, key: str) -> Row | None:
        """Return the present row, even if it is deleted."""
        return self._rows.get(key)

    def find(self, key: str) -> Row | None:
        """Return the present row, unless it is deleted."""
        row = self._rows.get(key)
        return None if row is None or row.status == "Deleted" else row

    def linked(self, key: str) -> list[Row]:
        """Return the rows that belong to this id and are not deleted."""
        rows = (self._rows[own] for own in self._linked.get(key, ()))
        return [row for row in rows if row.status != "Deleted"]

    def put(self, row: Row, at: float) -> None:
        """Add or replace a row from the time `at` on."""
        before = self._rows.get(row.id)
        self._rows[row.id] = row
        for key in self._links(before) if before is not None else ():
            self._linked[key].pop(row.id, None)
        for key in self._links(row):
            self._linked.setdefault(key, {})[row.id] = None
        if self._lag > 0:
            self._remember(row, at)

    def _remember(self, row: Row, at: float) -> None:
        past = self._past.setdefault(row.id, deque())
        past.append((at, row))
        while len(past) > 1 and past[1][0] <= at - self._lag:
            past.popleft()

    def described(self, now: float, keys: Iterable[str] | None = None) -> list[Row]:
        """Return rows (with these keys, or all) as a Describe call shows them: those of `lag` seconds ago."""
        chosen = self._rows if keys is None else [key for key in dict.fromkeys(keys) if key in self._rows]
        rows = [self._rows[key] if self._lag <= 0 else self._described(key, now) for key in chosen]
        return [row for row in rows if row is not None and row.status != "Deleted"]

    def _described(self, key: str, now: float) -> Row | None:
        """Return the row of `lag` seconds ago; one made since then does not exist yet."""
        known = [row for at, row in self._past[key] if at <= now - self._lag]
        return known[-1] if known else None
