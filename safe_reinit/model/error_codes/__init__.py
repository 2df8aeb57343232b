"""What each ECS error code means for each call: the verdict and the sentence, in one table by (action, code).

A code belongs to the call that it answers: ``OperationDenied`` means one thing for ReInitDisk and another for
ResetDisk. ``verdict_of_code`` interprets an answer, ``meaning_of`` and ``fix_of`` explain it, all from the same row. A row
names its code exactly. Only a row that ends or begins with ``*`` stands for a family (``Throttling*``,
``*.Initializing``). A code without a row is unknown: it is explained as unknown, and it proves nothing.

A code is never interpreted by its message, because ECS has changed messages, and never by its status alone, because
five codes with two statuses say "the source is gone". ``docs/errors.md`` is made from the table.

| file | what is in it |
|---|---|
| ``row`` | what a row of the table is |
| ``disks``, ``power``, ``other_calls`` | the rows of the calls that wipe; of those that stop and start; of the others |
| ``common`` | the rows of codes that every call can have |
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from .common import COMMON
from .disks import REINIT_DISK, RESET_DISK
from .other_calls import CREATE_SNAPSHOT, TAGS
from .power import START_INSTANCE, STOP_INSTANCE
from .row import EVERY, Code, CodeVerdict

__all__ = [
    "BRINGS_BACK",
    "CHANGING_CALLS",
    "COMMON",
    "CREATE_SNAPSHOT",
    "EVERY",
    "PROVEN",
    "REINIT_DISK",
    "RESET_DISK",
    "START_INSTANCE",
    "STOP_INSTANCE",
    "SUMMARIES",
    "TABLE",
    "TAGS",
    "Code",
    "CodeVerdict",
    "fix_of",
    "is_retried",
    "lacks_right",
    "lookup",
    "meaning_of",
    "of_credentials",
    "passes",
    "renews",
    "rows_of",
    "throttled",
    "verdict_of_code",
    "waits_for_snapshot",
]  # fmt: skip

TABLE: tuple[Code, ...] = (
    *REINIT_DISK, *RESET_DISK, *STOP_INSTANCE, *START_INSTANCE, *CREATE_SNAPSHOT, *TAGS, *COMMON,
)  # fmt: skip
"""Every row."""

SUMMARIES: dict[str, str] = {row.code: row.meaning for row in (*COMMON, *reversed(TABLE))}
"""Each code and family, and what it means for one of the calls that can answer it."""

CHANGING_CALLS = (
    "StopInstance",
    "CreateSnapshot",
    "ReInitDisk",
    "ResetDisk",
    "StartInstance",
    "TagResources",
    "UntagResources",
)
"""The changing calls of a run."""

BRINGS_BACK = frozenset({"StartInstance", "StartInstances", "UntagResources"})
"""The calls that bring a machine back, or leave it as it was found: nothing in a run may delay them."""

PROVEN = "DryRunOperation"
"""What a permitted DryRun answers (ECS API reference: DryRun)."""

_NO_RIGHT = ("Forbidden*", "NoPermission*")
_THROTTLING = ("Throttling*", "Rejected.Throttling")
_SINGLE_CALL = {"StopInstances": "StopInstance", "StartInstances": "StartInstance"}


def rows_of(code: str) -> tuple[Code, ...]:
    """Return the meanings of a code, one row for each group of calls: the rows that ``lookup`` finds for some call."""
    rows = (lookup(action, code) for action in (*CHANGING_CALLS, EVERY))
    return tuple(dict.fromkeys(row for row in rows if row is not None))


@lru_cache(maxsize=4096)
def lookup(action: str, code: str) -> Code | None:
    """Return the row for a code as the answer to a call, or ``None`` for an unknown code.

    What is documented for the call takes precedence over what is documented for every call, a code over a family, and a
    longer family over a shorter one.
    """
    name = _SINGLE_CALL.get(action, action)
    for group in (name, EVERY):
        covering = [row for row in _of(group) if row.covers(code)]
        if covering:
            return max(covering, key=lambda row: (not row.is_family, len(row.code)))
    return None


def _of(action: str) -> Iterator[Code]:
    return (row for row in TABLE if action in row.actions)


def meaning_of(action: str, code: str) -> str:
    """Return what a code means, in our words: no text of ECS is ever repeated, since such texts can quote the request."""
    row = lookup(action, code)
    if row is None:
        return (
            "ECS does not document this code for this call."
            if rows_of(code)
            else "This program does not know this code."
        )
    return row.meaning


def fix_of(action: str, code: str) -> str:
    """Return what the person does about a code."""
    row = lookup(action, code)
    return row.fix if row else f"Look up {code} in the ECS API reference{f' of {action}' if action else ''}."


def of_credentials(code: str) -> bool:
    """Return whether the code refuses the credentials, their permissions or the clock that they are signed with."""
    row = lookup(EVERY, code)
    return row is not None and row.verdict == "credentials"


def lacks_right(code: str) -> bool:
    """Return whether the code says that the credentials lack the permission for this call; they may have others."""
    return any(row.covers(code) for row in COMMON if row.code in _NO_RIGHT)


def renews(code: str) -> bool:
    """Return whether newer credentials, or a corrected clock, may be accepted where these were refused."""
    return code == "Forbidden.AccessKeyDisabled" or (of_credentials(code) and not lacks_right(code))


def of_clock(code: str) -> bool:
    """Return whether the code refuses the clock with which the request was signed."""
    return code.startswith(("InvalidTimeStamp", "IllegalTimestamp"))


def throttled(code: str) -> bool:
    """Return whether the code means too many calls of the account; by code, since the status is 400, 403 or other."""
    row = lookup(EVERY, code)
    return row is not None and row.code in _THROTTLING


def waits_for_snapshot(action: str, code: str) -> bool:
    """Return whether the call is refused only until a snapshot in progress is finished."""
    row = lookup(action, code)
    return row is not None and row.of_snapshot


def verdict_of_code(action: str, code: str, http_status: int) -> CodeVerdict:
    """Return what an error answer to a call means for it.

    Only a 4xx answer can prove that nothing was done, and not every one of those; throttling is recognised by its code,
    since its status is 400, 403 or another.
    """
    row = lookup(action, code)
    if http_status >= 500:
        return "lost"
    if not throttled(code) and (http_status < 400 or http_status == 408):
        return "lost"
    return "unknown" if row is None else row.verdict


def is_retried(action: str, code: str, http_status: int) -> bool:
    """Return whether a call with this refusal is sent again, until the limit of its phase.

    What brings a machine back is repeated after every refusal that is not known to be final. Credentials and the clock
    are renewed before each call; a missing permission does not come back by itself.
    """
    means = verdict_of_code(action, code, http_status)
    if means == "again":
        return True
    if action in BRINGS_BACK:
        return means in ("credentials", "unknown")
    return means == "credentials" and renews(code)


def passes(action: str, code: str, http_status: int) -> bool:
    """Return whether a call that only reads may be answered if it is repeated."""
    return verdict_of_code(action, code, http_status) in ("again", "lost")
