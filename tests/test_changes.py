"""Changes of a record as values: each is judged on the record as it stands when it is made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from safe_reinit.changes import Accept, Fail, Foresee, Intend, Interrupt, Learn, Lose, Refuse, Stuck, Withdraw

from safe_reinit import record
from safe_reinit.model import Command, Failure, JobState
from tests import values
from tests.cloudlike import DATA
from tests.test_decide import ready, seeing

WIPE = Command("ReInitDisk", DATA)
FAILURE = Failure("X", "It was refused.")
AT = 1001.0
DUE = 1009.0
REFUSE = Refuse(WIPE, FAILURE, AT, values.NOW, DUE)


def asked() -> JobState:
    """Give the record of a job whose wipe is on its way."""
    return record.intend(ready(), WIPE, seeing())


def test_each_change_is_the_one_of_the_record_with_all_that_it_says() -> None:
    """A value changes a record as the function it stands for does, also when it was written down in between."""
    known, seen = asked(), seeing(at=1010.0)

    assert Learn(seen)(known) == record.learn(known, seen)
    assert Intend(WIPE, seeing())(ready()) == known != ready()
    assert Withdraw(WIPE, AT)(known) == record.withdraw(known, WIPE, AT)
    assert Stuck(AT)(known) == record.stuck(known, AT)
    assert Accept(WIPE, AT)(known) == record.accepted(known, WIPE, AT)
    assert REFUSE(known) == record.refused(known, WIPE, FAILURE, AT, values.NOW, DUE)
    assert Foresee(REFUSE, seeing())(ready()) == record.refused(ready(), WIPE, FAILURE, AT, values.NOW, DUE)
    assert Lose(WIPE, AT, DUE)(known) == record.lost(known, WIPE, AT, DUE)
    assert Fail(FAILURE)(known) == record.fail(known, FAILURE)
    assert Interrupt()(known) == record.interrupt(known)


@pytest.mark.parametrize(
    "change", [Intend(WIPE, seeing()), Foresee(REFUSE, seeing())], ids=lambda each: type(each).__name__
)
@pytest.mark.parametrize("meanwhile", [{"interrupted": True}, {"error": FAILURE}], ids=str)
def test_what_is_not_the_call_to_make_any_more_changes_nothing(change: Any, meanwhile: dict[str, Any]) -> None:
    """A job that turned back after its look neither intends the wipe nor takes it for refused."""
    before = replace(ready(), **meanwhile)

    assert change(before) == before


@pytest.mark.parametrize("change", [Withdraw(WIPE, AT), Lose(WIPE, AT, DUE)], ids=lambda each: type(each).__name__)
def test_of_a_call_that_was_never_intended_nothing_is_taken_back_or_lost(change: Any) -> None:
    """Where no intention stands nothing was sent, so there is neither a doubt nor a try to take back."""
    assert change(ready()) == ready()
