"""The guards of the program, each with the patch that turns it off: never a switch in the program itself."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
from safe_reinit.changes import AfterPause
from safe_reinit.record import is_settled, is_watched, lag_of, resumed, seen

from safe_reinit import act, clock, execution, second_look
from safe_reinit.cli.writer import Writer
from safe_reinit.clock import Clock, boottime
from safe_reinit.journal import Journal, Lease, LeaseLostError
from safe_reinit.model import JobState, Observation

Patch = Callable[[pytest.MonkeyPatch], None]


def _everywhere(patch: pytest.MonkeyPatch, original: object, replacement: object) -> None:
    """Replace something wherever a module of the program has it under a name of its own."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "safe_reinit":
            for attribute, value in list(vars(module).items()):
                if value is original:
                    patch.setattr(module, attribute, replacement)


def _start_minute(patch: pytest.MonkeyPatch) -> None:
    """Stop and wipe also in the minute of the last start, in which another start does not show."""
    _everywhere(patch, is_settled, lambda _seen: True)


def _writer_queue(patch: pytest.MonkeyPatch) -> None:
    """Write events where they arise, so that whoever stops reading stops the run."""
    patch.setattr(Writer, "put", lambda _self, work: work())


def _doubt_before_verdict(patch: pytest.MonkeyPatch) -> None:
    """Take a verdict where nothing is in doubt, and go on with the run all the same."""
    patch.setattr(execution, "_refuse_verdict", lambda *_: None)
    _everywhere(patch, resumed.judge, lambda record, _verdict: record)


def _own_lease(patch: pytest.MonkeyPatch) -> None:
    """Judge the own lease by the clock: one that has run out is lost, whoever has the run."""

    def check(self: Lease) -> bool:
        self._journal.refuse_replaced()
        if self._lost or boottime() >= self._until:
            raise LeaseLostError(self.run_id)
        return True

    patch.setattr(Lease, "check", check)


def _slow_answers(patch: pytest.MonkeyPatch) -> None:
    """Hold every observation to 3 s from its question, also before what brings a machine back."""

    def is_stale(clock: Clock, seen: Observation, _known: JobState | None = None) -> bool:
        return clock.time() - seen.at > 3.0

    is_wanted = act.Act._is_wanted

    def is_fresh(self: act.Act, attempt: act.Attempt, together: int) -> bool:
        return is_wanted(self, attempt, together) and not is_stale(self.clock, attempt.seen)

    _everywhere(patch, second_look.is_stale, is_stale)
    patch.setattr(act.Act, "_is_wanted", is_fresh)


def _journal_there(patch: pytest.MonkeyPatch) -> None:
    """Write to the journal that was opened, whether or not anybody will find it by its name."""
    patch.setattr(Journal, "refuse_replaced", lambda _self: None)


def _lag(patch: pytest.MonkeyPatch) -> None:
    """Take what ECS shows for what is so now, however late our own stop was shown."""
    _everywhere(patch, lag_of, lambda _known: 0.0)


def _age_of_looks(patch: pytest.MonkeyPatch) -> None:
    """Call on what was seen, however long ago that was."""
    _everywhere(patch, second_look.is_stale, lambda *_: False)
    _age_at_the_first_byte(patch)


def _age_at_the_first_byte(patch: pytest.MonkeyPatch) -> None:
    """Let a wipe leave however long after the last check of what it stands on."""
    _everywhere(patch, second_look.serves_until, lambda *_: math.inf)


def _lease_at_the_first_byte(patch: pytest.MonkeyPatch) -> None:
    """Let a call leave without asking once more whether the run is still this session's."""
    patch.setattr(execution, "_may_send", lambda _lease, _action: "")


def _after_pause(patch: pytest.MonkeyPatch) -> None:
    """Count the time of a pause into the limits of what was under way."""
    patch.setattr(AfterPause, "__call__", lambda _self, before: before)


def _suspension(patch: pytest.MonkeyPatch) -> None:
    """Count time by a clock that stops while the host sleeps."""

    def awake() -> float:
        return clock.time.monotonic()  # by name, since a simulation puts another module there

    _everywhere(patch, boottime, awake)


def _unwatched(patch: pytest.MonkeyPatch) -> None:
    """Wipe a machine that shows no StartTime also after a time in which nobody looked at it."""
    _everywhere(patch, seen._learn_unwatched, lambda record, _seen: record)


def _gap_in_the_looks(patch: pytest.MonkeyPatch) -> None:
    """Send a wipe again whose answer was lost, also after a time in which nobody looked at the machine."""
    _everywhere(patch, is_watched, lambda _wipe, _record: True)


GUARDS: Mapping[str, Patch] = {
    "lag": _lag,
    "start-minute": _start_minute,
    "writer-queue": _writer_queue,
    "doubt-before-verdict": _doubt_before_verdict,
    "own-lease": _own_lease,
    "slow-answers": _slow_answers,
    "journal-there": _journal_there,
    "age-of-looks": _age_of_looks,
    "age-at-the-first-byte": _age_at_the_first_byte,
    "lease-at-the-first-byte": _lease_at_the_first_byte,
    "after-pause": _after_pause,
    "suspension": _suspension,
    "unwatched": _unwatched,
    "gap-in-the-looks": _gap_in_the_looks,
}
"""By name, how to turn a guard off."""


@contextmanager
def turned_off(name: str) -> Iterator[None]:
    """Turn a guard off while the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        GUARDS[name](patch)
        yield
