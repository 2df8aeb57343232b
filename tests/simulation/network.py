"""The network between the program and the simulated ECS: every request takes time, and some never arrive."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import BaseAdapter

from safe_reinit.simulator import gateway
from safe_reinit.simulator.engine import Engine
from safe_reinit.simulator.wire.answers import Reply
from tests import inprocess
from tests.simulation.options import Scenario
from tests.simulation.scheduler import Process, Scheduler

CONNECTING = 5.0
"""Seconds after which a host that cannot be reached is given up, where the program sets no limit."""
Point = Callable[[str, str, Process, bool], None]
"""Is told ``sent``, ``arrived`` or ``answered``, the action, who asked, and whether it is a dry run."""


class Network(BaseAdapter):
    """Carries requests on virtual time, also when the process that sent them is gone meanwhile."""

    def __init__(self, scheduler: Scheduler, engine: Engine, scenario: Scenario, point: Point) -> None:
        super().__init__()
        self._scheduler, self._engine, self._point = scheduler, engine, point
        self._network = scenario["network"]
        self._random = random.Random(f"network {scenario['seed']}")
        self._late = dict(self._network.get("late") or {})
        self.cut_off_until = 0.0

    def calm(self) -> None:
        """Let nothing go wrong from here on."""
        self._late, self.cut_off_until = {}, 0.0

    def send(self, request: requests.PreparedRequest, timeout: Any = None, **_: Any) -> requests.Response:  # type: ignore[override]
        """Send one request, and wait for its answer as long as ``timeout`` says."""
        scheduler, process = self._scheduler, self._scheduler.this().process
        connect, patience = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        raw = inprocess.raw_request(request)
        action = raw.headers.get("x-acs-action", raw.path)
        dry_run = ("DryRun", "true") in raw.pairs
        self._point("sent", action, process, dry_run)
        if scheduler.now < self.cut_off_until:
            scheduler.sleep(connect or CONNECTING)
            raise requests.ConnectTimeout(request=request)
        answers: list[Reply] = []
        task, ticket = scheduler.this(), scheduler.ticket()

        def arrive() -> None:
            reply, _call = gateway.respond(self._engine, raw)
            back = self._travel("back")
            headers = gateway.headers_of(self._engine, reply)
            self._point("arrived", action, process, dry_run)
            scheduler.at(scheduler.now + back + reply.delay, lambda: come_back(reply, headers))

        def come_back(reply: Reply, headers: dict[str, str]) -> None:
            if scheduler.now >= self.cut_off_until:
                answers.append(reply)
                came.update(headers)
                scheduler.wake(task, ticket)

        came: dict[str, str] = {}
        scheduler.at(scheduler.now + self._travel("there") + self._extra(action, dry_run=dry_run), arrive)
        scheduler.park(patience)
        if not answers:
            raise inprocess.too_late(request)
        self._point("answered", action, process, dry_run)
        if answers[0].ending != "answer":
            raise inprocess.cut(request)
        return inprocess.response(request, answers[0], came)

    def _travel(self, way: str) -> float:
        least, most = self._network[way]
        return self._random.uniform(least, most)

    def _extra(self, action: str, *, dry_run: bool) -> float:
        """Return by how much one call is late beyond every deadline (S4 broken)."""
        if dry_run or not action.startswith(self._late.get("action", "-")):
            return 0.0
        self._late["nth"] -= 1
        return float(self._late["seconds"]) if self._late["nth"] == 0 else 0.0

    def close(self) -> None:
        """Do nothing: there is no connection."""
