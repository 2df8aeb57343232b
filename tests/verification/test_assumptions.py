"""What is not decided by what was seen is unknown, however little is missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from safe_reinit.verification.assumptions import judge
from safe_reinit.verification.document import masked
from safe_reinit.verification.record import Bounds, Record, RecordedAnswer, Sample
from safe_reinit.verification.rounds import before_next

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STARTED = NOON - timedelta(hours=2)
STEPS = (("StopInstance", 10.0), ("ReInitDisk", 30.0), ("StartInstance", 40.0))


def seen(at: float, status: str, disk: str = "In_use", start_time: datetime | None = STARTED) -> Sample:
    """Make an observation that took a tenth of a second."""
    return Sample(at, at + 0.1, NOON + timedelta(seconds=int(at)), status, start_time, disk)


def whole(**changed: object) -> Record:
    """Make a run that was observed every second: stop 10 to 25, wipe 30 to 36, start 40 to 60."""
    samples: list[Sample] = []
    for second in range(80):
        running = second < 10 or second >= 60
        status = "Running" if running else "Stopping" if second < 25 else "Stopped" if second < 40 else "Starting"
        again = NOON.replace(minute=1) if second >= 60 else STARTED
        samples.append(seen(second + 0.5, status, "ReIniting" if 30 <= second < 36 else "In_use", again))
    answers = tuple(RecordedAnswer(at, action, "OK") for action, at in STEPS)
    return Record(changed.get("samples", tuple(samples)), changed.get("answers", answers))  # type: ignore[arg-type]


def verdicts(records: Sequence[Record]) -> str:
    """Return the verdicts on S1 to S5 by their first letters."""
    return "".join(each.verdict[0] for each in judge(records, 60.0))


def test_a_run_that_was_seen_from_end_to_end_decides_everything() -> None:
    """All five agree; without any run nothing is known."""
    assert verdicts([whole()]) == "aaaaa"
    assert verdicts([]) == "uuuuu"


@pytest.mark.parametrize(
    ("keeps", "expected"),
    [
        (lambda each: not 11 <= each.at < 25, "uaaaa"),
        (lambda each: not 26 <= each.at < 35, "auaaa"),
        (lambda each: each.disk_status != "ReIniting", "auaaa"),
        (lambda each: each.at < 40, "uuuau"),
    ],
    ids=["how long the stop took", "when the wipe began", "no ReIniting", "nothing of the start"],
)  # fmt: skip
def test_what_was_not_seen_is_unknown(keeps: object, expected: str) -> None:
    """A gap in the observations leaves open what was in it, and nothing else."""
    run = whole()

    assert verdicts([whole(samples=tuple(filter(keeps, run.samples)))]) == expected  # type: ignore[arg-type]


def test_a_start_late_in_its_minute_does_not_decide_how_the_clocks_differ() -> None:
    """Such a StartTime may be behind the Date by half a minute or not, so S5 is unknown."""
    samples = tuple(
        seen(each.at, each.status, each.disk_status, STARTED if each.at < 60 else NOON) for each in whole().samples
    )

    assert verdicts([whole(samples=samples)]) == "aaaau"
    assert verdicts([whole(samples=samples), whole()]) == "aaaaa"


def test_without_a_start_time_starts_and_clocks_are_unknown() -> None:
    """Where ECS shows no StartTime, nothing is said of S3 and S5."""
    samples = tuple(seen(each.at, each.status, each.disk_status, None) for each in whole().samples)

    assert verdicts([whole(samples=samples)]) == "aauau"


def test_a_call_that_was_lost_and_had_no_effect_proves_nothing() -> None:
    """Whether it never arrived or is still to come cannot be told; one that took effect in time agrees."""
    lost = RecordedAnswer(5.0, "StopInstance", "Unanswered")
    answers = whole().answers

    assert verdicts([whole(answers=(lost, *answers))])[3] == "u"
    assert verdicts([whole(answers=(RecordedAnswer(9.9, "StopInstance", "Unanswered"), *answers[1:]))])[3] == "a"
    assert verdicts([whole(answers=answers[1:])])[3] == "u"  # somebody else stopped it


def test_a_lag_that_grows_in_a_run_contradicts() -> None:
    """A start that is shown later than the stop was by which the run knows its lag, if only by 3 s."""
    late = tuple(
        seen(each.at, "Stopped" if 40 <= each.at < 43 else each.status, each.disk_status, each.start_time)
        for each in whole().samples
    )

    assert verdicts([whole(samples=late)])[1] == "c"


def test_the_second_run_starts_when_its_start_tells_more_of_the_clocks() -> None:
    """It begins once the minute of the last start has settled, so that its StartTime shows early in a minute."""
    run = whole()
    now = run.samples[-1].at
    begins = NOON + timedelta(seconds=int(now)) + timedelta(seconds=before_next(run, now))
    shown = begins + timedelta(seconds=3 + 50.5)

    assert begins >= NOON + timedelta(seconds=60 + 90)
    assert begins < NOON + timedelta(seconds=60 + 90 + 60)
    assert 10 <= shown.second <= 14


def test_bounds_are_added_and_ids_are_masked() -> None:
    """What two things take together lies between the sums; no id of a machine, disk, account or role is left."""
    assert Bounds(1.0, 2.0) + Bounds(10.0, 20.0) == Bounds(11.0, 22.0)
    text = "disk-locked: d-bp1a and i-bp1b of 1000000000000001 (acs:ram::1000000000000001:user/me), run r-2026T-4f2a"
    assert masked(text) == "disk-locked: d-*** and i-*** of *** (***), run r-***"
