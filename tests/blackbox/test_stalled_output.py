"""Whoever stops reading holds nothing up: the machine comes back, signals are heard, the report can be had later."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from safe_reinit.cli.progress import Progress
from safe_reinit.cli.writer import Writer
from safe_reinit.clock import Clock
from safe_reinit.config import resolve
from safe_reinit.model import Event
from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import PATIENCE, RUN, STOPPING, comes_to, has_ended, held, listed, power, wipes
from tests.commands import Command, until
from tests.processes import Process
from tests.terminals import Open

Way = Literal["nothing", "SIGTERM", "cancel"]
WAYS = pytest.mark.parametrize("way", ["nothing", "SIGTERM", "cancel"])


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


def start(run: Command, *words: str, journal: Path, **streams: Any) -> subprocess.Popen[str]:
    """Start a command with streams of the test's own."""
    usual = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return Process(
        run.words(*words, journal=journal), env=run.environment(), cwd=run.folder, text=True, **{**usual, **streams}
    )


def end_it(way: Way, child: subprocess.Popen[Any], run: Command, path: Path) -> None:
    """Ask the run to end, or leave it alone."""
    if way == "SIGTERM":
        child.send_signal(signal.SIGTERM)
    elif way == "cancel":
        asked = run("cancel", listed(run, path)[0]["run_id"], journal=path)
        assert asked.returncode == 0, asked.stderr


def came_back(way: Way, sim: Simulator, child: subprocess.Popen[Any], run: Command, path: Path) -> None:
    """See that the run came to its end with the machine running, and that its process can be ended."""
    until(lambda: has_ended(run, path), PATIENCE)
    assert (power(sim), wipes(sim)) == ("Running", 1 if way == "nothing" else 0)
    child.send_signal(signal.SIGTERM)  # nobody needs to wait for the output any more
    assert child.wait(PATIENCE) == listed(run, path)[0]["exit_code"] == (0 if way == "nothing" else 4)


@WAYS
def test_a_terminal_that_is_stopped_holds_nothing_up(
    sim: Simulator, run: Command, path: Path, terminal: Open, way: Way
) -> None:
    """Ctrl-S while the machine stops: the run goes on to its end, and SIGTERM and cancel are heard."""
    with held(sim, STOPPING):
        person = terminal(sim, program=run.words(*RUN, "--verbose", journal=path))
        person.wait_for("web1 is Stopping")
        person.type("\x13")
        end_it(way, person.child, run, path)
    came_back(way, sim, person.child, run, path)


@WAYS
def test_events_into_a_full_pipe_hold_nothing_up(sim: Simulator, run: Command, path: Path, way: Way) -> None:
    """--events - into a pipe that nobody reads: the run goes on to its end, and SIGTERM and cancel are heard."""
    with full_pipe() as (_, into), held(sim, STOPPING):
        child = start(run, *RUN, "--events", "-", journal=path, stdout=into, stderr=subprocess.DEVNULL)
        comes_to(sim, "Stopping")
        end_it(way, child, run, path)
        sim.do({"release": STOPPING})
        came_back(way, sim, child, run, path)


def test_progress_into_a_full_pipe_holds_nothing_up(sim: Simulator, run: Command, path: Path) -> None:
    """A stderr that nobody reads from the plan on: the machine is back before anybody waits for the last output."""
    out, into = os.pipe()
    with os.fdopen(out) as stream, held(sim, STOPPING):
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 4096)
        child = start(run, *RUN, "--verbose", journal=path, stdout=subprocess.DEVNULL, stderr=into)
        os.close(into)
        while "Stopping" not in stream.readline():
            pass
        sim.do({"release": STOPPING})
        came_back("nothing", sim, child, run, path)


def test_a_report_that_nobody_reads_can_be_had_later(run: Command, path: Path, tmp_path: Path) -> None:
    """A final document that is not read for 30 s changes no exit code; show RUN --report writes it again."""
    with full_pipe() as (_, into):
        child = start(run, *RUN, "--output", "json", journal=path, stdout=into)
        _, err = child.communicate(timeout=PATIENCE)
    run_id = listed(run, path)[0]["run_id"]

    assert child.returncode == 0, err
    assert f"safe-reinit show {run_id} --journal {path} --report FILE" in err
    for name in ("again.json", "again.md", "again.html"):
        shown = run("show", run_id, "--report", str(tmp_path / name), journal=path)
        assert shown.returncode == 0, shown.stderr
        assert run_id in (tmp_path / name).read_text("utf-8")
    assert json.loads((tmp_path / "again.json").read_text("utf-8"))["outcome"] == "done"


@pytest.mark.parametrize(
    "words",
    [(*RUN, "--verbose"), (*RUN, "--events", "/dev/full"), (*RUN, "--events", "-")],
    ids=["the plan", "events", "events on stdout"],
)
def test_a_write_that_fails_before_the_first_call_is_exit_2(
    sim: Simulator, run: Command, path: Path, words: tuple[str, ...]
) -> None:
    """A plan or events that cannot be written: 2, a sentence, and nothing was touched."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        streams = {"stdout": full} if words[-1] == "-" else {"stderr": full} if "--verbose" in words else {}
        child = start(run, *words, journal=path, **streams)
        _, err = child.communicate(timeout=PATIENCE)

    assert child.returncode == 2, err
    assert "report this" not in (err or "")
    assert (power(sim), wipes(sim)) == ("Running", 0)
    assert not [each for each in sim.state()["calls"] if each["action"] == "StopInstance" and not each["dry_run"]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_plan_that_nobody_reads_touches_nothing(
    sim: Simulator, run: Command, path: Path, number: signal.Signals
) -> None:
    """A plan is out before anything is touched; while nobody reads it, a signal ends the command."""
    with full_pipe() as (_, into):
        child = start(run, *RUN, "--output", "json", journal=path, stderr=into)
        until(lambda: any(call["action"] == "StartInstance" for call in sim.state()["calls"]), PATIENCE)
        child.send_signal(number)
        out, _ = child.communicate(timeout=PATIENCE)

    assert child.returncode == (3 if number == signal.SIGTERM else -number)
    assert json.loads(out)["exit_code"] == 3
    assert (power(sim), wipes(sim)) == ("Running", 0)


def test_events_that_are_dropped_are_an_event_with_a_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where more waits than fits, events are dropped; in their place there is one that says how many."""
    progress = Progress(resolve({"events": "-"}, {}, None), Clock())
    read = threading.Event()
    progress._log.must(lambda: bool(read.wait(PATIENCE)))
    monkeypatch.setattr(progress._log, "_most", 3)
    for number in range(10):
        progress.event(Event(Clock().now(), "r-1", "state", f"i-{number}", None, {"instance": "Running", "disks": {}}))
    read.set()
    assert progress._log.flushed().wait(PATIENCE)
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

    assert writer.close().wait(PATIENCE)
    assert (seen, writer.failed and writer.failed.errno) == ([1], 28)
