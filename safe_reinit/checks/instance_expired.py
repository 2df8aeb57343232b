"""The subscription of the instance has expired.

What it does
    Compares ExpiredTime of a subscription instance (InstanceChargeType PrePaid, DescribeInstances) with the time of
    ECS's answer.

Why it matters
    ECS would refuse the wipe with InstanceExpiredOrInArrears, and it refuses to start an expired instance.

How to fix it
    Renew the subscription of the instance, then check again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import expired
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.disk is not None and facts.instance is not None:
        yield from expired(CHECK.name, facts.instance, facts)


CHECK = Check("instance-expired", "block", ("InstanceExpiredOrInArrears",), check)
