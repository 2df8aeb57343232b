"""When the disk is locked."""

from __future__ import annotations

import pytest

from safe_reinit.checks.disk_locked import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, a_disk, an_instance, disk_facts


def test_no_lock() -> None:
    """Without a lock nothing is said."""
    assert_silent(CHECK, disk_facts())


def test_no_disk() -> None:
    """Of a disk that was not seen nothing is said."""
    assert_silent(CHECK, disk_facts(disk=None, instance=an_instance(locks=("security",))))


def test_a_lock_of_the_instance_is_left_to_its_own_check() -> None:
    """Each of the two checks speaks of its own thing."""
    assert_silent(CHECK, disk_facts(instance=an_instance(locks=("security",))))


@pytest.mark.parametrize(
    ("lock", "code"),
    [
        ("security", "InstanceLockedForSecurity"),
        ("Security", "InstanceLockedForSecurity"),
        ("financial", "InstanceExpiredOrInArrears"),
        ("Financial", "InstanceExpiredOrInArrears"),
        ("recycling", None),
        ("Recycling", None),
        ("dedicatedhostfinancial", None),
        ("refunded", None),
        ("moonlit", None),
    ],
)
def test_every_lock_stops(lock: str, code: str | None) -> None:
    """A documented reason predicts its code, any other stops without one."""
    found = assert_finds(CHECK, disk_facts(disk=a_disk(locks=(lock,))), "block", DISK_ID, code)

    assert lock in found.message
    assert found.fact == {"LockReason": lock}


def test_a_lock_without_a_reason_stops() -> None:
    """An empty reason is still a lock."""
    found = assert_finds(CHECK, disk_facts(disk=a_disk(locks=("",))), "block", DISK_ID)

    assert "the lock without a reason" in found.message


def test_each_lock_is_reported_once() -> None:
    """Two reasons are two findings, the same reason twice is one."""
    facts = disk_facts(disk=a_disk(locks=("security", "financial", "security")))

    assert [finding.fact["LockReason"] for finding in CHECK.run(facts)] == ["security", "financial"]
