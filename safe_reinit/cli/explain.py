"""The commands checks and explain. They never import the SDK and never send anything."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from ..checks import CHECK_NAMES, by_name, like
from ..errors import UsageError
from ..model.error_codes import EVERY, SUMMARIES, Code, rows_of
from .output import Output, console_of, print_lines, print_stdout

_LEVELS = (
    "A block stops a run. A risk stops it unless you accept it: --accept NAME. An info never stops it. "
    "To read more: safe-reinit explain NAME"
)
_MIN_COLUMNS = 30
"""Minimum columns for a summary; on a narrower terminal it gets its own lines."""


@dataclass(frozen=True)
class ListedCheck:
    """One check, as ``checks`` lists it."""

    name: str
    level: Literal["block", "risk", "info"]
    predicts: tuple[str, ...]
    """The ReInitDisk error codes that it predicts."""
    summary: str


@dataclass(frozen=True)
class Checks:
    """What ``checks --output json`` prints."""

    checks: tuple[ListedCheck, ...]


@dataclass(frozen=True)
class Explained:
    """What ``explain --output json`` prints about a check or an error code (level ``error``)."""

    name: str
    level: Literal["block", "risk", "info", "error"]
    predicts: tuple[str, ...]
    summary: str
    text: str


def checks(output: Output) -> None:
    """List the checks."""
    from ..checks import CHECKS  # noqa: PLC0415 - all their files, of which explain needs one

    if output.json:
        from ..model.codec import encode  # noqa: PLC0415 - only for a document

        listed = (ListedCheck(check.name, check.level, check.predicts, check.summary) for check in CHECKS)
        output.document({"schema": 1, **encode(Checks(tuple(listed)))})
        return
    rows = [(f"{check.level:<5}  {check.name}", check.summary) for check in CHECKS]
    width = max(len(first) for first, _ in rows)
    if not sys.stdout.isatty():
        for first, summary in rows:
            print_stdout(f"{first:<{width}}  {summary}")
        return
    from ..report import Line  # noqa: PLC0415 - only on a terminal

    columns = console_of(sys.stdout).width - width - 2
    lines = [line for row in rows for line in _row_lines(*row, width, columns)]
    print_lines((Line(line) for line in (*lines, "", _LEVELS)), sys.stdout)


def explain(name: str, output: Output) -> None:
    """Explain a check or an error code.

    Raises:
        UsageError: it is neither.
    """
    explained = _check(name) or _code(name)
    if explained is None:
        near = like(name, (*CHECK_NAMES, *SUMMARIES))
        raise UsageError(
            f"{name!r} is neither a check nor an error code that this program knows.",
            hint=f"{near}safe-reinit checks lists the checks.",
        )
    if output.json:
        from ..model.codec import encode  # noqa: PLC0415 - see above

        output.document({"schema": 1, **encode(explained)})
    elif sys.stdout.isatty():
        from ..report import Line  # noqa: PLC0415 - only on a terminal

        print_lines((Line(line) for line in _paragraphs(explained.text)), sys.stdout)
    else:
        print_stdout(explained.text)


def _row_lines(first: str, summary: str, width: int, columns: int) -> Iterator[str]:
    """Fold the second column next to the first, or below it if it is too narrow for that."""
    from textwrap import wrap  # noqa: PLC0415 - only on a terminal

    if columns < _MIN_COLUMNS:
        yield from (first, f"    {summary}")
        return
    begin, *more = wrap(summary, columns, break_long_words=False, break_on_hyphens=False)
    yield f"{first:<{width}}  {begin}"
    yield from (f"{'':<{width}}  {line}" for line in more)


def _paragraphs(text: str) -> Iterator[str]:
    """Join the lines of each indented paragraph: the terminal decides how wide they are."""
    for indented, lines in groupby(text.splitlines(), lambda line: line.startswith(" ")):
        if indented:
            first, *more = lines
            yield " ".join([first, *(line.strip() for line in more)])
        else:
            yield from lines


def _check(name: str) -> Explained | None:
    check = by_name(name)
    if check is None:
        return None
    return Explained(check.name, check.level, check.predicts, check.summary, check.text)


def _code(name: str) -> Explained | None:
    """Explain a code: for each group of calls that it can answer, what it means there."""
    rows = rows_of(name)
    if not rows:
        return None
    text = "\n\n".join((name, *(_row(row) for row in rows)))
    return Explained(name, "error", (name,), rows[0].meaning, text)


def _row(row: Code) -> str:
    calls = "any call" if EVERY in row.actions else ", ".join(row.actions)
    family = f", as every {row.code}" if row.is_family else ""
    lines = [
        f"As the answer to {calls} (HTTP {row.status}; documented: {row.source}{family}):",
        row.meaning,
        f"What to do: {row.fix}",
    ]
    if "ReInitDisk" in row.actions:
        lines.append(f"Foreseen by: {', '.join(row.checks)}." if row.checks else "Foreseen by no check.")
    if row.unforeseen:
        lines.append(f"Not surely: {row.unforeseen}.")
    return "\n".join(lines)
