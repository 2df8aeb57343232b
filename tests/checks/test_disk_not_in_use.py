"""When the disk is not In_use."""

from __future__ import annotations

import pytest

from safe_reinit.checks.disk_not_in_use import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, a_disk, disk_facts


def test_a_disk_in_use() -> None:
    """A disk that is In_use is no finding."""
    assert_silent(CHECK, disk_facts())


def test_no_disk() -> None:
    """A disk that was not seen has no status to judge."""
    assert_silent(CHECK, disk_facts(disk=None))


@pytest.mark.parametrize("status", ["Available", "Attaching", "Detaching", "Creating", "ReIniting", "In_Use", "Odd"])
def test_any_other_status_stops(status: str) -> None:
    """Every other status stops, a word that nobody knows too."""
    found = assert_finds(CHECK, disk_facts(disk=a_disk(status=status)), "block", DISK_ID, "IncorrectDiskStatus")

    assert status in found.message
    assert found.fact == {"Status": status}
    assert ("already being wiped" in found.fix) == (status == "ReIniting"), "attaching helps nobody there"


def test_no_status_stops() -> None:
    """A disk without a status stops, and the sentence is whole."""
    found = assert_finds(CHECK, disk_facts(disk=a_disk(status="")), "block", DISK_ID, "IncorrectDiskStatus")

    assert found.message.startswith("The disk is without a status")
