"""The image of the system disk may not support the login.

What it does
    Reads two fields of the image of a system disk (DescribeImages). LoginAsNonRootSupported matters for an instance
    that was created for logins as ecs-user (ImageOptions.LoginAsNonRoot, DescribeInstances). IsSupportCloudinit matters
    if a key pair or a password is given for Linux. Only a clear "no" from the image counts; a key pair for Windows is
    reported by key-pair-on-windows.

Why it matters
    ECS can refuse an image that does not support non-root logins (LoginAsNonRoot.ImageNotSupport), but its
    documentation does not say in which cases. For an image without cloud-init, which sets the login at the first boot,
    no refusal is documented: the wipe may succeed, but the login may not work. Neither is certain, so you can accept
    it.

How to fix it
    Give the instance a system disk from another image (ReplaceSystemDisk), or accept the risk with --accept
    image-cannot-take-login.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import is_system, on_windows, word
from .check import Check

_CODE = "LoginAsNonRoot.ImageNotSupport"


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, instance, image, options = facts.disk, facts.instance, facts.image, facts.options
    if disk is None or instance is None or image is None or not is_system(disk):
        return
    name = word(image.image_id)
    if instance.login_as_non_root and image.login_as_non_root is False:
        yield Finding(
            CHECK.name,
            "risk",
            disk.disk_id,
            f"The instance was created for logins as ecs-user, and image {name} does not support them: "
            "ECS may refuse the wipe, or another login may apply.",
            fix="Use another image (ReplaceSystemDisk), or accept this with --accept image-cannot-take-login.",
            fact={"LoginAsNonRoot": True, "LoginAsNonRootSupported": False, "ImageId": image.image_id},
            predicts=_CODE,
        )
    given = bool(options.key_pair) or options.password is not None
    if given and image.cloud_init is False and not on_windows(facts):
        what = "key pair" if options.key_pair else "password"
        yield Finding(
            CHECK.name,
            "risk",
            disk.disk_id,
            f"Image {name} does not support cloud-init, which sets the login at the first boot, "
            f"so the {what} given may have no effect.",
            fix="Use another image (ReplaceSystemDisk), or accept this with --accept image-cannot-take-login.",
            fact={"IsSupportCloudinit": False, "ImageId": image.image_id},
        )


CHECK = Check("image-cannot-take-login", "risk", (_CODE,), check, of_reinit=True)
