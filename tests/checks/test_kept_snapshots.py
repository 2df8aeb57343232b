"""Which snapshots keep what was on the disk."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from safe_reinit.checks.kept_snapshots import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, NOW, a_snapshot, disk_facts, unseen


def shot(days: int, **changes: Any) -> Any:
    """Return a snapshot that was taken so many days ago, named after it."""
    return a_snapshot(**({"snapshot_id": f"s-{days}", "creation_time": NOW - timedelta(days=days)} | changes))


@pytest.mark.parametrize("snapshots", [(), (a_snapshot(status="failed"),)], ids=["none", "a failed one"])
def test_no_snapshot_that_keeps_anything(snapshots: tuple[Any, ...]) -> None:
    """A failed snapshot keeps nothing."""
    assert_silent(CHECK, disk_facts(snapshots=snapshots))


@pytest.mark.parametrize("changes", [{"disk": None}, {"unseen": (unseen("DescribeSnapshots"),)}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """A list that may not be whole is not told as one."""
    assert_silent(CHECK, disk_facts(**changes))


def test_they_are_named_the_newest_first() -> None:
    """The order of ECS does not matter; one that is being created is told as such, one without a time comes last."""
    shots = (shot(5), shot(1, status="progressing"), shot(0, snapshot_id="s-x", creation_time=None), shot(3))
    found = assert_finds(CHECK, disk_facts(snapshots=shots), "info", DISK_ID)

    assert found.fact == {"SnapshotIds": "s-1,s-3,s-5,s-x", "Count": 4}
    assert "s-1 of 2026-01-01T03:04:05Z (being created), s-3 of " in found.message


def test_many_are_counted_in_the_sentence_and_named_in_the_fact() -> None:
    """A sentence stays one; nothing is left out of the facts."""
    found = assert_finds(CHECK, disk_facts(snapshots=[shot(days) for days in range(1, 41)]), "info", DISK_ID)

    assert "and 30 more" in found.message
    assert len(str(found.fact["SnapshotIds"]).split(",")) == 40
