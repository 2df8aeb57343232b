"""The library: what ``plan`` and ``run_plan`` promise to a program."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit import report
from safe_reinit.cloud.interface import Cloud, CloudFactory, MaySend, NotSent, OnCall
from safe_reinit.config import resolve
from safe_reinit.errors import Error, RunRefused, UsageError
from safe_reinit.journal import open_to_write
from safe_reinit.model import Event, Plan
from safe_reinit.plans.plan import from_json, plan_to_json
from tests import direct
from tests.cloudlike import (
    BYSTANDER,
    DATA,
    INSTANCE,
    SYSTEM,
    accepted,
    assert_true,
    client,
    lab_world,
    once,
    run_plan,
    simulated,
    wipes,
)

pytestmark = pytest.mark.virtual_time

LAB = {"match": {"tags": {"env": "lab"}}}
CHANGING = ("StopInstance", "ReInitDisk", "StartInstance")
PASSWORD = "Pl4nted&Secret=Word"


def changing(state: dict[str, Any]) -> list[str]:
    """List the changing calls that the cloud got."""
    return [call["action"] for call in state["calls"] if call["action"] in CHANGING and not call["dry_run"]]


def test_a_plan_raises_nothing_for_what_it_finds() -> None:
    """What a check finds is in the plan, and the plan says that it cannot run."""
    with simulated() as sim:
        plan = client(sim).plan([DATA])

    assert not plan.runnable
    assert [found.check for found in plan.blockers] == ["instance-running"]


MANY = [f"d-{number}" for number in range(101)]
"""More than one Describe call can take."""


@pytest.mark.parametrize("dry", [{}, {"discovered": True}, {"max_disks": 100}, {"elsewhere": 5_000}])
def test_far_too_many_disks_are_refused_before_any_call(dry: dict[str, Any]) -> None:
    """Where the number alone refuses, nothing is asked about the disks, and the refusal has its finding."""
    with simulated() as sim:
        with pytest.raises(RunRefused, match="Nothing was asked of ECS") as caught:
            client(sim).plan(MANY, **dry)
        assert sim.state()["calls"] == []

    found = caught.value.report
    assert found is not None
    assert [(each.check, each.level, each.subject) for each in found.findings] == [("too-many-disks", "block", "run")]
    assert str(caught.value).startswith(f"too-many-disks: run: {found.findings[0].message}")
    assert (found.calls, found.outcome) == ((), "refused")


@pytest.mark.parametrize(
    ("disks", "having"),
    [(MANY[:11], {}), (MANY, {"max_disks": 101}), (MANY, {"classes": {"lab": {**LAB, "max_disks": 101}}})],
)
def test_the_disks_are_read_where_their_number_does_not_decide(disks: list[str], having: dict[str, Any]) -> None:
    """A list that can be read at a glance, or that a class may allow, gets a plan with every finding."""
    with simulated() as sim:
        plan = client(sim, having).plan(disks)

    assert "disk-not-found" in {found.check for found in plan.blockers}


def test_a_plan_changes_nothing() -> None:
    """Planning sends looks and dry runs only."""
    with simulated() as sim:
        client(sim).plan([DATA, SYSTEM], stop_instance=True)
        state = sim.state()

    assert changing(state) == []


def test_what_is_no_word_runs_nothing() -> None:
    """Consent that is no text, as of a variable that was never set, is an error of use."""
    with simulated() as sim:
        caller = client(sim)
        nothing: Any = None
        with pytest.raises(UsageError, match="confirm is not a string"):
            caller.run(caller.plan([DATA], stop_instance=True), confirm=nothing)

        assert changing(sim.state()) == []


@pytest.mark.parametrize("word", ["", "d-dat", "D-DATA ", "yes", INSTANCE, "0" * 8, f"{DATA}\n"])
def test_the_wrong_word_runs_nothing(word: str) -> None:
    """Consent is compared whole: anything but the disk's id is refused, and the error carries a report."""
    with simulated() as sim:
        caller = client(sim)
        plan = caller.plan([DATA], stop_instance=True)
        with pytest.raises(RunRefused) as caught:
            caller.run(plan, confirm=word)
        state = sim.state()

    assert changing(state) == []
    assert caught.value.report is not None
    assert caught.value.report.outcome == "refused"
    assert caught.value.report.calls


def test_consent_is_compared_without_regard_to_case() -> None:
    """The id in other letters is the same consent."""
    with simulated(lab_world(status="Stopped")) as sim:
        caller = client(sim)
        result = caller.run(caller.plan([DATA]), confirm=DATA.upper())

    assert result.outcome == "done"


def test_a_plan_that_cannot_run_is_refused_whatever_is_confirmed() -> None:
    """The right word does not waive a block."""
    with simulated() as sim:
        caller = client(sim)
        plan = caller.plan([DATA])
        with pytest.raises(RunRefused) as caught:
            caller.run(plan, confirm=plan.confirm_with)
        state = sim.state()

    assert changing(state) == []
    assert "instance-running" in str(caught.value)


@pytest.mark.parametrize(
    ("names", "error"), [(["no-such-check"], UsageError), (["disk-locked"], RunRefused), (["never-started"], None)]
)
def test_what_is_accepted_must_be_the_name_of_a_risk(names: list[str], error: type[Error] | None) -> None:
    """An unknown name is a usage error, a block cannot be accepted, and a risk that does not arise is ignored."""
    with simulated(lab_world(status="Stopped")) as sim:
        caller = client(sim)
        if error is None:
            assert caller.plan([DATA], accept=names).runnable
            return
        with pytest.raises(error):
            caller.plan([DATA], accept=names)


@pytest.mark.parametrize(
    "ids", [[], ["i-web"], ["d-"], [""], ["d-\u00e4"], ["d-1\nd-2"], ["d-1", "s-1"], None, "d-1", [5], [None]]
)
def test_what_is_no_disk_id_is_never_sent(ids: Any) -> None:
    """A malformed id ends before any request."""
    with simulated() as sim:
        with pytest.raises(UsageError):
            client(sim).plan(ids)
        state = sim.state()

    assert state["calls"] == []


def test_a_disk_named_twice_is_planned_and_was_once() -> None:
    """The same id twice is one disk."""
    with simulated(lab_world(status="Stopped")) as sim:
        done = run_plan(sim, [DATA, DATA])
        state = sim.state()

    assert_true(done, state)
    assert done.sent("ReInitDisk") == 1
    assert done.plan.confirm_with == DATA


def test_a_plan_is_not_run_twice() -> None:
    """The second run of one plan is refused: the journal knows that it was run, and wipes nothing."""
    with simulated() as sim:
        caller = client(sim)
        plan = caller.plan([DATA], stop_instance=True)
        caller.run(plan, confirm=DATA)
        with pytest.raises(RunRefused) as caught:
            caller.run(plan, confirm=DATA)
        state = sim.state()

    assert wipes(state, DATA) == 1
    assert "already been run" in str(caught.value)


def test_a_plan_read_back_from_json_runs_the_same() -> None:
    """A plan that went through JSON runs as it would have, with the calls of the run in its report."""
    with simulated() as sim:
        caller = client(sim)
        plan = from_json(json.loads(json.dumps(plan_to_json(caller.plan([DATA], stop_instance=True)))))
        result = caller.run(plan, confirm=plan.confirm_with)
        state = sim.state()

    assert result.outcome == "done"
    assert wipes(state, DATA) == 1


def test_a_plan_with_other_expectations_is_not_run() -> None:
    """A plan whose facts were emptied does not run blindly: what it stands on is compared with what is there."""
    with simulated() as sim:
        caller = client(sim)
        plan = caller.plan([DATA], stop_instance=True)
        hollow = replace(plan, jobs=tuple(replace(job, expected={}) for job in plan.jobs))
        with pytest.raises(RunRefused):
            caller.run(hollow, confirm=DATA)
        state = sim.state()

    assert changing(state) == []


def test_a_plan_of_another_account_is_not_run() -> None:
    """Credentials of another account than the plan's end the run before it changes anything."""
    other = [{"id": "one", "secret": "one"}, {"id": "two", "secret": "two", "account": "1000000000000077"}]
    with simulated(lab_world(keys=other)) as sim:
        plan = client(sim).plan([DATA], stop_instance=True)
        with pytest.raises(RunRefused):
            client(sim, credentials=("two", "two")).run(plan, confirm=DATA)
        state = sim.state()

    assert changing(state) == []


def test_one_client_serves_several_threads() -> None:
    """Plans and runs on several threads of one client end each with its own machine, events and calls."""
    machines = (INSTANCE, "i-b", "i-c")
    disks = [DATA, f"{DATA}-b", f"{DATA}-c"]
    done: dict[str, Any] = {}
    with simulated(lab_world(machines=machines)) as sim:
        caller = client(sim)

        def one(disk_id: str) -> None:
            done[disk_id] = run_plan(sim, [disk_id], using=caller)

        threads = [threading.Thread(target=one, args=(disk_id,)) for disk_id in disks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        state = sim.state()

    assert sorted(done) == sorted(disks)
    for disk_id, each in done.items():
        assert_true(each, state | {"disks": {disk_id: state["disks"][disk_id]}})
        assert each.outcome == "done"
        assert {call.subject for call in each.report.calls if call.action == "ReInitDisk"} == {(disk_id,)}
    assert len({each.report.run_id for each in done.values()}) == 3


def test_a_password_is_in_no_output() -> None:
    """A password that is set with the wipe is in no plan, event, report or error, in whatever form."""
    events: list[Event] = []
    plans: list[Plan] = []
    with simulated(faults=[{"action": "ReInitDisk", "error": {"code": "InvalidPassword.Malformed"}}]) as sim:
        caller = client(sim)
        plans.append(caller.plan([SYSTEM], stop_instance=True, password=PASSWORD))
        with pytest.raises(Error) as caught:
            caller.run(plans[0], confirm=SYSTEM, on_event=events.append)

    result = caught.value.report
    assert result is not None
    shown = [repr(caught.value), repr(plans), repr(events), repr(result), report.dump_document(report.to_json(result))]
    shown += [report.to_text(result), report.to_markdown(result), json.dumps(plan_to_json(plans[0]))]
    text = "\n".join(shown)
    assert PASSWORD not in text
    assert "Pl4nted%26Secret%3DWord" not in text


def test_events_show_intentions_before_answers() -> None:
    """For each changing call there is an intention, then an answer, and the end is told last."""
    with simulated() as sim:
        done = run_plan(sim)

    result = [(event.event, event.data.get("action")) for event in done.events if event.event in ("intend", "answer")]
    assert result == [(name, act) for act in CHANGING for name in ("intend", "answer")]
    assert done.events[-1].event == "done"
    assert {event.run_id for event in done.events} == {done.report.run_id}


def test_other_disks_of_the_machine_keep_their_data() -> None:
    """What shares the downtime is told in the plan and not touched."""
    with simulated() as sim:
        done = run_plan(sim)
        state = sim.state()

    assert set(done.plan.jobs[0].sharing) == {SYSTEM, BYSTANDER}
    assert wipes(state, SYSTEM) == wipes(state, BYSTANDER) == 0


def test_a_read_that_is_required_and_not_made_blocks(tmp_path: Path) -> None:
    """What the configuration requires to be seen, and cannot be, refuses the run before anything is touched."""
    file = tmp_path / "config.yaml"
    file.write_text("require_answers: [ess, kms]\n", "utf-8")
    with simulated(lab_world(disk={"encrypted": True, "kms_key": "k-1"})) as sim:
        for right in ("ess:DescribeScalingInstances", "kms:DescribeKey", "ebs:DescribeDiskReplicaPairs"):
            sim.do({"deny": {"action": right}})
        caller = safe_reinit.connect(
            region="cn-hangzhou", endpoint=sim.url, credentials=sim.access_key, config=str(file)
        )
        plan = caller.plan([DATA], stop_instance=True)

    assert not plan.runnable
    assert [found.subject for found in plan.blockers] == ["DescribeScalingInstances", "DescribeKey"]
    assert {found.check for found in plan.blockers} == {"could-not-check"}


# ------------------------------------------------------------------------------------------------ guards and classes

CLASS = "classes: {lab: {match: {tags: {env: lab}}, stop_instance: true, on_unknown: retry, force_stop_after: 2m}}\n"


def configured(sim: Any, tmp_path: Path, text: str, env: dict[str, str] | None = None) -> safe_reinit.Client:
    """Connect with a configuration, an environment and a journal of its own."""
    file = tmp_path / "config.yaml"
    file.write_text(text, "utf-8")
    flags = {"region": sim.region, "endpoint": sim.url, "journal": str(tmp_path / "j.db")}
    return client(sim, config=resolve(flags, env or {}, str(file)))


def test_a_class_allows_what_the_call_did_not(tmp_path: Path) -> None:
    """With a class for it, plan() needs no argument; the plan has the options in force and its limits."""
    with simulated(lab_world(instance={"tags": {"env": "lab"}})) as sim:
        plan = configured(sim, tmp_path, CLASS).plan([DATA])
        without = client(sim).plan([DATA])

    assert plan.runnable
    assert plan.options.stop_instance
    assert plan.limits.force_stop_after == 120.0
    assert plan.guard.class_ is not None
    assert plan.guard.class_.on_unknown == "retry"
    assert [found.check for found in without.blockers] == ["instance-running"]


@pytest.mark.parametrize(("text", "on_unknown"), [({}, "retry"), ({"SAFE_REINIT_ON_UNKNOWN": "ask"}, "ask")])
def test_what_a_lost_answer_means_comes_from_the_class_unless_it_is_given(
    tmp_path: Path, text: dict[str, str], on_unknown: str
) -> None:
    """The record of a run by class has what the class says, or what was said for this run."""
    with simulated(lab_world(status="Stopped", instance={"tags": {"env": "lab"}})) as sim:
        caller = configured(sim, tmp_path, CLASS, text)
        result = run_plan(sim, using=caller, stop_instance=False).report
        with open_to_write(tmp_path / "j.db") as journal:
            stored = journal.run(str(result.run_id))

    assert stored is not None
    assert [each.state.on_unknown for each in stored.jobs] == [on_unknown]


def test_a_class_costs_no_call(tmp_path: Path) -> None:
    """Matching classes looks at nothing that was not looked at anyway."""
    with simulated(lab_world(instance={"tags": {"env": "lab"}})) as sim:
        configured(sim, tmp_path, CLASS).plan([DATA])
        by_class = [call["action"] for call in sim.state()["calls"]]
        client(sim).plan([DATA], stop_instance=True)
        both = [call["action"] for call in sim.state()["calls"]]

    assert sorted(both) == sorted(by_class * 2)


@pytest.mark.parametrize(
    ("target", "tags"), [(DATA, {"safe-reinit:protect": ""}), (INSTANCE, {"safe-reinit:protect": ""}), (INSTANCE, {})]
)
def test_what_is_protected_while_the_machine_stops_is_not_wiped(
    tmp_path: Path, target: str, tags: dict[str, str]
) -> None:
    """A protecting tag, or the loss of the tag of the class, between plan and wipe saves the data: power comes back."""
    with simulated(lab_world(instance={"tags": {"env": "lab"}})) as sim:
        done = run_plan(
            sim,
            using=configured(sim, tmp_path, CLASS),
            stop_instance=False,
            on_event=once(accepted("StopInstance"), lambda: sim.do({"change": target, "to": {"tags": tags}})),
        )
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "failed"
    assert changing(state) == ["StopInstance", "StartInstance"]
    assert "target-protected" in str(done.error) if tags else "not-in-class" in str(done.error)


def test_what_is_protected_before_the_first_call_is_refused() -> None:
    """A tag set between the plan and the run refuses the run: nothing was changed."""
    with simulated() as sim:
        done = run_plan(sim, between=lambda: sim.do({"change": DATA, "to": {"tags": {"safe-reinit:protect": ""}}}))
        state = sim.state()

    assert done.outcome == "refused"
    assert changing(state) == []


def test_an_undo_is_guarded_and_allowed_as_a_wipe_is(tmp_path: Path) -> None:
    """The class of the disks allows the stop of an undo too, and what is protected by then is not rolled back."""
    with simulated(lab_world(instance={"tags": {"env": "lab"}})) as sim:
        caller = configured(sim, tmp_path, CLASS)
        result = run_plan(sim, using=caller, stop_instance=False, snapshot=True).report
        allowed = caller.plan_undo(str(result.run_id))
        sim.do({"change": DATA, "to": {"tags": {"safe-reinit:protect": ""}}})
        refused = caller.plan_undo(str(result.run_id))

    assert (allowed.blockers, allowed.options.stop_instance) == ((), True)
    assert [found.check for found in refused.blockers] == ["target-protected"]


def test_a_plan_is_not_run_under_other_guards(tmp_path: Path) -> None:
    """A plan that was made, or made to look as if, under another configuration of targets is to be made anew."""
    with simulated(lab_world(status="Stopped")) as sim:
        ours = client(sim)
        plan = ours.plan([DATA])
        hollow = replace(plan, guard=replace(plan.guard, protect=replace(plan.guard.protect, tag="x")))
        with pytest.raises(RunRefused, match="allow or protect rules"):
            ours.run(hollow, confirm=DATA)
        with pytest.raises(RunRefused, match="allow or protect rules"):
            configured(sim, tmp_path, "allow: {disks: [d-other]}\n").run(plan, confirm=DATA)
        state = sim.state()

    assert changing(state) == []


@pytest.mark.parametrize("most", [0, -1])
def test_a_number_of_disks_is_one_at_least(most: int) -> None:
    """No number below one is a number of disks."""
    with simulated() as sim, pytest.raises(UsageError, match="max_disks"):
        client(sim).plan([DATA], max_disks=most)


def test_more_disks_than_stated_are_refused() -> None:
    """max_disks of the call is what the run may have."""
    with simulated(lab_world(status="Stopped")) as sim:
        caller = client(sim)
        plans = [caller.plan([DATA, SYSTEM], max_disks=most) for most in (1, 2)]

    assert [[found.check for found in plan.blockers] for plan in plans] == [["too-many-disks"], []]


def test_a_second_wipe_needs_a_new_snapshot() -> None:
    """The snapshot that was fresh for the first run is older than the start which ended it: nothing is called."""
    with simulated() as sim:
        first = run_plan(sim)
        second = run_plan(sim)
        third = run_plan(sim, accept=["no-recent-snapshot"])
        state = sim.state()

    assert (first.outcome, second.outcome, third.outcome) == ("done", "refused", "done")
    assert [found.check for found in second.plan.blockers] == ["no-recent-snapshot"]
    assert not any(second.sent(name) for name in CHANGING)
    assert third.report.jobs[0].disks[0].waivers == ("no-recent-snapshot",)
    assert wipes(state, DATA) == 2


@pytest.mark.parametrize(("age", "runnable"), [("2h", True), ("30m", False)])
def test_how_old_a_snapshot_may_be_is_configured(tmp_path: Path, age: str, runnable: bool) -> None:
    """snapshot_max_age decides whether the snapshot of an hour ago is a way back; --snapshot makes one."""
    file = tmp_path / "config.yaml"
    file.write_text(f"snapshot_max_age: {age}\n", "utf-8")
    with simulated() as sim:
        caller = client(sim, config=str(file))
        plan = caller.plan([DATA], stop_instance=True)
        taking = caller.plan([DATA], stop_instance=True, snapshot=True)

    assert plan.runnable == runnable
    assert [found.check for found in plan.blockers] == ([] if runnable else ["no-recent-snapshot"])
    assert taking.runnable


def test_an_undo_is_judged_by_what_an_undo_does(tmp_path: Path) -> None:
    """Without any snapshot --snapshot makes the way back; going it brings no login, image or fstab into question."""
    bare = lab_world(instance={"key_pair": ""})
    bare |= {"disks": {name: {**disk, "snapshot": ""} for name, disk in bare["disks"].items()}, "snapshots": {}}
    with simulated(bare) as sim:
        caller = client(sim, journal=str(tmp_path / "j.db"))
        risks = ["fstab-may-name-disk", "no-login-set"]
        done = run_plan(sim, [DATA, SYSTEM], using=caller, snapshot=True, accept=risks)
        undo = caller.plan_undo(str(done.report.run_id), stop_instance=True)

    assert done.outcome == "done"
    assert {found.check for found in done.plan.findings if found.level == "risk"} == set(risks)
    assert undo.runnable
    assert {found.check for found in undo.findings} >= {"kept-snapshots", "downtime-shared"}
    assert "user-data-runs-again" not in {found.check for found in undo.findings}


def handed_in(path: Path, make: CloudFactory) -> safe_reinit.Client:
    """Connect to a cloud that the program hands in."""
    return safe_reinit.connect(region="cn-hangzhou", cloud=make, journal=path / "journal.db")


def test_a_cloud_of_ones_own_makes_every_call(tmp_path: Path) -> None:
    """A cloud that is handed in makes all calls of plan and run, which the report tells as any other; it is closed."""
    clouds: list[Cloud] = []
    closed: list[Cloud] = []

    with simulated() as sim:
        ours = direct.over(sim)

        def make(on_call: OnCall, may_send: MaySend) -> Cloud:
            cloud: Any = ours(on_call, may_send)
            clouds.append(cloud)
            cloud.close = lambda: closed.append(cloud)
            return cloud

        result = run_plan(sim, using=handed_in(tmp_path, make))
        state = sim.state()

    assert result.outcome == "done"
    assert [result.sent(action) for action in CHANGING] == [1, 1, 1]
    assert {call.request_id for call in result.report.calls} == {call["request_id"] for call in state["calls"]}
    assert closed == clouds


def test_a_cloud_of_ones_own_sends_nothing_after_its_run(tmp_path: Path) -> None:
    """A cloud that is handed in asks before each changing call, and is refused it once the run has ended."""
    clouds: list[Cloud] = []

    with simulated() as sim:
        ours = direct.over(sim)

        def make(on_call: OnCall, may_send: MaySend) -> Cloud:
            clouds.append(ours(on_call, may_send))
            return clouds[-1]

        done = run_plan(sim, using=handed_in(tmp_path, make))
        with pytest.raises(NotSent, match=f"no longer holds run {done.report.run_id}"):
            clouds[-1].stop_instance(INSTANCE)

        assert changing(sim.state()) == list(CHANGING)


@pytest.mark.parametrize("beside", [{"endpoint": "127.0.0.1:1"}, {"profile": "ops"}, {"credentials": ("id", "secret")}])
def test_a_cloud_of_ones_own_takes_no_other_place(beside: dict[str, Any], tmp_path: Path) -> None:
    """What says where a cloud is, or who calls it, contradicts a cloud that is handed in."""
    with pytest.raises(UsageError, match=f"connect got both a cloud and {next(iter(beside))}"):
        safe_reinit.connect(region="cn-hangzhou", cloud=_no_cloud, journal=tmp_path / "journal.db", **beside)


def test_a_cloud_of_ones_own_needs_a_named_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a cloud that may be a fake one are never written into the usual journal unasked."""
    monkeypatch.delenv("SAFE_REINIT_JOURNAL", raising=False)
    with pytest.raises(UsageError, match="no journal"):
        safe_reinit.connect(region="cn-hangzhou", cloud=_no_cloud)


def _no_cloud(on_call: OnCall, may_send: MaySend) -> Cloud:
    raise AssertionError(f"nothing is to be made, for {on_call} or {may_send}")
