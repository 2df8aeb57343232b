"""The local runner: one loop over all open jobs, looks on one common tick, acts in a few threads.

The loop keeps looking while a call hangs, so that what the call did is seen even if its answer never comes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field

from . import codes, record
from .act import FOR_MANY, Act, Attempt
from .changes import AfterPause, Fail, Interrupt, Learn, Lose, Stuck
from .clock import Clock
from .cloud import Cloud, CloudError, OtherCaller
from .decide import decide, waiting
from .events import done_data, statuses, wait_data
from .executor import DaemonExecutor
from .gate import BATCH, Gate, Job
from .journal import JournalError, Lease, LeaseLostError
from .ledger import Change, Ledger
from .look import tick, trouble, unseen
from .model import Event, EventName, Failure, Observation, Plan, Policy, Record, Send, Wait
from .pace import Pace
from .second_look import Errand, is_slow, slowly

TICK = 2.0
"""Cloud seconds between two looks."""
_PATIENCE = 1.0
"""Cloud seconds for which calls that are being made keep the look before the next ones waiting."""
_CALLING = 16
"""Threads that call: one that hangs keeps no other waiting."""


@dataclass
class Runner:
    """Runs one confirmed plan to its end.

    Attributes:
        stop: set by somebody who wants the run to end: calls in flight end, machines come back, no wipe is sent.
        leave: set by somebody who cannot wait for that: the run is left as it stands.
        lease: the right to act for this run; every changed record is written through it before what follows is done.
        begun: the records to go on from, in the order of the plan.
        closed: the positions of jobs that came to their end before: nothing is looked at or called for them.
        pace: how many calls may be made.
        ask: asks whether to go on with the next stage of a rollout; told what has ended.
        say: is told, for people, what they must know although it is no event.
        wake: set to end the wait for the next tick.
        policy: which targets may be and which must not by the configuration of now: judged as well as the plan's.

    """

    cloud: Cloud
    clock: Clock
    plan: Plan
    run_id: str
    on_event: Callable[[Event], None]
    lease: Lease
    begun: Sequence[Record]
    closed: frozenset[int] = frozenset()
    pace: Pace | None = None
    ask: Callable[[str], bool] = lambda _: True
    say: Callable[[str], None] = lambda _: None
    stop: threading.Event = field(default_factory=threading.Event)
    leave: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)
    policy: Policy | None = None

    def __post_init__(self) -> None:
        self._jobs = [
            Job(position, planned, known)
            for position, (planned, known) in enumerate(zip(self.plan.jobs, self.begun, strict=True))
        ]
        for position in self.closed:
            self._jobs[position].end()
        pace = self.pace or Pace(self.clock)
        self._ledger = Ledger(self.lease, self.stop, self._say_unrecorded)
        self._lapses = self.lease.lapses
        self._gate = Gate(self.plan.rollout, self._jobs, self.clock, pace, self.ask)
        self._act = Act(
            self.cloud, self.clock, self.plan, self.run_id, self._ledger, self._tell_call, pace, self.policy
        )
        self._handing_over = threading.Lock()
        self._lag: float | None = None
        self._in_hand: list[Future[None]] = []

    @property
    def unfinished(self) -> list[int]:
        """The positions of jobs that have not come to their end."""
        return [job.position for job in self._jobs if not job.ended]

    @property
    def records(self) -> tuple[Record, ...]:
        """The records of the jobs as they stand, in the order of the plan."""
        return tuple(job.record for job in self._jobs)

    def turn_back(self) -> None:
        """Keep it for whoever resumes the run where somebody asked it to end: no job wipes any more, and none begins.

        The loop notes that itself at its next look, which may hang for as long as the process lasts.
        """
        if self.stop.is_set():
            with contextlib.suppress(LeaseLostError):
                self._ledger.keep([(job, Interrupt()) for job in self._jobs if not job.ended])

    def __call__(self) -> None:
        """Run every job to its end.

        Raises:
            LeaseLostError: another process holds the run now; nothing more is called or written.
        """
        # One thread looks before calls, since more would only make each other's looks old. What brings machines back
        # has threads of its own, to prepare it and to call: it waits for nothing else, also where other calls hang.
        preparing = [DaemonExecutor(1, "safe-reinit-look") for _ in range(2)]
        calling = [DaemonExecutor(_CALLING, "safe-reinit-act") for _ in range(2)]
        try:
            while not self._gate.is_over() and not self.leave.is_set():
                self._hold()
                began = self.clock.time()
                self._begin()
                decided = self._round()
                if self.leave.is_set():
                    break  # what was decided meanwhile is left to whoever resumes the run
                for batch in _batches(decided, self._gate.most):
                    with self._handing_over:
                        back = batch[0].send.action in codes.BRINGS_BACK
                        self._gate.calls(batch, preparing[back].submit(self._prepare, calling[back], batch))
                self._rest(began + TICK)
        finally:
            for threads in (*preparing, *calling):
                threads.shutdown(wait=not self.leave.is_set(), cancel_futures=True)

    def _hold(self) -> None:
        """See that this process still holds the run; after a pause in which it did not run, limits count from now.

        Raises:
            LeaseLostError: another process holds it.
        """
        self._ledger.check(brings_back=True)
        if self.lease.lapses != self._lapses:
            self._lapses = self.lease.lapses
            paused = AfterPause(self.clock.time())
            self._ledger.keep([(job, paused) for job in self._jobs if job.begun and not job.ended])

    def _say_unrecorded(self, failure: Failure) -> None:
        """Say that this output is the only record from here on, and of which machines."""
        touched = [job.record.instance_id for job in self._jobs if job.record.touched and not job.ended]
        machines = f"Machines that are not back yet: {', '.join(touched)}. " if touched else ""
        with contextlib.suppress(Exception):
            self.say(
                f"{failure.message} Run {self.run_id} stops and wipes nothing more, and starts the machines that it "
                f"stopped unless the outcome of a wipe is in doubt. {machines}"
                "What happens from here on may be recorded nowhere else: keep this output."
            )

    def _begin(self) -> None:
        """Let more jobs begin, or end those that never will: also what has begun and is untouched, as long as it is."""
        stopping = self.stop.is_set()
        closed = "" if stopping else self._gate.open()
        if not closed and not stopping:
            return
        failure = Failure(None, f"Not begun: {closed}.", hint="Plan these disks anew when you want them wiped.")
        ahead = self._gate.ahead()
        self._ledger.keep([(job, Interrupt() if stopping else _never(failure)) for job in ahead])
        for job in ahead:
            if not job.begun:
                self._end(job)

    def _round(self) -> Sequence[Errand]:
        """Look at the jobs that are due, learn, and give the calls that are decided and may be made."""
        due = self._gate.due(ending=self.stop.is_set())
        looks = self._look(due)
        if self.stop.is_set():
            self._ledger.keep([(job, Interrupt()) for job in due])
        self._ledger.keep([(job, Learn(seen, self._lag)) for job, seen in zip(due, looks, strict=True)])
        self._lag = max((job.record.lag for job in due if job.record.lag is not None), default=self._lag)
        decided = [(job, self._step(job, seen)) for job, seen in zip(due, looks, strict=True)]
        let, held = self._gate.paced(
            [Errand(job, send, seen) for (job, send), seen in zip(decided, looks, strict=True) if send is not None]
        )
        at = self.clock.time()
        down = [errand for errand in held if errand.send.action != "StopInstance" and errand.entry.record.touched]
        why = "ECS throttles, or its quota is used up"
        self._ledger.keep([(errand.entry, Stuck(at, why)) for errand in down])
        for errand in held:
            self._tell_wait(
                self._jobs[errand.entry.position], waiting(errand.entry.record, errand.seen), errand.seen, why
            )
        return let

    def _rest(self, until: float) -> None:
        """Wait for the next tick, or until a call has ended; a part of each tick is left to the threads that call."""
        self.wake.clear()
        waiting = not self._gate.is_over() and not self.leave.is_set()
        if waiting and not self._gate.in_a_hurry():
            self.clock.wait(self.wake, max(TICK / 4, until - self.clock.time()))

    def _look(self, jobs: Sequence[Job]) -> Sequence[Observation]:
        """Look at these jobs at once; a look that fails is no look, and the next tick tries again."""
        if not jobs:
            return ()
        snapshots = any(not job.record.touched for job in jobs)
        try:
            return tick(
                self.cloud,
                self.clock,
                [job.record for job in jobs],
                snapshots=snapshots,
                resets=True,
                late=lambda: self._late(jobs),
            )
        except Exception as failed:  # noqa: BLE001 - also one that nobody foresaw: the machine must come back
            return [unseen(self.clock.time(), self.clock.now(), failed)] * len(jobs)

    def _late(self, jobs: Sequence[Job]) -> None:
        """Say of each wait that ECS has not answered yet, so that nobody takes what was told last for what is now."""
        for job in jobs:
            if job.said_wait is not None:
                self._tell("wait", job.job.instance_id, None, {**job.said_wait, "why": "ECS has not answered yet"})

    def _step(self, job: Job, seen: Observation) -> Send | None:
        """Tell of a look at one job, and give the call that is decided."""
        known = job.record
        if seen.seen:
            status = seen.instance.status if seen.instance else ""
            self._say(job, "state", {"instance": status, "disks": statuses(seen)})
        action = decide(known, seen)
        self._gate.looked(job, seen, action)
        if isinstance(action, Wait):
            self._tell_wait(job, action, seen)
        elif isinstance(action, Send):
            if known.stuck_since is not None or seen.why or is_slow(self.clock, seen):
                self._tell_wait(job, waiting(known, seen), seen, job.troubled)
            # While a call is being prepared on its thread, what it decides on its own look counts.
            return action if job.call is None else None
        elif job.call is not None:
            return None
        else:
            self._end(job, seen)
        return None

    def _tell_wait(self, job: Job, wait: Wait, seen: Observation, why: str = "") -> None:
        why = seen.why or why or (slowly(seen) if is_slow(self.clock, seen) else "")
        if not why and job.record.error is not None:  # from then on only the power is waited for
            why = job.record.error.message.rstrip(".")
        job.said_wait = wait_data(wait, job.record, seen, why)
        self._tell("wait", job.job.instance_id, None, job.said_wait)

    def _end(self, job: Job, seen: Observation | None = None) -> None:
        job.end()
        self._say(job, "done", done_data(job.record, seen))

    def _prepare(self, calling: DaemonExecutor, batch: Sequence[Errand]) -> None:
        """Prepare calls, and hand each over to a thread that makes it."""
        action = batch[0].send.action
        if action not in (*FOR_MANY, *codes.BRINGS_BACK):  # the calls before these first, so that their look is fresh
            wait(self._in_hand, timeout=_PATIENCE / self.clock.rate)
        try:
            calls = self._act.prepare(batch)
        except OtherCaller as other:  # of what this one may see and do nothing is known
            failure = Failure(None, other.said, hint=other.hint)
            self._ledger.keep([(errand.entry, Fail(failure)) for errand in batch])
        except CloudError as failed:  # the look before them; the next tick decides anew
            why = trouble(failed)
            self._trouble(batch, why)
            at = self.clock.time()
            self._ledger.keep([(errand.entry, Stuck(at, why)) for errand in batch])
        except (JournalError, LeaseLostError):
            pass  # nothing was sent; the jobs have turned back, or the loop finds the lease lost
        except Exception as error:  # noqa: BLE001 - whatever it is, the machines must come back
            self._broke(batch, error)
        else:
            self._trouble(batch, "")
            self._hand_over(calls, calling)

    def _trouble(self, batch: Sequence[Errand], why: str) -> None:
        for errand in batch:
            self._jobs[errand.entry.position].troubled = why

    def _hand_over(self, calls: Sequence[Sequence[Attempt]], calling: DaemonExecutor) -> None:
        for attempts in calls:
            try:
                with self._handing_over:
                    call = calling.submit(self._make, attempts)
                    self._gate.calls(attempts, call)
                    self._in_hand = [*(each for each in self._in_hand if not each.done()), call]
            except RuntimeError as error:  # no thread for it
                if not self.leave.is_set():
                    self._broke(attempts, error)

    def _make(self, attempts: Sequence[Attempt]) -> None:
        """Make one call; what goes wrong with it is taken for a lost answer."""
        try:
            made = self._act.make(attempts)
            if self._gate.called(attempts, made=made):
                self.wake.set()
        except LeaseLostError:
            pass  # nothing was sent; the loop finds the lease lost
        except Exception as error:  # noqa: BLE001 - whatever it is, the machines must come back
            self._broke(attempts, error)

    def _broke(self, those: Sequence[Errand] | Sequence[Attempt], error: Exception) -> None:
        """Turn back after an error that nobody foresaw; of several jobs each is asked by itself, to find whose it is.

        What was intended may have been sent.
        """
        failure = Failure(None, f"An unexpected {type(error).__name__} ended the run.", hint="Please report this.")
        at = self.clock.time()
        for each in those:
            if len(those) > 1 and not record.is_asked(each.entry.record, each.send):
                each.entry.alone = True
                self._ledger.keep([(each.entry, Stuck(at))])
            else:
                self._ledger.keep([(each.entry, Lose(each.send, at)), (each.entry, Fail(failure))])

    def _say(self, job: Job, event: EventName, data: Mapping[str, object]) -> None:
        """Tell of a state, but not twice in a row."""
        if job.said == (event, data):
            return
        job.said = (event, data)
        self._tell(event, job.job.instance_id, None, data)

    def _tell_call(self, event: str, send: Send, data: dict[str, object]) -> None:
        disk = send.subject if send.of_disk else None
        instance = None if disk else send.subject
        name: EventName = "intend" if event == "intend" else "answer"
        self._tell(name, instance, disk, {"action": send.action, "force": send.force, **data})

    def _tell(self, event: EventName, instance: str | None, disk: str | None, data: Mapping[str, object]) -> None:
        """Tell whoever listens; a listener that fails is no reason to leave a machine stopped."""
        with contextlib.suppress(Exception):
            simulated = self.plan.simulated
            self.on_event(Event(self.clock.now(), self.run_id, event, instance, disk, data, simulated=simulated))


def _batches(errands: Sequence[Errand], most: int) -> list[list[Errand]]:
    """Put calls of one kind together, as many as one look can serve: ``most`` where ECS takes one a call."""
    kinds: dict[tuple[object, ...], list[Errand]] = {}
    for errand in errands:
        alone = errand.entry.position if errand.entry.alone else None
        kinds.setdefault((errand.send.action, errand.send.force, alone), []).append(errand)
    batches = []
    for kind in kinds.values():
        size = BATCH.get(kind[0].send.action, most)
        batches += [kind[start : start + size] for start in range(0, len(kind), size)]
    return batches


def _never(failure: Failure) -> Change:
    """Turn a job back unless something of it was touched meanwhile."""
    return lambda before: before if before.touched else record.fail(before, failure)
