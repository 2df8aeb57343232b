"""A process that is killed: what it had begun is found by the next one. All other moments are simulated."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.journal import open_to_write
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.commands import command, read_until, until
from tests.values import recoverable

pytestmark = pytest.mark.virtual_time

RUN = ("--disk", "d-1", "--confirm", "d-1", "--stop-instance")
WORLD: dict[str, Any] = recoverable(
    {
        "durations": {"stop": 3, "wipe": 10, "start": 3},
        "instances": {"i-1": {"name": "lab", "started": "-2d"}},
        "disks": {"d-1": {"instance": "i-1"}},
    }
)
UNANSWERED = [{"action": action, "dry_run": False, "delay": 3000} for action in ("StopInstance", "ReInitDisk")]
HOW = pytest.mark.parametrize(
    (),
    [
        pytest.param(id="between two instructions"),
        pytest.param(id="by SIGKILL", marks=[pytest.mark.slow, pytest.mark.real_time]),
    ],
)
"""A process of virtual time, and a real one."""
WHEN = pytest.mark.parametrize(
    ("kind", "name", "status", "fault"),
    [
        ("instances", "i-1", "Stopping", UNANSWERED[0]),
        ("disks", "d-1", "ReIniting", UNANSWERED[1]),
        ("instances", "i-1", "Starting", None),
    ],
    ids=["before the stop's answer", "before the wipe's answer", "while the machine starts"],
)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Start the world, at real speed."""
    with virtual.simulate(WORLD, speed=1) as started:
        yield started


@HOW
@WHEN
def test_a_killed_run_is_resumed_to_its_end(
    simulator: Simulator, tmp_path: Path, kind: str, name: str, status: str, fault: dict[str, Any] | None
) -> None:
    """Killed at any moment, a run is resumed by the next process: wiped once, with one call of each, and Running."""
    journal, run = tmp_path / "j.db", command(simulator.url, tmp_path)
    if fault is not None:
        simulator.do({"fault": fault})
    with run.start(*RUN, journal=journal) as child:
        until(lambda: simulator.state()[kind][name]["status"] == status)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    with open_to_write(journal) as opened:
        (left,) = opened.runs()
    done = run("resume", left.run_id, journal=journal)
    state = simulator.state()
    acts = [one["action"] for one in state["calls"] if not one["dry_run"] and "Describe" not in one["action"]]

    assert (child.returncode, done.returncode) == (-signal.SIGKILL, 0), done.stderr
    assert (len(state["disks"]["d-1"]["wipes"]), state["instances"]["i-1"]["status"]) == (1, "Running")
    assert [each for each in acts if each != "GetCallerIdentity"] == ["StopInstance", "ReInitDisk", "StartInstance"]


@pytest.mark.real_time
def test_a_run_whose_real_process_was_killed_is_taken_at_once(simulator: Simulator, tmp_path: Path) -> None:
    """Nobody waits for the lease of a process that SIGKILL has ended: what it began is seen and carried on."""
    simulator.do({"hold": {"instance": "i-1"}})
    journal, run = tmp_path / "j.db", command(simulator.url, tmp_path)
    with run.start(*RUN, journal=journal) as child:
        until(lambda: simulator.state()["instances"]["i-1"]["status"] == "Stopping")
        child.kill()
        child.communicate()
    with open_to_write(journal) as opened:
        (left,) = opened.runs()
    with run.start("resume", left.run_id, "--verbose", journal=journal) as other:
        text = read_until(other.stderr, "lab is Stopping")
        other.kill()
        other.communicate()

    stops = [one for one in simulator.state()["calls"] if one["action"] == "StopInstance" and not one["dry_run"]]

    assert "is held by" not in text
    assert len(stops) == 1
