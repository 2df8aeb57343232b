"""Connections that keep to the limits of an attempt, and record that its request is sent."""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import ssl
from contextlib import suppress
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection

from ...threads import Background
from .attempt import NO_TLS, RequestInProgress

ADDRESS_TIMEOUT = 5.0
"""Real seconds for one address of a host name; after that, the next one is tried."""
_CHUNK_SIZE = 64 * 1024


class _Stream(io.RawIOBase):
    """What an answer is read from: a socket, within the limits of the attempt."""

    def __init__(self, sock: Any, attempt: RequestInProgress) -> None:  # noqa: ANN401 - as above
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)  # this keeps the socket open while the answer is read
        self._attempt = attempt

    def readable(self) -> bool:
        """Implement ``io.RawIOBase``."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - as above
        """Implement ``io.RawIOBase``."""
        self._attempt.limit(self._sock)
        count = int(self._raw.readinto(buffer))
        self._attempt.count(count)
        return count

    def close(self) -> None:
        """Implement ``io.RawIOBase``."""
        self._raw.close()
        super().close()

    def makefile(self, *_: object) -> io.BufferedReader:
        """Act as the socket from which http.client reads an answer."""
        return io.BufferedReader(self)


class _Limited:
    """A TLS connection to a proxy that contains another one: each of its steps keeps to the limits."""

    def __init__(self, sock: ssl.SSLSocket, connection: PlainConnection) -> None:
        self._sock: Any = sock
        self._connection = connection

    def recv(self, size: int) -> bytes:
        """Implement ``socket.socket``."""
        self._connection.attempt.limit(self._sock)
        return bytes(self._sock.recv(size))

    def sendall(self, data: bytes) -> None:
        """Implement ``socket.socket``."""
        self._connection.attempt.limit(self._sock)
        self._sock.sendall(data)

    @property
    def _io_refs(self) -> int:
        return int(self._sock._io_refs)

    @_io_refs.setter
    def _io_refs(self, count: int) -> None:
        self._sock._io_refs = count

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as above
        return getattr(self._sock, name)


class PlainConnection(HTTPConnection):
    """A connection that keeps to the limits of its present attempt, and records that its request is sent."""

    attempt: RequestInProgress
    last_used = 0.0
    _in_tunnel = False

    def _new_conn(self) -> socket.socket:
        attempt = self.attempt
        attempt.step = f"the name of the {self._role} cannot be resolved"
        addresses = _resolve(self._dns_host, self.port, attempt)
        attempt.step = f"no connection could be made to the {self._role}"
        failed: Exception = OSError()
        for family, kind, protocol, _, address in addresses:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(min(ADDRESS_TIMEOUT, attempt.remaining()))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(attempt.remaining())
            except BaseException as error:
                sock.close()
                if not isinstance(error, OSError):
                    raise
                failed = error
            else:
                return sock
        raise failed

    @property
    def _role(self) -> str:
        return f"proxy {self.host}" if self.proxy else "endpoint"

    def _tunnel(self) -> None:
        self.attempt.step = f"the proxy {self.host} did not let it through"
        self._in_tunnel = True
        try:
            super()._tunnel()  # http.client's, which urllib3 calls as well
        finally:
            self._in_tunnel = False
        self.attempt.step = NO_TLS
        self.attempt.limit(self.sock)

    def send(self, data: Any) -> None:  # noqa: ANN401 - as http.client has it
        """Send bytes of the request; connect first, so that a failure until then means that nothing was sent."""
        if self.sock is None:
            self.connect()
        if not self._in_tunnel:
            self.attempt.leave()
        for start in range(0, len(data), _CHUNK_SIZE):
            self.attempt.limit(self.sock)
            self.sock.sendall(data[start : start + _CHUNK_SIZE])

    def response_class(self, sock: Any, method: str | None = None) -> http.client.HTTPResponse:  # type: ignore[override] # noqa: ANN401
        """Read an answer within the limits of the attempt; http.client has a class here, and calls it."""
        return http.client.HTTPResponse(_Stream(sock, self.attempt), method=method)  # type: ignore[arg-type]

    def reply(self) -> http.client.HTTPResponse:
        """Return the answer with its body unread: urllib3's own method would log the URL if the head is odd."""
        return http.client.HTTPConnection.getresponse(self)


class TlsConnection(PlainConnection, HTTPSConnection):
    """The same over TLS."""

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        self.attempt.step = NO_TLS
        return sock

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> Any:  # noqa: ANN401 - see _Limited
        return _Limited(super()._connect_tls_proxy(hostname, sock), self)


def _resolve(host: str, port: int, attempt: RequestInProgress) -> list[Any]:
    """Return the addresses of a host name in a thread, because nothing limits how long the system looks for them."""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    resolving = Background(lambda: socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM), "safe-reinit-resolve")
    resolving.start()
    with suppress(ValueError):  # no host name has this form
        if resolving.ended.wait(attempt.remaining()):
            return resolving.result()
    raise OSError
