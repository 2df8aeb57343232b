"""When an option for system disks was given for a data disk."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.option_for_system_disk_only import CHECK
from safe_reinit.model import Secret
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, a_disk, disk_facts, options, system_facts

GIVEN = [
    ({"key_pair": "ops"}, "--key-pair"),
    ({"password": Secret("Geheim-42")}, "--password-env"),
    ({"security_enhancement": "Active"}, "--security-enhancement"),
    ({"security_enhancement": "Deactive"}, "--security-enhancement"),
]


def test_a_data_disk_without_options() -> None:
    """Nothing was asked for, so nothing is said."""
    assert_silent(CHECK, disk_facts(options=options(stop_instance=True, expect_instance="i-other")))


@pytest.mark.parametrize(("given", "name"), GIVEN)
def test_a_system_disk(given: dict[str, Any], name: str) -> None:
    """The options are made for system disks."""
    assert name
    assert_silent(CHECK, system_facts(options=options(**given)))


def test_no_disk() -> None:
    """A disk that was not seen has no type to judge."""
    assert_silent(CHECK, disk_facts(disk=None, options=options(key_pair="ops")))


@pytest.mark.parametrize(("given", "name"), GIVEN)
def test_each_option_stops_for_a_data_disk(given: dict[str, Any], name: str) -> None:
    """The option is named, its secret is not."""
    found = assert_finds(CHECK, disk_facts(options=options(**given)), "block", DISK_ID)

    assert name in found.fix
    assert "Geheim" not in repr(found)


def test_all_options_are_one_finding() -> None:
    """Who gave all three reads one sentence."""
    given = options(key_pair="ops", password=Secret("Geheim-42"), security_enhancement="Active")
    found = assert_finds(CHECK, disk_facts(options=given), "block", DISK_ID)

    assert all(name in found.message for name in ("--key-pair", "--password-stdin", "--security-enhancement"))


def test_a_disk_of_unknown_type_counts_as_a_data_disk() -> None:
    """What is not known to be a system disk is not treated as one."""
    assert_finds(CHECK, disk_facts(disk=a_disk(type=""), options=options(key_pair="ops")), "block", DISK_ID)


def test_it_judges_an_option() -> None:
    """No world can show it without an option."""
    assert CHECK.of_options
