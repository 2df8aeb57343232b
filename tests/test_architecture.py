"""Imports point one way: doors -> doing -> deciding -> core -> values, and doors, doing -> outside -> values."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import safe_reinit
from safe_reinit.plans import plan_schema

PACKAGE = Path(safe_reinit.__file__).parent
ROOT = Path(__file__).resolve().parent.parent

VALUES = {"model", "errors", "codes", "letters", "version"}
OUTSIDE = {"cloud", "aliyun", "retry", "clock", "config", "where", "journal", "logs", "trust", "threads", "written"}
CORE = {"core"}
DECIDING = {"targets", "checks", "plan", "saved", "forms", "policy", "drift", "regions", "shards"}
DOING = {
    "facts",
    "describe",
    "planning",
    "planner",
    "rights",
    "others",
    "report",
    "execution",
    "descriptors",
    "parallel",
    "failing",
    "found",
    "wanted",
    "client",
    "temporal",
}
DOORS = {"cli", "simulator", "__main__", "__init__"}

BESIDE_EXECUTION = {"facts", "describe", "others", "parallel", "drift", "plan", "saved", "shards", "failing", "report"}
"""What carrying a plan out shares with planning: how ECS is read, what has changed since, and what is reported."""
MAY_IMPORT = {
    **dict.fromkeys(VALUES, VALUES),
    **dict.fromkeys(OUTSIDE, OUTSIDE | VALUES),
    **dict.fromkeys(CORE, VALUES),
    **dict.fromkeys(DECIDING, DECIDING | CORE | VALUES),
    **dict.fromkeys(DOING, DOING - {"temporal"} | DECIDING | CORE | OUTSIDE | VALUES),
    "execution": BESIDE_EXECUTION | CORE | OUTSIDE | VALUES,
    "report": DECIDING | CORE | OUTSIDE | VALUES,
    "temporal": {"execution", "journal", "report", "shards", "plan", "clock", "logs"} | CORE | VALUES,
    "client": DOING | DECIDING | OUTSIDE | VALUES,
    "cli": DOING | DECIDING | CORE | OUTSIDE | VALUES | {"cli", "simulator"},
    "simulator": {"simulator"},
    "__main__": {"cli"},
    "__init__": DOING | VALUES | {"cloud"},
}
OF_CORE = {
    "report": {"state", "waves"},
    "regions": {"waves"},
    "shards": {"waves"},
    "temporal": {"resuming"},
    "cli": {"state", "waves", "rate_limits", "resuming"},
}
"""Which files of ``core`` a part uses: ``execution`` any; else what a final state came to, and how a fleet spreads."""
ONLY_IN = {
    "alibabacloud_ecs20140526": {"aliyun"},
    "alibabacloud_tea_openapi": {"aliyun"},
    "darabonba": {"aliyun"},
    "requests": {"aliyun"},
    "urllib3": {"aliyun"},
    "certifi": {"aliyun"},
    "tenacity": {"retry", "core"},
    "sqlite3": {"journal"},
    "time": {"clock", "simulator"},
    "click": {"cli"},
    "rich": {"cli"},
    "aiohttp": {"simulator", "temporal"},
    "temporalio": {"temporal"},
    "pydantic": {"cli", "simulator"},
    "yaml": {"config", "simulator"},
}
PURE = VALUES | CORE | DECIDING
"""What takes values and gives values: no network, no clock, no files, so that it needs no stand-in to be tested."""
PURE_NEEDS = {
    "__future__", "ast", "bisect", "collections", "dataclasses", "datetime", "difflib", "enum", "fnmatch", "functools",
    "hashlib", "importlib", "inspect", "itertools", "json", "math", "operator", "re", "string", "sys", "types",
    "typing", "unicodedata",
}  # fmt: skip
ALSO_NEEDS = {"core/outcomes.py": {"tenacity"}}
"""tenacity computes there how long to wait from the number of attempts; it neither waits nor calls anything."""
CHANGES = {"core/jobs.py": {"Job"}}
"""What a ``Run`` changes between its steps, and gives to nobody: each of its inputs and effects is a frozen value."""
ASKS_ECS = {"describe.py", "found.py", "execution/session.py", "execution/tags.py"}
"""Who makes Describe calls: what calls stand on comes from ``describe``; the others find targets and begin runs."""
DESCRIBES = {
    "disks", "disks_of", "instances", "tagged", "list_instances", "snapshots", "snapshots_of", "list_snapshots",
    "list_disks", "snapshot_links", "images", "key_pairs",
}  # fmt: skip
READS_THE_CLOCK = ("now", "utcnow", "today")
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """Name the part of the house that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[tuple[str, str]]:
    """List what a file imports: ("ours", part) or ("theirs", package)."""
    return [(kind, name[0]) for kind, name in names_of(path)]


def names_of(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    """List the same with the whole name of what is ours: ("ours", (part, file, ...))."""
    found: list[tuple[str, tuple[str, ...]]] = []
    depth = len(path.relative_to(PACKAGE).parts) - 1
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [("theirs", (alias.name.partition(".")[0],)) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append(("theirs", ((node.module or "").partition(".")[0],)))
        elif isinstance(node, ast.ImportFrom):
            above = depth - node.level + 1
            inside = path.relative_to(PACKAGE).parts[:above]
            name = (*inside, *(node.module or "").split(".")) if node.module else inside
            found += [("ours", (*name, alias.name)) for alias in node.names]
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


@pytest.mark.parametrize(
    "path", [path for path in FILES if part_of(path) in PURE], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_what_judges_and_decides_is_pure(path: Path) -> None:
    """Values, judging and deciding reach no network, clock or file, print nothing, and their values are frozen."""
    file = str(path.relative_to(PACKAGE))
    for kind, name in imports_of(path):
        assert kind == "ours" or name in PURE_NEEDS | ALSO_NEEDS.get(file, set()), f"{path} imports {name}"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)

            assert called not in ("open", "print", "input", "exec", "eval"), f"{path}:{node.lineno}"
            assert not called.endswith(tuple(f"datetime.{name}" for name in READS_THE_CLOCK)), f"{path}:{node.lineno}"
        if isinstance(node, ast.ClassDef):
            values = [ast.unparse(each) for each in node.decorator_list if "dataclass" in ast.unparse(each)]

            frozen = all("frozen=True" in each for each in values)
            assert frozen or node.name in CHANGES.get(file, set()), f"{path}:{node.lineno} {node.name}"


@pytest.mark.parametrize(
    "path", [path for path in FILES if part_of(path) not in CORE | {"execution"}],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)  # fmt: skip
def test_the_core_is_used_through_few_files(path: Path) -> None:
    """Only ``execution`` carries a run out; every other part uses of the core what the rule names for it."""
    used = {name[1] for kind, name in names_of(path) if kind == "ours" and name[0] in CORE}

    assert used <= OF_CORE.get(part_of(path), set()), f"{path} imports {used} of core"


@pytest.mark.parametrize("folder", ["core", "execution"])
def test_no_file_imports_itself_through_others(folder: str) -> None:
    """The files of a folder import each other in one direction, also inside functions: none is half imported."""
    graph = {
        path.stem: {name[1] for kind, name in names_of(path) if kind == "ours" and name[0] == folder}
        for path in sorted((PACKAGE / folder).rglob("*.py"))
    }

    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_plan_recheck_and_observation_read_ecs_by_one_module() -> None:
    """No other module makes Describe calls, so that what one of them shows the others show as well."""
    asking = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in DESCRIBES and ast.unparse(node.value).endswith("cloud")
    }

    assert {name for name in asking if not name.startswith("simulator/")} == ASKS_ECS


def test_importing_the_package_imports_nothing_else() -> None:
    """``import safe_reinit`` brings no other part of it; those come when a name is asked for."""
    program = "import sys, safe_reinit; print(sorted(name for name in sys.modules if name.startswith('safe_reinit.')))"

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert told.strip() == "[]"


def test_every_part_has_its_place() -> None:
    """No file stands outside the house."""
    assert {part_of(path) for path in FILES} == VALUES | OUTSIDE | CORE | DECIDING | DOING | DOORS


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_fits_on_a_few_screens(path: Path) -> None:
    """No file becomes a drawer; a file that has one reason to change is not cut in two for its length alone."""
    assert len(path.read_text("utf-8").splitlines()) <= 450


@pytest.mark.parametrize(
    ("title", "parts"),
    [
        ("Values", VALUES),
        ("Outside", OUTSIDE),
        ("Core", CORE),
        ("Deciding", DECIDING),
        ("Doing", DOING),
        ("Doors", DOORS),
    ],
)
def test_the_map_of_the_house_is_true(title: str, parts: set[str]) -> None:
    """CONTRIBUTING.md's map names the parts of each storey, and no other."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    storey = re.search(rf"^### {title}\b.*?(?=^##)", text, re.MULTILINE | re.DOTALL)

    assert storey, f"CONTRIBUTING.md has no storey {title}"
    assert set(re.findall(r"^\| `([a-z_]+)/?` \|", storey.group(), re.MULTILINE)) == parts


def test_every_member_of_a_plan_has_a_form() -> None:
    """Whoever adds a text or a number to a plan says in safe_reinit/plans/plan_schema.py what it can be; else no plan is read."""
    schema = plan_schema.schema()
    texts = {"type": "string", "pattern": "^(?:)$"}
    numbers = {"type": "integer", "minimum": 0, "maximum": 0}
    missing = [
        name
        for part in (schema, *schema["$defs"].values())
        for name, each in part["properties"].items()
        if texts in [each, each.get("items"), *each.get("anyOf", [])]
        or numbers in [each, each.get("items"), *each.get("anyOf", [])]
    ]

    assert missing == []
