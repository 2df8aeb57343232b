"""Put virtual time and cooperative threads under the program, and take them away again."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import importlib
import pkgutil
import queue
import select
import sqlite3
import sys
import threading
import time
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import safe_reinit
from safe_reinit import interrupt
from safe_reinit.journal import postgres
from tests.simulation.scheduler import Scheduler
from tests.simulation.threads import Threads

_NOT_OURS = ("safe_reinit.simulator", "safe_reinit.__main__")
"""The simulator is the other side: it has the clock that it is given, and no threads here."""
_AWAKE = (interrupt, "_POLL_INTERVAL", interrupt._POLL_INTERVAL)
"""How often a run sees whether something was raised from another thread: nobody does that here."""
_POLL_INTERVAL = 0.02


@cache
def _modules() -> tuple[types.ModuleType, ...]:
    """Import all of the program, also what it would import late, so that nothing of it escapes."""
    for found in pkgutil.walk_packages(safe_reinit.__path__, "safe_reinit."):
        if not found.name.startswith(_NOT_OURS):
            importlib.import_module(found.name)
    names = sorted(name for name in sys.modules if name.partition(".")[0] == "safe_reinit")
    return tuple(sys.modules[name] for name in names if not name.startswith(_NOT_OURS))


def _module(real: types.ModuleType, **fakes: Any) -> types.ModuleType:
    """Make a module that is the real one but for these names."""
    fake = types.ModuleType(real.__name__)
    fake.__dict__.update({name: value for name, value in vars(real).items() if not name.startswith("__")}, **fakes)
    return fake


def _fakes(scheduler: Scheduler) -> list[tuple[Any, Any]]:
    threads = Threads(scheduler)

    def process_offset() -> float:
        return scheduler.current.process.wall_offset if scheduler.current else 0.0

    def awake() -> float:
        return scheduler.now - (scheduler.current.process.slept if scheduler.current else 0.0)

    names = (
        "Lock", "RLock", "Condition", "Semaphore", "Event", "Thread", "Timer", "local", "current_thread",
    )  # fmt: skip
    fake_threading = _module(threading, **{name: getattr(threads, name) for name in names})
    fake_time = _module(
        time,
        time=lambda: scheduler.now + process_offset(),
        monotonic=awake,
        perf_counter=awake,
        clock_gettime=lambda _clock: scheduler.read(),
        sleep=scheduler.sleep,
    )
    fake_futures = _module(
        concurrent.futures, Future=threads.Future, ThreadPoolExecutor=threads.ThreadPoolExecutor, wait=threads.wait,
        as_completed=threads.as_completed,
    )  # fmt: skip
    fake_select = _module(select, select=_select(scheduler))
    fake_queue = types.ModuleType("queue")
    source = dict(vars(queue))
    for name in ("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"):
        source[name] = _queue(source.get(name, queue.Queue), fake_threading, scheduler)
    fake_queue.__dict__.update({name: value for name, value in source.items() if not name.startswith("__")})
    return [
        (threading, fake_threading),
        (time, fake_time),
        (concurrent.futures, fake_futures),
        (queue, fake_queue),
        (select, fake_select),
        (threading.Thread, threads.Thread),
        (threading.Event, threads.Event),
        (threading.Lock, threads.Lock),
        (threading.RLock, threads.RLock),
        (threading.Condition, threads.Condition),
        (threading.Semaphore, threads.Semaphore),
        (threading.local, threads.local),
        (concurrent.futures.Future, threads.Future),
        (concurrent.futures.ThreadPoolExecutor, threads.ThreadPoolExecutor),
        (concurrent.futures.wait, threads.wait),
        (concurrent.futures.as_completed, threads.as_completed),
        (queue.Queue, fake_queue.Queue),
        (queue.SimpleQueue, fake_queue.SimpleQueue),
    ]


def _select(scheduler: Scheduler) -> Any:
    """Make a ``select`` with a time limit, which may be waited for in real time nowhere."""

    def wait(reading: Any, writing: Any, failing: Any, timeout: float) -> Any:
        until = scheduler.now + timeout
        while not any(ready := select.select(reading, writing, failing, 0)) and scheduler.now < until:
            scheduler.sleep(min(_POLL_INTERVAL, until - scheduler.now))
        return ready

    return wait


def _queue(kind: type, fake_threading: types.ModuleType, scheduler: Scheduler) -> type:
    """Make a queue that waits on virtual time."""
    base = kind if kind is not queue.SimpleQueue else queue.Queue

    class Cooperative(base):  # type: ignore[misc,valid-type]
        def __init__(self, maxsize: int = 0) -> None:
            super().__init__(maxsize)
            self.mutex = fake_threading.RLock()
            for name in ("not_empty", "not_full", "all_tasks_done"):
                setattr(self, name, fake_threading.Condition(self.mutex))

        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            with self.not_full:
                if self.maxsize > 0 and not self._room(block, timeout):
                    raise queue.Full
                self._put(item)
                self.unfinished_tasks += 1
                self.not_empty.notify()

        def _room(self, block: bool, timeout: float | None) -> bool:
            if not block:
                return self._qsize() < self.maxsize
            return bool(self.not_full.wait_for(lambda: self._qsize() < self.maxsize, timeout))

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            with self.not_empty:
                there = self.not_empty.wait_for(self._qsize, timeout) if block else self._qsize()
                if not there:
                    raise queue.Empty
                item = self._get()
                self.not_full.notify()
                return item

    del scheduler
    return Cooperative


@contextmanager
def cooperative(
    scheduler: Scheduler, also: Sequence[types.ModuleType] = (), more: Sequence[tuple[Any, Any]] = ()
) -> Iterator[None]:
    """Let the whole program, and the modules in ``also``, run on this scheduler while the block lasts.

    Args:
        scheduler: what runs it.
        also: modules of tests.
        more: what else is replaced, and by what.
    """
    fakes = {id(real): fake for real, fake in (*_fakes(scheduler), *more)}
    undo: list[tuple[Any, str, Any]] = [_AWAKE]
    cells: list[tuple[Any, Any]] = []
    interrupt._POLL_INTERVAL = threading.TIMEOUT_MAX
    try:
        for module, name, value in (*_places(_modules()), *_places(tuple(also))):
            fake = fakes.get(id(value))
            if fake is not None and vars(module).get(name) is value:
                undo.append((module, name, value))
                setattr(module, name, fake)
        for cell, value in _cells(_modules()):
            if id(value) in fakes:
                cells.append((cell, value))
                cell.cell_contents = fakes[id(value)]
        yield
    finally:
        for module, name, value in undo:
            setattr(module, name, value)
        for cell, value in cells:
            cell.cell_contents = value


_REAL = (
    threading, time, concurrent.futures, queue, select, sqlite3, postgres.TimedConnection, threading.Thread,
    threading.Event, threading.Lock, threading.RLock, threading.Condition, threading.Semaphore, threading.local,
    concurrent.futures.Future, concurrent.futures.ThreadPoolExecutor, concurrent.futures.wait,
    concurrent.futures.as_completed, queue.Queue, queue.SimpleQueue,
)  # fmt: skip
"""What may be replaced."""


@cache
def _places(modules: tuple[types.ModuleType, ...]) -> list[tuple[types.ModuleType, str, Any]]:
    """Find where modules have, under a name of their own, what may be replaced."""
    real = set(map(id, _REAL))
    return [(module, name, value) for module in modules for name, value in vars(module).items() if id(value) in real]


@cache
def _cells(modules: tuple[types.ModuleType, ...]) -> list[tuple[Any, Any]]:
    """Find default factories such as threading.Event: the __init__ made for a dataclass holds them in its own cells."""
    real = set(map(id, _REAL))
    kinds = [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module.__name__
    ]
    cells = [cell for kind in kinds for cell in kind.__init__.__closure__ or ()]  # type: ignore[misc]
    return [(cell, content) for cell in cells if id(content := _content(cell)) in real]


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # still empty
        return None
