"""One guarded call: check for the last time that it may be sent, send it once, and return how it ended.

Nothing here waits or repeats a call: a retry is a new attempt, which the core decides.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..clock import Clock, boottime
from ..cloud.interface import Cloud, CloudError, NotSent, Refused
from ..core import inputs
from ..core.freshness import is_stale, longest
from ..core.inputs import Answered, Attempt, AttemptOutcome, AttemptUnanswered, AttemptWithheld, SendAttempts
from ..core.steps import wipe_of
from ..journal import LateAnswer, LeaseLostError
from ..model import LOCK_TAG, Accepted, JobState, Observation, Plan, error_codes
from .store import StateStore


def serves_until(clock: Clock, observation: Observation, job: JobState) -> float:
    """Return when an observation becomes too old for a wipe to be sent, in real seconds since boot.

    After the last comparison of its age with the clock, the process can still be paused or have to wait for
    credentials.
    """
    return boottime() + (longest(job, clock.rate) - (clock.time() - observation.at)) / clock.rate


@dataclass(frozen=True)
class Calls:
    """Makes the calls of one run.

    Attributes:
        stop: set once somebody has asked the run to end: from then on, only what brings machines back is sent.
        throttled_at: by API, when ECS last throttled it (cloud seconds): earlier observations are not acted on.

    """

    cloud: Cloud
    clock: Clock
    plan: Plan
    run_id: str
    store: StateStore
    stop: threading.Event
    throttled_at: dict[str, float] = field(default_factory=dict)
    accepted: list[LateAnswer] = field(default_factory=list)
    """The wipes of this session that ECS accepted. If the session has lost the run, its present holder must learn of
    them.
    """

    def make(self, call: SendAttempts) -> Answered:
        """Make one call for its attempts; those that are too late or no longer needed are withheld."""
        back = call.attempts[0].command.action in error_codes.BRINGS_BACK
        try:
            may_send = self.store.may_send(brings_back=back)
        except LeaseLostError:
            may_send = False  # the loop notices that the lease is lost
        due = [each for each in call.attempts if may_send and (back or self._is_still_due(each))]
        due = [each for each in due if not self._is_throttled(each, len(due))]
        batched = False
        answers: Mapping[int, AttemptOutcome] = {}
        if len(due) > 1:
            answers, batched = self._make_batch(due)
        elif due:
            answers = {due[0].position: self._make_one(due[0])}
        return Answered(
            call.number, tuple(answers.get(each.position, AttemptWithheld()) for each in call.attempts), batched=batched
        )

    def _is_still_due(self, attempt: Attempt) -> bool:
        """Return whether it is not too late: not after the recheck expired, nor after somebody asked the run to end."""
        stale = is_stale(attempt.observation, attempt.job, self.clock.time(), self.clock.rate)
        return not (stale or self.stop.is_set())

    def _is_throttled(self, attempt: Attempt, batched: int) -> bool:
        """Return whether ECS has throttled such a call since this one was decided.

        The core takes that into account before it decides on a later observation, and admits calls as the limit allows.
        """
        action: str = attempt.command.action
        return attempt.observation.at < self.throttled_at.get(f"{action}s" if batched > 1 else action, 0.0)

    def _failed(self, action: str, failed: CloudError) -> AttemptOutcome:
        if isinstance(failed, Refused) and error_codes.throttled(failed.code):
            self.throttled_at[failed.action or action] = self.clock.time()
        return outcome_of(failed)

    def _make_one(self, attempt: Attempt) -> AttemptOutcome:
        try:
            accepted = self._send(attempt)
        except CloudError as failed:
            return self._failed(attempt.command.action, failed)
        if attempt.command.overwrites:
            action, disk_id = attempt.command.action, attempt.command.subject
            self.accepted.append(LateAnswer(attempt.position, action, disk_id, attempt.number))
        return accepted

    def _make_batch(self, attempts: Sequence[Attempt]) -> tuple[Mapping[int, AttemptOutcome], bool]:
        """Stop or start many instances in one call; each has its own answer, or the call has one for all."""
        ids = [each.command.subject for each in attempts]
        number = max(each.number for each in attempts)
        try:
            if attempts[0].command.action == "StartInstance":
                answers = self.cloud.start_instances(ids, attempt=number)
            else:
                answers = self.cloud.stop_instances(ids, force=attempts[0].command.force, attempt=number)
        except CloudError as failed:
            outcome = self._failed(f"{attempts[0].command.action}s", failed)
            return dict.fromkeys((each.position for each in attempts), outcome), True
        outcomes: dict[int, AttemptOutcome] = {}
        for each in attempts:
            answer = answers.get(each.command.subject)
            outcomes[each.position] = (
                AttemptUnanswered()
                if answer is None
                else answer
                if isinstance(answer, Accepted)
                else outcome_of(answer)
            )
        return outcomes, False

    def _send(self, attempt: Attempt) -> Accepted:
        cloud, command, job, number = self.cloud, attempt.command, attempt.job, attempt.number
        subject = command.subject
        if command.action == "StopInstance":
            return cloud.stop_instance(subject, force=command.force, attempt=number)
        if command.action == "StartInstance":
            return cloud.start_instance(subject, attempt=number)
        if command.action == "TagResources":
            return cloud.tag_instance(subject, (LOCK_TAG, self.run_id), attempt=number)
        if command.action == "UntagResources":
            return cloud.untag_instance(subject, LOCK_TAG, attempt=number)
        if command.action == "CreateSnapshot":
            return self._snapshot(subject, job, number)
        until = serves_until(self.clock, attempt.observation, job)
        if command.action == "ResetDisk":
            return cloud.reset_disk(subject, wipe_of(job, subject).snapshot_id, attempt=number, until=until)
        return cloud.reinit_disk(subject, self.plan.options, attempt=number, until=until)

    def _snapshot(self, disk_id: str, job: JobState, number: int) -> Accepted:
        return self.cloud.create_snapshot(
            disk_id,
            name=f"safe-reinit.{self.run_id}.{disk_id}"[:128],
            description=f"Taken by safe-reinit before it wiped {disk_id} in run {self.run_id}."[:256],
            token=next(each.token for each in job.snapshots if each.disk_id == disk_id),
            retention_days=self.plan.options.snapshot_retention_days,
            tags=((LOCK_TAG, self.run_id),),
            attempt=number,
        )


def outcome_of(failed: CloudError) -> AttemptOutcome:
    """Return the outcome of an attempt whose call failed like this."""
    if isinstance(failed, Refused):
        return inputs.AttemptRefused(
            failed.code, failed.http_status, failed.message, failed.request_id, failed.action, failed.retry_after
        )
    if isinstance(failed, NotSent):
        return inputs.AttemptNotSent(str(failed), failed.hint)
    return AttemptUnanswered()
