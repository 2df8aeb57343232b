"""When the instance is I/O optimized and the image does not support it."""

from __future__ import annotations

import pytest

from safe_reinit.checks.image_not_io_optimized import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import SYSTEM_DISK_ID, a_disk, an_image, an_instance, disk_facts, system_facts


@pytest.mark.parametrize(
    ("instance", "image"), [(True, True), (False, False), (False, True), (None, False), (True, None), (None, None)]
)
def test_flags_that_agree_or_are_not_shown(instance: bool | None, image: bool | None) -> None:
    """Only a clear contradiction counts."""
    facts = system_facts(instance=an_instance(io_optimized=instance), image=an_image(io_optimized=image))

    assert_silent(CHECK, facts)


@pytest.mark.parametrize("missing", ["disk", "instance", "image"])
def test_what_was_not_seen(missing: str) -> None:
    """Without all three there is nothing to compare."""
    facts = {"image": an_image(io_optimized=False)} | {missing: None}

    assert_silent(CHECK, system_facts(**facts))


def test_a_data_disk() -> None:
    """Nothing is started from a data disk, so it is not judged."""
    facts = disk_facts(disk=a_disk(image_id="m-1"), image=an_image(io_optimized=False))

    assert_silent(CHECK, facts)


def test_a_contradiction_is_a_risk() -> None:
    """The documentation does not say exactly when ECS refuses, so a person may try."""
    facts = system_facts(image=an_image(io_optimized=False))

    assert_finds(CHECK, facts, "risk", SYSTEM_DISK_ID, "DependencyViolation.IoOptimize")
