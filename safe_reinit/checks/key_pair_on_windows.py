"""A key pair was given for a Windows instance.

What it does
    Reads OSType of the instance (DescribeInstances), or of the image of the disk where the instance shows none
    (DescribeImages), when --key-pair is given for a system disk.

Why it stops you
    Key pairs are for Linux instances; ECS would refuse the wipe with DependencyViolation.WindowsInstance.

How to fix it
    Give a password instead, with --password-env or --password-stdin.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import is_system, on_windows
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk = facts.disk
    if disk is None or not facts.options.key_pair or not is_system(disk) or not on_windows(facts):
        return
    yield Finding(
        CHECK.name,
        "block",
        disk.disk_id,
        "The system disk is that of a Windows instance, and ECS binds key pairs to Linux instances only.",
        fix="Leave out --key-pair and give a password with --password-env or --password-stdin.",
        fact={"OSType": "windows"},
        predicts="DependencyViolation.WindowsInstance",
    )


CHECK = Check(
    "key-pair-on-windows", "block", ("DependencyViolation.WindowsInstance",), check, of_options=True, of_reinit=True
)
