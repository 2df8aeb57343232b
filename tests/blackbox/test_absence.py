"""What ECS does not list is not gone: the start that is due is sent, and only NotFound ends what is owed."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.model import Report
from tests.cloudlike import (
    DATA,
    INSTANCE,
    accepted,
    changes,
    client,
    instance_status,
    once,
    resumed,
    run_plan,
    showing,
    simulated,
    wipes,
)

pytestmark = pytest.mark.virtual_time

HIDDEN = {"action": "ecs:DescribeInstances"}
"""Without the right to it ECS answers DescribeInstances with an empty list."""


def power(report: Report) -> str:
    """Return what a report says of the power at the end."""
    return report.jobs[0].power_after


@pytest.mark.parametrize("when", ["StopInstance", "ReInitDisk"])
def test_an_empty_list_does_not_give_a_stopped_machine_up(when: str) -> None:
    """A machine that ECS does not list any more is started all the same, and is running at the end."""
    with simulated() as sim:
        done = run_plan(sim, on_event=once(accepted(when), lambda: sim.do({"deny": HIDDEN})))
        state = sim.state()

        assert changes(state).count("StartInstance") >= 1
        assert instance_status(sim) == "Running"
        assert wipes(state, DATA) == (when == "ReInitDisk")
        assert done.outcome in ("stranded", "not-restarted"), "it was not seen to run"
        assert power(done.report) == ""


def test_a_machine_that_is_listed_again_is_seen_to_run() -> None:
    """The run looks on until the limit of the phase: what is listed again later is seen, and the run ends as it was."""

    def hide(_event: Any = None) -> None:
        sim.do({"deny": HIDDEN})

    with simulated() as sim:
        hidden = once(accepted("ReInitDisk"), hide)
        shown = once(accepted("StartInstance"), lambda: sim.do({"allow": HIDDEN}))

        def on_event(event: Any) -> None:
            hidden(event)
            shown(event)

        done = run_plan(sim, on_event=on_event)

        assert done.outcome == "done"
        assert power(done.report) == instance_status(sim) == "Running"


def test_for_what_ecs_does_not_know_any_more_nothing_is_pending() -> None:
    """A machine released while it was stopped: NotFound is said as such, and the run is closed."""
    with simulated() as sim:
        released = once(showing(instance="Stopped"), lambda: sim.do({"delete_instance": INSTANCE}))
        ours = client(sim)
        done = run_plan(sim, on_event=released, using=ours)
        result = done.report.jobs[0].error

        assert done.outcome == "stranded"
        assert result is not None
        assert "InvalidInstanceId.NotFound" in result.message
        assert "released" in result.message
        assert power(done.report) == ""
        assert not ours.stored(str(done.report.run_id)).open


def test_resume_starts_a_machine_that_is_not_listed() -> None:
    """The same holds for resume: the start that is due does not wait for the list."""
    with simulated() as sim:
        ours = client(sim)
        locked = once(accepted("ReInitDisk"), lambda: sim.do({"lock": INSTANCE, "reason": "security"}))
        done = run_plan(sim, on_event=locked, using=ours, limits={"start": 60.0})
        sim.do({"unlock": INSTANCE})
        sim.do({"deny": HIDDEN})
        report = resumed(sim, done.report.run_id, using=ours)

        assert done.outcome == report.outcome == "not-restarted"
        assert instance_status(sim) == "Running"
