"""When a spot instance would be stopped."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.spot import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, an_instance, disk_facts, options, stopping_facts

SPOT = an_instance(status="Running", spot_strategy="SpotAsPriceGo")


@pytest.mark.parametrize("strategy", ["NoSpot", "nospot", ""])
def test_an_instance_that_is_no_spot_instance(strategy: str) -> None:
    """NoSpot and nothing at all mean an ordinary instance."""
    assert_silent(CHECK, stopping_facts(instance=an_instance(status="Running", spot_strategy=strategy)))


@pytest.mark.parametrize("status", ["Stopped", "Starting", "Stopping", "Pending"])
def test_a_spot_instance_that_is_neither_stopped_nor_started(status: str) -> None:
    """A machine that stays as it is runs no risk by this plan."""
    facts = disk_facts(instance=an_instance(status=status, spot_strategy="SpotAsPriceGo"))

    assert_silent(CHECK, facts)


def test_a_stop_that_is_not_allowed() -> None:
    """Without --stop-instance nothing is stopped."""
    assert_silent(CHECK, stopping_facts(instance=SPOT, options=options()))


@pytest.mark.parametrize("changes", [{"instance": None}, {"disk": None, "instance": SPOT}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the instance nothing is known."""
    assert_silent(CHECK, stopping_facts(**changes))


@pytest.mark.parametrize("strategy", ["SpotWithPriceLimit", "SpotAsPriceGo", "SpotBrandNew"])
def test_a_spot_instance_that_is_stopped_is_a_risk(strategy: str) -> None:
    """Every word but NoSpot counts, also one that nobody knows yet."""
    running = an_instance(status="Running", spot_strategy=strategy)
    found = assert_finds(CHECK, stopping_facts(instance=running), "risk", INSTANCE_ID)

    assert strategy in found.message
    assert "its start" in found.message


def test_of_a_machine_that_is_left_stopped_no_start_is_spoken() -> None:
    """It may be taken back while it is down; a start that is not made cannot be refused."""
    facts = stopping_facts(instance=SPOT, options=options(stop_instance=True, leave_stopped=True))

    assert "its start" not in assert_finds(CHECK, facts, "risk", INSTANCE_ID).message


def test_a_start_that_an_earlier_run_owes_is_a_risk() -> None:
    """The start of a Stopped spot instance may be refused."""
    stopped = an_instance(spot_strategy="SpotAsPriceGo")

    assert_finds(
        CHECK, disk_facts(instance=stopped, options=options(pending_starts=(INSTANCE_ID,))), "risk", INSTANCE_ID
    )
