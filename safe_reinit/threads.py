"""Background work that never keeps a process from ending."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """Work in a daemon thread, and its result.

    Args:
        work: what to do.
        name: the name of the thread.
        on_end: is called, in that thread, when the work has ended.

    Attributes:
        ended: set once the work has ended, by a result or an exception.

    """

    def __init__(self, work: Callable[[], T], name: str, on_end: Callable[[], None] = lambda: None) -> None:
        self.ended = threading.Event()
        self._work, self._on_end = work, on_end
        self._results: list[T] = []
        self._error: BaseException | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name=name, daemon=True)
        self._started = False

    def start(self) -> None:
        """Begin, once."""
        if not self._started:
            self._started = True
            self._thread.start()

    def result(self) -> T:
        """Return what the work returned, or raise what it raised; it must have ended."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            self._error = error
        finally:
            self.ended.set()
            self._on_end()
