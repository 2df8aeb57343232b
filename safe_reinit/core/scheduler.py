"""Which jobs begin, which are observed now, and how many calls are made: what a fleet needs beyond one machine.

Observations are most of what a fleet costs. While it is unknown how long something takes, a few jobs are observed on
every tick, and the others only often enough to notice problems; after that, each is observed when its time has come.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ..model import Action, ActionName, InUse, Measurement, Observation, Rollout, Room, Wait
from .decide import waiting
from .jobs import (
    MIN_TICK_INTERVAL,
    Due,
    Job,
    expected_at,
    is_expected,
    is_to_watch,
    is_up,
    must_be_observed,
)
from .polling import TICK_INTERVAL, first_at, next_at, waits_for
from .rate_limits import RateLimiter
from .waves import NOT_CONFIRMED, pauses_after, question, release

FOR_MANY: tuple[ActionName, ...] = ("StopInstance", "StartInstance")
"""The actions for which ECS has one call for many instances (StopInstances, StartInstances)."""
BATCH: Mapping[ActionName, int] = dict.fromkeys(FOR_MANY, 100)
"""Instances in one such call."""
_SMALL_RUN_LIMIT = 20
"""Up to this many open jobs are each observed at their own interval."""
_MAX_BATCH = 500
"""Maximum calls in a batch: this many can usually be made while the recheck before them is recent."""
_MIN_BATCH = 8
"""The same if calls come too late: as many as are made at once."""
_FULL_CALL = 100
"""Jobs that one call describes: a fleet observes them as soon as this many are expected to have progressed."""
_UNTIL_THE_WIPE = 1.5
"""Cloud seconds from seeing a machine Stopped to its wipe: for the recheck and the call."""
_GATHERING_TIME = 5.0
"""Cloud seconds in which a fleet collects machines to stop together, so that one recheck serves them all."""


class Scheduler:
    """Admits jobs, observations and calls at the rate at which they are useful. Times: cloud seconds.

    Args:
        rollout: how the run is spread over its jobs.
        jobs: its jobs.
        limits: the rate limits.
        usual: by phase, the shortest time that it took in earlier runs.
        closed: why no further job will ever begin; ``""`` while one may.

    Attributes:
        closed: why no further job will ever begin; ``""`` while that is open.
        question: what to ask somebody before the next stage begins; ``""`` for nothing.
        in_use: what other runs of the account and region are using.
        most: how many calls one recheck serves, if each is a call of its own.

    """

    def __init__(
        self,
        rollout: Rollout,
        jobs: Sequence[Job],
        limits: RateLimiter,
        usual: Mapping[str, float] | None = None,
        closed: str = "",
    ) -> None:
        self._rollout = rollout
        self._jobs = jobs
        self._limits = limits
        self._stage = self._stage_requested = 0
        self.closed = closed
        self._handed_over = False
        self.question = ""
        self.in_use = InUse()
        self._crowded = False
        """Whether this keeps the next machine from beginning."""
        self._reported: tuple[tuple[str, ...], tuple[str, ...]] | None = None
        self._is_small = True
        self.most = _MAX_BATCH
        self._usual = dict(usual or {})
        """By phase: the shortest time that it took in this run or in earlier ones."""
        self._shortest: dict[str, float] = {}
        """The same for this run alone."""
        self._all_at = -math.inf
        """When the last tick of all jobs began, as opposed to one for only the urgent jobs."""
        self._first_durations: dict[str, float] = {}
        """What was learnt on this tick for the first time: the least time that a phase was seen to take."""
        self._unshared: dict[str, float] = {}
        """By phase, the times that other runs have yet to learn."""
        self._tick_next: float | None = None
        """When the next tick of a fleet is due because of its waits; ``None`` until that is computed."""
        for job in jobs:
            job.begun = not job.ended and job.state.tried  # from a run that is resumed
        self._gathering_since: float | None = None
        self._live = [job for job in jobs if job.begun]
        self._to_begin = deque(job for job in jobs if not job.begun and not job.ended)

    # -------------------------------------------------------------------------------------------------- admission

    def admit(self, at: float, when: datetime) -> None:
        """Begin more jobs, or set why none may begin any more (``closed``), or what to ask first (``question``)."""
        if self.closed or self.question or self._handed_over or not (self._to_begin or self.untouched()):
            return
        failing = sum(job.state.cannot_end_done for job in self.open()) + self.in_use.failed
        released = release(self._rollout, [job.outcome for job in self._jobs], when, failing)
        self.closed = released.closed
        self._crowded = False
        if not self.closed and self._reaches(released.stage):
            self._begin(released.upto, at)

    def untouched(self) -> list[Job]:
        """Return the jobs that have not been touched yet: it harms nobody if they never are."""
        begun = [job for job in self.open() if not job.state.touched]
        return begun + [job for job in self._to_begin if not job.ended]

    def is_over(self) -> bool:
        """Return whether every job has ended, or is left to another process."""
        return not self.open() and (self._handed_over or all(job.ended for job in self._to_begin))

    def hand_over(self) -> None:
        """Begin no further job: another process will."""
        self._handed_over = True

    def open(self) -> list[Job]:
        """Return the jobs that have begun and not ended."""
        self._live = [job for job in self._live if not job.ended]
        return self._live

    def _reaches(self, stage: int) -> bool:
        """Return whether a stage may begin; if somebody must be asked first, never while a machine is down."""
        if stage == self._stage:
            return True
        if pauses_after(self._rollout, len(self._jobs), self._stage):
            if not self.open():
                self.question = question([job.outcome for job in self._jobs])
                self._stage_requested = stage
            return False
        self._stage = stage
        return True

    def answered(self, *, confirmed: bool) -> None:
        """Record the answer to ``question``."""
        self.question = ""
        if confirmed:
            self._stage = self._stage_requested
        else:
            self.closed = NOT_CONFIRMED

    def _begin(self, upto: int, at: float) -> None:
        if not self._to_begin:
            return
        down, most = len(self.open()), self._rollout.max_parallel
        room = self._room(at, self.open())
        if down > _SMALL_RUN_LIMIT and self._gathers(room, most - down - self.in_use.down, at):
            return
        while self._to_begin and self._to_begin[0].position < upto:
            job = self._to_begin[0]
            if job.ended:
                self._to_begin.popleft()
                continue
            wipes = job.state.wipes_to_come
            free = self._fits(wipes, room, at, alone=not down) and self._is_free(job, down, room)
            if down >= most or not free:
                self._crowded = down < most and bool(self.in_use.down or self.in_use.wipes)
                return
            job.begun, down, room = True, down + 1, room - wipes
            self._live.append(self._to_begin.popleft())

    def _gathers(self, room: int, places: int, at: float) -> bool:
        """Return whether to wait until more machines have room, so that one recheck serves as many as possible."""
        half = min(self._limits.quota("ReInitDisk", at), self._rollout.max_parallel) // 2
        if not 0 < min(room, places) < min(len(self._to_begin), half):
            self._gathering_since = None
            return False
        self._gathering_since = at if self._gathering_since is None else self._gathering_since
        if at - self._gathering_since < _GATHERING_TIME:
            return True
        self._gathering_since = None
        return False

    def _fits(self, wipes: int, room: int, at: float, *, alone: bool) -> bool:
        """Return whether each wipe of a machine gets a slot; a machine with more wipes than the quota goes alone."""
        if wipes <= max(0, room):
            return True
        return alone and room > 0 and wipes > self._limits.quota("ReInitDisk", at)

    def _room(self, at: float, promised: Iterable[Job]) -> int:
        """Count the wipes that get a slot once a machine that is stopped now is Stopped, besides those promised one.

        The shards of a run begin their machines in order, as one process would. So each begins many at a time, and one
        recheck serves them. If all shards competed for each slot, each would read its facts again for every few
        machines.
        """
        free = self._limits.room("ReInitDisk", at, self._time_to_wipe()) - self.in_use.wipes - self.in_use.ahead
        return free - sum(each.state.wipes_to_come for each in promised)

    def _time_to_wipe(self) -> float:
        """Return in how many cloud seconds a machine that is stopped now is expected to be wiped."""
        return self._usual.get("stop", 0.0) + self._usual.get("snapshot", 0.0) + _UNTIL_THE_WIPE

    # ----------------------------------------------------------------------------------------- beside other runs

    def heard(self, in_use: InUse, at: float) -> None:
        """Record what other runs are using, and how long a phase took there."""
        self.in_use = in_use
        self._limits.heard(in_use, at)
        for phase, seconds in in_use.took:
            self._usual[phase] = min(seconds, self._usual.get(phase, seconds))

    def take_measurements(self) -> tuple[Measurement, ...]:
        """Return, once, the measurements for other runs: the quota, and how long a phase takes."""
        took, self._unshared = self._unshared, {}
        return *self._limits.take_measurements(), *(Measurement(phase, took=seconds) for phase, seconds in took.items())

    def room_of_all(self, at: float, *, down: bool, wipes: bool) -> Room:
        """Return what all runs of the account and region may use in total when a machine goes down, or begins."""
        quota = self._limits.quota("ReInitDisk", at) if wipes else None
        most = self._rollout.max_parallel if down else None
        failures = self._rollout.stop_after_failures if down or wipes else None
        return Room(most, quota, self._limits.within(self._time_to_wipe()), failures)

    def waits_for_others(self) -> bool:
        """Return whether a machine cannot begin, or cannot be stopped, until something is free again."""
        return bool(self._to_begin) or any(job.held is not None for job in self.open())

    def wait_of(self, due: Due, at: float, why: str = "") -> tuple[Wait, str]:
        """Return what a call waits for that is not made now, and why; a wait for other runs has no limit.

        In the meantime the machine is observed rarely.
        """
        job, others = due.job, self.in_use.reason(self._rollout.max_parallel)
        first = is_up(job) or not job.state.tried
        if why or not (first and others) or self._limits.closed(due.command.action, at):
            return waiting(job.state, due.observation), why or "ECS throttles the calls, or their quota is used up"
        job.held_since = at if job.held_since is None else job.held_since
        job.next_at = max(job.next_at, due.observation.at + job.max_interval)
        wait = waiting(job.state, due.observation)
        return Wait(wait.phase, "other runs", job.held_since), others

    def news(self) -> str:
        """Return, once for each set of other runs, why they keep the next machine from beginning."""
        wait_for = (self.in_use.run_ids, self.in_use.idle) if self._crowded else None
        before, self._reported = self._reported, wait_for
        return self.in_use.reason(self._rollout.max_parallel) if wait_for not in (None, before) else ""

    # ---------------------------------------------------------------------------------------------------- polling

    def due(self, at: float, *, ending: bool = False) -> list[Job]:
        """Return the jobs to observe now; if the run is ``ending``, also those whose call was held back."""
        jobs = self.open()
        durations, self._first_durations, self._tick_next = self._first_durations, {}, None
        self._is_small = len(jobs) <= _SMALL_RUN_LIMIT
        if self._is_small:
            return [job for job in jobs if job.hurried or self._next_at(job) <= at]
        if not durations and any(job.hurried for job in jobs):
            return [job for job in jobs if must_be_observed(job, at)]  # the tick of the others is not due yet
        self._all_at = at
        ends, scouts = {**self._usual, **durations}, dict[str, int]()
        due = (must_be_observed(job, at) or is_expected(job, at, ends, scouts) for job in jobs)
        return [job for job, is_due in zip(jobs, due, strict=True) if is_due or (ending and job.held is not None)]

    def watched(self, at: float) -> list[Job]:
        """Return the jobs whose instance must be observed now although they have not begun.

        Their plan shows no StartTime, so a use of the machine is visible only while it is observed. So they are
        observed from the confirmation on, even while their wave has not begun or their facts are being read.
        """
        waiting = [*self._to_begin, *(job for job in self.open() if job.beginning)]
        return [job for job in waiting if not (job.ended or job.state.turned_back) and is_to_watch(job, at)]

    def due_at(self, tick_at: float) -> float:
        """Return when the next tick is due; ``tick_at`` is when the last one began."""
        if self.is_over():
            return math.inf
        jobs = self.open()
        if self._first_durations:
            return tick_at
        if len(jobs) > _SMALL_RUN_LIMIT:
            if self._tick_next is None:
                self._tick_next = self._next_of_fleet(jobs)
            return self._tick_next
        if any(job.hurried for job in jobs):
            return tick_at
        if self._to_begin or any(job.held is not None for job in jobs):
            return tick_at + TICK_INTERVAL
        return min(map(self._next_at, jobs), default=tick_at + TICK_INTERVAL)

    def _next_of_fleet(self, jobs: Sequence[Job]) -> float:
        """Return when the next tick of a fleet is due: as soon as one call can show what many wait for."""
        since = self._all_at
        if any(job.hurried for job in jobs):
            return since
        expected = (expected_at(job, self._usual) for job in jobs)
        at_next_tick = sorted(at for at in expected if at is not None and since < at < since + TICK_INTERVAL)
        return (
            max(since + MIN_TICK_INTERVAL, at_next_tick[min(len(at_next_tick), _FULL_CALL) - 1])
            if at_next_tick
            else since + TICK_INTERVAL
        )

    def _next_at(self, job: Job) -> float:
        """Return when to observe one of a few jobs: also after the time that others were seen to take."""
        expected = expected_at(job, self._shortest)
        return job.next_at if expected is None else min(job.next_at, expected)

    def paused(self) -> list[Job]:
        """Observe each open job at once, and ignore waits during which nothing ran; return these jobs."""
        jobs = self.open()
        for job in jobs:
            job.waiting, job.next_at = None, 0.0
        return jobs

    def hurry(self) -> None:
        """Observe every open job at once."""
        for job in self.open():
            job.next_at = 0.0

    def observed(self, job: Job, observation: Observation, action: Action) -> None:
        """Record an observation of a job and, if a wait has ended, how long it took."""
        job.hurried = False
        usual = {
            phase: seconds if phase == "stop" else job.slowdown * seconds for phase, seconds in self._usual.items()
        }
        job.next_at = next_at(job.state, observation, action, usual, job.down_since)
        if not observation.answered:
            return  # again on the next tick
        job.hurried = job.next_at <= observation.at  # it needs something that was not asked for
        seen_at, job.observed_at, job.held = job.observed_at, observation.at, None
        before, self._tick_next = job.waiting, None
        if before is not None and observation.at <= before[1]:
            return  # what it waits for may have begun earlier
        waits = isinstance(action, Wait) and action.since < observation.at  # else nothing has been asked for yet
        job.waiting = (action.phase, action.since) if isinstance(action, Wait) and waits and not job.hurried else None
        went_on = before is not None and (job.waiting is None or job.waiting[0] != before[0])
        if before is not None and went_on and not job.state.turned_back:
            took = max(0.0, observation.at - before[1])
            if before[0] == "stop":
                job.slowdown = took / max(TICK_INTERVAL, self._usual.get("stop", took))
            if before[0] not in self._usual:
                self._first_durations[before[0]] = max(0.0, (seen_at or 0.0) - before[1])
            if took < self._usual.get(before[0], math.inf):
                self._unshared[before[0]] = took
            for shortest in (self._usual, self._shortest):
                shortest[before[0]] = min(took, shortest.get(before[0], took))

    # ------------------------------------------------------------------------------------------------------ quota

    def paced(self, due: Sequence[Due], at: float) -> tuple[list[Due], list[Due]]:
        """Divide the calls into those that are made now and those that wait for the quota.

        Calls that already waited come first. They are not observed for this, since there is a recheck before each call.
        A machine is stopped only while there is room for its wipes besides those of the machines that are down, because
        the quota may have turned out smaller since it began.
        """
        free: dict[ActionName, int] = {}
        released: list[Due] = []
        held: list[Due] = []
        waiting = [job.held for job in self.open() if job.held is not None and job.call is None]
        begins = any(each.command.action == "StopInstance" or not each.job.state.tried for each in (*waiting, *due))
        down = [job for job in self.open() if not is_up(job)] if begins else []
        room = self._room(at, down) if begins else 0
        for each in (*waiting, *due):
            action, job = each.command.action, each.job
            if action not in free:
                free[action] = self._slots(action, at)
            takes = BATCH.get(action, 1) if job.alone else 1
            stopped_for = job.state.wipes_to_come if action == "StopInstance" and is_up(job) else 0
            fits = self._fits(stopped_for, room, at, alone=not down) and self._is_free(job, len(down), room)
            if free[action] >= takes and fits:
                if stopped_for:
                    room -= stopped_for
                    down.append(job)
                free[action] -= takes
                job.held = job.held_since = None
                released.append(each)
            else:
                job.held = each
                held.append(each)
        return released, held

    def _is_free(self, job: Job, down: int, room: int) -> bool:
        """Return whether other runs leave a machine what it needs to begin; one that has begun continues."""
        if is_up(job):
            return not self.in_use.down or down + self.in_use.down < self._rollout.max_parallel
        return job.state.tried or not self.in_use.wipes or room >= 0

    def _slots(self, action: ActionName, at: float) -> int:
        """Count the machines or disks for which this call may be made now."""
        names = (action, f"{action}s") if action in BATCH else (action,)
        free = min(self._limits.free(name, at) for name in names)
        return (free - self._under_way(action)) * BATCH.get(action, 1)

    def _under_way(self, action: ActionName) -> int:
        """Count the calls that are in progress, or being rechecked."""
        calls = [
            job.call for job in self.open() if job.call is not None and job.command and job.command.action == action
        ]
        return len(set(calls)) if action in BATCH else len(calls)

    def batches(self, due: Iterable[Due]) -> list[list[Due]]:
        """Group calls of one kind, as many as one recheck can serve."""
        kinds: dict[tuple[object, ...], list[Due]] = {}
        for each in due:
            alone = each.job.position if each.job.alone else None
            kinds.setdefault((each.command.action, each.command.force, alone), []).append(each)
        batches = []
        for kind in kinds.values():
            size = BATCH.get(kind[0].command.action, self.most)
            batches += [kind[start : start + size] for start in range(0, len(kind), size)]
        return batches

    def called(self, jobs: Sequence[Job], action: ActionName, at: float, *, made: bool) -> None:
        """Record that a call was made for these, or came too late.

        What it did is worth observing at once, unless only time is waited for from now on. A stop is always, since the
        lag of Describe calls is sampled by it; a fleet keeps to its ticks. And it is learnt how many calls one recheck
        can serve.
        """
        if action not in BATCH:
            self.most = min(_MAX_BATCH, self.most + 1) if made else max(_MIN_BATCH, self.most - 1)
        for job in jobs if made else ():
            job.waiting = waits_for(job.state)
            if job.waiting is not None and job.waiting[0] == "stop":
                job.down_since = at
            job.hurried = self._is_small and (action == "StopInstance" or job.waiting is None)
            job.next_at = first_at(job.state, at, job.down_since)
