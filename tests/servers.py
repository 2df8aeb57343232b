"""Little servers on loopback that misbehave as told: an HTTP or HTTPS endpoint, a proxy, a certificate authority."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from safe_reinit.simulator import gateway
from safe_reinit.simulator.wire.request import RawRequest
from tests import virtual

_SOCKET_TIMEOUT = 20.0
"""Seconds after which a connection that nothing happens on is given up, so that no test can hang for good."""


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    raw: bytes
    connection: int
    """The number of the connection it came on, from 0."""

    @property
    def action(self) -> str:
        """The API that is called."""
        return self.headers.get("x-acs-action", "")

    @property
    def params(self) -> dict[str, str]:
        """All parameters, of the query and of a form body."""
        pairs = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        pairs |= parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[-1] for name, values in pairs.items()}


@dataclass(frozen=True)
class Answer:
    """What a server does with a request: the bytes it writes, and what becomes of the connection."""

    data: bytes
    ending: Literal["keep", "close", "reset", "hang"] = "keep"
    drip: float = 0.0
    """Seconds between one byte and the next."""


def http(
    status: int,
    body: bytes | str = b"",
    *,
    kind: str = "application/json",
    headers: Mapping[str, str] | None = None,
    length: int | None = None,
) -> bytes:
    """Write an HTTP answer; ``length`` lies about the length of the body."""
    content = body.encode() if isinstance(body, str) else body
    date = format_datetime(datetime.now(UTC), usegmt=True)
    fields = {
        "Content-Type": kind,
        "Date": date,
        "Content-Length": str(len(content) if length is None else length),
        **(headers or {}),
    }
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def answer(status: int, body: Any, **more: Any) -> Answer:
    """Answer with this JSON."""
    return Answer(http(status, json.dumps(body), **more))


def error(status: int, code: str, message: str = "a message", **more: Any) -> Answer:
    """Answer with an error as ECS writes it."""
    body = {"RequestId": "REQ-1", "HostId": "ecs.aliyuncs.com", "Code": code, "Message": message, "Recommend": ""}
    return answer(status, body, **more)


Respond = Callable[[Request], Answer]


class Server:
    """Listens on a free loopback port and answers each request as ``respond`` says.

    Attributes:
        requests: every request that came, in order.
        connections: how many connections were made.

    """

    def __init__(
        self, respond: Respond | Answer, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._respond = respond if callable(respond) else lambda _request: respond
        self._tls = tls
        self._listener = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=64
        )
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[Request] = []
        self.connections = 0

    @property
    def endpoint(self) -> str:
        """``HOST:PORT``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address with its scheme."""
        return f"{'https' if self._tls else 'http'}://{self.endpoint}"

    def asked(self, action: str) -> list[Request]:
        """List the requests of one API."""
        return [request for request in self.requests if request.action == action]

    def __enter__(self) -> Server:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_SOCKET_TIMEOUT)

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                number = self.connections
                self.connections += 1
            connection.settimeout(_SOCKET_TIMEOUT)
            self._start(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with self._lock:
            self._open.add(connection)
        try:
            if self._tls is not None:
                connection = self._secured(connection)
            self._talk(connection, number)
        except (OSError, ValueError):
            pass  # the other side left, or this one was told to end
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _secured(self, plain: socket.socket) -> socket.socket:
        assert self._tls is not None
        try:
            secured = self._tls.wrap_socket(plain, server_side=True)
        except (OSError, ValueError):
            plain.close()
            raise
        with self._lock:
            self._open.discard(plain)
            self._open.add(secured)
        return secured

    def _talk(self, connection: socket.socket, number: int) -> None:
        with connection.makefile("rb") as stream:
            if stream.peek(1)[:1] == b"\x16":  # TLS spoken to a plain port
                connection.sendall(http(400, "<html>plain HTTP, please</html>", kind="text/html"))
                return
            while (request := _read(stream, number)) is not None:
                self.requests.append(request)
                text = self._respond(request)
                if not self._reply(connection, request, text):
                    return

    def _reply(self, connection: socket.socket, request: Request, reply: Answer) -> bool:
        """Write an answer; tell whether the connection goes on."""
        del request
        self._write(connection, reply)
        if reply.ending == "hang":
            self._ended.wait(_SOCKET_TIMEOUT)
        if reply.ending == "reset":
            # Lingering for no time makes the kernel send RST instead of FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return reply.ending == "keep"

    def _write(self, connection: socket.socket, reply: Answer) -> None:
        """Write the bytes of an answer, at once or one by one; over TLS each is a record of its own."""
        if not reply.drip:
            connection.sendall(reply.data)
            return
        for byte in reply.data:
            connection.sendall(bytes([byte]))
            if self._ended.wait(reply.drip):
                return


def _read(stream: Any, number: int) -> Request | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        head += line
    first, *rest = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in rest if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = stream.read(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body, head + body, number)


def forward(request: Request, upstream: str) -> Answer:
    """Hand a request on, byte by byte, and the answer back; to a simulator in the process of the test, too."""
    if virtual.is_on() and (simulator := virtual.current().simulators.get(f"http://{upstream}")):
        return _answer_of(simulator, request)
    host, _, port = upstream.partition(":")
    with socket.create_connection((host, int(port)), 10) as line:
        line.sendall(request.raw.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        data = b""
        while part := line.recv(65536):
            data += part
    return Answer(data, "close")


_ONE_REQUEST = threading.Lock()
"""The locks of a simulator on virtual time are for its tasks: the threads of a real server must not meet there."""


def _answer_of(simulator: virtual.Simulator, request: Request) -> Answer:
    raw = RawRequest(request.method, request.target, request.headers, request.body)
    with _ONE_REQUEST:
        reply, _ = gateway.respond(simulator.engine, raw)
    if reply.ending != "answer":
        return Answer(b"", "reset" if reply.ending == "reset" else "close")
    assert not reply.delay, "a real server does not wait on virtual time"
    headers = {
        **gateway.headers_of(simulator.engine, reply),
        "Connection": "close",
    }  # or the next request meets the end
    return Answer(http(reply.status, reply.body, headers=headers), "close")


class Proxy(Server):
    """An HTTP proxy: says ``greeting`` to each CONNECT; without one it pipes to ``upstream``, whoever was asked for.

    With ``inner_tls`` it plays the endpoint itself: it speaks TLS to the client and plain HTTP to ``upstream``, so that
    a test reaches any host name there is without leaving this machine. ``alter`` changes the bytes of the answers, and
    ``drip`` is the seconds between two bytes of the greeting.
    """

    def __init__(
        self,
        upstream: str = "",
        *,
        greeting: bytes | None = None,
        inner_tls: ssl.SSLContext | None = None,
        alter: Callable[[bytes], bytes] = bytes,
        drip: float = 0.0,
    ) -> None:
        super().__init__(Answer(b""))
        self._upstream = upstream
        self._greeting = greeting
        self._drip = drip
        self._inner_tls = inner_tls
        self._alter = alter

    def _reply(self, connection: socket.socket, request: Request, reply: Answer) -> bool:
        del reply
        if self._greeting is not None or request.method != "CONNECT":
            reply = self._greeting or http(405, "CONNECT only", kind="text/plain")
            self._write(connection, Answer(reply, drip=self._drip))
            return False
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        inner = self._inner_tls.wrap_socket(connection, server_side=True) if self._inner_tls else connection
        with self._lock:
            self._open.add(inner)
        try:
            pass_on(inner, self._upstream, self._alter)
        finally:
            with self._lock:
                self._open.discard(inner)
            inner.close()
        return False


def pass_on(connection: socket.socket, upstream: str, alter: Callable[[bytes], bytes] = bytes) -> None:
    """Hand the bytes of a connection on to another server, and its own back, until either side ends."""
    host, _, port = upstream.rpartition(":")
    with socket.create_connection((host, int(port)), _SOCKET_TIMEOUT) as onward:
        back = threading.Thread(target=_pipe, args=(onward, connection, alter), daemon=True)
        back.start()
        _pipe(connection, onward, bytes)
        back.join(_SOCKET_TIMEOUT)


def _pipe(source: socket.socket, sink: socket.socket, alter: Callable[[bytes], bytes]) -> None:
    with suppress(OSError, ValueError):
        while data := source.recv(65536):
            sink.sendall(alter(data))
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Authority:
    """A certificate authority of a test: its own certificate, and a server's context for some host names."""

    bundle: Path
    server: ssl.SSLContext = field(repr=False)
    chain: Path
    """The server's certificate and its key."""


def authority(folder: Path, *names: str) -> Authority:
    """Make a certificate authority and a certificate for these names (and 127.0.0.1)."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.now(UTC)

    def builder(common: str, issuer: x509.Name | None, key: Any) -> x509.CertificateBuilder:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer or name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_id = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    root = (
        builder("safe-reinit test authority", None, root_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(root_id, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    hosts: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    hosts.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    leaf = (
        builder("safe-reinit test", root.subject, key)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_id), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    bundle, chain = folder / "authority.pem", folder / "server.pem"
    bundle.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    chain.write_bytes(
        leaf.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return Authority(bundle, context, chain)


def basic(user: str, password: str) -> str:
    """Write the credentials as a Proxy-Authorization header has them."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def refused_port() -> int:
    """Return a loopback port that nobody listens on, and that the system gives to nobody else while this process lasts.

    It stays bound without listening, so that connecting is refused; a server that is told to may still listen on it.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port = int(held.getsockname()[1])
    held.detach()  # open until the process ends
    return port
