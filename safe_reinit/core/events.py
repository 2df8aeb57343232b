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
    """The largest lag that was sampled by any job of the run so far, in cloud seconds."""


@dataclass(frozen=True)
class Intended:
    """A call is about to be sent; this is committed before it is."""

    command: Command
    observation: Observation
    """What it was decided on."""


@dataclass(frozen=True)
class Withdrawn:
    """An intended call was not made: it is no try."""

    command: Command
    at: float


@dataclass(frozen=True)
class HeldUp:
    """A call that is due could not be made."""

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
class AcceptedBefore:
    """ECS accepted a wipe whose answer this session takes for lost: it came to one that held the run before."""

    command: Command
    at: float


@dataclass(frozen=True)
class CallRefused:
    """A call was proven not to be done."""

    command: Command
    failure: Failure
    at: float
    when: datetime
    due: float | None
    """When it may be sent again, in cloud seconds; ``None`` for never."""


@dataclass(frozen=True)
class CallUnanswered:
    """No answer to a call came, or one that does not say whether it was done."""

    command: Command
    at: float
    due: float | None = None
    """When a call that may be repeated is sent again; at once if not said."""
    code: str = ""
    """The code of that answer; ``""`` if none came."""


@dataclass(frozen=True)
class CallUnclear:
    """A wipe was answered with an unknown code: it is never sent again, and observation settles it."""

    command: Command
    failure: Failure
    at: float


@dataclass(frozen=True)
class Failed:
    """Something went wrong that ends the job: no wipe is sent from here on."""

    failure: Failure


@dataclass(frozen=True)
class PowerObserved:
    """A recheck that ended the job showed this status of its instance; ``""`` if it did not show it."""

    status: str


@dataclass(frozen=True)
class Cancelled:
    """Somebody asked the run to end."""

    why: str = ""


@dataclass(frozen=True)
class Paused:
    """The process did not run for a while, as after Ctrl-Z or with its host asleep."""

    at: float


Event = (
    Observed
    | Intended
    | Withdrawn
    | HeldUp
    | CallAccepted
    | AcceptedBefore
    | CallRefused
    | CallUnanswered
    | CallUnclear
    | Failed
    | PowerObserved
    | Cancelled
    | Paused
)
