"""What holds the journal, on virtual time: it can be locked by somebody else, full or away, and lose an answer.

SQLite waits for a lock in real time. Here it waits on the scheduler, so that ten seconds of it cost nothing.
"""

from __future__ import annotations

import sqlite3
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.simulation.scheduler import Process, Scheduler

_WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "DROP")


class Storage:
    """What is wrong with the disk now; times are virtual.

    Args:
        scheduler: of the program.
        point: is told ``writing`` before each transaction of a task, and ``written`` once it is on the disk.
    """

    def __init__(self, scheduler: Scheduler, point: Callable[[str], None]) -> None:
        self.scheduler = scheduler
        self._point = point
        self.locked_until = self.full_until = self.away_until = 0.0
        self.unanswered = 0
        """The answers to so many commits are lost, which are done."""
        self._opened: list[tuple[Process, sqlite3.Connection]] = []

    def killed(self, process: Process) -> None:
        """Close what a process had open, as the kernel does: what it had not committed is not there."""
        for owner, connection in self._opened:
            if owner is process:
                connection.close()

    def calm(self) -> None:
        """Let nothing be wrong from here on."""
        self.locked_until = self.full_until = self.away_until = 0.0
        self.unanswered = 0

    @contextmanager
    def bypassed(self) -> Iterator[None]:
        """Let nothing be wrong meanwhile, for a look that is none of the program's."""
        kept = self.locked_until, self.full_until, self.away_until, self.unanswered
        self.calm()
        try:
            yield
        finally:
            self.locked_until, self.full_until, self.away_until, self.unanswered = kept

    def module(self) -> types.ModuleType:
        """Return what takes the place of ``sqlite3`` in the program."""
        fake = types.ModuleType("sqlite3")
        fake.__dict__.update({name: value for name, value in vars(sqlite3).items() if not name.startswith("__")})
        storage = self

        class Connection(sqlite3.Connection):
            patience = 5.0

            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                if sql.startswith("PRAGMA busy_timeout="):
                    self.patience = float(sql.partition("=")[2]) / 1000
                    sql = "PRAGMA busy_timeout=0"
                if sql == "BEGIN IMMEDIATE":
                    storage._point("writing")
                done = storage.carry(sql, self.patience, lambda: super(Connection, self).execute(sql, *values))
                if sql == "COMMIT":
                    storage._point("written")
                    if storage.unanswered:
                        storage.unanswered -= 1
                        raise sqlite3.OperationalError("disk I/O error")
                return done

        def connect(*arguments: Any, timeout: float = 5.0, **options: Any) -> sqlite3.Connection:
            made = sqlite3.connect(*arguments, timeout=0, factory=Connection, **options)
            made.patience = timeout
            if storage.scheduler.current is not None:
                storage._opened.append((storage.scheduler.current.process, made))
            return made

        fake.__dict__["connect"] = connect
        return fake

    def carry(self, sql: str, patience: float, execute: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        """Execute a statement, and wait for the lock as long as SQLite would."""
        until = self.scheduler.now + patience
        if self.scheduler.now < self.away_until:
            raise sqlite3.OperationalError("unable to open database file")
        if sql.startswith(_WRITES) and self.scheduler.now < self.full_until:
            raise sqlite3.OperationalError("database or disk is full")
        while True:
            try:
                return self._now(sql, execute)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or self.scheduler.now >= until or self.scheduler.current is None:
                    raise
            self.scheduler.sleep(0.25)

    def _now(self, sql: str, execute: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        if sql.startswith("BEGIN IMMEDIATE") and self.scheduler.now < self.locked_until:
            raise sqlite3.OperationalError("database is locked")
        return execute()
