"""One whole run, one machine or ten thousand: each step takes what happened and returns what is to be done.

Deterministic: no thread, clock, file or network, and the same inputs give the same effects. The driver carries the
effects out in their order, and steps again with what came of them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

from .. import codes
from ..model import Accepted, Command, EventName, Failure, JobState, Observation, PlannedJob, Rollout, Wait
from . import outcomes
from .decide import decide, waiting
from .events import (
    CallUnanswered,
    Cancelled,
    Event,
    Failed,
    HeldUp,
    Intended,
    Observed,
    Paused,
    PowerShown,
    Withdrawn,
)
from .evolve import evolve
from .freshness import is_slow, is_stale, is_too_slow, oldest, slowly
from .inputs import (
    Answered,
    Ask,
    Attempt,
    Broke,
    Call,
    CancelRequested,
    Commit,
    Committed,
    Continued,
    Decided,
    Describe,
    Described,
    Drifted,
    Effect,
    Emit,
    Exchanged,
    Fresh,
    Input,
    JournalFailed,
    LeaseLapsed,
    NotSeen,
    Now,
    Outcome,
    Recheck,
    Rechecked,
    RecheckFailed,
    Refused,
    Say,
    WaitUntil,
    Withheld,
)
from .polling import TICK
from .rate_limits import RateLimiter
from .scheduler import FOR_MANY, Due, Job, Scheduler
from .state import PLAN_AGAIN
from .steps import is_asked, tries_of
from .story import done_data, statuses, wait_data

_LATE = 5.0
"""Real seconds after which people are told that ECS has not answered yet."""
AT_ONCE = 100
"""Jobs whose facts are read at once when they begin."""
_CALLS_FIRST = 1.0
"""Cloud seconds for which calls that are being made keep the recheck before the next ones waiting."""


class Run:
    """One run.

    Args:
        run_id: its id, for what people are told.
        rollout: how it spreads over its jobs.
        planned: its jobs as they were planned.
        states: the state of each to go on from, in the same order.
        closed: the positions of jobs that came to their end before: nothing is observed or called for them.
        rate: the cloud seconds in a real one.
        usual: by phase the shortest time that it took in earlier runs, in cloud seconds.

    Attributes:
        scheduler: which jobs begin, and how many calls are made.

    """

    def __init__(  # noqa: PLR0913 - what a run is
        self,
        run_id: str,
        rollout: Rollout,
        planned: Sequence[PlannedJob],
        states: Sequence[JobState],
        *,
        closed: frozenset[int] = frozenset(),
        rate: float = 1.0,
        usual: Mapping[str, float] | None = None,
    ) -> None:
        self._run_id = run_id
        self._rate = rate
        self._jobs = [
            Job(position, job, state) for position, (job, state) in enumerate(zip(planned, states, strict=True))
        ]
        for position in closed:
            self._jobs[position].end()
        self._limits = RateLimiter(rollout.quota_share)
        self.scheduler = Scheduler(rollout, self._jobs, self._limits, usual)
        self._now: Now
        self._effects: list[Effect] = []
        self._reports: list[Effect] = []
        """Events that are reported once the states behind them are written down."""
        self._numbers = 0
        self._lag: float | None = None
        self._tick_at = -math.inf
        """When the last tick began."""
        self._describing: tuple[int, list[Job]] | None = None
        self._late_at: float | None = None
        self._to_recheck: deque[list[Due]] = deque()
        """Calls that wait for their recheck, in their order."""
        self._recheck_from: float | None = None
        """When the first of them began to wait for calls that are being made."""
        self._rechecking: tuple[int, list[Due]] | None = None
        self._to_begin: deque[Job] = deque()
        """Jobs that have begun, and whose facts are to be read before anything is decided."""
        self._beginning: tuple[int, list[Job]] | None = None
        self._calling: dict[int, Sequence[Attempt]] = {}
        self._unsaved: set[int] = set()
        """The positions of jobs whose state is not written down yet."""
        self._intended: list[list[Due]] = []
        """The calls whose intention is written down with them, by the call that sends them."""
        self._committing: tuple[set[int], list[list[Due]]] | None = None
        """The same two, of what is being written down now."""
        self._cancelled = False
        self._unwritten: Failure | None = None
        """Why the journal could not be written: no call is intended from here on but those that bring machines back."""

    @property
    def states(self) -> tuple[JobState, ...]:
        """The states of the jobs as they are, in the order of the plan."""
        return tuple(job.state for job in self._jobs)

    @property
    def unfinished(self) -> list[int]:
        """The positions of jobs that have not come to their end."""
        return [job.position for job in self._jobs if not job.ended]

    @property
    def is_over(self) -> bool:
        """Whether every job has come to its end, and that is written down."""
        return self.scheduler.is_over() and self._committing is None and not self._unsaved

    def step(self, now: Now, inputs: Sequence[Input]) -> list[Effect]:
        """Take what happened, and return what is to be done, in this order.

        After a ``Commit`` nothing else is asked for until its answer is among the inputs.
        """
        self._now, self._effects = now, []
        for each in inputs:
            self._take(each)
        if self._committing is None:
            self._go_on()
        return self._effects

    # ------------------------------------------------------------------------------------------------------ inputs

    def _take(self, given: Input) -> None:  # noqa: C901, PLR0912 - one line for each input
        match given:
            case Described(number, observations):
                self._described(number, observations)
            case Rechecked(number, results):
                self._rechecked(number, results)
            case RecheckFailed(number, why, failure):
                self._recheck_failed(number, why, failure)
            case Answered(number, outcomes_, together):
                self._answered(number, outcomes_, together=together)
            case Broke(number, kind):
                self._broke(number, kind)
            case Exchanged(action, code):
                self._limits.record(action, code, self._now.at)
            case Committed():
                self._committed()
            case JournalFailed(failure):
                self._journal_failed(failure)
            case LeaseLapsed():
                for job in self._jobs:
                    if job.begun and not job.ended:
                        self._apply(job, Paused(self._now.at))
            case CancelRequested():
                self._cancel()
            case Continued(agreed):
                self.scheduler.answered(agreed=agreed)

    def _described(self, number: int, observations: Sequence[Observation]) -> None:
        if self._describing is None or self._describing[0] != number:
            return
        jobs, self._describing, self._late_at = self._describing[1], None, None
        seen = [(job, observation) for job, observation in zip(jobs, observations, strict=True) if not job.ended]
        for job, observation in seen:
            self._apply(job, Observed(observation, self._lag))
        self._lag = max((job.state.lag for job, _ in seen if job.state.lag is not None), default=self._lag)
        due = [Due(job, command, each) for job, each in seen if (command := self._decide(job, each)) is not None]
        self._dispatch(due)

    def _decide(self, job: Job, observation: Observation) -> Command | None:
        """Report an observation of a job, and return the call that is decided."""
        state = job.state
        if observation.seen and observation.instance_asked:
            status = observation.instance.status if observation.instance else ""
            disks = (
                statuses(observation) if observation.disks_asked else {each.disk_id: each.shown for each in state.disks}
            )
            self._report(job, "state", {"instance": status, "disks": disks})
        elif observation.seen:
            self._report(job, "state", {"instance": state.instance_status, "disks": statuses(observation)})
        action = decide(state, observation)
        self.scheduler.observed(job, observation, action)
        if isinstance(action, Wait):
            self._report_wait(job, action, observation)
        elif isinstance(action, Command):
            if state.stuck_since is not None or observation.why or is_slow(observation, self._rate):
                self._report_wait(job, waiting(state, observation), observation, job.troubled)
            # While a call is being checked, what is decided on its own recheck counts.
            return action if job.call is None else None
        elif job.call is None:
            self._end(job, observation)
        return None

    def _rechecked(self, number: int, results: Sequence[Fresh | Drifted | NotSeen]) -> None:
        if self._beginning is not None and self._beginning[0] == number:
            self._began(results)
            return
        ready = []
        for due, result in zip(self._end_recheck(number), results, strict=False):
            due.job.troubled = ""
            match result:
                case Drifted(drift, status):
                    self._drifted(due.job, drift, status)
                case NotSeen(why):  # which proves nothing: the next observations show whether it stays so
                    self._apply(due.job, HeldUp(self._now.at, why))
                case Fresh(observation, reset_code):
                    self._apply(due.job, Observed(observation, self._lag))
                    fresh = Due(due.job, due.command, observation)
                    if self._is_still_due(fresh) and self._may_reset(fresh, reset_code):
                        ready.append(fresh)
        self._intend(ready)

    def _began(self, results: Sequence[Fresh | Drifted | NotSeen]) -> None:
        """Decide on the facts of jobs that have just begun: no other recheck is needed before their first call."""
        ready = []
        for job, result in zip(self._end_beginning(), results, strict=False):
            match result:
                case Drifted(drift, status):
                    self._drifted(job, drift, status)
                case Fresh(observation):
                    self._apply(job, Observed(observation, self._lag))
                    command = self._decide(job, observation)
                    if command is not None:
                        ready.append(Due(job, command, observation))
        probed = [due for due in ready if due.command.action == "ResetDisk"]  # which ECS is asked about by name first
        read = {due.job.position for due in ready}
        let, held = self.scheduler.paced([due for due in ready if due not in probed], self._now.at)
        self._hold(held)
        for batch in self.scheduler.batches(each for each in let if each.job.position in read):
            self._intend([due for due in batch if self._is_still_due(due)])
        self._let([each for each in let if each.job.position not in read])  # what waited for the quota is not read yet
        self._dispatch(probed)

    def _end_beginning(self) -> list[Job]:
        if self._beginning is None:
            return []
        jobs, self._beginning = self._beginning[1], None
        for job in jobs:
            job.next_at = self._now.at
        return jobs

    def _recheck_failed(self, number: int, why: str, failure: Failure | None) -> None:
        if self._beginning is not None and self._beginning[0] == number:
            for job in self._end_beginning():  # their observations show whether it stays so
                if failure is not None:
                    self._apply(job, Failed(failure))
            return
        for due in self._end_recheck(number):
            if failure is not None:
                self._apply(due.job, Failed(failure))
            else:
                due.job.troubled = why
                self._apply(due.job, HeldUp(self._now.at, why))

    def _end_recheck(self, number: int) -> list[Due]:
        if self._rechecking is None or self._rechecking[0] != number:
            return []
        batch, self._rechecking = self._rechecking[1], None
        for due in batch:
            due.job.call = due.job.command = None
        return batch

    def _drifted(self, job: Job, drift: Sequence[str], status: str) -> None:
        hint = "Look at the new facts with --dry-run, then decide anew."
        failure = Failure(None, f"What the plan stands on has moved: {'; '.join(drift)}.", hint=hint)
        self._apply(job, Failed(failure))
        self._apply(job, PowerShown(status))

    def _is_still_due(self, due: Due) -> bool:
        """Return whether a call is still the one to make, on what its recheck showed; a guard of every call."""
        job, command, observation, at = due.job, due.command, due.observation, self._now.at
        disagrees = decide(job.state, observation) != command or (command.overwrites and not observation.disks_asked)
        stale = is_stale(observation, job.state, at, self._rate)
        if stale and is_too_slow(observation, job.state, self._rate) and job.state.stuck_since is not None:
            self._apply(job, Failed(outcomes.too_slow(command, observation, oldest(job.state))))
            return False
        if not (disagrees or stale):
            return True
        if job.state.touched or not disagrees:  # a machine that is left as it was may wait for what it waits for
            slow = stale and is_slow(observation, self._rate)
            self._apply(job, HeldUp(at, observation.why or (slowly(observation) if slow else "")))
        return False

    def _may_reset(self, due: Due, code: str) -> bool:
        """Return whether a call may be sent: a ResetDisk that its DryRun says ECS would refuse counts as refused."""
        if due.command.action != "ResetDisk" or code == codes.PROVEN:
            return True
        self._apply(due.job, outcomes.foreseen(due.command, due.job.state, code, self._now))
        return False

    def _answered(self, number: int, answers: Sequence[Outcome], *, together: bool) -> None:
        attempts = self._calling.pop(number, ())
        made = [
            (each, answer) for each, answer in zip(attempts, answers, strict=False) if not isinstance(answer, Withheld)
        ]
        for attempt, answer in zip(attempts, answers, strict=False):
            job = self._jobs[attempt.position]
            job.call = job.command = None
            if isinstance(answer, Accepted):
                job.alone = False
            elif isinstance(answer, Refused):
                throttled = codes.throttled(answer.code)
                job.alone = job.alone or (together and not throttled)
                if throttled and answer.retry_after:
                    self._limits.close(answer.action or attempt.command.action, self._now.at, answer.retry_after)
            event, reported = outcomes.event_of(attempt, answer, self._now, together=together)
            self._apply(job, event)
            self._report_call("answer", attempt.command, reported)
        if attempts:
            called = [self._jobs[each.position] for each, _ in made]
            self.scheduler.called(called, attempts[0].command.action, self._now.at, made=bool(made))

    def _broke(self, number: int, kind: str) -> None:
        """Turn back after an unexpected exception; of several jobs each is called by itself, to find which caused it.

        What was intended may have been sent.
        """
        failure = Failure(None, f"An unexpected {kind} ended the run.", hint="Please report this.")
        if self._beginning is not None and self._beginning[0] == number:
            self._end_beginning()
            return
        calls = [(each.job, each.command) for each in self._end_recheck(number)]
        calls += [(self._jobs[each.position], each.command) for each in self._calling.pop(number, ())]
        for job, command in calls:
            job.call = job.command = None
            if len(calls) > 1 and not is_asked(job.state, command):
                job.alone = True
                self._apply(job, HeldUp(self._now.at))
            else:
                self._apply(job, CallUnanswered(command, self._now.at))
                self._apply(job, Failed(failure))

    def _cancel(self) -> None:
        """Turn every job back; those of which nothing has begun end."""
        if self._cancelled:
            return
        self._cancelled = True
        for job in self._jobs:
            if not job.ended:
                self._apply(job, Cancelled())
        for job in self.scheduler.ahead():
            if not job.begun:
                self._end(job)
        self.scheduler.hurry()

    def _journal_failed(self, failure: Failure) -> None:
        """Turn every job back, since nothing more can be written; what was not written down is not sent."""
        unsaved, batches = self._committing or (set(), [])
        self._committing = None
        self._unsaved |= unsaved
        for due in (each for batch in (*batches, *self._intended) for each in batch):
            due.job.call = due.job.command = None
        self._intended = []
        if self._unwritten is not None:
            return
        self._unwritten = failure
        for job in self._jobs:
            if not job.ended:
                self._apply(job, Failed(failure))
        self._effects.append(Say(self._unrecorded(failure)))

    def _unrecorded(self, failure: Failure) -> str:
        touched = [job.state.instance_id for job in self._jobs if job.state.touched and not job.ended]
        machines = f"Machines that are not back yet: {', '.join(touched)}. " if touched else ""
        return (
            f"{failure.message} Run {self._run_id} stops and wipes nothing more, and starts the machines that it "
            f"stopped unless the outcome of a wipe is in doubt. {machines}"
            "What happens from here on may be recorded nowhere else: keep this output."
        )

    # ----------------------------------------------------------------------------------------------------- effects

    def _go_on(self) -> None:
        """Begin jobs, observe those that are due, check and send what was decided, and write down what has changed."""
        at = self._now.at
        if self._describing is None and at >= self.scheduler.due_at(self._tick_at) and not self.scheduler.is_over():
            self._tick()
        if self._late_at is not None and at >= self._late_at and self._describing is not None:
            self._late(self._describing[1])
        self._drop_overtaken()
        self._recheck_next()
        if self._unsaved or self._intended:
            self._commit()
            return
        self._effects += self._reports
        self._reports = []
        if not self.scheduler.is_over():
            self._effects.append(WaitUntil(self._wake_at()))

    def _tick(self) -> None:
        at = self._now.at
        self._admit()
        due = self.scheduler.due(at, ending=self._cancelled)
        self._tick_at = at
        new = [job for job in due if not (job.checked or job.state.tried or job.state.turned_back)]
        for job in new:
            job.checked = True
        self._to_begin.extend(new)
        beginning = [job for job in due if job in self._to_begin or self._is_beginning(job)]
        for job in beginning:
            job.next_at = at + TICK  # there is nothing to do for it until its facts are read
        due = [job for job in due if job not in beginning]
        if due:
            self._numbers += 1
            self._describing, self._late_at = (self._numbers, due), at + _LATE * self._rate
            self._effects.append(Describe(self._numbers, tuple(job.state for job in due)))
        else:
            self._dispatch(())  # what the quota has held back

    def _admit(self) -> None:
        """Let more jobs begin, or end those that never will: also what has begun and is untouched, as long as it is."""
        if self._cancelled:
            return
        self.scheduler.admit(self._now.at, self._now.when)
        if self.scheduler.question:
            self._effects.append(Ask(self.scheduler.question))
        if not self.scheduler.closed:
            return
        failure = Failure(None, f"Not begun: {self.scheduler.closed}.", hint=PLAN_AGAIN)
        for job in self.scheduler.ahead():
            self._apply(job, Failed(failure))
            if not job.begun:
                self._end(job)

    def _dispatch(self, decided: Sequence[Due]) -> None:
        """Send what brings machines back at once; let the other calls be checked again; hold what the quota holds."""
        let, held = self.scheduler.paced(decided, self._now.at)
        self._hold(held)
        self._let(let)

    def _let(self, let: Sequence[Due]) -> None:
        for batch in self.scheduler.batches(let):
            if batch[0].command.action in codes.BRINGS_BACK:
                self._intend(batch)
            else:
                self._numbers += 1
                self._mark(batch, self._numbers)
                self._to_recheck.append(batch)

    def _hold(self, held: Sequence[Due]) -> None:
        why = "ECS throttles, or its quota is used up"
        for due in held:
            if due.command.action != "StopInstance" and due.job.state.touched:
                self._apply(due.job, HeldUp(self._now.at, why))
            self._report_wait(due.job, waiting(due.job.state, due.observation), due.observation, why)

    def _is_beginning(self, job: Job) -> bool:
        return self._beginning is not None and job in self._beginning[1]

    def _mark(self, batch: Sequence[Due], number: int) -> None:
        for due in batch:
            due.job.call, due.job.command = number, due.command

    def _recheck_next(self) -> None:
        """Check the next calls again: one batch at a time, since more would only make each other's facts old."""
        if self._rechecking is not None or self._beginning is not None:
            return
        if self._to_begin:
            self._numbers += 1
            jobs = [self._to_begin.popleft() for _ in range(min(len(self._to_begin), AT_ONCE))]
            self._beginning = (self._numbers, jobs)
            self._effects.append(Recheck(self._numbers, tuple(Decided(job.position, None, job.state) for job in jobs)))
            return
        if not self._to_recheck:
            return
        batch = self._to_recheck[0]
        if self._calling and batch[0].command.action not in FOR_MANY:  # the calls before these first
            self._recheck_from = self._now.at if self._recheck_from is None else self._recheck_from
            if self._now.at - self._recheck_from < _CALLS_FIRST:
                return
        self._recheck_from = None
        self._to_recheck.popleft()
        number = batch[0].job.call or 0
        self._rechecking = (number, batch)
        decided = tuple(Decided(each.job.position, each.command, each.job.state) for each in batch)
        self._effects.append(Recheck(number, decided))

    def _intend(self, batch: Sequence[Due]) -> None:
        """Have the intentions written down; the calls follow once they are: one for all where ECS has such a call.

        Nothing is intended that the API throttles by which it would be called.
        """
        if not batch:
            return
        action, at = batch[0].command.action, self._now.at
        together = action in FOR_MANY
        if self._limits.closed(f"{action}s" if together and len(batch) > 1 else action, at):
            for due in batch:
                self._apply(due.job, HeldUp(at))
            return
        for some in [batch] if together else [[each] for each in batch]:
            self._mark(some, 0)
            self._intended.append(list(some))

    def _drop_overtaken(self) -> None:
        """Neither check nor intend what is not the call to make any more, by what else became known: nobody waits."""
        self._to_begin = deque(job for job in self._to_begin if not job.state.turned_back)
        self._to_recheck = deque(kept for batch in self._to_recheck if (kept := self._still_decided(batch)))
        self._intended = [kept for batch in self._intended if (kept := self._still_decided(batch))]

    def _still_decided(self, batch: Sequence[Due]) -> list[Due]:
        kept = []
        for due in batch:
            if decide(due.job.state, due.observation) == due.command:
                kept.append(due)
            else:
                due.job.call = due.job.command = None
        return kept

    def _commit(self) -> None:
        states = {position: self._jobs[position].state for position in self._unsaved}
        for due in (each for batch in self._intended for each in batch):
            states[due.job.position] = evolve(due.job.state, Intended(due.command, due.observation))
        self._effects.append(Commit(tuple(sorted(states.items(), key=lambda each: each[0]))))
        self._committing = self._unsaved, self._intended
        self._unsaved, self._intended = set(), []

    def _committed(self) -> None:
        if self._committing is None:
            return
        (_, batches), self._committing = self._committing, None
        for batch in batches:
            attempts = tuple(each for due in batch if (each := self._attempt(due)) is not None)
            if not attempts:
                continue
            self._numbers += 1
            self._mark([due for due in batch if due.job.command is not None], self._numbers)
            self._calling[self._numbers] = attempts
            self._effects += self._reports
            self._reports = []
            self._effects.append(Call(self._numbers, attempts))

    def _attempt(self, due: Due) -> Attempt | None:
        """Return the call whose intention is written down, unless the job has turned back since that was asked for."""
        job, wanted = due.job, decide(due.job.state, due.observation) == due.command
        job.state = evolve(job.state, Intended(due.command, due.observation))
        number = tries_of(job.state, due.command)
        if not wanted:
            job.call = job.command = None
            self._apply(job, Withdrawn(due.command, self._now.at))
            return None
        self._report_call("intend", due.command, {"attempt": number})
        return Attempt(job.position, due.command, number, job.state, due.observation)

    def _wake_at(self) -> float:
        at = [self._late_at] if self._describing is not None and self._late_at is not None else []
        if self._describing is None:
            at.append(self.scheduler.due_at(self._tick_at))
        if self._recheck_from is not None:
            at.append(self._recheck_from + _CALLS_FIRST)
        return min([*at, self._now.at + TICK])  # at least so often the driver sees whether it still holds the run

    def _apply(self, job: Job, event: Event) -> None:
        after = evolve(job.state, event)
        if after is not job.state and after != job.state:
            job.state = after
            self._unsaved.add(job.position)

    # ----------------------------------------------------------------------------------------------------- reports

    def _end(self, job: Job, observation: Observation | None = None) -> None:
        job.end()
        self._report(job, "done", done_data(job.state, observation))

    def _late(self, jobs: Sequence[Job]) -> None:
        """Report of each wait that ECS has not answered yet, so that nobody takes the last report for the present."""
        self._late_at = None
        for job in jobs:
            if job.reported_wait is not None:
                self._emit(
                    "wait", job.state.instance_id, None, {**job.reported_wait, "why": "ECS has not answered yet"}
                )

    def _report(self, job: Job, event: EventName, data: Mapping[str, object]) -> None:
        """Report a state, but not twice in a row."""
        if job.reported != (event, data):
            job.reported = (event, data)
            self._emit(event, job.state.instance_id, None, data)

    def _report_wait(self, job: Job, wait: Wait, observation: Observation, why: str = "") -> None:
        why = observation.why or why or (slowly(observation) if is_slow(observation, self._rate) else "")
        if not why and job.state.error is not None:  # from then on only the power is waited for
            why = job.state.error.message.rstrip(".")
        job.reported_wait = wait_data(wait, job.state, observation, why)
        self._emit("wait", job.state.instance_id, None, job.reported_wait)

    def _report_call(self, event: EventName, command: Command, data: Mapping[str, object]) -> None:
        disk = command.subject if command.of_disk else None
        instance = None if disk else command.subject
        self._emit(event, instance, disk, {"action": command.action, "force": command.force, **data})

    def _emit(self, event: EventName, instance: str | None, disk: str | None, data: Mapping[str, object]) -> None:
        self._reports.append(Emit(event, instance, disk, data))
