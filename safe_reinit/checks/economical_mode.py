"""The instance was stopped in economical mode, and its start may fail.

What it does
    Reads StoppedMode of a Stopped instance (DescribeInstances) where the plan starts it after the wipe: that is so only
    where an earlier run stopped it and owes the start. An instance that was Stopped before stays Stopped, and one that
    this tool stops is always stopped with KeepCharging.

Why it stops you
    StopCharging gives CPU and memory back, so the start may find none (OperationDenied.NoStock), and a static public
    address may be another one afterwards. The wipe itself works.

How to fix it
    Start the instance first, which shows whether there is stock, and run again with --stop-instance; or accept that it
    may stay down with --accept economical-mode.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = facts.instance
    if facts.disk is None or instance is None or instance.status != "Stopped" or not facts.will_start:
        return
    if instance.stopped_mode.lower() != "stopcharging":
        return
    yield Finding(
        CHECK.name,
        "risk",
        instance.instance_id,
        "The instance was stopped in economical mode (StopCharging), so the start that is owed after the wipe may find "
        "no stock, and a static public address may change.",
        fix="Start it first and run again with --stop-instance, or accept that it may stay down with "
        "--accept economical-mode.",
        fact={"Status": instance.status, "StoppedMode": instance.stopped_mode},
    )


CHECK = Check("economical-mode", "risk", (), check)
