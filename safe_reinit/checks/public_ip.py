"""The instance has a public address while it is stopped.

What it does
    Reads PublicIpAddress and EipAddress of the instance (DescribeInstances) where the plan stops it.

Why it stops you
    It does not stop you. This tool stops with KeepCharging only, and so the instance keeps its static public address.
    Whoever stops it by another tool, with StopCharging or where the account's default is the economical mode, may see
    it change. An EIP is a thing of its own and stays bound.

How to fix it
    Nothing needs doing.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import listed, word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = facts.instance
    if facts.disk is None or instance is None or not facts.will_stop:
        return
    own = [address for address in instance.public_ips if address != instance.eip]
    parts = []
    if own:
        parts.append(f"its public address {listed(own)} stays, since it is stopped with KeepCharging")
    if instance.eip:
        parts.append(f"its EIP {word(instance.eip)} stays bound")
    if not parts:
        return
    yield Finding(
        CHECK.name,
        "info",
        instance.instance_id,
        f"Nothing answers on the public addresses of the instance while it is down: {', and '.join(parts)}.",
        fix="Nothing needs doing.",
        fact={"PublicIpAddress": ",".join(own), "EipAddress": instance.eip},
    )


CHECK = Check("public-ip", "info", (), check)
