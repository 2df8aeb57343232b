"""What the runs of one account and region share, computed from the rows of jobs and calls; there are no counters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..model import InUse, JobState, Measurement, Room
from .database import Database

_CALLS_KEPT_FOR = 600.0
"""Seconds after which a call no longer matters: ECS counts the calls of one minute."""
_PLACE = (
    " JOIN runs AS its ON its.run_id=part.run_id JOIN runs AS own ON own.run_id=? AND its.endpoint=own.endpoint"
    " AND its.region=own.region AND (its.account=own.account OR its.account='' OR own.account='')"
)
"""Rows of runs in the same account and region; if one of the accounts is not known, it may be the same."""
_DOWN = (
    "CASE WHEN down = 0 OR (its.whole = own.whole AND own.whole <> '' AND (down = 2 OR its.ended_at IS NOT NULL))"
    " THEN 0 ELSE 1 END"
)
"""Whether a machine takes a place: one that its run has left down holds up other runs, but not its own shards."""
_JOBS = (
    f"SELECT part.run_id, its.whole, SUM({_DOWN}), SUM(wipes), MIN(CASE WHEN down > 0 THEN part.instance_id END),"  # noqa: S608
    " MAX(CASE WHEN until > {clock} AND until <= {clock} + ? THEN 1 ELSE 0 END)"
    f" FROM jobs AS part{_PLACE} LEFT JOIN leases ON leases.run_id=part.run_id"
    " WHERE open=1 AND (down > 0 OR wipes > 0) GROUP BY part.run_id, its.whole ORDER BY part.run_id"
)
_AHEAD = (
    "SELECT SUM(unbegun) FROM (SELECT part.unbegun FROM runs AS own"
    " JOIN runs AS its ON its.whole=own.whole AND its.shard < own.shard"
    " JOIN leases ON leases.run_id=its.run_id AND until > {clock} AND until <= {clock} + ?"
    " JOIN jobs AS part ON part.run_id=its.run_id AND part.open=1 AND part.unbegun > 0"
    " WHERE own.run_id=? AND own.whole <> '' LIMIT 1000) AS nearest"
)
"""The wipes of machines that have not begun, in earlier shards in progress: a thousand are enough."""
FAILED = "CASE WHEN failed = 1 OR (open = 1 AND jobs.report IS NOT NULL) THEN 1 ELSE 0 END"
"""Whether a job has failed. One that is resumed has failed until it ends again: nothing begins because of a canary that
is being looked at once more.
"""
_FAILED = (
    f"SELECT SUM(CASE WHEN run_id=? THEN {FAILED} ELSE 0 END), SUM({FAILED}) FROM jobs JOIN runs USING (run_id)"  # noqa: S608
    " WHERE whole <> '' AND whole = (SELECT whole FROM runs WHERE run_id=?)"
)
"""The jobs that have failed in a shard of a run, and in all its shards."""
_MEASUREMENTS = (
    f"SELECT part.run_id, its.whole, what, {{clock}} - at, taken, closed_for, took FROM learnt AS part{_PLACE}"  # noqa: S608
    " WHERE at > {clock} - ? AND at <= {clock} ORDER BY at"
)


class NoRoomError(Exception):
    """Other runs already use what a run wanted to reserve: nothing was written."""

    def __init__(self, in_use: InUse) -> None:
        super().__init__("Other runs leave no room.")
        self.in_use = in_use


def place_of(state: object) -> tuple[int, int, int, int]:
    """Return the columns of a job that say what it uses: ``down``, ``wipes``, ``unbegun`` and ``failed``.

    ``down`` says whether its machine may be down, and is 2 if it is left down: nothing starts it before somebody
    resumes the run. Its remaining wipes are ``wipes`` once a call was made for it, and ``unbegun`` before.
    """
    if not isinstance(state, JobState):
        return 0, 0, 0, 0
    wipes, unbegun = (state.wipes_to_come, 0) if state.tried else (0, state.wipes_to_come)
    return state.may_be_down + state.left_down, wipes, unbegun, int(state.cannot_end_done)


def in_use(database: Database, run_id: str, lease: float) -> InUse:
    """Return what the other runs in the account and region of a run are using; times are real seconds.

    Args:
        database: of the journal.
        run_id: the run.
        lease: how long a lease lasts: a run that nobody continues has no wipe to come.

    """
    return replace(_read(database, run_id, lease)[1], failed=_failed(database, run_id)[1])


def refuse_full(database: Database, run_id: str, lease: float, room: Room) -> None:
    """Check that a run and all others together use no more than allowed; what it uses alone is its own business.

    Args:
        database: of the journal.
        run_id: the run.
        lease: how long a lease lasts.
        room: how much may be used.

    Raises:
        NoRoomError: they would, or too many jobs have failed in the other shards of the run.
    """
    own, others = _read(database, run_id, lease)
    if room.down is not None and others.down and own.down + others.down > room.down:
        raise NoRoomError(others)
    if room.failures is not None:
        here, elsewhere = _failed(database, run_id)
        if elsewhere and here + elsewhere >= room.failures:
            raise NoRoomError(replace(others, failed=elsewhere))
    theirs = others.wipes + others.taken_within("ReInitDisk", room.within)
    wipes = own.wipes + own.taken_within("ReInitDisk", room.within) + theirs
    if room.wipes is not None and theirs and wipes > room.wipes:
        raise NoRoomError(others)


def noted(run_id: str, measurements: Sequence[Measurement]) -> Iterator[tuple[str, Sequence[object]]]:
    """Return the statements that tell other runs what this one has learnt."""
    if measurements:
        old = "DELETE FROM learnt WHERE run_id=? AND (at < {clock} - ? OR at > {clock})"  # a file from another boot
        yield old, (run_id, _CALLS_KEPT_FOR)
    for each in measurements:
        row = (run_id, each.what, each.taken, each.closed_for, each.took)
        yield "INSERT INTO learnt (run_id, what, at, taken, closed_for, took) VALUES (?,?,{clock},?,?,?)", row


def _read(database: Database, run_id: str, lease: float) -> tuple[InUse, InUse]:
    """Return what a run itself uses, and what the others use."""
    jobs = database.execute(_JOBS, (lease, run_id)).fetchall()
    measured = database.execute(_MEASUREMENTS, (run_id, _CALLS_KEPT_FOR)).fetchall()
    own = [[row for row in rows if run_id in row[:2]] for rows in (jobs, measured)]
    others = [[row for row in rows if run_id not in row[:2]] for rows in (jobs, measured)]
    (ahead,) = database.execute(_AHEAD, (lease, run_id)).fetchone() or (0,)
    return _summed(*own), replace(_summed(*others), ahead=int(ahead or 0))


def _failed(database: Database, run_id: str) -> tuple[int, int]:
    """Return how many jobs have failed in a shard, and in the other shards of its run."""
    here, everywhere = database.execute(_FAILED, (run_id, run_id)).fetchone() or (0, 0)
    return int(here or 0), int(everywhere or 0) - int(here or 0)


def _summed(jobs: Sequence[tuple[Any, ...]], measurements: Sequence[tuple[Any, ...]]) -> InUse:
    """Add up what runs use; a shard counts under the name of its run."""
    used = [(whole or run_id, down, wipes, name, at_work) for run_id, whole, down, wipes, name, at_work in jobs]
    attended = {run_id for run_id, _, _, _, at_work in used if at_work}
    recent = [each[2:] for each in measurements]
    took: dict[str, float] = {}
    for phase, _, _, _, seconds in recent:
        if seconds:
            took[phase] = min(seconds, took.get(phase, seconds))
    return InUse(
        down=int(sum(down for _, down, _, _, _ in used)),
        wipes=int(sum(wipes for _, _, wipes, _, at_work in used if at_work)),
        taken=tuple((action, ago, taken) for action, ago, taken, _, _ in recent if taken),
        closed=tuple((action, closed_for - ago) for action, ago, _, closed_for, _ in recent if closed_for > ago),
        took=tuple(took.items()),
        run_ids=tuple(dict.fromkeys(run_id for run_id, down, _, _, at_work in used if down or at_work)),
        instance_id=next((instance_id for _, _, _, instance_id, _ in used if instance_id), ""),
        idle=tuple(dict.fromkeys(run_id for run_id, down, _, _, _ in used if down and run_id not in attended)),
    )
