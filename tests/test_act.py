"""One guarded call: what must hold at the moment it is sent, whatever else goes on."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from safe_reinit.act import Act
from safe_reinit.ledger import Changes, Entry
from safe_reinit.run import Runner

from safe_reinit import codes, record, retry
from safe_reinit.cloud import Accepted, CloudError, NotSent, Refused, Unanswered
from safe_reinit.journal import Journal
from safe_reinit.look import observe
from safe_reinit.model import (
    Allow,
    Command,
    Failure,
    Guard,
    JobState,
    Limits,
    Options,
    Plan,
    PlannedJob,
    Protect,
    SafetySnapshot,
    Step,
)
from safe_reinit.model.codec import encode
from safe_reinit.plan import make_plan, to_json
from tests import values
from tests.cloudlike import TinyClock, TinyCloud, errand

WIPE = Command("ReInitDisk", values.DISK_ID)
STOP = Command("StopInstance", values.INSTANCE_ID)
START = Command("StartInstance", values.INSTANCE_ID)
OPTIONS = Options(stop_instance=True, accept=("fstab-may-name-disk", "no-recent-snapshot"))


class Kept(Entry):
    """An entry of a ledger in memory, and that ledger.

    ``between`` changes the record just before the change of this number, as a thread may.
    """

    def __init__(self, job: PlannedJob, before: JobState) -> None:
        super().__init__(0, job, before)
        self.between: dict[int, Callable[[JobState], JobState]] = {}
        self.changes = 0
        self.came_between = False
        self.stop = threading.Event()

    def keep(self, changes: Changes) -> None:
        """See ``Ledger``."""
        self.changes += 1
        if self.changes in self.between and not self.record.disks[0].tries:
            self.came_between = True
            self.record = self.between[self.changes](self.record)
        for _, change in changes:
            self.record = change(self.record)

    commit = keep

    def check(self, *, brings_back: bool) -> bool:
        """See ``Ledger``."""
        del brings_back
        return True


class World:
    """A machine that was running when the plan was made, and is in ``status`` now; ``guard`` is judged of it."""

    def __init__(
        self,
        status: str = "Stopped",
        options: Options = OPTIONS,
        guard: Guard | None = None,
        tags: tuple[tuple[str, str], ...] = (),
        **more: Any,
    ) -> None:
        self.clock = TinyClock()
        self.cloud = TinyCloud([values.a_disk()], [values.an_instance(status="Running", tags=tags)], **more)
        in_force = (options, guard or values.guard())
        look = (self.cloud, self.clock, values.REGION, [values.DISK_ID], options)
        self.plan: Plan = make_plan(observe(*look, settle=lambda _targets: in_force), options, Limits(), None)
        self.cloud.machines[values.INSTANCE_ID] = values.an_instance(status=status, tags=tags)
        begun = record.begin(self.plan.jobs[0], Limits(), leave_stopped=False)
        self.keeper = Kept(self.plan.jobs[0], begun)
        if status == "Stopped":
            done = Step("done", tries=1, first_at=900.0, at=900.0)
            self.keeper.record = replace(begun, stop=done, instance_status="Stopped")
        self.told: list[tuple[str, Command, dict[str, object]]] = []
        self.run_id = "r-1"

    def act(self, send: Command) -> JobState:
        """Make one guarded call."""
        ledger: Any = self.keeper
        self.keeper.job = self.plan.jobs[0]
        act = Act(self.cloud, self.clock, self.plan, self.run_id, ledger, lambda *said: self.told.append(said))
        for attempts in act.prepare([errand(self.cloud, self.clock, self.keeper, send)]):
            act.make(attempts)
        return self.keeper.record


def test_a_call_is_intended_then_sent_once_then_answered() -> None:
    """The intention is in the record before the call is sent, and its answer afterwards."""
    world = World()
    at_call: list[str] = []

    def note(name: str) -> None:
        if name == "ReInitDisk":
            at_call.append(world.keeper.record.disks[0].state)

    world.cloud.meanwhile = note
    after = world.act(WIPE)

    assert at_call == ["asked"]
    assert world.cloud.acts == ["ReInitDisk"]
    assert after.disks[0].state == "accepted"
    assert after.disks[0].fence is not None
    assert [said[0] for said in world.told] == ["intend", "answer"]


@pytest.mark.parametrize(
    ("raised", "state"),
    [
        (Unanswered("ReInitDisk"), "lost"),
        (Refused("InternalError", 500, "", "r"), "lost"),
        (Refused("Throttling", 400, "", "r"), "todo"),
        (Refused("DiskCreatingSnapshot", 403, "", "r"), "todo"),
        (Refused("OperationDenied", 403, "", "r"), "refused"),
        (Refused("Forbidden.RAM", 403, "", "r"), "refused"),
        (NotSent("ReInitDisk", "no connection could be made"), "todo"),
    ],
    ids=lambda each: getattr(each, "code", type(each).__name__) if isinstance(each, CloudError) else each,
)
def test_each_answer_to_a_wipe_goes_into_the_record(raised: CloudError, state: str) -> None:
    """A lost answer is lost, a proven refusal is refused or due again, and the call is made once in any case."""
    world = World(failing={"ReInitDisk": [raised]})
    after = world.act(WIPE)

    assert after.disks[0].state == state
    assert (after.disks[0].due is not None) == (state == "todo")
    assert world.cloud.acts == ["ReInitDisk"]
    assert (after.error is not None) == (state == "refused")


@pytest.mark.parametrize("change", [1, 2])
@pytest.mark.parametrize(
    "meanwhile",
    [record.interrupt, lambda before: record.fail(before, Failure(None, "It failed."))],
    ids=["interrupted", "failed"],
)
def test_nothing_is_sent_that_became_wrong_while_it_was_prepared(
    meanwhile: Callable[[JobState], JobState], change: int
) -> None:
    """What another thread learns before the intention is written still stops the call."""
    world = World()
    world.keeper.between = {change: meanwhile}
    world.act(WIPE)

    assert world.keeper.came_between
    assert world.cloud.acts == [], "a wipe was sent after the run had turned back"
    assert world.keeper.record.disks[0].tries == 0


@pytest.mark.parametrize("look", ["caller", "disks", "instances", "snapshots_of", "disks_of"])
def test_a_look_before_a_call_that_fails_leaves_nothing_intended(look: str) -> None:
    """Without the look there is no call and no intention, and the failure is raised for the loop to try again."""
    lost: list[CloudError] = [Unanswered("Describe") for _ in range(9)]
    world = World()
    before = world.keeper.record
    world.cloud.failing = {look: lost}

    with pytest.raises(Unanswered):
        world.act(WIPE)

    assert world.cloud.acts == []
    assert world.keeper.record == before


MOVED: dict[str, Callable[[World], object]] = {
    "another account": lambda world: setattr(world.cloud, "account", "2"),
    "started and stopped": lambda world: world.cloud.machines.update(
        {values.INSTANCE_ID: values.an_instance(start_time=values.NOW)}
    ),
    "renamed": lambda world: world.cloud.machines.update(
        {values.INSTANCE_ID: values.an_instance(instance_name="other")}
    ),
    "locked": lambda world: world.cloud.machines.update({values.INSTANCE_ID: values.an_instance(locks=("security",))}),
    "disk attached anew": lambda world: world.cloud.shown.update(
        {values.DISK_ID: values.a_disk(attached_time=values.NOW)}
    ),
    "disk moved": lambda world: world.cloud.shown.update({values.DISK_ID: values.a_disk(instance_id="i-other")}),
    "disk of another serial": lambda world: world.cloud.shown.update({values.DISK_ID: values.a_disk(serial="x")}),
    "a local snapshot": lambda world: world.cloud.snapshots_by_disk.update(
        {values.DISK_ID: (values.a_snapshot(category="flash"),)}
    ),
    "tagged as protected": lambda world: world.cloud.shown.update(
        {values.DISK_ID: values.a_disk(tags=(("safe-reinit:protect", ""),))}
    ),
    "its instance tagged as protected": lambda world: world.cloud.machines.update(
        {values.INSTANCE_ID: values.an_instance(tags=(("safe-reinit:protect", "x"),))}
    ),
    "no right to see snapshots": lambda world: world.cloud.probes.update(DescribeSnapshotsOfDisk="Forbidden.RAM"),
}


@pytest.mark.parametrize("what", MOVED)
def test_a_plan_whose_facts_moved_is_not_gone_on_with(what: str) -> None:
    """A fact that moved, or that a check refuses now, ends the job before the wipe and says what it was."""
    world = World()
    MOVED[what](world)
    after = world.act(WIPE)

    assert world.cloud.acts == []
    assert after.disks[0].tries == 0
    assert after.error is not None


@pytest.mark.parametrize("what", ["instance", "disk"])
def test_what_is_not_listed_in_the_look_before_a_call_is_looked_for_on(what: str) -> None:
    """An absence proves nothing: nothing is sent, and nothing is given up for one look."""
    world = World()
    rows: dict[str, Any] = world.cloud.machines if what == "instance" else world.cloud.shown
    listed = dict(rows)
    rows.clear()
    after = world.act(WIPE)
    assert (world.cloud.acts, after.disks[0].tries, after.error) == ([], 0, None)

    rows.update(listed)
    world.act(WIPE)
    assert len(world.cloud.acts) == 1


LIVE = (("env", "live"),)
GUARDS: dict[str, Guard] = {
    "allowed tags": values.guard(allow=Allow(tags=values.LAB)),
    "protected tags": values.guard(protect=Protect(tags=LIVE)),
    "the class": values.guard(class_=values.run_class()),
}


@pytest.mark.parametrize("send", [STOP, WIPE], ids=["stop", "wipe"])
@pytest.mark.parametrize("what", GUARDS)
def test_what_the_plan_was_made_under_is_judged_again_before_each_act(what: str, send: Command) -> None:
    """A tag that changes between the plan and the act ends the job; the same machine with its tag is gone on with."""
    status = "Running" if send is STOP else "Stopped"
    same, changed = (World(status, guard=GUARDS[what], tags=values.LAB) for _ in range(2))
    changed.cloud.machines[values.INSTANCE_ID] = values.an_instance(status=status, tags=LIVE)
    same.act(send)
    after = changed.act(send)

    assert same.cloud.acts == [send.action]
    assert changed.cloud.acts == []
    assert after.error is not None
    assert re.search(r"target-not-allowed|target-protected|not-in-class", after.error.message)


def test_hours_that_are_over_keep_a_job_from_beginning() -> None:
    """A plan made in the hours of its class is not begun outside them; a job that has begun is carried to its end."""
    late = values.guard(class_=values.run_class(hours=values.DAY))
    before, after = (World(each, guard=late, tags=values.LAB) for each in ("Running", "Stopped"))
    refused = before.act(STOP)
    after.act(WIPE)

    assert before.cloud.acts == []
    assert refused.error is not None
    assert "outside-hours" in refused.error.message
    assert after.cloud.acts == ["ReInitDisk"]


def test_the_power_is_not_cut_for_a_disk_that_is_protected_by_then() -> None:
    """Before the power is cut it is judged once more whether it is a target at all."""
    force = replace(STOP, force=True)
    for tags, acts in (((), ["StopInstance"]), ((("safe-reinit:protect", ""),), [])):
        world = World("Stopping")
        limits = replace(world.keeper.record.limits, force_stop_after=10.0)
        stopping = Step("accepted", tries=1, first_at=900.0, at=900.0)
        world.keeper.record = replace(world.keeper.record, limits=limits, stop=stopping)
        world.cloud.machines[values.INSTANCE_ID] = values.an_instance(status="Stopping", tags=tags)
        after = world.act(force)

        assert world.cloud.acts == acts
        assert (after.error is None) == bool(acts)


def test_a_plan_without_its_findings_is_judged_anew() -> None:
    """A plan that was made to look clean is refused all the same, since what is there is judged before each call."""
    world = World("Running")
    world.cloud.shown[values.DISK_ID] = values.a_disk(category="ephemeral_ssd")
    facts = observe(world.cloud, world.clock, values.REGION, [values.DISK_ID], OPTIONS)
    plan = make_plan(facts, OPTIONS, Limits(), None)
    world.plan = replace(plan, findings=())

    assert not plan.runnable
    assert world.plan.runnable

    after = world.act(STOP)

    assert world.cloud.acts == []
    assert after.error is not None
    assert "category-unsupported" in after.error.message


def put_at_risk(world: World) -> None:
    """Let the disk be of a category that nobody knows, which the plan expects and nobody has accepted."""
    world.cloud.shown[values.DISK_ID] = values.a_disk(category="cloud_brand_new")
    world.plan = replace(world.plan, jobs=tuple(
        replace(job, expected={**job.expected, f"{values.DISK_ID}.Category": "cloud_brand_new"})
        for job in world.plan.jobs
    ))  # fmt: skip


def test_a_risk_that_was_not_accepted_ends_the_run_before_the_stop_and_not_after_it() -> None:
    """A risk that arises before the first call refuses; after our own stop it is too late for that."""
    before, after = World("Running"), World()
    put_at_risk(before)
    put_at_risk(after)

    before.act(STOP)
    after.act(WIPE)

    assert before.cloud.acts == []
    assert after.cloud.acts == ["ReInitDisk"]


MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def aging(status: str = "Running") -> World:
    """Give a machine whose newest snapshot is a minute short of too old when the plan is made."""
    snapshot = values.a_snapshot(creation_time=values.NOW - DAY + MINUTE)
    options = replace(OPTIONS, accept=("fstab-may-name-disk",))
    return World(status, options, snapshots={values.DISK_ID: (snapshot,)})


def pass_time(world: World, time: timedelta) -> None:
    """Let ECS's clock go on."""
    assert world.cloud.date is not None
    world.cloud.date += time


@pytest.mark.parametrize("later", [2 * MINUTE, HOUR], ids=["two minutes", "an hour"])
def test_time_alone_brings_no_risk_to_a_plan_that_was_made_just_now(later: timedelta) -> None:
    """A snapshot that grows too old between the consent and the stop ends no run: whoever agreed knew the time."""
    world = aging()
    pass_time(world, later)
    world.act(STOP)

    assert world.plan.runnable
    assert world.cloud.acts == ["StopInstance"]


def test_a_plan_of_long_ago_is_judged_as_of_now() -> None:
    """After more than an hour the same ends the run before anything is changed, and says why."""
    world = aging()
    pass_time(world, HOUR + timedelta(seconds=1))
    after = world.act(STOP)

    assert world.cloud.acts == []
    assert after.error is not None
    assert "no-recent-snapshot" in after.error.message
    assert "older than 24h" in after.error.message
    assert not after.tried


def test_a_release_that_comes_near_is_judged_as_of_the_plan_too() -> None:
    """AutoReleaseTime a day and a second away is no risk, and is none a minute later."""
    world = World("Running")
    soon = values.an_instance(status="Running", auto_release_time=values.NOW + DAY)
    world.cloud.machines[values.INSTANCE_ID] = soon
    pass_time(world, MINUTE)
    world.act(STOP)

    assert world.cloud.acts == ["StopInstance"]


FADED: dict[str, Callable[[World], object]] = {
    "the snapshot is deleted": lambda world: world.cloud.snapshots_by_disk.clear(),
    "a release is set": lambda world: world.cloud.machines.update(
        {values.INSTANCE_ID: replace(world.cloud.machines[values.INSTANCE_ID], auto_release_time=values.NOW + HOUR)}
    ),
}


@pytest.mark.parametrize("what", FADED)
def test_a_risk_by_a_fact_that_changed_ends_the_run_at_once(what: str) -> None:
    """What somebody did since the plan is no passing of time: nobody agreed to it."""
    world = aging()
    FADED[what](world)
    after = world.act(STOP)

    assert world.cloud.acts == []
    assert after.error is not None
    assert ("no-recent-snapshot" if "snapshot" in what else "release-or-expiry-soon") in after.error.message


@pytest.mark.parametrize("what", FADED)
def test_after_our_stop_no_risk_keeps_the_machine_down(what: str) -> None:
    """Once the machine is down for the wipe only a block ends the run: turning back would not bring anything back."""
    world = aging("Stopped")
    FADED[what](world)
    pass_time(world, DAY)
    world.act(WIPE)

    assert world.cloud.acts == ["ReInitDisk"]


@pytest.mark.parametrize("slow", ["caller", "disks", "instances", "disks_of", "snapshots_of"])
def test_what_is_read_before_a_wipe_is_never_old(slow: str) -> None:
    """The disk and the instance that a wipe is decided on were read at most 3 seconds before it is sent."""
    world = World()
    read: dict[str, float] = {}
    sent: list[float] = []
    slept: list[str] = []

    def meanwhile(name: str) -> None:
        if name == slow and not slept:
            slept.append(name)
            world.clock.at += 30.0
        read[name] = world.clock.at
        if name == "ReInitDisk":
            sent.append(world.clock.at)

    world.cloud.meanwhile = meanwhile
    world.act(WIPE)

    (at,) = sent
    assert at - read["disks"] <= 3.0
    assert at - read["instances"] <= 3.0


def test_a_start_during_a_slow_look_is_not_missed() -> None:
    """A machine that somebody starts and stops while the facts are read again is not wiped."""
    world = World()

    def meanwhile(name: str) -> None:
        if name == "snapshots_of":
            world.clock.at += 20.0
            restarted = values.an_instance(status="Stopped", start_time=values.NOW + timedelta(minutes=1))
            world.cloud.machines[values.INSTANCE_ID] = restarted

    world.cloud.meanwhile = meanwhile
    world.act(WIPE)

    assert world.cloud.acts == []


def test_a_start_needs_no_second_judgement() -> None:
    """Bringing the power back depends on the state of the machine alone: no check may keep it down."""
    world = World()
    world.keeper.record = record.fail(world.keeper.record, Failure(None, "It failed."))
    MOVED["locked"](world)
    after = world.act(START)

    assert world.cloud.acts == ["StartInstance"]
    assert after.start.state == "accepted"


# The loop around it, on a cloud in memory.


def run_all(world: World, limits: Limits) -> Runner:
    """Run the plan of the world on its cloud."""
    plan = replace(world.plan, limits=limits)
    begun = [record.begin(job, limits, leave_stopped=False) for job in plan.jobs]
    with Journal(None) as journal:
        lease = journal.begin("r-x", to_json(plan), "", "", [(each.instance_id, encode(each)) for each in begun])
        runner = Runner(world.cloud, world.clock, plan, "r-x", lambda _event: None, lease, begun)
        try:
            runner()
        finally:
            lease.release()
    return runner


def powered(world: World, *, stops: bool = True) -> None:
    """Let the cloud of the world obey."""
    machine = world.cloud.machines

    def meanwhile(name: str) -> None:
        if name == "StopInstance" and stops:
            machine[values.INSTANCE_ID] = values.an_instance(status="Stopped")
        if name == "StartInstance":
            machine[values.INSTANCE_ID] = values.an_instance(status="Running", start_time=values.NOW)

    world.cloud.meanwhile = meanwhile


def test_a_run_on_a_cloud_in_memory_ends() -> None:
    """Stop, wipe, settle and start come to ``done`` with one call each."""
    world = World("Running")
    powered(world)
    runner = run_all(world, Limits())

    assert world.cloud.acts == ["StopInstance", "ReInitDisk", "StartInstance"]
    assert [record.outcome(each) for each in runner.records] == ["done"]
    assert runner.records[0].disks[0].evidence == "settled"


@pytest.mark.parametrize("name", ["disks", "instances"])
@pytest.mark.parametrize("after", ["StopInstance", "ReInitDisk"])
def test_a_bug_in_a_look_leaves_no_machine_down(after: str, name: str) -> None:
    """An error that nobody foresaw, in one look of the loop, still lets the machine come back."""
    world = World("Running")
    powered(world)
    obey = world.cloud.meanwhile
    raised: list[str] = []

    def meanwhile(asked: str) -> None:
        obey(asked)
        if asked == name and after in world.cloud.acts and not raised:
            raised.append(asked)
            raise ZeroDivisionError

    world.cloud.meanwhile = meanwhile
    runner = run_all(world, Limits())

    assert raised
    assert world.cloud.machines[values.INSTANCE_ID].status == "Running"
    assert record.outcome(runner.records[0]) in ("done", "failed")


@pytest.mark.parametrize("act", ["StopInstance", "ReInitDisk", "StartInstance"])
def test_a_bug_in_a_call_is_told_as_a_doubt_and_repeats_nothing(act: str) -> None:
    """An error that nobody foresaw inside a call counts as a lost answer: a wipe in doubt is not sent again."""
    world = World("Running")
    powered(world)
    obey = world.cloud.meanwhile
    raised: list[str] = []

    def meanwhile(asked: str) -> None:
        obey(asked)
        if asked == act and not raised:
            raised.append(asked)
            raise ZeroDivisionError

    world.cloud.meanwhile = meanwhile
    runner = run_all(world, Limits(stop=30.0, reinit=40.0, start=60.0))
    outcome = record.outcome(runner.records[0])

    assert world.cloud.acts.count("ReInitDisk") <= 1
    assert outcome == {"StopInstance": "failed", "ReInitDisk": "unknown", "StartInstance": "done"}[act]
    assert runner.records[0].error is not None
    assert "ZeroDivisionError" in runner.records[0].error.message


@pytest.mark.parametrize("slow", ["disks", "instances"])
def test_a_last_look_that_is_slow_itself_is_not_gone_by(slow: str) -> None:
    """Where even the last look before a wipe takes longer than 15 seconds, nothing is sent, and the machine comes back.

    Once may be chance; after the second time the reason is told.
    """
    world = World()

    def meanwhile(name: str) -> None:
        if name == slow:
            world.clock.at += 15.1

    world.cloud.meanwhile = meanwhile
    world.act(WIPE)

    assert world.cloud.acts == []
    assert world.told == [], "it was not even intended"
    assert world.keeper.record.disks[0].tries == 0
    assert world.keeper.record.stuck_since == world.clock.at
    assert not world.keeper.record.turned_back

    world.act(WIPE)
    assert world.cloud.acts == []
    assert world.keeper.record.error is not None
    assert world.keeper.record.error.message.startswith("ECS answers slowly: 15.1 s a call.")


@pytest.mark.parametrize("slow", ["disks", "instances"])
def test_a_wipe_waits_for_no_faster_answer_than_ecs_gives(slow: str) -> None:
    """Where each answer takes three seconds, the look before a wipe may be as old as that."""
    world = World()

    def meanwhile(name: str) -> None:
        if name == slow:
            world.clock.at += 3.1

    world.cloud.meanwhile = meanwhile
    world.act(WIPE)

    assert world.cloud.acts == ["ReInitDisk"]


# An undo, and a lock tag.

RESET, TAG = Command("ResetDisk", values.DISK_ID), Command("TagResources", values.INSTANCE_ID)
SNAPSHOT, UNTAG = Command("CreateSnapshot", values.DISK_ID), Command("UntagResources", values.INSTANCE_ID)
RESTORE = "s-bp1fresh"
UNDO = replace(OPTIONS, undo="r-0", restore=((values.DISK_ID, RESTORE),))


def undoing(**more: Any) -> World:
    """Give a machine that was stopped for an undo."""
    world = World(**more)
    world.cloud.snapshots_by_disk = {values.DISK_ID: (values.a_snapshot(snapshot_id=RESTORE),)}
    world.cloud.machines[values.INSTANCE_ID] = values.an_instance(status="Running")
    facts = observe(world.cloud, world.clock, values.REGION, [values.DISK_ID], UNDO)
    world.plan = make_plan(facts, UNDO, Limits(), None)
    world.cloud.machines[values.INSTANCE_ID] = values.an_instance(status="Stopped")
    begun = record.begin(world.plan.jobs[0], Limits(), leave_stopped=False, options=UNDO)
    world.keeper.record = replace(begun, stop=world.keeper.record.stop, instance_status="Stopped")
    world.cloud.asked.clear()
    return world


def test_a_roll_back_is_asked_with_dry_run_just_before_it_is_sent() -> None:
    """The DryRun comes after every look and before the intention, for the snapshot that the record names."""
    world = undoing()
    at_probe: list[str] = []
    world.cloud.meanwhile = lambda name: (
        at_probe.append(world.keeper.record.disks[0].state) if name == "may_reset" else None
    )
    after = world.act(RESET)

    assert world.cloud.acts == ["ResetDisk"]
    assert at_probe[-1] == "todo"
    assert ("reset_disk to", (values.DISK_ID, RESTORE)) in world.cloud.asked
    assert [ids for name, ids in world.cloud.asked if name == "may_reset"][-1] == (values.DISK_ID, RESTORE)
    assert after.disks[0].state == "accepted"


@pytest.mark.parametrize("code", ["InvalidSnapshotId.NotReady", "Brand.New", "Forbidden.RAM", "InvalidDiskId.NotFound"])
def test_what_the_dry_run_refuses_is_not_sent(code: str) -> None:
    """A refusal that does not pass ends the job with nothing intended, and the disk is told untouched."""
    world = undoing()
    probes: list[str] = []

    def meanwhile(name: str) -> None:
        if name == "may_reset":
            probes.append(name)
            if len(probes) == 2:  # the first belongs to the look at the facts
                world.cloud.probes["ResetDisk"] = code

    world.cloud.meanwhile = meanwhile
    after = world.act(RESET)

    assert world.cloud.acts == []
    assert (after.disks[0].state, after.disks[0].tries, after.disks[0].data) == ("refused", 0, "untouched")
    assert after.error is not None
    assert (after.error.code, after.error.action) == (code, "ResetDisk")


def test_what_the_dry_run_refuses_for_now_is_due_again() -> None:
    """A snapshot that is being created is waited for: nothing is intended, and the call is due later."""
    world = undoing()
    world.cloud.probes["ResetDisk"] = "DiskCreatingSnapshot"
    after = world.act(RESET)

    assert world.cloud.acts == []
    assert (after.disks[0].state, after.disks[0].tries) == ("todo", 0)
    assert after.error is None
    assert (after.disks[0].due or 0.0) > world.clock.at


def test_a_dry_run_refusal_does_not_undo_what_was_learned_meanwhile() -> None:
    """Where the disk turned out to be in somebody else's hands during the DryRun, it is not told untouched after it."""
    world = undoing()
    world.cloud.probes["ResetDisk"] = "DiskCreatingSnapshot"

    def meanwhile(name: str) -> None:
        probes.append(name == "may_reset")
        if sum(probes) == 2 and probes[-1]:  # the first belongs to the look at the facts
            unknown = replace(world.keeper.record.disks[0], state="unknown")
            world.keeper.record = replace(world.keeper.record, disks=(unknown,))

    probes: list[bool] = []
    world.cloud.meanwhile = meanwhile
    after = world.act(RESET)

    assert sum(probes) == 2
    assert world.cloud.acts == []
    assert after.disks[0].state == "unknown"


def test_a_dry_run_without_an_answer_leaves_nothing_intended() -> None:
    """A DryRun that cannot be answered is a look that failed: nothing is sent, and the loop tries again."""
    world = undoing()
    before = world.keeper.record
    world.cloud.failing = {"may_reset": [Unanswered("ResetDisk") for _ in range(9)]}

    with pytest.raises(Unanswered):
        world.act(RESET)

    assert world.cloud.acts == []
    assert world.keeper.record == before


def test_a_snapshot_that_was_promised_and_is_gone_ends_an_undo() -> None:
    """The snapshot that the plan names belongs to what it stands on: gone, the job ends before the call."""
    world = undoing()
    world.cloud.snapshots_by_disk = {values.DISK_ID: (values.a_snapshot(snapshot_id="s-other"),)}
    after = world.act(RESET)

    assert world.cloud.acts == []
    assert after.error is not None
    assert "RestoreSnapshot" in after.error.message


def test_a_tag_is_no_reason_to_bear_a_new_risk() -> None:
    """Behind the tag and before the stop a risk that nobody accepted still ends the run: a tag touches nothing."""
    world = World("Running")
    tagged = Step("done", tries=1, first_at=900.0, at=900.0)
    world.keeper.record = replace(world.keeper.record, tag=tagged, tag_value="r-1")
    world.cloud.machines[values.INSTANCE_ID] = values.an_instance(status="Running", tags=(("safe-reinit:run", "r-1"),))
    put_at_risk(world)
    after = world.act(STOP)

    assert world.cloud.acts == []
    assert after.error is not None
    assert "category-unknown" in after.error.message


def test_the_own_tag_is_nobody_elses() -> None:
    """A run behind its own tag goes on, and behind another's it does not, whatever the record says."""
    for value, acts in (("r-1", ["StopInstance"]), ("r-2", [])):
        world = World("Running")
        tagged = Step("done", tries=1, first_at=900.0, at=900.0)
        world.keeper.record = replace(world.keeper.record, tag=tagged, tag_value="r-1")
        shown = values.an_instance(status="Running", tags=(("safe-reinit:run", value),))
        world.cloud.machines[values.INSTANCE_ID] = shown
        world.act(STOP)

        assert world.cloud.acts == acts


def test_each_repeatable_call_is_due_again_when_its_answer_is_lost() -> None:
    """TagResources without an answer is due again later, and no error of the job."""
    world = World("Running", failing={"TagResources": [Unanswered("TagResources")]})
    world.keeper.record = replace(world.keeper.record, tag_value="r-1")
    after = world.act(TAG)

    assert world.cloud.acts == ["TagResources"]
    assert (after.tag.state, after.error) == ("again", None)
    assert (after.tag.due or 0.0) > world.clock.at


@pytest.mark.parametrize(
    ("send", "call"),
    [
        (TAG, ("tag", (values.INSTANCE_ID, ("safe-reinit:run", "r-1")), {"attempt": 1})),
        (UNTAG, ("untag", (values.INSTANCE_ID, "safe-reinit:run"), {"attempt": 1})),
        (STOP, ("stop", (values.INSTANCE_ID,), {"force": False, "attempt": 1})),
        (START, ("start", (values.INSTANCE_ID,), {"attempt": 1})),
        (WIPE, ("reinit", (values.DISK_ID, OPTIONS), {"attempt": 1})),
        (SNAPSHOT, ("create_snapshot", (values.DISK_ID,), {
            "name": f"safe-reinit.r-1.{values.DISK_ID}",
            "description": f"Taken by safe-reinit before it wiped {values.DISK_ID} in run r-1.",
            "token": "token", "retention_days": None, "tags": (("safe-reinit:run", "r-1"),), "attempt": 1,
        })),
    ],
    ids=lambda each: each.action if isinstance(each, Command) else "",
)  # fmt: skip
def test_each_action_is_one_call_with_what_belongs_to_it(send: Command, call: tuple[Any, ...]) -> None:
    """What is sent is the call of the action, of its subject, under the name of this run, and the first try says so."""
    world = World("Running" if send in (STOP, TAG) else "Stopped")
    done = Step("done", tries=1, first_at=900.0, at=900.0)
    promised = (SafetySnapshot(values.DISK_ID, "token"),)
    changes: dict[str, Any] = {TAG: {"tag_value": "r-1"}, SNAPSHOT: {"snapshots": promised}}.get(send, {})
    if send in (START, UNTAG):
        changes = {"disks": tuple(replace(each, state="done") for each in world.keeper.record.disks)}
    if send == UNTAG:
        changes |= {"tag_value": "r-1", "tag": done, "start": done, "instance_status": "Running"}
        tags = (("safe-reinit:run", "r-1"),)
        world.cloud.machines[values.INSTANCE_ID] = values.an_instance(status="Running", tags=tags)
    world.keeper.record = replace(world.keeper.record, **changes)
    made: list[tuple[Any, ...]] = []
    real = getattr(world.cloud, call[0])

    def note(*argv: Any, **more: Any) -> Any:
        made.append((call[0], argv, {name: value for name, value in more.items() if name != "until"}))
        assert ("until" in more) == send.overwrites, "a wipe leaves only while what it stands on is new"
        return real(*argv, **more)

    setattr(world.cloud, call[0], note)
    world.act(send)

    assert made == [call]
    assert world.cloud.acts == [send.action]


def test_a_roll_back_says_which_try_it_is() -> None:
    """The number of the try goes with ResetDisk as with every call, so that what is told of it is true."""
    world = undoing()
    tried: list[dict[str, Any]] = []
    real = world.cloud.reset_disk
    world.cloud.reset_disk = lambda *argv, **more: (tried.append(more), real(*argv, **more))[1]  # type: ignore[method-assign]
    world.act(RESET)

    assert [more["attempt"] for more in tried] == [1]


def test_what_a_refused_dry_run_says_is_for_the_person() -> None:
    """What ECS would refuse is told with its code, its meaning and what to do, in our words."""
    world = undoing()
    probes: list[str] = []

    def meanwhile(name: str) -> None:
        probes.append(name)
        if probes.count("may_reset") == 2:
            world.cloud.probes["ResetDisk"] = "OperationDenied"

    world.cloud.meanwhile = meanwhile

    assert world.act(RESET).error == Failure(
        "OperationDenied",
        f"ECS would refuse ResetDisk of {values.DISK_ID} with OperationDenied (DryRun): "
        f"{codes.meaning_of('ResetDisk', 'OperationDenied')}",
        action="ResetDisk",
        hint=codes.fix_of("ResetDisk", "OperationDenied"),
    )


def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is due again say why: a hundred seconds for each try, and what ECS asked for."""
    monkeypatch.setattr(retry, "due", lambda attempt, at, after: at + 100.0 * attempt + (after or 0))


def test_what_a_dry_run_refuses_for_now_counts_as_the_try_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait grows with each try, and the one that was not sent is the one that it waits for."""
    waits(monkeypatch)
    world = undoing()
    world.cloud.probes["ResetDisk"] = "DiskCreatingSnapshot"
    after = world.act(RESET)

    assert after.disks[0].due == world.clock.at + 100.0


@pytest.mark.parametrize(
    ("answer", "told", "state", "due"),
    [
        (None, {"code": "OK", "request_id": "REQUEST"}, "accepted", None),
        (Unanswered("StopInstance"), {"code": "Unanswered"}, "lost", None),
        (NotSent("StopInstance", "no name"), {"code": "NotSent"}, "again", 100.0),
        (Refused("InternalError", 500, "", "r"), {"code": "InternalError", "request_id": "r"}, "lost", None),
        (
            Refused("Throttling", 400, "", "r", retry_after=7),
            {"code": "Throttling", "request_id": "r"},
            "again",
            107.0,
        ),
        (Refused("Forbidden.RAM", 403, "", "r"), {"code": "Forbidden.RAM", "request_id": "r"}, "failed", None),
    ],
    ids=lambda each: getattr(each, "code", type(each).__name__) if isinstance(each, CloudError) else "",
)
def test_what_is_told_of_an_answer_is_what_was_answered(
    monkeypatch: pytest.MonkeyPatch, answer: CloudError | None, told: dict[str, object], state: str, due: float | None
) -> None:
    """Events tell the number of the try, and then code and RequestId; the record has the state and its moment."""
    waits(monkeypatch)
    world = World("Running", failing={"StopInstance": [answer] if answer else []})
    stop = world.act(STOP).stop

    assert world.told == [("intend", STOP, {"attempt": 1}), ("answer", STOP, told)]
    assert (stop.state, stop.at) == (state, world.clock.at)
    assert stop.due == (None if due is None else world.clock.at + due)


def test_a_refusal_says_everything_that_the_person_needs() -> None:
    """The error of a job has the code, what was refused, the RequestId for a ticket, and what to do."""
    world = World(failing={"ReInitDisk": [Refused("OperationDenied", 403, "The source is gone.", "r")]})

    assert world.act(WIPE).error == Failure(
        "OperationDenied",
        f"ECS refused ReInitDisk of {values.DISK_ID} with OperationDenied: The source is gone.",
        request_id="r",
        action="ReInitDisk",
        hint=codes.fix_of("ReInitDisk", "OperationDenied"),
    )


def test_a_call_that_could_never_be_sent_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that found no connection until its time was over names the call, the reason and the network."""
    monkeypatch.setattr(retry, "due", lambda _attempt, at, _after: at + 10**6)
    world = World("Running", failing={"StopInstance": [NotSent("StopInstance", "no connection could be made")]})
    after = world.act(STOP)

    assert after.error == Failure(
        "NotSent", str(NotSent("StopInstance", "no connection could be made")), action="StopInstance",
        hint="Check the network, the proxy, --region and --endpoint.",
    )  # fmt: skip
    assert [(phase.name, phase.result) for phase in after.phases] == [("stop", "refused")]
    assert after.phases[0].ended_at is not None


def test_a_snapshot_is_remembered_as_it_was_answered_and_named_within_the_limits_of_ecs() -> None:
    """The id that ECS gave is what is waited for; a long run name is cut, and the retention is that of the options."""
    world = World(options=replace(OPTIONS, snapshot=True, snapshot_retention_days=30))
    world.keeper.record = replace(world.keeper.record, snapshots=(SafetySnapshot(values.DISK_ID, "token"),))
    asked: list[dict[str, Any]] = []

    def create(_disk_id: str, **more: Any) -> Accepted:
        asked.append(more)
        return Accepted("REQUEST", snapshot_id="s-new")

    world.cloud.create_snapshot = create  # type: ignore[method-assign]
    world.run_id = f"r-{'9' * 300}"
    after = world.act(SNAPSHOT)

    assert after.snapshots[0].snapshot_id == "s-new"
    assert (len(asked[0]["name"]), len(asked[0]["description"])) == (128, 256)
    assert asked[0]["retention_days"] == 30
