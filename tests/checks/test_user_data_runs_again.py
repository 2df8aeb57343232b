"""What a system disk does at its next start."""

from __future__ import annotations

import pytest

from safe_reinit.checks.user_data_runs_again import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import SYSTEM_DISK_ID, disk_facts, stopping_facts, system_facts


def test_a_data_disk() -> None:
    """Wiping a data disk starts no system anew."""
    assert_silent(CHECK, disk_facts())
    assert_silent(CHECK, stopping_facts())


@pytest.mark.parametrize("gone", ["disk", "instance"])
def test_what_was_not_seen(gone: str) -> None:
    """Without the disk or the instance nothing is known."""
    assert_silent(CHECK, system_facts(**{gone: None}))


def test_a_system_disk_is_reported() -> None:
    """Whether there is user data is not seen, so it is told of each."""
    assert "user data" in assert_finds(CHECK, system_facts(), "info", SYSTEM_DISK_ID).message
