"""When the disk has a local snapshot."""

from __future__ import annotations

import pytest

from safe_reinit.checks.local_snapshot import CHECK, CODE
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, a_snapshot, disk_facts


@pytest.mark.parametrize("category", ["standard", "Standard", "archive", ""])
def test_an_ordinary_snapshot(category: str) -> None:
    """Snapshots of the other categories do not stand in the way."""
    assert_silent(CHECK, disk_facts(snapshots=(a_snapshot(category=category),)))


def test_no_snapshots() -> None:
    """Without snapshots nothing is said."""
    assert_silent(CHECK, disk_facts(snapshots=()))


def test_no_disk() -> None:
    """A disk that was not seen has no snapshots to speak of."""
    assert_silent(CHECK, disk_facts(disk=None, snapshots=(a_snapshot(category="flash"),)))


def test_instant_access_is_left_to_another_check() -> None:
    """An ordinary snapshot with instant access is judged by instant-access-snapshot."""
    assert_silent(CHECK, disk_facts(snapshots=(a_snapshot(instant_access=True, instant_access_retention_days=1),)))


@pytest.mark.parametrize("category", ["flash", "Flash"])
def test_a_local_snapshot_stops(category: str) -> None:
    """One is enough, however its category is written."""
    facts = disk_facts(snapshots=(a_snapshot(), a_snapshot(snapshot_id="s-local", category=category)))
    found = assert_finds(CHECK, facts, "block", DISK_ID, CODE)

    assert "s-local" in found.message
    assert found.fact == {"SnapshotId": "s-local", "Category": category, "Count": 1}


def test_many_local_snapshots_are_one_finding() -> None:
    """Some are named and the rest are counted."""
    facts = disk_facts(snapshots=tuple(a_snapshot(snapshot_id=f"s-{n}", category="flash") for n in range(5)))
    found = assert_finds(CHECK, facts, "block", DISK_ID, CODE)

    assert "s-0, s-1, s-2 and 2 more" in found.message
