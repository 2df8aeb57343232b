"""The fixtures for pytest, which imports this file at each start: what a fixture needs comes with the first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from . import EcsWorld, SimulatedEcs, VirtualClock


@pytest.fixture
def ecs_world() -> EcsWorld:
    """Return the instances, disks and snapshots that the test begins with: none until you add some."""
    from .world import EcsWorld  # noqa: PLC0415 - only for a test that asks for it

    return EcsWorld()


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """Return the clock of the simulated ECS and of every client: no wait takes time."""
    from .clock import VirtualClock  # noqa: PLC0415 - only for a test that asks for it

    return VirtualClock()


@pytest.fixture
def simulated_ecs(
    ecs_world: EcsWorld, virtual_clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimulatedEcs]:
    """Start a simulated ECS, the only one that clients of the process reach; the journal is in ``tmp_path``."""
    from .ecs import SimulatedEcs  # noqa: PLC0415 - only for a test that asks for it

    journal = tmp_path / "journal.db"
    with SimulatedEcs(ecs_world, clock=virtual_clock, journal=journal, change_environment=False) as ecs:
        # monkeypatch undoes the changes of the test first, and then comes this: in that order the environment is
        # restored
        for name, value in ecs.environment.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        yield ecs
