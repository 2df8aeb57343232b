"""When the start of an instance depends on a capacity reservation."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.capacity_reservation import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, an_instance, disk_facts, options, stopping_facts

RUNNING = an_instance(status="Running", capacity_reservation_id="crp-1")
STOPPED = an_instance(capacity_reservation_id="crp-1")


def test_an_instance_without_one() -> None:
    """There is nothing to tell."""
    assert_silent(CHECK, stopping_facts())


def test_an_instance_that_is_neither_stopped_nor_started() -> None:
    """A machine that stays as it is needs no room to start."""
    assert_silent(CHECK, disk_facts(instance=STOPPED))
    assert_silent(CHECK, stopping_facts(instance=RUNNING, options=options()))


@pytest.mark.parametrize("changes", [{"instance": None}, {"disk": None, "instance": RUNNING}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the instance nothing is known."""
    assert_silent(CHECK, stopping_facts(**changes))


def test_an_instance_that_is_stopped_is_reported() -> None:
    """It says what the start needs, and where."""
    assert "crp-1" in assert_finds(CHECK, stopping_facts(instance=RUNNING), "info", INSTANCE_ID).message


def test_a_pending_start_of_an_earlier_run_is_reported() -> None:
    """A machine that another run stopped is started after this wipe."""
    pending = options(pending_starts=(INSTANCE_ID,))

    assert_finds(CHECK, disk_facts(instance=STOPPED, options=pending), "info", INSTANCE_ID)
