"""Snapshots of the disk keep its old data.

What it does
    Lists the snapshots of the disk that have not failed (DescribeSnapshots), newest first.

Why it matters
    It does not stop the run. The snapshots are the way back if the wipe was a mistake, and the reason why a wipe does
    not erase the data: ReInitDisk leaves them alone, and anyone who can read them can read the old data. ECS may
    release them later (RetentionDays, DeleteAutoSnapshot, an unpaid bill).

How to fix it
    Nothing needs to be done. To get rid of the old data, delete the snapshots yourself once nobody needs them; this
    tool never deletes them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model import DiskFacts, Finding, Snapshot
from ._shared import moment, newest_first, word
from .check import Check

_MAX_NAMED = 10
"""How many of them a sentence names; the fact has them all."""


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    kept = newest_first(shot for shot in facts.snapshots if shot.status.lower() != "failed")
    if facts.disk is None or not kept or not facts.was_answered("DescribeSnapshots"):
        return
    rest = len(kept) - _MAX_NAMED
    names = ", ".join(map(_named, kept[:_MAX_NAMED])) + (f" and {rest} more" if rest > 0 else "")
    yield Finding(
        CHECK.name,
        "info",
        facts.disk.disk_id,
        f"Snapshots keep the data that was on the disk when each was taken (newest first): {names}. "
        "Data written after the newest snapshot is not in any snapshot.",
        fix="Nothing needs to be done. To get rid of the old data, delete them yourself once nobody needs them.",
        fact={"SnapshotIds": ",".join(shot.snapshot_id for shot in kept), "Count": len(kept)},
    )


def _named(shot: Snapshot) -> str:
    when = f" of {moment(shot.creation_time)}" if shot.creation_time else ""
    return f"{word(shot.snapshot_id)}{when}{' (being created)' if shot.status.lower() == 'progressing' else ''}"


CHECK = Check("kept-snapshots", "info", (), check)
