"""Leases: one holder at a time, in one process, in two, and in one that was stopped and goes on."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit.clock import Clock
from safe_reinit.execution.interrupt import Interrupt
from safe_reinit.journal import Journal, lease, place
from safe_reinit.journal.lease import Holder, Lease, LeaseLostError
from tests.commands import until
from tests.sweep import ACCEPTED, ROOT, Cloud
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
SHORT = 3.0
"""Real seconds of a lease here."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal."""
    return tmp_path / "j.db"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Start a simulator in a process of its own."""
    with Cloud(WORLD) as started:
        yield started


def begin(journal: Journal, name: str = RUN_ID) -> Lease:
    """Write a run down."""
    plan = {"plan_id": name, "account": "1", "region": "cn-hangzhou", "options": {"password": None}, "jobs": []}
    return journal.begin(name, plan, "", "", [("i-1", {})])


# ------------------------------------------------------------------------------------------------ in the journal


def test_a_lease_renews_itself(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """A holder that writes nothing keeps its run for longer than a lease, and nobody takes it over."""
    monkeypatch.setattr(lease, "LEASE", 0.6)
    monkeypatch.setattr(lease, "RENEWAL", 0.15)
    with Journal(path) as journal, Journal(path) as other:
        held = begin(journal)
        time.sleep(1.5)
        held.check()
        held.save((0, {"written": True}))
        taken = other.take(RUN_ID)
        held.release()

    assert taken is None


def test_a_lease_that_ran_out_is_renewed_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """A holder that did not run for longer than a lease keeps its run, but may not call on what it saw before."""
    with Journal(path) as journal:
        held = begin(journal)
        assert held.check()
        asleep = lease.boottime() + lease.LEASE + 1
        monkeypatch.setattr(lease, "boottime", lambda: asleep)

        assert not held.check()
        assert held.check()
        assert held.lapses == 1
        held.save((0, {"written": True}))
        assert journal.runs()[0].jobs[0][1] == {"written": True}
        held.release()


def test_the_same_epoch_under_another_id_is_lost(path: Path) -> None:
    """A journal that was restored may give an epoch away twice: the id of the session tells who has it."""
    with Journal(path) as journal:
        held = begin(journal)
        journal._db.execute("UPDATE leases SET session='another'")

        with pytest.raises(LeaseLostError):
            held.save((0, {"written": True}))
        with pytest.raises(LeaseLostError):
            held.check()
        assert journal.runs()[0].jobs[0][1] == {}
        held.release()


def test_a_stale_holder_writes_nothing(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Once another has taken the run over, the epoch of the first is refused: no record, no end, no release."""
    monkeypatch.setattr(Holder, "gone", property(lambda _: True))
    with Journal(path) as journal, Journal(path) as other:
        stale = begin(journal)
        fresh = other.take(RUN_ID)
        assert fresh is not None
        stale.tell({"event": "state"})
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
    assert kept.jobs == (("i-1", {}, True),)
    assert kept.outcome is None
    assert kept.holder is not None
    assert kept.holder.alive is False or kept.holder.session == fresh.session


def test_a_stale_holder_finds_out_by_itself(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """The thread that renews sees that the run was taken over, and from then on the check before a call fails."""
    monkeypatch.setattr(lease, "RENEWAL", 0.05)
    monkeypatch.setattr(Holder, "gone", property(lambda _: True))
    with Journal(path) as journal, Journal(path) as other:
        stale = begin(journal)
        stale.check()
        fresh = other.take(RUN_ID)
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
    """Give the holder of the only run."""
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
    with Journal(path) as journal:
        held = begin(journal)
        for column, value in change.items():
            journal._db.execute(f"UPDATE leases SET {column}=?", (value,))
        found = journal.take(RUN_ID)
        if found is not None:
            found.release()
        held.release()

    assert (found is not None) is taken


def test_a_run_is_seen_to_be_held_while_its_holder_writes(path: Path) -> None:
    """A holder that is stopped in the middle of writing is waited for as any other, and not told as a locked file."""
    with Journal(path) as journal:
        held = begin(journal)
        writing = sqlite3.connect(path, isolation_level=None)
        journal._db.execute("PRAGMA busy_timeout=10")
        writing.execute("BEGIN IMMEDIATE")

        assert journal.take(RUN_ID) is None
        writing.execute("ROLLBACK")
        writing.close()
        held.release()


def test_a_lease_that_was_let_go_lets_no_call_through(path: Path) -> None:
    """A thread that is late, of a run that was left or has ended, does not call: somebody else may hold it by then."""
    with Journal(path) as journal:
        held = begin(journal)
        held.check()
        held.release()

        with pytest.raises(LeaseLostError):
            held.check()


def test_a_process_of_another_container_is_not_taken_for_gone(path: Path) -> None:
    """A container that bears its host's name does not see its host's processes: their lease holds until it expires."""
    with Journal(path) as journal:
        held = begin(journal)
        journal._db.execute("UPDATE leases SET pid_namespace='pid:[1]', pid=?", (2**22 + 1,))
        while_it_holds = journal.take(RUN_ID)
        journal._db.execute("UPDATE leases SET until=1.0")
        once_expired = journal.take(RUN_ID)
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

CHILD = """
import json, os, sys, threading
import safe_reinit
from safe_reinit.clock import Clock
from safe_reinit.journal import lease
from tests.sweep import ACCEPTED, switch_off, told

job = json.loads(sys.argv[1])
lease.LEASE = job["lease"]
lease.RENEWAL = job["lease"] / 4
switch_off(job["off"])
client = safe_reinit.connect(region="cn-hangzhou", endpoint=job["url"], credentials=("testid", "testsecret"),
                             journal=job["journal"], clock=Clock(60))
def work(on_event):
    if "resume" in job:
        return client.resume(job["resume"])
    plan = client.plan(job["disks"], stop_instance=True, accept=ACCEPTED)
    print("planned", flush=True)
    sys.stdin.readline()
    return client.run(plan, confirm=plan.confirm_with)
print(json.dumps(told(work)), flush=True)
"""


def start(cloud: Cloud, path: Path, **job: Any) -> subprocess.Popen[str]:
    """Start a process that runs or resumes, with a short lease."""
    words = {"url": cloud.url, "journal": str(path), "lease": 30.0, "off": [], **job}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAFE_", "ALIBABA_"))}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(CHILD), json.dumps(words)], text=True, cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**kept, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def go(*children: subprocess.Popen[str]) -> None:
    """Let children that have planned run, at the same moment."""
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "planned\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()


def ends(*children: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Wait for children and give what each tells."""
    told = []
    for child in children:
        out, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
        told.append(json.loads(out.strip().splitlines()[-1]))
    return told


def acts(state: dict[str, Any]) -> list[tuple[str, str]]:
    """Give the changing calls that were done, by what each answered."""
    names = ("StopInstance", "ReInitDisk", "StartInstance")
    calls = state["calls"]
    return [
        (one["action"], one["code"])
        for one in calls
        if one["action"] in names and not one["dry_run"] and one["source"] == "api"
    ]


def is_stopping(cloud: Cloud) -> bool:
    """Tell whether the machine is on its way down."""
    return bool(cloud.state()["instances"]["i-1"]["status"] == "Stopping")


@pytest.mark.parametrize("disks", [("d-1", "d-1"), ("d-1", "d-2")], ids=["one disk", "two disks"])
def test_two_processes_on_one_instance(cloud: Cloud, path: Path, disks: tuple[str, str]) -> None:
    """Of two runs begun at once on one instance one does its work; the other is refused and sends nothing."""
    children = [start(cloud, path, disks=[disk]) for disk in disks]
    go(*children)
    told = ends(*children)
    state = cloud.state()

    assert sorted(one["end"] for one in told) == ["refused", "reported"] or sorted(
        one.get("outcome", "") for one in told
    ) == ["done", "refused"]
    assert sum(len(disk["wipes"]) for disk in state["disks"].values()) == 1
    assert acts(state) == [("StopInstance", ""), ("ReInitDisk", ""), ("StartInstance", "")]


def test_two_processes_resume_one_run(cloud: Cloud, path: Path) -> None:
    """Of two that resume a run at the same moment one goes on with it; the other waits, and finds it ended."""
    child = start(cloud, path, disks=["d-1"])
    go(child)
    until(lambda: is_stopping(cloud))
    child.kill()
    child.communicate()
    with Journal(path) as journal:
        name = journal.runs()[0].run_id
    told = ends(*[start(cloud, path, resume=name) for _ in range(2)])
    state = cloud.state()

    assert sorted(one.get("outcome", one["end"]) for one in told) == ["done", "refused"]
    assert len(state["disks"]["d-1"]["wipes"]) == 1
    assert acts(state) == [("StopInstance", ""), ("ReInitDisk", ""), ("StartInstance", "")]


def paused(cloud: Cloud, path: Path, off: list[str], when: Callable[[], bool]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Stop a holder past its lease, resume its run elsewhere to the end, use the machine, then let it go on."""
    cloud.do(hold={"instance": "i-1"})
    child = start(cloud, path, disks=["d-1"], lease=SHORT, off=off)
    go(child)
    try:
        until(when)
        freeze(child, path)
        cloud.do(release={"instance": "i-1"})
        time.sleep(SHORT * 1.5)
        with Journal(path) as journal:
            name = journal.runs()[0].run_id
        (second,) = ends(start(cloud, path, resume=name, lease=SHORT))
        cloud.still("i-1", ["d-1"])
        cloud.do(write="d-1")
        cloud.do(stop="i-1")
    finally:
        child.send_signal(signal.SIGCONT)
    (first,) = ends(child)
    return first, second


def freeze(child: subprocess.Popen[str], path: Path) -> None:
    """Stop a process, but not in the middle of a commit, which would keep the whole journal locked."""
    while True:
        child.send_signal(signal.SIGSTOP)
        database = sqlite3.connect(path, timeout=0.1, isolation_level=None)
        try:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
        except sqlite3.OperationalError:
            child.send_signal(signal.SIGCONT)
            time.sleep(0.01)
        else:
            return
        finally:
            database.close()


def test_a_holder_that_was_stopped_past_its_lease(cloud: Cloud, path: Path) -> None:
    """A holder that wakes up after its run was ended by another sends nothing more; the record stays the other's."""
    first, second = paused(cloud, path, [], lambda: is_stopping(cloud))
    state = cloud.state()
    with Journal(path) as journal:
        (run,) = journal.runs()

    assert second["outcome"] == "done"
    assert acts(state) == [("StopInstance", ""), ("ReInitDisk", ""), ("StartInstance", "")]
    assert len(state["disks"]["d-1"]["wipes"]) == 1
    assert first["end"] == "reported"
    assert "Another process has taken run" in first["error"]
    assert "ended it: done" in first["error"]
    assert (run.outcome, run.open) == ("done", False)


def test_a_holder_that_lost_its_run_does_not_say_what_the_data_is(cloud: Cloud, path: Path) -> None:
    """What a holder does not know any more it does not say: the disk that another wiped meanwhile is not intact."""
    first, _ = paused(cloud, path, [], lambda: is_stopping(cloud))

    assert first["data"]["d-1"] not in ("intact", "untouched")


def test_without_the_lease_a_zombie_calls(cloud: Cloud, path: Path) -> None:
    """With the check of the lease and of its epoch off, the same holder goes on with calls: the guard is needed."""
    paused(cloud, path, ["lease", "drift"], lambda: is_stopping(cloud))
    done = acts(cloud.state())
    wipes = cloud.state()["disks"]["d-1"]["wipes"]

    assert len(done) > 3
    assert len(wipes) == 2
    assert wipes[1]["content_before"] not in ("precious", "initial")


def test_a_holder_that_lost_its_lease_before_its_first_call_ends(
    cloud: Cloud, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose lease is lost before its first changing call ends by itself instead of looking for ever."""
    monkeypatch.setattr("safe_reinit.journal.lease.RENEWAL", 0.5)
    cloud.do(snapshot="d-1", seconds=900)
    ours = safe_reinit.connect(
        region="cn-hangzhou", endpoint=cloud.url, credentials=("testid", "testsecret"), journal=str(path),
        clock=Clock(60),
    )  # fmt: skip
    plan = ours.plan(["d-1"], stop_instance=True, accept=ACCEPTED)
    stop = Interrupt()
    looks: list[str] = []

    def watch(call: Any) -> None:
        looks.append(call.action)
        if len(looks) == 40:
            with Journal(path) as journal:
                journal._db.execute("UPDATE leases SET epoch=epoch+1")
        if len(looks) == 1200:
            stop.leave()

    with pytest.raises(safe_reinit.Error) as caught:
        ours.run(plan, confirm=plan.confirm_with, on_call=watch, stop=stop)

    assert acts(cloud.state()) == []
    assert not stop.asked, "it went on looking for ever"
    assert "Another process holds run" in str(caught.value)
