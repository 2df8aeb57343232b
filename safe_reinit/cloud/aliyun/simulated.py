"""Whether our simulator answers at an endpoint, as opposed to the real cloud or a tunnel to it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..endpoints import Endpoint

MARK = "x-safe-reinit-simulator"
"""The header with which the simulator marks every answer; ECS does not send it."""
_PROBE_TIMEOUT = 3.0
"""Real seconds for its answer."""


class Origin:
    """Who answers at an endpoint, learned from the answers. One answer without the mark means: no simulator."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._simulated: bool | None = None

    @property
    def simulated(self) -> bool:
        """Whether every answer so far came from our simulator; ``False`` before the first."""
        return self._simulated is True

    def answered(self, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        """Record one answer.

        Args:
            endpoint: who was asked.
            headers: of the answer, by lower-case name.
        """
        if self._simulated is False:
            return
        with self._lock:
            if MARK not in headers or not endpoint.loopback:
                self._simulated = False
            elif self._simulated is None:
                self._simulated = _has_a_record(endpoint)


def _has_a_record(endpoint: Endpoint) -> bool:
    """Ask for something that only the simulator has: its record, which is marked like each of its answers."""
    if endpoint.scheme != "http":
        return False
    line = http.client.HTTPConnection(endpoint.host, timeout=_PROBE_TIMEOUT)
    try:
        line.request("GET", "/_simulator/state")
        answer = line.getresponse()
        return answer.status == 200 and answer.getheader(MARK) is not None and answer.read(1) == b"{"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()
