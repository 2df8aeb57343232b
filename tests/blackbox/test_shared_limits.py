"""Two runs on one journal: no more machines are down at once than either allows, and each says what it waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import (
    DISK,
    INSTANCE,
    RUN,
    SECOND,
    STOPPING,
    WIPING,
    comes_to,
    held,
    killed,
    listed,
    power,
    wipes,
)
from tests.commands import Command, read_until, until

pytestmark = pytest.mark.virtual_time

ONE = ("--max-parallel", "1")
RUN_SECOND = ("--disk", SECOND, "--stop-instance", "--confirm", SECOND)


def power_calls(sim: Simulator) -> list[str]:
    """List the stops and starts that were sent, in order."""
    sent = [call for call in sim.state()["calls"] if call["source"] == "api" and not call["dry_run"]]
    return [call["action"] for call in sent if call["action"] in ("StopInstance", "StartInstance")]


def test_two_runs_at_once_keep_to_one_machine_down(sim: Simulator, run: Command, path: Path) -> None:
    """Each allows one machine down: whichever is second stops its machine once that of the first is back."""
    children = [run.start(*words, *ONE, journal=path) for words in (RUN, RUN_SECOND)]
    for child in children:
        _, err = child.communicate()
        assert child.returncode == 0, err

    assert power_calls(sim) == ["StopInstance", "StartInstance"] * 2
    assert (wipes(sim), wipes(sim, SECOND)) == (1, 1)


def test_a_run_says_whose_machines_it_waits_for_and_may_be_cancelled(sim: Simulator, run: Command, path: Path) -> None:
    """Its own machine runs meanwhile: the wait is named with the other run, and the end of the run harms nothing."""
    with held(sim, STOPPING):
        first = run.start(*RUN, journal=path)
        comes_to(sim, "Stopping")
        (other,) = (each["run_id"] for each in listed(run, path))
        second = run.start(*RUN_SECOND, *ONE, journal=path)
        why = f"{INSTANCE} is down in run {other}, and at most 1 may be down at once (--max-parallel)"
        read_until(second.stderr, why)
        (own,) = (each["run_id"] for each in listed(run, path) if each["run_id"] != other)
        assert f"  waits: {why}" in run("runs", journal=path).stdout
        assert f"  waits: {why}" in run("runs", "--needs-me", journal=path).stdout
        planned = run(*RUN_SECOND[:-2], "--dry-run", journal=path).stderr
        assert f"Run {own} has " in planned, planned
        shown = run("show", own, journal=path).stdout
        assert f"\nwaits: {why}" in shown
        assert f"end it: safe-reinit cancel {own}" in shown
        assert "resume" not in shown
        assert "waits:" not in run("show", other, journal=path).stdout
        run("cancel", own, journal=path)
        second.communicate()
        assert (second.returncode, power(sim, "i-second"), wipes(sim, SECOND)) == (3, "Running", 0)
    first.communicate()
    assert (first.returncode, wipes(sim, DISK)) == (0, 1)


def test_a_machine_that_a_dead_run_left_down_counts_until_it_is_back(sim: Simulator, run: Command, path: Path) -> None:
    """Nobody counts up or down: the machine is down whoever died, and the next run begins once it was resumed."""
    with held(sim, STOPPING):
        name = killed(sim, run, path)
    second = run.start(*RUN_SECOND, *ONE, journal=path)
    comes_to(sim, "Stopped")
    resumed = run("resume", name, journal=path)
    _, err = second.communicate()

    assert (resumed.returncode, second.returncode) == (0, 0), resumed.stderr + err
    assert power_calls(sim) == ["StopInstance", "StartInstance"] * 2


def test_a_run_at_work_says_that_its_wipe_is_under_way(sim: Simulator, run: Command, path: Path) -> None:
    """Nobody has to find out what becomes of a disk whose run goes on."""
    with held(sim, WIPING):
        child = run.start(*RUN, journal=path)
        until(lambda: sim.state()["disks"][DISK]["status"] == "ReIniting", 120.0)
        name = listed(run, path)[0]["run_id"]
        shown = run("show", name, journal=path).stdout
    child.communicate()

    assert f"  {DISK}: its wipe is under way" in shown
    assert "UNKNOWN" not in shown
    assert child.returncode == 0
