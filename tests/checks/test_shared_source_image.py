"""When the image the disk goes back to belongs to somebody else."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.shared_source_image import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import SYSTEM_DISK_ID, an_image, disk_facts, system_facts


@pytest.mark.parametrize("owner", ["system", "self", "marketplace", ""])
def test_an_image_that_nobody_shares(owner: str) -> None:
    """A public image, one of this account and one of the marketplace are not shared by another account."""
    assert_silent(CHECK, system_facts(image=an_image(owner_alias=owner)))


@pytest.mark.parametrize("changes", [{"disk": None, "image": an_image(owner_alias="others")}, {"image": None}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the image nothing is known."""
    assert_silent(CHECK, disk_facts(**changes))


@pytest.mark.parametrize(("owner", "public"), [("others", False), ("Others", False), ("others", True)])
def test_an_image_of_another_account_is_reported(owner: str, public: bool) -> None:
    """Whether it is shared with this account or with everybody, its owner can end it."""
    image = an_image(image_id="m-theirs", owner_alias=owner, is_public=public)

    assert "m-theirs" in assert_finds(CHECK, system_facts(image=image), "info", SYSTEM_DISK_ID).message
