"""The address: HTTP on loopback. Each request goes to the engine, and each reply is sent as the engine says."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from functools import partial

from aiohttp import web

from . import gateway
from .engine import Engine
from .faults import page
from .wire.answers import Reply
from .wire.request import RawRequest

HOST = "127.0.0.1"
_SILENT = logging.Logger("simulator", logging.CRITICAL + 1)
"""A person sees one line per request, and nothing else."""
_CLOSING_TIME = 0.1
"""Real seconds for requests in progress when the server is closed."""


_MAX_LINE = 65536
"""The maximum length of a request line in bytes: a hundred ids and a signature must fit."""


class _Connection(web.RequestHandler):
    """One connection. A request that is not HTTP gets the page that a proxy before the gateway would send."""

    __slots__ = ("_log",)

    def __init__(
        self, server: web.Server, log: Callable[[str], None] | None, *, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(
            server, loop=loop, logger=_SILENT, access_log=_SILENT, max_line_size=_MAX_LINE, max_field_size=_MAX_LINE
        )
        self._log = log

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read as a request."""
        del request, exc, message
        if self._log is not None:
            self._log(f"(no request) -> {status}")
        reply = page(status)
        headers = {"Content-Type": reply.content_type, gateway.MARK: "1"}
        answer = web.Response(status=status, body=reply.body, headers=headers)
        answer.force_close()
        return answer


class Server:
    """An engine behind an HTTP address. Made, started and closed on one event loop.

    Attributes:
        engine: answers the requests; it can be replaced at any time.

    """

    def __init__(self, engine: Engine, log: Callable[[str], None] | None = None) -> None:
        self.engine = engine
        self._log = log
        self._web: web.Server | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """Listen; return the port, which the system chooses for 0."""
        loop = asyncio.get_running_loop()
        self._web = web.Server(self._handle)
        self._listener = await loop.create_server(partial(_Connection, self._web, self._log, loop=loop), HOST, port)
        return int(self._listener.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end all connections, including delayed answers."""
        if self._listener is not None:
            self._listener.close()
        if self._web is not None:
            self._web.pre_shutdown()
            await self._web.shutdown(_CLOSING_TIME)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = RawRequest(
            method=request.method,
            target=request.raw_path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
        )
        reply, call = gateway.respond(self.engine, raw)
        if self._log is not None and call is not None:
            self._log(call.line())
        if reply.delay:
            await self.engine.cloud.clock.sleep(reply.delay)
        if reply.ending != "answer":
            # Anything returned after this reaches nobody: the connection is gone.
            _cut(request, reset=reply.ending == "reset")
        return self._response(reply)

    def _response(self, reply: Reply) -> web.Response:
        return web.Response(status=reply.status, body=reply.body, headers=gateway.headers_of(self.engine, reply))


def _cut(request: web.BaseRequest, *, reset: bool) -> None:
    """Close the connection without an answer, with a TCP reset if asked."""
    transport = request.transport
    if transport is None:
        return
    if reset:
        # Lingering for no time makes the kernel send RST instead of FIN.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
