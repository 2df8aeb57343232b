"""The disk is locked.

What it does
    Reads the OperationLocks of the disk (DescribeDisks). Any lock stops the run, even if its reason is unknown.

Why it matters
    Under a security lock, ECS would refuse the wipe with InstanceLockedForSecurity; under a financial lock, with
    InstanceExpiredOrInArrears. What a wipe does under any other lock is not documented.

How to fix it
    Clear the cause of the lock (an overdue bill, a security incident), then check again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import locked
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.disk is not None:
        yield from locked(CHECK.name, facts.disk, facts)


CHECK = Check("disk-locked", "block", ("InstanceLockedForSecurity", "InstanceExpiredOrInArrears"), check)
