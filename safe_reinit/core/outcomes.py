"""What the outcome of an attempt means for its job, and when the call may be sent again."""

from __future__ import annotations

from tenacity import RetryCallState, Retrying, wait_exponential

from ..model import Accepted, Command, Failure, JobState, Observation, error_codes
from .events import CallAccepted, CallRefused, CallUnanswered, CallUnclear, Event, Withdrawn
from .freshness import slowly
from .inputs import Attempt, AttemptNotSent, AttemptOutcome, AttemptRefused, AttemptUnanswered, Now
from .steps import tries_of

_MAX_JITTER = 2.0
"""Cloud seconds over which calls that were refused together are spread."""
_wait = wait_exponential(multiplier=2.0, max=30.0)
_RETRYING = Retrying()


def due_at(attempt: int, now: Now, retry_after: int | None = None) -> float:
    """Return when a call that was refused temporarily may be sent again, in cloud seconds.

    Args:
        attempt: how often it has been sent.
        now: the present, which has the random number for the wait.
        retry_after: the wait that ECS itself asked for, in seconds.

    """
    state = RetryCallState(retry_object=_RETRYING, fn=None, args=(), kwargs={})
    state.attempt_number = attempt
    wait = min(30.0, _wait(state) + _MAX_JITTER * now.jitter)
    return now.at + max(wait, float(retry_after or 0))


def event_of(
    attempt: Attempt, outcome: AttemptOutcome, now: Now, *, batched: bool = False
) -> tuple[Event, dict[str, object]]:
    """Return how an outcome changes the job, and what is reported about it.

    Args:
        attempt: the attempt that had this outcome.
        outcome: how it ended.
        now: the present.
        batched: whether it answers a call for many; then any of them may be the reason.

    """
    command, at = attempt.command, now.at
    match outcome:
        case Accepted(request_id, snapshot_id):
            return CallAccepted(command, at, snapshot_id), {"code": "OK", "request_id": request_id}
        case AttemptRefused(code, request_id=request_id):
            return _refusal(attempt, outcome, now, batched=batched), {"code": code, "request_id": request_id}
        case AttemptNotSent(message, hint):
            failure = Failure("NotSent", message, action=command.action, hint=hint)
            return CallRefused(command, failure, at, now.when, due_at(attempt.number, now)), {"code": "NotSent"}
        case AttemptUnanswered():
            return CallUnanswered(command, at, due_at(attempt.number, now)), {"code": "Unanswered"}
    return Withdrawn(command, at), {"code": "NotSent"}


def _refusal(attempt: Attempt, refused: AttemptRefused, now: Now, *, batched: bool) -> Event:
    command = attempt.command
    means = error_codes.verdict_of_code(command.action, refused.code, refused.http_status)
    if means == "lost":
        return CallUnanswered(command, now.at, due_at(attempt.number, now), refused.code)
    if means == "unknown" and command.overwrites:
        return CallUnclear(command, _unknown(command, refused), now.at)
    message = f"ECS refused {command.action} of {command.subject} with {refused.code}: {refused.message}"
    failure = _of_code(command, refused.code, message, refused.request_id)
    due = now.at if batched else None
    if error_codes.is_retried(command.action, refused.code, refused.http_status):
        # If ECS throttles, all calls of an API wait, and none of them longer than the others.
        fairly = 1 if error_codes.throttled(refused.code) else attempt.number
        due = due_at(fairly, now, refused.retry_after)
    return CallRefused(command, failure, now.at, now.when, due)


def foreseen(command: Command, job: JobState, code: str, now: Now) -> CallRefused:
    """Return the refusal that ResetDisk with DryRun predicts."""
    meaning = error_codes.meaning_of(command.action, code)
    failure = _of_code(
        command, code, f"ECS would refuse ResetDisk of {command.subject} with {code} (DryRun): {meaning}"
    )
    passes = error_codes.is_retried(command.action, code, 403)
    again = due_at(tries_of(job, command) + 1, now) if passes else None
    return CallRefused(command, failure, now.at, now.when, again)


def too_slow(command: Command, observation: Observation, oldest: float) -> Failure:
    """Return why the machine comes back or is not stopped: no observation before a wipe can be recent enough."""
    return Failure(
        None,
        f"{slowly(observation)}. {command.action} of {command.subject} was not sent, because the observation before it "
        f"may be at most {oldest:.0f} s old.",
        action=command.action,
        hint="Wait until ECS answers faster, then check again with --dry-run.",
    )


def _unknown(command: Command, refused: AttemptRefused) -> Failure:
    """Return the failure of a call that destroys data and got an unknown code."""
    message = (
        f"ECS answered {command.action} of {command.subject} with {refused.code}, a code that this program does not "
        "know, so the call is not sent again."
    )
    return _of_code(command, refused.code, message, refused.request_id)


def _of_code(command: Command, code: str, message: str, request_id: str | None = None) -> Failure:
    """Return the failure of a call that ECS answered with a code, or would answer with it."""
    fix = error_codes.fix_of(command.action, code)
    return Failure(code, message, request_id=request_id, action=command.action, hint=fix)
