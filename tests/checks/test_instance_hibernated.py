"""When the instance is configured for hibernation."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.instance_hibernated import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, an_instance, disk_facts, options


def test_an_instance_without_hibernation() -> None:
    """An ordinary instance is no finding."""
    assert_silent(CHECK, disk_facts())


@pytest.mark.parametrize(
    "changes", [{"instance": None}, {"disk": None, "instance": an_instance(hibernation_configured=True)}]
)
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the instance there is nothing to judge."""
    assert_silent(CHECK, disk_facts(**changes))


@pytest.mark.parametrize("status", ["Running", "Stopped"])
def test_hibernation_stops(status: str) -> None:
    """A hibernated instance shows Stopped like any other, so the setting decides."""
    facts = disk_facts(
        instance=an_instance(status=status, hibernation_configured=True), options=options(stop_instance=True)
    )

    assert_finds(CHECK, facts, "block", INSTANCE_ID, "HibernationConfigured.InstanceOperationForbidden")
