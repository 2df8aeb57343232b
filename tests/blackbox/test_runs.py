"""Whole runs through the real SDK, on virtual time, each report held against what the simulated cloud says is true."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from safe_reinit.client import Interrupt
from safe_reinit.model import Event
from safe_reinit.report import plan_lines
from tests.cloudlike import (
    BYSTANDER,
    DATA,
    INSTANCE,
    SOURCE,
    SYSTEM,
    accepted,
    answered,
    assert_true,
    client,
    intended,
    lab_world,
    once,
    run_plan,
    showing,
    simulated,
    wipes,
)
from tests.samples import sampled

pytestmark = pytest.mark.virtual_time

ACTS = ("StopInstance", "ReInitDisk", "StartInstance")

# What goes wrong with a call, and passes.
FAULTS: dict[str, dict[str, Any]] = {
    "throttled": {"throttle": True},
    "throttled by header": {"throttle": {"retry_after": 5}},
    "throttled by 403": {"error": {"code": "Throttling.User", "status": 403}},
    "busy": {"error": {"code": "IncorrectInstanceStatus", "status": 403}},
    "internal error": {"error": {"code": "InternalError", "status": 500}},
    "throttled by 503": {"error": {"code": "Throttling", "status": 503}},
    "late": {"delay": 90},
    "late and lost": {"delay": 6, "drop_answer": True},
    "answer dropped": {"drop_answer": True},
    "request dropped": {"drop_request": True},
    "reset": {"reset": True},
    "garbled": {"garble": True},
    "a page instead": {"html": 502},
    "a page for success": {"html": 200},
    "a page after it": {"html_after": 502},
    "a page of 404 after it": {"html_after": 404},
}


@pytest.mark.parametrize("kind", sampled(FAULTS))
def test_whatever_befalls_each_call_once_the_run_ends_well(kind: str) -> None:
    """A fault that passes, at the stop, the wipe and the start of one run, leaves it done, with one wipe and no lie."""
    with simulated(faults=[{"action": act, "dry_run": False, **FAULTS[kind]} for act in ACTS]) as sim:
        done = run_plan(sim)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done", done.error
    assert wipes(state, DATA) == 1
    assert done.sent("ReInitDisk") <= 2, "one that was refused or, behind the fence, lost is asked again once"


@pytest.mark.parametrize(("act", "outcome"), [*zip(ACTS, ("failed", "failed", "done"), strict=True)])
@pytest.mark.parametrize(("code", "status"), [("Brand.New", 400), ("Forbidden.RAM", 403)])
def test_a_call_that_is_refused_ends_as_the_table_of_exit_codes_says(
    code: str, status: int, act: str, outcome: str
) -> None:
    """A stop or a wipe that is refused for good, known or not, fails the run; a start is asked for again."""
    with simulated(faults=[{"action": act, "dry_run": False, "error": {"code": code, "status": status}}]) as sim:
        done = run_plan(sim)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == outcome
    assert done.sent("ReInitDisk") <= 1


@pytest.mark.parametrize("kind", ["throttle", "drop_request"])
@pytest.mark.parametrize(
    "reading", ["DescribeDisks", "DescribeInstances", "DescribeSnapshots", "DescribeImages", "GetCallerIdentity"]
)
def test_a_read_that_fails_now_and_then_changes_nothing(reading: str, kind: str) -> None:
    """A look that fails at several places, probes by DryRun included, is asked again, and the run ends well."""
    faults = [{"action": reading, "nth": nth, kind: True} for nth in (2, 3, 5, 8, 13, 21, 34)]
    with simulated(faults=faults) as sim:
        done = run_plan(sim, (SYSTEM,) if reading == "DescribeImages" else (DATA,))
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done", done.report.error


@pytest.mark.parametrize("phase", ["before the stop", "after the stop"])
@pytest.mark.parametrize("reading", ["DescribeDisks", "DescribeSnapshots", "GetCallerIdentity"])
def test_a_read_that_never_comes_back_ends_the_run_with_the_machine_up(reading: str, phase: str) -> None:
    """A look that fails for good ends the run in time: 3 before the first change, else with the truth that is left."""
    fault = {"fault": {"action": reading, "nth": "every", "drop_request": True}}
    with simulated() as sim:
        before = phase == "before the stop"
        done = run_plan(
            sim,
            limits={"retry": 20.0, "start": 40.0},
            between=(lambda: sim.do(fault)) if before else None,
            on_event=None if before else once(showing(instance="Stopped"), lambda: sim.do(fault)),
        )
        state = sim.state()

    assert wipes(state, DATA) == 0
    assert done.report.jobs[0].disks[0].data == "untouched"
    if before:
        assert done.outcome == "refused"
        assert state["instances"][INSTANCE]["status"] == "Running"
    else:
        assert done.outcome == "failed"
        assert state["instances"][INSTANCE]["status"] == "Running"


# Drift: between plan and run, and between stop and wipe.

DRIFT: dict[str, tuple[list[dict[str, Any]], str]] = {
    "stopped": ([{"stop": INSTANCE}], "Status: Running -> Stopped"),
    "restarted": ([{"stop": INSTANCE}, {"start": INSTANCE}], "StartTime: "),
    "detached": ([{"detach": DATA}], "d-data.InstanceId: i-web -> none"),
    "attached anew": (
        [{"stop": INSTANCE}, {"detach": DATA}, {"attach": DATA, "instance": INSTANCE}, {"start": INSTANCE}],
        "AttachedTime: ",
    ),
    "instance locked": ([{"lock": INSTANCE, "reason": "security"}], "i-web.OperationLocks: none -> security"),
    "disk locked": ([{"lock": DATA, "reason": "financial"}], "d-data.OperationLocks: none -> financial"),
    "source deleted": ([{"delete_snapshot": SOURCE}], "SourceSnapshot: accomplished -> none"),
}


@pytest.mark.parametrize("what", DRIFT)
def test_what_moved_after_the_plan_ends_the_run_before_it_changes_anything(what: str) -> None:
    """A fact that moved between plan and run ends it with 3, said as ``field: planned -> now``, and nothing is sent."""
    actions, text = DRIFT[what]
    with simulated() as sim:
        done = run_plan(sim, between=lambda: [sim.do(action) for action in actions])
        state = sim.state()

    assert done.outcome == "refused"
    assert done.report.exit_code == 3
    assert not done.codes("StopInstance")
    assert wipes(state, DATA) == 0
    assert done.error is not None
    assert text in str(done.error)


AFTER: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "started": ([{"start": INSTANCE}], "failed", "Running"),
    "restarted": ([{"start": INSTANCE}, {"stop": INSTANCE}], "failed", "Running"),
    "detached": ([{"detach": DATA}], "failed", "Running"),
    "attached anew": ([{"detach": DATA}, {"attach": DATA, "instance": INSTANCE}], "failed", "Running"),
    "instance locked": ([{"lock": INSTANCE, "reason": "security"}], "stranded", "Stopped"),
    "disk locked": ([{"lock": DATA, "reason": "security"}], "failed", "Running"),
    "source deleted": ([{"delete_snapshot": SOURCE}], "failed", "Running"),
}


@pytest.mark.parametrize("what", AFTER)
def test_what_moves_between_stop_and_wipe_ends_the_run_without_a_wipe(what: str) -> None:
    """A fact that moves while the machine is down ends the run with 4, or 8 where the power cannot come back."""
    actions, outcome, power = AFTER[what]
    with simulated() as sim:
        done = run_plan(sim, on_event=once(showing(instance="Stopped"), lambda: [sim.do(action) for action in actions]))
        state = sim.state()

    assert_true(done, state, others=True)
    assert done.outcome == outcome
    assert state["instances"][INSTANCE]["status"] == power
    assert wipes(state, DATA) == 0
    assert done.error is not None
    assert "->" in str(done.error)


def test_an_observation_that_took_long_is_none_before_a_wipe() -> None:
    """What was read before a call is at most 3 seconds old: a start during a slow look is not missed."""
    with simulated() as sim:

        def slow() -> None:
            sim.do({"fault": {"action": "DescribeSnapshots", "delay": 8}})
            threading.Timer(4, lambda: [sim.do({"start": INSTANCE}), sim.do({"stop": INSTANCE})]).start()

        done = run_plan(sim, on_event=once(showing(instance="Stopped"), slow))
        state = sim.state()

    assert wipes(state, DATA) == 0, "a machine that was started since the look was wiped"
    assert_true(done, state, others=True)


def test_a_stop_of_ours_that_was_refused_makes_no_stop_of_somebody_else_ours() -> None:
    """Where another person stops the machine while our stop is refused, nothing is wiped and nothing is started."""
    throttled = [{"action": "StopInstance", "dry_run": False, "throttle": True}]
    with simulated(faults=throttled) as sim:
        done = run_plan(sim, on_event=once(answered("StopInstance"), lambda: sim.do({"stop": INSTANCE})))
        state = sim.state()

    assert wipes(state, DATA) == 0
    assert state["instances"][INSTANCE] | {"status": "Stopped", "starts": 1} == state["instances"][INSTANCE]
    assert done.outcome == "stranded"


def test_somebody_who_starts_the_machine_after_the_wipe_is_no_failure() -> None:
    """A machine that another person started once its disk was wiped is as promised."""
    with simulated() as sim:
        wiped = once(intended("StartInstance"), lambda: sim.do({"start": INSTANCE}))
        done = run_plan(sim, on_event=wiped)
        state = sim.state()

    assert_true(done, state, others=True)
    assert done.outcome == "done"


# Several disks, several machines, and the promises about power.


def test_two_disks_of_one_machine_share_one_stop_and_one_start() -> None:
    """Several disks of one instance are wiped in one downtime, each once, and its other disks are left alone."""
    with simulated() as sim:
        done = run_plan(sim, (DATA, SYSTEM))
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done"
    assert (done.sent("StopInstance"), done.sent("ReInitDisk"), done.sent("StartInstance")) == (1, 2, 1)
    assert wipes(state, BYSTANDER) == 0


@pytest.mark.parametrize(
    ("fault", "outcome", "data"),
    [
        ({"error": {"code": "Brand.New", "status": 400}}, "partial", {DATA: "reinitialised", SYSTEM: "intact"}),
        ({"drop_request": True}, "done", {DATA: "reinitialised", SYSTEM: "reinitialised"}),
        ({"drop_request": True, "times": 9}, "unknown", {DATA: "reinitialised", SYSTEM: "unknown"}),
        ({"drop_answer": True}, "done", {DATA: "reinitialised", SYSTEM: "reinitialised"}),
    ],
)
def test_what_befalls_the_second_disk_takes_nothing_from_the_first(
    fault: dict[str, Any], outcome: str, data: dict[str, str]
) -> None:
    """Each disk of a machine is told as it is, and a doubt about one keeps the machine stopped."""
    with simulated(faults=[{"action": "ReInitDisk", "subject": SYSTEM, **fault}]) as sim:
        done = run_plan(sim, (DATA, SYSTEM))
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == outcome
    assert {disk.disk_id: disk.data for disk in done.report.jobs[0].disks} == data


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [({"error": {"code": "Brand.New", "status": 400}}, "partial"), ({"reset": True, "times": 9}, "unknown")],
)
def test_two_machines_in_one_run_have_each_their_own_outcome(fault: dict[str, Any], outcome: str) -> None:
    """What befalls one machine leaves the other one wiped and running, and the run has the outcome of both."""
    two = lab_world(machines=(INSTANCE, "i-db"))
    with simulated(two, faults=[{"action": "ReInitDisk", "subject": DATA, **fault}]) as sim:
        done = run_plan(sim, (DATA, f"{DATA}-db"))
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == outcome
    assert done.report.jobs[1].outcome == "done"
    assert state["instances"]["i-db"]["status"] == "Running"


@pytest.mark.parametrize("status", ["Running", "Stopped"])
@pytest.mark.parametrize("leave_stopped", [True, False])
def test_power_is_left_as_promised_after_a_wipe(status: str, leave_stopped: bool) -> None:
    """A machine that ran runs again unless it is to be left stopped, and one that was stopped stays stopped."""
    with simulated(lab_world(status=status)) as sim:
        done = run_plan(sim, leave_stopped=leave_stopped)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done"
    expected = "Running" if status == "Running" and not leave_stopped else "Stopped"
    assert state["instances"][INSTANCE]["status"] == expected == done.report.jobs[0].power_promised
    assert state["instances"][INSTANCE]["stopped_mode"] in ("KeepCharging", "Not-applicable")
    assert done.sent("StopInstance") == (status == "Running")


def test_a_wipe_that_is_refused_brings_the_machine_back_though_it_was_to_be_left_stopped() -> None:
    """``leave_stopped`` holds only after a wipe: without one the machine runs again as before."""
    with simulated(faults=[{"action": "ReInitDisk", "error": {"code": "OperationDenied"}}]) as sim:
        done = run_plan(sim, leave_stopped=True)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "failed"
    assert state["instances"][INSTANCE]["status"] == "Running"
    assert done.codes("ReInitDisk") == ["OperationDenied"]


# Waits.


def test_a_snapshot_in_progress_is_waited_for_while_the_machine_still_runs() -> None:
    """No machine is stopped while a snapshot of its disk is being created, and afterwards the run goes on."""
    stops: list[str] = []
    with simulated() as sim:

        def note(event: Event) -> None:
            if intended("StopInstance")(event):
                stops.extend(row["status"] for row in sim.state()["snapshots"].values() if row["disk_id"] == DATA)

        done = run_plan(sim, between=lambda: sim.do({"snapshot": DATA, "seconds": 30}), on_event=note)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done"
    assert stops == ["accomplished"] * 2  # that of the world and the one that was waited for
    assert [phase.name for phase in done.report.jobs[0].phases] == ["wait-snapshot", "stop", "reinit", "start"]


def test_a_snapshot_that_does_not_end_ends_the_run_with_nothing_changed() -> None:
    """When the time for a snapshot has passed the run is refused, and the machine was never touched."""
    with simulated() as sim:
        done = run_plan(sim, limits={"snapshot": 20.0}, between=lambda: sim.do({"snapshot": DATA, "seconds": 9999}))
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "refused"
    assert done.report.jobs[0].phases[0].result == "timeout"


def test_a_snapshot_that_begins_while_the_machine_is_down_is_waited_for() -> None:
    """DiskCreatingSnapshot is asked again until the snapshot is accomplished, each time as a new attempt."""
    with simulated() as sim:
        begin = once(intended("ReInitDisk"), lambda: sim.do({"snapshot": DATA, "seconds": 90}))
        done = run_plan(sim, on_event=begin)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done"
    assert set(done.codes("ReInitDisk")[:-1]) == {"DiskCreatingSnapshot"}
    attempts = [call.attempt for call in done.report.calls if call.action == "ReInitDisk"]
    assert attempts == list(range(1, len(attempts) + 1))


def test_a_guest_that_ignores_the_stop_is_cut_off_only_when_asked_for() -> None:
    """A forced stop is sent once, after the time that was given for it, and the wipe follows."""
    with simulated(lab_world(instance={"ignores_stop": True})) as sim:
        done = run_plan(sim, limits={"force_stop_after": 10.0})
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done"
    assert done.sent("StopInstance") == 2


DEAF: dict[str, Any] = {"instance": {"ignores_stop": True}}
FORCED: dict[str, Any] = {"action": "StopInstance", "dry_run": False, "nth": 2}
"""What befalls the forced stop, which is the second one."""


def test_a_power_cut_is_an_intention_of_its_own() -> None:
    """The plan calls it a POWER CUT; the forced stop is intended and answered by itself, after the graceful one."""
    with simulated(lab_world(**DEAF)) as sim:
        caller = client(sim, {"force_stop_after": 90.0})
        text = "\n".join(line.text for line in plan_lines(caller.plan([DATA], stop_instance=True)))
        done = run_plan(sim, using=caller)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done"
    assert "2/4 StopInstance ForceStop, a POWER CUT, if it is still Stopping after 1m30s" in text
    result = [
        (event.event, event.data["force"])
        for event in done.events
        if event.event in ("intend", "answer") and event.data["action"] == "StopInstance"
    ]
    assert result == [("intend", False), ("answer", False), ("intend", True), ("answer", True)]
    assert [phase.name for phase in done.report.jobs[0].phases] == ["stop", "reinit", "start"]


def test_without_the_option_the_plan_names_no_power_cut() -> None:
    """Nobody is shown, or gets, a forced stop that was not asked for."""
    with simulated() as sim:
        text = "\n".join(line.text for line in plan_lines(client(sim).plan([DATA], stop_instance=True)))

    assert "POWER CUT" not in text


def test_a_guest_that_stops_in_time_is_not_cut_off() -> None:
    """The forced stop is for a guest that is still Stopping when its time has passed, and for no other."""
    with simulated() as sim:
        done = run_plan(sim, limits={"force_stop_after": 300.0})
        state = sim.state()

    assert_true(done, state)
    assert (done.outcome, done.sent("StopInstance")) == ("done", 1)


@pytest.mark.parametrize(
    ("what", "outcome"),
    [
        ({"drop_answer": True}, "done"),
        ({"delay": 90}, "done"),
        ({"throttle": True}, "done"),
        ({"error": {"code": "IncorrectInstanceStatus", "status": 403}}, "done"),
        ({"drop_request": True}, "done"),
        ({"error": {"code": "InternalError", "status": 500}}, "done"),
        ({"drop_request": True, "times": 99}, "stranded"),
        ({"error": {"code": "Brand.New", "status": 400}}, "stranded"),
    ],
    ids=str,
)
def test_whatever_befalls_the_power_cut_the_report_is_true(what: dict[str, Any], outcome: str) -> None:
    """A forced stop that was done is seen by what it did; one that was not leaves the machine Stopping, 8, unwiped."""
    with simulated(lab_world(**DEAF), faults=[{**FORCED, **what}]) as sim:
        done = run_plan(sim, limits={"force_stop_after": 10.0, "stop": 120.0, "start": 40.0})
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == outcome, done.error
    assert wipes(state, DATA) == (outcome == "done")


def test_an_interruption_never_leads_to_a_power_cut() -> None:
    """Who asks the run to end gets no forced stop any more: the machine is watched, and told as it is."""
    interrupt = Interrupt()
    with simulated(lab_world(**DEAF)) as sim:
        ask = once(showing(instance="Stopping"), interrupt.ask)
        done = run_plan(sim, stop=interrupt, on_event=ask, limits={"force_stop_after": 20.0, "start": 40.0})
        state = sim.state()

    assert_true(done, state)
    assert (done.outcome, done.sent("StopInstance")) == ("stranded", 1)


def test_a_power_cut_and_then_the_safety_snapshot() -> None:
    """A machine that was cut off is snapshot and wiped like any other."""
    with simulated(lab_world(**DEAF)) as sim:
        done = run_plan(sim, snapshot=True, limits={"force_stop_after": 10.0})
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done"


def test_a_guest_that_ignores_the_stop_is_reported_as_stranded() -> None:
    """Without a forced stop a machine that stays Stopping ends 8, with the last state seen in the message."""
    with simulated(lab_world(instance={"ignores_stop": True})) as sim:
        done = run_plan(sim, limits={"stop": 20.0, "start": 30.0})
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "stranded"
    assert done.sent("StopInstance") == 1
    assert "Stopping" in str(done.error)


@pytest.mark.parametrize("leave_stopped", [True, False])
def test_a_stop_that_comes_too_late_is_followed_by_a_start(leave_stopped: bool) -> None:
    """A machine that is Stopped only after the time for it is started again, and nothing is wiped."""
    with simulated(lab_world(instance={"stop_seconds": 45})) as sim:
        done = run_plan(sim, limits={"stop": 20.0}, leave_stopped=leave_stopped)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "failed"
    assert wipes(state, DATA) == 0
    assert state["instances"][INSTANCE]["status"] == "Running"
    assert done.report.jobs[0].phases[0].result == "timeout"


def test_a_wipe_that_does_not_end_in_time_is_unknown_and_stays_stopped() -> None:
    """A disk still ReIniting when the time has passed is told as unknown, and its machine is not started."""
    with simulated(lab_world(disk={"wipe_seconds": 9999})) as sim:
        done = run_plan(sim, limits={"reinit": 30.0})
        state = sim.state()

    assert done.outcome == "unknown"
    assert done.report.exit_code == 5
    assert done.report.jobs[0].disks[0].data == "unknown"
    assert done.sent("StartInstance") == 0
    assert state["instances"][INSTANCE]["status"] == "Stopped"
    assert "ReIniting" in str(done.error)
    assert done.report.jobs[0].phases[-1].result in ("timeout", "unknown")


def test_a_start_that_does_not_end_in_time_is_reported_as_not_restarted() -> None:
    """A machine still Starting when the time has passed is told so, and the wipe keeps its proof."""
    with simulated(lab_world(instance={"start_seconds": 9999})) as sim:
        done = run_plan(sim, limits={"start": 20.0})
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "not-restarted"
    assert "Starting" in str(done.error)
    assert done.report.jobs[0].phases[-1].result == "timeout"


def test_a_wipe_too_short_to_be_seen_is_proven_by_the_time_that_passes() -> None:
    """In_use through the settling time after an accepted call is proof, and is told as ``settled``."""
    with simulated(lab_world(disk={"wipe_seconds": 0})) as sim:
        done = run_plan(sim)
        state = sim.state()

    assert_true(done, state)
    assert done.report.jobs[0].disks[0].evidence == "settled"


@pytest.mark.parametrize("lag", [3.0, 10.0])
def test_observations_that_lag_behind_lead_to_no_second_call(lag: float) -> None:
    """What ECS shows late is waited for: each call is sent once, and the first In_use is no proof."""
    with simulated(lab_world(describe_lag=lag)) as sim:
        done = run_plan(sim)
        state = sim.state()

    assert done.outcome == "done"
    assert wipes(state, DATA) == 1
    assert done.report.jobs[0].disks[0].evidence == "transition"
    assert (done.sent("StopInstance"), done.sent("ReInitDisk")) == (1, 1)


# Interruption.

PHASES: dict[str, tuple[Callable[[Event], bool], str]] = {
    "at once": (lambda _event: True, "refused"),
    "stop intended": (intended("StopInstance"), "refused"),
    "stop answered": (accepted("StopInstance"), "failed"),
    "Stopping": (showing(instance="Stopping"), "failed"),
    "Stopped": (showing(instance="Stopped"), "failed"),
    "wipe intended": (intended("ReInitDisk"), "failed"),
    "wipe answered": (accepted("ReInitDisk"), "done"),
    "ReIniting": (showing(disk="ReIniting"), "done"),
    "start intended": (intended("StartInstance"), "done"),
    "Starting": (showing(instance="Starting"), "done"),
}


@pytest.mark.parametrize("phase", PHASES)
def test_an_interruption_ends_the_run_with_the_machine_back(phase: str) -> None:
    """Asked to end at any time, a run sends no wipe any more, ends what it began, and starts the machine again."""
    test, outcome = PHASES[phase]
    interrupt = Interrupt()
    with simulated() as sim:
        done = run_plan(sim, stop=interrupt, on_event=once(test, interrupt.ask))
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == outcome
    assert state["instances"][INSTANCE]["status"] == "Running"


def test_an_interruption_during_the_first_wipe_spares_the_second_disk() -> None:
    """A disk that was not asked for when the run was interrupted is not wiped, and the report tells both apart."""
    interrupt = Interrupt()
    with simulated() as sim:
        done = run_plan(sim, (DATA, SYSTEM), stop=interrupt, on_event=once(accepted("ReInitDisk"), interrupt.ask))
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "partial"
    assert wipes(state, DATA) + wipes(state, SYSTEM) == 1
    assert state["instances"][INSTANCE]["status"] == "Running"


def test_an_interruption_early_in_a_long_wipe_brings_the_machine_back() -> None:
    """The time for the start is counted from when it is owed: a wipe longer than it leaves no machine down."""
    interrupt = Interrupt()
    with simulated(lab_world(disk={"wipe_seconds": 90})) as sim:
        ask = once(showing(disk="ReIniting"), interrupt.ask)
        done = run_plan(sim, stop=interrupt, limits={"start": 45.0}, on_event=ask)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done"


def ask_twice(interrupt: Interrupt) -> None:
    """Do as a person who will not wait."""
    interrupt.ask()
    interrupt.leave()


@pytest.mark.parametrize(("act", "outcome"), [("StopInstance", "stranded"), ("ReInitDisk", "unknown")])
def test_who_asks_twice_gets_the_truth_as_far_as_it_is_known(act: str, outcome: str) -> None:
    """Left at once while a call is in flight, a run claims neither power as promised nor data intact."""
    interrupt = Interrupt()
    faults = [{"action": act, "dry_run": False, "delay": 90, "drop_answer": True}]
    with simulated(faults=faults) as sim:
        asked = threading.Timer(6, ask_twice, [interrupt])
        done = run_plan(sim, stop=interrupt, on_event=once(intended(act), asked.start))

    assert interrupt.left
    assert done.outcome == outcome


def test_who_leaves_while_a_stop_does_not_show_yet_is_promised_no_power() -> None:
    """A machine whose stop was accepted is about to go down, also where the looks still show it Running."""
    interrupt = Interrupt()
    with simulated(lab_world(describe_lag=30)) as sim:
        asked = threading.Timer(12, ask_twice, [interrupt])
        done = run_plan(sim, stop=interrupt, on_event=once(accepted("StopInstance"), asked.start))
        state = sim.state()

    assert state["instances"][INSTANCE]["status"] != "Running"
    assert done.outcome == "stranded"


# Credentials, and listeners.


@pytest.mark.parametrize("phase", sampled(phase for phase in PHASES if phase != "at once"))
def test_credentials_that_expire_leave_no_claim_that_nobody_saw(phase: str) -> None:
    """Credentials that expire at any time end the run soon, and what it tells of data and power is true."""
    test, _ = PHASES[phase]
    with simulated() as sim:
        expire = once(test, lambda: sim.do({"expire_key": sim.access_key[0]}))
        done = run_plan(sim, on_event=expire, limits={"stop": 120.0, "reinit": 120.0, "start": 120.0})
        threading.Event().wait(24)
        state = sim.state()

    job = done.report.jobs[0]
    true = {"reinitialised"} if wipes(state, DATA) else {"intact", "untouched"}
    assert job.disks[0].data in {*true, "unknown"}
    assert wipes(state, DATA) <= 1
    status = state["instances"][INSTANCE]["status"]
    assert job.power_after in (status, "", "Stopping", "Starting")
    if done.outcome in ("done", "failed", "refused"):
        assert status == "Running"
    assert all(phase.ended_at is not None or phase.result == "unknown" for phase in job.phases)
    assert done.error is not None
    assert done.error.code is not None
    assert "InvalidSecurityToken" in done.error.code


def test_a_right_that_is_missing_for_the_wipe_alone_brings_the_machine_back() -> None:
    """ReInitDisk has no dry run, so its missing right shows only now: the machine is started again."""
    with simulated() as sim:
        done = run_plan(sim, between=lambda: sim.do({"deny": {"action": "ecs:ReInitDisk"}}))
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "failed"
    assert state["instances"][INSTANCE]["status"] == "Running"
    assert done.sent("ReInitDisk") == 1


@pytest.mark.parametrize("phase", ["at once", "Stopped", "wipe intended", "start intended"])
def test_a_listener_that_fails_leaves_no_machine_down(phase: str) -> None:
    """An ``on_event`` that raises changes nothing: the run goes on to its end."""
    test, _ = PHASES[phase]

    def broken(event: Event) -> None:
        if test(event):
            raise BrokenPipeError

    with simulated() as sim:
        done = run_plan(sim, on_event=broken)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done"


@pytest.mark.parametrize("action", ["StopInstance", "ReInitDisk", "DescribeInstances"])
def test_a_listener_to_calls_that_fails_leaves_no_machine_down(action: str) -> None:
    """An ``on_call`` that raises makes no answer lost and no machine stay down."""
    with simulated() as sim:

        def broken(call: Any) -> None:
            if call.action == action and not call.dry_run and call.code == "OK":
                raise BrokenPipeError

        done = run_plan(sim, on_call=broken)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done"
