"""When the image the disk was made from is not Available."""

from __future__ import annotations

import pytest

from safe_reinit.checks.source_image_not_available import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, SYSTEM_DISK_ID, a_disk, an_image, disk_facts, system_facts


def test_an_available_image() -> None:
    """An Available image is no finding."""
    assert_silent(CHECK, system_facts())


def test_no_image() -> None:
    """An image that is gone is left to source-image-deleted."""
    assert_silent(CHECK, system_facts(image=None))


def test_no_disk() -> None:
    """A disk that was not seen goes back to nothing."""
    assert_silent(CHECK, disk_facts(disk=None, image=an_image(status="UnAvailable")))


@pytest.mark.parametrize("status", ["Creating", "Waiting", "UnAvailable", "CreateFailed", "Deprecated", "Odd"])
def test_any_other_status_is_a_risk(status: str) -> None:
    """Nothing says what ReInitDisk does with such an image, so a person may try."""
    found = assert_finds(CHECK, system_facts(image=an_image(status=status)), "risk", SYSTEM_DISK_ID)

    assert status in found.message


def test_a_data_disk_is_judged_by_its_image_too() -> None:
    """A data disk that was made from an image goes back to it as well."""
    facts = disk_facts(disk=a_disk(image_id="m-1"), image=an_image(image_id="m-1", status=""))

    assert_finds(CHECK, facts, "risk", DISK_ID)
