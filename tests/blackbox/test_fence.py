"""Nobody's data is lost when somebody else uses the machine between the plan and the wipe."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.journal import open_to_write
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.commands import Command, command, until
from tests.values import recoverable

pytestmark = pytest.mark.virtual_time

DISK, INSTANCE = "d-web", "i-web"
WIPE = ("--disk", DISK, "--confirm", DISK, "--accept", "no-recent-snapshot")
RUN = (*WIPE, "--stop-instance")
SETTLED = timedelta(seconds=90)
"""From the beginning of the minute that StartTime shows until another start would show."""


@contextmanager
def machine(folder: Path, **instance: Any) -> Iterator[tuple[Simulator, Command]]:
    """Simulate one machine, started a moment ago, and give the command line against it."""
    world = {
        "durations": {"stop": 6, "wipe": 15, "start": 9},
        "instances": {INSTANCE: {"name": "web", "started": "-1s", **instance}},
        "disks": {DISK: {"instance": INSTANCE}},
    }
    with virtual.simulate(recoverable(world)) as sim:
        yield sim, command(sim.url, folder)


def moment(text: str) -> datetime:
    """Read a time of the simulator."""
    return datetime.fromisoformat(text)


def calls(sim: Simulator, action: str) -> list[datetime]:
    """Return when this call came over the API, dry runs left out."""
    return [
        moment(each["at"])
        for each in sim.state()["calls"]
        if each["action"] == action and each["source"] == "api" and not each["dry_run"]
    ]


def changing(sim: Simulator) -> list[str]:
    """Name the changing calls that came over the API."""
    names = ("StopInstance", "CreateSnapshot", "ReInitDisk", "StartInstance", "TagResources")
    return [name for name in names if calls(sim, name)]


def settled_at(sim: Simulator) -> datetime:
    """Return when a further start of the machine would show, before the run has changed anything."""
    return moment(sim.state()["instances"][INSTANCE]["start_time"]) + SETTLED


def run_of(journal: Path) -> str:
    """Name the only run of a journal."""
    with open_to_write(journal) as opened:
        (only,) = opened.runs()
        return only.run_id


def use(sim: Simulator) -> None:
    """Start the machine, write to its disk and stop it, as somebody else would."""
    for action in ({"start": INSTANCE}, {"write": DISK}, {"stop": INSTANCE}):
        sim.do(action)


def test_a_machine_is_not_stopped_before_a_second_start_would_show(tmp_path: Path) -> None:
    """StopInstance is sent only 30 s after the minute of StartTime is over."""
    with machine(tmp_path) as (sim, run):
        settled = settled_at(sim)
        done = run(*RUN, "--output", "json", journal=tmp_path / "j.db")
        report = json.loads(done.stdout)

        assert (done.returncode, report["outcome"]) == (0, "done")
        assert calls(sim, "StopInstance")[0] >= settled


def test_a_run_says_for_how_long_it_waits(tmp_path: Path) -> None:
    """While it waits for the minute to be over the run says so, with how long."""
    with machine(tmp_path) as (_, run), run.start(*RUN, journal=tmp_path / "j.db") as child:
        assert child.stderr is not None
        try:
            text = next((line for line in child.stderr if "can tell another start" in line), "")
        finally:
            child.kill()

        assert re.search(r"can tell another start from that one, 0s of at most \d+(s|m)", text)


def test_the_plan_says_how_long_the_run_waits(tmp_path: Path) -> None:
    """A dry run tells the wait in words, and changes nothing."""
    with machine(tmp_path) as (sim, run):
        result = run(
            "plan",
            "--disk",
            DISK,
            "--stop-instance",
            "--accept",
            "no-recent-snapshot",
            "--endpoint",
            sim.url,
            "--output",
            "json",
            journal=None,
        )
        (found,) = [each for each in json.loads(result.stdout)["findings"] if each["check"] == "just-started"]

        assert result.returncode == 0
        assert found["level"] == "info"
        assert re.search(r"the run waits \d+s before it stops it", found["message"])
        assert changing(sim) == []


@pytest.mark.parametrize("snapshot", [(), ("--snapshot",)])
def test_of_a_stopped_machine_only_what_is_seen_after_that_moment_counts(
    tmp_path: Path, snapshot: tuple[str, ...]
) -> None:
    """A machine that was started and stopped a moment ago is snapshot and wiped only on a look made after it."""
    with machine(tmp_path, status="Stopped") as (sim, run):
        settled = settled_at(sim)
        done = run(*WIPE, *snapshot, journal=tmp_path / "j.db")

        assert done.returncode == 0, done.stderr
        (wiped,) = calls(sim, "ReInitDisk")
        first = min([*calls(sim, "CreateSnapshot"), wiped])
        assert [each for each in calls(sim, "DescribeInstances") if settled <= each <= first]


def test_what_was_written_after_our_stop_survives_a_resumed_run(tmp_path: Path) -> None:
    """A run killed while the machine goes down, and resumed after somebody used it, wipes nothing and starts it."""
    journal = tmp_path / "j.db"
    with machine(tmp_path) as (sim, run):
        sim.do({"hold": {"instance": INSTANCE}})
        child = run.start(*RUN, journal=journal)
        try:
            until(lambda: sim.state()["instances"][INSTANCE]["status"] == "Stopping")
        finally:
            child.kill()
            child.communicate()
        sim.do({"release": {"instance": INSTANCE}})
        until(lambda: sim.state()["instances"][INSTANCE]["status"] == "Stopped")
        use(sim)
        done = run("resume", run_of(journal), journal=journal)
        state = sim.state()

        assert done.returncode == 4, done.stderr
        assert "StartTime" in done.stderr
        assert state["disks"][DISK]["wipes"] == []
        assert state["instances"][INSTANCE]["status"] == "Running"


def test_a_running_machine_without_a_start_time_is_not_stopped(tmp_path: Path) -> None:
    """Where a start would never show, the machine is not stopped: refused before anything is sent."""
    with machine(tmp_path, shows_start_time=False) as (sim, run):
        done = run(*RUN, journal=tmp_path / "j.db")

        assert done.returncode == 3
        assert "start-time-not-shown" in done.stderr
        assert changing(sim) == []


def test_a_machine_that_loses_its_start_time_is_not_stopped(tmp_path: Path) -> None:
    """The same holds where StartTime is there for the plan and gone while the run waits."""
    with machine(tmp_path) as (sim, run):
        child = run.start(*RUN, journal=tmp_path / "j.db")
        try:
            until((tmp_path / "j.db").exists)
            sim.do({"change": INSTANCE, "to": {"shows_start_time": False}})
            child.communicate()
        finally:
            child.kill()

        assert child.returncode == 3
        assert changing(sim) == []
