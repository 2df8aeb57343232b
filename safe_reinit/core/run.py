"""One whole run, one machine or ten thousand: each step takes what happened and returns what to do next.

Deterministic: no thread, clock, file or network, and the same inputs give the same effects. The driver carries the
effects out in their order, and steps again with what came of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from ..model import Accepted, Command, Failure, JobState, Observation, Rollout, Wait, error_codes
from . import events, guards, inputs, outcomes
from .commits import Commits
from .decide import decide, waiting
from .describing import Describing
from .evolve import evolve
from .freshness import is_slow
from .inputs import Attempt, AttemptOutcome, Effect, Input, Now
from .jobs import Due, Job, mark
from .outages import Outage
from .pauses import Pauses
from .polling import TICK_INTERVAL
from .rate_limits import RateLimiter
from .rechecks import RecheckQueue
from .reports import Reports
from .scheduler import FOR_MANY, Scheduler
from .state import PLAN_AGAIN
from .steps import is_outstanding, tries_of


class Run:
    """One run.

    Args:
        run_id: its id, for messages to people.
        rollout: how it is spread over its jobs.
        states: the states from which its jobs continue, in the order of the plan.
        closed: the positions of jobs that had already ended: nothing is observed or called for them.
        none_begins: why no further job begins; ``""`` if they may.
        rate: the cloud seconds in a real second.
        usual: by phase, the shortest time that it took in earlier runs, in cloud seconds.
        journal_outage: how long to wait for a journal that cannot be written before the machines are started without
            it, in real seconds.

    """

    def __init__(  # noqa: PLR0913 - what a run goes by
        self,
        run_id: str,
        rollout: Rollout,
        states: Sequence[JobState],
        *,
        closed: frozenset[int] = frozenset(),
        none_begins: str = "",
        rate: float = 1.0,
        usual: Mapping[str, float] | None = None,
        journal_outage: float = 0.0,
    ) -> None:
        self._run_id = run_id
        self._rate = rate
        self._jobs = [Job(position, state) for position, state in enumerate(states)]
        for position in closed:
            self._jobs[position].end()
        self._limits = RateLimiter(rollout.quota_share)
        self.scheduler = Scheduler(rollout, self._jobs, self._limits, usual, none_begins)
        """Which jobs begin, and how many calls are made."""
        self._now: Now
        self._effects: list[Effect] = []
        self._reports = Reports(rate)
        self._numbers = itertools.count(1)
        """Identifies a request, so that its answer is distinguished from a late one."""
        self._lag: float | None = None
        self._pauses = Pauses(rate)
        self._tick_at = -math.inf
        self._describing = Describing(rate)
        self._rechecks = RecheckQueue()
        self._calling: dict[int, Sequence[Attempt]] = {}
        self._commits = Commits()
        self._cancelled = False
        self._outage = Outage(run_id, journal_outage, rate)

    @property
    def states(self) -> tuple[JobState, ...]:
        """The present states of the jobs, in the order of the plan."""
        return tuple(job.state for job in self._jobs)

    @property
    def unfinished(self) -> list[int]:
        """The positions of jobs that have not ended."""
        return [job.position for job in self._jobs if not job.ended]

    @property
    def is_over(self) -> bool:
        """Whether every job has ended, and the journal says so."""
        return self.scheduler.is_over() and not self._commits.under_way and not self._commits

    def step(self, now: Now, inputs: Sequence[Input]) -> list[Effect]:
        """Return what to do next, in order, given what has happened.

        After a ``Commit``, nothing else is requested until its answer is among the inputs.
        """
        self._now, self._effects = now, []
        self._pauses.stepped(now.at)
        for each in inputs:
            self._handle(each)
        if not self._commits.under_way:
            self._go_on()
        return self._effects

    # ------------------------------------------------------------------------------------------------------ inputs

    def _handle(self, received: Input) -> None:  # noqa: C901, PLR0912 - one line for each input
        match received:
            case inputs.Observations(number, observations):
                self._described(number, observations)
            case inputs.Rechecked(number, results):
                self._rechecked(number, results)
            case inputs.RecheckFailed(number, why, failure):
                self._recheck_failed(number, why, failure)
            case inputs.Answered(number, outcomes_, together):
                self._answered(number, outcomes_, batched=together)
            case inputs.AcceptedBefore(position, command):
                self._apply(self._jobs[position], events.WipeAcceptedBefore(command, self._now.at))
            case inputs.Broke(number, kind):
                self._broke(number, kind)
            case inputs.Exchanged(action, code):
                self._limits.record(action, code, self._now.at)
            case inputs.Committed():
                self._committed()
            case inputs.NoRoom(in_use) | inputs.Heard(in_use):
                self.scheduler.heard(in_use, self._now.at)
                self._hold(self._commits.refused() if isinstance(received, inputs.NoRoom) else ())
            case inputs.JournalAway(failure) | inputs.JournalLost(failure):
                self._journal_failed(failure, lost=isinstance(received, inputs.JournalLost))
            case inputs.LeaseLapsed() if self._pauses.lapsed(self._now.at):
                self._apply_all(events.Paused(self._now.at), self.scheduler.paused())
            case inputs.CancelRequested(why):
                self._cancel(why)
            case inputs.HandedOver():
                self.scheduler.hand_over()
            case inputs.Continued(agreed):
                self.scheduler.answered(confirmed=agreed)

    def _described(self, number: int, observations: Sequence[Observation]) -> None:
        if (observed := self._describing.ended(number, observations)) is None:
            return
        seen, watched = observed
        for job, observation in watched:
            self._watched(job, observation)
        for job, observation in seen:
            self._apply(job, events.Observed(observation, self._lag))
            if self._outage.lasts:  # no limit counts while nothing can be sent
                self._apply(job, events.Paused(self._now.at))
            elif observation.at < self._pauses.until:  # limits count from the end of the pause, not from what it shows
                self._apply(job, events.Paused(self._pauses.until))
        self._lag = max((job.state.lag for job, _ in seen if job.state.lag is not None), default=self._lag)
        due = [Due(job, command, each) for job, each in seen if (command := self._next_command(job, each)) is not None]
        self._dispatch(due)

    def _watched(self, job: Job, observation: Observation) -> None:
        """Record the observation of a job that has not begun; one that turns back ends untouched."""
        self._apply(job, events.Observed(observation, self._lag))
        job.observed_at = observation.at if observation.answered else job.observed_at
        if job.state.turned_back and not job.begun:
            self._end(job, observation)

    def _next_command(self, job: Job, observation: Observation) -> Command | None:
        """Report an observation of a job, and return the call that is decided."""
        state = job.state
        self._reports.state(job, observation)
        action = decide(state, observation)
        self.scheduler.observed(job, observation, action)
        if isinstance(action, Wait):
            self._reports.wait(job, action, observation, self._outage.why)
        elif isinstance(action, Command):
            if state.stuck_since is not None or observation.why or is_slow(observation, self._rate):
                self._reports.wait(job, waiting(state, observation), observation, job.troubled or self._outage.why)
            # While a call is being checked, the decision on its own recheck counts.
            return action if job.call is None else None
        elif job.call is None:
            self._end(job, observation)
        return None

    def _rechecked(self, number: int, results: Sequence[inputs.RecheckResult]) -> None:
        jobs = self._rechecks.begun(number, self._now.at)
        if jobs is not None:
            self._began(jobs, results)
            return
        ready = []
        for due, result in zip(self._rechecks.ended(number), results, strict=False):
            due.job.troubled = ""
            match result:
                case inputs.Drifted(drift, status):
                    self._drifted(due.job, drift, status)
                case inputs.Unobserved(why):  # this proves nothing: the next observations show whether it stays so
                    self._apply(due.job, events.HeldUp(self._now.at, why))
                case inputs.Fresh(observation, reset_code):  # pragma: no branch - there is no other result
                    self._apply(due.job, events.Observed(observation, self._lag))
                    fresh = Due(due.job, due.command, observation)
                    if self._may_send(fresh, reset_code):
                        ready.append(fresh)
        self._intend(ready)

    def _began(self, jobs: Sequence[Job], results: Sequence[inputs.RecheckResult]) -> None:
        """Decide on the facts of jobs that have just begun: their first call needs no other recheck."""
        ready = []
        for job, result in zip(jobs, results, strict=False):
            match result:
                case inputs.Drifted(drift, status):
                    self._drifted(job, drift, status)
                case inputs.Fresh(observation):
                    self._apply(job, events.Observed(observation, self._lag))
                    command = self._next_command(job, observation)
                    if command is not None:
                        ready.append(Due(job, command, observation))
        probed = [due for due in ready if due.command.action == "ResetDisk"]  # ECS is first asked about these by name
        read = {due.job.position for due in ready}
        ready_now, held = self.scheduler.paced([due for due in ready if due not in probed], self._now.at)
        self._hold(held)
        for batch in self.scheduler.batches(each for each in ready_now if each.job.position in read):
            self._intend([due for due in batch if self._may_send(due)])
        # Calls that waited for the quota have not been read yet.
        self._queue_rechecks([each for each in ready_now if each.job.position not in read])
        self._dispatch(probed)

    def _recheck_failed(self, number: int, why: str, failure: Failure | None) -> None:
        for job in self._rechecks.begun(number, self._now.at) or ():  # their observations show whether it stays so
            if failure is not None:
                self._apply(job, events.Failed(failure))
        for due in self._rechecks.ended(number):
            if failure is not None:
                self._apply(due.job, events.Failed(failure))
            else:
                due.job.troubled = why
                self._apply(due.job, events.HeldUp(self._now.at, why))

    def _drifted(self, job: Job, drift: tuple[str, ...], status: str) -> None:
        self._apply(job, events.Failed(guards.drifted(drift)))
        self._apply(job, events.PowerObserved(status))

    def _may_send(self, due: Due, reset_code: str = "") -> bool:
        """Return whether a call is still the right one after its recheck."""
        held, event = guards.held_back(due.job.state, due.command, due.observation, reset_code, self._now, self._rate)
        if event is not None:
            self._apply(due.job, event)
        return not held

    def _answered(self, number: int, answers: Sequence[AttemptOutcome], *, batched: bool) -> None:
        attempts, made = self._calling.pop(number, ()), list[Job]()
        for attempt, answer in zip(attempts, answers, strict=False):
            job = self._jobs[attempt.position]
            job.call = job.command = None
            if isinstance(answer, Accepted):
                job.alone = False
            elif isinstance(answer, inputs.AttemptRefused):
                throttled = error_codes.throttled(answer.code)
                job.alone = job.alone or (batched and not throttled)
                if throttled and answer.retry_after:
                    self._limits.close(answer.action or attempt.command.action, self._now.at, answer.retry_after)
            event, reported = outcomes.event_of(attempt, answer, self._now, batched=batched)
            self._apply(job, event)
            self._reports.answered(job, attempt, reported, self._now.at)
            made += [] if isinstance(answer, inputs.AttemptWithheld) else [job]
        if attempts:
            self.scheduler.called(made, attempts[0].command.action, self._now.at, made=bool(made))

    def _broke(self, number: int, kind: str) -> None:
        """Turn back after an unexpected exception. If several jobs may have caused it, each is then called by itself.

        A call that was intended may have been sent.
        """
        failure = Failure(None, f"An unexpected {kind} ended the run.", hint="Please report this.")
        self._rechecks.begun(number, self._now.at)  # nothing was decided for these jobs yet
        calls = [(each.job, each.command) for each in self._rechecks.ended(number)]
        calls += [(self._jobs[each.position], each.command) for each in self._calling.pop(number, ())]
        for job, command in calls:
            job.call = job.command = None
            if len(calls) > 1 and not is_outstanding(job.state, command):
                job.alone = True
                self._apply(job, events.HeldUp(self._now.at))
            else:
                self._apply(job, events.CallUnanswered(command, self._now.at))
                self._apply(job, events.Failed(failure))

    def _cancel(self, why: str) -> None:
        """Turn every job back; those that have not begun end."""
        if self._cancelled:
            return
        self._cancelled = True
        self._apply_all(events.Cancelled(why), self._jobs)
        for job in self.scheduler.untouched():
            if not job.begun:
                self._end(job)
        self.scheduler.hurry()

    def _journal_failed(self, failure: Failure, *, lost: bool) -> None:
        """Wait for an unavailable journal; after giving up, turn every job back. What is not in it is not sent."""
        self._commits.failed()
        waited = self._outage.given_up is None
        self._effects += self._outage.failed(failure, self._now.at, self._jobs, lost=lost)
        if waited and self._outage.given_up is not None:
            self._apply_all(events.Failed(failure), self._jobs)

    # ----------------------------------------------------------------------------------------------------- effects

    def _go_on(self) -> None:
        """Begin jobs, observe those that are due, check and send what was decided, and write what has changed."""
        at = self._now.at
        if not (self._describing.under_way or at < self.scheduler.due_at(self._tick_at)):
            self._tick()
        self._reports.late(self._describing.late(at), at)
        self._rechecks.keep(self._commits.still_decided)  # nobody waits for a call that is no longer the right one
        self._commits.drop_overtaken()
        recheck = self._rechecks.next(next(self._numbers), at, calling=bool(self._calling), may=not self._outage.lasts)
        if recheck is not None:
            self._effects.append(recheck)
        if self._outage.is_tried(at) if self._outage.lasts else self._commits:
            spool = bool(self._outage.given_up)
            self._effects.append(self._commits.begin(self._jobs, self.scheduler, at, spool=spool))
            return
        self._effects += self._reports.taken()
        if not self.is_over:
            self._effects.append(inputs.WaitUntil(self._wake_at()))

    def _tick(self) -> None:
        at = self._now.at
        self._admit()
        due = self.scheduler.due(at, ending=self._cancelled)
        self._tick_at = at
        new = [job for job in due if not (job.checked or job.state.tried or job.state.turned_back)]
        for job in new:
            job.checked = True
        self._rechecks.begin(new)
        beginning = [job for job in due if job.beginning]
        for job in beginning:
            job.next_at = at + TICK_INTERVAL  # there is nothing to do for it until its facts have been read
        due = [job for job in due if not job.beginning]
        watched = self.scheduler.watched(at)
        if due or watched:
            self._effects.append(self._describing.begin(next(self._numbers), due, watched, at))
        else:
            self._dispatch(())  # the calls that the quota has held back

    def _admit(self) -> None:
        """Begin more jobs. Once no more may begin, end those that have not begun and those that are still untouched."""
        if self._cancelled or self._outage.lasts:
            return
        if self.scheduler.waits_for_others():
            self._effects.append(inputs.ReadInUse())
        asked = self.scheduler.question
        self.scheduler.admit(self._now.at, self._now.when)
        if self.scheduler.question != asked:
            self._effects.append(inputs.AskToContinue(self.scheduler.question))
        if news := self.scheduler.news():
            self._effects.append(inputs.Notify(f"Run {self._run_id} waits; untouched machines keep running: {news}."))
        if not self.scheduler.closed:
            return
        failure = Failure(None, f"Not begun: {self.scheduler.closed}.", hint=PLAN_AGAIN)
        for job in self.scheduler.untouched():
            self._apply(job, events.Failed(failure))
            if not job.begun:
                self._end(job)

    def _dispatch(self, decided: Sequence[Due]) -> None:
        """Send what brings machines back at once; queue the other calls for a recheck; hold what exceeds the quota."""
        ready_now, held = self.scheduler.paced(decided, self._now.at)
        self._hold(held)
        self._queue_rechecks(ready_now)

    def _queue_rechecks(self, ready: Sequence[Due]) -> None:
        for batch in self.scheduler.batches(ready):
            if batch[0].command.action in error_codes.BRINGS_BACK:
                self._intend(batch)
            else:
                number = next(self._numbers)
                mark(batch, number)
                self._rechecks.add(number, batch)

    def _hold(self, held: Sequence[Due], why: str = "") -> None:
        for due in held:
            wait, reason = self.scheduler.wait_of(due, self._now.at, why)
            if due.command.action != "StopInstance" and due.job.state.touched and not self._outage.lasts:
                self._apply(due.job, events.HeldUp(self._now.at, reason))
            self._reports.wait(due.job, wait, due.observation, reason)

    def _intend(self, batch: Sequence[Due]) -> None:
        """Commit the intentions. The calls follow once these are written: one request for all if ECS has such a call.

        A call is not intended while its API throttles.
        """
        if not batch:
            return
        if self._outage.lasts:
            self._hold(batch, self._outage.why)
            return
        action, at = batch[0].command.action, self._now.at
        together = action in FOR_MANY
        if self._limits.closed(f"{action}s" if together and len(batch) > 1 else action, at):
            for due in batch:
                self._apply(due.job, events.HeldUp(at))
            return
        for some in [batch] if together else [[each] for each in batch]:
            mark(some, 0)
            self._commits.intend(some)

    def _committed(self) -> None:
        if self._commits.under_way:
            self._effects += self._outage.ended()
        for batch in self._commits.done():
            attempts = tuple(each for due in batch if (each := self._attempt(due)) is not None)
            if not attempts:
                continue
            number = next(self._numbers)
            mark([due for due in batch if due.job.command is not None], number)
            self._calling[number] = attempts
            self._effects += self._reports.taken()
            self._effects.append(inputs.SendAttempts(number, attempts))

    def _attempt(self, due: Due) -> Attempt | None:
        """Return the call whose intention has been written, unless the job has turned back since."""
        job, still_due = due.job, decide(due.job.state, due.observation) == due.command
        job.state = evolve(job.state, events.Intended(due.command, due.observation))
        number = tries_of(job.state, due.command)
        if not still_due:
            job.call = job.command = None
            self._apply(job, events.Withdrawn(due.command, self._now.at))
            return None
        self._reports.call("intend", due.command, {"attempt": number})
        return Attempt(job.position, due.command, number, job.state, due.observation)

    def _wake_at(self) -> float:
        due_at = None if self._describing.under_way else self.scheduler.due_at(self._tick_at)
        at = [each for each in (self._describing.late_at, due_at, self._rechecks.wake_at) if each is not None]
        return min([*at, self._now.at + TICK_INTERVAL])  # how often the driver checks whether it still holds the run

    def _apply(self, job: Job, event: events.Event) -> None:
        after = evolve(job.state, event)
        if after is not job.state and after != job.state:
            job.state = after
            self._commits.changed(job)

    def _apply_all(self, event: events.Event, jobs: Sequence[Job]) -> None:
        for job in (each for each in jobs if not each.ended):
            self._apply(job, event)

    def _end(self, job: Job, observation: Observation | None = None) -> None:
        job.end()
        self._reports.done(job, observation)
