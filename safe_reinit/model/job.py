"""The state of a job, what was observed of it, and what is decided from both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from .cloud import Disk, Instance, Snapshot
from .plan import Limits

Evidence = Literal["transition", "settled", "operator"]
PhaseName = Literal["wait-snapshot", "stop", "snapshot", "reinit", "start"]
WaitName = PhaseName | Literal["wait-start"]
"""``wait-start``: nothing is changed before the minute in which the instance was started is over."""
OnUnknown = Literal["ask", "retry"]
DataState = Literal["reinitialised", "intact", "unknown", "untouched"]
"""What one run did to a disk. ``untouched``: it never intended ReInitDisk or ResetDisk for it, which says nothing of
what others did. ``intact``: intended, and proven refused or never sent."""
ActionName = Literal[
    "TagResources", "StopInstance", "CreateSnapshot", "ReInitDisk", "ResetDisk", "StartInstance", "UntagResources"
]
WIPES = ("ReInitDisk", "ResetDisk")
"""The calls that change what is on a disk."""
PHASE_OF: Mapping[str, PhaseName] = {
    "StopInstance": "stop", "CreateSnapshot": "snapshot", "ReInitDisk": "reinit", "ResetDisk": "reinit",
    "StartInstance": "start",
}  # fmt: skip
"""By call: the phase that it belongs to; a tag belongs to none."""
PhaseResult = Literal["ok", "refused", "timeout", "unknown"]


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in a job, for the report."""

    code: str | None
    """The ECS error code, ``NotSent``, or ``None`` if the error was not the answer to a call."""
    message: str
    """What happened, and to what, in sentences for people."""
    request_id: str | None = None
    """The ``RequestId`` of the answer."""
    action: str | None = None
    """The API that was called."""
    hint: str | None = None
    """What to do now."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of a job."""

    name: PhaseName
    """``wait-snapshot``, ``stop``, ``snapshot``, ``reinit`` or ``start``."""
    started_at: datetime
    """By the local clock."""
    ended_at: datetime | None = None
    """``None`` if its end was not seen."""
    result: PhaseResult = "ok"
    """``refused``: ECS refused the call, or what the run observed ended the step; ``timeout``: the time limit was
    reached; ``unknown``: the end was not seen."""


@dataclass(frozen=True, slots=True)
class Fence:
    """What was seen just before ReInitDisk was sent: evidence that nobody has used the machine since."""

    start_time: datetime | None
    status: str
    attached_time: datetime | None
    instance_id: str


StepState = Literal["none", "asked", "accepted", "lost", "again", "resend", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a job other than a wipe: the intention, and its result.

    ``none`` never intended; ``asked`` intended, no answer yet; ``accepted`` answered with success; ``lost`` the answer
    did not come; ``again`` not done, and may be sent again at ``due``; ``resend`` likewise, but an answer was lost
    before, so an earlier attempt may still be done; ``done`` seen to have happened; ``failed`` given up. Times are
    cloud seconds.
    """

    state: StepState = "none"
    tries: int = 0
    first_at: float | None = None
    at: float | None = None
    """When the last answer (or its loss) was known."""
    due: float | None = None
    moving: bool = False
    """Whether the transitional status (Stopping, Starting) was seen."""
    reads: int = 0
    """Observations since ``at``."""
    lost_at: float | None = None
    """When an answer was first found missing: that attempt had arrived by then, or never will. ``None``: never.

    It stays if a later attempt is lost, too: nobody knows which of them was carried out.
    """
    start_time: datetime | None = None
    """The instance's StartTime when the call was intended: another one means that somebody has started it since."""
    status: str = ""
    """The instance's last seen status when the call was intended, which still holds if it was not carried out."""
    answer: str = ""
    """The code of the last answer, if that does not prove what was done; ``""`` if there was no answer."""
    refused: str = ""
    """The code with which the last attempt was temporarily refused; ``""`` if it was not."""

    @property
    def pending(self) -> bool:
        """Whether to send it again once it is due."""
        return self.state in ("again", "resend")

    @property
    def under_way(self) -> bool:
        """Whether it was sent, and was neither seen to be carried out nor given up."""
        return self.state in ("accepted", "lost") or self.pending


@dataclass(frozen=True, slots=True)
class SafetySnapshot:
    """CreateSnapshot of one disk between the stop and the wipe.

    Its step is ``done`` once ECS shows the snapshot ``accomplished``. A lost answer may be asked again, since the token
    makes the call idempotent (ECS API reference, CreateSnapshot: ClientToken).
    """

    disk_id: str
    token: str
    """The ClientToken of every attempt."""
    step: Step = Step()
    snapshot_id: str = ""
    """As the answer named it."""
    progress: str = ""
    """As last shown, ``40%``."""


WipeState = Literal["todo", "resend", "asked", "accepted", "lost", "refused", "unknown", "done"]


@dataclass(frozen=True, slots=True)
class Wipe:
    """ReInitDisk of one disk (in an undo: ResetDisk): the intention, and its result. Times are cloud seconds.

    ``todo`` not sent, or refused for now and due again; ``resend`` its answer was lost, and it may be sent again since
    nobody can have used the machine; ``asked`` intended, no answer yet; ``accepted`` answered with
    success or seen ``ReIniting``; ``lost`` the answer did not come; ``refused`` proven not done; ``unknown`` cannot be
    told; ``done`` proven.
    """

    disk_id: str
    state: WipeState = "todo"
    tries: int = 0
    at: float | None = None
    """When the last answer (or its loss) was known."""
    due: float | None = None
    refused_since: float | None = None
    """When the first of the temporary refusals came."""
    reiniting: bool = False
    """Whether ``ReIniting`` was seen since it was asked."""
    reads: int = 0
    """Observations since ``at`` that showed no ``ReIniting``."""
    evidence: Evidence | None = None
    fence: Fence | None = None
    watched_at: float | None = None
    """The last observation since it was sent that showed what the fence requires."""
    losses: int = 0
    """How often the answer was lost."""
    gap: bool = False
    """Whether the observations since it was sent were ever too far apart to prove that nobody used the machine."""
    used: bool = False
    """Whether a start or another attachment was seen since it was sent: this is never forgotten."""
    acknowledged: bool = False
    """Whether ECS accepted it, or was seen carrying it out."""
    observed_status: str = ""
    """The status of the disk in the last observation; ``""`` if that did not show it."""
    snapshot_id: str = ""
    """The snapshot that ResetDisk rolls the disk back to; ``""`` for ReInitDisk."""
    resetting: bool = False
    """Whether a roll-back of the disk was seen in progress since ResetDisk was sent."""
    answer: str = ""
    """The code of the last answer, if that does not prove what was done; ``""`` if there was no answer."""
    unknown_code: bool = False
    """Whether that code is unknown: the wipe is never sent again, and observation settles the outcome."""
    withdrawn: bool = False
    """Whether it was ever intended and then not sent."""

    @property
    def data(self) -> DataState:
        """What the run did to the disk."""
        if self.in_doubt:
            return "unknown"
        if self.state == "done":
            return "reinitialised"
        return "intact" if self.tries or self.withdrawn else "untouched"

    @property
    def in_doubt(self) -> bool:
        """Whether nobody can say now what happened to the disk; this includes a wipe that may be sent again."""
        return self.state in ("resend", "asked", "accepted", "lost", "unknown")

    @property
    def pending(self) -> bool:
        """Whether it must still be sent, for the first time or again."""
        return self.state in ("todo", "resend")


@dataclass(frozen=True, slots=True)
class JobState:
    """The state of one job: enough to decide the next action from an observation, and to continue elsewhere."""

    instance_id: str
    power_before: Literal["Running", "Stopped"]
    may_stop: bool
    """Whether the plan stops the instance."""
    leave_stopped: bool
    limits: Limits
    disks: tuple[Wipe, ...]
    stop: Step = Step()
    force: Step = Step()
    start: Step = Step()
    snapshots: tuple[SafetySnapshot, ...] = ()
    """One for each disk that gets a safety snapshot before its wipe."""
    tag_value: str = ""
    """The value of the instance's lock tag for this run; ``""`` for none."""
    tag: Step = Step()
    untag: Step = Step()
    phases: tuple[Phase, ...] = ()
    error: Failure | None = None
    """The first thing that went wrong; from then on no wipe is sent."""
    interrupted: bool = False
    """Somebody asked the run to end; from then on no wipe is sent."""
    turned_back_at: float | None = None
    """Since when the job only restores the power, in cloud seconds."""
    snapshot_wait_since: float | None = None
    unsettled_since: float | None = None
    """Since when another start of the instance would not be visible in its StartTime, in cloud seconds."""
    gone: bool = False
    """ECS says that the instance does not exist: nothing is left to do for it."""
    given_up: bool = False
    """A time limit passed with nothing left to do."""
    instance_status: str = ""
    """As last seen."""
    instance_locks: tuple[str, ...] = ()
    """Likewise: why ECS has locked it."""
    unseen_since: float | None = None
    """Since when no observation was answered, in cloud seconds."""
    stuck_since: float | None = None
    """Since when a call that is due could not be sent, in cloud seconds."""
    missing_reads: int = 0
    missing_since: float | None = None
    stop_asked_at: float | None = None
    """When StopInstance was first intended, whoever has resumed the run since, in cloud seconds."""
    down_since: float | None = None
    """Since when the machine may be down for the wipes that are still to come, in cloud seconds."""
    wiping_since: float | None = None
    """Since when the limit of all its wipes counts: when the first one was intended, in cloud seconds."""
    lag: float | None = None
    """How late ECS showed a stop of this run, in cloud seconds; ``None`` before that was seen."""
    running_at: float | None = None
    """The last observation that showed the instance Running after our stop, in cloud seconds."""
    running_watched_at: float | None = None
    """The last of these before the first gap in the observations."""
    watched_at: float | None = None
    """The last observation of an instance that shows no StartTime, in cloud seconds; between two, nobody may use it.

    At first, when the plan was confirmed; ``None`` if a StartTime is shown.
    """
    on_unknown: OnUnknown = "ask"
    """What to do about a lost answer to ReInitDisk if the disk was not observed without a gap."""
    unrecorded_by: str = ""
    """A holder who never released the run, and may have kept in a file what could not be written to the journal, which
    the present holder cannot see. ``""``: nobody.
    """
    version: int = 1

    @property
    def wiped(self) -> tuple[Wipe, ...]:
        """The disks whose wipe is proven."""
        return tuple(wipe for wipe in self.disks if wipe.state == "done")

    @property
    def turned_back(self) -> bool:
        """Whether no further wipe may be sent."""
        return self.error is not None or self.interrupted

    @property
    def cannot_end_done(self) -> bool:
        """Whether it has failed, and continues, if at all, only until its power is restored."""
        return self.turned_back and any(wipe.pending or wipe.state in ("refused", "unknown") for wipe in self.disks)

    @property
    def stopped_by_us(self) -> bool:
        """Whether a stop of this run, or of the one before it, may have been carried out.

        A refused stop was proven not carried out; after a failed one, somebody else may have started the machine.
        """
        return self.stop.state not in ("none", "again", "failed")

    @property
    def tried(self) -> bool:
        """Whether a changing call was intended."""
        return self.touched or self.tag.tries > 0

    @property
    def touched(self) -> bool:
        """Whether a call was intended that changes more than a tag."""
        if self.stop.tries or self.force.tries or self.start.tries:  # checked for every job on every tick
            return True
        return any(wipe.tries for wipe in self.disks) or any(each.step.tries for each in self.snapshots)

    @property
    def wipes_to_come(self) -> int:
        """How many ReInitDisk calls are still to come."""
        wipes = () if self.turned_back else self.disks
        return sum((wipe.pending or wipe.state == "asked") and not wipe.snapshot_id for wipe in wipes)

    @property
    def may_be_down(self) -> bool:
        """Whether the machine ran before, and may be down because of its run's stop or waits for a verdict."""
        if self.gone or self.power_before == "Stopped" or not self.stopped_by_us or self.start.state == "done":
            return False
        return self.promised == "Running" or any(wipe.in_doubt for wipe in self.disks)

    @property
    def left_down(self) -> bool:
        """Whether the machine may be down and the job has ended: only a resume does something for it."""
        unknown = [wipe.state == "unknown" for wipe in self.disks if wipe.in_doubt]
        ended = self.given_up or self.start.state == "failed" or (bool(unknown) and all(unknown))
        return ended and self.may_be_down

    @property
    def promised(self) -> Literal["Running", "Stopped"]:
        """The power state that is planned for the state reached; ``--leave-stopped`` applies only after a wipe."""
        if self.power_before == "Stopped":
            return "Stopped"
        wiped = any(wipe.state == "done" or wipe.in_doubt for wipe in self.disks)
        return "Stopped" if self.leave_stopped and wiped else "Running"


@dataclass(frozen=True)
class Observation:
    """What ECS showed of one job's instance and disks at one time."""

    at: float
    """Cloud seconds."""
    when: datetime
    """Local time, for reports."""
    answered: bool
    """Whether ECS answered about the instance; if not, nothing is known."""
    instance: Instance | None = None
    disks: Mapping[str, Disk] = field(default_factory=dict)
    progressing: tuple[Snapshot, ...] = ()
    """Snapshots of the job's disks that are being created; described only before the stop."""
    snapshots: Mapping[str, Snapshot] = field(default_factory=dict)
    """The safety snapshots of the job that ECS shows; described only before the wipe."""
    date: datetime | None = None
    """The ``Date`` of ECS's answer about the instance; ``None`` if the answer has none."""
    resets: Mapping[str, str] = field(default_factory=dict)
    """By disk, the answer to ResetDisk with DryRun; asked only if a roll-back was sent and its end is not proven."""
    credentials_refused: str | None = None
    """The code by which the credentials were refused."""
    answered_at: float | None = None
    """When its last answer arrived, in cloud seconds; ``None`` if not known, and then ``at`` counts."""
    disks_answered: bool = True
    """Whether ECS answered about the disks; the power can be restored without."""
    instance_requested: bool = True
    """Whether the instance was asked for: not while the run waits for an accepted wipe."""
    disks_requested: bool = True
    """Whether the disks were asked for: not while the instance stops or starts."""
    why: str = ""
    """What went wrong, for people: ``ECS does not answer (DescribeDisks)``."""

    @property
    def not_listed(self) -> bool:
        """Whether ECS answered about the instance, and did not list it."""
        return self.answered and self.instance_requested and self.instance is None

    @property
    def disks_unanswered(self) -> bool:
        """Whether the disks were asked for, and ECS did not answer about them."""
        return self.disks_requested and not self.disks_answered

    @property
    def took(self) -> float:
        """Cloud seconds from the question to the last answer."""
        return 0.0 if self.answered_at is None else self.answered_at - self.at


@dataclass(frozen=True, slots=True)
class Wait:
    """Observe again later; ``what`` says what is waited for. Times: cloud seconds."""

    phase: WaitName
    what: str
    since: float
    left: float = 0.0
    """How much longer it takes, if that is known."""


@dataclass(frozen=True, slots=True)
class Command:
    """One changing call to send."""

    action: ActionName
    subject: str
    force: bool = False

    @property
    def overwrites(self) -> bool:
        """Whether it destroys what is on the disk."""
        return self.action in WIPES

    @property
    def of_disk(self) -> bool:
        """Whether its subject is a disk; otherwise an instance."""
        return self.overwrites or self.action == "CreateSnapshot"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a call that ECS accepted; ECS may still be working on it."""

    request_id: str
    snapshot_id: str = ""
    """Of CreateSnapshot."""


@dataclass(frozen=True)
class Finish:
    """Nothing is left to do for this job."""


Action = Wait | Command | Finish
