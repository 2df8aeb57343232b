"""A Temporal Schedule begins a run: it sends a name and a time, and the configuration of a worker says the rest."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ActivityError

from safe_reinit.cli.app import run as command
from safe_reinit.cli.scheduled import ScheduledRuns
from safe_reinit.client import connect
from safe_reinit.config import resolve
from safe_reinit.errors import RunRefused, UsageError
from safe_reinit.simulator import Simulator
from safe_reinit.temporal.carrier import WorkflowCarrier
from safe_reinit.temporal.server import Server
from safe_reinit.temporal.workflow import SCHEDULED
from tests import cloudlike
from tests.blackbox.worlds import DISK, INSTANCE, QUICK, wipes
from tests.blocks import ROOT, blocks
from tests.conftest import changing
from tests.temporals import Temporal, WorkerSettings, having, wait_for, working

T = TypeVar("T")
PAGE = ROOT / "docs/scale.md"
QUEUE = "safe-reinit-1000000000000001-cn-hangzhou"
LINE = f"--disk {DISK} --confirm {DISK} --accept no-recent-snapshot --reason nightly"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Start a world of one stopped machine, whose disk is wiped in a few seconds."""
    instances = {**QUICK["instances"], INSTANCE: {"name": "web1", "status": "Stopped"}}
    with cloudlike.simulated({**QUICK, "durations": {"stop": 1, "wipe": 3, "start": 1}, "instances": instances}) as sim:
        yield sim


@dataclass
class Host:
    """The host of a worker, with a configuration file."""

    file: Path
    server: Server

    def runs(self, **lines: str) -> ScheduledRuns:
        """Return the scheduled runs of a worker that starts now, with these lines in the configuration."""
        settings = {
            "temporal": self.server.address, "temporal_namespace": self.server.namespace, "scheduled_runs": lines,
        }  # fmt: skip
        self.file.write_text(yaml.safe_dump(settings), "utf-8")
        flags = {"config": str(self.file)}
        return ScheduledRuns(flags, resolve(flags, {}, str(self.file)))

    def ask(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """Ask the server something."""

        async def connected() -> T:
            return await work(await self.server.connect())

        return asyncio.run(connected())

    @contextmanager
    def working(self, **lines: str) -> Iterator[None]:
        """Let a worker serve while the block lasts."""
        begin = self.runs(**lines).begin
        shards = connect(config=str(self.file)).own_runs.shards()
        with working(self.server, shards, WorkerSettings(QUEUE), begin=begin):
            yield


@pytest.fixture
def host(here: Path, temporal: Temporal) -> Host:
    """Return a host; each test has a namespace of its own."""
    server = having(temporal.server, temporal_namespace=f"of-{here.name}".replace("_", "-"))
    assert temporal.program("operator", "namespace", "create", "--namespace", server.namespace)
    return Host(here / "config.yaml", server)


@dataclass
class Schedule:
    """The Schedule of the page."""

    temporal: Temporal
    host: Host

    def __post_init__(self) -> None:
        """Create it, with a time that is just over: 02:30 may be more than an hour ago."""
        typed = [words for block in blocks(PAGE) if block.language == "console" for words, _ in block.commands]
        commands = [shlex.split(each.replace("\\\n", "")) for each in typed]
        (create,) = (each for each in commands if each[:3] == ["temporal", "schedule", "create"])
        (self.trigger,) = (each for each in commands if each[:3] == ["temporal", "schedule", "trigger"])
        due = datetime.now(UTC) - timedelta(minutes=2)
        create[create.index("--cron") + 1] = f"{due.minute} * * * *"
        wait_for(lambda: self.type(*create[1:]), 0.5)
        self.due = due

    def type(self, *words: str) -> bool:
        """Type a command of the page, for the server of the tests."""
        given = list(words)
        for option in ("--address", "--namespace"):
            if option in given:
                del given[given.index(option) : given.index(option) + 2]
        return self.temporal.program(*given, "--namespace", self.host.server.namespace)

    def fire(self) -> None:
        """Have its time come, also for the second time."""
        at = [(self.due + timedelta(minutes=each)).strftime("%Y-%m-%dT%H:%M:00Z") for each in (0, 1)]
        words = ("schedule", "backfill", "--schedule-id", "lab", "--start-time", at[0], "--end-time", at[1])
        assert self.type(*words, "--overlap-policy", "AllowAll")

    def ended(self, times: int) -> list[Any]:
        """Wait for the workflows that it has started, and return the result of each, or what it failed with."""

        async def results(client: Client) -> list[Any]:
            query = "WorkflowType='safe-reinit-scheduled'"
            found = [each async for each in client.list_workflows(query)]
            if len(found) < times or any(each.status is WorkflowExecutionStatus.RUNNING for each in found):
                return []
            handles = [client.get_workflow_handle(each.id, run_id=each.run_id) for each in found]
            return list(await asyncio.gather(*(each.result() for each in handles), return_exceptions=True))

        return wait_for(lambda: self.host.ask(results), 0.3)


def test_a_schedule_wipes_each_disk_once_for_each_time(host: Host, temporal: Temporal, simulator: Simulator) -> None:
    """The line of the page begins what the configuration of the worker names; the same time again begins nothing."""
    schedule = Schedule(temporal, host)
    with host.working(lab=LINE):
        schedule.fire()
        (first,) = schedule.ended(1)
        schedule.fire()
        second = schedule.ended(2)
        carrier = WorkflowCarrier(host.server, QUEUE, first, "", "", "", 1)
        wait_for(lambda: carrier.describe().status == "ended", 0.3)
        schedule.fire()
        third = schedule.ended(3)
        assert wipes(simulator) == 1
        assert schedule.type(*schedule.trigger[1:])
        by_hand = schedule.ended(4)

    assert {first, *second, *third} == {first}
    assert len(set(by_hand)) == 2
    keys = [str(each.plan["once"]) for each in connect(config=str(host.file)).runs()]
    assert f"lab@{schedule.due:%Y-%m-%dT%H:%M}:00Z" in keys


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["prod"], "The configuration of this worker has no scheduled run 'prod'."),
        ([5], "The configuration of this worker has no scheduled run '5'."),
        ([], "The configuration of this worker has no scheduled run ''."),
        (["lab"], "'d-other' does not confirm this plan"),
    ],
    ids=str,
)
def test_what_is_refused_fails_the_workflow(host: Host, simulator: Simulator, given: list[Any], says: str) -> None:
    """Whatever the input is, the workflow ends at once, with the sentence that a person needs, and nothing is wiped."""

    async def started(client: Client) -> None:
        await client.execute_workflow(SCHEDULED, args=given, id=f"by-hand-{given}", task_queue=QUEUE)

    with (
        host.working(lab=f"--disk {DISK} --confirm d-other"),
        pytest.raises(WorkflowFailureError) as failed,
    ):
        host.ask(started)

    assert isinstance(failed.value.cause, ActivityError)
    assert says in str(failed.value.cause.cause)
    assert changing(simulator) == []


def now() -> str:
    """Return the time in the form in which Temporal gives it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def test_a_run_that_temporal_never_got_is_handed_over_by_the_next_attempt(
    host: Host, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is lost between journal and Temporal leaves a run that nobody carries: it is not begun twice."""
    left, submit = iter([1]), WorkflowCarrier.submit

    def lost(carrier: WorkflowCarrier) -> bool:
        if next(left, None):
            raise RunRefused("The Temporal server does not answer.", hint="Try again.")
        return submit(carrier)

    monkeypatch.setattr(WorkflowCarrier, "submit", lost)
    runs, due = host.runs(lab=LINE), now()
    with pytest.raises(UsageError, match="does not answer"):  # which is tried again
        runs.begin("lab", due)
    reads = len(simulator.state()["calls"])
    run_id = runs.begin("lab", due)

    assert [each.run_id for each in connect(config=str(host.file)).runs()] == [run_id]
    assert WorkflowCarrier(host.server, QUEUE, run_id, "", "", "", 1).describe().status == "open"
    assert len(simulator.state()["calls"]) == reads


def test_a_missed_night_is_not_made_up_for(host: Host, simulator: Simulator) -> None:
    """A run that was due more than an hour ago is refused: by now people may be using the machines."""
    due = (datetime.now(UTC) - timedelta(minutes=61)).isoformat(timespec="seconds")

    with pytest.raises(RunRefused, match="more than an hour ago, so it was not begun"):
        host.runs(lab=LINE).begin("lab", due)
    assert simulator.state()["calls"] == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--tag env=lab --system-disk", "scheduled_runs.lab: There is no --confirm."),
        ("--tag env=lab --confirm lab", "scheduled_runs.lab: --instance and --tag select instances"),
        ("--confirm lab", "scheduled_runs.lab: No disk given."),
        ("--disk d-1 --confirm d-1 --password-stdin", "scheduled_runs.lab: No such option"),
        ("--disk d-1 --confirm d-1 --journal other.db", "scheduled_runs.lab: No such option"),
        ("--disk d-1 --confirm d-1 --deadline soon", "scheduled_runs.lab: The value of --deadline is not"),
        ("--disk 'd-1", "At scheduled_runs.lab: not a line of options"),
    ],
)
def test_a_line_that_could_begin_nothing_is_refused_beforehand(
    here: Path, capsys: pytest.CaptureFixture[str], line: str, says: str
) -> None:
    """The check of the configuration and a worker that starts say what is wrong, long before the night."""
    file = here / "config.yaml"
    file.write_text(yaml.safe_dump({"temporal": "127.0.0.1:1", "scheduled_runs": {"lab": line}}), "utf-8")

    for words in (["config", "check"], ["worker"]):
        assert command([*words, "--config", str(file)]) == 2
        assert says in capsys.readouterr().err
