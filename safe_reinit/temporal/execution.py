"""Runs that go on at a Temporal server: submitted, followed, gone on with, cancelled; reported as the local ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError

from .. import record, report
from ..aliyun.endpoints import Where
from ..clock import Clock
from ..errors import OutcomeUnknown, RunRefused, UsageError
from ..execution import HeldRun, call_event, first_records, moment
from ..interrupt import Interrupt
from ..journal import Journal, Lease, StoredRun
from ..model import Call, Event, OnUnknown, Plan, Record, Report
from ..model.codec import decode, members
from ..plan import as_members
from ..plan import from_json as plan_of
from .following import Following
from .gathering import Story, calls_of, find, key_of, stories
from .names import Place
from .restarting import begin_again, was_ended
from .server import Server
from .submitting import Submission, lane

T = TypeVar("T")

_PATIENCE = 10.0
"""Real seconds for which the lane is asked to forget what was let go already."""


@dataclass(frozen=True)
class TemporalExecution:
    """How runs are carried out there: who listens here, and which journal remembers them."""

    where: Where
    clock: Clock
    journal: Journal
    server: Server
    on_event: Callable[[Event], None]
    interrupt: Interrupt
    go_on: Callable[[str], bool] = lambda _: True

    def begin(self, plan: Plan, run_id: str, calls: list[Call], on_unknown: OnUnknown) -> Report:
        """Submit a confirmed plan, follow it and report.

        Raises:
            RunRefused: no worker polls, another run has one of the instances, or the plan was run already.
            UsageError: the plan sets a password, which goes over no server.
            OutcomeUnknown: whoever follows has left; the run goes on.
        """
        if plan.options.password is not None:
            raise UsageError(
                "A password is not sent over a Temporal server.",
                hint="Set a key pair (--key-pair), or run it from this host (--runner local).",
            )
        begun = report.started(self.clock.now())
        records = first_records(plan, run_id, on_unknown)
        jobs = [(known.instance_id, known) for known in records]
        lease = self.journal.begin(
            run_id, as_members(plan), self.where.local_url, self.where.profile, jobs, runner=self.server.text
        )
        for call in calls:
            lease.tell(call_event(run_id, call))
        return _in_a_loop(self._begin(HeldRun(plan, lease, records, calls, begun)))

    async def _begin(self, run: HeldRun) -> Report:
        try:
            client = await self.server.connect()
            await self._submission(client, run)()
        except (RunRefused, UsageError):
            self.journal.withdraw(run.lease)
            raise
        return await self._follow(client, run)

    def resume(self, stored: StoredRun, lease: Lease, calls: list[Call], verdict: record.Verdict | None) -> Report:
        """Follow a run again; what it still owes is gone on with.

        Raises:
            OutcomeUnknown: whoever follows has left; the run goes on.
        """
        plan = plan_of(stored.plan)
        records = [decode(Record, known) for _, known, _ in stored.jobs]
        begun = report.started(moment(stored.started_at))
        try:
            return _in_a_loop(self._resume(HeldRun(plan, lease, records, calls, begun), verdict))
        except BaseException:
            lease.release()
            raise

    async def _resume(self, run: HeldRun, verdict: record.Verdict | None) -> Report:
        client = await self.server.connect()
        place = self._place(run.plan)
        submission = self._submission(client, run)
        await submission.refuse_idle()
        status = await lane(client, place, self.clock.rate, "known", run.lease.run_id)
        if status == "announced":  # whoever submitted it did not come to the end of that
            await submission()
        for known in run.records:
            found = await find(client, run.lease.run_id, place.job(known.instance_id))
            if found is not None and found[1].name == "RUNNING":
                with contextlib.suppress(RPCError, WorkflowUpdateFailedError):  # it ends just now: then it owes nothing
                    await found[0].execute_update("go_on", verdict or "")
            elif found is not None and was_ended(found[1]):
                self._say(await begin_again(client, run.lease.run_id, found[0], verdict))
        return await self._follow(client, run)

    def _say(self, text: str) -> None:
        if text:
            self.interrupt.say(text)

    def cancel(self, stored: StoredRun) -> None:
        """Let no further job of a run begin, and ask those at work to end in order."""
        _in_a_loop(self._cancel(stored))

    async def _cancel(self, stored: StoredRun) -> None:
        client = await self.server.connect()
        place = self._place(plan_of(stored.plan))
        if await lane(client, place, self.clock.rate, "cancel", stored.run_id):
            return
        for instance_id, _, _ in stored.jobs:
            found = await find(client, stored.run_id, place.job(instance_id))
            if found is not None and found[1].name == "RUNNING":
                await found[0].signal("interrupt")

    def let_go(self, stored: StoredRun) -> None:
        """End what waits for somebody to say what became of it: its instance is free for another run.

        Raises:
            RunRefused: a job of the run is at work still.
        """
        _in_a_loop(self._let_go(stored))

    async def _let_go(self, stored: StoredRun) -> None:
        client = await self.server.connect()
        place = self._place(plan_of(stored.plan))
        for instance_id, _, _ in stored.jobs:
            found = await find(client, stored.run_id, place.job(instance_id))
            if found is None or found[1].name != "RUNNING":
                continue
            if not await found[0].execute_update("let_go"):
                raise RunRefused(
                    f"Run {stored.run_id} is at work on {instance_id} still.",
                    hint=f"End it first: safe-reinit cancel {stored.run_id}.",
                )
        with contextlib.suppress(RunRefused, RPCError, asyncio.TimeoutError):  # else it stays known there
            await asyncio.wait_for(lane(client, place, self.clock.rate, "forget", stored.run_id), _PATIENCE)

    # -------------------------------------------------------------------------------------------------- following

    async def _follow(self, client: Client, run: HeldRun) -> Report:
        run_id, place = run.lease.run_id, self._place(run.plan)

        def tell(event: Event) -> None:
            if event.event != "wait":
                run.lease.tell({"schema": 1, **members(event)})
            self.on_event(event)

        following = Following(
            client, self.server, place, self.clock, run_id, run.records, tell, self.interrupt.say, self.go_on
        )
        with self.interrupt.ending(following):
            over = await following()
        if not over:
            run.lease.release()
            raise self._left(run)
        told = await stories(client, run_id, [place.job(known.instance_id) for known in run.records])
        return self._report(run, told)

    def _left(self, run: HeldRun) -> OutcomeUnknown:
        run_id = run.lease.run_id
        lost = [record.lose_sight(known) for known in run.records]
        error = OutcomeUnknown(
            f"Run {run_id} goes on at the Temporal server {self.server.text}; what it comes to is not known here.",
            hint=f"Follow it again: safe-reinit resume {run_id}; end it: safe-reinit cancel {run_id}.",
        )
        words = [f"safe-reinit {word} {run_id}" for word in ("show", "resume", "cancel")]
        told = report.of_run(run.begun, self.clock.now(), run.plan, lost, run.calls, run_id=run_id, next_=words)
        error.report = report.of_bug(told, error)
        return error

    def _report(self, run: HeldRun, told: Sequence[Story | None]) -> Report:
        records = [
            each.record if each is not None else record.lose_sight(known)
            for each, known in zip(told, run.records, strict=True)
        ]
        known = [each for each in told if each is not None]
        told_before = {key_of(call) for call in run.calls}  # of a run that is followed again
        new = [call for call in calls_of(known) if key_of(call) not in told_before]
        calls = [*run.calls, *new]
        run_id = run.lease.run_id
        made = report.of_run(run.begun, self.clock.now(), run.plan, records, calls, run_id=run_id)
        if made.looks is not None:
            made = replace(made, looks=made.looks + sum(each.looks for each in known))
        for call in new:
            run.lease.tell(call_event(run_id, call))
        run.lease.save(*((place, each) for place, each in enumerate(records)))
        run.lease.end(members(made), [n for n, each in enumerate(told) if each is not None and each.owed])
        return made

    def _submission(self, client: Client, run: HeldRun) -> Submission:
        return Submission(
            client, self.server, self._place(run.plan), self.clock, run.lease.run_id, run.plan, run.records
        )

    def _place(self, plan: Plan) -> Place:
        return Place(plan.account, plan.region, self.where.local_url)


def _in_a_loop(work: Coroutine[Any, Any, T]) -> T:
    """Do something in an event loop of its own, also where the caller is in one: a listener may cancel its run."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
