"""The snapshot the disk was made from is gone.

What it does
    Looks up the SourceSnapshotId of a data disk (DescribeDisks, then DescribeSnapshots). A system disk goes back to its
    image and is judged by that (source-image-deleted). It speaks only where the snapshots could be looked at.

Why it stops you
    A wipe takes such a disk back to that snapshot; without it ECS would refuse with InvalidSourceSnapshot or
    OperationDenied. A data disk that also names an image may go back to the image instead, which is not documented:
    then it is a risk that you can accept.

How to fix it
    Put a new disk in its place, or erase the data from within the operating system.
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
        message = f"The disk was made from snapshot {source}, which ECS no longer shows, so it cannot go back to it."
        fix = "Put a new disk in its place, or erase the data from within the operating system."
    else:
        image = word(disk.image_id)
        message = (
            f"Source snapshot {source} is gone, and whether ECS can do with image {image} alone is not documented."
        )
        fix = "Put a new disk in its place, or accept a refusal by ECS with --accept source-snapshot-deleted."
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
