"""Carries out the shards of a run: which come next, each by whoever takes it, and the report after the last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace

from .. import report
from ..core.resuming import Verdict
from ..errors import RunRefused, UsageError
from ..interrupt import Interrupt
from ..journal import EndedError, Lease, ShardToBegin, StoredRun, shard_id
from ..model import Call, OnUnknown, Plan, Report, Rollout, ShardProgress, Stage
from ..model.codec import decode, members
from ..plans import shards
from ..plans.plan import as_members, from_json, plan_to_json
from ..plans.plan_file import digest_of
from .records import call_event, first_states, parse_time
from .session import HandedOverError, Session
from .verdicts import open_states, refuse_verdict

_CHANGED = "The plan of run {} in the journal is not the plan that was confirmed."
_WHO = "Nothing is carried out; find out who changed the journal: safe-reinit audit."
_LEASE_RETRY_INTERVAL = 1.0
"""Real seconds between two attempts to take the lease of a shard."""


def demand_shared(session: Session) -> None:
    """Raise unless workers on several hosts can use the journal; on loopback, for tests, they are on one host.

    Raises:
        UsageError: it is a file.
    """
    if not (session.journal.shared or (session.journal.lasts and session.connection.loopback)):
        raise UsageError(
            "Temporal workers cannot use a journal that is a file on this host.",
            hint="Name a journal in PostgreSQL with --journal.",
        )


def demand_carriable(session: Session, plan: Plan) -> None:
    """Raise unless other processes can carry out a plan that is in the journal.

    Raises:
        UsageError: it sets a password, or the journal is a file.
    """
    if plan.options.password is not None:
        raise UsageError(
            "The new password is never stored, so no worker could set it.",
            hint="Set a key pair with --key-pair instead, or run this plan with --runner local.",
        )
    demand_shared(session)


def record_shards(session: Session, plan: Plan, run_id: str, calls: Sequence[Call], on_unknown: OnUnknown) -> str:
    """Record a confirmed plan as a run of shards, which nobody carries out yet.

    Returns:
        the digest of its plans, for whoever has them carried.

    Raises:
        RunRefused: another run has one of the instances, or the plan was already run.
        UsageError: the journal cannot be written.
    """
    parts = []
    at = session.clock.time()
    for part in shards.cut(plan):
        states = first_states(part, run_id, on_unknown, at)
        jobs = [(each.instance_id, [wipe.disk_id for wipe in each.disks], each) for each in states]
        parts.append(ShardToBegin(as_members(part), digest_of(plan_to_json(part)), jobs))
    session.journal.begin_shards(
        run_id, {**as_members(plan), "jobs": ()}, session.endpoint, session.connection.profile, parts,
        [call_event(run_id, call, plan) for call in calls], undoes=plan.options.undo or "",
    )  # fmt: skip
    return shards.digest_of_shards(each.digest for each in parts)


def finish(session: Session, run_id: str) -> None:
    """Record the report of a run once all its shards have ended, unless that is done; several processes may try.

    Raises:
        UsageError: there is no such run, it belongs to another region or endpoint, or the journal cannot be written.
    """
    if session.stored(run_id, jobs=False).ended_at is None and all(
        each.ended for each in session.journal.shards(run_id)
    ):
        _finish(session, run_id)


def close(session: Session, run_id: str) -> None:
    """Release the open jobs of a run that nobody carries out, removing only their lock tags: see ``Session.close``.

    Raises:
        RunRefused: there is no such open run, or somebody carries out the run or one of its shards.
        RunFailed: a lock tag could not be removed.
    """
    shard_ids = [shard_id(run_id, each.number) for each in session.journal.shards(run_id)]
    for name in shard_ids:
        if session.stored(name).open:
            session.close(name)
    if shard_ids:
        _finish(session, run_id)
    else:
        session.close(run_id)


def resume_shards(session: Session, run_id: str, verdict: Verdict | None) -> Report | None:
    """Return the report of a run that needs nobody to carry it out any more; otherwise ``None``.

    A verdict ends the run without a wipe. If all shards of a run have ended, its report is recorded.

    Raises:
        UsageError: there is no such run, it belongs to another region or endpoint, or the journal cannot be written.
        RunRefused: it has ended, or the verdict is refused: see ``end_with_verdict``.
    """
    if verdict is not None:
        return end_with_verdict(session, run_id, verdict)
    session.open_run(run_id)
    finish(session, run_id)
    stored = session.stored(run_id)
    return decode(Report, stored.report) if not stored.open and stored.report is not None else None


def end_with_verdict(session: Session, run_id: str, verdict: Verdict) -> Report:
    """End, with a person's verdict, what is open in a run that nobody carries out; no wipe is sent.

    Raises:
        UsageError: there is no such run, it belongs to another region or endpoint, or the journal cannot be written.
        RunRefused: it has ended, somebody carries out a shard of it, or the verdict applies to nothing or contradicts
            what ECS shows.
    """
    refuse_verdict(session.open_run(run_id), verdict)
    progress = session.journal.shards(run_id)
    if not all(each.ended for each in progress):
        raise RunRefused(
            f"Some shards of run {run_id} have not ended yet.",
            hint=f"Nothing was changed; let them end first: safe-reinit resume {run_id}.",
        )
    for each in progress:
        name = shard_id(run_id, each.number)
        if any(wipe.in_doubt for state in open_states(session.stored(name)) for wipe in state.disks):
            session.resume(name, verdict, None)
    return _finish(session, run_id)


class Shards:
    """Carries out the shards of runs for one account and region. Safe to use from several threads.

    Args:
        session: opens a session with its own journal, for one action.
        say: tells people what the events of a run do not say.

    """

    def __init__(
        self,
        session: Callable[[Interrupt, threading.Event], AbstractContextManager[Session]],
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._session = session
        self._notify = notify

    def next_stage(self, run_id: str, digest: str) -> Stage:
        """Return which shards of a run to carry out now; once none is left, record its report.

        Args:
            run_id: the run.
            digest: the digest of its plans when they were confirmed.

        Raises:
            UsageError: there is no such run, it belongs to another region or endpoint, or the journal cannot be used.
            RunRefused: the journal has other plans for it.
        """
        with self._opened() as session:
            run, progress = _progress(session, run_id, digest)
            holder = run.holder
            agreed, now = session.journal.confirmed_stage(run_id), session.clock.now()
            cancelled = holder is not None and holder.cancelled is not None
            stage = shards.next_stage(_rollout(run), progress, agreed, now, cancelled=cancelled)
            if not stage.over:
                return stage
            ended = run.outcome if run.ended_at is not None else None
            return replace(stage, outcome=ended or _finish(session, run_id).outcome)

    def carry(
        self, run_id: str, number: int, digest: str, alive: Callable[[], None], hand_over: threading.Event
    ) -> bool:  # fmt: skip
        """Carry out a shard to its end, or continue it, once nobody else holds it; it may have ended by then.

        Args:
            run_id: the run.
            number: the number of the shard.
            digest: the digest of the run's plans when they were confirmed.
            alive: is called each second while this continues; not while the lease cannot be renewed (for example
                because this host cannot reach the journal), since somebody else may then be able to.
            hand_over: set when another process is to continue: no further job begins, and jobs in progress end.

        Returns:
            whether it is written down as ended; else another process is to go on with it.

        Raises:
            UsageError: there is no such run, it belongs to another region or endpoint, or the journal cannot be used.
            RunRefused: the journal has another plan for it, or the credentials belong to another account.
        """
        over, held = threading.Event(), list[Lease]()

        def watch() -> None:
            while not over.wait(_LEASE_RETRY_INTERVAL):
                if not (held and held[-1].overdue):
                    with suppress(Exception):  # a shard that cannot be described now must not be the last
                        alive()

        watching = threading.Thread(target=watch, name="safe-reinit-shard", daemon=True)
        watching.start()
        try:
            with self._session(
                Interrupt(lambda text: self._notify(f"{run_id}, shard {number}: {text}")), hand_over
            ) as session:
                _carry(session, run_id, number, digest, held.append)
                finish(session, run_id)  # the person who asked for the next stage may no longer be there
        except HandedOverError:
            return False
        else:
            return True
        finally:
            over.set()
            watching.join()

    def cancel(self, run_id: str) -> None:
        """Ask a run, through the journal, to end cleanly; one that has ended stays as it is.

        Raises:
            UsageError: there is no such run, or the journal cannot be written.
        """
        with self._opened() as session, suppress(EndedError):
            session.journal.cancel(run_id, "its workflow in Temporal was cancelled")

    def _opened(self) -> AbstractContextManager[Session]:
        return self._session(Interrupt(), threading.Event())


def _progress(session: Session, run_id: str, digest: str) -> tuple[StoredRun, list[ShardProgress]]:
    """Return a run without its jobs, and the progress of its shards, after checking that its plans were confirmed."""
    run = session.stored(run_id, jobs=False)
    progress = session.journal.shards(run_id)
    if shards.digest_of_shards(each.digest for each in progress) != digest:
        raise RunRefused(_CHANGED.format(run_id), hint=_WHO)
    return run, progress


def _carry(session: Session, run_id: str, number: int, digest: str, held: Callable[[Lease], None]) -> None:
    name = shard_id(run_id, number)
    while (lease := _take(session, name)) is not None:  # also again, after somebody else had taken it
        held(lease)
        try:
            why = _why_none_begins(session, run_id, number, digest)
        except BaseException:
            lease.release()
            raise
        session.carry(lease, why)


def _why_none_begins(session: Session, run_id: str, number: int, digest: str) -> str:
    """Return why no further job of a shard begins, after checking that its plan was confirmed."""
    run, progress = _progress(session, run_id, digest)
    if digest_of(session.stored(shard_id(run_id, number)).plan) != progress[number].digest:
        raise RunRefused(_CHANGED.format(run_id), hint=_WHO)
    return shards.why_none_begins(_rollout(run), progress, session.journal.confirmed_stage(run_id), session.clock.now())


def _take(session: Session, name: str) -> Lease | None:
    """Return the lease of a shard once nobody else has it; ``None`` if its last holder has finished it."""
    while True:
        if session.stored(name, jobs=False).ended_at is not None:
            return None
        if (lease := session.journal.acquire_lease(name)) is not None:
            if session.stored(name, jobs=False).ended_at is None:
                return lease
            lease.release()  # its holder ended it just before it was taken
            return None
        if session.hand_over.wait(_LEASE_RETRY_INTERVAL):
            raise HandedOverError


def report_of(session: Session, stored: StoredRun) -> Report:
    """Report a run that is split into shards, from the states of its jobs in the journal."""
    begun, calls = report.started(parse_time(stored.started_at)), session.calls_of(stored.run_id)
    plan, states = from_json(stored.plan), [each.state for each in stored.jobs]
    return report.of_run(begun, session.clock.now(), plan, states, calls, run_id=stored.run_id)


def _finish(session: Session, run_id: str) -> Report:
    """Record the report of a run whose shards have all ended, and return it."""
    stored = session.stored(run_id)
    result = session.naming_runs(report_of(session, stored))
    session.journal.end_shards(run_id, members(result), stored.ended_at)
    return result


def _rollout(run: StoredRun) -> Rollout:
    return decode(Rollout, run.plan["rollout"])
