"""The world of these tests, and what can be asked of it and of a journal from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safe_reinit.simulator import Simulator
from tests.commands import Command, until
from tests.values import recoverable

DISK, INSTANCE = "d-sim-web1-data", "i-sim-web1"
SECOND = "d-second"
TARGET = ("--disk", DISK, "--stop-instance")
RUN = (*TARGET, "--confirm", DISK)
WORLD: dict[str, Any] = recoverable(
    {
        "durations": {"stop": 9, "wipe": 15, "start": 9},
        "instances": {INSTANCE: {"name": "web1"}, "i-second": {"name": "web2"}},
        "disks": {DISK: {"instance": INSTANCE}, SECOND: {"instance": "i-second"}},
    }
)
QUICK: dict[str, Any] = {**WORLD, "durations": {"stop": 0.5, "wipe": 5, "start": 0.5}}
"""The same for a real process: at real speed a whole run takes ten seconds."""
YOUNG: dict[str, Any] = {**QUICK, "instances": {**WORLD["instances"], INSTANCE: {"name": "web1", "started": "+1m"}}}
"""The same, with a machine that by its clock was started only now: a run waits for over a minute before it stops it."""
RUN_YOUNG = (*RUN, "--accept", "no-recent-snapshot")
"""That run: what ends it there waits for nothing."""
WAITS = "web1 (now Running): was started a moment ago"
"""What such a run says then."""
STOPPING = {"instance": INSTANCE}
"""Held in this, the machine stays on its way down."""
WIPING = {"disk": DISK}
"""Held in this, the disk stays in its wipe."""
COMMAND_TIMEOUT = 120.0
"""Seconds that nothing here takes, on however busy a machine."""


@contextmanager
def held(sim: Simulator, what: dict[str, str]) -> Iterator[None]:
    """Keep a machine or a disk on its way while the block lasts."""
    sim.do({"hold": what})
    try:
        yield
    finally:
        sim.do({"release": what})


def power(sim: Simulator, instance_id: str = INSTANCE) -> str:
    """Return whether a machine runs."""
    status: str = sim.state()["instances"][instance_id]["status"]
    return status


def wipes(sim: Simulator, disk_id: str = DISK) -> int:
    """Count the wipes of a disk."""
    return len(sim.state()["disks"][disk_id]["wipes"])


def comes_to(sim: Simulator, status: str, instance_id: str = INSTANCE) -> None:
    """Wait until a machine is seen in this state."""
    until(lambda: power(sim, instance_id) == status, COMMAND_TIMEOUT)


def killed(sim: Simulator, run: Command, journal: Path) -> str:
    """Kill a run while its machine goes down, which it stays in; give the name of the run."""
    child = run.start(*RUN, journal=journal)
    comes_to(sim, "Stopping")
    child.kill()
    child.communicate()
    (name,) = (str(each["run_id"]) for each in listed(run, journal) if each["state"] == "open")
    return name


def listed(run: Command, journal: Path) -> list[dict[str, Any]]:
    """List the runs of a journal as a person would, newest first."""
    runs: list[dict[str, Any]] = json.loads(run("runs", "--output", "json", journal=journal).stdout)["runs"]
    return runs


def has_ended(run: Command, journal: Path) -> bool:
    """Return whether the newest run of a journal has ended."""
    runs = listed(run, journal)
    return bool(runs) and runs[0]["ended_at"] is not None
