"""The image that the disk was made from is gone.

What it does
    Looks up the ImageId of the disk (not of its instance) in every status (DescribeDisks, then DescribeImages). Reports
    only if ECS gave a reliable answer about the images. A system disk that names no image is reported too.

Why it matters
    A wipe returns the disk to that image. Once a custom image (m-...) is deleted, or no longer shared with you, ECS
    would refuse with InvalidImageId.NotFound, SharedImageDeleted or InvalidDiskId.OperationNotSupported. A public image
    that is not listed may only be retired: that is a risk that you can accept.

How to fix it
    Have the image shared again, or give the system disk another image (ReplaceSystemDisk).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import Disk, DiskFacts, Finding, Level
from ._shared import is_system, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk = facts.disk
    if disk is None or facts.image is not None:
        return
    if not disk.image_id:
        if is_system(disk):
            yield _finding(
                disk,
                "risk",
                "The system disk names no image, so it is not known what a wipe would return it to.",
                "Ask Alibaba Cloud support, or accept that ECS may refuse with --accept source-image-deleted.",
            )
    elif not facts.was_answered("DescribeImages"):
        return
    elif disk.image_id.startswith("m-"):
        yield _finding(
            disk,
            "block",
            f"The disk returns to image {word(disk.image_id)}, which is deleted or not shared with this account.",
            "Have the image shared again, or give the system disk another image (ReplaceSystemDisk)."
            if is_system(disk)
            else "Have the image shared again, or replace the disk with a new one.",
        )
    else:
        yield _finding(
            disk,
            "risk",
            f"The disk returns to image {word(disk.image_id)}, which ECS no longer lists: the image is retired or "
            "deleted.",
            "Check the image in the ECS console, or accept that ECS may refuse with --accept source-image-deleted.",
        )


def _finding(disk: Disk, level: Level, message: str, fix: str) -> Finding:
    fact = {"ImageId": disk.image_id}
    return Finding(CHECK.name, level, disk.disk_id, message, fix=fix, fact=fact, predicts="InvalidImageId.NotFound")


CHECK = Check(
    "source-image-deleted",
    "block",
    ("InvalidImageId.NotFound", "SharedImageDeleted", "InvalidDiskId.OperationNotSupported"),
    check,
    milder=("risk",),
    of_reinit=True,
)
