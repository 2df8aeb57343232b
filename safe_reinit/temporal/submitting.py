"""Submitting a run: all its instances are taken before any is touched, and then the lane lets its jobs begin."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from ..clock import Clock
from ..errors import RunRefused
from ..model import Plan, Record
from ..model.codec import timestamp
from . import names, payloads
from .gathering import RUN
from .names import Place
from .server import Server, pollers

_AT_ONCE = 20
_TRIES, _PAUSE = 4, 0.5
"""A worker that has just begun is not known to the server at once."""
_FEW = 3
"""Of so few jobs no call waits for others of its kind."""
_LOOKS_TOLD = 20
"""Up to so many jobs the report lists the looks."""


@dataclass(frozen=True)
class Submission:
    """A run and where it is submitted to."""

    client: Client
    server: Server
    place: Place
    clock: Clock
    run_id: str
    plan: Plan
    records: Sequence[Record]

    async def __call__(self) -> None:
        """Submit it; what was submitted already is not submitted twice.

        Raises:
            RunRefused: no worker polls, another run has one of the instances, or the plan was run already. Nothing of
                it was begun, and none of its instances is taken.
        """
        await self.refuse_idle()
        await self._announce()
        try:
            await self._take()
        except BaseException:
            await self._let_go()
            raise
        if not await self.lane("open", self.run_id):
            raise RunRefused(f"Run {self.run_id} was dropped before it began.", hint="Plan it anew.")

    async def refuse_idle(self) -> None:
        """See that somebody works for this place.

        Raises:
            RunRefused: nobody does.
        """
        for _ in range(_TRIES):
            if await pollers(self.client, self.place.queue):
                return
            await asyncio.sleep(_PAUSE)
        raise RunRefused(idle(self.server, self.place), hint="Nothing was begun; start one: safe-reinit worker.")

    async def lane(self, update: str, *args: object) -> Any:  # noqa: ANN401 - what an update answers
        """Ask the lane for something; one that is not there is begun."""
        return await lane(self.client, self.place, self.clock.rate, update, *args)

    async def _announce(self) -> None:
        run = {
            "run_id": self.run_id,
            "plan_id": self.plan.plan_id,
            "made_at": timestamp(self.plan.made_at),
            "instances": [known.instance_id for known in self.records],
            "wipes": [sum(not wipe.snapshot_id for wipe in known.disks) for known in self.records],
            "rollout": payloads.write(self.plan.rollout),
        }
        answer = await self.lane("announce", run)
        if "used_by" in answer:
            raise RunRefused(
                f"This plan was run already, by run {answer['used_by']}: a plan is run once.",
                hint=f"See what became of it: safe-reinit show {answer['used_by']}. To wipe again make a new plan.",
            )
        if "too_old" in answer:
            raise RunRefused(
                f"This plan was made before {answer['too_old']}, from when on it is known which plans were run.",
                hint="Make a new plan.",
            )

    async def _take(self) -> None:
        """Begin the workflows of the jobs, which wait; the server keeps one open for each instance."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def take(position: int) -> None:
            async with gate:
                await self._begin(position)

        await asyncio.gather(*(take(position) for position in range(len(self.records))))

    async def _begin(self, position: int) -> None:
        known, place = self.records[position], self.place
        given = {
            "v": names.VERSION,
            "run_id": self.run_id,
            "position": position,
            "lane": place.lane,
            "queue": place.queue,
            "power_queue": place.power_queue,
            "wipe_queue": place.wipe_queue,
            "rate": self.clock.rate,
            "heartbeat": place.pulse.heartbeat,
            "horizon": place.pulse.horizon,
            "plan": payloads.head(self.plan, self.plan.jobs[position]),
            "record": payloads.write(known),
            "looks": len(self.records) <= _LOOKS_TOLD,
            "alone": len(self.records) <= _FEW,
        }
        try:
            await self.client.start_workflow(
                names.JOB,
                given,
                id=place.job(known.instance_id),
                task_queue=place.queue,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                memo={RUN: self.run_id},
            )
        except WorkflowAlreadyStartedError:
            other = await self._holder(known.instance_id)
            if other != self.run_id:
                raise RunRefused(
                    f"Run {other} has {known.instance_id} already (on Temporal, {self.server.text}).",
                    hint=f"Look with: safe-reinit show {other}; go on with it: safe-reinit resume {other}.",
                ) from None

    async def _holder(self, instance_id: str) -> str:
        described = await self.client.get_workflow_handle(self.place.job(instance_id)).describe()
        return str(await described.memo_value(RUN, "") or "of somebody")

    async def _let_go(self) -> None:
        """End the jobs that wait, and forget the run: nothing was begun."""
        for known in self.records:
            if await self._holder_or_none(known.instance_id) == self.run_id:
                job = self.client.get_workflow_handle(self.place.job(known.instance_id))
                await job.signal("never", "another run has an instance of this one")
        await self.lane("drop", self.run_id)

    async def _holder_or_none(self, instance_id: str) -> str | None:
        try:
            return await self._holder(instance_id)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise


async def lane(client: Client, place: Place, rate: float, update: str, *args: object) -> Any:  # noqa: ANN401
    """Ask the lane of a place for something; one that is not there is begun."""
    state = {"place": {"job": place.job(""), "queue": place.queue, "rate": rate}}
    begin: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        names.LANE,
        state,
        id=place.lane,
        task_queue=place.queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    try:
        return await client.execute_update_with_start_workflow(update, args=list(args), start_workflow_operation=begin)
    except WorkflowUpdateFailedError:
        raise RunRefused(
            "The lane on the Temporal server did not take this run.", hint="See the workflow there; nothing was begun."
        ) from None


def idle(server: Server, place: Place) -> str:
    """Say that nobody works for a place."""
    return f"No worker polls the Temporal server {server.text} for account {place.account} in {place.region}."
