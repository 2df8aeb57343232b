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

    def saw(self, call: Call) -> None:
        """Count a call that has ended; its place is taken from its end, since it may have arrived as late as that."""
        now = self._clock.time()
        with self._lock:
            self._recent(call.action, now).append(now)
            closed_until = self._closed_until.get(call.action)
            asks_on = closed_until is not None and now >= closed_until
            if throttled(call.code):
                if not asks_on:
                    self._close(call.action, (math.floor(now / _WINDOW) + 1) * _WINDOW)
            elif asks_on:
                del self._closed_until[call.action]

    def wait(self, action: str, seconds: float) -> None:
        """Make no call of an API for so long: ECS itself asked for that (x-acs-retry-after)."""
        until = self._clock.time() + seconds
        with self._lock:
            self._close(action, until)

    def most(self, action: str) -> int:
        """Tell how many calls this run makes in a minute at most."""
        return max(1, int(LIMITS[action] * self._share)) if action in LIMITS else 1_000_000

    def closed(self, action: str) -> bool:
        """Tell whether an API throttled and is not to be called at all for now."""
        now = self._clock.time()
        with self._lock:
            return now < self._closed_until.get(action, now)

    def free(self, action: str, ahead: float = 0.0) -> int:
        """Tell how many calls may be made now, or ``ahead`` cloud seconds from now if none is made until then."""
        now = self._clock.time()
        then = now + ahead
        with self._lock:
            called = self._recent(action, now)
            closed_until = self._closed_until.get(action)
            if closed_until is not None and (called or now < closed_until + _WINDOW):
                may_ask = then >= closed_until and (not called or called[-1] <= then - _PROBE)
                return 1 if may_ask else 0
            self._closed_until.pop(action, None)  # nobody asked in the minute after: nothing is known of it any more
            return max(0, self.most(action) - sum(at > then - _WINDOW for at in called))

    def _recent(self, action: str, now: float) -> deque[float]:
        """Forget the calls that no window holds any more, and give the others."""
        called = self._called[action]
        while called and called[0] <= now - _WINDOW:
            called.popleft()
        return called

    def _close(self, action: str, until: float) -> None:
        self._closed_until[action] = max(until, self._closed_until.get(action, until))
