"""When an instance with local disks would be stopped."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.local_disks_on_instance import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, an_instance, disk_facts, options, stopping_facts

LOCAL = an_instance(status="Running", local_storage_amount=2)


def test_an_instance_without_local_disks() -> None:
    """Cloud disks stay where they are."""
    assert_silent(CHECK, stopping_facts())


@pytest.mark.parametrize("status", ["Stopped", "Stopping", "Pending"])
def test_an_instance_that_is_not_stopped_by_the_plan(status: str) -> None:
    """What is Stopped already, or moving, is not stopped."""
    facts = disk_facts(instance=an_instance(status=status, local_storage_amount=1), options=options(stop_instance=True))

    assert_silent(CHECK, facts)


def test_a_stop_that_is_not_allowed() -> None:
    """Without --stop-instance nothing is stopped."""
    assert_silent(CHECK, stopping_facts(instance=LOCAL, options=options()))


@pytest.mark.parametrize("changes", [{"instance": None}, {"disk": None, "instance": LOCAL}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the instance nothing is known."""
    assert_silent(CHECK, stopping_facts(**changes))


@pytest.mark.parametrize(("amount", "result"), [(1, "1 local disk:"), (2, "2 local disks:")])
def test_local_disks_of_an_instance_that_is_stopped_are_a_risk(amount: int, result: str) -> None:
    """It says how many there are, and that ECS may refuse the stop."""
    running = an_instance(status="Running", local_storage_amount=amount)
    found = assert_finds(CHECK, stopping_facts(instance=running), "risk", INSTANCE_ID)

    assert result in found.message
    assert "refuse to stop" in found.message
