"""Every call with every fault, and a kill at every place: what must never be is not, by the simulator's own record."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from tests import fleetsweep, sweep
from tests.sweep import Case

PAIRS = 200
"""How many pairs are drawn here; ``bench/sweep.py`` runs them all."""
ASIDE_FAULTS, ASIDE_KILLS = 30, 40
"""How many cases with safety snapshot, lock tag, undo and power cut are drawn here."""

ODD = 24
"""How many cases of odd answers are drawn here."""

FLEETS = (0, 11)
"""The fleets that are drawn here, by their seeds: one is killed twice, one never."""


def wrong(results: Sequence[dict[str, Any]]) -> list[str]:
    """List the cases with something wrong, each with what it is."""
    return [f"{each['case']['name']}: {'; '.join(each['problems'])}" for each in results if each["problems"]]


def test_every_call_with_every_fault() -> None:
    """After any fault of any call the data is as told or unknown, nothing else is lost, and the run and its job end."""
    results = sweep.sweep(sweep.single_faults())
    outcomes = Counter(each["outcome"] for each in results)

    assert wrong(results) == []
    assert outcomes["done"] > 150
    assert {"failed", "not-restarted", "partial", "unknown"} <= set(outcomes)
    assert not any(each["killed"] for each in results)


def test_odd_answers_and_what_may_pass() -> None:
    """Codes that pass, codes about credentials at looks, odd answers, a slow ECS and a lost journal harm nothing."""
    results = sweep.sweep(sweep.thinned(sweep.odd_faults(), ODD))

    assert wrong(results) == []
    assert Counter(each["outcome"] for each in results)["done"] > ODD // 3
    assert not any(each["killed"] for each in results)


def test_a_kill_at_every_place() -> None:
    """Killed before or after any commit or call and resumed, whatever others did meanwhile, a run harms nothing."""
    results = sweep.sweep(sweep.crash_points())
    outcomes = Counter(each["outcome"] for each in results)

    assert wrong(results) == []
    assert sum(each["killed"] for each in results) >= len(results) - 20
    assert {"done", "failed", "unknown", "refused", "stranded"} <= set(outcomes)


def test_every_commit_is_a_place() -> None:
    """A run of one disk of a running instance commits as often as the sweep kills it; else kills are missing."""
    last = [Case("last", kill=("commit", sweep.COMMITS, "before")), Case("none", kill=("commit", 40, "before"))]
    results = sweep.sweep(last)

    assert [each["killed"] for each in results] == [True, False]
    assert wrong(results) == []


def test_every_call_of_snapshot_tag_undo_and_power_cut_with_every_fault() -> None:
    """What holds for a wipe holds with a safety snapshot and a lock tag, for an undo, and for a power cut."""
    results = sweep.sweep(sweep.thinned(sweep.aside_faults(), ASIDE_FAULTS))
    outcomes = Counter(each["outcome"] for each in results)

    assert wrong(results) == []
    assert {"done", "failed", "stranded"} <= set(outcomes)
    assert not any(each["killed"] for each in results)


def test_a_kill_at_every_place_of_snapshot_tag_undo_and_power_cut() -> None:
    """Killed anywhere and resumed, also when snapshot or tag are gone since, such a run harms nothing either."""
    results = sweep.sweep(sweep.thinned(sweep.aside_kills(), ASIDE_KILLS))
    outcomes = Counter(each["outcome"] for each in results)

    assert wrong(results) == []
    assert sum(each["killed"] for each in results) > len(results) * 3 // 4
    assert {"done", "failed", "unknown"} <= set(outcomes)


@pytest.mark.parametrize("shape", [sweep.SAFE, sweep.UNDO, sweep.FORCED])
def test_every_commit_of_such_a_run_is_a_place(shape: str) -> None:
    """These runs too commit about as often as the sweep kills them, and not more often."""
    commits = sweep.COMMITS_OF[shape]
    results = sweep.sweep([Case("late", shape, kill=("commit", n, "before")) for n in (commits * 2 // 3, commits + 9)])

    assert [each["killed"] for each in results] == [True, False]
    assert wrong(results) == []


def test_a_fault_and_then_a_kill() -> None:
    """A fault and then a kill, drawn by a seed, with somebody else in between, harm nothing either."""
    results = sweep.sweep(sweep.pairs(PAIRS))

    assert wrong(results) == []
    assert sum(each["killed"] for each in results) > PAIRS // 2


def test_a_lost_wipe_that_is_due_again_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed when a lost wipe is due again, and resumed later, a run does not wait for ever with the machine down."""
    monkeypatch.setenv("SWEEP_DEADLINE", "12")
    results = sweep.sweep(sweep.due_again())

    assert wrong(results) == []


def test_fleets_with_faults_and_kills() -> None:
    """Fifty machines in one run, faults at random and two kills: each job by itself is as told, and nothing is lost."""
    results = fleetsweep.fleets(FLEETS)
    outcomes = Counter(each["outcome"] for each in results)

    assert wrong(results) == []
    assert len(results) == len(FLEETS) * fleetsweep.COUNT
    assert outcomes["done"] > len(results) / 2
    assert {each["killed"] for each in results} == {True, False}


# ---------------------------------------------------------------------------------------------- the guards are needed


def off(*guards: str, kinds: Sequence[str] = ("act",)) -> list[dict[str, Any]]:
    """Do the kills with guards switched off, when nobody and when somebody used the machine."""
    cases = [
        dataclasses.replace(case, off=guards, pause=1.2)  # until then ECS has done what it was asked for
        for case in sweep.crash_points(("nobody", "used"))
        if case.shape == "running" and case.kill and case.kill[0] in kinds
    ]
    return sweep.sweep(cases)


def lost(results: Sequence[dict[str, Any]]) -> set[str]:
    """Name the cases in which data was lost that nobody agreed to lose."""
    return {
        each["case"]["name"].partition(": ")[2]
        for each in results
        if any("lost" in problem or "after a start" in problem for problem in each["problems"])
    }


def test_without_the_fence_data_is_lost() -> None:
    """Without the fence and the facts it stands on, a resumed run wipes what somebody wrote after the kill."""
    results = off("fence", "drift")

    assert "killed after act 2; used" in lost(results)
    assert "killed before act 2; used" in lost(results)


def test_without_the_facts_of_the_plan_data_is_lost() -> None:
    """Without the look that holds the facts against the plan, a run killed before its wipe wipes a used disk."""
    results = off("drift")

    assert "killed after act 1; used" in lost(results)
    assert not any("act 2" in name for name in lost(results)), "there the fence alone is enough"


def test_without_the_intention_a_wiped_disk_is_told_as_untouched() -> None:
    """Without the intention on disk before the call, a wiped disk is told as untouched, or wiped a second time."""
    results = {each["case"]["name"].partition(": ")[2]: each for each in off("intention")}

    assert any("said to be untouched" in problem for problem in results["killed after act 2; used"]["problems"])
    assert results["killed after act 2; nobody"]["wipes"] == [2]


def test_without_the_safety_snapshots_guard_data_is_lost() -> None:
    """Where the snapshot is believed to be there and is not looked for, a disk is wiped with nothing kept of it."""
    deleted = [
        dataclasses.replace(case, off=guards)
        for case in sweep.aside_kills()
        for guards in ((), ("snapshot",))
        if case.shape == sweep.SAFE and case.kill == ("act", 3, "after") and case.meanwhile == "deleted"
    ]
    on, off_ = sweep.sweep(deleted)

    assert on["problems"] == []
    assert on["wipes"] == [0]
    assert any("without a safety snapshot" in problem for problem in off_["problems"])


def test_with_the_guards_on_nothing_of_it_happens() -> None:
    """The same kills with every guard on lose nothing, and send no wipe twice where somebody used the machine."""
    results = off()

    assert wrong(results) == []
    assert all(each["wipes"] in ([0], [1]) for each in results if each["case"]["meanwhile"] == "used")
