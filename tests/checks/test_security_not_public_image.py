"""When security hardening was asked for and the image is not a public one."""

from __future__ import annotations

import pytest

from safe_reinit.checks.security_not_public_image import CHECK
from safe_reinit.model import Image
from tests.checks.tools import assert_finds, assert_silent
from tests.values import SYSTEM_DISK_ID, a_disk, an_image, disk_facts, options, system_facts

ACTIVE = options(security_enhancement="Active")
CUSTOM = an_image(image_id="m-1", owner_alias="self", is_public=False)


@pytest.mark.parametrize("word", ["", "Deactive"])
def test_it_was_not_asked_for(word: str) -> None:
    """Every image can go without it."""
    assert_silent(CHECK, system_facts(image=CUSTOM, options=options(security_enhancement=word)))


@pytest.mark.parametrize(
    "image", [an_image(), an_image(is_public=False), an_image(owner_alias="others"), an_image(owner_alias="System")]
)
def test_a_public_image(image: Image) -> None:
    """An image of Alibaba Cloud, or one that is public, is no finding."""
    assert_silent(CHECK, system_facts(image=image, options=ACTIVE))


def test_an_image_that_was_not_seen() -> None:
    """What is not known to be a custom image is not judged."""
    assert_silent(CHECK, system_facts(image=None, options=ACTIVE))


def test_a_data_disk() -> None:
    """The option for a data disk is left to option-for-system-disk-only."""
    assert_silent(CHECK, disk_facts(disk=a_disk(image_id="m-1"), image=CUSTOM, options=ACTIVE))


def test_no_disk() -> None:
    """A disk that was not seen goes back to nothing."""
    assert_silent(CHECK, system_facts(disk=None, image=CUSTOM, options=ACTIVE))


@pytest.mark.parametrize("owner", ["self", "others", "marketplace", ""])
def test_any_other_image_stops(owner: str) -> None:
    """Custom, shared and marketplace images have no hardening to switch on."""
    facts = system_facts(image=an_image(image_id="m-1", owner_alias=owner, is_public=False), options=ACTIVE)
    found = assert_finds(CHECK, facts, "block", SYSTEM_DISK_ID)

    assert "m-1" in found.message


def test_it_judges_an_option() -> None:
    """No world can show it without --security-enhancement."""
    assert CHECK.of_options
