"""Which files a command may write: never an input, another output, or the report of another run."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..files import whole

if TYPE_CHECKING:
    from ..config import Settings

_MAX_FILE_SIZE = 256 << 20
"""The maximum size of a file that can be a report, in bytes."""
_MAX_LINE = 1 << 16
"""How many characters of a file show what it is."""


def refuse_clashes(config: Settings, flags: Mapping[str, Any], *inputs: str) -> None:
    """Refuse an output that is an input, the journal, the configuration or another output, under any name.

    Args:
        inputs: other files that the command reads.

    Raises:
        UsageError: an output is one of these.
    """
    outputs = {"--report": config.report, "--events": config.events, "--save": flags.get("save")}
    taken = list(_taken(config, flags, inputs))
    for option, name in outputs.items():
        if not name or name == "-":
            continue
        for what, path in taken:
            if _same(name, path):
                raise UsageError(
                    f"{option} names {name}, which is {what}.",
                    hint=f"Nothing was done. Correct {option}.",
                )
        taken.append((f"what {option} writes", name))


def _taken(config: Settings, flags: Mapping[str, Any], inputs: tuple[str, ...]) -> Iterator[tuple[str, str | int]]:
    from ..cloud.aliyun.sources import files_read  # noqa: PLC0415 - help stays cheap
    from ..config import find_config  # noqa: PLC0415 - see above
    from ..journal.place import is_shared, journal_of  # noqa: PLC0415 - see above

    inputs_of = {
        "--disks-from": flags.get("disks_from"), "--world": config.world, "--faults": config.faults,
        "--ca-bundle": config.ca_bundle,
    }  # fmt: skip
    for option, name in inputs_of.items():
        if name and name != "-":
            yield f"read by {option}", name
    yield from (("the plan file", each) for each in inputs)
    if settings := find_config(flags.get("config"), os.environ):
        yield "the configuration", str(settings)
    with contextlib.suppress(UsageError):
        journal = journal_of(config.journal, os.environ)
        endings = () if is_shared(journal) else ("", "-wal", "-shm", "-journal")
        yield from (("the journal", f"{journal}{ending}") for ending in endings)
    yield from (("read for credentials or certificates", each) for each in files_read(os.environ))
    yield from (("read from stdin", 0), ("stdout", 1), ("stderr", 2))


def _same(name: str, other: str | int) -> bool:
    """Return whether both are one regular file; devices may be shared."""
    if isinstance(other, str) and os.path.realpath(name) == os.path.realpath(other):
        return not _is_device(name)
    try:
        first, second = os.stat(name), os.stat(other)
    except OSError:
        return False
    return stat.S_ISREG(first.st_mode) and os.path.samestat(first, second)


def _is_device(name: str) -> bool:
    try:
        return stat.S_ISCHR(os.stat(name).st_mode)
    except OSError:
        return False


def refuse_other_report(name: str, run_id: str | None, once: str | None = None) -> None:
    """Refuse to replace the report of another run, or anything else that is not a report, with a report.

    Args:
        name: the file.
        run_id: the run that is reported; ``None`` if it has no id yet.
        once: the key of a run that has no id yet: if a run with it is done, its report is the one that is written.

    Raises:
        UsageError: the file exists, and is not a report of this run or of a plan.
    """
    try:
        status = os.stat(name)
    except OSError:
        return
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return
    owner = _run_in(name, status.st_size)
    if owner in (None, run_id) or (once is not None and _is_of_key(name, once)):
        return
    what = f"the report of run {owner}" if owner else "no report"
    raise UsageError(
        f"{name} already exists and is {what}, so it is not replaced.", hint="Name another file with --report."
    )


def refuse_document(name: str) -> None:
    """Refuse to append events to a report or a plan: with lines after it, nobody could read it any more.

    Raises:
        UsageError: the file is one of these.
    """
    try:
        status = os.stat(name)
        document = stat.S_ISREG(status.st_mode) and 0 < status.st_size <= _MAX_FILE_SIZE and _is_document(name)
    except (OSError, ValueError, RecursionError):
        return
    if document:
        raise UsageError(
            f"{name} is a report or a plan: with events appended, it could no longer be read.",
            hint="Nothing was done. Name another file with --events.",
        )


def _is_document(name: str) -> bool:
    import json  # noqa: PLC0415 - --help needs none

    with open(name, encoding="utf-8") as file:
        head = file.readline(_MAX_LINE)
        if head.startswith(("# safe-reinit: ", "# SIMULATED safe-reinit: ")):
            return True
        if not head.startswith("{"):
            from ..report.content import IN_HTML  # noqa: PLC0415 - see above

            return re.search(IN_HTML, head + file.read(_MAX_LINE)) is not None
        try:
            content = json.loads(head)
        except ValueError:
            content = json.loads(head + file.read())
    return isinstance(content, dict) and not {"digest", "tool_version"}.isdisjoint(content)


def _run_in(name: str, size: int) -> str | None:
    """Return the run that a file reports: ``None`` if it reports a plan, ``""`` if it is not a report."""
    if size > _MAX_FILE_SIZE:
        return ""
    import json  # noqa: PLC0415 - see above

    try:
        with open(name, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError):
        return ""
    if name.endswith(".json"):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            return ""
        ours = isinstance(document, dict) and {"tool_version", "run_id", "outcome"} <= set(document)
        return document["run_id"] if ours else ""
    from ..report.content import IN_HTML, IN_MARKDOWN, IN_TEXT  # noqa: PLC0415 - see above

    form = IN_HTML if name.endswith(".html") else IN_TEXT if name.endswith(".txt") else IN_MARKDOWN
    match = re.search(form, text)
    return match[1] if match else ""


def _is_of_key(name: str, once: str) -> bool:
    """Return whether a file is the JSON report of a run that is done under this key."""
    import json  # noqa: PLC0415 - see above

    try:
        with open(name, encoding="utf-8") as file:
            document = json.load(file)
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and (document.get("once"), document.get("outcome")) == (once, "done")


def replace_keeping_mode(name: str, text: str) -> None:
    """Write a file completely or not at all; an existing file keeps its mode.

    Raises:
        OSError: it cannot be written.
    """
    name, mode = os.path.realpath(name), 0o644
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(os.stat(name).st_mode)
    whole.replace_file(name, text, mode)
