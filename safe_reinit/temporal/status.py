"""How a run stands that goes on at a Temporal server, for the commands that tell of runs. Nothing is begun by it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import record
from ..config import Config
from ..errors import Error
from ..journal import StoredRun
from ..model import Record
from ..model.codec import decode, encode
from .names import Place
from .server import pollers, server_of

if TYPE_CHECKING:
    from .gathering import Story

_PATIENCE = 10.0
_MOST = 100
"""Of so many jobs at most the server is asked."""


def as_it_stands(config: Config, run: StoredRun) -> tuple[StoredRun, str]:
    """Give a run with what the server knows of its jobs, and a sentence where something keeps it from going on.

    What the server does not tell is not known: of a job that may be at work the journal of whoever submitted it knows
    nothing.
    """
    try:
        told, said = asyncio.run(asyncio.wait_for(_ask(config, run), _PATIENCE))
    except Error as error:
        told, said = (), f"{error} {error.hint}"
    except Exception:  # noqa: BLE001 - whatever an extra raises; its text may hold what was sent
        told, said = (), f"The Temporal server {run.runner} does not answer."
    stories = [*told, *[None] * (len(run.jobs) - len(told))]
    jobs = tuple(
        (name, encode(each.record if each else record.lose_sight(decode(Record, known))), is_open)
        for (name, known, is_open), each in zip(run.jobs, stories, strict=True)
    )
    return replace(run, jobs=jobs), said


async def _ask(config: Config, run: StoredRun) -> tuple[Sequence[Story | None], str]:
    server = server_of(config, run.runner)
    place = Place(run.account, run.region, run.endpoint)
    client = await server.connect()
    if await pollers(client, place.queue) == 0:
        return (), (
            f"No worker polls the Temporal server {server.text} for account {place.account} in {place.region}: "
            "it waits. Start one: safe-reinit worker."
        )
    from .gathering import stories  # noqa: PLC0415 - an extra

    told = await stories(client, run.run_id, [place.job(name) for name, _, _ in run.jobs[:_MOST]])
    gone = [each.record.instance_id for each in told if each is not None and each.ended_by and each.owed]
    if not gone:
        return told, ""
    return told, f"Somebody ended the workflow of {', '.join(gone)} at the Temporal server; resume begins a new one."
