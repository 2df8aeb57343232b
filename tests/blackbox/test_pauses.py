"""The question between two stages of a rollout, on a terminal: of a run, of one that goes on, of a saved plan."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

import safe_reinit
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.conftest import KEY, CommandLine, changing, ended_by
from tests.terminals import Open, Terminal, where_is
from tests.values import recoverable

pytestmark = pytest.mark.virtual_time

QUESTION = "Continue? Type"


def machines(**members: str) -> dict[str, Any]:
    """Return a world of three machines with a data disk each, on which nothing takes long."""
    return recoverable(
        {
            "durations": {"stop": 3, "wipe": 5, "start": 3},
            "instances": {f"i-{number}": {"name": f"lab-{number}", **members} for number in range(3)},
            "disks": {
                **{f"d-{number}-sys": {"instance": f"i-{number}", "type": "system"} for number in range(3)},
                **{f"d-{number}": {"instance": f"i-{number}"} for number in range(3)},
            },
        }
    )


@pytest.fixture
def fleet() -> Iterator[Simulator]:
    """Start three running machines."""
    with virtual.simulate(machines(), speed=1) as simulator:
        yield simulator


TARGETS = ("--disk", "d-0", "--disk", "d-1", "--disk", "d-2", "--stop-instance")
CANARY = (*TARGETS, "--canary", "1")
PAUSING = (*CANARY, "--pause", "canary")


def pausing(simulator: Simulator) -> list[str]:
    """Return the command line of a run with a canary that asks after it."""
    client = safe_reinit.connect(region="cn-hangzhou", endpoint=simulator.url, credentials=("testid", "testsecret"))
    plan = client.plan(["d-0", "d-1", "d-2"], stop_instance=True)
    return [*PAUSING, "--confirm", plan.confirm_with]


def at_the_question(person: Terminal) -> None:
    """Wait until it is asked and listened for an answer."""
    person.wait_for("> ", after=person.wait_for(QUESTION))


def wiped(simulator: Simulator) -> list[str]:
    """List the disks that were wiped."""
    return sorted(disk for disk, shown in simulator.state()["disks"].items() if shown["wipes"])


def all_run(simulator: Simulator) -> bool:
    """Return whether every machine runs."""
    return {each["status"] for each in simulator.state()["instances"].values()} == {"Running"}


def test_go_goes_on(terminal: Open, fleet: Simulator) -> None:
    """Who types go lets the next stage begin, and the run ends done."""
    person = terminal(fleet, *pausing(fleet))
    at_the_question(person)
    assert wiped(fleet) == ["d-0"]
    person.type("go\n")

    assert person.end() == 0, person.shown
    assert wiped(fleet) == ["d-0", "d-1", "d-2"]


@pytest.mark.parametrize("answer", ["no\n", "\n", "\x04"])
def test_another_answer_begins_no_further_job(terminal: Open, fleet: Simulator, answer: str) -> None:
    """Anything but go, and the end of the input, ends the run as it stands: partly done."""
    person = terminal(fleet, *pausing(fleet))
    at_the_question(person)
    person.type(answer)

    assert person.end() == 7, person.shown
    assert (wiped(fleet), all_run(fleet)) == (["d-0"], True)


@pytest.mark.parametrize("way", ["key", signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_question_ends_the_run_without_a_key(
    terminal: Open, fleet: Simulator, way: str | signal.Signals
) -> None:
    """Ctrl-C, SIGTERM and a hang-up are an answer: no Enter is waited for, no further job begins, the outcome is 7."""
    person = terminal(fleet, *pausing(fleet))
    at_the_question(person)
    if isinstance(way, str):
        person.type("\x03")
    else:
        person.child.send_signal(way)

    assert person.end() == ended_by(signal.SIGINT if isinstance(way, str) else way, 7), person.shown
    assert (wiped(fleet), all_run(fleet)) == (["d-0"], True)
    assert "Quitting now" not in person.shown
    assert "Traceback" not in person.shown


@pytest.mark.real_time
def test_ctrl_c_at_the_question_on_a_terminal_of_the_system(terminal: Open) -> None:
    """There, too, the key itself is an answer; the machines are stopped already, so that the canary takes seconds."""
    with virtual.simulate(machines(status="Stopped"), speed=1) as fleet:
        person = terminal(fleet, *pausing(fleet))
        at_the_question(person)
        person.type("\x03")

        assert person.end() == -signal.SIGINT, person.shown
        assert wiped(fleet) == ["d-0"]


def killed_at_the_question(terminal: Open, fleet: Simulator) -> str:
    """Kill a run while it asks, as a power cut does, and give its name."""
    person = terminal(fleet, *pausing(fleet), "--verbose")
    at_the_question(person)
    person.child.kill()
    person.child.wait()
    listed = terminal(fleet, "runs")
    listed.end()
    found = re.search(r"r-\d{8}T\d{6}Z-[0-9a-f]{4}", listed.shown)
    assert found, listed.shown
    return found[0]


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_run_that_goes_on_asks_too(terminal: Open, fleet: Simulator, goes_on: bool) -> None:
    """A resumed run stands at the question that its rollout has, and goes by the answer."""
    run_id = killed_at_the_question(terminal, fleet)
    person = terminal(fleet, "resume", run_id)
    at_the_question(person)
    assert wiped(fleet) == ["d-0"]
    person.type("go\n" if goes_on else "\n")

    assert person.end() == (0 if goes_on else 7), person.shown
    assert wiped(fleet) == (["d-0", "d-1", "d-2"] if goes_on else ["d-0"])
    assert all_run(fleet)


def test_ctrl_c_at_the_question_of_a_run_that_goes_on(terminal: Open, fleet: Simulator) -> None:
    """There too it ends at once."""
    run_id = killed_at_the_question(terminal, fleet)
    person = terminal(fleet, "resume", run_id)
    at_the_question(person)
    person.type("\x03")

    assert person.end() == -signal.SIGINT, person.shown
    assert wiped(fleet) == ["d-0"]


def test_a_run_that_goes_on_where_nobody_can_be_asked_begins_nothing_new(
    terminal: Open, command_line: CommandLine, fleet: Simulator
) -> None:
    """A pause was wanted, and there is no terminal: no further job begins, as in a run."""
    run_id = killed_at_the_question(terminal, fleet)
    ended = command_line("resume", run_id, env={**KEY, **where_is(fleet)})

    assert ended.code == 7, ended.err
    assert "there is nobody to ask" in ended.err
    assert wiped(fleet) == ["d-0"]


def test_a_saved_plan_that_pauses_asks_too(terminal: Open, command_line: CommandLine, fleet: Simulator) -> None:
    """Apply keeps to the pause that the plan was saved with."""
    saved = command_line("plan", *PAUSING, "--save", "plan.json", "--output", "json", env={**KEY, **where_is(fleet)})
    digest = saved.document["plan"]["digest"]
    person = terminal(fleet, "apply", "plan.json", "--confirm", digest)
    at_the_question(person)
    person.type("\x03")

    assert person.end() == -signal.SIGINT, person.shown
    assert wiped(fleet) == ["d-0"]


def saved_on_a_terminal(terminal: Open, command_line: CommandLine, fleet: Simulator) -> list[str]:
    """Save a plan that says nothing of pauses, and give the words that apply it."""
    assert terminal(fleet, "plan", *CANARY, "--save", "plan.json").end() == 0
    digest = json.loads((command_line.home / "plan.json").read_text("utf-8"))["digest"]
    return ["apply", "plan.json", "--confirm", digest]


def test_a_saved_plan_that_says_nothing_of_pauses_asks_on_a_terminal(
    terminal: Open, command_line: CommandLine, fleet: Simulator
) -> None:
    """As a run does."""
    person = terminal(fleet, *saved_on_a_terminal(terminal, command_line, fleet))
    at_the_question(person)
    person.type("\n")

    assert person.end() == 7, person.shown
    assert wiped(fleet) == ["d-0"]


def test_a_saved_plan_that_says_nothing_of_pauses_goes_on_where_nobody_is(
    terminal: Open, command_line: CommandLine, fleet: Simulator
) -> None:
    """Though it was saved on a terminal: a timer applies it to its end."""
    ended = command_line(*saved_on_a_terminal(terminal, command_line, fleet), env={**KEY, **where_is(fleet)})

    assert ended.code == 0, ended.err
    assert wiped(fleet) == ["d-0", "d-1", "d-2"]


@pytest.mark.real_time
def test_a_signal_in_the_moment_before_the_question_ends_it(terminal: Open, fleet: Simulator) -> None:
    """The question for consent, too, hears a signal that comes as it begins to listen."""
    for _ in range(3):
        person = terminal(fleet, *TARGETS)
        person.wait_for("> ")
        person.child.send_signal(signal.SIGINT)

        assert person.end() == -signal.SIGINT, person.shown
        assert changing(fleet) == []
