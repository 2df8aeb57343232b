"""What signals to this process mean, from its first line to its last.

SIGINT, SIGTERM, SIGHUP and SIGQUIT, any number of them, are one request: before a run, to stop; during a run, to end it
cleanly; after a run, to stop waiting for whoever reads the output. Only a run that workers carry out continues after
the last three: closing a terminal or shutting down a host ends only the command that follows the run. A signal that was
ignored when the process began (nohup; a background job of a script) stays ignored. A process that got a SIGINT ends by
SIGINT, so that shells and loops end, too.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from ..clock import boottime
from ..interrupt import SECOND_CTRL_C_AFTER, Interrupt

_PARTS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
NUMBERS = (signal.SIGINT, *_PARTS)
"""The signals that ask a command to end cleanly; no other signal from a terminal or a service manager ends it."""
_QUIT_TIMEOUT = 1.9
"""Real seconds after which a process that must quit at once has ended, whatever hangs in it."""
_ENDING = (
    "Stopping: finishing the current call; no further wipe is sent, and machines that were stopped are started again."
)
_HOW_TO_QUIT = "Press Ctrl-C again to quit now."
_PARTING = (
    "Ctrl-C ends the run cleanly. To leave the run to its workers, close this terminal, or send this command SIGTERM "
    "(kill {}): the run continues."
)
_PARTED = "This command ends. The run continues on its workers."
_LEAVING = "Quitting now: the run is left as it is."


class Stopped(BaseException):
    """A signal asked the command to stop before it changed anything."""


class Signals:
    """The signals of one command.

    Attributes:
        interrupted: whether a SIGINT came.
        enough: set once a signal arrived after the run: output is no longer waited for.

    """

    def __init__(self) -> None:
        self.interrupted = False
        self.enough = threading.Event()
        self._numbers: deque[int] = deque()
        self._handling = False
        self._came = False
        self._at: float | None = None
        self._notified = False
        self._hinted = False
        """Whether a person was told how to quit: only after that is a Ctrl-C a different request."""
        self._ending_shown = threading.Event()
        self._changed = threading.Event()
        self._interrupt: Interrupt | None = None
        self._notify: Callable[[str, Callable[[], None]], None] = lambda _text, _then: None
        self._ran = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():  # signals can be handled only there
            for number in NUMBERS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._got)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def run(
        self, notify: Callable[[str, Callable[[], None]], None], note: Callable[[str], None] | None = None
    ) -> Iterator[Interrupt]:
        """End a run cleanly on a signal while the block lasts; after the run, signals end the wait for its output.

        Args:
            notify: prints a line for the person, and then does something, once the line is out.
            note: prints a line that matters only to somebody who watches.
        """
        self._notify = notify
        interrupt = Interrupt(lambda text: notify(text, lambda: None), _PARTING.format(os.getpid()), note)
        if self.enough.is_set():  # between two runs of one command
            interrupt.ask("a signal")
        self._notified = self._hinted = False
        self._ending_shown.clear()
        self._ran, self._interrupt = True, interrupt
        watch = threading.Thread(target=self._watch, args=(interrupt,), name="safe-reinit-quit", daemon=True)
        watch.start()
        try:
            yield interrupt
        except KeyboardInterrupt:  # it was asked to end before it made any call
            raise Stopped from None
        finally:
            self._interrupt = None
            self._changed.set()
            if not interrupt.left:
                watch.join()
                self._changed.clear()

    def over(self) -> None:
        """Stop nothing any more: what is left is to report how it ended."""
        self._ran = True

    def _got(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal: in the main thread, between any two steps, even of this method; so one after another."""
        self._numbers.append(number)
        while self._numbers and not self._handling:
            self._handling = True
            try:
                while self._numbers:
                    self._handle(self._numbers.popleft())
            finally:
                self._handling = False

    def _handle(self, number: int) -> None:
        quits = False
        if number == signal.SIGINT:
            now = boottime()
            quits = self._at is not None and now - self._at >= SECOND_CTRL_C_AFTER
            self._at, self.interrupted = now, True
        if self._interrupt is not None:
            self._in_run(self._interrupt, signal.Signals(number), quits=quits and self._ending_shown.is_set())
        elif self._ran:
            self.enough.set()
            if quits:
                end_by_sigint()
        elif not self._came:
            self._came = True
            raise Stopped
        elif quits:  # what the first signal began to end hangs; nothing was changed
            end_by_sigint()

    def _in_run(self, interrupt: Interrupt, number: signal.Signals, *, quits: bool) -> None:
        if quits:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # from here on the next one ends the process, whoever sends it
            interrupt.leave()
            self._changed.set()
            self.enough.set()
            self._notify(_LEAVING, lambda: None)
            return
        if number in _PARTS and (interrupt.parted or interrupt.part()):
            self._notify(f"{number.name}: {_PARTED}", lambda: None)
            return
        interrupt.ask(number.name)
        if number == signal.SIGINT and not self._hinted:
            self._notified = self._hinted = True
            self._notify(f"{number.name}: {_ENDING} {_HOW_TO_QUIT}", self._ending_shown.set)
        elif not self._notified:  # others may have asked it, without this message
            self._notified = True
            self._notify(f"{number.name}: {_ENDING}", lambda: None)

    def _watch(self, interrupt: Interrupt) -> None:
        """Wait for the end of a run; if it must be left at once, end the process soon, whatever hangs in it."""
        self._changed.wait()
        if not interrupt.left:
            return
        threading.Event().wait(_QUIT_TIMEOUT)
        os.kill(os.getpid(), signal.SIGINT)


def end_by_sigint() -> NoReturn:
    """End this process by SIGINT, like one that never handled it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    os.kill(os.getpid(), signal.SIGINT)
    os._exit(130)  # it was blocked or removed meanwhile
