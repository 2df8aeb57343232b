"""When ECS shows no such disk."""

from __future__ import annotations

from safe_reinit.checks.disk_not_found import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, disk_facts, unseen


def test_a_disk_that_is_there() -> None:
    """A disk that ECS shows is no finding."""
    assert_silent(CHECK, disk_facts())


def test_a_disk_that_could_not_be_looked_at() -> None:
    """Without the right to look, an empty answer says nothing."""
    assert_silent(CHECK, disk_facts(disk=None, unseen=(unseen("DescribeDisks"),)))


def test_a_disk_that_is_not_there() -> None:
    """The id that was asked for is named, with the region it was looked for in."""
    found = assert_finds(
        CHECK, disk_facts(disk=None, disk_id="d-gone", instance=None), "block", "d-gone", "InvalidDiskId.NotFound"
    )

    assert "cn-hangzhou" in found.message
    assert "--region" in found.fix


def test_another_missing_read_does_not_hide_it() -> None:
    """Only DescribeDisks decides whether the disk could be seen."""
    facts = disk_facts(disk=None, instance=None, unseen=(unseen("DescribeSnapshots"),))

    assert_finds(CHECK, facts, "block", DISK_ID, "InvalidDiskId.NotFound")
