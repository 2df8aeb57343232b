"""Events as values: each changes the state of a job as the function that it stands for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from safe_reinit.core import answers, observations, outcomes, resuming, state
from safe_reinit.core.events import (
    CallAccepted,
    CallRefused,
    CallUnanswered,
    CallUnclear,
    Cancelled,
    Event,
    Failed,
    HeldUp,
    Intended,
    Observed,
    Paused,
    PowerObserved,
    WipeAcceptedBefore,
    Withdrawn,
)
from safe_reinit.core.evolve import evolve
from safe_reinit.model import Command, Failure, JobState, Observation
from tests import values
from tests.core.runs import Steps

WIPE = Command("ReInitDisk", "d-0")
FAILURE = Failure("X", "It was refused.")
AT, DUE = 1001.0, 1009.0
DOWN = Steps(down=True)


def ready() -> JobState:
    """Return the state of a job whose stop is done and whose one disk is to be wiped."""
    return DOWN.state


def seen(at: float) -> Observation:
    """Return an observation of that machine."""
    return DOWN.observation(at=at, answered_at=at)


def test_each_event_changes_a_state_with_all_that_it_says() -> None:
    """An event changes a state as its function does, also where it was written down in between."""
    asked = answers.intend(ready(), WIPE, seen(1000.0))
    later = seen(1010.0)
    expected: dict[Event, JobState] = {
        Withdrawn(WIPE, AT): answers.withdraw(asked, WIPE, AT),
        HeldUp(AT, "why"): state.held_up(asked, AT, "why"),
        CallAccepted(WIPE, AT): answers.accepted(asked, WIPE, AT),
        CallRefused(WIPE, FAILURE, AT, values.NOW, DUE): answers.refused(asked, WIPE, FAILURE, AT, values.NOW, DUE),
        CallUnanswered(WIPE, AT, DUE, "X"): answers.lost(asked, WIPE, AT, DUE, "X"),
        WipeAcceptedBefore(WIPE, AT): answers.accepted_before(asked, WIPE, AT),
        CallUnclear(WIPE, FAILURE, AT): answers.doubted(asked, WIPE, FAILURE, AT),
        Failed(FAILURE): state.fail(asked, FAILURE),
        PowerObserved("Running"): replace(asked, instance_status="Running"),
        Cancelled(): state.interrupt(asked),
        Paused(AT): resuming.after_pause(asked, AT),
    }

    assert evolve(ready(), Intended(WIPE, seen(1000.0))) == asked != ready()
    assert evolve(asked, Observed(later, 3.0)) == observations.evolve_observed(asked, later, 3.0) != asked
    for event, after in expected.items():
        assert evolve(asked, event) == after
        assert after != asked or isinstance(event, Paused), event
    lost = answers.lost(asked, WIPE, AT, DUE)
    assert evolve(lost, WipeAcceptedBefore(WIPE, AT)) == answers.accepted(lost, WIPE, AT) != lost


def test_what_a_dry_run_foresees_is_a_refusal() -> None:
    """It needs no intention: the call is taken for refused, and no try is counted."""
    foreseen = outcomes.foreseen(WIPE, ready(), "DiskCreatingSnapshot", DOWN.now)
    after = evolve(ready(), foreseen)

    assert after == answers.refused(ready(), WIPE, foreseen.failure, DOWN.at, DOWN.now.when, foreseen.due)
    assert after.disks[0].tries == 0


@pytest.mark.parametrize(
    "event",
    [Withdrawn(WIPE, AT), CallUnanswered(WIPE, AT, DUE), CallUnclear(WIPE, FAILURE, AT)],
    ids=lambda each: type(each).__name__,
)
def test_of_a_call_that_was_never_intended_nothing_is_taken_back_or_lost(event: Event) -> None:
    """Where no intention stands nothing was sent, so there is neither a doubt nor a try to take back."""
    before = ready()

    assert evolve(before, event) is before
