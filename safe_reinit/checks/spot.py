"""The instance is a spot instance, and the plan stops it.

What it does
    Reads SpotStrategy (DescribeInstances) if the plan stops or starts the instance. Any value except NoSpot means a
    spot instance.

Why it matters
    Alibaba Cloud may reclaim a spot instance at any time, even while it is stopped for the wipe, and may refuse to
    start it (OperationDenied.SpotPriceLowerThanPublicPrice). A reclaimed instance is released together with its disks.

How to fix it
    Copy what you need off the machine first, then accept the risk with --accept spot.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import restarted, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = restarted(facts)
    if instance is None or instance.spot_strategy.lower() in ("", "nospot"):
        return
    start = ", and its start may be refused" if facts.will_start else ""
    yield Finding(
        CHECK.name,
        "risk",
        instance.instance_id,
        f"This is a spot instance ({word(instance.spot_strategy)}), which ECS may reclaim while it is stopped{start}.",
        fix="Copy what you need off it first, or accept the possible loss of the instance with --accept spot.",
        fact={"SpotStrategy": instance.spot_strategy},
    )


CHECK = Check("spot", "risk", (), check)
