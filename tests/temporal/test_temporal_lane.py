"""The lane: canary, waves, cap, threshold, quota, cancel, for all operators and workers of an account and region."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.client import Client, Interrupt
from safe_reinit.simulator import Simulator
from safe_reinit.temporal import lane as lanes
from tests import fleetruns, temporals
from tests.cloudlike import accepted, once
from tests.fleetruns import disk, everything, fleet, instance, run
from tests.temporals import RATE, Nursery, Temporal

Work = Callable[..., Client]
MANY = 12


def simulated(world: dict[str, Any], *faults: dict[str, Any]) -> Any:
    """Start a simulator as fast as the workers."""
    return fleetruns.simulated(world, *faults, speed=RATE)


def denied(*numbers: int) -> list[dict[str, Any]]:
    """Refuse the wipes of these for good."""
    what = {"action": "ReInitDisk", "dry_run": False, "error": {"code": "OperationDenied"}}
    return [{**what, "subject": disk(number)} for number in numbers]


@pytest.fixture
def down() -> Iterator[Callable[[Simulator], list[int]]]:
    """Count, by the simulator's own account, how many machines are down, all the time."""
    with ThreadPoolExecutor(1) as threads:
        ended: list[bool] = []

        def watch(sim: Simulator) -> list[int]:
            counts: list[int] = []

            def count() -> None:
                while not ended:
                    machines = sim.state()["instances"].values()
                    counts.append(sum(one["status"] != "Running" for one in machines))
                    time.sleep(0.05)

            threads.submit(count)
            return counts

        yield watch
        ended.append(True)


def test_a_canary_that_fails_is_the_only_one_touched(work: Work) -> None:
    """Of more than ten one goes first; where it fails nothing is called for any other, and the counts add up."""
    with simulated(fleet(MANY), *denied(0)) as sim:
        done = run(sim, everything(MANY), using=work(sim), canary=None)

    assert done.outcomes == {"failed": [0], "refused": list(range(1, MANY))}
    assert (done.report.outcome, done.report.exit_code) == ("partial", 7)
    assert all("Not begun: the canary" in str(done.jobs[number].error) for number in range(1, MANY))
    assert next(event.instance_id for event in done.run.events if event.event == "done") == instance(0)


def test_no_new_job_starts_once_so_many_have_failed(work: Work) -> None:
    """Once two have failed nothing new is begun; with a cap of 3 at most two more were at work, and counts add up."""
    with simulated(fleet(MANY), *denied(1, 2)) as sim:
        done = run(sim, everything(MANY), using=work(sim), stop_after_failures=2, max_parallel=3)

    begun = [number for number in range(MANY) if done.calls(number)]
    assert done.outcomes["failed"] == [1, 2]
    assert len(begun) <= 4 + 2
    assert done.outcomes.get("done", []) == [n for n in begun if n not in (1, 2)]
    assert done.outcomes["refused"] == [n for n in range(MANY) if n not in begun]


def test_two_operators_share_the_cap_and_the_quota_of_two_workers(
    temporal: Temporal, nursery: Nursery, tmp_path: Path, down: Callable[[Simulator], list[int]]
) -> None:
    """Two runs at once, two workers: never more machines are down than the cap, and no wipe is ever throttled."""
    count, half, limit = 16, 8, 20
    with simulated(fleet(count, rate_limits={"ReInitDisk": limit})) as sim:
        clients = [temporals.client(temporal, sim, tmp_path / f"{name}.db") for name in "ab"]
        with (
            temporals.worker(nursery, temporal, sim.url, tmp_path, name="one", limit=limit) as one,
            temporals.worker(nursery, temporal, sim.url, tmp_path, name="two", limit=limit) as two,
            ThreadPoolExecutor(2) as threads,
        ):
            one.ready(), two.ready()
            counts = down(sim)
            parts = [everything(count)[:half], everything(count)[half:]]
            plans = [fleetruns.planned(each, part, max_parallel=4) for each, part in zip(clients, parts, strict=True)]
            reports = list(threads.map(lambda n: clients[n].run(plans[n], confirm=plans[n].confirm_with), (0, 1)))
        state = sim.state()

    assert [report.outcome for report in reports] == ["done", "done"]
    assert max(counts) <= 4
    assert max(counts) >= 3
    calls = [call for call in state["calls"] if call["action"] == "ReInitDisk" and not call["dry_run"]]
    assert {call["code"] for call in calls} == {""}
    for each in everything(count):
        assert [wipe["starts_before"] for wipe in state["disks"][each]["wipes"]] == [1]


def test_looks_of_many_jobs_are_shared(work: Work) -> None:
    """Jobs that wait on one worker are looked at by one call for all of them: far fewer looks than jobs and ticks."""
    with simulated(fleet(MANY)) as sim:
        done = run(sim, everything(MANY), using=work(sim), max_parallel=MANY)

    assert done.outcomes == {"done": list(range(MANY))}
    looks = [call for call in done.state["calls"] if call["action"] == "DescribeInstances" and not call["dry_run"]]
    assert max(len(call["subject"]) for call in looks) >= MANY - 2
    assert len(looks) < 10 * MANY
    stops = [call for call in done.sent("StopInstances") if len(call["subject"]) > 1]
    assert stops, "what is due together is one call, as in the local runner"


@pytest.mark.parametrize("goes_on", [True, False])
def test_after_the_canary_somebody_decides(work: Work, goes_on: bool) -> None:
    """Who follows is asked once, with every machine up; a no leaves all the others untouched."""
    asked: list[str] = []
    count = 4
    with simulated(fleet(count)) as sim:

        def go_on(said: str) -> bool:
            asked.append(said)
            assert {one["status"] for one in sim.state()["instances"].values()} == {"Running"}
            return goes_on

        done = run(sim, everything(count), using=work(sim), canary=1, pause="canary", go_on=go_on)

    assert asked == [f"1 of {count} jobs have ended, 1 of them done."]
    others = {"done": list(range(count))} if goes_on else {"done": [0], "refused": list(range(1, count))}
    assert done.outcomes == others


def test_cancel_lets_nothing_new_begin_and_no_machine_stay_down(work: Work) -> None:
    """Cancelled in the middle: who is being wiped comes back wiped, who is down comes back, the rest is untouched."""
    with simulated(fleet(MANY)) as sim:
        using = work(sim)
        names: list[str] = []

        def cancel() -> None:
            using.cancel(names[0])

        def note(event: Any) -> None:
            names.append(event.run_id)
            stop(event)

        stop = once(accepted("ReInitDisk"), cancel)
        done = run(sim, everything(MANY), using=using, max_parallel=4, on_event=note)

    assert set(done.outcomes) <= {"done", "failed", "refused"}
    assert len(done.outcomes["refused"]) >= MANY - 8
    assert {one["status"] for one in done.state["instances"].values()} == {"Running"}


def test_a_deadline_that_passes_lets_nothing_begin(work: Work) -> None:
    """What is down then comes to its end, and what waits for its turn is not begun."""
    with simulated(fleet(6)) as sim:
        deadline = datetime.now(timezone.utc) + timedelta(seconds=4)
        done = run(sim, everything(6), using=work(sim), deadline=deadline, max_parallel=1)

    assert set(done.outcomes) == {"done", "refused"}
    assert all("deadline" in str(done.jobs[n].error) for n in done.outcomes["refused"])


def test_a_lane_goes_on_in_a_new_history(work: Work, monkeypatch: pytest.MonkeyPatch, temporal: Temporal) -> None:
    """A lane whose history is long goes on in a new one, in the middle of a run, and forgets nothing."""
    monkeypatch.setattr(lanes, "_EVENTS", 40)
    with simulated(fleet(6)) as sim:
        using = work(sim)
        done = run(sim, everything(6), using=using, max_parallel=2)
        place = f"lane/{temporals.ACCOUNT}.{temporals.REGION}@{sim.url.removeprefix('http://')}"

        async def generations(client: Any) -> tuple[int, Any]:
            found = [each async for each in client.list_workflows(f"WorkflowId = '{place}'")]
            return len(found), await client.get_workflow_handle(place).query("used")

        temporal_runs, used = temporal.ask(generations)

    assert done.outcomes == {"done": list(range(6))}
    assert temporal_runs > 1
    assert [each[1] for each in used] == [done.report.run_id]


def test_a_run_that_the_lane_has_forgotten_is_followed_to_its_end(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who follows too slowly to see how a run ended in the lane finds out by its jobs, those that never began too."""
    from safe_reinit.temporal import following

    with simulated(fleet(3), *denied(0)) as sim:
        using = work(sim)
        monkeypatch.setattr(following, "_LEAST", 15.0)
        done = run(sim, everything(3), using=using, stop_after_failures=1, max_parallel=1)

    assert done.outcomes == {"failed": [0], "refused": [1, 2]}


def test_whoever_leaves_a_fleet_finds_it_again(work: Work) -> None:
    """Leaving a run over many and following it again tells the whole story in the end."""
    interrupt = Interrupt()
    with simulated(fleet(4)) as sim:
        using = work(sim)
        plan = fleetruns.planned(using, everything(4), max_parallel=2)
        with pytest.raises(fleetruns.Error) as left:
            using.run(plan, confirm=plan.confirm_with, on_event=once(accepted("StopInstance"), interrupt.ask),
                      stop=interrupt)  # fmt: skip
        assert left.value.exit_code == 5
        assert left.value.report is not None
        report = using.resume(str(left.value.report.run_id))
        state = sim.state()

    assert report.outcome == "done"
    assert all(len(state["disks"][each]["wipes"]) == 1 for each in everything(4))


def test_a_job_that_is_cancelled_at_the_server_brings_its_machine_back(work: Work, temporal: Temporal) -> None:
    """Cancel of the workflow itself, from Temporal's own tools: no wipe is sent, and the machine comes back."""
    throttled = {"action": "ReInitDisk", "dry_run": False, "nth": "every", "throttle": True}
    with simulated(fleet(1), throttled) as sim:
        using = work(sim)
        job = f"ecs/{temporals.ACCOUNT}.{temporals.REGION}@{sim.url.removeprefix('http://')}/{instance(0)}"

        async def cancel(client: Any) -> None:
            await client.get_workflow_handle(job).cancel()

        with ThreadPoolExecutor(1) as threads:
            done = threads.submit(lambda: run(sim, everything(1), using=using))
            while sim.state()["instances"][instance(0)]["status"] != "Stopped":
                time.sleep(0.05)
            temporal.ask(cancel)
            ended = done.result(60)

    assert ended.outcomes == {"failed": [0]}
    assert ended.state["disks"][disk(0)]["wipes"] == []
    assert ended.state["instances"][instance(0)]["status"] == "Running"
