"""What the program sees in the place of ``threading`` and ``concurrent.futures``: the same names, on a scheduler."""

from __future__ import annotations

import concurrent.futures
import types
from collections import deque
from collections.abc import Callable
from concurrent.futures import _base
from typing import Any, ClassVar

from tests.simulation.scheduler import Scheduler, Task


class _OfScheduler:
    """Something whose waits are of one scheduler; ``Threads`` makes a class of it for each."""

    s: ClassVar[Scheduler]


class Lock(_OfScheduler):
    """``threading.Lock``."""

    def __init__(self) -> None:
        self._owner: object = None
        self._waiting: deque[tuple[Task, int]] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        until = None if timeout < 0 else self.s.now + timeout
        while self._owner is not None:
            if not blocking:
                return False
            left = None if until is None else until - self.s.now
            if left is not None and left <= 0:
                return False
            self._waiting.append((self.s.this(), self.s.ticket()))
            self.s.park(left)
        self._owner = self.s.current or self
        return True

    def release(self) -> None:
        if self._owner is None:
            raise RuntimeError("release unlocked lock")
        self._owner = None
        while self._waiting:
            task, ticket = self._waiting.popleft()
            if task.parked == ticket and not task.woken and not task.process.dead:
                self.s.wake(task, ticket)
                break

    def locked(self) -> bool:
        return self._owner is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class RLock(Lock):
    """``threading.RLock``."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._owner is not None and self._owner is (self.s.current or self):
            self._count += 1
            return True
        taken = super().acquire(blocking, timeout)
        self._count = 1 if taken else self._count
        return taken

    def release(self) -> None:
        self._count -= 1
        if self._count == 0:
            super().release()


class Condition(_OfScheduler):
    """``threading.Condition``."""

    def __init__(self, lock: Any = None) -> None:
        self._lock = lock if lock is not None else self.rlock()
        self._waiting: deque[tuple[Task, int]] = deque()
        self.acquire, self.release = self._lock.acquire, self._lock.release

    def __enter__(self) -> bool:
        return bool(self._lock.__enter__())

    def __exit__(self, *about: object) -> None:
        self._lock.__exit__(*about)

    def wait(self, timeout: float | None = None) -> bool:
        self._waiting.append((self.s.this(), self.s.ticket()))
        self._lock.release()
        woken = self.s.park(timeout)
        self._lock.acquire()
        return woken

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        until = None if timeout is None else self.s.now + timeout
        while not (result := predicate()):
            left = None if until is None else until - self.s.now
            if left is not None and left <= 0:
                break
            self.wait(left)
        return result

    def notify(self, n: int = 1) -> None:
        while n > 0 and self._waiting:
            task, ticket = self._waiting.popleft()
            if task.parked == ticket and not task.woken:
                self.s.wake(task, ticket)
                n -= 1

    def notify_all(self) -> None:
        self.notify(len(self._waiting))


class Semaphore(_OfScheduler):
    """``threading.Semaphore``."""

    condition: Any

    def __init__(self, value: int = 1) -> None:
        self._value = value
        self._freed = self.condition()

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        with self._freed:
            there = self._freed.wait_for(lambda: self._value > 0, timeout) if blocking else self._value > 0
            self._value -= bool(there)
            return bool(there)

    def release(self, n: int = 1) -> None:
        with self._freed:
            self._value += n
            self._freed.notify(n)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Event(_OfScheduler):
    """``threading.Event``."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiting: list[tuple[Task, int]] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        for task, ticket in self._waiting:
            self.s.wake(task, ticket)
        self._waiting.clear()

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        if not self._is_set:
            self._waiting.append((self.s.this(), self.s.ticket()))
            self.s.park(timeout)
        return self._is_set


class Thread(_OfScheduler):
    """``threading.Thread``."""

    def __init__(
        self, group: None = None, target: Any = None, name: str = "thread", args: Any = (), kwargs: Any = None,
        *, daemon: bool | None = None,
    ) -> None:  # fmt: skip
        del group
        self._target, self._args, self._kwargs = target, args, kwargs or {}
        self.name, self.daemon, self.ident = name, bool(daemon), None
        self._task: Task | None = None

    def run(self) -> None:
        if self._target is not None:
            self._target(*self._args, **self._kwargs)

    def start(self) -> None:
        self._task = self.s.spawn(self.name, self.s.this().process, self.run)

    def join(self, timeout: float | None = None) -> None:
        assert self._task is not None
        self.s.join(self._task, timeout)

    def is_alive(self) -> bool:
        return self._task is not None and not self._task.done


class local(_OfScheduler):
    """``threading.local``."""

    def _mine(self) -> dict[str, Any]:
        task = self.s.current
        table = task.local if task is not None else self.__dict__.setdefault("_outside", {})
        return table.setdefault(id(self), {})  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._mine()[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._mine()[name] = value

    def __delattr__(self, name: str) -> None:
        del self._mine()[name]


class Future(concurrent.futures.Future):  # type: ignore[type-arg]
    """``concurrent.futures.Future``, whose waits are of this scheduler."""

    def __init__(self) -> None:
        super().__init__()
        self._condition: Any = self.condition()


class ThreadPoolExecutor(_OfScheduler, concurrent.futures.Executor):
    """``concurrent.futures.ThreadPoolExecutor``."""

    def __init__(self, max_workers: int = 5, thread_name_prefix: str = "pool", **_: Any) -> None:
        self._most, self._name = max_workers, thread_name_prefix
        self._queue: deque[tuple[Any, Callable[[], Any]]] = deque()
        self._busy: list[Task] = []
        self._closed = False

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = self.future()
        self._queue.append((future, lambda: fn(*args, **kwargs)))
        self._busy = [task for task in self._busy if not task.done]
        if len(self._busy) < self._most:
            self._busy.append(self.s.spawn(self._name, self.s.this().process, self._work))
        return future

    def _work(self) -> None:
        while self._queue:
            future, call = self._queue.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - it is the future's
                future.set_exception(error)
            else:
                future.set_result(result)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._closed = True
        if cancel_futures:
            for future, _ in self._queue:
                future.cancel()
        for task in self._busy if wait else ():
            self.s.join(task)


class Timer(Thread):
    """``threading.Timer``."""

    event: Any

    def __init__(self, interval: float, function: Any, args: Any = None, kwargs: Any = None) -> None:
        super().__init__(name="timer")
        self.interval, self.function, self.args, self.kwargs = interval, function, args or (), kwargs or {}
        self.finished = self.event()

    def cancel(self) -> None:
        self.finished.set()

    def run(self) -> None:
        if not self.finished.wait(self.interval):
            self.function(*self.args, **self.kwargs)
        self.finished.set()


class Threads:
    """All of it for one scheduler."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.s = scheduler
        own = {"s": scheduler}
        self.Lock: Any = type("Lock", (Lock,), own)
        self.RLock: Any = type("RLock", (RLock,), own)
        self.Condition: Any = type("Condition", (Condition,), {**own, "rlock": self.RLock})
        self.Semaphore: Any = type("Semaphore", (Semaphore,), {**own, "condition": self.Condition})
        self.Event: Any = type("Event", (Event,), own)
        self.Thread: Any = type("Thread", (Thread,), own)
        self.Timer: Any = type("Timer", (Timer, self.Thread), {"event": self.Event})
        self.local: Any = type("local", (local,), own)
        self.Future: Any = type("Future", (Future,), {"condition": self.Condition})
        self.ThreadPoolExecutor: Any = type("ThreadPoolExecutor", (ThreadPoolExecutor,), {**own, "future": self.Future})

    def current_thread(self) -> Any:
        """``threading.current_thread``."""
        name = self.s.current.name if self.s.current else "MainThread"
        return types.SimpleNamespace(name=name, daemon=True, ident=1)

    def wait(  # the same as theirs
        self, futures: Any, timeout: float | None = None, return_when: str = concurrent.futures.ALL_COMPLETED
    ) -> Any:
        those = list(dict.fromkeys(futures))
        until = None if timeout is None else self.s.now + timeout
        changed = self.Event()
        for each in those:
            each.add_done_callback(lambda _: changed.set())

        def enough() -> bool:
            done = [each for each in those if each.done()]
            if return_when == concurrent.futures.FIRST_COMPLETED:
                return bool(done) or not those
            if return_when == concurrent.futures.FIRST_EXCEPTION and any(
                not each.cancelled() and each.exception() is not None for each in done
            ):
                return True
            return len(done) == len(those)

        while not enough():
            left = None if until is None else until - self.s.now
            if left is not None and left <= 0:
                break
            changed.clear()
            changed.wait(left)
        done = {each for each in those if each.done()}
        return _base.DoneAndNotDoneFutures(done, set(those) - done)

    def as_completed(self, futures: Any, timeout: float | None = None) -> Any:
        left = list(dict.fromkeys(futures))  # in a fixed order: a set would have another in each process
        while left:
            self.wait(left, timeout, concurrent.futures.FIRST_COMPLETED)
            done, left = [each for each in left if each.done()], [each for each in left if not each.done()]
            yield from done
