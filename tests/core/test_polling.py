"""What of a job is observed next, and when: never so late that somebody could use its machine unseen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from safe_reinit.core.freshness import oldest
from safe_reinit.core.polling import (
    TICK_INTERVAL,
    Needs,
    first_at,
    is_doubtful,
    max_interval,
    needs,
    next_at,
    waits_for,
)
from safe_reinit.core.state import MAX_GAP, begin
from safe_reinit.model import (
    Command,
    Finish,
    JobState,
    Limits,
    Observation,
    PlannedDisk,
    PlannedJob,
    SafetySnapshot,
    Step,
    Wait,
    Wipe,
)
from tests import values

T = 1000.0
INSTANCE, DISK = values.INSTANCE_ID, values.DISK_ID
BOTH, THE_INSTANCE, THE_DISKS = Needs(True, True), Needs(True, False), Needs(False, True)
ALL = Needs(instance=True, disks=True, progressing=True)
STOPPED = Step("done", tries=1, first_at=T, at=T)


def a_job(**state: Any) -> JobState:
    """Return the state of a job with one disk; of which nothing was done yet, but for what is given."""
    planned = PlannedJob(
        INSTANCE,
        "",
        "Running",
        "Running",
        will_stop=True,
        will_start=True,
        disks=(PlannedDisk(DISK),),
        expected=values.started(INSTANCE),
    )
    return replace(begin(planned, Limits(), at=0.0), **state)


def wiping(*states: Any, **wipe: Any) -> JobState:
    """Return the state of a job whose machine this run stopped and whose disks are as given."""
    made = {"tries": 1, "at": T, **wipe}
    wipes = tuple(
        Wipe(f"d-{number}") if state == "todo" else Wipe(f"d-{number}", state, **made)
        for number, state in enumerate(states)
    )
    return a_job(stop=STOPPED, disks=wipes)


NOTHING: dict[str, float] = {}
"""Of no phase it is known how long it takes."""


def observed(at: float, asked: Needs = BOTH, **more: Any) -> Observation:
    """Return an observation that showed what was asked for."""
    return replace(values.an_observation(at), instance_requested=asked.instance, disks_requested=asked.disks, **more)


# ------------------------------------------------------------------------------------------------------- what


@pytest.mark.parametrize(
    ("job", "needed"),
    [
        pytest.param(a_job(), ALL, id="nothing was touched"),
        pytest.param(a_job(tag=Step("accepted", tries=1)), ALL, id="its tag settles"),
        *(
            pytest.param(a_job(stop=Step(state, tries=1)), THE_INSTANCE, id=f"its stop is {state}")
            for state in ("asked", "accepted", "lost", "again")
        ),
        pytest.param(a_job(stop=STOPPED), BOTH, id="it is stopped"),
        pytest.param(wiping("asked"), BOTH, id="the answer to its wipe is outstanding"),
        pytest.param(wiping("lost", losses=1), BOTH, id="that answer was lost"),
        pytest.param(wiping("resend", losses=1), BOTH, id="the wipe is to be sent again"),
        pytest.param(wiping("accepted"), THE_DISKS, id="its wipe was accepted"),
        pytest.param(wiping("accepted", "todo"), BOTH, id="one was accepted, and one is still to come"),
        pytest.param(wiping("accepted", "lost"), BOTH, id="one was accepted, and one lost"),
        pytest.param(wiping("accepted", "done"), THE_DISKS, id="one is done, and one under way"),
        pytest.param(wiping("done"), THE_INSTANCE, id="its wipe is done"),
        pytest.param(wiping("refused"), THE_INSTANCE, id="its wipe was refused"),
        pytest.param(wiping("unknown"), THE_INSTANCE, id="its wipe cannot be told"),
        *(
            pytest.param(replace(wiping("done"), start=Step(state, tries=1)), THE_INSTANCE, id=f"its start is {state}")
            for state in ("asked", "accepted", "lost", "again", "done", "failed")
        ),
    ],
)
def test_only_what_may_change_next_is_observed(job: JobState, needed: Needs) -> None:
    """While a wipe is to come or in doubt both are observed, since the fence needs both; else one of them is enough."""
    assert needs(job) == needed


# ------------------------------------------------------------------------------------------------------- when

DOUBTS: dict[str, Callable[[], JobState]] = {
    "stop asked": lambda: a_job(stop=Step("asked", tries=1)),
    "stop lost": lambda: a_job(stop=Step("lost", tries=1, at=T)),
    "cut asked": lambda: a_job(stop=Step("accepted", tries=1, at=T), force=Step("asked", tries=1)),
    "cut lost": lambda: a_job(stop=Step("accepted", tries=1, at=T), force=Step("lost", tries=1, at=T)),
    "start asked": lambda: replace(wiping("done"), start=Step("asked", tries=1)),
    "start lost": lambda: replace(wiping("done"), start=Step("lost", tries=1, at=T)),
    "wipe asked": lambda: wiping("asked"),
    "wipe lost": lambda: wiping("lost", losses=1),
    "wipe to be sent again": lambda: wiping("resend", losses=1),
    "wipe accepted at last": lambda: wiping("accepted", losses=1),
    "wipe that cannot be told": lambda: wiping("unknown", losses=1),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_what_is_in_doubt_is_observed_often_enough_for_the_fence(doubt: str) -> None:
    """With a tick and the lag, and after one observation that failed, less than breaks the fence: and on each tick."""
    job = DOUBTS[doubt]()
    waits = Wait("stop", "Stopped", T - 900.0)

    assert is_doubtful(job)
    assert not is_doubtful(wiping("done", losses=1)), "what is proven is in doubt no more"
    assert 2 * (max_interval(job) + TICK_INTERVAL) < oldest(a_job(lag=0.0))
    assert max_interval(job) + TICK_INTERVAL < oldest(a_job())
    assert next_at(job, observed(T), waits, NOTHING) == T + TICK_INTERVAL


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        pytest.param(a_job(), None, id="nothing was begun"),
        pytest.param(a_job(stop=Step("accepted", tries=1, at=T)), ("stop", T), id="it stops"),
        pytest.param(a_job(stop=Step("again", tries=1, at=T, due=T)), None, id="its stop was refused for now"),
        pytest.param(a_job(stop=Step("accepted", tries=1)), None, id="nobody knows since when it stops"),
        pytest.param(a_job(stop=STOPPED), None, id="it waits for us"),
        pytest.param(wiping("accepted"), ("reinit", T), id="its disk is wiped"),
        pytest.param(wiping("accepted", "done"), ("reinit", T), id="one disk is wiped, and one is done"),
        pytest.param(wiping("accepted", "todo"), None, id="a wipe is still to come"),
        pytest.param(wiping("accepted", "refused"), None, id="a wipe was refused"),
        pytest.param(
            replace(wiping("done"), start=Step("accepted", tries=1, at=T + 1)), ("start", T + 1), id="it starts"
        ),
        pytest.param(replace(wiping("done"), start=Step("done", tries=1, at=T)), None, id="it was started"),
    ],
)
def test_what_ecs_is_at_work_on_is_what_is_waited_for(job: JobState, expected: tuple[str, float] | None) -> None:
    """Only an accepted call has a duration; the newest of several wipes ends last."""
    assert waits_for(job) == expected


def test_the_last_wipe_is_waited_for() -> None:
    """Of two wipes the one that was accepted last is taken to end last."""
    first, second = wiping("accepted", "accepted").disks

    assert waits_for(a_job(stop=STOPPED, disks=(first, replace(second, at=T + 7.0)))) == ("reinit", T + 7.0)


def test_a_job_is_observed_again_whatever_is_expected_of_it() -> None:
    """What ECS is at work on can wait longest; a machine that waits for us is observed before the fence breaks."""
    at_work, waits_for_us = wiping("accepted"), a_job(stop=STOPPED)
    no_start_time = replace(waits_for_us, watched_at=T)

    assert max_interval(at_work) == 45.0
    assert max_interval(starting()) == 90.0, "only the report waits for that"
    assert max_interval(waits_for_us) + TICK_INTERVAL < MAX_GAP
    assert max_interval(no_start_time) + TICK_INTERVAL < oldest(a_job()), "only observations tell that nobody uses it"


def interval(
    job: JobState, waited: float, phase: Any = "reinit", down_before: float | None = None, **usual: float
) -> float:
    """Return the seconds until the next observation, after so many of waiting for a phase.

    Args:
        job: its state.
        waited: for how long.
        phase: for what.
        down_before: for how long the machine had been down when that began; ``None`` where it is not known.
        usual: how long it took before.

    """
    asked = THE_DISKS if phase == "reinit" else THE_INSTANCE
    down_since = None if down_before is None else T - down_before
    wait = Wait(phase, "x", T)
    return round(next_at(job, observed(T + waited, asked), wait, usual, down_since) - (T + waited), 2)


def shown(job: JobState) -> JobState:
    """Return the job whose disks were seen ReIniting."""
    return replace(job, disks=tuple(replace(wipe, reiniting=True) for wipe in job.disks))


def test_an_accepted_wipe_is_observed_on_each_tick_until_it_shows() -> None:
    """Its end proves it at once only where it was seen under way, so that is not to be missed."""
    assert interval(wiping("accepted"), 20.0) == TICK_INTERVAL
    assert interval(wiping("accepted"), 0.0, reinit=60.0) == TICK_INTERVAL


def stopping() -> JobState:
    """Return the job whose machine was seen Stopping after our stop."""
    return a_job(stop=Step("accepted", tries=1, first_at=T, at=T, moving=True))


def starting() -> JobState:
    """Return the job whose disk was wiped and whose start was accepted."""
    return replace(wiping("done"), start=Step("accepted", tries=1, first_at=T, at=T))


def test_the_interval_grows_with_the_wait_up_to_a_bound() -> None:
    """Where nothing is known, three tenths of what the wait has taken: a tick at first, 45 seconds at last."""
    waits = (1.0, 5.0, 10.0, 50.0, 100.0, 149.0, 151.0, 1800.0)
    intervals = [interval(shown(wiping("accepted")), waited) for waited in waits]

    assert intervals == [2.0, 2.0, 3.0, 15.0, 30.0, 44.7, 45.0, 45.0]


def test_the_interval_grows_with_the_time_for_which_the_machine_has_been_down() -> None:
    """A wipe that begins after a stop of two minutes is not observed as often as one after a stop of ten seconds."""
    wiped, waits = shown(wiping("accepted")), (2.0, 80.0, 180.0)

    assert [interval(wiped, waited, down_before=10.0) for waited in waits] == [2.0, 9.9, 20.9]
    assert [interval(wiped, waited, down_before=120.0) for waited in waits] == [13.42, 22.0, 33.0]
    assert interval(wiped, 300.0, down_before=120.0) == max_interval(wiped)


def test_a_stop_is_observed_less_than_a_wipe_since_it_is_the_smaller_part() -> None:
    """Nothing is known of what comes first, and a part of it is little."""
    assert [interval(stopping(), waited, "stop", 0.0) for waited in (0.0, 4.0, 20.0)] == [4.0, 2.0, 5.0]


def test_a_start_is_observed_less_since_the_machine_is_up_however_late_that_is_seen() -> None:
    """Nothing waits for the end of a start but the report."""
    assert interval(starting(), 20.0, "start", 90.0) == 16.5
    assert interval(starting(), 20.0, "start", 900.0) == 90.0
    assert interval(starting(), 20.0, "start") == 6.0


def test_what_usually_takes_long_is_observed_closer_about_then() -> None:
    """From nine tenths of the shortest time that it took before to twice that; a little less until then."""
    job = shown(wiping("accepted"))
    waits = (0.1, 50.0, 80.0, 90.0, 199.0, 201.0)
    usual = [interval(job, waited, down_before=50.0, reinit=100.0) for waited in waits]

    assert usual[:2] == [7.16, 14.3], "1.3 times what it would be"
    assert usual[2] == 10.0, "just then"
    assert usual[3:5] == [9.24, 16.43], "0.6 times what it would be"
    assert usual[5] == 27.61, "it is no usual one"


@pytest.mark.parametrize("usual", [60.0, 600.0, 6000.0])
def test_what_took_long_before_may_take_less_now(usual: float) -> None:
    """No wait goes on unobserved much longer because of what it took before: nothing may be assumed of it."""
    job = shown(wiping("accepted"))

    for waited in (2.0, 10.0, 30.0):
        assert interval(job, waited, down_before=30.0, reinit=usual) <= 1.31 * interval(job, waited, down_before=30.0)


def test_another_phase_says_nothing_of_it() -> None:
    """How long a stop took before is no reason to expect a wipe to end."""
    job = shown(wiping("accepted"))

    assert interval(job, 10.0, stop=20.0) == interval(job, 10.0)


@pytest.mark.parametrize(("down_for", "after"), [(5.0, 4.0), (90.0, 13.5), (900.0, 90.0)])
def test_a_start_is_first_observed_when_something_may_have_come_of_it(down_for: float, after: float) -> None:
    """No machine runs again within a few seconds, and it runs as early however late that is seen."""
    assert first_at(starting(), T, T - down_for) == T + after
    assert first_at(wiping("accepted"), T, T - down_for) == T + TICK_INTERVAL, (
        "that it is ReIniting is its quickest proof"
    )
    assert first_at(starting(), T, None) == T + 4.0


AGAIN: dict[str, Any] = {"tries": 1, "first_at": T - 80.0, "at": T}


@pytest.mark.parametrize(
    ("job", "phase"),
    [
        pytest.param(a_job(tag=Step("again", due=T + 5.0, **AGAIN)), "stop", id="the tag"),
        pytest.param(a_job(stop=Step("again", due=T + 5.0, **AGAIN)), "stop", id="the stop"),
        pytest.param(
            a_job(stop=STOPPED, snapshots=(SafetySnapshot(DISK, "token", Step("resend", due=T + 5.0, **AGAIN)),)),
            "snapshot",
            id="the safety snapshot",
        ),
        pytest.param(a_job(stop=STOPPED, disks=(Wipe(DISK, "todo", 1, at=T, due=T + 5.0),)), "reinit", id="the wipe"),
        pytest.param(replace(wiping("done"), start=Step("again", due=T + 5.0, **AGAIN)), "start", id="the start"),
        pytest.param(
            replace(wiping("done"), start=Step("done"), untag=Step("again", due=T + 5.0, **AGAIN)),
            "start",
            id="the untag",
        ),
        pytest.param(
            a_job(
                stop=Step("accepted", tries=1, first_at=T - 55.0, at=T - 55.0, moving=True),
                limits=Limits(force_stop_after=60.0),
            ),
            "stop",
            id="the power cut",
        ),
    ],
)
def test_a_call_that_is_due_again_does_not_wait_for_an_observation(job: JobState, phase: Any) -> None:
    """The machine is observed when the call is due, however long it has been waited for."""
    wait = Wait(phase, "the next try", T - 80.0)

    assert next_at(job, observed(T), wait, NOTHING) == T + 5.0


def test_what_is_due_at_once_waits_for_the_tick_and_what_was_due_for_nothing() -> None:
    """A call is made no more often than each tick, and one that did not become possible is no reason to hurry."""
    wait = Wait("reinit", "the next try", T - 30.0)
    soon, late, past = (
        replace(a_job(stop=STOPPED), disks=(Wipe(DISK, "todo", 1, due=due),)) for due in (T + 0.5, T + 500.0, T)
    )

    assert next_at(soon, observed(T), wait, NOTHING) == T + TICK_INTERVAL
    assert next_at(late, observed(T), wait, NOTHING) == T + 9.0
    assert next_at(past, observed(T), wait, NOTHING) == T + 9.0


def test_a_machine_that_waits_for_us_is_never_observed_too_late() -> None:
    """However long it has waited for its next try, the interval stays within what the fence allows."""
    wait = Wait("reinit", "the next try", T - 900.0)

    assert next_at(a_job(stop=STOPPED), observed(T), wait, NOTHING) == T + max_interval(a_job(stop=STOPPED))


@pytest.mark.parametrize(
    ("job", "asked"),
    [
        pytest.param(wiping("done"), THE_DISKS, id="the wipe is done, and the machine is to be started"),
        pytest.param(a_job(stop=STOPPED), THE_INSTANCE, id="the machine is stopped, and its disks are to be wiped"),
    ],
)
def test_what_was_not_asked_for_and_is_needed_now_is_observed_at_once(job: JobState, asked: Needs) -> None:
    """No machine stays down because its observation was of something else, however long the wait before took."""
    long_since = Wait("reinit", "an observation", T - 1600.0)

    assert next_at(job, observed(T, asked), long_since, NOTHING) == T
    assert next_at(job, observed(T), long_since, NOTHING) > T


@pytest.mark.parametrize("action", [Command("StopInstance", INSTANCE), Finish()])
def test_what_is_no_wait_is_observed_on_the_next_tick(action: Any) -> None:
    """A call that was decided may come to nothing, and then it is decided again."""
    assert next_at(a_job(stop=STOPPED), observed(T), action, NOTHING) == T + TICK_INTERVAL


def test_an_observation_that_failed_is_repeated_on_the_next_tick() -> None:
    """Nothing is known of it, so no interval grows by it."""
    wait = Wait("reinit", "an observation", T - 900.0)

    assert next_at(wiping("accepted"), observed(T, answered=False), wait, NOTHING) == T + TICK_INTERVAL


def test_our_own_stop_is_observed_on_each_tick_until_it_shows() -> None:
    """The lag of ECS is sampled by it; once the machine is seen Stopping the interval grows."""
    wait = Wait("stop", "Stopped", T - 80.0)
    stop = Step("accepted", tries=1, first_at=T - 80.0, at=T - 80.0)

    assert next_at(a_job(stop=stop), observed(T, THE_INSTANCE), wait, NOTHING) == T + TICK_INTERVAL
    assert next_at(a_job(stop=replace(stop, moving=True)), observed(T, THE_INSTANCE), wait, NOTHING) == T + 24.0


@pytest.mark.parametrize(("left", "after"), [(1.0, TICK_INTERVAL), (9.0, 9.0), (60.0, 16.0)])
def test_the_end_of_the_minute_of_a_start_is_waited_for_as_long_as_it_takes(left: float, after: float) -> None:
    """How long that takes is known, so nothing is observed in between but for what else may happen."""
    assert next_at(a_job(), observed(T), Wait("wait-start", "30s after the minute", T, left), NOTHING) == T + after
