"""When the class of the disks allows nothing at this time of day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from safe_reinit.checks.outside_hours import CHECK
from safe_reinit.model import Hours
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DAY, NIGHT, NOW, disk_facts, guard, run_class


def test_no_class_and_a_class_of_any_hour() -> None:
    """Without a class, and in one without hours, the time means nothing."""
    assert_silent(CHECK, disk_facts())
    assert_silent(CHECK, disk_facts(guard=guard(class_=run_class())))


def test_within_the_hours() -> None:
    """In its hours a class is no reason to speak, whether or not it was in force when the plan was made."""
    assert_silent(CHECK, disk_facts(guard=guard(class_=run_class(hours=NIGHT))))
    assert_silent(CHECK, disk_facts(guard=guard(class_=run_class(hours=NIGHT, in_force=False))))


def test_a_class_that_allowed_nothing_is_reported() -> None:
    """Outside its hours a class allowed nothing, which is told with the hours and the time, and refuses nothing."""
    found = assert_finds(CHECK, disk_facts(guard=guard(class_=run_class(hours=DAY, in_force=False))), "info", "lab")

    assert "09:00-17:00 UTC" in found.message
    assert "03:04 UTC" in found.message


def test_a_plan_that_rests_on_hours_that_are_over() -> None:
    """A plan that was made in the hours is not begun outside them."""
    found = assert_finds(CHECK, disk_facts(guard=guard(class_=run_class(hours=DAY))), "block", "lab")

    assert "09:00-17:00 UTC" in found.message
    assert "09:00-17:00 UTC" in found.fix


@pytest.mark.parametrize(("minutes", "silent"), [(-5, False), (-4, True), (55, True), (56, False)])
def test_the_ends_of_the_window(minutes: int, *, silent: bool) -> None:
    """The first minute is in the window, the last is not: NOW is 03:04:05."""
    facts = disk_facts(now=NOW + timedelta(minutes=minutes), guard=guard(class_=run_class(hours=NIGHT)))

    assert (not list(CHECK.run(facts))) is silent


def test_hours_of_another_zone_are_reported_as_they_were_written() -> None:
    """The sentence has the zone of the window, and the time in UTC."""
    hours = Hours(60, 300, offset=8 * 60)
    found = assert_finds(CHECK, disk_facts(guard=guard(class_=run_class(hours=hours, in_force=False))), "info", "lab")

    assert "01:00-05:00 +08:00" in found.message
