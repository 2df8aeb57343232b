"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os


def replace_file(name: str, text: str, mode: int) -> None:
    """Write a file completely or not at all: first next to the one that it then replaces.

    Args:
        name: the name of the file; it is not a link.
        text: its content.
        mode: who may read and write it.

    Raises:
        OSError: it cannot be written.
    """
    beside = f"{name}.{os.urandom(4).hex()}.tmp"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
