"""The recheck before a call: what it asks for, what it finds, and what has changed since the plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from safe_reinit.cloud.interface import CloudError, Described, OtherCaller, Refused, Unanswered
from safe_reinit.core.freshness import is_stale, is_too_slow
from safe_reinit.core.inputs import Drifted, Fresh, RecheckFailed, Unobserved
from safe_reinit.model import (
    Allow,
    Command,
    Finding,
    Guard,
    Limits,
    Options,
    Protect,
    ReplicaPair,
    SafetySnapshot,
    ScalingMember,
    Step,
    SystemEvent,
    TargetRules,
    UnreadableRow,
)
from safe_reinit.plans.plan import make_plan
from tests import values
from tests.cloudlike import TinyClock, TinyCloud, facts_for
from tests.execution.worlds import (
    DONE,
    FLEET_SIZE,
    OPTIONS,
    RESET,
    RESTORE,
    STOP,
    UNTAG,
    WIPE,
    World,
    later,
    many,
    of_each,
    one,
    slow,
    undoing,
)

# ------------------------------------------------------------------------------------------------ one machine


@pytest.mark.parametrize(("command", "status"), [(STOP, "Running"), (WIPE, "Stopped"), (None, "Running")])
def test_a_machine_that_is_as_it_was_planned_is_fresh(command: Command | None, status: str) -> None:
    """What is found shows the machine and its disk, as of before the first question."""
    world = one(status)
    (found,) = world.recheck(command)

    assert isinstance(found, Fresh)
    assert found.observation.at == world.clock.at
    assert found.observation.instance == world.cloud.machines[values.INSTANCE_ID]
    assert found.observation.disks == world.cloud.shown
    assert found.reset_code == ""
    assert world.agrees(found, command or STOP)


@pytest.mark.parametrize(
    "name", ["get_caller", "describe_disks", "describe_instances", "describe_snapshots_of", "describe_disks_of"]
)
def test_a_recheck_that_is_not_answered_fails(name: str) -> None:
    """Without the facts nothing is found, and what was not answered is told; it ends no job."""
    world = one("Running")
    later(world, MINUTE)
    lost: list[CloudError] = [Unanswered("Describe") for _ in range(9)]
    world.cloud.failing = {name: lost}
    found = world.rechecked(STOP)

    assert isinstance(found, RecheckFailed)
    assert found.why == "ECS does not answer Describe"
    assert found.failure is None


@pytest.mark.parametrize("name", ["get_caller", "describe_disks", "describe_instances", "describe_snapshots_of"])
def test_waiting_ends_where_machines_are_down(name: str) -> None:
    """What is not answered once is asked again before the first call; after the stop the core decides when."""
    before, after = one("Running"), one()
    for world in (before, after):
        world.cloud.failing = {name: [Unanswered("Describe")]}

    assert isinstance(before.find(STOP), Fresh)
    assert isinstance(after.rechecked(WIPE), RecheckFailed)
    assert len(after.asked(name)) == 1


@pytest.mark.parametrize("name", ["describe_disks", "describe_instances"])
def test_what_the_credentials_may_not_see_any_more_is_drift(name: str) -> None:
    """A missing right is not an absence that passes: the job ends, and which right it is is told."""
    world = one()
    world.cloud.failing = {name: [Refused("Forbidden.RAM", 403, "", "r") for _ in range(9)]}
    found = world.find(WIPE)

    assert isinstance(found, Drifted)
    assert [each.partition(": ")[2] for each in found.drift] == ["the permission for it is missing"]


def test_credentials_of_another_caller_are_a_failure() -> None:
    """What another caller may see proves nothing, so the jobs end."""
    world = one()
    world.cloud.failing = {
        "describe_disks": [OtherCaller("DescribeDisks", "They are of another.", "Use the ones of the plan.")]
    }
    found = world.rechecked(WIPE)

    assert isinstance(found, RecheckFailed)
    assert found.failure is not None
    assert (found.failure.message, found.failure.hint) == ("They are of another.", "Use the ones of the plan.")


def machine(**changes: Any) -> Callable[[World], object]:
    """Return a change of the instance."""
    return lambda world: world.cloud.machines.update({values.INSTANCE_ID: values.an_instance(**changes)})


def disk(**changes: Any) -> Callable[[World], object]:
    """Return a change of the disk."""
    return lambda world: world.cloud.shown.update({values.DISK_ID: values.a_disk(**changes)})


MOVED: dict[str, tuple[Callable[[World], object], str]] = {
    "another account": (lambda world: setattr(world.cloud, "account", "2"), "account: 1000000000000001 -> 2"),
    "started and stopped": (machine(start_time=values.NOW), "StartTime"),
    "renamed": (machine(instance_name="other"), "InstanceName"),
    "locked": (machine(locks=("security",)), "instance-locked|OperationLocks"),
    "disk attached again": (disk(attached_time=values.NOW), "AttachedTime"),
    "disk moved": (disk(instance_id="i-other"), "InstanceId"),
    "disk of another serial": (disk(serial="x"), "SerialNumber"),
    "a local snapshot": (
        lambda world: world.cloud.snapshots_by_disk.update({values.DISK_ID: (values.a_snapshot(category="flash"),)}),
        "local-snapshot",
    ),
    "tagged as protected": (disk(tags=(("safe-reinit:protect", ""),)), "target-protected"),
    "its instance tagged as protected": (machine(tags=(("safe-reinit:protect", "x"),)), "target-protected"),
    "no right to see snapshots": (
        lambda world: world.cloud.probes.update(DescribeSnapshotsOfDisk="Forbidden.RAM"),
        "DescribeSnapshots of d-bp1data: the permission for it is missing",
    ),
}


@pytest.mark.parametrize("what", MOVED)
def test_a_fact_that_changed_is_drift(what: str) -> None:
    """A fact that changed, or that a check refuses now, is named, with the power as it was seen."""
    world = one()
    change, text = MOVED[what]
    change(world)
    found = world.find(WIPE)

    assert isinstance(found, Drifted)
    assert re.search(text, "; ".join(found.drift))
    assert found.status == ("" if what == "disk moved" else "Stopped")


@pytest.mark.parametrize("what", ["instance", "disk"])
def test_what_is_not_listed_is_not_seen(what: str) -> None:
    """An absence proves nothing: it is no drift, and once it is listed again all is as it was."""
    world = one()
    rows: dict[str, Any] = world.cloud.machines if what == "instance" else world.cloud.shown
    listed = dict(rows)
    rows.clear()
    subject = values.INSTANCE_ID if what == "instance" else values.DISK_ID
    assert world.find(WIPE) == Unobserved(f"ECS does not list {subject}")

    rows.update(listed)
    assert world.is_due(WIPE)


@pytest.mark.parametrize("what", ["describe_disks", "describe_instances"])
def test_a_row_that_cannot_be_read_is_not_seen(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no drift either: what cannot be read is told, and once it can be all is as it was."""
    world = one()
    action, subject = (
        ("DescribeDisks", values.DISK_ID) if what == "describe_disks" else ("DescribeInstances", values.INSTANCE_ID)
    )
    row = UnreadableRow(action, (subject,), "Status", "7")
    with monkeypatch.context() as patch:
        patch.setattr(world.cloud, what, lambda _: Described((), world.cloud.date, unreadable=(row,)))
        assert world.find(WIPE) == Unobserved(
            f"in the answer to {action} the row of {subject} cannot be read: Status is 7"
        )

    assert world.is_due(WIPE)


LIVE = (("env", "live"),)
GUARDS: dict[str, Guard] = {
    "allowed tags": values.guard(allow=Allow(tags=values.LAB)),
    "protected tags": values.guard(protect=Protect(tags=LIVE)),
    "the class": values.guard(class_=values.run_class()),
}


@pytest.mark.parametrize("command", [STOP, WIPE], ids=["stop", "wipe"])
@pytest.mark.parametrize("what", GUARDS)
def test_what_the_plan_was_made_under_is_judged_again(what: str, command: Command) -> None:
    """A tag that changes between the plan and a call is drift; the same machine with its tag is none."""
    status = "Running" if command is STOP else "Stopped"
    same, changed = (one(status, guard=GUARDS[what], tags=values.LAB) for _ in range(2))
    changed.cloud.machines[values.INSTANCE_ID] = values.an_instance(status=status, tags=LIVE)
    found = changed.find(command)

    assert same.is_due(command)
    assert isinstance(found, Drifted)
    assert re.search(r"target-not-allowed|target-protected|not-in-class", found.drift[0])


def test_the_configuration_of_now_counts_as_well() -> None:
    """A target that the configuration protects since the plan was made is drift."""
    world = one(tags=LIVE)
    (found,) = world.recheck(WIPE, target_rules=TargetRules(protect=Protect(tags=LIVE)))

    assert isinstance(found, Drifted)
    assert found.drift[0].startswith("by the current configuration, target-protected")
    assert world.is_due(WIPE)


def test_hours_that_are_over_keep_a_job_from_beginning() -> None:
    """A plan made in the hours of its class is not begun outside them; a job that has begun is carried to its end."""
    late = values.guard(class_=values.run_class(hours=values.DAY))
    before, after = (one(each, guard=late, tags=values.LAB) for each in ("Running", "Stopped"))
    refused = before.find(STOP)

    assert isinstance(refused, Drifted)
    assert "outside-hours" in refused.drift[0]
    assert after.is_due(WIPE)


def test_a_plan_without_its_findings_is_judged_again() -> None:
    """A plan that was made to look clean is refused all the same, since what is there is judged before each call."""
    world = one("Running")
    world.cloud.shown[values.DISK_ID] = values.a_disk(category="ephemeral_ssd")
    facts = facts_for(world.cloud, world.clock, values.REGION, [values.DISK_ID], OPTIONS)
    plan = make_plan(facts, OPTIONS, Limits(), None)
    world.plan = replace(plan, findings=())
    found = world.find(STOP)

    assert not plan.runnable
    assert world.plan.runnable
    assert isinstance(found, Drifted)
    assert "category-unsupported" in found.drift[0]


def put_at_risk(world: World) -> None:
    """Let the disk be of a category that nobody knows, which the plan expects and nobody has accepted."""
    world.cloud.shown[values.DISK_ID] = values.a_disk(category="cloud_brand_new")
    category = {f"{values.DISK_ID}.Category": "cloud_brand_new"}
    jobs = tuple(replace(job, expected={**job.expected, **category}) for job in world.plan.jobs)
    world.plan = replace(world.plan, jobs=jobs)


def test_a_risk_that_was_not_accepted_is_drift_before_the_stop_and_not_after_it() -> None:
    """A risk that arises before the first call refuses; after our own stop it is too late for that."""
    before, after = one("Running"), one()
    put_at_risk(before)
    put_at_risk(after)

    assert isinstance(before.find(STOP), Drifted)
    assert after.is_due(WIPE)


MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def aging(status: str = "Running") -> World:
    """Return a machine whose newest snapshot is a minute short of too old when the plan is made."""
    snapshot = values.a_snapshot(creation_time=values.NOW - DAY + MINUTE)
    options = replace(OPTIONS, accept=("fstab-may-name-disk",))
    world = one(status, options, snapshots={values.DISK_ID: (snapshot,)})
    assert world.plan.runnable
    return world


@pytest.mark.parametrize("time", [2 * MINUTE, HOUR], ids=["two minutes", "an hour"])
def test_time_alone_brings_no_risk_to_a_plan_that_was_made_just_now(time: timedelta) -> None:
    """A snapshot that grows too old between the consent and the stop is no drift: whoever agreed knew the time."""
    world = aging()
    later(world, time)

    assert world.is_due(STOP)


def test_a_plan_of_long_ago_is_judged_as_of_now() -> None:
    """After more than an hour the same is drift, and says why."""
    world = aging()
    later(world, HOUR + timedelta(seconds=1))
    found = world.find(STOP)

    assert isinstance(found, Drifted)
    assert "no-recent-snapshot" in found.drift[0]
    assert "older than 24h" in found.drift[0]


def test_a_release_that_comes_near_is_judged_as_of_the_plan_too() -> None:
    """AutoReleaseTime a day and a second away is no risk, and is none a minute later."""
    world = one("Running")
    machine(status="Running", auto_release_time=values.NOW + DAY)(world)
    later(world, MINUTE)

    assert world.is_due(STOP)


FADED: dict[str, Callable[[World], object]] = {
    "the snapshot is deleted": lambda world: world.cloud.snapshots_by_disk.clear(),
    "a release is set": lambda world: world.cloud.machines.update(
        {values.INSTANCE_ID: replace(world.cloud.machines[values.INSTANCE_ID], auto_release_time=values.NOW + HOUR)}
    ),
}


@pytest.mark.parametrize("what", FADED)
def test_a_risk_by_a_fact_that_changed_is_drift_at_once(what: str) -> None:
    """What somebody did since the plan is no passing of time: nobody agreed to it."""
    world = aging()
    FADED[what](world)
    found = world.find(STOP)

    assert isinstance(found, Drifted)
    assert ("no-recent-snapshot" if "snapshot" in what else "release-or-expiry-soon") in found.drift[0]


@pytest.mark.parametrize("what", FADED)
def test_after_our_stop_no_risk_keeps_the_machine_down(what: str) -> None:
    """Once the machine is down for the wipe only a block is drift: turning back would not bring anything back."""
    world = aging("Stopped")
    FADED[what](world)
    later(world, DAY)

    assert world.is_due(WIPE)


# --------------------------------------------------------------------------------------------------- before a cut

FORCE = replace(STOP, force=True)


def cutting(tags: Sequence[tuple[str, str]] = ()) -> World:
    """Return a machine whose graceful stop takes too long."""
    world = one("Stopping")
    limits = replace(world.state.limits, force_stop_after=10.0)
    world.change(limits=limits, stop=Step("accepted", tries=1, first_at=900.0, at=900.0, start_time=values.YESTERDAY))
    world.cloud.machines[values.INSTANCE_ID] = values.an_instance(status="Stopping", tags=tuple(tags))
    return world


def test_the_power_is_cut_after_one_glance() -> None:
    """Before the power is cut only the machine and its disks are read: it is down for its wipe already."""
    world = cutting()

    assert world.is_due(FORCE)
    assert {name for name, _ in world.cloud.asked} == {"describe_disks", "describe_instances"}


def test_the_power_is_not_cut_for_a_disk_that_is_protected_by_then() -> None:
    """Before the power is cut it is judged once more whether it is a target at all."""
    found = cutting([("safe-reinit:protect", "")]).find(FORCE)

    assert isinstance(found, Drifted)
    assert (found.status, "target-protected" in found.drift[0]) == ("Stopping", True)


def test_the_power_is_not_cut_on_a_glance_that_is_not_whole() -> None:
    """Where the disks are not shown nothing is decided, and why is told."""
    world = cutting()
    world.cloud.failing = {"describe_disks": [Unanswered("DescribeDisks")]}

    assert world.find(FORCE) == Unobserved("ECS does not answer DescribeDisks")


# --------------------------------------------------------------------------------------------------- slow answers


@pytest.mark.parametrize(
    "name", ["get_caller", "describe_disks", "describe_instances", "describe_snapshots_of", "describe_replica_pairs"]
)
def test_what_is_read_before_a_wipe_is_never_old(name: str) -> None:
    """Where reading the facts takes long, what can change is read once more, and counts from then."""
    world = one()
    read: dict[str, float] = {}
    slow(world, 30.0, name, times=1)
    take_time = world.cloud.meanwhile

    def meanwhile(asked: str) -> None:
        take_time(asked)
        read[asked] = world.clock.at

    world.cloud.meanwhile = meanwhile
    found = world.find(WIPE)

    assert isinstance(found, Fresh)
    assert world.agrees(found, WIPE)
    assert not is_stale(found.observation, world.state, world.clock.at, 1.0)
    assert read["describe_disks"] >= found.observation.at == read["describe_instances"] == world.clock.at


def test_a_start_during_a_slow_recheck_is_not_missed() -> None:
    """A machine that somebody starts and stops while the facts are read is drift."""
    world = one()

    def meanwhile(name: str) -> None:
        if name == "describe_snapshots_of":
            world.clock.at += 20.0
            machine(status="Stopped", start_time=values.NOW + MINUTE)(world)

    world.cloud.meanwhile = meanwhile
    found = world.find(WIPE)

    assert isinstance(found, Drifted)
    assert "StartTime" in found.drift[0]


@pytest.mark.parametrize("name", ["describe_disks", "describe_instances"])
def test_a_glance_that_is_slow_itself_says_so(name: str) -> None:
    """Where even reading what can change takes longer than 15 seconds, what was found is too old to act on."""
    world = one()
    slow(world, 15.1, name)
    found = world.find(WIPE)

    assert isinstance(found, Fresh)
    assert found.observation.took == pytest.approx(15.1)
    assert is_stale(found.observation, world.state, world.clock.at, 1.0)
    assert is_too_slow(found.observation, world.state, 1.0)


def test_what_was_found_of_a_machine_stands_while_the_others_are_read_once_more() -> None:
    """Where reading takes long, a machine that was started meanwhile is drift, and is not read again for that."""
    world = many(status="Stopped")
    world.cloud.machines["i-0"] = replace(world.cloud.machines["i-0"], start_time=values.NOW)
    slow(world, 30.0, "describe_disks", times=1)
    found = world.recheck(*of_each(world, "ReInitDisk"))

    assert [type(each) for each in found] == [Drifted, *[Fresh] * (FLEET_SIZE - 1)]
    assert len(world.asked("describe_instances")) == 2
    assert "i-0" not in world.asked("describe_instances")[1]


def test_a_second_glance_that_is_not_answered_decides_nothing() -> None:
    """What was read first is too old by then, and what was read last is nothing."""
    world = one()
    slow(world, 30.0, "describe_snapshots_of")
    take_time, instances = world.cloud.meanwhile, [0]

    def meanwhile(name: str) -> None:
        take_time(name)
        instances[0] += name == "describe_instances"
        if instances[0] == 2:
            raise Unanswered("DescribeInstances")

    world.cloud.meanwhile = meanwhile
    found = world.find(WIPE)

    assert isinstance(found, Fresh)
    assert (found.observation.answered, found.observation.why) == (False, "ECS does not answer DescribeInstances")
    assert not world.agrees(found, WIPE)


# ------------------------------------------------------------------------------------------------------- an undo, a tag


def test_a_roll_back_is_asked_about_with_dry_run_after_all_facts() -> None:
    """The DryRun of the call itself comes last, for the snapshot that the state names."""
    world = undoing()
    found = world.find(RESET)

    assert isinstance(found, Fresh)
    assert found.reset_code == "DryRunOperation"
    assert world.cloud.asked[-1] == ("dry_run_reset", (values.DISK_ID, RESTORE))
    assert world.agrees(found, RESET)


@pytest.mark.parametrize("code", ["InvalidSnapshotId.NotReady", "Brand.New", "DiskCreatingSnapshot"])
def test_what_the_dry_run_answers_is_passed_on(code: str) -> None:
    """What ECS would answer is judged by the core; the machine is as it was planned."""
    world = undoing()

    def meanwhile(_name: str) -> None:
        if len(world.asked("dry_run_reset")) == 2:  # the first belongs to the facts
            world.cloud.probes["ResetDisk"] = code

    world.cloud.meanwhile = meanwhile
    found = world.find(RESET)

    assert isinstance(found, Fresh)
    assert found.reset_code == code


def test_a_dry_run_without_an_answer_is_a_recheck_that_failed() -> None:
    """Nothing is known, and the next recheck asks again."""
    world = undoing()
    world.cloud.failing = {"dry_run_reset": [Unanswered("ResetDisk") for _ in range(9)]}

    assert isinstance(world.rechecked(RESET), RecheckFailed)


def test_a_snapshot_that_was_promised_and_is_gone_ends_an_undo() -> None:
    """The snapshot that the plan names belongs to what it stands on: gone, that is drift."""
    world = undoing()
    world.cloud.snapshots_by_disk = {values.DISK_ID: (values.a_snapshot(snapshot_id="s-other"),)}
    found = world.find(RESET)

    assert isinstance(found, Drifted)
    assert "RestoreSnapshot" in found.drift[0]


def tagged(value: str) -> World:
    """Return a running machine behind our tag, on which this value is shown."""
    world = one("Running")
    world.change(tag=DONE, tag_value="r-1")
    machine(status="Running", tags=(("safe-reinit:run", value),))(world)
    return world


def test_a_tag_is_no_reason_to_bear_a_new_risk() -> None:
    """Behind the tag and before the stop a risk that nobody accepted still is drift: a tag touches nothing."""
    world = tagged("r-1")
    put_at_risk(world)
    found = world.find(STOP)

    assert isinstance(found, Drifted)
    assert "category-unknown" in found.drift[0]


def test_the_own_tag_is_nobody_elses() -> None:
    """A run behind its own tag goes on, and behind another's it does not, whatever its state says."""
    assert tagged("r-1").is_due(STOP)
    found = tagged("r-2").find(STOP)
    assert isinstance(found, Drifted)
    assert "tagged-by-other-run" in found.drift[0]


def test_an_untag_is_checked_like_what_it_is() -> None:
    """Nothing of it is drift where the machine is as it was planned."""
    assert isinstance(tagged("r-1").find(UNTAG), Fresh)


# ------------------------------------------------------------------------------------------------------- many machines


def test_many_are_checked_by_shared_calls() -> None:
    """However many jobs: the facts are read once, and no disk is asked for by itself."""
    world = many()
    found = world.recheck(*of_each(world, "StopInstance"))

    assert [
        len(world.asked(name)) for name in ("describe_disks", "describe_instances", "get_caller", "list_snapshots")
    ] == [1, 1, 1, 1]
    assert (
        world.asked("describe_snapshots_of")
        == world.asked("describe_disks_of")
        == world.asked("dry_run StopInstances")
        == []
    )
    assert all(world.agrees(each, Command("StopInstance", f"i-{n}"), n) for n, each in enumerate(found))


def test_a_last_batch_of_a_fleet_costs_no_call_for_each_disk() -> None:
    """The plan decides how facts are read, not how many jobs happen to be in a batch."""
    world = many()
    world.recheck(*of_each(world, "StopInstance")[:2])

    assert world.asked("describe_snapshots_of") == world.asked("describe_disks_of") == []
    assert world.asked("describe_disks") == [("d-0", "d-1")]


def shot(number: int, **changes: Any) -> Any:
    """Return the snapshot of a disk of many."""
    return values.a_snapshot(**{"snapshot_id": f"s-{number}", "source_disk_id": f"d-{number}", **changes})


MOVED_OF_ONE: dict[str, Callable[[World], object]] = {
    "detached": lambda world: world.cloud.shown.update(
        {"d-5": values.a_disk(disk_id="d-5", instance_id="", status="Available")}
    ),
    "not shown": lambda world: world.cloud.shown.pop("d-5"),
    "instance gone": lambda world: world.cloud.machines.pop("i-5"),
    "locked": lambda world: world.cloud.machines.update(
        {"i-5": values.an_instance(instance_id="i-5", status="Running", locks=("security",))}
    ),
    "snapshot of it deleted": lambda world: world.cloud.snapshots_by_disk.update({"d-5": ()}),
    "snapshot of it failed": lambda world: world.cloud.snapshots_by_disk.update({"d-5": (shot(5, status="failed"),)}),
    "snapshot of it grown old": lambda world: world.cloud.snapshots_by_disk.update(
        {"d-5": (shot(5, snapshot_id="s-5b", creation_time=values.LONG_AGO),)}
    ),
}


@pytest.mark.parametrize("what", MOVED_OF_ONE)
def test_what_changed_for_one_is_reported_for_that_one_alone(what: str) -> None:
    """Of a batch the one whose facts changed is not fresh, as in a run of one; the others are."""
    world = many()
    MOVED_OF_ONE[what](world)
    found = world.recheck(*of_each(world, "StopInstance"))

    assert [n for n, each in enumerate(found) if not isinstance(each, Fresh)] == [5]
    assert isinstance(found[5], Unobserved if what in ("not shown", "instance gone") else Drifted)


def test_a_newer_snapshot_is_as_good_a_way_back() -> None:
    """The snapshot that the plan counted on is gone, and there is a newer one: the job goes on."""
    world = many()
    newer = shot(5, snapshot_id="s-new", creation_time=values.NOW - HOUR)
    world.cloud.snapshots_by_disk["d-5"] = (newer,)
    found = world.recheck(*of_each(world, "StopInstance"))

    assert isinstance(found[5], Fresh)
    assert world.asked("describe_snapshots_of") == [("d-5",)], "only where it is gone all are looked at"


def test_after_the_stop_snapshots_are_not_looked_at_one_by_one() -> None:
    """A job that has begun stands on its plan: before a wipe only what is being created matters."""
    world = many(status="Stopped")
    world.cloud.snapshots_by_disk["d-5"] = ()
    found = world.recheck(*of_each(world, "ReInitDisk"))

    assert world.agrees(found[5], Command("ReInitDisk", "d-5"), 5)
    assert ("s-5",) not in world.asked("describe_snapshots")
    assert world.asked("describe_snapshots_of") == []


def with_safety(world: World, state: Any, status: str = "accomplished", *, without: Sequence[int] = ()) -> None:
    """Add its safety snapshot to each disk, and let ECS show those that are not left out."""
    for n in range(len(world.states)):
        step = Step(state, tries=1, at=900.0)
        world.change(n, snapshots=(SafetySnapshot(f"d-{n}", "token", step, f"s-safe-{n}", "100%"),))
        if n not in without:
            world.cloud.snapshots_by_disk[f"d-{n}"] = (shot(n, snapshot_id=f"s-safe-{n}", status=status),)


def test_the_recheck_before_the_wipes_of_many_shows_their_safety_snapshots() -> None:
    """No wipe goes without its safety snapshot: it is looked for by name, and one that is gone holds its wipe alone."""
    world = many(status="Stopped")
    with_safety(world, "done", without=[0])
    found = world.recheck(*of_each(world, "ReInitDisk"))
    due = [n for n, each in enumerate(found) if world.agrees(each, Command("ReInitDisk", f"d-{n}"), n)]

    assert due == list(range(1, FLEET_SIZE))


def test_safety_snapshots_that_are_being_made_cost_no_call_a_disk() -> None:
    """While the snapshot of a disk is under way the region is listed, and no disk is asked for by itself."""
    world = many(status="Stopped")
    with_safety(world, "accepted", "progressing")
    world.recheck(*of_each(world, "ReInitDisk"))

    assert world.asked("describe_snapshots_of") == []


def test_a_snapshot_that_begins_before_the_stop_is_seen_by_a_slow_recheck_too() -> None:
    """Where reading the facts takes long, what can change is read again; a snapshot in progress is not forgotten."""
    world = many()
    growing = shot(5, snapshot_id="s-grow", status="progressing")
    world.cloud.snapshots_by_disk["d-5"] = (*world.cloud.snapshots_by_disk["d-5"], growing)
    slow(world, 5.0, "list_snapshots", times=1)
    found = world.recheck(*of_each(world, "StopInstance"))
    due = [n for n, each in enumerate(found) if world.agrees(each, Command("StopInstance", f"i-{n}"), n)]

    assert len(world.asked("describe_instances")) == 2, "once more"
    assert due == [n for n in range(FLEET_SIZE) if n != 5]


def test_a_region_full_of_snapshots_in_progress_is_asked_disk_by_disk() -> None:
    """A listing that was cut short proves nothing: then each disk is asked for its snapshots."""
    world = many()
    world.cloud.snapshots_by_disk.update(
        {f"d-x{n}": (shot(0, snapshot_id=f"s-x{n}", source_disk_id=f"d-x{n}", status="progressing"),) for n in range(5)}
    )
    world.cloud.listed = 3
    found = world.recheck(*of_each(world, "StopInstance"))

    assert len(world.asked("describe_snapshots_of")) == FLEET_SIZE
    assert all(isinstance(each, Fresh) for each in found)


# ------------------------------------------------------------------------------------------------------ other products

EVENT = SystemEvent("e-1", values.INSTANCE_ID, "SystemMaintenance.Reboot", "Scheduled", values.TOMORROW)
PRODUCTS = (
    "describe_scaling_members",
    "describe_replica_pairs",
    "describe_key",
    "describe_system_events",
    "describe_auto_snapshot_policy",
)


def planned(cloud: Any, disk_ids: Sequence[str]) -> World:
    """Return a plan for these disks, of which nothing was done yet."""
    clock, options = TinyClock(), Options(stop_instance=True, accept=OPTIONS.accept)
    plan = make_plan(facts_for(cloud, clock, values.REGION, disk_ids, options), options, Limits(), None)
    return World(cloud, plan, clock)


def test_an_event_that_is_new_since_the_plan_refuses_it() -> None:
    """A plan that waited for its consent is held against what ECS plans now."""
    world = planned(TinyCloud([values.a_disk()], [values.an_instance(status="Running")]), [values.DISK_ID])
    world.cloud.events = [EVENT]
    later(world, MINUTE)
    found = world.find(STOP)

    assert isinstance(found, Drifted)
    assert "scheduled-maintenance" in found.drift[0]


@pytest.mark.parametrize("seconds", [0, 20])
def test_what_concerns_the_stop_alone_is_not_read_again_seconds_after_the_plan(seconds: int) -> None:
    """The rights, who shares the downtime and other products are as the plan says; the data's facts are read again."""
    world = one("Running")
    later(world, timedelta(seconds=seconds))
    found = world.find(STOP)

    assert isinstance(found, Fresh)
    read = {name for name, _ in world.cloud.asked}
    assert read == {
        "get_caller",
        "describe_disks",
        "describe_instances",
        "describe_snapshots_of",
        "dry_run DescribeSnapshotsOfDisk",
    }


@pytest.mark.parametrize("seconds", [21, 3600, -1])
def test_everything_is_read_again_before_the_stop_where_the_plan_is_older(seconds: int) -> None:
    """A plan may be confirmed long after it was made; one that seems to be of the future counts as old."""
    world = one("Running")
    later(world, timedelta(seconds=seconds))
    world.find(STOP)

    asked = {name for name, _ in world.cloud.asked}
    assert {
        "dry_run_stop",
        "dry_run_start",
        "describe_disks_of",
        "describe_replica_pairs",
        "describe_scaling_members",
        "describe_system_events",
    } <= asked


def test_a_wipe_of_a_stopped_machine_stands_on_all_facts_however_new_the_plan_is() -> None:
    """What is left out before a stop concerns the stop alone."""
    world = one()
    world.find(WIPE)

    assert "describe_replica_pairs" in {name for name, _ in world.cloud.asked}


def test_what_the_plan_has_found_something_by_is_asked_again_in_any_case() -> None:
    """A member in Standby may have gone into service since."""
    world = planned(TinyCloud([values.a_disk()], [values.an_instance(status="Running")]), [values.DISK_ID])
    found = Finding("in-scaling-group", "info", values.INSTANCE_ID, "It is in Standby.", fix="Leave it there.")
    world.plan = replace(world.plan, findings=(*world.plan.findings, found))
    world.find(STOP)

    assert {name for name, _ in world.cloud.asked if name in PRODUCTS} == {"describe_scaling_members"}


def test_after_the_stop_other_products_are_asked_for_replication_alone() -> None:
    """What a scaling group or a planned event does concerns the standstill and not the wipe."""
    world = one()
    world.recheck(WIPE)

    assert {name for name, _ in world.cloud.asked if name in PRODUCTS} == {"describe_replica_pairs"}
    world.cloud.pairs = [ReplicaPair("pair-1", values.DISK_ID, "d-far", "normal")]
    found = world.find(WIPE)
    assert isinstance(found, Drifted)
    assert "in-replication-pair" in found.drift[0]


def test_a_job_that_has_begun_does_not_spare_another_its_facts() -> None:
    """Of two wipes at once, one on a machine that this run stopped, the other is read as before any first call."""
    disks = [values.a_disk(disk_id=f"d-{n}", instance_id=f"i-{n}") for n in range(2)]
    machines = [values.an_instance(instance_id=f"i-{n}", status="Running" if n else "Stopped") for n in range(2)]
    world = planned(TinyCloud(disks, machines), ["d-0", "d-1"])
    world.cloud.machines["i-1"] = values.an_instance(instance_id="i-1")
    world.change(1, stop=DONE, instance_status="Stopped")
    world.cloud.members = [ScalingMember("i-0", "asg-1", "InService")]
    first, second = world.recheck(*of_each(world, "ReInitDisk"))

    assert ("describe_scaling_members", ("i-0", "i-1")) in world.cloud.asked
    assert isinstance(first, Drifted)
    assert "in-scaling-group" in first.drift[0]
    assert world.agrees(second, Command("ReInitDisk", "d-1"), 1)
