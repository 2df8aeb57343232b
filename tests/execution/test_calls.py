"""One guarded call: what is sent, once, and what is withheld at the last moment."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from safe_reinit.clock import boottime
from safe_reinit.cloud.interface import CloudError, NoCredentials, NotSent, Refused, Unanswered
from safe_reinit.core import inputs
from safe_reinit.core.inputs import AttemptWithheld, Commit
from safe_reinit.execution.calls import outcome_of
from safe_reinit.journal import JournalError, LateAnswer
from safe_reinit.model import Accepted, Command, SafetySnapshot, Step
from tests import values
from tests.execution.worlds import (
    DONE,
    FLEET_SIZE,
    OPTIONS,
    RESET,
    RESTORE,
    SNAPSHOT,
    START,
    STOP,
    TAG,
    UNTAG,
    WIPE,
    World,
    many,
    of_each,
    one,
    undoing,
)

OK = Accepted("REQUEST")


def recorded(world: World, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return the arguments of the calls of this name to come."""
    made: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    real = getattr(world.cloud, name)

    def note(*argv: Any, **more: Any) -> Any:
        made.append((argv, more))
        return real(*argv, **more)

    setattr(world.cloud, name, note)
    return made


# ------------------------------------------------------------------------------------------------- what is sent


@pytest.mark.parametrize(
    ("command", "name", "argv", "more"),
    [
        (TAG, "tag_instance", (values.INSTANCE_ID, ("safe-reinit:run", "r-1")), {}),
        (UNTAG, "untag_instance", (values.INSTANCE_ID, "safe-reinit:run"), {}),
        (STOP, "stop_instance", (values.INSTANCE_ID,), {"force": False}),
        (replace(STOP, force=True), "stop_instance", (values.INSTANCE_ID,), {"force": True}),
        (START, "start_instance", (values.INSTANCE_ID,), {}),
        (WIPE, "reinit_disk", (values.DISK_ID, OPTIONS), {}),
        (SNAPSHOT, "create_snapshot", (values.DISK_ID,), {
            "name": f"safe-reinit.r-1.{values.DISK_ID}",
            "description": f"Taken by safe-reinit before it wiped {values.DISK_ID} in run r-1.",
            "token": "token", "retention_days": None, "tags": (("safe-reinit:run", "r-1"),),
        }),
    ],
    ids=lambda each: f"{each.action}{' by force' * each.force}" if isinstance(each, Command) else "",
)  # fmt: skip
@pytest.mark.parametrize("tried", [0, 2])
def test_each_action_is_one_call_with_what_belongs_to_it(
    command: Command, name: str, argv: tuple[Any, ...], more: dict[str, Any], tried: int
) -> None:
    """What is sent is the call of the action, of its subject, under the name of this run, and says which try it is."""
    world = one()
    step = Step("again" if tried else "none", tries=tried)
    world.change(
        stop=step if command == STOP else DONE, force=step, start=step, tag=step, untag=step, tag_value="r-1",
        disks=(replace(world.state.disks[0], tries=tried),),
        snapshots=(SafetySnapshot(values.DISK_ID, "token", step),),
    )  # fmt: skip
    made = recorded(world, name)
    assert world.send(command) == OK

    ((given, with_),) = made
    until = with_.pop("until", None)
    assert (given, with_) == (argv, {**more, "attempt": tried + 1})
    assert (until is not None) == command.overwrites, "a wipe leaves only while what it stands on is new"
    assert world.cloud.acts == [command.action]


def test_a_roll_back_names_its_snapshot_and_its_try() -> None:
    """ResetDisk goes to the snapshot that the state names."""
    world = undoing()
    made = recorded(world, "reset_disk")
    assert world.send(RESET) == OK

    ((given, with_),) = made
    assert given == (values.DISK_ID, RESTORE)
    assert with_.pop("until") < math.inf
    assert with_ == {"attempt": 1}


@pytest.mark.parametrize(("lag", "most"), [(None, 15.0), (12.0, 8.0)])
@pytest.mark.parametrize("rate", [1.0, 2.0])
def test_a_wipe_leaves_only_while_its_facts_are_new(rate: float, lag: float | None, most: float) -> None:
    """The last moment counts in real seconds since boot, from when the facts were asked for."""
    world = one()
    world.clock.rate = rate
    world.change(lag=lag)
    made = recorded(world, "reinit_disk")
    before = boottime()
    world.send(WIPE, at=world.clock.at - 2.0, answered_at=world.clock.at)
    after = boottime()

    until = made[0][1]["until"]
    assert before + (most - 2.0) / rate <= until <= after + (most - 2.0) / rate


def test_a_snapshot_is_named_within_the_limits_of_ecs() -> None:
    """A long name of a run is cut, the retention is that of the options, and the id is passed on."""
    world = one(options=replace(OPTIONS, snapshot=True, snapshot_retention_days=30))
    world.change(snapshots=(SafetySnapshot(values.DISK_ID, "token"),))
    asked: list[dict[str, Any]] = []

    def create(_disk_id: str, **more: Any) -> Accepted:
        asked.append(more)
        return Accepted("REQUEST", snapshot_id="s-new")

    world.cloud.create_snapshot = create
    object.__setattr__(world.calls, "run_id", f"r-{'9' * 300}")

    assert world.send(SNAPSHOT) == Accepted("REQUEST", snapshot_id="s-new")
    assert (len(asked[0]["name"]), len(asked[0]["description"])) == (128, 256)
    assert asked[0]["retention_days"] == 30


@pytest.mark.parametrize("action", ["StopInstance", "StartInstance"])
def test_a_call_for_many_says_what_kind_and_which_try_it_is(action: Any) -> None:
    """A call for many is forced only where that is what is sent, and is the try of the job that has tried most."""
    world = many(3)
    step = "start" if action == "StartInstance" else "stop"
    world.change(1, **{step: Step("again", tries=4)})
    made = recorded(world, "start_instances" if action == "StartInstance" else "stop_instances")
    answer = world.make(*[world.attempt(each, n) for n, each in enumerate(of_each(world, action))])

    more = {"attempt": 5} if action == "StartInstance" else {"force": False, "attempt": 5}
    assert made == [((["i-0", "i-1", "i-2"],), more)]
    assert (answer.outcomes, answer.batched) == ((OK,) * 3, False)
    assert world.cloud.acts == [f"{action}s"]


def test_power_cuts_for_many_are_power_cuts() -> None:
    """Where a forced stop is decided for several, the one call for them is forced."""
    world = many(3, "Stopping")
    made = recorded(world, "stop_instances")
    cuts = [replace(each, force=True) for each in of_each(world, "StopInstance")]
    world.make(*[world.attempt(each, n) for n, each in enumerate(cuts)])

    assert made[0][1] == {"force": True, "attempt": 1}


def test_a_call_for_one_is_the_call_for_one() -> None:
    """A single stop is StopInstance, as it is in a run of one machine."""
    world = many()
    answered = world.make(world.attempt(Command("StopInstance", "i-4"), 4))

    assert answered.batched is False
    assert world.cloud.acts == ["StopInstance"]
    assert world.asked("StopInstance") == [("i-4",)]


# ----------------------------------------------------------------------------------------------------- what came of it


def test_each_wipe_that_ecs_accepted_is_kept_with_its_job_and_try() -> None:
    """Should the run be lost meanwhile, whoever has it must know of which disk which try was accepted."""
    world = many(3)
    world.make(world.attempt(Command("StopInstance", "i-0"), 0))
    disk_id = world.states[2].disks[0].disk_id
    world.change(2, stop=DONE, disks=(replace(world.states[2].disks[0], tries=1),))
    world.make(world.attempt(Command("ReInitDisk", disk_id), 2))

    assert world.calls.accepted == [LateAnswer(2, "ReInitDisk", disk_id, 2)]


@pytest.mark.parametrize(
    ("failed", "outcome"),
    [
        (
            Refused("Throttling", 400, "Too often.", "r", action="StopInstances", retry_after=7),
            inputs.AttemptRefused("Throttling", 400, "Too often.", "r", "StopInstances", 7),
        ),
        (
            NotSent("StopInstance", "the name cannot be resolved", "ecs.example", "Check DNS."),
            inputs.AttemptNotSent(
                "StopInstance was not sent to ecs.example: the name cannot be resolved.", "Check DNS."
            ),
        ),
        (
            NoCredentials("StopInstance", "There are none."),
            inputs.AttemptNotSent("StopInstance was not sent: there are none.", ""),
        ),
        (Unanswered("StopInstance", "it is cut short"), inputs.AttemptUnanswered()),
    ],
    ids=lambda each: type(each).__name__,
)
def test_how_a_call_failed_is_passed_on(failed: CloudError, outcome: inputs.AttemptOutcome) -> None:
    """A failure of a call is a value with all that the core needs."""
    assert outcome_of(failed) == outcome
    world = one("Running")
    world.cloud.failing = {"StopInstance": [failed]}
    assert world.send(STOP) == outcome


def test_each_of_many_has_its_own_answer() -> None:
    """Of a batch one is refused and one is not told of; each of the others is accepted."""
    world = many()
    locked = Refused("InstanceLockedForSecurity", 403, "", "R", action="StopInstances")
    world.cloud.answers = {"i-1": locked, "i-3": None}
    answer = world.make(*[world.attempt(each, n) for n, each in enumerate(of_each(world, "StopInstance"))])
    expected: list[inputs.AttemptOutcome] = [OK] * FLEET_SIZE
    expected[1], expected[3] = outcome_of(locked), inputs.AttemptUnanswered()

    assert answer.outcomes == tuple(expected)
    assert not answer.batched


@pytest.mark.parametrize(
    "failed",
    [Unanswered("StopInstances"), Refused("Forbidden.RAM", 403, "", "R"), NotSent("StopInstances", "no connection")],
    ids=lambda each: type(each).__name__,
)
def test_a_call_for_many_that_fails_has_one_answer_for_all(failed: CloudError) -> None:
    """Any of them may be the reason, which the answer says."""
    world = many(3)
    world.cloud.failing = {"StopInstances": [failed]}
    answer = world.make(*[world.attempt(each, n) for n, each in enumerate(of_each(world, "StopInstance"))])

    assert answer.outcomes == (outcome_of(failed),) * 3
    assert answer.batched


def test_an_error_of_ours_is_raised() -> None:
    """What nobody foresaw is no answer: whoever makes the call says that it broke."""
    world = one()
    world.cloud.reinit_disk = lambda *_, **__: 1 / 0

    with pytest.raises(ZeroDivisionError):
        world.send(WIPE)


# ------------------------------------------------------------------------------------------------------------ withheld

BACK = (START, UNTAG)
FORWARD = (TAG, STOP, SNAPSHOT, WIPE)


def prepared(command: Command) -> World:
    """Return a machine that this may be called for."""
    world = one("Running" if command in (STOP, TAG) else "Stopped")
    world.change(tag_value="r-1", snapshots=(SafetySnapshot(values.DISK_ID, "token"),))
    return world


@pytest.mark.parametrize("command", [*FORWARD, *BACK], ids=lambda each: each.action)
def test_who_asks_the_run_to_end_is_heard_before_the_call(command: Command) -> None:
    """An intention that was not sent yet is withheld; what brings a machine back is sent."""
    world = prepared(command)
    attempt = world.attempt(command)
    world.stop.set()
    (outcome,) = world.make(attempt).outcomes

    assert outcome == (OK if command in BACK else AttemptWithheld())
    assert world.cloud.acts == ([command.action] if command in BACK else [])


@pytest.mark.parametrize("command", [*FORWARD, *BACK], ids=lambda each: each.action)
def test_what_stands_on_old_facts_is_withheld(command: Command) -> None:
    """A prepared call whose facts have grown old is not sent; what brings a machine back stands on no facts."""
    world = prepared(command)
    attempt = world.attempt(command)
    world.clock.at += 3.1
    (outcome,) = world.make(attempt).outcomes

    assert outcome == (OK if command in BACK else AttemptWithheld())


def test_of_a_batch_what_is_too_late_is_withheld_and_the_rest_is_sent() -> None:
    """The answers are in the order of the attempts."""
    world = many(3)
    attempts = [world.attempt(each, n) for n, each in enumerate(of_each(world, "StopInstance"))]
    attempts[1] = replace(attempts[1], observation=replace(attempts[1].observation, at=world.clock.at - 20.0))
    answer = world.make(*attempts)

    assert answer.outcomes == (OK, AttemptWithheld(), OK)
    assert world.asked("StopInstances") == [("i-0", "i-2")]


@pytest.mark.parametrize("command", [*FORWARD, *BACK], ids=lambda each: each.action)
def test_a_session_that_lost_the_run_calls_nothing(command: Command) -> None:
    """The lease is checked before every single call, not once for a batch; not even a start is sent without it."""
    world = prepared(command)
    attempt = world.attempt(command)
    world.book.lost = True

    assert world.make(attempt).outcomes == (AttemptWithheld(),)
    assert world.cloud.acts == []


def test_each_call_of_a_batch_checks_the_lease() -> None:
    """A run that is lost behind the first wipe of a batch sends no other."""
    world = many(status="Stopped")
    attempts = [world.attempt(each, n) for n, each in enumerate(of_each(world, "ReInitDisk"))]
    assert world.make(attempts[0]).outcomes == (OK,)
    world.book.lost = True

    assert {world.make(each).outcomes for each in attempts[1:]} == {(AttemptWithheld(),)}
    assert world.cloud.acts == ["ReInitDisk"]


@pytest.mark.parametrize("command", [*FORWARD, *BACK], ids=lambda each: each.action)
def test_behind_a_lease_that_had_run_out_nothing_is_sent(command: Command) -> None:
    """What was observed before is old: somebody else could have had the run meanwhile."""
    world = prepared(command)
    attempt = world.attempt(command)
    world.book.held = False

    assert world.make(attempt).outcomes == (AttemptWithheld(),)


@pytest.mark.parametrize("command", [*FORWARD, *BACK], ids=lambda each: each.action)
@pytest.mark.parametrize("how", ["away", "not written"])
def test_without_a_journal_only_what_brings_a_machine_back_is_sent(command: Command, how: str) -> None:
    """Nobody stays down because nothing can be written down."""
    world = prepared(command)
    attempt = world.attempt(command)
    if how == "away":
        world.book.unchecked = [JournalError("It is away.")]
    else:
        world.book.failing = [JournalError("The disk is full.")]
        world.store.commit(Commit(((0, world.state),)))

    assert world.make(attempt).outcomes == ((OK,) if command in BACK else (AttemptWithheld(),))


# ---------------------------------------------------------------------------------------------------------- throttling


def throttling(world: World, api: str, *, named: bool = True) -> Refused:
    """Let the next call of an API be throttled, by an answer that names it."""
    answer = Refused("Throttling.User", 400, "", "R", action=api if named else "", retry_after=90)
    world.cloud.failing[api] = [answer]
    return answer


def test_once_an_api_throttles_the_rest_of_the_batch_is_withheld() -> None:
    """What was decided before ECS throttled would be refused as well; what is decided on later facts is sent."""
    world = many(status="Stopped")
    refused = throttling(world, "ReInitDisk")
    attempts = [world.attempt(each, n) for n, each in enumerate(of_each(world, "ReInitDisk"))]
    world.clock.at += 1.0
    outcomes = [world.make(each).outcomes[0] for each in attempts]

    assert outcomes == [outcome_of(refused)] + [AttemptWithheld()] * (FLEET_SIZE - 1)
    assert world.cloud.acts == ["ReInitDisk"]
    again = replace(attempts[1], observation=replace(attempts[1].observation, at=world.clock.at))
    assert world.make(again).outcomes == (OK,)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("api", ["StopInstance", "StopInstances"])
def test_a_call_is_withheld_by_the_throttling_of_its_own_api(count: int, api: str, named: bool) -> None:
    """ECS throttles by API: the call for many and the call for one are two, also where an answer names neither."""
    world = many(4)
    commands = of_each(world, "StopInstance")
    throttled = commands[2:] if api == "StopInstances" else commands[3:]
    before = [world.attempt(each, 4 - len(throttled) + n) for n, each in enumerate(throttled)]
    attempts = [world.attempt(each, n) for n, each in enumerate(commands[:count])]
    throttling(world, api, named=named)
    world.clock.at += 1.0
    world.make(*before)
    outcomes = world.make(*attempts).outcomes

    own = api == ("StopInstance" if count == 1 else "StopInstances")
    assert outcomes == ((AttemptWithheld() if own else OK),) * count


def test_another_refusal_withholds_nothing() -> None:
    """A wipe that is refused for itself says nothing of the others."""
    world = many(2, status="Stopped")
    world.cloud.failing["ReInitDisk"] = [Refused("OperationDenied", 403, "", "R", action="ReInitDisk")]
    attempts = [world.attempt(each, n) for n, each in enumerate(of_each(world, "ReInitDisk"))]
    world.clock.at += 1.0
    world.make(attempts[0])

    assert world.make(attempts[1]).outcomes == (OK,)
