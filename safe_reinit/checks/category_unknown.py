"""It is not documented whether a disk of this category can be wiped.

What it does
    Reads the Category of the disk (DescribeDisks). The documented cloud disks are cloud, cloud_efficiency, cloud_ssd,
    cloud_essd, cloud_auto, cloud_essd_entry and cloud_regional_disk_auto. This check reports elastic ephemeral disks
    (elastic_ephemeral_disk_standard and _premium) and every other value; category-unsupported reports local disks.

Why it matters
    ECS may refuse the wipe with DiskCategory.OperationNotSupported. The data is not harmed, but the instance may have
    been stopped for nothing.

How to fix it
    Ask Alibaba Cloud support, or try it with --accept category-unknown if the machine may be down for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .category_unsupported import LOCAL
from .check import Check

_DOCUMENTED = frozenset(
    {
        "cloud",
        "cloud_efficiency",
        "cloud_ssd",
        "cloud_essd",
        "cloud_auto",
        "cloud_essd_entry",
        "cloud_regional_disk_auto",
    }
)
_JUDGED = _DOCUMENTED | LOCAL


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk = facts.disk
    if disk is None or disk.category.lower() in _JUDGED:
        return
    yield Finding(
        CHECK.name,
        "risk",
        disk.disk_id,
        f"The category of the disk is {word(disk.category)}, and it is not documented whether ECS wipes such disks.",
        fix="Ask Alibaba Cloud support, or use --accept category-unknown to accept that ECS may refuse the wipe.",
        fact={"Category": disk.category},
        predicts="DiskCategory.OperationNotSupported",
    )


CHECK = Check("category-unknown", "risk", ("DiskCategory.OperationNotSupported",), check)
