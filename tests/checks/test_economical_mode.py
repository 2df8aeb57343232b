"""When a start is owed to an instance that was stopped in economical mode."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.economical_mode import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, an_instance, disk_facts, options, stopping_facts

ECONOMICAL = an_instance(stopped_mode="StopCharging")
PENDING_START = options(pending_starts=(INSTANCE_ID,))


@pytest.mark.parametrize("stop_instance", [True, False])
def test_an_instance_that_stays_stopped(stop_instance: bool) -> None:
    """Whoever was Stopped stays Stopped: no start is promised, so none can fail."""
    assert_silent(CHECK, disk_facts(instance=ECONOMICAL, options=options(stop_instance=stop_instance)))


@pytest.mark.parametrize("mode", ["KeepCharging", "Not-applicable", ""])
def test_an_instance_that_kept_its_resources(mode: str) -> None:
    """Where nothing was given back the start finds what it needs."""
    assert_silent(CHECK, disk_facts(instance=an_instance(stopped_mode=mode), options=PENDING_START))


def test_an_instance_that_the_plan_stops() -> None:
    """Our own stop is never economical, whatever was shown of an earlier one."""
    running = an_instance(status="Running", stopped_mode="StopCharging")

    assert_silent(CHECK, stopping_facts(instance=running))


@pytest.mark.parametrize("changes", [{"pending_starts": ("i-other",)}, {"leave_stopped": True}])
def test_a_start_that_is_not_promised(changes: dict[str, Any]) -> None:
    """What is owed to another machine, or left stopped by wish, is no start of this one."""
    given = options(**({"pending_starts": (INSTANCE_ID,)} | changes))

    assert_silent(CHECK, disk_facts(instance=ECONOMICAL, options=given))


@pytest.mark.parametrize("changes", [{"instance": None}, {"disk": None, "instance": ECONOMICAL}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the instance nothing is known."""
    assert_silent(CHECK, disk_facts(options=PENDING_START, **changes))


@pytest.mark.parametrize("mode", ["StopCharging", "stopcharging"])
def test_a_pending_start_is_a_risk(mode: str) -> None:
    """The start that an earlier run owes may find no stock."""
    facts = disk_facts(instance=an_instance(stopped_mode=mode), options=PENDING_START)
    found = assert_finds(CHECK, facts, "risk", INSTANCE_ID)

    assert "capacity" in found.message
