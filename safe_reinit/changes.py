"""What may happen to a record, as values: a change is made where it arises, or written down and made elsewhere. Pure.

Each is called with the record as it stands then, so what was learned meanwhile counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from . import record
from .decide import decide
from .model import Failure, Observation, Record, Send


@dataclass(frozen=True)
class Learn:
    """A look."""

    seen: Observation
    lag: float | None = None
    """The largest lag that was sampled by any job of the run so far, in cloud seconds."""

    def __call__(self, before: Record) -> Record:
        """Fold it in."""
        return record.learn(before, self.seen, self.lag)


@dataclass(frozen=True)
class Intend:
    """The intention of a call, if it is still the one to make."""

    send: Send
    seen: Observation

    def __call__(self, before: Record) -> Record:
        """Intend it."""
        return record.intend(before, self.send, self.seen) if decide(before, self.seen) == self.send else before


@dataclass(frozen=True)
class Withdraw:
    """A call that was intended was not made."""

    send: Send
    at: float

    def __call__(self, before: Record) -> Record:
        """Take the intention back, where it stands."""
        return record.withdraw(before, self.send, self.at) if record.is_asked(before, self.send) else before


@dataclass(frozen=True)
class Stuck:
    """A call that is due could not be made."""

    at: float
    why: str = ""

    def __call__(self, before: Record) -> Record:
        """Note it; for long enough, the job turns back."""
        return record.stuck(before, self.at, self.why)


@dataclass(frozen=True)
class Accept:
    """ECS accepted a call."""

    send: Send
    at: float
    snapshot_id: str = ""

    def __call__(self, before: Record) -> Record:
        """Note it."""
        return record.accepted(before, self.send, self.at, self.snapshot_id)


@dataclass(frozen=True)
class Refuse:
    """A call was proven not to be done; ``due`` is when it may be asked again, ``None`` for never."""

    send: Send
    failure: Failure
    at: float
    when: datetime
    due: float | None

    def __call__(self, before: Record) -> Record:
        """Note it."""
        return record.refused(before, self.send, self.failure, self.at, self.when, self.due)


@dataclass(frozen=True)
class Foresee:
    """ECS would refuse a call, as a dry run of it says; it means nothing where that call is not due any more."""

    refuse: Refuse
    seen: Observation

    def __call__(self, before: Record) -> Record:
        """Take it for refused."""
        return self.refuse(before) if decide(before, self.seen) == self.refuse.send else before


@dataclass(frozen=True)
class Lose:
    """No answer to a call came, or one that does not say whether it was done; not intended, it was not sent."""

    send: Send
    at: float
    due: float | None = None
    code: str = ""
    """The code of that answer; ``""`` where none came."""

    def __call__(self, before: Record) -> Record:
        """Note it."""
        if not record.is_asked(before, self.send):
            return before
        return record.lost(before, self.send, self.at, self.due, self.code)


@dataclass(frozen=True)
class Doubt:
    """A wipe was answered with a code that nobody knows: whether it was refused is settled by observation."""

    send: Send
    failure: Failure
    at: float

    def __call__(self, before: Record) -> Record:
        """Note it."""
        return (
            record.doubted(before, self.send, self.failure, self.at) if record.is_asked(before, self.send) else before
        )


@dataclass(frozen=True)
class Fail:
    """Something went wrong that ends the job: no wipe is sent from here on."""

    failure: Failure

    def __call__(self, before: Record) -> Record:
        """Note it."""
        return record.fail(before, self.failure)


@dataclass(frozen=True)
class Saw:
    """What the look before a call showed of the instance; ``""`` where it did not show it."""

    status: str

    def __call__(self, before: Record) -> Record:
        """Note it, so that nothing older is told at the end."""
        return replace(before, instance_status=self.status)


@dataclass(frozen=True)
class Interrupt:
    """Somebody asked the run to end."""

    def __call__(self, before: Record) -> Record:
        """Note it."""
        return record.interrupt(before)


@dataclass(frozen=True)
class AfterPause:
    """The process did not run for a while, as after Ctrl-Z or with its machine asleep."""

    at: float

    def __call__(self, before: Record) -> Record:
        """Let limits count from now."""
        return record.after_pause(before, self.at)
