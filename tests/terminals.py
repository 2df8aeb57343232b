"""Children on pseudo-terminals of their own, as a person has one; in a test on virtual time, on what acts as one."""

from __future__ import annotations

import errno
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import ioctl
from typing import Any

from safe_reinit.simulator import Simulator
from tests import virtual, virtualprocesses
from tests.conftest import KEY, CommandLine, where_is
from tests.processes import Process, own_terminal

TERMINAL_TIMEOUT = 120.0
"""Real seconds that nothing here takes, on however busy a machine."""
_DEFAULT_WIDTH = 80
_POLL_INTERVAL = 0.1


@dataclass
class Terminal:
    """A child on a pseudo-terminal of its own, as a person has it."""

    child: subprocess.Popen[bytes]
    line: int
    shown: str = ""

    def wait_for(self, text: str, *, after: int = 0) -> int:
        """Read until this is shown; give the place after it."""
        deadline = time.monotonic() + TERMINAL_TIMEOUT
        while text not in self.shown[after:]:
            assert time.monotonic() < deadline, f"{text!r} is not in {self.shown!r}"
            assert self._read() or text in self.shown[after:], f"{text!r} is not in {self.shown!r}"
        return self.shown.index(text, after) + len(text)

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self.line, text.encode())

    def resize(self, columns: int, rows: int = 24) -> None:
        """Resize the terminal, and tell the child, as a window manager does."""
        ioctl(self.line, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end(self) -> int:
        """Read on to the end, and give the exit code."""
        deadline = time.monotonic() + TERMINAL_TIMEOUT
        while self._read() and time.monotonic() < deadline:
            pass
        return self.child.wait(TERMINAL_TIMEOUT)

    def hang_up(self) -> int:
        """Close the terminal under the child, as a lost connection does, and give the exit code."""
        os.close(self.line)
        self.line = -1
        return self.child.wait(TERMINAL_TIMEOUT)

    def _read(self) -> bool:
        if not select.select([self.line], [], [], 1.0)[0]:
            return True
        try:
            data = os.read(self.line, 65536)
        except OSError:
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)


class VirtualTerminal(Terminal):
    """A command on virtual time, with what is typed for it and what it shows."""

    child: Any

    def wait_for(self, text: str, *, after: int = 0) -> int:
        """Wait until this is shown; give the place after it."""
        self._read()
        while text not in self.shown[after:]:
            assert self.child.poll() is None, f"{text!r} is not in {self.shown!r}"
            self.child.scheduler.sleep(_POLL_INTERVAL)
            self._read()
        return self.shown.index(text, after) + len(text)

    def type(self, text: str) -> None:
        """Type something, which is shown; Ctrl-C is a signal."""
        self._read()
        self.shown += text.replace("\x03", "^C").replace("\n", "\r\n")
        if text == "\x03":
            self.child.send_signal(signal.SIGINT)
        else:
            self.child.keyboard.type(text)

    def end(self) -> int:
        """Wait for the end, and give the exit code."""
        code: int = self.child.wait()
        self._read()
        return code

    def hang_up(self) -> int:
        """Take the terminal from under the child, and give the exit code."""
        self.child.stdout.refuse(errno.EIO)
        self.child.keyboard.hang_up()
        self.child.send_signal(signal.SIGHUP)
        return self.child.wait()  # type: ignore[no-any-return]

    def _read(self) -> bool:
        self.shown += self.child.stdout.read().replace("\n", "\r\n")
        return True


Open = Callable[..., Terminal]


@contextmanager
def terminals(command_line: CommandLine) -> Iterator[Open]:
    """Start children on terminals; what is left of them is ended."""
    opened: list[Terminal] = []

    def start(
        simulator: Simulator,
        *argv: str,
        columns: int = 0,
        rows: int = 24,
        program: Sequence[str] | None = None,
        stdout: int | None = None,
        **env: str,
    ) -> Terminal:
        where = {**command_line.environment, **KEY, **where_is(simulator), "TERM": "xterm", **env}
        if virtual.is_on():
            assert program is stdout is None, (
                "on virtual time there is the command alone, and all of it on its terminal"
            )
            opened.append(_virtual(command_line, argv, {**where, "COLUMNS": f"{columns or _DEFAULT_WIDTH}"}))
            return opened[-1]
        line, inner = pty.openpty()
        where = {name: value for name, value in where.items() if name not in ("COLUMNS", "LINES") or name in env}
        if columns:
            ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        child = Process(
            program or command_line.arguments(argv), env=where, cwd=command_line.home,
            stdin=inner, stdout=inner if stdout is None else stdout, stderr=inner,
            preexec_fn=own_terminal,
        )  # fmt: skip
        os.close(inner)
        opened.append(Terminal(child, line))
        return opened[-1]

    yield start
    for each in opened:
        each.child.kill()
        each.child.wait()
        if isinstance(each, VirtualTerminal):
            each.child.keyboard.close()
        elif each.line >= 0:
            os.close(each.line)


def _virtual(command_line: CommandLine, argv: Sequence[str], environment: dict[str, str]) -> VirtualTerminal:
    scheduler, keyboard = virtual.current().scheduler, virtualprocesses.Keyboard()
    child: Any = virtualprocesses.Child(scheduler, argv, environment, os.fspath(command_line.home), keyboard)
    return VirtualTerminal(child, -1)
