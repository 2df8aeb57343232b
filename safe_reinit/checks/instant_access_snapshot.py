"""A snapshot of the disk has instant access.

What it does
    Looks for snapshots of the disk with InstantAccess (DescribeSnapshots). A snapshot that also shows
    InstantAccessRetentionDays seems to use the legacy kind and is a risk; any other is reported as info.

Why it matters
    With legacy instant access, ECS refuses the wipe with
    DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported; with the new kind it does not. The API does not say
    which kind it is; the retention days are the best hint there is.

How to fix it
    Delete the snapshot if nobody needs it, or accept the risk with --accept instant-access-snapshot: if ECS refuses the
    wipe, the disk stays as it is and the machine is started again.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding
from ._shared import listed
from .check import Check
from .local_snapshot import CODE


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    if facts.disk is None:
        return
    having = [snapshot for snapshot in facts.snapshots if snapshot.instant_access]
    if legacy := [snapshot for snapshot in having if snapshot.instant_access_retention_days is not None]:
        ids = listed(snapshot.snapshot_id for snapshot in legacy)
        yield Finding(
            CHECK.name,
            "risk",
            facts.disk.disk_id,
            f"Instant access, apparently the legacy kind, is on for {ids}, so ECS may refuse the wipe.",
            fix="Delete the snapshot if nobody needs it, or accept that ECS may refuse with --accept "
            "instant-access-snapshot.",
            fact={
                "SnapshotId": legacy[0].snapshot_id,
                "InstantAccess": True,
                "InstantAccessRetentionDays": legacy[0].instant_access_retention_days,
                "Count": len(legacy),
            },
            predicts=CODE,
        )
    if new := [snapshot for snapshot in having if snapshot.instant_access_retention_days is None]:
        ids = listed(snapshot.snapshot_id for snapshot in new)
        yield Finding(
            CHECK.name,
            "info",
            facts.disk.disk_id,
            f"Instant access, apparently the new kind, is on for {ids}, and ECS allows a wipe with it.",
            fix="Nothing needs to be done.",
            fact={
                "SnapshotId": new[0].snapshot_id,
                "InstantAccess": True,
                "InstantAccessRetentionDays": None,
                "Count": len(new),
            },
            predicts=CODE,
        )


CHECK = Check("instant-access-snapshot", "risk", (CODE,), check, milder=("info",), of_reinit=True)
