"""DescribeSnapshots, DescribeSnapshotLinks, DescribeAutoSnapshotPolicyEx, CreateSnapshot and DeleteSnapshot."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from ..errors import Refusal, invalid
from ..state import snapshots as state
from ..state.clock import second_text
from ..state.model import AutoSnapshotPolicy, Snapshot
from ..wire.answers import Body
from ..wire.params import Params
from .context import Context
from .listing import Listing, matches, of_region, tag_rows, tagged

_MALFORMED = "InvalidSnapshotIds.Malformed"
_NAME = re.compile(r"(?!auto|https?://)[^\W\d_].{1,127}", re.DOTALL)


def describe_snapshots(ctx: Context) -> Body:
    """List snapshots; deleted ones are gone. A denial of the source disk hides its snapshots too."""
    params = ctx.params
    region = ctx.in_region()
    ids = params.ids("SnapshotIds", malformed=_MALFORMED, too_many=_MALFORMED)
    status = params.choice("Status", ("progressing", "accomplished", "failed", "all"), "InvalidStatus.NotFound")
    kind = params.choice("SnapshotType", ("auto", "user", "all"), "InvalidSnapshotType.NotFound")
    category = params.choice("Category", ("Standard", "Flash", "archive"), "InvalidSnapshotCategory.Malformed").lower()
    usage = params.choice("Usage", ("image", "disk", "image_disk", "none"), "InvalidUsage")
    params.choice("SourceDiskType", ("system", "data"), "InvalidSourceDiskType")
    disk_id, instance_id, tags = params.text("DiskId"), params.text("InstanceId"), params.tags()
    on_instance = {disk.id for disk in ctx.cloud.disks_of(instance_id)} if instance_id else set()

    def fits(row: Snapshot) -> bool:
        return (
            status in ("", "all", row.status)
            and kind in ("", "all", row.kind)
            and category in ("", row.category.lower())
            and disk_id in ("", row.disk_id)
            and (not instance_id or row.disk_id in on_instance)
            and (not usage or usage == _usage(ctx, row))
            and tagged(row.tags, tags)
            and matches(params, _filters(row))
        )

    shown = of_region(region, ctx.cloud.snapshots.described(ctx.now, ids))
    return _SNAPSHOTS.answer(ctx, [row for row in shown if fits(row)])


def _filters(row: Snapshot) -> dict[str, str]:
    return {
        "SnapshotName": row.name,
        "SourceDiskType": row.disk_type,
        "SnapshotLinkId": _link_id(row.disk_id),
        "Encrypted": "true" if row.encrypted else "false",
    }


def _usage(ctx: Context, row: Snapshot) -> str:
    """Return what a snapshot has been used for: image, disk, image_disk or none."""
    images = any(image.snapshot_id == row.id and image.status != "Deleted" for image in ctx.cloud.images.values())
    uses = [word for word, used in (("image", images), ("disk", bool(ctx.cloud.disks.linked(row.id)))) if used]
    return "_".join(uses) or "none"


def _link_id(disk_id: str) -> str:
    return f"sl-{disk_id[2:]}"


def _shape(ctx: Context, row: Snapshot) -> Body:
    seen = ctx.now - ctx.cloud.settings.describe_lag
    shape: dict[str, object] = {
        "SnapshotId": row.id,
        "SnapshotName": row.name,
        "Description": row.description,
        "RegionId": row.region,
        "Status": row.status,
        "Progress": f"{row.progress(seen)}%",
        "RemainTime": max(0, round(row.ends - seen)) if row.status == "progressing" else 0,
        "CreationTime": second_text(row.created),
        "LastModifiedTime": second_text(row.created),
        "SourceDiskId": row.disk_id,
        "SourceDiskType": row.disk_type,
        "SourceDiskSize": row.disk_size,
        "SourceStorageType": "disk",
        "SnapshotType": row.kind,
        "SnapshotLinkId": _link_id(row.disk_id),
        "Category": row.category,
        "InstantAccess": row.instant_access,
        "Available": row.status == "accomplished" or row.instant_access,
        "Usage": _usage(ctx, row),
        "Encrypted": row.encrypted,
        "KMSKeyId": "",
        "ProductCode": "",
        "ResourceGroupId": "",
        "Tags": tag_rows(row.tags),
    }
    if row.instant_access_days is not None:
        shape["InstantAccessRetentionDays"] = row.instant_access_days
    if row.retention_days is not None:
        shape["RetentionDays"] = row.retention_days
    return shape


_SNAPSHOTS = Listing[Snapshot](
    outer="Snapshots",
    inner="Snapshot",
    key=lambda row: row.id,
    shape=_shape,
    resources=lambda row: (row.id, row.disk_id),
)


@dataclass(frozen=True)
class _Link:
    """A snapshot chain: all snapshots of one disk."""

    disk_id: str
    rows: list[Snapshot]


def describe_snapshot_links(ctx: Context) -> Body:
    """List the chains of disks that have snapshots. There is no dry run; DryRun is not one of its parameters."""
    params = ctx.params
    region = ctx.in_region()
    disks = params.ids("DiskIds", malformed="InvalidParameter.DiskIds", too_many="InvalidDiskIds.Malformed")
    chosen = params.ids("SnapshotLinkIds", malformed="InvalidParameter", too_many="InvalidParameter")
    instance_id = params.text("InstanceId")
    on_instance = {disk.id for disk in ctx.cloud.disks_of(instance_id)} if instance_id else set()
    chains: dict[str, list[Snapshot]] = {}
    for row in of_region(region, ctx.cloud.snapshots.described(ctx.now)):
        if (disks is None or row.disk_id in disks) and (chosen is None or _link_id(row.disk_id) in chosen):
            chains.setdefault(row.disk_id, []).append(row)
    links = [_Link(disk_id, rows) for disk_id, rows in chains.items() if not instance_id or disk_id in on_instance]
    return _LINKS.answer(ctx, links)


def _link(ctx: Context, link: _Link) -> Body:
    disk = ctx.cloud.disks.get(link.disk_id)
    instance = ctx.cloud.instances.find(disk.instance_id) if disk else None
    local = any(row.category.lower() == "flash" for row in link.rows)
    return {
        "SnapshotLinkId": _link_id(link.disk_id),
        "RegionId": link.rows[0].region,
        "SourceDiskId": link.disk_id,
        "SourceDiskName": disk.name if disk else "",
        "SourceDiskSize": link.rows[0].disk_size,
        "SourceDiskType": link.rows[0].disk_type,
        "InstanceId": instance.id if instance else "",
        "InstanceName": instance.name if instance else "",
        "Category": "flash" if local else "standard",
        "InstantAccess": any(row.instant_access for row in link.rows),
        "TotalCount": len(link.rows),
        "TotalSize": sum(row.disk_size for row in link.rows) * 1024**3,
    }


_LINKS = Listing[_Link](
    outer="SnapshotLinks",
    inner="SnapshotLink",
    key=lambda link: link.disk_id,
    shape=_link,
    resources=lambda link: (link.disk_id,),
    has_dry_run=False,
)


def create_snapshot(ctx: Context) -> Body:
    """Begin a snapshot; the same ClientToken returns the same snapshot, and with other parameters a refusal."""
    disk_id = ctx.params.required("DiskId")
    wish = _wish(ctx.params)
    token = ctx.params.text("ClientToken")
    if len(token) > 64 or not token.isascii():
        raise Refusal("InvalidClientToken.Malformed")
    ctx.require(disk_id)
    disk = ctx.disk(disk_id)
    asked = f"{disk_id} {wish}"
    earlier = ctx.cloud.snapshot_tokens.get(token) if token else None
    if earlier is not None:
        if earlier[0] != asked:
            raise Refusal("IdempotentParameterMismatch")
        return {"SnapshotId": earlier[1]}
    state.may_snapshot(ctx.cloud, disk)
    snapshot = state.create(ctx.cloud, disk, wish, ctx.now)
    if token:
        ctx.cloud.snapshot_tokens[token] = (asked, snapshot.id)
    return {"SnapshotId": snapshot.id}


def _wish(params: Params) -> state.Wish:
    name = params.text("SnapshotName")
    if name and not _NAME.fullmatch(name):
        raise Refusal("InvalidSnapshotName.Malformed")
    retention = params.number("RetentionDays")
    if retention is not None and not 1 <= retention <= 65536:
        raise invalid("RetentionDays")
    return state.Wish(
        name=name,
        description=params.text("Description"),
        category=params.choice("Category", ("standard", "flash"), "InvalidParameter") or "standard",
        instant_access=params.flag("InstantAccess"),
        instant_access_days=params.number("InstantAccessRetentionDays"),
        retention_days=retention,
        tags=tuple(params.tags()),
    )


def delete_snapshot(ctx: Context) -> Body:
    """Delete a snapshot, or cancel one in progress; one that does not exist is no error, as documented."""
    snapshot_id = ctx.params.required("SnapshotId")
    force = ctx.params.flag("Force")
    ctx.require(snapshot_id)
    snapshot = ctx.cloud.snapshots.find(snapshot_id) if ctx.at_home else None
    if snapshot is not None:
        state.may_delete(ctx.cloud, snapshot, force=force)
        state.delete(ctx.cloud, snapshot, ctx.now)
    return {}


def describe_auto_snapshot_policy_ex(ctx: Context) -> Body:
    """List automatic snapshot policies; an unknown id is no error, it is not listed."""
    here = ctx.in_region() == ctx.cloud.settings.region
    policy_id, name = ctx.params.text("AutoSnapshotPolicyId"), ctx.params.text("AutoSnapshotPolicyName")
    ctx.require(policy_id)
    known = ctx.cloud.auto_snapshot_policies.values() if here else ()
    return _POLICIES.answer(ctx, [row for row in known if policy_id in ("", row.id) and name in ("", row.name)])


def _auto_snapshot_policy(ctx: Context, row: AutoSnapshotPolicy) -> Body:
    uses = [disk for disk in ctx.cloud.disks if disk.auto_snapshot_policy_id == row.id and disk.status != "Deleted"]
    return {
        "AutoSnapshotPolicyId": row.id,
        "AutoSnapshotPolicyName": row.name,
        "RegionId": ctx.cloud.settings.region,
        "TimePoints": json.dumps([str(hour) for hour in row.hours]),
        "RepeatWeekdays": json.dumps([str(day) for day in row.weekdays]),
        "RetentionDays": row.retention_days,
        "Status": row.status,
        "Type": "Custom",
        "DiskNums": len(uses),
        "VolumeNums": 0,
        "CreationTime": second_text(row.created),
        "Tags": {"Tag": []},
    }


_POLICIES = Listing[AutoSnapshotPolicy](
    outer="AutoSnapshotPolicies",
    inner="AutoSnapshotPolicy",
    key=lambda row: row.id,
    shape=_auto_snapshot_policy,
    resources=lambda row: (row.id,),
    max_results=None,
    has_dry_run=False,
)
