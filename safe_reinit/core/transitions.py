"""Every state of a wipe and of any other call, and what leads from one to the next: no other change happens.

Only ``evolve`` and ``resuming`` change a state. ``Failed``, ``Cancelled``, ``HeldUp``, ``PowerObserved`` and ``Paused``
change none: they change what may happen next. A transition that is not listed here cannot happen; the tests compare in
both directions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..model import Outcome, StepState, WipeState

CallName = Literal["stop", "force", "start", "snapshot", "tag", "untag"]
"""A call other than a wipe, by the name of its step in ``JobState``."""
Cause = Literal[
    "Intended",
    "Withdrawn",
    "CallAccepted",
    "CallRefused",
    "CallUnanswered",
    "CallUnclear",
    "Observed",
    "Resumed",
    "Verdict",
]
"""The event that changes a state. ``Resumed``: another process continues the run; ``Verdict``: a person says what
happened to the disks in doubt, after the run was resumed.
"""


@dataclass(frozen=True)
class WipeTransition:
    """One change of the state of ReInitDisk, or of ResetDisk in an undo."""

    before: WipeState
    after: WipeState
    cause: Cause
    why: str


@dataclass(frozen=True)
class StepTransition:
    """One change of the state of any other call."""

    before: StepState
    after: StepState
    cause: Cause
    why: str
    calls: tuple[CallName, ...]


@dataclass(frozen=True)
class Exit:
    """How a job of one disk ends: its outcome, by the state of its wipe."""

    state: WipeState
    outcome: Outcome
    when: str


WIPE_STATES: Mapping[WipeState, str] = {
    "todo": "not sent yet, or certainly not carried out and to be sent again",
    "asked": "the intention is in the journal; no answer yet",
    "accepted": "ECS accepted it or shows ReIniting; its end has not been seen yet",
    "lost": "no answer came, or one that proves nothing: it may or may not have been carried out",
    "resend": "an answer was lost, and the call may be sent again, because nobody can have used the machine since then",
    "done": "proven done",
    "refused": "certainly not carried out, and not sent again",
    "unknown": "unknown whether it was carried out; it is not sent again",
}
STEP_STATES: Mapping[StepState, str] = {
    "none": "not sent yet",
    "asked": "the intention is in the journal; no answer yet",
    "accepted": "ECS accepted it or shows that it has begun",
    "lost": "no answer came, or one that proves nothing: it may or may not have been carried out",
    "again": "certainly not carried out, or not sent; to be sent again",
    "resend": "to be sent again, though an earlier attempt may have been carried out: its answer was lost",
    "done": "an observation shows that it was carried out",
    "failed": "given up",
}

WIPE: tuple[WipeTransition, ...] = (
    WipeTransition("todo", "asked", "Intended", "the intention is in the journal before the call is sent"),
    WipeTransition("resend", "asked", "Intended", "the intention to send it once more is in the journal"),
    WipeTransition("asked", "todo", "Withdrawn", "not sent: its recheck was too old, or it is no longer needed"),
    WipeTransition("asked", "resend", "Withdrawn", "not sent, and an earlier answer was lost"),
    WipeTransition("asked", "accepted", "CallAccepted", "ECS accepts it"),
    WipeTransition("asked", "lost", "CallUnanswered", "no answer, or one that proves nothing"),
    WipeTransition("asked", "accepted", "CallUnanswered", "no answer, but ReIniting was shown meanwhile"),
    WipeTransition("asked", "lost", "CallUnclear", "an unknown error code"),
    WipeTransition("asked", "accepted", "CallUnclear", "an unknown error code, but ReIniting was shown meanwhile"),
    WipeTransition("asked", "todo", "CallRefused", "refused for now"),
    WipeTransition("asked", "resend", "CallRefused", "refused for now, and an earlier answer was lost"),
    WipeTransition("asked", "refused", "CallRefused", "refused for good, or for too long"),
    WipeTransition(
        "asked", "unknown", "CallRefused", "refused for good, but an earlier attempt may have been carried out"
    ),
    WipeTransition("asked", "accepted", "CallRefused", "refused, but ReIniting was shown meanwhile"),
    WipeTransition("todo", "refused", "CallRefused", "in an undo, DryRun says that ECS would refuse it"),
    WipeTransition("resend", "unknown", "CallRefused", "in an undo, DryRun says that ECS would refuse it now"),
    WipeTransition(
        "todo", "unknown", "Observed", "ReIniting, but not because of this run: somebody else is wiping the disk"
    ),
    WipeTransition("refused", "unknown", "Observed", "ReIniting after the refusal: somebody else is wiping the disk"),
    WipeTransition(
        "refused", "accepted", "Observed", "ReIniting after a verdict: an unanswered attempt is being carried out"
    ),
    WipeTransition("resend", "accepted", "Observed", "ReIniting: an unanswered attempt is being carried out"),
    WipeTransition("resend", "unknown", "Observed", "the machine may have been used, or no wipe may be sent any more"),
    WipeTransition("lost", "accepted", "Observed", "ReIniting: it is being carried out"),
    WipeTransition("lost", "resend", "Observed", "In_use through the settling time, and nobody used the machine"),
    WipeTransition("lost", "refused", "Observed", "In_use through the settling time after an unknown error code"),
    WipeTransition("lost", "done", "Observed", "In_use after ReIniting, or the end of the roll-back"),
    WipeTransition(
        "lost", "unknown", "Observed", "nothing shows in time that it was done, or somebody may have used the machine"
    ),
    WipeTransition("accepted", "done", "Observed", "In_use after ReIniting, or In_use for the whole settling time"),
    WipeTransition(
        "accepted", "unknown", "Observed", "its end was not seen in time, or the disk is attached elsewhere"
    ),
    WipeTransition("asked", "lost", "Resumed", "another process continues, and does not know the answer"),
    WipeTransition("unknown", "accepted", "Resumed", "another process observes what ECS had accepted"),
    WipeTransition("unknown", "lost", "Resumed", "another process observes what was not answered"),
    WipeTransition("resend", "done", "Verdict", "a person says: reinitialised"),
    WipeTransition("accepted", "done", "Verdict", "a person says: reinitialised"),
    WipeTransition("lost", "done", "Verdict", "a person says: reinitialised"),
    WipeTransition("unknown", "done", "Verdict", "a person says: reinitialised"),
    WipeTransition("resend", "refused", "Verdict", "a person says: intact"),
    WipeTransition("lost", "refused", "Verdict", "a person says: intact"),
    WipeTransition("unknown", "refused", "Verdict", "a person says: intact"),
)

_POWER: tuple[CallName, ...] = ("stop", "force", "start")
_REPEATABLE: tuple[CallName, ...] = ("snapshot", "tag", "untag")
_ALL = (*_POWER, *_REPEATABLE)
_SOMEBODY = "the power state or StartTime shows that somebody else uses the machine"
STEP: tuple[StepTransition, ...] = (
    StepTransition("none", "asked", "Intended", "the intention is in the journal before the call is sent", _ALL),
    StepTransition("again", "asked", "Intended", "the intention to send it again is in the journal", _ALL),
    StepTransition("resend", "asked", "Intended", "the intention to send it once more is in the journal", _ALL),
    StepTransition("asked", "none", "Withdrawn", "never sent", ("stop", "force", "snapshot", "tag")),
    StepTransition(
        "asked", "again", "Withdrawn", "not sent this time, but it was sent before or is still needed", _ALL
    ),
    StepTransition("asked", "resend", "Withdrawn", "not sent, and an earlier answer was lost", _ALL),
    StepTransition("asked", "accepted", "CallAccepted", "ECS accepts it", (*_POWER, "snapshot", "tag")),
    StepTransition("asked", "done", "CallAccepted", "ECS accepts it, and there is nothing to wait for", ("untag",)),
    StepTransition("asked", "lost", "CallUnanswered", "no answer, or one that proves nothing", _POWER),
    StepTransition("asked", "resend", "CallUnanswered", "no answer, and it may be repeated at once", _REPEATABLE),
    StepTransition("asked", "failed", "CallUnanswered", "no answer for too long", _REPEATABLE),
    StepTransition("asked", "again", "CallRefused", "refused for now", _ALL),
    StepTransition("asked", "resend", "CallRefused", "refused for now, and an earlier answer was lost", _ALL),
    StepTransition("asked", "failed", "CallRefused", "refused for good, or for too long", _ALL),
    StepTransition(
        "asked", "lost", "CallRefused", "refused, but an earlier stop may have been carried out", ("stop", "force")
    ),
    StepTransition("lost", "resend", "Observed", "no effect of it is visible during the settling time", _POWER),
    StepTransition("lost", "accepted", "Observed", "Stopping or Starting is shown", ("stop", "start")),
    StepTransition("resend", "accepted", "Observed", "Stopping or Starting is shown", ("stop", "start")),
    StepTransition("resend", "accepted", "Observed", "the run's tag is shown", ("tag",)),
    StepTransition("again", "accepted", "Observed", "Starting is shown", ("start",)),
    StepTransition("again", "accepted", "Observed", "the run's tag is shown", ("tag",)),
    StepTransition("accepted", "done", "Observed", "Stopped or Running is shown", ("stop", "start")),
    StepTransition("accepted", "done", "Observed", "the snapshot is complete", ("snapshot",)),
    StepTransition("accepted", "done", "Observed", "the run's tag is shown through the settling time", ("tag",)),
    StepTransition("lost", "done", "Observed", "Stopped or Running is shown", ("stop", "start")),
    StepTransition("resend", "done", "Observed", "Stopped or Running is shown", ("stop", "start")),
    StepTransition("again", "done", "Observed", "Running is shown", ("start",)),
    StepTransition("accepted", "failed", "Observed", _SOMEBODY, ("stop",)),
    StepTransition("lost", "failed", "Observed", _SOMEBODY, ("stop",)),
    StepTransition("again", "failed", "Observed", _SOMEBODY, ("stop",)),
    StepTransition("resend", "failed", "Observed", _SOMEBODY, ("stop",)),
    StepTransition(
        "accepted",
        "failed",
        "Observed",
        "the instance was not Running in time, or is neither Starting nor Running",
        ("start",),
    ),
    StepTransition("lost", "failed", "Observed", "not Running in time", ("start",)),
    StepTransition("again", "failed", "Observed", "not Running in time", ("start",)),
    StepTransition("resend", "failed", "Observed", "not Running in time", ("start",)),
    StepTransition("none", "failed", "Observed", "the tag of another run is shown", ("tag",)),
    StepTransition("again", "failed", "Observed", "the tag of another run is shown", ("tag",)),
    StepTransition("resend", "failed", "Observed", "the tag of another run is shown", ("tag",)),
    StepTransition("accepted", "failed", "Observed", "the run's tag was removed or replaced", ("tag",)),
    StepTransition("done", "failed", "Observed", "the run's tag was removed or replaced", ("tag",)),
    StepTransition(
        "accepted", "failed", "Observed", "the snapshot failed, is gone, or is of another disk", ("snapshot",)
    ),
    StepTransition("done", "failed", "Observed", "the snapshot failed, is gone, or is of another disk", ("snapshot",)),
    StepTransition("asked", "lost", "Resumed", "another process continues, and does not know the answer", _POWER),
    StepTransition("asked", "resend", "Resumed", "another process continues, and may repeat it", _REPEATABLE),
    StepTransition("failed", "again", "Resumed", "another process sends the start again", ("start",)),
    StepTransition(
        "failed", "resend", "Resumed", "another process sends it again, and it may have been carried out", ("start",)
    ),
    StepTransition("failed", "none", "Resumed", "another process removes the tag that was left", ("untag",)),
)

EXITS: tuple[Exit, ...] = (
    Exit("todo", "refused", "no changing call was intended"),
    Exit("todo", "failed", "the power state is as planned, or only others changed it"),
    Exit("todo", "stranded", "the run changed the power state, and it is not as planned"),
    Exit("refused", "failed", "the power state is as planned, or only others changed it"),
    Exit("refused", "stranded", "the run changed the power state, and it is not as planned"),
    Exit("done", "done", "the power state is as planned"),
    Exit("done", "not-restarted", "the power state is not as planned"),
    Exit("unknown", "unknown", "it is unknown what happened to the data"),
    *(
        Exit(state, "unknown", "the process ended before the outcome was seen")
        for state in ("resend", "asked", "accepted", "lost")
    ),
)
"""By the state in which a run leaves the wipe; ``state.outcome`` gives the same. If disks differ: any in doubt makes it
``unknown``, otherwise any that is done makes it ``partial``.
"""
