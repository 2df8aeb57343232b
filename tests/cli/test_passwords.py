"""A new password comes in from the environment, stdin or a person, and from nowhere else."""

from __future__ import annotations

import os
import select
import signal
import sys
import time

import pytest

from safe_reinit.simulator import Simulator
from tests import virtual
from tests.blackbox.test_secrets import assert_clean
from tests.conftest import KEY, CommandLine, changing
from tests.terminals import TERMINAL_TIMEOUT, Open, where_is

pytestmark = pytest.mark.virtual_time

PASSWORD = "Pl4nted&Secret=Word"
DISK = ("--disk", "d-sim-web1-sys", "--stop-instance")


def typed(prompt: str) -> str:
    """Read what is typed on a terminal of virtual time, which has no echo to put out."""
    sys.stderr.write(prompt)
    while not select.select([sys.stdin], [], [], 0)[0]:
        virtual.current().scheduler.sleep(0.1)
    return os.read(sys.stdin.fileno(), 4096).decode().rstrip("\n")


def test_a_person_is_asked_twice_before_anything_else(
    terminal: Open, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is typed at the prompt sets the password, and the question for consent comes after it."""
    monkeypatch.setattr("click.termui.hidden_prompt_func", typed)
    person = terminal(simulator, *DISK, "--password-prompt")
    place = person.wait_for("New password: ")
    person.type(f"{PASSWORD}\n")
    place = person.wait_for("The same again: ", after=place)
    assert simulator.state()["calls"] == []
    person.type(f"{PASSWORD}\n")
    person.wait_for("type the instance's name", after=place)
    person.type("web1\n")
    code = person.end()

    assert code == 0, person.shown
    assert changing(simulator) == ["StopInstance", "ReInitDisk", "StartInstance"]


@pytest.mark.real_time
def test_two_that_differ_are_asked_for_again(terminal: Open, simulator: Simulator) -> None:
    """Where the second one is another, nothing is taken; neither is shown."""
    person = terminal(simulator, *DISK, "--password-prompt", "--dry-run")
    place = person.wait_for("New password: ")
    person.type(f"{PASSWORD}\n")
    place = person.wait_for("The same again: ", after=place)
    person.type("An0ther-Secret\n")
    place = person.wait_for("New password: ", after=place)
    person.type(f"{PASSWORD}\n")
    place = person.wait_for("The same again: ", after=place)
    person.type(f"{PASSWORD}\n")
    code = person.end()

    assert code == 0, person.shown
    assert_clean(person.shown, PASSWORD, "An0ther-Secret")


@pytest.mark.real_time
def test_a_password_that_breaks_the_rule_is_reported_before_anything_is_stopped(
    terminal: Open, simulator: Simulator
) -> None:
    """The rule is held against what was typed while the machine is up, and nothing of it is shown."""
    person = terminal(simulator, *DISK, "--password-prompt")
    place = person.wait_for("New password: ")
    person.type("planted\n")
    person.wait_for("The same again: ", after=place)
    person.type("planted\n")
    code = person.end()

    assert code == 3
    assert "password-malformed" in person.shown
    assert "planted" not in person.shown
    assert changing(simulator) == []


@pytest.mark.real_time
@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
def test_leaving_the_prompt_changes_nothing(terminal: Open, simulator: Simulator, key: str) -> None:
    """Ctrl-D at the prompt ends 3 before anything was sent; so does Ctrl-C, by SIGINT."""
    person = terminal(simulator, *DISK, "--password-prompt")
    person.wait_for("New password: ")
    person.type(key)
    code = person.end()

    assert code == (-signal.SIGINT if key == "\x03" else 3)
    assert simulator.state()["calls"] == []
    assert "Traceback" not in person.shown


def test_without_a_terminal_nobody_is_asked(command_line: CommandLine, simulator: Simulator) -> None:
    """A prompt that nobody can answer is a usage error, before anything is sent; stdin is not taken for an answer."""
    env = {**KEY, **where_is(simulator)}
    ended = command_line(*DISK, "--password-prompt", "--confirm", "d-sim-web1-sys", env=env, stdin=f"{PASSWORD}\n" * 2)

    assert ended.code == 2
    assert "--password-prompt needs a terminal" in ended.err
    assert simulator.state()["calls"] == []


@pytest.mark.parametrize("other", [("--password-stdin",), ("--password-env", "HOME")], ids=lambda other: other[0])
def test_only_one_way_is_taken(command_line: CommandLine, simulator: Simulator, other: tuple[str, ...]) -> None:
    """Two ways at once are a usage error that names both."""
    env = {**KEY, **where_is(simulator)}
    ended = command_line(*DISK, "--password-prompt", *other, "--dry-run", env=env)

    assert ended.code == 2
    assert "--password-prompt" in ended.err
    assert other[0] in ended.err


def test_a_password_is_never_taken_from_the_command_line(command_line: CommandLine) -> None:
    """There is no option for the password itself; one that is tried ends 2."""
    ended = command_line(*DISK, "--password", PASSWORD)

    assert ended.code == 2
    assert_clean(ended.out + ended.err, PASSWORD)


@pytest.mark.parametrize("way", ["env", "stdin"])
def test_the_other_ways_set_it_too(command_line: CommandLine, simulator: Simulator, way: str) -> None:
    """The environment and stdin give the same password to ReInitDisk, and no output shows it."""
    env = {**KEY, **where_is(simulator), "NEW_PASSWORD": PASSWORD}
    how = ("--password-env", "NEW_PASSWORD") if way == "env" else ("--password-stdin",)
    words = (*DISK, *how, "--confirm", "d-sim-web1-sys", "--output", "json", "--verbose")
    ended = command_line(*words, env=env, stdin=f"{PASSWORD}{os.linesep}" if way == "stdin" else None)

    assert ended.code == 0, ended.err
    assert {found["check"] for found in ended.document["findings"]} >= {"password-in-query"}
    assert_clean(ended.out + ended.err, PASSWORD)


def killed_while_stopping(command_line: CommandLine, simulator: Simulator, *more: str) -> str:
    """Kill a run while its machine stops, and give its name."""
    env = {**KEY, **where_is(simulator), "NEW_PASSWORD": PASSWORD}
    with command_line.start(*DISK, "--confirm", "d-sim-web1-sys", *more, env=env) as child:
        deadline = time.monotonic() + TERMINAL_TIMEOUT
        while simulator.state()["instances"]["i-sim-web1"]["status"] == "Running":
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child.kill()
        child.communicate()
    listed = command_line("runs", "--output", "json").document["runs"]
    assert len(listed) == 1
    name: str = listed[0]["run_id"]
    return name


def test_a_run_that_sets_a_password_is_resumed_with_it(command_line: CommandLine, simulator: Simulator) -> None:
    """A killed run is not gone on with unless the password is given again; with it, the machine is wiped and back."""
    env = {**KEY, **where_is(simulator), "NEW_PASSWORD": PASSWORD}
    name = killed_while_stopping(command_line, simulator, "--password-env", "NEW_PASSWORD")
    without = command_line("resume", name, env=env)
    with_it = command_line("resume", name, "--password-stdin", "--output", "json", env=env, stdin=f"{PASSWORD}\n")

    assert without.code == 2
    assert "give it again" in without.err
    assert with_it.code == 0, with_it.err
    assert simulator.state()["instances"]["i-sim-web1"]["status"] == "Running"
    assert_clean(without.err + with_it.out + with_it.err + str(command_line("show", name)), PASSWORD)


def test_a_run_without_a_password_is_not_resumed_with_one(command_line: CommandLine, simulator: Simulator) -> None:
    """A password that the run did not have is not slipped in; a setting that gives one to every run stops nothing."""
    env = {**KEY, **where_is(simulator), "NEW_PASSWORD": PASSWORD}
    name = killed_while_stopping(command_line, simulator)
    ended = command_line("resume", name, "--password-env", "NEW_PASSWORD", env=env)

    assert ended.code == 2
    assert "sets no password" in ended.err
    assert command_line("resume", name, env={**env, "SAFE_REINIT_PASSWORD_ENV": "NEW_PASSWORD"}).code == 0
