"""Guarded calls: look again, decide again, write the intentions down, call once, write down the answers.

Several calls of one kind are one batch: they share the look, the commit of their intentions and, where ECS has a call
for many instances, the call. A retry is a new guarded call. Nothing here waits, and nothing here repeats a call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from . import codes, others, record, retry
from .clock import Clock
from .cloud import Accepted, Cloud, CloudError, NotSent, Refused, Unanswered
from .decide import decide
from .drift import drift_of, no_target_any_more
from .ledger import Entry, Ledger
from .look import observe, observed, tick
from .looker import PROVEN
from .model import LOCK_TAG, DiskFacts, Failure, Guard, Observation, Options, Plan, Record, Send

_FRESH = 3.0
"""Cloud seconds for which a look may be acted on."""
_BRINGS_BACK = ("StartInstance", "UntagResources")
"""What is called also once somebody asked the run to end."""
_FRESH_REAL = 0.2
"""Real seconds that are always allowed for that."""


@dataclass(frozen=True)
class Errand:
    """One call to make for one job."""

    entry: Entry
    send: Send


@dataclass(frozen=True)
class Attempt:
    """A call whose intention is written down."""

    entry: Entry
    send: Send
    number: int
    looked_at: float
    """When the look that it stands on began, in cloud seconds."""


@dataclass(frozen=True)
class Made:
    """What became of a batch: how many calls were made, and how many came too late after the look before them."""

    calls: int
    late: int


@dataclass(frozen=True)
class Act:
    """What calls need to know of their run."""

    cloud: Cloud
    clock: Clock
    plan: Plan
    run_id: str
    ledger: Ledger
    tell: Callable[[str, Send, dict[str, object]], None]
    """Is told ``intend`` and ``answer``."""

    def __call__(self, errands: Sequence[Errand]) -> Made:
        """Make those of the calls that are still the ones to make, and tell how many were made.

        Args:
            errands: of one action each, at most one for a job.

        Raises:
            CloudError: the look before them failed; nothing was sent and nothing was intended.

        """
        ready = [(errand, seen) for errand, seen in self._look_again(errands) if self._is_still_due(errand, seen)]
        attempts = self._intend(ready)
        if not attempts:
            return Made(0, 0)
        self.ledger.check()
        made = 0
        if len(attempts) > 1 and errands[0].send.action in ("StopInstance", "StartInstance"):
            fresh = [each for each in attempts if self._is_fresh(each)]
            made = len(fresh)
            self._call_many(fresh)
        else:
            for each in attempts:
                if self._is_fresh(each):
                    made += 1
                    self._call(each)
        return Made(made, len(attempts) - made)

    # ---------------------------------------------------------------------------------------------- before the call

    def _is_still_due(self, errand: Errand, seen: Observation) -> bool:
        entry, send = errand.entry, errand.send
        self.ledger.keep([(entry, lambda before: record.learn(before, seen))])
        if decide(entry.record, seen) != send or self._stale(seen.at):
            return False
        return send.action != "ResetDisk" or self._may_reset(errand, seen)

    def _intend(self, ready: Sequence[tuple[Errand, Observation]]) -> list[Attempt]:
        """Write the intentions down, and give those that were still to be intended."""
        before = [record.tries_of(errand.entry.record, errand.send) for errand, _ in ready]
        self.ledger.commit([(errand.entry, _intention(errand.send, seen)) for errand, seen in ready])
        intended = []
        for (errand, seen), tries in zip(ready, before, strict=True):
            number = record.tries_of(errand.entry.record, errand.send)
            if number > tries:
                self.tell("intend", errand.send, {"attempt": number})
                intended.append(Attempt(errand.entry, errand.send, number, seen.at))
        return intended

    def _may_reset(self, errand: Errand, seen: Observation) -> bool:
        """Ask with DryRun whether ECS would roll the disk back now; what it would refuse is not sent."""
        send, known, disk_id = errand.send, errand.entry.record, errand.send.subject
        code = self.cloud.may_reset(disk_id, _restored_from(known, disk_id))
        if code == PROVEN:
            return True
        failure = Failure(
            code,
            f"ECS would refuse ResetDisk of {disk_id} with {code} (DryRun): {codes.meaning_of(code)}",
            action="ResetDisk",
            hint=codes.fix_of(code),
        )
        at = self.clock.time()
        passes = codes.verdict(send.action, code, 403) == "again"
        again = retry.due(record.tries_of(known, send) + 1, at, None) if passes else None

        def refuse(before: Record) -> Record:  # under the ledger's lock: what another thread learned meanwhile counts
            still = decide(before, seen) == send
            return record.refused(before, send, failure, at, self.clock.now(), again) if still else before

        self.ledger.keep([(errand.entry, refuse)])
        return False

    def _in_force(self, _targets: object = None) -> tuple[Options, Guard]:
        """Give what the plan was made and shown with; what it says of targets is judged again on what is seen now."""
        return replace(self.plan.options, run_id=self.run_id), self.plan.guard

    def _stale(self, at: float) -> bool:
        """Tell whether a look is too old to act on; hurried time never asks for less than a fifth of a real second."""
        return self.clock.time() - at > max(_FRESH, _FRESH_REAL * self.clock.rate)

    def _look_again(self, errands: Sequence[Errand]) -> list[tuple[Errand, Observation]]:
        """Read the facts again; a job whose facts moved ends instead."""
        if errands[0].send.action in ("StartInstance", "UntagResources"):
            return self._glance(errands)
        if errands[0].send.force:
            return self._look_before_a_cut(errands)
        at, when = self.clock.time(), self.clock.now()  # before the looks: what they show is at least as new
        disk_ids = [disk.disk_id for errand in errands for disk in errand.entry.job.disks]
        options, _ = self._in_force()
        begun = all(errand.entry.record.touched for errand in errands)  # one that has not needs all the looks
        also = others.again(self.plan.findings, begun=begun)
        facts = observe(self.cloud, self.clock, self.plan.region, disk_ids, options, again=also, settle=self._in_force)
        by_disk = {each.disk_id: each for each in facts.disks}
        now = facts.caller.account
        other_account = () if now == self.plan.account else (f"account: {self.plan.account} -> {now}",)
        ready = []
        for errand in errands:
            own = [by_disk[disk.disk_id] for disk in errand.entry.job.disks]
            untouched = _untouched(errand.entry.record, own)
            if not self._ended_by_drift(errand, other_account or self._drift_of(errand, untouched)):
                instance = untouched[0].instance if untouched else None
                ready.append((errand, observed(at, when, instance, own), untouched))
        if ready and self._stale(at):
            return self._look_once_more([(errand, untouched) for errand, _, untouched in ready])
        return [(errand, seen) for errand, seen, _ in ready]

    def _glance(self, errands: Sequence[Errand]) -> list[tuple[Errand, Observation]]:
        """Look at what can change, and at nothing else."""
        return list(
            zip(errands, tick(self.cloud, self.clock, [errand.entry.record for errand in errands]), strict=True)
        )

    def _look_before_a_cut(self, errands: Sequence[Errand]) -> list[tuple[Errand, Observation]]:
        """Look at the state, and whether these are targets still: else the power is not cut for them."""
        return [
            (errand, seen)
            for errand, seen in self._glance(errands)
            if not self._ended_by_drift(errand, no_target_any_more(errand.entry.job, seen, self.plan))
        ]

    def _look_once_more(self, ready: Sequence[tuple[Errand, Sequence[DiskFacts]]]) -> list[tuple[Errand, Observation]]:
        """Look at what can change while reading all the facts took its time; the rest of them stands."""
        still = []
        for (errand, seen), (_, untouched) in zip(self._glance([errand for errand, _ in ready]), ready, strict=True):
            now = [replace(each, instance=seen.instance, disk=seen.disks.get(each.disk_id)) for each in untouched]
            if not self._ended_by_drift(errand, self._drift_of(errand, now)):
                still.append((errand, seen))
        return still

    def _drift_of(self, errand: Errand, disks: Sequence[DiskFacts]) -> Sequence[str]:
        return drift_of(errand.entry.job, disks, errand.entry.record, self.plan)

    def _ended_by_drift(self, errand: Errand, drift: Sequence[str]) -> bool:
        """End the job where its facts moved, and tell whether they did."""
        if drift:
            failure = Failure(
                None,
                f"What the plan stands on has moved: {'; '.join(drift)}.",
                hint="Look at the new facts with --dry-run, then decide anew.",
            )
            self.ledger.keep([(errand.entry, lambda before: record.fail(before, failure))])
        return bool(drift)

    # ---------------------------------------------------------------------------------------- the call, and its answer

    def _is_fresh(self, attempt: Attempt) -> bool:
        """See that it is not too late: the look before it is not old, and nobody has asked the run to end since."""
        ending = self.ledger.stop.is_set() and attempt.send.action not in _BRINGS_BACK
        if not (ending or self._stale(attempt.looked_at)):
            return True
        self._withdraw(attempt)
        return False

    def _withdraw(self, attempt: Attempt) -> None:
        send, at = attempt.send, self.clock.time()
        self._keep(attempt, lambda before: record.withdraw(before, send, at))
        self.tell("answer", send, {"code": "NotSent"})

    def _call(self, attempt: Attempt) -> None:
        try:
            answer = self._send(attempt)
        except CloudError as failed:
            self._failed(attempt, failed)
        else:
            self._accepted(attempt, answer)

    def _call_many(self, attempts: Sequence[Attempt]) -> None:
        """Stop or start many instances by one call; each has an answer of its own, or the call has one for all."""
        ids = [each.send.subject for each in attempts]
        try:
            if not attempts:
                return
            if attempts[0].send.action == "StartInstance":
                answers = self.cloud.start_many(ids)
            else:
                answers = self.cloud.stop_many(ids, force=attempts[0].send.force)
        except CloudError as failed:
            for each in attempts:
                self._failed_with_others(each, failed)
            return
        for each in attempts:
            answer = answers.get(each.send.subject, Unanswered(each.send.action))
            if isinstance(answer, Accepted):
                self._accepted(each, answer)
            else:
                self._failed(each, answer)

    def _failed_with_others(self, attempt: Attempt, failed: CloudError) -> None:
        """Take the refusal of a whole batch for one job: any of the others may be the reason, so it is asked alone."""
        final = isinstance(failed, Refused) and codes.verdict(
            attempt.send.action, failed.code, failed.http_status
        ) not in ("again", "lost")
        if final:
            attempt.entry.alone = True
            self._withdraw(attempt)
        else:
            self._failed(attempt, failed)

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
        if send.action == "ResetDisk":
            return cloud.reset_disk(subject, _restored_from(attempt.entry.record, subject), attempt=number)
        return cloud.reinit(subject, self.plan.options, attempt=number)

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

    def _accepted(self, attempt: Attempt, answer: Accepted) -> None:
        send, at = attempt.send, self.clock.time()
        self._keep(attempt, lambda before: record.accepted(before, send, at, answer.snapshot_id))
        self.tell("answer", send, {"code": "OK", "request_id": answer.request_id})

    def _failed(self, attempt: Attempt, failed: CloudError) -> None:
        if isinstance(failed, Refused):
            self._refused(attempt, failed)
        elif isinstance(failed, NotSent):
            self._not_sent(attempt, failed)
        else:
            self._lost(attempt)
            self.tell("answer", attempt.send, {"code": "Unanswered"})

    def _lost(self, attempt: Attempt) -> None:
        at = self.clock.time()
        due = retry.due(attempt.number, at, None)
        self._keep(attempt, lambda before: record.lost(before, attempt.send, at, due))

    def _not_sent(self, attempt: Attempt, not_sent: NotSent) -> None:
        send, at = attempt.send, self.clock.time()
        failure = Failure("NotSent", str(not_sent), action=send.action, hint="Check the network of this machine.")
        due = retry.due(attempt.number, at, None)
        self._keep(attempt, lambda before: record.refused(before, send, failure, at, self.clock.now(), due))
        self.tell("answer", send, {"code": "NotSent"})

    def _refused(self, attempt: Attempt, refused: Refused) -> None:
        send, at = attempt.send, self.clock.time()
        means = codes.verdict(send.action, refused.code, refused.http_status)
        if means == "lost":
            self._lost(attempt)
        else:
            failure = Failure(
                refused.code,
                f"ECS refused {send.action} of {send.subject} with {refused.code}: {refused.message}",
                request_id=refused.request_id,
                action=send.action,
                hint=codes.fix_of(refused.code),
            )
            due = retry.due(attempt.number, at, refused.retry_after) if means == "again" else None
            self._keep(attempt, lambda before: record.refused(before, send, failure, at, self.clock.now(), due))
        self.tell("answer", send, {"code": refused.code, "request_id": refused.request_id})

    def _keep(self, attempt: Attempt, change: Callable[[Record], Record]) -> None:
        self.ledger.keep([(attempt.entry, change)])


def _restored_from(known: Record, disk_id: str) -> str:
    return next(wipe.snapshot_id for wipe in known.disks if wipe.disk_id == disk_id)


def _intention(send: Send, seen: Observation) -> Callable[[Record], Record]:
    """Intend a call under the ledger's lock, where what another thread learned meanwhile counts."""
    return lambda before: record.intend(before, send, seen) if decide(before, seen) == send else before


def _untouched(known: Record, disks: Sequence[DiskFacts]) -> list[DiskFacts]:
    ahead = {wipe.disk_id for wipe in known.disks if wipe.state == "todo"}
    return [each for each in disks if each.disk_id in ahead]
