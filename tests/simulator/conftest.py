"""Simulators for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from safe_reinit.simulator import Simulator
from tests.simulator.support import FAST, Simulate


@pytest.fixture
def simulate() -> Iterator[Simulate]:
    """Start simulators that end with the test."""
    with ExitStack() as stack:

        def start(world: Any = None, speed: float = FAST, **more: Any) -> Simulator:
            return stack.enter_context(Simulator(world=world, speed=speed, **more))

        yield start


@pytest.fixture
def sim(simulate: Simulate) -> Simulator:
    """Start the default world, fast."""
    return simulate()
