"""What may not be a journal; who this process is."""

from __future__ import annotations

import getpass
import os
from datetime import datetime, timezone
from pathlib import Path

from ..errors import UsageError

_NETWORK_FILE_SYSTEMS = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "9p", "ocfs2", "gfs2", "beegfs")
)


def refuse_network(path: Path) -> None:
    """Refuse a file system on which SQLite's locks cannot be relied on."""
    kind, longest = "", -1
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8").splitlines()
    except OSError:
        return
    target = str(path.absolute())
    for line in mounts:
        fields = line.split(" ")
        point = fields[1].replace("\\040", " ").rstrip("/")
        if (target == point or target.startswith(f"{point}/")) and len(point) >= longest:
            kind, longest = fields[2], len(point)
    if kind in _NETWORK_FILE_SYSTEMS or kind.startswith("fuse."):
        raise UsageError(
            f"The journal {path} is on a network file system ({kind}), where locks cannot be relied on.",
            hint="Name a file on a local disk with --journal.",
        )


def process(pid: int) -> str:
    """Tell when a process began, in the kernel's own ticks since boot; ``""`` where there is none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {Path(f'/proc/{pid}/stat').read_text('ascii').rpartition(')')[2].split()[19]}"
    except (OSError, IndexError):
        return ""


def user() -> str:
    """Tell who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def now() -> str:
    """Tell the real time, as the journal writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
