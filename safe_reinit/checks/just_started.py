"""The instance was started a moment ago, so the run waits before it changes anything.

What it does
    Compares the StartTime of the instance (DescribeInstances) with the Date of ECS's answer. StartTime has minutes
    only.

Why it stops you
    It does not stop you; the run waits, at most a minute and a half. If somebody starts the machine, writes to the
    disk and stops it again in the minute in which it had been started before, StartTime shows no difference, and what
    they wrote would be lost without notice. So a running machine is stopped only 30 seconds after that minute is over,
    and a machine that is stopped already is judged by what ECS shows after that moment. What is written to the disk of
    a stopped machine before that moment is lost like everything else on it.

How to fix it
    Nothing needs fixing. If somebody else is at work on the machine, talk to them first.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ..model.codec import timestamp
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    instance = facts.instance
    settled_at = instance.start_settled_at if instance is not None else None
    if facts.disk is None or instance is None or settled_at is None or settled_at <= facts.now:
        return
    left = f"{(settled_at - facts.now).total_seconds():.0f}s"
    if facts.will_stop:
        message = f"The instance was started a moment ago, so the run waits {left} before it stops it."
    elif instance.status == "Stopped":
        message = f"The instance was started and stopped a moment ago, so the run waits {left} before the wipe; "
        message += "what is written to its disks until then is lost, too."
    else:
        return
    started, now = timestamp(instance.start_time or settled_at), timestamp(facts.now)
    yield Finding(
        CHECK.name,
        "info",
        instance.instance_id,
        message,
        fix="Nothing needs fixing: StartTime has minutes only, and another start would not show before.",
        fact={"Status": instance.status, "StartTime": started, "Date": now},
    )


CHECK = Check("just-started", "info", (), check)
