"""The instance seems never to have been started.

What it does
    Looks for the StartTime of a Stopped instance (DescribeInstances). ECS documents it as the time of the last start
    and does not say what it shows for an instance that was never started, so this is a guess.

Why it matters
    ReInitDisk needs an instance that has been started at least once since it was created. ECS may refuse the wipe with
    IncorrectInstanceStatus or IncorrectDiskStatus.NeverUsed; the data stays as it is. A disk that was never used still
    has its initial content, so there may be nothing to wipe.

How to fix it
    Start the instance once, then run again with --stop-instance.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = facts.instance
    if facts.disk is None or instance is None or instance.status != "Stopped" or instance.start_time is not None:
        return
    yield Finding(
        CHECK.name,
        "risk",
        instance.instance_id,
        "The instance is Stopped and shows no StartTime, and ReInitDisk needs one that has been started before.",
        fix="Start it once and run again with --stop-instance, or accept a possible refusal with --accept "
        "never-started.",
        fact={"Status": instance.status, "StartTime": None},
        predicts="IncorrectInstanceStatus",
    )


CHECK = Check(
    "never-started", "risk", ("IncorrectInstanceStatus", "IncorrectDiskStatus.NeverUsed"), check, of_reinit=True
)
