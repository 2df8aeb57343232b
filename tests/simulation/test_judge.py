"""The judge finds each lie and each loss: a true run is changed in one place, and it says which promise is broken."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from safe_reinit.simulator import console
from tests.simulation import harness
from tests.simulation.judge import Evidence, judge, judge_end
from tests.simulation.test_simulation import quiet

Report = dict[str, Any]


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Return what the judge sees of a run that nothing befell."""
    kept: list[Evidence] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "judge", lambda seen: kept.append(seen) or judge(seen))
        assert not harness.simulate(quiet()).violations
    return kept[-1]


def lying(evidence: Evidence, change: Callable[[Report], object]) -> set[str]:
    """Return what the judge says of a report that was changed."""
    report = copy.deepcopy(dict(evidence.reports[-1]))
    change(report)
    return {each.kind for each in judge(replace(evidence, reports=[report]))}


def test_a_true_report_of_a_true_run_passes(evidence: Evidence) -> None:
    """Nothing is held against a run that kept its promises."""
    assert judge(evidence) == judge_end(evidence) == []


def test_a_wiped_disk_that_is_said_to_be_untouched_is_found(evidence: Evidence) -> None:
    """A report that says a wiped disk was not wiped is a lie."""
    for said in ("intact", "untouched"):
        kinds = lying(evidence, lambda report, said=said: report["jobs"][0]["disks"][0].update(data=said))  # type: ignore[misc]
        assert "false-intact" in kinds


def test_an_exit_code_that_does_not_fit_is_found(evidence: Evidence) -> None:
    """Outcome and exit code belong together."""
    assert lying(evidence, lambda report: report.update(exit_code=4)) == {"wrong-code"}


def test_a_wipe_outside_the_plan_is_found(evidence: Evidence) -> None:
    """A disk that was wiped and that the plan does not name is found."""
    plan = copy.deepcopy(dict(evidence.plan or {}))
    plan["jobs"][0]["disks"] = []
    assert {each.kind for each in judge(replace(evidence, plan=plan, reports=[]))} == {"not-a-target"}


def test_a_secret_in_any_output_is_found(evidence: Evidence) -> None:
    """A secret that was written anywhere is found."""
    outputs = {**evidence.outputs, "stderr": f"x{harness.SECRET}y".encode()}
    assert {each.kind for each in judge(replace(evidence, outputs=outputs))} == {"secret"}


def test_a_run_that_stays_open_is_found(evidence: Evidence) -> None:
    """With nothing going wrong any more, a run that is still open is found."""
    assert {each.kind for each in judge_end(replace(evidence, open_runs=["r-1"]))} == {"still-open"}


def test_a_machine_that_is_left_down_is_found() -> None:
    """A machine that ran before, is down at the end and that nobody else stopped is found."""
    kept: list[Evidence] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "judge_end", lambda seen: kept.append(seen) or [])
        harness.simulate(quiet())
    (seen,) = kept
    console.do(seen.engine, {"stop": "i-0"})
    calls = [call for call in seen.engine.calls if call.source == "api"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(seen.engine.calls), "__iter__", lambda _: iter(calls))
        assert {each.kind for each in judge_end(seen)} == {"left-down"}
        assert "false-power" in {each.kind for each in judge(seen)}
