"""How many calls a run makes, and what it adds to the downtime, whatever a stop, a wipe and a start take."""

from __future__ import annotations

import random
import statistics
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.cloud.aliyun.attempt import Reply, RequestInProgress
from safe_reinit.core import rate_limits
from safe_reinit.model import Rollout
from safe_reinit.simulator.wire.request import RawRequest
from tests import cloudlike, processes, virtual
from tests.commands import command

pytestmark = pytest.mark.virtual_time

USUAL = {"stop_seconds": 30.0, "wipe_seconds": 60.0, "start_seconds": 45.0}
RUN_LIMIT = 3 * 3600.0
"""Simulated seconds that the commands of a test may take."""


def drawn(scale: float, seed: str) -> dict[str, float]:
    """Draw what ECS takes: the usual by a scale, each half as long up to half as long again."""
    numbers = random.Random(seed)
    return {name: round(scale * seconds * numbers.uniform(0.5, 1.5), 2) for name, seconds in USUAL.items()}


def timed_world(machines: list[dict[str, float]]) -> dict[str, Any]:
    """Return machines with one disk each, and a fresh snapshot of it."""
    world: dict[str, Any] = {"instances": {}, "disks": {}, "snapshots": {}}
    for n, takes in enumerate(machines):
        of_disk, of_instance = {"wipe_seconds": takes["wipe_seconds"]}, {**takes}
        del of_instance["wipe_seconds"]
        world["instances"][f"i-{n}"] = {"status": "Running", "key_pair": "ops", **of_instance}
        world["disks"][f"d-{n}"] = {"instance": f"i-{n}", "type": "data", **of_disk}
        world["snapshots"][f"s-{n}"] = {"disk": f"d-{n}"}
    return world


def run_one_after_the_other(folder: Path, machines: list[dict[str, float]]) -> tuple[int, float]:
    """Wipe the disk of each machine; give the calls of the last run, and its downtime by what ECS took."""
    with virtual.simulate(timed_world(machines), [], 1.0) as sim:
        ours = command(sim.url, folder)
        for n in range(len(machines)):
            before = len(sim.state()["calls"])
            words = ("--disk", f"d-{n}", "--stop-instance", "--confirm", f"d-{n}", "--accept", "fstab-may-name-disk")
            done = processes.run_to_end(
                ours.words(*words, journal=folder / "journal.db"),
                env=ours.environment(), cwd=folder, timeout=RUN_LIMIT,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        calls = [call for call in sim.state()["calls"][before:] if call["source"] != "world"]
    at = {call["action"]: datetime.fromisoformat(call["at"]) for call in calls if not call["dry_run"]}
    down = (at["StartInstance"] - at["StopInstance"]).total_seconds() + machines[-1]["start_seconds"]
    return len(calls), down / sum(machines[-1].values())


MOST = [(0.3, None, 46), (1.0, None, 54), (4.0, None, 60), (0.3, 1.0, 47), (1.0, 1.0, 56), (4.0, 1.0, 64)]
"""By what ECS takes, and took in the runs before: the calls of a run at most."""


@pytest.mark.parametrize(
    ("scale", "before", "most", "seeds", "longest"),
    [
        *((*each, 2, 1.1) for each in MOST if each[:2] in ((0.3, None), (4.0, None), (1.0, 1.0), (4.0, 1.0))),
        *(pytest.param(*each, 10, 1.08, marks=pytest.mark.slow) for each in MOST),
    ],
)
def test_one_disk_takes_hardly_more_calls_and_downtime_than_ecs_itself(
    tmp_path: Path, scale: float, before: float | None, most: int, seeds: int, longest: float
) -> None:
    """A wipe of one disk, whatever ECS takes, and whatever it took in the runs before that the journal knows of.

    Only where it takes four times as long as ever before, the journal costs a few calls.
    """
    calls, ratios = [], []
    for seed in range(seeds):
        folder = tmp_path / str(seed)
        folder.mkdir()
        earlier = [] if before is None else [drawn(before, f"{seed} {n}") for n in range(2)]
        count, ratio = run_one_after_the_other(folder, [*earlier, drawn(scale, f"{seed}")])
        calls.append(count)
        ratios.append(ratio)

    assert max(calls) <= most, calls
    assert statistics.mean(ratios) <= longest, ratios


@pytest.mark.parametrize(
    "disks", [["d-sim-web1-data"], ["d-sim-web1-sys"], ["d-sim-web1-data", "d-sim-web1-sys"]], ids="-".join
)
def test_no_request_is_made_twice_in_a_dry_run(tmp_path: Path, disks: list[str]) -> None:
    """What one answer shows is not asked for again."""
    asked: list[tuple[str, ...]] = []
    with virtual.simulate(None, [], 1.0) as sim:
        lines = virtual.current().connections
        (name,) = lines
        line = lines[name]

        class Listening:
            """Notes each request on its way."""

            def send(self, attempt: RequestInProgress, raw: RawRequest) -> Reply:
                """Send it."""
                asked.append((raw.headers.get("x-acs-action", ""), raw.query, raw.body.decode()))
                return line.send(attempt, raw)

        lines[name] = Listening()
        words = [word for disk in disks for word in ("--disk", disk)]
        done = command(sim.url, tmp_path)(*words, "--stop-instance", "--dry-run", journal=tmp_path / "journal.db")
        counted = len(sim.state()["calls"])

    assert "Plan" in done.stdout, done.stderr
    assert len(asked) == counted > 5
    assert len(set(asked)) == len(asked), sorted(asked)


def fleet_in_waves(folder: Path, count: int, quota: int) -> tuple[float, float, float]:
    """Wipe a disk of each of many machines; give calls a disk, and time and downtime by the least that is possible."""
    machines = [USUAL] * count
    with virtual.Simulator({**timed_world(machines), "rate_limits": {"ReInitDisk": quota}}, travel=0.1) as sim:
        client = cloudlike.client(sim, journal=folder / "journal.db")
        plan = client.plan(
            [f"d-{n}" for n in range(count)], stop_instance=True, max_disks=count, accept=["fstab-may-name-disk"]
        )
        plan = replace(plan, rollout=Rollout(canary=0, quota_share=1.0, max_parallel=count))
        began = virtual.current().scheduler.now
        report = client.run(plan, confirm=plan.confirm_with)
        took = virtual.current().scheduler.now - began
        calls = [call for call in sim.engine.calls if call.source == "api"]
    assert report.outcome == "done"
    at: dict[str, dict[str, float]] = {"Stop": {}, "Start": {}}
    for call in calls:
        for action, times in at.items():
            if call.action.startswith(f"{action}Instance") and not call.dry_run:
                times.update(dict.fromkeys(call.subject, call.at))
    down = [at["Start"][each] - at["Stop"][each] + USUAL["start_seconds"] for each in at["Stop"]]
    ecs = sum(USUAL.values())
    return len(calls) / count, took / (ecs + 60.0 * (count // quota - 1)), statistics.mean(down) / ecs


@pytest.mark.parametrize(("count", "most_calls"), [(200, 1.7), pytest.param(1000, 1.3, marks=pytest.mark.slow)])
def test_many_machines_share_calls_and_take_hardly_more_time_than_ecs_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, most_calls: float
) -> None:
    """Twice as many as the quota has wipes a minute: one after the other they go through the same, and none waits."""
    monkeypatch.setitem(rate_limits.LIMITS, "ReInitDisk", count // 2)
    calls, time, downtime = fleet_in_waves(tmp_path, count, count // 2)

    assert calls <= most_calls
    assert time <= 1.08
    assert downtime <= 1.05
