"""When a snapshot of the disk is being created."""

from __future__ import annotations

import pytest

from safe_reinit.checks.snapshot_in_progress import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, a_disk, a_snapshot, disk_facts, stopping_facts

RUNNING = a_snapshot(snapshot_id="s-new", status="progressing", progress="40%", remain_time=38)


@pytest.mark.parametrize("status", ["accomplished", "failed", ""])
def test_a_snapshot_that_is_over(status: str) -> None:
    """A snapshot that is done, or failed, is not waited for."""
    assert_silent(CHECK, disk_facts(snapshots=(a_snapshot(status=status),)))


def test_no_snapshots() -> None:
    """Without snapshots there is nothing to wait for."""
    assert_silent(CHECK, disk_facts(snapshots=()))


def test_no_disk() -> None:
    """A disk that was not seen has no snapshots to speak of."""
    assert_silent(CHECK, disk_facts(disk=None, snapshots=(RUNNING,)))


def test_a_source_snapshot_in_progress() -> None:
    """Only the snapshots of this disk are waited for."""
    assert_silent(CHECK, disk_facts(disk=a_disk(source_snapshot_id="s-new"), source_snapshot=RUNNING))


def test_a_snapshot_in_progress_is_reported() -> None:
    """It stops nobody, and how far it is can be seen."""
    found = assert_finds(CHECK, disk_facts(snapshots=(a_snapshot(), RUNNING)), "info", DISK_ID, "DiskCreatingSnapshot")

    assert "s-new" in found.message
    assert "--timeout-snapshot" in found.message
    assert found.fact == {
        "SnapshotId": "s-new",
        "Status": "progressing",
        "Progress": "40%",
        "RemainTime": 38,
    }


def test_it_is_waited_for_before_a_stop() -> None:
    """Where the instance is stopped for the wipe, the wait comes first."""
    found = assert_finds(CHECK, stopping_facts(snapshots=(RUNNING,)), "info", DISK_ID, "DiskCreatingSnapshot")

    assert "before the instance is stopped" in found.message


def test_no_stop_is_spoken_of_where_there_is_none() -> None:
    """An instance that is Stopped already is not stopped again."""
    found = assert_finds(CHECK, disk_facts(snapshots=(RUNNING,)), "info", DISK_ID, "DiskCreatingSnapshot")

    assert "stopped" not in found.message
