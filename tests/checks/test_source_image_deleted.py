"""When the image the disk was made from is gone."""

from __future__ import annotations

import pytest

from safe_reinit.checks.source_image_deleted import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import (
    DISK_ID,
    IMAGE_ID,
    SYSTEM_DISK_ID,
    a_disk,
    a_system_disk,
    an_image,
    disk_facts,
    system_facts,
    unseen,
)


def test_a_blank_data_disk() -> None:
    """A data disk that was made from no image is no finding."""
    assert_silent(CHECK, disk_facts())


def test_an_image_that_is_there() -> None:
    """An image that ECS shows is no finding, whatever its status."""
    assert_silent(CHECK, system_facts(image=an_image(status="Deprecated")))


@pytest.mark.parametrize("image_id", ["m-1", IMAGE_ID])
def test_images_that_could_not_be_looked_at(image_id: str) -> None:
    """Without an answer to rely on, a missing image says nothing."""
    facts = system_facts(disk=a_system_disk(image_id=image_id), image=None, unseen=(unseen("DescribeImages"),))

    assert_silent(CHECK, facts)


def test_no_disk() -> None:
    """A disk that was not seen names no image."""
    assert_silent(CHECK, disk_facts(disk=None))


def test_a_custom_image_that_is_gone_stops() -> None:
    """A custom image that is deleted or not shared any more takes the way back with it."""
    facts = system_facts(disk=a_system_disk(image_id="m-1"), image=None)
    found = assert_finds(CHECK, facts, "block", SYSTEM_DISK_ID, "InvalidImageId.NotFound")

    assert "m-1" in found.message
    assert "ReplaceSystemDisk" in found.fix


def test_a_data_disk_is_judged_by_its_image_too() -> None:
    """ReplaceSystemDisk is no way out for a data disk, so it is not named."""
    facts = disk_facts(disk=a_disk(image_id="m-1"))
    found = assert_finds(CHECK, facts, "block", DISK_ID, "InvalidImageId.NotFound")

    assert "ReplaceSystemDisk" not in found.fix


def test_a_public_image_that_is_not_listed_is_a_risk() -> None:
    """A public image may only be retired, so its absence proves nothing."""
    found = assert_finds(CHECK, system_facts(image=None), "risk", SYSTEM_DISK_ID, "InvalidImageId.NotFound")

    assert IMAGE_ID in found.message


def test_a_system_disk_that_names_no_image_is_a_risk() -> None:
    """What it would go back to cannot be told."""
    facts = system_facts(disk=a_system_disk(image_id=""), image=None)

    assert_finds(CHECK, facts, "risk", SYSTEM_DISK_ID, "InvalidImageId.NotFound")


def test_the_other_codes_of_the_same_fact_are_foreseen() -> None:
    """ECS has three codes for an image that is gone."""
    assert set(CHECK.predicts) == {
        "InvalidImageId.NotFound",
        "SharedImageDeleted",
        "InvalidDiskId.OperationNotSupported",
    }
