"""Where the records of a run live: a change is written down before what follows from it is done.

Several changes are one transaction, so that the intentions of a batch cost one wait for the disk, and so do the answers
that come while another is being written.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from . import record
from .journal import JournalError, Lease
from .model import Failure, PlannedJob, Record

Change = Callable[[Record], Record]


@dataclass
class Entry:
    """One job of a run, and its record as it stands."""

    position: int
    job: PlannedJob
    record: Record
    alone: bool = False
    """A batch that it was in went wrong as a whole: until a call of its own is accepted, it is asked by itself."""


Changes = Sequence[tuple[Entry, Change]]


@dataclass(eq=False)
class _Waiting:
    """Changes that one thread wants kept; whichever thread writes next, writes them."""

    changes: Changes
    kept: bool = False
    failed: BaseException | None = None


class Keeper(Protocol):
    """Who keeps the records while calls are made; ``Ledger`` does so in the journal."""

    stop: threading.Event

    def keep(self, changes: Changes) -> None:
        """Change records; see ``Ledger.keep``."""

    def commit(self, changes: Changes) -> None:
        """Change records before what follows from it is sent; see ``Ledger.commit``."""

    def check(self, *, brings_back: bool) -> bool:
        """Tell whether a call may be sent; see ``Ledger.check``."""


@dataclass
class Ledger:
    """The records of one run, in the hands of the process that holds its lease. Safe to use from several threads.

    Attributes:
        lease: the right to write, and to call.
        stop: set by whoever wants the run to end.
        say: is told once, for people, that the journal can no longer be written.

    """

    lease: Lease
    stop: threading.Event
    say: Callable[[Failure], None] = lambda _: None
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _waiting: deque[_Waiting] = field(default_factory=deque)
    _unwritten: Failure | None = None
    """Why the journal could not be written: no job sends a wipe from here on, but the machines still come back."""
    _behind: dict[int, Record] = field(default_factory=dict)
    """By position the records that the journal does not have yet as they stand."""

    def keep(self, changes: Changes) -> None:
        """Change records; they are written down if that is possible.

        Raises:
            LeaseLostError: another process holds the run; no change is made.
        """
        own = _Waiting(changes)
        self._waiting.append(own)
        with self._lock:
            if not own.kept:
                self._keep_those_that_wait()
        if own.failed is not None:
            raise own.failed

    def _keep_those_that_wait(self) -> None:
        those = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            changed = self._changed(those)
            try:
                self._write(changed)
            except JournalError as error:
                self._lose(error)
                changed = self._changed(those)
                self._write(changed)
            _set(changed)
        except Exception as error:  # noqa: BLE001 - the lease is lost, or what nobody foresaw: none of them is kept
            for each in those:
                each.failed = error
        for each in those:
            each.kept = True

    def _changed(self, those: Sequence[_Waiting]) -> list[tuple[Entry, Record]]:
        """Make their changes one after the other; one that fails is the failure of the thread that wants it."""
        changed: dict[int, tuple[Entry, Record]] = {}
        for each in those:
            each.failed, mine = None, dict[int, tuple[Entry, Record]]()
            try:
                for entry, change in each.changes:
                    _, before = mine.get(entry.position) or changed.get(entry.position) or (entry, None)
                    mine[entry.position] = (entry, change(before or self._as_it_stands(entry)))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where it belongs
                each.failed = error
            else:
                changed |= mine
        return list(changed.values())

    def commit(self, changes: Changes) -> None:
        """Change records as ``keep`` does, but only if they are written down: what follows is sent because of them.

        Whoever asks the run to end before this is written, is heard before the call.

        Raises:
            JournalError: it could not be written, for the first time; no change is made, and the jobs turn back.
            LeaseLostError: another process holds the run; no change is made.
        """
        with self._lock:
            stopping = self.stop.is_set()
            before = [(entry, self._as_it_stands(entry), change) for entry, change in changes]
            changed = [
                (entry, change(record.interrupt(known) if stopping else known)) for entry, known, change in before
            ]
            try:
                self._write(changed)
            except JournalError as error:
                self._lose(error)
                turned_back = [(entry, self._as_it_stands(entry)) for entry, _ in changes]
                self._write(turned_back)
                _set(turned_back)
                raise
            _set(changed)

    def check(self, *, brings_back: bool) -> bool:
        """Tell whether a call may be sent now on what was observed before.

        A lease that has run out is renewed first, and then nothing is sent on an observation from before. Where the
        journal is away, only what brings machines back is sent: nobody may stay down because nothing can be written.

        Args:
            brings_back: it is a call that brings a machine back.

        Raises:
            LeaseLostError: another process holds the run.
        """
        try:
            held = self.lease.check()
        except JournalError as error:
            with self._lock:
                self._lose(error)
            return brings_back
        return held and (brings_back or self._unwritten is None)

    def _lose(self, error: JournalError) -> None:
        """Note, for good, that the journal cannot be written."""
        if self._unwritten is None:
            self._unwritten = _unwritable(error)
            self.say(self._unwritten)

    def _as_it_stands(self, entry: Entry) -> Record:
        """Give the record of a job, turned back where nothing can be written down any more: so is every other."""
        return entry.record if self._unwritten is None else record.fail(entry.record, self._unwritten)

    def _write(self, changed: Sequence[tuple[Entry, Record]]) -> None:
        """Write changed records down; once that has failed it is tried again each time, and nobody waits for it."""
        new = {entry.position: after for entry, after in changed if after != entry.record}
        if self._unwritten is None:
            if new:
                self.lease.save(*new.items())
            return
        self._behind |= new
        with contextlib.suppress(JournalError):
            self.lease.save(*self._behind.items(), wait=False)
            self._behind.clear()


def _unwritable(error: JournalError) -> Failure:
    hint = "This run stops and wipes nothing more, and may not be recorded from here on. Repair the journal first."
    return Failure(None, str(error), hint=hint)


def _set(changed: Sequence[tuple[Entry, Record]]) -> None:
    for entry, after in changed:
        entry.record = after
