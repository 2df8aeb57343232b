"""Rate limits: the sliding window, its share, the minute after a throttled answer, and the quota that was seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safe_reinit.core import rate_limits
from safe_reinit.core.inputs import Exchanged, Now
from safe_reinit.core.rate_limits import RateLimiter
from safe_reinit.core.run import Run
from safe_reinit.core.state import begin
from safe_reinit.model import Limits, PlannedDisk, PlannedJob, Rollout
from tests import values

WIPE, READ = "ReInitDisk", "DescribeDisks"
MINUTE = 1020.0
"""The beginning of a minute on the clock of these tests."""


class Account:
    """The limits of an account at a time that stands still, at the beginning of a minute."""

    def __init__(self, share: float = 1.0) -> None:
        self.at = MINUTE
        self.limits = RateLimiter(share)

    def call(self, action: str = WIPE, code: str = "OK", times: int = 1) -> None:
        """Let calls end now."""
        for _ in range(times):
            self.limits.record(action, code, self.at)

    def after(self, seconds: float) -> None:
        """Let time pass."""
        self.at += seconds

    def closed(self, action: str = WIPE) -> bool:
        """Return whether nothing is to be called at all."""
        return self.limits.closed(action, self.at)

    def free(self, action: str = WIPE) -> int:
        """Return how many calls may be made."""
        return self.limits.free(action, self.at)

    def room(self, lead_time: float) -> int:
        """Return how many wipes there is room for so many seconds from now."""
        return self.limits.room(WIPE, self.at, lead_time)

    def quota(self) -> int:
        """Return how many wipes ECS is expected to take in a minute."""
        return self.limits.quota(WIPE, self.at)


@pytest.fixture
def five(monkeypatch: pytest.MonkeyPatch) -> Account:
    """Return an account whose limit is five wipes in 60 seconds."""
    monkeypatch.setitem(rate_limits.LIMITS, WIPE, 5)
    return Account()


# -------------------------------------------------------------------------------------------------- the window


def test_the_documented_limit_is_kept_from_the_start() -> None:
    """Before anything was called all of the documented limit is free, and of what has none any number."""
    tested = Account()

    assert (tested.free(), tested.limits.most(WIPE)) == (500, 500)
    assert RateLimiter().most(WIPE) == 500
    assert (tested.free(READ), tested.limits.most(READ)) == (1_000_000, 1_000_000)


def test_a_call_gives_its_place_back_sixty_seconds_after_its_answer(five: Account) -> None:
    """The window slides with the clock: each answer holds its place for sixty seconds and no shorter."""
    five.call(times=3)
    five.after(30.0)
    five.call(times=2)
    assert five.free() == 0

    five.after(29.9)
    assert five.free() == 0

    five.after(0.2)
    assert five.free() == 3

    five.after(29.8)
    assert five.free() == 3

    five.after(0.2)
    assert five.free() == 5


def test_what_is_free_later_is_announced(five: Account) -> None:
    """A machine that is stopped now needs its slot when it is Stopped: until then calls leave the window."""
    five.call(times=5)
    five.after(40.0)

    assert five.free() == 0
    assert five.room(lead_time=19.9) == 0
    assert five.room(lead_time=20.1) == 5
    assert five.room(lead_time=20.0) == 5, "a place is free again after exactly sixty seconds"
    assert five.free() == 0, "nobody may call earlier because somebody asked ahead"


@pytest.mark.parametrize(("share", "most"), [(1.0, 500), (0.8, 400), (0.5, 250), (0.001, 1)])
def test_a_share_of_the_limit_is_left_to_others(share: float, most: int) -> None:
    """A run uses its share of the quota, and one call at least, or it would never end."""
    tested = Account(share)

    assert (tested.free(), tested.limits.most(WIPE)) == (most, most)


def test_a_call_that_was_refused_or_lost_takes_a_place_too(five: Account) -> None:
    """ECS counts what arrives, whatever it answers; what nobody answered may have arrived."""
    for code in ("IncorrectDiskStatus", "Unanswered", "NotSent", "InternalError"):
        five.call(code=code)

    assert five.free() == 1


@given(st.lists(st.tuples(st.floats(0.0, 40.0), st.integers(0, 9)), max_size=60))
def test_no_sixty_seconds_ever_hold_more_than_the_limit(steps: list[tuple[float, int]]) -> None:
    """Who never calls more than is free never has more than the limit in any sixty seconds."""
    tested = Account(share=7 / 500)
    made: list[float] = []
    for seconds, expected in steps:
        tested.after(seconds)
        count = min(expected, tested.free())
        tested.call(times=count)
        made += [tested.at] * count

    assert all(sum(start <= at < start + 60.0 for at in made) <= 7 for start in made)


# -------------------------------------------------------------------------------------------------- throttled


def test_who_is_throttled_asks_nothing_more_in_that_minute(five: Account) -> None:
    """After Throttling nothing is free, and nothing is to be called, until the next minute begins."""
    five.after(20.0)
    five.call(code="Throttling.User")

    assert (five.free(), five.closed()) == (0, True)
    assert (five.free(READ) > 0, five.closed(READ)) == (True, False), "each API has a quota of its own"

    five.after(39.9)
    assert (five.free(), five.closed()) == (0, True)

    five.after(0.2)
    assert (five.free(), five.closed()) == (1, False)


@pytest.mark.parametrize("code", ["Throttling", "Throttling.User", "Throttling.Api"])
def test_throttling_is_reported_by_its_code(five: Account, code: str) -> None:
    """Every code that begins with Throttling closes the API, and another one does not."""
    five.call(code="IncorrectDiskStatus")
    assert not five.closed()

    five.call(code=code)
    assert five.closed()


def test_after_that_minute_it_is_asked_once_a_second_until_an_answer_comes(five: Account) -> None:
    """One probe a second, also after a probe that was throttled itself; an answer opens the quota again."""
    five.after(50.0)
    five.call(code="Throttling")
    five.after(10.0)
    for _ in range(4):  # the clocks of ECS and of this machine are some seconds apart
        assert five.free() == 1
        five.call(code="Throttling")
        assert five.free() == 0
        five.after(0.9)
        assert five.free() == 0
        five.after(0.1)

    five.call()
    assert not five.closed()
    assert five.free() == 0, "that took the one place that was seen"
    five.after(1.0)
    assert five.free() == 1, "it is tried whether there are more"


def test_where_it_throttles_for_minutes_it_is_asked_less_often(five: Account) -> None:
    """Each try is a quarter of the time later than the one before, up to ten seconds: others use the whole quota."""
    five.call(code="Throttling")
    five.after(60.0)
    tries = 0
    for _ in range(300):
        if five.free():
            five.call(code="Throttling")
            tries += 1
        five.after(1.0)

    assert 20 < tries < 45
    five.call(code="Throttling")
    five.after(9.9)
    assert five.free() == 0
    five.after(0.2)
    assert five.free() == 1


def test_an_answer_that_came_in_the_throttled_minute_opens_nothing(five: Account) -> None:
    """A call that was on its way when another was throttled says nothing about the quota."""
    five.call(code="Throttling")
    five.call()

    assert (five.free(), five.closed()) == (0, True)


def test_a_closed_quota_is_open_again_when_nobody_asks(five: Account) -> None:
    """Where nobody tries for a minute, as much is free as was seen: else a job of two disks could never begin."""
    five.call(times=3)
    five.call(code="Throttling")
    five.after(60.0)
    assert (five.free(), five.room(lead_time=0.0)) == (1, 1)

    five.after(60.0)
    assert (five.free(), five.room(lead_time=0.0)) == (3, 3)

    five.call(code="Throttling")
    assert five.closed(), "it throttles again, and is left alone for that minute again"


def test_there_is_no_room_before_the_throttled_minute_is_over(five: Account) -> None:
    """Whoever looks ahead past that minute is promised what was seen, once it has left the window."""
    five.call(times=2)
    five.after(30.0)
    five.call(code="Throttling")

    assert five.room(lead_time=29.0) == 0
    assert five.room(lead_time=31.0) == 2


def test_there_is_room_for_one_where_a_throttled_api_has_not_answered_yet(five: Account) -> None:
    """Its minute is over and it still throttles: nobody knows for how much longer, so one more machine may wait."""
    five.call(times=4)
    five.call(code="Throttling")
    five.after(60.0)
    five.call(code="Throttling")

    assert five.room(lead_time=30.0) == 1


def test_ecs_may_ask_for_more_time(five: Account) -> None:
    """x-acs-retry-after closes an API for so long, and never for less than the minute."""
    five.after(50.0)
    five.call(code="Throttling")
    five.limits.close(WIPE, five.at, 30.0)
    five.limits.close(WIPE, five.at, 2.0)
    five.after(29.9)
    assert five.free() == 0
    five.after(0.2)
    assert five.free() == 1

    five.call(code="Throttling")
    five.limits.close(WIPE, five.at, 2.0)
    five.after(1.9)
    assert five.free() == 0


def test_an_api_without_a_limit_is_closed_all_the_same() -> None:
    """What throttled is not called for a minute, documented limit or not, and is free again after an answer."""
    tested = Account()
    tested.call("StopInstances", "Throttling")
    assert tested.free("StopInstances") == 0

    tested.after(60.0)
    assert tested.free("StopInstances") == 1

    tested.call("StopInstances")
    tested.after(1.0)
    assert tested.free("StopInstances") == 1


# --------------------------------------------------------------------------------------- the quota that was seen


def throttled_after(count: int) -> Account:
    """Return an account that throttled after so many wipes, at the beginning of the next minute."""
    tested = Account()
    tested.call(times=count)
    tested.after(30.0)
    tested.call(code="Throttling.User")
    tested.after(30.0)
    return tested


def test_what_ecs_took_before_it_throttled_is_the_quota_that_was_seen() -> None:
    """From then on there is room for as many in a minute, and no longer for all that is documented."""
    tested = throttled_after(4)
    tested.call(times=2)

    assert (tested.quota(), tested.limits.most(WIPE)) == (4, 500)
    assert tested.room(lead_time=30.0) == 2
    assert tested.room(lead_time=60.0) == 4


def test_the_quota_that_was_seen_is_one_at_least() -> None:
    """Others had used up all of it before the first call: the run goes on all the same, one at a time."""
    assert throttled_after(0).quota() == 1


@pytest.mark.parametrize("code", ["IncorrectDiskStatus", "Unanswered"])
def test_any_answer_but_throttling_shows_that_there_was_a_place(code: str) -> None:
    """A call that was refused for another reason, or not answered, counts as taken; one that throttled does not."""
    tested = Account()
    tested.call(code=code, times=2)
    tested.call(code="Throttling", times=3)

    assert tested.quota() == 2


def test_a_try_that_is_throttled_takes_nothing_from_what_was_seen() -> None:
    """Clocks are some seconds apart: the minute of ECS may not be over yet."""
    tested = throttled_after(4)
    for _ in range(5):
        tested.call(code="Throttling")
        tested.after(1.0)

    assert tested.quota() == 4


def test_where_ecs_throttles_for_another_minute_nothing_is_left_of_it() -> None:
    """What was seen in an earlier minute is worth nothing where others have used up the whole of the next."""
    tested = throttled_after(4)
    tested.after(60.0)
    tested.call(code="Throttling")

    assert tested.quota() == 1


def test_less_that_is_taken_the_next_time_is_the_quota_from_then_on() -> None:
    """Others use more of it than before: what was seen last counts."""
    tested = throttled_after(6)
    tested.after(1.0)
    tested.call(times=2)
    tested.call(code="Throttling")

    assert tested.quota() == 2


def test_beyond_what_was_seen_calls_are_tried_and_as_many_again_as_are_taken() -> None:
    """A machine that is down waits for nothing that ECS would give it: 1, 2, 4, 8 calls, until it throttles."""
    tested = throttled_after(3)
    tested.call(times=3)
    tested.after(0.5)
    assert tested.free() == 0
    tested.after(0.5)
    allowed = []
    for _ in range(5):
        allowed.append(tested.free())
        tested.call(times=allowed[-1])
        tested.after(1.0)

    assert allowed == [1, 1, 2, 4, 8]


def test_after_a_calm_minute_in_which_it_was_used_the_quota_that_was_seen_grows() -> None:
    """By a quarter and one at least, once in a minute, and only where nothing throttled."""
    tested = throttled_after(8)
    quotas = []
    for _ in range(6):
        tested.call(times=tested.quota())
        quotas.append(tested.quota())
        tested.after(61.0)
    assert quotas == [8, 10, 12, 15, 18, 22]

    tested.call(times=22)
    tested.call(code="Throttling")
    for _ in range(4):
        tested.after(14.0)
        tested.call()
    assert tested.quota() == 26, "what was taken in the window, and no growth"


def test_what_is_not_used_does_not_grow() -> None:
    """A minute in which less than half of it was called tells nothing about the rest."""
    tested = throttled_after(8)
    for _ in range(10):
        tested.call(times=3)
        tested.after(61.0)

    assert tested.quota() == 8


def test_the_quota_that_was_seen_never_grows_over_the_share_of_the_documented_one() -> None:
    """Once it has grown so far, the run calls as before anything throttled."""
    tested = Account(share=0.02)
    tested.call(times=8)
    tested.call(code="Throttling")
    for _ in range(5):
        tested.after(61.0)
        tested.call(times=8)

    assert (tested.quota(), tested.free()) == (10, 2)


@given(st.integers(0, 9), st.lists(st.tuples(st.floats(0.0, 40.0), st.integers(0, 9)), min_size=1, max_size=80))
def test_no_more_is_expected_than_twice_what_ecs_ever_took_in_a_minute(
    left: int, steps: list[tuple[float, int]]
) -> None:
    """Once it has throttled: what it took in the minute before, and growing only as that is used."""
    tested = Account()
    taken: list[float] = []
    throttled, used, minute, most = False, 0, -1, 1
    for seconds, expected in steps:
        tested.after(seconds)
        for _ in range(min(expected, tested.free())):
            used = used + 1 if tested.at // 60 == minute else 1
            minute = int(tested.at // 60)
            tested.call(code="OK" if used <= left else "Throttling")
            if used <= left:
                taken.append(tested.at)
                most = max(most, sum(at > tested.at - 60.0 for at in taken))
            else:
                throttled = True
                assert tested.quota() <= most
        assert not throttled or tested.quota() <= 2 * most


# ---------------------------------------------------------------------------------------- a whole run, and memory


def test_a_run_counts_every_exchange() -> None:
    """Calls that end between two steps, on whatever threads, are all counted, and none twice; throttling closes."""
    job = PlannedJob("i-1", "", "Running", "Running", will_stop=True, will_start=True, disks=(PlannedDisk("d-1"),))
    job = replace(job, expected=values.started("i-1"))
    tested = Run("r-1", Rollout(quota_share=0.5), [begin(job, Limits(), at=0.0)])
    limits = tested.scheduler._limits
    for step in range(10):
        tested.step(Now(MINUTE + step, values.NOW), [Exchanged(WIPE, "OK")] * 20)
    assert limits.free(WIPE, MINUTE + 9.0) == 50

    tested.step(Now(MINUTE + 10.0, values.NOW), [Exchanged(WIPE, "OK"), Exchanged(WIPE, "Throttling.User")])
    assert limits.closed(WIPE, MINUTE + 10.0)
    assert limits.free(WIPE, MINUTE + 10.0) == 0


def test_old_calls_are_forgotten_whoever_asks() -> None:
    """A run of hours keeps the calls of the last minute, also of APIs that nobody asks about."""
    tested = Account()
    for _ in range(50):
        tested.call(READ, times=10)
        tested.after(10.0)

    assert len(tested.limits._apis[READ].taken) <= 70
