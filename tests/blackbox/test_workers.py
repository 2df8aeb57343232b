"""Real workers on one PostgreSQL and one Temporal server: whatever ends one of them, each disk is wiped once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.client import connect
from safe_reinit.journal import StoredRun, open_to_read
from safe_reinit.simulator import Simulator
from tests import postgresql
from tests.blackbox import worlds
from tests.conftest import KEY, CommandLine, where_is
from tests.fleetruns import planned
from tests.shardruns import written

pytestmark = pytest.mark.slow

RUN_TIMEOUT = 900.0
"""Seconds that no run here takes, on however busy a machine."""
INSTANCES = {"i-sim-web1": worlds.DISK, "i-second": worlds.SECOND}
CHANGES = {"StopInstance": 1, "ReInitDisk": 1, "StartInstance": 1}


@dataclass
class Team:
    """Workers that share a journal, and a run that Temporal has them carry."""

    temporal: Any
    sim: Simulator
    journal: str
    start: Callable[[], subprocess.Popen[str]]
    run_id: str = ""
    carrier: Any = None
    workers: list[subprocess.Popen[str]] = field(default_factory=list)

    def work(self) -> subprocess.Popen[str]:
        """Start a worker."""
        self.workers.append(self.start())
        return self.workers[-1]

    def submit(self, at_once: int = 100) -> None:
        """Begin a run over both machines, so many of them down at once, and have it carried."""
        from safe_reinit.temporal.carrier import WorkflowCarrier

        client = connect(
            region=self.sim.region, endpoint=self.sim.url, credentials=self.sim.access_key, journal=self.journal
        )
        plan = planned(client, list(INSTANCES.values()), max_parallel=at_once)
        assert plan.runnable, plan.findings
        self.run_id, digest = written(client, plan)
        queue = f"safe-reinit-{plan.account}-{plan.region}"
        self.carrier = WorkflowCarrier(
            self.temporal.server, queue, self.run_id, digest, plan.account, plan.region, len(plan.jobs)
        )
        self.carry()

    def carry(self) -> None:
        """Have the run carried, also once its workflow is gone."""
        self.carrier.submit()

    def calls(self) -> dict[str, Counter[str]]:
        """Count the changing calls of each machine, as ECS got them."""
        found = {instance: Counter[str]() for instance in INSTANCES}
        for call in self.sim.state()["calls"]:
            if call["source"] == "api" and not call["dry_run"] and call["action"].removesuffix("s") in CHANGES:
                for subject in call["subject"]:
                    machine = next(each for each in INSTANCES if subject in (each, INSTANCES[each]))
                    found[machine][call["action"].removesuffix("s")] += 1
        return found

    def wiping(self, disks: int = 2) -> None:
        """Wait until so many disks are being wiped, and the journal has ECS's answers."""
        from tests.temporals import wait_for

        def answered() -> bool:
            with open_to_read(self.journal) as journal:
                events = journal.events(self.run_id)
            answers = [each for each in events if each["event"] == "answer" and each["data"]["action"] == "ReInitDisk"]
            return len(answers) == disks

        wait_for(answered, 0.1)

    def ask(self, work: Callable[[Any], Any]) -> Any:
        """Ask the workflow of the run something."""
        from safe_reinit.temporal.carrier import workflow_id

        async def of(client: Any) -> Any:
            return await work(client.get_workflow_handle(workflow_id(self.run_id)))

        return self.temporal.ask(of)

    def delete(self) -> None:
        """Have the server forget the workflow."""
        from temporalio.api.common.v1 import WorkflowExecution
        from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest

        async def of(client: Any) -> None:
            gone = WorkflowExecution(workflow_id=f"safe-reinit-{self.run_id}")
            request = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=gone)
            await client.workflow_service.delete_workflow_execution(request)

        self.temporal.ask(of)

    def result(self) -> Any:
        """Wait for the end of its workflow."""
        return self.ask(lambda handle: asyncio.wait_for(handle.result(), RUN_TIMEOUT))

    @property
    def stored(self) -> StoredRun:
        """The run as the journal has it."""
        with open_to_read(self.journal) as journal:
            stored = journal.run(self.run_id)
        assert stored is not None
        return stored

    def all_done(self) -> None:
        """Check that each disk was wiped once, each machine stopped and started once, and that the report says so."""
        assert {instance: dict(calls) for instance, calls in self.calls().items()} == dict.fromkeys(INSTANCES, CHANGES)
        self.back_up()
        assert self.stored.outcome == "done"

    def back_up(self) -> None:
        """Check that all machines run, and that the journal is done with the run."""
        state = self.sim.state()
        assert {state["instances"][each]["status"] for each in INSTANCES} == {"Running"}
        assert self.stored.ended_at is not None


@contextmanager
def team_of(temporal: Any, journal: str, command_line: CommandLine, wipe: float) -> Iterator[Team]:
    """Have a team on these servers while the block lasts; no worker outlives it."""
    with ExitStack() as stack:
        sim = stack.enter_context(
            Simulator({**worlds.QUICK, "durations": {**worlds.QUICK["durations"], "wipe": wipe}}, speed=1)
        )
        environment = {**KEY, **where_is(sim), "SAFE_REINIT_JOURNAL": journal}
        environment["SAFE_REINIT_TEMPORAL"] = temporal.server.address

        def start() -> subprocess.Popen[str]:
            worker = stack.enter_context(
                command_line.start("worker", env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            stack.callback(worker.kill)
            return worker

        yield Team(temporal, sim, journal, start)


@pytest.fixture
def wipe() -> float:
    """Return the seconds that a wipe takes."""
    return 5.0


@pytest.fixture
def team(tmp_path: Path, postgres: postgresql.Server, command_line: CommandLine, wipe: float) -> Iterator[Team]:
    """Return a team with servers of its own."""
    from tests.temporals import temporal_or_skip

    with temporal_or_skip(tmp_path) as temporal, team_of(temporal, postgres.new(), command_line, wipe) as team:
        yield team


def test_a_run_is_carried_by_a_worker(team: Team) -> None:
    """Each disk is wiped once, and its machine comes back."""
    team.work()
    team.submit()
    assert team.result() == "done"

    team.all_done()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_another_worker_goes_on_where_one_is_lost(team: Team, number: signal.Signals) -> None:
    """One that is killed in the middle of a wipe is replaced; so is one that is paused, and sends nothing later."""
    first = team.work()
    team.submit()
    team.wiping()
    os.kill(first.pid, number)
    team.work()
    assert team.result() == "done"
    os.kill(first.pid, signal.SIGCONT)
    first.terminate()
    first.wait(RUN_TIMEOUT)

    team.all_done()


def test_a_worker_that_ends_finishes_its_machine_and_leaves_the_rest(team: Team) -> None:
    """The machine that is down is wiped and started by it, the other one by the next worker."""
    first = team.work()
    team.submit(1)
    team.wiping(1)
    first.terminate()
    assert first.wait(RUN_TIMEOUT) == 0
    assert sorted(sum(calls.values()) for calls in team.calls().values()) == [0, 3]
    assert {each["status"] for each in team.sim.state()["instances"].values()} == {"Running"}
    team.work()
    assert team.result() == "done"

    team.all_done()


@pytest.mark.parametrize("wipe", [45.0])
def test_temporal_may_be_away(team: Team) -> None:
    """While it is, for longer than a worker may be silent, the machines that are down are wiped and come back."""
    from tests.temporals import wait_for

    team.work()
    team.submit()
    team.wiping()
    team.temporal.kill()
    wait_for(lambda: all(calls == CHANGES for calls in team.calls().values()))
    team.temporal.start()
    assert team.result() == "done"

    team.all_done()


@pytest.mark.parametrize("times", [1, 2])
def test_a_cancelled_run_ends_in_order(team: Team, times: int) -> None:
    """What is being wiped is brought to its end, the other machine is never touched, and the workflow is cancelled."""
    from temporalio.client import WorkflowFailureError
    from temporalio.exceptions import CancelledError

    team.work()
    team.submit(1)
    team.wiping(1)
    for _ in range(times):
        team.ask(lambda handle: handle.cancel())
    with pytest.raises(WorkflowFailureError) as ended:
        team.result()

    assert isinstance(ended.value.cause, CancelledError)
    team.back_up()
    assert sorted(sum(calls.values()) for calls in team.calls().values()) == [0, 3]


@pytest.mark.parametrize("how", ["terminate", "delete"])
def test_a_workflow_that_is_gone_takes_no_machine_with_it(team: Team, how: str) -> None:
    """Its shard goes on to its end; a new workflow finds that, and writes the report."""
    from tests.temporals import wait_for

    team.work()
    team.submit()
    team.wiping()
    if how == "terminate":
        team.ask(lambda handle: handle.terminate())
    else:
        team.delete()
    wait_for(lambda: all(calls == CHANGES for calls in team.calls().values()))
    team.carry()
    assert team.result() == "done"

    team.all_done()
