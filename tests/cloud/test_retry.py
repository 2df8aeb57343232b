"""Asking again: observations with patience; a changing call is never repeated here."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

import pytest

from safe_reinit.cloud.interface import CloudError, NoCredentials, NotSent, Refused, Unanswered
from safe_reinit.cloud.retry import Patient, may_pass
from safe_reinit.model import error_codes
from tests.cloudlike import TinyClock


def asked(
    error: Callable[[], CloudError], fails: int = 10**6, *, shortly: bool = False
) -> tuple[int, float, CloudError | None]:
    """Count how often a look that fails so many times is asked, and tell the time it took and how it ended."""
    clock = TinyClock()
    count = 0

    def reading() -> str:
        nonlocal count
        count += 1
        if count <= fails:
            raise error()
        return "seen"

    patient = Patient(clock)
    try:
        (patient.shortly if shortly else patient)(reading)
    except CloudError as raised:
        return count, clock.at - 1000.0, raised
    return count, clock.at - 1000.0, None


PASSING: dict[str, Callable[[], CloudError]] = {
    "no answer": lambda: Unanswered("DescribeDisks"),
    "not sent": lambda: NotSent("DescribeDisks", "no connection could be made"),
    "a 500": lambda: Refused("InternalError", 500, "", "r"),
    "a 503": lambda: Refused("ServiceUnavailable", 503, "", "r"),
}


@pytest.mark.parametrize("kind", ["no answer", "not sent"])
def test_a_read_that_gets_no_answer_is_sent_three_times(kind: str) -> None:
    """A look that gets no answer is asked three times in seconds, and told by what it failed."""
    count, took, error = asked(PASSING[kind])

    assert count == 3
    assert 1.5 <= took <= 2.5
    assert type(error) is type(PASSING[kind]())


@pytest.mark.parametrize("code", ["InternalError", "SystemBusy", "TaskConflict", "OperationConflict"])
def test_a_read_that_is_answered_with_what_passes_is_asked_for_a_while(code: str) -> None:
    """A code that passes is waited out for twenty seconds, with fewer questions a second as it lasts."""
    assert asked(lambda: Refused(code, 500, "", "r"), fails=4)[2] is None

    count, took, error = asked(lambda: Refused(code, 500, "", "r"))

    assert isinstance(error, Refused)
    assert 20.0 < took < 30.0
    assert count < 10


@pytest.mark.parametrize("fails", [1, 2])
@pytest.mark.parametrize("kind", PASSING)
def test_a_read_that_recovers_is_answered(kind: str, fails: int) -> None:
    """A look that fails once or twice gives its answer in the end."""
    assert asked(PASSING[kind], fails)[0::2] == (fails + 1, None)


def test_each_time_that_a_read_is_repeated_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the look and the time that is waited, so that a program that seems to hang is seen to wait."""
    caplog.set_level(logging.INFO, "safe_reinit.retry")
    _, took, _ = asked(PASSING["no answer"], fails=2)
    result = [re.fullmatch(r"DescribeDisks is repeated in (\d+\.\d) s", each) for each in caplog.messages]

    assert len(result) == 2
    assert sum(float(each[1]) for each in result if each) == pytest.approx(took, abs=0.11)


@pytest.mark.parametrize("status", [400, 403, 429, 503])
@pytest.mark.parametrize("code", ["Throttling", "Throttling.User"])
def test_a_throttled_read_waits_into_the_next_minute(code: str, status: int) -> None:
    """Who is throttled is refused until the next minute, so a throttled look has more than a minute's patience."""
    assert asked(lambda: Refused(code, status, "", "r"), fails=6)[2] is None

    count, took, error = asked(lambda: Refused(code, status, "", "r"))

    assert isinstance(error, Refused)
    assert 60.0 < took < 140.0
    assert count < 10, "the waits of a throttled look are longer than those of another"


@pytest.mark.parametrize(("after", "count"), [(90.0, 3), (90.5, 2)])
def test_throttled_reads_are_not_repeated_for_ever(after: float, count: int) -> None:
    """Ninety seconds are patience still; the first answer after them ends it."""
    clock = TinyClock()
    times = iter((1000.0, 1000.0 + after, 5000.0, 9000.0))
    asked_at = []

    def reading() -> None:
        clock.at = next(times)
        asked_at.append(clock.at)
        raise Refused("Throttling", 400, "", "r")

    with pytest.raises(Refused):
        Patient(clock)(reading)

    assert len(asked_at) == count


@pytest.mark.parametrize("code", ["Forbidden.RAM", "InvalidDiskId.NotFound", "InvalidSecurityToken.Expired", "X"])
def test_a_read_that_is_refused_is_not_asked_again(code: str) -> None:
    """A refusal that does not pass is told at once."""
    assert asked(lambda: Refused(code, 403, "", "r"))[0] == 1


def test_a_read_without_credentials_is_not_asked_again() -> None:
    """Having nothing to sign with does not change by waiting."""
    assert asked(lambda: NoCredentials("DescribeDisks", "there are none"))[0] == 1


@pytest.mark.parametrize(
    ("code", "fails", "answered"),
    [("SystemBusy", 1, True), ("SystemBusy", 10**6, False), ("Throttling", 10**6, False), ("Forbidden.RAM", 1, False)],
)
def test_a_read_that_a_plan_can_do_without_is_repeated_for_a_moment(code: str, fails: int, answered: bool) -> None:
    """What passes is waited out for some seconds, also where it is throttled, and any other refusal is told at once."""
    count, took, error = asked(lambda: Refused(code, 403, "", "r"), fails, shortly=True)

    assert (error is None) == answered
    assert (count > 1) == error_codes.passes("", code, 403)
    assert took < 30.0


@pytest.mark.parametrize("kind", ["no answer", "not sent"])
def test_a_read_that_a_plan_can_do_without_is_not_asked_again_where_nobody_answers(kind: str) -> None:
    """Its endpoint may be out of reach from here, so no time is spent on it."""
    assert asked(PASSING[kind], shortly=True)[:2] == (1, 0.0)


def test_an_error_that_is_none_of_the_cloud_comes_through() -> None:
    """A bug in a look is not retried, and not hidden."""
    count = 0

    def reading() -> None:
        nonlocal count
        count += 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Patient(TinyClock())(reading)

    assert count == 1


@pytest.mark.parametrize(("act", "passes"), [("ReInitDisk", True), ("DescribeDisks", False)])
def test_whether_a_refusal_passes_goes_by_its_call(act: str, passes: bool) -> None:
    """A code that passes as the answer to one call need not pass as that to another."""
    assert may_pass(Refused("IncorrectDiskStatus", 403, "Busy.", "R", action=act)) == passes
