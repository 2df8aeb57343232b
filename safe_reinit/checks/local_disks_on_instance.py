"""The instance has local disks, and the plan stops it.

What it does
    Reads LocalStorageAmount, the number of local disks (DescribeInstances), if the plan stops the instance.

Why it matters
    Local disks are part of the host, and no snapshot contains their data. Redeploying the machine erases them; so would
    a start with InitLocalDisk, which the tool never sends. ECS may also refuse the stop with
    InstanceType.ParameterMismatch, because the tool never sends ConfirmStop; in that case nothing has changed.

How to fix it
    Copy the data on the local disks elsewhere, then accept the risk with --accept local-disks-on-instance. If ECS
    refuses the stop, stop the machine yourself (with ConfirmStop) and run again.
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
        f"The instance has {count} local {'disk' if count == 1 else 'disks'}: no snapshot contains their data, and a "
        "redeployment of the stopped machine erases them. ECS may also refuse to stop it.",
        fix="Copy their data elsewhere, then run with --accept local-disks-on-instance.",
        fact={"LocalStorageAmount": count},
    )


CHECK = Check("local-disks-on-instance", "risk", (), check)
