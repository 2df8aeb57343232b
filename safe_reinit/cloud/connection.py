"""How the cloud is reached: where it is, whose key signs, and who answers there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .aliyun.simulated import Origin
from .endpoints import Place

if TYPE_CHECKING:
    from .aliyun.credentials import Credentials
    from .interface import CloudFactory


@dataclass(frozen=True)
class Connection(Place):
    """A place, and what all gateways to it share."""

    credentials: Credentials | None = None
    """Whose key signs, shared by all gateways to this place; else each has its own."""
    origin: Origin = field(default_factory=Origin, compare=False)
    """Who answers there, shared likewise."""
    cloud: CloudFactory | None = field(default=None, compare=False)
    """Makes the cloud, where the library's user hands one in."""
