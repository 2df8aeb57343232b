"""The clock of tests: no wait takes time, and none ends before what is under way has."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from safe_reinit.testing import VirtualClock


def waiting(clock: VirtualClock, seconds: float, ended: list[float]) -> threading.Thread:
    """Start a thread that waits for so long, and counts from now on as work under way; it notes when it has waited."""
    busy = clock.busy()

    def wait() -> None:
        with busy:
            clock.sleep(seconds)
            ended.append(seconds)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_wait_takes_no_time_and_moves_the_clock() -> None:
    """An hour has passed for everybody who asks the clock; nobody has waited for it."""
    clock = VirtualClock(datetime(2030, 1, 1, tzinfo=UTC))
    before = clock.time()

    clock.sleep(3600)

    assert clock.time() - before == 3600
    assert clock.now() == datetime(2030, 1, 1, 1, tzinfo=UTC)
    assert not clock.wait(threading.Event(), 5)


def test_every_clock_begins_at_the_same_time() -> None:
    """A test sees the same times whenever it runs."""
    assert VirtualClock().now() == VirtualClock().now() == datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_no_time_passes_while_work_is_under_way() -> None:
    """A wait for an event ends by the event as long as somebody still works, however long the wait may be."""
    clock, event = VirtualClock(), threading.Event()
    before, found = clock.now(), list[bool]()

    with clock.busy():
        thread = threading.Thread(target=lambda: found.append(clock.wait(event, 0.001)))
        with clock.busy():  # the one that waits, which counts as well
            thread.start()
            event.set()
            thread.join()

    assert found == [True]
    assert clock.now() == before


def test_the_shortest_wait_ends_first() -> None:
    """Threads that wait at once go on in the order in which their waits end, and each at its own time."""
    clock, ended = VirtualClock(), list[float]()
    before = clock.now()

    with clock.busy():
        threads = [waiting(clock, seconds, ended) for seconds in (30, 10, 20)]
    for thread in threads:
        thread.join()

    assert ended == [10, 20, 30]
    assert clock.now() - before == timedelta(seconds=30)


def test_work_that_nobody_begins_any_more_does_not_count() -> None:
    """What was dropped before it began keeps no wait from ending."""
    clock = VirtualClock()
    busy = clock.busy()

    del busy
    clock.sleep(60)

    assert clock.now() == datetime(2026, 1, 1, 12, 1, tzinfo=UTC)


def test_a_test_lets_time_pass() -> None:
    """``advance`` moves the clock, and ends the waits that are over by then."""
    clock = VirtualClock()

    clock.advance(90)

    assert clock.now() == datetime(2026, 1, 1, 12, 1, 30, tzinfo=UTC)
