"""How many calls of an API a run may make now, so that the account's quota is not used up.

ECS limits the calls of each API by account and region, and counts those of the console, of scripts and of Terraform
too (ECS, API throttling). Where a limit is documented, the run uses a share of it from the start. Once ECS throttles an
API, it refuses that API for the rest of the minute; the run then tries once a second until it gets an answer.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque

from ..codes import throttled

LIMITS = {"ReInitDisk": 500}
"""Calls in 60 seconds by account and region (ECS API reference, ReInitDisk). Of other APIs none is documented."""
_WINDOW = 60.0
_PROBE_EVERY = 1.0


class RateLimiter:
    """Counts what was called and says what may be. Times are cloud seconds.

    Args:
        share: the part of a documented limit that this run uses; the rest is for others.

    """

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._called: defaultdict[str, deque[float]] = defaultdict(deque)
        self._closed_until: dict[str, float] = {}
        """By API that throttled: until when it is not called; then, until an answer comes, once a second."""

    def record(self, action: str, code: str, at: float) -> None:
        """Count a call that has ended; its place is taken from its end, since it may have arrived as late as that."""
        self._recent(action, at).append(at)
        closed_until = self._closed_until.get(action)
        asks_on = closed_until is not None and at >= closed_until
        if throttled(code):
            if not asks_on:
                self._close(action, (math.floor(at / _WINDOW) + 1) * _WINDOW)
        elif asks_on:
            del self._closed_until[action]

    def close(self, action: str, at: float, seconds: float) -> None:
        """Make no call of an API for so long: ECS itself asked for that (x-acs-retry-after)."""
        self._close(action, at + seconds)

    def most(self, action: str) -> int:
        """Return how many calls this run makes in a minute at most."""
        return max(1, int(LIMITS[action] * self._share)) if action in LIMITS else 1_000_000

    def closed(self, action: str, at: float) -> bool:
        """Return whether an API throttled and is not to be called at all for now."""
        return at < self._closed_until.get(action, at)

    def free(self, action: str, at: float, ahead: float = 0.0) -> int:
        """Return how many calls may be made now, or ``ahead`` seconds from now if none is made until then."""
        then = at + ahead
        called = self._recent(action, at)
        closed_until = self._closed_until.get(action)
        if closed_until is not None and (called or at < closed_until + _WINDOW):
            may_ask = then >= closed_until and (not called or called[-1] <= then - _PROBE_EVERY)
            return 1 if may_ask else 0
        self._closed_until.pop(action, None)  # nobody asked in the minute after: nothing is known of it any more
        return max(0, self.most(action) - sum(called_at > then - _WINDOW for called_at in called))

    def _recent(self, action: str, at: float) -> deque[float]:
        """Forget the calls that no window holds any more, and return the others."""
        called = self._called[action]
        while called and called[0] <= at - _WINDOW:
            called.popleft()
        return called

    def _close(self, action: str, until: float) -> None:
        self._closed_until[action] = max(until, self._closed_until.get(action, until))
