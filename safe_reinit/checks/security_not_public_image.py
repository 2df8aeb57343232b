"""Security hardening was requested, and the image is not a public one.

What it does
    If --security-enhancement is Active, reads ImageOwnerAlias and IsPublic of the image of a system disk
    (DescribeImages). If the image could not be seen, nothing is reported.

Why it matters
    Active is documented for public images only (ECS API reference, ReInitDisk). The wiped disk might lack the
    protection you asked for, or the wipe might fail.

How to fix it
    Leave out --security-enhancement, or set it to Deactive.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import is_system, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, image = facts.disk, facts.image
    if disk is None or image is None or not is_system(disk) or facts.options.security_enhancement != "Active":
        return
    if image.is_public or image.owner_alias.lower() == "system":
        return
    yield Finding(
        CHECK.name,
        "block",
        disk.disk_id,
        f"The disk returns to image {word(image.image_id)}, which is not a public one, "
        "and --security-enhancement Active works with public images only.",
        fix="Leave out --security-enhancement, or set it to Deactive.",
        fact={"ImageId": image.image_id, "ImageOwnerAlias": image.owner_alias, "IsPublic": image.is_public},
    )


CHECK = Check("security-not-public-image", "block", (), check, of_options=True, of_reinit=True)
