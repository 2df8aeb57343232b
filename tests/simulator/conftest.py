"""Simulators for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.simulator.support import Simulate, Still


@pytest.fixture
def simulate() -> Iterator[Simulate]:
    """Start simulators that end with the test."""
    with ExitStack() as stack:

        def start(world: Any = None, **more: Any) -> Still:
            return stack.enter_context(Still(world=world, **more))

        yield start


@pytest.fixture
def sim(simulate: Simulate) -> Still:
    """Start the default world."""
    return simulate()
