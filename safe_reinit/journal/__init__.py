"""The journal: runs, their jobs, every event, and who holds them, in an SQLite file or in PostgreSQL.

The process that holds a run's lease commits an intention before it sends the call. (A call that brings a machine back
is sent even while the journal cannot be written.) The database enforces that each account, region and instance has at
most one open job. Secrets are never written.

| file | what is in it |
|---|---|
| ``journal``, ``reading`` | writing, by whoever holds a run; reading |
| ``lease`` | which session holds a run, and until when |
| ``schema``, ``database``, ``sqlite``, ``postgres`` | the tables, and the two databases |
| ``refusals`` | why PostgreSQL cannot be used |
| ``stored`` | a run as it is read back |
| ``once`` | keys under which a plan is run at most once |
| ``sharing`` | what the runs of one account and region share: machines that are down, calls per minute |
| ``spool`` | a file of this host, for what cannot be written to the journal at the moment |
| ``audit``, ``forgetting`` | who did what to a run; removing old runs |
| ``place``, ``peek`` | where a journal is; reading it without writing anything, for completion |
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import UsageError
from .audit import AuditAction as AuditAction
from .audit import AuditEntry as AuditEntry
from .database import LOCK_WAIT as LOCK_WAIT
from .journal import Journal as Journal
from .lease import BRIEF_LOCK_WAIT as BRIEF_LOCK_WAIT
from .lease import EndedError as EndedError
from .lease import Holder as Holder
from .lease import JournalError as JournalError
from .lease import JournalLostError as JournalLostError
from .lease import LateAnswer as LateAnswer
from .lease import Lease as Lease
from .lease import LeaseLostError as LeaseLostError
from .once import AlreadyDone as AlreadyDone
from .once import KeyUnsettled as KeyUnsettled
from .once import refuse_used_key as refuse_used_key
from .place import NoJournalError as NoJournalError
from .place import Role as Role
from .place import is_shared as is_shared
from .place import is_there
from .reading import Reader as Reader
from .reading import run_of as run_of
from .reading import shard_id as shard_id
from .sharing import NoRoomError as NoRoomError
from .spool import NO_SPOOL as NO_SPOOL
from .spool import Spool as Spool
from .stored import Hold as Hold
from .stored import ShardToBegin as ShardToBegin
from .stored import StoredJob as StoredJob
from .stored import StoredRun as StoredRun
from .stored import UnreadableRunError as UnreadableRunError
from .stored import readable_record as readable_record


def open_to_write(place: str | Path | None, role: Role = "worker") -> Journal:
    """Open a journal; if there is none yet, create it.

    Args:
        place: a file, ``postgresql://...``, or ``None`` for one in memory, for rehearsals.
        role: for a database, the role with the fewest rights that may do what is planned.

    Raises:
        UsageError: it cannot be used.
    """
    if is_shared(place):
        try:
            from .postgres import Postgres  # noqa: PLC0415 - psycopg is an extra
        except ImportError:
            raise UsageError(
                "A journal in PostgreSQL needs psycopg, which is not installed.",
                hint="Install it: pip install 'psycopg[binary]'",
            ) from None
        return Journal(Postgres(str(place), role))
    from .sqlite import SqliteFile  # noqa: PLC0415 - only one of them is needed

    return Journal(SqliteFile(None if place is None else Path(place)))


def open_to_read(place: str | Path) -> Reader:
    """Open a journal to read it, even if it can only be read.

    Raises:
        NoJournalError: there is none. A reader does not create one, since its place may be mistyped.
        UsageError: it cannot be read.
    """
    if not is_there(place):
        raise NoJournalError(str(place))
    path = Path(place)
    if is_shared(place) or not path.is_file() or not os.access(path, os.R_OK):
        return open_to_write(place, "reader")
    if os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK):
        return open_to_write(path)
    from .sqlite import SqliteCopy  # noqa: PLC0415 - see above

    return Reader(SqliteCopy(path))
