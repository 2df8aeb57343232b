"""What a plan file can be: the very members that were saved, in whatever form of JSON; anything else is not applied."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.cli.app import run
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.cli.test_planfile import at
from tests.cloudlike import DATA, SYSTEM, simulated
from tests.conftest import Ended, changing

pytestmark = pytest.mark.virtual_time

RunCommand = Callable[..., Ended]
CONFIG = """\
allow: {regions: ["cn-*"], tags: {env: lab}}
protect: {names: ["ops-*"], tags: {keep: "yes"}}
classes:
  lab: {match: {tags: {env: lab}}, stop_instance: true, accept: [no-recent-snapshot], force_stop_after: 5m,
        on_unknown: retry, hours: "00:00-24:00", max_disks: 5, unattended: true}
quota_share: 0.35
"""


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Start a small world whose machine is one of the lab."""
    with simulated() as started:
        started.do({"change": "i-web", "to": {"tags": {"env": "lab"}}})
        yield started


@pytest.fixture
def run_command(
    capsys: pytest.CaptureFixture[str], own_home: Path, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> RunCommand:
    """Return what runs a command in an empty home."""
    at(monkeypatch, sim)
    (own_home / "c.yaml").write_text(CONFIG)

    def command(*words: str) -> Ended:
        capsys.readouterr()
        return Ended(run([*words, "--config", str(own_home / "c.yaml")]), *capsys.readouterr())

    return command


@pytest.fixture
def content(run_command: RunCommand, tmp_path: Path) -> dict[str, Any]:
    """Save a plan that has as much in it as a plan can have, and return what is in the file."""
    file = tmp_path / "saved.json"
    words = (
        "plan", "--disk", DATA, "--disk", SYSTEM, "--accept", "never-started", "--reason", "CHG-\u00e9/1",
        "--waves", "1,50%", "--canary", "1", "--save", str(file),
    )  # fmt: skip
    text = virtual.current().run(lambda: run_command(*words))
    assert text.code == 0, text.err
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return every place of a document where a value stands."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from places(each, (*path, name))
    yield path


def there(document: Any, path: tuple[Any, ...]) -> Any:
    """Return what stands at a place."""
    for step in path:
        document = document[step]
    return document


def signed(content: dict[str, Any]) -> str:
    """Write a content with the digest that fits it, computed by the words of the contract."""
    rest = {name: each for name, each in content.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return json.dumps({**rest, "digest": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()})


def shown(run_command: RunCommand, folder: Path, text: str) -> int:
    """Show a file of this text, and return the exit code."""
    file = folder / "other.json"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    return run_command("show", str(file)).code


def test_the_file_has_no_fractions_and_no_number_that_a_reader_changes(content: dict[str, Any]) -> None:
    """Every number is whole and small enough for every reader of JSON."""
    numbers = [there(content, path) for path in places(content) if type(there(content, path)) in (int, float)]

    assert all(type(number) is int and abs(number) < 2**53 for number in numbers)
    assert content["limits"]["stop_ms"] == 600_000
    assert content["rollout"]["quota_share_permille"] == 350


def reversed_members(value: Any) -> Any:
    """Turn the order of all members around."""
    if isinstance(value, dict):
        return {name: reversed_members(each) for name, each in reversed(value.items())}
    return [reversed_members(each) for each in value] if isinstance(value, list) else value


def of_lua(text: str) -> str:
    """Write whole numbers as a tool does that has fractions only."""
    return re.sub(r'("\w+": ?)(\d+)(?=[,\n}])', r"\1\2.0", text)


FORMS: dict[str, Callable[[dict[str, Any]], str]] = {
    "jq .": lambda content: json.dumps(content, indent=2, ensure_ascii=False),
    "jq -c": lambda content: json.dumps(content, separators=(",", ":"), ensure_ascii=False),
    "jq -S": lambda content: json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False),
    "jq -a": lambda content: json.dumps(content, indent=2, ensure_ascii=True),
    "tabs": lambda content: json.dumps(content, indent="\t"),
    "reversed": lambda content: json.dumps(reversed_members(content)),
    "php": lambda content: json.dumps(content).replace("/", "\\/"),
    "fractions": lambda content: of_lua(json.dumps(content)),
    "exponents": lambda content: json.dumps(content).replace("600000", "6e5").replace("3600000", "36E5"),
    "windows": lambda content: json.dumps(content, indent=2).replace("\n", "\r\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_plan_that_went_through_a_tool_is_the_same_plan(
    run_command: RunCommand, tmp_path: Path, content: dict[str, Any], form: str
) -> None:
    """Order, spaces, escapes and the way numbers are written make no difference to the digest."""
    file = tmp_path / "other.json"
    file.write_bytes(FORMS[form](content).encode())
    text = run_command("show", str(file), "--output", "json")

    assert text.code == 0, text.err
    assert text.document["file"]["digest"] == content["digest"]


@pytest.mark.parametrize("form", ["jq -S", "fractions"])
def test_it_is_applied_as_well(run_command: RunCommand, tmp_path: Path, form: str) -> None:
    """The plan runs from the file that the tool wrote, by the digest that was quoted before."""
    with simulated() as own, pytest.MonkeyPatch.context() as monkeypatch:
        at(monkeypatch, own)
        own.do({"change": "i-web", "to": {"tags": {"env": "lab"}}})
        first, second = tmp_path / "plan.json", tmp_path / "again.json"
        assert run_command("plan", "--disk", DATA, "--save", str(first)).code == 0
        content = json.loads(first.read_text("utf-8"))
        second.write_text(FORMS[form](content), "utf-8")
        text = run_command("apply", str(second), "--confirm", content["digest"])

        assert text.code == 0, text.err
        assert changing(own) == ["StopInstance", "ReInitDisk", "StartInstance"]


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return what puts a value at a place such as ``jobs.0.will_stop``."""

    def put(content: dict[str, Any]) -> None:
        *outer, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        there(content, tuple(outer))[last] = value

    return put


CONTRADICTIONS = {
    "another version": change("tool_version", "0.1.0-free-text"),
    "a version with room": change("tool_version", "0.1.0 "),
    "a foreign endpoint": change("endpoint", "https://ecs.example.com"),
    "a foreign endpoint that looks local": change("endpoint", "http://127.0.0.1.example.com"),
    "it never expires": change("expires_at", "9999-12-31T23:59:59Z"),
    "it expired before it was made": change("expires_at", "2000-01-01T00:00:00Z"),
    "another account's caller": change("caller.account", "2000000000000002"),
    "a stop that nobody allowed": change("jobs.0.will_stop", False),
    "no start": change("jobs.0.will_start", False),
    "another promise": change("jobs.0.power_promised", "Stopped"),
    "a waiver that nobody gave": change("jobs.0.disks.0.waivers", ["in-scaling-group"]),
    "an unknown check": change("findings.0.check", "all-is-well"),
    "an unknown level": change("findings.0.level", "note"),
    "a finding made milder": lambda content: content["findings"].append(
        {**content["findings"][0], "check": "disk-locked", "level": "info"}
    ),
    "an accepted block": lambda content: content["options"]["accept"].append("disk-locked"),
    "a disk twice": lambda content: content["jobs"][0]["disks"].append(content["jobs"][0]["disks"][0]),
    "no disks": change("jobs", []),
    "a limit of no disks": change("guard.disks", 0),
    "a class of another name": change("guard.class.name", "d-data"),
    "a class that allows more": change("guard.class.allowed", ["everything"]),
    "a wave of more than all": change("rollout.waves", [[101, True]]),
    "an undo of nothing": change("options.undo", "yes"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_file_that_contradicts_itself_is_refused(
    run_command: RunCommand, tmp_path: Path, content: dict[str, Any], name: str
) -> None:
    """What follows from other members must follow, whatever digest was computed for it."""
    CONTRADICTIONS[name](content)

    assert shown(run_command, tmp_path, signed(content)) == 2


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 5000, "0.1", "1e-7"])
def test_a_number_that_is_none_is_refused(
    run_command: RunCommand, tmp_path: Path, content: dict[str, Any], word: str
) -> None:
    """What is no whole number that every reader reads alike is refused in words."""
    text = json.dumps(content).replace('"retry_ms": 300000', f'"retry_ms": {word}')

    assert word in text
    assert shown(run_command, tmp_path, text) == 2


@pytest.mark.parametrize(
    "forged",
    [
        {"match": {"accounts": None, "regions": ["*"], "tags": None}},
        {"unattended": True, "match": {"accounts": None, "regions": None, "tags": None}},
        {"hours": None},
        {"on_unknown": None, "hours": {"begin": 0, "end": 1439, "offset": 0}},
    ],
)
def test_a_class_in_a_file_is_the_class_of_todays_configuration(
    run_command: RunCommand, sim: Simulator, tmp_path: Path, content: dict[str, Any], forged: dict[str, Any]
) -> None:
    """A file that quotes the right hash of a class and another content of it is no unattended consent."""
    content["guard"]["class"].update(forged)
    file = tmp_path / "forged.json"
    file.write_text(signed(content))
    file.chmod(0o600)
    text = run_command("apply", str(file), "--confirm", "lab")

    assert text.code in (2, 3)
    assert changing(sim) == []
