"""Published clients drive every action and the main errors: what they make of the answers is the judge.

aliyun-python-sdk-core with -ecs (signature 1, JSON), alibabacloud-ecs20140526 in both of its signatures (JSON), and
apache-libcloud (signature 1, XML).
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from alibabacloud_ecs20140526 import client as tea_client
from alibabacloud_ecs20140526 import models as tea_models
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from darabonba.runtime import RuntimeOptions
from libcloud.common.exceptions import BaseHTTPError
from libcloud.compute.drivers.ecs import ECSDriver
from libcloud.compute.types import NodeState, StorageVolumeState, VolumeSnapshotState

from safe_reinit.simulator import Simulator
from safe_reinit.simulator.actions import ACTIONS
from tests.simulator.support import Simulate, Still, until

REGION = "cn-hangzhou"
WORLD: dict[str, Any] = {
    "key_pairs": ["ops"],
    "images": {"m-1": {}, "pub.vhd": {"owner": "system", "public": True}},
    "instances": {
        "i-1": {"key_pair": "ops", "public_ip": "203.0.113.9", "tags": {"env": "lab"}},
        "i-2": {},
        "i-3": {"status": "Stopped", "events": {"type": "SystemMaintenance.Reboot"}},
        "i-4": {"scaling_group": "asg-1"},
    },
    "scaling_groups": {"asg-1": {}},
    "auto_snapshot_policies": {"sp-1": {}},
    "disks": {
        "d-1": {"instance": "i-1", "type": "system", "image": "m-1"},
        "d-2": {"instance": "i-2", "snapshot": "s-0", "locks": "security"},
        "d-3": {"instance": "i-3"},
        "d-4": {"instance": "i-4", "encrypted": True, "kms_key": "k-1", "replicated": True},
    },
    "snapshots": {"s-0": {"disk": "d-0", "released": True}, "s-3": {"disk": "d-3", "instant_access_days": 1}},
}


class Refused(Exception):
    """An error of ECS, as a client tells it."""


class Speaker:
    """A client: it makes a call and gives the body, or raises Refused with status and code."""

    def __init__(self, sim: Simulator, secret: str = "testsecret") -> None:
        self.sim = sim
        self.secret = secret

    def ask(self, action: str, **params: Any) -> dict[str, Any]:
        """Make one call; the names of parameters are those of the API, lists are lists."""
        raise NotImplementedError

    def other(self, product: str, version: str, action: str, **params: str) -> dict[str, Any]:
        """Make one call of another product, by the client's generic way."""
        raise NotImplementedError


class Acs(Speaker):
    """aliyun-python-sdk-core with aliyun-python-sdk-ecs."""

    def ask(self, action: str, **params: Any) -> dict[str, Any]:
        """Send the SDK's own request of this name."""
        module = importlib.import_module(f"aliyunsdkecs.request.v20140526.{action}Request")
        request = getattr(module, f"{action}Request")()
        for name, value in params.items():
            values = {f"{name}.{n}": v for n, v in enumerate(value, 1)} if isinstance(value, list) else {name: value}
            for key, each in values.items():
                members = {f"{key}.{k}": v for k, v in each.items()} if isinstance(each, dict) else {key: each}
                for member, text in members.items():
                    request.add_query_param(member, text)
        return self._send(request)

    def other(self, product: str, version: str, action: str, **params: str) -> dict[str, Any]:
        """Send a request that the SDK has no class for."""
        request = CommonRequest(version=version, action_name=action, product=product)
        for name, value in params.items():
            request.add_query_param(name, value)
        return self._send(request)

    def _send(self, request: Any) -> dict[str, Any]:
        client = AcsClient("testid", self.secret, REGION, auto_retry=False)
        request.set_endpoint(self.sim.endpoint)
        request.set_protocol_type("http")
        try:
            found: dict[str, Any] = json.loads(client.do_action_with_exception(request))
        except ServerException as error:
            raise Refused(error.http_status, error.error_code) from None
        return found


class Tea(Speaker):
    """alibabacloud-ecs20140526 with its present signature."""

    algorithm: str | None = None

    @property
    def _config(self) -> Config:
        return Config(
            endpoint=self.sim.endpoint,
            protocol="http",
            region_id=REGION,
            access_key_id="testid",
            access_key_secret=self.secret,
            signature_algorithm=self.algorithm,
        )

    def ask(self, action: str, **params: Any) -> dict[str, Any]:
        """Call the client's method of this name."""
        name = re.sub(r"(?<!^)([A-Z])", r"_\1", action).lower()
        request = getattr(tea_models, f"{action}Request")().from_map(params)
        try:
            found: dict[str, Any] = getattr(tea_client.Client(self._config), name)(request).body.to_map()
        except AlibabaCloudException as error:
            raise Refused(error.status_code, error.code) from None
        return found

    def other(self, product: str, version: str, action: str, **params: str) -> dict[str, Any]:  # noqa: ARG002
        """Make the SDK's generic call."""
        how = Params(
            action=action, version=version, protocol="HTTP", pathname="/", method="POST",
            auth_type="AK", style="RPC", req_body_type="formData", body_type="json",
        )  # fmt: skip
        came = OpenApiClient(self._config).call_api(how, OpenApiRequest(query=params), RuntimeOptions())
        body: dict[str, Any] = came["body"]
        return body


class TeaOld(Tea):
    """alibabacloud-ecs20140526 with signature 1."""

    algorithm = "v2"


def instance(name: str, status: str) -> Callable[[dict[str, Any]], bool]:
    """Test for an instance in a DescribeInstances answer."""
    return lambda body: {r["InstanceId"]: r["Status"] for r in body["Instances"]["Instance"]}[name] == status


def ids(outer: str, inner: str, key: str, expected: set[str]) -> Callable[[dict[str, Any]], bool]:
    """Test which rows are in a list."""
    return lambda body: {row[key] for row in body[outer][inner]} == expected


def fine(body: dict[str, Any]) -> bool:
    """Test for an answer that only says that it was done."""
    return bool(body["RequestId"])


HERE = {"RegionId": REGION}
TAG = {"RegionId": REGION, "ResourceType": "disk", "ResourceId": ["d-3"]}
WALK: list[tuple[str, dict[str, Any], Callable[[dict[str, Any]], bool]]] = [
    ("DescribeRegions", {}, lambda b: b["Regions"]["Region"][0]["RegionId"] == REGION),
    ("DescribeDisks", {**HERE, "InstanceId": "i-1"}, ids("Disks", "Disk", "DiskId", {"d-1"})),
    ("DescribeDisks", {**HERE, "DiskIds": '["d-2","d-9"]'}, ids("Disks", "Disk", "DiskId", {"d-2"})),
    ("DescribeInstances", HERE, instance("i-1", "Running")),
    ("DescribeInstances", {**HERE, "Tag": [{"Key": "env", "Value": "lab"}]}, lambda b: b["TotalCount"] == 1),
    ("DescribeInstanceAttribute", {"InstanceId": "i-3"}, lambda b: b["Status"] == "Stopped"),
    (
        "DescribeInstanceStatus",
        {**HERE, "InstanceId": ["i-1", "i-3"]},
        ids("InstanceStatuses", "InstanceStatus", "Status", {"Running", "Stopped"}),
    ),
    ("DescribeSnapshots", {**HERE, "DiskId": "d-3"}, ids("Snapshots", "Snapshot", "SnapshotId", {"s-3"})),
    ("DescribeSnapshotLinks", HERE, ids("SnapshotLinks", "SnapshotLink", "SourceDiskId", {"d-0", "d-3"})),
    ("DescribeImages", {**HERE, "ImageOwnerAlias": "self"}, ids("Images", "Image", "ImageId", {"m-1"})),
    ("DescribeKeyPairs", HERE, ids("KeyPairs", "KeyPair", "KeyPairName", {"ops"})),
    (
        "DescribeInstanceHistoryEvents",
        {**HERE, "ResourceId": ["i-3"], "InstanceEventCycleStatus": ["Scheduled", "Executing"]},
        ids("InstanceSystemEventSet", "InstanceSystemEventType", "InstanceId", {"i-3"}),
    ),
    (
        "DescribeAutoSnapshotPolicyEx",
        {**HERE, "AutoSnapshotPolicyId": "sp-1"},
        ids("AutoSnapshotPolicies", "AutoSnapshotPolicy", "TimePoints", {'["3"]'}),
    ),
    ("TagResources", {**TAG, "Tag": [{"Key": "lock", "Value": "me"}]}, fine),
    ("ListTagResources", TAG, ids("TagResources", "TagResource", "TagKey", {"lock"})),
    ("UntagResources", {**TAG, "TagKey": ["lock"]}, fine),
    ("ListTagResources", TAG, ids("TagResources", "TagResource", "TagKey", set())),
    ("CreateSnapshot", {"DiskId": "d-3", "SnapshotName": "before"}, lambda b: b["SnapshotId"].startswith("s-")),
    ("DeleteSnapshot", {"SnapshotId": "s-0", "Force": True}, fine),
    ("StopInstance", {"InstanceId": "i-1", "StoppedMode": "KeepCharging"}, fine),
    ("RebootInstance", {"InstanceId": "i-2"}, fine),
    ("StartInstance", {"InstanceId": "i-1"}, fine),
    (
        "StopInstances",
        {**HERE, "InstanceId": ["i-1", "i-2"]},
        ids("InstanceResponses", "InstanceResponse", "CurrentStatus", {"Stopping"}),
    ),
    ("ReInitDisk", {"DiskId": "d-1"}, fine),
    ("ResetDisk", {"DiskId": "d-3", "SnapshotId": "s-3"}, fine),
    (
        "StartInstances",
        {**HERE, "InstanceId": ["i-1", "i-2"]},
        ids("InstanceResponses", "InstanceResponse", "PreviousStatus", {"Stopped"}),
    ),
]
OTHERS: list[tuple[str, str, str, dict[str, str], Callable[[dict[str, Any]], bool]]] = [
    ("Sts", "2015-04-01", "GetCallerIdentity", {}, lambda b: b["AccountId"] == "1000000000000001"),
    (
        *("Ess", "2014-08-28", "DescribeScalingInstances"),
        {**HERE, "InstanceId.1": "i-4", "InstanceId.2": "i-1"},
        ids("ScalingInstances", "ScalingInstance", "InstanceId", {"i-4"}),
    ),
    ("Kms", "2016-01-20", "DescribeKey", {"KeyId": "k-1"}, lambda b: b["KeyMetadata"]["KeyState"] == "Enabled"),
    (
        *("Ebs", "2021-07-30", "DescribeDiskReplicaPairs"),
        {**HERE, "MaxResults": "500"},
        lambda b: [pair["SourceDiskId"] for pair in b["ReplicaPairs"]] == ["d-4"],
    ),
]
ERRORS = [
    ("ReInitDisk", {"DiskId": "d-9"}, (404, "InvalidDiskId.NotFound")),
    ("ReInitDisk", {"DiskId": "d-1"}, (403, "IncorrectInstanceStatus")),
    ("ReInitDisk", {"DiskId": "d-2"}, (403, "InstanceLockedForSecurity")),
    ("ReInitDisk", {}, (400, "MissingParameter")),
    ("StopInstance", {"InstanceId": "i-1", "DryRun": True}, (400, "DryRunOperation")),
    ("StopInstance", {"InstanceId": "i-9"}, (404, "InvalidInstanceId.NotFound")),
    ("StartInstance", {"InstanceId": "i-1"}, (403, "IncorrectInstanceStatus")),
    ("DescribeDisks", {**HERE, "DiskIds": "d-1"}, (400, "InvalidParameter.DiskIds")),
    ("DescribeInstances", {"RegionId": "mars"}, (404, "InvalidRegionId.NotFound")),
    ("DeleteSnapshot", {"SnapshotId": "s-0"}, (403, "SnapshotCreatedDisk")),
    ("TagResources", {**TAG, "ResourceType": "cat"}, (404, "InvalidResourceType.NotFound")),
]
SPEAKERS = pytest.mark.parametrize("speaker", [Acs, Tea, TeaOld])


def settle(sim: Still) -> None:
    """Wait until nothing is under way."""

    def still() -> bool:
        state = sim.state()
        rows = [*state["instances"].values(), *state["disks"].values(), *state["snapshots"].values()]
        return not {row["status"] for row in rows} & {"Stopping", "Starting", "ReIniting", "progressing"}

    until(sim, still)


@SPEAKERS
def test_every_action(simulate: Simulate, speaker: type[Speaker]) -> None:
    """A client of each signature makes every call there is and understands the answer."""
    sim = simulate(WORLD)
    client = speaker(sim)
    for action, params, check in WALK:
        settle(sim)
        assert check(client.ask(action, **params)), action
    for product, version, action, params, check in OTHERS:
        assert check(client.other(product, version, action, **params)), action
    assert {action for action, _, _ in WALK} | {action for _, _, action, _, _ in OTHERS} == set(ACTIONS)
    assert sim.state()["disks"]["d-1"]["wipes"]
    assert {row["code"] for row in sim.state()["calls"]} == {""}


@SPEAKERS
def test_the_main_errors(simulate: Simulate, speaker: type[Speaker]) -> None:
    """A client of each signature tells status and code of each refusal."""
    sim = simulate(WORLD)
    client = speaker(sim)
    for action, params, expected in ERRORS:
        with pytest.raises(Refused) as caught:
            client.ask(action, **params)
        assert caught.value.args == expected, (action, params)


@pytest.mark.parametrize(
    ("speaker", "code"),
    [(Acs, "InvalidAccessKeySecret"), (Tea, "SignatureDoesNotMatch"), (TeaOld, "SignatureDoesNotMatch")],
)
def test_a_wrong_secret(sim: Simulator, speaker: type[Speaker], code: str) -> None:
    """The oldest client sees from the echoed string that only the secret is wrong."""
    with pytest.raises(Refused) as caught:
        speaker(sim, "wrong").ask("DescribeRegions")
    assert caught.value.args == (400, code)


def test_a_temporary_key_with_signature_1(simulate: Simulate) -> None:
    """An STS token goes in a parameter there."""
    sim = simulate({"keys": [{"id": "STS.1", "secret": "s", "token": "t+/="}]})
    for token, expected in (("t+/=", 200), ("other", 400)):
        client = AcsClient(region_id=REGION, credential=StsTokenCredential("STS.1", "s", token), auto_retry=False)
        request = CommonRequest(domain=sim.endpoint, version="2014-05-26", action_name="DescribeRegions")
        request.set_protocol_type("http")
        try:
            client.do_action_with_exception(request)
            status = 200
        except ServerException as error:
            status = error.http_status
        assert status == expected


@pytest.fixture
def libcloud(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> tuple[Still, ECSDriver]:
    """Make a driver of apache-libcloud, whose seconds of waiting are simulated ones."""
    sim = simulate(WORLD)
    monkeypatch.setattr("libcloud.compute.drivers.ecs.time.sleep", sim.pass_time)
    host, _, port = sim.endpoint.partition(":")
    return sim, ECSDriver("testid", "testsecret", region=REGION, host=host, port=int(port), secure=False)


def test_libcloud(libcloud: tuple[Still, ECSDriver]) -> None:
    """A client of XML lists, stops, wipes, starts, restarts and makes snapshots, and waits for the states it knows."""
    sim, driver = libcloud
    assert REGION in {place.id for place in driver.list_locations()}
    assert {image.id for image in driver.list_images()} == {"m-1", "pub.vhd"}
    (node,) = driver.list_nodes(ex_node_ids=["i-1"])
    assert (node.name, node.state, node.public_ips) == ("1", NodeState.RUNNING, ["203.0.113.9"])
    volumes = {volume.id: volume for volume in driver.list_volumes()}
    assert {key: (v.size, v.state) for key, v in volumes.items()} == dict.fromkeys(
        ("d-1", "d-2", "d-3", "d-4"), (40, StorageVolumeState.INUSE)
    )
    assert driver.ex_stop_node(node, ex_force_stop=False)
    driver.connection.request(driver.path, params={"Action": "ReInitDisk", "DiskId": "d-1"})
    until(sim, lambda: sim.state()["disks"]["d-1"]["status"] == "In_use")
    assert driver.ex_start_node(node)
    assert driver.reboot_node(node)
    made = driver.create_volume_snapshot(volumes["d-3"], name="by-libcloud")
    until(sim, lambda: sim.state()["snapshots"][made.id]["status"] == "accomplished")
    rows = {row.id: row.state for row in driver.list_volume_snapshots(volumes["d-3"])}
    assert rows == {made.id: VolumeSnapshotState.AVAILABLE, "s-3": VolumeSnapshotState.AVAILABLE}
    assert driver.destroy_volume_snapshot(made)
    assert sim.state()["snapshots"][made.id]["status"] == "Deleted"
    assert sim.state()["instances"]["i-1"]["starts"] == 3


def test_every_action_and_error_in_xml(libcloud: tuple[Still, ECSDriver]) -> None:
    """A client of XML gets each answer under the root named after the action, and each error with its code."""
    sim, driver = libcloud
    for action, params, _ in WALK:
        settle(sim)
        answer = driver.connection.request(driver.path, params={"Action": action, **_flat(params)}).object
        assert answer.tag == f"{action}Response"
        assert answer.findtext("RequestId")
    for action, params, (status, code) in ERRORS[:1] + ERRORS[2:4] + ERRORS[7:9]:
        with pytest.raises(BaseHTTPError) as caught:
            driver.connection.request(driver.path, params={"Action": action, **_flat(params)})
        assert (caught.value.code, code in str(caught.value)) == (status, True)


def _flat(params: dict[str, Any]) -> dict[str, str]:
    """Write lists and objects as numbered parameters."""
    flat: dict[str, str] = {}
    for name, value in params.items():
        for number, each in enumerate(value, 1) if isinstance(value, list) else [("", value)]:
            place = f"{name}.{number}" if number else name
            flat.update({f"{place}.{k}": v for k, v in each.items()} if isinstance(each, dict) else {place: str(each)})
    return flat
