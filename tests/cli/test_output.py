"""Outputs: results on stdout and all else on stderr, report files, events, and what a terminal adds."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.cli import output
from safe_reinit.cli.app import run
from safe_reinit.cli.output import LastWords
from safe_reinit.simulator import Simulator
from tests.conftest import KEY, CommandLine, where_is

pytestmark = pytest.mark.virtual_time

DISK = ("--disk", "d-sim-web1-data", "--stop-instance")
BLOCKED = ("--disk", "d-sim-disk-locked", "--confirm", "d-sim-disk-locked")
CALL = {"at", "action", "subject", "dry_run", "http_status", "request_id", "code", "attempt"}
EVENT = {"schema", "at", "run_id", "instance_id", "disk_id", "event", "data", "simulated"}


def events_of(text: str) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.usefixtures("here")
def test_a_dry_run_as_json_has_every_member(capsys: pytest.CaptureFixture[str]) -> None:
    """The document of a dry run has the documented members throughout, and says what would run it."""
    code = run(["plan", *DISK, "--output", "json", "--reason", "CHG-1"])
    out, err = capsys.readouterr()
    document = json.loads(out)
    job = document["jobs"][0]

    assert (code, err) == (0, "")
    assert (document["run_id"], document["outcome"], document["dry_run"]) == (None, "planned", True)
    assert (document["reason"], document["account"]) == ("CHG-1", "1000000000000001")
    assert set(document["caller"]) == {"arn", "type"}
    assert set(document["operator"]) == {"user", "host"}
    assert set(document["plan"]) == {"fingerprint", "digest", "confirm_with", "class"}
    assert (job["power_before"], job["power_after"], job["phases"]) == ("Running", "Running", [])
    assert set(job) == {
        "instance_id", "instance_name", "power_before", "power_after", "power_promised", "outcome", "error", "phases",
        "disks",
    }  # fmt: skip
    assert set(job["disks"][0]) == {
        "disk_id", "disk_name", "serial", "type", "device", "size_gib", "data", "evidence", "becomes",
        "safety_snapshot", "waivers", "last_run",
    }  # fmt: skip
    assert set(job["disks"][0]["becomes"]) == {"kind", "id", "created_at"}
    assert all(set(call) == CALL for call in document["calls"])
    assert [call["dry_run"] for call in document["calls"] if call["action"] == "StopInstance"] == [True]
    assert all(
        set(found) == {"check", "level", "subject", "message", "fact", "predicts", "fix"}
        for found in document["findings"]
    )


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "extra",
    [
        (),
        ("--reason", "plan"),
        ("--confirm", DISK[1]),
    ],
)
def test_next_names_a_command_that_runs_it(capsys: pytest.CaptureFixture[str], extra: tuple[str, ...]) -> None:
    """What a dry run names as next is a command line, with consent given once and every value kept."""
    import shlex

    run([*DISK, "--dry-run", "--output", "json", *extra])
    words = shlex.split(json.loads(capsys.readouterr().out)["next"][0])

    assert words[0] == "safe-reinit"
    assert words.count("--confirm") == 1
    assert words[words.index("--confirm") + 1] == "d-sim-web1-data"
    assert "--dry-run" not in words
    if "--reason" in extra:
        assert words[words.index("--reason") + 1] == "plan"


def test_a_dry_run_flag_and_the_plan_command_are_the_same(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--dry-run and plan show the same plan."""
    del here
    run(["plan", *DISK])
    first = capsys.readouterr()
    run([*DISK, "--dry-run"])
    second = capsys.readouterr()

    assert first.out == second.out
    assert first.err == second.err == ""


@pytest.mark.parametrize("ending", ["json", "md"])
def test_a_report_file_equals_stdout(here: Path, capsys: pytest.CaptureFixture[str], ending: str) -> None:
    """--report writes what --output of the same form prints."""
    file = here / f"r.{ending}"
    form = {"json": "json", "md": "markdown"}[ending]

    run(["plan", *DISK, "--output", form, "--report", str(file)])

    assert file.read_text("utf-8").strip() == capsys.readouterr().out.strip()


def test_a_report_file_is_written_for_a_refusal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that a check refuses writes its report file too, with the same document as stdout."""
    file = here / "r.json"

    code = run([*BLOCKED, "--output", "json", "--report", str(file)])

    assert code == 3
    assert json.loads(file.read_text("utf-8"))["outcome"] == "refused"
    assert file.read_text("utf-8").strip() == capsys.readouterr().out.strip()


def test_a_report_file_is_written_where_nobody_can_be_asked(here: Path, command_line: CommandLine) -> None:
    """A run that is not confirmed writes its report file too."""
    del here
    ended = command_line(*DISK, "--report", "r.json", env={**KEY, **_where()})

    assert ended.code == 3
    assert json.loads((command_line.home / "r.json").read_text("utf-8"))["outcome"] == "refused"


def _where() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if name.startswith("SAFE_REINIT_")}


def test_a_form_from_the_file_holds_for_refusals(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """output: json in the configuration gives one document on stdout for a refusal too."""
    (here / "c.yaml").write_text("output: json\n")

    code = run([*BLOCKED, "--config", str(here / "c.yaml")])

    assert code == 3
    assert json.loads(capsys.readouterr().out)["outcome"] == "refused"


@pytest.mark.usefixtures("here")
def test_a_form_from_the_environment_holds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """SAFE_REINIT_OUTPUT holds for errors of the command line too, unless the flag says otherwise."""
    monkeypatch.setenv("SAFE_REINIT_OUTPUT", "json")
    code = run([*DISK, "--yes"])
    document = json.loads(capsys.readouterr().out)
    run([*DISK, "--yes", "--output", "text"])

    assert (code, document["outcome"]) == (2, "usage")
    assert capsys.readouterr().out == ""


def test_events_go_to_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--events FILE has each look and finding as one JSON line, and stdout only the result."""
    file = here / "e.jsonl"
    run(["plan", *DISK, "--output", "json", "--events", str(file)])
    document = json.loads(capsys.readouterr().out)
    events = events_of(file.read_text("utf-8"))

    assert all(set(event) == EVENT for event in events)
    assert {event["event"] for event in events} == {"read", "call", "finding"}
    assert [event["data"]["request_id"] for event in events if event["event"] != "finding"] == [
        call["request_id"] for call in document["calls"]
    ]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(("plan", *DISK), id="planned"),
        pytest.param(BLOCKED, id="refused"),
    ],
)
def test_events_on_stdout_are_all_there_is(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]) -> None:
    """With --events - stdout has only events, and the report for people goes to stderr, refused or not."""
    run([*argv, "--events", "-"])
    out, err = capsys.readouterr()

    assert all(set(event) == EVENT for event in events_of(out))
    assert "d-sim-" in err


@pytest.mark.usefixtures("here")
def test_verbose_says_every_call(capsys: pytest.CaptureFixture[str]) -> None:
    """--verbose tells each exchange on stderr; without it a dry run says nothing there."""
    run(["plan", *DISK, "--verbose"])
    verbose = capsys.readouterr().err
    run(["plan", *DISK])
    plain = capsys.readouterr().err
    run(["plan", *DISK, "--quiet", "--verbose"])
    quiet = capsys.readouterr().err

    assert "GetCallerIdentity" in verbose
    assert "StopInstance (dry run) i-sim-web1" in verbose
    assert plain == quiet == ""


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_no_form_has_escape_codes_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str], form: str) -> None:
    """Outside a terminal no form holds an escape code."""
    run(["plan", *DISK, "--output", form])
    out, err = capsys.readouterr()

    assert out
    assert "\x1b" not in out + err


def test_a_whole_run_tells_everything_in_every_form(command_line: CommandLine, simulator: Simulator) -> None:
    """A run that is done: events on stdout in order, the Markdown report in a file, plain lines on stderr."""
    ended = command_line(
        *DISK, "--confirm", "D-SIM-WEB1-DATA", "--events", "-", "--report", "r.md", env={**KEY, **where_is(simulator)}
    )
    events = events_of(ended.out)
    acts = [(event["event"], event["data"]["action"]) for event in events if event["event"] in ("intend", "answer")]
    report = (command_line.home / "r.md").read_text("utf-8")

    assert ended.code == 0, ended.err
    assert all(set(event) == EVENT for event in events)
    assert acts == [
        (word, action) for action in ("StopInstance", "ReInitDisk", "StartInstance") for word in ("intend", "answer")
    ]
    assert events[-1]["event"] == "done"
    assert len({event["run_id"] for event in events if event["run_id"]}) == 1
    assert report.startswith("# SIMULATED safe-reinit: done, d-sim-web1-data on web1 ")
    assert "\x1b" not in ended.err
    assert "wiped (ECS showed the wipe begin and end)" in ended.err
    assert ended.sentences == []


@pytest.mark.parametrize("kind", ["quiet", "normal"])
def test_quiet_says_only_results_and_errors(command_line: CommandLine, simulator: Simulator, kind: str) -> None:
    """--quiet leaves the plan away from stderr; the sentence about the error stays."""
    where = {"SAFE_REINIT_ENDPOINT": simulator.url, "SAFE_REINIT_REGION": "cn-hangzhou"}
    extra = ("--quiet",) if kind == "quiet" else ()

    ended = command_line(*DISK, *extra, env={**KEY, **where})

    assert ended.code == 3
    assert len(ended.sentences) == 1
    assert (len(ended.err.splitlines()) == 1) == (kind == "quiet")


@pytest.mark.parametrize("encoding", ["ascii"])
def test_a_stdout_that_cannot_write_every_letter(
    command_line: CommandLine, simulator: Simulator, encoding: str
) -> None:
    """A name or reason that stdout cannot write is no reason to end as a bug."""
    where = {
        "SAFE_REINIT_ENDPOINT": simulator.url,
        "SAFE_REINIT_REGION": "cn-hangzhou",
        "PYTHONIOENCODING": encoding,
    }

    ended = command_line("plan", *DISK, "--output", "json", "--reason", "票据 CHG-1", env={**KEY, **where})

    assert ended.code == 0, ended.err
    assert ended.document["reason"]


class Unread(threading.Event):
    """Output that is never out, and a clock that goes on with each wait for it, and a little with each reading."""

    def __init__(self, enough: threading.Event, signal_at: float) -> None:
        super().__init__()
        self.now = 0.0
        self._enough, self._signal_at = enough, signal_at

    def read(self) -> float:
        """Read the clock."""
        self.now += 1e-6
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        """Let time pass, in which the signal comes."""
        self.now += timeout or 0.0
        if self.now >= self._signal_at:
            self._enough.set()
        return False


@pytest.mark.parametrize(
    ("signal_at", "most", "extra", "ends"),
    [(99.0, 99.0, 0.0, 30.0), (99.0, 2.0, 0.0, 2.0), (5.0, 99.0, 0.0, 7.0), (0.0, 99.0, 3.0, 3.0)],
    ids=["nobody reads", "a sentence", "a signal meanwhile", "a last sentence after a signal"],
)
def test_output_that_nobody_reads_is_waited_for_no_longer_than_is_good(
    monkeypatch: pytest.MonkeyPatch, signal_at: float, most: float, extra: float, ends: float
) -> None:
    """The last output has 30 s, or 2 s from a signal on; what comes after that has its own least time."""
    enough = threading.Event()
    unread = Unread(enough, signal_at)
    monkeypatch.setattr(output, "boottime", unread.read)

    assert not LastWords(enough).wait(unread, most, extra)
    assert unread.now == pytest.approx(ends, abs=0.2)
