"""Prunes runs. What remains is that their plan was run, the result of their key, and the audit."""

from __future__ import annotations

from ..model.codec import dumps
from .database import Database
from .reading import WHOLE, Reader

_OF_A_RUN = ("events", "learnt", "late_answers", "disks", "jobs", "leases", "runs")
"""The tables that have rows of a run, in the order in which they are deleted."""


def forget(database: Database, run_id: str) -> None:
    """Delete a run, in the caller's transaction."""
    for table in _OF_A_RUN:
        database.execute(f"DELETE FROM {table} WHERE run_id=?", (run_id,))  # noqa: S608 - our own names


def forget_ended(database: Database, journal: Reader, before: str) -> list[str]:
    """Delete the runs that ended before a time, in the caller's transaction, and return them; never an open one.

    Args:
        database: the database of the journal.
        journal: the same, for reading.
        before: RFC 3339 UTC.

    """
    ended = (
        f"SELECT run_id FROM runs WHERE ended_at < ? AND whole='' AND run_id NOT IN"  # noqa: S608 - our names
        f" (SELECT {WHOLE} FROM jobs JOIN runs USING (run_id) WHERE open=1)"
    )
    names = [row[0] for row in database.execute(ended, (before,)).fetchall()]
    for name in names:
        database.execute("INSERT INTO used_plans SELECT plan_id, run_id FROM runs WHERE run_id=?", (name,))
        if database.execute("SELECT 1 FROM once_keys WHERE run_id=?", (name,)).fetchone():
            stored = journal.run(name)
            report = dumps(stored.report) if stored is not None and stored.report is not None else None
            database.execute("UPDATE once_keys SET report=? WHERE run_id=?", (report, name))
        parts = database.execute("SELECT run_id FROM runs WHERE whole=?", (name,)).fetchall()
        for part in (*(row[0] for row in parts), name):
            forget(database, part)
    return names
