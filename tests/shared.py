"""What takes long to make and is only read: made once for all processes of a session, and not once in each."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of this name that the first process to ask for it has filled; the others wait for it.

    Args:
        factory: of the session's temporary folders.
        name: of the folder, one in the session.
        make: fills the new folder. Where it fails, the next process tries it again.

    """
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, being_made = shared / name, shared / f"{name}-{os.getpid()}"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            being_made.mkdir()
            make(being_made)
            being_made.rename(folder)
    return folder
