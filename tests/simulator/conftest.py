"""Simulators for the tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.simulator.support import Simulate, Still


@pytest.fixture(autouse=True)
def _trusts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the SDK the authorities of the machine: to read them for each client takes longer than most tests here."""
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)


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
