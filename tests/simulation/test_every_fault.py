"""Every call with every fault, and a crash at every moment of a run: no promise is broken, whatever others do then."""

from __future__ import annotations

import pytest

from safe_reinit.model.error_codes import CHANGING_CALLS
from safe_reinit.simulator.faults import _KINDS
from tests.simulation import every_fault
from tests.simulation.every_fault import (
    SHAPES,
    Case,
    calls_of,
    cases,
    in_suite,
    moments_of,
    only_reads,
    spread,
    undisturbed,
)  # fmt: skip
from tests.simulation.harness import simulate
from tests.simulation.options import CLOUD, HOST
from tests.simulation.test_simulation import story_of

CHUNK_COUNT = 8
"""So that workers share the cases: each takes about two seconds."""
SLOW_CHUNKS = 80


@pytest.mark.parametrize("chunk", range(CHUNK_COUNT))
def test_no_fault_and_no_crash_breaks_a_promise(chunk: int) -> None:
    """Whatever goes wrong at whatever call or commit, and whatever others do then, the run or its resume ends well."""
    for case in in_suite()[chunk::CHUNK_COUNT]:
        see(case)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(SLOW_CHUNKS))
def test_no_fault_and_no_crash_of_many_more_breaks_a_promise(chunk: int) -> None:
    """The same holds for each call with each fault, and for the kinds of cases for which a quick suite has no room."""
    for case in spread()[chunk::SLOW_CHUNKS]:
        see(case)


def see(case: Case) -> None:
    """Check that what befalls a run is met, and breaks no promise."""
    result = simulate(case.scenario)

    assert not result.violations, f"{case.name}\n{story_of(result)}"
    assert not case.missed(result), f"{case.name} has not met {case.missed(result)}\n{story_of(result)}"


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_goes_wrong_in_a_shape(shape: str) -> None:
    """A shape is done where nothing befalls it: what it ends in else is what befell it."""
    result = undisturbed(shape)

    assert (result.outcomes, result.violations) == (["done"], []), story_of(result)


def test_each_call_meets_each_fault() -> None:
    """Each changing call and each look of a run meets each fault that the simulator knows."""
    calls = {call for shape in SHAPES for call in calls_of(shape)}
    chosen = {each.pair for each in spread()}

    assert set(CHANGING_CALLS) | {"StopInstances", "StartInstances"} <= {action for action, _ in calls}
    assert {
        f"{action}{' (dry run)' if dry_run else ''} {kind}" for action, dry_run in calls for kind in _KINDS
    } <= chosen
    assert {each.pair for each in cases()} == chosen


def test_each_call_meets_some_fault_in_the_suite_and_each_fault_some_call() -> None:
    """What the suite samples leaves no call and no fault out, and nothing at all of a wipe."""
    chosen = {each.pair for each in in_suite()}
    calls = {f"{action}{' (dry run)' if dry_run else ''}" for shape in SHAPES for action, dry_run in calls_of(shape)}

    assert {each for each in calls if not any(f"{each} {kind}" in chosen for kind in _KINDS)} == set()
    assert {kind for kind in _KINDS if not any(f"{each} {kind}" in chosen for each in calls)} == set()
    assert {each.pair for each in cases() if "ReInitDisk" in each.pair} <= chosen


def test_the_process_is_killed_at_every_moment() -> None:
    """A crash is tried at each step of each changing call, and before and after each commit."""
    tried = {each.pair for each in cases()}
    moments = {(each.point, each.action) for shape in SHAPES for each in moments_of(shape)}

    assert {f"killed at {point} {action}" for point, action in moments} <= tried
    steps = {"intended", "leaving", "sent", "arrived", "answered"}
    assert {(step, action) for step in steps for action in CHANGING_CALLS} <= moments
    assert {("writing", "journal"), ("written", "journal")} <= moments
    assert not [action for _, action in moments if only_reads(action)]


def test_what_a_host_and_odd_answers_do_is_tried() -> None:
    """Everything that seeds draw of the host and of odd answers to lists is tried here, too."""
    tried = {each.pair for each in cases()}
    odd = {
        each["does"] for case in cases() for each in case.scenario["answers"]
    }  # but for the Date, which is in every answer

    own_moment = {"crash", "pause at a call"}
    assert set(HOST) - own_moment <= tried
    assert odd == every_fault.ODD.keys()
    assert len(CLOUD) == 15, "what the cloud does has changed: is it tried here?"
