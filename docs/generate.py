"""Makes the pages that are made from the code: run ``python docs/generate.py`` after a change; a test compares.

docs/errors.md, docs/checks.md, docs/reference/, the JSON Schemas in docs/, config.example.yaml
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from safe_reinit.checks import CHECKS
from safe_reinit.cli.documents import schema_of
from safe_reinit.cli.example import example
from safe_reinit.codes import COMMON, REINIT_DISK, Code, verdict

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "docs"))

import reference_pages  # noqa: E402 - it stands beside this file, and is no part of the package

_DOES = {
    "again": "asks again with growing waits, at most 5 minutes while the machine is down, then brings it back up",
    "refused": "takes the disk as intact, sends no further wipe and brings the machine back up",
    "credentials": "takes the disk as intact and brings the machine back up if these credentials still can",
    "lost": "takes the outcome as open and looks for ReIniting; if it shows none, exit code 5 with the machine stopped",
}
_WAITS_FOR_SNAPSHOT = "asks again with growing waits, at most --timeout-snapshot, then brings the machine back up"


def errors() -> str:
    """Write docs/errors.md."""
    lines = [
        "# Error codes",
        "",
        "Made from the code by `docs/generate.py`. Sources: the editions of the ECS API reference from 2017 to 2025, ReInitDisk and",
        "the common error codes. A code is judged by itself, never by its message, and every 5xx proves nothing whatever its code.",
        "A 4xx with a code that is not listed is taken as a refusal, is never asked again, and its text is not repeated.",
        "",
        "## Of ReInitDisk",
        *(line for code in REINIT_DISK for line in _told(code, ("- foreseen by: " + _foreseen(code),))),
        "",
        "## Of the gateway and of the other calls",
        "",
        "A listed code stands for all that extend it: `Throttling` for `Throttling.User`. What the tool does is what it does when",
        "ReInitDisk is answered so.",
        *(line for code in COMMON for line in _told(code)),
    ]
    return "\n".join(lines) + "\n"


def _told(code: Code, more: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Write the section of one code."""
    head = f"{code.meaning} HTTP {code.status}; documented: {code.versions}."
    return "", f"### {code.code}", "", head, "", *more, f"- the tool {_does(code)}", f"- you: {code.fix}"


def _foreseen(code: Code) -> str:
    foreseen = ", ".join(f"[{name}](checks.md#{name})" for name in code.checks)
    if code.unforeseen:
        return f"{foreseen}; not surely: {code.unforeseen}" if foreseen else f"nothing: {code.unforeseen}"
    return foreseen


def _does(code: Code) -> str:
    if code.code == "DiskCreatingSnapshot":
        return _WAITS_FOR_SNAPSHOT
    return _DOES[verdict("ReInitDisk", code.code, code.status)]


def checks() -> str:
    """Write docs/checks.md."""
    lines = [
        "# Checks",
        "",
        "Made from the docstrings of `safe_reinit/checks/` by `docs/generate.py`. `block` cannot be waived; a `risk` is waived by",
        "name with `--accept`; `info` is told. `safe-reinit explain NAME` prints the same.",
    ]
    for check in CHECKS:
        title, _, rest = check.text.partition("\n")
        levels = ", ".join(dict.fromkeys((check.level, *check.milder)))
        codes = ", ".join(f"`{code}`" for code in check.predicts) or "none"
        lines += ["", f"## {check.name}", "", f"{title} Level: {levels}. Foresees: {codes}.", "", *_sections(rest)]
    return "\n".join(lines) + "\n"


def _sections(text: str) -> list[str]:
    """Turn the headings of a docstring into bold ones."""
    lines: list[str] = []
    for line in text.strip().splitlines():
        if line and not line.startswith(" "):
            lines += [f"**{line}**", ""]
        else:
            lines.append(line.strip())
    return lines


def pages() -> dict[str, str]:
    """Give every made page by its path."""
    from safe_reinit.cli.contract import Contract
    from safe_reinit.cli.documents import schemas
    from safe_reinit.simulator import faults, world

    documents = schemas()
    return {
        "docs/errors.md": errors(),
        "docs/checks.md": checks(),
        **{f"docs/{name}.schema.json": json.dumps(each, indent=2) + "\n" for name, each in documents.items()},
        "docs/schema.schema.json": json.dumps(schema_of(Contract), indent=2) + "\n",
        "docs/world.schema.json": json.dumps(world.schema(), indent=2) + "\n",
        "docs/faults.schema.json": json.dumps(faults.schema(), indent=2) + "\n",
        "config.example.yaml": example(),
        **reference_pages.pages(documents["report"], documents["event"]),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        (ROOT / path).write_text(text, encoding="utf-8")
