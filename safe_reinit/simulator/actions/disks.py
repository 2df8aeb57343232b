"""DescribeDisks, ReInitDisk and ResetDisk."""

from __future__ import annotations

from safe_reinit.simulator.actions.context import Context
from safe_reinit.simulator.actions.listing import (
    FOREVER,
    Listing,
    lock_reason,
    matches,
    tag_rows,
    tagged,
    wanted_ids,
)
from safe_reinit.simulator.errors import Refusal
from safe_reinit.simulator.state import wiping
from safe_reinit.simulator.state.clock import minute_text, second_text
from safe_reinit.simulator.state.model import Disk
from safe_reinit.simulator.wire.answers import Body

_STATUSES = ("In_use", "Available", "Attaching", "Detaching", "Creating", "ReIniting", "All")


def describe_disks(ctx: Context) -> Body:
    """List disks; an unknown id is no error, it is just not in the list."""
    params = ctx.params
    here = ctx.in_region("MissingParamter.RegionId", "InvalidRegion.NotFound")
    wanted = wanted_ids(params, "DiskIds", "InvalidParameter.DiskIds", "InvalidDiskIds.Malformed")
    status = params.choice("Status", _STATUSES, "InvalidStatus.ValueNotSupported")
    kind = params.choice("DiskType", ("all", "system", "data"), "InvalidDiskType.ValueNotSupported")
    instance_id, reason, tags = params.text("InstanceId"), lock_reason(params), params.tags()

    def fits(disk: Disk) -> bool:
        return (
            wanted(disk.id)
            and status in ("", "All", disk.status)
            and kind in ("", "all", disk.type)
            and (not instance_id or any(a.instance_id == instance_id for a in disk.attachments))
            and (not reason or reason in disk.locks)
            and tagged(disk.tags, tags)
            and matches(params, _filters(disk))
        )

    shown = ctx.cloud.disks.shown(ctx.now)
    return _DISKS.answer(ctx, [disk for disk in shown if here and fits(disk)])


def _filters(disk: Disk) -> dict[str, str]:
    return {
        "Category": disk.category,
        "SnapshotId": disk.source_snapshot_id,
        "MultiAttach": "Enabled" if disk.multi_attach else "Disabled",
        "KMSKeyId": disk.kms_key_id,
        "DiskName": disk.name,
        "ZoneId": disk.zone,
        "DiskChargeType": disk.charge_type,
        "AutoSnapshotPolicyId": disk.auto_snapshot_policy_id,
    }


def _shape(_ctx: Context, disk: Disk) -> Body:
    # InstanceId and Device are documented to be filled for In_use and Detaching only, and never for multi-attach disks.
    plain = disk.attachments and not disk.multi_attach and disk.status in ("In_use", "Detaching")
    places = [
        {"InstanceId": place.instance_id, "Device": place.device, "AttachedTime": second_text(place.at)}
        for place in disk.attachments
    ]
    return {
        "DiskId": disk.id,
        "DiskName": disk.name,
        "Description": "",
        "SerialNumber": disk.id[2:],
        "RegionId": disk.zone.rpartition("-")[0],
        "ZoneId": disk.zone,
        "Status": disk.status,
        "Type": disk.type,
        "Category": disk.category,
        "PerformanceLevel": "PL1" if disk.category == "cloud_essd" else "",
        "Size": disk.size,
        "InstanceId": disk.instance_id if plain else "",
        "Device": disk.attachments[0].device if plain else "",
        "Attachments": {"Attachment": places},
        "MountInstances": {"MountInstance": places if disk.multi_attach else []},
        "MountInstanceNum": len(places),
        "MultiAttach": "Enabled" if disk.multi_attach else "Disabled",
        "ImageId": disk.image_id,
        "SourceSnapshotId": disk.source_snapshot_id,
        "CreationTime": second_text(disk.created),
        "AttachedTime": second_text(disk.attachments[0].at if disk.attachments else None),
        "DetachedTime": second_text(disk.detached),
        "DiskChargeType": disk.charge_type,
        "ExpiredTime": FOREVER if disk.charge_type == "PostPaid" else minute_text(disk.expires),
        "Portable": disk.type == "data",
        "DeleteWithInstance": disk.delete_with_instance,
        "DeleteAutoSnapshot": False,
        "EnableAutoSnapshot": True,
        "EnableAutomatedSnapshotPolicy": bool(disk.auto_snapshot_policy_id),
        "AutoSnapshotPolicyId": disk.auto_snapshot_policy_id,
        "Encrypted": disk.encrypted,
        "KMSKeyId": disk.kms_key_id,
        "OperationLocks": {"OperationLock": [{"LockReason": reason} for reason in disk.locks]},
        "ResourceGroupId": "",
        "ProductCode": "",
        "StorageSetId": "",
        "BdfId": None,
        "Tags": tag_rows(disk.tags),
    }


_DISKS = Listing[Disk](
    outer="Disks",
    inner="Disk",
    key=lambda disk: disk.id,
    shape=_shape,
    resources=lambda disk: (disk.id,),
    max_results=500,
)


def reinit_disk(ctx: Context) -> Body:
    """Wipe a disk; there is neither a dry run nor a client token."""
    disk_id = ctx.params.required("DiskId")
    ctx.params.choice("SecurityEnhancementStrategy", ("Active", "Deactive"), "InvalidParameter")
    options = wiping.Options(
        password=ctx.params.text("Password"),
        key_pair=ctx.params.text("KeyPairName"),
        auto_start=ctx.params.flag("AutoStartInstance"),
    )
    ctx.require(disk_id)
    disk = ctx.disk(disk_id)
    wiping.may_reinit(ctx.cloud, disk, options, ctx.now)
    wiping.reinit(ctx.cloud, disk, options, ctx.now, ctx.request_id)
    return {}


def reset_disk(ctx: Context) -> Body:
    """Roll a disk back to one of its snapshots."""
    disk_id = ctx.params.required("DiskId")
    snapshot_id = ctx.params.required("SnapshotId")
    ctx.require(disk_id)
    disk = ctx.disk(disk_id)
    snapshot = ctx.cloud.snapshots.get(snapshot_id)
    if snapshot is None or snapshot.status == "Deleted":
        raise Refusal("InvalidSnapshotId.NotFound")
    wiping.may_reset(ctx.cloud, disk, snapshot, ctx.now)
    ctx.end_dry_run()
    wiping.reset(ctx.cloud, disk, snapshot, ctx.now, ctx.request_id)
    return {}
