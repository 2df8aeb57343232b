"""A glance at the runs of a journal, for shell completion: it writes nothing, not even next to the journal."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .place import refuse_foreign

_MAX_RUNS = 50


@dataclass(frozen=True)
class Glimpse:
    """As much of a run as distinguishes it from others."""

    run_id: str
    started_at: str
    outcome: str | None
    open: bool
    undoable: bool
    """Whether it took a safety snapshot of a disk."""


def glance(path: Path) -> list[Glimpse]:
    """Return the newest runs of a journal, newest first.

    Raises:
        OSError: there is no such file.
        UsageError: others could have written it.
        sqlite3.Error: it cannot be read, or is no journal.
    """
    refuse_foreign(path)
    path = path.resolve(strict=True)
    # A journal that nobody has open has no log next to it, and SQLite would create one even to read. This option
    # prevents that.
    alone = not Path(f"{path}-shm").exists()
    address = f"file:{quote(str(path))}?mode=ro{'&immutable=1' if alone else ''}"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=0.2)) as db:
        rows = db.execute(
            "SELECT run_id, started_at, outcome,"
            " EXISTS (SELECT 1 FROM jobs WHERE jobs.run_id = runs.run_id AND open = 1),"
            " EXISTS (SELECT 1 FROM jobs WHERE jobs.run_id = runs.run_id AND jobs.report LIKE :taken)"
            " FROM runs ORDER BY started_at DESC, run_id DESC LIMIT :most",
            {"taken": '%"safety_snapshot": "%', "most": _MAX_RUNS},
        ).fetchall()
    return [
        Glimpse(name, began, outcome, bool(is_open), bool(undoable)) for name, began, outcome, is_open, undoable in rows
    ]
