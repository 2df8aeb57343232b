"""A key pair and a password were given together.

What it does
    Looks whether both --key-pair and a password (--password-env or --password-stdin) were given.

Why it stops you
    Binding a key pair disables the login by password (ECS API reference, ReInitDisk), so the two contradict each other:
    the password you count on would not let you in.

How to fix it
    Give one of the two.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    options = facts.options
    if facts.disk is None or not options.key_pair or options.password is None:
        return
    yield Finding(
        CHECK.name,
        "block",
        facts.disk.disk_id,
        "A key pair and a password are given for the disk, and binding a key pair disables the login by password.",
        fix="Give either --key-pair or a password (--password-env or --password-stdin), not both.",
        fact={"KeyPairName": options.key_pair},
    )


CHECK = Check("key-pair-and-password", "block", (), check, of_options=True, of_reinit=True)
