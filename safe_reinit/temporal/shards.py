"""What a run offers to be carried. Everything that is decided or known about it is in its journal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Stage:
    """What is to be done next. It is kept in Temporal's histories, so a new member needs a default."""

    shards: tuple[int, ...] = ()
    """Numbers of the shards to carry now, in this order; those of one stage."""
    at_once: int = 1
    """How many of them are carried at once."""
    question: str = ""
    """What somebody must agree to before the next shards begin; then there are none here."""
    over: bool = False
    """Nothing is left to carry, and the report of the run is in the journal."""
    outcome: str = ""
    """What the run came to, once it is over."""


class Shards(Protocol):
    """The shards of the runs of one journal.

    ``UsageError`` and ``RunRefused`` are for a person, and fail the workflow with their sentence. Any other error is
    one that passes: the same is asked again a few seconds later, for as long as that takes.
    """

    def next_stage(self, run_id: str, digest: str) -> Stage:
        """Return what is to be done next; idempotent. It is given two minutes, and is then asked a second time."""

    def carry(
        self, run_id: str, shard: int, digest: str, alive: Callable[[], None], hand_over: threading.Event
    ) -> bool:  # fmt: skip
        """Carry a shard, and return whether it is written down as ended, by whatever process.

        It waits for the lease of another holder for as long as that lasts. The end of a run that somebody cancelled is
        read from the journal.

        Args:
            run_id: the run.
            shard: the number of the shard.
            digest: the digest of the plan that was agreed to.
            alive: is to be called at least every few seconds, from any thread; it never blocks or raises.
            hand_over: once set, no further machine begins. Those that are under way are brought to their end and back
                up, the lease is let go, and the answer is ``False`` if machines are left.
        """

    def cancel(self, run_id: str) -> None:
        """Ask in the journal for the end of the run, in order; as often as one likes."""
