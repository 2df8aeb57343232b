"""When a key pair was given for a Windows instance."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.key_pair_on_windows import CHECK
from safe_reinit.model import Instance
from tests.checks.tools import assert_finds, assert_silent
from tests.values import SYSTEM_DISK_ID, an_image, an_instance, disk_facts, options, system_facts

KEY = options(key_pair="ops")
WINDOWS = an_instance(os_type="windows")


def test_a_linux_instance() -> None:
    """Key pairs are made for Linux."""
    assert_silent(CHECK, system_facts(options=KEY))


def test_windows_without_a_key_pair() -> None:
    """Nothing was asked for, so nothing is said."""
    assert_silent(CHECK, system_facts(instance=WINDOWS))


def test_a_data_disk() -> None:
    """A key pair for a data disk is left to option-for-system-disk-only."""
    assert_silent(CHECK, disk_facts(instance=WINDOWS, options=KEY))


def test_the_instance_counts_before_the_image() -> None:
    """Where both are shown, what the instance is decides."""
    assert_silent(CHECK, system_facts(image=an_image(os_type="windows"), options=KEY))


@pytest.mark.parametrize("changes", [{"disk": None}, {"instance": None, "image": None}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Without the disk, or without any operating system, there is nothing to judge."""
    assert_silent(CHECK, system_facts(**({"instance": WINDOWS, "options": KEY} | changes)))


@pytest.mark.parametrize("os_type", ["windows", "Windows"])
def test_a_windows_instance_stops(os_type: str) -> None:
    """The way to log in to Windows is named."""
    facts = system_facts(instance=an_instance(os_type=os_type), options=KEY)
    found = assert_finds(CHECK, facts, "block", SYSTEM_DISK_ID, "DependencyViolation.WindowsInstance")

    assert "--password-stdin" in found.fix


@pytest.mark.parametrize("instance", [None, an_instance(os_type="")])
def test_the_image_speaks_for_an_instance_that_does_not(instance: Instance | None) -> None:
    """Where the instance shows no operating system, the image does."""
    facts = system_facts(instance=instance, image=an_image(os_type="Windows"), options=KEY)

    assert_finds(CHECK, facts, "block", SYSTEM_DISK_ID, "DependencyViolation.WindowsInstance")


def test_it_judges_an_option() -> None:
    """No world can show it without --key-pair."""
    assert CHECK.of_options
