"""What is said of the power is true: limits that passed, what to do about a state, and what the last look showed."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest

from safe_reinit.report import plan_lines, report_lines
from safe_reinit.simulator import Simulator
from tests.cloudlike import DATA, INSTANCE, accepted, lab_world, once, run_plan, showing, simulated

pytestmark = pytest.mark.virtual_time

DEAF: dict[str, Any] = {"instance": {"ignores_stop": True}}
START = re.compile(r"start the instance|starts? it in the", re.IGNORECASE)


def hint_of(done: Any) -> str:
    """Return what the error of a run says to do."""
    return str(done.error.hint)


def power_text(report: Any) -> str:
    """Return a report as people read it."""
    return "\n".join(line.text for line in report_lines(report))


def calls(sim: Simulator, action: str) -> list[datetime]:
    """Return when this call came over the API, dry runs left out."""
    return [
        datetime.fromisoformat(each["at"])
        for each in sim.state()["calls"]
        if each["action"] == action and each["source"] == "api" and not each["dry_run"]
    ]


def test_a_stop_that_takes_too_long_is_reported_and_no_limit_is_shown_as_passed() -> None:
    """Once timeout_stop has passed every wait says so, and shows the limit that counts from then."""
    with simulated(lab_world(**DEAF)) as sim:
        done = run_plan(sim, limits={"stop": 60.0, "start": 120.0})
        waits = [event.data for event in done.events if event.event == "wait"]
        late = [each for each in waits if "timeout_stop= had passed" in str(each["why"])]

        assert done.outcome == "stranded"
        assert late
        assert all(each["elapsed"] <= each["limit"] + 5.0 for each in waits)  # to see it takes a look


def test_a_machine_that_is_still_stopping_is_not_to_be_started() -> None:
    """The hint follows the state: one that is Stopping cannot be started, and resume starts it later."""
    with simulated(lab_world(**DEAF)) as sim:
        done = run_plan(sim, limits={"stop": 60.0, "start": 60.0})

        assert done.outcome == "stranded"
        assert "still Stopping" in hint_of(done)
        assert f"safe-reinit resume {done.report.run_id}" in hint_of(done)
        assert not START.search(hint_of(done))


def test_a_machine_that_is_locked_is_not_to_be_started() -> None:
    """One that ECS has locked cannot be started before the lock is gone."""
    with simulated() as sim:
        lock = once(accepted("ReInitDisk"), lambda: sim.do({"lock": INSTANCE, "reason": "security"}))
        done = run_plan(sim, on_event=lock, limits={"start": 60.0})

        assert done.outcome == "not-restarted"
        assert hint_of(done).startswith("ECS has locked the instance (security), so it cannot be started")


def test_a_machine_that_is_still_starting_is_given_time() -> None:
    """One that is Starting is not to be started once more."""
    with simulated(lab_world(instance={"start_seconds": 4000})) as sim:
        done = run_plan(sim, limits={"start": 60.0})

        assert done.outcome == "not-restarted"
        assert "still Starting" in hint_of(done)
        assert not START.search(hint_of(done))


def test_a_machine_released_before_its_stop_is_not_reported_as_running() -> None:
    """What the last look did not show is not seen, with the likely reason, and nothing is said of its data."""
    with simulated() as sim:
        done = run_plan(sim, between=lambda: sim.do({"delete_instance": INSTANCE}))
        text = power_text(done.report)

        assert done.outcome == "refused"
        assert f"({INSTANCE}) is Running" not in text
        assert "was not seen at the end" in text
        assert "data intact" not in text
        assert done.error is not None
        assert "released" in str(done.error)


def test_a_machine_released_while_it_was_stopped_is_not_to_be_started() -> None:
    """Once ECS answers NotFound nobody is told to start it."""
    with simulated() as sim:
        done = run_plan(sim, on_event=once(showing(instance="Stopped"), lambda: sim.do({"delete_instance": INSTANCE})))

        assert done.outcome == "stranded"
        assert "data intact" not in power_text(done.report)
        assert not START.search(hint_of(done))
        assert "resume" not in hint_of(done)


def test_a_machine_of_which_nothing_is_seen_after_its_stop_is_not_reported_as_running() -> None:
    """Lists lag behind the stop, and then fail: the run stays open, and says that the machine may be down."""
    silent = {"action": "DescribeInstances", "nth": 3, "times": 10_000, "error": {"code": "InternalError"}}
    with simulated(lab_world(describe_lag=5.0)) as sim:
        stopped = once(accepted("StopInstance"), lambda: sim.do({"fault": silent}))
        done = run_plan(sim, on_event=stopped, limits={"start": 60.0})

        assert sim.state()["instances"][INSTANCE]["status"] == "Stopped"
        assert done.outcome == "stranded"
        assert f"safe-reinit resume {done.report.run_id}" in hint_of(done)


def test_a_machine_is_not_down_for_longer_than_the_plan_says() -> None:
    """A snapshot that appears after the stop does not keep the machine down beyond what the plan shows."""
    with simulated() as sim:
        begun = once(showing(instance="Stopped"), lambda: sim.do({"snapshot": DATA, "seconds": 7200}))
        done = run_plan(sim, on_event=begun)
        text = " ".join(line.text for line in plan_lines(done.plan))
        ((hours, minutes),) = re.findall(r"down at most (?:(\d+)h)?(?:(\d+)m)?", text)
        down = (calls(sim, "StartInstance")[0] - calls(sim, "StopInstance")[0]).total_seconds()

        assert down <= int(hours or 0) * 3600 + int(minutes or 0) * 60
        assert done.outcome == "failed"
        assert re.search(r"ReInitDisk of d-data (was refused each time|with DiskCreatingSnapshot)", str(done.error))
