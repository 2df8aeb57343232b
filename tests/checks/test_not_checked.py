"""When something of another product could not be looked at."""

from __future__ import annotations

import pytest

from safe_reinit.checks import check_disks
from safe_reinit.checks.not_checked import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import a_disk, disk_facts, options, products, unseen

QUESTIONS = {
    "DescribeScalingInstances": "ess",
    "DescribeDiskReplicaPairs": "ebs",
    "DescribeKey": "kms",
    "DescribeInstanceHistoryEvents": "events",
}


def test_everything_was_looked_at() -> None:
    """Where every product answered, nothing is said."""
    assert_silent(CHECK, disk_facts())


def test_reads_of_ecs_are_reported_by_another_check() -> None:
    """What the wipe depends on is left to could-not-check."""
    assert_silent(CHECK, disk_facts(unseen=(unseen("DescribeSnapshots"),)))


def test_a_disk_that_was_not_seen() -> None:
    """Of what surrounds an unknown disk nothing is said."""
    assert_silent(CHECK, disk_facts(disk=None, other_products=products(unanswered=(unseen("DescribeKey"),))))


@pytest.mark.parametrize(("action", "word"), QUESTIONS.items())
def test_a_read_that_is_required_is_left_to_the_block(action: str, word: str) -> None:
    """What is told as a block is not told again as an info."""
    missing = products(unanswered=(unseen(action),))

    assert_silent(CHECK, disk_facts(other_products=missing, options=options(require_answers=(word,))))


@pytest.mark.parametrize("action", [*QUESTIONS, "DescribeAutoSnapshotPolicyEx"])
def test_each_missing_read_says_what_is_not_known(action: str) -> None:
    """The call, the reason, the right and the consequence are named, and nothing stops."""
    missing = products(unanswered=(unseen(action, right=f"x:{action}", why="no readable answer came"),))
    found = assert_finds(CHECK, disk_facts(other_products=missing), "info", action)

    assert found.message.startswith(f"{action} was not answered (no readable answer came), so ")
    assert "know" in found.message or "show" in found.message
    assert f"x:{action}" in found.fix


def test_every_missing_read_is_reported() -> None:
    """Two looks that failed are told together."""
    missing = products(unanswered=tuple(unseen(action) for action in QUESTIONS))

    assert [finding.subject for finding in CHECK.run(disk_facts(other_products=missing))] == list(QUESTIONS)


def test_what_two_disks_lack_alike_is_reported_once() -> None:
    """A right that is missing is missing for all disks."""
    missing = products(unanswered=(unseen("DescribeDiskReplicaPairs"),))
    both = [disk_facts(disk=a_disk(disk_id=each), other_products=missing) for each in ("d-1", "d-2")]

    assert [found.check for found in check_disks(both)].count("not-checked") == 1
