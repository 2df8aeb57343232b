"""Stopping everything: hold and unhold, cancel --all, and the runs that need somebody."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from safe_reinit.journal import open_to_write
from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import (
    INSTANCE,
    RUN,
    SECOND,
    STOPPING,
    comes_to,
    held,
    killed,
    listed,
    power,
    wipes,
)
from tests.commands import Command

pytestmark = pytest.mark.virtual_time


def test_a_hold_brings_machines_back_and_lets_no_run_begin(sim: Simulator, run: Command, path: Path) -> None:
    """A run that is stopping its machine ends without a wipe, a new one is refused with the reason, unhold lifts it."""
    with held(sim, STOPPING):
        child = run.start(*RUN, journal=path)
        comes_to(sim, "Stopping")
        text = run("hold", "--reason", "incident 7", journal=path)
        assert text.returncode == 0, text.stderr
        assert listed(run, path)[0]["run_id"] in text.stderr
    _, err = child.communicate()
    assert (child.returncode, power(sim), wipes(sim)) == (4, "Running", 0), err
    assert "incident 7" in err

    refused = run("--disk", SECOND, "--stop-instance", "--confirm", SECOND, journal=path)
    assert refused.returncode == 3
    assert "All runs are held: incident 7" in refused.stderr
    assert "HELD: incident 7" in run("runs", journal=path).stdout
    assert json.loads(run("runs", "--output", "json", journal=path).stdout)["held"].startswith("incident 7")

    assert "can begin again" in run("unhold", journal=path).stderr
    assert run("--disk", SECOND, "--stop-instance", "--confirm", SECOND, journal=path).returncode == 0
    assert "No hold is set." in run("unhold", journal=path).stderr


def test_a_hold_is_heard_with_the_intention(sim: Simulator, run: Command, path: Path) -> None:
    """A run that is about to wipe when everything is held sends no wipe: the hold is read with the intention."""
    with held(sim, {"instance": INSTANCE}):
        child = run.start(*RUN, journal=path)
        comes_to(sim, "Stopping")
    comes_to(sim, "Stopped")
    assert run("hold", "--reason", "now", journal=path).returncode == 0
    child.communicate()

    assert (power(sim), wipes(sim)) == ("Running", 0)


def test_a_resume_under_a_hold_brings_the_machine_back(sim: Simulator, run: Command, path: Path) -> None:
    """A run that was killed while its machine was down may be resumed: the machine is started, and nothing is wiped."""
    with held(sim, STOPPING):
        name = killed(sim, run, path)
    assert run("hold", "--reason", "now", journal=path).returncode == 0
    done = run("resume", name, journal=path)

    assert done.returncode == 4, done.stderr
    assert (power(sim), wipes(sim)) == ("Running", 0)


def test_the_configuration_can_hold_runs_back(sim: Simulator, run: Command, path: Path) -> None:
    """With hold in the file no run begins, and one that was killed may only bring its machine back."""
    config = path.with_name("config.yaml")
    with held(sim, STOPPING):
        name = killed(sim, run, path)
    config.write_text("hold: change freeze\n")
    config.chmod(0o600)
    refused = run("--disk", SECOND, "--stop-instance", "--confirm", SECOND, "--config", str(config), journal=path)
    assert refused.returncode == 3
    assert "holds all runs: change freeze" in refused.stderr
    assert run("resume", name, "--config", str(config), journal=path).returncode == 4
    assert (power(sim), wipes(sim), wipes(sim, SECOND)) == ("Running", 0, 0)


def test_a_dry_run_is_refused_while_runs_are_held(run: Command, path: Path) -> None:
    """Whoever plans learns what a run would, and is shown the plan all the same."""
    open_to_write(path).close()
    assert run("hold", "--reason", "change freeze", journal=path).returncode == 0
    planned = run(*RUN[:2], "--stop-instance", "--dry-run", journal=path)
    assert planned.returncode == 3
    assert "refused (exit code 3)" in planned.stdout
    assert "Plan: wipe 1 disk" in planned.stdout
    assert "All runs are held: change freeze" in planned.stderr

    config = path.with_name("config.yaml")
    config.write_text("hold: until Monday\n")
    config.chmod(0o600)
    planned = run(*RUN[:2], "--stop-instance", "--dry-run", "--config", str(config), journal=path.with_name("no.db"))
    assert planned.returncode == 3
    assert "refused (exit code 3)" in planned.stdout
    assert "Plan: wipe 1 disk" in planned.stdout
    assert "holds all runs: until Monday" in planned.stderr


def test_everything_is_cancelled_at_once(sim: Simulator, run: Command, path: Path) -> None:
    """Each run that somebody is at work on is asked to end, and those alone."""
    with held(sim, STOPPING):
        child = run.start(*RUN, journal=path)
        comes_to(sim, "Stopping")
        text = run("cancel", "--all", journal=path)
        assert listed(run, path)[0]["run_id"] in text.stderr
    child.communicate()

    assert (child.returncode, power(sim), wipes(sim)) == (4, "Running", 0)
    assert "No run is open" in run("cancel", "--all", journal=path).stderr
    assert run("cancel", journal=path).returncode == 2


def test_the_runs_that_need_somebody(sim: Simulator, run: Command, path: Path) -> None:
    """An open run that nobody is at work on needs somebody; one that has ended does not."""
    assert run("--disk", SECOND, "--stop-instance", "--confirm", SECOND, journal=path).returncode == 0
    assert "No run needs you" in run("runs", "--needs-me", journal=path).stdout
    with held(sim, STOPPING):
        name = killed(sim, run, path)
    shown = run("runs", "--needs-me", journal=path).stdout

    assert name in shown
    assert f"safe-reinit resume {name}" in shown
    assert SECOND not in shown
    assert f"LEFT STOPPED: {INSTANCE}; " in shown
    left = run("hold", "--reason", "now", journal=path).stderr
    assert f"Possibly no process is working on {name}. Until the hold is lifted, resume starts" in left


def test_a_run_whose_holder_may_be_dead_needs_somebody(sim: Simulator, run: Command, path: Path) -> None:
    """A holder at work is named with the machine it stopped; one that is silent may be dead, so its run is listed."""
    with held(sim, STOPPING):
        child = run.start(*RUN, journal=path)
        comes_to(sim, "Stopping")
        working = run("runs", "--needs-me", journal=path).stdout
        child.pause(25.0)  # type: ignore[attr-defined]
        time.sleep(15.0)
        silent = run("runs", "--needs-me", journal=path).stdout
        (kept,) = json.loads(run("runs", "--needs-me", "--output", "json", journal=path).stdout)["runs"]
    name = kept["run_id"]
    child.communicate()

    assert child.returncode == 0
    assert working.startswith(f"No run is known to need you.\n{name} is at work: ")
    assert working.endswith(f"s ago); stopped for it: {INSTANCE}\n")
    assert "its process may be dead: " in silent
    assert "PERHAPS LEFT STOPPED" in silent
    assert f"safe-reinit resume {name}" in silent
    assert (kept["holder"]["alive"], kept["holder"]["silent"]) == (True, True)
