"""How many calls of an API a run may make now without using up the account's quota.

ECS limits the calls of each API by account and region, including those of the console, scripts and Terraform (ECS, API
throttling). If a limit is documented, the run uses a share of it from the start. Once ECS throttles an API, it refuses
that API for the rest of the minute; the run then tries until it gets an answer, at first once a second.

How much of a quota others leave is documented nowhere: it shows when ECS throttles. What ECS accepted in the minute
before is the observed quota; what it accepted from other runs is known if they write to the same journal. From then on
a machine is stopped only if the observed quota has room for its wipes. Machines that are already down try beyond it, at
first rarely: a throttled call harms nobody, but a waiting machine does.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque

from ..model import InUse, Measurement
from ..model.error_codes import throttled

LIMITS = {"ReInitDisk": 500}
"""Calls in 60 seconds by account and region (ECS API reference, ReInitDisk). No limit of another API is documented."""
_RATE_WINDOW = 60.0
_PROBE_INTERVAL = 1.0
_MAX_PROBE_INTERVAL = 10.0
"""The longest time between tries while ECS throttles for minutes; each wait is a quarter of the time until then."""
_QUOTA_GROWTH = 1.25
"""By how much the observed quota grows after a minute in which it was used and nothing was throttled."""


class _Api:
    """What is known of the quota of one API. Times are cloud seconds."""

    def __init__(self) -> None:
        self.taken: deque[float] = deque()
        """When the calls of the last minute ended that ECS did not throttle."""
        self.of_others: tuple[tuple[float, int], ...] = ()
        """When ECS accepted how many calls of other runs."""
        self.called_at = -math.inf
        """When the last call ended, throttled or not."""
        self.closed_until: float | None = None
        """After throttling: until when it is not called. After that, a call is only a try until one is answered."""
        self.measured_quota: int | None = None
        """The observed quota; ``None`` until ECS has throttled."""
        self.calm_since = -math.inf
        """Since when nothing was throttled and the observed quota has not grown."""
        self.peak = 0
        """The most calls that ECS accepted in a minute since then."""

    def used(self, at: float) -> int:
        """Count the calls that ECS accepted in the minute before, from all known runs."""
        return len(self.taken) + self._used_by_others(at - _RATE_WINDOW)

    def used_since(self, since: float) -> int:
        """Count those that it accepted since then."""
        return sum(at > since for at in self.taken) + self._used_by_others(since)

    def _used_by_others(self, since: float) -> int:
        return sum(calls for at, calls in self.of_others if at > since)


class RateLimiter:
    """Counts calls and says how many more may be made. Times are cloud seconds.

    Args:
        share: the share of a documented limit that this run uses; the rest is for others.

    """

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._apis: defaultdict[str, _Api] = defaultdict(_Api)
        self._unshared: dict[str, Measurement] = {}
        """What other runs have yet to learn, by API."""

    def record(self, action: str, code: str, at: float) -> None:
        """Count a call that has ended. It is counted from its end, since it may have arrived that late."""
        api = self._recent(action, at)
        api.called_at = at
        asks_on = api.closed_until is not None and at >= api.closed_until
        if not throttled(code):
            api.taken.append(at)
            if action in LIMITS:
                self._measure(action, taken=1)
            if asks_on:
                api.closed_until = None
            self._grow(api, self.most(action), at)
            return
        if not asks_on or at >= (api.closed_until or 0.0) + _RATE_WINDOW:
            api.measured_quota = max(1, api.used(at))
        if not asks_on:
            until = (math.floor(at / _RATE_WINDOW) + 1) * _RATE_WINDOW
            self._close(api, until)
            self._measure(action, closed_for=until - at)
        api.calm_since, api.peak = at, 0

    def close(self, action: str, at: float, seconds: float) -> None:
        """Make no call of an API for this long, because ECS asked for it (x-acs-retry-after)."""
        self._close(self._apis[action], at + seconds)
        self._measure(action, closed_for=seconds)

    def most(self, action: str) -> int:
        """Return how many calls this run makes in a minute at most."""
        return max(1, int(LIMITS[action] * self._share)) if action in LIMITS else 1_000_000

    def quota(self, action: str, at: float) -> int:
        """Return how many calls ECS is expected to accept in a minute; once it has throttled, as many as observed."""
        api, most = self._recent(action, at), self.most(action)
        return most if api.measured_quota is None else min(most, max(api.measured_quota, api.used(at)))

    def closed(self, action: str, at: float) -> bool:
        """Return whether an API throttled and must not be called at all for now."""
        closed_until = self._apis[action].closed_until
        return closed_until is not None and at < closed_until

    def free(self, action: str, at: float) -> int:
        """Return how many calls may be made now.

        Beyond the observed quota, this is one call a second at first, and more as ECS accepts them.
        """
        api = self._recent(action, at)
        since = at - api.called_at
        if self._is_throttling(api, at):
            apart = min(_MAX_PROBE_INTERVAL, max(_PROBE_INTERVAL, (at - (api.closed_until or at)) / 4))
            return int(not self.closed(action, at) and since >= apart)
        taken = api.used(at)
        left = max(0, self.most(action) - taken)
        if api.measured_quota is None:
            return left
        return min(left, max(api.measured_quota - taken, taken - api.measured_quota, int(since >= _PROBE_INTERVAL)))

    def room(self, action: str, at: float, lead_time: float) -> int:
        """Return how many calls ECS is expected to accept ``lead_time`` seconds from now if none is made until then."""
        api, then = self._recent(action, at), at + lead_time
        if self._is_throttling(api, at):
            if self.closed(action, then):
                return 0
            if not self.closed(action, at):
                return 1  # its minute is over and it has not answered yet: nobody knows how long this will last
        return max(0, self.quota(action, at) - api.used_since(then - _RATE_WINDOW))

    def within(self, lead_time: float) -> float:
        """Return how many seconds back a call counts ``lead_time`` seconds from now."""
        return max(0.0, _RATE_WINDOW - lead_time)

    def heard(self, in_use: InUse, at: float) -> None:
        """Record what other runs were using at that time."""
        for action in LIMITS:
            taken = tuple((at - ago, calls) for name, ago, calls in in_use.taken if name == action)
            self._apis[action].of_others = taken
        for action, left in in_use.closed:
            self._close(self._apis[action], at + left)

    def take_measurements(self) -> tuple[Measurement, ...]:
        """Return, once, the measurements for other runs."""
        measurements, self._unshared = tuple(self._unshared.values()), {}
        return measurements

    def _measure(self, action: str, taken: int = 0, closed_for: float = 0.0) -> None:
        before = self._unshared.get(action, Measurement(action))
        self._unshared[action] = Measurement(action, before.taken + taken, max(before.closed_for, closed_for))

    def _grow(self, api: _Api, most: int, at: float) -> None:
        """Raise the observed quota after a minute in which it was used and nothing was throttled.

        It grows to at most twice what was used. It need not have been used up, because the wipes of one machine may not
        fit into the rest of it.
        """
        api.peak = max(api.peak, api.used(at))
        if api.measured_quota is not None and at - api.calm_since >= _RATE_WINDOW:
            grown = max(api.measured_quota + 1, int(api.measured_quota * _QUOTA_GROWTH))
            api.measured_quota = min(most, max(api.measured_quota, api.peak, min(grown, 2 * api.peak)))
            api.calm_since, api.peak = at, 0

    def _recent(self, action: str, at: float) -> _Api:
        """Forget calls that no window still includes, and return what is known about an API."""
        api = self._apis[action]
        while api.taken and api.taken[0] <= at - _RATE_WINDOW:
            api.taken.popleft()
        return api

    def _is_throttling(self, api: _Api, at: float) -> bool:
        """Return whether an API throttled and has not answered since; after a minute without a call, nobody knows."""
        if api.closed_until is not None and max(api.called_at, api.closed_until) <= at - _RATE_WINDOW:
            api.closed_until = None
        return api.closed_until is not None

    def _close(self, api: _Api, until: float) -> None:
        api.closed_until = until if api.closed_until is None else max(until, api.closed_until)
