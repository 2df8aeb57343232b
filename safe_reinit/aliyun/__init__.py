"""The cloud over Alibaba Cloud's own SDK: the only package that imports it, and only once ``connect`` is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cloud import OnCall
    from .client import Aliyun
    from .endpoints import Where

__all__ = ["connect"]


def connect(where: Where, on_call: OnCall) -> Aliyun:
    """Make a gateway to the cloud at this place; every HTTP exchange is told to ``on_call``. Nothing is sent yet."""
    from .client import Aliyun  # noqa: PLC0415 - the SDK takes half a second to import

    return Aliyun(where, on_call)
