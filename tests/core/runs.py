"""A run that a test steps by hand: no thread, no clock, no network.

``Steps`` holds a run and a small model of its machines. ``step`` passes inputs on and returns the effects, with each
``Commit`` written down at once. ``to(Call, "ReInitDisk")`` carries everything out until such an effect is asked for,
and returns it; ``answer`` then says what came of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from safe_reinit.core.inputs import (
    Answered,
    AskToContinue,
    Attempt,
    AttemptRefused,
    AttemptUnanswered,
    Broke,
    Commit,
    Committed,
    Continued,
    Describe,
    Effect,
    Emit,
    Exchanged,
    Fresh,
    Heard,
    Input,
    Notify,
    Now,
    Observations,
    ReadInUse,
    Recheck,
    Rechecked,
    SendAttempts,
    Unobserved,
    WaitUntil,
)
from safe_reinit.core.polling import needs
from safe_reinit.core.run import Run
from safe_reinit.core.state import begin
from safe_reinit.model import (
    LOCK_TAG,
    Accepted,
    Command,
    InUse,
    JobState,
    Limits,
    Observation,
    Options,
    PlannedDisk,
    PlannedJob,
    Rollout,
    SafetySnapshot,
    Snapshot,
    Step,
)
from tests import values

E = TypeVar("E", Describe, Recheck, SendAttempts)

RUN = "r-1"
RUN_BEGAN = 1000.0
TAKES = {"Stopping": 4.0, "Starting": 4.0, "ReIniting": 6.0}
BECOMES = {"Stopping": "Stopped", "Starting": "Running", "ReIniting": "In_use"}
OK = Accepted("REQUEST")


@dataclass
class Machine:
    """An instance with its disks, which obeys at once and needs a few seconds for what it does."""

    number: int
    status: str
    disks: dict[str, str]
    start_time: Any = values.YESTERDAY
    tags: dict[str, str] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)
    """By status: when it passes."""
    starts: int = 0
    wipes: int = 0

    def pass_time(self, at: float) -> None:
        """Let what is due happen."""
        for status in [each for each, due in self.due.items() if due <= at]:
            del self.due[status]
            if self.status == status:
                self.status = BECOMES[status]
            self.disks = {name: BECOMES[status] if shown == status else shown for name, shown in self.disks.items()}

    def do(self, command: Command, at: float, run_id: str) -> str:
        """Do what a call says; return the id of a snapshot that it takes."""
        if command.action in ("StopInstance", "StartInstance"):
            self.status = "Stopping" if command.action == "StopInstance" else "Starting"
            self.due[self.status] = at + TAKES[self.status]
            if command.action == "StartInstance":
                self.starts += 1
                self.start_time = values.NOW + timedelta(seconds=at)
        elif command.overwrites:
            self.wipes += 1
            self.disks[command.subject] = "ReIniting"
            self.due["ReIniting"] = at + TAKES["ReIniting"]
        elif command.action == "TagResources":
            self.tags[LOCK_TAG] = run_id
        elif command.action == "UntagResources":
            self.tags.pop(LOCK_TAG, None)
        else:
            name = f"s-safe-{command.subject}"
            self.snapshots[name] = values.a_snapshot(snapshot_id=name, source_disk_id=command.subject)
            return name
        return ""


def a_job(number: int, disks: int = 1, power: str = "Running") -> PlannedJob:
    """Return a job of so many disks: d-0, d-0-1 and so on of i-0."""
    names = [f"d-{number}" + (f"-{each}" if each else "") for each in range(disks)]
    running = power == "Running"
    planned = tuple(map(PlannedDisk, names))
    name, promised = f"i-{number}", "Running" if running else "Stopped"
    return PlannedJob(name, "", power, promised, running, running, planned, expected=values.started(name))


class Steps:
    """A run of so many machines. Times are cloud seconds.

    Args:
        count: how many machines it has.
        disks: how many disks of each are wiped.
        power: how the machines are when the plan is made.
        down: whether the run has stopped them already.
        limits: the limits of each job.
        options: of the plan.
        rate: the cloud seconds in a real one.
        journal_outage: for how long a journal that is away is waited for.
        rollout: members of ``Rollout``.

    """

    def __init__(
        self,
        count: int = 1,
        *,
        disks: int = 1,
        power: str = "Running",
        down: bool = False,
        limits: Limits | None = None,
        options: Options | None = None,
        rate: float = 1.0,
        closed: Sequence[int] = (),
        shows_start_time: bool = True,
        journal_outage: float = 0.0,
        **rollout: Any,
    ) -> None:
        self.at = RUN_BEGAN
        self.planned = [a_job(number, disks, power) for number in range(count)]
        kept = limits or Limits()
        if not shows_start_time:
            self.planned = [replace(job, expected={}) for job in self.planned]
        states = [begin(job, kept, at=RUN_BEGAN, run_id=RUN, options=options) for job in self.planned]
        if down:
            stop = Step("done", tries=1, first_at=900.0, at=900.0, start_time=values.YESTERDAY)
            states = [replace(each, stop=stop, instance_status="Stopped") for each in states]
        status = "Stopped" if down else power
        self.machines = [
            Machine(number, status, dict.fromkeys((disk.disk_id for disk in job.disks), "In_use"))
            for number, job in enumerate(self.planned)
        ]
        for machine in self.machines if not shows_start_time else ():
            machine.start_time = None
        self._rest: dict[str, Any] = {"closed": frozenset(closed), "rate": rate, "journal_outage": journal_outage}
        self.others = InUse()
        """What other runs have in use."""
        self.journal: Input = Committed()
        """What comes of a commit that the journal must have."""
        self._rollout = Rollout(**{"canary": 0, **rollout})
        self.pending: list[Describe | Recheck | SendAttempts] = []
        self.effects: list[Effect] = []
        self.took = 0.0
        """How long it takes to answer a Describe or a Recheck."""
        self.wake_at = RUN_BEGAN
        self.agreed = True
        self.begin(states)

    def begin(self, states: Sequence[JobState]) -> None:
        """Begin the run again with these states; a shard knows from the start what is ahead of it."""
        self.knows = False
        self.run = Run(RUN, self._rollout, states, **self._rest)

    def change(self, position: int = 0, **members: Any) -> None:
        """Begin the run again with other members of the state of a job."""
        states = list(self.run.states)
        states[position] = replace(states[position], **members)
        self.begin(states)

    # -------------------------------------------------------------------------------------------------------- steps

    @property
    def now(self) -> Now:
        """The present."""
        return Now(self.at, values.NOW + timedelta(seconds=self.at), 0.5)

    def step(self, *inputs: Input, commit: Input | None = None) -> list[Effect]:
        """Pass these on, and then what came of each commit; return all effects."""
        found: list[Effect] = []
        given: list[Input] = [*([Heard(self.others)] if self.others.ahead and not self.knows else []), *inputs]
        self.knows = True
        while True:
            effects = self.step_once(*given)
            found += effects
            given = [commit or self._written(each) for each in effects if isinstance(each, Commit)]
            given += [Continued(self.agreed) for each in effects if isinstance(each, AskToContinue)]
            given += [Heard(self.others) for each in effects if isinstance(each, ReadInUse)]
            commit = None
            if not given:
                return found

    def _written(self, commit: Commit) -> Input:
        return Committed() if commit.spool else self.journal

    def step_once(self, *inputs: Input) -> list[Effect]:
        """Step once; what is written down is not answered."""
        for machine in self.machines:
            machine.pass_time(self.at)
        effects = self.run.step(self.now, inputs)
        self.effects += effects
        for each in effects:
            if isinstance(each, Describe | Recheck | SendAttempts):
                self.pending.append(each)
            elif isinstance(each, WaitUntil):
                assert each.at > self.at, "it would step again and again without waiting"
                self.wake_at = each.at
        return effects

    def wait(self, seconds: float = 0.0) -> list[Effect]:
        """Let time pass, until the run asks for a step where no time is given, and step."""
        self.at = self.at + seconds if seconds else max(self.at, self.wake_at)
        return self.step()

    def to(self, kind: type[E], action: str = "", most: int = 200) -> E:
        """Carry everything out as the machines would, until such an effect is asked for, and return it."""
        for _ in range(most):
            found = next(
                (each for each in self.pending if isinstance(each, kind) and action in ("", action_of(each))), None
            )
            if found is not None:
                return found
            self.go_on()
        raise AssertionError(f"nobody asks for {kind.__name__} {action}: {self.pending} {self.states}")

    def to_recheck(self, action: str) -> Recheck:
        """Return the recheck of a call that was decided on an observation: what the jobs begin with shows nothing."""
        if not self.state.tried:
            beginning = self.to(Recheck)
            self.answer(beginning, *[Unobserved("not listed")] * len(beginning.commands))
        return self.to(Recheck, action)

    def go_on(self) -> None:
        """Answer what is asked for, as the machines would; else wait."""
        if not self.pending:
            self.wait()
            return
        for each in list(self.pending):
            self.answer(each)

    def finish(self, most: int = 400) -> None:
        """Carry everything out to the end of the run."""
        for _ in range(most):
            if self.run.is_over:
                return
            self.go_on()
        raise AssertionError(f"it does not end: {self.states}")

    def answer(
        self, asked: Describe | Recheck | SendAttempts, *results: Any, commit: Input | None = None, **more: Any
    ) -> list[Effect]:
        """Report what came of an effect: these results, or what the machines make of it."""
        self.pending.remove(asked)
        return self.step(self.outcome_of(asked, *results, **more), commit=commit)

    def outcome_of(self, asked: Describe | Recheck | SendAttempts, *results: Any, **more: Any) -> Input:
        """Return what came of an effect."""
        if isinstance(asked, Describe | Recheck) and not results:
            self.at += self.took
        if isinstance(asked, Describe):
            seen = [self.observation(self.number_of(job), job) for job in asked.jobs]
            without = {"disks": {}, "disks_requested": False, "disks_answered": False}
            seen += [self.observation(self.number_of(job), **without) for job in asked.watched]
            return Observations(asked.number, results or tuple(seen))
        if isinstance(asked, Recheck):
            return Rechecked(asked.number, results or tuple(self.fresh(each.position) for each in asked.commands))
        return Answered(asked.number, results or tuple(self.accept(each) for each in asked.attempts), **more)

    # ------------------------------------------------------------------------------------------------- observations

    def number_of(self, job: JobState) -> int:
        """Return the position of a job."""
        return int(job.instance_id.removeprefix("i-"))

    def observation(self, number: int = 0, job: JobState | None = None, **changes: Any) -> Observation:
        """Return what is observed of a job now: what it needs, or all of it where no state is given."""
        machine = self.machines[number]
        machine.pass_time(self.at)
        need = needs(job) if job is not None else None
        instance = values.an_instance(
            instance_id=f"i-{number}", status=machine.status, start_time=machine.start_time,
            tags=tuple(machine.tags.items()),
        )  # fmt: skip
        disks = {name: a_disk(name, number, status) for name, status in machine.disks.items()}
        whole: dict[str, Any] = {
            "at": self.at - self.took, "when": self.now.when, "date": self.now.when, "answered_at": self.at,
            "answered": True, "snapshots": dict(machine.snapshots), "instance": instance, "disks": disks,
        }  # fmt: skip
        if need is not None and not need.instance:
            whole |= {"instance": None, "instance_requested": False}
        if need is not None and not need.disks:
            whole |= {"disks": {}, "disks_requested": False, "disks_answered": False}
        return Observation(**(whole | changes))

    def fresh(self, number: int = 0, **changes: Any) -> Fresh:
        """Return that a recheck finds the job as it was planned."""
        code = "DryRunOperation" if any(wipe.snapshot_id for wipe in self.states[number].disks) else ""
        return Fresh(self.observation(number, **changes), code)

    def accept(self, attempt: Attempt) -> Accepted:
        """Let a machine do what it is told, and return the answer."""
        made = self.machines[attempt.position].do(attempt.command, self.at, RUN)
        return Accepted("REQUEST", snapshot_id=made)

    # ---------------------------------------------------------------------------------------------------- what is so

    @property
    def states(self) -> tuple[JobState, ...]:
        """The states of the jobs."""
        return self.run.states

    @property
    def state(self) -> JobState:
        """The state of the first job."""
        return self.run.states[0]

    @property
    def calls(self) -> list[str]:
        """The actions that were to be called, in their order, each as often as there were calls."""
        return [action_of(each) for each in self.effects if isinstance(each, SendAttempts)]

    def reported(self, event: str) -> list[Mapping[str, Any]]:
        """Return the data of the events of this name."""
        return [each.data for each in self.effects if isinstance(each, Emit) and each.event == event]

    @property
    def messages(self) -> list[str]:
        """What people were told."""
        return [each.text for each in self.effects if isinstance(each, Notify)]

    @property
    def digest(self) -> str:
        """A hash of all effects so far."""
        return hashlib.sha256(repr(self.effects).encode()).hexdigest()


def action_of(effect: Describe | Recheck | SendAttempts) -> str:
    """Return the action that an effect is about; ``""`` for a recheck with which jobs begin."""
    if isinstance(effect, Recheck):
        command = effect.commands[0].command
        return command.action if command else ""
    return effect.attempts[0].command.action if isinstance(effect, SendAttempts) else ""


def kinds(effects: Sequence[Effect]) -> list[str]:
    """Return the kinds of effects."""
    return [type(each).__name__ for each in effects]


def a_disk(disk_id: str, number: int, status: str = "In_use") -> Any:
    """Return a disk of a machine as ECS shows it."""
    return values.a_disk(disk_id=disk_id, instance_id=f"i-{number}", status=status)


def backed_up(disk_id: str, state: str = "done") -> SafetySnapshot:
    """Return the safety snapshot of a disk."""
    step: Any = Step(state, tries=1, first_at=900.0, at=900.0)  # type: ignore[arg-type]
    return SafetySnapshot(disk_id, "token", step, f"s-safe-{disk_id}", "100%")


def whole_run() -> str:
    """Carry a run out in which much happens, and return a hash of its effects."""
    run = Steps(
        15, disks=2, options=Options(snapshot=True, lock_tag=True), canary=2, pause="canary", waves=((5, False),)
    )
    run.answer(
        run.to(SendAttempts, "StopInstance"),
        *[AttemptRefused("Forbidden.RAM", 403, "", "r", "StopInstances")] * 2,
        batched=True,
    )
    run.answer(run.to(SendAttempts, "CreateSnapshot"), AttemptUnanswered())
    run.step(Exchanged("ReInitDisk", "Throttling.User"))
    run.answer(run.to(SendAttempts, "ReInitDisk"), AttemptRefused("DiskCreatingSnapshot", 403, "", "r"))
    recheck = run.to(Recheck, "ReInitDisk")
    run.pending.remove(recheck)
    run.step(Broke(recheck.number, "KeyError"))
    run.finish(4000)
    assert run.run.is_over
    return run.digest
