"""Requests of the library reach the simulator within this process: no socket, and no time limit for a busy machine.

Everything above is real: the SDK, signatures, what may be sent and when, and reading answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from unittest import mock
from urllib.parse import SplitResult

from ..cloud.aliyun import simulated
from ..cloud.aliyun.attempt import CANNOT_MAKE, Reply, RequestInProgress
from ..cloud.aliyun.transport import Connections
from ..cloud.endpoints import Endpoint
from ..simulator.embedded import Simulator
from ..simulator.wire.request import RawRequest
from .clock import VirtualClock


@contextmanager
def in_process(simulator: Simulator, clock: VirtualClock) -> Iterator[None]:
    """Hand the requests of the library to this simulator without a connection, while the block lasts."""
    real_send, real_probe = Connections._send, simulated._has_a_record

    def send(
        connections: Connections,
        attempt: RequestInProgress,
        url: SplitResult,
        method: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        if url.netloc != simulator.endpoint:
            return real_send(connections, attempt, url, method, headers, body)
        attempt.step = CANNOT_MAKE
        attempt.leave()
        target = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
        raw = RawRequest(method, target, {name.lower(): str(value) for name, value in headers.items()}, body)
        reply, answered = simulator.respond(raw)
        clock.advance(reply.delay)
        if reply.ending != "answer":
            raise ConnectionResetError
        attempt.status = reply.status
        return Reply(reply.status, {name.lower(): value for name, value in answered.items()}, reply.body)

    def has_a_record(endpoint: Endpoint) -> bool:
        return endpoint.host == simulator.endpoint or real_probe(endpoint)

    with (
        mock.patch.object(Connections, "_send", send),
        mock.patch.object(simulated, "_has_a_record", has_a_record),
    ):
        yield
