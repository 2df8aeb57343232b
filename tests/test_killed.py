"""A real process, really killed: what it had begun is found by the next one. All other moments are simulated."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.journal import Journal
from safe_reinit.simulator import Simulator
from tests.commands import command, until
from tests.values import recoverable

SPEED = 10.0
"""Simulated seconds in a real one."""
WORLD: dict[str, Any] = recoverable(
    {
        "durations": {"stop": 10, "wipe": 60, "start": 20},
        "instances": {"i-1": {"name": "lab", "started": "-2d"}},
        "disks": {"d-1": {"instance": "i-1"}},
    }
)
UNANSWERED = [{"action": action, "dry_run": False, "delay": 3000} for action in ("StopInstance", "ReInitDisk")]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Start a simulator that listens."""
    with Simulator(WORLD, speed=SPEED) as started:
        yield started


@pytest.mark.parametrize(
    ("kind", "name", "status", "fault"),
    [
        ("instances", "i-1", "Stopping", UNANSWERED[0]),
        ("disks", "d-1", "ReIniting", UNANSWERED[1]),
        ("instances", "i-1", "Starting", None),
    ],
    ids=["before the stop's answer", "before the wipe's answer", "while the machine starts"],
)
def test_a_killed_run_is_resumed_to_its_end(
    simulator: Simulator, tmp_path: Path, kind: str, name: str, status: str, fault: dict[str, Any] | None
) -> None:
    """Killed by SIGKILL, it is resumed by the next process: wiped once, with one call of each, and Running."""
    journal = tmp_path / "j.db"
    run = command(simulator.url, tmp_path, str(SPEED))
    if fault is not None:
        simulator.do({"fault": fault})
    with run.start("--disk", "d-1", "--confirm", "d-1", "--stop-instance", journal=journal) as child:
        until(lambda: simulator.state()[kind][name]["status"] == status)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    with Journal(journal) as opened:
        (left,) = opened.runs()
    done = run("resume", left.run_id, journal=journal)
    state = simulator.state()
    acts = [one["action"] for one in state["calls"] if not one["dry_run"] and "Describe" not in one["action"]]

    assert (child.returncode, done.returncode) == (-signal.SIGKILL, 0), done.stderr
    assert (len(state["disks"]["d-1"]["wipes"]), state["instances"]["i-1"]["status"]) == (1, "Running")
    assert [each for each in acts if each != "GetCallerIdentity"] == ["StopInstance", "ReInitDisk", "StartInstance"]
