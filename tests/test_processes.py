"""What the tests run as the command line is the command line: forked or in a new interpreter, it is the same."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from safe_reinit.simulator import Simulator
from tests import processes, virtual
from tests.commands import until
from tests.conftest import KEY, CommandLine, where_is
from tests.processes import ROOT
from tests.terminals import Open

NEW_OR_FORKED = pytest.mark.parametrize("new", [True, False], ids=["new", "forked"])
FACTS = ("Uid", "Gid", "Groups", "Umask", "SigBlk", "SigIgn", "SigCgt", "Threads", "NoNewPrivs")
"""What the kernel tells of a process."""
COMMANDS = {
    "version": ("--version",),
    "the version": ("version",),
    "wipe": ("--disk", "d-sim-web1-data", "--stop-instance", "--confirm", "d-sim-web1-data", "--dry-run"),
    "usage": ("--disk", "i-1", "--output", "json"),
    "plan": ("plan", "--disk", "d-sim-web1-data", "--stop-instance"),
    "apply": ("apply", "no.json"),
    "policy": ("policy", "--disk", "d-sim-web1-data"),
    "checks": ("checks",),
    "explain": ("explain", "spot"),
    "config": ("config", "example"),
    "runs": ("runs",),
    "show": ("show", "r-20261128T190842Z-670e"),
    "resume": ("resume", "r-20261128T190842Z-670e"),
    "cancel": ("cancel", "r-20261128T190842Z-670e"),
    "undo": ("undo", "r-20261128T190842Z-670e"),
    "rehearse": ("rehearse", "--disk", "d-sim-web1-data", "--stop-instance", "--confirm", "d-sim-web1-data"),
    "simulator": ("simulator", "--speed", "none"),
    "completion": ("completion", "bash"),
    "schema": ("schema",),
    "help": ("help", "plan"),
}
CHANGING = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?|\d\d:\d\d:\d\d|r-\d{8}T\d{6}Z-\w+|\b\d+(\.\d+)?s\b|\d+ of \d+ s"
)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Start the default world, at real speed."""
    with virtual.simulate(speed=1) as started:
        yield started


def is_forked(child: subprocess.Popen[str]) -> bool:
    """Return whether a command is a fork of the server, which its command line remains."""
    return "tests.forkserver" in Path(f"/proc/{child.pid}/cmdline").read_text()


def starts_forked(command_line: CommandLine, **more: Any) -> bool:
    """Start a command, and end it before it is of any use; tell whether it was forked."""
    with command_line.start("simulator", "--port", "0", **more) as child:
        forked = is_forked(child)
        child.kill()
    return forked


@contextmanager
def serving(command_line: CommandLine, *, new: bool, **more: Any) -> Iterator[tuple[processes.Process, str]]:
    """Start a simulator as a child, forked or not, and wait for its first line."""
    processes.always_new(new)
    with command_line.start("simulator", "--port", "0", **more) as child:
        try:
            yield child, child.stdout.readline()
        finally:
            child.kill()


QUICK = ("wipe", "usage", "runs", "rehearse", "simulator", "completion")
"""Of each kind one: what asks ECS, is refused, reads the journal, simulates, serves, and only tells."""


@pytest.mark.parametrize(
    "name", [each if each in QUICK else pytest.param(each, marks=pytest.mark.slow) for each in COMMANDS]
)
def test_a_forked_command_says_what_a_new_interpreter_says(
    command_line: CommandLine, simulator: Simulator, name: str
) -> None:
    """Exit code, output and errors are the same, for each command there is."""
    result = []
    for new in (True, False):
        processes.always_new(new)
        ended = command_line(*COMMANDS[name], env={**KEY, **where_is(simulator)})
        result.append((ended.code, CHANGING.sub("~", ended.out), CHANGING.sub("~", ended.err)))

    assert result[0] == result[1]


def test_a_forked_command_has_all_that_a_new_process_has(command_line: CommandLine) -> None:
    """Parent, group, session, folder, signals, user, threads and open files are the same."""
    result = []
    for new in (True, False):
        with serving(command_line, new=new) as (child, _):
            folder = Path(f"/proc/{child.pid}")
            status = [line for line in (folder / "status").read_text().splitlines() if line.startswith(FACTS)]
            parent, group, session = (folder / "stat").read_text().rpartition(")")[2].split()[1:4]
            files = sorted(re.sub(r"\d+", "N", os.readlink(each)) for each in (folder / "fd").iterdir())
            result.append((status, parent, group, session, files, os.readlink(folder / "cwd")))
            assert is_forked(child) is not new

    assert result[0] == result[1]
    assert result[0][1] == str(os.getpid())


def handles(pid: int, number: int) -> bool:
    """Return whether a process handles a signal: the command has a handler for SIGHUP, and Python itself has none."""
    status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (number - 1) & 1)


@pytest.mark.parametrize(
    ("number", "new"),
    [(signal.SIGKILL, False), (signal.SIGUSR1, False), (signal.SIGTERM, False), (signal.SIGTERM, True)],
)
def test_a_signal_reaches_it(command_line: CommandLine, number: signal.Signals, *, new: bool) -> None:
    """Its end is told by the signal, or by its exit code where it handles it; a process forked is waited for as any."""
    with serving(command_line, new=new) as (child, _):
        assert child.poll() is None
        child.send_signal(number)
        code = child.wait(30)

    assert code == (0 if number == signal.SIGTERM else -number)


@NEW_OR_FORKED
def test_ctrl_c_ends_it_by_sigint(command_line: CommandLine, simulator: Simulator, *, new: bool) -> None:
    """A command that waits for its list of disks is ended by Ctrl-C as a shell expects it."""
    processes.always_new(new)
    child = command_line.start("plan", "--disks-from", "-", env={**KEY, **where_is(simulator)}, stdin=subprocess.PIPE)
    with child:
        until(lambda: handles(child.pid, signal.SIGHUP))  # before its first line Python can lose a Ctrl-C
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=30)

    assert child.returncode == -signal.SIGINT


@NEW_OR_FORKED
def test_it_asks_on_a_terminal_of_its_own(terminal: Open, simulator: Simulator, *, new: bool) -> None:
    """On a terminal it asks, and Ctrl-C on it ends the command."""
    processes.always_new(new)
    person = terminal(simulator, "--disk", "d-sim-web1-data", "--stop-instance")

    person.wait_for("type the instance's name")
    person.type("\x03")

    assert person.end() == -signal.SIGINT


@pytest.mark.parametrize(
    "changed", [{"PYTHONOPTIMIZE": "2"}, {"PYTHONUTF8": "0"}, {"LC_ALL": "C"}, {"PYTHONWARNINGS": "error"}], ids=str
)
def test_what_changes_the_interpreter_starts_one(command_line: CommandLine, changed: dict[str, str]) -> None:
    """A fork could not be what these variables ask for."""
    assert not starts_forked(command_line, env=changed)


@pytest.mark.new_interpreter
def test_a_test_that_is_marked_so_starts_new_interpreters(command_line: CommandLine) -> None:
    """The mark is enough."""
    assert not starts_forked(command_line)


def test_what_this_process_passes_on_starts_a_new_interpreter(command_line: CommandLine) -> None:
    """A signal that is ignored here is ignored there, too, as by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert not starts_forked(command_line)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.virtual_time
def test_a_command_on_virtual_time_has_surroundings_of_its_own(command_line: CommandLine, simulator: Simulator) -> None:
    """Its id is gone once it is killed, its folder and output are its own, and the test's surroundings as before."""
    before = (dict(os.environ), Path.cwd(), os.getpid(), sys.stdout, sys.stderr)
    words = ("--disk", "d-sim-web1-data", "--stop-instance", "--confirm", "d-sim-web1-data", "--report", "told.json")
    with command_line.start(*words, env={**KEY, **where_is(simulator)}) as child:
        until(lambda: simulator.state()["instances"]["i-sim-web1"]["status"] == "Stopping")
        os.kill(child.pid, 0)
        after = (dict(os.environ), Path.cwd(), os.getpid(), sys.stdout, sys.stderr)
        child.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
    (run,) = command_line("runs", "--output", "json").document["runs"]
    ended = command_line("resume", run["run_id"], "--report", "told.json", env={**KEY, **where_is(simulator)})

    assert (child.returncode, after) == (-signal.SIGKILL, before)
    assert (run["holder"]["pid"], run["holder"]["alive"]) == (child.pid, False)
    assert (ended.code, "wiped" in ended.out) == (0, True), ended.err
    assert (command_line.home / "told.json").exists()


def test_nothing_of_a_commands_environment_is_read_before_it_begins() -> None:
    """What is imported in advance asks for no variable, save in the modules that are loaded again for each command."""
    program = """
        import os, sys, sysconfig
        asked = set()
        class Watched(type(os.environ)):
            def __getitem__(self, name):
                frame = sys._getframe(1)
                while frame.f_globals["__name__"] in ("os", "collections.abc", "posixpath"):
                    frame = frame.f_back
                asked.add((frame.f_globals["__name__"], name))
                return super().__getitem__(name)
        os.environ.__class__ = Watched
        from tests import forkserver
        forkserver.preload()
        for module, name in sorted(asked):
            if module.partition(".")[0] not in sys.stdlib_module_names and module not in forkserver.READ_AT_IMPORT:
                print(module, name)
    """
    usual = {
        name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"
    }  # in which aiohttp reads less
    result = subprocess.run(
        [sys.executable, "-c", dedent(program)], capture_output=True, text=True, cwd=ROOT, env=usual, check=True
    )

    switches = re.compile("[A-Z]+_NO_?(EXTENSIONS|SENDFILE)$")
    assert [line for line in result.stdout.splitlines() if not switches.search(line)] == [
        "aiohttp.helpers PYTHONASYNCIODEBUG",
        "pydantic.plugin._loader PYDANTIC_DISABLE_PLUGINS",
    ]
