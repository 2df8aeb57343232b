"""When somebody protects the instance from deletion."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.deletion_protection import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, an_instance, disk_facts, stopping_facts

PROTECTED = {"instance": an_instance(deletion_protection=True)}


def test_an_instance_that_nobody_protects() -> None:
    """There is nothing to tell."""
    assert_silent(CHECK, disk_facts())
    assert_silent(CHECK, stopping_facts())


@pytest.mark.parametrize("changes", [{"instance": None}, {"disk": None, **PROTECTED}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the instance nothing is known."""
    assert_silent(CHECK, disk_facts(**changes))


def test_a_protected_instance_is_reported() -> None:
    """It says that the protection does not hold for its disks."""
    assert (
        "does not prevent the wipe of the disk"
        in assert_finds(CHECK, disk_facts(**PROTECTED), "info", INSTANCE_ID).message
    )
