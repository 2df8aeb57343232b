"""The settings of targets: allow, protect, max_disks and classes, and every way in which they are refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.cli.app import run
from safe_reinit.config import Settings, resolve
from safe_reinit.errors import UsageError
from safe_reinit.model import Allow, Hours, Match, Protect, TargetClass, TargetRules
from safe_reinit.planning.request import target_rules_of

CONTRACT = """\
classes: {lab: {match: {accounts: ["1"], regions: [cn-hangzhou], tags: {env: lab}}, stop_instance: true,
  accept: [never-started, category-unknown], snapshot: false, max_disks: 60, force_stop_after: 5m, on_unknown: retry,
  hours: "01:00-05:00", unattended: true}}
"""


def target_rules(tmp_path: Path, text: str) -> TargetRules:
    """Return what a file with this text says of targets."""
    file = tmp_path / "c.yaml"
    file.write_text(text, "utf-8")
    return target_rules_of(resolve({}, {}, str(file)))


def refused(tmp_path: Path, text: str) -> str:
    """Return the sentence with which a file is refused."""
    with pytest.raises(UsageError) as raised:
        target_rules(tmp_path, text)
    return str(raised.value)


def test_guards_are_on_without_any_file() -> None:
    """The defaults of the settings are the defaults of the values: the tag and the words protect."""
    made = target_rules_of(resolve({}, {"HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent"}))

    assert made == TargetRules()
    assert made.protect == Protect(tag="safe-reinit:protect", terms=("prod", "production"))


def test_the_class_of_the_contract_is_read(tmp_path: Path) -> None:
    """Every member of a class is read as it is meant."""
    (lab,) = target_rules(tmp_path, CONTRACT).classes

    assert lab == TargetClass(
        name="lab",
        sha256=lab.sha256,
        match=Match(accounts=("1",), regions=("cn-hangzhou",), tags=(("env", "lab"),)),
        stop_instance=True,
        accept=("never-started", "category-unknown"),
        snapshot=False,
        max_disks=60,
        force_stop_after=300.0,
        on_unknown="retry",
        hours=Hours(60, 300),
        unattended=True,
    )


def test_a_class_says_nothing_that_is_not_in_it(tmp_path: Path) -> None:
    """Without its members a class stops nothing, accepts nothing and consents to nothing."""
    (lab,) = target_rules(tmp_path, "classes: {lab: {match: {tags: {env: lab}}}}\n").classes

    assert lab == TargetClass("lab", lab.sha256, Match(tags=(("env", "lab"),)))
    assert (lab.stop_instance, lab.accept, lab.unattended) == (False, (), False)
    assert (lab.snapshot, lab.max_disks, lab.hours) == (None, None, None)


def test_classes_keep_their_order(tmp_path: Path) -> None:
    """The first match wins, so the order of the file is the order of the classes."""
    text = "classes:\n" + "".join(f"  {name}: {{match: {{regions: ['*']}}}}\n" for name in ("z", "a", "m"))

    assert [each.name for each in target_rules(tmp_path, text).classes] == ["z", "a", "m"]


def test_the_hash_of_a_class_is_that_of_its_text(tmp_path: Path) -> None:
    """The hash is SHA-256 of the canonical JSON of what the file says, however it is laid out; a change changes it."""
    message = {"match": {"tags": {"env": "lab"}}, "stop_instance": True, "hours": "01:00-05:00"}
    text = json.dumps(message, sort_keys=True, separators=(",", ":"))
    (one,) = target_rules(tmp_path, f"classes: {{lab: {json.dumps(message)}}}\n").classes
    (two,) = target_rules(tmp_path, "classes:\n  lab:\n    hours: '01:00-05:00'\n    stop_instance: true\n"
                              "    match:\n      tags: {env: lab}\n").classes  # fmt: skip
    (other,) = target_rules(tmp_path, f"classes: {{lab: {json.dumps({**message, 'stop_instance': False})}}}\n").classes

    assert one.sha256 == two.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert other.sha256 != one.sha256


def test_what_may_be_a_target_is_read(tmp_path: Path) -> None:
    """Each list is read; an account may be written without quotes; a list that is absent asks nothing."""
    text = "allow: {accounts: [1000000000000001], regions: ['cn-*'], names: ['lab-*'], tags: {env: lab, team: ''}}\n"
    made = target_rules(tmp_path, text).allow

    assert made == Allow(("1000000000000001",), ("cn-*",), (("env", "lab"), ("team", "")), names=("lab-*",))
    assert (made.instances, made.disks) == (None, None)


def test_an_empty_list_allows_nothing(tmp_path: Path) -> None:
    """A list that is there and empty is not a list that is absent."""
    assert target_rules(tmp_path, "allow: {disks: []}\n").allow == Allow(disks=())


def test_what_is_protected_is_read_beside_the_defaults(tmp_path: Path) -> None:
    """A member that is not said keeps its default; a list that is said replaces it."""
    some = target_rules(tmp_path, "protect: {names: ['db-*'], tags: {env: live}}\n").protect
    more = target_rules(tmp_path, "protect: {tag: keep=yes, terms: [live], instances: [i-1], disks: [d-1]}\n").protect

    assert some == Protect(names=("db-*",), tags=(("env", "live"),))
    assert (some.tag, some.terms) == ("safe-reinit:protect", ("prod", "production"))
    assert more == Protect("keep=yes", terms=("live",), instances=("i-1",), disks=("d-1",))


@pytest.mark.parametrize(
    ("hours", "read"),
    [
        ("22:00-04:00", Hours(1320, 240)),
        ("00:00-24:00", Hours(0, 1440)),
        ("01:00-05:00 +08:00", Hours(60, 300, 480)),
        ("01:30-05:45 -03:30", Hours(90, 345, -210)),
    ],
)
def test_hours_are_read(tmp_path: Path, hours: str, read: Hours) -> None:
    """Hours are UTC unless they have a zone of their own."""
    (lab,) = target_rules(tmp_path, f"classes: {{lab: {{match: {{regions: ['*']}}, hours: '{hours}'}}}}\n").classes

    assert lab.hours == read


BAD_CLASS: dict[str, tuple[str, str]] = {
    "hurs: '01:00-05:00'": (".hurs", "not one of"),
    "hours: '01:00'": (".hours", "01:00-05:00"),
    "hours: '1:00-5:00'": (".hours", "01:00-05:00"),
    "hours: '01:00-25:00'": (".hours", "01:00-05:00"),
    "hours: '24:00-05:00'": (".hours", "01:00-05:00"),
    "hours: '05:00-24:30'": (".hours", "01:00-05:00"),
    "hours: '05:00-05:00'": (".hours", "01:00-05:00"),
    "hours: '01:00-05:00 CST'": (".hours", "01:00-05:00"),
    "hours: '01:00-05:00 +15:00'": (".hours", "01:00-05:00"),
    "hours: '\u0660\u0661:00-05:00'": (".hours", "01:00-05:00"),
    "hours:": (".hours", "01:00-05:00"),
    "stop_instance: perhaps": (".stop_instance", "not true or false"),
    "unattended: 2": (".unattended", "not true or false"),
    "snapshot: ''": (".snapshot", "not true or false"),
    "accept: never-started": (".accept", "not a list"),
    "accept: [1]": (".accept[0]", "not text; put it in quotes"),
    "max_disks: 0": (".max_disks", "at least 1"),
    "max_disks: true": (".max_disks", "at least 1"),
    "max_disks: 1.5": (".max_disks", "at least 1"),
    "max_disks: -1": (".max_disks", "at least 1"),
    "force_stop_after: 5": (".force_stop_after", "not a duration"),
    "on_unknown: forget": (".on_unknown", "not one of ask, retry"),
    "leave_stopped: true": (".leave_stopped", "not one of"),
    "confirm: lab": (".confirm", "not one of"),
    "key_pair: x": (".key_pair", "not one of"),
}


@pytest.mark.parametrize("line", BAD_CLASS)
def test_a_member_of_a_class_that_does_not_fit(tmp_path: Path, line: str) -> None:
    """A member that is unknown or of another form is refused with its path."""
    path, text = BAD_CLASS[line]
    result = refused(tmp_path, f"classes:\n  lab:\n    match: {{tags: {{env: lab}}}}\n    {line}\n")

    assert f"At classes.lab{path}: " in result
    assert text in result


BAD: dict[str, tuple[str, str]] = {
    "allow:": ("allow", "not a mapping"),
    "protect:": ("protect", "not a mapping"),
    "classes:": ("classes", "not a mapping"),
    "classes: [lab]": ("classes", "not a mapping"),
    "classes: {lab: }": ("classes.lab", "not a mapping"),
    "classes: {lab: {stop_instance: true}}": ("classes.lab.match", "sets no condition"),
    "classes: {lab: {match: {}}}": ("classes.lab.match", "sets no condition"),
    "classes: {lab: {match: {tags: {}}}}": ("classes.lab.match", "sets no condition"),
    "classes: {lab: {match: {names: [x]}}}": ("classes.lab.match.names", "not one of accounts, regions, tags"),
    "classes: {lab: {match: {tags: [env]}}}": ("classes.lab.match.tags", "not a mapping"),
    "classes: {lab: {match: {tags: {env: true}}}}": ("classes.lab.match.tags.env", "in quotes"),
    "classes: {d-1: {match: {regions: [x]}}}": ("classes.d-1", "not a name"),
    "classes: {0123abcd: {match: {regions: [x]}}}": ("classes.0123abcd", "not a name"),
    "classes: {deadbeef: {match: {regions: [x]}}}": ("classes.deadbeef", "not a name"),
    "classes: {a b: {match: {regions: [x]}}}": ("classes.a b", "not a name"),
    "classes: {a: {match: {regions: [x]}}, A: {match: {regions: [x]}}}": ("classes.A", "only in case"),
    "allow: {account: ['1']}": ("allow.account", "not one of"),
    "allow: {accounts: '1'}": ("allow.accounts", "not a list"),
    "allow: {accounts: }": ("allow.accounts", "not a list"),
    "allow: {accounts: [true]}": ("allow.accounts[0]", "not text; put it in quotes"),
    "allow: {disks: [d-1, '']}": ("allow.disks[1]", "not a line of text"),
    "allow: {tags: {env: [lab]}}": ("allow.tags.env", "in quotes"),
    "protect: {tag: }": ("protect.tag", "not text; put it in quotes"),
    "protect: {tag: '=x'}": ("protect.tag", "KEY=VALUE"),
    "protect: {tag: ''}": ("protect.tag", "not a line of text"),
    "protect: {terms: [prod-1]}": ("protect.terms[0]", "use names"),
    "protect: {terms: prod}": ("protect.terms", "not a list"),
    "protect: {accounts: ['1']}": ("protect.accounts", "not one of"),
    "protect: off": ("protect", "not a mapping"),
}  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_a_setting_that_does_not_fit(tmp_path: Path, text: str) -> None:
    """What is of another form is refused with its path: a guard that was meant is never left out without a word."""
    path, message = BAD[text]
    result = refused(tmp_path, f"{text}\n")

    assert f"At {path}: " in result
    assert message in result


def test_a_class_accepts_what_is_a_risk(tmp_path: Path) -> None:
    """The name of a block or of no check is refused when the file is read, each with its path."""
    text = (
        "classes:\n  lab: {match: {regions: ['*']}, accept: [never-started, disk-locked, everything]}\n"
        "  b: {match: {regions: ['*']}, accept: [target-protected]}\n"
    )
    result = refused(tmp_path, text)

    assert "At classes.lab.accept[1]: disk-locked is a block" in result
    assert "At classes.lab.accept[2]: There is no check named 'everything'" in result
    assert "At classes.b.accept[0]: target-protected is a block" in result
    assert str(tmp_path / "c.yaml") in result


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    """One reading tells what is wrong in all of the settings, each with its path and the file."""
    text = "allow: {x: 1, accounts: 2}\nprotect: {tag: 3}\nclasses: {lab: {hours: 4, y: 5}}\nmax_disks: none\nz: 6\n"
    result = refused(tmp_path, text)

    for path in ("At allow.x", "At allow.accounts", "At protect.tag", "At classes.lab.match", "At classes.lab.hours",
                 "At classes.lab.y", "max_disks", "z is not a setting"):  # fmt: skip
        assert f"{tmp_path / 'c.yaml'}: {path}" in result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("protect: {terms: [live]}\nquiet: true\nprotect: {terms: []}\n", "protect twice, the second time at line 3"),
        (
            "classes:\n  lab: {match: {regions: [a]}}\n  lab: {match: {regions: [b]}}\n",
            "lab twice, the second time at line 3",
        ),
        ("allow: {disks: [d-1], disks: ['*']}\n", "disks twice"),
    ],
)
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The first of two would be lost without a word, and a protection with it."""
    assert message in refused(tmp_path, text)


def test_what_is_shared_by_an_anchor_stands_once(tmp_path: Path) -> None:
    """A merge is no second key: classes may share what they have in common."""
    text = (
        "classes:\n  lab: &lab {match: {tags: {env: lab}}, stop_instance: true}\n"
        "  test: {<<: *lab, match: {tags: {env: test}}}\n"
    )
    lab, test = target_rules(tmp_path, text).classes

    assert (lab.stop_instance, test.stop_instance) == (True, True)
    assert test.match == Match(tags=(("env", "test"),))


@pytest.mark.parametrize("value", ["0", "-1", "ten", "1.0", "", "12345678", "\u0661"])
def test_a_number_of_disks_is_a_number(value: str) -> None:
    """The option takes a whole number of at least one."""
    with pytest.raises(UsageError, match="--max-disks"):
        resolve({"max_disks": value}, {"HOME": "/nonexistent"})


def test_no_guard_is_read_from_the_environment() -> None:
    """What allows, protects and consents stands in a file; only the number of disks may be said elsewhere."""
    guards = (Settings.allow, Settings.protect, Settings.classes, Settings.max_disks)

    assert [each for each in guards if each.variables] == [Settings.max_disks]


# ----------------------------------------------------------------------------------------------------- config show


@pytest.fixture
def file(own_home: Path) -> Path:
    """Return the place of a file in an empty home."""
    return own_home / "c.yaml"


def shown(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Return what config show tells."""
    code = run(["config", "show", *argv])
    out, err = capsys.readouterr()

    assert (code, err) == (0, "")
    return out


def test_config_show_prints_classes_readably(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text each member of a class has a line of its own, as a file could have it, with its source above."""
    file.write_text(f"{CONTRACT}protect: {{names: ['db-*']}}\n", "utf-8")
    lines = shown(capsys, "--config", str(file)).splitlines()
    at = lines.index(f"classes:  [file ({file}: classes)]")

    assert lines[at + 1 : at + 12] == [
        "  lab:",
        "    match:",
        '      accounts: ["1"]',
        "      regions: [cn-hangzhou]",
        "      tags: {env: lab}",
        "    stop_instance: true",
        "    accept: [never-started, category-unknown]",
        "    snapshot: false",
        "    max_disks: 60",
        '    force_stop_after: "5m"',
        "    on_unknown: retry",
    ]
    assert '  tag: "safe-reinit:protect"' in lines
    assert "  terms: [prod, production]" in lines
    assert '  names: ["db-*"]' in lines


def test_what_config_show_prints_can_be_read_again(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines of a nested setting are YAML that says the same."""
    import yaml

    file.write_text(CONTRACT, "utf-8")
    lines = shown(capsys, "--config", str(file)).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("classes:"))
    block = "\n".join(["classes:", *(line for line in lines[at + 1 :] if line.startswith("  "))])

    assert yaml.safe_load(block) == yaml.safe_load(CONTRACT)


def test_config_show_as_json_has_the_settings_as_they_are(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON a nested setting is one value with its members."""
    file.write_text(CONTRACT, "utf-8")
    values: dict[str, Any] = {
        each["path"]: each for each in json.loads(shown(capsys, "--config", str(file), "--output", "json"))["values"]
    }

    assert values["classes"]["source"] == "file"
    assert values["classes"]["value"]["lab"]["hours"] == "01:00-05:00"
    assert (values["protect"]["source"], values["protect"]["value"]["tag"]) == ("default", "safe-reinit:protect")
    assert (values["allow"]["value"], values["max_disks"]["value"]) == ({}, None)


@pytest.mark.parametrize("text", ["classes: {lab: {}}\n", "classes: {lab: {match: {regions: [a]}, accept: [x]}}\n"])
def test_config_check_judges_classes(file: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """What every run would refuse of a class config check refuses too, with its path."""
    file.write_text(text, "utf-8")
    code = run(["config", "check", "--config", str(file)])

    assert code == 2
    assert "At classes.lab." in capsys.readouterr().err


def test_a_problem_of_a_class_is_reported_without_anything_heavy(file: Path) -> None:
    """Neither the SDK nor pydantic nor rich is imported to say what is wrong with a class."""
    file.write_text("classes: {lab: {match: {regions: [a]}, accept: [x]}}\n", "utf-8")
    program = (
        "import sys; from safe_reinit.cli.app import run; code = run(sys.argv[1:]);"
        "heavy = [n for n in sys.modules if n.startswith(('alibabacloud', 'pydantic', 'rich', 'requests'))];"
        "sys.exit(f'{code} imported {heavy}' if heavy or code != 2 else 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "config", "check", "--config", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
