"""Configuration files that others could have written, or that do not mean what they say: they are not used."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from safe_reinit.cli.app import run
from tests.conftest import Ended

STRANGER_UID = 12345
ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
WIPE = ("--simulate", "--disk", "d-sim-web1-data", "--stop-instance", "--confirm", "d-sim-web1-data")


@pytest.fixture
def run_with(capsys: pytest.CaptureFixture[str], own_home: Path) -> Callable[..., Ended]:
    """Return what runs a command with a configuration of this text."""

    def command(text: str | bytes, *words: str, change: Callable[[Path], None] = lambda _: None) -> Ended:
        file = own_home / "own" / "c.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        change(file)
        capsys.readouterr()
        code = run([*words, "--config", str(file)])
        return Ended(code, *capsys.readouterr())

    return command


def give_by_list(file: Path, tag: int, who: int) -> None:
    """Let a user (2) or a group (8) write a file by an access control list, as ``setfacl`` does."""
    entries = ((1, 6, -1), (tag, 6, who), (4, 0, -1), (16, 6, -1), (32, 0, -1))
    packed = sorted(struct.pack("<HHi", *each) for each in entries)
    try:
        os.setxattr(file, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(packed))
    except OSError:
        pytest.skip("this file system has no access control lists")


WAYS: dict[str, Callable[[Path], None]] = {
    "everybody may write it": lambda file: file.chmod(0o646),
    "everybody may write its folder": lambda file: file.parent.chmod(0o777),
    "another group may write it": lambda file: (os.chown(file, -1, STRANGER_UID), file.chmod(0o660))[1],
    "its list lets a user write it": lambda file: give_by_list(file, 2, STRANGER_UID),
    "its list lets a group write it": lambda file: give_by_list(file, 8, STRANGER_UID),
    "another owns it": lambda file: os.chown(file, STRANGER_UID, -1),
    "another owns its folder": lambda file: os.chown(file.parent, STRANGER_UID, -1),
}


@pytest.mark.parametrize(
    "way", [pytest.param(name, marks=[ROOT_ONLY] if name.startswith("another") else []) for name in WAYS]
)
@pytest.mark.parametrize("words", [("config", "check"), ("config", "show"), WIPE], ids=lambda words: words[0])
def test_a_file_that_others_could_have_written_is_not_used(
    run_with: Callable[..., Ended], words: tuple[str, ...], way: str
) -> None:
    """It ends 2, whatever the command, and names the chmod or chown that ends it."""
    text = run_with("protect: {terms: []}\n", *words, change=WAYS[way])

    assert text.code == 2, text.err
    assert "Others may write the configuration file" in text.err
    assert any(word in text.err for word in ("chmod", "chown", "setfacl"))


def test_a_group_of_one_is_the_owner(run_with: Callable[..., Ended]) -> None:
    """A file that the caller's own group may write is used where nobody else is in that group."""
    import grp
    import pwd

    caller = pwd.getpwuid(os.getuid())
    group = grp.getgrgid(caller.pw_gid)
    others = [each for each in pwd.getpwall() if each.pw_gid == caller.pw_gid and each.pw_uid != caller.pw_uid]
    if group.gr_name != caller.pw_name or set(group.gr_mem) - {caller.pw_name} or others:
        pytest.skip("the caller's group here is not a group of one")

    def lend(file: Path) -> None:
        os.chown(file, -1, caller.pw_gid)
        file.chmod(0o660)

    assert run_with("quiet: true\n", "config", "check", change=lend).code == 0


OTHER_NUMBERS = [
    "0100000000000001", "010", "08", "1:30", "190:20:30", "1_000", "0x10", "0o17", "0b11", "1e3", "1.5e3", ".5", "1.",
    "+5", ".inf", ".nan", "-0", "12345678901234567", "1.0e+3", "0_1",
]  # fmt: skip


@pytest.mark.parametrize("number", OTHER_NUMBERS)
@pytest.mark.parametrize(
    "line",
    [
        "allow: {{accounts: [{}]}}",
        "protect: {{names: [{}]}}",
        "max_disks: {}",
        "classes: {{a: {{match: {{tags: {{t: {}}}}}}}}}",
    ],
    ids=["account", "name", "number", "tag"],
)
def test_a_number_that_does_not_read_back_is_refused(run_with: Callable[..., Ended], line: str, number: str) -> None:
    """What YAML makes another number of ends 2 with its line and the word quotes, for the check and for a run."""
    text = f"# a comment\n{line.format(number)}\n"
    checked = run_with(text, "config", "check", "--output", "json")
    ran = run_with(text, *WIPE)

    assert (checked.code, ran.code) == (2, 2)
    if number not in (".inf", ".nan"):
        assert f"{number} at line 2" in checked.err
    assert "quotes" in checked.err
    assert json.loads(checked.out)["exit_code"] == 2


@pytest.mark.parametrize("number", OTHER_NUMBERS)
def test_the_same_in_quotes_is_the_text(run_with: Callable[..., Ended], number: str) -> None:
    """In quotes it is the account that is written."""
    text = run_with(f"allow: {{accounts: ['{number}']}}\n", "config", "show", "--output", "json")

    assert text.code == 0, text.err
    values = {each["path"]: each["value"] for each in text.document["values"]}
    assert values["allow"] == {"accounts": [number]}


@pytest.mark.parametrize("key", ["yes", "no", "on", "off", "true", "null", "~", "1", "010", "1.5", "2026-01-02"])
def test_a_name_that_is_no_text_to_yaml_is_refused(run_with: Callable[..., Ended], key: str) -> None:
    """A tag called no would be looked for as False: it ends 2 and says to put it in quotes."""
    text = run_with(f"protect: {{tags: {{{key}: '*'}}}}\n", "config", "check")

    assert text.code == 2
    assert f"'{key}'" in text.err
    assert "quotes" in text.err


@pytest.mark.parametrize("value", ["yes", "no", "~", "null", "1", "2026-01-02", "1.5"])
@pytest.mark.parametrize("member", ["names", "terms", "disks", "instances"])
def test_a_text_that_is_none_to_yaml_is_refused(run_with: Callable[..., Ended], member: str, value: str) -> None:
    """A disk called no would be another value: it ends 2 and says to put it in quotes."""
    text = run_with(f"protect: {{{member}: [{value}]}}\n", "config", "check")

    assert text.code == 2
    assert f"protect.{member}[0]" in text.err
    assert "quotes" in text.err


@pytest.mark.parametrize(
    "text",
    [
        "protect: {names: ['ops[eu]']}\n",
        "allow: {names: ['ops[eu]']}\n",
        "allow: {tags: {team: 'ops[eu]'}}\n",
        "classes: {lab: {match: {tags: {team: 'ops[eu]'}}}}\n",
    ],
)
def test_a_pattern_that_does_not_match_itself_is_warned_of(run_with: Callable[..., Ended], text: str) -> None:
    """The check is passed and says how that text is matched; with that pattern it warns of nothing."""
    message = run_with(text, "config", "check")
    document = run_with(text, "config", "check", "--output", "json").document
    right = run_with(text.replace("ops[eu]", "ops[[]eu]"), "config", "check", "--output", "json").document

    assert message.code == 0
    assert "ops[[]eu]" in message.out
    assert len(document["warnings"]) == 1
    assert right["warnings"] == []


def test_a_file_of_any_size_is_not_read(run_with: Callable[..., Ended]) -> None:
    """200 MB of settings end 2 at once: no more than the limit is read."""

    def grow(file: Path) -> None:
        with file.open("ab") as stream:
            stream.truncate(200 << 20)

    for words in (("config", "check"), WIPE):
        text = run_with("quiet: true\n#", *words, change=grow)

        assert text.code == 2
        assert "larger than" in text.err


def bomb(levels: int, *, merges: bool = False) -> str:
    """Return YAML that is ten times as large with every level."""
    lines = ["a0: &a0 {x: y}"] if merges else ["a0: &a0 [x]"]
    for level in range(1, levels):
        repeated = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} {{<<: [{repeated}]}}" if merges else f"a{level}: &a{level} [{repeated}]")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        bomb(12),
        bomb(12, merges=True),
        f"protect: {{names: &n [{', '.join(['x'] * 400)}]}}\nallow: {{names: *n}}\nclasses:\n"
        + "".join(f"  c{at}: {{match: {{regions: *n, accounts: *n}}, accept: *n}}\n" for at in range(200)),
        "protect: &p {names: [*p]}\n",
        "allow: &a {names: &n [*a, *n]}\n",
    ],
    ids=["lists", "merges", "wide", "itself", "each other"],
)
@pytest.mark.parametrize("words", [("config", "check"), ("config", "show"), WIPE], ids=lambda words: words[0])
def test_an_alias_bomb_is_refused(run_with: Callable[..., Ended], words: tuple[str, ...], text: str) -> None:
    """What repeats itself without measure ends 2 and says that it is the aliases."""
    message = run_with(text, *words)

    assert message.code == 2
    assert "aliases" in message.err or "values" in message.err
    assert len(message.err) < 2000
