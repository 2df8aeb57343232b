"""The disk has a local snapshot.

What it does
    Looks for snapshots of the disk with Category flash (DescribeSnapshots). These are local snapshots, the predecessor
    of (legacy) instant access.

Why it matters
    A disk with a local snapshot cannot be wiped; ECS would refuse the wipe with
    DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported.

How to fix it
    Delete the local snapshots of the disk if nobody needs them, then check again with --dry-run.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import listed
from .check import Check

CODE = "DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported"


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    local = [snapshot for snapshot in facts.snapshots if snapshot.category.lower() == "flash"]
    if facts.disk is None or not local:
        return
    ids = listed(snapshot.snapshot_id for snapshot in local)
    yield Finding(
        CHECK.name,
        "block",
        facts.disk.disk_id,
        f"The disk has local snapshots ({ids}), and ECS does not wipe a disk that has any.",
        fix="Delete the local snapshots if nobody needs them, then check again with --dry-run.",
        fact={"SnapshotId": local[0].snapshot_id, "Category": local[0].category, "Count": len(local)},
        predicts=CODE,
    )


CHECK = Check("local-snapshot", "block", (CODE,), check, of_reinit=True)
