"""The lock tag: of two hosts whose journals do not see each other one at most goes on, and no tag is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs

from safe_reinit.client import Client, Interrupt
from safe_reinit.cloud.aliyun.calls import ChangingCalls
from safe_reinit.cloud.interface import Accepted
from safe_reinit.errors import Error
from safe_reinit.model import Event
from safe_reinit.report import plan_lines
from safe_reinit.simulator import Simulator
from tests.cloudlike import (
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
    lock_tag,
    once,
    resumed,
    run_plan,
    set_tag,
    showing,
    simulated,
    wipes,
)
from tests.commands import command
from tests.samples import sampled
from tests.simulator.support import sdk

pytestmark = pytest.mark.virtual_time

TAGGED = {"lock_tag": True}
ROUND = ["TagResources", "StopInstance", "ReInitDisk", "StartInstance", "UntagResources"]
"""The changing calls of a run on a running machine."""


def tagged(sim: Simulator, **more: Any) -> Run:
    """Make a run with the lock tag."""
    return run_plan(sim, using=more.pop("using", None) or client(sim, TAGGED), **more)


def left(done: Run) -> bool:
    """Return whether a run says that its tag stays."""
    (ended,) = [event for event in done.events if event.event == "done"]
    return bool(ended.data["tag_left"])


# --------------------------------------------------------------------------------------------------- the usual way


@pytest.mark.parametrize("status", ["Running", "Stopped"])
def test_the_instance_bears_the_tag_from_before_the_stop_to_the_end(status: str) -> None:
    """The tag of the run is there before anything else is done, and gone after everything else."""
    seen: dict[str, str | None] = {}
    with simulated(lab_world(status=status)) as sim:

        def note(event: Event) -> None:
            if event.event == "intend":
                seen[str(event.data["action"])] = lock_tag(sim)

        done = tagged(sim, on_event=note)
        state = sim.state()
        after = lock_tag(sim)

    assert_true(done, state)
    assert done.outcome == "done", done.error
    assert changes(state) == (ROUND if status == "Running" else [ROUND[0], ROUND[2], ROUND[4]])
    name = done.report.run_id
    assert seen.pop("TagResources") is None
    assert set(seen.values()) == {name}
    assert after is None
    assert not left(done)


def test_the_plan_lists_it() -> None:
    """The plan shows both calls and says that the rights to them are not proven."""
    with simulated() as sim:
        plan = client(sim, TAGGED).plan([DATA], stop_instance=True)
    text = "\n".join(line.text for line in plan_lines(plan))

    assert "1/5 TagResources safe-reinit:run" in text
    assert "5/5 UntagResources safe-reinit:run" in text
    assert "permission for ReInitDisk and TagResources and UntagResources" in text


def test_other_tags_stay() -> None:
    """The instance keeps the tags that it had."""
    with simulated(lab_world(instance={"tags": {"env": "lab"}})) as sim:
        done = tagged(sim)
        request = ecs.DescribeInstancesRequest(region_id="cn-hangzhou", instance_ids=f'["{INSTANCE}"]')
        (row,) = sdk(sim).describe_instances(request).body.instances.instance

    assert done.outcome == "done"
    assert [(tag.tag_key, tag.tag_value) for tag in row.tags.tag] == [("env", "lab")]


def test_two_machines_bear_a_tag_each() -> None:
    """Each instance of a run is tagged and untagged by itself."""
    with simulated(lab_world(machines=(INSTANCE, "i-db"))) as sim:
        done = tagged(sim, disks=(DATA, f"{DATA}-db"))
        state = sim.state()
        after = [lock_tag(sim, each) for each in (INSTANCE, "i-db")]

    assert_true(done, state)
    assert done.outcome == "done"
    each = [call["action"].replace("Instances", "Instance") for call in state["calls"] for _ in call["subject"]
            if call["action"] in (*ROUND, "StopInstances", "StartInstances") and not call["dry_run"]]  # fmt: skip
    assert sorted(each) == sorted(ROUND * 2)
    assert after == [None, None]


@pytest.mark.parametrize("lag", [3.0, 10.0])
def test_a_tag_that_shows_late_is_waited_for(lag: float) -> None:
    """A Describe that lags behind shows the tag late, and nothing is stopped before it does."""
    with simulated(lab_world(describe_lag=lag)) as sim:
        done = tagged(sim)
        state = sim.state()

    assert done.outcome == "done", done.error
    assert changes(state) == ROUND
    assert wipes(state, DATA) == 1


def test_an_undo_bears_it_too() -> None:
    """An undo is a run like any other."""
    with simulated() as sim:
        caller = client(sim, TAGGED)
        first = run_plan(sim, using=caller, snapshot=True)
        before = sim.state()
        done = run_plan(sim, using=caller, undoing=first.report.run_id)
        state = sim.state()
        after = lock_tag(sim)

    assert_true(done, state, before=before)
    assert changes(state)[len(changes(before)) :] == [
        "TagResources", "StopInstance", "ResetDisk", "StartInstance", "UntagResources",
    ]  # fmt: skip
    assert after is None


# ------------------------------------------------------------------------------------------------ every way out of it

FAILURES: dict[str, dict[str, Any]] = {
    "stop refused": {"action": "StopInstance", "dry_run": False, "error": {"code": "Brand.New", "status": 400}},
    "wipe refused": {"action": "ReInitDisk", "error": {"code": "OperationDenied"}},
    "snapshot refused": {"action": "CreateSnapshot", "error": {"code": "QuotaExceed.Snapshot"}},
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_run_that_fails_takes_its_tag_off(what: str) -> None:
    """Whatever a run fails by, where the power is as promised the tag goes off last."""
    with simulated(faults=[FAILURES[what]]) as sim:
        done = tagged(sim, snapshot="snapshot" in what)
        state = sim.state()
        after = lock_tag(sim)

    assert_true(done, state)
    assert done.outcome == "failed"
    assert changes(state)[-1] == "UntagResources"
    assert after is None


@pytest.mark.parametrize("action", ["start", "detach"])
def test_a_fact_that_moves_takes_the_tag_off(action: str) -> None:
    """A run that drift ends after the stop takes its tag off."""
    with simulated() as sim:
        subject = {"start": INSTANCE, "detach": DATA}[action]
        done = tagged(sim, on_event=once(showing(instance="Stopped"), lambda: sim.do({action: subject})))
        state = sim.state()
        after = lock_tag(sim)

    assert_true(done, state, others=True)
    assert (done.outcome, after) == ("failed", None)


INTERRUPTED: dict[str, tuple[Callable[[Event], bool], str]] = {
    "tag intended": (intended("TagResources"), "refused"),
    "tag answered": (accepted("TagResources"), "failed"),
    "stop answered": (accepted("StopInstance"), "failed"),
    "Stopped": (showing(instance="Stopped"), "failed"),
    "wipe answered": (accepted("ReInitDisk"), "done"),
    "start answered": (accepted("StartInstance"), "done"),
    "untag intended": (intended("UntagResources"), "done"),
}


@pytest.mark.parametrize("moment", INTERRUPTED)
def test_an_interruption_takes_the_tag_off(moment: str) -> None:
    """Asked to end at any time, a run takes its tag off once the power is back."""
    test, outcome = INTERRUPTED[moment]
    interrupt = Interrupt()
    with simulated() as sim:
        done = tagged(sim, stop=interrupt, on_event=once(test, interrupt.ask))
        state = sim.state()
        after = lock_tag(sim)

    assert_true(done, state)
    assert (done.outcome, after) == (outcome, None)
    assert state["instances"][INSTANCE]["status"] == "Running"


def test_an_interruption_before_the_tag_leaves_nothing() -> None:
    """A run that is asked to end before its first call sends none: 3."""
    interrupt = Interrupt()
    with simulated() as sim:
        done = tagged(sim, stop=interrupt, on_event=once(lambda _event: True, interrupt.ask))
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "refused"
    assert changes(state) == []


PENDING_STARTS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "unknown": ([{"action": "ReInitDisk", "drop_request": True, "times": 9}], {}, "unknown"),
    "not-restarted": (
        [{"action": "StartInstance", "dry_run": False, "error": {"code": "InsufficientBalance"}}], {}, "not-restarted",
    ),
    "stranded": ([], {"ignores_stop": True}, "stranded"),
}  # fmt: skip


@pytest.mark.parametrize("what", PENDING_STARTS)
def test_while_something_is_pending_the_tag_stays_until_the_run_is_resumed(what: str) -> None:
    """A machine that is left down keeps the tag, which blocks others, and the resumed run takes it off at its end."""
    faults, instance, outcome = PENDING_STARTS[what]
    with simulated(lab_world(instance=instance), faults=faults) as sim:
        caller = client(sim, TAGGED)
        done = tagged(sim, using=caller, limits={"stop": 20.0, "start": 30.0})
        name = done.report.run_id
        between = (lock_tag(sim), left(done), changes(sim.state())[-1])
        if what == "stranded":
            sim.do({"change": INSTANCE, "to": {"ignores_stop": False}})
            sdk(sim).stop_instance(ecs.StopInstanceRequest(instance_id=INSTANCE, force_stop=True))
        result = resumed(sim, name, using=caller, verdict="reinitialised" if what == "unknown" else None)
        state = sim.state()
        after = lock_tag(sim)

    assert (done.outcome, between) == (outcome, (name, True, between[2]))
    assert between[2] != "UntagResources"
    assert result.outcome == ("failed" if what == "stranded" else "done"), result.error
    assert changes(state)[-1] == "UntagResources"
    assert after is None


def test_a_machine_that_a_partial_run_left_down_has_a_pending_start() -> None:
    """One disk wiped, one refused, and no start: the run stays open behind its tag, and a resume starts the machine."""
    refused = {"action": "ReInitDisk", "subject": SYSTEM, "error": {"code": "Brand.New", "status": 400}}
    with simulated(faults=[refused, *PENDING_STARTS["not-restarted"][0]]) as sim:
        caller = client(sim, TAGGED)
        done = tagged(sim, disks=(DATA, SYSTEM), using=caller)
        between = (lock_tag(sim), left(done), sim.state()["instances"][INSTANCE]["status"])
        result = resumed(sim, done.report.run_id, using=caller)
        state = sim.state()
        after = lock_tag(sim)

    assert (done.outcome, between) == ("partial", (done.report.run_id, True, "Stopped"))
    assert [job.pending for job in done.report.jobs] == [True]
    assert (result.outcome, [job.pending for job in result.jobs]) == ("partial", [False])
    assert (state["instances"][INSTANCE]["status"], wipes(state, DATA), wipes(state, SYSTEM)) == ("Running", 1, 0)
    assert after is None


def test_a_resume_that_learns_nothing_new_leaves_the_tag() -> None:
    """An outcome that stays unknown keeps its tag, however often it is looked at."""
    with simulated(faults=PENDING_STARTS["unknown"][0]) as sim:
        caller = client(sim, TAGGED)
        done = tagged(sim, using=caller)
        result = resumed(sim, done.report.run_id, using=caller)
        after = lock_tag(sim)

    assert (done.outcome, result.outcome, after) == ("unknown", "unknown", done.report.run_id)


@pytest.mark.parametrize("verdict", ["reinitialised", "intact"])
def test_a_verdict_leaves_the_tag_while_the_start_is_pending_and_the_next_resume_takes_it_off(verdict: str) -> None:
    """A verdict closes nothing while the power is owed: the tag stays with the open run, and goes with its end."""
    with simulated(faults=PENDING_STARTS["unknown"][0]) as sim:
        caller = client(sim, TAGGED)
        done = tagged(sim, using=caller)
        sim.do({"fault": PENDING_STARTS["not-restarted"][0][0]})
        result = resumed(sim, done.report.run_id, using=caller, verdict=verdict)
        meanwhile = lock_tag(sim)
        ended = resumed(sim, done.report.run_id, using=caller)
        after = lock_tag(sim)

    assert result.outcome == {"reinitialised": "not-restarted", "intact": "stranded"}[verdict]
    assert meanwhile == done.report.run_id
    assert ended.outcome == {"reinitialised": "done", "intact": "failed"}[verdict]
    assert after is None


# ----------------------------------------------------------------------------------------------- the tag of another run


@pytest.mark.parametrize("having", [TAGGED, {}], ids=["lock_tag", "without"])
def test_a_foreign_tag_blocks_before_anything(having: dict[str, Any]) -> None:
    """The tag of another run blocks every run on the instance, 3, whether it would tag itself or not."""
    with simulated() as sim:
        set_tag(sim, "r-other")
        done = run_plan(sim, using=client(sim, having))
        state = sim.state()
        after = lock_tag(sim)

    assert (done.outcome, done.report.exit_code) == ("refused", 3)
    assert "tagged-by-other-run" in str(done.error)
    assert changes(state) == []
    assert after == "r-other"


@pytest.mark.parametrize("having", [TAGGED, {}], ids=["lock_tag", "without"])
def test_a_foreign_tag_that_appears_before_the_first_call_refuses_the_run(having: dict[str, Any]) -> None:
    """A tag that was put there between plan and run ends the run with 3, and stays."""
    with simulated() as sim:
        done = run_plan(sim, using=client(sim, having), between=lambda: set_tag(sim, "r-other"))
        state = sim.state()
        after = lock_tag(sim)

    assert (done.outcome, done.report.exit_code) == ("refused", 3)
    assert changes(state) == []
    assert after == "r-other"


APPEARS: dict[str, Callable[[Event], bool]] = {
    "tag answered": accepted("TagResources"),
    "stop intended": intended("StopInstance"),
    "Stopping": showing(instance="Stopping"),
    "Stopped": showing(instance="Stopped"),
}


@pytest.mark.parametrize(
    ("moment", "value"),
    [("tag answered", "r-other"), ("tag answered", None), ("stop intended", None), ("Stopping", "r-other"),
     ("Stopped", "r-other"), ("Stopped", None)],
)  # fmt: skip
def test_a_tag_that_is_no_more_ours_ends_the_run(moment: str, value: str | None) -> None:
    """Our tag taken off, or another's in its place: no wipe, the power back, 4; what others put there stays."""
    with simulated() as sim:
        done = tagged(sim, on_event=once(APPEARS[moment], lambda: set_tag(sim, value)))
        state = sim.state()
        after = lock_tag(sim)

    assert_true(done, state)
    assert (done.outcome, done.report.exit_code) == ("failed", 4), done.error
    assert wipes(state, DATA) == 0
    assert state["instances"][INSTANCE]["status"] == "Running"
    assert after == value
    if not (moment == "tag answered" and value is None):  # there it may be a look that lags behind
        assert "UntagResources" not in changes(state)
    assert (value or "the tag safe-reinit:run") in str(done.error)
    assert not left(done)
    if moment == "tag answered":
        assert "StopInstance" not in changes(state)


@pytest.mark.parametrize("value", ["r-other", None])
def test_a_tag_that_goes_after_the_wipe_changes_nothing(value: str | None) -> None:
    """Once the wipe is sent the run goes to its end, and leaves alone what is not its own."""
    with simulated() as sim:
        done = tagged(sim, on_event=once(accepted("ReInitDisk"), lambda: set_tag(sim, value)))
        state = sim.state()
        after = lock_tag(sim)

    assert_true(done, state)
    assert (done.outcome, after) == ("done", value)
    assert "UntagResources" not in changes(state)
    assert not left(done)


# ----------------------------------------------------------------------------------------------- what befalls its calls

PASSES: dict[str, dict[str, Any]] = {
    "answer dropped": {"drop_answer": True},
    "request dropped": {"drop_request": True},
    "garbled": {"garble": True},
    "503": {"error": {"code": "ServiceUnavailable", "status": 503}},
    "throttled": {"throttle": True},
    "busy": {"error": {"code": "OperationConflict", "status": 409}},
}


@pytest.mark.parametrize("kind", PASSES)
def test_what_passes_is_asked_again(kind: str) -> None:
    """A tag set or taken off twice is as once: lost answers and refusals that pass are asked again."""
    faults = [{"action": action, "times": 2, **PASSES[kind]} for action in ("TagResources", "UntagResources")]
    with simulated(faults=faults) as sim:
        done = tagged(sim)
        state = sim.state()
        after = lock_tag(sim)

    assert_true(done, state)
    assert (done.outcome, after, left(done)) == ("done", None, False), done.error
    assert wipes(state, DATA) == 1


@pytest.mark.parametrize(
    "code", ["Forbidden.RAM", "NoPermission", "InvalidResourceId.NotFound", "OperationDenied.QuotaExceed", "Brand.New"]
)
def test_a_tag_that_is_refused_stops_nothing(code: str) -> None:
    """Where the tag may not be set the run ends with 4, after one try, and the machine was never touched."""
    with simulated(faults=[{"action": "TagResources", "error": {"code": code, "status": 403}}]) as sim:
        done = tagged(sim)
        state = sim.state()

    assert_true(done, state)
    assert (done.outcome, done.report.exit_code) == ("failed", 4)
    assert done.error is not None
    assert done.error.code == code
    assert changes(state) == ["TagResources"]
    assert not left(done)


def test_an_instance_with_no_room_for_a_tag() -> None:
    """An instance with the 20 tags that it may have ends the run with 4, and keeps them."""
    with simulated(lab_world(instance={"tags": {f"k{number}": "v" for number in range(20)}})) as sim:
        done = tagged(sim)
        state = sim.state()

    assert done.outcome == "failed"
    assert changes(state) == ["TagResources"]


@pytest.mark.parametrize("what", [{"drop_request": True}, {"throttle": True}, {"drop_answer": True}], ids=str)
def test_a_tag_whose_answer_never_comes_ends_the_run(what: dict[str, Any]) -> None:
    """However TagResources fails for good, the run ends with the machine up; a tag that shows is enough."""
    with simulated(faults=[{"action": "TagResources", "nth": "every", **what}]) as sim:
        done = tagged(sim, limits={"retry": 90.0})
        state = sim.state()
        after = lock_tag(sim)

    assert_true(done, state)
    assert done.outcome == ("done" if "drop_answer" in what else "failed")
    assert ("StopInstance" in changes(state)) == ("drop_answer" in what)
    assert after is None


@pytest.mark.parametrize(
    "what", [{"error": {"code": "Forbidden.RAM"}}, {"drop_request": True}, {"throttle": True}], ids=str
)
def test_a_tag_that_cannot_be_taken_off_changes_no_outcome_and_is_reported(what: dict[str, Any]) -> None:
    """The data and the power are as told: what stays is the tag, and the person is told so."""
    with simulated(faults=[{"action": "UntagResources", "nth": "every", **what}]) as sim:
        done = tagged(sim, limits={"retry": 60.0})
        state = sim.state()
        after = lock_tag(sim)

    assert_true(done, state)
    assert (done.outcome, done.report.exit_code) == ("done", 0)
    assert after == done.report.run_id
    assert left(done)


def test_a_tag_that_stays_is_reported_on_stderr(tmp_path: Path) -> None:
    """The command line says that the tag stays and what to do, even where it is to be quiet."""
    config = tmp_path / "config.yaml"
    config.write_text("lock_tag: true\n")
    config.chmod(0o600)
    with simulated(faults=[{"action": "UntagResources", "nth": "every", "error": {"code": "Forbidden.RAM"}}]) as sim:
        run_command = command(sim.url, tmp_path)
        words = ("--disk", DATA, "--stop-instance", "--confirm", DATA, "--config", str(config), "--quiet")
        done = run_command(*words, journal=tmp_path / "j.db")

    assert done.returncode == 0, done.stderr
    assert f"stays on {INSTANCE}, and no other run can begin on it: remove the tag in the ECS console." in done.stderr


# ---------------------------------------------------------------------------------------------------- killed, resumed

MOMENTS = {
    "tag answered": accepted("TagResources"),
    "stop answered": accepted("StopInstance"),
    "Stopped": showing(instance="Stopped"),
    "wipe answered": accepted("ReInitDisk"),
    "start answered": accepted("StartInstance"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_resumed_run_goes_on_behind_its_tag_and_takes_it_off(moment: str) -> None:
    """Killed at any time, a run finds its own tag no obstacle, wipes once, and leaves no tag."""
    with simulated() as sim:
        caller = client(sim, TAGGED)
        name = killed(sim, MOMENTS[moment], using=caller)
        between = lock_tag(sim)
        result = resumed(sim, name, using=caller)
        state = sim.state()
        after = lock_tag(sim)

    assert between == name
    assert result.outcome == "done", result.error
    assert (wipes(state, DATA), after) == (1, None)
    assert state["instances"][INSTANCE]["status"] == "Running"


@pytest.mark.parametrize("value", ["r-other", None])
@pytest.mark.parametrize("moment", ["tag answered", "Stopped"])
def test_a_resumed_run_whose_tag_is_gone_ends(moment: str, value: str | None) -> None:
    """A tag that was taken off or replaced while nobody was there ends the resumed run: no wipe, the power back."""
    with simulated() as sim:
        caller = client(sim, TAGGED)
        name = killed(sim, MOMENTS[moment], using=caller)
        set_tag(sim, value)
        result = resumed(sim, name, using=caller)
        state = sim.state()
        after = lock_tag(sim)

    assert result.outcome == "failed"
    assert (wipes(state, DATA), after) == (0, value)
    assert state["instances"][INSTANCE]["status"] == "Running"


def test_a_run_that_is_planned_again_puts_its_own_tag_there(tmp_path: Path) -> None:
    """``--verdict wipe-again`` takes the old run's tag off, sets and takes off its own, and neither blocks it."""
    with simulated(faults=[{"action": "ReInitDisk", "drop_request": True, "times": 3}]) as sim:
        journal = tmp_path / "j.db"
        caller = client(sim, {**TAGGED, "journal": str(journal)})
        first = tagged(sim, using=caller)
        run_command = command(sim.url, tmp_path)
        words = ("resume", str(first.report.run_id), "--verdict", "wipe-again", "--confirm", DATA)
        done = run_command(*words, journal=journal)
        state = sim.state()
        after = lock_tag(sim)

    assert first.outcome == "unknown"
    assert done.returncode == 0, done.stderr
    begun = changes(state).index("UntagResources")
    assert changes(state)[begun:] == ["UntagResources", "TagResources", "ReInitDisk", "StartInstance", "UntagResources"]
    assert after is None


def test_a_run_is_not_planned_again_while_its_tag_cannot_be_taken_off(tmp_path: Path) -> None:
    """Where the old tag cannot be taken off the new run does not begin, and the old one stays open."""
    faults = [
        {"action": "ReInitDisk", "drop_request": True, "times": 3},
        {"action": "UntagResources", "error": {"code": "Forbidden.RAM"}},
    ]
    with simulated(faults=faults) as sim:
        journal = tmp_path / "j.db"
        caller = client(sim, {**TAGGED, "journal": str(journal)})
        first = tagged(sim, using=caller)
        name = str(first.report.run_id)
        run_command = command(sim.url, tmp_path)
        done = run_command("resume", name, "--verdict", "wipe-again", "--confirm", DATA, journal=journal)
        again = run_command("resume", name, "--verdict", "reinitialised", journal=journal)
        state = sim.state()

    assert (done.returncode, again.returncode) == (4, 0), done.stderr
    assert "Remove it in the ECS console" in done.stderr
    assert changes(state).count("ReInitDisk") == 3


# -------------------------------------------------------------------------------- two hosts, two journals, one instance


class Host:
    """One of two hosts: a client with a journal of its own, and a run on a thread of its own."""

    def __init__(self, sim: Simulator, journal: Path) -> None:
        self.sim = sim
        self.caller: Client = client(sim, {**TAGGED, "journal": str(journal)})
        self.plan = self.caller.plan([DATA], stop_instance=True)
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] = lambda _event: None
        self.report: Any = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        def note(event: Event) -> None:
            self.events.append(event)
            self.on_event(event)

        try:
            self.report = self.caller.run(self.plan, confirm=self.plan.confirm_with, on_event=note)
        except Error as error:
            self.report = error.report

    def start(self) -> None:
        """Begin the run."""
        self._thread.start()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

    @property
    def outcome(self) -> str:
        """What the run came to."""
        return str(self.report.outcome)


def hosts(sim: Simulator, folder: Path) -> tuple[Host, Host]:
    """Return two hosts that have both looked and planned."""
    return Host(sim, folder / "a.db"), Host(sim, folder / "b.db")


def assert_apart(first: Host, second: Host, state: dict[str, Any], status: str) -> None:
    """Assert that what two hosts did harmed nothing: one wipe at most, before any start, and the power as it was.

    Who saw the other's wipe begin cannot say what the data is; who did not, says nothing of it that is not so.
    """
    rows = state["disks"][DATA]["wipes"]
    ends = [host.outcome for host in (first, second)]
    assert len(rows) == ends.count("done") <= 1, ends
    known = {"done", "failed", "refused", *(["unknown"] if rows else [])}
    assert set(ends) <= known, (first.report.error, second.report.error)
    assert all(row["starts_before"] == 1 for row in rows)
    assert state["instances"][INSTANCE]["status"] == status


@pytest.mark.parametrize("status", ["Running", "Stopped"])
def test_who_begins_second_is_refused(status: str, tmp_path: Path) -> None:
    """A host that planned before the first tagged and begins afterwards sees the tag and changes nothing: 3."""
    with simulated(lab_world(status=status)) as sim:
        first, second = hosts(sim, tmp_path)
        began = threading.Event()
        first.on_event = lambda event: began.set() if accepted("TagResources")(event) else None
        first.start()
        assert began.wait(30)
        second.start()
        first.join()
        second.join()
        state = sim.state()
        after = lock_tag(sim)

    assert_apart(first, second, state, status)
    assert (first.outcome, second.outcome, after) == ("done", "refused", None)
    assert changes(state).count("TagResources") == 1


@pytest.mark.parametrize("status", ["Running", "Stopped"])
@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_that_begin_at_once_one_goes_on(turn: int, status: str, tmp_path: Path) -> None:
    """Begun at the same moment, exactly one of two hosts wipes, and no tag is left."""
    with simulated(lab_world(status=status)) as sim:
        first, second = hosts(sim, tmp_path)
        for host in (first, second)[::turn]:
            host.start()
        first.join()
        second.join()
        state = sim.state()
        after = lock_tag(sim)

    assert_apart(first, second, state, status)
    assert "done" in (first.outcome, second.outcome), (first.report.error, second.report.error)
    assert after is None


LATE: dict[str, Callable[[Event], bool]] = {
    "tag intended": intended("TagResources"),
    "tag answered": accepted("TagResources"),
    "tag shown": lambda event: event.event == "wait" and event.data["for"] == "the tag",
    "stop intended": intended("StopInstance"),
    "Stopping": showing(instance="Stopping"),
    "Stopped": showing(instance="Stopped"),
    "wipe intended": intended("ReInitDisk"),
    "ReIniting": showing(disk="ReIniting"),
    "start intended": intended("StartInstance"),
    "untag intended": intended("UntagResources"),
    "untag answered": accepted("UntagResources"),
}


@pytest.mark.parametrize(
    ("moment", "status"),
    [*sampled((moment, "Running") for moment in LATE), *((moment, "Stopped") for moment in ("tag shown",
     "wipe intended", "untag answered"))],
)  # fmt: skip
def test_a_tag_on_its_way_for_however_long_leads_to_no_second_wipe(
    moment: str, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host's TagResources that lands at any moment of the other's run, its look long past, harms nothing.

    Where it lands before the other has seen its own tag for the settling time, exactly one of them goes on.
    """
    lands, landed, waiting = threading.Event(), threading.Event(), threading.Event()
    tag = ChangingCalls.tag_instance

    with simulated(lab_world(status=status)) as sim:
        first, second = hosts(sim, tmp_path)

        def late(self: ChangingCalls, instance_id: str, what: tuple[str, str], *, attempt: int = 1) -> Accepted:
            if threading.current_thread().name.startswith("safe-reinit") and what[1] == second_name[0]:
                waiting.set()
                lands.wait(30)
                try:
                    return tag(self, instance_id, what, attempt=attempt)
                finally:
                    landed.set()
            return tag(self, instance_id, what, attempt=attempt)

        monkeypatch.setattr(ChangingCalls, "tag_instance", late)
        second_name: list[str] = []
        second.on_event = lambda event: second_name.append(str(event.run_id)) if not second_name else None

        def reached(event: Event) -> None:
            if LATE[moment](event) and not lands.is_set():
                lands.set()
                landed.wait(30)

        first.on_event = reached
        second.start()
        assert waiting.wait(30)
        first.start()
        first.join()
        lands.set()
        second.join()
        state = sim.state()
        after = lock_tag(sim)

    assert_apart(first, second, state, status)
    assert after in (None, *(host.report.run_id for host in (first, second) if host.outcome == "unknown"))
    if moment in ("tag intended", "tag answered", "tag shown"):
        assert "done" in (first.outcome, second.outcome), (first.report.error, second.report.error)
