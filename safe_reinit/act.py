"""One guarded call: look again, decide again, write the intention down, call once, write down the answer.

A retry is a new guarded call. Nothing here waits, and nothing here repeats a call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from . import codes, record, retry
from .checks import judge
from .clock import Clock
from .cloud import Accepted, Cloud, CloudError, NotSent, Refused
from .decide import decide
from .look import PROVEN, observe, tick
from .model import LOCK_TAG, DiskFacts, Failure, Observation, Plan, PlannedJob, Record, Send
from .plan import expected, moved

_FRESH = 3.0
"""Cloud seconds for which a look may be acted on."""
_FRESH_REAL = 0.2
"""Real seconds that are always allowed for that."""
_OURS = ("Status",)
"""What our own stop changes of an instance; ``decide`` judges it instead."""


class Keeper(Protocol):
    """Where a job's record lives: a change is kept before what follows from it is done."""

    @property
    def record(self) -> Record:
        """The record as it stands."""

    def keep(self, change: Callable[[Record], Record]) -> Record:
        """Change the record and give it; it is written down if that is possible.

        Raises:
            LeaseLostError: another process holds the run; the change is not made.
        """

    def commit(self, change: Callable[[Record], Record]) -> Record:
        """Change the record as ``keep`` does, but only if it is written down: what follows is sent because of it.

        Raises:
            JournalError: it could not be written, for the first time; the change is not made, and the job turns back.
            LeaseLostError: another process holds the run; the change is not made.
        """

    def check(self) -> None:
        """See that this process still holds the run; raises where it does not."""


@dataclass(frozen=True)
class Act:
    """What one call needs to know of its run."""

    cloud: Cloud
    clock: Clock
    plan: Plan
    run_id: str
    tell: Callable[[str, Send, dict[str, object]], None]
    """Is told ``intend`` and ``answer``."""

    def __call__(self, job: PlannedJob, keeper: Keeper, send: Send) -> bool:
        """Make the call, if it is still the one to make, and tell whether it was made.

        Raises:
            CloudError: the look before it failed; nothing was sent and nothing was intended.

        """
        seen = self._look_again(job, keeper, send)
        if seen is None:
            return False
        known = keeper.keep(lambda before: record.learn(before, seen))
        if decide(known, seen) != send or self._stale(seen):
            return False

        def intend(before: Record) -> Record:  # under the keeper's lock: what another thread learned meanwhile counts
            return record.intend(before, send, seen) if decide(before, seen) == send else before

        if send.action == "ResetDisk" and not self._may_reset(keeper, send, seen):
            return False
        tries = record.tries_of(known, send)
        known = keeper.commit(intend)
        attempt = record.tries_of(known, send)
        if attempt == tries:
            return False
        self.tell("intend", send, {"attempt": attempt})
        keeper.check()
        if self._stale(seen):  # the disk took too long to write the intention down: it was not sent, and may be anew
            self._not_sent(keeper, send, NotSent(send.action, "the look before it had grown old"), 0)
            return False
        self._call(keeper, send, attempt)
        return True

    def _may_reset(self, keeper: Keeper, send: Send, seen: Observation) -> bool:
        """Ask with DryRun whether ECS would roll the disk back now; what it would refuse is not sent."""
        known = keeper.record
        code = self.cloud.may_reset(send.subject, _restored_from(known, send.subject))
        if code == PROVEN:
            return True
        row = codes.lookup(code)
        failure = Failure(
            code,
            f"ECS would refuse ResetDisk of {send.subject} with {code} (DryRun): {row.meaning if row else 'unknown'}",
            action="ResetDisk",
            hint=row.fix if row else "Look the code up in the ECS API reference.",
        )
        at = self.clock.time()
        passes = codes.verdict(send.action, code, 403) == "again"
        again = retry.due(record.tries_of(known, send) + 1, at, None) if passes else None

        def refuse(before: Record) -> Record:  # under the keeper's lock: what another thread learned meanwhile counts
            still = decide(before, seen) == send
            return record.refused(before, send, failure, at, self.clock.now(), again) if still else before

        keeper.keep(refuse)
        return False

    def _stale(self, seen: Observation) -> bool:
        """Tell whether a look is too old to act on; hurried time never asks for less than a fifth of a real second."""
        return self.clock.time() - seen.at > max(_FRESH, _FRESH_REAL * self.clock.rate)

    def _look_again(self, job: PlannedJob, keeper: Keeper, send: Send) -> Observation | None:
        """Read the facts again; where they moved, the job ends instead."""
        if send.action in ("StartInstance", "UntagResources") or send.force:
            return tick(self.cloud, self.clock, [keeper.record])[0]
        at, when = self.clock.time(), self.clock.now()  # before the looks: what they show is at least as new
        disk_ids = [disk.disk_id for disk in job.disks]
        options = replace(self.plan.options, run_id=self.run_id)
        facts = observe(self.cloud, self.clock, self.plan.region, disk_ids, options)
        ahead = {wipe.disk_id for wipe in keeper.record.disks if wipe.state == "todo"}
        untouched = [each for each in facts.disks if each.disk_id in ahead]
        if facts.caller.account != self.plan.account:
            drift: tuple[str, ...] = (f"account: {self.plan.account} -> {facts.caller.account}",)
        else:
            drift = _drift(job, untouched, keeper.record, self.plan)
        if self._ended_by_drift(keeper, drift):
            return None
        seen = Observation(
            at=at,
            when=when,
            seen=True,
            instance=untouched[0].instance if untouched else None,
            disks={each.disk.disk_id: each.disk for each in facts.disks if each.disk},
            progressing=tuple(shot for each in facts.disks for shot in each.snapshots if shot.status == "progressing"),
            snapshots={shot.snapshot_id: shot for each in facts.disks for shot in each.snapshots},
        )
        return self._look_once_more(job, keeper, untouched) if self._stale(seen) else seen

    def _look_once_more(self, job: PlannedJob, keeper: Keeper, untouched: Sequence[DiskFacts]) -> Observation | None:
        """Look at what can change while reading all the facts took its time; the rest of them stands."""
        seen = tick(self.cloud, self.clock, [keeper.record])[0]
        now = [replace(each, instance=seen.instance, disk=seen.disks.get(each.disk_id)) for each in untouched]
        return None if self._ended_by_drift(keeper, _drift(job, now, keeper.record, self.plan)) else seen

    def _ended_by_drift(self, keeper: Keeper, drift: Sequence[str]) -> bool:
        """End the job where its facts moved, and tell whether they did."""
        if drift:
            failure = Failure(
                None,
                f"What the plan stands on has moved: {'; '.join(drift)}.",
                hint="Look at the new facts with --dry-run, then decide anew.",
            )
            keeper.keep(lambda before: record.fail(before, failure))
        return bool(drift)

    def _call(self, keeper: Keeper, send: Send, attempt: int) -> None:
        try:
            answer = self._send(send, keeper.record, attempt)
        except Refused as refused:
            self._refused(keeper, send, refused, attempt)
        except NotSent as not_sent:
            self._not_sent(keeper, send, not_sent, attempt)
        except CloudError:
            at = self.clock.time()
            due = retry.due(attempt, at, None)
            keeper.keep(lambda before: record.lost(before, send, at, due))
            self.tell("answer", send, {"code": "Unanswered"})
        else:
            keeper.keep(lambda before: record.accepted(before, send, self.clock.time(), answer.snapshot_id))
            self.tell("answer", send, {"code": "OK", "request_id": answer.request_id})

    def _not_sent(self, keeper: Keeper, send: Send, not_sent: NotSent, attempt: int) -> None:
        at = self.clock.time()
        failure = Failure("NotSent", str(not_sent), action=send.action, hint="Check the network of this machine.")
        due = retry.due(attempt, at, None) if attempt else at
        keeper.keep(lambda before: record.refused(before, send, failure, at, self.clock.now(), due))
        self.tell("answer", send, {"code": "NotSent"})

    def _send(self, send: Send, known: Record, attempt: int) -> Accepted:
        cloud, subject = self.cloud, send.subject
        if send.action == "StopInstance":
            return cloud.stop(subject, force=send.force, attempt=attempt)
        if send.action == "StartInstance":
            return cloud.start(subject, attempt=attempt)
        if send.action == "TagResources":
            return cloud.tag(subject, (LOCK_TAG, self.run_id), attempt=attempt)
        if send.action == "UntagResources":
            return cloud.untag(subject, LOCK_TAG, attempt=attempt)
        if send.action == "CreateSnapshot":
            return self._snapshot(subject, known, attempt)
        if send.action == "ResetDisk":
            return cloud.reset_disk(subject, _restored_from(known, subject), attempt=attempt)
        return cloud.reinit(subject, self.plan.options, attempt=attempt)

    def _snapshot(self, disk_id: str, known: Record, attempt: int) -> Accepted:
        return self.cloud.create_snapshot(
            disk_id,
            name=f"safe-reinit.{self.run_id}.{disk_id}"[:128],
            description=f"Taken by safe-reinit before it wiped {disk_id} in run {self.run_id}."[:256],
            token=next(each.token for each in known.snapshots if each.disk_id == disk_id),
            retention_days=self.plan.options.snapshot_retention_days,
            tags=((LOCK_TAG, self.run_id),),
            attempt=attempt,
        )

    def _refused(self, keeper: Keeper, send: Send, refused: Refused, attempt: int) -> None:
        at = self.clock.time()
        means = codes.verdict(send.action, refused.code, refused.http_status)
        if means == "lost":
            due = retry.due(attempt, at, None)
            keeper.keep(lambda before: record.lost(before, send, at, due))
        else:
            row = codes.lookup(refused.code)
            failure = Failure(
                refused.code,
                f"ECS refused {send.action} of {send.subject} with {refused.code}: {refused.message}",
                request_id=refused.request_id,
                action=send.action,
                hint=row.fix if row else "Look the code up in the ECS API reference.",
            )
            again = retry.due(attempt, at, refused.retry_after) if means == "again" else None
            keeper.keep(lambda before: record.refused(before, send, failure, at, self.clock.now(), again))
        self.tell("answer", send, {"code": refused.code, "request_id": refused.request_id})


def _restored_from(known: Record, disk_id: str) -> str:
    return next(wipe.snapshot_id for wipe in known.disks if wipe.disk_id == disk_id)


def _drift(job: PlannedJob, disks: Sequence[DiskFacts], known: Record, plan: Plan) -> tuple[str, ...]:
    """Tell what moved since the plan other than by our own recorded calls, and what would be refused now."""
    unseen = tuple(f"{gone.action} of {gone.subject}: {gone.why}" for each in disks for gone in each.unseen)
    missing = tuple(f"{each.disk_id} is not shown any more" for each in disks if each.disk is None)
    if unseen or missing:
        return unseen or missing
    ours = [f"{job.instance_id}.{name}" for name in _OURS] if known.touched else []
    now = expected(disks)
    planned = {name: value for name, value in job.expected.items() if name.rpartition(".")[0] in _subjects(job, disks)}
    return moved(planned, now, ours=ours) or tuple(
        f"{found.check} ({found.subject}): {found.message.rstrip('.')}"
        for each in disks
        for found in judge(each)
        if found.level == "block"
        or (found.level == "risk" and not known.touched and found.check not in plan.options.accept)
    )


def _subjects(job: PlannedJob, disks: Sequence[DiskFacts]) -> set[str | None]:
    return {job.instance_id, *(each.disk_id for each in disks)}
