"""ECS shows no such disk.

What it does
    Looks the disk id up in the region (DescribeDisks). It speaks only where the look could be made, so that a missing
    right is not taken for a missing disk.

Why it stops you
    ECS would refuse the wipe with InvalidDiskId.NotFound. The id may be that of a system disk that was replaced since:
    ReplaceSystemDisk gives the disk a new id.

How to fix it
    Check the id and --region; a disk of another region is not shown either.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.disk is not None or not facts.was_answered("DescribeDisks"):
        return
    yield Finding(
        CHECK.name,
        "block",
        facts.disk_id,
        f"ECS shows no disk with this id in {word(facts.region, 'this region')}, so there is nothing to wipe.",
        fix="Check the id and --region; if the system disk was replaced (ReplaceSystemDisk), it has a new id.",
        fact={"RegionId": facts.region},
        predicts="InvalidDiskId.NotFound",
    )


CHECK = Check("disk-not-found", "block", ("InvalidDiskId.NotFound",), check)
