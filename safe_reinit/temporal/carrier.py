"""The workflow of a run, for whoever begins or follows the run: start it, wake it up, and report its progress."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from ..errors import RunRefused
from ..execution.following import Carried
from .server import SERVER_TIMEOUT, Pollers, Server, pollers
from .workflow import ACCOUNT, OUTCOME, READ_AGAIN, REGION, RUN, WORKFLOW, CarryRequest

T = TypeVar("T")


def workflow_id(run_id: str) -> str:
    """Return the id of the workflow of a run."""
    return f"safe-reinit-{run_id}"


@dataclass
class WorkflowCarrier:
    """The workflow of a run of the journal. ``execution.following.Carrier`` says what each method does and raises."""

    server: Server
    queue: str
    """The task queue of the workers; after submitting, the queue of the workflow, which may already have been open."""
    run_id: str
    digest: str
    """The digest of its plans when they were confirmed."""
    account: str
    region: str
    machines: int

    @property
    def text(self) -> str:
        """Its name for people."""
        return f"Temporal ({self.server.address}), task queue {self.queue}"

    def submit(self) -> bool:
        """Start the workflow, unless it is open; if this raises, it is unknown whether it has started."""

        async def call(client: Client) -> bool:
            values = {RUN: self.run_id, ACCOUNT: self.account, REGION: self.region, OUTCOME: "open"}
            try:
                handle = await self._start(client, [SearchAttributePair(key, value) for key, value in values.items()])
            except RPCError as error:
                if error.status is not RPCStatusCode.INVALID_ARGUMENT or "search attribute" not in str(error).lower():
                    raise
                handle = await self._start(client, [])  # the server has not been told about them
            self.queue = (await handle.describe()).task_queue
            return bool((await pollers(client, self.queue)).current)

        return self._call(call)

    def wake(self) -> None:
        """Wake up the workflow; raise ``RunRefused`` also if none is open."""

        async def call(client: Client) -> None:
            try:
                await client.get_workflow_handle(workflow_id(self.run_id)).signal(READ_AGAIN)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                raise RunRefused(
                    f"Temporal has no open workflow of run {self.run_id}.",
                    hint=f"Your request is in the journal; safe-reinit resume {self.run_id} continues the run.",
                ) from None

        self._call(call)

    def describe(self) -> Carried:
        """Return the progress of the workflow."""

        async def call(client: Client) -> Carried:
            return await _describe(self.server, client, self.run_id)

        return self._call(call)

    def _call(self, call: Callable[[Client], Awaitable[T]]) -> T:
        async def connected() -> T:
            try:
                client = await self.server.connect()
                async with asyncio.timeout(SERVER_TIMEOUT):
                    return await call(client)
            except (RPCError, TimeoutError) as error:
                raise self.server.explain(error) from None

        return asyncio.run(connected())

    async def _start(
        self, client: Client, attributes: Sequence[SearchAttributePair[str]]
    ) -> WorkflowHandle[Any, Any]:  # fmt: skip
        return await client.start_workflow(
            WORKFLOW, CarryRequest(self.run_id, self.digest), id=workflow_id(self.run_id), task_queue=self.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            search_attributes=TypedSearchAttributes(attributes),
            static_summary=f"Wipe of {self.machines} machines, {self.account} {self.region}",
        )  # fmt: skip


async def _describe(server: Server, client: Client, run_id: str) -> Carried:
    handle = client.get_workflow_handle(workflow_id(run_id))
    try:
        described = await handle.describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return Carried("missing", "Temporal has no workflow of this run.", f"safe-reinit resume {run_id} starts it.")
    if described.status is not WorkflowExecutionStatus.RUNNING:
        return await _closed(client, run_id, described.status)
    queue = described.task_queue
    polling = await pollers(client, queue)
    if not polling.current:
        return _unserved(server, queue, polling)
    if described.raw_description.pending_workflow_task.attempt > 1:
        return Carried("open", "A worker polls but does not answer its tasks: it hangs, or has another version.",
                       "Check the workers' logs, and restart the workers one by one.")  # fmt: skip
    for each in described.raw_description.pending_activities:
        if each.attempt > 1 and each.HasField("last_failure"):
            what = f"attempt {each.attempt} of {each.activity_type.name}"
            failed = each.last_failure
            text = "a worker fell silent." if failed.HasField("timeout_failure_info") else failed.message
            return Carried("open", f"Temporal is at {what}: {text}", "It is tried again automatically.")
    return Carried("open")


def _unserved(server: Server, queue: str, polling: Pollers) -> Carried:
    """Return why the server gives the tasks of a run to no worker."""
    if not polling.versions:
        return Carried(
            "open", f"No worker polls the task queue {queue}, so this run makes no progress.",
            "Start one: safe-reinit worker. A machine that is down stays down until a worker runs.",
        )  # fmt: skip
    version = polling.makes_current
    text = f"Workers poll the task queue {queue}, but none has the current version"
    if not version.deployment_name:
        return Carried("open", f"{text}: they belong to no deployment, so this run makes no progress.",
                       "Set temporal_deployment for them, or start workers of the current version.")  # fmt: skip
    return Carried(
        "open", f"{text} of deployment {version.deployment_name}, so this run makes no progress.",
        f"Make the version of one current: {server.command_for(version)}",
    )  # fmt: skip


async def _closed(client: Client, run_id: str, status: WorkflowExecutionStatus | None) -> Carried:
    if status is WorkflowExecutionStatus.COMPLETED:
        return Carried("ended")
    if status is WorkflowExecutionStatus.CANCELED:
        return Carried("cancelled")
    going_on = f"safe-reinit resume {run_id} continues it."
    if status is WorkflowExecutionStatus.FAILED:
        try:
            await client.get_workflow_handle(workflow_id(run_id)).result()
        except WorkflowFailureError as failed:
            cause = failed.cause.cause if isinstance(failed.cause, ActivityError) else failed.cause
            hint = next(iter(cause.details), going_on) if isinstance(cause, ApplicationError) else going_on
            text = cause.message if isinstance(cause, ApplicationError) else "Its workflow failed."
            return Carried("failed", text, str(hint))
    return Carried("terminated", "Somebody ended the workflow of this run on the Temporal server.", going_on)
