"""The instance is Running, and stopping it was not allowed.

What it does
    Reads the Status of the instance (DescribeInstances) and whether --stop-instance was given.

Why it matters
    ReInitDisk works only while the instance is Stopped and would be refused with IncorrectInstanceStatus. Stopping a
    machine takes down everything on it, so the tool never does it unless asked.

How to fix it
    Add --stop-instance if the machine may be down during the wipe.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import overwriting
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = facts.instance
    if facts.disk is None or instance is None or instance.status != "Running" or facts.will_stop:
        return
    yield Finding(
        CHECK.name,
        "block",
        instance.instance_id,
        f"The instance is Running, and {overwriting(facts)} works only while it is Stopped.",
        fix="Add --stop-instance if the machine may be down during the wipe.",
        fact={"Status": instance.status},
        predicts="IncorrectInstanceStatus",
    )


CHECK = Check("instance-running", "block", ("IncorrectInstanceStatus",), check)
