"""The state machine: stop, wipe, start and snapshots in simulated time."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_ecs20140526.client import Client

from safe_reinit.simulator import Simulator
from safe_reinit.simulator.state.clock import SimulatedClock
from tests.simulator.support import Simulate, refused, sdk, until

ONE = {"instances": {"i-1": {"status": "Running"}}, "disks": {"d-1": {"instance": "i-1"}}}
STOP = ecs.StopInstanceRequest(instance_id="i-1")
START = ecs.StartInstanceRequest(instance_id="i-1")


def described_status(client: Client, sim: Simulator) -> str:
    """Read the instance's status as a client does."""
    request = ecs.DescribeInstanceStatusRequest(region_id=sim.region, instance_id=["i-1"])
    rows = client.describe_instance_status(request).body.instance_statuses.instance_status
    return str(rows[0].status)


def test_a_whole_round(simulate: Simulate) -> None:
    """Stop, wipe and start go through their states, each start is counted and writes to the disk."""
    sim = simulate(ONE)
    client = sdk(sim)
    client.stop_instance(ecs.StopInstanceRequest(instance_id="i-1", stopped_mode="KeepCharging"))
    assert described_status(client, sim) == "Stopping"
    until(sim, lambda: described_status(client, sim) == "Stopped")
    assert sim.state()["instances"]["i-1"]["stopped_mode"] == "KeepCharging"
    client.re_init_disk(ecs.ReInitDiskRequest(disk_id="d-1"))
    seen = set()

    def wiped() -> bool:
        (row,) = client.describe_disks(ecs.DescribeDisksRequest(region_id=sim.region)).body.disks.disk
        seen.add((row.status, row.instance_id, row.attachments.attachment[0].instance_id))
        return bool(row.status == "In_use")

    until(sim, wiped)
    # InstanceId is documented to be filled for In_use and Detaching only.
    assert seen == {("ReIniting", "", "i-1"), ("In_use", "i-1", "i-1")}
    client.start_instance(START)
    assert described_status(client, sim) == "Starting"
    assert sim.state()["instances"]["i-1"]["stopped_mode"] == "Not-applicable"
    until(sim, lambda: described_status(client, sim) == "Running")
    state = sim.state()
    assert state["instances"]["i-1"]["starts"] == 2
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", state["instances"]["i-1"]["start_time"])
    assert state["disks"]["d-1"]["content"] == "data:2"


def test_simulated_time_goes_as_many_times_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts at the real time, goes on at its speed, and never goes back, whatever the host's clock does."""
    host = SimpleNamespace(time=lambda: 1_000_000.0, monotonic=lambda: 50.0)
    monkeypatch.setattr("safe_reinit.simulator.state.clock.time", host)
    clock = SimulatedClock(60)
    assert clock.now() == 1_000_000.0
    host.time, host.monotonic = lambda: 0.0, lambda: 52.5
    assert clock.now() == 1_000_150.0


def test_default_durations(simulate: Simulate) -> None:
    """A stop takes 30 simulated seconds, and another time where the instance says so."""
    world = {"instances": {"i-1": {}, "i-2": {"stop_seconds": 100000}}}
    sim = simulate(world)
    client = sdk(sim)
    for name in ("i-1", "i-2"):
        client.stop_instance(ecs.StopInstanceRequest(instance_id=name))
    sim.pass_time(30)
    statuses = {name: row["status"] for name, row in sim.state()["instances"].items()}
    assert statuses == {"i-1": "Stopped", "i-2": "Stopping"}


@pytest.mark.parametrize(
    ("instance", "call", "code"),
    [
        ({"status": "Stopped"}, "stop", "IncorrectInstanceStatus"),
        ({"status": "Running"}, "start", "IncorrectInstanceStatus"),
        ({"status": "Pending"}, "stop", "IncorrectInstanceStatus"),
        ({"status": "Starting"}, "stop", "IncorrectInstanceStatus"),
        ({"status": "Stopping"}, "start", "IncorrectInstanceStatus"),
        ({"locks": "security"}, "stop", "InstanceLockedForSecurity"),
        ({"locks": "financial"}, "stop", "InstanceExpiredOrInArrears"),
        ({"status": "Stopped", "locks": "security"}, "start", "InstanceLockedForSecurity"),
        ({"status": "Stopped", "charge_type": "PrePaid", "expires": "-1h"}, "start", "InstanceExpired"),
    ],
)
def test_power_refusals(simulate: Simulate, instance: dict[str, Any], call: str, code: str) -> None:
    """Stop and start are refused in the wrong state, under a lock and when expired, in a dry run just the same."""
    client = sdk(simulate({"instances": {"i-1": instance}}))
    calls = {
        "stop": lambda dry: client.stop_instance(ecs.StopInstanceRequest(instance_id="i-1", dry_run=dry)),
        "start": lambda dry: client.start_instance(ecs.StartInstanceRequest(instance_id="i-1", dry_run=dry)),
    }
    assert refused(lambda: calls[call](dry=True)) == (403, code)
    assert refused(lambda: calls[call](dry=None)) == (403, code)


def test_dry_runs_change_nothing(simulate: Simulate) -> None:
    """A dry run that finds nothing ends with DryRunOperation, is on record as one, and changes nothing."""
    sim = simulate(ONE)
    client = sdk(sim)
    dry = ecs.StopInstanceRequest(instance_id="i-1", dry_run=True)
    assert refused(lambda: client.stop_instance(dry)) == (400, "DryRunOperation")
    state = sim.state()
    assert state["instances"]["i-1"]["status"] == "Running"
    assert [call["dry_run"] for call in state["calls"]] == [True]
    unknown = ecs.StopInstanceRequest(instance_id="i-9", dry_run=True)
    assert refused(lambda: client.stop_instance(unknown)) == (404, "InvalidInstanceId.NotFound")


def test_economical_mode(simulate: Simulate) -> None:
    """StopCharging gives the public address back and the next start brings another; PrePaid machines keep charging."""
    world = {
        "default_stopped_mode": "StopCharging",
        "instances": {"i-1": {"public_ip": "203.0.113.1"}, "i-2": {"charge_type": "PrePaid", "expires": "+30d"}},
    }
    sim = simulate(world)
    client = sdk(sim)
    for name in ("i-1", "i-2"):
        client.stop_instance(ecs.StopInstanceRequest(instance_id=name))
    until(sim, lambda: all(row["status"] == "Stopped" for row in sim.state()["instances"].values()))
    rows = sim.state()["instances"]
    assert (rows["i-1"]["stopped_mode"], rows["i-1"]["public_ip"]) == ("StopCharging", "")
    assert rows["i-2"]["stopped_mode"] == "KeepCharging"
    client.start_instance(START)
    until(sim, lambda: sim.state()["instances"]["i-1"]["status"] == "Running")
    assert sim.state()["instances"]["i-1"]["public_ip"] not in ("", "203.0.113.1")


def test_a_guest_that_ignores_the_stop(simulate: Simulate) -> None:
    """A deaf guest stays Stopping until it is stopped by force."""
    sim = simulate({"instances": {"i-1": {"ignores_stop": True}}})
    client = sdk(sim)
    client.stop_instance(STOP)
    sim.pass_time(1000)
    assert described_status(client, sim) == "Stopping"
    client.stop_instance(ecs.StopInstanceRequest(instance_id="i-1", force_stop=True))
    until(sim, lambda: described_status(client, sim) == "Stopped")


def test_hold_and_release(simulate: Simulate) -> None:
    """What is held does not finish, and what is released finishes at once if it is overdue."""
    sim = simulate(ONE)
    client = sdk(sim)
    sim.do({"hold": {"instance": "i-1"}})
    client.stop_instance(STOP)
    sim.pass_time(400)
    assert described_status(client, sim) == "Stopping"
    sim.do({"release": {"instance": "i-1"}})
    assert described_status(client, sim) == "Stopped"
    sim.do({"hold": {"disk": "d-1"}})
    client.re_init_disk(ecs.ReInitDiskRequest(disk_id="d-1"))
    sim.pass_time(400)
    assert sim.state()["disks"]["d-1"]["status"] == "ReIniting"
    sim.do({"release": {"disk": "d-1"}})
    until(sim, lambda: sim.state()["disks"]["d-1"]["status"] == "In_use")


def test_describe_lag(simulate: Simulate) -> None:
    """With a lag Describe calls show what was, while the state shows what is."""
    sim = simulate({**ONE, "describe_lag": 600})
    client = sdk(sim)
    client.stop_instance(STOP)
    assert described_status(client, sim) == "Running"
    until(sim, lambda: sim.state()["instances"]["i-1"]["status"] == "Stopped")
    assert described_status(client, sim) == "Running"
    until(sim, lambda: described_status(client, sim) == "Stopped")


def test_many_at_once(simulate: Simulate) -> None:
    """StopInstances stops all or none, or with SuccessFirst each by itself; its dry run ends with DRYRUN.SUCCESS."""
    world = {"instances": {"i-1": {}, "i-2": {}, "i-3": {"status": "Stopped"}}}
    sim = simulate(world)
    client = sdk(sim)

    def stop(ids: list[str], **more: Any) -> Any:
        return client.stop_instances(ecs.StopInstancesRequest(region_id=sim.region, instance_id=ids, **more))

    assert refused(lambda: stop(["i-1", "i-2"], dry_run=True)) == (400, "DRYRUN.SUCCESS")
    assert refused(lambda: stop(["i-1", "i-3"], dry_run=True)) == (403, "IncorrectInstanceStatus")
    assert refused(lambda: stop(["i-1", "i-3"])) == (403, "IncorrectInstanceStatus")
    assert refused(lambda: stop(["i-1", "i-9"])) == (404, "InvalidInstanceIds.NotFound")
    assert refused(lambda: stop([f"i-{n}" for n in range(101)])) == (403, "InvalidParameter.TooManyInstanceIds")
    assert sim.state()["instances"]["i-1"]["status"] == "Running"
    rows = stop(["i-1", "i-2", "i-3"], batch_optimization="SuccessFirst").body.instance_responses.instance_response
    assert [(row.instance_id, row.code, row.previous_status, row.current_status) for row in rows] == [
        ("i-1", "200", "Running", "Stopping"),
        ("i-2", "200", "Running", "Stopping"),
        ("i-3", "IncorrectInstanceStatus", "Stopped", "Stopped"),
    ]
    until(sim, lambda: {row["status"] for row in sim.state()["instances"].values()} == {"Stopped"})
    start = ecs.StartInstancesRequest(region_id=sim.region, instance_id=["i-1", "i-2"])
    client.start_instances(start)
    until(sim, lambda: sim.state()["instances"]["i-2"]["status"] == "Running")


def test_create_snapshot(simulate: Simulate) -> None:
    """A snapshot progresses, holds what the disk held when it began, and its token gives it only once."""
    sim = simulate({**ONE, "durations": {"snapshot": 1200}})
    client = sdk(sim)
    request = ecs.CreateSnapshotRequest(disk_id="d-1", snapshot_name="before", client_token="t-1")
    snapshot_id = client.create_snapshot(request).body.snapshot_id
    assert client.create_snapshot(request).body.snapshot_id == snapshot_id
    other = ecs.CreateSnapshotRequest(disk_id="d-1", snapshot_name="after", client_token="t-1")
    assert refused(lambda: client.create_snapshot(other)) == (403, "IdempotentParameterMismatch")
    busy = ecs.CreateSnapshotRequest(disk_id="d-1")
    assert refused(lambda: client.create_snapshot(busy)) == (403, "IncorrectDiskStatus.CreatingSnapshot")
    reading = ecs.DescribeSnapshotsRequest(region_id=sim.region, disk_id="d-1")
    progress = []

    def done() -> bool:
        (row,) = client.describe_snapshots(reading).body.snapshots.snapshot
        progress.append((row.status, int(row.progress.rstrip("%"))))
        return bool(row.status == "accomplished")

    until(sim, done)
    assert progress == sorted(progress, key=lambda item: item[1])
    assert progress[0][0] == "progressing"
    assert progress[-1] == ("accomplished", 100)
    assert sim.state()["snapshots"][snapshot_id]["content"] == "data:1"


@pytest.mark.parametrize(
    ("disk", "code"),
    [
        ({"category": "local_ssd_pro", "instance": "i-1"}, "DiskCategory.OperationNotSupported"),
        ({"never_used": True, "instance": "i-1"}, "IncorrectDiskStatus.NeverUsed"),
        ({}, "IncorrectDiskStatus.NeverAttached"),
        ({"locks": "security", "instance": "i-1"}, "InstanceLockedForSecurity"),
        ({"instance": "i-2"}, "IncorrectInstanceStatus"),
        ({"status": "ReIniting", "instance": "i-1"}, "IncorrectDiskStatus"),
    ],
)
def test_create_snapshot_refusals(simulate: Simulate, disk: dict[str, Any], code: str) -> None:
    """CreateSnapshot refuses what the reference says it refuses."""
    world = {"instances": {"i-1": {}, "i-2": {"status": "Stopping"}}, "disks": {"d-1": disk}}
    client = sdk(simulate(world))
    assert refused(lambda: client.create_snapshot(ecs.CreateSnapshotRequest(disk_id="d-1")))[1] == code


def test_what_the_world_shows_under_way_goes_on(simulate: Simulate) -> None:
    """An instance, disk or snapshot that a world shows in transition finishes it, except Pending."""
    world = {
        "instances": {"i-1": {"status": "Stopping"}, "i-2": {"status": "Starting"}, "i-3": {"status": "Pending"}},
        "disks": {"d-4": {"status": "ReIniting", "instance": "i-4"}},
        "snapshots": {"s-1": {"disk": "d-4", "status": "progressing"}},
    }
    world["instances"]["i-4"] = {"status": "Stopped"}
    sim = simulate(world)
    until(sim, lambda: sim.state()["snapshots"]["s-1"]["status"] == "accomplished")
    state = sim.state()
    assert [state["instances"][f"i-{n}"]["status"] for n in (1, 2, 3)] == ["Stopped", "Running", "Pending"]
    assert state["disks"]["d-4"]["status"] == "In_use"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"snapshot_name": "auto-1"}, "InvalidSnapshotName.Malformed"),
        ({"snapshot_name": "1st"}, "InvalidSnapshotName.Malformed"),
        ({"retention_days": 0}, "InvalidParameter"),
        ({"client_token": "t" * 65}, "InvalidClientToken.Malformed"),
        ({"disk_id": "d-9"}, "InvalidDiskId.NotFound"),
    ],
)
def test_create_snapshot_parameters(simulate: Simulate, options: dict[str, Any], code: str) -> None:
    """CreateSnapshot refuses names, tokens and retentions out of their documented form."""
    client = sdk(simulate(ONE))
    request = ecs.CreateSnapshotRequest(**{"disk_id": "d-1", **options})
    assert refused(lambda: client.create_snapshot(request))[1] == code


def test_what_a_snapshot_is_asked_for(simulate: Simulate) -> None:
    """A snapshot shows the retention, instant access and tags it was asked for."""
    sim = simulate(ONE)
    client = sdk(sim)
    tags = [ecs.CreateSnapshotRequestTag(key="why", value="CHG-1")]
    wish = ecs.CreateSnapshotRequest(
        disk_id="d-1", retention_days=7, instant_access=True, instant_access_retention_days=1, tag=tags
    )
    client.create_snapshot(wish)
    reading = ecs.DescribeSnapshotsRequest(
        region_id=sim.region, tag=[ecs.DescribeSnapshotsRequestTag(key="why", value="CHG-1")]
    )
    (row,) = client.describe_snapshots(reading).body.snapshots.snapshot
    assert (row.retention_days, row.instant_access, row.instant_access_retention_days) == (7, True, 1)
    assert (row.status, row.available) == ("progressing", True)
