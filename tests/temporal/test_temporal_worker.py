"""A worker: its health, its metrics, and the next version of it beside the old one."""

from __future__ import annotations

import itertools
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.service import RPCError

from safe_reinit.errors import UsageError
from safe_reinit.model import Stage
from safe_reinit.temporal.worker import build_id
from safe_reinit.version import VERSION
from tests.servers import refused_port
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


@pytest.fixture
def run(temporal: Temporal) -> Run:
    """Return a run of its own, on a task queue of its own."""
    number = next(_numbers)
    return Run(temporal, f"run-w{number}", f"queue-w{number}")


def get(port: int, path: str) -> tuple[int, str]:
    """Ask for a page on loopback, and return its status and its text."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_a_worker_tells_its_health(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is ready once the server has seen it poll, and says what is wrong once the server is gone: also in its log.

    This server does not know the search attributes: runs are carried there without them.
    """
    port = refused_port()
    with temporal_or_skip(tmp_path, attributes=()) as temporal:
        run = Run(temporal, "run-plain", "queue-plain")
        health = f"127.0.0.1:{port}"
        with working(temporal.server, Remembering([Stage((0,))]), WorkerSettings(run.queue), health) as worker:
            run.submit()
            assert run.result() == "done"
            wait_for(lambda: get(port, "/healthz") == (200, "ready\n"))
            assert get(port, "/other")[0] == 404
            temporal.kill()
            status, says = get(port, "/healthz")
            for _ in range(2):
                worker.ask(worker.serving.check())

    away = f"The Temporal server {temporal.server.address} does not answer."
    assert (status, says) == (503, f"{away}\n")
    logged = [each for each in caplog.messages if "Temporal" in each]
    assert logged == [f"{away} This worker continues its shards, and starts their machines again."]


def test_a_worker_that_ends_says_so(run: Run) -> None:
    """While it finishes what it has, it is not ready for more."""
    port = refused_port()
    shards = Remembering([Stage((0,))], deaf=True, slow=frozenset({0}))
    worker = start_worker(run.temporal.server, shards, WorkerSettings(run.queue), f"127.0.0.1:{port}")
    run.submit()
    shards.has("begin 0")
    worker.end()
    wait_for(lambda: get(port, "/healthz")[0] == 503)
    status, says = get(port, "/healthz")
    shards.let(0)
    worker.leave()

    assert (status, says) == (503, "This worker is stopping: it finishes its shards and takes no new ones.\n")
    assert shards.ended == {0}


def test_a_worker_has_metrics(run: Run) -> None:
    """Prometheus finds those of the SDK, with the task queues."""
    port = refused_port()
    with working(
        run.temporal.server, Remembering([Stage((0,))]), WorkerSettings(run.queue, metrics=f"127.0.0.1:{port}")
    ):
        run.submit()
        run.result()
        status, text = get(port, "/metrics")

    assert status == 200
    assert "temporal_activity_execution_latency" in text
    assert f"{run.queue}-shards" in text


@pytest.mark.parametrize("what", ["metrics", "health"])
def test_an_address_that_is_taken_is_refused(run: Run, what: str) -> None:
    """The worker does not start, and names the address and the setting."""
    port = refused_port()
    address = f"127.0.0.1:{port}"
    settings = WorkerSettings(run.queue, metrics=address if what == "metrics" else "")
    with (
        working(run.temporal.server, Remembering([]), WorkerSettings(run.queue), address),
        pytest.raises(UsageError, match=f"The worker cannot listen on {address} for {what}") as refused,
    ):
        start_worker(run.temporal.server, Remembering([]), settings, address if what == "health" else "")

    assert f"worker_{what}" in refused.value.hint


@pytest.mark.slow
def test_the_next_version_goes_on_with_a_run(run: Run) -> None:
    """Nothing goes to a version that is not current; once it is, it carries on what the old one began."""
    deployment = f"wipes-{run.queue}"
    stages = [Stage((0,)), Stage(question="Go on?"), Stage((1,))]
    old = Remembering(stages)
    new = Remembering(stages, ended=old.ended)
    server = run.temporal.server
    with working(server, old, WorkerSettings(run.queue, deployment, "1.0")):
        make_current(run.temporal, deployment, "1.0")
        run.submit()
        old.has("end 0")
        with working(server, new, WorkerSettings(run.queue, deployment, "1.1")):
            wait_for(lambda: old.asked.count("next") == 2)
            assert new.asked == []
            make_current(run.temporal, deployment, "1.1")
            # The server learns it by and by.
            wait_for(lambda: run.carrier.wake() or "next" in new.asked, 0.3)
            new.agreed = old.agreed = True
            run.carrier.wake()
            assert run.result() == "done"

    assert "begin 1" in new.asked
    assert "begin 1" not in old.asked


def make_current(temporal: Temporal, deployment: str, version: str) -> None:
    """Have the server send everything to this version, as ``temporal worker deployment set-current-version`` does."""

    async def make(client: Client) -> bool:
        request = SetWorkerDeploymentCurrentVersionRequest(
            namespace=client.namespace, deployment_name=deployment, build_id=version, identity="test"
        )
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError:  # it has not heard of it yet
            return False
        return True

    wait_for(lambda: temporal.ask(make), 0.3)


def test_the_version_of_a_worker_names_its_workflow() -> None:
    """A release whose workflow differs is another version to Temporal."""
    assert build_id().startswith(f"{VERSION}-")
    assert len(build_id()) == len(VERSION) + 9
