"""The gateway over the real SDK: what each answer becomes, what is sent, and what is told of each exchange."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from datetime import UTC
from typing import Any

import pytest

from safe_reinit.cloud.aliyun import exchange
from safe_reinit.cloud.interface import Accepted, Refused, Unanswered
from safe_reinit.model import Options, Secret
from safe_reinit.simulator import Simulator
from tests.conftest import Connect, Gateway, Serve
from tests.servers import Answer, Request, answer, error, http

SUCCESS = {"RequestId": "REQ-1"}
REGION = "cn-hangzhou"


def a_disk(disk_id: str, **more: Any) -> dict[str, Any]:
    """Return the least a row of DescribeDisks has."""
    return {"DiskId": disk_id, "Type": "data", "Status": "In_use", "Size": 40, **more}


def a_page(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a body of DescribeDisks."""
    return {"RequestId": "REQ-1", "Disks": {"Disk": list(rows)}, **more}


def test_a_refusal_keeps_code_status_and_request_id_but_no_text_of_ecs(gateway: Connect, serve: Serve) -> None:
    """An error answer becomes Refused with its code, status and RequestId, in our words and not in ECS's."""
    server = serve(error(403, "IncorrectDiskStatus", "The text of ECS."))
    to = gateway(server.url)

    with pytest.raises(Refused) as raised:
        to.cloud.reinit_disk("d-1", Options())

    refused = raised.value
    assert (refused.code, refused.http_status, refused.request_id) == ("IncorrectDiskStatus", 403, "REQ-1")
    assert refused.action == "ReInitDisk"
    assert "The text of ECS" not in str(refused)
    assert refused.message.startswith("The disk was not In_use")


@pytest.mark.parametrize(
    ("header", "after"),
    [(None, None), ("7", 7), ("0", None), ("-3", None), ("soon", None), ("", None)],
)
def test_throttling_says_how_long_where_ecs_says_so(
    gateway: Connect, serve: Serve, header: str | None, after: int | None
) -> None:
    """x-acs-retry-after is passed on as seconds where it is a number above zero, else nothing is."""
    headers = {} if header is None else {"x-acs-retry-after": header}
    to = gateway(serve(error(400, "Throttling.User", headers=headers)).url)

    with pytest.raises(Refused) as raised:
        to.cloud.describe_disks(["d-1"])

    assert (raised.value.code, raised.value.http_status, raised.value.retry_after) == ("Throttling.User", 400, after)


def test_a_missing_right_is_a_refusal(gateway: Connect, serve: Serve) -> None:
    """An AccessDenied body with its long detail becomes Refused with the code alone."""
    body = {
        "RequestId": "REQ-1",
        "Code": "NoPermission",
        "Message": "You are not authorized to do this action.",
        "AccessDeniedDetail": {"AuthAction": "ecs:DescribeDisks", "EncodedDiagnosticMessage": "secret-detail"},
    }
    to = gateway(serve(answer(403, body)).url)

    with pytest.raises(Refused) as raised:
        to.cloud.describe_disks(["d-1"])

    assert (raised.value.code, raised.value.http_status) == ("NoPermission", 403)
    assert "secret-detail" not in repr(vars(raised.value))


def test_an_error_as_xml_is_a_refusal(gateway: Connect, serve: Serve) -> None:
    """The gateway in front of ECS answers some errors as XML: the code is read all the same."""
    body = "<Error><RequestId>REQ-1</RequestId><Code>InvalidAction</Code><Message>m</Message></Error>"
    to = gateway(serve(Answer(http(404, body, kind="text/xml;charset=utf-8"))).url)

    with pytest.raises(Refused) as raised:
        to.cloud.describe_disks(["d-1"])

    assert (raised.value.code, raised.value.request_id) == ("InvalidAction", "REQ-1")


GARBLED: dict[str, Answer] = {
    "no-json": Answer(http(200, "{'RequestId': }")),
    "binary": Answer(http(200, b"\x1f\x8b\x00\xff")),
    "empty": Answer(http(200, "")),
    "null": answer(200, None),
    "a-list": answer(200, [SUCCESS]),
    "a-text": answer(200, "RequestId"),
    "a-page": Answer(http(200, "<html><title>Log in</title></html>", kind="text/html")),
    "deep": Answer(http(200, "[" * 100_000)),
    "no-request-id": answer(200, {"Disks": {"Disk": []}}),
    "empty-request-id": answer(200, {"RequestId": "", "Disks": {"Disk": []}}),
    "null-request-id": answer(200, {"RequestId": None, "Disks": {"Disk": []}}),
    "number-request-id": answer(200, {"RequestId": 7, "Disks": {"Disk": []}}),
    "spaced-request-id": answer(200, {"RequestId": "two words", "Disks": {"Disk": []}}),
    "page-as-request-id": answer(200, {"RequestId": "<html>", "Disks": {"Disk": []}}),
    "created": answer(201, a_page()),
    "accepted": answer(202, a_page()),
    "no-content": Answer(http(204)),
    "strange-status": answer(600, a_page()),
    "page-502": Answer(http(502, "<html>Bad Gateway</html>", kind="text/html")),
    "page-403": Answer(http(403, "<html>Forbidden</html>", kind="text/html")),
    "empty-500": Answer(http(500)),
    "list-400": answer(400, [{"Code": "X"}]),
    "null-400": answer(400, None),
    "no-code": answer(400, {"RequestId": "REQ-1", "Message": "m"}),
    "null-code": answer(400, {"RequestId": "REQ-1", "Code": None}),
    "empty-code": answer(400, {"RequestId": "REQ-1", "Code": ""}),
    "code-is-a-sentence": answer(400, {"RequestId": "REQ-1", "Code": "server string to sign is:POST"}),
    "code-is-an-object": answer(400, {"RequestId": "REQ-1", "Code": {"a": 1}}),
    "error-without-request-id": answer(403, {"Code": "IncorrectDiskStatus", "Message": "m"}),
    "error-with-null-request-id": answer(403, {"Code": "IncorrectDiskStatus", "RequestId": None}),
    "error-with-page-as-request-id": answer(403, {"Code": "IncorrectDiskStatus", "RequestId": "<a b>"}),
}


@pytest.mark.parametrize("name", GARBLED)
def test_what_cannot_be_read_is_unanswered(gateway: Connect, serve: Serve, name: str) -> None:
    """An answer that is not exactly one of ECS's is Unanswered, for a look and for the wipe, and is asked once."""
    server = serve(GARBLED[name])
    to = gateway(server.url)

    for call in (lambda: to.cloud.describe_disks(["d-1"]), lambda: to.cloud.reinit_disk("d-1", Options())):
        with pytest.raises(Unanswered):
            call()
    assert [(call.action, call.code, call.request_id) for call in to.calls] == [
        ("DescribeDisks", "Unanswered", None),
        ("ReInitDisk", "Unanswered", None),
    ]
    assert len(server.requests) == 2


@pytest.mark.parametrize("name", ["page-502", "page-403", "a-page", "no-json"])
def test_an_unreadable_answer_still_shows_its_status(gateway: Connect, serve: Serve, name: str) -> None:
    """The HTTP status of an answer that came is in the record of the call, readable or not."""
    to = gateway(serve(GARBLED[name]).url)

    with pytest.raises(Unanswered):
        to.cloud.describe_disks(["d-1"])

    assert to.calls[0].http_status in (200, 403, 502)


# --------------------------------------------------------------------------------------------------- what is sent


def parameters(server_request: Request) -> dict[str, str]:
    """Return the parameters of a request that mean something."""
    return {name: value for name, value in server_request.params.items() if value}


@pytest.fixture
def accepting(serve: Serve, gateway: Connect) -> tuple[list[Request], Gateway]:
    """Return a gateway to a server that accepts everything, and the requests that came."""
    server = serve(answer(200, SUCCESS))
    return server.requests, gateway(server.url)


def test_a_stop_keeps_charging(accepting: tuple[list[Request], Gateway]) -> None:
    """StopInstance always says KeepCharging, forced or not, tried or in earnest, or the start may find no stock."""
    came, to = accepting

    to.cloud.stop_instance("i-1")
    to.cloud.stop_instance("i-1", force=True)
    to.cloud.dry_run_stop("i-1")

    sent = [parameters(request) for request in came]
    assert [request["StoppedMode"] for request in sent] == ["KeepCharging"] * 3
    assert [request.get("ForceStop", "false").lower() for request in sent] == ["false", "true", "false"]
    assert [request.get("DryRun", "false").lower() for request in sent] == ["false", "false", "true"]


def test_a_wipe_sends_the_disk_and_what_was_asked_for(accepting: tuple[list[Request], Gateway]) -> None:
    """ReInitDisk carries the disk and the options given, and AutoStartInstance never."""
    came, to = accepting
    options = Options(
        key_pair="ops", password=Secret("P@ss w+rd&1"), security_enhancement="Active", owner=(("owner_id", 7),)
    )

    accepted = to.cloud.reinit_disk("d-1", options)
    to.cloud.reinit_disk("d-2", Options(stop_instance=True))

    assert accepted == Accepted("REQ-1")
    assert parameters(came[0]) == {
        "DiskId": "d-1",
        "KeyPairName": "ops",
        "Password": "P@ss w+rd&1",
        "SecurityEnhancementStrategy": "Active",
        "OwnerId": "7",
    }
    assert parameters(came[1]) == {"DiskId": "d-2"}


def test_a_start_sends_the_instance_alone(accepting: tuple[list[Request], Gateway]) -> None:
    """StartInstance never carries InitLocalDisk."""
    came, to = accepting

    to.cloud.start_instance("i-1")
    to.cloud.dry_run_start("i-1")

    assert parameters(came[0]) == {"InstanceId": "i-1"}
    assert {name: value.lower() for name, value in parameters(came[1]).items()} == {
        "InstanceId": "i-1",
        "DryRun": "true",
    }


def test_nothing_forbidden_is_ever_sent(accepting: tuple[list[Request], Gateway]) -> None:
    """No act carries AutoStartInstance or InitLocalDisk, and each is signed by ACS3 without showing the secret."""
    came, to = accepting

    to.cloud.stop_instance("i-1")
    to.cloud.start_instance("i-1")
    to.cloud.reinit_disk("d-1", Options())
    to.cloud.reset_disk("d-1", "s-1")
    with suppress(Unanswered):  # an answer without a SnapshotId is none
        to.cloud.create_snapshot("d-1", name="n", description="x", token="t", retention_days=3, tags=[("a", "b")])
    to.cloud.tag_instance("i-1", ("a", "b"))
    to.cloud.untag_instance("i-1", "a")

    assert len(came) == 7
    for request in came:
        assert not {"AutoStartInstance", "InitLocalDisk"} & set(request.params)
        assert request.headers["authorization"].startswith("ACS3-HMAC-SHA256 ")
        assert b"testsecret" not in request.raw


def test_every_exchange_is_reported_with_all_its_members(accepting: tuple[list[Request], Gateway]) -> None:
    """Each exchange is told once: time, action, subject, dry run or not, status, RequestId, code and attempt."""
    _, to = accepting

    to.cloud.dry_run_stop("i-1")
    to.cloud.stop_instance("i-1", attempt=2)
    to.cloud.reinit_disk("d-1", Options(), attempt=3)

    result = [
        (call.action, call.subject, call.dry_run, call.http_status, call.request_id, call.code, call.attempt)
        for call in to.calls
    ]
    assert result == [
        ("StopInstance", ("i-1",), True, 200, "REQ-1", "OK", 1),
        ("StopInstance", ("i-1",), False, 200, "REQ-1", "OK", 2),
        ("ReInitDisk", ("d-1",), False, 200, "REQ-1", "OK", 3),
    ]
    assert {call.at.tzinfo for call in to.calls} == {UTC}


def test_dry_runs_give_the_code_of_the_answer(gateway: Connect, serve: Serve) -> None:
    """A dry run gives the code it was answered with, and is told of as a dry run with that code."""
    to = gateway(serve(error(400, "DryRunOperation")).url)

    codes = [
        to.cloud.dry_run_stop("i-1"),
        to.cloud.dry_run_start("i-1"),
        *(
            to.cloud.dry_run(action, ["x-1"])
            for action in (
                "DescribeDisks", "DescribeInstances", "DescribeSnapshots", "DescribeSnapshotsOfDisk", "DescribeImages",
            )
        ),
    ]  # fmt: skip

    assert codes == ["DryRunOperation"] * 7
    assert all(call.dry_run for call in to.calls)
    assert {call.code for call in to.calls} == {"DryRunOperation"}


# ------------------------------------------------------------------------------------------------- looks and pages


def test_reads_through_the_simulator(simulator: Simulator, gateway: Connect) -> None:
    """Every look shows what the simulated world holds, and its Date."""
    to = gateway(simulator.url)

    disk = to.cloud.describe_disks(["d-sim-web1-data"])
    instance = to.cloud.describe_instances(["i-sim-web1"]).items[0]
    neighbours = {each.disk_id for each in to.cloud.describe_disks_of("i-sim-web1").items}
    snapshots = [each.snapshot_id for each in to.cloud.describe_snapshots_of("d-sim-web1-data").items]
    source = to.cloud.describe_snapshots([disk.items[0].source_snapshot_id]).items[0]
    image = to.cloud.describe_images(["m-sim-web"]).items[0]
    caller = to.cloud.get_caller().items[0]

    assert disk.date is not None
    assert (disk.items[0].instance_id, disk.items[0].status) == ("i-sim-web1", "In_use")
    assert (instance.instance_name, instance.status, instance.start_time is not None) == ("web1", "Running", True)
    assert neighbours == {"d-sim-web1-data", "d-sim-web1-sys"}
    assert snapshots == ["s-sim-web1-data"]
    assert (source.snapshot_id, source.status) == ("s-sim-web1-source", "accomplished")
    assert (image.image_id, image.owner_alias) == ("m-sim-web", "self")
    assert caller.account == "1000000000000001"
    assert to.cloud.describe_key_pairs("sim-key").items == ("sim-key",)
    assert to.cloud.describe_key_pairs("sim-*").items == ()


def test_ids_are_asked_for_a_hundred_at_a_time(gateway: Connect, serve: Serve) -> None:
    """Two hundred and fifty ids take three calls, each told with its own ids, and no id is asked for twice."""
    server = serve(lambda request: answer(200, a_page(*map(a_disk, json.loads(request.params["DiskIds"])))))
    to = gateway(server.url)
    ids = [f"d-{number}" for number in range(250)]

    shown = to.cloud.describe_disks(ids).items

    assert [disk.disk_id for disk in shown] == ids
    assert [len(json.loads(request.params["DiskIds"])) for request in server.requests] == [100, 100, 50]
    assert [len(call.subject) for call in to.calls] == [100, 100, 50]


def test_dry_runs_of_describe_calls_are_sent_for_a_hundred_ids_at_a_time(gateway: Connect, serve: Serve) -> None:
    """The dry run of a look keeps to the hundred ids a call that ECS allows."""
    server = serve(error(400, "DryRunOperation"))
    to = gateway(server.url)

    to.cloud.dry_run("DescribeDisks", [f"d-{number}" for number in range(150)])

    assert [len(json.loads(request.params["DiskIds"])) for request in server.requests] == [100, 50]


def snapshots_page(*ids: str, **more: Any) -> dict[str, Any]:
    """Return a page of snapshots of d-1."""
    rows = [{"SnapshotId": each, "Status": "accomplished", "SourceDiskId": "d-1"} for each in ids]
    return {"RequestId": "REQ-1", "Snapshots": {"Snapshot": rows}, **more}


def test_pages_are_followed_to_the_end(gateway: Connect, serve: Serve) -> None:
    """NextToken is followed until there is none, and the rows of all pages are shown."""
    pages = {"": ("s-1", "two"), "two": ("s-2", "three"), "three": ("s-3", "")}

    def respond(request: Request) -> Answer:
        snapshot_id, token = pages[request.params.get("NextToken", "")]
        return answer(200, snapshots_page(snapshot_id, NextToken=token))

    server = serve(respond)
    to = gateway(server.url)

    assert [shot.snapshot_id for shot in to.cloud.describe_snapshots_of("d-1").items] == ["s-1", "s-2", "s-3"]
    assert len(server.requests) == 3


@pytest.mark.parametrize("tokens", [["a", "a"], ["a", "b", "a"]])
def test_a_token_that_comes_again_is_unanswered(gateway: Connect, serve: Serve, tokens: list[str]) -> None:
    """Pages that go round in a circle end the look instead of running for ever."""
    given = iter(tokens)
    server = serve(lambda _request: answer(200, snapshots_page("s-1", NextToken=next(given))))
    to = gateway(server.url)

    with pytest.raises(Unanswered, match="does not end"):
        to.cloud.describe_snapshots_of("d-1")

    assert len(server.requests) == len(tokens)


def test_a_broken_page_spoils_the_whole_read(gateway: Connect, serve: Serve) -> None:
    """Where a later page cannot be read, the pages before it are not taken for the whole."""
    bodies = iter([snapshots_page("s-1", NextToken="two"), {"RequestId": "REQ-1"}])
    to = gateway(serve(lambda _request: answer(200, next(bodies))).url)

    with pytest.raises(Unanswered):
        to.cloud.describe_snapshots_of("d-1")


ENDLESS = {
    "snapshots of a disk": lambda cloud: cloud.describe_snapshots_of("d-1"),
    "disks of an instance": lambda cloud: cloud.describe_disks_of("i-1"),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_list_that_never_ends_is_given_up(gateway: Connect, serve: Serve, what: str) -> None:
    """A new NextToken on every page ends the look after more pages than any real list has."""
    count = itertools.count()
    rows = {"Snapshots": {"Snapshot": []}, "Disks": {"Disk": []}}
    server = serve(lambda _request: answer(200, {"RequestId": "REQ-1", "NextToken": f"t{next(count)}", **rows}))

    with pytest.raises(Unanswered, match="does not end"):
        ENDLESS[what](gateway(server.url).cloud)
    assert len(server.requests) <= 20


def test_pages_that_take_too_long_are_given_up(gateway: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pages of a list together have a time limit."""
    count = itertools.count()
    monkeypatch.setattr(exchange, "PAGES_TIMEOUT", -1.0)
    server = serve(lambda _request: answer(200, snapshots_page("s-1", NextToken=f"t{next(count)}")))

    with pytest.raises(Unanswered, match="did not end within"):
        gateway(server.url).cloud.describe_snapshots_of("d-1")
    assert len(server.requests) == 1


def test_by_id_one_page_suffices(gateway: Connect, serve: Serve) -> None:
    """What is asked for by id is on one page, so a NextToken is not followed."""
    server = serve(answer(200, a_page(a_disk("d-1"), NextToken="more")))

    assert [disk.disk_id for disk in gateway(server.url).cloud.describe_disks(["d-1"]).items] == ["d-1"]
    assert len(server.requests) == 1


def test_rows_that_were_not_asked_for_are_not_believed(gateway: Connect, serve: Serve) -> None:
    """An answer with a disk that was not asked for is somebody else's, and none of it is believed."""
    to = gateway(serve(answer(200, a_page(a_disk("d-1"), a_disk("d-other")))).url)

    with pytest.raises(Unanswered):
        to.cloud.describe_disks(["d-1"])


@pytest.mark.parametrize("what", ["describe_disks_of", "describe_snapshots_of"])
def test_rows_of_another_owner_are_not_believed(gateway: Connect, serve: Serve, what: str) -> None:
    """The disks of another instance and the snapshots of another disk are somebody else's answer."""
    bodies = {
        "describe_disks_of": a_page(a_disk("d-1", InstanceId="i-other")),
        "describe_snapshots_of": {
            "RequestId": "R",
            "Snapshots": {"Snapshot": [{"SnapshotId": "s-1", "Status": "accomplished", "SourceDiskId": "d-other"}]},
        },
    }
    to = gateway(serve(answer(200, bodies[what])).url)

    with pytest.raises(Unanswered):
        getattr(to.cloud, what)("i-1" if what == "describe_disks_of" else "d-1")


def test_a_key_pair_with_a_similar_name_does_not_count(gateway: Connect, serve: Serve) -> None:
    """DescribeKeyPairs takes patterns: only the very name that was asked for exists."""
    pairs = {"KeyPair": [{"KeyPairName": "ops"}, {"KeyPairName": "ops-2"}]}
    to = gateway(serve(answer(200, {"RequestId": "R", "KeyPairs": pairs})).url)

    assert to.cloud.describe_key_pairs("ops").items == ("ops",)
    assert to.cloud.describe_key_pairs("op").items == ()


def test_no_ids_ask_nothing(gateway: Connect, serve: Serve) -> None:
    """A look at nothing sends nothing, since an empty list of ids would mean all of them."""
    server = serve(answer(200, a_page(a_disk("d-1"))))
    to = gateway(server.url)

    assert to.cloud.describe_disks([]).items == ()
    assert server.requests == []


def test_the_date_of_the_answer_is_given(gateway: Connect, serve: Serve) -> None:
    """The Date header comes with the look; where it is missing or nonsense there is none."""
    dates = iter(["Fri, 02 Jan 2026 03:04:05 GMT", "yesterday", ""])
    to = gateway(serve(lambda _request: answer(200, a_page(), headers={"Date": next(dates)})).url)

    given = [to.cloud.describe_disks(["d-1"]).date for _ in range(3)]

    assert given[0] is not None
    assert given[0].isoformat() == "2026-01-02T03:04:05+00:00"
    assert given[1:] == [None, None]


def test_other_products_are_asked_at_the_loopback_endpoint(gateway: Connect, serve: Serve) -> None:
    """STS is asked where ECS is, by its own version, when the endpoint is on this machine."""
    server = serve(
        answer(200, {"RequestId": "R", "AccountId": "1", "Arn": "acs:ram::1:root", "IdentityType": "Account"})
    )
    to = gateway(server.url)

    caller = to.cloud.get_caller().items[0]

    assert (caller.account, caller.arn, caller.type) == ("1", "acs:ram::1:root", "Account")
    assert server.requests[0].headers["x-acs-version"] == "2015-04-01"
    assert [call.action for call in to.calls] == ["GetCallerIdentity"]
