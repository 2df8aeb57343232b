"""ECS shows no such disk.

What it does
    Looks up the disk id in the region (DescribeDisks). Reports only if that call got a reliable answer, so that a
    missing permission is not mistaken for a missing disk.

Why it matters
    ECS would refuse the wipe with InvalidDiskId.NotFound. The id may belong to a system disk that has since been
    replaced: ReplaceSystemDisk gives the disk a new id.

How to fix it
    Check the id and --region: a disk in another region is not shown.
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
