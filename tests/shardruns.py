"""Runs that are cut into shards, carried as an engine would: by several workers, on one journal."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from safe_reinit import logs
from safe_reinit.client import Client
from safe_reinit.errors import Error
from safe_reinit.execution import shards
from safe_reinit.execution.following import Carried, Following
from safe_reinit.interrupt import Interrupt
from safe_reinit.journal import StoredRun, open_to_read
from safe_reinit.model import Event, Plan, Report, Stage
from safe_reinit.model.codec import decode
from safe_reinit.plans.plan import from_json
from safe_reinit.simulator import Simulator
from tests import cloudlike, fleetruns, virtual
from tests.simulation.scheduler import Process


def written(client: Client, plan: Plan) -> tuple[str, str]:
    """Write a plan down as a run of shards that nobody carries yet; return the run, and the digest of its plans."""
    run_id = f"r-{client.clock.now().strftime('%Y%m%dT%H%M%SZ')}-{secrets.token_hex(2)}"
    with client._journal() as journal:
        session = client._session(journal, None, None, None)
        return run_id, shards.begin(session, plan, run_id, client.calls_of(plan), "ask")


class Idle:
    """Has nothing carried: the workers are those of the test."""

    text = "the workers of a test"

    def submit(self) -> bool:
        """Say that somebody carries it."""
        return True

    def wake(self) -> None:
        """Wake nobody."""

    def describe(self) -> Carried:
        """Say that it goes on."""
        return Carried("open")


def followed(
    client: Client,
    run_id: str,
    interrupt: Interrupt,
    go_on: Callable[[str], bool | None] | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Report:
    """Follow a run that another process has begun, as ``resume`` does, and return its report."""
    with client._journal() as journal:
        session = client._session(journal, on_event, None, interrupt, go_on)
        return Following(session, session.stored(run_id), Idle(), joins=True)()


HEARTBEAT = 20.0
"""Seconds without a sign of life after which an engine has another worker carry a shard."""


@dataclass
class Engine:
    """A run of shards on one journal, and what was done to carry it; each attempt is a process of its own."""

    sim: Simulator
    journal: Path
    run_id: str = ""
    digest: str = ""
    stages: list[tuple[int, ...]] = field(default_factory=list)
    """The shards of each stage that was carried."""
    questions: list[str] = field(default_factory=list)
    workers: list[Process] = field(default_factory=list)
    """The processes that carried a shard, each one attempt."""
    failed: list[Error] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """What workers told people."""
    handed_over: list[int] = field(default_factory=list)
    """The shards that a worker let go for another one to go on."""
    of_workers: dict[str, Any] = field(default_factory=dict)
    """The settings of the configuration of each worker."""
    hand_over: threading.Event = field(default_factory=lambda: threading.Event())  # noqa: PLW0108 - looked up when it is made

    def client(self) -> Client:
        """Connect as another process would."""
        return cloudlike.client(self.sim, journal=self.journal)

    def worker(self) -> Client:
        """Connect as a worker does, with its own configuration."""
        return cloudlike.client(self.sim, self.of_workers, journal=self.journal)

    def begin(self, disks: Sequence[str], **rollout: Any) -> Engine:
        """Plan a run over these disks, and write it down."""
        client = self.client()
        plan = fleetruns.planned(client, list(disks), **rollout)
        self.run_id, self.digest = written(client, plan)
        return self

    def carry(
        self,
        answer: Callable[[str], bool] | None = None,
        on_event: Callable[[Process, Event], None] = lambda _process, _event: None,
    ) -> Engine:
        """Carry the run until it is over, or until somebody must answer and nobody does; ``on_event`` may do harm."""
        scheduler = virtual.current().scheduler

        def told(event: Event) -> None:
            assert scheduler.current is not None
            on_event(scheduler.current.process, event)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(logs, "event", told)
            carrier = self.client().shards()
            while not (stage := carrier.next_stage(self.run_id, self.digest)).over and not self._stops:
                if not stage.question:
                    self._carry(stage)
                    continue
                self.questions.append(stage.question)
                if answer is None:
                    break
                with self.client()._journal() as journal:
                    journal.agree(self.run_id, stage.number if answer(stage.question) else -1)
        return self

    def carry_shards(self) -> Engine:
        """Carry the next shards to their end, one after the other, as one worker; nobody asks what comes then."""
        carrier = self.worker().shards(self.said.append)
        for number in carrier.next_stage(self.run_id, self.digest).shards:
            assert carrier.carry(self.run_id, number, self.digest, lambda: None, self.hand_over)
        return self

    def _carry(self, stage: Stage) -> None:
        self.stages.append(stage.shards)
        waiting = list(stage.shards)

        def lane() -> None:
            while waiting and not self._stops:
                self._attempt(waiting.pop(0))

        lanes = [threading.Thread(target=lane) for _ in range(stage.at_once)]
        for each in lanes:
            each.start()
        for each in lanes:
            each.join()

    def _attempt(self, number: int) -> None:
        """Have a shard carried, by another worker once nothing is heard of the one before."""
        scheduler = virtual.current().scheduler
        while not self._stops:
            worker, heard = Process(f"worker {len(self.workers)}"), [scheduler.now]
            self.workers.append(worker)

            def alive(heard: list[float] = heard) -> None:
                heard[0] = scheduler.now

            def carry(alive: Callable[[], None] = alive) -> None:
                try:
                    carrier = self.worker().shards(self.said.append)
                    ended = carrier.carry(self.run_id, number, self.digest, alive, self.hand_over)
                    self.handed_over += [] if ended else [number]
                except Error as error:
                    self.failed.append(error)

            task = scheduler.spawn("worker", worker, carry)
            while not task.done and scheduler.now - heard[0] < HEARTBEAT:
                scheduler.sleep(1.0)
            if task.done and not worker.dead:
                return

    @property
    def _stops(self) -> bool:
        return bool(self.failed or self.handed_over)

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
        told = self.stored.report
        assert told is not None
        return decode(Report, told)

    def checked(self) -> fleetruns.Fleet:
        """Hold the report against the simulator's own record."""
        done = fleetruns.Fleet(cloudlike.Run(self.report, None, from_json(self.stored.plan), []), self.sim.state())
        done.check()
        assert self.stored.ended_at is not None
        return done
