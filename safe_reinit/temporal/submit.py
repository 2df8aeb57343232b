"""The workflow of a run, for who begins or follows the run: start it, wake it up, and say how it is getting on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from ..errors import RunRefused
from .server import ANSWERS_WITHIN, Server, pollers
from .workflow import ACCOUNT, CARRY, LOOK_AGAIN, OUTCOME, REGION, RUN, WORKFLOW, Asked

T = TypeVar("T")


@dataclass(frozen=True)
class Submitted:
    """A run of the journal that Temporal is to carry."""

    run_id: str
    digest: str
    account: str
    region: str
    machines: int


@dataclass(frozen=True)
class Carried:
    """How the workflow of a run is getting on, as far as Temporal knows; the journal knows how the run is."""

    status: str
    """``open``, ``ended``, ``cancelled``, ``failed``, ``terminated`` or ``missing``."""
    says: str = ""
    """A sentence for people, where there is something to do or to know."""
    hint: str = ""
    workers: int = 0
    """How many workers poll."""
    shards: int = 0
    """How many shards workers have now."""


def workflow_id(run_id: str) -> str:
    """Name the workflow of a run."""
    return f"safe-reinit-{run_id}"


def submit(server: Server, queue: str, run: Submitted) -> int:
    """Have a run carried, and return how many workers poll for it; one that is carried already stays as it is.

    Raises:
        UsageError: the server cannot be used as it is set.
        RunRefused: it does not answer, or does not let us in. Whether the workflow has started is not known then: the
            same may be done again.
    """

    async def ask(client: Client) -> int:
        try:
            await _start(client, queue, run, _attributes(run))
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT or "search attribute" not in str(error).lower():
                raise
            await _start(client, queue, run, TypedSearchAttributes.empty)  # the server has not been told of them
        return len(await pollers(client, queue))

    return _ask(server, ask)


def look_again(server: Server, run_id: str) -> None:
    """Wake up a workflow that waits for an answer, now that the journal has one.

    Raises:
        UsageError: the server cannot be used as it is set.
        RunRefused: it does not answer, does not let us in, or has no open workflow of this run.
    """

    async def ask(client: Client) -> None:
        try:
            await client.get_workflow_handle(workflow_id(run_id)).signal(LOOK_AGAIN)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise RunRefused(
                f"Temporal has no open workflow of run {run_id}.",
                hint=f"What you said is in the journal; safe-reinit resume {run_id} goes on with it.",
            ) from None

    _ask(server, ask)


def describe(server: Server, queue: str, run_id: str) -> Carried:
    """Say how the workflow of a run is getting on.

    Raises:
        UsageError: the server cannot be used as it is set.
        RunRefused: it does not answer, or does not let us in.
    """

    async def ask(client: Client) -> Carried:
        return await _describe(client, queue, run_id)

    return _ask(server, ask)


def _ask(server: Server, ask: Callable[[Client], Awaitable[T]]) -> T:
    async def connected() -> T:
        try:
            client = await server.connect()
            async with asyncio.timeout(ANSWERS_WITHIN):
                return await ask(client)
        except (RPCError, TimeoutError) as error:
            raise server.explain(error) from None

    return asyncio.run(connected())


async def _start(client: Client, queue: str, run: Submitted, attributes: TypedSearchAttributes) -> None:
    await client.start_workflow(
        WORKFLOW, Asked(run.run_id, run.digest), id=workflow_id(run.run_id), task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        search_attributes=attributes,
        static_summary=f"Wipe of {run.machines} machines, {run.account} {run.region}",
    )  # fmt: skip


def _attributes(run: Submitted) -> TypedSearchAttributes:
    values = {RUN: run.run_id, ACCOUNT: run.account, REGION: run.region, OUTCOME: "open"}
    return TypedSearchAttributes([SearchAttributePair(key, value) for key, value in values.items()])


async def _describe(client: Client, queue: str, run_id: str) -> Carried:
    handle = client.get_workflow_handle(workflow_id(run_id))
    try:
        shown = await handle.describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return Carried("missing", "Temporal has no workflow of this run.", f"safe-reinit resume {run_id} starts it.")
    if shown.status is not WorkflowExecutionStatus.RUNNING:
        return await _closed(client, run_id, shown.status)
    workers = len(await pollers(client, queue))
    pending = shown.raw_description.pending_activities
    carried = sum(
        each.activity_type.name == CARRY and each.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
        for each in pending
    )
    if not workers:
        return Carried(
            "open", f"No worker polls the task queue {queue}, so nothing of this run moves.",
            "Start one: safe-reinit worker. A machine that is down stays down until one is there.", 0, carried,
        )  # fmt: skip
    if shown.raw_description.pending_workflow_task.attempt > 1:
        return Carried("open", "A worker polls and leaves its tasks unanswered: it hangs, or is of another version.",
                       "See the log of the workers, and restart them one by one.", workers, carried)  # fmt: skip
    for each in pending:
        if each.attempt > 1 and each.HasField("last_failure"):
            what = f"attempt {each.attempt} of {each.activity_type.name}"
            failed = each.last_failure
            said = "a worker fell silent." if failed.HasField("timeout_failure_info") else failed.message
            return Carried("open", f"Temporal is at {what}: {said}", "It is tried again by itself.", workers, carried)
    return Carried("open", "", "", workers, carried)


async def _closed(client: Client, run_id: str, status: WorkflowExecutionStatus | None) -> Carried:
    if status is WorkflowExecutionStatus.COMPLETED:
        return Carried("ended")
    if status is WorkflowExecutionStatus.CANCELED:
        return Carried("cancelled")
    going_on = f"safe-reinit resume {run_id} goes on with it."
    if status is WorkflowExecutionStatus.FAILED:
        try:
            await client.get_workflow_handle(workflow_id(run_id)).result()
        except WorkflowFailureError as failed:
            cause = failed.cause.cause if isinstance(failed.cause, ActivityError) else failed.cause
            hint = next(iter(cause.details), going_on) if isinstance(cause, ApplicationError) else going_on
            said = cause.message if isinstance(cause, ApplicationError) else "Its workflow failed."
            return Carried("failed", said, str(hint))
    return Carried("terminated", "Somebody ended the workflow of this run at the Temporal server.", going_on)
