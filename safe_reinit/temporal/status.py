"""Whether anybody works for a run that goes on at a Temporal server, for the commands that tell of runs."""

from __future__ import annotations

import asyncio

from ..config import Config
from ..errors import Error
from ..journal import StoredRun
from .names import Place
from .server import pollers, server_of

_PATIENCE = 5.0


def idle_text(config: Config, run: StoredRun) -> str:
    """Say that nobody works for a run, or that nobody can tell; ``""`` if somebody does. Nothing is begun by it."""
    try:
        return asyncio.run(asyncio.wait_for(_idle_text(config, run), _PATIENCE))
    except Error as error:
        return f"{error} {error.hint}"
    except asyncio.TimeoutError:
        return f"The Temporal server {run.runner} does not answer."


async def _idle_text(config: Config, run: StoredRun) -> str:
    server = server_of(config, run.runner)
    place = Place(run.account, run.region, run.endpoint)
    client = await server.connect()
    if await pollers(client, place.queue):
        return ""
    return (
        f"No worker polls the Temporal server {server.text} for account {place.account} in {place.region}: "
        "it waits. Start one: safe-reinit worker."
    )
