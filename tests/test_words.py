"""The words of the code: one for each thing, the one that people search for."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import safe_reinit

PACKAGE = Path(safe_reinit.__file__).parent
TESTS = Path(__file__).parent
BENCH = TESTS.parent / "bench"
INSTEAD = {
    "anew": "again",
    "deed": "action",
    "errand": "command",
    "few": "what it limits",
    "keeper": "state store",
    "lane": "rate limiter",
    "learn": "evolve",
    "learnt": "measurement, event",
    "ledger": "journal",
    "look": "read, describe, check",
    "looker": "observe, describe",
    "looks": "reads, describes, checks",
    "owed": "pending",
    "pace": "rate limiter",
    "patience": "what it limits: HTTP_TIMEOUT, max_interval",
    "said": "text, message",
    "say": "report, notify",
    "tell": "report, emit",
    "told": "report, event",
    "wanted": "request",
}
"""By a word that names nothing in the package, its tests and its benches: what to write instead."""
ONE_WORD = {"DAY", "MINUTE", "NOW", "SCHEMA", "T"}
"""Numbers that everybody knows by one word; T is the moment from which a test counts."""
IDS = {"disk", "image", "instance", "run", "snapshot"}
"""Things whose ids are called ``disk_id``, ``run_id`` and so on."""
VERBS = {"Tell", "Give", "Say", "See"}
"""What no docstring of a function begins with: Return, Yield, Check, Report, Make and the like can be searched for."""

FILES = sorted(PACKAGE.rglob("*.py"))
BESIDE = sorted([*TESTS.rglob("*.py"), *BENCH.rglob("*.py")])
SIMULATOR = PACKAGE / "simulator"
ALIKE = {"check", "command", "__dir__", "__getattr__"}
"""Each check module has a ``check``, each module of a command a ``command``: what they are called with is the same."""
NAMED_ELSEWHERE = {
    "cli/app.py": "a command has the name that people type",
    "config/readers.py": "a reader has the name of what a setting is: a text, a duration",
    "logs.py": "a log message has the name of what it is about, and is called as ``logs.plan``",
    "simulator/account_actions.py": "an action has the name that a world file has",
    "simulator/operator_actions.py": "an action has the name that a world file has",
    "simulator/wire/acs3.py": "the two protocols have the same functions",
    "planning/plan_store.py": "the plan of the library is that of the model, with what a program does to it",
}
"""The files whose public names may also be elsewhere, and why."""
PLACES = sorted({path.parent for path in (*FILES, *BESIDE)})


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


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.parent.name}/{place.name}")
def test_a_thing_has_the_name_that_people_search_for(place: Path) -> None:
    """No module, definition, parameter, attribute or variable has a word that has a better one, nor has a test."""
    wrong = [
        f"{path}:{line} {name}: write {INSTEAD[word]}"
        for path in sorted(place.glob("*.py"))
        for name, line in (*defined(ast.parse(path.read_text("utf-8"))), (path.stem, 1))
        for word in words_of(name) & set(INSTEAD)
    ]

    assert wrong == []


def public_definitions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the public classes, functions and types that a module defines for other modules, with their lines."""
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case ast.Assign(value=ast.Call(ast.Name("TypeVar"))):
                pass
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name) | ast.Assign([ast.Name(name)]):
                if not name.startswith("_") and not name.isupper():
                    yield name, node.lineno


def test_a_name_means_one_thing() -> None:
    """No two modules define a public class, function or type with the same name; the simulator is another program."""
    places = defaultdict[tuple[bool, str], list[str]](list)
    for path in FILES:
        if (file := path.relative_to(PACKAGE).as_posix()) not in NAMED_ELSEWHERE:
            for name, line in public_definitions(path):
                places[path.is_relative_to(SIMULATOR), name].append(f"{file}:{line}")

    assert {name: found for (_, name), found in places.items() if len(found) > 1 and name not in ALIKE} == {}


def is_number(node: ast.AST) -> bool:
    """Return whether an expression is a number that is written out: 60, or 64 << 20."""
    match node:
        case ast.Constant(value):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.BinOp(left, _, right):
            return is_number(left) and is_number(right)
        case _:
            return False


def test_a_number_has_a_name_that_says_what_it_limits() -> None:
    """A number of a module has a name of several words: one word says neither of what it is nor in what it counts."""
    wrong = [
        f"{path}:{node.lineno} {target.id}"
        for path in (*FILES, *BESIDE)
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.Assign) and is_number(node.value)
        for target in node.targets
        if isinstance(target, ast.Name) and "_" not in (name := target.id.strip("_")) and name not in ONE_WORD
    ]

    assert wrong == []


def test_one_id_has_one_name() -> None:
    """A parameter that is the id of a disk is called ``disk_id`` everywhere, and the ids of other things likewise."""
    wrong = [
        f"{path}:{arg.lineno} {arg.arg}: write {arg.arg}_id"
        for path in FILES
        for arg in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(arg, ast.arg) and arg.annotation is not None
        if arg.arg in IDS and ast.unparse(arg.annotation) in ("str", "str | None")
    ]

    assert wrong == []


def test_a_docstring_says_what_the_function_does() -> None:
    """The docstring of a function begins with a verb that says what it does; only time in a test is let pass."""
    wrong = [
        f"{path}:{node.lineno} {text.splitlines()[0]}"
        for path in (*FILES, *BESIDE)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (text := ast.get_docstring(node))
        if text.split()[0] in VERBS or (text.split()[0] == "Let" and path in FILES)
    ]

    assert wrong == []
