"""How an event changes the state of a job. During a run, nothing else changes a state."""

from __future__ import annotations

from ..model import JobState
from . import answers, resuming
from .events import (
    CallAccepted,
    CallRefused,
    CallUnanswered,
    CallUnclear,
    Cancelled,
    Event,
    Failed,
    HeldUp,
    Intended,
    Observed,
    Paused,
    PowerObserved,
    WipeAcceptedBefore,
    Withdrawn,
)
from .observations import evolve_observed
from .state import fail, held_up, interrupt, replace
from .steps import is_outstanding


def evolve(job: JobState, event: Event) -> JobState:  # noqa: C901, PLR0911, PLR0912 - one line for each event
    """Return the state of a job after an event; the same object if nothing changes."""
    match event:
        case Observed(observation, lag):
            return evolve_observed(job, observation, lag)
        case Intended(command, observation):
            return answers.intend(job, command, observation)
        case Withdrawn(command, at):
            return answers.withdraw(job, command, at) if is_outstanding(job, command) else job
        case HeldUp(at, why):
            return held_up(job, at, why)
        case CallAccepted(command, at, snapshot_id):
            return answers.accepted(job, command, at, snapshot_id)
        case WipeAcceptedBefore(command, at):
            return answers.accepted_before(job, command, at)
        case CallRefused(command, failure, at, when, due):
            return answers.refused(job, command, failure, at, when, due)
        case CallUnanswered(command, at, due, code):
            return answers.lost(job, command, at, due, code) if is_outstanding(job, command) else job
        case CallUnclear(command, failure, at):
            return answers.doubted(job, command, failure, at) if is_outstanding(job, command) else job
        case Failed(failure):
            return fail(job, failure)
        case PowerObserved(status):
            return replace(job, instance_status=status)
        case Cancelled(why):
            return interrupt(job, why)
        case Paused(at):  # pragma: no branch - there is no other event
            return resuming.after_pause(job, at)
