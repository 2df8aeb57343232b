"""The disk is a local disk.

What it does
    Reads the Category of the disk (DescribeDisks). The local categories are local_ssd_pro, local_hdd_pro, ephemeral and
    ephemeral_ssd.

Why it matters
    A local disk cannot be wiped; ECS would refuse the wipe with DiskCategory.OperationNotSupported.

How to fix it
    Erase the data from within the operating system of the instance.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check

LOCAL = frozenset({"local_ssd_pro", "local_hdd_pro", "ephemeral", "ephemeral_ssd"})


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk = facts.disk
    if disk is None or disk.category.lower() not in LOCAL:
        return
    yield Finding(
        CHECK.name,
        "block",
        disk.disk_id,
        f"The disk is a local disk ({word(disk.category)}), and ECS does not wipe local disks.",
        fix="Erase the data from within the operating system of the instance.",
        fact={"Category": disk.category},
        predicts="DiskCategory.OperationNotSupported",
    )


CHECK = Check("category-unsupported", "block", ("DiskCategory.OperationNotSupported",), check)
