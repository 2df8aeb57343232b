"""Leases: one holder at a time, in one process, in two, and in one that was paused and goes on."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit.errors import RunRefused
from safe_reinit.interrupt import Interrupt
from safe_reinit.journal import Journal, StoredJob, lease, open_to_write, place
from safe_reinit.journal.lease import Holder, Lease, LeaseLostError
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.commands import command, until
from tests.simulation.harness import simulate
from tests.values import recoverable

RUN_ID = "r-20260101T000000Z-0001"
WORLD: dict[str, Any] = recoverable(
    {
        "durations": {"stop": 30, "wipe": 30, "start": 9},
        "instances": {"i-1": {}},
        "disks": {
            "d-1": {"instance": "i-1", "content": "precious"},
            "d-2": {"instance": "i-1", "content": "precious too"},
        },
    }
)
DONE_ONCE = [("StopInstance", ""), ("ReInitDisk", ""), ("StartInstance", "")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal."""
    return tmp_path / "j.db"


def begin(journal: Journal, name: str = RUN_ID) -> Lease:
    """Write a run down."""
    plan = {"plan_id": name, "account": "1", "region": "cn-hangzhou", "options": {"password": None}, "jobs": []}
    return journal.begin(name, plan, "", "", [("i-1", (), {})])


# ------------------------------------------------------------------------------------------------ in the journal


def test_a_lease_renews_itself(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A holder that writes nothing keeps its run for longer than a lease, and nobody takes it over."""
    monkeypatch.setattr(lease, "LEASE_DURATION", 0.6)
    monkeypatch.setattr(lease, "RENEWAL_INTERVAL", 0.15)
    with open_to_write(place) as journal, open_to_write(place) as other:
        held = begin(journal)
        time.sleep(1.5)
        held.check()
        held.save((0, {"written": True}))
        taken = other.acquire_lease(RUN_ID)
        held.release()

    assert taken is None


def test_a_lease_that_ran_out_is_renewed_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A holder that did not run for longer than a lease keeps its run, but may not call on what it saw before."""
    with open_to_write(place) as journal:
        held = begin(journal)
        assert held.check()
        asleep = lease.boottime() + lease.LEASE_DURATION + 1
        monkeypatch.setattr(lease, "boottime", lambda: asleep)

        assert not held.check()
        assert held.check()
        assert held.lapses == 1
        held.save((0, {"written": True}))
        assert journal.runs()[0].jobs[0].state_text == '{"written": true}'
        held.release()


def test_a_pause_while_a_run_is_taken_counts(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Whoever did not run between writing down that they have a run and knowing it may have lost it meanwhile."""
    write = Journal._write_holder

    def then_paused(journal: Journal, *given: Any) -> str:
        began_on = write(journal, *given)
        asleep = lease.boottime() + lease.LEASE_DURATION + 1
        monkeypatch.setattr(lease, "boottime", lambda: asleep)
        return began_on

    monkeypatch.setattr(Journal, "_write_holder", then_paused)
    with open_to_write(place) as journal:
        held = begin(journal)

        assert not held.check(), "nothing is sent before the journal was asked"
        held.release()


def test_the_same_epoch_under_another_id_is_lost(place: str) -> None:
    """A journal that was restored may give an epoch away twice: the id of the session tells who has it."""
    with open_to_write(place) as journal:
        held = begin(journal)
        journal._db.execute("UPDATE leases SET session='another'")

        with pytest.raises(LeaseLostError):
            held.save((0, {"written": True}))
        with pytest.raises(LeaseLostError):
            held.check()
        assert journal.runs()[0].jobs[0].state_text == "{}"
        held.release()


def test_who_wants_the_machine_of_another_run_is_shown_what_can_be_done_about_it(place: str) -> None:
    """A run that somebody is at work on can be ended, one that nobody is at work on can be resumed."""
    with open_to_write(place) as journal:
        held = begin(journal)
        with pytest.raises(RunRefused) as refused:
            journal.refuse_open("", "1", "cn-hangzhou", ["i-1"])
        held.release()
        with pytest.raises(RunRefused) as left:
            journal.refuse_open("", "1", "cn-hangzhou", ["i-1"])

    assert refused.value.hint.endswith(f"stop it: safe-reinit cancel {RUN_ID}.")
    assert "held by nobody now" in str(left.value)
    assert left.value.hint.endswith(f"continue it: safe-reinit resume {RUN_ID}.")


def test_a_stale_holder_writes_nothing(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Once another has taken the run over, the epoch of the first is refused: no record, no end, no release."""
    monkeypatch.setattr(Holder, "gone", property(lambda _: True))
    with open_to_write(place) as journal, open_to_write(place) as other:
        stale = begin(journal)
        fresh = other.acquire_lease(RUN_ID)
        assert fresh is not None
        stale.emit({"event": "state"})
        for write in (
            lambda: stale.save((0, {"stale": True})),
            lambda: stale.end({"outcome": "done", "exit_code": 0, "jobs": [{}]}),
        ):
            with pytest.raises(LeaseLostError):
                write()
        stale.release()
        (kept,) = other.runs()
        fresh.save((0, {"fresh": True}))
        fresh.release()

    assert (stale.epoch, fresh.epoch) == (1, 2)
    assert kept.jobs == (StoredJob("i-1", "{}", True, None),)
    assert kept.outcome is None
    assert kept.holder is not None
    assert kept.holder.alive is False or kept.holder.session == fresh.session


def test_a_stale_holder_finds_out_by_itself(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """The thread that renews sees that the run was taken over, and from then on the check before a call fails."""
    monkeypatch.setattr(lease, "RENEWAL_INTERVAL", 0.05)
    monkeypatch.setattr(Holder, "gone", property(lambda _: True))
    with open_to_write(place) as journal, open_to_write(place) as other:
        stale = begin(journal)
        stale.check()
        fresh = other.acquire_lease(RUN_ID)
        assert fresh is not None

        def lost() -> bool:
            try:
                stale.check()
            except LeaseLostError:
                return True
            return False

        until(lost)
        stale.release()
        fresh.release()


def holder(journal: Journal) -> Holder:
    """Return the holder of the only run."""
    (run,) = journal.runs()
    assert run.holder is not None
    return run.holder


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({}, False),
        ({"pid": 2**22 + 1}, True),
        ({"boot": "another boot"}, True),
        ({"host": "elsewhere"}, False),
        ({"host": "elsewhere", "pid": 2**22 + 1}, False),
        ({"host": "elsewhere", "until": 1.0}, True),
        ({"until": 1.0}, True),
        ({"until": 1e12}, True),
        ({"pid": 1}, False),
    ],
    ids=[
        "alive", "pid gone", "another boot", "another host", "another host, pid", "expired there", "expired here",
        "of another boot", "pid used again",
    ],
)  # fmt: skip
def test_when_a_run_is_taken_over(path: Path, change: dict[str, Any], taken: bool) -> None:
    """At once where the kernel knows no such process, or after another boot; else when it has expired."""
    with open_to_write(path) as journal:
        held = begin(journal)
        for column, value in change.items():
            journal._db.execute(f"UPDATE leases SET {column}=?", (value,))
        found = journal.acquire_lease(RUN_ID)
        if found is not None:
            found.release()
        held.release()

    assert (found is not None) is taken


def test_a_run_is_seen_to_be_held_while_its_holder_writes(path: Path) -> None:
    """A holder that is stopped in the middle of writing is waited for as any other, and not told as a locked file."""
    with open_to_write(path) as journal:
        held = begin(journal)
        writing = sqlite3.connect(path, isolation_level=None)
        journal._db.execute("PRAGMA busy_timeout=10")
        writing.execute("BEGIN IMMEDIATE")

        assert journal.acquire_lease(RUN_ID) is None
        writing.execute("ROLLBACK")
        writing.close()
        held.release()


def test_a_journal_that_was_removed_while_its_lease_was_waited_for_gives_none(path: Path) -> None:
    """Whoever waits for a run has the file open already: by its name nobody would find what is written to it."""
    with open_to_write(path) as journal:
        begin(journal).release()
        for file in place.files_of(path):
            file.unlink(missing_ok=True)

        with pytest.raises(safe_reinit.UsageError, match="was removed while it was open"):
            journal.acquire_lease(RUN_ID)


def test_a_lease_that_was_let_go_lets_no_call_through(place: str) -> None:
    """A thread that is late, of a run that was left or has ended, does not call: somebody else may hold it by then."""
    with open_to_write(place) as journal:
        held = begin(journal)
        held.check()
        held.release()

        with pytest.raises(LeaseLostError):
            held.check()


def test_a_process_of_another_container_is_not_taken_for_gone(path: Path) -> None:
    """A container that bears its host's name does not see its host's processes: their lease holds until it expires."""
    with open_to_write(path) as journal:
        held = begin(journal)
        journal._db.execute("UPDATE leases SET pid_namespace='pid:[1]', pid=?", (2**22 + 1,))
        while_it_holds = journal.acquire_lease(RUN_ID)
        journal._db.execute("UPDATE leases SET until=1.0")
        once_expired = journal.acquire_lease(RUN_ID)
        assert once_expired is not None
        once_expired.release()
        held.release()

    assert while_it_holds is None


@pytest.mark.parametrize(
    ("answer", "dead"), [(ProcessLookupError, True), (PermissionError, False), (OSError, False), (None, False)]
)
def test_only_no_such_process_is_dead(
    monkeypatch: pytest.MonkeyPatch, answer: type[OSError] | None, dead: bool
) -> None:
    """A process that may not be signalled is alive, whatever the process table shows of it."""

    def kill(_pid: int, _signal: int) -> None:
        if answer is not None:
            raise answer

    monkeypatch.setattr(os, "kill", kill)

    assert place.is_dead(4711) is dead


# ------------------------------------------------------------------------------------------------- in two processes


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Simulate one machine with two disks, on the time of the test."""
    with virtual.simulate(WORLD) as started:
        yield started


def acts(simulator: Simulator) -> list[tuple[str, str]]:
    """Return the changing calls that came over the API, by what each answered."""
    names = ("StopInstance", "ReInitDisk", "StartInstance")
    return [
        (one["action"], one["code"])
        for one in simulator.state()["calls"]
        if one["action"] in names and not one["dry_run"] and one["source"] == "api"
    ]


def is_stopping(simulator: Simulator) -> bool:
    """Return whether the machine is on its way down."""
    return bool(simulator.state()["instances"]["i-1"]["status"] == "Stopping")


def wiping(disk_id: str) -> tuple[str, ...]:
    """Return the command that wipes a disk."""
    return ("--disk", disk_id, "--confirm", disk_id, "--stop-instance")


@pytest.mark.virtual_time
@pytest.mark.parametrize("disks", [("d-1", "d-1"), ("d-1", "d-2")], ids=["one disk", "two disks"])
def test_two_processes_on_one_instance(
    simulator: Simulator, path: Path, tmp_path: Path, disks: tuple[str, str]
) -> None:
    """Of two runs begun at once on one instance one does its work; the other is refused and sends nothing."""
    run = command(simulator.url, tmp_path)
    children = [run.start(*wiping(disk), journal=path) for disk in disks]

    assert sorted(child.wait() for child in children) == [0, 3]
    assert sum(len(disk["wipes"]) for disk in simulator.state()["disks"].values()) == 1
    assert acts(simulator) == DONE_ONCE


@pytest.mark.virtual_time
def test_two_processes_resume_one_run(simulator: Simulator, path: Path, tmp_path: Path) -> None:
    """Of two that resume a run at the same moment one goes on with it; the other waits, and finds it ended."""
    run = command(simulator.url, tmp_path)
    child = run.start(*wiping("d-1"), journal=path)
    until(lambda: is_stopping(simulator))
    child.kill()
    with open_to_write(path) as journal:
        name = journal.runs()[0].run_id
    children = [run.start("resume", name, journal=path) for _ in range(2)]

    assert sorted(each.wait() for each in children) == [0, 3]
    assert acts(simulator) == DONE_ONCE


def test_a_holder_that_was_paused_past_its_lease() -> None:
    """A holder whose run was ended by another sends nothing more, says so, and reports what that one has found."""
    file = Path(__file__).parents[1] / "simulation" / "scenarios" / "lease.json"
    result = simulate(json.loads(file.read_text("utf-8"))["scenario"])
    first, second = result.reports
    text = str(first["error"])
    acted = [line for line in result.trace if re.search("(Stop|Start)Instance i|ReInitDisk", line)]

    assert not result.violations
    assert (second["outcome"], first["jobs"][0]["disks"][0]["data"]) == ("done", "reinitialised")
    assert "Another process has taken run" in text
    assert "ended it: done" in text
    assert len(acted) == len(DONE_ONCE)


@pytest.mark.virtual_time
def test_a_holder_that_lost_its_lease_before_its_first_call_ends(simulator: Simulator, place: str) -> None:
    """A run whose lease is lost before its first changing call ends by itself instead of looking for ever."""
    simulator.do({"snapshot": "d-1", "seconds": 9000})
    ours = safe_reinit.connect(
        region="cn-hangzhou", endpoint=simulator.url, credentials=simulator.access_key, journal=str(place)
    )
    plan = ours.plan(["d-1"], stop_instance=True)
    stop = Interrupt()
    reads: list[str] = []

    def watch(call: Any) -> None:
        reads.append(call.action)
        if len(reads) == 40:
            with open_to_write(place) as journal:
                journal._db.execute("UPDATE leases SET epoch=epoch+1")
        if len(reads) == 1200:
            stop.leave()

    with pytest.raises(safe_reinit.Error) as caught:
        ours.run(plan, confirm=plan.confirm_with, on_call=watch, stop=stop)

    assert acts(simulator) == []
    assert not stop.asked, "it went on looking for ever"
    assert "Another process holds run" in str(caught.value)
