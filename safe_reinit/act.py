"""Guarded calls: look again, decide again, write the intentions down, call once, write down the answers.

Several calls of one kind are one batch: they share the look, the commit of their intentions and, where ECS has a call
for many instances, the call. A retry is a new guarded call. Nothing here waits, and nothing here repeats a call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import codes, record, retry
from .changes import Accept, Doubt, Fail, Foresee, Intend, Learn, Lose, Refuse, Stuck, Withdraw
from .clock import Clock
from .cloud import Accepted, Cloud, CloudError, NotSent, Refused, Unanswered
from .decide import decide
from .ledger import Change, Entry, Keeper
from .model import LOCK_TAG, ActName, Failure, Observation, Plan, Policy, Record, Send
from .pace import Pace
from .second_look import Errand, SecondLook, is_slow, is_stale, is_too_slow, oldest, serves_until, slowly

FOR_MANY: tuple[ActName, ...] = ("StopInstance", "StartInstance")
"""What ECS has a call for many instances for (StopInstances, StartInstances)."""


@dataclass(frozen=True)
class Attempt:
    """A call whose intention is written down."""

    entry: Entry
    send: Send
    number: int
    seen: Observation
    """The look that it stands on."""


@dataclass(frozen=True)
class Act:
    """What calls need to know of their run."""

    cloud: Cloud
    clock: Clock
    plan: Plan
    run_id: str
    ledger: Keeper
    tell: Callable[[str, Send, dict[str, object]], None]
    """Is told ``intend`` and ``answer``."""
    pace: Pace | None = None
    policy: Policy | None = None
    """What the configuration of now says of targets; see ``Runner``."""

    def prepare(self, errands: Sequence[Errand]) -> list[list[Attempt]]:
        """Write down the intention of those calls that are still the ones to make.

        Args:
            errands: of one action each, at most one for a job.

        Returns:
            what is to be made at once: each list by one call.

        Raises:
            CloudError: the look before them failed; nothing was sent and nothing was intended. What brings power back
                has none.
            JournalError: they could not be written down, and the jobs turn back.
            LeaseLostError: another process holds the run.

        """
        if errands[0].send.action in codes.BRINGS_BACK:  # the look that it was decided on serves: nothing is waited for
            looked = [(errand, errand.seen) for errand in errands]
        else:
            looked = SecondLook(self.cloud, self.clock, self.plan, self.run_id, self.ledger, self.policy)(errands)
            self.ledger.keep([(errand.entry, Learn(seen)) for errand, seen in looked])
        attempts = self._intend([(errand, seen) for errand, seen in looked if self._is_still_due(errand, seen)])
        if attempts and attempts[0].send.action in FOR_MANY:
            return [attempts]
        return [[each] for each in attempts]

    def make(self, attempts: Sequence[Attempt]) -> bool:
        """Make one call for these, and write down what was answered; tell whether it was made.

        Those that came too late after their look are withdrawn, and so is what nobody wants any more.

        Raises:
            LeaseLostError: another process holds the run; nothing was sent.

        """
        may_send = self.ledger.check(brings_back=attempts[0].send.action in codes.BRINGS_BACK)
        judged = [(each, may_send and self._is_wanted(each, len(attempts))) for each in attempts]
        wanted = [each for each, is_wanted in judged if is_wanted]
        self.withdraw([each for each, is_wanted in judged if not is_wanted])
        if len(wanted) > 1:
            self._call_many(wanted)
        elif wanted:
            self._call(wanted[0])
        return bool(wanted)

    # ---------------------------------------------------------------------------------------------- before the call

    def _is_still_due(self, errand: Errand, seen: Observation) -> bool:
        entry, send = errand.entry, errand.send
        disagrees = decide(entry.record, seen) != send
        stale = send.action not in codes.BRINGS_BACK and is_stale(self.clock, seen, entry.record)
        if stale and is_too_slow(self.clock, seen, entry.record) and entry.record.stuck_since is not None:
            self.ledger.keep([(entry, Fail(_too_slow(send, seen, entry.record)))])
            return False
        if disagrees or stale:
            if entry.record.touched or not disagrees:  # a machine that is left as it was may wait for what it waits for
                why = seen.why or (slowly(seen) if stale and is_slow(self.clock, seen) else "")
                self.ledger.keep([(entry, Stuck(self.clock.time(), why))])
            return False
        return send.action != "ResetDisk" or self._may_reset(errand, seen)

    def _intend(self, ready: Sequence[tuple[Errand, Observation]]) -> list[Attempt]:
        """Write the intentions down, and give those that were still to be intended."""
        before = [record.tries_of(errand.entry.record, errand.send) for errand, _ in ready]
        self.ledger.commit([(errand.entry, Intend(errand.send, seen)) for errand, seen in ready])
        intended = []
        for (errand, seen), tries in zip(ready, before, strict=True):
            number = record.tries_of(errand.entry.record, errand.send)
            if number > tries:
                self.tell("intend", errand.send, {"attempt": number})
                intended.append(Attempt(errand.entry, errand.send, number, seen))
        return intended

    def _may_reset(self, errand: Errand, seen: Observation) -> bool:
        """Ask with DryRun whether ECS would roll the disk back now; what it would refuse is not sent."""
        send, known, disk_id = errand.send, errand.entry.record, errand.send.subject
        code = self.cloud.may_reset(disk_id, _restored_from(known, disk_id))
        if code == codes.PROVEN:
            return True
        failure = Failure(
            code,
            f"ECS would refuse ResetDisk of {disk_id} with {code} (DryRun): {codes.meaning_of(send.action, code)}",
            action=send.action,
            hint=codes.fix_of(send.action, code),
        )
        at = self.clock.time()
        passes = codes.is_asked_again(send.action, code, 403)
        again = retry.due(record.tries_of(known, send) + 1, at, None) if passes else None
        refuse = Refuse(send, failure, at, self.clock.now(), again)
        self.ledger.keep([(errand.entry, Foresee(refuse, seen))])  # what another thread learned meanwhile counts
        return False

    # ---------------------------------------------------------------------------------------- the call, and its answer

    def _is_wanted(self, attempt: Attempt, together: int) -> bool:
        """See that it is not too late: after the look, after somebody asked the run to end, after ECS throttled."""
        action = attempt.send.action
        ending = self.ledger.stop.is_set() and action not in codes.BRINGS_BACK
        throttled = self.pace is not None and self.pace.closed(f"{action}s" if together > 1 else action)
        stale = action not in codes.BRINGS_BACK and is_stale(self.clock, attempt.seen, attempt.entry.record)
        return not (ending or throttled or stale)

    def withdraw(self, attempts: Sequence[Attempt]) -> None:
        """Take intentions back that were not sent."""
        at = self.clock.time()
        self.ledger.keep([(each.entry, Withdraw(each.send, at)) for each in attempts])
        for each in attempts:
            self.tell("answer", each.send, {"code": "NotSent"})

    def _call(self, attempt: Attempt) -> None:
        answer: Accepted | CloudError
        try:
            answer = self._send(attempt)
        except CloudError as failed:
            answer = failed
        self._note([(attempt, answer)])

    def _call_many(self, attempts: Sequence[Attempt]) -> None:
        """Stop or start many instances by one call; each has an answer of its own, or the call has one for all."""
        ids = [each.send.subject for each in attempts]
        number = max(each.number for each in attempts)
        try:
            if attempts[0].send.action == "StartInstance":
                answers = self.cloud.start_many(ids, attempt=number)
            else:
                answers = self.cloud.stop_many(ids, force=attempts[0].send.force, attempt=number)
        except CloudError as failed:
            self._note([(each, failed) for each in attempts], together=True)
        else:
            unanswered = Unanswered(f"{attempts[0].send.action}s")
            self._note([(each, answers.get(each.send.subject, unanswered)) for each in attempts])

    def _send(self, attempt: Attempt) -> Accepted:
        cloud, send, subject, number = self.cloud, attempt.send, attempt.send.subject, attempt.number
        if send.action == "StopInstance":
            return cloud.stop(subject, force=send.force, attempt=number)
        if send.action == "StartInstance":
            return cloud.start(subject, attempt=number)
        if send.action == "TagResources":
            return cloud.tag(subject, (LOCK_TAG, self.run_id), attempt=number)
        if send.action == "UntagResources":
            return cloud.untag(subject, LOCK_TAG, attempt=number)
        if send.action == "CreateSnapshot":
            return self._snapshot(subject, attempt.entry.record, number)
        until = serves_until(self.clock, attempt.seen, attempt.entry.record)
        if send.action == "ResetDisk":
            snapshot_id = _restored_from(attempt.entry.record, subject)
            return cloud.reset_disk(subject, snapshot_id, attempt=number, until=until)
        return cloud.reinit(subject, self.plan.options, attempt=number, until=until)

    def _snapshot(self, disk_id: str, known: Record, number: int) -> Accepted:
        return self.cloud.create_snapshot(
            disk_id,
            name=f"safe-reinit.{self.run_id}.{disk_id}"[:128],
            description=f"Taken by safe-reinit before it wiped {disk_id} in run {self.run_id}."[:256],
            token=next(each.token for each in known.snapshots if each.disk_id == disk_id),
            retention_days=self.plan.options.snapshot_retention_days,
            tags=((LOCK_TAG, self.run_id),),
            attempt=number,
        )

    # ------------------------------------------------------------------------------------------- what was answered

    def _note(self, answers: Sequence[tuple[Attempt, Accepted | CloudError]], *, together: bool = False) -> None:
        """Write down how these were answered, in one transaction, and tell of each.

        Args:
            together: it is the answer to a call for all of them: any may be the reason, so each is asked by itself.
        """
        noted = [(attempt, *self._meaning(attempt, answer, together=together)) for attempt, answer in answers]
        self.ledger.keep([(attempt.entry, change) for attempt, change, _ in noted])
        for attempt, _, told in noted:
            self.tell("answer", attempt.send, told)

    def _meaning(
        self, attempt: Attempt, answer: Accepted | CloudError, *, together: bool
    ) -> tuple[Change, dict[str, object]]:
        """Give what an answer changes of the record, and what is told of it."""
        send, at = attempt.send, self.clock.time()
        if isinstance(answer, Accepted):
            attempt.entry.alone = False
            told: dict[str, object] = {"code": "OK", "request_id": answer.request_id}
            return Accept(send, at, answer.snapshot_id), told
        if isinstance(answer, Refused):
            told = {"code": answer.code, "request_id": answer.request_id}
            means = codes.verdict(send.action, answer.code, answer.http_status)
            if means == "lost":
                return self._lost(attempt, at, answer.code), told
            if means == "unknown" and send.overwrites:
                return Doubt(send, _unknown(send, answer), at), told
            return self._refused(attempt, answer, at, together=together), told
        if isinstance(answer, NotSent):
            failure = Failure("NotSent", str(answer), action=send.action, hint=answer.hint)
            return self._not_done(attempt, failure, at, retry.due(attempt.number, at, None)), {"code": "NotSent"}
        return self._lost(attempt, at), {"code": "Unanswered"}

    def _lost(self, attempt: Attempt, at: float, code: str = "") -> Change:
        return Lose(attempt.send, at, retry.due(attempt.number, at, None), code)

    def _refused(self, attempt: Attempt, refused: Refused, at: float, *, together: bool) -> Change:
        send = attempt.send
        throttled = codes.throttled(refused.code)
        if self.pace is not None and throttled and refused.retry_after:
            self.pace.wait(refused.action or send.action, refused.retry_after)
        attempt.entry.alone = attempt.entry.alone or (together and not throttled)
        failure = Failure(
            refused.code,
            f"ECS refused {send.action} of {send.subject} with {refused.code}: {refused.message}",
            request_id=refused.request_id,
            action=send.action,
            hint=codes.fix_of(send.action, refused.code),
        )
        due = at if together else None
        if codes.is_asked_again(send.action, refused.code, refused.http_status):
            due = retry.due(attempt.number, at, refused.retry_after)
        return self._not_done(attempt, failure, at, due)

    def _not_done(self, attempt: Attempt, failure: Failure, at: float, due: float | None) -> Change:
        return Refuse(attempt.send, failure, at, self.clock.now(), due)


def _too_slow(send: Send, seen: Observation, known: Record) -> Failure:
    """Say that the machine comes back, or is not stopped at all, since no look before a wipe can be fresh enough."""
    return Failure(
        None,
        f"{slowly(seen)}. {send.action} of {send.subject} was not sent, since what is seen before it may be at most "
        f"{oldest(known):.0f} s old.",
        action=send.action,
        hint="Wait until ECS answers faster, then check again with --dry-run.",
    )


def _restored_from(known: Record, disk_id: str) -> str:
    return record.wipe_of(known, disk_id).snapshot_id


def _unknown(send: Send, refused: Refused) -> Failure:
    """Say that a call that loses data was answered with a code that proves nothing, since nobody knows it."""
    return Failure(
        refused.code,
        f"ECS answered {send.action} of {send.subject} with {refused.code}, a code that this program does not know, "
        "so the call is not sent again.",
        request_id=refused.request_id,
        action=send.action,
        hint=codes.fix_of(send.action, refused.code),
    )
