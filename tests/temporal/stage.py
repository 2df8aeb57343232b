"""A simulator, processes that are disturbed, and one run: what the tests of kills share, and the sweep over them.

The same stories are played by the local runner, where the process of a run is killed and another resumes it, and on
Temporal, where a worker is killed and another goes on.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safe_reinit.client import Client
from safe_reinit.clock import Clock
from safe_reinit.journal import Journal
from safe_reinit.model import Event
from safe_reinit.simulator import Simulator
from tests import cloudlike, temporals
from tests.cloudlike import DATA, INSTANCE
from tests.temporals import Nursery, Process, Temporal, Worker

Place = tuple[str, int, str]
PLACES: list[Place] = [("act", n, side) for n in (1, 2, 3) for side in ("before", "after")]
PLACES += [("look", n, side) for n in (2, 8, 14, 20, 26, 32, 40) for side in ("before", "after")]
"""Where a worker is killed: around each changing call, and around looks before and between them."""
MEANWHILE = ("nobody", "used", "detached")
"""What somebody else does before another worker goes on."""
_LEASE = 1.5
"""Real seconds of a lease of a local run that is stopped."""


@dataclass(frozen=True)
class Ended:
    """What a run came to, as its report says it."""

    outcome: str
    data: str
    error: str


def ended(done: cloudlike.Run) -> Ended:
    """Give what a run came to."""
    return Ended(done.outcome, done.report.jobs[0].disks[0].data, str(done.error))


class Stage:
    """A simulator, and runs on its machine."""

    def __init__(self, nursery: Nursery, folder: Path, sim: Simulator) -> None:
        self.nursery, self.folder, self.sim = nursery, folder, sim

    def operator(self, name: str) -> Client:
        """Give the client of one of several people."""
        raise NotImplementedError

    def killed_and_replaced(self, place: Place, world: str = "nobody", off: Sequence[str] = ()) -> Ended:
        """Kill who is at work at a place, let somebody do something, and let another go on; give how it ends.

        Args:
            world: what somebody else does in between, of ``MEANWHILE``.
            off: guards that are switched off.
        """
        raise NotImplementedError

    def stopped_and_replaced(self) -> Ended:
        """Stop who has a wipe in its hands for so long that another goes on, and then let the first go on too."""
        raise NotImplementedError

    def wipes(self) -> list[int]:
        """Give of each wipe of the disk how often its machine had been started."""
        return [wipe["starts_before"] for wipe in self.sim.state()["disks"][DATA]["wipes"]]

    def until(self, test: Callable[[], object]) -> None:
        """Wait until something is so."""
        end = time.monotonic() + 40.0
        while not test():
            assert time.monotonic() < end
            time.sleep(0.02)

    def _still(self) -> bool:
        state = self.sim.state()
        moving = state["instances"][INSTANCE]["status"] not in ("Running", "Stopped")
        return not moving and state["disks"][DATA]["status"] != "ReIniting"

    def somebody(self, world: str) -> None:
        """Let somebody use the machine, or take its disk away, once nothing is under way on it."""
        if world == "nobody":
            return
        self.until(self._still)
        used = ({"stop": INSTANCE}, {"start": INSTANCE}, {"write": DATA}, {"stop": INSTANCE})
        for deed in used if world == "used" else ({"stop": INSTANCE}, {"detach": DATA}):
            self.sim.do(deed)


class OnTemporal(Stage):
    """Workers that are disturbed."""

    def __init__(self, temporal: Temporal, nursery: Nursery, folder: Path, sim: Simulator) -> None:
        super().__init__(nursery, folder, sim)
        self.temporal = temporal
        self.client = self.operator("journal")
        self._threads = ThreadPoolExecutor(1)

    def operator(self, name: str) -> Client:
        """Give the client of somebody on a host of its own."""
        return temporals.client(self.temporal, self.sim, self.folder / f"{name}.db")

    def worker(self, name: str = "worker", **disturbed: Any) -> Worker:
        """Start a worker, and wait until it polls."""
        started = temporals.worker(self.nursery, self.temporal, self.sim.url, self.folder, name=name, **disturbed)
        return started.ready()

    def run(self, on_event: Callable[[Event], None] | None = None) -> Future[cloudlike.Run]:
        """Begin a run; it is followed to its end."""
        return self._threads.submit(lambda: cloudlike.run(self.sim, using=self.client, on_event=on_event))

    def killed_and_replaced(self, place: Place, world: str = "nobody", off: Sequence[str] = ()) -> Ended:
        """Kill a worker; see ``Stage``."""
        with self.worker("first", kill=place, off=tuple(off)) as first:
            done = self.run()
            while first.lives and not done.done():
                time.sleep(0.02)
            self.somebody(world)
            with self.worker("second", off=tuple(off)):
                return ended(done.result(90))

    def stopped_and_replaced(self) -> Ended:
        """Stop a worker; see ``Stage``."""
        with self.worker("first", stop="ReInitDisk") as first:
            done = self.run()
            self.until(lambda: first.state == "T")
            with self.worker("second"):
                told = ended(done.result(120))  # tasks that the server gave to the first are given anew one by one
                first.send(signal.SIGCONT)
                time.sleep(1.0)
        return told


class Locally(Stage):
    """Processes of the local runner that are disturbed, on one host with one journal."""

    @property
    def journal(self) -> Path:
        """The journal of the host."""
        return self.folder / "journal.db"

    def operator(self, name: str) -> Client:
        """Give the client of one more process of this host."""
        del name
        return cloudlike.client(self.sim, {"journal": str(self.journal)}, clock=Clock(temporals.RATE))

    def _command(self, name: str, *words: str, **disturbed: Any) -> Process:
        log = self.folder / f"{name}.log"
        argv = [*words, "--journal", str(self.journal)]
        environment = {"HOME": str(self.folder), "SAFE_REINIT_TIME_SCALE": str(temporals.RATE)}
        return Process(self.nursery.start(argv, log, environment, **disturbed), log)

    def _run(self, **disturbed: Any) -> Process:
        words = ("--disk", DATA, "--stop-instance", "--confirm", DATA, "--endpoint", self.sim.url, "--region",
                 temporals.REGION)  # fmt: skip
        return self._command("first", *words, **disturbed)

    def _resumed(self, off: Sequence[str] = ()) -> Ended:
        with Journal(self.journal) as journal:
            (run,) = journal.runs()
        if run.open:
            self._command("second", "resume", run.run_id, off=tuple(off)).gone()
        with Journal(self.journal) as journal:
            (run,) = journal.runs()
        assert run.report is not None, (self.folder / "second.log").read_text("utf-8")
        told = run.report
        return Ended(told["outcome"], told["jobs"][0]["disks"][0]["data"], str(told.get("error")))

    def killed_and_replaced(self, place: Place, world: str = "nobody", off: Sequence[str] = ()) -> Ended:
        """Kill the process of a run, and resume it in another; see ``Stage``."""
        self._run(kill=place, off=tuple(off)).gone()
        self.somebody(world)
        return self._resumed(off)

    def stopped_and_replaced(self) -> Ended:
        """Stop the process of a run past its lease; see ``Stage``."""
        with self._run(stop="ReInitDisk", lease=_LEASE) as first:
            self.until(lambda: first.state == "T")
            told = self._resumed()
            first.send(signal.SIGCONT)
            first.gone()
        return told


def problems(stage: Stage, done: Ended, world: str) -> list[str]:
    """List what must never be, by the simulator's own record."""
    state, found = stage.sim.state(), []
    if any(starts != 1 for starts in stage.wipes()):
        found.append("wiped after a start")
    if done.data not in ("unknown", "reinitialised" if stage.wipes() else "intact"):
        found.append(f"{done.data} is said, and there were {len(stage.wipes())} wipes")
    accepted = [call["action"] for call in state["calls"] if call["code"] == "" and call["source"] == "api"
                and not call["dry_run"]]  # fmt: skip
    if world == "nobody" and max(accepted.count("StartInstance"), accepted.count("StopInstance")) > 1:
        found.append("a power call was done twice")  # where others stop the machine, it is rightly started once more
    if done.outcome in ("done", "failed") and world == "nobody":
        power = state["instances"][INSTANCE]["status"]
        found += [f"{done.outcome}, and it is {power}"] if power != "Running" else []
    return found
