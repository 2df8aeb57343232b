"""The journal file: SQLite with WAL and synchronous=FULL; every write is one transaction of the holder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..clock import unix_time
from ..errors import RunRefused, UsageError
from ..model.codec import dumps
from .lease import LEASE, Holder, JournalError, Lease, LeaseLostError
from .place import make_folder, now, process, refuse_foreign, refuse_network, unusable, user
from .schema import MIGRATIONS, SCHEMA
from .stored import StoredRun

_OF_A_RUN = ("events", "jobs", "leases", "runs")
"""The tables that know of a run, in the order in which they forget it."""
_RESERVE = 1 << 20
"""Bytes of room that are kept for the records of a run."""


class Journal:
    """One journal file, open; without a path, one in memory for rehearsals. Safe to use from several threads.

    Raises:
        UsageError: (on construction) the file cannot be used: a network file system, no right, not a journal, newer.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.RLock()
        if path is not None:
            refuse_network(path)
            refuse_foreign(path)
        try:
            if path is not None:
                make_folder(path.parent)
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path or ":memory:", timeout=10.0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise unusable(self.path, error) from None
        try:
            with self._using():
                self._prepare()
            if path is not None:
                refuse_foreign(path)  # also a log that somebody put there since, and that SQLite has read
        except UsageError:
            self._db.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

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
                raise UsageError(
                    f"The journal {self.path} was written by a newer safe-reinit (schema {version}).",
                    hint="Use that version, or another --journal.",
                )
            for migration in MIGRATIONS[version:]:
                for statement in migration.split(";"):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version={SCHEMA}")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit all or nothing, alone."""
        with self._using():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        """Let nobody else of this process use the file meanwhile; what SQLite says is raised in our words."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise unusable(self.path, error) from None

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
            jobs: of each job the instance and the record.

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
                lock = _lock_of(endpoint, account, region, instance_id)
                self._refuse_held(lock, instance_id)
                self._db.execute(
                    "INSERT INTO jobs VALUES (?,?,?,?,?,1,NULL)",
                    (run_id, position, lock, instance_id, dumps(record, sparse=True)),
                )
            return self._hold(run_id, 1)

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
            return self._hold(run_id, holder.epoch + 1 if holder else 1)

    def _hold(self, run_id: str, epoch: int) -> Lease:
        until = unix_time() + LEASE
        self._db.execute(
            "INSERT OR REPLACE INTO leases VALUES (?,?,?,?,?,?,?,?)",
            (run_id, epoch, user(), socket.gethostname(), os.getpid(), process(os.getpid()), until, now()),
        )
        return Lease(self, run_id, epoch)

    def refuse_open(self, endpoint: str, account: str, region: str, instance_ids: Sequence[str]) -> None:
        """See that no open job has one of these instances, before a run of them is begun; ``begin`` sees it again.

        Raises:
            RunRefused: one has.
        """
        with self._using():
            for instance_id in instance_ids:
                self._refuse_held(_lock_of(endpoint, account, region, instance_id), instance_id)

    def _refuse_held(self, lock: str, instance_id: str) -> None:
        row = self._db.execute("SELECT run_id FROM jobs WHERE lock=? AND open=1", (lock,)).fetchone()
        if row is None:
            return
        holder = self._holder(row[0])
        who = f"{holder.user}@{holder.host}, process {holder.pid}, since {holder.since}" if holder else "nobody now"
        raise RunRefused(
            f"Run {row[0]} has {instance_id} already (held by {who}).",
            hint=f"Look with: safe-reinit show {row[0]}; go on with it: safe-reinit resume {row[0]}.",
        )

    def _holder(self, run_id: str) -> Holder | None:
        row = self._db.execute(
            "SELECT user, host, pid, process, until, since, epoch FROM leases WHERE run_id=?", (run_id,)
        ).fetchone()
        return Holder(*row) if row else None

    def write(self, lease: Lease, statements: Iterable[tuple[str, Sequence[object]]]) -> None:
        """Write as the holder of a run, and renew the lease with it.

        Raises:
            LeaseLostError: another process holds the run.
            JournalError: the file could not be written.
        """
        try:
            with self._transaction():
                holder = self._holder(lease.run_id)
                if holder is None or holder.epoch != lease.epoch or holder.until < unix_time():
                    raise LeaseLostError(lease.run_id)
                for statement, values in statements:
                    self._db.execute(statement, values)
                until = unix_time() + LEASE
                self._db.execute("UPDATE leases SET until=? WHERE run_id=?", (until, lease.run_id))
        except UsageError as error:
            raise JournalError(str(error)) from None

    def release(self, lease: Lease) -> None:
        """Let a run go; a lease that is held by another already stays as it is.

        Raises:
            UsageError: the journal cannot be written.
        """
        with self._transaction():
            self._db.execute("UPDATE leases SET until=0 WHERE run_id=? AND epoch=?", (lease.run_id, lease.epoch))

    def withdraw(self, lease: Lease) -> None:
        """Forget a run of which nothing was begun, because somebody else has refused it."""
        lease.release()
        with self._transaction():
            for table in _OF_A_RUN:
                self._db.execute(f"DELETE FROM {table} WHERE run_id=?", (lease.run_id,))  # noqa: S608 - our own names

    # -------------------------------------------------------------------------------------------------- reading

    def used_by(self, plan_id: str) -> str | None:
        """Name the run that ran this plan, also one that is forgotten; ``None`` if none did."""
        with self._using():
            row = self._db.execute(
                "SELECT run_id FROM runs WHERE plan_id=? UNION SELECT run_id FROM used_plans WHERE plan_id=?",
                (plan_id, plan_id),
            ).fetchone()
        return str(row[0]) if row else None

    def refuse_used(self, plan_id: str) -> None:
        """See that a plan was not run yet.

        Raises:
            RunRefused: it was, by a run that is named.
        """
        run_id = self.used_by(plan_id)
        if run_id is not None:
            raise RunRefused(
                f"This plan was run already, by run {run_id}: a plan is run once.",
                hint=f"See what became of it: safe-reinit show {run_id}. To wipe again make a new plan.",
            )

    def run(self, run_id: str) -> StoredRun | None:
        """Give one run; ``None`` where the journal has none of this name.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._using():
            row = self._db.execute("SELECT * FROM runs WHERE run_id=?", (run_id,)).fetchone()
            return self._stored(row) if row else None

    def runs(self) -> list[StoredRun]:
        """Give all runs, newest first.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._using():
            rows = self._db.execute("SELECT * FROM runs ORDER BY started_at DESC, run_id DESC").fetchall()
            return [self._stored(row) for row in rows]

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """Give the events of a run, in order, as JSON (schema 1).

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._using():
            rows = self._db.execute("SELECT event FROM events WHERE run_id=? ORDER BY sequence", (run_id,)).fetchall()
            return [json.loads(row[0]) for row in rows]

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

    def _stored(self, row: Sequence[Any]) -> StoredRun:
        jobs = self._db.execute(
            "SELECT instance_id, record, open, report FROM jobs WHERE run_id=? ORDER BY position", (row[0],)
        ).fetchall()
        report = json.loads(row[10]) if row[10] else None
        if report is not None:
            report["jobs"] = [json.loads(told) for *_, told in jobs if told] or report["jobs"]  # an older run has them
        return StoredRun(
            run_id=row[0],
            started_at=row[1],
            ended_at=row[2],
            outcome=row[3],
            exit_code=row[4],
            region=row[5],
            account=row[6],
            endpoint=row[7],
            profile=row[8],
            plan=json.loads(row[9]),
            report=report,
            jobs=tuple((instance_id, json.loads(record), bool(is_open)) for instance_id, record, is_open, _ in jobs),
            holder=self._holder(row[0]),
        )


def _lock_of(endpoint: str, account: str, region: str, instance_id: str) -> str:
    """Name what one open job may have."""
    return "|".join((endpoint, account, region, instance_id))
