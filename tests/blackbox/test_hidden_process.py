"""A holder that the process table hides (``hidepid``) is alive: nobody takes its run while its lease lasts."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from safe_reinit.simulator import Simulator
from tests.commands import Command, command, until

DISK, INSTANCE = "d-sim-web1-data", "i-sim-web1"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Start the default world."""
    with Simulator(speed=30) as started:
        yield started


@pytest.fixture
def run(simulator: Simulator, tmp_path: Path) -> Command:
    """Run commands against it."""
    return command(simulator.url, tmp_path, "30")


def without(pid: int, words: list[str]) -> list[str]:
    """Return a command line that runs a command where the process table does not show one process."""
    hide = f"mount -t tmpfs none /proc/{pid} && exec {shlex.join(words)}"
    return ["unshare", "--mount", "sh", "-c", hide]


def test_a_holder_that_is_hidden_keeps_its_run(simulator: Simulator, run: Command, tmp_path: Path) -> None:
    """Resume waits for it and sends nothing; the run is ended by its holder, once."""
    if os.getuid() != 0 or subprocess.run(without(os.getpid(), ["true"]), capture_output=True, check=False).returncode:
        pytest.skip("processes cannot be hidden here")
    journal = tmp_path / "j.db"
    simulator.do({"hold": {"instance": INSTANCE}})
    holder = run.start("--disk", DISK, "--confirm", DISK, "--stop-instance", journal=journal)
    until(lambda: simulator.state()["instances"][INSTANCE]["status"] == "Stopping")
    name = json.loads(run("runs", "--output", "json", journal=journal).stdout)["runs"][0]["run_id"]

    words = without(holder.pid, run.words("resume", name, journal=journal))
    other = subprocess.Popen(
        words, env=run.environment(), text=True, cwd=tmp_path, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert other.stderr is not None
    first = other.stderr.readline()
    simulator.do({"release": {"instance": INSTANCE}})
    _, said = holder.communicate(timeout=120)
    other.communicate(timeout=120)

    assert "is held by" in first
    assert holder.returncode == 0, said
    assert other.returncode == 3
    acts = [c["action"] for c in run.calls() if not c["action"].startswith(("Describe", "Get")) and not c["dry_run"]]
    assert acts == ["StopInstance", "ReInitDisk", "StartInstance"]
