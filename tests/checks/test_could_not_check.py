"""When a look could not be made."""

from __future__ import annotations

import pytest

from safe_reinit.checks.could_not_check import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, disk_facts, options, products, unseen


def test_everything_was_seen() -> None:
    """Where every look was answered, nothing is said."""
    assert_silent(CHECK, disk_facts())


def test_instances_are_reported_by_another_check() -> None:
    """DescribeInstances is left to instance-not-seen."""
    assert_silent(CHECK, disk_facts(unseen=(unseen("DescribeInstances"),)))


def test_an_empty_answer_that_counts_is_no_missing_read() -> None:
    """A disk that is really not there is left to disk-not-found."""
    assert_silent(CHECK, disk_facts(disk=None))


def test_a_read_without_the_right_stops() -> None:
    """The call is the subject, and the right that is missing is the way out."""
    found = assert_finds(CHECK, disk_facts(unseen=(unseen("DescribeSnapshots"),)), "block", "DescribeSnapshots")

    assert "ecs:DescribeSnapshots" in found.fix
    assert DISK_ID in found.message
    assert "Forbidden.RAM" in found.message


def test_it_speaks_of_a_disk_that_was_not_seen() -> None:
    """A disk that could not be looked at is told here, since nothing else may speak of it."""
    facts = disk_facts(disk=None, instance=None, unseen=(unseen("DescribeDisks"),))

    assert_finds(CHECK, facts, "block", "DescribeDisks")


def test_every_missing_read_is_reported() -> None:
    """Two missing rights are told together, so that nobody has to come back for the second."""
    facts = disk_facts(unseen=(unseen("DescribeSnapshots"), unseen("DescribeImages")))

    assert [finding.subject for finding in CHECK.run(facts)] == ["DescribeSnapshots", "DescribeImages"]


def test_a_reason_that_is_a_sentence_does_not_end_the_message() -> None:
    """The message stays one sentence whatever the reason looks like."""
    facts = disk_facts(unseen=(unseen("DescribeImages", why="No readable answer came.", right="", subject=""),))
    found = assert_finds(CHECK, facts, "block", "DescribeImages")

    assert "(No readable answer came)" in found.message


@pytest.mark.parametrize("required", [(), ("ebs", "kms", "events")])
def test_a_read_of_another_product_that_nobody_requires(required: tuple[str, ...]) -> None:
    """It is left to not-checked."""
    missing = products(unanswered=(unseen("DescribeScalingInstances"), unseen("DescribeAutoSnapshotPolicyEx")))

    assert_silent(CHECK, disk_facts(other_products=missing, options=options(require_answers=required)))


@pytest.mark.parametrize(
    ("word", "action"),
    [
        ("ess", "DescribeScalingInstances"),
        ("ebs", "DescribeDiskReplicaPairs"),
        ("kms", "DescribeKey"),
        ("events", "DescribeInstanceHistoryEvents"),
    ],
)
def test_a_read_that_the_configuration_requires_stops(word: str, action: str) -> None:
    """The word of the configuration stands for the call, which is the subject."""
    missing = products(unanswered=(unseen(action, right=f"x:{action}"),))
    facts = disk_facts(other_products=missing, options=options(require_answers=(word,)))
    found = assert_finds(CHECK, facts, "block", action)

    assert f"x:{action}" in found.fix
    assert "require_answers" in found.message
