"""Several regions on a terminal: what is typed, the question between regions, and the table of many machines."""

from __future__ import annotations

import re
import signal

import pytest

from safe_reinit.simulator import Simulator
from tests.cli.test_regions import LAB, power, simulated, two_region_world, wipes
from tests.terminals import Open

pytestmark = pytest.mark.virtual_time

QUESTION = "Continue?"
CANARY = (*LAB, "--canary", "1")


def asked_for(shown: str) -> str:
    """Read the characters that the question asks for."""
    found = re.search(r"type the 8 characters of this plan: ([0-9a-f]{8})", shown)
    assert found, shown
    return found[1]


def wiped(sim: Simulator) -> list[str]:
    """List the disks that were wiped."""
    return sorted(disk_id for disk_id, count in wipes(sim).items() if count)


def test_the_characters_that_are_asked_for_are_consent_to_all(terminal: Open) -> None:
    """One question for both regions; its answer runs both."""
    with simulated() as sim:
        person = terminal(sim, *LAB)
        person.wait_for("> ", after=person.wait_for("type the 8 characters of this plan: "))
        person.type(f"{asked_for(person.shown)}\n")

        assert person.end() == 0, person.shown
        assert wiped(sim) == ["d-a0", "d-b0"]
    assert person.shown.count("To wipe, type") == 1


@pytest.mark.parametrize(
    ("answer", "code", "done"),
    [("go\n", 0, ["d-a0", "d-b0"]), ("no\n", 7, ["d-a0"]), (signal.SIGINT, -signal.SIGINT, ["d-a0"])],
    ids=["go", "no", "Ctrl-C"],
)
def test_a_canary_that_is_a_whole_region_is_asked_about(
    terminal: Open, answer: str | signal.Signals, code: int, done: list[str]
) -> None:
    """The next region begins when somebody types go, and on nothing else."""
    with simulated() as sim:
        person = terminal(sim, *CANARY)
        person.wait_for("> ", after=person.wait_for("type the 8 characters of this plan: "))
        person.type(f"{asked_for(person.shown)}\n")
        person.wait_for("> ", after=person.wait_for(QUESTION))
        assert wiped(sim) == ["d-a0"]
        if isinstance(answer, str):
            person.type(answer)
        else:
            person.child.send_signal(answer)

        assert person.end() == code, person.shown
        assert wiped(sim) == done
        assert power(sim) == {"Running"}
    assert "Traceback" not in person.shown


def test_the_table_counts_the_machines_of_all_regions(terminal: Open) -> None:
    """Two machines in each of two regions are a table of four, from the first to the last."""
    with simulated(two_region_world(2, 2)) as sim:
        person = terminal(sim, *LAB)
        person.wait_for("> ", after=person.wait_for("type the 8 characters of this plan: "))
        person.type(f"{asked_for(person.shown)}\n")

        assert person.end() == 0, person.shown
        assert len(wiped(sim)) == 4
    assert "4 machines" in person.shown
    assert "2 machines ─" not in person.shown


def test_a_region_that_never_begins_is_reported_above_the_table(terminal: Open) -> None:
    """Where somebody says no, the jobs of the other region end in the table too, as refused, with why."""
    with simulated(two_region_world(2, 2)) as sim:
        person = terminal(sim, *LAB, "--canary", "2")
        person.wait_for("> ", after=person.wait_for("type the 8 characters of this plan: "))
        person.type(f"{asked_for(person.shown)}\n")
        person.wait_for("> ", after=person.wait_for(QUESTION))
        person.type("no\n")

        assert person.end() == 7, person.shown
        assert wiped(sim) == ["d-a0", "d-a1"]
    assert "REFUSED: Not begun: somebody decided not to continue" in " ".join(person.shown.split())
