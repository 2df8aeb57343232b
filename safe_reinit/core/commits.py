"""What must be written to the journal: changed states and intended calls, which are sent only after the write."""

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
    """Collects what must be written. Changes during a commit are kept for the next commit."""

    def __init__(self) -> None:
        self._unsaved: set[int] = set()
        """The positions of jobs whose state has not been written yet."""
        self._intended: list[list[Due]] = []
        """The calls whose intention is written with them, by the request that sends them."""
        self._under_way: tuple[set[int], list[list[Due]]] | None = None
        """The same two, for what is being written now."""
        self._measurements: list[Measurement] = []
        """What other runs must learn, until it is written."""

    def __bool__(self) -> bool:
        return bool(self._unsaved or self._intended)

    @property
    def under_way(self) -> bool:
        """Whether the answer to a commit is awaited."""
        return self._under_way is not None

    def changed(self, job: Job) -> None:
        """Mark the state of a job to be written."""
        self._unsaved.add(job.position)

    def intend(self, batch: Sequence[Due]) -> None:
        """Mark the intentions of calls to be written; one request to ECS sends them."""
        self._intended.append(list(batch))

    def still_decided(self, batch: Sequence[Due]) -> list[Due]:
        """Return the calls that are still right after what became known meanwhile, and drop the others."""
        kept = []
        for due in batch:
            if due.job.position not in self._unsaved or decide(due.job.state, due.observation) == due.command:
                kept.append(due)
            else:
                due.job.call = due.job.command = None
        return kept

    def drop_overtaken(self) -> None:
        """Forget the intentions of calls that are no longer decided."""
        self._intended = [some for batch in self._intended if (some := self.still_decided(batch))]

    def begin(self, jobs: Sequence[Job], scheduler: Scheduler, at: float, *, spool: bool) -> Commit:
        """Return the commit of everything that waits; with ``spool``, a file on this host is enough.

        Args:
            jobs: of the run.
            scheduler: knows what other runs must learn, and how much all runs may use when a machine begins.
            at: the present, in cloud seconds.
            spool: whether the commit may go without the journal.

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
        """Record that the write succeeded, and return the calls that may be sent now."""
        batches = self._under_way[1] if self._under_way else []
        self._under_way, self._measurements = None, []
        return batches

    def refused(self) -> list[Due]:
        """Record that the write failed, and return the calls that must wait; the others are intended again later."""
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
        """Record that the write failed: no call is sent because of it."""
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
