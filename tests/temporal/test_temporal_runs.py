"""A run on Temporal: its shards are carried stage by stage, whatever happens to workflow, worker and server."""

from __future__ import annotations

import asyncio
import itertools
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Replayer

from safe_reinit.errors import RunRefused
from safe_reinit.journal.database import AwayError
from safe_reinit.model import Stage
from safe_reinit.temporal.activities import Activities
from safe_reinit.temporal.workflow import CarryRequest, RunWorkflow
from tests.temporalhistories import FOLDER
from tests.temporals import (
    DIGEST,
    LONG_HISTORY,
    Remembering,
    Run,
    Temporal,
    WorkerSettings,
    no_schedule,
    wait_for,
    working,
)

_numbers = itertools.count()


@pytest.fixture
def run(temporal: Temporal) -> Run:
    """Return a run of its own, on a task queue of its own."""
    number = next(_numbers)
    return Run(temporal, f"run-{number}", f"queue-{number}")


def carried(run: Run, shards: Remembering) -> Any:
    """Have a run carried to its end by one worker, and return its outcome."""
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        return run.result()


def workflow_status(run: Run) -> WorkflowExecutionStatus | None:
    """Return the status of its workflow."""

    async def of(handle: WorkflowHandle[Any, Any]) -> WorkflowExecutionStatus | None:
        return (await handle.describe()).status

    return run.ask(of)


def test_stages_are_carried_in_order(run: Run) -> None:
    """No shard of a stage begins before those of the stage before have ended; the outcome is the workflow's result."""
    shards = Remembering([Stage((0,)), Stage((1, 2, 3), at_once=3), Stage((4,))])

    assert carried(run, shards) == "done"
    assert shards.asked[:3] == ["next", "begin 0", "end 0"]
    places = {each: place for place, each in enumerate(shards.asked)}
    assert max(places[f"end {shard}"] for shard in (1, 2, 3)) < places["begin 4"]
    assert shards.asked.count("next") == 4


def test_no_more_shards_than_asked_are_carried_at_once(run: Run) -> None:
    """Two at once: the third begins when one of the first two has ended, and not before."""
    shards = Remembering([Stage((0, 1, 2, 3), at_once=2)], slow=frozenset({0, 1, 2, 3}))
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        shards.has("begin 0", "begin 1")
        shards.let(1)
        shards.has("begin 2")
        for shard in range(4):
            shards.let(shard)
        run.result()

    assert shards.at_once == 2


def test_a_question_waits_for_its_answer(run: Run) -> None:
    """Once somebody signals, the journal is asked again, long before its time."""
    shards = Remembering([Stage((0,)), Stage(question="Go on with 99 machines?", again_in=1000), Stage((1,))])
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        shards.has("end 0")
        shards.agreed = True
        run.carrier.wake()
        assert run.result() == "done"

    assert shards.ended == {0, 1}


def test_an_answer_that_the_server_never_got_is_found(run: Run) -> None:
    """The journal is asked again after a while, where whoever answered or cancelled could not reach the server."""
    shards = Remembering([Stage((0,)), Stage(question="Go on with 99 machines?", again_in=1), Stage((1,))])
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        wait_for(lambda: shards.asked.count("next") >= 3)
        shards.agreed = True
        assert run.result() == "done"

    assert shards.ended == {0, 1}


def test_a_cancelled_run_is_carried_to_its_end(run: Run) -> None:
    """However often it is cancelled, the journal is told once, its shards end, and then it is closed as cancelled."""
    shards = Remembering([Stage((0, 1, 2), at_once=2)], slow=frozenset({0, 1}))
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        shards.has("begin 0", "begin 1")
        run.ask(lambda handle: handle.cancel())
        run.ask(lambda handle: handle.cancel())
        with pytest.raises(WorkflowFailureError) as ended:
            run.result()

    assert isinstance(ended.value.cause, CancelledError)
    assert workflow_status(run) is WorkflowExecutionStatus.CANCELED
    assert shards.asked.count("cancel") == 1
    assert shards.ended == {0, 1}
    assert run.carrier.describe().status == "cancelled"


def test_a_cancel_ends_the_wait_for_an_answer(run: Run) -> None:
    """A run that waits for an answer is over at once when somebody cancels it at the server."""
    shards = Remembering([Stage(question="Go on with 99 machines?"), Stage((1,))])
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        shards.has("next")
        run.ask(lambda handle: handle.cancel())
        with pytest.raises(WorkflowFailureError):
            run.result()

    assert not shards.ended


def test_a_cancel_waits_for_the_journal(run: Run) -> None:
    """A cancel that the journal does not take is asked again until it does."""
    left = iter([OSError("the database is away")])

    def away(what: str, _shard: int) -> None:
        if what == "cancel" and (error := next(left, None)):
            raise error

    shards = Remembering([Stage((0,))], slow=frozenset({0}), fails=away)
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        shards.has("begin 0")
        run.ask(lambda handle: handle.cancel())
        with pytest.raises(WorkflowFailureError):
            run.result()

    assert shards.asked.count("cancel") == 2


def test_a_terminated_workflow_ends_no_shard(run: Run) -> None:
    """The shard is carried to its end all the same, and a new workflow of the run finds it ended."""
    shards = Remembering([Stage((0, 1))], slow=frozenset({0}))
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        shards.has("begin 0")
        run.ask(lambda handle: handle.terminate())
        assert run.carrier.describe().status == "terminated"
        shards.let(0)
        shards.has("end 0")
        run.submit()
        assert run.result() == "done"

    assert shards.asked.count("begin 0") == 1


def test_a_run_is_carried_by_one_workflow(run: Run) -> None:
    """Who submits a run that is carried already changes nothing."""
    shards = Remembering([Stage((0,))], slow=frozenset({0}))
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        shards.has("begin 0")
        assert run.submit()
        shards.let(0)
        assert run.result() == "done"

    assert shards.asked.count("begin 0") == 1


@pytest.mark.parametrize("error", [OSError("password=hunter2"), AwayError("The journal cannot be used.")], ids=repr)
def test_what_passes_is_asked_again(run: Run, error: Exception) -> None:
    """An error that is no refusal, of a step or of a shard, is tried again until it works; its text stays here."""
    left = iter([error])

    def away(what: str, _shard: int) -> None:
        if what == "carry" and (error := next(left, None)):
            raise error

    shards = Remembering([Stage((0,))], fails=away)

    assert carried(run, shards) == "done"
    assert shards.asked.count("begin 0") == 2


def test_a_refusal_fails_the_run_with_its_sentence(run: Run) -> None:
    """No further shard begins, those under way end, and who asks is told the sentence and the hint."""

    def refuse(what: str, shard: int) -> None:
        if (what, shard) == ("carry", 1):
            raise RunRefused("i-1 is protected here.", hint="See protect in the configuration of the worker.")

    shards = Remembering([Stage((0, 1, 2), at_once=2)], slow=frozenset({0}), fails=refuse)
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        shards.has("begin 0", "begin 1")
        shards.let(0)
        with pytest.raises(WorkflowFailureError) as ended:
            run.result()
        shown, kept = run.carrier.describe(), run.ask(lambda handle: handle.fetch_history())

    assert "i-1 is protected here." in kept.to_json()
    assert "stackTrace" not in kept.to_json()
    assert isinstance(ended.value.cause, ActivityError)
    assert isinstance(ended.value.cause.cause, ApplicationError)
    assert (shown.status, shown.text) == ("failed", "i-1 is protected here.")
    assert shown.hint == "See protect in the configuration of the worker."
    assert shards.ended == {0}


def test_a_long_history_goes_on_in_a_new_one(run: Run) -> None:
    """Each shard is carried once, the last history is short, and no activity is open where one ends."""
    shards = Remembering([Stage(tuple(range(15)), at_once=2)])

    assert carried(run, shards) == "done"
    assert sorted(each for each in shards.asked if "begin" in each) == sorted(f"begin {shard}" for shard in range(15))
    assert shards.asked.count("next") > 2
    assert len(run.events()) < LONG_HISTORY


def test_the_workflow_can_be_found_and_read(run: Run) -> None:
    """It has its run, account, region and outcome as search attributes, and says in words what it is."""
    shards = Remembering([Stage((0,))])
    carried(run, shards)

    async def shown(handle: WorkflowHandle[Any, Any]) -> tuple[dict[str, Any], str | None]:
        described = await handle.describe()
        attributes = {pair.key.name: pair.value for pair in described.typed_search_attributes}
        return attributes, await described.static_summary()

    attributes, summary = run.ask(shown)

    assert {name: value for name, value in attributes.items() if name.startswith("SafeReinit")} == {
        "SafeReinitRun": run.run_id, "SafeReinitAccount": "1000", "SafeReinitRegion": "cn-hangzhou",
        "SafeReinitOutcome": "done",
    }  # fmt: skip
    assert summary == "Wipe of 250 machines, 1000 cn-hangzhou"


def test_without_a_worker_people_are_warned(run: Run) -> None:
    """Who submits is told that no worker polls, and who asks later is told what that means and what to do."""
    assert not run.submit()

    shown = run.carrier.describe()

    assert shown.text == f"No worker polls the task queue {run.queue}, so this run makes no progress."
    assert "safe-reinit worker" in shown.hint
    assert replace(run, run_id="run-none").carrier.describe().status == "missing"


def test_a_run_is_joined_on_its_own_task_queue(run: Run) -> None:
    """Who follows it with another queue in their configuration is told of the queue of the run, and of its workers."""
    with working(run.temporal.server, Remembering([Stage((0,))], slow=frozenset({0})), WorkerSettings(run.queue)):
        run.submit()
        other = replace(run.carrier, queue="elsewhere")
        assert other.submit()
        assert other.text.endswith(f"task queue {run.queue}")
        assert other.describe().text == ""
        run.ask(lambda handle: handle.terminate())


def test_a_failing_step_is_reported(run: Run) -> None:
    """Who asks while an activity fails again and again is told what it fails with."""

    def away(_what: str, _shard: int) -> None:
        raise OSError

    with working(run.temporal.server, Remembering([], fails=away), WorkerSettings(run.queue)):
        run.submit()
        shown = wait_for(lambda: run.carrier.describe().text)

    assert shown.startswith("Temporal is at attempt ")
    assert "An unexpected OSError at safe_reinit.temporal.activities:" in shown


def test_a_worker_that_ends_hands_its_shard_over(run: Run) -> None:
    """It lets no shard end early: another worker is given the shard, and the run goes on there."""
    shards = Remembering([Stage((0, 1))], slow=frozenset({0}))
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        run.submit()
        shards.has("begin 0")
    assert "hand over 0" in shards.asked
    shards.let(0)
    with working(run.temporal.server, shards, WorkerSettings(run.queue)):
        assert run.result() == "done"

    assert shards.ended == {0, 1}


@pytest.mark.parametrize("why", ["not_found", "timed_out", "paused", "worker_shutdown", "reset", "cancel_requested"])
def test_no_cancellation_by_temporal_ends_a_shard(why: str) -> None:
    """Whatever Temporal says of the activity, the shard goes on: its lease decides, and the journal."""
    shards = Remembering([Stage((0,))], slow=frozenset({0}))
    environment = ActivityEnvironment()
    carrying = threading.Thread(
        target=lambda: environment.run(Activities(shards, no_schedule).carry, CarryRequest("run-1", DIGEST), 0),
        daemon=True,
    )
    carrying.start()
    shards.has("begin 0")
    environment.cancel(cancellation_details=ActivityCancellationDetails(**{why: True}))
    shards.beats()
    shards.let(0)
    carrying.join()

    assert shards.ended == {0}


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_what_earlier_versions_recorded_is_replayed(file: Path) -> None:
    """The workflow of now does in each history what it did when that was recorded: a run goes on with it."""
    history = WorkflowHistory.from_json(file.stem, file.read_text("utf-8"))

    asyncio.run(Replayer(workflows=[RunWorkflow]).replay_workflow(history))
