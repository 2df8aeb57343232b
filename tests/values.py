"""A healthy world, and small changes to it.

Every factory gives a value that ECS could show and that no check objects to; a test changes the fields it is about:
``an_instance(status="Running")``. ``disk_facts`` is a blank data disk, In_use on a Stopped instance that was once
started, with one accomplished snapshot; ``system_facts`` is the system disk of the same instance, made from a public
image; ``stopping_facts`` is a data disk made from a snapshot, while its instance is Running and may be stopped.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from safe_reinit.model import (
    Attachment,
    AutoSnapshotPolicy,
    Disk,
    DiskFacts,
    Guard,
    Hours,
    Image,
    Instance,
    Match,
    Observation,
    Options,
    OtherProducts,
    RunClass,
    ScalingMember,
    Snapshot,
    SystemEvent,
    Unseen,
)
from safe_reinit.model.codec import timestamp
from safe_reinit.model.guard import ON_BY_DEFAULT

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=400)
YESTERDAY = NOW - timedelta(days=1)
TOMORROW = NOW + timedelta(days=1)

ACCOUNT = "1000000000000001"
REGION = "cn-hangzhou"
DISK_ID = "d-bp1data"
SYSTEM_DISK_ID = "d-bp1system"
INSTANCE_ID = "i-bp1web"
IMAGE_ID = "aliyun_3_x64_20G_alibase_20250117.vhd"


def started(instance_id: str) -> dict[str, str]:
    """Return the fact of a plan that ECS shows when an instance was started."""
    return {f"{instance_id}.StartTime": timestamp(YESTERDAY)}


_DISK = Disk(
    disk_id=DISK_ID,
    disk_name="web-data",
    serial="bp1data",
    type="data",
    category="cloud_essd",
    size_gib=40,
    status="In_use",
    instance_id=INSTANCE_ID,
    device="/dev/xvdb",
    attachments=(Attachment(INSTANCE_ID, "/dev/xvdb", LONG_AGO),),
    mount_instance_num=1,
    multi_attach="Disabled",
    image_id="",
    source_snapshot_id="",
    attached_time=LONG_AGO,
    detached_time=None,
    charge_type="PostPaid",
    expired_time=None,
    locks=(),
    encrypted=False,
    kms_key_id="",
    auto_snapshot_policy_id="",
    delete_with_instance=True,
    tags=(),
)
_INSTANCE = Instance(
    instance_id=INSTANCE_ID,
    instance_name="web",
    status="Stopped",
    stopped_mode="KeepCharging",
    start_time=YESTERDAY,
    creation_time=LONG_AGO,
    charge_type="PostPaid",
    expired_time=None,
    auto_release_time=None,
    locks=(),
    spot_strategy="NoSpot",
    deletion_protection=False,
    os_type="linux",
    key_pair_name="ops",
    image_id=IMAGE_ID,
    io_optimized=True,
    hibernation_configured=False,
    login_as_non_root=False,
    local_storage_amount=0,
    public_ips=(),
    eip="",
    dedicated_host_id="",
    capacity_reservation_id="",
    tags=(),
)
_SNAPSHOT = Snapshot(
    snapshot_id="s-bp1fresh",
    name="fresh",
    status="accomplished",
    progress="100%",
    remain_time=None,
    creation_time=NOW - timedelta(hours=2),
    source_disk_id=DISK_ID,
    category="standard",
    retention_days=None,
    instant_access=False,
    instant_access_retention_days=None,
    type="user",
    tags=(),
)
_IMAGE = Image(
    image_id=IMAGE_ID,
    name="Alibaba Cloud Linux 3",
    status="Available",
    owner_alias="system",
    is_public=True,
    os_type="linux",
    io_optimized=True,
    cloud_init=True,
    login_as_non_root=True,
    creation_time=LONG_AGO,
)


def a_disk(**changes: Any) -> Disk:
    """Return a blank data disk, In_use on the instance."""
    return replace(_DISK, **changes)


def a_system_disk(**changes: Any) -> Disk:
    """Return the system disk of the instance, made from a public image."""
    own: dict[str, Any] = {
        "disk_id": SYSTEM_DISK_ID,
        "disk_name": "web-system",
        "serial": "bp1system",
        "type": "system",
        "device": "/dev/xvda",
        "attachments": (Attachment(INSTANCE_ID, "/dev/xvda", LONG_AGO),),
        "image_id": IMAGE_ID,
    }
    return replace(_DISK, **(own | changes))


def an_instance(**changes: Any) -> Instance:
    """Return a Stopped Linux instance that was started before."""
    return replace(_INSTANCE, **changes)


def a_snapshot(**changes: Any) -> Snapshot:
    """Return an accomplished snapshot of the data disk."""
    return replace(_SNAPSHOT, **changes)


def an_image(**changes: Any) -> Image:
    """Return the Available public image that the system disk was made from."""
    return replace(_IMAGE, **changes)


def an_observation(at: float = 0.0, **instance: Any) -> Observation:
    """Return a look at an instance without its disks."""
    return Observation(at=at, when=NOW, date=NOW, answered=True, instance=an_instance(**instance))


def options(**changes: Any) -> Options:
    """Return the options of a run that asks for nothing special."""
    return replace(Options(), **changes)


LAB = (("env", "lab"),)
"""A tag, and what a class asks for."""
NIGHT = Hours(3 * 60, 4 * 60)
"""A window that NOW, 03:04 UTC, is in."""
DAY = Hours(9 * 60, 17 * 60)


def guard(**changes: Any) -> Guard:
    """Return what is judged of targets unless a test says otherwise: what is on by default."""
    return replace(Guard(), **changes)


def run_class(**changes: Any) -> RunClass:
    """Return the class lab in force, matched by the tag env=lab, at any hour."""
    lab = RunClass("lab", "0" * 64, Match(tags=LAB), hours=None, in_force=True, unattended=True)
    return replace(lab, **changes)


def unseen(action: str, **changes: Any) -> Unseen:
    """Return a look that could not be made for want of a right."""
    return replace(Unseen(action, DISK_ID, f"ecs:{action}", "Forbidden.RAM"), **changes)


def products(**changes: Any) -> OtherProducts:
    """Return what other products tell of a healthy disk, which is nothing."""
    return replace(OtherProducts(), **changes)


def a_member(**changes: Any) -> ScalingMember:
    """Return the membership of the instance in a scaling group."""
    return replace(ScalingMember(INSTANCE_ID, "asg-1", "InService"), **changes)


def an_event(**changes: Any) -> SystemEvent:
    """Return a reboot that ECS plans for the instance."""
    return replace(SystemEvent("e-1", INSTANCE_ID, "SystemMaintenance.Reboot", "Scheduled", TOMORROW), **changes)


def a_policy(**changes: Any) -> AutoSnapshotPolicy:
    """Return a snapshot policy whose one point in time is not near: 23:00 of Saturdays in UTC+8."""
    return replace(AutoSnapshotPolicy("sp-1", (23,), (6,), "Normal"), **changes)


def disk_facts(**changes: Any) -> DiskFacts:
    """Return the facts of the healthy data disk; ``disk_id`` follows ``disk`` unless it is given."""
    disk: Disk | None = changes.get("disk", _DISK)
    healthy: dict[str, Any] = {
        "disk_id": disk.disk_id if disk is not None else DISK_ID,
        "options": options(),
        "now": NOW,
        "region": REGION,
        "disk": _DISK,
        "instance": _INSTANCE,
        "snapshots": (_SNAPSHOT,),
        "clock_skew": 0.0,
        "account": ACCOUNT,
        "other_products": OtherProducts(),
        "guard": ON_BY_DEFAULT,
    }
    return DiskFacts(**(healthy | changes))


def system_facts(**changes: Any) -> DiskFacts:
    """Return the facts of the healthy system disk."""
    disk = a_system_disk()
    snapshot = a_snapshot(source_disk_id=disk.disk_id)
    return disk_facts(**({"disk": disk, "image": _IMAGE, "snapshots": (snapshot,)} | changes))


def stopping_facts(**changes: Any) -> DiskFacts:
    """Return the facts of a healthy data disk on a Running instance that may be stopped, with both rights proven.

    It was made from a snapshot: a blank one could keep the instance from starting again.
    """
    source = a_snapshot(snapshot_id="s-bp1source", source_disk_id="d-bp1gone", creation_time=LONG_AGO)
    running: dict[str, Any] = {
        "disk": a_disk(source_snapshot_id=source.snapshot_id),
        "source_snapshot": source,
        "instance": an_instance(status="Running", stopped_mode="Not-applicable"),
        "options": options(stop_instance=True),
        "dry_run_codes": {"StopInstance": "DryRunOperation", "StartInstance": "DryRunOperation"},
    }
    return disk_facts(**(running | changes))


def recoverable(world: dict[str, Any]) -> dict[str, Any]:
    """Return a simulator's world again with a way back for each disk, so that a wipe has no risk by default.

    Each disk gets a fresh snapshot, and a data disk that was made from nothing is made from a snapshot: a blank one
    could keep its instance from starting again.
    """
    disks = {disk_id: {**disk} for disk_id, disk in world["disks"].items()}
    snapshots: dict[str, Any] = {f"s-fresh-{disk_id[2:]}": {"disk": disk_id} for disk_id in disks}
    for disk in disks.values():
        if disk.get("type", "data") == "data" and "snapshot" not in disk:
            disk["snapshot"] = "s-origin"
            snapshots["s-origin"] = {"disk": "d-origin", "released": True}
    return {**world, "disks": disks, "snapshots": {**snapshots, **world.get("snapshots", {})}}
