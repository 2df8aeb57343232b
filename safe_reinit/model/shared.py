"""What the runs of one account and region share: machines that are down, and calls that ECS accepts in a minute.

It is known from a journal that all of them write to. All figures are computed from the rows of jobs and calls; there
are no counters, so a process that dies leaves nothing wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Room:
    """How much all runs together may use once another machine begins; times are cloud seconds."""

    down: int | None
    """Machines that may be down at once (``--max-parallel``); ``None`` if no further machine goes down."""
    wipes: int | None
    """ReInitDisk calls that may be pending or made in that time; ``None`` if no more are added."""
    within: float
    """How long a call that was made counts."""
    failures: int | None = None
    """The number of jobs of the whole run that must not have failed (``--stop-after-failures``); ``None`` for no limit.
    """


@dataclass(frozen=True)
class Measurement:
    """What one run has learnt about the quota of one API, or the duration of one phase, for the others."""

    what: str
    """The API, or the phase."""
    taken: int = 0
    """Calls that ECS has accepted since the last write."""
    closed_for: float = 0.0
    """For how many seconds ECS, by throttling, asked not to be called; 0 if it did not."""
    took: float = 0.0
    """The shortest time so far, in seconds, in which the phase ended; 0 for an API."""


@dataclass(frozen=True)
class InUse:
    """What other runs of the same account and region are using; times are cloud seconds."""

    down: int = 0
    """Machines that ran before and may be down, even if nobody continues their run now."""
    wipes: int = 0
    """ReInitDisk calls that are still to come in runs that somebody continues."""
    taken: tuple[tuple[str, float, int], ...] = ()
    """By API, how long ago ECS accepted how many calls."""
    closed: tuple[tuple[str, float], ...] = ()
    """By API, how much longer ECS throttles it."""
    took: tuple[tuple[str, float], ...] = ()
    """By phase, the shortest time that it took."""
    run_ids: tuple[str, ...] = ()
    """The runs with machines down, or wipes to come."""
    instance_id: str = ""
    """The machine that is down, or one of them."""
    idle: tuple[str, ...] = ()
    """Those of the runs with machines down on which no process is working."""
    ahead: int = 0
    """ReInitDisk calls of machines that have not begun yet, in earlier shards of the same run."""
    failed: int = 0
    """Jobs that have failed in the other shards of the same run."""

    def at_rate(self, rate: float) -> InUse:
        """Return the same for a clock with this many cloud seconds per real second."""
        return replace(
            self,
            taken=tuple((action, ago * rate, calls) for action, ago, calls in self.taken),
            closed=tuple((action, left * rate) for action, left in self.closed),
            took=tuple((phase, seconds * rate) for phase, seconds in self.took),
        )

    def reason(self, most: int) -> str:
        """Return what a run waits for that allows this many machines down at once; ``""`` if nothing is in use."""
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
        """Count the calls of an API that ECS accepted in the last seconds."""
        return sum(calls for name, ago, calls in self.taken if name == action and ago < seconds)


@dataclass(frozen=True)
class ShardProgress:
    """The progress of a shard of a run, according to the journal."""

    number: int
    digest: str
    """The digest of its plan: 64 hex digits."""
    ended: bool
    """Whether its end is recorded."""
    outcomes: tuple[bool | None, ...]
    """For each of its jobs, whether it ended as done; ``None`` while it has not ended."""
    cannot_end_done: int
    """How many open jobs can no longer end as done."""


@dataclass(frozen=True)
class Stage:
    """Which shards of a run to carry out now. It is kept in Temporal's histories: a new member needs a default."""

    shards: tuple[int, ...] = ()
    """Their numbers, in the order in which they begin."""
    at_once: int = 1
    """How many of them at the same time."""
    question: str = ""
    """What to ask somebody before the next ones begin; then there are no shards."""
    over: bool = False
    """Whether no shard is left, and the report of the run is in the journal."""
    outcome: str = ""
    """The outcome of the run, once it is over."""
    number: int = 0
    """The number of the stage; 0 is the first."""
    again_in: float = 5.0
    """Real seconds after which to ask for the next stage again if there are no shards; a signal cuts this short."""
