"""Whole runs on Temporal, by the local runner's scenarios: what befalls a call, what others do meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.aliyun import exchange
from safe_reinit.client import Client
from safe_reinit.journal import Journal
from safe_reinit.temporal.acting import Actor
from tests import cloudlike, temporals
from tests.cloudlike import DATA, INSTANCE, SYSTEM, assert_true, resumed, run, world
from tests.temporals import Temporal, simulated
from tests.test_runs import ACTS, AFTER, FAULTS, HANG

Work = Callable[..., Client]

SAMPLE = 12
"""Of all faults at all acts; bench/temporalsweep.py does the rest."""


def test_every_fault_of_a_call_ends_as_in_the_local_runner(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault at an act ends as the table of exit codes says, with no wipe after a start, as locally.

    A busy machine may look too seldom for hurried time: a lost answer is asked again all the same, while nothing moved.
    """
    monkeypatch.setattr(exchange, "ACT_TIMEOUT", HANG)
    cases = random.Random(7).sample([(kind, act) for kind in FAULTS for act in ACTS], SAMPLE)
    machines = [f"i-{number:02}" for number in range(len(cases))]
    disks = [DATA if not number else f"{DATA}-{number:02}" for number in range(len(cases))]
    faults = [
        {"action": act, "dry_run": False, "subject": disk if act == "ReInitDisk" else machine, **FAULTS[kind][0]}
        for (kind, act), machine, disk in zip(cases, machines, disks, strict=True)
    ]
    with simulated(world(machines=machines), faults) as sim:
        using = work(sim, on_unknown="retry")
        with ThreadPoolExecutor(6) as threads:
            ended = list(threads.map(lambda disk: run(sim, (disk,), using=using), disks))
        state = sim.state()

    for (kind, act), done in zip(cases, ended, strict=True):
        assert done.outcome == FAULTS[kind][1][ACTS.index(act)], f"{kind} at {act}: {done.error}"
        assert done.sent("ReInitDisk") <= 2
    for disk in disks:
        assert all(wipe["starts_before"] == 1 for wipe in state["disks"][disk]["wipes"])


def test_a_wipe_whose_answer_is_lost_is_watched_without_a_gap(work: Work) -> None:
    """While a call hangs the workflow goes on looking: what was lost is sent again behind the fence, unasked."""
    rate = 5.0
    fault = {"action": "ReInitDisk", "dry_run": False, "drop_request": True}
    with cloudlike.simulated(world(), [fault], rate) as sim:
        done = run(sim, using=work(sim, rate))
        state = sim.state()

    assert_true(done, state)
    assert done.outcome == "done", done.error
    assert done.codes("ReInitDisk") == ["Unanswered", "OK"]


@pytest.mark.parametrize("what", ["started", "restarted", "attached anew"])
def test_what_moves_between_stop_and_wipe_ends_the_run_without_a_wipe(
    work: Work, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fact that moves while the machine is down ends the run on Temporal too, and nothing is wiped."""
    deeds, outcome, power = AFTER[what]
    prepare, done_already = Actor._prepare, []
    with simulated() as sim:

        def disturbed(self: Actor, run_id: str, tasks: Any) -> Any:
            if tasks[0].send.overwrites and not done_already:
                done_already.extend(sim.do(deed) for deed in deeds)
            return prepare(self, run_id, tasks)

        monkeypatch.setattr(Actor, "_prepare", disturbed)
        done = run(sim, using=work(sim))
        state = sim.state()

    assert done_already
    assert_true(done, state, others=True)
    assert done.outcome == outcome
    assert state["instances"][INSTANCE]["status"] == power


def test_the_report_is_that_of_the_local_runner(work: Work) -> None:
    """A run on Temporal tells the same as a local one: phases, calls in their order, evidence, exit code."""
    with simulated() as sim:
        there = run(sim, using=work(sim))
        state = sim.state()
    with simulated() as sim:
        here = run(sim)

    assert_true(there, state)
    for name in ("outcome", "exit_code", "region", "account", "plan", "caller", "reason", "looks", "error"):
        assert getattr(there.report, name) == getattr(here.report, name), name
    for run_ in (there, here):
        acts = [call.action for call in run_.report.calls if not call.dry_run and call.action in cloudlike.CHANGING]
        assert acts == ["StopInstance", "ReInitDisk", "StartInstance"]
        assert [phase.name for phase in run_.report.jobs[0].phases] == ["stop", "reinit", "start"]
        told = [(event.event, event.data.get("action")) for event in run_.events if event.event in ("intend", "answer")]
        assert told == [(kind, act) for act in ACTS for kind in ("intend", "answer")]
    assert there.events[-1].event == "done"
    shown: Any = [event.data for event in there.events if event.event == "state"]
    assert shown[0]["instance"] == "Running"


def test_a_run_whose_machine_is_owed_its_start_is_known_until_it_has_it(work: Work, tmp_path: Path) -> None:
    """One disk wiped, one refused, and no start: the run stays with the lane, and its end is kept anew by a worker."""
    refused = {"action": "ReInitDisk", "subject": SYSTEM, "error": {"code": "Brand.New", "status": 400}}
    poor = {"action": "StartInstance", "dry_run": False, "error": {"code": "InsufficientBalance"}}
    with simulated(world(), [refused, poor]) as sim:
        using = work(sim)
        done = run(sim, (DATA, SYSTEM), using=using)
        told = resumed(sim, done.report.run_id, using=using)
        power = sim.state()["instances"][INSTANCE]["status"]

    assert (done.outcome, [job.owed for job in done.report.jobs]) == ("partial", [True])
    assert (told.outcome, [job.owed for job in told.jobs], power) == ("partial", [False], "Running")
    with Journal(tmp_path / "worker.db") as journal:
        (kept,) = journal.runs()
        assert kept.report is not None
        assert (kept.report["jobs"][0]["power_after"], kept.open) == ("Running", False)


def test_an_instance_that_is_let_go_is_free_for_another_run(work: Work, temporal: Temporal, tmp_path: Path) -> None:
    """A run that owes a start keeps its instance until it is let go; then another has it, and the lane forgets it."""

    async def ask(client: Any) -> Any:
        return await client.get_workflow_handle(f"lane/{temporals.key_of(sim)}").query("runs")

    poor = {"action": "StartInstance", "dry_run": False, "error": {"code": "InsufficientBalance"}}
    with simulated(world(), [poor]) as sim:
        using, other = work(sim), temporals.client(temporal, sim, tmp_path / "other.db")
        done = run(sim, using=using)
        known = [each["run_id"] for each in temporal.ask(ask)]
        sim.do({"start": INSTANCE})
        refused = run(sim, using=other, accept=["no-recent-snapshot"])
        using.abandon(str(done.report.run_id))
        again = run(sim, using=other, accept=["no-recent-snapshot"])
        left = temporal.ask(ask)

    assert str(done.report.run_id) in str(refused.error)
    assert (done.outcome, known) == ("not-restarted", [done.report.run_id])
    assert (again.outcome, left) == ("done", [])
