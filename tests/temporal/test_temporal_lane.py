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


def test_two_keys_do_not_slow_each_other(
    temporal: Temporal, tmp_path: Path, down: Callable[[Simulator], list[int]]
) -> None:
    """While one account and region is at its cap, its wipes throttled and its queue full, another has its own pace."""
    count, cap = 4, 2
    throttled = {"action": "ReInitDisk", "dry_run": False, "nth": "every", "throttle": True}
    with (
        simulated(fleet(count), throttled) as held, simulated(fleet(count)) as free,
        temporals.working(temporal, held, tmp_path / "held.w"), temporals.working(temporal, free, tmp_path / "free.w"),
        ThreadPoolExecutor(1) as threads,
    ):  # fmt: skip
        clients = [temporals.client(temporal, sim, tmp_path / f"{n}.db") for n, sim in enumerate((held, free))]
        names: list[str] = []
        waiting = threads.submit(lambda: run(held, everything(count), using=clients[0], max_parallel=cap,
                                             on_event=lambda event: names.append(str(event.run_id))))  # fmt: skip
        while not any(call["code"].startswith("Throttling") for call in held.state()["calls"]):
            time.sleep(0.05)
        counts = down(free)
        done = run(free, everything(count), using=clients[1], max_parallel=cap)
        between = held.state()
        clients[0].cancel(names[0])
        cancelled = waiting.result(60)

    assert done.outcomes == {"done": list(range(count))}
    assert max(counts) == cap, "it uses the whole of its own cap"
    assert {call["code"] for call in done.state["calls"] if not call["dry_run"]} == {""}
    assert [one["status"] for one in between["instances"].values()].count("Running") == count - cap
    assert not any(one["wipes"] for one in between["disks"].values())
    assert cancelled.outcomes == {"failed": [0, 1], "refused": list(range(cap, count))}


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

    with simulated(fleet(3), *fleetruns.denied(0)) as sim:
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
        job = temporals.job_of(sim, instance(0))

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
