"""The cloud over Alibaba Cloud's own SDK: the only package that imports it, and only once ``connect`` is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..connection import Connection
    from ..interface import MaySend, OnCall
    from .client import Aliyun

__all__ = ["connect"]


def connect(connection: Connection, on_call: OnCall, may_send: MaySend = lambda _action: "") -> Aliyun:
    """Make a gateway to the cloud at this place. Nothing is sent yet.

    Args:
        connection: the cloud, and whose credentials are used.
        on_call: is called for each HTTP exchange.
        may_send: is asked immediately before the first byte of a changing call; see ``MaySend``.

    """
    from .client import Aliyun  # noqa: PLC0415 - the SDK takes half a second to import
    from .exchange import Exchange  # noqa: PLC0415 - as above

    return Aliyun(Exchange(connection, on_call, may_send))
