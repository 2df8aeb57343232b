"""Time: the only file that imports ``time``.

Cloud seconds run at ``rate`` times the speed of real ones, so that a simulator running faster is waited for no longer
than needed. Poll intervals, settling, time limits and back-off are in cloud seconds; connect and read time-outs and the
times in reports are real.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta

from .errors import UsageError


def boottime() -> float:
    """Return the real seconds since boot, counted through suspension, for a lease that must not outlive a sleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def refuse_platform() -> None:
    """Refuse any system other than Linux: leases and file checks rely on its clock, its /proc and its access lists.

    Raises:
        UsageError: it is another system.
    """
    missing = ""
    if sys.platform != "linux":
        missing = {"darwin": "macOS", "win32": "Windows", "cygwin": "Windows"}.get(sys.platform, sys.platform)
    elif not hasattr(time, "CLOCK_BOOTTIME"):
        missing = "a Python without CLOCK_BOOTTIME"
    if missing:
        raise UsageError(
            f"safe-reinit runs only on Linux, but this is {missing}: use a Linux machine or container.",
            hint="",
        )


class Clock:
    """The current time, and waiting. ``rate`` is the number of cloud seconds per real second."""

    def __init__(self, rate: float = 1.0) -> None:
        self.rate = rate
        # Anchored to the wall clock so that two processes agree, then counted since boot: setting the wall clock moves
        # no limit, and observations from before the machine slept keep their age.
        self._anchor = (time.time() - boottime()) * rate

    def now(self) -> datetime:
        """Return the local time as an aware datetime in UTC: for reports and journals only, never for a decision."""
        return datetime.fromtimestamp(time.time(), UTC)

    def time(self) -> float:
        """Return the cloud seconds, for intervals."""
        return self._anchor + boottime() * self.rate

    def sleep(self, seconds: float) -> None:
        """Wait this many cloud seconds."""
        time.sleep(max(0.0, seconds) / self.rate)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for this many cloud seconds, or until the event is set; return whether it is set."""
        return event.wait(max(0.0, seconds) / self.rate)

    def busy(self) -> AbstractContextManager[object]:
        """Return a context that counts as work in progress until its ``with`` block ends, in any thread.

        Real time passes meanwhile. A clock that skips idle time, as tests use it, stands still.
        """
        return nullcontext()


class EmbeddedClock(Clock):
    """The clock that a run shares with the simulator in its own process: the time of day is simulated as well.

    So all times on one screen come from one clock. Nothing outlives the process, so no other process ever sees them.
    """

    def __init__(self, rate: float) -> None:
        super().__init__(rate)
        self._began = super().now(), boottime()

    def now(self) -> datetime:
        """Return the simulated time, aware, in UTC."""
        began, at = self._began
        return began + timedelta(seconds=(boottime() - at) * self.rate)


def time_scale(environment: Mapping[str, str], *, loopback: bool) -> float:
    """Read the rate of the clock from ``SAFE_REINIT_TIME_SCALE``.

    Raises:
        UsageError: it is not a rate, or the endpoint is not on this machine: real time must not be sped up.

    """
    given = environment.get("SAFE_REINIT_TIME_SCALE")
    if not given:
        return 1.0
    if not loopback:
        raise UsageError(
            "SAFE_REINIT_TIME_SCALE is set, but the endpoint is not on this machine.",
            hint="Unset it: it is for simulators only.",
        )
    try:
        rate = float(given)
    except ValueError:
        rate = 0.0
    if not 0.0 < rate <= 1000.0:
        raise UsageError("SAFE_REINIT_TIME_SCALE is not a rate such as 10.", hint="Correct or unset it.")
    return rate
