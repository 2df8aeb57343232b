"""When the disk is not on the instance one expects."""

from __future__ import annotations

from safe_reinit.checks.disk_on_other_instance import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, INSTANCE_ID, a_disk, disk_facts, options


def test_no_instance_is_expected() -> None:
    """Without --expect-instance there is nothing to compare."""
    assert_silent(CHECK, disk_facts())


def test_the_expected_instance() -> None:
    """A disk on the expected instance is no finding."""
    assert_silent(CHECK, disk_facts(options=options(expect_instance=INSTANCE_ID)))


def test_no_disk() -> None:
    """A disk that was not seen is on no instance to compare."""
    assert_silent(CHECK, disk_facts(disk=None, options=options(expect_instance="i-other")))


def test_another_instance_stops() -> None:
    """Both instances are named, the one it is on and the one it was expected on."""
    found = assert_finds(CHECK, disk_facts(options=options(expect_instance="i-other")), "block", DISK_ID)

    assert INSTANCE_ID in found.message
    assert "i-other" in found.message


def test_a_detached_disk_stops() -> None:
    """A disk on no instance is not on the expected one."""
    facts = disk_facts(
        disk=a_disk(instance_id="", status="Available"), instance=None, options=options(expect_instance=INSTANCE_ID)
    )
    found = assert_finds(CHECK, facts, "block", DISK_ID)

    assert "on no instance" in found.message


def test_it_judges_an_option() -> None:
    """No world can show it without --expect-instance."""
    assert CHECK.of_options
