"""Describe calls: filters, both ways of paging, limits, shapes, rights and dry runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs

from safe_reinit.simulator import Simulator
from tests.simulator.support import Simulate, call, refused, sdk

REGION = {"RegionId": "cn-hangzhou"}
MANY = {
    "key_pairs": ["one", "two"],
    "images": {
        "pub.vhd": {"owner": "system", "public": True},
        "m-own": {"status": "Creating"},
        "m-shared": {"owner": "others"},
        "m-community": {"owner": "others", "public": True},
        "m-gone": {"deleted": True},
    },
    "instances": {f"i-{n:03}": {"status": "Stopped" if n % 2 else "Running"} for n in range(25)},
    "disks": {f"d-{n:03}": {"instance": f"i-{n:03}", "tags": {"n": str(n % 3)}} for n in range(25)},
    "snapshots": {f"s-{n:03}": {"disk": "d-000", "kind": "auto" if n % 2 else "user"} for n in range(13)},
}
MANY["disks"]["d-sys"] = {"type": "system", "instance": "i-000", "image": "pub.vhd", "locks": ["financial"]}
MANY["snapshots"]["s-1-of-1"] = {"disk": "d-001", "category": "flash", "instant_access": True}
MANY["snapshots"]["s-gone"] = {"disk": "d-001", "deleted": True}


def rows(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the doubly wrapped rows of a Describe answer."""
    (outer,) = (value for value in body.values() if isinstance(value, dict))
    (inner,) = outer.values()
    found: list[dict[str, Any]] = inner
    return found


def describe(sim: Simulator, action: str, **params: str) -> list[dict[str, Any]]:
    """Return the rows of one call."""
    answer = call(sim, action, {**REGION, **params})
    assert answer.status == 200, answer.json
    return rows(answer.json)


@pytest.mark.parametrize(
    ("action", "params", "count"),
    [
        ("DescribeDisks", {"DiskIds": '["d-001", "d-002", "d-nobody"]'}, 2),
        ("DescribeDisks", {"DiskIds": "[]"}, 0),
        ("DescribeDisks", {"InstanceId": "i-000"}, 2),
        ("DescribeDisks", {"DiskType": "system"}, 1),
        ("DescribeDisks", {"LockReason": "Financial"}, 1),
        ("DescribeDisks", {"Status": "Available"}, 0),
        ("DescribeDisks", {"Status": "In_Use", "PageSize": "100"}, 26),
        ("DescribeDisks", {"Tag.1.Key": "n", "Tag.1.Value": "2"}, 8),
        ("DescribeDisks", {"Category": "cloud_efficiency"}, 0),
        ("DescribeDisks", {"RegionId": "cn-shanghai"}, 0),
        ("DescribeInstances", {"InstanceIds": '["i-001"]'}, 1),
        ("DescribeInstances", {"InstanceIds": "[]"}, 0),
        ("DescribeInstances", {"Status": "Stopped", "PageSize": "100"}, 12),
        ("DescribeInstances", {"InstanceName": "003"}, 1),
        ("DescribeInstanceStatus", {"InstanceId.1": "i-001", "InstanceId.2": "i-002"}, 2),
        ("DescribeInstanceStatus", {"PageSize": "50"}, 25),
        ("DescribeSnapshots", {"DiskId": "d-001"}, 1),
        ("DescribeSnapshots", {"InstanceId": "i-001"}, 1),
        ("DescribeSnapshots", {"SnapshotIds": '["s-gone", "s-001"]'}, 1),
        ("DescribeSnapshots", {"SnapshotType": "auto"}, 6),
        ("DescribeSnapshots", {"Category": "Flash"}, 1),
        ("DescribeSnapshots", {"Status": "progressing"}, 0),
        ("DescribeSnapshotLinks", {}, 2),
        ("DescribeSnapshotLinks", {"DiskIds": '["d-001", "d-002"]'}, 1),
        ("DescribeSnapshotLinks", {"InstanceId": "i-000"}, 1),
        ("DescribeImages", {}, 2),
        ("DescribeImages", {"Status": "Available,Creating"}, 3),
        ("DescribeImages", {"ImageId": "m-own,m-gone", "Status": "Creating"}, 1),
        ("DescribeImages", {"ImageOwnerAlias": "others"}, 1),
        ("DescribeImages", {"ImageOwnerAlias": "others", "IsPublic": "true"}, 1),
        ("DescribeKeyPairs", {}, 2),
        ("DescribeKeyPairs", {"KeyPairName": "t*"}, 1),
        ("DescribeKeyPairs", {"KeyPairName": "three"}, 0),
        ("DescribeDisks", {"Encrypted": "True"}, 0),
        ("DescribeDisks", {"Portable": "false"}, 1),
        ("DescribeDisks", {"DeleteWithInstance": "true"}, 1),
        ("DescribeDisks", {"Category": "all", "PageSize": "50"}, 26),
        ("DescribeDisks", {"DiskName": "00*", "PageSize": "50"}, 10),
        ("DescribeDisks", {"MultiAttach": "LegacyShared"}, 0),
        ("DescribeDisks", {"ZoneId": "cn-hangzhou-g"}, 0),
        ("DescribeInstances", {"InstanceName": "*3"}, 3),
        ("DescribeInstances", {"InstanceNetworkType": "classic"}, 0),
        ("DescribeInstances", {"PrivateIpAddresses": '["10.0.0.5"]'}, 1),
        ("DescribeInstances", {"IoOptimized": "true", "PageSize": "50"}, 25),
        ("DescribeInstances", {"VpcId": "vpc-other"}, 0),
        ("DescribeSnapshots", {"SourceDiskType": "system"}, 0),
        ("DescribeSnapshots", {"Usage": "none", "DiskId": "d-001"}, 1),
        ("DescribeSnapshots", {"Usage": "disk"}, 0),
        ("DescribeImages", {"Usage": "instance"}, 1),
        ("DescribeImages", {"OSType": "windows"}, 0),
        ("DescribeImages", {"Architecture": "arm64"}, 0),
        ("DescribeImages", {"SnapshotId": "s-000"}, 0),
    ],
)
def test_filters(simulate: Simulate, action: str, params: dict[str, str], count: int) -> None:
    """Each filter lists what fits it, and an id that is not there is no error."""
    assert len(describe(simulate(MANY), action, **params)) == count


@pytest.mark.parametrize(
    ("action", "params", "status", "code"),
    [
        ("DescribeDisks", {"RegionId": ""}, 400, "MissingParamter.RegionId"),
        ("DescribeDisks", {"RegionId": "mars"}, 400, "InvalidRegion.NotFound"),
        ("DescribeInstances", {"RegionId": ""}, 400, "MissingParameter"),
        ("DescribeInstances", {"RegionId": "mars"}, 404, "InvalidRegionId.NotFound"),
        ("DescribeDisks", {"DiskIds": "d-1"}, 400, "InvalidParameter.DiskIds"),
        ("DescribeDisks", {"DiskIds": "[1]"}, 400, "InvalidParameter.DiskIds"),
        ("DescribeDisks", {"DiskIds": json.dumps(["d-1"] * 101)}, 403, "InvalidDiskIds.Malformed"),
        ("DescribeDisks", {"Status": "Reiniting?"}, 400, "InvalidStatus.ValueNotSupported"),
        ("DescribeDisks", {"DiskType": "floppy"}, 400, "InvalidDiskType.ValueNotSupported"),
        ("DescribeDisks", {"LockReason": "bored"}, 404, "InvalidLockReason.NotFound"),
        ("DescribeDisks", {"PageSize": "101"}, 400, "InvalidParameter"),
        ("DescribeDisks", {"PageNumber": "0"}, 400, "InvalidParameter"),
        ("DescribeDisks", {"NextToken": "made-up"}, 400, "InvalidParameter"),
        ("DescribeDisks", {"NextToken": "b3RoZXI="}, 400, "InvalidParameter"),
        ("DescribeDisks", {"MaxResults": "ten"}, 400, "InvalidParameter"),
        ("DescribeInstances", {"Status": "Tired"}, 404, "InvalidStatus.NotFound"),
        ("DescribeSnapshots", {"SnapshotIds": json.dumps(["s-1"] * 101)}, 403, "InvalidSnapshotIds.Malformed"),
        ("DescribeSnapshots", {"SnapshotType": "odd"}, 404, "InvalidSnapshotType.NotFound"),
        ("DescribeInstanceStatus", {"PageSize": "51"}, 400, "InvalidParameter"),
        (
            "DescribeInstanceStatus",
            {f"InstanceId.{n}": f"i-{n}" for n in range(1, 102)},
            403,
            "InvalidParameter.TooManyInstanceIds",
        ),
        ("DescribeInstanceAttribute", {"InstanceId": "i-nobody"}, 404, "InvalidInstanceId.NotFound"),
        ("DescribeImages", {"IsPublic": "true"}, 400, "InvalidImageOwnerAlias.PublicImageUnsupported"),
        ("DescribeImages", {"Status": "Missing"}, 404, "InvalidStatus.NotFound"),
        ("DescribeKeyPairs", {"PageSize": "51"}, 400, "InvalidParameter"),
        ("DescribeDisks", {"Category": "cloud_quantum"}, 400, "InvalidCategory.ValueNotSupported"),
        ("DescribeDisks", {"DiskChargeType": "Free"}, 404, "InvalidDiskChargeType.NotFound"),
        ("DescribeDisks", {"MultiAttach": "Maybe"}, 403, "InvalidParameter.MultiAttach"),
        ("DescribeDisks", {"ZoneId": "mars-a"}, 404, "InvalidZoneId.NotFound"),
        ("DescribeDisks", {"Tag.1.Value": "v"}, 400, "InvalidTag.Mismatch"),
        ("DescribeDisks", {f"Tag.{n}.Key": "k" for n in range(21)}, 400, "InvalidTagCount"),
        ("DescribeInstances", {"InstanceChargeType": "Free"}, 404, "InvalidInstanceChargeType.NotFound"),
        ("DescribeInstances", {"InstanceNetworkType": "tokenring"}, 404, "InvalidNetworkType.NotFound"),
        ("DescribeInstances", {"InternetChargeType": "Free"}, 404, "InvalidInternetChargeType.ValueNotSupported"),
        ("DescribeSnapshots", {"Usage": "fun"}, 404, "InvalidUsage"),
        ("DescribeSnapshots", {"SourceDiskType": "floppy"}, 404, "InvalidSourceDiskType"),
        ("DescribeSnapshots", {"Category": "gold"}, 403, "InvalidSnapshotCategory.Malformed"),
        ("DescribeImages", {"Usage": "fun"}, 404, "InvalidUsage"),
        ("DescribeImages", {"OSType": "dos"}, 404, "InvalidOSType"),
        ("DescribeImages", {"Architecture": "z80"}, 404, "InvalidArchitecture"),
        ("DescribeInstanceStatus", {"ZoneId": "mars-a"}, 404, "InvalidZoneId.NotFound"),
    ],
)
def test_bad_parameters(simulate: Simulate, action: str, params: dict[str, str], status: int, code: str) -> None:
    """A parameter ECS cannot take is refused with its documented code."""
    answer = call(simulate(MANY), action, {**REGION, **params})
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("action", "ids", "total"),
    [("DescribeDisks", "DiskId", 26), ("DescribeInstances", "InstanceId", 25), ("DescribeSnapshots", "SnapshotId", 14)],
)
def test_paging_by_token(simulate: Simulate, action: str, ids: str, total: int) -> None:
    """MaxResults below 10 is 10; tokens lead through all rows, each once, and TotalCount means nothing."""
    sim = simulate(MANY)
    seen, token = [], ""
    while True:
        body = call(sim, action, {**REGION, "MaxResults": "3", **({"NextToken": token} if token else {})}).json
        assert len(rows(body)) <= 10
        assert body["TotalCount"] == 0
        seen += [row[ids] for row in rows(body)]
        token = body["NextToken"]
        if not token:
            break
    assert len(seen) == len(set(seen)) == total


def test_paging_by_number(simulate: Simulate) -> None:
    """Ten rows a page by default, and TotalCount is the number of all rows."""
    sim = simulate(MANY)
    pages = [call(sim, "DescribeDisks", {**REGION, "PageNumber": str(n)}).json for n in (1, 2, 3, 4)]
    assert [len(rows(page)) for page in pages] == [10, 10, 6, 0]
    assert {page["TotalCount"] for page in pages} == {26}


def test_a_hundred_disks_in_one_call(simulate: Simulate) -> None:
    """A request with a hundred long ids fits, and MaxResults lists them all."""
    ids = [f"d-bp1{n:017}" for n in range(100)]
    sim = simulate({"disks": {disk_id: {} for disk_id in ids}})
    assert len(describe(sim, "DescribeDisks", DiskIds=json.dumps(ids), MaxResults="100")) == 100


def test_shape_of_a_disk(sim: Simulator) -> None:
    """A disk has numbers, booleans and times of the documented kinds."""
    (disk,) = describe(sim, "DescribeDisks", DiskIds='["d-sim-web1-sys"]')
    assert (disk["Size"], disk["Portable"], disk["Device"], disk["Type"]) == (40, False, "/dev/xvda", "system")
    assert disk["OperationLocks"] == {"OperationLock": []}
    assert disk["Attachments"]["Attachment"][0]["InstanceId"] == disk["InstanceId"] == "i-sim-web1"
    assert (disk["SourceSnapshotId"], disk["ImageId"]) == ("", "m-sim-web")
    assert disk["DetachedTime"] == ""
    assert disk["ExpiredTime"] == "2999-09-08T16:00Z"


def test_locks_have_two_shapes(sim: Simulator) -> None:
    """OperationLocks of a disk and of an instance differ, as documented."""
    (disk,) = describe(sim, "DescribeDisks", DiskIds='["d-sim-disk-locked"]')
    assert disk["OperationLocks"] == {"OperationLock": [{"LockReason": "security"}]}
    (instance,) = describe(sim, "DescribeInstances", InstanceIds='["i-sim-instance-locked"]')
    locks = {"LockReason": [{"LockReason": "financial", "LockMsg": ""}]}
    assert instance["OperationLocks"] == locks
    attributes = call(sim, "DescribeInstanceAttribute", {"InstanceId": "i-sim-instance-locked"}).json
    assert attributes["OperationLocks"] == locks
    assert not {"StartTime", "Tags", "SpotStrategy", "KeyPairName"} & set(attributes)


def test_shape_of_a_multi_attached_disk(sim: Simulator) -> None:
    """InstanceId and Device of a multi-attach disk are empty, its attachments tell."""
    (disk,) = describe(sim, "DescribeDisks", DiskIds='["d-sim-disk-multi-attached"]')
    assert (disk["InstanceId"], disk["Device"], disk["MultiAttach"], disk["MountInstanceNum"]) == ("", "", "Enabled", 2)
    places = [place["InstanceId"] for place in disk["Attachments"]["Attachment"]]
    assert places == ["i-sim-disk-multi-attached", "i-sim-disk-multi-attached-2"]


def test_shape_of_snapshots_and_chains(simulate: Simulate) -> None:
    """SourceDiskSize is a number, and a chain counts the snapshots of its disk."""
    sim = simulate(MANY)
    (snapshot,) = describe(sim, "DescribeSnapshots", DiskId="d-001")
    assert (snapshot["SourceDiskSize"], snapshot["Progress"], snapshot["Category"]) == (40, "100%", "flash")
    assert "InstantAccessRetentionDays" not in snapshot
    chains = {row["SourceDiskId"]: row for row in describe(sim, "DescribeSnapshotLinks")}
    assert chains["d-000"]["TotalCount"] == 13
    assert (chains["d-001"]["InstantAccess"], chains["d-001"]["Category"]) == (True, "flash")
    assert chains["d-001"]["SnapshotLinkId"] == snapshot["SnapshotLinkId"]


def test_the_sdk_reads_every_list(sim: Simulator) -> None:
    """The real SDK's models take what the simulator sends."""
    client = sdk(sim)
    region = "cn-hangzhou"
    assert client.describe_regions(ecs.DescribeRegionsRequest()).body.regions.region[0].region_id == region
    images = client.describe_images(ecs.DescribeImagesRequest(region_id=region)).body.images.image
    assert {image.image_owner_alias for image in images} == {"system", "self", "others"}
    pairs = client.describe_key_pairs(ecs.DescribeKeyPairsRequest(region_id=region)).body.key_pairs.key_pair
    assert {pair.key_pair_name for pair in pairs} == {"sim-key", "ops-key"}
    links = ecs.DescribeSnapshotLinksRequest(region_id=region, disk_ids='["d-sim-db1-data"]')
    (link,) = client.describe_snapshot_links(links).body.snapshot_links.snapshot_link
    assert (link.source_disk_id, link.total_count) == ("d-sim-db1-data", 1)
    attribute = ecs.DescribeInstanceAttributeRequest(instance_id="i-sim-web1")
    assert client.describe_instance_attribute(attribute).body.status == "Running"


DENIED = [
    ("DescribeDisks", "d-001", {"DiskIds": '["d-001", "d-002"]'}, {"DiskIds": '["d-002"]'}),
    ("DescribeInstances", "i-001", {"InstanceIds": '["i-001", "i-002"]'}, {"InstanceIds": '["i-002"]'}),
    ("DescribeSnapshots", "d-001", {"DiskId": "d-001"}, {"DiskId": "d-000"}),
    ("DescribeImages", "m-own", {"ImageId": "m-own", "Status": "Creating"}, {"ImageId": "pub.vhd"}),
]


@pytest.mark.parametrize(("action", "resource", "naming", "other"), DENIED)
def test_a_denied_resource_is_hidden(
    simulate: Simulate, action: str, resource: str, naming: dict[str, str], other: dict[str, str]
) -> None:
    """Without the right to one thing its row is missing; only a dry run that names it says Forbidden.RAM."""
    sim = simulate(MANY)
    before = len(describe(sim, action, **naming))
    sim.do({"deny": {"action": f"ecs:{action}", "resource": resource}})
    assert len(describe(sim, action, **naming)) == before - 1
    dry = call(sim, action, {**REGION, **naming, "DryRun": "true"})
    assert (dry.status, dry.code) == (403, "Forbidden.RAM")
    assert call(sim, action, {**REGION, **other, "DryRun": "true"}).code == "DryRunOperation"


def test_a_right_denied_altogether(simulate: Simulate) -> None:
    """Without the right at all a list is empty, a dry run is forbidden, and of images only one's own are hidden."""
    sim = simulate(MANY)
    for action in ("DescribeDisks", "DescribeImages", "DescribeKeyPairs"):
        sim.do({"deny": {"action": f"ecs:{action}"}})
    assert describe(sim, "DescribeDisks") == []
    assert call(sim, "DescribeDisks", {**REGION, "DryRun": "true"}).code == "Forbidden.RAM"
    assert {row["ImageOwnerAlias"] for row in describe(sim, "DescribeImages")} == {"system", "others"}
    assert describe(sim, "DescribeKeyPairs") == []


def test_rights_of_writes(sim: Simulator) -> None:
    """A write without the right is Forbidden.RAM, before its state is looked at, in a dry run too."""
    client = sdk(sim)
    for dry_run in (True, None):
        stop = ecs.StopInstanceRequest(instance_id="i-sim-not-allowed-to-stop", dry_run=dry_run)
        assert refused(lambda stop=stop: client.stop_instance(stop)) == (403, "Forbidden.RAM")
    start = ecs.StartInstanceRequest(instance_id="i-sim-not-allowed-to-start", dry_run=True)
    assert refused(lambda: client.start_instance(start)) == (403, "Forbidden.RAM")
    many = ecs.StopInstancesRequest(
        region_id="cn-hangzhou", instance_id=["i-sim-web1", "i-sim-not-allowed-to-stop"], dry_run=True
    )
    assert refused(lambda: client.stop_instances(many)) == (403, "Forbidden.RAM")
    sim.do({"deny": {"action": "ecs:ReInitDisk"}})
    wipe = ecs.ReInitDiskRequest(disk_id="d-sim-db1-data")
    assert refused(lambda: client.re_init_disk(wipe)) == (403, "Forbidden.RAM")
    sim.do({"allow": {"action": "ecs:ReInitDisk"}})
    assert client.re_init_disk(wipe).status_code == 200


def test_what_a_start_and_a_login_depend_on_is_shown(simulate: Simulate) -> None:
    """An EIP, a reservation, the login that was asked for, local disks, and what an image supports are in the rows."""
    world = {
        "images": {"m-1": {"cloud_init": False, "login_as_non_root": True}},
        "instances": {
            "i-1": {"eip": "203.0.113.1", "capacity_reservation": "crp-1", "login_as_non_root": True},
            "i-2": {},
        },
        "disks": {"d-1": {"instance": "i-1", "category": "local_ssd_pro"}, "d-2": {"instance": "i-1"}},
    }
    sim = simulate(world)
    one, two = describe(sim, "DescribeInstances")
    (image,) = describe(sim, "DescribeImages")

    assert (one["EipAddress"]["IpAddress"], two["EipAddress"]["IpAddress"]) == ("203.0.113.1", "")
    assert one["EcsCapacityReservationAttr"]["CapacityReservationId"] == "crp-1"
    assert (one["ImageOptions"], two["ImageOptions"]) == ({"LoginAsNonRoot": True}, {"LoginAsNonRoot": False})
    assert (one["LocalStorageAmount"], two["LocalStorageAmount"]) == (1, 0)
    assert (image["IsSupportCloudinit"], image["LoginAsNonRootSupported"]) == (False, True)
