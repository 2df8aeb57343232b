"""When these credentials may not start the instance."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.not_allowed_to_start import CHECK
from safe_reinit.model import DiskFacts
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, an_instance, options, stopping_facts


def facts_of(answer: str, **changes: Any) -> DiskFacts:
    """Return an instance that would be stopped, and what the DryRun answered."""
    return stopping_facts(**({"dry_run_codes": {"StartInstance": answer, "StopInstance": "DryRunOperation"}} | changes))


def test_a_right_that_is_proven() -> None:
    """DryRunOperation is ECS's word for: it would have been done."""
    assert_silent(CHECK, facts_of("DryRunOperation"))


def test_a_right_that_was_not_asked_for() -> None:
    """Where nothing was asked, nothing is known and nothing is said."""
    assert_silent(CHECK, stopping_facts(dry_run_codes={}))


def test_the_other_right_is_left_to_its_own_check() -> None:
    """Each of the two checks speaks of its own call."""
    assert_silent(CHECK, stopping_facts(dry_run_codes={"StopInstance": "Forbidden.RAM"}))


@pytest.mark.parametrize("answer", ["Forbidden.RAM", "IncorrectInstanceStatus"])
@pytest.mark.parametrize(
    "changes",
    [
        {"instance": an_instance()},
        {"instance": an_instance(status="Starting")},
        {"instance": None},
        {"options": options()},
        {"disk": None},
    ],
)
def test_a_call_that_the_plan_does_not_make(answer: str, changes: dict[str, Any]) -> None:
    """Where the instance is not stopped, the right to it is nobody's concern."""
    assert_silent(CHECK, facts_of(answer, **changes))


@pytest.mark.parametrize("answer", ["Forbidden", "Forbidden.RAM", "Forbidden.Unauthorized", "NoPermission"])
def test_a_right_that_is_missing_stops(answer: str) -> None:
    """The right and the instance it is needed on are named."""
    found = assert_finds(CHECK, facts_of(answer), "block", INSTANCE_ID)

    assert answer in found.message
    assert "ecs:StartInstance" in found.fix
    assert f"instance/{INSTANCE_ID}" in found.fix


def test_the_answer_of_every_running_instance_is_not_reported() -> None:
    """It is asked for its Forbidden; IncorrectInstanceStatus is what every healthy instance answers."""
    assert_silent(CHECK, facts_of("IncorrectInstanceStatus"))


@pytest.mark.parametrize("answer", ["Throttling.User", "InternalError", ""])
def test_any_other_answer_proves_nothing(answer: str) -> None:
    """It is told, and stops nobody."""
    found = assert_finds(CHECK, facts_of(answer), "info", INSTANCE_ID)

    assert "proves nothing" in found.message
    assert "ecs:StartInstance" in found.fix


def test_leaving_it_stopped_needs_the_right_too() -> None:
    """A wipe that ECS refuses must bring the machine back, so the right is needed all the same."""
    facts = facts_of("Forbidden.RAM", options=options(stop_instance=True, leave_stopped=True))
    found = assert_finds(CHECK, facts, "block", INSTANCE_ID)

    assert "if ECS refuses the wipe" in found.message


def test_without_leaving_it_stopped_it_would_stay_down() -> None:
    """What a missing right means is said: a machine that stays down."""
    found = assert_finds(CHECK, facts_of("Forbidden.RAM"), "block", INSTANCE_ID)

    assert "stay down after the wipe" in found.message
