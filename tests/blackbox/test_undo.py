"""Undo: what a run wiped comes back byte for byte from its safety snapshots, or nothing is touched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit.clock import Clock
from safe_reinit.errors import Error, OutcomeUnknown, RunRefused, UsageError
from safe_reinit.report import plan_lines, to_text
from safe_reinit.simulator import Simulator
from tests.cloudlike import (
    DATA,
    INSTANCE,
    SYSTEM,
    Run,
    accepted,
    answered,
    assert_true,
    changes,
    client,
    intended,
    lab_world,
    once,
    run_plan,
    safety_of,
    showing,
    simulated,
)
from tests.commands import Command, command
from tests.samples import sampled
from tests.terminals import Open

pytestmark = pytest.mark.virtual_time


def precious(**more: Any) -> dict[str, Any]:
    """Return the usual world with a content on the data disk that tells itself."""
    return lab_world(disk={"content": "precious"}, **more)


def undo(sim: Simulator, name: str | None, **more: Any) -> Run:
    """Undo a run, and give what that came to."""
    assert name is not None
    return run_plan(sim, undoing=name, **more)


def wiped(sim: Simulator, disks: tuple[str, ...] = (DATA,), **more: Any) -> str:
    """Wipe disks behind a safety snapshot and give the name of the run."""
    done = run_plan(sim, disks, snapshot=True, **more)
    assert done.outcome == "done", done.report.error
    assert done.report.run_id is not None
    return done.report.run_id


def lost_by(sim: Simulator, disk_id: str) -> str:
    """Return what the last wipe of a disk took from it."""
    return str(sim.state()["disks"][disk_id]["wipes"][-1]["content_before"])


def brought_back(state: dict[str, Any], disk_id: str) -> str:
    """Return what the last roll-back of a disk put on it."""
    return str(state["disks"][disk_id]["resets"][-1]["content_after"])


# ------------------------------------------------------------------------------------------------ what it brings back


@pytest.mark.parametrize(
    ("status", "disks"), [("Running", (SYSTEM,)), ("Running", (DATA, SYSTEM)), ("Stopped", (DATA, SYSTEM))]
)
def test_it_brings_back_what_was_wiped(status: str, disks: tuple[str, ...]) -> None:
    """Each disk holds again what it held when it was wiped, by one ResetDisk, and the power is as it was."""
    with simulated(lab_world(status=status)) as sim:
        name = wiped(sim, disks)
        before = sim.state()
        done = undo(sim, name)
        state = sim.state()

    assert_true(done, state, before=before)
    assert done.outcome == "done"
    for disk_id in disks:
        lost = before["disks"][disk_id]["wipes"][0]["content_before"]
        assert brought_back(state, disk_id) == lost
        if status == "Stopped":
            assert state["disks"][disk_id]["content"] == lost
    assert changes(state)[len(changes(before)) :] == [
        *(["StopInstance"] if status == "Running" else []), *["ResetDisk"] * len(disks),
        *(["StartInstance"] if status == "Running" else []),
    ]  # fmt: skip
    assert {disk.evidence for disk in done.report.jobs[0].disks} == {"transition"}
    assert all(disk.becomes.kind == "snapshot" for disk in done.report.jobs[0].disks)
    assert "rolled back (ECS showed the roll-back begin and end)" in to_text(done.report)
    assert "wiped" not in to_text(done.report)


def test_only_what_was_wiped_is_undone() -> None:
    """A disk that the run left alone is not rolled back, though a safety snapshot was taken of it."""
    fault = {"action": "ReInitDisk", "subject": SYSTEM, "error": {"code": "OperationDenied"}}
    with simulated(faults=[fault]) as sim:
        first = run_plan(sim, (DATA, SYSTEM), snapshot=True)
        before = sim.state()
        done = undo(sim, first.report.run_id)
        state = sim.state()

    assert first.outcome == "partial"
    assert_true(done, state, before=before)
    assert done.outcome == "done"
    assert [len(state["disks"][each]["resets"]) for each in (DATA, SYSTEM)] == [1, 0]


def test_what_was_written_since_is_lost_and_the_plan_says_so() -> None:
    """The plan of an undo says that what was written since the snapshot is lost, and then it is."""
    with simulated() as sim:
        name = wiped(sim)
        sim.do({"write": DATA})
        plan = client(sim).plan_undo(name, stop_instance=True)
        text = "\n".join(line.text for line in plan_lines(plan))
        before = sim.state()
        done = undo(sim, name)
        state = sim.state()

    snapshot = before["disks"][DATA]["wipes"][0]["content_before"]
    assert f"undo run {name}: roll 1 disk back to the safety snapshot" in text
    assert "on web: everything written to it since the snapshot is lost." in text
    assert "2/3 ResetDisk to s-sim" in text
    assert "ReInitDisk" not in text
    assert done.outcome == "done"
    assert brought_back(state, DATA) == snapshot
    assert before["disks"][DATA]["content"] not in {each["content"] for each in state["disks"].values()}


def test_an_undo_with_a_snapshot_can_be_undone() -> None:
    """With --snapshot what was written since is kept: the undo of the undo brings that back."""
    with simulated(lab_world(status="Stopped")) as sim:
        name = wiped(sim, (DATA, SYSTEM))
        sim.do({"start": INSTANCE})
        sim.do({"write": DATA})
        sim.do({"stop": INSTANCE})
        since = sim.state()
        first = undo(sim, name, snapshot=True)
        between = sim.state()
        second = undo(sim, first.report.run_id)
        state = sim.state()

    assert (first.outcome, second.outcome) == ("done", "done"), first.report.error
    assert_true(first, between, before=since)
    for disk_id in (DATA, SYSTEM):
        assert between["disks"][disk_id]["content"] == since["disks"][disk_id]["wipes"][0]["content_before"]
        assert state["disks"][disk_id]["content"] == since["disks"][disk_id]["content"]


def test_a_run_can_be_undone_twice() -> None:
    """The safety snapshot stays: the same run can be undone again, with consent asked again."""
    with simulated() as sim:
        name = wiped(sim)
        first = undo(sim, name)
        second = undo(sim, name)
        state = sim.state()

    assert (first.outcome, second.outcome) == ("done", "done")
    contents = [each["content_after"] for each in state["disks"][DATA]["resets"]]
    assert contents == [state["disks"][DATA]["wipes"][0]["content_before"]] * 2


def test_a_wipe_that_nobody_saw_end_can_be_undone() -> None:
    """A run whose outcome is unknown can be undone once a person has said so and it has ended."""
    faults = [{"action": "ReInitDisk", "drop_request": True, "times": 9}]
    with simulated(faults=faults) as sim:
        first = run_plan(sim, snapshot=True)
        assert first.outcome == "unknown"
        name = str(first.report.run_id)
        with pytest.raises(RunRefused, match="has not ended"):
            client(sim).plan_undo(name)
        client(sim).resume(name, verdict="reinitialised")
        done = undo(sim, name)

    assert done.outcome == "done"


@pytest.mark.parametrize("status", ["Running", "Stopped"])
def test_an_undo_leaves_the_machine_stopped_where_that_is_asked_for(status: str) -> None:
    """``leave_stopped`` holds for an undo as for a wipe."""
    with simulated(lab_world(status=status)) as sim:
        name = wiped(sim)
        before = sim.state()
        done = undo(sim, name, leave_stopped=True)
        state = sim.state()

    assert_true(done, state, before=before)
    assert state["instances"][INSTANCE]["status"] == "Stopped"
    assert state["disks"][DATA]["content"] == before["disks"][DATA]["wipes"][0]["content_before"]


# -------------------------------------------------------------------------------------------------- what is refused


def refused(sim: Simulator, name: str, **more: Any) -> str:
    """Check that an undo is refused with 3 and nothing sent, and return what it says."""
    before = changes(sim.state())
    try:
        done = undo(sim, name, **more)
    except RunRefused as error:
        text = f"{error} {error.hint}"
    else:
        assert (done.outcome, done.report.exit_code) == ("refused", 3)
        text = f"{done.error} {done.error.hint if done.error else ''}"
    assert changes(sim.state()) == before
    return text


def test_a_run_that_is_not_there() -> None:
    """A run that the journal does not have is a usage error, and nothing is asked of ECS."""
    with simulated() as sim:
        with pytest.raises(UsageError, match="There is no run yet"):
            client(sim).plan_undo("r-20260101T000000Z-ffff")
        assert sim.state()["calls"] == []


def test_a_run_that_took_no_snapshot() -> None:
    """A run without safety snapshots cannot be undone, and that is said at once."""
    with simulated() as sim:
        done = run_plan(sim)
        assert f"took no safety snapshot of {DATA}" in (message := refused(sim, str(done.report.run_id)))
        assert "Nothing was changed" in message


def test_a_run_that_wiped_nothing() -> None:
    """A run that failed before its wipe has nothing to undo, snapshot or not."""
    with simulated(faults=[{"action": "ReInitDisk", "error": {"code": "OperationDenied"}}]) as sim:
        done = run_plan(sim, snapshot=True)
        assert safety_of(done)[DATA]
        assert "wiped no disk" in (message := refused(sim, str(done.report.run_id)))
        assert "Nothing was changed" in message


def test_credentials_of_another_account() -> None:
    """An undo with credentials of another account than the run's is refused."""
    keys = [{"id": "testid", "secret": "testsecret"}, {"id": "other", "secret": "s", "account": "2000000000000002"}]
    with simulated(lab_world(keys=keys)) as sim:
        name = wiped(sim)
        other = client(sim, credentials=("other", "s"))
        assert "account 1000000000000001" in refused(sim, name, using=other)


def test_another_region() -> None:
    """A run of another region than the client's is a usage error."""
    with simulated() as sim:
        name = wiped(sim)
        elsewhere = safe_reinit.connect(
            region="cn-beijing", endpoint=sim.url, credentials=sim.access_key, clock=Clock(1)
        )
        with pytest.raises(UsageError, match="is of another region or endpoint"):
            elsewhere.plan_undo(name)


GONE: dict[str, tuple[Callable[[Simulator, str], None], str]] = {
    "deleted": (lambda sim, shot: sim.do({"delete_snapshot": shot}), "safety-snapshot-gone"),
    "no right to ResetDisk": (lambda sim, _: sim.do({"deny": {"action": "ecs:ResetDisk"}}), "reset-refused"),
    "locked": (lambda sim, _: sim.do({"lock": INSTANCE}), "instance-locked"),
    "disk locked": (lambda sim, _: sim.do({"lock": DATA, "reason": "financial"}), "disk-locked"),
    "detached": (lambda sim, _: sim.do({"detach": DATA}), "disk-not-in-use"),
    "snapshots not to be seen": (
        lambda sim, _: sim.do({"deny": {"action": "ecs:DescribeSnapshots"}}), "could-not-check",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", GONE)
def test_what_can_be_foreseen_is_refused_while_the_machine_is_up(what: str) -> None:
    """What would keep ResetDisk from succeeding is found before the stop."""
    action, check = GONE[what]
    with simulated() as sim:
        done = run_plan(sim, snapshot=True)
        action(sim, str(safety_of(done)[DATA]))
        text = refused(sim, str(done.report.run_id))

    assert check in text


def test_a_running_machine_needs_the_word_to_be_stopped() -> None:
    """Without --stop-instance an undo of a running machine is refused."""
    with simulated() as sim:
        name = wiped(sim)
        assert "instance-running" in refused(sim, name, stop_instance=False)


MOVED: dict[str, tuple[Callable[[Simulator, str], None], str, str]] = {
    "snapshot deleted": (lambda sim, shot: sim.do({"delete_snapshot": shot}), "RestoreSnapshot", "failed"),
    "right taken away": (lambda sim, _: sim.do({"deny": {"action": "ecs:ResetDisk"}}), "Forbidden.RAM", "failed"),
    "started": (lambda sim, _: sim.do({"start": INSTANCE}), "i-web.StartTime: ", "failed"),
    "detached": (lambda sim, _: sim.do({"detach": DATA}), "Available", "failed"),
    "locked": (lambda sim, _: sim.do({"lock": INSTANCE}), "OperationLocks: none -> security", "stranded"),
}


@pytest.mark.parametrize("what", MOVED)
def test_what_moves_after_the_stop_ends_an_undo_untouched(what: str) -> None:
    """What moves while the machine is down ends the undo with 4 and no ResetDisk, or 8 where it cannot start."""
    action, text, outcome = MOVED[what]
    with simulated() as sim:
        first = run_plan(sim, snapshot=True)
        before = sim.state()
        shot = str(safety_of(first)[DATA])
        done = undo(sim, first.report.run_id, on_event=once(showing(instance="Stopped"), lambda: action(sim, shot)))
        state = sim.state()

    assert_true(done, state, before=before, others=True)
    assert done.outcome == outcome
    assert text in str(done.error)
    assert "ResetDisk" not in changes(state)


@pytest.mark.parametrize("code", ["InvalidParameter.Mismatch", "Brand.New"])
def test_a_dry_run_after_the_stop_that_refuses_leads_to_no_call(code: str) -> None:
    """What ECS would refuse is not sent: the DryRun just before the call ends the undo with 4 and the machine up."""
    with simulated() as sim:
        name = wiped(sim)
        before = sim.state()
        # While the machine runs its answer proves nothing: so from the second on.
        deny = {"fault": {"action": "ResetDisk", "dry_run": True, "nth": "every", "error": {"code": code}}}
        done = undo(sim, name, on_event=once(accepted("StopInstance"), lambda: sim.do(deny)))
        state = sim.state()

    assert_true(done, state, before=before)
    assert (done.outcome, done.report.exit_code) == ("failed", 4)
    assert code in str(done.error)
    assert "ResetDisk" not in changes(state)
    assert state["instances"][INSTANCE]["status"] == "Running"


def test_a_dry_run_that_refuses_for_a_moment_is_asked_again() -> None:
    """A snapshot of the disk that is being created after the stop is waited for, and then the disk is rolled back."""
    with simulated() as sim:
        name = wiped(sim)
        before = sim.state()
        begin = once(showing(instance="Stopped"), lambda: sim.do({"auto_snapshot": DATA, "seconds": 30}))
        done = undo(sim, name, on_event=begin)
        state = sim.state()

    assert_true(done, state, before=before)
    assert done.outcome == "done", done.report.error
    assert done.codes("ResetDisk") == ["OK"]


# ---------------------------------------------------------------------------------------------- what befalls the call

FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "throttled": ({"throttle": True}, "done"),
    "busy": ({"error": {"code": "IncorrectInstanceStatus", "status": 403}}, "done"),
    "another snapshot": ({"error": {"code": "DiskCreatingSnapshot", "status": 403}}, "done"),
    "denied": ({"error": {"code": "Forbidden.RAM", "status": 403}}, "failed"),
    "unknown code": ({"error": {"code": "Brand.New", "status": 400}}, "failed"),
    "internal error": ({"error": {"code": "InternalError", "status": 500}}, "done"),
    "late": ({"delay": 90}, "done"),
    "late and lost": ({"delay": 6, "drop_answer": True}, "done"),
    "answer dropped": ({"drop_answer": True}, "done"),
    "request dropped": ({"drop_request": True}, "done"),
}


@pytest.mark.parametrize("kind", sampled(FAULTS))
def test_whatever_befalls_the_call_the_report_is_true(kind: str) -> None:
    """A lost ResetDisk is sent again behind the fence, which changes nothing; a refusal leaves the disk as it is."""
    what, outcome = FAULTS[kind]
    with simulated() as sim:
        name = wiped(sim)
        before = sim.state()
        sim.do({"fault": {"action": "ResetDisk", "dry_run": False, **what}})
        done = undo(sim, name)
        state = sim.state()

    job = done.report.jobs[0]
    assert done.outcome == outcome, done.error
    lost = before["disks"][DATA]["wipes"][0]["content_before"]
    resets = state["disks"][DATA]["resets"]
    assert {each["content_after"] for each in resets} <= {lost}
    assert {each["starts_before"] for each in resets} <= {before["instances"][INSTANCE]["starts"]}
    assert job.disks[0].data in ({"reinitialised"} if resets else {"intact", "untouched"})
    assert bool(resets) == (outcome == "done")
    assert state["instances"][INSTANCE]["status"] == "Running"
    assert len(state["disks"][DATA]["wipes"]) == 1
    assert done.sent("ReInitDisk") == 0


def in_doubt(sim: Simulator, name: str, **more: Any) -> Run:
    """Undo a run so that what became of its ResetDisk cannot be told."""
    sim.do({"fault": {"action": "ResetDisk", "dry_run": False, "drop_request": True, "times": 9}})
    done = undo(sim, name, **more)
    assert (done.outcome, done.report.exit_code) == ("unknown", 5)
    return done


def test_an_undo_in_doubt_names_its_own_call() -> None:
    """Where the answers stay out, the outcome is 5, the machine stays stopped, and what is said names ResetDisk."""
    with simulated() as sim:
        name = wiped(sim)
        done = in_doubt(sim, name)
        state = sim.state()

    assert state["instances"][INSTANCE]["status"] == "Stopped"
    assert isinstance(done.error, OutcomeUnknown)
    assert f"ResetDisk of {DATA}" in str(done.error)
    assert f"ActionTrail for the event ResetDisk of {DATA}" in done.error.hint
    assert "whether it was rolled back is UNKNOWN" in to_text(done.report)


@pytest.mark.parametrize(
    ("verdict", "outcome", "data"), [("reinitialised", "done", "reinitialised"), ("intact", "failed", "intact")]
)
def test_a_person_can_report_what_became_of_an_undo(verdict: Any, outcome: str, data: str) -> None:
    """A verdict ends an undo in doubt with the machine up, and no call to the disk."""
    with simulated() as sim:
        doubtful = in_doubt(sim, wiped(sim))
        before = sim.state()
        try:
            result = client(sim).resume(str(doubtful.report.run_id), verdict=verdict)
        except Error as error:
            result = error.report  # type: ignore[assignment]
        state = sim.state()

    assert (result.outcome, result.jobs[0].disks[0].data) == (outcome, data)
    assert changes(state)[len(changes(before)) :] == ["StartInstance"]
    assert state["instances"][INSTANCE]["status"] == "Running"


def test_a_resume_without_a_word_leaves_an_undo_in_doubt() -> None:
    """Looking again cannot tell what ResetDisk did, so the run stays open, and nothing is sent."""
    with simulated() as sim:
        doubtful = in_doubt(sim, wiped(sim))
        before = changes(sim.state())
        with pytest.raises(OutcomeUnknown):
            client(sim).resume(str(doubtful.report.run_id))
        assert changes(sim.state()) == before


@pytest.mark.parametrize("answer", ["lost", "refused", "asked again"])
def test_a_wipe_of_somebody_else_is_not_reported_as_a_roll_back(answer: str) -> None:
    """ReIniting that shows although no ResetDisk of ours was accepted is another's wipe: unknown."""
    kinds = {
        "lost": {"drop_request": True},
        "refused": {"error": {"code": "Brand.New", "status": 400}},
        "asked again": {"throttle": True},
    }
    with simulated(lab_world(status="Stopped")) as sim:
        name = wiped(sim)
        sim.do({"fault": {"action": "ResetDisk", "dry_run": False, **kinds[answer]}})
        other = client(sim)

        def wipe() -> None:
            from safe_reinit.cloud import aliyun
            from safe_reinit.model import Options

            cloud = aliyun.make_gateway(other._setup.connection, lambda _: None)
            cloud.reinit_disk(DATA, Options())
            cloud.close()

        done = undo(sim, name, on_event=once(answered("ResetDisk"), wipe))
        state = sim.state()

    assert not state["disks"][DATA]["resets"]
    if answer == "refused" and done.outcome != "unknown":
        assert done.report.jobs[0].disks[0].data == "intact", "that our call did nothing was proven"
    else:
        assert done.report.jobs[0].disks[0].data == "unknown"
    assert done.outcome in ("unknown", "failed")


def test_an_undo_that_is_interrupted_before_its_call_touches_nothing() -> None:
    """Asked to end before ResetDisk, an undo sends none and starts the machine again."""
    interrupt = safe_reinit.client.Interrupt()
    with simulated() as sim:
        name = wiped(sim)
        before = sim.state()
        done = undo(sim, name, stop=interrupt, on_event=once(showing(instance="Stopping"), interrupt.ask))
        state = sim.state()

    assert_true(done, state, before=before)
    assert done.outcome == "failed"
    assert "ResetDisk" not in changes(state)


# ------------------------------------------------------------------------------------------------- the command line


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Start a world of one machine with a name."""
    with simulated(lab_world(instance={"name": "web1"})) as simulator:
        yield simulator


@pytest.fixture
def run_command(sim: Simulator, tmp_path: Path) -> Command:
    """Run commands against it."""
    return command(sim.url, tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the journal that the tests' own runs are in too."""
    return tmp_path / "journal.db"


def test_a_dry_run_changes_nothing_and_names_the_command(sim: Simulator, run_command: Command, path: Path) -> None:
    """``undo --dry-run`` shows the plan, sends nothing that changes, and the command it names runs it."""
    name = wiped(sim)
    before = sim.state()
    done = run_command("undo", name, "--stop-instance", "--dry-run", "--output", "json", journal=path)
    result = json.loads(done.stdout)
    after = sim.state()
    (following,) = result["next"]
    words = following.split()[1:]
    ran = run_command(*words, journal=None)

    assert (done.returncode, result["outcome"], result["dry_run"]) == (0, "planned", True)
    assert changes(after) == changes(before)
    assert after["disks"] == before["disks"]
    assert words[:2] == ["undo", name]
    assert words[-2:] == ["--confirm", DATA]
    assert ran.returncode == 0, ran.stderr
    assert sim.state()["disks"][DATA]["resets"]


def test_the_command_that_a_refused_undo_names_can_be_run(sim: Simulator, run_command: Command, path: Path) -> None:
    """What stands under next after a refusal is the dry run of the same undo, with the option that it lacked."""
    name = wiped(sim)
    refusal = run_command("undo", name, "--confirm", DATA, "--output", "json", journal=path)
    result = json.loads(refusal.stdout)
    (following,) = result["next"]
    again = run_command(*following.split()[1:], journal=None)

    assert (refusal.returncode, result["outcome"]) == (3, "refused")
    assert following.startswith(f"safe-reinit undo {name}")
    assert following.endswith("--stop-instance --dry-run")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("confirm", [(), ("--confirm", "d-other")])
def test_an_undo_needs_consent(sim: Simulator, run_command: Command, path: Path, confirm: tuple[str, ...]) -> None:
    """Without consent, or with another word, an undo is refused with 3 and nothing is sent."""
    name = wiped(sim)
    before = changes(sim.state())
    done = run_command("undo", name, "--stop-instance", *confirm, journal=path)

    assert done.returncode == 3
    assert changes(sim.state()) == before


def test_runs_and_show_report_an_undo(sim: Simulator, run_command: Command, path: Path) -> None:
    """``runs`` and ``show`` say that a run is an undo, of which run, and what its disks were rolled back to."""
    name = wiped(sim)
    done = run_command("undo", name, "--stop-instance", "--confirm", DATA, "--output", "json", journal=path)
    result = json.loads(done.stdout)
    listed = run_command("runs", journal=path).stdout
    shown = run_command("show", result["run_id"], journal=path).stdout
    first = run_command("show", name, journal=path).stdout
    story = json.loads(run_command("show", result["run_id"], "--output", "json", journal=path).stdout)

    assert done.returncode == 0, done.stderr
    shot = result["jobs"][0]["disks"][0]["becomes"]["id"]
    assert "undo: done" in listed
    assert f"undo of {name}" in shown
    assert f"rolled back; now: the content of snapshot {shot}" in shown
    assert "lost: what was written since the snapshot" in shown
    assert f"lost: nothing that is not in the safety snapshot {shot}" in first
    assert "call: ResetDisk" in run_command("show", result["run_id"], "--verbose", journal=path).stdout
    assert story["jobs"][0]["disks"][0]["data"] == "reinitialised"
    assert result["outcome"] == "done"


def test_an_undo_in_doubt_can_be_tried_again(sim: Simulator, run_command: Command, path: Path) -> None:
    """``--verdict wipe-again`` of an undo plans the undo anew: it rolls back, and wipes nothing."""
    name = wiped(sim)
    doubtful = in_doubt(sim, name)
    sim.do({"fault": {"action": "ResetDisk", "dry_run": False, "nth": 999999, "throttle": True}})
    words = ("resume", str(doubtful.report.run_id), "--verdict", "wipe-again", "--confirm", DATA, "--output", "json")
    for _ in range(9):  # what is left of the lost answers
        done = run_command(*words, journal=path)
        result = json.loads(done.stdout)
        if result["outcome"] != "unknown":
            break
        words = ("resume", str(result["run_id"]), *words[2:])
    state = sim.state()

    assert done.returncode == 0, done.stderr
    assert f"undo run {name}" in done.stderr
    assert len(state["disks"][DATA]["wipes"]) == 1
    assert {each["content_after"] for each in state["disks"][DATA]["resets"]} == {lost_by(sim, DATA)}
    assert state["instances"][INSTANCE]["status"] == "Running"


def test_wiping_again_keeps_the_safety_snapshot(sim: Simulator, run_command: Command, path: Path) -> None:
    """A run with safety snapshots that is planned anew takes them again: no option of it is forgotten."""
    first = run_plan(sim, snapshot=True, limits=None, on_event=None)
    assert first.outcome == "done"
    sim.do({"fault": {"action": "ReInitDisk", "drop_request": True, "times": 3}})
    doubtful = run_plan(sim, snapshot=True)
    assert doubtful.outcome == "unknown"
    words = ("resume", str(doubtful.report.run_id), "--verdict", "wipe-again", "--confirm", DATA, "--output", "json")
    done = run_command(*words, journal=path)
    result = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert result["jobs"][0]["disks"][0]["safety_snapshot"] not in (None, safety_of(doubtful)[DATA])
    assert "CreateSnapshot" in done.stderr


def test_an_undo_and_a_wipe_of_one_machine_exclude_each_other(sim: Simulator) -> None:
    """While an undo is open no other run begins on its machine in the same journal."""
    name = wiped(sim)
    second = client(sim)
    text: list[str] = []

    def other() -> None:
        try:
            plan = second.plan([DATA], accept=["no-recent-snapshot"])
            second.run(plan, confirm=plan.confirm_with)
        except Error as error:
            text.append(f"{type(error).__name__}: {error}")

    done = undo(sim, name, on_event=once(intended("ResetDisk"), other))

    assert done.outcome == "done"
    assert text
    assert text[0].startswith(f"RunRefused: Run {done.report.run_id} has not finished with {INSTANCE}")


# ----------------------------------------------------------------------------------------------------- on a terminal


def test_a_person_is_asked_for_what_an_undo_is(sim: Simulator, path: Path, terminal: Open) -> None:
    """On a terminal the plan of an undo says what is lost, and the question is whether to roll back."""
    name = wiped(sim)
    person = terminal(sim, "undo", name, "--stop-instance", "--journal", str(path))
    person.wait_for("is lost.")
    person.wait_for("To roll back, type the instance's name: web1")
    person.type("web1\n")

    assert person.end() == 0, person.shown
    assert "rolled back" in person.shown
    assert sim.state()["disks"][DATA]["resets"]


def test_a_person_is_asked_what_became_of_an_undo(sim: Simulator, path: Path, terminal: Open) -> None:
    """Of an undo in doubt a person is asked what ResetDisk did, and what the words mean."""
    doubtful = in_doubt(sim, wiped(sim))
    person = terminal(sim, "resume", str(doubtful.report.run_id), "--journal", str(path))
    person.wait_for("cannot see what ResetDisk did")
    person.wait_for("type reinitialised (it was rolled back) or intact")
    person.type("reinitialised\n")

    assert person.end() == 0, person.shown
    assert "To wipe" not in person.shown
    assert sim.state()["instances"][INSTANCE]["status"] == "Running"
