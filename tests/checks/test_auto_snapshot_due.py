"""When an automatic snapshot of the disk is due."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from safe_reinit.checks.auto_snapshot_due import CHECK
from safe_reinit.model import DiskFacts
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, a_disk, a_policy, disk_facts, options, products, unseen

EVERY_HOUR, EVERY_DAY = tuple(range(24)), (1, 2, 3, 4, 5, 6, 7)
# 2026-01-02 is a Friday. 03:04 UTC is 11:04 in UTC+8, of the same day.


def facts_of(policy: Any, **changes: Any) -> DiskFacts:
    """Return a disk with this policy."""
    return disk_facts(
        **{
            "disk": a_disk(auto_snapshot_policy_id="sp-1"),
            "other_products": products(auto_snapshot_policy=policy),
            **changes,
        }
    )


def test_a_disk_without_a_policy() -> None:
    """Where no snapshot is taken by itself none is due."""
    assert_silent(CHECK, disk_facts())


def test_a_policy_that_is_not_due() -> None:
    """Tomorrow's snapshot is in nobody's way."""
    assert_silent(CHECK, facts_of(a_policy()))


@pytest.mark.parametrize("hours", [(3, 4, 5), (11,), (10,), (14,), (15, 16)])
def test_hours_outside_the_window(hours: tuple[int, ...]) -> None:
    """The hours are of UTC+8: 3 to 5 are over there, 11 has begun, and 14 comes after two hours."""
    assert_silent(CHECK, facts_of(a_policy(hours=hours, weekdays=EVERY_DAY)))


@pytest.mark.parametrize("weekdays", [(4,), (6,), (1, 2, 3)])
def test_other_days(weekdays: tuple[int, ...]) -> None:
    """The days are of UTC+8 too, Monday is 1."""
    assert_silent(CHECK, facts_of(a_policy(hours=EVERY_HOUR, weekdays=weekdays)))


def test_a_policy_that_is_expired() -> None:
    """An account in arrears gets no automatic snapshots."""
    assert_silent(CHECK, facts_of(a_policy(hours=EVERY_HOUR, weekdays=EVERY_DAY, status="Expire")))


def test_a_policy_that_could_not_be_looked_at() -> None:
    """Where nothing is known, not-checked speaks."""
    assert_silent(CHECK, facts_of(None, other_products=products(unanswered=(unseen("DescribeAutoSnapshotPolicyEx"),))))


@pytest.mark.parametrize("disk", [None, a_disk(), a_disk(auto_snapshot_policy_id="sp-2")])
def test_a_policy_of_no_disk_or_another(disk: Any) -> None:
    """A policy that the disk does not have says nothing of it."""
    policy = a_policy(hours=EVERY_HOUR, weekdays=EVERY_DAY)

    assert_silent(CHECK, facts_of(policy, disk=disk))


@pytest.mark.parametrize(
    ("hours", "due"),
    [((12,), "2026-01-02T04:00:00Z"), ((13,), "2026-01-02T05:00:00Z"), ((13, 12, 3), "2026-01-02T04:00:00Z")],
)
def test_the_first_point_in_time_within_two_hours_is_reported(hours: tuple[int, ...], due: str) -> None:
    """It is told in UTC, with the code that would come meanwhile, and asks for nothing."""
    found = assert_finds(CHECK, facts_of(a_policy(hours=hours, weekdays=(5,))), "info", DISK_ID, "DiskCreatingSnapshot")

    assert due in found.message
    assert found.fact == {"AutoSnapshotPolicyId": "sp-1", "Due": due}


@pytest.mark.parametrize("status", ["Normal", "", "Whatever"])
def test_every_status_but_expired_takes_snapshots(status: str) -> None:
    """What is not known to be off is on."""
    policy = a_policy(hours=(12,), weekdays=(5,), status=status)

    assert_finds(CHECK, facts_of(policy), "info", DISK_ID, "DiskCreatingSnapshot")


@pytest.mark.parametrize(
    ("now", "weekday"),
    [
        (datetime(2026, 1, 2, 15, 30, tzinfo=UTC), 6),
        (datetime(2026, 1, 2, 16, 0, tzinfo=UTC), 6),
        (datetime(2026, 1, 4, 15, 30, tzinfo=UTC), 1),
    ],
    ids=["before midnight", "at midnight", "into Monday"],
)
def test_midnight_is_that_of_utc_plus_8(now: datetime, weekday: int) -> None:
    """The day of a point in time is the day it has in UTC+8; a point that is now is due."""
    policy = a_policy(hours=(0,), weekdays=(weekday,))

    assert_finds(CHECK, facts_of(policy, now=now), "info", DISK_ID, "DiskCreatingSnapshot")


@pytest.mark.parametrize("now", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_the_ends_of_time(now: datetime) -> None:
    """A clock beyond reason breaks nothing."""
    list(CHECK.run(facts_of(a_policy(hours=EVERY_HOUR, weekdays=EVERY_DAY), now=now)))


def test_an_undo_is_refused_alike() -> None:
    """What would be refused is named after what would be called."""
    policy = a_policy(hours=(12,), weekdays=(5,))
    facts = facts_of(policy, options=options(undo="r-1"))

    assert "refuses ResetDisk" in assert_finds(CHECK, facts, "info", DISK_ID, "DiskCreatingSnapshot").message
