"""Consent is given to what is on the screen: names, input typed ahead, and questions on a real terminal."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyte
import pytest

from safe_reinit.simulator import Simulator
from tests import virtual
from tests.blackbox.worlds import COMMAND_TIMEOUT
from tests.commands import command, until
from tests.terminals import Open, Terminal
from tests.values import recoverable

PLAIN = {"plain": "web1", "wide-letters": "数据库-主", "picture": "web🚀-01", "quotes": "web\"1'$(id)"}
"""Names that can be read and typed as they are."""
ODD = {
    "end-blank": "web1 ",
    "two-blanks": "web  1",
    "escape": "lab\x1b[2K\x1b[1Gdb-main",
    "line": "lab\nweb2",
    "turned": "lab\u202egnp.exe",
    "zero-width": "we\u200bb1",
    "filler": "web\u3164",
    "soft-hyphen": "web\u00ad1",
    "decomposed": "cafe\u0301-1",
    "full-width": "\uff57\uff45\uff421",
    "c1": "web\x9b2J",
    "replaced": "web\ufffd",
    "markup": "lab:x:[red]web[/red]",
    "empty": "",
    "id-of-another": "i-plain",
    "id-of-a-disk": "D-plain",
}
"""Names that do not show what they are, or have none."""
NAMES = {**PLAIN, **ODD, "twin-a": "asg-first", "twin-b": "asg-first"}
TYPED = {"markup"}
"""Odd names that can be typed nevertheless."""
WORLD: dict[str, Any] = recoverable(
    {
        "durations": {"stop": 3, "wipe": 3, "start": 3},
        "instances": {f"i-{each}": {"name": name} for each, name in NAMES.items()},
        "disks": {f"d-{each}": {"instance": f"i-{each}"} for each in NAMES},
    }
)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
"""What no terminal gets from us, but for the escape sequences of colours and of the cursor."""
OURS = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


REFUSES = {"action": "StopInstance", "dry_run": False, "error": {"code": "Forbidden.RAM", "status": 403}}
"""A run that was agreed to ends at this call, so that nothing is waited for."""


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Start a world of strange names, where no run gets further than its stop."""
    with virtual.simulate(WORLD, [REFUSES | {"times": 100}]) as simulator:
        yield simulator


def agreed(sim: Simulator, name: str) -> bool:
    """Return whether a run began on this machine, as only consent lets it."""
    stops = [each for each in sim.state()["calls"] if each["action"] == "StopInstance" and not each["dry_run"]]
    return [each["subject"] for each in stops] == [[f"i-{name}"]]


def asks(person: Terminal) -> str:
    """Wait for the question, and return what it asks for."""
    person.wait_for("> ", after=person.wait_for(", type the "))
    return person.shown.replace("\r", "").partition(", type the ")[2].partition("\n")[0]


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", NAMES)
def test_what_confirm_takes_is_an_answer(sim: Simulator, terminal: Open, name: str) -> None:
    """Whatever a machine is called, its disk's id confirms, as with --confirm; no name controls the terminal."""
    person = terminal(sim, "--disk", f"d-{name}", "--stop-instance", columns=200)
    asks(person)
    person.type(f"d-{name}\n")

    assert person.end() == 4, person.shown
    assert agreed(sim, name)
    assert not CONTROL.search(OURS.sub("", person.shown)), person.shown
    assert "\x1b[2K\x1b[1G" not in person.shown


def answers_wrongly(person: Terminal, *typed: str) -> None:
    """Type three answers, none of which is one."""
    for tries_left, answer in zip((2, 1, 0), typed, strict=True):
        before = len(person.shown)
        person.type(f"{answer}\n")
        result = person.wait_for("That does not match", after=before)
        if tries_left:
            person.wait_for("\n> ", after=result)  # what is typed before the question is dropped
    assert person.end() == 3, person.shown


@pytest.mark.virtual_time
@pytest.mark.parametrize("typed", [("i-plain", "d-", "d-plain d-plain"), ("yes", "y", "wipe")])
def test_nothing_else_is_an_answer(sim: Simulator, terminal: Open, typed: tuple[str, ...]) -> None:
    """No general word, no part of an id and no other id agrees to a plan."""
    person = terminal(sim, "--disk", "d-plain", "--stop-instance", columns=200)
    asks(person)
    answers_wrongly(person, *typed)

    assert not agreed(sim, "plain")


@pytest.mark.virtual_time
@pytest.mark.parametrize("length", [8, 32, 64])
def test_of_several_disks_the_fingerprint_is_the_answer(sim: Simulator, terminal: Open, length: int) -> None:
    """The 8 characters that are shown agree to it, and so does as much of the fingerprint as --confirm takes."""
    words = ("--disk", "d-plain", "--disk", "d-quotes", "--stop-instance")
    planned = terminal(sim, "plan", *words, columns=400)
    planned.end()
    fingerprint = re.findall(r"--confirm ([0-9a-f]{64})", planned.shown)[0]
    person = terminal(sim, *words, columns=200)

    assert asks(person) == f"8 characters of this plan: {fingerprint[:8]}"
    person.type(f"{fingerprint[:length]}\n")
    assert person.end() == 0, person.shown


@pytest.mark.virtual_time
def test_fewer_characters_of_a_fingerprint_are_no_answer(sim: Simulator, terminal: Open) -> None:
    """Seven of them do not agree to a plan of several disks, nor do the id or the name of one."""
    person = terminal(sim, "--disk", "d-plain", "--disk", "d-quotes", "--stop-instance", columns=200)
    fingerprint = asks(person)[-8:]
    answers_wrongly(person, fingerprint[:7], "d-plain", "web1")

    assert not agreed(sim, "plain")


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", [*PLAIN, *TYPED])
def test_a_plain_name_is_asked_for(sim: Simulator, terminal: Open, name: str) -> None:
    """A name that shows what it is, is what is asked for, as ECS has it."""
    person = terminal(sim, "--disk", f"d-{name}", "--stop-instance", columns=200)

    assert asks(person) == f"instance's name: {NAMES[name]} (or the disk's id)"
    person.type(f"{NAMES[name]}\n")
    assert person.end() == 4, person.shown
    assert agreed(sim, name)


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", [*sorted(set(ODD) - TYPED), "twin-a", "twin-b"])
def test_a_name_that_is_odd_or_not_alone_is_no_answer(sim: Simulator, terminal: Open, name: str) -> None:
    """Of a name that two machines have, or that does not show what it is, only the disk's id will do."""
    person = terminal(sim, "--disk", f"d-{name}", "--stop-instance", columns=200)

    assert asks(person) == f"disk's id: d-{name}"
    answers = [NAMES[name].encode("utf-8", "replace").decode().partition("\n")[0].strip(), "web1", "asg-first"]
    answers_wrongly(person, *answers)
    assert not agreed(sim, name)


def test_where_names_cannot_be_listed_the_id_is_asked_for(terminal: Open) -> None:
    """Whether a name is unique is not known where instances cannot be listed, so the id is asked for."""
    faults = [{"action": "DescribeInstances", "nth": 2, "times": 9, "error": {"code": "Forbidden.RAM", "status": 403}}]
    with Simulator(world=WORLD, faults=faults, speed=1) as sim:
        person = terminal(sim, "--disk", "d-plain", "--stop-instance", columns=200)

        assert asks(person) == "disk's id: d-plain"


def test_the_last_line_before_the_question_names_disk_machine_and_loss(sim: Simulator, terminal: Open) -> None:
    """Right above the question stand the disk, the machine and that everything on it is lost."""
    person = terminal(sim, "--disk", "d-plain", "--stop-instance", columns=200)
    asks(person)
    lines = OURS.sub("", person.shown).replace("\r", "").splitlines()
    (place,) = [number for number, line in enumerate(lines) if ", type the instance's" in line]

    assert lines[place - 1] == "WIPE d-plain (data disk, 40 GiB) on web1: everything written to it is lost."


@pytest.mark.virtual_time
def test_the_last_line_before_the_question_names_both_where_a_name_is_an_id(sim: Simulator, terminal: Open) -> None:
    """A machine whose name is the id of another one is named with its own id beside it."""
    person = terminal(sim, "--disk", "d-id-of-another", "--stop-instance", columns=200)
    asks(person)

    assert "on i-plain (i-id-of-another): everything written to it is lost" in person.shown


def test_what_is_typed_ahead_answers_nothing(sim: Simulator, terminal: Open) -> None:
    """What was typed before the question is no answer to it, be it the right one."""
    sim.do({"fault": {"action": "DescribeDisks", "delay": 1.0}})  # so that there is time to type
    person = terminal(sim, "--disk", "d-plain", "--stop-instance")
    until(lambda: any(call["action"] == "GetCallerIdentity" for call in sim.state()["calls"]), COMMAND_TIMEOUT)
    person.type("d-plain\nweb1\n")
    asks(person)
    person.type("no\n")
    person.wait_for("That does not match. 2 tries left.")
    person.child.send_signal(signal.SIGTERM)

    assert person.end() == 3, person.shown
    assert not agreed(sim, "plain")


@pytest.mark.parametrize("columns", ["0", "1", "-1", "999999999999", "x"])
def test_the_plan_is_shown_whatever_the_terminal_says_of_its_width(
    sim: Simulator, terminal: Open, columns: str
) -> None:
    """COLUMNS=0 and the like: the whole plan is on the screen before the question."""
    person = terminal(sim, "--disk", "d-plain", "--stop-instance", COLUMNS=columns, LINES="0")
    place = person.wait_for("type the instance's ")
    shown = " ".join(OURS.sub("", person.shown[:place]).split())

    for part in (
        "Plan: wipe 1 disk",
        "1/3 StopInstance 10m",
        "2/3 ReInitDisk 35m",
        "Cannot be checked",
    ):
        assert part in shown


def test_a_process_in_the_background_asks_nothing(sim: Simulator, terminal: Open, tmp_path: Path) -> None:
    """Where reading would stop the process for good (timeout in a script), it ends 3 and says what to give."""
    words = [*command(sim.url, tmp_path).words("--disk", "d-plain", "--stop-instance", journal=tmp_path / "j.db")]
    script = "import os, subprocess, sys\nsys.exit(subprocess.call(sys.argv[1:], preexec_fn=os.setpgrp))"
    person = terminal(sim, program=[words[0], "-c", script, *words])

    assert person.end() == 3, person.shown
    assert "--confirm d-plain" in person.shown
    assert not agreed(sim, "plain")


def test_the_names_of_others_control_no_terminal_in_any_command(sim: Simulator, terminal: Open, tmp_path: Path) -> None:
    """runs, show and a saved plan of somebody whose name has an escape sequence write none to a terminal."""
    run = command(sim.url, tmp_path)
    file = tmp_path / "plan.json"
    odd = ("--disk", "d-escape", "--stop-instance")
    ended = run(*odd, "--confirm", "d-escape", "--output", "json", journal=tmp_path / "home" / "journal.db")
    assert ended.returncode == 4, ended.stderr
    planned = run("plan", "--disk", "d-c1", "--stop-instance", "--endpoint", sim.url, "--save", str(file), journal=None)
    assert planned.returncode == 0, planned.stderr
    run_id = json.loads(ended.stdout)["run_id"]
    for words in (["runs"], ["show", run_id], ["show", str(file)], ["show", "--output", "json", str(file)]):
        person = terminal(sim, *words, columns=200)
        assert person.end() == 0, person.shown
        assert not CONTROL.search(OURS.sub("", person.shown)), person.shown
        assert "\x1b[2K" not in person.shown


# ------------------------------------------------------------------------ line 37: questions and the live view


FLEET: dict[str, Any] = recoverable(
    {
        "durations": {"stop": 6, "wipe": 9, "start": 6},
        "instances": {f"i-{n}": {"name": f"lab-{n}"} for n in range(5)},
        "disks": {f"d-{n}": {"instance": f"i-{n}"} for n in range(5)},
    }
)
TEXT = [f"kept line {number}" for number in range(12)]
"""What was on the terminal before."""


def screen_of(shown: str) -> list[str]:
    """Draw what a terminal of 24 lines and 100 columns shows, with what has scrolled away above it."""
    screen = pyte.HistoryScreen(100, 24, history=10_000, ratio=1)
    pyte.Stream(screen).feed(shown)
    above = ["".join(line[column].data for column in range(100)).rstrip() for line in screen.history.top]
    return [*above, *(line.rstrip() for line in screen.display)]


DISKS = [word for number in range(5) for word in ("--disk", f"d-{number}")]


def answer(person: Terminal) -> None:
    """Agree to the plan, and to going on after the canary; see the run to its end."""
    person.wait_for("> ", after=person.wait_for("8 characters of this plan: "))
    person.type(f"{person.shown.partition('8 characters of this plan: ')[2][:8]}\n")
    person.wait_for("> ", after=person.wait_for("Continue? Type"))
    person.type("go\n")
    assert person.end() == 0, person.shown


def keeps(lines: list[str]) -> None:
    """Check that everything is on the screen, each where it came, and nothing of the table is left."""
    for kept in TEXT:
        assert kept in lines
    assert [line for line in lines if line.startswith("Plan: wipe 5 disks on 5 instances in ")]
    assert [line for line in lines if "1 of 5 jobs have ended, 1 of them done. Continue?" in line]
    assert "> go" in lines
    for number in range(5):
        assert [line for line in lines if f"lab-{number} done in" in line]
    assert not [line for line in lines if "waiting to begin" in line]


@pytest.mark.virtual_time
def test_the_question_after_the_canary_erases_nothing(terminal: Open) -> None:
    """On a terminal, the lines before the table, the plan and the question itself stay where they were."""
    with virtual.simulate(world=FLEET) as sim:
        person = terminal(sim, *DISKS, "--stop-instance", "--canary", "1", columns=100)
        answer(person)

    assert "waiting to begin" in person.shown
    keeps(screen_of("".join(f"{line}\r\n" for line in TEXT) + person.shown))


@pytest.mark.slow
def test_the_question_after_the_canary_erases_nothing_on_a_real_terminal(terminal: Open, tmp_path: Path) -> None:
    """The same on a real one, with the table drawn by a real thread."""
    with Simulator(world=FLEET, speed=1) as sim:
        words = command(sim.url, tmp_path).words(*DISKS, "--stop-instance", "--canary", "1", journal=tmp_path / "j.db")
        echo = " ; ".join(f"echo '{line}'" for line in TEXT)
        person = terminal(sim, program=["bash", "-c", f'{echo}; exec "$@"', "bash", *words], columns=100)
        answer(person)

    keeps(screen_of(person.shown))
