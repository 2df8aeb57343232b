"""The public addresses of the instance do not answer while it is stopped.

What it does
    Reads PublicIpAddress and EipAddress of the instance (DescribeInstances) if the plan stops it.

Why it matters
    It does not stop the run. This tool stops with KeepCharging only, so the instance keeps its static public address.
    If somebody stops it with another tool, using StopCharging or an account whose default is economical mode, the
    address may change. An EIP is a separate resource and stays bound.

How to fix it
    Nothing needs to be done.
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
        parts.append(f"its public address {listed(own)} stays, because it is stopped with KeepCharging")
    if instance.eip:
        parts.append(f"its EIP {word(instance.eip)} stays bound")
    if not parts:
        return
    yield Finding(
        CHECK.name,
        "info",
        instance.instance_id,
        f"The public addresses of the instance do not answer while it is stopped: {', and '.join(parts)}.",
        fix="Nothing needs to be done.",
        fact={"PublicIpAddress": ",".join(own), "EipAddress": instance.eip},
    )


CHECK = Check("public-ip", "info", (), check)
