"""The key of an encrypted disk cannot be used.

What it does
    Reads the KeyState of the disk's key (KMS, DescribeKey) and, if the instance would be stopped and started for the
    wipe, of the keys of its other disks. Every state except Enabled stops the run, including an undocumented one and a
    key that KMS does not know.

Why it matters
    ECS needs the key of an encrypted disk to wipe it, and the keys of all disks to start the instance. Without
    them it refuses. The machine would be stopped for a wipe that cannot happen, and might not start again.

How to fix it
    Enable the key in the KMS console, or cancel its deletion, then check again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import Disk, DiskFacts, Finding, Key
from ._shared import overwriting, word
from .check import Check

_CODE = "InvalidParameter.KMSKeyId.CMKNotEnabled"


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.disk is None:
        return
    unusable = {key.key_id: key for key in facts.other_products.keys if key.state != "Enabled"}
    for disk in (facts.disk, *(facts.neighbours if facts.will_stop else ())):
        key = unusable.get(disk.kms_key_id) if disk.encrypted and disk.kms_key_id else None
        if key is not None:
            yield _finding(disk, key, overwriting(facts) if disk is facts.disk else "")


def _finding(disk: Disk, key: Key, call: str) -> Finding:
    """Return the finding about the key of the disk itself, which the call needs, or of another disk of the instance."""
    name = word(key.key_id)
    state = f"is {word(key.state)}, not Enabled" if key.state else "is not known to KMS"
    refused = f"ECS refuses {call}" if call else "ECS would refuse to start the instance again after the stop"
    return Finding(
        CHECK.name,
        "block",
        disk.disk_id,
        f"The encryption key {name} of disk {word(disk.disk_id)} {state}, and {refused}.",
        fix="Enable the key in the KMS console, or cancel its deletion, then check again with --dry-run.",
        fact={"KMSKeyId": key.key_id, "KeyState": key.state},
        predicts=_CODE if call and key.state else None,
    )


CHECK = Check("encryption-key-unusable", "block", (_CODE,), check)
