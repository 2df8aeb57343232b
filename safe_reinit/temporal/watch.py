"""One common tick of looks for all jobs that a worker looks at: one call for up to 100 ids, however many ask.

Beside it: to which activity an HTTP exchange belongs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager

from ..clock import Clock
from ..cloud import Cloud
from ..look import tick, unseen
from ..model import Call, Observation, Record
from ..run import TICK

_IDS_A_CALL = 100
_GATHER, _GATHER_MANY = 0.05, 0.3
"""Real seconds for which the first that asks waits for others: of a run over few jobs, and over many."""

Seen = tuple[Observation, Sequence[Call], int]
"""What was seen, by which calls, and how many of them are counted for this job: they may have served others too."""


class Sink:
    """Tells the calls that a thread makes to whoever had them made."""

    def __init__(self) -> None:
        self._local = threading.local()

    def __call__(self, call: Call) -> None:
        """Take note of a call."""
        calls = getattr(self._local, "calls", None)
        if calls is not None:
            calls.append(call)

    @contextmanager
    def into(self, calls: list[Call]) -> Iterator[None]:
        """Collect what this thread calls while the block lasts."""
        before = getattr(self._local, "calls", None)
        self._local.calls = calls
        try:
            yield
        finally:
            self._local.calls = before


class Watch:
    """Looks at every job that is asked about on one tick, in as few calls as serve."""

    def __init__(self, cloud: Cloud, clock: Clock, threads: Executor, sink: Sink) -> None:
        self._cloud = cloud
        self._clock = clock
        self._threads = threads
        self._sink = sink
        self._asked: list[tuple[Record, asyncio.Future[Seen]]] = []
        self._hurried = False
        """Whether one of those that ask is of a run over few."""
        self._next = 0.0
        self._ticking: asyncio.Task[None] | None = None

    async def see(self, record: Record, *, few: bool) -> Seen:
        """Give the next look at a job, one of ``few`` or of many of its run; it begins after it was asked for."""
        answer: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
        self._asked.append((record, answer))
        self._hurried = self._hurried or few
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick())
        return await answer

    async def _tick(self) -> None:
        while self._asked:
            left = (self._next - self._clock.time()) / self._clock.rate
            gather = _GATHER if self._hurried else _GATHER_MANY
            await asyncio.sleep(max(left, min(gather, TICK / self._clock.rate)))
            asked, self._asked, self._hurried = self._asked, [], False
            self._next = self._clock.time() + TICK
            await asyncio.gather(*(self._answer(group) for group in _groups(asked)))

    async def _answer(self, group: Sequence[tuple[Record, asyncio.Future[Seen]]]) -> None:
        loop = asyncio.get_running_loop()
        calls: list[Call] = []
        looks = await loop.run_in_executor(self._threads, self._look, [record for record, _ in group], calls)
        for place, ((_, answer), seen) in enumerate(zip(group, looks, strict=True)):
            if not answer.done():
                answer.set_result((seen, calls, 0 if place else len(calls)))

    def _look(self, records: Sequence[Record], calls: list[Call]) -> Sequence[Observation]:
        """Look at these jobs at once; a look that fails is no look, and the next tick tries again."""
        snapshots = any(not record.touched for record in records)
        with self._sink.into(calls):
            try:
                return tick(self._cloud, self._clock, records, snapshots=snapshots)
            except Exception as failed:  # noqa: BLE001 - also one that nobody foresaw: the machine must come back
                return [unseen(self._clock.time(), self._clock.now(), failed)] * len(records)


def _groups(
    asked: Sequence[tuple[Record, asyncio.Future[Seen]]],
) -> Iterator[Sequence[tuple[Record, asyncio.Future[Seen]]]]:
    """Part what is asked so that no look is about more ids than one call takes."""
    group: list[tuple[Record, asyncio.Future[Seen]]] = []
    ids = 0
    for record, answer in asked:
        if group and ids + len(record.disks) > _IDS_A_CALL:
            yield group
            group, ids = [], 0
        group.append((record, answer))
        ids += len(record.disks)
    if group:
        yield group
