"""A journal that is not there, is something else, or is damaged in one row: what the commands say, and never create."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest

import safe_reinit
from safe_reinit.clock import Clock
from safe_reinit.journal import place
from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import DISK, INSTANCE, RUN, SECOND, killed, listed
from tests.commands import Command

pytestmark = pytest.mark.virtual_time

ID = "r-20260102T030405Z-4f2a"
READING = [
    ("runs",), ("runs", "--needs-me"), ("runs", "--prune", "1d"), ("runs", "--output", "json"), ("audit",),
    ("show", ID), ("resume", ID), ("cancel", ID), ("cancel", "--all"), ("undo", ID), ("hold", "--reason", "why"),
    ("unhold",),
]  # fmt: skip


@pytest.fixture
def default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the default journal of these tests, which is not that of whoever runs them; it is not there yet."""
    own = tmp_path / "own-journal.db"
    monkeypatch.setattr(place, "default_journal", lambda _environment: own)
    return own


UNNAMED = {"SAFE_REINIT_JOURNAL": ""}


@pytest.mark.parametrize("by", ["--journal", "SAFE_REINIT_JOURNAL", "journal in lab.yaml"])
@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_mistyped_journal_is_refused_and_not_created(
    run: Command, path: Path, tmp_path: Path, words: tuple[str, ...], by: str
) -> None:
    """A command that needs a journal says that there is none at the place that was named, and by what; none is made."""
    file = tmp_path / "lab.yaml"
    file.write_text(f"journal: {path}\n" if "lab" in by else "region: cn-hangzhou\n")
    file.chmod(0o600)
    environment = {"SAFE_REINIT_JOURNAL": str(path) if by == "SAFE_REINIT_JOURNAL" else ""}
    done = run(*words, "--config", "lab.yaml", journal=path if by == "--journal" else None, environment=environment)

    assert done.returncode == 2
    assert f"There is no journal at {path}, and none was created there. Correct {by}." in done.stderr
    assert not path.exists()
    assert not done.stdout or words[-1] == "json"


def test_a_plan_file_is_not_called_unused_by_a_mistyped_journal(run: Command, path: Path) -> None:
    """Whether a plan was run is not told from a journal that is not there."""
    run("plan", "--endpoint", run.url, "--disk", DISK, "--stop-instance", "--save", "plan.json", journal=None)

    assert run("show", "plan.json", journal=path).returncode == 2
    assert run("show", "plan.json", journal=None).returncode == 0


def test_a_journal_that_was_never_needed_has_no_run_yet(run: Command, default: Path) -> None:
    """Where no run was ever begun, the lists are empty and say where the journal would be; nothing is created."""
    says = (
        f"There is no run yet: the journal {default} does not exist. Root and each user have their own journal. "
        "To name another one: --journal FILE."
    )
    ended = {words: run(*words, journal=None, environment=UNNAMED) for words in READING if words[0] != "hold"}
    lists = [words for words in ended if words[0] in ("runs", "audit", "unhold") or "--all" in words]

    assert all(says in done.stdout + done.stderr for done in ended.values())
    assert {words: done.returncode for words, done in ended.items()} == {
        words: 0 if words in lists else 2 for words in ended
    }
    assert ended["runs",].stdout.startswith(says)
    assert json.loads(ended["runs", "--output", "json"].stdout)["runs"] == []
    assert ended["unhold",].stderr.startswith(f"No hold is set. {says}")
    assert not default.exists()


def test_runs_can_be_held_before_the_first_one(run: Command, default: Path) -> None:
    """A hold of the default journal, which is created for it, holds the first run, too."""
    held = run("hold", "--reason", "freeze", journal=None, environment=UNNAMED)
    refused = run(*RUN, journal=None, environment=UNNAMED)

    assert default.exists()

    assert (held.returncode, refused.returncode) == (0, 3)
    assert "All runs are held: freeze" in refused.stderr


def test_the_library_creates_no_journal_for_a_run_that_must_be_in_it(sim: Simulator, path: Path) -> None:
    """To look up, cancel or undo a run, a client does not create the journal that it names."""
    client = safe_reinit.connect(
        region=sim.region, endpoint=sim.url, credentials=sim.access_key, journal=str(path), clock=Clock()
    )
    for work in (client.stored, client.cancel, client.plan_undo):
        with pytest.raises(safe_reinit.UsageError, match="does not exist"):
            work(ID)

    assert client.runs() == ()
    assert not path.exists()


@pytest.mark.parametrize(
    ("kind", "says"), [("folder", "it is a folder and not a file"), ("pipe", "it is a named pipe and not a file")]
)
def test_what_is_no_file_is_called_what_it_is(run: Command, path: Path, kind: str, says: str) -> None:
    """A folder or a pipe in the place of a journal is refused as that, by a command that reads and by a run."""
    path.mkdir(mode=0o700) if kind == "folder" else os.mkfifo(path, 0o600)
    for words in (("runs",), RUN):
        done = run(*words, journal=path)

        assert done.returncode == 2
        assert f"The journal {path} cannot be used: {says}. Correct --journal: name a file." in done.stderr


def test_a_journal_that_lacks_a_column_is_called_damaged(run: Command, path: Path) -> None:
    """A journal of this schema without a column of it is not said to be one that cannot be written."""
    run(*RUN, journal=path)
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE hold DROP COLUMN since")
    database.close()
    done = run("runs", journal=path)

    assert done.returncode == 2
    assert "it lacks a table or a column of a journal (no such column: since)" in done.stderr


DAMAGE = {
    "plan": "UPDATE runs SET plan='{not json' WHERE run_id=:run",
    "plan without jobs": "UPDATE runs SET plan='{}' WHERE run_id=:run",
    "state": "UPDATE jobs SET state='[]' WHERE run_id=:run",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_run_that_cannot_be_read_hides_no_other(sim: Simulator, run: Command, path: Path, damage: str) -> None:
    """Of two runs one has a damaged row: the other is listed and shown all the same, and the damaged one is named."""
    good = killed(sim, run, path)
    assert run("--disk", SECOND, "--stop-instance", "--confirm", SECOND, journal=path).returncode == 0
    (bad,) = (each["run_id"] for each in listed(run, path) if each["run_id"] != good)
    with sqlite3.connect(path) as database:
        assert database.execute(DAMAGE[damage], {"run": bad}).rowcount == 1
    database.close()
    listing, needs, document = (
        run("runs", *words, journal=path) for words in ((), ("--needs-me",), ("--output", "json"))
    )
    shown, refused = run("show", good, journal=path), run("show", bad, journal=path)

    assert [done.returncode for done in (listing, needs, document, shown, refused)] == [2, 0, 2, 0, 2]
    assert f"next: safe-reinit resume {good}" in listing.stdout
    assert bad not in listing.stdout
    for done in (listing, document, refused):
        assert bad in done.stderr
        assert "Keep the journal as it is" in done.stderr
        assert "unexpected" not in done.stderr
    assert [each["run_id"] for each in json.loads(document.stdout)["runs"]] == [good]
    assert json.loads(document.stdout)["unreadable"] == [bad]
    assert INSTANCE in shown.stdout


def test_an_open_run_that_cannot_be_read_needs_somebody(sim: Simulator, run: Command, path: Path) -> None:
    """An open run whose state is damaged is named by runs --needs-me, and is neither resumed nor undone."""
    name = killed(sim, run, path)
    with sqlite3.connect(path) as database:
        database.execute(DAMAGE["state"], {"run": name})
    database.close()
    ended = [run(*words, journal=path) for words in (("runs", "--needs-me"), ("resume", name), ("undo", name))]

    assert [done.returncode for done in ended] == [2, 2, 2]
    assert all(f"Run {name}: The state of {INSTANCE} in the journal cannot be read." in done.stderr for done in ended)
    assert "No run needs you" not in ended[0].stdout


def test_damaged_rows_of_old_runs_stop_no_new_one(run: Command, path: Path) -> None:
    """A disk is planned and wiped although what the journal has of its last run, and of its events, is damaged."""
    assert run(*RUN, journal=path).returncode == 0
    with sqlite3.connect(path) as database:
        database.execute("UPDATE jobs SET report='{'")
        database.execute("UPDATE events SET event='{'")
    database.close()
    (name,) = sqlite3.connect(path).execute("SELECT run_id FROM runs").fetchone()
    words = (*RUN, "--accept", "no-recent-snapshot")
    again = run(*words, "--dry-run", "--output", "json", journal=path)
    (disk,) = json.loads(again.stdout)["jobs"][0]["disks"]

    assert again.returncode == 0, again.stderr
    assert (disk["last_run"]["run_id"], disk["last_run"]["data"]) == (name, "unknown")
    assert run(*words, journal=path).returncode == 0
