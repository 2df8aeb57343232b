"""What a shard knows of the run that it is part of, and how a process hands it to another one."""

from __future__ import annotations

import pytest

from safe_reinit.core.inputs import AttemptRefused, Commit, HandedOver, Input, NoRoom, SendAttempts
from safe_reinit.core.run import Run
from safe_reinit.model import InUse, Room
from tests.core.runs import Steps


def actions(run: Steps) -> list[str]:
    """List what was called."""
    calls = [each for each in run.effects if isinstance(each, SendAttempts)]
    return [attempt.command.action for each in calls for attempt in each.attempts]


def test_who_hands_over_finishes_what_has_begun_and_begins_nothing_more() -> None:
    """The machine that is down comes back; the others are as they were, for whoever goes on."""
    run = Steps(3, max_parallel=1)
    run.to(SendAttempts, "ReInitDisk")
    run.step(HandedOver())
    run.finish()

    assert actions(run) == ["StopInstance", "ReInitDisk", "StartInstance"]
    assert run.run.unfinished == [1, 2]
    assert not any(state.error or state.tried for state in run.states[1:])


def test_who_hands_over_before_anything_has_begun_has_nothing_to_do() -> None:
    """It is over at once."""
    run = Steps(2)
    run.step(HandedOver())

    assert run.run.is_over
    assert run.run.unfinished == [0, 1]


@pytest.mark.parametrize("down", [False, True])
def test_a_shard_of_a_run_that_begins_nothing_more_ends_what_has_not_begun(down: bool) -> None:
    """The reason is said of each; a machine that is down by it is wiped, and comes back."""
    run = Steps(1, down=down)
    run.run = Run("r-1", run._rollout, run.states, none_begins="the canary did not succeed")
    run.finish()

    assert actions(run) == (["ReInitDisk", "StartInstance"] if down else [])
    error = run.state.error
    assert (error is None) if down else (error is not None and error.message)
    assert down or str(error and error.message) == "Not begun: the canary did not succeed."


class Beside(Steps):
    """A shard whose journal knows how many jobs have failed in the others."""

    failed = 0

    def _written(self, commit: Commit) -> Input:
        most = (commit.room or Room(None, None, 0.0)).failures
        full = most is not None and self.failed >= most
        return NoRoom(InUse(failed=self.failed)) if full else super()._written(commit)


def test_what_failed_in_other_shards_counts_when_a_machine_is_to_begin() -> None:
    """The journal refuses the stop, and no job begins any more; what is down already comes back."""
    run = Beside(3, max_parallel=1, stop_after_failures=2)
    run.to(SendAttempts, "ReInitDisk")
    run.failed = 2
    run.finish()

    assert actions(run) == ["StopInstance", "ReInitDisk", "StartInstance"]
    messages = [str(state.error and state.error.message) for state in run.states[1:]]
    assert messages == ["Not begun: 2 of the jobs before it failed (--stop-after-failures 2)."] * 2


def test_what_failed_here_counts_with_what_failed_in_other_shards() -> None:
    """One of each makes two: the next machine does not begin."""
    run = Steps(2, max_parallel=1, stop_after_failures=2)
    run.others = InUse(failed=1)
    run.run.scheduler.heard(run.others, run.at)
    run.answer(run.to(SendAttempts, "ReInitDisk"), AttemptRefused("OperationDenied", 403, "denied", None))
    run.finish()

    assert actions(run) == ["StopInstance", "ReInitDisk", "StartInstance"]
    assert "Not begun: 2 of the jobs before it failed" in str(run.states[1].error)
