"""HTTP as this program needs it: one request, sent once, within a time limit, with a limit on what is read.

The SDK's own transport ignores NO_PROXY, sends loopback calls through HTTP_PROXY, follows redirects, keeps its sessions
in a table of the whole process, prints headers if ``DEBUG=sdk`` is set, and reads answers of any size for any time.
Here each gateway has its own connections, nothing is logged, and nothing outside is changed.
"""

from __future__ import annotations

import base64
import http.client
import os
import ssl
import threading
import weakref
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import SplitResult, unquote, urlsplit

import certifi
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import ProxyConfig
from urllib3.util import Url, parse_url

from ...clock import boottime
from .attempt import (
    CANNOT_MAKE,
    MAX_ANSWER_BYTES,
    NO_CERTIFICATES,
    NO_TLS,
    ForbiddenError,
    LostError,
    NotLeftError,
    Reply,
    RequestInProgress,
    TooLargeError,
    cannot_make,
)  # fmt: skip
from .sources import CA_VARIABLES
from .wire import PlainConnection, TlsConnection

_MAX_IDLE = 3.0
"""Real seconds that an idle connection may still be used. How long ECS keeps one open is not documented."""
_CHUNK_SIZE = 64 * 1024
_CANNOT_USE = "the address of the endpoint or of the proxy cannot be used"


class Connections:
    """The connections of one gateway. Safe to use from several threads; a forked child uses none of its parent's.

    Args:
        ca_bundle: the certificates to trust; by default those that the environment names, otherwise certifi's.
        proxy: the proxy for HTTPS; else the one that the environment names. Plain HTTP, which only hosts nearby
            speak (such as the metadata server), goes as the environment says.
        direct: whether no proxy is used, whatever the environment says.

    """

    def __init__(self, *, ca_bundle: str = "", proxy: str = "", direct: bool = False) -> None:
        self._ca_bundle = ca_bundle
        self._own_proxy = proxy
        self._direct = direct
        self._closed = False
        self._going: set[RequestInProgress] = set()
        self._idle: dict[tuple[str, str], list[PlainConnection]] = {}
        self.forget()
        _all.add(self)

    def forget(self) -> None:
        """Drop all connections: in a forked child they belong to the parent, which keeps them and notices nothing."""
        self._lock = threading.Lock()
        idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()
        self._tls: ssl.SSLContext | None = None
        self._pid = os.getpid()

    def send(
        self, attempt: RequestInProgress, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Reply:
        """Send one request, once; a redirect is an answer like any other.

        Raises:
            NotLeftError: no byte of it left this machine.
            LostError: it may have arrived, but no complete answer came in time.
        """
        attempt.begin()
        try:
            with self._under_way(attempt):
                return self._send(attempt, urlsplit(url), method, headers, body)
        except Exception as error:  # noqa: BLE001 - its text may hold the whole URL
            failed = _failed(attempt, error)
        raise failed

    def close(self) -> None:
        """Close the connections; a request that was not sent by now never will be."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, {}
            for attempt in self._going:
                attempt.abandon("the run closed its connections")
        for connections in idle.values():
            for connection in connections:
                connection.close()

    @contextmanager
    def _under_way(self, attempt: RequestInProgress) -> Iterator[None]:
        if self._pid != os.getpid():
            self.forget()
        with self._lock:
            if self._closed:
                attempt.abandon("the run closed its connections")
            self._going.add(attempt)
        try:
            yield
        finally:
            with self._lock:
                self._going.discard(attempt)

    def _send(
        self, attempt: RequestInProgress, url: SplitResult, method: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        proxy = self._proxy(attempt, url)
        target = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
        more: Mapping[str, str] = {}
        if proxy is not None and url.scheme == "http":
            target, more = url.geturl(), _authorization(proxy)
        key = (f"{url.scheme}://{url.netloc}", str(proxy))
        connection = self._take(key)
        if connection is None:
            connection = self._make(attempt, url, proxy)
        attempt.step = CANNOT_MAKE
        connection.attempt = attempt
        try:
            connection.request(method, target, body=body or None, headers={**headers, **more})
            response = connection.reply()
            attempt.status = response.status
            content = _body(response)
            stays = not response.will_close
            response.close()
        except BaseException:
            connection.close()
            raise
        if stays:
            self._keep(key, connection)
        else:
            connection.close()
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, content)

    def _proxy(self, attempt: RequestInProgress, url: SplitResult) -> Url | None:
        """Return the proxy that the environment specifies for this URL."""
        if self._direct:
            return None
        attempt.step = _CANNOT_USE
        address = f"{url.scheme}://{url.netloc}"  # without the parameters, which are not needed for the choice
        own = self._own_proxy if url.scheme == "https" else ""
        proxy_url = own or select_proxy(address, get_environ_proxies(address))
        if not proxy_url:
            return None
        proxy = parse_url(proxy_url if "://" in proxy_url else f"http://{proxy_url}")
        if proxy.scheme not in ("http", "https") or not proxy.host:
            attempt.step = "the proxy is of a kind that is not supported: only http:// and https:// are"
            raise ForbiddenError
        return proxy

    def _make(self, attempt: RequestInProgress, url: SplitResult, proxy: Url | None) -> PlainConnection:
        attempt.step = _CANNOT_USE
        host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        server_name = host if proxy is None else str(proxy.host).strip("[]")
        at = port if proxy is None else proxy.port or (443 if proxy.scheme == "https" else 80)
        if url.scheme != "https":
            if proxy is not None and proxy.scheme == "https":
                raise ForbiddenError
            return PlainConnection(server_name, at, proxy=proxy)
        attempt.step = NO_CERTIFICATES
        tls = self._trust()
        attempt.step = _CANNOT_USE
        config = ProxyConfig(tls, use_forwarding_for_https=False, assert_hostname=None, assert_fingerprint=None)
        made = TlsConnection(server_name, at, proxy=proxy, proxy_config=config if proxy else None, ssl_context=tls)
        if proxy is not None:
            made.set_tunnel(host, port, _authorization(proxy), scheme=str(proxy.scheme))
        return made

    def _trust(self) -> ssl.SSLContext:
        """Return whom to trust: read once, since reading it takes longer than a request."""
        if self._tls is None:
            named = self._ca_bundle or next(filter(None, map(os.environ.get, CA_VARIABLES)), "")
            bundle = named or certifi.where()
            folder = os.path.isdir(bundle)
            self._tls = ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)
        return self._tls

    def _take(self, key: tuple[str, str]) -> PlainConnection | None:
        """Return a recently used connection: the other side may be closing one that was idle for long."""
        while True:
            with self._lock:
                idle = self._idle.get(key)
                if not idle:
                    return None
                connection = idle.pop()
            if boottime() - connection.last_used <= _MAX_IDLE and connection.is_connected:
                return connection
            connection.close()

    def _keep(self, key: tuple[str, str], connection: PlainConnection) -> None:
        connection.last_used = boottime()
        with self._lock:
            if not self._closed:
                self._idle.setdefault(key, []).append(connection)
                return
        connection.close()


_all: weakref.WeakSet[Connections] = weakref.WeakSet()


def _forked() -> None:
    for each in _all:
        each.forget()


os.register_at_fork(after_in_child=_forked)


def _authorization(proxy: Url) -> dict[str, str]:
    if not proxy.auth:
        return {}
    word = unquote(proxy.auth).encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(word).decode('ascii')}"}


def _body(response: http.client.HTTPResponse) -> bytes:
    """Read a body to its end, decompressed, up to the limit for any answer."""
    packed = (response.getheader("content-encoding") or "identity").strip().lower()
    if packed not in ("identity", "gzip", "x-gzip", "deflate"):
        raise TooLargeError  # compressed although nobody asked for it: it cannot be read
    unpack = None if packed == "identity" else zlib.decompressobj(wbits=47)  # zlib or gzip, whichever it is
    parts: list[bytes] = []
    size = 0
    while piece := response.read(_CHUNK_SIZE):
        part = unpack.decompress(piece, MAX_ANSWER_BYTES + 1 - size) if unpack else piece
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES or (unpack is not None and unpack.unconsumed_tail):
            raise TooLargeError
    if response.length or (unpack is not None and parts and not unpack.eof):
        raise http.client.IncompleteRead(b"")
    return b"".join(parts)


def _tls_failure(error: Exception) -> str:
    """Return why the two sides did not agree on TLS; OpenSSL's words name certificates and hosts, but no secret."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message).rstrip(".")
    if isinstance(error, (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "the other side closed the connection"
    if isinstance(error, ssl.SSLError) and (reason := getattr(error, "reason", None)):
        return str(reason).lower().replace("_", " ")
    if isinstance(error, TimeoutError):
        return "it was not made in time"
    return type(error).__name__


def _failed(attempt: RequestInProgress, error: Exception) -> NotLeftError | LostError:
    """Return, in our words, what went wrong."""
    if not attempt.left:
        if attempt.step == CANNOT_MAKE:
            return cannot_make(error)
        return NotLeftError(f"{NO_TLS}: {_tls_failure(error)}" if attempt.step == NO_TLS else attempt.step)
    if isinstance(error, TimeoutError):
        return LostError("the answer did not arrive completely in time")
    if isinstance(error, TooLargeError):
        return LostError(f"the answer is larger than {MAX_ANSWER_BYTES // 2**20} MiB, or cannot be unpacked")
    return LostError("the connection broke before the answer was complete")
