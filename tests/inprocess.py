"""The real SDK against the simulator's engine in the same process: everything but sockets and HTTP's own bytes.

What is below the SDK, the connections of a gateway, is replaced. Signing, parameters, the limits of an exchange, error
parsing and the simulator's gateway are all real; what is tested of HTTP itself (TLS, proxies, half an answer) goes
through a real server elsewhere.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from safe_reinit.cloud.aliyun.attempt import ForbiddenError, LostError, NotLeftError, Reply, RequestInProgress
from safe_reinit.cloud.aliyun.transport import Connections
from safe_reinit.simulator import gateway
from safe_reinit.simulator.engine import Engine
from safe_reinit.simulator.wire import answers
from safe_reinit.simulator.wire.request import RawRequest

HOST = "127.0.0.1:1"
"""Where the engine is said to be: on loopback, at a port where nothing listens."""


class Line(Protocol):
    """What carries requests to an engine, in the place of connections."""

    def send(self, attempt: RequestInProgress, raw: RawRequest) -> Reply:
        """Send one request once; see ``Connections.send``."""


class Connection:
    """Hands each request to the engine.

    Args:
        engine: the simulated ECS.
        pause: waits so many seconds on the clock that program and engine share.
        travel: the seconds that a request and its answer are on their way, together.

    """

    def __init__(self, engine: Engine, pause: Callable[[float], None] = time.sleep, *, travel: float = 0.0) -> None:
        self._engine, self._pause, self._travel = engine, pause, travel
        self._lock = threading.Lock()

    def send(self, attempt: RequestInProgress, raw: RawRequest) -> Reply:
        """Send one request once; see ``Connections.send``."""
        leave(attempt)
        if self._travel:
            self._pause(self._travel / 2)
        with self._lock:
            reply, _call = gateway.respond(self._engine, raw)
        max_wait, late = attempt.remaining(), self._travel / 2 + reply.delay / self._engine.cloud.clock.speed
        if late >= max_wait:
            self._pause(max_wait)
            raise LostError("the answer did not arrive completely in time")
        self._pause(late)
        return came(attempt, reply, gateway.headers_of(self._engine, reply))


def leave(attempt: RequestInProgress) -> None:
    """Let a request leave, as a connection does immediately before the first byte."""
    try:
        attempt.leave()
    except (ForbiddenError, TimeoutError):
        raise NotLeftError(attempt.step) from None


def came(attempt: RequestInProgress, reply: answers.Reply, headers: Mapping[str, str]) -> Reply:
    """Return an answer as a connection does, or lose it where the simulator does."""
    if reply.ending != "answer":
        raise LostError("the connection broke before the answer was complete")
    attempt.status = reply.status
    return Reply(reply.status, {name.lower(): value for name, value in headers.items()}, reply.body)


class VendorConnection(BaseAdapter):
    """The same for the vendor's own client in a test, which sends through ``requests``."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        """Send one request."""
        attempt = RequestInProgress(60.0)
        attempt.begin()
        body = request.body.encode() if isinstance(request.body, str) else bytes(request.body or b"")  # type: ignore[arg-type]
        raw = RawRequest(request.method or "GET", request.path_url, _lower(request.headers), body)
        reply = self._line.send(attempt, raw)
        answer = HTTPResponse(io.BytesIO(reply.body), headers=reply.headers, status=reply.status, preload_content=False)
        return HTTPAdapter().build_response(request, answer)

    def close(self) -> None:
        """Do nothing: there is no connection."""


@contextmanager
def connected(lines: Mapping[str, Line]) -> Iterator[None]:
    """Let what the program sends to these hosts (``HOST:PORT``) go by their lines while the block lasts."""
    real = Connections.send

    def send(
        self: Connections,
        attempt: RequestInProgress,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes = b"",
    ) -> Reply:
        parts = urlsplit(url)
        line = lines.get(parts.netloc)
        if line is None:
            return real(self, attempt, method, url, headers, body)
        attempt.begin()
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        return line.send(attempt, RawRequest(method, target, _lower(headers), body))

    vendor = requests.Session.get_adapter

    def get_adapter(self: requests.Session, url: str) -> BaseAdapter:
        line = lines.get(urlsplit(url).netloc)
        return vendor(self, url) if line is None else VendorConnection(line)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connections, "send", send)
        patch.setattr(requests.Session, "get_adapter", get_adapter)
        yield


def _lower(headers: Mapping[str, Any]) -> dict[str, str]:
    return {name.lower(): str(value) for name, value in headers.items()}
