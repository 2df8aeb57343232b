"""What carries a run of shards as Temporal does, on virtual time: one workflow, and workers that can be lost.

It does what ``safe_reinit.temporal.workflow`` has the server do, by the times of that module. Each attempt is a process
of its own, so that each can be killed or paused by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar
from unittest.mock import patch

from safe_reinit.errors import Error, RunRefused, UsageError
from safe_reinit.execution.following import Carried
from safe_reinit.execution.shards import Shards
from safe_reinit.model import Stage
from safe_reinit.temporal import carrier
from safe_reinit.temporal.carrier import WorkflowCarrier
from tests.simulation.scheduler import Process, Scheduler, Task
from tests.simulation.threads import Threads

T = TypeVar("T")

HEARTBEAT_TIMEOUT = 20.0
"""Seconds without a sign of life after which another worker is given a shard."""
STEP_TIMEOUT = 120.0
"""Seconds within which a step of the workflow is to be answered."""
SERVER_WAIT = 5.0
"""Seconds for which a server that is away is waited for."""
_READ_INTERVAL = 1.0
_BACKS_OFF = (1.0, 5.0)
_MAX_ATTEMPTS = 10
"""Attempts after which somebody sees that there will never be another end."""


@dataclass(eq=False)
class Attempt:
    """One attempt of a worker to carry a shard, or at a step of the workflow (``shard`` is ``None``).

    Attributes:
        hand_over: set where this worker is to end.
        heard: when there was a sign of life of it.
        lost: whether it counts as lost, also if it works on: the server did not get its heartbeats.
        ended: whether its answer came.

    """

    process: Process
    shard: int | None
    hand_over: Any
    heard: float
    lost: bool = False
    ended: bool = False
    error: Error | None = None
    task: Task | None = None

    @property
    def at_work(self) -> bool:
        """Whether its process goes on, lost or not."""
        return self.task is not None and not (self.task.done or self.process.dead)


@dataclass(eq=False)
class Engine:
    """Carries one run, by one workflow after the other.

    Attributes:
        connect: connects as a worker does; is told each attempt before it begins.
        run_id: the run.
        digest: of its plans.
        stages: the shards of each stage that was carried.
        attempts: what workers were given, oldest first.
        question: what the workflow waits for somebody to answer; ``""`` for nothing.
        refused: why the workflow has failed.
        away_until: until when the server is away: it gives nothing to workers, and hears nothing of them.

    """

    scheduler: Scheduler
    connect: Callable[[Attempt], Shards]
    run_id: str = ""
    digest: str = ""
    stages: list[tuple[int, ...]] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    question: str = ""
    refused: Error | None = None
    away_until: float = 0.0
    status: Literal["missing", "open", "ended", "failed", "terminated"] = "missing"
    _workflow: Process = field(default_factory=lambda: Process("temporal"))
    _seen: int = 0
    _requests: int = 0

    def submit(self) -> None:
        """Begin a workflow, unless one is open."""
        if self.status != "open":
            self.status, self.question, self.refused = "open", "", None
            self._workflow = Process("temporal")
            self.scheduler.spawn("workflow", self._workflow, self._run)

    def request_stage(self) -> None:
        """Let the workflow ask for the next stage again."""
        self._requests += 1

    def terminate(self) -> None:
        """End the workflow at once; what workers have they carry on."""
        if self.status == "open":
            self.status, self.question = "terminated", ""
            self.scheduler.kill(self._workflow)

    def cancel(self) -> None:
        """Cancel the workflow, which has the journal say so."""

        def cancel() -> None:
            self._activity(None, lambda shards, _: shards.cancel(self.run_id))
            self.request_stage()

        if self.status == "open":
            self.scheduler.spawn("cancel", self._workflow, cancel)

    def ask_again(self) -> None:
        """Have the next stage asked for once more at the same time, as where an attempt was lost and works on."""
        self._begin(None, lambda shards, _: shards.next_stage(self.run_id, self.digest))

    @property
    def asks(self) -> str:
        """The question that the workflow waits for, unless it is about to ask again."""
        return self.question if self._seen == self._requests else ""

    @property
    def is_idle(self) -> bool:
        """Whether nothing goes on before somebody else does something."""
        return (self.status != "open" or bool(self.asks)) and not any(each.at_work for each in self.attempts)

    def _run(self) -> None:
        try:
            while not self._stage():
                pass
        except Error as error:
            self.status, self.refused = "failed", error
        else:
            self.status = "ended"

    def _stage(self) -> bool:
        """Carry the next stage; tell whether the run is over."""
        self._seen = self._requests
        stage: Stage = self._activity(None, lambda shards, _: shards.next_stage(self.run_id, self.digest))
        if stage.question:
            self.questions.append(stage.question)
            self.question = stage.question
            while self._requests == self._seen:
                self.scheduler.sleep(_READ_INTERVAL)
            self.question = ""
        elif stage.shards:
            self._carry(stage)
        return stage.over

    def _carry(self, stage: Stage) -> None:
        self.stages.append(stage.shards)
        waiting, refused = list(stage.shards), list[Error]()

        def limiter() -> None:
            while waiting and not refused:
                try:
                    self._carry_shard(waiting.pop(0))
                except Error as error:
                    refused.append(error)

        lanes = [self.scheduler.spawn("lane", self._workflow, limiter) for _ in range(stage.at_once)]
        for each in lanes:
            self.scheduler.join(each)
        if refused:
            raise refused[0]

    def _carry_shard(self, number: int) -> None:
        def carry(shards: Shards, attempt: Attempt) -> None:
            def alive() -> None:
                if self.scheduler.now >= self.away_until:
                    attempt.heard = self.scheduler.now

            if not shards.carry(self.run_id, number, self.digest, alive, attempt.hand_over):
                raise _HandedOver

        self._activity(number, carry)

    def _activity(self, shard: int | None, does: Callable[[Shards, Attempt], T]) -> T:
        """Have workers do something until one of them has done it, or it was refused."""
        limit, wait = STEP_TIMEOUT if shard is None else HEARTBEAT_TIMEOUT, _BACKS_OFF[0]
        while True:
            self._while_away()
            attempt, results = self._begin(shard, does)
            while not (attempt.ended or attempt.lost or self.scheduler.now - attempt.heard >= limit):
                self.scheduler.sleep(_READ_INTERVAL)
                self._while_away()
            if results:
                return results[0]
            if isinstance(attempt.error, RunRefused) and not isinstance(attempt.error, UsageError):
                raise attempt.error
            self.scheduler.sleep(wait)
            wait = min(2 * wait, _BACKS_OFF[1])

    def _while_away(self) -> None:
        while self.scheduler.now < self.away_until:
            self.scheduler.sleep(self.away_until - self.scheduler.now)

    def _begin(self, shard: int | None, does: Callable[[Shards, Attempt], T]) -> tuple[Attempt, list[T]]:
        kind = "step" if shard is None else f"shard {shard}"
        name = f"{kind}, attempt {sum(each.shard == shard for each in self.attempts) + 1}"
        attempt = Attempt(Process(name), shard, Threads(self.scheduler).Event(), self.scheduler.now)
        results: list[T] = []

        def work() -> None:
            try:
                results.append(does(self.connect(attempt), attempt))
            except _HandedOver:
                pass
            except Error as error:
                attempt.error = error
            except BaseException:
                self.terminate()  # a defect: whoever looks at the task is told
                raise
            attempt.ended = True

        self.attempts.append(attempt)
        attempt.task = self.scheduler.spawn(kind, attempt.process, work)
        return attempt, results


class _HandedOver(Exception):
    """The worker has let its shard go."""


@dataclass
class Temporal:
    """A Temporal server as whoever submits runs sees it: it has an engine for each of them.

    Attributes:
        connect: connects as a worker of a run does; is told its attempt before that begins.
        submitted: is told each run that comes here, once it is known.
        engines: by the run that each carries.
        away_until: until when the server does not answer.

    """

    scheduler: Scheduler
    connect: Callable[[Attempt], Shards]
    submitted: Callable[[Engine], None] = lambda _: None
    engines: dict[str, Engine] = field(default_factory=dict)
    away_until: float = 0.0
    address: str = "temporal.test:7233"

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the program submit its runs here while the block lasts."""
        with (  # of a class a function is given the carrier, and a bound method is not
            patch.object(carrier, "_reached", self._reached),
            patch.object(WorkflowCarrier, "submit", lambda run: self._submit(run)),  # noqa: PLW0108 - see above
            patch.object(WorkflowCarrier, "wake", lambda run: self._wake(run.run_id)),
            patch.object(WorkflowCarrier, "describe", lambda run: self._describe(run.run_id)),
        ):
            yield

    def stay_away(self, seconds: float) -> None:
        """Answer nobody for so long."""
        self.away_until = max(self.away_until, self.scheduler.now + seconds)
        for each in self.engines.values():
            each.away_until = self.away_until

    @property
    def is_idle(self) -> bool:
        """Whether nothing goes on before somebody else does something."""
        return all(each.is_idle for each in self.engines.values())

    def give_up(self) -> None:
        """End each workflow whose last attempts have all failed."""
        for each in self.engines.values():
            last = [attempt for attempt in each.attempts if attempt.ended][-_MAX_ATTEMPTS:]
            if len(last) == _MAX_ATTEMPTS and all(attempt.error is not None for attempt in last):
                each.terminate()

    def _answers(self) -> None:
        if self.scheduler.now < self.away_until:
            self.scheduler.sleep(SERVER_WAIT)
            raise RunRefused(f"The Temporal server {self.address} does not answer.", hint="Nothing was begun there.")

    def _reached(self, _settings: object) -> Temporal:
        self._answers()
        return self

    def _submit(self, run: WorkflowCarrier) -> bool:
        self._answers()
        new = Engine(self.scheduler, self.connect, run.run_id, run.digest, away_until=self.away_until)
        engine = self.engines.setdefault(run.run_id, new)
        self.submitted(engine)
        engine.submit()
        return True

    def _wake(self, run_id: str) -> None:
        self._answers()
        engine = self.engines.get(run_id)
        if engine is None or engine.status != "open":
            raise RunRefused(f"Temporal has no open workflow of run {run_id}.")
        engine.request_stage()

    def _describe(self, run_id: str) -> Carried:
        self._answers()
        engine = self.engines.get(run_id)
        if engine is None or engine.status == "missing":
            return Carried("missing", "Temporal has no workflow of this run.", f"safe-reinit resume {run_id}")
        if engine.status == "failed":
            assert engine.refused is not None
            return Carried("failed", str(engine.refused), engine.refused.hint)
        says = "Somebody ended the workflow of this run." if engine.status == "terminated" else ""
        return Carried(engine.status, says)
