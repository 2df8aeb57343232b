"""When the snapshot the disk was made from is too old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from safe_reinit.checks.source_snapshot_too_old import CHECK
from safe_reinit.model import DiskFacts
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, YESTERDAY, a_disk, a_snapshot, disk_facts

LAST_MOMENT = datetime(2013, 7, 15, 23, 59, 59, tzinfo=UTC)


def facts_of(created: datetime | None, detached: datetime | None) -> DiskFacts:
    """Return a disk made from a snapshot of that time, detached at the other."""
    return disk_facts(
        disk=a_disk(source_snapshot_id="s-1", detached_time=detached),
        source_snapshot=a_snapshot(snapshot_id="s-1", creation_time=created),
    )


def test_a_blank_disk() -> None:
    """A disk that was made from no snapshot is no finding."""
    assert_silent(CHECK, disk_facts(disk=a_disk(detached_time=YESTERDAY)))


def test_a_snapshot_of_the_day_after() -> None:
    """The first snapshot that is young enough is of 2013-07-16, UTC."""
    assert_silent(CHECK, facts_of(LAST_MOMENT + timedelta(seconds=1), YESTERDAY))


def test_a_disk_that_was_never_detached() -> None:
    """An old snapshot does no harm until the disk is detached for the first time."""
    assert_silent(CHECK, facts_of(LAST_MOMENT, None))


def test_a_snapshot_of_unknown_age() -> None:
    """A snapshot that shows no time is not judged."""
    assert_silent(CHECK, facts_of(None, YESTERDAY))


def test_a_snapshot_that_is_gone() -> None:
    """The age of a snapshot that is not there is unknown, and source-snapshot-deleted speaks."""
    assert_silent(CHECK, disk_facts(disk=a_disk(source_snapshot_id="s-1", detached_time=YESTERDAY)))


def test_no_disk() -> None:
    """A disk that was not seen is not judged."""
    assert_silent(CHECK, disk_facts(disk=None, source_snapshot=a_snapshot(creation_time=LAST_MOMENT)))


@pytest.mark.parametrize("created", [LAST_MOMENT, LAST_MOMENT - timedelta(days=300)])
def test_an_old_snapshot_of_a_detached_disk_stops(created: datetime) -> None:
    """The whole of 2013-07-15 is too old, as is everything before it."""
    found = assert_finds(CHECK, facts_of(created, YESTERDAY), "block", DISK_ID, "InvalidSnapshot.TooOld")

    assert f"{created:%Y-%m-%d}" in found.message
