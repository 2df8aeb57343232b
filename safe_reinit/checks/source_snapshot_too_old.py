"""The snapshot that the disk was made from is too old.

What it does
    Reads the CreationTime of the source snapshot (DescribeSnapshots) and the DetachedTime of the disk (DescribeDisks).

Why it matters
    A disk made from a snapshot of 2013-07-15 or earlier can no longer be wiped once it has been detached; ECS
    would refuse the wipe with InvalidSnapshot.TooOld.

How to fix it
    Replace the disk with a new one, or erase the data from within the operating system.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ..model import DiskFacts, Finding
from ._shared import moment, word
from .check import Check

_AFTER_THE_LAST_DAY = datetime(2013, 7, 16, tzinfo=UTC)


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, source = facts.disk, facts.source_snapshot
    if disk is None or source is None or disk.detached_time is None:
        return
    if source.creation_time is None or source.creation_time >= _AFTER_THE_LAST_DAY:
        return
    yield Finding(
        CHECK.name,
        "block",
        disk.disk_id,
        f"The disk was made from snapshot {word(source.snapshot_id)} of {source.creation_time:%Y-%m-%d} and has been "
        "detached since, and ECS does not wipe such a disk.",
        fix="Replace it with a new disk, or erase the data from within the operating system.",
        fact={
            "SourceSnapshotId": disk.source_snapshot_id,
            "CreationTime": moment(source.creation_time),
            "DetachedTime": moment(disk.detached_time),
        },
        predicts="InvalidSnapshot.TooOld",
    )


CHECK = Check("source-snapshot-too-old", "block", ("InvalidSnapshot.TooOld",), check, of_reinit=True)
