"""When the key pair does not exist."""

from __future__ import annotations

import pytest

from safe_reinit.checks.key_pair_not_found import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import SYSTEM_DISK_ID, disk_facts, options, system_facts, unseen

KEY = options(key_pair="ops")


def test_no_key_pair_was_given() -> None:
    """Nothing was asked for, so nothing is said."""
    assert_silent(CHECK, system_facts())


def test_a_key_pair_that_is_there() -> None:
    """A name that ECS shows is no finding."""
    assert_silent(CHECK, system_facts(options=KEY, key_pairs=("dev", "ops")))


def test_key_pairs_that_could_not_be_looked_at() -> None:
    """Without the right to look, a missing name says nothing."""
    assert_silent(CHECK, system_facts(options=KEY, unseen=(unseen("DescribeKeyPairs"),)))


def test_a_data_disk() -> None:
    """A key pair for a data disk is left to option-for-system-disk-only."""
    assert_silent(CHECK, disk_facts(options=KEY))


def test_no_disk() -> None:
    """A disk that was not seen gets no key pair."""
    assert_silent(CHECK, system_facts(disk=None, options=KEY))


@pytest.mark.parametrize("there", [(), ("dev",), ("Ops",)])
def test_a_key_pair_that_is_not_there_stops(there: tuple[str, ...]) -> None:
    """The name is compared whole, and told."""
    facts = system_facts(options=KEY, key_pairs=there)
    found = assert_finds(CHECK, facts, "block", SYSTEM_DISK_ID, "InvalidKeyPairName.NotFound")

    assert "ops" in found.message


def test_it_judges_an_option() -> None:
    """No world can show it without --key-pair."""
    assert CHECK.of_options
