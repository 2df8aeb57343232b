"""Which other disks go down with the instance."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.downtime_shared import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import INSTANCE_ID, a_disk, a_system_disk, disk_facts, options, stopping_facts

OTHERS = (a_system_disk(), a_disk(disk_id="d-logs"))


def test_an_instance_without_other_disks() -> None:
    """There is nobody to share with."""
    assert_silent(CHECK, stopping_facts())


def test_an_instance_that_is_stopped_already() -> None:
    """Its downtime is not of our making."""
    assert_silent(CHECK, disk_facts(neighbours=OTHERS))


def test_a_stop_that_is_not_allowed() -> None:
    """Without --stop-instance nothing goes down."""
    assert_silent(CHECK, stopping_facts(neighbours=OTHERS, options=options()))


@pytest.mark.parametrize("changes", [{"instance": None}, {"disk": None}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk or the instance nothing is known."""
    assert_silent(CHECK, stopping_facts(neighbours=OTHERS, **changes))


def test_the_other_disks_are_named() -> None:
    """All of them are in the sentence and in the facts."""
    found = assert_finds(CHECK, stopping_facts(neighbours=OTHERS), "info", INSTANCE_ID)

    assert "d-bp1system, d-logs" in found.message
    assert found.fact == {"DiskIds": "d-bp1system,d-logs", "Count": 2}
