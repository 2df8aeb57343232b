"""The real SDK against the simulator's engine in the same process: everything but sockets and HTTP's own bytes.

An adapter below ``requests`` takes the place of a connection. Signing, parameters, shapes, error parsing and the
simulator's gateway are all real; what is tested of HTTP itself (time-outs, TLS, proxies, half an answer) goes through a
real server elsewhere.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from safe_reinit.simulator import gateway
from safe_reinit.simulator.engine import Engine
from safe_reinit.simulator.wire.answers import Reply
from safe_reinit.simulator.wire.request import RawRequest

HOST = "127.0.0.1:1"
"""Where the engine is said to be: on loopback, at a port where nothing listens."""


class Connection(BaseAdapter):
    """Hands each request to the engine.

    Args:
        engine: the simulated ECS.
        pause: waits so many seconds on the clock that program and engine share.
        travel: how many seconds a request and its answer are under way, by what is asked for.
        reach: whether the host can be reached now; where not, no connection is made and nothing is sent.

    """

    def __init__(
        self,
        engine: Engine,
        pause: Callable[[float], None] = time.sleep,
        travel: Callable[[requests.PreparedRequest], tuple[float, float]] = lambda _: (0.0, 0.0),
        reach: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__()
        self._engine, self._pause, self._travel, self._reach = engine, pause, travel, reach
        self._lock = threading.Lock()

    def send(  # type: ignore[override] # what else requests passes on means nothing here
        self, request: requests.PreparedRequest, timeout: Any = None, **_: Any
    ) -> requests.Response:
        """Send one request, and wait for its answer as long as ``timeout`` says."""
        connect, patience = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        if not self._reach():
            self._pause(connect or 0.0)
            raise requests.ConnectTimeout(request=request)
        there, back = self._travel(request)
        if patience is not None and there >= patience:  # it is still under way, and nobody waits any more
            self._pause(patience)
            raise too_late(request)
        self._pause(there)
        with self._lock:
            reply, _call = gateway.respond(self._engine, raw_request(request))
        left = back + reply.delay
        if patience is not None and there + left >= patience:
            self._pause(patience - there)
            raise too_late(request)
        self._pause(left)
        if reply.ending != "answer":
            raise cut(request)
        return response(request, reply, gateway.headers_of(self._engine, reply))

    def close(self) -> None:
        """Do nothing: there is no connection."""


def too_late(request: requests.PreparedRequest) -> requests.ReadTimeout:
    """Return what ``requests`` raises where no answer comes in time."""
    return requests.ReadTimeout(ReadTimeoutError(None, request.url or "", "Read timed out."), request=request)  # type: ignore[arg-type]


def cut(request: requests.PreparedRequest) -> requests.ConnectionError:
    """Return what ``requests`` raises where the connection ends before an answer."""
    return requests.ConnectionError(ProtocolError("Connection aborted."), request=request)


def response(request: requests.PreparedRequest, reply: Reply, headers: Mapping[str, str]) -> requests.Response:
    """Return an answer as ``requests`` does."""
    answer = HTTPResponse(io.BytesIO(reply.body), headers=headers, status=reply.status, preload_content=False)
    return HTTPAdapter().build_response(request, answer)


def raw_request(request: requests.PreparedRequest) -> RawRequest:
    """Return a request as the simulator's gateway takes it."""
    body = request.body or b""
    headers: Mapping[str, Any] = request.headers
    return RawRequest(
        method=request.method or "GET",
        target=request.path_url,
        headers={name.lower(): _text(value) for name, value in headers.items()},
        body=body.encode() if isinstance(body, str) else bytes(body) if isinstance(body, bytes) else body.read(),
    )


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


@contextmanager
def connected(connection: BaseAdapter) -> Iterator[str]:
    """Let what the program sends to ``HOST`` go to the engine while the block lasts; gives that endpoint."""
    real = requests.Session.get_adapter

    def get_adapter(self: requests.Session, url: str) -> BaseAdapter:
        return connection if urlsplit(url).netloc == HOST else real(self, url)

    requests.Session.get_adapter = get_adapter  # type: ignore[method-assign]
    try:
        yield HOST
    finally:
        requests.Session.get_adapter = real  # type: ignore[method-assign]
