"""Looking: what is seen, what is proven absent, and what could not be looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from safe_reinit.cloud.interface import CloudError, NoCredentials, Refused, Unanswered
from safe_reinit.model import DiskFacts, Options, ScalingMember
from tests import values
from tests.cloudlike import TinyClock, TinyCloud, facts_for


def facts(cloud: TinyCloud, disk_id: str = values.DISK_ID, **options: Any) -> DiskFacts:
    """Return what is seen of one disk."""
    return facts_for(cloud, TinyClock(), values.REGION, [disk_id], Options(**options)).disks[0]


def healthy(**more: Any) -> TinyCloud:
    """Return a cloud with the healthy data disk and its instance."""
    shown = {values.DISK_ID: (values.a_snapshot(),)}
    return TinyCloud([values.a_disk()], [values.an_instance()], **{"snapshots": shown, **more})


def named(cloud: TinyCloud) -> list[str]:
    """List what was asked."""
    return [name for name, _ in cloud.asked]


def test_what_is_there_is_seen_with_one_read_each() -> None:
    """A healthy disk takes one look of each kind and no probe."""
    cloud = healthy()
    seen = facts(cloud)

    assert (seen.disk, seen.instance, seen.unseen) == (values.a_disk(), values.an_instance(), ())
    of_ecs, of_others = named(cloud)[:5], named(cloud)[5:]

    assert sorted(of_ecs) == [
        "describe_disks",
        "describe_disks_of",
        "describe_instances",
        "describe_snapshots_of",
        "get_caller",
    ]
    assert sorted(of_others) == ["describe_replica_pairs", "describe_scaling_members", "describe_system_events"]


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
def test_an_empty_answer_that_no_probe_proves_is_a_read_that_could_not_be_made(
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


@pytest.mark.parametrize(
    "reading", ["describe_disks", "describe_instances", "describe_snapshots_of", "describe_disks_of"]
)
def test_a_read_that_is_forbidden_is_reported_as_unseen(reading: str) -> None:
    """A refusal for want of a right does not end the looking: it is noted with the right that is missing."""
    cloud = healthy(failing={reading: [Refused("Forbidden.RAM", 403, "", "r")]})
    result = [
        each.action
        for each in facts_for(cloud, TinyClock(), values.REGION, [values.DISK_ID], Options()).disks[0].unseen
    ]

    assert result


@pytest.mark.parametrize(
    "error",
    [
        Refused("InvalidSecurityToken.Expired", 403, "", "r"),
        NoCredentials("DescribeDisks", "there are none"),
        Refused("X", 400, "", "r"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_read_that_fails_for_another_reason_is_the_last(error: CloudError) -> None:
    """Dead credentials or an unknown refusal are not taken for a missing right."""
    with pytest.raises(type(error)):
        facts(healthy(failing={"describe_disks": [error]}))


@pytest.mark.parametrize(
    "reading", ["get_caller", "describe_disks", "describe_instances", "describe_snapshots_of", "describe_disks_of"]
)
def test_a_read_that_fails_once_is_repeated(reading: str) -> None:
    """One lost answer among many looks changes nothing of what is seen."""
    seen = facts(healthy(failing={reading: [Unanswered("Describe")]}))

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

    assert bool(seen.dry_run_codes) is asks
    assert not facts(cloud, stop_instance=False).dry_run_codes
    assert cloud.acts == []


# ------------------------------------------------------------------------------------------------ looks at many


FLEET_SIZE = 12


def fleet(count: int = FLEET_SIZE, **more: Any) -> tuple[TinyCloud, list[str]]:
    """Return a cloud with many machines of a disk each, each with a snapshot, and the ids of the disks."""
    numbers = range(count)
    disks = [values.a_disk(disk_id=f"d-{n}", instance_id=f"i-{n}") for n in numbers]
    shots = {f"d-{n}": (values.a_snapshot(snapshot_id=f"s-{n}", source_disk_id=f"d-{n}"),) for n in numbers}
    machines = [values.an_instance(instance_id=f"i-{n}", status="Running") for n in numbers]
    return TinyCloud(disks, machines, **{"snapshots": shots, **more}), [disk.disk_id for disk in disks]


def seen_of(cloud: TinyCloud, ids: list[str], **options: Any) -> dict[str, DiskFacts]:
    """Look at all of these disks for a plan."""
    facts = facts_for(cloud, TinyClock(), values.REGION, ids, Options(stop_instance=True, **options))
    return {each.disk_id: each for each in facts.disks}


def test_a_plan_for_many_lists_the_region() -> None:
    """Snapshots and neighbours come from listings, the rights from a dry run for many: no disk is asked by itself."""
    cloud, ids = fleet()
    cloud.shown["d-near"] = values.a_disk(disk_id="d-near", instance_id="i-3")
    seen = seen_of(cloud, ids)

    assert not {"describe_snapshots_of", "describe_disks_of", "dry_run_stop", "dry_run_start"} & set(named(cloud))
    assert [name for name in named(cloud) if name.startswith("dry_run ")] == [
        "dry_run StopInstances",
        "dry_run StartInstances",
    ]
    assert [each.snapshots[0].snapshot_id for each in seen.values()] == [f"s-{n}" for n in range(FLEET_SIZE)]
    assert {each.disk_id: len(each.neighbours) for each in seen.values()} == {**dict.fromkeys(ids, 0), "d-3": 1}
    assert all(each.dry_run_codes["StopInstance"] == "DryRunOperation" for each in seen.values())


def test_a_region_with_more_than_was_listed_is_asked_for_what_is_open() -> None:
    """A listing that was cut short is completed where the counts of the chains say that something is missing."""
    cloud, ids = fleet(listed=8)
    seen = seen_of(cloud, ids)

    assert [each.snapshots[0].snapshot_id for each in seen.values()] == [f"s-{n}" for n in range(FLEET_SIZE)]
    assert [ids_ for name, ids_ in cloud.asked if name == "describe_snapshots_of"] == [
        (f"d-{n}",) for n in range(8, FLEET_SIZE)
    ]
    assert len([name for name in named(cloud) if name == "describe_disks_of"]) == FLEET_SIZE


def test_a_disk_without_snapshots_is_counted_before_that_is_believed() -> None:
    """That a complete listing shows none of a disk is held against the count of its chain."""
    cloud, ids = fleet()
    cloud.snapshots_by_disk["d-4"] = ()
    seen = seen_of(cloud, ids)

    assert seen["d-4"].snapshots == ()
    assert [ids_ for name, ids_ in cloud.asked if name == "describe_snapshot_links"] == [("d-4",)]
    assert "describe_snapshots_of" not in named(cloud)


def test_without_the_right_to_list_each_is_asked() -> None:
    """A listing that is forbidden proves nothing about a disk: each is asked, and what is missing is named there."""
    denied = Refused("Forbidden.RAM", 403, "", "r")
    cloud, ids = fleet(failing={"list_snapshots": [denied], "list_disks": [denied]})
    seen = seen_of(cloud, ids)

    assert all(each.snapshots and not each.unseen for each in seen.values())
    assert len([name for name in named(cloud) if name == "describe_disks_of"]) == FLEET_SIZE


@pytest.mark.parametrize("denied", ["i-0", "i-5", "i-11"])
def test_a_right_that_is_missing_for_one_of_many_is_that_ones(denied: str) -> None:
    """The dry run of a whole batch is forbidden because of one: the batch is halved until it is found."""
    cloud, ids = fleet(probes={denied: "Forbidden.RAM"})
    by_one = {"dry_run_stop": cloud.dry_run_stop, "dry_run_start": cloud.dry_run_start}
    for name, ask in by_one.items():
        setattr(cloud, name, lambda each, ask=ask: "Forbidden.RAM" if each == denied else ask(each))
    seen = seen_of(cloud, ids)
    codes = {
        str(each.instance and each.instance.instance_id): each.dry_run_codes["StopInstance"] for each in seen.values()
    }

    assert codes == {f"i-{n}": "Forbidden.RAM" if f"i-{n}" == denied else "DryRunOperation" for n in range(FLEET_SIZE)}


class Counted(str):
    """A name that counts how often any of its kind is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def compared(count: int) -> int:
    """Count the comparisons that looking at so many takes."""
    cloud, ids = fleet(count)
    cloud.shown = {name: replace(disk, instance_id=Counted(disk.instance_id)) for name, disk in cloud.shown.items()}
    cloud.snapshots_by_disk = {
        name: tuple(replace(shot, source_disk_id=Counted(shot.source_disk_id)) for shot in shots)
        for name, shots in cloud.snapshots_by_disk.items()
    }
    cloud.members = [ScalingMember(Counted(f"i-{n}"), "asg", "Protected") for n in range(count)]
    Counted.compared = 0
    seen_of(cloud, ids)
    return Counted.compared


def test_what_is_listed_is_not_searched_for_each_of_many() -> None:
    """Eight times the machines take about eight times the comparisons, and not sixty-four times."""
    some, many = compared(FLEET_SIZE), compared(8 * FLEET_SIZE)

    assert some > 0
    assert many < 12 * some


def test_what_is_not_listed_of_many_is_proven_absent_by_one_dry_run() -> None:
    """Ids are asked for by 100 a call, and the right to see those that are not listed is asked for once."""
    cloud, ids = fleet(250)
    cloud.shown = {name: disk for name, disk in cloud.shown.items() if name not in ("d-7", "d-240")}
    seen = seen_of(cloud, ids)

    assert sorted(len(asked) for name, asked in cloud.asked if name == "describe_disks") == [50, 100, 100]
    assert [asked for name, asked in cloud.asked if name == "dry_run DescribeDisks"] == [("d-7", "d-240")]
    assert [name for name, each in seen.items() if each.disk is None and not each.unseen] == ["d-7", "d-240"]
