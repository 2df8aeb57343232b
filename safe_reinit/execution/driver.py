"""The driver: carries out what the core asks for, and returns the results to the core. It decides nothing.

One thread steps the core and writes its states. Calls to ECS are made in daemon threads, so that a call that hangs
keeps nothing waiting, not even the end of the process.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field

from ..clock import Clock
from ..cloud.interface import Cloud
from ..core.inputs import (
    Answered,
    AskToContinue,
    AttemptWithheld,
    Broke,
    CancelRequested,
    Commit,
    Continued,
    Describe,
    Effect,
    Emit,
    Exchanged,
    HandedOver,
    Input,
    Notify,
    Now,
    Observations,
    ReadInUse,
    Recheck,
    SendAttempts,
    WaitUntil,
)
from ..core.run import Run
from ..journal import NO_SPOOL, JournalError, LateAnswer, Lease, LeaseLostError, Spool
from ..model import Call as Exchange
from ..model import Event, JobState, Observation, Plan, TargetRules, error_codes
from ..model.events import make_event
from .calls import Calls
from .executor import DaemonExecutor
from .observe import observe_jobs
from .recheck import Rechecks
from .store import StateStore

_CALL_THREADS = 32
"""Threads that make calls: one that hangs does not keep the others waiting."""


@dataclass
class Driver:
    """Carries out one confirmed plan to its end.

    Attributes:
        states: the states from which the jobs continue, in the order of the plan.
        closed: the positions of jobs that had already ended: nothing is observed or called for them.
        none_begins: why no further job begins; ``""`` if they may.
        lease: the right to act for this run; every changed state is written through it before anything that depends on
            it.
        exchanges: the answers of the cloud, as they arrive; for the rate limits.
        ask: asks a person whether the next stage may begin, given a summary of what has ended.
        notify: tells people something that is not an event of a job.
        usual: by phase, the shortest time that it took in earlier runs, in cloud seconds.
        journal_outage: how long to wait for a journal that cannot be written, in real seconds.
        spool: keeps what is missing from the journal after that.
        target_rules: which targets the present configuration allows and protects; checked besides the plan's own rules.
        stop: set by somebody who wants the run to end: calls in progress finish, machines come back, no wipe is sent.
        hand_over: set by somebody who wants another process to continue: no further job begins, and jobs in progress
            end.
        leave: set by somebody who cannot wait for that: the run is left as it is.
        wake: set to end the wait for the next step.

    """

    cloud: Cloud
    clock: Clock
    plan: Plan
    run_id: str
    on_event: Callable[[Event], None]
    lease: Lease
    states: InitVar[Sequence[JobState]]
    closed: frozenset[int] = frozenset()
    none_begins: str = ""
    exchanges: deque[Exchange] = field(default_factory=deque)
    ask: Callable[[str], bool | None] = lambda _: True
    notify: Callable[[str], None] = lambda _: None
    target_rules: TargetRules | None = None
    usual: Mapping[str, float] = field(default_factory=dict)
    journal_outage: float = 0.0
    spool: Spool = NO_SPOOL
    stop: threading.Event = field(default_factory=threading.Event)
    hand_over: threading.Event = field(default_factory=threading.Event)
    leave: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self, states: Sequence[JobState]) -> None:
        self.run = Run(
            self.run_id, self.plan.rollout, states, closed=self.closed, none_begins=self.none_begins,
            rate=self.clock.rate, usual=self.usual, journal_outage=self.journal_outage,
        )  # fmt: skip
        self._store = StateStore(self.lease, self.spool, self.notify, self.clock.rate, self.run_id)
        self._rechecks = Rechecks(self.cloud, self.clock, self.plan, self.run_id, self.target_rules)
        self._calls = Calls(self.cloud, self.clock, self.plan, self.run_id, self._store, self.stop)
        self._inbox: deque[Input] = deque()
        self._stepping = threading.RLock()
        self._written: list[Input] = []
        """The result of the last commit, until the core gets it."""
        # One thread makes the rechecks, since several would only make each other's facts old. What brings machines back
        # has threads of its own, so that it waits for nothing, even if other calls hang.
        self._observing = DaemonExecutor(1, "safe-reinit-observe")
        self._rechecking = DaemonExecutor(1, "safe-reinit-recheck")
        self._calling = {back: DaemonExecutor(_CALL_THREADS, "safe-reinit-call") for back in (False, True)}
        self._asking = DaemonExecutor(1, "safe-reinit-ask")
        self._ask_failed: Exception | None = None
        """Why nobody could be asked; this ends the run as it is: no machine is down."""

    def __call__(self) -> None:
        """Carry out every job to its end.

        Raises:
            LeaseLostError: another session now holds the run; nothing more is called or written.
            Exception: what asking somebody between two stages raised.
        """
        executors = (self._observing, self._rechecking, *self._calling.values())
        if (heard := self._store.read_in_use()) is not None and heard.in_use.ahead:
            self._inbox.append(heard)  # a shard checks this before its first machine begins
        try:
            with self.clock.busy():
                while not self.leave.is_set():
                    until = self._round()
                    if until is None:
                        break
                    self._wait(until)
            self._store.keep()  # also the events since the last commit
        finally:
            for each in executors:
                each.shutdown(wait=not self.leave.is_set(), cancel_futures=True)
            self._asking.shutdown(wait=False)  # nobody waits for an answer that is no longer needed

    @property
    def accepted(self) -> Sequence[LateAnswer]:
        """The wipes of this session that ECS accepted."""
        return self._calls.accepted

    def turn_back(self) -> bool:
        """Record, for any process that resumes the run, that it was asked to end: no job wipes or begins any more.

        The loop records that itself at its next step, but that step may hang for as long as the process lasts.

        Returns:
            whether it could be recorded: ``False`` if another session holds the run, and knows more about it.

        """
        if not self.stop.is_set():
            return True
        try:
            with self._stepping:
                inputs: list[Input] = [self._cancel_requested()]
                while inputs or self._written:
                    effects = self._step(inputs)
                    inputs = [_withheld(each) for each in effects if isinstance(each, SendAttempts)]
            with contextlib.suppress(JournalError):
                self.lease.check()
        except LeaseLostError:
            return False
        return True

    def _round(self) -> float | None:
        """Step until nothing is left to do; return when to step again (cloud seconds), or ``None`` for never."""
        inputs = [*self._store.hold(), *self._drained()]
        if self._ask_failed is not None:  # this is set before the answer that replaces it arrives
            raise self._ask_failed
        until: float | None = None
        while True:
            effects = self._step(inputs)
            inputs = []
            for effect in effects:
                if self.leave.is_set():
                    return None
                if isinstance(effect, WaitUntil):
                    until = effect.at
                elif (answer := self._carry_out(effect)) is not None:
                    inputs.append(answer)
            if not (inputs or self._written):
                return None if self.run.is_over else until

    def _step(self, inputs: Sequence[Input]) -> Sequence[Effect]:
        """Step the core, and write what it asks for at once: nothing else may come in between."""
        with self._stepping:
            effects = self.run.step(self._now(), [*self._written, *inputs])
            self._written = []
            self._written = [self._store.commit(each) for each in effects if isinstance(each, Commit)]
            return effects

    def _now(self) -> Now:
        return Now(self.clock.time(), self.clock.now(), random.random())  # noqa: S311 - so that runs come apart

    def _drained(self) -> Iterable[Input]:
        """Return what has happened since the last step."""
        self.wake.clear()
        if self.stop.is_set():
            yield self._cancel_requested()
        if self.hand_over.is_set():
            yield HandedOver()
        while self.exchanges:
            exchange = self.exchanges.popleft()
            yield Exchanged(exchange.action, exchange.code)
        while self._inbox:
            yield self._inbox.popleft()

    def _cancel_requested(self) -> CancelRequested:
        if self.lease.held:
            return CancelRequested(f"all runs are held ({self.lease.held})")
        if self.target_rules is not None and self.target_rules.hold:
            return CancelRequested(f"{self.target_rules.whose} holds all runs: {self.target_rules.hold}")
        return CancelRequested()

    def _carry_out(self, effect: Effect) -> Input | None:
        match effect:
            case Emit(name, instance_id, disk_id, data):
                event = make_event(
                    name, at=self.clock.now(), run_id=self.run_id, instance_id=instance_id, disk_id=disk_id, data=data,
                    simulated=self.plan.simulated,
                )  # fmt: skip
                with contextlib.suppress(Exception):  # a listener that fails leaves no machine stopped
                    self.on_event(event)
            case Notify(text):
                with contextlib.suppress(Exception):
                    self.notify(text)
            case ReadInUse():
                return self._store.read_in_use()
            case AskToContinue(question):
                self._begin(self._asking, effect, lambda: Continued(bool(self.ask(question))))
            case Describe(number, jobs, watched):
                self._begin(
                    self._observing,
                    effect,
                    lambda: Observations(number, tuple(observe_jobs(self.cloud, self.clock, jobs, watched=watched))),
                )
            case Recheck():
                self._begin(self._rechecking, effect, lambda: self._rechecks(effect))
            case SendAttempts():
                calling = self._calling[effect.attempts[0].command.action in error_codes.BRINGS_BACK]
                self._begin(calling, effect, lambda: self._calls.make(effect))
            case _:
                pass
        return None

    def _begin(
        self,
        executor: DaemonExecutor,
        effect: Describe | Recheck | SendAttempts | AskToContinue,
        leaf: Callable[[], Input],
    ) -> None:
        """Carry out an effect in a thread; its result is an input of a later step."""
        busy = (
            contextlib.nullcontext() if isinstance(effect, AskToContinue) else self.clock.busy()
        )  # a person may take any time

        def work() -> None:
            with busy:
                try:
                    answer = leaf()
                except Exception as error:  # noqa: BLE001 - whatever it is, the machines must come back
                    answer = self._failed(effect, error)
                self._inbox.append(answer)
                self.wake.set()

        try:
            executor.submit(work)
        except RuntimeError as error:  # no thread could be started for it
            self._inbox.append(self._failed(effect, error))

    def _failed(self, effect: Describe | Recheck | SendAttempts | AskToContinue, error: Exception) -> Input:
        """Return what the core learns about an effect that ended with an exception, expected or not."""
        if isinstance(effect, Describe):
            observation = Observation(self.clock.time(), self.clock.now(), answered=False, why="ECS could not be asked")
            return Observations(effect.number, (observation,) * len(effect.jobs + effect.watched))
        if isinstance(effect, AskToContinue):
            self._ask_failed = error
            return Continued(confirmed=False)
        return Broke(effect.number, type(error).__name__)

    def _wait(self, until: float) -> None:
        """Wait until a time (cloud seconds), or until something has happened."""
        if not self._inbox and not self.leave.is_set():
            self.clock.wait(self.wake, until - self.clock.time())


def _withheld(call: SendAttempts) -> Answered:
    return Answered(call.number, (AttemptWithheld(),) * len(call.attempts))
