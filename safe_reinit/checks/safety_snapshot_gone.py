"""The safety snapshot that an undo rolls back to is missing or cannot be used.

What it does
    In an undo, looks for the safety snapshot by its id (DescribeSnapshots) and reads its Status and SourceDiskId.

Why it matters
    ResetDisk takes only a snapshot that was made from that very disk. One that was deleted, or is not accomplished,
    brings nothing back.

How to fix it
    If it is still progressing, wait. If it is gone, look for another snapshot of the disk (the finding kept-snapshots
    of a dry run names them) and roll back to it with ResetDisk in the ECS console.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import word
from .check import Check


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    snapshot_id, snapshot = facts.restore_from, facts.restore_snapshot
    if (
        facts.disk is None
        or not facts.options.undo
        or (snapshot is None and not facts.was_answered("DescribeSnapshots"))
    ):
        return
    if snapshot is None:
        problem = "no longer exists"
    elif snapshot.status != "accomplished":
        problem = f"is {word(snapshot.status)}, not accomplished"
    elif snapshot.source_disk_id != facts.disk_id:
        problem = f"was made from {word(snapshot.source_disk_id)}"
    else:
        return
    yield Finding(
        CHECK.name,
        "block",
        facts.disk_id,
        f"The safety snapshot {word(snapshot_id)} {problem}, so the disk cannot be rolled back to it.",
        fix="Look for another snapshot of the disk in the ECS console.",
        fact={"SnapshotId": snapshot_id, "Status": snapshot.status if snapshot else None},
    )


CHECK = Check("safety-snapshot-gone", "block", (), check, of_options=True)
