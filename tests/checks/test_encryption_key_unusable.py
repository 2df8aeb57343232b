"""When the key of an encrypted disk cannot be used."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.encryption_key_unusable import CHECK
from safe_reinit.model import DiskFacts, Key
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, a_disk, disk_facts, options, products, stopping_facts, unseen

CODE = "InvalidParameter.KMSKeyId.CMKNotEnabled"
ENCRYPTED = {"encrypted": True, "kms_key_id": "k-1"}


def facts_of(state: str, **changes: Any) -> DiskFacts:
    """Return an encrypted disk whose key is in this state."""
    return disk_facts(**{"disk": a_disk(**ENCRYPTED), "other_products": products(keys=(Key("k-1", state),)), **changes})


def test_a_key_that_works() -> None:
    """Enabled is the one state that is fine."""
    assert_silent(CHECK, facts_of("Enabled"))


@pytest.mark.parametrize("disk", [a_disk(), a_disk(kms_key_id="k-1"), a_disk(encrypted=True)])
def test_a_disk_that_needs_no_key(disk: Any) -> None:
    """A disk that is not encrypted, or names no key, is nobody's concern here."""
    assert_silent(CHECK, facts_of("Disabled", disk=disk))


def test_a_key_that_could_not_be_looked_at() -> None:
    """Where nothing is known of the key, not-checked speaks."""
    assert_silent(CHECK, facts_of("", other_products=products(unanswered=(unseen("DescribeKey"),))))


def test_a_key_of_another_disk() -> None:
    """A key that this disk does not use says nothing of it."""
    assert_silent(CHECK, facts_of("Enabled", other_products=products(keys=(Key("k-2", "Disabled"),))))


def test_a_disk_that_was_not_seen() -> None:
    """Of an unknown disk nothing is said."""
    assert_silent(CHECK, facts_of("Disabled", disk=None))


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion", "PendingImport", "enabled", "Sleeping"])
def test_every_other_state_stops(state: str) -> None:
    """A state that is documented and one that is not stop alike, and the code is foreseen."""
    found = assert_finds(CHECK, facts_of(state), "block", DISK_ID, CODE)

    assert state in found.message
    assert "ReInitDisk" in found.message
    assert found.fact == {"KMSKeyId": "k-1", "KeyState": state}


def test_a_key_that_kms_does_not_know_stops() -> None:
    """A key that is gone stops, and which code would come is not documented."""
    found = assert_finds(CHECK, facts_of(""), "block", DISK_ID)

    assert "not known to KMS" in found.message


def test_an_undo_needs_the_key_too() -> None:
    """What would be refused is named after what would be called."""
    found = assert_finds(CHECK, facts_of("Disabled", options=options(undo="r-1")), "block", DISK_ID, CODE)

    assert "refuses ResetDisk" in found.message


NEIGHBOUR = a_disk(disk_id="d-other", encrypted=True, kms_key_id="k-2")


def test_the_key_of_another_disk_matters_where_the_instance_is_started_again() -> None:
    """Its start would be refused, which the wipe itself is not."""
    facts = stopping_facts(neighbours=(NEIGHBOUR,), other_products=products(keys=(Key("k-2", "Disabled"),)))
    found = assert_finds(CHECK, facts, "block", "d-other")

    assert "start" in found.message


def test_the_key_of_another_disk_does_not_matter_where_nothing_is_started() -> None:
    """A machine that stays stopped is not kept from anything."""
    assert_silent(CHECK, disk_facts(neighbours=(NEIGHBOUR,), other_products=products(keys=(Key("k-2", "Disabled"),))))
