"""Why PostgreSQL cannot be used, in our words: its own text may contain a password, and is not copied."""

from __future__ import annotations

import re
from typing import get_args

import psycopg
from psycopg import errors

from ..errors import UsageError
from .database import AwayError
from .place import Role

_ROLES: tuple[Role, ...] = get_args(Role)
_NOT_ALLOWED = "the role may not do this"
_NO_CONNECT = "permission denied for database"
_WORKS = re.compile(
    r"INSERT INTO (audit|events|late_answers|leases)\b|(UPDATE|DELETE FROM) leases\b|UPDATE (jobs|runs)\b"
    r"|SELECT .*\{locked\}"
)
"""The statements that a worker needs and a reader may not execute; see docs/howto/team.md."""
_GRANT_ROLE = "Grant it the permissions of safe_{}, as the documentation says."
_ROLE = ("the role or its password is refused", "Check the role in the address, and PGPASSFILE.")
_LOCKED = ("another process keeps it locked", "Try again.")
_NO_DATABASE = ("there is no such database", "Create it first, as the documentation says.")
_AWAY = (
    "the server cannot be reached, or does not answer", "Check the address, the network and the server, then try again."
)  # fmt: skip
_NO_HOST = ("the name of its host is not known", "Check the address.")
_NO_CONNECTION = ("it has no connection left for this role", "Try again later.")
_OUTAGES = (_AWAY, _NO_HOST, _NO_CONNECTION)
_BY_CLASS: tuple[tuple[tuple[type[psycopg.Error], ...], tuple[str, str]], ...] = (
    ((errors.InvalidPassword, errors.InvalidAuthorizationSpecification), _ROLE),
    ((errors.DiskFull,), ("its disk is full", "Free some space on the server.")),
    ((errors.LockNotAvailable, errors.QueryCanceled, errors.DeadlockDetected), _LOCKED),
    ((errors.ReadOnlySqlTransaction,), ("the server is read-only", "Name the server that can be written to.")),
    ((errors.InvalidCatalogName,), _NO_DATABASE),
)
_BY_TEXT: tuple[tuple[str, tuple[str, str]], ...] = (
    (
        "does not match host name",
        (
            "TLS: the certificate of the server is for another host name",
            "Name the server in the address as its certificate does.",
        ),
    ),
    (
        "certificate verify failed",
        (
            "TLS: the certificate of the server cannot be verified with the root certificates that are trusted",
            "Check sslrootcert or PGSSLROOTCERT, and whether the certificate has expired.",
        ),
    ),
    (
        "root certificate file",
        (
            "TLS: the file of root certificates is missing, or cannot be read",
            "Check sslrootcert or PGSSLROOTCERT.",
        ),
    ),
    (
        "does not support SSL",
        (
            "TLS: the server does not offer it, but sslmode requires it",
            "Turn ssl on in the configuration of the server.",
        ),
    ),
    (
        r"private key file|could not (read|load) .*certificate|SSL error: (?!unexpected eof)",
        (
            "TLS: client and server do not agree on a connection",
            "Check sslmode, the client's certificate and its key, and the TLS versions that the server accepts.",
        ),
    ),
    (r"authentication failed|no password supplied|role .* (does not exist|is not permitted to log in)", _ROLE),
    (
        "pg_hba.conf",
        (
            "the server does not accept this role from this host in this way",
            "Ask its administrator for a line in pg_hba.conf; hostssl there needs sslmode=require or verify-full here.",
        ),
    ),
    ("database .* does not exist", _NO_DATABASE),
    ("too many|connection slots are reserved", _NO_CONNECTION),
    ("session is read-only", ("the server is read-only", "Name the server that can be written to.")),
    ("failed to resolve host", _NO_HOST),
    (
        r"invalid (integer|port|.* value)",
        ("its address cannot be understood", "Check the port and the parameters in it."),
    ),
)
"""By the English text of libpq about a failed connection, because it has no code for that."""


def unusable(place: str, error: psycopg.Error, statement: str = "", role: Role = "reader") -> UsageError:
    """Return why the journal at a place, which is shown as it is, cannot be used.

    Args:
        place: the place.
        error: what the server or libpq said.
        statement: the last statement, in the form of ``Database``; ``""`` before the first one.
        role: the role with the fewest rights that may do what the journal was opened for.

    """
    why, hint = message = _reason(error, statement, role)
    kind = AwayError if message in _OUTAGES else UsageError
    return kind(f"The journal {place} cannot be used: {why}.", hint=hint)


def _reason(error: psycopg.Error, statement: str, role: Role) -> tuple[str, str]:
    if isinstance(error, errors.InsufficientPrivilege | errors.InvalidSchemaName):
        return _NOT_ALLOWED, _GRANT_ROLE.format(max(role, _least_role(statement), key=_ROLES.index))
    for kinds, message in _BY_CLASS:
        if isinstance(error, kinds):
            return message
    if not isinstance(error, psycopg.OperationalError):
        return f"the server refuses the statement ({error.sqlstate or type(error).__name__})", _AWAY[1]
    text = str(error)
    if _NO_CONNECT in text:
        return _NOT_ALLOWED, _GRANT_ROLE.format(role)
    return next((message for pattern, message in _BY_TEXT if re.search(pattern, text)), _AWAY)


def _least_role(statement: str) -> Role:
    """Return the role with the fewest rights that may execute a statement of the journal."""
    statement = statement.strip()
    if _WORKS.match(statement):
        return "worker"
    if not statement or statement.startswith("SELECT"):
        return "reader"
    return "operator" if statement.startswith(("INSERT", "UPDATE", "DELETE")) else "owner"
