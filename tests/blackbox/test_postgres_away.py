"""Whole runs whose journal is in PostgreSQL while its server is away: killed, and started again or not.

The server is real. The quick tests have its clock stand where their own does, so that nothing is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.journal import open_to_read
from safe_reinit.journal import postgres as journal
from safe_reinit.model import Event
from tests import cloudlike, outages, postgresql, virtual
from tests.cloudlike import DATA, INSTANCE, accepted, once, showing
from tests.simulation.database import at_virtual_time
from tests.simulation.scheduler import Scheduler

pytestmark = pytest.mark.virtual_time

PENDING_STARTS = {"StopInstance": showing(instance="Stopped"), "ReInitDisk": showing(instance="Stopped", disk="In_use")}
"""By the call after which the server goes, what is seen when the next call is owed."""


def on_the_clock_of(scheduler: Scheduler) -> type[journal.TimedConnection]:
    """Return connections to a server whose clock is that of a test on virtual time, also for what outlives the test."""

    class Connection(journal.TimedConnection):
        def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
            """Carry out a statement that reads no other clock."""
            return super().execute(at_virtual_time(query, scheduler), params, **more)

    return Connection


@pytest.fixture
def server(postgres: postgresql.Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[postgresql.Server]:
    """Let a test kill the server."""
    if virtual.is_on():
        monkeypatch.setattr(journal, "TimedConnection", on_the_clock_of(virtual.current().scheduler))
    yield postgres
    if not postgres.runs:  # the test failed while it was away
        postgres.start()


def then(*steps: tuple[Callable[[Event], bool], Callable[[], object]]) -> Callable[[Event], None]:
    """Make an ``on_event`` that acts at each of these moments, one after the other."""
    left = list(steps)

    def result(event: Event) -> None:
        if left and left[0][0](event):
            left.pop(0)[1]()

    return result


@pytest.mark.parametrize("action", PENDING_STARTS)
def test_a_server_that_is_back_in_time_is_gone_on_with(server: postgresql.Server, action: str) -> None:
    """Killed after a call was accepted, and started again when the next one is owed: the run ends as any other."""
    place = server.new()
    with cloudlike.simulated() as sim:
        using = cloudlike.client(sim, journal=place)
        moments = then((accepted(action), lambda: server.stop("immediate")), (PENDING_STARTS[action], server.start))
        done = cloudlike.run_plan(sim, using=using, on_event=moments)
        state = sim.state()

    assert done.outcome == "done", done.report.error
    assert cloudlike.changes(state) == ["StopInstance", "ReInitDisk", "StartInstance"]
    assert state["instances"][INSTANCE]["status"] == "Running"
    with open_to_read(place) as opened:
        (stored,) = opened.runs()
    assert (stored.outcome, stored.open) == ("done", False)


@pytest.mark.parametrize("action", PENDING_STARTS)
def test_a_server_that_stays_away_leaves_no_machine_down(
    server: postgresql.Server, tmp_path: Path, action: str
) -> None:
    """Killed, and not started again before the run ends: the machine runs, and the resume records what was done."""
    place = server.new()
    with cloudlike.simulated() as sim:
        using = cloudlike.client(sim, {"journal": place, "journal_outage": 30.0})
        done = cloudlike.run_plan(sim, using=using, on_event=once(accepted(action), lambda: server.stop("immediate")))
        before = sim.state()
        kept = list((tmp_path / "spool").iterdir())
        server.start()
        result = cloudlike.resumed(sim, done.report.run_id, using=using)
        state = sim.state()

    wiped = action == "ReInitDisk"
    assert before["instances"][INSTANCE]["status"] == "Running"
    assert [file.stem for file in kept] == [done.report.run_id]
    assert cloudlike.wipes(state, DATA) == wiped
    assert (done.outcome, result.outcome) == (("done", "done") if wiped else ("failed", "failed"))
    assert cloudlike.changes(state) == ["StopInstance", *["ReInitDisk"] * wiped, "StartInstance"]
    assert not list((tmp_path / "spool").iterdir())
    with open_to_read(place) as opened:
        (stored,) = opened.runs()
    assert (stored.outcome, stored.open) == (result.outcome, False)
    assert stored.jobs[0].state.start.state == "done"


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.parametrize("phase", outages.PHASES)
def test_ten_seconds_without_a_server_cost_time_alone(server: postgresql.Server, tmp_path: Path, phase: str) -> None:
    """Killed in any phase and back after ten seconds: nothing is sent meanwhile, and the run is done."""
    done = outages.go_through(phase, server, tmp_path, 10.0)

    assert (done.broken, done.sent, done.code, done.resumed, done.wipes) == ((), (), 0, None, 1)


@pytest.mark.slow
@pytest.mark.real_time
def test_a_server_that_stays_away_for_longer_than_it_is_waited_for(server: postgresql.Server, tmp_path: Path) -> None:
    """Killed before the wipe and back after the run has ended: the machine runs by itself, and nothing was wiped."""
    done = outages.go_through("before the wipe", server, tmp_path, 150.0)

    assert (done.broken, done.sent, done.code, done.resumed, done.wipes) == ((), ("StartInstance",), 4, 4, 0)


@pytest.mark.slow
@pytest.mark.real_time
def test_a_server_that_hangs_costs_time_alone(server: postgresql.Server, tmp_path: Path) -> None:
    """Not killed, but silent for longer than it is waited for at a statement: nothing is sent, and the run is done."""
    done = outages.go_through("before the wipe", server, tmp_path, 40.0, hangs=True)

    assert (done.broken, done.sent, done.code, done.resumed, done.wipes) == ((), (), 0, None, 1)
