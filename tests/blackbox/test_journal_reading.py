"""Reading a journal: one that may only be read, a copy, one of thousands of runs; and what show prints."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import COMMAND_TIMEOUT, DISK, INSTANCE, RUN, STOPPING, WORLD, comes_to, held
from tests.cli.test_schema import CONTRACT, problems
from tests.commands import Command, command
from tests.conftest import Ended


@pytest.fixture
def open_run(tmp_path: Path, path: Path) -> Iterator[str]:
    """Kill a run while its machine stops, and name it."""
    with Simulator(WORLD, speed=1) as sim, held(sim, STOPPING):
        child = command(sim.url, tmp_path).start(*RUN, journal=path)
        comes_to(sim, "Stopping")
        child.kill()
        child.communicate()
        yield str(sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute("SELECT run_id FROM runs").fetchone()[0])


PROGRAM = """
import contextlib, io, json, sys
from safe_reinit.cli.app import run

ended = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = run(words)
    ended.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(ended))
"""


def read_only(run: Command, folders: Sequence[Path], *commands: tuple[str, ...]) -> list[list[Ended]]:
    """Run commands, in one process, where each of the folders with their journals is mounted read-only."""
    names = [shlex.quote(str(folder)) for folder in folders]
    script = "".join(f"mount --bind {name} {name} && mount -o remount,bind,ro {name} && " for name in names) + "exec "
    words = json.dumps([run.words(*each, journal=folder / "j.db")[3:] for folder in folders for each in commands])
    program = ["unshare", "--mount", "sh", "-c", script + shlex.join([sys.executable, "-c", PROGRAM, words])]
    done = subprocess.run(
        program,
        env=run.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_TIMEOUT,
        cwd=run.folder,
    )
    assert done.returncode == 0, done.stderr
    ended = iter([Ended(*each) for each in json.loads(done.stdout)])
    return [[next(ended) for _ in commands] for _ in folders]


def can_mount(folder: Path) -> bool:
    """Return whether a folder can be mounted read-only here."""
    name = shlex.quote(str(folder))
    words = ["unshare", "--mount", "sh", "-c", f"mount --bind {name} {name} && mount -o remount,bind,ro {name}"]
    return os.getuid() == 0 and subprocess.run(words, capture_output=True, check=False).returncode == 0


def test_a_journal_that_may_only_be_read_is_read(path: Path, tmp_path: Path, open_run: str) -> None:
    """On a read-only mount runs and show tell what is in it, wherever it was when it was last written."""
    run = command("http://127.0.0.1:9", tmp_path)
    folders = {tmp_path / "log-and-index": "j.db*", tmp_path / "log": "j.*[bl]", tmp_path / "closed": "j.*[bl]"}
    for folder, files in folders.items():
        folder.mkdir(mode=0o700)
        if folder.name == "closed":
            assert run("runs", journal=path).returncode == 0  # which closes it
        for file in path.parent.glob(files):
            shutil.copy(file, folder)
    if not can_mount(tmp_path / "closed"):
        pytest.skip("nothing can be mounted here")
    before = [sorted(file.name for file in folder.iterdir()) for folder in folders]

    result = read_only(run, [*folders], ("runs",), ("show", open_run), ("resume", open_run))

    assert before == [["j.db", "j.db-shm", "j.db-wal"], ["j.db", "j.db-wal"], ["j.db"]]
    for listed, shown, refused in result:
        assert (listed.code, shown.code) == (0, 0), listed.err + shown.err
        assert open_run in listed.out
        assert INSTANCE in shown.out
        assert refused.code == 2
        assert "cannot be" in refused.err
    assert [sorted(file.name for file in folder.iterdir()) for folder in folders] == before


def test_a_copy_without_its_log_knows_of_the_run(path: Path, tmp_path: Path, open_run: str) -> None:
    """The file alone, copied while a run goes on, does not say that there are no runs: it shows the run as open."""
    run, copy = command("http://127.0.0.1:9", tmp_path), tmp_path / "copy.db"
    shutil.copy(path, copy)
    copy.chmod(0o600)

    listed = run("runs", journal=copy)

    assert listed.returncode == 0, listed.stderr
    assert open_run in listed.stdout
    assert "no runs" not in listed.stdout


def write_many(run: Command, path: Path) -> None:
    """Write thousands of runs, the oldest of them open."""
    done = run("--disk", "d-second", "--stop-instance", "--confirm", "d-second", journal=path)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(path) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(runs)")]
        row = dict(zip(columns, database.execute("SELECT * FROM runs").fetchone(), strict=True))
        job = database.execute("SELECT * FROM jobs").fetchone()
        for number in range(3000):
            name = f"r-20250101T{number // 3600:02}{number // 60 % 60:02}{number % 60:02}Z-{number:04x}"
            at = f"2025-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
            plan = row["plan"] if number >= 2900 else "{not json"  # what is not printed is not read
            copy = {**row, "run_id": name, "started_at": at, "plan_id": name, "plan": plan if number else row["plan"]}
            database.execute(f"INSERT INTO runs VALUES ({','.join('?' * len(copy))})", tuple(copy.values()))
            is_open = int(number == 0)
            values: list[Any] = [name, *job[1:2], f"lock{number}", *job[3:]]
            values[5] = is_open
            database.execute(f"INSERT INTO jobs VALUES ({','.join('?' * len(values))})", values)
    database.close()


@pytest.mark.virtual_time
def test_of_thousands_of_runs_the_open_ones_and_the_newest_are_listed(run: Command, path: Path) -> None:
    """The newest 20 and every open one, however old, are listed; what is not printed is not read."""
    write_many(run, path)
    result = json.loads(run("runs", "--output", "json", journal=path).stdout)["runs"]
    text = run("runs", journal=path)

    assert len(result) == 21
    assert [each["state"] for each in result[-2:]] == ["ended", "open"]
    assert result[-1]["run_id"] == "r-20250101T000000Z-0000"
    assert result == sorted(result, key=lambda each: each["started_at"], reverse=True)
    assert "2980 older runs" in text.stderr
    assert "To list all: safe-reinit runs --limit 3001" in text.stderr


@pytest.mark.virtual_time
def test_all_runs_are_listed_when_asked_for(run: Command, path: Path) -> None:
    """With a --limit of as many as there are nothing is left out."""
    done = run("--disk", DISK, "--stop-instance", "--confirm", DISK, journal=path)
    result = run("runs", "--limit", "1", journal=path)

    assert done.returncode == 0
    assert result.stdout.count("r-") == 1
    assert "older runs" not in result.stderr


@pytest.mark.virtual_time
def test_show_prints_what_its_schema_says(run: Command, path: Path) -> None:
    """Of a run that is done, of one that is at work, and of a plan file, show --output json is as published."""
    run("--disk", DISK, "--stop-instance", "--confirm", DISK, journal=path)
    run("plan", "--endpoint", run.url, "--disk", "d-second", "--stop-instance", "--save", "plan.json", journal=None)
    name = json.loads(run("runs", "--output", "json", journal=path).stdout)["runs"][0]["run_id"]
    for what in (name, "plan.json"):
        shown = json.loads(run("show", what, "--output", "json", journal=path).stdout)

        assert list(problems(CONTRACT["documents"]["show"], shown)) == []
        assert (shown["file"] is None) is (what == name)
        assert bool(shown["events"]) is (what == name)
