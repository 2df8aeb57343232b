"""safety-snapshot-gone: what an undo rolls back to must be there, accomplished, and of that disk."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.safety_snapshot_gone import check
from safe_reinit.model import DiskFacts
from tests.values import DISK_ID, a_snapshot, disk_facts, options, unseen

SHOT = "s-safety"


def facts(**more: Any) -> DiskFacts:
    """Return the facts of an undo whose snapshot is as it should be."""
    asked = options(undo="r-0", restore=((DISK_ID, SHOT),))
    return disk_facts(**{"options": asked, "restore_snapshot": a_snapshot(snapshot_id=SHOT), **more})


def test_silent_where_it_is_there() -> None:
    """An accomplished snapshot of that disk is what an undo needs."""
    assert not list(check(facts()))


def test_silent_where_it_is_no_undo_or_could_not_be_looked_for() -> None:
    """A wipe needs none; a look that could not be made is said by could-not-check; no disk by disk-not-found."""
    assert not list(check(disk_facts()))
    assert not list(check(facts(restore_snapshot=None, unseen=(unseen("DescribeSnapshots"),))))
    assert not list(check(facts(disk=None, restore_snapshot=None)))


@pytest.mark.parametrize(
    ("snapshot", "text"),
    [
        (None, "no longer exists"),
        (a_snapshot(snapshot_id=SHOT, status="progressing"), "is progressing, not accomplished"),
        (a_snapshot(snapshot_id=SHOT, status="failed"), "is failed, not accomplished"),
        (a_snapshot(snapshot_id=SHOT, status=""), "not accomplished"),
        (a_snapshot(snapshot_id=SHOT, source_disk_id="d-other"), "was made from d-other"),
    ],
    ids=["gone", "progressing", "failed", "no status", "another disk"],
)
def test_anything_else_blocks(snapshot: Any, text: str) -> None:
    """A snapshot that is gone, not accomplished or of another disk brings nothing back."""
    (found,) = check(facts(restore_snapshot=snapshot))

    assert (found.level, found.subject) == ("block", DISK_ID)
    assert text in found.message
    assert SHOT in found.message
