"""A key pair was given for a Windows instance.

What it does
    If --key-pair is given for a system disk, reads the OSType of the instance (DescribeInstances) or, if the instance
    shows none, of the image of the disk (DescribeImages).

Why it matters
    Key pairs are for Linux instances; ECS would refuse the wipe with DependencyViolation.WindowsInstance.

How to fix it
    Use a password instead, with --password-env or --password-stdin.
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
        "This is the system disk of a Windows instance, and ECS binds key pairs to Linux instances only.",
        fix="Leave out --key-pair, and set a password with --password-env or --password-stdin.",
        fact={"OSType": "windows"},
        predicts="DependencyViolation.WindowsInstance",
    )


CHECK = Check(
    "key-pair-on-windows", "block", ("DependencyViolation.WindowsInstance",), check, of_options=True, of_reinit=True
)
