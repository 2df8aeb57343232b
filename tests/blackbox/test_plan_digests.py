"""What names a plan is long enough that no other plan can be made to have the same name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.cli.app import run
from safe_reinit.simulator import Simulator
from tests.cli.test_planfile import at
from tests.cloudlike import DATA, SYSTEM, simulated
from tests.conftest import Ended, changing
from tests.terminals import Open

pytestmark = pytest.mark.virtual_time

ALL = ["StopInstance", "ReInitDisk", "StartInstance"]
RunCommand = Callable[..., Ended]
Saved = Callable[[], tuple[str, str]]


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Start a small world and point everybody at it."""
    with simulated() as started:
        at(monkeypatch, started)
        yield started


@pytest.fixture
def run_command(capsys: pytest.CaptureFixture[str], own_home: Path) -> RunCommand:
    """Return what runs a command in an empty home."""
    assert own_home

    def command(*words: str) -> Ended:
        capsys.readouterr()
        return Ended(run(list(words)), *capsys.readouterr())

    return command


@pytest.fixture
def saved(run_command: RunCommand, sim: Simulator, tmp_path: Path) -> Saved:
    """Return what saves a plan, and returns its file and its digest."""
    assert sim

    def save() -> tuple[str, str]:
        file = tmp_path / "plan.json"
        assert run_command("plan", "--disk", DATA, "--stop-instance", "--save", str(file)).code == 0
        return str(file), json.loads(file.read_text())["digest"]

    return save


@pytest.mark.parametrize("length", [1, 8, 16, 31])
def test_a_short_beginning_of_the_digest_applies_nothing(
    run_command: RunCommand, sim: Simulator, saved: Saved, length: int
) -> None:
    """Fewer than 32 characters are no consent to a file: exit 3 before anything is asked."""
    file, digest = saved()
    before = len(sim.state()["calls"])
    text = run_command("apply", file, "--confirm", digest[:length])

    assert text.code == 3
    assert "32" in text.err
    assert len(sim.state()["calls"]) == before


@pytest.mark.parametrize("length", [32, 63, 64])
def test_128_bits_of_the_digest_apply_the_plan(
    run_command: RunCommand, sim: Simulator, saved: Saved, length: int
) -> None:
    """Its first 32 characters, or more of them, in any case of letters, are consent to the file."""
    file, digest = saved()
    text = run_command("apply", file, "--confirm", digest[:length].upper())

    assert text.code == 0, text.err
    assert changing(sim) == ALL


@pytest.mark.parametrize("word", ["other-end", "longer", "blank", "full-width"])
def test_what_only_resembles_the_digest_is_none(
    run_command: RunCommand, sim: Simulator, saved: Saved, word: str
) -> None:
    """The word is compared whole: another character anywhere, or one too many, and nothing is applied."""
    file, digest = saved()
    words = {
        "other-end": digest[:40] + ("0" if digest[40] != "0" else "1"),
        "longer": f"{digest}0",
        "blank": f" {digest}",
        "full-width": chr(ord(digest[0]) + 0xFEE0) + digest[1:],
    }

    assert run_command("apply", file, "--confirm", words[word]).code == 3
    assert changing(sim) == []


SEVERAL = ("--disk", DATA, "--disk", SYSTEM, "--stop-instance")


@pytest.mark.parametrize(("length", "code"), [(8, 3), (31, 3), (32, 0), (64, 0)])
def test_several_disks_are_named_by_as_much_of_the_fingerprint(
    run_command: RunCommand, sim: Simulator, length: int, code: int
) -> None:
    """The fingerprint of a plan for several disks is compared as a digest is."""
    result: dict[str, Any] = run_command(*SEVERAL, "--dry-run", "--output", "json").document
    fingerprint = result["plan"]["fingerprint"]

    assert result["plan"]["confirm_with"] == fingerprint
    assert result["next"][0].endswith(f"--confirm {fingerprint}")
    assert run_command(*SEVERAL, "--confirm", fingerprint[:length]).code == code
    assert bool(changing(sim)) == (code == 0)


def test_several_disks_are_not_named_by_one_of_them(run_command: RunCommand, sim: Simulator) -> None:
    """The id of one disk is no consent to a plan for two."""
    assert run_command(*SEVERAL, "--confirm", DATA).code == 3
    assert changing(sim) == []


def test_a_terminal_shows_the_plan_and_asks_for_eight_characters(terminal: Open, sim: Simulator, saved: Saved) -> None:
    """Without --confirm the plan of the file is shown, --quiet or not, and its digest's beginning is asked for."""
    file, digest = saved()
    person = terminal(sim, "apply", file, "--quiet")
    person.wait_for("> ", after=person.wait_for("type the first 8 characters of the file's digest: "))
    shown = person.shown
    person.type(f"{digest[:8]}\n")

    assert person.end() == 0, person.shown
    assert DATA in shown
    assert digest[:8] in shown
    assert changing(sim) == ALL


@pytest.mark.parametrize("answer", ["", "web", DATA, "00000000"])
def test_another_answer_on_the_terminal_applies_nothing(
    terminal: Open, sim: Simulator, saved: Saved, answer: str
) -> None:
    """The name of the machine, the disk or other characters are no answer."""
    person = terminal(sim, "apply", saved()[0])
    place = 0
    for _ in range(3):
        place = person.wait_for("> ", after=person.wait_for("type the first 8 characters", after=place))
        person.type(f"{answer}\n")

    assert person.end() == 3, person.shown
    assert changing(sim) == []
