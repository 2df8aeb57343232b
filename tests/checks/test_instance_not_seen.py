"""When the instance of the disk cannot be seen."""

from __future__ import annotations

import pytest

from safe_reinit.checks.instance_not_seen import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, INSTANCE_ID, a_disk, disk_facts, unseen


def test_an_instance_that_was_seen() -> None:
    """An instance that ECS shows is no finding."""
    assert_silent(CHECK, disk_facts())


def test_an_instance_that_was_seen_although_another_read_failed() -> None:
    """What was seen counts, even if a later look was not answered."""
    assert_silent(CHECK, disk_facts(unseen=(unseen("DescribeInstances"),)))


@pytest.mark.parametrize("status", ["Available", "Creating"])
def test_a_disk_on_no_instance(status: str) -> None:
    """A disk that is attached to nothing is left to disk-not-in-use."""
    assert_silent(CHECK, disk_facts(disk=a_disk(status=status, instance_id=""), instance=None))


def test_a_shared_disk() -> None:
    """A multi-attach disk never names an instance and is left to disk-multi-attached."""
    assert_silent(CHECK, disk_facts(disk=a_disk(multi_attach="Enabled", instance_id=""), instance=None))


def test_no_disk() -> None:
    """A disk that was not seen names no instance."""
    assert_silent(CHECK, disk_facts(disk=None, instance=None, unseen=(unseen("DescribeInstances"),)))


def test_an_instance_without_the_right_to_see_it_stops() -> None:
    """The right that is missing is named."""
    facts = disk_facts(instance=None, unseen=(unseen("DescribeInstances"),))
    found = assert_finds(CHECK, facts, "block", INSTANCE_ID)

    assert "ecs:DescribeInstances" in found.fix
    assert "Forbidden.RAM" in found.message


def test_an_instance_that_ecs_does_not_show_stops() -> None:
    """With the right to see it, the person is sent to look what the disk is attached to."""
    found = assert_finds(CHECK, disk_facts(instance=None), "block", INSTANCE_ID)

    assert "no such instance" in found.message
    assert "Grant" not in found.fix


def test_a_disk_in_use_that_names_no_instance_stops() -> None:
    """Nobody can tell which machine a wipe of it would hit."""
    assert_finds(CHECK, disk_facts(disk=a_disk(instance_id=""), instance=None), "block", DISK_ID)
