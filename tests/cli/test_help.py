"""The help: short where nothing was asked, laid out by what people do, with examples that can be typed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from safe_reinit.cli import help as layout
from safe_reinit.cli.app import app, run
from safe_reinit.config import SETTINGS


def commands() -> dict[str, click.Command]:
    """Return every command by its words; the main one is ``safe-reinit``."""
    found: dict[str, click.Command] = {"safe-reinit": app}
    for name, each in app.commands.items():
        found[name] = each
        if isinstance(each, click.Group):
            found |= {f"{name} {inner}": command for inner, command in each.commands.items()}
    return found


COMMANDS = commands()
ASKING = [name for name, each in COMMANDS.items() if each.add_help_option]


def helped(name: str, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the help of a command on a terminal of this width."""
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run([*name.replace("safe-reinit", "").split(), "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("name", ASKING)
def test_the_help_fits_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, columns: int
) -> None:
    """No line of any help is wider than the terminal, not that of an example either."""
    lines = helped(name, columns, capsys, monkeypatch).splitlines()

    assert [line for line in lines if len(line) > columns] == []


@pytest.mark.parametrize("columns", ["", "0", "many", "30", "90", "200"])
def test_help_is_as_wide_as_click_makes_it(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """What COLUMNS says counts, then the terminal, then 80 columns, within the bounds that click has."""
    monkeypatch.setenv("COLUMNS", columns)

    assert layout.width({"COLUMNS": columns}) == click.HelpFormatter(max_width=layout.MAX_WIDTH).width


@pytest.mark.parametrize("name", ASKING)
def test_the_brief_help_is_one_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With -h the help of every command fits a terminal of 24 lines and 80 columns, and says where the rest is."""
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*name.replace("safe-reinit", "").split(), "-h"]) == 0
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert "--help" in lines[-1]
    assert ("help COMMAND" in lines[-1]) is (name == "safe-reinit")


def test_help_and_version_are_also_commands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever types ``help plan``, ``version`` or ``-V`` gets what --help and --version show."""

    def shown(*words: str) -> str:
        assert run(words) == 0
        return capsys.readouterr().out

    assert shown("help", "plan") == helped("plan", 80, capsys, monkeypatch)
    assert shown("help") == helped("safe-reinit", 80, capsys, monkeypatch)
    assert shown("version") == shown("-V") == shown("--version")
    assert run(["help", "nothing"]) == 2


def test_every_command_has_its_place() -> None:
    """Each command stands in one group of the main help, so that none is at the end among the others."""
    placed = [name for names in layout.COMMANDS.values() for name in names]

    assert len(placed) == len(set(placed))
    assert set(app.commands) <= set(placed)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_its_place(name: str) -> None:
    """Each option stands in one section: that of its row if it is a setting, and of no other if it is none."""
    placed = [option for options in layout.OPTIONS.values() for option in options]
    own = {str(param.name) for param in COMMANDS[name].params if isinstance(param, click.Option)}

    assert len(placed) == len(set(placed))
    assert not set(placed) & {setting.name for setting in SETTINGS}
    assert {layout.section(option) for option in own} <= set(layout.OPTIONS)


def test_the_main_help_is_laid_out_by_what_people_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands come first, then the options under their headings, then examples; each command on one line at 80."""
    text = helped("safe-reinit", 80, capsys, monkeypatch)
    headings = [line[:-1] for line in text.splitlines() if re.match(r"[A-Z].*:$", line)]

    assert headings == [*layout.COMMANDS, *layout.OPTIONS, "Examples"]
    for name in app.commands:
        assert re.search(rf"^  {name} +[A-Z].*\.$", text, re.M), name
    assert text.index("\n  apply ") < text.index("\n  --disk D ") < text.index("--report FILE")
    assert "Options:" not in text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("safe-reinit", ["runner", "temporal", "temporal-namespace"]),
        ("undo", ["runner", "temporal", "temporal-namespace"]),
        ("resume", ["temporal", "temporal-namespace"]), ("apply", ["temporal", "temporal-namespace"]),
        ("plan", ["runner"]), ("policy", []), ("rehearse", []), ("config check", []), ("config show", []),
    ],
)  # fmt: skip
def test_options_of_temporal_are_shown_where_they_act(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, shown: list[str]
) -> None:
    """A command of which they change nothing takes those that a run has, as its line may be copied, and shows none."""
    text = helped(name, 80, capsys, monkeypatch)
    taken = {option for param in COMMANDS[name].params for option in param.opts}

    assert re.findall(r"^  --(runner|temporal\S*)", text, re.M) == shown
    if name in ("plan", "policy", "config check", "config show"):
        assert {"--runner", "--temporal", "--temporal-namespace"} <= taken


@pytest.mark.parametrize("name", ASKING)
def test_every_command_shows_examples(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each help ends with lines that can be typed."""
    text = helped(name, 80, capsys, monkeypatch)

    assert "Examples:\n" in text
    assert text.index("--help") < text.index("Examples:")
    for line in layout.EXAMPLES[name]:
        assert f"\n  {line}\n" in text


@pytest.mark.parametrize("line", [line for lines in layout.EXAMPLES.values() for line in lines])
def test_an_example_is_understood(line: str) -> None:
    """The command line takes every example: its commands and options are there."""
    words = shlex.split(line.removeprefix('eval "$(').replace(')"', ""), comments=True)
    words = words[1 : next((place for place, word in enumerate(words) if word in (">", "|")), None)]
    command: click.Command = app
    name = "safe-reinit"
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        name = words.pop(0)
        command = command.commands[name]

    command.make_context(name, words)


def test_the_examples_are_of_commands_that_are_there() -> None:
    """No example is left over from a command that is gone, nor of another one."""
    assert set(layout.EXAMPLES) == set(ASKING)
    for name, lines in layout.EXAMPLES.items():
        assert any(name in line for line in lines), name


def test_a_default_is_shown_where_there_is_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The help says what holds where an option is left out, in the way one would write it."""
    text = " ".join(helped("safe-reinit", 120, capsys, monkeypatch).split())

    for message in (
        "stopping an instance. [10m]",
        "to complete. [60m]",
        "wiping a disk. [30m]",
        "[100]",
        "[ask]",
    ):
        assert message in text
    assert {each.name for each in SETTINGS if each.default == 900.0} == {"timeout_start"}


# ------------------------------------------------------------------------------------------------- nothing was asked


def test_without_arguments_it_says_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    """Without any argument the short help says the two next commands; as nothing was done it is 2, and not 0 (done)."""
    code = run([])
    out, err = capsys.readouterr()

    assert (code, out) == (2, "")
    assert "safe-reinit --simulate --disk d-sim-web1-data --stop-instance" in err
    assert "safe-reinit plan --region cn-hangzhou --disk d-" in err
    assert "safe-reinit --help" in err
    assert len(err.splitlines()) <= 10
    assert max(map(len, err.splitlines())) <= 80


def test_without_arguments_a_script_gets_its_document(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where JSON is the form by the environment, the misuse is told in it too."""
    monkeypatch.setenv("SAFE_REINIT_OUTPUT", "json")
    code = run([])

    assert code == json.loads(capsys.readouterr().out)["exit_code"] == 2


def test_the_commands_of_the_short_help_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the short help says to try first works with nothing set up."""
    monkeypatch.setenv("HOME", str(tmp_path))
    found = re.search(r"safe-reinit (--simulate .*)", layout.short())
    assert found

    assert run([*found[1].split(), "--dry-run"]) == 0
