"""What an open run waits for, in words for people: an answer, or other runs."""

from __future__ import annotations

from datetime import UTC, datetime

from ..journal import Reader, StoredRun
from ..model import Rollout
from ..model.codec import decode
from ..plans import shards


def wait_of_run(journal: Reader, run: StoredRun) -> str:
    """Describe what a run is waiting for: an answer, or room left by other runs; ``""`` if it is not waiting."""
    if question := _question(journal, run):
        return (
            f"for an answer: {question} To answer, on a terminal: safe-reinit resume {run.run_id}; "
            f"to end it: safe-reinit cancel {run.run_id}"
        )
    if not run.attended:
        return ""
    others, most = journal.in_use(run.run_id), run.plan["rollout"]["max_parallel"]
    states = [each.state for each in run.jobs]
    to_begin = any(each.wipes_to_come and not each.may_be_down for each in states)
    full = sum(each.may_be_down for each in states) + others.down >= most
    return others.reason(most) if to_begin and others.down and full else ""


def _question(journal: Reader, run: StoredRun) -> str:
    """Return the question that holds up the next stage of a run that workers carry out; ``""`` if there is none."""
    if not run.shards or not run.open or (run.holder is not None and run.holder.cancelled):
        return ""
    rollout = decode(Rollout, run.plan["rollout"])
    progress, agreed = journal.shards(run.run_id), journal.confirmed_stage(run.run_id)
    return shards.next_stage(rollout, progress, agreed, datetime.now(UTC)).question
