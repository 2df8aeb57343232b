"""A run that is cut into shards, each carried by whoever takes it: what holds for one run holds for all its shards."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from safe_reinit import logs
from safe_reinit.cli.app import run
from safe_reinit.core import rate_limits
from safe_reinit.errors import Error, RunRefused, UsageError
from safe_reinit.execution import shards as carrying
from safe_reinit.execution.following import Carried
from safe_reinit.interrupt import Interrupt
from safe_reinit.journal import Journal, JournalError, Lease, open_to_read, open_to_write
from safe_reinit.journal.database import AwayError
from safe_reinit.journal.sqlite import SqliteFile
from safe_reinit.model import Event, InUse
from safe_reinit.plans import shards
from safe_reinit.plans.plan import plan_to_json
from safe_reinit.simulator import Simulator
from tests import cloudlike, fleetruns, virtual
from tests.fleetruns import denied, disk, everything, fleet, instance, simulated
from tests.samples import sampled
from tests.shardruns import Engine, Idle, followed
from tests.simulation.scheduler import Process

pytestmark = pytest.mark.virtual_time

FLEET_SIZE = 12
MACHINES_PER_SHARD = 4


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut runs into shards of four machines."""
    monkeypatch.setattr(shards, "SHARD_SIZE", MACHINES_PER_SHARD)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal is."""
    return tmp_path / "journal.db"


@pytest.mark.parametrize("most", [100, 3])
def test_each_machine_of_each_shard_is_wiped_once_and_comes_back(path: Path, most: int) -> None:
    """Whoever carries the shards, the run comes to what one process would have brought it to, with one report."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = Engine(sim, path).begin(everything(FLEET_SIZE), max_parallel=most).carry()
        done = engine.checked()

    assert engine.stages == [(0, 1, 2)]
    assert done.outcomes == {"done": list(range(FLEET_SIZE))}
    assert (done.report.run_id, done.report.exit_code) == (engine.run_id, 0)
    for number in range(FLEET_SIZE):
        assert Counter(done.calls(number)) == {"StopInstance": 1, "ReInitDisk": 1, "StartInstance": 1}


def test_a_canary_that_fails_lets_no_other_shard_begin(path: Path) -> None:
    """The canary is a shard of its own, and what waited for it ends untouched, with the reason."""
    with simulated(fleet(FLEET_SIZE), *denied(0)) as sim:
        engine = Engine(sim, path).begin(everything(FLEET_SIZE), canary=1).carry()
        done = engine.checked()

    assert engine.stages == [(0,), (1, 2, 3)]
    assert done.outcomes == {"failed": [0], "refused": list(range(1, FLEET_SIZE))}
    assert "the canary did not succeed" in str(done.jobs[7].error)


def test_no_machine_begins_once_too_many_have_failed_in_any_shard(path: Path) -> None:
    """What fails in one shard counts in the others, also in those that are carried at the same time."""
    with simulated(fleet(FLEET_SIZE), *denied(0, 4)) as sim:
        engine = Engine(sim, path).begin(everything(FLEET_SIZE), max_parallel=3, stop_after_failures=2).carry()
        done = engine.checked()

    assert set(done.outcomes["failed"]) == {0, 4}
    assert "stop-after-failures 2" in str(done.jobs[FLEET_SIZE - 1].error)
    assert done.outcomes["refused"]


def test_no_more_machines_are_down_at_once_than_may_be_in_all_shards(path: Path) -> None:
    """The cap of the run is one of all its shards together."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = Engine(sim, path).begin(everything(FLEET_SIZE), max_parallel=5).carry()
        done = engine.checked()

    down, most = 0, 0
    for call in done.state["calls"]:
        if call["source"] == "api" and not call["dry_run"] and call["action"] in fleetruns.BUSY:
            count = len(call["subject"])
            down += count * (call["action"].startswith("Stop") - call["action"].startswith("Start"))
            most = max(most, down)
    assert most <= 5
    assert done.outcomes == {"done": list(range(FLEET_SIZE))}


def test_a_shard_that_waits_for_the_quota_uses_it_as_soon_as_it_is_free(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops its machines in time by what another one saw a stop take: every minute has as many wipes as it may."""
    monkeypatch.setitem(rate_limits.LIMITS, "ReInitDisk", MACHINES_PER_SHARD)
    world = fleet(
        FLEET_SIZE, durations={"stop": 30, "wipe": 60, "start": 45}, rate_limits={"ReInitDisk": MACHINES_PER_SHARD}
    )
    with simulated(world) as sim:
        done = Engine(sim, path).begin(everything(FLEET_SIZE), max_parallel=FLEET_SIZE).carry().checked()

    wiped = sorted(datetime.fromisoformat(call["at"]).timestamp() for call in done.sent("ReInitDisk"))
    assert {call["code"] for call in done.sent("ReInitDisk")} == {""}
    assert all(60.0 <= later - before < 65.0 for before, later in zip(wiped, wiped[MACHINES_PER_SHARD:], strict=False))


def test_a_stage_waits_for_somebody_to_agree(path: Path) -> None:
    """With a pause no shard of the next wave is carried before somebody agreed, and none ever after a no."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        rollout: dict[str, Any] = {"waves": ((4, False),), "pause": "wave"}
        engine = Engine(sim, path).begin(everything(FLEET_SIZE), **rollout).carry()
        assert (engine.stages, engine.temporal.questions) == ([(0,)], ["4 of 12 jobs have ended, 4 of them done."])
        engine.carry(lambda text: text.startswith("4 "))
        done = engine.checked()

    assert engine.stages == [(0,), (1,), (2,)]
    assert done.outcomes == {"done": list(range(8)), "refused": list(range(8, FLEET_SIZE))}
    assert "nobody agreed to continue" in str(done.jobs[9].error)


def test_a_cancel_of_the_run_ends_all_its_shards_in_order(path: Path) -> None:
    """Those that have not begun end untouched, whoever carries them."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = Engine(sim, path).begin(everything(FLEET_SIZE))
        with open_to_write(path) as journal:
            journal.cancel(engine.run_id)
        done = engine.carry().checked()

    assert done.outcomes == {"refused": list(range(FLEET_SIZE))}
    assert re.match(rf"{engine.run_id}, shard \d: ", engine.messages[0])
    assert "asked this run to end: finishing the current call" in engine.messages[0]
    assert not [call for number in range(FLEET_SIZE) for call in done.calls(number)]


def test_a_worker_wipes_nothing_that_its_own_configuration_protects(path: Path) -> None:
    """Whatever was allowed where the run was planned: that machine is not even stopped, and the others are wiped."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = Engine(sim, path, of_workers={"protect": {"disks": [disk(5)]}}).begin(everything(FLEET_SIZE)).carry()
        done = engine.checked()

    assert done.outcomes == {"done": [number for number in range(FLEET_SIZE) if number != 5], "refused": [5]}
    assert f"by the configuration of the worker on {socket.gethostname()}, target-protected" in str(done.jobs[5].error)


def test_a_hold_that_ends_a_run_is_named_in_its_report(path: Path) -> None:
    """Whoever reads the report learns who holds all runs, and why."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = Engine(sim, path).begin(everything(FLEET_SIZE))
        with open_to_write(path) as journal:
            journal.hold_all("change freeze")
        done = engine.carry().checked()

    assert done.outcomes == {"refused": list(range(FLEET_SIZE))}
    assert all("interrupted: all runs are held" in str(job.error) for job in done.jobs.values())
    assert all("change freeze" in str(job.error) for job in done.jobs.values())


def test_a_hold_in_the_configuration_of_a_worker_is_named_with_its_host(path: Path) -> None:
    """Whoever reads the report learns whose configuration it is, and the reason that it gives."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        done = Engine(sim, path, of_workers={"hold": "until Monday"}).begin(everything(FLEET_SIZE)).carry().checked()

    why = f"interrupted: the configuration of the worker on {socket.gethostname()} holds all runs: until Monday"
    assert done.outcomes == {"refused": list(range(FLEET_SIZE))}
    assert all(why in str(job.error) for job in done.jobs.values())


def test_a_plan_that_the_journal_has_otherwise_is_not_carried(path: Path) -> None:
    """Who can write to the journal cannot make a worker wipe what nobody confirmed."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = Engine(sim, path).begin(everything(FLEET_SIZE))
        with open_to_write(path) as journal:
            journal._db.execute("UPDATE runs SET plan=REPLACE(plan, ?, ?)", (f'"{disk(5)}"', '"d-other"'))
        engine.carry()

    assert isinstance(engine.temporal.refused, RunRefused)
    assert "not the plan that was confirmed" in str(engine.temporal.refused)
    sent = [call for call in sim.state()["calls"] if call["action"] in fleetruns.BUSY and not call["dry_run"]]
    assert not {instance(number) for number in range(4, 8)} & {each for call in sent for each in call["subject"]}
    assert not {disk(number) for number in range(4, 8)} & {each for call in sent for each in call["subject"]}


def in_doubt(sim: Simulator, path: Path) -> tuple[Engine, list[int]]:
    """Carry a run whose worker dies as it is to wipe; return it, and the machines of which nobody knows the outcome."""
    engine = Engine(sim, path).begin(everything(FLEET_SIZE))
    engine.carry(on_event=harm("ReInitDisk", "intend", virtual.current().scheduler.kill))
    done = engine.checked()
    assert done.report.outcome == "unknown"
    return engine, done.outcomes["unknown"]


def test_a_verdict_on_a_run_of_shards_ends_it_without_a_wipe(path: Path) -> None:
    """What a person knows of the disks in doubt is written down, their machines come back, and the report says so."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine, unknown = in_doubt(sim, path)
        report = cloudlike.resumed(sim, engine.run_id, using=engine.client(), verdict="intact")
        shown = sim.state()

    assert {shown["instances"][instance(number)]["status"] for number in unknown} == {"Running"}
    assert not any(shown["disks"][disk(number)]["wipes"] for number in unknown)
    assert (report.outcome, engine.stored.open, engine.stored.outcome) == ("partial", False, "partial")


def test_a_run_of_shards_that_is_resumed_is_reported_again(path: Path) -> None:
    """What the resume came to is written down in the place of what the run had come to before."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine, unknown = in_doubt(sim, path)
        with open_to_write(path) as journal:
            journal.reopen(engine.run_id)
        assert engine.stored.ended_at is None
        done = engine.carry().checked()

    assert done.outcomes["unknown"] == unknown


def test_a_run_of_shards_lets_its_machines_go_for_a_new_plan(path: Path) -> None:
    """Once it is abandoned nothing of it is open, and another run may have its machines."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine, unknown = in_doubt(sim, path)
        engine.client().abandon(engine.run_id)
        with open_to_write(path) as journal:
            journal.refuse_open(sim.url, "1000000000000001", "cn-hangzhou", [instance(number) for number in unknown])

    assert not engine.stored.open


def test_a_run_does_not_wait_for_its_own_shards_in_what_people_see(path: Path) -> None:
    """What its shards have in use is its own; of another run people are told the name, and not those of its shards."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = Engine(sim, path).begin(everything(8), max_parallel=8)
        seen: list[tuple[InUse, InUse]] = []

        def reading(_: Process, event: Event) -> None:
            if event.event == "answer" and event.data["action"] == "StopInstance":
                with open_to_write(path) as journal:
                    seen.append((journal.in_use(engine.run_id), journal.in_use("r-other")))

        client = engine.client()
        other = client.plan([disk(9)], stop_instance=True)
        with open_to_write(path) as journal:
            journal.begin("r-other", plan_to_json(other), sim.url, "", [("i-x", ("d-x",), None)]).release()
        engine.carry(on_event=reading)

    assert max(each.down for _, each in seen) > 0
    assert {each.run_ids for _, each in seen} == {(engine.run_id,)}
    assert {(each.down, each.run_ids) for each, _ in seen} == {(0, ())}


def test_a_shard_is_no_run_that_people_see(path: Path) -> None:
    """The journal lists the whole run alone, and names it as the last one of each disk and of each machine."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = Engine(sim, path).begin(everything(FLEET_SIZE))
        with open_to_write(path) as journal:
            assert [run.run_id for run in journal.runs()] == [engine.run_id]
            assert journal.count() == 1
            with pytest.raises(RunRefused, match=f"Run {engine.run_id} has not finished with {instance(5)}"):
                journal.refuse_open(sim.url, "1000000000000001", "cn-hangzhou", [instance(5)])
        engine.carry()
        last = engine.client().plan([disk(5)], stop_instance=True)

    assert last is not None
    stored = engine.stored
    assert (stored.outcome, stored.open, len(stored.jobs)) == ("done", False, FLEET_SIZE)


def test_a_worker_that_hands_over_lets_another_one_go_on(path: Path) -> None:
    """What has begun is brought to its end, no other machine begins, and the rest of the shard is carried at once."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = Engine(sim, path).begin(everything(FLEET_SIZE), max_parallel=2)
        begun: dict[Process, tuple[float, dict[str, Any]]] = {}

        def result(process: Process, event: Event) -> None:
            if event.event == "intend" and process not in begun:
                begun[process] = virtual.current().scheduler.now, sim.state()["instances"]
                if len(begun) == 1:
                    engine.workers[-1].hand_over.set()

        engine.carry(on_event=result)
        done = engine.checked()

    (first, _), (then, shown), *_ = begun.values()
    assert {shown[instance(number)]["status"] for number in range(FLEET_SIZE)} == {"Running"}
    assert sum(shown[instance(number)]["starts"] > 1 for number in range(FLEET_SIZE)) == 2
    assert then - first < 200.0
    assert done.outcomes == {"done": list(range(FLEET_SIZE))}


def carry(engine: Engine, alive: Callable[[], None] = lambda: None) -> bool:
    """Carry the first shard of a run in this process, and return whether it has ended."""
    carrier = engine.worker().own_runs.shards()
    return carrier.carry(engine.run_id, 0, engine.digest, alive, threading.Event())


def test_a_sign_of_life_that_fails_is_not_the_last(path: Path) -> None:
    """A worker that could not give one in time, for it was busy, is heard again: nobody else need go on."""
    signs: list[float] = []

    def alive() -> None:
        signs.append(virtual.current().scheduler.now)
        if len(signs) == 1:
            raise TimeoutError

    with simulated(fleet(MACHINES_PER_SHARD)) as sim:
        engine = Engine(sim, path).begin(everything(MACHINES_PER_SHARD))
        assert carry(engine, alive)

    assert len(signs) > 10


def test_a_shard_that_ends_just_before_it_is_taken_over_has_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes too late for it says so, and the run goes on to its report: nothing is wrong with it."""
    real, tried = Journal.acquire_lease, list[str]()

    def too_late(journal: Journal, run_id: str) -> Lease | None:
        tried.append(run_id)
        if len(tried) == 1:
            assert carry(engine)
        return real(journal, run_id)

    monkeypatch.setattr(Journal, "acquire_lease", too_late)
    with simulated(fleet(MACHINES_PER_SHARD)) as sim:
        engine = Engine(sim, path).begin(everything(MACHINES_PER_SHARD))
        assert carry(engine)
        done = engine.carry().checked()

    assert done.outcomes == {"done": list(range(MACHINES_PER_SHARD))}


def harm(moment: str, event: str, does: Callable[[Process], None]) -> Callable[[Process, Event], None]:
    """Do something, once, to the process in which this happens."""
    done: list[Process] = []

    def result(process: Process, each: Event) -> None:
        if not done and each.event == event and each.data.get("action") == moment:
            done.append(process)
            does(process)

    return result


@pytest.mark.parametrize(
    ("what", "moment", "event"),
    sampled([
        ("killed", "StopInstance", "intend"), ("paused", "StopInstance", "intend"),
        ("paused", "StopInstance", "answer"), ("killed", "StopInstance", "answer"),
        ("paused", "ReInitDisk", "intend"), ("killed", "ReInitDisk", "intend"),
        ("killed", "ReInitDisk", "answer"), ("paused", "ReInitDisk", "answer"),
        ("killed", "StartInstance", "intend"), ("paused", "StartInstance", "intend"),
        ("paused", "StartInstance", "answer"), ("killed", "StartInstance", "answer"),
    ]),
)  # fmt: skip
def test_a_shard_whose_worker_is_gone_is_resumed_by_another(path: Path, what: str, moment: str, event: str) -> None:
    """At whatever call it was killed or paused: another worker goes on by the journal, and nothing is wiped twice."""
    durations = {"stop": 4, "wipe": 90, "start": 6}  # so long that a wipe without an answer is still seen under way
    with simulated(fleet(FLEET_SIZE, durations=durations)) as sim:
        scheduler = virtual.current().scheduler
        does = scheduler.kill if what == "killed" else partial(scheduler.freeze, seconds=300.0)
        engine = Engine(sim, path).begin(everything(FLEET_SIZE))
        engine.carry(on_event=harm(moment, event, does))
        done = engine.checked()

    assert len(engine.workers) == len(engine.stages[0]) + 1
    unknown = done.outcomes.get("unknown", [])  # intended, and nobody knows whether it was sent: it never was
    assert set(done.outcomes) == {"done"} or (moment, event) == ("ReInitDisk", "intend")
    assert not any(done.state["disks"][disk(number)]["wipes"] for number in unknown)


@pytest.mark.parametrize("moment", ["StopInstance", "ReInitDisk"])
def test_a_shard_whose_worker_is_cut_off_from_the_journal_is_carried_on_at_once(
    path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as lost although it runs: another worker goes on before the first one starts its machines by itself."""
    scheduler, cut = virtual.current().scheduler, list[Process]()
    begun: list[float] = []

    def unless_cut(name: str) -> None:
        real, error = getattr(Journal, name), JournalError if name == "write" else UsageError

        def asked(*given: Any, **more: Any) -> Any:
            if scheduler.current is not None and scheduler.current.process in cut:
                raise error("The server cannot be reached.")
            return real(*given, **more)

        monkeypatch.setattr(Journal, name, asked)

    def cut_off(process: Process) -> None:
        cut.append(process)
        begun.append(scheduler.now)

    def result(process: Process, event: Event) -> None:
        harming(process, event)
        if cut and process not in cut and len(begun) == 1:
            begun.append(scheduler.now)

    harming = harm(moment, "answer", cut_off)
    for each in ("write", "holder", "in_use", "run"):
        unless_cut(each)
    with simulated(fleet(MACHINES_PER_SHARD, durations={"stop": 4, "wipe": 200, "start": 6})) as sim:
        engine = Engine(sim, path).begin(everything(MACHINES_PER_SHARD)).carry(on_event=result)
        done = engine.checked()

    assert len(engine.workers) == 2
    assert begun[1] - begun[0] < 45.0
    assert done.outcomes == {"done": list(range(MACHINES_PER_SHARD))}


def waiting(sim: Simulator, path: Path) -> Engine:
    """Carry a run up to the question after its first wave of four machines."""
    return Engine(sim, path).begin(everything(FLEET_SIZE), waves=((4, False),), pause="wave").carry()


def test_who_joins_a_run_is_shown_what_has_happened_so_far(path: Path) -> None:
    """Machines that have ended are not taken for ones that wait."""
    events: list[Event] = []
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = waiting(sim, path)
        with pytest.raises(Error):
            followed(engine.client(), engine.run_id, Interrupt(), lambda _: None, events.append)

    done = [event for event in events if event.event == "done"]
    assert {event.instance_id for event in done} == {instance(number) for number in range(4)}
    assert {event.data["outcome"] for event in done} == {"done"}


def test_a_question_that_nobody_answers_stays_open(path: Path) -> None:
    """Who follows where nobody can be asked ends no run: it waits, says so, and goes on once somebody answers."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = waiting(sim, path)
        with pytest.raises(Error, match="waits for an answer, and nobody can answer here: 4 of 12 jobs") as result:
            followed(engine.client(), engine.run_id, Interrupt(), lambda _: None)
        engine.carry(lambda _: True)
        done = engine.checked()

    assert f"safe-reinit resume {engine.run_id}" in result.value.hint
    assert done.outcomes == {"done": list(range(FLEET_SIZE))}


def test_to_part_from_a_run_at_its_question_is_no_answer(path: Path) -> None:
    """A terminal that is closed, or a signal to the command, leaves run and question to others."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine, interrupt = waiting(sim, path), Interrupt()
        with pytest.raises(Error, match="continues") as result:
            followed(engine.client(), engine.run_id, interrupt, lambda _: not interrupt.part())
        engine.carry(lambda _: True)
        done = engine.checked()

    assert f"to stop it safely: safe-reinit cancel {engine.run_id}" in result.value.hint
    assert done.outcomes == {"done": list(range(FLEET_SIZE))}


def test_to_part_from_a_run_while_it_wipes_raises_no_alarm(path: Path) -> None:
    """Whoever carries it finds out what became of its disks: nobody is sent to ActionTrail for that."""
    result: list[Error] = []
    interrupt = Interrupt()

    def leave(_: Process, event: Event) -> None:
        if event.event == "answer" and event.data["action"] == "ReInitDisk" and not result:
            with pytest.raises(Error) as raised:
                followed(engine.client(), engine.run_id, interrupt, on_event=lambda _: interrupt.part())
            result.append(raised.value)

    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = Engine(sim, path).begin(everything(FLEET_SIZE))
        engine.carry(on_event=leave)
        done = engine.checked()

    assert result[0].outcome == "unknown"
    assert "ActionTrail" not in result[0].hint
    assert done.outcomes == {"done": list(range(FLEET_SIZE))}


def test_a_run_that_is_ended_where_it_is_followed_says_by_what(path: Path) -> None:
    """At the question no answer is written down, and the audit names what asked for the end."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine, interrupt = waiting(sim, path), Interrupt()
        carrying_on = threading.Thread(target=engine.carry)

        def result(_question: str) -> bool:
            interrupt.ask("SIGINT")
            carrying_on.start()
            return False

        report = followed(engine.client(), engine.run_id, interrupt, result)
        carrying_on.join()
        with open_to_read(path) as journal:
            acts = [(act.action, act.detail) for act in journal.audit_entries(engine.run_id)]

    assert report.outcome == "partial"
    assert ("cancel", "SIGINT") in acts
    assert "disagree" not in dict(acts)


def printed_by(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Type a command about runs, and return what it says."""
    assert run([*argv]) == 0
    out, err = capsys.readouterr()
    return " ".join(f"{out} {err}".split())


def test_a_run_that_waits_for_an_answer_can_be_recognised(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The list and the story of the run name the question and how to answer it; once it is cancelled there is none."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        name = waiting(sim, path).run_id
    listed = printed_by(capsys, "runs", "--journal", str(path))
    document = json.loads(printed_by(capsys, "runs", "--output", "json", "--journal", str(path)))
    shown = printed_by(capsys, "show", name, "--journal", str(path))
    cancelled = printed_by(capsys, "cancel", name, "--journal", str(path))
    after = printed_by(capsys, "runs", "--journal", str(path))

    asks = "waits: for an answer: 4 of 12 jobs have ended, 4 of them done. To answer, on a terminal: safe-reinit resume"
    assert " waits - " in listed
    assert asks in listed
    assert document["runs"][0]["waits"].startswith(asks.removeprefix("waits: "))
    assert asks in shown
    assert "It left no machine stopped." in cancelled
    assert "That needs a worker: safe-reinit worker." in cancelled
    assert "bring" not in cancelled
    assert "waits - " not in after


def test_the_worker_that_ends_the_last_shard_ends_the_run(path: Path) -> None:
    """The report does not wait for a workflow that may be gone by then, and it is written once."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = Engine(sim, path).begin(everything(FLEET_SIZE)).carry_shards()
        done = engine.checked()
        engine.carry()

    assert (done.report.outcome, engine.stored.open) == ("done", False)
    assert acts_of(engine).count("end") == 1


def acts_of(engine: Engine) -> list[str]:
    """Name what the audit has of a whole run."""
    with open_to_write(engine.journal) as journal:
        return [act.action for act in journal.audit_entries(engine.run_id) if act.run_id == engine.run_id]


def unfinished(sim: Simulator, path: Path) -> Engine:
    """Carry all shards of a run, whose worker is killed before it writes down how the run ended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carrying, "finish", lambda *_: None)
        engine = Engine(sim, path).begin(everything(FLEET_SIZE)).carry_shards()
    assert (engine.stored.ended_at, engine.stored.report) == (None, None)
    return engine


def test_a_run_whose_end_is_not_written_down_needs_somebody(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command calls it open and names the resume, which ends it without a server and without a worker."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = unfinished(sim, path)
        run_id, where = engine.run_id, ["--journal", str(path)]
        for words in (["runs", "--needs-me"], ["runs"], ["show", run_id]):
            assert run([*words, *where]) == 0
            text = capsys.readouterr().out
            assert re.search(r"  open  |, open$", text, re.M)
            assert f"next: safe-reinit resume {run_id}" in text
        assert run(["cancel", run_id, *where]) == 0
        assert f"safe-reinit resume {run_id}" in capsys.readouterr().err
        with pytest.raises(RunRefused, match="has not ended") as refused:
            engine.client().plan_undo(run_id)
        assert f"safe-reinit resume {run_id}" in refused.value.hint

        result = engine.client().resume(run_id)
        assert result == engine.checked().report
        assert (result.outcome, acts_of(engine).count("end")) == ("done", 1)
        with pytest.raises(RunRefused, match=f"Run {run_id} has ended: done"):
            engine.client().resume(run_id)


def test_who_follows_a_run_ends_it_when_nobody_else_does(path: Path) -> None:
    """Where its workflow and its workers are gone, the command has the report all the same."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine, lost = unfinished(sim, path), Idle(Carried("missing", "Temporal has no workflow of this run."))
        result = followed(engine.client(), engine.run_id, Interrupt(), carrier=lost)
        assert result == engine.checked().report


def test_the_end_of_a_run_is_written_once_by_whoever_is_first(path: Path) -> None:
    """Two that end the last two shards at the same time both try, and the second one changes nothing."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine = unfinished(sim, path)
    with open_to_write(path) as journal:
        assert journal.end_shards(engine.run_id, {"outcome": "done", "exit_code": 0}, None)
        assert not journal.end_shards(engine.run_id, {"outcome": "failed", "exit_code": 1}, None)

    assert (engine.stored.outcome, acts_of(engine).count("end")) == ("done", 1)


def test_a_run_that_is_carried_again_is_ended_again(path: Path) -> None:
    """What was unknown at its first end is not what the report says after a resume that found it out."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        engine, _ = in_doubt(sim, path)
        with open_to_write(path) as journal:
            journal.reopen(engine.run_id)
        assert (engine.stored.ended_at, engine.stored.open) == (None, True)
        engine.carry()

    assert engine.stored.ended_at is not None


def test_a_worker_that_is_to_end_while_its_last_machines_are_wiped_ends_the_run(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It brings back what has begun, and no other worker is there to write the report."""
    with simulated(fleet(MACHINES_PER_SHARD)) as sim:
        engine = Engine(sim, path).begin(everything(MACHINES_PER_SHARD), max_parallel=MACHINES_PER_SHARD)
        wiped = list[str]()

        def result(event: Event) -> None:
            if event.event == "intend" and event.data["action"] == "ReInitDisk":
                wiped.append(str(event.disk_id))
            if len(wiped) == MACHINES_PER_SHARD:
                engine.hand_over.set()

        monkeypatch.setattr(logs, "event", result)
        done = engine.carry_shards().checked()

    assert done.outcomes == {"done": list(range(MACHINES_PER_SHARD))}


def test_a_cancel_that_the_journal_does_not_take_is_no_cancel(path: Path) -> None:
    """Whoever cancels the workflow of a run has that tried again until the journal has it; one that has ended stays."""
    with simulated(fleet(MACHINES_PER_SHARD)) as sim:
        engine = Engine(sim, path).begin(everything(MACHINES_PER_SHARD))
        carrier = engine.worker().own_runs.shards()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Journal, "cancel", Mock(side_effect=AwayError("The journal cannot be used.")))
            with pytest.raises(AwayError):
                carrier.cancel(engine.run_id)
        engine.carry().checked()
        carrier.cancel(engine.run_id)


def test_a_worker_whose_journal_is_away_names_the_run_and_no_command(path: Path) -> None:
    """Nobody has to resume it: the machines come back, and a worker goes on by what this host kept of the shard."""
    with simulated(fleet(MACHINES_PER_SHARD)) as sim, pytest.MonkeyPatch.context() as patch:
        engine = Engine(sim, path, of_workers={"journal_outage": 30.0}).begin(everything(MACHINES_PER_SHARD))
        carrier = engine.worker().own_runs.shards(engine.messages.append)

        def result(event: Event) -> None:
            if event.event == "answer":
                patch.setattr(SqliteFile, "transaction", away)

        def away(*_: object, **__: object) -> Any:
            raise UsageError("The disk is full.")

        patch.setattr(logs, "event", result)
        with pytest.raises(UsageError, match="The disk is full"):
            carrier.carry(engine.run_id, 0, engine.digest, lambda: None, engine.hand_over)
        shown = sim.state()["instances"]
        kept = path.parent / "spool" / f"{engine.run_id}.0.json"
        assert {shown[instance(number)]["status"] for number in range(MACHINES_PER_SHARD)} == {"Running"}
        assert kept.exists()
        patch.undo()
        engine.carry_shards().checked()

    text = "\n".join(engine.messages)
    assert f"The part of run {engine.run_id} that is missing from the journal is kept in {kept}." in text
    assert f"a worker continues run {engine.run_id} automatically" in text
    assert "safe-reinit resume" not in text
    assert not kept.exists()
    for job in engine.report.jobs:
        assert "resume this run" not in f"{job.error}"
