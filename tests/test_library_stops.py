"""The library: a run that ends in order on a signal, and when its asyncio task is cancelled."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from typing import Any

import pytest

import safe_reinit
from tests import blocks
from tests.cloudlike import DATA, accepted, client, lab_world, once, run_plan, simulated

PAGE = blocks.ROOT / "docs/howto/python.md"

pytestmark = pytest.mark.virtual_time


def changing(state: dict[str, Any]) -> list[str]:
    """List the calls that stop, wipe or start."""
    acts = ("StopInstance", "ReInitDisk", "StartInstance")
    return [call["action"] for call in state["calls"] if call["action"] in acts and not call["dry_run"]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_a_run_in_order(number: signal.Signals) -> None:
    """A signal during the run starts the machine again without a wipe, and the handler of before comes back."""
    before = signal.getsignal(number)
    with simulated() as sim, safe_reinit.Interrupt().on_signals() as stop:
        done = run_plan(sim, stop=stop, on_event=once(accepted("StopInstance"), lambda: os.kill(os.getpid(), number)))
        state = sim.state()

    assert done.outcome == "failed"
    assert changing(state) == ["StopInstance", "StartInstance"]
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """A program that ignores SIGHUP (nohup) goes on ignoring it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with safe_reinit.Interrupt().on_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.real_time
def test_a_cancelled_task_ends_its_run_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe of docs/howto/python.md: a task that is cancelled waits until its run has ended in order."""
    (recipe,) = (block.text for block in blocks.blocks(PAGE) if "import asyncio" in block.text)
    program: dict[str, Any] = {}
    exec(recipe.partition("\nprint(")[0], program)
    ended: list[safe_reinit.Report | None] = []

    async def cancelled(sim: Any) -> None:
        caller, loop = client(sim), asyncio.get_running_loop()
        task = asyncio.create_task(program["wipe"](DATA))
        waits = once(lambda event: event.event == "wait", lambda: loop.call_soon_threadsafe(task.cancel))
        plain = caller.run

        def observed(plan: safe_reinit.Plan, **more: Any) -> safe_reinit.Report:
            try:
                return plain(plan, on_event=waits, **more)
            except safe_reinit.Error as error:
                ended.append(error.report)
                raise

        monkeypatch.setattr(caller, "plan", partial(caller.plan, accept=["no-recent-snapshot"]))
        monkeypatch.setattr(caller, "run", observed)
        monkeypatch.setattr(safe_reinit, "connect", lambda **_: caller, raising=False)
        await task

    with simulated(lab_world(instance={"started": "+1m"})) as sim:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cancelled(sim))
        state = sim.state()

    assert changing(state) == []
    assert [each.outcome for each in ended if each] == ["refused"]
