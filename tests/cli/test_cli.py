"""The command line: what each command tells and imports, consent on a real terminal, and signals in a real child."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import pytest

from safe_reinit.checks import CHECKS
from safe_reinit.cli.app import run
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.conftest import KEY, CommandLine, changing, ended_by
from tests.terminals import TERMINAL_TIMEOUT, Open, where_is
from tests.values import recoverable

DISK = ("--disk", "d-sim-web1-data", "--stop-instance")
CONFIRMED = (*DISK, "--confirm", "d-sim-web1-data")
SLOW = {
    "http.client", "concurrent.futures", "importlib.resources", "shutil", "tempfile", "urllib.parse",
    "safe_reinit.cloud.aliyun", "safe_reinit.client", "safe_reinit.journal", "safe_reinit.model.plan",
    "safe_reinit.cloud.locate", "safe_reinit.model.cloud", "safe_reinit.model.facts",
}  # fmt: skip
HEAVY = ("alibabacloud", "darabonba", "Tea", "requests", "rich", "aiohttp", "pydantic", "yaml", "temporalio")

pytestmark = pytest.mark.usefixtures("own_home")


# ------------------------------------------------------------------------------------------------ what only tells


def imported(command_line: CommandLine, argv: tuple[str, ...]) -> set[str]:
    """Run a command line in a new interpreter, and give the modules that it imported."""
    program = (
        "import contextlib, io, sys; from safe_reinit.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main()\n"
        "print(*sys.modules)"
    )
    unmeasured = {name: value for name, value in command_line.environment.items() if not name.startswith("COVERAGE")}
    ended = subprocess.run(
        [sys.executable, "-c", program, *argv], env=unmeasured, cwd=command_line.home,
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return set(ended.stdout.split())


@pytest.mark.parametrize(
    "argv",
    [
        (), ("--help",), ("-h",), ("--version",), ("plan", "--help"), ("checks",), ("checks", "--output", "json"),
        ("explain", "disk-locked"), ("explain", "IncorrectInstanceStatus", "--output", "json"), ("config", "show"),
        ("config", "check"), ("config", "example"), ("completion", "bash"), ("--yes",), ("explain", "nothing"),
        ("--disk", "d-1", "--timeout-stop", "5"), ("--disk", "d-1", "--config", "no.yaml", "--output", "json"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_only_tells_imports_nothing_heavy(command_line: CommandLine, argv: tuple[str, ...]) -> None:
    """Help, checks, explain, config and usage errors import neither the SDK nor rich, aiohttp, pydantic or a parser."""
    heavy = {name for name in imported(command_line, argv) if name.split(".")[0].startswith(HEAVY)}

    assert not heavy


@pytest.mark.parametrize(
    "argv",
    [("--help",), ("plan", "--help"), ("explain", "DiskError"), ("explain", "disk-locked"), ("--yes",)],
    ids=" ".join,
)
def test_help_imports_nothing_of_a_cloud_a_plan_or_a_journal(command_line: CommandLine, argv: tuple[str, ...]) -> None:
    """Help, explain and usage errors import no gateway, no facts, no plan, no journal and no HTTP client."""
    assert not imported(command_line, argv) & SLOW


def test_a_check_is_explained_without_importing_it(command_line: CommandLine) -> None:
    """Explain reads the docstring of a check from its source, and needs no other check and no error code."""
    package = {name for name in imported(command_line, ("explain", "disk-locked")) if name.startswith("safe_reinit.")}

    assert {name for name in package if name.startswith("safe_reinit.checks.")} == {"safe_reinit.checks.check"}
    assert "safe_reinit.model.error_codes" not in package


def test_checks_lists_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    """Checks --output json has each check with name, level, the codes it foresees and a summary."""
    code = run(["checks", "--output", "json"])
    document = json.loads(capsys.readouterr().out)
    run(["checks"])
    text = capsys.readouterr().out

    assert (code, set(document), document["schema"]) == (0, {"schema", "checks"}, 1)
    assert [check["name"] for check in document["checks"]] == [check.name for check in CHECKS]
    assert all(set(check) == {"name", "level", "predicts", "summary"} for check in document["checks"])
    assert all(check.name in text for check in CHECKS)


@pytest.mark.parametrize("name", ["disk-locked", "InvalidSourceSnapshot", "Throttling.User", "Forbidden.RAM"])
def test_explain_explains(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Explain takes a check or an error code, and as JSON gives one entry of checks with its text."""
    code = run(["explain", name, "--output", "json"])
    document = json.loads(capsys.readouterr().out)
    run(["explain", name])
    text = capsys.readouterr().out

    assert code == 0
    assert set(document) == {"schema", "name", "level", "predicts", "summary", "text"}
    assert text.strip() == document["text"].strip()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("disk-lockd", "disk-locked"), ("not-checkd", "not-checked"), ("operationdenied", "OperationDenied"),
        ("not-found", None), ("no-snapshot", None), ("disk", None), ("timeout", None),
    ],
)  # fmt: skip
def test_explain_suggests_only_what_is_near(capsys: pytest.CaptureFixture[str], name: str, meant: str | None) -> None:
    """A misspelt name is suggested; another word, which merely shares some letters with one, is not."""
    code = run(["explain", name])
    err = capsys.readouterr().err

    assert code == 2
    assert ("Did you mean" in err) == (meant is not None)
    assert meant is None or f"Did you mean {meant}?" in err


def test_every_check_can_be_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """Explain knows each check by its name."""
    codes = [run(["explain", check.name]) for check in CHECKS]

    assert set(codes) == {0}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("argv", [["checks"], ["explain", "disk-locked"], ["config", "show"]])
@pytest.mark.parametrize("form", ["markdown", "xml"])
def test_what_only_tells_has_two_forms(capsys: pytest.CaptureFixture[str], argv: list[str], form: str) -> None:
    """Commands that only tell something have text and json; another form is a usage error."""
    code = run([*argv, "--output", form])
    out, err = capsys.readouterr()

    assert (code, "--output" in err) == (2, True)
    assert "Traceback" not in out + err


# ---------------------------------------------------------------------------------------------- consent on a terminal


@pytest.mark.virtual_time
def test_the_name_of_the_instance_is_the_consent(terminal: Open, simulator: Simulator) -> None:
    """A wrong answer is asked again; the instance's name, in any case of letters, lets the run go to its end."""
    person = terminal(simulator, *DISK, NO_COLOR="1")

    asked = person.wait_for("type the instance's name: web1")
    assert "wipe" in person.shown[:asked].lower()
    person.type("d-sim-web1-sys\n")
    again = person.wait_for("2 tries left", after=asked)
    person.wait_for("> ", after=again)
    assert changing(simulator) == []
    person.type("WEB1\n")
    code = person.end()

    assert code == 0, person.shown
    assert changing(simulator) == ["StopInstance", "ReInitDisk", "StartInstance"]
    assert not re.search(r"\x1b\[(\d+;)*[349][0-7]", person.shown), "NO_COLOR is set"


@pytest.mark.virtual_time
def test_three_wrong_answers_are_no_consent(terminal: Open, simulator: Simulator) -> None:
    """After three wrong answers nothing is asked any more, and nothing was changed."""
    person = terminal(simulator, *DISK)
    place = 0
    for answer in ("web", "yes", "web1 web1"):
        place = person.wait_for("> ", after=place)
        person.type(f"{answer}\n")
    code = person.end()

    assert (code, changing(simulator)) == (3, [])
    assert person.shown.count("type the instance's name") == 3


@pytest.mark.virtual_time
def test_an_end_of_input_is_no_consent(terminal: Open, simulator: Simulator) -> None:
    """Ctrl-D at the question ends 3 at once."""
    person = terminal(simulator, *DISK)
    person.wait_for("> ")
    person.type("\x04")
    code = person.end()

    assert (code, changing(simulator)) == (3, [])
    assert "Traceback" not in person.shown


@pytest.mark.virtual_time
def test_a_plan_that_cannot_run_is_not_asked_about(terminal: Open, simulator: Simulator) -> None:
    """A plan that a check refuses is shown and refused, without a question."""
    person = terminal(simulator, "--disk", "d-sim-disk-locked")
    code = person.end()

    assert code == 3
    assert "type the" not in person.shown
    assert "disk-locked" in person.shown


@pytest.mark.virtual_time
def test_a_question_comes_with_its_plan(terminal: Open, simulator: Simulator) -> None:
    """Whoever is asked is shown the plan, --quiet or not."""
    person = terminal(simulator, *DISK, "--quiet")
    place = person.wait_for("> ")

    assert "d-sim-web1-data" in person.shown[:place]


@pytest.mark.virtual_time
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_question_is_a_refusal(terminal: Open, simulator: Simulator, number: signal.Signals) -> None:
    """SIGTERM and a hang-up at the question end 3 with nothing changed; Ctrl-C ends the process by SIGINT."""
    person = terminal(simulator, *DISK)
    person.wait_for("> ")
    person.child.send_signal(number)
    code = person.end()

    assert (code, changing(simulator)) == (ended_by(number, 3), [])
    assert "Traceback" not in person.shown


# ------------------------------------------------------------------------------------------ a run that is disturbed


def until(simulator: Simulator, status: str, child: subprocess.Popen[Any]) -> None:
    """Wait until the instance or the disk is seen in this state."""
    deadline = time.monotonic() + TERMINAL_TIMEOUT
    while child.poll() is None and time.monotonic() < deadline:
        state = simulator.state()
        if status in (state["instances"]["i-sim-web1"]["status"], state["disks"]["d-sim-web1-data"]["status"]):
            return
        time.sleep(0.1)
    pytest.fail(f"{status} was never seen")


def power(simulator: Simulator, instance_id: str = "i-sim-web1") -> str:
    """Return whether the machine runs."""
    status: str = simulator.state()["instances"][instance_id]["status"]
    return status


@pytest.mark.virtual_time
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_stopping_brings_the_machine_back(
    command_line: CommandLine, simulator: Simulator, number: signal.Signals
) -> None:
    """A signal before the wipe was sent ends 4: no wipe, and the machine runs again."""
    env = {**KEY, **where_is(simulator)}
    with command_line.start(*CONFIRMED, "--output", "json", env=env) as child:
        until(simulator, "Stopping", child)
        child.send_signal(number)
        out, err = child.communicate(timeout=TERMINAL_TIMEOUT)
    job = json.loads(out)["jobs"][0]

    assert child.returncode == ended_by(number, 4), err
    assert (power(simulator), changing(simulator)) == ("Running", ["StopInstance", "StartInstance"])
    assert (job["outcome"], job["power_after"], job["disks"][0]["data"]) == ("failed", "Running", "untouched")
    assert "Traceback" not in err


@pytest.mark.virtual_time
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_wiping_goes_on_to_the_end(
    command_line: CommandLine, simulator: Simulator, number: signal.Signals
) -> None:
    """A signal after the wipe was sent changes nothing: the proof is awaited, the machine comes back, 0."""
    env = {**KEY, **where_is(simulator)}
    with command_line.start(*CONFIRMED, "--output", "json", env=env) as child:
        until(simulator, "ReIniting", child)
        child.send_signal(number)
        out, err = child.communicate(timeout=TERMINAL_TIMEOUT)
    job = json.loads(out)["jobs"][0]

    assert child.returncode == ended_by(number, 0), err
    assert (power(simulator), job["disks"][0]["data"]) == ("Running", "reinitialised")
    assert len(simulator.state()["disks"]["d-sim-web1-data"]["wipes"]) == 1


@pytest.mark.virtual_time
def test_a_lost_terminal_brings_the_machine_back(terminal: Open, simulator: Simulator) -> None:
    """A person's connection is lost while the machine stops: it comes back, and the code is that of the state."""
    person = terminal(simulator, *CONFIRMED)
    until(simulator, "Stopping", person.child)

    assert person.hang_up() == 4
    assert (power(simulator), changing(simulator)) == ("Running", ["StopInstance", "StartInstance"])


def test_a_lost_terminal_is_no_bug(terminal: Open) -> None:
    """A run whose real terminal was lost ends with the code of the state reached, though nobody can be told."""
    world = recoverable(
        {"instances": {"i-1": {"name": "web1", "started": "+1m"}}, "disks": {"d-1": {"instance": "i-1"}}}
    )
    words = ("--disk", "d-1", "--stop-instance", "--confirm", "d-1", "--accept", "no-recent-snapshot")
    with Simulator(world=world, speed=1) as simulator:  # the run waits for over a minute before it changes anything
        person = terminal(simulator, *words)
        person.wait_for("was started a moment ago")

        assert person.hang_up() == 3
        assert changing(simulator) == []


@pytest.mark.virtual_time
def test_a_reader_of_events_that_leaves_ends_nothing(command_line: CommandLine, simulator: Simulator) -> None:
    """Where nobody reads the events any more, the run still goes on to its end."""
    child: Any = command_line.start(*CONFIRMED, "--events", "-", env={**KEY, **where_is(simulator)})
    until(simulator, "Stopping", child)
    child.stdout.refuse(errno.EPIPE)
    _, err = child.communicate()

    assert power(simulator) == "Running"
    assert child.returncode == 0, err


@pytest.mark.virtual_time
def test_a_name_that_resembles_markup_ends_nothing(terminal: Open) -> None:
    """An instance whose name holds brackets is shown as it is called, and its run goes to its end."""
    world = recoverable(
        {
            "instances": {"i-1": {"status": "Running", "name": "web[/red]1"}},
            "disks": {"d-1-sys": {"instance": "i-1", "type": "system"}, "d-1": {"instance": "i-1"}},
        }
    )
    with virtual.simulate(world=world) as simulator:
        person = terminal(simulator, "--disk", "d-1", "--stop-instance", "--confirm", "d-1")
        code = person.end()

        assert power(simulator, "i-1") == "Running"
    assert code == 0, person.shown


def test_a_simulation_needs_nothing(command_line: CommandLine) -> None:
    """--simulate reads no credentials and asks nobody else: it plans with nothing set, and says that it simulates."""
    ended = command_line("plan", *DISK, "--simulate", "--output", "json", env={"SAFE_REINIT_TIME_SCALE": "nonsense"})

    assert ended.code == 0, ended.err
    assert ended.document["simulated"] is True
    assert ended.document["region"] == "cn-hangzhou"


def test_a_result_that_nobody_reads_is_no_traceback(command_line: CommandLine) -> None:
    """A closed stdout ends the program quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    with suppress(OSError):
        ended = command_line("checks", stdout=writer)
    os.close(writer)

    assert (ended.code, ended.err) == (0, "")
