"""TLS in front of a server that has none: a proxy that shows a certificate, may demand one, and reads the requests."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hpack import Decoder

_PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
_HEADERS, _CONTINUATION = 1, 9
_END_HEADERS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, in files."""

    path: Path
    key: Path


class Authority:
    """A CA for tests."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = folder / f"{name}.pem"
        ca = x509.BasicConstraints(ca=True, path_length=None)
        made = self._certificate(self._subject, self._key.public_key()).add_extension(ca, critical=True)
        self._write(self.path, made)

    def issue(self, name: str) -> Certificate:
        """Issue a certificate for a DNS name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        path = self._folder / f"{self._name}-{name}.pem"
        self._write(path, self._certificate(subject, key.public_key()).add_extension(names, critical=False))
        kept = path.with_suffix(".key")
        kept.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return Certificate(path, kept)

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    def _write(self, path: Path, made: x509.CertificateBuilder) -> None:
        path.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


@dataclass
class Requests:
    """Reads the headers of the requests of one HTTP/2 connection (RFC 9113, 4.1 and 6.2)."""

    _left: bytearray = field(default_factory=bytearray)
    _block: bytearray = field(default_factory=bytearray)
    _decoder: Decoder = field(default_factory=Decoder)
    _greeted: bool = False

    def read(self, data: bytes) -> Iterator[dict[str, str]]:
        """Give the headers of each request that ends in this piece of what was sent."""
        self._left += data
        if not self._greeted:
            if len(self._left) < _PREFACE:
                return
            self._greeted = True
            del self._left[:_PREFACE]
        while len(self._left) >= 9 and len(self._left) >= 9 + int.from_bytes(self._left[:3], "big"):
            length, kind, flags = int.from_bytes(self._left[:3], "big"), self._left[3], self._left[4]
            frame = bytes(self._left[9 : 9 + length])
            del self._left[: 9 + length]
            if kind == _HEADERS:
                self._block = bytearray(_unpadded(frame, flags))
            elif kind == _CONTINUATION:
                self._block += frame
            if kind in (_HEADERS, _CONTINUATION) and flags & _END_HEADERS:
                yield {str(name): str(value) for name, value in self._decoder.decode(bytes(self._block))}


def _unpadded(frame: bytes, flags: int) -> bytes:
    padding = 0
    if flags & _PADDED:
        padding, frame = frame[0], frame[1:]
    if flags & _PRIORITY:
        frame = frame[5:]
    return frame[: len(frame) - padding]


@dataclass
class Proxy:
    """What a proxy heard."""

    port: int = 0
    requests: list[dict[str, str]] = field(default_factory=list)
    """The headers of each request."""

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def proxied(port: int, shown: Certificate, demanded: Authority | None = None) -> Iterator[Proxy]:
    """Let a proxy stand before a port of this machine; it demands a certificate of an authority where one is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.path, shown.key)
    context.set_alpn_protocols(["h2"])
    if demanded is not None:
        context.load_verify_locations(demanded.path)
        context.verify_mode = ssl.CERT_REQUIRED
    proxy, ready = Proxy(), threading.Event()
    loop, end = asyncio.new_event_loop(), asyncio.Event()
    loop.set_exception_handler(lambda *_: None)  # who is not let in
    thread = threading.Thread(target=loop.run_until_complete, args=(_serve(proxy, port, context, ready, end),))
    thread.start()
    assert ready.wait(10.0)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10.0)
        loop.close()


async def _serve(proxy: Proxy, port: int, context: ssl.SSLContext, ready: threading.Event, end: asyncio.Event) -> None:
    at_work: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        at_work.add(task)
        try:
            await _between(proxy, port, reader, writer)
        finally:
            writer.close()  # also where the end came before there was anything to carry
            at_work.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    proxy.port = server.sockets[0].getsockname()[1]
    ready.set()
    await end.wait()
    server.close()
    for task in at_work:
        task.cancel()
    await asyncio.gather(*at_work, return_exceptions=True)


async def _between(proxy: Proxy, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry what both sides say, until one of them has said everything."""
    theirs, ours = await asyncio.open_connection("127.0.0.1", port)
    requests = Requests()

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, heard: Requests | None) -> None:
        while data := await source.read(65536):
            proxy.requests += heard.read(data) if heard is not None else ()
            target.write(data)
            await target.drain()

    sides = [asyncio.ensure_future(carry(reader, ours, requests)), asyncio.ensure_future(carry(theirs, writer, None))]
    try:
        await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in sides:
            each.cancel()
        await asyncio.gather(*sides, return_exceptions=True)
        for line in (ours, writer):
            line.close()
            with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.TimeoutError):
                await asyncio.wait_for(line.wait_closed(), 2.0)
