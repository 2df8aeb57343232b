"""The journal: its file, its rules, and every way in which it cannot be used."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

import safe_reinit
from safe_reinit.client import Client
from safe_reinit.errors import RunFailed, RunRefused, UsageError
from safe_reinit.journal import Journal, LateAnswer, lease, open_to_write, place, sqlite
from safe_reinit.journal.lease import JournalError
from safe_reinit.journal.place import default_journal
from safe_reinit.journal.sqlite import SCHEMA
from safe_reinit.model.codec import dumps
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.commands import Command, command

pytestmark = pytest.mark.virtual_time

DISK, INSTANCE = "d-sim-web1-data", "i-sim-web1"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Start the default world."""
    with virtual.simulate() as simulator:
        yield simulator


@pytest.fixture
def run(sim: Simulator, tmp_path: Path) -> Command:
    """Run commands against it."""
    return command(sim.url, tmp_path)


def client(sim: Simulator, path: Path) -> Client:
    """Make a client of the library."""
    return safe_reinit.connect(region=sim.region, endpoint=sim.url, credentials=sim.access_key, journal=str(path))


def changing(sim: Simulator) -> list[str]:
    """Name the changing calls that reached the simulator."""
    acts = ("StopInstance", "ReInitDisk", "StartInstance")
    return [one["action"] for one in sim.state()["calls"] if one["action"] in acts and not one["dry_run"]]


def a_plan(plan_id: str = "0123456789abcdef", account: str = "1", region: str = "cn-hangzhou") -> dict[str, Any]:
    """Make what the journal reads of a plan."""
    return {"plan_id": plan_id, "account": account, "region": region, "options": {"password": None}, "jobs": []}


def begin(journal: Journal, name: str = "0001", instance: str = "i-1", endpoint: str = "", **plan: str) -> Any:
    """Write a run down."""
    plan.setdefault("plan_id", name)
    return journal.begin(f"r-20260101T000000Z-{name}", a_plan(**plan), endpoint, "", [(instance, (), {})])


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let another process hold the lock of the file to write."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_who_holds_a_run_hears_once_what_was_accepted_of_whoever_held_it_before(place: str) -> None:
    """A session that has lost a run appends the wipes that ECS accepted of it, and changes nothing else of the run."""
    with open_to_write(place) as journal:
        before = begin(journal)
        before.release()
        lease = journal.acquire_lease(before.run_id)
        assert lease is not None
        state = journal.run(before.run_id)
        for _ in range(2):  # it may not know that it has said so already
            journal.keep_late(before.run_id, [LateAnswer(0, "ReInitDisk", "d-1", 2)])

        assert [replace(each, number=0) for each in lease.late_answers()] == [LateAnswer(0, "ReInitDisk", "d-1", 2)]
        assert lease.late_answers() == []
        assert journal.run(before.run_id) == state
        lease.release()


# ----------------------------------------------------------------------------------------------------------- the file


@pytest.mark.real_time
def test_the_file_survives_a_power_cut_and_is_read_by_nobody_else(tmp_path: Path) -> None:
    """The journal is in WAL mode, waits for the disk with each commit, and is the owner's alone, as is its folder."""
    path = tmp_path / "new" / "journal.db"
    old = os.umask(0)
    try:
        with open_to_write(path) as journal:
            lease = begin(journal)
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
            settings = [journal._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
            lease.release()
    finally:
        os.umask(old)

    assert settings == ["wal", 2]
    assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("uid", "environment", "expected"),
    [
        (0, {"HOME": "/root", "XDG_STATE_HOME": "/x"}, "/var/lib/safe-reinit/journal.db"),
        (1000, {"HOME": "/home/me"}, "/home/me/.local/state/safe-reinit/journal.db"),
        (1000, {"HOME": "/home/me", "XDG_STATE_HOME": "/x"}, "/x/safe-reinit/journal.db"),
    ],
)
def test_where_the_journal_is(
    monkeypatch: pytest.MonkeyPatch, uid: int, environment: dict[str, str], expected: str
) -> None:
    """Root's journal is the machine's, a user's is in the state directory."""
    monkeypatch.setattr(os, "getuid", lambda: uid)

    assert default_journal(environment) == Path(expected)


@pytest.mark.parametrize("by", ["flag", "environment", "file"])
def test_the_journal_can_be_named(run: Command, tmp_path: Path, by: str) -> None:
    """--journal, SAFE_REINIT_JOURNAL and the configuration file name the journal that is read."""
    path = tmp_path / "elsewhere" / "runs.db"
    open_to_write(path).close()
    words = ["--journal", str(path)] if by == "flag" else []
    environment = {"SAFE_REINIT_JOURNAL": str(path) if by == "environment" else ""}
    config = tmp_path / "config.yaml"
    config.write_text(f"journal: {path}\n" if by == "file" else "quiet: true\n")

    done = run("runs", "--config", str(config), *words, journal=None, environment=environment)

    assert (done.returncode, done.stdout) == (0, f"There are no runs in the journal {path}.\n")


# ------------------------------------------------------------------------------------------------ one open job


def test_one_open_job_an_instance(place: str) -> None:
    """A second run on an instance is refused by the name of the first, who has it since when, and what to type."""
    with open_to_write(place) as journal:
        lease = begin(journal, "0001")
        holder = journal.runs()[0].holder
        with pytest.raises(RunRefused) as refused:
            begin(journal, "0002")
        names = [run.run_id for run in journal.runs()]
        lease.release()

    assert holder is not None
    for part in ("r-20260101T000000Z-0001", "i-1", holder.user, holder.host, str(holder.pid), holder.since):
        assert part in str(refused.value)
    assert "safe-reinit show r-20260101T000000Z-0001" in refused.value.hint
    assert names == ["r-20260101T000000Z-0001"]


@pytest.mark.parametrize(
    ("other", "refused"),
    [
        ({}, True),
        ({"instance": "i-2"}, False),
        ({"account": "2"}, False),
        ({"region": "cn-beijing"}, False),
        ({"endpoint": "http://127.0.0.1:2"}, False),
    ],
    ids=["the same", "instance", "account", "region", "endpoint"],
)
def test_what_makes_two_jobs_the_same(place: str, other: dict[str, str], refused: bool) -> None:
    """An open job stands for its account, region, instance and loopback endpoint, and for no other."""
    with open_to_write(place) as journal:
        leases = [begin(journal, "0001")]
        with contextlib.suppress(RunRefused):
            leases.append(begin(journal, "0002", **other))
        for lease in leases:
            lease.release()

    assert (len(leases) == 1) is refused


def test_the_database_itself_allows_one_open_job(place: str) -> None:
    """The rule holds even where the program's own question is left out."""
    with open_to_write(place) as journal:
        begin(journal, "0001").release()
        journal._refuse_held = lambda *_: None  # type: ignore[method-assign]

        with pytest.raises(UsageError):
            begin(journal, "0002")


def test_a_plan_is_run_once(sim: Simulator, place: str) -> None:
    """A plan that was run is refused by the name of its run, also in another process, and sends nothing."""
    ours = client(sim, place)
    plan = ours.plan([DISK], stop_instance=True)
    result = ours.run(plan, confirm=plan.confirm_with)
    before = changing(sim)

    with pytest.raises(RunRefused, match=str(result.run_id)):
        client(sim, place).run(plan, confirm=plan.confirm_with)

    assert changing(sim) == before
    assert before == ["StopInstance", "ReInitDisk", "StartInstance"]


# --------------------------------------------------------------------------------------------------------- schemas


def test_a_newer_schema_is_refused(run: Command, tmp_path: Path) -> None:
    """A journal of a newer version is refused with exit code 2, unchanged, before anything is sent."""
    path = tmp_path / "j.db"
    open_to_write(path).close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version={SCHEMA + 1}")
    database.close()

    done = run("--disk", DISK, "--stop-instance", "--confirm", DISK, journal=path)

    assert done.returncode == 2
    assert "newer" in done.stderr
    assert changing_of(run) == []


def test_a_journal_of_this_schema_is_opened_again(tmp_path: Path) -> None:
    """What one process wrote, another reads; a file without tables is a fresh journal."""
    sqlite3.connect(tmp_path / "j.db").close()
    with open_to_write(tmp_path / "j.db") as journal:
        begin(journal, "0001").release()
    with open_to_write(tmp_path / "j.db") as journal:
        names = [run.run_id for run in journal.runs()]

    assert names == ["r-20260101T000000Z-0001"]


def test_a_journal_that_a_stopped_process_keeps_locked_can_be_read(tmp_path: Path) -> None:
    """Its runs are told at once: only who wants to write has to wait."""
    path = tmp_path / "j.db"
    with open_to_write(path) as journal:
        journal.begin("run", a_plan(), "", "", [(INSTANCE, (), {})]).release()
    with locked(path), open_to_write(path) as journal:
        assert [stored.run_id for stored in journal.runs()] == ["run"]


def test_a_migration_is_done_once_and_keeps_the_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A journal of this schema is carried to a later one, made up here, with its runs, and then opened by it."""
    path = tmp_path / "j.db"
    with open_to_write(path) as journal:
        begin(journal, "0001").release()
    later = (*sqlite.MIGRATIONS, "CREATE TABLE notes (note TEXT) STRICT; INSERT INTO notes VALUES ('migrated')")
    monkeypatch.setattr(sqlite, "MIGRATIONS", later)
    monkeypatch.setattr(sqlite, "SCHEMA", SCHEMA + 1)
    for _ in range(2):
        with open_to_write(path) as journal:
            names = [run.run_id for run in journal.runs()]
            notes = journal._db.execute("SELECT note FROM notes").fetchall()
            version = journal._db.execute("PRAGMA user_version").fetchone()[0]

    assert (names, notes, version) == (["r-20260101T000000Z-0001"], [("migrated",)], SCHEMA + 1)


def test_a_migration_that_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A migration that breaks off half-way leaves the journal as it was, for the old version to read."""
    path = tmp_path / "j.db"
    with open_to_write(path) as journal:
        begin(journal, "0001").release()
    with monkeypatch.context() as patched:
        patched.setattr(sqlite, "MIGRATIONS", (*sqlite.MIGRATIONS, "CREATE TABLE notes (note TEXT); NO SUCH STATEMENT"))
        patched.setattr(sqlite, "SCHEMA", SCHEMA + 1)
        with pytest.raises(UsageError):
            open_to_write(path)
    with open_to_write(path) as journal:
        names = [run.run_id for run in journal.runs()]
        tables = {row[0] for row in journal._db.execute("SELECT name FROM sqlite_master").fetchall()}

    assert names == ["r-20260101T000000Z-0001"]
    assert "notes" not in tables


# ------------------------------------------------------------------------------------------- files that cannot be used


def changing_of(run: Command) -> list[str]:
    """Name the changing calls that reached the simulator of these commands."""
    return [
        one["action"] for one in run.calls() if not one["action"].startswith(("Describe", "Get")) and not one["dry_run"]
    ]


def garbage(path: Path) -> Path:
    """Write something that is no database."""
    path.write_bytes(b"this is not a database, and it is longer than a header of one hundred bytes " * 10)
    return path


def half(path: Path) -> Path:
    """Write a journal, and overwrite most of it."""
    with open_to_write(path) as journal:
        for number in range(30):
            begin(journal, f"{number:04x}", instance=f"i-{number}").release()
    whole = bytearray(path.read_bytes())
    whole[4096:-4096] = b"\xaa" * (len(whole) - 8192)
    path.write_bytes(whole)
    return path


def truncated(path: Path) -> Path:
    """Write a journal, and cut its end off."""
    with open_to_write(path) as journal:
        for number in range(30):
            begin(journal, f"{number:04x}", instance=f"i-{number}").release()
    with path.open("r+b") as opened:
        opened.truncate(6000)
    return path


def folder(path: Path) -> Path:
    """Put a directory in its place."""
    path.mkdir()
    return path


def below_a_file(path: Path) -> Path:
    """Put a file where its folder should be."""
    path.write_text("a file")
    return path / "journal.db"


UNUSABLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "garbage": (garbage, "damaged or not a journal"),
    "half overwritten": (half, "damaged or not a journal"),
    "truncated": (truncated, "damaged or not a journal"),
    "a directory": (folder, "it is a folder and not a file"),
    "below a file": (below_a_file, "cannot be written"),
    "in /proc": (lambda _: Path("/proc/safe-reinit/journal.db"), "cannot be written"),
    "in /sys": (lambda _: Path("/sys/journal.db"), "cannot be written"),
    "a device": (lambda _: Path("/dev/full"), "it is a device and not a file"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_journal_that_cannot_be_used(run: Command, tmp_path: Path, what: str) -> None:
    """A file that cannot be a journal ends the command with 2 and one sentence, before anything was sent."""
    make, why = UNUSABLE[what]
    path = make(tmp_path / "j.db")

    done = run("--disk", DISK, "--stop-instance", "--confirm", DISK, journal=path)

    assert done.returncode == 2
    assert why in done.stderr
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
    assert run.calls() == []


def test_a_file_that_nobody_may_write(run: Command, tmp_path: Path) -> None:
    """A journal or a folder that cannot be written ends the command with 2, before anything was sent."""
    path = tmp_path / "closed" / "j.db"
    open_to_write(path).close()
    if subprocess.run(["chattr", "+i", str(path)], capture_output=True, check=False).returncode:
        pytest.skip("files cannot be made immutable here")
    try:
        done = run("--disk", DISK, "--stop-instance", "--confirm", DISK, journal=path)
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)

    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert run.calls() == []


@pytest.mark.parametrize(
    ("mounts", "refused"),
    [
        ("server:/home /j nfs4 rw 0 0", True),
        ("//server/home /j cifs rw 0 0", True),
        ("host /j fuse.sshfs rw 0 0", True),
        ("server:/home / nfs rw 0 0", True),
        ("server:/home / nfs rw 0 0\n/dev/sda1 /j ext4 rw 0 0", False),
        ("/dev/sda1 / ext4 rw 0 0\nserver:/home /jo nfs rw 0 0", False),
        ("/dev/sda1 / ext4 rw 0 0\nserver:/a\\040b /j nfs rw 0 0", True),
    ],
)
def test_a_network_file_system_is_refused(monkeypatch: pytest.MonkeyPatch, mounts: str, refused: bool) -> None:
    """A journal on a network file system, where locks cannot be relied on, is refused by the mount it is really on."""
    monkeypatch.setattr(place.Path, "read_text", lambda *_: f"proc /proc proc rw 0 0\n{mounts}\n")
    try:
        place.refuse_network(Path("/j/safe-reinit/journal.db"))
        found = False
    except UsageError as error:
        found = "network file system" in str(error)

    assert found is refused


def test_a_link_to_a_network_file_system_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder of the journal that is a link is judged by where it leads: that is where the locks are kept."""
    share = tmp_path / "share"
    share.mkdir()
    (tmp_path / "state").symlink_to(share)
    monkeypatch.setattr(place.Path, "read_text", lambda *_: f"/dev/sda1 / ext4 rw 0 0\nhost:/ {share} nfs4 rw 0 0\n")

    with pytest.raises(UsageError, match="network file system"):
        place.refuse_network(tmp_path / "state" / "safe-reinit" / "journal.db")
    with pytest.raises(UsageError, match="network file system"):
        place.refuse_network(tmp_path / "elsewhere" / ".." / "share" / "journal.db")
    place.refuse_network(tmp_path / "journal.db")


def full(monkeypatch: pytest.MonkeyPatch, when: Callable[[str], bool]) -> list[str]:
    """Let the disk be full for the statements for which ``when`` says so; gives those that failed."""
    failed: list[str] = []

    class Full(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            self._fail(statement)
            return super().execute(statement, *values)

        def executemany(self, statement: str, *values: Any) -> sqlite3.Cursor:
            self._fail(statement)
            return super().executemany(statement, *values)

        @staticmethod
        def _fail(statement: str) -> None:
            if when(statement):
                failed.append(statement)
                raise sqlite3.OperationalError("database or disk is full")

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite.sqlite3, "connect", lambda *args, **words: connect(*args, **words, factory=Full))
    return failed


def test_a_full_disk_before_the_run(monkeypatch: pytest.MonkeyPatch, sim: Simulator, tmp_path: Path) -> None:
    """A disk with no room for the records of a run refuses it before the first changing call."""
    ours = client(sim, tmp_path / "j.db")
    plan = ours.plan([DISK], stop_instance=True)
    connect = sqlite3.connect

    def small(*args: Any, **words: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*args, **words)
        database.execute("PRAGMA max_page_count=40")
        return database

    with monkeypatch.context() as patch:  # undone before virtual time ends, which puts the room back that there was
        patch.setattr(sqlite.sqlite3, "connect", small)
        patch.setattr(sqlite, "_RESERVE_SIZE", 1 << 20)
        with pytest.raises(UsageError, match="the disk is full"):
            ours.run(plan, confirm=plan.confirm_with)

    assert changing(sim) == []


@pytest.mark.parametrize("word", ['"state": "asked"', '"state": "accepted"', '"state": "done"'])
def test_a_disk_that_fills_up_in_the_middle_of_a_run(
    monkeypatch: pytest.MonkeyPatch, sim: Simulator, tmp_path: Path, word: str
) -> None:
    """From the first record that cannot be written no wipe is sent, the machine comes back, and the report is true."""
    full_now: list[bool] = []
    words: list[str] = []

    def when(statement: str) -> bool:
        return bool(full_now) and statement.startswith(("UPDATE jobs", "UPDATE leases", "INSERT INTO events"))

    failed = full(monkeypatch, when)
    save = lease.Lease.save

    def saving(self: Any, *records: tuple[int, Any], **how: Any) -> None:
        words.extend(dumps(record.stop) for _, record in records)
        if word in words[-1]:
            full_now.append(True)
        save(self, *records, **how)

    monkeypatch.setattr(lease.Lease, "save", saving)
    ours = client(sim, tmp_path / "j.db")
    plan = ours.plan([DISK], stop_instance=True)

    with pytest.raises(safe_reinit.Error) as caught:
        ours.run(plan, confirm=plan.confirm_with)

    state = sim.state()
    assert failed
    assert state["disks"][DISK]["wipes"] == []
    assert state["instances"][INSTANCE]["status"] == "Running"
    assert changing(sim) in ([], ["StopInstance", "StartInstance"])
    assert caught.value.report is not None
    assert [disk.data for job in caught.value.report.jobs for disk in job.disks] == ["untouched"]
    assert caught.value.exit_code in (3, 4)
    assert "full" in str(caught.value)


def test_a_run_whose_wipe_cannot_be_recorded_any_more_ends_well(
    monkeypatch: pytest.MonkeyPatch, sim: Simulator, tmp_path: Path
) -> None:
    """A disk that fills up after the wipe was sent loses the rest of the record; the machine starts."""
    full_now: list[bool] = []
    full(monkeypatch, lambda statement: bool(full_now) and statement.startswith("UPDATE jobs"))
    ours = client(sim, tmp_path / "j.db")
    plan = ours.plan([DISK], stop_instance=True)

    def watch(event: Any) -> None:
        if event.event == "answer" and event.data["action"] == "ReInitDisk":
            full_now.append(True)

    result = reported(lambda: ours.run(plan, confirm=plan.confirm_with, on_event=watch))
    power = sim.state()["instances"][INSTANCE]["status"]
    full_now.clear()
    with open_to_write(tmp_path / "j.db") as journal:
        (kept,) = journal.runs()
    again = reported(lambda: ours.resume(kept.run_id))

    state = sim.state()
    assert len(state["disks"][DISK]["wipes"]) == 1
    assert power == "Running"
    assert result.jobs[0].disks[0].data == "reinitialised"
    assert kept.open
    assert again.jobs[0].disks[0].data in ("reinitialised", "unknown")
    assert changing(sim) == ["StopInstance", "ReInitDisk", "StartInstance"]


def reported(work: Callable[[], Any]) -> Any:
    """Run or resume, and give the report however it ends."""
    try:
        return work()
    except safe_reinit.Error as error:
        return error.report


@pytest.mark.real_time
def test_a_full_disk_has_room_for_the_records_of_a_run(tmp_path: Path) -> None:
    """A run that has begun goes on recording although the disk has filled up since: its room was kept."""
    small = tmp_path / "small"
    small.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with open_to_write(small / "j.db") as journal:
            lease = begin(journal, "0001")
            assert filled(small / "filler")
            for number in range(600):
                lease.emit({"event": "read", "number": number, "padding": "x" * 200})
                lease.save((0, {"number": number}))
            lease.release()
            stored = journal.runs()[0].jobs[0].state_text
            events = journal.events("r-20260101T000000Z-0001")
        with pytest.raises(UsageError, match="the disk is full"), open_to_write(small / "other.db") as other:
            begin(other, "0002")
    finally:
        subprocess.run(["umount", str(small)], check=True)

    assert stored == '{"number": 599}'
    assert len(events) == 600


def test_room_that_another_run_keeps_or_left_behind_stops_no_run(tmp_path: Path) -> None:
    """A run killed while it grew the file, or growing it at the same time, keeps no later run from beginning."""
    path = tmp_path / "j.db"
    with open_to_write(path) as journal:
        journal._db.execute("CREATE TABLE reserve (room BLOB)")  # what a kill between its two steps leaves
        begin(journal, "0001", "i-1").release()
    with open_to_write(path) as journal:
        begin(journal, "0002", "i-2").release()
        tables = [name for (name,) in journal._db.execute("SELECT name FROM sqlite_master WHERE type='table'")]

    assert "reserve" not in tables


def filled(path: Path) -> bool:
    """Fill the disk with a file; tells whether it is full."""
    with path.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError as error:
            return error.errno == 28


def test_an_error_of_the_journal_in_our_words(tmp_path: Path) -> None:
    """What SQLite says is not repeated, but what is wrong is said."""
    with open_to_write(tmp_path / "j.db") as journal:
        lease = begin(journal, "0001")
        journal._db.execute("PRAGMA busy_timeout=10")
        with locked(tmp_path / "j.db"), pytest.raises(JournalError, match="another process keeps it locked"):
            lease.save((0, {}))
        lease.release()


def test_what_is_done_outside_a_run_fails_in_our_words_too(tmp_path: Path) -> None:
    """A journal that is locked, or is damaged while it is open, is no bug of the program: what to do is said."""
    with open_to_write(tmp_path / "j.db") as journal:
        lease = begin(journal, "0001")
        journal._db.execute("PRAGMA busy_timeout=10")
        with locked(tmp_path / "j.db"):
            for write in (
                lambda: journal.prune(1.0),
                lambda: journal.withdraw(lease),
                lambda: journal.acquire_lease("0001"),
            ):
                with pytest.raises(UsageError, match="another process keeps it locked"):
                    write()
        lease.release()
        journal._db.execute("ALTER TABLE runs RENAME TO gone")
        journal._db.execute("DROP TABLE events")
        for read in (journal.runs, lambda: journal.run("0001"), lambda: journal.events("0001")):
            with pytest.raises(UsageError, match="cannot be used"):
                read()


# ---------------------------------------------------------------------------------------------------------- pruning


def end(journal: Journal, lease: Any, ended_at: str, outcome: str, still_open: tuple[int, ...] = ()) -> None:
    """End a run at a time."""
    lease.end({"outcome": outcome, "exit_code": 0, "jobs": [{}]}, still_open)
    journal._db.execute("UPDATE runs SET ended_at=? WHERE run_id=?", (ended_at, lease.run_id))


def test_pruning_forgets_what_has_ended_and_nothing_else(place: str) -> None:
    """Old ended runs go with all that belongs to them; young ones, held ones and those that are owed something stay."""
    with open_to_write(place) as journal:
        lease = begin(journal, "000a", instance="i-a")
        lease.emit({"event": "done"})
        end(journal, lease, "2020-01-01T00:00:00Z", "done")
        end(journal, begin(journal, "000b", instance="i-b"), "2999-01-01T00:00:00Z", "done")
        end(journal, begin(journal, "000c", instance="i-c"), "2020-01-01T00:00:00Z", "unknown", (0,))
        held = begin(journal, "000d", instance="i-d")
        gone = journal.prune(3600.0)
        names = {run.run_id[-4:] for run in journal.runs()}
        rows = [
            journal._db.execute(f"SELECT count(*) FROM {table} WHERE run_id LIKE '%000a'").fetchone()[0]
            for table in ("runs", "jobs", "leases", "events")
        ]
        held.release()

    assert gone == 1
    assert names == {"000b", "000c", "000d"}
    assert rows == [0, 0, 0, 0]


def test_a_plan_stays_run_when_its_run_is_forgotten(place: str) -> None:
    """A pruned run's plan is still refused, by the name of that run; another plan is not."""
    with open_to_write(place) as journal:
        begin(journal, "000a", plan_id="aa").end({"outcome": "done", "exit_code": 0, "jobs": [{}]})
        journal._db.execute("UPDATE runs SET ended_at='2020-01-01T00:00:00Z'")
        before = journal.used_by("aa")
        assert journal.prune(3600.0) == 1
        assert journal.runs() == []
        assert journal.used_by("aa") == before == "r-20260101T000000Z-000a"
        assert journal.used_by("bb") is None
        with pytest.raises(RunRefused, match="already been run, by run r-20260101T000000Z-000a"):
            begin(journal, "000b", plan_id="aa")
        assert journal.runs() == []
        begin(journal, "000c", plan_id="bb").release()


def test_a_journal_of_the_first_schema_is_carried_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A journal from before plans were saved opens with its runs, and their plans are run."""
    path = tmp_path / "j.db"
    with monkeypatch.context() as patched:
        patched.setattr(sqlite, "MIGRATIONS", sqlite.MIGRATIONS[:1])
        patched.setattr(sqlite, "SCHEMA", 1)
        with open_to_write(path) as journal:
            journal._db.execute(
                "INSERT INTO runs VALUES ('r-1','t','t','done',0,'r','a','','','{}',NULL,'aa','',0,0,'',0,'')"
            )
    with open_to_write(path) as journal:
        assert journal.used_by("aa") == "r-1"
        assert journal._db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA


def test_pruning_by_the_command_line(sim: Simulator, run: Command, place: str) -> None:
    """The option --prune takes an age in days or as a duration, and refuses anything else with 2."""
    ours = client(sim, place)
    plan = ours.plan(["d-sim-db1-data"])
    ours.run(plan, confirm=plan.confirm_with)
    with open_to_write(place) as journal:
        journal._db.execute("UPDATE runs SET ended_at='2020-01-01T00:00:00Z'")

    assert run("runs", "--prune", "soon", journal=place).returncode == 2
    assert run("runs", "--prune", "99999d", journal=place).stdout.count("SIMULATED") == 1
    done = run("runs", "--prune", "30d", journal=place)
    assert done.returncode == 0
    assert done.stdout.startswith("There are no runs in the journal ")
    assert "1 run forgotten" in done.stderr


# ---------------------------------------------------------------------------------------------------------- secrets

PASSWORD = "Planted/Pa55+w=rd&\\é"[:12] + "x7"
SECRETS = {
    "password": PASSWORD,
    "secret": "planted+Secret/Key=0123456789",
    "token": "planted/Token+with=signs&0123456789",
}


def spellings(secret: str) -> set[bytes]:
    """Return a secret plain, URL-encoded, JSON-escaped, and as it stands in the middle of base64."""
    plain = secret.encode()
    found = {plain, quote(secret, safe="").encode(), quote_plus(secret).encode(), json.dumps(secret)[1:-1].encode()}
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + plain)
        found.add(coded[4 if shift else 0 : -4])
    return found


def test_nothing_secret_is_in_the_journal(tmp_path: Path) -> None:
    """Password, AccessKey secret and token are in no byte of the journal, its log and its index, in any encoding."""
    world = {
        "keys": [{"id": "planted-id", "secret": SECRETS["secret"], "token": SECRETS["token"]}],
        "images": {"m-1": {}},
        "instances": {"i-1": {}},
        "disks": {"d-1": {"instance": "i-1", "type": "system", "image": "m-1"}},
    }
    path = tmp_path / "j.db"
    held = 0
    with virtual.simulate(world=world) as sim:
        for fault in ({"drop_answer": True}, {"error": {"code": "SignatureDoesNotMatch"}}, {"reset": True}):
            sim.do({"fault": {"action": "ReInitDisk", **fault}})
            words = Command(sim.url, tmp_path)
            with open_to_write(path) as open_one:  # an open reader keeps the log from being folded in and removed
                done = words(
                    "--disk", "d-1", "--stop-instance", "--password-env", "PLANTED", "--confirm", "d-1",
                    "--accept", "no-recent-snapshot", journal=path,
                    environment={
                        "PLANTED": PASSWORD,
                        "ALIBABA_CLOUD_ACCESS_KEY_ID": "planted-id",
                        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRETS["secret"],
                        "ALIBABA_CLOUD_SECURITY_TOKEN": SECRETS["token"],
                    },
                )  # fmt: skip
                files = {each.name: each.read_bytes() for each in tmp_path.glob("j.db*")}
                held += len(open_one.runs())
            found = [
                (name, kind)
                for name, content in files.items()
                for kind, secret in SECRETS.items()
                for spelling in spellings(secret)
                if spelling in content
            ]

            assert found == []
            assert set(files) == {"j.db", "j.db-wal", "j.db-shm"}
            assert any(b"ReInitDisk" in content for content in files.values()), done.stderr

    assert held


def test_the_search_for_secrets_finds_one() -> None:
    """A secret inside base64, a URL or JSON is found by the search."""
    for secret in SECRETS.values():
        header = base64.b64encode(f"user:{secret}:end".encode())
        for hiding in (header, f"https://x/?Password={quote(secret, safe='')}".encode(), json.dumps([secret]).encode()):
            assert any(spelling in hiding for spelling in spellings(secret))


def test_a_refused_run_is_not_written_down(sim: Simulator, place: str) -> None:
    """A run that is refused because another has its instance leaves nothing of itself in the journal."""
    ours = client(sim, place)
    plan = ours.plan([DISK], stop_instance=True)
    with open_to_write(place) as journal:
        lock = {"account": plan.account, "region": plan.region}
        lease = begin(journal, "0001", instance=INSTANCE, endpoint=sim.url, **lock)
        with pytest.raises(RunRefused) as refused:
            ours.run(plan, confirm=plan.confirm_with)
        count = len(journal.runs())
        lease.release()

    assert count == 1
    assert refused.value.exit_code == 3
    assert changing(sim) == []
    assert not isinstance(refused.value, RunFailed)
