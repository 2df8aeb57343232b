"""A process that did not run for a while, or whose clock was stepped: it costs a look, and not the run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit import clock as real_clock
from safe_reinit.journal import lease
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.blackbox.worlds import DISK, INSTANCE, WORLD
from tests.commands import ROOT, until
from tests.conftest import KEY, CommandLine, where_is

pytestmark = pytest.mark.virtual_time

SHORT_LEASE = 1.5
"""Real seconds of a lease in the real process that is paused."""

CHILD = """
import json, sys
import safe_reinit
from safe_reinit.journal import lease

url, journal, seconds = sys.argv[1:]
lease.LEASE_DURATION, lease.RENEWAL_INTERVAL = float(seconds), float(seconds) / 3
client = safe_reinit.connect(region="cn-hangzhou", endpoint=url, credentials=("testid", "testsecret"),
                             journal=journal)
plan = client.plan(["d-sim-web1-data"], stop_instance=True)
try:
    told = client.run(plan, confirm=plan.confirm_with)
    print(json.dumps({"outcome": told.outcome, "said": ""}))
except safe_reinit.Error as error:
    print(json.dumps({"outcome": error.outcome, "said": str(error)}))
"""


def acts(simulator: Simulator) -> list[str]:
    """Return the changing calls that were accepted."""
    names = ("StopInstance", "ReInitDisk", "StartInstance")
    return [
        one["action"]
        for one in simulator.state()["calls"]
        if one["action"] in names and not one["dry_run"] and not one["code"]
    ]


def has_status(simulator: Simulator, kind: str, name: str, expected: str) -> Callable[[], bool]:
    """Return a question: whether the simulator shows this status."""
    return lambda: bool(simulator.state()[kind][name]["status"] == expected)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Start a world of two machines, at real speed."""
    with virtual.simulate(WORLD, speed=1) as started:
        yield started


WHEN = pytest.mark.parametrize(
    ("held", "kind", "name", "expected"),
    [
        ({"instance": INSTANCE}, "instances", INSTANCE, "Stopping"),
        ({"disk": DISK}, "disks", DISK, "ReIniting"),
    ],
    ids=["while it stops", "while it is wiped"],
)


@WHEN
def test_a_process_that_was_stopped_past_its_lease_ends_its_run(
    simulator: Simulator, command_line: CommandLine, held: dict[str, str], kind: str, name: str, expected: str
) -> None:
    """Ctrl-Z and fg after the lease has run out: nobody has taken the run, so it goes on to its end."""
    simulator.do({"hold": held})
    words = ("--disk", DISK, "--stop-instance", "--confirm", DISK)
    child: Any = command_line.start(*words, env={**KEY, **where_is(simulator)})
    until(has_status(simulator, kind, name, expected))
    child.pause(lease.LEASE_DURATION + 15)
    simulator.do({"release": held})
    _, err = child.communicate()

    assert child.returncode == 0, err
    assert acts(simulator) == ["StopInstance", "ReInitDisk", "StartInstance"]
    assert simulator.state()["instances"][INSTANCE]["status"] == "Running"


@pytest.mark.slow
@pytest.mark.real_time
@WHEN
def test_a_real_process_that_was_stopped_past_its_lease_ends_its_run(
    simulator: Simulator, tmp_path: Path, held: dict[str, str], kind: str, name: str, expected: str
) -> None:
    """The same with SIGSTOP and SIGCONT, and a shorter lease."""
    simulator.do({"hold": held})
    words = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(CHILD), simulator.url, str(tmp_path / "j.db")]
    with subprocess.Popen(
        [*words, str(SHORT_LEASE)], text=True, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as child:  # fmt: skip
        try:
            until(has_status(simulator, kind, name, expected))
            child.send_signal(signal.SIGSTOP)
            simulator.do({"release": held})
            time.sleep(SHORT_LEASE + 1)  # the lease runs out; longer is no less a pause
            child.send_signal(signal.SIGCONT)
            out, err = child.communicate(timeout=120)
        finally:
            child.kill()  # also one that is stopped

    assert json.loads(out) == {"outcome": "done", "said": ""}, err
    assert acts(simulator) == ["StopInstance", "ReInitDisk", "StartInstance"]
    assert simulator.state()["instances"][INSTANCE]["status"] == "Running"


Step = Callable[[pytest.MonkeyPatch], None]


def wall(seconds: float) -> Step:
    """Step the wall clock."""

    def step(_patch: pytest.MonkeyPatch) -> None:
        virtual.current().scheduler.this().process.wall_offset += seconds

    return step


def asleep(seconds: float) -> Step:
    """Let the machine have slept: time since boot has gone on, and no thread has run."""

    def step(patch: pytest.MonkeyPatch) -> None:
        now = real_clock.boottime
        for module in (real_clock, lease):
            patch.setattr(module, "boottime", lambda: now() + seconds)

    return step


@pytest.mark.parametrize(
    ("step", "when"),
    [
        (wall(22.0), "Stopping"), (wall(600.0), "Stopping"), (wall(-600.0), "Stopping"), (wall(600.0), "ReIniting"),
        (asleep(45.0), "Stopping"), (asleep(45.0), "ReIniting"), (asleep(7200.0), "ReIniting"),
        (asleep(7200.0), "Starting"),
    ],
    ids=["NTP", "forward", "back", "forward in the wipe", "a nap", "a nap in the wipe", "a night", "a night, starting"],
)  # fmt: skip
def test_a_clock_that_is_stepped_ends_no_run(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Step, when: str
) -> None:
    """A step of the wall clock and a machine that slept cost a look: the run is ended as planned."""
    client = safe_reinit.connect(
        region=simulator.region, endpoint=simulator.url, credentials=simulator.access_key,
        journal=str(tmp_path / "j.db"),
    )  # fmt: skip
    plan = client.plan([DISK], stop_instance=True)
    stepped: list[str] = []

    def watch(event: Any) -> None:
        shown = [event.data.get("instance"), *dict(event.data.get("disks") or {}).values()]
        if event.event == "state" and when in shown and not stepped:
            stepped.append(when)
            step(monkeypatch)

    result = client.run(plan, confirm=plan.confirm_with, on_event=watch)

    assert stepped == [when]
    assert result.outcome == "done"
    assert acts(simulator) == ["StopInstance", "ReInitDisk", "StartInstance"]
