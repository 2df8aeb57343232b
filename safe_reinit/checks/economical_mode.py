"""The instance was stopped in economical mode, and its start may fail.

What it does
    Reads StoppedMode of a Stopped instance (DescribeInstances) if the plan starts it after the wipe. That happens only
    if an earlier run stopped it and its start is still pending: an instance that was Stopped before the run stays
    Stopped, and this tool always stops instances with KeepCharging.

Why it matters
    StopCharging releases CPU and memory, so the start may fail for lack of capacity (OperationDenied.NoStock), and a
    static public address may change. The wipe itself works.

How to fix it
    Start the instance first, which shows whether there is capacity, and run again with --stop-instance; or accept that
    it may stay down with --accept economical-mode.
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
        "The instance was stopped in economical mode (StopCharging), so the pending start after the wipe may fail "
        "for lack of capacity, and a static public address may change.",
        fix="Start it first and run again with --stop-instance, or accept that it may stay stopped with "
        "--accept economical-mode.",
        fact={"Status": instance.status, "StoppedMode": instance.stopped_mode},
    )


CHECK = Check("economical-mode", "risk", (), check)
