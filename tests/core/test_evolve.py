"""How events change the state of a job: transitions, states that settle, limits that pass, and its outcome."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from safe_reinit.core import answers as core_answers
from safe_reinit.core import observations as core_observations
from safe_reinit.core import resuming as core_resuming
from safe_reinit.core import snapshots as core_snapshots
from safe_reinit.core import state as core_state
from safe_reinit.core.decide import decide
from safe_reinit.model import (
    LOCK_TAG,
    ActionName,
    Command,
    Failure,
    Finish,
    JobState,
    Limits,
    Observation,
    Options,
    PlannedDisk,
    PlannedJob,
    Snapshot,
    Step,
    Wait,
    Wipe,
)
from safe_reinit.model.codec import timestamp
from safe_reinit.model.error_codes import waits_for_snapshot
from tests import values

INSTANCE, DISK = values.INSTANCE_ID, values.DISK_ID
MINUTE_OVER = values.NOW.replace(second=30) + timedelta(minutes=1)
"""When a start that shows now is over by ECS's clock: 30 seconds after its minute."""
STOP, WIPE, START = Command("StopInstance", INSTANCE), Command("ReInitDisk", DISK), Command("StartInstance", INSTANCE)
SNAPSHOT, RESET = Command("CreateSnapshot", DISK), Command("ResetDisk", DISK)
TAG, UNTAG = Command("TagResources", INSTANCE), Command("UntagResources", INSTANCE)
FORCE = Command("StopInstance", INSTANCE, force=True)
RUN, SHOT, RESTORE = "r-1", "s-safety", "s-restore"
OF_ANOTHER_SNAPSHOT = [
    code
    for code in ("IncorrectDiskStatus.CreatingSnapshot", "QuotaExceed.ConcurrentSnapshotQuota", "IdempotentProcessing")
    if waits_for_snapshot("CreateSnapshot", code)
]
T = 1000.0
"""Cloud seconds at which the stories below begin."""
FAILURE = Failure("Throttling", "ECS refused it.")
LIMITS = Limits(stop=100.0, snapshot=100.0, reinit=200.0, start=100.0, retry=50.0)


def begin(power: str = "Running", disks: tuple[str, ...] = (DISK,), **more: Any) -> JobState:
    """Return the record of a job that has just begun."""
    planned = tuple(PlannedDisk(each) for each in disks)
    stops = power == "Running"
    job = PlannedJob(INSTANCE, "web", power, "Running", will_stop=stops, will_start=stops, disks=planned)
    job = replace(job, expected=values.started(INSTANCE))
    begun = core_state.begin(job, LIMITS, at=T, run_id=RUN, options=Options(**more))
    return replace(begun, lag=0.0)  # nothing is shown late, but where a test says so


def observing(at: float, status: str = "Stopped", disk: str | None = "In_use", **more: Any) -> Observation:
    """Return what is seen at a time: the instance in this status (``gone`` for none), the disk in that one."""
    tags = ((LOCK_TAG, more.pop("tag")),) if "tag" in more else ()
    instance = None if status == "gone" else values.an_instance(status=status, tags=tags)
    where = more.pop("where", INSTANCE)
    disks = {} if disk is None else {DISK: values.a_disk(status=disk, instance_id=where)}
    when = values.NOW + timedelta(seconds=at)
    return Observation(
        **{"at": T + at, "when": when, "answered": True, "instance": instance, "disks": disks, "date": when, **more}
    )


def wiping(state: str = "accepted", **more: Any) -> JobState:
    """Return the record of a stopped machine whose disk was just asked for."""
    known = core_answers.intend(begin("Stopped"), WIPE, observing(0.0))
    if state == "accepted":
        return core_answers.accepted(known, WIPE, T)
    if state == "lost":
        return core_answers.lost(known, WIPE, T)
    return replace(known, **more)


def stopping() -> JobState:
    """Return the record of a running machine whose stop was accepted."""
    return core_answers.accepted(core_answers.intend(begin(), STOP, observing(0.0, "Running")), STOP, T)


def evolve_observed(known: JobState, *seen: Observation) -> JobState:
    """Learn from several looks."""
    for each in seen:
        known = core_observations.evolve_observed(known, each)
    return known


# The proof of a wipe.


def test_reiniting_and_then_in_use_is_proof_by_transition() -> None:
    """A wipe that was seen to begin and to end is done, and its evidence says so."""
    known = evolve_observed(wiping(), observing(2, disk="ReIniting"), observing(4))

    assert (known.disks[0].state, known.disks[0].evidence) == ("done", "transition")


def test_the_first_in_use_proves_nothing() -> None:
    """In_use is the state the disk was in already: until the settling time has passed the wipe is not done."""
    known = evolve_observed(wiping(), *(observing(at) for at in (2, 4, 6, 8, 10, 12, 14, 16, 18)))

    assert known.disks[0].state == "accepted"


def test_in_use_through_the_settling_time_is_proof_after_an_accepted_call() -> None:
    """Twenty seconds and four reads of In_use after an accepted call are done by ``settled``."""
    known = evolve_observed(wiping(), *(observing(at) for at in (2, 8, 14, 20.5)))

    assert (known.disks[0].state, known.disks[0].evidence) == ("done", "settled")


@pytest.mark.parametrize("times", [(19.0, 20.0, 21.0), (2, 4, 6, 8, 10), (40.0,)])
def test_too_small_a_number_of_reads_or_too_little_time_settles_nothing(times: tuple[float, ...]) -> None:
    """Both the time and the number of reads are needed."""
    assert evolve_observed(wiping(), *(observing(at) for at in times)).disks[0].state == "accepted"


def test_a_read_that_failed_does_not_count() -> None:
    """Looks that were not answered do not settle a state."""
    unseen = [observing(at, answered=False, instance=None, disks={}) for at in (2, 8, 14, 20, 26)]

    assert evolve_observed(wiping(), *unseen).disks[0].reads == 0


def test_a_lost_answer_with_nothing_seen_is_asked_again_behind_the_fence() -> None:
    """Where every look since shows that nobody used the machine, ReInitDisk may be sent again, at most twice."""
    reads = [observing(at) for at in (2, 8, 14, 20.5)]
    known = evolve_observed(wiping("lost"), *reads)

    assert known.disks[0].state == "resend"
    assert decide(known, observing(20.5)) == WIPE

    spent = replace(wiping("lost"), disks=(replace(wiping("lost").disks[0], losses=3),))

    assert evolve_observed(spent, *reads).disks[0].state == "unknown"


@pytest.mark.parametrize(
    "reads",
    [
        pytest.param([observing(at) for at in (2, 8, 30, 36)], id="a gap"),
        pytest.param([observing(2), observing(8, "Running"), observing(14), observing(20.5)], id="somebody started it"),
    ],
)
def test_a_lost_answer_with_nothing_seen_ends_unknown(reads: list[Observation]) -> None:
    """Where somebody may have used the machine since, a lost answer is neither done nor refused nor repeated."""
    known = evolve_observed(wiping("lost"), *reads)

    assert known.disks[0].state == "unknown"
    assert core_state.outcome(known) == "unknown"
    assert isinstance(decide(known, observing(40)), Finish)
    assert known.error is not None
    assert "No answer to ReInitDisk" in known.error.message


def test_a_lost_answer_may_have_come_to_another_host() -> None:
    """Who held the run and never let it go may have the answer: it is not said that none came."""
    held = replace(wiping("lost"), unrecorded_by="alice@h1")
    known = evolve_observed(held, observing(2), observing(8, "Running"), observing(14), observing(20.5))

    assert known.disks[0].state == "unknown"
    assert "is in the journal (its earlier holder was alice@h1), and" in (known.error or FAILURE).message


def test_what_is_to_be_retried_forgives_a_gap_and_never_a_start() -> None:
    """``on_unknown: retry`` sends again after a gap in the looks, but not once a start was seen."""
    known = replace(wiping("lost"), on_unknown="retry")

    assert evolve_observed(known, *(observing(at) for at in (2, 8, 30, 36))).disks[0].state == "resend"
    assert (
        evolve_observed(known, observing(2), observing(8, "Running"), observing(30), observing(36)).disks[0].state
        == "unknown"
    )


@pytest.mark.parametrize("at", [2, 18, 19.9])
def test_a_lost_answer_is_found_by_the_reiniting_that_is_seen(at: float) -> None:
    """ReIniting after a lost answer says that the call was accepted."""
    known = evolve_observed(wiping("lost"), observing(at, disk="ReIniting"))

    assert known.disks[0].state == "accepted"


def test_reiniting_seen_while_the_call_hangs_counts_when_its_answer_is_lost() -> None:
    """What was seen during the call is not forgotten when its answer does not come."""
    known = evolve_observed(wiping("asked"), observing(2, disk="ReIniting"))

    assert core_answers.lost(known, WIPE, T + 3.0).disks[0].state == "accepted"


def test_a_late_answer_that_comes_while_the_wipe_is_sent_again_is_not_forgotten() -> None:
    """Lost, refused or not sent at all, the second attempt leaves the first one accepted, and none follows it."""
    again = core_answers.intend(
        evolve_observed(wiping("lost"), *(observing(at) for at in (2, 9, 16, 23, 26))), WIPE, observing(26)
    )
    known = core_answers.accepted_before(again, WIPE, T + 27.0)

    for after in (
        core_answers.lost(known, WIPE, T + 28.0),
        core_answers.refused(known, WIPE, FAILURE, T + 28.0, values.NOW, None),
        core_answers.refused(known, WIPE, FAILURE, T + 28.0, values.NOW, T + 30.0),
        core_answers.withdraw(known, WIPE, T + 28.0),
    ):
        assert (after.disks[0].state, after.error) == ("accepted", None)


@pytest.mark.parametrize(
    ("status", "where"), [("Available", ""), ("Detaching", INSTANCE), ("In_use", "i-other"), ("Sleeping", INSTANCE)]
)
@pytest.mark.parametrize("state", ["accepted", "lost"])
def test_a_disk_that_ends_elsewhere_is_unknown(state: str, status: str, where: str) -> None:
    """A disk that shows another state than ReIniting or In_use on its machine proves no wipe."""
    known = evolve_observed(wiping(state), observing(2, disk=status, where=where))

    assert known.disks[0].state == "unknown"


def test_a_disk_that_somebody_else_wipes_is_unknown() -> None:
    """ReIniting before our call is not ours, so nobody can say what the data is."""
    known = evolve_observed(begin("Stopped"), observing(2, disk="ReIniting"))

    assert known.disks[0].state == "unknown"
    assert known.error is not None
    assert "somebody else" in known.error.message


def test_a_wipe_that_does_not_end_is_unknown_with_the_last_state() -> None:
    """When the time for the wipe has passed the outcome is unknown, and the message names the last state."""
    known = evolve_observed(
        wiping(), observing(2, disk="ReIniting"), observing(199, disk="ReIniting"), observing(201, disk="ReIniting")
    )

    assert known.disks[0].state == "unknown"
    assert known.error is not None
    assert "ReIniting" in known.error.message
    assert isinstance(decide(known, observing(202, disk="ReIniting")), Finish)


# Stop and start.


def test_a_stop_is_done_when_stopped_is_seen() -> None:
    """Stopping and then Stopped end the stop, and its phase."""
    known = evolve_observed(stopping(), observing(2, "Stopping"), observing(4, "Stopped"))

    assert known.stop.state == "done"
    assert (known.phases[0].name, known.phases[0].result) == ("stop", "ok")
    assert known.phases[0].ended_at is not None


@pytest.mark.parametrize("status", ["Running", "Starting", "Pending", "Sleeping"])
def test_a_stop_that_turns_around_is_a_failure(status: str) -> None:
    """An instance that was Stopping and then shows anything but Stopped is in somebody else's hands."""
    known = evolve_observed(stopping(), observing(2, "Stopping"), observing(4, status))

    assert known.stop.state == "failed"
    assert known.error is not None
    assert status in known.error.message


def test_a_stop_that_is_accepted_and_not_yet_seen_is_waited_for() -> None:
    """Running right after an accepted stop is an old look, not a failure."""
    known = evolve_observed(stopping(), *(observing(at, "Running") for at in (2, 10, 19)))

    assert known.error is None
    assert not isinstance(decide(known, observing(19.5, "Running")), Command)


@pytest.mark.parametrize(
    ("reads", "lag"),
    [
        ([(2, "Running"), (4, "Running"), (6, "Stopping")], 6.0),
        ([(1, "Stopping"), (30, "Stopped")], 1.0),
        ([(3, "Stopped")], 3.0),
        ([(45, "Stopped")], core_state.LAG_BOUND),
        ([(2, "Running"), (40, "Stopping")], 2.0 + core_state.LAG_BOUND),
        ([(2, "Running"), (40, "Running"), (42, "Running"), (43, "Stopped")], 43.0),
    ],
)
def test_the_lag_is_sampled_by_our_own_stop(reads: list[tuple[float, str]], lag: float) -> None:
    """ECS shows a stop late by the time from its answer to the first look that shows it, if we looked often enough."""
    known = replace(stopping(), lag=None)
    assert core_state.lag_of(known) == core_state.LAG_BOUND

    assert evolve_observed(known, *(observing(at, status) for at, status in reads)).lag == lag


def test_where_our_stop_is_shown_too_late_no_wipe_is_sent() -> None:
    """A lag of 20 s or more could hide that somebody uses the machine, so it comes back unwiped."""
    known = evolve_observed(stopping(), *(observing(at, "Running") for at in (2, 10, 20)))

    assert known.error is not None
    assert "ECS shows changes 20s late" in known.error.message
    stopped = evolve_observed(known, observing(25, "Stopped"))
    assert decide(stopped, observing(26, "Stopped")) == START


def test_a_machine_that_was_not_watched_since_its_stop_tells_nothing_of_the_lag() -> None:
    """One that is Running long after its stop need not have been stopped at all: that is no lag."""
    known = evolve_observed(replace(stopping(), lag=None), observing(60, "Running"))

    assert (known.lag, known.error) == (None, None)


@pytest.mark.parametrize("lag", [0.0, 12.0])
def test_what_a_lost_answer_did_shows_later_by_the_lag(lag: float) -> None:
    """Nothing is proven by looks that may be older than what they are to show."""
    known = replace(core_answers.lost(core_answers.intend(begin(), STOP, observing(0, "Running")), STOP, T), lag=lag)
    reads = [observing(at, "Running") for at in (2, 8, 14, 19.5 + lag)]

    assert evolve_observed(known, *reads).stop.state == "lost"
    assert evolve_observed(known, *reads, observing(20 + lag, "Running")).stop.state == "resend"


def test_a_lost_stop_that_shows_late_tells_the_lag() -> None:
    """A call arrives before its answer is found missing, or never: what it did and shows later is a lag."""
    lost = replace(core_answers.lost(core_answers.intend(begin(), STOP, observing(0, "Running")), STOP, T), lag=None)
    running = evolve_observed(lost, *(observing(at, "Running") for at in (6, 12, 18)))

    assert running.lag is None
    assert evolve_observed(running, observing(19, "Stopping")).lag == 19.0
    assert evolve_observed(running, observing(90, "Stopped")).lag == 18.0 + core_state.LAG_BOUND


def test_a_machine_whose_lost_stop_shows_too_late_is_not_wiped() -> None:
    """Where a lost stop shows so late that somebody could use the machine unseen, the power comes back."""
    lost = replace(core_answers.lost(core_answers.intend(begin(), STOP, observing(0, "Running")), STOP, T), lag=None)
    shown = evolve_observed(lost, *(observing(at, "Running") for at in (6, 12, 18, 24)), observing(30, "Stopped"))

    assert shown.error is not None
    assert "29s late" in shown.error.message
    assert decide(shown, observing(31, "Stopped")) == START


def test_the_lag_that_another_machine_of_the_run_showed_counts() -> None:
    """The lag is one of the cloud: the largest that any job has sampled holds for all."""
    known = core_observations.evolve_observed(begin("Stopped"), observing(2), 21.0)

    assert known.lag == 21.0
    assert known.error is not None


def test_a_lost_stop_of_which_nothing_shows_is_asked_again() -> None:
    """A stop is harmless to repeat, once the settling time has shown nothing of the first."""
    known = core_answers.lost(core_answers.intend(begin(), STOP, observing(0, "Running")), STOP, T)
    known = evolve_observed(known, *(observing(at, "Running") for at in (2, 8, 14, 20.5)))

    assert known.stop.state == "resend"
    assert decide(known, observing(21, "Running")) == STOP


@pytest.mark.parametrize("status", ["Running", "Stopping"])
def test_a_stop_that_takes_too_long_names_the_last_state(status: str) -> None:
    """When the time for the stop has passed the run turns back and says what it last saw."""
    known = evolve_observed(stopping(), observing(50, status), observing(101, status))

    assert known.error is not None
    assert f"still {status}" in known.error.message
    assert known.phases[0].result == "timeout"
    assert not known.given_up


def test_a_stop_that_comes_late_leads_to_a_start() -> None:
    """Stopped after the time had passed means: start again."""
    known = evolve_observed(stopping(), observing(2, "Stopping"), observing(101, "Stopping"), observing(150, "Stopped"))

    assert decide(known, observing(150, "Stopped")) == START


def test_a_stop_that_never_comes_is_given_up_after_the_time_for_a_start() -> None:
    """The watch for a late Stopped has an end, and the end is stranded."""
    known = evolve_observed(
        stopping(), observing(2, "Stopping"), observing(101, "Stopping"), observing(202, "Stopping")
    )

    assert isinstance(decide(known, observing(203, "Stopping")), Finish)
    assert core_state.outcome(known) == "stranded"


def started() -> JobState:
    """Return the record of a wiped machine whose start was accepted."""
    known = replace(
        begin(), stop=Step("done", tries=1, first_at=T, at=T), disks=(Wipe(DISK, "done", 1, evidence="transition"),)
    )
    return core_answers.accepted(core_answers.intend(known, START, observing(10)), START, T + 10.0)


def test_a_start_is_done_when_running_is_seen() -> None:
    """Starting and then Running end the start with the outcome done."""
    known = evolve_observed(started(), observing(12, "Starting"), observing(14, "Running"))

    assert known.start.state == "done"
    assert core_state.outcome(known) == "done"
    assert known.phases[-1].result == "ok"


def test_a_start_that_falls_back_is_not_restarted() -> None:
    """Starting and then Stopped is a start that failed, after a wipe that is proven."""
    known = evolve_observed(started(), observing(12, "Starting"), observing(14, "Stopped"))

    assert core_state.outcome(known) == "not-restarted"
    assert isinstance(decide(known, observing(15, "Stopped")), Finish)


def test_a_start_that_is_tried_again_is_a_phase_of_its_own() -> None:
    """A report of a machine that runs again shows its second start beside the first, which failed."""
    failed = evolve_observed(started(), observing(12, "Starting"), observing(14, "Stopped"))
    again = core_answers.accepted(core_answers.intend(failed, START, observing(30)), START, T + 30.0)
    known = evolve_observed(again, observing(32, "Starting"), observing(40, "Running"))

    assert [(each.name, each.result) for each in known.phases[-2:]] == [("start", "refused"), ("start", "ok")]


@pytest.mark.parametrize("status", ["Starting", "Stopped"])
def test_a_start_that_takes_too_long_names_the_last_state(status: str) -> None:
    """When the time for the start has passed the end is not-restarted, with what was last seen."""
    known = evolve_observed(started(), observing(12, status), observing(111, status))

    assert core_state.outcome(known) == "not-restarted"
    assert known.error is not None
    assert status in known.error.message


def test_a_start_that_was_refused_until_its_limit_names_the_code() -> None:
    """The refusal that the last attempt met is said; once one was accepted, it is not."""
    refusal = Failure("OperationDenied.NoStock", "refused", action="StartInstance")
    refused = core_answers.refused(started(), START, refusal, T + 10.0, values.NOW, T + 20.0)
    late = evolve_observed(refused, observing(111))
    accepted = core_answers.accepted(refused, START, T + 12.0)
    stuck = evolve_observed(accepted, observing(113, "Starting"))

    assert late.error is not None
    assert late.error.code == "OperationDenied.NoStock"
    assert "OperationDenied.NoStock" in late.error.message
    assert stuck.error is not None
    assert "NoStock" not in stuck.error.message


def test_a_lost_start_of_which_nothing_shows_is_asked_again() -> None:
    """A start may be repeated once the settling time has shown nothing of the first."""
    known = core_answers.lost(started(), START, T + 10.0)
    known = evolve_observed(known, *(observing(at) for at in (12, 18, 24, 30.5)))

    assert decide(known, observing(31)) == START


@pytest.mark.parametrize("power", ["Running", "Stopped"])
def test_a_machine_that_others_start_or_stop_before_our_first_call_ends_the_job(power: str) -> None:
    """A state that is not the one before the first call belongs to somebody else."""
    other = "Stopped" if power == "Running" else "Running"
    known = evolve_observed(begin(power), observing(2, other))

    assert core_state.outcome(known) == "refused"
    assert known.error is not None
    assert f"{power} -> {other}" in known.error.message


def test_a_refusal_proves_nothing_of_a_stop_whose_answer_was_lost() -> None:
    """The second StopInstance is refused for good: the first may be done late, and then the machine is started."""
    known = core_answers.lost(core_answers.intend(begin(), STOP, observing(0, "Running")), STOP, T + 1.0)
    known = evolve_observed(known, *(observing(at, "Running") for at in (2, 9, 16, 23)))
    known = core_answers.intend(known, STOP, observing(24, "Running"))
    known = core_answers.refused(known, STOP, Failure("OperationDenied", "No."), T + 25.0, values.NOW, None)

    assert isinstance(decide(known, observing(26, "Running")), Wait)
    assert decide(evolve_observed(known, observing(28, "Stopped")), observing(28, "Stopped")) == START
    still = evolve_observed(known, *(observing(at, "Running") for at in (28, 35, 42, 49)))
    assert (decide(still, observing(49, "Running")), core_state.outcome(still)) == (Finish(), "failed")


@pytest.mark.parametrize("refusal", ["Throttling", "NotSent"])
@pytest.mark.parametrize("status", ["Stopped", "Stopping"])
def test_a_stop_that_was_proven_not_done_makes_no_stop_ours(status: str, refusal: str) -> None:
    """Where our stop was refused and the machine goes down all the same, another person stopped it."""
    known = core_answers.intend(begin(), STOP, observing(0, "Running"))
    known = core_answers.refused(known, STOP, Failure(refusal, refusal), T + 1.0, values.NOW, T + 3.0)
    known = evolve_observed(known, observing(2, status), observing(4, "Stopped"))

    assert not isinstance(decide(known, observing(6, "Stopped")), Command)
    assert known.error is not None


# Gone.


@pytest.mark.parametrize(("status", "disk"), [("gone", "In_use"), ("Stopped", None), ("gone", None)])
def test_what_is_not_shown_for_a_moment_is_not_gone(status: str, disk: str | None) -> None:
    """A Describe may lag behind: one look without the disk or the instance ends nothing."""
    known = evolve_observed(begin("Stopped"), observing(2, status, disk), observing(4))

    assert known.error is None
    assert not known.given_up


@pytest.mark.parametrize(("status", "disk"), [("gone", "In_use"), ("Stopped", None)])
def test_what_stays_unlisted_is_not_wiped_and_looked_for_on(status: str, disk: str | None) -> None:
    """What no look shows through the settling time ends the job; a wipe under way is looked for until its limit."""
    reads = [observing(at, status, disk) for at in (2, 8, 14, 20, 23)]

    assert isinstance(decide(evolve_observed(begin("Stopped"), *reads), reads[-1]), Finish)
    for known in (evolve_observed(begin("Stopped"), *reads), evolve_observed(wiping(), *reads)):
        assert known.error is not None
        assert "no longer lists" in known.error.message
    if disk is None:
        assert (
            core_state.outcome(evolve_observed(wiping(), *reads, observing(LIMITS.reinit + 30, status, disk)))
            == "unknown"
        )


def test_the_start_that_is_due_is_sent_to_a_machine_that_is_not_listed() -> None:
    """Absence is no proof: StartInstance is sent, and only NotFound ends what is owed to the machine."""
    stopped = replace(stopping(), stop=replace(stopping().stop, state="done"))
    reads = [observing(at, "gone") for at in (2, 8, 14, 20, 23)]
    known = evolve_observed(stopped, *reads)

    assert decide(known, reads[-1]) == START
    asked = core_answers.intend(known, START, reads[-1])
    other = core_answers.refused(asked, START, Failure("DiskError", "No."), T + 24, values.NOW, None)
    gone = core_answers.refused(asked, START, Failure("InvalidInstanceId.NotFound", "No."), T + 24, values.NOW, None)
    assert (core_state.is_pending(other), core_state.is_pending(gone)) == (True, False)
    assert isinstance(decide(gone, observing(26, "gone")), Finish)


def test_a_machine_that_is_not_shown_any_more_has_no_power_to_report() -> None:
    """Where the machine vanished after our stop was accepted, power is not told to be as promised."""
    known = evolve_observed(stopping(), observing(1, "Running"), *(observing(at, "gone") for at in (2, 8, 14, 20, 23)))

    assert core_state.outcome(known) == "stranded"


# Refusals, and what a record comes to.


def test_a_refusal_that_passes_is_due_again_only_within_its_time() -> None:
    """A retryable refusal of the wipe is retried for as long as a machine may be down for it; then it is final."""
    known = core_answers.refused(wiping("asked"), WIPE, FAILURE, T, values.NOW, T + 2.0)

    assert (known.disks[0].state, known.disks[0].due) == ("todo", T + 2.0)
    assert not isinstance(decide(known, observing(1.0)), Command)
    assert decide(known, observing(2.0)) == WIPE

    again = core_answers.refused(
        core_answers.intend(known, WIPE, observing(40)), WIPE, FAILURE, T + 40.0, values.NOW, T + 51.0
    )

    assert again.disks[0].state == "refused"
    assert again.error == FAILURE


def test_a_snapshot_in_the_way_has_the_time_of_a_snapshot() -> None:
    """DiskCreatingSnapshot is retried as long as a snapshot may take, not as long as other refusals."""
    creating = Failure("DiskCreatingSnapshot", "A snapshot is being created.")
    first = core_answers.refused(wiping("asked"), WIPE, creating, T, values.NOW, T + 2.0)
    later = core_answers.refused(
        core_answers.intend(first, WIPE, observing(60)), WIPE, creating, T + 60.0, values.NOW, T + 70.0
    )

    assert later.disks[0].state == "todo"


def test_a_wipe_is_sent_again_only_in_the_first_half_of_the_limit_of_all_wipes() -> None:
    """A refusal that would be retried later than that is final at once, however long this one may be retried."""
    creating = Failure("DiskCreatingSnapshot", "A snapshot is being created.")
    known = replace(begin("Stopped"), limits=replace(LIMITS, snapshot=1000.0))
    asked = core_answers.intend(known, WIPE, observing(0.0))

    kept = core_answers.refused(asked, WIPE, creating, T, values.NOW, T + LIMITS.reinit / 2)
    ended = core_answers.refused(asked, WIPE, creating, T, values.NOW, T + LIMITS.reinit / 2 + 1)

    assert (kept.disks[0].state, ended.disks[0].state) == ("todo", "refused")


def test_a_wipe_that_waits_longer_than_that_is_not_sent() -> None:
    """The job turns back, and the wipe that was sent is watched to its end."""
    known = replace(wiping(), disks=(*wiping().disks, Wipe("d-2")))
    in_time = evolve_observed(known, observing(LIMITS.reinit / 2, disk="ReIniting"))
    late = evolve_observed(in_time, observing(LIMITS.reinit / 2 + 1, disk="ReIniting"))

    assert in_time.error is None
    assert late.error is not None
    assert "half of --timeout-reinit" in late.error.message
    assert core_state.outcome(evolve_observed(late, observing(LIMITS.reinit / 2 + 5))) == "partial"


def test_the_limit_of_all_wipes_counts_from_the_first() -> None:
    """A wipe that was accepted late has no more time than the others: the phase ends within its limit."""
    waiting = core_answers.refused(wiping("asked"), WIPE, FAILURE, T, values.NOW, T + 2.0)
    late = core_answers.accepted(core_answers.intend(waiting, WIPE, observing(50)), WIPE, T + 50)

    known = evolve_observed(late, *(observing(at, disk="ReIniting") for at in (60, LIMITS.reinit)))
    assert known.disks[0].state == "accepted"
    assert evolve_observed(known, observing(LIMITS.reinit + 1, disk="ReIniting")).disks[0].state == "unknown"


@pytest.mark.parametrize("again", [core_resuming.after_pause, core_resuming.resume])
def test_the_limit_of_all_wipes_counts_from_the_end_of_a_pause(again: Callable[[JobState, float], JobState]) -> None:
    """So it does for a process that resumes the run: neither could do anything in between."""
    known = again(wiping(), T + 500)

    assert evolve_observed(known, observing(500 + LIMITS.reinit, disk="ReIniting")).disks[0].state == "accepted"


def test_a_wipe_that_was_not_sent_leaves_no_limit_behind() -> None:
    """Where no wipe has left, the time of all wipes has not begun."""
    known = core_answers.withdraw(wiping("asked"), WIPE, T)

    assert known.wiping_since is None


def test_the_first_failure_stays_in_front() -> None:
    """What goes wrong later is told behind what went wrong first, and not twice."""
    known = begin()
    for code, message in (("A", "One."), ("B", "Two."), ("B", "Two.")):
        known = core_state.fail(known, Failure(code, message))

    assert known.error is not None
    assert (known.error.code, known.error.message) == ("A", "One. Then: Two.")


@pytest.mark.parametrize(
    ("states", "tried", "power", "expected"),
    [
        (("todo",), False, "Running", "refused"),
        (("todo",), True, "Running", "failed"),
        (("todo",), True, "Stopping", "stranded"),
        (("refused",), True, "Running", "failed"),
        (("refused",), True, "Stopped", "stranded"),
        (("done",), True, "Running", "done"),
        (("done",), True, "Stopped", "not-restarted"),
        (("done", "done"), True, "Running", "done"),
        (("done", "refused"), True, "Running", "partial"),
        (("done", "todo"), True, "Stopped", "partial"),
        (("done", "unknown"), True, "Stopped", "unknown"),
        (("asked",), True, "Stopped", "unknown"),
        (("accepted",), True, "Stopped", "unknown"),
        (("lost",), True, "Stopped", "unknown"),
        (("unknown", "todo"), True, "Stopped", "unknown"),
    ],
)
def test_an_outcome_follows_the_table(states: tuple[str, ...], tried: bool, power: str, expected: str) -> None:
    """Data first, then power: the outcome is the one of the table of exit codes."""
    disks = tuple(Wipe(f"d-{n}", state) for n, state in enumerate(states))  # type: ignore[arg-type]
    stop = Step("done", tries=1) if tried else Step()

    assert core_state.outcome(replace(begin(), disks=disks, stop=stop, instance_status=power)) == expected


@pytest.mark.parametrize(
    ("states", "power", "gone", "pending"),
    [
        (("done",), "Running", False, False),
        (("done",), "Stopped", False, True),
        (("refused",), "Running", False, False),
        (("refused",), "Stopped", False, True),
        (("done", "refused"), "Running", False, False),
        (("done", "refused"), "Stopped", False, True),
        (("done", "refused"), "", False, True),
        (("done", "unknown"), "Stopped", False, True),
        (("done", "refused"), "Stopped", True, False),
        (("unknown",), "Stopped", True, False),
    ],
)
def test_what_is_pending_for_a_machine(states: tuple[str, ...], power: str, gone: bool, pending: bool) -> None:
    """A doubt, or a power that is not as promised, whatever the outcome is called; nothing to one that is gone."""
    disks = tuple(Wipe(f"d-{n}", state) for n, state in enumerate(states))  # type: ignore[arg-type]
    known = replace(begin(), disks=disks, stop=Step("done", tries=1), instance_status=power, gone=gone)

    assert core_state.is_pending(known) is pending


@pytest.mark.parametrize(
    ("before", "stop", "power", "pending"),
    [
        ("Running", "failed", "Stopped", False),
        ("Running", "failed", "Stopping", False),
        ("Running", "lost", "", True),
        ("Running", "resend", "", True),
        ("Running", "again", "", False),
        ("Stopped", "none", "Running", False),
        ("Stopped", "none", "", True),
    ],
)
def test_nothing_is_left_to_do_where_others_changed_the_power(
    before: str, stop: Any, power: str, pending: bool
) -> None:
    """A run starts only what it stopped, and waits for nothing that others do."""
    state: Any = "done" if before == "Stopped" else "todo"
    known = replace(begin(before), disks=(Wipe(DISK, state, 1),), stop=Step(stop, tries=1), instance_status=power)

    assert core_state.is_pending(known) is pending


@pytest.mark.parametrize(
    ("power", "leave", "state", "promised"),
    [
        ("Running", False, "done", "Running"),
        ("Running", True, "done", "Stopped"),
        ("Running", True, "todo", "Running"),
        ("Running", True, "refused", "Running"),
        ("Running", True, "unknown", "Stopped"),
        ("Stopped", False, "done", "Stopped"),
        ("Stopped", True, "refused", "Stopped"),
    ],
)
def test_power_is_promised_for_the_state_that_was_reached(power: str, leave: bool, state: str, promised: str) -> None:
    """``leave_stopped`` holds only after a wipe; what was stopped before stays stopped."""
    wipe = Wipe(DISK, state)  # type: ignore[arg-type]

    assert replace(begin(power, leave_stopped=leave), disks=(wipe,)).promised == promised


def test_the_intention_holds_what_was_seen_just_before_it() -> None:
    """The fence of a wipe is the start time, the status and the attachment of the look it was decided on."""
    fence = wiping().disks[0].fence

    assert fence is not None
    assert (fence.status, fence.instance_id) == ("Stopped", INSTANCE)
    assert fence.start_time == values.YESTERDAY
    assert fence.attached_time == values.LONG_AGO


def test_a_snapshot_wait_has_its_phase_and_its_end() -> None:
    """The wait for a snapshot is a phase that ends with it, or as a time-out that names the snapshot."""
    growing = values.a_snapshot(status="progressing")
    waiting = evolve_observed(begin(), observing(2, "Running", progressing=(growing,)))
    over = evolve_observed(waiting, observing(50, "Running"))
    unseen = evolve_observed(waiting, observing(103, "gone", None, answered=False))
    assert unseen.error is not None
    assert "did not see a snapshot of a disk end within --timeout-snapshot" in unseen.error.message

    late = evolve_observed(waiting, observing(103, "Running", progressing=(growing,)))

    assert (over.phases[0].name, over.phases[0].result) == ("wait-snapshot", "ok")
    assert late.phases[0].result == "timeout"
    assert late.error is not None
    assert growing.snapshot_id in late.error.message
    assert core_state.outcome(late) == "refused"


@pytest.mark.parametrize("listed", [True, False])
def test_no_such_instance_is_believed_only_where_ecs_does_not_list_it_either(*, listed: bool) -> None:
    """ECS may say once of a machine that it lists that there is none: it is started again, and the run stays open."""
    down = evolve_observed(stopping(), observing(2, "Stopping"), observing(10))
    seen = down if listed else replace(down, instance_status="")
    asked = core_answers.intend(core_state.interrupt(seen), START, observing(11) if listed else observing(11, "gone"))
    missing = Failure("InvalidInstanceId.NotFound", "ECS refused it.")
    known = core_answers.refused(asked, START, missing, T + 12.0, values.NOW, None)

    assert known.gone is not listed
    assert known.start.pending is listed
    assert core_state.is_pending(known) is listed


def test_a_refusal_after_an_interruption_is_final_and_reported() -> None:
    """A wipe that was refused for now while the run was interrupted is not due again, and the report says why."""
    known = core_answers.refused(core_state.interrupt(wiping("asked")), WIPE, FAILURE, T, values.NOW, T + 2.0)

    assert known.disks[0].state == "refused"
    assert known.error == FAILURE


def test_an_interruption_that_keeps_an_intended_wipe_from_being_sent_is_reported() -> None:
    """A job interrupted between intention and call has a failure once the call was withheld, and none before."""
    known = core_state.interrupt(wiping("asked"))
    after = core_answers.withdraw(known, WIPE, T)

    assert known.error is None
    assert after.disks[0].state == "todo"
    assert after.error is not None
    assert after.error.message == "The run was interrupted."


def test_a_stop_that_was_accepted_and_not_seen_to_end_promises_no_power() -> None:
    """Running, seen right after an accepted stop, is no power as promised: the machine is about to go down."""
    known = evolve_observed(stopping(), observing(2, "Running"))

    assert isinstance(decide(known, observing(2, "Running")), Wait)
    assert core_state.outcome(known) == "stranded"


REFUSED = "InvalidSecurityToken.Expired"


def refused_read(at: float) -> Observation:
    """Return a look that was refused for its credentials."""
    return observing(at, answered=False, instance=None, disks={}, credentials_refused=REFUSED)


def test_refused_credentials_may_come_good_again() -> None:
    """A look that is refused for its credentials ends nothing: with renewed ones the job goes on as if nothing was."""
    known = evolve_observed(stopping(), observing(2, "Stopping"), refused_read(4), refused_read(50))

    assert isinstance(decide(known, refused_read(50)), Wait)
    assert known.error is None
    assert decide(evolve_observed(known, observing(52, "Stopped")), observing(52, "Stopped")) == WIPE


def test_credentials_that_stay_refused_end_a_job_that_is_untouched_soon() -> None:
    """Where nothing was changed yet, renewed credentials are waited for half a minute."""
    known = evolve_observed(begin(), refused_read(0), refused_read(30))
    after = evolve_observed(known, refused_read(31))

    assert isinstance(decide(known, refused_read(30)), Wait)
    assert isinstance(decide(after, refused_read(31)), Finish)
    assert core_state.outcome(after) == "refused"
    assert after.error is not None
    assert after.error.code == REFUSED


def test_a_start_that_is_due_is_sent_though_nothing_is_shown() -> None:
    """A machine that was seen Stopped by our stop is started once nothing was shown for the settling time."""
    done = core_state.interrupt(evolve_observed(stopping(), observing(2, "Stopped")))
    unseen = [observing(at, answered=False, instance=None, disks={}) for at in (6, 25, 26)]

    assert isinstance(decide(evolve_observed(done, *unseen[:2]), unseen[1]), Wait)
    assert decide(evolve_observed(done, *unseen), unseen[2]) == START


@pytest.mark.parametrize(("status", "where"), [("Available", ""), ("Detaching", INSTANCE), ("In_use", "i-other")])
def test_a_disk_that_leaves_before_its_wipe_ends_the_job(status: str, where: str) -> None:
    """A disk that is not In_use on its machine any more before it was asked for is told, and nothing is waited for."""
    stopped = evolve_observed(stopping(), observing(2, "Stopped"))
    known = evolve_observed(stopped, observing(4, "Stopped", disk=status, where=where))

    assert known.error is not None
    assert f"In_use on {INSTANCE} -> {status}" in known.error.message
    assert decide(known, observing(4, "Stopped", disk=status, where=where)) == START


def test_an_observation_that_is_older_than_the_stop_shows_nothing_of_the_power() -> None:
    """A look that was begun before the stop was answered, and comes late, makes no stopped machine a running one."""
    stopped = evolve_observed(stopping(), observing(2, "Stopping"), observing(4))
    after = evolve_observed(stopped, observing(-2, "Running"))

    assert (stopped.instance_status, after.instance_status) == ("Stopped", "Stopped")
    assert (after.stop, after.error) == (stopped.stop, None)


def test_a_job_does_not_end_on_an_observation_that_is_older_than_its_last_answer() -> None:
    """Where the stop was refused for good, the power is looked at once more before the job says what it is."""
    asked = core_answers.intend(begin(), STOP, observing(0, "Running"))
    known = core_answers.refused(asked, STOP, Failure("Brand.New", "No."), T + 2.0, values.NOW, None)
    old, new = observing(1, "Running"), observing(4, "Running")
    after = evolve_observed(known, old)

    assert core_state.outcome(after) == "failed" or not isinstance(decide(after, old), Finish)
    assert core_state.outcome(evolve_observed(after, new)) == "failed"
    assert isinstance(decide(evolve_observed(after, new), new), Finish)


# Safety snapshots.


def snapping(state: str = "accepted") -> JobState:
    """Return the record of a stopped machine whose disk is to be snapshot before its wipe, and was just asked to be."""
    known = core_answers.intend(begin("Stopped", snapshot=True), SNAPSHOT, observing(0.0))
    return core_answers.accepted(known, SNAPSHOT, T, SHOT) if state == "accepted" else known


def shots(status: str, **more: Any) -> dict[str, Snapshot]:
    """Return the safety snapshot in a status, as a look shows it."""
    return {SHOT: values.a_snapshot(**{"snapshot_id": SHOT, "status": status, "progress": "40%", **more})}


def test_a_snapshot_is_done_when_it_is_shown_accomplished() -> None:
    """Accepted is not enough, progressing is not enough; accomplished is, and then the wipe is due."""
    known = evolve_observed(snapping(), observing(2, snapshots=shots("progressing")))

    assert (known.snapshots[0].step.state, known.snapshots[0].progress) == ("accepted", "40%")
    assert decide(known, observing(2, snapshots=shots("progressing"))) == Wait("snapshot", "accomplished", T)

    seen = observing(4, snapshots=shots("accomplished"))
    known = evolve_observed(known, seen)

    assert known.snapshots[0].step.state == "done"
    assert (known.phases[0].name, known.phases[0].result) == ("snapshot", "ok")
    assert decide(known, seen) == WIPE


@pytest.mark.parametrize(
    "shown",
    [
        shots("failed"),
        shots(""),
        shots("Sleeping"),
        shots("accomplished", source_disk_id="d-other"),
        shots("progressing", source_disk_id="d-other"),
        shots("accomplished", source_disk_id=""),
    ],
    ids=lambda rows: f"{rows[SHOT].status} of {rows[SHOT].source_disk_id}",
)
@pytest.mark.parametrize("before", ["progressing", "accomplished"])
def test_a_snapshot_that_is_not_what_it_should_be_ends_the_job(before: str, shown: dict[str, Snapshot]) -> None:
    """Failed, in a status that nobody knows, or of another disk: no wipe, and the snapshot is named."""
    known = evolve_observed(snapping(), observing(2, snapshots=shots(before)), observing(4, snapshots=shown))

    assert known.snapshots[0].step.state == "failed"
    assert known.error is not None
    assert SHOT in known.error.message
    assert not isinstance(decide(known, observing(4, snapshots=shown)), Command)


def test_a_snapshot_that_is_done_and_progressing_again_is_none() -> None:
    """No snapshot goes back from accomplished: what shows so is not believed."""
    known = evolve_observed(
        snapping(), observing(2, snapshots=shots("accomplished")), observing(4, snapshots=shots("progressing"))
    )

    assert known.error is not None


@pytest.mark.parametrize("before", ["progressing", "accomplished"])
def test_a_snapshot_that_is_not_shown_for_a_moment_is_waited_for(before: str) -> None:
    """One look without it ends nothing and leads to no wipe; the settling time without it ends the job."""
    known = evolve_observed(snapping(), observing(2, snapshots=shots(before)), observing(8))

    assert known.error is None
    assert isinstance(decide(known, observing(8)), Wait)

    known = evolve_observed(known, observing(14), observing(20), observing(23))

    assert known.error is not None
    assert "not shown" in known.error.message


def test_an_observation_from_before_the_answer_shows_nothing_of_a_snapshot() -> None:
    """A look that began before CreateSnapshot was answered cannot show the snapshot, and counts for nothing."""
    known = core_answers.accepted(snapping("asked"), SNAPSHOT, T + 10.0, SHOT)

    assert evolve_observed(known, *(observing(at) for at in (2, 4, 6, 8))).snapshots[0].step.reads == 0


def test_a_snapshot_that_takes_too_long_turns_the_job_back() -> None:
    """When --timeout-snapshot has passed since it was asked for, no wipe is sent, and how far it was is said."""
    known = evolve_observed(snapping(), *(observing(at, snapshots=shots("progressing")) for at in (50, 99, 101)))

    assert known.error is not None
    assert "40%" in known.error.message
    assert (known.phases[0].name, known.phases[0].result) == ("snapshot", "timeout")


def test_the_phase_of_a_snapshot_ends_at_its_limit_also_after_the_job_has_turned_back() -> None:
    """What turned the job back before does not let the phase go on for longer than the plan shows."""
    known = evolve_observed(
        core_state.interrupt(snapping()), *(observing(at, snapshots=shots("progressing")) for at in (50, 99, 101))
    )

    assert (known.phases[0].name, known.phases[0].result) == ("snapshot", "timeout")


def test_what_becomes_of_a_snapshot_after_the_wipe_was_sent_is_no_matter() -> None:
    """Once the wipe is sent a snapshot that is gone ends nothing, and none is asked for again."""
    known = evolve_observed(snapping(), observing(2, snapshots=shots("accomplished")))
    known = core_answers.accepted(core_answers.intend(known, WIPE, observing(2)), WIPE, T + 3.0)
    known = evolve_observed(known, *(observing(at) for at in (4, 10, 16, 22, 24)))

    assert known.error is None
    assert known.disks[0].state == "done"


def test_every_disk_of_every_run_has_a_token_of_its_own() -> None:
    """The ClientToken tells run and disk, is the same at every try, and fits what ECS takes."""
    known = begin(disks=("d-1", "d-2"), snapshot=True)
    other = core_state.begin(
        PlannedJob(INSTANCE, "web", "Running", "Running", will_stop=True, will_start=True, disks=(PlannedDisk("d-1"),)),
        LIMITS, at=T, run_id="r-2", options=Options(snapshot=True),
    )  # fmt: skip
    tokens = [each.token for each in (*known.snapshots, *other.snapshots)]
    again = core_answers.lost(
        core_answers.intend(known, Command("CreateSnapshot", "d-1"), observing(0)), Command("CreateSnapshot", "d-1"), T
    )

    assert len(set(tokens)) == 3
    assert all(token.isascii() and 0 < len(token) <= 64 for token in tokens)
    assert again.snapshots[0].token == tokens[0]


# What is asked again, and for how long.


@pytest.mark.parametrize(
    ("send", "code", "limit"),
    [
        (SNAPSHOT, "Throttling", LIMITS.retry),
        (SNAPSHOT, "NotSent", LIMITS.retry),
        (SNAPSHOT, "IncorrectInstanceStatus", LIMITS.retry),
        *((SNAPSHOT, code, LIMITS.snapshot) for code in OF_ANOTHER_SNAPSHOT),
        (SNAPSHOT, None, LIMITS.retry),
        (TAG, "Throttling", LIMITS.retry),
        (TAG, None, LIMITS.retry),
        (UNTAG, "Throttling", LIMITS.retry),
        (UNTAG, None, LIMITS.retry),
        (STOP, "Throttling", LIMITS.stop),
        (FORCE, "Throttling", LIMITS.stop),
        (START, "Throttling", LIMITS.start),
    ],
    ids=str,
)
def test_a_call_is_asked_again_for_its_time_and_no_longer(send: Command, code: str | None, limit: float) -> None:
    """Each refusal that passes, and each lost answer of what may be repeated, has a limit from the first try on."""

    def answered(at: float) -> Step:
        known = core_answers.intend(begin(snapshot=True, lock_tag=True), send, observing(0.0))
        if code is None:
            known = core_answers.lost(known, send, T + at, T + at)
        else:
            known = core_answers.refused(known, send, Failure(code, code), T + at, values.NOW, T + at)
        steps: dict[ActionName, Step] = {
            "CreateSnapshot": known.snapshots[0].step, "TagResources": known.tag, "UntagResources": known.untag,
            "StartInstance": known.start,
        }  # fmt: skip
        return steps.get(send.action, known.force if send.force else known.stop)

    assert answered(limit).state == ("resend" if code is None else "again")
    assert answered(limit + 1.0).state == "failed"


@pytest.mark.parametrize("send", [TAG, SNAPSHOT, STOP, START])
def test_what_is_refused_for_good_turns_the_job_back(send: Command) -> None:
    """A refusal that does not pass is the job's error."""
    known = core_answers.intend(begin(snapshot=True, lock_tag=True), send, observing(0.0, "Running"))

    assert core_answers.refused(known, send, FAILURE, T, values.NOW, None).error == FAILURE


@pytest.mark.parametrize("send", [UNTAG, FORCE])
def test_what_changes_no_data_and_no_promise_is_no_error(send: Command) -> None:
    """A tag that stays, and a power cut that is refused while the graceful stop goes on, are no error of the job."""
    known = core_answers.intend(begin(lock_tag=True), send, observing(0.0))

    assert core_answers.refused(known, send, FAILURE, T, values.NOW, None).error is None
    assert core_answers.lost(known, send, T + 9999.0, T + 9999.0).error is None


def test_a_power_cut_that_was_not_done_is_asked_for_again() -> None:
    """Still Stopping through the settling time after a lost forced stop: it was not done, and may be repeated."""
    known = replace(stopping(), limits=replace(LIMITS, force_stop_after=5.0))
    known = evolve_observed(known, observing(2, "Stopping"), observing(6, "Stopping"))
    known = core_answers.lost(core_answers.intend(known, FORCE, observing(6, "Stopping")), FORCE, T + 7.0)
    known = evolve_observed(known, *(observing(at, "Stopping") for at in (9, 15, 21)))

    assert not isinstance(decide(known, observing(21, "Stopping")), Command)

    known = evolve_observed(known, observing(29.5, "Stopping"))

    assert decide(known, observing(29.5, "Stopping")) == FORCE


# The lock tag.


def tagging(state: str = "accepted") -> JobState:
    """Return the record of a running machine that is to be tagged, and was just asked to be."""
    known = core_answers.intend(begin(lock_tag=True), TAG, observing(0.0, "Running"))
    return core_answers.accepted(known, TAG, T) if state == "accepted" else known


def test_a_tag_counts_once_it_was_shown_through_the_settling_time() -> None:
    """Shown at once, the tag may yet be replaced by another run that looked before it was there."""
    known = evolve_observed(tagging(), *(observing(at, "Running", tag=RUN) for at in (2, 8, 14)))

    assert known.tag.state == "accepted"
    assert isinstance(decide(known, observing(14, "Running", tag=RUN)), Wait)

    known = evolve_observed(known, observing(20.5, "Running", tag=RUN))

    assert known.tag.state == "done"
    assert decide(known, observing(20.5, "Running", tag=RUN)) == STOP


def test_a_tag_whose_answer_was_lost_is_not_set_again_where_it_shows() -> None:
    """A lost answer and our own tag: it was done."""
    known = core_answers.lost(tagging("asked"), TAG, T, T + 1.0)

    assert decide(evolve_observed(known, observing(2, "Running")), observing(2, "Running")) == TAG
    assert isinstance(
        decide(evolve_observed(known, observing(2, "Running", tag=RUN)), observing(2, "Running", tag=RUN)), Wait
    )


@pytest.mark.parametrize("state", ["none", "accepted", "shown", "done"])
def test_the_tag_of_another_run_ends_the_job(state: str) -> None:
    """Whenever another run's tag shows before the wipe, this run wipes nothing and leaves that tag alone."""
    known = begin(lock_tag=True) if state == "none" else tagging()
    times = {"shown": (2, 8), "done": (2, 8, 14, 20.5)}.get(state, ())
    known = evolve_observed(known, *(observing(at, "Running", tag=RUN) for at in times))
    seen = observing(22, "Running", tag="r-other")
    known = evolve_observed(known, seen)

    assert known.error is not None
    assert "r-other" in known.error.message
    assert isinstance(decide(known, seen), Finish)
    assert core_state.outcome(known) == ("refused" if state == "none" else "failed")


def test_a_tag_that_shows_while_ours_is_on_its_way_decides_nothing() -> None:
    """Of two tags on their way the last one counts, so what shows before our answer is not believed yet."""
    known = evolve_observed(tagging("asked"), observing(2, "Running", tag="r-other"))

    assert known.error is None

    known = core_answers.accepted(known, TAG, T + 3.0)

    assert evolve_observed(known, observing(4, "Running", tag=RUN)).error is None
    assert evolve_observed(known, observing(4, "Running", tag="r-other")).error is not None


@pytest.mark.parametrize("times", [(2,), (2, 8, 14, 20.5)])
def test_a_tag_that_was_shown_and_is_gone_ends_the_job(times: tuple[float, ...]) -> None:
    """Our tag taken off by somebody ends the job, and nothing is taken off any more."""
    seen = observing(22, "Running")
    known = evolve_observed(tagging(), *(observing(at, "Running", tag=RUN) for at in times), seen)

    assert known.error is not None
    assert "removed the tag" in known.error.message
    assert isinstance(decide(known, seen), Finish)
    assert not core_snapshots.leaves_tag(known, seen)


def test_a_tag_that_is_never_shown_ends_the_job() -> None:
    """Accepted and not shown for as long as a call may be asked again: the job ends, and the tag is taken off."""
    known = evolve_observed(tagging(), observing(2, "Running"), observing(49, "Running"), observing(51, "Running"))

    assert known.error is not None
    assert decide(known, observing(51, "Running")) == UNTAG


@pytest.mark.parametrize("power", ["Running", "Stopped", "Starting", ""])
def test_a_job_that_moved_no_power_is_not_stranded_by_others(power: str) -> None:
    """Where only a tag or a snapshot was tried, the power is what others made it: failed, and the tag goes off."""
    known = core_state.fail(replace(tagging(), instance_status=power), FAILURE)
    snapshot = core_state.fail(replace(snapping(), instance_status=power), FAILURE)

    assert core_state.outcome(known) == core_state.outcome(snapshot) == "failed"
    assert decide(known, observing(2, power or "Stopping", tag=RUN)) == UNTAG


def test_a_tag_that_may_be_hidden_by_an_older_one_is_looked_for_again() -> None:
    """Two runs tag one machine at once: the tag that is shown may be the one that ours has replaced by now."""
    known = replace(core_state.fail(tagging(), FAILURE), tag=Step("failed", 1, at=T))

    assert isinstance(decide(known, observing(2, tag="r-other")), Wait)
    assert decide(known, observing(3, tag=RUN)) == UNTAG
    assert isinstance(decide(known, observing(40, tag="r-other")), Finish)


@pytest.mark.parametrize(
    ("known", "seen", "left"),
    [
        (begin(lock_tag=True), observing(2), False),
        (tagging(), observing(2, tag=RUN), True),
        (tagging(), observing(2, tag="r-other"), False),
        (replace(tagging(), untag=Step("done", 1)), observing(2, tag=RUN), False),
        (replace(tagging(), untag=Step("failed", 1)), observing(2, tag=RUN), True),
        (tagging(), observing(2, answered=False, instance=None), True),
        (tagging(), observing(2, instance=None), True),
        (replace(tagging(), tag=Step("failed", 1)), observing(2, answered=False, instance=None), False),
    ],
    ids=["never set", "shown", "another's", "taken off", "not taken off", "not seen", "not listed", "refused"],
)
def test_whether_a_tag_is_left(known: JobState, seen: Observation, left: bool) -> None:
    """A person is told of a tag that stays, as far as can be told, and of no other."""
    assert core_snapshots.leaves_tag(known, seen) is left


def test_the_tag_is_given_up_when_nobody_can_observe() -> None:
    """At the end a look that fails is waited for only so long: then the job ends, and its tag stays."""
    known = replace(tagging(), disks=(Wipe(DISK, "done", 1),), stop=Step("done", 1), start=Step("done", 1),
                    tag=Step("done", 1), instance_status="Running")  # fmt: skip
    blind = [observing(at, answered=False, instance=None, disks={}) for at in (0, 49, 51)]

    assert isinstance(decide(evolve_observed(known, *blind[:2]), blind[1]), Wait)
    assert isinstance(decide(evolve_observed(known, *blind), blind[2]), Finish)


# An undo.


def resetting(state: str = "accepted") -> JobState:
    """Return the record of a stopped machine whose disk was just asked to be rolled back."""
    known = begin("Stopped", undo="r-0", restore=((DISK, RESTORE),))
    known = core_answers.intend(known, RESET, observing(0.0))
    if state == "accepted":
        return core_answers.accepted(known, RESET, T)
    return core_answers.lost(known, RESET, T) if state == "lost" else known


def test_a_disk_to_be_rolled_back_without_a_snapshot_begins_no_job() -> None:
    """An undo that does not say what a disk is rolled back to is no wipe: it never begins."""
    with pytest.raises(KeyError):
        begin("Stopped", undo="r-0", restore=())


def test_an_undo_decides_its_own_call() -> None:
    """The call of an undo is ResetDisk, and of a wipe ReInitDisk, whatever else the options hold."""
    assert decide(begin("Stopped", undo="r-0", restore=((DISK, RESTORE),)), observing(0)) == RESET
    assert decide(begin("Stopped", restore=((DISK, RESTORE),)), observing(0)) == WIPE


def test_a_roll_back_is_proven_by_the_time_that_passes() -> None:
    """ResetDisk shows no state of its own: that another one could begin, through the settling time, is its proof."""

    def could(at: float) -> Observation:
        return replace(observing(at), resets={DISK: "DryRunOperation"})

    known = evolve_observed(resetting(), *(could(at) for at in (2, 8, 14)))
    done = evolve_observed(known, could(20.5)).disks[0]

    assert known.disks[0].state == "accepted"
    assert evolve_observed(known, observing(20.5)).disks[0].state == "accepted"
    assert (done.state, done.evidence) == ("done", "settled")


@pytest.mark.parametrize("ended", [True, False])
def test_reiniting_proves_no_roll_back_that_was_not_accepted(ended: bool) -> None:
    """Where the answer to ResetDisk was lost, ReIniting may be another's wipe: unknown, by whatever came first."""
    during = evolve_observed(resetting("asked"), observing(2, disk="ReIniting"))
    seen = observing(6, disk="In_use" if ended else "ReIniting")

    assert evolve_observed(resetting("lost"), observing(2, disk="ReIniting")).disks[0].state == "unknown"
    assert evolve_observed(core_answers.lost(during, RESET, T + 4.0), seen).disks[0].state == "unknown"
    assert core_answers.refused(during, RESET, FAILURE, T + 4.0, values.NOW, T + 6.0).disks[0].state == "unknown"
    assert core_answers.accepted(during, RESET, T + 4.0).disks[0].state == "accepted"


def test_an_undo_in_doubt_names_its_call() -> None:
    """What is said of a roll-back that nobody saw names ResetDisk and never ReInitDisk."""
    spent = replace(resetting("lost"), disks=(replace(resetting("lost").disks[0], losses=3),))
    known = evolve_observed(
        spent, *(replace(observing(at), resets={DISK: "DryRunOperation"}) for at in (2, 8, 14, 20.5))
    )

    assert known.disks[0].state == "unknown"
    assert known.error is not None
    assert known.error.action == "ResetDisk"
    assert "ReInitDisk" not in f"{known.error.message} {known.error.hint}"


# Resumed.


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("none", "none"),
        ("asked", "resend"),
        ("again", "again"),
        ("resend", "resend"),
        ("accepted", "accepted"),
        ("done", "done"),
    ],
)
def test_what_may_be_repeated_is_asked_again_on_resume(state: str, after: str) -> None:
    """Of a call that may be repeated, no answer means asking again; what was answered is not repeated."""
    step = Step(state, 1, first_at=T, at=T, lost_at=T if state == "resend" else None)  # type: ignore[arg-type]
    known = replace(snapping(), tag=step, untag=step, tag_value=RUN)
    known = replace(known, snapshots=(replace(known.snapshots[0], step=step),))
    again = core_resuming.resume(known, T + 500.0)

    for each in (again.tag, again.untag, again.snapshots[0].step):
        assert each.state == after
        assert after == "none" or each.first_at == T + 500.0


def test_what_was_given_up_at_the_end_is_tried_again_on_resume() -> None:
    """A tag that could not be taken off is tried again: that is what a resume is for."""
    assert core_resuming.resume(replace(tagging(), untag=Step("failed", 3)), T).untag == Step()


@pytest.mark.parametrize(
    "wipe",
    [
        Wipe(DISK, "resend", 1, losses=1), Wipe(DISK, "asked", 1), Wipe(DISK, "lost", 1, losses=1),
        Wipe(DISK, "accepted", 1), Wipe(DISK, "unknown", 1),
    ],
    ids=lambda wipe: wipe.state,
)  # fmt: skip
def test_a_persons_word_counts_for_every_doubt(wipe: Wipe) -> None:
    """A verdict settles each disk whose outcome is in doubt, also one that was due again: no wipe follows it."""
    known = core_resuming.resume(replace(begin("Stopped"), disks=(wipe,), on_unknown="retry"), T)
    wiped, intact = core_resuming.accept_verdict(known, "reinitialised"), core_resuming.accept_verdict(known, "intact")

    assert (wiped.disks[0].state, wiped.disks[0].evidence) == ("done", "operator")
    assert (intact.disks[0].state, intact.disks[0].in_doubt) == ("refused", False)
    for judged in (wiped, intact):
        looked = evolve_observed(judged, observing(2))
        assert isinstance(decide(looked, observing(2)), Finish)
        assert core_state.outcome(looked) in ("done", "failed")


def test_intact_is_reported_only_for_what_ecs_did_not_accept() -> None:
    """Of two disks in doubt the one whose wipe ECS accepted is observed on, whatever a person says of the other."""
    accepted, lost = Wipe("d-0", "unknown", 1, acknowledged=True), Wipe("d-1", "unknown", 1, losses=1)
    known = core_resuming.resume(replace(begin("Stopped"), disks=(accepted, lost)), T)
    judged = core_resuming.accept_verdict(known, "intact")

    assert [wipe.state for wipe in judged.disks] == ["accepted", "refused"]
    assert judged.error is not None
    assert judged.error.message == "The operator says that the data of d-1 is intact."
    assert core_resuming.accept_verdict(replace(known, disks=known.disks[:1]), "intact").disks[0].state == "accepted"


def test_after_a_verdict_the_start_is_still_pending() -> None:
    """A person's word says what became of the data; a machine that is not as promised keeps its job open."""
    pending = replace(tagging(), disks=(Wipe(DISK, "unknown", 1),), stop=Step("done", 1), start=Step("failed", 1),
                   tag=Step("done", 1), instance_status="Stopped")  # fmt: skip
    judged = core_resuming.accept_verdict(pending, "reinitialised")

    assert core_state.outcome(judged) == "not-restarted"
    assert core_state.is_pending(judged)
    assert isinstance(decide(judged, observing(2, tag=RUN)), Finish)


@pytest.mark.parametrize("shown", [values.YESTERDAY, values.NOW])
def test_a_machine_started_since_the_stop_is_reported_at_once(shown: Any) -> None:
    """Stopped again with another StartTime than at our stop: somebody used it, and no snapshot of it is waited for."""
    known = evolve_observed(stopping(), observing(2, "Stopped"))
    seen = replace(observing(4), instance=values.an_instance(status="Stopped", start_time=shown))
    known = evolve_observed(known, seen)

    assert (known.error is None) == (shown == values.YESTERDAY)


@pytest.mark.parametrize(("gap", "wiped_again"), [(20.0, True), (21.0, False)])
def test_a_gap_while_a_wipe_is_outstanding_counts_when_it_is_refused(gap: float, wiped_again: bool) -> None:
    """Of a machine that shows no StartTime, also what went unobserved while a call was outstanding went unseen."""
    unseen = values.an_instance(status="Stopped", start_time=None)
    asked = core_answers.intend(
        evolve_observed(begin("Stopped"), observing(0, instance=unseen)), WIPE, observing(0, instance=unseen)
    )
    asked = evolve_observed(asked, observing(gap, instance=unseen), observing(gap + 2, instance=unseen))
    known = core_answers.refused(asked, WIPE, FAILURE, T + gap + 3, values.NOW, T + gap + 4)
    last = observing(gap + 5, instance=unseen)

    assert (decide(evolve_observed(known, last), last) == WIPE) == wiped_again
    accepted = evolve_observed(core_answers.accepted(asked, WIPE, T + gap + 3), last)
    assert accepted.error is None, "what was done needs no proof that it may be done"


# What is taken back, and what cannot be made.


def test_a_first_call_that_is_taken_back_leaves_nothing_behind() -> None:
    """A job whose only call was not sent is as it was: nothing was tried, no phase began, all is judged again."""
    for before, send in ((begin(), STOP), (begin("Stopped"), WIPE), (begin(lock_tag=True), TAG)):
        known = core_answers.withdraw(core_answers.intend(before, send, observing(0.0, "Running")), send, T + 1.0)

        assert not known.tried
        assert known.phases == ()
        assert replace(known, stuck_since=None, instance_status=before.instance_status, disks=before.disks) == before
        assert (known.disks[0].tries, known.disks[0].state, known.disks[0].fence) == (0, "todo", None)
        assert core_state.outcome(replace(known, interrupted=True)) == "refused"


def test_a_later_call_that_is_taken_back_leaves_the_earlier_ones() -> None:
    """A second try that was not sent is no try: the first one, and what is known of it, stands."""
    again = core_answers.refused(stopping_again(), STOP, FAILURE, T + 5.0, values.NOW, T + 8.0)
    known = core_answers.withdraw(core_answers.intend(again, STOP, observing(8.0, "Running")), STOP, T + 9.0)
    lost = replace(wiping("lost"), disks=(replace(wiping("lost").disks[0], state="resend", due=T),))
    resent = core_answers.withdraw(core_answers.intend(lost, WIPE, observing(30.0)), WIPE, T + 31.0)

    assert (known.stop.state, known.stop.tries, known.stop.first_at) == ("again", 1, again.stop.first_at)
    assert [phase.name for phase in known.phases] == ["stop"]
    assert (resent.disks[0].tries, resent.disks[0].losses, resent.disks[0].state) == (1, 1, "resend")
    assert resent.disks[0].fence == lost.disks[0].fence, "the lost one may still have been done"


def stopping_again() -> JobState:
    """Return the record of a running machine whose stop was just asked for."""
    return core_answers.intend(begin(), STOP, observing(0.0, "Running"))


@pytest.mark.parametrize("send", [START, UNTAG], ids=["start", "untag"])
def test_what_brings_a_machine_back_stays_intended(send: Command) -> None:
    """A start that was not sent stays intended, so that no wipe is reachable; its limit runs from the second try."""
    known = replace(begin(), stop=Step("done", 1), disks=(Wipe(DISK, "done", 1),), tag=Step("done", 1))
    for at in (10.0, 14.0):
        known = core_answers.withdraw(core_answers.intend(known, send, observing(at)), send, T + at + 3.5)
    step = known.start if send == START else known.untag

    assert (step.state, step.tries, step.first_at) == ("again", 2, T + 14.0)


@pytest.mark.parametrize("refused", [False, True], ids=["not-sent", "refused"])
def test_a_start_that_was_not_done_is_due_while_ecs_shows_nothing(refused: bool) -> None:
    """The machine is as it was seen before that start, so nobody waits for a Describe call to be answered."""
    done = replace(begin(), stop=Step("done", 1), disks=(Wipe(DISK, "done", 1),), instance_status="Stopped")
    asked = core_answers.intend(done, START, observing(0.0))
    known = (
        core_answers.refused(asked, START, FAILURE, T + 1, values.NOW, T + 3)
        if refused
        else core_answers.withdraw(asked, START, T + 1)
    )
    unseen = [observing(at, answered=False, instance=None, disks={}) for at in (6, 25, 26)]

    assert decide(evolve_observed(known, *unseen), unseen[2]) == START
    assert [phase.name for phase in known.phases] == ["start"] * refused


@pytest.mark.parametrize("send", [STOP, WIPE], ids=["stop", "wipe"])
def test_a_call_that_can_never_be_made_turns_the_job_back(send: Command) -> None:
    """Taken back again and again, a job turns back after the time for retries; an answer in between begins it anew."""
    known = begin("Running" if send == STOP else "Stopped")
    status = "Running" if send == STOP else "Stopped"
    ats = [float(at) for at in range(0, 60, 4)]
    for at in ats:
        if not known.turned_back:
            known = core_answers.withdraw(core_answers.intend(known, send, observing(at, status)), send, T + at + 1.0)

    assert known.turned_back
    assert known.error is not None
    assert "could not be made for too long" in known.error.message
    assert core_state.outcome(evolve_observed(known, observing(70, status))) == "refused"

    fresh = core_state.held_up(begin(), T)
    fresh = core_answers.refused(
        core_answers.intend(fresh, STOP, observing(40, "Running")), STOP, FAILURE, T + 41.0, values.NOW, T + 44.0
    )
    assert not core_state.held_up(fresh, T + 60.0).turned_back


def test_a_machine_that_had_come_back_is_looked_at_once_more_on_resume() -> None:
    """What it was before the kill is not told as what it is: somebody may have stopped it since."""
    back = evolve_observed(started(), observing(12, "Starting"), observing(14, "Running"))
    again = core_resuming.resume(back, T + 500.0)
    blind = Observation(T + 501.0, values.NOW, answered=False)

    assert isinstance(decide(back, observing(15, "Running")), Finish)
    assert isinstance(decide(evolve_observed(again, blind), blind), Wait)
    for status, outcome in (("Running", "done"), ("Stopped", "not-restarted")):
        known = evolve_observed(again, observing(502, status))
        assert isinstance(decide(known, observing(502, status)), Finish)
        assert (core_state.outcome(known), known.instance_status) == (outcome, status)


def test_a_machine_that_had_come_back_and_is_never_seen_again_is_given_up() -> None:
    """Where no look is answered after a resume the job ends all the same, and says that it does not know the power."""
    again = core_resuming.resume(
        evolve_observed(started(), observing(12, "Starting"), observing(14, "Running")), T + 500.0
    )
    for at in range(501, 620, 2):
        again = core_observations.evolve_observed(again, Observation(T + at, values.NOW, answered=False))

    assert isinstance(decide(again, Observation(T + 620.0, values.NOW, answered=False)), Finish)
    assert (core_state.outcome(again), again.instance_status) == ("not-restarted", "")


def test_a_job_of_which_nothing_was_tried_keeps_what_was_seen_of_it_on_resume() -> None:
    """A job that never begins is told with the power that it had when the plan was made."""
    assert core_resuming.resume(begin(), T).instance_status == "Running"


# What is rare, and must hold all the same.


def test_a_disk_seen_reiniting_is_being_wiped_whatever_refused_the_request() -> None:
    """A refusal that comes after ReIniting was seen proves nothing: the wipe is under way, and its end is its proof."""
    during = evolve_observed(wiping("asked"), observing(2, disk="ReIniting"))
    known = core_answers.refused(during, WIPE, FAILURE, T + 4.0, values.NOW, T + 6.0)

    assert (known.disks[0].state, known.disks[0].acknowledged, known.error) == ("accepted", True, None)
    assert evolve_observed(known, observing(6)).disks[0].evidence == "transition"


def test_a_job_that_nobody_can_observe_turns_back_while_a_wipe_is_ahead() -> None:
    """Unanswered looks for longer than the time for retries end what is ahead, not before; an answer begins it anew."""
    blind = [observing(at, answered=False, instance=None, disks={}) for at in (0, 25, 50, 51)]
    known = evolve_observed(begin("Stopped"), *blind[:3])
    done = replace(begin("Stopped"), disks=(Wipe(DISK, "done", 1, evidence="transition"),))

    assert known.error is None
    assert (
        "ECS has not answered any Describe call for too long"
        in (evolve_observed(known, blind[3]).error or FAILURE).message
    )
    assert evolve_observed(known, observing(50.5), blind[3]).error is None
    assert evolve_observed(done, *blind).error is None


def test_a_stop_that_is_on_its_way_or_answered_is_not_asked_again_on_resume() -> None:
    """An answered stop is waited for anew; one without an answer is taken for lost, so that nothing is sent at once."""
    accepted = core_resuming.resume(stopping(), T + 500.0).stop
    asked = core_resuming.resume(stopping_again(), T + 500.0).stop

    assert (accepted.state, accepted.first_at, accepted.at, accepted.lost_at) == (
        "accepted",
        T + 500.0,
        T + 500.0,
        None,
    )
    assert (asked.state, asked.first_at, asked.at, asked.lost_at) == ("lost", T + 500.0, T + 500.0, T + 500.0)


def test_what_another_process_goes_on_with_is_not_known_here() -> None:
    """A holder that lost its lease tells only what was proven: every other disk is in doubt, and so is the power."""
    known = replace(begin("Stopped", disks=(DISK, "d-2")), disks=(Wipe(DISK, "done", 1), Wipe("d-2")))
    gone = core_state.lose_sight(known)

    assert [wipe.state for wipe in gone.disks] == ["done", "unknown"]
    assert gone.instance_status == ""
    assert core_state.outcome(gone) == "unknown"


def test_what_may_not_be_asked_again_is_closed_with_what_made_it_so() -> None:
    """A job that turns back closes the wipe of a lost answer that was due again: nobody can tell what became of it."""
    again = evolve_observed(wiping("lost"), *(observing(at) for at in (2, 8, 14, 20.5)))
    known = evolve_observed(core_state.interrupt(again), observing(22))

    assert again.disks[0].state == "resend"
    assert known.disks[0].state == "unknown"
    assert core_state.outcome(known) == "unknown"
    assert "No answer to ReInitDisk" in (known.error or FAILURE).message


def test_in_use_from_before_the_answer_settles_nothing() -> None:
    """A look that began before the answer came may be older than what the call does: it is no read."""
    known = evolve_observed(core_answers.accepted(wiping("asked"), WIPE, T + 10.0), observing(9.9))

    assert (known.disks[0].state, known.disks[0].reads) == ("accepted", 0)


def test_each_disk_has_its_own_safety_snapshot() -> None:
    """One that was not asked for yet is neither learned of nor taken for done when another one is."""
    known = core_answers.intend(begin("Stopped", disks=(DISK, "d-2"), snapshot=True), SNAPSHOT, observing(0.0))
    known = core_answers.accepted(known, SNAPSHOT, T, SHOT)
    seen = observing(2, snapshots=shots("accomplished"))
    known = evolve_observed(
        known, replace(seen, disks={**seen.disks, "d-2": values.a_disk(disk_id="d-2", instance_id=INSTANCE)})
    )

    assert [each.step.state for each in known.snapshots] == ["done", "none"]
    assert known.phases[-1].ended_at is None


@pytest.mark.parametrize(
    ("start_time", "date", "why"),
    [
        (None, values.NOW, "is Running and shows no StartTime, so a start after this run's stop would not show"),
        (values.NOW, values.NOW, f"visible only after {timestamp(MINUTE_OVER)}.*ECS's clock shows"),
        (values.NOW, None, "ECS does not report its time"),
    ],
    ids=["no StartTime", "the clock stands still", "no clock"],
)
def test_a_start_that_would_not_show_is_waited_out_only_for_a_while(start_time: Any, date: Any, why: str) -> None:
    """Until the minute of the last start is over the machine is not stopped; where it never is, the job turns back."""
    running = values.an_instance(status="Running", start_time=start_time)
    reads = [replace(observing(at, "Running"), instance=running, date=date) for at in range(2, 163, 10)]
    waiting, late = evolve_observed(begin(), *reads[:-1]), evolve_observed(begin(), *reads)

    assert not isinstance(decide(waiting, reads[-2]), Command)
    assert not waiting.turned_back
    assert late.error is not None
    assert re.search(why, late.error.message)


def test_an_observation_without_the_machine_settles_nothing_of_its_start() -> None:
    """What is not shown proves no start to be over."""
    assert core_state.is_settled(observing(2))
    assert not core_state.is_settled(observing(2, "gone"))


def test_a_stop_that_was_not_observed_is_done_where_the_machine_shows_again() -> None:
    """A start is sent though ECS does not list the machine; shown Stopped then, its stop is done and its phase over."""
    reads = [observing(at, "gone") for at in (2, 8, 14, 20, 23)]
    known = core_answers.intend(evolve_observed(stopping(), *reads), START, reads[-1])
    known = evolve_observed(core_answers.accepted(known, START, T + 24), observing(25))

    assert known.stop.state == "done"
    (phase,) = [each for each in known.phases if each.name == "stop"]
    assert (phase.ended_at, phase.result) == (observing(25).when, "ok")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"unwatched": True}, "showed no StartTime"),
        ({"caller_pinned": False}, "STS did not say whose credentials the plan was made with"),
        ({"age": 3601.0}, "The plan of .* is older than plan_expires"),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_a_resumed_job_whose_wipe_rests_on_what_cannot_be_known_turns_back(changes: Any, why: str | None) -> None:
    """A wipe that is still ahead needs a plan that is new, a StartTime to compare and a caller to compare with."""
    usual: dict[str, Any] = {"age": 3600.0, "expires": 3600.0, "unwatched": False, "caller_pinned": True}
    known = core_resuming.expire(begin(), T, **{**usual, **changes})

    assert (known.error is None) == (why is None)
    assert known.error is None or re.match(f".*{why}", known.error.message)


def test_a_wipe_that_the_journal_may_not_know_of_is_in_doubt() -> None:
    """On a server that may lack what was done last nothing more is wiped, and what is ahead may have been done."""
    moved = core_resuming.lose_record(begin())

    assert [wipe.data for wipe in moved.disks] == ["unknown"]
    assert moved.error is not None
    assert "not on the server where the run began" in moved.error.message
    assert core_resuming.lose_record(moved) == moved


@pytest.mark.parametrize(("status", "outcome"), [("Running", "done"), ("Stopped", "not-restarted")])
def test_a_start_that_was_given_up_stays_so_and_the_power_is_reported_as_seen(status: str, outcome: str) -> None:
    """Nothing that is seen later makes a failed start a done one; what the machine is now is told all the same."""
    known = evolve_observed(replace(started(), start=Step("failed", 3, first_at=T, at=T)), observing(400, status))

    assert (known.start.state, known.instance_status) == ("failed", status)
    assert core_state.outcome(known) == outcome


def test_the_core_replaces_fields_as_dataclasses_do() -> None:
    """The core's own ``replace`` gives what that of dataclasses gives, and leaves the value before as it was."""
    planned = PlannedJob(INSTANCE, "", "Running", "Running", will_stop=True, will_start=True, disks=())
    job = core_state.begin(planned, Limits(), at=0.0)
    assert not job.touched
    stopped = core_state.replace(job, stop=Step("asked", tries=1))

    assert stopped == replace(job, stop=Step("asked", tries=1))
    assert (stopped.touched, job.touched) == (True, False)
    assert core_state.replace(stopped) == stopped
