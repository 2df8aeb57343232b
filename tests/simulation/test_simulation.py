"""The program keeps its promises whatever a seed draws; and the simulation sees it where a promise is broken."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.guards import GUARDS, turned_off
from tests.simulation.harness import Result, simulate
from tests.simulation.options import ASSUMPTIONS, Scenario, expand
from tests.simulation.shrink import shrink

HERE = Path(__file__).parent
SEEDS = range(4)
KEPT = sorted((HERE / "scenarios").glob("*.json"))


def quiet(seed: int = 1) -> Scenario:
    """Return the scenario of a seed with nothing that goes wrong, over one running machine."""
    scenario = expand(seed)
    name = next(iter(scenario["world"]["instances"]))
    scenario["world"]["instances"] = {name: {"name": "lab", "status": "Running", "started": "-2d"}}
    scenario["world"]["disks"] = {"d-0": {"instance": name}}
    scenario["world"] |= {"snapshots": {}, "describe_lag": 0.0}
    plain = {"snapshot": False, "leave_stopped": False, "canary": None, "lock_tag": False, "verdict": None}
    scenario["request"] |= {"disks": ["d-0"], **plain}
    return scenario | {"faults": [], "people": [], "host": [], "keeps": list(ASSUMPTIONS)}


def kinds(result: Result) -> list[str]:
    """Return the kinds of promises that were broken."""
    return [each.kind for each in result.violations]


def told(result: Result) -> str:
    """Return what a failed test shows: how to replay it, what was broken, and the trace."""
    broken = "\n".join(f"{each.kind}: {each.text}" for each in result.violations)
    return f"{broken}\n{json.dumps(result.scenario)}\n" + "\n".join(result.trace)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_promise_is_broken(seed: int) -> None:
    """Whatever a seed draws: data, targets, power, claims and limits hold, and the run or its resume ends."""
    result = simulate(expand(seed))

    assert not result.violations, told(result)


def test_a_run_that_nothing_befalls_is_done() -> None:
    """Without any fault a machine is stopped, wiped and started, with one call of each."""
    result = simulate(quiet())

    assert not result.violations, told(result)
    assert result.outcomes == ["done"]


def test_the_same_seed_gives_the_same_trace() -> None:
    """A seed decides everything: two runs of it make the same calls at the same times."""

    def trace(seed: int) -> list[str]:
        return [re.sub(r"r-\d{8}T\d{6}Z-[0-9a-f]{4}", "RUN", line) for line in simulate(expand(seed)).trace]

    assert trace(6) == trace(6)


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_a_kept_scenario_breaks_no_promise_any_more(file: Path) -> None:
    """What once broke a promise keeps it now, and breaks it again with the guard turned off that mends it."""
    kept: dict[str, Any] = json.loads(file.read_text("utf-8"))

    mended = simulate(kept["scenario"])
    assert not mended.violations, told(mended)
    with turned_off(kept["without"]):
        assert kept["finds"] in kinds(simulate(kept["scenario"]))


def test_every_guard_has_a_kept_scenario() -> None:
    """No guard can be turned off without the simulation seeing it."""
    assert {json.loads(file.read_text("utf-8"))["without"] for file in KEPT} == set(GUARDS)


def test_the_judge_knows_the_simulator_only() -> None:
    """What judges the program imports nothing of it but the simulator: it believes no code that it judges."""
    names = []
    for node in ast.walk(ast.parse((HERE / "judge.py").read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]

    ours = [name for name in names if name.partition(".")[0] in ("safe_reinit", "tests")]
    assert ours
    assert all(name.startswith("safe_reinit.simulator") for name in ours)


def test_a_failing_scenario_is_made_small() -> None:
    """What has nothing to do with a failure is left out, machine by machine and fault by fault."""
    scenario = expand(103)
    scenario["faults"] = [{"action": "ReInitDisk", "drop_answer": True}, {"action": "StopInstance", "garble": True}]

    small = shrink(scenario, lambda each: any(fault.get("drop_answer") for fault in each["faults"]))

    assert small["faults"] == [{"action": "ReInitDisk", "drop_answer": True}]
    assert len(small["world"]["instances"]) == 1
    assert small["people"] == small["host"] == []
