"""Reads files that somebody names: never a pipe or a device, and never without a limit."""

from __future__ import annotations

import os
import stat


class NotRegularError(Exception):
    """The name leads to something that is not a regular file."""


def read_regular(name: str | os.PathLike[str], limit: int) -> bytes:
    """Return the content of a regular file, at most one byte more than the limit; it never waits for a pipe.

    Args:
        name: the name of the file.
        limit: how many bytes the caller accepts; a longer content was cut.

    Raises:
        NotRegularError: it is a folder, a pipe or a device.
        OSError: it cannot be read.
    """
    with open(os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NotRegularError
        return file.read(limit + 1)
