"""Blocks the way to the real cloud: anything that a library of the process tries to reach there is refused."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

_DOMAINS = ("aliyuncs.com", "aliyun.com", "alibabacloud.com")
_METADATA = "100.100.100.200"
"""Where an instance asks for the credentials of its RAM role."""


class RealCloudError(RuntimeError):
    """A test tried to reach Alibaba Cloud itself; nothing was sent."""


@contextmanager
def no_real_cloud() -> Iterator[None]:
    """Resolve no host of Alibaba Cloud while the block lasts."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *given: Any, **more: Any) -> Any:  # noqa: ANN401 - what the real one takes and returns
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        name = name.rstrip(".").lower()
        if name == _METADATA or any(name == domain or name.endswith(f".{domain}") for domain in _DOMAINS):
            raise RealCloudError(
                f"A test may only reach its simulated ECS, and something tried to reach {name}. Nothing was sent. "
                "Give your own SDK client the endpoint of the simulated ECS and the protocol http."
            )
        return resolve(host, *given, **more)

    with mock.patch.object(socket, "getaddrinfo", getaddrinfo):
        yield
