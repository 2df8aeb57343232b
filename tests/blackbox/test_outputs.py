"""Outputs: evidence is not overwritten, and no odd or closed output changes how a run ended."""

from __future__ import annotations

import errno
import io
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.cli import progress
from safe_reinit.cloud.aliyun.attempt import Reply, RequestInProgress
from safe_reinit.journal import open_to_write
from safe_reinit.simulator import Simulator
from safe_reinit.simulator.wire.request import RawRequest
from tests import virtual
from tests.blackbox.worlds import (
    COMMAND_TIMEOUT,
    DISK,
    QUICK,
    RUN,
    SECOND,
    STOPPING,
    TARGET,
    WORLD,
    comes_to,
    held,
    listed,
    power,
    wipes,
)
from tests.commands import Command, command
from tests.inprocess import Line
from tests.processes import Process
from tests.samples import sampled

pytestmark = pytest.mark.virtual_time

OTHER = ("--disk", SECOND, "--stop-instance", "--confirm", SECOND)


def document(out: str) -> dict[str, Any]:
    """Read the one JSON document."""
    result: dict[str, Any] = json.loads(out)
    return result


def touched(sim: Simulator) -> bool:
    """Return whether anything was changed."""
    return any(call["action"] == "StopInstance" and not call["dry_run"] for call in sim.state()["calls"])


# ------------------------------------------------------------------------- line 21: a retry destroys no evidence


@pytest.mark.parametrize("ending", ["json", "md", "html", "txt"])
def test_a_report_never_replaces_that_of_another_run(
    sim: Simulator, run: Command, path: Path, tmp_path: Path, ending: str
) -> None:
    """A second run with the same --report is refused before anything is asked, and the first report stays."""
    file = tmp_path / f"run.{ending}"
    first = run(*RUN, "--report", str(file), "--output", "json", journal=path)
    assert first.returncode == 0, first.stderr
    before = file.read_bytes()
    calls = len(sim.state()["calls"])
    second = run(*OTHER, "--report", str(file), journal=path)

    assert second.returncode == 2, second.stderr
    assert document(first.stdout)["run_id"] in second.stderr
    assert (file.read_bytes(), len(sim.state()["calls"])) == (before, calls)


def test_a_second_apply_keeps_the_report_of_the_wipe(sim: Simulator, run: Command, path: Path, tmp_path: Path) -> None:
    """Applying a plan twice with one --report: the report of the wipe is what stays."""
    plan, file = tmp_path / "plan.json", tmp_path / "run.json"
    planned = run("plan", *TARGET, "--endpoint", sim.url, "--save", str(plan), "--output", "json", journal=None)
    words = [*shlex.split(document(planned.stdout)["next"][0])[1:], "--report", str(file)]
    codes = [run(*words, journal=path).returncode for _ in range(2)]

    assert codes == [0, 2]
    assert document(file.read_text("utf-8"))["outcome"] == "done"


def test_the_report_of_a_plan_and_of_the_same_run_may_be_replaced(
    sim: Simulator, run: Command, path: Path, tmp_path: Path
) -> None:
    """A plan's report gives way to that of the run, and a run that is resumed writes its own anew."""
    file = tmp_path / "run.json"
    for _ in range(2):
        planned = run("plan", *TARGET, "--endpoint", sim.url, "--report", str(file), journal=None)
        assert planned.returncode == 0, planned.stderr
    with held(sim, STOPPING):
        child = run.start(*RUN, "--report", str(file), journal=path)
        comes_to(sim, "Stopping")
        child.send_signal(signal.SIGKILL)
        child.communicate()
    (open_run,) = document(run("runs", "--output", "json", journal=path).stdout)["runs"]
    for command_words in (["show"], ["resume"], ["show"]):
        ended = run(command_words[0], open_run["run_id"], "--report", str(file), journal=path)
        assert ended.returncode == 0, ended.stderr
        assert document(file.read_text("utf-8"))["run_id"] == open_run["run_id"]
    assert power(sim) == "Running"


def test_a_report_replaces_nothing_that_is_no_report(run: Command, path: Path, tmp_path: Path) -> None:
    """A file that tells of no run is kept, whatever its name."""
    for name in ("notes.md", "package.json", "page.html"):
        (tmp_path / name).write_text('{"mine": true}', "utf-8")
        ended = run(*RUN, "--report", str(tmp_path / name), journal=path)

        assert ended.returncode == 2, ended.stderr
        assert (tmp_path / name).read_text("utf-8") == '{"mine": true}'


class Filling(io.StringIO):
    """A file on a disk that fills up once a machine is down."""

    def write(self, text: str) -> int:
        """Write a line, if there is room."""
        if '"event": "answer"' in text or '"event": "done"' in text:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(text)


def test_dropped_events_are_reported_once(
    monkeypatch: pytest.MonkeyPatch, sim: Simulator, run: Command, path: Path, tmp_path: Path
) -> None:
    """A disk that fills up under --events stops no run: it is done, and stderr and the report say what is missing."""
    monkeypatch.setattr(progress, "_open", lambda name: Filling() if name else None)
    file = tmp_path / "report.json"
    ended = run(*RUN, "--events", str(tmp_path / "e.jsonl"), "--report", str(file), journal=path)
    name = document(file.read_text())["run_id"]
    warning = "The events could not all be written: No space left on device. The run continues without them."

    assert (ended.returncode, wipes(sim)) == (0, 1), ended.stderr
    assert ended.stderr.count(warning) == 1
    assert f"WARNING: {warning}" in ended.stdout
    assert document(file.read_text())["warnings"] == [warning]
    events = document(run("show", name, "--output", "json", journal=path).stdout)["events"]
    assert "done" in {each["event"] for each in events}, "the journal has what the file lacks"


def test_events_are_appended(run: Command, path: Path, tmp_path: Path) -> None:
    """The events of a second run follow those of the first."""
    file = tmp_path / "events.jsonl"
    for words in (RUN, OTHER):
        ended = run(*words, "--events", str(file), journal=path)
        assert ended.returncode == 0, ended.stderr
    runs = [json.loads(line)["run_id"] for line in file.read_text("utf-8").splitlines()]

    assert len({each for each in runs if each}) == 2


def clash(name: str, tmp_path: Path, path: Path) -> list[str]:
    """Return options of which two name one file."""
    config, ids, link = tmp_path / "config.yaml", tmp_path / "ids.json", tmp_path / "link.json"
    config.write_text("reason: CHG-1\n", "utf-8")
    os.chmod(config, 0o600)
    ids.write_text(f"{DISK}\n", "utf-8")
    if not link.is_symlink():
        link.symlink_to(tmp_path / "same.json")
    (tmp_path / ".aliyun").mkdir(exist_ok=True)
    (tmp_path / ".aliyun" / "config.json").write_text("{}", "utf-8")
    hard = tmp_path / "hard.json"
    if not hard.exists():
        os.link(ids, hard)
    return {
        "events and the journal": ["--events", str(path)],
        "events and the journal's log": ["--events", f"{path}-wal"],
        "events and the configuration": ["--config", str(config), "--events", str(config)],
        "events and report": ["--events", str(tmp_path / "same.json"), "--report", str(tmp_path / "same.json")],
        "events and report by a link": ["--events", str(tmp_path / "same.json"), "--report", str(link)],
        "save and report": ["--save", str(tmp_path / "new.json"), "--report", str(tmp_path / "new.json")],
        "save and events": ["--save", str(tmp_path / "new.json"), "--events", f"{tmp_path}/./new.json"],
        "report and ids": ["--disks-from", str(ids), "--report", str(ids)],
        "events and the credentials": ["--events", str(tmp_path / ".aliyun" / "config.json")],
        "events and ids by a hard link": ["--disks-from", str(ids), "--events", str(hard)],
    }[name]


CLASHES = [
    "events and the journal", "events and the journal's log", "events and the configuration", "events and report",
    "events and report by a link", "save and report", "save and events", "report and ids",
    "events and the credentials", "events and ids by a hard link",
]  # fmt: skip


@pytest.mark.parametrize("name", CLASHES)
def test_no_output_is_an_input_or_another_output(
    sim: Simulator, run: Command, path: Path, tmp_path: Path, name: str
) -> None:
    """Two names of one file, by its path, a link or its inode: 2 before anything is asked, and the file is whole."""
    if "journal" in name:
        assert run(*OTHER, journal=path).returncode == 0  # which leaves one
    words = clash(name, tmp_path, path)
    calls = len(sim.state()["calls"])
    before = {each: each.read_bytes() for each in tmp_path.iterdir() if each.is_file() and each.suffix != ".db-shm"}
    ended = run("plan", *TARGET, "--endpoint", sim.url, "--journal", str(path), *words, journal=None)

    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert len(sim.state()["calls"]) == calls
    assert {each: each.read_bytes() for each in before} == before


@pytest.mark.parametrize("kind", ["report.json", "report.md", "report.html", "plan.json"])
def test_events_are_not_appended_to_a_document(
    sim: Simulator, run: Command, path: Path, tmp_path: Path, kind: str
) -> None:
    """A report, in any form, and a saved plan are not made unreadable by --events: 2, and the file is whole."""
    file, how = tmp_path / kind, "--save" if kind == "plan.json" else "--report"
    planned = run("plan", *TARGET, "--endpoint", sim.url, how, str(file), journal=None)
    assert planned.returncode == 0, planned.stderr
    before, calls = file.read_bytes(), len(sim.state()["calls"])
    ended = run(*OTHER, "--events", str(file), journal=path)

    assert ended.returncode == 2, ended.stderr
    assert file.read_bytes() == before
    assert len(sim.state()["calls"]) == calls


def test_apply_does_not_write_over_its_plan(sim: Simulator, run: Command, path: Path, tmp_path: Path) -> None:
    """--report or --events that names the plan file is refused, and the plan is whole."""
    plan = tmp_path / "plan.json"
    planned = run("plan", *TARGET, "--endpoint", sim.url, "--save", str(plan), "--output", "json", journal=None)
    words = shlex.split(document(planned.stdout)["next"][0])[1:]
    before = plan.read_bytes()
    for option in ("--report", "--events"):
        assert run(*words, option, str(plan), journal=path).returncode == 2
    assert (plan.read_bytes(), touched(sim)) == (before, False)


# -------------------------------------------------------------------------- line 22: closed and odd outputs


def closed(number: int) -> Callable[[], None]:
    """Close a standard stream in the child, before its program."""
    return lambda: os.close(number)


REFUSES = {"action": "StopInstance", "dry_run": False, "error": {"code": "Forbidden.RAM", "status": 403}}
"""A run ends at this call of its first job, with everything that the end of a run has."""


@pytest.fixture
def refusing() -> Iterator[Simulator]:
    """Start a world for real processes, whose runs come to their end without waiting for anything."""
    with Simulator(world=WORLD, faults=[REFUSES], speed=1) as simulator:
        yield simulator


@pytest.fixture
def real(refusing: Simulator, tmp_path: Path) -> Command:
    """Run commands against it."""
    return command(refusing.url, tmp_path)


def start(run: Command, *words: str, **more: Any) -> subprocess.Popen[str]:
    """Start a command in a real process, with streams of the test's own."""
    usual = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return Process(words, env=run.environment(), cwd=run.folder, text=True, **{**usual, **more})


@pytest.mark.real_time
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_stream_that_is_missing_changes_nothing(refusing: Simulator, real: Command, path: Path, number: int) -> None:
    """Started without stdin, stdout or stderr, a command ends as any, and what it opens takes the place of none."""
    child = start(real, *real.words(*RUN, journal=path), preexec_fn=closed(number))
    out, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == 4, err
    assert [each["exit_code"] for each in listed(real, path)] == [4]
    assert (power(refusing), wipes(refusing)) == ("Running", 0)
    assert "failed (exit code 4)" in out or number == 1
    assert "report this" not in err


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_stream_that_is_missing_keeps_no_disk_from_its_wipe(tmp_path: Path, path: Path, number: int) -> None:
    """The same of a run that wipes."""
    with Simulator(world=QUICK, speed=1) as sim:
        run = command(sim.url, tmp_path)
        child = start(run, *run.words(*RUN, journal=path), preexec_fn=closed(number))
        _, err = child.communicate(timeout=COMMAND_TIMEOUT)

        assert child.returncode == 0, err
        assert (power(sim), wipes(sim)) == ("Running", 1)


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
@pytest.mark.parametrize("kind", ["a full disk", "a broken pipe"])
def test_a_result_that_cannot_be_written_changes_no_exit_code(
    sim: Simulator, run: Command, path: Path, tmp_path: Path, kind: str, form: str
) -> None:
    """Stdout on a full disk or a broken pipe: wiped is 0, the file has the report, a sentence says how to see it."""
    file = tmp_path / "run.json"
    child: Any = run.start(*RUN, "--output", form, "--report", str(file), journal=path)
    child.stdout.refuse(errno.ENOSPC if kind == "a full disk" else errno.EPIPE)
    _, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == 0, err
    result = document(file.read_text("utf-8"))
    assert (result["outcome"], wipes(sim)) == ("done", 1)
    assert f"safe-reinit show {result['run_id']}" in err
    assert "report this" not in err


@contextmanager
def unwritable(kind: str) -> Iterator[int]:
    """Open what cannot be written to."""
    out, into = os.pipe()
    os.close(out)
    stream = os.open("/dev/full", os.O_WRONLY) if kind == "a full disk" else into
    try:
        yield stream
    finally:
        for each in {into, stream}:
            os.close(each)


@pytest.mark.real_time
@pytest.mark.parametrize("kind", ["a full disk", "a broken pipe"])
def test_a_process_whose_result_cannot_be_written_ends_with_its_code(real: Command, path: Path, kind: str) -> None:
    """The end of the process, which writes what is left in buffers, changes no exit code either."""
    with unwritable(kind) as stream:
        child = start(real, *real.words(*RUN, "--output", "json", journal=path), stdout=stream)
        _, err = child.communicate(timeout=COMMAND_TIMEOUT)
    (result,) = listed(real, path)

    assert child.returncode == result["exit_code"] == 4, err
    assert f"safe-reinit show {result['run_id']}" in err
    assert "report this" not in err


TELLS = [("plan", *TARGET), ("runs",), ("checks",), ("--help",), ("explain", "spot"), ("schema",)]
MORE = [
    ("policy", *TARGET), ("policy", "--check", *TARGET), ("runs", "--output", "json"), ("audit",), ("show", "PLAN"),
    ("checks", "--output", "json"), ("config", "show"), ("config", "example"), ("completion", "bash"), ("version",),
    ("--version",), ("help", "runs"), ("runs", "-h"),
]  # fmt: skip


def words_of(real: Command, words: tuple[str, ...], path: Path) -> list[str]:
    """Return the whole command line of a command that only tells."""
    more = ("--endpoint", real.url) if words[0] in ("plan", "policy") else ()
    keeps = words[0] in ("runs", "audit") and "-h" not in words
    if keeps:
        open_to_write(path).close()
    return real.words(*words, *more, journal=path if keeps else None)


@pytest.mark.real_time
@pytest.mark.parametrize("words", [*TELLS, *sampled((words,) for words in MORE)], ids=" ".join)
def test_a_reader_who_leaves_ends_a_command_quietly(
    real: Command, path: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Whoever reads no further (``runs | head -1``) has all that they wanted: no complaint, and the usual exit code."""
    if words == ("show", "PLAN"):
        words = ("show", str(tmp_path / "plan.json"))
        saved = start(real, *real.words("plan", *TARGET, "--save", words[1], "--endpoint", real.url, journal=None))
        saved.communicate(timeout=COMMAND_TIMEOUT)
    line = words_of(real, words, path)
    read = start(real, *line)
    _, usual = read.communicate(timeout=COMMAND_TIMEOUT)
    with unwritable("a broken pipe") as stream:
        child = start(real, *line, stdout=stream)
        _, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert (child.returncode, err.splitlines()) == (read.returncode, usual.splitlines())
    assert read.returncode in (0, 3), usual


@pytest.mark.real_time
@pytest.mark.parametrize("words", TELLS, ids=lambda words: words[0])
def test_a_command_that_only_tells_ends_2_where_it_cannot(real: Command, path: Path, words: tuple[str, ...]) -> None:
    """What is only told and cannot be written is exit 2 and one sentence, and no bug."""
    with unwritable("a full disk") as stream:
        child = start(real, *words_of(real, words, path), stdout=stream)
        _, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == 2, err
    assert "stdout could not be written" in err
    assert "Traceback" not in err
    assert "report this" not in err


def test_a_report_file_on_a_full_disk_changes_no_exit_code(
    sim: Simulator, run: Command, path: Path, tmp_path: Path
) -> None:
    """The report cannot be written to its file: the run is 0, stdout has it, and a sentence names the file."""
    (tmp_path / "full.json").symlink_to("/dev/full")
    ended = run(*RUN, "--output", "json", "--report", str(tmp_path / "full.json"), journal=path)

    assert ended.returncode == 0, ended.stderr
    assert (document(ended.stdout)["outcome"], wipes(sim)) == ("done", 1)
    assert "full.json could not be written" in ended.stderr


# ---------------------------------------------------------------------- line 44: what is no letter of its own


class Halving:
    """Answers what the simulator answers, with half of a surrogate pair in the name of the machine."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def send(self, attempt: RequestInProgress, raw: RawRequest) -> Reply:
        """Send one request once."""
        reply = self._line.send(attempt, raw)
        return replace(reply, body=reply.body.replace(b'"web1"', b'"we\\ud83d"'))


@pytest.mark.parametrize(("form", "ending"), [("text", "json"), ("json", "md"), ("markdown", "html")])
def test_half_a_letter_in_a_name_changes_nothing(
    sim: Simulator, run: Command, tmp_path: Path, path: Path, form: str, ending: str
) -> None:
    """A name with half of a surrogate pair: wiped, 0, and every report can be read."""
    connections = virtual.current().connections
    connections[sim.endpoint] = Halving(connections[sim.endpoint])
    file = tmp_path / f"report.{ending}"
    ended = run(*RUN, "--output", form, "--report", str(file), journal=path)

    assert ended.returncode == 0, ended.stderr
    assert "we\ufffd" in file.read_text("utf-8")
    assert wipes(sim) == 1
    assert run("runs", journal=path).returncode == 0


@pytest.mark.real_time
def test_a_user_whose_name_is_no_text_changes_nothing(real: Command, path: Path) -> None:
    """A user name that is not UTF-8 is replaced where it is no text, in report and journal."""
    odd = os.fsdecode(b"m\xfcller")
    more = dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), odd)
    ended = real(*RUN, "--output", "json", journal=path, environment=more)

    assert ended.returncode == 4, ended.stderr
    assert document(ended.stdout)["operator"]["user"] == "m\ufffdller"
    assert listed(real, path)[0]["exit_code"] == 4


# ------------------------------------------------------------------------------ section 5: safe, but no help


@pytest.mark.real_time
@pytest.mark.parametrize("way", ["file", "stdin"])
def test_a_list_of_disks_may_begin_with_a_byte_order_mark(real: Command, tmp_path: Path, way: str) -> None:
    """What an editor puts before the first id is no part of it."""
    (tmp_path / "ids.txt").write_bytes(b"\xef\xbb\xbf" + DISK.encode() + b"\r\n")
    with open(tmp_path / "ids.txt", "rb") as file:
        name = "-" if way == "stdin" else "ids.txt"
        words = ("plan", "--disks-from", name, "--stop-instance", "--endpoint", real.url)
        child = start(real, *real.words(*words, journal=None), stdin=file)
        out, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == 0, err
    assert f"WIPE {DISK} " in out


@pytest.mark.real_time
def test_a_list_of_disks_from_a_closed_stdin_names_none(real: Command) -> None:
    """Without any stdin, --disks-from - names no disk, and that is said."""
    words = real.words("plan", "--disks-from", "-", "--endpoint", real.url, journal=None)
    child = start(real, *words, preexec_fn=closed(0))
    _, err = child.communicate(timeout=COMMAND_TIMEOUT)

    assert child.returncode == 2, err
    assert "names no disk" in err


NOBODY = """
import os, pwd, sys
import safe_reinit.cli.app, safe_reinit.cli.wipe, safe_reinit.client, safe_reinit.cloud.locate
def unknown(_uid):
    raise KeyError("no such user")
pwd.getpwuid = unknown
os.getuid = lambda: 4711
from safe_reinit.cli import main
sys.argv[0] = "safe-reinit"
main()
"""
"""The command line of a user whom the system does not know; what others own is not the subject here."""


@pytest.mark.real_time
@pytest.mark.parametrize("journal", [True, False])
def test_a_user_whom_nobody_knows_gets_a_sentence(real: Command, tmp_path: Path, journal: bool) -> None:
    """Without HOME and with a uid that has no name: it plans, or says what to set; it is no bug."""
    env = real.environment()
    for name in (
        "HOME",
        "LOGNAME",
        "USER",
        "LNAME",
        "USERNAME",
        "XDG_STATE_HOME",
        "XDG_CONFIG_HOME",
        "SAFE_REINIT_JOURNAL",
    ):
        env.pop(name, None)
    words = ["plan", *TARGET, "--endpoint", real.url] if journal else ["runs"]
    ended = subprocess.run(
        [sys.executable, "-c", NOBODY, *words], env=env, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False, timeout=COMMAND_TIMEOUT,
    )  # fmt: skip

    assert ended.returncode == (0 if journal else 2), ended.stderr
    assert journal or "Set HOME, or name a file with --journal." in ended.stderr
    assert "report this" not in ended.stderr
    assert not (tmp_path / "~").exists()


@pytest.mark.real_time
@pytest.mark.parametrize("words", [("explain", "spot"), ("checks",), ("apply", "--help")])
def test_an_optimised_python_explains_as_much(real: Command, words: tuple[str, ...]) -> None:
    """PYTHONOPTIMIZE=2 takes away docstrings, and no word of what is explained."""
    plain = real(*words, journal=None)
    optimised = real(*words, journal=None, environment={"PYTHONOPTIMIZE": "2"})

    assert plain.returncode == 0, plain.stderr
    assert optimised.stdout == plain.stdout


def test_no_folder_of_the_journal_can_be_written_by_others(run: Command, tmp_path: Path) -> None:
    """With umask 0 the folders above the journal are the user's own, too."""
    journal = tmp_path / "a" / "b" / "c" / "journal.db"
    before = os.umask(0)
    try:
        ended = run(*RUN, "--report", str(tmp_path / "r.json"), "--events", str(tmp_path / "e.jsonl"), journal=journal)
    finally:
        os.umask(before)

    assert ended.returncode == 0, ended.stderr
    for each in (tmp_path / "a", tmp_path / "a" / "b", journal.parent, journal):
        assert each.stat().st_mode & 0o077 == 0, each
    for name in ("r.json", "e.jsonl"):
        assert (tmp_path / name).stat().st_mode & 0o022 == 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_error_before_the_plan_is_in_the_report_file_in_every_form(run: Command, path: Path, form: str) -> None:
    """Where stderr cannot take the plan, nothing is changed, and the report that was asked for says so."""
    child: Any = run.start(*RUN, "--report", "r.json", "--output", form, journal=path)
    child.stderr.refuse(errno.ENOSPC)
    child.communicate(timeout=COMMAND_TIMEOUT)
    result = json.loads((run.folder / "r.json").read_text("utf-8"))

    assert (child.returncode, result["outcome"]) == (2, "usage")
    assert "Nothing was changed" in result["error"]["hint"]
