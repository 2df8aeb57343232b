"""What a person sees on a terminal of 80x24 and of 40x20: a plan, its question, progress, a fleet, an interrupt."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyte
import pytest

from safe_reinit.simulator import Simulator
from tests import virtual
from tests.blackbox.worlds import DISK, RUN, TARGET, WORLD, power
from tests.cli.test_fleetview import a_world, command
from tests.commands import command as run_of
from tests.commands import until
from tests.terminals import Open, Terminal

pytestmark = pytest.mark.virtual_time
SMALL = ((80, 24), (40, 20))
SIZES = pytest.mark.parametrize("size", SMALL, ids=["80x24", "40x20"])
WIDE = (400, 200)
_COMMAND = re.compile(r"next: (?:[^\r\n]*\\\r\n)*[^\r\n\x1b]*")
"""A command to copy, in whose rows a long word, such as the path of a journal, stays whole."""
QUESTION = "type the instance's name: web1"


@dataclass
class Shown:
    """What was written to a terminal of one size."""

    written: str
    size: tuple[int, int]

    def _screen(self) -> pyte.HistoryScreen:
        screen = pyte.HistoryScreen(*self.size, history=10_000, ratio=1)
        pyte.Stream(screen).feed(_COMMAND.sub("", self.written))
        return screen

    @property
    def seen(self) -> list[str]:
        """The lines that can be seen now."""
        return [line.rstrip() for line in self._screen().display]

    @property
    def text(self) -> str:
        """The same as one text, wherever its lines were broken."""
        return " ".join(" ".join(self.seen).split())

    @property
    def words(self) -> set[str]:
        """Every word that was ever to be seen, whatever its numbers were."""
        screen = self._screen()
        above = ["".join(line[column].data for column in range(self.size[0])) for line in screen.history.top]
        return set(re.sub(r"[\d#]+|r-\d\w+-\w{4}", "#", " ".join([*above, *screen.display])).split())


def plan(open_: Callable[..., Terminal]) -> str:
    """Show a plan that may be run."""
    person = open_("plan", *TARGET)
    assert person.end() == 0, person.shown
    return person.shown


def refused(open_: Callable[..., Terminal]) -> str:
    """Show a plan that is refused."""
    person = open_("plan", "--disk", DISK)
    assert person.end() == 3, person.shown
    return person.shown


def question(open_: Callable[..., Terminal]) -> str:
    """Ask for the name of the machine."""
    person = open_(*TARGET)
    person.wait_for("> ")
    return person.shown


def progress(open_: Callable[..., Terminal]) -> str:
    """Run to the end."""
    person = open_(*RUN)
    assert person.end() == 0, person.shown
    return person.shown


STORIES = {each.__name__: each for each in (plan, refused, question, progress)}


def story_on(terminal: Open, story: Callable[..., str], size: tuple[int, int]) -> Shown:
    """Let a story happen on a terminal of this size."""
    with virtual.simulate(world=WORLD) as sim:
        return Shown(story(lambda *argv: terminal(sim, *argv, columns=size[0])), size)


def of_fleet(terminal: Open, size: tuple[int, int], act: Callable[[Simulator, Terminal], None]) -> Shown:
    """Begin a run over four machines, one disk of which cannot be wiped, on a terminal of this size."""
    with virtual.simulate(a_world(4, d_3={"faulty": True})) as fleet:
        person = terminal(fleet, *command(fleet, 4), columns=size[0])
        person.wait_for("waiting to begin")
        act(fleet, person)
        return Shown(person.shown, size)


@SIZES
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_no_word_is_cut(terminal: Open, story: Callable[..., str], size: tuple[int, int]) -> None:
    """A narrow terminal shows the words that one with room for every line shows, each of them whole."""
    narrow, wide = story_on(terminal, story, size), story_on(terminal, story, WIDE)

    assert narrow.words - wide.words == set()


def test_no_word_of_a_fleet_is_cut(terminal: Open) -> None:
    """The same of the table, the lines above it and the report."""

    def end(_fleet: Simulator, person: Terminal) -> None:
        assert person.end() == 7, person.shown

    wide = of_fleet(terminal, WIDE, end)
    cut = {size: of_fleet(terminal, size, end).words - wide.words for size in SMALL}

    assert cut == {size: set() for size in SMALL}


@SIZES
def test_headline_and_disk_are_in_sight_when_the_name_is_asked_for(terminal: Open, size: tuple[int, int]) -> None:
    """Whoever types the name sees what is wiped, on which machine and what is lost; on 80x24 the whole plan."""
    seen = story_on(terminal, question, size).seen
    text = " ".join(" ".join(seen).split())

    assert f"WIPE {DISK} (data disk, 40 GiB) on web1: everything written to it is lost." in text
    assert QUESTION in text
    assert [line for line in seen if line][-1] == ">"
    if size == (80, 24):
        assert "Plan: wipe 1 disk" in text


def test_the_plan_of_one_disk_has_at_most_14_rows(terminal: Open) -> None:
    """From its headline to the answer that is typed, the plan of one healthy disk fits on 80x24 with room to spare."""
    seen = [line for line in story_on(terminal, question, (80, 24)).seen if line]
    (headline,) = [number for number, line in enumerate(seen) if line.startswith("Plan: wipe 1 disk in ")]

    assert len(seen) - headline <= 14, "\n".join(seen)


@SIZES
@pytest.mark.real_time
def test_the_same_is_in_sight_on_a_real_terminal(terminal: Open, size: tuple[int, int]) -> None:
    """A pseudo-terminal of the system that says its size itself shows the loss and the question, and no cut word."""
    with Simulator(world=WORLD, speed=1) as sim:
        person = terminal(sim, *TARGET, columns=size[0], rows=size[1])
        person.wait_for("> ", after=person.wait_for("everything"))
        shown = Shown(person.shown, size)
        person.type("\x03")
        assert person.end() == -signal.SIGINT, person.shown
    text = shown.text

    assert f"WIPE {DISK} (data disk, 40 GiB) on web1: everything written to it is lost." in text
    assert QUESTION in text


def test_a_slow_cloud_is_shown_while_a_plan_is_made(terminal: Open, tmp_path: Path) -> None:
    """After a second of silence a terminal says what is read, and nothing of that stays; a pipe gets none of it."""
    slow = {"fault": {"action": "DescribeSnapshots", "nth": "every", "delay": 5.0}}
    with virtual.simulate(world=WORLD) as sim:
        sim.do(slow)
        person = terminal(sim, "plan", *TARGET, columns=80)
        assert person.end() == 0, person.shown
        piped = run_of(sim.url, tmp_path)("plan", *TARGET, "--endpoint", sim.url, journal=None)

    assert re.search(r"Reading ECS: \d+ requests answered, last Describe", person.shown)
    assert "Reading ECS" not in Shown(person.shown, (80, 24)).text
    assert piped.returncode == 0, piped.stderr
    assert "Reading ECS" not in piped.stdout + piped.stderr


@SIZES
def test_a_run_on_its_way_says_where_it_is(terminal: Open, size: tuple[int, int]) -> None:
    """What can be seen while a machine stops: which step it is, of how many, what is waited for, and for how long."""
    with virtual.simulate(world=WORLD) as sim:
        person = terminal(sim, *RUN, columns=size[0])
        until(lambda: power(sim) == "Stopping")
        time.sleep(5.0)
        person.wait_for("Stopping")
        text = Shown(person.shown, size).text
        assert person.end() == 0, person.shown

    assert re.search(r"1/3 StopInstance i-sim-web1: accepted", text), text
    assert re.search(r"1/3 web1 \(now Stopping\): waits until ECS shows it as Stopped, \d+s of at most 10m", text), text


@SIZES
def test_a_fleet_on_its_way_is_in_sight(terminal: Open, size: tuple[int, int]) -> None:
    """The whole table is in sight under the lines above it: every phase and outcome, the times and the rates."""
    seen: list[str] = []

    def reading(fleet: Simulator, person: Terminal) -> None:
        until(lambda: any(disk["wipes"] for disk in fleet.state()["disks"].values()))
        time.sleep(2.0)
        person.wait_for("\r", after=len(person.shown))
        seen.extend(Shown(person.shown, size).seen)
        person.end()

    of_fleet(terminal, size, reading)
    text = "\n".join(seen)

    for row in (
        "4 machines",
        "waiting to begin",
        "stopping",
        "wiping",
        "done",
        "so far",
        "last minute",
        "longest wait",
    ):
        assert row in text, text


@SIZES
def test_the_message_of_an_interrupt_is_in_sight(terminal: Open, size: tuple[int, int]) -> None:
    """After Ctrl-C the terminal says what happens now, whole, and in the end what became of disk and machine."""
    with virtual.simulate(world=WORLD) as sim:
        person = terminal(sim, *RUN, columns=size[0])
        until(lambda: power(sim) == "Stopping")
        time.sleep(3.0)
        person.type("\x03")
        person.wait_for("Press Ctrl-C")
        during = Shown(person.shown, size).text
        person.end()
        after = Shown(person.shown, size).text

    assert "Stopping: finishing the current call" in during, person.shown
    assert DISK in after
    assert "web1 (i-sim-web1) is Running" in after
