"""When a blank data disk may keep a Linux from starting again."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.fstab_may_name_disk import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, INSTANCE_ID, a_disk, a_system_disk, an_instance, disk_facts, options, stopping_facts

BLANK = {"disk": a_disk(), "source_snapshot": None}


@pytest.mark.parametrize("disk", [a_disk(source_snapshot_id="s-1"), a_disk(image_id="m-1"), a_system_disk(image_id="")])
def test_a_disk_that_does_not_become_empty(disk: Any) -> None:
    """What goes back to a snapshot or an image has a file system again."""
    assert_silent(CHECK, stopping_facts(disk=disk))


def test_windows() -> None:
    """Windows has no /etc/fstab."""
    windows = an_instance(status="Running", os_type="windows")

    assert_silent(CHECK, stopping_facts(**BLANK, instance=windows))


def test_an_instance_that_stays_stopped() -> None:
    """A machine that was Stopped is not started, so nothing of its start is told."""
    assert_silent(CHECK, disk_facts())
    assert_silent(CHECK, disk_facts(options=options(stop_instance=True)))


def test_an_instance_that_is_left_stopped() -> None:
    """With --leave-stopped the plan does not start it."""
    assert_silent(CHECK, stopping_facts(**BLANK, options=options(stop_instance=True, leave_stopped=True)))


def test_an_instance_that_may_not_be_stopped() -> None:
    """Without --stop-instance nothing is done, and instance-running speaks."""
    assert_silent(CHECK, stopping_facts(**BLANK, options=options()))


@pytest.mark.parametrize("gone", ["disk", "instance"])
def test_what_was_not_seen(gone: str) -> None:
    """Without the disk or the instance nothing is known."""
    assert_silent(CHECK, stopping_facts(**(BLANK | {gone: None})))


@pytest.mark.parametrize("os_type", ["linux", "Linux", "", "freebsd"])
def test_a_blank_disk_of_a_machine_that_is_started_again_is_a_risk(os_type: str) -> None:
    """Whatever is not Windows may have an /etc/fstab."""
    running = an_instance(status="Running", os_type=os_type)
    found = assert_finds(CHECK, stopping_facts(**BLANK, instance=running), "risk", DISK_ID)

    assert "/etc/fstab" in found.message


def test_a_start_that_an_earlier_run_owes_is_a_start() -> None:
    """A machine that another run stopped is started after this wipe."""
    assert_finds(CHECK, disk_facts(options=options(pending_starts=(INSTANCE_ID,))), "risk", DISK_ID)
