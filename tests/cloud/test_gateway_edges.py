"""Answers from the edge of the network: whatever comes back is one of the four ends of an exchange, and no secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests
import responses

from safe_reinit.cloud.aliyun.attempt import LostError, Reply, RequestInProgress
from safe_reinit.cloud.aliyun.transport import Connections
from safe_reinit.cloud.interface import CloudError, Refused, Unanswered
from tests.conftest import Connect

ENDPOINT = "http://127.0.0.1:9"
SECRET = "the whole URL with the Password"


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch) -> Iterator[responses.RequestsMock]:
    """Answer from a table of canned answers what would leave by a connection."""

    def send(
        _: object, attempt: RequestInProgress, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Reply:
        attempt.begin()
        attempt.leave()
        try:
            came = requests.request(method, url, headers=dict(headers), data=body, timeout=5)
        except requests.RequestException as error:
            raise LostError(str(error)) from None
        attempt.status = came.status_code
        return Reply(came.status_code, {name.lower(): value for name, value in came.headers.items()}, came.content)

    monkeypatch.setattr(Connections, "send", send)
    with responses.RequestsMock(assert_all_requests_are_fired=True) as table:
        yield table


THROTTLED = {"Code": "Throttling", "RequestId": "R"}
EDGES: dict[str, tuple[dict[str, Any], str]] = {
    "no JSON": ({"body": "{"}, "Unanswered"),
    "a page with 502": ({"body": "<html>", "status": 502}, "Unanswered"),
    "a page with 200": ({"body": "<html>"}, "Unanswered"),
    "a redirect": ({"body": "", "status": 302, "headers": {"Location": "http://127.0.0.1:9/else"}}, "Unanswered"),
    "an empty answer": ({"body": ""}, "Unanswered"),
    "null": ({"body": "null"}, "Unanswered"),
    "a list": ({"json": []}, "Unanswered"),
    "deep nesting": ({"body": "[" * 100_000}, "Unanswered"),
    "no RequestId": ({"json": {"Disks": {"Disk": []}}}, "Unanswered"),
    "throttled": ({"json": THROTTLED, "status": 400, "headers": {"x-acs-retry-after": "3"}}, "Throttling"),
    "throttled with 503": ({"json": THROTTLED, "status": 503}, "Throttling"),
    "forbidden": ({"json": {"Code": "Forbidden.RAM", "RequestId": "R"}, "status": 403}, "Forbidden.RAM"),
    "a code that is none": ({"json": {"Code": "a b", "RequestId": "R"}, "status": 403}, "Unanswered"),
}


@pytest.mark.parametrize("name", EDGES)
def test_an_answer_from_the_edge_ends_in_one_of_four_ways(
    edge: responses.RequestsMock, gateway: Connect, name: str
) -> None:
    """What is no readable answer of ECS counts as none, and a refusal keeps its code."""
    answer, code = EDGES[name]
    edge.post(f"{ENDPOINT}/", **answer)
    to = gateway(ENDPOINT)

    with pytest.raises(Unanswered if code == "Unanswered" else Refused):
        to.cloud.describe_disks(["d-1"])

    assert [call.code for call in to.calls] == [code]


def test_a_broken_connection_says_nothing_of_the_request(edge: responses.RequestsMock, gateway: Connect) -> None:
    """The text of a transport error, which can hold the whole URL, gets nowhere."""
    edge.post(f"{ENDPOINT}/", body=ConnectionResetError(SECRET))
    to = gateway(ENDPOINT)

    with pytest.raises(CloudError) as raised:
        to.cloud.describe_disks(["d-1"])

    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
