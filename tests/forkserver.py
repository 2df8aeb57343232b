"""A process that has imported the whole command line, and from which each command of a test is forked.

Started as ``python -m tests.forkserver FD`` by ``tests.processes``, which says there what for. It has one thread, reads
nothing of a command's environment, and never runs anything of the program itself. A command's process is a grandchild,
so that the test's own process becomes its parent; its end is the interpreter's, but for what nobody can notice.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import gc
import importlib
import io
import os
import pickle
import pkgutil
import runpy
import socket
import sys
import termios
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, NamedTuple

LENGTH_BYTES = 4
"""Bytes that say how long a message is."""


class Command(NamedTuple):
    """What is to be run, and what a new process has from its parent; its three standard streams come with it."""

    parent: int
    module: str
    argv: list[str]
    environment: Mapping[str, str]
    folder: str
    terminal: bool
    """Whether it gets a session of its own, with standard input as its terminal."""
    session: bool
    group: int


def main() -> None:
    """Serve until the test's process is gone; in the process of a command, run it."""
    atexit.register(_end)  # before any module is there: what was registered first is called last
    preload()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as line:
        line.sendall(b"ready")
        command = _serve(line)
    try:
        runpy.run_module(command.module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        _Ended.code = 0 if error.code is None else error.code
        raise


def preload() -> None:
    """Import what the command line can ever import of its own and of the SDK."""
    from safe_reinit.cli.sdk_models import load_by_name

    load_by_name()
    package = importlib.import_module("safe_reinit")
    for module in pkgutil.walk_packages(package.__path__, "safe_reinit."):
        if not NOT_IMPORTED & {*module.name.split(".")}:
            importlib.import_module(module.name)
    from alibabacloud_ecs20140526 import models

    from safe_reinit.simulator.actions import ACTIONS, ECS

    for action in (name for name, (version, _) in ACTIONS.items() if version == ECS):
        for kind in ("Request", "Response"):
            getattr(models, f"{action}{kind}")
    for name in ("_strptime", "encodings.ascii", "encodings.idna", "encodings.utf_8_sig"):
        importlib.import_module(name)


class _Ended:
    code: object = None
    """What the command ended with, where that was in order."""


def _end() -> None:
    """Let a command that ends in order be gone once all has happened at its end that can be noticed.

    What the interpreter does after that is most of the work of a short command: it takes every module apart and every
    interned string, and to write to each of them copies all the memory that is shared with this server.

    Where more is left to do, it goes the interpreter's own way, and only the modules are not taken apart: a thread is
    still there, nobody takes the output, an error is to be shown, or coverage has its data to write.
    """
    if isinstance(_Ended.code, int) and threading.active_count() == 1 and "coverage" not in sys.modules:
        gc.collect()  # and with that, a file left open is told of
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(_Ended.code & 0xFF)
    kept = ctypes.py_object([*sys.modules.values()])
    ctypes.pythonapi.Py_IncRef(kept)
    sys.modules.clear()


def _serve(line: socket.socket) -> Command:
    """Start what is asked for; return in the process of a command."""
    while True:
        try:
            head, streams, _, _ = socket.recv_fds(line, LENGTH_BYTES, 3)
            if not head:
                sys.exit()
            asked = Command(*pickle.loads(_read(line, int.from_bytes(head))))
        except KeyboardInterrupt:  # for the tests
            sys.exit()
        result, notify = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child:
                os.write(notify, child.to_bytes(LENGTH_BYTES))
                os._exit(0)
            line.close()
            os.close(result)
            os.close(notify)
            _become(asked, streams)
            return asked
        os.waitpid(between, 0)
        line.sendall(os.read(result, LENGTH_BYTES))
        for each in (result, notify, *streams):
            os.close(each)


def _read(line: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        data += line.recv(length - len(data))
    return data


def _become(command: Command, streams: list[int]) -> None:
    """Be as a new process is before the first line of the program."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    while os.getppid() != command.parent:
        time.sleep(0)
    if command.terminal or command.session:
        os.setsid()
    if command.terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if command.group >= 0:
        os.setpgid(0, command.group)
    os.chdir(command.folder)
    os.environ.clear()
    os.environ.update(command.environment)
    time.tzset()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(number, getattr(sys, f"__{name}__"))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.path[0] = os.getcwd()
    sys.argv = ["-m", *command.argv]
    sys.orig_argv = [sys.executable, "-m", command.module, *command.argv]
    for name in READ_AT_IMPORT:
        importlib.reload(sys.modules[name])


NOT_IMPORTED = {"__main__", "postgres", "refusals", "temporal"}
"""Modules of programs, of a database whose client reads the environment at once, and of Temporal.

No command imports the last, and with them each fork would take half as long again.
"""
READ_AT_IMPORT = ("alibabacloud_credentials.utils.auth_util",)
"""Modules that read the environment when they are imported."""


def _stream(number: int, old: IO[str]) -> io.TextIOWrapper:
    """Make a standard stream as the interpreter makes it at its start."""
    binary = open(number, "rb" if number == 0 else "wb", closefd=False)  # noqa: SIM115 - as long as the process lasts
    binary.raw.name = old.name  # type: ignore[attr-defined] # as the interpreter does
    at_once = number == 2 or binary.raw.isatty()
    text = io.TextIOWrapper(binary, old.encoding, old.errors, "\n", line_buffering=at_once)
    text.mode = old.mode  # type: ignore[misc] # as the interpreter does
    return text


if __name__ == "__main__":
    main()
