"""disk-moved-since-run: a plan that would stop another machine than the run did."""

from __future__ import annotations

from typing import Any

from safe_reinit.checks.disk_moved_since_run import CHECK
from safe_reinit.model import DiskFacts
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, INSTANCE_ID, a_disk, disk_facts, options, stopping_facts


def undoing(instance_id: str = "i-then", **more: Any) -> DiskFacts:
    """Return the facts of an undo of a run that wiped the disk on this instance."""
    asked = options(undo="r-0", restore=((DISK_ID, "s-1"),), was_on=((DISK_ID, instance_id),))
    return disk_facts(**{"options": asked, **more})


def test_silent_where_the_disk_is_where_it_was() -> None:
    """A disk on the machine of the run is no finding, and neither is a wipe, or a disk that is on no instance."""
    assert_silent(CHECK, undoing(INSTANCE_ID))
    assert_silent(CHECK, disk_facts())
    assert_silent(CHECK, undoing(disk=None))
    assert_silent(CHECK, undoing(disk=a_disk(instance_id="", status="Available"), instance=None))


def test_another_machine_is_a_risk() -> None:
    """Both machines are named, and how to accept it."""
    found = assert_finds(CHECK, undoing(), "risk", DISK_ID)

    assert "i-then" in found.message
    assert INSTANCE_ID in found.message
    assert "would be stopped" not in found.message
    assert "--accept disk-moved-since-run" in found.fix


def test_it_is_reported_that_a_running_machine_is_stopped() -> None:
    """Of a machine that runs the finding says that it is stopped."""
    running = stopping_facts(options=undoing().options)

    assert "that machine would be stopped" in assert_finds(CHECK, running, "risk", DISK_ID).message
