"""What the simulator tells of other products and of what ECS plans: scaling groups, keys, pairs, events, policies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_tea_openapi.client import Client as OpenApi
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from safe_reinit.simulator import Simulator
from tests.simulator.support import Answer, Simulate, call, sdk

REGION = {"RegionId": "cn-hangzhou"}
VERSIONS = {
    "DescribeScalingInstances": "2014-08-28",
    "DescribeKey": "2016-01-20",
    "DescribeDiskReplicaPairs": "2021-07-30",
    "DescribeInstanceHistoryEvents": "2014-05-26",
    "DescribeAutoSnapshotPolicyEx": "2014-05-26",
}
WORLD: dict[str, Any] = {
    "scaling_groups": {"asg-1": {"tags": False}, "asg-2": {}},
    "kms_keys": {
        "k-disabled": {"state": "Disabled"}, "k-going": {"state": "PendingDeletion"}, "k-gone": {"state": "Deleted"}
    },
    "auto_snapshot_policies": {
        "sp-1": {"hours": [0, 23], "weekdays": [1, 7]}, "sp-2": {"status": "Expire", "name": "two"}
    },
    "instances": {
        "i-in": {"scaling_group": "asg-1"},
        "i-standby": {"scaling_group": "asg-2", "lifecycle": "Standby", "status": "Stopped"},
        "i-alone": {
            "status": "Stopped",
            "events": [
                {"type": "SystemMaintenance.Redeploy", "status": "Scheduled", "not_before": "2030-01-02T03:04:05Z"},
                {"type": "InstanceExpiration.Stop", "status": "Avoided"},
            ],
        },
    },
    "disks": {
        "d-plain": {"instance": "i-alone"},
        "d-good": {"instance": "i-alone", "encrypted": True, "kms_key": "k-good"},
        "d-disabled": {"encrypted": True, "kms_key": "k-disabled"},
        "d-going": {"encrypted": True, "kms_key": "k-going"},
        "d-said": {"encrypted": True, "kms_key": "k-said", "kms": "CMKNotEnabled"},
        "d-tagless": {"encrypted": True, "kms_key": "k-tagless", "kms": "CMKUnauthorized"},
        "d-first": {"replicated": True},
        "d-second": {"replicated": True, "replica_site": "backup"},
        "d-policy": {"auto_snapshot_policy": "sp-1"},
    },
}  # fmt: skip


def ask(sim: Simulator, action: str, params: dict[str, str] | None = None, **more: Any) -> Answer:
    """Ask by hand, with the version of the API that has the action."""
    return call(sim, action, params, **{"x_acs_version": VERSIONS[action], **more})


@pytest.mark.parametrize("action", VERSIONS)
@pytest.mark.parametrize("version", ["2014-05-26", "2014-08-28", "2016-01-20", "2021-07-30", "2015-04-01"])
def test_products_are_distinguished_by_version(simulate: Simulate, action: str, version: str) -> None:
    """An action is found under the version of its own product and under no other."""
    answer = ask(simulate(WORLD), action, {**REGION, "KeyId": "k-good"}, x_acs_version=version)

    assert (answer.status == 200) is (version == VERSIONS[action])
    assert version == VERSIONS[action] or answer.code == "InvalidAction.NotFound"


def test_a_generic_call_of_the_sdk_reaches_another_product(simulate: Simulate) -> None:
    """The SDK's generic call of Auto Scaling is answered by the same endpoint as ECS."""
    sim = simulate(WORLD)
    key, secret = sim.access_key
    client = OpenApi(
        Config(
            endpoint=sim.endpoint, protocol="http", region_id=sim.region, access_key_id=key, access_key_secret=secret
        )
    )
    params = Params(
        action="DescribeScalingInstances", version="2014-08-28", protocol="HTTP", pathname="/", method="POST",
        auth_type="AK", style="RPC", req_body_type="formData", body_type="json",
    )  # fmt: skip
    answer = client.call_api(params, OpenApiRequest(query={**REGION, "InstanceId.1": "i-in"}), RuntimeOptions())

    assert [row["InstanceId"] for row in answer["body"]["ScalingInstances"]["ScalingInstance"]] == ["i-in"]


def members(answer: Answer) -> dict[str, str]:
    """Return the lifecycle states by instance."""
    return {row["InstanceId"]: row["LifecycleState"] for row in answer.json["ScalingInstances"]["ScalingInstance"]}


def test_members_of_scaling_groups(simulate: Simulate) -> None:
    """Members are shown with group, state and health; an instance of no group and an unknown id are left out."""
    answer = ask(
        simulate(WORLD),
        "DescribeScalingInstances",
        {
            **REGION,
            "InstanceId.1": "i-in",
            "InstanceId.2": "i-standby",
            "InstanceId.3": "i-alone",
            "InstanceId.4": "i-x",
        },
    )
    rows = {row["InstanceId"]: row for row in answer.json["ScalingInstances"]["ScalingInstance"]}

    assert members(answer) == {"i-in": "InService", "i-standby": "Standby"}
    assert (rows["i-in"]["ScalingGroupId"], rows["i-in"]["HealthStatus"]) == ("asg-1", "Healthy")
    assert rows["i-standby"]["HealthStatus"] == "Unhealthy"
    assert answer.json["TotalCount"] == 2


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, {"i-in", "i-standby"}),
        ({"ScalingGroupId": "asg-1"}, {"i-in"}),
        ({"LifecycleState": "Standby"}, {"i-standby"}),
        ({"HealthStatus": "Healthy"}, {"i-in"}),
        ({"RegionId": "cn-beijing"}, set()),
        ({"PageSize": "1", "PageNumber": "2"}, {"i-standby"}),
    ],
)
def test_filters_of_members(simulate: Simulate, params: dict[str, str], found: set[str]) -> None:
    """Without ids all members are listed, by group, state and health."""
    assert set(members(ask(simulate(WORLD), "DescribeScalingInstances", {**REGION, **params}))) == found


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({f"InstanceId.{n}": f"i-{n}" for n in range(1, 22)}, "InvalidParameter"),
        ({"PageSize": "51"}, "InvalidParameter"),
        ({"RegionId": ""}, "MissingParameter"),
    ],
)
def test_limits_of_members(simulate: Simulate, params: dict[str, str], code: str) -> None:
    """At most 20 ids and 50 rows a call, and a region."""
    assert ask(simulate(WORLD), "DescribeScalingInstances", {**REGION, **params}).code == code


@pytest.mark.parametrize(
    ("key_id", "state"),
    [
        ("k-good", "Enabled"),
        ("k-disabled", "Disabled"),
        ("k-going", "PendingDeletion"),
        ("k-said", "Disabled"),
        ("k-tagless", "Enabled"),
    ],
)
def test_states_of_keys(simulate: Simulate, key_id: str, state: str) -> None:
    """A key is as the world says, or as ECS refuses its disks; a disk's key need not be named."""
    metadata = ask(simulate(WORLD), "DescribeKey", {"KeyId": key_id}).json["KeyMetadata"]

    assert (metadata["KeyId"], metadata["KeyState"]) == (key_id, state)


@pytest.mark.parametrize("key_id", ["k-gone", "k-nobody"])
def test_keys_that_kms_does_not_know(simulate: Simulate, key_id: str) -> None:
    """A deleted key and one that no disk has are answered with KMS's own code."""
    answer = ask(simulate(WORLD), "DescribeKey", {"KeyId": key_id})

    assert (answer.status, answer.code) == (404, "Forbidden.KeyNotFound")
    assert answer.json["HostId"].startswith("kms.")


@pytest.mark.parametrize("disk_id", ["d-disabled", "d-going", "d-said"])
def test_ecs_and_kms_agree(simulate: Simulate, disk_id: str) -> None:
    """A disk whose key is not Enabled is refused by ReInitDisk as such, until the key works again."""
    world = {**WORLD, "disks": {name: {**disk, "instance": "i-alone"} for name, disk in WORLD["disks"].items()}}
    sim = simulate(world)
    key_id = WORLD["disks"][disk_id]["kms_key"]

    assert call(sim, "ReInitDisk", {"DiskId": disk_id}).code == "InvalidParameter.KMSKeyId.CMKNotEnabled"
    sim.do({"change": disk_id, "to": {"kms": ""}})
    assert ask(sim, "DescribeKey", {"KeyId": key_id}).json["KeyMetadata"]["KeyState"] == "Enabled"
    assert call(sim, "ReInitDisk", {"DiskId": disk_id}).code == ""


@pytest.mark.parametrize(
    ("site", "source", "destination"),
    [
        ({}, "d-first", "d-first-replica"),
        ({"Site": "production"}, "d-first", "d-first-replica"),
        ({"Site": "backup"}, "d-second-replica", "d-second"),
    ],
)
def test_replication_pairs(simulate: Simulate, site: dict[str, str], source: str, destination: str) -> None:
    """A list of pairs has one level, and shows one site of the region: production unless another is asked for."""
    pairs = ask(simulate(WORLD), "DescribeDiskReplicaPairs", {**REGION, **site}).json["ReplicaPairs"]

    assert [(pair["SourceDiskId"], pair["DestinationDiskId"], pair["Status"]) for pair in pairs] == [
        (source, destination, "normal")
    ]


def test_pairs_by_pages(simulate: Simulate) -> None:
    """The pairs of a region are paged by token."""
    sim = simulate({"disks": {f"d-{n:02}": {"replicated": True} for n in range(12)}})
    first = ask(sim, "DescribeDiskReplicaPairs", {**REGION, "MaxResults": "10"}).json
    second = ask(sim, "DescribeDiskReplicaPairs", {**REGION, "MaxResults": "10", "NextToken": first["NextToken"]}).json

    assert (len(first["ReplicaPairs"]), len(second["ReplicaPairs"]), second["NextToken"]) == (10, 2, "")


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"ResourceId.1": "i-alone"}, ["Avoided"]),
        ({"InstanceId": "i-alone"}, ["Avoided"]),
        ({"ResourceId.1": "i-alone", "InstanceEventCycleStatus.1": "Scheduled"}, ["Scheduled"]),
        ({"InstanceId": "i-alone", "EventCycleStatus": "Scheduled"}, ["Scheduled"]),
        (
            {
                "ResourceId.1": "i-alone",
                "InstanceEventCycleStatus.1": "Scheduled",
                "InstanceEventCycleStatus.2": "Avoided",
            },
            ["Scheduled", "Avoided"],
        ),
        ({"InstanceEventCycleStatus.1": "Scheduled", "EventType": "InstanceExpiration.Stop"}, []),
        ({"InstanceEventCycleStatus.1": "Scheduled", "ResourceType": "ddh"}, []),
        ({"ResourceId.1": "i-in", "InstanceEventCycleStatus.1": "Scheduled"}, []),
        ({"ResourceId.1": "i-in", "InstanceId": "i-alone"}, []),
    ],
)
def test_system_events(simulate: Simulate, params: dict[str, str], found: list[str]) -> None:
    """Without a status only what has ended is listed; lists go before single words, ResourceId.N before all."""
    body = ask(simulate(WORLD), "DescribeInstanceHistoryEvents", {**REGION, **params}).json

    events = body["InstanceSystemEventSet"]["InstanceSystemEventType"]
    assert [event["EventCycleStatus"]["Name"] for event in events] == found


def test_the_sdk_reads_events_and_policies(simulate: Simulate) -> None:
    """The typed client finds type, status, time and instance of an event, and the lists of a policy as JSON texts."""
    client = sdk(simulate(WORLD))
    request = ecs.DescribeInstanceHistoryEventsRequest(
        region_id="cn-hangzhou", resource_id=["i-alone"], instance_event_cycle_status=["Scheduled"], max_results=100
    )
    (event,) = client.describe_instance_history_events(
        request
    ).body.instance_system_event_set.instance_system_event_type
    asked = ecs.DescribeAutoSnapshotPolicyExRequest(region_id="cn-hangzhou", auto_snapshot_policy_id="sp-1")
    (policy,) = client.describe_auto_snapshot_policy_ex(asked).body.auto_snapshot_policies.auto_snapshot_policy

    assert (event.instance_id, event.event_type.name, event.not_before) == (
        "i-alone", "SystemMaintenance.Redeploy", "2030-01-02T03:04:05Z"
    )  # fmt: skip
    assert (json.loads(policy.time_points), json.loads(policy.repeat_weekdays)) == (["0", "23"], ["1", "7"])
    assert (policy.status, policy.disk_nums) == ("Normal", 1)


def test_too_many_ids_of_events(simulate: Simulate) -> None:
    """At most 100 ids a call."""
    params = {**REGION, **{f"ResourceId.{n}": f"i-{n}" for n in range(1, 102)}}
    answer = ask(simulate(WORLD), "DescribeInstanceHistoryEvents", params)

    assert (answer.status, answer.code) == (403, "InvalidParameter")


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["sp-1", "sp-2"]),
        ({"AutoSnapshotPolicyId": "sp-2"}, ["sp-2"]),
        ({"AutoSnapshotPolicyName": "two"}, ["sp-2"]),
        ({"AutoSnapshotPolicyId": "sp-nobody"}, []),
        ({"RegionId": "cn-beijing"}, []),
    ],
)
def test_snapshot_policies(simulate: Simulate, params: dict[str, str], found: list[str]) -> None:
    """Policies are found by id and name, an unknown one is not in the list."""
    body = ask(simulate(WORLD), "DescribeAutoSnapshotPolicyEx", {**REGION, **params}).json

    assert [row["AutoSnapshotPolicyId"] for row in body["AutoSnapshotPolicies"]["AutoSnapshotPolicy"]] == found


@pytest.mark.parametrize(
    ("action", "right", "resource", "params", "code"),
    [
        ("DescribeScalingInstances", "ess", "i-in", {"InstanceId.1": "i-in"}, "Forbidden.RAM"),
        ("DescribeKey", "kms", "k-good", {"KeyId": "k-good"}, "Forbidden.NoPermission"),
        ("DescribeDiskReplicaPairs", "ebs", "*", {}, "Forbidden.RAM"),
        ("DescribeInstanceHistoryEvents", "ecs", "i-in", {"ResourceId.1": "i-in"}, "Forbidden.RAM"),
        ("DescribeAutoSnapshotPolicyEx", "ecs", "sp-1", {"AutoSnapshotPolicyId": "sp-1"}, "Forbidden.RAM"),
    ],
)
@pytest.mark.parametrize("everything", [False, True])
def test_rights(
    simulate: Simulate, action: str, right: str, resource: str, params: dict[str, str], *, code: str, everything: bool
) -> None:
    """A right is named after its product; without it the call is refused, and with another product's it is not."""
    sim = simulate(WORLD)
    other = "ecs" if right != "ecs" else "ess"
    sim.do({"deny": {"action": f"{other}:{action}"}})
    assert ask(sim, action, {**REGION, **params}).status == 200

    sim.do({"deny": {"action": f"{right}:{action}", "resource": "*" if everything else resource}})
    answer = ask(sim, action, {**REGION, **params})
    assert (answer.status, answer.code) == (403, code)


@pytest.mark.parametrize("action", VERSIONS)
def test_another_account_sees_nothing(simulate: Simulate, action: str) -> None:
    """A key of another account finds no members, keys, pairs, events or policies."""
    keys = [{"id": "testid", "secret": "testsecret"}, {"id": "other", "secret": "other", "account": "7"}]
    sim = simulate({**WORLD, "keys": keys})
    answer = ask(
        sim, action, {**REGION, "KeyId": "k-good", "InstanceEventCycleStatus.1": "Scheduled"}, key=("other",) * 2
    )

    lists = [value for value in answer.json.values() if isinstance(value, (dict, list))]
    rows = [row for value in lists for row in (value if isinstance(value, list) else next(iter(value.values())))]
    assert answer.code == ("Forbidden.KeyNotFound" if action == "DescribeKey" else "")
    assert rows == []


def test_what_a_call_was_about_is_on_record(simulate: Simulate) -> None:
    """The record names keys, policies and instances, so that a fault can be about one of them."""
    sim = simulate(WORLD)
    ask(sim, "DescribeKey", {"KeyId": "k-good"})
    ask(sim, "DescribeAutoSnapshotPolicyEx", {**REGION, "AutoSnapshotPolicyId": "sp-1"})
    ask(sim, "DescribeScalingInstances", {**REGION, "InstanceId.1": "i-in", "InstanceId.2": "i-alone"})

    assert [call["subject"] for call in sim.state()["calls"]] == [["k-good"], ["sp-1"], ["i-in", "i-alone"]]


@pytest.mark.parametrize(
    "world",
    [
        {"instances": {"i-1": {"lifecycle": "Asleep"}}},
        {"instances": {"i-1": {"events": {"status": "Soon"}}}},
        {"auto_snapshot_policies": {"sp-1": {"hours": [24]}}},
        {"auto_snapshot_policies": {"sp-1": {"weekdays": [0]}}},
        {"disks": {"d-1": {"replica_site": "moon"}}},
    ],
)
def test_worlds_that_cannot_be(simulate: Simulate, world: dict[str, Any]) -> None:
    """A word, an hour or a day that there is not is a mistake of the world."""
    with pytest.raises(ValueError, match="The world is not valid"):
        simulate(world)
