"""Looking: what is seen, what is proven absent, and what could not be looked at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from safe_reinit import record
from safe_reinit.cloud import CloudError, NoCredentials, Refused, Unanswered
from safe_reinit.look import observe, tick
from safe_reinit.model import DiskFacts, Limits, Options, PlannedDisk, PlannedJob
from tests import values
from tests.cloudlike import TinyClock, TinyCloud


def facts(cloud: TinyCloud, disk_id: str = values.DISK_ID, **options: Any) -> DiskFacts:
    """Give what is seen of one disk."""
    return observe(cloud, TinyClock(), values.REGION, [disk_id], Options(**options)).disks[0]


def healthy(**more: Any) -> TinyCloud:
    """Give a cloud with the healthy data disk and its instance."""
    shown = {values.DISK_ID: (values.a_snapshot(),)}
    return TinyCloud([values.a_disk()], [values.an_instance()], **{"snapshots": shown, **more})


def named(cloud: TinyCloud) -> list[str]:
    """List what was asked."""
    return [name for name, _ in cloud.asked]


def test_what_is_there_is_seen_with_one_look_each() -> None:
    """A healthy disk takes one look of each kind and no probe."""
    cloud = healthy()
    seen = facts(cloud)

    assert (seen.disk, seen.instance, seen.unseen) == (values.a_disk(), values.an_instance(), ())
    of_ecs, of_others = named(cloud)[:5], named(cloud)[5:]

    assert sorted(of_ecs) == ["caller", "disks", "disks_of", "instances", "snapshots_of"]
    assert sorted(of_others) == ["replica_pairs", "scaling_members", "system_events"]


def test_an_empty_answer_is_an_absence_only_when_a_probe_proves_the_right() -> None:
    """A disk that is not shown is gone where DryRun says the look is allowed, and nothing is unseen then."""
    seen = facts(TinyCloud([], []))

    assert (seen.disk, seen.unseen) == (None, ())


@pytest.mark.parametrize("code", ["Forbidden.RAM", "NoPermission", "OK", "InvalidParameter"])
@pytest.mark.parametrize(
    ("probe", "action"),
    [
        ("DescribeDisks", "DescribeDisks"),
        ("DescribeInstances", "DescribeInstances"),
        ("DescribeSnapshotsOfDisk", "DescribeSnapshots"),
        ("DescribeSnapshots", "DescribeSnapshots"),
        ("DescribeImages", "DescribeImages"),
    ],
)
def test_an_empty_answer_that_no_probe_proves_is_a_look_that_could_not_be_made(
    probe: str, action: str, code: str
) -> None:
    """Where DryRun says anything but DryRunOperation, what was not shown is unseen and not absent."""
    disk = values.a_disk(image_id=values.IMAGE_ID, source_snapshot_id="s-origin")
    gone = {"DescribeDisks": ([], []), "DescribeInstances": ([disk], [])}
    disks, instances = gone.get(probe, ([disk], [values.an_instance()]))
    shown = {} if probe == "DescribeSnapshotsOfDisk" else {values.DISK_ID: (values.a_snapshot(),)}
    seen = facts(TinyCloud(disks, instances, snapshots=shown, probes={probe: code}))

    assert [each.action for each in seen.unseen] == [action]
    assert seen.unseen[0].right == f"ecs:{action}"


@pytest.mark.parametrize("look", ["disks", "instances", "snapshots_of", "disks_of"])
def test_a_look_that_is_forbidden_is_told_as_unseen(look: str) -> None:
    """A refusal for want of a right does not end the looking: it is noted with the right that is missing."""
    cloud = healthy(failing={look: [Refused("Forbidden.RAM", 403, "", "r")]})
    told = [
        each.action for each in observe(cloud, TinyClock(), values.REGION, [values.DISK_ID], Options()).disks[0].unseen
    ]

    assert told


@pytest.mark.parametrize(
    "error",
    [Refused("InvalidSecurityToken.Expired", 403, "", "r"), NoCredentials("DescribeDisks"), Refused("X", 400, "", "r")],
    ids=lambda error: type(error).__name__,
)
def test_a_look_that_fails_for_another_reason_ends_the_looking(error: CloudError) -> None:
    """Dead credentials or an unknown refusal are not taken for a missing right."""
    with pytest.raises(type(error)):
        facts(healthy(failing={"disks": [error]}))


@pytest.mark.parametrize("look", ["caller", "disks", "instances", "snapshots_of", "disks_of"])
def test_a_look_that_fails_once_is_asked_again(look: str) -> None:
    """One lost answer among many looks changes nothing of what is seen."""
    seen = facts(healthy(failing={look: [Unanswered("Describe")]}))

    assert (seen.disk, seen.instance, seen.unseen) == (values.a_disk(), values.an_instance(), ())


def test_what_ecs_dates_is_judged_by_its_date() -> None:
    """The time of the facts is the ``Date`` of the look, and the local clock is measured against it."""
    late = TinyClock().now() - timedelta(hours=1)
    seen = facts(healthy(date=late, loopback=False))

    assert seen.now == late
    assert seen.clock_skew is not None
    assert 3590 < seen.clock_skew < 3610


def test_the_clock_of_a_simulator_is_not_measured() -> None:
    """On a loopback endpoint the date says nothing of the local clock."""
    assert facts(healthy(loopback=True)).clock_skew is None
    assert facts(healthy(loopback=False, date=None)).clock_skew is None


def test_the_other_disks_of_the_machine_are_its_neighbours() -> None:
    """Disks that share the downtime are told, the targets themselves are not among them."""
    cloud = healthy()
    cloud.shown["d-other"] = values.a_disk(disk_id="d-other")

    assert [disk.disk_id for disk in facts(cloud).neighbours] == ["d-other"]


@pytest.mark.parametrize(("status", "asks"), [("Running", True), ("Stopped", False)])
def test_the_rights_to_stop_and_start_are_asked_where_they_will_be_needed(status: str, asks: bool) -> None:
    """DryRun of stop and start is asked for a running machine that may be stopped, and for no other."""
    cloud = TinyCloud([values.a_disk()], [values.an_instance(status=status)])
    seen = facts(cloud, stop_instance=True)

    assert bool(seen.rights) is asks
    assert not facts(cloud, stop_instance=False).rights
    assert cloud.acts == []


def begun(disk_ids: list[str], instance_id: str) -> Any:
    """Give the record of a job that has just begun."""
    disks = tuple(PlannedDisk(each) for each in disk_ids)
    job = PlannedJob(instance_id, "", "Running", "Running", will_stop=True, will_start=True, disks=disks)
    return record.begin(job, Limits(), leave_stopped=False)


def test_a_tick_looks_at_all_jobs_at_once() -> None:
    """One DescribeDisks and one DescribeInstances serve all open jobs, and each sees only what is its own."""
    disks = [values.a_disk(disk_id=f"d-{n}", instance_id=f"i-{n}") for n in range(5)]
    cloud = TinyCloud(disks, [values.an_instance(instance_id=f"i-{n}") for n in range(4)])
    seen = tick(cloud, TinyClock(), [begun([f"d-{n}"], f"i-{n}") for n in range(5)])

    assert named(cloud) == ["disks", "instances"]
    assert [sorted(each.disks) for each in seen] == [[f"d-{n}"] for n in range(5)]
    assert [each.instance is not None for each in seen] == [True] * 4 + [False]


def test_a_tick_looks_for_snapshots_only_when_asked() -> None:
    """Snapshots in progress are looked for before a stop, and cost nothing afterwards."""
    growing = values.a_snapshot(status="progressing")
    cloud = healthy(snapshots={values.DISK_ID: (growing, values.a_snapshot())})
    job = begun([values.DISK_ID], values.INSTANCE_ID)

    assert tick(cloud, TinyClock(), [job])[0].progressing == ()
    assert tick(cloud, TinyClock(), [job], snapshots=True)[0].progressing == (growing,)
