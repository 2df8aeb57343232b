"""The command line on virtual time: each command is a process of the scheduler, in the one of the test.

A command has its own arguments, environment, folder, streams and id while one of its tasks runs, and can be killed or
get a signal. Its terminal (``Keyboard``) shows what is written and hands on what is typed, and does nothing else that a
terminal does. What is tested of descriptors, of the kernel's side of a terminal, or of the end of a process, needs
``real_time``.
"""

from __future__ import annotations

import io
import itertools
import os
import signal
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safe_reinit.cli import signals
from safe_reinit.cli.app import run
from safe_reinit.cli.signals import Signals
from tests.simulation.scheduler import Process, Scheduler

MODULE = "safe_reinit"
_FIRST_PID = 1 << 22
"""The first id of such a process: Linux gives none from here on."""
_POLL_INTERVAL = 0.02
_DRAWS_EVERY = 1.0
_children: dict[int, Child] = {}
"""The commands of the test that runs, by their ids."""
_ids = itertools.count(_FIRST_PID)


class _Inside(Process):
    """A process of the scheduler that has surroundings of its own while it runs."""

    def __init__(self, child: Child, environment: Mapping[str, str], folder: str) -> None:
        super().__init__(f"command {child.pid}")
        self._child, self._folder = child, folder
        self._environment = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
        self._outside: tuple[Any, ...] = ()

    def enter(self) -> None:
        """Put its surroundings in the place of the test's."""
        environ: Any = os.environ
        self._outside = (environ._data, os.getcwd(), os.getpid, sys.argv, sys.stdin, sys.stdout, sys.stderr)
        child = self._child
        environ._data = self._environment
        os.chdir(self._folder)
        os.getpid = lambda: child.pid
        sys.argv = [str(Path(MODULE, "__main__.py")), *child.words]
        sys.stdin, sys.stdout, sys.stderr = child.stdin, child.stdout.stream, child.stderr.stream

    def leave(self) -> None:
        """Put the test's surroundings back."""
        environ: Any = os.environ
        environ._data, folder, os.getpid, sys.argv, sys.stdin, sys.stdout, sys.stderr = self._outside
        os.chdir(folder)


def _input(text: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8")


class _Pipe(io.BytesIO):
    def __init__(self, scheduler: Scheduler, *, is_terminal: bool = False) -> None:
        super().__init__()
        self.scheduler = scheduler
        self.is_full = False
        self.error = 0
        self._is_terminal = is_terminal

    def write(self, data: Any) -> int:
        if self.is_full:
            self.scheduler.hang()
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        return super().write(data)

    def isatty(self) -> bool:
        return self._is_terminal


class Keyboard:
    """What is typed on the terminal of a command: a pipe that says it is a terminal.

    Attributes:
        stdin: what the command reads.

    """

    def __init__(self) -> None:
        inner, self._line = os.pipe()
        self.stdin = io.TextIOWrapper(_Inner(inner), "utf-8")

    def type(self, text: str) -> None:
        """Type something; Ctrl-D is the end of the input."""
        os.write(self._line, text.removesuffix("\x04").encode())
        if text.endswith("\x04"):
            self.hang_up()

    def hang_up(self) -> None:
        """Type no more."""
        if self._line >= 0:
            os.close(self._line)
        self._line = -1

    def close(self) -> None:
        """Take the terminal away, once its command has ended."""
        self.hang_up()
        self.stdin.close()


class Drawing:
    """Draws what stays at the bottom of a terminal again and again, in the place of the thread of ``rich.live``."""

    def __init__(self, shown: Any, _times_a_second: float) -> None:
        self._shown = shown
        self._ended = False

    def start(self) -> None:
        """Begin, as a task of the command."""
        scheduler = _children[os.getpid()].scheduler

        def draw() -> None:
            while not self._ended:
                scheduler.sleep(_DRAWS_EVERY)
                if not self._ended:
                    self._shown.refresh()

        scheduler.spawn("draw", scheduler.this().process, draw)

    def stop(self) -> None:
        """Draw no more."""
        self._ended = True

    def join(self) -> None:
        """Do nothing: between two steps nothing is being drawn."""


class _Inner(io.BufferedReader):
    def __init__(self, descriptor: int) -> None:
        super().__init__(io.FileIO(descriptor))

    def isatty(self) -> bool:
        return True


class Output:
    """What a command writes, as its reader has it.

    Attributes:
        stream: what the command writes to.

    """

    def __init__(self, child: Child, pipe: _Pipe) -> None:
        self._pipe = pipe
        self.stream = io.TextIOWrapper(pipe, "utf-8", "backslashreplace", "\n", write_through=True)
        self._child = child
        self._read = 0

    def read(self) -> str:
        """Read what came since, without waiting."""
        self.stream.flush()
        text: bytes = self._pipe.getvalue()[self._read :]
        self._read += len(text)
        return text.decode()

    def stall(self) -> None:
        """Read no more, and let it hold no more: whoever writes waits for ever, as in a full pipe or after Ctrl-S."""
        self._pipe.is_full = True

    def refuse(self, error: int) -> None:
        """Let each write fail from here on, with this number of an error."""
        self._pipe.error = error

    def __iter__(self) -> Iterator[str]:
        return iter(self.readline, "")

    def readline(self) -> str:
        """Wait for a line, or for the end."""
        while True:
            self.stream.flush()
            line, newline, _ = self._pipe.getvalue()[self._read :].partition(b"\n")
            if newline or self._child.poll() is not None:
                self._read += len(line + newline)
                return (line + newline).decode()  # type: ignore[no-any-return]
            self._child.scheduler.sleep(_POLL_INTERVAL)


class Child:
    """A command, with the face of ``subprocess.Popen``."""

    def __init__(
        self, scheduler: Scheduler, words: Sequence[str], env: Mapping[str, str], cwd: str,
        keyboard: Keyboard | None = None,
    ) -> None:  # fmt: skip
        self.scheduler = scheduler
        self.pid = next(_ids)
        self.words = list(words)
        self.returncode: int | None = None
        self.keyboard = keyboard
        self.stdin = _input("") if keyboard is None else keyboard.stdin
        shown = _Pipe(scheduler, is_terminal=True)
        self.stdout, self.stderr = (Output(self, shown if keyboard else _Pipe(scheduler)) for _ in range(2))
        self.sigint_ends_it = False
        self._signals: Signals | None = None
        self._process = _Inside(self, env, cwd)
        self._task = scheduler.spawn("MainThread", self._process, self._main)
        _children[self.pid] = self

    def _main(self) -> None:
        try:
            self._signals = Signals()
            code = run(self.words, self._signals)
            self.returncode = -signal.SIGINT if self._signals.interrupted else code
        finally:
            self._process.dead = True  # its other threads end with it

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def poll(self) -> int | None:
        """Return how it ended, if it has."""
        if self._task.error is not None:
            raise self._task.error
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; seconds are those of the test."""
        if not self._process.dead:
            self.scheduler.join(self._task, timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.words, timeout or 0.0)
        return code

    def communicate(self, text: str | None = None, timeout: float | None = None) -> tuple[str, str]:
        """Send it all that it can read, which must be at its beginning; wait for its end, and give what it wrote."""
        if text:
            self.stdin = _input(text)
        self.wait(timeout)
        return self.stdout.read(), self.stderr.read()

    def kill(self) -> None:
        """Let it be gone between one instruction and the next."""
        self._end_by(signal.SIGKILL)

    def _end_by(self, number: int) -> None:
        if not self._process.dead:
            self.scheduler.kill(self._process)
            self.returncode = -number
            for joiner, ticket in self._task.joiners:
                self.scheduler.wake(joiner, ticket)
        self.scheduler.stay(self._process)

    def pause(self, seconds: float) -> None:
        """Stop it for so long, as between SIGSTOP and SIGCONT."""
        self.scheduler.freeze(self._process, seconds)

    def send_signal(self, number: int) -> None:
        """Let its main thread handle a signal, when it next waits or goes on."""
        if number == signal.SIGKILL or (number == signal.SIGINT and self.sigint_ends_it):
            self._end_by(number)
        elif self.returncode is None:
            self.scheduler.signal(self._task, lambda: self._got(number))

    def _got(self, number: int) -> None:
        assert self._signals is not None
        self._signals._got(number, None)


@contextmanager
def known() -> Iterator[None]:
    """Let commands be seen by their ids as other processes are, and have their own signals, while the block lasts."""
    real, real_group = os.kill, os.tcgetpgrp

    def group(descriptor: int) -> int:
        keyboards = [
            child.keyboard for child in _children.values() if child.keyboard and not child.keyboard.stdin.closed
        ]
        mine = descriptor in [keyboard.stdin.fileno() for keyboard in keyboards]
        return os.getpgrp() if mine else real_group(descriptor)

    def kill(pid: int, number: int) -> None:
        child = _children.get(pid)
        if child is None:
            real(pid, number)
        elif child.returncode is not None:
            raise ProcessLookupError(pid)
        elif number:
            child.send_signal(number)

    def handle(number: int, handler: Any) -> None:
        if number == signal.SIGINT:
            _children[os.getpid()].sigint_ends_it = handler is signal.SIG_DFL

    of_a_command = types.ModuleType("signal")
    of_a_command.__dict__.update(vars(signal), signal=handle, pthread_sigmask=lambda *_: None)
    os.kill, os.tcgetpgrp, signals.signal = kill, group, of_a_command  # type: ignore[assignment]
    try:
        yield
    finally:
        os.kill, os.tcgetpgrp, signals.signal = real, real_group, signal
        _children.clear()
