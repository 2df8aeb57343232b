"""The image the disk was made from is not Available.

What it does
    Reads the Status of the image of the disk (DescribeImages). Creating, Waiting, UnAvailable, CreateFailed, Deprecated
    and any unknown word are told.

Why it stops you
    A wipe takes the disk back to that image. What ReInitDisk does while the image is not Available is not documented;
    ECS may refuse it after the instance was stopped.

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
        f"The disk goes back to image {word(image.image_id)}, whose status is {word(image.status)} and not Available.",
        fix="Make the image Available again, or accept a refusal by ECS with --accept source-image-not-available.",
        fact={"ImageId": image.image_id, "Status": image.status},
    )


CHECK = Check("source-image-not-available", "risk", (), check, of_reinit=True)
