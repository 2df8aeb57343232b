"""What a journal needs of a database. The statements are the same for every kind; each kind says how it runs them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

from ..errors import RunRefused, UsageError

LOCK_WAIT = 10.0
"""Real seconds for which another process that is writing is waited for, unless a run has something better to do."""


class ReplacedError(UsageError):
    """What is at the place of the journal is not what was opened."""

    hint = "Find the journal before you do anything else."


class AwayError(RunRefused, UsageError):
    """The server of the journal cannot be reached now: nothing is wrong with the command, as where ECS cannot be asked.

    For people it is refused. Whatever provides for a journal that cannot be used provides for this one.
    """


class Rows(Protocol):
    """What a statement gave."""

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row; ``None`` after the last one."""
        ...

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows that are left."""
        ...


class Database(ABC):
    """An open database, safe to use from several threads.

    In a statement ``?`` stands for a value, ``{clock}`` for the seconds that the clock of the database shows, by which
    leases run out, and ``{locked}`` after a SELECT keeps others from changing its rows until the transaction ends.

    Attributes:
        place: where it is, for people: never with a password.
        shared: whether several hosts write to it, each with processes and a clock of its own.
        server: which server it is on, and its timeline; ``""`` if no copy takes its place.
        lasts: whether another process finds it, too: not one in memory.

    """

    place: str
    shared: ClassVar[bool]
    server: str = ""
    lasts: bool = True

    @abstractmethod
    def using(self) -> AbstractContextManager[None]:
        """Keep other threads out meanwhile; raise what goes wrong as ``UsageError``, in our words."""

    @abstractmethod
    def transaction(self, *, wait: float = LOCK_WAIT) -> AbstractContextManager[None]:
        """Commit all or nothing, and only where the next process will find it.

        Args:
            wait: for how many real seconds another process that is writing is waited for.

        Raises:
            UsageError: nothing was written.
        """

    @abstractmethod
    def alone(self, name: str) -> None:
        """Wait for other transactions that gave this name, and let none begin until this one has ended."""

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
            JournalLostError: what is written from now on nobody would find.
        """

    @abstractmethod
    def make_room(self) -> None:
        """Make sure that what a run writes will find room, as far as that can be done."""

    @abstractmethod
    def keep(self) -> None:
        """Write what was just committed to the main file, so that a copy of that alone has it."""

    @abstractmethod
    def close(self) -> None:
        """Close it."""
