"""The gateway at other products: who is asked for what, at which endpoint, and what the answers become."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from safe_reinit.cloud import aliyun, connection, endpoints
from safe_reinit.cloud.aliyun import exchange
from safe_reinit.cloud.aliyun.attempt import Reply, RequestInProgress
from safe_reinit.cloud.aliyun.client import Aliyun
from safe_reinit.cloud.aliyun.transport import Connections
from safe_reinit.cloud.interface import Described, NotSent, Refused, Unanswered
from safe_reinit.model import AutoSnapshotPolicy, Key, ReplicaPair, ScalingMember, Secret, SystemEvent
from safe_reinit.simulator import Simulator
from tests.cloud.test_aliyun import GARBLED
from tests.conftest import Connect, Serve
from tests.servers import Answer, Request, Server, answer, error, http, refused_port

Ask = Callable[[Aliyun], Described[Any]]
QUESTIONS: dict[str, Ask] = {
    "DescribeScalingInstances": lambda cloud: cloud.describe_scaling_members(["i-1"]),
    "DescribeKey": lambda cloud: cloud.describe_key("k-1"),
    "DescribeDiskReplicaPairs": lambda cloud: cloud.describe_replica_pairs(),
    "DescribeInstanceHistoryEvents": lambda cloud: cloud.describe_system_events(["i-1"]),
    "DescribeAutoSnapshotPolicyEx": lambda cloud: cloud.describe_auto_snapshot_policy("sp-1"),
}
VERSIONS = {
    "DescribeScalingInstances": "2014-08-28",
    "DescribeKey": "2016-01-20",
    "DescribeDiskReplicaPairs": "2021-07-30",
    "DescribeInstanceHistoryEvents": "2014-05-26",
    "DescribeAutoSnapshotPolicyEx": "2014-05-26",
}
MEMBER = {"InstanceId": "i-1", "ScalingGroupId": "asg-1", "LifecycleState": "InService"}
METADATA = {"KeyId": "k-1", "KeyState": "Enabled"}
PAIR = {"ReplicaPairId": "pair-1", "SourceDiskId": "d-1", "DestinationDiskId": "d-2", "Status": "normal"}
EVENT = {
    "EventId": "e-1",
    "InstanceId": "i-1",
    "EventType": {"Name": "SystemMaintenance.Reboot", "Code": 1},
    "EventCycleStatus": {"Name": "Scheduled", "Code": 32},
    "NotBefore": "2026-01-02T03:04:05Z",
}
POLICY = {
    "AutoSnapshotPolicyId": "sp-1", "TimePoints": '["0", "23"]', "RepeatWeekdays": '["1", "7"]', "Status": "Normal"
}  # fmt: skip
ROWS = dict(zip(QUESTIONS, (MEMBER, METADATA, PAIR, EVENT, POLICY), strict=True))
EXPECTED = {
    "DescribeScalingInstances": ScalingMember("i-1", "asg-1", "InService"),
    "DescribeKey": Key("k-1", "Enabled"),
    "DescribeDiskReplicaPairs": ReplicaPair("pair-1", "d-1", "d-2", "normal"),
    "DescribeInstanceHistoryEvents": SystemEvent(
        "e-1", "i-1", "SystemMaintenance.Reboot", "Scheduled", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    ),
    "DescribeAutoSnapshotPolicyEx": AutoSnapshotPolicy("sp-1", (0, 23), (1, 7), "Normal"),
}
each_read = pytest.mark.parametrize("action", QUESTIONS)


def body(action: str, *rows: Any, **more: Any) -> dict[str, Any]:
    """Return an answer with these rows, in the shape of each product."""
    wrapped: dict[str, Any] = {
        "DescribeScalingInstances": {"ScalingInstances": {"ScalingInstance": list(rows)}},
        "DescribeKey": {"KeyMetadata": rows[0] if rows else {}},
        "DescribeDiskReplicaPairs": {"ReplicaPairs": list(rows)},
        "DescribeInstanceHistoryEvents": {"InstanceSystemEventSet": {"InstanceSystemEventType": list(rows)}},
        "DescribeAutoSnapshotPolicyEx": {"AutoSnapshotPolicies": {"AutoSnapshotPolicy": list(rows)}},
    }
    return {"RequestId": "REQ-1", **wrapped[action], **more}


@each_read
def test_each_read_becomes_a_value(gateway: Connect, serve: Serve, action: str) -> None:
    """What each product shows is read field by field, and the exchange is told by the API's name."""
    server = serve(answer(200, body(action, ROWS[action])))
    to = gateway(server.url)

    assert set(QUESTIONS[action](to.cloud).items) == {EXPECTED[action]}
    assert {(call.action, call.code, call.dry_run) for call in to.calls} == {(action, "OK", False)}
    assert {request.headers["x-acs-version"] for request in server.requests} == {VERSIONS[action]}


@each_read
def test_the_simulator_is_understood(gateway: Connect, action: str) -> None:
    """The simulator's own answers, through the real SDK, become the same values."""
    world = {
        "scaling_groups": {"asg-1": {}},
        "auto_snapshot_policies": {"sp-1": {"hours": [0, 23], "weekdays": [1, 7]}},
        "instances": {"i-1": {"scaling_group": "asg-1", "events": {"not_before": "2026-01-02T03:04:05Z"}}},
        "disks": {
            "d-1": {"instance": "i-1", "encrypted": True, "kms_key": "k-1", "replicated": True},
            "d-2": {"replicated": True, "replica_site": "backup"},
        },
    }
    with Simulator(world=world, speed=1) as simulator:
        shown = QUESTIONS[action](gateway(simulator.url).cloud).items

    if action == "DescribeDiskReplicaPairs":
        assert [(pair.source_disk_id, pair.destination_disk_id) for pair in shown] == [
            ("d-1", "d-1-replica"), ("d-2-replica", "d-2")
        ]  # fmt: skip
    elif action == "DescribeInstanceHistoryEvents":
        assert [(each.instance_id, each.type, each.status) for each in shown] == [
            ("i-1", "SystemMaintenance.Reboot", "Scheduled")
        ]
    else:
        assert shown == (EXPECTED[action],)


# ------------------------------------------------------------------------------------------------- where it goes


@each_read
def test_a_loopback_endpoint_serves_every_product(gateway: Connect, serve: Serve, action: str) -> None:
    """With ECS on this machine nothing leaves it, whatever other endpoints and proxies are configured."""
    server = serve(answer(200, body(action, ROWS[action])))
    elsewhere = endpoints.parse("https://elsewhere.test.invalid")
    to = gateway(server.url, endpoints=dict.fromkeys(("ecs", "ess", "ebs", "kms"), elsewhere))
    QUESTIONS[action](to.cloud)

    assert server.requests
    assert {request.headers["host"] for request in server.requests} == {server.endpoint}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the hosts that are asked, each of which answers; no byte leaves."""
    hosts: list[str] = []

    def send(_: object, __: object, ___: str, url: str, headers: Mapping[str, str]) -> Reply:
        hosts.append(str(urlsplit(url).hostname))
        action = headers["x-acs-action"]
        return Reply(200, {}, json.dumps(body(action, ROWS[action])).encode())

    monkeypatch.setattr(Connections, "send", send)
    return hosts


@pytest.mark.parametrize(
    ("action", "region", "host"),
    [
        ("DescribeScalingInstances", "cn-hangzhou", "ess.aliyuncs.com"),
        ("DescribeScalingInstances", "cn-chengdu", "ess.cn-chengdu.aliyuncs.com"),
        ("DescribeScalingInstances", "eu-central-1", "ess.eu-central-1.aliyuncs.com"),
        ("DescribeKey", "cn-hangzhou", "kms.cn-hangzhou.aliyuncs.com"),
        ("DescribeDiskReplicaPairs", "cn-hangzhou", "ebs.cn-hangzhou.aliyuncs.com"),
        ("DescribeInstanceHistoryEvents", "cn-hangzhou", "ecs-cn-hangzhou.aliyuncs.com"),
        ("DescribeAutoSnapshotPolicyEx", "cn-chengdu", "ecs.cn-chengdu.aliyuncs.com"),
    ],
)
def test_each_product_has_its_own_endpoint(asked: list[str], action: str, region: str, host: str) -> None:
    """Without an endpoint of ours a product is asked at its public one, which for Auto Scaling can be central."""
    cloud = aliyun.make_gateway(connection.Connection(region=region, access_key=("k", Secret("s"))), lambda _call: None)
    QUESTIONS[action](cloud)

    assert set(asked) == {host}


@pytest.mark.parametrize("product", ["ess", "ebs", "kms"])
def test_an_endpoint_of_the_configuration_wins(asked: list[str], product: str) -> None:
    """Each product goes to the endpoint that the configuration has for it, and no other product does."""
    own = endpoints.parse(f"https://{product}.test.invalid")
    where = connection.Connection(region="cn-chengdu", access_key=("k", Secret("s")), endpoints={product: own})
    cloud = aliyun.make_gateway(where, lambda _call: None)
    for action, ask in QUESTIONS.items():
        asked.clear()
        ask(cloud)
        expected = {"DescribeScalingInstances": "ess", "DescribeKey": "kms", "DescribeDiskReplicaPairs": "ebs"}.get(
            action
        )
        assert (own.host in asked) is (expected == product)


# --------------------------------------------------------------------------------------------------- what is sent


def asked_for(server: Server, name: str) -> list[int]:
    """Count the ids of each request."""
    return [sum(each.startswith(f"{name}.") for each in request.params) for request in server.requests]


@pytest.mark.parametrize("total", [101, None], ids=["too many members", "no total"])
def test_many_instances_are_asked_for_twenty_at_a_time(gateway: Connect, serve: Serve, total: int | None) -> None:
    """Auto Scaling takes 20 ids a call; they are asked for where the list of the region would take more calls."""

    def respond(request: Request) -> Answer:
        ids = [value for name, value in request.params.items() if name.startswith("InstanceId.")]
        more = {} if ids or total is None else {"TotalCount": total}
        return answer(200, body(request.action, *({**MEMBER, "InstanceId": each} for each in ids), **more))

    server = serve(respond)
    ids = [f"i-{n}" for n in range(35)]
    shown = gateway(server.url).cloud.describe_scaling_members(ids).items

    assert [member.instance_id for member in shown] == ids
    assert asked_for(server, "InstanceId") == [0, 20, 15]
    assert {(request.params["RegionId"], request.params["PageSize"]) for request in server.requests} == {
        ("cn-hangzhou", "50")
    }


def test_the_members_of_a_region_are_listed_where_that_takes_fewer_calls(gateway: Connect, serve: Serve) -> None:
    """All pages of the list are read, and those that were not asked for are left out."""

    def respond(request: Request) -> Answer:
        first = 50 * (int(request.params["PageNumber"]) - 1)
        rows = ({**MEMBER, "InstanceId": f"i-{n}"} for n in range(first, min(first + 50, 60)))
        return answer(200, body(request.action, *rows, TotalCount=60))

    server = serve(respond)
    shown = gateway(server.url).cloud.describe_scaling_members([f"i-{n}" for n in range(30, 75)]).items

    assert [member.instance_id for member in shown] == [f"i-{n}" for n in range(30, 60)]
    assert asked_for(server, "InstanceId") == [0, 0]


def test_a_list_of_members_that_ends_too_soon_is_not_believed(gateway: Connect, serve: Serve) -> None:
    """Where fewer are listed than ECS counts, each is asked for."""

    def respond(request: Request) -> Answer:
        ids = [value for name, value in request.params.items() if name.startswith("InstanceId.")]
        return answer(200, body(request.action, *({**MEMBER, "InstanceId": each} for each in ids), TotalCount=3))

    server = serve(respond)
    ids = [f"i-{n}" for n in range(30)]

    assert [member.instance_id for member in gateway(server.url).cloud.describe_scaling_members(ids).items] == ids


def test_many_instances_are_asked_for_events_a_hundred_at_a_time(gateway: Connect, serve: Serve) -> None:
    """ECS takes 100 ids a call; they are asked for where the list of the region would take more calls."""
    listed = iter(["1", "2"])

    def respond(request: Request) -> Answer:
        asked = [value for name, value in request.params.items() if name.startswith("ResourceId.")]
        rows = [{**EVENT, "InstanceId": asked[0]}] if asked else []
        return answer(200, body(request.action, *rows, NextToken="" if asked else next(listed)))

    server = serve(respond)
    shown = gateway(server.url).cloud.describe_system_events([f"i-{n}" for n in range(101)]).items

    assert [event.instance_id for event in shown] == ["i-0", "i-100"]
    assert asked_for(server, "ResourceId") == [0, 0, 100, 1]
    first = server.requests[0].params
    assert {value for name, value in first.items() if name.startswith("InstanceEventCycleStatus.")} == {
        "Scheduled", "Executing", "Inquiring"
    }  # fmt: skip
    assert first["MaxResults"] == "100"


def test_the_events_of_a_region_are_listed_where_that_takes_fewer_calls(gateway: Connect, serve: Serve) -> None:
    """One page may hold all that is planned; what is planned for others is left out."""
    server = serve(
        lambda request: answer(200, body(request.action, *({**EVENT, "InstanceId": f"i-{n}"} for n in (7, 999))))
    )
    shown = gateway(server.url).cloud.describe_system_events([f"i-{n}" for n in range(101)]).items

    assert [event.instance_id for event in shown] == ["i-7"]
    assert asked_for(server, "ResourceId") == [0]


def test_both_sites_of_replication_are_asked_for_page_by_page(gateway: Connect, serve: Serve) -> None:
    """A pair is looked for at both sites of the region, whatever the number of pages."""

    def respond(request: Request) -> Answer:
        site, token = request.params["Site"], request.params.get("NextToken", "")
        pair = {**PAIR, "ReplicaPairId": f"{site}{token}"}
        return answer(200, body(request.action, pair, NextToken="" if token else "more"))

    server = serve(respond)
    shown = gateway(server.url).cloud.describe_replica_pairs().items

    assert [pair.pair_id for pair in shown] == ["production", "productionmore", "backup", "backupmore"]
    assert {request.params["MaxResults"] for request in server.requests} == {"500"}


def test_a_list_whose_last_page_does_not_show_whether_it_ends_is_no_answer(gateway: Connect, serve: Serve) -> None:
    """Of the last page that a list may take, too, a NextToken that is no text means that the answer cannot be read."""

    def respond(request: Request) -> Answer:
        token = 7 if "NextToken" in request.params else "more"
        return answer(200, body("DescribeInstanceHistoryEvents", NextToken=token))

    cloud = gateway(serve(respond).url).cloud

    with pytest.raises(Unanswered):
        cloud.describe_system_events([f"i-{number}" for number in range(150)])


@pytest.mark.parametrize("action", ["DescribeDiskReplicaPairs", "DescribeInstanceHistoryEvents"])
def test_pages_that_go_in_circles_are_no_answer(gateway: Connect, serve: Serve, action: str) -> None:
    """A token that comes again would be followed for ever."""
    server = serve(answer(200, body(action, NextToken="again")))

    with pytest.raises(Unanswered):
        QUESTIONS[action](gateway(server.url).cloud)
    assert len(server.requests) == 2


def test_no_ids_ask_nothing(gateway: Connect, serve: Serve) -> None:
    """A look at no instance sends nothing, since a list without ids would show those of all."""
    server = serve(answer(200, {"RequestId": "R"}))
    cloud = gateway(server.url).cloud

    assert cloud.describe_scaling_members([]).items == cloud.describe_system_events([]).items == ()
    assert server.requests == []


@each_read
def test_a_read_of_another_product_gives_up_early(
    gateway: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """Connecting and answering may take three seconds each, not the ten of a look at ECS."""
    given: list[tuple[float, ...]] = []

    class Noted(RequestInProgress):
        def __init__(self, *limits: float) -> None:
            super().__init__(*limits)
            given.append(limits)

    monkeypatch.setattr(exchange, "RequestInProgress", Noted)
    QUESTIONS[action](gateway(serve(answer(200, body(action, ROWS[action]))).url).cloud)

    assert set(given) == {(exchange.OTHER_PRODUCT_TIMEOUT, exchange.OTHER_PRODUCT_TIMEOUT)}


# ------------------------------------------------------------------------------------------- what is not believed


@each_read
@pytest.mark.parametrize("name", GARBLED)
def test_what_cannot_be_read_is_unanswered(gateway: Connect, serve: Serve, action: str, name: str) -> None:
    """An answer that is not exactly one of the product's is none, and is asked for once."""
    server = serve(GARBLED[name])
    to = gateway(server.url)

    with pytest.raises(Unanswered):
        QUESTIONS[action](to.cloud)
    assert len(server.requests) == 1


@each_read
def test_another_body_is_not_taken_for_nothing(gateway: Connect, serve: Serve, action: str) -> None:
    """A success without the member that it always has says nothing, not that there is nothing."""
    to = gateway(serve(answer(200, {"RequestId": "REQ-1", "Disks": {"Disk": []}})).url)

    with pytest.raises(Unanswered):
        QUESTIONS[action](to.cloud)


@pytest.mark.parametrize(
    ("action", "changes"),
    [
        ("DescribeScalingInstances", {"InstanceId": "i-other"}),
        ("DescribeKey", {"KeyState": ""}),
        ("DescribeKey", {"KeyState": True}),
        ("DescribeKey", {"KeyId": ""}),
        ("DescribeKey", {"KeyId": "k-other"}),
        ("DescribeInstanceHistoryEvents", {"InstanceId": "i-other"}),
        ("DescribeAutoSnapshotPolicyEx", {"AutoSnapshotPolicyId": "sp-other"}),
    ],
)
def test_a_row_of_another_thing_is_not_believed(
    gateway: Connect, serve: Serve, action: str, changes: dict[str, Any]
) -> None:
    """A row of another thing, or of the one key that was asked for and cannot be read, is no answer."""
    to = gateway(serve(answer(200, body(action, {**ROWS[action], **changes}))).url)

    with pytest.raises(Unanswered):
        QUESTIONS[action](to.cloud)


@pytest.mark.parametrize(
    ("action", "changes"),
    [
        ("DescribeScalingInstances", {"InstanceId": ""}),
        ("DescribeScalingInstances", {"LifecycleState": 7}),
        ("DescribeScalingInstances", {"ScalingGroupId": ["asg-1"]}),
        ("DescribeDiskReplicaPairs", {"ReplicaPairId": None}),
        ("DescribeDiskReplicaPairs", {"SourceDiskId": {"a": 1}}),
        ("DescribeInstanceHistoryEvents", {"EventType": "SystemMaintenance.Reboot"}),
        ("DescribeInstanceHistoryEvents", {"EventType": {"Code": 1}}),
        ("DescribeInstanceHistoryEvents", {"EventCycleStatus": {}}),
        ("DescribeInstanceHistoryEvents", {"NotBefore": "soon"}),
        ("DescribeAutoSnapshotPolicyEx", {"TimePoints": ""}),
        ("DescribeAutoSnapshotPolicyEx", {"TimePoints": "[]"}),
        ("DescribeAutoSnapshotPolicyEx", {"TimePoints": '["24"]'}),
        ("DescribeAutoSnapshotPolicyEx", {"TimePoints": '["-1"]'}),
        ("DescribeAutoSnapshotPolicyEx", {"TimePoints": '["noon"]'}),
        ("DescribeAutoSnapshotPolicyEx", {"TimePoints": "0, 1"}),
        ("DescribeAutoSnapshotPolicyEx", {"TimePoints": '{"0": 1}'}),
        ("DescribeAutoSnapshotPolicyEx", {"TimePoints": "[" * 100_000}),
        ("DescribeAutoSnapshotPolicyEx", {"RepeatWeekdays": '["0"]'}),
        ("DescribeAutoSnapshotPolicyEx", {"RepeatWeekdays": [1, 7]}),
    ],
)
def test_a_field_that_does_not_fit_spoils_its_own_row_only(
    gateway: Connect, serve: Serve, action: str, changes: dict[str, Any]
) -> None:
    """A row with a field of another kind counts as not seen, and the row beside it is shown."""
    to = gateway(serve(answer(200, body(action, {**ROWS[action], **changes}, ROWS[action]))).url)
    reading = QUESTIONS[action](to.cloud)

    assert set(reading.items) == {EXPECTED[action]}
    assert {row.field.partition(".")[0] for row in reading.unreadable} == set(changes)
    assert {row.action for row in reading.unreadable} == {action}


@pytest.mark.parametrize(
    ("action", "rows"),
    [
        ("DescribeDiskReplicaPairs", {"ReplicaPair": [PAIR]}),
        ("DescribeScalingInstances", {"ScalingInstance": MEMBER}),
        ("DescribeKey", ["k-1"]),
    ],
)
def test_a_list_of_another_shape_is_not_believed(gateway: Connect, serve: Serve, action: str, rows: Any) -> None:
    """EBS wraps its lists once and the others twice; what is wrapped otherwise is somebody else's."""
    (member,) = set(body(action)) - {"RequestId"}
    to = gateway(serve(answer(200, {"RequestId": "R", member: rows})).url)

    with pytest.raises(Unanswered):
        QUESTIONS[action](to.cloud)


def test_numbers_in_a_list_may_be_numbers(gateway: Connect, serve: Serve) -> None:
    """Hours and days are read whether or not they are quoted."""
    row = {**POLICY, "TimePoints": "[0,23]", "RepeatWeekdays": json.dumps([1, 7])}
    to = gateway(serve(answer(200, body("DescribeAutoSnapshotPolicyEx", row))).url)

    assert to.cloud.describe_auto_snapshot_policy("sp-1").items == (EXPECTED["DescribeAutoSnapshotPolicyEx"],)


@pytest.mark.parametrize(
    ("asked", "shown"), [("k-1", "k-1"), ("acs:kms:cn-hangzhou:1:key/k-1", "k-1")], ids=["id", "resource name"]
)
def test_a_key_is_known_by_the_name_that_the_disk_has(gateway: Connect, serve: Serve, asked: str, shown: str) -> None:
    """KMS answers with the id of a key that was asked for by its resource name."""
    to = gateway(serve(answer(200, body("DescribeKey", {"KeyId": shown, "KeyState": "Disabled"}))).url)

    assert to.cloud.describe_key(asked).items == (Key(asked, "Disabled"),)


def test_a_key_that_kms_does_not_know_is_an_answer(gateway: Connect, serve: Serve) -> None:
    """The code for a key that is not there is no missing right, though it begins as one."""
    to = gateway(serve(error(404, "Forbidden.KeyNotFound")).url)

    assert to.cloud.describe_key("k-1").items == (Key("k-1", ""),)
    assert [call.code for call in to.calls] == ["Forbidden.KeyNotFound"]


@each_read
@pytest.mark.parametrize(
    "code", ["Forbidden.RAM", "Forbidden.NoPermission", "Throttling.User", "InvalidAction.NotFound"]
)
def test_a_refusal_is_a_refusal(gateway: Connect, serve: Serve, action: str, code: str) -> None:
    """Every other code is told as it came, after one request."""
    server = serve(error(403, code))
    to = gateway(server.url)

    with pytest.raises(Refused) as raised:
        QUESTIONS[action](to.cloud)
    assert (raised.value.code, raised.value.action, len(server.requests)) == (code, action, 1)


@each_read
def test_an_endpoint_that_is_not_there_was_not_asked(gateway: Connect, action: str) -> None:
    """A closed port means that nothing was sent."""
    to = gateway(f"127.0.0.1:{refused_port()}")

    with pytest.raises(NotSent):
        QUESTIONS[action](to.cloud)


def test_a_page_of_a_proxy_is_no_answer(gateway: Connect, serve: Serve) -> None:
    """A login page in the place of a product says nothing of it."""
    to = gateway(serve(Answer(http(200, "<html>Log in</html>", kind="text/html"))).url)

    with pytest.raises(Unanswered):
        to.cloud.describe_replica_pairs()
