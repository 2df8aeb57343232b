"""What a run does beside others of its account and region: it begins nothing that they leave no room for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from safe_reinit.core import rate_limits
from safe_reinit.core.commits import Commits
from safe_reinit.core.inputs import (
    CancelRequested,
    Commit,
    Committed,
    Describe,
    Effect,
    Emit,
    Exchanged,
    Input,
    JournalAway,
    NoRoom,
    Notify,
    Recheck,
    SendAttempts,
)
from safe_reinit.core.jobs import Due, Job
from safe_reinit.core.rate_limits import RateLimiter
from safe_reinit.model import Command, Failure, InUse, Measurement, Options, Room, Step
from tests.core.runs import RUN_BEGAN, Steps

WIPE = "ReInitDisk"


class Beside(Steps):
    """A run beside others, which have in use what the test says: the journal refuses what they leave no room for."""

    def _written(self, commit: Commit) -> Input:
        room = commit.room or Room(None, None, 0.0)
        states = {**dict(enumerate(self.states)), **dict(commit.states)}.values()
        down = self.others.down + sum(state.may_be_down for state in states)
        wipes = self.others.wipes + sum(state.wipes_to_come for state in states if state.tried)
        full = room.down is not None and self.others.down and down > room.down
        full = full or (room.wipes is not None and self.others.wipes and wipes > room.wipes)
        return NoRoom(self.others) if full else Committed()

    def use(self, **in_use: int) -> None:
        """Let other runs have this in use from now on."""
        self.others = InUse(**in_use, run_ids=("r-2",), instance_id="i-9" if in_use.get("down") else "")

    def called(self) -> list[str]:
        """List what was called."""
        calls = [each for each in self.effects if isinstance(each, SendAttempts)]
        return [attempt.command.action for each in calls for attempt in each.attempts]

    def messages(self) -> str:
        """Return all that people were told."""
        waits = [str(each.data.get("why")) for each in self.effects if isinstance(each, Emit)]
        return "\n".join([*waits, *(each.text for each in self.effects if isinstance(each, Notify))])

    def go_on_for(self, seconds: float) -> None:
        """Carry everything out for so long."""
        until = self.at + seconds
        while self.at < until and not self.run.is_over:
            self.go_on()


@pytest.fixture(autouse=True)
def _small_wipe_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the quota be small, so that one machine uses it up."""
    monkeypatch.setitem(rate_limits.LIMITS, WIPE, 5)


@pytest.mark.parametrize("in_use", [{"down": 1}, {"wipes": 4}], ids=["down", "wipes"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_machine_waits_as_long_as_others_leave_no_room(in_use: dict[str, int], count: int) -> None:
    """It stays up, however long that takes, and says whom it waits for; then all goes its usual way."""
    run = Beside(count, max_parallel=1, quota_share=0.8)
    run.use(**in_use)
    run.go_on_for(2000.0)
    assert not run.called()
    assert "r-2" in run.messages()
    assert not any(state.error for state in run.states)

    run.use()
    run.finish()
    assert run.called() == ["StopInstance", WIPE, "StartInstance"] * count


def test_machines_begin_once_those_of_the_shards_before_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has not begun in an earlier shard has its place in the quota first; nothing is read for what waits."""
    monkeypatch.setitem(rate_limits.LIMITS, WIPE, 10)
    run = Beside(3, quota_share=1.0)
    run.use(ahead=10)
    run.go_on_for(600.0)
    assert not [each for each in run.effects if isinstance(each, Describe | Recheck | SendAttempts)]

    run.use(ahead=8)
    assert len(run.to(SendAttempts).attempts) == 2

    run.use()
    run.finish()
    assert run.called().count(WIPE) == 3


def overtaken(count: int = 2) -> Beside:
    """Return a run of one machine at a time that has carried the first to its end when another run takes the place."""
    run = Beside(count, max_parallel=1)
    run.to(SendAttempts, "StartInstance")
    run.use(down=1)
    run.go_on_for(200.0)
    return run


def test_a_run_that_waits_between_its_machines_says_so_once() -> None:
    """Nothing is observed meanwhile, so that no event would tell of it."""
    assert [each.text for each in overtaken().effects if isinstance(each, Notify)] == [
        "Run r-1 waits; untouched machines keep running: i-9 is down in run r-2, and at most 1 "
        "may be down at once (--max-parallel)."
    ]


def test_two_others_are_reported_as_two() -> None:
    """The number is in the sentence."""
    run = Beside(max_parallel=2)
    run.use(down=2)
    run.go_on_for(200.0)

    assert "2 machines are down in run r-2, and at most 2 may be down at once" in run.messages()


def test_what_brings_a_machine_back_is_written_down_beside_a_stop_that_finds_no_room() -> None:
    """Only the stop waits: the start that was to be written down with it is, without it, at once."""
    run = Beside(2)
    run.change(0, stop=Step("done", tries=1, first_at=900.0, at=900.0), instance_status="Stopped")
    jobs = [Job(position, known) for position, known in enumerate(run.states)]
    start = Due(jobs[0], Command("StartInstance", "i-0"), run.observation(0))
    stop = Due(jobs[1], Command("StopInstance", "i-1"), run.observation(1))
    commits, scheduler = Commits(), run.run.scheduler
    commits.intend([start])
    commits.intend([stop])
    both = commits.begin(jobs, scheduler, run.at, spool=False)
    waiting = commits.refused()
    alone = commits.begin(jobs, scheduler, run.at, spool=False)

    assert ([at for at, _ in both.states], both.room is None) == ([0, 1], False)
    assert (waiting, jobs[1].held) == ([stop], stop)
    assert ([at for at, _ in alone.states], alone.room is None) == ([0], True)
    assert commits.done() == [[start]]


def test_a_machine_that_was_stopped_before_waits_for_the_quota_alone() -> None:
    """Others whose machines are down take nothing from it; those whose wipes are to come do."""
    run = Beside(power="Stopped", max_parallel=1, quota_share=0.8)
    run.use(wipes=4)
    run.go_on_for(300.0)
    assert not run.called()

    run.use(down=7)
    run.finish()
    assert run.called() == [WIPE]


def test_a_lock_tag_takes_room_as_a_stop_does() -> None:
    """The first call of a machine is the one that must find room, whatever it is."""
    run = Beside(max_parallel=1, options=Options(lock_tag=True))
    run.use(down=1)
    run.go_on_for(300.0)
    assert "StopInstance" not in run.called()

    run.step(CancelRequested())
    run.finish()
    assert run.called() in ([], ["TagResources", "UntagResources"])


def test_others_get_what_ecs_took_and_what_it_throttles() -> None:
    """Once each, with the next commit that the journal takes: one that failed is made up for."""
    run = Steps(journal_outage=100.0)
    run.to(SendAttempts, "StopInstance")
    run.journal = JournalAway(Failure(None, "It is away."))
    taken = [Exchanged(WIPE, "OK"), Exchanged(WIPE, "OK"), Exchanged("StopInstance", "Throttling")]
    run.step(*taken)
    run.go_on()
    tried = [each for each in run.effects if isinstance(each, Commit) and each.measurements]
    assert tried

    run.journal = Committed()
    run.effects.clear()
    for _ in range(20):
        run.go_on()
    result = [each.measurements for each in run.effects if isinstance(each, Commit) and each.measurements]
    assert result[0] == tried[0].measurements
    assert {(each.what, each.taken, each.closed_for > 0) for each in result[0]} == {
        (WIPE, 2, False), ("StopInstance", 0, True),
    }  # fmt: skip
    assert not any(each.taken or each.closed_for for some in result[1:] for each in some)


def test_calls_of_others_use_the_quota_up_for_as_long_as_ecs_counts_them() -> None:
    """Their calls leave the window sixty seconds after ECS took them, as one's own do."""
    limits = RateLimiter()
    limits.heard(InUse(taken=((WIPE, 50.0, 3), (WIPE, 5.0, 1))), 1000.0)

    assert [limits.free(WIPE, at) for at in (1000.0, 1010.5, 1055.5)] == [1, 4, 5]
    assert limits.room(WIPE, 1000.0, lead_time=11.0) == 4


def test_what_ecs_throttled_others_for_is_not_called_either() -> None:
    """Quotas are the account's: nothing is sent only to hear the same."""
    limits = RateLimiter()
    limits.heard(InUse(closed=(("StopInstances", 30.0),)), 1000.0)

    assert limits.closed("StopInstances", 1029.0)
    assert not limits.closed("StopInstances", 1030.0)


def test_others_read_in_the_journal_how_long_ecs_asks_to_wait() -> None:
    """Also where an answer says so itself."""
    limits = RateLimiter()
    limits.close("StopInstance", 1000.0, 7.0)

    assert limits.take_measurements() == (Measurement("StopInstance", closed_for=7.0),)
    assert limits.take_measurements() == ()


def test_others_get_the_time_of_each_phase_once() -> None:
    """Of machines that are alike in that, nobody hears it again."""
    run = Steps(3)
    run.finish()

    measured = [
        each for effect in run.effects if isinstance(effect, Commit) for each in effect.measurements if each.took
    ]
    assert [each.what for each in measured] == ["stop", "reinit", "start"]


@pytest.mark.parametrize(("took", "stopped_after"), [({}, 58.5), ({"stop": 30.0}, 28.5), ({"stop": 90.0}, 0.0)])
def test_a_machine_is_stopped_in_time_for_a_slot_by_how_long_others_saw_it_take(
    took: dict[str, float], stopped_after: float
) -> None:
    """It is down when the slot is free, and not earlier; where nobody knows, it runs until the slot is."""

    class After(Beside):
        """Beside runs that have just used the quota up, and know how long it takes to stop a machine."""

        def step_once(self, *inputs: Input) -> list[Effect]:
            self.others = InUse(taken=((WIPE, self.at - RUN_BEGAN, 5),), took=tuple(took.items()))
            return super().step_once(*inputs)

    run = After()
    run.to(SendAttempts, "StopInstance")

    assert 0.0 <= run.at - RUN_BEGAN - stopped_after < 4.0


def test_the_room_is_what_the_run_itself_keeps_to() -> None:
    """The limit of its rollout, its share of the quota, and the calls that still count when it would wipe."""
    run = Steps(max_parallel=7, quota_share=0.8)

    scheduler = run.run.scheduler
    assert scheduler.room_of_all(run.at, down=True, wipes=True) == Room(7, 4, 58.5)
    assert scheduler.room_of_all(run.at, down=False, wipes=False) == Room(None, None, 58.5)


def test_a_wait_for_a_run_that_nobody_is_at_work_on_names_the_way_on() -> None:
    """Said once more when that changes, since whoever waits would otherwise wait for ever."""
    run = overtaken()
    run.others = replace(run.others, idle=("r-2",))
    run.go_on_for(100.0)
    text = [each.text for each in run.effects if isinstance(each, Notify)]

    assert len(text) == 2
    assert text[1].endswith("no process is working on r-2: safe-reinit resume r-2.")


def test_a_machine_that_waits_for_others_is_observed_seldom_and_its_wait_has_no_limit() -> None:
    """All its facts are read again before its stop, so that nothing is to be gained by more."""
    run = Beside(max_parallel=1)
    run.use(down=1)
    run.go_on_for(60.0)
    run.effects.clear()
    run.go_on_for(400.0)
    described = [each for each in run.effects if isinstance(each, Describe)]
    waits = [each.data for each in run.effects if isinstance(each, Emit) and each.event == "wait"]

    assert 6 <= len(described) <= 8
    assert {(wait["for"], wait["limit"]) for wait in waits} == {("other runs", 0.0)}
    assert max(wait["elapsed"] for wait in waits) > 400.0
