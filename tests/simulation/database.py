"""A journal in a real PostgreSQL, on virtual time: it is killed, cut off, failed over or restored, and loses answers.

Each scenario has a schema of one server. The program's own statements go there over its own driver; what is virtual is

- the clock: a statement that reads it is sent with the virtual time in its place;
- waiting for a lock that somebody has, and the server's limits for that and for an idle transaction;
- what happens to connections, and how long it takes to notice;
- the timeline, which a function of that schema says in the place of the server's own.
"""

from __future__ import annotations

import itertools
import os
import types
from collections.abc import Callable, Generator, Iterator
from typing import Any, ClassVar

import psycopg
from psycopg import errors

from safe_reinit.journal import postgres
from tests.postgresql import Server
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.storage import JOURNAL_OUTAGE, POLL_INTERVAL, WRITES, Storage

LOCK_TIMEOUT = 10.0
"""Seconds for which the program has the server wait for a lock, and lets a transaction be idle."""
HANG_TIMEOUT = 10.0
"""Seconds after which a connection over which nothing comes back counts as lost, as the program asks for it."""
CONNECT_TIMEOUT = 5.0
"""Seconds for which the program waits for a new connection."""
_ANSWER_WAIT = 0.02
"""Real seconds after which a statement that was not answered is seen to wait for a lock, or not."""
_numbers: Iterator[int] = itertools.count(1)


def at_virtual_time(query: str, scheduler: Scheduler) -> str:
    """Return a statement that reads no clock of the server: it has the virtual time in its place."""
    return query.replace("clock_timestamp()", f"to_timestamp({scheduler.now!r})")


class _Connection(postgres.TimedConnection):
    """A connection of the program."""

    database: Database
    process: Process | None = None
    dropped = False
    """Whether the server has ended it, of which the program hears with its next statement."""
    lost = False
    """Whether the program knows that."""
    number = 0
    """Of its transaction."""
    spoke = 0.0
    """When it carried out its last statement."""
    lock_timeout = LOCK_TIMEOUT
    """For how long its transaction waits for a lock."""

    @property
    def closed(self) -> bool:
        """Whether the program knows that it is closed."""
        return self.lost or super().closed

    def close(self) -> None:
        """Close it, and see that the server has, too."""
        self.lost = True
        self.database.end(self)

    def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        """Carry out a statement, as far as nothing is wrong. The limits of the server are none of real time."""
        if query.startswith("SET ") and "_timeout" in query:
            query = f"{query.partition('=')[0]}= 0"
        elif "set_config('lock_timeout'" in query:
            self.lock_timeout, params = float(params[0]) / 1000, ("0",)
        return self.database.carry(self, query, lambda sent: super(_Connection, self).execute(sent, params, **more))

    def wait(self, gen: Any, *_: Any, **more: Any) -> Any:
        """Wait for an answer: in real time it comes."""
        return psycopg.Connection.wait(self, self.database.watched(self, gen), interval=_ANSWER_WAIT, **more)


class Database(Storage):
    """A journal in a schema of a server."""

    missed_for: ClassVar[float] = JOURNAL_OUTAGE
    times: ClassVar[tuple[str, ...]] = (*Storage.times, "down_until")

    def __init__(self, scheduler: Scheduler, point: Callable[[str], None], server: Server) -> None:
        super().__init__(scheduler, point)
        self._name = f"simulation_{os.getpid()}_{next(_numbers)}"
        self._schemas = [self._name, f"{self._name}_other"]
        # With its own schema first, the functions that are there stand in for those of the server.
        self.place, self.other = (server.address(f"{name},pg_catalog") for name in self._schemas)
        self._opened: list[_Connection] = []
        self._copies: set[str] = set()
        self._timeline = 0
        self.down_until = 0.0
        """Until when the server does not run: it refuses every connection."""
        self._admin = psycopg.connect(self.place, autocommit=True)
        self._admin.execute("SET session_replication_role = replica")  # triggers refuse to have the audit replaced
        self._locker = psycopg.connect(self.place, autocommit=True)
        for name in self._schemas:
            self._admin.execute(f"CREATE SCHEMA {name}")
        self._promote()

    # ------------------------------------------------------------------------------------------- what is wrong with it

    def calm(self) -> None:
        """Implement ``Storage``."""
        super().calm()
        self._unlock()

    def lock(self, seconds: float) -> bool:
        """Implement ``Storage``: somebody has the table of the leases, if nobody has one of its rows."""
        super().lock(seconds)
        self.scheduler.at(self.locked_until, self._unlock)
        return self._lock()

    def _lock(self) -> bool:
        self._locker.execute("ROLLBACK")
        if self.scheduler.now >= self.locked_until:
            return False
        try:
            self._locker.execute("BEGIN")
            self._locker.execute("LOCK TABLE leases IN EXCLUSIVE MODE NOWAIT")
        except psycopg.Error:
            return False
        return True

    def _unlock(self) -> None:
        if self.scheduler.now >= self.locked_until:
            self._locker.execute("ROLLBACK")

    def kill(self, seconds: float) -> None:
        """Kill the server, and start it again after so long: what was committed is there, and nobody is connected.

        Whoever has a lock takes it again at once.
        """
        self._end_all()
        self._lock()
        self.down_until = max(self.down_until, self.scheduler.now + seconds)

    def fail_over(self, seconds: float, standby: str) -> bool:
        """Kill the server for good, and promote a copy after so long; tell whether something is lost."""
        self.kill(seconds)
        lost = self.restore(standby)
        if self._tables(self._name):
            self._promote()
        return lost

    def _promote(self) -> None:
        self._timeline += 1
        self._admin.execute(
            f"CREATE OR REPLACE FUNCTION {self._name}.pg_walfile_name(pg_lsn) RETURNS text LANGUAGE sql"
            f" AS $$ SELECT '{self._timeline:08X}' $$"
        )

    def killed(self, process: Process) -> None:
        """Implement ``Storage``."""
        for each in self._opened:
            if each.process is process:
                self.end(each)

    def end(self, connection: _Connection) -> None:
        """Have the server end a connection: its transaction is rolled back, and its locks are free."""
        if connection.dropped:
            return
        connection.dropped, pid, held = True, connection.info.backend_pid, connection.number > 0
        connection.number = 0
        connection.pgconn.finish()
        if held:
            self._admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
            while self._one("SELECT EXISTS (SELECT FROM pg_locks WHERE pid=%s)", pid):
                pass

    def _end_all(self) -> None:
        """End every connection, also of somebody who has a lock."""
        self._locker.execute("ROLLBACK")
        for each in self._opened:
            self.end(each)

    # ------------------------------------------------------------------------------------------- what the program does

    def replaced(self) -> list[tuple[Any, Any]]:
        """Implement ``Storage``."""
        return [(postgres.TimedConnection, types.SimpleNamespace(connect=self.connect))]

    def connect(self, **options: Any) -> _Connection:
        """Connect, as far as nothing is wrong."""
        self._read_clock()
        if not self._is_reached(CONNECT_TIMEOUT):
            raise errors.ConnectionTimeout("connection timeout expired")
        if self.scheduler.now < self.down_until:
            raise psycopg.OperationalError("connection refused")
        made = _Connection.connect(**options)
        assert isinstance(made, _Connection)
        made.database = self
        made.process = self.scheduler.current.process if self.scheduler.current is not None else None
        self._opened.append(made)
        return made

    def carry(self, connection: _Connection, query: str, execute: Callable[[str], Any]) -> Any:
        """Carry out a statement of a connection."""
        if connection.lost:
            raise psycopg.OperationalError("the connection is closed")
        self._read_clock()
        if query == "BEGIN":
            self.point("writing")
        if not self._is_reached(HANG_TIMEOUT):
            self._lose(connection, "could not receive data from server: Connection timed out", ends_in=LOCK_TIMEOUT)
        if connection.dropped:
            self._lose(connection, "server closed the connection unexpectedly")
        if query.startswith(WRITES) and self.scheduler.now < self.full_until:
            raise errors.DiskFull("could not extend file: No space left on device")
        is_done = self.loses_answer() if query == "COMMIT" else None
        if is_done is False:
            self._lose(connection, "the connection was lost before the server had the COMMIT")
        done = execute(at_virtual_time(query, self.scheduler))
        self._spoke(connection, query)
        if query == "COMMIT":
            self.point("written")
        if is_done:
            self._lose(connection, "the connection was lost before the answer to the COMMIT came")
        return done

    def _read_clock(self) -> None:
        """Let the process be paused or killed here, as after a reading of its clock."""
        if self.scheduler.current is not None:
            self.scheduler.read()

    def _is_reached(self, max_wait: float) -> bool:
        """Wait while the network is cut; tell whether it is there again in time."""
        left = self.away_until - self.scheduler.now
        if left <= 0 or self.scheduler.current is None:
            return True
        self.scheduler.sleep(min(left, max_wait))
        return left <= max_wait

    def _lose(self, connection: _Connection, why: str, *, ends_in: float = 0.0) -> None:
        """Let the program know that a connection is lost, which the server may notice later."""
        connection.lost = True
        if ends_in:
            self.scheduler.at(self.scheduler.now + ends_in, lambda: self.end(connection))
        else:
            self.end(connection)
        raise psycopg.OperationalError(why)

    def _spoke(self, connection: _Connection, query: str) -> None:
        """Note a statement: the server ends a connection whose transaction is idle for too long."""
        connection.spoke = self.scheduler.now
        if query == "BEGIN":
            number = connection.number = next(_numbers)

            def reading() -> None:
                if connection.number != number:
                    return
                if connection.spoke + LOCK_TIMEOUT <= self.scheduler.now:
                    self.end(connection)
                else:
                    self.scheduler.at(connection.spoke + LOCK_TIMEOUT, reading)

            self.scheduler.at(self.scheduler.now + LOCK_TIMEOUT, reading)
        elif query in ("COMMIT", "ROLLBACK"):
            connection.number, connection.lock_timeout = 0, LOCK_TIMEOUT

    def watched(self, connection: _Connection, answer: Any) -> Generator[Any, Any, Any]:
        """Wait for an answer: on virtual time once the server says that it waits for a lock."""
        until, cancelled = self.scheduler.now + connection.lock_timeout, False
        try:
            expected = next(answer)
            while True:
                ready = yield expected
                if not ready and not cancelled and self.scheduler.current is not None and self._waits(connection):
                    if self.scheduler.now >= until:
                        cancelled = True
                        connection.cancel()
                    else:
                        self.scheduler.sleep(POLL_INTERVAL)
                expected = answer.send(ready)
        except StopIteration as end:
            return end.value

    def _waits(self, connection: _Connection) -> bool:
        return bool(self._one("SELECT cardinality(pg_blocking_pids(%s))", connection.info.backend_pid))

    def _one(self, query: str, *values: Any) -> Any:
        row = self._admin.execute(query, values).fetchone()
        assert row is not None
        return row[0]

    # ------------------------------------------------------------------------------------------------------ its tables

    def _tables(self, schema: str) -> list[str]:
        found = self._admin.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname=%s ORDER BY tablename", (schema,)
        ).fetchall()
        return [row[0] for row in found]

    def exists(self) -> bool:
        """Implement ``Storage``."""
        return "schema_version" in self._tables(self._name)

    def remove(self) -> None:
        """Implement ``Storage``."""
        self._end_all()
        self._admin.execute(f"DROP SCHEMA IF EXISTS {self._name} CASCADE")

    def back_up(self, name: str) -> None:
        """Implement ``Storage``."""
        copy = f"{self._name}_{name}"
        self._admin.execute(f"DROP SCHEMA IF EXISTS {copy} CASCADE")
        self._admin.execute(f"CREATE SCHEMA {copy}")
        for table in self._tables(self._name):
            self._admin.execute(f"CREATE TABLE {copy}.{table} AS TABLE {self._name}.{table}")
        self._copies.add(copy)

    def restore(self, name: str) -> bool:
        """Implement ``Storage``."""
        self._end_all()
        copy = f"{self._name}_{name}"
        if not (self.exists() and self._tables(copy)):
            self.remove()
            return True
        before = self._held()
        tables = self._tables(self._name)
        self._admin.execute(f"TRUNCATE {', '.join(f'{self._name}.{table}' for table in tables)}")
        for table in tables:
            self._admin.execute(
                f"INSERT INTO {self._name}.{table} OVERRIDING SYSTEM VALUE SELECT * FROM {copy}.{table}"
            )
        self._lock()
        return self._held() != before

    def _held(self) -> list[tuple[Any, ...]]:
        """Return what every write changes."""
        return self._admin.execute(f"SELECT run_id, epoch, writes FROM {self._name}.leases ORDER BY run_id").fetchall()

    def text(self) -> dict[str, bytes]:
        """Implement ``Storage``."""
        return {
            f"table {table}": "\n".join(
                row[0] for row in self._admin.execute(f"SELECT each::text FROM {schema}.{table} each").fetchall()
            ).encode()
            for schema in self._schemas
            for table in self._tables(schema)
        }

    def close(self) -> None:
        """Implement ``Storage``."""
        for each in self._opened:
            each.close()
        self._locker.close()
        for schema in (*self._schemas, *self._copies):
            self._admin.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        self._admin.close()
