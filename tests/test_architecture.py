"""Imports point one way: doors -> doing -> deciding -> values, and doors, doing -> outside -> values."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "safe_reinit"

VALUES = {"model", "errors", "codes", "version"}
OUTSIDE = {"cloud", "aliyun", "retry", "clock", "config", "where", "journal", "pace"}
DECIDING = {"targets", "checks", "plan", "saved", "policy", "record", "decide", "changes", "drift", "rollout"}
DOING = {
    "look",
    "looker",
    "planning",
    "planner",
    "rights",
    "others",
    "ledger",
    "second_look",
    "act",
    "gate",
    "run",
    "report",
    "execution",
    "interrupt",
    "failing",
    "found",
    "wanted",
    "client",
}
ELSEWHERE = {"temporal"}
"""The same loop on a workflow engine: an extra, which nothing needs."""
DOORS = {"cli", "simulator", "__main__", "__init__"}

MAY_IMPORT = {
    **dict.fromkeys(VALUES, VALUES),
    **dict.fromkeys(OUTSIDE, OUTSIDE | VALUES),
    **dict.fromkeys(DECIDING, DECIDING | VALUES),
    **dict.fromkeys(DOING, DOING | DECIDING | OUTSIDE | VALUES),
    "client": DOING | DECIDING | OUTSIDE | VALUES | ELSEWHERE,
    "temporal": DOING | DECIDING | OUTSIDE | VALUES | ELSEWHERE,
    "cli": DOING | DECIDING | OUTSIDE | VALUES | ELSEWHERE | {"cli", "simulator"},
    "simulator": {"simulator"},
    "__main__": {"cli"},
    "__init__": DOING | VALUES,
}
ONLY_IN = {
    "alibabacloud_ecs20140526": {"aliyun"},
    "alibabacloud_tea_openapi": {"aliyun"},
    "alibabacloud_credentials": {"aliyun"},
    "darabonba": {"aliyun"},
    "requests": {"aliyun"},
    "urllib3": {"aliyun"},
    "tenacity": {"retry"},
    "sqlite3": {"journal"},
    "time": {"clock", "simulator"},
    "click": {"cli"},
    "rich": {"cli"},
    "aiohttp": {"simulator"},
    "pydantic": {"simulator"},
    "yaml": {"config", "simulator"},
    "temporalio": {"temporal"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """Name the part of the house that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[tuple[str, str]]:
    """List what a file imports: ("ours", part) or ("theirs", package)."""
    found = []
    depth = len(path.relative_to(PACKAGE).parts) - 1
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [("theirs", alias.name.partition(".")[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append(("theirs", (node.module or "").partition(".")[0]))
        elif isinstance(node, ast.ImportFrom):
            above = depth - node.level + 1
            inside = path.relative_to(PACKAGE).parts[:above]
            name = (*inside, *(node.module or "").split(".")) if node.module else inside
            found += [("ours", (*name, alias.name)[0]) for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    """A file imports only from its own part of the house and from those below it."""
    part = part_of(path)

    for kind, name in imports_of(path):
        if kind == "ours":
            assert name in MAY_IMPORT[part] | {part}, f"{path} imports {name}"
        else:
            assert part in ONLY_IN.get(name, {part}), f"{path} imports {name}"


def test_every_part_has_its_place() -> None:
    """No file stands outside the house."""
    assert {part_of(path) for path in FILES} == VALUES | OUTSIDE | DECIDING | DOING | ELSEWHERE | DOORS


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_fits_on_a_few_screens(path: Path) -> None:
    """No file has outgrown 350 lines."""
    assert len(path.read_text("utf-8").splitlines()) <= 350
