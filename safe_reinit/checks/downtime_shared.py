"""Other disks of the instance share its downtime.

What it does
    Names the other disks of the instance (DescribeDisks) where the plan stops it.

Why it stops you
    It does not stop you. Their data stays as it is, but nothing that lies on them is served until the instance is back:
    stopping belongs to the instance, not to the disk.

How to fix it
    Nothing needs doing. Wipe several disks of one instance in one run (--disk repeated): they share one stop.
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
        f"Stopping the instance takes its other disks down with it, their data untouched: {names}.",
        fix="Nothing needs doing.",
        fact={"DiskIds": ",".join(disk.disk_id for disk in facts.neighbours), "Count": len(facts.neighbours)},
    )


CHECK = Check("downtime-shared", "info", (), check)
