"""Where hosts.py lets runs happen: real servers and processes on loopback, and what is true once they have ended."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from safe_reinit.journal import Reader, StoredRun, open_to_read, shard_id
from tests import postgresql
from tests.servers import refused_port
from tests.temporals import ATTRIBUTES, Temporal

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
RUN_TIMEOUT = 900.0
"""Real seconds after which a scenario has failed that waits for something."""
LONG_HISTORY = 4096
"""Events after which production's server suggests that a history is long."""


def wait_for(holds: Callable[[], T], seconds: float = RUN_TIMEOUT, every: float = 0.1) -> T:
    """Wait until this holds, and return what it gave."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > end:
            raise AssertionError(f"it never came to hold: {holds.__qualname__}")
        time.sleep(every)
    return found


class Line:
    """Hands on what is sent between a client and a server, until it is cut: then nothing arrives, and nobody is told.

    What was sent meanwhile arrives once it is whole again, as after a partition of the network.
    """

    def __init__(self, listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
        self._listener, self._connect = listener, connect
        self._whole = threading.Event()
        self._whole.set()
        self.passes: int | None = None
        """How many more connections are handed on; ``None`` for all."""
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Let nothing arrive any more."""
        self._whole.clear()

    def heal(self) -> None:
        """Hand on again, also what was sent meanwhile."""
        self.passes = None
        self._whole.set()

    def close(self) -> None:
        """Take no further connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self.passes is not None:
            self.passes -= 1
            while self.passes is not None and self.passes < 0:
                time.sleep(0.1)
        try:
            server = self._connect()
        except OSError:
            client.close()
            return
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._whole.wait()
                target.sendall(data)
        self._whole.wait()
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@dataclass
class Started:
    """A process of ours."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    began: float = field(default_factory=time.time)

    @property
    def output(self) -> str:
        """What it wrote."""
        return self.log.read_text("utf-8", "replace")

    def cpu(self) -> float:
        """Return the CPU seconds that it has used, while it runs."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it, if it runs still."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def wait(self, seconds: float = RUN_TIMEOUT) -> int:
        """Wait for its end, and return its exit code."""
        return self.process.wait(seconds)

    def wait_cpu(self) -> float:
        """Wait for its end, and return the CPU seconds that it used."""
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return used.ru_utime + used.ru_stime


class Place:
    """A PostgreSQL, a Temporal server and a simulator, and the processes that use them."""

    def __init__(self, folder: Path, database: postgresql.Server, world: Mapping[str, Any], speed: float) -> None:
        self.folder, self.database, self.speed = folder, database, speed
        self.journal = database.new()
        self.temporal = Temporal(folder)
        self.count = len(world["instances"])
        self.disks = folder / "disks"
        self.disks.write_text("\n".join(world["disks"]), "utf-8")
        self.started: list[Started] = []
        self._lines: list[Line] = []

    def begin(self, world: Mapping[str, Any], faults: Sequence[Mapping[str, Any]]) -> None:
        """Start the servers."""
        known = [f"--search-attribute={name}=Keyword" for name in ATTRIBUTES]
        self.temporal.start(f"--dynamic-config-value=limit.historyCount.suggestContinueAsNew={LONG_HISTORY}", *known)
        (self.folder / "world.json").write_text(json.dumps(world), "utf-8")
        (self.folder / "faults.json").write_text(json.dumps(list(faults)), "utf-8")
        words = ["--world", str(self.folder / "world.json"), "--speed", str(self.speed)]
        if faults:
            words += ["--faults", str(self.folder / "faults.json")]
        simulator = self.start("simulator", "-m", "safe_reinit.simulator", *words)
        text = wait_for(lambda: simulator.output if "\n" in simulator.output else "", 60.0)
        self.url = text.splitlines()[0].rpartition(" ")[2].strip()
        assert self.url.startswith("http://127.0.0.1:"), text

    def end(self) -> None:
        """End everything that was started here."""
        for each in reversed(self.started):
            each.kill()
        for line in self._lines:
            line.close()
        self.temporal.kill()

    def environment(self) -> dict[str, str]:
        """Return the environment of a process."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAFE_", "ALIBABA_"))}
        return {
            **kept, "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
            "HOME": str(self.folder), "SAFE_REINIT_TIME_SCALE": str(self.speed), "SAFE_REINIT_REGION": "cn-hangzhou",
            "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def start(self, name: str, *words: str, cwd: Path = ROOT) -> Started:
        """Start a program in Python."""
        log = self.folder / f"{len(self.started)}-{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd,
                env=self.environment(),
            )  # fmt: skip
        self.started.append(Started(name, process, log))
        return self.started[-1]

    def command(
        self, name: str, *words: str, temporal: str = "", journal: str = "", cloud: bool = True, cwd: Path = ROOT
    ) -> Started:
        """Start a command of ours; through a line where one is named."""
        where = ["--journal", journal or self.journal]
        where += ["--endpoint", self.url] if cloud else []
        where += ["--temporal", temporal or self.temporal.server.address] if temporal != "none" else []
        return self.start(name, "-m", "safe_reinit", *words, *where, cwd=cwd)

    def worker(self, *words: str, **more: Any) -> Started:  # noqa: ANN401 - as of command
        """Start a worker, and wait until it polls."""
        worker = self.command("worker", "worker", *words, **more)
        wait_for(lambda: "Working for" in worker.output or worker.process.poll() is not None, 60.0)
        assert worker.process.poll() is None, worker.output
        return worker

    def plan(self, *words: str, runner: str = "temporal", name: str = "plan") -> Path:
        """Plan the wipe of everything, and save the plan."""
        path = self.folder / f"{name}.json"
        count = str(self.count)
        temporal = "" if runner == "temporal" else "none"
        asked = ["--disks-from", str(self.disks), "--stop-instance", "--max-disks", count, "--runner", runner]
        done = self.command("plan", "plan", *asked, "--save", str(path), *words, temporal=temporal)
        assert done.wait() == 0, done.output
        return path

    def apply(self, plan: Path, *words: str, **more: Any) -> Started:  # noqa: ANN401 - as of command
        """Have a saved plan run."""
        digest = json.loads(plan.read_text("utf-8"))["digest"]
        return self.command("submitter", "apply", str(plan), "--confirm", digest, *words, cloud=False, **more)

    def resume(self, run_id: str, **more: Any) -> Started:  # noqa: ANN401 - as of command
        """Resume a run."""
        return self.command("resume", "resume", run_id, cloud=False, **more)

    def temporal_line(self) -> tuple[Line, str]:
        """Return a line to the Temporal server, and its address."""
        listener = socket.create_server(("127.0.0.1", refused_port()))
        line = Line(listener, lambda: socket.create_connection(("127.0.0.1", self.temporal.port), 10))
        self._lines.append(line)
        return line, f"127.0.0.1:{listener.getsockname()[1]}"

    def database_line(self) -> tuple[Line, str]:
        """Return a line to the database, and the address of the journal behind it."""
        folder = Path(tempfile.mkdtemp(dir=self.database.folder))
        folder.chmod(0o755)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(folder / f".s.PGSQL.{self.database.port}"))
        listener.listen(64)
        there = self.database.folder / f".s.PGSQL.{self.database.port}"

        def connect() -> socket.socket:
            made = socket.socket(socket.AF_UNIX)
            made.connect(str(there))
            return made

        line = Line(listener, connect)
        self._lines.append(line)
        schema = self.journal.partition("search_path%3D")[2].partition("&")[0]
        return line, postgresql.Server(folder, self.database.bin, self.database.port).address(schema)

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Open the journal to read it."""
        with open_to_read(self.journal) as journal:
            yield journal

    def run_id(self) -> str:
        """Return the newest run of the journal, or ``""``."""
        with suppress(Exception), self.reading() as journal:  # it has no tables yet
            return next((run.run_id for run in journal.runs(1)), "")
        return ""

    def run(self, run_id: str) -> StoredRun:
        """Return a run."""
        with self.reading() as journal:
            found = journal.run(run_id)
        assert found is not None
        return found

    def has_ended(self, run_id: str) -> bool:
        """Whether a run has ended."""
        with self.reading() as journal:
            found = journal.run(run_id, jobs=False)
        return found is not None and found.ended_at is not None

    def holder(self, run_id: str, shard: int = 0) -> tuple[int, int]:
        """Return the process that holds a shard, and how often it was taken; zeros where nobody does."""
        with self.reading() as journal:
            found = journal.holder(shard_id(run_id, shard))
        return (found.pid, found.epoch) if found and not found.released else (0, found.epoch if found else 0)

    def state(self) -> dict[str, Any]:
        """Return what is true."""
        with urllib.request.urlopen(f"{self.url}/_simulator/state") as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def calls(self) -> list[dict[str, Any]]:
        """Return every call that reached the simulator."""
        calls: list[dict[str, Any]] = self.state()["calls"]
        return [call for call in calls if call["source"] == "api"]


def moment(text: str) -> float:
    """Return a time as seconds."""
    return datetime.fromisoformat(text).timestamp()


@contextmanager
def place(
    world: Mapping[str, Any], *faults: Mapping[str, Any], speed: float = 1.0, keep: Path | None = None
) -> Iterator[Place]:
    """Make such a place, and end all that was started there; keep what the processes wrote where that is asked for."""
    folder = Path(tempfile.mkdtemp(prefix="safe-reinit-hosts-"))
    try:
        with postgresql.server() as database:
            made = Place(folder, database, world, speed)
            try:
                made.begin(world, faults)
                yield made
            finally:
                made.end()
    finally:
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            for log in folder.glob("*.log"):
                shutil.copy(log, keep / log.name)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Truth:
    """What a run came to, held against the simulator's own record."""

    outcomes: Mapping[str, int]
    unknown: int
    broken: Sequence[str]

    @property
    def text(self) -> str:
        """Return it in words."""
        result = ", ".join(f"{number:,} {outcome}" for outcome, number in self.outcomes.items())
        return f"{result}; {self.unknown} unknown" if self.unknown else result


def judge(there: Place, run_id: str) -> Truth:
    """Hold a run that has ended against what is true."""
    run, state = there.run(run_id), there.state()
    broken = [] if run.ended_at and run.report else ["the run has no end"]
    for name, disk in state["disks"].items():
        if len(disk["wipes"]) > 1:
            broken.append(f"{name} was wiped {len(disk['wipes'])} times")
        if any(wipe["starts_before"] != 1 for wipe in disk["wipes"]):
            broken.append(f"{name} was wiped after a start")
    with there.reading() as journal:
        answered = {
            event.get("disk_id") for event in journal.events(run_id)
            if event["event"] == "answer" and event["data"].get("action") == "ReInitDisk"
        }  # fmt: skip
    jobs = (run.report or {}).get("jobs", ())
    for job in jobs:
        shown = state["instances"][job["instance_id"]]["status"]
        if shown != "Running" and job["power_after"] == "Running":
            broken.append(f"{job['instance_id']} is {shown}, and is said to run")
        if shown == "Running" and job["power_after"] in ("Stopped", ""):
            broken.append(f"{job['instance_id']} runs, and is said to be {job['power_after'] or 'unseen'}")
        broken += [why for each in job["disks"] if (why := _untrue(each, state, answered))]
    result = [each for job in jobs for each in job["disks"]]
    if len(jobs) != there.count:
        broken.append(f"{len(jobs)} machines are told of, and there are {there.count}")
    outcomes = Counter(str(job["outcome"]) for job in jobs)
    return Truth(outcomes, sum(each["data"] == "unknown" for each in result), broken)


def _untrue(result: Mapping[str, Any], state: Mapping[str, Any], answered: Set[str | None]) -> str:
    """Return what is not true of what is reported of a disk; ``""`` where all is."""
    name, data, wiped = result["disk_id"], result["data"], bool(state["disks"][result["disk_id"]]["wipes"])
    if data == "unknown":
        return f"{name} is said to be unknown, and the journal has the answer" if name in answered else ""
    return "" if (data == "reinitialised") is wiped else f"{name} is said to be {data}, and was wiped: {wiped}"


@dataclass(frozen=True)
class Row:
    """What came of one case."""

    case: str
    truth: Truth
    figures: str
    cost: Any = None
    """Of a run that was only measured."""


def begun(there: Place) -> str:
    """Wait until the journal has a run, and return it."""
    return wait_for(there.run_id, 120.0, 0.05)


def ended(there: Place, run_id: str) -> None:
    """Wait until a run has ended."""
    wait_for(lambda: there.has_ended(run_id), every=0.5)
