"""A line in /etc/fstab may keep the machine from starting.

What it does
    Reports a data disk that becomes empty (made from neither a snapshot nor an image, DescribeDisks) on an instance
    that does not run Windows (OSType, DescribeInstances), if the plan starts the instance after the wipe. Nothing
    outside the machine shows the contents of its /etc/fstab.

Why it matters
    The file system that /etc/fstab names is gone with the data, and a Linux whose fstab names a missing file system
    usually does not boot: the machine shows Running, but nobody can reach it.

How to fix it
    Before the wipe, comment out the line for this disk in /etc/fstab, or make sure that there is none; then accept the
    risk with --accept fstab-may-name-disk. With --leave-stopped the tool does not start the machine, and you can deal
    with it later.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import is_system, on_windows
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, instance = facts.disk, facts.instance
    if disk is None or instance is None or not facts.will_start or on_windows(facts):
        return
    if is_system(disk) or disk.source_snapshot_id or disk.image_id:
        return
    yield Finding(
        CHECK.name,
        "risk",
        disk.disk_id,
        "The disk becomes empty. If /etc/fstab of the instance names it, Linux usually does not boot afterwards.",
        fix="Comment out its line in /etc/fstab first, or make sure that there is none; then run with "
        "--accept fstab-may-name-disk.",
        fact={"OSType": instance.os_type, "SourceSnapshotId": "", "ImageId": "", "Device": disk.device},
    )


CHECK = Check("fstab-may-name-disk", "risk", (), check, of_reinit=True)
