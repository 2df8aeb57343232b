"""The subscription of the disk has expired.

What it does
    Compares ExpiredTime of a subscription disk (DiskChargeType PrePaid, DescribeDisks) with the time of ECS's answer.

Why it matters
    ECS would refuse the wipe with InstanceExpiredOrInArrears.

How to fix it
    Renew the subscription of the disk, then check again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import expired
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.disk is not None:
        yield from expired(CHECK.name, facts.disk, facts)


CHECK = Check("disk-expired", "block", ("InstanceExpiredOrInArrears",), check)
