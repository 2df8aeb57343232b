"""What only a run on Temporal can meet: the server killed, who follows killed, a workflow ended by hand.

Whatever happens, no disk is wiped after its machine was started again, and what can be brought to its end is. Workers
killed and stopped: test_both_runners.py.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.temporal import following
from tests import cloudlike, fleetruns, temporals
from tests.cloudlike import DATA, INSTANCE, changes
from tests.commands import command
from tests.temporal.stage import OnTemporal, ended, problems
from tests.temporals import Nursery, Process, Temporal, simulated


@pytest.fixture
def stage(temporal: Temporal, nursery: Nursery, tmp_path: Path) -> Any:
    """Set the stage."""
    with simulated() as sim:
        yield OnTemporal(temporal, nursery, tmp_path, sim)


def test_a_killed_server_goes_on_from_its_file(temporal: Temporal, stage: OnTemporal) -> None:
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


def test_who_follows_may_be_killed(stage: OnTemporal, nursery: Nursery, temporal: Temporal) -> None:
    """The command that follows a run is killed: the run goes on, and resume tells how it ended."""
    journal = stage.folder / "journal.db"
    argv = ["--disk", DATA, "--stop-instance", "--confirm", DATA, "--endpoint", stage.sim.url,
            "--region", "cn-hangzhou", "--journal", str(journal), "--runner", "temporal",
            "--temporal", temporal.address]  # fmt: skip
    environment = {"HOME": str(stage.folder), "SAFE_REINIT_TIME_SCALE": str(temporals.RATE)}
    with stage.worker():
        log = stage.folder / "follow.log"
        follower = Process(nursery.start(argv, log, environment), log)
        stage.until(lambda: changes(stage.sim.state()))
        follower.send(signal.SIGKILL)
        stage.until(lambda: stage.sim.state()["instances"][INSTANCE]["starts"] == 2)
        from safe_reinit.journal import Journal

        with Journal(journal) as opened:
            (stored,) = opened.runs()
        assert stored.open
        report = cloudlike.resumed(stage.sim, stored.run_id, using=stage.client)

    assert report.outcome == "done"
    assert stage.wipes() == [1]


# -------------------------------------------------------------------------------- workflows that somebody ended by hand

_ONCE_THROTTLED = {"action": "ReInitDisk", "dry_run": False, "nth": 1, "throttle": True}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let who follows look soon whether a workflow is still there."""
    monkeypatch.setattr(following, "_QUIET", 1.0)


def terminate(temporal: Temporal, sim: Any, instance: str = INSTANCE) -> None:
    """End the workflow of a job with Temporal's own tools; also where an event loop goes on."""

    async def end(client: Any) -> None:
        await client.get_workflow_handle(temporals.job_of(sim, instance)).terminate()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(temporal.ask, end).result(30)


def ended_while_it_waits(stage: OnTemporal, temporal: Temporal) -> cloudlike.Run:
    """End the workflow while the machine is down and the job waits for its next try: the first was throttled."""
    stage.sim.do({"fault": _ONCE_THROTTLED})
    end = cloudlike.once(cloudlike.answered("ReInitDisk"), lambda: terminate(temporal, stage.sim))
    return stage.run(on_event=end).result(90)


@pytest.mark.usefixtures("impatient")
def test_a_job_whose_workflow_was_ended_is_gone_on_with(stage: OnTemporal, temporal: Temporal) -> None:
    """Ended while the machine is down: who follows is told, the run stays open, and resume wipes once and starts."""
    with stage.worker():
        left = ended_while_it_waits(stage, temporal)
        report = cloudlike.resumed(stage.sim, left.report.run_id, using=stage.client)

    assert left.outcome == "unknown"
    assert f"safe-reinit resume {left.report.run_id}" in str(left.events[-1].data["message"])
    assert report.outcome == "done", report.jobs[0].error
    assert stage.wipes() == [1]
    assert [call.action for call in report.calls if call.action in cloudlike.CHANGING and not call.dry_run] == [
        "StopInstance", "ReInitDisk", "ReInitDisk", "StartInstance",
    ]  # fmt: skip


@pytest.mark.usefixtures("impatient")
def test_a_workflow_that_was_ended_with_a_wipe_in_a_workers_hands(stage: OnTemporal, temporal: Temporal) -> None:
    """The wipe counts as asked: resume sends none, tells that it is unknown, and a person's word ends the job."""
    with stage.worker("first", stop="ReInitDisk") as first:
        done = stage.run()
        stage.until(lambda: first.state == "T")
        terminate(temporal, stage.sim)
        with stage.worker("second"):
            run_id = done.result(60).report.run_id
            report = cloudlike.resumed(stage.sim, run_id, using=stage.client)
            first.send(signal.SIGCONT)
            time.sleep(1.0)
            assert (report.outcome, stage.wipes()) == ("unknown", [])
            settled = cloudlike.resumed(stage.sim, run_id, using=stage.client, verdict="intact")

    assert changes(stage.sim.state()).count("ReInitDisk") == 0
    assert settled.outcome == "failed"
    assert stage.sim.state()["instances"][INSTANCE]["status"] == "Running"


@pytest.mark.usefixtures("impatient")
def test_a_workflow_that_was_ended_and_a_machine_that_somebody_used(stage: OnTemporal, temporal: Temporal) -> None:
    """A wipe was done unanswered, the workflow ended, the machine used: resume sends no second wipe."""
    with stage.worker("first", kill=("act", 2, "after")) as first:
        done = stage.run()
        first.gone()
        terminate(temporal, stage.sim)
        stage.somebody("used")
        with stage.worker("second"):
            left = done.result(60)
            report = cloudlike.resumed(stage.sim, left.report.run_id, using=stage.client)

    assert (report.outcome, stage.wipes()) == ("unknown", [1])
    assert problems(stage, ended(left), "used") == []


@pytest.mark.usefixtures("impatient")
def test_where_another_run_had_the_instance_since_resume_says_so(
    stage: OnTemporal, temporal: Temporal, tmp_path: Path
) -> None:
    """A run of somebody else came after the workflow was ended: resume begins nothing, and says what to do: 5."""
    with stage.worker():
        run_id = str(ended_while_it_waits(stage, temporal).report.run_id)
        other = cloudlike.run(stage.sim, using=stage.operator("other"))
        sent = changes(stage.sim.state())
        door = command(stage.sim.url, tmp_path, str(temporals.RATE))
        resumed = door("resume", run_id, journal=stage.folder / "journal.db")

    assert other.outcome == "done", other.error
    assert resumed.returncode == 5, resumed.stderr
    assert f"run {other.report.run_id} had the instance since" in " ".join(resumed.stderr.split())
    assert "wipe-again" in resumed.stderr
    assert changes(stage.sim.state()) == sent


@pytest.mark.usefixtures("impatient")
def test_a_job_that_was_ended_before_its_turn_is_not_begun(work: Callable[..., Any], temporal: Temporal) -> None:
    """Of a job that waited for its turn nothing was touched: it is told as refused, and the others are done."""
    with fleetruns.simulated(fleetruns.fleet(2), speed=temporals.RATE) as sim:
        stop = cloudlike.accepted("StopInstance")
        end = cloudlike.once(stop, lambda: terminate(temporal, sim, fleetruns.instance(1)))
        done = fleetruns.run(sim, fleetruns.everything(2), using=work(sim), max_parallel=1, on_event=end)

    assert done.outcomes == {"done": [0], "refused": [1]}
