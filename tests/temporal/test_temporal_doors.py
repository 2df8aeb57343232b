"""The command line with ``--runner temporal``: the same codes and reports, and the commands that tell of such runs."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.journal import Journal
from safe_reinit.simulator import Simulator
from tests import temporals
from tests.cloudlike import DATA, SYSTEM, changes, wipes
from tests.commands import Command, command
from tests.temporals import Temporal, simulated


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Start a simulator."""
    with simulated() as started:
        yield started


class Door(Command):
    """Runs ``safe-reinit`` with a Temporal server."""

    def on(self, temporal: Temporal, *words: str) -> list[str]:
        """Give the words of a run of the data disk there."""
        return ["--disk", DATA, "--stop-instance", "--confirm", DATA, "--runner", "temporal", "--temporal",
                temporal.address, *words]  # fmt: skip


@pytest.fixture
def door(sim: Simulator, tmp_path: Path) -> Door:
    """Give the command line."""
    made = command(sim.url, tmp_path, str(temporals.RATE))
    return Door(made.url, made.folder, made.scale)


def _run_id(path: Path) -> str:
    with Journal(path) as journal:
        return journal.runs()[0].run_id


def test_a_run_there_ends_as_one_here(temporal: Temporal, sim: Simulator, door: Door, tmp_path: Path) -> None:
    """A whole run by the command line: 0, one JSON report, and the journals of submitter and worker have it."""
    path = tmp_path / "j.db"
    with temporals.working(temporal, sim, tmp_path / "worker.db"):
        done = door(*door.on(temporal, "--output", "json"), journal=path)
        _wait(lambda: _known(tmp_path / "worker.db"))
        again = door("runs", journal=path)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["outcome"], told["jobs"][0]["disks"][0]["data"]) == ("done", "reinitialised")
    assert wipes(sim.state(), DATA) == 1
    assert "accepted" in done.stderr
    assert "on Temporal" in again.stdout
    with Journal(path) as mine, Journal(tmp_path / "worker.db") as kept:
        here, there = mine.run(told["run_id"]), kept.run(told["run_id"])
    assert here is not None
    assert there is not None
    assert here.report is not None
    assert there.report is not None
    assert (here.open, there.open, there.outcome) == (False, False, "done")
    assert there.report["jobs"] == here.report["jobs"]
    assert there.plan["plan_id"] == here.plan["plan_id"]


def _known(path: Path) -> bool:
    with Journal(path) as journal:
        return any(run.report for run in journal.runs())


def _wait(test: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_without_a_worker_nothing_is_begun(temporal: Temporal, sim: Simulator, door: Door, tmp_path: Path) -> None:
    """With no worker a run is refused with 3 and says so, nothing is sent, and its plan is not used up."""
    path = tmp_path / "j.db"
    done = door(*door.on(temporal), journal=path)

    assert done.returncode == 3
    assert "No worker polls" in done.stderr
    assert not changes(sim.state())
    with Journal(path) as journal:
        assert journal.runs() == []
    with temporals.working(temporal, sim, tmp_path / "worker.db"):
        assert door(*door.on(temporal, "--quiet"), journal=path).returncode == 0


def test_leaving_does_not_end_the_run(temporal: Temporal, sim: Simulator, door: Door, tmp_path: Path) -> None:
    """Ctrl-C leaves with 5 and says that the run goes on; runs says when no worker is there; resume ends with 0."""
    path = tmp_path / "j.db"
    with temporals.working(temporal, sim, tmp_path / "worker.db"):
        following = door.start(*door.on(temporal), journal=path)
        _wait(lambda: changes(sim.state()))
        following.send_signal(signal.SIGINT)
        _, err = following.communicate(timeout=30)
        run_id = _run_id(path)
        resumed = door("resume", run_id, "--output", "json", journal=path)

    assert following.returncode == 5
    assert "goes on at the Temporal server" in err
    assert f"safe-reinit cancel {run_id}" in err
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["outcome"] == "done"
    assert changes(sim.state()).count("ReInitDisk") == 1


def test_a_password_goes_over_no_server(temporal: Temporal, sim: Simulator, door: Door, tmp_path: Path) -> None:
    """A run that sets a password is refused there with 2, before anything is submitted."""
    words = [SYSTEM if word == DATA else word for word in door.on(temporal, "--password-env", "SECRET")]
    with temporals.working(temporal, sim, tmp_path / "worker.db"):
        done = door(*words, journal=tmp_path / "j.db", environment={"SECRET": "Zx9-Zx9-Zx9-Zx9"})

    assert done.returncode == 2, done.stderr
    assert "password is not sent" in done.stderr
    assert not changes(sim.state())
    assert "Zx9" not in done.stdout + done.stderr


def test_a_server_that_is_not_there_is_said(sim: Simulator, door: Door, tmp_path: Path) -> None:
    """A server that does not answer: 3, a sentence, and nothing is sent."""
    words = ["--disk", DATA, "--stop-instance", "--confirm", DATA, "--runner", "temporal"]
    done = door(*words, "--temporal", f"127.0.0.1:{temporals.free_port()}", journal=tmp_path / "j.db")
    none = door(*words, journal=tmp_path / "j.db")

    assert done.returncode == 3, done.stderr
    assert "does not answer" in done.stderr
    assert not changes(sim.state())
    assert none.returncode == 2
    assert "--temporal" in none.stderr
