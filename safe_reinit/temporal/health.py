"""The health of a worker over HTTP, for what supervises it: ``GET /healthz`` is 200 while it polls, else 503."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from ..errors import UsageError

_PATIENCE = 5.0
"""Real seconds that a client has to ask."""


class Health(NamedTuple):
    """Whether a worker polls, and a sentence about it."""

    ready: bool
    says: str


@asynccontextmanager
async def serve_health(address: str, health: Callable[[], Awaitable[Health]]) -> AsyncIterator[None]:
    """Answer while the block lasts.

    Raises:
        UsageError: nothing can listen there.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_PATIENCE):
                asked = await reader.readuntil(b"\r\n\r\n")
            if asked.split(b" ", 2)[:2] == [b"GET", b"/healthz"]:
                ready, says = await health()
                status = "200 OK" if ready else "503 Service Unavailable"
            else:
                status, says = "404 Not Found", "There is /healthz here."
            body = f"{says}\n".encode()
            head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()

    host, _, port = address.rpartition(":")
    try:
        server = await asyncio.start_server(answer, host.strip("[]"), int(port))
    except (OSError, OverflowError):
        raise UsageError(
            f"Nothing can listen at {address} for health.", hint="Correct worker_health, or end what listens there."
        ) from None
    async with server:
        yield
