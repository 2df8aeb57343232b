"""The answers of other products: Auto Scaling about its members, KMS about a key, EBS about replication pairs."""

from __future__ import annotations

from ..errors import Refusal
from ..state.clock import minute_text, second_text
from ..state.conditions import key_state
from ..state.model import Disk, Instance
from ..wire.answers import Body
from .context import Context
from .listing import Listing, Page, of_region

_MEMBERS_A_CALL = 20


def describe_scaling_instances(ctx: Context) -> Body:
    """List members of scaling groups; the id of an instance in no group is no error, it is left out."""
    params = ctx.params
    region = ctx.in_region()
    ids = params.repeated("InstanceId")
    if len(ids) > _MEMBERS_A_CALL:
        raise Refusal("InvalidParameter")
    filters = {
        "ScalingGroupId": lambda row: row.scaling_group,
        "LifecycleState": lambda row: row.lifecycle,
        "HealthStatus": _health,
    }
    ctx.require(*ids)
    rows = of_region(region, ctx.cloud.instances.described(ctx.now, ids or None))
    members = [
        row
        for row in rows
        if row.scaling_group
        and all(not params.given(name) or params.text(name) == value(row) for name, value in filters.items())
    ]
    return {**_MEMBERS.answer(ctx, members), "TotalSpotCount": 0}


def _health(row: Instance) -> str:
    return "Healthy" if row.status == "Running" else "Unhealthy"


def _member(_ctx: Context, row: Instance) -> Body:
    return {
        "InstanceId": row.id,
        "ScalingGroupId": row.scaling_group,
        "ScalingConfigurationId": "asc-sim",
        "LifecycleState": row.lifecycle,
        "HealthStatus": _health(row),
        "CreationType": "AutoCreated",
        "Entrusted": True,
        "WarmupState": "NoNeedWarmup",
        "LoadBalancerWeight": 50,
        "CreationTime": minute_text(row.created),
        "CreatedTime": second_text(row.created),
        "ZoneId": row.zone,
    }


_MEMBERS = Listing[Instance](
    outer="ScalingInstances",
    inner="ScalingInstance",
    key=lambda row: row.id,
    shape=_member,
    resources=lambda row: (row.id,),
    max_results=None,
    max_page=50,
    has_dry_run=False,
)


def describe_key(ctx: Context) -> Body:
    """Describe a KMS key; one that KMS does not know is an error."""
    key_id = ctx.params.required("KeyId")
    ctx.require(key_id)
    state = key_state(ctx.cloud, key_id) if ctx.at_home else "Deleted"
    if state == "Deleted":
        raise Refusal("Forbidden.KeyNotFound")
    settings = ctx.cloud.settings
    return {
        "KeyMetadata": {
            "KeyId": key_id,
            "Arn": f"acs:kms:{settings.region}:{settings.account}:key/{key_id}",
            "KeyState": state,
            "KeySpec": "Aliyun_AES_256",
            "KeyUsage": "ENCRYPT/DECRYPT",
            "Origin": "Aliyun_KMS",
            "ProtectionLevel": "SOFTWARE",
            "CreationDate": second_text(ctx.cloud.clock.start - 86400.0),
            "Creator": settings.account,
            "Description": "",
            "DeleteDate": "",
            "MaterialExpireTime": "",
        }
    }


def describe_disk_replica_pairs(ctx: Context) -> Body:
    """List the replication pairs of one site of this region; without `Site`, those whose source is here."""
    region = ctx.in_region()
    site = ctx.params.choice("Site", ("production", "backup"), "InvalidParameter") or "production"
    page = Page.of_params(ctx.params, 500, 100)
    ctx.require()
    disks = of_region(region, ctx.cloud.disks.described(ctx.now))
    rows = [disk for disk in disks if disk.replicated and disk.replica_site == site and ctx.sees(disk.id)]
    shown, paging = page.cut(sorted(rows, key=lambda disk: disk.id), lambda disk: disk.id)
    return {"ReplicaPairs": [_pair(disk) for disk in shown], **paging}


def _pair(disk: Disk) -> Body:
    """Return a pair; its other disk is in another region, which is not simulated."""
    own, other = (disk.id, f"{disk.id}-replica")
    source, destination = (own, other) if disk.replica_site == "production" else (other, own)
    here, there = disk.region, "cn-beijing"
    from_region, to_region = (here, there) if disk.replica_site == "production" else (there, here)
    return {
        "ReplicaPairId": f"pair-{disk.id[2:]}",
        "PairName": disk.name,
        "SourceDiskId": source,
        "SourceRegion": from_region,
        "DestinationDiskId": destination,
        "DestinationRegion": to_region,
        "Site": disk.replica_site,
        "Status": "normal",
        "ReplicaGroupId": "",
        "RPO": 900,
    }
