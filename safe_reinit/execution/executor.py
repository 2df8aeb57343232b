"""An executor of daemon threads; separate from ``threads``, because its base class takes long to import."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any


class DaemonExecutor(Executor):
    """Runs calls in at most a given number of daemon threads.

    With the executor of the standard library, the interpreter would wait at its end for every call that still hangs.

    Args:
        most: how many threads there are at most.
        name: how the threads are named.

    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._ended = False

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - any call
        """Run a call as soon as a thread is free.

        Raises:
            RuntimeError: the executor was shut down, or no thread can be started.
        """
        with self._lock:
            if self._ended:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._most:
                thread = threading.Thread(target=self._serve, name=f"{self._name}_{len(self._threads)}", daemon=True)
                thread.start()
                self._threads.append(thread)
            future: Future[Any] = Future()
            self._work.put((future, lambda: function(*args, **kwargs)))
            return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more calls; see ``concurrent.futures.Executor.shutdown``."""
        with self._lock:
            self._ended = True
            if cancel_futures:
                self._cancel()
            for _ in self._threads:
                self._work.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _cancel(self) -> None:
        while not self._work.empty():
            work = self._work.get()
            if work is not None:
                work[0].cancel()

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            future, call = work
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
                    future.set_exception(error)
            del work, future, call
            self._idle.release()
