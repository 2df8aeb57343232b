"""When the snapshot the disk was made from is gone."""

from __future__ import annotations

from safe_reinit.checks.source_snapshot_deleted import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, a_disk, a_snapshot, a_system_disk, an_image, disk_facts, system_facts, unseen


def test_a_blank_disk() -> None:
    """A disk that was made from no snapshot goes back to empty."""
    assert_silent(CHECK, disk_facts())


def test_a_snapshot_that_is_there() -> None:
    """A source that ECS shows is no finding."""
    facts = disk_facts(
        disk=a_disk(source_snapshot_id="s-1"), source_snapshot=a_snapshot(snapshot_id="s-1", source_disk_id="d-0")
    )

    assert_silent(CHECK, facts)


def test_a_system_disk() -> None:
    """A system disk goes back to its image, whatever snapshot it names."""
    assert_silent(CHECK, system_facts(disk=a_system_disk(source_snapshot_id="s-1")))


def test_snapshots_that_could_not_be_looked_at() -> None:
    """Without the right to look, a missing snapshot says nothing."""
    facts = disk_facts(disk=a_disk(source_snapshot_id="s-1"), unseen=(unseen("DescribeSnapshots"),))

    assert_silent(CHECK, facts)


def test_no_disk() -> None:
    """A disk that was not seen names no source."""
    assert_silent(CHECK, disk_facts(disk=None))


def test_a_snapshot_that_is_gone_stops() -> None:
    """A data disk that names nothing else has nowhere to go back to."""
    facts = disk_facts(disk=a_disk(source_snapshot_id="s-1"))
    found = assert_finds(CHECK, facts, "block", DISK_ID, "InvalidSourceSnapshot")

    assert "s-1" in found.message


def test_a_disk_that_names_an_image_too_is_a_risk() -> None:
    """Which of the two it goes back to is not documented, so a person may try."""
    facts = disk_facts(disk=a_disk(source_snapshot_id="s-1", image_id="m-1"), image=an_image(image_id="m-1"))
    found = assert_finds(CHECK, facts, "risk", DISK_ID, "InvalidSourceSnapshot")

    assert "m-1" in found.message


def test_another_missing_read_does_not_hide_it() -> None:
    """Only DescribeSnapshots decides whether the source could be seen."""
    facts = disk_facts(disk=a_disk(source_snapshot_id="s-1"), unseen=(unseen("DescribeImages"),))

    assert_finds(CHECK, facts, "block", DISK_ID, "InvalidSourceSnapshot")


def test_the_second_code_of_the_same_fact_is_foreseen() -> None:
    """ECS has two codes for a source snapshot that is deleted."""
    assert CHECK.predicts == ("InvalidSourceSnapshot", "OperationDenied")
