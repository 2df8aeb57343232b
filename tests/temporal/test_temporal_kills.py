"""Workers killed and stopped at the worst moments, the server killed, and somebody using the machine in between.

Whatever happens, no disk is wiped after its machine was started again, and what can be brought to its end is.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests import cloudlike, temporals
from tests.cloudlike import DATA, INSTANCE, changes
from tests.temporal.stage import Stage, problems
from tests.temporals import Nursery, Temporal, Worker, simulated

QUICK = [("act", 2, "before"), ("act", 2, "after"), ("act", 3, "after")]
"""Of all places; bench/temporalsweep.py does the rest."""


@pytest.fixture
def stage(temporal: Temporal, nursery: Nursery, tmp_path: Path) -> Any:
    """Set the stage."""
    with simulated() as sim:
        yield Stage(temporal, nursery, tmp_path, sim)


@pytest.mark.parametrize("point", QUICK, ids=str)
def test_another_worker_goes_on_with_what_a_killed_one_was_at(stage: Stage, point: tuple[str, int, str]) -> None:
    """A worker that is killed at any place is replaced by another: the run ends, each call is done once."""
    ended = stage.killed_and_replaced(point)

    assert set(stage.wipes()) <= {1}
    assert problems(stage, ended, "nobody") == []
    assert ended.outcome in ("done", "unknown"), ended.error
    power = stage.sim.state()["instances"][INSTANCE]["status"]
    assert power == ("Running" if ended.outcome == "done" else "Stopped")


def test_a_machine_that_somebody_used_in_between_is_not_wiped_again(stage: Stage) -> None:
    """After a start by somebody else a wipe whose answer was lost is not sent again: what became of it is unknown."""
    ended = stage.killed_and_replaced(("act", 2, "after"), "used")

    assert (ended.outcome, stage.wipes()) == ("unknown", [1])
    assert problems(stage, ended, "used") == []


def test_without_the_guards_such_a_machine_is_wiped_again(stage: Stage) -> None:
    """With the fence and the facts of the plan switched off, the same story loses data: these tests would see it."""
    ended = stage.killed_and_replaced(("act", 2, "after"), "used", ("fence", "drift"))

    assert 2 in stage.wipes()
    assert "wiped after a start" in problems(stage, ended, "used")


def test_a_worker_that_wakes_up_late_calls_nothing(stage: Stage) -> None:
    """A worker that was stopped past its heartbeat, with a wipe in its hands, does not send it when it goes on."""
    with stage.worker("first", stop="ReInitDisk") as first:
        done = stage.run()
        stage.until(lambda: first.state == "T")
        with stage.worker("second"):
            ended = done.result(60)
            first.send(signal.SIGCONT)
            time.sleep(1.0)

    assert ended.outcome in ("done", "unknown"), ended.error
    sent = [call for call in stage.sim.state()["calls"] if call["action"] == "ReInitDisk"]
    assert len(stage.wipes()) == len(sent) == (1 if ended.outcome == "done" else 0), (ended.error, sent)


def test_a_killed_server_goes_on_from_its_file(temporal: Temporal, stage: Stage) -> None:
    """The server killed in the middle of a run and started again on its file: the run ends well, with one wipe."""
    with stage.worker():
        done = stage.run()
        stage.until(stage.wipes)
        temporal.kill()
        time.sleep(0.5)
        temporal.start()
        ended = done.result(90)

    assert ended.outcome in ("done", "unknown"), ended.error
    assert stage.wipes() == [1]
    assert changes(stage.sim.state()).count("ReInitDisk") == 1


def test_who_follows_may_be_killed(stage: Stage, nursery: Nursery, temporal: Temporal) -> None:
    """The command that follows a run is killed: the run goes on, and resume tells how it ended."""
    journal = stage.folder / "journal.db"
    argv = ["--disk", DATA, "--stop-instance", "--confirm", DATA, "--endpoint", stage.sim.url,
            "--region", "cn-hangzhou", "--journal", str(journal), "--runner", "temporal",
            "--temporal", temporal.address]  # fmt: skip
    environment = {"HOME": str(stage.folder), "SAFE_REINIT_TIME_SCALE": str(temporals.RATE)}
    with stage.worker():
        following = Worker(nursery.start(argv, stage.folder / "follow.log", environment), stage.folder / "follow.log")
        stage.until(lambda: changes(stage.sim.state()))
        following.send(signal.SIGKILL)
        stage.until(lambda: stage.sim.state()["instances"][INSTANCE]["starts"] == 2)
        from safe_reinit.journal import Journal

        with Journal(journal) as opened:
            (stored,) = opened.runs()
        assert stored.open
        report = cloudlike.resumed(stage.sim, stored.run_id, using=stage.client)

    assert report.outcome == "done"
    assert stage.wipes() == [1]
