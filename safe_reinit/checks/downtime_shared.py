"""Other disks of the instance share its downtime.

What it does
    Lists the other disks of the instance (DescribeDisks) if the plan stops it.

Why it matters
    It does not stop the run. The data on those disks is not changed, but it is not available until the instance is
    running again: a stop affects the whole instance, not only the disk.

How to fix it
    Nothing needs to be done. To wipe several disks of one instance with a single stop, wipe them in one run (repeat
    --disk).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import listed
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = facts.instance
    if facts.disk is None or instance is None or not facts.will_stop or not facts.neighbours:
        return
    names = listed((disk.disk_id for disk in facts.neighbours), most=16)
    yield Finding(
        CHECK.name,
        "info",
        instance.instance_id,
        f"While the instance is stopped, its other disks are not available; their data is not changed: {names}.",
        fix="Nothing needs to be done.",
        fact={"DiskIds": ",".join(disk.disk_id for disk in facts.neighbours), "Count": len(facts.neighbours)},
    )


CHECK = Check("downtime-shared", "info", (), check)
