"""When the run has more disks than it may have."""

from __future__ import annotations

import pytest

from safe_reinit.checks.too_many_disks import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import disk_facts, guard, run_class


@pytest.mark.parametrize(("disks", "most"), [(1, 1), (1, 10), (10, 10), (60, 60)])
def test_as_many_as_there_may_be(disks: int, most: int) -> None:
    """Up to the number, the number included, nothing is said."""
    assert_silent(CHECK, disk_facts(guard=guard(disks=disks, max_disks=most)))


@pytest.mark.parametrize(("disks", "most"), [(2, 1), (11, 10)])
def test_one_too_many(disks: int, most: int) -> None:
    """One more is refused, as a thing of the whole run, with both numbers and the option."""
    found = assert_finds(CHECK, disk_facts(guard=guard(disks=disks, max_disks=most)), "block", "run")

    assert f"{disks} disks" in found.message
    assert str(most) in found.message
    assert f"add --max-disks {disks}." in found.fix


def test_one_too_many_for_a_class() -> None:
    """The number of a class is raised in the class, not by an option."""
    used = run_class(allowed=("stop_instance", "max_disks 2"))
    found = assert_finds(CHECK, disk_facts(guard=guard(disks=3, max_disks=2, class_=used)), "block", "run")

    assert "--max-disks" not in found.fix
    assert "class lab" in found.fix


def test_it_is_also_reported_for_a_disk_that_was_not_seen() -> None:
    """How many there are does not depend on what is seen of them."""
    assert_finds(CHECK, disk_facts(disk=None, instance=None, guard=guard(disks=11)), "block", "run")
