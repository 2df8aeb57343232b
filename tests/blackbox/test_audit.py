"""Who did what, as the audit command tells it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.journal import open_to_write
from safe_reinit.journal.place import who
from tests.blackbox.test_resume_rules import in_doubt, machine, run_of
from tests.blackbox.worlds import RUN, SECOND
from tests.commands import Command

pytestmark = pytest.mark.virtual_time


def audit(run: Command, journal: Path, *words: str) -> list[tuple[str, str, str]]:
    """Give what the audit has as JSON, the oldest first."""
    acts: list[dict[str, Any]] = json.loads(run("audit", *words, "--output", "json", journal=journal).stdout)["acts"]
    return [(each["act"], each["run_id"], each["detail"]) for each in reversed(acts)]


def test_what_people_did_is_listed_and_outlives_the_runs(run: Command, path: Path) -> None:
    """Runs, holds and a refused run are told as they were, newest first, also once the runs are forgotten."""
    assert "Nothing is recorded yet" in run("audit", journal=path).stdout
    assert run(*RUN, journal=path).returncode == 0
    name = run_of(path)
    assert run("hold", "--reason", "incident 7", journal=path).returncode == 0
    assert run("--disk", SECOND, "--stop-instance", "--confirm", SECOND, journal=path).returncode == 3
    assert run("unhold", journal=path).returncode == 0
    with open_to_write(path) as journal:
        journal._db.execute("UPDATE runs SET ended_at='2020-01-01T00:00:00Z'")
    assert "1 run forgotten" in run("runs", "--prune", "400d", journal=path).stderr
    acts = audit(run, path)
    shown = run("audit", journal=path).stdout.splitlines()

    assert [each[:2] for each in acts] == [("begin", name), ("hold", ""), ("unhold", ""), ("prune", name)]
    assert acts[0][2] == "1 disk of 1 machine in cn-hangzhou, simulated"
    assert acts[1][2] == "incident 7"
    assert [line.split("  ")[1:3] for line in shown] == [[who(), act] for act, _, _ in reversed(acts)]
    assert audit(run, path, name) == [acts[0], acts[3]]
    assert "Nothing is recorded of r-x" in run("audit", "r-x", journal=path).stdout


def test_only_the_newest_acts_are_listed_unless_all_are_asked_for(run: Command, path: Path) -> None:
    """Of more than 20 acts the older ones are left out, which is said; --all lists them."""
    for _ in range(11):
        run("hold", "--reason", "x", journal=path)
        run("unhold", journal=path)
    few = run("audit", journal=path)

    assert len(few.stdout.splitlines()) == 20
    assert "--all lists them" in few.stderr
    assert len(run("audit", "--all", journal=path).stdout.splitlines()) == 22


def test_a_verdict_is_recorded_when_it_counts(tmp_path: Path) -> None:
    """The verdict that ended a run stands in the audit with the run; one that was refused does not."""
    journal = tmp_path / "j.db"
    with machine(tmp_path) as (sim, run):
        in_doubt(sim, run, journal)
        name = run_of(journal)
        assert run("resume", name, "--verdict", "reinitialised", journal=journal).returncode == 7
        assert run("resume", name, "--verdict", "intact", journal=journal).returncode == 3
        acts = audit(run, journal, name)

    assert [each[0] for each in acts] == ["begin", "take-over", "verdict"]
    assert acts[-1] == ("verdict", name, "reinitialised")
