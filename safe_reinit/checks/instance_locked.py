"""The instance is locked.

What it does
    Reads the OperationLocks of the instance (DescribeInstances). The documented reasons are financial, security,
    recycling, dedicatedhostfinancial and refunded. Any lock stops the run, even if its reason is unknown.

Why it matters
    Under a security lock, ECS would refuse the wipe with InstanceLockedForSecurity; under a financial lock, with
    InstanceExpiredOrInArrears. It also refuses to stop and start the instance. A recycling lock means that a release is
    pending. What a wipe does under the other locks is not documented.

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
    if facts.disk is not None and facts.instance is not None:
        yield from locked(CHECK.name, facts.instance, facts)


CHECK = Check("instance-locked", "block", ("InstanceLockedForSecurity", "InstanceExpiredOrInArrears"), check)
