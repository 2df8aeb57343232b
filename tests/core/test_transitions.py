"""The table of the states: what evolve and a resume do to a state is in it, and each of its rows happens."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, get_args

import pytest

from safe_reinit.core import resuming, transitions
from safe_reinit.core import state as core_state
from safe_reinit.core.decide import decide
from safe_reinit.core.events import (
    CallAccepted,
    CallRefused,
    CallUnanswered,
    CallUnclear,
    Cancelled,
    Event,
    Failed,
    HeldUp,
    Intended,
    Observed,
    Paused,
    PowerObserved,
    Withdrawn,
)
from safe_reinit.core.evolve import evolve
from safe_reinit.core.steps import is_outstanding, with_step
from safe_reinit.core.transitions import EXITS, STEP, WIPE
from safe_reinit.core.wipes import RESETTING
from safe_reinit.model import (
    LOCK_TAG,
    Command,
    Failure,
    Fence,
    JobState,
    Limits,
    Observation,
    Options,
    PlannedDisk,
    PlannedJob,
    Step,
    StepState,
    Wipe,
    WipeState,
)
from safe_reinit.model.error_codes import PROVEN
from tests import values

INSTANCE, DISK, OTHER = values.INSTANCE_ID, values.DISK_ID, "d-other"
RUN, SHOT, RESTORE = "r-1", "s-safety", "s-restore"
WIPING, RESET = Command("ReInitDisk", DISK), Command("ResetDisk", DISK)
COMMANDS: dict[str, Command] = {
    "stop": Command("StopInstance", INSTANCE),
    "force": Command("StopInstance", INSTANCE, force=True),
    "start": Command("StartInstance", INSTANCE),
    "snapshot": Command("CreateSnapshot", DISK),
    "tag": Command("TagResources", INSTANCE),
    "untag": Command("UntagResources", INSTANCE),
}
T = 1000.0
LIMITS = Limits(stop=100.0, snapshot=100.0, reinit=200.0, start=100.0, retry=50.0, force_stop_after=10.0)
FENCE = Fence(values.YESTERDAY, "Stopped", values.LONG_AGO, INSTANCE)

WALK_COUNT = 500
Change = Event | Callable[[JobState], JobState]
"""An event, or what a resume does."""


def begin(
    power: str = "Stopped", disks: tuple[str, ...] = (DISK,), *, lag: float | None = 0.0, **asked: Any
) -> JobState:
    """Return the state of a job that has just begun."""
    planned = tuple(PlannedDisk(each) for each in disks)
    stops = power == "Running"
    job = PlannedJob(INSTANCE, "web", power, "Running", will_stop=stops, will_start=stops, disks=planned)
    job = replace(job, expected=values.started(INSTANCE))
    begun = core_state.begin(job, LIMITS, at=T, run_id=RUN, options=Options(**asked))
    return replace(begun, lag=lag)


def seen(at: float, status: str = "Stopped", disk: str = "In_use", **more: Any) -> Observation:
    """Return what is shown so many seconds after ``T``."""
    tags = ((LOCK_TAG, more.pop("tag")),) if "tag" in more else ()
    shown = {DISK: values.a_disk(status=disk, instance_id=more.pop("where", INSTANCE))}
    when = values.NOW + timedelta(seconds=at)
    instance = values.an_instance(status=status, tags=tags)
    return Observation(
        **{"at": T + at, "when": when, "answered": True, "instance": instance, "disks": shown, "date": when, **more}
    )


def after(job: JobState, change: Change) -> JobState:
    """Return the state of a job after an event or a resume."""
    return change(job) if callable(change) else evolve(job, change)


def resumed(job: JobState) -> JobState:
    """Let another process go on with the job."""
    return resuming.resume(job, T + 30)


def verdict(given: resuming.Verdict) -> Callable[[JobState], JobState]:
    """Let a person say what happened to the disks in doubt."""
    return lambda job: resuming.accept_verdict(job, given)


def refused(command: Command, due: float | None) -> CallRefused:
    """Return that ECS refused a call, for now if it is due again."""
    return CallRefused(command, Failure("Throttling", "x"), T + 1, values.NOW, due)


# ---------------------------------------------------------------------------------------------------- rows: the wipe

ASKED = Wipe(DISK, "asked", 1, fence=FENCE, watched_at=T)
TWICE = replace(ASKED, tries=2, losses=1, at=T - 1)
BEGUN = replace(ASKED, reiniting=True)
"""ReIniting was shown while its answer was outstanding."""
LOST = replace(ASKED, state="lost", at=T, losses=1, reads=3, watched_at=T + 25)
RESEND = replace(LOST, state="resend", due=T + 20)
ACCEPTED = replace(ASKED, state="accepted", at=T, reads=3, acknowledged=True)
SETTLED, REINITING = Observed(seen(30)), Observed(seen(30, disk="ReIniting"))
ELSEWHERE = Observed(seen(30, where="i-other"))
RESETS = {DISK: PROVEN}

OF_WIPE: dict[tuple[str, str, str], list[tuple[Wipe, Change]]] = {
    ("todo", "asked", "Intended"): [(Wipe(DISK), Intended(WIPING, seen(0)))],
    ("resend", "asked", "Intended"): [(RESEND, Intended(WIPING, seen(30)))],
    ("asked", "todo", "Withdrawn"): [(ASKED, Withdrawn(WIPING, T + 1))],
    ("asked", "resend", "Withdrawn"): [(TWICE, Withdrawn(WIPING, T + 1))],
    ("asked", "accepted", "CallAccepted"): [(ASKED, CallAccepted(WIPING, T + 1))],
    ("asked", "lost", "CallUnanswered"): [(ASKED, CallUnanswered(WIPING, T + 1))],
    ("asked", "accepted", "CallUnanswered"): [(BEGUN, CallUnanswered(WIPING, T + 1))],
    ("asked", "lost", "CallUnclear"): [(ASKED, CallUnclear(WIPING, Failure("New", "x"), T + 1))],
    ("asked", "accepted", "CallUnclear"): [(BEGUN, CallUnclear(WIPING, Failure("New", "x"), T + 1))],
    ("asked", "todo", "CallRefused"): [(ASKED, refused(WIPING, T + 3))],
    ("asked", "resend", "CallRefused"): [(TWICE, refused(WIPING, T + 3))],
    ("asked", "refused", "CallRefused"): [(ASKED, refused(WIPING, None)), (ASKED, refused(WIPING, T + 500))],
    ("asked", "unknown", "CallRefused"): [
        (TWICE, refused(WIPING, None)), (replace(BEGUN, snapshot_id=RESTORE), refused(RESET, None)),
    ],
    ("asked", "accepted", "CallRefused"): [(BEGUN, refused(WIPING, None))],
    ("todo", "refused", "CallRefused"): [(Wipe(DISK, snapshot_id=RESTORE), refused(RESET, None))],
    ("resend", "unknown", "CallRefused"): [(replace(RESEND, snapshot_id=RESTORE), refused(RESET, None))],
    ("todo", "unknown", "Observed"): [
        (Wipe(DISK), REINITING), (Wipe(DISK, "todo", 1, due=T), REINITING),
        (Wipe(DISK, snapshot_id=RESTORE), REINITING),
    ],
    ("refused", "unknown", "Observed"): [(Wipe(DISK, "refused", 1), REINITING)],
    ("refused", "accepted", "Observed"): [(replace(LOST, state="refused"), REINITING)],
    ("resend", "accepted", "Observed"): [(RESEND, REINITING)],
    ("resend", "unknown", "Observed"): [(replace(RESEND, used=True), SETTLED), (RESEND, Observed(seen(90)))],
    ("lost", "accepted", "Observed"): [(LOST, REINITING)],
    ("lost", "resend", "Observed"): [(LOST, SETTLED)],
    ("lost", "refused", "Observed"): [(replace(LOST, losses=0, unknown_code=True, answer="New"), SETTLED)],
    ("lost", "done", "Observed"): [
        (replace(LOST, reiniting=True), SETTLED),
        (replace(LOST, snapshot_id=RESTORE, resetting=True), Observed(seen(30, resets=RESETS))),
    ],
    ("lost", "unknown", "Observed"): [
        (replace(LOST, used=True), SETTLED), (LOST, ELSEWHERE), (LOST, Observed(seen(201, disk="Unclear"))),
        (replace(LOST, snapshot_id=RESTORE), REINITING),
    ],
    ("accepted", "done", "Observed"): [
        (replace(ACCEPTED, reiniting=True), SETTLED), (ACCEPTED, SETTLED),
        (replace(ACCEPTED, snapshot_id=RESTORE, resetting=True), Observed(seen(2, resets=RESETS))),
    ],
    ("accepted", "unknown", "Observed"): [(ACCEPTED, ELSEWHERE), (ACCEPTED, Observed(seen(201, disk="ReIniting")))],
    ("asked", "lost", "Resumed"): [(ASKED, resumed)],
    ("unknown", "accepted", "Resumed"): [(replace(ACCEPTED, state="unknown"), resumed)],
    ("unknown", "lost", "Resumed"): [(replace(LOST, state="unknown"), resumed)],
    **{
        (wipe.state, "done", "Verdict"): [(wipe, verdict("reinitialised"))]
        for wipe in (RESEND, ACCEPTED, LOST, Wipe(DISK, "unknown", acknowledged=True))
    },
    **{
        (wipe.state, "refused", "Verdict"): [(wipe, verdict("intact"))]
        for wipe in (RESEND, LOST, replace(LOST, state="unknown"))
    },
}  # fmt: skip


@pytest.mark.parametrize("row", WIPE, ids=lambda row: f"{row.before}-{row.after}-{row.cause}")
def test_each_row_of_a_wipe_happens(row: transitions.WipeTransition) -> None:
    """What the table says of a wipe is what the event, the resume or the verdict does."""
    for wipe, change in OF_WIPE[row.before, row.after, row.cause]:
        changed = after(replace(begin(), disks=(wipe,), wiping_since=T if wipe.tries else None), change)

        assert wipe.state == row.before
        assert changed.disks[0].state == row.after
        assert row.cause in ("Resumed", "Verdict") or type(change).__name__ == row.cause


# ------------------------------------------------------------------------------------------------- rows: other calls


def before_call(call: str) -> JobState:
    """Return the state of a job in which a call may be made."""
    job = begin("Stopped" if call in ("snapshot", "tag") else "Running", snapshot=call == "snapshot", lock_tag=True)
    tag = Step("done", 1, at=T - 90)
    if call == "force":
        return replace(job, tag=tag, stop=Step("accepted", 1, T - 20, T - 20, moving=True, start_time=values.YESTERDAY))
    if call in ("start", "untag"):
        stop = Step("done", 1, T - 60, T - 60, start_time=values.YESTERDAY)
        return replace(job, tag=tag, stop=stop, disks=(Wipe(DISK, "done", 1),))
    if call == "snapshot":
        return replace(job, snapshots=(replace(job.snapshots[0], snapshot_id=SHOT),), tag=tag)
    return job if call == "tag" else replace(job, tag=tag)


def a_step(state: StepState) -> Step:
    """Return a step in a state, with what always goes with it."""
    if state == "none":
        return Step()
    return Step(
        state, 1, T, T, due=T, lost_at=T if state in ("lost", "resend") else None, start_time=values.YESTERDAY, reads=3
    )


def shots(status: str, source: str = DISK) -> dict[str, Any]:
    """Return the safety snapshot as it is shown."""
    return {SHOT: values.a_snapshot(snapshot_id=SHOT, status=status, source_disk_id=source)}


MINE, THEIRS = {"tag": RUN}, {"tag": "r-2"}
SOMEBODY = [
    seen(2, "Starting"),
    seen(2, "Running", instance=values.an_instance(status="Running", start_time=values.NOW)),
]
SEEN: dict[tuple[str, str, str], list[Observation]] = {
    ("stop", "lost", "resend"): [seen(30, "Running", **MINE)],
    ("force", "lost", "resend"): [seen(30, "Stopping", **MINE)],
    ("start", "lost", "resend"): [seen(30, "Stopped", **MINE)],
    **{("stop", state, "accepted"): [seen(2, "Stopping", **MINE)] for state in ("lost", "resend")},
    **{("start", state, "accepted"): [seen(2, "Starting", **MINE)] for state in ("lost", "resend", "again")},
    **{("stop", state, "done"): [seen(2, "Stopped", **MINE)] for state in ("accepted", "lost", "resend")},
    **{("start", state, "done"): [seen(2, "Running", **MINE)] for state in ("accepted", "lost", "again", "resend")},
    **{("stop", state, "failed"): SOMEBODY for state in ("accepted", "lost", "resend")},
    ("stop", "again", "failed"): [*SOMEBODY, seen(2, "Stopping"), seen(2, "Stopped")],
    **{("start", state, "failed"): [seen(101, "Stopped")] for state in ("accepted", "lost", "again", "resend")},
    **{("tag", state, "accepted"): [seen(2, **MINE)] for state in ("again", "resend")},
    ("tag", "accepted", "done"): [seen(30, **MINE)],
    **{("tag", state, "failed"): [seen(2, **THEIRS)] for state in ("none", "again", "resend")},
    **{("tag", state, "failed"): [seen(2, **THEIRS), seen(2)] for state in ("accepted", "done")},
    ("snapshot", "accepted", "done"): [seen(2, snapshots=shots("accomplished"), **MINE)],
    **{
        ("snapshot", state, "failed"): [
            seen(2, snapshots=shots("failed"), **MINE), seen(30, **MINE),
            seen(2, snapshots=shots("accomplished", OTHER), **MINE),
        ]
        for state in ("accepted", "done")
    },
}  # fmt: skip


def of_step(call: str, row: transitions.StepTransition) -> Iterator[tuple[Step, Change]]:  # noqa: C901 - by cause
    """Return steps in the state before, and what changes them."""
    command, step = COMMANDS[call], a_step(row.before)
    lost = replace(step, lost_at=T, tries=2)
    match row.cause, row.after:
        case "Intended", _:
            yield step, Intended(command, seen(0))
        case "Withdrawn", after_it:
            tried = replace(step, tries=1 if after_it == "none" else 2)
            yield lost if after_it == "resend" else tried, Withdrawn(command, T + 1)
        case "CallAccepted", _:
            yield step, CallAccepted(command, T + 1, SHOT)
        case "CallUnanswered", "failed":
            yield replace(step, first_at=T - 500), CallUnanswered(command, T + 1, T + 3)
        case "CallUnanswered", _:
            yield step, CallUnanswered(command, T + 1, T + 3)
            yield step, CallUnanswered(command, T + 1, T + 3, "ServiceUnavailable")
        case "CallRefused", "again" | "resend" as after_it:
            yield lost if after_it == "resend" else step, refused(command, T + 3)
        case "CallRefused", after_it:
            yield lost if after_it == "lost" else step, refused(command, None)
            yield lost if after_it == "lost" else step, refused(command, T + 500)
        case "Resumed", after_it:
            yield lost if after_it == "resend" else step, resumed
        case _, after_it:
            for each in SEEN[call, row.before, after_it]:
                yield step, Observed(each)


STEP_ROWS = [(call, row) for row in STEP for call in row.calls]


@pytest.mark.parametrize(
    ("call", "row"), STEP_ROWS, ids=[f"{call}-{row.before}-{row.after}-{row.cause}" for call, row in STEP_ROWS]
)
def test_each_row_of_another_call_happens(call: str, row: transitions.StepTransition) -> None:
    """What the table says of a call is what the event or the resume does, for each call that it names."""
    examples = list(of_step(call, row))

    assert examples
    for step, change in examples:
        changed = after(with_step(before_call(call), COMMANDS[call], step), change)

        assert step.state == row.before
        assert steps_of(changed)[call] == row.after
        assert row.cause == "Resumed" or type(change).__name__ == row.cause


def test_a_start_that_turns_around_fails() -> None:
    """A start that was seen to begin and went to another state than Running is given up before its time is over."""
    step = replace(a_step("accepted"), moving=True)
    changed = evolve(replace(before_call("start"), start=step), Observed(seen(2, "Stopping")))

    assert changed.start.state == "failed"


# ------------------------------------------------------------------------------------------------------ nothing else


def steps_of(job: JobState) -> dict[str, str]:
    """Return the state of each call that is no wipe; of several safety snapshots by disk."""
    snapshots = {f"snapshot {each.disk_id}": each.step.state for each in job.snapshots}
    snapshots["snapshot"] = snapshots.get(f"snapshot {DISK}", "none")
    return {
        "stop": job.stop.state, "force": job.force.state, "start": job.start.state, "tag": job.tag.state,
        "untag": job.untag.state, **snapshots,
    }  # fmt: skip


def changes(before: JobState, now: JobState, cause: str) -> set[tuple[str, str, str, str]]:
    """Return each change of a state: of what, from which, to which, and by which event."""
    wipes = {
        ("wipe", old.state, new.state, cause)
        for old, new in zip(before.disks, now.disks, strict=True)
        if old.state != new.state
    }
    old, new = steps_of(before), steps_of(now)
    return wipes | {(name.partition(" ")[0], old[name], new[name], cause) for name in old if old[name] != new[name]}


TABLE = {("wipe", row.before, row.after, row.cause) for row in WIPE} | {
    (call, row.before, row.after, row.cause) for row in STEP for call in row.calls
}


@dataclass
class Walk:
    """A job to which anything happens that may happen to it; every change of a state on its way is kept."""

    dice: random.Random
    odd: float
    """How often something is shown that the job does not wait for."""
    job: JobState
    command: Command | None = None
    """The call whose answer is outstanding."""
    now: float = T
    kept: set[tuple[str, str, str, str]] = field(default_factory=set)

    def apply(self, cause: str, change: Change) -> None:
        """Let something happen."""
        before, self.job = self.job, after(self.job, change)
        self.kept |= changes(before, self.job, cause)

    def happens(self, event: Event) -> None:
        """Let an event happen."""
        self.apply(type(event).__name__, event)

    def is_odd(self) -> bool:
        """Return whether something is now other than the job waits for."""
        return self.dice.random() < self.odd

    def step(self) -> None:
        """Let one thing happen."""
        self.now += (
            self.dice.choice((0.5, 2.0, 6.0, 6.0, 8.0)) if not self.is_odd() else self.dice.choice((25.0, 120.0))
        )
        if self.command is not None and self.dice.random() < 0.6:
            command, self.command = self.command, None
            self.answer(command)
        elif self.dice.random() < 0.02:
            self.resume()
        elif self.dice.random() < self.odd / 10:
            failed = Failed(Failure(None, "x"))
            self.happens(self.dice.choice((failed, Cancelled(), HeldUp(self.now, "x"), PowerObserved("Running"))))
        elif self.dice.random() < 0.02:
            self.happens(Paused(self.now))
        else:
            self.observe()

    def observe(self) -> None:
        """Observe the job, and send what is decided."""
        observation = self.observation()
        self.happens(Observed(observation))
        action = decide(self.job, observation)
        if not isinstance(action, Command) or self.command is not None:
            return
        if action.action == "ResetDisk" and self.dice.random() < 0.3:
            self.refuse(action)  # as DryRun foresees
            return
        self.happens(Intended(action, observation))
        self.command = action
        assert is_outstanding(self.job, action)

    def observation(self) -> Observation:
        """Return what may be shown now: mostly what the job waits for, else anything."""
        job, dice, when = self.job, self.dice, values.NOW + timedelta(seconds=self.now)
        tag = dice.choice((None, RUN, "r-2")) if self.is_odd() else RUN if job.tag.tries > job.untag.tries else None
        shown = {
            wipe.disk_id: values.a_disk(
                disk_id=wipe.disk_id, status=self.disk(wipe), instance_id="i-other" if self.is_odd() else INSTANCE
            )
            for wipe in job.disks
        }
        snapshots = {
            each.snapshot_id: values.a_snapshot(
                snapshot_id=each.snapshot_id,
                status="failed" if self.is_odd() else dice.choice(("accomplished", "progressing")),
                source_disk_id=each.disk_id,
            )
            for each in job.snapshots
            if each.snapshot_id and not self.is_odd()
        }
        return Observation(
            at=self.now,
            when=when,
            answered=not self.is_odd(),
            instance=None if self.is_odd() else values.an_instance(
                status=self.status(),
                start_time=dice.choice((values.NOW, None)) if self.is_odd() else values.YESTERDAY,
                tags=((LOCK_TAG, tag),) if tag and job.tag_value else (),
            ),
            disks={} if self.is_odd() else shown,
            snapshots=snapshots,
            resets={wipe.disk_id: dice.choice((PROVEN, RESETTING)) for wipe in job.disks if wipe.snapshot_id},
            date=when,
        )  # fmt: skip

    def status(self) -> str:
        """Return a status of the instance that may be shown now."""
        job = self.job
        if self.is_odd():
            return self.dice.choice(("Running", "Stopping", "Stopped", "Starting"))
        if job.start.state != "none":
            return (
                "Running"
                if job.start.state == "done"
                else self.dice.choice(("Stopped", "Stopped", "Starting", "Running"))
            )
        if job.stop.state in ("asked", "accepted", "lost", "resend"):
            moving = ("Stopping", "Stopping", "Stopping", "Stopped")
            return self.dice.choice(moving if job.stop.moving else ("Running", "Running", "Running", *moving))
        return "Stopped" if job.stop.state == "done" else job.power_before

    def disk(self, wipe: Wipe) -> str:
        """Return a status of a disk that may be shown now."""
        if self.is_odd():
            return self.dice.choice(("ReIniting", "Available"))
        return "ReIniting" if wipe.tries and self.dice.random() < 0.1 else "In_use"

    def answer(self, command: Command) -> None:
        """Let the call end in one of the ways in which it can."""
        at = self.now
        match self.dice.choice(("ok", "ok", "ok", "none", "none", "refused", "unclear", "withheld")):
            case "ok":
                self.happens(CallAccepted(command, at, f"s-{command.subject}"))
            case "none":
                self.happens(CallUnanswered(command, at, at + 2, self.dice.choice(("", "InternalError"))))
            case "unclear" if command.overwrites:
                self.happens(CallUnclear(command, Failure("New", "x"), at))
            case "withheld":
                self.happens(Withdrawn(command, at))
            case _:
                self.refuse(command)

    def refuse(self, command: Command) -> None:
        """Let ECS refuse a call, for now or for good."""
        due = self.dice.choice((None, self.now, self.now + 2, self.now + 2, self.now + 300))
        code = self.dice.choice(("Throttling", "IncorrectInstanceStatus"))
        self.happens(CallRefused(command, Failure(code, code), self.now, values.NOW, due))

    def resume(self) -> None:
        """Let another process go on, perhaps with a person's word; the answer to a call is then known to nobody."""
        self.command = None
        self.apply("Resumed", lambda job: resuming.resume(job, self.now))
        age = self.dice.choice((1.0, 1.0, 1.0, 1e9))
        self.apply("Resumed", lambda job: resuming.expire(job, self.now, age, 9e3, unwatched=False, caller_pinned=True))
        text = self.dice.choice((None, None, None, *get_args(resuming.Verdict)))
        if text is not None:
            self.apply("Verdict", verdict(text))


def walked(seed: int) -> set[tuple[str, str, str, str]]:
    """Return every change of a state in a job to which things happen in the order of a seed."""
    dice = random.Random(seed)
    disks = dice.choice(((DISK,), (DISK, OTHER)))
    undo = {"undo": "r-0", "restore": tuple((disk, RESTORE) for disk in disks)} if dice.random() < 0.3 else {}
    job = begin(
        dice.choice(("Running", "Stopped")), disks, lag=dice.choice((0.0, None)),
        snapshot=dice.random() < 0.5, lock_tag=dice.random() < 0.3, **undo,
    )  # fmt: skip
    walk = Walk(dice, dice.choice((0.0, 0.01, 0.05)), job)
    for _ in range(60):
        walk.step()
    return walk.kept


def test_nothing_else_happens() -> None:
    """Whatever happens to a job, in whatever order: each change of a state is in the table, with its cause."""
    kept = set[tuple[str, str, str, str]]().union(*map(walked, range(WALK_COUNT)))

    assert kept <= TABLE
    assert len(kept) > 0.7 * len(TABLE), "the walks do not reach what the table names any more"


# ------------------------------------------------------------------------------------------------------------- whole


def test_each_state_has_its_words_and_is_reached() -> None:
    """Every state is explained, and each but the first is reached by some row; a row changes something."""
    assert set(transitions.WIPE_STATES) == set(get_args(WipeState))
    assert set(transitions.STEP_STATES) == set(get_args(StepState))
    assert {row.after for row in WIPE} | {"todo"} == set(transitions.WIPE_STATES)
    assert {row.after for row in STEP} == set(transitions.STEP_STATES)
    assert all(row.before != row.after for row in WIPE)
    assert all(row.before != row.after for row in STEP)
    assert len({(row.before, row.after, row.cause) for row in WIPE}) == len(WIPE)
    assert len(TABLE) == len(WIPE) + len(STEP_ROWS)


@pytest.mark.parametrize("state", transitions.WIPE_STATES)
def test_the_exits_are_those_of_the_outcome(state: WipeState) -> None:
    """A job of one disk comes to the outcomes that the table names for the state of its wipe, and to no other."""
    tried = state != "todo"
    jobs = [
        replace(begin("Running"), stop=stop, instance_status=status, disks=(Wipe(DISK, state, int(tried or wiped)),))
        for stop, status, wiped in itertools.product(
            (Step(), Step("done", 1), Step("accepted", 1)), ("Running", "Stopped", ""), (False, True)
        )
    ]

    assert {core_state.outcome(job) for job in jobs} == {each.outcome for each in EXITS if each.state == state}
