"""DescribeDisks, ReInitDisk and ResetDisk."""

from __future__ import annotations

from ..errors import Refusal
from ..state import wiping
from ..state.clock import minute_text, second_text
from ..state.model import Disk
from ..wire.answers import Body
from .context import Context
from .listing import (
    FOREVER,
    Listing,
    in_zone,
    lock_reason,
    matches,
    of_region,
    tag_rows,
    tagged,
)

_CATEGORIES = (
    *("cloud", "cloud_efficiency", "cloud_ssd", "cloud_essd", "cloud_auto", "cloud_essd_entry"),
    *("cloud_regional_disk_auto", "elastic_ephemeral_disk_standard", "elastic_ephemeral_disk_premium"),
    *("local_ssd_pro", "local_hdd_pro", "ephemeral", "ephemeral_ssd"),
)
_STATUSES = ("In_use", "Available", "Attaching", "Detaching", "Creating", "ReIniting", "All")


def describe_disks(ctx: Context) -> Body:
    """List disks; an unknown id is no error, it is simply not listed."""
    params = ctx.params
    region = ctx.in_region("MissingParamter.RegionId", "InvalidRegion.NotFound")
    ids = params.ids("DiskIds", malformed="InvalidParameter.DiskIds", too_many="InvalidDiskIds.Malformed")
    status = params.choice("Status", _STATUSES, "InvalidStatus.ValueNotSupported")
    kind = params.choice("DiskType", ("all", "system", "data"), "InvalidDiskType.ValueNotSupported")
    category = params.choice("Category", (*_CATEGORIES, "all"), "InvalidCategory.ValueNotSupported")
    params.choice("DiskChargeType", ("PrePaid", "PostPaid"), "InvalidDiskChargeType.NotFound")
    params.choice("MultiAttach", ("Disabled", "Enabled", "LegacyShared"), "InvalidParameter.MultiAttach")
    in_zone(ctx)
    instance_id, reason, tags = params.text("InstanceId"), lock_reason(params), params.tags()

    def fits(disk: Disk) -> bool:
        return (
            status in ("", "All", disk.status)
            and kind in ("", "all", disk.type)
            and category in ("", "all", disk.category)
            and (not instance_id or any(a.instance_id == instance_id for a in disk.attachments))
            and (not reason or reason in disk.locks)
            and tagged(disk.tags, tags)
            and matches(params, _filters(disk))
        )

    shown = of_region(region, ctx.cloud.disks.described(ctx.now, ids))
    return _DISKS.answer(ctx, [disk for disk in shown if fits(disk)])


def _filters(disk: Disk) -> dict[str, str]:
    return {
        "SnapshotId": disk.source_snapshot_id,
        "MultiAttach": "Enabled" if disk.multi_attach else "Disabled",
        "KMSKeyId": disk.kms_key_id,
        "DiskName": disk.name,
        "ZoneId": disk.zone,
        "DiskChargeType": disk.charge_type,
        "AutoSnapshotPolicyId": disk.auto_snapshot_policy_id,
        "Encrypted": _word(disk.encrypted),
        "Portable": _word(disk.type == "data"),
        "DeleteWithInstance": _word(disk.delete_with_instance),
        "EnableAutomatedSnapshotPolicy": _word(bool(disk.auto_snapshot_policy_id)),
    }


def _word(flag: bool) -> str:
    return "true" if flag else "false"


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
        "RegionId": disk.region,
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
    if ctx.params.text("RegionId", ctx.cloud.settings.region) not in ctx.cloud.settings.regions:
        raise Refusal("InvalidRegionId.MalFormed")
    ctx.params.choice("SecurityEnhancementStrategy", ("Active", "Deactive"), "InvalidParameter")
    options = wiping.WipeOptions(
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
    snapshot = ctx.cloud.snapshots.find(snapshot_id)
    if snapshot is None:
        raise Refusal("InvalidSnapshotId.NotFound")
    wiping.may_reset(ctx.cloud, disk, snapshot, ctx.now)
    ctx.end_dry_run()
    wiping.reset(ctx.cloud, disk, snapshot, ctx.now, ctx.request_id)
    return {}
