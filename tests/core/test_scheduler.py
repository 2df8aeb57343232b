"""Who begins, who is looked at, and how many calls are made: by examples, and by fleets over simulated time."""

from __future__ import annotations

import math
import random
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safe_reinit.act import Attempt
from safe_reinit.decide import decide
from safe_reinit.gate import Gate, Job
from safe_reinit.second_look import Errand

from safe_reinit import pace as pacing
from safe_reinit import record
from safe_reinit.core.rate_limits import Pace
from safe_reinit.model import (
    Call,
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
from tests.cloudlike import TinyClock

TICK = 2.0
QUOTA = 5
"""Wipes in 60 seconds, in these tests."""


@pytest.fixture(autouse=True)
def _few_wipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the quota be small, so that a small fleet uses it up."""
    monkeypatch.setitem(pacing.LIMITS, "ReInitDisk", QUOTA)


def a_job(position: int, disks: int = 1, power: str = "Running", limits: Limits | None = None) -> Job:
    """Give the job of one instance, of which nothing was done."""
    planned = tuple(PlannedDisk(f"d-{position}-{number}") for number in range(disks))
    job = PlannedJob(
        f"i-{position}", "", power, "Running", will_stop=power == "Running", will_start=True, disks=planned
    )
    return Job(position, job, record.begin(job, limits or Limits(), leave_stopped=False))


class Fleet:
    """A gate with so many jobs, on a clock that stands still."""

    def __init__(self, *disks: int, share: float = 1.0, **rollout: Any) -> None:
        self.clock = TinyClock()
        self.clock.at = 1020.0
        self.pace = Pace(self.clock, share)
        self.jobs = [a_job(position, count) for position, count in enumerate(disks)]
        self.asked: list[str] = []
        self.answer = True
        self.gate = Gate(Rollout(**{"canary": 0, **rollout}), self.jobs, self.clock, self.pace, self._ask)

    def _ask(self, said: str) -> bool:
        self.asked.append(said)
        return self.answer

    @property
    def begun(self) -> list[int]:
        """The positions of the jobs that have begun."""
        return [job.position for job in self.jobs if job.begun]

    def begin(self, *positions: int) -> None:
        """Let just these jobs have begun, whatever there is room for."""
        for job in self.jobs:
            job.begun = job.position in positions
        self.gate._live = [job for job in self.jobs if job.begun]
        self.gate._to_begin = deque(job for job in self.jobs if not job.begun)

    def end(self, *positions: int, ok: bool = True) -> None:
        """Let jobs end; what they wiped took its places in the quota."""
        for position in positions:
            job = self.jobs[position]
            state: Any = "done" if ok else "refused"
            wipes = tuple(replace(wipe, state=state, tries=1) for wipe in job.record.disks)
            job.record = replace(job.record, disks=wipes, instance_status="Running", stop=Step("done", tries=1))
            job.end()
            for wipe in wipes:
                self.pace.saw(Call(values.NOW, "ReInitDisk", (wipe.disk_id,), False, 200, "R", "OK"))

    def stop(self, *positions: int) -> None:
        """Let the machines of jobs be stopped by this run."""
        for position in positions:
            job = self.jobs[position]
            done = Step("done", tries=1, first_at=self.clock.at, at=self.clock.at)
            job.record = replace(job.record, stop=done, instance_status="Stopped")


# -------------------------------------------------------------------------------------------------- who begins


def test_at_most_so_many_machines_are_down_at_once() -> None:
    """Another job begins only when one has ended, however many wait."""
    fleet = Fleet(1, 1, 1, 1, max_parallel=2)
    fleet.gate.open()
    assert fleet.begun == [0, 1]

    fleet.gate.open()
    assert fleet.begun == [0, 1]

    fleet.end(0)
    fleet.gate.open()
    assert fleet.begun == [0, 1, 2]


def test_no_job_begins_without_a_slot_for_each_of_its_wipes() -> None:
    """What has begun is promised its wipes: the next job waits while the quota has no room for all of its disks."""
    fleet = Fleet(2, 2, 2, 1)
    fleet.gate.open()
    assert fleet.begun == [0, 1], "a third would have 6 wipes of 5, and nobody goes before it"

    fleet.end(0)
    fleet.gate.open()
    assert fleet.begun == [0, 1], "what is wiped holds its places for a minute"

    fleet.clock.at += 61.0
    fleet.gate.open()
    assert fleet.begun == [0, 1, 2, 3]


def test_a_job_that_never_fits_begins_alone() -> None:
    """More disks than the quota has in a minute: such a job waits until no machine is down, and others wait for it."""
    fleet = Fleet(1, QUOTA + 2, 1)
    fleet.gate.open()
    assert fleet.begun == [0]

    fleet.end(0)
    fleet.gate.open()
    assert fleet.begun == [0, 1]


def test_a_job_that_fits_waits_for_its_room_and_is_not_overtaken() -> None:
    """A job of many disks is not starved by small ones behind it."""
    fleet = Fleet(1, QUOTA, 1)
    fleet.gate.open()
    assert fleet.begun == [0]

    fleet.end(0)
    fleet.gate.open()
    assert fleet.begun == [0]

    fleet.clock.at += 61.0
    fleet.gate.open()
    assert fleet.begun == [0, 1]


def test_a_job_that_turned_back_gives_its_slots_back() -> None:
    """Where no wipe will come any more, nobody waits for its place."""
    fleet = Fleet(QUOTA, QUOTA)
    fleet.gate.open()
    fleet.stop(0)
    fleet.jobs[0].record = record.fail(fleet.jobs[0].record, Failure(None, "It failed."))
    fleet.gate.open()

    assert fleet.begun == [0, 1]


def test_a_rollback_needs_no_slot() -> None:
    """ResetDisk has no documented quota: an undo begins as many as may be down."""
    fleet = Fleet(*[2] * 8)
    for job in fleet.jobs:
        wipes = tuple(replace(wipe, snapshot_id="s-1") for wipe in job.record.disks)
        job.record = replace(job.record, disks=wipes)
    fleet.gate.open()

    assert len(fleet.begun) == 8


def test_a_job_of_two_disks_begins_after_throttling_though_nobody_probes() -> None:
    """The last answer was Throttling and everybody has ended: the quota is not closed for ever."""
    fleet = Fleet(1, 2)
    fleet.gate.open()
    fleet.end(0)
    fleet.pace.saw(Call(values.NOW, "ReInitDisk", ("d",), False, 400, "R", "Throttling.User"))
    fleet.begin(0)
    for _ in range(100):
        fleet.clock.at += TICK
        fleet.gate.open()

    assert fleet.begun == [0, 1]


def test_the_time_a_stop_takes_lets_machines_be_stopped_ahead() -> None:
    """Once it is known how long a stop takes, a machine is stopped so that its wipe is ready when its slot is free."""
    fleet = Fleet(QUOTA, QUOTA)
    fleet.gate.open()
    fleet.end(0)
    fleet.gate._usual["stop"] = 21.0
    fleet.clock.at += 29.0
    fleet.gate.open()
    assert fleet.begun == [0]

    fleet.clock.at += 2.0
    fleet.gate.open()
    assert fleet.begun == [0, 1]


def test_machines_of_a_fleet_gather_to_be_stopped_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the quota lets a few more through on each tick, they begin some seconds apart, many at a time."""
    monkeypatch.setitem(pacing.LIMITS, "ReInitDisk", 30)
    fleet = Fleet(*[1] * 60)
    fleet.gate.open()
    assert len(fleet.begun) == 30

    fleet.clock.at += 61.0
    fleet.end(*range(4))
    fleet.gate.open()
    assert len(fleet.begun) == 30, "those four took their places anew"
    fleet.clock.at += 61.0
    fleet.end(*range(4, 9))
    begun = []
    for ended in range(9, 12):
        fleet.gate.open()
        begun.append(len(fleet.begun))
        fleet.clock.at += TICK
        fleet.jobs[ended].end()
    assert begun == [34, 34, 34]
    fleet.gate.open()
    assert len(fleet.begun) == 37


def test_a_run_that_goes_on_has_begun_what_it_tried() -> None:
    """On resume a job with a call is open at once, one without waits for its turn, and an ended one is not counted."""
    jobs = [a_job(position) for position in range(4)]
    jobs[0].record = record.intend(jobs[0].record, Command("StopInstance", "i-0"), values.an_observation())
    jobs[1].end()
    gate = Gate(Rollout(canary=0, max_parallel=1), jobs, TinyClock(), Pace(TinyClock()), lambda _: True)

    assert [job.begun for job in jobs] == [True, False, False, False]
    gate.open()
    assert [job.begun for job in jobs] == [True, False, False, False]


# ----------------------------------------------------------------------------------------- stages, and who is asked


def test_after_the_canary_somebody_is_asked_once() -> None:
    """``--pause canary`` asks when the canary is done, says how it went, and not again after waves."""
    fleet = Fleet(*[1] * 6, canary=1, waves=((2, False),), pause="canary", share=1.0)
    fleet.gate.open()
    assert (fleet.begun, fleet.asked) == ([0], [])

    fleet.end(0)
    fleet.clock.at += 61.0
    fleet.gate.open()
    assert fleet.begun == [0, 1, 2]
    assert fleet.asked == ["1 of 6 jobs have ended, 1 of them done."]

    fleet.end(1, 2)
    fleet.clock.at += 61.0
    fleet.gate.open()
    assert fleet.begun == [0, 1, 2, 3, 4]
    assert len(fleet.asked) == 1


def test_after_each_wave_somebody_is_asked() -> None:
    """``--pause wave`` asks after the canary and each wave, once each."""
    fleet = Fleet(*[1] * 5, canary=1, waves=((2, False),), pause="wave")
    for ends in ((0,), (1, 2), (3, 4)):
        fleet.gate.open()
        fleet.gate.open()
        fleet.end(*ends)
        fleet.clock.at += 61.0
    fleet.gate.open()

    assert fleet.asked == ["1 of 5 jobs have ended, 1 of them done.", "3 of 5 jobs have ended, 3 of them done."]


@pytest.mark.parametrize("pause", ["canary", "wave"])
def test_who_says_no_ends_it(pause: Any) -> None:
    """Nothing more begins, also later, and why is told."""
    fleet = Fleet(*[1] * 4, canary=1, pause=pause)
    fleet.gate.open()
    fleet.end(0)
    fleet.answer = False

    assert "nobody agreed" in fleet.gate.open()
    fleet.answer = True
    assert "nobody agreed" in fleet.gate.open()
    assert fleet.begun == [0]


@pytest.mark.parametrize("pause", ["none", "canary"])
def test_nobody_is_asked_where_nothing_was_to_be_waited_for(pause: Any) -> None:
    """Without a canary there is no question after it, whatever wave has ended."""
    fleet = Fleet(*[1] * 4, canary=0, waves=((2, False),), pause=pause)
    fleet.gate.open()
    fleet.end(0, 1)
    fleet.clock.at += 61.0
    fleet.gate.open()

    assert fleet.asked == []
    assert fleet.begun == [0, 1, 2, 3]


def test_nobody_is_asked_while_a_machine_is_down() -> None:
    """A resumed run brings back what is down before it waits for a person's answer."""
    fleet = Fleet(*[1] * 6, canary=1, waves=((2, False),), pause="wave")
    fleet.end(0, 1, 2)
    fleet.stop(3)
    fleet.begin(3)
    fleet.clock.at += 61.0
    fleet.gate.open()
    assert (fleet.asked, fleet.begun) == ([], [3])

    fleet.end(3)
    fleet.clock.at += 61.0
    fleet.gate.open()
    assert fleet.asked == ["4 of 6 jobs have ended, 4 of them done."]
    assert fleet.begun == [3, 4]


def test_a_failure_counts_before_its_machine_is_back() -> None:
    """A job that has turned back closes the run at once where it is one too many; what is untouched never begins."""
    fleet = Fleet(1, 1, 1, stop_after_failures=1, max_parallel=2)
    fleet.gate.open()
    fleet.stop(0)
    fleet.jobs[0].record = record.fail(fleet.jobs[0].record, Failure(None, "It failed."))

    assert "--stop-after-failures 1" in fleet.gate.open()
    assert [job.position for job in fleet.gate.ahead()] == [1, 2], "the second has begun, and is not touched"


def test_a_deadline_is_heard_while_begun_jobs_wait() -> None:
    """No new stop begins after the deadline: also a job that has begun, and waits for its snapshot, is not stopped."""
    fleet = Fleet(1, 1, deadline=datetime.now(UTC) + timedelta(hours=1))
    assert fleet.gate.open() == ""
    assert fleet.begun == [0, 1]

    fleet.stop(0)
    fleet.gate._rollout = replace(fleet.gate._rollout, deadline=datetime.now(UTC))
    assert "deadline" in fleet.gate.open()
    assert [job.position for job in fleet.gate.ahead()] == [1]


# --------------------------------------------------------------------------------------------- who is looked at


def many(count: int = 30) -> Fleet:
    """Give a fleet too large to be looked at on every tick, all begun and waiting for their stop."""
    fleet = Fleet(*[1] * count, share=1.0)
    fleet.begin(*range(count))
    for job in fleet.jobs:
        job.record = replace(job.record, stop=Step("accepted", tries=1, first_at=1020.0, at=1020.0))
        job.waiting, job.looked_at = ("stop", 1020.0), 1020.0
    return fleet


def test_a_small_fleet_is_looked_at_on_every_tick() -> None:
    """Up to twenty open jobs are all looked at, whatever they wait for."""
    fleet = many(20)

    assert len(fleet.gate.due()) == 20


def test_while_a_duration_is_unknown_some_scouts_are_looked_at() -> None:
    """Twenty of each phase are looked at on every tick, the others now and then."""
    fleet = many(60)
    for job in fleet.jobs[30:]:
        job.waiting = ("reinit", 1020.0)
    fleet.clock.at += TICK
    due = [job.position for job in fleet.gate.due()]

    assert due == [*range(20), *range(30, 50)]


def test_what_ecs_is_at_work_on_is_looked_at_within_three_quarters_of_a_minute() -> None:
    """Whatever is expected of it, a job is looked at again: what goes wrong is seen."""
    fleet = many(60)
    fleet.gate._usual["stop"] = 500.0
    fleet.clock.at += 44.0
    assert fleet.gate.due() == []

    fleet.clock.at += 1.0
    assert len(fleet.gate.due()) == 60


def test_a_job_that_ecs_is_not_at_work_on_is_looked_at_within_eighteen_seconds() -> None:
    """A machine that is down and waits for us is looked at before the fence would break."""
    fleet = many(60)
    fleet.stop(*range(60))
    fleet.gate._usual["stop"] = 500.0
    fleet.clock.at += 14.0
    assert fleet.gate.due() == []

    fleet.clock.at += 2.0
    assert len(fleet.gate.due()) == 60


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
def test_what_is_in_doubt_is_looked_at_often_enough_for_the_fence(doubt: str, waiting: bool) -> None:
    """An outstanding or lost answer is looked at every few seconds, also while the call hangs on its thread."""
    fleet = many(60)
    fleet.gate._usual |= {"stop": 500.0, "reinit": 500.0}
    job = fleet.jobs[40]
    job.record = DOUBTS[doubt](job.record)
    if not waiting:
        job.waiting, job.call = None, Future()
    looks = []
    for _ in range(30):
        fleet.clock.at += TICK
        if job in fleet.gate.due():
            looks.append(fleet.clock.at)
            job.looked_at = fleet.clock.at

    assert max(b - a for a, b in zip([1020.0, *looks], looks, strict=False)) <= 8.0


def test_a_look_that_failed_is_repeated_on_the_next_tick() -> None:
    """A failed look is no look: the job stays due, and nothing is learnt from it."""
    fleet = many(60)
    fleet.gate._usual["stop"] = 500.0
    fleet.clock.at += 45.0
    for job in fleet.gate.due():
        fleet.gate.looked(job, Observation(fleet.clock.at, values.NOW, seen=False), Wait("stop", "a look", 1020.0, 600))
    fleet.clock.at += TICK

    assert len(fleet.gate.due()) == 60
    assert fleet.jobs[0].waiting == ("stop", 1020.0)


def test_the_shortest_time_seen_is_the_usual_one() -> None:
    """How long a phase takes is learnt from those who went on, and then each is looked at when its time has come."""
    fleet = many(60)
    wiping = Wait("reinit", "In_use", 1049.0, 1800)
    fleet.gate.looked(fleet.jobs[0], values.an_observation(1050.0), wiping)
    fleet.gate.looked(fleet.jobs[1], values.an_observation(1060.0), wiping)
    assert fleet.gate._usual == {"stop": 30.0}

    for job in fleet.jobs:
        job.looked_at = 1040.0
    fleet.jobs[2].waiting = ("stop", 1025.0)
    fleet.clock.at = 1050.0
    due = {job.position for job in fleet.gate.due()}
    assert due == set(range(60)) - {2}, "30 seconds, but for one that stops later; of wipes nothing is known yet"


@pytest.mark.parametrize("how", ["turned back", "not begun"])
def test_what_is_no_usual_time_is_not_learnt(how: str) -> None:
    """Neither a wait that ended in failure nor one that had not begun tells how long a phase takes."""
    fleet = many(60)
    job = fleet.jobs[0]
    if how == "turned back":
        job.record = record.fail(job.record, Failure(None, "It failed."))
    else:
        job.waiting = None
        fleet.gate.looked(job, values.an_observation(1022.0), Wait("stop", "the tag", 1022.0, 600))
    fleet.gate.looked(job, values.an_observation(1024.0), Wait("reinit", "In_use", 1023.0, 1800))

    assert fleet.gate._usual == {}


def test_a_call_that_was_made_is_looked_at_at_once() -> None:
    """What a call did is worth a look on the next tick, in a small fleet even before it; once, and then as usual."""
    fleet = many(60)
    fleet.gate._usual["stop"] = 500.0
    job = fleet.jobs[50]
    attempt = Attempt(job, Command("StartInstance", "i-50"), 1, 1020.0)
    fleet.gate.called([attempt], made=True)
    fleet.clock.at += TICK
    assert fleet.gate.due() == [job]

    fleet.gate.looked(job, values.an_observation(fleet.clock.at), Wait("start", "Running", 1020.0, 900))
    fleet.gate._usual = {"stop": 500.0, "start": 500.0}
    fleet.clock.at += TICK
    assert fleet.gate.due() == []


@pytest.mark.parametrize(("count", "hurry"), [(5, True), (60, False)])
def test_a_fleet_keeps_to_its_ticks(count: int, hurry: bool) -> None:
    """Only a few jobs are looked at as soon as a call has ended: of many each call would cost two looks."""
    fleet = many(count)
    fleet.gate.due()
    told = fleet.gate.called([Attempt(fleet.jobs[0], Command("StartInstance", "i-0"), 1, 1020.0)], made=True)

    assert (told, fleet.gate.in_a_hurry()) == (hurry, hurry)


# ---------------------------------------------------------------------------------------------- how many calls


def errands(fleet: Fleet, action: Any) -> list[Errand]:
    """Give a call for each job."""
    return [Errand(job, Command(action, f"x-{job.position}"), values.an_observation()) for job in fleet.jobs]


def parted(fleet: Fleet, action: Any) -> tuple[int, int]:
    """Count what may be called, and what is held back, of what was decided on a look at each."""
    for job in fleet.jobs:
        job.held = None
    let, held = fleet.gate.paced(errands(fleet, action))
    return len(let), len(held)


def throttle(fleet: Fleet, action: str) -> None:
    """Let a call be throttled."""
    fleet.pace.saw(Call(values.NOW, action, ("x",), False, 400, "R", "Throttling"))


def test_no_more_wipes_are_sent_than_the_quota_has() -> None:
    """The rest waits for the next ticks; those on their way count."""
    fleet = many(8)
    assert parted(fleet, "ReInitDisk") == (5, 3)

    for position in range(3):
        fleet.gate.calls([Errand(fleet.jobs[position], Command("ReInitDisk", "d"), values.an_observation())], Future())
    assert parted(fleet, "ReInitDisk") == (2, 6)


@pytest.mark.parametrize("throttled", ["StopInstance", "StopInstances"])
def test_a_throttled_stop_waits_and_then_goes_on_in_batches(throttled: str) -> None:
    """Nothing in the throttled minute; then one call as a probe, which stops as many as one call can."""
    fleet = many(110)
    throttle(fleet, throttled)
    assert parted(fleet, "StopInstance") == (0, 110)

    fleet.clock.at += 60.0
    assert parted(fleet, "StopInstance") == (100, 10)

    fleet.gate.calls(errands(fleet, "StopInstance")[:100], Future())
    assert parted(fleet, "StopInstance") == (0, 110), "one probe at a time"


def test_who_waits_for_the_quota_is_not_looked_at_but_called_when_there_is_a_slot() -> None:
    """A wipe that was held back is let through first, without a look but for the fence's sake and at the run's end."""
    fleet = many(30)
    fleet.stop(*range(30))
    for job in fleet.jobs:
        job.waiting = None
    assert parted(fleet, "ReInitDisk") == (QUOTA, 25)
    for job in fleet.jobs[:QUOTA]:  # on their way
        fleet.gate.calls([Errand(job, Command("ReInitDisk", "d"), values.an_observation())], Future())
    fleet.clock.at += TICK
    assert fleet.gate.due() == []
    assert [job.position for job in fleet.gate.due(ending=True)] == list(range(5, 30))

    for job in fleet.jobs[:2]:  # withdrawn: nobody called
        job.call = None
        job.end()
    let, held = fleet.gate.paced([])
    assert [errand.entry.position for errand in let] == [5, 6]
    assert len(held) == 23
    fleet.clock.at += 14.0
    assert [job.position for job in fleet.gate.due()] == list(range(2, 30))


def test_what_was_held_back_and_is_looked_at_is_decided_anew() -> None:
    """A look that finds something else to do takes the held call away, and one that decides it again adds no second."""
    fleet = many(30)
    fleet.stop(*range(30))
    throttle(fleet, "ReInitDisk")
    assert parted(fleet, "ReInitDisk") == (0, 30)
    seen = Observation(fleet.clock.at, values.NOW, seen=True)
    fleet.gate.looked(fleet.jobs[0], seen, Wait("reinit", "the next try", fleet.clock.at, 600))
    fleet.gate.looked(fleet.jobs[1], seen, Command("ReInitDisk", "d-1"))

    _, held = fleet.gate.paced([Errand(fleet.jobs[1], Command("ReInitDisk", "d-1"), seen)])

    assert sorted(errand.entry.position for errand in held) == list(range(1, 30))


def test_a_job_that_is_asked_alone_takes_a_call_of_its_own() -> None:
    """A probe is one call: of jobs that share no call only one goes."""
    fleet = many(10)
    throttle(fleet, "StopInstance")
    fleet.clock.at += 60.0
    for job in fleet.jobs:
        job.alone = True

    assert parted(fleet, "StopInstance") == (1, 9)


def test_calls_that_come_too_late_make_batches_smaller() -> None:
    """As many calls are prepared by one look as can be made while it is fresh, within bounds."""
    fleet = many(3)
    wipe = [Attempt(fleet.jobs[0], Command("ReInitDisk", "d-0"), 1, 1020.0)]
    most = fleet.gate.most
    fleet.gate.called(wipe, made=False)
    assert fleet.gate.most == most - 1

    for _ in range(100):
        fleet.gate.called(wipe, made=False)
    assert 1 <= fleet.gate.most <= 8
    for _ in range(100):
        fleet.gate.called(wipe, made=True)
    assert fleet.gate.most == most

    fleet.gate.called([Attempt(fleet.jobs[0], Command("StopInstance", "i-0"), 1, 1020.0)], made=False)
    assert fleet.gate.most == most, "a batch of stops is one call"


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
    """The loop of the runner over a gate, without threads, network or real time; it asserts the rules on every tick."""

    def __init__(self, machines: list[Machine], rng: random.Random, share: float = 1.0, **rollout: Any) -> None:
        self.clock = TinyClock()
        self.clock.at = 1020.0
        self.rng = rng
        self.machines = machines
        self.pace = Pace(self.clock, share)
        limits = Limits(stop=120.0, snapshot=300.0, reinit=120.0, start=90.0, retry=120.0)
        self.jobs = [a_job(n, machine.disks, limits=limits) for n, machine in enumerate(machines)]
        self.rollout = Rollout(**rollout)
        self.gate = Gate(self.rollout, self.jobs, self.clock, self.pace, lambda _: True)
        self.sent: list[tuple[float, Command]] = []
        self.answers: list[tuple[float, int, Command, str, Future[None]]] = []

    def look(self, number: int) -> Observation:
        """Show one machine and its disks."""
        machine, job, now = self.machines[number], self.jobs[number], self.clock.at
        names = [wipe.disk_id for wipe in job.record.disks]
        growing = (values.a_snapshot(status="progressing"),) if machine.snapshot_until > now else ()
        instance_id = job.record.instance_id
        return Observation(
            at=now, when=values.NOW, date=values.NOW, seen=True, progressing=growing if not job.record.touched else (),
            instance=values.an_instance(instance_id=instance_id, status=machine.status),
            disks={
                name: values.a_disk(
                    disk_id=name, instance_id=instance_id, status="ReIniting" if name in machine.wiping else "In_use"
                )
                for name in names
            },
        )  # fmt: skip

    def tick(self) -> None:
        """Let one tick pass."""
        self.clock.at += TICK
        now = self.clock.at
        for machine in self.machines:
            machine.pass_time(now)
        self._hear(now)
        closed = self.gate.open()
        for job in self.gate.ahead() if closed else ():
            job.record = record.fail(job.record, Failure(None, f"Not begun: {closed}"))
            if not job.begun:
                job.end()
        assert sum(job.begun and not job.ended for job in self.jobs) <= self.rollout.max_parallel
        due = self.gate.due()
        self._check_looks(due, now)
        wanted = []
        for job in due:
            seen = self.look(job.position)
            job.record = record.learn(job.record, seen)
            action = decide(job.record, seen)
            self.gate.looked(job, seen, action)
            if isinstance(action, Command) and job.call is None:
                wanted.append(Errand(job, action, seen))
            elif not isinstance(action, (Command, Wait)) and job.call is None:
                job.end()
        let, held = self.gate.paced(wanted)
        for errand in held:
            self.machines[errand.entry.position].held_for += TICK
        for errand in let:
            seen = self.look(errand.entry.position)  # the look before the call
            errand.entry.record = record.learn(errand.entry.record, seen)
            if decide(errand.entry.record, seen) == errand.send:
                self._call(errand, seen, now)

    def _call(self, errand: Errand, seen: Observation, now: float) -> None:
        job, machine = self.jobs[errand.entry.position], self.machines[errand.entry.position]
        job.record = record.intend(job.record, errand.send, seen)
        call: Future[None] = Future()
        self.gate.calls([errand], call)
        self.sent.append((now, errand.send))
        code = machine.do(errand.send, now)
        self.answers.append((now + machine.answers_after, job.position, errand.send, code, call))

    def _hear(self, now: float) -> None:
        for answer in [each for each in self.answers if each[0] <= now]:
            self.answers.remove(answer)
            _, number, send, code, call = answer
            job = self.jobs[number]
            name = f"{send.action}s" if send.action != "ReInitDisk" else send.action
            self.pace.saw(Call(values.NOW, name, (send.subject,), False, 200, "R", code))
            if code == "OK":
                job.record = record.accepted(job.record, send, now)
            elif code == "lost":
                job.record = record.lost(job.record, send, now)
            else:
                job.record = record.refused(job.record, send, Failure(code, code), now, values.NOW, None)
            call.set_result(None)
            self.gate.called([Attempt(job, send, 1, now)], made=True)

    def _check_looks(self, due: list[Job], now: float) -> None:
        for job in self.jobs:
            if job.begun and not job.ended and job.looked_at is not None and job not in due:
                doubt = record.outstanding(job.record) or any(wipe.losses for wipe in job.record.disks)
                stop, start, wipes = job.record.stop, job.record.start, {wipe.state for wipe in job.record.disks}
                at_work = "accepted" in (stop.state, start.state) or "accepted" in wipes
                most = 8.0 if doubt else 47.0 if at_work else 18.0
                assert now - job.looked_at < most, f"{job.position} was not looked at: {job.record}"

    def run(self, most: float = 6_000.0) -> None:
        """Go on until all have ended."""
        while any(not job.ended for job in self.jobs):
            self.tick()
            assert self.clock.at < 1020.0 + most, f"not ended: {[job.position for job in self.jobs if not job.ended]}"

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


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(st.lists(machines, min_size=1, max_size=45), st.integers(1, 40), st.sampled_from((1.0, 0.6)), st.integers(0, 3))
def test_a_fleet_comes_to_its_end_and_keeps_every_rule(
    fleet: list[Machine], parallel: int, share: float, canary: int
) -> None:
    """Nobody starves, no more are down than may be, no wipe is over the quota, and everybody is looked at in time."""
    simulated = SimulatedFleet(fleet, random.Random(0), share, max_parallel=parallel, canary=canary)
    simulated.run()
    sent = simulated.wipes()
    most = simulated.pace.most("ReInitDisk")

    assert all(sum(start <= at < start + 60.0 for at in sent) <= most for start in sent)
    for machine, job in zip(simulated.machines, simulated.jobs, strict=True):
        assert len(machine.wiped) == len(set(machine.wiped)), "wiped twice"
        never = job.record.error is not None and job.record.error.message.startswith("Not begun")
        if machine.trouble == "none" and not never:
            assert job.outcome == "done", job.record
        assert machine.status == ("Stopped" if job.outcome == "unknown" else "Running")


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from((1, 1, 2, 3)), min_size=1, max_size=40), st.sampled_from((10.0, 12.0, 30.0)))
def test_no_machine_waits_down_for_the_quota(disks: list[int], stops: float) -> None:
    """Where nobody else uses the quota, a machine is held no longer than it was stopped ahead, and a tick a call."""
    fleet = SimulatedFleet([Machine(count, stops=stops) for count in disks], random.Random(0), canary=0)
    fleet.run()

    for machine in fleet.machines:
        assert machine.held_for <= 9.0 + TICK * (1 + machine.disks), "9 s is how far ahead it is stopped"
    assert [job.outcome for job in fleet.jobs] == ["done"] * len(disks)


def test_scouts_save_looks() -> None:
    """In a fleet of hundreds a job is looked at a few times, and not on every tick it is open for."""
    fleet = SimulatedFleet([Machine(stops=30.0, wipes=60.0, starts=46.0) for _ in range(200)], random.Random(0),
                           canary=0, max_parallel=200)  # fmt: skip
    pacing.LIMITS["ReInitDisk"] = 500
    looks = 0
    due = fleet.gate.due

    def counted(**ending: bool) -> list[Job]:
        nonlocal looks
        found = due(**ending)
        looks += len(found)
        return found

    fleet.gate.due = counted  # type: ignore[method-assign]
    fleet.run()

    assert looks / 200 < 14, "136 seconds are 68 ticks"
