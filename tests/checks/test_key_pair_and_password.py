"""When a key pair and a password were given together."""

from __future__ import annotations

import pytest

from safe_reinit.checks.key_pair_and_password import CHECK
from safe_reinit.model import Options, Secret
from tests.checks.tools import assert_finds, assert_silent
from tests.values import SYSTEM_DISK_ID, options, system_facts

PASSWORD = Secret("Geheim-42")


@pytest.mark.parametrize("given", [options(), options(key_pair="ops"), options(password=PASSWORD)])
def test_one_of_the_two_or_none(given: Options) -> None:
    """Only both together contradict each other."""
    assert_silent(CHECK, system_facts(options=given))


def test_no_disk() -> None:
    """A disk that was not seen gets neither."""
    assert_silent(CHECK, system_facts(disk=None, options=options(key_pair="ops", password=PASSWORD)))


@pytest.mark.parametrize("password", [PASSWORD, Secret("")])
def test_both_stop(password: Secret) -> None:
    """The password would not let anybody in, even an empty one was meant."""
    found = assert_finds(
        CHECK, system_facts(options=options(key_pair="ops", password=password)), "block", SYSTEM_DISK_ID
    )

    assert "Geheim" not in repr(found)


def test_it_judges_an_option() -> None:
    """No world can show it without options."""
    assert CHECK.of_options
