"""The same sentences hold for the local runner and on Temporal, held against the simulator's own record.

Who is at work is the process of a run here, and a worker there; another goes on with ``resume`` here, by itself there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.client import Client
from safe_reinit.errors import Error
from safe_reinit.journal import Journal
from tests import fleetruns, temporals
from tests.cloudlike import DATA, INSTANCE, SYSTEM, changes
from tests.commands import command
from tests.fleetruns import denied, everything, fleet, instance, run
from tests.temporal.stage import Locally, OnTemporal, Stage, problems
from tests.temporals import Nursery, Temporal, simulated

QUICK = [("act", 2, "before"), ("act", 2, "after"), ("act", 3, "after")]
"""Of all places; bench/temporalsweep.py does the rest, and tests/test_sweep.py that of the local runner."""
MANY = 12
RUNNERS = ("local", "temporal")


@pytest.fixture(params=RUNNERS)
def stage(request: pytest.FixtureRequest, temporal: Temporal, nursery: Nursery, tmp_path: Path) -> Iterator[Stage]:
    """Set the stage for each runner."""
    with simulated() as sim:
        local = request.param == "local"
        yield Locally(nursery, tmp_path, sim) if local else OnTemporal(temporal, nursery, tmp_path, sim)


@pytest.fixture(params=RUNNERS)
def using(request: pytest.FixtureRequest, work: Callable[..., Client]) -> Callable[[Any], Client]:
    """Give what makes a client of each runner."""
    return work if request.param == "temporal" else lambda sim: fleetruns.client(sim, temporals.RATE)


# ------------------------------------------------------------------------------------- killed, and stopped for a while


@pytest.mark.parametrize("point", QUICK, ids=str)
def test_another_goes_on_with_what_a_killed_one_was_at(stage: Stage, point: tuple[str, int, str]) -> None:
    """Whoever is killed around a call is replaced by another: the run ends, and each call is done once."""
    ended = stage.killed_and_replaced(point)

    assert set(stage.wipes()) <= {1}
    assert len(stage.wipes()) <= 1
    assert problems(stage, ended, "nobody") == []
    assert ended.outcome in ("done", "unknown"), ended.error
    power = stage.sim.state()["instances"][INSTANCE]["status"]
    assert power == ("Running" if ended.outcome == "done" else "Stopped")


def test_a_machine_that_somebody_used_in_between_is_not_wiped_again(stage: Stage) -> None:
    """After a start by somebody else a wipe whose answer was lost is not sent again: what became of it is unknown."""
    ended = stage.killed_and_replaced(("act", 2, "after"), "used")

    assert (ended.outcome, stage.wipes()) == ("unknown", [1])
    assert problems(stage, ended, "used") == []


def test_without_the_guards_such_a_machine_is_wiped_again(stage: Stage) -> None:
    """With the fence and the facts of the plan switched off, the same story loses data: these tests would see it."""
    ended = stage.killed_and_replaced(("act", 2, "after"), "used", ("fence", "drift"))

    assert 2 in stage.wipes()
    assert "wiped after a start" in problems(stage, ended, "used")


def test_who_wakes_up_late_calls_nothing(stage: Stage) -> None:
    """Whoever was stopped with a wipe in its hands until another went on does not send it when it wakes up."""
    ended = stage.stopped_and_replaced()

    assert ended.outcome in ("done", "unknown"), ended.error
    sent = [call for call in stage.sim.state()["calls"] if call["action"] == "ReInitDisk"]
    assert len(stage.wipes()) == len(sent) == (1 if ended.outcome == "done" else 0), (ended.error, sent)


# ------------------------------------------------------------------------------------------------- two people at once


def _at_once(plans: list[Any], clients: list[Client]) -> list[Any]:
    """Run these at once; give of each its report, or its error."""

    def one(number: int) -> Any:
        try:
            return clients[number].run(plans[number], confirm=plans[number].confirm_with)
        except Error as error:
            return error

    with ThreadPoolExecutor(len(plans)) as threads:
        return list(threads.map(one, range(len(plans))))


@pytest.mark.parametrize("targets", [(DATA, DATA), (DATA, SYSTEM)], ids=["two plans of a disk", "two disks"])
def test_two_people_at_once_on_one_instance(
    stage: Stage, work: Callable[..., Client], targets: tuple[str, str]
) -> None:
    """Two plans on one instance, run at once: one is carried out, and the other refused by the name of its run."""
    clients = [stage.operator(name) for name in "ab"]
    plans = [each.plan([target], stop_instance=True) for each, target in zip(clients, targets, strict=True)]
    if isinstance(stage, OnTemporal):
        work(stage.sim)
    answers = _at_once(plans, clients)

    (refused,) = [each for each in answers if isinstance(each, Error)]
    (done,) = [each for each in answers if not isinstance(each, Error)]
    assert (done.outcome, refused.exit_code) == ("done", 3)
    assert str(done.run_id) in str(refused)
    state = stage.sim.state()
    assert sum(len(state["disks"][each]["wipes"]) for each in {*targets}) == 1
    assert state["instances"][INSTANCE]["starts"] == 2


def test_a_plan_is_run_once(stage: Stage, work: Callable[..., Client]) -> None:
    """A plan that was run is refused to whoever comes with it later, and the refusal names the run."""
    first, second = (stage.operator(name) for name in "ab")
    plan = first.plan([DATA], stop_instance=True)
    if isinstance(stage, OnTemporal):
        work(stage.sim)
    report = first.run(plan, confirm=plan.confirm_with)
    with pytest.raises(Error) as caught:
        second.run(plan, confirm=plan.confirm_with)

    assert f"run {report.run_id}" in str(caught.value)
    assert stage.wipes() == [1]


# ---------------------------------------------------------------------------------------------------- canary, threshold


def _simulated(count: int, *faults: dict[str, Any]) -> Any:
    return fleetruns.simulated(fleet(count), *faults, speed=temporals.RATE)


def test_a_canary_that_fails_is_the_only_one_touched(using: Callable[[Any], Client]) -> None:
    """Of more than ten one goes first; where it fails nothing is called for any other, and the counts add up."""
    with _simulated(MANY, *denied(0)) as sim:
        done = run(sim, everything(MANY), using=using(sim), canary=None)

    assert done.outcomes == {"failed": [0], "refused": list(range(1, MANY))}
    assert (done.report.outcome, done.report.exit_code) == ("partial", 7)
    assert all("Not begun: the canary" in str(done.jobs[number].error) for number in range(1, MANY))
    assert next(event.instance_id for event in done.run.events if event.event == "done") == instance(0)


def test_no_new_job_starts_once_so_many_have_failed(using: Callable[[Any], Client]) -> None:
    """Once two have failed nothing new is begun; with a cap of 3 at most two more were at work, and counts add up."""
    with _simulated(MANY, *denied(1, 2)) as sim:
        done = run(sim, everything(MANY), using=using(sim), stop_after_failures=2, max_parallel=3)

    begun = [number for number in range(MANY) if done.calls(number)]
    assert done.outcomes["failed"] == [1, 2]
    assert len(begun) <= 4 + 2
    assert done.outcomes.get("done", []) == [n for n in begun if n not in (1, 2)]
    assert done.outcomes["refused"] == [n for n in range(MANY) if n not in begun]


@pytest.mark.parametrize("goes_on", [True, False])
def test_after_the_canary_somebody_decides(using: Callable[[Any], Client], goes_on: bool) -> None:
    """Who follows is asked once, with every machine up; a no leaves all the others untouched."""
    asked: list[str] = []
    count = 4
    with _simulated(count) as sim:

        def go_on(said: str) -> bool:
            asked.append(said)
            assert {one["status"] for one in sim.state()["instances"].values()} == {"Running"}
            return goes_on

        done = run(sim, everything(count), using=using(sim), canary=1, pause="canary", go_on=go_on)

    assert asked == [f"1 of {count} jobs have ended, 1 of them done."]
    others = {"done": list(range(count))} if goes_on else {"done": [0], "refused": list(range(1, count))}
    assert done.outcomes == others


# ------------------------------------------------------------------------------------------------------------- cancel


def test_cancel_brings_the_machine_back_unwiped(stage: Stage, work: Callable[..., Client]) -> None:
    """``cancel`` before the wipe: the machine comes back, nothing is wiped, who waits ends with 4; once more: 3."""
    stage.sim.do({"fault": {"action": "ReInitDisk", "dry_run": False, "nth": "every", "throttle": True}})
    path = stage.folder / "journal.db"
    door = command(stage.sim.url, stage.folder, str(temporals.RATE))
    words = ["--disk", DATA, "--stop-instance", "--confirm", DATA]
    if isinstance(stage, OnTemporal):
        work(stage.sim)
        words += ["--runner", "temporal", "--temporal", stage.temporal.address]
    running = door.start(*words, journal=path)
    stage.until(lambda: stage.sim.state()["instances"][INSTANCE]["status"] == "Stopped")
    with Journal(path) as journal:
        run_id = journal.runs()[0].run_id
    asked = door("cancel", run_id, journal=path)
    running.communicate(timeout=60)
    again = door("cancel", run_id, journal=path)

    assert (asked.returncode, running.returncode, again.returncode) == (0, 4, 3), asked.stderr
    assert "has ended" in again.stderr
    assert stage.wipes() == []
    assert "ReInitDisk" in changes(stage.sim.state())
    assert stage.sim.state()["instances"][INSTANCE]["status"] == "Running"
