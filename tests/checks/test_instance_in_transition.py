"""When the instance is neither Running nor Stopped."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.instance_in_transition import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, an_instance, disk_facts, options


@pytest.mark.parametrize("status", ["Running", "Stopped"])
@pytest.mark.parametrize("stop_instance", [True, False])
def test_a_settled_instance(status: str, stop_instance: bool) -> None:
    """Running and Stopped are settled, whatever is allowed."""
    facts = disk_facts(instance=an_instance(status=status), options=options(stop_instance=stop_instance))

    assert_silent(CHECK, facts)


@pytest.mark.parametrize("changes", [{"instance": None}, {"disk": None, "instance": an_instance(status="Starting")}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the instance there is no status to judge."""
    assert_silent(CHECK, disk_facts(**changes))


@pytest.mark.parametrize("status", ["Pending", "Starting", "Stopping"])
def test_a_transition_stops(status: str) -> None:
    """A transition is waited out."""
    facts = disk_facts(instance=an_instance(status=status))
    found = assert_finds(CHECK, facts, "block", INSTANCE_ID, "IncorrectInstanceStatus")

    assert status in found.message
    assert found.fix.startswith("Wait")


@pytest.mark.parametrize("status", ["Deleted", "running", ""])
def test_an_unknown_status_stops(status: str) -> None:
    """A word that the documentation does not have is no word to act on."""
    facts = disk_facts(instance=an_instance(status=status), options=options(stop_instance=True))
    found = assert_finds(CHECK, facts, "block", INSTANCE_ID, "IncorrectInstanceStatus")

    assert "not a documented status" in found.message
