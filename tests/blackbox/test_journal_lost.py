"""A journal that is removed or replaced while a run goes on: the machine comes back, and somebody is told."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from safe_reinit.simulator import Simulator
from tests import virtual
from tests.commands import Command, command, until

pytestmark = pytest.mark.virtual_time

DISK, INSTANCE = "d-sim-web1-data", "i-sim-web1"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Start the default world."""
    with virtual.simulate() as started:
        yield started


@pytest.fixture
def run(simulator: Simulator, tmp_path: Path) -> Command:
    """Run commands against it."""
    return command(simulator.url, tmp_path)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Name a journal in a folder of its own."""
    return tmp_path / "state" / "journal.db"


def removed(journal: Path) -> None:
    """Remove the file and what belongs to it."""
    for file in journal.parent.glob("journal.db*"):
        file.unlink()


def only_the_log(journal: Path) -> None:
    """Remove the log next to it, which has what was written last."""
    Path(f"{journal}-wal").unlink()


def replaced(journal: Path) -> None:
    """Put another file in its place."""
    copy = journal.with_name("copy")
    shutil.copy(journal, copy)
    removed(journal)
    copy.rename(journal)


def folder_gone(journal: Path) -> None:
    """Rename its folder."""
    journal.parent.rename(journal.parent.with_name("elsewhere"))


def linked_elsewhere(journal: Path) -> None:
    """Let a link lead to another file from now on."""
    folder_gone(journal)
    journal.parent.mkdir(mode=0o700)
    journal.touch(mode=0o600)


def emptied(journal: Path) -> None:
    """Empty the file and its log where they are."""
    for file in (journal, Path(f"{journal}-wal")):
        with file.open("r+b") as opened:
            opened.truncate(0)


def cut_short(journal: Path) -> None:
    """Cut the file short where it is, and leave its log."""
    with journal.open("r+b") as opened:
        opened.truncate(512)


def written_over(journal: Path) -> None:
    """Write something else over the file and its log where they are."""
    for file in (journal, Path(f"{journal}-wal")):
        file.write_bytes(b"no journal " * 500)


WAYS = [removed, only_the_log, replaced, folder_gone, linked_elsewhere, emptied, cut_short, written_over]


def wipes(simulator: Simulator) -> int:
    """Count the wipes of the disk."""
    return len(simulator.state()["disks"][DISK]["wipes"])


@pytest.mark.parametrize("lose", WAYS, ids=lambda lose: lose.__name__)
def test_nothing_is_wiped_without_its_journal_and_the_machine_comes_back(
    simulator: Simulator, run: Command, journal: Path, lose: Callable[[Path], None]
) -> None:
    """Lost while the machine stops: no wipe is sent, the machine is started, and run and machine are printed."""
    simulator.do({"hold": {"instance": INSTANCE}})
    child = run.start("--disk", DISK, "--confirm", DISK, "--stop-instance", journal=journal)
    until(lambda: simulator.state()["instances"][INSTANCE]["status"] == "Stopping")
    lose(journal)
    simulator.do({"release": {"instance": INSTANCE}})
    out, err = child.communicate(timeout=120)

    assert (wipes(simulator), simulator.state()["instances"][INSTANCE]["status"]) == (0, "Running")
    assert child.returncode == 4, err
    assert re.search("was (removed|replaced|emptied or written over) while it was open", err)
    assert INSTANCE in err
    assert "Run r-" in err
    assert "resume" not in out, out + err


def test_a_wipe_that_is_under_way_is_seen_to_its_end(simulator: Simulator, run: Command, journal: Path) -> None:
    """Lost while the disk is wiped: what was sent is observed to its end, the machine is started, and it is said."""
    simulator.do({"hold": {"disk": DISK}})
    child = run.start("--disk", DISK, "--confirm", DISK, "--stop-instance", journal=journal)
    until(lambda: simulator.state()["disks"][DISK]["status"] == "ReIniting")
    removed(journal)
    simulator.do({"release": {"disk": DISK}})
    _, err = child.communicate(timeout=120)

    assert (wipes(simulator), simulator.state()["instances"][INSTANCE]["status"]) == (1, "Running")
    assert child.returncode == 0, err
    assert "was removed while it was open" in err
    assert INSTANCE in err


def test_nothing_is_stopped_without_its_journal(simulator: Simulator, run: Command, journal: Path) -> None:
    """Lost before the first call: none is sent."""
    simulator.do({"snapshot": DISK, "seconds": 600})
    child = run.start("--disk", DISK, "--confirm", DISK, "--stop-instance", journal=journal)
    until(journal.exists)
    until(lambda: "journal.db-wal" in {file.name for file in journal.parent.iterdir()})
    text = child.stderr
    assert text is not None
    until(lambda: sum(c["action"] == "DescribeSnapshots" for c in run.calls()) > 3)
    removed(journal)
    _, err = child.communicate(timeout=120)

    assert not [c for c in run.calls() if c["action"] == "StopInstance" and not c["dry_run"]]
    assert child.returncode == 3, err
    assert "was removed while it was open" in err


def test_killed_afterwards_it_leaves_no_machine_down(simulator: Simulator, run: Command, journal: Path) -> None:
    """A kill that comes after the journal was lost finds the machine on its way back, not waiting for a wipe."""
    simulator.do({"hold": {"instance": INSTANCE}})
    child = run.start("--disk", DISK, "--confirm", DISK, "--stop-instance", journal=journal)
    until(lambda: simulator.state()["instances"][INSTANCE]["status"] == "Stopping")
    removed(journal)
    simulator.do({"release": {"instance": INSTANCE}})
    until(lambda: simulator.state()["instances"][INSTANCE]["status"] in ("Starting", "Running"))
    child.send_signal(signal.SIGKILL)
    child.communicate()

    until(lambda: simulator.state()["instances"][INSTANCE]["status"] == "Running")
    assert wipes(simulator) == 0
