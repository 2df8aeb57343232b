"""The workflow of a run. It asks the journal what to carry out, has that done, and decides nothing.

Histories outlive versions: a change of the order of commands here must be guarded by ``workflow.patched``. The tests
replay histories that earlier versions have recorded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from ..model.shared import Stage

WORKFLOW, SCHEDULED = "safe-reinit-run", "safe-reinit-scheduled"
NEXT_STAGE, CARRY, CANCEL, BEGIN = "next-stage", "carry", "cancel", "begin"
READ_AGAIN = "read-again"
RUN, ACCOUNT, REGION, OUTCOME = (
    SearchAttributeKey.for_keyword(f"SafeReinit{name}") for name in ("Run", "Account", "Region", "Outcome")
)

_MAX_EVENTS = 1_000
"""A history with more events is continued in a new one: every worker that takes it over reads all of it."""
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=5))
_STEP: dict[str, Any] = {"start_to_close_timeout": timedelta(minutes=2), "retry_policy": _RETRY}
_SHARD: dict[str, Any] = {
    # A lost worker is noticed by its heartbeat. One whose shard takes longer than this keeps its lease all the same.
    "start_to_close_timeout": timedelta(days=30),
    "heartbeat_timeout": timedelta(seconds=20),
    "retry_policy": _RETRY,
}
_BEGIN: dict[str, Any] = {
    # A refusal is final. Otherwise there are other attempts, and after half an hour the last one fails the workflow.
    "start_to_close_timeout": timedelta(minutes=10),
    "schedule_to_close_timeout": timedelta(minutes=30),
    "retry_policy": RetryPolicy(maximum_interval=timedelta(minutes=1)),
}
_DUE = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
"""When the Schedule should have started a workflow; the server sets it."""


def carrying_queue(queue: str) -> str:
    """Return the task queue of shards: they may take every slot of a worker, and the steps of a workflow need one."""
    return f"{queue}-shards"


@dataclass(frozen=True)
class CarryRequest:
    """The run of a workflow: an id and a digest; nothing else leaves the journal."""

    run_id: str
    digest: str


@workflow.defn(name=WORKFLOW)
class RunWorkflow:
    """One run."""

    def __init__(self) -> None:
        self._read_requested = False
        self._cancelling: asyncio.Task[None] | None = None

    @workflow.signal(name=READ_AGAIN)
    def read_again(self) -> None:
        """Ask for the next stage again: somebody answered a question in the journal, or cancelled the run there."""
        self._read_requested = True

    @workflow.run
    async def run(self, request: CarryRequest) -> str:
        """Carry out the run until it is over, and return its outcome; a cancelled run is carried out to its end too."""
        over = None
        while over is None:
            carrying = asyncio.create_task(self._carry(request))
            while pending := [task for task in (carrying, self._cancelling) if task is not None and not task.done()]:
                try:
                    await workflow.wait(pending)
                except asyncio.CancelledError:  # this ends the wait, and no task
                    if self._cancelling is None:
                        self._cancelling = asyncio.create_task(self._cancel(request))
            over = carrying.result()
            if over is None and self._cancelling is None:  # a new history would not know about a cancel
                workflow.continue_as_new(request)
        if workflow.info().typed_search_attributes.get(RUN):  # the server knows them, otherwise it would refuse this
            workflow.upsert_search_attributes([OUTCOME.value_set(over.outcome or "over")])
        if self._cancelling is not None:
            self._cancelling.result()
            raise asyncio.CancelledError
        return over.outcome

    async def _carry(self, request: CarryRequest) -> Stage | None:
        """Carry out stage after stage, and return the last one; ``None`` to continue in a new history."""
        while True:
            self._read_requested = False
            stage: Stage = await workflow.execute_activity(
                NEXT_STAGE, request, result_type=Stage, summary="next stage", **_STEP
            )
            if stage.over:
                return stage
            if stage.shards:
                await self._carry_shards(request, stage)
            else:
                workflow.set_current_details(f"Waits for an answer: {stage.question}" if stage.question else "")
                with suppress(TimeoutError):  # whoever answered or cancelled may not have reached the server
                    await workflow.wait_condition(lambda: self._read_requested, timeout=stage.again_in)
                workflow.set_current_details("")
            if self._is_full():
                return None

    async def _carry_shards(self, request: CarryRequest, stage: Stage) -> None:
        """Carry out shards until all have ended; none begins once the history is full or the run is cancelled."""
        waiting, under_way = deque(stage.shards), list[asyncio.Task[None]]()
        refused: BaseException | None = None
        while True:
            while waiting and len(under_way) < stage.at_once and not (refused or self._cancelling or self._is_full()):
                under_way.append(asyncio.create_task(self._carry_shard(request, waiting.popleft())))
            if not under_way:
                break
            ended, under_way = await workflow.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            refused = refused or next((why for task in ended if (why := task.exception())), None)
        if refused:
            raise refused

    async def _carry_shard(self, request: CarryRequest, shard: int) -> None:
        queue = carrying_queue(workflow.info().task_queue)
        await workflow.execute_activity(
            CARRY, args=[request, shard], task_queue=queue, summary=f"shard {shard}", **_SHARD
        )  # fmt: skip

    async def _cancel(self, request: CarryRequest) -> None:
        """Record in the journal that the run must end: those who carry out its shards read that there, and end cleanly.

        Their activities are not cancelled: the server would drop one that is waiting for a worker, and would not give
        another worker one whose own worker is lost.
        """
        await workflow.execute_activity(CANCEL, request, summary="end the run cleanly", **_STEP)
        self._read_requested = True

    def _is_full(self) -> bool:
        """Return whether to continue in a new history; never after a cancel."""
        info = workflow.info()
        full = info.get_current_history_length() >= _MAX_EVENTS or info.is_continue_as_new_suggested()
        return full and self._cancelling is None


@workflow.defn(name=SCHEDULED)
class ScheduledWorkflow:
    """One time of a Temporal Schedule, which has a worker begin a run of its own configuration."""

    @workflow.run
    async def run(self, name: Any = "") -> str:  # noqa: ANN401 - anything else would never fail, but hang
        """Begin the run that workers have under a name, once for each time, and return its id."""
        info = workflow.info()
        due = info.typed_search_attributes.get(_DUE) or info.start_time
        given = [str(name)[:64], due.isoformat(timespec="seconds")]
        run_id: str = await workflow.execute_activity(BEGIN, args=given, summary=given[0], **_BEGIN)
        return run_id
