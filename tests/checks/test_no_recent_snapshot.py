"""When no recent snapshot of the disk could bring its data back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from safe_reinit.checks.no_recent_snapshot import CHECK
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, LONG_AGO, NOW, a_snapshot, an_instance, disk_facts, options, stopping_facts, unseen

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def taken(ago: timedelta, **changes: Any) -> Any:
    """Return an accomplished snapshot that was taken so long ago."""
    return a_snapshot(creation_time=NOW - ago, **changes)


@pytest.mark.parametrize("facts", [disk_facts, stopping_facts], ids=["stopped", "running"])
def test_a_fresh_snapshot(facts: Any) -> None:
    """One that is newer than the last start and young enough is enough, also while the instance runs."""
    assert_silent(CHECK, facts())


@pytest.mark.parametrize("other", [{"status": "failed"}, {"status": "progressing"}, {"creation_time": LONG_AGO}])
def test_one_good_snapshot_among_others(other: dict[str, Any]) -> None:
    """One good snapshot is enough, whatever else there is, and wherever it stands in the list."""
    good, bad = a_snapshot(), a_snapshot(snapshot_id="s-other", **other)

    assert_silent(CHECK, disk_facts(snapshots=(good, bad)))
    assert_silent(CHECK, disk_facts(snapshots=(bad, good)))


@pytest.mark.parametrize("snapshots", [(), (a_snapshot(creation_time=LONG_AGO),)], ids=["none", "an old one"])
def test_a_snapshot_that_the_run_takes(snapshots: tuple[Any, ...]) -> None:
    """With --snapshot there will be one, so none is missing."""
    assert_silent(CHECK, disk_facts(snapshots=snapshots, options=options(snapshot=True)))


def test_the_limit_itself() -> None:
    """A snapshot exactly as old as the configured age is no older than it."""
    started = an_instance(start_time=LONG_AGO)

    assert_silent(CHECK, disk_facts(snapshots=(taken(DAY),), instance=started))
    assert_silent(
        CHECK, disk_facts(snapshots=(taken(9 * DAY),), instance=started, options=options(snapshot_max_age=9 * 86400.0))
    )


def test_the_minute_after_the_start() -> None:
    """StartTime is cut off to the minute: a snapshot of the minute after it was taken after the start for sure."""
    assert_silent(CHECK, disk_facts(snapshots=(taken(HOUR),), instance=an_instance(start_time=NOW - HOUR - MINUTE)))


@pytest.mark.parametrize("days", [2, 30, 65536])
def test_a_snapshot_that_is_kept_for_more_than_a_day(days: int) -> None:
    """A retention that ends more than 24 hours from now takes nothing away."""
    assert_silent(CHECK, disk_facts(snapshots=(taken(HOUR, retention_days=days),)))


def test_an_instance_that_shows_no_start() -> None:
    """Without a StartTime only the age counts; never-started speaks of the rest."""
    assert_silent(CHECK, disk_facts(instance=an_instance(start_time=None)))


@pytest.mark.parametrize("changes", [{"disk": None}, {"instance": None}, {"unseen": (unseen("DescribeSnapshots"),)}])
def test_what_was_not_seen(changes: dict[str, Any]) -> None:
    """Where the disk, its instance or its snapshots were not seen, nothing is judged: other checks block."""
    assert_silent(CHECK, disk_facts(**({"snapshots": ()} | changes)))


@pytest.mark.parametrize("snapshots", [(), (a_snapshot(status="failed"),), (a_snapshot(status="progressing"),)])
def test_no_accomplished_snapshot_is_a_risk(snapshots: tuple[Any, ...]) -> None:
    """A snapshot that failed or is not done yet brings nothing back, and --snapshot is named as the way."""
    found = assert_finds(CHECK, disk_facts(snapshots=snapshots), "risk", DISK_ID)

    assert "no accomplished snapshot" in found.message
    assert "--snapshot" in found.fix
    assert found.fact["SnapshotId"] is None


def test_a_snapshot_from_before_the_last_start_is_a_risk() -> None:
    """What was written since the machine was started is not in it, however young it is."""
    facts = disk_facts(snapshots=(taken(2 * HOUR),), instance=an_instance(start_time=NOW - HOUR))
    found = assert_finds(CHECK, facts, "risk", DISK_ID)

    assert "the last start" in found.message
    assert found.fact["StartTime"] == "2026-01-02T02:04:05Z"


@pytest.mark.parametrize("seconds", [0, 59])
def test_a_snapshot_of_the_minute_of_the_start_is_a_risk(seconds: int) -> None:
    """Within the minute that StartTime names nobody knows which of the two came first."""
    began = NOW - HOUR
    snapshot = a_snapshot(creation_time=began + timedelta(seconds=seconds))

    assert_finds(CHECK, disk_facts(snapshots=(snapshot,), instance=an_instance(start_time=began)), "risk", DISK_ID)


@pytest.mark.parametrize(("age", "result"), [(86400.0, "24h"), (5400.0, "90m"), (7199.0, "7199s")])
def test_a_snapshot_that_is_too_old_is_a_risk(age: float, result: str) -> None:
    """The configured age decides, and the message tells it as it is configured."""
    snapshot = a_snapshot(creation_time=NOW - timedelta(seconds=age + 1))
    facts = disk_facts(
        snapshots=(snapshot,), instance=an_instance(start_time=LONG_AGO), options=options(snapshot_max_age=age)
    )
    found = assert_finds(CHECK, facts, "risk", DISK_ID)

    assert f"older than {result}" in found.message
    assert snapshot.snapshot_id in found.message


@pytest.mark.parametrize("days", [0, 1])
def test_a_snapshot_that_ecs_releases_within_a_day_is_a_risk(days: int) -> None:
    """A way back that is gone tomorrow is none."""
    found = assert_finds(CHECK, disk_facts(snapshots=(taken(HOUR, retention_days=days),)), "risk", DISK_ID)

    assert "within 24 hours" in found.message


def test_a_snapshot_without_a_time_is_a_risk() -> None:
    """What does not say when it was taken proves nothing."""
    found = assert_finds(CHECK, disk_facts(snapshots=(a_snapshot(creation_time=None),)), "risk", DISK_ID)

    assert "has no creation time" in found.message


def test_the_newest_snapshot_is_reported() -> None:
    """Of several that are not enough, the newest is named."""
    shots = (taken(9 * DAY, snapshot_id="s-9"), taken(3 * DAY, snapshot_id="s-3"), taken(5 * DAY, snapshot_id="s-5"))
    found = assert_finds(CHECK, disk_facts(snapshots=shots), "risk", DISK_ID)

    assert found.fact["SnapshotId"] == "s-3"


@pytest.mark.parametrize(("status", "result"), [("Running", True), ("Stopped", False)])
def test_a_running_instance_writes_on(status: str, result: bool) -> None:
    """Of a Running instance it is said that no snapshot taken now has all of it."""
    found = assert_finds(CHECK, disk_facts(snapshots=(), instance=an_instance(status=status)), "risk", DISK_ID)

    assert ("until it is stopped" in found.message) == result
