"""One request in progress: how long it may take, how much it may receive, and whether it may still be sent.

The connection itself records that it was sent, immediately before the first byte.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...clock import boottime

CONNECT_TIMEOUT = 10.0
"""Real seconds for everything before the first byte: name resolution, TCP, proxy, TLS."""
MAX_ANSWER_BYTES = 16 * 2**20
"""Bytes of an answer, decompressed. The largest page requested, 500 disks with as many tags as possible, is smaller."""
_MOST_RAW = MAX_ANSWER_BYTES + 2**20
"""Bytes read from a connection for one answer, including the head, chunk sizes and what a proxy says."""
CANNOT_MAKE = "the request could not be made"
NO_CERTIFICATES = "the certificates to trust cannot be read"
NO_TLS = "no trusted TLS connection could be made"
_HINTS = {
    CANNOT_MAKE: "Nothing was sent, and the network is not the cause. Check the key id, names and "
    "parameters for characters that HTTP cannot carry, such as a line break; if there are none, please report it.",
    NO_CERTIFICATES: "Correct --ca-bundle, else REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE, whichever is set.",
    NO_TLS: "Use --ca-bundle with the authority that signed the certificate, or check --endpoint and the proxy.",
}


class NotLeftError(Exception):
    """No byte of the request left this machine; its text says at which step it failed, in our words.

    Attributes:
        hint: what to do, if the network is not the cause; otherwise ``""``.

    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.hint = _HINTS.get(why.partition(": ")[0], "")


class LostError(Exception):
    """The request may have arrived, but no complete answer came; its text says why, in our words."""


class ForbiddenError(Exception):
    """The attempt may not be sent (any more)."""


class TooLargeError(Exception):
    """More bytes arrived than are accepted."""


@dataclass(frozen=True)
class Reply:
    """What came back, whatever it means."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes


class RequestInProgress:
    """One request in progress. Safe to use from several threads: another thread may abandon it.

    Args:
        answer: real seconds from the first byte of the request to the last one of the answer.
        connect: real seconds for everything before that.
        forbidden: asked immediately before the first byte; a text says why the request must not be sent, ``""`` permits
            it.

    Attributes:
        left: whether a byte of the request may have left this machine.
        status: the HTTP status of the answer, once it has begun to arrive.

    """

    def __init__(self, answer: float, connect: float | None = None, forbidden: Callable[[], str] = lambda: "") -> None:
        self.left = False
        self.status: int | None = None
        self.step = CANNOT_MAKE
        self._answer = answer
        self._forbidden = forbidden
        self._connect = CONNECT_TIMEOUT if connect is None else connect
        self._until = 0.0
        self._received = 0
        self._abandoned = ""
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Start counting its time: the time it took to sign the request is not the network's."""
        self._until = boottime() + self._connect

    def remaining(self) -> float:
        """Return the real seconds left for the current step.

        Raises:
            TimeoutError: none are left.
        """
        rest = self._until - boottime()
        if rest <= 0:
            raise TimeoutError
        return rest

    def leave(self) -> None:
        """Record that the request is sent; call this immediately before its first byte.

        Raises:
            TimeoutError: too much time has passed.
            ForbiddenError: it was abandoned, or must not be sent.
        """
        with self._lock:
            if self.left:
                return
            self.remaining()
            why = self._abandoned or self._forbidden()
            if why:
                self.step = why
                raise ForbiddenError
            self.left = True
        self._until = boottime() + self._answer

    def abandon(self, why: str) -> bool:
        """Forbid sending it from now on; return whether it is certain that it was never sent."""
        with self._lock:
            self._abandoned = self._abandoned or why
            return not self.left

    def limit(self, sock: Any) -> None:  # noqa: ANN401 - a socket, or one of urllib3's that acts as one
        """Limit the next operation of a socket to the time that is left.

        Raises:
            TimeoutError: the time is over, however steadily data arrived.
        """
        sock.settimeout(self.remaining())

    def count(self, received: int) -> None:
        """Count bytes that were read.

        Raises:
            TooLargeError: more arrived than any answer has.
        """
        self._received += received
        if self._received > _MOST_RAW:
            raise TooLargeError


def cannot_make(error: Exception) -> NotLeftError:
    """Return how a request failed before it was sent, by the kind of the error: its text may contain anything."""
    failed = NotLeftError(CANNOT_MAKE)
    failed.args = (f"{CANNOT_MAKE} ({type(error).__name__})",)
    return failed
