"""Follows, in the journal, a run that other processes carry out, and shows what a local run would show."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .. import report
from ..clock import boottime
from ..error_mapping import error_of, with_report
from ..errors import Error, OutcomeUnknown, RunRefused, UsageError
from ..journal import EndedError, JournalError, JournalLostError, StoredRun
from ..model import Call, Report, Rollout
from ..model.codec import decode
from ..model.events import make_event
from ..plans import shards
from .records import parse_time
from .session import Session
from .shards import finish, report_of

_READ_INTERVAL = 1.0
"""Real seconds between two reads of the journal."""
_CHECK_INTERVAL = 10.0
"""Real seconds between two status requests to the carrier."""
_LATE_EVENTS = 200
"""This many of the last events are read again: of two events written together, the later may become visible first."""
_PAUSES = ("canary", "wave")


@dataclass(frozen=True)
class Carried:
    """The state of the carrier of a run. The state of the run itself is in the journal."""

    status: Literal["open", "ended", "cancelled", "failed", "terminated", "missing"]
    text: str = ""
    """A sentence for people, if there is something to do or to know."""
    hint: str = ""

    @property
    def lost(self) -> bool:
        """Whether nothing makes anybody carry out the run any more, though it may not have ended."""
        return self.status in ("failed", "terminated", "missing")


class Carrier(Protocol):
    """Makes other processes carry out the shards of one run.

    Each method raises ``UsageError`` if the settings of the carrier cannot be used, and ``RunRefused`` if it does not
    answer or refuses the connection.
    """

    @property
    def text(self) -> str:
        """Its name for people."""

    def submit(self) -> bool:
        """Have the run carried out, and return whether somebody is there to do it; a run in progress stays as it is."""

    def wake(self) -> None:
        """Have it read the journal, which has an answer or a cancel that it waits for."""

    def describe(self) -> Carried:
        """Describe how far the run is and what is wrong, if anything."""


class Following:
    """Follows one run to its end.

    If the caller ends this, the run is asked to end cleanly. If the process is killed, the run is left to those who
    carry it out.

    Args:
        session: the session of this process; it does not hold the lease of the run.
        run: the run.
        carrier: what has the run carried out.
        joins: whether another process began the run; if so, past events are reported first.

    Attributes:
        stop: set by somebody who wants the run to end cleanly.
        leave: set by somebody who no longer waits; the run continues.
        wake: set to end the wait for the next read.

    """

    def __init__(self, session: Session, run: StoredRun, carrier: Carrier, *, joins: bool) -> None:
        self.stop, self.leave, self.wake = threading.Event(), threading.Event(), threading.Event()
        self._session = session
        self._carrier = carrier
        self._run_id = run.run_id
        self._rollout = decode(Rollout, run.plan["rollout"])
        self._reported = set[int]()
        if not joins:  # whoever planned the run was already told of the calls for that
            self._reported = {number for number, _ in session.journal.events_after(run.run_id, 0)}
        self._checked_at = boottime()
        self._last_notice = ""
        self._cancelled = False
        self._asked_by = ""
        """What the run was asked to end by."""
        self._wakes = self._rollout.pause in _PAUSES
        """Whether the carrier may not know of an answer in the journal, possibly one from before this process followed
        it.
        """
        self._lost: RunRefused | None = None
        """Why the run is no longer followed although it has not ended, if that is so."""

    def __call__(self) -> Report:
        """Have the run carried out, follow it to its end, and return its report.

        Raises:
            RunRefused: nobody could be made to carry it out; the run is in the journal, and can be resumed.
            Error: it has not ended; ``error.report`` is its present state, and the class is that of a run that ended
                so.
            OutcomeUnknown: another journal has taken the place of its journal, so this process can no longer see how it
                continues.
        """
        with self._session.interrupt.ending(self, self.report, self._record_who_asked, elsewhere=True):
            self._begin()
            self._follow()
        result, unended = self._report()
        if unended is None:
            return result
        error = error_of(result)
        error.hint = unended.hint  # whoever carries out the run finds out what is not known yet
        raise error

    def _record_who_asked(self, by: str) -> None:
        self._asked_by = by

    def _begin(self) -> None:
        try:
            someone = self._carrier.submit()
        except Error as error:
            hint = f"{error.hint} Run {self._run_id} is recorded, but no part of it has started: "
            self._lost = RunRefused(str(error), hint=f"{hint}safe-reinit resume {self._run_id}.")
            raise with_report(self._lost, self.report()) from None
        interrupt = self._session.interrupt
        interrupt.note(f"Run {self._run_id} is carried out by {self._carrier.text}. {interrupt.parting}".rstrip())
        if not someone:
            self._check()

    def _follow(self) -> None:
        while not self.leave.is_set() and self._lost is None:
            try:
                self._session.journal.refuse_replaced()
                if self._has_ended():
                    return
            except JournalLostError as error:
                on = f"Workers continue with the current journal: safe-reinit show {self._run_id}."
                raise OutcomeUnknown(f"{error} This command stops following run {self._run_id}.", hint=on) from None
            except (UsageError, JournalError) as error:  # workers wait for it, and bring machines back without it
                self._notify(f"{error} This command follows the run again once the journal can be read.")
            self.wake.wait(_READ_INTERVAL)
            self.wake.clear()

    def _has_ended(self) -> bool:
        """Report what is new, ask and pass on what is needed, and return whether the run has ended."""
        run = self._run()
        ended = run.ended_at is not None  # read before the events: none comes after that
        self._report_events()
        if ended:
            return True
        if self.stop.is_set():
            self._cancel()
        elif (holder := run.holder) is not None and holder.cancelled:
            self._hear_cancel()
        else:
            self._ask_whether_to_go_on()
        if boottime() - self._checked_at >= _CHECK_INTERVAL:
            self._check()
        return False

    def report(self) -> Report:
        """Return the report of the run; if it has not ended, of its present state."""
        return self._report()[0]

    def _report(self) -> tuple[Report, RunRefused | None]:
        """Return the report of the run, and why it is no longer followed if it has not ended."""
        run = self._session.stored(self._run_id)
        if run.report is not None and run.ended_at is not None:
            return decode(Report, run.report), None
        on = (
            f"See how it ends: safe-reinit show {self._run_id}; to follow it again: safe-reinit resume {self._run_id}; "
            f"to stop it safely: safe-reinit cancel {self._run_id}."
        )
        unended = self._lost or RunRefused(f"Run {self._run_id} continues.", hint=on)
        return report.of_bug(report_of(self._session, run), unended), unended

    def _check(self) -> None:
        """Report, once, what keeps the run from being carried out; record it if nobody will carry it out any more.

        If the last shard has ended but nobody finished the run, it is finished here, because its worker may be gone.
        """
        self._checked_at = boottime()
        finish(self._session, self._run_id)
        if self._run().ended_at is not None:
            return
        try:
            carried = self._carrier.describe()
            if carried.status in ("ended", "cancelled") and self._run().ended_at is None:  # since this run was resumed
                self._carrier.submit()
        except Error as error:  # the workers continue what they have
            self._notify(f"{error} The workers continue the run.")
            return
        if self._wakes:
            self._wake_carrier()
        self._notify(f"{carried.text} {carried.hint}".strip())
        holder = self._run().holder
        if carried.lost and not (holder and holder.alive):
            self._lost = RunRefused(carried.text, hint=carried.hint)

    def _notify(self, text: str) -> None:
        if text not in ("", self._last_notice):
            self._session.interrupt.notify(text)
        self._last_notice = text

    def _run(self) -> StoredRun:
        return self._session.stored(self._run_id, jobs=False)

    def _report_events(self) -> None:
        after = max(self._reported, default=0) - _LATE_EVENTS
        for number, event in self._session.journal.events_after(self._run_id, after):
            if number not in self._reported:
                self._reported.add(number)
                self._report_event(event)
        self._reported = {number for number in self._reported if number > after}

    def _report_event(self, event: Mapping[str, Any]) -> None:
        if event["event"] in ("read", "call"):
            self._session.on_call(decode(Call, event["data"]))
        else:
            members = {name: each for name, each in event.items() if name not in ("schema", "at")}
            self._session.on_event(make_event(at=parse_time(event["at"]), **members))

    def _cancel(self) -> None:
        if not self._cancelled:
            with contextlib.suppress(EndedError):
                self._session.journal.cancel(self._run_id, self._asked_by)
            self._cancelled = True
            self._wake_carrier()

    def _hear_cancel(self) -> None:
        """End a run that waits for an answer, because somebody cancelled it."""
        if not self._cancelled:
            self._cancelled = True
            self._wake_carrier()

    def _ask_whether_to_go_on(self) -> None:
        if self._rollout.pause not in _PAUSES:  # nobody is asked, so the states of all jobs need not be read
            return
        journal, now = self._session.journal, self._session.clock.now()
        stage = shards.next_stage(
            self._rollout, journal.shards(self._run_id), journal.confirmed_stage(self._run_id), now
        )
        if not stage.question:
            return
        goes_on = self._session.go_on(stage.question)
        if self.stop.is_set() or self.leave.is_set():  # this process no longer waits for an answer
            return
        if goes_on is None:
            self._lost = RunRefused(
                f"Run {self._run_id} waits for an answer, and nobody can answer here: {stage.question}",
                hint=f"Answer on a terminal: safe-reinit resume {self._run_id}; or stop the run safely: "
                f"safe-reinit cancel {self._run_id}.",
            )
            return
        self._wakes = True  # even if nobody learns that it was written
        journal.confirm_stage(self._run_id, stage.number if goes_on else -1)
        self._wake_carrier()

    def _wake_carrier(self) -> None:
        self._wakes = True
        with contextlib.suppress(Error):  # the next check reports what is wrong, and tries again
            self._carrier.wake()
            self._wakes = False
