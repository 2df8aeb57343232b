"""A worker in a process of its own, to be killed: ``python -m tests.temporalworker HOST:PORT QUEUE``."""

from __future__ import annotations

import asyncio
import sys

from safe_reinit.model import Stage
from safe_reinit.temporal.server import Server
from safe_reinit.temporal.worker import Settings, serve
from tests.temporals import Remembering


def _tell(what: str, shard: int) -> None:
    if what == "carry":
        print(f"begin {shard}", flush=True)  # noqa: T201 - to who kills it


if __name__ == "__main__":
    shards = Remembering([Stage((0,))], slow=frozenset({0}), fails=_tell)
    asyncio.run(serve(Server(sys.argv[1]), Settings(sys.argv[2]), shards, asyncio.Event(), lambda _: None))
