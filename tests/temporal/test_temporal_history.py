"""What stays on the server: histories that later versions can follow, and no secret."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from safe_reinit.client import Client
from safe_reinit.decide import decide
from safe_reinit.model import Record
from safe_reinit.simulator import Simulator
from safe_reinit.temporal import payloads
from safe_reinit.temporal.acting import Actor
from safe_reinit.temporal.job import JobWorkflow
from safe_reinit.temporal.lane import LaneWorkflow
from tests import cloudlike, fleetruns, temporals
from tests.cloudlike import DATA
from tests.fleetruns import everything, fleet
from tests.temporals import Nursery, Temporal, simulated
from tests.test_secrets import forms

Work = Callable[..., Client]
HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))
KEY_SECRET = "kEy+Secret/0=&%planted"


def _payloads(event: Any) -> Iterator[Any]:
    """Give the JSON of every payload of an event."""
    if isinstance(event, dict):
        if "data" in event and "metadata" in event:
            yield json.loads(base64.b64decode(event["data"]))
        else:
            for each in event.values():
                yield from _payloads(each)
    elif isinstance(event, list):
        for each in event:
            yield from _payloads(each)


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_the_workflows_follow_every_recorded_history(path: Path) -> None:
    """A run that an earlier version began goes on under this one: its history is replayed without a difference."""
    passed = SandboxRestrictions.default.with_passthrough_modules("safe_reinit")
    replayer = Replayer(workflows=[JobWorkflow, LaneWorkflow], workflow_runner=SandboxedWorkflowRunner(passed))
    history = WorkflowHistory.from_json(path.stem, path.read_text("utf-8"))

    result = asyncio.run(replayer.replay_workflow(history))
    assert result.replay_failure is None


@pytest.mark.parametrize("path", [each for each in HISTORIES if "lane" not in each.stem], ids=lambda path: path.stem)
def test_what_earlier_versions_wrote_is_read_and_decided_alike(path: Path) -> None:
    """Records, plans and changes in a recorded history are read by this version, and each call is decided again."""
    sends = 0
    for event in json.loads(path.read_text("utf-8"))["events"]:
        for told in _payloads(event):
            if not isinstance(told, dict):
                continue
            if "record" in told:
                payloads.read(Record, told["record"])
            if "plan" in told:
                payloads.read_head(told["plan"])
            for note in (*told.get("before", ()), *told.get("after", ())):
                payloads.read_change(note)
            if told.get("action", {}).get("kind") == "Send":
                send = payloads.read_send(told["action"])
                assert decide(payloads.read(Record, told["record"]), payloads.read_look(told["seen"])) == send
                sends += 1

    assert sends >= 3


def test_workers_of_two_versions_side_by_side(temporal: Temporal, nursery: Nursery, tmp_path: Path) -> None:
    """An older worker leaves what a newer one wrote to the newer one, and the run ends well with both at work."""
    with fleetruns.simulated(fleet(4), speed=temporals.RATE) as sim:
        with (
            temporals.worker(nursery, temporal, sim.url, tmp_path, name="old") as old,
            temporals.worker(nursery, temporal, sim.url, tmp_path, name="new", version=2) as new,
        ):
            old.ready(), new.ready()
            using = temporals.client(temporal, sim, tmp_path / "j.db")
            done = fleetruns.run(sim, everything(4), using=using)
        state = sim.state()

    assert done.outcomes == {"done": list(range(4))}
    assert all(len(state["disks"][each]["wipes"]) == 1 for each in everything(4))


def test_an_older_worker_alone_does_not_touch_what_a_newer_one_wrote(
    temporal: Temporal, nursery: Nursery, tmp_path: Path
) -> None:
    """Only the newer worker goes on with a job that it had in its hands; until it is back the machine waits."""
    with simulated() as sim:
        using = temporals.client(temporal, sim, tmp_path / "j.db")
        with ThreadPoolExecutor(1) as threads:
            with temporals.worker(
                nursery, temporal, sim.url, tmp_path, name="new", version=2, kill=("act", 2, "before")
            ) as new:
                new.ready()
                done = threads.submit(lambda: cloudlike.run(sim, using=using))
                new.gone()
            with temporals.worker(nursery, temporal, sim.url, tmp_path, name="old") as old:
                old.ready()
                threads_wait(3.0)
                assert not sim.state()["disks"][DATA]["wipes"]
                with temporals.worker(nursery, temporal, sim.url, tmp_path, name="again", version=2) as again:
                    again.ready()
                    ended = done.result(60)
                said = old.said

    assert "written by a newer" not in said, "it is not even handed to an older one"
    assert ended.outcome in ("done", "unknown"), ended.error
    assert all(wipe["starts_before"] == 1 for wipe in sim.state()["disks"][DATA]["wipes"])


def threads_wait(seconds: float) -> None:
    """Let some real time pass."""
    import time

    time.sleep(seconds)


def test_no_secret_is_in_the_servers_file_or_in_a_journal(
    temporal: Temporal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the key of the credentials nor what an error says is in the server's file, in a journal, or in a log."""
    prepare, broken = Actor._prepare, []

    def breaking(self: Actor, run_id: str, tasks: Any) -> Any:
        if not broken:
            broken.append(run_id)
            raise RuntimeError(f"the key is {KEY_SECRET}")
        return prepare(self, run_id, tasks)

    monkeypatch.setattr(Actor, "_prepare", breaking)
    faults = [{"action": "StopInstance", "dry_run": False, "nth": 1, "html": 502}]
    key = f"planted-id:{KEY_SECRET}"
    with (
        Simulator(world=cloudlike.world(), faults=faults, speed=temporals.RATE, access_key=key) as sim,
        temporals.working(temporal, sim, tmp_path / "w.db"),
    ):
        done = cloudlike.run(sim, using=temporals.client(temporal, sim, tmp_path / "j.db"))

    assert done.outcome == "done", done.error
    assert broken
    files = [*temporal.folder.glob("temporal.db*"), *tmp_path.glob("*.db*")]
    stored = b"".join(each.read_bytes() for each in files)
    assert str(done.report.run_id).encode() in stored, "the run is found where its secrets are not"
    for form in forms(KEY_SECRET):
        assert form.encode() not in stored
        assert form not in caplog.text
