"""Cancel goes through the journal: no process is signalled, whoever carries the run out hears it and ends in order."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit.clock import Clock
from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import COMMAND_TIMEOUT, DISK, RUN, STOPPING, comes_to, held, killed, listed, power, wipes
from tests.commands import ROOT, Command, read_until, until

pytestmark = pytest.mark.virtual_time

HOST = """
import sys
import safe_reinit

url, journal, disk = sys.argv[1:]
client = safe_reinit.connect(region="cn-hangzhou", endpoint=url, credentials=("testid", "testsecret"), journal=journal)
plan = client.plan([disk], stop_instance=True, accept=["no-recent-snapshot"])
try:
    client.run(plan, confirm=plan.confirm_with, on_event=lambda event: print(event.event, flush=True))
except safe_reinit.Error as error:
    print("ended", error.exit_code, flush=True)
print("still at work", sys.stdin.readline(), flush=True)
"""
"""Another person's program, which has other work besides the run, and no handler for any signal."""


@pytest.mark.real_time
def test_a_program_that_carries_a_run_out_is_not_ended_with_it(young: Simulator, real: Command, path: Path) -> None:
    """The command line asks the run of a library's host program to end: it ends, and the program goes on."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(HOST), young.url, str(path), DISK], text=True,
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as host:  # fmt: skip
        read_until(host.stdout, "wait")
        (open_run,) = listed(real, path)
        asked = real("cancel", open_run["run_id"], journal=path)
        out, _ = host.communicate("more\n", timeout=COMMAND_TIMEOUT)

    assert asked.returncode == 0, asked.stderr
    assert out.endswith("ended 3\nstill at work more\n\n")
    assert host.returncode == 0
    assert (power(young), wipes(young)) == ("Running", 0)


@pytest.mark.parametrize("kept", ["in a file", "in memory"])
def test_another_thread_may_cancel(sim: Simulator, path: Path, monkeypatch: pytest.MonkeyPatch, kept: str) -> None:
    """From a thread of the same process, also where the journal is in memory, the run ends and nothing else does."""
    monkeypatch.delenv("SAFE_REINIT_JOURNAL")
    client = safe_reinit.connect(
        region=sim.region, endpoint=sim.url, credentials=sim.access_key, clock=Clock(),
        journal=str(path) if kept == "in a file" else None,
    )  # fmt: skip
    plan = client.plan([DISK], stop_instance=True)
    names: list[str] = []
    ended: list[safe_reinit.Error] = []

    def work() -> None:
        try:
            client.run(plan, confirm=plan.confirm_with, on_event=lambda event: names.append(str(event.run_id)))
        except safe_reinit.Error as error:
            ended.append(error)

    with held(sim, STOPPING):
        thread = threading.Thread(target=work)
        thread.start()
        comes_to(sim, "Stopping")
        client.cancel(names[-1])
        client.cancel(names[-1])
    thread.join(COMMAND_TIMEOUT)

    assert [error.exit_code for error in ended] == [4]
    assert (power(sim), wipes(sim)) == ("Running", 0)


def test_a_cancel_that_was_written_before_a_wipe_is_heard_before_it(sim: Simulator, run: Command, path: Path) -> None:
    """However soon after it the machine is Stopped, no wipe is sent: who writes the intention reads the request."""
    with held(sim, STOPPING):
        child = run.start(*RUN, journal=path)
        comes_to(sim, "Stopping")
        assert run("cancel", listed(run, path)[0]["run_id"], journal=path).returncode == 0
    _, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert (power(sim), wipes(sim)) == ("Running", 0)
    assert child.returncode == 4, err
    assert "asked this run to end" in err


def test_what_nobody_is_at_work_on_wipes_nothing_once_it_is_cancelled(sim: Simulator, run: Command, path: Path) -> None:
    """A run whose process is gone is not ended by a word: to resume it then brings its machine back, and no more."""
    with held(sim, STOPPING):
        name = killed(sim, run, path)
        asked = run("cancel", name, journal=path)
    resumed = run("resume", name, journal=path)

    assert asked.returncode == 0
    assert f"safe-reinit resume {name} --journal {path}" in asked.stderr
    assert resumed.returncode == 4, resumed.stderr
    assert (power(sim), wipes(sim)) == ("Running", 0)
    assert run("cancel", name, journal=path).returncode == 3


def test_a_request_to_end_is_heard_by_who_resumes(sim: Simulator, run: Command, path: Path) -> None:
    """A run that was asked to end and was killed before it heard sends no wipe when it is resumed, either."""
    with held(sim, STOPPING):
        child: Any = run.start(*RUN, journal=path)
        comes_to(sim, "Stopping")
        name = listed(run, path)[0]["run_id"]
        child.pause(COMMAND_TIMEOUT)  # it does not hear
        assert run("cancel", name, journal=path).returncode == 0
        child.kill()
    until(lambda: power(sim) == "Stopped")
    resumed = run("resume", name, journal=path)

    assert "asked this run to end" in resumed.stderr
    assert (resumed.returncode, power(sim), wipes(sim)) == (4, "Running", 0)
