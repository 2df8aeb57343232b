"""The journal file: SQLite with WAL and synchronous=FULL; every write is one transaction of the holder."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import RunRefused, UsageError
from ..model.codec import dumps
from .lease import Holder, JournalError, LateAnswer, Lease, LeaseLostError, expiry
from .place import (
    boot_id,
    files_of,
    make_folder,
    now,
    pid_namespace,
    refuse_foreign,
    refuse_network,
    unusable,
    user,
)
from .reading import Reader, ReadOnly, lock_of, other_schema
from .schema import MIGRATIONS, SCHEMA

_OF_A_RUN = ("events", "late_answers", "disks", "jobs", "leases", "runs")
"""The tables that know of a run, in the order in which they forget it."""
_RESERVE = 1 << 20
"""Bytes of room that are kept for what a run writes."""
_LOG = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_BUSY = 10.0
"""Real seconds for which another process that is writing is waited for."""


class Journal(Reader):
    """One journal file, open; without a path, one in memory for rehearsals. Safe to use from several threads.

    Raises:
        UsageError: (on construction) the file cannot be used: a network file system, no right, not a journal, newer.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._files: dict[Path, tuple[tuple[int, int], int]] = {}
        """The files of the journal that are open: which they are (device and inode), and how large at least."""
        if path is not None:
            refuse_network(path)
            refuse_foreign(path)
        if path is not None and path.exists() and not path.is_file():
            raise unusable(path, OSError("not a file"))
        try:
            if path is not None:
                make_folder(path.parent)
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path or ":memory:", timeout=_BUSY, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise unusable(self.path, error) from None
        try:
            with self._using():
                self._prepare()
            self._files = _identities(path)
            if path is not None:
                refuse_foreign(path)  # also a log that somebody put there since, and that SQLite has read
        except UsageError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA foreign_keys=ON")
        sound = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if sound != "ok":
            raise sqlite3.DatabaseError("malformed")
        if self._db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA:
            return  # nothing to write: it can be read while a stopped process keeps it locked
        with self._transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA:
                raise other_schema(self.path, version)
            for migration in MIGRATIONS[version:]:
                for statement in migration.split(";"):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version={SCHEMA}")

    @contextlib.contextmanager
    def _transaction(self, *, wait: bool = True) -> Iterator[None]:
        """Commit all or nothing, alone, and only to the files that the next process will find."""
        with self._using():
            try:
                self.refuse_replaced()
            except JournalError as error:
                raise UsageError(str(error), hint="Find the journal again before anything else.") from None
            if not wait:
                self._db.execute("PRAGMA busy_timeout=0")
            try:
                self._db.execute("BEGIN IMMEDIATE")
            finally:
                if not wait:
                    self._db.execute(f"PRAGMA busy_timeout={_BUSY * 1000:.0f}")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    # -------------------------------------------------------------------------------------------------- writing

    def begin(
        self,
        run_id: str,
        plan: Mapping[str, Any],
        endpoint: str,
        profile: str,
        jobs: Sequence[tuple[str, object]],
    ) -> Lease:
        """Write down a run before its first call, and hold it.

        Args:
            run_id: its name.
            plan: the members of its plan, which are ours or JSON.
            endpoint: the loopback endpoint, or ``""`` for the real cloud.
            profile: the aliyun CLI profile, or ``""``.
            jobs: of each job the instance and the state.

        Raises:
            RunRefused: an open job of another run has one of the instances, or the plan was run already.
            UsageError: the journal cannot be written.
        """
        self._reserve()
        region, account = str(plan["region"]), str(plan["account"])
        with self._transaction():
            self.refuse_used(str(plan["plan_id"]))
            self._db.execute(
                "INSERT INTO runs VALUES (?,?,NULL,NULL,NULL,?,?,?,?,?,NULL,?)",
                (run_id, now(), region, account, endpoint, profile, dumps(plan), plan["plan_id"]),
            )
            for position, (instance_id, record) in enumerate(jobs):
                lock = lock_of(endpoint, account, region, instance_id)
                self._refuse_held(endpoint, account, region, instance_id)
                known = dumps(record, sparse=True)
                self._db.execute(
                    "INSERT INTO jobs VALUES (?,?,?,?,?,1,NULL)", (run_id, position, lock, instance_id, known)
                )
                self._db.execute(
                    "INSERT INTO disks SELECT value ->> '$.disk_id', ?, ? FROM json_each(?, '$.disks')",
                    (run_id, position, known),
                )
            lease = self._hold(run_id, 1)
        self._have_grown()
        with contextlib.suppress(UsageError), self._using():  # a copy of this file alone knows at least of the run
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return lease

    def _reserve(self) -> None:
        """Grow the file once, so that a disk that fills up while a machine is down does not stop its record.

        Another run may be doing the same, or have been killed between the two steps.
        """
        with self._transaction():
            self._db.execute("CREATE TABLE IF NOT EXISTS reserve (room BLOB)")
            self._db.execute("INSERT INTO reserve VALUES (zeroblob(?))", (_RESERVE,))
        with self._transaction():
            self._db.execute("DROP TABLE IF EXISTS reserve")
        with self._using():
            self._db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def take(self, run_id: str) -> Lease | None:
        """Take over a run whose holder is gone or has let its lease expire; ``None`` while somebody holds it.

        Raises:
            UsageError: the journal cannot be written.
        """
        with self._using():  # to see that it is held needs no turn at writing, which a stopped holder may keep
            holder = self._holder(run_id)
        if holder is not None and holder.alive:
            return None
        with self._transaction():
            holder = self._holder(run_id)
            if holder is not None and holder.alive:
                return None
            lease = self._hold(run_id, holder.epoch + 1 if holder else 1)
        self._have_grown()
        return lease

    def _have_grown(self) -> None:
        """Note how large the files are now, and a log that was not there when the journal was opened."""
        for file, (identity, size) in _identities(self.path).items():
            known, _ = self._files.get(file, (identity, size))
            self._files = {**self._files, file: (known, size)}

    def _hold(self, run_id: str, epoch: int) -> Lease:
        session = secrets.token_hex(16)
        self._db.execute(
            "INSERT OR REPLACE INTO leases VALUES (?,?,?,?,?,?,?,?,?,?,NULL)",
            (
                run_id, epoch, session, user(), socket.gethostname(), os.getpid(), boot_id(), pid_namespace(), expiry(),
                now(),
            ),
        )  # fmt: skip
        return Lease(self, run_id, epoch, session)

    def refuse_replaced(self) -> None:
        """See that the files which are open still are those that the next process will find by their names, and sound.

        SQLite goes on in memory with files that somebody emptied or wrote over, and does not notice.

        Raises:
            JournalError: one was removed, replaced or damaged: what is written from now on nobody will find.
        """
        for file, (identity, size) in self._files.items():
            now_there = _identity(file)
            if now_there != identity:
                how = "removed" if now_there is None else "replaced"
                raise JournalError(f"The journal {self.path} was {how} while it was open ({file.name}).")
            if _is_damaged(file, size):
                raise JournalError(
                    f"The journal {self.path} was emptied or written over while it was open ({file.name})."
                )

    def is_replaced(self) -> bool:
        """Tell whether ``refuse_replaced`` refuses."""
        try:
            self.refuse_replaced()
        except JournalError:
            return True
        return False

    def write(self, lease: Lease, statements: Iterable[tuple[str, Sequence[object]]], *, wait: bool = True) -> Holder:
        """Write as the holder of a run, and renew the lease with it, also one that has run out.

        Args:
            lease: of the run.
            statements: what to write, in one transaction.
            wait: for another process that is writing.

        Returns:
            the holder, who says whether somebody asked for the end of the run before this was written.

        Raises:
            LeaseLostError: another session has taken the run.
            JournalError: the file could not be written, or is not that of the run any more.
        """
        try:
            with self._transaction(wait=wait):
                holder = self._holder(lease.run_id)
                if holder is None:
                    raise JournalError(f"The journal {self.path} does not know run {lease.run_id} any more.")
                if (holder.epoch, holder.session) != (lease.epoch, lease.session):
                    raise LeaseLostError(lease.run_id)
                for statement, values in statements:
                    self._db.execute(statement, values)
                self._db.execute("UPDATE leases SET until=? WHERE run_id=?", (expiry(), lease.run_id))
        except UsageError as error:
            raise JournalError(str(error)) from None
        return holder

    def cancel(self, run_id: str) -> None:
        """Ask the session that holds a run to end it in order; it hears that within a second or so.

        Whoever can write the journal may ask, as often as they like: it is one request. No process is signalled.

        Raises:
            UsageError: there is no such run, or the journal cannot be written.
            RunRefused: it has ended, or nobody is at work on it.
        """
        with self._transaction():
            row = self._db.execute(
                "SELECT outcome, EXISTS (SELECT 1 FROM jobs WHERE run_id=:run AND open=1) FROM runs WHERE run_id=:run",
                {"run": run_id},
            ).fetchone()
            if row is None:
                raise UsageError(f"The journal has no run {run_id}.", hint="See safe-reinit runs.")
            outcome, is_open = row
            if not is_open:
                raise RunRefused(f"Run {run_id} has ended: {outcome}.", hint=f"See safe-reinit show {run_id}.")
            holder = self._holder(run_id)
            if holder is None or holder.released or holder.gone or (holder.expired and holder.boot != boot_id()):
                raise RunRefused(
                    f"Nobody is at work on run {run_id}: no call is sent for it.",
                    hint=f"See what it left: safe-reinit show {run_id}; go on with it: safe-reinit resume {run_id}.",
                )
            who = f"{user()}@{socket.gethostname()}"
            self._db.execute("UPDATE leases SET cancelled=COALESCE(cancelled, ?) WHERE run_id=?", (who, run_id))

    def release(self, lease: Lease) -> None:
        """Let a run go; a lease that is held by another already stays as it is.

        Raises:
            UsageError: the journal cannot be written.
        """
        with self._transaction():
            self._db.execute("UPDATE leases SET until=0 WHERE run_id=? AND session=?", (lease.run_id, lease.session))

    def keep_late(self, run_id: str, answers: Sequence[LateAnswer]) -> None:
        """Append what ECS accepted of a session that has lost the run, for whoever holds it now.

        It changes no state: the holder reads it before anything is sent again.

        Raises:
            UsageError: the journal cannot be written, or does not know the run any more.
        """
        rows = [(run_id, each.position, each.action, each.subject, each.attempt) for each in answers]
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO late_answers (run_id, position, action, subject, attempt) VALUES (?,?,?,?,?)",
                rows,
            )

    def withdraw(self, lease: Lease) -> None:
        """Forget a run of which nothing was begun, because somebody else has refused it."""
        lease.release()
        with self._transaction():
            for table in _OF_A_RUN:
                self._db.execute(f"DELETE FROM {table} WHERE run_id=?", (lease.run_id,))  # noqa: S608 - our own names

    def prune(self, older_than: float) -> int:
        """Forget the runs that ended more than so many seconds ago, and tell how many; an open one is never forgotten.

        Raises:
            UsageError: the journal cannot be written.
        """
        before = now(ago=older_than)
        with self._transaction():
            ended = (
                "SELECT run_id FROM runs WHERE ended_at < ? AND run_id NOT IN (SELECT run_id FROM jobs WHERE open=1)"
            )
            names = [row[0] for row in self._db.execute(ended, (before,)).fetchall()]
            for name in names:
                self._db.execute("INSERT INTO used_plans SELECT plan_id, run_id FROM runs WHERE run_id=?", (name,))
                for table in _OF_A_RUN:
                    self._db.execute(f"DELETE FROM {table} WHERE run_id=?", (name,))  # noqa: S608 - our own names
        return len(names)


def open_to_read(path: Path) -> Reader:
    """Open a journal to read it, also where it may only be read; one that is not there yet is begun.

    Raises:
        UsageError: it cannot be read.
    """
    readable = path.is_file() and os.access(path, os.R_OK)
    writable = os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK)
    return ReadOnly(path) if readable and not writable else Journal(path)


def _identities(path: Path | None) -> dict[Path, tuple[tuple[int, int], int]]:
    """Return which files a journal, its log and its index are now; a rollback log comes and goes."""
    files = [file for file in files_of(path) if not file.name.endswith("-journal")] if path is not None else []
    return {file: (identity, file.stat().st_size) for file in files if (identity := _identity(file)) is not None}


def _is_damaged(path: Path, size: int) -> bool:
    """Return whether a file of a journal became smaller than it was, or a log does not begin as one of SQLite.

    A log that was empty is one to which nothing had been written yet.

    The main file is not opened: to close it would let go the locks that SQLite has on it in this process.
    """
    try:
        if not path.name.endswith("-wal"):
            return path.stat().st_size < size
        if size == 0:
            return False
        with path.open("rb") as file:
            return not file.read(4).startswith(_LOG)
    except OSError:
        return True


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
