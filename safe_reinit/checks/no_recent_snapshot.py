"""No recent snapshot of the disk could restore its data.

What it does
    Looks for an accomplished snapshot of the disk (DescribeSnapshots) that is newer than the last start of the instance
    (StartTime, which ECS shows to the minute: a snapshot from that same minute does not count), no older than
    snapshot_max_age in the configuration (24h), and not to be released within 24 hours (RetentionDays, where ECS shows
    it). Reports nothing with --snapshot, in an undo (whose plan says what is lost), or if the instance or the snapshots
    could not be seen. If ECS shows no StartTime, only the age counts.

Why it matters
    Without a snapshot a wipe cannot be undone: data written since the newest snapshot is lost permanently. A Running
    instance writes until it is stopped, so a snapshot taken before the stop never has all of its data, however new it
    is.

How to fix it
    Add --snapshot, which takes a snapshot after the stop and wipes only once it is accomplished; or accept permanent
    data loss with --accept no-recent-snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ..model import DiskFacts, Finding, Snapshot
from ._shared import DAY, moment, newest_first, span, word
from .check import Check

_MINUTE = 60
_SINCE = "so data written since would be lost"


def check(facts: DiskFacts) -> Iterator[Finding]:
    """Yield what this check finds."""
    disk, instance = facts.disk, facts.instance
    if disk is None or instance is None or facts.options.snapshot or not facts.was_answered("DescribeSnapshots"):
        return
    kept = _accomplished(facts)
    if way_back(facts) is not None:
        return
    newest = kept[0] if kept else None
    text = _describe(newest, facts) if newest else "The disk has no accomplished snapshot, so a wipe cannot be undone"
    writing = (
        "; data that the Running instance writes until it is stopped is not in any snapshot"
        if instance.status == "Running"
        else ""
    )
    yield Finding(
        CHECK.name,
        "risk",
        disk.disk_id,
        f"{text}{writing}.",
        fix="Add --snapshot, which takes one after the stop and before the wipe, or accept permanent data loss "
        "with --accept no-recent-snapshot.",
        fact={
            "SnapshotId": newest.snapshot_id if newest else None,
            "CreationTime": _time(newest.creation_time if newest else None),
            "RetentionDays": newest.retention_days if newest else None,
            "StartTime": _time(instance.start_time),
        },
    )


def way_back(facts: DiskFacts) -> Snapshot | None:
    """Return the newest snapshot that could restore the present data; ``None`` if there is none."""
    return next((shot for shot in _accomplished(facts) if _lacks(shot, facts) == ""), None)


def _accomplished(facts: DiskFacts) -> list[Snapshot]:
    return newest_first(shot for shot in facts.snapshots if shot.status.lower() == "accomplished")


def _describe(newest: Snapshot, facts: DiskFacts) -> str:
    taken = f" of {moment(newest.creation_time)}" if newest.creation_time else ""
    return f"The newest snapshot of the disk, {word(newest.snapshot_id)}{taken}, {_lacks(newest, facts)}"


def _lacks(shot: Snapshot, facts: DiskFacts) -> str:
    """Return what keeps a snapshot from being a way back; empty if nothing does."""
    started = facts.instance.start_time if facts.instance else None
    if shot.creation_time is None:
        return "has no creation time"
    if started is not None and (shot.creation_time - started).total_seconds() < _MINUTE:
        return f"is not newer than the last start of the instance ({moment(started)}), {_SINCE}"
    age = (facts.now - shot.creation_time).total_seconds()
    if age > facts.options.snapshot_max_age:
        return f"is older than {span(facts.options.snapshot_max_age)} (snapshot_max_age), {_SINCE}"
    if shot.retention_days is not None and shot.retention_days * DAY - int(age) < DAY:
        return f"will be released by ECS within 24 hours ({shot.retention_days} days after it was taken)"
    return ""


def _time(when: datetime | None) -> str | None:
    return moment(when) if when else None


CHECK = Check("no-recent-snapshot", "risk", (), check, of_reinit=True)
