"""How a run spreads: canary, waves, thresholds, deadline; and that every job gets its turn."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safe_reinit.core.waves import has_canary, release, stages
from safe_reinit.model import Outcome, Rollout
from safe_reinit.model.codec import DecodeError, decode, encode
from tests import values

OPEN = None


def released(outcomes: Sequence[Outcome | None], failing: int = 0, **how: Any) -> tuple[int, str]:
    """Return how many jobs may begin, and why no more ever will."""
    let = release(Rollout(**how), outcomes, values.NOW, failing)
    return let.upto, let.closed


# ---------------------------------------------------------------------------------------------------- the stages


@pytest.mark.parametrize(
    ("total", "how", "ends"),
    [
        (10, {}, (10,)),
        (11, {}, (1, 11)),
        (11, {"canary": 0}, (11,)),
        (3, {"canary": 1}, (1, 3)),
        (3, {"canary": 5}, (3,)),
        (20, {"canary": 2, "waves": ((5, False),)}, (2, 7, 12, 17, 20)),
        (100, {"waves": ((10, True), (50, True))}, (1, 11, 61, 100)),
        (100, {"canary": 0, "waves": ((5, False), (25, True))}, (5, 30, 55, 80, 100)),
        (30, {"canary": 0, "waves": ((1, True),)}, tuple(range(1, 31))),
        (12, {"canary": 0, "waves": ((1000, False),)}, (12,)),
        (12, {"canary": 0, "waves": ((100, True),)}, (12,)),
        (0, {}, ()),
    ],
)
def test_the_stages_are_the_canary_and_then_the_waves(total: int, how: dict[str, Any], ends: tuple[int, ...]) -> None:
    """One canary of more than ten, waves by number or percentage of all jobs, the last repeated, none empty."""
    assert stages(Rollout(**how), total) == ends


def test_a_canary_goes_alone_and_must_end_done() -> None:
    """Nothing else begins while the canary is open, all the others once it is done, and none if it is not."""
    rest: list[Outcome | None] = [OPEN] * 19

    assert released([OPEN, *rest]) == (1, "")
    assert released(["done", *rest]) == (20, "")
    for outcome in ("failed", "refused", "unknown", "not-restarted", "stranded", "partial"):
        upto, closed = released([outcome, *rest])
        assert upto == 0
        assert "canary" in closed


def test_every_canary_must_end_done() -> None:
    """Of several canaries one that fails is enough, and the others are waited for."""
    assert released(["done", OPEN, OPEN, OPEN], canary=2) == (2, "")
    assert released(["done", "done", OPEN, OPEN], canary=2) == (4, "")
    assert released(["failed", "done", OPEN, OPEN], canary=2)[0] == 0


def test_a_canary_stays_asked_for_in_every_later_stage() -> None:
    """A run that is resumed in its third wave still stands on its canary."""
    how: dict[str, Any] = {"canary": 1, "waves": ((2, False),)}

    assert released(["done", "failed", "failed", OPEN, OPEN, OPEN], **how) == (5, "")
    assert "canary" in released(["failed", "done", "done", OPEN, OPEN, OPEN], **how)[1]


def test_a_wave_begins_when_every_job_before_it_has_ended() -> None:
    """An open job holds the next wave, however many behind it have ended."""
    how: dict[str, Any] = {"canary": 0, "waves": ((2, False),)}

    assert released([OPEN, "done", OPEN, OPEN], **how) == (2, "")
    assert released(["failed", "done", OPEN, OPEN], **how) == (4, "")
    assert released(["done", "done", OPEN, "done", OPEN], **how) == (4, "")


# ------------------------------------------------------------------------------------------- thresholds, deadline


def test_no_new_job_begins_once_so_many_have_failed() -> None:
    """The threshold counts every end but done, at the very number, whatever their order."""
    how: dict[str, Any] = {"canary": 0, "stop_after_failures": 2}

    assert released(["failed", "done", OPEN, OPEN], **how) == (4, "")
    upto, closed = released(["failed", "done", "refused", OPEN], **how)
    assert upto == 0
    assert "--stop-after-failures 2" in closed


def test_a_job_that_cannot_end_done_any_more_has_failed_already() -> None:
    """What is only waited for because its machine must come back counts at once, and not minutes later."""
    how: dict[str, Any] = {"canary": 0, "stop_after_failures": 2}

    assert released(["failed", OPEN, OPEN], failing=0, **how)[1] == ""
    assert released(["failed", OPEN, OPEN], failing=1, **how)[0] == 0


def test_no_new_job_begins_at_the_deadline_or_later() -> None:
    """Until the deadline jobs begin, from it on none does, and the reason names it."""
    rest: list[Outcome | None] = ["done", OPEN]

    assert released(rest, deadline=values.NOW + timedelta(seconds=1)) == (2, "")
    for passed in (values.NOW, values.NOW - timedelta(days=1)):
        upto, closed = released(rest, deadline=passed)
        assert upto == 0
        assert passed.strftime("%Y-%m-%dT%H:%M:%SZ") in closed


def test_a_deadline_is_shown_in_utc() -> None:
    """A deadline of another zone is not told with the hour of that zone and the letter of UTC."""
    passed = values.NOW.astimezone(timezone(timedelta(hours=8)))

    _, closed = released(["done", OPEN], deadline=passed)

    assert values.NOW.strftime("%Y-%m-%dT%H:%M:%SZ") in closed


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_parallel": 0},
        {"canary": -1},
        {"waves": ((0, False),)},
        {"waves": ((10, True), (-5, True))},
        {"stop_after_failures": 0},
        {"quota_share": 0.0},
        {"quota_share": 1.01},
        {"quota_share": float("nan")},
    ],
)
def test_a_rollout_that_could_never_end_is_refused(wrong: dict[str, Any]) -> None:
    """No machine at a time, empty waves, no quota or more than there is: said at once, also of a plan that is read."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Rollout(**wrong)
    with pytest.raises(DecodeError):
        decode(Rollout, {**encode(Rollout()), **encode(wrong)})


def test_a_rollout_is_written_and_read_back() -> None:
    """What a plan says of its rollout is the same after the journal."""
    full = Rollout(7, 2, ((5, False), (25, True)), "wave", 3, values.NOW, 0.5)

    assert decode(Rollout, encode(full)) == full


# --------------------------------------------------------------------------------------------------- properties

rollouts = st.builds(
    Rollout,
    max_parallel=st.integers(1, 8),
    canary=st.none() | st.integers(0, 12),
    waves=st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=4).map(tuple),
    stop_after_failures=st.none() | st.integers(1, 5),
)


@given(rollouts, st.integers(1, 60), st.randoms(use_true_random=False))
def test_every_job_gets_its_turn_if_all_go_well(rollout: Rollout, total: int, rng: random.Random) -> None:
    """Whatever the canary and the waves: each job is released in the end, and never more than its stage allows."""
    outcomes: list[Outcome | None] = [None] * total
    ends = (0, *stages(rollout, total))
    assert list(ends) == sorted(set(ends))
    assert ends[-1] == total
    while None in outcomes:
        let = release(rollout, outcomes, values.NOW)
        began = [position for position in range(let.upto) if outcomes[position] is None]

        assert let.closed == ""
        assert began, "nothing may begin and nothing is open: the run would never end"
        assert all(outcome is None for outcome in outcomes[let.upto :])
        assert let.upto == ends[let.stage + 1]
        outcomes[rng.choice(began)] = "done"


@given(rollouts, st.integers(1, 40), st.randoms(use_true_random=False))
def test_no_job_begins_after_the_threshold(rollout: Rollout, total: int, rng: random.Random) -> None:
    """With failures at random, what begins after the last one that is allowed is nothing, and closed stays closed."""
    outcomes: list[Outcome | None] = [None] * total
    begun: set[int] = set()
    for _ in range(3 * total):
        failed = sum(outcome not in (None, "done") for outcome in outcomes)
        let = release(rollout, outcomes, values.NOW)
        most = rollout.stop_after_failures
        canaries = outcomes[: stages(rollout, total)[0]] if has_canary(rollout, total) else []
        spoilt = None not in canaries and set(canaries) - {"done"} and len(stages(rollout, total)) > 1
        assert bool(let.closed) == ((most is not None and failed >= most) or bool(spoilt))
        if let.closed:
            assert let.upto == 0
        begun |= set(range(let.upto))
        ahead = [position for position in begun if outcomes[position] is None]
        if not ahead:
            break
        outcomes[rng.choice(ahead)] = rng.choice(("done", "done", "failed", "unknown"))


def test_ten_thousand_waves_of_one_are_cheap() -> None:
    """Telling who may begin takes no longer for the last wave than for the first."""
    rollout = Rollout(canary=0, waves=((1, False),))
    outcomes: list[Outcome | None] = ["done"] * 9_999 + [None]

    class Counted(list[Outcome | None]):
        """Counts how often an outcome is looked at."""

        looked = 0

        def __iter__(self) -> Any:
            for outcome in super().__iter__():
                self.looked += 1
                yield outcome

        def __getitem__(self, index: Any) -> Any:
            got = super().__getitem__(index)
            self.looked += len(got) if isinstance(index, slice) else 1
            return got

    counted = Counted(outcomes)

    assert release(rollout, counted, values.NOW).upto == 10_000
    assert counted.looked <= 4 * len(outcomes)
