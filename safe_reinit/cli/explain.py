"""The commands checks and explain. They never import the SDK and never send anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..checks import CHECK_NAMES, by_name, like
from ..errors import UsageError
from ..model.error_codes import EVERY, SUMMARIES, Code, rows_of
from .output import Output, print_stdout


@dataclass(frozen=True)
class ListedCheck:
    """One check, as ``checks`` lists it."""

    name: str
    level: Literal["block", "risk", "info"]
    predicts: tuple[str, ...]
    """The ReInitDisk error codes that it foresees."""
    summary: str


@dataclass(frozen=True)
class Checks:
    """What ``checks --output json`` prints."""

    checks: tuple[ListedCheck, ...]


@dataclass(frozen=True)
class Explained:
    """What ``explain --output json`` prints: of a check, or of an error code (level ``error``)."""

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
    width = max(len(check.name) for check in CHECKS)
    for check in CHECKS:
        print_stdout(f"{check.level:<5}  {check.name:<{width}}  {check.summary}")


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
    else:
        print_stdout(explained.text)


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
