"""What a person sees of a run over many machines: its events, summed up in counts. No clock, no output.

Times are cloud seconds, given by the caller. The drawing thread reads while others add events, and without a lock,
since a signal may interrupt any of them and wants to print too: whatever may change is copied in one step.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.rate_limits import LIMITS
from ..core.waves import has_canary, stages
from ..model import Call, Event, LimitName, Plan, PlannedJob
from ..model.duration import duration
from ..model.error_codes import throttled
from ..model.job import PHASE_OF, WIPES
from ..model.letters import printable
from ..report.many import count_of
from .machineview import LIMIT_WORDS

WAITING = "waiting to begin"
PHASES = (WAITING, "wait-snapshot", "wait-start", "stop", "snapshot", "reinit", "start")
"""The phases of an open job, in order."""
_DOING = {
    "wait-snapshot": "other snapshot", "wait-start": "just started", "stop": "stopping", "snapshot": "snapshotting",
    "reinit": "wiping", "start": "starting",
}  # fmt: skip
"""By phase: what happens to a machine in it, in a person's words."""
OUTCOMES = ("done", "failed", "partial", "not-restarted", "stranded", "unknown", "refused")
"""The ways in which a job can end."""
_MINUTE = 60.0
_LATE_AFTER = 5.0
"""Cloud seconds, more than two ticks: a phase that takes this much longer than any so far is unusual."""
_SHORT_TIME = 5.0
"""The resolution that people need, in cloud seconds."""


@dataclass
class _Job:
    """One machine of the run."""

    name: str
    instance_id: str
    disks: int
    path: tuple[str, ...]
    """Its phases, in order."""
    at: str = WAITING
    """Its phase or, once it has ended, its outcome."""
    began: float | None = None
    since: float | None = None
    """When it reached its phase; ``None`` if another process saw that."""
    why: str = ""
    """What holds it up."""
    wait: tuple[str, float, float, LimitName | None] | None = None
    """The phase in which it waits, since when, how long that may take, and what that limit is for."""


@dataclass(frozen=True)
class Ended:
    """A job that has just ended."""

    name: str
    """The name of the instance; its id if it has none."""
    instance_id: str
    outcome: str
    took: float | None
    """Cloud seconds; ``None`` for a job that never began."""
    why: str = ""
    """The error and its code, in a sentence."""

    @property
    def well(self) -> bool:
        """Whether it ended as it should."""
        return self.outcome == "done"

    @property
    def text(self) -> str:
        """Format it as one line."""
        suffix = f" ({self.instance_id})" if self.instance_id != self.name else ""
        after = f"{'in' if self.well else 'after'} {duration(self.took)}" if self.took is not None else ""
        text = f"{self.name} {'done' if self.well else self.outcome.upper()} {after}".rstrip() + suffix
        return f"{text}: {self.why}" if self.why and not self.well else text


class FleetView:
    """Counts the jobs of one run by phase and outcome.

    Args:
        ended: the outcomes of jobs that had already ended, by instance id, if the run is resumed.

    """

    def __init__(self, plan: Plan, ended: Mapping[str, str] | None = None) -> None:
        self._rollout = plan.rollout
        self._undo = plan.options.undo
        self._resumed = ended is not None
        self._jobs = {
            job.instance_id or "": _Job(
                printable(job.instance_name) or str(job.instance_id),
                str(job.instance_id),
                len(job.disks),
                _path(job, snapshot=plan.options.snapshot),
            )
            for job in plan.jobs
        }
        self._owner = {disk.disk_id: job.instance_id or "" for job in plan.jobs for disk in job.disks}
        self._began: float | None = None
        self._took: dict[str, list[float]] = {}
        """By phase: how many cloud seconds it took, each time that all of it was seen."""
        self._ended_at: deque[float] = deque()
        self._wiped_at: deque[float] = deque()
        self.throttled = 0
        """Answers that refused a call because of throttling."""
        for instance_id, outcome in (ended or {}).items():
            if instance_id in self._jobs:
                self._jobs[instance_id].at = outcome
        self._counts = Counter(job.at for job in self._jobs.values())

    # ---------------------------------------------------------------------------------------------------- folding

    def call(self, call: Call) -> None:
        """Count one HTTP exchange."""
        self.throttled += throttled(call.code)

    def event(self, event: Event, now: float) -> Ended | None:
        """Count one event; return the job that it ends."""
        self._began = now if self._began is None else self._began
        data: Any = event.data
        job = self._jobs.get(event.instance_id or self._owner.get(event.disk_id or "", ""))
        if job is None:
            return None
        if event.event == "done":
            return self._end(job, data, now)
        if job.began is None:
            job.began = now
        job.why = str(data.get("why") or "") if event.event == "wait" else ""
        if event.event == "wait":
            self._on_to(job, data["phase"], now, seen_begin=not self._resumed or job.at != WAITING)
            since = now - data.get("elapsed", 0.0)
            job.wait = (data["phase"], since, data["limit"], data["limit_of"]) if data.get("limit") else None
        elif event.event == "intend":
            self._on_to(job, PHASE_OF.get(data["action"], ""), now, seen_begin=True)
        elif event.event == "answer" and data["action"] in WIPES and data["code"] == "OK":
            _record(self._wiped_at, now)
        return None

    def _on_to(self, job: _Job, phase: str, now: float, *, seen_begin: bool) -> None:
        """Move a job to a later phase; never back, since an observation may be outdated."""
        here = PHASES.index(job.at) if job.at in PHASES else 0  # one that had ended and continues
        if phase in PHASES and PHASES.index(phase) > here:
            self._leave_phase(job, now)
            self._move(job, phase)
            job.since = now if seen_begin else None

    def _leave_phase(self, job: _Job, now: float) -> None:
        if job.at in PHASES and job.since is not None:
            self._took.setdefault(job.at, []).append(now - job.since)

    def _move(self, job: _Job, to: str) -> None:
        self._counts[job.at] -= 1
        self._counts[to] += 1
        job.at = to

    def _end(self, job: _Job, data: Mapping[str, Any], now: float) -> Ended:
        outcome = str(data["outcome"])
        if outcome == "done":
            self._leave_phase(job, now)
        self._move(job, outcome)
        job.why, job.wait = "", None
        _record(self._ended_at, now)
        took = None if job.began is None else now - job.began
        why, code = str(data.get("message") or ""), data.get("code")
        why = f"{why} ({code})" if code and code not in why else why
        return Ended(job.name, job.instance_id, outcome, took, why)

    # ---------------------------------------------------------------------------------------------------- reading

    @property
    def total(self) -> int:
        """The number of jobs of the run."""
        return len(self._jobs)

    def counts(self) -> list[tuple[str, int]]:
        """Count the jobs by phase and by outcome, in that order: those with any job, and ``done``."""
        counts = {"done": 0, **dict(self._counts)}
        return [(each, counts[each]) for each in (*PHASES, *OUTCOMES) if each in counts]

    def elapsed(self, now: float) -> float:
        """Return how long this process has been working on the run."""
        return 0.0 if self._began is None else now - self._began

    def rates(self, now: float) -> tuple[int, int]:
        """Count the jobs that ended, and the wipes that were accepted, in the last minute."""
        ended, wiped = (sum(at > now - _MINUTE for at in list(times)) for times in (self._ended_at, self._wiped_at))
        return ended, wiped

    def left(self, now: float) -> float | None:
        """Estimate how much longer the run takes; ``None`` while too little is known.

        What is known: how long each phase took in this run, how many machines may be down at once, and how many wipes
        per minute the quota allows. Nothing is known about a machine that waits for somebody else, or takes longer than
        any before; or while ECS does not answer, or throttles.
        """
        open_ = [job for job in self._jobs.values() if job.at in PHASES]
        flying = [self._left_for(job, now) for job in open_ if job.began is not None]
        waiting = [job for job in open_ if job.began is None]
        if not flying or self._canary_is_out() or any(job.why for job in open_):
            return None
        known = [left for left in flying if left is not None]
        whole = [self._whole(job) for job in waiting]
        usual = [each for each in whole if each is not None]
        if len(known) < len(flying) or len(usual) < len(whole):
            return None
        return max(known) if not waiting else self._left_of(waiting, len(flying), max(known), max(usual))

    def _left_for(self, job: _Job, now: float) -> float | None:
        """Estimate how much longer a job in progress takes: as long as the slowest so far in each phase."""
        rest = job.path[job.path.index(job.at) :] if job.at in job.path else ()
        if not rest or any(phase not in self._took for phase in rest):
            return None
        slowest = [max(list(self._took[phase])) for phase in rest]
        spent = 0.0 if job.since is None else now - job.since
        return None if spent > slowest[0] + _LATE_AFTER else max(0.0, slowest[0] - spent) + sum(slowest[1:])

    def _whole(self, job: _Job) -> float | None:
        """Estimate how long a job takes that has not begun."""
        if any(phase not in self._took for phase in job.path):
            return None
        return sum(statistics.median(list(self._took[phase])) for phase in job.path)

    def _left_of(self, waiting: Sequence[_Job], flying: int, soonest: float, usual: float) -> float:
        """Estimate how long the run takes while jobs still wait to begin."""
        most = self._rollout.max_parallel
        rounds = max(math.ceil((len(waiting) + flying - most) / most), self._later_stages())
        quota = max(1.0, LIMITS["ReInitDisk"] * self._rollout.quota_share)
        minutes = math.ceil(sum(job.disks for job in waiting) / quota)
        if rounds <= 0:  # there is room, so they wait for the quota
            return usual + _MINUTE * minutes
        return soonest + max(usual * rounds, _MINUTE * minutes)

    def _canary_is_out(self) -> bool:
        """Return whether the canary is still in progress: what follows it has another size."""
        ended = sum(job.at in OUTCOMES for job in self._jobs.values())
        return has_canary(self._rollout, self.total) and ended < stages(self._rollout, self.total)[0]

    def _later_stages(self) -> int:
        begun = sum(job.at not in PHASES or job.began is not None for job in self._jobs.values())
        ends = stages(self._rollout, self.total)
        return sum(end > begun for end in ends) - (begun not in ends)

    # ------------------------------------------------------------------------------------------------------- words

    def word(self, at: str) -> str:
        """Return what happens to a machine in a phase, or its outcome, in a person's words."""
        return "rolling back" if at == "reinit" and self._undo else _DOING.get(at, at)

    def time_text(self, now: float) -> str:
        """Return how long the run has taken, and how much longer it will take."""
        left = self.left(now)
        short = left is not None and left < _SHORT_TIME
        still = "a few seconds left" if short else f"about {duration(left)} left" if left else "end not known"
        return f"{duration(self.elapsed(now))} so far, {still}"

    def rate_texts(self, now: float) -> tuple[str, str]:
        """Return what happened in the last minute: to machines, and how many wipes ECS accepted."""
        ended, wiped = self.rates(now)
        noun = "roll-back" if self._undo else "wipe"
        return f"last minute: {count_of(ended, 'machine')} ended", f"last minute: {count_of(wiped, noun)} accepted"

    def throttled_text(self) -> str:
        """Return how often ECS throttled calls; ``""`` if it never did."""
        return f"ECS throttled {count_of(self.throttled, 'call')}" if self.throttled else ""

    @property
    def trouble(self) -> str:
        """What holds up most machines now: ECS does not answer, answers slowly, or throttles."""
        whys = Counter(job.why for job in list(self._jobs.values()) if job.why)
        return whys.most_common(1)[0][0] if whys else ""

    def trouble_text(self) -> str:
        """Return what holds machines up now, and how many."""
        count, why = sum(bool(job.why) for job in list(self._jobs.values())), self.trouble
        return f"{count_of(count, 'machine')} delayed: {why}" if why else ""

    def longest_text(self, now: float) -> str:
        """Return which machine has waited longest for something with a limit, and that limit."""
        waits = [(wait, job.name) for job in list(self._jobs.values()) if (wait := job.wait) is not None]
        if not waits:
            return ""
        (phase, since, limit, of), name = min(waits, key=lambda each: each[0][1])
        most = f"{duration(limit)}{LIMIT_WORDS.get(of, '')}"
        return f"longest wait: {name}, {self.word(phase)}, {duration(now - since)} of at most {most}"

    def total_text(self) -> str:
        """Return the number of machines and, if there are several stages, the present one."""
        ends, ended = stages(self._rollout, self.total), sum(job.at in OUTCOMES for job in self._jobs.values())
        canary = has_canary(self._rollout, self.total)
        here, waves = min(bisect_right(ends, ended), len(ends) - 1), len(ends) - canary
        stage = "canary" if canary and not here else f"wave {here + 1 - canary}/{waves}" if waves > 1 else ""
        return f"{count_of(self.total, 'machine')}{f', {stage}' if stage else ''}"

    def summary(self, now: float) -> str:
        """Return everything in one line, for outputs without a table."""
        counts = ", ".join(f"{count} {self.word(at)}" for at, count in self.counts() if count)
        parts = (
            *self.rate_texts(now), self.throttled_text(), self.time_text(now), self.longest_text(now),
            self.trouble_text(),
        )  # fmt: skip
        return f"{self.total_text()}: {counts}; {'; '.join(each for each in parts if each)}"


def _path(job: PlannedJob, *, snapshot: bool) -> tuple[str, ...]:
    whole = (("stop", job.will_stop), ("snapshot", snapshot), ("reinit", True), ("start", job.will_start))
    return tuple(phase for phase, is_due in whole if is_due)


def _record(times: deque[float], now: float) -> None:
    while times and times[0] <= now - _MINUTE:
        times.popleft()
    times.append(now)
