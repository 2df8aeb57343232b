"""Reads a setting that has members: every problem is collected with its path, and none hides another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")
D = TypeVar("D")


class Problems(ValueError):
    """The problems of a nested setting: each argument is ``.path.in.it: what it is not``."""


class Reading:
    """One reading of a nested setting. A problem is noted and a placeholder returned, so that reading continues."""

    def __init__(self) -> None:
        self._problems: list[str] = []

    def add(self, path: str, problem: str) -> None:
        """Note a problem."""
        self._problems.append(f"{path}: {problem}")

    def end(self) -> None:
        """Raise the problems that were found.

        Raises:
            Problems: there were any.

        """
        if self._problems:
            raise Problems(*self._problems)

    def members(self, path: str, value: object, allowed: Sequence[str] = ()) -> Mapping[str, object]:
        """Read a mapping; ``allowed`` are its possible keys (any text if empty)."""
        if not isinstance(value, dict):
            self.add(path, "not a mapping")
            return {}
        for key in value:
            if allowed and key not in allowed:
                self.add(f"{path}.{_name(key)}", f"not one of {', '.join(allowed)}")
            elif not isinstance(key, str) or not key or not key.isprintable():
                self.add(f"{path}.{_name(key)}", "not text; put it in quotes")
        return {key: item for key, item in value.items() if isinstance(key, str)}

    def one(
        self, path: str, members: Mapping[str, object], name: str, read: Callable[[object], T], default: D
    ) -> T | D:
        """Read a member, if it exists."""
        if name not in members:
            return default
        return self._read(f"{path}.{name}", members[name], read, default)

    def read_list(
        self, path: str, members: Mapping[str, object], name: str, read: Callable[[object], T]
    ) -> tuple[T, ...] | None:
        """Read a list, if it exists."""
        if name not in members:
            return None
        value = members[name]
        if not isinstance(value, list):
            self.add(f"{path}.{name}", "not a list")
            return None
        read_ones = [self._read(f"{path}.{name}[{at}]", each, read, None) for at, each in enumerate(value)]
        return tuple(each for each in read_ones if each is not None)

    def pairs(
        self, path: str, members: Mapping[str, object], name: str, read: Callable[[object], str]
    ) -> tuple[tuple[str, str], ...] | None:
        """Read a mapping of texts, if it exists."""
        if name not in members:
            return None
        inner = self.members(f"{path}.{name}", members[name])
        return tuple((key, self._read(f"{path}.{name}.{key}", item, read, "")) for key, item in inner.items())

    def _read(self, path: str, value: object, read: Callable[[object], T], default: D) -> T | D:
        try:
            return read(value)
        except ValueError as problem:
            self.add(path, str(problem))
            return default


def _name(key: object) -> str:
    return key if isinstance(key, str) and key.isprintable() else "?"
