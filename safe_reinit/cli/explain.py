"""The commands checks and explain. They never import the SDK and never send anything."""

from __future__ import annotations

from ..checks import NAMES, by_name, like
from ..codes import COMMON, REINIT_DISK, lookup
from ..errors import UsageError
from ..model.codec import encode
from .documents import Checks, Explained, ListedCheck
from .output import Output, tell


def checks(output: Output) -> None:
    """List the checks."""
    from ..checks import CHECKS  # noqa: PLC0415 - all their files, of which explain needs one

    if output.json:
        listed = (ListedCheck(check.name, check.level, check.predicts, check.summary) for check in CHECKS)
        output.document({"schema": 1, **encode(Checks(tuple(listed)))})
        return
    width = max(len(check.name) for check in CHECKS)
    for check in CHECKS:
        tell(f"{check.level:<5}  {check.name:<{width}}  {check.summary}")


def explain(name: str, output: Output) -> None:
    """Explain a check or an error code.

    Raises:
        UsageError: it is neither.
    """
    told = _check(name) or _code(name)
    if told is None:
        near = like(name, (*NAMES, *(code.code for code in (*REINIT_DISK, *COMMON))))
        raise UsageError(
            f"{name!r} is neither a check nor an error code that ReInitDisk documents.",
            hint=f"{near}safe-reinit checks lists the checks.",
        )
    if output.json:
        output.document({"schema": 1, **encode(told)})
    else:
        tell(told.text)


def _check(name: str) -> Explained | None:
    check = by_name(name)
    if check is None:
        return None
    return Explained(check.name, check.level, check.predicts, check.summary, check.text)


def _code(name: str) -> Explained | None:
    code = lookup(name)
    if code is None:
        return None
    lines = [
        f"{code.code} (HTTP {code.status}; documented: {code.versions})",
        "",
        code.meaning,
        f"What to do: {code.fix}",
        f"Foreseen by: {', '.join(code.checks)}." if code.checks else "Foreseen by no check.",
        *([f"Not surely: {code.unforeseen}."] if code.unforeseen else []),
    ]
    return Explained(code.code, "error", (code.code,), code.meaning, "\n".join(lines))
