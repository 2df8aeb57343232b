"""The workflow of a run, for whoever begins or follows the run: start it, wake it up, and report its progress."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import wraps
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

from ..config import Settings
from ..errors import RunRefused
from ..execution.following import Carried, Following
from ..execution.session import Session
from ..model import Report
from ..plans import shards
from .server import NO_VERSION, SERVER_TIMEOUT, Pollers, Server, pollers, queue_of
from .workflow import ACCOUNT, OUTCOME, READ_AGAIN, REGION, RUN, WORKFLOW, CarryRequest

T = TypeVar("T")


def workflow_id(run_id: str) -> str:
    """Return the id of the workflow of a run."""
    return f"safe-reinit-{run_id}"


def _asking(ask: Callable[[WorkflowCarrier, Client], Awaitable[T]]) -> Callable[[WorkflowCarrier], T]:
    """Make a method that connects to the server and asks it something."""

    @wraps(ask)
    def asking(carrier: WorkflowCarrier) -> T:
        async def connected() -> T:
            try:
                client = await carrier.server.connect()
                async with asyncio.timeout(SERVER_TIMEOUT):
                    return await ask(carrier, client)
            except (RPCError, TimeoutError) as error:
                raise carrier.server.explain(error) from None

        return asyncio.run(connected())

    return asking


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

    @_asking
    async def submit(self, client: Client) -> bool:
        """Start the workflow, unless it is open; if this raises, it is unknown whether it has started."""
        values = {RUN: self.run_id, ACCOUNT: self.account, REGION: self.region, OUTCOME: "open"}
        try:
            handle = await self._start(client, [SearchAttributePair(key, value) for key, value in values.items()])
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT or "search attribute" not in str(error).lower():
                raise
            handle = await self._start(client, [])  # the server has not been told about them
        self.queue = (await handle.describe()).task_queue
        return bool((await pollers(client, self.queue)).current)

    @_asking
    async def wake(self, client: Client) -> None:
        """Wake up the workflow; raise ``RunRefused`` also if none is open."""
        try:
            await client.get_workflow_handle(workflow_id(self.run_id)).signal(READ_AGAIN)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise RunRefused(
                f"Temporal has no open workflow of run {self.run_id}.",
                hint=f"Your request is in the journal; safe-reinit resume {self.run_id} continues the run.",
            ) from None

    @_asking
    async def describe(self, client: Client) -> Carried:
        """Return the progress of the workflow."""
        handle = client.get_workflow_handle(workflow_id(self.run_id))
        try:
            described = await handle.describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            hint = f"safe-reinit resume {self.run_id} starts it."
            return Carried("missing", "Temporal has no workflow of this run.", hint)
        if described.status is not WorkflowExecutionStatus.RUNNING:
            return await _closed(handle, described.status, f"safe-reinit resume {self.run_id} continues it.")
        polling = await pollers(client, described.task_queue)
        if not polling.current:
            return _unserved(self.server, described.task_queue, polling)
        if described.raw_description.pending_workflow_task.attempt > 1:
            return Carried("open", "A worker polls but does not answer its tasks: it hangs, or has another version.",
                           "Check the workers' logs, and restart the workers one by one.")  # fmt: skip
        for each in described.raw_description.pending_activities:
            if each.attempt > 1 and each.HasField("last_failure"):
                failed = each.last_failure
                text = "a worker fell silent." if failed.HasField("timeout_failure_info") else failed.message
                return Carried("open", f"Temporal is at attempt {each.attempt} of {each.activity_type.name}: {text}",
                               "It is tried again automatically.")  # fmt: skip
        return Carried("open")

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


def _unserved(server: Server, queue: str, polling: Pollers) -> Carried:
    """Return why the server gives the tasks of a run to no worker."""
    version = max(polling.versions.values(), key=lambda each: (each.deployment_name, each.build_id), default=NO_VERSION)
    text, hint = f"Workers poll the task queue {queue}, but none has the current version", ""
    if not polling.versions:
        text = f"No worker polls the task queue {queue}"
        hint = "Start one: safe-reinit worker. A machine that is down stays down until a worker runs."
    elif not version.deployment_name:
        text += ": they belong to no deployment"
        hint = "Set temporal_deployment for them, or start workers of the current version."
    else:
        text += f" of deployment {version.deployment_name}"
        hint = f"Make the version of one current: {server.command_for(version)}"
    return Carried("open", f"{text}, so this run makes no progress.", hint)


async def _closed(
    handle: WorkflowHandle[Any, Any], status: WorkflowExecutionStatus | None, going_on: str
) -> Carried:  # fmt: skip
    if status is WorkflowExecutionStatus.COMPLETED:
        return Carried("ended")
    if status is WorkflowExecutionStatus.CANCELED:
        return Carried("cancelled")
    if status is WorkflowExecutionStatus.FAILED:
        try:
            await handle.result()
        except WorkflowFailureError as failed:
            cause = failed.cause.cause if isinstance(failed.cause, ActivityError) else failed.cause
            if isinstance(cause, ApplicationError):
                return Carried("failed", cause.message, str(next(iter(cause.details), going_on)))
            return Carried("failed", "Its workflow failed.", going_on)
    return Carried("terminated", "Somebody ended the workflow of this run on the Temporal server.", going_on)


def follow(session: Session, settings: Settings, run_id: str, record: Callable[[], object], *, joins: bool) -> Report:
    """Once the server has answered, record a run, have workers carry it out, and follow it; return its report."""
    server = _reached(settings)
    record()
    run = session.stored(run_id)
    digest = shards.digest_of_shards(each.digest for each in session.journal.shards(run_id))
    queue = queue_of(settings, run.account, run.region)
    carrier = WorkflowCarrier(server, queue, run_id, digest, run.account, run.region, len(run.jobs))
    return Following(session, run, carrier, joins=joins)()


def _reached(settings: Settings) -> Server:
    server = Server(settings)
    asyncio.run(server.connect())
    return server
