"""Reading a journal: runs, their jobs and events, and who holds them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from ..errors import RunRefused, UsageError
from ..model import DataState, JobState, LastRun
from ..model.codec import decode
from .lease import Holder, LateAnswer
from .place import refuse_foreign, unusable
from .schema import SCHEMA
from .stored import StoredRun

_NEWEST_JOBS = 20
"""Jobs that tell how long ECS takes."""
_AT_ONCE = 500
"""Disks that are asked for in one statement."""


class Reader:
    """An open journal, to be read. Safe to use from several threads."""

    path: Path | None
    _db: sqlite3.Connection
    _lock: threading.RLock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        """Let nobody else of this process use the file meanwhile; what SQLite says is raised in our words."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise unusable(self.path, error) from None

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

    def runs(self, newest: int | None = None) -> list[StoredRun]:
        """Return the runs, newest first.

        Args:
            newest: so many, and every open one however old it is; ``None`` for all.

        Raises:
            UsageError: the journal cannot be read.
        """
        most = -1 if newest is None else newest
        with self._using():
            rows = self._db.execute(
                "SELECT * FROM runs WHERE run_id IN (SELECT run_id FROM jobs WHERE open=1) OR run_id IN"
                " (SELECT run_id FROM runs ORDER BY started_at DESC, run_id DESC LIMIT ?)"
                " ORDER BY started_at DESC, run_id DESC",
                (most,),
            ).fetchall()
            return [self._stored(row) for row in rows]

    def count(self) -> int:
        """Return how many runs the journal has.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._using():
            return int(self._db.execute("SELECT count(*) FROM runs").fetchone()[0])

    def durations(self, endpoint: str, account: str, region: str) -> dict[str, float]:
        """Return by phase the shortest time, in real seconds, that it took in the newest jobs of this place.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._using():
            rows = self._db.execute(
                "SELECT jobs.report FROM jobs JOIN runs USING (run_id) WHERE endpoint=? AND account=? AND region=?"
                " AND jobs.report IS NOT NULL ORDER BY started_at DESC, position LIMIT ?",
                (endpoint, account, region, _NEWEST_JOBS),
            ).fetchall()
        took: dict[str, float] = {}
        for (told,) in rows:
            for phase in json.loads(told)["phases"]:
                if phase["result"] == "ok" and phase["ended_at"]:
                    began, ended = (datetime.fromisoformat(phase[end]) for end in ("started_at", "ended_at"))
                    seconds = (ended - began).total_seconds()
                    took[phase["name"]] = min(seconds, took.get(phase["name"], seconds))
        return took

    def last_runs(
        self, endpoint: str, account: str, region: str, disk_ids: Sequence[str], *, but: str | None = None
    ) -> dict[str, LastRun]:
        """Return of each disk its open run, else the last one that did something to it, else the last one.

        Args:
            endpoint: the loopback endpoint, or ``""`` for the real cloud.
            account: whose disks they are.
            region: where they are.
            disk_ids: the disks; of one that no run had nothing is returned.
            but: a run that does not count.

        Raises:
            UsageError: the journal cannot be read.
        """
        found: dict[str, tuple[tuple[object, ...], LastRun]] = {}
        with self._using():
            for start in range(0, len(disk_ids), _AT_ONCE):
                some = disk_ids[start : start + _AT_ONCE]
                rows = self._db.execute(
                    "SELECT disk_id, run_id, started_at, plan ->> '$.options.undo', open, record, jobs.report"  # noqa: S608 - marks
                    " FROM disks JOIN jobs USING (run_id, position) JOIN runs USING (run_id)"
                    f" WHERE disk_id IN ({','.join('?' * len(some))})"
                    " AND endpoint=? AND account=? AND region=? AND run_id IS NOT ?",
                    (*some, endpoint, account, region, but),
                )
                for disk_id, run_id, began, undone, is_open, known, told in rows:
                    data = _data(disk_id, known, told)
                    run = LastRun(run_id, "open" if is_open else "ended", data, bool(undone), began)
                    rank = (bool(is_open), data != "untouched", began, run_id)
                    if disk_id not in found or found[disk_id][0] < rank:
                        found[disk_id] = (rank, run)
        return {disk_id: run for disk_id, (_, run) in found.items()}

    def holder(self, run_id: str) -> Holder | None:
        """Return who holds a run, or held it last; ``None`` where nobody ever did.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._using():
            return self._holder(run_id)

    def late_answers(self, run_id: str, after: int = 0) -> list[LateAnswer]:
        """Return what was accepted of sessions that had lost the run by then, oldest first.

        Args:
            run_id: the run.
            after: only those that came after the one with this number.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._using():
            rows = self._db.execute(
                "SELECT position, action, subject, attempt, sequence FROM late_answers WHERE run_id=? AND sequence>?"
                " ORDER BY sequence",
                (run_id, after),
            ).fetchall()
            return [LateAnswer(*row) for row in rows]

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """Give the events of a run, in order, as JSON (schema 1).

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._using():
            rows = self._db.execute("SELECT event FROM events WHERE run_id=? ORDER BY sequence", (run_id,)).fetchall()
            return [json.loads(row[0]) for row in rows]

    def refuse_open(self, endpoint: str, account: str, region: str, instance_ids: Sequence[str]) -> None:
        """See that no open job has one of these instances, before a run of them is begun; ``begin`` sees it again.

        Raises:
            RunRefused: one has.
        """
        with self._using():
            for instance_id in instance_ids:
                self._refuse_held(endpoint, account, region, instance_id)

    def _refuse_held(self, endpoint: str, account: str, region: str, instance_id: str) -> None:
        """Refuse an instance that an open job has; where its account or ours is not known, it may be the same one."""
        row = self._db.execute(
            "SELECT run_id FROM jobs JOIN runs USING (run_id) WHERE instance_id=? AND open=1"
            " AND endpoint=? AND region=? AND (account=? OR account='' OR ?='')",
            (instance_id, endpoint, region, account, account),
        ).fetchone()
        if row is None:
            return
        holder = self._holder(row[0])
        who = str(holder) if holder and holder.alive else "nobody now"
        raise RunRefused(
            f"Run {row[0]} has {instance_id} already (held by {who}).",
            hint=f"Look with: safe-reinit show {row[0]}; go on with it: safe-reinit resume {row[0]}.",
        )

    def _holder(self, run_id: str) -> Holder | None:
        row = self._db.execute(
            "SELECT user, host, pid, boot, pid_namespace, until, since, epoch, session, cancelled FROM leases"
            " WHERE run_id=?",
            (run_id,),
        ).fetchone()
        return Holder(*row) if row else None

    def _stored(self, row: Sequence[Any]) -> StoredRun:
        jobs = self._db.execute(
            "SELECT instance_id, record, open, report FROM jobs WHERE run_id=? ORDER BY position", (row[0],)
        ).fetchall()
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
            plan_text=row[9],
            report_text=row[10],
            job_texts=tuple((instance_id, known, bool(is_open), told) for instance_id, known, is_open, told in jobs),
            holder=self._holder(row[0]),
        )


class ReadOnly(Reader):
    """A journal that may only be read: a read-only file, folder or mount, or a copy. Nothing is written next to it.

    Raises:
        UsageError: (on construction) it cannot be read, or others could have written it.
    """

    def __init__(self, path: Path) -> None:
        refuse_foreign(path)
        self.path = path
        self._lock = threading.RLock()
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        real = os.path.realpath(path)
        # Without a log next to it nobody has it open, and SQLite would make one even to read: it is told not to.
        alone = not os.path.exists(f"{real}-wal")
        try:
            self._db = self._opened(f"file:{quote(real)}?mode=ro{'&immutable=1' if alone else ''}")
        except sqlite3.Error as error:
            if alone:
                raise unusable(path, error, "read") from None
            self._db = self._opened_copy(real)

    def _opened(self, address: str) -> sqlite3.Connection:
        opened = sqlite3.connect(address, uri=True, timeout=10.0, isolation_level=None, check_same_thread=False)
        try:
            sound = opened.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            version = opened.execute("PRAGMA user_version").fetchone()[0]
        except BaseException:
            opened.close()
            raise
        if sound and version == SCHEMA:
            return opened
        opened.close()
        raise other_schema(self.path, version) if sound else sqlite3.DatabaseError("malformed")

    def _opened_copy(self, real: str) -> sqlite3.Connection:
        """Read a copy: a log lies next to the journal, and SQLite would have to write its index there."""
        self._copy = tempfile.TemporaryDirectory(prefix="safe-reinit-")
        try:
            for ending in ("", "-wal"):
                shutil.copyfile(f"{real}{ending}", os.path.join(self._copy.name, f"journal.db{ending}"))
            return self._opened(f"file:{quote(os.path.join(self._copy.name, 'journal.db'))}")
        except (OSError, sqlite3.Error) as error:
            self._copy.cleanup()
            raise unusable(self.path, error, "read") from None

    def close(self) -> None:
        """Close the file."""
        super().close()
        if self._copy is not None:
            self._copy.cleanup()


def _data(disk_id: str, known: str, told: str | None) -> DataState:
    """Tell what a run did to a disk: as its report says, else by the state of the job."""
    if told:
        said: DataState = next(disk["data"] for disk in json.loads(told)["disks"] if disk["disk_id"] == disk_id)
        return said
    return next(wipe.data for wipe in decode(JobState, json.loads(known)).disks if wipe.disk_id == disk_id)


def other_schema(path: Path | None, version: int) -> UsageError:
    """Return the error for a journal of a schema that this program does not know."""
    if version > SCHEMA:
        return UsageError(
            f"The journal {path} was written by a newer safe-reinit (schema {version}).",
            hint="Use that version, or another --journal.",
        )
    return UsageError(f"The file {path} is not a journal of safe-reinit.", hint="Correct --journal.")


def lock_of(endpoint: str, account: str, region: str, instance_id: str) -> str:
    """Name what one open job may have."""
    return "|".join((endpoint, account, region, instance_id))
