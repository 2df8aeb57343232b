"""What a run on Temporal waits for in real time: silent and killed workers, a server that is away, a long history."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest, PollWorkflowTaskQueueRequest
from temporalio.client import Client

from safe_reinit.execution.following import Carried
from safe_reinit.model import Stage
from tests import temporalworker
from tests.processes import ROOT
from tests.temporals import (
    Remembering,
    Run,
    Temporal,
    WorkerSettings,
    start_worker,
    temporal_or_skip,
    wait_for,
    working,
)

_numbers = itertools.count()
_TIME_OUT = 500
"""Beats of a shard, a twentieth of a second each: 25 s, longer than a worker may be silent."""


@pytest.fixture
def run(temporal: Temporal) -> Run:
    """Return a run of its own, on a task queue of its own."""
    number = next(_numbers)
    return Run(temporal, f"run-s{number}", f"queue-s{number}")


@pytest.mark.slow
def test_a_silent_worker_loses_its_shard_to_another_attempt(run: Run) -> None:
    """Once an attempt gives no sign of life for 20 s, the shard is given out a second time, and people are told."""
    shards = Remembering([Stage((0,))], silent={0}, slow=frozenset({0}))
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        shards.beats()
        shown = run.carrier.describe()
        shards.let(0)
        assert run.result() == "done"
        shards.released.set()

    assert shards.asked.count("begin 0") == 2
    assert shown.text == "Temporal is at attempt 2 of carry: a worker fell silent."


@pytest.mark.slow
def test_a_worker_that_hangs_is_reported(run: Run) -> None:
    """One that polls, and leaves what it gets unanswered, is no worker that people should wait for."""

    async def hang(client: Client) -> Carried:
        async with asyncio.TaskGroup() as polling:
            name = TaskQueue(name=run.queue)
            for _ in range(2):  # each gets one task, the second one once that of the first has timed out
                request = PollWorkflowTaskQueueRequest(namespace=client.namespace, task_queue=name, identity="hung")
                polling.create_task(client.workflow_service.poll_workflow_task_queue(request))
            shards = PollActivityTaskQueueRequest(
                namespace=client.namespace, task_queue=TaskQueue(name=f"{run.queue}-shards"), identity="hung"
            )
            waiting = asyncio.create_task(client.workflow_service.poll_activity_task_queue(shards))
        shown = await asyncio.to_thread(run.carrier.describe)
        waiting.cancel()
        return shown

    run.submit()

    assert "A worker polls but does not answer its tasks" in run.temporal.ask(hang).text


@pytest.mark.slow
def test_a_killed_worker_loses_its_shard_to_another_one(run: Run) -> None:
    """A worker that is killed in the middle of a shard is replaced by another one, which goes on with the run."""
    words = [sys.executable, "-m", temporalworker.__name__, run.temporal.server.address, run.queue]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        run.submit()
        assert killed.stdout.readline() == "begin 0\n"
        killed.kill()
    shards = Remembering([Stage((0,))])
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        assert run.result() == "done"

    assert shards.ended == {0}


@pytest.mark.slow
def test_a_worker_that_ends_keeps_its_shard_until_it_lets_it_go(run: Run) -> None:
    """While it finishes the machines under way, for longer than a silent worker has, nobody else is given the shard."""
    slow = Remembering([Stage((0,))], slow=frozenset({0}), deaf=True)
    other = Remembering([Stage((0,))], ended=slow.ended)
    first = start_worker(run.temporal.server, slow, WorkerSettings(run.queue))
    run.submit()
    slow.has("begin 0")
    first.end()
    with working(run.temporal.server, other, WorkerSettings(run.queue)):
        slow.beats(_TIME_OUT)
        assert "begin 0" not in other.asked
        slow.let(0)
        assert run.result() == "done"
    first.leave()


@pytest.mark.slow
def test_a_terminated_workflow_is_ignored_by_a_shard_that_hears_of_it(run: Run) -> None:
    """Its heartbeats are answered with 'not found', and it goes on until it has ended."""
    shards = Remembering([Stage((0,))], slow=frozenset({0}))
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        shards.has("begin 0")
        run.ask(lambda handle: handle.terminate())
        shards.beats(_TIME_OUT)
        assert "end 0" not in shards.asked
        shards.let(0)
        shards.has("end 0")


@pytest.mark.slow
def test_a_server_that_is_away_costs_no_shard(tmp_path: Path) -> None:
    """A shard ends while the server is away for longer than every time-out; the run goes on once it is back."""
    with temporal_or_skip(tmp_path) as temporal:
        run = Run(temporal, "run-away", "queue-away")
        shards = Remembering([Stage((0, 1))], slow=frozenset({0}))
        with working(temporal.server, shards, WorkerSettings(run.queue)):
            run.submit()
            shards.has("begin 0")
            temporal.kill()
            shards.beats(_TIME_OUT)
            shards.let(0)
            shards.has("end 0")
            temporal.start()
            assert run.result() == "done"

    assert shards.ended == {0, 1}


@pytest.mark.slow
def test_a_history_of_a_thousand_events_goes_on_in_a_new_one(tmp_path: Path) -> None:
    """Without a hint of the server, a run of 300 shards has histories of hardly more than a thousand events."""
    with temporal_or_skip(tmp_path, long=50_000) as temporal:
        run = Run(temporal, "run-long", "queue-long")
        shards = Remembering([Stage(tuple(range(300)), at_once=10)])
        with working(temporal.server, shards, WorkerSettings(run.queue)):
            run.submit()
            wait_for(lambda: len(shards.ended) == 300)
            assert run.result() == "done"
            first = run.events(first=True)

    assert first[-1] == "WORKFLOW_EXECUTION_CONTINUED_AS_NEW"
    assert 1_000 <= len(first) < 1_100
    assert len([each for each in shards.asked if each.startswith("begin")]) == 300
