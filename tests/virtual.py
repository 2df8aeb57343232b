"""Tests on virtual time: the whole program and a simulated ECS in one process, with nothing to wait for.

A test module says ``pytestmark = pytest.mark.virtual_time``. Each of its tests then runs as a task of a scheduler
(``tests.simulation``): every thread of the program, every wait and every answer is a step of it, in the same order each
time, however busy the machine is. ``Simulator`` below takes the place of the real one and has the same face.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, cast

from safe_reinit.simulator import console, witness
from safe_reinit.simulator.engine import Engine, Options
from safe_reinit.simulator.state.clock import SimulatedClock
from tests import inprocess
from tests.simulation.patching import cooperative
from tests.simulation.scheduler import Process, Scheduler

LONGEST = 48 * 3600.0
"""Virtual seconds after which a test counts as one that never ends."""
_BEGIN = 1_780_000_000.0
_current: list[VirtualTime] = []


class VirtualTime:
    """The scheduler of one test, and the simulators that it began."""

    def __init__(self, seed: int = 0) -> None:
        self.scheduler = Scheduler(seed, _BEGIN + random.Random(seed).random())
        self.connections: dict[str, inprocess.Connection] = {}

    def run(self, test: Any) -> None:
        """Run a test as a task, to its end."""
        task = self.scheduler.spawn("test", Process("test"), test)
        self.scheduler.run(task, self.scheduler.now + LONGEST)
        if task.error is not None:
            raise task.error


class _Clock(SimulatedClock):
    """The simulator's clock, on the virtual time of the test."""

    def __init__(self, scheduler: Scheduler, speed: float) -> None:
        super().__init__(speed)
        self._scheduler = scheduler
        self._start = self._began = scheduler.now

    def now(self) -> float:
        """Return simulated time."""
        return self._start + (self._scheduler.now - self._began) * self.speed


class Simulator:
    """A simulated ECS in the process of the test; see ``safe_reinit.simulator.Simulator``."""

    def __init__(
        self, world: Any = None, faults: Any = None, speed: float = 1.0, seed: int = 0, access_key: str | None = None
    ) -> None:
        virtual = current()
        key = cast("tuple[str, str] | None", tuple(access_key.split(":", 1)) if access_key else None)
        clock = _Clock(virtual.scheduler, speed)
        self._engine = Engine(Options(world, faults, speed, seed, key, clock))
        self.endpoint = f"127.0.0.1:{len(virtual.connections) + 1}"
        virtual.connections[self.endpoint] = inprocess.Connection(self._engine, virtual.scheduler.sleep)

    def __enter__(self) -> Simulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        current().connections.pop(self.endpoint)

    @property
    def url(self) -> str:
        """The address as a URL."""
        return f"http://{self.endpoint}"

    @property
    def access_key(self) -> tuple[str, str]:
        """Id and secret of the default key."""
        return self._engine.default_key.id, self._engine.default_key.secret

    @property
    def region(self) -> str:
        """The region of the world."""
        return self._engine.cloud.settings.region

    def state(self) -> dict[str, Any]:
        """Return what is true now."""
        return witness.state(self._engine)

    def do(self, request: dict[str, Any]) -> None:
        """Do what another person does; a ValueError says why not."""
        console.do(self._engine, request)


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
    virtual = VirtualTime(seed)
    helpers = [sys.modules[name] for name in ("tests.cloudlike", "tests.fleetruns") if name in sys.modules]
    with ExitStack() as stack:
        stack.enter_context(cooperative(virtual.scheduler, [module, *helpers]))
        stack.enter_context(inprocess.connected(virtual.connections))
        _current.append(virtual)
        try:
            yield virtual
        finally:
            _current.remove(virtual)
