"""Which jobs begin, which are looked at now, and how many calls are made: what a fleet needs beyond one machine.

Looks are the larger part of what a fleet costs. While nothing is known of how long something takes, a few jobs are
looked at on every tick, and the others only often enough to see what goes wrong; then each when its time has come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from . import record
from .act import FOR_MANY, Attempt
from .clock import Clock
from .ledger import Entry
from .model import Action, ActName, Observation, Outcome, Record, Rollout, Send, Wait
from .pace import Pace
from .rollout import has_canary, release
from .second_look import Errand

BATCH: Mapping[ActName, int] = dict.fromkeys(FOR_MANY, 100)
"""Instances in one call, where ECS has a call for many."""
_EVERY_TICK = 20
"""Up to so many open jobs are all looked at on every tick."""
_AT_LEAST = 16.0
"""Cloud seconds after which a job is looked at again whatever is expected: with a tick less than breaks the fence."""
_WITHOUT_START_TIME = 11.0
"""The same of a machine that shows no StartTime: nothing but looks tells that nobody uses it, and they may lag."""
UNDER_WAY = 45.0
"""The same where ECS is at work on what it accepted, which no fence guards."""
_IN_DOUBT = 6.0
"""The same where an answer is outstanding or was lost: a third of what breaks the fence."""
_MOST = 100
"""Calls in a batch at most: so many are usually made while the look before them is fresh."""
_LEAST = 8
"""The same where calls come too late: as many are made at once."""
_UNTIL_THE_WIPE = 9.0
"""Cloud seconds from Stopped to the wipe: three ticks, to see it, to look again before the call, and to call; and what
machines wait for each other that are stopped together."""
_TOGETHER = 5.0
"""Cloud seconds in which a fleet's machines gather to be stopped together: one look before it serves them all."""
_SOON = 1.0
"""The part of its usual time after which a wait is worth a look."""


@dataclass
class Job(Entry):
    """One job while it is open."""

    begun: bool = False
    ended: bool = False
    outcome: Outcome | None = None
    """What it came to; ``None`` while it is open."""
    call: Future[None] | None = None
    sending: Send | None = None
    hurried: bool = False
    """Its call has just been made, so that it is worth looking at once; a look that failed waits for its tick."""
    said: object = None
    waiting: tuple[str, float] | None = None
    """For what it waits, and since when (cloud seconds)."""
    looked_at: float | None = None
    troubled: str = ""
    """Why the call that is due could not be made, for people."""
    said_wait: Mapping[str, object] | None = None
    """What was last told of its wait."""
    held: Errand | None = None
    """The call that was decided for it on the last look, and has to wait for the quota."""
    _judged: tuple[Record, float] | None = None

    @property
    def patience(self) -> float:
        """For how many cloud seconds it may go without a look; a record that has not changed is not judged anew."""
        if self._judged is None or self._judged[0] is not self.record:
            self._judged = self.record, _patience(self.record)
        return self._judged[1]

    def end(self) -> None:
        """Take it for ended: nothing is left to do for it in this run."""
        self.ended, self.outcome = True, record.outcome(self.record)


class Gate:
    """Lets jobs begin, looks and calls through, at the rate at which they are of use."""

    def __init__(
        self, rollout: Rollout, jobs: Sequence[Job], clock: Clock, pace: Pace, ask: Callable[[str], bool]
    ) -> None:
        self._rollout = rollout
        self._jobs = jobs
        self._clock = clock
        self._pace = pace
        self._ask = ask
        self._stage = 0
        self._closed = ""
        self._few = True
        self.most = _MOST
        self._usual: dict[str, float] = {}
        """By what is waited for: the shortest time it took in this run."""
        self._learnt = False
        """A first usual time was learnt on this tick: by it, others may be due at once."""
        for job in jobs:
            job.begun = not job.ended and job.record.tried  # of a run that goes on
        self._let_at = 0.0
        self._live = [job for job in jobs if job.begun]
        self._to_begin = deque(job for job in jobs if not job.begun and not job.ended)

    # ------------------------------------------------------------------------------------------------- who begins

    def open(self) -> str:
        """Let more jobs begin; say why those that have not will never, where that is so."""
        if self._closed or not (self._to_begin or self.ahead()):
            return self._closed
        failing = sum(_cannot_end_done(job) for job in self._open())
        let = release(self._rollout, [job.outcome for job in self._jobs], self._clock.now(), failing)
        self._closed = let.closed
        if not self._closed and self._goes_on(let.stage):
            self._let_begin(let.upto)
        return self._closed

    def ahead(self) -> list[Job]:
        """Give the jobs of which nothing has been touched yet: nobody is harmed if they never are."""
        begun = [job for job in self._open() if not job.record.touched]
        return begun + [job for job in self._to_begin if not job.ended]

    def is_over(self) -> bool:
        """Tell whether every job has come to its end."""
        return not self._open() and all(job.ended for job in self._to_begin)

    def _open(self) -> list[Job]:
        self._live = [job for job in self._live if not job.ended]
        return self._live

    def _goes_on(self, stage: int) -> bool:
        """Ask whether to go on, where a stage has ended after which that is wanted; never while a machine is down."""
        after_canary = self._stage == 0 and has_canary(self._rollout, len(self._jobs))
        if stage == self._stage:
            return True
        if self._rollout.pause == "wave" or (self._rollout.pause == "canary" and after_canary):
            if self._open():
                return False
            ended = [job.outcome for job in self._jobs if job.ended]
            said = f"{len(ended)} of {len(self._jobs)} jobs have ended, {ended.count('done')} of them done."
            self._closed = "" if self._ask(said) else "nobody agreed to go on"
        self._stage = stage
        return not self._closed

    def _let_begin(self, upto: int) -> None:
        down = len(self._open())
        now, room, most = self._clock.time(), self._room(), self._pace.most("ReInitDisk")
        if down > _EVERY_TICK and room < len(self._to_begin) and now - self._let_at < _TOGETHER:
            return
        while self._to_begin and self._to_begin[0].position < upto:
            job = self._to_begin[0]
            if job.ended:
                self._to_begin.popleft()
                continue
            needs = sum(not wipe.snapshot_id for wipe in job.record.disks)
            fits = needs <= room or (needs > most and not down)  # one that never will, alone
            if down >= self._rollout.max_parallel or not fits:
                return
            job.begun, down, room, self._let_at = True, down + 1, room - needs, now
            self._live.append(self._to_begin.popleft())

    def _room(self) -> int:
        """Count the wipes that will find a slot once a machine that is stopped now is Stopped."""
        ahead = self._usual.get("stop", 0.0) + self._usual.get("snapshot", 0.0) + _UNTIL_THE_WIPE
        promised = sum(
            wipe.state in ("todo", "asked") and not wipe.snapshot_id
            for job in self._open()
            if not job.record.turned_back
            for wipe in job.record.disks
        )
        return self._pace.free("ReInitDisk", ahead) - promised

    # ----------------------------------------------------------------------------------------- who is looked at now

    def due(self, *, ending: bool = False) -> list[Job]:
        """Give the jobs to look at on this tick; of a run that is ``ending`` also those whose call was held back."""
        open_jobs = self._open()
        self._learnt = False
        for job in open_jobs:
            if job.call is not None and job.call.done():
                job.call.result()  # it raises nothing, unless not even that could be written down what went wrong
                job.call = job.sending = None
        self._few = len(open_jobs) <= _EVERY_TICK
        if self._few:
            return open_jobs
        now = self._clock.time()
        scouts: dict[str, int] = {}
        return [job for job in open_jobs if self._is_due(job, now, scouts) or (ending and job.held is not None)]

    def _is_due(self, job: Job, now: float, scouts: dict[str, int]) -> bool:
        if job.looked_at is None or job.hurried:
            return True
        if now - job.looked_at >= job.patience:
            return True
        if job.waiting is None:
            return job.call is None and job.held is None
        what, since = job.waiting
        usual = self._usual.get(what)
        if usual is not None:
            return now - since >= _SOON * usual
        scouts[what] = scouts.get(what, 0) + 1
        return scouts[what] <= _EVERY_TICK

    def looked(self, job: Job, seen: Observation, action: Action) -> None:
        """Note a look at a job, and learn from a wait that has ended how long such a wait takes."""
        job.hurried = job.hurried and job.call is not None  # its thread has not ended yet: once more, then
        if not seen.seen:
            return  # on the next tick again
        job.looked_at, job.held = seen.at, None
        before = job.waiting
        if before is not None and seen.at <= before[1]:
            return  # it may have begun before what is waited for
        begun = isinstance(action, Wait) and action.since < seen.at  # else nothing has been asked for yet
        job.waiting = (action.phase, action.since) if isinstance(action, Wait) and begun else None
        went_on = before is not None and (job.waiting is None or job.waiting[0] != before[0])
        if before is not None and went_on and not job.record.turned_back:
            took = max(0.0, seen.at - before[1])
            self._learnt = self._learnt or before[0] not in self._usual
            self._usual[before[0]] = min(took, self._usual.get(before[0], took))

    # --------------------------------------------------------------------------------------------- how many calls

    def paced(self, errands: Sequence[Errand]) -> tuple[list[Errand], list[Errand]]:
        """Part what is called now from what has to wait for the quota.

        What waited before comes first; it is not looked at for this, since there is a look before each call.
        """
        free: dict[ActName, int] = {}
        let: list[Errand] = []
        held: list[Errand] = []
        waiting = [job.held for job in self._open() if job.held is not None and job.call is None]
        for errand in (*waiting, *errands):
            action, job = errand.send.action, self._jobs[errand.entry.position]
            if action not in free:
                free[action] = self._slots(action)
            takes = BATCH.get(action, 1) if errand.entry.alone else 1
            if free[action] >= takes:
                free[action] -= takes
                job.held = None
                let.append(errand)
            else:
                job.held = errand
                held.append(errand)
        return let, held

    def _slots(self, action: ActName) -> int:
        """Count the machines or disks that this call may be made for now."""
        return (self._free(action) - self._flying(action)) * BATCH.get(action, 1)

    def _free(self, action: ActName) -> int:
        names = (action, f"{action}s") if action in BATCH else (action,)
        return min(self._pace.free(name) for name in names)

    def _flying(self, action: ActName) -> int:
        """Count the calls that are being made, or prepared."""
        calls = [job.call for job in self._open() if job.call and job.sending and job.sending.action == action]
        return len(set(calls)) if action in BATCH else len(calls)

    def calls(self, of: Sequence[Errand] | Sequence[Attempt], call: Future[None]) -> None:
        """Note that a call is being made, or prepared, for these jobs."""
        for each in of:
            job = self._jobs[each.entry.position]
            job.call, job.sending = call, each.send

    def called(self, attempts: Sequence[Attempt], *, made: bool) -> bool:
        """Note that a call was made for these, or came too late; tell whether that is worth a look at once.

        What it did is worth a look; but a fleet keeps to its ticks, and looks at what was accepted when its time has
        come. And it is learnt how many calls one look can serve.
        """
        if attempts[0].send.action not in BATCH:
            self.most = min(_MOST, self.most + 1) if made else max(_LEAST, self.most - 1)
        for each in attempts if made else ():
            job = self._jobs[each.entry.position]
            job.hurried, job.waiting = self._few, waits_for(job.record)
        return made and self._few

    def in_a_hurry(self) -> bool:
        """Tell whether to look at once; a fleet keeps to its ticks but for what it has just learnt."""
        return self._learnt or (self._few and any(job.hurried for job in self._open()))


def _cannot_end_done(job: Job) -> bool:
    """Whether an open job has failed, and only goes on until its power is back."""
    return job.record.turned_back and any(wipe.state in ("todo", "refused", "unknown") for wipe in job.record.disks)


def waits_for(known: Record) -> tuple[str, float] | None:
    """Tell for what a job waits that ECS has accepted, and since when; ``None`` where a look must say what is next."""
    for phase, step in (("start", known.start), ("stop", known.stop)):
        if step.state not in ("none", "done"):
            return (phase, step.at) if step.state == "accepted" and step.at is not None else None
    at = [wipe.at for wipe in known.disks if wipe.state == "accepted" and wipe.at is not None]
    return ("reinit", max(at)) if at and all(wipe.state in ("accepted", "done") for wipe in known.disks) else None


def _patience(known: Record) -> float:
    if doubtful(known):
        return _IN_DOUBT
    if waits_for(known):
        return UNDER_WAY
    return _AT_LEAST if known.watched_at is None else _WITHOUT_START_TIME


def doubtful(known: Record) -> bool:
    """Whether an answer is outstanding, or was lost and is still looked for."""
    lost = any(each.state == "lost" for each in (known.stop, known.force, known.start))
    return record.outstanding(known) or lost or any(wipe.state != "done" and wipe.losses for wipe in known.disks)
