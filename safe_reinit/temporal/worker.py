"""A worker: serves one account and region until it is told to end. Safe to run on many hosts at once."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from .. import aliyun
from ..aliyun.endpoints import Where
from ..clock import Clock, unix_time
from ..cloud import CloudError
from ..failing import refusal_of
from ..model import Call
from ..pace import LIMITS, Pace
from ..retry import Patient
from . import names
from .acting import Actor
from .job import JobWorkflow
from .keeping import Keeping
from .lane import LaneWorkflow
from .looking import Looker
from .names import Place
from .waits import Usual
from .watch import Sink, Watch

T = TypeVar("T")

_POWER = 20.0
"""Calls other than wipes a second at most, by all workers together; no limit of theirs is documented."""
_TO_THE_END = timedelta(seconds=75)
"""A worker that is told to end lets the calls that it is at come to their end."""
_SKEW = 2.0
"""Real seconds by which the clock of a worker may differ from the server's: times of a record come from both."""


@dataclass
class Hands:
    """What one worker has to work with."""

    where: Where
    clock: Clock
    place: Place
    pace: Pace
    looker: Looker
    actor: Actor
    keeping: Keeping

    @activity.defn(name="look")
    async def look(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Look at one job, and decide; see ``looking``."""
        self._refuse_newer(asked)
        return await self._beating(self.looker(asked, activity.heartbeat))

    @activity.defn(name="act")
    async def act(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Make one guarded call; see ``acting``."""
        self._refuse_newer(asked)
        self._refuse_another_place(asked["plan"])
        return await self._beating(self.actor(asked))

    @activity.defn(name="keep")
    async def keep(self, asked: dict[str, Any]) -> None:
        """Write a run that is over into the journal of this worker; see ``keeping``."""
        await self._beating(self.keeping.keep(asked, activity.heartbeat))

    @activity.defn(name="gone")
    async def gone(self, jobs: list[str]) -> list[int]:
        """Tell which of these jobs are not open any more, by their places."""
        return await self.keeping.gone(jobs)

    def _refuse_newer(self, asked: Mapping[str, Any]) -> None:
        """Leave what a newer version wrote to a newer version: it may mean more than this one knows.

        It is not handed to an older one (``names.of_version``); this is for what was handed over by mistake.
        """
        if asked["v"] > names.VERSION:
            raise ApplicationError("This was written by a newer safe-reinit; a worker of it goes on.", type="newer")

    def _refuse_another_place(self, plan: Mapping[str, Any]) -> None:
        """See that a call is for the account and region that this worker has credentials for, and that clocks agree."""
        if (plan["account"], plan["region"]) != (self.place.account, self.place.region):
            raise ApplicationError("This plan is of another account or region.", type="newer")
        started = activity.info().started_time.timestamp()
        if not -_SKEW < unix_time() - started < self.place.pulse.begin:
            raise ApplicationError("The clock of this host is not the server's: set it.", type="newer")

    async def _beating(self, work: Awaitable[T]) -> T:
        """Give a sign of life while something goes on; of what fails nothing but its kind is told to the server."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.wait([task], timeout=self.place.pulse.beat)
            activity.heartbeat()
        if task.exception() is not None:
            raise ApplicationError(f"An unexpected {type(task.exception()).__name__}: please report this.") from None
        return task.result()


def place_of(where: Where, clock: Clock) -> Place:
    """Ask whose credentials these are.

    Raises:
        Error: nobody can tell.
    """
    with closing(aliyun.connect(where, lambda _: None)) as cloud:
        try:
            account = Patient(clock)(cloud.caller).shown[0].account
        except CloudError as error:
            raise refusal_of(error) from None
    return Place(account, where.region, where.local_url)


async def serve(  # noqa: PLR0913, PLR0917 - what a worker is made of
    client: Client,
    where: Where,
    clock: Clock,
    keeping: Keeping,
    quota_share: float,
    ready: Callable[[Place], None],
    end: asyncio.Event,
) -> None:
    """Work until ``end`` is set; what is under way then is left to other workers.

    Args:
        quota_share: the part of a documented quota that all workers of the place use; the same for each of them.
        ready: is told once it polls.
    """
    place = await asyncio.to_thread(place_of, where, clock)
    pace, sink = Pace(clock, quota_share), Sink()

    def on_call(call: Call) -> None:
        pace.saw(call)
        sink(call)

    async with AsyncExitStack() as stack:
        cloud = stack.enter_context(closing(aliyun.connect(where, on_call)))
        threads = stack.enter_context(ThreadPoolExecutor(4, thread_name_prefix="safe-reinit-look"))
        usual = Usual()
        looker = Looker(Watch(cloud, clock, threads, sink), clock, usual)
        actor = Actor(cloud, clock, pace, sink, usual, place.pulse.begin)
        hands = Hands(where, clock, place, pace, looker, actor, keeping)
        for worker in workers(client, hands, quota_share):
            await stack.enter_async_context(worker)
        ready(place)
        await end.wait()


def workers(client: Client, hands: Hands, quota_share: float) -> list[Worker]:
    """Make the workers of the queues of a place: of what this version wrote, and of what each older one did."""
    place, identity = hands.place, f"{socket.gethostname()}/{uuid.uuid4().hex[:8]}"
    beat = timedelta(seconds=place.pulse.beat)
    common: dict[str, Any] = {
        "identity": identity,
        "max_heartbeat_throttle_interval": beat,
        "default_heartbeat_throttle_interval": beat,
        "disable_eager_activity_execution": True,
    }
    wipes = LIMITS["ReInitDisk"] / 60.0 * quota_share * hands.clock.rate
    passed = SandboxRestrictions.default.with_passthrough_modules("safe_reinit")
    flows: dict[str, Any] = {
        "workflows": [JobWorkflow, LaneWorkflow],
        "workflow_runner": SandboxedWorkflowRunner(passed),
        "sticky_queue_schedule_to_start_timeout": names.STICKY,
    }
    looks: dict[str, Any] = {"activities": [hands.look, hands.keep, hands.gone], "max_concurrent_activities": 1000}
    acts: dict[str, Any] = {"activities": [hands.act], "graceful_shutdown_timeout": _TO_THE_END}
    made = []
    for version in range(1, names.VERSION + 1):
        for queue, more in (
            (place.queue, looks | (flows if version == 1 else {})),
            (place.power_queue, acts | {"max_task_queue_activities_per_second": _POWER * hands.clock.rate}),
            (place.wipe_queue, acts | {"max_task_queue_activities_per_second": wipes}),
        ):
            made.append(Worker(client, task_queue=names.of_version(queue, version), **more, **common))
    return made
