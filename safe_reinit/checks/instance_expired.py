"""The subscription of the instance has expired.

What it does
    Compares ExpiredTime of a subscription instance (InstanceChargeType PrePaid, DescribeInstances) with the time of
    ECS's answer.

Why it stops you
    ECS would refuse the wipe with InstanceExpiredOrInArrears, and it refuses to start an expired instance again.

How to fix it
    Renew the subscription of the instance, then look again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import moment
from .check import Check


def find(facts: DiskFacts) -> Iterator[Finding]:
    """See the module."""
    instance = facts.instance
    if facts.disk is None or instance is None or instance.charge_type.lower() != "prepaid":
        return
    if instance.expired_time is None or instance.expired_time >= facts.now:
        return
    since = moment(instance.expired_time)
    yield Finding(
        CHECK.name,
        "block",
        instance.instance_id,
        f"The subscription of the instance expired at {since}, and ECS refuses ReInitDisk until it is renewed.",
        fix="Renew the subscription of the instance, then look again with --dry-run.",
        fact={"InstanceChargeType": instance.charge_type, "ExpiredTime": since},
        predicts="InstanceExpiredOrInArrears",
    )


CHECK = Check("instance-expired", "block", ("InstanceExpiredOrInArrears",), find)
