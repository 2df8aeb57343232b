"""The instance is Running, and ECS shows no StartTime for it.

What it does
    Looks for the StartTime of a Running instance that would be stopped (DescribeInstances).

Why it matters
    Between the stop and the wipe, somebody else could start the machine, write to the disk and stop the machine again.
    The run can detect such a start only by StartTime. Without it, the data they wrote would be lost unnoticed, so the
    machine is not stopped.

How to fix it
    Stop the instance yourself, make sure that nobody else is using it, and run again. If ECS never shows a StartTime
    for it, ask Alibaba Cloud support.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = facts.instance
    if facts.disk is None or instance is None or not facts.will_stop or instance.start_time is not None:
        return
    yield Finding(
        CHECK.name,
        "block",
        instance.instance_id,
        "The instance is Running and shows no StartTime, so a start by somebody else after the stop would go "
        "unnoticed.",
        fix="Stop the instance yourself, make sure that nobody else is using it, and run again.",
        fact={"Status": instance.status, "StartTime": None},
    )


CHECK = Check("start-time-not-shown", "block", (), check)
