"""The instance or the disk will be released or will expire within a day.

What it does
    Compares AutoReleaseTime of the instance, and ExpiredTime of a subscription instance or disk (DescribeInstances,
    DescribeDisks), with the time of ECS's answer. Reports either if it is less than 24 hours away. If it has already
    expired, instance-expired and disk-expired report that.

Why it matters
    At AutoReleaseTime the instance is deleted with its disks: a fresh disk would not last. Once a subscription has
    expired, ECS refuses the wipe and the start, so a machine that is down at that moment stays down.

How to fix it
    Renew the subscription, or change or cancel the release time, then check again with --dry-run; or accept the risk
    with --accept release-or-expiry-soon.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ..model import DiskFacts, Finding
from ._shared import DAY, moment
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, instance = facts.disk, facts.instance
    if disk is None:
        return
    if instance is not None and instance.auto_release_time and _left(instance.auto_release_time, facts) < DAY:
        at = moment(instance.auto_release_time)
        yield Finding(
            CHECK.name,
            "risk",
            instance.instance_id,
            f"The instance will be released at {at} (AutoReleaseTime), possibly together with its disks.",
            fix="Cancel or change its release time, or accept this with --accept release-or-expiry-soon.",
            fact={"AutoReleaseTime": at},
        )
    if instance is not None and _expires(instance.charge_type, instance.expired_time, facts):
        yield _expiry("instance", instance.instance_id, instance.expired_time)
    if _expires(disk.charge_type, disk.expired_time, facts):
        yield _expiry("disk", disk.disk_id, disk.expired_time)


def _left(at: datetime, facts: DiskFacts) -> float:
    return (at - facts.now).total_seconds()


def _expires(charge_type: str, at: datetime | None, facts: DiskFacts) -> bool:
    return charge_type.lower() == "prepaid" and at is not None and 0 <= _left(at, facts) < DAY


def _expiry(thing: str, subject: str, at: datetime | None) -> Finding:
    when = moment(at) if at else ""
    return Finding(
        CHECK.name,
        "risk",
        subject,
        f"The subscription of the {thing} expires at {when}, and from then on ECS refuses the wipe and the start.",
        fix="Renew the subscription, or accept this with --accept release-or-expiry-soon.",
        fact={"ExpiredTime": when},
    )


CHECK = Check("release-or-expiry-soon", "risk", (), check)
