"""Observing jobs: each sees what is its own, and a call that fails blinds only who needs it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from safe_reinit.cloud.interface import CloudError, Refused, Unanswered
from safe_reinit.cloud.retry import Once, Patient
from safe_reinit.core.events import Intended
from safe_reinit.core.evolve import evolve
from safe_reinit.core.inputs import Fresh
from safe_reinit.core.polling import Needs, needs
from safe_reinit.core.state import begin
from safe_reinit.execution.observe import observation_of, observe_jobs
from safe_reinit.model import (
    Command,
    JobState,
    Limits,
    PlannedDisk,
    PlannedJob,
    SafetySnapshot,
    Step,
    UnreadableRow,
)
from safe_reinit.planning.describe import Round
from safe_reinit.planning.facts import read_facts
from tests import values
from tests.cloudlike import TinyClock, TinyCloud
from tests.execution.worlds import FLEET_SIZE, World, many, of_each


def named(cloud: TinyCloud) -> list[str]:
    """List what was asked."""
    return [name for name, _ in cloud.asked]


def begun(disk_ids: list[str], instance_id: str) -> JobState:
    """Return the state of a job that has just begun."""
    disks = tuple(PlannedDisk(each) for each in disk_ids)
    job = PlannedJob(instance_id, "", "Running", "Running", will_stop=True, will_start=True, disks=disks)
    return begin(job, Limits(), at=0.0)


def stopped(number: int) -> JobState:
    """Return the state of a job whose machine this run stopped, and whose disk is to be wiped."""
    return replace(begun([f"d-{number}"], f"i-{number}"), stop=Step("done", tries=1))


def test_all_jobs_are_observed_at_once() -> None:
    """One DescribeDisks and one DescribeInstances serve all open jobs, and each sees only what is its own."""
    disks = [values.a_disk(disk_id=f"d-{n}", instance_id=f"i-{n}") for n in range(5)]
    cloud = TinyCloud(disks, [values.an_instance(instance_id=f"i-{n}") for n in range(4)])
    seen = observe_jobs(cloud, TinyClock(), [stopped(n) for n in range(5)])

    assert sorted(named(cloud)) == ["describe_disks", "describe_instances"]
    assert [sorted(each.disks) for each in seen] == [[f"d-{n}"] for n in range(5)]
    assert [each.instance is not None for each in seen] == [True] * 4 + [False]


def test_snapshots_in_progress_are_looked_for_only_before_the_stop() -> None:
    """They are waited for before anything is touched, and cost nothing afterwards, nor in a recheck."""
    growing = values.a_snapshot(status="progressing", source_disk_id="d-0")
    cloud = pair(snapshots={"d-0": (growing, values.a_snapshot(source_disk_id="d-0"))})
    job = begun(["d-0"], "i-0")

    assert observe_jobs(cloud, TinyClock(), [job])[0].progressing == (growing,)
    assert observe_jobs(cloud, TinyClock(), [job], whole=True)[0].progressing == ()
    assert observe_jobs(cloud, TinyClock(), [stopped(0)])[0].progressing == ()


def test_only_what_a_job_needs_next_is_asked_for() -> None:
    """Of a machine that stops the disks are not asked for, of a wipe that was accepted the machine is not."""
    stopping = replace(begun(["d-0"], "i-0"), stop=Step("accepted", tries=1, at=1.0))
    wiping = stopped(1)
    wiping = replace(wiping, disks=(replace(wiping.disks[0], state="accepted", tries=1, at=1.0),))
    cloud = pair()
    first, second = observe_jobs(cloud, TinyClock(), [stopping, wiping])

    assert sorted(cloud.asked) == [("describe_disks", ("d-1",)), ("describe_instances", ("i-0",))]
    assert (first.instance_requested, first.disks_requested, first.disks_answered, dict(first.disks)) == (
        True,
        False,
        False,
        {},
    )
    assert first.instance == values.an_instance(instance_id="i-0")
    assert (second.instance_requested, second.disks_requested, second.instance) == (False, True, None)
    assert list(second.disks) == ["d-1"]


def test_of_what_is_only_watched_the_instance_is_asked_for() -> None:
    """By the same call as the instances of the other jobs, and its observation comes last."""
    cloud = pair()
    first, watched = observe_jobs(cloud, TinyClock(), [stopped(0)], watched=[begun(["d-1"], "i-1")])

    assert sorted(cloud.asked) == [("describe_disks", ("d-0",)), ("describe_instances", ("i-0", "i-1"))]
    assert (list(first.disks), first.disks_requested) == (["d-0"], True)
    assert watched.instance == values.an_instance(instance_id="i-1")
    assert (watched.answered, watched.disks_requested, watched.disks_answered) == (True, False, False)


def test_a_recheck_asks_for_the_whole() -> None:
    """Whatever is needed next, instance and disks of each job are seen."""
    stopping = replace(begun(["d-0"], "i-0"), stop=Step("accepted", tries=1, at=1.0))
    seen = observe_jobs(pair(), TinyClock(), [stopping], whole=True)[0]

    assert (seen.instance_requested, seen.disks_requested, seen.disks_answered, list(seen.disks)) == (
        True,
        True,
        True,
        ["d-0"],
    )
    assert seen.instance is not None


@pytest.mark.parametrize("failing", ["describe_disks", "describe_instances"])
def test_a_call_that_was_not_needed_blinds_nobody(failing: str) -> None:
    """A machine that stops is seen without its disks, and a disk that is wiped without its machine."""
    stopping = replace(begun(["d-0"], "i-0"), stop=Step("accepted", tries=1, at=1.0))
    wiping = stopped(1)
    wiping = replace(wiping, disks=(replace(wiping.disks[0], state="accepted", tries=1, at=1.0),))
    first, second = observe_jobs(pair(failing={failing: [Unanswered("Describe")]}), TinyClock(), [stopping, wiping])

    assert (first.answered, second.answered) == (failing == "describe_disks", failing == "describe_instances")


# --------------------------------------------------------------------------------------------- the same everywhere


def date(world: World, moment: datetime | None) -> None:
    """Let the answers to DescribeInstances, and to nothing else, have this Date."""
    instances = world.cloud.describe_instances
    world.cloud.describe_instances = lambda ids: replace(instances(ids), date=moment)


@pytest.mark.parametrize("status", ["Running", "Stopped"])
@pytest.mark.parametrize("count", [1, FLEET_SIZE])
def test_plan_recheck_and_observation_show_the_same(count: int, status: str) -> None:
    """Whatever a guard needs is in each of them: instance, disks, snapshots, and the Date of DescribeInstances."""
    world = many(count, status)
    for n, disk_id in enumerate(world.cloud.shown):
        kept, growing = SafetySnapshot(disk_id, "token", snapshot_id=f"s-{n}"), f"s-growing-{n}"
        world.change(n, snapshots=(kept,))
        world.cloud.snapshots_by_disk[disk_id] += (
            values.a_snapshot(snapshot_id=growing, source_disk_id=disk_id, status="progressing"),
        )
    date(world, values.TOMORROW)
    checked = world.recheck(*of_each(world, "StopInstance" if status == "Running" else "ReInitDisk"))
    planned = Round(world.cloud, world.clock, Patient(world.clock), list(world.cloud.shown))
    read_facts(planned, values.REGION, world.plan.options, settle=lambda _: (world.plan.options, world.plan.guard))
    observed = observe_jobs(world.cloud, world.clock, world.states)

    for job, found, seen in zip(world.states, checked, observed, strict=True):
        at_first = observation_of(planned, job, needs(job), seen.at)
        assert isinstance(found, Fresh)
        for each in (at_first, found.observation):
            assert replace(each, when=seen.when) == seen
        assert (seen.answered, seen.date, len(seen.disks), len(seen.snapshots)) == (True, values.TOMORROW, 1, 1)
        assert len(seen.progressing) == (status == "Running")


def test_the_date_of_another_answer_is_not_that_of_the_instance() -> None:
    """Where DescribeInstances has no Date no start is known to show, whatever the local clock says."""
    world = many(1)
    date(world, None)
    (found,) = world.recheck(*of_each(world, "StopInstance"))
    (seen,) = observe_jobs(world.cloud, world.clock, world.states)

    assert isinstance(found, Fresh)
    assert found.observation.date is seen.date is None


def test_nothing_is_seen_of_which_no_answer_was_read() -> None:
    """A round that was not asked shows no absence: neither the instance nor the disks are seen."""
    asked = Round(pair(), TinyClock(), Once(), tolerant=True)

    assert not observation_of(asked, stopped(0), Needs(instance=True, disks=True), asked.at).answered
    asked.describe_instances(["i-0"])
    asked.ask_all()
    seen = observation_of(asked, stopped(0), Needs(instance=True, disks=True), asked.at)
    assert (seen.answered, seen.disks_unanswered) == (True, True)


# ------------------------------------------------------------------------------------------------ calls that fail


def two(*, touched: int) -> list[JobState]:
    """Return the states of two jobs, of which one has been touched."""
    jobs = [begun([f"d-{n}"], f"i-{n}") for n in range(2)]
    stop = Intended(Command("StopInstance", f"i-{touched}"), values.an_observation(1.0))
    jobs[touched] = evolve(jobs[touched], stop)
    return jobs


def pair(**more: Any) -> TinyCloud:
    """Return a cloud with two machines of a disk each."""
    disks = [values.a_disk(disk_id=f"d-{n}", instance_id=f"i-{n}") for n in range(2)]
    return TinyCloud(disks, [values.an_instance(instance_id=f"i-{n}") for n in range(2)], **more)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unanswered("DescribeSnapshots"), None),
        (Refused("ServiceUnavailable", 503, "", "r"), None),
        (Refused("Forbidden.RAM", 403, "", "r"), "Forbidden.RAM"),
    ],
    ids=["lost", "unavailable", "forbidden"],
)
def test_a_call_for_snapshots_that_fails_blinds_only_who_needs_it(error: CloudError, code: str | None) -> None:
    """A job that waits to be stopped needs it; one that is down already is seen as before, whatever the answer was."""
    cloud = pair(failing={"describe_snapshots_of": [error]})
    waiting, down = observe_jobs(cloud, TinyClock(), two(touched=1))

    assert (waiting.answered, waiting.credentials_refused) == (False, code)
    assert (down.answered, down.credentials_refused) == (True, None)
    assert down.instance is not None


def test_without_the_right_to_list_each_disk_is_asked_for_its_snapshots() -> None:
    """A region that may not be listed blinds no job of many."""
    growing = values.a_snapshot(status="progressing", source_disk_id="d-3")
    denied = Refused("Forbidden.RAM", 403, "", "r")
    cloud = many().cloud
    cloud.snapshots_by_disk["d-3"], cloud.failing = (growing,), {"list_snapshots": [denied]}
    jobs = [begun([f"d-{n}"], f"i-{n}") for n in range(FLEET_SIZE)]
    seen = observe_jobs(cloud, TinyClock(), jobs)

    assert [each.progressing for each in seen] == [(growing,) if n == 3 else () for n in range(FLEET_SIZE)]
    assert all(each.answered for each in seen)


@pytest.mark.parametrize(
    ("name", "action", "names"),
    [
        ("describe_disks", "DescribeDisks", ("d-0", "i-0")),
        ("describe_disks", "DescribeDisks", ("", "")),
        ("describe_instances", "DescribeInstances", ("i-0",)),
        ("describe_instances", "DescribeInstances", ("",)),
        ("describe_snapshots", "DescribeSnapshots", ("s-0", "d-0")),
        ("describe_snapshots", "DescribeSnapshots", ("", "")),
        ("describe_snapshots_of", "DescribeSnapshots", ("s-growing", "d-0")),
        ("describe_snapshots_of", "DescribeSnapshots", ("", "")),
        ("list_snapshots", "DescribeSnapshots", ("s-growing", "d-0")),
    ],
)
def test_a_row_that_cannot_be_read_hides_only_what_it_is_about(name: str, action: str, names: tuple[str, ...]) -> None:
    """The job that a row is about is not seen, and why is told; one that names nothing may be any that is not shown."""
    jobs = [begun([f"d-{n}"], f"i-{n}") for n in range(FLEET_SIZE if name == "list_snapshots" else 2)]
    jobs[0] = replace(jobs[0], snapshots=(SafetySnapshot("d-0", "token", snapshot_id="s-0"),))
    cloud = many().cloud
    growing = values.a_snapshot(snapshot_id="s-growing", source_disk_id="d-0", status="progressing")
    cloud.snapshots_by_disk["d-0"] += (growing,)
    ask = getattr(cloud, name)

    def unread(*words: Any) -> Any:
        reading = ask(*words)
        others = [each for each in reading.items if not {"d-0", "i-0"} & set(vars(each).values())]
        row = UnreadableRow(action, names, "Size", "null")
        return replace(reading, items=tuple(others), unreadable=(row,) if len(others) < len(reading.items) else ())

    setattr(cloud, name, unread)
    first, *others = observe_jobs(cloud, TinyClock(), jobs)

    assert all(each.answered and each.disks_answered for each in others)
    assert (first.answered, first.disks_answered) == ((True, False) if name == "describe_disks" else (False, True))
    assert first.why.startswith(f"in the answer to {action} the row of ")
    assert first.why.endswith("cannot be read: Size is null")


def test_a_call_for_safety_snapshots_that_fails_blinds_only_who_has_one() -> None:
    """A job between its safety snapshot and its wipe is not seen; the other is."""
    cloud = pair(failing={"describe_snapshots": [Unanswered("DescribeSnapshots")]})
    safe, plain = two(touched=0)
    safe = replace(safe, snapshots=(SafetySnapshot("d-0", "token", snapshot_id="s-safe"),))
    first, second = observe_jobs(cloud, TinyClock(), [safe, plain])

    assert (first.answered, second.answered) == (False, True)
