"""The activity ``act``: one guarded call by ``act.Act``, the same code that the local runner calls through.

Calls of one kind for one run that a worker is to make at about the same time are one batch: they share the look before
them. While one batch is looked at, the next ones gather, so that they are the larger the slower everything is. What
they change of the records is written down as changes, and the workflows fold them in.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

from .. import record
from ..act import Act, Attempt
from ..changes import Fail, Intend, Learn, Lose, Noted, Stuck
from ..clock import Clock, boottime
from ..cloud import Cloud, CloudError
from ..gate import BATCH, waits_for
from ..journal import LeaseLostError
from ..ledger import Changes, Entry
from ..look import unseen
from ..model import Call, Event, EventName, Failure, Plan, Record, Send
from ..pace import Pace
from ..second_look import BRINGS_BACK, Errand
from . import names, payloads
from .waits import Usual
from .watch import Sink

_GATHER = 0.05
"""Real seconds for which a call of a run over few jobs waits for others of its kind."""
_NEXT = 0.6
"""Of a run over many: for the next one, as long as some come; twice as long before a stop, for which nobody is down."""
_AT_MOST = 0.4
"""The part of the time in which a call must begin for which it waits for others at most."""
_WIPES = 50
"""Calls in a batch at most where ECS takes one a call: so many are made while the look before them is fresh."""
_CALLING = 16


@dataclass
class Task(Entry):
    """One call to make, and what came of it."""

    _: KW_ONLY
    send: Send
    plan: Plan
    began: float
    """Real seconds since boot, when this worker was given it."""
    notes: list[Noted] = field(default_factory=list)
    intended: int | None = None
    """After how many of them it was intended; ``None`` if it was not."""
    events: list[Event] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    answer: asyncio.Future[None] | None = None

    @property
    def ids(self) -> set[str]:
        """The instance and its disks."""
        return {self.record.instance_id, *(wipe.disk_id for wipe in self.record.disks)}


class Notebook:
    """Keeps the records of one batch by writing down what happens to them.

    The intention is in the history before: a workflow that hands a call over takes it for asked until it is answered.
    """

    def __init__(self, tasks: Sequence[Task], begin_within: float) -> None:
        self.stop = threading.Event()
        self._until = min(task.began for task in tasks) + begin_within
        self._lock = threading.RLock()

    def keep(self, changes: Changes) -> None:
        """Change records, and note how."""
        with self._lock:
            for entry, change in changes:
                assert isinstance(entry, Task)  # noqa: S101 - for the type
                entry.record = change(entry.record)
                entry.notes.append(change)  # type: ignore[arg-type]
                if isinstance(change, Intend) and record.is_asked(entry.record, entry.send):
                    entry.intended = len(entry.notes)

    def commit(self, changes: Changes) -> None:
        """Change records before a call.

        Raises:
            LeaseLostError: it is too late for it.
        """
        self.check()
        self.keep(changes)

    def check(self) -> None:
        """See that the server cannot have given this activity up yet, so that nobody else acts for the job.

        Raises:
            LeaseLostError: it can have; nothing is sent.
        """
        if boottime() > self._until:
            raise LeaseLostError("this activity")


@dataclass
class Gathering:
    """Calls of one kind that are to be one batch."""

    until: float
    """When the first of them has waited for long enough, by the clock of the event loop."""
    tasks: list[Task] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None
    due: bool = False
    """Whether it begins as soon as the look before it can be made."""


@dataclass(frozen=True)
class Making:
    """What the calls of a batch are made with."""

    act: Act
    book: Notebook


class Actor:
    """Makes the calls of one worker."""

    def __init__(self, cloud: Cloud, clock: Clock, pace: Pace, sink: Sink, usual: Usual, begin_within: float) -> None:
        """Make one; ``begin_within`` is for how many real seconds after it was asked a call may begin."""
        self._begin_within = begin_within
        self._usual = usual
        self._cloud = cloud
        self._clock = clock
        self._pace = pace
        self._sink = sink
        self._gathering: dict[tuple[object, ...], Gathering] = {}
        self._lock = threading.Lock()
        # As in the local runner: more threads would only make each other's looks old, and what brings machines back
        # waits for nothing else.
        self._preparing = [ThreadPoolExecutor(1, thread_name_prefix="safe-reinit-prepare") for _ in range(2)]
        self._calling = ThreadPoolExecutor(_CALLING, thread_name_prefix="safe-reinit-act")

    async def __call__(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call if it is still the one to make, and tell what came of it."""
        known, send = payloads.read(Record, asked["record"]), payloads.read_send(asked["send"])
        plan = payloads.read_head(asked["plan"])
        task = Task(0, plan.jobs[0], known, bool(asked.get("alone")), send=send, plan=plan, began=boottime())
        task.answer = asyncio.get_running_loop().create_future()
        if turning := payloads.turning(known, asked):
            self._note(task, turning)
        run_id = str(asked["run_id"])
        key = (run_id, send.action, send.force, known.touched, send.subject if task.alone else None)
        self._gather(run_id, key, task, few=bool(asked.get("few")) or task.alone)
        await task.answer
        return self._told(asked, task)

    def _gather(self, run_id: str, key: tuple[object, ...], task: Task, *, few: bool) -> None:
        """Let a call wait for others of its kind."""
        loop = asyncio.get_running_loop()
        longest = _GATHER if few else self._begin_within * _AT_MOST
        with self._lock:
            batch = self._gathering.setdefault(key, Gathering(loop.time() + longest))
            batch.tasks.append(task)
            if batch.due:
                return
            if batch.timer is not None:
                batch.timer.cancel()
            pause = _NEXT * 2 if task.send.action == "StopInstance" else _NEXT
            full = len(batch.tasks) >= BATCH.get(task.send.action, _WIPES)
            due = loop.time() if full else min(batch.until, loop.time() + pause)
            batch.timer = loop.call_at(due, self._flush, run_id, key, task.send.action in BRINGS_BACK)

    @staticmethod
    def _note(task: Task, change: Noted) -> None:
        task.record = change(task.record)
        task.notes.append(change)

    def _flush(self, run_id: str, key: tuple[object, ...], back: bool) -> None:
        self._gathering[key].due = True
        self._preparing[back].submit(self._perform, asyncio.get_running_loop(), run_id, key)

    # ----------------------------------------------------------------------------------------- on threads of their own

    def _perform(self, loop: asyncio.AbstractEventLoop, run_id: str, key: tuple[object, ...]) -> None:
        with self._lock:
            tasks = self._gathering.pop(key).tasks
        most = BATCH.get(tasks[0].send.action, _WIPES)
        for start in range(0, len(tasks), most):
            batch = tasks[start : start + most]
            for place, task in enumerate(batch):
                task.position = place
            try:
                attempts, made = self._prepare(run_id, batch)
            except Exception as failed:  # noqa: BLE001 - nobody foresaw it: the calls count as lost
                _answer(loop, batch, failed)
                continue
            handed = {each.entry.position for group in attempts for each in group}
            _answer(loop, [task for task in batch if task.position not in handed])
            for group in attempts:
                self._calling.submit(self._make, loop, made, group)

    def _prepare(self, run_id: str, tasks: Sequence[Task]) -> tuple[Sequence[Sequence[Attempt]], Making]:
        """Look before these calls, and give those that are to be made."""
        book = Notebook(tasks, self._begin_within)
        plan = replace(tasks[0].plan, jobs=tuple(task.job for task in tasks))
        owners = {each: task for task in tasks for each in task.ids}

        def tell(event: str, send: Send, data: dict[str, object]) -> None:
            disk = send.subject if send.of_disk else None
            name: EventName = "intend" if event == "intend" else "answer"
            told = {"action": send.action, "force": send.force, **data}
            instance = None if disk else send.subject
            owners[send.subject].events.append(Event(self._clock.now(), run_id, name, instance, disk, told))

        act = Act(self._cloud, self._clock, plan, run_id, book, tell, self._pace)
        calls: list[Call] = []
        attempts: Sequence[Sequence[Attempt]] = ()
        try:
            with self._sink.into(calls):
                attempts = act.prepare([Errand(task, task.send) for task in tasks])
        except CloudError as failed:  # the look before them
            seen = unseen(self._clock.time(), self._clock.now(), failed)
            change: Noted = Learn(seen) if seen.credentials_refused is not None else Stuck(self._clock.time())
            book.keep([(task, change) for task in tasks])
        except LeaseLostError:
            book.keep([(task, Stuck(self._clock.time())) for task in tasks])
        except Exception as error:  # noqa: BLE001 - whatever it is, the machines must come back
            self._broke(book, tasks, error)
        _share(calls, tasks)
        return attempts, Making(act, book)

    def _make(self, loop: asyncio.AbstractEventLoop, making: Making, attempts: Sequence[Attempt]) -> None:
        """Make one call; what goes wrong with it is taken for a lost answer."""
        tasks = [each.entry for each in attempts if isinstance(each.entry, Task)]
        made: list[Call] = []
        try:
            with self._sink.into(made):
                making.act.make(attempts)
        except LeaseLostError:  # nothing was sent
            making.act.withdraw(attempts)
        except Exception as error:  # noqa: BLE001 - whatever it is, the machines must come back
            self._broke(making.book, tasks, error)
        _share(made, tasks)
        _answer(loop, tasks)

    def _broke(self, book: Notebook, tasks: Sequence[Entry], error: Exception) -> None:
        """Turn back after an error that nobody foresaw; what was intended may have been sent."""
        failure = Failure(None, f"An unexpected {type(error).__name__} ended the run.", hint="Please report this.")
        at = self._clock.time()
        for task in tasks:
            assert isinstance(task, Task)  # noqa: S101 - for the type
            if len(tasks) > 1 and not record.is_asked(task.record, task.send):
                task.alone = True
                book.keep([(task, Stuck(at))])
            else:
                book.keep([(task, Lose(task.send, at)), (task, Fail(failure))])

    def _told(self, asked: Mapping[str, Any], task: Task) -> dict[str, Any]:
        """Part what happened at the intention: who watched meanwhile has intended it already."""
        notes = [payloads.write_change(note) for note in task.notes]
        place = len(notes) if task.intended is None else task.intended
        waiting = None if asked.get("few") else waits_for(task.record)
        return {
            "v": names.VERSION,
            "intended": task.intended is not None,
            "before": notes[:place],
            "after": notes[place:],
            "alone": task.alone,
            "waiting": waiting,
            "pause": self._usual.left(waiting, self._clock.time()),
            "events": [payloads.write(each) for each in task.events],
            "calls": [payloads.write(each) for each in task.calls if asked.get("calls") or not each.is_look],
            "looks": 0 if asked.get("calls") or task.position else sum(each.is_look for each in task.calls),
        }


def _share(calls: Sequence[Call], tasks: Sequence[Task]) -> None:
    """Note of each the calls that were about it."""
    for task in tasks:
        task.calls += [call for call in calls if not call.subject or task.ids & set(call.subject)]


def _answer(loop: asyncio.AbstractEventLoop, tasks: Sequence[Task], failed: BaseException | None = None) -> None:
    """Let the activities go on; after an error that nobody foresaw they fail, and the calls count as lost."""

    def answer() -> None:
        for task in tasks:
            if task.answer is None or task.answer.done():
                continue
            if failed is not None:
                task.answer.set_exception(RuntimeError(type(failed).__name__))
            else:
                task.answer.set_result(None)

    loop.call_soon_threadsafe(answer)
