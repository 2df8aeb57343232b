"""The queue of rechecks: which is made now, and which waits for calls that are being made."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from safe_reinit.core.jobs import Due
from safe_reinit.core.rechecks import RecheckQueue
from safe_reinit.model import Command, Observation
from tests import values

T = 1000.0


def queue_of(command: Command) -> RecheckQueue:
    """Return a queue with the recheck of one call."""
    queue, job = RecheckQueue(), SimpleNamespace(position=3, state=None)
    known: Any = job
    queue.add(7, [Due(known, command, Observation(T, values.NOW, answered=True))])
    return queue


@pytest.mark.parametrize("action", ["ReInitDisk", "ResetDisk", "CreateSnapshot"])
def test_a_call_for_one_machine_waits_a_moment_for_those_that_are_being_made(action: Any) -> None:
    """What it stands on is to be fresh when it is made; it waits a second and no longer."""
    queue = queue_of(Command(action, "d-3"))

    assert queue.next(9, T, calling=True) is None
    assert queue.next(9, T + 0.9, calling=True) is None
    assert queue.wake_at == T + 1.0
    found = queue.next(9, T + 1.0, calling=True)
    assert found is not None
    assert (found.number, [each.position for each in found.commands]) == (7, [3])
    assert queue.wake_at is None


@pytest.mark.parametrize(("action", "calling"), [("ReInitDisk", False), ("StopInstance", True)])
def test_nothing_waits_where_nobody_calls_or_one_call_serves_many(action: Any, *, calling: bool) -> None:
    """Its recheck is made at once."""
    assert queue_of(Command(action, "x-3")).next(9, T, calling=calling) is not None


def test_nothing_is_woken_up_for_while_nothing_would_be_acted_on() -> None:
    """A call that waited a moment when the journal went away waits for the journal, and not for that moment."""
    queue = queue_of(Command("ReInitDisk", "d-3"))
    queue.next(9, T, calling=True)

    assert queue.next(9, T + 10.0, calling=True, may=False) is None
    assert queue.wake_at is None
    assert queue.next(9, T + 20.0, calling=True) is None
    assert queue.wake_at == T + 21.0
