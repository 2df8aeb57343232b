"""Processes of the command line. Most are forked from one that has imported it; the others start a new interpreter.

To start an interpreter and import the command line takes ten times as long as most commands do. ``Process`` therefore
forks ``python -m safe_reinit`` from a server (``tests.forkserver``), one for each process of pytest. What runs is a
process as any other: its parent is the test's process, with its own arguments, environment, folder, streams, terminal,
signals and exit. Only its modules are not taken apart at its end (``tests.forkserver._end``): what they hold by then is
not destroyed, so that a file left open in one of them is not told of.

A new interpreter is started wherever a fork would differ: for any other program; where the environment changes the
interpreter itself, or what the test's process passes on (ignored signals, umask, limits) has changed; in a test that is
marked ``new_interpreter``; in all tests with ``pytest --new-interpreters``; and where there is no Linux.

In a test on virtual time a command is none of the system's processes: see ``tests.virtualprocesses``.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import os
import pickle
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from tests import virtual, virtualprocesses
from tests.forkserver import LENGTH_BYTES, Command

ROOT = Path(__file__).resolve().parent.parent
MODULES = ("safe_reinit", "safe_reinit.simulator")
_OF_THE_INTERPRETER = ("PYTHON", "LC_", "LANG", "COVERAGE", "LD_", "MALLOC_")
_PR_SET_CHILD_SUBREAPER = 36


class _Chosen:
    new = False


def always_new(enabled: bool) -> None:
    """Set whether every command is to be a new interpreter from now on."""
    _Chosen.new = enabled


def own_terminal() -> None:
    """Make standard input the terminal of a child, in a session of its own; called in the child, before its program."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def run_to_end(
    words: Sequence[str], *, stdin: str = "", timeout: float = 90, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; it writes no text but UTF-8."""
    usual = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(words, **{**usual, **more}) as child:
        try:
            out, err = child.communicate(stdin, timeout=None if virtual.is_on() else timeout)
        finally:
            child.kill()
    return subprocess.CompletedProcess(words, child.returncode, out, err)


def start(words: Sequence[str], **more: Any) -> subprocess.Popen[str]:
    """Start a command whose output is text, and leave it running."""
    if not virtual.is_on():
        return Process(words, text=True, **more)
    assert [*words[:3]] == [sys.executable, "-m", virtualprocesses.MODULE], "a process on virtual time is a command"
    child: Any = virtualprocesses.Child(virtual.current().scheduler, words[3:], more["env"], os.fspath(more["cwd"]))
    return child  # type: ignore[no-any-return]


class Process(subprocess.Popen[Any]):
    """A child, as of ``subprocess``; the command line is forked, where that makes no difference."""

    def _execute_child(self, *given: Any) -> None:  # type: ignore[override] # private, and the same since Python 3.11
        expected = signature(subprocess.Popen._execute_child).bind(self, *given).arguments  # type: ignore[attr-defined]
        command = None if _Chosen.new else _forked(expected)
        if command is None:
            super()._execute_child(*given)  # type: ignore[misc]
            return
        pipes = [expected[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        streams = [number if pipe == -1 else pipe for number, pipe in enumerate(pipes)]
        self.pid = _server().start(command, streams)
        self._child_created = True
        self._close_pipe_fds(  # type: ignore[attr-defined]
            *(expected[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite"))
        )


def _forked(options: Mapping[str, Any]) -> Command | None:
    """Return what the server is to run; nothing if a fork would not be the same as a new interpreter."""
    words = options["args"]
    if sys.platform != "linux" or isinstance(words, str) or [*words[:2]] != [sys.executable, "-m"]:
        return None
    if words[2] not in MODULES or not all(isinstance(word, str) for word in words):
        return None
    plain = {
        "executable": None, "shell": False, "close_fds": True, "pass_fds": (), "restore_signals": True,
        "gid": None, "gids": None, "uid": None, "umask": -1,
    }  # fmt: skip
    if any(options[name] != value for name, value in plain.items()) or options["preexec_fn"] not in (
        None,
        own_terminal,
    ):
        return None
    environment = dict(os.environ if options["env"] is None else options["env"])
    if _interpreter(environment) != _interpreter(_environment()) or _inherited() != _AT_FIRST:
        return None
    return Command(
        os.getpid(), words[2], [*words[3:]], environment, os.fspath(options["cwd"] or os.getcwd()),
        options["preexec_fn"] is own_terminal, bool(options["start_new_session"]), options["process_group"],
    )  # fmt: skip


def _environment() -> dict[str, str]:
    """Return the environment of the server: nothing but what makes the interpreter what it is."""
    mine = {name: value for name, value in os.environ.items() if name.startswith(_OF_THE_INTERPRETER)}
    return {**mine, "PYTHONWARNINGS": "default"}


def _interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    result = {name: value for name, value in environment.items() if name.startswith(_OF_THE_INTERPRETER)}
    return {name: value for name, value in result.items() if (name, value) != ("PYTHONPATH", str(ROOT))}


def _inherited() -> list[str]:
    """Return what a child has from this process besides: blocked and ignored signals, umask, user, limits, session."""
    names = ("SigBlk", "SigIgn", "Umask", "Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Cpus_allowed:")
    status = Path("/proc/thread-self/status").read_text("ascii", "replace").splitlines()
    limits = Path("/proc/self/limits").read_text("ascii").splitlines()
    return [*(line for line in status if line.startswith(names)), *limits, str(os.getsid(0)), str(os.getpgrp())]


_AT_FIRST = _inherited() if sys.platform == "linux" else []


class _Server:
    """The server of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._line, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forkserver", str(theirs.fileno())],
            cwd=ROOT, env=_environment(), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        assert self._line.recv(5) == b"ready", "the server of the command line did not start"
        atexit.register(self.close)

    def start(self, command: Command, streams: list[int]) -> int:
        """Start a command, as a child of this process."""
        message = pickle.dumps(tuple(command))
        with self._lock:
            self._adopt(1)
            try:
                socket.send_fds(self._line, [len(message).to_bytes(LENGTH_BYTES)], streams)
                self._line.sendall(message)
                return int.from_bytes(self._line.recv(LENGTH_BYTES))
            finally:
                self._adopt(0)

    def _adopt(self, on: int) -> None:
        """Become the parent of processes below this one whose parent ends, or no longer."""
        assert self._libc.prctl(_PR_SET_CHILD_SUBREAPER, on, 0, 0, 0) == 0

    def close(self) -> None:
        """End the server."""
        self._line.close()
        self._process.wait()


_servers: dict[int, _Server] = {}
_starting = threading.Lock()


def _server() -> _Server:
    with _starting:
        if os.getpid() not in _servers:
            _servers.clear()
            _servers[os.getpid()] = _Server()
        return _servers[os.getpid()]
