"""A real Temporal server on loopback, workers in this process or in others, and runs that go on there."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safe_reinit.aliyun import endpoints
from safe_reinit.client import Client
from safe_reinit.clock import Clock
from safe_reinit.model import Secret
from safe_reinit.simulator import Simulator
from tests import cloudlike

T = TypeVar("T")
P = TypeVar("P", bound="Process")
ROOT = Path(__file__).resolve().parent.parent
ACCOUNT, REGION = "1000000000000001", "cn-hangzhou"
_PATIENCE = 30.0
RATE = 20.0
"""Simulated seconds in a real one: an answer of the server takes its time, and looks must follow each other."""


def free_port() -> int:
    """Find a free loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def simulated(world: dict[str, Any] | None = None, faults: cloudlike.Faults = ()) -> Iterator[Simulator]:
    """Start a simulator for one test."""
    with cloudlike.simulated(world, faults, RATE) as sim:
        yield sim


class Temporal:
    """``temporal server start-dev`` on its own file; may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = folder / "temporal.db"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it serves."""
        binary = Path(sys.executable).parent / "temporal"
        words = [str(binary), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(self.port), "--headless",
                 "--db-filename", str(self.db), "--log-level", "error"]  # fmt: skip
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + _PATIENCE
        while not self._serves():
            assert time.monotonic() < until, (self.folder / "server.log").read_text("utf-8")[-2000:]
            time.sleep(0.1)

    def _serves(self) -> bool:
        async def ask() -> bool:
            from temporalio.client import Client as TemporalClient

            try:
                client = await TemporalClient.connect(self.address)
                return bool(await client.service_client.check_health())
            except RuntimeError:
                return False

        return asyncio.run(ask())

    def kill(self) -> None:
        """Kill it as a power cut does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def ask(self, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Ask the server something."""

        async def connected() -> T:
            from temporalio.client import Client as TemporalClient

            return await work(await TemporalClient.connect(self.address))

        return asyncio.run(connected())


@contextmanager
def working(temporal: Temporal, sim: Simulator, journal: Path, rate: float = RATE) -> Iterator[None]:
    """Let a worker of this process serve a simulator while the block lasts."""
    from safe_reinit.temporal.keeping import Keeping
    from safe_reinit.temporal.server import Server
    from safe_reinit.temporal.worker import serve

    server = Server(temporal.address)
    key = (sim.access_key[0], Secret(sim.access_key[1]))
    where = endpoints.Where(region=REGION, endpoint=endpoints.parse(sim.url), access_key=key)
    ready, failed = threading.Event(), []
    loop = asyncio.new_event_loop()
    end = asyncio.Event()

    async def work() -> None:
        client = await server.connect()
        keeping = Keeping(client, where, journal, server.text)
        await serve(client, where, Clock(rate), keeping, 1.0, lambda _: ready.set(), end)

    def run() -> None:
        try:
            loop.run_until_complete(work())
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(_PATIENCE)
    assert not failed, failed
    try:
        yield
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(_PATIENCE)
        loop.close()


class Nursery:
    """A process that has everything imported, and forks ``safe-reinit`` commands, which can be killed."""

    def __init__(self) -> None:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SAFE_", "ALIBABA_"))},
            "PYTHONPATH": str(ROOT),
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
        }
        words = [sys.executable, "-m", "tests.temporalworker"]
        self._process = subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self._lock = threading.Lock()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def start(self, argv: Sequence[str], log: Path, environment: Mapping[str, str], **disturbed: Any) -> int:
        """Fork a command, and give its process id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"argv": list(argv), "log": str(log), "environment": dict(environment), "disturbed": disturbed}
        with self._lock:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())


@dataclass
class Process:
    """A ``safe-reinit`` command in a process of its own."""

    pid: int
    log: Path

    @property
    def state(self) -> str:
        """The kernel's letter for its state; ``""`` if it is gone."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
        except OSError:
            return ""

    @property
    def lives(self) -> bool:
        """Whether it is there still."""
        return self.state not in ("", "Z")

    def __enter__(self: P) -> P:
        return self

    def __exit__(self, *_: object) -> None:
        self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.lives:
            os.kill(self.pid, number)

    def gone(self) -> None:
        """Wait until it is gone."""
        until = time.monotonic() + _PATIENCE
        while self.lives:
            assert time.monotonic() < until, self.said
            time.sleep(0.02)

    @property
    def said(self) -> str:
        """What it said."""
        return self.log.read_text("utf-8") if self.log.exists() else ""


class Worker(Process):
    """``safe-reinit worker``."""

    def ready(self) -> Worker:
        """Wait until it polls."""
        until = time.monotonic() + _PATIENCE
        while "Working for" not in self.said:
            assert time.monotonic() < until, self.said
            assert self.lives, self.said
            time.sleep(0.02)
        return self


def worker(
    nursery: Nursery, temporal: Temporal, url: str, folder: Path, *, rate: float = RATE, name: str = "worker",
    **disturbed: Any,
) -> Worker:  # fmt: skip
    """Start a worker; ``disturbed`` says what goes wrong with it (temporalworker.py)."""
    argv = ["worker", "--temporal", temporal.address, "--endpoint", url, "--region", REGION,
            "--journal", str(folder / f"{name}.db")]  # fmt: skip
    log = folder / f"{name}.log"
    environment = {"HOME": str(folder), "SAFE_REINIT_TIME_SCALE": str(rate)}
    return Worker(nursery.start(argv, log, environment, **disturbed), log)


def key_of(sim: Any) -> str:
    """Name the account and region that a simulator stands for, as the names on the server have it."""
    return f"{ACCOUNT}.{REGION}@{sim.url.removeprefix('http://')}"


def job_of(sim: Any, instance: str = cloudlike.INSTANCE) -> str:
    """Name the workflow of a job."""
    return f"ecs/{key_of(sim)}/{instance}"


def client(temporal: Temporal, sim: Any, journal: Path, *, rate: float = RATE, **settings: Any) -> Client:
    """Connect, with the Temporal server as the runner."""
    having = {"runner": "temporal", "temporal": temporal.address, "journal": str(journal), **settings}
    return cloudlike.client(sim, having, clock=Clock(rate))


def settled(sim: Any, instance: str = cloudlike.INSTANCE) -> dict[str, Any]:
    """Wait until nothing is under way on an instance, and give the state."""
    until = time.monotonic() + _PATIENCE
    while True:
        state: dict[str, Any] = sim.state()
        if state["instances"][instance]["status"] in ("Running", "Stopped"):
            return state
        assert time.monotonic() < until
        time.sleep(0.05)
