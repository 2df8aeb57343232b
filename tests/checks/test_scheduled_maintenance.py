"""When ECS plans something for the instance."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.scheduled_maintenance import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, an_event, an_instance, disk_facts, options, products, stopping_facts, unseen

TYPES = [
    "SystemMaintenance.Reboot",
    "SystemMaintenance.Redeploy",
    "SystemFailure.Reboot",
    "InstanceFailure.Reboot",
    "InstanceExpiration.Stop",
    "InstanceExpiration.Delete",
    "AccountUnbalanced.Stop",
    "AccountUnbalanced.Delete",
    "Something.New",
]


def test_an_instance_without_events() -> None:
    """Where nothing is planned nothing is said."""
    assert_silent(CHECK, stopping_facts())


def test_events_that_could_not_be_looked_at() -> None:
    """Where nothing is known, not-checked speaks."""
    assert_silent(CHECK, stopping_facts(other_products=products(unanswered=(unseen("DescribeInstanceHistoryEvents"),))))


@pytest.mark.parametrize("status", ["Avoided", "Executed", "Canceled", "Failed"])
def test_an_event_that_has_ended(status: str) -> None:
    """What is over changes nothing any more."""
    assert_silent(CHECK, stopping_facts(other_products=products(events=(an_event(status=status),))))


@pytest.mark.parametrize("event_type", [each for each in TYPES if each.endswith((".Stop", ".Delete"))])
def test_an_event_that_cannot_start_a_stopped_instance(event_type: str) -> None:
    """The plan does nothing to the power of a stopped instance, and this event does not start it."""
    assert_silent(CHECK, disk_facts(other_products=products(events=(an_event(type=event_type),))))


@pytest.mark.parametrize(
    "changes",
    [
        {"instance": an_instance(status="Running")},
        {"instance": an_instance(status="Starting"), "options": options(stop_instance=True)},
        {"instance": None},
        {"disk": None},
    ],
)
def test_what_the_plan_does_not_touch(changes: dict[str, Any]) -> None:
    """Where the instance is neither stopped nor Stopped, the event is nobody's concern here."""
    assert_silent(CHECK, disk_facts(**{"other_products": products(events=(an_event(),)), **changes}))


@pytest.mark.parametrize("event_type", TYPES)
def test_every_event_of_an_instance_that_would_be_stopped_is_a_risk(event_type: str) -> None:
    """A maintenance, an expiry and a debt can all be in the way between the stop and the start."""
    facts = stopping_facts(other_products=products(events=(an_event(type=event_type),)))
    found = assert_finds(CHECK, facts, "risk", INSTANCE_ID)

    assert event_type in found.message
    assert "--accept scheduled-maintenance" in found.fix


@pytest.mark.parametrize("event_type", [each for each in TYPES if not each.endswith((".Stop", ".Delete"))])
def test_an_event_that_may_start_a_stopped_instance_is_a_risk(event_type: str) -> None:
    """A restart, a redeployment and what is not known may start it while the disk is wiped."""
    found = assert_finds(
        CHECK, disk_facts(other_products=products(events=(an_event(type=event_type),))), "risk", INSTANCE_ID
    )

    assert "may start it" in found.message


@pytest.mark.parametrize("status", ["Scheduled", "Executing", "Inquiring", "", "Pondering"])
def test_an_event_that_has_not_surely_ended_is_a_risk(status: str) -> None:
    """Whatever is planned, under way, asked about or not known counts."""
    assert_finds(CHECK, stopping_facts(other_products=products(events=(an_event(status=status),))), "risk", INSTANCE_ID)


def test_the_time_is_reported_where_it_is_known() -> None:
    """The planned time is in the message and in the facts, where ECS shows it."""
    timed = assert_finds(CHECK, stopping_facts(other_products=products(events=(an_event(),))), "risk", INSTANCE_ID)
    open_ended = stopping_facts(other_products=products(events=(an_event(not_before=None),)))
    untimed = assert_finds(CHECK, open_ended, "risk", INSTANCE_ID)

    assert "not before 2026-01-03T03:04:05Z" in timed.message
    assert "not before" not in untimed.message
    assert untimed.fact["NotBefore"] is None


def test_each_event_is_reported() -> None:
    """Two events are two findings."""
    events = (an_event(), an_event(event_id="e-2", type="InstanceExpiration.Stop"))

    assert len(list(CHECK.run(stopping_facts(other_products=products(events=events))))) == 2
