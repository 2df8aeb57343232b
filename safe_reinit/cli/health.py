"""The health of a worker over HTTP, for its supervisor: ``GET /healthz`` returns 200 while it polls, otherwise 503."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from ..errors import UsageError


@asynccontextmanager
async def serve_health(address: str, health: Callable[[], Awaitable[tuple[bool, str]]]) -> AsyncIterator[None]:
    """Serve the health while the block lasts.

    Args:
        address: ``HOST:PORT``.
        health: returns whether the worker polls, and a sentence about it.

    Raises:
        UsageError: nothing can listen there.
    """

    async def answer(_: web.Request) -> web.Response:
        ready, says = await health()
        return web.Response(status=200 if ready else 503, text=f"{says}\n")

    app = web.Application()
    app.router.add_get("/healthz", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    host, _, port = address.rpartition(":")
    try:
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        except (OSError, OverflowError):
            raise UsageError(
                f"The worker cannot listen on {address} for health checks.",
                hint="Correct worker_health, or end the process that listens there.",
            ) from None
        yield
    finally:
        await runner.cleanup()
