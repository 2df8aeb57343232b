"""What runs of one account and region share in their journal: machines down at once, and the quota of ReInitDisk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from safe_reinit.core import state
from safe_reinit.journal import Journal, Lease, NoRoomError, ShardToBegin, open_to_write
from safe_reinit.model import InUse, JobState, Limits, Measurement, Room, Step
from tests.core.runs import a_job

Begin = Callable[..., Lease]
ENOUGH = Room(down=100, wipes=400, within=30.0)


def begin(journal: Journal, name: str, account: str = "1", region: str = "cn-hangzhou", endpoint: str = "") -> Lease:
    """Write a run of one machine down."""
    plan = {"plan_id": name, "account": account, "region": region, "options": {"password": None}, "jobs": []}
    return journal.begin(name, plan, endpoint, "", [(f"i-{name}", ("d-1",), {})])


def stopping(disks: int = 1) -> JobState:
    """Return the state of a machine with so many disks to wipe whose stop is intended."""
    return replace(state.begin(a_job(0, disks), Limits(), at=0.0), stop=Step("asked", tries=1))


def test_two_first_runs_at_the_same_time_both_get_the_journal(tmp_path: Path) -> None:
    """A file that is not there yet is made once, by whichever comes first, and neither is refused."""
    at_once = threading.Barrier(2)

    def opened(path: Path) -> list[str]:
        at_once.wait()
        with open_to_write(path) as journal:
            return [run.run_id for run in journal.runs()]

    with ThreadPoolExecutor(2) as threads:  # without care one of ten pairs fails
        runs = list(threads.map(opened, [tmp_path / f"{pair}.db" for pair in range(100) for _ in range(2)]))

    assert runs == [[]] * 200


def test_no_more_machines_are_down_than_the_run_allows_whose_are_to_be_stopped(place: str) -> None:
    """A stop is written down only while all runs together stay within its limit, and else nothing of it is."""
    with open_to_write(place) as journal:
        first, second = begin(journal, "r-a"), begin(journal, "r-b")
        first.save((0, stopping()), room=replace(ENOUGH, down=1))
        with pytest.raises(NoRoomError) as refused:
            second.save((0, stopping()), room=replace(ENOUGH, down=1))
        kept = {run.run_id: run.jobs[0].state_text for run in journal.runs()}
        second.save((0, stopping()), room=replace(ENOUGH, down=2))
        for lease in (first, second):
            lease.release()

    assert refused.value.in_use == InUse(down=1, wipes=1, run_ids=("r-a",), instance_id="i-r-a")
    assert kept["r-b"] == "{}"


def test_a_machine_that_is_back_leaves_its_place(place: str) -> None:
    """What is in use is read from the states of the jobs: once the start is done another machine may be stopped."""
    with open_to_write(place) as journal:
        first, second = begin(journal, "r-a"), begin(journal, "r-b")
        first.save((0, stopping()), room=replace(ENOUGH, down=1))
        first.save((0, replace(stopping(), disks=(), start=Step("done", tries=1))))
        second.save((0, stopping()), room=replace(ENOUGH, down=1))
        seen = second.in_use()
        for lease in (first, second):
            lease.release()

    assert seen == InUse()


def test_wipes_to_come_and_those_of_the_last_minute_keep_others_from_stopping_machines(place: str) -> None:
    """The quota is one for all: what a run has still to send, and what ECS took of it, leaves the others that less."""
    with open_to_write(place) as journal:
        first, second = begin(journal, "r-a"), begin(journal, "r-b")
        first.save((0, stopping(2)), room=ENOUGH, measurements=[Measurement("ReInitDisk", taken=3)])
        for wipes in (5, 6):
            with pytest.raises(NoRoomError):
                second.save((0, stopping(2)), room=replace(ENOUGH, wipes=wipes))
        second.save((0, stopping(2)), room=replace(ENOUGH, wipes=7))
        for lease in (first, second):
            lease.release()


def test_a_run_that_nobody_goes_on_with_keeps_its_machines_counted_and_no_part_of_the_quota(place: str) -> None:
    """Its machines are down whoever died; its wipes are not to come until somebody resumes it."""
    with open_to_write(place) as journal:
        first, second = begin(journal, "r-a"), begin(journal, "r-b")
        first.save((0, stopping(2)), room=ENOUGH)
        first.release()
        seen = second.in_use()
        second.release()

    assert (seen.down, seen.wipes, seen.run_ids, seen.idle) == (1, 0, ("r-a",), ("r-a",))


def test_a_shard_knows_what_has_not_begun_in_those_before_it(place: str) -> None:
    """The wipes of untouched machines count, in shards before it that somebody carries; the first has none ahead."""
    plan = {"plan_id": "p", "account": "1", "region": "cn-hangzhou", "options": {}, "jobs": []}
    untouched = state.begin(a_job(0, 2), Limits(), at=0.0)
    with open_to_write(place) as journal:
        for run_id in ("r-a", "r-b"):
            parts = [
                ShardToBegin({**plan, "plan_id": f"{run_id}.{number}"}, "5e", [(f"i-{run_id}-{number}", [], untouched)])
                for number in range(3)
            ]
            journal.begin_shards(run_id, {**plan, "plan_id": run_id}, "", "", parts)
        taken = [journal.acquire_lease(name) for name in ("r-a.0", "r-a.2", "r-b.0")]
        first, last, other = (lease for lease in taken if lease is not None)
        at_first = [lease.in_use().ahead for lease in (first, last, other)]
        first.save((0, stopping(2)))
        begun = last.in_use()
        first.save((0, untouched))
        first.release()
        left = last.in_use().ahead
        for lease in (last, other):
            lease.release()

    assert at_first == [0, 2, 0]
    assert (begun.ahead, begun.wipes) == (0, 2)
    assert left == 0


def test_what_failed_in_the_other_shards_of_a_run_keeps_a_shard_from_stopping_machines(place: str) -> None:
    """All shards of a run have one limit of failures; those of another run, and of this shard alone, do not count."""
    plan = {"plan_id": "p", "account": "1", "region": "cn-hangzhou", "options": {}, "jobs": []}
    with open_to_write(place) as journal:
        for run_id in ("r-a", "r-b"):
            parts = [
                ShardToBegin({**plan, "plan_id": f"{run_id}.{number}"}, "5e", [(f"i-{run_id}-{number}", ["d-1"], {})])
                for number in range(2)
            ]
            journal.begin_shards(run_id, {**plan, "plan_id": run_id}, "", "", parts)
        first, second, other = (journal.acquire_lease(name) for name in ("r-a.0", "r-a.1", "r-b.0"))
        assert first is not None
        assert second is not None
        assert other is not None
        first.save((0, replace(stopping(), interrupted=True)))
        with pytest.raises(NoRoomError) as refused:
            second.save((0, stopping()), room=replace(ENOUGH, failures=1))
        second.save((0, stopping()), room=replace(ENOUGH, failures=2))
        other.save((0, stopping()), room=replace(ENOUGH, failures=1))
        first.save((0, stopping()), room=replace(ENOUGH, failures=1))
        for lease in (first, second, other):
            lease.release()

    assert refused.value.in_use.failed == 1


@pytest.mark.parametrize(
    ("other", "shares"),
    [
        ({}, True), ({"account": ""}, True), ({"account": "2"}, False), ({"region": "cn-beijing"}, False),
        ({"endpoint": "http://127.0.0.1:1"}, False),
    ],
)  # fmt: skip
def test_only_runs_of_one_account_and_region_share(place: str, other: dict[str, str], shares: bool) -> None:
    """Quotas are by account and region; where an account is not known it may be the same."""
    with open_to_write(place) as journal:
        first, second = begin(journal, "r-a", **other), begin(journal, "r-b")
        first.save((0, stopping()), room=ENOUGH)
        seen = second.in_use()
        for lease in (first, second):
            lease.release()

    assert bool(seen.down) is shares


def test_what_ecs_throttles_is_known_to_the_others(place: str) -> None:
    """One run hears it from ECS, and the others from the journal: for how much longer, and never of themselves."""
    with open_to_write(place) as journal:
        first, second = begin(journal, "r-a"), begin(journal, "r-b")
        first.save(
            (0, {}), measurements=[Measurement("StopInstances", closed_for=300.0), Measurement("ReInitDisk", taken=2)]
        )
        heard, own = second.in_use(), first.in_use()
        for lease in (first, second):
            lease.release()

    ((action, left),), ((wiped, ago, calls),) = heard.closed, heard.taken
    assert (action, wiped, calls) == ("StopInstances", "ReInitDisk", 2)
    assert 0.0 < left <= 300.0
    assert ago >= 0.0
    assert own == InUse()


def test_the_shortest_time_that_a_phase_took_is_known_to_the_others(place: str) -> None:
    """Whichever of them saw it, and never of themselves: a run knows what it saw."""
    with open_to_write(place) as journal:
        first, second, third = (begin(journal, name) for name in ("r-a", "r-b", "r-c"))
        first.save((0, {}), measurements=[Measurement("stop", took=31.5), Measurement("start", took=40.0)])
        second.save((0, {}), measurements=[Measurement("stop", took=30.25)])
        heard, other = third.in_use(), second.in_use()
        for lease in (first, second, third):
            lease.release()

    assert dict(heard.took) == {"stop": 30.25, "start": 40.0}
    assert dict(other.took) == {"stop": 31.5, "start": 40.0}
    assert heard.taken == heard.closed == ()
