"""The instance is protected from deletion.

What it does
    Reads DeletionProtection of the instance (DescribeInstances).

Why it matters
    It does not stop the run, and ECS does not either: DeletionProtection prevents the release of the instance, not the
    wipe of its disks. But somebody wants to keep this machine.

How to fix it
    Ask the owner of the machine whether this disk may be wiped.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = facts.instance
    if facts.disk is None or instance is None or not instance.deletion_protection:
        return
    yield Finding(
        CHECK.name,
        "info",
        instance.instance_id,
        "DeletionProtection is on: it does not prevent the wipe of the disk, but somebody wants to keep this machine.",
        fix="Ask the owner of the machine whether this disk may be wiped.",
        fact={"DeletionProtection": True},
    )


CHECK = Check("deletion-protection", "info", (), check)
