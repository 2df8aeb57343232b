"""When a call may be made again that was refused for now."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safe_reinit.core.events import CallRefused
from safe_reinit.core.inputs import Attempt, AttemptRefused, Now
from safe_reinit.core.outcomes import due_at, event_of
from safe_reinit.core.state import begin
from safe_reinit.model import Command, Limits, PlannedDisk, PlannedJob
from tests import values


def waited(attempt: int, retry_after: int | None = None, jitter: float = 0.0) -> float:
    """Return the seconds until a call may be made again."""
    return due_at(attempt, Now(1000.0, values.NOW, jitter), retry_after) - 1000.0


@given(st.integers(1, 10_000), st.one_of(st.none(), st.integers(0, 10_000)), st.floats(0.0, 1.0))
def test_a_call_is_due_later_each_time_and_never_before_ecs_allows(
    attempt: int, retry_after: int | None, jitter: float
) -> None:
    """A due time grows with each attempt up to a limit, and is no earlier than what ECS asked for."""
    wait = waited(attempt, retry_after, jitter)

    assert wait >= max(2.0, retry_after or 0.0)
    assert wait <= max(32.0, retry_after or 0.0)
    assert waited(attempt + 1, retry_after, jitter) >= wait


@pytest.mark.parametrize(("attempt", "wait"), [(1, 2.0), (2, 4.0), (3, 8.0), (4, 16.0), (5, 30.0), (9, 30.0)])
def test_the_wait_doubles_up_to_half_a_minute(attempt: int, wait: float) -> None:
    """Without jitter and a wish of ECS the waits are these."""
    assert waited(attempt) == wait


@pytest.mark.parametrize(("retry_after", "wait"), [(None, 2.0), (0, 2.0), (1, 2.0), (2, 2.0), (3, 3.0), (60, 60.0)])
def test_what_ecs_asks_for_counts_where_it_is_longer(retry_after: int | None, wait: float) -> None:
    """x-acs-retry-after lengthens a wait, and never shortens it."""
    assert waited(1, retry_after) == wait


def test_calls_that_are_made_again_do_not_fall_in_step() -> None:
    """Two runs that were refused together do not ask again together: the jitter of each is its own."""
    assert [waited(1, jitter=jitter) for jitter in (0.0, 0.5, 1.0)] == [2.0, 3.0, 4.0]
    assert waited(5, jitter=1.0) == 30.0, "half a minute is the longest"


@pytest.mark.parametrize("code", ["Throttling", "Throttling.User"])
def test_who_was_throttled_often_waits_no_longer_than_others(code: str) -> None:
    """The limiter paces an API that throttles; a job that has waited longest is not overtaken for its many attempts."""
    command = Command("ReInitDisk", "d-1")
    planned = PlannedJob("i-1", "", "Running", "Running", will_stop=True, will_start=True, disks=(PlannedDisk("d-1"),))
    planned = replace(planned, expected=values.started("i-1"))
    job = begin(planned, Limits(), at=0.0)
    waits = []
    for number in (1, 7):
        attempt = Attempt(0, command, number, job, values.an_observation())
        event, _ = event_of(attempt, AttemptRefused(code, 400, "Too many calls.", None), Now(1000.0, values.NOW, 0.0))
        assert isinstance(event, CallRefused)
        waits.append(event.due)

    assert waits == [1002.0, 1002.0]
