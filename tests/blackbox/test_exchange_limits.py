"""Every exchange ends: within its time however steadily something drips, and without reading an answer of any size."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from safe_reinit import RunRefused, connect
from safe_reinit.cloud.aliyun import attempt, exchange
from safe_reinit.cloud.interface import CloudError, NotSent, Unanswered
from safe_reinit.model import Options
from tests import virtual
from tests.conftest import Connect, Gateway, Serve
from tests.servers import Answer, Authority, Proxy, Server, answer, error, forward, http, pass_on

DISK, INSTANCE = "d-sim-web1-data", "i-sim-web1"
NO_DISKS = {"RequestId": "REQ-1", "Disks": {"Disk": []}}
WHOLE = http(200, json.dumps(NO_DISKS))
TOO_MUCH = 17 * 2**20
PADDED = json.dumps({**NO_DISKS, "Padding": " " * TOO_MUCH}).encode()
DRIP_INTERVAL = 0.05
EXCHANGE_LIMIT = 4.0
"""Seconds that an exchange may take, and connecting too: enough for three handshakes on a busy machine.

It is less than anything takes that drips: each has more than 100 bytes, ``DRIP_INTERVAL`` seconds apart.
"""

CALLS: dict[str, Callable[[Gateway], object]] = {
    "an observation": lambda to: to.cloud.describe_disks(["d-1"]),
    "a wipe": lambda to: to.cloud.reinit_disk("d-1", Options()),
}


# ------------------------------------------------------------------------------------------------------------- time

IN_PIECES = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
STEADY = {
    "the whole answer": WHOLE,
    "an error": http(403, json.dumps({"RequestId": "REQ-1", "Code": "Forbidden.RAM", "Message": "m" * 200})),
    "heads that are no answer yet": b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + WHOLE,
    "a body in pieces": IN_PIECES
    + b"".join(b"1\r\n%c\r\n" % byte for byte in json.dumps(NO_DISKS).encode())
    + b"0\r\n\r\n",
    "the size of a piece": IN_PIECES + b"0" * 400 + b"\r\n\r\n",
}


STEADILY = [
    *(("a wipe", name, False) for name in STEADY),
    *(("an observation", "the whole answer", secured) for secured in (False, True)),
    *(("a wipe", name, True) for name in ("the whole answer", "a body in pieces")),
]


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


@dataclass(frozen=True)
class Ended:
    """How a call ended, and what its server was asked."""

    error: BaseException | None
    answers: list[str]
    server: Server


_ended: dict[Any, Ended] = {}


@pytest.fixture
def dripped(
    gateway: Connect, serve: Serve, test_authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> dict[Any, Ended]:
    """Make every exchange that drips, once and all of them at the same time: each takes as long as one may."""
    if _ended:
        return _ended
    for module, name in ((exchange, "READ_TIMEOUT"), (exchange, "CHANGE_TIMEOUT"), (attempt, "CONNECT_TIMEOUT")):
        monkeypatch.setattr(module, name, EXCHANGE_LIMIT)
    tls, bundle, looked_up = test_authority.server, str(test_authority.bundle), threading.Event()
    resolve = socket.getaddrinfo

    def hung(host: str, *more: Any) -> Any:
        return looked_up.wait(60) if host == "nobody.invalid" else resolve(host, *more)

    monkeypatch.setattr(socket, "getaddrinfo", hung)

    def called(call: str, url: str, server: Server) -> Callable[[], Ended]:
        to = gateway(url, ca_bundle=bundle)

        def ended() -> Ended:
            error = None
            try:
                CALLS[call](to)
            except CloudError as raised:
                error = raised
            return Ended(error, [result.code for result in to.calls], server)

        return ended

    calls = {}
    for call, name, secured in STEADILY:
        server = serve(Answer(STEADY[name], drip=DRIP_INTERVAL), tls=tls if secured else None)
        calls[call, name, secured] = called(call, server.url, server)
    hello = serve(Answer(b"\x16\x03\x03\x40\x00" + b"\x02" * 400, drip=DRIP_INTERVAL), kind=Greeting)
    calls["a handshake"] = called("a wipe", f"https://{hello.endpoint}", hello)
    calls["a name"] = called("a wipe", "https://nobody.invalid", hello)
    whole = serve(Answer(WHOLE, drip=DRIP_INTERVAL))
    with (
        Proxy(greeting=http(200, "", headers={"X-Padding": "x" * 200}), drip=DRIP_INTERVAL) as dripping,
        Proxy(whole.endpoint, inner_tls=tls) as passing,
        ThreadPoolExecutor(len(calls) + 2) as threads,
    ):
        front = serve(passing.endpoint, kind=Front, tls=tls)
        monkeypatch.setenv("https://drips.invalid_proxy", f"http://{dripping.endpoint}")  # one for this host alone
        monkeypatch.setenv("https://ecs.test.invalid_proxy", front.url)
        calls["a proxy"] = called("a wipe", "https://drips.invalid", dripping)
        calls["a proxy over TLS"] = called("an observation", "https://ecs.test.invalid", whole)
        begun = {what: threads.submit(call) for what, call in calls.items()}
        _ended.update({what: each.result() for what, each in begun.items()})
    looked_up.set()
    return _ended


@pytest.mark.parametrize(("call", "name", "secured"), STEADILY)
def test_an_answer_that_drips_is_no_answer(dripped: dict[Any, Ended], call: str, name: str, *, secured: bool) -> None:
    """A byte at a time does not keep an exchange going: after its time it is Unanswered, and was sent once."""
    ended = dripped[call, name, secured]

    assert isinstance(ended.error, Unanswered)
    assert f"from {ended.server.endpoint}: the answer did not arrive" in str(ended.error)
    assert len(ended.server.requests) == 1
    assert ended.answers == ["Unanswered"]


def test_a_proxy_that_drips_lets_nothing_through(dripped: dict[Any, Ended]) -> None:
    """A proxy that answers a byte at a time ends the call in time, and nothing of the request has left."""
    ended = dripped["a proxy"]

    assert isinstance(ended.error, NotSent)
    assert "drips.invalid: the proxy 127.0.0.1" in str(ended.error)
    assert [request.method for request in ended.server.requests] == ["CONNECT"]


def test_a_handshake_that_drips_lets_nothing_through(dripped: dict[Any, Ended]) -> None:
    """A server that sends its part of the TLS handshake a byte at a time has seen nothing of the request."""
    ended = dripped["a handshake"]

    assert isinstance(ended.error, NotSent)
    assert "TLS" in str(ended.error)


def test_a_proxy_over_tls_that_drips_is_no_answer(dripped: dict[Any, Ended]) -> None:
    """TLS within TLS keeps to the same time, one byte of the outer one after the other."""
    ended = dripped["a proxy over TLS"]

    assert isinstance(ended.error, Unanswered)
    assert len(ended.server.requests) == 1


def test_a_name_that_is_looked_up_for_ever_lets_nothing_through(dripped: dict[Any, Ended]) -> None:
    """A name server that never answers holds a call up no longer than connecting may take."""
    ended = dripped["a name"]

    assert isinstance(ended.error, NotSent)
    assert "name of the endpoint cannot be resolved" in str(ended.error)


def test_a_proxy_over_tls_is_spoken_to(
    gateway: Connect, serve: Serve, test_authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An https:// proxy lets calls through, which share its connection."""
    server = serve(Answer(WHOLE))
    with Proxy(server.endpoint, inner_tls=test_authority.server) as proxy:
        front = serve(proxy.endpoint, kind=Front, tls=test_authority.server)
        monkeypatch.setenv("HTTPS_PROXY", front.url)
        to = gateway("https://ecs.test.invalid", ca_bundle=str(test_authority.bundle))
        assert to.cloud.describe_disks(["d-1"]).items == to.cloud.describe_disks(["d-1"]).items == ()

        assert [request.target for request in proxy.requests] == ["ecs.test.invalid:443"]


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
def bomb() -> bytes:
    """Return what is small until it is unpacked."""
    return gzip.compress(PADDED)


def rows() -> bytes:
    """Return more disks than any page has."""
    row = '{"DiskId": "d-1", "Type": "data", "Status": "In_use", "Size": 40}'
    return http(200, f'{{"RequestId": "R", "Disks": {{"Disk": [{",".join([row] * 300_000)}]}}}}')


HUGE: dict[str, Callable[[], bytes]] = {
    "a body": lambda: http(200, PADDED),
    "three hundred thousand rows": rows,
    "pieces": lambda: chunked(PADDED),
    "a gzip bomb": lambda: packed(bomb(), "gzip"),
    "a deflate bomb": lambda: packed(zlib.compress(PADDED), "deflate"),
    "a gzip bomb in pieces": lambda: chunked(bomb(), "Content-Encoding: gzip\r\n"),
    "gzip in gzip": lambda: packed(gzip.compress(bomb()), "gzip, gzip"),
    "an error": lambda: error(403, "Forbidden.RAM", " " * TOO_MUCH).data,
    "an error of the server": lambda: error(503, "ServiceUnavailable", " " * TOO_MUCH).data,
    "the size of a piece": lambda: b"%b%b\r\n\r\n" % (IN_PIECES, b"0" * TOO_MUCH),
    "a line of the head": lambda: b"HTTP/1.1 200 OK\r\nX: " + b"x" * TOO_MUCH + b"\r\n\r\n",
    "lines of the head": lambda: b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 300_000 + b"\r\n",
    "heads that are no answer yet": lambda: b"HTTP/1.1 100 Continue\r\nX: %b\r\n\r\n" % (b"x" * 60_000) * 300 + WHOLE,
    "the end of the pieces": lambda: (
        chunked(json.dumps(NO_DISKS).encode())[:-2] + b"X: %b\r\n" % (b"x" * 60_000) * 300 + b"\r\n"
    ),
}
"""Answers that are valid, and too large in one way each."""


@pytest.mark.parametrize(("call", "name"), [*(("a wipe", name) for name in HUGE), ("an observation", "a body")])
def test_an_answer_that_is_too_large_is_no_answer(gateway: Connect, serve: Serve, call: str, name: str) -> None:
    """What is larger than any answer of ECS is not read to its end: it is Unanswered, and was sent once."""
    server = serve(Answer(HUGE[name](), "close"))

    with pytest.raises(Unanswered):
        CALLS[call](gateway(server.url))

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(packed(gzip.compress(json.dumps(NO_DISKS).encode()), "gzip"), id="gzip"),
        pytest.param(packed(zlib.compress(json.dumps(NO_DISKS).encode()), "deflate"), id="deflate"),
        pytest.param(chunked(json.dumps(NO_DISKS).encode()), id="pieces"),
        pytest.param(http(200, json.dumps({**NO_DISKS, "Padding": " " * 12 * 2**20})), id="twelve MiB"),
    ],
)
def test_an_answer_that_is_large_or_packed_is_read(gateway: Connect, serve: Serve, text: bytes) -> None:
    """An answer within the limit is read however it comes, packed by something on its way, too."""
    to = gateway(serve(Answer(text)).url)

    assert to.cloud.describe_disks(["d-1"]).items == ()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(packed(gzip.compress(json.dumps(NO_DISKS).encode())[:-9], "gzip"), id="cut gzip"),
        pytest.param(packed(b"this is no gzip", "gzip"), id="no gzip"),
        pytest.param(packed(json.dumps(NO_DISKS).encode(), "br"), id="another coding"),
    ],
)
def test_what_cannot_be_unpacked_is_no_answer(gateway: Connect, serve: Serve, text: bytes) -> None:
    """A wipe whose answer is packed in a way that cannot be read is Unanswered, and was sent once."""
    server = serve(Answer(text))

    with pytest.raises(Unanswered):
        CALLS["a wipe"](gateway(server.url))

    assert len(server.requests) == 1


@pytest.mark.virtual_time
def test_a_run_whose_wipe_is_answered_by_too_much_finds_out_by_looking() -> None:
    """A wipe that ECS did and answered with megabytes is an unanswered call: seen to be done, and not sent again."""
    with virtual.simulate() as simulator:

        def respond(request: Any) -> Answer:
            text = forward(request, simulator.endpoint)
            return answer(200, {"RequestId": "R", "P": " " * TOO_MUCH}) if request.action == "ReInitDisk" else text

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

    with pytest.raises(RunRefused, match=f"from {server.endpoint}: the response"):
        client.plan([DISK])
