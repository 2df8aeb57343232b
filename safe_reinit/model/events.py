"""What a run reports while it is carried out: one class for each kind of event, and ``Event``, any of them.

Every output renders these. ``data`` has what belongs to the kind, in words of JSON; ``event`` names the kind there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict, get_args

from .finding import Finding
from .job import ActionName, DataState, Failure, PhaseName
from .report import Call, Outcome

EventName = Literal["read", "finding", "intend", "call", "answer", "wait", "state", "done", "dropped"]


LimitName = Literal["wait", "graceful-stop", "downtime", "sending", "retries", "silence"]
"""What a limit of a job is for; ``WaitData`` explains each."""


class IntendData(TypedDict):
    """The call that is about to be sent."""

    action: ActionName
    """The API."""
    force: bool
    """Whether it is a power cut."""
    attempt: int
    """2 if this is the second attempt of the same call."""


class AnswerData(TypedDict):
    """The call that was answered, or got no answer."""

    action: ActionName
    """The API."""
    force: bool
    """Whether it is a power cut."""
    code: str
    """As in a ``Call``: ``OK``, an ECS error code, ``Unanswered`` or ``NotSent``."""
    request_id: NotRequired[str | None]
    """Only if ECS answered."""


_For = TypedDict("_For", {"for": str})  # it cannot be a name in a class


class WaitData(_For):
    """What a job waits for (``for``), and what ECS shows meanwhile."""

    phase: PhaseName | Literal["wait-start"]
    """``wait-start``: the run changes nothing until the minute in which the instance was started is over."""
    elapsed: float
    """Cloud seconds since this limit began to count; without a limit, since the wait began."""
    limit: float
    """Cloud seconds: of the limits that count now, the one that ends first. 0: the run waits without a limit."""
    limit_of: LimitName | None
    """What it is for: this ``wait``, which ends then; the ``graceful-stop``, before a forced one; the ``downtime``
    before the last wipe is sent; ``sending`` all wipes; the ``retries`` of a call; the ``silence`` of ECS. ``null``:
    there is none."""
    why: str
    """What delays it, such as an ECS that does not answer, answers slowly or throttles, or another run; ``""`` if
    nothing does."""
    seen: bool
    """Whether ``instance`` is what ECS shows now, rather than what it showed last."""
    instance: str
    """The status of the instance."""
    disks: dict[str, str]
    """The status of each disk, by its id."""
    progress: list[str]
    """The progress of each snapshot that is being taken."""


class StateData(TypedDict):
    """What ECS now shows of a job's instance and disks."""

    instance: str
    """The status of the instance."""
    disks: dict[str, str]
    """The status of each disk, by its id."""


_StillOpen = TypedDict("_StillOpen", {"owed": bool})  # noqa: UP013 - no code of ours may use this name


class DoneData(_StillOpen):
    """How a job ended; ``owed``: whether something remains to be done, so that it stays open until it is resumed."""

    outcome: Outcome
    """The outcome of this job alone."""
    power: str
    """The status of the instance."""
    tag_left: bool
    """Whether the lock tag is still on the instance."""
    data: dict[str, DataState]
    """What the run did to each disk, by its id."""
    code: NotRequired[str | None]
    """The ECS error code, if the job did not end as ``done``."""
    message: NotRequired[str]
    """What went wrong, if the job did not end as ``done``."""


class DroppedData(TypedDict):
    """How many events are missing."""

    count: int
    """The number of events."""


@dataclass(frozen=True, kw_only=True)
class _Event:
    """What every event has."""

    at: datetime
    """When it happened, by the clock of the run."""
    run_id: str | None
    """``None`` as long as there is no run."""
    event: EventName
    """The kind of event."""
    instance_id: str | None = None
    """The instance that it is about, if it is about one."""
    disk_id: str | None = None
    """The disk that it is about, if it is about one."""
    data: object
    """What belongs to this kind of event."""
    simulated: bool = False
    """Whether the answers come from a simulator, so that no real machine is involved."""


@dataclass(frozen=True, kw_only=True)
class ReadEvent(_Event):
    """A call that only reads has ended; programs get it through ``on_call``."""

    event: Literal["read"] = "read"
    data: Call


@dataclass(frozen=True, kw_only=True)
class CallEvent(_Event):
    """Any other call has ended; programs get it through ``on_call``."""

    event: Literal["call"] = "call"
    data: Call


@dataclass(frozen=True, kw_only=True)
class FindingEvent(_Event):
    """A check found something; programs read it in the plan."""

    event: Literal["finding"] = "finding"
    data: Finding


@dataclass(frozen=True, kw_only=True)
class IntendEvent(_Event):
    """A changing call is about to be sent."""

    event: Literal["intend"] = "intend"
    data: IntendData


@dataclass(frozen=True, kw_only=True)
class AnswerEvent(_Event):
    """A changing call was answered, or got no answer."""

    event: Literal["answer"] = "answer"
    data: AnswerData


@dataclass(frozen=True, kw_only=True)
class WaitEvent(_Event):
    """A job is waiting; ``for`` says for what."""

    event: Literal["wait"] = "wait"
    data: WaitData


@dataclass(frozen=True, kw_only=True)
class StateEvent(_Event):
    """The state in ECS has changed."""

    event: Literal["state"] = "state"
    data: StateData


@dataclass(frozen=True, kw_only=True)
class DoneEvent(_Event):
    """A job has ended; if something is still ``owed``, it stays open until the run is resumed."""

    event: Literal["done"] = "done"
    data: DoneData


@dataclass(frozen=True, kw_only=True)
class DroppedEvent(_Event):
    """Events are missing here, because they were not read in time; only ``--events`` has it."""

    event: Literal["dropped"] = "dropped"
    data: DroppedData


Event: TypeAlias = (
    ReadEvent | FindingEvent | IntendEvent | CallEvent | AnswerEvent | WaitEvent | StateEvent | DoneEvent | DroppedEvent
)
"""Any event; its class says which."""
EVENTS: Mapping[EventName, type[Event]] = {kind.event: kind for kind in get_args(Event)}
"""The class of each kind."""


def make_event(event: EventName, **members: Any) -> Event:  # noqa: ANN401 - of each kind others
    """Make an event of the kind that is named."""
    return EVENTS[event](**members)


def done_data(
    outcome: Outcome,
    power: str,
    failure: Failure | None,
    data: Mapping[str, DataState],
    *,
    pending: bool = False,
    tag_left: bool = False,
) -> DoneData:
    """Return the ``data`` of the event ``done``."""
    done: DoneData = {"outcome": outcome, "power": power, "owed": pending, "tag_left": tag_left, "data": dict(data)}
    if failure is not None:
        done["code"], done["message"] = failure.code, failure.message
    return done
