"""Reads a journal: runs, their jobs and events, and who holds them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Self
from weakref import WeakSet

from ..errors import RunRefused
from ..model import InUse, LastRun, ShardProgress
from .audit import AuditEntry
from .database import Database
from .lease import Holder, LateAnswer, Lease, length
from .sharing import FAILED, in_use
from .stored import Hold, KeyUse, StoredJob, StoredRun, as_written, data_of, phase_times

_NEWEST_JOBS = 20
"""The number of newest jobs that show how long ECS takes."""
_IDS_PER_STATEMENT = 500
"""Ids per statement."""
_NO_LIMIT = 2**31
"""More runs than any journal has."""
_COLUMNS = (
    "run_id, started_at, ended_at, outcome, exit_code, region, account, endpoint, profile, undoes, shards, whole,"
    " plan, report"
)
_HOLDERS = (
    "SELECT username, host, pid, boot, pid_namespace, until, since, epoch, session, writes, {clock},"
    " cancelled, (SELECT username || ': ' || reason FROM hold), server FROM leases"
)
WHOLE = "CASE WHEN whole = '' THEN run_id ELSE whole END"
"""The run that people know by name: for a shard, the run that it is part of."""
PARTS = "run_id IN (SELECT run_id FROM runs WHERE run_id=? OR whole=?)"
"""The rows of a run, or of its shards."""
_OPEN_OR_NEWEST = (
    f" WHERE run_id IN (SELECT {WHOLE} FROM jobs JOIN runs USING (run_id) WHERE open=1)"  # noqa: S608 - our own names
    " OR (shards > 0 AND ended_at IS NULL)"
    " OR run_id IN (SELECT run_id FROM runs WHERE whole='' ORDER BY started_at DESC, run_id DESC LIMIT ?)"
    " ORDER BY started_at DESC, run_id DESC"
)
_RUNS = f"SELECT {_COLUMNS} FROM runs"  # noqa: S608 - our own names
_FIELDS = (*_COLUMNS.replace("plan, report", "plan_text, report_text").split(", "),)


class Reader:
    """An open journal for reading. Safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._leases: WeakSet[Lease] = WeakSet()
        """Those taken through it; none where it is only read."""

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self._db.place

    @property
    def shared(self) -> bool:
        """Whether several hosts write to it."""
        return self._db.shared

    @property
    def lasts(self) -> bool:
        """Whether another process can find its runs and resume them."""
        return self._db.lasts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it. Leases that were not released are no longer renewed and expire, as if their process had ended."""
        for lease in self._leases:
            lease.leave()
        self._db.close()

    def used_by(self, plan_id: str) -> str | None:
        """Return the id of the run that ran this plan, even if it was pruned; ``None`` if none did."""
        with self._db.using():
            row = self._db.execute(
                "SELECT run_id FROM runs WHERE plan_id=? UNION SELECT run_id FROM used_plans WHERE plan_id=?",
                (plan_id, plan_id),
            ).fetchone()
        return str(row[0]) if row else None

    def refuse_used(self, plan_id: str) -> None:
        """Check that a plan has not been run yet.

        Raises:
            RunRefused: it was; the message names the run.
        """
        run_id = self.used_by(plan_id)
        if run_id is not None:
            raise RunRefused(
                f"This plan has already been run, by run {run_id}: a plan can be run only once.",
                hint=f"See its result: safe-reinit show {run_id}. To wipe again, make a new plan.",
            )

    def use_of_key(self, key: str) -> KeyUse | None:
        """Return which plan a key belongs to, and its last run; ``None`` if it was never used.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._db.using():
            row = self._db.execute(
                "SELECT fingerprint, endpoint, run_id, report FROM once_keys WHERE once=?", (key,)
            ).fetchone()
        return KeyUse(*row) if row else None

    def run(self, run_id: str, *, jobs: bool = True) -> StoredRun | None:
        """Return one run; ``None`` if the journal has no run with this id.

        Args:
            run_id: its id.
            jobs: whether to read its jobs, of which it may have thousands.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._db.using():
            row = self._db.execute(_RUNS + " WHERE run_id=?", (run_id,)).fetchone()
            return self._stored(row, with_jobs=jobs) if row else None

    def runs(self, newest: int | None = None) -> list[StoredRun]:
        """Return the runs, newest first.

        Args:
            newest: how many, besides every open one however old it is; ``None`` for all.

        Raises:
            UsageError: the journal cannot be read.
        """
        most = _NO_LIMIT if newest is None else newest
        with self._db.using():
            rows = self._db.execute(
                _RUNS + _OPEN_OR_NEWEST,
                (most,),
            ).fetchall()
            return [self._stored(row) for row in rows]

    def count(self) -> int:
        """Return how many runs the journal has.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._db.using():
            row = self._db.execute("SELECT count(*) FROM runs WHERE whole=''").fetchone()
        return int(row[0]) if row else 0

    def durations(self, endpoint: str, account: str, region: str) -> dict[str, float]:
        """Return, by phase, the shortest time, in real seconds, that it took in the newest jobs of this place.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._db.using():
            rows = self._db.execute(
                "SELECT jobs.report FROM jobs JOIN runs USING (run_id) WHERE endpoint=? AND account=? AND region=?"
                " AND jobs.report IS NOT NULL ORDER BY started_at DESC, position LIMIT ?",
                (endpoint, account, region, _NEWEST_JOBS),
            ).fetchall()
        took: dict[str, float] = {}
        for (report,) in rows:
            for name, seconds in phase_times(report):
                took[name] = min(seconds, took.get(name, seconds))
        return took

    def last_runs(
        self, endpoint: str, account: str, region: str, disk_ids: Sequence[str], *, but: str | None = None
    ) -> dict[str, LastRun]:
        """Return for each disk its open run, otherwise the last one that did something to it, otherwise the last one.

        Args:
            endpoint: the loopback endpoint, or ``""`` for the real cloud.
            account: whose disks they are.
            region: where they are.
            disk_ids: the disks; one that no run had is left out.
            but: a run that does not count.

        Raises:
            UsageError: the journal cannot be read.
        """
        found: dict[str, tuple[tuple[object, ...], LastRun]] = {}
        with self._db.using():
            for start in range(0, len(disk_ids), _IDS_PER_STATEMENT):
                some = disk_ids[start : start + _IDS_PER_STATEMENT]
                rows = self._db.execute(
                    f"SELECT disk_id, {WHOLE}, started_at, undoes, open, state, jobs.report"  # noqa: S608 - marks
                    " FROM disks JOIN jobs USING (run_id, position) JOIN runs USING (run_id)"
                    f" WHERE disk_id IN ({','.join('?' * len(some))})"
                    f" AND endpoint=? AND account=? AND region=? AND {WHOLE} <> ?",
                    (*some, endpoint, account, region, but or ""),
                ).fetchall()
                for disk_id, run_id, began, undone, is_open, known, report in rows:
                    data = data_of(disk_id, known, report)
                    run = LastRun(run_id, "open" if is_open else "ended", data, undone != "", began)
                    rank = (bool(is_open), data != "untouched", began, run_id)
                    if disk_id not in found or found[disk_id][0] < rank:
                        found[disk_id] = (rank, run)
        return {disk_id: run for disk_id, (_, run) in found.items()}

    def holder(self, run_id: str) -> Holder | None:
        """Return who holds a run, or held it last; ``None`` if nobody ever did.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._db.using():
            return self._holder(run_id)

    def hold(self) -> Hold | None:
        """Return why nothing may be stopped or wiped now; ``None`` if it may.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._db.using():
            return self._hold()

    def refuse_hold(self) -> None:
        """Check that runs may begin.

        Raises:
            RunRefused: all runs are held.
            UsageError: the journal cannot be read.
        """
        if (held := self.hold()) is not None:
            raise RunRefused(
                f"All runs are held: {held}.", hint="Ask the person who set the hold; safe-reinit unhold removes it."
            )

    def late_answers(self, run_id: str, after: int = 0) -> list[LateAnswer]:
        """Return the accepted calls of sessions that had already lost the run, oldest first.

        Args:
            run_id: the run.
            after: only those after the one with this number.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._db.using():
            rows = self._db.execute(
                "SELECT position, action, subject, attempt, sequence FROM late_answers WHERE run_id=? AND sequence>?"
                " ORDER BY sequence",
                (run_id, after),
            ).fetchall()
            return [LateAnswer(*row) for row in rows]

    def in_use(self, run_id: str) -> InUse:
        """Return what the other runs in the account and region of a run are using; times are real seconds.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._db.using():
            return in_use(self._db, run_id, length())

    def audit_entries(self, run_id: str | None = None, newest: int | None = None) -> list[AuditEntry]:
        """Return what was done to runs, and by whom, newest first.

        Args:
            run_id: only what was done to this run, even if it was pruned.
            newest: how many; ``None`` for all.

        Raises:
            UsageError: the journal cannot be read.
        """
        of, values = ("", ()) if run_id is None else (" WHERE (run_id=? OR run_id LIKE ?)", (run_id, f"{run_id}.%"))
        with self._db.using():
            rows = self._db.execute(
                f"SELECT at, username, role, action, run_id, detail FROM audit{of} ORDER BY sequence DESC LIMIT ?",  # noqa: S608
                (*values, _NO_LIMIT if newest is None else newest),
            ).fetchall()
        return [AuditEntry(*row) for row in rows]

    def begun_by(self, run_ids: Sequence[str]) -> dict[str, str]:
        """Return, by run, who began it, with their host, as reported by their process.

        Raises:
            UsageError: the journal cannot be read.
        """
        found = dict[str, str]()
        with self._db.using():
            for start in range(0, len(run_ids), _IDS_PER_STATEMENT):
                some = run_ids[start : start + _IDS_PER_STATEMENT]
                rows = self._db.execute(
                    "SELECT run_id, username FROM audit WHERE action IN ('begin', 'undo')"  # noqa: S608 - marks
                    f" AND run_id IN ({','.join('?' * len(some))})",
                    tuple(some),
                ).fetchall()
                found |= dict(rows)
        return found

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """Return the events of a run, in order, as JSON (schema 1).

        Raises:
            UsageError: the journal cannot be read.
        """
        return [event for _, event in self.events_after(run_id, 0)]

    def events_after(self, run_id: str, number: int) -> list[tuple[int, dict[str, Any]]]:
        """Return the events of a run after the one with this number, each with its own number.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._db.using():
            rows = self._db.execute(
                f"SELECT sequence, event FROM events WHERE sequence > ? AND {PARTS} ORDER BY sequence",  # noqa: S608
                (number, run_id, run_id),
            ).fetchall()
        return [(number, as_written(f"Event {number} of run {run_id}", event, dict)) for number, event in rows]

    def shards(self, run_id: str) -> list[ShardProgress]:
        """Return the progress of each shard of a run, in order.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._db.using():
            rows = self._db.execute(
                f"SELECT shard, digest, ended_at, jobs.report IS NOT NULL, {FAILED}"  # noqa: S608 - our own names
                " FROM runs JOIN jobs USING (run_id) WHERE whole=? ORDER BY shard, position",
                (run_id,),
            ).fetchall()
        found = []
        for (number, digest, ended_at), jobs in groupby(rows, key=itemgetter(0, 1, 2)):
            ends = [(bool(ended), bool(failed)) for *_, ended, failed in jobs]
            outcomes = tuple(not failed if ended else None for ended, failed in ends)
            found.append(
                ShardProgress(
                    number, digest, ended_at is not None, outcomes, sum(failed for ended, failed in ends if not ended)
                )
            )
        return found

    def confirmed_stage(self, run_id: str) -> int:
        """Return the last stage that somebody confirmed in a run split into shards; -1 once somebody refused one.

        Raises:
            UsageError: the journal cannot be read.
        """
        with self._db.using():
            row = self._db.execute("SELECT agreed FROM runs WHERE run_id=?", (run_id,)).fetchone()
        return int(row[0]) if row else 0

    def refuse_open(self, endpoint: str, account: str, region: str, instance_ids: Sequence[str]) -> None:
        """Check that no open job has one of these instances, before a run of them begins; ``begin`` checks it again.

        Raises:
            RunRefused: one has.
        """
        with self._db.using():
            self._refuse_held(endpoint, account, region, instance_ids)

    def _refuse_held(self, endpoint: str, account: str, region: str, instance_ids: Sequence[str]) -> None:
        """Refuse instances that an open job has; if its account or ours is not known, it may be the same one."""
        for start in range(0, len(instance_ids), _IDS_PER_STATEMENT):
            some = instance_ids[start : start + _IDS_PER_STATEMENT]
            row = self._db.execute(
                f"SELECT instance_id, {WHOLE}, run_id FROM jobs JOIN runs USING (run_id)"  # noqa: S608 - marks
                f" WHERE instance_id IN ({','.join('?' * len(some))}) AND open=1"
                " AND endpoint=? AND region=? AND (account=? OR account='' OR ?='') ORDER BY position",
                (*some, endpoint, region, account, account),
            ).fetchone()
            if row is not None:
                instance_id, run_id, part = row
                holder = self._holder(part)
                at_work = holder is not None and holder.alive
                on = f"stop it: safe-reinit cancel {run_id}" if at_work else f"continue it: safe-reinit resume {run_id}"
                raise RunRefused(
                    f"Run {run_id} has not finished with {instance_id} (held by "
                    f"{holder if at_work else 'nobody now'}).",
                    hint=f"See safe-reinit show {run_id}; {on}.",
                )

    def _hold(self) -> Hold | None:
        row = self._db.execute("SELECT reason, username, since FROM hold").fetchone()
        return Hold(*row) if row else None

    def _holder(self, run_id: str, *, locked: bool = False) -> Holder | None:
        """Return the holder of a run; with ``locked``, nobody else can change it until the transaction ends."""
        row = self._db.execute(f"{_HOLDERS} WHERE run_id=?" + (" {locked}" if locked else ""), (run_id,)).fetchone()
        return Holder(*row) if row else None

    def _holder_of_shards(self, run_id: str) -> Holder | None:
        rows = self._db.execute(f"{_HOLDERS} JOIN runs USING (run_id) WHERE whole=?", (run_id,)).fetchall()
        return max((Holder(*row) for row in rows), key=lambda each: (each.alive, each.until), default=None)

    def _stored(self, row: Sequence[Any], *, with_jobs: bool = True) -> StoredRun:
        run = dict(zip(_FIELDS, row, strict=True))
        name, is_cut = run["run_id"], bool(run["shards"])
        plans: list[tuple[str]] = []
        jobs: list[tuple[Any, ...]] = []
        if with_jobs and is_cut:
            plans = self._db.execute("SELECT plan FROM runs WHERE whole=? ORDER BY shard", (name,)).fetchall()
            jobs = self._db.execute(
                "SELECT instance_id, state, open, jobs.report FROM jobs JOIN runs USING (run_id) WHERE whole=?"
                " ORDER BY shard, position",
                (name,),
            ).fetchall()
        elif with_jobs:
            jobs = self._db.execute(
                "SELECT instance_id, state, open, report FROM jobs WHERE run_id=? ORDER BY position", (name,)
            ).fetchall()
        return StoredRun(
            **run,
            jobs=tuple(
                StoredJob(instance_id, known, bool(is_open), report) for instance_id, known, is_open, report in jobs
            ),
            holder=self._holder_of_shards(name) if is_cut else self._holder(name),
            plans_of_shards=tuple(text for (text,) in plans),
        )


def lock_of(endpoint: str, account: str, region: str, instance_id: str) -> str:
    """Return the name of the lock that only one open job can have."""
    return "|".join((endpoint, account, region, instance_id))


def shard_id(run_id: str, number: int) -> str:
    """Return the id of a shard of a run."""
    return f"{run_id}.{number}"


def run_of(run_id: str) -> str:
    """Return the run by which people know this one: itself, or the run that it is a shard of."""
    return run_id.partition(".")[0]
