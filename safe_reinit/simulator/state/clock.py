"""Simulated time: real time at the start, then as many times faster as asked."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache


class SimulatedClock:
    """Seconds since the epoch, running `speed` simulated seconds in a real one."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._start = time.time()
        self._monotonic = time.monotonic()

    @property
    def start(self) -> float:
        """The moment at which simulated time began."""
        return self._start

    def begin(self, moment: float) -> None:
        """Set the moment at which simulated time begins. Call this before the first ``now``."""
        self._start = moment

    def now(self) -> float:
        """Return simulated time; it never goes back, whatever happens to the host's clock."""
        return self._start + (time.monotonic() - self._monotonic) * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait for so many simulated seconds, before an answer leaves."""
        await asyncio.sleep(seconds / self.speed)


def real_now() -> float:
    """Return the host's time, against which dates and nonces of signatures are judged."""
    return time.time()


def second_text(moment: float | None) -> str:
    """Format as `2014-07-23T02:44:07Z`, the form of most times of ECS; empty where there is none."""
    return "" if moment is None else _text(math.floor(moment), "%Y-%m-%dT%H:%M:%SZ")


def minute_text(moment: float | None) -> str:
    """Format as `2015-12-27T07:35Z`, the form of an instance's CreationTime, StartTime and ExpiredTime."""
    return "" if moment is None else _text(math.floor(moment), "%Y-%m-%dT%H:%MZ")


@lru_cache(maxsize=4096)
def _text(second: int, form: str) -> str:
    return datetime.fromtimestamp(second, UTC).strftime(form)


def millisecond_text(moment: float) -> str:
    """Format by RFC 3339 with milliseconds, for real times, where a second is too coarse to see an order."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_date(moment: float) -> str:
    """Format the `Date` header."""
    return _date(math.floor(moment))


@lru_cache(maxsize=64)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
