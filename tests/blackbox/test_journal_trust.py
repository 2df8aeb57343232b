"""A journal that others could have written: it is neither believed nor written, whoever names it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from safe_reinit.journal import open_to_write
from safe_reinit.simulator import Simulator
from tests.commands import Command, command, until

DISK, INSTANCE = "d-sim-web1-data", "i-sim-web1"
STRANGER_UID = 12345
"""A user and a group that are nobody's here."""
ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


@dataclass(frozen=True)
class Killed:
    """A run whose process was killed while its machine was stopping, and the journal that knows of it."""

    simulator: Simulator
    run: Command
    journal: Path

    @cached_property
    def run_id(self) -> str:
        """Return the name of the run; it stands in the journal as text."""
        result = self.run("runs", "--output", "json", journal=self.journal)
        return str(result.stdout.split('"run_id": "')[1].partition('"')[0])

    def changing(self) -> list[str]:
        """Return the changing calls that reached the simulator so far."""
        acts = ("StopInstance", "ReInitDisk", "StartInstance")
        return [one["action"] for one in self.run.calls() if one["action"] in acts and not one["dry_run"]]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    """Kill a run while its machine is stopping."""
    folder = tmp_path_factory.mktemp("killed")
    with Simulator(speed=1) as simulator:
        run, journal = command(simulator.url, folder), folder / "journal.db"
        child = run.start("--disk", DISK, "--confirm", DISK, "--stop-instance", journal=journal)
        until(lambda: any(c["action"] == "StopInstance" and not c["dry_run"] for c in run.calls()))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        yield Killed(simulator, run, journal)


@pytest.fixture
def journal(killed: Killed, tmp_path: Path) -> Path:
    """Copy that journal to a folder of its own."""
    folder = tmp_path / "state" / "own"
    folder.mkdir(parents=True, mode=0o700)
    for file in killed.journal.parent.glob("journal.db*"):
        shutil.copy(file, folder / file.name)
        (folder / file.name).chmod(0o600)
    return folder / "journal.db"


def give_away(path: Path) -> None:
    """Make somebody else the owner."""
    os.chown(path, STRANGER_UID, -1)


def lend(path: Path) -> None:
    """Let another group write it."""
    os.chown(path, -1, STRANGER_UID)
    path.chmod(path.stat().st_mode | 0o020)


def open_up(path: Path) -> None:
    """Let everybody write it."""
    path.chmod(path.stat().st_mode | 0o002)


def planted(ending: str) -> Callable[[Path], None]:
    """Let somebody else put a file next to the journal that SQLite would believe."""

    def plant(journal: Path) -> None:
        log = Path(f"{journal}{ending}")
        log.touch()
        log.chmod(0o666)

    return plant


def link_of_another(journal: Path) -> None:
    """Let a link of somebody else lead to it."""
    real = journal.with_name("real.db")
    for file in journal.parent.glob("journal.db*"):
        file.rename(real.with_name(file.name.replace("journal.db", "real.db")))
    journal.symlink_to(real)
    os.chown(journal, STRANGER_UID, -1, follow_symlinks=False)


WAYS = {
    "everybody may write it": open_up,
    "everybody may write its log": planted("-wal"),
    "everybody may write its index": planted("-shm"),
    "everybody may write its rollback log": planted("-journal"),
    "everybody may write its folder": lambda journal: open_up(journal.parent),
    "everybody may write a folder above": lambda journal: open_up(journal.parent.parent),
    "another owns it": give_away,
    "another owns its folder": lambda journal: give_away(journal.parent),
    "another owns a folder above": lambda journal: give_away(journal.parent.parent),
    "another group may write it": lend,
    "another group may write its folder": lambda journal: lend(journal.parent),
    "another owns the link to it": link_of_another,
}
AS_ROOT = ("another owns", "another group")


def cases() -> list[object]:
    """Return each way, to be skipped where only root can make it."""
    return [
        pytest.param(change, id=name, marks=[ROOT_ONLY] if name.startswith(AS_ROOT) else [])
        for name, change in WAYS.items()
    ]


@pytest.mark.parametrize("change", cases())
def test_a_journal_that_others_could_have_written_is_not_resumed(
    killed: Killed, journal: Path, change: Callable[[Path], None]
) -> None:
    """Resume ends 2 before anything is asked of the cloud, and names what to change."""
    name, before = killed.run_id, len(killed.run.calls())
    change(journal)

    ended = killed.run("resume", name, journal=journal)

    assert ended.returncode == 2, ended.stderr
    assert "Others may write the journal" in ended.stderr
    assert "chmod" in ended.stderr or "chown" in ended.stderr
    assert len(killed.run.calls()) == before


@pytest.mark.parametrize("words", [["runs"], ["runs", "--prune", "1d"], ["show", "RUN"], ["cancel", "RUN"]])
def test_no_command_believes_it(killed: Killed, journal: Path, words: list[str]) -> None:
    """Neither is it listed, shown, pruned or used to reach a process."""
    name = killed.run_id
    open_up(journal)

    ended = killed.run(*(name if word == "RUN" else word for word in words), journal=journal)

    assert ended.returncode == 2
    assert "Others may write the journal" in ended.stderr
    assert name not in ended.stdout


def test_nothing_is_stopped_or_wiped_with_it(killed: Killed, tmp_path: Path) -> None:
    """A new run is not written to a folder where others could replace its journal."""
    folder = tmp_path / "everybody"
    folder.mkdir()
    folder.chmod(0o777)
    before = killed.changing()

    ended = killed.run(
        "--disk", "d-sim-db1-data", "--confirm", "d-sim-db1-data", journal=folder / "j.db",
    )  # fmt: skip

    assert ended.returncode == 2
    assert "chmod go-w" in ended.stderr
    assert killed.changing() == before
    assert not list(folder.iterdir())


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_journal_that_only_its_owner_writes_is_believed(killed: Killed, journal: Path, mode: int) -> None:
    """Who may read it makes no difference."""
    journal.chmod(mode)

    ended = killed.run("runs", journal=journal)

    assert (ended.returncode, killed.run_id in ended.stdout) == (0, True), ended.stderr


def test_a_sticky_folder_is_no_reason_to_refuse_it(killed: Killed, journal: Path) -> None:
    """In a folder such as /tmp others cannot replace what is not theirs."""
    journal.parent.chmod(0o1777)

    assert killed.run("runs", journal=journal).returncode == 0


def test_the_folders_of_a_new_journal_are_the_callers_alone(tmp_path: Path) -> None:
    """Whatever the umask, every folder that is made has mode 0700."""
    path = tmp_path / "a" / "b" / "journal.db"
    old = os.umask(0)
    try:
        open_to_write(path).close()
    finally:
        os.umask(old)

    assert [folder.stat().st_mode & 0o777 for folder in (path.parent, path.parent.parent)] == [0o700, 0o700]
