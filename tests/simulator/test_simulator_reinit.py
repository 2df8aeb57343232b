"""ReInitDisk: every refusal it documents, one by one, and what an accepted call does."""

from __future__ import annotations

from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs

from tests.simulator.support import Simulate, refused, sdk, until

SYSTEM = {"type": "system", "image": "aliyun.vhd"}


def stopped_world(
    disk: dict[str, Any] | None = None, instance: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """One stopped instance with one disk, and what a test changes about them."""
    return {
        "key_pairs": ["sim-key"],
        "images": {"aliyun.vhd": {"owner": "system", "public": True}, **more.pop("images", {})},
        "instances": {"i-1": {"status": "Stopped", **(instance or {})}},
        "disks": {"d-1": {"instance": "i-1", **(disk or {})}},
        **more,
    }


SOURCE = {"s-1": {"disk": "d-0", "released": True}}
REFUSALS = [
    ("InvalidDiskId.NotFound", 404, stopped_world(), {"disk_id": "d-2"}),
    ("MissingParameter", 400, stopped_world(), {"disk_id": ""}),
    ("IncorrectDiskStatus", 403, stopped_world({"instance": [], "detached": "-1d"}), {}),
    ("IncorrectInstanceStatus", 403, stopped_world(instance={"status": "Running"}), {}),
    ("IncorrectInstanceStatus", 403, stopped_world(instance={"never_started": True}), {}),
    ("IncorrectInstanceStatus", 403, stopped_world(instance={"status": "Pending"}), {}),
    ("InstanceLockedForSecurity", 403, stopped_world({"locks": ["security"]}), {}),
    ("InstanceLockedForSecurity", 403, stopped_world(instance={"locks": "security"}), {}),
    ("InstanceExpiredOrInArrears", 403, stopped_world({"locks": ["financial"]}), {}),
    ("InstanceExpiredOrInArrears", 403, stopped_world(instance={"locks": ["recycling"]}), {}),
    ("InstanceExpiredOrInArrears", 403, stopped_world({"charge_type": "PrePaid", "expires": "-1d"}), {}),
    ("InstanceExpiredOrInArrears", 403, stopped_world(instance={"charge_type": "PrePaid", "expires": "-1d"}), {}),
    ("DiskCategory.OperationNotSupported", 400, stopped_world({"category": "local_hdd_pro"}), {}),
    ("DiskCategory.OperationNotSupported", 400, stopped_world({"category": "ephemeral_ssd"}), {}),
    ("InvalidOperation.MultiAttachDisk", 403, stopped_world({"multi_attach": True}), {}),
    (
        "InvalidSourceSnapshot",
        403,
        stopped_world({"snapshot": "s-1"}, snapshots={"s-1": {**SOURCE["s-1"], "deleted": True}}),
        {},
    ),
    (
        "InvalidSnapshot.TooOld",
        403,
        stopped_world(
            {"snapshot": "s-1", "detached": "-1d"},
            snapshots={"s-1": {**SOURCE["s-1"], "created": "2013-07-15T23:59:59Z"}},
        ),
        {},
    ),
    (
        "InvalidImageId.NotFound",
        404,
        stopped_world({"type": "system", "image": "m-1"}, images={"m-1": {"deleted": True}}),
        {},
    ),
    (
        "SharedImageDeleted",
        403,
        stopped_world({"type": "system", "image": "m-1"}, images={"m-1": {"owner": "others", "deleted": True}}),
        {},
    ),
    (
        "InvalidDiskId.OperationNotSupported",
        404,
        stopped_world({"type": "system", "image": "old.vhd"}, images={"old.vhd": {"owner": "system", "deleted": True}}),
        {},
    ),
    (
        "DependencyViolation.IoOptimize",
        400,
        stopped_world({"type": "system", "image": "m-1"}, images={"m-1": {"supports_io_optimized": False}}),
        {},
    ),
    ("DiskCreatingSnapshot", 403, stopped_world(snapshots={"s-1": {"disk": "d-1", "status": "progressing"}}), {}),
    (
        "DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported",
        400,
        stopped_world(snapshots={"s-1": {"disk": "d-1", "category": "flash"}}),
        {},
    ),
    (
        "DiskHasSnapshotsWithInstantAccessEnabled.OperationNotSupported",
        400,
        stopped_world(snapshots={"s-1": {"disk": "d-1", "instant_access": True}}),
        {},
    ),
    ("HibernationConfigured.InstanceOperationForbidden", 403, stopped_world(instance={"hibernation": True}), {}),
    ("InvalidParameter.KMSKeyId.CMKNotEnabled", 403, stopped_world({"kms": "CMKNotEnabled"}), {}),
    ("InvalidParameter.KMSKeyId.KMSUnauthorized", 403, stopped_world({"kms": "KMSUnauthorized"}), {}),
    ("InvalidParameter.KMSKeyId.CMKUnauthorized", 403, stopped_world({"kms": "CMKUnauthorized"}), {}),
    ("InvalidKeyPairName.NotFound", 400, stopped_world(SYSTEM), {"key_pair_name": "nobody"}),
    (
        "DependencyViolation.WindowsInstance",
        403,
        stopped_world(SYSTEM, {"os": "windows"}),
        {"key_pair_name": "sim-key"},
    ),
    ("InvalidPassword.Malformed", 400, stopped_world(SYSTEM), {"password": "short"}),
    ("InvalidPassword.Malformed", 400, stopped_world(SYSTEM), {"password": "lowercase123"}),
    ("InvalidPassword.Malformed", 400, stopped_world(SYSTEM), {"password": "Umlaut-ä-12345"}),
    ("InvalidPassword.Malformed", 400, stopped_world(SYSTEM, {"os": "windows"}), {"password": "/Long-enough-1"}),
    ("InvalidParameter", 400, stopped_world(SYSTEM), {"security_enhancement_strategy": "Sometimes"}),
    ("InvalidParameter", 400, stopped_world(), {"auto_start_instance": "perhaps"}),
]


@pytest.mark.parametrize(("code", "status", "setting", "options"), REFUSALS, ids=lambda value: str(value)[:40])
def test_each_documented_refusal(
    simulate: Simulate, code: str, status: int, setting: dict[str, Any], options: dict[str, Any]
) -> None:
    """Each precondition that does not hold is refused with its documented code and status, and nothing is wiped."""
    sim = simulate(setting)
    request = ecs.ReInitDiskRequest(**{"disk_id": "d-1", **options})
    assert refused(lambda: sdk(sim).re_init_disk(request)) == (status, code)
    assert sim.state()["disks"]["d-1"]["wipes"] == []


ACCEPTED = [
    (stopped_world(), {}),
    (stopped_world({"category": "cloud_quantum"}), {}),
    (stopped_world({"snapshot": "s-1"}, snapshots=SOURCE), {}),
    (stopped_world({"snapshot": "s-1"}, snapshots={"s-1": {**SOURCE["s-1"], "created": "2013-07-01"}}), {}),
    (stopped_world(snapshots={"s-1": {"disk": "d-1", "instant_access": True, "instant_access_days": 1}}), {}),
    (stopped_world(SYSTEM), {"password": "Long-enough-1", "security_enhancement_strategy": "Active"}),
    (
        stopped_world({"type": "system", "image": "m-1"}, images={"m-1": {"owner": "others"}}),
        {"key_pair_name": "sim-key"},
    ),
    (stopped_world(), {"password": "ignored on a data disk", "key_pair_name": "nobody"}),
]


@pytest.mark.parametrize(("setting", "options"), ACCEPTED)
def test_what_is_accepted(simulate: Simulate, setting: dict[str, Any], options: dict[str, Any]) -> None:
    """A disk whose preconditions hold is wiped at once and says ReIniting, with the wipe on record."""
    sim = simulate(setting)
    before = sim.state()["disks"]["d-1"]["content"]
    answer = sdk(sim).re_init_disk(ecs.ReInitDiskRequest(disk_id="d-1", **options))
    disk = sim.state()["disks"]["d-1"]
    assert (disk["status"], disk["content"]) == ("ReIniting", "initial")
    (wipe,) = disk["wipes"]
    assert wipe["request_id"] == answer.body.request_id
    assert (wipe["starts_before"], wipe["content_before"], wipe["content_after"]) == (1, before, "initial")
    assert before.startswith("data:")


def test_a_second_wipe_while_the_first_runs(simulate: Simulate) -> None:
    """A disk that is ReIniting is not In_use, so it cannot be wiped again, nor can its instance be started."""
    sim = simulate(stopped_world())
    client = sdk(sim)
    client.re_init_disk(ecs.ReInitDiskRequest(disk_id="d-1"))
    again = refused(lambda: client.re_init_disk(ecs.ReInitDiskRequest(disk_id="d-1")))
    assert again == (403, "IncorrectDiskStatus")
    start = refused(lambda: client.start_instance(ecs.StartInstanceRequest(instance_id="i-1")))
    assert start == (403, "IncorrectInstanceStatus")


def test_auto_start(simulate: Simulate) -> None:
    """With AutoStartInstance the instance starts by itself after the wipe, as an act of the world."""
    sim = simulate(stopped_world())
    sdk(sim).re_init_disk(ecs.ReInitDiskRequest(disk_id="d-1", auto_start_instance=True))
    until(sim, lambda: sim.state()["instances"]["i-1"]["status"] == "Running")
    state = sim.state()
    assert state["instances"]["i-1"]["starts"] == 2
    assert [(call["action"], call["source"]) for call in state["calls"]] == [
        ("ReInitDisk", "api"),
        ("StartInstance", "world"),
    ]


def test_auto_start_of_a_locked_instance(simulate: Simulate) -> None:
    """An instance that may not start stays stopped after the wipe, whatever AutoStartInstance said."""
    sim = simulate(stopped_world())
    sim.do({"hold": {"disk": "d-1"}})
    sdk(sim).re_init_disk(ecs.ReInitDiskRequest(disk_id="d-1", auto_start_instance=True))
    sim.do({"lock": "i-1", "reason": "financial"})
    sim.do({"release": {"disk": "d-1"}})
    until(sim, lambda: sim.state()["disks"]["d-1"]["status"] == "In_use")
    assert sim.state()["instances"]["i-1"]["status"] == "Stopped"


def test_a_key_pair_given_is_bound(simulate: Simulate) -> None:
    """The key pair given for a system disk is the instance's from then on."""
    sim = simulate(stopped_world(SYSTEM))
    client = sdk(sim)
    client.re_init_disk(ecs.ReInitDiskRequest(disk_id="d-1", key_pair_name="sim-key"))
    rows = client.describe_instances(ecs.DescribeInstancesRequest(region_id=sim.region)).body.instances.instance
    assert [row.key_pair_name for row in rows] == ["sim-key"]


def test_rate_limit(simulate: Simulate) -> None:
    """Over the limit of a minute calls are refused until the next minute, and then taken again."""
    sim = simulate({**stopped_world(), "rate_limits": {"ReInitDisk": 3}})
    client = sdk(sim)

    def code() -> str:
        return refused(lambda: client.re_init_disk(ecs.ReInitDiskRequest(disk_id="d-2")))[1]

    assert [code() for _ in range(5)] == ["InvalidDiskId.NotFound"] * 3 + ["Throttling.User"] * 2
    until(sim, lambda: code() == "InvalidDiskId.NotFound")


def test_reset_disk(simulate: Simulate) -> None:
    """ResetDisk puts the snapshot's content on the disk and is on record apart from the wipes."""
    sim = simulate(stopped_world(snapshots={"s-1": {"disk": "d-1", "content": "data:77"}}))
    client = sdk(sim)
    dry = ecs.ResetDiskRequest(disk_id="d-1", snapshot_id="s-1", dry_run=True)
    assert refused(lambda: client.reset_disk(dry)) == (400, "DryRunOperation")
    client.reset_disk(ecs.ResetDiskRequest(disk_id="d-1", snapshot_id="s-1"))
    disk = sim.state()["disks"]["d-1"]
    assert (disk["content"], disk["wipes"]) == ("data:77", [])
    assert [done["content_after"] for done in disk["resets"]] == ["data:77"]
    unknown = ecs.ResetDiskRequest(disk_id="d-1", snapshot_id="s-9")
    assert refused(lambda: client.reset_disk(unknown)) == (404, "InvalidSnapshotId.NotFound")


@pytest.mark.parametrize(
    ("code", "setting", "snapshot"),
    [
        ("InvalidParameter.Mismatch", stopped_world(snapshots={"s-1": {"disk": "d-0", "released": True}}), "s-1"),
        ("InvalidSnapshotId.NotReady", stopped_world(snapshots={"s-1": {"disk": "d-1", "status": "failed"}}), "s-1"),
        (
            "IncorrectInstanceStatus",
            stopped_world(instance={"status": "Running"}, snapshots={"s-1": {"disk": "d-1"}}),
            "s-1",
        ),
        ("IncorrectDiskStatus", stopped_world({"instance": []}, snapshots={"s-1": {"disk": "d-1"}}), "s-1"),
        (
            "InvalidOperation.MultiAttachDisk",
            stopped_world({"multi_attach": True}, snapshots={"s-1": {"disk": "d-1"}}),
            "s-1",
        ),
        (
            "DiskCategory.OperationNotSupported",
            stopped_world({"category": "ephemeral"}, snapshots={"s-1": {"disk": "d-1"}}),
            "s-1",
        ),
        (
            "DiskCreatingSnapshot",
            stopped_world(snapshots={"s-1": {"disk": "d-1"}, "s-2": {"disk": "d-1", "status": "progressing"}}),
            "s-1",
        ),
        ("InstanceLockedForSecurity", stopped_world({"locks": "security"}, snapshots={"s-1": {"disk": "d-1"}}), "s-1"),
    ],
)
def test_reset_disk_refusals(simulate: Simulate, code: str, setting: dict[str, Any], snapshot: str) -> None:
    """ResetDisk refuses what cannot be rolled back."""
    sim = simulate(setting)
    request = ecs.ResetDiskRequest(disk_id="d-1", snapshot_id=snapshot)
    assert refused(lambda: sdk(sim).reset_disk(request))[1] == code
