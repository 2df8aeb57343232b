"""What happens by itself and what the account's affairs do to machines: groups, schedules, stock, arrears, limits."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.simulator import Simulator
from tests.simulator.support import Simulate, call, until

REGION = {"RegionId": "cn-hangzhou"}
ONE = {"instances": {"i-1": {}}, "disks": {"d-1": {"instance": "i-1"}}}
DOWN = {"instances": {"i-1": {"status": "Stopped"}}, "disks": {"d-1": {"instance": "i-1"}}}


def of(sim: Simulator, kind: str, name: str) -> str:
    """Return the true status of something."""
    return str(sim.state()[kind][name]["status"])


def try_to(sim: Simulator, action: str, **params: str) -> tuple[int, str]:
    """Call and return status and code."""
    answer = call(sim, action, params)
    return answer.status, answer.code


# Auto Scaling.


GROUP: dict[str, Any] = {
    "scaling_groups": {"asg-1": {"release_after": 600}},
    "instances": {"i-1": {"scaling_group": "asg-1"}},
    "disks": {
        "d-sys": {"instance": "i-1", "type": "system"},
        "d-data": {"instance": "i-1"},
        "d-shared": {"instance": ["i-1", "i-2"], "multi_attach": True, "delete_with_instance": True},
    },
}
GROUP["instances"]["i-2"] = {}


def test_a_group_releases_a_stopped_member(simulate: Simulate) -> None:
    """The member goes with its system disk; a data disk becomes Available, and one shared with others stays there."""
    sim = simulate(GROUP)
    (row,) = call(sim, "DescribeInstances", {**REGION, "InstanceIds": '["i-1"]'}).json["Instances"]["Instance"]
    assert row["Tags"]["Tag"] == [{"TagKey": "acs:autoscaling:scalingGroupId", "TagValue": "asg-1"}]
    call(sim, "StopInstance", {"InstanceId": "i-1"})
    until(sim, lambda: of(sim, "instances", "i-1") == "Deleted")
    state = sim.state()
    assert {name: (row["status"], row["instance_id"]) for name, row in state["disks"].items()} == {
        "d-sys": ("Deleted", None),
        "d-data": ("Available", None),
        "d-shared": ("In_use", "i-2"),
    }
    assert (state["calls"][-1]["action"], state["calls"][-1]["subject"]) == ("DeleteInstance", ["i-1", "d-sys"])
    assert call(sim, "DescribeInstances", REGION).json["TotalCount"] == 1
    assert try_to(sim, "StartInstance", InstanceId="i-1") == (404, "InvalidInstanceId.NotFound")
    assert try_to(sim, "ReInitDisk", DiskId="d-sys") == (404, "InvalidDiskId.NotFound")
    with pytest.raises(ValueError, match="no instance i-1"):
        sim.do({"start": "i-1"})


@pytest.mark.parametrize("lifecycle", ["Standby", "Protected"])
def test_a_group_leaves_some_members_alone(simulate: Simulate, lifecycle: str) -> None:
    """A member in Standby or Protected is not released, until it is in service again."""
    sim = simulate(GROUP)
    sim.do({"change": "i-1", "to": {"lifecycle": lifecycle}})
    call(sim, "StopInstance", {"InstanceId": "i-1"})
    sim.pass_time(3000)
    assert of(sim, "instances", "i-1") == "Stopped"
    sim.do({"change": "i-1", "to": {"lifecycle": "InService"}})
    until(sim, lambda: of(sim, "instances", "i-1") == "Deleted")


def test_a_member_that_is_back_in_time_is_kept(simulate: Simulate) -> None:
    """A member that runs again before the group's delay is over stays."""
    sim = simulate({**GROUP, "scaling_groups": {"asg-1": {"release_after": 3000}}})
    call(sim, "StopInstance", {"InstanceId": "i-1"})
    until(sim, lambda: of(sim, "instances", "i-1") == "Stopped")
    call(sim, "StartInstance", {"InstanceId": "i-1"})
    until(sim, lambda: of(sim, "instances", "i-1") == "Running")
    sim.pass_time(3600)
    assert of(sim, "instances", "i-1") == "Running"


def test_a_group_that_does_not_tag(simulate: Simulate) -> None:
    """A member without the tag is a member all the same."""
    sim = simulate({**GROUP, "scaling_groups": {"asg-1": {"release_after": 60, "tags": False}}})
    row = call(sim, "DescribeInstances", {**REGION, "InstanceIds": '["i-1"]'}).json["Instances"]["Instance"][0]
    assert row["Tags"] == {"Tag": []}
    sim.do({"stop": "i-1"})
    until(sim, lambda: of(sim, "instances", "i-1") == "Deleted")


# The schedule.


def test_automatic_snapshots_begin_by_themselves(simulate: Simulate) -> None:
    """They begin at their time and again, as acts of the world, and not while one is in progress."""
    plan = [
        {"at": "+30s", "every": 600, "do": {"auto_snapshot": "d-1", "seconds": 60}},
        {"at": "+40s", "do": {"auto_snapshot": "d-1"}},
        {"at": "+50s", "do": {"start": "i-nobody"}},
    ]
    sim = simulate({**ONE, "schedule": plan})
    until(sim, lambda: len(sim.state()["snapshots"]) == 2)
    calls = sim.state()["calls"]
    assert [(row["action"], row["subject"], row["source"]) for row in calls] == [
        ("CreateSnapshot", ["d-1"], "world"),
        ("CreateSnapshot", ["d-1"], "world"),
    ]
    rows = call(sim, "DescribeSnapshots", {**REGION, "SnapshotType": "auto"}).json["Snapshots"]["Snapshot"]
    assert len(rows) == 2
    assert rows[0]["SnapshotName"].startswith("auto2.0_")


def test_a_schedule_keeps_its_own_times(simulate: Simulate) -> None:
    """What was due between two looks happened at its own moment and in its order."""
    plan = [{"at": f"+{n}s", "do": {"start" if n % 2 else "stop": "i-1"}} for n in (3, 1, 2)]
    sim = simulate({**DOWN, "schedule": plan})
    until(sim, lambda: len(sim.state()["calls"]) == 3)
    times = [(row["action"], row["at"]) for row in sim.state()["calls"]]
    assert [name for name, _ in times] == ["StartInstance", "StopInstance", "StartInstance"]
    assert len({at for _, at in times}) == 3
    assert sorted(at for _, at in times) == [at for _, at in times]


@pytest.mark.parametrize("do", [{"dance": "d-1"}, {"start": "i-1", "stop": "i-1"}, {"start": "i-1", "reason": "x"}])
def test_a_schedule_that_makes_no_sense(simulate: Simulate, do: dict[str, Any]) -> None:
    """A line of the schedule that cannot be understood is a mistake of the world, with its path."""
    with pytest.raises(ValueError, match=r"^The world is not valid: schedule\.0\.do: "):
        simulate({**ONE, "schedule": [{"at": "+1s", "do": do}]})


def test_an_instance_is_released_at_its_time(simulate: Simulate) -> None:
    """AutoReleaseTime deletes a machine, running or not."""
    world = {"instances": {"i-1": {"auto_release": "+10m"}}, "disks": {"d-1": {"instance": "i-1", "type": "system"}}}
    sim = simulate(world)
    until(sim, lambda: of(sim, "instances", "i-1") == "Deleted")
    assert of(sim, "disks", "d-1") == "Deleted"


# Snapshots.


@pytest.mark.parametrize(("action", "spoils"), [("StopInstance", True), ("RebootInstance", True), ("", False)])
def test_a_stop_spoils_a_snapshot(simulate: Simulate, action: str, *, spoils: bool) -> None:
    """A snapshot in progress fails when its machine is stopped or restarted, and else is accomplished."""
    sim = simulate({**ONE, "snapshots": {"s-1": {"disk": "d-1", "status": "progressing", "seconds": 900}}})
    if action:
        call(sim, action, {"InstanceId": "i-1"})
    until(sim, lambda: of(sim, "snapshots", "s-1") != "progressing")
    assert of(sim, "snapshots", "s-1") == ("failed" if spoils else "accomplished")


def test_a_world_in_which_stops_spoil_nothing(simulate: Simulate) -> None:
    """The reference says only that a snapshot may fail, so a world can have it otherwise."""
    world = {**ONE, "stop_spoils_snapshots": False}
    sim = simulate({**world, "snapshots": {"s-1": {"disk": "d-1", "status": "progressing"}}})
    call(sim, "StopInstance", {"InstanceId": "i-1"})
    until(sim, lambda: of(sim, "snapshots", "s-1") == "accomplished")


def test_delete_snapshot(simulate: Simulate) -> None:
    """A snapshot that made a disk is deleted by Force only, that of an image never, an unknown one without a word."""
    world = {
        "images": {"m-1": {"snapshot": "s-image"}},
        "instances": {"i-1": {"status": "Stopped"}},
        "disks": {"d-1": {"instance": "i-1", "snapshot": "s-disk"}},
        "snapshots": {f"s-{name}": {"disk": "d-1"} for name in ("disk", "image", "none")},
    }
    world["snapshots"]["s-now"] = {"disk": "d-1", "status": "progressing", "seconds": 3600}
    sim = simulate(world)
    rows = call(sim, "DescribeSnapshots", REGION).json["Snapshots"]["Snapshot"]
    assert {row["SnapshotId"]: row["Usage"] for row in rows} == {
        "s-disk": "disk",
        "s-image": "image",
        "s-none": "none",
        "s-now": "none",
    }
    assert try_to(sim, "DeleteSnapshot", SnapshotId="s-image", Force="true") == (403, "SnapshotCreatedImage")
    assert try_to(sim, "DeleteSnapshot", SnapshotId="s-disk") == (403, "SnapshotCreatedDisk")
    for name in ("s-none", "s-nobody", "s-now"):
        assert try_to(sim, "DeleteSnapshot", SnapshotId=name) == (200, "")
    assert try_to(sim, "DeleteSnapshot", SnapshotId="s-disk", Force="true") == (200, "")
    assert try_to(sim, "ReInitDisk", DiskId="d-1") == (403, "InvalidSourceSnapshot")
    assert of(sim, "snapshots", "s-image") == "accomplished"
    sim.do({"delete_image": "m-1"})
    assert try_to(sim, "DeleteSnapshot", SnapshotId="s-image") == (200, "")


# Power.


def test_a_reboot(simulate: Simulate) -> None:
    """A running machine restarts through Starting, keeps its address, and its start is counted."""
    sim = simulate({"instances": {"i-1": {"public_ip": "203.0.113.1"}}})
    assert try_to(sim, "RebootInstance", InstanceId="i-1", DryRun="true") == (400, "DryRunOperation")
    assert try_to(sim, "RebootInstance", InstanceId="i-1") == (200, "")
    assert of(sim, "instances", "i-1") == "Starting"
    assert try_to(sim, "RebootInstance", InstanceId="i-1") == (403, "IncorrectInstanceStatus")
    until(sim, lambda: of(sim, "instances", "i-1") == "Running")
    row = sim.state()["instances"]["i-1"]
    assert (row["starts"], row["public_ip"]) == (2, "203.0.113.1")


def test_a_reboot_of_a_deaf_guest(simulate: Simulate) -> None:
    """A guest that ignores requests goes on running, unless it is forced."""
    sim = simulate({"instances": {"i-1": {"ignores_stop": True}}})
    assert try_to(sim, "RebootInstance", InstanceId="i-1") == (200, "")
    assert of(sim, "instances", "i-1") == "Running"
    assert try_to(sim, "RebootInstance", InstanceId="i-1", ForceStop="true") == (200, "")
    assert of(sim, "instances", "i-1") == "Starting"


@pytest.mark.parametrize(
    ("instance", "code"),
    [
        ({"stopped_mode": "StopCharging"}, "OperationDenied.NoStock"),
        ({"stopped_mode": "StopCharging", "stock": "enough"}, ""),
        ({}, ""),
        ({"dedicated_host": "dh-1"}, "InvalidDedicatedHost.NotEnoughResource"),
        ({"spot_strategy": "SpotWithPriceLimit"}, "OperationDenied.SpotPriceLowerThanPublicPrice"),
    ],
)
def test_no_stock(simulate: Simulate, instance: dict[str, Any], code: str) -> None:
    """Without stock a start is refused to what gave its resources back; the world's word can be overruled by one."""
    sim = simulate({"stock": "none", "instances": {"i-1": {"status": "Stopped", **instance}}})
    assert try_to(sim, "StartInstance", InstanceId="i-1")[1] == code


def test_stock_comes_back(simulate: Simulate) -> None:
    """Stock can run out and come back while the simulation runs."""
    sim = simulate({"instances": {"i-1": {"status": "Stopped", "stopped_mode": "StopCharging"}}})
    sim.do({"set": {"stock": "none"}})
    assert try_to(sim, "StartInstance", InstanceId="i-1") == (403, "OperationDenied.NoStock")
    sim.do({"set": {"stock": "enough"}})
    assert try_to(sim, "StartInstance", InstanceId="i-1") == (200, "")


@pytest.mark.parametrize(
    ("action", "status", "refused"),
    [
        ("StopInstance", "Running", (403, "InstanceExpiredOrInArrears")),
        ("RebootInstance", "Running", (403, "InstanceExpiredOrInArrears")),
        ("StartInstance", "Stopped", (403, "InsufficientBalance")),
        ("CreateSnapshot", "Stopped", (403, "InvalidAccountStatus.NotEnoughBalance")),
        ("ReInitDisk", "Stopped", (403, "InstanceExpiredOrInArrears")),
    ],
)
def test_arrears(simulate: Simulate, action: str, status: str, refused: tuple[int, str]) -> None:
    """An account in arrears may do none of it to what is paid by use; once it has paid it may."""
    world = {"instances": {"i-1": {"status": status}}, "disks": {"d-1": {"instance": "i-1"}}, "arrears": True}
    sim = simulate(world)
    assert try_to(sim, action, InstanceId="i-1", DiskId="d-1") == refused
    sim.do({"set": {"arrears": False}})
    assert try_to(sim, action, InstanceId="i-1", DiskId="d-1") == (200, "")


@pytest.mark.parametrize(
    ("disk", "stop", "start"),
    [
        ({"kms": "KMSUnauthorized"}, *[(403, "InvalidParameter.KMSKeyId.KMSUnauthorized")] * 2),
        ({"faulty": True}, (400, "DiskError"), (403, "DiskError")),
        ({"locks": "financial"}, (200, ""), (403, "DiskInArrears")),
        ({"category": "local_ssd_pro"}, (403, "InstanceType.ParameterMismatch"), (200, "")),
    ],
)
def test_disks_that_hinder_stop_and_start(
    simulate: Simulate, disk: dict[str, Any], stop: tuple[int, str], start: tuple[int, str]
) -> None:
    """A disk whose key, storage or bill is not in order hinders its machine too."""
    world = {"instances": {"i-1": {}, "i-2": {"status": "Stopped"}}}
    world["disks"] = {"d-1": {"instance": "i-1", **disk}, "d-2": {"instance": "i-2", **disk}}
    sim = simulate(world)
    assert try_to(sim, "StopInstance", InstanceId="i-1") == stop
    assert try_to(sim, "StartInstance", InstanceId="i-2") == start


def test_more_refusals_of_a_stop_and_a_snapshot(simulate: Simulate) -> None:
    """Hibernation must be configured, and a snapshot of a hibernating machine's or a faulty disk is refused."""
    world = {
        "instances": {"i-1": {}, "i-2": {"hibernation": True}},
        "disks": {"d-1": {"instance": "i-1", "faulty": True}, "d-2": {"instance": "i-2"}},
    }
    sim = simulate(world)
    hibernate = {"InstanceId": "i-2", "Hibernate": "true", "DryRun": "true"}
    assert try_to(sim, "StopInstance", **hibernate) == (400, "DryRunOperation")
    sim.do({"change": "d-1", "to": {"faulty": False}})
    assert try_to(sim, "StopInstance", InstanceId="i-1", Hibernate="true") == (403, "HibernationConfigured.NotEnabled")
    sim.do({"change": "d-1", "to": {"faulty": True}})
    assert try_to(sim, "CreateSnapshot", DiskId="d-1") == (400, "CreateSnapshot.Failed")
    assert try_to(sim, "CreateSnapshot", DiskId="d-2")[1] == "HibernationConfigured.InstanceOperationForbidden"


def test_a_disk_has_at_most_256_snapshots(simulate: Simulate) -> None:
    """The 257th manual snapshot is refused; automatic ones do not count."""
    rows = {f"s-{n}": {"disk": "d-1", "kind": "user" if n else "auto"} for n in range(257)}
    sim = simulate({**ONE, "snapshots": rows})
    assert try_to(sim, "CreateSnapshot", DiskId="d-1") == (403, "QuotaExceed.Snapshot")


# Limits and lag.


def test_limits_are_by_account_region_and_action(simulate: Simulate) -> None:
    """Another account, region or action has calls left where one has none."""
    keys = [{"id": "testid", "secret": "testsecret"}, {"id": "other", "secret": "s", "account": "2"}]
    world = {**DOWN, "keys": keys, "rate_limits": {"DescribeDisks": 1, "DescribeInstances": 2}}
    sim = simulate(world)
    assert call(sim, "DescribeDisks", REGION).code == ""
    assert call(sim, "DescribeDisks", REGION).code == "Throttling.User"
    assert call(sim, "DescribeDisks", {"RegionId": "cn-beijing"}).code == ""
    assert call(sim, "DescribeDisks", REGION, ("other", "s")).code == ""
    assert call(sim, "DescribeInstances", REGION).code == ""


def test_limits_that_others_use_up(simulate: Simulate) -> None:
    """The console and other programs of the account use the same calls, and limits can be set anew."""
    sim = simulate(DOWN)
    sim.do({"spend": "ReInitDisk", "calls": 500})
    assert try_to(sim, "ReInitDisk", DiskId="d-1") == (400, "Throttling.User")
    sim.do({"set": {"rate_limits": {"ReInitDisk": 1000}}})
    assert try_to(sim, "ReInitDisk", DiskId="d-1") == (200, "")


def test_snapshots_and_new_things_lag_too(simulate: Simulate) -> None:
    """A snapshot is shown only after the lag; what the world began with is shown at once."""
    sim = simulate({**ONE, "describe_lag": 300, "snapshots": {"s-0": {"disk": "d-1"}}})
    made = call(sim, "CreateSnapshot", {"DiskId": "d-1"}).json["SnapshotId"]

    def shown() -> set[str]:
        rows = call(sim, "DescribeSnapshots", {**REGION, "DiskId": "d-1"}).json["Snapshots"]["Snapshot"]
        return {row["SnapshotId"] for row in rows}

    assert shown() == {"s-0"}
    until(sim, lambda: shown() == {"s-0", made})


@pytest.mark.parametrize(
    "request_body",
    [
        {"set": {"weather": "rain"}},
        {"set": {"stock": "plenty"}},
        {"set": 3},
        {"change": "d-1"},
        {"change": "d-1", "to": {"size": 3}},
        {"change": "i-1", "to": {"lifecycle": "Retired"}},
        {"change": "i-9", "to": {"stock": "none"}},
        {"spend": "StopInstance", "calls": 1},
        {"spend": "ReInitDisk"},
        {"spend": "ReInitDisk", "calls": True},
        {"auto_snapshot": "d-2"},
        {"delete_instance": "i-9"},
    ],
    ids=str,
)
def test_what_cannot_be_set(simulate: Simulate, request_body: Any) -> None:
    """What makes no sense is refused in one sentence and changes nothing."""
    world = {"instances": {"i-1": {}}, "disks": {"d-1": {"instance": "i-1"}, "d-2": {}}}
    sim = simulate(world)
    before = sim.state()
    with pytest.raises(ValueError, match=r"\.$"):
        sim.do(request_body)
    assert {**sim.state(), "now": before["now"]} == before


def test_releasing_by_hand(simulate: Simulate) -> None:
    """Somebody deletes the machine at the console."""
    sim = simulate(ONE)
    sim.do({"delete_instance": "i-1"})
    assert (of(sim, "instances", "i-1"), of(sim, "disks", "d-1")) == ("Deleted", "Available")
