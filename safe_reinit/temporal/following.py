"""Following a run that goes on at the server: what happens is told as the local runner tells it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError

from ..clock import Clock, boottime
from ..model import STILL_OWED, Event, Failure, Record
from ..model.told import ending
from ..run import TICK
from . import payloads
from .gathering import find
from .names import Place
from .restarting import was_ended
from .server import Server, pollers
from .submitting import idle, lane

_A_SECOND = 10.0
"""Questions to jobs a second: each is a task of the server and of a worker."""
_PATIENCE = 5.0
"""Real seconds for which an answer is waited for before it is looked whether anybody is there to give it."""
_LEAST = 0.5
_QUIET = 30.0
"""Real seconds without news of a job after which it is looked whether its workflow is still there."""


@dataclass
class Following:
    """Follows one run until all its jobs have ended, or until somebody wants to leave.

    Attributes:
        stop: set by somebody who wants to leave; the run goes on.
        leave: the same.
        wake: set to end the wait between two questions.

    """

    client: Client
    server: Server
    place: Place
    clock: Clock
    run_id: str
    records: Sequence[Record]
    tell: Callable[[Event], None]
    say: Callable[[str], None]
    go_on: Callable[[str], bool]
    ended: set[int] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)
    leave: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._told = [0] * len(self.records)
        self._asked = 0
        """Jobs that were at work when they were asked last."""
        self._idle = False
        self._forgotten = False
        """Whether the lane does not know the run: a job that is not there either is over, or never was."""
        self._jobs: dict[int, WorkflowHandle[Any, Any]] = {}
        self._heard: dict[int, float] = {}
        self._closed: set[int] = set()
        """Jobs whose workflow had been ended already when it was found."""
        self._cut_off = False
        """Whether somebody ended a workflow at the server: the lane does not hear of its end."""

    async def __call__(self) -> bool:
        """Follow; tell whether it is over."""
        while not self.stop.is_set():
            try:
                if await asyncio.wait_for(self._ask(), _PATIENCE + len(self.records) / _A_SECOND):
                    return True
            except (asyncio.TimeoutError, WorkflowQueryFailedError, RPCError):
                await self._look_for_workers()
            else:
                self._idle = False
            await self._rest()
        return False

    async def _ask(self) -> bool:
        """Ask how far everything is; tell whether it is over."""
        run = await self.client.get_workflow_handle(self.place.lane).query("status", self.run_id)
        self._forgotten = run is None
        at_work = self._at_work(run)
        self._asked = len(at_work)
        for position in at_work:
            await self._ask_job(position)
        if run is None:  # the lane has forgotten it: all jobs have ended
            return len(self.ended) == len(self.records)
        for position, outcome in enumerate(run["outcomes"]):
            if outcome is not None and not run["begun"][position]:
                self._never(position, run["closed"] or "the run was cancelled")
        if run["asking"]:
            go = await asyncio.to_thread(self.go_on, run["asking"])
            await lane(self.client, self.place, self.clock.rate, "answer", self.run_id, run["stage"], go)
        return (run["state"] == "ended" or self._cut_off) and len(self.ended) == len(self.records)

    def _at_work(self, run: Mapping[str, Any] | None) -> list[int]:
        begun = run["begun"] if run else [True] * len(self.records)
        return [n for n in range(len(self.records)) if begun[n] and n not in self.ended]

    async def _ask_job(self, position: int) -> None:
        job = self._jobs.get(position) or await self._find(position)
        if job is None:
            return
        news = await job.query("news", self._told[position])
        for event in news["events"]:
            self._tell(event)
        self._told[position] += len(news["events"])
        if news["ended"] is not None:
            self.ended.add(position)
        elif news["never"]:
            self._never(position, news["never"])
        else:
            if news["waiting"] is not None:
                self._tell(news["waiting"])
            await self._see_whether_it_is_there(position, job, news=bool(news["events"]))

    async def _see_whether_it_is_there(self, position: int, job: WorkflowHandle[Any, Any], *, news: bool) -> None:
        """Find, after a while without news, that somebody ended the workflow of a job: of it none will come."""
        now = boottime()
        since = now if news else self._heard.setdefault(position, now)
        if now - since < _QUIET and position not in self._closed:
            self._heard[position] = since
            return
        self._heard[position] = now
        if not was_ended((await job.describe()).status):
            return
        self._cut_off = True
        if (await job.query("story"))["begun"]:
            self.ended.add(position)
            why = f"its workflow was ended at the Temporal server. Go on: safe-reinit resume {self.run_id}."
            self._tell_of_the_end(position, "unknown", f"What becomes of it is not known: {why}")
        else:
            self._never(position, "its workflow was ended at the Temporal server")

    async def _find(self, position: int) -> WorkflowHandle[Any, Any] | None:
        """Find the job itself: its instance may have another one by now."""
        found = await find(self.client, self.run_id, self.place.job(self.records[position].instance_id))
        if found is None:
            if self._forgotten:
                self.ended.add(position)
            return None
        self._jobs[position] = found[0]
        if was_ended(found[1]):
            self._closed.add(position)
        return found[0]

    def _tell(self, event: Mapping[str, Any]) -> None:
        self.tell(payloads.read_event(event))

    def _never(self, position: int, why: str) -> None:
        """Tell of a job that never began."""
        if position in self.ended:
            return
        self.ended.add(position)
        self._tell_of_the_end(position, "refused", f"Not begun: {why}.")

    def _tell_of_the_end(self, position: int, outcome: str, why: str) -> None:
        known = self.records[position]
        power = known.instance_status if outcome == "refused" else ""
        data = ending(outcome, power, Failure(None, why), owed=outcome in STILL_OWED)
        self.tell(Event(self.clock.now(), self.run_id, "done", known.instance_id, None, data))

    async def _look_for_workers(self) -> None:
        try:
            count = await asyncio.wait_for(pollers(self.client, self.place.queue), _PATIENCE)
        except (asyncio.TimeoutError, RPCError):
            text = f"The Temporal server {self.server.text} does not answer."
        else:
            text = idle(self.server, self.place) if count == 0 else ""
        if text and not self._idle:
            self._idle = True
            self.say(f"{text} The run waits; nothing is lost.")

    async def _rest(self) -> None:
        seconds = max(_LEAST, TICK / self.clock.rate, self._asked / _A_SECOND)
        self.wake.clear()
        await asyncio.to_thread(self.wake.wait, seconds)
