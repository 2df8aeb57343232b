"""Whole runs over many machines: all go well, one is in trouble, many are throttled, and somebody ends it."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.client import Interrupt
from safe_reinit.clock import Clock
from safe_reinit.core import rate_limits
from safe_reinit.errors import Error
from safe_reinit.journal import Journal, JournalError
from safe_reinit.model import Event
from safe_reinit.simulator import Simulator
from tests import cloudlike, fleetruns
from tests.cloudlike import Run, accepted, answered, dying, intended, once
from tests.fleetruns import Fleet, disk, everything, fleet, instance, run_fleet, simulated

pytestmark = pytest.mark.virtual_time

FLEET_SIZE = 12
"""More than what is looked at one by one, and more than ten: a fleet, with a canary unless it is asked for none."""


def fault(action: str, subject: str, **what: Any) -> dict[str, Any]:
    """Make a fault of a changing call."""
    return {"action": action, "subject": subject, "dry_run": False, **what}


TROUBLED_SPEED = 5
"""Hurried so little that no look is old before its call: another one takes the place of such a look, and shows more."""
OTHERS = [number for number in range(FLEET_SIZE) if number != TROUBLED_SPEED]
T_DISK, T_INSTANCE = disk(TROUBLED_SPEED), instance(TROUBLED_SPEED)


def ended(event: Event) -> bool:
    """Return whether an event is the end of a job."""
    return event.event == "done"


# --------------------------------------------------------------------------------------------------- all go well


@cache
def all_well(count: int) -> Fleet:
    """Make a run over so many machines that nothing befalls, for all tests that only read what it came to."""
    with simulated(fleet(count)) as sim:
        return run_fleet(sim, everything(count))


@pytest.mark.parametrize("count", [FLEET_SIZE, 40])
def test_every_machine_is_was_once_and_comes_back(count: int) -> None:
    """Each disk is wiped once, each machine stopped and started once, by few calls for many."""
    done = all_well(count)

    assert done.outcomes == {"done": list(range(count))}
    assert done.report.exit_code == 0
    for number in range(count):
        assert Counter(done.calls(number)) == {"StopInstance": 1, "ReInitDisk": 1, "StartInstance": 1}
    assert len(done.sent("StopInstances")) + len(done.sent("StopInstance")) <= 3
    assert len(done.sent("ReInitDisk")) == count


def test_two_disks_of_each_machine_share_one_stop_and_one_start() -> None:
    """However many disks a machine has, it goes down once and comes back once, when all of them are wiped."""
    letters = ("a", "b")
    with simulated(fleet(FLEET_SIZE, letters=letters)) as sim:
        done = run_fleet(sim, everything(FLEET_SIZE, letters))

    assert done.outcomes == {"done": list(range(FLEET_SIZE))}
    for number in range(FLEET_SIZE):
        assert done.calls(number) == ["StopInstance", "ReInitDisk", "ReInitDisk", "StartInstance"]


def test_each_disk_of_a_fleet_has_its_safety_snapshot() -> None:
    """With snapshot and lock tag each disk is copied once before its wipe; one whose copy fails is not wiped."""
    fails = fault("CreateSnapshot", T_DISK, error={"code": "QuotaExceed.Snapshot", "status": 403})
    with simulated(fleet(FLEET_SIZE), fails) as sim:
        using = cloudlike.client(sim, having={"lock_tag": True})
        done = run_fleet(
            sim, everything(FLEET_SIZE), using=using, options={"snapshot": True}, limits={"snapshot": 90.0}
        )

    assert done.outcomes == {"done": OTHERS, "failed": [TROUBLED_SPEED]}
    for n in OTHERS:
        made = [call for call in done.sent("CreateSnapshot") if call["subject"] == [disk(n)] and not call["code"]]
        assert len(made) == 1
        assert done.jobs[n].disks[0].safety_snapshot in done.state["snapshots"]
    tags = Counter(
        call["action"]
        for call in done.state["calls"]
        if call["action"].endswith("tagResources") or call["action"] == "TagResources"
    )
    assert tags == {"TagResources": FLEET_SIZE, "UntagResources": FLEET_SIZE}


def test_the_reads_of_a_fleet_are_shared() -> None:
    """Ten times the machines take nowhere near ten times the looks."""
    counts = {}
    for count in (4, 40):
        done = all_well(count)
        assert done.outcomes == {"done": list(range(count))}
        counts[count] = sum(call["action"].startswith("Describe") for call in done.state["calls"])

    assert counts[40] < 5 * counts[4], counts


# ---------------------------------------------------------------------------- one in trouble, and nobody else's harm


def after(action: str, **request: Any) -> Callable[[Simulator], Callable[[Event], None]]:
    """Let somebody do something at the console once a call of this kind was accepted."""
    return lambda sim: once(accepted(action), lambda: sim.do(request))


class Trouble:
    """What one machine of a fleet is in, and what it comes to.

    Attributes:
        last: whether every other machine ends before it, since it takes its time.
    """

    def __init__(self, outcome: str, *, last: bool = False, **more: Any) -> None:
        self.outcome = outcome
        self.last = last
        self.world: dict[str, Any] = more.get("world", {})
        self.faults: list[dict[str, Any]] = more.get("faults", [])
        self.between: dict[str, Any] | None = more.get("between")
        self.meanwhile: Callable[[Simulator], Callable[[Event], None]] | None = more.get("meanwhile")
        self.limits: dict[str, float] = more.get("limits", {})


TROUBLES: dict[str, Trouble] = {
    "it refuses the stop in a batch": Trouble("failed", world={"disks": {disk(TROUBLED_SPEED, "x"): {"faulty": True}}}),
    "its guest never stops": Trouble(
        "stranded", last=True, world={"instances": {T_INSTANCE: {"ignores_stop": True}}},
        limits={"stop": 60.0, "start": 60.0},
    ),
    "its guest stops late": Trouble("done", last=True, world={"instances": {T_INSTANCE: {"stop_seconds": 120}}}),
    "it was locked since the plan": Trouble("refused", between={"lock": T_INSTANCE, "reason": "security"}),
    "it was deleted since the plan": Trouble("refused", between={"delete_instance": T_INSTANCE}),
    "its snapshot takes long": Trouble("done", last=True, between={"snapshot": T_DISK, "seconds": 200}),
    "its disk is detached meanwhile": Trouble("failed", meanwhile=after("StopInstance", detach=T_DISK)),
    "somebody starts it meanwhile": Trouble("failed", faults=[
        fault("ReInitDisk", T_DISK, error={"code": "IncorrectDiskStatus"}, nth="every", times=2)
    ], meanwhile=lambda sim: once(lambda event: answered("ReInitDisk")(event) and event.disk_id == T_DISK,
                                  lambda: sim.do({"start": T_INSTANCE}))),
    "its wipe is refused for good": Trouble("failed", faults=[
        fault("ReInitDisk", T_DISK, error={"code": "OperationDenied"})
    ]),
    "its wipe is refused for long": Trouble("done", last=True, faults=[
        fault("ReInitDisk", T_DISK, error={"code": "IncorrectDiskStatus"}, nth="every", times=5)
    ]),
    "the answer to its wipe is lost": Trouble("done", faults=[fault("ReInitDisk", T_DISK, drop_answer=True)]),
    "its wipe is lost": Trouble("done", last=True, faults=[fault("ReInitDisk", T_DISK, drop_request=True)]),
    "its wipe takes long": Trouble("done", last=True, world={"disks": {T_DISK: {"wipe_seconds": 120}}}),
    "its wipe never ends": Trouble(
        "unknown", last=True, world={"disks": {T_DISK: {"held": True}}}, limits={"reinit": 90.0}
    ),
    "there is no stock for its start": Trouble(
        "not-restarted", last=True, world={"instances": {T_INSTANCE: {"dedicated_host": "dh-1", "stock": "none"}}},
        limits={"start": 90.0},
    ),
    "it starts late": Trouble("done", last=True, world={"instances": {T_INSTANCE: {"start_seconds": 120}}}),
    "a whole call of stops is refused for it": Trouble("failed", faults=[
        fault("StopInstances", T_INSTANCE, nth="every", error={"code": "InvalidInstanceIds.NotFound", "status": 404}),
        fault("StopInstance", T_INSTANCE, nth="every", error={"code": "InvalidInstanceId.NotFound", "status": 404}),
    ]),
    "a whole call of stops is busy for it": Trouble("failed", faults=[
        fault("StopInstances", T_INSTANCE, nth="every", error={"code": "InvalidOperation.Conflict", "status": 409}),
        fault("StopInstance", T_INSTANCE, nth="every", error={"code": "InvalidOperation.Conflict", "status": 409}),
    ], limits={"stop": 90.0}),
    "a whole call of starts is refused for it": Trouble("not-restarted", faults=[
        fault("StartInstances", T_INSTANCE, nth="every", error={"code": "InsufficientBalance", "status": 403}),
        fault("StartInstance", T_INSTANCE, nth="every", error={"code": "InsufficientBalance", "status": 403}),
    ]),
    "a whole call of starts has no stock for it": Trouble("not-restarted", last=True, faults=[
        fault("StartInstances", T_INSTANCE, nth="every", error={"code": "OperationDenied.NoStock", "status": 403}),
        fault("StartInstance", T_INSTANCE, nth="every", error={"code": "OperationDenied.NoStock", "status": 403}),
    ], limits={"start": 120.0}),
}  # fmt: skip


@pytest.mark.parametrize("what", TROUBLES)
def test_one_machine_in_trouble_takes_nothing_from_the_others(what: str) -> None:
    """Whatever befalls one, each of the others is stopped, wiped and started once, and none waits for it."""
    trouble = TROUBLES[what]
    with simulated(fleet(FLEET_SIZE, **trouble.world), *trouble.faults) as sim:
        done = run_fleet(
            sim,
            everything(FLEET_SIZE),
            limits=trouble.limits,
            between=(lambda: sim.do(trouble.between)) if trouble.between else lambda: None,
            on_event=trouble.meanwhile(sim) if trouble.meanwhile else lambda _event: None,
        )

    assert done.jobs[TROUBLED_SPEED].outcome == trouble.outcome, done.jobs[TROUBLED_SPEED].error
    assert [done.jobs[number].outcome for number in OTHERS] == ["done"] * len(OTHERS)
    refused_as_a_whole = what.startswith("a whole call")
    for number in OTHERS:
        calls = Counter(done.calls(number))
        assert calls["ReInitDisk"] == 1
        assert {name for name, count in calls.items() if count > 1 and not refused_as_a_whole} == set()
    if trouble.last:
        assert done.order(ended)[-1] == TROUBLED_SPEED, "another one waited for it"


def test_a_call_that_hangs_keeps_no_other_from_being_made() -> None:
    """While the wipe of one disk hangs unanswered, every other one is sent, answered and seen to its end."""
    world = fleet(FLEET_SIZE)
    with simulated(world, fault("ReInitDisk", T_DISK, delay=45)) as sim:
        done = run_fleet(sim, everything(FLEET_SIZE))

    assert done.outcomes == {"done": list(range(FLEET_SIZE))}
    assert done.order(answered("ReInitDisk"))[-1] == TROUBLED_SPEED
    assert done.order(intended("StartInstance"))[-1] == TROUBLED_SPEED
    first_start = next(i for i, event in enumerate(done.run.events) if intended("StartInstance")(event))
    answer = next(i for i, event in enumerate(done.run.events)
                  if answered("ReInitDisk")(event) and event.disk_id == T_DISK)  # fmt: skip
    assert first_start < answer, "others were started while it still hung"


def test_a_wipe_that_hangs_and_is_lost_is_watched_all_the_time() -> None:
    """In a fleet too large to be looked at on every tick a hanging call is, so that the fence holds around it."""
    count = 26
    hangs = {"delay": 90, "drop_answer": True}
    with simulated(
        fleet(count),
        fault("ReInitDisk", T_DISK, **hangs),
    ) as sim:
        done = run_fleet(sim, everything(count), max_parallel=count)

    assert done.outcomes == {"done": list(range(count))}


def test_a_bug_in_one_call_is_that_jobs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw in the wipe of one disk leaves that one in doubt, and no other job turns back."""
    from safe_reinit.cloud.aliyun.calls import ChangingCalls

    reinit = ChangingCalls.reinit_disk

    def broken(self: Any, disk_id: str, *args: Any, **words: Any) -> Any:
        return reinit(self, disk_id, *args, **words) if disk_id != T_DISK else 1 / 0

    monkeypatch.setattr(ChangingCalls, "reinit_disk", broken)
    with simulated(fleet(FLEET_SIZE)) as sim:
        done = run_fleet(sim, everything(FLEET_SIZE), limits={"reinit": 60.0})

    assert done.outcomes == {"done": OTHERS, "unknown": [TROUBLED_SPEED]}
    assert done.report.exit_code == 5


def test_a_bug_in_judging_one_disk_is_that_jobs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw in the recheck of a batch ends the job it is about, once it was asked by itself."""
    from safe_reinit.execution import recheck

    drift_of = recheck.drift_of

    def broken(job: Any, *args: Any) -> Any:
        return drift_of(job, *args) if job.instance_id != T_INSTANCE else 1 / 0

    monkeypatch.setattr(recheck, "drift_of", broken)
    with simulated(fleet(FLEET_SIZE)) as sim:
        done = run_fleet(sim, everything(FLEET_SIZE))

    assert done.outcomes == {"done": OTHERS, "refused": [TROUBLED_SPEED]}
    assert "ZeroDivisionError" in str(done.jobs[TROUBLED_SPEED].error)


# -------------------------------------------------------------------------------------- answers that befall them all


@pytest.mark.parametrize("kind", ["drop_answer", "drop_request", "html"])
def test_a_lost_answer_for_many_is_settled_by_looking(kind: str) -> None:
    """Done or not, each machine is looked at, and what was not done is asked again; nothing is done twice."""
    what = {kind: 502 if kind == "html" else True}
    actions = ("StopInstances", "StartInstances")
    with simulated(fleet(FLEET_SIZE), *({"action": action, "dry_run": False, **what} for action in actions)) as sim:
        done = run_fleet(sim, everything(FLEET_SIZE))

    assert done.outcomes == {"done": list(range(FLEET_SIZE))}
    for action in actions:
        for number in range(FLEET_SIZE):
            most = 1 if kind == "drop_answer" else 2
            assert Counter(done.calls(number))[action.removesuffix("s")] <= most


@pytest.mark.parametrize(
    "action", ["StopInstances", "ReInitDisk", "StartInstances", "DescribeDisks", "DescribeSnapshots"]
)
def test_being_throttled_delays_and_harms_nobody(action: str) -> None:
    """A throttled API is left alone for its minute, and then the whole fleet goes on."""
    throttled = {"action": action, "dry_run": False, "nth": 2 if action == "ReInitDisk" else 1, "throttle": True}
    with simulated(fleet(FLEET_SIZE), throttled) as sim:
        done = run_fleet(sim, everything(FLEET_SIZE))

    assert done.outcomes == {"done": list(range(FLEET_SIZE))}
    for number in range(FLEET_SIZE):
        assert len(done.calls(number)) <= 4


def test_once_a_wipe_is_throttled_hardly_any_other_is_sent_in_that_minute() -> None:
    """The first throttled answer stops the others: only what was on its way on another thread is refused with it."""
    count = 40
    with simulated(fleet(count, rate_limits={"ReInitDisk": 10})) as sim:
        done = run_fleet(sim, everything(count))

    assert done.outcomes == {"done": list(range(count))}
    refused = [moment(call["at"]) for call in done.sent("ReInitDisk") if call["code"].startswith("Throttling")]
    soon = sum(at <= refused[0] + timedelta(seconds=20) for at in refused)
    assert soon <= 8 + 10, "the threads that call, and then a probe on each tick at most; thirty are ready"


def test_the_quota_is_kept_and_no_machine_waits_down_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a share of the documented limit nothing is ever throttled, and machines are stopped as slots come free."""
    monkeypatch.setitem(rate_limits.LIMITS, "ReInitDisk", 20)
    count = 36
    with simulated(fleet(count, rate_limits={"ReInitDisk": 20})) as sim:
        done = run_fleet(sim, everything(count), quota_share=0.8, max_parallel=count)

    assert done.outcomes == {"done": list(range(count))}
    assert {call["code"] for call in done.sent("ReInitDisk")} == {""}
    wiped = {call["subject"][0]: moment(call["at"]) for call in done.sent("ReInitDisk")}
    waits = [
        wiped[f"d{each[1:]}"] - moment(call["at"])
        for action in ("StopInstances", "StopInstance")
        for call in done.sent(action)
        for each in call["subject"]
    ]
    assert len(waits) == count
    late = [wait for wait in waits if wait > timedelta(seconds=40)]
    assert len(late) < count / 4, "32 seconds down without a wipe is a quarter of a minute's quota lost"
    for start in wiped.values():
        assert sum(start <= at < start + timedelta(seconds=60) for at in wiped.values()) <= 16 + 1, "whole seconds"


def moment(text: str) -> datetime:
    """Read a time of the simulator's record."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


# -------------------------------------------------------------------------------------------- canary, cap, threshold


def test_a_canary_that_fails_is_the_only_one_touched() -> None:
    """Of more than ten one goes first by default; where it does not end done nothing is called for any other."""
    with simulated(fleet(FLEET_SIZE), fault("ReInitDisk", disk(0), error={"code": "OperationDenied"})) as sim:
        done = run_fleet(sim, everything(FLEET_SIZE), canary=None)

    assert done.outcomes == {"failed": [0], "refused": list(range(1, FLEET_SIZE))}
    assert (done.report.outcome, done.report.exit_code) == ("partial", 7)
    assert all("Not begun: the canary" in str(done.jobs[number].error) for number in range(1, FLEET_SIZE))
    assert "OperationDenied" in str(done.report.error)


def test_a_canary_that_is_refused_leaves_everything_as_it_is() -> None:
    """A canary that may not even be stopped ends the run with 3: nothing was changed at all."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        done = run_fleet(sim, everything(FLEET_SIZE), canary=None, between=lambda: sim.do({"lock": instance(0)}))

    assert done.outcomes == {"refused": list(range(FLEET_SIZE))}
    assert (done.report.outcome, done.report.exit_code) == ("refused", 3)


def test_a_canary_goes_first_and_waves_follow() -> None:
    """Nobody of a wave is stopped before everybody of the one before has come to an end."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        done = run_fleet(sim, everything(FLEET_SIZE), canary=1, waves=((4, False), (50, True)))

    assert done.outcomes == {"done": list(range(FLEET_SIZE))}
    stopped, over = done.order(intended("StopInstance")), done.order(ended)
    for first, last in ((0, 1), (1, 5), (5, 11), (11, 12)):
        assert sorted(stopped[first:last]) == list(range(first, last))
        assert sorted(over[first:last]) == list(range(first, last))
    positions: dict[tuple[str, int], int] = {}
    for place, event in enumerate(done.run.events):
        if ended(event) or intended("StopInstance")(event):
            positions["end" if ended(event) else "stop", number(event)] = place
    assert positions["end", 0] < min(positions["stop", n] for n in range(1, 5))
    assert max(positions["end", n] for n in range(1, 5)) < min(positions["stop", n] for n in range(5, 11))


def number(event: Event) -> int:
    """Return which job an event is about."""
    return int(str(event.instance_id or event.disk_id)[2:4])


def test_no_more_than_so_many_are_down_at_once() -> None:
    """By the simulator's own account never more machines than that are not Running at the same time."""
    down: list[int] = []
    with simulated(fleet(FLEET_SIZE)) as sim:

        def count(event: Event) -> None:
            if event.event in ("answer", "done"):
                machines = sim.state()["instances"].values()
                down.append(sum(one["status"] != "Running" for one in machines))

        done = run_fleet(sim, everything(FLEET_SIZE), max_parallel=3, on_event=count)

    assert done.outcomes == {"done": list(range(FLEET_SIZE))}
    assert max(down) == 3


@pytest.mark.parametrize("parallel", [1, 4])
def test_no_new_job_starts_once_so_many_have_failed(parallel: int) -> None:
    """The threshold is exact: what is in flight ends and gets its power back, and nothing else is touched."""
    faults = [fault("ReInitDisk", disk(n), error={"code": "OperationDenied"}) for n in (1, 3)]
    with simulated(fleet(FLEET_SIZE), *faults) as sim:
        done = run_fleet(sim, everything(FLEET_SIZE), stop_after_failures=2, max_parallel=parallel)
    begun = done.order(intended("StopInstance"))
    second = [place for place, event in enumerate(done.run.events)
              if answered("ReInitDisk")(event) and number(event) in (1, 3)][1]  # fmt: skip
    later = [number(event) for event in done.run.events[second:] if accepted("StopInstance")(event)]

    assert done.outcomes["failed"] == [1, 3]
    assert done.outcomes["refused"] == [n for n in range(FLEET_SIZE) if n not in begun]
    assert done.outcomes["done"] == [n for n in begun if n not in (1, 3)]
    assert len(begun) <= 4 + parallel - 1
    assert len(later) <= parallel - 1, "only what was being called at that moment"
    assert done.report.exit_code == 7


class Jumping(Clock):
    """A clock whose local time can be set ahead."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        """Implement ``Clock``."""
        return super().now() + self.ahead


def test_no_new_stop_begins_after_the_deadline() -> None:
    """What is down then comes to its end; what waits for its turn, or for a snapshot, is not stopped any more."""
    clock = Jumping(1)
    with simulated(fleet(FLEET_SIZE)) as sim:

        def jump() -> None:
            clock.ahead = timedelta(hours=3)

        done = run_fleet(
            sim,
            everything(FLEET_SIZE),
            using=cloudlike.client(sim, clock=clock),
            between=lambda: sim.do({"snapshot": disk(2), "seconds": 60}),
            on_event=once(accepted("ReInitDisk"), jump),
            deadline=Clock(1).now() + timedelta(hours=2),
            max_parallel=4,
        )

    assert done.outcomes == {"done": [0, 1, 3], "refused": [2, *range(4, FLEET_SIZE)]}
    assert all("deadline" in str(done.jobs[n].error) for n in (2, *range(4, FLEET_SIZE)))


def test_a_deadline_that_has_passed_lets_nothing_begin() -> None:
    """Nothing was changed, and that is 3."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        done = run_fleet(sim, everything(FLEET_SIZE), deadline=Clock(1).now() - timedelta(seconds=1))

    assert done.outcomes == {"refused": list(range(FLEET_SIZE))}
    assert done.report.exit_code == 3


@pytest.mark.parametrize("goes_on", [True, False])
def test_after_the_canary_somebody_decides(goes_on: bool) -> None:
    """Asked once, with every machine up; a no leaves all the others untouched."""
    asked: list[str] = []
    with simulated(fleet(FLEET_SIZE)) as sim:

        def go_on(text: str) -> bool:
            asked.append(text)
            assert {one["status"] for one in sim.state()["instances"].values()} == {"Running"}
            return goes_on

        done = run_fleet(sim, everything(FLEET_SIZE), canary=1, pause="canary", go_on=go_on)

    assert asked == [f"1 of {FLEET_SIZE} jobs have ended, 1 of them done."]
    others = {"done": list(range(FLEET_SIZE))} if goes_on else {"done": [0], "refused": list(range(1, FLEET_SIZE))}
    assert done.outcomes == others


# ----------------------------------------------------------------------------------------------- somebody ends it


@pytest.mark.parametrize("moment_", ["stopping", "wiping", "starting"])
def test_asked_to_end_what_has_begun_comes_back_and_the_rest_is_untouched(moment_: str) -> None:
    """Ctrl-C in the middle: no wipe is sent any more, machines that are down come back, the rest was never touched."""
    at = {"stopping": "StopInstance", "wiping": "ReInitDisk", "starting": "StartInstance"}[moment_]
    interrupt = Interrupt()
    with simulated(fleet(FLEET_SIZE)) as sim:
        done = run_fleet(
            sim, everything(FLEET_SIZE), stop=interrupt, max_parallel=4, on_event=once(accepted(at), interrupt.ask)
        )
    begun = done.order(intended("StopInstance"))

    assert set(done.outcomes) <= {"done", "failed", "refused"}
    assert set(done.outcomes["refused"]) >= set(range(FLEET_SIZE)) - set(begun)
    assert {one["status"] for one in done.state["instances"].values()} == {"Running"}
    place = next(i for i, event in enumerate(done.run.events) if accepted(at)(event))
    wipes = [event for event in done.run.events[place:] if accepted("ReInitDisk")(event)]
    assert len(wipes) <= 8, "only what was being called at that moment"


def test_who_asks_the_run_to_end_is_heard_by_calls_that_are_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a batch of wipes that is written down, those that are not being sent yet are not sent."""
    from safe_reinit.cloud.aliyun.calls import ChangingCalls

    interrupt, reinit, sent = Interrupt(), ChangingCalls.reinit_disk, threading.Lock()

    def asked_first(self: Any, *args: Any, **words: Any) -> Any:
        with sent:
            interrupt.ask()
            return reinit(self, *args, **words)

    monkeypatch.setattr(ChangingCalls, "reinit_disk", asked_first)
    count = 30
    with simulated(fleet(count)) as sim:
        done = run_fleet(sim, everything(count), stop=interrupt)

    assert 1 <= len(done.sent("ReInitDisk")) <= 8
    assert len(done.outcomes["done"]) == len(done.sent("ReInitDisk"))
    assert len(done.outcomes["failed"]) == count - len(done.outcomes["done"])
    assert {one["status"] for one in done.state["instances"].values()} == {"Running"}


def test_without_a_journal_no_further_machine_is_wiped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Once nothing can be written down no job sends a wipe, whichever found it out, and every machine comes back."""
    write, gone = Journal.write, threading.Event()

    def writing(self: Journal, lease: Any, statements: Any, **how: Any) -> Any:
        if gone.is_set() and statements:
            raise JournalError("The disk is full.")
        return write(self, lease, statements, **how)

    monkeypatch.setattr(Journal, "write", writing)
    with simulated(fleet(FLEET_SIZE)) as sim:
        using = cloudlike.client(sim, journal=str(tmp_path / "j.db"))
        done = run_fleet(
            sim, everything(FLEET_SIZE), using=using, max_parallel=4, on_event=once(accepted("ReInitDisk"), gone.set)
        )
    place = next(i for i, event in enumerate(done.run.events) if accepted("ReInitDisk")(event))
    later = {number(event) for event in done.run.events[place:] if intended("ReInitDisk")(event)}

    assert later == set(), "an intention that is written down nowhere"
    assert {one["status"] for one in done.state["instances"].values()} == {"Running"}
    assert done.outcomes["refused"] == list(range(4, FLEET_SIZE))


# ---------------------------------------------------------------------------------------------- killed, and resumed


def kill_and_resume(sim: Simulator, path: Path, moment_: Callable[[Event], bool], **rollout: Any) -> tuple[Fleet, Any]:
    """Leave a run as if its process were gone, and resume it; gives what the second came to."""
    journal = str(path / "j.db")
    using = cloudlike.client(sim, journal=journal)
    plan = fleetruns.planned(using, everything(FLEET_SIZE), **rollout)
    events: list[Event] = []
    with dying(moment_) as note, contextlib.suppress(Error):  # it fails for whoever leaves it
        using.run(plan, confirm=plan.confirm_with, on_event=lambda event: (note(event), events.append(event)))
    before = sim.state()
    second: list[Event] = []
    try:
        report = cloudlike.client(sim, journal=journal).resume(str(events[0].run_id), on_event=second.append)
    except Error as raised:
        report = raised.report  # type: ignore[assignment]
    done = Fleet(Run(report, None, plan, second), sim.state())
    return done, before


@pytest.mark.parametrize("act", ["StopInstance", "ReInitDisk", "StartInstance"])
def test_a_run_that_is_killed_and_resumed_finishes_what_is_left(act: str, tmp_path: Path) -> None:
    """Jobs that were done are not repeated, those in flight are settled, those not begun begin; each is wiped once."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        done, before = kill_and_resume(sim, tmp_path, at_the(6, accepted(act)), max_parallel=4)
        done.check()

    assert done.outcomes == {"done": list(range(FLEET_SIZE))}, [job.error for job in done.jobs.values() if job.error]
    for name, one in done.state["disks"].items():
        assert len(one["wipes"]) == (not name.endswith("x"))
    over = [
        n
        for n in range(FLEET_SIZE)
        if before["disks"][disk(n)]["wipes"] and before["instances"][instance(n)]["starts"] == 2
    ]
    assert over or act != "StartInstance"
    calls_before = len(before["calls"])
    for n in over:
        again = {call["action"] for call in done.state["calls"][calls_before:] if instance(n) in call["subject"]
                 or disk(n) in call["subject"]}  # fmt: skip
        assert not again & {"StopInstance", "StopInstances", "ReInitDisk"}


def at_the(count: int, test: Callable[[Event], bool]) -> Callable[[Event], bool]:
    """Return whether an event is the so-manieth that a test is true of."""
    seen: list[Event] = []

    def result(event: Event) -> bool:
        if test(event):
            seen.append(event)
        return len(seen) >= count

    return result


def test_a_resumed_run_stands_on_its_canary_and_its_threshold(tmp_path: Path) -> None:
    """What failed before the kill counts after it: nobody new begins, and what was in flight comes back."""
    failing = fault("ReInitDisk", disk(1), error={"code": "OperationDenied"})
    with simulated(fleet(FLEET_SIZE), failing) as sim:
        second = at_the(2, ended)
        done, _ = kill_and_resume(sim, tmp_path, second, max_parallel=2, stop_after_failures=1)
        done.check()

    assert done.outcomes["failed"] == [1]
    assert done.outcomes["refused"] == [n for n in range(FLEET_SIZE) if n > 1 and n not in done.outcomes["done"]]
    assert len(done.outcomes["done"]) <= 3


def test_a_whole_fleet_resumed_asks_again_only_when_nothing_is_down(tmp_path: Path) -> None:
    """A question after a wave is put when the machines that were left down are back."""
    with simulated(fleet(FLEET_SIZE)) as sim:
        done, _ = kill_and_resume(sim, tmp_path, at_the(3, accepted("ReInitDisk")), waves=((4, False),), pause="wave")
        done.check()

    assert done.outcomes == {"done": list(range(FLEET_SIZE))}
