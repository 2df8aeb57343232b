"""A whole run by its steps: inputs in, effects out."""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from safe_reinit import core
from safe_reinit.core import inputs, outcomes, rechecks, state
from safe_reinit.core.inputs import (
    AcceptedBefore,
    Answered,
    AttemptNotSent,
    AttemptRefused,
    AttemptUnanswered,
    AttemptWithheld,
    Broke,
    CancelRequested,
    Commit,
    Committed,
    Describe,
    Drifted,
    Emit,
    Exchanged,
    Fresh,
    JournalAway,
    JournalLost,
    LeaseLapsed,
    Notify,
    Observations,
    Recheck,
    Rechecked,
    RecheckFailed,
    SendAttempts,
    Unobserved,
    WaitUntil,
)
from safe_reinit.core.polling import TICK_INTERVAL
from safe_reinit.core.steps import outstanding
from safe_reinit.model import (
    Accepted,
    Command,
    Failure,
    JobState,
    Limits,
    Options,
    SafetySnapshot,
    Step,
    Wipe,
    error_codes,
)
from tests import values
from tests.core.runs import OK, RUN, RUN_BEGAN, Steps, a_disk, backed_up, kinds, whole_run

STOP: Final = "StopInstance"
WIPE: Final = "ReInitDisk"
START: Final = "StartInstance"
FULL = Failure(None, "The disk is full.", hint="Let it be written again.")
REMOVED = Failure(None, "It was removed.", hint="Find out what became of it.")
FLEET_SIZE = 12


def refused(code: str, status: int = 403, message: str = "", **more: Any) -> AttemptRefused:
    """Return a refusal."""
    return AttemptRefused(code, status, message, "r", **more)


def down(count: int = 1, **more: Any) -> Steps:
    """Return a run that has stopped its machines."""
    return Steps(count, down=True, **more)


def undoing(**more: Any) -> Steps:
    """Return an undo that has stopped its machine."""
    return Steps(down=True, options=Options(undo="r-0", restore=(("d-0", "s-restore"),)), **more)


# ------------------------------------------------------------------------------------------------ the order of a run


def test_a_run_stops_wipes_and_starts_with_one_call_each() -> None:
    """A run of one machine is done after three calls, each of which is checked again but the start."""
    run = Steps()
    run.finish()

    assert run.calls == [STOP, WIPE, START]
    assert [each.commands[0].command for each in run.effects if isinstance(each, Recheck)] == [
        None,
        Command(WIPE, "d-0"),
    ]
    assert state.outcome(run.state) == "done"
    assert run.machines[0].wipes == run.machines[0].starts == 1
    assert run.reported("done")[0]["outcome"] == "done"


def test_a_run_with_a_tag_and_a_safety_snapshot_has_them_around_the_wipe() -> None:
    """The tag comes before the stop and is taken off at the end; the snapshot comes between the stop and the wipe."""
    run = Steps(options=Options(snapshot=True, lock_tag=True))
    run.finish()

    assert run.calls == ["TagResources", STOP, "CreateSnapshot", WIPE, START, "UntagResources"]
    assert run.state.snapshots[0].snapshot_id == "s-safe-d-0", "as it was answered"
    assert state.outcome(run.state) == "done"


def test_a_machine_that_was_stopped_is_left_stopped() -> None:
    """Where nobody was running there is one call."""
    run = Steps(power="Stopped")
    run.finish()

    assert run.calls == [WIPE]
    assert state.outcome(run.state) == "done"


def test_an_intention_is_committed_before_its_call() -> None:
    """Until the intention is written down nothing is called, and nothing else is asked for."""
    run = down()
    recheck = run.to(Recheck, WIPE)
    run.pending.remove(recheck)
    asked = run.step_once(run.outcome_of(recheck))

    assert kinds(asked) == ["Commit"]
    assert isinstance(asked[0], Commit)
    assert asked[0].states[0][1].disks[0].state == "asked"
    assert run.state.disks[0].state == "todo", "it counts once it is written down"

    run.at += 1.0
    assert run.step_once() == []
    written = run.step_once(Committed())
    assert kinds(written[:2]) == ["Emit", "SendAttempts"]
    (attempt,) = next(each for each in written if isinstance(each, SendAttempts)).attempts
    assert (attempt.number, attempt.job.disks[0].state, attempt.job) == (1, "asked", run.state)
    assert run.state.disks[0].fence is not None


def test_only_what_has_changed_is_written_down_and_all_of_it_at_once() -> None:
    """However many jobs: one recheck, one commit and one call, and an unchanged job is in no commit."""
    run = Steps(FLEET_SIZE, closed=[3])
    run.to(Recheck)
    (recheck,) = run.pending
    assert isinstance(recheck, Recheck)
    commits = [each for each in run.answer(recheck) if isinstance(each, Commit)]
    open_ = [number for number in range(FLEET_SIZE) if number != 3]

    assert [position for position, _ in commits[0].states] == open_
    assert {each.stop.state for _, each in commits[0].states} == {"asked"}
    (call,) = run.pending
    assert isinstance(call, SendAttempts)
    assert [each.position for each in call.attempts] == open_
    answered = run.answer(call)
    assert [kind for kind in kinds(answered) if kind == "Commit"] == ["Commit"]
    assert [each.stop.state for each in run.states].count("accepted") == FLEET_SIZE - 1
    names = [each.event for each in run.effects if isinstance(each, Emit) and each.event in ("intend", "answer")]
    assert names == ["intend"] * (FLEET_SIZE - 1) + ["answer"] * (FLEET_SIZE - 1)


def test_wipes_share_a_recheck_and_a_commit_and_are_a_call_each() -> None:
    """ECS wipes one disk a call: each is a call by itself, so that one that hangs holds up no other."""
    run = down(FLEET_SIZE)
    recheck = run.to(Recheck, WIPE)
    assert len(recheck.commands) == FLEET_SIZE
    effects = run.answer(recheck)

    assert [len(each.attempts) for each in effects if isinstance(each, SendAttempts)] == [1] * FLEET_SIZE
    assert [len(each.states) for each in effects if isinstance(each, Commit)] == [FLEET_SIZE]


def test_a_closed_job_is_left_alone() -> None:
    """A job that came to its end before is neither observed nor called."""
    run = Steps(2, closed=[0])
    run.finish()

    assert run.machines[0].status == "Running"
    observed = [job.instance_id for each in run.effects if isinstance(each, Describe) for job in each.jobs]
    assert set(observed) == {"i-1"}


def test_a_start_is_checked_by_nothing() -> None:
    """Bringing the power back depends on the state of the machine alone: no recheck may keep it down."""
    run = down()
    run.change(error=Failure(None, "It failed."))
    run.finish()

    assert run.calls == [START]
    assert not [each for each in run.effects if isinstance(each, Recheck)]


def test_events_are_reported_once_they_are_in_the_journal() -> None:
    """The answer of a call is reported after the commit that has it."""
    run = Steps()
    effects = kinds(run.answer(run.to(SendAttempts, STOP)))

    assert "Commit" in effects
    assert "Emit" in effects
    assert effects.index("Commit") < effects.index("Emit")


# --------------------------------------------------------------------------------------------- between two moments

OVERTAKING: dict[str, Callable[[Steps], Any]] = {
    "cancelled": lambda _: CancelRequested(),
    "failed": lambda _: JournalLost(REMOVED),
    "seen in use": lambda run: Observations(
        run.pending[-1].number, (run.observation(instance=values.an_instance(instance_id="i-0", status="Running")),)
    ),
}


def with_a_describe_pending(run: Steps, recheck: Recheck) -> None:
    """Let the next Describe be asked for while the recheck is under way."""
    while not isinstance(run.pending[-1], Describe):
        run.wait()
    assert recheck in run.pending


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("what", OVERTAKING)
def test_nothing_is_sent_that_became_wrong_before_its_intention_is_written(what: str, order: str) -> None:
    """What comes in the same step as the recheck stops the call, before it or after it."""
    run = down()
    recheck = run.to(Recheck, WIPE)
    with_a_describe_pending(run, recheck)
    found: Any = run.outcome_of(recheck)
    meanwhile = OVERTAKING[what](run)
    effects = run.step(*((meanwhile, found) if order == "before" else (found, meanwhile)))

    assert run.state.turned_back
    assert not [each for each in effects if isinstance(each, SendAttempts) and each.attempts[0].command.overwrites]
    assert run.state.disks[0].tries == 0
    assert run.state.disks[0].data == "untouched"
    run.pending = [each for each in run.pending if each.number not in (found.number, getattr(meanwhile, "number", 0))]
    run.finish()
    assert run.calls == [START], "and the machine comes back"


@pytest.mark.parametrize("order", ["before", "after"])
def test_what_comes_while_an_intention_is_written_counts_and_is_written_next(order: str) -> None:
    """A run that is cancelled during the commit takes the intention back, and the journal has the cancellation."""
    run = down()
    recheck = run.to(Recheck, WIPE)
    run.pending.remove(recheck)
    assert kinds(run.step_once(run.outcome_of(recheck))) == ["Commit"]
    given = (CancelRequested(), Committed()) if order == "before" else (Committed(), CancelRequested())
    effects = run.step_once(*given)
    written = [each for each in effects if isinstance(each, Commit)]

    assert written
    assert written[0].states[0][1].interrupted
    if order == "before":
        assert not [each for each in effects if isinstance(each, SendAttempts)]
        assert (run.state.disks[0].tries, run.state.disks[0].state) == (0, "todo")


@pytest.mark.parametrize("order", ["before", "after"])
def test_an_intention_that_comes_while_another_is_written_waits_for_its_own_commit(order: str) -> None:
    """A call is sent only behind the commit that has its intention."""
    run = down(2)
    run.change(1, error=Failure(None, "It failed."))
    (describe,) = (each for each in run.wait() if isinstance(each, Describe))
    run.answer(describe, run.observation(0), run.observation(1, answered=False))
    recheck = run.to(Recheck, WIPE)
    with_a_describe_pending(run, recheck)
    run.pending.remove(recheck)
    assert kinds(run.step_once(run.outcome_of(recheck))) == ["Commit"]
    seen = run.outcome_of(run.pending[-1])
    effects = run.step_once(*((seen, Committed()) if order == "before" else (Committed(), seen)))

    assert [each.attempts[0].command.action for each in effects if isinstance(each, SendAttempts)] == [WIPE]
    (commit,) = (each for each in effects if isinstance(each, Commit))
    assert dict(commit.states)[1].start.state == "asked"
    written = run.step_once(Committed())
    assert [each.attempts[0].command.action for each in written if isinstance(each, SendAttempts)] == [START]


def test_what_is_written_down_twice_is_no_second_call() -> None:
    """An answer to a commit that nobody waits for changes nothing."""
    run = down()
    run.to(SendAttempts, WIPE)

    assert not [each for each in run.step(Committed(), Committed()) if isinstance(each, SendAttempts)]
    assert run.state.disks[0].tries == 1


# -------------------------------------------------------------------------------------------------------- the journal


@pytest.mark.parametrize("action", [STOP, WIPE])
def test_a_journal_that_is_lost_at_the_intentions_stops_the_calls(action: str) -> None:
    """What is not written down is not sent, for none of them, and every job turns back."""
    run = Steps(FLEET_SIZE, down=action == WIPE)
    effects = run.answer(run.to(Recheck), commit=JournalLost(REMOVED))

    assert not [each for each in effects if isinstance(each, SendAttempts)]
    assert all(each.turned_back and each.error == REMOVED for each in run.states)
    assert not any(wipe.tries for each in run.states for wipe in each.disks)
    assert len(run.messages) == 1
    assert "Keep this output" in run.messages[0]
    assert ("i-0" in run.messages[0]) == (action == WIPE), "the machines that are down are named"
    again = [each for each in effects if isinstance(each, Commit)][1]
    assert [position for position, _ in again.states] == list(range(FLEET_SIZE)), "what was not written is written next"


@pytest.mark.parametrize("action", [STOP, WIPE])
def test_a_journal_that_is_lost_while_facts_are_checked_leaves_nothing_to_send(action: str) -> None:
    """Once the journal is lost, what a recheck finds intends nothing any more, of whatever job."""
    run = Steps(FLEET_SIZE, down=action == WIPE)
    recheck = run.to(Recheck)
    run.step(JournalLost(REMOVED))
    effects = run.answer(recheck)

    assert not [each for each in effects if isinstance(each, SendAttempts)]
    assert all(each.error == REMOVED for each in run.states)


def test_a_machine_still_comes_back_when_the_journal_cannot_be_written() -> None:
    """A start is sent, also where its own commit is the one that fails; the failure is told once."""
    run = down()
    run.change(error=Failure(None, "It failed."))
    while not run.pending:
        run.wait()
    (describe,) = run.pending
    effects = run.answer(describe, commit=JournalLost(REMOVED))
    assert not [each for each in effects if isinstance(each, SendAttempts)], "this one was not written down"
    run.step(JournalLost(REMOVED))
    run.finish()

    assert run.calls == [START]
    assert len(run.messages) == 1
    assert run.machines[0].status == "Running"


def test_an_answer_counts_though_it_cannot_be_written() -> None:
    """An answer that came is not forgotten because it cannot be written down; the job turns back."""
    run = Steps()
    run.answer(run.to(SendAttempts, STOP), commit=JournalLost(REMOVED))

    assert run.state.stop.state == "accepted"
    assert run.state.turned_back


@pytest.mark.parametrize("action", [STOP, WIPE])
def test_a_journal_that_comes_back_in_time_costs_only_the_wait(action: str) -> None:
    """While the journal is away nothing is sent and no job turns back; then each call is checked again, and sent."""
    run = Steps(FLEET_SIZE, down=action == WIPE, journal_outage=120.0)
    run.answer(run.to(Recheck), commit=JournalAway(FULL))
    away_until, sent = run.at + 100.0, list(run.calls)
    run.journal = JournalAway(FULL)
    while run.at < away_until:
        run.go_on()
    assert run.calls == sent
    assert not any(each.turned_back for each in run.states)
    run.journal = Committed()
    run.finish()

    assert run.calls.count(WIPE) == FLEET_SIZE
    assert all(state.outcome(each) == "done" for each in run.states)
    assert len(run.messages) == 2
    assert "at most 120 s (journal_outage)" in run.messages[0]
    assert ("i-0" in run.messages[0]) == (action == WIPE), "the machines that are down are named"
    assert run.messages[1] == f"The journal can be written again: run {RUN} continues."


@pytest.mark.parametrize(("tries", "back"), [(0, True), (1, False)], ids=["not wiped", "in doubt"])
def test_a_journal_that_stays_away_leaves_down_only_what_is_in_doubt(tries: int, back: bool) -> None:
    """After journal_outage a machine is started of which no wipe is in doubt, though only this host keeps a record."""
    run = down(journal_outage=120.0)
    if tries:
        run.change(disks=(replace(run.state.disks[0], state="lost", tries=1, losses=1, at=run.at),))
    began = run.at
    run.journal = JournalAway(FULL)
    while run.at < began + 115.0:
        run.go_on()
    assert run.calls == []
    run.finish()

    assert run.calls == ([START] if back else [])
    assert run.state.error is not None
    assert (state.outcome(run.state) == "unknown") != back
    assert [each.spool for each in run.effects if isinstance(each, Commit)][-1]


def test_no_limit_passes_while_the_journal_is_away() -> None:
    """However long the journal is waited for, a machine that is owed a start is started, and not given up."""
    run = down(journal_outage=3600.0)
    run.change(error=Failure(None, "It failed."), turned_back_at=run.at)
    run.journal = JournalAway(FULL)
    run.finish(most=4000)

    assert run.at > RUN_BEGAN + 3600.0
    assert run.calls == [START]
    assert run.machines[0].status == "Running"


def test_a_run_that_only_waits_for_its_journal_sleeps_between_its_tries() -> None:
    """Once every job has ended, what the journal lacks is still written, and each step waits for the next try."""
    run = down(journal_outage=120.0)
    run.answer(run.to(SendAttempts, START))
    run.journal = JournalAway(FULL)
    while not run.run.scheduler.is_over():
        run.go_on()
    assert not run.run.is_over
    for _ in range(5):
        assert run.wake_at > run.at
        run.go_on()
    run.journal = Committed()
    run.finish()

    assert [each.states for each in run.effects if isinstance(each, Commit)][-1] == ((0, run.state),)


def test_a_journal_that_is_away_is_tried_once_a_tick() -> None:
    """However much happens meanwhile, the database is not asked more often than every two seconds."""
    run = Steps(FLEET_SIZE, down=True, journal_outage=1000.0)
    run.journal = JournalAway(FULL)
    began = run.at
    while run.at < began + 200.0:
        run.go_on()

    tried = [each for each in run.effects if isinstance(each, Commit)]
    assert 10 < len(tried) <= 1 + 200.0 / TICK_INTERVAL


# ----------------------------------------------------------------------------------------------------- cancel, pause


def test_a_run_that_is_cancelled_before_it_begins_calls_nothing() -> None:
    """Nobody is touched, and each job knows why; to cancel twice is to cancel once."""
    run = Steps(FLEET_SIZE, max_parallel=2)
    run.step(CancelRequested())
    before = run.states
    run.step(CancelRequested())
    run.finish()

    assert run.calls == []
    assert before == run.states
    assert all(each.interrupted and not each.tried for each in run.states)
    assert [each["outcome"] for each in run.reported("done")] == ["refused"] * FLEET_SIZE


def test_a_run_that_is_cancelled_brings_its_machines_back() -> None:
    """The stop that is on its way ends, no wipe is sent, and the machine is started."""
    run = Steps()
    call = run.to(SendAttempts, STOP)
    run.step(CancelRequested())
    run.answer(call)
    run.finish()

    assert run.calls == [STOP, START]
    assert run.machines[0].wipes == 0
    assert run.machines[0].status == "Running"


def test_what_waits_to_be_checked_when_a_run_is_cancelled_is_not_checked() -> None:
    """Whose call waits behind the recheck of another is not checked in vain: its machine is started at once."""
    run = down(2)
    run.change(0, snapshots=(SafetySnapshot("d-0", "token"),))
    recheck = run.to(Recheck, "CreateSnapshot")
    run.step(CancelRequested())
    run.pending.remove(recheck)
    run.wait(2.0)
    describe = next(each for each in run.pending if isinstance(each, Describe))
    run.answer(describe)

    assert run.calls == [START]
    assert [each.position for call in run.pending if isinstance(call, SendAttempts) for each in call.attempts] == [1]
    run.step(run.outcome_of(recheck))
    run.finish()
    assert [each.commands[0].command for each in run.effects if isinstance(each, Recheck)] == [
        Command("CreateSnapshot", "d-0")
    ]


def test_what_waits_to_begin_when_a_run_is_cancelled_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """No facts are read of a job that ends untouched."""
    monkeypatch.setattr(rechecks, "MAX_JOBS", 100)
    run = Steps(150, max_parallel=150)
    beginning = run.to(Recheck)
    assert len(beginning.commands) == 100
    run.step(CancelRequested())
    run.finish()

    assert [each for each in run.effects if isinstance(each, Recheck)] == [beginning]


def test_a_wipe_that_is_under_way_is_not_cancelled() -> None:
    """What ECS has accepted goes on to its end, and that is no failure."""
    run = Steps()
    run.answer(run.to(SendAttempts, WIPE))
    run.step(CancelRequested())
    run.finish()

    assert state.outcome(run.state) == "done"


@pytest.mark.parametrize("action", [STOP, WIPE])
def test_calls_that_are_withheld_are_no_tries(action: str) -> None:
    """What was intended and not sent is taken back: no try, no phase, and nothing outstanding."""
    run = Steps(FLEET_SIZE, down=action == WIPE)
    run.to(SendAttempts, action)
    calls = [each for each in run.pending if isinstance(each, SendAttempts)]
    run.pending.clear()
    run.step(CancelRequested())
    for call in calls:
        run.step(Answered(call.number, (AttemptWithheld(),) * len(call.attempts)))

    assert [each["code"] for each in run.reported("answer")] == ["NotSent"] * FLEET_SIZE
    for known in run.states:
        assert not outstanding(known)
        assert (known.disks[0].tries, known.disks[0].state, known.disks[0].fence) == (0, "todo", None)
        assert known.phases == ()
        if action == STOP:
            assert not known.tried


def test_a_call_that_came_too_late_is_tried_again_for_the_first_time() -> None:
    """A prepared call that was not sent keeps the job waiting, and the next one is its first try."""
    run = down()
    run.answer(run.to(SendAttempts, WIPE), AttemptWithheld())
    assert run.state.stuck_since == run.at
    run.wait(2.0)
    call = run.to(SendAttempts, WIPE)

    assert call.attempts[0].number == 1


def test_a_start_that_was_withheld_stays_intended() -> None:
    """Once a start is intended no wipe is reachable, also where that start was not sent."""
    run = down()
    run.change(error=Failure(None, "It failed."))
    run.answer(run.to(SendAttempts, START), AttemptWithheld())

    assert (run.state.start.state, run.state.start.tries) == ("again", 1)


def test_after_a_pause_limits_count_from_now() -> None:
    """A lease that had run out says that this process did not run: what is under way gets its time again."""
    run = Steps(2, max_parallel=1)
    run.answer(run.to(SendAttempts, STOP))
    accepted_at = run.state.stop.at
    run.at += 500.0
    effects = run.step(LeaseLapsed())

    assert run.state.stop.at == run.at != accepted_at
    assert run.states[1].stop == Step(), "what has not begun has nothing to wait for"
    assert [position for each in effects if isinstance(each, Commit) for position, _ in each.states] == [0]


def test_a_lease_that_ran_out_while_the_journal_was_waited_for_gives_no_time_again() -> None:
    """The process ran meanwhile, so limits count on."""
    run = Steps()
    run.answer(run.to(SendAttempts, STOP))
    accepted_at = run.state.stop.at
    for _ in range(3):
        run.wait(20.0)
    run.step(LeaseLapsed())

    assert run.state.stop.at == accepted_at


def test_what_was_observed_before_a_pause_uses_up_no_limit_after_it() -> None:
    """A wipe that an observation from before the pause shows to be done leaves the start all its time."""
    run = down()
    run.change(disks=(replace(run.state.disks[0], state="accepted", tries=1, at=run.at, reiniting=True),))
    asked = run.to(Describe)
    before = run.outcome_of(asked)
    run.pending.remove(asked)
    run.at += 5000.0
    run.step(LeaseLapsed())
    run.step(before)

    assert run.state.disks[0].state == "done"
    run.finish()
    assert run.calls == [START]
    assert state.outcome(run.state) == "done"


# ------------------------------------------------------------------------------------------------------- the recheck


def test_drift_ends_the_job_before_the_call_and_says_what_it_is() -> None:
    """Facts that have changed since the plan are no facts to wipe on."""
    run = down()
    run.answer(run.to(Recheck, WIPE), Drifted(("i-0.InstanceName: web -> other",), "Stopped"))

    assert run.state.error is not None
    assert run.state.error.message == "Facts that the plan is based on have changed: i-0.InstanceName: web -> other."
    assert run.state.disks[0].tries == 0
    run.finish()
    assert run.calls == [START]


def test_drift_of_one_ends_that_one_alone() -> None:
    """Of a batch the one whose facts changed ends before the stop; the others are stopped by one call."""
    run = Steps(FLEET_SIZE)
    recheck = run.to(Recheck)
    found = [run.fresh(number) for number in range(FLEET_SIZE)]
    found[5] = Drifted(("d-5 is not shown any more",), "Running")  # type: ignore[call-overload]
    run.answer(recheck, *found)
    (call,) = [each for each in run.pending if isinstance(each, SendAttempts)]

    assert [each.position for each in call.attempts] == [number for number in range(FLEET_SIZE) if number != 5]
    assert [number for number, each in enumerate(run.states) if each.turned_back] == [5]


def test_what_jobs_begin_with_is_read_once() -> None:
    """All facts of a job are read before its first call, and not twice; where that fails its observations go on."""
    run = Steps(3)
    beginning = run.to(Recheck)
    assert [each.command for each in beginning.commands] == [None] * 3
    run.answer(beginning, run.fresh(0), Unobserved("ECS does not list d-1"), Drifted(("d-2.Status: moved",), "Running"))
    (call,) = (each for each in run.pending if isinstance(each, SendAttempts))
    assert [each.position for each in call.attempts] == [0]
    assert [each.error is not None for each in run.states] == [False, False, True]
    run.finish()

    assert [state.outcome(each) for each in run.states] == ["done", "done", "refused"]


@pytest.mark.parametrize("how", [RecheckFailed, Broke])
def test_where_the_first_facts_are_not_read_the_observations_go_on(how: type[RecheckFailed] | type[Broke]) -> None:
    """A recheck that fails as jobs begin ends none of them; each call is then checked again by its own recheck."""
    run = Steps(2)
    beginning = run.to(Recheck)
    run.pending.remove(beginning)
    run.step(how(beginning.number, "KeyError"))
    recheck = run.to(Recheck)
    assert [each.command for each in recheck.commands] == [Command(STOP, "i-0"), Command(STOP, "i-1")]
    run.finish()

    assert [state.outcome(each) for each in run.states] == ["done", "done"]


def test_credentials_of_another_caller_end_what_begins() -> None:
    """Of what another caller may see nothing is known."""
    run = Steps(2)
    beginning = run.to(Recheck)
    run.pending.remove(beginning)
    run.step(RecheckFailed(beginning.number, "", FULL))
    run.finish()

    assert run.calls == []
    assert [each.error for each in run.states] == [FULL, FULL]


def test_drift_tells_the_power_as_the_recheck_showed_it() -> None:
    """What is told at the end of a job is nothing older."""
    run = Steps()
    run.answer(run.to(Recheck), Drifted(("i-0: another account",), ""))

    assert run.state.instance_status == ""


def test_what_a_recheck_does_not_show_is_looked_for_on() -> None:
    """An absence proves nothing: nothing is sent, and nothing is given up for one recheck."""
    run = down()
    run.answer(run.to(Recheck, WIPE), Unobserved("ECS does not list d-0"))
    assert (run.calls, run.state.disks[0].tries, run.state.error) == ([], 0, None)
    assert run.state.stuck_since == run.at
    run.wait(2.0)
    run.finish()

    assert state.outcome(run.state) == "done"


def test_what_no_recheck_ever_shows_brings_the_machine_back() -> None:
    """Where that lasts longer than a call may be held up, the job turns back and says what was not shown."""
    run = down()
    held_up(run, lambda recheck: run.answer(recheck, Unobserved("ECS does not list d-0")))

    assert run.state.error is not None
    assert "ECS does not list d-0" in run.state.error.message


def held_up(run: Steps, answer: Callable[[Recheck], object]) -> None:
    """Let each recheck be answered so until the job turns back."""
    began = run.at
    while not run.state.turned_back:
        answer(run.to(Recheck))
        run.at += 2.0
        assert run.at < began + 400.0, "it waits for ever"
    assert run.calls == []


def test_an_answer_that_came_to_an_earlier_holder_is_taken_for_this_ones_wipe() -> None:
    """A wipe whose answer was lost here and came there was accepted: it is not sent again."""
    run = down()
    run.answer(run.to(SendAttempts, WIPE), AttemptUnanswered())
    assert run.state.disks[0].state == "lost"
    run.step(AcceptedBefore(0, Command(WIPE, "d-0")))

    assert run.state.disks[0].state == "accepted"
    run.finish()
    assert run.calls.count(WIPE) == 1


def test_a_recheck_that_fails_leaves_nothing_intended() -> None:
    """Without the facts there is no call and no intention; it is tried again, and why is told."""
    run = down()
    recheck = run.to(Recheck, WIPE)
    before = run.state
    run.pending.remove(recheck)
    run.step(RecheckFailed(recheck.number, "ECS does not answer DescribeDisks"))

    assert replace(run.state, stuck_since=None) == before
    assert run.calls == []
    run.wait(2.0)
    recheck = run.to(Recheck, WIPE)
    assert run.reported("wait")[-1]["why"] == "ECS does not answer DescribeDisks"
    run.answer(recheck)
    run.finish()
    assert state.outcome(run.state) == "done"


def test_credentials_of_another_caller_end_the_jobs_of_the_recheck() -> None:
    """What another caller may see and do proves nothing."""
    run = down()
    recheck = run.to(Recheck, WIPE)
    other = Failure(None, "The credentials are of another caller now.", hint="Use the ones of the plan.")
    run.pending.remove(recheck)
    run.step(RecheckFailed(recheck.number, "", other))

    assert run.state.error == other
    assert run.state.stuck_since is None
    run.finish()
    assert run.calls == [START]


@pytest.mark.parametrize("status", ["Running", "Starting"])
def test_what_the_recheck_shows_counts(status: str) -> None:
    """A machine that somebody starts between the observation and the recheck is not wiped."""
    run = down()
    recheck = run.to(Recheck, WIPE)
    seen = run.fresh(instance=values.an_instance(instance_id="i-0", status=status, start_time=values.YESTERDAY))
    run.answer(recheck, seen)

    assert run.calls == []
    assert run.state.error is not None
    assert "somebody else is using the instance" in run.state.error.message


def test_observations_that_keep_disagreeing_bring_the_machine_back() -> None:
    """Where the recheck decides otherwise than the observation before it, for too long, the machine comes back."""
    run = down()
    run.change(snapshots=(backed_up("d-0"),))
    run.machines[0].snapshots["s-safe-d-0"] = values.a_snapshot(snapshot_id="s-safe-d-0", source_disk_id="d-0")
    run.answer(run.to(Recheck, WIPE), run.fresh(snapshots={}))
    assert run.state.error is None
    assert run.state.stuck_since == run.at

    began = run.at
    while not run.state.turned_back:
        run.at += 2.0
        run.answer(run.to(Recheck, WIPE), run.fresh(snapshots={}))
        assert run.at < began + 400.0
    assert run.calls == []


def test_a_wait_that_begins_with_a_disagreement_ends_no_job() -> None:
    """A machine that still runs is waited for: a snapshot that begins before the stop takes as long as it takes."""
    run = Steps()
    growing = values.a_snapshot(snapshot_id="s-auto", source_disk_id="d-0", status="progressing")
    for _ in range(2):
        run.answer(run.to(Recheck), run.fresh(progressing=(growing,)))
        run.at += Limits().retry + 1.0

    assert run.state.error is None
    assert run.calls == []


def test_no_wipe_goes_without_its_safety_snapshot() -> None:
    """One whose snapshot the recheck does not show is held back, and holds up no other."""
    run = down(3)
    states = [replace(each, snapshots=(backed_up(each.disks[0].disk_id),)) for each in run.states]
    run.begin(states)
    for number, machine in enumerate(run.machines):
        name = f"s-safe-d-{number}"
        machine.snapshots[name] = values.a_snapshot(snapshot_id=name, source_disk_id=f"d-{number}")
    recheck = run.to(Recheck, WIPE)
    run.answer(recheck, run.fresh(0, snapshots={}), run.fresh(1), run.fresh(2))

    assert [each.attempts[0].position for each in run.pending if isinstance(each, SendAttempts)] == [1, 2]


# ----------------------------------------------------------------------------------------------- how old facts may be


def test_a_recheck_that_has_grown_old_sends_nothing() -> None:
    """What it found is too old when it comes: nothing is intended, and the next one counts."""
    run = down()
    recheck = run.to(Recheck, WIPE)
    found = run.outcome_of(recheck)
    run.pending.remove(recheck)
    run.at += 3.1
    run.step(found)
    assert run.calls == []
    assert run.state.stuck_since == run.at
    run.wait(2.0)

    assert run.to(SendAttempts, WIPE).attempts[0].number == 1


def test_a_wipe_waits_for_no_faster_answer_than_ecs_gives() -> None:
    """Where each answer takes three seconds, what was seen before a wipe may be as old as that."""
    run = down()
    run.took = 3.1
    run.finish()

    assert run.calls == [WIPE, START]


def test_where_no_observation_is_ever_fresh_enough_the_machine_comes_back() -> None:
    """Where even a recheck takes longer than 15 s nothing is sent; once may be chance, the second time is told."""
    run = down()
    run.took = 15.1
    run.answer(run.to(Recheck, WIPE))
    assert run.calls == []
    assert run.reported("intend") == []
    assert run.state.disks[0].tries == 0
    assert run.state.stuck_since == run.at
    assert not run.state.turned_back
    run.answer(run.to(Recheck, WIPE))

    assert run.state.error is not None
    assert run.state.error.message.startswith("ECS answers slowly: 15.1 s per call.")
    run.finish()
    assert run.calls == [START]


@pytest.mark.parametrize("action", [STOP, WIPE])
@pytest.mark.parametrize("slow", ["the recheck", "the commit"])
def test_a_job_whose_call_is_never_in_time_turns_back(action: str, slow: str) -> None:
    """Where every recheck, or the commit after it, takes too long, no machine waits down for ever for its wipe."""
    run = Steps(down=action == WIPE)
    run.took = 16.0 if slow == "the recheck" else 0.0
    began = run.at
    while not run.state.turned_back:
        run.answer(run.to(Recheck))
        for call in [each for each in run.pending if isinstance(each, SendAttempts)]:
            run.at += 16.0
            run.answer(call, AttemptWithheld())
        run.at += 2.0
        assert run.at < began + 400.0, "it waits for ever"

    assert run.state.error is not None
    assert ("ECS answers slowly: 16.0 s per call" if slow == "the recheck" else "too long") in run.state.error.message


# ------------------------------------------------------------------------------------------------------------- an undo


def test_a_roll_back_that_the_dry_run_allows_is_sent() -> None:
    """DryRunOperation says that ECS would do it."""
    run = undoing()
    call = run.to(SendAttempts, "ResetDisk")

    assert call.attempts[0].job.disks[0].snapshot_id == "s-restore"


@pytest.mark.parametrize("code", ["InvalidSnapshotId.NotReady", "Brand.New", "Forbidden.RAM", "InvalidDiskId.NotFound"])
def test_what_the_dry_run_refuses_is_not_sent(code: str) -> None:
    """A refusal that does not pass ends the job with nothing intended, and the disk is told untouched."""
    run = undoing()
    run.answer(run.to(Recheck, "ResetDisk"), Fresh(run.observation(), code))

    assert run.calls == []
    (disk,) = run.state.disks
    assert (disk.state, disk.tries, disk.data) == ("refused", 0, "untouched")
    assert run.state.error is not None
    assert (run.state.error.code, run.state.error.action) == (code, "ResetDisk")


def test_what_the_dry_run_refuses_is_reported_in_our_words() -> None:
    """What ECS would refuse is told with its code, its meaning and what to do."""
    run = undoing()
    run.answer(run.to(Recheck, "ResetDisk"), Fresh(run.observation(), "OperationDenied"))

    assert run.state.error == Failure(
        "OperationDenied",
        "ECS would refuse ResetDisk of d-0 with OperationDenied (DryRun): "
        f"{error_codes.meaning_of('ResetDisk', 'OperationDenied')}",
        action="ResetDisk",
        hint=error_codes.fix_of("ResetDisk", "OperationDenied"),
    )


def test_what_the_dry_run_refuses_for_now_is_due_again_as_the_try_to_come() -> None:
    """A snapshot that is being created is waited for: nothing is intended, and the wait is that of a first try."""
    run = undoing()
    run.answer(run.to(Recheck, "ResetDisk"), Fresh(run.observation(), "DiskCreatingSnapshot"))

    (disk,) = run.state.disks
    assert (run.calls, disk.state, disk.tries, run.state.error) == ([], "todo", 0, None)
    assert disk.due == outcomes.due_at(1, run.now) > run.at
    run.finish()
    assert run.calls == ["ResetDisk", START]


def test_a_refused_dry_run_does_not_undo_what_was_learned_meanwhile() -> None:
    """Where the disk turned out to be in somebody else's hands, it is not told untouched after it."""
    run = undoing()
    recheck = run.to(Recheck, "ResetDisk")
    seen = run.observation(disks={"d-0": a_disk("d-0", 0, "ReIniting")})
    run.answer(recheck, Fresh(seen, "DiskCreatingSnapshot"))

    assert run.calls == []
    assert run.state.disks[0].state == "unknown"


# -------------------------------------------------------------------------------------------------- how a call ended


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        (AttemptUnanswered(), "lost"),
        (refused("InternalError", 500), "lost"),
        (refused("Throttling", 400), "todo"),
        (refused("DiskCreatingSnapshot"), "todo"),
        (refused("OperationDenied"), "refused"),
        (refused("Forbidden.RAM"), "refused"),
        (refused("Brand.New"), "lost"),
        (AttemptNotSent("no connection could be made", "Check the network."), "todo"),
    ],
    ids=lambda each: getattr(each, "code", type(each).__name__),
)
def test_each_answer_to_a_wipe_goes_into_the_state(outcome: Any, shown: str) -> None:
    """A lost answer is lost, a proven refusal is refused or due again, and an unknown code is never sent again."""
    run = down()
    run.answer(run.to(SendAttempts, WIPE), outcome)
    (disk,) = run.state.disks
    unknown = isinstance(outcome, AttemptRefused) and outcome.code == "Brand.New"

    assert disk.state == shown
    assert (disk.due is not None) == (shown == "todo")
    assert run.calls == [WIPE]
    assert (run.state.error is not None) == (shown == "refused" or unknown)
    assert disk.unknown_code == unknown


@pytest.mark.parametrize(
    ("outcome", "result", "shown", "wait"),
    [
        (OK, {"code": "OK", "request_id": "REQUEST"}, "accepted", None),
        (AttemptUnanswered(), {"code": "Unanswered"}, "lost", None),
        (AttemptNotSent("no name", ""), {"code": "NotSent"}, "again", 3.0),
        (refused("InternalError", 500), {"code": "InternalError", "request_id": "r"}, "lost", None),
        (refused("Throttling", 400, retry_after=70), {"code": "Throttling", "request_id": "r"}, "again", 70.0),
        (refused("Forbidden.RAM"), {"code": "Forbidden.RAM", "request_id": "r"}, "failed", None),
    ],
    ids=lambda each: getattr(each, "code", type(each).__name__),
)
def test_what_is_reported_of_an_answer_is_what_was_answered(
    outcome: Any, result: dict[str, object], shown: str, wait: float | None
) -> None:
    """Events tell the number of the try, and then code and RequestId; the state has the moment."""
    run = Steps()
    run.answer(run.to(SendAttempts, STOP), outcome)
    stop = run.state.stop

    assert run.reported("intend") == [{"action": STOP, "force": False, "attempt": 1}]
    assert run.reported("answer") == [{"action": STOP, "force": False, **result}]
    assert (stop.state, stop.at) == (shown, run.at)
    assert stop.due == (None if wait is None else run.at + wait)


def test_a_refusal_says_everything_that_a_person_needs() -> None:
    """The error of a job has the code, what was refused, the RequestId for a ticket, and what to do."""
    run = down()
    run.answer(run.to(SendAttempts, WIPE), refused("OperationDenied", message="The source is gone."))

    assert run.state.error == Failure(
        "OperationDenied",
        "ECS refused ReInitDisk of d-0 with OperationDenied: The source is gone.",
        request_id="r",
        action="ReInitDisk",
        hint=error_codes.fix_of("ReInitDisk", "OperationDenied"),
    )


def test_a_call_that_could_never_be_sent_says_why() -> None:
    """A stop that found no connection until its time was over names the call, the reason and what to do."""
    run = Steps(limits=Limits(stop=8.0))
    while not run.state.turned_back:
        run.answer(
            run.to(SendAttempts, STOP),
            AttemptNotSent("StopInstance was not sent: no connection.", "Check the network."),
        )

    assert run.state.error == Failure(
        "NotSent", "StopInstance was not sent: no connection.", action=STOP, hint="Check the network."
    )
    assert [(phase.name, phase.result) for phase in run.state.phases] == [("stop", "refused")]
    assert run.state.phases[0].ended_at is not None


def test_a_lost_answer_to_a_repeatable_call_is_asked_again() -> None:
    """TagResources without an answer is due again later, and no error of the job."""
    run = Steps(options=Options(lock_tag=True))
    run.answer(run.to(SendAttempts, "TagResources"), AttemptUnanswered())

    assert (run.state.tag.state, run.state.error) == ("resend", None)
    assert (run.state.tag.due or 0.0) > run.at
    run.finish()
    assert run.calls[:3] == ["TagResources", "TagResources", STOP]


def test_each_of_many_has_its_own_answer() -> None:
    """Of a batch one is refused, one is busy, of one nothing is told; each of the others is stopped."""
    run = Steps(FLEET_SIZE)
    call = run.to(SendAttempts, STOP)
    answers: list[Any] = [OK] * FLEET_SIZE
    answers[1:4] = [refused("InstanceLockedForSecurity"), refused("IncorrectInstanceStatus"), AttemptUnanswered()]
    run.answer(call, *answers)
    states = dict(enumerate(each.stop.state for each in run.states))

    assert states == {**dict.fromkeys(range(FLEET_SIZE), "accepted"), 1: "failed", 2: "again", 3: "lost"}
    assert [number for number, each in enumerate(run.states) if each.turned_back] == [1]


@pytest.mark.parametrize(
    "code", ["InvalidInstanceIds.NotFound", "Forbidden.RAM", "Brand.New", "InvalidAccessKeyId.Inactive"]
)
def test_a_call_refused_as_a_whole_is_made_for_each_alone(code: str) -> None:
    """Any of the others may be the reason, so nobody fails by it: each is called by itself the next time."""
    run = Steps(FLEET_SIZE)
    answer = refused(code, 404, action="StopInstances")
    run.answer(run.to(SendAttempts, STOP), *[answer] * FLEET_SIZE, batched=True)

    assert not any(each.turned_back for each in run.states)
    assert [(each.stop.state, each.stop.tries) for each in run.states] == [("again", 1)] * FLEET_SIZE
    assert [each["code"] for each in run.reported("answer")] == [code] * FLEET_SIZE

    called: list[list[int]] = []
    while len(called) < 2:
        call = run.to(SendAttempts, STOP)
        called.append([each.position for each in call.attempts])
        if len(called) == 1:
            run.answer(call, refused("IncorrectInstanceStatus"))
        else:
            run.answer(call)
    assert [len(each) for each in called] == [1, 1]


def test_a_job_that_is_accepted_alone_is_called_with_the_others_again() -> None:
    """Whoever was called by itself and accepted may be started with the others."""
    run = Steps(3)
    run.answer(run.to(SendAttempts, STOP), *[refused("Forbidden.RAM", action="StopInstances")] * 3, batched=True)
    while run.calls.count(STOP) < 4 or any(isinstance(each, SendAttempts) for each in run.pending):
        run.go_on()
    run.step(CancelRequested())
    call = run.to(SendAttempts, START)

    assert len(call.attempts) == 3


@pytest.mark.parametrize(
    ("outcome", "shown", "alone"),
    [
        (AttemptUnanswered(), "lost", False),
        (refused("InternalError", 500), "lost", True),
        (refused("LimitedOperation.ServiceUnavailable", 503), "lost", True),
        (refused("Throttling", 400), "again", False),
        (refused("InvalidOperation.Conflict", 409), "again", True),
        (AttemptNotSent("no connection could be made", ""), "again", False),
    ],
    ids=lambda each: getattr(each, "code", type(each).__name__),
)
def test_what_befalls_the_whole_call_befalls_each(outcome: Any, shown: str, alone: bool) -> None:
    """A lost or passing answer to the whole call is that for each; what is busy may be one, so each goes alone."""
    run = Steps(FLEET_SIZE)
    run.answer(run.to(SendAttempts, STOP), *[outcome] * FLEET_SIZE, batched=True)

    assert [each.stop.state for each in run.states] == [shown] * FLEET_SIZE
    assert not any(each.turned_back for each in run.states)
    if shown == "again":
        assert len(run.to(SendAttempts, STOP).attempts) == (1 if alone else FLEET_SIZE)


def test_power_cuts_for_many_are_one_call_of_their_own() -> None:
    """A forced stop is not put together with a graceful one."""
    run = Steps(4, limits=Limits(force_stop_after=60.0))
    stop = Step("accepted", tries=1, first_at=900.0, at=900.0, moving=True, start_time=values.YESTERDAY)
    states = [
        replace(each, stop=stop, instance_status="Stopping") if n < 3 else each for n, each in enumerate(run.states)
    ]
    run.begin(states)
    for machine in run.machines[:3]:
        machine.status = "Stopping"
    calls: list[tuple[list[int], set[bool]]] = []
    while len(calls) < 2:
        call = run.to(SendAttempts, STOP)
        calls.append(([each.position for each in call.attempts], {each.command.force for each in call.attempts}))
        run.answer(call)

    assert sorted(calls) == [([0, 1, 2], {True}), ([3], {False})]
    assert [each.force.state for each in run.states] == ["accepted"] * 3 + ["none"]


# ------------------------------------------------------------------------------------------------- throttling, quota


def test_the_wait_that_ecs_asks_for_is_of_the_api_that_asked() -> None:
    """ECS throttles by API, and a run that is told to wait makes no call of that API for so long."""
    run = Steps(3)
    answer = refused("Throttling", 400, action="StopInstances", retry_after=100)
    run.answer(run.to(SendAttempts, STOP), *[answer] * 3, batched=True)
    asked_at = run.at
    run.answer(run.to(SendAttempts, STOP))

    assert run.at >= asked_at + 100.0
    assert not run.run._limits.closed("StopInstance", asked_at + 1.0)
    assert run.run._limits.closed("StopInstances", asked_at + 99.0)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("api", ["StopInstance", "StopInstances"])
def test_a_call_is_held_back_by_the_throttling_of_its_own_api(count: int, api: str) -> None:
    """One that is throttled between its recheck and its sending waits, and only where it is that API's."""
    run = Steps(count)
    recheck = run.to_recheck(STOP)
    before = run.state.stuck_since
    run.at += 0.5
    run.step(Exchanged(api, "Throttling.User"))
    run.answer(recheck)
    own = api == ("StopInstance" if count == 1 else "StopInstances")

    assert before is None
    assert run.calls == ([] if own else [STOP])
    assert (run.state.stuck_since is not None) == own


def test_a_wipe_that_waited_for_the_quota_is_checked_before_it_is_sent() -> None:
    """A slot that is found while other jobs begin lets it be checked again; its observation alone sends nothing."""
    run = Steps(2, down=True)
    run.change(1, stop=Step(), instance_status="Running")
    run.machines[1].status = "Running"
    run.at = RUN_BEGAN + 19.5  # half a second before a minute is over
    run.step()
    run.step(Exchanged("ReInitDisk", "Throttling.User"))
    beginning = next(each for each in run.pending if isinstance(each, Recheck))
    (describe,) = (each for each in run.pending if isinstance(each, Describe))
    run.answer(describe)
    assert run.calls == []
    run.at = RUN_BEGAN + 21.0
    run.answer(beginning)

    assert run.calls == [], "the quota that was seen has no place for the wipe of another machine"
    recheck = next(each for each in run.pending if isinstance(each, Recheck))
    assert [each.command for each in recheck.commands] == [Command(WIPE, "d-0")]


def test_what_the_quota_holds_back_waits_and_says_so() -> None:
    """A wipe without a slot is not sent, and says why; once there is one it is."""
    run = down()
    run.step(Exchanged("ReInitDisk", "Throttling.User"))
    run.finish()

    assert run.at >= RUN_BEGAN + 20.0
    assert "ECS throttles the calls, or their quota is used up" in {each["why"] for each in run.reported("wait")}
    assert state.outcome(run.state) == "done"


def test_a_machine_that_waits_down_for_the_quota_too_long_comes_back() -> None:
    """Where ECS never stops throttling, the machine comes back."""
    run = down()
    began = run.at
    while not run.state.turned_back:
        run.step(Exchanged("ReInitDisk", "Throttling.User"))
        run.pending = [each for each in run.pending if not isinstance(each, Recheck)]
        run.go_on()
        assert run.at < began + 500.0
    run.finish()

    assert run.calls == [START]
    assert run.state.error is not None
    assert "ECS throttles" in run.state.error.message


# --------------------------------------------------------------------------------------------- what nobody foresaw


@pytest.mark.parametrize("action", [STOP, WIPE, START])
def test_a_call_that_broke_is_reported_as_a_doubt_and_repeats_nothing(action: str) -> None:
    """An exception that nobody foresaw inside a call counts as a lost answer: a wipe in doubt is not sent again."""
    run = Steps(limits=Limits(stop=30.0, reinit=40.0, start=60.0))
    call = run.to(SendAttempts, action)
    run.accept(call.attempts[0])
    run.pending.remove(call)
    run.step(Broke(call.number, "ZeroDivisionError"))
    run.finish()

    assert run.machines[0].wipes <= 1
    assert run.calls.count(WIPE) <= 1
    assert state.outcome(run.state) == {STOP: "failed", WIPE: "done", START: "done"}[action]
    assert run.state.error is not None
    assert run.state.error.message == "An unexpected ZeroDivisionError ended the run."


def test_a_wipe_that_broke_and_shows_nothing_is_unknown() -> None:
    """Nothing is claimed of it, it is not sent again, and its machine stays down."""
    run = down(limits=Limits(reinit=40.0))
    call = run.to(SendAttempts, WIPE)
    run.pending.remove(call)
    run.step(Broke(call.number, "ZeroDivisionError"))
    run.finish()

    assert run.calls == [WIPE]
    assert state.outcome(run.state) == "unknown"


def test_a_recheck_that_broke_ends_a_job_alone_in_it() -> None:
    """Nothing was sent, the job turns back, and says what it was."""
    run = down()
    recheck = run.to(Recheck, WIPE)
    run.pending.remove(recheck)
    run.step(Broke(recheck.number, "KeyError"))
    run.finish()

    assert run.calls == [START]
    assert run.state.disks[0].data == "untouched"


def test_where_a_recheck_of_several_broke_each_is_checked_by_itself() -> None:
    """Whose fault it is shows in a recheck of its own; the others go on."""
    run = down(3)
    recheck = run.to(Recheck, WIPE)
    run.pending.remove(recheck)
    run.step(Broke(recheck.number, "KeyError"))
    assert not any(each.turned_back for each in run.states)
    for _ in range(3):
        recheck = run.to(Recheck, WIPE)
        assert len(recheck.commands) == 1
        if recheck.commands[0].position == 1:
            run.pending.remove(recheck)
            run.step(Broke(recheck.number, "KeyError"))
        else:
            run.answer(recheck)
    run.finish()

    assert [state.outcome(each) for each in run.states] == ["done", "failed", "done"]


# ---------------------------------------------------------------------------------------------- stages, and who agrees


@pytest.mark.parametrize("agreed", [True, False])
def test_a_stage_waits_for_whoever_is_asked(agreed: bool) -> None:
    """After the canary somebody is asked, while nothing is down; who says no ends the rest untouched."""
    run = Steps(3, canary=1, pause="canary")
    run.agreed = agreed
    run.finish()
    asked = [each for each in run.effects if type(each).__name__ == "AskToContinue"]

    assert len(asked) == 1
    assert [each.wipes for each in run.machines] == [1, int(agreed), int(agreed)]
    if not agreed:
        assert run.states[1].error is not None
        assert run.states[1].error.message == "Not begun: nobody agreed to continue."


def unseen_starts(count: int = 2) -> Steps:
    """Return a run over machines that are stopped before and show no StartTime, one in each stage."""
    return Steps(count, power="Stopped", shows_start_time=False, waves=((1, False),))


def test_a_machine_without_start_time_is_observed_while_its_stage_waits() -> None:
    """From the first step on, often enough that nobody can use it in between, and by its instance alone."""
    run = unseen_starts(3)
    observed: list[float] = []
    while not run.machines[2].wipes:
        run.go_on()
        for each in run.pending:
            known = each.watched if isinstance(each, Describe) else ()
            begins = isinstance(each, Recheck) and each.commands[0].position == 2
            if begins or any(job.instance_id == "i-2" for job in known):
                observed.append(run.at)
    run.finish()

    assert observed[0] == RUN_BEGAN
    assert len(observed) > 2
    assert all(later - earlier <= 15.0 for earlier, later in pairwise(observed))
    assert [state.outcome(each) for each in run.states] == ["done"] * 3


def test_a_use_before_its_stage_ends_a_machine_untouched() -> None:
    """Whoever starts it is seen, and no call is made for it."""
    run = unseen_starts()
    run.to(SendAttempts, WIPE)
    run.machines[1].status = "Running"
    run.finish()

    assert [state.outcome(each) for each in run.states] == ["done", "refused"]
    assert run.machines[1].wipes == 0


@pytest.mark.parametrize("pauses", [15.0, 16.0])
def test_a_gap_before_its_stage_ends_a_machine_without_start_time(pauses: float) -> None:
    """Nobody knows what happened in a gap, so nothing is wiped after it: 20 s, less the lag that is assumed."""
    run = unseen_starts()
    run.to(SendAttempts, WIPE)
    watched = run.states[1].watched_at
    assert watched is not None
    run.at = watched + pauses
    run.finish()

    assert state.outcome(run.states[1]) == ("done" if pauses == 15.0 else "refused")
    if pauses > 15.0:
        assert run.states[1].error is not None
        assert run.states[1].error.message.startswith("i-1 shows no StartTime and was not observed for 16s")


@pytest.mark.parametrize("late", [15.0, 16.0])
def test_what_was_confirmed_counts_until_the_first_observation(late: float) -> None:
    """A first observation long after the confirmation says nothing of the time between them."""
    run = Steps(power="Stopped", shows_start_time=False)
    run.at = RUN_BEGAN + late
    run.finish()

    assert state.outcome(run.state) == ("done" if late == 15.0 else "refused")


@pytest.mark.parametrize("first", [True, False])
def test_a_deadline_that_passes_while_facts_are_checked_is_heard(first: bool) -> None:
    """What has not been touched when the deadline passes is not touched any more, also with its recheck under way."""
    run = Steps(deadline=values.NOW + timedelta(seconds=RUN_BEGAN + 9.0))
    recheck = run.to(Recheck) if first else run.to_recheck(STOP)
    run.at = RUN_BEGAN + 10.0
    if first:
        run.step()
    run.answer(recheck)
    run.finish()

    assert run.calls == []
    assert run.state.error is not None
    assert "the deadline" in run.state.error.message


# ----------------------------------------------------------------------------------------------------- observations


def test_an_observation_that_is_late_is_reported() -> None:
    """After five real seconds without an answer nobody takes the last report for the present."""
    run = Steps(rate=2.0)
    run.answer(run.to(SendAttempts, STOP))
    run.go_on()
    while not any(isinstance(each, Describe) for each in run.pending):
        run.go_on()
    reported = len(run.reported("wait"))
    assert reported
    assert run.wake_at < run.at + 10.0
    run.wait(9.9)
    assert len(run.reported("wait")) == reported
    run.wait(0.1)
    before, late = run.reported("wait")[-2:]
    assert late == {**before, "why": "ECS has not answered yet", "elapsed": late["elapsed"]}
    assert late["elapsed"] >= before["elapsed"] + 10.0, "the time goes on, though nothing was observed"
    run.wait(10.0)
    assert len(run.reported("wait")) == reported + 1, "and only once"


@pytest.mark.parametrize(
    ("outcome", "limit_of"),
    [(OK, "wait"), (refused("Throttling"), "retries"), (AttemptUnanswered(), "wait")],
    ids=lambda each: getattr(each, "code", type(each).__name__),
)
def test_from_its_answer_on_it_is_reported_what_a_call_waits_for(outcome: Any, limit_of: str) -> None:
    """The first observation may come later; until then nobody need guess what is waited for, and how long."""
    run = Steps()
    run.answer(run.to(SendAttempts, STOP), outcome)
    wait = run.reported("wait")[-1]

    assert (wait["for"], wait["limit"], wait["limit_of"]) == ("Stopped", 600.0, limit_of)
    assert (wait["seen"], wait["disks"]) == (False, {"d-0": "In_use"})
    assert wait["elapsed"] <= 2.0


def test_no_step_is_asked_for_at_once_while_the_facts_of_a_job_are_read() -> None:
    """A run waits for what it has asked for, and steps again a tick later at the soonest."""
    run = Steps(3)
    run.to(Recheck)

    assert run.wake_at == run.at + 2.0


def test_a_state_is_reported_once() -> None:
    """What has not changed is not told again."""
    run = Steps()
    run.finish()
    result = run.reported("state")

    assert all(one != other for one, other in pairwise(result))


def test_numbers_that_nobody_waits_for_are_ignored() -> None:
    """An answer to what was not asked, or was answered before, changes nothing and brings nothing about."""
    run = down()
    call = run.to(SendAttempts, WIPE)
    before, number = run.states, call.number
    strange = (
        Observations(number + 9, (run.observation(),)), Rechecked(number + 9, (run.fresh(),)),
        RecheckFailed(number + 9, "x"), Answered(number + 9, (OK,)), Broke(number + 9, "KeyError"),
        Rechecked(number - 1, (run.fresh(),)),
        RecheckFailed(number - 1, "x", FULL),
    )  # fmt: skip
    effects = run.step_once(*strange)

    assert run.states == before
    assert kinds(effects) in (["WaitUntil"], ["Describe", "WaitUntil"])
    run.answer(call)
    accepted = run.states
    run.step(Answered(number, (refused("OperationDenied"),)), Broke(number, "KeyError"))
    assert run.states == accepted


# ---------------------------------------------------------------------------------------------- deterministic, values


def test_the_same_inputs_give_the_same_effects() -> None:
    """A run is the same again, also in other processes with other seeds of hashes."""
    program = "from tests.core.runs import whole_run; print(whole_run())"
    root = str(Path(__file__).resolve().parents[2])
    others = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=root, env={"PYTHONHASHSEED": seed, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE, text=True,
        )
        for seed in ("1", "2")
    ]  # fmt: skip
    here = {whole_run(), whole_run()}

    assert {each.communicate()[0].strip() for each in others} == here
    assert len(here) == 1


def types_in(kind: Any, found: set[Any]) -> set[Any]:
    """Return this type and those of all its members."""
    if kind in found:
        return found
    found.add(kind)
    for each in typing.get_args(kind):
        types_in(each, found)
    if dataclasses.is_dataclass(kind):
        for each in typing.get_type_hints(kind).values():
            types_in(each, found)
    return found


PLAIN = {str, int, float, bool, type(None), datetime, object, Any, Ellipsis}


def is_value(kind: Any) -> bool:
    """Whether a type is one of plain values and containers of such."""
    origin = typing.get_origin(kind)
    if origin in (tuple, Mapping, Sequence, typing.Union, types.UnionType, typing.Literal) or isinstance(kind, str):
        return True
    return kind in PLAIN or (dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen)  # type: ignore[union-attr]


def test_inputs_effects_and_states_hold_values_alone() -> None:
    """No member of an input, an effect or a state is a function: a run can be written down and replayed."""
    found: set[Any] = set()
    for kind in (inputs.Input, inputs.Effect, inputs.Now, JobState):
        types_in(kind, found)

    assert {JobState, Wipe, Step, SafetySnapshot, Command, Accepted, Notify, WaitUntil} <= found
    assert [each for each in found if not is_value(each)] == []
    assert Callable not in {typing.get_origin(each) for each in found}


@cache
def imports() -> list[tuple[str, str]]:
    """Return the files of the core and the names of what each imports."""
    found = []
    for path in sorted(Path(core.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found += [(path.name, alias.name.partition(".")[0]) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.append((path.name, (node.module or "").partition(".")[0]))
    return found


@pytest.mark.parametrize("module", ["time", "random", "uuid", "os", "threading", "asyncio", "logging"])
def test_the_core_reaches_nothing_outside_it(module: str) -> None:
    """No file of the core imports what would make two steps with the same inputs differ."""
    assert [path for path, name in imports() if name == module] == []
