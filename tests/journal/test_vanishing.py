"""Journals that are lost with their container: whoever begins a run is warned, as far as that can be known."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from safe_reinit.journal import place
from tests import virtual
from tests.blackbox.worlds import RUN, WORLD
from tests.commands import command

pytestmark = pytest.mark.virtual_time

SHM = Path("/dev/shm")
CONTAINER = "overlay / overlay rw,lowerdir=/a 0 0\nproc /proc proc rw 0 0\n"
VOLUME = f"{CONTAINER}/dev/vdb /var/lib/safe-reinit ext4 rw 0 0\n"


@pytest.mark.parametrize(
    ("mounts", "journal", "warned"),
    [
        (CONTAINER, "/var/lib/safe-reinit/journal.db", "root file system of a container (overlay)"),
        (VOLUME, "/var/lib/safe-reinit/journal.db", ""),
        (VOLUME, "/home/me/journal.db", "root file system of a container (overlay)"),
        ("/dev/vda / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n", "/run/j.db", "in memory (tmpfs at /run)"),
        ("/dev/vda / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n", "/running/j.db", ""),
        ("none / tmpfs rw 0 0\n", "/j.db", "in memory (tmpfs at /)"),
        ("/dev/vda / ext4 rw 0 0\nlayers /data overlay rw 0 0\n", "/data/j.db", ""),
        (CONTAINER, "postgresql://db.example/journal", ""),
        (CONTAINER, None, ""),
    ],
)  # fmt: skip
def test_what_goes_with_the_container_is_known_by_its_mount(
    monkeypatch: pytest.MonkeyPatch, mounts: str, journal: str | None, warned: str
) -> None:
    """A file in memory or on the root of a container is warned of; a volume, a database and what is unknown are not."""
    monkeypatch.setattr(place.Path, "read_text", lambda *_: mounts)

    text = place.vanishing(journal)

    assert bool(text) == bool(warned)
    assert warned in text


@pytest.mark.skipif(
    not os.access(SHM, os.W_OK) or "/dev/shm tmpfs" not in Path("/proc/self/mounts").read_text("utf-8"),
    reason="/dev/shm is not in memory here",
)
def test_a_run_whose_journal_is_in_memory_says_so_before_it_changes_anything(tmp_path: Path) -> None:
    """The warning names the journal and what to do, comes before the first call is intended, and the run goes on."""
    with tempfile.TemporaryDirectory(dir=SHM) as folder, virtual.simulate(WORLD) as simulator:
        done = command(simulator.url, tmp_path)(*RUN, journal=f"{folder}/journal.db")

    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    (warned,) = (number for number, line in enumerate(lines) if f"WARNING: The journal {folder}/journal.db" in line)
    intended = next(number for number, line in enumerate(lines) if "StopInstance" in line and ":" in line[:3])
    assert "--journal" in lines[warned]
    assert warned < intended
