"""Keeping a run that is over in the journal of a worker, where it outlives the memory of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus

from .. import report
from ..aliyun.endpoints import Where
from ..errors import RunRefused
from ..journal import Journal, Lease
from ..model import Plan, Record
from ..model.codec import members
from ..plan import as_members
from .gathering import Story, calls_of, stories


class Keeping:
    """Keeps runs for one worker."""

    def __init__(self, client: Client, where: Where, journal: Path, runner: str) -> None:
        self._client = client
        self._where = where
        self._journal = journal
        self._runner = runner

    async def keep(self, asked: Mapping[str, Any], alive: Callable[[], None]) -> None:
        """Write a run down; one whose submitter writes into this very journal is left to it."""
        told = [each for each in await stories(self._client, asked["run_id"], asked["jobs"], alive) if each is not None]
        if told:
            await asyncio.to_thread(self._write, str(asked["run_id"]), told)

    def _write(self, run_id: str, told: Sequence[Story]) -> None:
        plan = replace(told[0].plan, jobs=tuple(each.plan.jobs[0] for each in told))
        found = {(each.check, each.subject): each for one in told for each in one.plan.findings}
        plan = replace(plan, findings=tuple(found.values()))
        begun = report.started(_began(run_id))
        records = [each.record for each in told]
        now = datetime.now(timezone.utc)
        ended = report.of_run(begun, now, plan, records, calls_of(told), run_id=run_id)
        with Journal(self._journal) as journal:
            stored = journal.run(run_id)
            lease = journal.take(run_id) if stored is not None else self._begin(journal, run_id, plan, records)
            if lease is None:
                return
            lease.save(*((place, known) for place, known in enumerate(records)))
            for each in told if stored is None else ():
                for event in each.events:
                    lease.tell({"schema": 1, **members(event)})
            owed = [n for n, each in enumerate(told) if each.owed] if stored is not None else []
            lease.end(members(ended), owed)

    def _begin(self, journal: Journal, run_id: str, plan: Plan, records: Sequence[Record]) -> Lease | None:
        jobs = [(known.instance_id, known) for known in records]
        place = self._where.local_url, self._where.profile
        try:
            return journal.begin(run_id, as_members(plan), *place, jobs, runner=self._runner)
        except RunRefused:  # an open run of this host's own has one of these instances: its story is told there
            return None

    async def gone(self, jobs: Sequence[str]) -> list[int]:
        """Tell which of these jobs are not open any more, by their places."""
        gone = []
        for place, job in enumerate(jobs):
            described = await self._client.get_workflow_handle(job).describe()
            if described.status is not WorkflowExecutionStatus.RUNNING:
                gone.append(place)
        return gone


def _began(run_id: str) -> datetime:
    """Read from the name of a run when it was submitted."""
    return datetime.strptime(run_id.split("-")[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
