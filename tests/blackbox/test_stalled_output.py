"""Whoever stops reading holds nothing up: the machine comes back, signals are heard, the report can be had later."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from safe_reinit.cli.progress import Progress
from safe_reinit.cli.writer import Writer
from safe_reinit.clock import Clock
from safe_reinit.config import resolve
from safe_reinit.model import StateData, StateEvent
from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import (
    COMMAND_TIMEOUT,
    QUICK,
    RUN,
    RUN_YOUNG,
    STOPPING,
    WAITS,
    comes_to,
    has_ended,
    held,
    listed,
    power,
    wipes,
)
from tests.commands import Command, command, read_until, until
from tests.processes import Process
from tests.terminals import Open

pytestmark = pytest.mark.virtual_time

Way = Literal["nothing", "SIGTERM", "cancel"]
WAYS = pytest.mark.parametrize("way", ["nothing", "SIGTERM", "cancel"])
EXIT_LIMIT = 31.0
"""Seconds that a process lasts at most after its run, with what is rounded."""


def stall(stream: Any) -> None:
    """Read no more of what a command on virtual time writes there."""
    stream.stall()


def since(when: str) -> float:
    """Return how long ago that was."""
    return time.time() - datetime.fromisoformat(when).timestamp()


def end_it(way: Way, child: subprocess.Popen[Any], run: Command, path: Path) -> None:
    """Ask the run to end, or leave it alone."""
    if way == "SIGTERM":
        child.send_signal(signal.SIGTERM)
    elif way == "cancel":
        asked = run("cancel", listed(run, path)[0]["run_id"], journal=path)
        assert asked.returncode == 0, asked.stderr


def came_back(way: Way, sim: Simulator, child: subprocess.Popen[Any], run: Command, path: Path) -> None:
    """Check that the run comes to its end with the machine running, and then its process, though nobody reads."""
    code = child.wait(COMMAND_TIMEOUT)
    (result,) = listed(run, path)
    assert since(result["ended_at"]) <= EXIT_LIMIT
    assert (power(sim), wipes(sim)) == ("Running", 1 if way == "nothing" else 0)
    assert code == result["exit_code"] == (0 if way == "nothing" else 4)


@WAYS
def test_progress_that_nobody_reads_holds_nothing_up(sim: Simulator, run: Command, path: Path, way: Way) -> None:
    """Ctrl-S, or a full pipe, while the machine stops: the run goes on to its end; SIGTERM and cancel are heard."""
    with held(sim, STOPPING):
        child = run.start(*RUN, "--verbose", journal=path)
        read_until(child.stderr, "web1 is Stopping")
        stall(child.stderr)
        end_it(way, child, run, path)
    came_back(way, sim, child, run, path)


@WAYS
def test_events_that_nobody_reads_hold_nothing_up(sim: Simulator, run: Command, path: Path, way: Way) -> None:
    """--events - into a pipe that nobody reads: the run goes on to its end, and SIGTERM and cancel are heard."""
    with held(sim, STOPPING):
        child = run.start(*RUN, "--events", "-", journal=path)
        stall(child.stdout)
        comes_to(sim, "Stopping")
        end_it(way, child, run, path)
    came_back(way, sim, child, run, path)


def test_a_report_that_nobody_reads_can_be_had_later(sim: Simulator, run: Command, path: Path, tmp_path: Path) -> None:
    """A final document that is not read for 30 s changes no exit code; show RUN --report writes it again."""
    child = run.start(*RUN, "--output", "json", journal=path)
    stall(child.stdout)
    code = child.wait(COMMAND_TIMEOUT)
    (result,) = listed(run, path)
    run_id = result["run_id"]

    assert (code, since(result["ended_at"]) <= EXIT_LIMIT) == (0, True)
    assert f"safe-reinit show {run_id} --journal {path} --report FILE" in child.stderr.read()
    for name in ("again.json", "again.md", "again.html", "again.txt"):
        shown = run("show", run_id, "--report", str(tmp_path / name), journal=path)
        assert shown.returncode == 0, shown.stderr
        assert run_id in (tmp_path / name).read_text("utf-8")
    assert json.loads((tmp_path / "again.json").read_text("utf-8"))["outcome"] == "done"
    assert wipes(sim) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_plan_that_nobody_reads_touches_nothing(
    sim: Simulator, run: Command, path: Path, number: signal.Signals
) -> None:
    """A plan is out before anything is touched; while nobody reads it, a signal ends the command."""
    child = run.start(*RUN, "--output", "json", journal=path)
    stall(child.stderr)
    until(lambda: any(call["action"] == "StartInstance" for call in sim.state()["calls"]), COMMAND_TIMEOUT)
    child.send_signal(number)
    out, _ = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == (3 if number == signal.SIGTERM else -number)
    assert json.loads(out)["exit_code"] == 3
    assert (power(sim), wipes(sim)) == ("Running", 0)


# --------------------------------------------------------------------- a real process, terminal and pipe


@contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe that holds nothing more, and that nobody reads."""
    out, into = os.pipe()
    try:
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(into, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(into, b"\n" * 512)
        os.set_blocking(into, True)
        yield out, into
    finally:
        os.close(out)
        os.close(into)


@pytest.fixture
def quick() -> Iterator[Simulator]:
    """Start a world whose machines are quick, at real speed."""
    with Simulator(world=QUICK, speed=1) as simulator:
        yield simulator


def start(run: Command, *words: str, journal: Path, **streams: Any) -> subprocess.Popen[str]:
    """Start a command with streams of the test's own."""
    usual = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return Process(
        run.words(*words, journal=journal), env=run.environment(), cwd=run.folder, text=True, **{**usual, **streams}
    )


def end_the_waiting(child: subprocess.Popen[str], journal: Path) -> int:
    """Ask a process whose run has ended to wait for its reader no longer, and return its exit code.

    The journal tells of the end a moment before the process has left the run. A signal in that moment asks the run to
    end, and not the waiting, which then takes its 30 seconds: so the signal comes once the journal is closed.
    """
    opened = Path(f"/proc/{child.pid}/fd")
    until(lambda: not any(os.path.realpath(each).startswith(str(journal)) for each in opened.iterdir()))
    child.send_signal(signal.SIGTERM)
    return child.wait(COMMAND_TIMEOUT)


@pytest.mark.real_time
def test_a_stopped_terminal_and_a_full_pipe_hold_no_signal_up(
    young: Simulator, real: Command, path: Path, terminal: Open
) -> None:
    """Both at once, in a real process: a signal ends the run, and the next one the waiting for a reader."""
    with full_pipe() as (_, into):
        words = real.words(*RUN_YOUNG, "--verbose", "--events", "-", journal=path)
        person = terminal(young, program=words, stdout=into)
        person.wait_for(WAITS)
        person.type("\x13")
        person.child.send_signal(signal.SIGTERM)
        until(lambda: has_ended(real, path), COMMAND_TIMEOUT)
        code = end_the_waiting(person.child, path)

    assert (power(young), wipes(young)) == ("Running", 0)
    assert code == listed(real, path)[0]["exit_code"] == 3


@pytest.mark.slow
@pytest.mark.real_time
@WAYS
def test_a_stopped_terminal_and_a_full_pipe_hold_nothing_up(
    quick: Simulator, tmp_path: Path, path: Path, terminal: Open, way: Way
) -> None:
    """Both at once, in a real process: the run goes on to its end, and a signal then ends the waiting for a reader."""
    run = command(quick.url, tmp_path)
    with full_pipe() as (_, into), held(quick, STOPPING):
        person = terminal(quick, program=run.words(*RUN, "--verbose", "--events", "-", journal=path), stdout=into)
        person.wait_for("web1 is Stopping")
        person.type("\x13")
        end_it(way, person.child, run, path)
        quick.do({"release": STOPPING})
        until(lambda: has_ended(run, path), COMMAND_TIMEOUT)
        code = end_the_waiting(person.child, path)

    assert (power(quick), wipes(quick)) == ("Running", 1 if way == "nothing" else 0)
    assert code == listed(run, path)[0]["exit_code"] == (0 if way == "nothing" else 4)


@pytest.mark.slow
@pytest.mark.real_time
def test_a_process_ends_though_nobody_reads_its_report(quick: Simulator, tmp_path: Path, path: Path) -> None:
    """With a real pipe that stays full, the process ends by itself with the code of its run."""
    run = command(quick.url, tmp_path)
    with full_pipe() as (_, into):
        child = start(run, *RUN, "--output", "json", journal=path, stdout=into)
        _, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == 0, err
    assert f"safe-reinit show {listed(run, path)[0]['run_id']}" in err


@pytest.mark.real_time
@pytest.mark.parametrize(
    "words",
    [(*RUN, "--verbose"), (*RUN, "--events", "/dev/full"), (*RUN, "--events", "-")],
    ids=["the plan", "events", "events on stdout"],
)
def test_a_write_that_fails_before_the_first_call_is_exit_2(
    young: Simulator, real: Command, path: Path, words: tuple[str, ...]
) -> None:
    """A plan or events that cannot be written: 2, a sentence, and nothing was touched."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        streams = {"stdout": full} if words[-1] == "-" else {"stderr": full} if "--verbose" in words else {}
        child = start(real, *words, journal=path, **streams)
        _, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == 2, err
    assert "report this" not in (err or "")
    assert (power(young), wipes(young)) == ("Running", 0)
    assert not [each for each in young.state()["calls"] if each["action"] == "StopInstance" and not each["dry_run"]]


def test_events_that_are_dropped_are_an_event_with_a_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where more waits than fits, events are dropped; in their place there is one that says how many."""
    progress = Progress(resolve({"events": "-"}, {}, None), Clock())
    read = threading.Event()
    progress._log.must(lambda: bool(read.wait(COMMAND_TIMEOUT)))
    monkeypatch.setattr(progress._log, "_most", 3)
    for number in range(10):
        shown = StateData(instance="Running", disks={})
        progress.event(StateEvent(at=Clock().now(), run_id="r-1", instance_id=f"i-{number}", data=shown))
    read.set()
    assert progress._log.flushed().wait(COMMAND_TIMEOUT)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [each["event"] for each in events][-1] == "dropped"
    kept = sum(each["event"] == "state" for each in events)
    assert sum(each["data"]["count"] for each in events if each["event"] == "dropped") == 10 - kept
    progress.close()


def test_a_writer_goes_on_after_what_it_cannot_write() -> None:
    """What fails to be written is remembered as the reason, and ends nothing."""
    seen: list[int] = []
    writer = Writer("test", seen.append)

    def fails() -> None:
        raise OSError(28, "No space left on device")

    writer.put(fails)
    writer.put(lambda: seen.append(1))

    assert writer.close().wait(COMMAND_TIMEOUT)
    assert (seen, writer.failed and writer.failed.errno) == ([1], 28)
