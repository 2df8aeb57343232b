"""A journal in PostgreSQL, shared by several hosts. libpq's own rules apply to addresses, passwords and TLS.

Only the clock of the database counts, and a lost connection is never taken for a failed COMMIT: the id of each
transaction is known before it commits, and the server is asked for its status (``pg_xact_status``).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, ClassVar, cast

import psycopg
from psycopg import conninfo

from ..clock import boottime
from ..errors import UsageError
from .database import LOCK_WAIT, Database, ReplacedError, Rows
from .lease import JournalError, JournalLostError
from .place import Role, other_schema, redacted
from .refusals import unusable
from .schema import MIGRATIONS, SCHEMA

_CONNECT_TIMEOUT = 5
"""Real seconds to wait for a connection."""
_STATEMENT_TIMEOUT = 10.0
"""Real seconds to wait for a statement, or for a network that does not answer."""
_SILENCE_LIMIT = 15.0
"""Real seconds after which a silent server counts as unavailable, even if the network accepts what is sent."""
_COMMIT_CHECK_LIMIT = 15.0
"""Real seconds for asking for the result of a COMMIT whose answer was lost."""
_RETRY_INTERVAL = 0.5
_ROWS_AT_ONCE = 500
"""Rows that one message to the server writes: none of a run of 10,000 machines is huge."""
_GUARD_AUDIT = """
    CREATE FUNCTION guard_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP <> 'INSERT' THEN
            RAISE insufficient_privilege USING MESSAGE = 'rows of the audit are only added';
        END IF;
        NEW.at := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
        NEW.role := session_user;
        RETURN NEW;
    END $$;
    CREATE TRIGGER audit_is_signed BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION guard_audit()
"""
"""The server sets when an action was done, and as which role: no statement can claim otherwise."""
_WORDS = {
    "{sequence}": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "{real}": "DOUBLE PRECISION", "{strict}": "",
    "{clock}": "extract(epoch FROM clock_timestamp())::float8", "{locked}": "FOR UPDATE", "?": "%s",
    "{guard_audit}": _GUARD_AUDIT, "{delete}": "DELETE OR TRUNCATE", "{refuse}": "EXECUTE FUNCTION guard_audit()",
}  # fmt: skip
_LOCK_CLASS = 7256
"""The first key of our advisory locks; with it, the lock for creating the tables."""


class TimedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that does not wait forever: a server that hangs, for example on its disk, ignores its own limits."""

    def wait(self, gen: Generator[Any, Any, Any], *given: Any, **more: Any) -> Any:  # noqa: ANN401 - as psycopg has it
        """Wait for an answer for as long as there is a sign of one.

        Raises:
            psycopg.OperationalError: there was none for too long; the connection is closed.
        """
        try:
            return super().wait(_impatient(gen), *given, **more)
        except TimeoutError as error:
            self.close()
            raise psycopg.OperationalError(str(error)) from None


class Postgres(Database):
    """A connection to the journal's database, made again if it was lost. Safe to use from several threads.

    Args:
        address: ``postgresql://...``; libpq finds what is left out in ``PGPASSFILE``, ``PGSSLMODE`` and so on.
        role: the role with the fewest rights that may do what it is opened for; named in the error if ours has fewer.

    Raises:
        UsageError: (on construction) the database cannot be used: not reachable, no permission, not a journal, or
            newer.
    """

    shared: ClassVar[bool] = True

    def __init__(self, address: str, role: Role = "reader") -> None:
        self._role = role
        self._hidden = False
        """Whether there seems to be a journal that our role cannot see, so that creating one would not help."""
        self.place = redacted(address)
        self._lock = threading.RLock()
        self._inside = False
        self._statement = ""
        """The last statement, for the error message that says which rights it needs."""
        self._address = self._options_of(address)
        self.server = ""  # the system id, which all its copies share, and the timeline, which changes at a failover
        self._connection: TimedConnection | None = None
        self._not_before = 0.0
        """When to try to connect again."""
        try:
            with self.using():
                self._prepare()
        except UsageError:
            self.close()
            raise

    def _options_of(self, address: str) -> dict[str, Any]:
        try:
            if not address.startswith(("postgresql://", "postgres://")):
                raise psycopg.ProgrammingError
            given = conninfo.conninfo_to_dict(address)
        except psycopg.Error:
            raise UsageError(
                f"The address of the journal {self.place} is not a valid PostgreSQL address.",
                hint="Write postgresql://USER@HOST:PORT/DATABASE.",
            ) from None
        ours = {
            "target_session_attrs": "read-write", "connect_timeout": _CONNECT_TIMEOUT,
            "application_name": "safe-reinit",
            "tcp_user_timeout": int(_STATEMENT_TIMEOUT * 1000), "keepalives_idle": 5, "keepalives_interval": 5,
            "keepalives_count": 2,
        }  # fmt: skip
        # A database without an encoding, as initdb makes it where no locale is set, would give bytes instead of text.
        return {**ours, **given, "target_session_attrs": "read-write", "client_encoding": "utf8"}

    # ------------------------------------------------------------------------------------------- the connection

    def _connected(self) -> TimedConnection:
        """Return the connection, made again if it was lost; within a transaction, always the one on which it began."""
        if self._inside:
            return cast("TimedConnection", self._connection)
        if self._connection is None or self._connection.closed or self._connection.broken:
            opened = self._connect()
            try:
                self.server = self._same_server(opened)
                for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
                    opened.execute(f"SET {name} = {_STATEMENT_TIMEOUT * 1000:.0f}")
                opened.execute(f"SET lock_timeout = {LOCK_WAIT * 1000:.0f}")
                if _one(opened, "SHOW synchronous_commit") == "off":  # an intention must survive a crash
                    opened.execute("SET synchronous_commit = on")
            except BaseException:
                opened.close()
                raise
            self._connection = opened
        return self._connection

    def _connect(self) -> TimedConnection:
        """Connect. An attempt that failed late is not repeated for as long as it took, because what waits is urgent.

        Raises:
            psycopg.OperationalError: it does not come about.
        """
        began = boottime()
        if began < self._not_before:
            raise psycopg.OperationalError("the server did not answer a moment ago")
        try:
            return TimedConnection.connect(**self._address, autocommit=True)
        except psycopg.OperationalError:
            self._not_before = 2 * boottime() - began
            raise

    def _same_server(self, opened: TimedConnection) -> str:
        """Check that it is the server that was first connected to, and that it has not lost what was committed there.

        Raises:
            ReplacedError: it is another server, has failed over, or was restored from a backup.
        """
        found = _one(
            opened,
            "SELECT system_identifier::text || ' ' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
            " FROM pg_control_system()",
        )
        if self.server not in ("", found):
            raise ReplacedError(
                f"The journal {self.place} is on another server than before, or was failed over or restored: what was "
                "written last may be missing there."
            )
        return str(found)

    def refuse_replaced(self) -> None:
        """Implement ``Database``: an open connection leads to the server that was opened.

        Raises:
            JournalLostError: it had to be made again, and leads to another server.
            JournalError: it cannot be made again.
        """
        if self._connection is not None and not (self._connection.closed or self._connection.broken):
            return
        try:
            with self.using():
                self._connected()
        except ReplacedError as error:
            raise JournalLostError(str(error)) from None
        except UsageError as error:
            raise JournalError(str(error)) from None

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        """Implement ``Database``."""
        with self._lock:
            try:
                yield
            except psycopg.Error as error:
                raise unusable(self.place, error, "" if self._hidden else self._statement, self._role) from None

    def close(self) -> None:
        """Implement ``Database``."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    # ------------------------------------------------------------------------------------------------ statements

    def _prepare(self) -> None:
        if self._version() == SCHEMA:
            return
        with self.transaction():
            self._connected().execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_CLASS, 0))
            version = self._version()
            if version > SCHEMA:
                raise other_schema(self.place, version)
            for migration in MIGRATIONS[version:]:
                for statement in migration.split(";"):
                    self.execute(statement)
            self.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
            self.execute("DELETE FROM schema_version")
            self.execute("INSERT INTO schema_version VALUES (?)", (SCHEMA,))
        self._hidden = False

    def _version(self) -> int:
        connection = self._connected()
        # It names a table, so that the server checks again: it may still remember that there was none, from before
        # another process created it while this one waited for the lock.
        if not _one(connection, "SELECT count(*) FROM pg_class WHERE oid = to_regclass('schema_version')"):
            self._hidden = bool(_one(connection, "SELECT count(*) FROM pg_class WHERE relname = 'schema_version'"))
            return 0
        return int(_one(connection, "SELECT version FROM schema_version"))

    @contextlib.contextmanager
    def transaction(self, *, wait: float = LOCK_WAIT) -> Iterator[None]:
        """Implement ``Database``. If the answer to COMMIT is lost, what the server says about it afterwards counts."""
        with self.using():
            self._execute_repeatable("BEGIN")
            connection = self._connected()
            self._inside = True
            try:
                lock_timeout = f"{max(1.0, wait * 1000):.0f}"  # 0 would mean forever
                begun = "SELECT pg_current_xact_id()::text, set_config('lock_timeout', %s, true)"
                number = _one(connection, begun, (lock_timeout,))
                yield
            except BaseException:
                with contextlib.suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._inside = False
            try:
                connection.execute("COMMIT")
            except psycopg.OperationalError:
                connection.close()
                if not self._was_committed(number):
                    raise

    def _was_committed(self, number: str) -> bool:
        """Ask for the status of a transaction.

        Raises:
            psycopg.Error: the server did not say, for too long.
        """
        until = boottime() + _COMMIT_CHECK_LIMIT
        while True:
            try:
                status = _one(self._connected(), "SELECT pg_xact_status(%s::xid8)", (number,))
                if status != "in progress":
                    return bool(status == "committed")
            except psycopg.OperationalError:
                if boottime() >= until:
                    raise
            if boottime() >= until:
                raise psycopg.OperationalError("it is unknown whether a COMMIT succeeded")
            threading.Event().wait(_RETRY_INTERVAL)

    def make_room(self) -> None:
        """Do nothing: the administrator is responsible for the room on a server."""

    def keep(self) -> None:
        """Do nothing: the server's log has what is committed."""

    def alone(self, name: str) -> None:
        """Implement ``Database``."""
        self._connected().execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK_CLASS + 1, name))

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """Implement ``Database``."""
        self._statement = statement
        carry_out = self._connected().execute if self._inside else self._execute_repeatable
        return carry_out(_translated(statement), values)

    def _execute_repeatable(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """Execute a statement that may be executed twice, on a new connection if the old one turns out to be lost."""
        connection = self._connected()
        try:
            return connection.execute(statement, values)
        except psycopg.OperationalError:
            if not connection.closed:
                raise
        return self._connected().execute(statement, values)

    def executemany(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """Implement ``Database``, in few messages and without a pipeline.

        psycopg ends a pipeline with a Flush after the last Sync. That takes from the server the limit of a transaction
        which waits for its client, so a client that is lost would keep its locks, and the run, for hours.
        """
        self._statement, rows = statement, iter(values)
        connection = self._connected()
        row_with = psycopg.ClientCursor(connection).mogrify
        while some := [row_with(_translated(statement), row) for row in islice(rows, _ROWS_AT_ONCE)]:
            connection.execute("; ".join(some), prepare=False)


def _impatient(answer: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Wait for an answer as psycopg does, which reports every tenth of a second that there is nothing new.

    Raises:
        TimeoutError: there was nothing for too long.
    """
    until = boottime() + _SILENCE_LIMIT
    try:
        operation = next(answer)
        while True:
            ready = yield operation
            if ready:
                until = boottime() + _SILENCE_LIMIT
            elif boottime() >= until:
                raise TimeoutError("the server does not answer")
            operation = answer.send(ready)
    except StopIteration as end:
        return end.value


@cache  # there are few statements, and each is executed often
def _translated(statement: str) -> str:
    statement = statement.replace("%", "%%")
    for word, meant in _WORDS.items():
        statement = statement.replace(word, meant)
    return statement


def _one(connection: TimedConnection, statement: str, values: Sequence[Any] = ()) -> Any:  # noqa: ANN401 - of any type
    row = connection.execute(statement, values).fetchone()
    return row[0] if row else None
