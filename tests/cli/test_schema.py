"""The machine-readable contract is what the program is: held against help, settings, documents and calls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from safe_reinit import config
from safe_reinit.cli.app import app, run
from safe_reinit.cli.contract import EFFECTS
from safe_reinit.errors import BY_OUTCOME
from safe_reinit.model import EVENTS
from safe_reinit.simulator import Simulator
from tests.commands import command
from tests.conftest import KEY, CommandLine, changing
from tests.terminals import where_is

pytestmark = pytest.mark.virtual_time

ROOT = Path(__file__).resolve().parents[2]
DISK = ("--disk", "d-sim-web1-data", "--stop-instance")


def the_contract() -> dict[str, Any]:
    """Make the document as the command does."""
    from safe_reinit.cli.contract import contract

    return contract(app)


CONTRACT = the_contract()
COMMANDS: dict[str, dict[str, Any]] = {each["name"]: each for each in CONTRACT["commands"]}


def problems(schema: dict[str, Any], value: Any, top: dict[str, Any] | None = None, path: str = "$") -> Iterator[str]:
    """Hold a value against a JSON Schema, as far as ours go, and tell what does not fit."""
    top = top or schema
    if "$ref" in schema:
        schema = top["$defs"][schema["$ref"].rpartition("/")[2]]
    kinds = {
        "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
        "null": type(None),
    }  # fmt: skip
    known = {
        "$schema", "$defs", "title", "description", "format", "type", "properties", "required", "additionalProperties",
        "items", "anyOf", "enum", "const", "propertyNames", "maxItems", "minItems", "prefixItems", "$ref", "default",
        "pattern", "minimum", "maximum",
    }  # fmt: skip
    assert set(schema) <= known, f"{path}: this reader does not know {set(schema) - known}"
    if "anyOf" in schema and all(list(problems(one, value, top, path)) for one in schema["anyOf"]):
        yield f"{path}: {value!r} fits none"
    if "type" in schema and (
        not isinstance(value, kinds[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean")
    ):
        yield f"{path}: {value!r} is no {schema['type']}"
        return
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{path}: {value!r} is another word"
    if not _is_within(schema, value):
        yield f"{path}: {value!r} is of another form, or out of range"
    if isinstance(value, dict) and "type" in schema:
        yield from _members(schema, value, top, path)
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        for number, item in enumerate(value):
            one = first[number] if number < len(first) else schema.get("items", {})
            yield from problems(one, item, top, f"{path}[{number}]")


def _is_within(schema: dict[str, Any], value: Any) -> bool:
    if isinstance(value, str):
        return bool(re.search(schema.get("pattern", ""), value))
    if isinstance(value, list):
        return bool(schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)))
    return not isinstance(value, int) or bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def _members(schema: dict[str, Any], value: dict[str, Any], top: dict[str, Any], path: str) -> Iterator[str]:
    yield from (f"{path}.{name} is missing" for name in schema.get("required", []) if name not in value)
    for name, item in value.items():
        yield from problems(schema.get("propertyNames", {}), name, top, f"{path}.{name}")
        inner = schema.get("properties", {}).get(name, schema.get("additionalProperties", True))
        if inner is False:
            yield f"{path}.{name} is not known"
        elif isinstance(inner, dict):
            yield from problems(inner, item, top, f"{path}.{name}")


def test_it_is_one_document_that_its_schema_describes(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints this one document on stdout, of schema 1, as docs/schema.schema.json says."""
    code = run(["schema"])
    out, err = capsys.readouterr()
    schema = json.loads((ROOT / "docs" / "schema.schema.json").read_text("utf-8"))

    assert (code, err) == (0, "")
    assert json.loads(out) == CONTRACT == json.loads(json.dumps(CONTRACT))
    assert list(problems(schema, CONTRACT)) == []
    assert CONTRACT["schema"] == 1


def test_it_tells_of_every_command() -> None:
    """Each command is there, and what it does is written down for each: none is left to be guessed."""
    tree = {""}
    for name, each in app.commands.items():
        tree.add(name)
        if isinstance(each, click.Group):
            tree |= {f"{name} {inner}" for inner in each.commands}

    assert set(COMMANDS) == tree
    assert tree <= set(EFFECTS)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"simulator"}))
def test_its_options_are_those_of_the_help(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A command has exactly the options and arguments that its help shows, with the same metavars and words."""
    monkeypatch.setenv("COLUMNS", "200")
    run([*name.split(), "--help"])
    text = capsys.readouterr().out
    shown = dict(re.findall(r"^  (?:-V, )?(--[a-z-]+)(?: (\S+))?(?:  |$)", text, re.M))
    shown = {option: metavar for option, metavar in shown.items() if option != "--help"}

    result = {each["name"]: each for each in COMMANDS[name]["options"]}

    assert set(result) == set(shown)
    for option, metavar in shown.items():
        words = f"[{'|'.join(result[option]['choices'])}]"
        assert metavar in (result[option]["metavar"], words), option
        assert (result[option]["type"] == "switch") == (metavar == "")
    usage = text.splitlines()[0]
    for argument in COMMANDS[name]["arguments"]:
        assert argument["name"] in usage or "|".join(argument["choices"]) in usage


def test_the_environment_is_read_where_it_says_and_nowhere_else() -> None:
    """A variable that is told is read as that setting; an option without one is read from no variable."""
    samples = {"number": "1", "duration": "5m", "switch": "true", "file": "x.json", "text": "x"}
    special = {"--region": "cn-beijing", "--endpoint": "127.0.0.1:1", "--waves": "5", "--deadline": "2h"}
    special |= {"--password-env": "NEW_PASSWORD"}
    special |= dict.fromkeys(("--temporal", "--worker-metrics", "--worker-health"), "127.0.0.1:1")
    for option in (each for one in COMMANDS.values() for each in one["options"]):
        name = option["name"].removeprefix("--").replace("-", "_")
        value = special.get(option["name"]) or (option["choices"] or [samples.get(option["type"])])[0]
        if option["name"] == "--config":
            continue
        found = config.resolve({}, {f"SAFE_REINIT_{name.upper()}": str(value)})

        changed = {each.name for each in config.SETTINGS if found.of(each).source == "env"}

        assert changed == ({name} if option["env"] else set()), option
        assert option["env"] in (None, f"SAFE_REINIT_{name.upper()}")


def test_consent_is_never_read_from_the_environment() -> None:
    """Whatever names targets or agrees to something has neither a variable nor a key in the file."""
    never = {"--disk", "--instance", "--tag", "--confirm", "--accept", "--stop-instance", "--verdict", "--dry-run"}

    for each in (option for one in COMMANDS.values() for option in one["options"]):
        assert each["name"] not in never or (each["env"], each["config"]) == (None, None)


def test_its_exit_codes_are_those_of_the_classes_and_of_the_readme() -> None:
    """Outcomes, codes, data and meanings are word for word those of the error classes and of README's table."""
    result = {each["outcome"]: each for each in CONTRACT["exit_codes"]}
    rows = re.findall(r"^\| (\d) \| (.*?) \| (.*?) \| (.*?) \|$", (ROOT / "README.md").read_text("utf-8"), re.M)

    assert set(result) == {"done", "planned", *BY_OUTCOME}
    for outcome, cls in BY_OUTCOME.items():
        assert (result[outcome]["exit_code"], result[outcome]["data"], result[outcome]["meaning"]) == (
            cls.exit_code, cls.data, cls.meaning
        )  # fmt: skip
    joined = {
        (str(each["exit_code"]), each["outcome"], each["data"], each["meaning"])
        for each in result.values()
        if each["exit_code"]
    }
    zero = ("0", *(f"{result['done'][part]} / {result['planned'][part]}" for part in ("outcome", "data", "meaning")))
    assert {*joined, zero} == set(rows)


def test_the_main_command_is_reported_for_what_it_is() -> None:
    """What wipes is critical, comes back only with a snapshot, names its dry run and consent; looking is neither."""
    for name in ("", "undo", "apply", "resume", "verify-cloud"):
        result = COMMANDS[name]
        assert (result["changes"], result["risk"], result["reversible"]) == (True, "critical", "only with a snapshot")
        assert result["dry_run"]
        assert result["consent"]
        assert result["exit_codes"] == list(range(9))
    for name in ("", "undo"):
        assert {"--dry-run", "--confirm", "--snapshot"} <= {each["name"] for each in COMMANDS[name]["options"]}
    changing = ("", "undo", "apply", "resume", "verify-cloud", "cancel", "hold", "unhold", "worker")
    for name, result in COMMANDS.items():
        assert result["changes"] == (name in changing), name
        assert (result["risk"] == "none") == (result["reversible"] is None)


# ------------------------------------------------------------------------------------------------- what is true of it


@pytest.mark.parametrize("name", sorted(name for name in COMMANDS if name != "simulator" and not EFFECTS[name].changes))
def test_what_it_says_changes_nothing_changes_nothing(
    command_line: CommandLine, simulator: Simulator, tmp_path: Path, name: str
) -> None:
    """Such a command, pointed at a cloud and run to its end, sends no changing call; what asks nothing sends none."""
    words = {
        "plan": DISK, "policy": DISK, "rehearse": DISK, "show": (str(tmp_path / "none.json"),),
        "explain": ("disk-locked",), "completion": ("bash",),
    }  # fmt: skip
    result = COMMANDS[name]
    ended = command_line(*name.split(), *words.get(name, ()), env={**KEY, **where_is(simulator)})

    assert ended.code in result["exit_codes"], ended.err
    assert changing(simulator) == []
    assert bool(simulator.state()["calls"]) == result["asks_cloud"]


def test_the_documents_match_their_schemas(tmp_path: Path, simulator: Simulator) -> None:
    """What a run, its events, runs, checks and explain print is as the schemas in docs/ tell."""
    here = command(simulator.url, tmp_path)
    journal = tmp_path / "journal.db"
    there = {"SAFE_REINIT_ENDPOINT": simulator.url}
    file = tmp_path / "plan.json"
    assert here("plan", *DISK, "--save", str(file), journal=None, environment=there).returncode == 0
    done = here(*DISK, "--confirm", "d-sim-web1-data", "--output", "json", "--events", "events.jsonl", journal=journal)
    refused = here("--disk", "d-sim-disk-locked", "--dry-run", "--output", "json", journal=journal)
    printed = {
        "report": [done.stdout, refused.stdout],
        "event": (tmp_path / "events.jsonl").read_text("utf-8").splitlines(),
        "runs": [here("runs", "--output", "json", journal=journal).stdout],
        "audit": [here("audit", "--output", "json", journal=journal).stdout],
        "show": [
            here("show", json.loads(done.stdout)["run_id"], "--output", "json", journal=journal).stdout,
            here("show", "plan.json", "--output", "json", journal=journal).stdout,
        ],
        "checks": [here("checks", "--output", "json", journal=None).stdout],
        "explain": [
            here("explain", name, "--output", "json", journal=None).stdout for name in ("disk-locked", "Throttling")
        ],
        "config-show": [here("config", "show", "--output", "json", journal=None).stdout],
        "config-check": [here("config", "check", "--output", "json", journal=None).stdout],
        "policy": [here("policy", *DISK, "--output", "json", journal=None, environment=there).stdout],
        "policy-check": [here("policy", *DISK, "--check", "--output", "json", journal=None, environment=there).stdout],
        "plan": [file.read_text("utf-8")],
        "verification": [
            here(
                "verify-cloud", "--instance", "i-sim-lab-ci-2", "--output", "json", journal=journal, environment=there
            ).stdout
        ],
    }

    assert done.returncode == 0, done.stderr
    assert set(printed) == set(CONTRACT["documents"])
    for name, texts in printed.items():
        schema = CONTRACT["documents"][name]
        assert json.loads((ROOT / "docs" / f"{name}.schema.json").read_text("utf-8")) == schema
        for text in texts:
            assert list(problems(schema, json.loads(text))) == [], name
    kinds = {json.loads(text)["event"] for text in printed["event"]}
    assert kinds == {*EVENTS} - {"dropped"}


def test_a_document_that_does_not_fit_is_reported() -> None:
    """The reader of schemas in this file is no yes-man."""
    schema = CONTRACT["documents"]["runs"]

    assert list(problems(schema, {"schema": 2, "runs": [{}], "more": 1}))
    assert list(problems(schema, {"schema": 1})) == [
        "$.held is missing",
        "$.runs is missing",
        "$.unreadable is missing",
    ]
