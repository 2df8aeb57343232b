"""When a snapshot of the disk has instant access."""

from __future__ import annotations

from safe_reinit.checks.instant_access_snapshot import CHECK
from safe_reinit.checks.local_snapshot import CODE
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, a_snapshot, disk_facts

LEGACY = a_snapshot(snapshot_id="s-old", instant_access=True, instant_access_retention_days=30)
NEW = a_snapshot(snapshot_id="s-new", instant_access=True)


def test_a_snapshot_without_instant_access() -> None:
    """An ordinary snapshot is no finding."""
    assert_silent(CHECK, disk_facts())


def test_retention_days_of_a_snapshot_without_instant_access() -> None:
    """Days without instant access mean nothing."""
    assert_silent(CHECK, disk_facts(snapshots=(a_snapshot(instant_access_retention_days=30),)))


def test_no_snapshots() -> None:
    """Without snapshots nothing is said."""
    assert_silent(CHECK, disk_facts(snapshots=()))


def test_no_disk() -> None:
    """A disk that was not seen has no snapshots to speak of."""
    assert_silent(CHECK, disk_facts(disk=None, snapshots=(LEGACY,)))


def test_retention_days_are_a_risk() -> None:
    """They hint at the legacy kind, with which ECS refuses."""
    found = assert_finds(CHECK, disk_facts(snapshots=(LEGACY,)), "risk", DISK_ID, CODE)

    assert "s-old" in found.message
    assert found.fact["InstantAccessRetentionDays"] == 30


def test_the_new_kind_is_reported() -> None:
    """Without retention days it seems to be the new kind, with which ECS does not refuse."""
    found = assert_finds(CHECK, disk_facts(snapshots=(NEW,)), "info", DISK_ID, CODE)

    assert "s-new" in found.message


def test_both_kinds_are_distinguished() -> None:
    """The risk comes first, and each names its own snapshots."""
    findings = list(CHECK.run(disk_facts(snapshots=(NEW, LEGACY))))

    assert [(finding.level, finding.fact["SnapshotId"]) for finding in findings] == [
        ("risk", "s-old"),
        ("info", "s-new"),
    ]
