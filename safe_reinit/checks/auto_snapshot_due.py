"""An automatic snapshot of the disk is due.

What it does
    Reads the automatic snapshot policy of the disk (DescribeAutoSnapshotPolicyEx). Reports the next scheduled snapshot
    (policies name full hours on certain weekdays, in UTC+8) if it is due within two hours: by default, all waits of a
    run together take no longer than that. An expired policy takes no snapshots.

Why it matters
    It does not stop the run. ECS refuses ReInitDisk while a snapshot of the disk is being created, and a stop can spoil
    a snapshot in progress, so the machine may be down for longer than you expect.

How to fix it
    Nothing needs to be done: the run waits for a snapshot before the stop, and retries ReInitDisk after it. Run at
    another time to avoid the wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

from ..model import AutoSnapshotPolicy, DiskFacts, Finding
from ._shared import moment, overwriting, word
from .check import Check

WINDOW_HOURS = 2
"""Hours from now in which a run is expected to end: by default 10m to stop, 60m for a snapshot, 30m to wipe and
15m to start."""
_ZONE = timezone(timedelta(hours=8))


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    policy = facts.other_products.auto_snapshot_policy
    if facts.disk is None or policy is None or policy.policy_id != facts.disk.auto_snapshot_policy_id:
        return
    due = None if policy.status == "Expire" else _due(policy, facts.now)
    if due is None:
        return
    yield Finding(
        CHECK.name,
        "info",
        facts.disk.disk_id,
        f"Policy {word(policy.policy_id)} takes an automatic snapshot of the disk at {moment(due)}, "
        f"and ECS refuses {overwriting(facts)} while it is being created.",
        fix="Nothing needs to be done: the run waits for the snapshot. Run at another time to avoid the wait.",
        fact={"AutoSnapshotPolicyId": policy.policy_id, "Due": moment(due)},
        predicts="DiskCreatingSnapshot",
    )


def _due(auto_snapshot_policy: AutoSnapshotPolicy, now: datetime) -> datetime | None:
    """Find the first point in time of a policy within the window."""
    try:
        hour = now.astimezone(_ZONE).replace(minute=0, second=0, microsecond=0)
        hours = [hour + timedelta(hours=later) for later in range(WINDOW_HOURS + 1)]
    except OverflowError:  # at either end of all time nothing is due
        return None
    for each in hours:
        if (
            each.hour in auto_snapshot_policy.hours
            and each.isoweekday() in auto_snapshot_policy.weekdays
            and now <= each
        ):
            return each.astimezone(UTC)
    return None


CHECK = Check("auto-snapshot-due", "info", ("DiskCreatingSnapshot",), check)
