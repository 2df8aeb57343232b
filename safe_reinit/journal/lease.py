"""Leases: the one process that holds a run, for as long as it renews."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from .. import logs
from ..clock import boottime, unix_time
from ..errors import UsageError
from ..model.codec import dumps
from .place import in_sight, now, process

if TYPE_CHECKING:
    from .file import Journal

LEASE = 30.0
"""Real seconds a lease holds unless it is renewed."""
RENEWAL = 10.0
"""Real seconds between two renewals."""


class LeaseLostError(Exception):
    """Another process holds the run now: this one writes nothing and calls nothing any more."""


class JournalError(Exception):
    """The journal could not be written; the text says why, in our words."""


@dataclass(frozen=True)
class Holder:
    """Who holds a run."""

    user: str
    host: str
    pid: int
    process: str
    """When and where the process began, as ``place.process`` tells it: a process id is used again."""
    until: float
    """Unix seconds."""
    since: str
    """When it took the run, RFC 3339 UTC."""
    epoch: int
    """How often the run has been taken: a holder of an earlier epoch writes nothing any more."""

    @property
    def gone(self) -> bool:
        """Whether it was a process of this host that is seen to be there no more."""
        here = self.host == socket.gethostname() and in_sight(self.process)
        return here and process(self.pid) != self.process

    @property
    def alive(self) -> bool:
        """Whether it may still act."""
        return not self.gone and self.until > unix_time()


class Lease:
    """The right to act for a run: renewed by a thread of its own, checked before every call and with every write."""

    def __init__(self, journal: Journal, run_id: str, epoch: int) -> None:
        self.run_id = run_id
        self.epoch = epoch
        self._journal = journal
        self._until = boottime() + LEASE
        self._lock = threading.Lock()
        self._told: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="safe-reinit-lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """See that this process may still call.

        Raises:
            LeaseLostError: the lease ran out while it was not renewed, was let go, or another process has it.
        """
        if boottime() >= self._until:
            raise LeaseLostError(self.run_id)

    def save(self, *records: tuple[int, object]) -> None:
        """Write down changed records, each with the position of its job, in one transaction; see ``Journal.write``."""
        statement = "UPDATE jobs SET record=? WHERE run_id=? AND position=?"
        self._write([(statement, (dumps(record, sparse=True), self.run_id, position)) for position, record in records])

    def tell(self, event: Mapping[str, Any]) -> None:
        """Keep an event; it is written with the next thing that is, since looks alone need no commit."""
        with self._lock:
            self._told.append(dumps(event))

    def end(self, report: Mapping[str, Any], still_open: Sequence[int] = ()) -> None:
        """Write down how the run ended, and let it go; the jobs at these positions stay open to be resumed."""
        self._write(self._ending(report, frozenset(still_open)))
        self.release()

    def _ending(self, report: Mapping[str, Any], still_open: frozenset[int]) -> Iterator[tuple[str, Sequence[object]]]:
        ended = (now(), report["outcome"], report["exit_code"], dumps({**report, "jobs": []}), self.run_id)
        yield "UPDATE runs SET ended_at=?, outcome=?, exit_code=?, report=? WHERE run_id=?", ended
        for position, job in enumerate(report["jobs"]):
            told = (dumps(job), position in still_open, self.run_id, position)
            yield "UPDATE jobs SET report=?, open=open AND ? WHERE run_id=? AND position=?", told

    def release(self) -> None:
        """Let the run go, so that it can be resumed at once: nothing is written or called by this lease any more."""
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(JournalError, LeaseLostError, UsageError):
            self._write([])
            self._journal.release(self)
        self._until = 0.0

    def _write(self, statements: Iterable[tuple[str, Sequence[object]]]) -> None:
        with self._lock:
            told = [("INSERT INTO events (run_id, event) VALUES (?,?)", (self.run_id, event)) for event in self._told]
            began = boottime()
            self._journal.write(self, chain(statements, told))
            self._told.clear()
            self._until = began + LEASE

    def _renew(self) -> None:
        while not self._ended.wait(RENEWAL):
            try:
                self._write([])
            except LeaseLostError:
                self._until = 0.0
                logs.lease(self.run_id, "another process holds the run now")
                return
            except JournalError as error:
                logs.lease(self.run_id, f"the lease could not be renewed: {error}")  # it holds until it runs out
