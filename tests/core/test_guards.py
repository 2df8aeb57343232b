"""What holds a call back at the last moment before its intention is written down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from safe_reinit.core.events import Event, Failed, HeldUp
from safe_reinit.core.guards import held_back
from safe_reinit.core.inputs import Now
from safe_reinit.core.outcomes import too_slow
from safe_reinit.model import Command, Failure
from tests import values
from tests.core.runs import Steps

STOP, WIPE = Command("StopInstance", "i-0"), Command("ReInitDisk", "d-0")
DOWN = Steps(down=True)
SEEN = DOWN.observation(at=1000.0, answered_at=1000.2)
SLOW = replace(SEEN, answered_at=1002.0)


def held(at: float, observation: object = SEEN, **job: object) -> tuple[bool, Event | None]:
    """Return what holds a wipe back that was decided for a machine that is down."""
    now = Now(at, values.NOW, 0.0)
    return held_back(replace(DOWN.state, **job), WIPE, observation, "", now, 1.0)  # type: ignore[arg-type]


def test_a_call_on_a_fresh_observation_is_sent() -> None:
    """What was decided, and is decided on the newest observation, is not held back."""
    assert held(1001.0) == (False, None)


@pytest.mark.parametrize(
    ("at", "observation", "why"),
    [
        (1010.0, SEEN, ""),
        (1010.0, SLOW, "ECS answers slowly: 2.0 s per call"),
        (1010.0, replace(SEEN, why="ECS does not answer"), "ECS does not answer"),
    ],
)
def test_a_call_on_an_old_observation_is_held_back_with_the_reason(at: float, observation: object, why: str) -> None:
    """An observation that is too old holds the call back: for what was said of it, or because ECS is slow."""
    assert held(at, observation) == (True, HeldUp(at, why))


def test_a_call_that_is_not_decided_any_more_is_held_back() -> None:
    """Where the newest observation asks for something else, the call is not made, and slow answers are no reason."""
    assert held(1003.0, SLOW, error=Failure(None, "It failed.")) == (True, HeldUp(1003.0, ""))


def test_a_machine_that_was_not_touched_may_wait() -> None:
    """Before the first call a job has no limit: that its call is not decided any more changes nothing of it."""
    up = Steps()
    stopped = up.observation(at=1000.0, answered_at=1000.2)
    stopped = replace(stopped, instance=values.an_instance(instance_id="i-0", status="Stopped"))

    assert held_back(up.state, STOP, stopped, "", Now(1001.0, values.NOW, 0.0), 1.0) == (True, None)


def test_an_ecs_that_can_never_be_fast_enough_turns_the_job_back() -> None:
    """Where no observation can be fresh enough, the job that has waited already fails, and its call is not sent."""
    never = replace(SEEN, answered_at=1025.0)

    assert held(1026.0, never, stuck_since=990.0) == (True, Failed(too_slow(WIPE, never, 15.0)))
    assert held(1026.0, never) == (True, HeldUp(1026.0, "ECS answers slowly: 25.0 s per call"))
