"""The layout: what each room imports, what is pure, and that the map of it is true."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import safe_reinit
from safe_reinit.plans import plan_schema

PACKAGE = Path(safe_reinit.__file__).parent
ROOT = Path(__file__).resolve().parent.parent

MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "version": set(),
    "threads": set(),
    "errors": {"model"},
    "logs": {"model"},
    "clock": {"errors"},
    "files": {"errors"},
    "core": {"model"},
    "checks": {"model"},
    "plans": {"checks", "core", "model", "version"},
    "cloud": {"clock", "errors", "files", "logs", "model", "threads"},
    "config": {"clock", "cloud", "errors", "files", "model"},
    "journal": {"clock", "errors", "files", "logs", "model"},
    "report": {"checks", "core", "errors", "journal", "model", "plans", "version"},
    "interrupt": {"clock", "errors", "model", "threads"},
    "error_mapping": {"cloud", "errors", "journal", "model"},
    "planning": {
        "checks", "clock", "cloud", "config", "error_mapping", "errors", "files", "journal", "logs", "model", "plans",
        "report",
    },
    "execution": {
        "checks", "clock", "cloud", "core", "error_mapping", "errors", "interrupt", "journal", "logs", "model",
        "planning", "plans", "report",
    },
    "temporal": {"config", "core", "error_mapping", "errors", "execution", "logs", "model", "plans", "version"},
    "client": {
        "clock", "cloud", "config", "error_mapping", "errors", "execution", "interrupt", "journal", "model", "planning",
        "report", "temporal",
    },
    "verification": {"client", "clock", "cloud", "core", "errors", "model", "planning", "threads", "version"},
    "simulator": set(),
    "testing": {"clock", "cloud", "model", "simulator"},
    "cli": {
        "checks", "client", "clock", "cloud", "config", "core", "error_mapping", "errors", "execution", "files",
        "interrupt", "journal", "model", "planning", "plans", "report", "simulator", "temporal", "threads",
        "verification", "version",
    },
    "__main__": {"cli"},
    "__init__": {"client", "clock", "errors", "version"},
}  # fmt: skip
"""Which other rooms the files of each room import, from the ground up: none imports one that is built on it."""
OF_CORE = {
    "report": {"state", "waves"},
    "plans": {"waves"},
    "temporal": {"resuming"},
    "verification": {"state"},
    "cli": {"state", "waves", "rate_limits", "resuming"},
}
"""Which files of ``core`` a room uses: ``execution`` any; else what a final state came to, and how a fleet spreads."""
DISTRIBUTIONS = {"darabonba": "darabonba-core", "yaml": "pyyaml"}
"""What brings a package, where it has another name."""
ONLY_IN = {
    "alibabacloud_ecs20140526": {"cloud/aliyun"},
    "alibabacloud_tea_openapi": {"cloud/aliyun"},
    "darabonba": {"cloud/aliyun"},
    "requests": {"cloud/aliyun"},
    "urllib3": {"cloud/aliyun"},
    "certifi": {"cloud/aliyun"},
    "tenacity": {"cloud/retry.py", "core", "journal/sqlite.py"},
    "sqlite3": {"journal"},
    "psycopg": {"journal"},
    "time": {"clock.py", "simulator"},
    "click": {"cli"},
    "rich": {"cli"},
    "aiohttp": {"simulator", "cli/health.py"},
    "temporalio": {"temporal"},
    "pydantic": {"cli", "simulator"},
    "yaml": {"config", "simulator"},
    "pytest": {"testing/plugin.py"},
}
"""The one place, or the few, for each library and for the clock."""
PURE = {"model", "version", "errors", "core", "checks", "plans"}
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
ASKS_ECS = {"planning/describe.py", "planning/discover.py", "execution/session.py", "execution/tags.py"}
"""Who makes Describe calls: what calls stand on comes from ``describe``; the others find targets and begin runs."""
DESCRIBES = {
    "describe_disks", "describe_disks_of", "describe_instances", "describe_tagged", "list_instances",
    "describe_snapshots", "describe_snapshots_of", "list_snapshots", "list_disks", "describe_snapshot_links",
    "describe_images", "describe_key_pairs",
}  # fmt: skip
READS_THE_CLOCK = ("now", "utcnow", "today")
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """Return the room that a file belongs to: a folder, or a file at the top."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[tuple[str, str]]:
    """List what a file imports: ("ours", room) or ("theirs", package)."""
    return [(kind, name[0]) for kind, name in names_of(path)]


@cache
def names_of(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    """List the same with the whole name of what is ours: ("ours", (room, file, ...))."""
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


def test_imports_point_one_way() -> None:
    """A file imports only its own room and those that this is built on, and a library only in its one place."""
    for path in FILES:
        room, file = room_of(path), path.relative_to(PACKAGE).as_posix()
        for kind, name in imports_of(path):
            if kind == "ours":
                assert name in MAY_IMPORT[room] | {room}, f"{path} imports {name}"
            elif name in ONLY_IN:
                assert any(file == place or file.startswith(f"{place}/") for place in ONLY_IN[name]), f"{path}: {name}"


def test_what_is_imported_is_declared() -> None:
    """Every package that the code imports is a dependency or in an extra, and every dependency is imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["postgres"], *extras["temporal"], *extras["testing"]]
    imported = {name for path in FILES for kind, name in imports_of(path) if kind == "theirs"}

    needed = {DISTRIBUTIONS.get(name, name.replace("_", "-")) for name in imported - sys.stdlib_module_names}
    assert needed == {re.match(r"[\w-]+", each)[0].lower() for each in declared}  # type: ignore[index]


def test_no_room_is_built_on_itself() -> None:
    """The rule itself has one direction."""
    assert list(graphlib.TopologicalSorter(MAY_IMPORT).static_order())


def test_the_rule_allows_no_more_than_is_needed() -> None:
    """A room that no file of another one imports any more is struck from the rule."""
    used = {room: set[str]() for room in MAY_IMPORT}
    for path in FILES:
        used[room_of(path)] |= {name for kind, name in imports_of(path) if kind == "ours"} - {room_of(path)}

    assert used == MAY_IMPORT


def test_what_judges_and_decides_is_pure() -> None:
    """Values, judging and deciding reach no network, clock or file, print nothing, and their values are frozen."""
    for path in [each for each in FILES if room_of(each) in PURE]:
        file = str(path.relative_to(PACKAGE))
        for kind, name in imports_of(path):
            assert kind == "ours" or name in PURE_NEEDS | ALSO_NEEDS.get(file, set()), f"{path} imports {name}"
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)

                assert called not in ("open", "print", "input", "exec", "eval"), f"{path}:{node.lineno}"
                assert not called.endswith(tuple(f"datetime.{name}" for name in READS_THE_CLOCK)), (
                    f"{path}:{node.lineno}"
                )
            if isinstance(node, ast.ClassDef):
                values = [ast.unparse(each) for each in node.decorator_list if "dataclass" in ast.unparse(each)]

                frozen = all("frozen=True" in each for each in values)
                assert frozen or node.name in CHANGES.get(file, set()), f"{path}:{node.lineno} {node.name}"


def test_the_core_is_used_through_listed_files() -> None:
    """Only ``execution`` carries a run out; every other room uses of the core what the rule names for it."""
    for path in FILES:
        if room_of(path) not in ("core", "execution"):
            used = {name[1] for kind, name in names_of(path) if kind == "ours" and name[0] == "core"}
            assert used <= OF_CORE.get(room_of(path), set()), f"{path} imports {used} of core"


def test_no_file_imports_itself_through_others() -> None:
    """Files import each other in one direction, also inside functions and for types alone: none is half imported."""
    names = {path.relative_to(PACKAGE).with_suffix("").parts for path in FILES}
    graph = {
        file: {one for kind, name in names_of(PACKAGE.joinpath(*file).with_suffix(".py")) if kind == "ours"
               for one in _files_of(name, names)} - {file}
        for file in names
    }  # fmt: skip

    assert list(graphlib.TopologicalSorter(graph).static_order())


def _files_of(name: tuple[str, ...], files: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Return the file that has an imported name: the module itself, the one that defines it, or the package."""
    return {next(each for each in (name, (*name, "__init__"), name[:-1], (*name[:-1], "__init__")) if each in files)}


def test_plan_recheck_and_observation_read_ecs_by_one_module() -> None:
    """No other module makes Describe calls, so that what one of them shows the others show as well."""
    asking = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in DESCRIBES and ast.unparse(node.value).endswith("cloud")
    }

    assert {name for name in asking if not name.startswith("simulator/")} == ASKS_ECS


def test_a_class_is_a_base_for_a_reason() -> None:
    """No class is cut in two: what is only the base of one other class belongs into it, and parts are members."""
    trees = [ast.parse(path.read_text("utf-8")) for path in FILES]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    bases = Counter(base for each in classes for base in map(_name_of, each.bases))
    used = Counter(
        _name_of(node) for tree in trees for node in ast.walk(tree) if isinstance(node, (ast.Name, ast.Attribute))
    )

    for each in classes:
        interface = {"ABC", "Protocol"} & set(map(_name_of, each.bases))
        assert not each.name.endswith("Mixin"), each.name
        assert interface or bases[each.name] != 1 or used[each.name] > 1, f"{each.name} is only a base"


def _name_of(node: ast.AST) -> str:
    """Return the last part of a name, of what it is a generic kind of, too: ``Base`` of ``module.Base[T]``."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def test_the_cloud_over_the_sdk_is_made_in_one_place() -> None:
    """Nothing but ``cloud/locate.py`` makes it, so that a cloud that was handed in is used wherever one is."""
    makers = [
        str(path.relative_to(PACKAGE))
        for path in FILES
        for _ in re.findall(r"\baliyun\.make_gateway\b", path.read_text("utf-8"))
    ]

    assert makers == ["cloud/locate.py"]


def test_an_error_gets_its_report_in_one_place() -> None:
    """Only ``error_mapping`` sets the report of an error, or ``interrupt`` from outside; ``wording`` rewords both."""
    setting = [
        path.relative_to(PACKAGE).as_posix()
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "report" and isinstance(node.ctx, ast.Store)
    ]

    assert sorted(setting) == ["config/wording.py", "error_mapping.py", "interrupt.py"]


def test_no_part_of_a_sentence_is_lost() -> None:
    """A text that is a statement is a docstring: any other is the rest of one that was broken without parentheses."""
    lost = []
    for path in FILES:
        text_lines = path.read_text("utf-8").splitlines()
        for node in ast.walk(ast.parse("\n".join(text_lines))):
            value = node.value if isinstance(node, ast.Expr) else None
            is_text = isinstance(value, ast.JoinedStr) or isinstance(getattr(value, "value", None), str)
            if is_text and not text_lines[node.lineno - 1].lstrip().startswith(('"""', 'r"""')):
                lost.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")

    assert lost == []


def test_importing_the_package_imports_nothing_else() -> None:
    """``import safe_reinit`` brings no other part of it; those come when a name is asked for."""
    program = "import sys, safe_reinit; print(sorted(name for name in sys.modules if name.startswith('safe_reinit.')))"

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert result.strip() == "[]"


def test_the_tests_are_in_the_folders_of_the_rooms() -> None:
    """A folder of tests is that of a room, or has a purpose that CONTRIBUTING.md says."""
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")

    assert folders - rooms == {"blackbox", "simulation"}
    assert all(f"`tests/{each}/`" in text for each in folders - rooms)


def test_at_most_ten_files_are_at_the_top() -> None:
    """Whoever opens the package sees the rooms, and at most ten files beside them."""
    assert {room_of(path) for path in FILES} == set(MAY_IMPORT)
    assert len(list(PACKAGE.glob("*.py"))) <= 10


def test_a_file_has_at_most_450_lines() -> None:
    """No file becomes a drawer; a file that has one reason to change is not cut in two for its length alone."""
    lines = {str(path.relative_to(PACKAGE)): len(path.read_text("utf-8").splitlines()) for path in FILES}

    assert {name: count for name, count in lines.items() if count > 450} == {}


def test_the_map_of_the_house_is_true() -> None:
    """CONTRIBUTING.md has every room, and its picture shows which is built on which: no arrow more, no arrow less."""
    picture, beside = the_map()
    drawn = re.findall(r'^    (\w+)\["(\w+): [^"]+"\](?: --> ([\w &]+))?$', picture, re.MULTILINE)
    arrows = {(room, other) for room, _, others in drawn for other in re.findall(r"\w+", others)}
    rooms = {room for room, _, _ in drawn}
    reached = {room: _reached(room, arrows) for room in rooms}

    assert len(drawn) == len(picture.splitlines()) - 2
    assert [room for room, name, _ in drawn if room != name] == []
    assert rooms == {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert {name for name in re.findall(r"`(\w+)`", beside) if name != "time"} == set(MAY_IMPORT) - rooms
    for room in rooms:
        assert {name for one, name in arrows if one == room} <= MAY_IMPORT[room], room
        assert MAY_IMPORT[room] & rooms <= reached[room], room


def the_map() -> tuple[str, str]:
    """Return the picture of the map, and what stands below it about the files at the top."""
    section = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## A map of the code")[1].split("\n### ")[0]
    (parts,) = re.findall(r"^```mermaid\n(.*?)^```\n\n(The files at the top are .*?\.)\n`tests/", section, re.M | re.S)
    picture, beside = parts
    return picture, beside


def test_the_map_fits_on_a_screen() -> None:
    """The map, read as text, has at most 45 lines, so that it is seen at once; the site's test holds the drawn one."""
    section = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## A map of the code")[1].split("\n### ")[0]

    assert len(section.strip().splitlines()) < 45


def test_every_folder_lists_its_files() -> None:
    """The docstring of a folder's ``__init__`` names each of its files; ``checks`` lists them in code."""
    for init in PACKAGE.rglob("__init__.py"):
        folder = init.parent
        if folder in (PACKAGE, PACKAGE / "checks"):
            continue
        rows = re.findall(r"^\| (``.*?) \| ", ast.get_docstring(ast.parse(init.read_text("utf-8"))) or "", re.MULTILINE)
        listed = re.findall(r"``([a-z0-9_]+/?)``", " ".join(rows))
        files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")}
        folders = {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}

        assert sorted(listed) == sorted(files | folders), folder


def test_the_tour_leads_to_what_is_there() -> None:
    """Each file and each function that the tour in CONTRIBUTING.md names is where it says."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    tour = " ".join(re.sub(r"\s+", " ", text.split("## A tour of the code")[1].split("\n## ")[0]).split())
    stops = re.findall(r"`([a-z_/]+\.py)`(?: \(((?:`\w+`(?:, )?)+)\))?", tour)

    assert len(stops) > 20
    for file, names in stops:
        defined = {
            each.name
            for each in ast.walk(ast.parse((PACKAGE / file).read_text("utf-8")))
            if isinstance(each, ast.FunctionDef | ast.ClassDef)
        }
        assert set(re.findall(r"\w+", names)) <= defined, file


def _reached(room: str, arrows: set[tuple[str, str]]) -> set[str]:
    direct = {other for one, other in arrows if one == room}
    return direct.union(*(_reached(each, arrows) for each in direct))


def test_every_member_of_a_plan_has_a_form() -> None:
    """Whoever adds a text or a number to a plan says in plans/plan_schema.py what it can be; else no plan is read."""
    schema = plan_schema.schema_of_plan()
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
