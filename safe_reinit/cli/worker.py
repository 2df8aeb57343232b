"""The command that works for a Temporal server: worker."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..clock import Clock
from ..config import Config, resolve
from ..temporal import needed
from ..where import default_journal, locate, time_scale
from .output import say

if TYPE_CHECKING:
    from ..temporal.names import Place
    from ..temporal.server import Server


def command(flags: Mapping[str, Any]) -> int:
    """Work until a signal ends it, and give the exit code."""
    config = resolve(flags, os.environ, flags.get("config"))
    needed()
    from ..temporal.server import server_of  # noqa: PLC0415 - an extra

    asyncio.run(_work(config, server_of(config)))
    return 0


async def _work(config: Config, server: Server) -> None:
    from ..temporal.keeping import Keeping  # noqa: PLC0415 - an extra
    from ..temporal.worker import serve  # noqa: PLC0415 - an extra

    where = locate(config, os.environ, None)
    clock = Clock(time_scale(os.environ, loopback=where.loopback))
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end.set)
    client = await server.connect()
    journal = Path(config["journal"] or default_journal(os.environ))
    keeping = Keeping(client, where, journal, server.text)

    def ready(place: Place) -> None:
        say(f"Working for account {place.account} in {place.region} at the Temporal server {server.text}.")

    await serve(client, where, clock, keeping, config["quota_share"], ready, end)
    say("The worker ends; other workers go on with what it was at.")
