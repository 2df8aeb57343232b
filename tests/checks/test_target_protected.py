"""When the disk or its instance is protected."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.target_protected import CHECK
from safe_reinit.model import Protect
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, INSTANCE_ID, a_disk, an_instance, disk_facts, guard

MARK = (("safe-reinit:protect", ""),)


@pytest.mark.parametrize("name", ["web-prod-2", "prod", "PROD_db", "prod2", "2prod", "webProd", "prodDB", "non-prod",
                                  "production.eu", "\u6570\u636e\u5e93prod\u4e3b"])  # fmt: skip
@pytest.mark.parametrize("on", ["disk", "instance"])
def test_a_name_with_the_word_is_protected_by_default(name: str, on: str) -> None:
    """Without any setting, prod or production as a part of the name of its own protects, in any case of letters."""
    facts = (
        disk_facts(disk=a_disk(disk_name=name))
        if on == "disk"
        else disk_facts(instance=an_instance(instance_name=name))
    )

    assert_finds(CHECK, facts, "block", DISK_ID if on == "disk" else INSTANCE_ID)


@pytest.mark.parametrize("name", ["product", "reprod", "nonprod", "producer-1", "staging", "lab-pro-d", "live", ""])
def test_a_name_without_the_word(name: str) -> None:
    """The letters of the word inside another one mean nothing."""
    assert_silent(CHECK, disk_facts(disk=a_disk(disk_name=name), instance=an_instance(instance_name=name)))


@pytest.mark.parametrize("value", ["", "true", "false", "since 2026"])
@pytest.mark.parametrize("key", ["safe-reinit:protect", "Safe-Reinit:Protect"])
def test_the_tag_protects_by_default(key: str, value: str) -> None:
    """Without any setting the tag of ours protects what has it, whatever its value."""
    on_disk = disk_facts(disk=a_disk(tags=(("env", "lab"), (key, value))))
    on_instance = disk_facts(instance=an_instance(tags=((key, value),)))

    assert_finds(CHECK, on_disk, "block", DISK_ID)
    assert_finds(CHECK, on_instance, "block", INSTANCE_ID)


@pytest.mark.parametrize("key", ["safe-reinit:run", "safe-reinit:protected", "protect", "safe-reinit"])
def test_other_tags(key: str) -> None:
    """Another tag means nothing, nor does the key as a value."""
    facts = disk_facts(disk=a_disk(tags=((key, ""), ("note", "safe-reinit:protect"))))

    assert_silent(CHECK, facts)


@pytest.mark.parametrize(
    ("tag", "protects"), [("keep", True), ("KEEP=Yes", True), ("keep=no", False), ("keep=", False), ("kee", False)]
)
def test_a_tag_of_ones_own(tag: str, *, protects: bool) -> None:
    """Another tag may protect instead: by its key, or by its key and value."""
    facts = disk_facts(disk=a_disk(tags=(("keep", "yes"),)), guard=guard(protect=Protect(tag=tag)))

    assert bool(list(CHECK.run(facts))) is protects


PROTECTS: dict[str, tuple[dict[str, Any], str]] = {
    "names of instances": ({"names": ("x", "W?b")}, INSTANCE_ID),
    "names of disks": ({"names": ("WEB-*",)}, DISK_ID),
    "terms of instances": ({"terms": ("Web",), "names": ()}, INSTANCE_ID),
    "terms of disks": ({"terms": ("DATA",)}, DISK_ID),
    "instances": ({"instances": ("i-bp1*",)}, INSTANCE_ID),
    "disks": ({"disks": ("d-x", DISK_ID.upper())}, DISK_ID),
    "tags of instances": ({"tags": (("Env", "LAB*"),)}, INSTANCE_ID),
    "tags of disks": ({"tags": (("team", "*"),)}, DISK_ID),
}


@pytest.mark.parametrize("what", PROTECTS)
def test_what_the_configuration_protects(what: str) -> None:
    """Each way to protect refuses by itself, in any case of letters, and says which setting it was."""
    members, subject = PROTECTS[what]
    facts = disk_facts(
        disk=a_disk(tags=(("team", "x"),), disk_name="web-data"),
        instance=an_instance(tags=(("env", "lab-1"),)),
        guard=guard(protect=Protect(**{"terms": (), **members})),
    )
    found = [each for each in CHECK.run(facts) if each.subject == subject]

    assert [(each.check, each.level) for each in found] == [("target-protected", "block")]
    assert f"protect.{next(iter(members))}" in found[0].message


def test_what_the_configuration_protects_elsewhere() -> None:
    """What is protected otherwise than this target is no reason to refuse it."""
    protect = Protect(
        names=("db-*",), terms=("live",), instances=("i-x",), disks=("d-x", INSTANCE_ID), tags=(("env", "live"),)
    )

    assert_silent(CHECK, disk_facts(instance=an_instance(tags=(("env", "lab"),)), guard=guard(protect=protect)))


def test_a_term_in_other_letters_than_latin_ones_is_found_anywhere() -> None:
    """Names in writing without gaps have no parts: the term counts wherever it stands."""
    protect = Protect(terms=("\u751f\u4ea7",))

    assert_finds(
        CHECK,
        disk_facts(instance=an_instance(instance_name="\u676d\u5dde\u751f\u4ea7\u5e93"), guard=guard(protect=protect)),
        "block",
        INSTANCE_ID,
    )


def test_words_may_be_switched_off_in_the_configuration_alone() -> None:
    """An empty list of terms protects no name; the tag protects all the same."""
    named = an_instance(instance_name="prod")
    protect = Protect(terms=())

    assert_silent(CHECK, disk_facts(instance=named, guard=guard(protect=protect)))
    assert_finds(CHECK, disk_facts(instance=an_instance(tags=MARK), guard=guard(protect=protect)), "block", INSTANCE_ID)


def test_what_was_not_seen() -> None:
    """Without the disk nothing is said; without the instance the disk is judged."""
    assert_silent(CHECK, disk_facts(disk=None, instance=an_instance(tags=MARK)))
    assert_finds(CHECK, disk_facts(disk=a_disk(tags=MARK), instance=None), "block", DISK_ID)


def test_a_neighbour_that_is_protected() -> None:
    """Another disk of the instance keeps its data, so its tag protects it and not this one."""
    assert_silent(CHECK, disk_facts(neighbours=(a_disk(disk_id="d-other", tags=MARK),)))
