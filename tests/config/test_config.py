"""Settings: where each value comes from, and every way in which a configuration file is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.cli.app import run
from safe_reinit.config import BY_NAME, SETTINGS, Settings, resolve
from safe_reinit.config.file import load
from safe_reinit.errors import UsageError

NOBODY_UID = 65534


def shown(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, dict[str, Any]]:
    """Return what ``config show`` tells, by setting."""
    code = run(["config", "show", "--output", "json", *argv])
    out, _ = capsys.readouterr()

    assert code == 0
    return {value["path"]: value for value in json.loads(out)["values"]}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home with a folder for the configuration."""
    folder = tmp_path / "home" / ".config" / "safe-reinit"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking each source away in turn, the next one holds, and config show names it."""
    file = home / "config.yaml"
    file.write_text("timeout_stop: 3m\n")
    monkeypatch.setenv("SAFE_REINIT_TIMEOUT_STOP", "2m")

    flag = shown(capsys, "--timeout-stop", "1m")["timeout_stop"]
    env = shown(capsys)["timeout_stop"]
    monkeypatch.delenv("SAFE_REINIT_TIMEOUT_STOP")
    from_file = shown(capsys)["timeout_stop"]
    file.unlink()
    default = shown(capsys)["timeout_stop"]

    assert [(each["value"], each["source"]) for each in (flag, env, from_file, default)] == [
        ("1m", "flag"),
        ("2m", "env"),
        ("3m", "file"),
        ("10m", "default"),
    ]
    assert [each["location"] for each in (flag, env, default)] == ["--timeout-stop", "SAFE_REINIT_TIMEOUT_STOP", ""]
    assert from_file["location"].startswith(str(file))


def test_config_show_tells_every_setting(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each setting is told with path, value, source and where, and nothing else is."""
    del home
    values = shown(capsys)

    assert list(values) == [setting.name for setting in SETTINGS]
    assert all(sorted(value) == ["location", "path", "source", "value"] for value in values.values())
    assert {value["source"] for name, value in values.items() if name not in ("output", "journal")} == {"default"}


@pytest.mark.parametrize("name", ["config", "xdg", "home"])
def test_files_are_looked_for_in_order(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """SAFE_REINIT_CONFIG wins over XDG_CONFIG_HOME, which wins over ~/.config; --config wins over all."""
    (home / "config.yaml").write_text("reason: home\n")
    if name in ("config", "xdg"):
        (tmp_path / "xdg" / "safe-reinit").mkdir(parents=True)
        (tmp_path / "xdg" / "safe-reinit" / "config.yaml").write_text("reason: xdg\n")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    if name == "config":
        (tmp_path / "other.yaml").write_text("reason: config\n")
        monkeypatch.setenv("SAFE_REINIT_CONFIG", str(tmp_path / "other.yaml"))
    (tmp_path / "flag.yaml").write_text("reason: flag\n")

    assert shown(capsys)["reason"]["value"] == name
    assert shown(capsys, "--config", str(tmp_path / "flag.yaml"))["reason"]["value"] == "flag"


def test_the_current_folder_is_never_looked_in(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in the folder where the command is run, whatever its name, says nothing."""
    del home
    for name in ("config.yaml", "safe-reinit.yaml", ".safe-reinit.yaml"):
        (tmp_path / name).write_text("reason: here\n")
    (tmp_path / "safe-reinit").mkdir()
    (tmp_path / "safe-reinit" / "config.yaml").write_text("reason: here\n")

    assert shown(capsys)["reason"]["value"] is None


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """One reading tells every problem of file and environment, each with its path."""
    file = tmp_path / "c.yaml"
    file.write_text(
        "timeout_stop: 600\noutput: xml\nregion: nowhere\nreport: r.doc\nquiet: perhaps\nspeed: 3\n"
        "endpoints: {mars: a.example.com}\nrequire_answers: [stars]\n"
    )

    with pytest.raises(UsageError) as raised:
        resolve({}, {"SAFE_REINIT_TIMEOUT_START": "15"}, str(file))

    text = str(raised.value)
    for word in (
        "timeout_stop", "output", "region", "report", "quiet", "speed is not a setting", "endpoints", "require_answers",
        "SAFE_REINIT_TIMEOUT_START", str(file),
    ):  # fmt: skip
        assert word in text


@pytest.mark.parametrize(
    "name", ["accept", "stop_instance", "confirm", "disk", "disks", "verdict", "dry_run", "password", "password_stdin"]
)
def test_consent_and_targets_are_no_settings(tmp_path: Path, name: str) -> None:
    """What consents or names a target is refused at the top level of the file."""
    file = tmp_path / "c.yaml"
    file.write_text(f"{name}: d-1\n")

    with pytest.raises(UsageError, match=f"{name} is not a setting"):
        resolve({}, {}, str(file))


def test_consent_and_targets_are_never_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting exists for them, so that nothing in the environment can consent."""
    del monkeypatch
    variables = {name for setting in SETTINGS for name in setting.variables}

    assert not variables & {
        f"SAFE_REINIT_{name}" for name in ("DISK", "CONFIRM", "ACCEPT", "STOP_INSTANCE", "VERDICT", "DRY_RUN")
    }


@pytest.mark.parametrize("value", ["600", "10", "10 m", "m", "-1m", "0s", "1d", "1h30m", "1.5m", "10M", "", "ten"])
def test_a_duration_has_a_unit(tmp_path: Path, value: str) -> None:
    """A bare number, zero, and what is no duration are refused from every source."""
    file = tmp_path / "c.yaml"
    file.write_text(f"timeout_stop: '{value}'\n")

    with pytest.raises(UsageError, match="timeout_stop"):
        resolve({}, {}, str(file))
    with pytest.raises(UsageError, match="--timeout-stop"):
        resolve({"timeout_stop": value}, {})


DATABASES = (
    "db.example.com/x", "db.example.com:5432/x", "db:5432/x.db", "alice@db/x", "alice:secret@db.example.com/x",
    "localhost/x", "10.0.0.7/x", "[::1]/x", "//db.example.com/x", "db.example.com/x?sslmode=require",
)  # fmt: skip


@pytest.mark.parametrize("value", DATABASES)
def test_an_address_without_its_scheme_is_taken_for_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """It is refused, without being repeated, unless its folder exists or ./ says that a file is meant."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"--journal is neither a file .* looks like a database") as refused:
        resolve({"journal": value}, {})
    assert "secret" not in f"{refused.value}{refused.value.hint}"
    Path(value.lstrip("/").partition("/")[0]).mkdir()
    assert resolve({"journal": value}, {}).journal == value
    assert resolve({"journal": f"./{value}"}, {}).journal == f"./{value}"


@pytest.mark.parametrize(
    "value",
    ["j.db", "x/j.db", "new.folder/j.db", "../j.db", "./j", ".state/j", "/var/x.y/j", "j@home", "postgresql://u@h:1/x"],
)
def test_files_and_addresses_of_a_journal_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A file may be in a folder that is still to be made, and have any name."""
    monkeypatch.chdir(tmp_path)
    assert resolve({"journal": value}, {}).journal == value


@pytest.mark.parametrize(("value", "seconds"), [("90s", 90.0), ("10m", 600.0), ("2h", 7200.0)])
def test_durations_are_read(value: str, seconds: float) -> None:
    """The three units are read."""
    assert resolve({"timeout_stop": value}, {"HOME": "/nonexistent"}).timeout_stop == seconds


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1\n", "is not YAML at line"), (b"a: b: c\n", "is not YAML at line 1"), (b"\tx: 1\n", "is not YAML"),
        (b"- region\n", "is not a mapping"), (b"just a text\n", "is not a mapping"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"reason: \x07\n", "is not YAML"), (b"!!python/object/apply:os.getcwd []\n", "is not YAML"),
        (b"1: 2\n", "the name 1 at line 1, which is not text"), (b"[a]: 2\n", "is not YAML"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """What is not a YAML mapping of settings is refused in one sentence that names the file."""
    file = tmp_path / "c.yaml"
    file.write_bytes(content)

    with pytest.raises(UsageError, match=message) as raised:
        resolve({}, {}, str(file))

    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", ["reason: 2026-13-45\n", "reason: 0b_\n", f"reason: {'[' * 3000}\n"])
def test_a_yaml_value_that_cannot_be_built_is_refused(tmp_path: Path, content: str) -> None:
    """A date that no calendar has, and the like, is a fault of the file and not of the program."""
    file = tmp_path / "c.yaml"
    file.write_text(content)

    with pytest.raises(UsageError):
        resolve({}, {}, str(file))


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    """An empty file, and one of comments only, leave every default."""
    file = tmp_path / "c.yaml"
    file.write_text("# nothing\n")

    assert {value.source for value in map(resolve({}, {}, str(file)).of, SETTINGS)} == {"default"}


@pytest.mark.parametrize("mode", [0o666, 0o602, 0o646, 0o622])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """A file that everybody or another group may write could tell this program anything, so it is not read."""
    file = tmp_path / "c.yaml"
    file.write_text("quiet: true\n")
    file.chmod(mode)
    if os.getuid() == 0:
        os.chown(file, -1, NOBODY_UID)
    elif not mode & 0o002:
        pytest.skip("only root can give a file to another group")

    with pytest.raises(UsageError, match="Others may write") as raised:
        load(file)

    assert "chmod" in raised.value.hint


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o444])
def test_a_file_that_only_the_owner_may_write_is_read(tmp_path: Path, mode: int) -> None:
    """Who may read it makes no difference."""
    file = tmp_path / "c.yaml"
    file.write_text("quiet: true\n")
    file.chmod(mode)

    assert load(file) == {"quiet": True}


def test_a_file_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file owned by neither root nor the caller can be changed by its owner, so it is not read."""
    file = tmp_path / "c.yaml"
    file.write_text("quiet: true\n")
    if os.getuid() == 0:
        os.chown(file, NOBODY_UID, -1)
    else:
        stranger = os.getuid() + 1
        monkeypatch.setattr(os, "getuid", lambda: stranger)

    with pytest.raises(UsageError, match="Others may write"):
        load(file)


@contextmanager
def powerless(file: Path) -> Iterator[None]:
    """Take the right to read a file away, from root too."""
    file.chmod(0o000)
    if os.getuid() != 0:
        yield
        return
    os.seteuid(NOBODY_UID)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A file without the right to read it is told of by name."""
    file = tmp_path / "c.yaml"
    file.write_text("quiet: true\n")

    with powerless(file), pytest.raises(UsageError, match="cannot be read"):
        load(file)


def test_a_folder_that_cannot_be_entered_is_refused(tmp_path: Path) -> None:
    """A file named in a folder without the right to enter it is told of, and is no bug of the program."""
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "c.yaml").write_text("quiet: true\n")

    try:
        with powerless(folder), pytest.raises(UsageError):
            resolve({}, {}, str(folder / "c.yaml"))
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_file_that_is_named_must_be_there(tmp_path: Path, name: str) -> None:
    """A named file that is not there, or is a folder, is an error; only files found by themselves may be absent."""
    with pytest.raises(UsageError, match="There is no configuration file"):
        resolve({}, {}, str(tmp_path / name))
    with pytest.raises(UsageError, match="There is no configuration file"):
        resolve({}, {"SAFE_REINIT_CONFIG": str(tmp_path / name)})


def test_what_is_no_regular_file_is_never_taken_for_an_empty_one(tmp_path: Path) -> None:
    """What a pipe or a device says of protected disks would be lost: it is refused, however it is named."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    reading, writing = os.pipe()
    os.write(writing, b"protect: {names: [web]}\n")
    os.close(writing)
    try:
        for name in (str(tmp_path / "fifo"), f"/dev/fd/{reading}", "/dev/zero"):
            for flag, environment in ((name, {}), (None, {"SAFE_REINIT_CONFIG": name})):
                with pytest.raises(UsageError, match="not a regular file"):
                    resolve({}, environment, flag)
    finally:
        os.close(reading)
    assert load(Path(os.devnull)) == {}


@pytest.mark.parametrize("to", ["config.yaml", "nowhere.yaml"], ids=["a circle", "nothing"])
def test_a_link_that_leads_to_no_file_is_refused(home: Path, to: str) -> None:
    """A configuration that is linked and not there, as on a share that is not mounted, is not taken for none at all."""
    (home / "config.yaml").symlink_to(home / to)

    with pytest.raises(UsageError, match="cannot be read"):
        resolve({}, {})


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("2026-01-02T05:00:00Z", "2026-01-02T05:00:00+00:00"),
        ("2026-01-02T05:00:00+08:00", "2026-01-01T21:00:00+00:00"),
        (datetime(2026, 1, 2, 5, tzinfo=timezone(timedelta(hours=-5))), "2026-01-02T10:00:00+00:00"),
        ("9999-12-31T23:00:00-08:00", None),
        ("2026-01-02T05:00:00", None),
        (datetime(2026, 1, 2, 5), None),  # noqa: DTZ001 - that is what is refused
        (5, None),
    ],
)
def test_a_deadline_is_read_in_utc(given: object, read: str | None) -> None:
    """Whatever zone a deadline is written in, it is one moment, and everything that shows it shows it in UTC."""
    if read is None:
        with pytest.raises(ValueError, match="not a time such as"):
            Settings.deadline.read(given)
    else:
        assert Settings.deadline.read(given).isoformat() == read


def test_config_check_says_what_is_wrong_and_what_is_right(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Config check ends 0 with a good file, a missing one, and 2 with a bad one, naming it."""
    without = run(["config", "check"])
    (home / "config.yaml").write_text("timeout_stop: 5m\n")
    good = run(["config", "check"])
    (home / "config.yaml").write_text("timeout_stop: 5\n")
    bad = run(["config", "check"])

    assert (without, good, bad) == (0, 0, 2)
    assert "timeout_stop" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["endpoint: http://ecs.example.com\n", "endpoints: {sts: 'http://sts.example.com'}\n"]
)
def test_config_check_judges_endpoints(home: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    """An endpoint that every command refuses is refused by config check too, with its path."""
    (home / "config.yaml").write_text(content)

    code = run(["config", "check"])

    assert code == 2
    assert content.partition(":")[0] in capsys.readouterr().err


def test_the_example_is_a_valid_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Config example loads as it is, and with every line of it in force each setting comes from the file."""
    run(["config", "example"])
    text = capsys.readouterr().out
    (home / "config.yaml").write_text(text)
    as_it_is = shown(capsys)
    lines = [line.removeprefix("# ") for line in text.splitlines() if any(f"# {n}:" in line for n in BY_NAME)]
    (home / "config.yaml").write_text("\n".join(lines))
    in_force = shown(capsys)

    assert {value["source"] for name, value in as_it_is.items() if name not in ("output", "journal")} == {"default"}
    assert {value["source"] for name, value in in_force.items() if name not in ("output", "journal")} == {"file"}
