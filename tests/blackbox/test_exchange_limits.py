"""Every exchange ends: within its time however steadily something drips, and without reading an answer of any size."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from safe_reinit import RunRefused, connect
from safe_reinit.aliyun import attempt, exchange
from safe_reinit.cloud import NotSent, Unanswered
from safe_reinit.model import Options
from tests import virtual
from tests.conftest import Connect, Gateway, Serve
from tests.servers import Answer, Authority, Proxy, Server, answer, error, forward, http, pass_on

DISK, INSTANCE = "d-sim-web1-data", "i-sim-web1"
NO_DISKS = {"RequestId": "REQ-1", "Disks": {"Disk": []}}
WHOLE = http(200, json.dumps(NO_DISKS))
TOO_MUCH = 17 * 2**20
PADDED = json.dumps({**NO_DISKS, "Padding": " " * TOO_MUCH}).encode()
DRIP = 0.05
"""Seconds between two bytes: every answer here has more than 100, so that it takes longer than an exchange may."""

CALLS: dict[str, Callable[[Gateway], object]] = {
    "a look": lambda to: to.cloud.disks(["d-1"]),
    "a wipe": lambda to: to.cloud.reinit("d-1", Options()),
}
each_call = pytest.mark.parametrize("call", CALLS)


@pytest.fixture
def quick_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an exchange less time than any answer here takes, and as much time to connect as it has."""
    give(monkeypatch, 1.0)


def give(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Give an exchange so much time: enough to be sent on a busy machine, too little for an answer that drips."""
    monkeypatch.setattr(exchange, "LOOK_TIMEOUT", seconds)
    monkeypatch.setattr(exchange, "ACT_TIMEOUT", seconds)


@pytest.fixture
def quick_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an exchange less time to connect than that takes here."""
    monkeypatch.setattr(attempt, "CONNECT_TIMEOUT", 2.0)


# ------------------------------------------------------------------------------------------------------------- time

STEADY = {
    "the whole answer": WHOLE,
    "an error": http(403, json.dumps({"RequestId": "REQ-1", "Code": "Forbidden.RAM", "Message": "m" * 200})),
    "heads that are no answer yet": b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + WHOLE,
    "a body in pieces": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"".join(b"1\r\n%c\r\n" % byte for byte in json.dumps(NO_DISKS).encode())
    + b"0\r\n\r\n",
    "the size of a piece": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 400 + b"\r\n\r\n",
}


@pytest.mark.usefixtures("quick_answers")
@pytest.mark.parametrize(
    ("call", "name", "secured"),
    [
        *(("a wipe", name, False) for name in STEADY),
        *(("a look", "the whole answer", secured) for secured in (False, True)),
        *(("a wipe", name, True) for name in ("the whole answer", "a body in pieces")),
    ],
)
def test_an_answer_that_drips_is_no_answer(
    gateway: Connect, serve: Serve, test_authority: Authority, call: str, name: str, *, secured: bool
) -> None:
    """A byte at a time does not keep an exchange going: after its time it is Unanswered, and was sent once."""
    server = serve(Answer(STEADY[name], drip=DRIP), tls=test_authority.server if secured else None)
    to = gateway(server.url, ca_bundle=str(test_authority.bundle))

    with pytest.raises(Unanswered, match=f"from {server.endpoint}: the answer did not come"):
        CALLS[call](to)

    assert len(server.requests) == 1
    assert [told.code for told in to.calls] == ["Unanswered"]


@pytest.mark.usefixtures("quick_connections")
def test_a_proxy_that_drips_lets_nothing_through(gateway: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that answers a byte at a time ends the call in time, and nothing of the request has left."""
    with Proxy(greeting=http(200, "", headers={"X-Padding": "x" * 200}), drip=DRIP) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.endpoint}")
        with pytest.raises(NotSent, match=r"ecs\.test\.invalid: the proxy 127\.0\.0\.1"):
            CALLS["a wipe"](gateway("https://ecs.test.invalid"))

        assert [request.method for request in proxy.requests] == ["CONNECT"]


@pytest.mark.usefixtures("quick_connections")
def test_a_handshake_that_drips_lets_nothing_through(gateway: Connect, serve: Serve) -> None:
    """A server that sends its part of the TLS handshake a byte at a time has seen nothing of the request."""
    hello = b"\x16\x03\x03\x40\x00" + b"\x02" * 400
    server = serve(Answer(hello, drip=DRIP), kind=Greeting)

    with pytest.raises(NotSent, match="TLS"):
        CALLS["a wipe"](gateway(f"https://{server.endpoint}"))


class Greeting(Server):
    """A server that says its answer to whoever connects, whatever comes."""

    def _talk(self, connection: socket.socket, number: int) -> None:
        del number
        self._write(connection, self._respond(None))  # type: ignore[arg-type] # there is no request


class Front(Server):
    """A server that hands the bytes within TLS on to another one, and back."""

    def __init__(self, upstream: str, **more: Any) -> None:
        super().__init__(Answer(b""), **more)
        self._upstream = upstream

    def _talk(self, connection: socket.socket, number: int) -> None:
        del number
        pass_on(connection, self._upstream)


def test_a_proxy_over_tls_that_drips_is_no_answer(
    gateway: Connect, serve: Serve, test_authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS within TLS keeps to the same time, one byte of the outer one after the other."""
    give(monkeypatch, 4.0)  # for three handshakes
    server = serve(Answer(WHOLE, drip=DRIP))
    with Proxy(server.endpoint, inner_tls=test_authority.server) as proxy:
        front = serve(proxy.endpoint, kind=Front, tls=test_authority.server)
        monkeypatch.setenv("HTTPS_PROXY", front.url)
        to = gateway("https://ecs.test.invalid", ca_bundle=str(test_authority.bundle))
        with pytest.raises(Unanswered):
            to.cloud.disks(["d-1"])

    assert len(server.requests) == 1


def test_a_proxy_over_tls_is_spoken_to(
    gateway: Connect, serve: Serve, test_authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An https:// proxy lets calls through, which share its connection."""
    server = serve(Answer(WHOLE))
    with Proxy(server.endpoint, inner_tls=test_authority.server) as proxy:
        front = serve(proxy.endpoint, kind=Front, tls=test_authority.server)
        monkeypatch.setenv("HTTPS_PROXY", front.url)
        to = gateway("https://ecs.test.invalid", ca_bundle=str(test_authority.bundle))
        assert to.cloud.disks(["d-1"]).shown == to.cloud.disks(["d-1"]).shown == ()

        assert [request.target for request in proxy.requests] == ["ecs.test.invalid:443"]


@pytest.mark.usefixtures("quick_connections")
def test_a_name_that_is_looked_up_for_ever_lets_nothing_through(
    gateway: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that never answers holds a call up no longer than connecting may take."""
    hung = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: hung.wait(60))
    try:
        with pytest.raises(NotSent, match="name of the endpoint cannot be resolved"):
            CALLS["a wipe"](gateway("https://ecs.test.invalid"))
    finally:
        hung.set()


# ------------------------------------------------------------------------------------------------------------- size


def chunked(body: bytes, kind: str = "") -> bytes:
    """Write an answer in pieces, whose length nobody says beforehand."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + kind.encode() + b"\r\n"
    pieces = [body[start : start + 2**20] for start in range(0, len(body), 2**20)]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def packed(body: bytes, coding: str) -> bytes:
    """Write an answer that is packed."""
    return http(200, body, headers={"Content-Encoding": coding})


@cache
def huge() -> dict[str, bytes]:
    """Return answers that are valid, and too large in one way each."""
    rows = ",".join('{"DiskId": "d-1", "Type": "data", "Status": "In_use", "Size": 40}' for _ in range(300_000))
    bomb = gzip.compress(PADDED)
    return {
        "a body": http(200, PADDED),
        "a hundred thousand rows": http(200, f'{{"RequestId": "R", "Disks": {{"Disk": [{rows}]}}}}'),
        "pieces": chunked(PADDED),
        "a gzip bomb": packed(bomb, "gzip"),
        "a deflate bomb": packed(zlib.compress(PADDED), "deflate"),
        "a gzip bomb in pieces": chunked(bomb, "Content-Encoding: gzip\r\n"),
        "gzip in gzip": packed(gzip.compress(bomb), "gzip, gzip"),
        "an error": error(403, "Forbidden.RAM", " " * TOO_MUCH).data,
        "an error of the server": error(503, "ServiceUnavailable", " " * TOO_MUCH).data,
        "the size of a piece": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * TOO_MUCH + b"\r\n\r\n",
        "a line of the head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * TOO_MUCH + b"\r\n\r\n",
        "lines of the head": b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 300_000 + b"\r\n",
        "heads that are no answer yet": b"HTTP/1.1 100 Continue\r\nX: %b\r\n\r\n" % (b"x" * 60_000) * 300 + WHOLE,
        "the end of the pieces": chunked(json.dumps(NO_DISKS).encode())[:-2]
        + b"X: %b\r\n" % (b"x" * 60_000) * 300
        + b"\r\n",
    }


HUGE = (
    "a body", "a hundred thousand rows", "pieces", "a gzip bomb", "a deflate bomb", "a gzip bomb in pieces",
    "gzip in gzip", "an error", "an error of the server", "the size of a piece", "a line of the head",
    "lines of the head", "heads that are no answer yet", "the end of the pieces",
)  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
@each_call
def test_an_answer_that_is_too_large_is_no_answer(gateway: Connect, serve: Serve, call: str, name: str) -> None:
    """What is larger than any answer of ECS is not read to its end: it is Unanswered, and was sent once."""
    server = serve(Answer(huge()[name], "close"))

    with pytest.raises(Unanswered):
        CALLS[call](gateway(server.url))

    assert set(HUGE) == set(huge())
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(packed(gzip.compress(json.dumps(NO_DISKS).encode()), "gzip"), id="gzip"),
        pytest.param(packed(zlib.compress(json.dumps(NO_DISKS).encode()), "deflate"), id="deflate"),
        pytest.param(chunked(json.dumps(NO_DISKS).encode()), id="pieces"),
        pytest.param(http(200, json.dumps({**NO_DISKS, "Padding": " " * 12 * 2**20})), id="twelve MiB"),
    ],
)
def test_an_answer_that_is_large_or_packed_is_read(gateway: Connect, serve: Serve, said: bytes) -> None:
    """An answer within the limit is read however it comes, packed by something on its way, too."""
    to = gateway(serve(Answer(said)).url)

    assert to.cloud.disks(["d-1"]).shown == ()


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(packed(gzip.compress(json.dumps(NO_DISKS).encode())[:-9], "gzip"), id="cut gzip"),
        pytest.param(packed(b"this is no gzip", "gzip"), id="no gzip"),
        pytest.param(packed(json.dumps(NO_DISKS).encode(), "br"), id="another coding"),
    ],
)
def test_what_cannot_be_unpacked_is_no_answer(gateway: Connect, serve: Serve, said: bytes) -> None:
    """A wipe whose answer is packed in a way that cannot be read is Unanswered, and was sent once."""
    server = serve(Answer(said))

    with pytest.raises(Unanswered):
        CALLS["a wipe"](gateway(server.url))

    assert len(server.requests) == 1


@pytest.mark.virtual_time
def test_a_run_whose_wipe_is_answered_by_too_much_finds_out_by_looking() -> None:
    """A wipe that ECS did and answered with megabytes is an unanswered call: seen to be done, and not sent again."""
    with virtual.simulate() as simulator:

        def respond(request: Any) -> Answer:
            said = forward(request, simulator.endpoint)
            return answer(200, {"RequestId": "R", "P": " " * TOO_MUCH}) if request.action == "ReInitDisk" else said

        with Server(respond) as server:
            client = connect(region=simulator.region, endpoint=server.url, credentials=simulator.access_key)
            plan = client.plan([DISK], stop_instance=True)
            report = client.run(plan, confirm=plan.confirm_with)

        assert [call.code for call in report.calls if call.action == "ReInitDisk"] == ["Unanswered"]
        assert len(simulator.state()["disks"][DISK]["wipes"]) == 1
        assert simulator.state()["instances"][INSTANCE]["status"] == "Running"


@pytest.mark.virtual_time
def test_an_error_says_which_host_did_not_answer(serve: Serve) -> None:
    """A plan that cannot be made because the answers are useless names the host that gave them."""
    server = serve(Answer(http(502, "<html></html>", kind="text/html")))
    client = connect(region="cn-hangzhou", endpoint=server.url, credentials=("k", "s"))

    with pytest.raises(RunRefused, match=f"from {server.endpoint}: what came"):
        client.plan([DISK])
