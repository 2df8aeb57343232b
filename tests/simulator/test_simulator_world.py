"""The packaged world, and how worlds are read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs

from safe_reinit.simulator import Simulator
from safe_reinit.simulator.world import load_world
from tests.simulator.support import Simulate, call, sdk

REGION = "cn-hangzhou"
PRACTICE = {instance_id for instance_id, machine in load_world(None).instances.items() if "env" in machine.tags}
"""The machines to practise on, which are varied; all others are healthy, or have one problem."""
OUTCOMES = {
    "capacity-reservation": "IncorrectInstanceStatus",
    "auto-snapshot-due": "",
    "category-unknown": "",
    "category-unsupported": "DiskCategory.OperationNotSupported",
    "could-not-check": "",
    "dedicated-host": "IncorrectInstanceStatus",
    "deletion-protection": "",
    "disk-expired": "InstanceExpiredOrInArrears",
    "disk-locked": "InstanceLockedForSecurity",
    "disk-multi-attached": "InvalidOperation.MultiAttachDisk",
    "disk-not-in-use": "IncorrectDiskStatus",
    "disk-on-other-instance": "",
    "downtime-shared": "IncorrectInstanceStatus",
    "economical-mode": "",
    "fstab-may-name-disk": "IncorrectInstanceStatus",
    "image-cannot-take-login": "LoginAsNonRoot.ImageNotSupport",
    "encryption-key-unusable": "InvalidParameter.KMSKeyId.CMKNotEnabled",
    "image-not-io-optimized": "DependencyViolation.IoOptimize",
    "in-kubernetes": "IncorrectInstanceStatus",
    "in-replication-pair": "IncorrectDiskStatus",
    "in-scaling-group": "IncorrectInstanceStatus",
    "instance-expired": "InstanceExpiredOrInArrears",
    "instance-hibernated": "HibernationConfigured.InstanceOperationForbidden",
    "instance-in-transition": "IncorrectInstanceStatus",
    "instance-locked": "InstanceExpiredOrInArrears",
    "instance-not-seen": "",
    "instance-running": "IncorrectInstanceStatus",
    "instant-access-snapshot": "",
    "kept-snapshots": "",
    "key-pair-not-found": "",
    "key-pair-on-windows": "",
    "local-disks-on-instance": "IncorrectInstanceStatus",
    "local-snapshot": "DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported",
    "never-started": "IncorrectInstanceStatus",
    "no-login-set": "",
    "no-recent-snapshot": "",
    "not-allowed-to-start": "IncorrectInstanceStatus",
    "not-allowed-to-stop": "IncorrectInstanceStatus",
    "not-checked": "",
    "option-for-system-disk-only": "",
    "password-malformed": "",
    "public-ip": "IncorrectInstanceStatus",
    "release-or-expiry-soon": "",
    "scheduled-maintenance": "IncorrectInstanceStatus",
    "security-not-public-image": "",
    "shared-source-image": "",
    "snapshot-in-progress": "IncorrectInstanceStatus",
    "source-image-deleted": "InvalidImageId.NotFound",
    "source-image-not-available": "",
    "source-snapshot-deleted": "InvalidSourceSnapshot",
    "source-snapshot-too-old": "InvalidSnapshot.TooOld",
    "spot": "IncorrectInstanceStatus",
    "start-time-not-shown": "IncorrectInstanceStatus",
    "target-protected": "",
    "tagged-by-other-run": "",
    "user-data-runs-again": "",
}
"""What a plain ReInitDisk of each problem's disk answers; empty: it is accepted."""


@pytest.mark.parametrize("problem", OUTCOMES)
def test_each_problem_shows(simulate: Simulate, problem: str) -> None:
    """The disk of each problem answers ReInitDisk as that problem does, and it has a fresh snapshot."""
    sim = simulate()
    assert call(sim, "ReInitDisk", {"DiskId": f"d-sim-{problem}"}).code == OUTCOMES[problem]
    state = sim.state()
    assert f"i-sim-{problem}" in state["instances"]
    fresh = [row for row in state["snapshots"].values() if row["disk_id"] == f"d-sim-{problem}"]
    assert "accomplished" in {row["status"] for row in fresh}


def test_no_problem_is_left_out(sim: Simulator) -> None:
    """Every other disk is a healthy one, one of a problem, or the system disk of its instance; one is local."""
    expected = {"d-sim-web1-sys", "d-sim-web1-data", "d-sim-db1-sys", "d-sim-db1-data"}
    expected |= {f"d-sim-{problem}" for problem in OUTCOMES}
    expected |= {"d-sim-local-disks-on-instance-local"}
    disks = {disk_id: row for disk_id, row in sim.state()["disks"].items() if row["instance_id"] not in PRACTICE}
    systems = {disk_id for disk_id, row in disks.items() if disk_id not in expected}
    assert expected <= set(disks)
    assert {disks[disk_id]["type"] for disk_id in systems} == {"system"}
    assert all(disk_id.endswith("-sys") for disk_id in systems)


def test_each_problem_shows_alone(sim: Simulator) -> None:
    """But for the one thing each is about, all disks and instances look alike to the default key."""
    client = sdk(sim)
    rows = client.describe_disks(ecs.DescribeDisksRequest(region_id=REGION, max_results=500)).body.disks.disk
    disks = [disk for disk in rows if disk.instance_id not in PRACTICE]
    odd = {
        "status": {"disk-not-in-use"},
        "category": {"category-unsupported", "category-unknown", "local-disks-on-instance-local"},
        "multi_attach": {"disk-multi-attached"},
        "disk_charge_type": {"disk-expired"},
        "auto_snapshot_policy_id": {"auto-snapshot-due"},
        "kmskey_id": {"encryption-key-unusable"},
    }
    for field, problems in odd.items():
        usual = ["In_use", "PostPaid", "Disabled", "cloud_essd", ""]
        found = {disk.disk_id[6:] for disk in disks if getattr(disk, field) not in usual}
        assert found == problems, field
    locked = [disk.disk_id for disk in disks if disk.operation_locks.operation_lock]
    assert locked == ["d-sim-disk-locked"]
    detached = {disk.disk_id for disk in disks if disk.detached_time}
    assert detached == {"d-sim-disk-not-in-use", "d-sim-source-snapshot-too-old"}


def test_instances_of_the_default_world(simulate: Simulate) -> None:
    """Instances are Stopped and once started, in KeepCharging, but for those whose problem is another."""
    sim = simulate()
    instances = {name: row for name, row in sim.state()["instances"].items() if name not in PRACTICE}
    running = {name for name, row in instances.items() if row["status"] == "Running"}
    assert running == {
        "i-sim-web1",
        "i-sim-capacity-reservation",
        "i-sim-dedicated-host",
        "i-sim-downtime-shared",
        "i-sim-fstab-may-name-disk",
        "i-sim-local-disks-on-instance",
        "i-sim-public-ip",
        "i-sim-spot",
        "i-sim-start-time-not-shown",
        "i-sim-in-kubernetes",
        "i-sim-in-scaling-group",
        "i-sim-instance-running",
        "i-sim-not-allowed-to-start",
        "i-sim-not-allowed-to-stop",
        "i-sim-scheduled-maintenance",
        "i-sim-snapshot-in-progress",
    }
    assert [name for name, row in instances.items() if row["status"] == "Pending"] == ["i-sim-instance-in-transition"]
    assert [name for name, row in instances.items() if row["starts"] != 1] == ["i-sim-never-started"]
    stopped = {name: row for name, row in instances.items() if row["status"] == "Stopped"}
    economical = [name for name, row in stopped.items() if row["stopped_mode"] != "KeepCharging"]
    assert economical == ["i-sim-economical-mode"]
    assert (instances["i-sim-web1"]["name"], instances["i-sim-disk-locked"]["name"]) == ("web1", "sim-disk-locked")
    rows = call(sim, "DescribeInstances", {"RegionId": REGION, "MaxResults": "100"}).json["Instances"]["Instance"]
    assert {*sim.state()["instances"]} - {row["InstanceId"] for row in rows} == {"i-sim-instance-not-seen"}
    assert {row["OSType"] for row in rows if row["InstanceId"] != "i-sim-key-pair-on-windows"} == {"linux"}


def test_disks_are_in_the_zone_of_their_instance(sim: Simulator) -> None:
    """The machines to practise on are in two zones, and what is attached to one is in the same zone."""
    client = sdk(sim)
    disks = client.describe_disks(ecs.DescribeDisksRequest(region_id=REGION, max_results=500)).body.disks.disk
    rows = call(sim, "DescribeInstances", {"RegionId": REGION, "MaxResults": "100"}).json["Instances"]["Instance"]
    zones = {row["InstanceId"]: row["ZoneId"] for row in rows}

    assert {zones[instance_id] for instance_id in PRACTICE} == {"cn-hangzhou-h", "cn-hangzhou-i"}
    assert all(disk.zone_id == zones.get(disk.instance_id, "cn-hangzhou-h") for disk in disks)


def test_a_machine_that_begins_in_the_economical_mode_has_lost_its_address(simulate: Simulate) -> None:
    """Its start gives it another public address."""
    sim = simulate(
        {"instances": {"i-1": {"status": "Stopped", "stopped_mode": "StopCharging", "public_ip": "203.0.113.1"}}}
    )
    lost = sim.state()["instances"]["i-1"]["public_ip"]
    sim.do({"start": "i-1"})
    sim.pass_time(60)

    assert lost == ""
    assert sim.state()["instances"]["i-1"]["public_ip"] not in ("", "203.0.113.1")


def test_pending_stays(simulate: Simulate) -> None:
    """A Pending instance stays Pending however long one waits."""
    sim = simulate()
    sim.pass_time(1_000_000)
    assert sim.state()["instances"]["i-sim-instance-in-transition"]["status"] == "Pending"


@pytest.mark.parametrize(
    ("world", "words"),
    [
        ({"disks": {"d-1": {"siez": 3}}}, ["disks.d-1.siez: this member is not known"]),
        (
            {"disks": {"d-1": {"size": "big"}}, "instances": {"i-1": {"status": "Tired"}}},
            ["disks.d-1.size", "instances.i-1.status"],
        ),
        (
            {"disks": {"d-1": {"instance": "i-1", "image": "m-1"}, "d-2": {"snapshot": "s-1"}}},
            ["there is no instance i-1", "there is no image m-1", "there is no snapshot s-1"],
        ),
        ({"snapshots": {"s-1": {"disk": "d-1"}}}, ["snapshots.s-1.disk: there is no disk d-1"]),
        ({"disks": {"disk-1": {}}}, ["disk-1: this id must begin with d-"]),
        ({"disks": {"d-1": {"status": "In_use"}}}, ["disks.d-1.status"]),
        ({"instances": {"i-1": {}, "i-2": {}}, "disks": {"d-1": {"instance": ["i-1", "i-2"]}}}, ["multi_attach"]),
        ({"instances": {"i-1": {"never_started": True}}}, ["instances.i-1.never_started"]),
        ({"instances": {"i-1": {"created": "long ago"}}}, ["instances.i-1.created", "such as -2h"]),
        ({"keys": []}, ["keys"]),
    ],
)
def test_worlds_that_are_not_valid(simulate: Simulate, world: dict[str, Any], words: list[str]) -> None:
    """All mistakes of a world are told at once, each with its path, in one sentence."""
    with pytest.raises(ValueError, match=r"^The world is not valid: .*\.$") as caught:
        simulate(world)
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


def test_times_in_a_world(simulate: Simulate, tmp_path: Path) -> None:
    """A time may be relative to the start, a date, or RFC 3339, quoted or not."""
    file = tmp_path / "world.yaml"
    file.write_text(
        "disks:\n"
        "  d-1: {created: 2013-07-01}\n"
        "  d-2: {created: 2013-07-01T01:02:03Z}\n"
        "  d-3: {created: '2013-07-01T01:02:03+01:00'}\n"
        "  d-4: {created: -2h}\n"
        "  d-5:\n"
    )
    sim = simulate(file)
    rows = call(sim, "DescribeDisks", {"RegionId": REGION}).json["Disks"]["Disk"]
    assert [row["CreationTime"] for row in rows[:3]] == [
        "2013-07-01T00:00:00Z",
        "2013-07-01T01:02:03Z",
        "2013-07-01T00:02:03Z",
    ]
    assert rows[3]["CreationTime"] > rows[4]["CreationTime"]


def test_files_that_cannot_be_read(simulate: Simulate, tmp_path: Path) -> None:
    """A missing file and a file that is not YAML are errors of one sentence."""
    with pytest.raises(ValueError, match=r"Cannot read .*nowhere"):
        simulate(tmp_path / "nowhere.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ValueError, match=r"bad.yaml is not YAML: [^\n]*$"):
        simulate(tmp_path / "bad.yaml")


@pytest.mark.parametrize("arguments", [{"speed": 0}, {"speed": -1}, {"speed": float("nan")}, {"access_key": "alone"}])
def test_arguments_that_are_not_valid(arguments: dict[str, Any]) -> None:
    """A speed at which time stands still and half an access key are refused."""
    with pytest.raises(ValueError, match="must be"):
        Simulator(**arguments)


def test_importing_is_cheap() -> None:
    """Importing the package loads neither aiohttp nor pydantic nor YAML; that waits until a Simulator is made."""
    program = (
        "import sys, safe_reinit.simulator as s;"
        "heavy = lambda: {'aiohttp', 'pydantic', 'yaml'} & set(sys.modules);"
        "print(sorted(heavy())); s.Simulator; print(sorted(heavy()))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.splitlines() == ["[]", "['aiohttp', 'pydantic', 'yaml']"]
