"""The instance runs in a capacity reservation, and the plan stops it.

What it does
    Reads EcsCapacityReservationAttr.CapacityReservationId (DescribeInstances) where the plan stops or starts the
    instance.

Why it stops you
    It does not stop you. If the reservation is released or full when the instance is started again, the start is
    refused (InvalidCapacityReservationId.NotFound, Invalid.PrivatePoolOptions.NoStock).

How to fix it
    See that the reservation outlasts the wipe.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = facts.instance
    if facts.disk is None or instance is None or not (facts.will_stop or facts.will_start):
        return
    if not instance.capacity_reservation_id:
        return
    yield Finding(
        CHECK.name,
        "info",
        instance.instance_id,
        f"The instance runs in capacity reservation {word(instance.capacity_reservation_id)}, "
        "and its start needs that it is still there and has room.",
        fix="See that the reservation outlasts the wipe.",
        fact={"CapacityReservationId": instance.capacity_reservation_id},
    )


CHECK = Check("capacity-reservation", "info", (), check)
