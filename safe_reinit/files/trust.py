"""Whether other people could have written a file: the one rule for the journal, the configuration and plan files.

``others_may_write`` checks one file, link or folder; ``refuse_untrusted`` also checks the links and folders on the path
to a file, and raises the error for people. "Others" are everybody except root and the user who runs this process.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shlex
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError

_MOST_LINKS = 40
"""The most symbolic links on the path to a file: as many as Linux follows."""
_ACL = "system.posix_acl_access"
"""The attribute with the access control list of a file (Linux, posix_acl_xattr.h): a version, then its entries."""
_ACL_HEAD, _ACL_USER, _ACL_GROUP, _ACL_WRITE = 4, 0x02, 0x08, 2


def refuse_untrusted(path: Path | str, what: str, *, hint: str = "", folders: bool = True) -> None:
    """Refuse a file that others could write or, with ``folders``, could replace with another one.

    A file that does not exist is not refused, but the folders that lead to it are checked all the same.

    Args:
        path: the file.
        what: what it is, for people, with its article: ``the journal``.
        hint: what to do instead of changing the owner or mode, if there is something.
        folders: also check every folder and link on the path. A folder that others may write is accepted if it is
            sticky, like ``/tmp``: in it they cannot replace what belongs to somebody else.

    Raises:
        UsageError: others could have written it; the hint names the chmod or chown.
    """
    path = Path(path)
    found: tuple[str, str] | None = None
    with contextlib.suppress(
        OSError
    ):  # nobody wrote a file that does not exist, and nobody can open one that cannot be seen
        if not folders:
            found = others_may_write(path, path.stat())
        else:
            for step in _steps(path):
                found = found or others_may_write(step, step.lstat())
    if found is not None:
        why, command = found
        raise UsageError(
            f"Others may write {what} {path}: {why}. It cannot be trusted and is not used.",
            hint=f"If its content is yours, run: {command}{f'; {hint}' if hint else ''}",
        )


def others_may_write(path: Path | str, status: os.stat_result) -> tuple[str, str] | None:
    """Return why others may write one file, link or folder, and the command that prevents it; ``None`` if they may not.

    They may if it belongs to neither root nor the caller, if everybody may write it, or if its group may (unless that
    is the caller's own group with nobody else in it). What is in a sticky folder belongs to its owner whoever may write
    the folder, the mode of a symbolic link means nothing, and a device is not checked.

    Args:
        path: its name, for the message.
        status: the result of ``os.stat``, ``os.lstat`` or ``os.fstat``.
    """
    caller, name = os.getuid(), shlex.quote(str(path))
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        return None  # it keeps nothing that others write
    if status.st_uid not in (0, caller):
        return f"{path} belongs to {_user(status.st_uid)}", f"sudo chown {_user(caller)} {name}"
    if stat.S_ISLNK(status.st_mode) or (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX):
        return None
    if status.st_mode & stat.S_IWOTH:
        return f"everybody may write {path}", f"chmod go-w {name}"
    if status.st_mode & stat.S_IWGRP and not _of_one(status.st_gid, caller):
        return f"its group {_group(status.st_gid)} may write {path}", f"chmod g-w {name}"
    if status.st_mode & stat.S_IWGRP and (other := _other_in_acl(path, caller)):
        return f"its access control list lets {other} write {path}", f"setfacl -b {name}"
    return None


def _other_in_acl(path: Path | str, caller: int) -> str:
    """Return a user or group that an access control list of POSIX allows to write a file; ``""`` if there is none.

    If a file has such a list, the group bits of its mode are the mask: without them none of its entries may write.
    """
    try:
        listed = os.getxattr(path, _ACL, follow_symlinks=False)
    except (OSError, AttributeError):  # there is none, or this system does not have them
        return ""
    for tag, permissions, who in struct.iter_unpack("<HHI", listed[_ACL_HEAD:]):
        if tag == _ACL_USER and permissions & _ACL_WRITE and who not in (0, caller):
            return f"user {_user(who)}"
        if tag == _ACL_GROUP and permissions & _ACL_WRITE and not _of_one(who, caller):
            return f"group {_group(who)}"
    return ""


def _steps(path: Path) -> Iterator[Path]:
    """Yield each folder and link that decides which file a path names, from the root on, and finally that file."""
    at, links = Path("/"), 0
    ahead = list(reversed(path.absolute().parts[1:]))
    yield at
    while ahead:
        name = ahead.pop()
        if name == "..":
            at = at.parent
            continue
        step = at / name
        yield step
        if not step.is_symlink():
            at = step
            continue
        links += 1
        if links > _MOST_LINKS:
            return  # the kernel tells whoever opens it
        target = Path(os.readlink(step))
        at = Path("/") if target.is_absolute() else at
        ahead += [name for name in reversed(target.parts) if name != "/"]


def _of_one(gid: int, uid: int) -> bool:
    """Return whether a group is the caller's own, with no other member: by custom it has the caller's name.

    Users of a directory service cannot always be listed. A group that they share does not have a user's name.
    """
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(uid)
    except KeyError:
        return False
    own = group.gr_name == user.pw_name and user.pw_gid == gid and set(group.gr_mem) <= {user.pw_name}
    return own and not any(each.pw_gid == gid and each.pw_uid != uid for each in pwd.getpwall())


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
