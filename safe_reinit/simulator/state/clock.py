"""Simulated time: real time at the start, then as many times faster as requested."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache


class SimulatedClock:
    """Seconds since the epoch, running `speed` simulated seconds per real second."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._start = time.time()
        self._monotonic = time.monotonic()

    @property
    def start(self) -> float:
        """When simulated time began."""
        return self._start

    def begin(self, moment: float) -> None:
        """Set when simulated time begins. Call this before the first ``now``."""
        self._start = moment

    def now(self) -> float:
        """Return simulated time; it never goes back, whatever happens to the host's clock."""
        return self._start + (time.monotonic() - self._monotonic) * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait this many simulated seconds before an answer is sent."""
        await asyncio.sleep(seconds / self.speed)


def real_now() -> float:
    """Return the host's time, against which dates and nonces of signatures are checked."""
    return time.time()


def second_text(moment: float | None) -> str:
    """Format as `2014-07-23T02:44:07Z`, the format of most times in ECS; empty if there is none."""
    return "" if moment is None else _text(math.floor(moment), "%Y-%m-%dT%H:%M:%SZ")


def minute_text(moment: float | None) -> str:
    """Format as `2015-12-27T07:35Z`, the format of an instance's CreationTime, StartTime and ExpiredTime."""
    return "" if moment is None else _text(math.floor(moment), "%Y-%m-%dT%H:%MZ")


@lru_cache(maxsize=4096)
def _text(second: int, form: str) -> str:
    return datetime.fromtimestamp(second, UTC).strftime(form)


def millisecond_text(moment: float) -> str:
    """Format in RFC 3339 with milliseconds, for real times, whose order seconds would not show."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_date(moment: float) -> str:
    """Format the `Date` header."""
    return _date(math.floor(moment))


@lru_cache(maxsize=64)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
