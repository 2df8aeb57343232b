"""A simulator, workers that are disturbed, and one run: what the tests of kills and the sweep over them share."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from safe_reinit.simulator import Simulator
from tests import cloudlike, temporals
from tests.cloudlike import DATA, INSTANCE
from tests.temporals import Nursery, Temporal, Worker

Place = tuple[str, int, str]
PLACES: list[Place] = [("act", n, side) for n in (1, 2, 3) for side in ("before", "after")]
PLACES += [("look", n, side) for n in (2, 8, 14, 20, 26, 32, 40) for side in ("before", "after")]
"""Where a worker is killed: around each changing call, and around looks before and between them."""
MEANWHILE = ("nobody", "used", "detached")
"""What somebody else does before another worker goes on."""


class Stage:
    """A simulator, workers that are disturbed, and one run."""

    def __init__(self, temporal: Temporal, nursery: Nursery, folder: Path, sim: Simulator) -> None:
        self.temporal, self.nursery, self.folder, self.sim = temporal, nursery, folder, sim
        self.client = temporals.client(temporal, sim, folder / "journal.db")
        self._threads = ThreadPoolExecutor(1)

    def worker(self, name: str = "worker", **disturbed: Any) -> Worker:
        """Start a worker, and wait until it polls."""
        started = temporals.worker(self.nursery, self.temporal, self.sim.url, self.folder, name=name, **disturbed)
        return started.ready()

    def run(self) -> Future[cloudlike.Run]:
        """Begin a run; it is followed to its end."""
        return self._threads.submit(lambda: cloudlike.run(self.sim, using=self.client))

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

    def killed_and_replaced(self, place: Place, world: str = "nobody", off: Sequence[str] = ()) -> cloudlike.Run:
        """Kill a worker at a place, let somebody do something, and let another worker go on; give how it ends."""
        with self.worker("first", kill=place, off=tuple(off)) as first:
            done = self.run()
            while first.lives and not done.done():
                time.sleep(0.02)
            self.somebody(world)
            with self.worker("second", off=tuple(off)):
                return done.result(90)


def problems(stage: Stage, done: cloudlike.Run, world: str) -> list[str]:
    """List what must never be, by the simulator's own record."""
    state, found = stage.sim.state(), []
    if any(starts != 1 for starts in stage.wipes()):
        found.append("wiped after a start")
    said = done.report.jobs[0].disks[0].data
    if said not in ("unknown", "reinitialised" if stage.wipes() else "intact"):
        found.append(f"{said} is said, and there were {len(stage.wipes())} wipes")
    accepted = [call["action"] for call in state["calls"] if call["code"] == "" and call["source"] == "api"
                and not call["dry_run"]]  # fmt: skip
    if accepted.count("StartInstance") > 1 or (world == "nobody" and accepted.count("StopInstance") > 1):
        found.append("a power call was done twice")
    if done.outcome in ("done", "failed") and world == "nobody":
        power = state["instances"][INSTANCE]["status"]
        found += [f"{done.outcome}, and it is {power}"] if power != "Running" else []
    return found
