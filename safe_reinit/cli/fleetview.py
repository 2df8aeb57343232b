"""What a person is shown of a run over many machines: its events folded into counts. No clock, no output.

Times are cloud seconds, given by whoever folds or reads. The thread that draws reads while others fold, and without a
lock, since a signal may interrupt any of them and wants to print too: whatever may change is copied in one step.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..codes import throttled
from ..model import Call, Event, Plan
from ..model.codec import printable
from ..pace import LIMITS
from ..report.text import duration
from ..rollout import has_canary, stages

WAITING = "waiting to begin"
PHASES = (WAITING, "wait-snapshot", "wait-start", "stop", "snapshot", "reinit", "start")
"""Where a job can be while it is open, in the order in which it goes through them."""
OUTCOMES = ("done", "failed", "partial", "not-restarted", "stranded", "unknown", "refused")
"""What a job can have come to."""
_PHASE_OF = {
    "StopInstance": "stop", "CreateSnapshot": "snapshot", "ReInitDisk": "reinit", "ResetDisk": "reinit",
    "StartInstance": "start",
}  # fmt: skip
_WIPES = ("ReInitDisk", "ResetDisk")
_MINUTE = 60.0
_LATE = 1.25
"""So many times as long as usual, and nobody knows how long it still takes."""


@dataclass
class _Job:
    """One machine of the run."""

    name: str
    instance_id: str
    disks: int
    stops: bool
    """Whether it is stopped for the wipe, which takes its time."""
    at: str = WAITING
    """Its phase, or what it came to."""
    began: float | None = None


@dataclass(frozen=True)
class Ended:
    """A job that has just come to its end."""

    name: str
    """Of the instance; its id where it has none."""
    instance_id: str
    outcome: str
    took: float | None
    """Cloud seconds; ``None`` for one that was never begun."""
    why: str = ""
    """The error and its code, in a sentence."""

    @property
    def well(self) -> bool:
        """Whether it came to what it should."""
        return self.outcome == "done"

    @property
    def text(self) -> str:
        """Say it in one line."""
        known = f" ({self.instance_id})" if self.instance_id != self.name else ""
        after = f"{'in' if self.well else 'after'} {duration(self.took)}" if self.took is not None else ""
        said = f"{self.name} {'done' if self.well else self.outcome.upper()} {after}".rstrip() + known
        return f"{said}: {self.why}" if self.why and not self.well else said


class FleetView:
    """Counts where the jobs of one run are.

    Args:
        ended: what jobs came to before, by instance id, in a run that goes on.

    """

    def __init__(self, plan: Plan, ended: Mapping[str, str] | None = None) -> None:
        self._rollout = plan.rollout
        self._verb = "rolled back" if plan.options.undo else "wiped"
        self._jobs = {
            job.instance_id or "": _Job(
                printable(job.instance_name) or str(job.instance_id),
                str(job.instance_id),
                len(job.disks),
                job.will_stop,
            )
            for job in plan.jobs
        }
        self._owner = {disk.disk_id: job.instance_id or "" for job in plan.jobs for disk in job.disks}
        self._began: float | None = None
        self._took: dict[bool, list[float]] = {True: [], False: []}
        """The cloud seconds of the jobs that ended done, with a stop and without."""
        self._ended_at: deque[float] = deque()
        self._wiped_at: deque[float] = deque()
        self.throttled = 0
        """Answers that refused a call because there were too many."""
        for instance_id, outcome in (ended or {}).items():
            if instance_id in self._jobs:
                self._jobs[instance_id].at = outcome
        self._counts = Counter(job.at for job in self._jobs.values())

    # ---------------------------------------------------------------------------------------------------- folding

    def call(self, call: Call) -> None:
        """Learn from one HTTP exchange."""
        self.throttled += throttled(call.code)

    def event(self, event: Event, now: float) -> Ended | None:
        """Learn from one event; give the job that has come to its end by it."""
        self._began = now if self._began is None else self._began
        data: Any = event.data
        job = self._jobs.get(event.instance_id or self._owner.get(event.disk_id or "", ""))
        if job is None:
            return None
        if event.event == "done":
            return self._end(job, data, now)
        if job.began is None:
            job.began = now
        if event.event == "wait":
            self._on_to(job, data["phase"])
        elif event.event == "intend":
            self._on_to(job, _PHASE_OF.get(data["action"], ""))
        elif event.event == "answer" and data["action"] in _WIPES and data["code"] == "OK":
            _note(self._wiped_at, now)
        return None

    def _on_to(self, job: _Job, phase: str) -> None:
        """Move a job on; never back, since a look may show what is no more."""
        here = PHASES.index(job.at) if job.at in PHASES else 0  # one that had ended, and goes on
        if phase in PHASES and PHASES.index(phase) > here:
            self._move(job, phase)

    def _move(self, job: _Job, to: str) -> None:
        self._counts[job.at] -= 1
        self._counts[to] += 1
        job.at = to

    def _end(self, job: _Job, data: Mapping[str, Any], now: float) -> Ended:
        outcome = str(data["outcome"])
        self._move(job, outcome)
        _note(self._ended_at, now)
        took = None if job.began is None else now - job.began
        if outcome == "done" and took is not None:
            self._took[job.stops].append(took)
        why, code = str(data.get("message") or ""), data.get("code")
        why = f"{why} ({code})" if code and code not in why else why
        return Ended(job.name, job.instance_id, outcome, took, why)

    # ---------------------------------------------------------------------------------------------------- reading

    @property
    def total(self) -> int:
        """How many jobs the run has."""
        return len(self._jobs)

    def counts(self) -> list[tuple[str, int]]:
        """Count the jobs by phase and by outcome, in that order: those that any has been in, and ``done``."""
        counts = {"done": 0, **dict(self._counts)}
        return [(each, counts[each]) for each in (*PHASES, *OUTCOMES) if each in counts]

    def elapsed(self, now: float) -> float:
        """Tell for how long this process has been at it."""
        return 0.0 if self._began is None else now - self._began

    def rates(self, now: float) -> tuple[int, int]:
        """Count the jobs that ended and the wipes that were accepted in the last minute."""
        ended, wiped = (sum(at > now - _MINUTE for at in list(times)) for times in (self._ended_at, self._wiped_at))
        return ended, wiped

    def left(self, now: float) -> float | None:
        """Estimate how long the run still takes; ``None`` while too little is known to tell.

        Known is how long the jobs took that are done, how many machines may be down at once, and how many wipes a
        minute the quota allows.
        """
        open_ = [job for job in self._jobs.values() if job.at in PHASES]
        flying = [(job.stops, now - job.began) for job in open_ if job.began is not None]
        waiting = [job for job in open_ if job.began is None]
        usual = {stops: statistics.median(list(took)) for stops, took in self._took.items() if took}
        if True in usual:
            usual.setdefault(False, usual[True])  # without a stop it takes no longer
        if not flying or self._canary_is_out() or not {job.stops for job in open_} <= set(usual):
            return None
        last = {stops: min(since for each, since in flying if each == stops) for stops, _ in flying}
        if any(since > _LATE * usual[stops] for stops, since in last.items()):
            return None
        soonest = max(0.0, *(usual[stops] - since for stops, since in last.items()))
        return soonest if not waiting else self._left_of(waiting, len(flying), soonest, max(usual.values()))

    def _left_of(self, waiting: Sequence[_Job], flying: int, soonest: float, usual: float) -> float:
        """Estimate how long the run takes where jobs still wait to begin."""
        most = self._rollout.max_parallel
        rounds = max(math.ceil((len(waiting) + flying - most) / most), self._later_stages())
        quota = max(1.0, LIMITS["ReInitDisk"] * self._rollout.quota_share)
        minutes = math.ceil(sum(job.disks for job in waiting) / quota)
        if rounds <= 0:  # there is room: what they wait for is the quota
            return usual + _MINUTE * minutes
        return soonest + max(usual * rounds, _MINUTE * minutes)

    def _canary_is_out(self) -> bool:
        """Whether the canary is still on its way: what comes after it is of another size."""
        ended = sum(job.at in OUTCOMES for job in self._jobs.values())
        return has_canary(self._rollout, self.total) and ended < stages(self._rollout, self.total)[0]

    def _later_stages(self) -> int:
        begun = sum(job.at not in PHASES or job.began is not None for job in self._jobs.values())
        ends = stages(self._rollout, self.total)
        return sum(end > begun for end in ends) - (begun not in ends)

    # ------------------------------------------------------------------------------------------------------- words

    def time_text(self, now: float) -> str:
        """Say how long it has taken and will take."""
        left = self.left(now)
        still = "?" if left is None else f"about {duration(left)}" if left >= 1 else "a moment"
        return f"{duration(self.elapsed(now))} so far, {still} left"

    def rate_text(self, now: float) -> str:
        """Say what the last minute brought."""
        ended, wiped = self.rates(now)
        return f"last minute: {ended} ended, {wiped} {self._verb}"

    def throttled_text(self) -> str:
        """Say how often ECS said that there were too many calls."""
        return f"{self.throttled} answer{'' if self.throttled == 1 else 's'} throttled"

    def summary(self, now: float) -> str:
        """Say everything in one line, for where nobody sees a table."""
        counts = ", ".join(f"{count} {phase}" for phase, count in self.counts() if count)
        return f"{self.total} jobs: {counts}; {self.rate_text(now)}; {self.throttled_text()}; {self.time_text(now)}"


def _note(times: deque[float], now: float) -> None:
    while times and times[0] <= now - _MINUTE:
        times.popleft()
    times.append(now)
