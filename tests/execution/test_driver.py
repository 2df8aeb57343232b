"""The driver: whole runs on a cloud in memory, what nobody foresaw in a leaf, and the threads of a run."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from safe_reinit.clock import boottime
from safe_reinit.core import state
from safe_reinit.execution import driver as driving
from safe_reinit.execution.driver import Driver
from safe_reinit.journal import JournalError, LeaseLostError, open_to_write
from safe_reinit.model import Event, JobState, Limits, Rollout
from safe_reinit.model.codec import decode, encode
from safe_reinit.plans.plan import plan_to_json
from safe_reinit.testing import VirtualClock
from tests import values
from tests.cloudlike import TinyClock
from tests.execution.worlds import World, many, one

SHORT = Limits(stop=30.0, reinit=40.0, start=60.0)
WAIT_LIMIT = 60.0
"""Real seconds that a condition is waited for at most: it is no bound of what is tested."""


class Inline(Executor):
    """Makes each call where it is asked for, so that a run is one thread."""

    def __init__(self, *_: Any) -> None:
        self.ended = False

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Implement ``Executor``."""
        future: Future[Any] = Future()
        future.set_result(function(*args, **kwargs))
        return future


def obey(world: World, meanwhile: Callable[[str], object] = lambda _: None) -> None:
    """Let the machines of a cloud obey, and let something else happen at each question or call."""
    machines, asked = world.cloud.machines, world.cloud.asked

    def happen(name: str) -> None:
        if name in ("StopInstance", "StopInstances", "StartInstance", "StartInstances"):
            status, start = ("Stopped", None) if "Stop" in name else ("Running", values.NOW)
            for each in next(ids for called, ids in reversed(asked) if called == name):
                shown = machines[each]
                machines[each] = replace(shown, status=status, start_time=start or shown.start_time)
        meanwhile(name)

    world.cloud.meanwhile = happen


class Heard:
    """A run of a world, and what was told of it."""

    def __init__(self, world: World, lease: Any, **more: Any) -> None:
        self.events: list[Event] = []
        self.messages: list[str] = []
        words: dict[str, Any] = {"on_event": self.events.append, "notify": self.messages.append, **more}
        states = words.pop("states", world.states)
        self.driver = Driver(world.cloud, world.clock, world.plan, world.run_id, lease=lease, states=states, **words)

    @property
    def outcomes(self) -> list[str]:
        """What the jobs came to."""
        return [state.outcome(each) for each in self.driver.run.states]

    @property
    def first(self) -> JobState:
        """The state of the first job."""
        return self.driver.run.states[0]


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run be one thread."""
    monkeypatch.setattr(driving, "DaemonExecutor", Inline)


def carried(world: World, limits: Limits | None = None, **more: Any) -> Heard:
    """Carry the plan of a world out to its end, in one thread."""
    world.states = [replace(each, limits=limits or Limits()) for each in world.states]
    heard = Heard(world, world.book, **more)
    heard.driver()
    return heard


def once(name: str, act: Callable[[], object], when: Callable[[], bool] = lambda: True) -> Callable[[str], None]:
    """Return what acts at the first question or call of this name."""
    done: list[str] = []

    def happen(asked: str) -> None:
        if asked == name and not done and when():
            done.append(asked)
            act()

    return happen


def broken() -> None:
    """Raise what nobody foresees."""
    raise ZeroDivisionError


# ------------------------------------------------------------------------------------------------------- whole runs


@pytest.mark.usefixtures("inline")
def test_a_run_on_a_cloud_in_memory_ends() -> None:
    """Stop, wipe, settle and start come to ``done`` with one call each."""
    world = one("Running")
    obey(world)
    heard = carried(world)

    assert world.cloud.acts == ["StopInstance", "ReInitDisk", "StartInstance"]
    assert heard.outcomes == ["done"]
    assert heard.first.disks[0].evidence == "settled"
    assert [each.event for each in heard.events].count("done") == 1
    assert world.book.saved[-1] == {0: heard.first}, "the journal has what is in memory"


@pytest.mark.usefixtures("inline")
def test_each_intention_is_in_the_journal_before_its_call() -> None:
    """At the moment of each call the journal has it as asked for."""
    world = one("Running")
    seen: dict[str, str] = {}

    def reading(name: str) -> None:
        if name in ("StopInstance", "ReInitDisk", "StartInstance"):
            known: JobState = world.book.saved[-1][0]
            states = {"StopInstance": known.stop.state, "ReInitDisk": known.disks[0].state}
            seen[name] = states.get(name, known.start.state)

    obey(world, reading)
    carried(world)

    assert seen == {"StopInstance": "asked", "ReInitDisk": "asked", "StartInstance": "asked"}


@pytest.mark.usefixtures("inline")
def test_many_machines_are_stopped_and_started_together() -> None:
    """A fleet comes to its end by calls for many, and a wipe each."""
    world = many(12)
    obey(world)
    world.plan = replace(world.plan, rollout=Rollout(canary=0))
    heard = carried(world)

    assert heard.outcomes == ["done"] * 12
    assert world.cloud.acts.count("ReInitDisk") == 12
    assert world.cloud.acts.count("StopInstances") == 1
    assert {each.status for each in world.cloud.machines.values()} == {"Running"}


# -------------------------------------------------------------------------------------------------- what nobody foresaw


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("name", ["describe_disks", "describe_instances"])
@pytest.mark.parametrize("after", ["StopInstance", "ReInitDisk"])
def test_a_bug_in_an_observation_leaves_no_machine_down(after: str, name: str) -> None:
    """An error that nobody foresaw, in one question of a run, still lets the machine come back."""
    world = one("Running")
    raised: list[str] = []

    def fail() -> None:
        raised.append(name)
        broken()

    obey(world, once(name, fail, lambda: after in world.cloud.acts))
    heard = carried(world)

    assert raised
    assert world.cloud.machines[values.INSTANCE_ID].status == "Running"
    assert heard.outcomes[0] in ("done", "failed")


@pytest.mark.usefixtures("inline")
def test_a_bug_in_a_recheck_brings_the_machine_back() -> None:
    """Nothing was sent on it, and the error has its class and not its text, which may hold secrets."""
    world = one("Running")
    obey(world, once("get_caller", broken, lambda: "StopInstance" in world.cloud.acts))
    heard = carried(world)

    assert world.cloud.acts == ["StopInstance", "StartInstance"]
    assert heard.first.error is not None
    assert heard.first.error.message == "An unexpected ZeroDivisionError ended the run."


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("action", ["StopInstance", "ReInitDisk", "StartInstance"])
def test_a_bug_in_a_call_is_reported_as_a_doubt_and_repeats_nothing(action: str) -> None:
    """An error that nobody foresaw inside a call counts as a lost answer: a wipe in doubt is not sent again."""
    world = one("Running")
    obey(world, once(action, broken))
    heard = carried(world, SHORT)

    assert world.cloud.acts.count("ReInitDisk") <= 1
    assert heard.outcomes == [{"StopInstance": "failed", "ReInitDisk": "unknown", "StartInstance": "done"}[action]]
    assert heard.first.error is not None
    assert "ZeroDivisionError" in heard.first.error.message


@pytest.mark.usefixtures("inline")
def test_a_bug_in_one_call_is_that_of_its_own_job() -> None:
    """Of a fleet the wipe that breaks is in doubt, and the others are made."""
    world = many(12)
    world.plan = replace(world.plan, rollout=Rollout(canary=0))
    obey(world, once("ReInitDisk", broken))
    heard = carried(world, SHORT)

    assert sorted(heard.outcomes) == ["done"] * 11 + ["unknown"]


@pytest.mark.usefixtures("inline")
def test_an_exception_in_a_listener_is_no_reason_to_leave_a_machine_down() -> None:
    """Whoever listens to events, or is told something, may fail as it likes."""
    world = one("Running")
    obey(world)
    world.book.meanwhile = once_written(world, 3)
    heard = carried(world, on_event=lambda _: broken(), notify=lambda _: broken())

    assert world.cloud.acts[-1] == "StartInstance"
    assert heard.outcomes == ["failed"]


def once_written(world: World, number: int) -> Callable[[], None]:
    """Let the journal fail for good at the commit of this number."""
    count = [0]

    def fail() -> None:
        count[0] += 1
        if count[0] >= number:
            world.book.failing = [JournalError("The disk is full.")]

    return fail


# ----------------------------------------------------------------------------------------------- journal and lease


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("number", range(1, 12))
def test_a_journal_that_fails_at_any_commit_leaves_no_machine_down(number: int) -> None:
    """Wherever the journal fails: no wipe is sent without its intention, it is said once, and the machine is back."""
    world = one("Running")
    obey(world)
    world.book.meanwhile = once_written(world, number)
    heard = carried(world, SHORT)
    wiped = any(known.disks[0].tries for each in world.book.saved for known in each.values())

    assert ("ReInitDisk" in world.cloud.acts) <= wiped
    assert world.cloud.machines[values.INSTANCE_ID].status == "Running"
    assert len(heard.messages) <= 1
    if len(world.book.waited) >= number and heard.outcomes != ["done"]:
        assert "Keep this output" in heard.messages[0]


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("name", ["describe_disks", "StopInstance", "ReInitDisk"])
def test_a_session_that_loses_its_run_calls_nothing_more(name: str) -> None:
    """Whoever has the run now goes on with it."""
    world = one("Running")
    acts: list[int] = []

    def lose() -> None:
        world.book.lost = True
        acts.append(len(world.cloud.acts))

    obey(world, once(name, lose))
    heard = Heard(world, world.book)
    with pytest.raises(LeaseLostError):
        heard.driver()

    assert len(world.cloud.acts) == acts[0]


@pytest.mark.usefixtures("inline")
def test_a_run_that_is_asked_to_end_during_a_commit_sends_nothing_behind_it() -> None:
    """What is being written down at that moment is intended, and taken back; the machine comes back."""
    world = one("Running")
    obey(world)
    heard = Heard(world, world.book)

    def ask() -> None:
        if "StopInstance" in world.cloud.acts and heard.first.stop.state == "done":
            heard.driver.stop.set()

    world.book.meanwhile = ask
    heard.driver()

    assert world.cloud.acts == ["StopInstance", "StartInstance"]
    assert heard.outcomes == ["failed"]
    assert heard.first.disks[0].tries == 0


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("number", range(1, 16))
def test_a_run_that_is_left_at_any_commit_has_its_end_written_down(number: int) -> None:
    """Whoever resumes it wipes nothing more: also where it was left between a commit and the step after it."""
    world = many(2)
    obey(world)
    heard = Heard(world, world.book)
    count = [0]

    def leave() -> None:
        count[0] += 1
        if count[0] == number:
            heard.driver.stop.set()
            heard.driver.leave.set()

    world.book.meanwhile = leave
    heard.driver()
    acts = list(world.cloud.acts)
    heard.driver.turn_back()
    written = {position: known for saved in world.book.saved for position, known in saved.items()}

    assert count[0] >= number, "there are as many commits"
    assert all(written[position].interrupted for position in heard.driver.run.unfinished)
    assert written == dict(enumerate(heard.driver.run.states))
    assert world.cloud.acts == acts, "nothing is called any more"


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("lost", [True, False])
def test_a_run_that_is_left_says_whether_another_session_has_it(lost: bool) -> None:
    """What this session knows of a run that another one has taken is no report of it."""
    world = one("Running")
    obey(world)
    heard = Heard(world, world.book)

    def leave() -> None:
        heard.driver.stop.set()
        heard.driver.leave.set()
        world.book.lost = lost

    world.cloud.meanwhile = once("describe_disks", leave)
    heard.driver()

    assert heard.driver.turn_back() == (not lost)


@pytest.mark.usefixtures("inline")
def test_a_run_that_is_left_without_a_wish_to_end_is_left_as_it_is() -> None:
    """Without that wish whoever resumes it goes on."""
    world = one("Running")
    obey(world)
    heard = Heard(world, world.book)
    world.cloud.meanwhile = once("describe_disks", heard.driver.leave.set)
    heard.driver()
    heard.driver.turn_back()

    assert not heard.first.turned_back
    assert heard.driver.run.unfinished == [0]


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("agreed", [True, False])
def test_who_is_asked_between_two_stages_decides(agreed: bool) -> None:
    """After the canary somebody is asked, and the answer is what happens."""
    world = many(3)
    obey(world)
    world.plan = replace(world.plan, rollout=Rollout(canary=1, pause="canary"))
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return agreed

    heard = carried(world, ask=ask)

    assert asked == ["1 of 3 jobs have ended, 1 of them done."]
    assert heard.outcomes == (["done"] * 3 if agreed else ["done", "refused", "refused"])


class CountingClock(TinyClock):
    """A clock that counts what is under way."""

    busy_now = 0

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Implement ``Clock``."""
        self.busy_now += 1
        yield
        self.busy_now -= 1


@pytest.mark.usefixtures("inline")
def test_the_clock_knows_what_is_under_way_and_that_a_person_is_not() -> None:
    """The loop and each question or call count as work; while somebody is asked, only the loop does."""
    world = many(3)
    world.plan = replace(world.plan, rollout=Rollout(canary=1, pause="canary"))
    clock = world.clock = CountingClock()
    found: dict[str, set[int]] = {}

    def note(name: str) -> bool:
        found.setdefault(name, set()).add(clock.busy_now)
        return True

    obey(world, note)
    carried(world, ask=lambda _question: note("ask"))

    assert {"StopInstance", "ReInitDisk", "describe_disks", "get_caller", "ask"} <= set(found)
    assert found.pop("ask") == {1}
    assert set.union(*found.values()) == {2}
    assert clock.busy_now == 0


# ----------------------------------------------------------------------------------------------------------- threads


@pytest.fixture
def threads() -> Iterator[None]:
    """Check that none of the threads of a run is left behind."""
    before = set(threading.enumerate())
    yield
    until = boottime() + WAIT_LIMIT
    while left := [each.name for each in threading.enumerate() if each not in before]:  # what hung goes on first
        assert boottime() < until, f"{left} are left behind"
        threading.Event().wait(0.01)


@contextmanager
def journalled(world: World) -> Iterator[Any]:
    """Hold the run of a world in a journal in memory."""
    with open_to_write(None) as journal:
        jobs = [(each.instance_id, (), each) for each in world.states]
        lease = journal.begin(world.run_id, plan_to_json(world.plan), "", "", jobs)
        try:
            yield lease
            stored = journal.run(world.run_id)
            assert stored is not None
            world.states = [each.state for each in stored.jobs]
        finally:
            lease.release()


def patient(world: World) -> World:
    """Set in a world a clock that stands still while calls are under way, and leaps where a run only waits for time."""
    world.clock = VirtualClock(datetime.fromtimestamp(world.clock.time(), UTC))
    return world


@pytest.mark.usefixtures("threads")
def test_a_run_leaves_no_thread_behind_and_all_its_answers_in_the_journal() -> None:
    """A dozen machines, each with calls of its own at once: every answer is kept, and the threads end."""
    world = patient(many(12))
    world.plan = replace(world.plan, rollout=Rollout(canary=0))
    obey(world)
    with journalled(world) as lease:
        heard = Heard(world, lease)
        heard.driver()

    assert heard.outcomes == ["done"] * 12
    assert world.states == [decode(JobState, encode(each)) for each in heard.driver.run.states]
    assert world.cloud.acts.count("ReInitDisk") == 12


def pausing(world: World) -> World:
    """Let somebody be asked after the canary."""
    world.plan = replace(world.plan, rollout=Rollout(canary=1, pause="canary"))
    obey(world)
    return world


@pytest.mark.usefixtures("threads")
def test_a_run_goes_on_while_somebody_is_asked() -> None:
    """The lease is checked and machines are watched for as long as a person needs."""
    world = pausing(patient(many(3)))
    checks = [0]
    asked: list[str] = []
    check = world.book.check

    def counted() -> bool:
        checks[0] += 1
        return check()

    def ask(question: str) -> bool:
        asked.append(question)
        before, until = checks[0], boottime() + WAIT_LIMIT
        while checks[0] < before + 5 and boottime() < until:
            threading.Event().wait(0.01)
        return checks[0] >= before + 5

    world.book.check = counted  # type: ignore[method-assign]
    heard = Heard(world, world.book, ask=ask)
    heard.driver()

    assert heard.outcomes == ["done"] * 3
    assert asked == ["1 of 3 jobs have ended, 1 of them done."], "once"


@pytest.mark.usefixtures("threads")
def test_a_run_that_is_asked_to_end_waits_for_no_answer() -> None:
    """Who does not answer any more keeps nobody waiting."""
    world = pausing(patient(many(3)))
    released = threading.Event()

    def ask(_question: str) -> bool:
        heard.driver.stop.set()
        heard.driver.wake.set()
        return released.wait(WAIT_LIMIT)

    heard = Heard(world, world.book, ask=ask)
    heard.driver()
    released.set()

    assert heard.outcomes == ["done", "refused", "refused"]


@pytest.mark.usefixtures("threads")
def test_what_keeps_somebody_from_being_asked_ends_the_run_as_it_is() -> None:
    """A question that cannot be written was not answered, and the exception says why."""
    world = pausing(patient(many(3)))
    heard = Heard(world, world.book, ask=lambda _question: broken())

    with pytest.raises(ZeroDivisionError):
        heard.driver()
    assert heard.outcomes[0] == "done"
    assert world.cloud.acts.count("StopInstance") + world.cloud.acts.count("StopInstances") == 1


@pytest.mark.usefixtures("threads")
def test_a_question_that_fails_while_the_run_renews_its_lease_ends_the_run_as_it_is() -> None:
    """At whatever moment it fails, its exception comes out, and is not taken for an answer."""
    world = pausing(patient(many(3)))
    check, asked, go_on = world.book.check, threading.Event(), threading.Event()

    def ask(_question: str) -> bool:
        asked.set()
        go_on.wait(WAIT_LIMIT)
        raise ZeroDivisionError

    def held() -> bool:
        if asked.is_set():
            go_on.set()
            until = boottime() + WAIT_LIMIT
            while heard.driver._ask_failed is None and boottime() < until:
                threading.Event().wait(0.001)
        return check()

    world.book.check = held  # type: ignore[method-assign]
    heard = Heard(world, world.book, ask=ask)

    with pytest.raises(ZeroDivisionError):
        heard.driver()
    assert heard.outcomes[0] == "done"


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("name", ["describe_disks", "get_caller", "StopInstance"])
def test_a_leaf_that_hangs_keeps_nobody_waiting_who_leaves(name: str) -> None:
    """An observation, a recheck or a call that never comes back does not hold the driver."""
    world = patient(one("Running"))
    hangs, goes_on = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        goes_on.wait(WAIT_LIMIT)

    obey(world, once(name, hang))
    heard = Heard(world, world.book)
    running = threading.Thread(target=heard.driver, daemon=True)
    running.start()
    assert hangs.wait(WAIT_LIMIT)
    heard.driver.stop.set()
    heard.driver.leave.set()
    heard.driver.wake.set()
    running.join(WAIT_LIMIT)
    ended = not running.is_alive()
    heard.driver.turn_back()
    written = world.book.saved[-1][0]
    goes_on.set()

    assert ended
    assert written.interrupted


@pytest.mark.usefixtures("threads")
def test_a_wipe_that_hangs_keeps_no_other_machine_down() -> None:
    """The other machine of a run is wiped and started while the call of the first one hangs."""
    world = many(2)
    world.plan = replace(world.plan, rollout=Rollout(canary=0))
    goes_on = threading.Event()
    hung: list[str] = []

    def hang(disk_id: str, *_: Any, **__: Any) -> Any:
        if disk_id == "d-0":
            hung.append(disk_id)
            world.clock.wait(goes_on, math.inf)  # time goes on for the others
        return reinit(disk_id, *_, **__)

    patient(world)
    reinit = world.cloud.reinit_disk
    world.cloud.reinit_disk = hang

    def started(name: str) -> None:
        if name == "StartInstance":
            goes_on.set()

    obey(world, started)
    heard = Heard(world, world.book)
    heard.driver()

    assert hung
    assert world.cloud.asked.index(("StartInstance", ("i-1",))) < world.cloud.asked.index(("ReInitDisk", ("d-0",)))
    assert heard.first.disks[0].tries == 1


@pytest.mark.parametrize("name", ["safe-reinit-observe", "safe-reinit-recheck", "safe-reinit-call"])
def test_where_no_thread_is_to_be_had_nothing_is_lost(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A leaf without a thread is one that failed: an observation is made again, and a call is in doubt."""
    world = one("Running")
    obey(world)
    refused: list[str] = []

    class Refusing(Inline):
        def __init__(self, most: int, called: str) -> None:
            super().__init__()
            self.refuses = called == name
            del most

        def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            if self.refuses and not refused:
                refused.append(name)
                raise RuntimeError("can't start new thread")
            return super().submit(function, *args, **kwargs)

    monkeypatch.setattr(driving, "DaemonExecutor", Refusing)
    heard = carried(world, SHORT)

    assert refused
    assert world.cloud.machines[values.INSTANCE_ID].status == "Running"
    assert heard.outcomes == ["failed" if name == "safe-reinit-call" else "done"]
    if name == "safe-reinit-call":
        assert heard.first.error is not None
        assert "RuntimeError" in heard.first.error.message
