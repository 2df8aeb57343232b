"""When the instance is Running and stopping it was not allowed."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.instance_running import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, an_instance, disk_facts, options, stopping_facts


def test_a_stopped_instance() -> None:
    """A Stopped instance needs no permission."""
    assert_silent(CHECK, disk_facts())


def test_a_running_instance_that_may_be_stopped() -> None:
    """With --stop-instance a Running instance is no finding."""
    assert_silent(CHECK, stopping_facts())


@pytest.mark.parametrize("status", ["Starting", "Stopping", "Pending", "Odd", ""])
def test_a_transition_is_left_to_another_check(status: str) -> None:
    """Every other status is left to instance-in-transition."""
    assert_silent(CHECK, disk_facts(instance=an_instance(status=status)))


@pytest.mark.parametrize("changes", [{"instance": None}, {"disk": None, "instance": an_instance(status="Running")}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the instance there is no status to judge."""
    assert_silent(CHECK, disk_facts(**changes))


def test_a_running_instance_stops() -> None:
    """Downtime is never begun unasked, and the option that allows it is named."""
    facts = disk_facts(instance=an_instance(status="Running"))
    found = assert_finds(CHECK, facts, "block", INSTANCE_ID, "IncorrectInstanceStatus")

    assert "--stop-instance" in found.fix


def test_leaving_it_stopped_is_no_permission_to_stop() -> None:
    """What shall happen after a wipe does not allow the stop before it."""
    facts = disk_facts(instance=an_instance(status="Running"), options=options(leave_stopped=True))

    assert_finds(CHECK, facts, "block", INSTANCE_ID, "IncorrectInstanceStatus")
