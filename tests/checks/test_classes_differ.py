"""When the disks of a run are not all in one class."""

from __future__ import annotations

from safe_reinit.checks.classes_differ import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import disk_facts, guard, run_class


def test_no_class_and_one_class() -> None:
    """Where no disk is in a class, or all are in one, nothing is said."""
    assert_silent(CHECK, disk_facts())
    assert_silent(CHECK, disk_facts(guard=guard(class_=run_class())))


def test_two_classes() -> None:
    """Which disks are in which class is told."""
    found = assert_finds(CHECK, disk_facts(guard=guard(mixed=(("d-1", "lab"), ("d-2", "staging")))), "info", "run")

    assert "lab: d-1" in found.message
    assert "staging: d-2" in found.message


def test_a_class_and_none() -> None:
    """A disk in no class is told as such."""
    found = assert_finds(CHECK, disk_facts(guard=guard(mixed=(("d-1", "lab"), ("d-2", "")))), "info", "run")

    assert "in no class: d-2" in found.message
