"""Which jobs begin, which are looked at now, and how many calls are made: what a fleet needs beyond one machine.

Looks are the larger part of what a fleet costs. While nothing is known of how long something takes, a few jobs are
looked at on every tick, and the others only often enough to see what goes wrong; then each when its time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from . import record
from .act import Errand, Made
from .clock import Clock
from .ledger import Entry
from .model import Action, Observation, Rollout, Send, Wait
from .pace import Pace
from .rollout import release, stages

_EVERY_TICK = 20
"""Up to so many open jobs are all looked at on every tick."""
_AT_LEAST = 18.0
"""Cloud seconds after which a job is looked at again whatever is expected: less than what breaks the fence."""
_IN_DOUBT = 6.0
"""The same where an answer is outstanding or was lost."""
_MOST = 25
"""Calls in a batch at most: so many are usually made while the look before them is fresh."""
_SOON = 0.9
"""The part of its usual time after which a wait is worth a look."""


@dataclass
class Job(Entry):
    """One job while it is open."""

    begun: bool = False
    ended: bool = False
    call: Future[None] | None = None
    sending: Send | None = None
    hurried: bool = False
    """Its call has just been made, so that it is worth looking at once; a look that failed waits for its tick."""
    said: object = None
    waiting: tuple[str, float] | None = None
    """For what it waits, and since when (cloud seconds)."""
    looked_at: float | None = None


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
        self.most = _MOST
        self._usual: dict[str, float] = {}
        """By what is waited for: the shortest time it took in this run."""

    # ------------------------------------------------------------------------------------------------- who begins

    def open(self) -> str:
        """Let more jobs begin; say why those that have not will never, where that is so."""
        for job in self._jobs:
            job.begun = job.begun or job.record.tried  # of a run that goes on
        if self._closed or all(job.begun or job.ended for job in self._jobs):
            return self._closed
        outcomes = [record.outcome(job.record) if job.ended else None for job in self._jobs]
        let = release(self._rollout, outcomes, self._clock.now())
        self._closed = let.closed or self._pause(let.stage)
        if not self._closed:
            self._let_begin(let.upto)
        return self._closed

    def _pause(self, stage: int) -> str:
        """Ask whether to go on, where a stage has ended after which somebody is to be asked."""
        before, self._stage = self._stage, stage
        after_canary = self._rollout.pause == "canary" and before == 0
        if stage == before or not (after_canary or self._rollout.pause == "wave"):
            return ""
        ends = stages(self._rollout, len(self._jobs))
        ended = [record.outcome(job.record) for job in self._jobs if job.ended]
        said = f"{ends[before]} of {len(self._jobs)} jobs have ended, {ended.count('done')} of them done."
        return "" if self._ask(said) else "somebody decided not to go on"

    def _let_begin(self, upto: int) -> None:
        down = sum(job.begun and not job.ended for job in self._jobs)
        room = self._room()
        for job in self._jobs[:upto]:
            if job.begun or job.ended:
                continue
            needs = sum(not wipe.snapshot_id for wipe in job.record.disks)
            fits = needs <= room or (needs > self._pace.most("ReInitDisk") and not down)  # one that never will, alone
            if down >= self._rollout.max_parallel or not fits:
                return
            job.begun, down, room = True, down + 1, room - needs

    def _room(self) -> int:
        """Count the wipes that will find a slot once a machine that is stopped now is Stopped."""
        ahead = self._usual.get("stop", 0.0) + self._usual.get("snapshot", 0.0)
        promised = sum(
            wipe.state in ("todo", "asked") and not wipe.snapshot_id
            for job in self._jobs
            if job.begun and not job.ended and not job.record.turned_back
            for wipe in job.record.disks
        )
        return self._pace.free("ReInitDisk", ahead) - promised

    # ----------------------------------------------------------------------------------------- who is looked at now

    def due(self) -> list[Job]:
        """Give the jobs to look at on this tick."""
        open_jobs = [job for job in self._jobs if job.begun and not job.ended]
        for job in open_jobs:
            if job.call is not None and job.call.done():
                job.call.result()  # it raises nothing, unless not even that could be written down what went wrong
                job.call = job.sending = None
        if len(open_jobs) <= _EVERY_TICK:
            return open_jobs
        now = self._clock.time()
        scouts: dict[str, int] = {}
        return [job for job in open_jobs if self._is_due(job, now, scouts)]

    def _is_due(self, job: Job, now: float, scouts: dict[str, int]) -> bool:
        if job.looked_at is None or job.hurried or job.waiting is None:
            return job.call is None or job.hurried
        what, since = job.waiting
        if now - job.looked_at >= (_IN_DOUBT if _doubtful(job) else _AT_LEAST):
            return True
        usual = self._usual.get(what)
        if usual is not None:
            return now - since >= _SOON * usual
        scouts[what] = scouts.get(what, 0) + 1
        return scouts[what] <= _EVERY_TICK

    def looked(self, job: Job, seen: Observation, action: Action) -> None:
        """Note a look at a job, and learn from a wait that has ended how long such a wait takes."""
        job.hurried = job.hurried and job.call is not None  # its thread has not ended yet: once more, then
        job.looked_at = seen.at
        before = job.waiting
        job.waiting = (action.phase, action.since) if isinstance(action, Wait) else None
        went_on = before is not None and (job.waiting is None or job.waiting[0] != before[0])
        if before is not None and went_on and not job.record.turned_back:
            took = max(0.0, seen.at - before[1])
            self._usual[before[0]] = min(took, self._usual.get(before[0], took))

    # --------------------------------------------------------------------------------------------- how many calls

    def paced(self, errands: Sequence[Errand]) -> list[Errand]:
        """Give the calls that may be made now; the others are decided anew on the next tick."""
        flying: dict[str, int] = {}
        for job in self._jobs:
            if job.sending is not None:
                flying[job.sending.action] = flying.get(job.sending.action, 0) + 1
        free: dict[str, int] = {}
        let = []
        for errand in errands:
            action = errand.send.action
            if action not in free:
                may = min(self._pace.free(each) for each in (action, f"{action}s"))  # also the one for many
                free[action] = may - flying.get(action, 0)
            if free[action] > 0:
                free[action] -= 1
                let.append(errand)
        return let

    def calls(self, errand: Errand, call: Future[None]) -> None:
        """Note that a call is being made for a job."""
        job = self._jobs[errand.entry.position]
        job.call, job.sending = call, errand.send

    def called(self, batch: Sequence[Errand], made: Made) -> None:
        """Note that calls were made: what they did is worth a look; and learn how many one look can serve."""
        self.most = max(1, made.calls) if made.late else min(_MOST, self.most + 1)
        for errand in batch if made.calls else ():
            self._jobs[errand.entry.position].hurried = True

    def in_a_hurry(self) -> bool:
        """Tell whether to look at once instead of on the next tick; a fleet keeps to its ticks."""
        few = sum(job.begun and not job.ended for job in self._jobs) <= _EVERY_TICK
        return few and any(job.hurried for job in self._jobs if not job.ended)


def _doubtful(job: Job) -> bool:
    """Whether an answer is outstanding, or was lost and is still looked for."""
    known = job.record
    lost = [each.state == "lost" for each in (known.stop, known.force, known.start)]
    return record.outstanding(known) or any(lost) or any(wipe.state == "lost" for wipe in known.disks)
