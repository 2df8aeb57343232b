"""What the black-box tests share: a small world, and commands against it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from safe_reinit.simulator import Simulator
from tests import virtual
from tests.blackbox.worlds import WORLD, YOUNG
from tests.commands import Command, command
from tests.issuers import HOSTS, Surroundings, surroundings
from tests.servers import Authority, authority


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Start a world of two machines."""
    with virtual.simulate(world=WORLD) as simulator:
        yield simulator


@pytest.fixture
def run(sim: Simulator, tmp_path: Path) -> Command:
    """Run commands against it."""
    return command(sim.url, tmp_path)


@pytest.fixture
def young() -> Iterator[Simulator]:
    """Start a world at real speed, for real processes, in which a run waits before it changes anything."""
    with Simulator(world=YOUNG, speed=1) as simulator:
        yield simulator


@pytest.fixture
def real(young: Simulator, tmp_path: Path) -> Command:
    """Run commands against it."""
    return command(young.url, tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal."""
    return tmp_path / "j.db"


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make one certificate authority for all names that are played."""
    return authority(tmp_path_factory.mktemp("authority"), *HOSTS)


@pytest.fixture
def around(tmp_path: Path, trusted: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Surroundings]:
    """Play everything outside; the home is empty."""
    with surroundings(tmp_path, trusted) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made
