"""A run whose journal is in a PostgreSQL that goes away in one of its phases: real processes, on a real clock."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import DISK, INSTANCE, RUN, power, wipes
from tests.commands import Command, command, until
from tests.postgresql import Server
from tests.values import recoverable

WORLD: dict[str, Any] = recoverable(
    {
        "durations": {"stop": 4, "wipe": 12, "start": 12},
        "instances": {INSTANCE: {"name": "web1"}},
        "disks": {DISK: {"instance": INSTANCE}},
    }
)
PHASES = ("before the stop", "while stopping", "before the wipe", "while wiping", "while starting")
SENDING_TIME = 2.0
"""Seconds from deciding on a call to its leaving: what was decided as the server went may still be sent."""
_RUN_TIMEOUT = 420.0
"""Seconds after the outage within which a run ends."""
_PHASE_LIMIT = 120.0
"""Seconds within which a run reaches each phase, on however busy a machine."""
_POLL_INTERVAL = 0.1
_RELEASE = {"release": {"instance": INSTANCE}}
_BRINGS_BACK = ("StartInstance", "UntagResources")
_SAYS_DOWN = (5, 6, 7, 8)
"""Exit codes of a run whose machine may be down."""


@dataclass(frozen=True)
class Outage:
    """What came of a run, and whether it kept what is promised.

    Attributes:
        phase: in which the server went away.
        sent: the changing calls sent meanwhile, by the simulator's own record.
        code: the exit code of the run.
        up_after: seconds from the outage's beginning until the machine ran again; infinite where it did not by itself.
        resumed: the exit code of the resume afterwards; ``None`` where nothing was left to resume.
        wipes: how often the disk was wiped.
        broken: promises that were not kept.

    """

    phase: str
    sent: tuple[str, ...]
    code: int
    up_after: float
    resumed: int | None
    wipes: int
    broken: tuple[str, ...]


def go_through(phase: str, server: Server, folder: Path, seconds: float, *, hangs: bool = False) -> Outage:
    """Let a server go away in a phase of a run and come back after so long; resume what is open then.

    Args:
        phase: one of ``PHASES``.
        server: has the journal.
        folder: the home of the command.
        seconds: for how long it is away.
        hangs: whether it only stands still, and takes what it is sent; else it is killed.
    """
    faults = [{"action": "ReInitDisk", "delay": 5, "dry_run": False}] if phase == "while wiping" else []
    with Simulator(world=WORLD, faults=faults, speed=1.0) as sim:
        if phase == "before the stop":
            sim.do({"snapshot": DISK, "seconds": seconds / 2 + 10})  # for whose end the run waits
        elif phase in ("while stopping", "before the wipe"):
            sim.do({"hold": {"instance": INSTANCE}})
        run, place, report = command(sim.url, folder), server.new(), folder / "report.json"
        with run.start(*RUN, "--report", str(report), journal=place) as child:
            _reach(phase, sim)
            server.hang() if hangs else server.stop("immediate")
            began, at = time.time(), time.monotonic()
            if phase == "before the wipe":
                sim.do(_RELEASE)
            down_until, held, away = at, phase == "while stopping", True
            while away or child.poll() is None:
                assert time.monotonic() < at + seconds + _RUN_TIMEOUT, f"{phase}: the run does not end"
                time.sleep(_POLL_INTERVAL)
                down_until = down_until if power(sim) == "Running" else time.monotonic()
                if held and time.monotonic() > at + seconds / 2:
                    sim.do(_RELEASE)
                    held = False
                if away and time.monotonic() > at + seconds:
                    sent, away = _sent(sim, began + SENDING_TIME, time.time()), False
                    server.hang(hangs=False) if hangs else server.start()
            up = power(sim) == "Running"
            child.communicate()
        run_id, is_open = _run(run, place)
        resumed = run("resume", run_id, journal=place).returncode if is_open else None
        result = json.loads(report.read_text("utf-8")) if report.exists() else None
        broken = _broken(sim, sent, child.returncode, result, is_open=is_open, up=up)
        if _run(run, place)[1]:
            broken.append("the run is still open after its resume")
        if power(sim) != "Running":
            broken.append("the machine is down after all")
        after = down_until - at if up else math.inf
        return Outage(phase, sent, child.returncode, after, resumed, wipes(sim), tuple(broken))


def _reach(phase: str, sim: Simulator) -> None:
    """Wait until a run is in a phase."""
    if phase == "before the stop":
        until(lambda: sum(call["action"] == "DescribeSnapshots" for call in sim.state()["calls"]) > 3, _PHASE_LIMIT)
    elif phase in ("while stopping", "before the wipe"):
        until(lambda: power(sim) == "Stopping", _PHASE_LIMIT)
    elif phase == "while wiping":
        until(lambda: sim.state()["disks"][DISK]["status"] == "ReIniting", _PHASE_LIMIT)
    else:
        until(lambda: power(sim) == "Starting", _PHASE_LIMIT)


def _sent(sim: Simulator, since: float, to: float) -> tuple[str, ...]:
    """Name the changing calls that reached the simulator within a time."""
    return tuple(
        str(call["action"])
        for call in sim.state()["calls"]
        if call["source"] == "api"
        and not call["dry_run"]
        and not call["action"].startswith(("Describe", "Get", "List"))
        and since < datetime.fromisoformat(call["real_at"]).timestamp() < to
    )  # fmt: skip


def _run(run: Command, place: str) -> tuple[str, bool]:
    """Return the name of the only run of a journal, and whether it can be resumed."""
    (entry,) = json.loads(run("runs", "--output", "json", journal=place).stdout)["runs"]
    return str(entry["run_id"]), entry["state"] == "open"


def _broken(
    sim: Simulator, sent: Sequence[str], code: int, result: dict[str, Any] | None, *, is_open: bool, up: bool
) -> list[str]:
    """Return which promises a run broke."""
    broken = [f"{action} was sent while the journal was away" for action in sent if action not in _BRINGS_BACK]
    if wipes(sim) > 1:
        broken.append("the disk was wiped twice")
    if not up and (code not in _SAYS_DOWN or not is_open):
        broken.append(f"the machine is down, and the exit code is {code}")
    text = result["jobs"][0]["disks"][0]["data"] if result is not None else "unknown"
    if text != "unknown" and (text == "reinitialised") != bool(wipes(sim)):
        broken.append(f"the report says {text}, and the disk was wiped {wipes(sim)} times")
    return broken
