"""A line in /etc/fstab may keep the machine from starting.

What it does
    Speaks of a data disk that becomes empty (it was made from neither a snapshot nor an image, DescribeDisks), of an
    instance that does not run Windows (OSType, DescribeInstances), where the plan starts the instance after the wipe.
    Nothing outside the machine shows what its /etc/fstab says.

Why it stops you
    The file system that /etc/fstab names is gone with the data, and a Linux whose fstab names what is not there usually
    does not start: the machine comes back Running, and nobody can reach it.

How to fix it
    Comment the line of this disk out of /etc/fstab before the wipe, or see that it has none; then accept the risk with
    --accept fstab-may-name-disk. With --leave-stopped the machine is not started, and the question waits for you.
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
        "The disk becomes empty, and if /etc/fstab of the instance names it, the Linux usually does not start again.",
        fix="Comment its line out of /etc/fstab first, or make sure that there is none; then run with "
        "--accept fstab-may-name-disk.",
        fact={"OSType": instance.os_type, "SourceSnapshotId": "", "ImageId": "", "Device": disk.device},
    )


CHECK = Check("fstab-may-name-disk", "risk", (), check, of_reinit=True)
