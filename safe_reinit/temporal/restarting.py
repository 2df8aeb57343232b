"""A job whose workflow somebody ended at the server, by hand: ``resume`` begins a new one from its record as it stood.

It goes on as after a process that is gone. A call that was handed over and not answered counts as asked; the new
workflow looks only when it cannot arrive any more, and asks for it again only behind the fence. Where another run had
the instance in between nothing is begun: what the record stands on may be of before that run.
"""

from __future__ import annotations

from typing import Any

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from ..record import Verdict
from . import names
from .gathering import RUN

_WELL = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED)
"""What a workflow is that goes on, or came to its own end."""
Job = WorkflowHandle[Any, Any]


def was_ended(status: WorkflowExecutionStatus | None) -> bool:
    """Tell whether somebody ended a workflow that had not come to its own end."""
    return status not in _WELL


async def begin_again(client: Client, run_id: str, job: Job, verdict: Verdict | None) -> str:
    """Begin a new workflow for a job whose workflow was ended; one of which nothing was begun stays as it is.

    Gives a sentence where that cannot be: another run had the instance since.

    Args:
        run_id: the run that the job is of.
        job: its workflow that was ended.
        verdict: what became of its disks, where somebody knows.

    """
    newest = await client.get_workflow_handle(job.id).describe()
    if newest.run_id != job.run_id:
        return await _had_by_another(run_id, newest)
    told = await job.query("story")
    if not told["begun"] or (told["ended"] is not None and not told["ended"]["owed"]):
        return ""
    given = {**told["given"], "v": told["v"], "record": told["record"], "begun": True}
    said = ["resumed", *([verdict] if verdict else [])]
    notes = [*told["notes"], *({"said": word} for word in said)]
    given["past"] = {"notes": notes, **{each: told[each] for each in ("events", "calls", "looks")}}
    given.pop("not_before", None)
    if told["handed"]:
        assert newest.close_time is not None  # noqa: S101 - it was ended
        given["not_before"] = newest.close_time.timestamp() + given["heartbeat"] + given["horizon"]
    try:
        await client.start_workflow(
            names.JOB,
            given,
            id=job.id,
            task_queue=given["queue"],
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            memo={RUN: run_id},
        )
    except WorkflowAlreadyStartedError:
        now = await client.get_workflow_handle(job.id).describe()
        if await now.memo_value(RUN, "") != run_id:
            return await _had_by_another(run_id, now)
    return ""


async def _had_by_another(run_id: str, other: WorkflowExecutionDescription) -> str:
    name, instance_id = await other.memo_value(RUN, "of somebody"), other.id.rpartition("/")[2]
    return (
        f"The workflow of {instance_id} was ended at the Temporal server, and run {name} had the instance since: this "
        f"run does not go on with it. Look at the machine, then plan anew: safe-reinit resume {run_id} --verdict "
        "wipe-again."
    )
