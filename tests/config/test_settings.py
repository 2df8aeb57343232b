"""The table of settings: a row says everything, settings are frozen and typed, and nobody reads one by its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

import safe_reinit
from safe_reinit.cli.app import app
from safe_reinit.cli.help import OPTIONS, section
from safe_reinit.cli.options import sentence, words_of
from safe_reinit.config import BY_NAME, FILE_ONLY, LIMITS, SETTINGS, Setting, Settings, resolve
from safe_reinit.config.readers import flag, text

PACKAGE = Path(safe_reinit.__file__).parent
HOLDERS = {"settings", "config", "flags", "given", "get"}
"""What settings, and the options they come from, are called where they are handed around."""
LOOKUPS = {"get", "pop", "setdefault", "of", "having", "getattr"}
WITH_OPTION = [setting for setting in SETTINGS if setting.group is not FILE_ONLY]
OF_WORDS = [setting for setting in WITH_OPTION if words_of(setting.metavar)]


def options_of(setting: Setting[Any]) -> Iterator[click.Option]:
    """Return the options that a setting has in all commands; one that only tells something has a form of its own."""
    for command in (app, *app.commands.values()):
        names = {param.name for param in command.params}
        for param in command.params:
            if param.name == setting.name and isinstance(param, click.Option) and Settings.endpoint.name in names:
                yield param


def read_by_name(source: str) -> list[str]:
    """List the places of a program that read a setting, or its option, by a name in quotes."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript):
            holder, words = ast.unparse(node.value), [node.slice]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOOKUPS:
            holder, words = ast.unparse(node.func.value), node.args[:1]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
            holder, words = ast.unparse(node.args[0]), node.args[1:2]
        else:
            continue
        named = [word.value for word in words if isinstance(word, ast.Constant) and word.value in BY_NAME]
        if named and holder.rpartition(".")[2].lstrip("_") in HOLDERS:
            found.append(ast.unparse(node))
    return found


# ------------------------------------------------------------------------------------------------------- typed reading


def test_no_code_reads_a_setting_by_its_name_in_quotes() -> None:
    """``settings.region`` and ``flags[Settings.region.name]`` are what a type checker can hold against the table."""
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if "simulator" not in path.relative_to(PACKAGE).parts]
    found = {path: read_by_name(path.read_text("utf-8")) for path in paths}

    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "settings['region']", "self._settings['region']", "flags.get('journal')", "config.of('runner')",
        "getattr(settings, 'output')", "self.config.having('world', None)",
    ],
)  # fmt: skip
def test_a_setting_that_is_read_by_its_name_is_found(source: str) -> None:
    """The test above sees every way to do it."""
    assert read_by_name(source) == [source]


def test_settings_are_read_by_attribute_alone() -> None:
    """They are no mapping, so that mypy refuses any other way, and what reads them so cannot run."""
    settings: Any = resolve({}, {"HOME": "/nonexistent"})

    for name in ("__getitem__", "__iter__", "get", "keys", "items"):
        assert not hasattr(settings, name)
    with pytest.raises(AttributeError):
        _ = settings.reginon


def test_settings_are_frozen() -> None:
    """No value is replaced, none added, and the settings that another one is put into are others."""
    settings: Any = resolve({"region": "cn-shanghai"}, {"HOME": "/nonexistent"})

    with pytest.raises(AttributeError, match="region"):
        settings.region = "cn-beijing"
    with pytest.raises(AttributeError):
        settings.reginon = "cn-beijing"
    other = settings.having(Settings.region, "cn-beijing")
    assert (settings.region, other.region) == ("cn-shanghai", "cn-beijing")
    assert other.of(Settings.region).location == settings.of(Settings.region).location == "--region"


def test_settings_show_no_value_by_themselves() -> None:
    """What is printed or logged of them whole holds no password, whatever setting has one."""
    settings = resolve({"journal": "postgresql://ops:Passw0rd@db/x"}, {"HOME": "/nonexistent"})

    assert "Passw0rd" not in f"{settings!r} {settings}"
    assert [setting for setting in SETTINGS if setting.secret] == [Settings.journal]


# ------------------------------------------------------------------------------------------------------------ the rows


@pytest.mark.parametrize("without", ["help", "sample", "group", "metavar"])
def test_a_row_that_leaves_something_out_is_refused(without: str) -> None:
    """A setting without a help, a sample, a heading or a name for its value fails where it is written."""
    row: dict[str, Any] = {"help": "how fast", "sample": "fast", "group": "Waiting", "metavar": "SPEED"}

    assert Setting(text, None, **row).metavar == "SPEED"
    with pytest.raises(TypeError):
        Setting(text, None, **{name: message for name, message in row.items() if name != without})
    if without != "group":
        with pytest.raises(TypeError):
            Setting(text, None, **{**row, without: ""})


def test_a_new_row_says_everything_about_its_setting() -> None:
    """Its name, option, variable and words come from it; a row of the file only has neither option nor variable."""

    class Table:
        some_speed = Setting(text, None, "how fast", group="Waiting", sample="fast", metavar="SPEED")
        hidden = Setting(flag, False, "whether it hides", group=FILE_ONLY, sample="true")

    assert (Table.some_speed.name, Table.some_speed.option) == ("some_speed", "--some-speed")
    assert Table.some_speed.variables == ("SAFE_REINIT_SOME_SPEED",)
    assert Table.hidden.variables == ()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_the_sample_of_a_row_is_a_value_that_it_reads(setting: Setting[Any]) -> None:
    """What the example of a file shows can be copied, and says something where the default says nothing."""
    assert setting.read(yaml.safe_load(setting.sample)) is not None


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_row_has_an_option_where_it_has_a_heading(setting: Setting[Any]) -> None:
    """What has a heading of the help is an option of some command, under that heading, with the words of the row."""
    found = list(options_of(setting))

    assert bool(found) is (setting.group is not FILE_ONLY)
    for option in found:
        assert option.opts == [setting.option]
        assert option.metavar == (setting.metavar or None)
        assert option.is_flag is (setting.read is flag)
        assert (option.help or "").startswith(sentence(setting.help).rstrip("."))
        assert section(setting.name) == setting.group


def test_the_headings_of_the_help_are_those_of_the_rows() -> None:
    """No row has a heading that the help does not know."""
    assert {setting.group for setting in WITH_OPTION} <= set(OPTIONS)


@pytest.mark.parametrize("setting", OF_WORDS, ids=lambda setting: setting.name)
def test_a_setting_of_words_takes_and_offers_these(setting: Setting[Any]) -> None:
    """The words in the help are those that the setting reads and that a shell offers."""
    (option, *_) = options_of(setting)
    offered = [each.value for each in option.shell_complete(click.Context(app), "")]

    assert offered == list(words_of(setting.metavar))
    assert [setting.read(word) for word in offered] == offered
    with pytest.raises(ValueError, match=f"not one of {', '.join(offered)}"):
        setting.read("something else")


def test_a_setting_of_files_offers_files() -> None:
    """Where the help says FILE, a shell completes the names of files."""
    for setting in WITH_OPTION:
        (option, *_) = options_of(setting)
        if setting.offers is None:
            offered = {each.type for each in option.shell_complete(click.Context(app), "x")}

            assert ("file" in offered) is ("FILE" in setting.metavar), setting.name


def test_the_limits_are_the_rows_marked_as_such() -> None:
    """What may be raised takes the names of the limits, no others, and names them in its help."""
    assert Settings.may_be_raised.read(list(LIMITS)) == LIMITS
    assert Settings.may_be_raised.help.endswith(", ".join(LIMITS))
    with pytest.raises(ValueError, match="not a list of max_disks"):
        Settings.may_be_raised.read([Settings.timeout_stop.name])


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_each_source_of_a_setting_is_reported(setting: Setting[Any], tmp_path: Path) -> None:
    """The same words are read from option, variable and file, in that order, and the value says which it was."""
    file = tmp_path / "c.yaml"
    file.write_text(f"{setting.name}: {setting.sample}\n")
    sample = yaml.safe_load(setting.sample)
    message = str(sample) if isinstance(sample, (int, float, bool)) else sample
    message = ",".join(map(str, message)) if isinstance(message, list) else message
    environment = dict.fromkeys(setting.variables[:1], message)
    flags = {setting.name: message} if setting.variables else {}

    found = [
        resolve(given, around, str(file)).of(setting)
        for given, around in ((flags, environment), ({}, environment), ({}, {}))
    ]

    sources = ["flag", "env", "file"] if setting.variables else ["file", "file", "file"]
    assert [value.source for value in found] == sources
    assert [value.is_explicit for value in found] == [source != "file" for source in sources]
    assert all(value.value == found[-1].value for value in found)
    assert found[-1].location == f"{file}: {setting.name}"
    if setting.limit:
        assert found[0].at_most == found[-1].value
    assert resolve({}, {"HOME": "/nonexistent"}).of(setting).value == setting.default


def test_the_types_of_the_rows_are_those_of_their_values() -> None:
    """A few as they are read, one of each kind; mypy holds the others against their readers."""
    settings = resolve({"deadline": "2h", "waves": "5,25%", "max_disks": "3", "force_stop_after": "5m"}, {})

    assert settings.deadline == timedelta(hours=2)
    assert settings.waves == ((5, False), (25, True))
    assert (settings.max_disks, settings.force_stop_after, settings.leave_stopped) == (3, 300.0, False)
