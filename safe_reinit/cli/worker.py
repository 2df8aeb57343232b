"""The command worker: carries out the shards of runs that a Temporal server assigns."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from ..client import connect
from ..clock import Clock
from ..cloud.interface import CloudError
from ..cloud.locate import locate
from ..cloud.locate import make_cloud as cloud_of
from ..cloud.retry import Patient
from ..config import Settings, resolve
from ..error_mapping import refusal_of
from ..temporal import demand_sdk
from .output import print_stderr
from .scheduled import ScheduledRuns
from .signals import NUMBERS, end_by_sigint

if TYPE_CHECKING:
    from ..temporal.activities import Activities
    from ..temporal.server import Server
    from ..temporal.worker import Serving

_ENDING = (
    "Stopping: the worker begins no more machines, finishes those that it has begun and starts them again. Other "
    "workers continue with the rest. Press Ctrl-C {}to quit now."
)


class _StderrHandler(logging.Handler):
    """Prints log messages, one line each: a traceback would say less to its reader, and could show a secret."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        print_stderr(record.getMessage())


def command(flags: Mapping[str, Any]) -> int:
    """Serve until a signal ends it, and return the exit code."""
    config = resolve(flags, os.environ, flags.get("config"))
    demand_sdk("A worker")
    from ..temporal.activities import Activities  # noqa: PLC0415 - an extra
    from ..temporal.server import Server, queue_of  # noqa: PLC0415 - an extra

    server, client, scheduled = Server(config), connect(config=config), ScheduledRuns(flags, config)
    client.own_runs.demand_shared()
    account, region = _account(config, client.clock), client.region
    whom, queue = f"account {account} in {region}", queue_of(config, account, region)
    with _log_to_stderr():
        activities = Activities(client.own_runs.shards(print_stderr), scheduled.begin)
        asyncio.run(_serve(server, queue, activities, whom))
    return 0


@contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Print what the worker and the SDK log while the block lasts."""
    handler = _StderrHandler(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("safe_reinit.worker", "temporalio")]
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)  # the worker itself logs what fails there
    for each in loggers:
        each.addHandler(handler)
    try:
        yield
    finally:
        for each in loggers:
            each.removeHandler(handler)


def _account(config: Settings, clock: Clock) -> str:
    """Return the account of the credentials.

    Raises:
        Error: ECS does not say which.
    """
    with closing(cloud_of(locate(config, os.environ), lambda _: None)) as cloud:
        try:
            return Patient(clock)(cloud.get_caller).items[0].account
        except CloudError as error:
            raise refusal_of(error) from None


async def _serve(server: Server, queue: str, activities: Activities, whom: str) -> None:
    from ..temporal.worker import Serving  # noqa: PLC0415 - an extra
    from .health import serve_health  # noqa: PLC0415 - see above

    end, loop = asyncio.Event(), asyncio.get_running_loop()

    def got(number: signal.Signals) -> None:
        if end.is_set() and number is signal.SIGINT:
            end_by_sigint()
        if not end.is_set():
            end.set()
            print_stderr(f"{number.name}: {_ENDING.format('again ' if number is signal.SIGINT else '')}")

    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, got, number)

    def ready(serving: Serving) -> None:
        where = f"the Temporal server {server.address} (namespace {server.namespace})"
        print_stderr(f"Working for {whom} at {where}, task queue {queue}.")
        if serving.version.deployment_name:
            command = server.command_for(serving.version)
            print_stderr(f"This worker gets no runs until its version {serving.version.build_id} is current: {command}")

    serving, health = Serving(server, queue, activities, end), server.settings.worker_health
    await serving.connect()
    async with serve_health(health, serving.health) if health else nullcontext():
        await serving.run(ready)
    print_stderr("The worker has ended.")
