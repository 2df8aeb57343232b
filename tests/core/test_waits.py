"""What people are told about a wait: what ECS must show, and which of all limits ends it first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from safe_reinit.core.waits import Limit, awaited, next_limit
from safe_reinit.model import JobState, Limits, SafetySnapshot, Step, Wait, Wipe
from tests.core.test_decide import DATA, RUN, SYSTEM, UNSEEN, before_the_stop, ready, seeing

SENT, SINCE = 990.0, 980.0
OBSERVATION = Wait("stop", "an observation", SINCE)
ACCEPTED = Step("accepted", 1, SENT, SENT)
AGAIN = Step("again", 1, SENT, SENT, due=1001.0)
WIPED = (Wipe(DATA, "done", 1),)
WIPING = (Wipe(DATA, "accepted", 1, at=SENT),)


def safety(step: Step) -> tuple[SafetySnapshot, ...]:
    """Return a safety snapshot at this step."""
    return (SafetySnapshot(DATA, "token", step, "s-1"),)


@pytest.mark.parametrize(
    ("job", "what"),
    [
        (ready(stop=ACCEPTED), "Stopped"),
        (ready(snapshots=safety(ACCEPTED)), "accomplished"),
        (ready(disks=(*WIPED, Wipe(SYSTEM, "accepted", 1))), "In_use"),
        (ready(disks=WIPED), "the start"),
        (ready(disks=WIPED, start=ACCEPTED), "Running"),
        (ready(disks=WIPED, start=AGAIN), "an observation"),
        (ready(), "an observation"),
    ],
    ids=str,
)
def test_until_ecs_shows_more_what_an_accepted_call_does_is_waited_for(job: JobState, what: str) -> None:
    """An observation that is older than an answer leaves it to the state what is waited for."""
    assert awaited(OBSERVATION, job) == what
    assert awaited(replace(OBSERVATION, what="the next try"), job) == "the next try"


def counted(**changes: Any) -> dict[str, Any]:
    """Return changes of a job whose machine may be down since a while ago."""
    return {"down_since": 950.0, **changes}


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (before_the_stop(), None),
        (replace(before_the_stop(), snapshot_wait_since=940.0), Limit(940.0, 3600.0, "wait")),
        (ready(snapshot_wait_since=940.0), None),
        (replace(before_the_stop(), tag_value=RUN, tag=ACCEPTED), Limit(SENT, 300.0, "wait")),
        (replace(before_the_stop(), tag_value=RUN, tag=AGAIN), Limit(SENT, 300.0, "retries")),
        (ready(stop=Step("asked", 1)), None),
        (ready(stop=Step("accepted", 1)), None),
        (ready(stop=AGAIN), Limit(SENT, 600.0, "retries")),
        (ready(stop=ACCEPTED), Limit(SENT, 600.0, "wait")),
        (ready(stop=ACCEPTED, limits=Limits(force_stop_after=60.0)), Limit(SENT, 60.0, "graceful-stop")),
        (ready(stop=ACCEPTED, limits=Limits(force_stop_after=900.0)), Limit(SENT, 600.0, "wait")),
        (ready(stop=AGAIN, limits=Limits(force_stop_after=60.0)), Limit(SENT, 600.0, "retries")),
        (ready(stop=ACCEPTED, force=ACCEPTED, limits=Limits(force_stop_after=60.0)), Limit(SENT, 600.0, "wait")),
        (ready(**counted()), Limit(950.0, 900.0, "downtime")),
        (ready(**counted(), snapshots=safety(Step("done", 1))), Limit(950.0, 4500.0, "downtime")),
        (ready(**counted(), snapshots=safety(ACCEPTED)), Limit(SENT, 3600.0, "wait")),
        (ready(**counted(), snapshots=safety(AGAIN)), Limit(SENT, 300.0, "retries")),
        (ready(**counted(stuck_since=985.0)), Limit(985.0, 300.0, "retries")),
        (ready(**counted(), wiping_since=960.0), Limit(950.0, 900.0, "downtime")),
        (ready(down_since=970.0, wiping_since=960.0), Limit(960.0, 900.0, "sending")),
        (ready(disks=WIPING, wiping_since=960.0), Limit(960.0, 1800.0, "wait")),
        (ready(disks=(*WIPING, Wipe(SYSTEM)), wiping_since=960.0), Limit(960.0, 900.0, "sending")),
        (ready(disks=WIPING), None),
        (ready(disks=WIPED, wiping_since=960.0, turned_back_at=970.0), Limit(970.0, 900.0, "wait")),
        (ready(disks=WIPING, wiping_since=960.0, turned_back_at=970.0), Limit(960.0, 1800.0, "wait")),
        (ready(disks=WIPED, turned_back_at=970.0, start=ACCEPTED), Limit(SENT, 900.0, "wait")),
        (ready(disks=WIPED, turned_back_at=970.0, start=Step("done", 1)), None),
        (ready(disks=WIPED, start=Step("done", 1), untag=AGAIN), Limit(SENT, 300.0, "retries")),
        (ready(**counted(stuck_since=985.0), interrupted=True), None),
        (ready(**counted(), interrupted=True, turned_back_at=970.0), Limit(970.0, 900.0, "wait")),
    ],
    ids=str,
)  # fmt: skip
def test_the_limit_that_ends_first_is_reported(job: JobState, expected: Limit | None) -> None:
    """Of all limits that count in a state, people are told the one that passes first, and since when it counts."""
    assert next_limit(OBSERVATION, job, seeing()) == expected


@pytest.mark.parametrize(
    ("changes", "shown", "seconds"),
    [
        ({}, {"credentials_refused": "InvalidAccessKeyId"}, 300.0),
        ({}, {}, 300.0),
        ({"stop": Step(), "instance_status": ""}, {"credentials_refused": "InvalidAccessKeyId"}, 30.0),
    ],
    ids=str,
)
def test_silence_of_ecs_has_a_limit(changes: dict[str, Any], shown: dict[str, Any], seconds: float) -> None:
    """While ECS shows nothing, what counts is since when; nobody waits long for other credentials before a stop."""
    job = ready(unseen_since=995.0, **changes)

    assert next_limit(OBSERVATION, job, seeing(**UNSEEN, **shown)) == Limit(995.0, seconds, "silence")


def test_the_minute_of_a_start_counts_from_when_it_was_first_waited_for() -> None:
    """Each observation says how much of it is left, and so the whole of it stays the same."""
    wait = Wait("wait-start", "30s after the minute of the last start", 1000.0, 25.0)

    assert next_limit(wait, replace(before_the_stop(), unsettled_since=960.0), seeing()) == Limit(960.0, 65.0, "wait")
    assert next_limit(wait, before_the_stop(), seeing()) == Limit(1000.0, 25.0, "wait")


@pytest.mark.parametrize("what", ["other runs", "an answer"])
def test_what_the_run_sets_no_limit_to_has_none(what: str) -> None:
    """Other runs end when they end, and how long a call may take is not a limit of the run."""
    assert next_limit(replace(OBSERVATION, what=what), ready(stop=ACCEPTED), seeing()) is None
