"""A process that may open few files leaves no machine stopped."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.simulator import Simulator
from tests.commands import command
from tests.values import recoverable

MACHINES = [f"i-{number}" for number in range(6)]
WORLD: dict[str, Any] = {
    "durations": {"stop": 0.5, "wipe": 5, "start": 0.5},
    "instances": {name: {"name": name} for name in MACHINES},
    "disks": {name.replace("i", "d", 1): {"instance": name} for name in MACHINES},
}
WORDS = [word for name in WORLD["disks"] for word in ("--disk", name)] + ["--stop-instance", "--canary", "0"]


def run_with(limit: int, folder: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run for six machines with so many file descriptors; give how it ended, and what is true then."""
    with Simulator(world=recoverable(WORLD), speed=1) as sim:
        run = command(sim.url, folder)
        planned = json.loads(run("plan", *WORDS, "--endpoint", sim.url, "--output", "json", journal=None).stdout)
        line = run.words(*WORDS, "--confirm", planned["plan"]["confirm_with"], journal=folder / "j.db")
        child = subprocess.run(
            ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", *line],
            env=run.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
            cwd=folder,
        )  # fmt: skip
        return child, sim.state()


@pytest.mark.parametrize("limit", [9, 12])
def test_six_machines_are_not_left_stopped(tmp_path: Path, limit: int) -> None:
    """With few file descriptors a run may fail, but every machine runs again."""
    child, state = run_with(limit, tmp_path)

    assert {machine["status"] for machine in state["instances"].values()} == {"Running"}, child.stderr
    assert child.returncode in (0, 2, 3, 4, 7), child.stderr


def test_a_run_that_may_not_open_enough_files_is_refused_and_says_so(tmp_path: Path) -> None:
    """The limit is found before anything is stopped, and named with what to do."""
    child, state = run_with(9, tmp_path)

    assert child.returncode in (2, 3)
    assert all(not disk["wipes"] for disk in state["disks"].values())
    assert "ulimit -n" in child.stderr
