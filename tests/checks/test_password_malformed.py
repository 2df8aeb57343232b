"""When the password breaks the rule of ECS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safe_reinit.checks.password_malformed import CHECK
from safe_reinit.model import DiskFacts, Secret
from tests.checks.tools import assert_finds, assert_silent
from tests.values import SYSTEM_DISK_ID, an_image, an_instance, options, system_facts


def facts_of(password: str, os_type: str = "linux") -> DiskFacts:
    """Return a system disk that is to get this password."""
    return system_facts(instance=an_instance(os_type=os_type), options=options(password=Secret(password)))


def test_no_password() -> None:
    """Nothing was asked for, so nothing is said."""
    assert_silent(CHECK, system_facts())


@pytest.mark.parametrize(
    "password",
    [
        "Abcdefg1",
        "abcdefg-1",
        "ABCDEFG-1",
        "Abcdefg-",
        "Abcd-123" * 3 + "Abcd-1",
        "()`~!@#$%^&*-_+=|aA",
        "{}[]:;'<>,.?/aA",
    ],
)
def test_a_password_that_follows_the_rule(password: str) -> None:
    """Three of the four kinds within 8 to 30 documented characters are enough."""
    assert_silent(CHECK, facts_of(password))


def test_a_slash_in_front_on_linux() -> None:
    """Only Windows takes offence at it."""
    assert_silent(CHECK, facts_of("/Abcdefg1"))


def test_a_slash_within_on_windows() -> None:
    """Only the first character counts."""
    assert_silent(CHECK, facts_of("Abcdefg1/", "windows"))


def test_no_disk() -> None:
    """A disk that was not seen gets no password."""
    assert_silent(CHECK, system_facts(disk=None, options=options(password=Secret("x"))))


@pytest.mark.parametrize(
    ("password", "os_type", "part"),
    [
        ("Abc-123", "linux", "8 to 30"),
        ("Abcd-123" * 4, "linux", "8 to 30"),
        ("abcdefgh1", "linux", "three of"),
        ("ABCDEFGH-", "linux", "three of"),
        ("Abcdefg 1", "linux", "documented special"),
        ('Abcdefg"1', "linux", "documented special"),
        ("Abcdefg1\N{LATIN SMALL LETTER U WITH DIAERESIS}", "linux", "documented special"),
        ("Abcdefg1\n", "linux", "documented special"),
        ("/Abcdefg1", "windows", "slash"),
        ("/Abcdefg1", "Windows", "slash"),
    ],
)
def test_each_part_of_the_rule_stops(password: str, os_type: str, part: str) -> None:
    """The part that is broken is named, and no other."""
    found = assert_finds(CHECK, facts_of(password, os_type), "block", SYSTEM_DISK_ID, "InvalidPassword.Malformed")

    assert part in found.message
    assert ";" not in found.message


def test_an_empty_password_stops() -> None:
    """A password that was given empty is malformed, not absent."""
    assert_finds(CHECK, facts_of(""), "block", SYSTEM_DISK_ID, "InvalidPassword.Malformed")


def test_all_broken_parts_are_reported_at_once() -> None:
    """Nobody has to come back for the next one."""
    found = assert_finds(CHECK, facts_of("/ x", "windows"), "block", SYSTEM_DISK_ID, "InvalidPassword.Malformed")

    assert found.message.count(";") == 3


def test_an_image_speaks_for_an_instance_that_was_not_seen() -> None:
    """Whether it is Windows is taken from the image where the instance does not say."""
    facts = system_facts(
        instance=None, image=an_image(os_type="windows"), options=options(password=Secret("/Abcdefg1"))
    )

    assert_finds(CHECK, facts, "block", SYSTEM_DISK_ID, "InvalidPassword.Malformed")


@given(st.text(max_size=40))
def test_nothing_of_the_password_is_shown(password: str) -> None:
    """Two passwords that break the same parts are told alike, whatever they are and however long."""
    findings = list(CHECK.run(facts_of(password)))
    broken = {finding.message.partition(": ")[2].rstrip(".") for finding in findings}
    parts = {part for message in broken for part in message.split("; ")}

    assert parts <= {
        "it must have 8 to 30 characters",
        "it must have at least three of upper case, lower case, digits and special characters",
        "it must have only ASCII letters, digits and the documented special characters",
    }
    assert all(finding.fact == {} for finding in findings)


def test_it_judges_an_option() -> None:
    """No world can show it without a password."""
    assert CHECK.of_options
