"""When the instance or the disk is gone or expired within a day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from safe_reinit.checks.release_or_expiry_soon import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, INSTANCE_ID, LONG_AGO, NOW, TOMORROW, YESTERDAY, a_disk, an_instance, disk_facts

SOON = NOW + timedelta(hours=23)
PAID: dict[str, Any] = {"charge_type": "PrePaid"}


def test_nothing_that_ends() -> None:
    """What is paid by use and has no release time goes on."""
    assert_silent(CHECK, disk_facts())


@pytest.mark.parametrize("at", [TOMORROW, TOMORROW + timedelta(days=30)])
def test_an_end_that_is_a_day_away_or_more(at: Any) -> None:
    """24 hours are enough."""
    paid = an_instance(**PAID, expired_time=at, auto_release_time=at)

    assert_silent(CHECK, disk_facts(instance=paid, disk=a_disk(**PAID, expired_time=at)))


def test_what_is_paid_by_use_does_not_expire() -> None:
    """An ExpiredTime of something that is paid by use is an empty word of ECS."""
    facts = disk_facts(instance=an_instance(expired_time=SOON), disk=a_disk(expired_time=SOON))

    assert_silent(CHECK, facts)


@pytest.mark.parametrize("at", [YESTERDAY, LONG_AGO, None])
def test_what_has_expired_already_is_left_to_other_checks(at: Any) -> None:
    """instance-expired and disk-expired block it."""
    facts = disk_facts(instance=an_instance(**PAID, expired_time=at), disk=a_disk(**PAID, expired_time=at))

    assert_silent(CHECK, facts)


def test_what_was_not_seen() -> None:
    """Without the disk nothing is said; without the instance only of the disk."""
    soon = an_instance(auto_release_time=SOON)

    assert_silent(CHECK, disk_facts(disk=None, instance=soon))
    assert_silent(CHECK, disk_facts(instance=None))


@pytest.mark.parametrize("at", [SOON, NOW, YESTERDAY])
def test_a_release_within_a_day_is_a_risk(at: Any) -> None:
    """A release time that has passed with the instance still there is one at any moment."""
    found = assert_finds(CHECK, disk_facts(instance=an_instance(auto_release_time=at)), "risk", INSTANCE_ID)

    assert "AutoReleaseTime" in found.fact


def test_a_subscription_of_the_instance_that_ends_within_a_day_is_a_risk() -> None:
    """From then on ECS refuses the start."""
    facts = disk_facts(instance=an_instance(charge_type="prepaid", expired_time=SOON))
    found = assert_finds(CHECK, facts, "risk", INSTANCE_ID)

    assert "2026-01-03T02:04:05Z" in found.message


def test_a_subscription_of_the_disk_that_ends_within_a_day_is_a_risk() -> None:
    """The disk is paid for by itself."""
    assert_finds(CHECK, disk_facts(disk=a_disk(**PAID, expired_time=SOON)), "risk", DISK_ID)


def test_each_end_is_reported() -> None:
    """Release, the instance's subscription and the disk's are three things to mend."""
    ending = an_instance(**PAID, expired_time=SOON, auto_release_time=SOON)
    found = list(CHECK.run(disk_facts(instance=ending, disk=a_disk(**PAID, expired_time=SOON))))

    assert [each.subject for each in found] == [INSTANCE_ID, INSTANCE_ID, DISK_ID]
    assert len({each.message for each in found}) == 3
