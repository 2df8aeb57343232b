"""Small worlds, whole runs through the real SDK, and the truth that a report is held against."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs

import safe_reinit
from safe_reinit.client import Client, Interrupt
from safe_reinit.clock import Clock
from safe_reinit.cloud.interface import Accepted, CloudError, Described, Refused
from safe_reinit.cloud.retry import Patient
from safe_reinit.config import BY_NAME, resolve
from safe_reinit.core import answers as core_answers
from safe_reinit.core import observations as core_observations
from safe_reinit.core import state as core_state
from safe_reinit.core.decide import decide
from safe_reinit.errors import Error, exit_code
from safe_reinit.execution.driver import Driver
from safe_reinit.model import (
    LOCK_TAG,
    Action,
    AutoSnapshotPolicy,
    Caller,
    Command,
    Disk,
    Event,
    Facts,
    Failure,
    Finish,
    Image,
    Instance,
    Key,
    Limits,
    Observation,
    Options,
    Plan,
    PlannedDisk,
    PlannedJob,
    ReplicaPair,
    Report,
    ScalingMember,
    Snapshot,
    SnapshotLink,
    SystemEvent,
)
from safe_reinit.planning.describe import Round
from safe_reinit.planning.facts import read_facts
from safe_reinit.simulator import Simulator
from tests import values, virtual
from tests.simulator.support import sdk

_DURATIONS = {"stop": 4, "wipe": 4, "reset": 4, "start": 6, "snapshot": 4}
"""So that each is seen under way: to watch longer shows nothing more."""

INSTANCE, DATA, SYSTEM, BYSTANDER = "i-web", "d-data", "d-sys", "d-bystander"
IMAGE, SOURCE = "m-web", "s-source"

CHANGING = (
    "TagResources", "StopInstance", "CreateSnapshot", "ReInitDisk", "ResetDisk", "StartInstance", "UntagResources",
)  # fmt: skip

Faults = Iterable[dict[str, Any]]


def instance_status(sim: Simulator) -> str:
    """Return the status of the machine."""
    return str(sim.state()["instances"][INSTANCE]["status"])


def lab_world(*, status: str = "Running", machines: Sequence[str] = (INSTANCE,), **more: Any) -> dict[str, Any]:
    """Return a world with a system disk, a data disk from a snapshot and a bystander on each machine.

    Each disk has a fresh snapshot and each machine a key pair, so that nothing stands against a wipe.
    The disks of the first machine have the names above, those of another one are named after it. ``instance`` and
    ``disk`` in ``more`` are members of each machine and each data disk; the rest are members of the world.
    """
    instance, disk = more.pop("instance", {}), more.pop("disk", {})
    disks: dict[str, Any] = {}
    for machine in machines:
        end = "" if machine == machines[0] else machine.removeprefix("i")
        disks[f"{SYSTEM}{end}"] = {"instance": machine, "type": "system", "image": IMAGE}
        disks[f"{DATA}{end}"] = {"instance": machine, "snapshot": SOURCE, **disk}
        disks[f"{BYSTANDER}{end}"] = {"instance": machine}
    made = {
        "images": {IMAGE: {}},
        "instances": {machine: {"status": status, "key_pair": "ops", **instance} for machine in machines},
        "disks": disks,
        "snapshots": {SOURCE: {"disk": "d-gone", "released": True}},
        "durations": _DURATIONS,
        **more,
    }
    return values.recoverable(made)


@dataclass
class Run:
    """What a whole run came to."""

    report: Report
    error: Error | None
    plan: Plan
    events: list[Event] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """The outcome of the run."""
        return self.report.outcome

    def sent(self, action: str) -> int:
        """Count the changing calls of this kind that the report tells of."""
        return sum(call.action == action and not call.dry_run for call in self.report.calls)

    def codes(self, action: str) -> list[str]:
        """List what these calls were answered."""
        return [call.code for call in self.report.calls if call.action == action and not call.dry_run]


@contextmanager
def simulated(given: dict[str, Any] | None = None, faults: Faults = ()) -> Iterator[Simulator]:
    """Start a simulator for one test."""
    with virtual.simulate(given or lab_world(), list(faults)) as sim:
        yield sim


def client(sim: Simulator, having: dict[str, Any] | None = None, **more: Any) -> Client:
    """Connect through the real SDK, ``having`` are settings of a config file."""
    words = {"credentials": sim.access_key, **more}
    if having is None:
        return safe_reinit.connect(region="cn-hangzhou", endpoint=sim.url, **words)
    settings = resolve({"region": "cn-hangzhou", "endpoint": sim.url}, os.environ)
    for name, value in having.items():
        settings = settings.having(BY_NAME[name], value)
    return safe_reinit.connect(config=settings, **words)


def run_plan(
    sim: Simulator,
    disks: Sequence[str] = (DATA,),
    *,
    limits: dict[str, float | None] | None = None,
    between: Callable[[], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_call: Callable[[Any], None] | None = None,
    stop: Interrupt | None = None,
    using: Client | None = None,
    undoing: str | None = None,
    **options: Any,
) -> Run:
    """Plan, do ``between``, run, and give the report whatever it says; ``undoing`` a run, where it is given."""
    caller = using or client(sim)
    options = {"stop_instance": True, **options}
    plan = caller.plan_undo(undoing, **options) if undoing else caller.plan(list(disks), **options)
    plan = replace(plan, limits=replace(plan.limits, **(limits or {})))
    if between is not None:
        between()
    events: list[Event] = []
    kept = threading.Lock()

    def result(event: Event) -> None:
        with kept:
            events.append(event)
        if on_event is not None:
            on_event(event)

    error = None
    try:
        report = caller.run(plan, confirm=plan.confirm_with, on_event=result, on_call=on_call, stop=stop)
    except Error as raised:
        error, report = raised, raised.report  # type: ignore[assignment]
    assert report is not None, "an error of a run carries its report"
    return Run(report, error, plan, events)


@contextmanager
def dying(moment: Callable[[Event], bool]) -> Iterator[Callable[[Event], None]]:
    """Let the loops of runs end at a moment as if their process were gone; gives who must hear of their events."""
    dead = threading.Event()
    wait = Driver._wait

    def die(self: Driver, until: float) -> None:
        if dead.is_set():
            self.leave.set()
        wait(self, until)

    def note(event: Event) -> None:
        if moment(event):
            dead.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Driver, "_wait", die)
        yield note


def killed(sim: Simulator, moment: Callable[[Event], bool], disks: Sequence[str] = (DATA,), **more: Any) -> str:
    """Begin a run whose loop ends at a moment as if its process were gone: its record stays; gives its name."""
    with dying(moment) as note:
        done = run_plan(sim, disks, on_event=note, **more)
    assert not [event for event in done.events if event.event == "done"], done.report.error
    return str(done.events[0].run_id)


def resumed(sim: Simulator, name: str | None, *, using: Client | None = None, **more: Any) -> Report:
    """Resume a run, and give its report however it ends."""
    assert name is not None
    try:
        return (using or client(sim)).resume(name, **more)
    except Error as error:
        if error.report is None:
            raise
        return error.report


def once(test: Callable[[Event], bool], act: Callable[[], object]) -> Callable[[Event], None]:
    """Make an ``on_event`` that acts at the first event that the test is true of."""
    done = threading.Lock()

    def result(event: Event) -> None:
        if test(event) and done.acquire(blocking=False):
            act()

    return result


def answered(action: str) -> Callable[[Event], bool]:
    """Return whether an event is the answer to a changing call."""
    return lambda event: event.event == "answer" and event.data["action"] == action


def accepted(action: str) -> Callable[[Event], bool]:
    """Return whether an event is the answer of success to a changing call."""
    return lambda event: answered(action)(event) and event.data["code"] == "OK"


def intended(action: str) -> Callable[[Event], bool]:
    """Return whether an event is the intention of a changing call."""
    return lambda event: event.event == "intend" and event.data["action"] == action


def showing(*, instance: str | None = None, disk: str | None = None) -> Callable[[Event], bool]:
    """Return whether an event shows the instance, or any disk, in this status."""

    def test(event: Event) -> bool:
        if event.event not in ("state", "wait"):
            return False
        disks: Any = event.data["disks"]
        return event.data["instance"] == instance or (disk is not None and disk in disks.values())

    return test


def changes(state: dict[str, Any]) -> list[str]:
    """Name the changing calls that reached the simulator over the API, in their order."""
    return [
        one["action"]
        for one in state["calls"]
        if one["source"] == "api" and not one["dry_run"] and not one["action"].startswith(("Describe", "Get", "List"))
    ]


def safety_of(done: Run) -> dict[str, str | None]:
    """Return of each disk of a run the safety snapshot that its report names."""
    return {disk.disk_id: disk.safety_snapshot for job in done.report.jobs for disk in job.disks}


def taken(state: dict[str, Any], *ids: str) -> dict[str, dict[str, Any]]:
    """Return the snapshots that were taken of these disks during the simulation, by id."""
    rows = state["snapshots"].items()
    return {name: row for name, row in rows if name.startswith("s-sim") and (not ids or row["disk_id"] in ids)}


def lock_tag(sim: Simulator, instance_id: str = INSTANCE) -> str | None:
    """Return the value of the lock tag of an instance, as DescribeInstances shows it."""
    request = ecs.DescribeInstancesRequest(region_id="cn-hangzhou", instance_ids=f'["{instance_id}"]')
    (row,) = sdk(sim).describe_instances(request).body.instances.instance
    return next((tag.tag_value for tag in row.tags.tag if tag.tag_key == LOCK_TAG), None)


def set_tag(sim: Simulator, value: str | None, instance_id: str = INSTANCE) -> None:
    """Put the lock tag of another run on an instance, or take any off, as somebody at the console does."""
    sim.do({"change": instance_id, "to": {"tags": {} if value is None else {LOCK_TAG: value}}})


def wipes(state: dict[str, Any], disk_id: str) -> int:
    """Count how often a disk was wiped."""
    return len(state["disks"][disk_id]["wipes"])


def assert_true(
    done: Run, state: dict[str, Any], *, others: bool = False, before: dict[str, Any] | None = None
) -> None:
    """Assert that a report says nothing but what the cloud shows, and that nothing but its targets was touched.

    ``others`` says that somebody else started the machine too; ``before`` is the state before the run, where that was
    not the beginning of the world.
    """
    report, targets = done.report, {disk.disk_id for job in done.report.jobs for disk in job.disks}
    undo = bool(done.plan.options.undo)
    happened = {name: _overwritten(name, state, before) for name in state["disks"]}
    for disk_id, (wiped, reset) in happened.items():
        assert len(wiped) <= (disk_id in targets and not undo), f"{disk_id} was wiped {len(wiped)} times"
        assert len(reset) <= (disk_id in targets and undo), f"{disk_id} was rolled back {len(reset)} times"
    for job in report.jobs:
        for disk in job.disks:
            made = any(happened[disk.disk_id])
            true = {"reinitialised"} if made else {"intact", "untouched"}
            assert disk.data in {*true, "unknown"}, f"{disk.disk_id} is not {disk.data}"
            assert (disk.evidence is None) == (disk.data != "reinitialised")
            if disk.data == "reinitialised":
                assert state["disks"][disk.disk_id]["status"] == "In_use"
        shown = state["instances"][job.instance_id]["status"]
        assert job.power_after == shown, f"{job.instance_id} is {shown}, not {job.power_after}"
        as_promised = shown == job.power_promised
        data = {disk.data for disk in job.disks}
        assert job.outcome in _fitting(data, as_promised=as_promised), f"{job.outcome} does not fit {data}"
        if "unknown" in data:
            assert shown == "Stopped"
        if job.outcome == "refused":
            assert shown == job.power_before
        assert (job.error is None) == (job.outcome == "done")
        assert all(phase.ended_at is not None or phase.result == "unknown" for phase in job.phases)
        starts = before["instances"][job.instance_id]["starts"] if before else 1
        for disk in job.disks:
            assert all(each["starts_before"] == starts for made in happened[disk.disk_id] for each in made)
        assert others or state["instances"][job.instance_id]["starts"] <= starts + 1
    _assert_backed_up(done, state)
    assert report.exit_code == exit_code(report.outcome) == (done.error.exit_code if done.error else 0)
    assert (report.exit_code >= 4) <= any(done.sent(name) for name in CHANGING)
    if report.outcome == "refused":
        assert not any(done.sent(name) for name in CHANGING)


def _overwritten(
    disk_id: str, state: dict[str, Any], before: dict[str, Any] | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what was done to a disk in the run: wipes, and roll-backs."""
    then = before["disks"][disk_id] if before else {"wipes": [], "resets": []}
    now = state["disks"][disk_id]
    return now["wipes"][len(then["wipes"]) :], now["resets"][len(then["resets"]) :]


def _assert_backed_up(done: Run, state: dict[str, Any]) -> None:
    """Assert that each disk which a run with safety snapshots overwrote has its own, with what was lost."""
    if not done.plan.options.snapshot:
        assert "CreateSnapshot" not in {call.action for call in done.report.calls}
        return
    kind = "resets" if done.plan.options.undo else "wipes"
    for job in done.report.jobs:
        for disk in job.disks:
            row = state["snapshots"].get(disk.safety_snapshot)
            assert disk.safety_snapshot is None or (row is not None and row["disk_id"] == disk.disk_id)
            if disk.data == "reinitialised":
                assert row is not None
                lost = state["disks"][disk.disk_id][kind][-1]["content_before"]
                assert (row["status"], row["content"]) == ("accomplished", lost)


def _fitting(data: set[str], *, as_promised: bool) -> set[str]:
    """List the outcomes that a job may have by the table of exit codes."""
    if "unknown" in data:
        return {"unknown"}
    if data == {"reinitialised"}:
        return {"done"} if as_promised else {"not-restarted"}
    if "reinitialised" in data:
        return {"partial"}
    return {"failed", "refused"} if as_promised else {"stranded", "refused"}


# A pure model of one instance and its disks, and of the loop that runs a job on it: no threads, no clock, no network.

TICK_LENGTH = 2.0
SHORT = Limits(stop=60.0, snapshot=60.0, reinit=80.0, start=50.0, retry=30.0)
"""Short limits, so that a model run comes to its end in few looks."""
LONGEST = 4 * (SHORT.stop + SHORT.snapshot + SHORT.reinit + SHORT.start + SHORT.retry)
"""Cloud seconds by which every run must have ended, whatever happens."""
_DURATION = {"Stopping": 12.0, "Starting": 14.0, "ReIniting": 16.0}
_NEXT = {"Stopping": "Stopped", "Starting": "Running", "ReIniting": "In_use"}


@dataclass
class Thing:
    """An instance or a disk of the model: its status, when that passes by itself, and what it showed before."""

    status: str
    due: float = math.inf
    history: list[tuple[float, str, str]] = field(default_factory=list)
    instance_id: str = INSTANCE
    wipes: int = 0

    def become(self, status: str, now: float) -> None:
        """Change status."""
        self.history.append((now, self.status, self.instance_id))
        self.status, self.due = status, now + _DURATION.get(status, math.inf)

    def pass_time(self, now: float) -> None:
        """Finish what is due."""
        if self.due <= now:
            self.become(_NEXT[self.status], now)

    def shown(self, since: float) -> tuple[str, str]:
        """Return status and instance as they were at ``since``."""
        return next(((was, where) for at, was, where in self.history if at > since), (self.status, self.instance_id))


@dataclass
class TinyEcs:
    """The rules of ECS that a wipe depends on, for one instance."""

    power: str = "Running"
    disk_ids: tuple[str, ...] = (DATA,)
    lag: float = 0.0
    now: float = 1000.0
    started_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    our_starts: int = 0
    deaf: bool = False

    def __post_init__(self) -> None:
        self.instance = Thing(self.power)
        self.disks = {disk_id: Thing("In_use") for disk_id in self.disk_ids}

    @property
    def when(self) -> datetime:
        """The time as reports have it."""
        return datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=self.now)

    def advance(self) -> None:
        """Let a tick pass."""
        self.now += TICK_LENGTH
        for thing in (self.instance, *self.disks.values()):
            thing.pass_time(self.now)
        if self.deaf and self.instance.status == "Stopping":
            self.instance.due = math.inf

    def observe(self) -> Observation:
        """Show all there is, as old as the lag."""
        since = self.now - self.lag
        status, _ = self.instance.shown(since)
        return Observation(
            at=self.now,
            when=self.when,
            answered=True,
            date=values.TOMORROW,
            instance=values.an_instance(instance_id=INSTANCE, status=status, start_time=self.started_at),
            disks={disk_id: self._disk(disk_id, thing, since) for disk_id, thing in self.disks.items()},
        )

    def _disk(self, disk_id: str, thing: Thing, since: float) -> Disk:
        status, where = thing.shown(since)
        return values.a_disk(disk_id=disk_id, status=status, instance_id=where)

    def blind(self, code: str | None = None) -> Observation:
        """Return an observation that failed."""
        return Observation(self.now, self.when, answered=False, credentials_refused=code)

    def do(self, send: Command) -> str:
        """Do a call of ours as ECS would, and give its code."""
        if send.action == "ReInitDisk":
            disk = self.disks[send.subject]
            if disk.status != "In_use" or disk.instance_id != INSTANCE:
                return "IncorrectDiskStatus"
            if self.instance.status != "Stopped":
                return "IncorrectInstanceStatus"
            disk.become("ReIniting", self.now)
            disk.wipes += 1
            return "OK"
        stopping = send.action == "StopInstance"
        fits = self.instance.status == ("Running" if stopping else "Stopped")
        if send.force and self.instance.status == "Stopping":
            self.deaf, fits = False, True
        if not fits or (not stopping and any(disk.status == "ReIniting" for disk in self.disks.values())):
            return "IncorrectInstanceStatus"
        self.our_starts += not stopping
        if not stopping:
            self.started_at += timedelta(minutes=1)
        self.instance.become("Stopping" if stopping else "Starting", self.now)
        return "OK"

    def somebody(self, does: str, disk_id: str = DATA) -> None:
        """Let another person act at the console, where ECS would let them."""
        still = self.instance.status in ("Running", "Stopped")
        disk = self.disks[disk_id]
        wiping = any(other.status == "ReIniting" for other in self.disks.values())
        if does == "start" and self.instance.status == "Stopped" and not wiping:
            self.started_at += timedelta(minutes=1)
            self.instance.become("Running", self.now)
        elif does == "stop" and self.instance.status == "Running":
            self.instance.become("Stopped", self.now)
        elif does == "detach" and disk.status == "In_use" and still:
            disk.become("Available", self.now)
            disk.instance_id = ""
        elif does == "attach" and disk.status == "Available":
            disk.become("In_use", self.now)
            disk.instance_id = INSTANCE


ANSWERS = (
    "ok", "lost-done", "lost-undone", "throttled", "refused", "not-sent", "credentials", "slow", "slow-lost",
)  # fmt: skip


class TinyRun:
    """The loop of ``run_plan`` and the guarded call of ``act`` over the model; it asserts the guards at every call."""

    def __init__(self, ecs: TinyEcs, *, leave_stopped: bool = False, force_stop_after: float | None = None) -> None:
        self.ecs = ecs
        disks = tuple(PlannedDisk(disk_id) for disk_id in ecs.disk_ids)
        job = PlannedJob(INSTANCE, "web", ecs.power, "Running", will_stop=True, will_start=True, disks=disks)
        job = replace(job, expected=values.started(INSTANCE))
        limits = replace(SHORT, force_stop_after=force_stop_after)
        self.record = core_state.begin(job, limits, at=ecs.now, options=Options(leave_stopped=leave_stopped))
        self.planned_start = ecs.started_at
        self.began = ecs.now
        self.pending: tuple[int, Callable[[], None]] | None = None
        self.answer = "ok"
        self.perhaps_stopped = False
        """Whether a stop of ours was ever accepted, or its answer lost."""
        self.ended = False

    def tick(self, read: str = "ok") -> None:
        """Let one tick pass: observe, evolve, decide, and make the call that is decided."""
        if self.ended:
            return
        self.ecs.advance()
        assert self.ecs.now - self.began <= LONGEST, f"it does not end: {self.record}"
        if self.pending is not None:
            left, deliver = self.pending
            self.pending = (left - 1, deliver) if left > 0 else None
            if left <= 0:
                deliver()
        action = self._decide(self._observe(read))
        if isinstance(action, Finish):
            self.ended = self.pending is None
        elif isinstance(action, Command) and self.pending is None:
            self._act(action, read)

    def _observe(self, read: str) -> Observation:
        return self.ecs.observe() if read == "ok" else self.ecs.blind("NoPermission" if read == "credentials" else None)

    def _decide(self, seen: Observation) -> Action:
        self.record = core_observations.evolve_observed(self.record, seen)
        return decide(self.record, seen)

    def _act(self, send: Command, read: str) -> None:
        if read != "ok":
            return
        seen = self.ecs.observe()
        moved = self.ecs.started_at != self.planned_start and not self.record.start.tries
        if send.action != "StartInstance" and not send.force and moved:
            self.record = core_state.fail(self.record, Failure(None, "Facts that the plan is based on have changed."))
            return
        if self._decide(seen) != send:
            return
        self._guards(send)
        self.record = core_answers.intend(self.record, send, seen)
        answer, self.answer = self.answer, "ok"
        self._call(send, answer)

    def _guards(self, send: Command) -> None:
        known, ecs = self.record, self.ecs
        if send.action == "ReInitDisk":
            assert known.start.state == "none", "a wipe after a start was intended"
            assert not known.turned_back, "a wipe after an error or an interruption"
            assert ecs.disks[send.subject].wipes == 0, "a second wipe"
            assert ecs.our_starts == 0, "a wipe after a start of ours"
            if not ecs.lag:
                assert ecs.instance.status == "Stopped", "a wipe of a machine that is not Stopped"
        if send.action == "StartInstance":
            assert self.perhaps_stopped, "a start of what others stopped"
            doubt = [wipe for wipe in known.disks if wipe.state not in ("todo", "refused", "done")]
            assert not doubt, "a start while a disk is in doubt"

    def _call(self, send: Command, answer: str) -> None:
        ecs = self.ecs
        if answer == "lost-undone":
            self._lost(send)
        elif answer in ("throttled", "not-sent", "refused", "credentials"):
            code = {"throttled": "Throttling", "not-sent": "NotSent", "credentials": "Forbidden.RAM"}.get(answer, "X")
            self._refused(send, code, again=answer in ("throttled", "not-sent"))
        else:
            code = ecs.do(send)
            if code != "OK":
                self._refused(send, code, again=True)
            elif answer == "lost-done":
                self._lost(send)
            elif answer == "ok":
                self._accepted(send)
            else:
                self.pending = 6, lambda: self._accepted(send) if answer == "slow" else self._lost(send)

    def _accepted(self, send: Command) -> None:
        self.perhaps_stopped |= send.action == "StopInstance"
        self.record = core_answers.accepted(self.record, send, self.ecs.now)

    def _lost(self, send: Command) -> None:
        self.perhaps_stopped |= send.action == "StopInstance"
        self.record = core_answers.lost(self.record, send, self.ecs.now)

    def _refused(self, send: Command, code: str, *, again: bool) -> None:
        due = self.ecs.now + 3.0 if again else None
        self.record = core_answers.refused(self.record, send, Failure(code, code), self.ecs.now, self.ecs.when, due)

    def interrupt(self) -> None:
        """Do what the loop does when somebody asks the run to end."""
        self.record = core_state.interrupt(self.record)

    def finish(self) -> None:
        """Let time pass undisturbed until the run has ended."""
        while not self.ended:
            self.tick()

    def check(self) -> None:
        """Assert that what the record tells at its end is true or ``unknown``."""
        outcome, known, ecs = core_state.outcome(self.record), self.record, self.ecs
        for wipe in known.disks:
            happened = ecs.disks[wipe.disk_id].wipes
            assert happened <= 1
            if wipe.state == "done":
                assert happened == 1, f"{wipe.disk_id} is told done, and was never wiped"
            elif wipe.state in ("todo", "refused"):
                assert happened == 0, f"{wipe.disk_id} is told intact, and was wiped"
            else:
                assert outcome == "unknown"
                assert ecs.our_starts == 0, "started while a disk is in doubt"
        if outcome == "done":
            assert not ecs.lag <= 0 or ecs.instance.status == known.promised
        ours = any(step.state != "none" for step in (known.stop, known.force, known.start))
        if outcome == "failed" and not ecs.lag and ours:  # else the power is as others left it
            assert ecs.instance.status == known.promised, "power is told as promised, and is not"
        assert (outcome == "refused") <= (not known.tried)


class TinyCloud:
    """A ``Cloud`` of fixed facts for one test: ``failing`` says what a read or a probe of this name raises or gives."""

    def __init__(self, disks: Sequence[Disk], instances: Sequence[Instance], **more: Any) -> None:
        self.loopback = more.get("loopback", True)
        self.date: datetime | None = more.get("date", values.NOW)
        self.account: str = more.get("account", "1000000000000001")
        self.shown = {disk.disk_id: disk for disk in disks}
        self.machines = {instance.instance_id: instance for instance in instances}
        self.snapshots_by_disk: dict[str, tuple[Snapshot, ...]] = more.get("snapshots", {})
        self.images_by_id: dict[str, Image] = more.get("images", {})
        self.members: Sequence[ScalingMember] = more.get("members", ())
        self.keys: dict[str, Key] = {key.key_id: key for key in more.get("keys", ())}
        self.pairs: Sequence[ReplicaPair] = more.get("pairs", ())
        self.events: Sequence[SystemEvent] = more.get("events", ())
        self.policies: dict[str, AutoSnapshotPolicy] = {each.policy_id: each for each in more.get("policies", ())}
        self.failing: dict[str, list[CloudError]] = more.get("failing", {})
        self.listed: int | None = more.get("listed")
        self.answers: dict[str, Accepted | Refused | None] = more.get("answers", {})
        """By instance: how it is answered in a call for many; ``None``s are left out."""
        self.probes: dict[str, str] = more.get("probes", {})
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.acts: list[str] = []
        self.meanwhile: Callable[[str], None] = lambda _name: None

    def _read(self, name: str, ids: Iterable[str], shown: Iterable[Any]) -> Described[Any]:
        self.asked.append((name, tuple(ids)))
        self.meanwhile(name)
        if self.failing.get(name):
            raise self.failing[name].pop(0)
        return Described(tuple(shown), self.date)

    def get_caller(self) -> Described[Caller]:
        """Implement ``Cloud``."""
        return self._read("get_caller", (), [Caller(self.account, "acs:ram::1:user/x", "RAMUser")])

    def describe_disks(self, disk_ids: Sequence[str]) -> Described[Disk]:
        """Implement ``Cloud``."""
        return self._read("describe_disks", disk_ids, [self.shown[each] for each in disk_ids if each in self.shown])

    def describe_disks_of(self, instance_id: str) -> Described[Disk]:
        """Implement ``Cloud``."""
        found = [disk for disk in self.shown.values() if disk.instance_id == instance_id]
        return self._read("describe_disks_of", (instance_id,), found)

    def describe_instances(self, instance_ids: Sequence[str]) -> Described[Instance]:
        """Implement ``Cloud``."""
        found = [self.machines[each] for each in instance_ids if each in self.machines]
        return self._read("describe_instances", instance_ids, found)

    def describe_snapshots(self, snapshot_ids: Sequence[str]) -> Described[Snapshot]:
        """Implement ``Cloud``."""
        every = [shot for shots in self.snapshots_by_disk.values() for shot in shots]
        return self._read(
            "describe_snapshots", snapshot_ids, [shot for shot in every if shot.snapshot_id in snapshot_ids]
        )

    def describe_snapshots_of(self, disk_id: str, status: str = "") -> Described[Snapshot]:
        """Implement ``Cloud``."""
        found = [shot for shot in self.snapshots_by_disk.get(disk_id, ()) if status in ("", shot.status)]
        return self._read("describe_snapshots_of", (disk_id,), found)

    def list_snapshots(self, pages: int, status: str = "") -> Described[Snapshot]:
        """Implement ``Cloud``; as many as ``listed`` are shown."""
        every = [shot for shots in self.snapshots_by_disk.values() for shot in shots if status in ("", shot.status)]
        return self._listed("list_snapshots", every, pages)

    def list_disks(self, pages: int) -> Described[Disk]:
        """Implement ``Cloud``; as many as ``listed`` are shown."""
        return self._listed("list_disks", list(self.shown.values()), pages)

    def _listed(self, name: str, every: Sequence[Any], pages: int) -> Described[Any]:
        shown = every[: self.listed]
        return replace(self._read(name, (str(pages),), shown), complete=len(shown) == len(every))

    def describe_snapshot_links(self, disk_ids: Sequence[str]) -> Described[SnapshotLink]:
        """Implement ``Cloud``."""
        counts = {disk_id: len(self.snapshots_by_disk.get(disk_id, ())) for disk_id in disk_ids}
        found = [SnapshotLink(each, count, "standard", instant_access=False) for each, count in counts.items() if count]
        return self._read("describe_snapshot_links", disk_ids, found)

    def describe_images(self, image_ids: Sequence[str]) -> Described[Image]:
        """Implement ``Cloud``."""
        return self._read(
            "describe_images", image_ids, [self.images_by_id[x] for x in image_ids if x in self.images_by_id]
        )

    def describe_key_pairs(self, name: str) -> Described[str]:
        """Implement ``Cloud``."""
        return self._read("describe_key_pairs", (name,), (name,))

    def describe_scaling_members(self, instance_ids: Sequence[str]) -> Described[ScalingMember]:
        """Implement ``Cloud``."""
        found = [each for each in self.members if each.instance_id in set(instance_ids)]
        return self._read("describe_scaling_members", instance_ids, found)

    def describe_key(self, key_id: str) -> Described[Key]:
        """Implement ``Cloud``."""
        return self._read("describe_key", (key_id,), [self.keys.get(key_id, Key(key_id, ""))])

    def describe_replica_pairs(self) -> Described[ReplicaPair]:
        """Implement ``Cloud``."""
        return self._read("describe_replica_pairs", (), self.pairs)

    def describe_system_events(self, instance_ids: Sequence[str]) -> Described[SystemEvent]:
        """Implement ``Cloud``."""
        found = [each for each in self.events if each.instance_id in instance_ids]
        return self._read("describe_system_events", instance_ids, found)

    def describe_auto_snapshot_policy(self, policy_id: str) -> Described[AutoSnapshotPolicy]:
        """Implement ``Cloud``."""
        found = [self.policies[policy_id]] if policy_id in self.policies else []
        return self._read("describe_auto_snapshot_policy", (policy_id,), found)

    def dry_run(self, action: str, ids: Sequence[str]) -> str:
        """Implement ``Cloud``."""
        self._read(f"dry_run {action}", ids, ())
        return self.probes.get(action, "DryRunOperation")

    def dry_run_stop(self, instance_id: str) -> str:
        """Implement ``Cloud``."""
        self._read("dry_run_stop", (instance_id,), ())
        return self.probes.get("StopInstance", "DryRunOperation")

    def dry_run_start(self, instance_id: str) -> str:
        """Implement ``Cloud``."""
        self._read("dry_run_start", (instance_id,), ())
        return self.probes.get("StartInstance", "DryRunOperation")

    def dry_run_batch(self, action: str, instance_ids: Sequence[str]) -> str:
        """Implement ``Cloud``: one of them without the right spoils the whole."""
        self._read(f"dry_run {action}", instance_ids, ())
        codes = [self.probes[each] for each in (*instance_ids, action) if each in self.probes]
        return codes[0] if codes else "DryRunOperation"

    def stop_instances(
        self,
        instance_ids: Sequence[str],
        *,
        force: bool = False,  # noqa: ARG002
        attempt: int = 1,  # noqa: ARG002
    ) -> dict[str, Accepted | Refused]:
        """Implement ``Cloud``."""
        return self._act_many("StopInstances", instance_ids)

    def start_instances(
        self,
        instance_ids: Sequence[str],
        *,
        attempt: int = 1,  # noqa: ARG002
    ) -> dict[str, Accepted | Refused]:
        """Implement ``Cloud``."""
        return self._act_many("StartInstances", instance_ids)

    def _act_many(self, name: str, ids: Sequence[str]) -> dict[str, Accepted | Refused]:
        self.acts.append(name)
        self._read(name, ids, ())
        answers = {each: self.answers.get(each, Accepted("REQUEST")) for each in ids}
        return {each: answer for each, answer in answers.items() if answer is not None}

    def dry_run_reset(self, disk_id: str, snapshot_id: str) -> str:
        """Implement ``Cloud``."""
        self._read("dry_run_reset", (disk_id, snapshot_id), ())
        return self.probes.get("ResetDisk", "DryRunOperation")

    def _act(self, name: str, subject: str) -> Accepted:
        self.acts.append(name)
        self._read(name, (subject,), ())
        return Accepted("REQUEST")

    def stop_instance(self, instance_id: str, *, force: bool = False, attempt: int = 1) -> Accepted:  # noqa: ARG002
        """Implement ``Cloud``."""
        return self._act("StopInstance", instance_id)

    def start_instance(self, instance_id: str, *, attempt: int = 1) -> Accepted:  # noqa: ARG002
        """Implement ``Cloud``."""
        return self._act("StartInstance", instance_id)

    def reinit_disk(self, disk_id: str, options: Options, **_more: Any) -> Accepted:  # noqa: ARG002
        """Implement ``Cloud``."""
        return self._act("ReInitDisk", disk_id)

    def create_snapshot(self, disk_id: str, **_more: Any) -> Accepted:
        """Implement ``Cloud``."""
        return self._act("CreateSnapshot", disk_id)

    def reset_disk(self, disk_id: str, snapshot_id: str, **_more: Any) -> Accepted:
        """Implement ``Cloud``."""
        self.asked.append(("reset_disk to", (disk_id, snapshot_id)))
        return self._act("ResetDisk", disk_id)

    def tag_instance(self, instance_id: str, tag: tuple[str, str], *, attempt: int = 1) -> Accepted:  # noqa: ARG002
        """Implement ``Cloud``."""
        return self._act("TagResources", instance_id)

    def untag_instance(self, instance_id: str, key: str, *, attempt: int = 1) -> Accepted:  # noqa: ARG002
        """Implement ``Cloud``."""
        return self._act("UntagResources", instance_id)


def facts_for(cloud: Any, clock: Clock, region: str, disk_ids: Sequence[str], options: Options, **more: Any) -> Facts:
    """Read the facts of these disks as a plan does."""
    return read_facts(Round(cloud, clock, Patient(clock), disk_ids), region, options, **more)


class TinyClock(Clock):
    """A clock that stands still unless somebody waits or moves it."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 1000.0

    def time(self) -> float:
        """Implement ``Clock``."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Implement ``Clock``."""
        self.at += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Implement ``Clock``."""
        self.at += seconds
        return event.wait(0.001)
