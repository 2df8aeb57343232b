"""Our values as JSON and back: members by their field names, times as RFC 3339 UTC in seconds, secrets as a boolean.

A field whose name would be a word of Python ends in an underscore, which its member has not: ``class_``, ``class``.
"""

from __future__ import annotations

import json
import math
import types
from collections import abc
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .secret import Secret
from .written import SCALE, SUFFIX, UNWRITTEN

T = TypeVar("T")

MAX_INTEGER = 2**53 - 1
"""The largest whole number that every reader of JSON reads as it is written."""
_PLAIN = frozenset((type(None), str, int, float, bool))


class DecodeError(ValueError):
    """The JSON does not have the expected form; the text says where."""


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make the object of a JSON document that a person writes or reads (an ``object_pairs_hook`` of ``json.loads``).

    Raises:
        DecodeError: a name stands in it twice: a person would read one of them and the program the other.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        raise DecodeError("it contains a name twice")
    return made


def encode(value: object) -> Any:  # noqa: ANN401 - JSON
    """Turn a value into what ``json.dumps`` takes; a secret becomes ``True``."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    flat = members(value)
    return {str(key): encode(item) for key, item in flat.items()} if isinstance(flat, dict) else flat


def dumps(value: object, *, sparse: bool = False) -> str:
    """Write a value as JSON text, without holding a large one in memory twice.

    Args:
        sparse: leave out the members that equal their defaults.
    """
    return (_SPARSE if sparse else _WHOLE).encode(value)


def members(value: object) -> Any:  # noqa: ANN401 - JSON, but for what is in the members
    """Turn a frozen value, or a mapping, into a dict of its unchanged members; a time or a secret becomes JSON."""
    if shape := _shape(type(value)):  # type: ignore[arg-type]
        names, values, _ = shape
        return dict(zip(names, values(value), strict=True))
    if isinstance(value, abc.Mapping):
        return dict(value)
    if isinstance(value, datetime):
        return timestamp(value)
    return True if isinstance(value, Secret) else value


def _sparse(value: object) -> Any:  # noqa: ANN401 - as members
    if shape := _shape(type(value)):  # type: ignore[arg-type]
        names, values, defaults = shape
        each = zip(names, values(value), defaults, strict=True)
        return {name: item for name, item, default in each if item is not default and item != default}
    return members(value)


_WHOLE, _SPARSE = json.JSONEncoder(default=members), json.JSONEncoder(default=_sparse)
"""Made once, because thousands of states and events are written."""


@cache  # used to write every state and event
def _shape(kind: type) -> tuple[list[str], Callable[[object], tuple[Any, ...]], list[object]] | None:
    """Return the members of a frozen value, what gets them all, and their defaults; ``None`` for any other value."""
    if not is_dataclass(kind):
        return None
    every = _written(kind)
    values = attrgetter(*(each.name for each in every), "__class__")  # with a single name it would not return a tuple
    scales = [each.metadata.get(SCALE) for each in every]
    defaults = [_scaled(each.default, scale) for each, scale in zip(every, scales, strict=True)]
    if not any(scales):
        return list(map(_member, every)), lambda value: values(value)[:-1], defaults

    def scaled(value: object) -> tuple[Any, ...]:
        return tuple(map(_scaled, values(value), scales))

    return list(map(_member, every)), scaled, defaults


def _written(kind: type) -> list[Field[Any]]:
    return [each for each in fields(kind) if UNWRITTEN not in each.metadata]


def _member(each: Field[Any]) -> str:
    suffix: str = each.metadata.get(SUFFIX, "")
    return each.name.removesuffix("_") + suffix


def _scaled(value: Any, scale: int | None) -> Any:  # noqa: ANN401 - of each type
    return round(value * scale) if scale and isinstance(value, (int, float)) else value


def timestamp(when: datetime) -> str:
    """Write a time as ``2026-01-02T03:04:05Z``."""
    if when.tzinfo is not UTC:
        when = when.astimezone(UTC)
    return when.isoformat(timespec="seconds")[:19] + "Z"


def whole(text: str) -> str:
    """Replace what is not a letter by itself: half of a surrogate pair, which nothing can write."""
    if text.isascii():
        return text
    return "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)


def decode(kind: type[T], data: object, path: str = "$") -> T:
    """Read a frozen value back, member by member; an unknown member, or a missing one without a default, is an error.

    A member with a default is newer than those without, and its default is what an earlier version meant.

    Raises:
        DecodeError: with the path of the first member that does not fit.

    """
    hints, members, needed = _readable(kind)  # type: ignore[arg-type]
    if not isinstance(data, dict) or not needed <= set(data) <= set(members):
        raise DecodeError(f"At {path}: not the members of {kind.__name__}.")
    given = {}
    for name, each in data.items():
        field, scale = members[name], members[name].metadata.get(SCALE)
        whole = _whole(each, f"{path}.{name}") / scale if scale and each is not None else each
        given[field.name] = _decode(hints[field.name], whole, f"{path}.{name}")
    try:
        return kind(**given)
    except ValueError as error:
        raise DecodeError(f"At {path}: {error}") from None


@cache  # used to read every state in a journal
def _readable(kind: type) -> tuple[dict[str, Any], dict[str, Field[Any]], set[str]]:
    """Return, for a frozen value, the types of its fields, its members, and the required ones."""
    members = {_member(each): each for each in _written(kind)}
    needed = {name for name, each in members.items() if each.default is MISSING and each.default_factory is MISSING}
    return get_type_hints(kind), members, needed


def _decode(hint: Any, data: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _decode_union(args, data, path)
    if origin is tuple and isinstance(data, list):
        return _decode_items(args, data, path)
    if origin is abc.Mapping and isinstance(data, dict):
        return {key: _decode(args[1], item, f"{path}.{key}") for key, item in data.items()}
    if is_dataclass(hint) and isinstance(hint, type):
        return decode(hint, data, path)
    if hint is datetime:
        return to_moment(data, path)
    if hint is float:
        return _number(data, path)
    if data in args if origin is Literal else type(data) is hint:
        return data
    raise DecodeError(f"At {path}: {type(data).__name__} does not fit.")


def _decode_items(kinds: tuple[Any, ...], data: list[Any], path: str) -> tuple[Any, ...]:
    kinds = (kinds[0],) * len(data) if kinds[-1] is Ellipsis else kinds
    if len(kinds) != len(data):
        raise DecodeError(f"At {path}: not {len(kinds)} items.")
    return tuple(_decode(kind, item, f"{path}[{i}]") for i, (kind, item) in enumerate(zip(kinds, data, strict=True)))


def _decode_union(kinds: tuple[Any, ...], data: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    if data is None and type(None) in kinds:
        return None
    if Secret in kinds:  # a secret is never written; only whether there was one
        return None
    for kind in kinds:
        if kind is not type(None):
            try:
                return _decode(kind, data, path)
            except DecodeError:
                continue
    raise DecodeError(f"At {path}: {type(data).__name__} does not fit.")


def _whole(data: object, path: str) -> int:
    if type(data) is not int or not 0 <= data <= MAX_INTEGER:
        raise DecodeError(f"At {path}: not a whole number.")
    return data


def _number(data: object, path: str) -> float:
    if type(data) not in (int, float) or not math.isfinite(data):  # type: ignore[arg-type]
        raise DecodeError(f"At {path}: not a number.")
    return float(data)  # type: ignore[arg-type]


def to_moment(data: object, path: str) -> datetime:
    """Read a time as ``timestamp`` writes it.

    Raises:
        DecodeError: it is not a time; the text names the path.
    """
    try:
        return datetime.strptime(str(data), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise DecodeError(f"At {path}: not a time.") from None
