"""What people are told of a call or a machine that went wrong: what happened, to which thing, and what to do now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from safe_reinit.core import answers, observations, outcomes
from safe_reinit.core.events import CallRefused, CallUnanswered, CallUnclear, Event
from safe_reinit.core.guards import drifted
from safe_reinit.core.inputs import Attempt, AttemptNotSent, AttemptOutcome, AttemptRefused, Notify, Now
from safe_reinit.core.jobs import MIN_TICK_INTERVAL, Job, is_expected, is_to_watch
from safe_reinit.core.outages import Outage
from safe_reinit.core.polling import TICK_INTERVAL
from safe_reinit.core.reports import unrecorded, waited_for
from safe_reinit.core.state import begin, interrupt, outcome
from safe_reinit.core.wipes import open_resets
from safe_reinit.model import Command, Failure, JobState, Limits, PlannedDisk, PlannedJob, Step, Wipe, error_codes
from tests import values

DISK, INSTANCE = "d-1", "i-1"
WIPE, STOP, START = Command("ReInitDisk", DISK), Command("StopInstance", INSTANCE), Command("StartInstance", INSTANCE)
RESET = Command("ResetDisk", DISK)
NOW = Now(1000.0, values.NOW, 0.0)
AWAY = Failure(None, "The journal is away.")


def a_job(**changes: object) -> JobState:
    """Return the state of a job of which nothing was done."""
    disks = (PlannedDisk(DISK),)
    planned = PlannedJob(INSTANCE, "", "Running", "Running", will_stop=True, will_start=True, disks=disks)
    job = begin(replace(planned, expected=values.started(INSTANCE)), Limits(), at=0.0)
    return replace(job, **changes)  # type: ignore[arg-type]


def came(command: Command, outcome: AttemptOutcome, number: int = 1, *, batched: bool = False) -> Event:
    """Return what an outcome of an attempt changes of its job."""
    attempt = Attempt(0, command, number, a_job(), values.an_observation())
    event, _ = outcomes.event_of(attempt, outcome, NOW, batched=batched)
    return event


def refused(code: str, status: int = 403, retry_after: int | None = None) -> AttemptRefused:
    """Return the answer of ECS by this code."""
    return AttemptRefused(code, status, "ECS says so.", "REQ-1", retry_after=retry_after)


def test_what_has_moved_is_named_with_what_to_do() -> None:
    """A plan whose facts have moved names each of them, and says that they are to be checked."""
    assert drifted(("d-1.Size: 40 -> 50", "d-1.Type: data -> system")) == Failure(
        None,
        "Facts that the plan is based on have changed: d-1.Size: 40 -> 50; d-1.Type: data -> system.",
        hint="Check the new facts with --dry-run, then decide again.",
    )


def test_an_ecs_that_is_too_slow_is_reported_with_the_call_that_was_not_sent() -> None:
    """Where ECS answers too slowly, what was not sent and why is said, and when to try again."""
    slow = replace(values.an_observation(at=0.0), answered_at=25.0)

    assert outcomes.too_slow(WIPE, slow, 15.0) == Failure(
        None,
        "ECS answers slowly: 25.0 s per call. ReInitDisk of d-1 was not sent, because the observation before it may be "
        "at most 15 s old.",
        action="ReInitDisk",
        hint="Wait until ECS answers faster, then check again with --dry-run.",
    )


@pytest.mark.parametrize(
    ("code", "why", "text", "hint"),
    [
        ("InvalidAccessKeyId.NotFound", "", "", ""),
        ("Strange.Code", "STS answered Strange.Code", "STS answered Strange.Code.", "Check the credentials."),
        ("Strange.Code", "", "the credentials are refused.", "Check the credentials."),
    ],
)
def test_credentials_that_are_refused_are_named_by_their_code(code: str, why: str, text: str, hint: str) -> None:
    """Credentials that are refused for too long: the code, what it means where that is known, and what to do."""
    row = error_codes.lookup(error_codes.EVERY, code)
    text, hint = (row.meaning, row.fix) if row else (text, hint)
    unseen = replace(values.an_observation(), answered=False, instance=None, credentials_refused=code, why=why)
    job = observations.evolve_observed(a_job(), unseen)
    job = observations.evolve_observed(job, replace(unseen, at=observations.REFUSED_LIMIT + 1.0))

    assert job.error == Failure(
        code,
        f"ECS refuses all Describe calls now ({code}): {text}",
        hint=f"{hint} Then resume the run with working credentials, if the power state is not as planned.",
    )


def test_a_refusal_quotes_ecs_and_names_the_target_and_what_to_do() -> None:
    """A refused call is a failure with its code, its API, its RequestId and what to do; it is not made again."""
    assert came(STOP, refused("Strange.Code")) == CallRefused(
        STOP,
        Failure(
            "Strange.Code", "ECS refused StopInstance of i-1 with Strange.Code: ECS says so.", "REQ-1", "StopInstance",
            "Look up Strange.Code in the ECS API reference of StopInstance.",
        ),
        NOW.at, NOW.when, None,
    )  # fmt: skip


def test_a_refusal_of_many_together_is_asked_of_each_at_once() -> None:
    """Where a call for many was refused, any of them may be the reason: each is due by itself, at once."""
    event = came(STOP, refused("Strange.Code"), batched=True)

    assert isinstance(event, CallRefused)
    assert event.due == NOW.at


def test_a_wipe_with_an_unknown_code_is_unclear() -> None:
    """A call that loses data, answered with an unknown code, is not sent again; what was answered is kept."""
    assert came(WIPE, refused("Strange.Code")) == CallUnclear(
        WIPE,
        Failure(
            "Strange.Code", "ECS answered ReInitDisk of d-1 with Strange.Code, a code that this program does not know, "
            "so the call is not sent again.", "REQ-1", "ReInitDisk",
            "Look up Strange.Code in the ECS API reference of ReInitDisk.",
        ),
        NOW.at,
    )  # fmt: skip


def test_an_answer_that_proves_nothing_is_a_lost_one_with_its_code() -> None:
    """An answer of the 500s is a lost answer: the call is due again as one that was refused, and its code is kept."""
    assert came(START, refused("InternalError", 500), number=2) == CallUnanswered(
        START, NOW.at, NOW.at + 4.0, "InternalError"
    )


def test_a_refusal_that_passes_is_due_later_each_time() -> None:
    """What passes by itself is asked again, the later the more often it was asked, or when ECS wishes it."""
    busy = refused("IncorrectInstanceStatus")
    first, third = came(START, busy), came(START, busy, number=3)
    asked = came(START, replace(busy, retry_after=40))

    assert [each.due for each in (first, third, asked) if isinstance(each, CallRefused)] == [1002.0, 1008.0, 1040.0]


def test_what_was_not_sent_is_due_again_with_its_reason() -> None:
    """A call that did not leave keeps why, and what to do about it, and is made again."""
    assert came(STOP, AttemptNotSent("No connection.", "Check the proxy."), number=2) == CallRefused(
        STOP, Failure("NotSent", "No connection.", action="StopInstance", hint="Check the proxy."), NOW.at, NOW.when,
        NOW.at + 4.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "due"), [("DiskCreatingSnapshot", NOW.at + 2.0), ("InvalidSnapshotId.NotFound", None)]
)
def test_a_roll_back_that_ecs_would_refuse_is_reported_before_it_is_sent(code: str, due: float | None) -> None:
    """What a dry run foresees is the refusal of the call: its code, what it means and what to do; some of them pass."""
    text = error_codes.meaning_of("ResetDisk", code)

    assert outcomes.foreseen(RESET, a_job(), code, NOW) == CallRefused(
        RESET,
        Failure(
            code, f"ECS would refuse ResetDisk of d-1 with {code} (DryRun): {text}", action="ResetDisk",
            hint=error_codes.fix_of("ResetDisk", code),
        ),
        NOW.at, NOW.when, due,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "cannot"),
    [("todo", True), ("resend", True), ("refused", True), ("unknown", True), ("accepted", False), ("done", False)],
)
def test_a_job_that_has_failed_counts_before_it_ends(state: str, cannot: bool) -> None:
    """One that turned back with a wipe that will never be done cannot end done; one that goes on still can."""
    disks = (Wipe(DISK, state),)  # type: ignore[arg-type]

    assert a_job(disks=disks, interrupted=True).cannot_end_done == cannot
    assert not a_job(disks=disks).cannot_end_done


@pytest.mark.parametrize("by", ["", "ops@host, process 7"])
def test_who_may_have_started_a_machine_is_reported_as_far_as_it_is_known(by: str) -> None:
    """A machine that runs after our stop was started by others, or by a session that could not write that down."""
    stopped = a_job(stop=Step("done", tries=1, at=0.0), unrecorded_by=by)
    itself = f", or this run started it itself and could not record that in the journal (its earlier holder was {by})"

    known = observations.evolve_observed(stopped, values.an_observation(at=10.0, status="Running"))

    assert known.error == Failure(
        None,
        f"i-1.Status: Stopped -> Running: somebody else is using the instance{itself if by else ''}.",
        hint="Find out who, then check again with --dry-run.",
    )


def test_a_machine_that_is_gone_is_reported_as_released() -> None:
    """A start that ECS answers with a machine it does not know says so, with what to ask ActionTrail."""
    asked = a_job(stop=Step("done", tries=1, at=0.0), start=Step("asked", tries=1, first_at=1.0))
    text = Failure("InvalidInstanceId.NotFound", "ECS refused it.", "REQ-1", "StartInstance", "Look it up.")

    known = answers.refused(asked, START, text, 2.0, values.NOW, None)

    assert known.gone
    assert known.error == Failure(
        "InvalidInstanceId.NotFound",
        "ECS no longer knows i-1 (InvalidInstanceId.NotFound): it was released, so it cannot be started.",
        "REQ-1", "StartInstance",
        "Search ActionTrail for who released it (DeleteInstance); its disks may have been released with it.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"),
    [("lost", "accepted"), ("resend", "accepted"), ("asked", "asked"), ("refused", "refused"), ("done", "done"),
     ("todo", "todo"), ("unknown", "unknown")],
)  # fmt: skip
def test_an_answer_that_came_late_counts_only_where_it_was_missing(before: str, after: str) -> None:
    """That a wipe was accepted is learnt of one whose answer was lost; what is known of any other stays."""
    job = a_job(disks=(Wipe(DISK, before, 1),))  # type: ignore[arg-type]

    assert answers.accepted_before(job, WIPE, 5.0).disks[0].state == after


def test_only_a_roll_back_that_may_go_on_is_asked_about() -> None:
    """A roll-back that was sent and is not proven to have ended is open, and no wipe is one."""
    states = ("todo", "resend", "asked", "accepted", "lost", "refused", "unknown", "done")
    resets = tuple(Wipe(f"d-{each}", each, snapshot_id="s-1") for each in states)  # type: ignore[arg-type]
    wipes = tuple(Wipe(f"d-{each}", each) for each in states)  # type: ignore[arg-type]

    assert [each.state for each in open_resets([a_job(disks=resets), a_job(disks=wipes)])] == ["accepted", "lost"]


@pytest.mark.parametrize("rate", [1.0, 4.0])
def test_a_journal_is_waited_for_in_real_seconds(rate: float) -> None:
    """However fast the cloud's clock runs, a journal that is away is waited for as long, and tried on each tick."""
    outage = Outage("r-1", 10.0, rate)
    begun = outage.failed(AWAY, 100.0, [], lost=False)
    tried = [outage.is_tried(100.0 + TICK_INTERVAL - 0.1), outage.is_tried(100.0 + TICK_INTERVAL)]
    meanwhile = outage.failed(AWAY, 100.0 + 10.0 * rate - 0.1, [], lost=False)
    before = outage.given_up
    ended = outage.failed(AWAY, 100.0 + 10.0 * rate, [], lost=False)

    assert tried == [False, True]
    assert (before, outage.given_up) == (None, AWAY)
    assert [begun, meanwhile, ended] == [
        [Notify(waited_for("r-1", AWAY, [], 10.0))], [], [Notify(unrecorded("r-1", AWAY, []))],
    ]  # fmt: skip


def test_of_those_that_start_the_first_are_observed_on_every_second_tick() -> None:
    """Nobody knows how long a start takes: a scout is observed once more than a tick and a bit has passed."""
    job = Job(0, a_job(), begun=True, waiting=("start", 0.0), observed_at=10.0)

    assert not is_expected(job, 10.0 + TICK_INTERVAL + MIN_TICK_INTERVAL, {}, {})
    assert is_expected(job, 10.0 + TICK_INTERVAL + MIN_TICK_INTERVAL + 0.1, {}, {})


NOT_BACK = "Machines that are not back yet: i-1, i-1. "


def two_down() -> list[Job]:
    """Return two jobs whose machines are down, one that has ended, and one of which nothing was done."""
    down = a_job(stop=Step("done", tries=1, at=0.0))
    ended = Job(2, down, ended=True)
    return [Job(0, down), Job(1, down), ended, Job(3, a_job())]


@pytest.mark.parametrize("down", [True, False])
def test_a_run_that_waits_for_its_journal_says_so(down: bool) -> None:
    """What is waited for and for how long is said, and which machines are down for it."""
    assert waited_for("r-1", AWAY, two_down() if down else [Job(0, a_job())], 120.0) == (
        "The journal is away. Until the journal can be written again, run r-1 stops, wipes and starts nothing. It "
        f"waits at most 120 s (journal_outage). {NOT_BACK if down else ''}".rstrip()
    )


@pytest.mark.parametrize("down", [True, False])
def test_a_run_that_goes_on_without_its_journal_says_what_it_does(down: bool) -> None:
    """What is done without a journal is said, which machines are down, and that the output is to be kept."""
    assert unrecorded("r-1", AWAY, two_down() if down else [Job(0, a_job())]) == (
        "The journal is away. Run r-1 stops and wipes nothing more. It starts the machines that it stopped, unless the "
        f"outcome of a wipe is in doubt. {NOT_BACK if down else ''}"
        "Keep this output: what happens from now on may be missing from the journal."
    )


@pytest.mark.parametrize(
    ("step", "came_to"),
    [({}, "failed"), ({"stop": Step("asked", tries=1)}, "stranded"), ({"force": Step("asked", tries=1)}, "stranded"),
     ({"start": Step("asked", tries=1)}, "stranded")],
)  # fmt: skip
def test_a_machine_is_stranded_only_where_this_run_moved_its_power(step: dict[str, Step], came_to: str) -> None:
    """A job that ends Stopped against its promise is stranded if a stop, a power cut or a start of it was intended."""
    refused_ = (Wipe(DISK, "refused", 1),)

    assert outcome(a_job(disks=refused_, instance_status="Stopped", error=AWAY, **step)) == came_to


def test_to_interrupt_a_job_twice_changes_nothing() -> None:
    """A second wish to end the run is the same wish."""
    once = interrupt(a_job())

    assert interrupt(once) is once
    assert once.error == Failure(
        None, "The run was interrupted.", hint="Before you try again, check the machine with --dry-run."
    )


def test_a_machine_without_start_time_is_watched_before_it_begins_and_while_its_time_limit_lasts() -> None:
    """It is observed at once until its job begins, and then before anybody could have used it unseen."""
    job = Job(0, a_job(watched_at=100.0))
    new = is_to_watch(job, 100.0)
    job.observed_at = 100.0
    seen = [is_to_watch(job, 100.0 + job.max_interval - 0.1), is_to_watch(job, 100.0 + job.max_interval)]
    job.observed_at, job.begun = None, True

    assert (new, seen, is_to_watch(job, 100.0)) == (True, [False, True], False)
    assert not is_to_watch(Job(0, a_job(watched_at=None)), 1e6)
