"""A snapshot of the disk is being created.

What it does
    Looks for snapshots of the disk with status progressing (DescribeSnapshots).

Why it matters
    It does not stop the run: the run waits for the snapshot. ECS would refuse the wipe with DiskCreatingSnapshot, and
    stopping the instance can spoil a snapshot that is being created (ECS API reference, CreateSnapshot). So the run
    waits first, before it stops the instance, and gives up after --timeout-snapshot.

How to fix it
    Nothing needs to be done. Raise --timeout-snapshot if the snapshot may take longer than the limit.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.disk is None:
        return
    until = "before the instance is stopped" if facts.will_stop else "before the wipe"
    for snapshot in facts.snapshots:
        if snapshot.status.lower() != "progressing":
            continue
        yield Finding(
            CHECK.name,
            "info",
            facts.disk.disk_id,
            f"Snapshot {word(snapshot.snapshot_id)} of the disk is being created. The run waits for it {until}, "
            "for at most --timeout-snapshot.",
            fix="Nothing needs to be done. Set --timeout-snapshot to change how long the run waits.",
            fact={
                "SnapshotId": snapshot.snapshot_id,
                "Status": snapshot.status,
                "Progress": snapshot.progress,
                "RemainTime": snapshot.remain_time,
            },
            predicts="DiskCreatingSnapshot",
        )


CHECK = Check("snapshot-in-progress", "info", ("DiskCreatingSnapshot",), check)
