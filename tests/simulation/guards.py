"""The guards of the program, each with the patch that turns it off: never a switch in the program itself."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from safe_reinit import clock
from safe_reinit.cli.writer import Writer
from safe_reinit.clock import boottime
from safe_reinit.core import decide, freshness, observations, resuming, snapshots, state, wipes
from safe_reinit.core.inputs import Answered, AttemptWithheld, Commit, Committed, Input, SendAttempts
from safe_reinit.core.state import is_settled, lag_of
from safe_reinit.core.steps import outstanding
from safe_reinit.core.waves import Release
from safe_reinit.core.wipes import is_watched
from safe_reinit.errors import UsageError
from safe_reinit.execution import calls, session
from safe_reinit.execution import shards as carrying
from safe_reinit.execution.store import StateStore
from safe_reinit.journal import Journal, Lease, LeaseLostError, reading, sharing
from safe_reinit.journal.lease import Holder
from safe_reinit.journal.postgres import Postgres
from safe_reinit.journal.sqlite import SqliteFile
from safe_reinit.model import InUse, JobState, Observation, Rollout, Wipe
from safe_reinit.plans import shards
from safe_reinit.plans.drift import drift_of

Patch = Callable[[pytest.MonkeyPatch], None]


def _everywhere(patch: pytest.MonkeyPatch, original: object, replacement: object) -> None:
    """Replace something wherever a module of the program has it under a name of its own."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "safe_reinit":
            for attribute, value in list(vars(module).items()):
                if value is original:
                    patch.setattr(module, attribute, replacement)


def _start_minute(patch: pytest.MonkeyPatch) -> None:
    """Stop and wipe also in the minute of the last start, in which another start does not show."""
    _everywhere(patch, is_settled, lambda _seen: True)


def _writer_queue(patch: pytest.MonkeyPatch) -> None:
    """Write events where they arise, so that whoever stops reading stops the run."""
    patch.setattr(Writer, "put", lambda _self, work: work())


def _doubt_before_verdict(patch: pytest.MonkeyPatch) -> None:
    """Take a verdict where nothing is in doubt, and go on with the run all the same."""
    patch.setattr(session, "refuse_verdict", lambda *_: None)
    _everywhere(patch, resuming.accept_verdict, lambda job, _verdict: job)


def _own_lease(patch: pytest.MonkeyPatch) -> None:
    """Judge the own lease by the clock: one that has run out is lost, whoever has the run."""

    def check(self: Lease) -> bool:
        self._journal.refuse_replaced()
        if self._lost or boottime() >= self._until:
            raise LeaseLostError(self.run_id)
        return True

    patch.setattr(Lease, "check", check)


def _slow_answers(patch: pytest.MonkeyPatch) -> None:
    """Hold every observation to 3 s from its question, also before what brings a machine back."""

    def is_stale(observation: Observation, _job: JobState | None, at: float, _rate: float) -> bool:
        return at - observation.at > 3.0

    make = calls.Calls.make

    def make_fresh(self: calls.Calls, call: SendAttempts) -> Answered:
        if any(is_stale(each.observation, None, self.clock.time(), 1.0) for each in call.attempts):
            return Answered(call.number, (AttemptWithheld(),) * len(call.attempts))
        return make(self, call)

    _everywhere(patch, freshness.is_stale, is_stale)
    patch.setattr(calls.Calls, "make", make_fresh)


def _journal_there(patch: pytest.MonkeyPatch) -> None:
    """Write to the journal that was opened, whether or not anybody will find it by its name."""
    patch.setattr(SqliteFile, "refuse_replaced", lambda _self: None)


def _lag(patch: pytest.MonkeyPatch) -> None:
    """Take what ECS shows for what is so now, however late our own stop was shown."""
    _everywhere(patch, lag_of, lambda _known: 0.0)


def _age_of_reads(patch: pytest.MonkeyPatch) -> None:
    """Call on what was seen, however long ago that was."""
    _everywhere(patch, freshness.is_stale, lambda *_: False)
    _age_at_the_first_byte(patch)


def _age_at_the_first_byte(patch: pytest.MonkeyPatch) -> None:
    """Let a wipe leave however long after the last check of what it stands on."""
    _everywhere(patch, calls.serves_until, lambda *_: math.inf)


def _lease_at_the_first_byte(patch: pytest.MonkeyPatch) -> None:
    """Let a call leave without asking once more whether the run is still this session's."""
    patch.setattr(session, "may_send", lambda _lease, _action: "")


def _after_pause(patch: pytest.MonkeyPatch) -> None:
    """Count the time of a pause into the limits of what was under way."""
    patch.setattr(resuming, "after_pause", lambda job, _at: job)


def _suspension(patch: pytest.MonkeyPatch) -> None:
    """Count time by a clock that stops while the host sleeps."""

    def awake() -> float:
        return clock.time.monotonic()  # by name, since a simulation puts another module there

    _everywhere(patch, boottime, awake)


def _unwatched(patch: pytest.MonkeyPatch) -> None:
    """Wipe a machine that shows no StartTime also after a time in which nobody looked at it."""
    _everywhere(patch, observations._evolve_unwatched, lambda job, _observation: job)


def _gap_in_the_reads(patch: pytest.MonkeyPatch) -> None:
    """Send a wipe again whose answer was lost, also after a time in which nobody looked at the machine.

    Of one that shows no StartTime the guard against any wipe after a gap finds it, too.
    """
    _unwatched(patch)
    _everywhere(patch, is_watched, lambda _wipe, _record: True)


def _watched_from_confirmation(patch: pytest.MonkeyPatch) -> None:
    """Observe a machine that shows no StartTime only once its wave has begun."""
    begin = state.begin

    def unwatched(*args: Any, **more: Any) -> JobState:
        return replace(begin(*args, **more), watched_at=None)

    patch.setattr(state, "begin", unwatched)


def _wipe_limit(patch: pytest.MonkeyPatch) -> None:
    """Send wipes however long after the first one of the machine."""
    _everywhere(patch, observations._evolve_wipe_limit, lambda job, _observation: job)


def _late_answers(patch: pytest.MonkeyPatch) -> None:
    """Do not hear what ECS has accepted of whoever held the run before."""
    patch.setattr(Lease, "late_answers", lambda _self: [])


def _drift(patch: pytest.MonkeyPatch) -> None:
    """Wipe without holding what is seen against the plan: neither in the recheck, nor as the machine is observed."""
    _everywhere(patch, drift_of, lambda *_, **__: ())
    _everywhere(patch, observations._evolve_restart, lambda job, _observation: job)


def _fence(patch: pytest.MonkeyPatch) -> None:
    """Send a wipe again whose answer was lost, whoever used the machine since.

    What is seen is held against the plan, too, which finds the same use.
    """
    _drift(patch)

    def may_resend(wipe: Wipe, job: JobState) -> bool:
        return wipe.losses <= state.MAX_RESENDS and not job.turned_back and job.start.state == "none"

    patch.setattr(decide, "_fence_holds", lambda *_: True)
    patch.setattr(wipes, "_may_resend", may_resend)


def _intention(patch: pytest.MonkeyPatch) -> None:
    """Write nothing down of a job while an answer is outstanding: a call is made before its intention is kept."""
    commit = StateStore.commit

    def answered(self: StateStore, asked: Commit) -> Input:
        known = tuple((position, job) for position, job in asked.states if not outstanding(job))
        return commit(self, replace(asked, states=known)) if known else Committed()

    patch.setattr(StateStore, "commit", answered)


def _safety_snapshot(patch: pytest.MonkeyPatch) -> None:
    """Take a safety snapshot for there once it was asked for, and wipe without seeing it."""

    def believed(job: JobState, _observation: Observation) -> JobState:
        done = [
            replace(each, step=replace(each.step, state="done")) if each.snapshot_id else each for each in job.snapshots
        ]
        return replace(job, snapshots=tuple(done))

    _everywhere(patch, snapshots.evolve_safety_snapshots, believed)
    _everywhere(patch, snapshots.is_backed_up, lambda *_: True)


def _lease(patch: pytest.MonkeyPatch) -> None:
    """Write and call whoever holds the run."""

    def unfenced(self: Journal, lease: Lease, statements: Any, *, wait: float = 10.0, **_: Any) -> Holder:
        with self._db.transaction(wait=wait):
            holder = self._holder(lease.run_id)
            assert holder is not None
            for statement, values in statements:
                self._db.execute(statement, values)
        return holder

    patch.setattr(Journal, "write", unfenced)
    patch.setattr(Lease, "check", lambda _self: True)


def _same_server(patch: pytest.MonkeyPatch) -> None:
    """Go on with the server that is at the address now, whether or not it is the one that the run began on."""
    patch.setattr(Postgres, "_same_server", lambda _self, _opened: "")


def _put_back(patch: pytest.MonkeyPatch) -> None:
    """Write to a journal that does not have what the run wrote last."""
    write = Journal.write

    def write_on(self: Journal, lease: Lease, statements: Any, **more: Any) -> Holder:
        with suppress(UsageError):
            holder = self.holder(lease.run_id)
            lease.writes = holder.writes if holder is not None else lease.writes
        return write(self, lease, statements, **more)

    patch.setattr(Journal, "write", write_on)


def _commit_read_back(patch: pytest.MonkeyPatch) -> None:
    """Take a COMMIT whose answer is lost for one that was done."""
    patch.setattr(Postgres, "_was_committed", lambda _self, _number: True)


def _shared_limits(patch: pytest.MonkeyPatch) -> None:
    """Do not see what other runs have in use."""
    patch.setattr(sharing, "_read", lambda *_: (InUse(), InUse()))


def _digest(patch: pytest.MonkeyPatch) -> None:
    """Carry what the journal has as the plan of a shard, whether or not it is what was confirmed."""

    def why(session: Any, run_id: str, _number: int, digest: str) -> str:
        run, progress = carrying._progress(session, run_id, digest)
        rollout, agreed = carrying._rollout(run), session.journal.confirmed_stage(run_id)
        return shards.why_none_begins(rollout, progress, agreed, session.clock.now())

    patch.setattr(carrying, "_why_none_begins", why)


def _stages_of_shards(patch: pytest.MonkeyPatch) -> None:
    """Have all shards of a run carried at once, also those of a later stage."""
    release = shards.release

    def at_once(rollout: Rollout, outcomes: Any, now: Any, failing: int = 0) -> Release:
        return replace(release(rollout, outcomes, now, failing), upto=len(outcomes), stage=0)

    patch.setattr(shards, "release", at_once)


def _none_begins(patch: pytest.MonkeyPatch) -> None:
    """Begin the jobs of a shard also where the run has said that none begins any more."""
    patch.setattr(shards, "why_none_begins", lambda *_: "")


def _failed_until_ended_again(patch: pytest.MonkeyPatch) -> None:
    """Take a machine that failed, and whose shard is resumed, for one that ended as done."""
    patch.setattr(reading, "FAILED", "failed")


def _failures_of_all_shards(patch: pytest.MonkeyPatch) -> None:
    """Do not see what has failed in the other shards that are carried at the same time."""
    patch.setattr(sharing, "_failed", lambda *_: (0, 0))


def _cap_over_shards(patch: pytest.MonkeyPatch) -> None:
    """Do not see the machines that are down in the other shards of the run."""
    own = "own.whole = '' OR its.whole <> own.whole OR part.run_id = own.run_id"
    patch.setattr(sharing, "_JOBS", sharing._JOBS.replace("WHERE open=1", f"WHERE open=1 AND ({own})"))


def _begun_unrecorded(patch: pytest.MonkeyPatch) -> None:
    """Take a shard for one that nobody has begun where the journal says so, also one that failed over since."""
    patch.setattr(session, "may_have_begun", lambda lease, _spool: lease.epoch > 1)


def _cancel_of_what_begins(patch: pytest.MonkeyPatch) -> None:
    """Let whoever takes a run not know that it was asked to end before."""
    write = Journal._write_holder

    def forgotten(self: Journal, run_id: str, session: str, epoch: int, before: Holder | None, seconds: float) -> str:
        forgets = None if before is None else replace(before, cancelled=None)
        return write(self, run_id, session, epoch, forgets, seconds)

    patch.setattr(Journal, "_write_holder", forgotten)


GUARDS: Mapping[str, Patch] = {
    "digest-of-a-shard": _digest,
    "stages-of-shards": _stages_of_shards,
    "none-begins": _none_begins,
    "failed-until-ended-again": _failed_until_ended_again,
    "failures-of-all-shards": _failures_of_all_shards,
    "cap-over-shards": _cap_over_shards,
    "cancel-of-what-begins": _cancel_of_what_begins,
    "begun-unrecorded": _begun_unrecorded,
    "shared-limits": _shared_limits,
    "lag": _lag,
    "start-minute": _start_minute,
    "writer-queue": _writer_queue,
    "doubt-before-verdict": _doubt_before_verdict,
    "own-lease": _own_lease,
    "slow-answers": _slow_answers,
    "journal-there": _journal_there,
    "age-of-reads": _age_of_reads,
    "age-at-the-first-byte": _age_at_the_first_byte,
    "lease-at-the-first-byte": _lease_at_the_first_byte,
    "after-pause": _after_pause,
    "suspension": _suspension,
    "unwatched": _unwatched,
    "gap-in-the-reads": _gap_in_the_reads,
    "late-answers": _late_answers,
    "wipe-limit": _wipe_limit,
    "watched-from-confirmation": _watched_from_confirmation,
    "drift": _drift,
    "fence": _fence,
    "intention": _intention,
    "safety-snapshot": _safety_snapshot,
    "lease": _lease,
    "same-server": _same_server,
    "put-back": _put_back,
    "commit-read-back": _commit_read_back,
}
"""By name, how to turn a guard off."""


@contextmanager
def turned_off(name: str) -> Iterator[None]:
    """Turn a guard off while the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        GUARDS[name](patch)
        yield
