"""The snapshot that the disk was made from is gone.

What it does
    Looks up the SourceSnapshotId of a data disk (DescribeDisks, then DescribeSnapshots). A system disk returns to its
    image instead and is covered by source-image-deleted. Reports only if ECS gave a reliable answer about the
    snapshots.

Why it matters
    A wipe returns such a disk to that snapshot; without it, ECS would refuse with InvalidSourceSnapshot or
    OperationDenied. A data disk that also names an image may return to that image instead. This is not documented, so
    it is then a risk that you can accept.

How to fix it
    Replace the disk with a new one, or erase the data from within the operating system.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding, Level
from ._shared import is_system, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk = facts.disk
    if disk is None or is_system(disk) or not disk.source_snapshot_id or facts.source_snapshot is not None:
        return
    if not facts.was_answered("DescribeSnapshots"):
        return
    source = word(disk.source_snapshot_id)
    level: Level = "risk" if disk.image_id else "block"
    if level == "block":
        message = f"The disk was made from snapshot {source}, which ECS no longer shows, so it cannot return to it."
        fix = "Replace it with a new disk, or erase the data from within the operating system."
    else:
        image = word(disk.image_id)
        message = (
            f"Source snapshot {source} is gone, and it is not documented whether ECS can use image {image} instead."
        )
        fix = "Replace it with a new disk, or accept that ECS may refuse with --accept source-snapshot-deleted."
    yield Finding(
        CHECK.name,
        level,
        disk.disk_id,
        message,
        fix=fix,
        fact={"SourceSnapshotId": disk.source_snapshot_id, "ImageId": disk.image_id},
        predicts="InvalidSourceSnapshot",
    )


CHECK = Check(
    "source-snapshot-deleted",
    "block",
    ("InvalidSourceSnapshot", "OperationDenied"),
    check,
    milder=("risk",),
    of_reinit=True,
)
