"""The journal that the settings of a command name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from ..config import resolve
from ..errors import UsageError
from ..journal import Journal, Reader, Role, Spool, open_to_read, open_to_write
from ..journal.place import journal_of, spool_of
from .output import print_stderr


def open_journal(flags: Mapping[str, Any], role: Role = "operator") -> Journal:
    """Open the journal that the settings name.

    Args:
        flags: the options.
        role: the role with the fewest rights that may do what is to be done.

    Raises:
        UsageError: it cannot be used.
    """
    return open_to_write(journal_of(resolve(flags, os.environ, flags.get("config")).journal, os.environ), role)


def read_journal(flags: Mapping[str, Any]) -> Reader:
    """Open the journal that the settings name to read it, also where it may only be read.

    Raises:
        UsageError: it cannot be read.
    """
    place = journal_of(resolve(flags, os.environ, flags.get("config")).journal, os.environ)
    journal = open_to_read(place)
    with contextlib.suppress(UsageError):  # there is no place for such files, or the journal cannot be read
        for message in Spool(spool_of(place, os.environ)).tidy(journal):
            print_stderr(message)
    return journal
