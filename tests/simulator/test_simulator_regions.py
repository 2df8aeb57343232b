"""Worlds with things of several regions."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.simulator import Simulator
from safe_reinit.simulator.world import WorldError, parse_world
from tests.simulator.support import Simulate, call

HERE, THERE = "cn-hangzhou", "cn-beijing"
WORLD: dict[str, Any] = {
    "images": {"m-here": {}, "m-there": {"region": THERE}},
    "instances": {"i-here": {"status": "Stopped"}, "i-there": {"region": THERE, "status": "Stopped"}},
    "disks": {
        "d-here": {"instance": "i-here", "type": "system", "image": "m-here"},
        "d-there": {"instance": "i-there", "type": "system", "image": "m-there"},
    },
    "snapshots": {"s-here": {"disk": "d-here"}, "s-there": {"disk": "d-there"}},
}
LISTS = {
    "DescribeInstances": ("Instances", "Instance", "InstanceId", "i"),
    "DescribeDisks": ("Disks", "Disk", "DiskId", "d"),
    "DescribeSnapshots": ("Snapshots", "Snapshot", "SnapshotId", "s"),
    "DescribeImages": ("Images", "Image", "ImageId", "m"),
}


@pytest.mark.parametrize("action", LISTS)
@pytest.mark.parametrize("region", [HERE, THERE])
def test_a_list_shows_what_is_in_the_region_asked_for(simulate: Simulate, action: str, region: str) -> None:
    """Each Describe call answers of one region, and says which."""
    outer, inner, name, kind = LISTS[action]
    answer = call(simulate(WORLD), action, {"RegionId": region}).json
    rows = answer[outer][inner]
    assert [row[name] for row in rows] == [f"{kind}-{'here' if region == HERE else 'there'}"]
    assert {row.get("RegionId", region) for row in rows} == {region}


def test_a_call_without_a_region_finds_an_id_wherever_it_is(simulate: Simulate) -> None:
    """ReInitDisk has no region, and wipes the disk of either one; in the name of the wrong one it finds nothing."""
    sim = simulate(WORLD)
    assert call(sim, "ReInitDisk", {"DiskId": "d-there", "RegionId": HERE}).code == "InvalidDiskId.NotFound"
    assert call(sim, "ReInitDisk", {"DiskId": "d-here", "RegionId": THERE}).code == "InvalidDiskId.NotFound"
    assert [call(sim, "ReInitDisk", {"DiskId": disk}).code for disk in ("d-here", "d-there")] == ["", ""]


def test_acts_on_many_and_tags_are_of_one_region(simulate: Simulate) -> None:
    """An instance of another region is not found by StartInstances and TagResources."""
    sim = simulate(WORLD)
    start = {"InstanceId.1": "i-here"}
    assert call(sim, "StartInstances", {"RegionId": THERE, **start}).code == "InvalidInstanceIds.NotFound"
    assert call(sim, "StartInstances", {"RegionId": HERE, **start}).code == ""
    tag = {"ResourceType": "instance", "ResourceId.1": "i-there", "Tag.1.Key": "a", "Tag.1.Value": "b"}
    assert call(sim, "TagResources", {"RegionId": HERE, **tag}).code == "InvalidResourceId.NotFound"
    assert call(sim, "TagResources", {"RegionId": THERE, **tag}).code == ""


def test_limits_are_per_region_also_of_calls_that_name_none(simulate: Simulate) -> None:
    """A wipe in one region uses up no call of another."""
    sim = simulate({**WORLD, "rate_limits": {"ReInitDisk": 1}})
    codes = [call(sim, "ReInitDisk", {"DiskId": disk}).code for disk in ("d-here", "d-here", "d-there")]
    assert codes[1] == "Throttling.User"
    assert codes[2] == ""


def test_a_new_snapshot_is_in_the_region_of_its_disk(simulate: Simulate) -> None:
    """CreateSnapshot makes it where the disk is."""
    sim: Simulator = simulate(WORLD)
    made = call(sim, "CreateSnapshot", {"DiskId": "d-there"}).json["SnapshotId"]
    shown = {
        region: [row["SnapshotId"] for row in rows["Snapshots"]["Snapshot"]]
        for region in (HERE, THERE)
        for rows in [call(sim, "DescribeSnapshots", {"RegionId": region}).json]
    }
    assert made in shown[THERE]
    assert made not in shown[HERE]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"instances": {"i-1": {"region": "mars"}}}, "instances.i-1.region"),
        ({"instances": {"i-1": {"region": THERE}}, "disks": {"d-1": {"instance": "i-1", "region": HERE}}}, "disks.d-1"),
        ({"disks": {"d-1": {}}, "snapshots": {"s-1": {"disk": "d-1", "region": THERE}}}, "snapshots.s-1.region"),
        ({"images": {"m-1": {}}, "disks": {"d-1": {"region": THERE, "image": "m-1"}}}, "disks.d-1"),
    ],
)
def test_a_world_that_cannot_be_is_refused(changes: dict[str, Any], path: str) -> None:
    """A region that the world does not have, and things of two regions that belong together, are mistakes."""
    with pytest.raises(WorldError, match=path):
        parse_world(changes)
