"""Somebody protects this instance from deletion.

What it does
    Reads DeletionProtection of the instance (DescribeInstances).

Why it stops you
    It does not stop you, and ECS does not either: DeletionProtection keeps the instance from being released, not its
    disks from being wiped. But somebody meant that this machine is to be kept.

How to fix it
    Make sure with whoever keeps the machine that this disk may be wiped.
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
        "DeletionProtection is on: it does not keep the disk from being wiped, but somebody wants this machine kept.",
        fix="Make sure with whoever keeps the machine that this disk may be wiped.",
        fact={"DeletionProtection": True},
    )


CHECK = Check("deletion-protection", "info", (), check)
