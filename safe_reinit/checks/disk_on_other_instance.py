"""The disk is not on the expected instance.

What it does
    Compares the instance of the disk (DescribeDisks, InstanceId) with the one given by --expect-instance.

Why it matters
    ReInitDisk takes only a disk id, so ECS does not notice if the disk belongs to another machine than you think. You
    asked for this comparison, and it failed: this is the wrong disk, or it has been moved.

How to fix it
    Look up the disk of the instance that you mean. If this is the right disk, pass its actual instance with
    --expect-instance.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, expected = facts.disk, facts.options.expect_instance
    if disk is None or not expected or expected == disk.instance_id:
        return
    where = f"on {word(disk.instance_id)}" if disk.instance_id else "on no instance that ECS names"
    yield Finding(
        CHECK.name,
        "block",
        disk.disk_id,
        f"The disk is {where}, not on {word(expected)} as --expect-instance says, so it may be the wrong disk.",
        fix="Check which disk you mean, then correct the disk id or --expect-instance.",
        fact={"InstanceId": disk.instance_id},
    )


CHECK = Check("disk-on-other-instance", "block", (), check, of_options=True)
