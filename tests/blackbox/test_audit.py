"""Who did what, as the audit command tells it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit.journal import open_to_write
from safe_reinit.journal.place import who
from safe_reinit.simulator import Simulator
from tests.blackbox.test_resume_rules import in_doubt, machine, run_of
from tests.blackbox.worlds import DISK, RUN, SECOND, STOPPING, comes_to, held
from tests.commands import Command

pytestmark = pytest.mark.virtual_time


def audit(run: Command, journal: Path, *words: str) -> list[tuple[str, str, str]]:
    """Return what the audit has as JSON, the oldest first."""
    acts: list[dict[str, Any]] = json.loads(run("audit", *words, "--output", "json", journal=journal).stdout)["entries"]
    return [(each["action"], each["run_id"], each["detail"]) for each in reversed(acts)]


def test_what_people_did_is_listed_and_outlives_the_runs(run: Command, path: Path) -> None:
    """Runs, holds and a refused run are told as they were, newest first, also once the runs are forgotten."""
    open_to_write(path).close()
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

    assert [each[:2] for each in acts] == [
        ("begin", name), ("end", name), ("hold", ""), ("unhold", ""), ("prune", name),
    ]  # fmt: skip
    assert acts[0][2] == "1 disk of 1 machine in cn-hangzhou, simulated"
    assert (acts[1][2], acts[2][2]) == ("done", "incident 7")
    assert [line.split("  ")[1:3] for line in shown] == [[who(), act] for act, _, _ in reversed(acts)]
    assert audit(run, path, name) == [*acts[:2], acts[4]]
    assert "Nothing is recorded for r-x" in run("audit", "r-x", journal=path).stdout


def test_only_the_newest_acts_are_listed_unless_more_are_asked_for(run: Command, path: Path) -> None:
    """Of more than 20 acts the older ones are left out, which is said; --limit lists them."""
    open_to_write(path).close()
    for _ in range(11):
        run("hold", "--reason", "x", journal=path)
        run("unhold", journal=path)
    some = run("audit", journal=path)

    assert len(some.stdout.splitlines()) == 20
    assert "--limit N" in some.stderr
    assert len(run("audit", "--limit", "22", journal=path).stdout.splitlines()) == 22


def test_a_verdict_is_recorded_when_it_counts(tmp_path: Path) -> None:
    """The verdict that ended a run stands in the audit with the run; one that was refused does not."""
    journal = tmp_path / "j.db"
    with machine(tmp_path) as (sim, run):
        in_doubt(sim, run, journal)
        name = run_of(journal)
        assert run("resume", name, "--verdict", "reinitialised", journal=journal).returncode == 7
        assert run("resume", name, "--verdict", "intact", journal=journal).returncode == 3
        acts = audit(run, journal, name)

    assert [each[0] for each in acts] == ["begin", "end", "take-over", "verdict", "end"]
    assert acts[-2:] == [("verdict", name, "reinitialised"), ("end", name, "partial")]


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "cancel"])
def test_who_ended_a_run_is_recorded_once(sim: Simulator, run: Command, path: Path, how: str) -> None:
    """A signal to the process of a run is as much an act as a cancel by the journal: it stands before the end."""
    with held(sim, STOPPING):
        child = run.start(*RUN, journal=path)
        comes_to(sim, "Stopping")
        if how == "cancel":
            assert run("cancel", run_of(path), journal=path).returncode == 0
        else:
            child.send_signal(signal.Signals[how])
    child.communicate()
    cancelled, ended = audit(run, path)[1:]

    assert cancelled == ("cancel", run_of(path), "safe-reinit cancel" if how == "cancel" else how)
    assert ended == ("end", run_of(path), "failed")


def test_a_cancel_by_the_library_in_its_process_is_recorded(sim: Simulator, run: Command, path: Path) -> None:
    """A run of the same client is asked directly and not through the journal, and the audit has it all the same."""
    client = safe_reinit.connect(region=sim.region, endpoint=sim.url, credentials=sim.access_key, journal=str(path))
    plan = client.plan([DISK], stop_instance=True)

    def cancel(event: safe_reinit.Event) -> None:
        if event.event == "answer":
            client.cancel(event.run_id or "")

    with pytest.raises(safe_reinit.RunFailed):
        client.run(plan, confirm=plan.confirm_with, on_event=cancel)

    assert [(act, detail) for act, _, detail in audit(run, path)][1:] == [
        ("cancel", "Client.cancel"),
        ("end", "failed"),
    ]
