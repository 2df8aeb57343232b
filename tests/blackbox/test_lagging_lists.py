"""Lists that lag: the lag is sampled by our own stop, and where it is too long nothing is wiped."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloudlike import DATA, INSTANCE, Run, assert_true, lab_world, once, run_plan, simulated

pytestmark = pytest.mark.virtual_time


def lagging(seconds: float, **more: Any) -> dict[str, Any]:
    """Return a world whose lists are so many seconds behind, with a wipe that is over before they show anything."""
    return lab_world(describe_lag=seconds, durations={"stop": 8, "wipe": 4, "start": 8, "snapshot": 20}, **more)


def used_after_the_lost_answer(seconds: float) -> tuple[Run, Any]:
    """Run where the answer to the wipe is lost and somebody uses the machine once it is over."""
    with simulated(lagging(seconds), [{"action": "ReInitDisk", "drop_answer": True}]) as sim:

        def use() -> None:
            for action in ({"start": INSTANCE}, {"write": DATA}, {"stop": INSTANCE}):
                sim.do(action)

        def wiped(_event: Any) -> bool:
            disk = sim.state()["disks"][DATA]
            return bool(disk["wipes"]) and disk["status"] == "In_use"

        done = run_plan(sim, on_event=once(wiped, use))
        return done, sim.state()


@pytest.mark.parametrize("seconds", [0, 4, 12, 18, 25, 60])
def test_what_was_written_after_a_lost_answer_survives_lists_that_lag(seconds: float) -> None:
    """A machine that somebody used after the lost answer to its wipe is not wiped again, however late that shows."""
    done, state = used_after_the_lost_answer(seconds)

    assert_true(done, state, others=True)
    assert [made["starts_before"] for made in state["disks"][DATA]["wipes"]] in ([], [1])


@pytest.mark.parametrize("seconds", [20, 60, 300])
def test_where_lists_lag_too_long_nothing_is_wiped(seconds: float) -> None:
    """A lag of 20 s or more could hide that somebody uses the machine: it comes back, and the report says why."""
    with simulated(lagging(seconds)) as sim:
        done = run_plan(sim)
        state = sim.state()

    assert_true(done, state)
    assert (done.outcome, state["disks"][DATA]["wipes"]) == ("failed", [])
    assert state["instances"][INSTANCE]["status"] == "Running"
    assert "ECS shows changes" in done.report.jobs[0].error.message


@pytest.mark.parametrize("seconds", [0, 3, 12])
def test_a_shorter_lag_is_waited_for(seconds: float) -> None:
    """A lag of less than 20 s ends no run: what must hold, holds for so much longer."""
    with simulated(lagging(seconds)) as sim:
        done = run_plan(sim)
        state = sim.state()

    assert_true(done, state)
    assert (done.outcome, len(state["disks"][DATA]["wipes"])) == ("done", 1)
