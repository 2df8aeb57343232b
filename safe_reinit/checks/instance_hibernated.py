"""The instance is configured for hibernation.

What it does
    Reads HibernationOptions.Configured of the instance (DescribeInstances).

Why it matters
    ECS would refuse the wipe with HibernationConfigured.InstanceOperationForbidden. A hibernated instance shows Stopped
    like any other, and its memory is saved on the system disk.

How to fix it
    Erase the data from within the operating system, or use an instance without hibernation.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = facts.instance
    if facts.disk is None or instance is None or not instance.hibernation_configured:
        return
    yield Finding(
        CHECK.name,
        "block",
        instance.instance_id,
        "The instance is configured for hibernation, and ECS refuses to wipe its disks.",
        fix="Erase the data from within the operating system, or use an instance without hibernation.",
        fact={"HibernationOptions.Configured": True},
        predicts="HibernationConfigured.InstanceOperationForbidden",
    )


CHECK = Check("instance-hibernated", "block", ("HibernationConfigured.InstanceOperationForbidden",), check)
