"""When the instance seems never to have been started."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.never_started import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, an_instance, disk_facts


def test_an_instance_that_was_started() -> None:
    """A StartTime proves a start."""
    assert_silent(CHECK, disk_facts())


@pytest.mark.parametrize("status", ["Running", "Starting", "Stopping", "Pending", ""])
def test_an_instance_that_is_not_stopped(status: str) -> None:
    """An instance that runs, or is about to, is being started whatever StartTime shows."""
    assert_silent(CHECK, disk_facts(instance=an_instance(status=status, start_time=None)))


@pytest.mark.parametrize("changes", [{"instance": None}, {"disk": None, "instance": an_instance(start_time=None)}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the instance there is nothing to judge."""
    assert_silent(CHECK, disk_facts(**changes))


def test_a_stopped_instance_without_a_start_is_a_risk() -> None:
    """It is only a hint, so it can be accepted by name."""
    facts = disk_facts(instance=an_instance(start_time=None))
    found = assert_finds(CHECK, facts, "risk", INSTANCE_ID, "IncorrectInstanceStatus")

    assert "--accept never-started" in found.fix


def test_the_older_code_is_foreseen_too() -> None:
    """The code of 2017 for a disk that was never used has the same cause."""
    assert "IncorrectDiskStatus.NeverUsed" in CHECK.predicts
