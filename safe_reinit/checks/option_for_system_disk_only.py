"""An option for system disks was given for a data disk.

What it does
    Checks whether a key pair, a password or --security-enhancement was given for a disk whose Type is not system
    (DescribeDisks).

Why it matters
    These options set how to log in to a fresh operating system, and the API reference of ReInitDisk documents them for
    system disks only. If you gave one, you expected to wipe a system disk, so this may be the wrong disk.

How to fix it
    Check which disk you mean. For a data disk, leave the option out.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import is_system, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, options = facts.disk, facts.options
    if disk is None or is_system(disk):
        return
    given = []
    if options.key_pair:
        given.append("--key-pair")
    if options.password is not None:
        given.append("the password (--password-env or --password-stdin)")
    if options.security_enhancement:
        given.append("--security-enhancement")
    if not given:
        return
    names = " and ".join(given)
    yield Finding(
        CHECK.name,
        "block",
        disk.disk_id,
        f"The disk is a {word(disk.type, 'data')} disk, and {names} can be used with a system disk only.",
        fix=f"Check that this is the disk you mean; if it is, leave out {names}.",
        fact={"Type": disk.type},
    )


CHECK = Check("option-for-system-disk-only", "block", (), check, of_options=True, of_reinit=True)
