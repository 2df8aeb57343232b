"""The one simulated ECS that every client of this process reaches while a test of a program runs.

Only ``safe_reinit.testing`` begins one. Until it ends, no client reaches anything else, whatever it was given.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from ..clock import Clock
    from .endpoints import Endpoint
    from .given import SecretKey


@dataclass(frozen=True)
class Simulation:
    """A simulated ECS that replaces every cloud, with what all its clients share."""

    endpoint: Endpoint
    access_key: SecretKey
    journal: str
    """The file that replaces every journal."""
    clock: Clock

    def demand(self, endpoint: Endpoint | None) -> None:
        """Check that a client is for this simulated ECS.

        Raises:
            UsageError: it is for another cloud; nothing was sent there.
        """
        if endpoint != self.endpoint:
            raise UsageError(
                f"A test may only reach its simulated ECS, and this client is for "
                f"{endpoint.url if endpoint else 'Alibaba Cloud'}. Nothing was sent.",
                hint="Give it no endpoint, and make it during the test: not on import, and not for several tests.",
            )


_active: list[Simulation] = []


def active() -> Simulation | None:
    """Return the present simulation, if there is one."""
    return _active[0] if _active else None


@contextmanager
def only(simulation: Simulation) -> Iterator[None]:
    """Keep every client of this process from reaching anything else while the block lasts.

    Raises:
        RuntimeError: there already is one.
    """
    if _active:
        raise RuntimeError("This process already has a simulated ECS, and can have only one at a time.")
    _active.append(simulation)
    try:
        yield
    finally:
        _active.remove(simulation)
