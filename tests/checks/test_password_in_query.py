"""When a password to set travels in the query of the request."""

from __future__ import annotations

from safe_reinit.checks.password_in_query import CHECK
from safe_reinit.model import Secret
from tests.checks.tools import assert_finds, assert_silent
from tests.values import SYSTEM_DISK_ID, disk_facts, options, system_facts

PASSWORD = Secret("Pl4nted&Secret=Word")


def test_no_password() -> None:
    """A run that sets none is told nothing."""
    assert_silent(CHECK, system_facts())


def test_a_key_pair() -> None:
    """A key pair is a name, which is no secret."""
    assert_silent(CHECK, system_facts(options=options(key_pair="ops")))


def test_no_disk() -> None:
    """For a disk that was not seen nothing is sent."""
    assert_silent(CHECK, system_facts(disk=None, options=options(password=PASSWORD)))


def test_a_data_disk() -> None:
    """A data disk takes no password, which another check says; nothing is sent."""
    assert_silent(CHECK, disk_facts(options=options(password=PASSWORD)))


def test_a_password_is_reported_and_not_shown() -> None:
    """It is an info, it stops nothing, and nothing of the password is in it."""
    found = assert_finds(CHECK, system_facts(options=options(password=PASSWORD)), "info", SYSTEM_DISK_ID)

    assert "query" in found.message
    assert "Pl4nted" not in repr(found)


def test_it_judges_an_option() -> None:
    """No world can show it without a password."""
    assert CHECK.of_options
