"""When the disk is a local disk."""

from __future__ import annotations

import pytest

from safe_reinit.checks.category_unsupported import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, a_disk, disk_facts


@pytest.mark.parametrize(
    "category", ["cloud", "cloud_essd", "elastic_ephemeral_disk_standard", "cloud_tomorrow", "local", ""]
)
def test_a_disk_that_is_not_local(category: str) -> None:
    """Cloud disks are no finding, and doubtful words are left to category-unknown."""
    assert_silent(CHECK, disk_facts(disk=a_disk(category=category)))


def test_no_disk() -> None:
    """A disk that was not seen is not judged."""
    assert_silent(CHECK, disk_facts(disk=None))


@pytest.mark.parametrize("category", ["local_ssd_pro", "local_hdd_pro", "ephemeral", "ephemeral_ssd", "Ephemeral_SSD"])
def test_a_local_disk_stops(category: str) -> None:
    """Each of the local categories stops, however it is written."""
    facts = disk_facts(disk=a_disk(category=category))
    found = assert_finds(CHECK, facts, "block", DISK_ID, "DiskCategory.OperationNotSupported")

    assert category in found.message
