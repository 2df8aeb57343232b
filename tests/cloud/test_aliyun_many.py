"""The gateway for many: what StopInstances and StartInstances send and are answered, and listings of the region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from safe_reinit.cloud.interface import Accepted, Refused, Unanswered
from safe_reinit.simulator import Simulator
from tests.cloud.test_aliyun import a_disk, a_page
from tests.conftest import Connect, Gateway, Serve
from tests.servers import Answer, Request, answer, error, http

IDS = ["i-1", "i-2", "i-3"]


def a_response(instance_id: Any, code: Any = "200", **more: Any) -> dict[str, Any]:
    """Return one row of the answer to StopInstances."""
    return {"InstanceId": instance_id, "Code": code, "Message": "m", "CurrentStatus": "Stopping", **more}


def responses_of(*rows: Any, **more: Any) -> dict[str, Any]:
    """Return the body of an answer to StopInstances."""
    return {"RequestId": "REQ-1", "InstanceResponses": {"InstanceResponse": list(rows)}, **more}


def call(to: Gateway, action: str, ids: list[str] | None = None) -> Any:
    """Stop or start many."""
    many = to.cloud.stop_instances if action == "StopInstances" else to.cloud.start_instances
    return many(IDS if ids is None else ids)


BOTH = pytest.mark.parametrize("action", ["StopInstances", "StartInstances"])


# --------------------------------------------------------------------------------------------------- what is sent


def sent(request: Request) -> dict[str, str]:
    """Return the parameters of a request that mean something."""
    return {name: value for name, value in request.params.items() if value}


def test_stops_of_many_keep_charging_and_let_each_succeed(gateway: Connect, serve: Serve) -> None:
    """StopInstances says KeepCharging, and SuccessFirst; tried it says AllTogether, or it would prove nothing."""
    server = serve(answer(200, responses_of(*map(a_response, IDS))))
    to = gateway(server.url)
    to.cloud.stop_instances(IDS)
    to.cloud.stop_instances(IDS, force=True)
    to.cloud.dry_run_batch("StopInstances", IDS)
    asked = [sent(request) for request in server.requests]

    for request in asked:
        assert request["StoppedMode"] == "KeepCharging"
        assert [request[f"InstanceId.{n}"] for n in (1, 2, 3)] == IDS
        assert request["RegionId"] == "cn-hangzhou"
        assert not {"Hibernate", "ConfirmStop", "InitLocalDisk", "AutoStartInstance"} & set(request)
    assert [request["BatchOptimization"] for request in asked] == ["SuccessFirst", "SuccessFirst", "AllTogether"]
    assert [request.get("ForceStop", "false").lower() for request in asked] == ["false", "true", "false"]
    assert [request.get("DryRun", "false").lower() for request in asked] == ["false", "false", "true"]


def test_starts_of_many_let_each_succeed(gateway: Connect, serve: Serve) -> None:
    """StartInstances says SuccessFirst, or AllTogether where it is tried, and nothing else."""
    server = serve(answer(200, responses_of(*map(a_response, IDS))))
    to = gateway(server.url)
    to.cloud.start_instances(IDS)
    to.cloud.dry_run_batch("StartInstances", IDS)
    first, second = (sent(request) for request in server.requests)
    ids = {f"InstanceId.{n}": f"i-{n}" for n in (1, 2, 3)}

    assert first == {"RegionId": "cn-hangzhou", "BatchOptimization": "SuccessFirst", **ids}
    assert second.pop("DryRun").lower() == "true"
    assert second == {**first, "BatchOptimization": "AllTogether"}


@BOTH
def test_a_call_for_many_is_reported_with_all_its_ids(gateway: Connect, serve: Serve, action: str) -> None:
    """The exchange is told once, with every instance, as a change, and with which try it was."""
    to = gateway(serve(answer(200, responses_of(*map(a_response, IDS)))).url)
    if action == "StopInstances":
        to.cloud.stop_instances(IDS, attempt=3)
    else:
        to.cloud.start_instances(IDS, attempt=3)

    (result,) = to.calls
    assert (result.action, result.subject, result.dry_run, result.code, result.attempt) == (
        action,
        tuple(IDS),
        False,
        "OK",
        3,
    )


# ------------------------------------------------------------------------------------------- what each is answered


@BOTH
@pytest.mark.parametrize("code", ["200", 200])
def test_two_hundred_is_success(gateway: Connect, serve: Serve, action: str, code: Any) -> None:
    """Code 200, as a number or as a text, accepts an instance, with the RequestId of the call."""
    to = gateway(serve(answer(200, responses_of(*(a_response(each, code) for each in IDS)))).url)

    assert call(to, action) == dict.fromkeys(IDS, Accepted("REQ-1"))


@BOTH
def test_each_instance_is_answered_by_itself(gateway: Connect, serve: Serve, action: str) -> None:
    """An error code is a refusal of that instance, in our words; one that is missing in the answer has none."""
    rows = (a_response("i-1"), a_response("i-2", "IncorrectInstanceStatus", Message="The text of ECS."))
    to = gateway(serve(answer(200, responses_of(*rows))).url)
    answers = call(to, action)

    assert set(answers) == {"i-1", "i-2"}
    assert answers["i-1"] == Accepted("REQ-1")
    refused = answers["i-2"]
    assert isinstance(refused, Refused)
    assert (refused.code, refused.request_id, refused.action) == ("IncorrectInstanceStatus", "REQ-1", action)
    assert "The text of ECS" not in str(refused)


@BOTH
@pytest.mark.parametrize("code", [500, "500", "403", 0, "0", 404])
def test_a_number_that_is_no_success_proves_nothing(gateway: Connect, serve: Serve, action: str, code: Any) -> None:
    """No number but 200 is documented: an instance that is answered by one may have been stopped or not."""
    rows = (a_response("i-1"), a_response("i-2", code), a_response("i-3"))
    to = gateway(serve(answer(200, responses_of(*rows))).url)

    assert set(call(to, action)) == {"i-1", "i-3"}


@BOTH
def test_an_instance_with_two_different_answers_has_none(gateway: Connect, serve: Serve, action: str) -> None:
    """Two rows of one instance that contradict each other prove nothing; two that agree do."""
    rows = (
        a_response("i-1"), a_response("i-1", "IncorrectInstanceStatus"),
        a_response("i-2"), a_response("i-2"),
        a_response("i-3", "Forbidden.RAM"), a_response("i-3"),
    )  # fmt: skip
    to = gateway(serve(answer(200, responses_of(*rows))).url)

    assert call(to, action) == {"i-2": Accepted("REQ-1")}


GARBLED: dict[str, Any] = {
    "an instance nobody named": responses_of(a_response("i-1"), a_response("i-other")),
    "rows that are an object": {"RequestId": "R", "InstanceResponses": {"InstanceResponse": {"InstanceId": "i-1"}}},
    "responses that are a list": {"RequestId": "R", "InstanceResponses": [a_response("i-1")]},
    "no request id": {"InstanceResponses": {"InstanceResponse": [a_response("i-1")]}},
}


@BOTH
@pytest.mark.parametrize("what", GARBLED)
def test_an_answer_that_cannot_be_read_is_believed_for_nobody(
    gateway: Connect, serve: Serve, action: str, what: str
) -> None:
    """An answer that is not of the documented shape, or somebody else's, means that none of it is ours."""
    to = gateway(serve(answer(200, GARBLED[what])).url)

    with pytest.raises(Unanswered):
        call(to, action)


@BOTH
@pytest.mark.parametrize(
    "row",
    [
        {"Code": "200"}, a_response(""), a_response(7), {"InstanceId": "i-1"}, a_response("i-1", None),
        a_response("i-1", True), a_response("i-1", "it went well"), a_response("i-1", [200]), "i-1",
    ],
    ids=str,
)  # fmt: skip
def test_a_row_that_cannot_be_read_answers_nothing(gateway: Connect, serve: Serve, action: str, row: Any) -> None:
    """The instance of a row that cannot be read has no answer; the others have theirs."""
    to = gateway(serve(answer(200, responses_of(row, a_response("i-2")))).url)

    assert call(to, action) == {"i-2": Accepted("REQ-1")}


@BOTH
@pytest.mark.parametrize("body", [{"RequestId": "REQ-1"}, responses_of()], ids=["no responses", "empty responses"])
def test_an_answer_about_nobody_answers_nobody(gateway: Connect, serve: Serve, action: str, body: Any) -> None:
    """Success that tells of no instance proves nothing of any."""
    to = gateway(serve(answer(200, body)).url)

    assert call(to, action) == {}


@BOTH
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(404, "InvalidInstanceIds.NotFound"), Refused),
        (error(403, "Forbidden.RAM"), Refused),
        (error(409, "InvalidOperation.Conflict"), Refused),
        (error(400, "Throttling.User", headers={"x-acs-retry-after": "7"}), Refused),
        (Answer(http(502, "<html>Bad Gateway</html>", kind="text/html")), Unanswered),
        (Answer(b"", "reset"), Unanswered),
        (answer(202, responses_of()), Unanswered),
    ],
    ids=["not found", "denied", "busy", "throttled", "a page", "a reset", "accepted"],
)
def test_a_call_that_fails_as_a_whole(gateway: Connect, serve: Serve, action: str, reply: Answer, kind: Any) -> None:
    """The refusal, or the lost answer, of the whole call is raised once, and it is asked once."""
    server = serve(reply)
    to = gateway(server.url)

    with pytest.raises(kind) as raised:
        call(to, action)

    assert raised.value.action == action
    assert len(server.requests) == 1
    if "Throttling" in str(raised.value):
        assert raised.value.retry_after == 7


# ------------------------------------------------------------------------------------------------------ dry runs


@BOTH
def test_a_dry_run_of_many_has_a_success_of_its_own(gateway: Connect, serve: Serve, action: str) -> None:
    """DRYRUN.SUCCESS of StopInstances is what DryRunOperation is of StopInstance; other codes stay what they are."""
    replies = iter([error(400, "DRYRUN.SUCCESS"), error(403, "Forbidden.RAM"), error(403, "IncorrectInstanceStatus")])
    to = gateway(serve(lambda _request: next(replies)).url)
    codes = [to.cloud.dry_run_batch(action, IDS) for _ in range(3)]

    assert codes == ["DryRunOperation", "Forbidden.RAM", "IncorrectInstanceStatus"]
    assert [each.dry_run for each in to.calls] == [True] * 3


@BOTH
@pytest.mark.parametrize(("status", "code"), [(400, "Throttling"), (503, "ServiceUnavailable"), (500, "InternalError")])
def test_a_dry_run_that_was_not_answered_is_no_answer(
    gateway: Connect, serve: Serve, action: str, status: int, code: str
) -> None:
    """Being throttled, or ECS's own failure, says nothing about the right: it is asked again."""
    to = gateway(serve(error(status, code)).url)

    with pytest.raises(Refused):
        to.cloud.dry_run_batch(action, IDS)


def test_many_through_the_simulator(gateway: Connect) -> None:
    """Against a simulated ECS: a dry run is for all or none, a batch stops whom it can, the others say why not."""
    world = {
        "instances": {"i-1": {}, "i-2": {"status": "Stopped"}, "i-3": {}},
        "disks": {"d-1": {"instance": "i-1"}},
    }
    with Simulator(world=world, speed=1) as sim:
        to = gateway(sim.url)
        assert to.cloud.dry_run_batch("StopInstances", ["i-1", "i-3"]) == "DryRunOperation"
        assert to.cloud.dry_run_batch("StopInstances", IDS) == "IncorrectInstanceStatus"
        assert {each["status"] for each in sim.state()["instances"].values()} == {"Running", "Stopped"}

        answers = to.cloud.stop_instances(IDS)
        assert {name: type(each) for name, each in answers.items()} == {
            "i-1": Accepted,
            "i-2": Refused,
            "i-3": Accepted,
        }
        with pytest.raises(Refused) as raised:
            to.cloud.stop_instances([*IDS, "i-gone"])
        assert raised.value.code == "InvalidInstanceIds.NotFound"


# ------------------------------------------------------------------------------------------------------ listings


def pages(count: int, rows: Callable[[int], Any], outer: str) -> Callable[[Request], Answer]:
    """Answer a listing of so many pages."""

    def respond(request: Request) -> Answer:
        page = int(request.params.get("NextToken") or 1)
        token = str(page + 1) if page < count else ""
        body = {"RequestId": "R", outer: {outer.removesuffix("s"): [rows(page)]}, "NextToken": token}
        return answer(200, body)

    return respond


def a_snapshot(page: int) -> dict[str, Any]:
    """Return a row of DescribeSnapshots."""
    return {"SnapshotId": f"s-{page}", "Status": "accomplished", "SourceDiskId": f"d-{page}"}


LISTINGS: dict[str, tuple[str, Callable[[int], Any], Callable[[Gateway, int], Any], str]] = {
    "disks": ("Disks", lambda page: a_disk(f"d-{page}"), lambda to, most: to.cloud.list_disks(most), "disk_id"),
    "snapshots": ("Snapshots", a_snapshot, lambda to, most: to.cloud.list_snapshots(most), "snapshot_id"),
}


@pytest.mark.parametrize("what", LISTINGS)
@pytest.mark.parametrize(("most", "asked", "complete"), [(5, 3, True), (3, 3, True), (2, 2, False), (1, 1, False)])
def test_a_listing_goes_so_many_pages_and_says_whether_that_is_all(
    gateway: Connect, serve: Serve, what: str, most: int, asked: int, complete: bool
) -> None:
    """NextToken is followed for as many pages as are asked for; only without one more the listing is complete."""
    outer, row, listing, name = LISTINGS[what]
    server = serve(pages(3, row, outer))
    reading = listing(gateway(server.url), most)

    assert len(server.requests) == asked
    assert reading.complete is complete
    assert [getattr(each, name)[2:] for each in reading.items] == [str(page) for page in range(1, asked + 1)]


def test_what_a_listing_asks_for(gateway: Connect, serve: Serve) -> None:
    """Disks In_use, 500 a page; snapshots of one status or of all, 100 a page; no ids, so that it is the region's."""
    server = serve(lambda request: answer(200, {"RequestId": "R", _outer(request): {}}))
    to = gateway(server.url)
    to.cloud.list_disks(3)
    to.cloud.list_snapshots(3)
    to.cloud.list_snapshots(3, "progressing")

    assert [sent(request) for request in server.requests] == [
        {"RegionId": "cn-hangzhou", "Status": "In_use", "MaxResults": "500"},
        {"RegionId": "cn-hangzhou", "MaxResults": "100"},
        {"RegionId": "cn-hangzhou", "MaxResults": "100", "Status": "progressing"},
    ]


def _outer(request: Request) -> str:
    return request.headers["x-acs-action"].removeprefix("Describe")


@pytest.mark.parametrize("what", LISTINGS)
def test_a_listing_that_cannot_be_read_shows_nothing(gateway: Connect, serve: Serve, what: str) -> None:
    """A circle of pages, a page without its list and a missing list are no listing at all."""
    outer, row, listing, _ = LISTINGS[what]
    inner = outer.removesuffix("s")
    circle = {"RequestId": "R", outer: {inner: [row(1)]}, "NextToken": "again"}
    broken = {"RequestId": "R", outer: {inner: row(1)}, "NextToken": ""}
    for body in (circle, broken, {"RequestId": "R"}):
        to = gateway(serve(answer(200, body)).url)
        with pytest.raises(Unanswered):
            listing(to, 9)


def test_listings_through_the_simulator(gateway: Connect) -> None:
    """Hundreds of disks and snapshots come page by page, each once, as the simulated region has them."""
    disks = {f"d-{n}": {"instance": f"i-{n}"} for n in range(501)}
    world = {
        "instances": {f"i-{n}": {} for n in range(501)},
        "disks": {**disks, "d-free": {}},
        "snapshots": {f"s-{n}": {"disk": f"d-{n}"} for n in range(150)},
    }
    with Simulator(world=world, speed=1) as sim:
        to = gateway(sim.url)
        every, first = to.cloud.list_disks(2), to.cloud.list_disks(1)
        snapshots, some = to.cloud.list_snapshots(2), to.cloud.list_snapshots(1)
        growing = to.cloud.list_snapshots(1, "progressing")

    assert {disk.disk_id for disk in every.items} == set(disks)
    assert (len(every.items), every.complete) == (501, True)
    assert (len(first.items), first.complete) == (500, False)
    assert (len(snapshots.items), snapshots.complete) == (150, True)
    assert (len(some.items), some.complete) == (100, False)
    assert (growing.items, growing.complete) == ((), True)


def test_an_empty_page_is_a_complete_listing(gateway: Connect, serve: Serve) -> None:
    """A region that shows nothing was listed to its end, by one call that is about nothing by name."""
    to = gateway(serve(answer(200, a_page())).url)
    reading = to.cloud.list_disks(1)

    assert (reading.items, reading.complete) == ((), True)
    assert [each.subject for each in to.calls] == [()]
