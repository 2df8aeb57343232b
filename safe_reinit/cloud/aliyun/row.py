"""One JSON object of an answer, read field by field: a field of another type than documented is not accepted.

Unset fields may be absent, ``""`` or null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from sys import intern
from typing import Any

from ...model.codec import whole

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):?(\d\d)(?::(\d\d))?Z")


_MAX_QUOTED = 32
"""How many characters of a text a message repeats: enough for ids and times, too few for a misplaced secret."""


class UnreadableAnswerError(ValueError):
    """A body, or a field in it, does not have the documented form.

    Attributes:
        field: the field that cannot be read, ``Attachments.Attachment.AttachedTime``; ``""`` for the whole.
        value: its content, shortened, as JSON writes it.

    """

    def __init__(self, field: str = "", value: object = None) -> None:
        self.field = field
        self.value = _shortened(value)
        super().__init__(f"{self.field or 'the answer'} is {self.value}")


def _shortened(value: object) -> str:
    """Write a value in a form that fits into a message."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, (str, int)) and not isinstance(value, bool) and len(str(value)) > _MAX_QUOTED:
        return f"a {'text' if isinstance(value, str) else 'number'} of {len(str(value))} characters"
    return json.dumps(value)


@lru_cache(maxsize=20_000)  # most times of a read were in the previous one
def _moment(text: str) -> datetime | None:
    """Read a time; ``None`` if the text is not one."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    try:
        return datetime(*(int(part or 0) for part in match.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return None


class Row:
    """One JSON object of a body, read field by field; ``path`` is its position in its row."""

    def __init__(self, data: object, path: str = "") -> None:
        if not isinstance(data, dict):
            raise UnreadableAnswerError(path, data)
        self._data: dict[str, Any] = data
        self._path = path

    def _unreadable(self, name: str) -> UnreadableAnswerError:
        return UnreadableAnswerError(self._at(name), self._data.get(name))

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def text(self, name: str) -> str:
        """Read a text; ``""`` if it is unset."""
        value = self._data.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._unreadable(name)
        return intern(whole(value))  # thousands of rows have few different words; ids are repeated in every row

    def required(self, name: str) -> str:
        """Read a required text."""
        value = self.text(name)
        if not value:
            raise self._unreadable(name)
        return value

    def number(self, name: str) -> int | None:
        """Read a whole number, which ECS sometimes sends as a text."""
        value = self._data.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, (int, str)) or not re.fullmatch(r"[0-9]{1,15}", str(value)):
            raise self._unreadable(name)
        return int(value)

    def code(self, name: str) -> str:
        """Read a required code: a word, or a number such as 200."""
        value = self._data.get(name)
        is_scalar = isinstance(value, (int, str)) and not isinstance(value, bool)
        if not is_scalar or not re.fullmatch(r"[A-Za-z0-9_.-]{1,128}", str(value)):
            raise self._unreadable(name)
        return str(value)

    def days(self, name: str) -> int | None:
        """Read a number of days; ``None`` if it is unset or ``-1``, with which ECS means "until it is deleted"."""
        return None if self._data.get(name) in (-1, "-1") else self.number(name)

    def flag(self, name: str) -> bool | None:
        """Read a boolean, ``None`` if it is unset."""
        value = self._data.get(name)
        if value is None or value == "":
            return None
        if value in (True, False) and isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise self._unreadable(name)

    def time(self, name: str) -> datetime | None:
        """Read a time in any of the formats that ECS documents; ``None`` if it is unset."""
        value = self.text(name)
        moment = _moment(value) if value else None
        if value and moment is None:
            raise self._unreadable(name)
        return moment

    def row(self, name: str) -> Row:
        """Read an object; an empty one if it is unset."""
        return Row(self._data.get(name) or {}, self._at(name))

    def list(self, name: str, inner: str) -> list[Any]:
        """Read a list with two wrappers, as in ECS's JSON."""
        outer = self.row(name)
        rows = outer._data.get(inner)
        if rows is None:
            return []
        if not isinstance(rows, list):
            raise outer._unreadable(inner)
        return rows

    def rows(self, name: str, inner: str) -> tuple[Row, ...]:
        """Read a list of objects."""
        return tuple(Row(item, f"{self._at(name)}.{inner}") for item in self.list(name, inner))

    def plain_list(self, name: str) -> Sequence[object]:
        """Read a required list with one wrapper, as in other products."""
        items = self._data.get(name)
        if not isinstance(items, list):
            raise self._unreadable(name)
        return items

    def numbers(self, name: str, low: int, high: int) -> tuple[int, ...]:
        """Read a JSON array of whole numbers within these bounds that is sent as a text: ``["0", "12"]``."""
        try:
            items = json.loads(self.required(name))
        except (ValueError, RecursionError):
            raise self._unreadable(name) from None
        if not isinstance(items, list) or not items:
            raise self._unreadable(name)
        read = tuple(Row({name: item}, self._path).number(name) for item in items)
        if any(number is None or not low <= number <= high for number in read):
            raise self._unreadable(name)
        return tuple(number for number in read if number is not None)

    def texts(self, name: str, inner: str) -> tuple[str, ...]:
        """Read a list of texts."""
        items = self.list(name, inner)
        for item in items:
            if not isinstance(item, str):
                raise UnreadableAnswerError(f"{self._at(name)}.{inner}", item)
        return tuple(whole(item) for item in items)

    def must_have(self, name: str) -> None:
        """Refuse a body that lacks a required member, so that another body is not taken for an empty list."""
        if not isinstance(self._data.get(name), dict):
            raise self._unreadable(name)
