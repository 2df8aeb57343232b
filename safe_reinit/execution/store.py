"""Where the states of a run live: they are written down before what follows from them is done."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ..core.inputs import AcceptedBefore, Committed, Input, JournalFailed, LeaseLapsed
from ..errors import UsageError
from ..journal import JournalError, Lease
from ..model import Command, Failure, JobState


class StateStore:
    """The states of one run in the journal, for the session that holds its lease.

    Once the journal could not be written, nobody waits for it any more: each commit tries to write everything that it
    lacks, and counts as done, since what brings machines back must go on.
    """

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._lapses = lease.lapses
        self._unwritten = False
        self._behind: dict[int, JobState] = {}
        """By position the states that the journal does not have yet."""

    def commit(self, states: Sequence[tuple[int, JobState]]) -> Input:
        """Write states down, by the positions of their jobs, in one transaction.

        Raises:
            LeaseLostError: another session holds the run; nothing was written.
        """
        if self._unwritten:
            self._behind.update(states)
            with contextlib.suppress(JournalError):
                self._lease.save(*self._behind.items(), wait=False)
                self._behind.clear()
            return Committed()
        try:
            self._lease.save(*states)
        except JournalError as error:
            return self._lost(error)
        return Committed()

    def hold(self) -> list[Input]:
        """Check that this session still holds the run, and return what the core must know of its lease and journal.

        Raises:
            LeaseLostError: another session holds it.
        """
        inputs: list[Input] = []
        try:
            self._lease.check()
        except JournalError as error:
            if not self._unwritten:
                inputs.append(self._lost(error))
        with contextlib.suppress(UsageError):
            inputs += (
                AcceptedBefore(each.position, Command(each.action, each.subject)) for each in self._lease.late_answers()
            )
        if self._lease.lapses != self._lapses:
            self._lapses = self._lease.lapses
            inputs.append(LeaseLapsed())
        return inputs

    def may_send(self, *, brings_back: bool) -> bool:
        """Return whether a call may be sent now on what was observed before.

        A lease that has run out is renewed first, and then nothing is sent on an observation from before. Where the
        journal is away, only what brings machines back is sent: nobody may stay down because nothing can be written.

        Raises:
            LeaseLostError: another session holds the run.
        """
        try:
            held = self._lease.check()
        except JournalError:
            return brings_back
        return held and (brings_back or not self._unwritten)

    def _lost(self, error: JournalError) -> JournalFailed:
        self._unwritten = True
        hint = "This run stops and wipes nothing more, and may not be recorded from here on. Repair the journal first."
        return JournalFailed(Failure(None, str(error), hint=hint))
