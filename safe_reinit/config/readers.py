"""How one value is read: each reader returns its own type, or raises ``ValueError`` with what the value is not."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from ..errors import UsageError

W = TypeVar("W")

PRODUCTS = ("ecs", "sts", "ess", "ebs", "kms")
_HOST = re.compile(r"(//)?(([^/@]+@[^/]+|[^/:@]+:\d+|\[[\da-fA-F:]+\])/|(localhost|[\w-]+(\.[\w-]+)+)/[^/.?]*(\?|$))")
"""A user or a port means a host. So does a dot, unless the last name has one, too, as file names mostly do."""
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(hours=999_999)
_MAX_QUOTED = 40
"""The letters of a value that a message repeats."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def _quoted(value: object) -> str:
    """Return a value for the end of a message, if it is short; never one of a setting that may contain a secret."""
    short = isinstance(value, (str, int, float)) and len(str(value)) <= _MAX_QUOTED
    return f": {value!r}" if short and str(value).isprintable() else ""


def duration(value: object) -> float:
    """Read ``90s``, ``10m`` or ``2h`` as seconds; a program may give a ``timedelta``.

    Raises:
        ValueError: it is none of these; a bare number has no unit.

    """
    if isinstance(value, timedelta) and _SHORTEST <= value <= _LONGEST:
        return value.total_seconds()
    match = re.fullmatch(r"(\d{1,6})([smh])", value) if isinstance(value, str) else None
    if match is None or not int(match[1]):
        raise ValueError(f"not a duration such as 90s, 10m or 2h{_quoted(value)}")
    return int(match[1]) * _UNITS[match[2]]


def days(value: object) -> int:
    """Read ``30d`` as days; ECS accepts 1 to 65536.

    Raises:
        ValueError: it is no such number of days.

    """
    match = re.fullmatch(r"(\d{1,5})d", value) if isinstance(value, str) else None
    if match is None or not 1 <= int(match[1]) <= 65536:
        raise ValueError(f"not a number of days such as 30d{_quoted(value)}")
    return int(match[1])


def text(value: object) -> str:
    """Read one line of text."""
    if not isinstance(value, str):
        raise ValueError("not text; put it in quotes")  # noqa: TRY004 - as all readers do
    if not value or not value.isprintable():
        raise ValueError("not a line of text")
    return value


def flag(value: object) -> bool:
    """Read a yes or no: a YAML boolean, or one of the words ``true``, ``yes``, ``1``, ``false``, ``no`` and ``0``."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    answer = value if isinstance(value, bool) else words.get(value.lower()) if isinstance(value, str) else None
    if answer is None:
        raise ValueError(f"not true or false{_quoted(value)}")
    return answer


class OneOf(Generic[W]):
    """Reads one of several words."""

    def __init__(self, *words: W) -> None:
        self.words = words

    def __call__(self, value: object) -> W:
        """Return the word that the value is."""
        for word in self.words:
            if word == value:
                return word
        raise ValueError(f"not one of {', '.join(map(str, self.words))}{_quoted(value)}")


def one_of(*words: W) -> Callable[[object], W]:
    """Make a reader for one of these words; a type checker knows them."""
    return OneOf(*words)


def region(value: object) -> str:
    """Read a region id such as ``cn-hangzhou``; several arrive as a tuple, at a command that accepts one."""
    if isinstance(value, tuple):
        raise ValueError("not one region, and this command takes one at a time")  # noqa: TRY004 - as all readers do
    if not isinstance(value, str) or not re.fullmatch(r"[a-z]{2,}(-[a-z0-9]+)+", value):
        raise ValueError(f"not a region id such as cn-hangzhou{_quoted(value)}")
    if zone := re.fullmatch(r"([a-z]+-.+)-[a-z]|(.+\d)[a-z]", value):
        raise ValueError(f"a zone and not a region; the region is {zone[1] or zone[2]}")
    return value


def endpoints(value: object) -> dict[str, str]:
    """Read the endpoint of each product."""
    if isinstance(value, dict) and set(value) <= set(PRODUCTS):
        return {str(product): endpoint(host) for product, host in value.items()}
    raise ValueError(f"not a mapping of {', '.join(PRODUCTS)} to endpoints")


def products(value: object) -> tuple[str, ...]:
    """Read the names of the questions to other products that must be answered."""
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError("not a list of names")
    choices = ("ess", "ebs", "kms", "events", "sts")
    if any(word not in choices for word in value):
        raise ValueError(f"not a list of {', '.join(choices)}")
    return tuple(value)


def variable(value: object) -> str:
    """Read the name of an environment variable; anything else may be a misplaced secret, and is never repeated."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", value):
        raise ValueError("not the name of an environment variable")
    return value


def endpoint(value: object) -> str:
    """Read ``[http://|https://]HOST[:PORT]``; http only on this machine."""
    try:
        from ..cloud.endpoints import parse  # noqa: PLC0415 - most commands read no endpoint

        parse(text(value))
    except UsageError as error:
        raise ValueError(f"not usable: {error} {error.hint.rstrip('.')}") from None
    return text(value)


def proxy(value: object) -> str:
    """Read ``http://HOST:PORT`` or ``https://HOST:PORT``; one with a password belongs in the environment."""
    match = re.fullmatch(r"https?://([A-Za-z0-9.-]+|\[[\da-fA-F:]+\]):(\d{1,5})/?", text(value))
    if match is None or not 0 < int(match[2]) < 65536:
        raise ValueError("not http://HOST:PORT or https://HOST:PORT; a user and a password can only be in HTTPS_PROXY")
    return match[0]


def journal(value: object) -> str:
    """Read a file, or an address that begins with ``postgresql://``; what only looks like an address is refused.

    An existing folder counts as a folder, whatever its name looks like.
    """
    given = text(value)
    first = next(part for part in (*given.split("/"), given) if part)
    if _HOST.match(given) and not os.path.isdir(first):
        raise ValueError(
            "neither a file in an existing folder nor postgresql://USER@HOST/DATABASE, but it looks like a database; "
            "for a file write ./ before it"
        )
    return given


def address(value: object) -> str:
    """Read ``HOST:PORT``; an IPv6 address is in brackets."""
    match = re.fullmatch(r"([\w.-]+|\[[\da-fA-F:]+\]):(\d{1,5})", text(value))
    if match is None or not 0 < int(match[2]) < 65536:
        raise ValueError("not HOST:PORT, such as temporal.example.com:7233")
    return match[0]


def report_file(value: object) -> str:
    """Read the name of a report file; its ending says the form."""
    name = text(value)
    if not name.endswith((".json", ".md", ".html", ".txt")):
        raise ValueError("not a file name that ends in .json, .md, .html or .txt")
    return name


def count(value: object) -> int:
    """Read a whole number of at least one, as YAML or as digits."""
    if isinstance(value, bool) or not re.fullmatch(r"[1-9]\d{0,6}", str(value), re.ASCII):
        raise ValueError(f"not a whole number of at least 1{_quoted(value)}")
    return int(str(value))


def whole(value: object) -> int:
    """Read a whole number, including 0."""
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not re.fullmatch(r"[0-9]{1,6}", str(value)):
        raise ValueError(f"not a whole number{_quoted(value)}")
    return int(value)


def share(value: object) -> float:
    """Read a share: more than 0, at most 1."""
    try:
        part = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else 0.0
    except ValueError:
        part = 0.0
    if not 0.0 < part <= 1.0:
        raise ValueError(f"not a share such as 0.8: more than 0, at most 1{_quoted(value)}")
    return part


def waves(value: object) -> tuple[tuple[int, bool], ...]:
    """Read sizes of waves, ``5,25%``: numbers of jobs, or percentages (``True``) of all."""
    given = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [""]
    sizes = [re.fullmatch(r"([1-9][0-9]{0,5})(%?)", str(each).strip()) for each in given]
    read = tuple((int(size[1]), bool(size[2])) for size in sizes if size and not (size[2] and int(size[1]) > 100))
    if len(read) != len(given):
        raise ValueError(f"not sizes of waves such as 5,25%,50%{_quoted(value)}")
    return read


def deadline(value: object) -> datetime | timedelta:
    """Read a time in RFC 3339 with its offset, and return it in UTC; or read a duration from now."""
    try:
        return timedelta(seconds=duration(value))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"not a time such as 2026-01-02T05:00:00Z, nor a duration such as 2h{_quoted(value)}")
