"""The words of the code: one for each thing, the one that people search for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import safe_reinit

PACKAGE = Path(safe_reinit.__file__).parent
INSTEAD = {
    "deed": "action",
    "errand": "command",
    "keeper": "state store",
    "lane": "rate limiter",
    "learn": "evolve",
    "learnt": "measurement, event",
    "ledger": "journal",
    "looker": "observe, describe",
    "owed": "pending",
    "pace": "rate limiter",
    "patience": "what it limits: HTTP_TIMEOUT, max_interval",
    "say": "report, notify",
    "tell": "report, emit",
    "told": "report, event",
    "wanted": "request",
}
"""By a word that names nothing in these rooms: what to write instead."""
ROOMS = ("core", "checks", "journal", "simulator", "execution")
VERBS = {"Tell", "Give", "Say", "See", "Let"}
"""What no docstring of a function begins with: Return, Yield, Check, Report, Make and the like can be searched for."""

FILES = sorted(PACKAGE.rglob("*.py"))


def words_of(name: str) -> set[str]:
    """Return the words of a name in capitals, in camel case or with underscores."""
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))


def defined(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield what a module defines, parameters, attributes and variables as well, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno


@pytest.mark.parametrize("room", ROOMS)
def test_a_thing_has_the_name_that_people_search_for(room: str) -> None:
    """No module, definition, parameter or attribute of these rooms has a word that has a better one."""
    wrong = [
        f"{path}:{line} {name}: write {INSTEAD[word]}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for name, line in (*defined(ast.parse(path.read_text("utf-8"))), (path.stem, 1))
        for word in words_of(name) & set(INSTEAD)
    ]

    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_docstring_says_what_the_function_does(path: Path) -> None:
    """The docstring of a function begins with a verb that says what it does."""
    wrong = [
        f"{path}:{node.lineno} {text.splitlines()[0]}"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (text := ast.get_docstring(node))
        if text.split()[0] in VERBS
    ]

    assert wrong == []
