"""Asking a run to end from outside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Endable(Protocol):
    """A run that can be asked to end (``stop``) and to be left as it stands (``leave``), and woken to hear it."""

    stop: threading.Event
    leave: threading.Event
    wake: threading.Event


class Interrupt:
    """Asks a run to end: calls in flight end, the power comes back, no wipe is sent any more.

    Asked a second time, the run is left at once as it stands, and ``left`` says so. Safe to use from several threads,
    and for one run after the other; runs that go on at the same time have each their own.

    Args:
        say: is told, for people, what is waited for.

    Attributes:
        asked: whether it was asked to end.
        left: whether it was asked twice.

    """

    def __init__(self, say: Callable[[str], None] = lambda _: None) -> None:
        self.say = say
        self.asked = False
        self.left = False
        self._runner: Endable | None = None
        self._event = threading.Event()

    @contextmanager
    def ending(self, runner: Endable) -> Iterator[None]:
        """Let it end this run while the block lasts."""
        self._runner = runner
        self._pass_on()
        try:
            yield
        finally:
            self._runner = None

    def ask(self) -> None:
        """Ask the run to end; before it has begun, it ends as it begins."""
        self.left = self.asked
        self.asked = True
        self._event.set()
        self._pass_on()

    def pause(self, seconds: float) -> None:
        """Wait so many real seconds; asked to end, stop waiting.

        Raises:
            KeyboardInterrupt: it was asked to end.
        """
        if self._event.wait(seconds):
            raise KeyboardInterrupt

    def _pass_on(self) -> None:
        if self._runner is not None and self.asked:
            self._runner.stop.set()
            if self.left:
                self._runner.leave.set()
            self._runner.wake.set()
