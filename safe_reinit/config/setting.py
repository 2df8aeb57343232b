"""What the table of settings is made of: a row that says everything about one setting, and the values of all rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, Literal, NamedTuple, Never, Self, TypeVar, overload

from .readers import OneOf

T = TypeVar("T")
Source = Literal["flag", "env", "file", "default"]
Group = Literal[
    "Consent",
    "Logging in after a system disk is wiped",
    "Waiting",
    "Many machines",
    "Where",
    "Temporal",
    "Simulation",
    "Output",
]
"""The headings of the help that settings stand under."""
FILE_ONLY: Final = None
"""The group of what the file says for all runs: it has neither an option nor an environment variable."""


class Setting(Generic[T]):
    """Everything about one setting: a row of the table, from which all else is derived.

    On the class of the table it is the row (``Settings.region``), on the settings in force its value
    (``settings.region``), of the type ``T``. It is no field of a dataclass, since to make one of sixty fields takes a
    twentieth of what ``--help`` takes; and a row can be handed around where a field is only a name.
    """

    __slots__ = (
        "default", "group", "help", "limit", "metavar", "name", "nested", "notes", "offers", "other_variable", "read",
        "sample", "secret", "several", "unset",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - a row says everything
        self,
        read: Callable[[object], T],
        default: T,
        help: str,
        *,
        group: Group | None,
        sample: str,
        metavar: str = "",
        unset: str = "",
        notes: tuple[str, ...] = (),
        other_variable: str = "",
        several: str = "",
        offers: Literal["regions", "instances"] | None = None,
        limit: bool = False,
        nested: bool = False,
        secret: bool = False,
    ) -> None:
        """Write a row.

        Args:
            read: reads a value of any source in its type, range and unit, or raises ``ValueError`` with what it is not.
            default: what holds where nothing is said.
            help: what it says, as a sentence without its capital and its period.
            group: the heading of the help that its option stands under, or ``FILE_ONLY``.
            sample: the value that the example of a configuration file has, as YAML.
            metavar: what kind of value its option takes, in capitals. A switch takes none, and words name themselves.
            unset: what holds without a value, in words, where the default does not say it.
            notes: what there is to know besides, a line each.
            other_variable: an environment variable of others that is read after ours.
            several: which commands take its option several times; a setting is only ever one of these values.
            offers: which names a shell offers for its value.
            limit: whether it limits how much a run does: what the file says, options and variables only make smaller,
                unless the file allows more.
            nested: whether it is a mapping of its own; left empty in the file, it is refused and not ignored.
            secret: whether it may hold a password, which is never shown.

        Raises:
            TypeError: something is missing that every row, or one with an option, says.
        """
        metavar = metavar or ("|".join(map(str, read.words)) if isinstance(read, OneOf) else "")
        if not (help and sample and (metavar or group is FILE_ONLY or default is False)):
            raise TypeError("A setting has a help, a sample and, if its option takes a value, a metavar.")
        self.name = ""
        self.read, self.default, self.help, self.group = read, default, help, group
        self.sample, self.metavar, self.unset, self.notes = sample, metavar, unset, notes
        self.other_variable, self.several, self.offers = other_variable, several, offers
        self.limit, self.nested, self.secret = limit, nested, secret

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @property
    def option(self) -> str:
        """The option of the command line, where it has one."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that it is read from, ours first."""
        if self.group is FILE_ONLY:
            return ()
        ours = f"SAFE_REINIT_{self.name.upper()}"
        return (ours, self.other_variable) if self.other_variable else (ours,)

    @overload
    def __get__(self, table: None, owner: type) -> Setting[T]: ...
    @overload
    def __get__(self, table: Table, owner: type) -> T: ...
    def __get__(self, table: Table | None, owner: type) -> Setting[T] | T:
        return self if table is None else table.of(self).value

    def __set__(self, table: Table, value: Never) -> Never:
        raise AttributeError(f"Settings are frozen, {self.name} too.")


class Value(NamedTuple, Generic[T]):
    """A setting's value and where it comes from; no dataclass, since to make one takes longer than ``--help`` has."""

    value: T
    source: Source
    location: str
    """The option, the variable, the file, or ``""`` for a default."""
    at_most: T | None = None
    """What the file limits it to, where nothing else may raise it."""

    @property
    def is_explicit(self) -> bool:
        """Whether it was said for this very run: by an option, an argument or in the environment."""
        return self.source in ("flag", "env")


class Table:
    """The values of all rows of a table, frozen. It shows none of them by itself: some may be secret."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[Setting[Any], Value[Any]]) -> None:
        self._values = dict(values)

    def of(self, setting: Setting[T]) -> Value[T]:
        """Return a value with its source."""
        return self._values[setting]

    def having(self, setting: Setting[T], value: T) -> Self:
        """Return these settings with another value of one of them, as if it came from where the old one does."""
        return type(self)({**self._values, setting: self.of(setting)._replace(value=value)})

    def given(self, setting: Setting[T], value: Value[T]) -> Self:
        """Return these settings with another value of one of them, and its source."""
        return type(self)({**self._values, setting: value})
