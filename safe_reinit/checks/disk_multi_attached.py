"""The disk can be attached to several instances.

What it does
    Reads MultiAttach, MountInstanceNum and Attachments of the disk (DescribeDisks). Any of them can show that several
    instances share it; an undocumented value of MultiAttach counts as shared.

Why it matters
    ECS would refuse the wipe with InvalidOperation.MultiAttachDisk, and more than one machine is using the data.

How to fix it
    Erase the data from within the operating system of one of its instances, or replace the disk with a new one.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import Disk, DiskFacts, Finding
from ._shared import word
from .check import Check


def how_shared(disk: Disk) -> str:
    """Return what shows that instances share the disk; empty if nothing does."""
    setting = disk.multi_attach.lower()
    if setting == "enabled":
        return "is a multi-attach disk"
    if len(disk.attachments) > 1 or disk.mount_instance_num > 1:
        return f"is attached to {max(len(disk.attachments), disk.mount_instance_num)} instances"
    if setting not in ("", "disabled"):
        return f"has the undocumented MultiAttach value {word(disk.multi_attach)}"
    return ""


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk = facts.disk
    if disk is None or not (how := how_shared(disk)):
        return
    yield Finding(
        CHECK.name,
        "block",
        disk.disk_id,
        f"The disk {how}, and ECS does not wipe a disk that several instances can share.",
        fix="Erase the data from within the operating system, or replace the disk with a new one.",
        fact={
            "MultiAttach": disk.multi_attach,
            "MountInstanceNum": disk.mount_instance_num,
            "Attachments": len(disk.attachments),
        },
        predicts="InvalidOperation.MultiAttachDisk",
    )


CHECK = Check("disk-multi-attached", "block", ("InvalidOperation.MultiAttachDisk",), check)
