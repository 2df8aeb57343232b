"""What a journal needs from a database. The statements are the same for every kind; each kind says how it runs them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

from ..errors import RunRefused, UsageError

LOCK_WAIT = 10.0
"""Real seconds to wait for another process that is writing, unless a run has something more urgent to do."""


class ReplacedError(UsageError):
    """The place of the journal now has something other than what was opened."""

    hint = "Find the journal before you do anything else."


class AwayError(RunRefused, UsageError):
    """The server of the journal cannot be reached now: nothing is wrong with the command, as when ECS cannot be asked.

    People see it as refused. Code that handles a journal that cannot be used handles this one too.
    """


class Rows(Protocol):
    """The result of a statement."""

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row; ``None`` after the last one."""
        ...

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows that are left."""
        ...


class Database(ABC):
    """An open database, safe to use from several threads.

    In a statement, ``?`` stands for a value, ``{clock}`` for the seconds of the database's clock, by which leases
    expire. ``{locked}`` after a SELECT keeps others from changing its rows until the transaction ends.

    Attributes:
        place: where it is, for people: never with a password.
        shared: whether several hosts write to it, each with processes and a clock of its own.
        server: which server it is on, and its timeline; ``""`` if no copy can take its place.
        lasts: whether another process can find it too: not if it is in memory.

    """

    place: str
    shared: ClassVar[bool]
    server: str = ""
    lasts: bool = True

    @abstractmethod
    def using(self) -> AbstractContextManager[None]:
        """Keep other threads out while the block lasts; raise failures as ``UsageError``, in our words."""

    @abstractmethod
    def transaction(self, *, wait: float = LOCK_WAIT) -> AbstractContextManager[None]:
        """Commit all or nothing, and only to a place where the next process will find it.

        Args:
            wait: how many real seconds to wait for another process that is writing.

        Raises:
            UsageError: nothing was written.
        """

    @abstractmethod
    def alone(self, name: str) -> None:
        """Wait for other transactions with this name, and let none begin until this one has ended."""

    @abstractmethod
    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """Carry out one statement."""

    @abstractmethod
    def executemany(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """Carry out one statement for each of several rows."""

    @abstractmethod
    def refuse_replaced(self) -> None:
        """Check that it is still the database that was opened.

        Raises:
            JournalLostError: nobody would find what is written from now on.
        """

    @abstractmethod
    def make_room(self) -> None:
        """Make sure, as far as possible, that there is room for what a run writes."""

    @abstractmethod
    def keep(self) -> None:
        """Write what was just committed to the main file, so that a copy of that file alone contains it."""

    @abstractmethod
    def close(self) -> None:
        """Close it."""
