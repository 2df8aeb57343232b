"""A key pair and a password were given together.

What it does
    Checks whether both --key-pair and a password (--password-env, --password-stdin or --password-prompt) were given.

Why it matters
    Binding a key pair disables password login (ECS API reference, ReInitDisk), so the two contradict each other: the
    password you rely on would not let you in.

How to fix it
    Use only one of the two.
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
        "A key pair and a password are given for the disk, but binding a key pair disables password login.",
        fix="Use either --key-pair or a password (--password-env or --password-stdin), not both.",
        fact={"KeyPairName": options.key_pair},
    )


CHECK = Check("key-pair-and-password", "block", (), check, of_options=True, of_reinit=True)
