"""How old an observation may be for a call to stand on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from safe_reinit.core.freshness import is_slow, is_stale, is_too_slow, longest, oldest, slowly
from safe_reinit.core.state import begin
from safe_reinit.model import JobState, Limits, Observation, PlannedDisk, PlannedJob
from tests import values

T = 1000.0


def a_job(lag: float | None = None) -> JobState:
    """Return the state of a job whose machine shows changes so late; ``None`` where that was not sampled."""
    planned = PlannedJob("i-1", "", "Running", "Running", will_stop=True, will_start=True, disks=(PlannedDisk("d-1"),))
    planned = replace(planned, expected=values.started("i-1"))
    return replace(begin(planned, Limits(), at=0.0), lag=lag)


def observed(took: float | None) -> Observation:
    """Return an observation asked for at ``T`` and answered so much later; ``None`` where that is not known."""
    return replace(values.an_observation(T), answered_at=None if took is None else T + took)


@pytest.mark.parametrize(("lag", "seconds"), [(None, 15.0), (0.0, 20.0), (7.5, 12.5), (19.0, 1.0), (25.0, -5.0)])
def test_what_is_shown_late_may_be_less_old(lag: float | None, seconds: float) -> None:
    """Age and lag together are less than anybody needs to use the machine unseen; 5 s are taken before a sample."""
    assert oldest(a_job(lag)) == seconds
    assert longest(a_job(lag), 1.0) == max(seconds, 0.2)


def test_a_fast_simulator_is_allowed_a_fifth_of_a_real_second() -> None:
    """By a clock 200 times as fast that is 40 cloud seconds; where it is less than what is allowed, nothing changes."""
    assert longest(a_job(), 200.0) == 40.0
    assert longest(a_job(), 75.0) == 15.0
    assert longest(a_job(), 60.0) == 15.0


@pytest.mark.parametrize(
    ("took", "age", "stale"),
    [
        (None, 3.0, False),
        (None, 3.1, True),
        (0.0, 3.0, False),
        (0.0, 3.1, True),
        (1.0, 5.0, False),  # one second to answer, and as long again above the three
        (1.0, 5.1, True),
        (6.0, 15.0, False),
        (6.0, 15.1, True),  # the whole age, whatever the answer took
        (14.0, 15.0, False),
        (15.5, 15.5, True),
    ],
)
def test_an_observation_is_stale_some_seconds_after_its_answer(took: float | None, age: float, *, stale: bool) -> None:
    """Three seconds and as long again as the answer took, but never longer than the lag leaves from the question on."""
    assert is_stale(observed(took), a_job(), T + age, 1.0) is stale


def test_a_job_whose_machine_shows_changes_late_is_called_for_sooner() -> None:
    """The same observation is stale for it while it is fresh for one without lag."""
    assert not is_stale(observed(6.0), a_job(0.0), T + 14.0, 1.0)
    assert is_stale(observed(6.0), a_job(8.0), T + 14.0, 1.0)


@pytest.mark.parametrize(
    ("rate", "age", "stale"),
    [
        (15.0, 3.0, False),
        (15.0, 3.1, True),
        (50.0, 10.0, False),
        (50.0, 10.1, True),
        (200.0, 40.0, False),
        (200.0, 40.1, True),
    ],
)
def test_a_fast_clock_leaves_real_time_to_act(rate: float, age: float, *, stale: bool) -> None:
    """However fast the simulator is, a process has a fifth of a real second from the answer to the call."""
    assert is_stale(observed(0.0), a_job(), T + age, rate) is stale


def test_ecs_that_answers_slowly_is_worth_a_word() -> None:
    """Above a second and a half, or above a fifth of a real second where the clock is fast."""
    assert not is_slow(observed(1.5), 1.0)
    assert is_slow(observed(1.6), 1.0)
    assert not is_slow(observed(10.0), 50.0)
    assert is_slow(observed(10.1), 50.0)
    assert not is_slow(observed(None), 1.0)
    assert slowly(observed(2.345)) == "ECS answers slowly: 2.3 s per call"


def test_ecs_that_answers_too_slowly_is_never_fresh() -> None:
    """Where the answer alone takes longer than an observation may be old, no call can ever stand on one."""
    assert not is_too_slow(observed(15.0), a_job(), 1.0)
    assert is_too_slow(observed(15.1), a_job(), 1.0)
    assert not is_too_slow(observed(15.1), a_job(0.0), 1.0)
    assert not is_too_slow(observed(40.0), a_job(), 200.0)
    assert is_too_slow(observed(40.1), a_job(), 200.0)
