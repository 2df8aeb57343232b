"""Pace: how many calls of an API this run may make now, so that the account's quota is not used up.

ECS counts the calls of an account in a region by API, whoever makes them: console, scripts, Terraform (ECS, API
throttling). Where a limit is documented, a share of it is used from the start. Who is throttled nevertheless is refused
for the rest of the minute, and then asks once a second until an answer comes.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict, deque

from .clock import Clock
from .codes import throttled
from .model import Call

LIMITS = {"ReInitDisk": 500}
"""Calls in 60 seconds by account and region (ECS API reference, ReInitDisk). Of other APIs none is documented."""
_WINDOW = 60.0
_PROBE = 1.0


class Pace:
    """Counts what was called and tells what may be. Safe to use from several threads.

    Args:
        share: the part of a documented limit that this run uses; the rest is for others.

    """

    def __init__(self, clock: Clock, share: float = 1.0) -> None:
        self._clock = clock
        self._share = share
        self._lock = threading.Lock()
        self._called: defaultdict[str, deque[float]] = defaultdict(deque)
        self._closed_until: dict[str, float] = {}
        """By API that throttled: until when it is not called; then, until an answer comes, once a second."""
        self.throttles = 0

    def saw(self, call: Call) -> None:
        """Count a call that has ended; its place is taken from its end, since it may have arrived as late as that."""
        now = self._clock.time()
        with self._lock:
            self._called[call.action].append(now)
            if throttled(call.code):
                self.throttles += 1
                self._closed_until[call.action] = (math.floor(now / _WINDOW) + 1) * _WINDOW
            elif call.action in self._closed_until and now >= self._closed_until[call.action]:
                del self._closed_until[call.action]

    def most(self, action: str) -> int:
        """Tell how many calls this run makes in a minute at most."""
        return max(1, int(LIMITS[action] * self._share)) if action in LIMITS else 1_000_000

    def free(self, action: str, ahead: float = 0.0) -> int:
        """Tell how many calls may be made now, or ``ahead`` cloud seconds from now if none is made until then."""
        then = self._clock.time() + ahead
        with self._lock:
            called = self._called[action]
            while called and called[0] <= then - ahead - _WINDOW:
                called.popleft()
            if action in self._closed_until:
                open_ = then >= self._closed_until[action] and (not called or called[-1] <= then - _PROBE)
                return 1 if open_ else 0
            return max(0, self.most(action) - sum(at > then - _WINDOW for at in called))
