"""Makes the pages that are made from the code: run ``python docs/generate.py`` after a change; a test compares.

docs/errors.md, docs/checks.md, docs/reference/, the page and the pictures of the architecture and the states, the JSON
Schemas in docs/, config.example.yaml, man/
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click_man.core import generate_man_page

from safe_reinit.checks import CHECKS
from safe_reinit.cli.app import app
from safe_reinit.cli.documents import schema_of
from safe_reinit.cli.example import example
from safe_reinit.model.error_codes import (
    COMMON,
    CREATE_SNAPSHOT,
    REINIT_DISK,
    RESET_DISK,
    START_INSTANCE,
    STOP_INSTANCE,
    TAGS,
    Code,
    lacks_right,
)
from safe_reinit.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "docs"))

import architecture_page  # noqa: E402 - it stands beside this file, and is no part of the package
import reference_pages  # noqa: E402 - likewise
import states_page  # noqa: E402 - likewise

_DOES = {
    "again": "repeats the call with increasing delays, within the time limit above",
    "refused": "treats the call as refused and does not repeat it",
    "credentials": "renews the credentials and repeats the call, within the time limit above",
    "lost": "treats the outcome as open and observes what happened",
}
_NO_RIGHT = "repeats StartInstance and UntagResources, within the time limit above, and no other call"
_SECTIONS = (
    ("ReInitDisk", REINIT_DISK),
    ("ResetDisk", RESET_DISK),
    ("StopInstance and StopInstances", STOP_INSTANCE),
    ("StartInstance and StartInstances", START_INSTANCE),
    ("CreateSnapshot", CREATE_SNAPSHOT),
    ("TagResources and UntagResources", TAGS),
    ("every call", COMMON),
)


def errors() -> str:
    """Write docs/errors.md."""
    lines = [
        "# Error codes",
        "",
        "This page explains each ECS error code, what the tool does after it, and what you can do. The meaning of a code depends on",
        'the call that it answers: if a code is documented for that call, that entry applies; otherwise the entry under "every',
        'call". The tool never interprets the message of an error. *documented* says which editions of the API reference name the',
        "code.",
        "",
        "An entry with a star stands for a family of codes: `Throttling*` for every code that begins with this text, and",
        "`*.Initializing` for every code that ends with it. An answer with HTTP status 500 or higher proves nothing, whatever its",
        "code: the tool treats the outcome as open and observes what happened.",
        "",
        "After a refusal the data on the disk is unchanged, and the tool restores the power state. A call is repeated for at most",
        "this long:",
        "",
        "| call | how long it is repeated |",
        "|---|---|",
        "| ReInitDisk, ResetDisk | 5 minutes, or `--timeout-snapshot` while a snapshot of the disk is being created; never longer than half of `--timeout-reinit` from the first wipe of the machine |",
        "| CreateSnapshot | as for ReInitDisk |",
        "| StopInstance | until `--timeout-stop` |",
        "| StartInstance | until `--timeout-start` |",
        "| TagResources, UntagResources | 5 minutes |",
        "",
        "## Codes that are not listed",
        "",
        "If ECS answers with an unlisted code and a status of 400 to 499, the tool reports that the code is unknown:",
        "",
        "- **ReInitDisk and ResetDisk** are never repeated. The tool observes the disk for 20 seconds without a gap. If it sees no",
        "  ReIniting (ResetDisk: if no roll-back is in progress), the call counts as refused (exit code 4, the machine is started",
        "  again). Otherwise the outcome is unknown (exit code 5), unless the run later sees the wipe end.",
        "- **StartInstance and UntagResources** are repeated until their limit, because otherwise the machine would stay down or",
        "  keep the tag.",
        "- **Every other call** counts as refused.",
    ]
    for name, rows in _SECTIONS:
        lines += ["", f"## As the answer to {name}"]
        lines += [line for row in rows for line in _told(row)]
    return "\n".join([*lines, "", _made("from the table in `safe_reinit/model/error_codes/`")]) + "\n"


def _made(source: str) -> str:
    """Write the last line of a page that is made from the code."""
    return f"*`docs/generate.py` makes this page {source}.*"


def _told(row: Code) -> tuple[str, ...]:
    """Write the section of one code."""
    calls = (
        f" Only for {', '.join(row.actions)}." if row in (*TAGS, *COMMON) and row.actions not in (("*",), _BOTH) else ""
    )
    head = f"{row.meaning}{calls} HTTP {row.status}; documented: {row.source}."
    more = ("- foreseen by: " + _foreseen(row),) if "ReInitDisk" in row.actions and row in REINIT_DISK else ()
    return "", f"### {row.code}", "", head, "", *more, f"- the tool {_does(row)}", f"- what to do: {row.fix}"


_BOTH = ("TagResources", "UntagResources")


def _foreseen(code: Code) -> str:
    foreseen = ", ".join(f"[{name}](checks.md#{name})" for name in code.checks)
    if code.unforeseen:
        return f"{foreseen}; not always: {code.unforeseen}" if foreseen else f"no check: {code.unforeseen}"
    return foreseen


def _does(row: Code) -> str:
    return _NO_RIGHT if row.verdict == "credentials" and lacks_right(row.code) else _DOES[row.verdict]


def checks() -> str:
    """Write docs/checks.md."""
    lines = [
        "# Checks",
        "",
        "Each check looks for one problem before anything is changed, and reports it as a finding. A `block` stops the run, and no",
        "option waives it. A `risk` stops the run unless you accept it by name with `--accept`. An `info` does not stop the run.",
        "`safe-reinit explain NAME` prints one of these sections.",
        "",
        "| topic | checks |",
        "|---|---|",
        *(f"| {topic} | {', '.join(f'[{name}](#{name})' for name in names)} |" for topic, names in _by_topic()),
    ]
    for check in CHECKS:
        title, _, rest = check.text.partition("\n")
        levels = ", ".join(dict.fromkeys((check.level, *check.milder)))
        codes = ", ".join(f"`{code}`" for code in check.predicts) or "none"
        lines += ["", f"## {check.name}", "", f"{title} Level: {levels}. Predicts: {codes}.", "", *_sections(rest)]
    return (
        "\n".join([*lines, *([""] if lines[-1] else []), _made("from the docstrings in `safe_reinit/checks/`")]) + "\n"
    )


_TOPICS = {
    "could-not-check": "Whether the checks can be relied on",
    "target-not-allowed": "Target rules and classes",
    "disk-not-found": "The disk",
    "instance-not-seen": "The instance",
    "source-snapshot-deleted": "What the disk becomes",
    "no-recent-snapshot": "Snapshots of the disk",
    "option-for-system-disk-only": "Options of the run",
    "disk-moved-since-run": "Undo and resume",
    "no-login-set": "Whether the machine comes back, and whether you can log in",
    "user-data-runs-again": "Other effects of the stop and the wipe",
    "in-scaling-group": "Other owners of the machine, and permissions",
}
"""The topics of the checks, in order, by the first check of each."""


def _by_topic() -> Iterator[tuple[str, list[str]]]:
    """Yield each topic with the names of its checks."""
    names = [check.name for check in CHECKS]
    starts = [names.index(first) for first in _TOPICS]
    for topic, start, end in zip(_TOPICS.values(), starts, [*starts[1:], len(names)], strict=True):
        yield topic, names[start:end]


def _sections(text: str) -> list[str]:
    """Turn the headings of a docstring into bold ones."""
    lines: list[str] = []
    for line in text.strip().splitlines():
        if line and not line.startswith(" "):
            lines += [f"**{line}**", ""]
        else:
            lines.append(line.strip())
    return lines


def man_pages(command: click.Command = app, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """Write the manual page of a command and those of its sub-commands."""
    context = click.Context(command, info_name=command.name if parent else "safe-reinit", parent=parent)
    name = context.command_path.replace(" ", "-")
    yield f"man/{name}.1", generate_man_page(context, version=VERSION, date=f"version {VERSION}")
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        yield from man_pages(each, context)


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
        "docs/faults.schema.json": json.dumps(faults.fault_schema(), indent=2) + "\n",
        "config.example.yaml": example(),
        "docs/reference/states.md": states_page.states(),
        **states_page.pictures_of_states(),
        "docs/explanation/architecture.md": architecture_page.architecture(),
        "docs/assets/job.svg": architecture_page.job_picture(),
        "docs/assets/rooms.svg": architecture_page.rooms_picture(),
        **reference_pages.pages(documents["report"], documents["event"]),
        **dict(man_pages()),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        (ROOT / path).write_text(text, encoding="utf-8")
