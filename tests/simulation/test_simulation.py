"""The program keeps its promises whatever a seed draws; and the simulation sees it where a promise is broken."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.postgresql import Server
from tests.simulation.guards import GUARDS, turned_off
from tests.simulation.harness import Result, simulate
from tests.simulation.options import (
    ASSUMPTIONS,
    CLOUD,
    DATABASE,
    ENGINE,
    HOST,
    IN_SHARDS,
    ONLY_PAUSES,
    PAUSED_UNWATCHED,
    PEOPLE,
    VERDICTS,
    Scenario,
    expand,
    names,
)  # fmt: skip
from tests.simulation.shrink import shrink

HERE = Path(__file__).parent
SEEDS = [range(first, first + 5) for first in range(0, 20, 5)]
"""In fives, so that workers share them."""
SEEDS_BEFORE_A_RELEASE = [range(first, first + 10) for first in range(20, 2090, 10)]
SEEDS_THROUGH_THE_SDK = [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 8))]
SEEDS_ON_POSTGRESQL = [
    *(range(first, first + 3) for first in (0, 3)),
    *(pytest.param(range(first, first + 3), marks=pytest.mark.slow) for first in range(6, 12, 3)),
]  # fmt: skip
KEPT = sorted((HERE / "scenarios").glob("*.json"))


def quiet(seed: int = 1) -> Scenario:
    """Return the scenario of a seed with nothing that goes wrong, over one running machine."""
    scenario = expand(seed)
    scenario["world"]["instances"] = {"i-0": {"name": "lab", "status": "Running", "started": "-2d"}}
    scenario["world"]["disks"] = {"d-0": {"instance": "i-0"}}
    scenario["world"] |= {"snapshots": {}, "describe_lag": 0.0}
    plain = dict.fromkeys(("snapshot", "undo", "leave_stopped", "lock_tag"), False)
    scenario["request"] |= plain | dict.fromkeys(("force_stop_after", "canary", "waves", "verdict"))
    scenario["request"]["disks"] = ["d-0"]
    nothing: dict[str, Any] = {name: [] for name in ("faults", "answers", "people", "host")}
    return scenario | nothing | {"beyond": {}, "keeps": list(ASSUMPTIONS)}


def kinds(result: Result) -> list[str]:
    """Return the kinds of promises that were broken."""
    return [each.kind for each in result.violations]


def story_of(result: Result) -> str:
    """Return what a failed test shows: how to replay it, what was broken, and the trace."""
    broken = "\n".join(f"{each.kind}: {each.text}" for each in result.violations)
    return f"{broken}\n{json.dumps(result.scenario)}\n" + "\n".join(result.trace)


@pytest.mark.parametrize("seeds", SEEDS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_no_promise_is_broken(seeds: range) -> None:
    """Whatever a seed draws: data, targets, power, claims and limits hold, and the run or its resume ends."""
    for seed in seeds:
        result = simulate(expand(seed))

        assert not result.violations, story_of(result)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", SEEDS_BEFORE_A_RELEASE, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_no_promise_is_broken_by_many_more(seeds: range) -> None:
    """The same holds for two thousand seeds more."""
    test_no_promise_is_broken(seeds)


@pytest.mark.parametrize("seed", SEEDS_THROUGH_THE_SDK)
def test_no_promise_is_broken_through_the_sdk(seed: int) -> None:
    """The same holds where the real SDK makes and signs each request, and its key comes from a file."""
    result = simulate(expand(seed), through_sdk=True)

    assert not result.violations, story_of(result)


@pytest.mark.parametrize("seeds", SEEDS_ON_POSTGRESQL, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_no_promise_is_broken_on_postgresql(postgres: Server, seeds: range) -> None:
    """The same holds where the journal is in a PostgreSQL that is killed, cut off, failed over or restored."""
    for seed in seeds:
        result = simulate(expand(seed, "postgresql"), server=postgres)

        assert not result.violations, story_of(result)


def test_the_sdk_makes_the_same_calls() -> None:
    """The program asks the same at the same times with and without the SDK."""
    assert simulate(quiet(), through_sdk=True).trace == simulate(quiet()).trace


def test_a_run_that_nothing_befalls_is_done() -> None:
    """Without any fault a machine is stopped, wiped and started, with one call of each."""
    result = simulate(quiet())

    assert not result.violations, story_of(result)
    assert result.outcomes == ["done"]


def test_the_same_seed_gives_the_same_trace() -> None:
    """A seed decides everything: two runs of it make the same calls at the same times."""

    def trace(seed: int) -> list[str]:
        return [re.sub(r"r-\d{8}T\d{6}Z-[0-9a-f]{4}", "RUN", line) for line in simulate(expand(seed)).trace]

    assert trace(6) == trace(6)


def test_the_same_seed_gives_the_same_trace_on_postgresql(postgres: Server) -> None:
    """How long the real server takes decides nothing."""

    def trace(seed: int) -> list[str]:
        lines = simulate(expand(seed, "postgresql"), server=postgres).trace
        return [re.sub(r"r-\d{8}T\d{6}Z-[0-9a-f]{4}|simulation_\d+_\d+", "NAME", line) for line in lines]

    assert trace(3) == trace(3)


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_a_kept_scenario_breaks_no_promise_any_more(request: pytest.FixtureRequest, file: Path) -> None:
    """What once broke a promise keeps it now, and breaks it again with the guard turned off that mends it."""
    kept: dict[str, Any] = json.loads(file.read_text("utf-8"))
    shared = kept["scenario"].get("journal") == "postgresql"
    server = request.getfixturevalue("postgres") if shared else None

    mended = simulate(kept["scenario"], server=server)
    assert not mended.violations, story_of(mended)
    if "without" in kept:
        with turned_off(kept["without"]):
            assert kept["finds"] in kinds(simulate(kept["scenario"], server=server))


def test_every_guard_has_a_kept_scenario() -> None:
    """No guard can be turned off without the simulation seeing it."""
    assert {json.loads(file.read_text("utf-8")).get("without") for file in KEPT} - {None} == set(GUARDS)


def test_seeds_draw_everything_that_has_a_name() -> None:
    """Each thing that the cloud, people and the host do is drawn, and each assumption is broken, by some seed."""
    drawn = [expand(seed) for seed in range(1500)]

    every = {name for scenario in drawn for name in names(scenario)}
    assert {*DATABASE} <= {name for seed in range(100) for name in names(expand(seed, "postgresql"))}
    assert {*CLOUD, *PEOPLE, *HOST, ONLY_PAUSES, PAUSED_UNWATCHED, IN_SHARDS} <= every
    assert {*ENGINE} <= {name for seed in range(100) for name in names(expand(seed, sharded=True))}
    assert {"beyond silent_starts", "beyond late", "beyond date_ahead", "beyond lag_changes"} <= every
    broken = {each for scenario in drawn for each in ASSUMPTIONS if each not in scenario["keeps"]}
    assert broken == set(ASSUMPTIONS)
    assert {scenario["request"]["verdict"] for scenario in drawn} == set(VERDICTS)
    assert max(len(scenario["world"]["instances"]) for scenario in drawn) == 50


@pytest.mark.parametrize("name", ["judge.py", "people.py"])
def test_the_judge_and_other_people_know_the_simulator_only(name: str) -> None:
    """What judges the program, and who disturbs it, import nothing of it but the simulator."""
    imported = []
    for node in ast.walk(ast.parse((HERE / name).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            imported.append(node.module or "")
        elif isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]

    ours = [each for each in imported if each.partition(".")[0] in ("safe_reinit", "tests")]
    assert ours
    assert all(each.startswith("safe_reinit.simulator") for each in ours)


def test_a_failing_scenario_is_made_small() -> None:
    """What has nothing to do with a failure is left out, machine by machine and fault by fault."""
    scenario = expand(103)
    scenario["faults"] = [{"action": "ReInitDisk", "drop_answer": True}, {"action": "StopInstance", "garble": True}]

    small = shrink(scenario, lambda each: any(fault.get("drop_answer") for fault in each["faults"]))

    assert small["faults"] == [{"action": "ReInitDisk", "drop_answer": True}]
    assert len(small["world"]["instances"]) == 1
    assert small["people"] == small["host"] == []
