"""The image that the disk was made from is not Available.

What it does
    Reads the Status of the disk's image (DescribeImages). Creating, Waiting, UnAvailable, CreateFailed, Deprecated and
    any undocumented status are reported.

Why it matters
    A wipe returns the disk to that image. What ReInitDisk does while the image is not Available is not documented; ECS
    may refuse it after the instance has been stopped.

How to fix it
    Make the image Available again, or accept the risk with --accept source-image-not-available.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, image = facts.disk, facts.image
    if disk is None or image is None or image.status == "Available":
        return
    yield Finding(
        CHECK.name,
        "risk",
        disk.disk_id,
        f"The disk returns to image {word(image.image_id)}, whose status is {word(image.status)}, not Available.",
        fix="Make the image Available again, or accept that ECS may refuse with --accept source-image-not-available.",
        fact={"ImageId": image.image_id, "Status": image.status},
    )


CHECK = Check("source-image-not-available", "risk", (), check, of_reinit=True)
