"""What the core receives and what it asks for, as values: inputs and effects.

Every input and every effect is a frozen value that contains no function, so a run can be recorded and replayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..model import Accepted, Command, EventName, Failure, InUse, JobState, Measurement, Observation, Room


@dataclass(frozen=True)
class Now:
    """The present, read by the driver once for each step."""

    at: float
    """Cloud seconds."""
    when: datetime
    """Local time, for reports."""
    jitter: float = 0.0
    """A random number from 0 to 1, so that many runs that are refused together do not all retry together."""


# ------------------------------------------------------------------------------------------------------------ inputs


@dataclass(frozen=True)
class Observations:
    """The observations that ``Describe`` asked for, in the order of its jobs, followed by those of the watched jobs."""

    number: int
    observations: tuple[Observation, ...]


@dataclass(frozen=True)
class Fresh:
    """A recheck found the facts of a job as planned."""

    observation: Observation
    reset_code: str = ""
    """The answer to ResetDisk with DryRun, if that is the call; ``""`` for every other call."""


@dataclass(frozen=True)
class Drifted:
    """A recheck found that facts of a job have changed since the plan."""

    drift: tuple[str, ...]
    """Each as ``field: planned -> now``, or the check that refuses now."""
    status: str
    """The status of the instance in the recheck; ``""`` if it was not shown."""


@dataclass(frozen=True)
class Unobserved:
    """A recheck did not show something of the job that the credentials may see, which proves nothing."""

    why: str


RecheckResult = Fresh | Drifted | Unobserved


@dataclass(frozen=True)
class Rechecked:
    """What ``Recheck`` found, in the order of its commands."""

    number: int
    results: tuple[RecheckResult, ...]


@dataclass(frozen=True)
class RecheckFailed:
    """A recheck got no answer."""

    number: int
    why: str
    """In a few words, for people."""
    failure: Failure | None = None
    """Set if this ends the jobs, because the credentials now belong to another caller."""


@dataclass(frozen=True)
class AttemptRefused:
    """ECS answered with an error code."""

    code: str
    http_status: int
    message: str
    """What the code says, in our words."""
    request_id: str | None
    action: str = ""
    """The API that answered, if one call was for many instances."""
    retry_after: int | None = None
    """Seconds that ECS asks to wait."""


@dataclass(frozen=True)
class AttemptUnanswered:
    """No readable answer arrived: the call may or may not have been carried out."""


@dataclass(frozen=True)
class AttemptNotSent:
    """No byte of the request left this machine, so the call was not made."""

    message: str
    hint: str


@dataclass(frozen=True)
class AttemptWithheld:
    """The call was not sent: its recheck was too old, or it is no longer needed."""


AttemptOutcome = Accepted | AttemptRefused | AttemptUnanswered | AttemptNotSent | AttemptWithheld
"""How an attempt ended."""


@dataclass(frozen=True)
class Answered:
    """How the attempts of a ``SendAttempts`` ended, in order."""

    number: int
    outcomes: tuple[AttemptOutcome, ...]
    batched: bool = False
    """Whether all share one refusal of the whole call. Any of them may be its cause, so each is sent by itself next."""


@dataclass(frozen=True)
class AcceptedBefore:
    """ECS accepted a wipe that was sent by an earlier session, which had lost the run when the answer came."""

    position: int
    """The position of the job."""
    command: Command


@dataclass(frozen=True)
class Broke:
    """A recheck or call ended with an unexpected exception; the call may have been sent."""

    number: int
    kind: str
    """The class of the exception. Its text is not kept, since it may contain secrets."""


@dataclass(frozen=True)
class HandedOver:
    """No further job begins in this process; another one continues once the jobs in progress have ended."""


@dataclass(frozen=True)
class Exchanged:
    """ECS answered a call of any kind, or did not; for the rate limits."""

    action: str
    code: str


@dataclass(frozen=True)
class Committed:
    """The journal has what ``Commit`` asked for."""


@dataclass(frozen=True)
class NoRoom:
    """Other runs already use what ``Commit`` wanted to reserve; nothing was written."""

    in_use: InUse


@dataclass(frozen=True)
class Heard:
    """What ``ReadInUse`` found."""

    in_use: InUse


@dataclass(frozen=True)
class JournalAway:
    """The journal cannot be written now, so the commit was not."""

    failure: Failure


@dataclass(frozen=True)
class JournalLost:
    """The journal is not the one that was opened, and never will be again; the commit was not written."""

    failure: Failure


@dataclass(frozen=True)
class LeaseLapsed:
    """The lease ran out before it was renewed: this process did not run for a while."""


@dataclass(frozen=True)
class CancelRequested:
    """Somebody asked the run to end: calls in progress finish, machines are started again, no wipe is sent."""

    why: str = ""
    """The reason, if the report is to give it."""


@dataclass(frozen=True)
class Continued:
    """The answer to ``AskToContinue``."""

    confirmed: bool


Input = (
    Observations
    | Rechecked
    | RecheckFailed
    | Answered
    | Broke
    | Exchanged
    | Committed
    | NoRoom
    | Heard
    | JournalAway
    | JournalLost
    | AcceptedBefore
    | LeaseLapsed
    | CancelRequested
    | HandedOver
    | Continued
)

# ----------------------------------------------------------------------------------------------------------- effects


@dataclass(frozen=True)
class Describe:
    """Observe these jobs at once."""

    number: int
    jobs: tuple[JobState, ...]
    watched: tuple[JobState, ...] = ()
    """More jobs, for which only the instance is observed: they have not begun yet."""


@dataclass(frozen=True)
class Decided:
    """A call that was decided for a job."""

    position: int
    command: Command | None
    """``None`` for a job that has just begun: all its facts are read before any call is decided."""
    job: JobState


@dataclass(frozen=True)
class Recheck:
    """Read the facts of the plan once more; all calls are of one action."""

    number: int
    commands: tuple[Decided, ...]


@dataclass(frozen=True)
class Attempt:
    """A call whose intention has been written."""

    position: int
    command: Command
    number: int
    """How often the call has been intended."""
    job: JobState
    observation: Observation
    """The observation that it is based on."""


@dataclass(frozen=True)
class SendAttempts:
    """Send these in one request to ECS."""

    number: int
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True)
class Commit:
    """Write these states in one transaction, before any other effect is carried out."""

    states: tuple[tuple[int, JobState], ...]
    """By the position of the job in the plan."""
    spool: bool = False
    """If the journal cannot be written, keep them in a file of this host: machines that are down must come back."""
    room: Room | None = None
    """Write nothing unless other runs leave this much; ``None`` if the jobs need no more than before."""
    measurements: tuple[Measurement, ...] = ()
    """What other runs must know about the quota."""


@dataclass(frozen=True)
class ReadInUse:
    """Read what other runs use of the shared limits."""


@dataclass(frozen=True)
class Emit:
    """Report an event."""

    event: EventName
    instance_id: str | None
    disk_id: str | None
    data: Mapping[str, object]


@dataclass(frozen=True)
class Notify:
    """Tell people something that is not an event of a job."""

    text: str


@dataclass(frozen=True)
class AskToContinue:
    """Ask a person whether the next stage may begin. No machine is down while the question waits."""

    question: str


@dataclass(frozen=True)
class WaitUntil:
    """Step again at this time (cloud seconds), or earlier if there is an input."""

    at: float


Effect = Describe | Recheck | SendAttempts | Commit | ReadInUse | Emit | Notify | AskToContinue | WaitUntil
