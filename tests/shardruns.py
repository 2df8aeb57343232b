"""Runs that are cut into shards, carried as an engine would: by several workers, on one journal."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from safe_reinit import logs
from safe_reinit.client import Client
from safe_reinit.execution import shards
from safe_reinit.execution.following import Carried, Following
from safe_reinit.execution.runs import Listeners
from safe_reinit.interrupt import Interrupt
from safe_reinit.journal import StoredRun, open_to_read
from safe_reinit.model import Event, Plan, Report
from safe_reinit.model.codec import decode
from safe_reinit.planning.planner import calls_of
from safe_reinit.plans.plan import from_json
from safe_reinit.simulator import Simulator
from tests import cloudlike, fleetruns, virtual
from tests.simulation import engine
from tests.simulation.scheduler import Process


def written(client: Client, plan: Plan) -> tuple[str, str]:
    """Write a plan down as a run of shards that nobody carries yet; return the run, and the digest of its plans."""
    run_id = client.new_run_id()
    with client.own_runs.session() as session:
        return run_id, shards.record_shards(session, plan, run_id, calls_of(plan), "ask")


@dataclass
class Idle:
    """Has nothing carried: the workers are those of the test, and what is said of them is this."""

    carried: Carried = field(default_factory=lambda: Carried("open"))
    text: str = "the workers of a test"

    def submit(self) -> bool:
        """Return whether somebody carries it."""
        return not self.carried.lost

    def wake(self) -> None:
        """Wake nobody."""

    def describe(self) -> Carried:
        """Return how it goes on."""
        return self.carried


def followed(
    client: Client,
    run_id: str,
    interrupt: Interrupt,
    go_on: Callable[[str], bool | None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    carrier: Idle | None = None,
) -> Report:
    """Follow a run that another process has begun, as ``resume`` does, and return its report."""
    with client.own_runs.session(Listeners(on_event, None, interrupt, go_on)) as session:
        return Following(session, session.stored(run_id), carrier or Idle(), joins=True)()


@dataclass
class Engine:
    """A run of shards on one journal, carried by the engine of ``tests/simulation``, and what was done to carry it."""

    sim: Simulator
    journal: Path
    of_workers: dict[str, Any] = field(default_factory=dict)
    """The settings of the configuration of each worker."""
    messages: list[str] = field(default_factory=list)
    """What workers told people."""

    def __post_init__(self) -> None:
        self.temporal = engine.Engine(virtual.current().scheduler, self._connect)
        """What carries it."""
        self.hand_over = threading.Event()
        """Set where the worker of ``carry_shards`` is to end."""

    def client(self) -> Client:
        """Connect as another process would."""
        return cloudlike.client(self.sim, journal=self.journal)

    def worker(self) -> Client:
        """Connect as a worker does, with its own configuration."""
        return cloudlike.client(self.sim, self.of_workers, journal=self.journal)

    def _connect(self, _: engine.Attempt) -> shards.Shards:
        return self.worker().own_runs.shards(self.messages.append)

    def begin(self, disks: Sequence[str], **rollout: Any) -> Engine:
        """Plan a run over these disks, and write it down."""
        client = self.client()
        plan = fleetruns.planned(client, list(disks), **rollout)
        self.temporal.run_id, self.temporal.digest = written(client, plan)
        return self

    def carry(
        self,
        answer: Callable[[str], bool] | None = None,
        on_event: Callable[[Process, Event], None] = lambda _process, _event: None,
    ) -> Engine:
        """Carry the run until it is over, or until somebody must answer and nobody does; ``on_event`` may do harm."""
        scheduler = virtual.current().scheduler

        def result(event: Event) -> None:
            assert scheduler.current is not None
            on_event(scheduler.current.process, event)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(logs, "event", result)
            self.temporal.submit()
            self.temporal.request_stage()  # the journal may have an answer meanwhile
            while not self.temporal.is_idle or (self.temporal.asks and answer):
                if self.temporal.asks and answer:
                    self._agree(answer(self.temporal.asks))
                scheduler.sleep(1.0)
        return self

    def carry_shards(self) -> Engine:
        """Carry the next shards to their end, one after the other, as one worker; nobody asks what comes then."""
        carrier = self.worker().own_runs.shards(self.messages.append)
        for number in carrier.next_stage(self.run_id, self.digest).shards:
            assert carrier.carry(self.run_id, number, self.digest, lambda: None, self.hand_over)
        return self

    def _agree(self, agreed: bool) -> None:
        """Write down what somebody answered, and have the workflow see it."""
        with self.client().own_runs.session() as session:
            stage = self.client().own_runs.shards().next_stage(self.run_id, self.temporal.digest)
            session.journal.confirm_stage(self.run_id, stage.number if agreed else -1)
        self.temporal.request_stage()

    @property
    def run_id(self) -> str:
        """The run."""
        return self.temporal.run_id

    @property
    def digest(self) -> str:
        """That of its plans."""
        return self.temporal.digest

    @property
    def stages(self) -> list[tuple[int, ...]]:
        """The shards of each stage that was carried."""
        return self.temporal.stages

    @property
    def workers(self) -> list[engine.Attempt]:
        """Those that carried a shard, one for each attempt."""
        return [each for each in self.temporal.attempts if each.shard is not None]

    @property
    def stored(self) -> StoredRun:
        """The run as the journal has it."""
        with open_to_read(os.fspath(self.journal)) as journal:
            stored = journal.run(self.run_id)
        assert stored is not None
        return stored

    @property
    def report(self) -> Report:
        """The report that the journal has."""
        result = self.stored.report
        assert result is not None
        return decode(Report, result)

    def checked(self) -> fleetruns.Fleet:
        """Hold the report against the simulator's own record."""
        done = fleetruns.Fleet(cloudlike.Run(self.report, None, from_json(self.stored.plan), []), self.sim.state())
        done.check()
        assert self.stored.ended_at is not None
        return done
