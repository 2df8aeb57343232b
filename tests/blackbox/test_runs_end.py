"""Every run can end: what somebody else did to the power of a machine leaves no run open that nobody can finish."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from safe_reinit.errors import Error, RunRefused
from safe_reinit.simulator import Simulator
from tests.cloudlike import (
    DATA,
    INSTANCE,
    Run,
    accepted,
    answered,
    client,
    lab_world,
    once,
    run_plan,
    showing,
    simulated,
    wipes,
)

pytestmark = pytest.mark.virtual_time

QUICK = {"stop": 2, "wipe": 1, "start": 2, "snapshot": 2}


@contextmanager
def cloud(*faults: dict[str, Any], **of: Any) -> Iterator[Simulator]:
    """Start a simulator whose work is quickly done."""
    with simulated(lab_world(durations=QUICK, **of), faults) as sim:
        yield sim


def carry_out(sim: Simulator, **more: Any) -> Run:
    """Wipe the disk at the pace of the simulator."""
    return run_plan(sim, using=client(sim), **more)


def assert_ended(sim: Simulator, done: Run) -> None:
    """Check that the run is closed, and that nothing says that it can be resumed."""
    with pytest.raises(RunRefused, match="has ended"):
        client(sim).resume(str(done.report.run_id))
    error = done.report.jobs[0].error
    assert error is not None
    assert "resume" not in f"{error.message} {error.hint}"


def assert_can_end(sim: Simulator, done: Run, **more: Any) -> None:
    """Check that the run is closed after it was resumed, if not before."""
    text = []
    for _ in range(3):
        with pytest.raises(Error) as raised:
            client(sim).resume(str(done.report.run_id), **more)
        text.append(str(raised.value))
    assert "has ended" in text[-1], text


@pytest.mark.parametrize("fault", [{"throttle": True}, {"error": {"code": "OperationDenied", "status": 403}}])
def test_a_machine_that_somebody_else_stopped_is_theirs(fault: dict[str, Any]) -> None:
    """Our stop was refused, and somebody stops the machine: it is not started, and the run has ended."""
    with cloud({"action": "StopInstance", "dry_run": False, "times": 99, **fault}) as sim:
        done = carry_out(sim, on_event=once(answered("StopInstance"), lambda: sim.do({"stop": INSTANCE})))
        assert_ended(sim, done)
        state = sim.state()

    assert done.outcome in ("stranded", "failed"), done.report.error
    assert wipes(state, DATA) == 0
    assert state["instances"][INSTANCE]["status"] == "Stopped"


def test_a_machine_that_somebody_else_started_and_stopped_is_theirs() -> None:
    """Our stop was lost, and others stop, start and stop the machine: the run can end."""

    def use() -> None:
        for verb in ("stop", "start"):
            sim.do({verb: INSTANCE})
            time.sleep(30.0)  # so that the start shows as another StartTime

    with cloud({"action": "StopInstance", "dry_run": False, "drop_request": True, "times": 9}) as sim:
        done = carry_out(sim, on_event=once(answered("StopInstance"), use))
        sim.do({"stop": INSTANCE})
        assert_can_end(sim, done)
        state = sim.state()

    assert wipes(state, DATA) == 0
    assert state["instances"][INSTANCE]["status"] == "Stopped"


def test_a_wiped_machine_that_somebody_else_started_is_theirs() -> None:
    """The machine was Stopped before, and somebody starts it as soon as it is wiped: said (6), and it has ended."""

    def use() -> None:
        while sim.state()["disks"][DATA]["status"] != "In_use":
            time.sleep(0.01)
        sim.do({"start": INSTANCE})

    with cloud(status="Stopped") as sim:
        done = carry_out(sim, on_event=once(accepted("ReInitDisk"), use))
        assert_ended(sim, done)
        state = sim.state()

    assert (done.outcome, done.report.exit_code) == ("not-restarted", 6)
    assert wipes(state, DATA) == 1
    assert state["instances"][INSTANCE]["status"] == "Running"


@pytest.mark.parametrize("before", ["Stopped", "Running"])
def test_a_machine_that_was_released_ends_its_run(before: str) -> None:
    """The machine is released while its disk is wiped: whatever is said of the disk, a verdict ends the run."""
    with cloud(status=before) as sim:
        done = carry_out(
            sim,
            on_event=once(showing(disk="ReIniting"), lambda: sim.do({"delete_instance": INSTANCE})),
            limits={"reinit": 60.0, "start": 60.0},
        )
        assert_can_end(sim, done, verdict="reinitialised")
