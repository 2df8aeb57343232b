"""How the members of a world file are read: times, and lists that may be a single item."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field, WithJsonSchema

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RELATIVE = re.compile(r"([+-])(\d+(?:\.\d+)?)([smhd])")
DAY = 86400.0
"""A day in seconds."""


class Moment(NamedTuple):
    """A time in a world: seconds since the epoch, or since the start of the simulation."""

    seconds: float
    relative: bool

    def at(self, start: float) -> float:
        """Seconds since the epoch."""
        return start + self.seconds if self.relative else self.seconds


def _moment(value: object) -> object:
    if isinstance(value, str):
        match = _RELATIVE.fullmatch(value.strip())
        if match:
            sign, number, unit = match.groups()
            return Moment(float(sign + number) * _UNITS[unit], relative=True)
        try:
            value = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
        except ValueError:
            raise ValueError("must be a time such as 2013-07-01T00:00:00Z, or relative such as -2h") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if isinstance(value, datetime):
        known = value if value.tzinfo else value.replace(tzinfo=UTC)
        return Moment(known.timestamp(), relative=False)
    return value


def empty(value: object) -> object:
    """In YAML a key without a value is null; here it means "all defaults"."""
    return {} if value is None else value


def listed(value: object) -> object:
    """Read one text as a list of one."""
    return [value] if isinstance(value, str) else value


def one(value: object) -> object:
    """Read one mapping as a list of one."""
    return [value] if isinstance(value, dict) else value


MOMENT_SCHEMA = {"type": "string", "description": "RFC 3339, or relative to the start: -2h, +15m, -30d"}
_IDS_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

When = Annotated[Moment, BeforeValidator(_moment), WithJsonSchema(MOMENT_SCHEMA)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Ids = Annotated[tuple[str, ...], BeforeValidator(listed), WithJsonSchema(_IDS_SCHEMA)]
CallCount = Annotated[int, Field(ge=1)]
Mode = Literal["KeepCharging", "StopCharging"]
Stock = Literal["enough", "none"]
Lifecycle = Literal[
    "InService", "Pending", "Pending:Wait", "Protected", "Standby", "Stopped", "Removing", "Removing:Wait"
]
