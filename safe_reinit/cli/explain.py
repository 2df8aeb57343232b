"""The commands checks and explain. They never import the SDK and never send anything."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from ..checks import CHECK_NAMES, by_name, documentation, like
from ..errors import UsageError
from .output import Output, console_of, print_lines, print_stdout

if TYPE_CHECKING:
    from ..model.error_codes import Code

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
    from ..checks import CHECKS  # noqa: PLC0415 - all their files, of which explain needs none

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
    text = documentation(name) if name in CHECK_NAMES else _text_of_code(name)
    if output.json:
        from ..model.codec import encode  # noqa: PLC0415 - see above

        output.document({"schema": 1, **encode(_document(name, text))})
    elif sys.stdout.isatty():
        from ..report import Line  # noqa: PLC0415 - only on a terminal

        print_lines((Line(line) for line in _paragraphs(text)), sys.stdout)
    else:
        print_stdout(text)


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


def _document(name: str, text: str) -> Explained:
    if check := by_name(name):
        return Explained(name, check.level, check.predicts, check.summary, text)
    from ..model.error_codes import rows_of  # noqa: PLC0415 - see below

    return Explained(name, "error", (name,), rows_of(name)[0].meaning, text)


def _text_of_code(name: str) -> str:
    """Explain a code: for each group of calls that it can answer, what it means there."""
    from ..model.error_codes import SUMMARIES, rows_of  # noqa: PLC0415 - a check is explained without the codes

    if rows := rows_of(name):
        return "\n\n".join((name, *(_row(row) for row in rows)))
    near = like(name, (*CHECK_NAMES, *SUMMARIES))
    raise UsageError(
        f"{name!r} is neither a check nor an error code that this program knows.",
        hint=f"{near}safe-reinit checks lists the checks.",
    )


def _row(row: Code) -> str:
    from ..model.error_codes import EVERY  # noqa: PLC0415 - see above

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
