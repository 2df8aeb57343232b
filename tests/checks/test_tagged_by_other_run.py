"""tagged-by-other-run: the lock tag of a run on another host blocks."""

from __future__ import annotations

from safe_reinit.checks.tagged_by_other_run import check
from safe_reinit.model import LOCK_TAG
from tests.values import INSTANCE_ID, an_instance, disk_facts, options


def test_silent_without_a_tag() -> None:
    """Other tags, no tags and no instance are nobody's lock."""
    assert not list(check(disk_facts()))
    assert not list(check(disk_facts(instance=an_instance(tags=(("env", "lab"), ("safe-reinit", "r-1"))))))
    assert not list(check(disk_facts(instance=None)))


def test_silent_about_the_own_tag() -> None:
    """A run that looks again before a call sees its own tag."""
    mine = an_instance(tags=((LOCK_TAG, "r-1"),))

    assert not list(check(disk_facts(instance=mine, options=options(run_id="r-1"))))


def test_another_tag_blocks() -> None:
    """The tag of another run blocks a plan, and a run of another name; its value is told."""
    theirs = an_instance(tags=((LOCK_TAG, "r-2"),))

    for asked in (options(), options(run_id="r-1"), options(lock_tag=True)):
        (found,) = check(disk_facts(instance=theirs, options=asked))

        assert (found.level, found.subject) == ("block", INSTANCE_ID)
        assert "r-2" in found.message
        assert found.fact == {"TagKey": LOCK_TAG, "TagValue": "r-2"}


def test_a_tag_without_a_value_blocks_too() -> None:
    """An empty or odd value is a lock all the same, and cannot forge a line."""
    for value in ("", "r-2\nfine"):
        (found,) = check(disk_facts(instance=an_instance(tags=((LOCK_TAG, value),))))

        assert found.level == "block"
        assert "\n" not in found.message
