"""Stores the states of a run: they are written before anything that depends on them is done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

from ..core.inputs import AcceptedBefore, Commit, Committed, Heard, Input, JournalAway, JournalLost, LeaseLapsed, NoRoom
from ..errors import UsageError
from ..journal import BRIEF_LOCK_WAIT, NO_SPOOL, JournalError, JournalLostError, Lease, NoRoomError, Spool
from ..model import Command, Failure, JobState


class StateStore:
    """The states of one run in the journal, for the session that holds its lease.

    Args:
        lease: the right to write them.
        spool: keeps what is missing from the journal, once the core no longer waits for it.
        say: tells people where that is kept.
        rate: the cloud seconds in a real second.
        name: the name by which people know the run, if the lease is that of a shard.

    """

    def __init__(
        self,
        lease: Lease,
        spool: Spool = NO_SPOOL,
        notify: Callable[[str], None] = lambda _: None,
        rate: float = 1.0,
        name: str = "",
    ) -> None:
        self._lease = lease
        self._name = name or lease.run_id
        self._rate = rate
        self._spool = spool
        self._notify = notify
        self._lapses = lease.lapses
        self._away = False
        """Whether the last attempt to write the journal failed."""
        self._behind: dict[int, JobState] = {}
        """By position, the states that are not in the journal yet, once the core no longer waits for it."""
        self._written: dict[int, JobState] = {}
        """By position, the states that this session has written: a journal that is restored lacks them."""
        self._reported = False

    def commit(self, commit: Commit) -> Input:
        """Write states, by the positions of their jobs, in one transaction.

        With ``spool`` nobody waits for the journal any more: each commit tries to write everything that it lacks, and
        counts as done, because what brings machines back must continue.

        Raises:
            LeaseLostError: another session holds the run; nothing was written.
        """
        if commit.spool:
            self._behind.update(commit.states)
        states = self._behind.items() if commit.spool else commit.states
        room = None if commit.room is None else replace(commit.room, within=commit.room.within / self._rate)
        measurements = [
            replace(each, closed_for=each.closed_for / self._rate, took=each.took / self._rate)
            for each in commit.measurements
        ]
        try:
            self._lease.save(
                *states, wait=0.0 if commit.spool else BRIEF_LOCK_WAIT, room=room, measurements=measurements
            )
        except NoRoomError as error:
            return NoRoom(error.in_use.at_rate(self._rate))
        except JournalError as error:
            failed = self._failed(error)
            if not commit.spool:
                return failed
            self.keep()
        else:
            self._away = False
            self._written.update(states)
            if self._behind:
                self._spool.forget(self._lease.run_id)
            self._behind.clear()
        return Committed()

    def read_in_use(self) -> Heard | None:
        """Read what other runs of the account and region are using; ``None`` if that cannot be read now."""
        with contextlib.suppress(UsageError):
            return Heard(self._lease.in_use().at_rate(self._rate))
        return None

    def keep(self) -> None:
        """Keep on this host everything that the journal lacks, if nobody waits for it any more."""
        if not self._behind:
            return
        kept = self._spool.keep(self._lease, self._behind, self._name)
        if kept and not self._reported:
            self._reported = True
            self._notify(kept)

    def hold(self) -> list[Input]:
        """Check that this session still holds the run, and return what the core must know about its lease and journal.

        Raises:
            LeaseLostError: another session holds it.
        """
        inputs: list[Input] = []
        try:
            self._lease.check()
        except JournalError as error:
            inputs.append(self._failed(error))
        with contextlib.suppress(UsageError):
            inputs += (
                AcceptedBefore(each.position, Command(each.action, each.subject)) for each in self._lease.late_answers()
            )
        if self._lease.lapses != self._lapses:
            self._lapses = self._lease.lapses
            inputs.append(LeaseLapsed())
        return inputs

    def may_send(self, *, brings_back: bool) -> bool:
        """Return whether a call may be sent now, based on what was observed before.

        A lease that ran out is renewed first, and then nothing is sent that is based on an earlier observation. While
        the journal is unavailable, only what brings machines back is sent: no machine may stay down because nothing can
        be written.

        Raises:
            LeaseLostError: another session holds the run.
        """
        try:
            held = self._lease.check()
        except JournalError:
            return brings_back
        return held and (brings_back or not self._away)

    def _failed(self, error: JournalError) -> JournalAway | JournalLost:
        self._away = True
        if isinstance(error, JournalLostError):
            self._behind = self._written | self._behind
            self.keep()
            hint = (
                "Before you start a new run, find out what happened to the journal, and check the machines in "
                "the ECS console."
            )
            return JournalLost(Failure(None, str(error), hint=hint))
        by_person = self._name == self._lease.run_id
        on = "resume this run" if by_person else "a worker continues this run automatically"
        hint = f"Once it can be written again, {on}. Disks that are not wiped then need a new plan."
        return JournalAway(Failure(None, str(error), hint=hint))
