"""Tests on virtual time: the whole program and a simulated ECS in one process, with nothing to wait for.

A test module says ``pytestmark = pytest.mark.virtual_time``. Each of its tests then runs as a task of a scheduler
(``tests.simulation``): every thread of the program, every wait and every answer is a step of it, in the same order each
time, however busy the machine is. ``Simulator`` below takes the place of the real one and has the same face.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import types
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich import live

from safe_reinit.cloud.aliyun import simulated
from safe_reinit.cloud.endpoints import Endpoint
from safe_reinit.journal import sqlite
from safe_reinit.simulator import embedded
from safe_reinit.simulator.engine import Engine
from tests import inprocess, virtualprocesses
from tests.simulation.patching import cooperative
from tests.simulation.scheduler import BEGIN_TIME, Process, Scheduler, VirtualClock

TEST_LIMIT = 48 * 3600.0
"""Virtual seconds after which a test counts as one that never ends."""
JOURNAL_ROOM = 4096
"""Bytes that a journal keeps for what a run writes: to write the usual megabyte takes a tenth of the time of a run."""
_HELPERS = ("tests.cloudlike", "tests.commands", "tests.fleetruns", "tests.shardruns", "tests.blackbox.worlds")
"""Helpers of tests that wait."""
_current: list[VirtualTime] = []


class VirtualTime:
    """The scheduler of one test, and the simulators that it began."""

    def __init__(self, seed: int = 0) -> None:
        self.scheduler = Scheduler(seed, BEGIN_TIME + random.Random(seed).random())
        self.connections: dict[str, inprocess.Line] = {}
        self.simulators: dict[str, Simulator] = {}

    def has(self, endpoint: Endpoint) -> bool:
        """Whether a simulator of this test answers there."""
        return endpoint.host in self.connections

    def run(self, test: Any) -> Any:
        """Run a test, or what it needs before, as a task to its end; return what that returns."""
        task = self.scheduler.spawn("test", Process("test"), test)
        self.scheduler.run(task, self.scheduler.now + TEST_LIMIT)
        if task.error is not None:
            raise task.error
        return task.result


class Simulator(embedded.Simulator):
    """A simulated ECS in the process of the test, with the face of the real one: nothing listens.

    ``travel`` is how many seconds a request and its answer are on their way, together.
    """

    def __init__(
        self,
        world: str | Path | dict[str, Any] | None = None,
        faults: str | Path | list[Any] | None = None,
        speed: float = 1.0,
        seed: int = 0,
        access_key: str | None = None,
        travel: float = 0.0,
    ) -> None:
        virtual = current()
        super().__init__(world, faults, speed, seed, access_key, VirtualClock(virtual.scheduler, speed))
        self._name = f"127.0.0.1:{len(virtual.simulators) + 1}"
        virtual.connections[self._name] = inprocess.Connection(self._engine, virtual.scheduler.sleep, travel=travel)
        virtual.simulators[self.url] = self

    def start(self) -> None:
        """Do nothing: it answers since it was made."""

    def stop(self) -> None:
        """Answer no more."""
        current().connections.pop(self._name)

    @property
    def engine(self) -> Engine:
        """What answers."""
        return self._engine

    @property
    def endpoint(self) -> str:
        """The address as an SDK's `endpoint` wants it, of which the line in the process takes care."""
        return self._name


def simulate(world: Any = None, faults: Any = None, speed: float = 1.0, **more: Any) -> embedded.Simulator:
    """Make a simulator for the test that runs: in its process on virtual time, else one that listens."""
    kind = Simulator if is_on() else embedded.Simulator
    return kind(world, faults, speed, **more)


class _Database(sqlite3.Connection):
    """A journal that waits for no disk: no power cut befalls a test, and to wait is most of what a run would do."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        super().execute("PRAGMA synchronous=OFF")

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Execute it, without the wait at each commit."""
        return super().execute("PRAGMA synchronous" if sql == "PRAGMA synchronous=FULL" else sql, *values)


def _sqlite3() -> types.ModuleType:
    """Return what takes the place of ``sqlite3`` in the program."""
    fake = types.ModuleType("sqlite3")
    fake.__dict__.update({name: value for name, value in vars(sqlite3).items() if not name.startswith("__")})
    fake.__dict__["connect"] = partial(sqlite3.connect, factory=_Database)
    return fake


def current() -> VirtualTime:
    """Return the virtual time of the test that runs."""
    assert _current, "the test is not marked virtual_time"
    return _current[-1]


def is_on() -> bool:
    """Whether the test that runs is one on virtual time."""
    return bool(_current)


@contextmanager
def virtual_time(module: Any, seed: int = 0) -> Iterator[VirtualTime]:
    """Put virtual time under the program, the tests' own helpers and a test module."""
    virtual, has_a_record = VirtualTime(seed), simulated._has_a_record
    helpers = [sys.modules[name] for name in _HELPERS if name in sys.modules]
    with ExitStack() as stack:
        stack.enter_context(cooperative(virtual.scheduler, [module, *helpers], [(sqlite3, _sqlite3())]))
        stack.enter_context(inprocess.connected(virtual.connections))
        stack.enter_context(virtualprocesses.known())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(live, "_RefreshThread", virtualprocesses.Drawing)
        patch.setattr(sqlite, "_RESERVE_SIZE", JOURNAL_ROOM)
        patch.setattr(embedded, "Simulator", Simulator)  # that of --simulate and of a rehearsal
        patch.setattr(simulated, "_has_a_record", lambda endpoint: virtual.has(endpoint) or has_a_record(endpoint))
        _current.append(virtual)
        try:
            yield virtual
        finally:
            _current.remove(virtual)
