"""What is only simulated is never taken for real: in the plan, events, every report, the journal and its list."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit.clock import Clock
from safe_reinit.simulator import Simulator
from tests import processes
from tests.blackbox.worlds import DISK, RUN, TARGET
from tests.commands import Command
from tests.conftest import Serve
from tests.servers import Answer, Request, Server, forward, http
from tests.terminals import Open
from tests.values import recoverable

pytestmark = pytest.mark.virtual_time

FIRST = "SIMULATED: "
"""How the first line of every text begins."""


@pytest.fixture
def unmarked(sim: Simulator, serve: Serve) -> Server:
    """Start something on loopback that answers as the real cloud behind a tunnel would: without the mark."""

    def respond(request: Request) -> Answer:
        if request.target.startswith("/_simulator"):
            return Answer(http(404, "nothing here"))
        result = forward(request, sim.url.removeprefix("http://"))
        head, _, body = result.data.partition(b"\r\n\r\n")
        kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"x-safe-reinit-simulator")]
        return Answer(b"\r\n".join(kept) + b"\r\n\r\n" + body, "close")

    return serve(respond)


def forms(run: Command, path: Path) -> dict[str, Any]:
    """Run once and give every form in which it is told."""
    done = run(*RUN, "--events", "e.jsonl", "--report", "r.html", "--output", "markdown", journal=path)
    assert done.returncode == 0, done.stderr
    name = json.loads(run("runs", "--output", "json", journal=path).stdout)["runs"][0]["run_id"]
    return {
        "plan": done.stderr,
        "markdown": done.stdout,
        "html": (run.folder / "r.html").read_text("utf-8"),
        "events": [json.loads(line) for line in (run.folder / "e.jsonl").read_text("utf-8").splitlines()],
        "runs": run("runs", journal=path).stdout,
        "runs.json": json.loads(run("runs", "--output", "json", journal=path).stdout)["runs"][0],
        "show": run("show", name, journal=path).stdout,
        "show.json": json.loads(run("show", name, "--output", "json", journal=path).stdout),
    }


def test_a_run_against_a_simulator_says_so_everywhere_and_first(run: Command, path: Path) -> None:
    """Plan, events, Markdown, HTML, text, JSON, runs and show of a run at a separate simulator are marked."""
    result = forms(run, path)

    assert FIRST in result["plan"].splitlines()[0]
    assert result["markdown"].startswith("# SIMULATED")
    assert FIRST in result["html"].partition("<body>")[2].partition("<h1")[0]
    assert {event["simulated"] for event in result["events"]} == {True}
    assert "  SIMULATED  " in result["runs"]
    assert result["runs.json"]["simulated"] is True
    assert result["show"].startswith(FIRST)
    assert result["show.json"]["simulated"] is True
    assert {event["simulated"] for event in result["show.json"]["events"]} == {True}


def test_a_terminal_says_it_once(sim: Simulator, terminal: Open) -> None:
    """Where the plan stands above the report, the first line of both is one."""
    person = terminal(sim, *RUN)

    assert person.end() == 0, person.shown
    assert person.shown.count(FIRST) == 1
    assert person.shown.index(FIRST) < person.shown.index("Plan: ")


@pytest.mark.real_time
def test_one_file_of_everything_says_it_once(tmp_path: Path) -> None:
    """With 2>&1 the plan and the report are one text, which begins with it."""
    words = [sys.executable, "-m", "safe_reinit", "--simulate", "--disk", "d-sim-db1-data", "--confirm", "d-other"]
    done = processes.run_to_end(
        words, env={**os.environ, "HOME": str(tmp_path)}, cwd=tmp_path, stderr=subprocess.STDOUT
    )

    assert done.returncode == 3, done.stdout
    assert done.stdout.count(FIRST) == 1
    assert done.stdout.startswith(FIRST)


def test_a_tunnel_on_this_machine_is_not_taken_for_a_simulator(unmarked: Server, run: Command, path: Path) -> None:
    """Where answers bear no mark, nothing is called simulated, although the endpoint is on loopback."""
    real = Command(unmarked.url, run.folder)
    result = forms(real, path)

    for name in ("plan", "markdown", "html", "runs", "show"):
        assert "SIMULATED" not in result[name], name
    assert {event["simulated"] for event in result["events"]} == {False}
    assert (result["runs.json"]["simulated"], result["show.json"]["simulated"]) == (False, False)


@pytest.mark.parametrize("words", [(*TARGET, "--dry-run"), ("plan", *TARGET), RUN], ids=["dry run", "plan", "run"])
def test_an_embedded_simulation_says_so_first(run: Command, words: tuple[str, ...]) -> None:
    """With --simulate the plan and the report say it before anything else, in text and in JSON."""
    result = {
        form: run(*("d-sim-web1-data" if w == DISK else w for w in words), "--output", form, *("--simulate",),
                  journal=None).stdout
        for form in ("text", "json")
    }  # fmt: skip

    assert result["text"].startswith(FIRST)
    assert json.loads(result["json"])["simulated"] is True


def test_an_embedded_simulation_has_one_clock(run: Command) -> None:
    """How long a run took is told in simulated time, as its waits, its limits and the times of ECS are."""
    world = {
        "durations": {"stop": 5, "wipe": 10, "start": 5},
        "instances": {"i-1": {}},
        "disks": {"d-1": {"instance": "i-1"}},
    }
    (run.folder / "world.json").write_text(json.dumps(recoverable(world)))
    words = ("--disk", "d-1", "--stop-instance", "--confirm", "d-1", "--output", "json")
    result = json.loads(run("--world", "world.json", *words, journal=None).stdout)
    began, ended = (datetime.fromisoformat(result[name]) for name in ("started_at", "ended_at"))

    assert result["outcome"] == "done"
    assert (ended - began).total_seconds() >= 20.0


def test_an_embedded_simulation_is_kept_in_no_journal(run: Command, path: Path) -> None:
    """A run that ends with its simulator cannot be gone on with, so no journal is promised to it."""
    result = run("--simulate", "--disk", "d-sim-web1-data", "--dry-run", journal=path)

    assert result.returncode == 2
    assert "the built-in simulator ends with its command" in result.stderr
    assert not path.exists()


def test_a_simulation_is_not_written_to_the_journal_of_real_runs(run: Command, path: Path) -> None:
    """What environment or configuration name as the journal has no run of an embedded simulator, also after a fault."""
    faults = run.folder / "faults.yaml"
    faults.write_text("- {action: StartInstance, dry_run: false, error: {code: InstanceExpired}}\n")
    words = ("--simulate", "--disk", "d-sim-web1-data", "--confirm", "d-sim-web1-data", "--stop-instance")
    done = run(*words, "--faults", str(faults), journal=None, environment={"SAFE_REINIT_JOURNAL": str(path)})

    assert done.returncode == 6, done.stderr
    assert not path.exists()


def test_a_rehearsed_fault_leaves_no_open_run_of_a_real_machine(run: Command, path: Path) -> None:
    """A rehearsal that ends with the twin stopped writes nothing to the journal, and the machine can be wiped."""
    faults = run.folder / "faults.yaml"
    faults.write_text("- {action: StartInstance, dry_run: false, error: {code: InstanceExpired}}\n")
    words = ("rehearse", *TARGET, "--endpoint", run.url, "--faults", str(faults), "--output", "json")
    rehearsed = run(*words, journal=None, environment={"SAFE_REINIT_JOURNAL": str(path)})
    written = path.exists()
    wiped = run(*RUN, journal=path)

    assert rehearsed.returncode == 6, rehearsed.stderr
    assert json.loads(rehearsed.stdout)["simulated"] is True
    assert not written
    assert wiped.returncode == 0, wiped.stderr


@pytest.fixture
def switching(sim: Simulator, serve: Serve) -> Iterator[tuple[Server, list[str]]]:
    """Start something that answers as the simulator until it is told to answer as something else."""
    real: list[str] = []

    def respond(request: Request) -> Answer:
        result = forward(request, sim.url.removeprefix("http://"))
        if not real:
            return result
        head, _, body = result.data.partition(b"\r\n\r\n")
        kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"x-safe-reinit-simulator")]
        return Answer(b"\r\n".join(kept) + b"\r\n\r\n" + body, "close")

    return serve(respond), real


def test_a_plan_of_a_simulator_is_not_run_at_anything_else(
    sim: Simulator, switching: tuple[Server, list[str]], path: Path
) -> None:
    """Something without the mark that answers at the simulator's endpoint later gets no changing call."""
    server, real = switching
    client = safe_reinit.connect(
        region=sim.region, endpoint=server.url, credentials=sim.access_key, journal=str(path), clock=Clock(1)
    )
    plan = client.plan([DISK], stop_instance=True)
    assert plan.simulated
    real.append("now")

    with pytest.raises(safe_reinit.Error):
        client.run(plan, confirm=plan.confirm_with)

    acts = [c for c in sim.state()["calls"] if not c["action"].startswith(("Describe", "Get")) and not c["dry_run"]]
    assert acts == []
