"""An exception from outside a run of the library: the machine comes back first, then it is raised again."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import pytest

import safe_reinit
from safe_reinit import Interrupt, Report
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.blackbox.worlds import DISK, WORLD, power, wipes

MACHINES = {**WORLD, "durations": {"stop": 1, "start": 1}}
KINDS = (CancelledError, SystemExit, KeyboardInterrupt)


class SoftTimeLimitError(Exception):
    """What the signal handler of a worker raises."""


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Start machines that are down and back in a second."""
    with virtual.simulate(MACHINES) as simulator:
        yield simulator


@dataclass(frozen=True)
class Ended:
    """What a run raised, and what was true then."""

    raised: Any
    power: str
    wipes: int


def carried(outside: Callable[[], object], faults: Sequence[dict[str, Any]] = ()) -> Ended:
    """Run a plan to its end with something happening once the stop was sent."""
    happened: list[str] = []

    def notify(event: safe_reinit.Event) -> None:
        if event.event == "answer" and not happened:
            happened.append(event.event)
            outside()

    with TemporaryDirectory() as folder, Simulator(MACHINES, list(faults), speed=1) as sim:
        client = safe_reinit.connect(
            region=sim.region, endpoint=sim.url, credentials=sim.access_key, journal=f"{folder}/j.db"
        )
        plan = client.plan([DISK], stop_instance=True)
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - whichever it is
            client.run(plan, confirm=plan.confirm_with, on_event=notify)
        return Ended(caught.value, power(sim), wipes(sim))


def limited() -> Ended:
    """Raise an exception in the main thread at SIGUSR1, as workers do when a task takes too long."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        raise SoftTimeLimitError

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        return carried(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, before)


def cancelled(kind: type[BaseException], faults: Sequence[dict[str, Any]] = ()) -> Ended:
    """Raise an exception in the thread that carries a run out, from another one."""
    own = ctypes.c_ulong(threading.get_ident())
    return carried(lambda: ctypes.pythonapi.PyThreadState_SetAsyncExc(own, ctypes.py_object(kind)), faults)


@cache
def ended() -> dict[Any, Ended]:
    """Carry out all of them at once: each is a real one, and waits for its machine in real time."""
    refused = {
        "action": "StartInstance",
        "dry_run": False,
        "nth": "every",
        "error": {"code": "InstanceExpired", "status": 403},
    }
    with ThreadPoolExecutor() as threads:
        begun = {kind: threads.submit(cancelled, kind) for kind in KINDS}
        begun["stranded"] = threads.submit(cancelled, SoftTimeLimitError, [refused])
        return {"limited": limited(), **{what: each.result() for what, each in begun.items()}}


def comes_back(run: Ended) -> None:
    """Assert that the run was ended in order, and that what is raised says how."""
    raised = run.raised
    assert (raised.report.outcome, raised.report.exit_code) == ("failed", 4)
    assert raised.run_id == raised.report.run_id
    assert raised.run_id in "".join(raised.__notes__)
    assert "bug" not in "".join(raised.__notes__)
    assert (run.power, run.wipes) == ("Running", 0)


def test_the_time_limit_of_a_worker_ends_a_run_in_order() -> None:
    """An exception from a signal handler of the host program is raised again when the machine is back."""
    run = ended()["limited"]

    assert type(run.raised) is SoftTimeLimitError
    comes_back(run)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_raised_in_another_thread_ends_a_run_in_order(kind: type[BaseException]) -> None:
    """A thread that carries out a run and is cancelled from outside brings the machine back before it ends."""
    run = ended()[kind]

    assert type(run.raised) is kind
    comes_back(run)


def test_where_the_machine_stays_down_the_exception_says_how_to_go_on() -> None:
    """If the machine cannot be started again, the command that resumes the run is attached to the exception."""
    raised = ended()["stranded"].raised

    assert type(raised) is SoftTimeLimitError
    assert raised.report.outcome == "stranded"
    assert f"safe-reinit resume {raised.run_id}" in "".join(raised.__notes__)


@pytest.mark.virtual_time
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("listener", ["on_event", "on_call"])
def test_an_exit_of_a_listener_ends_a_run_in_order(
    sim: Simulator, path: Path, kind: type[BaseException], listener: str
) -> None:
    """A listener that ends its program, as with ``sys.exit``, leaves no machine stopped; it ends when that is back."""
    client = safe_reinit.connect(region=sim.region, endpoint=sim.url, credentials=sim.access_key, journal=str(path))
    plan = client.plan([DISK], stop_instance=True)
    result: list[object] = []

    def leave(each: Any) -> None:
        if isinstance(each, safe_reinit.Event):
            stopped = each.event == "answer"
        else:
            stopped = each.action == "StopInstance" and not each.dry_run
        if stopped and not result:
            result.append(each)
            raise kind

    with pytest.raises(kind) as caught:
        client.run(plan, confirm=plan.confirm_with, **{listener: leave})

    comes_back(Ended(caught.value, power(sim), wipes(sim)))


@pytest.mark.virtual_time
def test_a_run_whose_journal_ends_with_the_process_names_no_resume(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A simulated run whose machine stays down says that nothing can resume it, however it was ended."""
    monkeypatch.delenv("SAFE_REINIT_JOURNAL")
    client = safe_reinit.connect(region=sim.region, endpoint=sim.url, credentials=sim.access_key)
    plan = client.plan([DISK], stop_instance=True)
    sim.do(
        {"fault": {"action": "StartInstance", "dry_run": False, "nth": "every", "error": {"code": "InstanceExpired"}}}
    )
    result: list[str] = []

    def leave(event: Any) -> None:
        result.append(event.event)
        if result.count("answer") == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        client.run(plan, confirm=plan.confirm_with, on_event=leave)
    text = f"{raised.value.report.error.hint} {' '.join(raised.value.__notes__)}"  # type: ignore[attr-defined]

    assert raised.value.report.outcome == "stranded"  # type: ignore[attr-defined]
    assert "The journal of this run ends with this process, so the run cannot be resumed." in text
    assert "safe-reinit resume" not in text


def test_a_second_exception_while_the_first_is_taken_in_changes_nothing() -> None:
    """Two exceptions at once are one request: the run ends in order, and the first is raised again."""

    class Beset(Interrupt):
        beset = False

        def ask(self, by: str = "") -> None:
            if not self.beset:
                self.beset = True
                raise KeyboardInterrupt
            super().ask(by)

    interrupt = Beset()
    own = threading.get_ident()

    def work() -> Report:
        while sys._current_frames()[own].f_code.co_name != "wait":
            pass  # until it waits for this thread, and does not start it any more
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(own), ctypes.py_object(SoftTimeLimitError))
        interrupt.pause(30)
        raise AssertionError("it was not asked to end")

    with pytest.raises(SoftTimeLimitError):
        interrupt.carry(work)
    assert (interrupt.asked, interrupt.left) == (True, False)
