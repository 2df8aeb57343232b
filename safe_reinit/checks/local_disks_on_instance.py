"""The instance has local disks, and the plan stops it.

What it does
    Reads LocalStorageAmount, the number of local disks (DescribeInstances), where the plan stops the instance.

Why it stops you
    Local disks lie on the host, and no snapshot holds them. A redeployment of the machine empties them; so would a
    start with InitLocalDisk, which the tool never sends. ECS may also refuse the stop with
    InstanceType.ParameterMismatch, since the tool never sends ConfirmStop; then nothing has happened.

How to fix it
    Copy what is on the local disks elsewhere, then accept the risk with --accept local-disks-on-instance. If ECS
    refuses the stop, stop the machine by yourself (with ConfirmStop) and run again.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = facts.instance
    if facts.disk is None or instance is None or not facts.will_stop or instance.local_storage_amount <= 0:
        return
    count = instance.local_storage_amount
    yield Finding(
        CHECK.name,
        "risk",
        instance.instance_id,
        f"The instance has {count} local {'disk' if count == 1 else 'disks'}, which no snapshot holds and which a "
        "redeployment of the stopped machine empties; ECS may also refuse to stop it.",
        fix="Copy what is on them elsewhere, then run with --accept local-disks-on-instance.",
        fact={"LocalStorageAmount": count},
    )


CHECK = Check("local-disks-on-instance", "risk", (), check)
