"""Leases: the one session that holds a run. The epoch and the session's id decide; clocks only say when to check."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

from .. import logs
from ..clock import boottime
from ..errors import RunRefused, UsageError
from ..model import ActionName, InUse, Measurement, Room
from ..model.codec import dumps
from .audit import AuditAction, appended
from .database import LOCK_WAIT
from .place import boot_id, is_dead, now, pid_namespace, user
from .sharing import noted, place_of

LEASE_DURATION = 30.0
"""Real seconds during which nobody else may take a run unless the lease is renewed, counted through suspension."""
RENEWAL_INTERVAL = 10.0
"""Real seconds between two renewals."""
CANCEL_POLL_INTERVAL = 1.0
"""Real seconds after which the holder notices that somebody asked it to end the run, or has taken it."""
BRIEF_LOCK_WAIT = 2.0
"""Real seconds that a run waits for another process that is writing before it tells people so."""
_SILENT = RENEWAL_INTERVAL + 2 * CANCEL_POLL_INTERVAL
"""Real seconds within which a working holder renews its lease; one that has not may be dead."""


class LeaseLostError(Exception):
    """Another session has taken the run: this one no longer writes or calls anything."""


class EndedError(RunRefused):
    """A run that should be ended has already ended."""


class JournalError(Exception):
    """The journal could not be written; the text says why, in our words."""


class JournalLostError(JournalError):
    """The journal is no longer the one that was opened: nobody would find what is written from now on."""


def length() -> float:
    """Return how many seconds a lease that is renewed now lasts."""
    return LEASE_DURATION


def ending(run_id: str, report: Mapping[str, Any]) -> tuple[str, Sequence[object]]:
    """Return the statement that records how a run ended, and its values; reported jobs are stored with the jobs."""
    text = dumps({**report, "jobs": [], "findings": []})
    statement = "UPDATE runs SET ended_at=?, outcome=?, exit_code=?, report=? WHERE run_id=?"
    return statement, (now(), report["outcome"], report["exit_code"], text, run_id)


@dataclass(frozen=True)
class LateAnswer:
    """ECS accepted a call from a session that had lost the run by the time the answer arrived."""

    position: int
    """The position of its job."""
    action: ActionName
    subject: str
    attempt: int
    number: int = 0
    """Assigned by the journal, in order of arrival."""


@dataclass(frozen=True)
class Holder:
    """Who holds a run."""

    user: str
    host: str
    pid: int
    boot: str
    """The boot of its machine; ``""`` in a journal that several hosts share."""
    pid_namespace: str
    until: float
    """Seconds by the clock of the journal (for a file, since that boot); 0 once it has released the run."""
    since: str
    """When it took the run, RFC 3339 UTC."""
    epoch: int
    """How often the run has been taken: a holder with an earlier epoch writes nothing more."""
    session: str
    """128 random bits: the same epoch with another id is another holder."""
    writes: int
    """How often it has written."""
    read_at: float = field(compare=False)
    """Seconds by the clock of the journal when this was read."""
    cancelled: str | None = None
    """Who asked it to end the run."""
    held: str | None = None
    """Who holds all runs, and why."""
    server: str = ""
    """The database server on which the run began; ``""`` in a file."""

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, process {self.pid}, since {self.since}"

    @property
    def unrecorded(self) -> str:
        """A holder that never released the run, and may have kept on another host what the journal lacks."""
        here = (self.user, self.host) == (user(), socket.gethostname())
        return "" if self.released or here else str(self)

    @property
    def released(self) -> bool:
        """Whether it has released the run."""
        return self.until <= 0

    @property
    def gone(self) -> bool:
        """Whether it was a process of this boot and this PID namespace that the kernel says no longer exists."""
        same_boot = self.host == socket.gethostname() and self.boot == boot_id() != ""
        return same_boot and self.pid_namespace == pid_namespace() != "" and is_dead(self.pid)

    @property
    def expired(self) -> bool:
        """Whether its lease has expired or was released: no lease outlives its boot, or lasts longer than it may."""
        here = boot_id()
        if self.boot and here and self.boot != here:
            return True
        return not self.read_at < self.until <= self.read_at + LEASE_DURATION

    @property
    def alive(self) -> bool:
        """Whether nobody else may take the run yet."""
        return not self.gone and not self.expired

    @property
    def silent_for(self) -> float:
        """Seconds since its last write, if its lease has not expired."""
        return max(0.0, self.read_at - (self.until - LEASE_DURATION))

    @property
    def silent(self) -> bool:
        """Whether it may be dead: it should have renewed its lease, but has not."""
        return self.silent_for > _SILENT


class Leases(Protocol):
    """Where leases are kept, as a lease uses it: see ``Journal`` and ``Reader``."""

    def refuse_replaced(self) -> None:
        """Check that the journal is still the one that was opened."""

    def holder(self, run_id: str) -> Holder | None:
        """Return who holds a run, or held it last."""

    def late_answers(self, run_id: str, after: int = 0) -> list[LateAnswer]:
        """Return the accepted calls of sessions that had already lost the run."""

    def in_use(self, run_id: str) -> InUse:
        """Return what the other runs of the account and region are using."""

    def write(
        self, lease: Lease, statements: Iterable[tuple[str, Sequence[object]]], *, wait: float, room: Room | None
    ) -> Holder:
        """Write as the holder of a run, and renew its lease."""

    def release(self, lease: Lease) -> None:
        """Release a run."""


class Lease:
    """The right to act for a run: renewed by its own thread, checked before every call and with every write.

    Args:
        at: when it was about to be recorded (``boottime``): a process that was paused in the meantime must notice that.

    Attributes:
        follows: who held the run before; ``None`` if nobody did.
        moved: whether the journal is on another server than when the run began, or has failed over or been restored
            since.
        on_cancel: is called once, with the reason why this session must end the run: who requested it through the
            journal.
        lapses: how often it had expired before it was renewed, for example after a pause of the process. Until the
            renewal somebody else could have taken the run, and earlier observations are old.

    """

    def __init__(  # noqa: PLR0913 - what there is to know of it
        self,
        journal: Leases,
        run_id: str,
        epoch: int,
        session: str,
        at: float,
        follows: Holder | None = None,
        *,
        server_changed: bool = False,
    ) -> None:
        self.run_id = run_id
        self.epoch = epoch
        self.session = session
        self.follows = follows
        self.server_changed = server_changed
        self.lapses = 0
        self.on_cancel: Callable[[str], None] | None = None
        self._journal = journal
        self.writes = 0
        """How often this session has written, according to the journal."""
        self.held: str | None = None
        """Who holds all runs, and why: nothing is stopped or wiped meanwhile."""
        self.unsure = False
        """Whether it is unknown if the last write succeeded."""
        self._until = at + LEASE_DURATION
        self._lost = False
        self._lock = threading.Lock()
        self._unwritten: list[str] = []
        self._audited_actions: list[tuple[AuditAction, str]] = []
        self._heard = 0
        """The number of the last late answer that was returned."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="safe-reinit-lease", daemon=True)
        self._thread.start()

    def check(self) -> bool:
        """Return whether this session may call based on what it has observed; an expired lease is renewed first.

        Returns:
            ``False`` where it had run out: the run is still this session's, but what it saw before is too old.

        Raises:
            LeaseLostError: another session has the run, or it was released.
            JournalLostError: the journal was removed, replaced or restored.
            JournalError: the lease has expired and cannot be renewed.
        """
        if self._lost:
            raise LeaseLostError(self.run_id)
        self._journal.refuse_replaced()
        if boottime() < self._until:
            return True
        self._write([])
        return False

    @property
    def overdue(self) -> bool:
        """Whether it should have been renewed but could not be: others then consider this session dead."""
        return boottime() >= self._until - LEASE_DURATION + _SILENT

    def is_before(self, holder: Holder) -> bool:
        """Return whether a holder had the run before this session, so that its journal has been restored since.

        Whoever works on the run counts as the holder all the same, unless it is known to be the previous one.
        """
        is_known = self.follows is not None and holder.session == self.follows.session
        return holder.epoch < self.epoch and (is_known or not holder.alive)

    def late_answers(self) -> list[LateAnswer]:
        """Return, once each, the calls that ECS accepted from sessions that had already lost this run.

        Raises:
            UsageError: the journal cannot be read.
        """
        found = self._journal.late_answers(self.run_id, self._heard) if self.epoch > 1 else []
        self._heard = max((each.number for each in found), default=self._heard)
        return found

    def save(
        self,
        *records: tuple[int, object],
        wait: float = BRIEF_LOCK_WAIT,
        audited: tuple[AuditAction, str] | None = None,
        room: Room | None = None,
        measurements: Sequence[Measurement] = (),
    ) -> None:
        """Write changed states, each with the position of its job, in one transaction; see ``Journal.write``.

        Args:
            records: the positions and states.
            wait: how many real seconds to wait for another process that is writing.
            audited: what somebody did that changed them, with its detail, for the audit.
            room: how much all runs may use once this is written (real seconds); ``None`` if that does not grow.
            measurements: what other runs should know (real seconds).

        Raises:
            NoRoomError: they would use more; nothing was written.
        """
        statement = "UPDATE jobs SET state=?, down=?, wipes=?, unbegun=?, failed=? WHERE run_id=? AND position=?"
        changed = [
            (statement, (dumps(record, sparse=True), *place_of(record), self.run_id, position))
            for position, record in records
        ]
        self._write([*changed, *noted(self.run_id, measurements), *self._audited(audited)], wait=wait, room=room)

    def in_use(self) -> InUse:
        """Return what other runs of the account and region are using, in real seconds.

        Raises:
            UsageError: the journal cannot be read.
        """
        return self._journal.in_use(self.run_id)

    def emit(self, event: Mapping[str, Any]) -> None:
        """Keep an event; it is written with the next write, since Describe calls alone need no commit.

        This does not wait for a write in progress: otherwise a call to ECS would seem to take that long.
        """
        self._unwritten.append(dumps(event))

    def audit(self, action: AuditAction, detail: str) -> None:
        """Keep, for the audit, what was done to the run in this process; it is written with the next write."""
        self._audited_actions.append((action, detail))

    @property
    def unwritten_events(self) -> list[Mapping[str, Any]]:
        """The events that have not been written yet, oldest first."""
        return [json.loads(event) for event in self._unwritten]

    def end(
        self, report: Mapping[str, Any], still_open: Sequence[int] = (), audited: tuple[AuditAction, str] | None = None
    ) -> None:
        """Record how the run ended, and release it.

        Args:
            report: the report of the run.
            still_open: the positions of the jobs that can be resumed.
            audited: what somebody did to end it, with its detail, for the audit; by default that it ended, and how.

        """
        ended: tuple[AuditAction, str] = ("end", f"{report['outcome']}{', left open' if still_open else ''}")
        self._write(chain(self._ending(report, frozenset(still_open)), self._audited(audited or ended)), wait=LOCK_WAIT)
        self.release()

    def _audited(self, audited: tuple[AuditAction, str] | None) -> list[tuple[str, Sequence[object]]]:
        return [] if audited is None else [appended(audited[0], self.run_id, audited[1])]

    def _ending(self, report: Mapping[str, Any], still_open: frozenset[int]) -> Iterator[tuple[str, Sequence[object]]]:
        yield ending(self.run_id, report)
        for position, job in enumerate(report["jobs"]):
            outcome = job.get("outcome") if isinstance(job, Mapping) else job.outcome
            came_to = int(outcome != "done"), int(position in still_open)
            yield (
                "UPDATE jobs SET report=?, failed=?, open=open*? WHERE run_id=? AND position=?",
                (dumps(job), *came_to, self.run_id, position),
            )

    def leave(self) -> None:
        """Renew it no longer."""
        self._ended.set()
        self._thread.join()

    def release(self) -> None:
        """Release the run, so that it can be resumed at once: this lease writes and calls nothing more."""
        self.leave()
        with contextlib.suppress(JournalError, LeaseLostError, UsageError):
            self._write([], wait=LOCK_WAIT)
            self._journal.release(self)
        self._lost = True

    def _write(
        self,
        statements: Iterable[tuple[str, Sequence[object]]],
        *,
        wait: float = BRIEF_LOCK_WAIT,
        room: Room | None = None,
    ) -> None:
        with self._lock:
            events, audited = list(self._unwritten), list(self._audited_actions)
            inserts = [("INSERT INTO events (run_id, event) VALUES (?,?)", (self.run_id, event)) for event in events]
            began = boottime()
            try:
                holder = self._journal.write(
                    self, chain(statements, inserts, *map(self._audited, audited)), wait=wait, room=room
                )
            except LeaseLostError:
                self._lost = True
                raise
            del self._unwritten[: len(events)], self._audited_actions[: len(audited)]
            self.lapses += began >= self._until
            self._until = began + LEASE_DURATION
        self._hear(holder)

    def _renew(self) -> None:
        while not self._ended.wait(min(CANCEL_POLL_INTERVAL, RENEWAL_INTERVAL)):
            try:
                self._listen()
                if self._until - boottime() <= LEASE_DURATION - RENEWAL_INTERVAL:
                    self._write([])
            except LeaseLostError:
                self._lost = True
                logs.lease(self.run_id, "another session has taken the run")
                return
            except (JournalError, UsageError) as error:
                logs.lease(self.run_id, f"the lease could not be renewed: {error}")  # nothing is sent once it runs out

    def _listen(self) -> None:
        """Notice who asked for the end of the run.

        Raises:
            LeaseLostError: another session has the run.
            UsageError: the journal cannot be read.
        """
        holder = self._journal.holder(self.run_id)
        if holder is None or self.is_before(holder):
            return  # the journal is not the one of the run; the next write reports it
        if holder.session != self.session:
            raise LeaseLostError(self.run_id)
        self._hear(holder)

    def _hear(self, holder: Holder) -> None:
        self.held = holder.held
        if holder.cancelled:
            why = f"{holder.cancelled} asked this run to end"
        else:
            why = f"All runs are held ({holder.held})" if holder.held else ""
        on_cancel = self.on_cancel
        if why and on_cancel is not None:
            self.on_cancel = None
            on_cancel(why)
