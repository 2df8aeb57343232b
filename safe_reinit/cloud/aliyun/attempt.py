"""One request on its way: how long it may take, how much may come back, and whether it may still leave.

Whether it left is noted by the connection itself, immediately before the first byte.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...clock import boottime

CONNECT_TIMEOUT = 10.0
"""Real seconds for all that comes before the first byte: name, TCP, proxy, TLS."""
MAX_ANSWER_BYTES = 16 * 2**20
"""Bytes of an answer, unpacked. The largest page asked for, 500 disks with all the tags there can be, is below it."""
_MOST_RAW = MAX_ANSWER_BYTES + 2**20
"""Bytes read from a connection for one answer: head, sizes of pieces and what a proxy says included."""
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
        hint: what to do, where it is not the network; ``""`` where it is.

    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.hint = _HINTS.get(why.partition(": ")[0], "")


class LostError(Exception):
    """The request may have arrived, and no whole answer came; its text says why, in our words."""


class ForbiddenError(Exception):
    """The attempt may not leave (any more)."""


class TooLargeError(Exception):
    """More came than is read."""


@dataclass(frozen=True)
class Reply:
    """What came back, whatever it means."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes


class Attempt:
    """One request on its way. Safe to use from several threads: another one may abandon it.

    Args:
        answer: real seconds from the first byte of the request to the last one of the answer.
        connect: real seconds for all that comes before.
        forbidden: asked immediately before the first byte; a text says why the request must not leave, ``""`` lets it.

    Attributes:
        left: whether a byte of the request may have left this machine.
        status: the HTTP status of the answer, once it began to come.

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
        """Count its time from now on: what it took to sign the request is not the network's."""
        self._until = boottime() + self._connect

    def remaining(self) -> float:
        """Return the real seconds that are left of the present step.

        Raises:
            TimeoutError: none.
        """
        rest = self._until - boottime()
        if rest <= 0:
            raise TimeoutError
        return rest

    def leave(self) -> None:
        """Note that the request leaves: to be called immediately before its first byte.

        Raises:
            TimeoutError: too much time passed before.
            ForbiddenError: it was abandoned, or must not leave.
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
        """Forbid it to leave from now on; return whether it is certain that it never did."""
        with self._lock:
            self._abandoned = self._abandoned or why
            return not self.left

    def limit(self, sock: Any) -> None:  # noqa: ANN401 - a socket, or one of urllib3's that acts as one
        """Limit the next operation of a socket to the time that is left.

        Raises:
            TimeoutError: the time is over, however steadily something came.
        """
        sock.settimeout(self.remaining())

    def count(self, received: int) -> None:
        """Count bytes that were read.

        Raises:
            TooLargeError: more came than any answer has.
        """
        self._received += received
        if self._received > _MOST_RAW:
            raise TooLargeError


def cannot_make(error: Exception) -> NotLeftError:
    """Return that a request failed before it was on its way, by the kind of the error: its text may hold anything."""
    failed = NotLeftError(CANNOT_MAKE)
    failed.args = (f"{CANNOT_MAKE} ({type(error).__name__})",)
    return failed
