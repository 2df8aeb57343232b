"""The image that the disk returns to belongs to somebody else.

What it does
    Reads ImageOwnerAlias of the disk's image (DescribeImages): others means that another account shares it, with you or
    with everybody.

Why it matters
    It does not stop the run: the wipe works today. Once the owner deletes the image or stops sharing it, this disk can
    never be wiped again.

How to fix it
    Copy the image into your own account if you will need to do this again, and create the next system disk from the
    copy.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    image = facts.image
    if facts.disk is None or image is None or image.owner_alias.lower() != "others":
        return
    yield Finding(
        CHECK.name,
        "info",
        facts.disk.disk_id,
        f"The disk returns to image {word(image.image_id)} of another account, "
        "so it can be wiped only as long as that account shares the image.",
        fix="Copy the image into this account if you will need to do this again.",
        fact={"ImageId": image.image_id, "ImageOwnerAlias": image.owner_alias, "IsPublic": image.is_public},
    )


CHECK = Check("shared-source-image", "info", (), check, of_reinit=True)
