"""Calls of many jobs at once: one look, one commit, and whatever befalls one of them is no other's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from safe_reinit.act import Act, Attempt
from safe_reinit.ledger import Entry, Ledger
from safe_reinit.second_look import Errand

from safe_reinit import record, second_look
from safe_reinit.cloud import Accepted, CloudError, NotSent, Refused, Unanswered
from safe_reinit.core.rate_limits import Pace
from safe_reinit.journal import JournalError, LeaseLostError
from safe_reinit.look import observe
from safe_reinit.model import Call, Command, Limits, Options, Plan, SafetySnapshot, Step
from safe_reinit.plan import make_plan
from tests import values
from tests.cloudlike import TinyClock, TinyCloud, errand
from tests.test_ledger import Book

OPTIONS = Options(stop_instance=True)
MANY = 12
"""So many jobs that the region is listed."""


class Batch:
    """A plan for many running machines, each with a disk and a fresh snapshot; ``status`` is what they are now."""

    def __init__(self, count: int = MANY, status: str = "Running", **more: Any) -> None:
        self.clock = TinyClock()
        self.numbers = range(count)
        source = values.a_snapshot(snapshot_id="s-origin", source_disk_id="d-origin")
        shots = {f"d-{n}": (values.a_snapshot(snapshot_id=f"s-{n}", source_disk_id=f"d-{n}"),) for n in self.numbers}
        disks = [
            values.a_disk(disk_id=f"d-{n}", instance_id=f"i-{n}", source_snapshot_id="s-origin") for n in self.numbers
        ]
        machines = [values.an_instance(instance_id=f"i-{n}", status="Running") for n in self.numbers]
        self.cloud = TinyCloud(disks, machines, **{"snapshots": {**shots, "d-origin": (source,)}, **more})
        in_force = (OPTIONS, values.guard(disks=count, max_disks=count))
        ids = [disk.disk_id for disk in disks]
        facts = observe(self.cloud, self.clock, values.REGION, ids, OPTIONS, settle=lambda _targets: in_force)
        self.plan: Plan = make_plan(facts, *in_force[:1], Limits(), None)
        assert self.plan.runnable
        self.cloud.machines = {each.instance_id: replace(each, status=status) for each in machines}
        self.book = Book()
        book: Any = self.book
        self.ledger = Ledger(book, threading.Event())
        self.pace = Pace(self.clock)
        self.told: list[tuple[str, Command, dict[str, object]]] = []
        self.entries = [self._entry(n, status) for n in self.numbers]
        self.cloud.asked.clear()

    def _entry(self, number: int, status: str) -> Entry:
        job = self.plan.jobs[number]
        known = record.begin(job, Limits(), leave_stopped=False)
        if status == "Stopped":
            known = replace(known, stop=Step("done", tries=1, first_at=900.0, at=900.0), instance_status="Stopped")
        return Entry(number, job, known)

    @property
    def act(self) -> Act:
        """The guarded call of the run."""
        told = lambda *said: self.told.append(said)  # noqa: E731
        return Act(self.cloud, self.clock, self.plan, "r-1", self.ledger, told, self.pace)

    def errands(self, action: Any) -> list[Errand]:
        """Give this call for each job."""
        disk = action in ("ReInitDisk", "CreateSnapshot")
        sends = [Command(action, f"{'d' if disk else 'i'}-{entry.position}") for entry in self.entries]
        made = [errand(self.cloud, self.clock, entry, send) for entry, send in zip(self.entries, sends, strict=True)]
        self.cloud.asked.clear()
        return made

    def prepare(self, action: Any) -> list[list[Attempt]]:
        """Prepare this call for each job."""
        return self.act.prepare(self.errands(action))

    def do(self, action: Any) -> int:
        """Prepare and make this call for each job, and count the calls."""
        return sum(self.act.make(attempts) for attempts in self.prepare(action))

    def asked(self, name: str) -> list[tuple[str, ...]]:
        """List what was looked at in this way."""
        return [ids for asked, ids in self.cloud.asked if asked == name]

    def answers(self) -> list[object]:
        """List the codes that were told."""
        return [data["code"] for event, _, data in self.told if event == "answer"]


# ------------------------------------------------------------------------------------------- one look, one commit


def test_a_batch_of_stops_is_one_look_one_commit_and_one_call() -> None:
    """However many jobs: the facts are read once, the intentions written down once, and ECS is called once."""
    batch = Batch()
    assert batch.do("StopInstance") == 1

    assert batch.cloud.acts == ["StopInstances"]
    assert batch.book.saved == [tuple(batch.numbers)] * 3, "what the look showed, the intentions, and the answers"
    assert [len(batch.asked(name)) for name in ("disks", "instances", "caller", "list_snapshots")] == [1, 1, 1, 1]
    assert batch.asked("snapshots_of") == batch.asked("disks_of") == batch.asked("may StopInstances") == []
    assert [entry.record.stop.state for entry in batch.entries] == ["accepted"] * MANY
    assert [event for event, _, _ in batch.told] == ["intend"] * MANY + ["answer"] * MANY


def test_wipes_are_one_look_and_one_commit_and_a_call_each() -> None:
    """ECS wipes one disk a call: each is handed over by itself, so that one that hangs holds up no other."""
    batch = Batch(status="Stopped")
    prepared = batch.prepare("ReInitDisk")

    assert [len(attempts) for attempts in prepared] == [1] * MANY
    assert batch.book.saved == [tuple(batch.numbers)] * 2, "what the look showed, and the intentions"
    assert len(batch.asked("disks")) == 1
    assert batch.cloud.acts == []
    assert [entry.record.disks[0].state for entry in batch.entries] == ["asked"] * MANY


def test_a_call_for_one_is_the_call_for_one() -> None:
    """A single stop is StopInstance, as it is in a run of one machine."""
    batch = Batch(1)
    batch.do("StopInstance")

    assert batch.cloud.acts == ["StopInstance"]


@pytest.mark.parametrize("action", ["StopInstance", "ReInitDisk"])
def test_a_journal_that_fails_at_the_intentions_stops_the_batch_before_any_call(action: str) -> None:
    """What cannot be written down is not sent, for none of them."""
    batch = Batch(status="Running" if action == "StopInstance" else "Stopped")

    def fill_up() -> None:
        if len(batch.book.saved) == 1:  # what the look showed could still be written down
            batch.book.failing = [JournalError("The disk is full.")]
            batch.book.meanwhile = lambda: None

    batch.book.meanwhile = fill_up

    with pytest.raises(JournalError):
        batch.prepare(action)

    assert batch.cloud.acts == []
    assert all(entry.record.turned_back for entry in batch.entries)


@pytest.mark.parametrize("action", ["StopInstance", "ReInitDisk"])
def test_a_journal_that_fails_at_the_look_leaves_nothing_to_send(action: str) -> None:
    """Where what the look showed cannot be written down, nothing is intended any more."""
    batch = Batch(status="Running" if action == "StopInstance" else "Stopped")
    batch.book.failing = [JournalError("The disk is full.")]

    assert batch.do(action) == 0
    assert batch.cloud.acts == []
    assert all(entry.record.turned_back for entry in batch.entries)


def test_a_holder_that_lost_the_run_makes_none_of_its_prepared_calls() -> None:
    """The lease is looked at before every single call, not once for a batch."""
    batch = Batch(status="Stopped")
    prepared = batch.prepare("ReInitDisk")
    batch.act.make(prepared[0])
    batch.book.lost = True

    for attempts in prepared[1:]:
        with pytest.raises(LeaseLostError):
            batch.act.make(attempts)
    assert batch.cloud.acts == ["ReInitDisk"]


# -------------------------------------------------------------------------------------- what nobody wants any more


@pytest.mark.parametrize("action", ["StopInstance", "ReInitDisk"])
def test_who_asks_the_run_to_end_is_heard_before_every_prepared_call(action: str) -> None:
    """An intention that was written down and not sent yet is taken back: the call was not made, and is no try."""
    batch = Batch(status="Running" if action == "StopInstance" else "Stopped")
    prepared = batch.prepare(action)
    batch.ledger.stop.set()

    assert not any(batch.act.make(attempts) for attempts in prepared)
    assert batch.cloud.acts == []
    assert batch.answers() == ["NotSent"] * MANY
    for entry in batch.entries:
        known = entry.record
        assert not record.outstanding(known)
        assert (known.disks[0].tries, known.disks[0].state) == (0, "todo")
        assert known.phases == ()
        if action == "StopInstance":
            assert not known.tried


def test_a_machine_is_started_whoever_asked_the_run_to_end() -> None:
    """A start that is prepared is sent: that is how the machines come back."""
    batch = Batch(status="Stopped")
    for entry in batch.entries:
        entry.record = record.interrupt(entry.record)
    batch.ledger.stop.set()

    assert batch.do("StartInstance") == 1
    assert batch.cloud.acts == ["StartInstances"]


def test_once_an_api_throttles_the_rest_of_the_batch_is_not_sent() -> None:
    """What was prepared before ECS throttled is taken back instead of being refused as well."""
    batch = Batch(status="Stopped")
    batch.cloud.failing["ReInitDisk"] = [Refused("Throttling.User", 400, "", "R", action="ReInitDisk", retry_after=90)]
    prepared = batch.prepare("ReInitDisk")

    def counted(name: str) -> None:
        if name == "ReInitDisk":
            batch.pace.saw(Call(values.NOW, name, ("d",), False, 400, "R", "Throttling.User"))

    batch.cloud.meanwhile = counted
    assert [batch.act.make(attempts) for attempts in prepared] == [True] + [False] * (MANY - 1)
    assert batch.cloud.acts == ["ReInitDisk"]
    assert batch.entries[1].record.disks[0].tries == 0

    batch.clock.at += 89.0
    assert batch.pace.closed("ReInitDisk"), "ECS asked for 90 seconds, and that is for every job"


def test_calls_that_come_too_late_are_withdrawn_and_count_as_no_try() -> None:
    """A prepared call whose look has grown old is not sent; what is tried later is tried for the first time."""
    batch = Batch(status="Stopped")
    prepared = batch.prepare("ReInitDisk")
    batch.clock.at += 3.1

    assert not batch.act.make(prepared[0])
    wipe = batch.entries[0].record.disks[0]
    assert (wipe.state, wipe.tries, wipe.fence) == ("todo", 0, None)
    assert batch.entries[0].record.stuck_since is not None
    assert batch.cloud.acts == []


def test_the_look_before_the_wipes_of_many_shows_their_safety_snapshots() -> None:
    """No wipe goes without its safety snapshot: it is looked for by name, and one that is gone holds its wipe alone."""
    batch = Batch(status="Stopped")
    for n, entry in enumerate(batch.entries):
        made = SafetySnapshot(f"d-{n}", "token", Step("done", tries=1, at=900.0), f"s-safe-{n}", "100%")
        entry.record = replace(entry.record, snapshots=(made,))
        shot = values.a_snapshot(snapshot_id=f"s-safe-{n}", source_disk_id=f"d-{n}")
        if n:
            batch.cloud.snapshots_by_disk[f"d-{n}"] = (shot,)

    assert [each[0].entry.position for each in batch.prepare("ReInitDisk")] == list(range(1, MANY))


def test_looks_that_keep_disagreeing_end_a_job() -> None:
    """Where the look before a call decides otherwise than the one on the tick, for too long, the machine comes back."""
    batch = Batch(1, status="Stopped")
    entry = batch.entries[0]
    made = SafetySnapshot("d-0", "token", Step("done", tries=1, at=900.0), "s-gone", "100%")
    entry.record = replace(entry.record, snapshots=(made,))
    assert batch.prepare("ReInitDisk") == []
    assert entry.record.error is None

    batch.clock.at += Limits().retry + 1.0
    assert batch.prepare("ReInitDisk") == []
    assert entry.record.turned_back
    assert batch.cloud.acts == []


def test_safety_snapshots_that_are_being_made_cost_no_look_a_disk() -> None:
    """While the snapshot of a disk is under way the region is listed, and no disk is asked for by itself."""
    batch = Batch(status="Stopped")
    for n, entry in enumerate(batch.entries):
        under_way = Step("accepted", tries=1, at=900.0)
        entry.record = replace(entry.record, snapshots=(SafetySnapshot(f"d-{n}", "token", under_way, f"s-safe-{n}"),))
        shot = values.a_snapshot(snapshot_id=f"s-safe-{n}", source_disk_id=f"d-{n}", status="progressing")
        batch.cloud.snapshots_by_disk[f"d-{n}"] = (shot,)

    assert batch.prepare("ReInitDisk") == []
    assert batch.asked("snapshots_of") == []


def test_a_wait_that_begins_with_a_disagreement_ends_no_job() -> None:
    """A machine that still runs is waited for: a snapshot that begins between two looks takes as long as it takes."""
    batch = Batch(1)
    shot = values.a_snapshot(snapshot_id="s-auto", source_disk_id="d-0", status="progressing")
    batch.cloud.snapshots_by_disk["d-0"] += (shot,)
    for _ in range(2):
        assert batch.prepare("StopInstance") == []
        batch.clock.at += Limits().retry + 1.0

    assert batch.entries[0].record.error is None


def test_a_start_that_was_withdrawn_stays_intended() -> None:
    """Once a start is intended no wipe is reachable, also where that start was not sent."""
    batch = Batch(1, status="Stopped")
    entry = batch.entries[0]
    entry.record = replace(entry.record, disks=(replace(entry.record.disks[0], state="done", tries=1),))
    prepared = batch.prepare("StartInstance")
    batch.pace.wait("StartInstance", 60)
    batch.act.make(prepared[0])

    assert (entry.record.start.state, entry.record.start.tries) == ("again", 1)


@pytest.mark.parametrize(("action", "status"), [("StopInstance", "Running"), ("ReInitDisk", "Stopped")])
@pytest.mark.parametrize("slow", ["disks", "withdrawn"])
def test_a_job_whose_call_is_never_in_time_turns_back(action: str, status: str, slow: str) -> None:
    """Where every look, or the commit after it, takes too long, no machine waits down for ever for its wipe."""
    batch = Batch(1, status=status)
    entry = batch.entries[0]
    if slow == "disks":
        batch.cloud.meanwhile = lambda name: setattr(batch.clock, "at", batch.clock.at + 16.0 * (name == "disks"))
    began = batch.clock.at
    while not entry.record.turned_back:
        for attempts in batch.prepare(action):
            batch.clock.at += 16.0
            batch.act.make(attempts)
        batch.clock.at += 2.0
        assert batch.clock.at < began + 400.0, "it waits for ever"

    assert batch.cloud.acts == []
    assert entry.record.error is not None
    assert ("ECS answers slowly: 16.0 s a call" if slow == "disks" else "too long") in entry.record.error.message


# ----------------------------------------------------------------------------------- one in trouble, and the others


def test_each_instance_has_the_answer_of_its_own() -> None:
    """Of a batch one is refused, one is busy, one is not told of; each of the others is stopped."""
    batch = Batch()
    batch.cloud.answers = {
        "i-1": Refused("InstanceLockedForSecurity", 403, "", "R", action="StopInstances"),
        "i-2": Refused("IncorrectInstanceStatus", 403, "", "R", action="StopInstances"),
        "i-3": None,
    }
    batch.do("StopInstance")
    states = {entry.position: entry.record.stop.state for entry in batch.entries}

    assert states == {**dict.fromkeys(batch.numbers, "accepted"), 1: "failed", 2: "again", 3: "lost"}
    assert [entry.position for entry in batch.entries if entry.record.turned_back] == [1]
    assert batch.answers().count("OK") == MANY - 3


@pytest.mark.parametrize(
    "code", ["InvalidInstanceIds.NotFound", "Forbidden.RAM", "Brand.New", "InvalidAccessKeyId.Inactive"]
)
def test_a_call_refused_as_a_whole_is_asked_for_each_alone(code: str) -> None:
    """Any of the others may be the reason, so nobody fails by it: each is asked by itself the next time."""
    batch = Batch()
    batch.cloud.failing["StopInstances"] = [Refused(code, 404, "", "R", action="StopInstances")]
    batch.do("StopInstance")

    assert all(entry.alone for entry in batch.entries)
    assert not any(entry.record.turned_back for entry in batch.entries)
    assert [(entry.record.stop.state, entry.record.stop.tries) for entry in batch.entries] == [("again", 1)] * MANY
    assert batch.answers() == [code] * MANY

    batch.clock.at += 5.0  # renewed credentials are waited for: 4 s at most before the second try
    one = errand(batch.cloud, batch.clock, batch.entries[4], Command("StopInstance", "i-4"))
    for attempts in batch.act.prepare([one]):
        batch.act.make(attempts)
    assert batch.cloud.acts == ["StopInstances", "StopInstance"]
    assert batch.entries[4].record.stop.state == "accepted"
    assert not batch.entries[4].alone, "its next calls are made with the others again"


@pytest.mark.parametrize(
    ("failed", "state"),
    [
        (Unanswered("StopInstances"), "lost"),
        (Refused("InternalError", 500, "", "R"), "lost"),
        (Refused("LimitedOperation.ServiceUnavailable", 503, "", "R"), "lost"),
        (Refused("Throttling", 400, "", "R"), "again"),
        (Refused("InvalidOperation.Conflict", 409, "", "R"), "again"),
        (NotSent("StopInstances", "no connection could be made"), "again"),
    ],
    ids=lambda each: getattr(each, "code", type(each).__name__) if isinstance(each, CloudError) else each,
)
def test_what_befalls_the_whole_call_befalls_each(failed: CloudError, state: str) -> None:
    """A lost or passing answer to the whole call is that for each; what is busy may be one, so each is asked alone."""
    batch = Batch()
    batch.cloud.failing["StopInstances"] = [failed]
    batch.do("StopInstance")

    assert [entry.record.stop.state for entry in batch.entries] == [state] * MANY
    assert not any(entry.record.turned_back for entry in batch.entries)
    busy = isinstance(failed, Refused) and failed.code == "InvalidOperation.Conflict"
    assert {entry.alone for entry in batch.entries} == {busy}


MOVED: dict[str, Callable[[Batch], object]] = {
    "detached": lambda batch: batch.cloud.shown.update(
        {"d-5": values.a_disk(disk_id="d-5", instance_id="", status="Available")}
    ),
    "not shown": lambda batch: batch.cloud.shown.pop("d-5"),
    "instance gone": lambda batch: batch.cloud.machines.pop("i-5"),
    "locked": lambda batch: batch.cloud.machines.update(
        {"i-5": values.an_instance(instance_id="i-5", status="Running", locks=("security",))}
    ),
    "snapshot of it deleted": lambda batch: batch.cloud.snapshots_by_disk.update({"d-5": ()}),
    "snapshot of it failed": lambda batch: batch.cloud.snapshots_by_disk.update(
        {"d-5": (values.a_snapshot(snapshot_id="s-5", source_disk_id="d-5", status="failed"),)}
    ),
    "snapshot of it grown old": lambda batch: batch.cloud.snapshots_by_disk.update(
        {"d-5": (values.a_snapshot(snapshot_id="s-5b", source_disk_id="d-5", creation_time=values.LONG_AGO),)}
    ),
}


@pytest.mark.parametrize("what", MOVED)
def test_what_moved_of_one_ends_that_one_alone(what: str) -> None:
    """Of a batch the one whose facts moved ends before the stop, as it does in a run of one; the others are stopped."""
    batch = Batch()
    MOVED[what](batch)
    batch.do("StopInstance")
    ended = [entry.position for entry in batch.entries if entry.record.turned_back or not entry.record.tried]

    assert ended == [5]
    assert [entry.record.stop.state for entry in batch.entries].count("accepted") == MANY - 1
    assert "i-5" not in batch.asked("StopInstances")[0]


def test_a_newer_snapshot_is_as_good_a_way_back() -> None:
    """The snapshot that the plan counted on is gone, and there is a newer one: the job goes on."""
    batch = Batch()
    newer = values.a_snapshot(snapshot_id="s-new", source_disk_id="d-5", creation_time=values.NOW - timedelta(hours=1))
    batch.cloud.snapshots_by_disk["d-5"] = (newer,)
    batch.do("StopInstance")

    assert batch.entries[5].record.stop.state == "accepted"
    assert batch.asked("snapshots_of") == [("d-5",)], "only where it is gone all are looked at"


def test_after_the_stop_snapshots_are_not_looked_at_one_by_one() -> None:
    """A job that has begun stands on its plan: before a wipe only what is being created matters."""
    batch = Batch(status="Stopped")
    batch.cloud.snapshots_by_disk["d-5"] = ()
    batch.prepare("ReInitDisk")

    assert batch.entries[5].record.disks[0].state == "asked"
    assert ("s-5",) not in batch.asked("snapshots")
    assert batch.asked("snapshots_of") == []


def test_a_snapshot_that_begins_before_the_stop_is_seen_by_a_slow_look_too() -> None:
    """Where reading the facts takes long, what can change is read again; a snapshot in progress is not forgotten."""
    batch = Batch()
    growing = values.a_snapshot(snapshot_id="s-grow", source_disk_id="d-5", status="progressing")
    batch.cloud.snapshots_by_disk["d-5"] = (*batch.cloud.snapshots_by_disk["d-5"], growing)
    slow = ["replica_pairs"]
    batch.cloud.meanwhile = lambda name: (
        setattr(batch.clock, "at", batch.clock.at + 5.0) if slow and name == slow[0] and slow.pop() else None
    )
    batch.do("StopInstance")

    assert not slow
    assert batch.entries[5].record.stop.state == "none"
    assert [entry.record.stop.state for entry in batch.entries].count("accepted") == MANY - 1


def test_a_region_full_of_snapshots_in_progress_is_asked_disk_by_disk() -> None:
    """A listing that was cut short proves nothing: then each disk is asked for its snapshots."""
    batch = Batch()
    growing = {
        f"d-x{n}": (values.a_snapshot(snapshot_id=f"s-x{n}", source_disk_id=f"d-x{n}", status="progressing"),)
        for n in range(5)
    }
    batch.cloud.snapshots_by_disk.update(growing)
    batch.cloud.listed = 3
    batch.do("StopInstance")

    assert len(batch.asked("snapshots_of")) == MANY
    assert [entry.record.stop.state for entry in batch.entries] == ["accepted"] * MANY


def test_a_last_batch_of_a_fleet_costs_no_look_for_each_disk() -> None:
    """The plan decides how looks are made, not how many jobs happen to be in a batch."""
    batch = Batch()
    for attempts in batch.act.prepare(batch.errands("StopInstance")[:2]):
        batch.act.make(attempts)

    assert batch.cloud.acts == ["StopInstances"]
    assert batch.asked("snapshots_of") == batch.asked("disks_of") == []


def test_an_error_of_ours_in_one_call_is_raised_for_that_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that breaks in a way nobody foresaw says so for its own job; the others are made."""
    batch = Batch(status="Stopped")
    prepared = batch.prepare("ReInitDisk")
    monkeypatch.setattr(batch.cloud, "reinit", lambda disk_id, *_, **__: 1 / 0 if disk_id == "d-0" else Accepted("R"))

    with pytest.raises(ZeroDivisionError):
        batch.act.make(prepared[0])
    assert all(batch.act.make(attempts) for attempts in prepared[1:])


def test_how_old_a_look_may_be_follows_how_long_it_took() -> None:
    """Its age counts from its answer, 3 cloud seconds and what it took are allowed, and 15 from the question at most.

    Hurried time never asks for less than a fifth of a real second.
    """
    clock, known = TinyClock(), Batch(1, "Stopped").entries[0].record

    def stale(asked: float, took: float = 0.0) -> bool:
        seen = replace(values.an_observation(clock.at - asked), answered_at=clock.at - asked + took)
        return second_look.is_stale(clock, seen, known)

    assert not stale(3.0)
    assert stale(3.1)
    assert not stale(7.0, took=2.0)
    assert stale(7.1, took=2.0)
    assert not stale(15.0, took=10.0)
    assert stale(15.1, took=10.0)
    clock.rate = 60.0
    assert not stale(11.9)
    assert stale(12.1)


@pytest.mark.parametrize(("lag", "most"), [(None, 15.0), (0.0, 20.0), (2.0, 18.0), (12.0, 8.0)])
def test_how_old_a_look_may_be_follows_how_far_describe_calls_lag(lag: float | None, most: float) -> None:
    """From its question to the call may pass 20 s, less the lag that was sampled, or 5 s before one was."""
    known = Batch(1, "Stopped").entries[0].record

    assert second_look.oldest(replace(known, lag=lag)) == most


@pytest.mark.parametrize(("action", "status"), [("StopInstance", "Running"), ("StartInstance", "Stopped")])
def test_a_call_for_many_says_what_kind_and_which_try_it_is(action: Any, status: str) -> None:
    """A call for many is forced only where that is what is sent, and is the try of the job that has tried most."""
    batch = Batch(3, status)
    for entry in batch.entries:
        disks = tuple(replace(each, state="done") for each in entry.record.disks)
        entry.record = replace(entry.record, disks=disks) if action == "StartInstance" else entry.record
    step = "start" if action == "StartInstance" else "stop"
    tried = Step("again", tries=4, first_at=999.0, at=999.0, due=1000.0, start_time=values.YESTERDAY)
    batch.entries[1].record = replace(batch.entries[1].record, **{step: tried})
    made: list[dict[str, Any]] = []
    name = "start_many" if action == "StartInstance" else "stop_many"
    real = getattr(batch.cloud, name)
    setattr(batch.cloud, name, lambda ids, **more: (made.append(more), real(ids, **more))[1])

    assert batch.do(action) == 1
    assert made == [{"attempt": 5} if action == "StartInstance" else {"force": False, "attempt": 5}]


def test_power_cuts_for_many_are_power_cuts() -> None:
    """Where a forced stop is decided for several, the one call for them is forced."""
    batch = Batch(3, "Stopping")
    for entry in batch.entries:
        limits = replace(entry.record.limits, force_stop_after=60.0)
        accepted = Step("accepted", tries=1, first_at=900.0, at=900.0)
        entry.record = replace(entry.record, stop=accepted, limits=limits)
    made: list[dict[str, Any]] = []
    real = batch.cloud.stop_many
    batch.cloud.stop_many = lambda ids, **more: (made.append(more), real(ids, **more))[1]  # type: ignore[method-assign]
    cuts = [
        errand(batch.cloud, batch.clock, entry, Command("StopInstance", f"i-{entry.position}", force=True))
        for entry in batch.entries
    ]
    for attempts in batch.act.prepare(cuts):
        batch.act.make(attempts)

    assert made == [{"force": True, "attempt": 1}]
    assert [entry.record.force.state for entry in batch.entries] == ["accepted"] * 3


def test_the_wait_that_ecs_asks_for_is_of_the_api_that_asked() -> None:
    """ECS throttles by API: StopInstances that is told to wait closes itself, and not the call for one."""
    throttled = Refused("Throttling", 400, "", "r", action="StopInstances", retry_after=30)
    batch = Batch(3, failing={"StopInstances": [throttled]})
    batch.do("StopInstance")

    assert batch.pace.closed("StopInstances")
    assert not batch.pace.closed("StopInstance")


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("closed", ["StopInstance", "StopInstances"])
def test_a_call_is_held_back_by_the_throttling_of_its_own_api(count: int, closed: str) -> None:
    """One that is throttled between its look and its sending is withdrawn, and only where it is that API's."""
    batch = Batch(count)
    (attempts,) = batch.prepare("StopInstance")
    batch.pace.wait(closed, 30.0)
    made = batch.act.make(attempts)

    assert made is (closed != ("StopInstance" if count == 1 else "StopInstances"))
    assert bool(batch.cloud.acts) is made
