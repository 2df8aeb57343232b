"""Whole runs on a real Temporal server: workers carry what is confirmed, and people see what a local run shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.client import Client, Interrupt
from safe_reinit.errors import Error, RunRefused, UsageError
from safe_reinit.journal import Reader, open_to_write
from safe_reinit.model import Plan
from safe_reinit.simulator import Simulator
from safe_reinit.temporal.carrier import WorkflowCarrier, workflow_id
from safe_reinit.threads import Background
from tests import cloudlike
from tests.blackbox.worlds import DISK, INSTANCE, QUICK, YOUNG, wipes
from tests.servers import refused_port
from tests.shardruns import written
from tests.temporals import TEMPORAL_TIMEOUT, Temporal, WorkerSettings, wait_for, working


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal that is not there yet."""
    return tmp_path / "journal.db"


def client(sim: Simulator, path: Path, address: str | None, **more: Any) -> Client:
    """Connect with Temporal as the runner."""
    settings = {"runner": "temporal", "temporal": address, "temporal_queue": queue_of(path), **more}
    return cloudlike.client(sim, settings, journal=path)


def queue_of(path: Path) -> str:
    """Name the task queue of a test: a server remembers for a while who polled one."""
    return path.parent.name


def planned(using: Client) -> Plan:
    """Plan the wipe of the one disk."""
    return using.plan([DISK], stop_instance=True, accept=["no-recent-snapshot"])


@pytest.fixture
def young() -> Iterator[Simulator]:
    """Start a world in which a run waits before it stops the machine."""
    with cloudlike.simulated(YOUNG) as sim:
        yield sim


@pytest.mark.parametrize("power", ["Stopped", pytest.param("Running", marks=pytest.mark.slow)])
def test_a_worker_carries_a_run_and_who_began_it_sees_all_of_it(temporal: Temporal, path: Path, power: str) -> None:
    """The report, the events and the truth are those of a local run; the journal has one run, and Temporal its end.

    The machine has the power that it had before; to stop and start one takes eight seconds more.
    """
    instances = {**QUICK["instances"], INSTANCE: {"name": "web1", "status": power}}
    with cloudlike.simulated({**QUICK, "durations": {"stop": 1, "wipe": 3, "start": 1}, "instances": instances}) as sim:
        ours = client(sim, path, temporal.server.address)
        plan, events = planned(ours), list[str]()
        with working(temporal.server, client(sim, path, None).own_runs.shards(), WorkerSettings(queue_of(path))):
            result = ours.run(plan, confirm=DISK, on_event=lambda event: events.append(event.event))
            # A worker that ended now would leave the last step of the workflow to another one.
            shown = temporal.ask(lambda asked: asked.get_workflow_handle(workflow_id(str(result.run_id))).result())

        assert (wipes(sim), sim.state()["instances"][INSTANCE]["status"]) == (1, power)
    assert (result.outcome, result.jobs[0].disks[0].data, result.jobs[0].power_after) == (
        "done",
        "reinitialised",
        power,
    )
    assert {"intend", "answer", "state", "done"} <= set(events)
    assert result.run_id is not None
    with open_to_write(path) as journal:
        assert [run.run_id for run in journal.runs()] == [result.run_id]
    assert shown == "done"


def test_to_end_the_command_ends_the_run_in_order_wherever_it_is_carried(
    temporal: Temporal, young: Simulator, path: Path
) -> None:
    """Whoever presses Ctrl-C wants no wipe any more: the workers hear it, and the end is waited for."""
    interrupt = Interrupt(lambda text: interrupt.ask() if "is carried out by Temporal" in text else None)
    ours = client(young, path, temporal.server.address)
    plan = planned(ours)
    with (
        working(temporal.server, client(young, path, None).own_runs.shards(), WorkerSettings(queue_of(path))),
        pytest.raises(Error) as raised,
    ):
        ours.run(plan, confirm=DISK, stop=interrupt)

    result = raised.value.report
    assert result is not None
    assert (result.outcome, result.jobs[0].disks[0].data) == ("refused", "untouched")
    assert wipes(young) == 0


def test_a_run_that_no_worker_carries_yet_can_be_left_and_resumed(
    temporal: Temporal, young: Simulator, path: Path
) -> None:
    """It is said that nobody works; who leaves is told the run; to resume it joins it, and a cancel is heard."""
    message: list[str] = []
    ours, interrupt = client(young, path, temporal.server.address), Interrupt()
    plan = planned(ours)

    def result(text: str) -> None:
        message.append(text)
        if "No worker polls" in text:
            interrupt.leave()

    interrupt.notify = result
    with pytest.raises(Error) as raised:
        ours.run(plan, confirm=DISK, stop=interrupt)
    report = raised.value.report
    assert report is not None
    run_id = str(report.run_id)
    assert report.error is not None
    assert f"safe-reinit resume {run_id}" in report.error.hint
    assert "Start one: safe-reinit worker" in " ".join(message)

    assert not ours.cancel(run_id)
    with (
        working(temporal.server, client(young, path, None).own_runs.shards(), WorkerSettings(queue_of(path))),
        pytest.raises(Error),
    ):
        ours.resume(run_id)
    assert (ours.stored(run_id).outcome, wipes(young)) == ("refused", 0)


def test_nothing_is_written_down_while_the_server_is_away(young: Simulator, path: Path) -> None:
    """A plan that Temporal cannot be told of is refused, and may be run later."""
    ours = client(young, path, f"127.0.0.1:{refused_port()}")
    plan = planned(ours)

    with pytest.raises(RunRefused, match="does not answer"):
        ours.run(plan, confirm=DISK)
    with open_to_write(path) as journal:
        assert journal.runs() == []


def test_a_plan_keeps_what_carries_it(young: Simulator, path: Path) -> None:
    """Planned for Temporal, it never runs locally, whatever the settings say by then."""
    plan = planned(client(young, path, "127.0.0.1:1"))

    with pytest.raises(UsageError, match="No Temporal server given"):
        cloudlike.client(young, journal=path).run(plan, confirm=DISK)
    assert wipes(young) == 0


def test_what_workers_could_not_carry_is_refused(
    temporal: Temporal, young: Simulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal of this process alone, and a missing SDK, are found before anything is written down."""
    ours = client(young, path, temporal.server.address)
    plan = planned(ours)
    with monkeypatch.context() as patch:
        patch.setattr(type(ours._setup.connection), "loopback", property(lambda _: False))
        with pytest.raises(UsageError, match="a journal that is a file on this host"):
            ours.run(plan, confirm=DISK)
    monkeypatch.setitem(sys.modules, "temporalio", None)
    with pytest.raises(UsageError, match="needs the Temporal SDK"):
        ours.run(plan, confirm=DISK)


def test_a_shard_is_resumed_with_its_run(temporal: Temporal, young: Simulator, path: Path) -> None:
    """Who names a shard is told the run: it is never carried here, beside its workers."""
    ours = client(young, path, temporal.server.address)
    plan = planned(ours)
    run_id, _ = written(ours, plan)

    with pytest.raises(UsageError, match=f"is a shard of run {run_id}"):
        ours.resume(f"{run_id}.0")


def test_a_run_is_followed_again_once_the_journal_is_back(
    temporal: Temporal, young: Simulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that cannot be read for a while ends nothing: it is said, and the run is followed to its end."""
    text, away = list[str](), iter(range(3))
    read = Reader.events_after

    def failing(self: Reader, run_id: str, number: int) -> Any:
        if "is carried out by Temporal" in " ".join(text) and next(away, None) is not None:
            raise UsageError("The journal cannot be read.")
        return read(self, run_id, number)

    monkeypatch.setattr(Reader, "events_after", failing)
    interrupt = Interrupt(text.append)
    ours = client(young, path, temporal.server.address)
    plan = planned(ours)
    with working(temporal.server, client(young, path, None).own_runs.shards(), WorkerSettings(queue_of(path))):
        running = Background(lambda: ours.run(plan, confirm=DISK, stop=interrupt), "following")
        running.start()
        wait_for(lambda: "follows the run again once the journal can be read" in " ".join(text))
        interrupt.ask()
        assert running.ended.wait(TEMPORAL_TIMEOUT)
        with pytest.raises(Error) as raised:
            running.result()

    assert raised.value.report is not None
    assert raised.value.report.outcome == "refused"


def test_a_run_that_temporal_does_not_know_is_named_with_the_next_step(
    temporal: Temporal, young: Simulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the journal by then: a new plan of it would be refused, and to resume it is what helps."""

    def lost(*_: object) -> bool:
        raise RunRefused("The Temporal server does not answer.", hint="Try again.")

    monkeypatch.setattr(WorkflowCarrier, "submit", lost)
    ours = client(young, path, temporal.server.address)
    plan = planned(ours)
    with pytest.raises(RunRefused) as raised:
        ours.run(plan, confirm=DISK)

    report = raised.value.report
    assert report is not None
    assert report.run_id is not None
    assert f"no part of it has started: safe-reinit resume {report.run_id}" in raised.value.hint
    assert ours.stored(report.run_id).open
