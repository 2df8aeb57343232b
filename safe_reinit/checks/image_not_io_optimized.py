"""The instance is I/O optimized, and the image does not support that.

What it does
    Compares IoOptimized of the instance (DescribeInstances) with IsSupportIoOptimized of the image of a system disk
    (DescribeImages). If either value is missing, nothing is reported.

Why it matters
    ECS may refuse the wipe with DependencyViolation.IoOptimize. The documentation does not say exactly when, so this is
    a guess.

How to fix it
    Give the system disk an image that supports I/O optimized instances (ReplaceSystemDisk), or accept the risk with
    --accept image-not-io-optimized.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import is_system, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, instance, image = facts.disk, facts.instance, facts.image
    if disk is None or instance is None or image is None or not is_system(disk):
        return
    if instance.io_optimized is not True or image.io_optimized is not False:
        return
    yield Finding(
        CHECK.name,
        "risk",
        disk.disk_id,
        f"The instance is I/O optimized and image {word(image.image_id)} does not support that, so ECS may refuse.",
        fix="Give the system disk another image (ReplaceSystemDisk), "
        "or accept that ECS may refuse the wipe with --accept image-not-io-optimized.",
        fact={"IoOptimized": True, "IsSupportIoOptimized": False, "ImageId": image.image_id},
        predicts="DependencyViolation.IoOptimize",
    )


CHECK = Check("image-not-io-optimized", "risk", ("DependencyViolation.IoOptimize",), check, of_reinit=True)
