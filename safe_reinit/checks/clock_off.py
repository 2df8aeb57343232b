"""The clock of this machine is wrong.

What it does
    Compares the local clock with the Date header of ECS's answers. A difference of more than 5 minutes is reported;
    more than 14 minutes stops the run.

Why it matters
    Every request is signed with the local time, and a signature is valid for 15 minutes. If the clock drifts a little
    further, ECS refuses every call, possibly after the instance has been stopped and before it is started again.

How to fix it
    Set the clock of this machine (NTP), then check again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding, Level
from .check import Check

_REPORTED_FROM = 5 * 60
_BLOCKED_FROM = 14 * 60
_MAX_SKEW = 10**9  # far beyond any clock, so that the seconds always fit a whole number


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    skew = facts.clock_skew
    if skew is None or not abs(skew) > _REPORTED_FROM:
        return
    level: Level = "block" if abs(skew) > _BLOCKED_FROM else "info"
    seconds = int(min(abs(skew), _MAX_SKEW))
    side = "ahead of" if skew > 0 else "behind"
    yield Finding(
        CHECK.name,
        level,
        "clock",
        f"The clock of this machine is {seconds // 60} minutes {side} ECS's clock, and ECS refuses calls once the "
        "difference is 15 minutes.",
        fix="Set the clock of this machine (NTP), then check again with --dry-run.",
        fact={"SecondsAhead": seconds if skew > 0 else -seconds},
    )


CHECK = Check("clock-off", "block", (), check, milder=("info",))
