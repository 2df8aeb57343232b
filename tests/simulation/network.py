"""The network between the program and the simulated ECS: every request takes time, and some never arrive."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from safe_reinit.cloud.aliyun.attempt import LostError, NotLeftError, Reply, RequestInProgress
from safe_reinit.simulator import gateway
from safe_reinit.simulator.calls import Call
from safe_reinit.simulator.engine import Engine
from safe_reinit.simulator.state.clock import http_date
from safe_reinit.simulator.wire import answers
from safe_reinit.simulator.wire.params import Params
from safe_reinit.simulator.wire.request import RawRequest, Request
from tests import inprocess
from tests.simulation.judge import Sent
from tests.simulation.options import Scenario
from tests.simulation.scheduler import Process, Scheduler

Point = Callable[[str, str, Process, bool], None]
"""Is told ``leaving``, ``sent``, ``arrived`` or ``answered``, the action, who asked, and whether it is a dry run."""
Odd = Callable[[str], None]
"""Is told what was odd about an answer."""

_ROWS = {"DescribeDisks": ("Disks", "Disk", "DiskId"), "DescribeInstances": ("Instances", "Instance", "InstanceId")}
_UNREADABLE = {"DescribeDisks": ("Size", None), "DescribeInstances": ("StartTime", 17)}


@dataclass
class _Oddity:
    """Something odd about some answers, and how many of these there were."""

    what: dict[str, Any]
    count: int = 0

    def strikes(self, action: str) -> bool:
        """Count an answer to this action, and tell whether it is an odd one."""
        if action.removesuffix("s") != self.what.get("action", action).removesuffix("s"):
            return False
        self.count += 1
        first = self.what.get("nth", 1)
        return bool(first <= self.count < first + self.what.get("times", 1 << 30))


class Network:
    """Carries requests on virtual time, also when the process that sent them is gone meanwhile."""

    def __init__(self, scheduler: Scheduler, engine: Engine, scenario: Scenario, point: Point, odd: Odd) -> None:
        self._scheduler, self._engine, self._point, self._odd = scheduler, engine, point, odd
        self._network = scenario["network"]
        self._random = random.Random(f"network {scenario['seed']}")
        self._late = dict(scenario["beyond"].get("late") or {})
        self._date_ahead = float(scenario["beyond"].get("date_ahead", 0.0))
        self._oddities = [_Oddity(each) for each in scenario["answers"]]
        self._armed = False
        self.cut_off_until = 0.0
        self.sent: list[Sent] = []
        """The changing calls that left, oldest first."""

    def arm(self) -> None:
        """Let what is odd begin: the run has begun."""
        self._armed = True

    def recorded(self, process: Process) -> None:
        """Note that a process wrote to its journal: every answer that it had could be among that."""
        for note in self.sent:
            if note.process == process.name and note.answered and note.recorded_at == math.inf:
                note.recorded_at = self._scheduler.now

    def calm(self) -> None:
        """Let nothing go wrong from here on."""
        self._late, self._oddities, self._date_ahead, self.cut_off_until = {}, [], 0.0, 0.0

    def send(self, attempt: RequestInProgress, raw: RawRequest) -> Reply:
        """Send one request once, and wait for its answer as long as the attempt may."""
        request = Request(raw.headers.get("x-acs-action", raw.path), "", Params(raw.pairs))
        return self._carry(attempt, request, lambda: gateway.respond(self._engine, raw))

    def ask(self, attempt: RequestInProgress, request: Request, key_id: str) -> Reply:
        """Do the same with a question that nobody signs."""
        return self._carry(attempt, request, lambda: self._engine.ask(request, key_id))

    def _carry(
        self, attempt: RequestInProgress, request: Request, answer: Callable[[], tuple[answers.Reply, Call | None]]
    ) -> Reply:
        scheduler, process = self._scheduler, self._scheduler.this().process
        action, dry_run = request.action, request.dry_run
        self._point("leaving", action, process, dry_run)
        if scheduler.now < self.cut_off_until and not process.elsewhere:
            scheduler.sleep(attempt.remaining())
            raise NotLeftError("no connection could be made to the endpoint")
        process.steady = True  # a pause between that check and the first byte is a late request, which is S4's matter
        try:
            inprocess.leave(attempt)
        finally:
            process.steady = False
        note = Sent(scheduler.now, action, process.name, forced=request.params.text("ForceStop").lower() == "true")
        if not dry_run and not action.startswith(("Describe", "Get", "/")):
            self.sent.append(note)
        replies: list[answers.Reply] = []
        headers: dict[str, str] = {}
        task, tickets = scheduler.this(), list[int]()

        def arrive() -> None:
            reply, call = answer()
            reply = self._spoilt(action, reply) if self._armed else reply
            headers.update(gateway.headers_of(self._engine, reply))
            if self._date_ahead:
                headers["Date"] = http_date(self._engine.cloud.clock.now() + self._date_ahead)
            note.request_id = call.request_id if call is not None else ""
            note.refused = _refused(action, reply)
            self._point("arrived", action, process, dry_run)
            scheduler.at(scheduler.now + self._travel("back") + reply.delay, lambda: come_back(reply))

        def come_back(reply: answers.Reply) -> None:
            if scheduler.now >= self.cut_off_until or process.elsewhere:
                replies.append(reply)
                for ticket in tickets:
                    scheduler.wake(task, ticket)

        scheduler.at(scheduler.now + self._travel("there") + self._extra(action, dry_run=dry_run), arrive)
        self._point("sent", action, process, dry_run)  # whatever happens to the process now, the request is on its way
        tickets.append(scheduler.ticket())
        if not replies:
            scheduler.park(attempt.remaining())
        if not replies:
            raise LostError("the answer did not arrive completely in time")
        self._point("answered", action, process, dry_run)
        note.answered = replies[0].ending == "answer"  # to nobody, where the process was killed as it came
        note.answered_at = scheduler.now
        return inprocess.came(attempt, replies[0], headers)

    def _travel(self, way: str) -> float:
        least, most = self._network[way]
        return self._random.uniform(least, most)

    def _extra(self, action: str, *, dry_run: bool) -> float:
        """Return by how much one call is late beyond every deadline (S4 broken)."""
        if dry_run or not self._armed or not action.startswith(self._late.get("action", "-")):
            return 0.0
        self._late["nth"] -= 1
        return float(self._late["seconds"]) if self._late["nth"] == 0 else 0.0

    # ------------------------------------------------------------------------------------------------- odd answers

    def _spoilt(self, action: str, reply: answers.Reply) -> answers.Reply:
        """Return an answer with everything that is odd about it."""
        for oddity in self._oddities:
            does = oddity.what["does"]
            if does == "skews_date":
                self._date_ahead = oddity.what["seconds"]
            elif oddity.strikes(action):
                self._odd(f"{action}:{does}")
                if does == "drips":
                    reply = replace(reply, delay=reply.delay + oddity.what["seconds"])
                else:
                    reply = _with_rows(action, reply, does)
        return reply


def _refused(action: str, reply: answers.Reply) -> tuple[str, ...]:
    """Return the instances that a call for many was refused for, though it was accepted as a whole."""
    if action not in ("StopInstances", "StartInstances") or reply.status != 200:
        return ()
    try:
        rows = json.loads(reply.body)["InstanceResponses"]["InstanceResponse"]
    except (ValueError, KeyError):  # spoilt
        return ()
    return tuple(row["InstanceId"] for row in rows if row["Code"] != "200")


def _with_rows(action: str, reply: answers.Reply, does: str) -> answers.Reply:
    """Return a list with other rows, or another page, than it has."""
    if action not in _ROWS or reply.status != 200 or reply.ending != "answer":
        return reply
    try:
        body = json.loads(reply.body)
    except ValueError:  # spoilt already
        return reply
    outer, inner, name = _ROWS[action]
    rows = body[outer][inner]
    if does == "adds_rows":
        others = copy.deepcopy(rows)
        for row in others:
            row[name] = f"{row[name]}-other"
            row["Status"] = "ReIniting" if action == "DescribeDisks" else "Stopped"
        body[outer][inner] = others + rows
    elif does == "drops_rows":
        body[outer][inner] = []
    elif does == "spoils_rows":
        member, value = _UNREADABLE[action]
        for row in rows[:1]:
            row[member] = value
    elif does == "adds_pages":
        body["NextToken"] = "more"
    return replace(reply, body=json.dumps(body).encode())
