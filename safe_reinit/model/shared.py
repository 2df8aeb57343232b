"""What the runs of one account and region share: machines that are down at once, and calls that ECS takes in a minute.

A journal that all of them write to knows it. Whatever can be asked for is computed from the rows of jobs and calls;
nothing is counted up and down, so that a process that dies takes nothing with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Room:
    """What all runs together may have in use once another machine begins; times are cloud seconds."""

    down: int | None
    """Machines that may be down at once (``--max-parallel``); ``None`` if no further one goes down."""
    wipes: int | None
    """ReInitDisk calls that may be still to come or made in that time; ``None`` if no more are to come."""
    within: float
    """For how long a call that was made counts."""
    failures: int | None = None
    """So many jobs of the whole run may not have failed (``--stop-after-failures``); ``None`` for any number."""


@dataclass(frozen=True)
class Measurement:
    """What one run has learnt of the quota of one API, or of how long one phase takes, for the others."""

    what: str
    """The API, or the phase."""
    taken: int = 0
    """Calls that ECS took since that was last written."""
    closed_for: float = 0.0
    """Seconds for which ECS asked, by throttling, not to be called; 0 where it did not."""
    took: float = 0.0
    """Seconds, the fewest so far, in which the phase ended; 0 of an API."""


@dataclass(frozen=True)
class InUse:
    """What other runs of the same account and region have in use; times are cloud seconds."""

    down: int = 0
    """Machines that ran before and may be down, also where nobody goes on with their run now."""
    wipes: int = 0
    """ReInitDisk calls that are still to come of runs that somebody goes on with."""
    taken: tuple[tuple[str, float, int], ...] = ()
    """By API how long ago ECS took how many calls."""
    closed: tuple[tuple[str, float], ...] = ()
    """By API for how much longer ECS throttles it."""
    took: tuple[tuple[str, float], ...] = ()
    """By phase the shortest time that it took."""
    run_ids: tuple[str, ...] = ()
    """The runs with machines down, or wipes to come."""
    instance_id: str = ""
    """The machine that is down, or one of them."""
    idle: tuple[str, ...] = ()
    """Those of the runs with machines down that nobody is at work on."""
    ahead: int = 0
    """ReInitDisk calls of machines that have not begun yet in the shards before this one of the same run."""
    failed: int = 0
    """Jobs that have failed in the other shards of the same run."""

    def at_rate(self, rate: float) -> InUse:
        """Return the same where a real second is so many cloud seconds."""
        return replace(
            self,
            taken=tuple((action, ago * rate, calls) for action, ago, calls in self.taken),
            closed=tuple((action, left * rate) for action, left in self.closed),
            took=tuple((phase, seconds * rate) for phase, seconds in self.took),
        )

    def reason(self, most: int) -> str:
        """Return for what a run waits that allows so many machines down at once; ``""`` if nothing is in use."""
        runs = f"run{'' if len(self.run_ids) == 1 else 's'} {', '.join(self.run_ids)}"
        if not self.down:
            return f"{runs} will use up the quota of ReInitDisk" if self.wipes else ""
        are = f"{self.instance_id} is" if self.down == 1 else f"{self.down} machines are"
        down = f"{are} down in {runs}, and at most {most} may be down at once (--max-parallel)"
        idle = (
            f"; no process is working on {', '.join(self.idle)}: safe-reinit resume {self.idle[0]}" if self.idle else ""
        )
        return f"{down}{idle}"

    def taken_within(self, action: str, seconds: float) -> int:
        """Count the calls of an API that ECS took in the last seconds."""
        return sum(calls for name, ago, calls in self.taken if name == action and ago < seconds)


@dataclass(frozen=True)
class ShardProgress:
    """How far a shard of a run has come, as the journal has it."""

    number: int
    digest: str
    """Of its plan: 64 hex."""
    ended: bool
    """Whether it is written down how it ended."""
    outcomes: tuple[bool | None, ...]
    """Of each of its jobs whether it ended done; ``None`` while it has not ended."""
    cannot_end_done: int
    """How many of those that have not ended cannot end done any more."""


@dataclass(frozen=True)
class Stage:
    """Which shards of a run are to be carried now. It is kept in Temporal's histories: a new member needs a default."""

    shards: tuple[int, ...] = ()
    """Their numbers, in the order in which they begin."""
    at_once: int = 1
    """So many of them at the same time."""
    question: str = ""
    """What somebody is asked before the next ones begin; there are no shards then."""
    over: bool = False
    """Whether no shard is left, and the report of the run is in the journal."""
    outcome: str = ""
    """What the run came to, once it is over."""
    number: int = 0
    """Of the stage; 0 is the first."""
    again_in: float = 5.0
    """Real seconds after which the next stage is asked for again, where there are no shards; a signal cuts it short."""
