"""The journal that the settings of a command name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..config import Settings, resolve
from ..errors import UsageError
from ..journal import (
    Journal,
    NoJournalError,
    Reader,
    Role,
    Spool,
    open_to_read,
    open_to_write,
)
from ..journal.place import is_there, journal_of, spool_of
from .output import print_stderr


def open_journal(flags: Mapping[str, Any], role: Role = "operator", *, begin: bool = False) -> Journal:
    """Open the journal that the settings name.

    Args:
        flags: the options.
        role: the role with the fewest rights that may do what is planned.
        begin: whether to create it if there is none. One that somebody named is never created, since its name may be
            mistyped.

    Raises:
        NoJournalError: there is none.
        UsageError: it cannot be used.
    """
    place = _place_of(flags)
    if not begin and not is_there(place):
        raise NoJournalError(place)
    return open_to_write(place, role)


def read_journal(flags: Mapping[str, Any]) -> Reader:
    """Open the journal that the settings name for reading, even if it can only be read.

    Raises:
        NoJournalError: there is none.
        UsageError: it cannot be read.
    """
    place = _place_of(flags)
    journal = open_to_read(place)
    with contextlib.suppress(UsageError):  # there is no place for such files, or the journal cannot be read
        for message in Spool(spool_of(place, os.environ)).tidy(journal):
            print_stderr(message)
    return journal


def kept_for(flags: Mapping[str, Any], run_id: str) -> list[Path]:
    """Return the files of this host that keep what a run could not write to the journal that the settings name."""
    with contextlib.suppress(UsageError):  # there is no place for such files
        return sorted(spool_of(_place_of(flags), os.environ).glob(f"{run_id}*.json"))
    return []


def _place_of(flags: Mapping[str, Any]) -> str:
    """Return where the journal is, or would be.

    Raises:
        UsageError: somebody named one, and there is none: that its runs need nobody must not be read from it.
    """
    settings = resolve(flags, os.environ, flags.get("config"))
    place = journal_of(settings.journal, os.environ)
    named = settings.of(Settings.journal)
    if named.source != "default" and not is_there(place):
        file, _, member = named.location.partition(": ")
        raise UsageError(
            f"There is no journal at {place}, and none was created there.",
            hint=f"Correct {f'{member} in {file}' if member else named.location}. If no run was begun yet, the first "
            "one creates the journal.",
        )
    return place


@contextlib.contextmanager
def saying_none(show: Callable[[str], None]) -> Iterator[None]:
    """If there is no journal yet, show where it would be and end the block: there is nothing to do."""
    try:
        yield
    except NoJournalError as error:
        show(f"{error} {error.hint}")
