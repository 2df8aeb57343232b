"""The audit of a journal: who did what to a run, or to all runs. Entries are appended with the action, and stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .place import now, who

AuditAction = Literal[
    "begin", "undo", "carry", "take-over", "resume", "agree", "disagree", "verdict", "end", "close", "withdraw",
    "cancel", "hold", "unhold", "prune",
]  # fmt: skip
"""The kinds of actions."""
NEEDS: Mapping[AuditAction, str] = {
    "begin": "INSERT INTO runs SELECT * FROM runs WHERE 1=0",
    "carry": "UPDATE jobs SET state=state WHERE 1=0",
    "cancel": "UPDATE leases SET cancelled=cancelled WHERE 1=0",
    "hold": "INSERT INTO hold SELECT * FROM hold WHERE 1=0",
    "unhold": "DELETE FROM hold WHERE 1=0",
    "prune": "DELETE FROM runs WHERE 1=0",
}
"""By action, a statement that changes nothing, and that a database refuses to anyone who may not do the action."""


@dataclass(frozen=True)
class AuditEntry:
    """One recorded action."""

    at: str
    """RFC 3339 UTC; in PostgreSQL, by the clock of the server."""
    user: str
    """Who did it, with their host, as reported by their process."""
    role: str
    """The PostgreSQL role, as reported by the server; ``""`` in a file."""
    action: AuditAction
    run_id: str
    """``""``: all runs."""
    detail: str


def appended(action: AuditAction, run_id: str = "", detail: str = "") -> tuple[str, Sequence[object]]:
    """Return the statement that appends an entry, and its values, for the transaction of the action itself."""
    statement = "INSERT INTO audit (at, username, action, run_id, detail) VALUES (?,?,?,?,?)"
    return statement, (now(), who(), action, run_id, detail)


def begun(plan: Mapping[str, Any], disks: Sequence[Sequence[str]], undoes: str) -> str:
    """Return, for the audit, how many disks and machines a run covers, and where."""
    count = sum(map(len, disks))
    machines, each = len(disks), "" if count == 1 else "s"
    text = f"{count} disk{each} of {machines} machine{'' if machines == 1 else 's'} in {plan['region']}"
    simulated = ", simulated" if plan.get("simulated") else ""
    return f"{text}{simulated}{f', undoes {undoes}' if undoes else ''}"
