"""What the core takes and what it asks for, as values: inputs and effects.

Every input and every effect is a frozen value without a function in it, so a run can be written down and replayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..model import Accepted, Command, EventName, Failure, InUse, JobState, Measurement, Observation, Room


@dataclass(frozen=True)
class Now:
    """The present, as the driver reads it once for each step."""

    at: float
    """Cloud seconds."""
    when: datetime
    """Local time, for reports."""
    jitter: float = 0.0
    """A random number from 0 to 1, so that many runs that are refused at once do not all ask again at once."""


# ------------------------------------------------------------------------------------------------------------ inputs


@dataclass(frozen=True)
class Described:
    """The observations that ``Describe`` asked for, in the order of its jobs, and then of those that it watches."""

    number: int
    observations: tuple[Observation, ...]


@dataclass(frozen=True)
class Fresh:
    """A recheck found the facts of a job as they were planned."""

    observation: Observation
    reset_code: str = ""
    """What ResetDisk with DryRun answered, where it is the call; ``""`` for every other."""


@dataclass(frozen=True)
class Drifted:
    """A recheck found that facts of a job have changed since the plan."""

    drift: tuple[str, ...]
    """Each as ``field: planned -> now``, or the check that refuses now."""
    status: str
    """The status of the instance as the recheck showed it; ``""`` if it did not."""


@dataclass(frozen=True)
class Unobserved:
    """A recheck did not show a thing of the job that the credentials may see, which proves nothing."""

    why: str


RecheckResult = Fresh | Drifted | Unobserved


@dataclass(frozen=True)
class Rechecked:
    """What ``Recheck`` found, in the order of its commands."""

    number: int
    results: tuple[RecheckResult, ...]


@dataclass(frozen=True)
class RecheckFailed:
    """A recheck was not answered."""

    number: int
    why: str
    """In a few words, for people."""
    failure: Failure | None = None
    """Where that ends the jobs: the credentials are of another caller now."""


@dataclass(frozen=True)
class Refused:
    """ECS answered with an error code."""

    code: str
    http_status: int
    message: str
    """What the code says, in our words."""
    request_id: str | None
    action: str = ""
    """The API that answered, where it is one for many."""
    retry_after: int | None = None
    """Seconds that ECS asks to wait."""


@dataclass(frozen=True)
class Unanswered:
    """No readable answer arrived: the call may or may not have been carried out."""


@dataclass(frozen=True)
class NotSent:
    """No byte of the request left: the call was not done."""

    message: str
    hint: str


@dataclass(frozen=True)
class Withheld:
    """The call was not made: it came too late after its recheck, or nobody wants it any more."""


Outcome = Accepted | Refused | Unanswered | NotSent | Withheld
"""How an attempt ended."""


@dataclass(frozen=True)
class Answered:
    """How the attempts of a ``Call`` ended, in their order."""

    number: int
    outcomes: tuple[Outcome, ...]
    batched: bool = False
    """It is the one answer to a call for all of them: any may be the reason, so each is sent by itself."""


@dataclass(frozen=True)
class AcceptedBefore:
    """ECS accepted a wipe of a session that held the run before and had lost it when the answer came."""

    position: int
    """Of the job."""
    command: Command


@dataclass(frozen=True)
class Broke:
    """A recheck or call ended with an exception that nobody foresaw; the call may have been sent."""

    number: int
    kind: str
    """The class of the exception: its text may hold secrets."""


@dataclass(frozen=True)
class HandedOver:
    """No further job begins in this process: another one goes on with them once those that have begun have ended."""


@dataclass(frozen=True)
class Exchanged:
    """ECS answered a call of any kind, or did not; for the rate limits."""

    action: str
    code: str


@dataclass(frozen=True)
class Committed:
    """What ``Commit`` asked for is written down."""


@dataclass(frozen=True)
class NoRoom:
    """Other runs have in use what ``Commit`` wanted a part of; nothing was written down."""

    in_use: InUse


@dataclass(frozen=True)
class Heard:
    """What ``ReadInUse`` found."""

    in_use: InUse


@dataclass(frozen=True)
class JournalAway:
    """The journal cannot be written at the moment; what was to be committed is not."""

    failure: Failure


@dataclass(frozen=True)
class JournalLost:
    """The journal is not the one that was opened, and never will be again; what was to be committed is not."""

    failure: Failure


@dataclass(frozen=True)
class LeaseLapsed:
    """The lease had run out before it was renewed: this process did not run for a while."""


@dataclass(frozen=True)
class CancelRequested:
    """Somebody asked the run to end: calls in flight end, machines come back, no wipe is sent."""

    why: str = ""
    """Why, where the report is to say it."""


@dataclass(frozen=True)
class Continued:
    """The answer to ``Ask``."""

    confirmed: bool


Input = (
    Described
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
    """More jobs, of which only the instance is observed: nothing is done for them yet."""


@dataclass(frozen=True)
class Decided:
    """A call that was decided for a job."""

    position: int
    command: Command | None
    """``None`` for a job that has just begun: all its facts are read before any call is decided."""
    job: JobState


@dataclass(frozen=True)
class Recheck:
    """Read the facts that the plan stands on once more; the calls are of one action."""

    number: int
    commands: tuple[Decided, ...]


@dataclass(frozen=True)
class Attempt:
    """A call whose intention is written down."""

    position: int
    command: Command
    number: int
    """How often it has been intended."""
    job: JobState
    observation: Observation
    """What it stands on."""


@dataclass(frozen=True)
class Call:
    """Send these by one call to ECS."""

    number: int
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True)
class Commit:
    """Write these states down in one transaction, before any other effect is carried out."""

    states: tuple[tuple[int, JobState], ...]
    """By the position of the job in the plan."""
    spool: bool = False
    """Where the journal cannot be written, keep them in a file of this host: machines that are down must come back."""
    room: Room | None = None
    """Write nothing unless so much is left beside other runs; ``None`` if they need no more than before."""
    measurements: tuple[Measurement, ...] = ()
    """What others must know of the quota."""


@dataclass(frozen=True)
class ReadInUse:
    """Read what other runs have in use of what all share."""


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
class Ask:
    """Ask a person whether the next stage may begin. No machine is down while the question waits."""

    question: str


@dataclass(frozen=True)
class WaitUntil:
    """Step again at this time (cloud seconds), or as soon as there is an input."""

    at: float


Effect = Describe | Recheck | Call | Commit | ReadInUse | Emit | Notify | Ask | WaitUntil
