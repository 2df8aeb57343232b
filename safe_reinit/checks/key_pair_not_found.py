"""The key pair does not exist.

What it does
    If a system disk is to be wiped, looks up the name given by --key-pair (DescribeKeyPairs). Reports only if that call
    got a reliable answer.

Why it matters
    ECS would refuse the wipe with InvalidKeyPairName.NotFound.

How to fix it
    Check the name and --region: a key pair in another region is not shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import is_system, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, name = facts.disk, facts.options.key_pair
    if disk is None or not name or not is_system(disk) or name in facts.key_pairs:
        return
    if not facts.was_answered("DescribeKeyPairs"):
        return
    yield Finding(
        CHECK.name,
        "block",
        disk.disk_id,
        f"ECS shows no key pair {word(name)} in {word(facts.region, 'this region')}, so nobody could log in with it.",
        fix="Check --key-pair and --region, then check again with --dry-run.",
        fact={"KeyPairName": name},
        predicts="InvalidKeyPairName.NotFound",
    )


CHECK = Check("key-pair-not-found", "block", ("InvalidKeyPairName.NotFound",), check, of_options=True, of_reinit=True)
