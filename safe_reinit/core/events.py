"""What can happen to a job, as values; ``evolve`` applies them to its state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..model import Command, Failure, Observation


@dataclass(frozen=True)
class Observed:
    """ECS was described."""

    observation: Observation
    lag: float | None = None
    """The largest lag that any job of the run has measured so far, in cloud seconds."""


@dataclass(frozen=True)
class Intended:
    """A call is about to be sent; this is committed first."""

    command: Command
    observation: Observation
    """The observation on which it was decided."""


@dataclass(frozen=True)
class Withdrawn:
    """An intended call was not sent; this is not an attempt."""

    command: Command
    at: float


@dataclass(frozen=True)
class HeldUp:
    """A call that is due could not be sent."""

    at: float
    why: str = ""


@dataclass(frozen=True)
class CallAccepted:
    """ECS accepted a call."""

    command: Command
    at: float
    snapshot_id: str = ""
    """Of CreateSnapshot."""


@dataclass(frozen=True)
class WipeAcceptedBefore:
    """ECS accepted a wipe whose answer this session considers lost: an earlier holder of the run received it."""

    command: Command
    at: float


@dataclass(frozen=True)
class CallRefused:
    """A call was proven not carried out."""

    command: Command
    failure: Failure
    at: float
    when: datetime
    due: float | None
    """When it may be sent again, in cloud seconds; ``None`` for never."""


@dataclass(frozen=True)
class CallUnanswered:
    """A call got no answer, or one that does not say whether it was carried out."""

    command: Command
    at: float
    due: float | None = None
    """When a repeatable call is sent again; at once if not given."""
    code: str = ""
    """The code of that answer; ``""`` if there was none."""


@dataclass(frozen=True)
class CallUnclear:
    """A wipe was answered with an unknown code: it is never sent again, and observation settles it."""

    command: Command
    failure: Failure
    at: float


@dataclass(frozen=True)
class Failed:
    """Something went wrong that ends the job: no wipe is sent from now on."""

    failure: Failure


@dataclass(frozen=True)
class PowerObserved:
    """The status of the instance in a recheck that ended the job; ``""`` if it was not shown."""

    status: str


@dataclass(frozen=True)
class Cancelled:
    """Somebody asked the run to end."""

    why: str = ""


@dataclass(frozen=True)
class Paused:
    """The process did not run for a while, for example after Ctrl-Z or while its host was asleep."""

    at: float


Event = (
    Observed
    | Intended
    | Withdrawn
    | HeldUp
    | CallAccepted
    | WipeAcceptedBefore
    | CallRefused
    | CallUnanswered
    | CallUnclear
    | Failed
    | PowerObserved
    | Cancelled
    | Paused
)
