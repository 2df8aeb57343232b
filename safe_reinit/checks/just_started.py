"""The instance was started a moment ago, so the run waits before it changes anything.

What it does
    Compares the StartTime of the instance (DescribeInstances) with the Date header of ECS's answer. StartTime has a
    resolution of one minute.

Why it matters
    It does not stop the run; the run waits for at most a minute and a half. If somebody starts the machine, writes to
    the disk and stops it again within the same minute as an earlier start, StartTime does not change, and the data they
    wrote would be lost unnoticed. So a Running machine is stopped no sooner than 30 seconds after that minute is over,
    and for a machine that is already Stopped the tool relies on what ECS shows after that moment. Data written to the
    disk of a Stopped machine before that moment is lost like everything else on it.

How to fix it
    Nothing needs fixing. If somebody else is working on the machine, talk to them first.
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
        message += "data written to its disks until then is lost too."
    else:
        return
    started, now = timestamp(instance.start_time or settled_at), timestamp(facts.now)
    yield Finding(
        CHECK.name,
        "info",
        instance.instance_id,
        message,
        fix="Nothing needs to be done. StartTime has a resolution of one minute, so another start would not be "
        "visible before then.",
        fact={"Status": instance.status, "StartTime": started, "Date": now},
    )


CHECK = Check("just-started", "info", (), check)
