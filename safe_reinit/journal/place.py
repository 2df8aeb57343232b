"""Where a journal may be, and which process on which host writes it."""

from __future__ import annotations

import errno
import getpass
import os
import re
import socket
import stat
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlencode

from ..errors import UsageError
from ..files.home import own_folder
from ..files.trust import refuse_untrusted
from ..model.codec import whole
from .schema import SCHEMA

_NETWORK_FILE_SYSTEMS = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "9p", "ocfs2", "gfs2", "beegfs")
)
_IN_MEMORY = ("tmpfs", "ramfs")

_DATABASE = re.compile(
    r"\s*(postgres(ql)?:|(host|hostaddr|port|dbname|user|service)\s*=)|[^/]*://|.*\bpassword\s*=", re.IGNORECASE
)
"""What is meant as a database, even if it is malformed: it may contain a password all the same."""
_HOST = r"(?:[\w.%-]*|\[[\da-fA-F:.%]*\])(?::\d*)?"
_ADDRESS = re.compile(
    r"(?P<scheme>postgres(?:ql)?://)(?:(?P<user>[^:@/?#\s]*)(?::[^@/?#\s]*)?@)?"
    rf"(?P<where>{_HOST}(?:,{_HOST})*(?:/[^:@/?#\s]*)?)(?:\?(?P<options>[^@\s]*))?"
)
_PUBLIC_OPTIONS = (
    "host", "hostaddr", "port", "dbname", "user", "options", "service", "sslmode", "sslrootcert", "sslcert", "sslkey",
)  # fmt: skip
"""The options of an address that may be shown; any other may be a misspelt password."""


Role = Literal["reader", "worker", "operator", "owner"]
"""The roles of a database: each may do whatever the one before it may; see docs/howto/team.md."""


def is_shared(place: str | Path | None) -> bool:
    """Return whether a journal is a database that several hosts can write."""
    return isinstance(place, str) and _DATABASE.match(place) is not None


def journal_of(named: str | None, environment: Mapping[str, str]) -> str:
    """Return where runs are recorded: a file, or ``postgresql://...``; ``named`` is what the settings say.

    Raises:
        UsageError: none is named, and there is no default place.
    """
    return str(named or default_journal(environment))


def spool_of(journal: str, environment: Mapping[str, str]) -> Path:
    """Return where this host keeps what cannot be written to a journal: in the folder of a file journal.

    Raises:
        UsageError: the user has no home folder.
    """
    return (default_journal(environment) if is_shared(journal) else Path(journal)).parent / "spool"


def default_journal(environment: Mapping[str, str]) -> Path:
    """Return where the journal is: the machine's for root, otherwise in the user's state directory.

    Raises:
        UsageError: the user has no home folder.
    """
    if os.getuid() == 0:
        return Path("/var/lib/safe-reinit/journal.db")
    folder = own_folder(environment, "XDG_STATE_HOME", ".local/state")
    if folder is None:
        raise UsageError(
            "This user has no home folder, so there is no place for the journal.",
            hint="Set HOME, or name a file with --journal.",
        )
    return folder / "journal.db"


class NoJournalError(UsageError):
    """There is no journal at a place."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"There is no run yet: the journal {place} does not exist.",
            hint="Root and each user have their own journal. To name another one: --journal FILE.",
        )
        self.place = place


def is_there(place: str | Path) -> bool:
    """Return whether a journal may have something to read; a database is checked only when it is opened."""
    if is_shared(place):
        return True
    try:
        os.stat(place)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # such as a folder that may not be entered: opening it reports why it cannot be read
        return True
    return True


def redacted(place: str) -> str:
    """Return the place of a journal as it may be shown: a database without its password, wherever that is written.

    Text that is not an address, for example with a password that should have been percent-encoded, is not shown at all.
    """
    if not is_shared(place):
        return place
    found = _ADDRESS.fullmatch(place)
    if found is None:
        return "postgresql://..."
    given = [(name, value) for name, value in parse_qsl(found["options"] or "") if name in _PUBLIC_OPTIONS]
    user_name = f"{found['user']}@" if found["user"] is not None else ""
    return f"{found['scheme']}{user_name}{found['where']}{f'?{urlencode(given)}' if given else ''}"


def refuse_network(path: Path) -> None:
    """Refuse a file system whose locks are not reliable enough for SQLite.

    Raises:
        UsageError: it is such a file system.
    """
    _, kind = _mount_of(path)
    if kind in _NETWORK_FILE_SYSTEMS or kind.startswith("fuse."):
        raise UsageError(
            f"The journal {path} is on a network file system ({kind}), where locks cannot be relied on.",
            hint="Name a file on a local disk with --journal.",
        )


def vanishing(place: str | None) -> str:
    """Return, for people, why a journal file may be lost with its container or at the next boot; ``""`` if not known.

    From within a container, the tool cannot know whether any other file system outlives it.
    """
    if place is None or is_shared(place):
        return ""
    point, kind = _mount_of(Path(place))
    if kind in _IN_MEMORY:
        where = f"is in memory ({kind} at {point or '/'}): it is lost at the next boot, and with its container"
    elif (kind, point) == ("overlay", ""):
        where = "is on the root file system of a container (overlay): it is lost with the container"
    else:
        return ""
    return (
        f"WARNING: The journal {place} {where}. Without it, nobody knows which machines a run left stopped, or which "
        "wipes have an unknown outcome. With --journal, name a file on a volume or a PostgreSQL database."
    )


def _mount_of(path: Path) -> tuple[str, str]:
    """Return where the file system of a path is mounted (the root is ``""``) and its type; both ``""`` if not known."""
    found = "", ""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8").splitlines()
    except OSError:
        return found
    target = os.path.realpath(path)  # a link leads to the file system where the file really is
    for line in mounts:
        fields = line.split(" ")
        point = fields[1].replace("\\040", " ").rstrip("/")
        if (target == point or target.startswith(f"{point}/")) and len(point) >= len(found[0]):
            found = point, fields[2]
    return found


def files_of(path: Path) -> tuple[Path, ...]:
    """Return every file that SQLite reads as part of a journal: they are next to the real file, wherever a link is."""
    real = os.path.realpath(path)
    return (path, *(Path(f"{real}{ending}") for ending in ("-wal", "-shm", "-journal")))


def refuse_foreign(path: Path) -> None:
    """Refuse a journal that belongs to others, or that others could have written or could replace.

    Raises:
        UsageError: others could.
    """
    for file in files_of(path):
        refuse_untrusted(file, "the journal", hint="else name another with --journal")


def make_folder(path: Path) -> None:
    """Create the folder of a journal and its missing parents, for the caller alone whatever the umask.

    Raises:
        OSError: it cannot be created.
    """
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


_DAMAGED = "Keep it, name another file with --journal, and check the machines of its runs in the ECS console."
_KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip


def _other_than_a_file(path: Path | None) -> str:
    """Return what a path leads to if it is not a regular file, with its article; ``""`` if it is one, or not known."""
    try:
        mode = os.stat(path).st_mode if path is not None else stat.S_IFREG
    except OSError:
        return ""
    return next((name for test, name in _KINDS if test(mode)), "")


def why_unusable(path: Path | None, error: Exception, what: str = "written") -> UsageError:
    """Return, in our words, why a journal cannot be ``written`` or ``read``."""
    reason = str(error).lower()
    other = _other_than_a_file(path)
    if other:
        why, hint = f"it is {other} and not a file", "Correct --journal: name a file."
    elif "disk is full" in reason or getattr(error, "errno", None) == errno.ENOSPC:
        why, hint = "the disk is full", "Free some space, or name another file with --journal."
    elif "malformed" in reason or "not a database" in reason:
        why, hint = "it is damaged or not a journal", _DAMAGED
    elif "no such column" in reason or "no such table" in reason or "has no column" in reason:
        why, hint = f"it lacks a table or a column of a journal ({error})", _DAMAGED
    elif "locked" in reason:
        why, hint = "another process keeps it locked", "Try again."
    else:
        cause = error.strerror or "" if isinstance(error, OSError) else str(error)
        why = f"it cannot be {what}{f' ({cause})' if cause else ''}"
        hint = "Check the rights of the file and of its folder, or name another file with --journal."
    return UsageError(f"The journal {path} cannot be used: {why}.", hint=hint)


def boot_id() -> str:
    """Return the id of this boot of the machine; ``""`` if the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def pid_namespace() -> str:
    """Return the PID namespace of this process, in which its process ids mean something; ``""`` if not known."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def is_dead(pid: int) -> bool:
    """Return whether no process of this PID namespace has this id.

    Only the kernel's answer "no such process" counts. A process that may not be signalled is alive, and one that
    ``/proc`` hides (``hidepid``) proves nothing.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def user() -> str:
    """Return the name of the user who runs this process."""
    try:
        return whole(getpass.getuser())
    except (KeyError, OSError):
        return str(os.getuid())


def who() -> str:
    """Return the user who runs this process, with the host."""
    return f"{user()}@{socket.gethostname()}"


def now(*, ago: float = 0.0) -> str:
    """Return the real time, or the time this many seconds ago, in the format of the journal."""
    return (datetime.now(UTC) - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def other_schema(place: str, version: int) -> UsageError:
    """Return the error for a journal with a schema that this program does not know."""
    if version > SCHEMA:
        return UsageError(
            f"The journal {place} was written by a newer safe-reinit (schema {version}).",
            hint="Use that version, or another --journal.",
        )
    return UsageError(f"The file {place} is not a safe-reinit journal.", hint="Correct --journal.")
