"""The example worlds: each is loaded and shows the trap that it is about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from safe_reinit.simulator import Simulator
from tests.simulator.support import Answer, Simulate, call, send, signed, until

WORLDS = Path(__file__).resolve().parents[2] / "examples" / "worlds"
REGION = {"RegionId": "cn-hangzhou"}
TRAPS: dict[str, Callable[[Simulator], None]] = {}


def trap(name: str) -> Callable[[Callable[[Simulator], None]], Callable[[Simulator], None]]:
    """Name the world in which something shows a trap."""

    def keep(shows: Callable[[Simulator], None]) -> Callable[[Simulator], None]:
        TRAPS[name] = shows
        return shows

    return keep


def of(sim: Simulator, instance: str = "i-1") -> str:
    """Return the true status of an instance."""
    return str(sim.state()["instances"][instance]["status"])


def wipe(sim: Simulator, disk: str = "d-1", **more: str) -> str:
    """Try a wipe and return its code."""
    return call(sim, "ReInitDisk", {"DiskId": disk, **more}).code


def stop(sim: Simulator, instance: str = "i-1", **more: str) -> None:
    """Stop an instance and wait for it."""
    assert call(sim, "StopInstance", {"InstanceId": instance, **more}).status == 200
    until(sim, lambda: of(sim, instance) == "Stopped")


def start(sim: Simulator, instance: str = "i-1") -> Answer:
    """Try a start."""
    return call(sim, "StartInstance", {"InstanceId": instance})


@trap("scaling-group")
def _(sim: Simulator) -> None:
    for name in ("i-member", "i-standby"):
        call(sim, "StopInstance", {"InstanceId": name, "StoppedMode": "KeepCharging"})
    until(sim, lambda: of(sim, "i-member") == "Deleted")
    until(sim, lambda: of(sim, "i-standby") == "Stopped")
    state = sim.state()
    assert {row["status"] for name, row in state["disks"].items() if "member" in name} == {"Deleted"}
    assert [(row["action"], row["source"]) for row in state["calls"][-1:]] == [("DeleteInstance", "world")]


@trap("kubernetes-node")
def _(sim: Simulator) -> None:
    (disk,) = call(sim, "DescribeDisks", REGION).json["Disks"]["Disk"]
    assert disk["Tags"]["Tag"] == [{"TagKey": "createdby", "TagValue": "alibabacloud-csi-plugin"}]
    stop(sim, "i-node")
    assert wipe(sim, "d-volume") == ""


@trap("economical-mode")
def _(sim: Simulator) -> None:
    stop(sim)
    row = sim.state()["instances"]["i-1"]
    assert (row["stopped_mode"], row["public_ip"]) == ("StopCharging", "")
    assert (start(sim).status, start(sim).code) == (403, "OperationDenied.NoStock")


@trap("missing-rights")
def _(sim: Simulator) -> None:
    assert call(sim, "DescribeInstances", REGION).json["Instances"]["Instance"] == []
    assert call(sim, "DescribeSnapshots", {**REGION, "DiskId": "d-1"}).json["Snapshots"]["Snapshot"] == []
    assert call(sim, "DescribeInstances", {**REGION, "DryRun": "true"}).code == "Forbidden.RAM"
    assert wipe(sim) == "DiskCreatingSnapshot"


@trap("lost-answer")
def _(sim: Simulator) -> None:
    target, headers = signed(sim, "ReInitDisk", {"DiskId": "d-1"})
    with pytest.raises(OSError, match=r"closed|reset"):
        send(sim, "POST", target, headers)
    until(sim, lambda: sim.state()["disks"]["d-1"]["status"] == "In_use")
    assert wipe(sim) == ""
    assert len(sim.state()["disks"]["d-1"]["wipes"]) == 2


@trap("instant-access")
def _(sim: Simulator) -> None:
    assert wipe(sim, "d-legacy") == "DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported"
    assert wipe(sim, "d-new") == ""


@trap("moved-disk")
def _(sim: Simulator) -> None:
    assert sim.state()["disks"]["d-1"]["instance_id"] == "i-old"
    until(sim, lambda: sim.state()["disks"]["d-1"]["instance_id"] == "i-new")
    assert wipe(sim) == ""


@trap("system-disk")
def _(sim: Simulator) -> None:
    assert wipe(sim, "d-2") == "LoginAsNonRoot.ImageNotSupport"
    assert wipe(sim, KeyPairName="ops") == ""
    row = call(sim, "DescribeInstances", {**REGION, "InstanceIds": '["i-1"]'}).json["Instances"]["Instance"][0]
    assert (row["KeyPairName"], sim.state()["disks"]["d-1"]["content"]) == ("ops", "initial")


@trap("old-source")
def _(sim: Simulator) -> None:
    rows = call(sim, "DescribeDisks", REGION).json["Disks"]["Disk"]
    assert {row["DiskId"]: row["SourceSnapshotId"] for row in rows if row["DiskId"] != "d-too-old"} == {
        "d-blank": "",
        "d-from-snapshot": "s-2021",
    }
    assert [wipe(sim, name) for name in ("d-blank", "d-from-snapshot")] == ["", ""]
    assert wipe(sim, "d-too-old") == "InvalidSnapshot.TooOld"


@trap("deaf-guest")
def _(sim: Simulator) -> None:
    call(sim, "StopInstance", {"InstanceId": "i-1"})
    begin = sim.state()["now"]
    until(sim, lambda: sim.state()["now"][:16] > begin[:16])
    assert of(sim) == "Stopping"
    stop(sim, ForceStop="true")


@trap("image-deleted-meanwhile")
def _(sim: Simulator) -> None:
    assert len(call(sim, "DescribeImages", REGION).json["Images"]["Image"]) == 1
    stop(sim)
    assert wipe(sim) == "InvalidImageId.NotFound"


@trap("auto-snapshot")
def _(sim: Simulator) -> None:
    until(sim, lambda: bool(sim.state()["snapshots"]))
    sim.do({"stop": "i-1"})
    assert wipe(sim) == "DiskCreatingSnapshot"
    sim.do({"start": "i-1"})
    stop(sim)
    (row,) = sim.state()["snapshots"].values()
    assert row["status"] == "failed"
    assert wipe(sim) == ""
    assert sim.state()["calls"][0]["source"] == "world"


@trap("deletion-protection")
def _(sim: Simulator) -> None:
    (row,) = call(sim, "DescribeInstances", REGION).json["Instances"]["Instance"]
    assert (row["DeletionProtection"], wipe(sim)) == (True, "")


@trap("spot-and-release")
def _(sim: Simulator) -> None:
    stop(sim, "i-spot")
    assert start(sim, "i-spot").code == "OperationDenied.SpotPriceLowerThanPublicPrice"
    until(sim, lambda: of(sim, "i-release") == "Deleted")
    assert wipe(sim, "d-release") == "InvalidDiskId.NotFound"


@trap("dead-key")
def _(sim: Simulator) -> None:
    gone, dry = "InvalidParameter.KMSKeyId.CMKNotEnabled", {"InstanceId": "i-1", "DryRun": "true"}
    stop(sim)
    until(sim, lambda: call(sim, "StartInstance", dry).code == gone)
    assert [wipe(sim), start(sim).code] == [gone, gone]


@trap("dedicated-host")
def _(sim: Simulator) -> None:
    assert (start(sim).status, start(sim).code) == (400, "InvalidDedicatedHost.NotEnoughResource")


@trap("hibernation")
def _(sim: Simulator) -> None:
    assert (of(sim), wipe(sim)) == ("Stopped", "HibernationConfigured.InstanceOperationForbidden")


@trap("local-disks")
def _(sim: Simulator) -> None:
    assert call(sim, "StopInstance", {"InstanceId": "i-1"}).code == "InstanceType.ParameterMismatch"
    stop(sim, ConfirmStop="true")
    assert [wipe(sim, name) for name in ("d-local", "d-cloud")] == ["DiskCategory.OperationNotSupported", ""]


@trap("auto-start")
def _(sim: Simulator) -> None:
    assert wipe(sim, AutoStartInstance="true") == ""
    until(sim, lambda: sim.state()["disks"]["d-1"]["status"] == "In_use")
    assert of(sim) == "Stopped"


@trap("secrets-in-errors")
def _(sim: Simulator) -> None:
    answer = call(sim, "ReInitDisk", {"DiskId": "d-1", "Password": "Top-secret-1"}, ("testid", "testsecret"))
    assert answer.code == "SignatureDoesNotMatch"
    assert "Top-secret-1" in answer.json["Message"]


@trap("replication-pair")
def _(sim: Simulator) -> None:
    (disk,) = call(sim, "DescribeDisks", REGION).json["Disks"]["Disk"]
    assert (disk["Status"], wipe(sim, "d-primary")) == ("In_use", "IncorrectDiskStatus")


@trap("maintenance-restart")
def _(sim: Simulator) -> None:
    assert of(sim) == "Stopped"
    until(sim, lambda: of(sim) == "Running")
    assert wipe(sim) == "IncorrectInstanceStatus"


@pytest.mark.parametrize("name", sorted(path.stem for path in WORLDS.glob("*.yaml")))
def test_each_example_shows_its_trap(simulate: Simulate, name: str) -> None:
    """The world loads, and what its first lines tell happens in it."""
    sim = simulate(WORLDS / f"{name}.yaml")
    TRAPS[name](sim)


def test_no_trap_is_without_its_world() -> None:
    """Each trap has a world and each world a trap, and says in its first line what it is about."""
    files = {path.stem: path.read_text("utf-8") for path in WORLDS.glob("*.yaml")}
    assert set(files) == set(TRAPS)
    assert all(text.startswith("# ") for text in files.values())
