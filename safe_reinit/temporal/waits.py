"""How long what ECS is at work on usually takes, so that it is looked at when its time has come and not before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..gate import UNDER_WAY, waits_for
from ..model import Observation, Record
from ..run import TICK


class Usual:
    """What one worker knows of it: by what is waited for, the shortest time it took."""

    def __init__(self) -> None:
        self._took: dict[str, float] = {}

    def learn(self, before: Sequence[Any] | None, known: Record, seen: Observation) -> Sequence[Any] | None:
        """Tell for what ECS makes a job wait now, and learn from a wait that has ended."""
        now = waits_for(known)
        if before is not None and seen.seen and (now is None or now[0] != before[0]) and not known.turned_back:
            took = seen.at - before[1]
            self._took[before[0]] = min(took, self._took.get(before[0], took))
        return list(now) if now else None

    def left(self, waiting: Sequence[Any] | None, at: float) -> float:
        """Tell for how many cloud seconds from ``at`` nothing is to be seen; 0 where that is not known, or too little.

        Args:
            waiting: for what a job waits, and since when.
        """
        if waiting is None or waiting[0] not in self._took:
            return 0.0
        left = float(waiting[1]) + self._took[waiting[0]] - at
        return min(left, UNDER_WAY) if left > TICK else 0.0
