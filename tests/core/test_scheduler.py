"""Which jobs begin, which are observed, how many calls are made: by examples, and by fleets over simulated time."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safe_reinit.core import rate_limits
from safe_reinit.core.decide import decide
from safe_reinit.core.events import (
    CallAccepted,
    CallRefused,
    CallUnanswered,
    Event,
    Failed,
    Intended,
    Observed,
)
from safe_reinit.core.evolve import evolve
from safe_reinit.core.jobs import Due, Job
from safe_reinit.core.polling import needs
from safe_reinit.core.rate_limits import RateLimiter
from safe_reinit.core.scheduler import Scheduler
from safe_reinit.core.state import begin
from safe_reinit.core.steps import outstanding
from safe_reinit.model import (
    Command,
    Failure,
    Limits,
    Observation,
    PlannedDisk,
    PlannedJob,
    Rollout,
    Step,
    Wait,
)
from tests import values

TICK_LENGTH = 2.0
FAILED = Failed(Failure(None, "It failed."))
WIPE_QUOTA = 5
"""Wipes in 60 seconds, in these tests."""


@pytest.fixture(autouse=True)
def _small_wipe_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the quota be small, so that a small fleet uses it up."""
    monkeypatch.setitem(rate_limits.LIMITS, "ReInitDisk", WIPE_QUOTA)


def a_job(position: int, disks: int = 1, power: str = "Running", limits: Limits | None = None) -> Job:
    """Return the job of one instance, of which nothing was done."""
    planned = tuple(PlannedDisk(f"d-{position}-{number}") for number in range(disks))
    job = PlannedJob(
        f"i-{position}", "", power, "Running", will_stop=power == "Running", will_start=True, disks=planned,
        expected=values.started(f"i-{position}"),
    )  # fmt: skip
    return Job(position, begin(job, limits or Limits(), at=0.0))


class Fleet:
    """A scheduler with so many jobs, at a time that stands still."""

    def __init__(self, *disks: int, share: float = 1.0, **rollout: Any) -> None:
        self.at = 1020.0
        self.when = values.NOW
        self.limits = RateLimiter(share)
        self.jobs = [a_job(position, count) for position, count in enumerate(disks)]
        self.asked: list[str] = []
        self.answer = True
        self.scheduler = Scheduler(Rollout(**{"canary": 0, **rollout}), self.jobs, self.limits)

    def admit(self) -> str:
        """Let jobs begin, answer what is asked before that, and give why none ever will any more."""
        self.scheduler.admit(self.at, self.when)
        if self.scheduler.question:
            self.asked.append(self.scheduler.question)
            self.scheduler.answered(confirmed=self.answer)
            self.scheduler.admit(self.at, self.when)
        return self.scheduler.closed

    def due(self, *, ending: bool = False) -> list[Job]:
        """Return the jobs to observe now."""
        return self.scheduler.due(self.at, ending=ending)

    @property
    def begun(self) -> list[int]:
        """The positions of the jobs that have begun."""
        return [job.position for job in self.jobs if job.begun]

    def begin(self, *positions: int) -> None:
        """Let just these jobs have begun, whatever there is room for."""
        for job in self.jobs:
            job.begun = job.position in positions
        self.scheduler._live = [job for job in self.jobs if job.begun]
        self.scheduler._to_begin = deque(job for job in self.jobs if not job.begun)

    def end(self, *positions: int, ok: bool = True) -> None:
        """Let jobs end; what they wiped took its places in the quota."""
        for position in positions:
            job = self.jobs[position]
            state: Any = "done" if ok else "refused"
            wipes = tuple(replace(wipe, state=state, tries=1) for wipe in job.state.disks)
            job.state = replace(job.state, disks=wipes, instance_status="Running", stop=Step("done", tries=1))
            job.end()
            for _ in wipes:
                self.limits.record("ReInitDisk", "OK", self.at)

    def stop(self, *positions: int) -> None:
        """Let the machines of jobs be stopped by this run."""
        for position in positions:
            job = self.jobs[position]
            done = Step("done", tries=1, first_at=self.at, at=self.at)
            job.state = replace(job.state, stop=done, instance_status="Stopped")


# -------------------------------------------------------------------------------------------------- who begins


def test_at_most_so_many_machines_are_down_at_once() -> None:
    """Another job begins only when one has ended, however many wait."""
    fleet = Fleet(1, 1, 1, 1, max_parallel=2)
    fleet.admit()
    assert fleet.begun == [0, 1]

    fleet.admit()
    assert fleet.begun == [0, 1]

    fleet.end(0)
    fleet.admit()
    assert fleet.begun == [0, 1, 2]


def test_no_job_begins_without_a_slot_for_each_of_its_wipes() -> None:
    """What has begun is promised its wipes: the next job waits while the quota has no room for all of its disks."""
    fleet = Fleet(2, 2, 2, 1)
    fleet.admit()
    assert fleet.begun == [0, 1], "a third would have 6 wipes of 5, and nobody goes before it"

    fleet.end(0)
    fleet.admit()
    assert fleet.begun == [0, 1], "what is wiped holds its places for a minute"

    fleet.at += 61.0
    fleet.admit()
    assert fleet.begun == [0, 1, 2, 3]


def test_a_job_that_never_fits_begins_alone() -> None:
    """More disks than the quota has in a minute: such a job waits until no machine is down, and others wait for it."""
    fleet = Fleet(1, WIPE_QUOTA + 2, 1)
    fleet.admit()
    assert fleet.begun == [0]

    fleet.end(0)
    fleet.admit()
    assert fleet.begun == [0, 1]


def test_a_job_that_fits_waits_for_its_room_and_is_not_overtaken() -> None:
    """A job of many disks is not starved by small ones behind it."""
    fleet = Fleet(1, WIPE_QUOTA, 1)
    fleet.admit()
    assert fleet.begun == [0]

    fleet.end(0)
    fleet.admit()
    assert fleet.begun == [0]

    fleet.at += 61.0
    fleet.admit()
    assert fleet.begun == [0, 1]


def test_a_job_that_turned_back_gives_its_slots_back() -> None:
    """Where no wipe will come any more, nobody waits for its place."""
    fleet = Fleet(WIPE_QUOTA, WIPE_QUOTA)
    fleet.admit()
    fleet.stop(0)
    fleet.jobs[0].state = evolve(fleet.jobs[0].state, FAILED)
    fleet.admit()

    assert fleet.begun == [0, 1]


def test_a_rollback_needs_no_slot() -> None:
    """ResetDisk has no documented quota: an undo begins as many as may be down."""
    fleet = Fleet(*[2] * 8)
    for job in fleet.jobs:
        wipes = tuple(replace(wipe, snapshot_id="s-1") for wipe in job.state.disks)
        job.state = replace(job.state, disks=wipes)
    fleet.admit()

    assert len(fleet.begun) == 8


def test_a_job_of_two_disks_begins_after_throttling_though_nobody_probes() -> None:
    """The last answer was Throttling and everybody has ended: the quota is not closed for ever."""
    fleet = Fleet(1, 2)
    fleet.admit()
    fleet.end(0)
    fleet.limits.record("ReInitDisk", "Throttling.User", fleet.at)
    fleet.begin(0)
    for _ in range(100):
        fleet.at += TICK_LENGTH
        fleet.admit()

    assert fleet.begun == [0, 1]


def test_the_time_a_stop_takes_lets_machines_be_stopped_ahead() -> None:
    """Once it is known how long a stop takes, a machine is stopped so that its wipe is ready when its slot is free."""
    fleet = Fleet(WIPE_QUOTA, WIPE_QUOTA)
    fleet.admit()
    fleet.end(0)
    fleet.scheduler._usual["stop"] = 21.0
    fleet.at += 37.0
    fleet.admit()
    assert fleet.begun == [0]

    fleet.at += 2.0
    fleet.admit()
    assert fleet.begun == [0, 1]


def test_after_throttling_no_more_begin_than_the_quota_that_was_seen_has_room_for() -> None:
    """Others use most of the quota: there is room only for as many machines as ECS took wipes in the last minute."""
    fleet = Fleet(*[1] * 9, max_parallel=3)
    fleet.admit()
    fleet.end(0, 1)
    fleet.limits.record("ReInitDisk", "Throttling.User", fleet.at)
    fleet.admit()
    assert fleet.begun == [0, 1, 2]

    fleet.at += 61.0
    fleet.limits.record("ReInitDisk", "OK", fleet.at)
    fleet.jobs[2].end()
    fleet.admit()
    assert fleet.begun == [0, 1, 2, 3], "one of two was called in this minute"


def test_a_machine_that_has_begun_is_not_stopped_once_there_is_no_room_for_its_wipe() -> None:
    """It was let begin before ECS throttled, and waited for something else since: it runs on until there is room."""
    fleet = Fleet(1, 1, 1, 1, 1)
    fleet.admit()
    assert fleet.begun == [0, 1, 2, 3, 4]
    fleet.end(0)
    fleet.stop(1)
    fleet.limits.record("ReInitDisk", "Throttling.User", fleet.at)
    stops = [Due(job, Command("StopInstance", f"i-{job.position}"), values.an_observation()) for job in fleet.jobs[2:]]
    let, held = fleet.scheduler.paced(stops, fleet.at)
    assert (let, [each.job.position for each in held]) == ([], [2, 3, 4])

    fleet.at += 61.0
    fleet.end(1)
    fleet.at += 61.0
    let, held = fleet.scheduler.paced([], fleet.at)
    assert ([each.job.position for each in let], [each.job.position for each in held]) == ([2, 3], [4])


def test_machines_of_a_fleet_gather_to_be_stopped_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the quota lets a few more through on each tick, they begin some seconds apart, many at a time."""
    monkeypatch.setitem(rate_limits.LIMITS, "ReInitDisk", 40)
    fleet = Fleet(*[1] * 80)
    fleet.admit()
    assert len(fleet.begun) == 40

    fleet.at += 61.0
    fleet.end(*range(4))
    fleet.admit()
    assert len(fleet.begun) == 40, "those four took their places anew"
    fleet.at += 61.0
    fleet.end(*range(4, 9))
    begun = []
    for ended in range(9, 13):
        fleet.admit()
        begun.append(len(fleet.begun))
        fleet.at += TICK_LENGTH
        fleet.jobs[ended].end()
    assert begun == [40, 40, 40, 47]


@pytest.mark.parametrize(("free", "begin"), [(29, 0), (30, 30)])
def test_machines_gather_no_longer_once_half_of_the_quota_is_free(
    monkeypatch: pytest.MonkeyPatch, free: int, begin: int
) -> None:
    """Many are stopped together then, and the run is no longer for it."""
    monkeypatch.setitem(rate_limits.LIMITS, "ReInitDisk", 60)
    fleet = Fleet(*[1] * 120, max_parallel=120)
    fleet.admit()
    for job in fleet.jobs[:free]:
        job.state = evolve(job.state, FAILED)  # its wipe needs no slot any more
    fleet.admit()

    assert len(fleet.begun) == 60 + begin


def test_a_run_that_goes_on_has_begun_what_it_tried() -> None:
    """On resume a job with a call is open at once, one without waits for its turn, and an ended one is not counted."""
    jobs = [a_job(position) for position in range(4)]
    jobs[0].state = evolve(jobs[0].state, Intended(Command("StopInstance", "i-0"), values.an_observation()))
    jobs[1].end()
    scheduler = Scheduler(Rollout(canary=0, max_parallel=1), jobs, RateLimiter())

    assert [job.begun for job in jobs] == [True, False, False, False]
    scheduler.admit(1020.0, values.NOW)
    assert [job.begun for job in jobs] == [True, False, False, False]


# ----------------------------------------------------------------------------------------- stages, and who is asked


def test_after_the_canary_somebody_is_asked_once() -> None:
    """``--pause canary`` asks when the canary is done, says how it went, and not again after waves."""
    fleet = Fleet(*[1] * 6, canary=1, waves=((2, False),), pause="canary", share=1.0)
    fleet.admit()
    assert (fleet.begun, fleet.asked) == ([0], [])

    fleet.end(0)
    fleet.at += 61.0
    fleet.admit()
    assert fleet.begun == [0, 1, 2]
    assert fleet.asked == ["1 of 6 jobs have ended, 1 of them done."]

    fleet.end(1, 2)
    fleet.at += 61.0
    fleet.admit()
    assert fleet.begun == [0, 1, 2, 3, 4]
    assert len(fleet.asked) == 1


def test_after_each_wave_somebody_is_asked() -> None:
    """``--pause wave`` asks after the canary and each wave, once each."""
    fleet = Fleet(*[1] * 5, canary=1, waves=((2, False),), pause="wave")
    for ends in ((0,), (1, 2), (3, 4)):
        fleet.admit()
        fleet.admit()
        fleet.end(*ends)
        fleet.at += 61.0
    fleet.admit()

    assert fleet.asked == ["1 of 5 jobs have ended, 1 of them done.", "3 of 5 jobs have ended, 3 of them done."]


@pytest.mark.parametrize("pause", ["canary", "wave"])
def test_who_says_no_ends_it(pause: Any) -> None:
    """Nothing more begins, also later, and why is told."""
    fleet = Fleet(*[1] * 4, canary=1, pause=pause)
    fleet.admit()
    fleet.end(0)
    fleet.answer = False

    assert "nobody agreed" in fleet.admit()
    fleet.answer = True
    assert "nobody agreed" in fleet.admit()
    assert fleet.begun == [0]


@pytest.mark.parametrize("pause", ["none", "canary"])
def test_nobody_is_asked_where_nothing_was_to_be_waited_for(pause: Any) -> None:
    """Without a canary there is no question after it, whatever wave has ended."""
    fleet = Fleet(*[1] * 4, canary=0, waves=((2, False),), pause=pause)
    fleet.admit()
    fleet.end(0, 1)
    fleet.at += 61.0
    fleet.admit()

    assert fleet.asked == []
    assert fleet.begun == [0, 1, 2, 3]


def test_nobody_is_asked_while_a_machine_is_down() -> None:
    """A resumed run brings back what is down before it waits for a person's answer."""
    fleet = Fleet(*[1] * 6, canary=1, waves=((2, False),), pause="wave")
    fleet.end(0, 1, 2)
    fleet.stop(3)
    fleet.begin(3)
    fleet.at += 61.0
    fleet.admit()
    assert (fleet.asked, fleet.begun) == ([], [3])

    fleet.end(3)
    fleet.at += 61.0
    fleet.admit()
    assert fleet.asked == ["4 of 6 jobs have ended, 4 of them done."]
    assert fleet.begun == [3, 4]


def test_a_failure_counts_before_its_machine_is_back() -> None:
    """A job that has turned back closes the run at once where it is one too many; what is untouched never begins."""
    fleet = Fleet(1, 1, 1, stop_after_failures=1, max_parallel=2)
    fleet.admit()
    fleet.stop(0)
    fleet.jobs[0].state = evolve(fleet.jobs[0].state, FAILED)

    assert "--stop-after-failures 1" in fleet.admit()
    assert [job.position for job in fleet.scheduler.untouched()] == [1, 2], "the second has begun, and is not touched"


def test_a_deadline_is_heard_while_begun_jobs_wait() -> None:
    """No new stop begins after the deadline: also a job that has begun, and waits for its snapshot, is not stopped."""
    fleet = Fleet(1, 1, deadline=values.NOW + timedelta(hours=1))
    assert fleet.admit() == ""
    assert fleet.begun == [0, 1]

    fleet.stop(0)
    fleet.when += timedelta(hours=1)
    assert "deadline" in fleet.admit()
    assert [job.position for job in fleet.scheduler.untouched()] == [1]


# --------------------------------------------------------------------------------------------- which are observed


def many(count: int = 30) -> Fleet:
    """Return a fleet too large to be observed on every tick, all begun and waiting for their stop."""
    fleet = Fleet(*[1] * count, share=1.0)
    fleet.begin(*range(count))
    for job in fleet.jobs:
        job.state = replace(job.state, stop=Step("accepted", tries=1, first_at=1020.0, at=1020.0))
        job.waiting, job.observed_at = ("stop", 1020.0), 1020.0
    return fleet


def test_a_small_fleet_is_observed_job_by_job() -> None:
    """Up to twenty open jobs are each observed when their own time has come, whatever they wait for."""
    fleet = many(20)
    assert len(fleet.due()) == 20

    for job in fleet.jobs:
        job.next_at = fleet.at + 2.0 + job.position
    assert fleet.due() == []
    assert fleet.scheduler.due_at(fleet.at) == fleet.at + 2.0

    fleet.at += 4.0
    assert [job.position for job in fleet.due()] == [0, 1, 2]


def test_somebody_who_asks_the_run_to_end_is_not_kept_waiting() -> None:
    """Each open job of a few is observed at once then, however far off its next observation was."""
    fleet = many(3)
    for job in fleet.jobs:
        job.next_at = fleet.at + 40.0
    fleet.scheduler.hurry()

    assert len(fleet.due()) == 3


def test_while_a_duration_is_unknown_some_scouts_are_observed() -> None:
    """Twenty of each phase are observed on every tick, the others now and then."""
    fleet = many(60)
    for job in fleet.jobs[30:]:
        job.waiting = ("reinit", 1020.0)
    fleet.at += TICK_LENGTH
    due = [job.position for job in fleet.due()]

    assert due == [*range(20), *range(30, 50)]


def test_what_ecs_is_at_work_on_is_observed_within_three_quarters_of_a_minute() -> None:
    """Whatever is expected of it, a job is observed again: what goes wrong is seen."""
    fleet = many(60)
    fleet.scheduler._usual["stop"] = 500.0
    fleet.at += 44.0
    assert fleet.due() == []

    fleet.at += 1.0
    assert len(fleet.due()) == 60


def test_a_job_that_ecs_is_not_at_work_on_is_observed_within_eighteen_seconds() -> None:
    """A machine that is down and waits for us is observed before the fence would break."""
    fleet = many(60)
    fleet.stop(*range(60))
    fleet.scheduler._usual["stop"] = 500.0
    fleet.at += 14.0
    assert fleet.due() == []

    fleet.at += 2.0
    assert len(fleet.due()) == 60


DOUBTS: dict[str, Any] = {
    "stop asked": lambda known: replace(known, stop=Step("asked", tries=1)),
    "stop lost": lambda known: replace(known, stop=Step("lost", tries=1)),
    "cut lost": lambda known: replace(known, force=Step("lost", tries=1)),
    "start asked": lambda known: replace(known, start=Step("asked", tries=1)),
    "start lost": lambda known: replace(known, start=Step("lost", tries=1)),
    "wipe asked": lambda known: replace(known, disks=(replace(known.disks[0], state="asked", tries=1),)),
    "wipe lost": lambda known: replace(known, disks=(replace(known.disks[0], state="lost", tries=1, losses=1),)),
    "wipe to be sent again": lambda known: replace(known, disks=(replace(known.disks[0], losses=1),)),
}


@pytest.mark.parametrize("waiting", [True, False], ids=["waiting", "calling"])
@pytest.mark.parametrize("doubt", DOUBTS)
def test_what_is_in_doubt_is_observed_often_enough_for_the_fence(doubt: str, waiting: bool) -> None:
    """An outstanding or lost answer is observed every few seconds, also while the call hangs on its thread."""
    fleet = many(60)
    fleet.scheduler._usual |= {"stop": 500.0, "reinit": 500.0}
    job = fleet.jobs[40]
    job.state = DOUBTS[doubt](job.state)
    if not waiting:
        job.waiting, job.call = None, 1
    times = []
    for _ in range(30):
        fleet.at += TICK_LENGTH
        if job in fleet.due():
            times.append(fleet.at)
            job.observed_at = fleet.at

    assert max(b - a for a, b in zip([1020.0, *times], times, strict=False)) <= 8.0


def test_an_observation_that_failed_is_repeated_on_the_next_tick() -> None:
    """A failed one is none: the job stays due, and nothing is learnt from it."""
    fleet = many(60)
    fleet.scheduler._usual["stop"] = 500.0
    fleet.at += 45.0
    for job in fleet.due():
        fleet.scheduler.observed(
            job, Observation(fleet.at, values.NOW, answered=False), Wait("stop", "an observation", 1020.0)
        )
    fleet.at += TICK_LENGTH

    assert len(fleet.due()) == 60
    assert fleet.jobs[0].waiting == ("stop", 1020.0)


def test_the_shortest_time_seen_is_the_usual_one() -> None:
    """How long a phase takes is learnt from those who went on, and then each is observed when its time has come."""
    fleet = many(60)
    wiping = Wait("reinit", "In_use", 1049.0)
    fleet.scheduler.observed(fleet.jobs[0], values.an_observation(1050.0), wiping)
    fleet.scheduler.observed(fleet.jobs[1], values.an_observation(1060.0), wiping)
    assert fleet.scheduler._usual == {"stop": 30.0}

    for job in fleet.jobs:
        job.observed_at = 1040.0
    fleet.jobs[2].waiting = ("stop", 1025.0)
    fleet.scheduler._first_durations = {}
    fleet.at = 1050.0
    due = {job.position for job in fleet.due()}
    assert due == set(range(60)) - {2}, "30 seconds, but for one that stops later; of wipes nothing is known yet"


def test_what_the_first_one_took_at_least_says_who_else_may_have_ended() -> None:
    """It ended between two observations of it: all that wait for so long are observed at once, and no others."""
    fleet = many(60)
    for job in fleet.jobs[40:]:
        job.waiting = ("stop", 1023.0)
    fleet.jobs[0].observed_at, fleet.at = 1048.0, 1050.0
    fleet.due()
    fleet.scheduler.observed(fleet.jobs[0], values.an_observation(1050.0), Wait("reinit", "a try", 1050.0))
    assert fleet.scheduler.due_at(fleet.at) == fleet.at

    fleet.jobs[0].call = 1
    assert {job.position for job in fleet.due()} == set(range(1, 40)), "28 seconds; the others have waited for 27"


def test_a_fleet_is_observed_as_soon_as_one_call_sees_many_of_its_waits_end() -> None:
    """No machine waits for a tick when its stop is known to have ended: a hundred, or all of these, are worth one."""
    fleet = many(300)
    fleet.scheduler._usual["stop"] = 30.0
    fleet.at = 1049.0
    for job in fleet.jobs:
        job.observed_at, job.waiting = 1040.0, ("stop", 1020.3 + job.position / 300)
    assert fleet.due() == []
    assert fleet.scheduler.due_at(fleet.at) == pytest.approx(1050.3 + 99 / 300)

    fleet.at = fleet.scheduler.due_at(fleet.at)
    assert len(fleet.due()) == 100
    assert fleet.scheduler.due_at(fleet.at) == fleet.at + 1.0, "the next one a second later at least"


def test_a_fleet_of_which_nothing_is_expected_is_observed_on_the_next_tick() -> None:
    """While nobody knows how long a stop takes, there is a tick every two seconds."""
    fleet = many(60)
    fleet.due()

    assert fleet.scheduler.due_at(fleet.at) == fleet.at + TICK_LENGTH


@pytest.mark.parametrize(("next_at", "seconds"), [(1031.0 + TICK_LENGTH, TICK_LENGTH), (1080.0, 2 * TICK_LENGTH)])
def test_what_takes_longer_than_was_expected_is_observed_on_every_second_tick(next_at: float, seconds: float) -> None:
    """Where machines differ, not all are observed on every tick, but where their own next observation is due."""
    fleet = many(60)
    fleet.scheduler._usual["stop"] = 10.0
    for job in fleet.jobs:
        job.observed_at, job.next_at = 1031.0, next_at
    fleet.at = 1031.0 + seconds - 1.1
    assert fleet.due() == []

    fleet.at = 1031.0 + seconds - 0.1
    assert len(fleet.due()) == 60, "a tick may come a little early"


def test_a_machine_whose_wipe_is_seen_to_have_ended_is_observed_at_once_and_alone() -> None:
    """It is down, and only its disk was asked for: its start does not wait for the tick of the others."""
    fleet = many(60)
    fleet.stop(0)
    job = fleet.jobs[0]
    wiped = replace(job.state.disks[0], state="done", tries=1, at=1021.0)
    job.state = replace(job.state, disks=(wiped,), stop=Step("done", tries=1, at=1020.0))
    job.waiting = ("reinit", 1021.0)
    fleet.at = 1081.0
    fleet.due()
    for each in fleet.jobs:
        each.observed_at = fleet.at
    seen = replace(values.an_observation(fleet.at), instance=None, instance_requested=False)
    fleet.scheduler.observed(job, seen, Wait("reinit", "an observation", 1021.0))
    fleet.scheduler._first_durations = {}

    assert fleet.scheduler.due_at(fleet.at) == fleet.at
    assert fleet.due() == [job]


def test_the_last_jobs_of_a_fleet_are_observed_when_the_others_took_so_long() -> None:
    """What the machines before took is known: the end of the last ones is not waited for by growing intervals."""
    fleet = many(60)
    for job in fleet.jobs[1:57]:
        job.end()
    fleet.scheduler._shortest["stop"] = 30.0
    for job in fleet.jobs:
        job.observed_at, job.next_at = 1040.0, 1070.0
    fleet.at = 1049.0
    assert fleet.due() == []
    assert fleet.scheduler.due_at(fleet.at) == 1050.0

    fleet.at = 1050.0
    assert len(fleet.due()) == 4


def test_scouts_of_a_start_are_observed_on_every_second_tick() -> None:
    """Nothing waits for the end of a start but the report."""
    fleet = many(60)
    times = []
    for job in fleet.jobs:
        job.observed_at, job.waiting = fleet.at, ("start", fleet.at)
    for _ in range(10):
        fleet.at += TICK_LENGTH
        due = fleet.due()
        times += [fleet.at] if due else []
        for job in due:
            job.observed_at = fleet.at

    assert times == [1024.0, 1028.0, 1032.0, 1036.0, 1040.0]


@pytest.mark.parametrize("how", ["turned back", "not begun"])
def test_what_is_no_usual_time_is_not_measured(how: str) -> None:
    """Neither a wait that ended in failure nor one that had not begun tells how long a phase takes."""
    fleet = many(60)
    job = fleet.jobs[0]
    if how == "turned back":
        job.state = evolve(job.state, FAILED)
    else:
        job.waiting = None
        fleet.scheduler.observed(job, values.an_observation(1022.0), Wait("stop", "the tag", 1022.0))
    fleet.scheduler.observed(job, values.an_observation(1024.0), Wait("reinit", "In_use", 1023.0))

    assert fleet.scheduler._usual == {}


def test_a_call_that_was_made_is_observed_at_once() -> None:
    """What a stop did is worth observing even before the next tick, since the lag is sampled by it; once."""
    fleet = many(5)
    for job in fleet.jobs:
        job.next_at = fleet.at + 40.0
    assert fleet.due() == []

    stopped = fleet.jobs[3]
    fleet.scheduler.called([stopped], "StopInstance", fleet.at, made=True)
    assert fleet.due() == [stopped]

    fleet.scheduler.observed(stopped, values.an_observation(fleet.at), Wait("stop", "Stopped", 1020.0))
    assert fleet.due() == []


def test_a_call_that_came_too_late_is_observed_when_its_time_has_come() -> None:
    """What was not sent changes nothing, so nothing of it is worth observing at once."""
    fleet = many(5)
    for job in fleet.jobs:
        job.next_at = fleet.at + 40.0
    fleet.scheduler.called(fleet.jobs[:1], "StopInstance", fleet.at, made=False)

    assert fleet.due() == []


def test_what_only_takes_time_from_now_on_is_observed_on_the_next_tick() -> None:
    """A wipe that was accepted shows nothing at once; one whose answer was lost is looked for at once."""
    fleet = many(5)
    fleet.stop(*range(5))
    for job in fleet.jobs:
        job.next_at = fleet.at + 40.0
    for job, state in zip(fleet.jobs[:2], ("accepted", "lost"), strict=True):
        wipe = replace(job.state.disks[0], state=state, tries=1, at=fleet.at)
        job.state = replace(job.state, disks=(wipe,))
    fleet.scheduler.called(fleet.jobs[:2], "ReInitDisk", fleet.at, made=True)

    assert fleet.due() == [fleet.jobs[1]]
    fleet.at += TICK_LENGTH
    assert fleet.due() == fleet.jobs[:2]


@pytest.mark.parametrize(("count", "hurry"), [(5, True), (60, False)])
def test_a_fleet_keeps_to_its_ticks(count: int, hurry: bool) -> None:
    """Only a few jobs are observed as soon as a call has ended: of many each call would cost two observations."""
    fleet = many(count)
    fleet.due()
    fleet.scheduler.called(fleet.jobs[:1], "StopInstance", fleet.at, made=True)

    assert (fleet.jobs[0].hurried, fleet.scheduler.due_at(fleet.at) == fleet.at) == (hurry, hurry)


# ---------------------------------------------------------------------------------------------- how many calls


def calls_of(fleet: Fleet, action: Any) -> list[Due]:
    """Return a call for each job."""
    return [Due(job, Command(action, f"x-{job.position}"), values.an_observation()) for job in fleet.jobs]


def send(jobs: Sequence[Job], command: Command, number: int = 1) -> None:
    """Let one call be under way for these jobs."""
    for job in jobs:
        job.call, job.command = number, command


def parted(fleet: Fleet, action: Any) -> tuple[int, int]:
    """Count what may be called, and what is held back, of what was decided on an observation of each."""
    for job in fleet.jobs:
        job.held = None
    let, held = fleet.scheduler.paced(calls_of(fleet, action), fleet.at)
    return len(let), len(held)


def throttle(fleet: Fleet, action: str) -> None:
    """Let a call be throttled."""
    fleet.limits.record(action, "Throttling", fleet.at)


def test_no_more_wipes_are_sent_than_the_quota_has() -> None:
    """The rest waits for the next ticks; those on their way count."""
    fleet = many(8)
    assert parted(fleet, "ReInitDisk") == (5, 3)

    for position in range(3):
        send(fleet.jobs[position : position + 1], Command("ReInitDisk", "d"), position)
    assert parted(fleet, "ReInitDisk") == (2, 6)


@pytest.mark.parametrize("throttled", ["StopInstance", "StopInstances"])
def test_a_throttled_stop_waits_and_then_goes_on_in_batches(throttled: str) -> None:
    """Nothing in the throttled minute; then one call as a probe, which stops as many as one call can."""
    fleet = many(110)
    throttle(fleet, throttled)
    assert parted(fleet, "StopInstance") == (0, 110)

    fleet.at += 60.0
    assert parted(fleet, "StopInstance") == (100, 10)

    send(fleet.jobs[:100], Command("StopInstance", "i"))
    assert parted(fleet, "StopInstance") == (0, 110), "one probe at a time"


def test_who_waits_for_the_quota_is_not_observed_but_called_when_there_is_a_slot() -> None:
    """A wipe that was held back goes first, and is observed only for the fence's sake and at the run's end."""
    fleet = many(30)
    fleet.stop(*range(30))
    for job in fleet.jobs:
        job.waiting = None
    assert parted(fleet, "ReInitDisk") == (WIPE_QUOTA, 25)
    for job in fleet.jobs[:WIPE_QUOTA]:  # on their way
        send([job], Command("ReInitDisk", "d"), job.position)
    fleet.at += TICK_LENGTH
    assert fleet.due() == []
    assert [job.position for job in fleet.due(ending=True)] == list(range(5, 30))

    for job in fleet.jobs[:2]:  # withdrawn: nobody called
        job.call = None
        job.end()
    let, held = fleet.scheduler.paced([], fleet.at)
    assert [each.job.position for each in let] == [5, 6]
    assert len(held) == 23
    fleet.at += 14.0
    assert [job.position for job in fleet.due()] == list(range(2, 30))


def test_what_was_held_back_and_is_observed_is_decided_again() -> None:
    """An observation with another outcome takes the held call away; one with the same adds no second."""
    fleet = many(30)
    fleet.stop(*range(30))
    throttle(fleet, "ReInitDisk")
    assert parted(fleet, "ReInitDisk") == (0, 30)
    seen = Observation(fleet.at, values.NOW, answered=True)
    fleet.scheduler.observed(fleet.jobs[0], seen, Wait("reinit", "the next try", fleet.at))
    fleet.scheduler.observed(fleet.jobs[1], seen, Command("ReInitDisk", "d-1"))

    _, held = fleet.scheduler.paced([Due(fleet.jobs[1], Command("ReInitDisk", "d-1"), seen)], fleet.at)

    assert sorted(each.job.position for each in held) == list(range(1, 30))


def test_a_job_that_is_asked_alone_takes_a_call_of_its_own() -> None:
    """A probe is one call: of jobs that share no call only one goes."""
    fleet = many(10)
    throttle(fleet, "StopInstance")
    fleet.at += 60.0
    for job in fleet.jobs:
        job.alone = True

    assert parted(fleet, "StopInstance") == (1, 9)


def test_calls_that_come_too_late_make_batches_smaller() -> None:
    """As many calls are prepared by one recheck as can be made while it is fresh, within bounds."""
    fleet = many(3)
    wiped = fleet.jobs[:1]
    most = fleet.scheduler.most
    fleet.scheduler.called(wiped, "ReInitDisk", fleet.at, made=False)
    assert fleet.scheduler.most == most - 1

    for _ in range(most):
        fleet.scheduler.called(wiped, "ReInitDisk", fleet.at, made=False)
    assert 1 <= fleet.scheduler.most <= 8
    for _ in range(most):
        fleet.scheduler.called(wiped, "ReInitDisk", fleet.at, made=True)
    assert fleet.scheduler.most == most

    fleet.scheduler.called(fleet.jobs[:1], "StopInstance", fleet.at, made=False)
    assert fleet.scheduler.most == most, "a batch of stops is one call"


# --------------------------------------------------------------------------------- whole fleets over simulated time


@dataclass
class Machine:
    """One machine of a simulated fleet: what it does, and what goes wrong with it."""

    disks: int = 1
    stops: float = 12.0
    wipes: float = 16.0
    starts: float = 14.0
    snapshot_until: float = 0.0
    trouble: str = "none"
    answers_after: float = 0.0
    """Seconds until the answer of each call comes."""
    status: str = "Running"
    due: float = math.inf
    wiping: dict[str, float] = field(default_factory=dict)
    wiped: list[str] = field(default_factory=list)
    held_for: float = 0.0

    def pass_time(self, now: float) -> None:
        """Finish what is due."""
        if self.due <= now:
            self.status = {"Stopping": "Stopped", "Starting": "Running"}[self.status]
            self.due = math.inf
        self.wiping = {disk: due for disk, due in self.wiping.items() if due > now}

    def do(self, send: Command, now: float) -> str:
        """Do a call as ECS would."""
        if send.action == "ReInitDisk":
            if self.trouble == "wipe refused":
                return "OperationDenied"
            self.wiping[send.subject] = now + self.wipes
            self.wiped.append(send.subject)
            return "lost" if self.trouble == "wipe lost" else "OK"
        if send.action == "StopInstance":
            if self.trouble == "stop refused":
                return "Forbidden.RAM"
            self.status, self.due = "Stopping", now + self.stops
            return "OK"
        self.status, self.due = "Starting", now + self.starts
        return "OK"


class SimulatedFleet:
    """The loop of a run over its scheduler, without network or real time; it asserts the rules on every tick."""

    def __init__(
        self, machines: list[Machine], share: float = 1.0, *, leave: int | None = None, **rollout: Any
    ) -> None:
        self.at = 1020.0
        self.machines = machines
        self.leave = leave
        """How many wipes others leave of each minute of the quota; ``None`` where nobody else uses it."""
        self.used: dict[float, int] = defaultdict(int)
        self.throttled = False
        self.limits = RateLimiter(share)
        limits = Limits(stop=120.0, snapshot=300.0, reinit=480.0, start=90.0, retry=120.0)
        self.jobs = [a_job(n, machine.disks, limits=limits) for n, machine in enumerate(machines)]
        self.rollout = Rollout(**rollout)
        self.scheduler = Scheduler(self.rollout, self.jobs, self.limits)
        self.sent: list[tuple[float, Command]] = []
        self.answers: list[tuple[float, int, Command, str]] = []
        self.observed = 0

    def observe(self, number: int, *, whole: bool = False) -> Observation:
        """Show of one machine and its disks what is needed next, or the whole."""
        machine, job, now = self.machines[number], self.jobs[number], self.at
        need = needs(job.state)
        instance_requested, disks_requested = whole or need.instance, whole or need.disks
        names = [wipe.disk_id for wipe in job.state.disks]
        growing = (values.a_snapshot(status="progressing"),) if machine.snapshot_until > now else ()
        instance_id = job.state.instance_id
        disks = {
            name: values.a_disk(
                disk_id=name, instance_id=instance_id, status="ReIniting" if name in machine.wiping else "In_use"
            )
            for name in names
        }
        return Observation(
            at=now, when=values.NOW, date=values.NOW, answered=True,
            progressing=growing if not job.state.touched else (),
            instance=values.an_instance(instance_id=instance_id, status=machine.status) if instance_requested else None,
            disks=disks if disks_requested else {}, instance_requested=instance_requested,
            disks_requested=disks_requested, disks_answered=disks_requested,
        )  # fmt: skip

    def tick(self) -> None:
        """Let one tick pass."""
        self.at += TICK_LENGTH
        now = self.at
        for machine in self.machines:
            machine.pass_time(now)
        self._hear(now)
        self.scheduler.admit(now, values.NOW)
        closed = self.scheduler.closed
        for job in self.scheduler.untouched() if closed else ():
            self._apply(job, Failed(Failure(None, f"Not begun: {closed}")))
            if not job.begun:
                job.end()
        assert sum(job.begun and not job.ended for job in self.jobs) <= self.rollout.max_parallel
        due = self.scheduler.due(now)
        self.observed += len(due)
        self._check_polling(due, now)
        decided = []
        for job in due:
            seen = self.observe(job.position)
            self._apply(job, Observed(seen))
            action = decide(job.state, seen)
            self.scheduler.observed(job, seen, action)
            if isinstance(action, Command) and job.call is None:
                decided.append(Due(job, action, seen))
            elif not isinstance(action, (Command, Wait)) and job.call is None:
                job.end()
        let, held = self.scheduler.paced(decided, now)
        for each in held:
            self.machines[each.job.position].held_for += TICK_LENGTH
        for each in let:
            seen = self.observe(each.job.position, whole=True)  # the recheck
            self._apply(each.job, Observed(seen))
            if decide(each.job.state, seen) == each.command:
                self._call(each, seen, now)

    def _apply(self, job: Job, event: Event) -> None:
        job.state = evolve(job.state, event)

    def _call(self, due: Due, seen: Observation, now: float) -> None:
        job, machine = due.job, self.machines[due.job.position]
        self._apply(job, Intended(due.command, seen))
        self.sent.append((now, due.command))
        send([job], due.command, len(self.sent))
        code = "Throttling.User" if self._is_throttled(due.command, now) else machine.do(due.command, now)
        if due.command.action == "StopInstance":
            self._check_room(now)
        self.answers.append((now + machine.answers_after, job.position, due.command, code))

    def _is_throttled(self, command: Command, now: float) -> bool:
        if command.action != "ReInitDisk" or self.leave is None:
            return False
        self.used[now // 60] += 1
        return self.used[now // 60] > self.leave

    def _check_room(self, now: float) -> None:
        """Once ECS has throttled, the machines that are down have no more wipes to come than it was seen to take."""
        down = [
            job for job in self.jobs if job.begun and not job.ended and job.state.stop.state not in ("none", "again")
        ]
        to_come = sum(wipe.state in ("todo", "asked") for job in down for wipe in job.state.disks)
        if self.throttled and len(down) > 1:
            assert to_come <= self.limits.quota("ReInitDisk", now), "stopped without room for its wipes"

    def _hear(self, now: float) -> None:
        for answer in [each for each in self.answers if each[0] <= now]:
            self.answers.remove(answer)
            _, number, command, code = answer
            job = self.jobs[number]
            name = f"{command.action}s" if command.action != "ReInitDisk" else command.action
            self.limits.record(name, code, now)
            again = now + 3.0 if code == "Throttling.User" else None
            self.throttled = self.throttled or again is not None
            event: Event = CallRefused(command, Failure(code, code), now, values.NOW, again)
            if code in ("OK", "lost"):
                event = CallAccepted(command, now) if code == "OK" else CallUnanswered(command, now)
            self._apply(job, event)
            job.call = job.command = None
            self.scheduler.called([job], command.action, now, made=True)

    def _check_polling(self, due: list[Job], now: float) -> None:
        for job in self.jobs:
            if job.begun and not job.ended and job.observed_at is not None and job not in due:
                doubt = outstanding(job.state) or any(wipe.losses and wipe.state != "done" for wipe in job.state.disks)
                stop, start, wipes = job.state.stop, job.state.start, {wipe.state for wipe in job.state.disks}
                at_work = "accepted" in (stop.state, start.state) or "accepted" in wipes
                most = 8.0 if doubt else 92.0 if start.state == "accepted" else 47.0 if at_work else 18.0
                assert now - job.observed_at < most, f"{job.position} was not observed: {job.state}"

    def run(self, most: float = 6_000.0) -> None:
        """Go on until all have ended."""
        while any(not job.ended for job in self.jobs):
            self.tick()
            assert self.at < 1020.0 + most, f"not ended: {[job.position for job in self.jobs if not job.ended]}"

    def wipes(self) -> list[float]:
        """List when wipes were sent."""
        return [at for at, send in self.sent if send.action == "ReInitDisk"]


TROUBLES = ("none", "none", "none", "none", "wipe refused", "wipe lost", "stop refused")
machines = st.builds(
    Machine,
    disks=st.sampled_from((1, 1, 1, 2, 3, 7)),
    stops=st.sampled_from((4.0, 12.0, 12.0, 30.0)),
    wipes=st.sampled_from((6.0, 16.0, 40.0)),
    starts=st.sampled_from((6.0, 14.0)),
    snapshot_until=st.sampled_from((0.0, 0.0, 0.0, 1100.0)),
    trouble=st.sampled_from(TROUBLES),
    answers_after=st.sampled_from((0.0, 0.0, 4.0)),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(machines, min_size=1, max_size=45), st.integers(1, 40), st.sampled_from((1.0, 0.6)), st.integers(0, 3))
def test_a_fleet_comes_to_its_end_and_keeps_every_rule(
    fleet: list[Machine], parallel: int, share: float, canary: int
) -> None:
    """Nobody starves, no more are down than may be, no wipe is over the quota, and everybody is observed in time."""
    simulated = SimulatedFleet(fleet, share, max_parallel=parallel, canary=canary)
    simulated.run()
    sent = simulated.wipes()
    most = simulated.limits.most("ReInitDisk")

    assert all(sum(start <= at < start + 60.0 for at in sent) <= most for start in sent)
    for machine, job in zip(simulated.machines, simulated.jobs, strict=True):
        assert len(machine.wiped) == len(set(machine.wiped)), "wiped twice"
        never = job.state.error is not None and job.state.error.message.startswith("Not begun")
        if machine.trouble == "none" and not never:
            assert job.outcome == "done", job.state
        assert machine.status == ("Stopped" if job.outcome == "unknown" else "Running")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from((1, 1, 2, 3)), min_size=1, max_size=40), st.sampled_from((10.0, 12.0, 30.0)))
def test_no_machine_waits_down_for_the_quota(disks: list[int], stops: float) -> None:
    """Where nobody else uses the quota, a machine is held no longer than it was stopped ahead, and a tick a call."""
    fleet = SimulatedFleet([Machine(count, stops=stops) for count in disks], canary=0)
    fleet.run()

    for machine in fleet.machines:
        assert machine.held_for <= 1.5 + TICK_LENGTH * (1 + machine.disks), "1.5 s is how far ahead it is stopped"
    assert [job.outcome for job in fleet.jobs] == ["done"] * len(disks)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from((1, 1, 1, 2, 3)), min_size=1, max_size=40),
    st.integers(1, 6),
    st.integers(1, 12),
    st.sampled_from((4.0, 12.0, 30.0)),
)
def test_no_more_is_stopped_than_the_quota_that_was_seen(
    monkeypatch: pytest.MonkeyPatch, disks: list[int], leave: int, parallel: int, stops: float
) -> None:
    """Where others use the quota, the machines that are down have no more wipes to come than ECS was seen to take."""
    monkeypatch.setitem(rate_limits.LIMITS, "ReInitDisk", 500)
    fleet = [Machine(count, stops=stops) for count in disks]
    simulated = SimulatedFleet(fleet, leave=leave, canary=1, max_parallel=parallel)
    for job in simulated.jobs:
        job.state = replace(job.state, limits=replace(job.state.limits, stop=3600.0, reinit=3600.0, retry=3600.0))
    simulated.run(20_000.0)

    assert [job.outcome for job in simulated.jobs] == ["done"] * len(disks)


def test_scouts_save_observations(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a fleet of hundreds a job is observed a few times, and not on every tick it is open for."""
    monkeypatch.setitem(rate_limits.LIMITS, "ReInitDisk", 500)
    machines = [Machine(stops=30.0, wipes=60.0, starts=46.0) for _ in range(200)]
    fleet = SimulatedFleet(machines, canary=0, max_parallel=200)
    fleet.run()

    assert fleet.observed / 200 < 14, "136 seconds are 68 ticks"


def alone(machine: Machine, **usual: float) -> SimulatedFleet:
    """Return a fleet of one machine that has come to its end, where it was known how long things take."""
    fleet = SimulatedFleet([machine], canary=0)
    fleet.scheduler = Scheduler(fleet.rollout, fleet.jobs, fleet.limits, usual)
    (job,) = fleet.jobs
    job.state = replace(job.state, limits=replace(job.state.limits, stop=600.0, reinit=600.0, start=600.0))
    fleet.run()
    return fleet


def at_scale(scale: float, **usual: float) -> tuple[float, float]:
    """Return what runs of one machine cost on average: observations, and the downtime by what ECS took.

    A stop, a wipe and a start take 30, 60 and 45 seconds by that scale, each half as long up to half as long again.
    """
    observed, ratios = [], []
    for number in range(30):
        stops, wipes, starts = (
            scale * seconds * (0.5 + number * step % 30 / 29) for seconds, step in ((30, 1), (60, 7), (45, 11))
        )
        fleet = alone(Machine(stops=stops, wipes=wipes, starts=starts), **usual)
        at = {command.action: at for at, command in fleet.sent}
        observed.append(fleet.observed)
        ratios.append((at["StartInstance"] - at["StopInstance"] + starts) / (stops + wipes + starts))
    return statistics.mean(observed), statistics.mean(ratios)


USUAL = {"stop": 20.0, "reinit": 40.0, "start": 30.0}
"""The shortest times of a few runs at that scale."""


@pytest.mark.parametrize(("scale", "calls", "downtime"), [(0.3, 18, 1.14), (1.0, 25, 1.10), (4.0, 33, 1.08)])
def test_a_machine_that_is_alone_is_observed_seldom_whatever_ecs_takes(
    scale: float, calls: float, downtime: float
) -> None:
    """The interval grows with the downtime, and what it adds to that stays the same part of it."""
    observed, ratio = at_scale(scale)

    assert observed < calls
    assert ratio < downtime


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_what_earlier_runs_took_is_used_by_the_next(scale: float) -> None:
    """Where it is known how long things take, a machine is down for less time, and observed hardly more often."""
    usual = {phase: scale * seconds for phase, seconds in USUAL.items()}
    (calls, downtime), (calls_before, downtime_before) = at_scale(scale, **usual), at_scale(scale)

    assert downtime < downtime_before
    assert calls < calls_before + 2.0


@pytest.mark.parametrize("scale", [0.3, 4.0])
def test_what_earlier_runs_took_at_another_speed_costs_little(scale: float) -> None:
    """The stop of this run shows by how much slower or faster all is now; nothing relies on what was before."""
    (calls, downtime), (calls_before, downtime_before) = at_scale(scale, **USUAL), at_scale(scale)

    assert downtime < downtime_before + 0.02
    assert calls < calls_before + 3.0


def test_a_fleet_needs_no_scouts_where_it_is_known_how_long_things_take() -> None:
    """Each machine is observed when its time has come."""
    usual = {"stop": 30.0, "reinit": 60.0, "start": 46.0}
    fleet = many(60)
    fleet.scheduler = Scheduler(Rollout(canary=0), fleet.jobs, fleet.limits, usual)
    fleet.begin(*range(60))
    fleet.at += 29.0
    assert fleet.due() == []
    fleet.at += 1.0
    assert len(fleet.due()) == 60
