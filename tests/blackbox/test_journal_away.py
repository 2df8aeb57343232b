"""A journal that cannot be written for a while: its disk is full in the middle of a run."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from safe_reinit.files.whole import replace_file
from safe_reinit.journal import Spool, open_to_write
from safe_reinit.journal.place import why_unusable
from safe_reinit.journal.spool import Spooled
from safe_reinit.journal.sqlite import SqliteFile
from safe_reinit.simulator import Simulator
from tests.blackbox.worlds import DISK, INSTANCE, RUN, comes_to, power
from tests.commands import Command

pytestmark = pytest.mark.virtual_time


@contextmanager
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no transaction of any process begin meanwhile."""

    def transaction(opened: SqliteFile, *, wait: float = 10.0) -> AbstractContextManager[None]:  # noqa: ARG001
        raise why_unusable(opened._path, sqlite3.OperationalError("database or disk is full"))

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(SqliteFile, "transaction", transaction)
        yield


@contextmanager
def locked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let another process keep the journal locked meanwhile: whoever would write waits as long as they want to."""
    writes = SqliteFile.transaction
    ended: list[bool] = []

    @contextmanager
    def transaction(opened: SqliteFile, *, wait: float = 10.0) -> Iterator[None]:
        until = time.monotonic() + wait
        while not ended:
            if time.monotonic() >= until:
                raise why_unusable(opened._path, sqlite3.OperationalError("database is locked"))
            time.sleep(0.25)
        with writes(opened, wait=wait):
            yield

    monkeypatch.setattr(SqliteFile, "transaction", transaction)
    try:
        yield
    finally:
        ended.append(True)


def sent(run: Command, action: str) -> int:
    """Count the calls of an API that changed something."""
    return sum(call["action"] == action and not call["dry_run"] and not call["code"] for call in run.calls())


def given_up(sim: Simulator, run: Command, path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    """Carry a run out that cannot write its journal from its stop on; return its exit code and what it wrote."""
    child = run.start(*RUN, journal=path)
    comes_to(sim, "Stopping")
    with full(monkeypatch):
        out, err = child.communicate(timeout=900)
    return child.returncode, out, err


def test_a_journal_that_is_back_in_time_is_gone_on_with(
    sim: Simulator, run: Command, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent while it cannot be written; then the wipe is, and both are said."""
    child = run.start(*RUN, journal=path)
    comes_to(sim, "Stopping")
    with full(monkeypatch):
        comes_to(sim, "Stopped")
        time.sleep(90.0)
        assert (sent(run, "ReInitDisk"), sent(run, "StartInstance")) == (0, 0)
    _, err = child.communicate(timeout=900)

    assert child.returncode == 0, err
    assert (sent(run, "ReInitDisk"), power(sim)) == (1, "Running")
    assert "the disk is full" in err
    assert f"Machines that are not back yet: {INSTANCE}." in err
    assert "The journal can be written again" in err


def test_a_locked_journal_is_not_blamed_on_ecs(
    sim: Simulator, run: Command, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process keeps it locked each wait names the journal, from the first seconds on."""

    def reasons() -> list[str]:
        events = [json.loads(line) for line in path.with_name("events").read_text().splitlines()]
        return [each["data"]["why"] for each in events if each["event"] == "wait"]

    child = run.start(*RUN, "--events", str(path.with_name("events")), journal=path)
    comes_to(sim, "Stopping")
    with locked(monkeypatch):
        comes_to(sim, "Stopped")
        began = len(reasons())
        time.sleep(60.0)
        meanwhile = reasons()[began:]
    _, err = child.communicate(timeout=900)

    assert (child.returncode, power(sim)) == (0, "Running")
    assert "another process keeps it locked. Until the journal can be written again, run r-" in err
    assert set(meanwhile) == {"the journal cannot be written"}
    assert not [why for why in reasons() if "ECS" in why]


@pytest.mark.parametrize("taken", [False, True], ids=["nobody else", "somebody took the run"])
def test_what_a_journal_lacks_is_read_by_the_resume(
    sim: Simulator, run: Command, path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """After journal_outage the machine comes back; the journal learns of it when the run is resumed on this host.

    What is kept of a session counts only where nobody has held the run since.
    """
    code, out, err = given_up(sim, run, path, monkeypatch)
    assert (sent(run, "ReInitDisk"), power(sim)) == (0, "Running")
    (run_id,) = set(re.findall(r"Run (r-\S+) stops and wipes nothing more", err))
    file = path.parent / "spool" / f"{run_id}.json"
    assert code == 4, out + err
    assert f"is kept in {file}; safe-reinit resume {run_id} on this host reads it" in err
    assert f"The result of the run could not be recorded. The journal {path} cannot be used: the disk is full." in err
    assert f"Once it can be: safe-reinit resume {run_id}" in err
    assert f"next: safe-reinit resume {run_id} --journal {path}" in out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert recorded(path, run_id) == "none"
    if taken:
        kept = json.loads(file.read_text())
        file.write_text(json.dumps({**kept, "session": "another"}))
    again = run("resume", run_id, journal=path)

    assert again.returncode == 4, again.stderr
    assert not file.exists()
    shown = run("show", run_id, "--verbose", journal=path).stdout
    assert "call: StartInstance i-sim-web1: OK" in shown
    assert "MISSING" not in shown
    assert recorded(path, run_id) == ("none" if taken else "done")
    assert (sent(run, "StartInstance"), sent(run, "ReInitDisk"), power(sim)) == (1, 0, "Running")


def test_what_is_kept_of_a_run_that_others_ended_is_removed(
    sim: Simulator, run: Command, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next command that reads the journal removes it; what contradicts the journal is said and stays."""
    given_up(sim, run, path, monkeypatch)
    (file,) = (path.parent / "spool").iterdir()
    text = file.read_text()
    file.unlink()
    assert run("resume", file.stem, journal=path).returncode == 4
    replace_file(str(file), text.replace(f'"{DISK}"', f'"{DISK}", "state": "accepted", "tries": 1', 1), 0o600)
    message = f"Run {file.stem} has ended. During it, ECS accepted the wipe of {DISK}, but the journal does not say so."
    assert message in run("show", file.stem, journal=path).stderr
    assert file.exists()
    replace_file(str(file), text, 0o600)
    shown = run("runs", journal=path)

    assert (shown.returncode, shown.stderr) == (0, "")
    assert not file.exists()


def test_what_another_host_did_is_not_blamed_on_somebody_else(
    sim: Simulator, run: Command, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the run itself may have started its machine on a host whose file is not seen, that is said; no wipe."""
    given_up(sim, run, path, monkeypatch)
    ((run_id, file),) = ((each.stem, each) for each in (path.parent / "spool").iterdir())
    file.rename(path.parent / "on-another-host.json")
    with open_to_write(path) as opened, opened._db.transaction():
        opened._db.execute("UPDATE leases SET username='alice', host='h1'")
    again = run("resume", run_id, journal=path)

    assert again.returncode == 4, again.stderr
    assert "somebody else is using the instance, or this run started it itself" in again.stderr
    assert "(its earlier holder was alice@h1, process " in again.stderr
    assert "untouched" in again.stdout
    shown = run("show", run_id, "--verbose", journal=path).stdout
    assert "MISSING here: what alice@h1, process " in shown
    assert "call: StartInstance i-" not in shown
    assert (sent(run, "StartInstance"), sent(run, "ReInitDisk"), power(sim)) == (1, 0, "Running")


def recorded(path: Path, run_id: str) -> str:
    """Return what the journal has of the start of a run's machine."""
    with open_to_write(path) as opened:
        stored = opened.run(run_id)
        assert stored is not None
        return stored.jobs[0].state.start.state


def test_what_others_could_have_written_is_not_read(sim: Simulator, run: Command, path: Path) -> None:
    """A file in which anybody could say what a run has done stops its resume; nothing is sent."""
    child = run.start(*RUN, journal=path)
    comes_to(sim, "Stopping")
    child.kill()
    child.wait()
    with open_to_write(path) as opened:
        (stored,) = opened.runs()
    folder = path.parent / "spool"
    folder.mkdir(mode=0o700)
    file = Spool(folder).file(stored.run_id)
    file.write_text("{}")
    file.chmod(0o666)
    refused = run("resume", stored.run_id, journal=path)

    assert refused.returncode == 2, refused.stderr
    assert f"Others may write the spool file {file}" in refused.stderr
    assert sent(run, "StartInstance") == 0
    file.chmod(0o600)
    unread = run("resume", stored.run_id, journal=path)
    assert unread.returncode == 2
    assert f"cannot be read from {file}" in unread.stderr
    file.unlink()
    assert run("resume", stored.run_id, journal=path).returncode == 0


def test_a_run_that_is_taken_while_its_spool_is_read_is_left_to_whoever_has_it(
    sim: Simulator, run: Command, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resume that no longer holds the run says so, sends nothing, and leaves the file to the next one."""
    _, _, err = given_up(sim, run, path, monkeypatch)
    (run_id,) = set(re.findall(r"Run (r-\S+) stops and wipes nothing more", err))
    calls, read = len(run.calls()), Spool.read

    def taken_meanwhile(self: Spool, name: str) -> Spooled | None:
        with sqlite3.connect(path) as opened:
            opened.execute("UPDATE leases SET epoch=epoch+1, session='another'")
        return read(self, name)

    monkeypatch.setattr(Spool, "read", taken_meanwhile)
    refused = run("resume", run_id, journal=path)

    assert refused.returncode == 3, refused.stderr
    assert f"Another process holds run {run_id} now" in refused.stderr
    assert Spool(path.parent / "spool").file(run_id).exists()
    assert len(run.calls()) == calls
