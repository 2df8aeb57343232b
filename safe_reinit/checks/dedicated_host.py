"""The instance is on a dedicated host, and the plan stops it.

What it does
    Reads DedicatedHostAttribute.DedicatedHostId (DescribeInstances) if the plan stops or starts the instance.

Why it matters
    It does not stop the run. While the instance is down, others may take its place on the host; then its start is
    refused (InvalidDedicatedHost.NotEnoughResource).

How to fix it
    Make sure that nobody creates or starts instances on this host in the meantime.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import restarted, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = restarted(facts)
    if instance is None or not instance.dedicated_host_id:
        return
    yield Finding(
        CHECK.name,
        "info",
        instance.instance_id,
        f"The instance is on dedicated host {word(instance.dedicated_host_id)}, "
        "and can be started again only if the host still has capacity for it.",
        fix="Make sure that nobody creates or starts instances on this host in the meantime.",
        fact={"DedicatedHostId": instance.dedicated_host_id},
    )


CHECK = Check("dedicated-host", "info", (), check)
