"""What a record learns: transitions, states that settle, limits that pass, and what it comes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from safe_reinit import record
from safe_reinit.decide import decide
from safe_reinit.model import Failure, Finish, Limits, Observation, PlannedDisk, PlannedJob, Record, Send, Step, Wipe
from tests import values

INSTANCE, DISK = values.INSTANCE_ID, values.DISK_ID
STOP, WIPE, START = Send("StopInstance", INSTANCE), Send("ReInitDisk", DISK), Send("StartInstance", INSTANCE)
T = 1000.0
"""Cloud seconds at which the stories below begin."""
FAILURE = Failure("Throttling", "ECS refused it.")
LIMITS = Limits(stop=100.0, snapshot=100.0, reinit=200.0, start=100.0, retry=50.0)


def begin(power: str = "Running", disks: tuple[str, ...] = (DISK,), **more: Any) -> Record:
    """Give the record of a job that has just begun."""
    planned = tuple(PlannedDisk(each) for each in disks)
    stops = power == "Running"
    job = PlannedJob(INSTANCE, "web", power, "Running", will_stop=stops, will_start=stops, disks=planned)
    return record.begin(job, LIMITS, leave_stopped=more.get("leave_stopped", False))


def look(at: float, status: str = "Stopped", disk: str | None = "In_use", **more: Any) -> Observation:
    """Give what is seen at a time: the instance in this status (``gone`` for none), the disk in that one."""
    instance = None if status == "gone" else values.an_instance(status=status)
    where = more.pop("where", INSTANCE)
    disks = {} if disk is None else {DISK: values.a_disk(status=disk, instance_id=where)}
    when = values.NOW + timedelta(seconds=at)
    return Observation(**{"at": T + at, "when": when, "seen": True, "instance": instance, "disks": disks, **more})


def wiping(state: str = "accepted", **more: Any) -> Record:
    """Give the record of a stopped machine whose disk was just asked for."""
    known = record.intend(begin("Stopped"), WIPE, look(0.0))
    if state == "accepted":
        return record.accepted(known, WIPE, T)
    if state == "lost":
        return record.lost(known, WIPE, T)
    return replace(known, **more)


def stopping() -> Record:
    """Give the record of a running machine whose stop was accepted."""
    return record.accepted(record.intend(begin(), STOP, look(0.0, "Running")), STOP, T)


def learn(known: Record, *seen: Observation) -> Record:
    """Learn from several looks."""
    for each in seen:
        known = record.learn(known, each)
    return known


# The proof of a wipe.


def test_reiniting_and_then_in_use_is_proof_by_transition() -> None:
    """A wipe that was seen to begin and to end is done, and its evidence says so."""
    known = learn(wiping(), look(2, disk="ReIniting"), look(4))

    assert (known.disks[0].state, known.disks[0].evidence) == ("done", "transition")


def test_the_first_in_use_proves_nothing() -> None:
    """In_use is the state the disk was in already: until the settling time has passed the wipe is not done."""
    known = learn(wiping(), *(look(at) for at in (2, 4, 6, 8, 10, 12, 14, 16, 18)))

    assert known.disks[0].state == "accepted"


def test_in_use_through_the_settling_time_is_proof_after_an_accepted_call() -> None:
    """Twenty seconds and four reads of In_use after an accepted call are done by ``settled``."""
    known = learn(wiping(), *(look(at) for at in (2, 8, 14, 20.5)))

    assert (known.disks[0].state, known.disks[0].evidence) == ("done", "settled")


@pytest.mark.parametrize("times", [(19.0, 20.0, 21.0), (2, 4, 6, 8, 10), (40.0,)])
def test_too_few_reads_or_too_little_time_settle_nothing(times: tuple[float, ...]) -> None:
    """Both the time and the number of reads are needed."""
    assert learn(wiping(), *(look(at) for at in times)).disks[0].state == "accepted"


def test_a_look_that_failed_is_no_read() -> None:
    """Looks that were not answered do not settle a state."""
    unseen = [look(at, seen=False, instance=None, disks={}) for at in (2, 8, 14, 20, 26)]

    assert learn(wiping(), *unseen).disks[0].reads == 0


def test_a_lost_answer_with_nothing_seen_is_asked_again_behind_the_fence() -> None:
    """Where every look since shows that nobody used the machine, ReInitDisk may be sent again, at most twice."""
    looks = [look(at) for at in (2, 8, 14, 20.5)]
    known = learn(wiping("lost"), *looks)

    assert known.disks[0].state == "todo"
    assert decide(known, look(20.5)) == WIPE

    spent = replace(wiping("lost"), disks=(replace(wiping("lost").disks[0], losses=3),))

    assert learn(spent, *looks).disks[0].state == "unknown"


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param([look(at) for at in (2, 8, 30, 36)], id="a gap"),
        pytest.param([look(2), look(8, "Running"), look(14), look(20.5)], id="somebody started it"),
    ],
)
def test_a_lost_answer_with_nothing_seen_ends_unknown(looks: list[Observation]) -> None:
    """Where somebody may have used the machine since, a lost answer is neither done nor refused nor repeated."""
    known = learn(wiping("lost"), *looks)

    assert known.disks[0].state == "unknown"
    assert record.outcome(known) == "unknown"
    assert isinstance(decide(known, look(40)), Finish)
    assert known.error is not None
    assert "lost" in known.error.message


def test_what_is_to_be_retried_forgives_a_gap_and_never_a_start() -> None:
    """``on_unknown: retry`` sends again after a gap in the looks, but not once a start was seen."""
    known = replace(wiping("lost"), on_unknown="retry")

    assert learn(known, *(look(at) for at in (2, 8, 30, 36))).disks[0].state == "todo"
    assert learn(known, look(2), look(8, "Running"), look(30), look(36)).disks[0].state == "unknown"


@pytest.mark.parametrize("at", [2, 18, 19.9])
def test_a_lost_answer_is_found_by_the_reiniting_that_is_seen(at: float) -> None:
    """ReIniting after a lost answer says that the call was accepted."""
    known = learn(wiping("lost"), look(at, disk="ReIniting"))

    assert known.disks[0].state == "accepted"


def test_reiniting_seen_while_the_call_hangs_counts_when_its_answer_is_lost() -> None:
    """What was seen during the call is not forgotten when its answer does not come."""
    known = learn(wiping("asked"), look(2, disk="ReIniting"))

    assert record.lost(known, WIPE, T + 3.0).disks[0].state == "accepted"


@pytest.mark.parametrize(
    ("status", "where"), [("Available", ""), ("Detaching", INSTANCE), ("In_use", "i-other"), ("Sleeping", INSTANCE)]
)
@pytest.mark.parametrize("state", ["accepted", "lost"])
def test_a_disk_that_ends_elsewhere_is_unknown(state: str, status: str, where: str) -> None:
    """A disk that shows another state than ReIniting or In_use on its machine proves no wipe."""
    known = learn(wiping(state), look(2, disk=status, where=where))

    assert known.disks[0].state == "unknown"


def test_a_disk_that_somebody_else_wipes_is_unknown() -> None:
    """ReIniting before our call is not ours, so nobody can say what the data is."""
    known = learn(begin("Stopped"), look(2, disk="ReIniting"))

    assert known.disks[0].state == "unknown"
    assert known.error is not None
    assert "somebody else" in known.error.message


def test_a_wipe_that_does_not_end_is_unknown_with_the_last_state() -> None:
    """When the time for the wipe has passed the outcome is unknown, and the message names the last state."""
    known = learn(wiping(), look(2, disk="ReIniting"), look(199, disk="ReIniting"), look(201, disk="ReIniting"))

    assert known.disks[0].state == "unknown"
    assert known.error is not None
    assert "ReIniting" in known.error.message
    assert isinstance(decide(known, look(202, disk="ReIniting")), Finish)


# Stop and start.


def test_a_stop_is_done_when_stopped_is_seen() -> None:
    """Stopping and then Stopped end the stop, and its phase."""
    known = learn(stopping(), look(2, "Stopping"), look(4, "Stopped"))

    assert known.stop.state == "done"
    assert (known.phases[0].name, known.phases[0].result) == ("stop", "ok")
    assert known.phases[0].ended_at is not None


@pytest.mark.parametrize("status", ["Running", "Starting", "Pending", "Sleeping"])
def test_a_stop_that_turns_around_is_a_failure(status: str) -> None:
    """An instance that was Stopping and then shows anything but Stopped is in somebody else's hands."""
    known = learn(stopping(), look(2, "Stopping"), look(4, status))

    assert known.stop.state == "failed"
    assert known.error is not None
    assert status in known.error.message


def test_a_stop_that_is_accepted_and_not_yet_seen_is_waited_for() -> None:
    """Running right after an accepted stop is an old look, not a failure."""
    known = learn(stopping(), *(look(at, "Running") for at in (2, 10, 30, 60)))

    assert known.error is None
    assert not isinstance(decide(known, look(61, "Running")), Send)


def test_a_lost_stop_of_which_nothing_shows_is_asked_again() -> None:
    """A stop is harmless to repeat, once the settling time has shown nothing of the first."""
    known = record.lost(record.intend(begin(), STOP, look(0, "Running")), STOP, T)
    known = learn(known, *(look(at, "Running") for at in (2, 8, 14, 20.5)))

    assert known.stop.state == "again"
    assert decide(known, look(21, "Running")) == STOP


@pytest.mark.parametrize("status", ["Running", "Stopping"])
def test_a_stop_that_takes_too_long_names_the_last_state(status: str) -> None:
    """When the time for the stop has passed the run turns back and says what it last saw."""
    known = learn(stopping(), look(50, status), look(101, status))

    assert known.error is not None
    assert f"still {status}" in known.error.message
    assert known.phases[0].result == "timeout"
    assert not known.given_up


def test_a_stop_that_comes_late_leads_to_a_start() -> None:
    """Stopped after the time had passed means: start again."""
    known = learn(stopping(), look(2, "Stopping"), look(101, "Stopping"), look(150, "Stopped"))

    assert decide(known, look(150, "Stopped")) == START


def test_a_stop_that_never_comes_is_given_up_after_the_time_for_a_start() -> None:
    """The watch for a late Stopped has an end, and the end is stranded."""
    known = learn(stopping(), look(2, "Stopping"), look(101, "Stopping"), look(202, "Stopping"))

    assert isinstance(decide(known, look(203, "Stopping")), Finish)
    assert record.outcome(known) == "stranded"


def started() -> Record:
    """Give the record of a wiped machine whose start was accepted."""
    known = replace(
        begin(), stop=Step("done", tries=1, first_at=T, at=T), disks=(Wipe(DISK, "done", 1, evidence="transition"),)
    )
    return record.accepted(record.intend(known, START, look(10)), START, T + 10.0)


def test_a_start_is_done_when_running_is_seen() -> None:
    """Starting and then Running end the start with the outcome done."""
    known = learn(started(), look(12, "Starting"), look(14, "Running"))

    assert known.start.state == "done"
    assert record.outcome(known) == "done"
    assert known.phases[-1].result == "ok"


def test_a_start_that_falls_back_is_not_restarted() -> None:
    """Starting and then Stopped is a start that failed, after a wipe that is proven."""
    known = learn(started(), look(12, "Starting"), look(14, "Stopped"))

    assert record.outcome(known) == "not-restarted"
    assert isinstance(decide(known, look(15, "Stopped")), Finish)


@pytest.mark.parametrize("status", ["Starting", "Stopped"])
def test_a_start_that_takes_too_long_names_the_last_state(status: str) -> None:
    """When the time for the start has passed the end is not-restarted, with what was last seen."""
    known = learn(started(), look(12, status), look(111, status))

    assert record.outcome(known) == "not-restarted"
    assert known.error is not None
    assert status in known.error.message


def test_a_lost_start_of_which_nothing_shows_is_asked_again() -> None:
    """A start may be repeated once the settling time has shown nothing of the first."""
    known = record.lost(started(), START, T + 10.0)
    known = learn(known, *(look(at) for at in (12, 18, 24, 30.5)))

    assert decide(known, look(31)) == START


@pytest.mark.parametrize("power", ["Running", "Stopped"])
def test_a_machine_that_others_start_or_stop_before_our_first_call_ends_the_job(power: str) -> None:
    """A state that is not the one before the first call belongs to somebody else."""
    other = "Stopped" if power == "Running" else "Running"
    known = learn(begin(power), look(2, other))

    assert record.outcome(known) == "refused"
    assert known.error is not None
    assert f"{power} -> {other}" in known.error.message


@pytest.mark.parametrize("refusal", ["Throttling", "NotSent"])
@pytest.mark.parametrize("status", ["Stopped", "Stopping"])
def test_a_stop_that_was_proven_not_done_makes_no_stop_ours(status: str, refusal: str) -> None:
    """Where our stop was refused and the machine goes down all the same, another person stopped it."""
    known = record.intend(begin(), STOP, look(0, "Running"))
    known = record.refused(known, STOP, Failure(refusal, refusal), T + 1.0, values.NOW, T + 3.0)
    known = learn(known, look(2, status), look(4, "Stopped"))

    assert not isinstance(decide(known, look(6, "Stopped")), Send)
    assert known.error is not None


# Gone.


@pytest.mark.parametrize(("status", "disk"), [("gone", "In_use"), ("Stopped", None), ("gone", None)])
def test_what_is_not_shown_for_a_moment_is_not_gone(status: str, disk: str | None) -> None:
    """A Describe may lag behind: one look without the disk or the instance ends nothing."""
    known = learn(begin("Stopped"), look(2, status, disk), look(4))

    assert known.error is None
    assert not known.given_up


@pytest.mark.parametrize(("status", "disk"), [("gone", "In_use"), ("Stopped", None)])
def test_what_stays_unlisted_is_gone(status: str, disk: str | None) -> None:
    """What no look shows through the settling time ends the job, and a wipe under way is unknown."""
    looks = [look(at, status, disk) for at in (2, 8, 14, 20, 23)]

    for known in (learn(begin("Stopped"), *looks), learn(wiping(), *looks)):
        assert known.error is not None
        assert "any more" in known.error.message
        assert isinstance(decide(known, looks[-1]), Finish)
    if disk is None:
        assert record.outcome(learn(wiping(), *looks)) == "unknown"


def test_a_machine_that_is_not_shown_any_more_has_no_power_to_tell() -> None:
    """Where the machine vanished after our stop was accepted, power is not told to be as promised."""
    known = learn(stopping(), look(1, "Running"), *(look(at, "gone") for at in (2, 8, 14, 20, 23)))

    assert record.outcome(known) == "stranded"


# Refusals, and what a record comes to.


def test_a_refusal_that_passes_is_due_again_only_within_its_time() -> None:
    """A retryable refusal of the wipe is retried for as long as a machine may be down for it; then it is final."""
    known = record.refused(wiping("asked"), WIPE, FAILURE, T, values.NOW, T + 2.0)

    assert (known.disks[0].state, known.disks[0].due) == ("todo", T + 2.0)
    assert not isinstance(decide(known, look(1.0)), Send)
    assert decide(known, look(2.0)) == WIPE

    again = record.refused(record.intend(known, WIPE, look(40)), WIPE, FAILURE, T + 40.0, values.NOW, T + 51.0)

    assert again.disks[0].state == "refused"
    assert again.error == FAILURE


def test_a_snapshot_in_the_way_has_the_time_of_a_snapshot() -> None:
    """DiskCreatingSnapshot is retried as long as a snapshot may take, not as long as other refusals."""
    creating = Failure("DiskCreatingSnapshot", "A snapshot is being created.")
    first = record.refused(wiping("asked"), WIPE, creating, T, values.NOW, T + 2.0)
    later = record.refused(record.intend(first, WIPE, look(60)), WIPE, creating, T + 60.0, values.NOW, T + 70.0)

    assert later.disks[0].state == "todo"


def test_the_first_failure_stays_in_front() -> None:
    """What goes wrong later is told behind what went wrong first, and not twice."""
    known = begin()
    for code, message in (("A", "One."), ("B", "Two."), ("B", "Two.")):
        known = record.fail(known, Failure(code, message))

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

    assert record.outcome(replace(begin(), disks=disks, stop=stop, instance_status=power)) == expected


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
    waiting = learn(begin(), look(2, "Running", progressing=(growing,)))
    over = learn(waiting, look(50, "Running"))
    late = learn(waiting, look(103, "Running", progressing=(growing,)))

    assert (over.phases[0].name, over.phases[0].result) == ("wait-snapshot", "ok")
    assert late.phases[0].result == "timeout"
    assert late.error is not None
    assert growing.snapshot_id in late.error.message
    assert record.outcome(late) == "refused"


def test_a_refusal_after_an_interruption_is_final_and_told() -> None:
    """A wipe that was refused for now while the run was interrupted is not due again, and the report says why."""
    known = record.refused(record.interrupt(wiping("asked")), WIPE, FAILURE, T, values.NOW, T + 2.0)

    assert known.disks[0].state == "refused"
    assert known.error == FAILURE


def test_a_stop_that_was_accepted_and_not_seen_to_end_promises_no_power() -> None:
    """Running, seen right after an accepted stop, is no power as promised: the machine is about to go down."""
    blind = look(4, seen=False, instance=None, disks={}, credentials_refused="InvalidSecurityToken.Expired")
    known = learn(stopping(), look(2, "Running"), blind)

    assert isinstance(decide(known, blind), Finish)
    assert record.outcome(known) == "stranded"


@pytest.mark.parametrize(("status", "where"), [("Available", ""), ("Detaching", INSTANCE), ("In_use", "i-other")])
def test_a_disk_that_leaves_before_its_wipe_ends_the_job(status: str, where: str) -> None:
    """A disk that is not In_use on its machine any more before it was asked for is told, and nothing is waited for."""
    stopped = learn(stopping(), look(2, "Stopped"))
    known = learn(stopped, look(4, "Stopped", disk=status, where=where))

    assert known.error is not None
    assert f"In_use on {INSTANCE} -> {status}" in known.error.message
    assert decide(known, look(4, "Stopped", disk=status, where=where)) == START


def test_a_job_does_not_end_on_a_look_that_is_older_than_its_last_answer() -> None:
    """Where the stop was refused for good, the power is looked at once more before the job says what it is."""
    asked = record.intend(begin(), STOP, look(0, "Running"))
    known = record.refused(asked, STOP, Failure("Brand.New", "No."), T + 2.0, values.NOW, None)
    old, new = look(1, "Running"), look(4, "Running")
    after = learn(known, old)

    assert record.outcome(after) == "failed" or not isinstance(decide(after, old), Finish)
    assert record.outcome(learn(after, new)) == "failed"
    assert isinstance(decide(learn(after, new), new), Finish)
