"""DescribeInstances, DescribeInstanceAttribute and DescribeInstanceStatus."""

from __future__ import annotations

from ..errors import Refusal
from ..state.clock import minute_text
from ..state.model import LOCAL_CATEGORIES, Instance
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

_MALFORMED = "InvalidInstanceIds.Malformed"
_ADDRESSES = {"PrivateIpAddresses": "private_ip", "PublicIpAddresses": "public_ip"}
_STATUSES = ("Pending", "Starting", "Running", "Stopping", "Stopped")


def describe_instances(ctx: Context) -> Body:
    """List instances; an unknown or hidden id is simply not listed."""
    params = ctx.params
    region = ctx.in_region()
    ids = params.ids("InstanceIds", malformed=_MALFORMED, too_many=_MALFORMED)
    params.choice("InstanceChargeType", ("PrePaid", "PostPaid"), "InvalidInstanceChargeType.NotFound")
    params.choice("InstanceNetworkType", ("classic", "vpc"), "InvalidNetworkType.NotFound")
    params.choice(
        "InternetChargeType", ("PayByBandwidth", "PayByTraffic"), "InvalidInternetChargeType.ValueNotSupported"
    )
    addresses = {name: params.ids(name, malformed=_MALFORMED, too_many=_MALFORMED) for name in _ADDRESSES}
    in_zone(ctx)
    status = params.choice("Status", _STATUSES, "InvalidStatus.NotFound")
    reason, tags = lock_reason(params), params.tags()

    def fits(instance: Instance) -> bool:
        return (
            status in ("", instance.status)
            and (not reason or reason in instance.locks)
            and tagged(instance.tags, tags)
            and matches(params, _filters(instance))
            and all(wish is None or getattr(instance, _ADDRESSES[name]) in wish for name, wish in addresses.items())
        )

    shown = of_region(region, ctx.cloud.instances.described(ctx.now, ids))
    return _INSTANCES.answer(ctx, [instance for instance in shown if fits(instance)])


def _filters(instance: Instance) -> dict[str, str]:
    return {
        "InstanceName": instance.name,
        "ZoneId": instance.zone,
        "ImageId": instance.image_id,
        "KeyPairName": instance.key_pair,
        "InstanceType": instance.instance_type,
        "InstanceChargeType": instance.charge_type,
        "InstanceNetworkType": "vpc",
        "InternetChargeType": "PayByTraffic",
        "VpcId": "vpc-sim",
        "VSwitchId": "vsw-sim",
        "SecurityGroupId": "sg-sim",
        "InstanceTypeFamily": instance.instance_type.rpartition(".")[0],
        "IoOptimized": "true" if instance.io_optimized else "false",
    }


def describe_instance_attribute(ctx: Context) -> Body:
    """Describe one instance: 404 for an unknown id, unlike the lists, and 403 without permission (choice)."""
    instance_id = ctx.params.required("InstanceId")
    ctx.require(instance_id)
    ctx.instance(instance_id)
    shown = ctx.cloud.instances.described(ctx.now, [instance_id])
    return _attributes(shown[0] if shown else ctx.instance(instance_id))


def describe_instance_status(ctx: Context) -> Body:
    """List statuses only; ids come as InstanceId.N."""
    here = ctx.in_region()
    in_zone(ctx)
    ids = ctx.params.repeated("InstanceId")
    if len(ids) > 100:
        raise Refusal("InvalidParameter.TooManyInstanceIds")
    shown = ctx.cloud.instances.described(ctx.now, ids or None) if here else []
    return _STATUS_ROWS.answer(ctx, [row for row in shown if matches(ctx.params, {"ZoneId": row.zone})])


def _attributes(instance: Instance) -> dict[str, object]:
    """Return the members that DescribeInstances and DescribeInstanceAttribute share."""
    return {
        "InstanceId": instance.id,
        "InstanceName": instance.name,
        "HostName": instance.name,
        "Description": "",
        "SerialNumber": instance.id[2:],
        "RegionId": instance.region,
        "ZoneId": instance.zone,
        "ClusterId": "",
        "Status": instance.status,
        "StoppedMode": instance.stopped_mode,
        "CreationTime": minute_text(instance.created),
        "ExpiredTime": FOREVER if instance.charge_type == "PostPaid" else minute_text(instance.expires),
        "InstanceChargeType": instance.charge_type,
        "InstanceType": instance.instance_type,
        "InstanceNetworkType": "vpc",
        "ImageId": instance.image_id,
        "Cpu": 2,
        "Memory": 8192,
        "IoOptimized": instance.io_optimized,
        "InternetChargeType": "PayByTraffic",
        "InternetMaxBandwidthIn": -1,
        "InternetMaxBandwidthOut": 0,
        "VlanId": "",
        "PublicIpAddress": {"IpAddress": [instance.public_ip] if instance.public_ip else []},
        "InnerIpAddress": {"IpAddress": []},
        "EipAddress": _eip(instance),
        "VpcAttributes": {
            "VpcId": "vpc-sim",
            "VSwitchId": "vsw-sim",
            "NatIpAddress": "",
            "PrivateIpAddress": {"IpAddress": [instance.private_ip]},
        },
        "SecurityGroupIds": {"SecurityGroupId": ["sg-sim"]},
        "DedicatedHostAttribute": {"DedicatedHostId": instance.dedicated_host_id, "DedicatedHostName": ""},
        "OperationLocks": {"LockReason": [{"LockReason": reason, "LockMsg": ""} for reason in instance.locks]},
    }


def _eip(instance: Instance) -> dict[str, object]:
    if not instance.eip:
        return {"AllocationId": "", "IpAddress": "", "InternetChargeType": ""}
    return {"AllocationId": f"eip-{instance.id[2:]}", "IpAddress": instance.eip, "InternetChargeType": "PayByTraffic"}


def _shape(ctx: Context, instance: Instance) -> Body:
    spot = instance.spot_strategy != "NoSpot"
    local = sum(1 for disk in ctx.cloud.disks_of(instance.id) if disk.category in LOCAL_CATEGORIES)
    reservation = instance.capacity_reservation_id
    return {
        **_attributes(instance),
        "StartTime": minute_text(instance.start_time if instance.shows_start_time else None),
        "AutoReleaseTime": minute_text(instance.auto_release),
        "OSType": instance.os_type,
        "OSName": "Windows Server" if instance.os_type == "windows" else "Alibaba Cloud Linux",
        "KeyPairName": instance.key_pair,
        "InstanceTypeFamily": instance.instance_type.rpartition(".")[0],
        "SpotStrategy": instance.spot_strategy,
        "SpotPriceLimit": 0.0,
        "SpotInterruptionBehavior": "Terminate" if spot else "",
        "DeletionProtection": instance.deletion_protection,
        "HibernationOptions": {"Configured": instance.hibernation},
        "DedicatedInstanceAttribute": {"Tenancy": "default", "Affinity": "default"},
        "DeploymentSetId": "",
        "EcsCapacityReservationAttr": {
            "CapacityReservationId": reservation,
            "CapacityReservationPreference": "target" if reservation else "",
        },
        "ImageOptions": {"LoginAsNonRoot": instance.login_as_non_root},
        "DeviceAvailable": True,
        "Recyclable": False,
        "LocalStorageAmount": local,
        "ResourceGroupId": "",
        "NetworkInterfaces": {
            "NetworkInterface": [
                {
                    "NetworkInterfaceId": f"eni-{instance.id[2:]}",
                    "PrimaryIpAddress": instance.private_ip,
                    "MacAddress": "00:16:3e:00:00:01",
                }
            ]
        },
        "Tags": tag_rows(instance.tags),
    }


def _status(_ctx: Context, instance: Instance) -> Body:
    return {"InstanceId": instance.id, "Status": instance.status}


_INSTANCES = Listing[Instance](
    outer="Instances",
    inner="Instance",
    key=lambda instance: instance.id,
    shape=_shape,
    resources=lambda instance: (instance.id,),
)
_STATUS_ROWS = Listing[Instance](
    outer="InstanceStatuses",
    inner="InstanceStatus",
    key=lambda instance: instance.id,
    shape=_status,
    resources=lambda instance: (instance.id,),
    max_results=None,
    max_page=50,
    has_dry_run=False,
)
