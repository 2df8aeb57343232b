"""How requests leave, over real sockets: which way, once, and whether one left at all when it failed."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from safe_reinit.cloud.aliyun import attempt, exchange, transport, wire
from safe_reinit.cloud.interface import NotSent, Refused, Unanswered
from safe_reinit.model import Options
from safe_reinit.simulator import Simulator
from tests.conftest import Connect, Gateway, Serve
from tests.servers import Answer, Authority, Proxy, answer, error, http, refused_port

ALL_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
NO_DISKS = {"RequestId": "REQ-1", "Disks": {"Disk": []}}
ELSEWHERE = "https://ecs.test.invalid"
RESET = Answer(b"", "reset")


def reinit(gateway: Gateway) -> object:
    """Send the call that must never be sent twice."""
    return gateway.cloud.reinit_disk("d-1", Options())


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return a port whose queue of connections is full, so that connecting never ends."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


# ------------------------------------------------------------------------------------------------ no byte left


def test_a_refused_port_is_not_sent(gateway: Connect) -> None:
    """A call to a port that nobody listens on is NotSent, and the record of calls says so."""
    to = gateway(f"http://127.0.0.1:{refused_port()}")

    with pytest.raises(NotSent, match="no connection could be made"):
        reinit(to)

    assert [(call.code, call.http_status, call.request_id) for call in to.calls] == [("NotSent", None, None)]


def test_a_name_that_does_not_resolve_is_not_sent(gateway: Connect) -> None:
    """A call to a host name that does not exist is NotSent and says that the name is the matter."""
    to = gateway("https://ecs.nowhere.invalid")

    with pytest.raises(NotSent, match="name of the endpoint cannot be resolved"):
        reinit(to)


def test_a_connection_that_never_comes_is_not_sent(
    gateway: Connect, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time-out while connecting is NotSent, unlike one while waiting for the answer."""
    monkeypatch.setattr(attempt, "CONNECT_TIMEOUT", 0.2)
    to = gateway(f"http://127.0.0.1:{silent_port}")

    with pytest.raises(NotSent):
        reinit(to)


def test_tls_to_a_plain_port_is_not_sent(gateway: Connect, serve: Serve) -> None:
    """Speaking TLS to a server that speaks plain HTTP is NotSent: the request itself never left."""
    server = serve(answer(200, NO_DISKS))
    to = gateway(f"https://{server.endpoint}")

    with pytest.raises(NotSent, match=r"TLS connection could be made: wrong version number"):
        reinit(to)

    assert server.asked("ReInitDisk") == []


def test_an_untrusted_certificate_is_not_sent(gateway: Connect, serve: Serve, test_authority: Authority) -> None:
    """A certificate that nobody vouches for ends the call before the request is written."""
    server = serve(answer(200, NO_DISKS), tls=test_authority.server)
    to = gateway(server.url)

    with pytest.raises(NotSent, match=r"TLS connection could be made: (self.signed certificate|unable to get)"):
        reinit(to)

    assert server.requests == []


def test_a_certificate_for_another_name_is_not_sent(gateway: Connect, serve: Serve, test_authority: Authority) -> None:
    """A trusted certificate for another host name ends the call before the request is written."""
    server = serve(answer(200, NO_DISKS), tls=test_authority.server)
    to = gateway(f"https://localhost:{server.port}", ca_bundle=str(test_authority.bundle))

    with pytest.raises(NotSent, match=r"TLS connection could be made: Hostname mismatch"):
        reinit(to)

    assert server.requests == []


def test_a_ca_bundle_is_trusted(gateway: Connect, serve: Serve, test_authority: Authority) -> None:
    """A certificate signed by the given CA bundle is trusted, and the call goes through."""
    server = serve(answer(200, NO_DISKS), tls=test_authority.server)
    to = gateway(server.url, ca_bundle=str(test_authority.bundle))

    assert to.cloud.describe_disks(["d-1"]).items == ()


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_ca_bundle_of_the_environment_is_trusted(
    gateway: Connect, serve: Serve, test_authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Where no CA bundle is given, that of the environment is trusted, for ECS and for STS; a given one wins."""
    identity = {"RequestId": "R", "AccountId": "1", "Arn": "acs:ram::1:user/u", "IdentityType": "RAMUser"}
    server = serve(
        lambda request: answer(200, identity if request.action == "GetCallerIdentity" else NO_DISKS),
        tls=test_authority.server,
    )
    monkeypatch.setenv(variable, str(test_authority.bundle))
    to = gateway(server.url)

    assert to.cloud.describe_disks(["d-1"]).items == ()
    assert to.cloud.get_caller().items[0].account == "1"

    monkeypatch.setenv(variable, "/nowhere")
    assert gateway(server.url, ca_bundle=str(test_authority.bundle)).cloud.describe_disks(["d-1"]).items == ()
    with pytest.raises(NotSent, match="certificates to trust cannot be read"):
        reinit(gateway(server.url))


def test_a_ca_bundle_that_is_none_is_not_sent(gateway: Connect, serve: Serve, tmp_path: Path) -> None:
    """A CA bundle without a certificate in it trusts nobody, and the call is NotSent."""
    bundle = tmp_path / "none.pem"
    bundle.write_text("this is no certificate")
    server = serve(answer(200, NO_DISKS))
    to = gateway(f"https://{server.endpoint}", ca_bundle=str(bundle))

    with pytest.raises(NotSent):
        reinit(to)


def test_a_hang_up_in_the_handshake_is_not_sent(gateway: Connect) -> None:
    """A server that hangs up before TLS is made has seen no byte of the request: NotSent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        to = gateway(f"https://127.0.0.1:{listener.getsockname()[1]}")

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.close()

        server = threading.Thread(target=hang_up)
        server.start()

        with pytest.raises(NotSent, match="the other side closed the connection"):
            reinit(to)

        server.join()


def test_a_time_out_in_the_handshake_is_not_sent(gateway: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never answers the TLS handshake has seen no byte of the request: NotSent."""
    monkeypatch.setattr(attempt, "CONNECT_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        to = gateway(f"https://127.0.0.1:{listener.getsockname()[1]}")

        with pytest.raises(NotSent):
            reinit(to)


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (TimeoutError(), "it was not made in time"),
        (ConnectionResetError(), "the other side closed the connection"),
        (ssl.SSLError(1, "no shared cipher"), "SSLError"),
    ],
    ids=["time", "reset", "no-reason"],
)
def test_a_failed_handshake_says_why(failure: Exception, text: str) -> None:
    """What ended a TLS handshake without a certificate being refused is named, too."""
    assert transport._tls_failure(failure) == text


@pytest.mark.parametrize(
    "greeting",
    [
        pytest.param(http(403, "<html>no</html>", kind="text/html"), id="403"),
        pytest.param(http(407, "", kind="text/html"), id="407"),
        pytest.param(http(502, "<html>bad</html>", kind="text/html"), id="502"),
        pytest.param(http(200, "<html>log in here</html>", kind="text/html"), id="200-with-a-page"),
        pytest.param(b"what is CONNECT?\r\n\r\n", id="no-http"),
        pytest.param(b"", id="hangs-up"),
    ],
)
def test_a_proxy_that_refuses_is_not_sent(gateway: Connect, monkeypatch: pytest.MonkeyPatch, greeting: bytes) -> None:
    """Whatever a proxy says instead of connecting, the request has not left."""
    with Proxy(greeting=greeting) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.endpoint}")
        to = gateway(ELSEWHERE)

        with pytest.raises(NotSent):
            reinit(to)

        assert [request.method for request in proxy.requests] == ["CONNECT"]


def test_a_dead_proxy_is_not_sent(gateway: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is not there means that nothing left, and the message names the proxy."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{refused_port()}")
    to = gateway(ELSEWHERE)

    with pytest.raises(NotSent, match="proxy"):
        reinit(to)


# --------------------------------------------------------------------------------------------- a byte may have left


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(RESET, id="reset"),
        pytest.param(Answer(b"", "close"), id="hang-up"),
        pytest.param(Answer(b"HTTP/1.1 200 OK\r\nContent-Le", "reset"), id="reset-in-the-head"),
        pytest.param(Answer(http(200, "{", length=100), "close"), id="cut-body"),
        pytest.param(Answer(http(200, "{", length=100), "reset"), id="reset-in-the-body"),
        pytest.param(Answer(b"garbage\r\n\r\n", "close"), id="no-http"),
        pytest.param(Answer(http(500, json.dumps({"Code": "X", "RequestId": "R"}), length=999), "close"), id="cut-500"),
    ],
)
def test_a_failure_after_the_request_is_unanswered(gateway: Connect, serve: Serve, text: Answer) -> None:
    """What fails once the request was written is Unanswered, and the request was written exactly once."""
    server = serve(text)
    to = gateway(server.url)

    with pytest.raises(Unanswered):
        reinit(to)

    assert len(server.requests) == 1
    assert [call.code for call in to.calls] == ["Unanswered"]


def test_a_late_answer_is_unanswered(gateway: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changing call whose answer does not come in time is Unanswered and is not sent again."""
    monkeypatch.setattr(exchange, "CHANGE_TIMEOUT", 0.2)
    server = serve(Answer(b"", "hang"))
    to = gateway(server.url)

    with pytest.raises(Unanswered):
        reinit(to)

    assert len(server.requests) == 1


def test_a_changing_call_is_given_more_time_than_a_describe_call(
    gateway: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read time-out of a look does not end a changing call, which is sent only once and so is given time."""
    monkeypatch.setattr(exchange, "READ_TIMEOUT", 0.2)
    server = serve(Answer(b"", "hang"))
    to = gateway(server.url)

    with pytest.raises(Unanswered):
        to.cloud.describe_disks(["d-1"])

    assert exchange.CHANGE_TIMEOUT == 60.0
    assert len(server.requests) == 1


def test_a_reset_behind_a_proxy_is_unanswered(
    gateway: Connect, serve: Serve, test_authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the proxy has connected and TLS is made, a reset may come after the request: Unanswered."""
    server = serve(RESET)
    with Proxy(server.endpoint, inner_tls=test_authority.server) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.endpoint}")
        to = gateway(ELSEWHERE, ca_bundle=str(test_authority.bundle))

        with pytest.raises(Unanswered):
            reinit(to)

    assert len(server.asked("ReInitDisk")) == 1


def test_an_earlier_failure_being_handled_does_not_confuse(gateway: Connect, serve: Serve) -> None:
    """A reset stays Unanswered where it happens while a NotSent of another call is being handled."""
    dead, resets = gateway(f"http://127.0.0.1:{refused_port()}"), gateway(serve(RESET).url)

    try:
        reinit(dead)
    except NotSent:
        with pytest.raises(Unanswered):
            reinit(resets)
    assert [call.code for call in resets.calls] == ["Unanswered"]


def test_a_later_failure_is_not_confused_by_an_earlier_answerless_call(gateway: Connect, serve: Serve) -> None:
    """A refused connection stays NotSent where it happens while an Unanswered of another call is being handled."""
    dead, resets = gateway(f"http://127.0.0.1:{refused_port()}"), gateway(serve(RESET).url)

    try:
        reinit(resets)
    except Unanswered:
        with pytest.raises(NotSent):
            reinit(dead)
    assert [call.code for call in dead.calls] == ["NotSent"]


# ---------------------------------------------------------------------------------------------------- exactly once

CALLS: dict[str, Callable[[Gateway], object]] = {
    "caller": lambda to: to.cloud.get_caller(),
    "disks": lambda to: to.cloud.describe_disks(["d-1"]),
    "disks_of": lambda to: to.cloud.describe_disks_of("i-1"),
    "instances": lambda to: to.cloud.describe_instances(["i-1"]),
    "snapshots": lambda to: to.cloud.describe_snapshots(["s-1"]),
    "snapshots_of": lambda to: to.cloud.describe_snapshots_of("d-1"),
    "snapshot_links": lambda to: to.cloud.describe_snapshot_links(["d-1"]),
    "images": lambda to: to.cloud.describe_images(["m-1"]),
    "key_pairs": lambda to: to.cloud.describe_key_pairs("ops"),
    "scaling_members": lambda to: to.cloud.describe_scaling_members(["i-1"]),
    "key": lambda to: to.cloud.describe_key("k-1"),
    "replica_pairs": lambda to: to.cloud.describe_replica_pairs(),
    "system_events": lambda to: to.cloud.describe_system_events(["i-1"]),
    "auto_snapshot_policy": lambda to: to.cloud.describe_auto_snapshot_policy("sp-1"),
    "may": lambda to: to.cloud.dry_run("DescribeDisks", ["d-1"]),
    "may_stop": lambda to: to.cloud.dry_run_stop("i-1"),
    "may_start": lambda to: to.cloud.dry_run_start("i-1"),
    "stop": lambda to: to.cloud.stop_instance("i-1"),
    "start": lambda to: to.cloud.start_instance("i-1"),
    "reinit": reinit,
    "create_snapshot": lambda to: to.cloud.create_snapshot(
        "d-1", name="n", description="d", token="t", retention_days=None, tags=()
    ),
    "reset_disk": lambda to: to.cloud.reset_disk("d-1", "s-1"),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_call_is_repeated(gateway: Connect, serve: Serve, name: str) -> None:
    """Every method sends one request and no more, whether it is answered with 400, 403, 500, 503, a page or a reset."""
    endings = iter(
        [
            error(400, "Throttling.User", headers={"x-acs-retry-after": "1"}),
            error(400, "InvalidParameter"),
            error(403, "Forbidden.RAM"),
            error(500, "InternalError"),
            error(503, "ServiceUnavailable"),
            Answer(http(502, "<html></html>", kind="text/html")),
            answer(200, {}),
            RESET,
        ]
    )
    server = serve(lambda _request: next(endings))
    to = gateway(server.url)

    for count in range(1, 9):
        with suppress(Refused, Unanswered):
            CALLS[name](to)
        assert len(server.requests) == count
        assert len(to.calls) == count


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(gateway: Connect, serve: Serve, status: int) -> None:
    """A redirect is Unanswered: following it could repeat a call, or send the signature elsewhere."""
    elsewhere = serve(answer(200, {"RequestId": "REQ-2"}))
    server = serve(Answer(http(status, "", headers={"Location": f"{elsewhere.url}/?x=1"})))
    to = gateway(server.url)

    with pytest.raises(Unanswered):
        reinit(to)

    assert (len(server.requests), elsewhere.requests) == (1, [])
    assert [call.code for call in to.calls] == ["Unanswered"]


# --------------------------------------------------------------------------------------------- connections, proxies


def test_calls_share_a_connection_but_none_rides_on_one_that_lay_idle(
    gateway: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls reuse a connection that was used a moment ago; one that lay idle may be closed already, and is left."""
    server = serve(lambda request: answer(200, NO_DISKS if request.action == "DescribeDisks" else {"RequestId": "R"}))
    to = gateway(server.url)

    to.cloud.describe_disks(["d-1"])
    to.cloud.stop_instance("i-1")
    now = transport.boottime()
    monkeypatch.setattr(transport, "boottime", lambda: now + 3.1)
    to.cloud.reinit_disk("d-1", Options())
    to.cloud.describe_disks(["d-1"])

    assert [request.connection for request in server.requests] == [0, 0, 1, 1]


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1", "http://localhost", "127.0.0.1"])
def test_loopback_uses_no_proxy(gateway: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """No proxy variable has a say over a loopback endpoint, for the looks of ECS and of STS alike."""
    identity = {"RequestId": "R", "AccountId": "1", "Arn": "acs:ram::1:user/u", "IdentityType": "RAMUser"}
    server = serve(lambda request: answer(200, identity if request.action == "GetCallerIdentity" else NO_DISKS))
    proxy = serve(error(400, "Wrong"))
    for name in ALL_PROXIES:
        monkeypatch.setenv(name, proxy.url)
    to = gateway(f"{endpoint}:{server.port}")

    to.cloud.get_caller()
    to.cloud.describe_disks(["d-1"])

    assert (len(server.requests), proxy.connections) == (2, 0)


def test_ipv6_loopback_is_served(gateway: Connect, serve: Serve) -> None:
    """A loopback endpoint may be written as an IPv6 address."""
    server = serve(answer(200, NO_DISKS), host="::1")
    to = gateway(server.url)

    to.cloud.describe_disks(["d-1"])

    assert [request.headers["host"] for request in server.requests] == [server.endpoint]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_elsewhere_goes_through_the_proxy(
    gateway: Connect, simulator: Simulator, test_authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """An endpoint that is not on this machine is reached through the proxy, by TLS from end to end."""
    with Proxy(simulator.endpoint, inner_tls=test_authority.server) as proxy:
        monkeypatch.setenv(variable, f"http://{proxy.endpoint}")
        to = gateway(ELSEWHERE, ca_bundle=str(test_authority.bundle))

        shown = to.cloud.describe_disks(["d-sim-web1-data"]).items

        assert [disk.disk_id for disk in shown] == ["d-sim-web1-data"]
        assert [(request.method, request.target) for request in proxy.requests] == [("CONNECT", "ecs.test.invalid:443")]


def test_a_client_has_a_proxy_of_its_own(
    gateway: Connect, serve: Serve, simulator: Simulator, test_authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy of the settings is used whatever the environment says, and by no other client."""
    other = serve(answer(200, NO_DISKS))
    monkeypatch.setenv("HTTPS_PROXY", other.url)
    monkeypatch.setenv("NO_PROXY", "*")
    bundle = str(test_authority.bundle)
    with Proxy(simulator.endpoint, inner_tls=test_authority.server) as proxy:
        to = gateway(ELSEWHERE, ca_bundle=bundle, proxy=f"http://{proxy.endpoint}")
        shown = to.cloud.describe_disks(["d-sim-web1-data"]).items
        with pytest.raises(NotSent, match="resolved"):
            gateway(ELSEWHERE, ca_bundle=bundle).cloud.describe_disks(["d-sim-web1-data"])

    assert [disk.disk_id for disk in shown] == ["d-sim-web1-data"]
    assert [request.target for request in proxy.requests] == ["ecs.test.invalid:443"]
    assert other.connections == 0


@pytest.mark.parametrize("exempt", ["ecs.test.invalid", ".test.invalid", "*"])
def test_no_proxy_is_honoured(gateway: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    """A host that NO_PROXY names is asked directly, which the SDK by itself would not do."""
    proxy = serve(answer(200, NO_DISKS))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", exempt)
    to = gateway(ELSEWHERE)

    with pytest.raises(NotSent, match="resolved"):
        to.cloud.describe_disks(["d-1"])

    assert proxy.connections == 0


def test_a_gateway_stays_usable_after_another_is_closed(gateway: Connect, serve: Serve) -> None:
    """Two gateways to one endpoint may share connections, but closing one does not end the other."""
    server = serve(answer(200, NO_DISKS))
    first, second = gateway(server.url), gateway(server.url)

    first.cloud.describe_disks(["d-1"])
    first.cloud.close()
    second.cloud.describe_disks(["d-1"])

    assert len(server.requests) == 2


def test_a_kind_of_proxy_that_is_not_supported_is_not_sent(
    gateway: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SOCKS proxy that the transport cannot speak to means that nothing left."""
    proxy = serve(Answer(b"", "close"))
    monkeypatch.setenv("ALL_PROXY", f"socks5://{proxy.endpoint}")
    to = gateway(ELSEWHERE)

    with pytest.raises(NotSent):
        reinit(to)

    assert proxy.connections == 0


def test_what_has_not_left_when_the_connections_are_let_go_never_does(
    gateway: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a run lets its connections go, a call that was about to be sent is NotSent, and so is each later one."""
    server = serve(answer(200, {"RequestId": "REQ-1"}))
    to = gateway(server.url)
    connect = wire.HTTPConnection.connect

    def closed_meanwhile(connection: wire.HTTPConnection) -> None:
        connect(connection)
        to.cloud.close()

    monkeypatch.setattr(wire.HTTPConnection, "connect", closed_meanwhile)
    for _ in range(2):
        with pytest.raises(NotSent, match="closed its connections"):
            reinit(to)

    assert server.requests == []
