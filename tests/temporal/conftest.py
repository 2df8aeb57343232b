"""A Temporal server for the session, and workers and clients of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("temporalio")

from safe_reinit.client import Client
from tests import temporals
from tests.temporals import Nursery, Temporal


@pytest.fixture(scope="session")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Temporal]:
    """Start a server for all tests of this process."""
    server = Temporal(tmp_path_factory.mktemp("temporal"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Start the process that workers are forked from."""
    with Nursery() as made:
        yield made


@pytest.fixture
def work(temporal: Temporal, tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Let a worker of this process serve a simulator, and give a client whose runs go on there."""
    with ExitStack() as stack:

        def serve(sim: Any, rate: float = temporals.RATE, **settings: Any) -> Client:
            stack.enter_context(temporals.working(temporal, sim, tmp_path / "worker.db", rate))
            return temporals.client(temporal, sim, tmp_path / "journal.db", rate=rate, **settings)

        yield serve
