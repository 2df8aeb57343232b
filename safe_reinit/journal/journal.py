"""The journal: what is recorded about runs, in any kind of database. Every write comes from the run's holder."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from ..clock import boottime
from ..errors import UsageError
from ..model import Room
from ..model.codec import dumps
from .audit import NEEDS, AuditAction, appended, begun
from .database import LOCK_WAIT, ReplacedError
from .forgetting import forget, forget_ended
from .lease import EndedError, Holder, JournalError, JournalLostError, LateAnswer, Lease, LeaseLostError, ending, length
from .once import refuse_used_key
from .place import boot_id, now, pid_namespace, user, who
from .reading import PARTS, Reader, lock_of, shard_id
from .sharing import place_of, refuse_full
from .stored import Hold, ShardToBegin


class Journal(Reader):
    """An open journal for reading and writing. Safe to use from several threads."""

    def begin(
        self,
        run_id: str,
        plan: Mapping[str, Any],
        endpoint: str,
        profile: str,
        jobs: Sequence[tuple[str, Sequence[str], object]],
        *,
        undoes: str = "",
    ) -> Lease:
        """Record a run before its first call, and hold it.

        Args:
            run_id: its id.
            plan: the members of its plan, which are ours or JSON.
            endpoint: the loopback endpoint, or ``""`` for the real cloud.
            profile: the aliyun CLI profile, or ``""``.
            jobs: for each job its instance, its disks and its state.
            undoes: the run that it undoes, or ``""``.

        Raises:
            RunRefused: an open job of another run has one of the instances, the plan was already run, or all runs are
                held.
            AlreadyDone, KeyUnsettled: as of ``refuse_used_key``.
            UsageError: the journal cannot be written.
        """
        with self._beginning(run_id, plan, endpoint, jobs):
            self._write_run(run_id, plan, endpoint, profile, jobs, undoes=undoes)
            self._audit("undo" if undoes else "begin", run_id, begun(plan, [ids for _, ids, _ in jobs], undoes))
            lease = self._begin_lease(run_id, None)
        self._db.keep()
        return lease

    def begin_shards(  # noqa: PLR0913 - what there is to write
        self,
        run_id: str,
        plan: Mapping[str, Any],
        endpoint: str,
        profile: str,
        shards: Sequence[ShardToBegin],
        events: Iterable[Mapping[str, Any]] = (),
        *,
        undoes: str = "",
    ) -> None:
        """Record a run that is split into shards, before any of them is carried out; nobody holds them yet.

        Args:
            run_id: its id; its first shard is ``RUN.0``.
            plan: the members of its plan, which are ours or JSON, without its jobs, which are in its shards.
            endpoint: the loopback endpoint, or ``""`` for the real cloud.
            profile: the aliyun CLI profile, or ``""``.
            shards: its shards, in order.
            events: the calls that were made for its plan.
            undoes: the run that it undoes, or ``""``.

        Raises:
            RunRefused: as in ``begin``.
            UsageError: the journal cannot be written.
        """
        jobs = [job for each in shards for job in each.jobs]
        with self._beginning(run_id, plan, endpoint, jobs):
            self._write_run(run_id, plan, endpoint, profile, (), undoes=undoes, shards=len(shards))
            for number, each in enumerate(shards):
                name, place = shard_id(run_id, number), (run_id, number, each.digest)
                self._write_run(name, each.plan, endpoint, profile, each.jobs, undoes=undoes, part=place)
                self._write_holder(name, "", 0, None, 0.0)  # it remembers the server on which it began
            self._db.executemany(
                "INSERT INTO events (run_id, event) VALUES (?,?)", ((run_id, dumps(event)) for event in events)
            )
            self._audit("undo" if undoes else "begin", run_id, begun(plan, [ids for _, ids, _ in jobs], undoes))
        self._db.keep()

    @contextlib.contextmanager
    def _beginning(
        self, run_id: str, plan: Mapping[str, Any], endpoint: str, jobs: Sequence[tuple[str, Sequence[str], object]]
    ) -> Iterator[None]:
        """Commit what the block writes, unless a run of this plan, or of these machines, may not begin."""
        self._db.make_room()
        region, account = str(plan["region"]), str(plan["account"])
        with self._db.transaction():
            self._db.alone(f"{endpoint}|{region}")  # if an account is not known, each may be the same
            self._take_key(run_id, plan, endpoint)
            self.refuse_used(str(plan["plan_id"]))
            self.refuse_hold()
            self._refuse_held(endpoint, account, region, [instance_id for instance_id, _, _ in jobs])
            yield

    def _take_key(self, run_id: str, plan: Mapping[str, Any], endpoint: str) -> None:
        """Bind the key of a plan, if it has one, to this run, which begins in the same transaction."""
        if key := plan.get("once"):
            self._db.alone(f"once|{key}")  # its other run may be in another region
            refuse_used_key(self, key, plan["fingerprint"], endpoint)
            self._db.execute("DELETE FROM once_keys WHERE once=?", (key,))
            self._db.execute(
                "INSERT INTO once_keys (once, fingerprint, endpoint, run_id) VALUES (?,?,?,?)",
                (key, plan["fingerprint"], endpoint, run_id),
            )

    def _write_run(  # noqa: PLR0913 - the columns
        self,
        run_id: str,
        plan: Mapping[str, Any],
        endpoint: str,
        profile: str,
        jobs: Sequence[tuple[str, Sequence[str], object]],
        *,
        undoes: str,
        shards: int = 0,
        part: tuple[str, int, str] = ("", 0, ""),
    ) -> None:
        region, account = str(plan["region"]), str(plan["account"])
        self._db.execute(
            "INSERT INTO runs (run_id, started_at, region, account, endpoint, profile, plan, plan_id, undoes, shards,"
            " whole, shard, digest) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (run_id, now(), region, account, endpoint, profile, dumps(plan), plan["plan_id"], undoes, shards, *part),
        )
        self._db.executemany(
            "INSERT INTO jobs (run_id, position, lock, instance_id, state, open, down, wipes, unbegun, failed)"
            " VALUES (?,?,?,?,?,1,?,?,?,?)",
            (
                (run_id, at, lock_of(endpoint, account, region, id_), id_, dumps(state, sparse=True), *place_of(state))
                for at, (id_, _, state) in enumerate(jobs)
            ),
        )
        self._db.executemany(
            "INSERT INTO disks (disk_id, run_id, position) VALUES (?,?,?)",
            ((disk_id, run_id, position) for position, (_, ids, _) in enumerate(jobs) for disk_id in ids),
        )

    def end_shards(self, run_id: str, report: Mapping[str, Any], before: str | None) -> bool:
        """Record how a run that is split into shards ended, unless a shard has not ended or somebody else recorded it.

        Args:
            run_id: the run.
            report: how it ended.
            before: when it had ended, as read for the report.

        Returns:
            whether this report was written down.

        Raises:
            UsageError: the journal cannot be written.
        """
        with self._db.transaction():
            self._db.alone(f"{run_id}|end")
            left = "SELECT count(*) FROM runs WHERE whole=? AND ended_at IS NULL"
            found = self._db.execute(f"SELECT ended_at, ({left}) FROM runs WHERE run_id=?", (run_id, run_id))  # noqa: S608
            if found.fetchone() != (before, 0):
                return False
            self._db.execute(*ending(run_id, report))
            self._audit("end", run_id, str(report["outcome"]))
        return True

    def reopen(self, run_id: str) -> None:
        """Reopen the shards of a run that have an open job, although their end is already recorded.

        Raises:
            UsageError: the journal cannot be written.
        """
        with self._db.transaction():
            self._db.execute(
                "UPDATE runs SET ended_at=NULL WHERE ended_at IS NOT NULL AND (run_id=? OR (whole=? AND run_id IN"
                " (SELECT run_id FROM jobs WHERE open=1)))",
                (run_id, run_id),
            )
            self._audit("resume", run_id)

    def confirm_stage(self, run_id: str, stage: int) -> None:
        """Allow a stage of a run that is split into shards to begin; -1: no stage that has not begun.

        Raises:
            UsageError: the journal cannot be written.
        """
        with self._db.transaction():
            self._db.execute("UPDATE runs SET agreed=? WHERE run_id=?", (stage, run_id))
            self._audit("agree" if stage >= 0 else "disagree", run_id)

    def demand_permission(self, action: AuditAction) -> None:
        """Check that whoever opened the journal may do this, even if it turns out that nothing needs to be done.

        In a database they may only have the right to read, or to continue what others began.

        Raises:
            UsageError: they may not.
        """
        if self._db.shared:
            with self._db.using():
                self._db.execute(NEEDS[action])

    def acquire_lease(self, run_id: str) -> Lease | None:
        """Take over a run whose holder no longer exists or whose lease has expired; ``None`` while somebody holds it.

        Raises:
            UsageError: the journal cannot be written.
        """
        holder = self.holder(run_id)  # to see that it is held needs no turn at writing, which a stopped one may keep
        if holder is not None and holder.alive:
            return None
        with self._db.transaction():
            holder = self._holder(run_id, locked=True)
            if holder is not None and holder.alive:
                return None
            was_held = holder is not None and holder.epoch > 0
            self._audit("take-over" if was_held else "carry", run_id, f"from {holder}" if was_held else "")
            lease = self._begin_lease(run_id, holder)
        self._db.keep()
        return lease

    def _begin_lease(self, run_id: str, before: Holder | None) -> Lease:
        session, epoch, at = secrets.token_hex(16), before.epoch + 1 if before else 1, boottime()
        began_on = self._write_holder(run_id, session, epoch, before, length())
        lease = Lease(self, run_id, epoch, session, at, before, server_changed=began_on != self._db.server)
        self._leases.add(lease)
        return lease

    def _write_holder(self, run_id: str, session: str, epoch: int, before: Holder | None, seconds: float) -> str:
        """Record who holds a run, and return the server on which it began."""
        # What shows that a process no longer exists counts only on its own host.
        boot, namespace = ("", "") if self._db.shared else (boot_id(), pid_namespace())
        began_on = before.server if before else self._db.server
        self._db.execute("DELETE FROM leases WHERE run_id=?", (run_id,))
        self._db.execute(
            "INSERT INTO leases (run_id, epoch, session, username, host, pid, boot, pid_namespace, until, since,"
            " writes, cancelled, server) VALUES (?,?,?,?,?,?,?,?,CASE WHEN ?=0 THEN 0 ELSE {clock}+? END,?,0,?,?)",
            (
                run_id, epoch, session, user(), socket.gethostname(), os.getpid(), boot, namespace, seconds, seconds,
                now(), before.cancelled if before else None, began_on,
            ),
        )  # fmt: skip
        return began_on

    def refuse_replaced(self) -> None:
        """Check that the journal is still the one that was opened.

        Raises:
            JournalLostError: nobody would find what is written from now on.
        """
        self._db.refuse_replaced()

    def is_replaced(self) -> bool:
        """Return whether ``refuse_replaced`` would refuse."""
        try:
            self.refuse_replaced()
        except JournalLostError:
            return True
        except JournalError:
            return False
        return False

    def write(
        self,
        lease: Lease,
        statements: Iterable[tuple[str, Sequence[object]]],
        *,
        wait: float = LOCK_WAIT,
        room: Room | None = None,
    ) -> Holder:
        """Write as the holder of a run, and renew its lease, even if it has expired.

        Args:
            lease: of the run.
            statements: what to write, in one transaction.
            wait: how many real seconds to wait for another process that is writing.
            room: how much all runs may use once this is written; ``None`` if that does not grow.

        Returns:
            the holder, who says whether somebody asked for the end of the run before this was written.

        Raises:
            LeaseLostError: another session has taken the run.
            NoRoomError: all runs would use more than that.
            JournalLostError: it is no longer the journal of the run.
            JournalError: it could not be written.
        """
        try:
            with self._db.transaction(wait=wait):
                holder = self._holder(lease.run_id, locked=True)
                if holder is None:
                    raise JournalLostError(f"The journal {self.place} no longer contains run {lease.run_id}.")
                if lease.is_before(holder):
                    raise JournalLostError(
                        f"The journal {self.place} was reset to a state from before this process took the run."
                    )
                if (holder.epoch, holder.session) != (lease.epoch, lease.session):
                    raise LeaseLostError(lease.run_id)
                if holder.writes != lease.writes and not (lease.unsure and holder.writes == lease.writes + 1):
                    raise JournalLostError(
                        f"The journal {self.place} was reset to an earlier state: the last records of this run are not"
                        " there."
                    )
                if room is not None:
                    self._db.alone("what runs share")  # otherwise two that begin at once would not see each other
                for statement, some in groupby(statements, key=itemgetter(0)):
                    self._db.executemany(statement, (values for _, values in some))
                if room is not None:
                    refuse_full(self._db, lease.run_id, length(), room)
                self._db.execute(
                    "UPDATE leases SET until={clock}+?, writes=writes+1 WHERE run_id=?", (length(), lease.run_id)
                )
                lease.writes, lease.unsure = holder.writes, True
        except ReplacedError as error:
            raise JournalLostError(str(error)) from None
        except UsageError as error:
            raise JournalError(str(error)) from None
        lease.writes, lease.unsure = holder.writes + 1, False
        return holder

    def cancel(self, run_id: str, by: str = "") -> bool:
        """Ask a run to end cleanly; return whether a session is working on it, which will notice soon.

        If none is, whoever resumes the run starts its machines again and sends no wipe. Anyone who can write the
        journal may ask, as often as they like: it counts as one request. No process is signalled.

        Args:
            run_id: the run.
            by: what they used to ask, for the audit.

        Raises:
            UsageError: there is no such run, or the journal cannot be written.
            EndedError: it has ended.
        """
        self.demand_permission("cancel")
        with self._db.transaction():
            row = self._db.execute(
                f"SELECT outcome, shards > 0 AND ended_at IS NULL,"  # noqa: S608 - our own names
                f" (SELECT count(*) FROM jobs WHERE {PARTS} AND open=1) FROM runs WHERE run_id=?",
                (run_id, run_id, run_id),
            ).fetchone()
            if row is None:
                raise UsageError(f"The journal has no run {run_id}.", hint="See safe-reinit runs.")
            outcome, unfinished, jobs_open = row
            if not (jobs_open or unfinished):
                raise EndedError(f"Run {run_id} has ended: {outcome}.", hint=f"See safe-reinit show {run_id}.")
            holder = self._holder(run_id, locked=True) or self._holder_of_shards(run_id)
            asked = f"UPDATE leases SET cancelled=COALESCE(cancelled, ?) WHERE {PARTS}"  # noqa: S608 - our own names
            self._db.execute(asked, (who(), run_id, run_id))
            self._audit("cancel", run_id, by)
        if holder is None or holder.released or holder.gone:
            return False
        paused = self._db.shared or holder.boot == boot_id()  # it may be working, and then it notices the request
        return not holder.expired or paused

    def hold_all(self, reason: str) -> None:
        """Keep every run of this journal from stopping or wiping anything more; machines that are down come back.

        Raises:
            RunRefused: there is a hold already.
            UsageError: the journal cannot be written.
        """
        self.demand_permission("hold")
        with self._db.transaction():
            self.refuse_hold()
            self._db.execute("INSERT INTO hold (one, reason, username, since) VALUES (1,?,?,?)", (reason, who(), now()))
            self._audit("hold", detail=reason)

    def lift_hold(self) -> Hold | None:
        """Allow runs to begin again, and return the hold that there was.

        Raises:
            UsageError: the journal cannot be written.
        """
        self.demand_permission("unhold")
        with self._db.transaction():
            lifted = self._hold()
            if lifted is not None:
                self._db.execute("DELETE FROM hold")
                self._audit("unhold", detail=str(lifted))
        return lifted

    def release(self, lease: Lease) -> None:
        """Release a run; a lease that another session holds stays as it is.

        Raises:
            UsageError: the journal cannot be written.
        """
        with self._db.transaction():
            self._db.execute("UPDATE leases SET until=0 WHERE run_id=? AND session=?", (lease.run_id, lease.session))

    def keep_late(self, run_id: str, answers: Sequence[LateAnswer]) -> None:
        """Append the calls that ECS accepted from a session that had lost the run, for its present holder.

        It changes no state: the holder reads it before anything is sent again.

        Raises:
            UsageError: the journal cannot be written, or no longer has the run.
        """
        with self._db.transaction():
            self._db.executemany(
                "INSERT INTO late_answers (run_id, position, action, subject, attempt) VALUES (?,?,?,?,?)"
                " ON CONFLICT DO NOTHING",
                [(run_id, each.position, each.action, each.subject, each.attempt) for each in answers],
            )

    def withdraw(self, lease: Lease) -> None:
        """Delete a run for which nothing was begun, because somebody else has refused it."""
        lease.release()
        with self._db.transaction():
            forget(self._db, lease.run_id)
            self._audit("withdraw", lease.run_id)

    def prune(self, older_than: float) -> int:
        """Delete the runs that ended more than this many seconds ago, and return how many; never an open one.

        The audit stays complete.

        Raises:
            UsageError: the journal cannot be written.
        """
        self.demand_permission("prune")
        before = now(ago=older_than)
        with self._db.transaction():
            names = forget_ended(self._db, self, before)
            for name in names:
                self._audit("prune", name, f"ended before {before}")
        return len(names)

    def _audit(self, action: AuditAction, run_id: str = "", detail: str = "") -> None:
        self._db.execute(*appended(action, run_id, detail))
