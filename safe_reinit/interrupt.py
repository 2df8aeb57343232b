"""Ending a run from outside: cleanly, or at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

from .clock import boottime
from .errors import Error, OutcomeUnknown, RunRefused
from .threads import Background

if TYPE_CHECKING:
    from .model import Report

SECOND_CTRL_C_AFTER = 1.0
"""Real seconds between two Ctrl-C that count as two requests: a key that is held down repeats faster."""
_POLL_INTERVAL = 0.1
"""Real seconds after which a thread that waits for a run wakes up briefly: only then can another thread raise in it."""
_LEAVE_TIMEOUT = 1.0
"""Real seconds that a run gets to end by itself after a request to leave it."""
_CLOSE_TIMEOUT = 0.5
"""Real seconds after that for closing it from outside."""
_THREAD = "safe-reinit-run"


class Endable(Protocol):
    """A run that can be asked to end (``stop``), left as it is (``leave``), and woken up to notice that."""

    stop: threading.Event
    leave: threading.Event
    wake: threading.Event


class Interrupt:
    """Asks a run to end: calls in progress finish, the power is restored, no further wipe is sent.

    Several requests count as one. Leaving the run at once, as it is, is a different request: ``leave``. Safe to use
    from several threads and signal handlers, and for one run after another; runs at the same time need one each.

    Args:
        notify: is called with a sentence for people about what the run waits for.
        parting: how people leave a run that others carry out, without ending it.
        note: is called with what matters only to a person at the screen; by default ``notify``.

    Attributes:
        asked: whether it was asked to end.
        left: whether it is to be left at once.
        parted: whether this process no longer waits for a run that others carry out, which continues.

    """

    def __init__(
        self,
        notify: Callable[[str], None] = lambda _: None,
        parting: str = "",
        note: Callable[[str], None] | None = None,
    ) -> None:
        self.notify = notify
        self.note = note or notify
        self.parting = parting
        self.asked = False
        self.left = False
        self.parted = False
        self._elsewhere = False
        self._by = ""
        self._on_asked: list[Callable[[str], None]] = []
        """Called once, with who or what asked."""
        self._raised: BaseException | None = None
        self._runner: Endable | None = None
        self._close: Callable[[], Report] | None = None
        self._event = threading.Event()
        self._stirred = threading.Event()
        """Set when a run has ended or is to be left."""

    @contextmanager
    def ending(
        self, runner: Endable, close: Callable[[], Report], on_asked: Callable[[str], None], *, elsewhere: bool = False
    ) -> Iterator[None]:
        """Connect it to this run while the block lasts.

        Args:
            runner: the run.
            close: releases the run and reports it as it is, if its own thread hangs.
            on_asked: is called with who or what asked the run to end, unless that is recorded already.
            elsewhere: whether others carry it out, so that it continues without this process.

        """
        self._elsewhere = elsewhere
        self._runner, self._close, self._on_asked = runner, close, [on_asked]
        self._pass_on()
        try:
            yield
        finally:
            self._runner = self._close = None

    @contextmanager
    def on_signals(self, *numbers: signal.Signals) -> Iterator[Self]:
        """Ask the run to end cleanly when a signal arrives while the block lasts; only in the main thread.

        Ctrl-C in the thread that called ``run`` does the same without it. A signal that is ignored stays ignored.

        Args:
            numbers: the signals; SIGTERM, SIGHUP and SIGQUIT if none are given.

        Raises:
            ValueError: this is not the main thread.
        """
        before: dict[signal.Signals, Any] = {}
        try:
            for number in numbers or (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, lambda number, _: self.ask(signal.Signals(number).name))
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def ask(self, by: str = "its own process") -> None:
        """Ask the run to end cleanly; if it has not begun, it ends when it begins.

        Args:
            by: what asks, for the audit; ``""`` if that is recorded already.

        """
        self._by = self._by if self.asked else by
        self.asked = True
        self._event.set()
        self._pass_on()

    def leave(self, by: str = "its own process") -> None:
        """Leave the run at once, as it stands; it can be resumed."""
        self.left = True
        self.ask(by)
        self._stirred.set()

    def part(self) -> bool:
        """Stop waiting for a run that others carry out, which continues; return whether such a run had not ended."""
        runner = self._runner
        if runner is None or not self._elsewhere or self.asked:
            return False
        self.parted = True
        runner.leave.set()
        runner.wake.set()
        return True

    @property
    def over(self) -> bool:
        """Whether nobody here waits for an answer any more."""
        return self.asked or self.parted

    def raised(self, error: BaseException) -> None:
        """Record an exit (``SystemExit``, ``KeyboardInterrupt``) that a listener raised in a thread of the run.

        It asks the run to end cleanly, and ``carry`` raises it again when it has ended.
        """
        self._raised = self._raised or error
        self.ask(type(error).__name__)

    def pause(self, seconds: float) -> None:
        """Wait this many real seconds, or until the run is asked to end.

        Raises:
            KeyboardInterrupt: it was asked to end.
        """
        if self._event.wait(seconds):
            raise KeyboardInterrupt

    def _pass_on(self) -> None:
        runner = self._runner
        if runner is not None and self.asked:
            with contextlib.suppress(IndexError):
                on_asked = self._on_asked.pop()
                if self._by:
                    on_asked(self._by)
            runner.stop.set()
            if self.left:
                runner.leave.set()
            runner.wake.set()

    # ------------------------------------------------------------------------------------------- in its own thread

    def carry(self, work: Callable[[], Report], *, resumable: bool = True) -> Report:
        """Do the work of a run in its own thread, so that an exception in this one never stops it halfway.

        An exception from outside (Ctrl-C, the time limit of a worker) asks the run to end cleanly, and is raised again
        when it has ended; a second one leaves the run at once. It then has the attributes ``run_id`` and ``report``,
        and says how to resume the run if that is possible (``resumable``).
        """
        running = Background(work, _THREAD, on_end=self._stirred.set)
        outside: BaseException | None = None
        came: BaseException | None = None
        at = 0.0
        while True:
            try:
                if came is not None:
                    outside, again = outside or came, outside is not None and boottime() - at >= SECOND_CTRL_C_AFTER
                    came, at = None, boottime()
                    (self.leave if again else self.ask)(type(outside).__name__)
                running.start()
                self._wait(running.ended)
                break
            except BaseException as error:  # noqa: BLE001 - whatever it is, the machines come back first
                came = error  # nothing else happens here, since another exception may come at any moment
        outside, self._raised = outside or self._raised, None
        if outside is None:
            return running.result() if running.ended.is_set() else self._closed(resumable=resumable)
        try:
            report = running.result() if running.ended.is_set() else self._closed(resumable=resumable)
        except Error as error:
            raise _with_run(outside, error.report, resumable=resumable) from None
        except BaseException:  # noqa: BLE001 - what came from outside is what the caller knows how to handle
            raise outside from None
        raise _with_run(outside, report, resumable=resumable) from None

    def _wait(self, ended: threading.Event) -> None:
        """Wait until a run has ended, or is to be left and has had the time to end by itself."""
        while not (self.left or ended.is_set()):
            self._stirred.wait(_POLL_INTERVAL)
            self._stirred.clear()
        ended.wait(_LEAVE_TIMEOUT)

    def _closed(self, *, resumable: bool) -> Report:
        """Release a run whose thread hangs, and report it as it is."""
        close = self._close
        if close is None:
            raise RunRefused("Quit at once, before this run made any call.", hint="See safe-reinit runs.")
        closing = Background(close, _THREAD)
        closing.start()
        if closing.ended.wait(_CLOSE_TIMEOUT):
            return closing.result()
        raise OutcomeUnknown(
            "Quit at once while the journal could not be written; the run is left as it is.",
            hint="Find it with safe-reinit runs, and continue with safe-reinit resume RUN."
            if resumable
            else "The journal of this run ends with this process, so the run cannot be resumed.",
        )


def _with_run(error: Any, report: Report | None, *, resumable: bool) -> BaseException:  # noqa: ANN401 - any exception takes attributes
    """Attach to an exception from outside what happened to the run that it ended."""
    if report is not None:
        error.report, error.run_id = report, report.run_id
        if report.run_id is not None:
            error.add_note(f"Run {report.run_id} ended {report.outcome} (exit code {report.exit_code}).")
            if resumable and any(job.pending for job in report.jobs):
                error.add_note(f"Continue with: safe-reinit resume {report.run_id}")
    return error  # type: ignore[no-any-return]
