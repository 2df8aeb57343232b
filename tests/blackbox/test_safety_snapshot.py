"""The safety snapshot: after the stop, of what the disk held then, accomplished before the wipe; else there is none."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs

from safe_reinit.client import Interrupt
from safe_reinit.model import Event
from safe_reinit.report import plan_lines
from safe_reinit.simulator import Simulator
from tests.cloudlike import (
    BYSTANDER,
    DATA,
    INSTANCE,
    SYSTEM,
    Run,
    accepted,
    assert_true,
    changes,
    client,
    intended,
    killed,
    lab_world,
    once,
    resumed,
    run_plan,
    safety_of,
    simulated,
    taken,
    wipes,
)
from tests.commands import command, until
from tests.conftest import ended_by
from tests.samples import sampled
from tests.simulator.support import sdk

pytestmark = pytest.mark.virtual_time

SLOW = {"stop": 8, "wipe": 16, "start": 8, "snapshot": 99999}
"""The durations of a world in which no snapshot is ever accomplished."""


def progressing(event: Event) -> bool:
    """Return whether an event shows a safety snapshot under way."""
    return event.event == "wait" and event.data["phase"] == "snapshot" and bool(event.data["progress"])


def assert_intact(done: Run, state: dict[str, Any], *, others: bool = False) -> None:
    """Assert that a run failed with nothing overwritten and the machine back."""
    assert_true(done, state, others=others)
    assert (done.outcome, done.report.exit_code) == ("failed", 4), done.report.error
    assert "ReInitDisk" not in changes(state)
    assert state["instances"][INSTANCE]["status"] == "Running"


# --------------------------------------------------------------------------------------------------- the usual way


@pytest.mark.parametrize(
    ("status", "disks"), [("Running", (SYSTEM,)), ("Running", (DATA, SYSTEM)), ("Stopped", (DATA, SYSTEM))]
)
def test_the_order_of_a_run(status: str, disks: tuple[str, ...]) -> None:
    """Stop, then a snapshot of each disk, then, once all are accomplished, the wipes, and then the start."""
    seen: list[set[str]] = []
    with simulated(lab_world(status=status)) as sim:

        def note(event: Event) -> None:
            if intended("ReInitDisk")(event):
                seen.append({row["status"] for row in taken(sim.state()).values()})

        done = run_plan(sim, disks, snapshot=True, on_event=note)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done", done.report.error
    power = [["StopInstance"], ["StartInstance"]] if status == "Running" else [[], []]
    assert changes(state) == [
        *power[0], *["CreateSnapshot"] * len(disks), *["ReInitDisk"] * len(disks), *power[1],
    ]  # fmt: skip
    assert seen
    assert all(statuses == {"accomplished"} for statuses in seen)
    assert sorted(row["disk_id"] for row in taken(state).values()) == sorted(disks)
    assert not taken(state, BYSTANDER)


def test_the_snapshot_holds_what_the_disk_held_at_the_stop() -> None:
    """What was written until the stop is in the snapshot that the report names, and the report has its phase."""
    with simulated() as sim:
        writes: list[str] = []

        def write() -> None:
            sim.do({"write": DATA})
            writes.append(sim.state()["disks"][DATA]["content"])

        done = run_plan(sim, snapshot=True, on_event=once(lambda event: event.event == "state", write))
        state = sim.state()

    job = done.report.jobs[0]
    snapshot = state["snapshots"][safety_of(done)[DATA]]
    assert (snapshot["disk_id"], snapshot["status"]) == (DATA, "accomplished")
    assert snapshot["content"] == state["disks"][DATA]["wipes"][0]["content_before"] == writes[0]
    assert [(phase.name, phase.result) for phase in job.phases] == [
        ("stop", "ok"), ("snapshot", "ok"), ("reinit", "ok"), ("start", "ok"),
    ]  # fmt: skip


@pytest.mark.parametrize("retention", [None, 30])
def test_what_is_asked_of_ecs(retention: int | None) -> None:
    """Name, description, tag and retention tell the run; instant access is never asked for."""
    with simulated() as sim:
        done = run_plan(sim, using=client(sim, {"snapshot_retention": retention}), snapshot=True)
        request = ecs.DescribeSnapshotsRequest(
            region_id="cn-hangzhou", snapshot_ids=json.dumps([safety_of(done)[DATA]])
        )
        (row,) = sdk(sim).describe_snapshots(request).body.snapshots.snapshot

    run_id = done.report.run_id
    assert row.snapshot_name == f"safe-reinit.{run_id}.{DATA}"
    assert row.description == f"Taken by safe-reinit before it wiped {DATA} in run {run_id}."
    assert [(tag.tag_key, tag.tag_value) for tag in row.tags.tag] == [("safe-reinit:run", run_id)]
    assert row.retention_days == retention
    assert (row.instant_access, row.category) == (False, "standard")


def test_the_plan_says_what_it_costs() -> None:
    """The plan lists the snapshot with its limit, counts it into the downtime, and says what is not proven."""
    with simulated() as sim:
        plan = client(sim).plan([DATA], stop_instance=True, snapshot=True)

    text = "\n".join(line.text for line in plan_lines(plan))
    assert "2/4 CreateSnapshot and wait for it 1h" in text
    assert "down at most 2h" in text
    assert "permission for ReInitDisk and CreateSnapshot" in text


def test_without_the_option_no_snapshot_is_taken() -> None:
    """Nobody pays for a snapshot that was not asked for."""
    with simulated() as sim:
        done = run_plan(sim)
        state = sim.state()

    assert_true(done, state)
    assert not taken(state)
    assert safety_of(done) == {DATA: None}


def test_the_progress_is_reported() -> None:
    """While the snapshot is being created, each wait says how far it is."""
    with simulated() as sim:
        done = run_plan(sim, snapshot=True)

    result: list[Any] = [event.data["progress"] for event in done.events if progressing(event)]
    percents = [int(text.rstrip("%")) for texts in result for text in texts if text]
    assert percents == sorted(percents)
    assert any(0 < percent < 100 for percent in percents)


@pytest.mark.parametrize("lag", [3.0, 10.0])
def test_observations_that_lag_behind_are_waited_for(lag: float) -> None:
    """A snapshot that a Describe shows late is not taken for gone, and is asked for once."""
    with simulated(lab_world(describe_lag=lag)) as sim:
        done = run_plan(sim, snapshot=True)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done", done.report.error
    assert len(taken(state)) == done.sent("CreateSnapshot") == 1


def test_a_snapshot_that_others_began_first_is_waited_for() -> None:
    """Where an automatic snapshot is in the way CreateSnapshot is asked again until it is accomplished."""
    with simulated() as sim:
        begin = once(intended("CreateSnapshot"), lambda: sim.do({"auto_snapshot": DATA, "seconds": 12}))
        done = run_plan(sim, snapshot=True, on_event=begin)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done", done.report.error
    assert set(done.codes("CreateSnapshot")[:-1]) == {"IncorrectDiskStatus.CreatingSnapshot"}
    assert len(taken(state, DATA)) == 2


# ------------------------------------------------------------------------------------------------------ its answer

LOST: dict[str, dict[str, Any]] = {
    "answer dropped": {"drop_answer": True},
    "garbled": {"garble": True},
    "a page after it": {"html_after": 502},
    "late": {"delay": 90},
    "late and lost": {"delay": 6, "drop_answer": True},
    "503": {"error": {"code": "ServiceUnavailable", "status": 503}},
    "500": {"error": {"code": "InternalError", "status": 500}},
    "request dropped": {"drop_request": True},
    "reset": {"reset": True},
    "throttled": {"throttle": True},
    "throttled by 403": {"error": {"code": "Throttling", "status": 403}},
    "busy": {"error": {"code": "IncorrectInstanceStatus", "status": 400}},
    "being worked at": {"error": {"code": "IdempotentProcessing", "status": 403}},
    "a key that is refused": {"error": {"code": "InvalidAccessKeyId.Inactive", "status": 400}},
}


@pytest.mark.parametrize(
    ("kind", "times"),
    [*sampled((kind, 1) for kind in LOST), ("answer dropped", 3), ("request dropped", 3), ("throttled", 3)],
)
def test_a_lost_answer_leads_to_one_snapshot(kind: str, times: int) -> None:
    """However often the answer is lost, the token makes it one snapshot, which is waited for and told."""
    with simulated(faults=[{"action": "CreateSnapshot", "times": times, **LOST[kind]}]) as sim:
        done = run_plan(sim, snapshot=True)
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done", done.report.error
    assert list(taken(state)) == [safety_of(done)[DATA]]
    assert done.sent("CreateSnapshot") == times + 1


REFUSALS = {"QuotaExceed.Snapshot": 403, "InvalidDiskId.NotFound": 404, "Forbidden.RAM": 403, "Brand.New": 409}
"""Of the account, the disk and the credentials; and what nobody knows. tests/model/test_codes.py judges all of them."""


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_ends_the_run_with_the_machine_back(code: str) -> None:
    """Each refusal of CreateSnapshot ends the run with 4 and its code: no wipe, the power back, no further try."""
    fault = {"action": "CreateSnapshot", "error": {"code": code, "status": REFUSALS[code]}}
    with simulated(faults=[fault]) as sim:
        done = run_plan(sim, snapshot=True)
        state = sim.state()

    assert_intact(done, state)
    assert done.report.error is not None
    assert done.error is not None
    assert done.error.code == code
    assert done.codes("CreateSnapshot") == [code]
    assert safety_of(done) == {DATA: None}
    assert ("snapshot", "refused") in [(phase.name, phase.result) for phase in done.report.jobs[0].phases]


@pytest.mark.parametrize(
    "what",
    [
        {"throttle": True},
        {"error": {"code": "IncorrectInstanceStatus", "status": 400}},
        {"error": {"code": "ServiceUnavailable", "status": 503}},
        {"drop_request": True},
    ],
    ids=lambda what: next(iter(what)) if "error" not in what else what["error"]["code"],
)
def test_no_machine_waits_down_for_a_snapshot_that_cannot_begin(what: dict[str, Any]) -> None:
    """Any other refusal that passes, and any answer that stays out, is borne for 5 minutes at most."""
    with simulated(faults=[{"action": "CreateSnapshot", "nth": "every", **what}]) as sim:
        done = run_plan(sim, snapshot=True, limits={"retry": 60.0})
        state = sim.state()

    assert_intact(done, state)
    assert 0 < done.sent("CreateSnapshot") < 20


def test_a_snapshot_whose_answers_are_all_lost_may_exist() -> None:
    """Where a snapshot may have been made and its id never came, the report says by what to look for it."""
    with simulated(faults=[{"action": "CreateSnapshot", "nth": "every", "drop_answer": True}]) as sim:
        done = run_plan(sim, snapshot=True, limits={"retry": 120.0})
        state = sim.state()

    assert_intact(done, state)
    assert len(taken(state, DATA)) == 1
    assert done.error is not None
    assert f"search for the tag safe-reinit:run {done.report.run_id}" in done.error.hint


# --------------------------------------------------------------------------------------- what becomes of it meanwhile


def the_one(sim: Simulator) -> str:
    """Name the safety snapshot that was taken."""
    (name,) = taken(sim.state(), DATA)
    return name


MEANWHILE: dict[str, tuple[Callable[[Simulator], None], str]] = {
    "failed": (lambda sim: sim.do({"fail_snapshot": the_one(sim)}), "is failed"),
    "deleted": (lambda sim: sim.do({"delete_snapshot": the_one(sim)}), "is not shown by ECS"),
    "started and stopped": (lambda sim: [sim.do({"start": INSTANCE}), sim.do({"stop": INSTANCE})], "StartTime: "),  # type: ignore[dict-item, return-value]
    "started": (lambda sim: sim.do({"start": INSTANCE}), "Stopped -> Running"),
    "detached": (lambda sim: sim.do({"detach": DATA}), "In_use on i-web -> Available"),
    "not to be seen": (lambda sim: sim.do({"deny": {"action": "ecs:DescribeSnapshots"}}), "is not shown by ECS"),
}


@pytest.mark.parametrize("what", MEANWHILE)
def test_a_snapshot_that_comes_to_nothing_leads_to_no_wipe(what: str) -> None:
    """A snapshot that fails, is deleted or cannot be seen while the machine waits ends the run: 4, and it is named."""
    action, text = MEANWHILE[what]
    with simulated(lab_world(durations=SLOW)) as sim:
        done = run_plan(sim, snapshot=True, on_event=once(progressing, lambda: action(sim)))
        state = sim.state()

    assert_intact(done, state, others=True)
    assert safety_of(done) == {DATA: next(iter(taken(state)))}
    assert text in str(done.error)


def test_a_snapshot_deleted_once_it_is_accomplished_leads_to_no_wipe() -> None:
    """Accomplished and then gone: the look just before the wipe does not show it, and nothing is sent."""
    gone = threading.Event()
    with simulated() as sim:

        def delete(call: Any) -> None:
            rows = taken(sim.state(), DATA) if call.action == "DescribeSnapshots" and not gone.is_set() else {}
            for name, row in rows.items():
                if row["status"] == "accomplished":  # this very look shows it so, and the next one does not
                    gone.set()
                    sim.do({"delete_snapshot": name})

        done = run_plan(sim, snapshot=True, on_call=delete)
        state = sim.state()

    assert gone.is_set()
    assert_intact(done, state)
    assert "is not shown by ECS" in str(done.error)


def test_a_snapshot_deleted_after_the_wipe_was_sent_changes_nothing() -> None:
    """Once the wipe is sent what becomes of the snapshot is no matter of the run: it goes to its end."""
    with simulated() as sim:
        delete = once(accepted("ReInitDisk"), lambda: sim.do({"delete_snapshot": the_one(sim)}))
        done = run_plan(sim, snapshot=True, on_event=delete)
        state = sim.state()

    assert done.outcome == "done", done.report.error
    assert wipes(state, DATA) == 1
    assert safety_of(done) == {DATA: the_one_of(state)}


def the_one_of(state: dict[str, Any]) -> str:
    """Name the snapshot that was taken, deleted or not."""
    (name,) = taken(state, DATA)
    return name


def test_a_snapshot_that_is_never_accomplished_ends_with_its_time() -> None:
    """When --timeout-snapshot has passed the run ends with 4, its phase a time-out, the snapshot named."""
    with simulated(lab_world(durations=SLOW)) as sim:
        done = run_plan(sim, snapshot=True, limits={"snapshot": 30.0})
        state = sim.state()

    assert_intact(done, state)
    assert ("snapshot", "timeout") in [(phase.name, phase.result) for phase in done.report.jobs[0].phases]
    assert "was not complete (0%)" in str(done.error)
    assert safety_of(done) == {DATA: the_one_of(state)}


@pytest.mark.parametrize("action", ["fail_snapshot", "delete_snapshot"])
def test_of_two_disks_none_is_wiped_without_its_own(action: str) -> None:
    """Where one of two safety snapshots comes to nothing, neither disk is wiped, and both snapshots are named."""
    with simulated(lab_world(durations=SLOW)) as sim:

        def act() -> None:
            (name,) = taken(sim.state(), SYSTEM)
            sim.do({action: name})

        done = run_plan(
            sim, (DATA, SYSTEM), snapshot=True, on_event=once(lambda event: both_asked(event, sim), act)
        )  # fmt: skip
        state = sim.state()

    assert_intact(done, state)
    assert all(safety_of(done).values())


def both_asked(event: Event, sim: Simulator) -> bool:
    """Return whether both snapshots are under way."""
    return progressing(event) and len(taken(sim.state())) == 2


def test_what_befalls_the_second_snapshot_spares_the_first_disk() -> None:
    """A refusal of the second disk's snapshot keeps the first disk, which has one, from being wiped."""
    fault = {"action": "CreateSnapshot", "subject": SYSTEM, "error": {"code": "QuotaExceed.Snapshot"}}
    with simulated(faults=[fault]) as sim:
        done = run_plan(sim, (DATA, SYSTEM), snapshot=True)
        state = sim.state()

    assert_intact(done, state)
    assert set(taken(state)) == {safety_of(done)[DATA]}
    assert safety_of(done)[SYSTEM] is None


def test_a_machine_that_was_stopped_stays_so_where_its_snapshot_fails() -> None:
    """On a machine that nobody stopped for it a failed snapshot is 4 as well, and its power is left alone."""
    with simulated(lab_world(status="Stopped", durations=SLOW)) as sim:
        done = run_plan(sim, snapshot=True, on_event=once(progressing, lambda: sim.do({"fail_snapshot": the_one(sim)})))
        state = sim.state()

    assert_true(done, state)
    assert (done.outcome, done.report.exit_code) == ("failed", 4)
    assert changes(state) == ["CreateSnapshot"]


def test_a_machine_that_was_to_be_left_stopped_comes_back_where_its_snapshot_fails() -> None:
    """``leave_stopped`` holds only after a wipe: a snapshot that fails brings the machine back all the same."""
    with simulated(lab_world(durations=SLOW)) as sim:
        failed = once(progressing, lambda: sim.do({"fail_snapshot": the_one(sim)}))
        done = run_plan(sim, snapshot=True, leave_stopped=True, on_event=failed)
        state = sim.state()

    assert_intact(done, state)


# ----------------------------------------------------------------------------------------- interrupted, killed, resumed

MOMENTS: dict[str, Callable[[Event], bool]] = {
    "stop answered": accepted("StopInstance"),
    "asked": intended("CreateSnapshot"),
    "answered": accepted("CreateSnapshot"),
    "progressing": progressing,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interruption_brings_the_machine_back_unwiped(moment: str) -> None:
    """Asked to end before the snapshot is accomplished, a run wipes nothing and starts the machine again."""
    interrupt = Interrupt()
    with simulated(lab_world(durations=SLOW)) as sim:
        done = run_plan(sim, snapshot=True, stop=interrupt, on_event=once(MOMENTS[moment], interrupt.ask))
        state = sim.state()

    assert_intact(done, state)
    assert safety_of(done) == {DATA: next(iter(taken(state)), None)}


@pytest.mark.parametrize("moment", [name for name in MOMENTS if name != "asked"])
def test_a_resumed_run_takes_no_second_snapshot(moment: str) -> None:
    """A run that goes on in another process finds its snapshot by its id or its token, and wipes behind it."""
    with simulated() as sim:
        name = killed(sim, MOMENTS[moment], snapshot=True)
        result = resumed(sim, name)
        state = sim.state()

    assert result.outcome == "done", result.error
    assert len(taken(state)) == 1
    assert result.jobs[0].disks[0].safety_snapshot == the_one_of(state)
    assert state["snapshots"][the_one_of(state)]["content"] == state["disks"][DATA]["wipes"][0]["content_before"]
    assert state["instances"][INSTANCE]["status"] == "Running"


@pytest.mark.parametrize("stopped_again", [True, False])
@pytest.mark.parametrize("moment", ["answered", "progressing"])
def test_a_machine_used_after_its_snapshot_is_not_wiped(moment: str, stopped_again: bool) -> None:
    """What somebody wrote after the snapshot is in no snapshot: a resumed run ends with 4 and the machine up."""
    with simulated() as sim:
        name = killed(sim, MOMENTS[moment], snapshot=True)
        sim.do({"start": INSTANCE})
        sim.do({"write": DATA})
        if stopped_again:
            sim.do({"stop": INSTANCE})
        result = resumed(sim, name)
        state = sim.state()

    assert (result.outcome, result.exit_code) == ("failed", 4)
    assert wipes(state, DATA) == 0
    assert state["instances"][INSTANCE]["status"] == "Running"


def test_a_snapshot_deleted_while_nobody_was_there_leads_to_no_wipe() -> None:
    """A resumed run does not believe its record: a snapshot that is gone since ends it."""
    with simulated() as sim:
        name = killed(sim, MOMENTS["progressing"], snapshot=True)
        sim.do({"delete_snapshot": the_one(sim)})
        result = resumed(sim, name)
        state = sim.state()

    assert result.outcome == "failed"
    assert wipes(state, DATA) == 0
    assert state["instances"][INSTANCE]["status"] == "Running"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_snapshot_is_made_brings_the_machine_back(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM while the command waits for the snapshot: no wipe, the machine up, 4, the snapshot named."""
    with simulated(lab_world(durations=SLOW)) as sim:
        run_command = command(sim.url, tmp_path)
        words = ("--disk", DATA, "--stop-instance", "--snapshot", "--accept", "no-recent-snapshot")
        child = run_command.start(*words, "--confirm", DATA, "--output", "json", journal=tmp_path / "j.db")
        until(lambda: bool(taken(sim.state(), DATA)) or child.poll() is not None)
        child.send_signal(number)
        out, err = child.communicate()
        state = sim.state()

    result = json.loads(out)
    assert child.returncode == ended_by(number, 4), err
    assert result["jobs"][0]["disks"][0]["safety_snapshot"] == the_one_of(state)
    assert "ReInitDisk" not in changes(state)
    assert state["instances"][INSTANCE]["status"] == "Running"
