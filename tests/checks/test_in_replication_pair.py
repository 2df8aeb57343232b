"""When the disk is in a replication pair."""

from __future__ import annotations

import pytest

from safe_reinit.checks.in_replication_pair import CHECK
from safe_reinit.model import ReplicaPair
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, disk_facts, products, unseen

PRIMARY = ReplicaPair("pair-1", DISK_ID, "d-far", "normal")
SECONDARY = ReplicaPair("pair-1", "d-far", DISK_ID, "normal")


def test_a_disk_in_no_pair() -> None:
    """Without a pair there is nothing to say."""
    assert_silent(CHECK, disk_facts())


def test_a_pair_of_other_disks() -> None:
    """What others replicate is their concern."""
    assert_silent(
        CHECK, disk_facts(other_products=products(pairs=(ReplicaPair("pair-1", "d-far", "d-near", "normal"),)))
    )


def test_a_pair_that_is_deleted() -> None:
    """A pair that is no more holds nothing."""
    assert_silent(
        CHECK, disk_facts(other_products=products(pairs=(ReplicaPair("pair-1", DISK_ID, "d-far", "deleted"),)))
    )


def test_pairs_that_could_not_be_looked_at() -> None:
    """Where nothing is known, not-checked speaks."""
    assert_silent(CHECK, disk_facts(other_products=products(unanswered=(unseen("DescribeDiskReplicaPairs"),))))


def test_a_disk_that_was_not_seen() -> None:
    """Of an unknown disk nothing is said."""
    assert_silent(CHECK, disk_facts(disk=None, other_products=products(pairs=(PRIMARY,))))


@pytest.mark.parametrize(("pair", "role"), [(PRIMARY, "primary"), (SECONDARY, "secondary")])
def test_either_disk_of_a_pair_stops(pair: ReplicaPair, role: str) -> None:
    """The disk that is replicated and its replica stop alike, and which code would come is not documented."""
    found = assert_finds(CHECK, disk_facts(other_products=products(pairs=(pair,))), "block", DISK_ID)

    assert f"the {role} disk of replication pair pair-1" in found.message


@pytest.mark.parametrize("status", ["stopped", "create_failed", "deleting", "delete_failed", "invalid", "", "unheard"])
def test_a_pair_in_any_other_status_stops(status: str) -> None:
    """Only what is surely gone is passed over."""
    pair = ReplicaPair("pair-1", DISK_ID, "d-far", status)

    assert_finds(CHECK, disk_facts(other_products=products(pairs=(pair,))), "block", DISK_ID)
