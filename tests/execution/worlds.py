"""Plans on a cloud in memory, and what a recheck, a call and a whole run make of them: no network, no waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from safe_reinit.core.decide import decide
from safe_reinit.core.events import Intended, Observed
from safe_reinit.core.evolve import evolve
from safe_reinit.core.inputs import (
    Answered,
    Attempt,
    AttemptOutcome,
    Decided,
    Drifted,
    Fresh,
    Recheck,
    Rechecked,
    RecheckFailed,
    SendAttempts,
    Unobserved,
)
from safe_reinit.core.state import begin
from safe_reinit.core.steps import tries_of
from safe_reinit.execution.calls import Calls
from safe_reinit.execution.recheck import Rechecks
from safe_reinit.execution.store import StateStore
from safe_reinit.journal import LateAnswer, LeaseLostError
from safe_reinit.model import (
    Command,
    Guard,
    InUse,
    JobState,
    Limits,
    Measurement,
    Observation,
    Options,
    Plan,
    Room,
    Step,
)
from safe_reinit.plans.plan import make_plan
from tests import values
from tests.cloudlike import TinyClock, TinyCloud, facts_for

OPTIONS = Options(stop_instance=True, accept=("fstab-may-name-disk", "no-recent-snapshot"))
STOP = Command("StopInstance", values.INSTANCE_ID)
WIPE = Command("ReInitDisk", values.DISK_ID)
RESET = Command("ResetDisk", values.DISK_ID)
START = Command("StartInstance", values.INSTANCE_ID)
TAG = Command("TagResources", values.INSTANCE_ID)
UNTAG = Command("UntagResources", values.INSTANCE_ID)
SNAPSHOT = Command("CreateSnapshot", values.DISK_ID)
DONE = Step("done", tries=1, first_at=900.0, at=900.0)
RESTORE = "s-bp1fresh"
FLEET_SIZE = 12
"""So many jobs that the region is listed."""

Found = Fresh | Drifted | Unobserved


class Book:
    """A stand-in for a lease: keeps what is saved, and fails where a test says so."""

    def __init__(self) -> None:
        self.run_id, self.epoch, self.session = "r-1", 1, "session"
        self.messages: list[str] = []
        """What people were told."""
        self.unwritten_events: list[dict[str, Any]] = []
        self.saved: list[dict[int, Any]] = []
        self.waited: list[float] = []
        self.shared: list[tuple[Room | None, tuple[Measurement, ...]]] = []
        """What was asked of the room that others leave, and told of the quota."""
        self.others = InUse()
        """What other runs have in use."""
        self.failing: list[Exception] = []
        self.unchecked: list[Exception] = []
        """What the next checks raise."""
        self.lost = False
        self.held = True
        self.lapses = 0
        self.meanwhile: Callable[[], object] = lambda: None
        self.late: list[LateAnswer] = []
        """What came to sessions before this one, and was not returned yet."""

    def late_answers(self) -> list[LateAnswer]:
        """Implement ``Lease``."""
        late, self.late = self.late, []
        return late

    def check(self) -> bool:
        """Implement ``Lease``."""
        if self.lost:
            raise LeaseLostError("r-1")
        if self.unchecked:
            raise self.unchecked.pop(0)
        return self.held

    def in_use(self) -> InUse:
        """Implement ``Lease``."""
        if self.unchecked:
            raise self.unchecked.pop(0)
        return self.others

    def save(
        self,
        *records: tuple[int, Any],
        wait: float = 2.0,
        room: Room | None = None,
        measurements: Sequence[Measurement] = (),
    ) -> None:
        """Implement ``Lease``."""
        self.meanwhile()
        self.shared.append((room, tuple(measurements)))
        self.waited.append(wait)
        if self.failing:
            raise self.failing.pop(0)
        if self.lost:
            raise LeaseLostError("r-1")
        self.saved.append(dict(records))


class World:
    """A plan on a cloud in memory, and the states of its jobs as they are now.

    Attributes:
        cloud: what it is of.
        clock: stands still unless a test moves it.
        plan: the plan.
        states: the states of its jobs.
        book: where they are written down.

    """

    run_id = "r-1"

    def __init__(self, cloud: Any, plan: Plan, clock: TinyClock, stopped: Iterable[str] = ()) -> None:
        self.cloud, self.plan, self.clock, self.book = cloud, plan, clock, Book()
        self.stop = threading.Event()
        self.states = [begin(job, Limits(), at=clock.time(), options=plan.options) for job in plan.jobs]
        down = set(stopped)
        for position, known in enumerate(self.states):
            if known.instance_id in down:
                self.change(position, stop=DONE, instance_status="Stopped")
        cloud.asked.clear()
        lease: Any = self.book
        self.store = StateStore(lease)
        self.calls = Calls(cloud, clock, plan, self.run_id, self.store, self.stop)

    @property
    def state(self) -> JobState:
        """The state of the first job."""
        return self.states[0]

    def change(self, position: int = 0, **members: Any) -> None:
        """Change members of the state of a job."""
        self.states[position] = replace(self.states[position], **members)

    # ------------------------------------------------------------------------------------------------------- recheck

    def recheck(self, *commands: Command | None, positions: Sequence[int] = (), **more: Any) -> list[Found]:
        """Check these calls again, one for each job, and return what was found."""
        found = self.rechecked(*commands, positions=positions, **more)
        assert isinstance(found, Rechecked), found
        return list(found.results)

    def rechecked(
        self, *commands: Command | None, positions: Sequence[int] = (), target_rules: Any = None
    ) -> Rechecked | RecheckFailed:
        """Return the answer to a recheck."""
        of = positions or range(len(commands))
        decided = tuple(Decided(n, command, self.states[n]) for n, command in zip(of, commands, strict=True))
        answer = Rechecks(self.cloud, self.clock, self.plan, self.run_id, target_rules)(Recheck(7, decided))
        assert answer.number == 7
        return answer

    def find(self, command: Command) -> Found:
        """Check a call of the first job again, and return what was found."""
        (found,) = self.recheck(command)
        return found

    def agrees(self, found: Found, command: Command, position: int = 0) -> bool:
        """Whether the call is still the one to make on what was found."""
        if not isinstance(found, Fresh):
            return False
        known = evolve(self.states[position], Observed(found.observation))
        return decide(known, found.observation) == command

    def is_due(self, command: Command) -> bool:
        """Check a call of the first job again: whether it may be sent."""
        return self.agrees(self.find(command), command)

    def asked(self, name: str) -> list[tuple[str, ...]]:
        """List what was looked at in this way."""
        return [ids for asked, ids in self.cloud.asked if asked == name]

    # --------------------------------------------------------------------------------------------------------- calls

    def observation(self, command: Command, **changes: Any) -> Observation:
        """Return an observation that a call may stand on, as of now."""
        machine = next((each for each in self.cloud.machines.values() if each.instance_id == command.subject), None)
        machine = machine or next(iter(self.cloud.machines.values()))
        seen = Observation(self.clock.at, values.NOW, answered=True, instance=machine, disks=dict(self.cloud.shown))
        return replace(seen, **changes)

    def attempt(self, command: Command, position: int = 0, **changes: Any) -> Attempt:
        """Intend a call, and return it."""
        seen = self.observation(command, **changes)
        self.states[position] = evolve(self.states[position], Intended(command, seen))
        return Attempt(position, command, tries_of(self.states[position], command), self.states[position], seen)

    def make(self, *attempts: Attempt) -> Answered:
        """Make one call for these."""
        answer = self.calls.make(SendAttempts(9, attempts))
        assert answer.number == 9
        assert len(answer.outcomes) == len(attempts)
        return answer

    def send(self, command: Command, **changes: Any) -> AttemptOutcome:
        """Intend a call of the first job, make it, and return how it ended."""
        return self.make(self.attempt(command, **changes)).outcomes[0]


def one(
    status: str = "Stopped",
    options: Options = OPTIONS,
    guard: Guard | None = None,
    tags: tuple[tuple[str, str], ...] = (),
    **more: Any,
) -> World:
    """Return a machine that was running when the plan was made, and is in this status now."""
    clock, in_force = TinyClock(), (options, guard or values.guard())
    cloud: Any = TinyCloud([values.a_disk()], [values.an_instance(status="Running", tags=tags)], **more)
    ids = [values.DISK_ID]
    plan = make_plan(
        facts_for(cloud, clock, values.REGION, ids, options, settle=lambda _: in_force), options, Limits(), None
    )
    cloud.machines[values.INSTANCE_ID] = values.an_instance(status=status, tags=tags)
    return World(cloud, plan, clock, [values.INSTANCE_ID] if status == "Stopped" else [])


def undoing() -> World:
    """Return a machine that was stopped for an undo."""
    options = replace(OPTIONS, undo="r-0", restore=((values.DISK_ID, RESTORE),))
    shots = {values.DISK_ID: (values.a_snapshot(snapshot_id=RESTORE),)}
    return one(options=options, snapshots=shots)


def many(count: int = FLEET_SIZE, status: str = "Running") -> World:
    """Return many machines, each with a disk and a fresh snapshot; ``status`` is what they are now."""
    options, clock, numbers = Options(stop_instance=True), TinyClock(), range(count)
    source = values.a_snapshot(snapshot_id="s-origin", source_disk_id="d-origin")
    shots = {f"d-{n}": (values.a_snapshot(snapshot_id=f"s-{n}", source_disk_id=f"d-{n}"),) for n in numbers}
    disks = [values.a_disk(disk_id=f"d-{n}", instance_id=f"i-{n}", source_snapshot_id="s-origin") for n in numbers]
    machines = [values.an_instance(instance_id=f"i-{n}", status="Running") for n in numbers]
    cloud: Any = TinyCloud(disks, machines, snapshots={**shots, "d-origin": (source,)})
    in_force, ids = (options, values.guard(disks=count, max_disks=count)), [disk.disk_id for disk in disks]
    facts = facts_for(cloud, clock, values.REGION, ids, options, settle=lambda _: in_force)
    plan = make_plan(facts, options, Limits(), None)
    assert plan.runnable
    cloud.machines = {each.instance_id: replace(each, status=status) for each in machines}
    return World(cloud, plan, clock, cloud.machines if status == "Stopped" else ())


def of_each(world: World, action: Any) -> list[Command]:
    """Return this call for each job of many."""
    letter = "d" if action in ("ReInitDisk", "CreateSnapshot") else "i"
    return [Command(action, f"{letter}-{number}") for number in range(len(world.states))]


def later(world: World, time: timedelta) -> None:
    """Let ECS's clock go on."""
    assert world.cloud.date is not None
    world.cloud.date += time


def slow(world: World, seconds: float, *names: str, times: int = 10**6) -> None:
    """Let calls of these names take so many seconds, so often."""
    left = [times]

    def meanwhile(name: str) -> None:
        if name in names and left[0]:
            left[0] -= 1
            world.clock.at += seconds

    world.cloud.meanwhile = meanwhile
