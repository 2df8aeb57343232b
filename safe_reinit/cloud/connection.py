"""How the cloud is reached: its endpoints, the key that signs, and who answers there."""

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
    """A cloud, and what all gateways to it share."""

    credentials: Credentials | None = None
    """The key that signs, shared by all gateways to this cloud; otherwise each has its own."""
    origin: Origin = field(default_factory=Origin, compare=False)
    """Who answers there, shared in the same way."""
    cloud: CloudFactory | None = field(default=None, compare=False)
    """Makes the cloud, if the library's user passed one in."""
