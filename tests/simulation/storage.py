"""What holds the journal, on virtual time: it can be locked by somebody else, full or away, and lose an answer.

SQLite waits for a lock in real time. Here it waits on the scheduler, so that ten seconds of it cost nothing.
"""

from __future__ import annotations

import json
import sqlite3
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from safe_reinit.journal import StoredRun, open_to_write
from safe_reinit.model import Plan, PlannedJob
from safe_reinit.model.codec import decode, dumps
from safe_reinit.plans.plan import as_members, part_of
from tests.simulation.scheduler import Process, Scheduler

WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "DROP")
JOURNAL_OUTAGE = 120.0 + 20.0
"""Seconds for which a journal that is away is waited for, and the last try to write it."""
POLL_INTERVAL = 0.25
"""Virtual seconds after which a lock that somebody has is tried again."""


class Storage(ABC):
    """What is wrong with the journal now; times are virtual.

    Args:
        scheduler: of the program.
        point: is told ``writing`` before each transaction of a task, and ``written`` once it is on the disk.

    Attributes:
        place: where the journal of the run is, as the program is told it.
        other: the same of another host's.

    """

    place: str
    other: str
    missed_for: ClassVar[float] = 0.0
    """For how long a journal is waited for that is gone: where that cannot be told from one that is away."""
    times: ClassVar[tuple[str, ...]] = ("locked_until", "full_until", "away_until")
    """Until when something is wrong, by the names of attributes."""

    def __init__(self, scheduler: Scheduler, point: Callable[[str], None]) -> None:
        self.scheduler = scheduler
        self.point = point
        self.locked_until = self.full_until = self.away_until = 0.0
        self.unanswered: Sequence[bool] = ()
        """Of each of the next commits whether it is done; the answers to all of them are lost."""

    def calm(self) -> None:
        """Let nothing be wrong from here on."""
        vars(self).update(dict.fromkeys(self.times, 0.0), unanswered=())

    @contextmanager
    def bypassed(self) -> Iterator[None]:
        """Let nothing be wrong meanwhile, for a look that is none of the program's."""
        kept = {name: vars(self)[name] for name in (*self.times, "unanswered")}
        Storage.calm(self)
        try:
            yield
        finally:
            vars(self).update(kept)

    def loses_answer(self) -> bool | None:
        """Return of a commit whether it is done though its answer is lost; ``None`` where that is not lost."""
        if not self.unanswered:
            return None
        first, *self.unanswered = self.unanswered
        return first

    def lock(self, seconds: float) -> bool:
        """Let somebody keep it locked; tell whether they could."""
        self.locked_until = max(self.locked_until, self.scheduler.now + seconds)
        return True

    def runs(self) -> list[StoredRun]:
        """Return the runs that the journal has: none where it is gone."""
        if not self.exists():
            return []
        with self.bypassed(), open_to_write(self.place) as journal:
            return journal.runs()

    def tamper(self, disk_id: str, other: str) -> None:
        """Name another disk in the place of one, with all that is written of it, in shards that nobody has begun.

        Raises:
            Error: the journal cannot be written now.
        """
        if not self.exists():
            return
        with open_to_write(self.place) as journal, journal._db.transaction():
            execute, jobs = journal._db.execute, list[PlannedJob]()
            rows = execute(
                "SELECT run_id, shards, plan FROM runs WHERE whole <> '' OR shards > 0 ORDER BY shards, shard"
            ).fetchall()
            for run_id, shards, written in rows:  # the whole last
                begun = execute("SELECT epoch FROM leases WHERE run_id=? AND epoch > 0", (run_id,)).fetchone()
                plan = _plan_of(json.loads(written), disk_id, disk_id if begun else other)
                jobs += plan.jobs
                made = part_of(plan, tuple(jobs) if shards else plan.jobs)
                changed = dumps({**as_members(made), "jobs": () if shards else made.jobs})
                execute("UPDATE runs SET plan=? WHERE run_id=?", (changed, run_id))
            untouched = "run_id IN (SELECT run_id FROM leases WHERE epoch = 0)"
            texts = f'"{disk_id}"', f'"{other}"'
            execute(f"UPDATE jobs SET state=REPLACE(state, ?, ?) WHERE {untouched}", texts)
            execute(f"UPDATE disks SET disk_id=? WHERE disk_id=? AND {untouched}", (other, disk_id))

    @abstractmethod
    def replaced(self) -> list[tuple[Any, Any]]:
        """Return what is replaced in the program, and by what."""

    @abstractmethod
    def killed(self, process: Process) -> None:
        """Close what a process had open, as the kernel does: what it had not committed is not there."""

    @abstractmethod
    def exists(self) -> bool:
        """Return whether there is a journal."""

    @abstractmethod
    def remove(self) -> None:
        """Take the journal away."""

    @abstractmethod
    def back_up(self, name: str) -> None:
        """Keep a copy of the journal as it is now, if there is one."""

    @abstractmethod
    def restore(self, name: str) -> bool:
        """Put a copy in the place of the journal; tell whether what was written since is lost, or may be."""

    @abstractmethod
    def text(self) -> dict[str, bytes]:
        """Return what the journal holds, by a name, that is no file of the host."""

    @abstractmethod
    def close(self) -> None:
        """Keep nothing."""


def _plan_of(members: dict[str, Any], disk_id: str, other: str) -> Plan:
    """Return a plan with another disk in the place of one; its name and serial number are of the id."""
    result = {disk_id: other, disk_id.removeprefix("d-"): other.removeprefix("d-")}

    def changed(each: Any) -> Any:
        if isinstance(each, dict):
            return {name.replace(f"{disk_id}.", f"{other}."): changed(value) for name, value in each.items()}
        if isinstance(each, list):
            return [changed(value) for value in each]
        return result.get(each, each) if isinstance(each, str) else each

    return decode(Plan, {name: changed(each) for name, each in members.items() if name != "schema"})


class File(Storage):
    """A journal in a file of the host."""

    def __init__(self, scheduler: Scheduler, point: Callable[[str], None], folder: Path) -> None:
        super().__init__(scheduler, point)
        self._folder, self._path = folder, folder / "journal.db"
        self.place, self.other = str(self._path), str(folder / "second.db")
        self._opened: list[tuple[Process, sqlite3.Connection]] = []

    def killed(self, process: Process) -> None:
        """Implement ``Storage``."""
        for owner, connection in self._opened:
            if owner is process:
                connection.close()

    def exists(self) -> bool:
        """Implement ``Storage``."""
        return self._path.exists()

    def remove(self) -> None:
        """Implement ``Storage``."""
        for file in self._folder.glob("journal.db*"):
            file.unlink()

    def back_up(self, name: str) -> None:
        """Implement ``Storage``."""
        if self.exists():
            with sqlite3.connect(self._path) as source, sqlite3.connect(self._copy(name)) as copy:
                source.backup(copy)
            self._copy(name).chmod(0o600)

    def restore(self, name: str) -> bool:
        """Implement ``Storage``. Who had the old file open writes to one that nobody finds any more."""
        self.remove()
        if self._copy(name).exists():
            self._path.write_bytes(self._copy(name).read_bytes())
            self._path.chmod(0o600)
        return True

    def _copy(self, name: str) -> Path:
        return self._folder / f"{name}.db"

    def text(self) -> dict[str, bytes]:
        """Implement ``Storage``: it is in files."""
        return {}

    def close(self) -> None:
        """Implement ``Storage``: the folder is the caller's."""

    def replaced(self) -> list[tuple[Any, Any]]:
        """Implement ``Storage``."""
        fake = types.ModuleType("sqlite3")
        fake.__dict__.update({name: value for name, value in vars(sqlite3).items() if not name.startswith("__")})
        storage = self

        class Connection(sqlite3.Connection):
            max_wait = 5.0

            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                if sql.startswith("PRAGMA busy_timeout="):
                    self.busy_timeout = float(sql.partition("=")[2]) / 1000
                    sql = "PRAGMA busy_timeout=0"
                if sql == "BEGIN IMMEDIATE":
                    storage.point("writing")
                is_done = storage.loses_answer() if sql == "COMMIT" else None
                if is_done is False:
                    raise sqlite3.OperationalError("disk I/O error")
                done = storage.carry(sql, self.busy_timeout, lambda: super(Connection, self).execute(sql, *values))
                if sql == "COMMIT":
                    storage.point("written")
                if is_done:
                    raise sqlite3.OperationalError("disk I/O error")
                return done

        def connect(*arguments: Any, timeout: float = 5.0, **options: Any) -> sqlite3.Connection:
            made = sqlite3.connect(*arguments, timeout=0, factory=Connection, **options)
            made.busy_timeout = timeout
            if storage.scheduler.current is not None:
                storage._opened.append((storage.scheduler.current.process, made))
            return made

        fake.__dict__["connect"] = connect
        return [(sqlite3, fake)]

    def carry(self, sql: str, max_wait: float, execute: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        """Execute a statement, and wait for the lock as long as SQLite would."""
        until = self.scheduler.now + max_wait
        if self.scheduler.now < self.away_until:
            raise sqlite3.OperationalError("unable to open database file")
        if sql.startswith(WRITES) and self.scheduler.now < self.full_until:
            raise sqlite3.OperationalError("database or disk is full")
        while True:
            try:
                return self._now(sql, execute)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or self.scheduler.now >= until or self.scheduler.current is None:
                    raise
            self.scheduler.sleep(POLL_INTERVAL)

    def _now(self, sql: str, execute: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        if sql.startswith("BEGIN IMMEDIATE") and self.scheduler.now < self.locked_until:
            raise sqlite3.OperationalError("database is locked")
        return execute()
