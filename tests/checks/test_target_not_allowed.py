"""When the disk is not among the targets that the configuration allows."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.target_not_allowed import CHECK
from safe_reinit.model import Allow
from tests.checks.tools import assert_finds, assert_silent
from tests.values import ACCOUNT, DISK_ID, INSTANCE_ID, REGION, a_disk, an_instance, disk_facts, guard

ENV = (("env", "lab-1"), ("team", "web"))
FITTING: dict[str, Any] = {
    "accounts": (ACCOUNT,),
    "regions": ("cn-*",),
    "instances": ("i-bp1*", "i-other"),
    "disks": (DISK_ID,),
    "names": ("*b", "lab-?"),
    "tags": (("env", "lab-*"), ("team", "[vw]eb")),
}
AMISS: dict[str, tuple[Any, str]] = {
    "accounts": (("2000000000000002", ACCOUNT[:-1]), ACCOUNT),
    "regions": (("cn-beijing", "cn-hangzho"), REGION),
    "instances": (("i-bp", "*-BP1WEB"), INSTANCE_ID),
    "disks": ((DISK_ID.upper(), f"{DISK_ID}?"), DISK_ID),
    "names": (("Web", "we", "?"), INSTANCE_ID),
    "tags": ((("env", "lab"),), INSTANCE_ID),
}
INSTANCE = an_instance(tags=ENV)


def test_nothing_is_asked() -> None:
    """Without a list everything may be a target."""
    assert_silent(CHECK, disk_facts())


@pytest.mark.parametrize("name", FITTING)
def test_a_list_that_matches(name: str) -> None:
    """A target that one entry of the list fits is left alone."""
    assert_silent(CHECK, disk_facts(instance=INSTANCE, guard=guard(allow=Allow(**{name: FITTING[name]}))))


def test_all_lists_that_match() -> None:
    """All lists at once ask for all of it, and this has it all."""
    assert_silent(CHECK, disk_facts(instance=INSTANCE, guard=guard(allow=Allow(**FITTING))))


@pytest.mark.parametrize("name", AMISS)
def test_a_list_that_does_not_match(name: str) -> None:
    """One list that does not fit refuses, whatever the others say; a part of the text or other capitals do not fit."""
    patterns, subject = AMISS[name]
    facts = disk_facts(instance=INSTANCE, guard=guard(allow=Allow(**{**FITTING, name: patterns})))

    found = assert_finds(CHECK, facts, "block", subject)

    assert f"allow.{name}" in found.message
    assert f"allow.{name}" in found.fix


@pytest.mark.parametrize("name", [name for name in FITTING if name != "tags"])
def test_an_empty_list(name: str) -> None:
    """A list with nothing in it allows nothing."""
    assert list(CHECK.run(disk_facts(guard=guard(allow=Allow(**{name: ()})))))


@pytest.mark.parametrize("tags", [(), (("Env", "lab-1"),), (("env", "Lab-1"),)])
def test_a_tag_that_the_instance_has_not(tags: tuple[tuple[str, str], ...]) -> None:
    """The instance must have the tag, in the same letters; that the disk has it is not enough."""
    facts = disk_facts(
        disk=a_disk(tags=ENV), instance=an_instance(tags=tags), guard=guard(allow=Allow(tags=(("env", "lab-*"),)))
    )

    assert_finds(CHECK, facts, "block", INSTANCE_ID)


def test_a_tag_that_the_disk_contradicts() -> None:
    """A disk of another kind on an allowed instance is no allowed disk."""
    facts = disk_facts(
        disk=a_disk(tags=(("env", "other"),)), instance=INSTANCE, guard=guard(allow=Allow(tags=(("env", "lab-*"),)))
    )

    assert_finds(CHECK, facts, "block", DISK_ID)


def test_an_account_is_judged_even_where_the_disk_is_not_seen() -> None:
    """The wrong credentials are why a disk is not found, so that is said; of the rest nothing is known."""
    facts = disk_facts(
        disk=None, instance=None, guard=guard(allow=Allow(accounts=("2",), disks=("d-x",), names=("x",)))
    )

    assert_finds(CHECK, facts, "block", ACCOUNT)


def test_an_instance_that_was_not_seen() -> None:
    """Of an instance that was not seen instance-not-seen speaks."""
    assert_silent(CHECK, disk_facts(instance=None, guard=guard(allow=Allow(instances=("x",), names=("x",)))))


def test_an_instance_without_a_name() -> None:
    """No name is no name that is allowed."""
    facts = disk_facts(instance=an_instance(instance_name=""), guard=guard(allow=Allow(names=("lab-*",))))

    assert "empty" in assert_finds(CHECK, facts, "block", INSTANCE_ID).message
