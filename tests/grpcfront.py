"""A gRPC server on loopback in front of a Temporal server, which wants TLS, a client certificate or an API key."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from tests.servers import Authority


@dataclass
class Front:
    """What it lets in, and what came.

    Attributes:
        keys: the API keys that it takes; empty: whatever comes.
        refuses: the status for any other key.
        seen: the key of each request, in order.
    """

    address: str
    port: int
    keys: set[str] = field(default_factory=set)
    refuses: grpc.StatusCode = grpc.StatusCode.UNAUTHENTICATED
    seen: list[str] = field(default_factory=list)


def pem_of(chain: Path) -> tuple[bytes, bytes]:
    """Split a file of a certificate and its key."""
    pem = chain.read_bytes()
    begin = pem.index(b"-----BEGIN PRIVATE KEY")
    return pem[:begin], pem[begin:]


class _Passing(grpc.GenericRpcHandler):  # type: ignore[misc] # no types
    def __init__(self, front: Front, behind: grpc.Channel) -> None:
        self._front, self._behind = front, behind

    def service(self, details: Any) -> Any:
        """Pass each call on, with the headers that Temporal reads."""
        headers = dict(details.invocation_metadata)
        key = headers.get("authorization", "").removeprefix("Bearer ")

        def passing(request: bytes, context: Any) -> Any:
            self._front.seen.append(key)
            if self._front.keys and key not in self._front.keys:
                context.abort(self._front.refuses, f"{key} is no key")
            kept = [(name, value) for name, value in headers.items() if name.startswith(("temporal-", "client-"))]
            try:
                return self._behind.unary_unary(details.method)(
                    request, timeout=context.time_remaining(), metadata=kept
                )  # fmt: skip
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())  # type: ignore[attr-defined]

        return grpc.unary_unary_rpc_method_handler(passing)


@contextmanager
def front_of(port: int, authority: Authority, *, wants_certificate: bool = False) -> Iterator[Front]:
    """Stand in front of the server at a port while the block lasts."""
    cert, key = pem_of(authority.chain)
    credentials = grpc.ssl_server_credentials([(key, cert)], authority.bundle.read_bytes(), wants_certificate)
    threads = futures.ThreadPoolExecutor(64)  # a poll keeps one for a minute
    behind = grpc.insecure_channel(f"127.0.0.1:{port}")
    try:
        server = grpc.server(threads)
        own = server.add_secure_port("127.0.0.1:0", credentials)
        front = Front(f"127.0.0.1:{own}", own)
        server.add_generic_rpc_handlers((_Passing(front, behind),))
        server.start()
        yield front
        server.stop(None)
    finally:
        behind.close()  # which ends the polls that are under way
        threads.shutdown()
