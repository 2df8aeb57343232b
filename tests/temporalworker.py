"""A worker in a process of its own, to be killed: ``python -m tests.temporalworker HOST:PORT QUEUE``."""

from __future__ import annotations

import asyncio
import sys

from safe_reinit.model import Stage
from safe_reinit.temporal.activities import Activities
from safe_reinit.temporal.worker import Serving
from tests.temporals import Remembering, no_schedule, server_at


def _report(what: str, shard: int) -> None:
    if what == "carry":
        print(f"begin {shard}", flush=True)  # noqa: T201 - to who kills it


async def _serve(shards: Remembering) -> None:
    serving = Serving(server_at(sys.argv[1]), sys.argv[2], Activities(shards, no_schedule), asyncio.Event())
    await serving.connect()
    await serving.run(lambda _: None)


if __name__ == "__main__":
    asyncio.run(_serve(Remembering([Stage((0,))], slow=frozenset({0}), fails=_report)))
