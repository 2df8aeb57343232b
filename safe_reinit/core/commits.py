"""What is to be written down: states that have changed, and the intentions of calls, which follow once they are."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import JobState, Measurement
from .decide import decide
from .events import Intended
from .evolve import evolve
from .inputs import Commit
from .jobs import Due, Job, begins_to_wipe, goes_down
from .scheduler import Scheduler


class Commits:
    """Gathers what is to be written down. What changes during a commit is kept for the next one."""

    def __init__(self) -> None:
        self._unsaved: set[int] = set()
        """The positions of jobs whose state is not written down yet."""
        self._intended: list[list[Due]] = []
        """The calls whose intention is written down with them, by the call that sends them."""
        self._under_way: tuple[set[int], list[list[Due]]] | None = None
        """The same two, of what is being written down now."""
        self._measurements: list[Measurement] = []
        """What other runs are to be told, until it is written down."""

    def __bool__(self) -> bool:
        return bool(self._unsaved or self._intended)

    @property
    def under_way(self) -> bool:
        """Whether the answer to a commit is awaited."""
        return self._under_way is not None

    def changed(self, job: Job) -> None:
        """Mark the state of a job to be written down."""
        self._unsaved.add(job.position)

    def intend(self, batch: Sequence[Due]) -> None:
        """Mark the intentions of calls, which are sent by one call to ECS, to be written down."""
        self._intended.append(list(batch))

    def still_decided(self, batch: Sequence[Due]) -> list[Due]:
        """Return which calls are still the ones to make, by what else became known; the others are not under way."""
        kept = []
        for due in batch:
            if due.job.position not in self._unsaved or decide(due.job.state, due.observation) == due.command:
                kept.append(due)
            else:
                due.job.call = due.job.command = None
        return kept

    def drop_overtaken(self) -> None:
        """Forget the intentions of calls that are not decided any more."""
        self._intended = [some for batch in self._intended if (some := self.still_decided(batch))]

    def begin(self, jobs: Sequence[Job], scheduler: Scheduler, at: float, *, spool: bool) -> Commit:
        """Return the commit of all of it; with ``spool`` a file of this host will do.

        Args:
            jobs: of the run.
            scheduler: knows what other runs are to be told, and what all may have in use where a machine begins.
            at: the present, in cloud seconds.
            spool: whether the journal need not have it.

        """
        states = {position: jobs[position].state for position in self._unsaved}
        steps = [(due.job.state, _intended(due), due.job.position) for batch in self._intended for due in batch]
        states |= {position: after for _, after, position in steps}
        self._measurements += scheduler.take_measurements()
        down = any(goes_down(before, after) for before, after, _ in steps)
        wipes = any(begins_to_wipe(before, after) for before, after, _ in steps)
        self._under_way = self._unsaved, self._intended
        self._unsaved, self._intended = set(), []
        written = tuple(sorted(states.items(), key=lambda each: each[0]))
        room = scheduler.room_of_all(at, down=down, wipes=wipes) if down or wipes else None
        return Commit(written, spool=spool, room=room, measurements=tuple(self._measurements))

    def done(self) -> list[list[Due]]:
        """Record that it is written down, and return the calls that may be sent now."""
        batches = self._under_way[1] if self._under_way else []
        self._under_way, self._measurements = None, []
        return batches

    def refused(self) -> list[Due]:
        """Record that it is not written down, and return the calls that have to wait; the others are intended again."""
        unsaved, batches = self._under_way or (set(), [])
        self._unsaved |= unsaved
        full = [batch for batch in batches if any(map(_needs_room, batch))]
        self._intended = [batch for batch in batches if batch not in full] + self._intended
        self._under_way = None
        waiting = [due for batch in full for due in batch]
        for due in waiting:
            due.job.call = due.job.command = None
            due.job.held = due
        return waiting

    def failed(self) -> None:
        """Record that it is not written down: no call is sent because of it."""
        unsaved, batches = self._under_way or (set(), [])
        self._unsaved |= unsaved
        for due in (each for batch in (*batches, *self._intended) for each in batch):
            due.job.call = due.job.command = None
        self._under_way, self._intended = None, []


def _intended(due: Due) -> JobState:
    return evolve(due.job.state, Intended(due.command, due.observation))


def _needs_room(due: Due) -> bool:
    before, after = due.job.state, _intended(due)
    return goes_down(before, after) or begins_to_wipe(before, after)
