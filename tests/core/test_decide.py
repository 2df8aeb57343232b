"""What is decided: the guards over every record and observation there could be, and whole lives of a job on a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from safe_reinit.core import answers as core_answers
from safe_reinit.core import observations as core_observations
from safe_reinit.core import state as core_state
from safe_reinit.core.decide import decide
from safe_reinit.model import (
    LOCK_TAG,
    Command,
    Failure,
    Fence,
    Finish,
    JobState,
    Limits,
    Observation,
    SafetySnapshot,
    Snapshot,
    Step,
    Wait,
    Wipe,
)
from tests import values
from tests.cloudlike import ANSWERS, DATA, INSTANCE, SYSTEM, TinyEcs, TinyRun

# Records and observations as they could be, and as they never should: no guard may rest on how a record came about.

TIMES = st.one_of(st.none(), st.sampled_from((0.0, 1.0, 990.0, 1000.0, 1010.0, 5000.0)))
STATUSES = st.sampled_from(("Running", "Stopping", "Stopped", "Starting", "Pending", "", "Migrating"))
DISK_STATUSES = st.sampled_from(("In_use", "ReIniting", "Available", "Detaching", "Attaching", "", "Sleeping"))

INSTANCES = st.sampled_from((INSTANCE, INSTANCE, "", "i-other"))

STEP_STATES = ("none", "asked", "accepted", "lost", "again", "resend", "done", "failed")
steps = st.builds(
    Step,
    state=st.sampled_from(STEP_STATES),
    tries=st.integers(0, 3),
    first_at=TIMES,
    at=TIMES,
    due=TIMES,
    moving=st.booleans(),
    reads=st.integers(0, 9),
)
WIPE_STATES = ("todo", "resend", "asked", "accepted", "lost", "refused", "unknown", "done")
RESTORE = "s-restore"
"""The snapshot that an undo rolls back to."""
RUN = "r-1"


def wipes(disk_id: str) -> st.SearchStrategy[Wipe]:
    """Return a wipe, or a roll-back, of this disk in any state."""
    return st.builds(
        Wipe,
        disk_id=st.just(disk_id),
        snapshot_id=st.sampled_from(("", "", RESTORE)),
        losses=st.sampled_from((0, 0, 1, 3)),
        acknowledged=st.booleans(),
        state=st.sampled_from(WIPE_STATES),
        tries=st.integers(0, 3),
        at=TIMES,
        due=TIMES,
        refused_since=TIMES,
        reiniting=st.booleans(),
        reads=st.integers(0, 9),
        evidence=st.none(),
        fence=st.none(),
    )


def safeties(disk_id: str) -> st.SearchStrategy[SafetySnapshot]:
    """Return the safety snapshot of this disk in any state."""
    return st.builds(
        SafetySnapshot,
        disk_id=st.just(disk_id),
        token=st.just("token"),
        step=steps,
        snapshot_id=st.sampled_from((f"s-{disk_id}", f"s-{disk_id}", "")),
    )


limits = st.builds(
    Limits, st.just(600.0), st.just(3600.0), st.just(1800.0), st.just(900.0), st.sampled_from((None, 0.0, 60.0))
)
any_records = st.builds(
    JobState,
    instance_id=st.just(INSTANCE),
    power_before=st.sampled_from(("Running", "Stopped")),
    may_stop=st.booleans(),
    leave_stopped=st.booleans(),
    limits=limits,
    disks=st.one_of(st.tuples(wipes(DATA)), st.tuples(wipes(DATA), wipes(SYSTEM))),
    stop=steps,
    force=steps,
    start=steps,
    snapshots=st.one_of(
        st.just(()), st.tuples(safeties(DATA)), st.tuples(safeties(DATA), safeties(SYSTEM)), st.tuples(safeties(SYSTEM))
    ),
    tag_value=st.sampled_from(("", RUN)),
    tag=steps,
    untag=steps,
    gone=st.sampled_from((False, False, True)),
    phases=st.just(()),
    error=st.sampled_from((None, None, Failure(None, "It failed."))),
    interrupted=st.sampled_from((False, False, True)),
    turned_back_at=TIMES,
    snapshot_wait_since=TIMES,
    given_up=st.sampled_from((False, False, True)),
    instance_status=STATUSES,
    unseen_since=TIMES,
    stuck_since=TIMES,
    missing_reads=st.integers(0, 9),
    missing_since=TIMES,
)


@st.composite
def neighbours(draw: st.DrawFn) -> JobState:
    """Return a record that is one to three members away from one that leads to a call."""
    whole = draw(any_records)
    near = draw(st.sampled_from(NEAR))
    names = draw(st.lists(st.sampled_from(MEMBERS), max_size=3, unique=True))
    return replace(near, **{name: getattr(whole, name) for name in names})


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    """Return anything that could be shown, the impossible too: of the whole, of the instance, or of the disks."""
    shown = draw(whole_observations())
    match draw(st.sampled_from(("whole", "whole", "whole", "instance", "disks"))):
        case "instance":
            return replace(shown, disks_requested=False, disks_answered=False, disks={})
        case "disks":
            return replace(shown, instance_requested=False, instance=None, date=None)
    return shown


@st.composite
def whole_observations(draw: st.DrawFn) -> Observation:
    """Return anything that could be shown of instance and disks; half of it is one member away from the usual."""
    if draw(st.booleans()):
        usual = seeing(draw(st.sampled_from(("Stopped", "Stopped", "Running", "Stopping"))), **draw(TAGS_AND_SNAPSHOTS))
        odd = values.a_disk(disk_id=DATA, status=draw(DISK_STATUSES), instance_id=draw(INSTANCES))
        return replace(usual, disks=draw(st.sampled_from((usual.disks, usual.disks, {DATA: odd}, {}))))
    disks = {}
    for disk_id in (DATA, SYSTEM):
        if draw(st.integers(0, 9)):
            where = draw(INSTANCES)
            disks[disk_id] = values.a_disk(disk_id=disk_id, status=draw(DISK_STATUSES), instance_id=where)
    also = draw(TAGS_AND_SNAPSHOTS)
    instance = values.an_instance(instance_id=INSTANCE, status=draw(STATUSES), tags=also["tags"])
    return Observation(
        snapshots=also["snapshots"],
        at=draw(st.sampled_from((1000.0, 1001.0, 1020.0, 99999.0))),
        when=values.NOW,
        date=draw(st.sampled_from((values.NOW, values.NOW, values.NOW, values.LONG_AGO, None))),
        answered=draw(st.sampled_from((True, True, True, False))),
        instance=draw(st.sampled_from((instance, instance, instance, None))),
        disks=disks,
        progressing=draw(st.sampled_from(((), (values.a_snapshot(status="progressing"),)))),
        credentials_refused=draw(st.sampled_from((None, None, None, "InvalidSecurityToken.Expired"))),
    )


records = st.one_of(neighbours(), any_records)
RULES: list[Callable[[JobState, Observation], None]] = []
"""What holds of each record and each look; they are tried together, since most of the time goes into making those."""


def always(holds: Callable[[JobState, Observation], None]) -> Callable[[JobState, Observation], None]:
    """Make a rule of a function that asserts it."""
    RULES.append(holds)
    return holds


MEMBERS = tuple(each.name for each in fields(JobState) if each.name not in ("instance_id", "limits", "version"))


def shown_snapshots(*rows: tuple[str, str, str]) -> dict[str, Snapshot]:
    """Return snapshots as a look shows them: of a disk, by an id, in a status."""
    return {
        name: values.a_snapshot(snapshot_id=name, source_disk_id=disk, status=status) for disk, name, status in rows
    }


SNAPSHOT_STATUSES = st.sampled_from(("accomplished", "accomplished", "progressing", "failed", "", "Sleeping"))
TAGS_AND_SNAPSHOTS = st.fixed_dictionaries(
    {
        "tags": st.sampled_from(((), ((LOCK_TAG, RUN),), ((LOCK_TAG, RUN),), ((LOCK_TAG, "r-other"),))),
        "snapshots": st.dictionaries(
            st.sampled_from((f"s-{DATA}", f"s-{SYSTEM}")),
            st.tuples(st.sampled_from((DATA, DATA, SYSTEM)), SNAPSHOT_STATUSES),
        ).map(lambda rows: shown_snapshots(*((disk, name, status) for name, (disk, status) in rows.items()))),
    }
)


def wiped() -> JobState:
    """Return the record of a machine that is to be started again."""
    return ready(disks=(Wipe(DATA, "done", 1, evidence="transition"),))


def before_the_stop() -> JobState:
    """Return the record of a machine that is to be stopped."""
    return ready(stop=Step(), instance_status="Running")


def ready(**changes: Any) -> JobState:
    """Return the record of a job whose stop is done and whose one disk is to be wiped."""
    done = Step("done", tries=1, first_at=900.0, at=901.0)
    before = JobState(
        instance_id=INSTANCE,
        power_before="Running",
        may_stop=True,
        leave_stopped=False,
        limits=Limits(),
        disks=(Wipe(DATA),),
        stop=done,
        instance_status="Stopped",
    )
    return replace(before, **changes)


def backed_up(**changes: Any) -> JobState:
    """Return the record of a stopped machine whose disk has its safety snapshot, and that bears the tag."""
    safety = SafetySnapshot(DATA, "token", Step("done", tries=1, first_at=902.0, at=990.0), f"s-{DATA}")
    tag = Step("done", tries=1, first_at=890.0, at=891.0)
    return ready(**{"snapshots": (safety,), "tag_value": RUN, "tag": tag, **changes})


SAFE: dict[str, Any] = {"tags": ((LOCK_TAG, RUN),), "snapshots": shown_snapshots((DATA, f"s-{DATA}", "accomplished"))}
"""What a look shows of the tag and the safety snapshot where both are as they should be."""
NEAR = (
    ready(), ready(power_before="Stopped", stop=Step()), wiped(), before_the_stop(), backed_up(),
    ready(snapshots=(SafetySnapshot(DATA, "token"),)), backed_up(disks=(Wipe(DATA, snapshot_id=RESTORE),)),
    backed_up(disks=(Wipe(DATA, "done", 1),), start=Step("done", 1), instance_status="Running"),
    ready(stop=Step(), instance_status="Running", tag_value=RUN),
)  # fmt: skip
"""Records that lead to a call, each to another one."""


def seeing(status: str = "Stopped", disk: str = "In_use", **more: Any) -> Observation:
    """Return a look at the instance in this status and its disk in that one."""
    disks = {DATA: values.a_disk(disk_id=DATA, status=disk, instance_id=INSTANCE)}
    instance = values.an_instance(instance_id=INSTANCE, status=status, tags=more.pop("tags", ()))
    whole: dict[str, Any] = {"at": 1000.0, "when": values.NOW, "answered": True, "instance": instance, "disks": disks}
    whole["date"] = values.NOW
    return Observation(**(whole | more))


def test_a_stopped_machine_and_a_disk_in_use_are_wiped() -> None:
    """The guards let through what they are there for: the one case in which the wipe is right."""
    assert decide(ready(), seeing()) == Command("ReInitDisk", DATA)


@always
def a_wipe_is_decided_only_where_every_guard_holds(known: JobState, seen: Observation) -> None:
    """Every wipe needs a Stopped instance, a disk In_use on it, no error, no interruption and no start intended."""
    action = decide(known, seen)

    if isinstance(action, Command) and action.overwrites:
        wipe = next(wipe for wipe in known.disks if wipe.disk_id == action.subject)
        assert known.start.state == "none"
        assert known.error is None
        assert not known.interrupted
        assert seen.answered
        assert seen.instance is not None
        assert seen.instance.status == "Stopped"
        if seen.disks_requested:
            assert seen.disks[action.subject].status == "In_use"
            assert seen.disks[action.subject].instance_id == INSTANCE
        else:  # the recheck before the call shows the disks; of a fence nothing is shown without them
            assert wipe.losses == 0
        assert wipe.pending
        assert wipe.due is None or wipe.due <= seen.at


def test_each_call_is_decided_where_it_is_due() -> None:
    """One record and one look for each call of a run, in the order of a run."""
    tagged = ready(stop=Step(), instance_status="Running", tag_value=RUN)
    cut = ready(stop=Step("accepted", 1, 900.0, 900.0), limits=Limits(force_stop_after=60.0))
    promised = ready(snapshots=(SafetySnapshot(DATA, "token"),))
    restored = ready(disks=(Wipe(DATA, snapshot_id=RESTORE),))
    again = ready(disks=(Wipe(DATA, "done", 1),), start=Step("again", 1, 990.0, 990.0, due=1000.0))
    ended = backed_up(disks=(Wipe(DATA, "done", 1),), start=Step("done", 1), instance_status="Running")

    assert decide(tagged, seeing("Running")) == Command("TagResources", INSTANCE)
    assert decide(before_the_stop(), seeing("Running")) == Command("StopInstance", INSTANCE)
    assert decide(cut, seeing("Stopping")) == Command("StopInstance", INSTANCE, force=True)
    assert decide(promised, seeing()) == Command("CreateSnapshot", DATA)
    assert decide(restored, seeing()) == Command("ResetDisk", DATA)
    assert decide(wiped(), seeing()) == Command("StartInstance", INSTANCE)
    assert decide(again, seeing()) == Command("StartInstance", INSTANCE)
    assert decide(ended, seeing("Running", **SAFE)) == Command("UntagResources", INSTANCE)


@pytest.mark.parametrize(
    ("stop", "force", "cut"),
    [
        (Step("accepted", 1, 940.0, 940.0), Step(), True),  # exactly the time that was given to the guest
        (Step("accepted", 1, 940.5, 940.5), Step(), False),
        (Step("lost", 1, 900.0, 900.0), Step(), False),
        (Step("accepted", 1, None, 900.0), Step(), False),
        (Step("accepted", 1, 900.0, 900.0), Step("accepted", 1, 990.0, 990.0), False),
        (Step("accepted", 1, 900.0, 900.0), Step("again", 1, 990.0, 990.0, due=1000.5), False),
        (Step("accepted", 1, 900.0, 900.0), Step("again", 1, 990.0, 990.0, due=1000.0), True),
    ],
    ids=str,
)
def test_the_power_is_cut_only_after_the_time_that_was_given(stop: Step, force: Step, cut: bool) -> None:
    """The graceful stop must have been accepted, its time must be over, and a cut is asked for once."""
    known = ready(stop=stop, force=force, limits=Limits(force_stop_after=60.0))

    assert (decide(known, seeing("Stopping")) == Command("StopInstance", INSTANCE, force=True)) is cut
    assert not isinstance(decide(replace(known, limits=Limits()), seeing("Stopping")), Command)


def test_no_job_ends_on_an_observation_without_its_machine() -> None:
    """What was started is looked at before it is told; a job of which nothing was tried ends without."""
    started = ready(disks=(Wipe(DATA, "done", 1),), start=Step("done", 1), instance_status="Running")
    untried = replace(ready(power_before="Stopped", stop=Step()), error=Failure(None, "It failed."))
    without = replace(seeing("Running"), instance=None, instance_requested=False)
    action = decide(started, without)

    assert isinstance(decide(started, seeing("Running")), Finish)
    assert isinstance(action, Wait)
    assert action.what == "an observation"
    assert isinstance(decide(untried, without), Finish)


def test_without_an_answer_about_the_disks_nothing_is_sent_towards_the_wipe() -> None:
    """A machine is not stopped either: its disks are asked for again first."""
    unanswered = {"disks": {}, "disks_answered": False}
    action = decide(before_the_stop(), seeing("Running", **unanswered))

    assert decide(before_the_stop(), seeing("Running")) == Command("StopInstance", INSTANCE)
    assert isinstance(action, Wait)
    assert action.what == "an observation"


def test_a_machine_that_may_not_be_stopped_is_not() -> None:
    """Where the plan stops nothing, a machine that runs by now is left running, and the job is over."""
    assert decide(replace(before_the_stop(), may_stop=False), seeing("Running")) == Finish()


SHORT = Limits(retry=100.0)


@pytest.mark.parametrize(
    ("changes", "status", "off"),
    [
        ({}, "Running", True),
        ({"disks": (Wipe(DATA, "unknown", 1),)}, "Stopped", False),
        ({"start": Step("failed", 1), "instance_status": "Stopped"}, "Stopped", False),
        (
            {"disks": (Wipe(DATA, "refused", 1),), "start": Step("failed", 1), "instance_status": "Stopped"},
            "Stopped",
            False,
        ),
        ({"untag": Step("done", 1)}, "Running", False),
        ({"untag": Step("failed", 1)}, "Running", False),
        ({"tag": Step()}, "Running", False),
        ({"limits": SHORT, "untag": Step("again", 1, first_at=900.0)}, "Running", True),
        ({"limits": SHORT, "untag": Step("again", 1, first_at=899.0)}, "Running", False),
        ({"limits": SHORT, "unseen_since": 899.0}, "Running", True),
    ],
    ids=str,
)
def test_the_tag_comes_off_where_nothing_is_pending(changes: dict[str, Any], status: str, off: bool) -> None:
    """In doubt, stranded or not restarted it stays to be seen; it is tried for its time, and taken off once."""
    ended = backed_up(disks=(Wipe(DATA, "done", 1),), start=Step("done", 1), instance_status="Running")
    action = decide(replace(ended, **changes), seeing(status, **SAFE))

    assert action == (Command("UntagResources", INSTANCE) if off else Finish())


def test_the_tag_is_given_up_where_nothing_is_seen_for_long() -> None:
    """A run does not wait longer for a machine to be seen than it would try to take the tag off."""
    ended = backed_up(disks=(Wipe(DATA, "done", 1),), start=Step("done", 1), instance_status="Running", limits=SHORT)

    assert isinstance(decide(replace(ended, unseen_since=900.0), seeing(**UNSEEN)), Wait)
    assert decide(replace(ended, unseen_since=899.0), seeing(**UNSEEN)) == Finish()


def test_without_a_tag_the_end_needs_no_read() -> None:
    """Nothing is waited for where there is nothing to take off."""
    ended = ready(disks=(Wipe(DATA, "done", 1),), start=Step("done", 1), instance_status="Running")

    assert decide(ended, seeing(answered=False, instance=None, disks={})) == Finish()


def test_what_is_due_without_a_time_is_due_at_once() -> None:
    """Also at the beginning of time."""
    start = ready(disks=(Wipe(DATA, "done", 1),), stop=Step("done", 1), start=Step("again", 1))

    assert decide(start, seeing(at=0.0)) == Command("StartInstance", INSTANCE)
    assert decide(ready(stop=Step("again", 1)), seeing("Running", at=0.0)) == Command("StopInstance", INSTANCE)


FENCE = Fence(values.YESTERDAY, "Stopped", values.LONG_AGO, INSTANCE)
"""What is seen before a wipe of the usual machine."""


@pytest.mark.parametrize(
    ("wipe", "record_says", "held"),
    [
        ({}, {}, True),
        ({"gap": True}, {}, False),
        ({"gap": True}, {"on_unknown": "retry"}, True),
        ({"used": True}, {"on_unknown": "retry"}, False),
        ({"fence": None}, {"on_unknown": "retry"}, False),
        ({"fence": replace(FENCE, start_time=values.NOW)}, {"on_unknown": "retry"}, False),
        ({"fence": replace(FENCE, attached_time=values.NOW)}, {"on_unknown": "retry"}, False),
    ],
    ids=str,
)
def test_a_lost_wipe_is_sent_again_only_behind_its_fence(
    wipe: dict[str, Any], record_says: dict[str, Any], held: bool
) -> None:
    """Each thing that the fence holds is needed; a gap alone is forgiven, and only where the person said so."""
    lost = replace(Wipe(DATA, "resend", 1, losses=1, fence=FENCE, watched_at=999.0), **wipe)

    assert (decide(ready(disks=(lost,), **record_says), seeing()) == Command("ReInitDisk", DATA)) is held


@pytest.mark.parametrize(
    ("known", "status", "expected"),
    [
        (ready(stop=Step("again", 1, 990.0, 990.0, due=1000.5)), "Running", ("stop", "Stopped", 990.0)),
        (ready(stop=Step("lost", 1, 990.0, 990.0), interrupted=True), "Running", ("stop", "Stopped", 990.0)),
        (ready(stop=Step("accepted", 1, 990.0, 990.0), interrupted=True), "Stopping",
         ("stop", "Stopped", 990.0)),
        (ready(stop=Step("accepted", 1)), "Running", ("stop", "Stopped", 1000.0)),
        (ready(stop=Step("asked", 1, 990.0)), "Running", ("stop", "an answer", 990.0)),
        (ready(stop=Step("accepted", 1, 990.0, 990.0)), "Stopping", ("stop", "Stopped", 990.0)),
        (ready(stop=Step(), power_before="Stopped"), "Starting", ("reinit", "Stopped", 1000.0)),
        (ready(stop=Step()), "Starting", ("stop", "Stopped", 1000.0)),
        (ready(disks=(Wipe(DATA, "accepted", 1, at=980.0),)), "Stopped", ("reinit", "In_use", 980.0)),
        (ready(disks=(Wipe(DATA, "todo", 1, at=980.0, due=1001.0),)), "Stopped",
         ("reinit", "the next try", 980.0)),
        (ready(snapshots=(SafetySnapshot(DATA, "token", Step("accepted", 1, 970.0, 970.0), "s-1"),)), "Stopped",
         ("snapshot", "accomplished", 970.0)),
        (ready(start=Step("accepted", 1, 960.0, 960.0), disks=(Wipe(DATA, "done", 1),)), "Starting",
         ("start", "Running", 960.0)),
        (ready(stop=Step(), tag_value=RUN, tag=Step("accepted", 1, 950.0, 950.0)), "Running",
         ("stop", "the tag", 1000.0)),
    ],
    ids=str,
)  # fmt: skip
def test_a_wait_says_for_what_and_since_when(known: JobState, status: str, expected: tuple[Any, ...]) -> None:
    """A person who watches is told the phase, what is waited for, and since when."""
    action = decide(known, seeing(status))

    assert isinstance(action, Wait)
    assert (action.phase, action.what, action.since) == expected


UNSEEN: dict[str, Any] = {"answered": False, "instance": None, "disks": {}}
"""What a look that failed shows."""


@pytest.mark.parametrize(
    ("changes", "over"),
    [
        ({"given_up": True}, True),
        ({"gone": True}, True),
        ({"interrupted": True, "stop": Step()}, True),
        ({"interrupted": True}, False),  # its machine is down
        ({"stop": Step()}, False),
        ({"disks": (Wipe(DATA, "unknown", 1),)}, True),
        ({"disks": (Wipe(DATA, "unknown", 1), Wipe(SYSTEM, "accepted", 1))}, False),
        *(
            ({"disks": (Wipe(DATA, "done", 1),), "start": Step(state, 1), "instance_status": status}, bool(status))
            for state in ("done", "failed")
            for status in ("Stopped", "Running", "")
        ),
    ],
    ids=str,
)
def test_a_job_that_has_come_to_its_end_is_not_looked_at_any_more(changes: dict[str, Any], over: bool) -> None:
    """One that was given up, never began or is told with its power is over; any other waits for a look."""
    assert isinstance(decide(ready(**changes), seeing(**UNSEEN)), Finish) is over


@pytest.mark.parametrize("shown", [{"answered": False}, {"instance": None}, {"at": 900.5}], ids=str)
def test_each_thing_that_spoils_an_observation_keeps_a_call_from_being_sent(shown: dict[str, Any]) -> None:
    """A look that failed, shows no instance, or began before the last answer about the power is waited out."""
    assert decide(ready(), seeing(**shown)) == Wait("stop", "an observation", 900.0)


def test_a_wait_without_a_beginning_begins_now() -> None:
    """Where the record has no time to count from, the wait counts from the look that is there."""
    assert decide(before_the_stop(), seeing(**UNSEEN)) == Wait("stop", "an observation", 1000.0)
    assert decide(ready(stop=Step("asked", 1)), seeing("Running")) == Wait("stop", "an answer", 1000.0)
    assert decide(ready(disks=(Wipe(DATA, "accepted", 1),)), seeing()) == Wait("reinit", "In_use", 1000.0)
    waiting = SafetySnapshot(DATA, "token", Step("accepted", 1), "s-1")
    assert decide(ready(snapshots=(waiting,)), seeing()) == Wait("snapshot", "accomplished", 1000.0)


def test_the_end_says_what_it_still_waits_for() -> None:
    """While the tag is to come off, it is told whether a look or the next try is waited for."""
    ended = backed_up(disks=(Wipe(DATA, "done", 1),), start=Step("done", 1), instance_status="Running")
    again = replace(ended, untag=Step("again", 1, 990.0, 990.0, due=1000.5))

    assert decide(ended, seeing(**UNSEEN)) == Wait("start", "an observation", 1000.0)
    assert decide(again, seeing("Running", **SAFE)) == Wait("start", "the next try", 1000.0)


def test_a_wait_for_somebody_elses_snapshot_is_a_phase_of_its_own() -> None:
    """Before anything was touched a snapshot that is being created is waited for."""
    shot = (values.a_snapshot(status="progressing"),)
    waiting = replace(before_the_stop(), snapshot_wait_since=940.0)

    assert decide(waiting, seeing("Running", progressing=shot)) == Wait("wait-snapshot", "the snapshot", 940.0)
    assert decide(before_the_stop(), seeing("Running", progressing=shot)) == Wait("stop", "the snapshot", 1000.0)
    assert decide(waiting, seeing("Running")) == Command("StopInstance", INSTANCE)


def test_a_machine_that_somebody_else_starts_is_observed_until_it_runs() -> None:
    """One that we stopped is back only once it is Running; another one is not ours to wait for."""
    assert decide(wiped(), seeing("Starting")) == Wait("reinit", "Running", 1000.0)
    assert decide(wiped(), seeing("Running")) == Finish()
    assert decide(wiped(), seeing("Pending")) == Finish()
    assert decide(replace(wiped(), leave_stopped=True), seeing("Starting")) == Finish()
    assert decide(replace(wiped(), stop=Step(), power_before="Stopped"), seeing("Starting")) == Finish()


@pytest.mark.parametrize("status", ["Running", "Stopping", "Starting", "Pending", "", "Migrating"])
@pytest.mark.parametrize("power", ["Running", "Stopped"])
def test_a_machine_that_is_not_stopped_is_not_wiped(power: str, status: str) -> None:
    """Only Stopped is Stopped, whatever the record says of it."""
    action = decide(ready(power_before=power), seeing(status))

    assert not (isinstance(action, Command) and action.action == "ReInitDisk")


@pytest.mark.parametrize(
    "changes",
    [
        {"start": Step("asked", 1)},
        {"start": Step("again", 1, due=0.0)},
        {"start": Step("done", 1)},
        {"start": Step("failed", 1)},
        {"error": Failure(None, "It failed.")},
        {"interrupted": True},
        {"given_up": True},
        {"stop": Step()},
        {"stop": Step("asked", 1)},
        {"stop": Step("accepted", 1, 900.0, 900.0)},
        {"stop": Step("lost", 1, 900.0, 900.0)},
        {"stop": Step("failed", 1)},
        {"force": Step("asked", 1)},
        *({"disks": (Wipe(DATA, state, 1, at=999.0),)} for state in WIPE_STATES if state != "todo"),
        {"disks": (Wipe(DATA, "todo", 1, due=1000.5),)},
        {"disks": (Wipe(DATA), Wipe(SYSTEM, "unknown", 1))},
        {"disks": (Wipe(DATA), Wipe(SYSTEM, "refused", 1))},
        {"disks": (Wipe(DATA), Wipe(SYSTEM, "asked", 1))},
        {"disks": (Wipe(DATA), Wipe(SYSTEM, "unknown", 1), Wipe("d-third", "accepted", 1, at=999.0))},
        {"disks": (Wipe(DATA), Wipe(SYSTEM, "refused", 1), Wipe("d-third", "accepted", 1, at=999.0))},
    ],
    ids=str,
)
def test_each_thing_that_forbids_a_wipe_forbids_it_alone(changes: dict[str, Any]) -> None:
    """One member of the record that speaks against a wipe is enough, all others speaking for it."""
    action = decide(ready(**changes), seeing())

    assert not (isinstance(action, Command) and action.action == "ReInitDisk")


@pytest.mark.parametrize("status", ["ReIniting", "Available", "Detaching", "Attaching", "", "Sleeping"])
@pytest.mark.parametrize("where", [INSTANCE, "", "i-other"])
def test_a_disk_that_is_not_in_use_on_the_machine_is_not_wiped(status: str, where: str) -> None:
    """A disk in another state, on another machine, or not shown is not wiped."""
    odd = values.a_disk(disk_id=DATA, status=status, instance_id=where)
    elsewhere = values.a_disk(disk_id=DATA, status="In_use", instance_id="i-other")

    for disks in ({DATA: odd}, {DATA: elsewhere}, {}):
        assert not isinstance(decide(ready(), seeing(disks=disks)), Command)


@pytest.mark.parametrize(
    "changes",
    [
        {"leave_stopped": True},
        {"power_before": "Stopped"},
        {"stop": Step()},
        {"stop": Step("failed", 1)},
        {"stop": Step("accepted", 1)},
        {"stop": Step("lost", 1)},
        {"start": Step("failed", 1)},
        {"start": Step("done", 1)},
        {"start": Step("again", 1, due=1000.5)},
        {"given_up": True},
        *({"disks": (Wipe(DATA, state, 1, at=999.0),)} for state in ("asked", "accepted", "lost", "unknown")),
        *({"disks": (Wipe(DATA, "done", 1), Wipe(SYSTEM, state, 1, at=999.0))} for state in ("accepted", "unknown")),
    ],
    ids=str,
)
def test_each_thing_that_forbids_a_start_forbids_it_alone(changes: dict[str, Any]) -> None:
    """One member of the record that speaks against a start is enough, all others speaking for it."""
    assert decide(wiped(), seeing()) == Command("StartInstance", INSTANCE)
    assert not isinstance(decide(replace(wiped(), **changes), seeing()), Command)


@pytest.mark.parametrize(
    "changes",
    [
        {"stop": Step()},
        {"stop": Step("accepted", 1, 900.0, 900.0)},
        {"leave_stopped": True},
        {"power_before": "Stopped"},
        {"start": Step("again", 1, 990.0, 990.0, due=1000.5)},
        {"start": Step("accepted", 1, 990.0, 990.0)},
        {"instance_status": "Starting"},
    ],
    ids=str,
)
def test_each_thing_that_forbids_a_second_start_forbids_it_alone(changes: dict[str, Any]) -> None:
    """A start that is due again is sent to a Stopped machine that we stopped and that is owed it, and to no other."""
    again = replace(wiped(), start=Step("again", 1, 990.0, 990.0, due=1000.0))
    seen = seeing(changes.get("instance_status", "Stopped"))

    assert decide(again, seeing()) == Command("StartInstance", INSTANCE)
    assert not isinstance(decide(replace(again, **changes), seen), Command)


def test_a_machine_that_does_not_exist_is_observed_once_more() -> None:
    """A job whose start found no instance ends on what was observed after that answer, not on what was seen before."""
    gone = replace(wiped(), gone=True, instance_status="", start=Step("failed", 1, 990.0, at=1000.0))

    assert isinstance(decide(gone, seeing(at=999.0)), Wait)
    assert isinstance(decide(gone, seeing(at=1000.0)), Finish)
    assert isinstance(decide(gone, Observation(999.0, values.NOW, answered=False)), Finish)


@always
def nothing_is_sent_while_a_call_is_outstanding(known: JobState, seen: Observation) -> None:
    """While the answer to any call is awaited, no other call is decided."""
    safety = [each.step for each in known.snapshots]
    asked = [step.state == "asked" for step in (known.stop, known.force, known.start, known.tag, known.untag, *safety)]
    asked += [wipe.state == "asked" for wipe in known.disks]

    if any(asked):
        assert not isinstance(decide(known, seen), Command)


@always
def a_start_follows_only_a_stop_of_ours_and_never_a_doubt(known: JobState, seen: Observation) -> None:
    """StartInstance is decided only once our own stop is done, the machine was Running, and no disk is in doubt.

    A machine that could not be observed for the settling time is started on what was last known; one that ECS has not
    listed for so long, also where our stop was not seen to be done.
    """
    action = decide(known, seen)

    if isinstance(action, Command) and action.action == "StartInstance":
        assert known.promised == "Running"
        assert not any(wipe.state in ("asked", "accepted", "lost", "unknown") for wipe in known.disks)
        if seen.not_listed:
            assert known.stopped_by_us
            assert known.missing_since is not None
            assert seen.at - known.missing_since >= core_state.SETTLING_TIME
            return
        assert known.stop.state == "done"
        if not seen.answered:
            assert known.instance_status == "Stopped"
            assert known.unseen_since is not None
            assert seen.at - known.unseen_since >= core_state.SETTLING_TIME
            return
        assert seen.instance is not None
        assert seen.instance.status == "Stopped"


@always
def a_wipe_is_decided_only_behind_each_promised_snapshot(known: JobState, seen: Observation) -> None:
    """No disk is wiped unless every safety snapshot is done, and its own is shown accomplished in that very look."""
    action = decide(known, seen)

    if isinstance(action, Command) and action.overwrites:
        assert all(each.step.state == "done" for each in known.snapshots)
        for each in known.snapshots:
            if each.disk_id == action.subject:
                assert seen.snapshots[each.snapshot_id].status == "accomplished"
                assert seen.snapshots[each.snapshot_id].source_disk_id == action.subject


@always
def a_snapshot_is_decided_only_of_a_stopped_machine_before_its_wipe(known: JobState, seen: Observation) -> None:
    """CreateSnapshot is decided only on a Stopped machine, before any wipe of that disk and any start."""
    action = decide(known, seen)

    if isinstance(action, Command) and action.action == "CreateSnapshot":
        wipe = next((wipe for wipe in known.disks if wipe.disk_id == action.subject), None)
        safety = next(each for each in known.snapshots if each.disk_id == action.subject)
        assert seen.instance is not None
        assert seen.instance.status == "Stopped"
        assert known.stop.state == "done" or known.power_before == "Stopped"
        assert known.start.state == "none"
        assert not known.turned_back
        assert wipe is None or wipe.tries == 0
        assert safety.step.state in ("none", "again", "resend")


@always
def nothing_is_stopped_before_the_tag_is_there(known: JobState, seen: Observation) -> None:
    """Where a tag is wanted, only the tag itself is set before it was seen, and never by a job that has turned back."""
    action = decide(known, seen)

    if isinstance(action, Command) and known.tag_value and known.start.state == "none":
        towards = action.action in ("StopInstance", "CreateSnapshot", "ReInitDisk", "ResetDisk")
        assert not towards or known.tag.state == "done"
    if isinstance(action, Command) and action.action == "TagResources":
        assert known.tag_value
        assert known.tag.state in ("none", "again", "resend")
        assert not known.turned_back
        assert known.start.state == "none"


@always
def the_tag_comes_off_last_and_only_our_own(known: JobState, seen: Observation) -> None:
    """UntagResources is decided only for a tag that we set and may still be there, once nothing is owed any more."""
    action = decide(known, seen)

    if isinstance(action, Command) and action.action == "UntagResources":
        assert known.tag.tries
        assert known.untag.state in ("none", "accepted", "again", "resend", "lost")
        assert not core_state.is_pending(known)
        untagged = replace(known, tag=replace(known.tag, tries=0))
        assert isinstance(decide(untagged, seen), Finish), "something else was left to do"
        assert seen.instance is not None
        assert dict(seen.instance.tags).get(LOCK_TAG) in (None, known.tag_value)


@always
def an_undo_rolls_back_and_a_wipe_wipes(known: JobState, seen: Observation) -> None:
    """ReInitDisk is never decided for a disk that is to be rolled back, and ResetDisk for no other."""
    action = decide(known, seen)

    if isinstance(action, Command) and action.overwrites:
        wipe = next(wipe for wipe in known.disks if wipe.disk_id == action.subject)
        assert (action.action == "ResetDisk") == bool(wipe.snapshot_id)


@always
def nothing_but_the_tag_is_left_after_the_end(known: JobState, seen: Observation) -> None:
    """Once the machine is started again, or a disk is unknown, nothing is sent but what takes the tag off."""
    ended = known.start.state == "done" and not any(wipe.in_doubt for wipe in known.disks)
    action = decide(known, seen)

    if ended and isinstance(action, Command):
        assert action.action == "UntagResources"


@pytest.mark.parametrize(
    "changes",
    [
        *({"snapshots": (SafetySnapshot(DATA, "token", Step(state, 1, 902.0, 990.0), f"s-{DATA}"),)}
          for state in STEP_STATES if state != "done"),
        {"snapshots": (*backed_up().snapshots, SafetySnapshot(SYSTEM, "token", Step("accepted", 1), f"s-{SYSTEM}"))},
        *({"tag": Step(state, 1, 890.0, 891.0)} for state in STEP_STATES if state != "done"),
        {"untag": Step("asked", 1)},
    ],
    ids=str,
)  # fmt: skip
def test_each_thing_that_is_not_ready_forbids_a_wipe_alone(changes: dict[str, Any]) -> None:
    """A safety snapshot that is not done, or a tag that is not, is enough to keep the wipe from being sent."""
    assert decide(backed_up(), seeing(**SAFE)) == Command("ReInitDisk", DATA)
    action = decide(backed_up(**changes), seeing(**SAFE))

    assert not (isinstance(action, Command) and action.overwrites)


@pytest.mark.parametrize(
    "shown",
    [
        {},
        *(shown_snapshots((DATA, f"s-{DATA}", status)) for status in ("progressing", "failed", "", "Accomplished")),
        shown_snapshots((SYSTEM, f"s-{DATA}", "accomplished")),
        shown_snapshots((DATA, "s-another", "accomplished")),
    ],
    ids=lambda rows: ", ".join(f"{row.source_disk_id} {row.status}" for row in rows.values()) or "none",
)
def test_what_the_record_says_of_a_snapshot_is_not_enough(shown: dict[str, Snapshot]) -> None:
    """A snapshot that is done by the record and not shown accomplished, of this disk, now, lets no wipe through."""
    assert not isinstance(decide(backed_up(), seeing(tags=SAFE["tags"], snapshots=shown)), Command)


@always
def a_stop_is_decided_only_on_a_running_machine_that_is_to_be_wiped(known: JobState, seen: Observation) -> None:
    """StopInstance is decided only where a wipe may follow and no start is intended; by force only after our own."""
    action = decide(known, seen)

    if isinstance(action, Command) and action.action == "StopInstance":
        assert known.may_stop
        assert not known.turned_back
        assert known.start.state == "none"
        assert any(wipe.pending for wipe in known.disks)
        assert seen.instance is not None
        assert seen.instance.status == ("Stopping" if action.force else "Running")
        assert not action.force or (known.limits.force_stop_after is not None and known.stop.state == "accepted")


@always
def assert_only_a_pending_start_is_sent_blindly(known: JobState, seen: Observation) -> None:
    """Every call needs a look that shows the machine, but for a start once no wipe is to follow any more."""
    action = decide(known, seen)

    if (not seen.answered or seen.instance is None) and isinstance(action, Command):
        assert action.action == "StartInstance"
        assert seen.not_listed or not seen.answered
        to_follow = any(wipe.pending for wipe in known.disks) and known.start.state == "none"
        assert known.turned_back or not to_follow or any(wipe.state == "refused" for wipe in known.disks)
    if known.given_up:
        assert not isinstance(action, Command) or action.action == "UntagResources"


@always
def assert_no_observation_raises(known: JobState, seen: Observation) -> None:
    """Every record and every look come to an action, the impossible ones too."""
    learned = core_observations.evolve_observed(known, seen)

    assert isinstance(decide(learned, seen), (Wait, Command, Finish))
    assert core_state.outcome(learned) in (
        "done",
        "refused",
        "failed",
        "unknown",
        "not-restarted",
        "partial",
        "stranded",
    )


@always
def learning_only_makes_a_record_more_careful(known: JobState, seen: Observation) -> None:
    """No look takes back an error, an interruption or an intended start, nor lets a disk be wiped that might not."""
    learned = core_observations.evolve_observed(known, seen)

    assert (known.error is None) or (learned.error is not None)
    assert learned.interrupted == known.interrupted
    assert (known.start.state == "none") == (learned.start.state == "none")
    assert known.given_up <= learned.given_up
    for before, after in zip(known.disks, learned.disks, strict=True):
        assert after.tries == before.tries
        assert not after.pending or before.state in ("todo", "resend", "lost")
        assert after.state != "todo" or before.state == "todo"
        assert before.state not in ("unknown", "done") or after.state == before.state


@always
def a_disk_seen_reiniting_is_never_asked_for_again(known: JobState, seen: Observation) -> None:
    """No refusal of a call during which the disk was seen ReIniting proves anything: the disk is not to be wiped."""
    asked = tuple(replace(wipe, state="asked", tries=1, reiniting=wipe.disk_id == DATA) for wipe in known.disks)
    call, failure = Command("ReInitDisk", DATA), Failure("Throttling", "x")
    for due in (seen.at + 2.0, None):
        after = core_answers.refused(replace(known, disks=asked), call, failure, seen.at, seen.when, due)

        assert next(wipe.state for wipe in after.disks if wipe.disk_id == DATA) not in ("todo", "resend", "refused")


UNLISTED = ready(stop=Step("accepted", 1), start=Step("again", 1), instance_status="", missing_since=0.0)
UNLISTED_SEEN = Observation(1000.0, values.NOW, answered=True, date=values.NOW)


@settings(max_examples=500)
@given(records, observations())
@example(backed_up(disks=(Wipe(DATA, "asked", 1),), given_up=True, gone=True), seeing(**SAFE))
@example(ready(start=Step("again", tries=1, due=0.0), stop=Step()), seeing())
@example(backed_up(), seeing(**SAFE))
@example(backed_up(), seeing(disks={}, disks_answered=False, disks_requested=False, tags=SAFE["tags"]))
@example(NEAR[5], seeing())
@example(replace(NEAR[5], disks=(Wipe(DATA, tries=1),)), seeing())
@example(UNLISTED, UNLISTED_SEEN)
@example(replace(UNLISTED, stop=Step("resend", 1, lost_at=2.0), start=Step()), UNLISTED_SEEN)
@example(
    replace(UNLISTED, stop=Step("done"), missing_since=None, unseen_since=0.0, instance_status="Stopped"),
    seeing(**UNSEEN),
)
@example(NEAR[8], seeing("Running"))
@example(NEAR[7], seeing("Running", tags=SAFE["tags"]))
def test_whatever_is_known_and_seen_no_rule_is_broken(known: JobState, seen: Observation) -> None:
    """Each rule above that is to hold always does so."""
    for rule_holds in RULES:
        rule_holds(known, seen)


# Whole lives of a job: the loop and the guarded call over a model of ECS, while other people and the network interfere.


class Life(RuleBasedStateMachine):
    """A run to whose machine, network and operator anything may happen at any time."""

    @initialize(
        power=st.sampled_from(("Running", "Running", "Stopped")),
        disks=st.sampled_from(((DATA,), (DATA, SYSTEM))),
        lag=st.sampled_from((0.0, 0.0, 6.0)),
        leave_stopped=st.booleans(),
        deaf=st.sampled_from((False, False, True)),
        force=st.sampled_from((None, 10.0)),
    )
    def begin(
        self, power: str, disks: tuple[str, ...], lag: float, leave_stopped: bool, deaf: bool, force: float | None
    ) -> None:
        """Begin a run."""
        ecs = TinyEcs(power, disks, lag=lag, deaf=deaf)
        self.life = TinyRun(ecs, leave_stopped=leave_stopped, force_stop_after=force)

    @precondition(lambda self: not self.life.ended)
    @rule(ticks=st.sampled_from((1, 1, 2, 5, 11)))
    def time_passes(self, ticks: int) -> None:
        """Look and act as usual for a while."""
        for _ in range(ticks):
            self.life.tick()

    @precondition(lambda self: not self.life.ended)
    @rule(ticks=st.sampled_from((1, 3, 12)))
    def reads_fail(self, ticks: int) -> None:
        """Lose the network for a while."""
        for _ in range(ticks):
            self.life.tick("fail")

    @precondition(lambda self: not self.life.ended)
    @rule(answer=st.sampled_from(ANSWERS))
    def next_answer(self, answer: str) -> None:
        """Set how the next call of ours will end."""
        self.life.answer = answer

    @precondition(lambda self: not self.life.ended)
    @rule(does=st.sampled_from(("start", "stop", "detach", "attach")))
    def somebody(self, does: str) -> None:
        """Let another person use the machine; what a stale look shows of it is not asserted."""
        if not self.life.ecs.lag:
            self.life.ecs.somebody(does)

    @precondition(lambda self: not self.life.ended)
    @rule()
    def interrupt(self) -> None:
        """Ask the run to end."""
        self.life.interrupt()

    @precondition(lambda self: self.life.ended)
    @rule()
    def it_has_ended(self) -> None:
        """Nothing more happens to a run that has ended."""
        self.life.tick()

    def teardown(self) -> None:
        """Undisturbed from here on, the run ends, and what it tells is true."""
        if hasattr(self, "life"):
            self.life.finish()
            self.life.check()


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=25)


class TestLife(Life.TestCase):  # type: ignore[misc, name-defined]
    """Whatever happens meanwhile, the guards hold at each call, the run ends, and what it tells is true or unknown."""


@pytest.mark.parametrize("ticks", [0, 1, 6, 9, 12, 16, 20, 25])
@pytest.mark.parametrize("power", ["Running", "Stopped"])
def test_a_run_ends_though_no_read_is_ever_answered_again(power: str, ticks: int) -> None:
    """A network that is gone for good ends a run within its limits, whatever phase it is in."""
    life = TinyRun(TinyEcs(power))
    for _ in range(ticks):
        life.tick()
    while not life.ended:
        life.tick("fail")

    life.check()


@pytest.mark.parametrize("ticks", range(0, 30, 2))
def test_a_run_whose_credentials_are_refused_tells_no_power_that_it_did_not_see(ticks: int) -> None:
    """Once nothing can be looked at, a machine that our stop may have taken down is not told to be as promised."""
    life = TinyRun(TinyEcs())
    for _ in range(ticks):
        life.tick()
    life.tick("credentials")
    while not life.ended:
        life.tick("credentials")
    for _ in range(40):
        life.ecs.advance()

    assert life.ecs.disks[DATA].wipes <= 1
    if core_state.outcome(life.record) in ("failed", "refused"):
        assert life.ecs.instance.status == "Running"


@pytest.mark.parametrize("first", ANSWERS)
@pytest.mark.parametrize("before", ["nobody", "stop", "start"])
def test_every_answer_to_the_stop_comes_to_a_true_end(first: str, before: str) -> None:
    """However StopInstance ends, and whoever acts right after it, only a stop of ours leads to wipe and start."""
    life = TinyRun(TinyEcs())
    life.answer = first
    life.tick()
    if before != "nobody":
        life.ecs.somebody(before)
    life.finish()

    life.check()


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("ticks", range(7, 25, 3))
def test_every_answer_to_wipe_and_start_comes_to_a_true_end(ticks: int, answer: str) -> None:
    """However ReInitDisk or StartInstance ends, what is told is true."""
    life = TinyRun(TinyEcs())
    for _ in range(ticks):
        life.tick()
    life.answer = answer
    life.finish()

    life.check()


def test_an_interruption_early_in_a_long_wipe_still_brings_the_machine_back() -> None:
    """The time for bringing the power back is counted from when it is owed, not from when the person asked."""
    life = TinyRun(TinyEcs())
    while life.ecs.disks[DATA].status != "ReIniting":
        life.tick()
    life.interrupt()
    life.ecs.disks[DATA].due = life.ecs.now + life.record.limits.start + 10
    life.finish()

    life.check()
    assert core_state.outcome(life.record) == "done"
    assert life.ecs.instance.status == "Running"


@pytest.mark.parametrize("late", [30.0, 40.0])
def test_a_stop_that_ends_after_its_limit_leads_to_a_start_and_not_to_a_wipe(late: float) -> None:
    """An instance still Stopping at the limit and Stopped later is started again, and nothing is wiped."""
    life = TinyRun(TinyEcs())
    while life.ecs.instance.status != "Stopping":
        life.tick()
    life.ecs.instance.due = life.ecs.now + life.record.limits.stop + late
    life.finish()

    assert core_state.outcome(life.record) == "failed"
    assert life.ecs.disks[DATA].wipes == 0
    assert life.ecs.instance.status == "Running"
    assert "Stopping" in (life.record.error.message if life.record.error else "")
