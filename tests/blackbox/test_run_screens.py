"""What ``runs`` and ``show`` put on a screen of 80 columns and 24 lines."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.simulator import Simulator
from tests import virtual
from tests.blackbox.worlds import DISK, INSTANCE, RUN, SECOND, STOPPING, WORLD, held, killed, listed
from tests.commands import Command, command
from tests.terminals import Open
from tests.values import recoverable

pytestmark = pytest.mark.virtual_time
NEVER_STARTS = [{"action": "StartInstance", "dry_run": False, "error": {"code": "InstanceExpired"}}]
REPR = re.compile(r"[{}]|\b(None|True|False)\b|\['")
"""What Python writes, and no person."""


_STYLES = re.compile(r"\x1b\[[\d;]*m")


def shown(terminal: Open, sim: Simulator, *words: str) -> list[str]:
    """Return the lines that a command puts on a terminal of 80 columns."""
    person = terminal(sim, *words, columns=80)
    assert person.end() == 0, person.shown
    return [line.rstrip() for line in _STYLES.sub("", person.shown).splitlines()]


def test_a_run_is_one_line_of_a_terminal(
    terminal: Open, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the names are, a line has the whole run id and the outcome, and fits into 80 columns."""
    monkeypatch.setattr("safe_reinit.journal.audit.who", lambda: "somebody.with.a.long.name@host")
    named = {**WORLD["instances"], INSTANCE: {"name": "a-very-long-name-of-a-machine-in-the-lab-7"}}
    with virtual.simulate(world={**WORLD, "instances": named}) as sim:
        run = command(sim.url, tmp_path)
        assert run(*RUN, journal=path).returncode == 0
        (name,) = (each["run_id"] for each in listed(run, path))
        head, row = shown(terminal, sim, "runs", "--journal", str(path))
        piped = run("runs", journal=path).stdout.splitlines()[1]

    assert head.split() == ["run", "age", "by", "where", "machines", "outcome", "took"]
    assert row.startswith(f"{name}  ")
    assert "  SIMULATED  " in row
    assert re.search(r"  a-\S+…\S+-7  done  ", row), "what tells machines apart is at the end of their names"
    assert max(len(head), len(row)) <= 80
    assert "somebody.with.a.long.name  " in piped, "nothing is cut where no terminal is"


@pytest.mark.parametrize("columns", [80, 40])
def test_what_is_explained_is_folded_at_the_edge(terminal: Open, sim: Simulator, run: Command, columns: int) -> None:
    """Explain and checks fit the terminal, with whole words and blank lines; in a pipe a check is one line."""
    for words in (("explain", "no-recent-snapshot"), ("explain", "IncorrectInstanceStatus"), ("checks",)):
        person = terminal(sim, *words, columns=columns)
        assert person.end() == 0, person.shown
        lines = [line.rstrip() for line in _STYLES.sub("", person.shown).splitlines()]
        piped = run(*words, journal=None).stdout
        text = " ".join(piped.split())

        assert max(map(len, lines)) <= columns
        assert "" in lines[1:-1]
        if words == ("checks",):
            assert "".join(text.split()) == "".join(" ".join(lines[: lines.index("")]).split())
            assert all(line.startswith(("block ", "risk ", "info ")) for line in piped.splitlines())
        else:
            assert text == " ".join(" ".join(lines).split())


def test_a_refused_run_says_on_a_terminal_once_that_it_touched_nothing(
    terminal: Open, sim: Simulator, run: Command
) -> None:
    """Below its plan a refused run says once that nothing was changed; a log without the terminal says it of each."""
    person = terminal(sim, "--disk", DISK, "--confirm", DISK, columns=200)
    assert person.end() == 3, person.shown
    logged = run("--disk", DISK, "--confirm", DISK, journal=None)

    assert person.shown.count("untouched by this run") == 0
    assert person.shown.lower().count("nothing was changed") == 1
    assert "untouched by this run" in logged.stdout


def test_a_machine_that_was_left_stopped_is_named_with_what_starts_it(run: Command, sim: Simulator, path: Path) -> None:
    """Under the line of its run stands LEFT STOPPED, the machine and the resume; a run that is done has one line."""
    assert run("--disk", SECOND, "--stop-instance", "--confirm", SECOND, journal=path).returncode == 0
    for fault in NEVER_STARTS:
        sim.do({"fault": fault})
    assert run(*RUN, journal=path).returncode == 6
    name = listed(run, path)[0]["run_id"]
    _, newest, needs, done = run("runs", journal=path).stdout.splitlines()

    assert newest.startswith(name)
    assert "  web1      not-restarted  " in newest
    assert needs == f"  LEFT STOPPED: {INSTANCE}; next: safe-reinit resume {name} --journal {path}"
    assert "  web2      done  " in done
    kept = run("runs", "--limit", "0", journal=path).stdout.splitlines()[1:]
    assert [kept[0].split()[0], kept[1:]] == [name, [needs]], "the open ones stay"


def test_the_story_of_a_run_fits_on_a_screen(terminal: Open, sim: Simulator, run: Command, path: Path) -> None:
    """In ten lines it says who, when, where, each phase, the disk, what is lost, the power and why; no call."""
    for fault in NEVER_STARTS:
        sim.do({"fault": fault})
    assert run(*RUN, "--reason", "CHG-1", journal=path).returncode == 6
    name = listed(run, path)[0]["run_id"]
    lines = shown(terminal, sim, "show", name, "--journal", str(path))
    text = " ".join(line.strip() for line in lines)

    assert len(lines) <= 3 + 10, (
        "what is not real, the reason that was given, and what to do now have lines of their own"
    )
    assert re.search(rf"Run {name}, open: not-restarted \(exit code 6\), took \d", text)
    for message in (
        "reason: CHG-1", "in cn-hangzhou, account ", "lost: what was written after the newest snapshot, s-",
        f"web1 ({INSTANCE}): not-restarted, is Stopped, but should be Running", f"{DISK}: wiped; now: ",
        "why: ECS refused StartInstance",
    ):  # fmt: skip
        assert message in text, message
    assert re.search(r"stop \d+s, wipe \d+s, start refused after", text)
    assert re.search(rf" next: safe-reinit resume {name}( [^ ]+| \\){{2,3}}$", text), text
    assert "DescribeDisks" not in text


def test_the_story_of_a_run_that_ended_well_says_what_was_lost(run: Command, path: Path) -> None:
    """Exit code 0 is not all: it says which disk was wiped, what it has now, and what is in no snapshot any more."""
    assert run(*RUN, journal=path).returncode == 0
    name = listed(run, path)[0]["run_id"]
    lines = run("show", name, journal=path).stdout.splitlines()

    assert len(lines) <= 10
    assert [line for line in lines if line.startswith(f"  {DISK}: wiped; now: the content of snapshot s-")]
    assert [line for line in lines if line.startswith("    lost: what was written after the newest snapshot, s-")]


def test_a_story_is_in_words_of_people(sim: Simulator, run: Command, path: Path) -> None:
    """No line of it is written as Python writes a value, whether it has every call or not, and whether it has ended."""
    with held(sim, STOPPING):
        name = killed(sim, run, path)
    texts = [run("show", name, *words, journal=path).stdout for words in ((), ("--verbose",))]
    run("resume", name, journal=path)
    texts.append(run("show", name, "--verbose", journal=path).stdout)

    assert "StopInstance" in texts[1]
    for text in texts:
        assert not REPR.search(text), REPR.search(text)


def test_of_many_machines_those_that_need_attention_are_shown(tmp_path: Path, path: Path) -> None:
    """The others are counted; every machine is shown with --verbose."""
    world: dict[str, Any] = recoverable(
        {
            "durations": WORLD["durations"],
            "instances": {f"i-{number}": {"name": f"lab-{number}"} for number in range(12)},
            "disks": {f"d-{number}": {"instance": f"i-{number}"} for number in range(12)},
        }
    )
    with virtual.simulate(world=world) as sim:
        run = command(sim.url, tmp_path)
        words = [word for number in range(12) for word in ("--disk", f"d-{number}")]
        plan = run(*words, "--max-disks", "12", "--stop-instance", "--dry-run", "--output", "json", journal=path)
        sim.do({"fault": NEVER_STARTS[0]})
        confirm = json.loads(plan.stdout)["plan"]["confirm_with"]
        done = run(*words, "--max-disks", "12", "--stop-instance", "--confirm", confirm, journal=path)
        assert done.returncode == 7, done.stderr
        name = listed(run, path)[0]["run_id"]
        some = run("show", name, journal=path).stdout
        every = run("show", name, "--verbose", journal=path).stdout

    assert "lab-0 (i-0) not-restarted: d-0 wiped, Stopped (should be Running)" in some
    assert "11 instances (i-1, i-2 and 9 more) refused, untouched" in some
    assert all(f"  d-{number}: untouched" in every for number in range(1, 12))
