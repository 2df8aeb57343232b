"""The audit of a journal: who did what to a run, or to all of them. Acts are appended with what they do, and stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .place import now, who

AuditAction = Literal[
    "begin", "undo", "carry", "take-over", "resume", "agree", "disagree", "verdict", "end", "close", "withdraw",
    "cancel", "hold", "unhold", "prune",
]  # fmt: skip
"""What an act can be."""
NEEDS: Mapping[AuditAction, str] = {
    "begin": "INSERT INTO runs SELECT * FROM runs WHERE 1=0",
    "carry": "UPDATE jobs SET state=state WHERE 1=0",
    "cancel": "UPDATE leases SET cancelled=cancelled WHERE 1=0",
    "hold": "INSERT INTO hold SELECT * FROM hold WHERE 1=0",
    "unhold": "DELETE FROM hold WHERE 1=0",
    "prune": "DELETE FROM runs WHERE 1=0",
}
"""By the act a statement that changes nothing, and that a database refuses to whoever may not do it."""


@dataclass(frozen=True)
class AuditEntry:
    """What somebody did."""

    at: str
    """RFC 3339 UTC; in PostgreSQL by the clock of the server."""
    user: str
    """Who did it, with their host, as their process said."""
    role: str
    """As which role of PostgreSQL, as the server said; ``""`` in a file."""
    action: AuditAction
    run_id: str
    """``""``: all runs."""
    detail: str


def appended(action: AuditAction, run_id: str = "", detail: str = "") -> tuple[str, Sequence[object]]:
    """Return the statement that appends an act, and its values, for the transaction of the act itself."""
    statement = "INSERT INTO audit (at, username, action, run_id, detail) VALUES (?,?,?,?,?)"
    return statement, (now(), who(), action, run_id, detail)


def begun(plan: Mapping[str, Any], disks: Sequence[Sequence[str]], undoes: str) -> str:
    """Return for the audit how much a run is about, and where."""
    count = sum(map(len, disks))
    machines, each = len(disks), "" if count == 1 else "s"
    text = f"{count} disk{each} of {machines} machine{'' if machines == 1 else 's'} in {plan['region']}"
    simulated = ", simulated" if plan.get("simulated") else ""
    return f"{text}{simulated}{f', undoes {undoes}' if undoes else ''}"
