"""The cloud, implemented with Alibaba Cloud's own SDK.

Only this package imports the SDK, and only after ``make_gateway`` is called.

| file | what is in it |
|---|---|
| ``client`` | the cloud, put together from the next four |
| ``calls`` | the calls that change something: each is sent once |
| ``reads``, ``other_products`` | the Describe calls of ECS, and of other products |
| ``dry_runs`` | what ECS says about a call with DryRun |
| ``exchange`` | one HTTP exchange: what ECS answered, or why there is no answer |
| ``sdk``, ``attempt``, ``transport``, ``wire`` | how the SDK's requests are sent: once, within a time limit |
| ``row``, ``shapes``, ``answers`` | reading answers: every field is checked |
| ``credentials``, ``sources``, ``profile``, ``keys`` | where credentials come from, and how they are renewed |
| ``cliconfig``, ``command`` | the aliyun CLI's configuration file, and the command that some of its profiles run |
| ``simulated`` | whether the simulator answers at an address |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..connection import Connection
    from ..interface import MaySend, OnCall
    from .client import Aliyun

__all__ = ["make_gateway"]


def make_gateway(connection: Connection, on_call: OnCall, may_send: MaySend = lambda _action: "") -> Aliyun:
    """Make a gateway to the cloud at this place. Nothing is sent yet.

    Args:
        connection: the cloud, and whose credentials are used.
        on_call: is called for each HTTP exchange.
        may_send: is asked immediately before the first byte of a changing call; see ``MaySend``.

    """
    from .client import Aliyun  # noqa: PLC0415 - the SDK takes half a second to import
    from .exchange import Exchange  # noqa: PLC0415 - as above

    return Aliyun(Exchange(connection, on_call, may_send))
