"""When it is not documented whether the category can be wiped."""

from __future__ import annotations

import pytest

from safe_reinit.checks.category_unknown import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, a_disk, disk_facts


@pytest.mark.parametrize(
    "category",
    [
        "cloud",
        "cloud_efficiency",
        "cloud_ssd",
        "cloud_essd",
        "cloud_auto",
        "cloud_essd_entry",
        "cloud_regional_disk_auto",
        "Cloud_ESSD",
    ],
)
def test_a_documented_cloud_disk(category: str) -> None:
    """The cloud disks that the API reference names are no finding."""
    assert_silent(CHECK, disk_facts(disk=a_disk(category=category)))


@pytest.mark.parametrize("category", ["local_ssd_pro", "local_hdd_pro", "ephemeral", "ephemeral_ssd"])
def test_a_local_disk(category: str) -> None:
    """A local disk is known not to work and is left to category-unsupported."""
    assert_silent(CHECK, disk_facts(disk=a_disk(category=category)))


def test_no_disk() -> None:
    """A disk that was not seen is not judged."""
    assert_silent(CHECK, disk_facts(disk=None))


@pytest.mark.parametrize(
    "category", ["elastic_ephemeral_disk_standard", "elastic_ephemeral_disk_premium", "cloud_tomorrow"]
)
def test_an_undocumented_category_is_a_risk(category: str) -> None:
    """ECS itself refuses without harm, so a person may try."""
    facts = disk_facts(disk=a_disk(category=category))
    found = assert_finds(CHECK, facts, "risk", DISK_ID, "DiskCategory.OperationNotSupported")

    assert category in found.message


def test_no_category_is_a_risk() -> None:
    """A disk that shows no category is as doubtful as an unknown one."""
    facts = disk_facts(disk=a_disk(category=""))
    found = assert_finds(CHECK, facts, "risk", DISK_ID, "DiskCategory.OperationNotSupported")

    assert "not shown" in found.message
