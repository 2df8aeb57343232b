"""The parts of the table of settings: a row that says everything about one setting, and the values of all rows."""

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
"""The headings in the help for settings."""
FILE_ONLY: Final = None
"""The group for what the file says for all runs: it has neither an option nor an environment variable."""


class Setting(Generic[T]):
    """Everything about one setting: a row of the table, from which everything else is derived.

    On the class of the table it is the row (``Settings.region``), on an instance its value (``settings.region``), of
    the type ``T``. It is not a dataclass field: making one of sixty fields takes a twentieth of the time of ``--help``,
    and a row can be passed around, whereas a field is only a name.
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
            read: reads a value from any source in its type, range and unit, or raises ``ValueError`` with what it is
                not.
            default: the value if none is given.
            help: what it says, as a sentence without its capital and its period.
            group: the heading in the help for its option, or ``FILE_ONLY``.
            sample: its value in the example of a configuration file, as YAML.
            metavar: the kind of value of its option, in capitals. A switch has none, and words name themselves.
            unset: what applies without a value, in words, if the default does not say it.
            notes: what else there is to know, one line each.
            other_variable: another program's environment variable, read after ours.
            several: which commands accept its option several times; a setting always has only one of these values.
            offers: which names a shell offers for its value.
            limit: whether it limits how much a run does: options and variables can only lower what the file says,
                unless the file allows more.
            nested: whether it is a mapping of its own; if the file leaves it empty, it is refused instead of ignored.
            secret: whether it may contain a password, which is never shown.

        Raises:
            TypeError: something is missing that every row, or every row with an option, has.
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
        """The command line option, if it has one."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables from which it is read, ours first."""
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


class SettingValue(NamedTuple, Generic[T]):
    """A setting's value and its source. It is not a dataclass, since making one takes longer than ``--help`` may."""

    value: T
    source: Source
    location: str
    """The option, the variable, the file, or ``""`` for a default."""
    at_most: T | None = None
    """The limit in the file, if nothing else may raise it."""

    @property
    def is_explicit(self) -> bool:
        """Whether it was given for this very run: by an option, an argument or in the environment."""
        return self.source in ("flag", "env")


class Table:
    """The values of all rows of a table, frozen. Its repr shows no values, because some may be secret."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[Setting[Any], SettingValue[Any]]) -> None:
        self._values = dict(values)

    def of(self, setting: Setting[T]) -> SettingValue[T]:
        """Return a value with its source."""
        return self._values[setting]

    def having(self, setting: Setting[T], value: T) -> Self:
        """Return these settings with another value of one of them, as if it came from where the old one does."""
        return type(self)({**self._values, setting: self.of(setting)._replace(value=value)})

    def given(self, setting: Setting[T], value: SettingValue[T]) -> Self:
        """Return these settings with another value for one of them, and its source."""
        return type(self)({**self._values, setting: value})
