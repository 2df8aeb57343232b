"""The subscription of the disk has expired.

What it does
    Compares ExpiredTime of a subscription disk (DiskChargeType PrePaid, DescribeDisks) with the time of ECS's answer.

Why it stops you
    ECS would refuse the wipe with InstanceExpiredOrInArrears.

How to fix it
    Renew the subscription of the disk, then look again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import moment
from .check import Check


def find(facts: DiskFacts) -> Iterator[Finding]:
    """See the module."""
    disk = facts.disk
    if disk is None or disk.charge_type.lower() != "prepaid":
        return
    if disk.expired_time is None or disk.expired_time >= facts.now:
        return
    since = moment(disk.expired_time)
    yield Finding(
        CHECK.name,
        "block",
        disk.disk_id,
        f"The subscription of the disk expired at {since}, and ECS refuses ReInitDisk until it is renewed.",
        fix="Renew the subscription of the disk, then look again with --dry-run.",
        fact={"DiskChargeType": disk.charge_type, "ExpiredTime": since},
        predicts="InstanceExpiredOrInArrears",
    )


CHECK = Check("disk-expired", "block", ("InstanceExpiredOrInArrears",), find)
