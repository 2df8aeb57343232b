"""The instance runs in a capacity reservation, and the plan stops it.

What it does
    Reads EcsCapacityReservationAttr.CapacityReservationId (DescribeInstances) if the plan stops or starts the instance.

Why it matters
    It does not stop the run. If the reservation has been released or is full when the instance is started again, the
    start is refused (InvalidCapacityReservationId.NotFound, Invalid.PrivatePoolOptions.NoStock).

How to fix it
    Make sure that the reservation lasts until the run has ended.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import restarted, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = restarted(facts)
    if instance is None or not instance.capacity_reservation_id:
        return
    yield Finding(
        CHECK.name,
        "info",
        instance.instance_id,
        f"The instance runs in capacity reservation {word(instance.capacity_reservation_id)}, "
        "and can be started again only if the reservation still exists and has capacity.",
        fix="Make sure that the reservation lasts until the run has ended.",
        fact={"CapacityReservationId": instance.capacity_reservation_id},
    )


CHECK = Check("capacity-reservation", "info", (), check)
