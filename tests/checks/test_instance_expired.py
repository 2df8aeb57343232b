"""When the subscription of the instance has expired."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from safe_reinit.checks.instance_expired import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, NOW, TOMORROW, YESTERDAY, a_disk, an_instance, disk_facts


def test_pay_as_you_go() -> None:
    """What has no subscription cannot expire, whatever ExpiredTime shows."""
    assert_silent(CHECK, disk_facts(instance=an_instance(charge_type="PostPaid", expired_time=YESTERDAY)))


@pytest.mark.parametrize("expired_time", [TOMORROW, NOW, None])
def test_a_subscription_that_lasts(expired_time: datetime | None) -> None:
    """A subscription up to now, later, or without an end is no finding."""
    assert_silent(CHECK, disk_facts(instance=an_instance(charge_type="PrePaid", expired_time=expired_time)))


def test_no_charge_type() -> None:
    """What shows no way of payment is not judged."""
    assert_silent(CHECK, disk_facts(instance=an_instance(charge_type="", expired_time=YESTERDAY)))


def test_no_disk() -> None:
    """Of a disk that was not seen nothing is said."""
    gone = an_instance(charge_type="PrePaid", expired_time=YESTERDAY)

    assert_silent(CHECK, disk_facts(disk=None, instance=gone))


def test_an_expired_subscription_stops() -> None:
    """The time it expired at is told."""
    facts = disk_facts(instance=an_instance(charge_type="PrePaid", expired_time=YESTERDAY))
    found = assert_finds(CHECK, facts, "block", INSTANCE_ID, "InstanceExpiredOrInArrears")

    assert "2026-01-01T03:04:05Z" in found.message


def test_the_time_is_that_of_the_answer() -> None:
    """Expiry is judged by the time ECS gave, not by the local clock."""
    facts = disk_facts(instance=an_instance(charge_type="PrePaid", expired_time=TOMORROW), now=TOMORROW + timedelta(1))

    assert_finds(CHECK, facts, "block", INSTANCE_ID, "InstanceExpiredOrInArrears")


def test_the_disk_is_left_to_its_own_check() -> None:
    """An expired disk does not make the instance an expired one."""
    assert_silent(CHECK, disk_facts(disk=a_disk(charge_type="PrePaid", expired_time=YESTERDAY)))


def test_no_instance() -> None:
    """An instance that was not seen is left to instance-not-seen."""
    assert_silent(CHECK, disk_facts(instance=None))
