"""What is known of a run on the server, gathered into records, events and calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from .. import record
from ..model import Call, Event, Failure, Plan, Record
from . import payloads

_AT_ONCE = 20
"""Questions to the server at a time."""
RUN = "run"
"""The member of a job's memo that names its run."""


@dataclass(frozen=True)
class Story:
    """What is known of one job."""

    plan: Plan
    """With this job only."""
    record: Record
    owed: bool
    """Whether it is at work or owes something, so that its run can be resumed."""
    ended_by: str
    """Where somebody ended its workflow from outside, how; else ``""``."""
    events: Sequence[Event]
    calls: Sequence[Call]
    looks: int


async def stories(client: Client, run_id: str, jobs: Sequence[str], alive: Callable[[], None] = lambda: None) -> Any:  # noqa: ANN401
    """Give the stories of jobs by their ids; ``None`` for one that the server does not know."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(job: str) -> Story | None:
        async with gate:
            alive()
            return await story(client, run_id, job)

    return await asyncio.gather(*(one(job) for job in jobs))


async def story(client: Client, run_id: str, job: str) -> Story | None:
    """Give the story of one job; ``None`` if the server does not know it."""
    found = await find(client, run_id, job)
    if found is None:
        return None
    handle, status = found
    if status is WorkflowExecutionStatus.COMPLETED:
        told = await handle.result()
    else:
        told = await handle.query("story")
    return _read(told, status)


async def find(
    client: Client, run_id: str, job: str
) -> tuple[WorkflowHandle[Any, Any], WorkflowExecutionStatus] | None:
    """Find the workflow of a job of this run: the newest of that id, or an older one where another run has it now."""
    handle = client.get_workflow_handle(job, result_type=dict)
    try:
        now = await handle.describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    if await now.memo_value(RUN, "") == run_id and now.status is not None:
        return client.get_workflow_handle(job, run_id=now.run_id, result_type=dict), now.status
    async for each in client.list_workflows(f"WorkflowId = '{job}'"):
        if await each.memo_value(RUN, "") == run_id and each.status is not None:
            return client.get_workflow_handle(job, run_id=each.run_id, result_type=dict), each.status
    return None


def _read(told: Mapping[str, Any], status: WorkflowExecutionStatus) -> Story:
    known = payloads.read(Record, told["record"])
    by = "" if status in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED) else status.name.lower()
    ended = told["ended"]
    owed = status is WorkflowExecutionStatus.RUNNING
    if by:
        owed = bool(told["begun"]) and (ended is None or bool(ended["owed"]))
    why = told["never"] or ("its workflow was ended at the Temporal server" if by else "")
    if why and not told["begun"]:
        hint = "Plan these disks anew when you want them wiped."
        known = record.fail(known, Failure(None, f"Not begun: {why}.", hint=hint))
    elif ended is None and told["begun"]:
        known = record.lose_sight(known)
    return Story(
        plan=payloads.read_head(told["given"]["plan"]),
        record=known,
        owed=owed,
        ended_by=by,
        events=[payloads.read_event(each) for each in told["events"]],
        calls=[payloads.read(Call, each) for each in told["calls"]],
        looks=int(told["looks"]),
    )


def calls_of(told: Sequence[Story]) -> list[Call]:
    """Give the calls of jobs in their order, each once: one call may serve many of them."""
    every = {key_of(call): call for each in told for call in each.calls}
    return sorted(every.values(), key=lambda call: call.at)


def key_of(call: Call) -> object:
    """Tell by what a call is known that is told more than once."""
    return call.request_id or call, call.action
