"""Virtual time and cooperative threads: one operating system thread runs everything, in an order that a seed decides.

Every thread of the program is a task (a greenlet). A task runs until it waits: for time, an event, a lock, a future.
Time moves only when no task can run, straight to the next moment at which one can, so ten minutes of a run cost only
what the program computes in them. Tasks belong to a process, which can be killed or paused as a whole.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from greenlet import getcurrent, greenlet

from safe_reinit.simulator.state.clock import SimulatedClock

BEGIN_TIME = 1_780_000_000.0
"""Virtual time begins near the present, so that certificates and signatures are of no other age than the program."""

_STEPS_AT_ONE_MOMENT = 200_000
"""Task switches without any time passing that count as a program that never waits again."""


class Stalled(Exception):
    """Nothing can run any more, or the program goes on for ever without waiting."""


@dataclass(eq=False)
class Process:
    """A group of tasks that are killed or paused together, with its own error of the wall clock.

    Attributes:
        name: what a trace calls it.
        frozen_until: the virtual time until which none of its tasks runs.
        dead: whether it was killed: none of its tasks runs again.
        wall_offset: seconds by which its wall clock is ahead of the truth.
        elsewhere: whether it is on another host, with a network of its own.
        slept: seconds for which its host slept: a clock that stops meanwhile is behind by so much.
        alarm: how often it still reads its clock before something befalls it there, and what; see ``Scheduler.read``.
        steady: whether nothing befalls it at a reading of its clock: on the last step before the first byte.

    """

    name: str
    frozen_until: float = 0.0
    dead: bool = False
    wall_offset: float = 0.0
    elsewhere: bool = False
    slept: float = 0.0
    alarm: tuple[int, Callable[[], None]] | None = None
    steady: bool = False

    def enter(self) -> None:
        """Put what is only its own in place, before one of its tasks goes on."""

    def leave(self) -> None:
        """Put back what was there before, once that task waits."""


@dataclass(eq=False)
class Task:
    """One thread of a process."""

    name: str
    process: Process
    target: Callable[[], Any]
    glet: greenlet | None = None
    result: Any = None
    error: BaseException | None = None
    done: bool = False
    parked: int = 0
    """How often it has waited: a wake-up is meant for one wait only."""
    woken: bool = False
    waiting: bool = False
    local: dict[int, dict[str, Any]] = field(default_factory=dict)
    joiners: list[tuple[Task, int]] = field(default_factory=list)
    handlers: list[Callable[[], None]] = field(default_factory=list)
    """What handles the signals that came meanwhile, when it goes on next."""


class Scheduler:
    """Runs tasks one at a time on virtual time."""

    def __init__(self, seed: int, start: float) -> None:
        self.now = start
        self.random = random.Random(f"order {seed}")
        self.switches = 0
        self._ready: list[tuple[Task, bool]] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._hub: greenlet | None = None
        self.current: Task | None = None
        self.tasks: list[Task] = []

    # What tasks do.

    def spawn(self, name: str, process: Process, target: Callable[[], Any]) -> Task:
        """Begin a task."""
        task = Task(name, process, target)
        task.glet = greenlet(lambda: self._main(task))
        self.tasks.append(task)
        self._ready.append((task, False))
        return task

    def _main(self, task: Task) -> None:
        try:
            task.result = task.target()
        except BaseException as error:  # noqa: BLE001 - whoever joins it asks
            task.error = error
        task.done = True
        for joiner, ticket in task.joiners:
            self.wake(joiner, ticket)

    def this(self) -> Task:
        """Return the task that runs."""
        assert self.current is not None, "only a task can wait"
        return self.current

    def ticket(self) -> int:
        """Begin a wait of this task: what wakes it names this number."""
        task = self.this()
        task.parked += 1
        task.woken = False
        return task.parked

    def park(self, timeout: float | None = None) -> bool:
        """Wait until woken by the ticket, or for so long; tell whether it was woken."""
        task = self.this()
        ticket = task.parked
        until = None if timeout is None else self.now + max(0.0, timeout)
        if until is not None:
            self.at(until, lambda: self._time_out(task, ticket))
        self._handle(task)
        while not task.woken:
            task.waiting = True
            self._switch()
            if not self._handle(task) or (until is not None and self.now >= until):
                break
        return task.woken

    @staticmethod
    def _handle(task: Task) -> bool:
        """Let a task handle the signals that came; tell whether there was one."""
        handlers, task.handlers, ticket = task.handlers, [], task.parked
        for handler in handlers:
            handler()
        assert task.parked == ticket, "what handles a signal waits for nothing"
        return bool(handlers)

    def sleep(self, seconds: float) -> None:
        """Wait for so long."""
        self.ticket()
        self.park(seconds)

    def hang(self) -> None:
        """Wait for ever."""
        while True:
            self.ticket()
            self.park()

    def join(self, task: Task, timeout: float | None = None) -> None:
        """Wait for a task to end."""
        if not task.done:
            task.joiners.append((self.this(), self.ticket()))
            self.park(timeout)

    def wake(self, task: Task, ticket: int) -> None:
        """End the wait of a task, if it is still the one with this number."""
        if task.parked != ticket or task.woken or task.done:
            return
        task.woken = True
        if task.waiting:
            task.waiting = False
            self._ready.append((task, True))

    def _time_out(self, task: Task, ticket: int) -> None:
        if task.parked == ticket and task.waiting and not task.woken:
            task.waiting = False
            self._ready.append((task, False))

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call something at a moment, outside every task."""
        self._number += 1
        heapq.heappush(self._timers, (max(when, self.now), self._number, call))

    def _switch(self) -> None:
        assert self._hub is not None
        self._hub.switch()

    # What runs them.

    def run(self, task: Task, until: float) -> None:
        """Run everything until this task has ended.

        Raises:
            Stalled: virtual time reached ``until``, or nothing can run any more.
        """
        assert self.current is None, "a task cannot run the others"
        self._hub = getcurrent()
        steps = 0
        while not task.done and not task.process.dead:
            ready = self._pick()
            if ready is not None:
                steps += 1
                if steps > _STEPS_AT_ONE_MOMENT:
                    raise Stalled(f"{ready.name} goes on at {self.now:.3f} without ever waiting")
                self._resume(ready)
                continue
            if not self._timers:
                raise Stalled(f"nothing can run any more; {task.name} of {task.process.name} still waits")
            when, _, call = heapq.heappop(self._timers)
            if when > until:
                raise Stalled(f"{task.name} of {task.process.name} has not ended at {until:.0f}")
            if when > self.now:
                self.now, steps = when, 0
            call()
            while self._timers and self._timers[0][0] <= self.now:  # of what is due together the seed decides the order
                heapq.heappop(self._timers)[2]()

    def advance(self, seconds: float) -> None:
        """Let so much time pass for everything that can run."""
        done = Task("time", Process("the world"), lambda: None)
        end = self.now + seconds

        def finish() -> None:
            done.done = True

        self.at(end, finish)
        self.run(done, end + 1.0)

    def _pick(self) -> Task | None:
        """Take a task out that can run: the seed decides which."""
        while self._ready:
            index = self.random.randrange(len(self._ready)) if len(self._ready) > 1 else 0
            task, _ = self._ready.pop(index)
            if task.process.dead or task.done:
                continue
            if task.process.frozen_until > self.now:
                self.at(task.process.frozen_until, lambda task=task: self._ready.append((task, False)))  # type: ignore[misc]
                continue
            return task
        return None

    def _resume(self, task: Task) -> None:
        self.switches += 1
        self.current = task
        assert task.glet is not None
        task.glet.parent = getcurrent()
        task.process.enter()
        try:
            task.glet.switch()
        finally:
            task.process.leave()
            self.current = None

    def kill(self, process: Process) -> None:
        """Let a process be gone between one instruction and the next: nothing of it runs again, no clean-up either."""
        process.dead = True

    def signal(self, task: Task, handler: Callable[[], None]) -> None:
        """Let a task call something as a thread handles a signal: at its next wait, which an error of it ends."""
        task.handlers.append(handler)
        if task.waiting:
            task.waiting = False
            self._ready.append((task, False))

    def freeze(self, process: Process, seconds: float) -> None:
        """Pause a process, as Ctrl-Z, a closed lid or the migration of its virtual machine does."""
        process.frozen_until = max(process.frozen_until, self.now + seconds)

    def read(self) -> float:
        """Return what a clock shows that a task reads; a process can be killed or paused right after it has read it.

        Every rule about time asks a clock, so what happens right after a reading is what that rule cannot see.
        """
        now, process = self.now, self.current.process if self.current is not None else None
        if process is not None and process.alarm is not None and not process.steady:
            left, call = process.alarm
            process.alarm = (left - 1, call) if left > 1 else None
            if left <= 1:
                call()
                self.stay(process)
        return now

    def stay(self, process: Process) -> None:
        """Let the task that runs stay where it is, if it is one of a process that was just killed or paused."""
        if self.current is None or self.current.process is not process:
            return
        if process.dead:
            self.hang()
        if process.frozen_until > self.now:
            self.sleep(0)


class VirtualClock(SimulatedClock):
    """The simulator's clock, on the virtual time of a scheduler."""

    def __init__(self, scheduler: Scheduler, speed: float = 1.0) -> None:
        super().__init__(speed)
        self._scheduler = scheduler
        self._start = self._began = scheduler.now

    def now(self) -> float:
        """Return simulated time."""
        return self._start + (self._scheduler.now - self._began) * self.speed
