"""When the disk is no longer in the class that the plan rests on."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.not_in_class import CHECK
from safe_reinit.model import Match
from tests.checks.tools import assert_finds, assert_silent
from tests.values import ACCOUNT, DISK_ID, LAB, REGION, a_disk, an_instance, disk_facts, guard, run_class

WHOLE = Match(accounts=(ACCOUNT,), regions=(REGION,), tags=LAB)


def test_a_plan_without_a_class() -> None:
    """Where nothing came from a class, tags mean nothing."""
    assert_silent(CHECK, disk_facts())
    assert_silent(CHECK, disk_facts(guard=guard(class_=run_class(in_force=False))))


def test_a_disk_that_is_still_in_its_class() -> None:
    """A disk that matches as it did is left alone."""
    assert_silent(CHECK, disk_facts(instance=an_instance(tags=LAB), guard=guard(class_=run_class(match=WHOLE))))


@pytest.mark.parametrize(
    "changes",
    [
        {"instance": an_instance(tags=())},
        {"instance": an_instance(tags=(("env", "live"),))},
        {"instance": an_instance(tags=LAB), "disk": a_disk(tags=(("env", "live"),))},
        {"instance": an_instance(tags=LAB), "account": "2"},
        {"instance": an_instance(tags=LAB), "region": "cn-beijing"},
    ],
)
def test_a_disk_that_left_its_class(changes: dict[str, Any]) -> None:
    """Whatever of the match is not so any more refuses."""
    assert_finds(CHECK, disk_facts(**changes, guard=guard(class_=run_class(match=WHOLE))), "block", DISK_ID)


@pytest.mark.parametrize("changes", [{"disk": None, "instance": None}, {"instance": None}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Of what was not seen other checks speak."""
    assert_silent(CHECK, disk_facts(**changes, guard=guard(class_=run_class())))
