"""The network between the program and the simulated ECS: every request takes time, and some never arrive."""

from __future__ import annotations

import random
from collections.abc import Callable

from safe_reinit.aliyun.attempt import Attempt, LostError, NotLeftError, Reply
from safe_reinit.simulator import gateway
from safe_reinit.simulator.engine import Engine
from safe_reinit.simulator.wire import answers
from safe_reinit.simulator.wire.request import RawRequest
from tests import inprocess
from tests.simulation.options import Scenario
from tests.simulation.scheduler import Process, Scheduler

Point = Callable[[str, str, Process, bool], None]
"""Is told ``sent``, ``arrived`` or ``answered``, the action, who asked, and whether it is a dry run."""


class Network:
    """Carries requests on virtual time, also when the process that sent them is gone meanwhile."""

    def __init__(self, scheduler: Scheduler, engine: Engine, scenario: Scenario, point: Point) -> None:
        self._scheduler, self._engine, self._point = scheduler, engine, point
        self._network = scenario["network"]
        self._random = random.Random(f"network {scenario['seed']}")
        self._late = dict(self._network.get("late") or {})
        self.cut_off_until = 0.0
        self.sent: set[str] = set()
        """The changing calls that left."""

    def calm(self) -> None:
        """Let nothing go wrong from here on."""
        self._late, self.cut_off_until = {}, 0.0

    def send(self, attempt: Attempt, raw: RawRequest) -> Reply:
        """Send one request once, and wait for its answer as long as the attempt may."""
        scheduler, process = self._scheduler, self._scheduler.this().process
        action = raw.headers.get("x-acs-action", raw.path)
        dry_run = any(name == "DryRun" and value.lower() == "true" for name, value in raw.pairs)
        if scheduler.now < self.cut_off_until:
            scheduler.sleep(attempt.remaining())
            raise NotLeftError("no connection could be made to the endpoint")
        inprocess.leave(attempt)
        if not dry_run and not action.startswith(("Describe", "Get")):
            self.sent.add(action)
        self._point("sent", action, process, dry_run)
        replies: list[answers.Reply] = []
        headers: dict[str, str] = {}
        task, ticket = scheduler.this(), scheduler.ticket()

        def arrive() -> None:
            reply, _call = gateway.respond(self._engine, raw)
            headers.update(gateway.headers_of(self._engine, reply))
            self._point("arrived", action, process, dry_run)
            scheduler.at(scheduler.now + self._travel("back") + reply.delay, lambda: come_back(reply))

        def come_back(reply: answers.Reply) -> None:
            if scheduler.now >= self.cut_off_until:
                replies.append(reply)
                scheduler.wake(task, ticket)

        scheduler.at(scheduler.now + self._travel("there") + self._extra(action, dry_run=dry_run), arrive)
        scheduler.park(attempt.remaining())
        if not replies:
            raise LostError("the answer did not come, or not to its end, in time")
        self._point("answered", action, process, dry_run)
        return inprocess.came(attempt, replies[0], headers)

    def _travel(self, way: str) -> float:
        least, most = self._network[way]
        return self._random.uniform(least, most)

    def _extra(self, action: str, *, dry_run: bool) -> float:
        """Return by how much one call is late beyond every deadline (S4 broken)."""
        if dry_run or not action.startswith(self._late.get("action", "-")):
            return 0.0
        self._late["nth"] -= 1
        return float(self._late["seconds"]) if self._late["nth"] == 0 else 0.0
