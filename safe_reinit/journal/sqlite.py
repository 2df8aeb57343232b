"""A journal in one SQLite file, with WAL and synchronous=FULL; without a path, one in memory for rehearsals."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from tenacity import retry, retry_if_exception, stop_after_delay, wait_random

from ..clock import boottime
from ..errors import UsageError
from .database import LOCK_WAIT, Database, ReplacedError, Rows
from .lease import JournalLostError
from .place import files_of, make_folder, other_schema, refuse_foreign, refuse_network, why_unusable
from .schema import MIGRATIONS, SCHEMA

_RESERVE_SIZE = 1 << 20
"""Bytes of room that are reserved for what a run writes."""
_LOG_PAGES = 128
"""Pages of the log after which it is written to the main file and restarted: half of the reserved room."""
_LOG = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_WORDS = {
    "{sequence}": "INTEGER PRIMARY KEY AUTOINCREMENT", "{real}": "REAL", "{strict}": "STRICT", "{locked}": "",
    "{guard_audit}": "", "{delete}": "DELETE", "{clock}": ":clock",
    "{refuse}": "BEGIN SELECT RAISE(ABORT, 'rows of the audit are only added'); END",
}  # fmt: skip


class _Connected(Database):
    """An open connection: the common part of reading and writing."""

    shared: ClassVar[bool] = False
    _path: Path | None
    _db: sqlite3.Connection
    _lock: threading.RLock

    @property
    def place(self) -> str:  # type: ignore[override]
        """The path."""
        return str(self._path)

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        """Implement ``Database``."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise why_unusable(self._path, error) from None

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """Implement ``Database``."""
        return self._db.execute(_translated(statement), _named(values, boottime()))

    def executemany(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """Implement ``Database``."""
        now = boottime()
        self._db.executemany(_translated(statement), (_named(each, now) for each in values))

    def refuse_replaced(self) -> None:
        """Do nothing: a journal that is only read may be replaced."""

    def make_room(self) -> None:
        """Do nothing: it is only read."""

    def keep(self) -> None:
        """Do nothing: it is only read."""

    def alone(self, name: str) -> None:
        """Do nothing: SQLite allows one writing transaction at a time."""

    def close(self) -> None:
        """Implement ``Database``."""
        with self._lock:
            self._db.close()


class SqliteFile(_Connected):
    """One journal file, open for writing.

    Raises:
        UsageError: (on construction) the file cannot be used: a network file system, no permission, not a journal, or
            newer.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.lasts = path is not None
        self._lock = threading.RLock()
        self._files: dict[Path, tuple[tuple[int, int], int]] = {}
        """The open files of the journal: which they are (device and inode), and their minimum size."""
        if path is not None:
            refuse_network(path)
            refuse_foreign(path)
        if path is not None and path.exists() and not path.is_file():
            raise why_unusable(path, OSError("not a file"))
        try:
            if path is not None:
                make_folder(path.parent)
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(
                path or ":memory:", timeout=LOCK_WAIT, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise why_unusable(path, error) from None
        try:
            with self.using():
                self._prepare()
            self._files = _identities(path)
            if path is not None:
                refuse_foreign(path)  # also a log that somebody put there since, and that SQLite has read
        except UsageError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._keep_a_log()
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._db.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
        sound = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if sound != "ok":
            raise sqlite3.DatabaseError("malformed")
        if self._db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA:
            return  # nothing to write: it can be read while a stopped process keeps it locked
        with self.transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA:
                raise other_schema(self.place, version)
            for migration in MIGRATIONS[version:]:
                for statement in migration.split(";"):
                    self.execute(statement)
            self._db.execute(f"PRAGMA user_version={SCHEMA}")

    @retry(
        retry=retry_if_exception(lambda error: getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY),
        wait=wait_random(max=0.05), stop=stop_after_delay(LOCK_WAIT), reraise=True,
    )  # fmt: skip
    def _keep_a_log(self) -> None:
        """Switch a new file to WAL: of two runs that do so at once SQLite refuses one, however long it may wait."""
        self._db.execute("PRAGMA journal_mode=WAL")

    @contextlib.contextmanager
    def transaction(self, *, wait: float = LOCK_WAIT) -> Iterator[None]:
        """Implement ``Database``."""
        with self.using():
            try:
                self.refuse_replaced()
            except JournalLostError as error:
                raise ReplacedError(str(error)) from None
            if wait != LOCK_WAIT:
                self._db.execute(f"PRAGMA busy_timeout={wait * 1000:.0f}")
            try:
                self._db.execute("BEGIN IMMEDIATE")
            finally:
                if wait != LOCK_WAIT:
                    self._db.execute(f"PRAGMA busy_timeout={LOCK_WAIT * 1000:.0f}")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    def make_room(self) -> None:
        """Grow the file once, so that a disk that fills up while a machine is down does not stop the recording.

        Another run may be doing the same, or may have been killed between the two steps.
        """
        with self.transaction():
            self._db.execute("CREATE TABLE IF NOT EXISTS reserve (room BLOB)")
            self._db.execute("INSERT INTO reserve VALUES (zeroblob(?))", (_RESERVE_SIZE,))
        with self.transaction():
            self._db.execute("DROP TABLE IF EXISTS reserve")
        with self.using():
            self._db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def keep(self) -> None:
        """Implement ``Database``; also record the present sizes of the files, and a log that was not there before."""
        for file, (identity, size) in _identities(self._path).items():
            known, _ = self._files.get(file, (identity, size))
            self._files = {**self._files, file: (known, size)}
        with contextlib.suppress(UsageError), self.using():
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def refuse_replaced(self) -> None:
        """Check that the open files are still those that the next process will find by their names, and undamaged.

        SQLite continues in memory if somebody empties or overwrites the files, and does not notice.

        Raises:
            JournalLostError: one was removed, replaced or damaged: nobody will find what is written from now on.
        """
        for file, (identity, size) in self._files.items():
            now_there = _status(file)
            if now_there is None or _identity(now_there) != identity:
                how = "removed" if now_there is None else "replaced"
                raise JournalLostError(f"The journal {self.place} was {how} while it was open ({file.name}).")
            if _is_damaged(file, now_there.st_size, size):
                raise JournalLostError(
                    f"The journal {self.place} was emptied or written over while it was open ({file.name})."
                )


class SqliteCopy(_Connected):
    """A journal that can only be read: a read-only file, folder or mount, or a copy. Nothing is written next to it.

    Raises:
        UsageError: (on construction) it cannot be read, or others could have written it.
    """

    def __init__(self, path: Path) -> None:
        refuse_foreign(path)
        self._path = path
        self._lock = threading.RLock()
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        real = os.path.realpath(path)
        # Without a log next to it nobody has it open, and SQLite would create one even to read. This option prevents
        # that.
        alone = not os.path.exists(f"{real}-wal")
        try:
            self._db = self._opened(f"file:{quote(real)}?mode=ro{'&immutable=1' if alone else ''}")
        except sqlite3.Error as error:
            if alone:
                raise why_unusable(path, error, "read") from None
            self._db = self._opened_copy(real)

    def _opened(self, address: str) -> sqlite3.Connection:
        opened = sqlite3.connect(address, uri=True, timeout=LOCK_WAIT, isolation_level=None, check_same_thread=False)
        try:
            sound = opened.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            version = opened.execute("PRAGMA user_version").fetchone()[0]
        except BaseException:
            opened.close()
            raise
        if sound and version == SCHEMA:
            return opened
        opened.close()
        raise other_schema(self.place, version) if sound else sqlite3.DatabaseError("malformed")

    def _opened_copy(self, real: str) -> sqlite3.Connection:
        """Read a copy: it has a log next to it, and SQLite would have to write its index there."""
        self._copy = tempfile.TemporaryDirectory(prefix="safe-reinit-")
        try:
            for ending in ("", "-wal"):
                shutil.copyfile(f"{real}{ending}", os.path.join(self._copy.name, f"journal.db{ending}"))
            return self._opened(f"file:{quote(os.path.join(self._copy.name, 'journal.db'))}")
        except (OSError, sqlite3.Error) as error:
            self._copy.cleanup()
            raise why_unusable(self._path, error, "read") from None

    @contextlib.contextmanager
    def transaction(self, *, wait: float = LOCK_WAIT) -> Iterator[None]:  # noqa: ARG002 - nothing is waited for
        """Refuse: this journal can only be read."""
        raise UsageError(f"The journal {self.place} is read-only.", hint="Name another one with --journal.")
        yield

    def close(self) -> None:
        """Implement ``Database``."""
        super().close()
        if self._copy is not None:
            self._copy.cleanup()


@cache  # there are few statements, and each is executed often
def _translated(statement: str) -> str:
    """Return a statement in SQLite's dialect: always the same text, since SQLite caches statements by their text."""
    for word, meant in _WORDS.items():
        statement = statement.replace(word, meant)
    first, *others = statement.split("?")
    return first + "".join(f":v{number}{text}" for number, text in enumerate(others))


def _named(values: Sequence[Any], now: float) -> dict[str, Any]:
    return {"clock": now, **{f"v{number}": value for number, value in enumerate(values)}}


def _identities(path: Path | None) -> dict[Path, tuple[tuple[int, int], int]]:
    """Return which files a journal, its log and its index are now; a rollback log comes and goes."""
    files = [file for file in files_of(path) if not file.name.endswith("-journal")] if path is not None else []
    return {file: (_identity(status), status.st_size) for file in files if (status := _status(file)) is not None}


def _is_damaged(path: Path, size_now: int, size: int) -> bool:
    """Return whether a file of a journal has become smaller, or a log does not begin like one of SQLite.

    An empty log is one to which nothing has been written yet.

    The main file is not opened: closing it would release the locks that SQLite has on it in this process.
    """
    if not path.name.endswith("-wal"):
        return size_now < size
    if size == 0:
        return False
    try:
        with path.open("rb", buffering=0) as file:
            return not file.read(4).startswith(_LOG)
    except OSError:
        return True


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
